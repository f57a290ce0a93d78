/* The element over real sockets: two workers, plain TCP and UDP, a service that forwards to one fixed
 * address. */
#include "element/fixture.h"

#include <pthread.h>

static struct element *element;
static struct net_addr tcp_at, udp_at;
static struct net_addr next_hops[4];
static size_t n_next_hops;
static bool parallel;

/* ---------------------------------------------------------------- the service */
static void on_request(struct request *rq)
{
    struct forward_branch b[4] = {0};
    struct target_address to[4] = {0};
    struct sip_edits edits;
    sip_edits_init(&edits);
    if (request_msg(rq)->method == SIP_REGISTER) {
        request_reply(rq, &(struct reply){.status = 200});
        return;
    }
    if (request_msg(rq)->to_tag.n == 0)
        sip_edit_top(&edits, "Record-Route", SLICE("<sip:proxy.test;lr>"));
    for (size_t i = 0; i < n_next_hops; i++) {
        to[i].addr = next_hops[i];
        to[i].transport = SIP_TCP;
    }
    size_t n = parallel ? n_next_hops : 1;
    for (size_t i = 0; i < n; i++)
        b[i].target = (struct target){.kind = TARGET_ADDRESSES,
                                      .side = SIDE_INTERNAL,
                                      .addresses = to + (parallel ? i : 0),
                                      .n_addresses = parallel ? 1 : n_next_hops};
    request_forward(rq, &(struct forward){.branches = b, .n = n, .edits = &edits});
}

static const struct element_ops ops = {.is_own_uri = own_uri, .request = on_request};

static void apply(bool stopping)
{
    struct element_config *c = config_of(&ops);
    c->stopping = stopping;
    c->idle_close_ms = 100;
    c->linger_ms = 2000;
    c->connect_ms = 1000;
    listen_on(c, &tcp_at, SIP_TCP, NULL);
    listen_on(c, &udp_at, SIP_UDP, NULL);
    run(element, c);
}

static atomic_bool hammering;

/* Connects as fast as it can, also while nobody listens yet. */
static void *hammer(void *arg)
{
    (void)arg;
    while (hammering) {
        int fd = connect_to(&tcp_at);
        if (fd >= 0)
            close(fd);
    }
    return NULL;
}

/* Peers connect the moment that the port opens: before every worker has its configuration. */
TEST(starts_while_peers_connect)
{
    pthread_t threads[2];
    pick_port(&tcp_at);
    pick_port(&udp_at);
    hammering = true;
    for (int i = 0; i < 2; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, hammer, NULL), 0);
    for (int i = 0; i < 20; i++) {
        element = element_begin(2);
        apply(false);
        if (i == 19)
            break;
        element_end(element);
    }
    hammering = false;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

TEST(message_goes_through)
{
    struct peer client = {.fd = connect_to(&tcp_at)}, server = {0};
    int ls = listen_any(&next_hops[0]);
    n_next_hops = 1;
    send_text(&client, "\r\n\r\n");
    request(&client, "MESSAGE", "m1", "call-m1", 1,
            "Route: <sip:proxy.test;lr>, <sip:other.test;lr>\r\nX-Unknown: kept\r\n");
    server.fd = accept_one(ls);
    if (got_request(&server, SIP_MESSAGE)) {
        CHECK_STR(sip_msg_value(&server.m, SIP_H_MAX_FORWARDS), "69");
        CHECK_STR(sip_msg_value(&server.m, SIP_H_ROUTE), "<sip:other.test;lr>");
        CHECK_STR(sip_msg_named(&server.m, SLICE("x-unknown"))->value, "kept");
        CHECK(slice_starts(server.m.branch, SLICE("z9hG4bKe")));
        respond(&server, 200, "b1");
    }
    if (got(&client, 200)) {
        CHECK_STR(client.m.branch, "z9hG4bKm1");
        CHECK(slice_search(sip_msg_value(&client.m, SIP_H_VIA), SLICE("received=127.0.0.1")) != SIZE_MAX);
    }
    CHECK(buf_len(&client.in) == 0); /* the CRLF that answers the ping was taken by receive */
    close(ls);
    peer_fini(&client);
    peer_fini(&server);
}

