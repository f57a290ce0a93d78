#include "ground/crypto/cert.h"

#include "ground/base/test.h"
#include "ground/base/text.h"

#include "ground/crypto/pki_for_test.h"
#include "ground/crypto/priv.h"

#include <errno.h>

#include <openssl/rsa.h>
#include <openssl/x509v3.h>

static struct pki_id ca;

/* A certificate as PEM again, after the byte of `from` at its n-th place became `to`: as an attacker would.
 */
static struct crypto_cert *patched(const struct crypto_cert *c, struct slice find, size_t at, char to)
{
    struct buf pem = {0}, base64 = {0}, out = {0};
    static char der[8192];
    crypto_cert_write(c, &pem);
    struct slice all = buf_slice(&pem), line, rest = SLICE_NONE;
    all = slice_head(all, slice_search(all, SLICE("-----END")));
    slice_cut(all, '\n', &line, &rest);
    while (slice_cut(rest, '\n', &line, &rest))
        buf_append(&base64, line);
    ssize_t n = text_unbase64(buf_slice(&base64), der, sizeof(der));
    CHECK(n > 0);
    for (size_t from = 0; n > 0;) {
        size_t i = slice_search(slice_from(slice_mem(der, (size_t)n), from), find);
        if (i == SIZE_MAX)
            break;
        der[from + i + at] = to;
        from += i + 1;
    }
    buf_append(&out, SLICE("-----BEGIN CERTIFICATE-----\n"));
    buf_clear(&base64, SIZE_MAX);
    text_base64(&base64, der, n > 0 ? (size_t)n : 0);
    for (struct slice b = buf_slice(&base64); b.n; b = slice_from(b, 64)) {
        buf_append(&out, slice_head(b, 64));
        buf_append_char(&out, '\n');
    }
    buf_append(&out, SLICE("-----END CERTIFICATE-----\n"));
    struct crypto_cert *got = NULL;
    CHECK_INT(crypto_cert_parse(buf_slice(&out), &got), 0);
    buf_fini(&pem);
    buf_fini(&base64);
    buf_fini(&out);
    return got;
}

TEST(key_round_trip)
{
    ca = pki_ca("Contoso Root");
    struct crypto_key *k = crypto_key_new(), *again = NULL;
    struct buf pem = {0}, signature = {0};
    crypto_key_write(k, &pem);
    CHECK(slice_starts(buf_slice(&pem), SLICE("-----BEGIN PRIVATE KEY-----\n")));
    CHECK_INT(crypto_key_parse(buf_slice(&pem), &again), 0);
    struct pki_id id = pki_host(&ca, "a.example");
    CHECK_INT(crypto_cert_matches(id.cert, id.key), 0);
    CHECK_INT(crypto_cert_matches(id.cert, again), -ENOKEY);
    CHECK_INT(crypto_sign(id.key, SLICE("text"), &signature), 0);
    CHECK_INT(crypto_cert_verify_signature(id.cert, SLICE("text"), buf_slice(&signature)), 0);
    CHECK_INT(crypto_cert_verify_signature(id.cert, SLICE("Text"), buf_slice(&signature)), -EKEYREJECTED);
    CHECK_INT(crypto_cert_verify_signature(ca.cert, SLICE("text"), buf_slice(&signature)), -EKEYREJECTED);
    CHECK_INT(crypto_cert_verify_signature(id.cert, SLICE("text"), SLICE_NONE), -EKEYREJECTED);
    CHECK_INT(crypto_key_parse(SLICE("no key"), &again), -EBADMSG);
    CHECK_INT(crypto_key_parse(slice_head(buf_slice(&pem), 100), &again), -EBADMSG);
    /* encrypted: no prompt, an error */
    CHECK_INT(crypto_key_parse(SLICE("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n"
                                     "-----END ENCRYPTED PRIVATE KEY-----\n"),
                               &again),
              -EBADMSG);
    crypto_key_unref(k);
    crypto_key_unref(again);
    pki_fini(&id);
    buf_fini(&pem);
    buf_fini(&signature);
}

