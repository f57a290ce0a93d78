/* The access log is complete: whatever becomes of a request, it has one line. */
#include "element/scene.h"

#include "ground/base/file_for_test.h"

#include <stdlib.h>

static char path[] = "/tmp/entente-access.XXXXXX";

TEST(begins)
{
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    CHECK_INT(journal_open(path, &(struct journal_limits){0}, &access_to.journal), 0);
    access_to.users = ACCESS_USERS_WHOLE;
    proxy_begin();
    apply_quick(185000);
}

/* ---------------------------------------------------------------- what is sent */
TEST(answered_and_refused)
{
    scene_begin(1);
    send_text(&scene.client, REQUEST("MESSAGE", "sip:bob@home.test", "a1", "answered", END));
    arrives(0, "MESSAGE");
    answer(0, 200, "");
    CHECK(passes(&scene.client, 200));
    send_text(&scene.client, REQUEST("MESSAGE", "sip:bob@home.test", "a2", "below", END));
    arrives(0, "MESSAGE");
    answer(0, 404, "");
    CHECK(passes(&scene.client, 404));
    send_text(&scene.client,
              REQUEST("MESSAGE", "sip:bob@home.test", "a3", "hops", "Max-Forwards: 0\r\n" END));
    CHECK(passes(&scene.client, 483));
    scene_end();
}

TEST(cancelled)
{
    scene_begin(1);
    send_text(&scene.client, REQUEST("INVITE", "sip:bob@home.test", "c1", "cancelled", END));
    arrives(0, "INVITE");
    answer(0, 180, "");
    CHECK(passes(&scene.client, 180));
    struct sip_msg *invite = &scene.hops[0].m;
    send_text(&scene.client, REQUEST("CANCEL", "sip:bob@home.test", "c1", "cancelled", END));
    CHECK(passes(&scene.client, 200));
    char *kept = slice_dup(invite->text);
    struct arena a = {0};
    struct sip_msg m;
    enum sip_flaw flaw;
    CHECK_INT(sip_msg_parse(slice_str(kept), &a, &m, &flaw), 0);
    arrives(0, "CANCEL");
    answer(0, 200, "");
    scene.hops[0].m = m;
    answer(0, 487, "");
    CHECK(passes(&scene.client, 487));
    send_text(&scene.client, REQUEST("ACK", "sip:bob@home.test", "c1", "cancelled", END));
    send_text(&scene.client, REQUEST("CANCEL", "sip:bob@home.test", "c2", "nothing-to-cancel", END));
    CHECK(passes(&scene.client, 481));
    mem_free(kept);
    arena_fini(&a);
    scene_end();
}

TEST(cancelled_too_late)
{
    scene_begin(1);
    send_text(&scene.client, REQUEST("INVITE", "sip:bob@home.test", "l1", "late", END));
    arrives(0, "INVITE");
    answer(0, 200, "");
    CHECK(passes(&scene.client, 200));
    send_text(&scene.client, REQUEST("CANCEL", "sip:bob@home.test", "l1", "late", END));
    CHECK(passes(&scene.client, 200));
    scene_end();
}

TEST(nobody_answers)
{
    scene_begin(1);
    send_text(&scene.client, REQUEST("INVITE", "sip:bob@home.test", "n1", "silent-invite", END)
                                 REQUEST("MESSAGE", "sip:bob@home.test", "n2", "silent-message", END));
    CHECK(passes(&scene.client, 408)); /* of the INVITE; the other has none (RFC 4320) */
    scene_end();
}

TEST(nobody_is_there)
{
    scene_begin(1);
    close(scene.listeners[0]);
    send_text(&scene.client, REQUEST("MESSAGE", "sip:bob@home.test", "u1", "unreachable", END));
    CHECK(passes(&scene.client, 504));
    scene.listeners[0] = listen_any(&plan.hops[0]);
    scene_end();
}

TEST(malformed)
{
    scene_begin(1);
    send_text(&scene.client,
              "MESSAGE sip:bob@home.test SIP/2.0\r\nVia: SIP/2.0/TCP c.test;branch=z9hG4bKm1\r\n" FROM_TO
              "Call-ID: other-method\r\nCSeq: 1 INFO\r\n" END);
    CHECK(passes(&scene.client, 400));
    /* nobody can be told, so nobody is */
    send_text(&scene.client,
              "MESSAGE sip:bob@home.test SIP/2.0\r\n" FROM_TO "Call-ID: no-via\r\nCSeq: 1 MESSAGE\r\n" END);
    send_text(&scene.client,
              REQUEST("MESSAGE", "sip:bob@home.test", "m2", "two-lengths", "Content-Length: 1\r\n" END));
    CHECK(passes(&scene.client, 400));
    CHECK(!receive(&scene.client));
    peer_fini(&scene.client);
    scene.client = (struct peer){.fd = connect_to(&tcp_at)};
    send_text(&scene.client, "GET / HTTP/1.1\r\nHost: proxy.test\r\n\r\n");
    CHECK(!receive(&scene.client));
    scene_end();
}

