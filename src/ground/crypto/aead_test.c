#include "ground/crypto/aead.h"

#include "ground/base/test.h"

static const unsigned char key[CRYPTO_AEAD_KEY] = "a key of thirty-two bytes, ok?..";

TEST(what_is_sealed_opens)
{
    static const char *const texts[] = {"", "x", "sip:alice@10.0.0.5:5062;transport=tls"};
    unsigned char sealed[128], again[128], out[128];
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct slice plain = slice_str(texts[i]);
        size_t n = plain.n + CRYPTO_AEAD_OVERHEAD;
        crypto_aead_seal(key, SLICE("with"), plain, sealed);
        CHECK(crypto_aead_open(key, SLICE("with"), slice_mem(sealed, n), out));
        CHECK_SLICE(slice_mem(out, plain.n), plain);
        CHECK(plain.n == 0 || slice_search(slice_mem(sealed, n), plain) == SIZE_MAX || plain.n == 1);
        crypto_aead_seal(key, SLICE("with"), plain, again);
        CHECK(memcmp(sealed, again, n) != 0); /* another nonce */
    }
}

TEST(what_is_altered_does_not)
{
    unsigned char sealed[64], out[64], other[CRYPTO_AEAD_KEY];
    struct slice plain = SLICE("fe1.contoso.example");
    size_t n = plain.n + CRYPTO_AEAD_OVERHEAD;
    crypto_aead_seal(key, SLICE("with"), plain, sealed);
    for (size_t i = 0; i < n; i++) {
        sealed[i] ^= 1;
        CHECK(!crypto_aead_open(key, SLICE("with"), slice_mem(sealed, n), out));
        sealed[i] ^= 1;
    }
    for (size_t i = 0; i < n; i++)
        CHECK(!crypto_aead_open(key, SLICE("with"), slice_mem(sealed, i), out));
    CHECK(!crypto_aead_open(key, SLICE("another"), slice_mem(sealed, n), out));
    memcpy(other, key, sizeof(other));
    other[0] ^= 1;
    CHECK(!crypto_aead_open(other, SLICE("with"), slice_mem(sealed, n), out));
    CHECK(crypto_aead_open(key, SLICE("with"), slice_mem(sealed, n), out));
}

TEST_MAIN(what_is_sealed_opens, what_is_altered_does_not)