TEST(call_with_ack_and_non_2xx)
{
    struct peer client = {.fd = connect_to(&tcp_at)}, server = {0};
    int ls = listen_any(&next_hops[0]);
    n_next_hops = 1;
    request(&client, "INVITE", "i1", "call-i1", 1, "");
    server.fd = accept_one(ls);
    CHECK(got_request(&server, SIP_INVITE));
    respond(&server, 180, "b1");
    CHECK(got(&client, 180));
    respond(&server, 200, "b1");
    if (got(&client, 200))
        CHECK_STR(sip_msg_value(&client.m, SIP_H_RECORD_ROUTE), "<sip:proxy.test;lr>");
    request(&client, "ACK", "i1ack", "call-i1", 1, "Route: <sip:proxy.test;lr>\r\n");
    CHECK(got_request(&server, SIP_ACK));
    /* busy: our own ACK goes down, the caller's ends at the proxy */
    request(&client, "INVITE", "i2", "call-i2", 1, "");
    CHECK(got_request(&server, SIP_INVITE));
    respond(&server, 486, "b2");
    CHECK(got_request(&server, SIP_ACK));
    if (got(&client, 486))
        CHECK_STR(client.m.to_tag, "b2");
    request(&client, "ACK", "i2", "call-i2", 1, "");
    request(&client, "MESSAGE", "i3", "call-i3", 1, "");
    CHECK(got_request(&server, SIP_MESSAGE)); /* and not the ACK */
    respond(&server, 200, "x");
    CHECK(got(&client, 200));
    close(ls);
    peer_fini(&client);
    peer_fini(&server);
}

/* From another connection, so perhaps at another worker: CANCEL finds its INVITE. */
TEST(cancel_from_another_connection)
{
    for (int i = 0; i < 8; i++) {
        struct peer client = {.fd = connect_to(&tcp_at)}, second = {.fd = connect_to(&tcp_at)}, server = {0};
        char branch[24], call[24];
        int ls = listen_any(&next_hops[0]);
        n_next_hops = 1;
        snprintf(branch, sizeof(branch), "c%d", i);
        snprintf(call, sizeof(call), "call-c%d", i);
        request(&client, "INVITE", branch, call, 1, "");
        server.fd = accept_one(ls);
        CHECK(got_request(&server, SIP_INVITE));
        struct peer invite = {.fd = dup(server.fd), .text = mem_strdup(server.text)};
        enum sip_flaw flaw;
        CHECK_INT(sip_msg_parse(slice_str(invite.text), &invite.arena, &invite.m, &flaw), 0);
        respond(&server, 180, "b1");
        CHECK(got(&client, 180));
        request(&second, "CANCEL", branch, call, 1, "");
        CHECK(got(&second, 200));
        CHECK(got_request(&server, SIP_CANCEL));
        CHECK_SLICE(server.m.branch, invite.m.branch);
        respond(&server, 200, "b1");
        respond(&invite, 487, "b1");
        CHECK(got(&client, 487));
        CHECK(got_request(&server, SIP_ACK));
        request(&client, "ACK", branch, call, 1, "");
        close(ls);
        peer_fini(&client);
        peer_fini(&second);
        peer_fini(&server);
        peer_fini(&invite);
    }
}

