/* External certificates, the roots of partners, DNS updates: what travels as material, or stays here. */
#include "service/central/priv.h"

#include "ground/base/mem.h"
#include "ground/base/text.h"

#include <errno.h>

/* --- certificates --- */
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

static void put_certificate(struct api_call *q, struct json_value *o, struct slice pool,
                            const struct crypto_cert *cert)
{
    unsigned char digest[32];
    struct buf hex = {0};
    crypto_cert_fingerprint(cert, digest);
    text_hex(&hex, digest, sizeof(digest));
    if (pool.n)
        json_set_string(&q->a, o, "pool", pool);
    json_set_string(&q->a, o, "certificate", crypto_cert_describe(cert, &q->a));
    json_set(&q->a, o, "names", names_of(q, cert));
    json_set_int(&q->a, o, "not_before_ms", crypto_cert_not_before(cert));
    json_set_int(&q->a, o, "not_after_ms", crypto_cert_not_after(cert));
    json_set_string(&q->a, o, "fingerprint", buf_slice(&hex));
    buf_fini(&hex);
}

/* The name that partners dial: of the published topology, else of the draft. */
static int external_name(struct api_call *q, struct vault *v, struct slice pool, struct slice *ret)
{
    const struct topology_edge_pool *p = topology_edge_pool_find(v->now->topology, pool);
    struct draft d;
    if (p) {
        *ret = p->external_fqdn;
        return 0;
    }
    if (draft_load(v, &q->a, &d, &q->why) < 0)
        return -EPROTO;
    struct slice path = arena_printf(&q->a, "edge_pools/" SLICE_FMT, SLICE_ARG(pool));
    const struct json_value *node = pool.n ? topology_edit_get(d.doc, path) : NULL;
    if (!node)
        return refuse(&q->why, 404, "certificate.unknown-pool", "There is no Edge pool " SLICE_FMT ".",
                      SLICE_ARG(pool));
    *ret = json_get_string(node, "external_fqdn");
    return 0;
}

static int check_certificate(struct api_call *q, const struct crypto_cert *cert, const struct crypto_key *key,
                             struct slice external)
{
    int64_t now = loop_wall();
    if (crypto_cert_matches(cert, key) < 0)
        return refuse(&q->why, 422, "certificate.other-key", "The key does not belong to the certificate.");
    if (now < crypto_cert_not_before(cert))
        return refuse(&q->why, 422, "certificate.not-yet-valid", "The certificate is not valid yet.");
    if (now > crypto_cert_not_after(cert))
        return refuse(&q->why, 422, "certificate.expired", "The certificate has expired.");
    if (external.n && !crypto_cert_names_host(cert, external))
        return refuse(&q->why, 422, "certificate.name",
                      "The certificate does not name " SLICE_FMT ", the pool's external name.",
                      SLICE_ARG(external));
    return 0;
}

static int store_certificate(struct api_call *q, struct vault *v, struct slice pool, struct slice cert_pem,
                             struct slice key_pem)
{
    struct material *m = material_copy(v->now->material);
    if (material_cert_set(m, pool, cert_pem, key_pem) < 0) {
        material_unref(m);
        return refuse(&q->why, 409, "certificate.too-many", "There are %d certificates already.",
                      MATERIAL_MAX_CERTS);
    }
    return vault_set_material(v, m, &q->why);
}

static int certificate_import(struct api_call *q, struct vault *v)
{
    struct slice pool = json_get_string(q->in, "pool"), cert_pem = json_get_string(q->in, "cert_pem");
    struct slice key_pem = json_get_string(q->in, "key_pem"), external = SLICE_NONE;
    struct crypto_cert *cert = NULL;
    struct crypto_key *key = NULL;
    if (external_name(q, v, pool, &external) < 0)
        return -EPROTO;
    int r = crypto_cert_parse(cert_pem, &cert);
    if (r < 0)
        r = refuse(&q->why, 422, "certificate.unreadable", "The certificate cannot be read: %s.",
                   crypto_error());
    else if (crypto_key_parse(key_pem, &key) < 0)
        r = refuse(&q->why, 422, "certificate.key-unreadable", "The key cannot be read.");
    else
        r = check_certificate(q, cert, key, external);
    if (r == 0)
        r = store_certificate(q, v, pool, cert_pem, key_pem);
    if (r == 0) {
        put_certificate(q, q->out, pool, cert);
        json_set_int(&q->a, q->out, "material", (int64_t)v->now->material->serial);
    }
    crypto_cert_unref(cert);
    crypto_key_unref(key);
    return r;
}

static int certificate_list(struct api_call *q, struct vault *v)
{
    const struct material *m = v->now->material;
    struct json_value *list = json_array(&q->a);
    for (size_t i = 0; i < m->n_certs; i++) {
        struct crypto_cert *cert;
        struct json_value *o = json_object(&q->a);
        if (crypto_cert_parse(m->certs[i].cert_pem, &cert) < 0)
            continue;
        put_certificate(q, o, m->certs[i].pool, cert);
        json_push(&q->a, list, o);
        crypto_cert_unref(cert);
    }
    json_set(&q->a, q->out, "certificates", list);
    return 0;
}

/* --- trust --- */
static const struct slice pem_end = SLICE_INIT("-----END CERTIFICATE-----");

/* Calls `each` with every certificate of a PEM text. */
static void each_certificate(struct slice pem,
                             void (*each)(struct api_call *q, void *arg, const struct crypto_cert *cert),
                             struct api_call *q, void *arg)
{
    for (size_t at; (at = slice_search(pem, pem_end)) != SIZE_MAX; pem = slice_from(pem, at + pem_end.n)) {
        struct crypto_cert *cert;
        struct arena a = {0};
        struct slice one = arena_printf(&a, SLICE_FMT "\n", SLICE_ARG(slice_head(pem, at + pem_end.n)));
        if (crypto_cert_parse(one, &cert) == 0) {
            each(q, arg, cert);
            crypto_cert_unref(cert);
        }
        arena_fini(&a);
    }
}

