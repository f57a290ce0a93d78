/* External certificates of Edge pools: what is needed, what there is, and how it comes and goes. */
#include "service/central/priv.h"

#include "ground/base/mem.h"
#include "ground/base/text.h"
#include "kept/topology/edges.h"

#include <errno.h>

enum { NAMED_POOLS = 4 };

/* --- whose certificate it is --- */
/* An Edge pool, or the pool of an Edge machine: what its external names come from. */
const struct topology_edge_pool *api_certificate_pool(const struct topology *t, struct slice owner)
{
    struct topology_role role;
    const struct topology_edge_pool *pool = owner.n && t ? topology_edge_pool_find(t, owner) : NULL;
    if (!pool && t && topology_role_find(t, owner, &role))
        pool = role.edge;
    return pool;
}

/* With the Edge pools that there are, or what to do where there is none. */
int api_unknown_pool(struct api_call *q, const struct topology *t, struct slice owner)
{
    struct buf names = {0};
    for (size_t i = 0; t && i < t->n_edge_pools && i < NAMED_POOLS; i++)
        buf_printf(&names, "%s" SLICE_FMT, i ? ", " : "", SLICE_ARG(t->edge_pools[i].fqdn));
    if (t && t->n_edge_pools > NAMED_POOLS)
        buf_append(&names, SLICE(", …"));
    int r = refuse(&q->why, 404, "certificate.unknown-pool",
                   "There is no Edge pool or Edge machine '" SLICE_FMT "'. %s" SLICE_FMT ".",
                   SLICE_ARG(slice_head(owner, 255)),
                   buf_len(&names) ? "Edge pools: " : "There is none yet: entente topology add edge_pools",
                   SLICE_ARG(buf_slice(&names)));
    buf_fini(&names);
    return r;
}

/* What makes a pool use a certificate that it has no use for yet. */
static int unused(struct api_call *q, struct slice pool, enum certificate_use use)
{
    static const char *const settings[CERTIFICATE_USES] = {[CERTIFICATE_CONFERENCING_EXTERNAL] = "conf_fqdn",
                                                           [CERTIFICATE_AV_AUTHENTICATION] = "av_fqdn",
                                                           [CERTIFICATE_XMPP_EXTERNAL] = "xmpp"};
    return refuse(&q->why, 409, "certificate.unused",
                  SLICE_FMT " has nothing that uses %s: set edge_pools/" SLICE_FMT "/%s first.",
                  SLICE_ARG(pool), certificate_uses[use].name, SLICE_ARG(pool),
                  settings[use] ? settings[use] : "external_fqdn");
}

/* By the published topology, else by the draft: certificates come first. */
int api_certificate_need(struct api_call *q, struct vault *v, struct slice owner, enum certificate_use use,
                         struct certificate_need *ret)
{
    struct topology *const both[] = {topology_ref(v->now->topology), api_draft_topology(q, v)};
    struct slice pool = SLICE_NONE;
    bool found = false;
    for (size_t i = 0; i < 2 && !found; i++) {
        const struct topology_edge_pool *p = api_certificate_pool(both[i], owner);
        if (p)
            pool = arena_copy(&q->a, p->fqdn);
        found = p && certificate_need_find(both[i], p->fqdn, use, &q->a, ret);
    }
    int r = found    ? 0
            : pool.n ? unused(q, pool, use)
                     : api_unknown_pool(q, both[1] ? both[1] : both[0], owner);
    topology_unref(both[0]);
    topology_unref(both[1]);
    return r;
}

int api_unknown_use(struct api_call *q, struct slice name)
{
    struct buf pools = {0}, machines = {0};
    certificate_use_list(true, &pools);
    certificate_use_list(false, &machines);
    int r = refuse(&q->why, 422, "certificate.unknown-use",
                   "There is no use '" SLICE_FMT "'. Those of pools: " SLICE_FMT
                   "; of machines: internal, or " SLICE_FMT ".",
                   SLICE_ARG(slice_head(name, 64)), SLICE_ARG(buf_slice(&pools)),
                   SLICE_ARG(buf_slice(&machines)));
    buf_fini(&pools);
    buf_fini(&machines);
    return r;
}

