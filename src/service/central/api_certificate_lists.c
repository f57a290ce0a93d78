/* What there is of certificates, and what is needed: answers without secrets. */
#include "service/central/priv.h"

#include "ground/base/text.h"

enum { PER_DAY_MS = 24 * 3600 * 1000 };

/* --- what is said of a certificate --- */
static struct json_value *names_of(struct api_call *q, const struct crypto_cert *cert)
{
    const struct crypto_names *names = crypto_cert_names(cert);
    struct json_value *list = json_array(&q->a);
    for (size_t i = 0; i < names->n_dns; i++)
        json_push(&q->a, list, json_string(&q->a, names->dns[i]));
    if (!names->has_san && names->common_name.n)
        json_push(&q->a, list, json_string(&q->a, names->common_name));
    return list;
}

struct slice api_certificate_fingerprint(struct api_call *q, const struct crypto_cert *cert)
{
    unsigned char digest[32];
    struct buf hex = {0};
    crypto_cert_fingerprint(cert, digest);
    text_hex(&hex, digest, sizeof(digest));
    struct slice s = arena_copy(&q->a, buf_slice(&hex));
    buf_fini(&hex);
    return s;
}

void api_put_certificate(struct api_call *q, struct json_value *o, struct slice pool,
                         const struct crypto_cert *cert)
{
    struct crypto_view view;
    int64_t end = crypto_cert_not_after(cert);
    crypto_cert_view(cert, 0, &q->a, &view);
    if (pool.n)
        json_set_string(&q->a, o, "pool", pool);
    json_set_string(&q->a, o, "certificate", crypto_cert_describe(cert, &q->a));
    json_set(&q->a, o, "names", names_of(q, cert));
    json_set_int(&q->a, o, "not_before_ms", crypto_cert_not_before(cert));
    json_set_int(&q->a, o, "not_after_ms", end);
    json_set_int(&q->a, o, "days_left", (end - loop_wall()) / PER_DAY_MS);
    json_set_string(&q->a, o, "key", arena_printf(&q->a, "%s %u", view.key, view.key_bits));
    json_set_int(&q->a, o, "chain", (int64_t)crypto_cert_count(cert));
    json_set_string(&q->a, o, "fingerprint", api_certificate_fingerprint(q, cert));
}

struct topology *api_draft_topology(struct api_call *q, struct vault *v)
{
    struct draft d;
    struct topology *t = NULL;
    struct refusal why = {0};
    if (draft_load(v, &q->a, &d, &why) < 0 || topology_from_json(d.doc, &t, NULL) < 0)
        return NULL;
    return t;
}

static const char *const ages[] = {[MATERIAL_CURRENT] = "current",
                                   [MATERIAL_PREVIOUS] = "previous",
                                   [MATERIAL_NEXT] = "next",
                                   [MATERIAL_GONE] = "gone"};

/* Where a certificate is in use: by its text, since assigning copies it. */
struct json_value *api_certificate_uses(struct api_call *q, const struct material *m, struct slice cert_pem)
{
    struct json_value *list = json_array(&q->a);
    int64_t now = loop_wall();
    for (size_t i = 0; i < m->n_certs; i++)
        if (slice_eq(m->certs[i].cert_pem, cert_pem))
            json_push(&q->a, list,
                      json_string(&q->a, arena_printf(&q->a, SLICE_FMT " access-external",
                                                      SLICE_ARG(m->certs[i].pool))));
    for (size_t i = 0; i < m->n_uses; i++) {
        const struct material_use *u = &m->uses[i];
        enum material_age age = material_use_age(m, u, now);
        if (slice_eq(u->cert_pem, cert_pem) && age != MATERIAL_GONE)
            json_push(
                &q->a, list,
                json_string(&q->a, arena_printf(&q->a, SLICE_FMT " " SLICE_FMT "%s%s%s", SLICE_ARG(u->pool),
                                                SLICE_ARG(u->use), age == MATERIAL_CURRENT ? "" : " (",
                                                age == MATERIAL_CURRENT ? "" : ages[age],
                                                age == MATERIAL_CURRENT ? "" : ")")));
    }
    return list;
}

/* --- list --- */
static void list_one(struct api_call *q, struct json_value *list, struct json_value *o, struct slice owner,
                     struct slice pem)
{
    struct crypto_cert *cert;
    if (crypto_cert_parse(pem, &cert) < 0)
        return;
    api_put_certificate(q, o, owner, cert);
    json_push(&q->a, list, o);
    crypto_cert_unref(cert);
}