static void push_root(struct api_call *q, void *arg, const struct crypto_cert *cert)
{
    struct json_value *o = json_object(&q->a);
    put_certificate(q, o, SLICE_NONE, cert);
    json_push(&q->a, arg, o);
}

static int trust_list(struct api_call *q, struct vault *v)
{
    struct json_value *list = json_array(&q->a);
    each_certificate(v->now->material->trust_pem, push_root, q, list);
    json_set(&q->a, q->out, "trust", list);
    return 0;
}

/* Appends those that are not there yet. */
struct trust_merge {
    struct slice old;
    struct buf out;
    size_t added;
};

static void merge_root(struct api_call *q, void *arg, const struct crypto_cert *cert)
{
    struct trust_merge *merge = arg;
    struct buf pem = {0};
    (void)q;
    crypto_cert_write(cert, &pem);
    if (slice_search(buf_slice(&merge->out), buf_slice(&pem)) == SIZE_MAX) {
        buf_append(&merge->out, buf_slice(&pem));
        merge->added++;
    }
    buf_fini(&pem);
}

static int trust_add(struct api_call *q, struct vault *v)
{
    struct slice pem = json_get_string(q->in, "pem");
    struct trust_merge merge = {0};
    struct crypto_trust *trust = crypto_trust_new();
    int r = pem.n ? crypto_trust_add(trust, pem) : -EBADMSG;
    crypto_trust_unref(trust);
    if (r < 0)
        return refuse(&q->why, 422, "trust.unreadable", "This is no certificate in PEM form.");
    buf_append(&merge.out, v->now->material->trust_pem);
    each_certificate(pem, merge_root, q, &merge);
    if (merge.added) {
        struct material *m = material_copy(v->now->material);
        m->trust_pem = arena_copy(&m->arena, buf_slice(&merge.out));
        r = vault_set_material(v, m, &q->why);
    }
    buf_fini(&merge.out);
    json_set_int(&q->a, q->out, "added", (int64_t)merge.added);
    json_set_int(&q->a, q->out, "material", (int64_t)v->now->material->serial);
    return r;
}

/* --- DNS updates --- */
/* "hmac-sha256:NAME:BASE64" */
static int read_tsig_key(struct api_call *q, struct json_value *out)
{
    struct slice algorithm, rest, name, secret;
    struct slice key = slice_trim(json_get_string(q->in, "key"));
    unsigned char raw[512];
    if (!slice_cut(key, ':', &algorithm, &rest) || !slice_cut(rest, ':', &name, &secret) ||
        !slice_caseeq(algorithm, SLICE("hmac-sha256")) || !name.n ||
        text_unbase64(slice_trim(secret), raw, sizeof(raw)) < 1)
        return refuse(&q->why, 422, "dns.key", "The key is one line hmac-sha256:NAME:BASE64.");
    explicit_bzero(raw, sizeof(raw));
    json_set_string(&q->a, out, "key_name", name);
    json_set_string(&q->a, out, "key", slice_trim(secret));
    return 0;
}

static int dns_set(struct api_call *q, struct vault *v)
{
    struct json_value *out = json_object(&q->a), *zones = json_get(q->in, "zones");
    struct net_addr server;
    struct buf text = {0};
    if (net_addr_parse_port(json_get_string(q->in, "server"), 53, &server) < 0)
        return refuse(&q->why, 422, "dns.server", "The server is ADDRESS:PORT.");
    if (!zones || zones->kind != JSON_ARRAY || !json_count(zones))
        return refuse(&q->why, 422, "dns.zones", "Name the zones that the server takes updates for.");
    json_set_string(&q->a, out, "server", json_get_string(q->in, "server"));
    json_set(&q->a, out, "zones", zones);
    if (read_tsig_key(q, out) < 0)
        return -EPROTO;
    json_write(out, false, &text);
    int r = vault_set_dns(v, buf_slice(&text), &q->why);
    mem_wipe(text.mem, text.cap);
    buf_fini(&text);
    return r;
}

static int dns_show(struct api_call *q, struct vault *v)
{
    const struct central_dns *d = &v->now->dns;
    struct json_value *zones = json_array(&q->a);
    char text[NET_ADDR_TEXT];
    json_set_bool(&q->a, q->out, "configured", v->now->has_dns);
    if (!v->now->has_dns)
        return 0;
    json_set_string(&q->a, q->out, "server", net_addr_text(&d->server, text));
    json_set_string(&q->a, q->out, "key_name", d->key_name);
    for (size_t i = 0; i < d->n_zones; i++)
        json_push(&q->a, zones, json_string(&q->a, d->zones[i]));
    json_set(&q->a, q->out, "zones", zones);
    return 0;
}

const struct api_route api_secret_routes[] = {
    {"GET",  "/v1/certificates", certificate_list,   NULL, "external certificates of Edge pools"               },
    {"POST", "/v1/certificates", certificate_import, NULL, "{pool, cert_pem, key_pem}"                         },
    {"GET",  "/v1/trust",        trust_list,         NULL, "the roots that partners' certificates must lead to"},
    {"POST", "/v1/trust",        trust_add,          NULL, "{pem}"                                             },
    {"GET",  "/v1/dns",          dns_show,           NULL, "where DNS updates go"                              },
    {"POST", "/v1/dns",          dns_set,            NULL, "{server, zones, key: \"hmac-sha256:NAME:BASE64\"}" },
};
const size_t api_n_secret_routes = sizeof(api_secret_routes) / sizeof(api_secret_routes[0]);