TEST(forks)
{
    struct peer client = {.fd = connect_to(&tcp_at)}, one = {0}, two = {0};
    int l1 = listen_any(&next_hops[0]), l2 = listen_any(&next_hops[1]);
    n_next_hops = 2;
    parallel = true;
    request(&client, "INVITE", "k1", "call-k1", 1, "");
    one.fd = accept_one(l1);
    two.fd = accept_one(l2);
    CHECK(got_request(&one, SIP_INVITE));
    if (got_request(&two, SIP_INVITE))
        CHECK_STR(sip_msg_value(&two.m, SIP_H_MAX_BREADTH), "30");
    respond(&one, 486, "b1");
    CHECK(got_request(&one, SIP_ACK));
    respond(&two, 200, "b2");
    CHECK(got(&client, 200));
    request(&client, "INVITE", "k2", "call-k2", 1, "");
    CHECK(got_request(&one, SIP_INVITE));
    CHECK(got_request(&two, SIP_INVITE));
    respond(&two, 180, "b2");
    CHECK(got(&client, 180));
    respond(&one, 200, "b1");
    CHECK(got(&client, 200));
    CHECK(got_request(&two, SIP_CANCEL)); /* answered elsewhere */
    parallel = false;
    close(l1);
    close(l2);
    peer_fini(&client);
    peer_fini(&one);
    peer_fini(&two);
}

TEST(refusals)
{
    struct peer client = {.fd = connect_to(&tcp_at)};
    struct {
        const char *name, *more;
        unsigned status;
    } rows[] = {
        {"r1", "Proxy-Require: foo, ms-benotify\r\n",                                       420},
        {"r2", "Via: SIP/2.0/TCP x.test;branch=z9hG4bKzz\r\nRoute: <sip:proxy.test;lr\r\n", 0  },
    };
    request(&client, "MESSAGE", rows[0].name, "call-r1", 1, rows[0].more);
    if (got(&client, rows[0].status))
        CHECK_STR(sip_msg_value(&client.m, SIP_H_UNSUPPORTED), "foo");
    send_text(
        &client,
        "MESSAGE sip:bob@home.test SIP/2.0\r\nVia: SIP/2.0/TCP c.test;branch=z9hG4bKr3\r\nMax-Forwards: 0\r\n"
        "From: <sip:a@b.test>;tag=1\r\nTo: <sip:bob@home.test>\r\nCall-ID: r3\r\nCSeq: 1 MESSAGE\r\n"
        "Content-Length: 0\r\n\r\n");
    CHECK(got(&client, 483));
    send_text(&client,
              "MESSAGE mailto:bob@home.test SIP/2.0\r\nVia: SIP/2.0/TCP c.test;branch=z9hG4bKr4\r\n"
              "From: <sip:a@b.test>;tag=1\r\nTo: <sip:bob@home.test>\r\nCall-ID: r4\r\nCSeq: 1 MESSAGE\r\n"
              "Content-Length: 0\r\n\r\n");
    CHECK(got(&client, 416));
    request(&client, "CANCEL", "nothing", "call-r5", 1, "");
    CHECK(got(&client, 481));
    send_text(&client, "MESSAGE sip:bob@home.test?Route=%%3Csip:evil.test%%3E SIP/2.0\r\n"
                       "Via: SIP/2.0/TCP c.test;branch=z9hG4bKr9\r\nFrom: <sip:a@b.test>;tag=1\r\nTo: "
                       "<sip:bob@home.test>\r\n"
                       "Call-ID: r9\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n");
    CHECK(got(&client, 400));
    /* RFC 4475 3.1.2.9: told what is wrong, and closed */
    send_text(&client,
              "MESSAGE  sip:bob@home.test SIP/2.0\r\nVia: SIP/2.0/TCP c.test;branch=z9hG4bKr6\r\n"
              "From: <sip:a@b.test>;tag=1\r\nTo: <sip:bob@home.test>\r\nCall-ID: r6\r\nCSeq: 1 MESSAGE\r\n"
              "Content-Length: 0\r\n\r\n");
    CHECK(got(&client, 400));
    char c;
    CHECK(readable(client.fd) && read(client.fd, &c, 1) <= 0);
    peer_fini(&client);
    struct peer other = {.fd = connect_to(&tcp_at)};
    send_text(&other, "this is not SIP at all\r\n\r\n");
    CHECK(readable(other.fd) && read(other.fd, &c, 1) <= 0);
    peer_fini(&other);
}

