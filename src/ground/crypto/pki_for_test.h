/*
 * crypto/pki_for_test.h - keys and certificates for the tests of this module. Include base/test.h before it.
 */
#pragma once

#include "ground/crypto/cert.h"

#include "ground/base/mem.h"

#include <time.h>

static const int64_t PKI_HOUR = 3600 * 1000;

static inline int64_t pki_now(void)
{
    return (int64_t)time(NULL) * 1000;
}

struct pki_id {
    struct crypto_key *key;
    struct crypto_cert *cert;
};

static inline void pki_fini(struct pki_id *id)
{
    crypto_key_unref(id->key);
    crypto_cert_unref(id->cert);
}

static inline struct pki_id pki_ca(const char *name)
{
    struct pki_id id = {0};
    CHECK_INT(crypto_ca_new(slice_str(name), 10, &id.key, &id.cert), 0);
    return id;
}

/* A leaf of `ca`: a new key, a request, an answer. not_after 0: a day. */
static inline struct pki_id pki_leaf(const struct pki_id *ca, const struct crypto_request_names *names,
                                     int64_t not_after)
{
    struct pki_id id = {.key = crypto_key_new()};
    struct buf request = {0};
    CHECK_INT(crypto_request_new(id.key, names, &request), 0);
    CHECK_INT(crypto_ca_sign(ca->key, ca->cert, buf_slice(&request), names,
                             not_after ? not_after : pki_now() + 24 * PKI_HOUR, &id.cert),
              0);
    buf_fini(&request);
    return id;
}

static inline struct pki_id pki_host(const struct pki_id *ca, const char *name)
{
    struct slice dns = slice_str(name);
    struct crypto_request_names names = {.common_name = dns, .dns = &dns, .n_dns = 1};
    return pki_leaf(ca, &names, 0);
}

static inline struct crypto_trust *pki_trust(const struct pki_id *ca)
{
    struct crypto_trust *t = crypto_trust_new();
    struct buf pem = {0};
    crypto_cert_write(ca->cert, &pem);
    CHECK_INT(crypto_trust_add(t, buf_slice(&pem)), 0);
    buf_fini(&pem);
    return t;
}

/* The leaf alone: what a peer sends that was set up without its chain. */
static inline struct crypto_cert *pki_without_chain(const struct crypto_cert *c)
{
    struct crypto_cert *leaf = NULL;
    struct buf pem = {0};
    crypto_cert_write(c, &pem);
    struct slice all = buf_slice(&pem), end = SLICE("-----END CERTIFICATE-----\n");
    CHECK_INT(crypto_cert_parse(slice_head(all, slice_search(all, end) + end.n), &leaf), 0);
    buf_fini(&pem);
    return leaf;
}
