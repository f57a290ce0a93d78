/* Messages in the manner of RFC 4475 (numbers are its sections): what passes, what is refused and why. */
#include "wire/sip/msg.h"

#include <errno.h>

#include "ground/base/buf.h"
#include "ground/base/test.h"

#define VIA "Via: SIP/2.0/UDP h.example;branch=z9hG4bK1\r\n"
#define REST "To: <sip:b@b.example>\r\nFrom: <sip:a@a.example>;tag=1\r\nCall-ID: c\r\n"
#define MANDATORY VIA REST "CSeq: 1 OPTIONS\r\n"
#define LINE "OPTIONS sip:b@b.example SIP/2.0\r\n"

static const struct {
    const char *what, *text;
    enum sip_flaw flaw;
    bool answerable;
} flawed[] = {
    {"good",                                      LINE MANDATORY "\r\n",                                                              SIP_FLAW_NONE,         true },
    {"unknown method (4475 3.1.1.3)",
     "!interesting-Method0123456789_*+`.%indeed'~ "
     "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:@example.com "
     "SIP/2.0\r\n" VIA REST "CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~\r\n\r\n",
     SIP_FLAW_NONE,                                                                                                                                          true },
    {"escapes (3.1.1.4)",
     "INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0\r\n"
     "To: sip:%75se%72@example.com\r\nFrom: <sip:I%20have%20spaces@example.net>;tag=938\r\nCall-ID: "
     "esc01.239409asdfakjkn23onasd0-3234\r\n"
     "CSeq: 234234 INVITE\r\nVia: SIP/2.0/UDP host5.example.net;branch=z9hG4bKkdjuw\r\n"
     "Contact:\r\n <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>\r\n\r\n",                                          SIP_FLAW_NONE,         true },
    {"escape in a method (3.1.1.6)",
     "RE%47IST%45R sip:registrar.example.com SIP/2.0\r\n" VIA REST "CSeq: 29344 RE%47IST%45R\r\n\r\n",
     SIP_FLAW_NONE,                                                                                                                                          true },
    {"NUL in escapes (3.1.1.5)",
     "REGISTER sip:example.com SIP/2.0\r\nTo: sip:null-%00-null@example.com\r\n"
     "From: sip:null-%00-null@example.com;tag=839923423\r\nCall-ID: "
     "escnull.39203ndfvkjdasfkq3w4otrq0adsfdfnavd\r\n"
     "CSeq: 14398234 REGISTER\r\nVia: SIP/2.0/UDP host5.example.com;branch=z9hG4bKkdjuw\r\n\r\n",                                     SIP_FLAW_NONE,         true },
    {"any transport (3.1.1.10)",
     LINE REST
     "CSeq: 1 OPTIONS\r\nVia: SIP/2.0/NEWTRANSPORT h.example;branch=z9hG4bK1\r\nv:SIP/2.0/SCTP t2\r\n\r\n",                           SIP_FLAW_NONE,         true },
    {"no reason phrase (3.1.1.13)",               "SIP/2.0 100 \r\n" VIA REST "CSeq: 35 INVITE\r\n\r\n",                              SIP_FLAW_NONE,
     false                                                                                                                                                        },
    {"reason in UTF-8 (3.1.1.12)",
     "SIP/2.0 200 = 2**3 * 5**2 \xd0\xbd\xd0\xbe\r\n" VIA REST "CSeq: 35 INVITE\r\n\r\n",                                             SIP_FLAW_NONE,
     false                                                                                                                                                        },
    {"zero Max-Forwards (3.3.11)",                LINE MANDATORY "Max-Forwards: 0\r\n\r\n",                                           SIP_FLAW_NONE,         true },
    {"RFC 2543: no branch, no tag (3.4.1)",
     "INVITE sip:UserB@example.com SIP/2.0\r\nVia: SIP/2.0/UDP iftgw.example.com\r\n"
     "From: <sip:+13035551111@ift.client.example.net;user=phone>\r\nTo: "
     "sip:+16505552222@ss1.example.net;user=phone\r\n"
     "Call-ID: inv2543.1717@ift.client.example.com\r\nCSeq: 56 INVITE\r\n\r\n",                                                       SIP_FLAW_NONE,         true },
    {"comma in a name without quotes (3.1.2.15)",
     LINE VIA "To: <sip:b@b>\r\nFrom: Bell, Alexander <sip:a.g.bell@example.com>;tag=43\r\nCall-ID: c\r\n"
              "CSeq: 1 OPTIONS\r\n\r\n",                                                                                              SIP_FLAW_ADDRESS,      false},
    {"URI in <> (3.1.2.7)",                       "OPTIONS <sip:user@example.com> SIP/2.0\r\n" MANDATORY "\r\n",
     SIP_FLAW_START_LINE,                                                                                                                                    false},
    {"unknown scheme",                            "OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0\r\n" MANDATORY "\r\n",
     SIP_FLAW_NONE,                                                                                                                                          true },
    {"empty",                                     "",                                                                                 SIP_FLAW_START_LINE,   false},
    {"cut start line",                            "OPTIONS sip:b@b.example SIP/2.0",                                                  SIP_FLAW_START_LINE,   false},
    {"two spaces before the URI (3.1.2.10)",      "OPTIONS  sip:b@b.example SIP/2.0\r\n" MANDATORY "\r\n",
     SIP_FLAW_START_LINE,                                                                                                                                    false},
    {"spaces at the end (3.1.2.11)",              "OPTIONS sip:b@b.example SIP/2.0  \r\n" MANDATORY "\r\n",
     SIP_FLAW_START_LINE,                                                                                                                                    false},
    {"space in the URI (3.1.2.8)",                "OPTIONS sip:b@b.example; lr SIP/2.0\r\n" MANDATORY "\r\n",
     SIP_FLAW_START_LINE,                                                                                                                                    false},
    {"leading space",                             " " LINE MANDATORY "\r\n",                                                          SIP_FLAW_START_LINE,   false},
    {"no SIP",                                    "GET / HTTP/1.1\r\n" MANDATORY "\r\n",                                              SIP_FLAW_START_LINE,   false},
    {"LF in the start line",                      "OPTIONS sip:b@b.example SIP/2.0\n" MANDATORY "\r\n",                               SIP_FLAW_START_LINE,
     false                                                                                                                                                        },
    {"method is no token",                        "OPT(IONS sip:b@b.example SIP/2.0\r\n" MANDATORY "\r\n",                            SIP_FLAW_START_LINE,
     false                                                                                                                                                        },
    {"version 7.0 (3.1.2.16)",                    "OPTIONS sip:b@b.example SIP/7.0\r\n" MANDATORY "\r\n",                             SIP_FLAW_VERSION,
     true                                                                                                                                                         },
    {"status 99",                                 "SIP/2.0 099 x\r\n" MANDATORY "\r\n",                                               SIP_FLAW_START_LINE,   false},
    {"status 4294967301 (3.1.2.19)",              "SIP/2.0 4294967301 x\r\n" MANDATORY "\r\n",                                        SIP_FLAW_START_LINE,   false},
    {"status 700",                                "SIP/2.0 700 x\r\n" MANDATORY "\r\n",                                               SIP_FLAW_START_LINE,   false},
    {"status without phrase",                     "SIP/2.0 200\r\n" MANDATORY "\r\n",                                                 SIP_FLAW_NONE,         false},
    {"no colon",                                  LINE MANDATORY "Subject\r\n\r\n",                                                   SIP_FLAW_HEADER,       true },
    {"no name",                                   LINE MANDATORY ": x\r\n\r\n",                                                       SIP_FLAW_HEADER,       true },
    {"name is no token",                          LINE MANDATORY "Sub ject: x\r\n\r\n",                                               SIP_FLAW_HEADER,       true },
    {"no end of headers",                         LINE MANDATORY,                                                                     SIP_FLAW_HEADER,       true },
    {"cut in a row",                              LINE MANDATORY "Subject: x",                                                        SIP_FLAW_HEADER,       true },
    {"cut in a fold",                             LINE MANDATORY "Subject: x\r\n y",                                                  SIP_FLAW_HEADER,       true },
    {"fold behind the start line",                LINE " x\r\n" MANDATORY "\r\n",                                                     SIP_FLAW_HEADER,       true },
    {"LF as line end",                            LINE MANDATORY "Subject: x\nContent-Length: 0\r\n\r\n",                             SIP_FLAW_HEADER,       true },
    {"LF in From, not to be copied",
     LINE VIA "To: <sip:b@b>\r\nFrom: <sip:a@a>;tag=1\nX: y\r\nCall-ID: c\r\n"
              "CSeq: 1 OPTIONS\r\n\r\n",                                                                                              SIP_FLAW_HEADER,       false},
    {"CR in a value",                             LINE MANDATORY "Subject: x\ry\r\n\r\n",                                             SIP_FLAW_CONTROL,      true },
    {"DEL",                                       LINE MANDATORY "Subject: x\177y\r\n\r\n",                                           SIP_FLAW_CONTROL,      true },
    {"bell in a fold",                            LINE MANDATORY "Subject: xxxxxxxxxxx\r\n\ty\a\r\n\r\n",                             SIP_FLAW_CONTROL,      true },
    {"tab",                                       LINE MANDATORY "Subject:\tx\ty yyyyyyyyyyyyyyyyyyyyyyy\tzz\r\n\r\n",                SIP_FLAW_NONE,         true },
    {"no Via",                                    LINE REST "CSeq: 1 OPTIONS\r\n\r\n",                                                SIP_FLAW_MISSING,      false},
    {"no CSeq",                                   LINE VIA REST "\r\n",                                                               SIP_FLAW_MISSING,      false},
    {"no From (3.3.1)",                           LINE VIA "To: <sip:b@b>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\r\n",                  SIP_FLAW_MISSING,
     false                                                                                                                                                        },
    {"empty Call-ID",
     LINE VIA "To: <sip:b@b>\r\nFrom: <sip:a@a>;tag=1\r\nCall-ID:\r\nCSeq: 1 OPTIONS\r\n\r\n",
     SIP_FLAW_MISSING,                                                                                                                                       false},
    {"two Call-ID",                               LINE MANDATORY "i: d\r\n\r\n",                                                      SIP_FLAW_REPEATED,     true },
    {"two From",                                  LINE MANDATORY "f: <sip:z@z>;tag=2\r\n\r\n",                                        SIP_FLAW_REPEATED,     true },
    {"two Max-Forwards (3.3.9)",                  LINE MANDATORY "Max-Forwards: 5\r\nMax-Forwards: 5\r\n\r\n",
     SIP_FLAW_REPEATED,                                                                                                                                      true },
    {"CSeq of another method (3.1.2.17)",         LINE VIA REST "CSeq: 1 INVITE\r\n\r\n",                                             SIP_FLAW_CSEQ,         true },
    {"CSeq in lower case",                        LINE VIA REST "CSeq: 1 options\r\n\r\n",                                            SIP_FLAW_CSEQ,         true },
    {"CSeq too large (3.1.2.4)",                  LINE VIA REST "CSeq: 36893488147419103232 OPTIONS\r\n\r\n",                         SIP_FLAW_CSEQ,
     false                                                                                                                                                        },
    {"CSeq without method",                       LINE VIA REST "CSeq: 1\r\n\r\n",                                                    SIP_FLAW_CSEQ,         false},
    {"CSeq without number",                       LINE VIA REST "CSeq: OPTIONS\r\n\r\n",                                              SIP_FLAW_CSEQ,         false},
    {"CSeq in one word",                          LINE VIA REST "CSeq: 1OPTIONS\r\n\r\n",                                             SIP_FLAW_CSEQ,         false},
    {"Via without host",                          LINE "v: SIP/2.0/UDP ;branch=x\r\n" REST "CSeq: 1 OPTIONS\r\n\r\n",                 SIP_FLAW_VIA,
     false                                                                                                                                                        },
    {"empty Via",                                 LINE "v:\r\n" REST "CSeq: 1 OPTIONS\r\n\r\n",                                       SIP_FLAW_VIA,          false},
    {"quote that does not end (3.1.2.6)",
     LINE VIA "To: \"Mr. J. User <sip:j.user@example.com>\r\nFrom: <sip:a@a>;tag=1\r\nCall-ID: c\r\n"
              "CSeq: 1 OPTIONS\r\n\r\n",                                                                                              SIP_FLAW_ADDRESS,      false},
    {"tag is no token",
     LINE VIA "To: <sip:b@b>\r\nFrom: <sip:a@a>;tag=\"1\"x\r\nCall-ID: c\r\n"
              "CSeq: 1 OPTIONS\r\n\r\n",                                                                                              SIP_FLAW_ADDRESS,      false},
    {"To: *",                                     LINE VIA "To: *\r\nFrom: <sip:a@a>;tag=1\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\r\n",
     SIP_FLAW_ADDRESS,                                                                                                                                       false},
    {"Content-Length larger (3.1.2.2)",           LINE MANDATORY "l: 9999\r\n\r\nbody",                                               SIP_FLAW_LENGTH,       true },
    {"Content-Length negative (3.1.2.3)",         LINE MANDATORY "l: -999\r\n\r\nbody",                                               SIP_FLAW_LENGTH,       true },
    {"Content-Length conflicting",                LINE MANDATORY "l: 4\r\nContent-Length: 3\r\n\r\nbody",                             SIP_FLAW_LENGTH,
     true                                                                                                                                                         },
    {"Content-Length twice, the same",            LINE MANDATORY "l: 4\r\nContent-Length: 4\r\n\r\nbody",
     SIP_FLAW_LENGTH,                                                                                                                                        true },
    {"Max-Forwards 300 (3.1.2.4)",                LINE MANDATORY "Max-Forwards: 300\r\n\r\n",                                         SIP_FLAW_MAX_FORWARDS, true },
    {"Max-Forwards empty",                        LINE MANDATORY "Max-Forwards:\r\n\r\n",                                             SIP_FLAW_MAX_FORWARDS, true },
    {"ACK gets no answer",                        "ACK sip:b@b.example SIP/2.0\r\n" VIA REST "CSeq: 1 INVITE\r\n\r\n",                SIP_FLAW_CSEQ,
     false                                                                                                                                                        },
};