/* RFC 4475 3.2.1: two requests with nothing but the cookie are two transactions. */
TEST(a_cookie_identifies_nothing)
{
    struct peer server = {0};
    int ls = listen_any(&next_hops[0]), fd = socket(AF_INET, SOCK_DGRAM, 0);
    char text[2048];
    n_next_hops = 1;
    connect(fd, &udp_at.sa, net_addr_len(&udp_at));
    for (int i = 0; i < 2; i++) {
        int n =
            snprintf(text, sizeof(text),
                     "MESSAGE sip:bob@home.test SIP/2.0\r\nVia: SIP/2.0/UDP c.test;rport;branch=z9hG4bK\r\n"
                     "From: <sip:a@b.test>;tag=1\r\nTo: <sip:bob@home.test>\r\nCall-ID: cookie-%d\r\n"
                     "CSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n",
                     i);
        CHECK(write(fd, text, (size_t)n) == n);
        if (i == 0)
            server.fd = accept_one(ls);
        snprintf(text, sizeof(text), "cookie-%d", i);
        if (got_request(&server, SIP_MESSAGE))
            CHECK_STR(server.m.call_id, text);
    }
    close(fd);
    close(ls);
    peer_fini(&server);
}

TEST(udp_and_its_retransmissions)
{
    struct peer server = {0};
    int ls = listen_any(&next_hops[0]), fd = socket(AF_INET, SOCK_DGRAM, 0);
    char text[2048], in[4096];
    n_next_hops = 1;
    connect(fd, &udp_at.sa, net_addr_len(&udp_at));
    int n =
        snprintf(text, sizeof(text),
                 "MESSAGE sip:bob@home.test SIP/2.0\r\nVia: SIP/2.0/UDP c.test;rport;branch=z9hG4bKu1\r\n"
                 "From: <sip:a@b.test>;tag=1\r\nTo: <sip:bob@home.test>\r\nCall-ID: u1\r\nCSeq: 1 MESSAGE\r\n"
                 "Content-Length: 0\r\n\r\n");
    for (int i = 0; i < 2; i++) /* the second is the same transaction */
        CHECK(write(fd, text, (size_t)n) == n);
    server.fd = accept_one(ls);
    CHECK(got_request(&server, SIP_MESSAGE));
    respond(&server, 200, "b");
    for (int i = 0; i < 2; i++) {
        ssize_t got_n = readable(fd) ? read(fd, in, sizeof(in)) : 0;
        CHECK(got_n > 12 && slice_starts(slice_mem(in, (size_t)got_n), SLICE("SIP/2.0 200")));
        if (i == 0)
            CHECK(write(fd, text, (size_t)n) == n); /* answered from memory */
    }
    close(fd);
    close(ls);
    peer_fini(&server);
}

/* Many connections and requests at once over both workers; every answer comes to the right place. */
TEST(many_at_once)
{
    enum { CONNECTIONS = 20, EACH = 50 };
    struct peer clients[CONNECTIONS] = {0}, server[2] = {0};
    int ls = listen_any(&next_hops[0]);
    n_next_hops = 1;
    for (int i = 0; i < CONNECTIONS; i++)
        clients[i].fd = connect_to(&tcp_at);
    for (int k = 0; k < EACH; k++)
        for (int i = 0; i < CONNECTIONS; i++) {
            char branch[32];
            snprintf(branch, sizeof(branch), "x%d-%d", i, k);
            request(&clients[i], "MESSAGE", branch, branch, 1, "");
        }
    int answered = 0, n_servers = 0;
    while (answered < CONNECTIONS * EACH) {
        struct pollfd p[3] = {
            {ls,                                POLLIN, 0},
            {n_servers > 0 ? server[0].fd : -1, POLLIN, 0},
            {n_servers > 1 ? server[1].fd : -1, POLLIN, 0}
        };
        if (poll(p, 3, WAIT_MS) <= 0)
            break;
        if (p[0].revents && n_servers < 2)
            server[n_servers++].fd = accept(ls, NULL, NULL);
        for (int i = 0; i < 2; i++)
            while (p[i + 1].revents && receive(&server[i])) {
                respond(&server[i], 200, "t");
                answered++;
                if (buf_len(&server[i].in) == 0)
                    break;
            }
    }
    CHECK_INT(answered, CONNECTIONS * EACH);
    for (int i = 0; i < CONNECTIONS; i++) {
        for (int k = 0; k < EACH; k++)
            if (!got(&clients[i], 200))
                break;
        peer_fini(&clients[i]);
    }
    close(ls);
    peer_fini(&server[0]);
    peer_fini(&server[1]);
}