TEST(issued_as_asked)
{
    struct slice dns[] = {SLICE("sip.contoso.example"), SLICE("contoso.example")};
    struct slice uri[] = {SLICE("sip:contoso.example")};
    struct crypto_request_names names = {
        .common_name = SLICE("sip.contoso.example"), .dns = dns, .n_dns = 2, .uri = uri, .n_uri = 1};
    int64_t end = (pki_now() / 1000 + 3600) * 1000;
    struct pki_id id = pki_leaf(&ca, &names, end);
    const struct crypto_names *n = crypto_cert_names(id.cert);
    CHECK_STR(n->common_name, "sip.contoso.example");
    CHECK(n->has_san);
    CHECK_INT(n->n_dns, 2);
    CHECK_STR(n->dns[0], "sip.contoso.example");
    CHECK_STR(n->dns[1], "contoso.example");
    CHECK_INT(n->n_uri, 1);
    CHECK_STR(n->uri[0], "sip:contoso.example");
    CHECK_INT(crypto_cert_not_after(id.cert), end);
    int64_t age = pki_now() - crypto_cert_not_before(id.cert);
    CHECK(age >= PKI_HOUR && age < PKI_HOUR + 600 * 1000);
    bool has;
    CHECK_INT(crypto_cert_eku(id.cert, &has), CRYPTO_EKU_SERVER | CRYPTO_EKU_CLIENT);
    CHECK(has);
    CHECK_INT(crypto_cert_eku(ca.cert, &has), 0);
    CHECK(!has);
    CHECK(id.cert->leaf && X509_get_extension_flags(ca.cert->leaf) & EXFLAG_CA);
    CHECK(!(X509_get_extension_flags(id.cert->leaf) & EXFLAG_CA));
    CHECK_INT(ASN1_STRING_length(X509_get0_serialNumber(id.cert->leaf)), 16);

    struct buf pem = {0}, again = {0};
    struct crypto_cert *c = NULL;
    crypto_cert_write(id.cert, &pem);
    CHECK_INT(crypto_cert_parse(buf_slice(&pem), &c), 0);
    CHECK_INT(sk_X509_num(c->chain), 1); /* the CA came along */
    crypto_cert_write(c, &again);
    CHECK(slice_eq(buf_slice(&pem), buf_slice(&again)));
    unsigned char a[32], b[32];
    crypto_cert_fingerprint(id.cert, a);
    crypto_cert_fingerprint(c, b);
    CHECK(memcmp(a, b, 32) == 0);
    crypto_cert_fingerprint(ca.cert, b);
    CHECK(memcmp(a, b, 32) != 0);
    struct arena arena = {0};
    struct slice words = crypto_cert_describe(c, &arena);
    CHECK(slice_starts(words, SLICE("sip.contoso.example (serial ")));
    CHECK(slice_ends(words, SLICE(", issuer Contoso Root)")));
    arena_fini(&arena);
    crypto_cert_unref(c);
    pki_fini(&id);
    buf_fini(&pem);
    buf_fini(&again);
}

TEST(names_are_the_callers)
{
    /* the request asks for more than it gets */
    struct slice asked[] = {SLICE("evil.example"), SLICE("a.example")}, given = SLICE("a.example");
    struct crypto_request_names want = {.common_name = asked[0], .dns = asked, .n_dns = 2};
    struct crypto_request_names get = {.dns = &given, .n_dns = 1};
    struct crypto_key *k = crypto_key_new();
    struct crypto_cert *c = NULL;
    struct buf request = {0};
    CHECK_INT(crypto_request_new(k, &want, &request), 0);
    CHECK_INT(crypto_ca_sign(ca.key, ca.cert, buf_slice(&request), &get, pki_now() + PKI_HOUR, &c), 0);
    CHECK_INT(crypto_cert_names(c)->n_dns, 1);
    CHECK_INT(crypto_cert_names(c)->common_name.n, 0);
    CHECK(!crypto_cert_names_host(c, SLICE("evil.example")));
    crypto_cert_unref(c);
    /* what cannot be issued */
    struct pki_id other = pki_ca("Other");
    CHECK_INT(crypto_ca_sign(other.key, ca.cert, buf_slice(&request), &get, 0, &c), -ENOKEY);
    CHECK_INT(crypto_ca_sign(ca.key, ca.cert, SLICE("junk"), &get, 0, &c), -EBADMSG);
    struct slice bad[] = {SLICE(""), SLICE("a b"), SLICE("a\0b"), SLICE("\xc3\xa4.example")};
    for (size_t i = 0; i < 4; i++) {
        struct crypto_request_names names = {.dns = &bad[i], .n_dns = 1};
        CHECK_INT(crypto_request_new(k, &names, &request), -EINVAL);
    }
    struct slice many[CRYPTO_MAX_NAMES + 1];
    for (size_t i = 0; i <= CRYPTO_MAX_NAMES; i++)
        many[i] = given;
    struct crypto_request_names names = {.dns = many, .n_dns = CRYPTO_MAX_NAMES + 1};
    CHECK_INT(crypto_request_new(k, &names, &request), -EINVAL);
    CHECK_INT(crypto_request_new(k, &(struct crypto_request_names){0}, &request), -EINVAL);
    names.n_dns--;
    struct pki_id id = pki_leaf(&ca, &names, 0);
    CHECK_INT(crypto_cert_names(id.cert)->n_dns, CRYPTO_MAX_NAMES);
    pki_fini(&id);
    pki_fini(&other);
    crypto_key_unref(k);
    buf_fini(&request);
}

