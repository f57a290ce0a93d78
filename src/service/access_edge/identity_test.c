#include "service/access_edge/identity.h"

#include "ground/base/test.h"

enum { MAX = 4 };
struct certificate {
    const char *cn;
    const char *dns[MAX], *uri[MAX];
    bool other_san; /* a subjectAltName with neither (an address, say) */
};
struct names_case {
    struct certificate cert;
    const char *domain, *pinned, *provider, *targets[MAX];
    enum identity_rule want;
};

static void names_of(const struct certificate *c, struct slice dns[MAX], struct slice uri[MAX],
                     struct crypto_names *ret)
{
    *ret = (struct crypto_names){.common_name = slice_str(c->cn), .dns = dns, .uri = uri};
    for (; ret->n_dns < MAX && c->dns[ret->n_dns]; ret->n_dns++)
        dns[ret->n_dns] = slice_str(c->dns[ret->n_dns]);
    for (; ret->n_uri < MAX && c->uri[ret->n_uri]; ret->n_uri++)
        uri[ret->n_uri] = slice_str(c->uri[ret->n_uri]);
    ret->has_san = c->other_san || ret->n_dns || ret->n_uri;
}

#define D "fabrikam.example"
static const struct names_case proofs[] = {
  /* rule a, RFC 5922 7.1 */
    {.cert = {.uri = {"sip:" D}},                              .domain = D,                         .want = IDENTITY_CERTIFICATE                                                                 },
    {.cert = {.uri = {"SIP:Fabrikam.Example"}},                .domain = D,                         .want = IDENTITY_CERTIFICATE                                                                 },
    {.cert = {.uri = {"sip:other.example", "sip:" D}},         .domain = D,                         .want = IDENTITY_CERTIFICATE                                                                 },
    {.cert = {.dns = {D}},                                     .domain = "FABRIKAM.example",        .want = IDENTITY_CERTIFICATE                                                                 },
    {.cert = {.dns = {"x.example", D}},                        .domain = D,                         .want = IDENTITY_CERTIFICATE                                                                 },
    {.cert = {.dns = {D}},                                     .domain = D ".",                     .want = IDENTITY_CERTIFICATE                                                                 },
    {.cert = {.cn = D},                                        .domain = D,                         .want = IDENTITY_CERTIFICATE                                                                 },
 /* a URI of a user is not one of the domain, and other schemes do not count */
    {.cert = {.uri = {"sip:alice@" D}},                        .domain = D,                         .want = IDENTITY_NONE                                                                        },
    {.cert = {.uri = {"sip:@" D}},                             .domain = D,                         .want = IDENTITY_NONE                                                                        },
    {.cert = {.uri = {"https://" D}},                          .domain = D,                         .want = IDENTITY_NONE                                                                        },
    {.cert = {.uri = {"sips:" D}},                             .domain = D,                         .want = IDENTITY_NONE                                                                        },
    {.cert = {.uri = {"https://x", "urn:y"}, .dns = {D}},      .domain = D,                         .want = IDENTITY_CERTIFICATE                                                                 },
 /* DNS names only without any sip: URI; the common name only without any subjectAltName */
    {.cert = {.uri = {"sip:other.example"}, .dns = {D}},       .domain = D,                         .want = IDENTITY_NONE                                                                        },
    {.cert = {.uri = {"sip:alice@other.example"}, .dns = {D}}, .domain = D,                         .want = IDENTITY_NONE                                                                        },
    {.cert = {.uri = {"sip:%"}, .dns = {D}},                   .domain = D,                         .want = IDENTITY_NONE                                                                        },
    {.cert = {.cn = D, .dns = {"x.example"}},                  .domain = D,                         .want = IDENTITY_NONE                                                                        },
    {.cert = {.cn = D, .other_san = true},                     .domain = D,                         .want = IDENTITY_NONE                                                                        },
    {.cert = {.cn = D, .uri = {"https://x"}},                  .domain = D,                         .want = IDENTITY_NONE                                                                        },
 /* neither wildcards nor the domains above and below */
    {.cert = {.dns = {"*.example"}},                           .domain = D,                         .want = IDENTITY_NONE                                                                        },
    {.cert = {.dns = {"*." D}},                                .domain = "*." D,                    .want = IDENTITY_NONE                                                                        },
    {.cert = {.dns = {"*"}},                                   .domain = "*",                       .want = IDENTITY_NONE                                                                        },
    {.cert = {.uri = {"sip:*." D}},                            .domain = "sip." D,                  .want = IDENTITY_NONE                                                                        },
    {.cert = {.dns = {"sip." D}},                              .domain = D,                         .want = IDENTITY_NONE                                                                        },
    {.cert = {.dns = {D}},                                     .domain = "sales." D,                .want = IDENTITY_NONE                                                                        },
    {.cert = {.dns = {D}},                                     .domain = "evil" D,                  .want = IDENTITY_NONE                                                                        },
    {.cert = {.dns = {""}},                                    .domain = "",                        .want = IDENTITY_NONE                                                                        },
    {.cert = {.cn = ""},                                       .domain = ".",                       .want = IDENTITY_NONE                                                                        },
 /* rule b */
    {.cert = {.dns = {"edge.host.example"}},
     .domain = D,
     .pinned = "edge.host.example",
     .want = IDENTITY_PINNED},
    {.cert = {.cn = "edge.host.example"},
     .domain = D,
     .pinned = "Edge.host.example",
     .want = IDENTITY_PINNED},
    {.cert = {.cn = "edge.host.example", .dns = {"x"}},
     .domain = D,
     .pinned = "edge.host.example",
     .want = IDENTITY_NONE},
    {.cert = {.dns = {"other.host.example"}},
     .domain = D,
     .pinned = "edge.host.example",
     .want = IDENTITY_NONE},
    {.cert = {.dns = {"*.host.example"}},                                              .domain = D,                                                                 .pinned = "edge.host.example",                                                                                                                                                                        .want = IDENTITY_NONE},
    {.cert = {.dns = {"edge.cloud.example"}},
     .domain = D,
     .provider = "edge.cloud.example",
     .want = IDENTITY_PROVIDER},
    {.cert = {.dns = {D, "edge.host.example"}},
     .domain = D,
     .pinned = "edge.host.example",
     .want = IDENTITY_CERTIFICATE},
 /* rule c; the targets given are those that count */
    {.cert = {.dns = {"sip." D}},                                .domain = D,                                                                   .targets = {"sip." D},                                                                                                                        .want = IDENTITY_SRV},
    {.cert = {.dns = {"sip2." D}},                            .domain = D,                                                                  .targets = {"sip." D, "sip2." D "."},                                                                                                                                                               .want = IDENTITY_SRV},
    {.cert = {.cn = "sip." D},              .domain = D,.targets = {"sip." D},.want = IDENTITY_SRV},
    {.cert = {.dns = {"sip.evil.example"}},                             .domain = D,                          .targets = {"sip." D},                  .want = IDENTITY_NONE},
    {.cert = {.dns = {"*." D}},                                                        .domain = D,                                                                    .targets = {"sip." D},                                                                                                                                         .want = IDENTITY_NONE},
    {.cert = {.uri = {"sip:other.example"}, .dns = {"sip." D}},
     .domain = D,
     .targets = {"sip." D},
     .want = IDENTITY_SRV},
    {.cert = {.dns = {"sip." D}},                                   .domain = D,                        .want = IDENTITY_NONE                                                                                                   },
};

