#include "kept/topology/certificates.h"

#include "ground/base/test.h"

#include "ground/crypto/pki_for_test.h"
#include "kept/topology/example_for_test.h"

#include <errno.h>

static struct slice joined(struct arena *a, const struct certificate_need *need)
{
    struct buf b = {0};
    for (size_t i = 0; i < need->n; i++)
        buf_printf(&b, "%s" SLICE_FMT,
                   i == 0                  ? ""
                   : i == need->n_required ? " | "
                                           : " ",
                   SLICE_ARG(need->names[i]));
    struct slice s = arena_copy(a, buf_slice(&b));
    buf_fini(&b);
    return s;
}

TEST(names_as_people_type_them)
{
    static const struct {
        const char *text;
        int use; /* -1: none */
        bool internal;
    } rows[] = {
        {"access-external",          CERTIFICATE_ACCESS_EXTERNAL,       false},
        {"Access",                   CERTIFICATE_ACCESS_EXTERNAL,       false},
        {"AccessEdgeExternal",       CERTIFICATE_ACCESS_EXTERNAL,       false},
        {"dataedgeexternal",         CERTIFICATE_CONFERENCING_EXTERNAL, false},
        {"av-auth",                  CERTIFICATE_AV_AUTHENTICATION,     false},
        {"AudioVideoAuthentication", CERTIFICATE_AV_AUTHENTICATION,     false},
        {"internal",                 CERTIFICATE_INTERNAL_EDGE,         true },
        {"Default",                  CERTIFICATE_FRONT_END,             true },
        {"front",                    CERTIFICATE_FRONT_END,             true },
        {"c",                        -1,                                false}, /* conferencing, central */
        {"",                         -1,                                false},
        {"access-externally",        -1,                                false},
        {"door",                     -1,                                false},
    };
    struct buf list = {0};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum certificate_use use = CERTIFICATE_USES;
        int r = certificate_use_find(slice_str(rows[i].text), &use);
        bool same = rows[i].use < 0 ? r == -ENOENT : r == 0 && (int)use == rows[i].use;
        if (!same || certificate_use_is_internal(slice_str(rows[i].text)) != rows[i].internal)
            TEST_DIAG("%s: %d, %d", rows[i].text, r, (int)use);
    }
    certificate_use_list(false, &list);
    CHECK_STR(buf_slice(&list), "internal-edge (Internal), front-end (Default), director, server, central");
    buf_fini(&list);
}

static bool takeover_finds(const struct crypto_cert *fresh, const struct crypto_cert *old, int64_t from,
                           int64_t until, const char *id)
{
    struct findings f = {0};
    const struct certificate_takeover t = {
        .now_ms = pki_now(), .from_ms = from, .until_ms = until, .old = old};
    certificate_check_takeover(fresh, &t, &f);
    bool found = id ? f.n == 1 && strcmp(f.items[0].id, id) == 0 : f.n == 0;
    if (!found)
        printf("# %zu findings, %s\n", f.n, f.n ? f.items[0].id : "");
    findings_fini(&f);
    return found;
}

TEST(one_follows_another)
{
    static const int64_t DAY = 24 * PKI_HOUR;
    int64_t now = pki_now();
    struct pki_id ca = pki_ca("Root");
    struct slice name = SLICE("av.a.example");
    struct crypto_request_names names = {.common_name = name, .dns = &name, .n_dns = 1};
    struct pki_id old = pki_leaf(&ca, &names, now + 10 * DAY);
    names.not_before_ms = now + 2 * DAY;
    struct pki_id fresh = pki_leaf(&ca, &names, now + 100 * DAY);
    CHECK(takeover_finds(fresh.cert, old.cert, now + 3 * DAY, now + 4 * DAY, NULL));
    CHECK(takeover_finds(fresh.cert, NULL, now + 3 * DAY, now + 3 * DAY, NULL)); /* the first one */
    CHECK(takeover_finds(fresh.cert, old.cert, now + 1 * DAY, now + 2 * DAY, "certificate.begins-late"));
    CHECK(takeover_finds(fresh.cert, old.cert, now + 11 * DAY, now + 12 * DAY, "certificate.overlap-gap"));
    CHECK(takeover_finds(fresh.cert, old.cert, now + 9 * DAY, now + 11 * DAY, "certificate.overlap-cut"));
    CHECK(takeover_finds(fresh.cert, old.cert, now + 3 * DAY, now + 3 * DAY + PKI_HOUR,
                         "certificate.overlap-brief"));
    CHECK(takeover_finds(fresh.cert, NULL, now + 100 * DAY, now + 101 * DAY, "certificate.ends-before-use"));
    pki_fini(&ca);
    pki_fini(&old);
    pki_fini(&fresh);
}

