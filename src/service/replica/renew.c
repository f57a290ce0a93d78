#include "service/replica/priv.h"

#include "ground/base/mem.h"

#include <errno.h>

bool certificate_carries_names(const struct replica_identity *id, const struct topology *t)
{
    struct arena a = {0};
    struct slice *names;
    size_t n;
    bool all = true;
    topology_certificate_names(t, id->fqdn, &a, &names, &n);
    for (size_t i = 0; i < n && all; i++)
        all = crypto_cert_names_host(id->cert, names[i]);
    arena_fini(&a);
    return all;
}

bool certificate_same(const struct crypto_cert *a, const struct crypto_cert *b)
{
    unsigned char x[32], y[32];
    crypto_cert_fingerprint(a, x);
    crypto_cert_fingerprint(b, y);
    return memcmp(x, y, sizeof(x)) == 0;
}

bool certificate_is_old(const struct replica_identity *id, int64_t now_ms)
{
    int64_t from = crypto_cert_not_before(id->cert), to = crypto_cert_not_after(id->cert);
    return now_ms >= from + (to - from) / 2;
}

/* --- the request --- */
/* A key that already waits is asked for again: its certificate may be on its way. */
static struct crypto_key *waiting_key(const char *folder)
{
    struct buf pem = {0};
    struct crypto_key *key = NULL;
    if (files_read(folder, FILE_KEY_NEXT, &pem) < 0 || crypto_key_parse(buf_slice(&pem), &key) < 0) {
        key = crypto_key_new();
        buf_clear(&pem, 0);
        crypto_key_write(key, &pem);
        if (files_write(folder, FILE_KEY_NEXT, buf_slice(&pem)) < 0) {
            crypto_key_unref(key);
            key = NULL;
        }
    }
    if (pem.mem)
        mem_wipe(pem.mem, pem.cap);
    buf_fini(&pem);
    return key;
}

void exchange_prepare_request(struct exchange *e, const struct topology *t, const struct replica_identity *id)
{
    struct arena a = {0};
    struct crypto_request_names names = {.common_name = id->fqdn};
    struct slice *list = NULL;
    e->names_ok = t && certificate_carries_names(id, t);
    if (!t || (e->names_ok && !e->q.renew && !id->carried && !certificate_is_old(id, loop_wall())))
        return;
    struct crypto_key *key = waiting_key(e->r->folder);
    topology_certificate_names(t, id->fqdn, &a, &list, &names.n_dns);
    names.dns = list;
    if (key)
        crypto_request_new(key, &names, &e->request);
    crypto_key_unref(key);
    arena_fini(&a);
}

/* --- the answer --- */
static int verify_certificate(struct exchange *e, const struct crypto_cert *cert)
{
    struct replica_identity *id = e->r->id;
    struct crypto_key *key = NULL;
    struct buf pem = {0};
    int r = files_read(e->r->folder, FILE_KEY_NEXT, &pem);
    if (r == 0)
        r = crypto_key_parse(buf_slice(&pem), &key);
    if (r == 0)
        r = crypto_cert_matches(cert, key);
    if (pem.mem)
        mem_wipe(pem.mem, pem.cap);
    buf_fini(&pem);
    crypto_key_unref(key);
    if (r < 0)
        return exchange_refuse(e, "replica.certificate",
                               "The certificate is not for the key of the request.");
    if (!crypto_cert_names_host(cert, id->fqdn))
        return exchange_refuse(e, "replica.certificate", "The certificate does not name this machine.");
    if (crypto_trust_verify(id->trust, cert) < 0)
        return exchange_refuse(e, "replica.certificate", "The certificate is not trusted: %s.",
                               crypto_error());
    return 0;
}

/* What was sealed to the old key must be readable with the new one after a restart. */
static int reseal(struct exchange *e, const struct crypto_cert *cert)
{
    struct buf text = {0}, sealed = {0};
    if (!e->r->material)
        return 0;
    material_write(e->r->material, &text);
    int r = crypto_seal(cert, buf_slice(&text), &sealed);
    if (r == 0)
        r = files_write(e->r->folder, FILE_MATERIAL_NEXT, buf_slice(&sealed));
    mem_wipe(text.mem, text.cap);
    buf_fini(&text);
    buf_fini(&sealed);
    return r;
}

/* In an order that a crash may cut anywhere: see finish_renewal and the reading of the material. */
static int store_certificate(struct exchange *e, const struct crypto_cert *cert)
{
    const char *folder = e->r->folder;
    int r = reseal(e, cert);
    if (r == 0)
        r = files_write(folder, FILE_CERT, e->q.certificate);
    if (r == 0)
        r = files_rename(folder, FILE_KEY_NEXT, FILE_KEY);
    if (r == 0 && e->r->material)
        r = files_rename(folder, FILE_MATERIAL_NEXT, FILE_MATERIAL);
    if (r == 0)
        r = replica_identity_load(folder, &e->id);
    if (r < 0)
        return exchange_refuse(e, "replica.disk", "The certificate cannot be stored: %s.", strerror(-r));
    return 0;
}

int exchange_take_certificate(struct exchange *e)
{
    struct crypto_cert *cert = NULL;
    if (crypto_cert_parse(e->q.certificate, &cert) < 0)
        return exchange_refuse(e, "replica.certificate", "The certificate cannot be read.");
    int r = 0;
    if (!certificate_same(cert, e->r->id->cert)) {
        r = verify_certificate(e, cert);
        if (r == 0)
            r = store_certificate(e, cert);
    }
    crypto_cert_unref(cert);
    return r;
}
