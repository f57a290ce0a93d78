/*
 * What RFC 3261 16.3-16.6 and RFC 5393 demand of a request on its way through a proxy, over real sockets.
 * doc/conformance.md names the tests by rule.
 */
#include "element/scene.h"

TEST(begins)
{
    proxy_begin();
    apply_usual();
}

/* ---------------------------------------------------------------- 16.3 validation */
TEST(unknown_methods_and_headers_pass)
{
    static const char body[] = "a\r\n\r\n\x01\xff b";
    scene_begin(1);
    send_text(&scene.client,
              REQUEST("FROBNICATE", "sip:bob@home.test", "um1", "um1",
                      "X-One: 1\r\nSupported: a\r\nX-Odd.n'me!: it\r\nSupported: b, c\r\nX-One: 2\r\n"
                      "Content-Length: %zu\r\n\r\n%s"),
              sizeof(body) - 1, body);
    struct sip_msg *m = arrives(0, "FROBNICATE");
    struct slice text = m->text;
    size_t at = 0;
    /* all of them, the values of one name in their order (16.6 step 1, 7.3.1), the body as it was */
    for (const char *const *row =
             (const char *const[]){"X-One: 1\r\n", "Supported: a\r\n", "Supported: b, c\r\n", "X-One: 2\r\n",
                                   "\r\n\r\na\r\n\r\n\x01\xff b", NULL};
         *row; row++) {
        size_t found = slice_search(slice_from(text, at), slice_str(*row));
        if (found == SIZE_MAX)
            TEST_DIAG("missing or out of order: %s", *row);
        else
            at += found;
    }
    CHECK(slice_search(text, SLICE("X-Odd.n'me!: it")) != SIZE_MAX);
    scene_end();
}

TEST(max_forwards)
{
    scene_begin(1);
    send_text(&scene.client,
              REQUEST("MESSAGE", "sip:bob@home.test", "mf1", "mf1", "Max-Forwards: 0\r\n" END));
    CHECK(got(&scene.client, 483));
    CHECK(untouched(0));
    send_text(&scene.client,
              REQUEST("MESSAGE", "sip:bob@home.test", "mf2", "mf2", "Max-Forwards: 1\r\n" END));
    CHECK_STR(header(arrives(0, "MESSAGE"), "Max-Forwards"), "0");
    send_text(&scene.client, REQUEST("MESSAGE", "sip:bob@home.test", "mf3", "mf3", END));
    CHECK_STR(header(arrives(0, "MESSAGE"), "Max-Forwards"), "70");
    scene_end();
}

TEST(answers_of_our_own)
{
    scene_begin(1);
    send_text(
        &scene.client,
        REQUEST(
            "MESSAGE", "sip:bob@home.test", "an1", "an1",
            "Via: SIP/2.0/UDP before.test;branch=z9hG4bKfirst\r\nTimestamp: 5\r\nMax-Forwards: 0\r\n" END));
    if (got(&scene.client, 483)) {
        const struct sip_msg *m = &scene.client.m;
        const struct sip_header *below = sip_msg_next(m, sip_msg_header(m, SIP_H_VIA));
        CHECK_STR(m->branch, "z9hG4bKan1");
        CHECK_STR(below->value, "SIP/2.0/UDP before.test;branch=z9hG4bKfirst");
        CHECK(!sip_msg_next(m, below));
        CHECK_STR(header(m, "From"), "<sip:alice@home.test>;tag=a1");
        CHECK_STR(m->to.uri_text, "sip:bob@home.test");
        CHECK(m->to_tag.n > 0);
        CHECK_STR(m->call_id, "an1");
        CHECK_STR(header(m, "CSeq"), "1 MESSAGE");
    }
    scene_end();
}

TEST(merged_requests_are_no_error)
{
    scene_begin(1);
    send_text(&scene.client, REQUEST("MESSAGE", "sip:bob@home.test", "me1", "me", END));
    send_text(&scene.client, REQUEST("MESSAGE", "sip:bob@home.test", "me2", "me", END));
    for (size_t i = 0; i < 2; i++) {
        arrives(0, "MESSAGE");
        answer(0, 200, "");
        CHECK(got(&scene.client, 200));
    }
    scene_end();
}

