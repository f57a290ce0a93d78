/* What two readers could understand in two ways is understood in none: each case as a whole message (a
 * datagram) and as a stream. doc/smuggling.md has the same list in words. */
#include "wire/sip/frame.h"
#include "wire/sip/msg.h"

#include "ground/base/test.h"

#define START "MESSAGE sip:b@b.example SIP/2.0\r\n"
#define HEAD                                                                                                 \
    "Via: SIP/2.0/TLS h.example;branch=z9hG4bK1\r\nTo: <sip:b@b.example>\r\nFrom: "                          \
    "<sip:a@a.example>;tag=1\r\n"                                                                            \
    "Call-ID: c\r\nCSeq: 1 MESSAGE\r\nMax-Forwards: 70\r\n"
#define END "Content-Length: 4\r\n\r\nbody"
#define INNER "MESSAGE sip:evil@b.example SIP/2.0\r\n" HEAD "Content-Length: 0\r\n\r\n"

/* stream: what the framer says; FLAW_NONE: it hands out one message of just this text. */
static const struct {
    const char *what;
    struct slice text;
    enum sip_flaw datagram, stream;
} smuggled[] = {
    {"good",                     SLICE_INIT(START HEAD END),                                                SIP_FLAW_NONE,       SIP_FLAW_NONE   },
    {"conflicting lengths",      SLICE_INIT(START HEAD "Content-Length: 3\r\n" END),                        SIP_FLAW_LENGTH,
     SIP_FLAW_LENGTH                                                                                                                             },
    {"equal lengths",            SLICE_INIT(START HEAD "Content-Length: 4\r\n" END),                        SIP_FLAW_LENGTH,     SIP_FLAW_LENGTH },
    {"compact and long",         SLICE_INIT(START HEAD "l: 4\r\n" END),                                     SIP_FLAW_LENGTH,     SIP_FLAW_LENGTH },
    {"list of lengths",          SLICE_INIT(START HEAD "Content-Length: 4, 4\r\n\r\nbody"),                 SIP_FLAW_LENGTH,
     SIP_FLAW_LENGTH                                                                                                                             },
    {"no length",                SLICE_INIT(START HEAD "\r\nbody"),                                         SIP_FLAW_NONE,       SIP_FLAW_LENGTH },
    {"empty length",             SLICE_INIT(START HEAD "Content-Length:\r\n\r\nbody"),                      SIP_FLAW_LENGTH,     SIP_FLAW_LENGTH },
    {"negative length",          SLICE_INIT(START HEAD "Content-Length: -4\r\n\r\nbody"),                   SIP_FLAW_LENGTH,
     SIP_FLAW_LENGTH                                                                                                                             },
    {"length with a plus",       SLICE_INIT(START HEAD "Content-Length: +4\r\n\r\nbody"),                   SIP_FLAW_LENGTH,
     SIP_FLAW_LENGTH                                                                                                                             },
    {"hexadecimal length",       SLICE_INIT(START HEAD "Content-Length: 0x4\r\n\r\nbody"),                  SIP_FLAW_LENGTH,
     SIP_FLAW_LENGTH                                                                                                                             },
    {"length with a fraction",   SLICE_INIT(START HEAD "Content-Length: 4.0\r\n\r\nbody"),                  SIP_FLAW_LENGTH,
     SIP_FLAW_LENGTH                                                                                                                             },
    {"length that wraps round",  SLICE_INIT(START HEAD "Content-Length: 18446744073709551620\r\n\r\nbody"),
     SIP_FLAW_LENGTH,                                                                                                            SIP_FLAW_LENGTH },
    {"space inside the length",  SLICE_INIT(START HEAD "Content-Length: 4 4\r\n\r\nbody"),                  SIP_FLAW_LENGTH,
     SIP_FLAW_LENGTH                                                                                                                             },
    {"length on two lines",      SLICE_INIT(START HEAD "Content-Length: 4\r\n 4\r\n\r\nbody"),              SIP_FLAW_LENGTH,
     SIP_FLAW_LENGTH                                                                                                                             },
    {"length larger than there", SLICE_INIT(START HEAD "Content-Length: 40000\r\n\r\nbody"),                SIP_FLAW_LENGTH,
     SIP_FLAW_COUNT                                                                                                                              },
    {"bare LF ends a row",       SLICE_INIT(START HEAD "X: y\n" END),                                       SIP_FLAW_HEADER,     SIP_FLAW_HEADER },
    {"bare LF ends the start",   SLICE_INIT("MESSAGE sip:b@b.example SIP/2.0\n" HEAD END),                  SIP_FLAW_START_LINE,
     SIP_FLAW_START_LINE                                                                                                                         },
    {"bare LF ends the headers", SLICE_INIT(START HEAD "Content-Length: 4\r\n\nbody"),                      SIP_FLAW_HEADER,
     SIP_FLAW_HEADER                                                                                                                             },
    {"bare CR in a row",         SLICE_INIT(START HEAD "X: y\rContent-Length: 0\r\n" END),                  SIP_FLAW_CONTROL,
     SIP_FLAW_CONTROL                                                                                                                            },
    {"CR CR LF",                 SLICE_INIT(START HEAD "X: y\r\r\n" END),                                   SIP_FLAW_CONTROL,    SIP_FLAW_CONTROL},
    {"NUL in a value",           SLICE_INIT(START HEAD "X: a\0b\r\n" END),                                  SIP_FLAW_CONTROL,    SIP_FLAW_NONE   },
    {"NUL in a name",            SLICE_INIT(START HEAD "Content-Length\0: 0\r\n" END),                      SIP_FLAW_CONTROL,    SIP_FLAW_NONE   },
    {"start line continued",     SLICE_INIT("MESSAGE sip:b@b.example\r\n SIP/2.0\r\n" HEAD END),
     SIP_FLAW_START_LINE,                                                                                                        SIP_FLAW_NONE   },
    {"first row is continued",   SLICE_INIT(START " X: y\r\n" HEAD END),                                    SIP_FLAW_HEADER,     SIP_FLAW_NONE   },
    {"row of white space",       SLICE_INIT(START HEAD "X: y\r\n \r\n" END),                                SIP_FLAW_HEADER,     SIP_FLAW_HEADER },
    {"length in a continuation", SLICE_INIT(START HEAD "X: y\r\n Content-Length: 0\r\n" END),               SIP_FLAW_NONE,
     SIP_FLAW_NONE                                                                                                                               },
    {"length folded",            SLICE_INIT(START HEAD "Content-Length:\r\n 4\r\n\r\nbody"),                SIP_FLAW_NONE,
     SIP_FLAW_NONE                                                                                                                               },
    {"space before the colon",   SLICE_INIT(START HEAD "Content-Length : 4\r\n\r\nbody"),                   SIP_FLAW_NONE,
     SIP_FLAW_NONE                                                                                                                               },
    {"no colon",                 SLICE_INIT(START HEAD "Content-Length 0\r\n" END),                         SIP_FLAW_HEADER,     SIP_FLAW_NONE   },
    {"space in a name",          SLICE_INIT(START HEAD "Content Length: 0\r\n" END),                        SIP_FLAW_HEADER,     SIP_FLAW_NONE   },
    {"From twice",               SLICE_INIT(START HEAD "From: <sip:x@x.example>;tag=2\r\n" END),            SIP_FLAW_REPEATED,
     SIP_FLAW_NONE                                                                                                                               },
    {"From and f",               SLICE_INIT(START HEAD "f: <sip:x@x.example>;tag=2\r\n" END),               SIP_FLAW_REPEATED,
     SIP_FLAW_NONE                                                                                                                               },
    {"To twice",                 SLICE_INIT(START HEAD "t: <sip:x@x.example>\r\n" END),                     SIP_FLAW_REPEATED,   SIP_FLAW_NONE   },
    {"Call-ID twice",            SLICE_INIT(START HEAD "i: other\r\n" END),                                 SIP_FLAW_REPEATED,   SIP_FLAW_NONE   },
    {"CSeq twice",               SLICE_INIT(START HEAD "CSeq: 2 MESSAGE\r\n" END),                          SIP_FLAW_REPEATED,   SIP_FLAW_NONE   },
    {"Max-Forwards twice",       SLICE_INIT(START HEAD "Max-Forwards: 1\r\n" END),                          SIP_FLAW_REPEATED,
     SIP_FLAW_NONE                                                                                                                               },
    {"Content-Type twice",       SLICE_INIT(START HEAD "c: text/plain\r\nContent-Type: text/html\r\n" END),
     SIP_FLAW_REPEATED,                                                                                                          SIP_FLAW_NONE   },
};

