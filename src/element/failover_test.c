/* What becomes of a request whose target fails, and of the target: over real sockets, two workers. */
#include "element/targets_for_test.h"

TEST(starts)
{
    targets_begin();
    apply(1);
}

/* Refused: the next target at once; the address is left alone until a probe is answered, and then used. */
TEST(connect_refused_then_recovered)
{
    struct peer client = {.fd = connect_to(&tcp_at)}, one = {0}, two = {0};
    begin(2);
    pick_port(&targets[0].addr);
    int l2 = listen_any(&targets[1].addr);
    message(&client, "a1");
    two.fd = accept_one(l2);
    CHECK(served(&two));
    CHECK(got(&client, 200));
    CHECK(failed_by(0, "could not connect"));
    int l1 = listen_at(&targets[0].addr);
    message(&client, "a2"); /* not there, although somebody listens again */
    CHECK(served(&two));
    CHECK(got(&client, 200));
    one.fd = accept_one(l1);
    if (got_request(&one, SIP_OPTIONS)) {
        CHECK_STR(sip_msg_value(&one.m, SIP_H_MAX_FORWARDS), "1");
        CHECK_STR(one.m.from_tag.n ? SLICE("tag") : SLICE("none"), "tag");
        respond(&one, 200, "p");
    }
    CHECK(in_state(0, "good"));
    message(&client, "a3");
    CHECK(served(&one));
    CHECK(got(&client, 200));
    close(l1);
    close(l2);
    peer_fini(&client);
    peer_fini(&one);
    peer_fini(&two);
}

/* Nobody answers the SYN. */
TEST(connect_takes_too_long)
{
    enum { FULL = 8 };
    struct peer client = {.fd = connect_to(&tcp_at)}, two = {0};
    begin(2);
    int l1 = listen_any(&targets[0].addr), l2 = listen_any(&targets[1].addr), fill[FULL];
    listen(l1, 0); /* its queue is full after these, and further connections wait for ever */
    for (int i = 0; i < FULL; i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(fill[i], &targets[0].addr.sa, net_addr_len(&targets[0].addr));
    }
    message(&client, "b1");
    two.fd = accept_one(l2);
    CHECK(served(&two));
    CHECK(got(&client, 200));
    CHECK(failed_by(0, "connecting took too long"));
    for (int i = 0; i < FULL; i++)
        close(fill[i]);
    close(l1);
    close(l2);
    peer_fini(&client);
    peer_fini(&two);
}

TEST(tls_fails)
{
    struct peer client = {.fd = connect_to(&tcp_at)}, two = {0};
    char hello[512];
    begin(2);
    targets[0].transport = SIP_TLS;
    int l1 = listen_any(&targets[0].addr), l2 = listen_any(&targets[1].addr);
    message(&client, "c1");
    int fd = accept_one(l1);
    CHECK(readable(fd) && read(fd, hello, sizeof(hello)) > 0);
    CHECK(write(fd, "HTTP/1.0 400 what?\r\n\r\n", 22) == 22);
    two.fd = accept_one(l2);
    CHECK(served(&two));
    CHECK(got(&client, 200));
    CHECK(failed_by(0, "TLS failed"));
    close(fd);
    close(l1);
    close(l2);
    peer_fini(&client);
    peer_fini(&two);
}

/* Lost or closed with the request unanswered: the next target, and no request more to the one that was lost.
 */
