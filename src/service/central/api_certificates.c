/* External certificates of Edge pools: what is needed, what there is, and how it comes and goes. */
#include "service/central/priv.h"

#include "ground/base/mem.h"
#include "ground/base/text.h"

#include <errno.h>

/* --- whose certificate it is --- */
/* An Edge pool, or the pool of an Edge machine: what its external names come from. */
static const struct topology_edge_pool *owning_pool(const struct topology *t, struct slice owner)
{
    struct topology_role role;
    const struct topology_edge_pool *pool = owner.n && t ? topology_edge_pool_find(t, owner) : NULL;
    if (!pool && t && topology_role_find(t, owner, &role))
        pool = role.edge;
    return pool;
}

/* What a use of an owner wants, by the published topology, else by the draft: certificates come first. */
static int need_of(struct api_call *q, struct vault *v, struct slice owner, enum certificate_use use,
                   struct certificate_need *ret)
{
    struct topology *t = topology_ref(v->now->topology);
    const struct topology_edge_pool *pool = owning_pool(t, owner);
    bool found = false;
    if (!pool) {
        topology_unref(t);
        t = api_draft_topology(q, v);
        pool = owning_pool(t, owner);
    }
    if (pool)
        found = certificate_need_find(t, pool->fqdn, use, &q->a, ret);
    topology_unref(t);
    if (!pool)
        return refuse(&q->why, 404, "certificate.unknown-pool",
                      "There is no Edge pool or Edge machine '" SLICE_FMT "'.", SLICE_ARG(owner));
    if (!found)
        return refuse(&q->why, 409, "certificate.unused",
                      "The pool of " SLICE_FMT " has nothing that uses %s: see entente cert required.",
                      SLICE_ARG(owner), certificate_uses[use].name);
    return 0;
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

static int external_use(struct api_call *q, enum certificate_use *ret)
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

static int file_refused(struct api_call *q, int error)
{
    if (error == -ENOKEY)
        return refuse(&q->why, 422, "certificate.other-key", "The key does not belong to the certificate.");
    if (error == -EKEYREJECTED)
        return refuse(&q->why, 422, "certificate.passphrase", "The file cannot be opened: %s.",
                      crypto_error());
    return refuse(&q->why, 422, "certificate.unreadable", "The certificate cannot be read: %s.",
                  crypto_error());
}

/* Certificate and key: of the file, of a file of its own, or a key that waits here. */
static int import_read(struct api_call *q, struct vault *v, struct slice owner, struct crypto_file *f)
{
    struct slice text, key_pem = json_get_string(q->in, "key_pem");
    struct slice passphrase = json_get_string(q->in, "passphrase");
    struct crypto_key *key = NULL;
    if (import_bytes(q, &text) < 0)
        return -EPROTO;
    if (key_pem.n && crypto_key_parse_secret(key_pem, passphrase, &key) < 0)
        return refuse(&q->why, 422, "certificate.key-unreadable", "The key cannot be read: %s.",
                      crypto_error());
    int r = crypto_file_parse(text, passphrase, key, f);
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
    if (pending_match(v, owner, text, f) < 0)
        return refuse(
            &q->why, 422, "certificate.no-key",
            "There is no key with it, and none of those that entente cert request has made for " SLICE_FMT
            " belongs to it.",
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
                       const struct certificate_takeover *t, const struct crypto_file *f)
{
    struct slice name = json_get_string(q->in, "name");
    struct buf cert = {0}, key = {0};
    crypto_cert_write(f->cert, &cert);
    crypto_key_write(f->key, &key);
    int r = name.n ? kept_store(v, name, buf_slice(&cert), buf_slice(&key), &q->why)
                   : certificate_assign(v, owner, use, t, buf_slice(&cert), buf_slice(&key), &q->why);
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
    if (external_use(q, &use) < 0 || takeover_read(q, use, &t) < 0 || need_of(q, v, owner, use, &need) < 0 ||
        import_read(q, v, owner, &f) < 0)
        return -EPROTO;
    check_for_use(q, v, &need, &t, f.cert);
    note_order(q, &f);
    int r = refuse_findings(q, name.n > 0);
    if (r == 0)
        r = import_keep(q, v, owner, use, &t, &f);
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

static int certificate_assign_kept(struct api_call *q, struct vault *v)
{
    struct slice owner = json_get_string(q->in, "pool"), name = json_get_string(q->in, "name");
    struct certificate_need need = {0};
    enum certificate_use use = CERTIFICATE_ACCESS_EXTERNAL;
    struct certificate_takeover t = {0};
    struct crypto_cert *cert = NULL;
    struct kept k;
    if (external_use(q, &use) < 0 || takeover_read(q, use, &t) < 0 || need_of(q, v, owner, use, &need) < 0 ||
        kept_load(v, name, &k, &q->why) < 0)
        return -EPROTO;
    int r = parse_kept(q, &k, &cert);
    if (r == 0) {
        check_for_use(q, v, &need, &t, cert);
        r = refuse_findings(q, false);
    }
    if (r == 0)
        r = certificate_assign(v, owner, use, &t, k.cert_pem, k.key_pem, &q->why);
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

/* --- request, sign --- */
static int key_kind(struct api_call *q, enum crypto_key_kind *ret)
{
    static const struct {
        const char *name;
        enum crypto_key_kind kind;
    } kinds[] = {
        {"ecdsa-p256", CRYPTO_KEY_P256    },
        {"rsa-2048",   CRYPTO_KEY_RSA_2048},
        {"rsa-3072",   CRYPTO_KEY_RSA_3072},
        {"rsa-4096",   CRYPTO_KEY_RSA_4096},
    };
    struct slice name = json_get_string(q->in, "key");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (slice_eq(name, slice_str(kinds[i].name)) || (!name.n && i == 0)) {
            *ret = kinds[i].kind;
            return 0;
        }
    return refuse(&q->why, 422, "certificate.key-kind",
                  "Keys are ecdsa-p256, rsa-2048, rsa-3072 or rsa-4096.");
}

static int certificate_request(struct api_call *q, struct vault *v)
{
    struct slice owner = json_get_string(q->in, "pool");
    struct certificate_need need = {0};
    enum certificate_use use = CERTIFICATE_ACCESS_EXTERNAL;
    enum crypto_key_kind kind = CRYPTO_KEY_P256;
    struct buf request = {0}, pem = {0};
    if (external_use(q, &use) < 0 || need_of(q, v, owner, use, &need) < 0 || key_kind(q, &kind) < 0)
        return -EPROTO;
    struct crypto_key *key = crypto_key_new_kind(kind);
    const struct crypto_request_names names = {
        .common_name = need.n ? need.names[0] : SLICE_NONE, .dns = need.names, .n_dns = need.n};
    int r = crypto_request_new(key, &names, &request);
    if (r < 0)
        r = refuse(&q->why, 422, "certificate.request", "The request cannot be made: %s.", crypto_error());
    if (r == 0) {
        crypto_key_write(key, &pem);
        r = pending_add(v, owner, buf_slice(&pem), buf_slice(&request), &q->why);
        mem_wipe(pem.mem, pem.cap);
    }
    if (r == 0) {
        struct json_value *list = json_array(&q->a);
        for (size_t i = 0; i < need.n; i++)
            json_push(&q->a, list, json_string(&q->a, need.names[i]));
        json_set_string(&q->a, q->out, "pool", owner);
        json_set_string(&q->a, q->out, "request", buf_slice(&request));
        json_set(&q->a, q->out, "names", list);
    }
    crypto_key_unref(key);
    buf_fini(&pem);
    buf_fini(&request);
    return r;
}

/* "internal", or the very use that the machine has. */
static int sign_use(struct api_call *q, struct vault *v, struct slice fqdn)
{
    struct slice name = json_get_string(q->in, "use");
    struct certificate_need need = {0};
    enum certificate_use use = CERTIFICATE_ACCESS_EXTERNAL;
    if (!name.n || slice_caseeq(name, SLICE("internal")))
        return 0;
    if (certificate_use_find(name, &use) < 0)
        return api_unknown_use(q, name);
    if (certificate_uses[use].external)
        return refuse(&q->why, 422, "certificate.external-use",
                      "The internal authority signs for internal use. What is for %s goes to an authority "
                      "that partners "
                      "trust: entente cert request.",
                      certificate_uses[use].name);
    if (certificate_need_find(v->now->topology, fqdn, use, &q->a, &need))
        return 0;
    return refuse(&q->why, 409, "certificate.unused",
                  "'" SLICE_FMT "' has nothing that uses %s: see entente cert required.",
                  SLICE_ARG(slice_head(fqdn, 255)), certificate_uses[use].name);
}

static int certificate_sign(struct api_call *q, struct vault *v)
{
    struct crypto_cert *cert = NULL;
    struct buf pem = {0};
    if (sign_use(q, v, json_get_string(q->in, "machine")) < 0)
        return -EPROTO;
    if (vault_sign(v, json_get_string(q->in, "machine"), json_get_string(q->in, "request"), CENTRAL_CERT_DAYS,
                   &cert, &q->why) < 0)
        return -EPROTO;
    crypto_cert_write(cert, &pem);
    api_put_certificate(q, q->out, SLICE_NONE, cert);
    json_set_string(&q->a, q->out, "cert_pem", buf_slice(&pem));
    buf_fini(&pem);
    crypto_cert_unref(cert);
    return 0;
}

/* --- export --- */
/* Certificate and key of a name, or of a use of a pool. k keeps what has to be freed. */
static int export_find(struct api_call *q, struct vault *v, struct kept *k)
{
    const struct material *m = v->now->material;
    struct slice owner = json_get_string(q->in, "pool");
    enum certificate_use use = CERTIFICATE_ACCESS_EXTERNAL;
    if (!owner.n)
        return kept_load(v, json_get_string(q->in, "name"), k, &q->why);
    if (external_use(q, &use) < 0)
        return -EPROTO;
    const struct material_cert *c = use == CERTIFICATE_ACCESS_EXTERNAL ? material_cert_find(m, owner) : NULL;
    const struct material_use *u =
        c ? NULL
          : material_use_find(m, owner, slice_str(certificate_uses[use].name), MATERIAL_CURRENT, loop_wall());
    if (!c && !u)
        return refuse(&q->why, 404, "certificate.none", "'" SLICE_FMT "' has no certificate for %s.",
                      SLICE_ARG(owner), certificate_uses[use].name);
    k->cert_pem = c ? c->cert_pem : u->cert_pem;
    k->key_pem = c ? c->key_pem : u->key_pem;
    return 0;
}

static int certificate_export(struct api_call *q, struct vault *v)
{
    struct slice passphrase = json_get_string(q->in, "passphrase");
    const struct json_value *old = json_get(q->in, "old_windows");
    struct crypto_file f = {0};
    struct crypto_key *key = NULL;
    struct buf der = {0}, text = {0};
    struct kept k = {0};
    if (passphrase.n < CENTRAL_PASSPHRASE_MIN)
        return refuse(&q->why, 422, "certificate.passphrase-short",
                      "The file holds a private key: its passphrase has %d bytes at least.",
                      CENTRAL_PASSPHRASE_MIN);
    int r = export_find(q, v, &k);
    if (r == 0 &&
        (crypto_key_parse(k.key_pem, &key) < 0 || crypto_file_parse(k.cert_pem, SLICE_NONE, key, &f) < 0))
        r = refuse(&q->why, 500, "certificate.damaged", "The certificate in the store is damaged.");
    if (r == 0)
        r = (old && old->kind == JSON_BOOL && old->boolean ? crypto_p12_write_old
                                                           : crypto_p12_write)(key, f.cert, passphrase, &der);
    if (r < 0 && !q->why.status)
        refuse(&q->why, 500, "certificate.export", "The file cannot be made: %s.", crypto_error());
    if (r == 0) {
        api_put_certificate(q, q->out, json_get_string(q->in, "pool"), f.cert);
        text_base64(&text, buf_slice(&der).p, buf_slice(&der).n);
        json_set_string(&q->a, q->out, "p12_base64", buf_slice(&text));
        q->secret_answer = true;
    }
    buf_fini(&text);
    buf_fini(&der);
    crypto_key_unref(key);
    crypto_file_fini(&f);
    kept_fini(&k);
    return r;
}

const struct api_route api_certificate_routes[] = {
    {"GET",  "/v1/certificates",          api_certificate_list,     NULL,
     "external certificates in use, those kept by name, those of machines, keys that wait"            },
    {"POST", "/v1/certificates",          certificate_import,       NULL,
     "{pool, cert_pem or cert_base64, key_pem, passphrase, use, name, from_ms, overlap_ms}: kept as name, or "
     "put into use"                                                                                   },
    {"GET",  "/v1/certificates/required", api_certificate_required, NULL,
     "names that each use needs, by the draft; owner=POOL or MACHINE, use=USE"                        },
    {"POST", "/v1/certificates/assign",   certificate_assign_kept,  NULL,
     "{pool, use, name; of av-authentication from_ms, overlap_ms}"                                    },
    {"POST", "/v1/certificates/remove",   certificate_remove,       NULL, "{name}"                    },
    {"POST", "/v1/certificates/request",  certificate_request,      NULL,
     "{pool, use, key}: a key that stays here, and its request"                                       },
    {"POST", "/v1/certificates/sign",     certificate_sign,         NULL,
     "{machine, request, use}: by the internal CA, with the names that the topology gives the machine"},
    {"POST", "/v1/certificates/export",   certificate_export,       NULL,
     "{pool and use, or name; passphrase, old_windows}: PKCS#12; secret"                              },
};
const size_t api_n_certificate_routes = sizeof(api_certificate_routes) / sizeof(api_certificate_routes[0]);