TEST(flaws)
{
    for (size_t i = 0; i < sizeof(flawed) / sizeof(flawed[0]); i++) {
        struct arena a = {0};
        struct sip_msg m;
        enum sip_flaw flaw;
        int r = sip_msg_parse(slice_str(flawed[i].text), &a, &m, &flaw);
        CHECK_INT(r, flaw ? -EBADMSG : 0);
        if (flaw != flawed[i].flaw)
            TEST_DIAG("%s: %s, not %s", flawed[i].what, sip_flaw_id(flaw), sip_flaw_id(flawed[i].flaw));
        if (sip_msg_answerable(&m) != flawed[i].answerable)
            TEST_DIAG("%s: answerable is %d", flawed[i].what, !flawed[i].answerable);
        arena_fini(&a);
    }
}

TEST(long_values)
{
    /* RFC 4475 3.1.1.7 in kind: names, values and tags far longer than any fixed field */
    struct buf b = {0};
    struct arena a = {0};
    struct sip_msg m;
    enum sip_flaw flaw;
    char x[2001];
    memset(x, 'x', sizeof(x) - 1);
    x[sizeof(x) - 1] = 0;
    buf_printf(&b, "%s sip:%s@h SIP/2.0\r\nv: SIP/2.0/%s h.example;branch=z9hG4bK%s\r\n", x, x, x, x);
    for (int i = 0; i < 34; i++)
        buf_append(&b, SLICE("v: SIP/2.0/TCP sip33.example.com\r\n"));
    buf_printf(&b,
               "f: \"%s\" <sip:%s@h>;%s=\"%s\";tag=%s\r\nt: %s <sip:b@h>\r\ni: %s\r\n%s: %s\r\n"
               "cseq:\r\n 0000000000000000000000000000000003882340\r\n %s\r\nl: 0\r\n\r\n",
               x, x, x, x, x, x, x, x, x, x);
    CHECK_INT(sip_msg_parse(buf_slice(&b), &a, &m, &flaw), 0);
    CHECK_INT(m.n_headers, 41);
    CHECK_INT(m.cseq, 3882340);
    CHECK_STR(m.from_tag, x);
    CHECK_STR(m.call_id, x);
    CHECK_STR(sip_msg_named(&m, slice_str(x))->value, x);
    CHECK_INT(m.branch.n, 2007);
    arena_fini(&a);
    buf_fini(&b);
}

TEST_MAIN(flaws, long_values)
