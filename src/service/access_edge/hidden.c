#include "service/access_edge/hidden.h"

#include "ground/base/text.h"
#include "ground/crypto/aead.h"
#include "ground/crypto/hash.h"

#include <errno.h>

enum { KEY_ID = 4, RAW_MAX = KEY_ID + CRYPTO_AEAD_OVERHEAD + HIDDEN_MAX };

static void key_for_hiding(const struct material_key *key, unsigned char out[CRYPTO_AEAD_KEY])
{
    crypto_derive(slice_mem(key->key, MATERIAL_KEY), SLICE("entente hidden topology"), out, CRYPTO_AEAD_KEY);
}

static void put_id(unsigned char *p, uint32_t id)
{
    for (int i = 0; i < KEY_ID; i++)
        p[i] = (unsigned char)(id >> (24 - 8 * i));
}

static uint32_t get_id(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

int hidden_seal(struct slice text, struct slice partner, const struct material_key *key, struct arena *a,
                struct slice *ret)
{
    unsigned char secret[CRYPTO_AEAD_KEY];
    struct buf out = {0};
    if (text.n > HIDDEN_MAX)
        return -EINVAL;
    unsigned char *raw = arena_alloc(a, KEY_ID + CRYPTO_AEAD_OVERHEAD + text.n);
    put_id(raw, key->id);
    key_for_hiding(key, secret);
    crypto_aead_seal(secret, partner, text, raw + KEY_ID);
    text_base64url(&out, raw, KEY_ID + CRYPTO_AEAD_OVERHEAD + text.n);
    *ret = arena_copy(a, buf_slice(&out));
    buf_fini(&out);
    return 0;
}

bool hidden_open(struct slice sealed, struct slice partner, const struct material *m, int64_t now_ms,
                 struct arena *a, struct slice *ret)
{
    unsigned char raw[RAW_MAX], secret[CRYPTO_AEAD_KEY];
    ssize_t n = text_unbase64url(sealed, raw, sizeof(raw));
    if (n < KEY_ID + CRYPTO_AEAD_OVERHEAD)
        return false;
    const struct material_key *key = material_key_find(m, get_id(raw), now_ms);
    if (!key)
        return false;
    key_for_hiding(key, secret);
    unsigned char *text = arena_alloc(a, (size_t)n);
    struct slice body = slice_mem(raw + KEY_ID, (size_t)n - KEY_ID);
    if (!crypto_aead_open(secret, partner, body, text))
        return false;
    *ret = slice_mem(text, body.n - CRYPTO_AEAD_OVERHEAD);
    return true;
}
