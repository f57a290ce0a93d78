#include "service/access_edge/sender.h"

#include "ground/base/buf.h"
#include "ground/base/test.h"

static struct arena arena;

static struct sip_msg message(const char *from, const char *rows)
{
    struct sip_msg m;
    enum sip_flaw flaw;
    struct slice text = arena_printf(&arena,
                                     "MESSAGE sip:bob@contoso.example SIP/2.0\r\n"
                                     "Via: SIP/2.0/TLS sip.fabrikam.example;branch=z9hG4bK1\r\n"
                                     "From: %s;tag=1\r\nTo: <sip:bob@contoso.example>\r\n"
                                     "Call-ID: 1@x\r\nCSeq: 1 MESSAGE\r\n%sContent-Length: 0\r\n\r\n",
                                     from, rows);
    if (sip_msg_parse(text, &arena, &m, &flaw) < 0)
        TEST_DIAG("the message does not parse: %s", sip_flaw_text(flaw));
    return m;
}

static const struct {
    const char *from, *rows;
    enum sender_outcome want;
    const char *domain;
} senders[] = {
    {"<sip:alice@fabrikam.example>",                    "",                                                             SENDER_NAMED,     "fabrikam.example"},
    {"<sips:alice@Fabrikam.example:5061>",              "",                                                             SENDER_NAMED,     "Fabrikam.example"},
    {"<tel:+12015550123>",                              "P-Asserted-Identity: <sip:a@fabrikam.example>\r\n",            SENDER_MALFORMED, ""                },
 /* RFC 3323 4.1.1.3, RFC 3325 10.1 */
    {"\"Anonymous\" <sip:anonymous@anonymous.invalid>", "P-Asserted-Identity: \"C\" <sip:f@cisco.com>\r\n",
     SENDER_NAMED,                                                                                                                        "cisco.com"       },
    {"<sip:anonymous@anonymous.invalid>",               "P-Asserted-Identity: tel:+1408, <sip:f@x.com>\r\n",            SENDER_NAMED,
     "x.com"                                                                                                                                                },
    {"<sip:anonymous@anonymous.invalid>",               "P-Asserted-Identity: tel:+1408\r\n",                           SENDER_ANONYMOUS, ""                },
    {"<sip:anonymous@anonymous.invalid>",               "",                                                             SENDER_ANONYMOUS, ""                },
 /* an identity of the attacker's own domain does not make another's From his */
    {"<sip:ceo@contoso.example>",                       "Privacy: id\r\nP-Asserted-Identity: <sip:x@evil.example>\r\n",
     SENDER_NAMED,                                                                                                                        "contoso.example" },
    {"<sip:anonymous@victim.example>",                  "Privacy: id\r\nP-Asserted-Identity: <sip:x@evil.example>\r\n",
     SENDER_NAMED,                                                                                                                        "victim.example"  },
};

TEST(who_is_claimed)
{
    for (size_t i = 0; i < sizeof(senders) / sizeof(senders[0]); i++) {
        struct sip_msg m = message(senders[i].from, senders[i].rows);
        struct sip_uri who = {0};
        struct sip_addr from;
        CHECK_INT(sip_addr_parse(sip_msg_value(&m, SIP_H_FROM), &from), 0);
        CHECK_INT(sender_of(&m, &from, &who), senders[i].want);
        CHECK_SLICE(who.host, slice_str(senders[i].domain));
    }
    arena_fini(&arena);
    arena = (struct arena){0};
}

static bool keep_fabrikam(void *arg, const struct sip_uri *uri)
{
    (void)arg;
    return uri->scheme == SIP_SCHEME_SIP && slice_caseeq(uri->host, SLICE("fabrikam.example"));
}

/* The P-Asserted-Identity rows of the message after the edits. */
static struct slice identities(const struct sip_msg *m, const struct sip_edits *e)
{
    struct buf out = {0};
    struct sip_msg again;
    enum sip_flaw flaw;
    sip_msg_write(m, e, &out);
    struct slice text = arena_copy(&arena, buf_slice(&out)), all = SLICE_NONE;
    buf_fini(&out);
    if (sip_msg_parse(text, &arena, &again, &flaw) < 0)
        return SLICE("unreadable");
    for (const struct sip_header *h = sip_msg_header(&again, SIP_H_P_ASSERTED_IDENTITY); h;
         h = sip_msg_next(&again, h))
        all = arena_printf(&arena, SLICE_FMT SLICE_FMT "|", SLICE_ARG(all), SLICE_ARG(h->value));
    return all;
}

#define ASSERTED "P-Asserted-Identity: "
TEST(filter)
{
    static const struct {
        const char *kept, *rows;
    } cases[] = {
        {"",                                   ""                                                              },
        {"<sip:a@fabrikam.example>|",          ASSERTED "<sip:a@fabrikam.example>\r\n"                         },
        {"",                                   ASSERTED "<sip:a@contoso.example>\r\n"                          },
        {"<sip:a@fabrikam.example>|",          ASSERTED "<sip:a@fabrikam.example>, <sip:b@contoso.example>\r\n"},
        {"\"A, B\" <sip:b@FABRIKAM.example>|",
         ASSERTED "<sip:a@x>\r\n" ASSERTED "\"A, B\" <sip:b@FABRIKAM.example>\r\n"                             },
        {"",                                   ASSERTED "tel:+1\r\n"                                           },
        {"",                                   ASSERTED "<sip:a@fabrikam.example\r\n"                          },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sip_msg m = message("<sip:a@fabrikam.example>", cases[i].rows);
        struct sip_edits e;
        sip_edits_init(&e);
        sender_filter_identities(&m, keep_fabrikam, NULL, &arena, &e);
        CHECK_SLICE(identities(&m, &e), slice_str(cases[i].kept));
    }
    arena_fini(&arena);
    arena = (struct arena){0};
}

TEST(privacy)
{
    static const struct {
        const char *rows;
        bool hidden;
    } cases[] = {
        {"Privacy: id\r\nP-Asserted-Identity: <sip:a@fabrikam.example>\r\n",    true },
        {"Privacy: header; ID ;critical\r\nP-Asserted-Identity: <sip:a@b>\r\n", true },
        {"Privacy: header;id\r\nP-Asserted-Identity: <sip:a@b>\r\n",            true },
        {"Privacy: none\r\nP-Asserted-Identity: <sip:a@b>\r\n",                 false},
        {"P-Asserted-Identity: <sip:a@b>\r\n",                                  false},
        {"Privacy: id\r\n",                                                     false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sip_msg m = message("<sip:a@fabrikam.example>", cases[i].rows);
        struct sip_edits e;
        sip_edits_init(&e);
        CHECK_INT(sender_hide_identities(&m, SLICE("contoso.example"), &arena, &e), cases[i].hidden);
        if (cases[i].hidden)
            CHECK_STR(identities(&m, &e), "<sip:anonymous@contoso.example>|");
        else
            CHECK_INT(e.n, 0);
    }
    arena_fini(&arena);
    arena = (struct arena){0};
}

TEST_MAIN(who_is_claimed, filter, privacy)
