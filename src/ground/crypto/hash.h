/*
 * crypto/hash.h - digests, MACs, randomness, constant-time comparison. Wraps OpenSSL; nothing here can fail
 * but by a broken installation, which aborts.
 */
#pragma once

#include "ground/base/slice.h"

enum { CRYPTO_SHA256 = 32, CRYPTO_MAX_HASH = 64 };
enum crypto_hash { CRYPTO_HASH_MD5, CRYPTO_HASH_SHA256, CRYPTO_HASH_SHA512_256 };

/* Over the concatenation of parts. Returns the digest's length. */
size_t crypto_hash(enum crypto_hash h, const struct slice *parts, size_t n,
                   unsigned char out[CRYPTO_MAX_HASH]);
void crypto_sha256(struct slice in, unsigned char out[CRYPTO_SHA256]);
/* HMAC-SHA-256 over the concatenation of parts. Each part is prefixed by its length by the caller if needed.
 */
void crypto_hmac_sha256(struct slice key, const struct slice *parts, size_t n,
                        unsigned char out[CRYPTO_SHA256]);
/* A key made ready for many MACs: half of the work of one over a short text. As secret as the key. */
struct crypto_hmac_key {
    uint32_t inner[8], outer[8];
};
void crypto_hmac_key_init(struct slice key, struct crypto_hmac_key *ret);
/* crypto_hmac_sha256 with that key. */
void crypto_hmac(const struct crypto_hmac_key *key, const struct slice *parts, size_t n,
                 unsigned char out[CRYPTO_SHA256]);
/* HKDF-SHA-256 (RFC 5869): n bytes for one purpose. */
void crypto_derive(struct slice secret, struct slice purpose, void *out, size_t n);
void crypto_random(void *out, size_t n);
bool crypto_equal(struct slice a, struct slice b); /* constant time for equal lengths */