TEST(names_of_every_use)
{
    static const struct {
        const char *use, *owner, *names;
    } want[] = {
        {"access-external",       "edge-old.contoso.example",
         "sip.contoso.example sip.contoso.com | contoso.example contoso.com"                                       },
        {"conferencing-external", "edge-old.contoso.example",  "wc.contoso.example"                                },
        {"av-authentication",     "edge-old.contoso.example",  "av.contoso.example"                                },
        {"xmpp-external",         "edge-old.contoso.example",  "contoso.example contoso.com"                       },
        {"internal-edge",         "edge-old1.contoso.example", "edge-old1.contoso.example edge-old.contoso.example"},
        {"front-end",             "fe1.contoso.example",
         "fe1.contoso.example fe.contoso.example contoso.example contoso.com"                                      },
        {"director",              "dir1.contoso.example",      "dir1.contoso.example dir.contoso.example"          },
        {"server",                "pbx1.contoso.example",      "pbx1.contoso.example pbx.contoso.example"          },
        {"central",               "cms.contoso.example",       "cms.contoso.example"                               },
    };
    struct arena a = {0};
    struct certificate_need *needs, one;
    size_t n;
    struct buf text = {0};
    const char *at = "  default_domain: contoso.example\n";
    size_t cut = slice_search(SLICE(EXAMPLE), slice_str(at)) + strlen(at);
    buf_append(&text, slice_head(SLICE(EXAMPLE), cut));
    buf_append(&text, SLICE("  additional_domains: [contoso.com]\n"));
    at = "  external_fqdn: sip.contoso.example\n";
    size_t second = slice_search(SLICE(EXAMPLE), slice_str(at)) + strlen(at);
    buf_append(&text, slice_head(slice_from(SLICE(EXAMPLE), cut), second - cut));
    buf_append(&text,
               SLICE("  conf_fqdn: wc.contoso.example\n  av_fqdn: av.contoso.example\n  xmpp: true\n"));
    buf_append(&text, slice_from(SLICE(EXAMPLE), second));
    buf_append(&text,
               SLICE("director_pools: [{fqdn: dir.contoso.example, site: hq, next_hop: fe.contoso.example, "
                     "machines: [{fqdn: dir1.contoso.example, internal_address: 127.10.1.40}]}]\n"
                     "foreign_pools: [{fqdn: pbx.contoso.example, site: hq, "
                     "machines: [{fqdn: pbx1.contoso.example, internal_address: 127.10.1.41}]}]\n"));
    char *document = buf_take(&text);
    struct topology *t = parse_good(document);
    certificate_needs(t, SLICE_NONE, &a, &needs, &n);
    CHECK_INT(n, sizeof(want) / sizeof(want[0]));
    for (size_t i = 0; i < n && i < sizeof(want) / sizeof(want[0]); i++) {
        CHECK_STR(slice_str(certificate_uses[needs[i].use].name), want[i].use);
        CHECK_STR(needs[i].owner, want[i].owner);
        if (needs[i].use == CERTIFICATE_AV_AUTHENTICATION)
            CHECK_INT(needs[i].n_required, 0);
        CHECK_STR(joined(&a, &needs[i]), want[i].names);
    }
    certificate_needs(t, SLICE("FE1.contoso.example"), &a, &needs, &n);
    CHECK_INT(n, 1);
    certificate_needs(t, SLICE("edge-old.contoso.example"), &a, &needs, &n);
    CHECK_INT(n, 5); /* its four, and its machine's */
    certificate_needs(t, SLICE("nobody.example"), &a, &needs, &n);
    CHECK_INT(n, 0);
    CHECK(certificate_need_find(t, SLICE("cms.contoso.example"), CERTIFICATE_CENTRAL, &a, &one));
    CHECK(!certificate_need_find(t, SLICE("fe1.contoso.example"), CERTIFICATE_CENTRAL, &a, &one));
    CHECK(!certificate_need_find(t, SLICE_NONE, CERTIFICATE_CENTRAL, &a, &one));
    topology_unref(t);
    mem_free(document);
    arena_fini(&a);
}