/* Of a key that machines keep; who holds it is added on the loop. */
static void put_key_id(struct api_call *q, struct json_value *o, struct slice id)
{
    if (id.n)
        json_set_string(&q->a, o, "key_id", id);
}

static struct json_value *list_assigned(struct api_call *q, const struct material *m)
{
    struct json_value *list = json_array(&q->a);
    for (size_t i = 0; i < m->n_certs; i++) {
        struct json_value *o = json_object(&q->a);
        json_set_string(&q->a, o, "use", SLICE("access-external"));
        json_set_bool(&q->a, o, "served", true);
        json_set_string(&q->a, o, "state", slice_str(ages[MATERIAL_CURRENT]));
        put_key_id(q, o, m->certs[i].key_id);
        list_one(q, list, o, m->certs[i].pool, m->certs[i].cert_pem);
    }
    for (size_t i = 0; i < m->n_uses; i++) {
        struct json_value *o = json_object(&q->a);
        enum certificate_use use;
        enum material_age age = material_use_age(m, &m->uses[i], loop_wall());
        if (age == MATERIAL_GONE)
            continue;
        bool served = certificate_use_find(m->uses[i].use, &use) == 0 && certificate_uses[use].served;
        json_set_string(&q->a, o, "use", m->uses[i].use);
        json_set_bool(&q->a, o, "served", served);
        json_set_string(&q->a, o, "state", slice_str(ages[age]));
        put_key_id(q, o, m->uses[i].key_id);
        json_set_int(&q->a, o, "from_ms", m->uses[i].from_ms);
        if (m->uses[i].until_ms)
            json_set_int(&q->a, o, "until_ms", m->uses[i].until_ms);
        list_one(q, list, o, m->uses[i].pool, m->uses[i].cert_pem);
    }
    return list;
}

static struct json_value *list_kept(struct api_call *q, struct vault *v)
{
    struct json_value *list = json_array(&q->a);
    struct slice *names = NULL;
    size_t n = 0;
    store_blob_list(v->store, "certificate", &q->a, &names, &n);
    for (size_t i = 0; i < n; i++) {
        struct json_value *o = json_object(&q->a);
        struct refusal why = {0};
        struct kept k;
        if (kept_load(v, names[i], &k, &why) < 0)
            continue;
        json_set_string(&q->a, o, "name", names[i]);
        json_set_int(&q->a, o, "added_ms", k.added_ms);
        put_key_id(q, o, k.key_id);
        json_set(&q->a, o, "in_use", api_certificate_uses(q, v->now->material, k.cert_pem));
        list_one(q, list, o, SLICE_NONE, k.cert_pem);
        kept_fini(&k);
    }
    return list;
}

/* What central has issued last for each machine. */
static struct json_value *list_machines(struct api_call *q, struct vault *v)
{
    struct json_value *list = json_array(&q->a);
    size_t cursor = 0;
    struct slice fqdn;
    while (topology_managed_next(v->now->topology, &cursor, &fqdn)) {
        struct json_value *o = json_object(&q->a);
        struct buf pem = {0};
        json_set_string(&q->a, o, "machine", fqdn);
        if (store_blob_get(v->store, "machine", fqdn, &pem) == 0)
            list_one(q, list, o, SLICE_NONE, buf_slice(&pem));
        buf_fini(&pem);
    }
    return list;
}

static struct json_value *list_pending(struct api_call *q, struct vault *v)
{
    struct json_value *list = json_array(&q->a);
    struct slice *pools = NULL;
    size_t n = 0;
    store_blob_list(v->store, "pending", &q->a, &pools, &n);
    for (size_t i = 0; i < n; i++) {
        struct pending_key keys[CENTRAL_MAX_PENDING];
        size_t k = pending_list(v, pools[i], &q->a, keys);
        for (size_t j = 0; j < k; j++) {
            struct json_value *o = json_object(&q->a);
            json_set_string(&q->a, o, "pool", pools[i]);
            json_set_int(&q->a, o, "made_ms", keys[j].made_ms);
            put_key_id(q, o, keys[j].key_id);
            if (keys[j].machine.n)
                json_set_string(&q->a, o, "machine", keys[j].machine);
            json_push(&q->a, list, o);
        }
    }
    return list;
}