/* Over UDP an answer larger than 1.5 times the request is not sent, and the line says so. */
TEST(too_small_to_be_answered)
{
    static const char text[] =
        "MESSAGE sip:b SIP/2.0\r\nv:SIP/2.0/UDP c;branch=z9hG4bKt\r\nf:<sip:a@b>;tag=1\r\n"
        "t:<sip:b@b>\r\ni:small\r\nCSeq:1 INFO\r\n\r\n";
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    scene_begin(0);
    CHECK_INT(connect(fd, &udp_at.sa, net_addr_len(&udp_at)), 0);
    CHECK(write(fd, text, sizeof(text) - 1) > 0);
    CHECK(silent(fd, SILENCE_MS));
    close(fd);
    scene_end();
}

/* Beyond the limit of its source there is one line for many, or the log could be flooded. */
enum { FLOOD = 100, FLOODS = 100 };
static unsigned told, refused;

static void flood(struct peer *p)
{
    struct buf all = {0};
    for (unsigned i = 0; i < FLOOD; i++)
        buf_printf(
            &all,
            "MESSAGE sip:bob@home.test SIP/2.0\r\nVia: SIP/2.0/TCP c.test;branch=z9hG4bKf%u-%u\r\n" FROM_TO
            "Call-ID: flood\r\nCSeq: 1 MESSAGE\r\nMax-Forwards: 0\r\n" END,
            told, i);
    CHECK(write(p->fd, all.mem, all.end) == (ssize_t)all.end);
    buf_fini(&all);
    for (unsigned i = 0; i < FLOOD && receive(p); i++) {
        told += p->m.status == 483;
        refused += p->m.status == 503;
    }
}

TEST(flooding)
{
    scene_begin(0);
    for (unsigned i = 0; i < FLOODS && refused < 2; i++)
        flood(&scene.client);
    CHECK(told > 0 && refused > 1);
    scene_end();
}

/* ---------------------------------------------------------------- what is written */
static unsigned lines_with(struct slice text, const char *a, const char *b, const char *c)
{
    unsigned n = 0;
    while (text.n) {
        struct slice line, rest;
        if (!slice_cut(text, '\n', &line, &rest))
            break;
        n += slice_search(line, slice_str(a)) != SIZE_MAX && slice_search(line, slice_str(b)) != SIZE_MAX &&
             slice_search(line, slice_str(c)) != SIZE_MAX;
        text = rest;
    }
    return n;
}

TEST(ends)
{
    static const struct {
        const char *which, *status, *more;
    } lines[] = {
        {"\"method\":\"MESSAGE\",\"call_id\":\"answered\",\"cseq\":1,", "\"status\":200,", "\"attempts\":1,"           },
        {"\"call_id\":\"below\"",                                       "\"status\":404,", "\"attempts\":1,"           },
        {"\"call_id\":\"hops\"",                                        "\"status\":483,", "\"element.too-many-hops\"" },
        {"\"method\":\"INVITE\",\"call_id\":\"cancelled\"",             "\"status\":487,", "\"provisional_ms\":"       },
        {"\"method\":\"CANCEL\",\"call_id\":\"cancelled\"",             "\"status\":200,", "\"peer\":"                 },
        {"\"call_id\":\"nothing-to-cancel\"",                           "\"status\":481,", "\"element.no-transaction\""},
        {"\"method\":\"INVITE\",\"call_id\":\"late\"",                  "\"status\":200,", ""                          },
        {"\"method\":\"CANCEL\",\"call_id\":\"late\"",                  "\"status\":200,", ""                          },
        {"\"call_id\":\"silent-invite\"",                               "\"status\":408,", "\"element.timeout\""       },
        {"\"call_id\":\"silent-message\"",                              "\"status\":0,",   "\"element.timeout\""       },
        {"\"call_id\":\"unreachable\"",                                 "\"status\":504,", "\"element.unreachable\""   },
        {"\"call_id\":\"other-method\"",                                "\"status\":400,", "\"flaw\":\"cseq\""         },
        {"\"call_id\":\"no-via\"",                                      "\"status\":0,",   "\"flaw\":\"missing\""      },
        {"\"call_id\":\"two-lengths\"",                                 "\"status\":400,", "\"flaw\":\"length\""       },
        {"\"call_id\":\"small\"",                                       "\"status\":0,",   "\"flaw\":\"cseq\""         },
        {"\"refusal\":\"element.malformed\"",                           "\"status\":0,",   "\"flaw\":\"start-line\""   },
    };
    enum { LINES = sizeof(lines) / sizeof(lines[0]) };
    struct buf text = {0};
    proxy_end();
    CHECK(journal_flush(access_to.journal, WAIT_MS));
    journal_unref(access_to.journal);
    CHECK(file_read(path, &text));
    for (size_t i = 0; i < LINES; i++)
        if (lines_with(buf_slice(&text), lines[i].which, lines[i].status, lines[i].more) != 1)
            TEST_DIAG("not one line with %s %s %s", lines[i].which, lines[i].status, lines[i].more);
    CHECK_INT(lines_with(buf_slice(&text), "\"flood\"", "\"status\":483,", ""), told);
    CHECK_INT(
        lines_with(buf_slice(&text), "\"flood\"", "\"limit\":\"element.source-requests\"", "\"times\":1,"),
        1);
    CHECK_INT(lines_with(buf_slice(&text), "", "", ""), LINES + told + 1);
    buf_fini(&text);
    unlink(path);
}

TEST_MAIN(begins, answered_and_refused, cancelled, cancelled_too_late, nobody_answers, nobody_is_there,
          malformed, too_small_to_be_answered, flooding, ends)
