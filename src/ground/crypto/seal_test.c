#include "ground/crypto/cert.h"

#include "ground/base/test.h"

#include "ground/crypto/pki_for_test.h"
#include "ground/crypto/priv.h"

#include <errno.h>

#include <openssl/rsa.h>

static struct pki_id rsa_leaf(const struct pki_id *ca)
{
    struct slice dns = SLICE("rsa.example");
    struct crypto_request_names names = {.dns = &dns, .n_dns = 1};
    struct pki_id id = {.key = crypto_key_wrap(EVP_RSA_gen(2048))};
    struct buf request = {0};
    CHECK_INT(crypto_request_new(id.key, &names, &request), 0);
    CHECK_INT(crypto_ca_sign(ca->key, ca->cert, buf_slice(&request), &names, pki_now() + PKI_HOUR, &id.cert),
              0);
    buf_fini(&request);
    return id;
}

static void try_sealing(const struct pki_id *id, const struct pki_id *other)
{
    struct slice secret = SLICE("thirty-two bytes of key material");
    struct buf sealed = {0}, out = {0};
    CHECK_INT(crypto_seal(id->cert, secret, &sealed), 0);
    CHECK_INT((int)slice_search(buf_slice(&sealed), secret), (int)SIZE_MAX);
    CHECK_INT(crypto_unseal(id->key, id->cert, buf_slice(&sealed), &out), 0);
    CHECK(slice_eq(buf_slice(&out), secret));
    buf_clear(&out, 0);
    CHECK_INT(crypto_unseal(other->key, other->cert, buf_slice(&sealed), &out), -EKEYREJECTED);
    CHECK_INT(crypto_unseal(other->key, id->cert, buf_slice(&sealed), &out), -EKEYREJECTED);
    CHECK_INT(buf_len(&out), 0);
    /* every single byte matters, or is not part of the message: never a wrong text */
    for (size_t i = 0; i < buf_len(&sealed); i += id->key == other->key ? 1 : 7) {
        sealed.mem[sealed.start + i] ^= 0x20;
        int r = crypto_unseal(id->key, id->cert, buf_slice(&sealed), &out);
        CHECK(r == 0 ? slice_eq(buf_slice(&out), secret) : r == -EBADMSG || r == -EKEYREJECTED);
        buf_clear(&out, 0);
        sealed.mem[sealed.start + i] ^= 0x20;
    }
    /* the ciphertext lies before the 16 bytes of its tag, at the end */
    sealed.mem[sealed.end - 25] ^= 1;
    CHECK_INT(crypto_unseal(id->key, id->cert, buf_slice(&sealed), &out), -EKEYREJECTED);
    CHECK_INT(crypto_unseal(id->key, id->cert, slice_head(buf_slice(&sealed), 50), &out), -EBADMSG);
    CHECK_INT(crypto_unseal(id->key, id->cert, SLICE_NONE, &out), -EBADMSG);
    buf_fini(&sealed);
    buf_fini(&out);
}

TEST(sealed_to_one)
{
    struct pki_id ca = pki_ca("Root"), a = pki_host(&ca, "a.example"), b = pki_host(&ca, "b.example"),
                  r = rsa_leaf(&ca), r2 = rsa_leaf(&ca);
    try_sealing(&a, &b);
    try_sealing(&r, &r2);
    pki_fini(&ca);
    pki_fini(&a);
    pki_fini(&b);
    pki_fini(&r);
    pki_fini(&r2);
}

TEST(empty_secret)
{
    struct pki_id ca = pki_ca("Root"), a = pki_host(&ca, "a.example");
    struct buf sealed = {0}, out = {0};
    CHECK_INT(crypto_seal(a.cert, SLICE_NONE, &sealed), 0);
    CHECK_INT(crypto_unseal(a.key, a.cert, buf_slice(&sealed), &out), 0);
    CHECK_INT(buf_len(&out), 0);
    buf_fini(&sealed);
    buf_fini(&out);
    pki_fini(&ca);
    pki_fini(&a);
}

TEST_MAIN(sealed_to_one, empty_secret)
