/* MD5 and SHA-256 are called directly: for short texts EVP's memory and indirections cost more than the
 * digest. */
#define OPENSSL_API_COMPAT 0x10100000L
#include "ground/crypto/hash.h"

#include "ground/base/mem.h"
#include "ground/crypto/priv.h"

#include <assert.h>
#include <pthread.h>

#include <openssl/crypto.h>
#include <openssl/md5.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

enum { HMAC_BLOCK = 64 }; /* of SHA-256 */

/* Fetched once: a fetch by name at each call costs more than the hashing of a header field. */
static EVP_MD *hash_sha512_256;
static pthread_once_t hash_once = PTHREAD_ONCE_INIT;

static void hash_fetch(void)
{
    if (!(hash_sha512_256 = EVP_MD_fetch(NULL, "SHA2-512/256", NULL)))
        crypto_abort("SHA2-512/256");
}

static size_t hash_with_evp(const struct slice *parts, size_t n, unsigned char *out)
{
    unsigned length;
    pthread_once(&hash_once, hash_fetch);
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    bool ok = c && EVP_DigestInit_ex2(c, hash_sha512_256, NULL);
    for (size_t i = 0; i < n && ok; i++)
        ok = parts[i].n == 0 || EVP_DigestUpdate(c, parts[i].p, parts[i].n);
    if (!ok || !EVP_DigestFinal_ex(c, out, &length))
        crypto_abort("digest");
    EVP_MD_CTX_free(c);
    return length;
}

static size_t hash_md5(const struct slice *parts, size_t n, unsigned char *out)
{
    MD5_CTX c;
    MD5_Init(&c);
    for (size_t i = 0; i < n; i++)
        if (parts[i].n)
            MD5_Update(&c, parts[i].p, parts[i].n);
    MD5_Final(out, &c);
    mem_wipe(&c, sizeof(c));
    return MD5_DIGEST_LENGTH;
}

static size_t hash_sha256(const struct slice *parts, size_t n, unsigned char *out)
{
    SHA256_CTX c;
    SHA256_Init(&c);
    for (size_t i = 0; i < n; i++)
        if (parts[i].n)
            SHA256_Update(&c, parts[i].p, parts[i].n);
    SHA256_Final(out, &c);
    mem_wipe(&c, sizeof(c));
    return SHA256_DIGEST_LENGTH;
}

size_t crypto_hash(enum crypto_hash h, const struct slice *parts, size_t n,
                   unsigned char out[CRYPTO_MAX_HASH])
{
    switch (h) {
    case CRYPTO_HASH_MD5:
        return hash_md5(parts, n, out);
    case CRYPTO_HASH_SHA256:
        return hash_sha256(parts, n, out);
    case CRYPTO_HASH_SHA512_256:
        break;
    }
    return hash_with_evp(parts, n, out);
}

void crypto_sha256(struct slice in, unsigned char out[CRYPTO_SHA256])
{
    hash_sha256(&in, 1, out);
}

/* RFC 2104: what SHA-256 has come to behind the first block, which is made of the key. */
static void hmac_state(const unsigned char block[HMAC_BLOCK], uint32_t out[8])
{
    SHA256_CTX c;
    _Static_assert(sizeof(c.h) == 8 * sizeof(uint32_t), "the state of SHA-256");
    SHA256_Init(&c);
    SHA256_Update(&c, block, HMAC_BLOCK);
    memcpy(out, c.h, sizeof(c.h));
    mem_wipe(&c, sizeof(c));
}

static void hmac_resume(const uint32_t state[8], SHA256_CTX *c)
{
    static const uint32_t never_made[8];
    if (memcmp(state, never_made, sizeof(never_made)) == 0)
        crypto_abort("a key that was not made ready");
    SHA256_Init(c);
    memcpy(c->h, state, sizeof(c->h));
    c->Nl = 8 * HMAC_BLOCK; /* bits so far */
}

void crypto_hmac_key_init(struct slice key, struct crypto_hmac_key *ret)
{
    unsigned char block[HMAC_BLOCK] = {0};
    if (key.n > HMAC_BLOCK)
        crypto_sha256(key, block);
    else if (key.n)
        memcpy(block, key.p, key.n);
    for (size_t i = 0; i < HMAC_BLOCK; i++)
        block[i] ^= 0x36;
    hmac_state(block, ret->inner);
    for (size_t i = 0; i < HMAC_BLOCK; i++)
        block[i] ^= 0x36 ^ 0x5c;
    hmac_state(block, ret->outer);
    mem_wipe(block, sizeof(block));
}

void crypto_hmac(const struct crypto_hmac_key *key, const struct slice *parts, size_t n,
                 unsigned char out[CRYPTO_SHA256])
{
    unsigned char inner[CRYPTO_SHA256];
    SHA256_CTX c;
    hmac_resume(key->inner, &c);
    for (size_t i = 0; i < n; i++)
        if (parts[i].n)
            SHA256_Update(&c, parts[i].p, parts[i].n);
    SHA256_Final(inner, &c);
    hmac_resume(key->outer, &c);
    SHA256_Update(&c, inner, sizeof(inner));
    SHA256_Final(out, &c);
    mem_wipe(inner, sizeof(inner));
    mem_wipe(&c, sizeof(c));
}

void crypto_hmac_sha256(struct slice key, const struct slice *parts, size_t n,
                        unsigned char out[CRYPTO_SHA256])
{
    struct crypto_hmac_key k;
    crypto_hmac_key_init(key, &k);
    crypto_hmac(&k, parts, n, out);
    mem_wipe(&k, sizeof(k));
}

/* RFC 5869 without salt: extract, then expand with the purpose as info. */
void crypto_derive(struct slice secret, struct slice purpose, void *out, size_t n)
{
    static const char no_salt[CRYPTO_SHA256];
    unsigned char prk[CRYPTO_SHA256], t[CRYPTO_SHA256];
    assert(n <= (size_t)255 * CRYPTO_SHA256);
    crypto_hmac_sha256(slice_mem(no_salt, sizeof(no_salt)), &secret, 1, prk);
    size_t t_len = 0;
    char *to = out;
    for (unsigned char i = 1; n > 0; i++) {
        struct slice parts[] = {slice_mem(t, t_len), purpose, slice_mem(&i, 1)};
        crypto_hmac_sha256(slice_mem(prk, sizeof(prk)), parts, 3, t);
        t_len = sizeof(t);
        size_t take = n < t_len ? n : t_len;
        memcpy(to, t, take);
        to += take;
        n -= take;
    }
    mem_wipe(prk, sizeof(prk));
    mem_wipe(t, sizeof(t));
}

void crypto_random(void *out, size_t n)
{
    unsigned char *to = out;
    while (n > 0) {
        int take = n < 65536 ? (int)n : 65536;
        if (RAND_bytes(to, take) != 1)
            crypto_abort("random numbers");
        to += take;
        n -= (size_t)take;
    }
}

bool crypto_equal(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}
