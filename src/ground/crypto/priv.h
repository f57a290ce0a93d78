/*
 * crypto/priv.h - what the parts of this module share: OpenSSL objects behind our types. Nobody else includes
 * it.
 */
#pragma once

#include "ground/crypto/cert.h"

#include <stdatomic.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

/* Counts of shared objects; ref_down says whether that was the last one. */
static inline void ref_up(_Atomic unsigned *refs)
{
    atomic_fetch_add_explicit(refs, 1, memory_order_relaxed);
}
/* Takes a reference unless the last one is gone. */
static inline bool ref_up_alive(_Atomic unsigned *refs)
{
    unsigned n = atomic_load_explicit(refs, memory_order_relaxed);
    while (n && !atomic_compare_exchange_weak_explicit(refs, &n, n + 1, memory_order_acquire,
                                                       memory_order_relaxed))
        ;
    return n != 0;
}
static inline bool ref_down(_Atomic unsigned *refs)
{
    return atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel) == 1;
}

struct crypto_key {
    _Atomic unsigned refs;
    EVP_PKEY *pkey;
};

struct crypto_cert {
    _Atomic unsigned refs;
    X509 *leaf;
    STACK_OF(X509) * chain; /* never NULL; without the leaf */
    struct crypto_names names;
    struct slice *list; /* dNSNames, then URIs; the bytes follow in the same block */
    int64_t not_before, not_after;
    unsigned eku;
    bool has_eku;
    unsigned char id[32];     /* SHA-256 over leaf and chain */
    unsigned char key_id[32]; /* SHA-256 of the SubjectPublicKeyInfo */
};
/* SHA-256 over what a peer sends: the leaf, and the rest from `first` on. */
int crypto_chain_id(X509 *leaf, STACK_OF(X509) * rest, int first, unsigned char out[32]);
/* Milliseconds since 1970; negative errno. */
int crypto_time(const ASN1_TIME *t, int64_t *ret);

/* RSA moduli and the signatures of chains are measured by this level of OpenSSL (112 bits: RSA 2048, SHA-2).
 */
enum { CRYPTO_SECURITY_LEVEL = 2, CRYPTO_SECURITY_BITS = 112 };
/* OpenSSL's state for TLS: see tls_library.c. */
OSSL_LIB_CTX *tls_library(void);

/* crypto_fail keeps OpenSSL's words (or `what` when it has none) for crypto_error and returns error. */
int crypto_fail(int error, const char *what);
/* The same, in our own words. */
__attribute__((format(printf, 2, 3))) int crypto_fail_words(int error, const char *fmt, ...);
/* Words for the number of a failed verification. */
const char *crypto_verify_words(int verdict);

/* Take over the reference to what is passed, also when they fail (NULL, with crypto_error). */
struct crypto_key *crypto_key_wrap(EVP_PKEY *pkey);
/* chain: may be NULL; the leaf itself in it is left out; more than CRYPTO_MAX_CHAIN certificates fail. */
struct crypto_cert *crypto_cert_wrap(X509 *leaf, STACK_OF(X509) * chain);
/* SHA-256 of the SubjectPublicKeyInfo. */
void crypto_pkey_id(const EVP_PKEY *pkey, unsigned char out[32]);
/* Text of `pem` as a BIO that reads it in place; never fails. */
BIO *crypto_bio(struct slice text);
/* For PEM readers: no passphrase, and no prompt on somebody's terminal. */
int crypto_no_passphrase(char *text, int size, int writing, void *arg);
/* Appends what a memory BIO holds, and frees it. */
void crypto_bio_take(BIO *bio, struct buf *out);
/* A common name as slice of the name itself's memory, UTF-8; empty when there is none or it holds a NUL. The
 * caller frees *ret_mem with OPENSSL_free. */
struct slice crypto_common_name(const X509_NAME *name, unsigned char **ret_mem);
/* Ends the process: the installation of OpenSSL is broken, or memory is out. */
__attribute__((noreturn)) void crypto_abort(const char *what);