int api_certificate_list(struct api_call *q, struct vault *v)
{
    json_set(&q->a, q->out, "certificates", list_assigned(q, v->now->material));
    json_set(&q->a, q->out, "kept", list_kept(q, v));
    json_set(&q->a, q->out, "machines", list_machines(q, v));
    json_set(&q->a, q->out, "pending", list_pending(q, v));
    return 0;
}

/* --- what is needed --- */
static struct json_value *name_list(struct api_call *q, const struct slice *names, size_t n)
{
    struct json_value *list = json_array(&q->a);
    for (size_t i = 0; i < n; i++)
        json_push(&q->a, list, json_string(&q->a, names[i]));
    return list;
}

/* The certificate that is there for it, or empty. */
static struct slice present(struct api_call *q, struct vault *v, const struct certificate_need *need)
{
    const struct material *m = v->now->material;
    struct slice use = slice_str(certificate_uses[need->use].name);
    const struct material_cert *c = material_cert_find(m, need->owner);
    const struct material_use *u = material_use_find(m, need->owner, use, MATERIAL_CURRENT, loop_wall());
    struct buf pem = {0};
    struct slice s = SLICE_NONE;
    if (need->use == CERTIFICATE_ACCESS_EXTERNAL)
        return c ? c->cert_pem : SLICE_NONE;
    if (certificate_uses[need->use].external)
        return u ? u->cert_pem : SLICE_NONE;
    if (store_blob_get(v->store, "machine", need->owner, &pem) == 0)
        s = arena_copy(&q->a, buf_slice(&pem));
    buf_fini(&pem);
    return s;
}

static struct json_value *needed(struct api_call *q, struct vault *v, const struct certificate_need *need)
{
    const struct certificate_use_row *row = &certificate_uses[need->use];
    struct json_value *o = json_object(&q->a);
    struct slice pem = present(q, v, need);
    struct crypto_cert *cert = NULL;
    struct findings f = {0};
    json_set_string(&q->a, o, "owner", need->owner);
    json_set_string(&q->a, o, "use", slice_str(row->name));
    json_set_string(&q->a, o, "help", slice_str(row->help));
    json_set_bool(&q->a, o, "external", row->external);
    json_set_bool(&q->a, o, "served", row->served);
    json_set(&q->a, o, "names", name_list(q, need->names, need->n_required));
    json_set(&q->a, o, "advised", name_list(q, need->names + need->n_required, need->n - need->n_required));
    if (pem.n && crypto_cert_parse(pem, &cert) == 0) {
        certificate_check(cert, need, NULL, loop_wall(), &f);
        json_set_string(&q->a, o, "state",
                        f.errors     ? SLICE("wrong")
                        : f.warnings ? SLICE("warnings")
                                     : SLICE("good"));
        json_set(&q->a, o, "findings", findings_to_json(&f, &q->a));
    } else {
        json_set_string(&q->a, o, "state", SLICE("none"));
    }
    crypto_cert_unref(cert);
    findings_fini(&f);
    return o;
}

/* "internal" asks for all that are. */
static bool use_asked(struct slice name, enum certificate_use use)
{
    enum certificate_use found;
    if (!name.n)
        return true;
    if (slice_caseeq(name, SLICE("internal")))
        return !certificate_uses[use].external;
    return certificate_use_find(name, &found) == 0 && found == use;
}

int api_certificate_required(struct api_call *q, struct vault *v)
{
    struct slice use = q->query[QUERY_USE];
    enum certificate_use found;
    if (use.n && !certificate_use_is_internal(use) && certificate_use_find(use, &found) < 0)
        return api_unknown_use(q, use);
    struct topology *t = api_draft_topology(q, v);
    struct json_value *list = json_array(&q->a);
    struct certificate_need *needs;
    size_t n;
    if (!t)
        t = topology_ref(v->now->topology);
    certificate_needs(t, q->query[QUERY_OWNER], &q->a, &needs, &n);
    for (size_t i = 0; i < n; i++)
        if (use_asked(use, needs[i].use))
            json_push(&q->a, list, needed(q, v, &needs[i]));
    topology_unref(t);
    if (!n && q->query[QUERY_OWNER].n)
        return refuse(&q->why, 404, "certificate.unknown-pool",
                      "There is no pool or machine '" SLICE_FMT "' that has certificates.",
                      SLICE_ARG(slice_head(q->query[QUERY_OWNER], 255)));
    json_set(&q->a, q->out, "required", list);
    return 0;
}
