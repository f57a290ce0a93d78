#include "ground/crypto/hash.h"

#include "ground/base/buf.h"
#include "ground/base/test.h"
#include "ground/base/text.h"

static struct buf text;

static struct slice hex(const void *p, size_t n)
{
    buf_clear(&text, SIZE_MAX);
    text_hex(&text, p, n);
    return buf_slice(&text);
}

TEST(digests)
{
    static const struct {
        enum crypto_hash hash;
        struct slice in;
        const char *want;
    } cases[] = {
  /* RFC 1321 A.5 */
        {CRYPTO_HASH_MD5,        SLICE_INIT(""),                                 "d41d8cd98f00b204e9800998ecf8427e"},
        {CRYPTO_HASH_MD5,        SLICE_INIT("abc"),                              "900150983cd24fb0d6963f7d28e17f72"},
        {CRYPTO_HASH_MD5,        SLICE_INIT("message digest"),                   "f96b697d7cb7938d525a2f31aaf161d0"},
 /* FIPS 180-4 examples */
        {CRYPTO_HASH_SHA256,     SLICE_INIT(""),
         "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"                                        },
        {CRYPTO_HASH_SHA256,     SLICE_INIT("abc"),
         "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"                                        },
        {CRYPTO_HASH_SHA512_256, SLICE_INIT("abc"),
         "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"                                        },
        {CRYPTO_HASH_SHA512_256,
         SLICE_INIT("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
                    "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"),
         "3928e184fb8690f840da3988121d31be65cb9d3ef83ee6146feac861e19b563a"                                        },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned char out[CRYPTO_MAX_HASH];
        size_t n = crypto_hash(cases[i].hash, &cases[i].in, 1, out);
        CHECK_STR(hex(out, n), cases[i].want);
        struct slice parts[] = {slice_head(cases[i].in, 1), SLICE_NONE, slice_from(cases[i].in, 1)};
        n = crypto_hash(cases[i].hash, parts, 3, out);
        CHECK_STR(hex(out, n), cases[i].want);
    }
    unsigned char out[CRYPTO_SHA256];
    crypto_sha256(SLICE("abc"), out);
    CHECK_STR(hex(out, sizeof(out)), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static struct slice fill(char *p, char c, size_t n)
{
    memset(p, c, n);
    return (struct slice){p, n};
}

TEST(hmac_rfc4231)
{
    char k[131], d[200];
    const struct {
        struct slice key, data;
        const char *want;
    } cases[] = {
        {SLICE("Jefe"), SLICE("what do ya want for nothing?"),
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        { fill(k, '\xaa', 131), SLICE("Test Using Larger Than Block-Size Key - Hash Key First"),
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        { fill(k, '\xaa',   131),
         SLICE("This is a test using a larger than block-size key and a larger than block-size data. The key "
               "needs to be hashed before being used by the HMAC algorithm."),
         "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    };
    unsigned char out[CRYPTO_SHA256];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice parts[] = {slice_head(cases[i].data, 5), slice_from(cases[i].data, 5)};
        crypto_hmac_sha256(cases[i].key, parts, 2, out);
        CHECK_STR(hex(out, sizeof(out)), cases[i].want);
        struct crypto_hmac_key ready;
        crypto_hmac_key_init(cases[i].key, &ready);
        for (int twice = 0; twice < 2; twice++) {
            memset(out, 0, sizeof(out));
            crypto_hmac(&ready, parts, 2, out);
            CHECK_STR(hex(out, sizeof(out)), cases[i].want);
        }
    }
    struct slice one = SLICE("Hi There");
    crypto_hmac_sha256(fill(k, 0x0b, 20), &one, 1, out);
    CHECK_STR(hex(out, sizeof(out)), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    struct slice dd = fill(d, '\xdd', 50);
    crypto_hmac_sha256(fill(k, '\xaa', 20), &dd, 1, out);
    CHECK_STR(hex(out, sizeof(out)), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
}

TEST(derive_rfc5869_case_3)
{
    char ikm[22];
    unsigned char okm[42], other[42];
    crypto_derive(fill(ikm, 0x0b, sizeof(ikm)), SLICE_NONE, okm, sizeof(okm));
    CHECK_STR(hex(okm, sizeof(okm)),
              "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
    crypto_derive(fill(ikm, 0x0b, sizeof(ikm)), SLICE("record-route"), other, sizeof(other));
    CHECK(memcmp(okm, other, sizeof(okm)) != 0);
}

TEST(random_and_equal)
{
    unsigned char a[32] = {0}, b[32] = {0};
    crypto_random(a, sizeof(a));
    crypto_random(b, sizeof(b));
    CHECK(memcmp(a, b, sizeof(a)) != 0);
    CHECK(crypto_equal(slice_mem(a, 32), slice_mem(a, 32)));
    CHECK(!crypto_equal(slice_mem(a, 32), slice_mem(b, 32)));
    CHECK(!crypto_equal(slice_mem(a, 32), slice_mem(a, 31)));
    CHECK(crypto_equal(SLICE_NONE, SLICE("")));
    buf_fini(&text);
}

TEST_MAIN(digests, hmac_rfc4231, derive_rfc5869_case_3, random_and_equal)
