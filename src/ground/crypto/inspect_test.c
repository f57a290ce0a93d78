#include "ground/crypto/inspect.h"

#include "ground/base/test.h"

#include "ground/crypto/pki_for_test.h"

#include <errno.h>

static struct buf pem_of(const struct crypto_cert *c)
{
    struct buf b = {0};
    crypto_cert_write(c, &b);
    return b;
}

/* The n-th certificate of a PEM text. */
static struct slice nth_pem(struct slice text, size_t n)
{
    struct slice end = SLICE("-----END CERTIFICATE-----\n");
    for (;; n--) {
        size_t at = slice_search(text, end) + end.n;
        if (n == 0)
            return slice_head(text, at);
        text = slice_from(text, at);
    }
}

TEST(any_order)
{
    struct pki_id ca = pki_ca("Root"), id = pki_host(&ca, "a.example"), other = pki_host(&ca, "b.example");
    struct buf chain = pem_of(id.cert), stray = pem_of(other.cert), key = {0}, all = {0};
    struct crypto_file f = {0};
    crypto_key_write(id.key, &key);
    CHECK_INT(crypto_file_parse(buf_slice(&chain), SLICE_NONE, NULL, &f), 0);
    CHECK(!f.key && !f.reordered && f.left_out == 0);
    crypto_file_fini(&f);
    /* root, another leaf, key, leaf */
    buf_append(&all, nth_pem(buf_slice(&chain), 1));
    buf_append(&all, nth_pem(buf_slice(&stray), 0));
    buf_append(&all, buf_slice(&key));
    buf_append(&all, nth_pem(buf_slice(&chain), 0));
    CHECK_INT(crypto_file_parse(buf_slice(&all), SLICE_NONE, NULL, &f), 0);
    CHECK(f.key && f.reordered);
    CHECK_INT(f.left_out, 1);
    CHECK_STR(crypto_cert_names(f.cert)->common_name, "a.example");
    CHECK_INT(crypto_cert_count(f.cert), 2);
    CHECK(crypto_cert_issued(f.cert, 1, 0));
    CHECK(!crypto_cert_issued(f.cert, 0, 1));
    crypto_file_fini(&f);
    /* the key decides */
    CHECK_INT(crypto_file_parse(nth_pem(buf_slice(&stray), 0), SLICE_NONE, id.key, &f), -ENOKEY);
    CHECK_INT(crypto_file_parse(nth_pem(buf_slice(&stray), 0), SLICE_NONE, other.key, &f), 0);
    crypto_file_fini(&f);
    CHECK_INT(crypto_file_parse(SLICE("junk"), SLICE_NONE, NULL, &f), -EBADMSG);
    CHECK_INT(crypto_file_parse(buf_slice(&key), SLICE_NONE, NULL, &f), -EBADMSG);
    CHECK_INT(crypto_file_parse(SLICE_NONE, SLICE_NONE, NULL, &f), -EBADMSG);
    pki_fini(&ca);
    pki_fini(&id);
    pki_fini(&other);
    buf_fini(&chain);
    buf_fini(&stray);
    buf_fini(&key);
    buf_fini(&all);
}

TEST(old_windows_form)
{
    struct pki_id ca = pki_ca("Root"), id = pki_host(&ca, "a.example");
    struct crypto_file f = {0};
    struct buf old = {0}, now = {0};
    /* pbeWithSHAAnd3-KeyTripleDES-CBC, RFC 7292 appendix C */
    struct slice oid = slice_mem("\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x03", 10);
    CHECK_INT(crypto_p12_write_old(id.key, id.cert, SLICE("pass"), &old), 0);
    CHECK_INT(crypto_p12_write(id.key, id.cert, SLICE("pass"), &now), 0);
    CHECK(slice_search(buf_slice(&old), oid) != SIZE_MAX);
    CHECK(slice_search(buf_slice(&now), oid) == SIZE_MAX);
    CHECK_INT(crypto_file_parse(buf_slice(&old), SLICE("wrong"), NULL, &f), -EKEYREJECTED);
    CHECK_INT(crypto_file_parse(buf_slice(&old), SLICE_NONE, NULL, &f), -EKEYREJECTED);
    CHECK_INT(crypto_file_parse(buf_slice(&old), SLICE("pass"), NULL, &f), 0);
    CHECK_INT(crypto_cert_matches(f.cert, id.key), 0);
    CHECK_INT(crypto_cert_count(f.cert), 2);
    CHECK(f.key);
    crypto_file_fini(&f);
    pki_fini(&ca);
    pki_fini(&id);
    buf_fini(&old);
    buf_fini(&now);
}

