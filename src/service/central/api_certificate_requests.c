/* Requests for external certificates, signing for internal use, and export. */
#include "service/central/priv.h"

#include "ground/base/mem.h"
#include "ground/base/text.h"

#include <errno.h>

/* --- request, sign --- */
static int key_kind(struct api_call *q, struct slice *ret)
{
    struct slice name = json_get_string(q->in, "key");
    enum crypto_key_kind kind;
    *ret = name.n ? name : SLICE("ecdsa-p256");
    if (crypto_key_kind_find(*ret, &kind) == 0)
        return 0;
    return refuse(&q->why, 422, "certificate.key-kind",
                  "Keys are ecdsa-p256 (without --rsa), rsa-2048, rsa-3072 or rsa-4096 (--rsa 4096).");
}

/* What is asked of a machine afterwards: api_keys_make. */
int api_certificate_request(struct api_call *q, struct vault *v)
{
    struct slice owner = json_get_string(q->in, "pool"), kind = SLICE_NONE;
    struct certificate_need need = {0};
    enum certificate_use use = CERTIFICATE_ACCESS_EXTERNAL;
    if (api_certificate_use(q, &use) < 0 || api_certificate_need(q, v, owner, use, &need) < 0 ||
        key_kind(q, &kind) < 0)
        return -EPROTO;
    const struct topology_edge_pool *pool = api_certificate_pool(v->now->topology, owner);
    struct key_errand *e = q->errand = ARENA_NEW(&q->a, struct key_errand);
    struct slice *names = ARENA_ARRAY(&q->a, struct slice, need.n ? need.n : 1);
    struct json_value *list = json_array(&q->a);
    for (size_t i = 0; i < need.n; i++) {
        names[i] = arena_copy(&q->a, need.names[i]);
        json_push(&q->a, list, json_string(&q->a, names[i]));
    }
    e->owner = owner;
    e->pool = pool ? arena_copy(&q->a, pool->fqdn) : owner;
    e->machine = json_get_string(q->in, "machine");
    if (!e->machine.n && pool && !slice_caseeq(pool->fqdn, owner))
        e->machine = owner;
    e->kind = kind;
    e->names = (struct push_list){names, need.n};
    json_set_string(&q->a, q->out, "pool", owner);
    json_set(&q->a, q->out, "names", list);
    return 0;
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

int api_certificate_sign(struct api_call *q, struct vault *v)
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
    if (api_certificate_use(q, &use) < 0)
        return -EPROTO;
    const struct material_cert *c = use == CERTIFICATE_ACCESS_EXTERNAL ? material_cert_find(m, owner) : NULL;
    const struct material_use *u =
        c ? NULL
          : material_use_find(m, owner, slice_str(certificate_uses[use].name), MATERIAL_CURRENT, loop_wall());
    if (!c && !u && !api_certificate_pool(v->now->topology, owner))
        return api_unknown_pool(q, v->now->topology, owner);
    if (!c && !u)
        return refuse(&q->why, 404, "certificate.none",
                      "'" SLICE_FMT "' has no certificate for %s: entente cert list shows what is in use.",
                      SLICE_ARG(owner), certificate_uses[use].name);
    const struct topology_edge_pool *pool = api_certificate_pool(v->now->topology, owner);
    k->key_pool = pool ? pool->fqdn : owner;
    k->cert_pem = c ? c->cert_pem : u->cert_pem;
    k->key_pem = c ? c->key_pem : u->key_pem;
    k->key_id = c ? c->key_id : u->key_id;
    return 0;
}

/* The key is on machines: api_keys_export has one of them write the file. */
static int export_by_machine(struct api_call *q, const struct kept *k)
{
    struct crypto_cert *cert;
    if (crypto_cert_parse(k->cert_pem, &cert) < 0)
        return refuse(&q->why, 500, "certificate.damaged", "The certificate in the store is damaged.");
    q->errand = ARENA_NEW(&q->a, struct key_errand);
    q->errand->key_id = arena_copy(&q->a, k->key_id);
    q->errand->pool = arena_copy(&q->a, k->key_pool);
    q->errand->cert_pem = arena_copy(&q->a, k->cert_pem);
    api_put_certificate(q, q->out, json_get_string(q->in, "pool"), cert);
    crypto_cert_unref(cert);
    return 0;
}

int api_certificate_export(struct api_call *q, struct vault *v)
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
    if (r == 0 && k.key_id.n) {
        r = export_by_machine(q, &k);
        kept_fini(&k);
        return r;
    }
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
