#include "wire/sip/frame.h"

#include "ground/base/buf.h"
#include "ground/base/mem.h"
#include "ground/base/test.h"

#define MESSAGE "MESSAGE sip:b@b SIP/2.0\r\nX: y\r\nContent-Length: 5\r\n\r\nhello"
#define EMPTY "SIP/2.0 200 OK\r\nl:\r\n\t0\r\nX: a\r\n b\r\n\r\n"

/* What comes out of a stream, as text: "m54 ping pong bad(length)"; fed `step` bytes at a time. */
static void frames(struct slice stream, size_t step, struct buf *out)
{
    struct sip_framer f = {0};
    size_t start = 0;
    for (size_t end = 0; end < stream.n;) {
        end = end + step < stream.n ? end + step : stream.n;
        for (;;) {
            /* memory of just the size, so that reading beyond is seen */
            struct slice in = {slice_dup(slice_head(slice_from(stream, start), end - start)), end - start};
            size_t len = 0;
            enum sip_flaw flaw = SIP_FLAW_NONE;
            enum sip_frame frame = sip_frame_next(&f, in, &len, &flaw);
            mem_free((char *)in.p);
            if (frame == SIP_FRAME_MORE)
                break;
            if (frame == SIP_FRAME_BAD) {
                buf_printf(out, "bad(%s)", sip_flaw_id(flaw));
                return;
            }
            CHECK(len > 0 && len <= end - start);
            if (frame == SIP_FRAME_MESSAGE)
                buf_printf(out, "m%zu ", len);
            else
                buf_append(out, frame == SIP_FRAME_PING ? SLICE("ping ") : SLICE("pong "));
            start += len;
        }
    }
    buf_printf(out, "+%zu", stream.n - start);
}

static const struct {
    const char *what, *stream, *frames;
} streams_of[] = {
    {"one",                        MESSAGE,                                                        "m57 +0"          },
    {"several",                    MESSAGE EMPTY MESSAGE "SIP",                                    "m57 m36 m57 +3"  },
    {"keep-alives",                "\r\n\r\n" MESSAGE "\r\n" MESSAGE "\r\n\r\n\r\n\r\n\r\n",
     "ping m57 pong m57 ping ping +2"                                                                                },
    {"half a line break",          MESSAGE "\r",                                                   "m57 +1"          },
    {"line break and a half",      MESSAGE "\r\n\r",                                               "m57 +3"          },
    {"CR alone",                   MESSAGE "\rX",                                                  "m57 bad(control)"},
    {"no length",                  "SIP/2.0 200 OK\r\nX: Content-Length: 3\r\n\r\n",               "bad(length)"     },
    {"the same twice",             "SIP/2.0 200 OK\r\nl: 1\r\nCONTENT-LENGTH : 01\r\n\r\nx",       "bad(length)"     },
    {"space before the colon",     "SIP/2.0 200 OK\r\nCONTENT-LENGTH : 01\r\n\r\nx",               "m40 +0"          },
    {"plus",                       "SIP/2.0 200 OK\r\nl: +1\r\n\r\nx",                             "bad(length)"     },
    {"hexadecimal",                "SIP/2.0 200 OK\r\nl: 0x1\r\n\r\nx",                            "bad(length)"     },
    {"huge",                       "SIP/2.0 200 OK\r\nl: 18446744073709551617\r\n\r\nx",           "bad(length)"     },
    {"control character",          "SIP/2.0 200 OK\r\nl: 1\x01\r\n\r\nx",                          "bad(length)"     },
    {"line of white space",        "SIP/2.0 200 OK\r\nX: y\r\n \r\nl: 0\r\n\r\n",                  "bad(header)"     },
    {"line of tabs",               "SIP/2.0 200 OK\r\nl: 0\r\n\t \r\n\r\n",                        "bad(header)"     },
    {"message in the body",        "SIP/2.0 200 OK\r\nl: 36\r\n\r\n" EMPTY EMPTY,                  "m61 m36 +0"      },
    {"conflicting",                "SIP/2.0 200 OK\r\nl: 1\r\nContent-Length: 2\r\n\r\nx",         "bad(length)"     },
    {"negative",                   "SIP/2.0 200 OK\r\nl: -1\r\n\r\nx",                             "bad(length)"     },
    {"list",                       "SIP/2.0 200 OK\r\nl: 1, 1\r\n\r\nx",                           "bad(length)"     },
    {"folded number",              "SIP/2.0 200 OK\r\nl: 1\r\n 1\r\n\r\n",                         "bad(length)"     },
    {"empty",                      "SIP/2.0 200 OK\r\nl:\r\n\r\n",                                 "bad(length)"     },
    {"continuation is no row",     "SIP/2.0 200 OK\r\nX: y\r\n Content-Length: 3\r\nl: 0\r\n\r\n", "m50 +0"          },
    {"too large",                  "SIP/2.0 200 OK\r\nl: 65536\r\n\r\n",                           "bad(length)"     },
    {"too large with the headers", "SIP/2.0 200 OK\r\nl: 65535\r\n\r\n",                           "bad(too-large)"  },
    {"LF in headers",              "SIP/2.0 200 OK\r\nl: 0\n\r\n",                                 "bad(header)"     },
    {"LF after the start line",    "SIP/2.0 200 OK\nl: 0\r\n\r\n",                                 "bad(start-line)" },
    {"CR in headers",              "SIP/2.0 200 OK\r\nl: 0\rx: 1\r\n\r\n",                         "bad(control)"    },
    {"CR in the start line",       "SIP/2.0 200\rOK\r\nl: 0\r\n\r\n",                              "bad(start-line)" },
    {"LF first",                   "\nSIP/2.0 200 OK\r\nl: 0\r\n\r\n",                             "bad(start-line)" },
};

