#include "ground/crypto/cert.h"

#include "ground/base/test.h"
#include "ground/base/text.h"

#include "ground/crypto/pki_for_test.h"

#include <errno.h>

/* `openssl pkcs12 -export -legacy`: RC2-40 around the certificates, 3DES around the key, SHA-1 MAC,
 * passphrase "Secret1": what certificate wizards of old Windows write. */
static const char legacy[] = "MIIE2gIBAzCCBKAGCSqGSIb3DQEHAaCCBJEEggSNMIIEiTCCA38GCSqGSIb3DQEHBqCCA3AwggNs"
                             "AgEAMIIDZQYJKoZIhvcNAQcBMBwGCiqGSIb3DQEMAQYwDgQIev8hO4OU7eYCAggAgIIDOHWy89j5"
                             "+ShYCHqWkiXj/A3Xhthm2MhR6ppW/nYJ+mJiElYivxQ/f9g0zfUQW9v2vNMoaDa7H+UjgpWwMYhC"
                             "ur0fG4oXq1xC4GZFbkMEyUcbF2iGtk6Ms5N8To0ItI3VSHDHyMZX+rLmmgvQSA/XmWKj8i0o5rQn"
                             "8nWQJGu1ppq/aCXl5iWpGFCDKRS+Dpibe6Y4hEzt21BUoEIT4EyIJR3zdirUEMk1F+K1XDmyOkPN"
                             "XLpt2uDLEG0oDtmgYMvfRSvejXC5Q2Bv6Pn140JRE3BRZyS3aqr+8pLbNSrWWFn8amfN15HuGqQE"
                             "huhyf6oWrD/fCoXIJ+bP/yhhZ21yajVhNYIa/VngYUM6kr5b9FNaRSAQQ9kzkK73/XvigAY54+HK"
                             "7R5Il0nSB+gURa6udIXBJUYhJNX0rbFCpQpgF6MHmbAT/ukyaPdTH78SJdLdG734R+xbGXN6y3uk"
                             "8xWD9hdAzvwytfnYL/xfr3MMVHyOQdwafsRlbu38b7h82XxjxuznGGsvCoHJWFcKc8cnMAd9F+v9"
                             "bOhuy0k28l2PiMyQqhUw4lOIDV+XGBrUXlOR09mL7s+XmT1EMvddGtI14I4HxQ9m1POZRlNf2bzj"
                             "bb09nencAPbKo/77qa89SgM6/kYLqc5cv3DK0CUgFJ8IqHYBImNQK82W1lRsdgkAaItuCJJq+a0U"
                             "EiyMDl1QlDkYgfODdJ7G9m+uoITJNBA1yG6q1xqZkUHNQNCO96g0hAD4Gz+n4/qyALI/iT59lHPX"
                             "gL+Cv0GuUMMGYzJSIQ1uO2mXyLz4t/TvpGYuyamh/B7cBYfMMcdcr7MzTBXbJOoHO0VaZ6MRWZ+N"
                             "L1+T7xH0OP/t/k45NBYJM8s2z4hRSvzeYBeNGM4Nhr3SQAfNy1INPq2EI0gtgC+tv2jl/QF5GFEO"
                             "p/YnkYpLaJSW4CG4kGPuCt/F7AD181NXxKvs/bJyJILJSc4BhoSlTEi5S47B2nE8yD9Z0e3/0RTM"
                             "FWqXk9s8aEeVBWdJipxky29GGDct6t4MH3ny718mgILtFNUuAHzPF+NpqUvaSAH7El0f86qQ51dw"
                             "UE0xeHnoEWBaT1SihX3S3D5Btqr0MIIBAgYJKoZIhvcNAQcBoIH0BIHxMIHuMIHrBgsqhkiG9w0B"
                             "DAoBAqCBtDCBsTAcBgoqhkiG9w0BDAEDMA4ECOA4y27cvSDPAgIIAASBkI3fS1UtZIJdbaMhngnR"
                             "NLjYhWBxw52KLRoQRwHA13EBMio8YhzlTY3zGdlZ8qYPQXe95lArBQRtFRaON0D9z6HcVoVWIvFm"
                             "hkzSeAfkJvT/6HjXeTXe65Of7ZN7Zj5dDJVIZcDOcmYo5222skTisF8C5zcI8mNnYclVo+mIXrDt"
                             "mAksZ9T0OhSnel/mLWse1jElMCMGCSqGSIb3DQEJFTEWBBSCo9RmaM4NwMo/rYGavcqISltToTAx"
                             "MCEwCQYFKw4DAhoFAAQUhmZzxUsMVEkDU53hUISYpZdbbVgECAZxix91Nd7oAgIIAA==";