int api_certificate_use(struct api_call *q, enum certificate_use *ret)
{
    struct slice name = json_get_string(q->in, "use");
    if (!name.n)
        *ret = CERTIFICATE_ACCESS_EXTERNAL;
    else if (certificate_use_is_internal(name))
        return refuse(
            &q->why, 422, "certificate.internal-use",
            "Certificates for internal use come from the internal authority, and machines see to them "
            "themselves: entente cert renew MACHINE, or entente cert sign for one that is not managed.");
    else if (certificate_use_find(name, ret) < 0)
        return api_unknown_use(q, name);
    return 0;
}

/* --- one certificate after another --- */
/* The certificate that the new one follows, or NULL. */
static struct crypto_cert *current_of(struct vault *v, struct slice owner, enum certificate_use use,
                                      int64_t now)
{
    const struct material_use *u = material_use_find(
        v->now->material, owner, slice_str(certificate_uses[use].name), MATERIAL_CURRENT, now);
    struct crypto_cert *cert = NULL;
    return u && crypto_cert_parse(u->cert_pem, &cert) == 0 ? cert : NULL;
}

/* When it takes effect, and for how long the one before counts: of A/V authentication alone, whose tokens
 * outlive the connection on which they were given. */
static int takeover_read(struct api_call *q, enum certificate_use use, struct certificate_takeover *ret)
{
    bool dated = json_get(q->in, "from_ms") || json_get(q->in, "overlap_ms"),
         av = use == CERTIFICATE_AV_AUTHENTICATION;
    int64_t now = loop_wall(), from = json_get_int(q->in, "from_ms", now);
    int64_t overlap = json_get_int(q->in, "overlap_ms", av ? CENTRAL_AV_OVERLAP_MS : 0);
    if (dated && !av)
        return refuse(
            &q->why, 422, "certificate.no-overlap",
            "Only av-authentication takes effect at a date and overlaps. %s is presented at once: keep the "
            "certificate with --name, and assign it when its time has come.",
            certificate_uses[use].name);
    if (dated && json_get_string(q->in, "name").n && json_get(q->in, "cert_pem"))
        return refuse(&q->why, 422, "certificate.kept-has-no-date",
                      "With --name the certificate is only kept: give its time to entente cert assign.");
    if (overlap < 0 || overlap > CENTRAL_OVERLAP_MAX_MS || from > now + CENTRAL_OVERLAP_MAX_MS)
        return refuse(&q->why, 422, "certificate.overlap-range",
                      "An overlap has 0 to %lld hours, and the time lies at most %lld days ahead.",
                      CENTRAL_OVERLAP_MAX_MS / 3600000, CENTRAL_OVERLAP_MAX_MS / DAY_MS);
    *ret = (struct certificate_takeover){.now_ms = now, .from_ms = from > now ? from : now};
    ret->until_ms = ret->from_ms + overlap;
    return 0;
}

/* A certificate is judged by the day on which it takes effect. */
static void check_for_use(struct api_call *q, struct vault *v, const struct certificate_need *need,
                          struct certificate_takeover *t, const struct crypto_cert *cert)
{
    struct crypto_cert *old = current_of(v, need->owner, need->use, t->now_ms);
    t->old = old;
    if (need->use == CERTIFICATE_AV_AUTHENTICATION)
        certificate_check_takeover(cert, t, &q->findings);
    if (!q->findings.errors)
        certificate_check(cert, need, NULL, t->from_ms, &q->findings);
    t->old = NULL;
    crypto_cert_unref(old);
}