TEST(request_signature_is_checked)
{
    struct crypto_key *k = crypto_key_new();
    struct slice dns = SLICE("a.example");
    struct crypto_request_names names = {.dns = &dns, .n_dns = 1};
    struct buf request = {0};
    struct crypto_cert *c = NULL;
    CHECK_INT(crypto_request_new(k, &names, &request), 0);
    /* a letter in the last line of base64: within the signature */
    size_t end = slice_search(buf_slice(&request), SLICE("\n-----END"));
    char *p = request.mem + request.start + end - 8;
    *p = *p == 'A' ? 'B' : 'A';
    CHECK_INT(crypto_ca_sign(ca.key, ca.cert, buf_slice(&request), &names, pki_now() + PKI_HOUR, &c),
              -EKEYREJECTED);
    crypto_key_unref(k);
    /* nor is a weak key certified */
    k = crypto_key_wrap(EVP_RSA_gen(1024));
    buf_clear(&request, SIZE_MAX);
    CHECK_INT(crypto_request_new(k, &names, &request), 0);
    CHECK_INT(crypto_ca_sign(ca.key, ca.cert, buf_slice(&request), &names, pki_now() + PKI_HOUR, &c),
              -EKEYREJECTED);
    CHECK(slice_starts(slice_str(crypto_error()), SLICE("the request's key is neither")));
    crypto_key_unref(k);
    buf_fini(&request);
}

TEST(names_rules)
{
    /* the CN counts only without any subjectAltName */
    struct slice uri = SLICE("sip:b.example"), wild = SLICE("*.c.example"),
                 nul = SLICE("good.exampleXevil.example");
    struct pki_id cn = pki_leaf(&ca, &(struct crypto_request_names){.common_name = SLICE("a.example")}, 0);
    struct pki_id u = pki_leaf(
        &ca, &(struct crypto_request_names){.common_name = SLICE("a.example"), .uri = &uri, .n_uri = 1}, 0);
    struct pki_id w = pki_leaf(&ca, &(struct crypto_request_names){.dns = &wild, .n_dns = 1}, 0);
    CHECK(!crypto_cert_names(cn.cert)->has_san);
    CHECK(crypto_cert_names_host(cn.cert, SLICE("A.Example")));
    CHECK(crypto_cert_names_host(cn.cert, SLICE("a.example.")));
    CHECK(!crypto_cert_names_host(cn.cert, SLICE("x.a.example")));
    CHECK(!crypto_cert_names_host(cn.cert, SLICE("")));
    CHECK(!crypto_cert_names_host(u.cert, SLICE("a.example")));
    CHECK(!crypto_cert_names_host(u.cert, SLICE("b.example")));
    CHECK(!crypto_cert_names_host(w.cert, SLICE("x.c.example")));
    CHECK(!crypto_cert_names_host(w.cert, SLICE("*.c.example")));
    /* "good.example\0evil.example" is no name, neither as dNSName nor as CN */
    struct pki_id whole =
        pki_leaf(&ca, &(struct crypto_request_names){.common_name = nul, .dns = &nul, .n_dns = 1}, 0);
    CHECK_INT(crypto_cert_names(whole.cert)->n_dns, 1);
    struct crypto_cert *cut = patched(whole.cert, nul, 12, 0);
    CHECK(crypto_cert_names(cut)->has_san);
    CHECK_INT(crypto_cert_names(cut)->n_dns, 0);
    CHECK_INT(crypto_cert_names(cut)->common_name.n, 0);
    CHECK(!crypto_cert_names_host(cut, SLICE("good.example")));
    crypto_cert_unref(cut);
    /* a name longer than X.520 allows for a CN is only in the subjectAltName */
    struct slice deep = SLICE("a-very-long-label-that-goes-on-and-on.and-a-second-one-of-it.contoso.example");
    struct pki_id d =
        pki_leaf(&ca, &(struct crypto_request_names){.common_name = deep, .dns = &deep, .n_dns = 1}, 0);
    CHECK_INT(crypto_cert_names(d.cert)->common_name.n, 0);
    CHECK(crypto_cert_names_host(d.cert, deep));
    pki_fini(&cn);
    pki_fini(&u);
    pki_fini(&w);
    pki_fini(&whole);
    pki_fini(&d);
}

