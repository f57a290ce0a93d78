/* The roots of partners, DNS updates: what travels as material, or stays here. */
#include "service/central/priv.h"

#include "ground/base/mem.h"
#include "ground/base/text.h"

#include <errno.h>

enum { TRUST_MAX_NAME = 64 };

/* --- trust --- */
static const struct slice pem_end = SLICE_INIT("-----END CERTIFICATE-----");

void api_each_certificate(struct slice pem,
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

struct trust_listed {
    struct json_value *list;
    struct slice name; /* empty: of all partners */
};

static void push_root(struct api_call *q, void *arg, const struct crypto_cert *cert)
{
    const struct trust_listed *listed = arg;
    struct json_value *o = json_object(&q->a);
    api_put_certificate(q, o, SLICE_NONE, cert);
    if (listed->name.n)
        json_set_string(&q->a, o, "name", listed->name);
    json_push(&q->a, listed->list, o);
}

static int trust_list(struct api_call *q, struct vault *v)
{
    const struct material *m = v->now->material;
    struct trust_listed listed = {.list = json_array(&q->a)};
    api_each_certificate(m->trust_pem, push_root, q, &listed);
    for (size_t i = 0; i < m->n_trusts; i++) {
        listed.name = m->trusts[i].name;
        api_each_certificate(m->trusts[i].pem, push_root, q, &listed);
    }
    json_set(&q->a, q->out, "trust", listed.list);
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
    struct crypto_view view;
    crypto_cert_write(cert, &pem);
    crypto_cert_view(cert, 0, &q->a, &view);
    if (!view.authority)
        findings_add(&q->findings, "trust.no-authority", FINDING_WARNING, SLICE("trust"),
                     "add the root that it leads to",
                     SLICE_FMT " is no authority: certificates of partners cannot lead to it.",
                     SLICE_ARG(view.subject));
    if (slice_search(buf_slice(&merge->out), buf_slice(&pem)) == SIZE_MAX) {
        buf_append(&merge->out, buf_slice(&pem));
        merge->added++;
    }
    buf_fini(&pem);
}

/* Roots of this name; without a name those of all partners. */
static struct slice roots_of(const struct material *m, struct slice name)
{
    const struct material_trust *t = name.n ? material_trust_find(m, name) : NULL;
    return !name.n ? m->trust_pem : t ? t->pem : SLICE_NONE;
}

static int keep_roots(struct api_call *q, struct vault *v, struct slice name, struct slice pem)
{
    struct material *m = material_copy(v->now->material);
    int r = 0;
    if (name.n)
        r = material_trust_set(m, name, pem);
    else
        m->trust_pem = arena_copy(&m->arena, pem);
    if (r == 0)
        return vault_set_material(v, m, &q->why);
    material_unref(m);
    return refuse(&q->why, 409, "trust.full", "There are %d names of roots; more are not kept.",
                  MATERIAL_MAX_TRUSTS);
}

static int trust_add(struct api_call *q, struct vault *v)
{
    struct slice pem = json_get_string(q->in, "pem"), name = json_get_string(q->in, "name");
    struct trust_merge merge = {0};
    struct crypto_trust *trust = crypto_trust_new();
    int r = pem.n ? crypto_trust_add(trust, pem) : -EBADMSG;
    crypto_trust_unref(trust);
    if (r < 0)
        return refuse(&q->why, 422, "trust.unreadable",
                      "This is no certificate in PEM form: openssl x509 -inform DER makes it.");
    if (name.n > TRUST_MAX_NAME)
        return refuse(&q->why, 422, "trust.name", "A name of roots has at most %d letters.", TRUST_MAX_NAME);
    buf_append(&merge.out, roots_of(v->now->material, name));
    api_each_certificate(pem, merge_root, q, &merge);
    if (merge.added)
        r = keep_roots(q, v, name, buf_slice(&merge.out));
    buf_fini(&merge.out);
    json_set_int(&q->a, q->out, "added", (int64_t)merge.added);
    json_set_int(&q->a, q->out, "material", (int64_t)v->now->material->serial);
    return r;
}

/* Keeps what is not meant. */
struct trust_cut {
    struct slice which; /* beginning of a fingerprint */
    struct buf out;
    size_t removed;
    struct slice name; /* of what went */
};

static void keep_other(struct api_call *q, void *arg, const struct crypto_cert *cert)
{
    struct trust_cut *cut = arg;
    struct slice fingerprint = api_certificate_fingerprint(q, cert);
    if (slice_caseeq(slice_head(fingerprint, cut->which.n), cut->which)) {
        cut->removed++;
        cut->name = crypto_cert_describe(cert, &q->a);
    } else {
        crypto_cert_write(cert, &cut->out);
    }
}

/* All of a name. */
static int trust_remove_name(struct api_call *q, struct vault *v, struct slice name)
{
    if (!material_trust_find(v->now->material, name))
        return refuse(&q->why, 404, "trust.unknown", "No roots are kept under this name.");
    json_set_string(&q->a, q->out, "removed", name);
    return keep_roots(q, v, name, SLICE_NONE);
}

static int trust_remove(struct api_call *q, struct vault *v)
{
    struct trust_cut cut = {.which = json_get_string(q->in, "fingerprint")};
    struct slice name = json_get_string(q->in, "name");
    int r = 0;
    if (name.n && !cut.which.n)
        return trust_remove_name(q, v, name);
    if (cut.which.n < TRUST_FINGERPRINT_MIN)
        return refuse(
            &q->why, 422, "trust.fingerprint",
            "Name the root by its fingerprint, or %d digits of its beginning: entente cert trust list.",
            TRUST_FINGERPRINT_MIN);
    api_each_certificate(roots_of(v->now->material, name), keep_other, q, &cut);
    if (cut.removed != 1)
        r = refuse(&q->why, cut.removed ? 409 : 404, cut.removed ? "trust.several" : "trust.unknown",
                   cut.removed ? "Several roots begin with '" SLICE_FMT "': give more digits."
                               : "No root begins with '" SLICE_FMT "': entente cert trust list shows them.",
                   SLICE_ARG(slice_head(cut.which, 64)));
    if (r == 0) {
        r = keep_roots(q, v, name, buf_slice(&cut.out));
        json_set_string(&q->a, q->out, "removed", cut.name);
        json_set_bool(&q->a, q->out, "last", buf_len(&cut.out) == 0 && !name.n);
    }
    buf_fini(&cut.out);
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
    {"GET",  "/v1/trust",        trust_list,   NULL, "the roots that partners' certificates must lead to"},
    {"POST", "/v1/trust",        trust_add,    NULL, "{pem, name}"                                       },
    {"POST", "/v1/trust/remove", trust_remove, NULL, "{fingerprint: its beginning will do, name}"        },
    {"GET",  "/v1/dns",          dns_show,     NULL, "where DNS updates go"                              },
    {"POST", "/v1/dns",          dns_set,      NULL, "{server, zones, key: \"hmac-sha256:NAME:BASE64\"}" },
};
const size_t api_n_secret_routes = sizeof(api_secret_routes) / sizeof(api_secret_routes[0]);