TEST(uses_by_name)
{
    enum certificate_use use;
    for (size_t i = 0; i < CERTIFICATE_USES; i++) {
        CHECK_INT(certificate_use_find(slice_str(certificate_uses[i].name), &use), 0);
        CHECK_INT(use, i);
    }
    CHECK_INT(certificate_use_find(SLICE("door"), &use), -ENOENT);
}

/* --- what is wrong --- */
static const struct slice partner_names[] = {SLICE_INIT("sip.a.example"), SLICE_INIT("sip.b.example"),
                                             SLICE_INIT("a.example")};
static const struct certificate_need need = {
    .use = CERTIFICATE_ACCESS_EXTERNAL, .names = partner_names, .n_required = 2, .n = 3};

/* The findings' ids, in their order, one behind the other; errors with an exclamation mark. */
static struct slice faults(struct arena *a, const struct crypto_cert *c, const struct certificate_need *want,
                           const struct crypto_trust *trust, int64_t now)
{
    struct findings f = {0};
    struct buf b = {0};
    certificate_check(c, want, trust, now, &f);
    for (size_t i = 0; i < f.n; i++) {
        struct slice id = slice_str(f.items[i].id);
        buf_printf(&b, "%s" SLICE_FMT "%s", i ? " " : "", SLICE_ARG(slice_from(id, strlen("certificate."))),
                   f.items[i].severity == FINDING_ERROR ? "!" : "");
        CHECK(f.items[i].remedy.n > 0);
    }
    struct slice s = arena_copy(a, buf_slice(&b));
    buf_fini(&b);
    findings_fini(&f);
    return s;
}

static struct pki_id leaf_for(const struct pki_id *ca, size_t n_names, unsigned eku, int64_t days)
{
    struct crypto_request_names names = {
        .common_name = partner_names[0], .dns = partner_names, .n_dns = n_names, .eku = eku};
    return pki_leaf(ca, &names, pki_now() + days * 24 * PKI_HOUR);
}

TEST(faults_of_a_leaf)
{
    struct arena a = {0};
    int64_t now = pki_now(), day = 24 * PKI_HOUR;
    struct pki_id ca = pki_ca("Root"), good = leaf_for(&ca, 3, 0, 300), few = leaf_for(&ca, 1, 0, 300);
    struct pki_id soon = leaf_for(&ca, 3, 0, 5), server = leaf_for(&ca, 3, CRYPTO_EKU_SERVER, 300);
    struct pki_id client = leaf_for(&ca, 3, CRYPTO_EKU_CLIENT, 300), other = pki_host(&ca, "*.a.example");
    CHECK_STR(faults(&a, good.cert, &need, NULL, now), "");
    CHECK_STR(faults(&a, good.cert, &need, NULL, now + 301 * day), "expired!");
    CHECK_STR(faults(&a, good.cert, &need, NULL, now - 2 * day), "not-yet-valid! chain-not-yet-valid!");
    CHECK_STR(faults(&a, soon.cert, &need, NULL, now), "expires-soon");
    CHECK_STR(faults(&a, few.cert, &need, NULL, now), "names-missing domains-missing");
    CHECK_STR(faults(&a, few.cert, NULL, NULL, now), "");
    CHECK_STR(faults(&a, server.cert, &need, NULL, now), "no-client-use");
    CHECK_STR(faults(&a, client.cert, &need, NULL, now), "no-server-use!");
    CHECK_STR(faults(&a, other.cert, &need, NULL, now),
              "expires-soon wildcard name! names-missing domains-missing");
    CHECK_STR(faults(&a, ca.cert, NULL, NULL, now), "self-signed no-san");
    pki_fini(&ca);
    pki_fini(&good);
    pki_fini(&few);
    pki_fini(&soon);
    pki_fini(&server);
    pki_fini(&client);
    pki_fini(&other);
    arena_fini(&a);
}

static struct slice faults_of_pem(struct arena *a, const struct buf *pem, const struct crypto_trust *trust)
{
    struct crypto_cert *c = NULL;
    CHECK_INT(crypto_cert_parse(buf_slice(pem), &c), 0);
    struct slice s = faults(a, c, &need, trust, pki_now());
    crypto_cert_unref(c);
    return s;
}

