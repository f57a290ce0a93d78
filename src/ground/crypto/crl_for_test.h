/*
 * crypto/crl_for_test.h - revocation lists, and certificates that name them, for the tests of this module.
 * Include base/test.h before it.
 */
#pragma once

#include "ground/crypto/crl_priv.h"
#include "ground/crypto/pki_for_test.h"

#include <openssl/x509v3.h>

#define LIST_URL "http://crl.example/list.crl"

struct list_of {
    const struct pki_id *ca; /* whose name it has */
    struct crypto_key *key;  /* that signs it; NULL: the authority's */
    const long *serials;
    size_t n;
    long number;              /* 0: none */
    int64_t this_ms, next_ms; /* 0: now, in an hour */
    const char *idp;          /* issuingDistributionPoint, in OpenSSL's words */
    bool delta, sha1;
};

static inline void list_extend(X509_CRL *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, NULL, NULL, x, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    CHECK(e && X509_CRL_add_ext(x, e, -1));
    X509_EXTENSION_free(e);
}

static inline void list_revoke(X509_CRL *x, long serial)
{
    X509_REVOKED *r = X509_REVOKED_new();
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    ASN1_TIME *at = ASN1_TIME_set(NULL, time(NULL) - 60);
    CHECK(ASN1_INTEGER_set(number, serial) && X509_REVOKED_set_serialNumber(r, number) &&
          X509_REVOKED_set_revocationDate(r, at) && X509_CRL_add0_revoked(x, r));
    ASN1_INTEGER_free(number);
    ASN1_TIME_free(at);
}

/* DER; the caller frees it with buf_fini. */
static inline struct buf list_make(const struct list_of *l)
{
    struct buf out = {0};
    X509_CRL *x = X509_CRL_new();
    X509 *issuer = l->ca->cert->leaf;
    int64_t from = l->this_ms ? l->this_ms : pki_now();
    ASN1_TIME *this = ASN1_TIME_set(NULL, (time_t)(from / 1000));
    ASN1_TIME *next = ASN1_TIME_set(NULL, (time_t)((l->next_ms ? l->next_ms : from + PKI_HOUR) / 1000));
    CHECK(X509_CRL_set_version(x, X509_CRL_VERSION_2) &&
          X509_CRL_set_issuer_name(x, X509_get_subject_name(issuer)) && X509_CRL_set1_lastUpdate(x, this) &&
          X509_CRL_set1_nextUpdate(x, next));
    for (size_t i = 0; i < l->n; i++)
        list_revoke(x, l->serials[i]);
    if (l->number) {
        ASN1_INTEGER *n = ASN1_INTEGER_new();
        CHECK(ASN1_INTEGER_set(n, l->number) && X509_CRL_add1_ext_i2d(x, NID_crl_number, n, 0, 0));
        if (l->delta)
            CHECK(X509_CRL_add1_ext_i2d(x, NID_delta_crl, n, 1, 0));
        ASN1_INTEGER_free(n);
    }
    if (l->idp)
        list_extend(x, issuer, NID_issuing_distribution_point, l->idp);
    CHECK(X509_CRL_sign(x, (l->key ? l->key : l->ca->key)->pkey, l->sha1 ? EVP_sha1() : EVP_sha256()) > 0);
    unsigned char *der = NULL;
    int n = i2d_X509_CRL(x, &der);
    CHECK(n > 0);
    buf_append_mem(&out, der, (size_t)n);
    OPENSSL_free(der);
    ASN1_TIME_free(this);
    ASN1_TIME_free(next);
    X509_CRL_free(x);
    return out;
}

/* A certificate of the authority with this serial number and distribution points (NULL: none). */
static inline struct pki_id list_named(const struct pki_id *ca, const char *name, long serial,
                                       const char *points)
{
    struct pki_id id = pki_host(ca, name);
    X509 *x = X509_dup(id.cert->leaf);
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, ca->cert->leaf, x, NULL, NULL, 0);
    X509_EXTENSION *e = points ? X509V3_EXT_conf_nid(NULL, &ctx, NID_crl_distribution_points, points) : NULL;
    CHECK(!points || (e && X509_add_ext(x, e, -1)));
    CHECK(ASN1_INTEGER_set(X509_get_serialNumber(x), serial));
    CHECK(X509_sign(x, ca->key->pkey, EVP_sha256()) > 0);
    X509_EXTENSION_free(e);
    crypto_cert_unref(id.cert);
    id.cert = crypto_cert_wrap(x, NULL);
    CHECK(id.cert != NULL);
    return id;
}