static void put_takeover(struct api_call *q, enum certificate_use use, const struct certificate_takeover *t)
{
    if (use != CERTIFICATE_AV_AUTHENTICATION)
        return;
    json_set_int(&q->a, q->out, "from_ms", t->from_ms);
    json_set_int(&q->a, q->out, "until_ms", t->until_ms);
    json_set_bool(&q->a, q->out, "later", t->from_ms > t->now_ms);
}

/* The first error of the findings refuses; not yet valid does not where it is only kept. */
static int refuse_findings(struct api_call *q, bool only_kept)
{
    for (size_t i = 0; i < q->findings.n; i++) {
        const struct finding *f = &q->findings.items[i];
        bool later = slice_search(slice_str(f->id), SLICE("not-yet-valid")) != SIZE_MAX;
        if (f->severity == FINDING_ERROR && !(only_kept && later))
            return refuse(&q->why, 422, f->id, SLICE_FMT, SLICE_ARG(f->text));
    }
    return 0;
}

/* --- import --- */
static int import_bytes(struct api_call *q, struct slice *ret)
{
    struct slice pem = json_get_string(q->in, "cert_pem"), base64 = json_get_string(q->in, "cert_base64");
    *ret = pem;
    if (!base64.n)
        return 0;
    char *bytes = arena_alloc(&q->a, base64.n + 1);
    ssize_t n = text_unbase64(base64, bytes, base64.n + 1);
    if (n < 0)
        return refuse(&q->why, 400, "certificate.unreadable", "cert_base64 is no base64.");
    *ret = slice_mem(bytes, (size_t)n);
    return 0;
}

/* Of the certificate's file or of the key's. */
static int passphrase_refused(struct api_call *q)
{
    if (json_get_string(q->in, "passphrase").n)
        return refuse(&q->why, 422, "certificate.passphrase",
                      "The passphrase is wrong: it is the one with which the file was written.");
    return refuse(
        &q->why, 422, "certificate.passphrase",
        "The file is protected by a passphrase: name a file that holds it, with --passphrase-file.");
}

static int file_refused(struct api_call *q, int error)
{
    if (error == -ENOKEY)
        return refuse(
            &q->why, 422, "certificate.other-key",
            "The key does not belong to the certificate: give the key with which it was requested.");
    if (error == -EKEYREJECTED)
        return passphrase_refused(q);
    return refuse(
        &q->why, 422, "certificate.unreadable",
        "The certificate cannot be read: %s. It is PEM, DER, PKCS#7 or PKCS#12, and stands before its key.",
        crypto_error());
}

/* Certificate and key: of the file, of a file of its own, or one that was requested: *held then says which.
 */
static int import_read(struct api_call *q, struct vault *v, struct slice owner, struct crypto_file *f,
                       struct pending_key *held)
{
    struct slice text, key_pem = json_get_string(q->in, "key_pem");
    struct slice passphrase = json_get_string(q->in, "passphrase");
    struct crypto_key *key = NULL;
    if (import_bytes(q, &text) < 0)
        return -EPROTO;
    int r = key_pem.n ? crypto_key_parse_secret(key_pem, passphrase, &key) : 0;
    if (r == -EKEYREJECTED)
        return passphrase_refused(q);
    if (r < 0)
        return refuse(
            &q->why, 422, "certificate.key-unreadable",
            "The key's file holds no private key that can be read: give PKCS#8 or another PEM form.");
    r = crypto_file_parse(text, passphrase, key, f);
    if (r < 0) {
        crypto_key_unref(key);
        return file_refused(q, r);
    }
    if (key) {
        crypto_key_unref(f->key);
        f->key = key;
    }
    if (f->key)
        return 0;
    crypto_file_fini(f);
    if (pending_match(v, owner, text, &q->a, f, held) < 0)
        return refuse(
            &q->why, 422, "certificate.no-key",
            "There is no key with it, and none of those that entente cert request has made for " SLICE_FMT
            " belongs to it: give the key's file behind the certificate's.",
            SLICE_ARG(owner));
    return 0;
}