/* The whole text as one message of a stream, or the flaw; COUNT: it waits for more. */
static enum sip_flaw framed(struct slice text)
{
    struct sip_framer f = {0};
    size_t len = 0;
    enum sip_flaw flaw = SIP_FLAW_NONE;
    switch (sip_frame_next(&f, text, &len, &flaw)) {
    case SIP_FRAME_MESSAGE:
        CHECK_INT(len, text.n);
        return SIP_FLAW_NONE;
    case SIP_FRAME_MORE:
        return SIP_FLAW_COUNT;
    case SIP_FRAME_BAD:
        return flaw;
    case SIP_FRAME_PING:
    case SIP_FRAME_PONG:
        break;
    }
    return SIP_FLAW_COUNT;
}

TEST(each_is_refused)
{
    for (size_t i = 0; i < sizeof(smuggled) / sizeof(smuggled[0]); i++) {
        struct arena a = {0};
        struct sip_msg m;
        enum sip_flaw flaw = SIP_FLAW_COUNT;
        sip_msg_parse(smuggled[i].text, &a, &m, &flaw);
        if (flaw != smuggled[i].datagram || framed(smuggled[i].text) != smuggled[i].stream)
            TEST_DIAG("%s: %s as a datagram, %d as a stream", smuggled[i].what, sip_flaw_id(flaw),
                      (int)framed(smuggled[i].text));
        /* what both take must be the same for both */
        if (smuggled[i].datagram == SIP_FLAW_NONE && smuggled[i].stream == SIP_FLAW_NONE)
            CHECK_STR(m.body, "body");
        arena_fini(&a);
    }
}

/* A message in a body is a body; behind a body it is the next of a stream, and nothing in a datagram. */
TEST(a_second_message)
{
    static const char in_body[] = START HEAD "Content-Length: 1000\r\n\r\n" INNER;
    struct arena a = {0};
    struct sip_msg m;
    enum sip_flaw flaw;
    struct sip_framer f = {0};
    size_t len = 0;
    CHECK_INT(sip_frame_next(&f, slice_str(in_body), &len, &flaw), SIP_FRAME_MORE);
    struct slice two = SLICE(START HEAD END INNER);
    CHECK_INT(sip_msg_parse(two, &a, &m, &flaw), 0);
    CHECK_STR(m.text, START HEAD END);
    f = (struct sip_framer){0};
    CHECK_INT(sip_frame_next(&f, two, &len, &flaw), SIP_FRAME_MESSAGE);
    CHECK_INT(len, sizeof(START HEAD END) - 1);
    CHECK_INT(sip_frame_next(&f, slice_from(two, len), &len, &flaw), SIP_FRAME_MESSAGE);
    CHECK_INT(len, sizeof(INNER) - 1);
    arena_fini(&a);
}

TEST_MAIN(each_is_refused, a_second_message)
