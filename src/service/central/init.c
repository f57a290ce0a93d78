#include "service/central/priv.h"

#include "ground/base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* What a state folder of ours may hold: init touches none of it. */
static const char *const ours[] = {"central.db",  FILE_MACHINE,  FILE_KEY,      FILE_CERT,
                                   FILE_REVISION, FILE_MATERIAL, "location.db", "users.db"};

static int check_folder(const char *folder, char *error)
{
    int r = files_folder_make(folder);
    if (r < 0) {
        snprintf(error, CENTRAL_ERROR, "%s: %s.", folder, strerror(-r));
        return r;
    }
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (files_exists(folder, ours[i])) {
            snprintf(error, CENTRAL_ERROR, "%s holds %s: central management is made in an empty folder.",
                     folder, ours[i]);
            return -EEXIST;
        }
    return 0;
}

/* --- the first topology --- */
static struct slice domain_of(struct slice fqdn)
{
    struct slice host, domain;
    return slice_cut(fqdn, '.', &host, &domain) ? domain : fqdn;
}

static struct json_value *first_topology(const struct central_init *init, struct arena *a)
{
    struct json_value *doc = json_object(a), *deployment = json_object(a), *central = json_object(a);
    struct json_value *sites = json_array(a), *site = json_object(a);
    struct slice domain = init->domain.n ? init->domain : domain_of(init->machine);
    struct slice name, rest;
    if (!slice_cut(domain, '.', &name, &rest))
        name = domain;
    json_set_int(a, doc, "schema", TOPOLOGY_SCHEMA);
    json_set_string(a, deployment, "name", init->name.n ? init->name : name);
    json_set_string(a, deployment, "default_domain", domain);
    json_set_string(a, central, "machine", init->machine);
    json_set_string(a, central, "internal_address", init->address);
    json_set_string(a, site, "name", SLICE("main"));
    json_push(a, sites, site);
    json_set(a, doc, "deployment", deployment);
    json_set(a, doc, "central", central);
    json_set(a, doc, "sites", sites);
    return doc;
}

static int read_topology(const struct central_init *init, struct arena *a, struct json_value **ret,
                         char *error)
{
    struct refusal why = {0};
    if (!init->topology.n) {
        *ret = first_topology(init, a);
        return 0;
    }
    if (document_parse(init->topology, a, ret, &why) == 0)
        return 0;
    snprintf(error, CENTRAL_ERROR, "The topology cannot be read: %.400s", why.text);
    return -EINVAL;
}

/* --- the authority --- */
static int put_secret(struct vault *v, const char *name, const struct crypto_key *key,
                      const struct crypto_cert *cert, struct slice *ret_pem)
{
    struct buf text = {0};
    if (key)
        crypto_key_write(key, &text);
    else
        crypto_cert_write(cert, &text);
    int r = store_blob_put(v->store, "secret", slice_str(name), buf_slice(&text));
    if (ret_pem)
        *ret_pem = arena_copy(&v->arena, buf_slice(&text));
    mem_wipe(text.mem, text.cap);
    buf_fini(&text);
    return r;
}

static int make_signer(struct vault *v)
{
    const struct crypto_request_names names = {.common_name = SLICE("central signing")};
    struct buf request = {0};
    v->signer_key = crypto_key_new();
    int r = crypto_request_new(v->signer_key, &names, &request);
    if (r == 0)
        r = crypto_ca_sign(v->ca_key, v->ca, buf_slice(&request), &names,
                           crypto_cert_not_after(v->ca) - DAY_MS, &v->signer);
    buf_fini(&request);
    return r;
}

static int make_authority(struct vault *v, struct slice name)
{
    struct arena a = {0};
    struct slice common_name = arena_printf(&a, SLICE_FMT " internal CA", SLICE_ARG(slice_head(name, 40)));
    int r = crypto_ca_new(common_name, CENTRAL_CA_YEARS, &v->ca_key, &v->ca);
    arena_fini(&a);
    if (r == 0)
        r = make_signer(v);
    if (r == 0)
        r = put_secret(v, "ca.key", v->ca_key, NULL, NULL);
    if (r == 0)
        r = put_secret(v, "ca.crt", NULL, v->ca, &v->ca_pem);
    if (r == 0)
        r = put_secret(v, "signer.key", v->signer_key, NULL, NULL);
    if (r == 0)
        r = put_secret(v, "signer.crt", NULL, v->signer, &v->signer_pem);
    return r;
}