TEST(faults_of_a_chain)
{
    struct arena a = {0};
    struct pki_id ca = pki_ca("Root"), stranger = pki_ca("Stranger"), good = leaf_for(&ca, 3, 0, 300);
    struct crypto_cert *bare = pki_without_chain(good.cert);
    struct crypto_trust *trust = pki_trust(&ca), *wrong = pki_trust(&stranger);
    struct buf pem = {0};
    CHECK_STR(faults(&a, good.cert, &need, trust, pki_now()), "");
    CHECK_STR(faults(&a, good.cert, &need, wrong, pki_now()), "untrusted!");
    CHECK_STR(faults(&a, bare, &need, NULL, pki_now()), "intermediate-missing");
    CHECK_STR(faults(&a, bare, &need, wrong, pki_now()), "intermediate-missing!");
    CHECK_STR(faults(&a, bare, &need, trust, pki_now()), "");
    crypto_cert_write(bare, &pem);
    crypto_cert_write(stranger.cert, &pem);
    CHECK_STR(faults_of_pem(&a, &pem, trust), "intermediate-missing!"); /* trusted here, but not by all */
    crypto_cert_write(ca.cert, &pem);
    CHECK_STR(faults_of_pem(&a, &pem, trust), "chain-order chain-stray");
    buf_fini(&pem);
    crypto_trust_unref(trust);
    crypto_trust_unref(wrong);
    crypto_cert_unref(bare);
    pki_fini(&ca);
    pki_fini(&stranger);
    pki_fini(&good);
    arena_fini(&a);
}

/* `openssl req -x509 -newkey rsa:1024 -sha256 -days 36500 -subj /CN=old.example` */
static const char weak[] = "-----BEGIN CERTIFICATE-----\n"
                           "MIICCjCCAXOgAwIBAgIUXZ8s5QCNDI9Y2pWbHxB8fkjgyDQwDQYJKoZIhvcNAQEL\n"
                           "BQAwFjEUMBIGA1UEAwwLb2xkLmV4YW1wbGUwIBcNMjYxMTIyMTM0MzA5WhgPMjEy\n"
                           "NjEwMjkxMzQzMDlaMBYxFDASBgNVBAMMC29sZC5leGFtcGxlMIGfMA0GCSqGSIb3\n"
                           "DQEBAQUAA4GNADCBiQKBgQD+7eqowrzQRReLx6kpnhaclo/vyFGh+9mLmCYCOP/Q\n"
                           "QmFu/tcVdtF0Mc46gtp0FzHbcqd0mgw9tcluqKkr8AQDBrX5MxYnjMbKRq2tkLKt\n"
                           "m3FCYwG00Aw6vNttIE9m7DdQZYSNzVFYUFpVzTM8We3J7UP8RiszanRr3V9S6iRd\n"
                           "OwIDAQABo1MwUTAdBgNVHQ4EFgQUXy696fL1cSkB9TXZMgJ0fqxuqT4wHwYDVR0j\n"
                           "BBgwFoAUXy696fL1cSkB9TXZMgJ0fqxuqT4wDwYDVR0TAQH/BAUwAwEB/zANBgkq\n"
                           "hkiG9w0BAQsFAAOBgQDsW2SheIAk0Iki2R5rV0Q8mWjzPgyQzs/7qC9I+tSIqnH1\n"
                           "8WF0muttn3F4kBOzi2c1Pb2nPWdLVPiSrCMUEIG7ynOaAS3iyZqxzzSecRCTHiEM\n"
                           "P2g2F5UbUnQ4971k2chMyPuLzcBcFybIEPsqCvtxIVA80Vps2j7xqA12Sxv1nQ==\n"
                           "-----END CERTIFICATE-----\n";

TEST(weak_key)
{
    struct arena a = {0};
    struct crypto_cert *c = NULL;
    CHECK_INT(crypto_cert_parse(slice_str(weak), &c), 0);
    CHECK(slice_search(faults(&a, c, NULL, NULL, pki_now()), SLICE("key-weak!")) != SIZE_MAX);
    crypto_cert_unref(c);
    arena_fini(&a);
}

TEST_MAIN(names_as_people_type_them, one_follows_another, names_of_every_use, uses_by_name, faults_of_a_leaf,
          faults_of_a_chain, weak_key)
