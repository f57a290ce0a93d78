/* INVITEs that were answered with 2xx (RFC 6026): what is kept of them, and how long. */
#include "element/scene.h"

#define UDP_REQUEST(method, branch)                                                                          \
    method " sip:bob@home.test SIP/2.0\r\nVia: SIP/2.0/UDP c.test;rport;branch=z9hG4bK" branch               \
           "\r\n" FROM_TO "Call-ID: " branch "\r\nCSeq: 1 " method "\r\n" END

TEST(begins)
{
    proxy_begin();
    apply_usual();
}

/* How many INVITEs are kept for further 2xx, when there are some. */
static struct element_load wait_accepted(uint64_t least, uint64_t most)
{
    struct element_load load;
    for (int ms = 0; ms < WAIT_MS; ms++) {
        element_load(element, &load);
        if (load.accepted >= least && load.accepted <= most)
            break;
        usleep(1000);
    }
    CHECK(load.accepted >= least && load.accepted <= most);
    return load;
}

static void check_further(const char *rows, const char *from)
{
    const struct sip_msg *m = &scene.client.m;
    CHECK(passes(&scene.client, 200));
    CHECK_SLICE(header(m, "X-From"), slice_str(from));
    CHECK_SLICE(header(m, "X-Mark"), slice_str(rows));
    CHECK_SLICE(header(m, "Via"), SLICE("SIP/2.0/TCP client.test:5060;branch=z9hG4bKfu;received=127.0.0.1, "
                                        "SIP/2.0/TCP before.test;branch=z9hG4bKb"));
}

TEST(an_accepted_invite_is_small_and_passes_further_2xx)
{
    enum { BYTES = 1024 }; /* of two branches, with the Vias and the service's part; one alone is less */
    scene_begin(2);
    plan.parallel = plan.keeps_vias = true;
    plan.q_second = 1;
    plan.mark = "kept";
    send_text(&scene.client, REQUEST("INVITE", "sip:bob@home.test", "fu", "fu",
                                     "Via: SIP/2.0/TCP before.test;branch=z9hG4bKb\r\n" END));
    arrives(0, "INVITE");
    arrives(1, "INVITE");
    answer(0, 200, "X-From: 0\r\n");
    check_further("kept", "0");
    answer(1, 200, "X-From: 1\r\n");
    check_further("kept", "1");
    struct element_load load = wait_accepted(1, UINT64_MAX);
    CHECK(load.accepted_bytes > 0 && load.accepted_bytes <= load.accepted * BYTES);
    for (int again = 0; again < 2; again++) {
        answer(0, 200, "X-From: 0\r\n");
        check_further("kept", "0");
        answer(1, 200, "X-From: 1\r\n");
        check_further("kept", "1");
    }
    answer(0, 180, "");
    answer(1, 486, ""); /* too late, both */
    send_text(&scene.client, REQUEST("INVITE", "sip:bob@home.test", "fu", "fu", END));
    send_text(&scene.client, REQUEST("ACK", "sip:bob@home.test", "fu", "fu", END));
    send_text(&scene.client, REQUEST("CANCEL", "sip:bob@home.test", "fu", "fu", END));
    CHECK(passes(&scene.client, 200));
    CHECK(scene.client.m.cseq_method == SIP_CANCEL);
    CHECK(untouched(0) && untouched(1) && silent(scene.client.fd, SILENCE_MS));
    scene_end();
}

TEST(an_accepted_invite_absorbs_its_retransmissions)
{
    static const char invite[] =
        "INVITE sip:bob@home.test SIP/2.0\r\nVia: SIP/2.0/UDP c.test;rport;branch=z9hG4bKac1\r\n" FROM_TO
        "Call-ID: ac1\r\nCSeq: 1 INVITE\r\n" END;
    char in[4096];
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    scene_begin(1);
    CHECK_INT(connect(fd, &udp_at.sa, net_addr_len(&udp_at)), 0);
    CHECK(write(fd, invite, sizeof(invite) - 1) > 0);
    arrives(0, "INVITE");
    answer(0, 200, "");
    do {
        CHECK(readable(fd) && read(fd, in, sizeof(in)) > 12);
    } while (memcmp(in, "SIP/2.0 100", 11) == 0);
    CHECK(memcmp(in, "SIP/2.0 200", 11) == 0);
    CHECK(write(fd, invite, sizeof(invite) - 1) > 0);
    CHECK(silent(fd, SILENCE_MS)); /* the 200 is the callee's to repeat, not ours */
    CHECK(untouched(0));
    answer(0, 200, "");
    CHECK(readable(fd) && read(fd, in, sizeof(in)) > 12 && memcmp(in, "SIP/2.0 200", 11) == 0);
    close(fd);
    scene_end();
}