/* Sends what came to the next hop back into the proxy, with one more Via, as the element beyond would. */
static void send_back(struct peer *from, struct peer *to, const char *uri)
{
    struct buf out = {0};
    struct slice text = from->m.text;
    size_t eol = slice_search(text, SLICE("\r\n"));
    static unsigned times;
    buf_printf(&out, "MESSAGE %s SIP/2.0\r\nVia: SIP/2.0/TCP beyond.test;branch=z9hG4bKback%u" SLICE_FMT, uri,
               ++times, SLICE_ARG(slice_from(text, eol)));
    CHECK(write(to->fd, out.mem, out.end) == (ssize_t)out.end);
    buf_fini(&out);
}

TEST(loops_end_and_spirals_pass)
{
    struct peer again = {.fd = connect_to(&tcp_at)};
    scene_begin(1);
    send_text(&scene.client, REQUEST("MESSAGE", "sip:bob@home.test", "lo1", "lo1", END));
    arrives(0, "MESSAGE");
    send_back(&scene.hops[0], &again, "sip:bob@home.test");
    if (got(&again, 482))
        CHECK(slice_search(header(&again.m, "Reason"), SLICE("element.loop")) != SIZE_MAX);
    CHECK(untouched(0));
    send_back(&scene.hops[0], &again, "sip:carol@home.test"); /* another Request-URI: a spiral */
    CHECK_STR(arrives(0, "MESSAGE")->uri, "sip:carol@home.test");
    peer_fini(&again);
    scene_end();
}

TEST(unknown_extensions_are_refused)
{
    scene_begin(1);
    send_text(&scene.client,
              REQUEST("MESSAGE", "sip:bob@home.test", "ex1", "ex1", "Proxy-Require: foo, bar\r\n" END));
    if (got(&scene.client, 420))
        CHECK_STR(header(&scene.client.m, "Unsupported"), "foo, bar");
    CHECK(untouched(0));
    scene_end();
}

/* ---------------------------------------------------------------- 16.4 and 16.6 step 6: routes */
TEST(strict_router_before_us_is_undone)
{
    scene_begin(1);
    send_text(&scene.client, REQUEST("MESSAGE", "sip:proxy.test;lr", "st1", "st1",
                                     "Route: <sip:next.test;lr>, <sip:bob@home.test>\r\n" END));
    struct sip_msg *m = arrives(0, "MESSAGE");
    CHECK_STR(m->uri, "sip:bob@home.test");
    CHECK_STR(header(m, "Route"), "<sip:next.test;lr>");
    scene_end();
}

TEST(own_route_is_taken_off)
{
    scene_begin(1);
    send_text(&scene.client, REQUEST("MESSAGE", "sip:bob@home.test", "ro1", "ro1",
                                     "Route: <sip:proxy.test;lr>\r\nRoute: <sip:next.test;lr>\r\n" END));
    struct sip_msg *m = arrives(0, "MESSAGE");
    CHECK_STR(m->uri, "sip:bob@home.test");
    CHECK_STR(header(m, "Route"), "<sip:next.test;lr>");
    scene_end();
}

TEST(strict_router_after_us_gets_its_form)
{
    scene_begin(1);
    send_text(&scene.client,
              REQUEST("MESSAGE", "sip:bob@home.test", "sr1", "sr1",
                      "Route: <sip:proxy.test;lr>, <sip:old.test>, <sip:last.test;lr>\r\n" END));
    struct sip_msg *m = arrives(0, "MESSAGE");
    CHECK_STR(m->uri, "sip:old.test");
    CHECK_STR(header(m, "Route"), "<sip:last.test;lr>, <sip:bob@home.test>");
    scene_end();
}

TEST(record_route_stands_before_others)
{
    scene_begin(1);
    send_text(&scene.client, REQUEST("INVITE", "sip:bob@home.test", "rr1", "rr1",
                                     "Record-Route: <sip:first.test;lr>\r\n" END));
    struct sip_values v = sip_values(arrives(0, "INVITE"), SIP_H_RECORD_ROUTE);
    struct slice value;
    CHECK(sip_values_next(&v, &value));
    CHECK_STR(value, "<sip:proxy.test;lr>");
    CHECK(sip_values_next(&v, &value));
    CHECK_STR(value, "<sip:first.test;lr>");
    answer(0, 486, "");
    CHECK(got(&scene.client, 486));
    scene_end();
}