TEST(over_ipv6)
{
    struct net_addr v6 = tcp_at, v4 = tcp_at;
    struct peer server = {0};
    int ls = listen_any(&next_hops[0]);
    CHECK_INT(net_addr_parse(SLICE("::1"), net_addr_port(&tcp_at), &v6), 0);
    tcp_at = v6;
    apply(false);
    struct peer client = {.fd = connect_to(&tcp_at)};
    n_next_hops = 1;
    request(&client, "MESSAGE", "six", "call-six", 1, "");
    server.fd = accept_one(ls);
    CHECK(got_request(&server, SIP_MESSAGE));
    respond(&server, 200, "b");
    if (got(&client, 200))
        CHECK(slice_search(sip_msg_value(&client.m, SIP_H_VIA), SLICE("received=::1")) != SIZE_MAX);
    CHECK(connect_to(&v4) < 0); /* the listener that the new configuration lacks is gone */
    tcp_at = v4;
    apply(false);
    close(ls);
    peer_fini(&client);
    peer_fini(&server);
}

static struct trace_found traced[64];
static size_t n_traced;
static atomic_int traced_done;

static void on_traced(void *arg, const struct trace_found *found, size_t n, bool more)
{
    (void)arg;
    CHECK(!more);
    n_traced = n < 64 ? n : 64;
    memcpy(traced, found, n_traced * sizeof(*found));
    traced_done = 1;
}

static bool was_traced(const char *event, unsigned status)
{
    for (size_t i = 0; i < n_traced; i++)
        if (strcmp(traced[i].event, event) == 0 && strcmp(traced[i].method, "MESSAGE") == 0 &&
            traced[i].status == status && traced[i].peer[0])
            return true;
    return false;
}

TEST(trace_tells)
{
    struct peer client = {.fd = connect_to(&tcp_at)};
    pick_port(&next_hops[0]); /* nobody listens */
    n_next_hops = 1;
    request(&client, "MESSAGE", "t1", "call-t1", 1, "");
    CHECK(got(&client, 504));
    peer_fini(&client);
    element_trace(element, SLICE("call-t1"), workers_loop(team, 1), on_traced, NULL);
    while (!traced_done)
        usleep(1000);
    CHECK(was_traced("request in", 0));
    CHECK(was_traced("target failed", 0));
    CHECK(was_traced("response out", 504));
    for (size_t i = 1; i < n_traced; i++)
        CHECK(traced[i - 1].wall_us <= traced[i].wall_us);
}

/* Idle connections are closed in order, and what comes on them meanwhile is still served. */
TEST(stops_in_order)
{
    struct peer client = {.fd = connect_to(&tcp_at)};
    request(&client, "REGISTER", "s0", "call-s0", 1, "");
    CHECK(got(&client, 200));
    apply(true);
    char c;
    CHECK(readable(client.fd) && read(client.fd, &c, 1) == 0);
    struct net_addr none = tcp_at;
    CHECK(connect_to(&none) < 0);
    peer_fini(&client);
    element_end(element);
}

TEST_MAIN(starts_while_peers_connect, message_goes_through, call_with_ack_and_non_2xx,
          cancel_from_another_connection, forks, refusals, udp_and_its_retransmissions,
          a_cookie_identifies_nothing, many_at_once, over_ipv6, trace_tells, stops_in_order)