TEST(round_trip)
{
    struct pki_id ca = pki_ca("Root"), id = pki_host(&ca, "a.example"), got = {0};
    struct buf der = {0}, before = {0}, after = {0};
    CHECK_INT(crypto_p12_write(id.key, id.cert, SLICE("p\xc3\xa4ss"), &der), 0);
    CHECK_INT(crypto_p12_parse(buf_slice(&der), SLICE("pass"), &got.key, &got.cert), -EKEYREJECTED);
    CHECK_STR(slice_str(crypto_error()), "the passphrase is wrong");
    CHECK_INT(crypto_p12_parse(buf_slice(&der), SLICE_NONE, &got.key, &got.cert), -EKEYREJECTED);
    CHECK_INT(crypto_p12_parse(buf_slice(&der), SLICE("p\xc3\xa4ss\0"), &got.key, &got.cert), -EKEYREJECTED);
    CHECK_INT(crypto_p12_parse(buf_slice(&der), SLICE("p\xc3\xa4ss"), &got.key, &got.cert), 0);
    CHECK_INT(crypto_cert_matches(got.cert, id.key), 0);
    CHECK_INT(crypto_cert_matches(id.cert, got.key), 0);
    crypto_cert_write(id.cert, &before);
    crypto_cert_write(got.cert, &after);
    CHECK(slice_eq(buf_slice(&before), buf_slice(&after))); /* with the chain */
    CHECK_INT(crypto_p12_write(ca.key, id.cert, SLICE("x"), &der), -ENOKEY);
    pki_fini(&got);
    pki_fini(&ca);
    pki_fini(&id);
    buf_fini(&der);
    buf_fini(&before);
    buf_fini(&after);
}

TEST(without_passphrase)
{
    struct pki_id ca = pki_ca("Root"), id = pki_host(&ca, "a.example"), got = {0};
    struct buf der = {0};
    CHECK_INT(crypto_p12_write(id.key, id.cert, SLICE_NONE, &der), 0);
    CHECK_INT(crypto_p12_parse(buf_slice(&der), SLICE_NONE, &got.key, &got.cert), 0);
    pki_fini(&got);
    pki_fini(&ca);
    pki_fini(&id);
    buf_fini(&der);
}

TEST(old_windows)
{
    unsigned char der[2048];
    struct pki_id got = {0};
    struct buf signature = {0}, pem = {0};
    ssize_t n = text_unbase64(slice_str(legacy), der, sizeof(der));
    CHECK(n > 0);
    if (n <= 0)
        return;
    struct slice in = slice_mem(der, (size_t)n);
    CHECK_INT(crypto_p12_parse(in, SLICE("secret1"), &got.key, &got.cert), -EKEYREJECTED);
    CHECK_INT(crypto_p12_parse(in, SLICE("Secret1"), &got.key, &got.cert), 0);
    if (!got.cert)
        return;
    CHECK_STR(crypto_cert_names(got.cert)->common_name, "edge.contoso.example");
    /* what comes out works with everything else, although other providers read it */
    CHECK_INT(crypto_sign(got.key, SLICE("text"), &signature), 0);
    CHECK_INT(crypto_cert_verify_signature(got.cert, SLICE("text"), buf_slice(&signature)), 0);
    crypto_key_write(got.key, &pem);
    crypto_cert_write(got.cert, &pem);
    struct slice second = slice_from(buf_slice(&pem), slice_search(buf_slice(&pem), SLICE("END CERT")));
    CHECK(slice_search(second, SLICE("BEGIN CERTIFICATE")) != SIZE_MAX);
    pki_fini(&got);
    buf_fini(&signature);
    buf_fini(&pem);
}

TEST(damaged)
{
    unsigned char der[2048];
    struct pki_id got = {0};
    ssize_t n = text_unbase64(slice_str(legacy), der, sizeof(der));
    for (ssize_t i = 0; i < n; i += 3) {
        CHECK(crypto_p12_parse(slice_mem(der, (size_t)i), SLICE("Secret1"), &got.key, &got.cert) < 0);
        der[i] ^= 0x04;
        if (crypto_p12_parse(slice_mem(der, (size_t)n), SLICE("Secret1"), &got.key, &got.cert) == 0) {
            pki_fini(&got);
            got = (struct pki_id){0};
        }
        der[i] ^= 0x04;
    }
    CHECK_INT(crypto_p12_parse(SLICE("junk"), SLICE("Secret1"), &got.key, &got.cert), -EBADMSG);
}

TEST_MAIN(round_trip, without_passphrase, old_windows, damaged)