static void expect_verdict(const struct crypto_trust *t, const struct crypto_cert *c, const char *words)
{
    CHECK_INT(crypto_trust_verify(t, c), words ? -EKEYREJECTED : 0);
    if (words)
        CHECK_STR(slice_str(crypto_error()), words);
}

TEST(verification)
{
    struct pki_id other = pki_ca("Other Root"), same_name = pki_ca("Contoso Root");
    struct crypto_trust *t = pki_trust(&ca), *wrong = pki_trust(&other), *twin = pki_trust(&same_name),
                        *none = crypto_trust_new();
    struct slice dns = SLICE("a.example");
    struct crypto_request_names names = {.dns = &dns, .n_dns = 1}, later = names;
    later.not_before_ms = pki_now() + PKI_HOUR;
    struct pki_id good = pki_leaf(&ca, &names, 0), old = pki_leaf(&ca, &names, pki_now() - PKI_HOUR),
                  early = pki_leaf(&ca, &later, 0);
    CHECK(crypto_cert_not_before(old.cert) < crypto_cert_not_after(old.cert));
    expect_verdict(t, good.cert, NULL);
    expect_verdict(t, ca.cert, NULL);
    expect_verdict(t, old.cert, "certificate has expired");
    expect_verdict(t, early.cert, "certificate is not yet valid");
    expect_verdict(wrong, good.cert, "unknown issuer (the root that the peer sent is not trusted)");
    expect_verdict(none, good.cert, "unknown issuer (the root that the peer sent is not trusted)");
    expect_verdict(wrong, ca.cert, "self-signed certificate");
    CHECK_INT(crypto_trust_verify(twin, good.cert), -EKEYREJECTED);
    struct crypto_cert *altered = patched(good.cert, dns, 0, 'b');
    CHECK(crypto_cert_names_host(altered, SLICE("b.example")));
    expect_verdict(t, altered, "certificate signature failure");
    crypto_cert_unref(altered);
    /* a leaf is no authority */
    struct crypto_cert *c = NULL;
    struct buf request = {0};
    CHECK_INT(crypto_request_new(good.key, &names, &request), 0);
    CHECK_INT(crypto_ca_sign(good.key, good.cert, buf_slice(&request), &names, pki_now() + PKI_HOUR, &c), 0);
    CHECK_INT(crypto_trust_verify(t, c), -EKEYREJECTED);
    crypto_cert_unref(c);
    CHECK_INT(crypto_trust_add(none, SLICE("")), -EBADMSG);
    CHECK_INT(crypto_trust_add(none, SLICE("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")),
              -EBADMSG);
    buf_fini(&request);
    crypto_trust_unref(t);
    crypto_trust_unref(wrong);
    crypto_trust_unref(twin);
    crypto_trust_unref(none);
    pki_fini(&other);
    pki_fini(&same_name);
    pki_fini(&good);
    pki_fini(&old);
    pki_fini(&early);
}

TEST(chains_are_bounded)
{
    struct buf pem = {0};
    struct crypto_cert *c = NULL;
    struct pki_id roots[CRYPTO_MAX_CHAIN + 2];
    for (size_t i = 0; i < CRYPTO_MAX_CHAIN + 2; i++) {
        roots[i] = pki_ca("Many");
        crypto_cert_write(roots[i].cert, &pem);
        int want = i > CRYPTO_MAX_CHAIN ? -EBADMSG : 0;
        CHECK_INT(crypto_cert_parse(buf_slice(&pem), &c), want);
        if (want == 0)
            crypto_cert_unref(c);
    }
    CHECK_INT(crypto_cert_parse(slice_head(buf_slice(&pem), buf_len(&pem) / 2 + 40), &c), -EBADMSG);
    CHECK_INT(crypto_cert_parse(SLICE_NONE, &c), -EBADMSG);
    for (size_t i = 0; i < CRYPTO_MAX_CHAIN + 2; i++)
        pki_fini(&roots[i]);
    buf_fini(&pem);
}

TEST(teardown)
{
    pki_fini(&ca);
}

TEST_MAIN(key_round_trip, issued_as_asked, names_are_the_callers, request_signature_is_checked, names_rules,
          verification, chains_are_bounded, teardown)