TEST(views)
{
    struct pki_id ca = pki_ca("Root"), id = pki_host(&ca, "a.example");
    struct arena a = {0};
    struct crypto_view v;
    crypto_cert_view(id.cert, 0, &a, &v);
    CHECK_STR(v.subject, "a.example");
    CHECK_STR(v.issuer, "Root");
    CHECK_STR(slice_str(v.key), "EC");
    CHECK_INT(v.key_bits, 256);
    CHECK(!v.authority && !v.self_issued && !v.weak_signature);
    crypto_cert_view(id.cert, 1, &a, &v);
    CHECK_STR(v.subject, "Root");
    CHECK(v.authority && v.self_issued);
    struct crypto_key *rsa = crypto_key_new_kind(CRYPTO_KEY_RSA_2048);
    struct crypto_request_names names = {.common_name = SLICE("r.example")};
    struct buf request = {0};
    struct crypto_cert *c = NULL;
    CHECK_INT(crypto_request_new(rsa, &names, &request), 0);
    CHECK_INT(crypto_ca_sign(ca.key, ca.cert, buf_slice(&request), &names, pki_now() + PKI_HOUR, &c), 0);
    crypto_cert_view(c, 0, &a, &v);
    CHECK_STR(slice_str(v.key), "RSA");
    CHECK_INT(v.key_bits, 2048);
    crypto_cert_unref(c);
    crypto_key_unref(rsa);
    buf_fini(&request);
    pki_fini(&ca);
    pki_fini(&id);
    arena_fini(&a);
}

/* `openssl genpkey -aes256` of an EC key with the passphrase "Secret1". */
static const char encrypted[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
                                "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjvYS+3ygPtIQICCAAw\n"
                                "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEPuGDFFpmFtt4qmNecGWj58EgZDj\n"
                                "DFvew0l6vinEOxmqF2BTsZ2C2zEqrdKRHjzeIwDqsqsh+G6dYzYwtfSHGVQIcdGZ\n"
                                "WVANt5hNYccapGgOf9q5tap1yKvyMRaIxdm2l477DLVt5XzzY038QbvyqceB9TFL\n"
                                "wh7wWibGgnjsykxMhA8FXSkjibXst2YhZgeN+DO6Pb8wne5K3JYook4ELQBM2EI=\n"
                                "-----END ENCRYPTED PRIVATE KEY-----\n";

TEST(encrypted_key)
{
    struct crypto_key *k = NULL;
    CHECK_INT(crypto_key_parse_secret(slice_str(encrypted), SLICE_NONE, &k), -EKEYREJECTED);
    CHECK_INT(crypto_key_parse_secret(slice_str(encrypted), SLICE("wrong"), &k), -EKEYREJECTED);
    CHECK_INT(crypto_key_parse_secret(slice_str(encrypted), SLICE("Secret1"), &k), 0);
    crypto_key_unref(k);
    CHECK_INT(crypto_key_parse_secret(SLICE("junk"), SLICE_NONE, &k), -EBADMSG);
}

/* `openssl crl2pkcs7 -nocrl` of a self-signed certificate of a.example. */
static const char pkcs7[] = "-----BEGIN PKCS7-----\n"
                            "MIIBqwYJKoZIhvcNAQcCoIIBnDCCAZgCAQExADALBgkqhkiG9w0BBwGgggGAMIIB\n"
                            "fDCCASOgAwIBAgIUCfHf/Z76vyYc/U4kUkuWkdf6hiYwCgYIKoZIzj0EAwIwFDES\n"
                            "MBAGA1UEAwwJYS5leGFtcGxlMB4XDTI2MTEyMjEzNDAxOVoXDTM2MTExOTEzNDAx\n"
                            "OVowFDESMBAGA1UEAwwJYS5leGFtcGxlMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD\n"
                            "QgAE4gUH/chTjjR5XUf6ry1YNquhfp+HITCK5tFoGQ0+rkaivchBypTHoo8LZgMf\n"
                            "yuRiW/Qmexo320+5g4n10sX2tKNTMFEwHQYDVR0OBBYEFHTxSNOy8Tsahol0P4V9\n"
                            "9MhBd5y5MB8GA1UdIwQYMBaAFHTxSNOy8Tsahol0P4V99MhBd5y5MA8GA1UdEwEB\n"
                            "/wQFMAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIgeBHFzVxla1sfuZCjbFgDhcT8vDio\n"
                            "s/hwAODGDmDGu74CIHrAYYbaddN4O74SUbgQVkRUmal7ww6dG+6B5K2PdtS0MQA=\n"
                            "-----END PKCS7-----\n";

TEST(pkcs7_form)
{
    struct crypto_file f = {0};
    CHECK_INT(crypto_file_parse(slice_str(pkcs7), SLICE_NONE, NULL, &f), 0);
    CHECK_STR(crypto_cert_names(f.cert)->common_name, "a.example");
    CHECK_INT(crypto_cert_count(f.cert), 1);
    crypto_file_fini(&f);
    CHECK(crypto_file_parse(slice_head(slice_str(pkcs7), 200), SLICE_NONE, NULL, &f) < 0);
}

TEST_MAIN(pkcs7_form, any_order, old_windows_form, views, encrypted_key)
