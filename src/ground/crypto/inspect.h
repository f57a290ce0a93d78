/*
 * crypto/inspect.h - what administrators do with certificates: read a file of whatever form they have, look
 * at each certificate of a chain, keys of other kinds, PKCS#12 for old Windows.
 */
#pragma once

#include "ground/crypto/cert.h"

/* --- keys of other kinds --- */
enum crypto_key_kind {
    CRYPTO_KEY_P256,
    CRYPTO_KEY_RSA_2048,
    CRYPTO_KEY_RSA_3072,
    CRYPTO_KEY_RSA_4096 /* takes a second or more */
};
/* "ecdsa-p256", "rsa-2048", "rsa-3072", "rsa-4096"; -ENOENT. */
int crypto_key_kind_find(struct slice name, enum crypto_key_kind *ret);
struct crypto_key *crypto_key_new_kind(enum crypto_key_kind kind);

/* --- files --- */
/* What a file held. The chain is in order, issuer behind issuer. */
struct crypto_file {
    struct crypto_key *key; /* NULL: there was none */
    struct crypto_cert *cert;
    bool reordered;  /* the file had its certificates in another order */
    size_t left_out; /* certificates that do not belong to the chain */
};
/* PEM (certificates, PKCS#7 and a private key, in any order), PKCS#12, PKCS#7 or one certificate in DER. The
 * first certificate is that of `key` (may be NULL) or of the key in the file; without a key the first one
 * that is no authority. -EBADMSG nothing readable; -EKEYREJECTED passphrase missing or wrong; -ENOKEY a key
 * that belongs to none of the certificates. */
int crypto_file_parse(struct slice text, struct slice passphrase, const struct crypto_key *key,
                      struct crypto_file *ret);
void crypto_file_fini(struct crypto_file *f);
/* A private key in PEM, with its passphrase where it is encrypted. */
int crypto_key_parse_secret(struct slice pem, struct slice passphrase, struct crypto_key **ret);
/* PKCS#12 that Windows before 2019 reads too: 3DES and SHA-1. Weak: the passphrase and the file's mode
 * protect it, not the form. */
int crypto_p12_write_old(struct crypto_key *k, const struct crypto_cert *c, struct slice passphrase,
                         struct buf *out);

/* --- certificates one by one: 0 is the leaf, then the chain as it came --- */
struct crypto_view {
    struct slice subject, issuer; /* common names, or all of the name where there is none */
    const char *key;              /* "RSA", "EC", "other" */
    unsigned key_bits;
    bool weak_signature; /* MD5 or SHA-1; never of a self-signed one, whose signature counts for nothing */
    bool authority;      /* basic constraints say so */
    bool self_issued;
    int64_t not_before, not_after;
};
size_t crypto_cert_count(const struct crypto_cert *c);
void crypto_cert_view(const struct crypto_cert *c, size_t i, struct arena *a, struct crypto_view *ret);
/* Did certificate `issuer` of the chain sign certificate `subject`? */
bool crypto_cert_issued(const struct crypto_cert *c, size_t issuer, size_t subject);