TEST(rules)
{
    for (size_t i = 0; i < sizeof(proofs) / sizeof(proofs[0]); i++) {
        const struct names_case *k = &proofs[i];
        struct slice dns[MAX], uri[MAX], targets[MAX], name = SLICE_NONE;
        struct crypto_names names;
        names_of(&k->cert, dns, uri, &names);
        struct identity_claim claim = {
            .names = &names,
            .domain = slice_str(k->domain),
            .pinned = slice_str(k->pinned),
            .provider = slice_str(k->provider),
            .targets = targets,
        };
        for (; claim.n_targets < MAX && k->targets[claim.n_targets]; claim.n_targets++)
            targets[claim.n_targets] = slice_str(k->targets[claim.n_targets]);
        enum identity_rule got = identity_prove(&claim, &name);
        if (got != k->want)
            TEST_DIAG("case %zu, domain '%s': %s", i, k->domain, identity_rule_text(got));
        CHECK((name.n > 0) == (got != IDENTITY_NONE));
    }
}

/* Where wildcards are allowed, one stands for one whole label. */
TEST(wildcards)
{
    static const struct {
        const char *name, *host;
        bool allowed;
    } cases[] = {
        {"*.host.example",    "edge.host.example",   true },
        {"*.Host.example",    "EDGE.host.example.",  true },
        {"*.host.example",    "host.example",        false},
        {"*.host.example",    "a.edge.host.example", false},
        {"*.host.example",    ".host.example",       false},
        {"*.host.example",    "edge.other.example",  false},
        {"*.example",         "host.example",        false}, /* a whole top domain */
        {"*.*.example",       "edge.host.example",   false},
        {"e*.host.example",   "edge.host.example",   false},
        {"edge.*.example",    "edge.host.example",   false},
        {"*",                 "host",                false},
        {"*.host.example",    "*.host.example",      false},
        {"edge.host.example", "edge.host.example",   true },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice dns = slice_str(cases[i].name), host = slice_str(cases[i].host);
        const struct crypto_names names = {.dns = &dns, .n_dns = 1, .has_san = true};
        if (identity_names_host(&names, host, true) != cases[i].allowed)
            TEST_DIAG("%s for %s", cases[i].name, cases[i].host);
        if (i + 1 < sizeof(cases) / sizeof(cases[0]))
            CHECK(!identity_names_host(&names, host, false));
    }
    struct slice domain = SLICE("sales.fabrikam.example"), wild = SLICE("*.fabrikam.example");
    const struct crypto_names cn = {.common_name = wild};
    CHECK(!identity_names_domain(&cn, domain, true)); /* a common name is no pattern */
}

TEST(targets_that_count)
{
    CHECK(identity_target_counts(SLICE("sip." D), SLICE(D), false));
    CHECK(identity_target_counts(SLICE("SIP.Fabrikam.Example."), SLICE(D), false));
    CHECK(identity_target_counts(SLICE(D), SLICE(D), false));
    CHECK(!identity_target_counts(SLICE("sip.evil.example"), SLICE(D), false));
    CHECK(!identity_target_counts(SLICE("sipfabrikam.example"), SLICE(D), false));
    CHECK(!identity_target_counts(SLICE("example"), SLICE(D), false));
    CHECK(identity_target_counts(SLICE("sip.host.example"), SLICE(D), true));
    CHECK(!identity_target_counts(SLICE("."), SLICE(D), true)); /* RFC 2782: no such service */
}

TEST_MAIN(rules, wildcards, targets_that_count)