TEST(the_ack_of_a_2xx_passes_and_others_end_here)
{
    scene_begin(1);
    send_text(&scene.client, REQUEST("INVITE", "sip:bob@home.test", "ak1", "ak1", END));
    arrives(0, "INVITE");
    answer(0, 200, "");
    CHECK(passes(&scene.client, 200));
    send_text(&scene.client, REQUEST("ACK", "sip:bob@home.test", "ak1-ack", "ak1", END));
    CHECK(!slice_eq(arrives(0, "ACK")->branch, SLICE("z9hG4bKak1-ack")));
    send_text(&scene.client, REQUEST("INVITE", "sip:bob@home.test", "ak2", "ak2", END));
    arrives(0, "INVITE");
    answer(0, 404, "");
    arrives(0, "ACK"); /* ours */
    CHECK(passes(&scene.client, 404));
    send_text(&scene.client, REQUEST("ACK", "sip:bob@home.test", "ak2", "ak2", END));
    CHECK(untouched(0));
    scene_end();
}

TEST(an_accepted_invite_ends)
{
    enum { SHORT_T1_MS = 5 };
    struct siptxn_times times = siptxn_rfc_times;
    times.t1 = SHORT_T1_MS;
    apply(times, 185000);
    scene_begin(1);
    send_text(&scene.client, REQUEST("INVITE", "sip:bob@home.test", "ae", "ae", END));
    arrives(0, "INVITE");
    answer(0, 200, "");
    CHECK(passes(&scene.client, 200));
    usleep(64 * SHORT_T1_MS * 1000);
    CHECK_INT(wait_accepted(0, 0).accepted_bytes, 0);
    answer(0, 200, "");
    CHECK(silent(scene.client.fd, SILENCE_MS));
    scene_end();
    apply_usual();
}

/* The socket that they came by is closed: nobody hears of it, and nothing of it is touched. */
TEST(a_listener_goes_while_requests_are_under_way)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct peer invited;
    char in[4096];
    scene_begin(1);
    CHECK_INT(connect(fd, &udp_at.sa, net_addr_len(&udp_at)), 0);
    CHECK(dprintf(fd, UDP_REQUEST("INVITE", "li1")) > 0);
    arrives(0, "INVITE");
    invited = (struct peer){.fd = dup(scene.hops[0].fd), .text = slice_dup(scene.hops[0].m.text)};
    enum sip_flaw flaw;
    CHECK_INT(sip_msg_parse(slice_str(invited.text), &invited.arena, &invited.m, &flaw), 0);
    answer(0, 200, "");
    do {
        CHECK(readable(fd) && read(fd, in, sizeof(in)) > 12);
    } while (memcmp(in, "SIP/2.0 100", 11) == 0);
    CHECK(memcmp(in, "SIP/2.0 200", 11) == 0);
    wait_accepted(1, UINT64_MAX);
    CHECK(dprintf(fd, UDP_REQUEST("MESSAGE", "li2")) > 0);
    arrives(0, "MESSAGE");
    without_udp = true;
    apply_usual();
    respond(&invited, 200, "b1");
    answer(0, 200, "");
    request(&scene.client, "OPTIONS", "li3", "li3", 1, "");
    arrives(0, "OPTIONS");
    answer(0, 200, "");
    CHECK(passes(&scene.client, 200)); /* so the others have been dealt with */
    CHECK(silent(fd, SILENCE_MS));
    without_udp = false;
    apply_usual();
    peer_fini(&invited);
    close(fd);
    scene_end();
}

TEST(ends)
{
    proxy_end();
}

/* The first of them waits until none is kept. */
TEST_MAIN(begins, an_accepted_invite_ends, an_accepted_invite_absorbs_its_retransmissions,
          the_ack_of_a_2xx_passes_and_others_end_here, an_accepted_invite_is_small_and_passes_further_2xx,
          a_listener_goes_while_requests_are_under_way, ends)