TEST(request_uri_is_the_targets)
{
    scene_begin(1);
    plan.uri = "sip:bob@192.0.2.7:5099;transport=tcp";
    send_text(&scene.client, REQUEST("MESSAGE", "sip:bob@home.test", "ru1", "ru1", END));
    CHECK_STR(arrives(0, "MESSAGE")->uri, "sip:bob@192.0.2.7:5099;transport=tcp");
    scene_end();
}

/* ---------------------------------------------------------------- 16.6 steps 8 to 10 */
TEST(each_attempt_has_its_own_branch)
{
    scene_begin(2);
    char first[BRANCH_SIZE];
    send_text(&scene.client, REQUEST("INVITE", "sip:bob@home.test", "br1", "br1", END));
    struct slice branch = arrives(0, "INVITE")->branch;
    snprintf(first, sizeof(first), SLICE_FMT, SLICE_ARG(branch));
    CHECK(slice_starts(slice_str(first), SLICE("z9hG4bK")));
    answer(0, 503, "");
    CHECK_STR(arrives(0, "ACK")->branch, first); /* the ACK of a non-2xx is of its transaction */
    struct sip_values v = sip_values(arrives(1, "INVITE"), SIP_H_VIA);
    struct slice value;
    CHECK(!slice_eq(scene.hops[1].m.branch, slice_str(first)));
    CHECK(sip_values_next(&v, &value) && slice_search(value, SLICE("proxy.test")) != SIZE_MAX);
    CHECK(sip_values_next(&v, &value) && slice_search(value, SLICE("client.test")) != SIZE_MAX);
    CHECK(!sip_values_next(&v, &value)); /* ours, before the one that was there */
    answer(1, 200, "");
    CHECK(got(&scene.client, 200));
    scene_end();
}

TEST(content_length_is_added_for_a_stream)
{
    static const char text[] =
        "MESSAGE sip:bob@home.test SIP/2.0\r\nVia: SIP/2.0/UDP c.test;rport;branch=z9hG4bKcl1\r\n" FROM_TO
        "Call-ID: cl1\r\nCSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\n\r\nhello";
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    scene_begin(1);
    CHECK_INT(connect(fd, &udp_at.sa, net_addr_len(&udp_at)), 0);
    CHECK(write(fd, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1);
    struct sip_msg *m = arrives(0, "MESSAGE");
    CHECK_STR(header(m, "Content-Length"), "5");
    CHECK_STR(m->body, "hello");
    close(fd);
    scene_end();
}

/* ---------------------------------------------------------------- RFC 5393 */
TEST(breadth_is_shared_and_not_exceeded)
{
    scene_begin(2);
    plan.parallel = true;
    plan.q_second = 1;
    send_text(&scene.client, REQUEST("INVITE", "sip:bob@home.test", "wi1", "wi1", "Max-Breadth: 1\r\n" END));
    CHECK(passes(&scene.client, 440));
    CHECK(untouched(0));
    send_text(&scene.client, REQUEST("INVITE", "sip:bob@home.test", "wi2", "wi2", "Max-Breadth: 5\r\n" END));
    uint32_t sum = 0, one;
    for (size_t i = 0; i < 2; i++) {
        CHECK_INT(sip_number_parse(header(arrives(i, "INVITE"), "Max-Breadth"), &one), 0);
        sum += one;
    }
    CHECK(sum >= 2 && sum <= 5);
    scene_end();
    scene_begin(1);
    send_text(&scene.client, REQUEST("MESSAGE", "sip:bob@home.test", "wi3", "wi3", END));
    CHECK_STR(header(arrives(0, "MESSAGE"), "Max-Breadth"), "60");
    scene_end();
}

TEST(ends)
{
    proxy_end();
}

TEST_MAIN(begins, unknown_methods_and_headers_pass, max_forwards, answers_of_our_own,
          merged_requests_are_no_error, loops_end_and_spirals_pass, unknown_extensions_are_refused,
          strict_router_before_us_is_undone, own_route_is_taken_off, strict_router_after_us_gets_its_form,
          record_route_stands_before_others, request_uri_is_the_targets, each_attempt_has_its_own_branch,
          content_length_is_added_for_a_stream, breadth_is_shared_and_not_exceeded, ends)
