#include "service/access_edge/rows.h"

#include "ground/base/test.h"

static struct arena arena;

static struct sip_msg message(const char *rows)
{
    struct sip_msg m;
    enum sip_flaw flaw;
    struct slice text =
        arena_printf(&arena,
                     "INVITE sip:bob@contoso.example SIP/2.0\r\n"
                     "Via: SIP/2.0/TLS sip.fabrikam.example;branch=z9hG4bK1\r\n"
                     "From: <sip:alice@fabrikam.example>;tag=1\r\nTo: <sip:bob@contoso.example>\r\n"
                     "Call-ID: 1@x\r\nCSeq: 1 INVITE\r\n%sContent-Length: 0\r\n\r\n",
                     rows);
    if (sip_msg_parse(text, &arena, &m, &flaw) < 0)
        TEST_DIAG("the message does not parse: %s", sip_flaw_text(flaw));
    return m;
}

/* What of the rows is left, between CSeq and Content-Length. */
static struct slice left(const struct sip_msg *m, const struct sip_edits *e)
{
    struct buf out = {0};
    sip_msg_write(m, e, &out);
    struct slice text = arena_copy(&arena, buf_slice(&out)), begin = SLICE("INVITE\r\n");
    buf_fini(&out);
    text = slice_from(text, slice_search(text, begin) + begin.n);
    return slice_head(text, slice_search(text, SLICE("Content-Length")));
}

static bool speaks_for_fabrikam(void *arg, struct slice domain)
{
    (void)arg;
    return slice_caseeq(domain, SLICE("fabrikam.example"));
}

static struct slice inwards(const char *rows, enum topology_claims claims, enum rows_said *ret_said)
{
    struct sip_msg m = message(rows);
    struct sip_edits e;
    sip_edits_init(&e);
    rows_from_outside(&m, claims, speaks_for_fabrikam, NULL, &arena, &e, ret_said);
    CHECK_INT(rows_said(&m), *ret_said);
    return left(&m, &e);
}

/* Every row of the table, in both directions; what looks alike stays. */
TEST(rows_of_trust_go)
{
    static const char *const gone[] = {"P-Preferred-Identity",
                                       "ms-edge-proxy-message-trust",
                                       "MS-Edge-Proxy-Message-Trust",
                                       "Remote-Party-ID",
                                       "remote-party-id",
                                       "ms-asserted-verification-level",
                                       "ms-archiving",
                                       "P-Access-Network-Info",
                                       "P-Charging-Vector",
                                       "P-Charging-Function-Addresses",
                                       "P-Visited-Network-ID",
                                       "P-User-Database",
                                       "P-Profile-Key",
                                       "P-Early-Media",
                                       "P-Served-User",
                                       "P-DCS-Trace-Party-ID",
                                       "P-DCS-OSPS",
                                       "P-DCS-Billing-Info",
                                       "P-DCS-LAES",
                                       "P-DCS-Redirect",
                                       "P-Asserted-Service",
                                       "P-Preferred-Service",
                                       "P-Private-Network-Indication"};
    static const char *const stays[] = {
        "P-Asserted-Identity", "P-Charging-Vectors", "X-Remote-Party-ID", "Subject", "Privacy", "Identity"};
    enum rows_said said;
    for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
        struct slice row = arena_printf(&arena, "%s: <sip:x@evil.example>\r\n", gone[i]);
        struct slice twice =
            arena_printf(&arena, SLICE_FMT "Subject: s\r\n" SLICE_FMT, SLICE_ARG(row), SLICE_ARG(row));
        struct sip_msg m = message(arena_cstr(&arena, twice));
        struct sip_edits e;
        CHECK_STR(inwards(arena_cstr(&arena, twice), TOPOLOGY_CLAIMS_KEPT, &said), "Subject: s\r\n");
        CHECK(said != ROWS_SAID_VERIFIED && rows_are_of_trust(slice_str(gone[i])));
        sip_edits_init(&e);
        rows_to_outside(&m, &e);
        CHECK_STR(left(&m, &e), "Subject: s\r\n");
    }
    for (size_t i = 0; i < sizeof(stays) / sizeof(stays[0]); i++) {
        struct slice row = arena_printf(&arena, "%s: <sip:x@evil.example>\r\n", stays[i]);
        CHECK_SLICE(inwards(arena_cstr(&arena, row), TOPOLOGY_CLAIMS_KEPT, &said), row);
        CHECK(!rows_are_of_trust(slice_str(stays[i])));
    }
    arena_fini(&arena);
    arena = (struct arena){0};
}