static void note_order(struct api_call *q, const struct crypto_file *f)
{
    if (f->reordered)
        findings_add(&q->findings, "certificate.file-order", FINDING_WARNING, SLICE("file"),
                     "nothing is to be done",
                     "The file had its certificates in another order; it was put right.");
    if (f->left_out)
        findings_add(&q->findings, "certificate.file-strays", FINDING_WARNING, SLICE("file"),
                     "look whether an intermediate is missing",
                     "%zu certificates of the file do not belong to the chain and were left out.",
                     f->left_out);
}

/* Kept by its name, or put into use at once. */
static int import_keep(struct api_call *q, struct vault *v, struct slice owner, enum certificate_use use,
                       const struct certificate_takeover *t, const struct crypto_file *f,
                       const struct pending_key *held)
{
    struct slice name = json_get_string(q->in, "name");
    struct buf cert = {0}, key = {0};
    crypto_cert_write(f->cert, &cert);
    if (f->key)
        crypto_key_write(f->key, &key);
    const struct kept k = {.cert_pem = buf_slice(&cert),
                           .key_pem = buf_slice(&key),
                           .key_id = f->key ? SLICE_NONE : held->key_id,
                           .key_pool = f->key ? SLICE_NONE : held->key_pool};
    int r = name.n ? kept_store(v, name, &k, &q->why) : certificate_assign(v, owner, use, t, &k, &q->why);
    if (key.mem)
        mem_wipe(key.mem, key.cap);
    buf_fini(&key);
    buf_fini(&cert);
    if (r == 0)
        pending_drop(v, owner, f->cert); /* it stays where that fails: harmless */
    return r;
}

static int certificate_import(struct api_call *q, struct vault *v)
{
    struct slice owner = json_get_string(q->in, "pool"), name = json_get_string(q->in, "name");
    struct certificate_need need = {0};
    enum certificate_use use = CERTIFICATE_ACCESS_EXTERNAL;
    struct certificate_takeover t = {0};
    struct crypto_file f = {0};
    struct pending_key held = {0};
    if (api_certificate_use(q, &use) < 0 || takeover_read(q, use, &t) < 0 ||
        api_certificate_need(q, v, owner, use, &need) < 0 || import_read(q, v, owner, &f, &held) < 0)
        return -EPROTO;
    check_for_use(q, v, &need, &t, f.cert);
    note_order(q, &f);
    int r = refuse_findings(q, name.n > 0);
    if (r == 0)
        r = import_keep(q, v, owner, use, &t, &f, &held);
    if (r < 0 && !q->findings.errors)
        findings_fini(&q->findings); /* warnings, and it is refused for something else */
    if (r == 0) {
        api_put_certificate(q, q->out, owner, f.cert);
        if (!name.n)
            put_takeover(q, use, &t);
        if (name.n)
            json_set_string(&q->a, q->out, "name", name);
        json_set_bool(&q->a, q->out, "assigned", !name.n);
        json_set_int(&q->a, q->out, "material", (int64_t)v->now->material->serial);
    }
    crypto_file_fini(&f);
    return r;
}

/* --- assign, remove --- */
static int parse_kept(struct api_call *q, const struct kept *k, struct crypto_cert **ret)
{
    if (crypto_cert_parse(k->cert_pem, ret) < 0)
        return refuse(&q->why, 500, "certificate.damaged", "The certificate in the store is damaged.");
    return 0;
}

/* A machine gives a key only to those that the pool it was made for, or its adoption, gives it to. */
static int check_key_pool(struct api_call *q, struct vault *v, struct slice owner, const struct kept *k)
{
    const struct topology_edge_pool *p = api_certificate_pool(v->now->topology, owner);
    if (!k->key_id.n || !p || slice_caseeq(p->fqdn, k->key_pool) || edge_adopts(p, k->key_pool))
        return 0;
    return refuse(&q->why, 409, "certificate.other-pool",
                  "Its key was made for " SLICE_FMT
                  " and stays on machines of that pool, or of one that adopts it: "
                  "entente cert export, then import it for " SLICE_FMT ".",
                  SLICE_ARG(k->key_pool), SLICE_ARG(p->fqdn));
}