/* --- all of it, in one transaction --- */
/* Each once: the first may stand in the refusal already. */
static void say_findings(const struct refusal *why, const struct findings *f, char *error)
{
    size_t n = (size_t)snprintf(error, CENTRAL_ERROR, "%.200s", why->text);
    for (size_t i = 0; i < f->n && n < CENTRAL_ERROR; i++)
        if (f->items[i].severity == FINDING_ERROR &&
            slice_search(slice_str(why->text), f->items[i].text) == SIZE_MAX)
            n += (size_t)snprintf(error + n, CENTRAL_ERROR - n, "\n  " SLICE_FMT ": " SLICE_FMT,
                                  SLICE_ARG(f->items[i].path), SLICE_ARG(f->items[i].text));
}

static int first_revision(struct vault *v, const struct json_value *doc, char *error)
{
    struct findings f = {0};
    struct refusal why = {0};
    const struct publication p = {
        .doc = doc, .author = SLICE("init"), .comment = SLICE("the first topology"), .accept_warnings = true};
    struct material *m = material_new();
    material_key_add(m, loop_wall(), DAY_MS);
    int r = vault_set_material(v, m, &why);
    if (r == 0)
        r = vault_publish(v, &p, &f, &why);
    if (r < 0)
        say_findings(&why, &f, error);
    findings_fini(&f);
    return r < 0 ? -EINVAL : 0;
}

static int own_bundle(struct vault *v, struct buf *out, char *error)
{
    struct refusal why = {0};
    if (vault_bundle(v, v->fqdn, out, &why) == 0)
        return 0;
    snprintf(error, CENTRAL_ERROR, "%s", why.text);
    return -EINVAL;
}

static int fill(struct vault *v, const struct central_init *init, const struct json_value *doc,
                struct buf *bundle, char *error)
{
    int r = store_open(init->state_folder, &v->store);
    if (r == 0)
        r = store_begin(v->store);
    if (r == 0)
        r = make_authority(v, json_get_string(json_get(doc, "deployment"), "name"));
    if (r < 0) {
        snprintf(error, CENTRAL_ERROR, "%s: central.db cannot be made: %s.", init->state_folder,
                 store_error(v->store));
        return r;
    }
    r = first_revision(v, doc, error);
    if (r == 0)
        r = own_bundle(v, bundle, error);
    if (r < 0)
        return r;
    r = store_commit(v->store);
    if (r < 0)
        snprintf(error, CENTRAL_ERROR, "%s: %s.", init->state_folder, store_error(v->store));
    return r;
}

static int unpack_own(const char *folder, struct slice text, char *error)
{
    struct arena a = {0};
    struct bundle b;
    int r = bundle_parse(text, &a, &b);
    if (r == 0)
        r = files_unpack_bundle(folder, &b);
    if (r < 0)
        snprintf(error, CENTRAL_ERROR, "%s: the machine's files cannot be written: %s.", folder,
                 strerror(-r));
    arena_fini(&a);
    return r;
}

static void undo(const char *folder)
{
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        files_remove(folder, ours[i]);
    files_remove(folder, "central.db-wal");
    files_remove(folder, "central.db-shm");
}

int central_init(const struct central_init *init, char *error)
{
    struct arena a = {0};
    struct json_value *doc;
    struct buf bundle = {0};
    int r = check_folder(init->state_folder, error);
    if (r < 0)
        return r;
    r = read_topology(init, &a, &doc, error);
    if (r == 0) {
        struct vault v = {.folder = mem_strdup(init->state_folder), .now = snapshot_new()};
        v.fqdn = arena_copy(&v.arena, init->machine);
        r = fill(&v, init, doc, &bundle, error);
        vault_fini(&v);
        if (r == 0)
            r = unpack_own(init->state_folder, buf_slice(&bundle), error);
        if (r < 0)
            undo(init->state_folder);
    }
    if (bundle.mem)
        mem_wipe(bundle.mem, bundle.cap);
    buf_fini(&bundle);
    arena_fini(&a);
    return r;
}