TEST(what_the_partner_says_of_its_user)
{
    static const struct {
        const char *rows;
        enum rows_said said;
    } cases[] = {
        {"ms-asserted-verification-level: ms-source-verified-user=verified\r\n",                           ROWS_SAID_VERIFIED  },
        {"Ms-Asserted-Verification-Level: MS-Source-Verified-User=Verified\r\n",                           ROWS_SAID_VERIFIED  },
        {"ms-asserted-verification-level: ms-source-verified-user=unverified\r\n",                         ROWS_SAID_UNVERIFIED},
        {"ms-asserted-verification-level: perhaps\r\n",                                                    ROWS_SAID_UNVERIFIED},
        {"",                                                                                               ROWS_SAID_NOTHING   },
        {"ms-asserted-verification-level: ms-source-verified-user=verified\r\n"
         "ms-asserted-verification-level: ms-source-verified-user=unverified\r\n",                ROWS_SAID_UNVERIFIED},
        {"ms-asserted-verification-level: ms-source-verified-user=unverified\r\n"
         "ms-asserted-verification-level: ms-source-verified-user=verified\r\n",                  ROWS_SAID_UNVERIFIED},
        {"ms-edge-proxy-message-trust: ms-source-type=DirectPartner;ms-source-verified-user=verified\r\n",
         ROWS_SAID_NOTHING                                                                                                     },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum rows_said said;
        CHECK_STR(inwards(cases[i].rows, TOPOLOGY_CLAIMS_KEPT, &said), "");
        CHECK_INT(said, cases[i].said);
    }
    arena_fini(&arena);
    arena = (struct arena){0};
}

TEST(who_names_others)
{
    static const struct {
        const char *rows, *marked, *stripped;
    } cases[] = {
        {"Diversion: <sip:bob@fabrikam.example>;reason=unconditional\r\n",
         "Diversion: <sip:bob@fabrikam.example>;reason=unconditional\r\n",                                                                                         "Diversion: <sip:bob@fabrikam.example>;reason=unconditional\r\n"},
        {"Diversion: <sip:ceo@bank.example>;reason=no-answer\r\n",
         "Diversion: <sip:ceo@bank.example>;reason=no-answer;unverified\r\n",                                                                                      ""                                                              },
        {"Referred-By: \"The, boss\" <sip:boss@contoso.example>\r\n",
         "Referred-By: \"The, boss\" <sip:boss@contoso.example>;unverified\r\n",                                                                                   ""                                                              },
        {"b: sip:x@bank.example\r\n",                                            "b: sip:x@bank.example;unverified\r\n",                                           ""                                                              },
        {"Diversion: tel:+1201\r\n",                                             "Diversion: tel:+1201;unverified\r\n",                                            ""                                                              },
        {"Diversion: <sip:broken\r\n",                                           "Diversion: <sip:broken;unverified\r\n",                                          ""                                                              },
        {"History-Info: <sip:a@fabrikam.example>;index=1, "
         "<sip:b@bank.example?Reason=SIP%3Bcause%3D302>;index=1.1\r\n", "History-Info: <sip:a@fabrikam.example>;index=1, "
         "<sip:b@bank.example?Reason=SIP%3Bcause%3D302>;index=1.1;unverified\r\n", "History-Info: <sip:a@fabrikam.example>;index=1\r\n"            },
    };
    enum rows_said said;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK_STR(inwards(cases[i].rows, TOPOLOGY_CLAIMS_KEPT, &said), cases[i].rows);
        CHECK_STR(inwards(cases[i].rows, TOPOLOGY_CLAIMS_MARKED, &said), cases[i].marked);
        CHECK_STR(inwards(cases[i].rows, TOPOLOGY_CLAIMS_STRIPPED, &said), cases[i].stripped);
    }
    CHECK(rows_name_others(SLICE("b")) && rows_name_others(SLICE("history-info")));
    CHECK(!rows_name_others(SLICE("Refer-To")));
    arena_fini(&arena);
    arena = (struct arena){0};
}

TEST_MAIN(rows_of_trust_go, what_the_partner_says_of_its_user, who_names_others)