static int certificate_assign_kept(struct api_call *q, struct vault *v)
{
    struct slice owner = json_get_string(q->in, "pool"), name = json_get_string(q->in, "name");
    struct certificate_need need = {0};
    enum certificate_use use = CERTIFICATE_ACCESS_EXTERNAL;
    struct certificate_takeover t = {0};
    struct crypto_cert *cert = NULL;
    struct kept k;
    if (api_certificate_use(q, &use) < 0 || takeover_read(q, use, &t) < 0 ||
        api_certificate_need(q, v, owner, use, &need) < 0 || kept_load(v, name, &k, &q->why) < 0)
        return -EPROTO;
    int r = check_key_pool(q, v, owner, &k);
    if (r == 0)
        r = parse_kept(q, &k, &cert);
    if (r == 0) {
        check_for_use(q, v, &need, &t, cert);
        r = refuse_findings(q, false);
    }
    if (r == 0)
        r = certificate_assign(v, owner, use, &t, &k, &q->why);
    if (r == 0) {
        api_put_certificate(q, q->out, owner, cert);
        json_set_string(&q->a, q->out, "name", name);
        put_takeover(q, use, &t);
        json_set_string(&q->a, q->out, "use", slice_str(certificate_uses[use].name));
        json_set_bool(&q->a, q->out, "served", certificate_uses[use].served);
        json_set_int(&q->a, q->out, "material", (int64_t)v->now->material->serial);
    }
    crypto_cert_unref(cert);
    kept_fini(&k);
    return r;
}

static int certificate_remove(struct api_call *q, struct vault *v)
{
    struct slice name = json_get_string(q->in, "name");
    struct kept k;
    if (kept_load(v, name, &k, &q->why) < 0)
        return -EPROTO;
    size_t n = json_count(api_certificate_uses(q, v->now->material, k.cert_pem));
    kept_fini(&k);
    if (n)
        return refuse(&q->why, 409, "certificate.in-use",
                      "The certificate '" SLICE_FMT "' is in use: assign another first.", SLICE_ARG(name));
    json_set_string(&q->a, q->out, "removed", name);
    return kept_remove(v, name, &q->why);
}

const struct api_route api_certificate_routes[] = {
    {"GET",  "/v1/certificates",          api_certificate_list,     api_keys_held_by,
     "external certificates in use, those kept by name, those of machines, keys that wait"            },
    {"POST", "/v1/certificates",          certificate_import,       NULL,
     "{pool, cert_pem or cert_base64, key_pem, passphrase, use, name, from_ms, overlap_ms}: kept as name, or "
     "put into use"                                                                                   },
    {"GET",  "/v1/certificates/required", api_certificate_required, NULL,
     "names that each use needs, by the draft; owner=POOL or MACHINE, use=USE"                        },
    {"POST", "/v1/certificates/assign",   certificate_assign_kept,  NULL,
     "{pool, use, name; of av-authentication from_ms, overlap_ms}"                                    },
    {"POST", "/v1/certificates/remove",   certificate_remove,       NULL,             "{name}"        },
    {"POST", "/v1/certificates/request",  api_certificate_request,  api_keys_make,
     "{pool, use, key, machine}: a key that a machine of the pool makes and keeps, and its request"   },
    {"POST", "/v1/certificates/sign",     api_certificate_sign,     NULL,
     "{machine, request, use}: by the internal CA, with the names that the topology gives the machine"},
    {"POST", "/v1/certificates/export",   api_certificate_export,   api_keys_export,
     "{pool and use, or name; passphrase, old_windows}: PKCS#12; secret"                              },
};
const size_t api_n_certificate_routes = sizeof(api_certificate_routes) / sizeof(api_certificate_routes[0]);
