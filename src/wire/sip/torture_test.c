/* The messages of RFC 4475 and RFC 5118 (tests/vectors), and more of their kind: what passes, what is refused
 * and why. */
#include "wire/sip/msg.h"

#include <errno.h>

#include "ground/base/buf.h"
#include "ground/base/test.h"
#include "wire/sip/frame.h"

#define VIA "Via: SIP/2.0/UDP h.example;branch=z9hG4bK1\r\n"
#define REST "To: <sip:b@b.example>\r\nFrom: <sip:a@a.example>;tag=1\r\nCall-ID: c\r\n"
#define MANDATORY VIA REST "CSeq: 1 OPTIONS\r\n"
#define LINE "OPTIONS sip:b@b.example SIP/2.0\r\n"

static const struct {
    const char *what, *text;
    enum sip_flaw flaw;
    bool answerable;
} flawed[] = {
    {"good",                           LINE MANDATORY "\r\n",                                                              SIP_FLAW_NONE,         true },
    {"unknown scheme",                 "OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0\r\n" MANDATORY "\r\n",
     SIP_FLAW_NONE,                                                                                                                               true },
    {"empty",                          "",                                                                                 SIP_FLAW_START_LINE,   false},
    {"cut start line",                 "OPTIONS sip:b@b.example SIP/2.0",                                                  SIP_FLAW_START_LINE,   false},
    {"leading space",                  " " LINE MANDATORY "\r\n",                                                          SIP_FLAW_START_LINE,   false},
    {"no SIP",                         "GET / HTTP/1.1\r\n" MANDATORY "\r\n",                                              SIP_FLAW_START_LINE,   false},
    {"LF in the start line",           "OPTIONS sip:b@b.example SIP/2.0\n" MANDATORY "\r\n",                               SIP_FLAW_START_LINE,
     false                                                                                                                                             },
    {"method is no token",             "OPT(IONS sip:b@b.example SIP/2.0\r\n" MANDATORY "\r\n",                            SIP_FLAW_START_LINE,
     false                                                                                                                                             },
    {"status 99",                      "SIP/2.0 099 x\r\n" MANDATORY "\r\n",                                               SIP_FLAW_START_LINE,   false},
    {"status 700",                     "SIP/2.0 700 x\r\n" MANDATORY "\r\n",                                               SIP_FLAW_START_LINE,   false},
    {"status without phrase",          "SIP/2.0 200\r\n" MANDATORY "\r\n",                                                 SIP_FLAW_NONE,         false},
    {"no colon",                       LINE MANDATORY "Subject\r\n\r\n",                                                   SIP_FLAW_HEADER,       true },
    {"no name",                        LINE MANDATORY ": x\r\n\r\n",                                                       SIP_FLAW_HEADER,       true },
    {"name is no token",               LINE MANDATORY "Sub ject: x\r\n\r\n",                                               SIP_FLAW_HEADER,       true },
    {"no end of headers",              LINE MANDATORY,                                                                     SIP_FLAW_HEADER,       true },
    {"cut in a row",                   LINE MANDATORY "Subject: x",                                                        SIP_FLAW_HEADER,       true },
    {"cut in a fold",                  LINE MANDATORY "Subject: x\r\n y",                                                  SIP_FLAW_HEADER,       true },
    {"fold behind the start line",     LINE " x\r\n" MANDATORY "\r\n",                                                     SIP_FLAW_HEADER,       true },
    {"LF as line end",                 LINE MANDATORY "Subject: x\nContent-Length: 0\r\n\r\n",                             SIP_FLAW_HEADER,       true },
    {"LF in From, not to be copied",
     LINE VIA "To: <sip:b@b>\r\nFrom: <sip:a@a>;tag=1\nX: y\r\nCall-ID: c\r\n"
              "CSeq: 1 OPTIONS\r\n\r\n",                                                                                   SIP_FLAW_HEADER,       false},
    {"CR in a value",                  LINE MANDATORY "Subject: x\ry\r\n\r\n",                                             SIP_FLAW_CONTROL,      true },
    {"DEL",                            LINE MANDATORY "Subject: x\177y\r\n\r\n",                                           SIP_FLAW_CONTROL,      true },
    {"bell in a fold",                 LINE MANDATORY "Subject: xxxxxxxxxxx\r\n\ty\a\r\n\r\n",                             SIP_FLAW_CONTROL,      true },
    {"tab",                            LINE MANDATORY "Subject:\tx\ty yyyyyyyyyyyyyyyyyyyyyyy\tzz\r\n\r\n",                SIP_FLAW_NONE,         true },
    {"no Via",                         LINE REST "CSeq: 1 OPTIONS\r\n\r\n",                                                SIP_FLAW_MISSING,      false},
    {"no CSeq",                        LINE VIA REST "\r\n",                                                               SIP_FLAW_MISSING,      false},
    {"empty Call-ID",
     LINE VIA "To: <sip:b@b>\r\nFrom: <sip:a@a>;tag=1\r\nCall-ID:\r\nCSeq: 1 OPTIONS\r\n\r\n",
     SIP_FLAW_MISSING,                                                                                                                            false},
    {"two Call-ID",                    LINE MANDATORY "i: d\r\n\r\n",                                                      SIP_FLAW_REPEATED,     true },
    {"two From",                       LINE MANDATORY "f: <sip:z@z>;tag=2\r\n\r\n",                                        SIP_FLAW_REPEATED,     true },
    {"CSeq in lower case",             LINE VIA REST "CSeq: 1 options\r\n\r\n",                                            SIP_FLAW_CSEQ,         true },
    {"CSeq without method",            LINE VIA REST "CSeq: 1\r\n\r\n",                                                    SIP_FLAW_CSEQ,         false},
    {"CSeq without number",            LINE VIA REST "CSeq: OPTIONS\r\n\r\n",                                              SIP_FLAW_CSEQ,         false},
    {"CSeq in one word",               LINE VIA REST "CSeq: 1OPTIONS\r\n\r\n",                                             SIP_FLAW_CSEQ,         false},
    {"Via without host",               LINE "v: SIP/2.0/UDP ;branch=x\r\n" REST "CSeq: 1 OPTIONS\r\n\r\n",                 SIP_FLAW_VIA,
     false                                                                                                                                             },
    {"empty Via",                      LINE "v:\r\n" REST "CSeq: 1 OPTIONS\r\n\r\n",                                       SIP_FLAW_VIA,          false},
    {"tag is no token",
     LINE VIA "To: <sip:b@b>\r\nFrom: <sip:a@a>;tag=\"1\"x\r\nCall-ID: c\r\n"
              "CSeq: 1 OPTIONS\r\n\r\n",                                                                                   SIP_FLAW_ADDRESS,      false},
    {"To: *",                          LINE VIA "To: *\r\nFrom: <sip:a@a>;tag=1\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\r\n",
     SIP_FLAW_ADDRESS,                                                                                                                            false},
    {"Content-Length conflicting",     LINE MANDATORY "l: 4\r\nContent-Length: 3\r\n\r\nbody",                             SIP_FLAW_LENGTH,
     true                                                                                                                                              },
    {"Content-Length twice, the same", LINE MANDATORY "l: 4\r\nContent-Length: 4\r\n\r\nbody",
     SIP_FLAW_LENGTH,                                                                                                                             true },
    {"Max-Forwards 300",               LINE MANDATORY "Max-Forwards: 300\r\n\r\n",                                         SIP_FLAW_MAX_FORWARDS, true },
    {"two Max-Forwards",               LINE MANDATORY "Max-Forwards: 5\r\nMax-Forwards: 5\r\n\r\n",                        SIP_FLAW_REPEATED,
     true                                                                                                                                              },
    {"no From",                        LINE VIA "To: <sip:b@b>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\r\n",                  SIP_FLAW_MISSING,      false},
    {"Via of another version",         LINE "v: SIP/7.0/UDP h;branch=z9hG4bKx\r\n" REST "CSeq: 1 OPTIONS\r\n\r\n",
     SIP_FLAW_VIA,                                                                                                                                false},
    {"Max-Forwards empty",             LINE MANDATORY "Max-Forwards:\r\n\r\n",                                             SIP_FLAW_MAX_FORWARDS, true },
    {"ACK gets no answer",             "ACK sip:b@b.example SIP/2.0\r\n" VIA REST "CSeq: 1 INVITE\r\n\r\n",                SIP_FLAW_CSEQ,
     false                                                                                                                                             },
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

/*
 * Each as it stands there. rest: octets that a stream leaves for what comes next. Refused although the RFC
 * would like to see them passed or answered: none of 3.1.1; unanswerable are those whose answer could not be
 * well-formed itself (From, To or CSeq that nobody can read).
 */
static const struct {
    const char *file;
    enum sip_flaw flaw;
    bool answerable;
    size_t rows, body;
    enum sip_frame frame;
    size_t rest;
} standard[] = {
    {"rfc4475/wsinv",                         SIP_FLAW_NONE,       true,  14, 150, SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/intmeth",                       SIP_FLAW_NONE,       true,  8,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/esc01",                         SIP_FLAW_NONE,       true,  9,  150, SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/escnull",                       SIP_FLAW_NONE,       true,  9,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/esc02",                         SIP_FLAW_NONE,       true,  10, 0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/lwsdisp",                       SIP_FLAW_NONE,       true,  7,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/longreq",                       SIP_FLAW_NONE,       true,  43, 150, SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/dblreq",                        SIP_FLAW_NONE,       true,  8,  0,   SIP_FRAME_MESSAGE, 450},
    {"rfc4475/semiuri",                       SIP_FLAW_NONE,       true,  8,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/transports",                    SIP_FLAW_NONE,       true,  12, 0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/mpart01",                       SIP_FLAW_NONE,       true,  14, 553, SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/unreason",                      SIP_FLAW_NONE,       false, 8,  154, SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/noreason",                      SIP_FLAW_NONE,       false, 7,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/badinv01",                      SIP_FLAW_NONE,       true,  9,  152, SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/clerr",                         SIP_FLAW_LENGTH,     true,  9,  0,   SIP_FRAME_MORE,    0  },
    {"rfc4475/ncl",                           SIP_FLAW_LENGTH,     true,  9,  0,   SIP_FRAME_BAD,     0  },
    {"rfc4475/scalar02",                      SIP_FLAW_CSEQ,       false, 9,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/scalarlg",                      SIP_FLAW_CSEQ,       false, 8,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/quotbal",                       SIP_FLAW_ADDRESS,    false, 9,  152, SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/ltgtruri",                      SIP_FLAW_START_LINE, true,  9,  159, SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/lwsruri",                       SIP_FLAW_START_LINE, true,  9,  159, SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/lwsstart",                      SIP_FLAW_START_LINE, true,  9,  150, SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/trws",                          SIP_FLAW_START_LINE, true,  8,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/escruri",                       SIP_FLAW_NONE,       true,  9,  150, SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/baddate",                       SIP_FLAW_NONE,       true,  10, 150, SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/regbadct",                      SIP_FLAW_NONE,       true,  8,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/badaspec",                      SIP_FLAW_NONE,       true,  8,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/baddn",                         SIP_FLAW_HEADER,     false, 8,  0,   SIP_FRAME_MORE,    0  },
    {"rfc4475/badvers",                       SIP_FLAW_VERSION,    true,  7,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/mismatch01",                    SIP_FLAW_CSEQ,       true,  7,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/mismatch02",                    SIP_FLAW_CSEQ,       true,  9,  138, SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/bigcode",                       SIP_FLAW_START_LINE, false, 0,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/badbranch",                     SIP_FLAW_NONE,       true,  8,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/insuf",                         SIP_FLAW_MISSING,    false, 4,  152, SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/unkscm",                        SIP_FLAW_NONE,       true,  7,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/novelsc",                       SIP_FLAW_NONE,       true,  7,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/unksm2",                        SIP_FLAW_NONE,       true,  8,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/bext01",                        SIP_FLAW_NONE,       true,  9,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/invut",                         SIP_FLAW_NONE,       true,  9,  40,  SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/regaut01",                      SIP_FLAW_NONE,       true,  8,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/multi01",                       SIP_FLAW_REPEATED,   true,  15, 154, SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/mcl01",                         SIP_FLAW_LENGTH,     true,  9,  0,   SIP_FRAME_BAD,     0  },
    {"rfc4475/bcast",                         SIP_FLAW_NONE,       false, 9,  154, SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/zeromf",                        SIP_FLAW_NONE,       true,  7,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/cparam01",                      SIP_FLAW_NONE,       true,  8,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/cparam02",                      SIP_FLAW_NONE,       true,  8,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/regescrt",                      SIP_FLAW_NONE,       true,  8,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/sdp01",                         SIP_FLAW_NONE,       true,  10, 150, SIP_FRAME_MESSAGE, 0  },
    {"rfc4475/inv2543",                       SIP_FLAW_NONE,       true,  7,  105, SIP_FRAME_BAD,     0  },
    {"rfc5118/ipv6-good",                     SIP_FLAW_NONE,       true,  8,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc5118/ipv6-bad",                      SIP_FLAW_NONE,       true,  8,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc5118/port-ambiguous",                SIP_FLAW_NONE,       true,  8,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc5118/port-unambiguous",              SIP_FLAW_NONE,       true,  8,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc5118/via-received-param-with-delim", SIP_FLAW_NONE,       true,  7,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc5118/via-received-param-no-delim",   SIP_FLAW_NONE,       true,  8,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc5118/ipv6-in-sdp",                   SIP_FLAW_LENGTH,     true,  9,  0,   SIP_FRAME_MORE,    0  },
    {"rfc5118/mult-ip-in-header",             SIP_FLAW_NONE,       true,  9,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc5118/mult-ip-in-sdp",                SIP_FLAW_NONE,       true,  9,  181, SIP_FRAME_MESSAGE, 8  },
    {"rfc5118/ipv4-mapped-ipv6",              SIP_FLAW_NONE,       true,  10, 236, SIP_FRAME_MESSAGE, 9  },
    {"rfc5118/ipv6-bug-abnf-3-colons",        SIP_FLAW_NONE,       true,  7,  0,   SIP_FRAME_MESSAGE, 0  },
    {"rfc5118/ipv6-correct-abnf-2-colons",    SIP_FLAW_NONE,       true,  7,  0,   SIP_FRAME_MESSAGE, 0  },
};

static void read_vector(const char *file, struct buf *ret)
{
    char path[128];
    snprintf(path, sizeof(path), "tests/vectors/%s.sip", file);
    FILE *f = fopen(path, "rb");
    CHECK(f);
    if (f) {
        buf_commit(ret, fread(buf_reserve(ret, SIP_MAX_MESSAGE), 1, SIP_MAX_MESSAGE, f));
        fclose(f);
    }
}

TEST(messages_of_rfc_4475_and_5118)
{
    for (size_t i = 0; i < sizeof(standard) / sizeof(standard[0]); i++) {
        struct buf text = {0};
        struct arena a = {0};
        struct sip_msg m;
        enum sip_flaw flaw;
        read_vector(standard[i].file, &text);
        int r = sip_msg_parse(buf_slice(&text), &a, &m, &flaw);
        bool good = r == (standard[i].flaw ? -EBADMSG : 0) && flaw == standard[i].flaw &&
                    sip_msg_answerable(&m) == standard[i].answerable && m.n_headers == standard[i].rows &&
                    m.body.n == standard[i].body;
        if (!good)
            TEST_DIAG("%s: %s, answerable %d, %zu rows, %zu octets of body", standard[i].file,
                      sip_flaw_id(flaw), sip_msg_answerable(&m), m.n_headers, m.body.n);
        arena_fini(&a);
        buf_fini(&text);
    }
}

TEST(messages_of_rfc_4475_and_5118_in_a_stream)
{
    for (size_t i = 0; i < sizeof(standard) / sizeof(standard[0]); i++) {
        struct buf text = {0};
        read_vector(standard[i].file, &text);
        /* octet by octet, as a slow peer sends it: the same frame as at once */
        for (size_t step = 1; step <= SIP_MAX_MESSAGE; step += SIP_MAX_MESSAGE - 1) {
            struct sip_framer f = {0};
            enum sip_frame frame = SIP_FRAME_MORE;
            enum sip_flaw flaw;
            size_t n = 0, len = 0;
            while (frame == SIP_FRAME_MORE && n < buf_len(&text)) {
                n = buf_len(&text) - n < step ? buf_len(&text) : n + step;
                frame = sip_frame_next(&f, slice_head(buf_slice(&text), n), &len, &flaw);
            }
            bool whole = frame != SIP_FRAME_MESSAGE || len == buf_len(&text) - standard[i].rest;
            if (frame != standard[i].frame || !whole)
                TEST_DIAG("%s, %zu at a time: frame %d of %zu octets", standard[i].file, step, (int)frame,
                          len);
        }
        buf_fini(&text);
    }
}

struct seen {
    const char *file;
    enum sip_header_id id;
    struct slice value;
};

/* What the tortuous parts mean. */
TEST(what_tortuous_values_say)
{
    static const struct seen seen[] = {
        {"rfc4475/wsinv",      SIP_H_TO,            SLICE_INIT("sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n")},
        {"rfc4475/wsinv",      SIP_H_CSEQ,          SLICE_INIT("0009 INVITE")                                               },
        {"rfc4475/wsinv",      SIP_H_SUBJECT,       SLICE_INIT("")                                                          },
        {"rfc4475/intmeth",    SIP_H_TO,
         SLICE_INIT("\"BEL:\\\a NUL:\\\0 DEL:\\\177\" "
                    "<sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com>")                                   },
        {"rfc4475/intmeth",    SIP_H_CALL_ID,       SLICE_INIT("intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{")              },
        {"rfc4475/esc02",      SIP_H_FROM,          SLICE_INIT("\"%Z%45\" <sip:resource@example.com>;tag=f232jadfj23")      },
        {"rfc4475/semiuri",    SIP_H_CALL_ID,       SLICE_INIT("semiuri.0ha0isndaksdj")                                     },
        {"rfc4475/transports", SIP_H_CALL_ID,       SLICE_INIT("transports.kijh4akdnaqjkwendsasfdj")                        },
        {"rfc4475/regaut01",   SIP_H_AUTHORIZATION, SLICE_INIT("NoOneKnowsThisScheme opaque-data=here")                     },
    };
    for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++) {
        struct buf text = {0};
        struct arena a = {0};
        struct sip_msg m;
        enum sip_flaw flaw;
        read_vector(seen[i].file, &text);
        CHECK_INT(sip_msg_parse(buf_slice(&text), &a, &m, &flaw), 0);
        CHECK_SLICE(sip_msg_value(&m, seen[i].id), seen[i].value);
        arena_fini(&a);
        buf_fini(&text);
    }
}

TEST(addresses_of_rfc_5118)
{
    static const struct {
        const char *file, *host;
        unsigned port;
        bool valid;
    } uris[] = {
        {"rfc5118/ipv6-good",                  "2001:db8::10",         0,    true },
        {"rfc5118/ipv6-bad",                   "",                     0,    false},
        {"rfc5118/port-ambiguous",             "2001:db8::10:5070",    0,    true },
        {"rfc5118/port-unambiguous",           "2001:db8::10",         5070, true },
        {"rfc5118/ipv6-bug-abnf-3-colons",     "2001:db8:::192.0.2.1", 0,    true },
        {"rfc5118/ipv6-correct-abnf-2-colons", "2001:db8::192.0.2.1",  0,    true },
    };
    for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
        struct buf text = {0};
        struct arena a = {0};
        struct sip_msg m;
        struct sip_uri u = {0};
        enum sip_flaw flaw;
        read_vector(uris[i].file, &text);
        CHECK_INT(sip_msg_parse(buf_slice(&text), &a, &m, &flaw), 0);
        CHECK_INT(sip_uri_parse(m.uri, &u) == 0, uris[i].valid);
        if (uris[i].valid) {
            CHECK_STR(u.host, uris[i].host);
            CHECK_INT(u.port, uris[i].port);
            CHECK(u.host_is_ipv6);
        }
        arena_fini(&a);
        buf_fini(&text);
    }
    static const char *const received[] = {"rfc5118/via-received-param-with-delim",
                                           "rfc5118/via-received-param-no-delim"};
    for (size_t i = 0; i < 2; i++) {
        struct buf text = {0};
        struct arena a = {0};
        struct sip_msg m;
        enum sip_flaw flaw;
        read_vector(received[i], &text);
        CHECK_INT(sip_msg_parse(buf_slice(&text), &a, &m, &flaw), 0);
        CHECK_STR(m.via.received, "2001:db8::9:255");
        arena_fini(&a);
        buf_fini(&text);
    }
}

TEST(quoted_pairs_of_control_characters)
{
    static const struct {
        const char *row;
        enum sip_flaw flaw;
    } rows[] = {
        {"Subject: \"\\\a\"",       SIP_FLAW_NONE   },
        {"Subject: \"\\\\\a\"",     SIP_FLAW_CONTROL},
        {"Subject: \\\a",           SIP_FLAW_CONTROL},
        {"Subject: \"x\" \\\a",     SIP_FLAW_CONTROL},
        {"Subject: \"\a\"",         SIP_FLAW_CONTROL},
        {"Subject: \"\\\"\a\"",     SIP_FLAW_CONTROL},
        {"Subject: \"\\\n\"",       SIP_FLAW_HEADER },
        {"Subject: \"\\\rx\"",      SIP_FLAW_CONTROL},
        {"Subject: \"\r\n \\\a\"",  SIP_FLAW_CONTROL},
        {"Subject: \"\\\a\\\a\"\a", SIP_FLAW_CONTROL},
        {"Sub\"\\\a\"ject: x",      SIP_FLAW_HEADER },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf text = {0};
        struct arena a = {0};
        struct sip_msg m;
        enum sip_flaw flaw;
        buf_printf(&text, LINE MANDATORY "%s\r\n\r\n", rows[i].row);
        sip_msg_parse(buf_slice(&text), &a, &m, &flaw);
        if (flaw != rows[i].flaw)
            TEST_DIAG("row %zu: %s, not %s", i, sip_flaw_id(flaw), sip_flaw_id(rows[i].flaw));
        arena_fini(&a);
        buf_fini(&text);
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

TEST_MAIN(flaws, long_values, messages_of_rfc_4475_and_5118, messages_of_rfc_4475_and_5118_in_a_stream,
          what_tortuous_values_say, addresses_of_rfc_5118, quoted_pairs_of_control_characters)