TEST(streams)
{
    for (size_t i = 0; i < sizeof(streams_of) / sizeof(streams_of[0]); i++)
        for (size_t step = 1; step < 130; step += step < 8 ? 1 : 11) {
            struct buf out = {0};
            frames(slice_str(streams_of[i].stream), step, &out);
            if (!slice_eq(buf_slice(&out), slice_str(streams_of[i].frames)))
                TEST_DIAG("%s in steps of %zu: %.*s, not %s", streams_of[i].what, step, (int)buf_len(&out),
                          out.mem, streams_of[i].frames);
            buf_fini(&out);
        }
}

TEST(limits)
{
    enum { ROOM = SIP_MAX_MESSAGE + 100 };
    char *mem = mem_alloc(ROOM);
    memset(mem, 'x', ROOM);
    struct buf out = {0};
    frames(slice_mem(mem, ROOM), 4000, &out);
    CHECK_STR(buf_slice(&out), "bad(too-large)"); /* no end of the start line */
    buf_consume(&out, SIZE_MAX);
    memcpy(mem, "SIP/2.0 200 OK\r\n", 16);
    frames(slice_mem(mem, ROOM), 4000, &out);
    CHECK_STR(buf_slice(&out), "bad(too-large)"); /* no end of the row */
    buf_consume(&out, SIZE_MAX);
    memcpy(mem, "SIP/2.0 200 OK\r\nl: 65507\r\n\r\n", 28); /* just fits */
    frames(slice_mem(mem, ROOM), 1000, &out);
    CHECK_STR(buf_slice(&out), "m65535 +100");
    buf_fini(&out);
    mem_free(mem);
}

TEST(awaited_pong)
{
    struct sip_framer f = {.await_pong = true};
    size_t len = 0;
    enum sip_flaw flaw;
    CHECK_INT(sip_frame_next(&f, SLICE(MESSAGE "\r\n"), &len, &flaw), SIP_FRAME_MESSAGE);
    CHECK(f.await_pong);
    CHECK_INT(sip_frame_next(&f, SLICE("\r"), &len, &flaw), SIP_FRAME_MORE);
    CHECK_INT(sip_frame_next(&f, SLICE("\r\n"), &len, &flaw), SIP_FRAME_PONG);
    CHECK_INT(len, 2);
    CHECK(!f.await_pong);
    CHECK_INT(sip_frame_next(&f, SLICE("\r\n"), &len, &flaw), SIP_FRAME_MORE);
    CHECK_INT(sip_frame_next(&f, SLICE(""), &len, &flaw), SIP_FRAME_MORE);
}

TEST_MAIN(streams, limits, awaited_pong)