TEST(connection_lost)
{
    for (int reset = 1; reset >= 0; reset--) {
        struct peer client = {.fd = connect_to(&tcp_at)}, one = {0}, two = {0};
        begin(2);
        int l1 = listen_any(&targets[0].addr), l2 = listen_any(&targets[1].addr);
        message(&client, "d1");
        one.fd = accept_one(l1);
        CHECK(got_request(&one, SIP_MESSAGE));
        struct linger at_once = {reset, 0};
        setsockopt(one.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        close(one.fd);
        one.fd = -1;
        two.fd = accept_one(l2);
        CHECK(served(&two));
        CHECK(got(&client, 200));
        if (reset) {
            CHECK(failed_by(0, "lost"));
            message(&client, "d2");
            CHECK(served(&two));
            CHECK(got(&client, 200));
        }
        close(l1);
        close(l2);
        peer_fini(&client);
        peer_fini(&one);
        peer_fini(&two);
    }
}

/* Silence: the next target after attempt_ms; a probe that is answered clears the first, one that is not
 * blocks it. */
TEST(silence_is_probed)
{
    struct peer client = {.fd = connect_to(&tcp_at)}, one = {0}, two = {0};
    begin(2);
    int l1 = listen_any(&targets[0].addr), l2 = listen_any(&targets[1].addr);
    for (int i = 0; i < 2; i++) {
        message(&client, i ? "e2" : "e1");
        if (i == 0)
            one.fd = accept_one(l1);
        CHECK(got_request(&one, SIP_MESSAGE));
        if (i == 0)
            two.fd = accept_one(l2);
        CHECK(served(&two));
        CHECK(got(&client, 200));
        CHECK(got_request(&one, SIP_OPTIONS));
        if (i == 0)
            respond(&one, 405, "p"); /* any answer will do */
        CHECK(in_state(0, i ? "blocked" : "good"));
    }
    close(l1);
    close(l2);
    peer_fini(&client);
    peer_fini(&one);
    peer_fini(&two);
}

/* 503: the next target. For as long as Retry-After says (here: our longest) nothing more goes there. */
TEST(unavailable_with_retry_after)
{
    struct peer client = {.fd = connect_to(&tcp_at)}, one = {0}, two = {0};
    begin(2);
    int l1 = listen_any(&targets[0].addr), l2 = listen_any(&targets[1].addr);
    struct element_destination d;
    char error[160];
    message(&client, "f1");
    one.fd = accept_one(l1);
    CHECK(served_with(&one, 503, "Retry-After: 7200 (upgrade)\r\n"));
    two.fd = accept_one(l2);
    CHECK(served(&two));
    CHECK(!slice_eq(one.m.branch, two.m.branch)); /* a transaction of its own */
    CHECK_STR(two.m.call_id, "f1");
    CHECK(got(&client, 200));
    CHECK(destination(0, &d, error) && d.state != HEALTH_GOOD && d.blocked_ms > 1500 && d.blocked_ms <= 3000);
    message(&client, "f2");
    CHECK(served(&two));
    CHECK(got(&client, 200));
    /* the same without Retry-After, from the only one that is left: 503 becomes 500 (RFC 3261 16.7) */
    n_targets = 1;
    targets[0] = targets[1];
    message(&client, "f3");
    CHECK(served_with(&two, 503, ""));
    if (got(&client, 500))
        CHECK(slice_search(sip_msg_value(&client.m, SIP_H_MS_DIAGNOSTICS),
                           SLICE("element.below-unavailable")) != SIZE_MAX);
    CHECK(failed_by(0, "503"));
    close(l1);
    close(l2);
    peer_fini(&client);
    peer_fini(&one);
    peer_fini(&two);
}

/* Nothing good is left: the least bad is tried, at once. */
TEST(all_are_bad)
{
    struct peer client = {.fd = connect_to(&tcp_at)}, one = {0};
    begin(2);
    pick_port(&targets[0].addr);
    pick_port(&targets[1].addr);
    message(&client, "g1");
    if (got(&client, 504))
        CHECK(slice_search(sip_msg_value(&client.m, SIP_H_REASON), SLICE("element.unreachable")) != SIZE_MAX);
    CHECK(failed_by(0, "could not connect"));
    CHECK(failed_by(1, "could not connect"));
    int l1 = listen_at(&targets[0].addr);
    message(&client, "g2");
    one.fd = accept_one(l1);
    CHECK(served(&one));
    CHECK(got(&client, 200));
    CHECK(in_state(0, "good")); /* by the answer, no probe was needed */
    close(l1);
    peer_fini(&client);
    peer_fini(&one);
}

/* As many attempts as are allowed, and no more: four by default, though the fifth would do. */
TEST(attempts_are_limited)
{
    struct peer client = {.fd = connect_to(&tcp_at)}, last = {0};
    begin(5);
    for (int i = 0; i < 4; i++)
        pick_port(&targets[i].addr);
    int l = listen_any(&targets[4].addr);
    message(&client, "h1");
    CHECK(got(&client, 504));
    for (size_t i = 0; i < 4; i++)
        CHECK(failed_by(i, "could not connect"));
    message(&client, "h2"); /* now it comes first */
    last.fd = accept_one(l);
    CHECK(got_request(&last, SIP_MESSAGE));
    CHECK_STR(last.m.call_id, "h2"); /* and has seen nothing of h1 */
    respond(&last, 200, "t");
    CHECK(got(&client, 200));
    close(l);
    peer_fini(&client);
    peer_fini(&last);
}

/* A target that has said 100 works on it: no other is asked, or the message would arrive twice. */
TEST(patience_after_100)
{
    struct peer client = {.fd = connect_to(&tcp_at)}, one = {0};
    begin(2);
    int l1 = listen_any(&targets[0].addr), l2 = listen_any(&targets[1].addr);
    message(&client, "p1");
    one.fd = accept_one(l1);
    CHECK(got_request(&one, SIP_MESSAGE));
    respond(&one, 100, "");
    struct pollfd second = {l2, POLLIN, 0};
    CHECK_INT(poll(&second, 1, ATTEMPT_MS + 2500), 0);
    respond(&one, 200, "b1");
    CHECK(got(&client, 100)); /* ours, after 3.5 s */
    CHECK(got(&client, 200));
    close(l1);
    close(l2);
    peer_fini(&client);
    peer_fini(&one);
}

TEST(ends)
{
    targets_end();
}

TEST_MAIN(starts, connect_refused_then_recovered, connect_takes_too_long, tls_fails, connection_lost,
          silence_is_probed, unavailable_with_retry_after, all_are_bad, attempts_are_limited,
          patience_after_100, ends)
