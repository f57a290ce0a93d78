#include "ground/net/stream.h"

#include "ground/base/mem.h"
#include "ground/base/test.h"
#include "ground/crypto/pki_for_test.h"
#include "ground/net/listener.h"

#include <unistd.h>

enum { DEADLINE_MS = 60000, MEGABYTE = 1 << 20, LONG_MS = 30000, SHORT_MS = 50 };

enum where { NOWHERE, IN_UP, IN_DATA, IN_HALF_CLOSED, IN_ENDED };
/* One end of a connection: what it is told to do, and what happened to it. */
struct side {
    bool echo;                          /* sends back what comes */
    bool keep_lines;                    /* consumes whole lines only */
    struct slice greeting;              /* sent when up */
    struct slice answer, second_answer; /* sent when something has come for the first and second time */
    bool finish_when_up;                /* behind the greeting */
    struct slice farewell;              /* sent when the peer has ended, before finishing too */
    bool stay;                          /* does not finish when the peer has ended */
    uint32_t linger_ms;                 /* 0: LONG_MS */
    size_t finish_after;                /* finishes when so much has come */
    enum where free_in;                 /* frees the stream there */
    struct stream_limits limits;
    struct tls_ctx *tls;

    struct stream *s;
    struct buf got;
    bool paced;
    unsigned ups, halves, ends, offers;
    enum stream_end why;
    char error[256], peer_name[64];
    int verdict;
};
static struct side client, server;
static struct loop *loop;
static struct timer deadline;
static struct net_addr any4;
static struct listener *listener;
static unsigned alive; /* streams; the loop ends with the last */

static void too_late(void *arg)
{
    (void)arg;
    TEST_DIAG("nothing more happened for %d ms (client '%s' %zu bytes, server '%s' %zu bytes)", DEADLINE_MS,
              client.error, buf_len(&client.got), server.error, buf_len(&server.got));
    loop_stop(loop);
}

static void gone(struct side *x)
{
    stream_free(x->s);
    x->s = NULL;
    if (--alive == 0)
        loop_stop(loop);
}

static void send_text(struct side *x, struct slice text)
{
    buf_append(stream_output(x->s), text);
    stream_flush(x->s);
}

static void finish(struct side *x)
{
    stream_finish(x->s, x->linger_ms ? x->linger_ms : LONG_MS);
}

static void on_up(struct stream *s, void *arg)
{
    struct side *x = arg;
    x->ups++;
    x->s = s;
    CHECK(stream_is_up(s));
    const struct crypto_cert *cert = stream_peer_cert(s);
    if (cert)
        snprintf(x->peer_name, sizeof(x->peer_name), SLICE_FMT,
                 SLICE_ARG(crypto_cert_names(cert)->common_name));
    x->verdict = stream_peer_verdict(s);
    if (x->free_in == IN_UP) {
        gone(x);
        return;
    }
    if (x->greeting.n)
        send_text(x, x->greeting);
    if (x->finish_when_up)
        finish(x);
}

static size_t on_data(struct stream *s, void *arg, struct slice in)
{
    struct side *x = arg;
    x->offers++;
    CHECK_INT(x->ups, 1);
    CHECK_INT(x->ends, 0);
    size_t used = in.n;
    if (x->keep_lines)
        while (used > 0 && in.p[used - 1] != '\n')
            used--;
    buf_append_mem(&x->got, in.p, used);
    if (x->free_in == IN_DATA) {
        gone(x);
        return 0;
    }
    if (x->echo) {
        buf_append(stream_output(s), slice_head(in, used));
        stream_flush(s);
    }
    if (x->offers <= 2)
        send_text(x, x->offers == 1 ? x->answer : x->second_answer);
    if (x->finish_after && buf_len(&x->got) >= x->finish_after)
        finish(x);
    return used;
}

static void on_half_closed(struct stream *s, void *arg)
{
    struct side *x = arg;
    (void)s;
    x->halves++;
    if (x->free_in == IN_HALF_CLOSED) {
        gone(x);
        return;
    }
    if (x->farewell.n)
        send_text(x, x->farewell);
    if (!x->stay)
        finish(x);
}

static void on_ended(struct stream *s, void *arg, enum stream_end why)
{
    struct side *x = arg;
    x->ends++;
    x->why = why;
    snprintf(x->error, sizeof(x->error), "%s", stream_error(s));
    CHECK(!stream_is_up(s));
    x->s = s;
    gone(x);
}

static struct timer pace;
static void on_accepted_paced(struct side *x);
static const struct stream_ops ops = {on_up, on_data, on_half_closed, on_ended};

static void on_accepted(void *arg, int fd, const struct net_addr *remote)
{
    (void)arg;
    alive++;
    server.s = stream_accept(loop, fd, remote, server.tls, &server.limits, &ops, &server);
    if (server.paced)
        on_accepted_paced(&server);
    CHECK_INT(server.ups, 0);
    CHECK(net_addr_eq(stream_local(server.s), listener_addr(listener)));
}
static const struct listener_ops accepting = {on_accepted};

static void begin(void)
{
    client = server = (struct side){.verdict = -99};
    alive = 0;
    loop = loop_new(0);
    timer_init(&deadline, loop, too_late, NULL);
    timer_start(&deadline, loop_now(loop) + DEADLINE_MS);
    CHECK_INT(net_addr_parse(SLICE("127.0.0.1"), 0, &any4), 0);
    CHECK_INT(listener_new(loop, &any4, &accepting, NULL, &listener), 0);
}

static void dial(const struct net_addr *to)
{
    alive++;
    client.s = stream_connect(loop, &any4, to, client.tls, SLICE("sip.contoso.example"), &client.limits, &ops,
                              &client);
    CHECK(client.s != NULL);
    CHECK_INT(client.ups + client.ends, 0);
}

static void run(void)
{
    dial(listener_addr(listener));
    loop_run(loop);
}

static void end(void)
{
    stream_free(client.s);
    stream_free(server.s);
    buf_fini(&client.got);
    buf_fini(&server.got);
    listener_free(listener);
    timer_stop(&deadline);
    timer_stop(&pace);
    loop_free(loop);
}

static struct slice megabyte(void)
{
    static char bytes[MEGABYTE];
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        x = x * 1664525 + 1013904223;
        bytes[i] = (char)(x >> 24);
    }
    return slice_mem(bytes, sizeof(bytes));
}

static void check_closed(void)
{
    CHECK_INT(client.why, STREAM_CLOSED);
    CHECK_INT(server.why, STREAM_CLOSED);
    CHECK_STR(slice_str(client.error), "");
    CHECK_STR(slice_str(server.error), "");
    CHECK_INT(client.ends, 1);
    CHECK_INT(server.ends, 1);
}

/* --- certificates --- */

static struct pki_id ca, foreign_ca, contoso, fabrikam, stranger, expired;
static struct crypto_trust *trust;

static struct tls_ctx *context(bool is_server, const struct pki_id *id, enum tls_peer peer)
{
    if (!trust) {
        ca = pki_ca("Root");
        foreign_ca = pki_ca("Foreign Root");
        trust = pki_trust(&ca);
        contoso = pki_host(&ca, "sip.contoso.example");
        fabrikam = pki_host(&ca, "sip.fabrikam.example");
        stranger = pki_host(&foreign_ca, "sip.stranger.example");
        struct slice dns = SLICE("sip.late.example");
        struct crypto_request_names names = {
            .common_name = dns, .dns = &dns, .n_dns = 1, .not_before_ms = pki_now() - 48 * PKI_HOUR};
        expired = pki_leaf(&ca, &names, pki_now() - 24 * PKI_HOUR);
    }
    struct tls_config config = {
        .server = is_server, .key = id->key, .cert = id->cert, .trust = trust, .peer = peer};
    struct tls_ctx *ctx = NULL;
    CHECK_INT(tls_ctx_new(&config, &ctx), 0);
    return ctx;
}

static void use_tls(void)
{
    server.tls = context(true, &contoso, TLS_PEER_REQUIRED);
    client.tls = context(false, &fabrikam, TLS_PEER_REQUIRED);
}

static void end_tls(void)
{
    end();
    tls_ctx_unref(client.tls);
    tls_ctx_unref(server.tls);
}

TEST(certificates_made) /* so that no other test pays for it */
{
    tls_ctx_unref(context(true, &contoso, TLS_PEER_NONE));
}

TEST(certificates_dropped)
{
    struct pki_id *all[] = {&ca, &foreign_ca, &contoso, &fabrikam, &stranger, &expired};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        pki_fini(all[i]);
    crypto_trust_unref(trust);
}

/* --- traffic: each over TCP and over TLS --- */

static void echo_megabyte(bool tls)
{
    begin();
    if (tls)
        use_tls();
    server.echo = true;
    client.greeting = megabyte();
    client.finish_after = MEGABYTE;
    run();
    check_closed();
    CHECK(slice_eq(buf_slice(&server.got), megabyte()));
    CHECK(slice_eq(buf_slice(&client.got), megabyte()));
    CHECK_INT(server.halves, 1);
    CHECK_INT(client.halves, 0);
    CHECK_STR(slice_str(server.peer_name), tls ? "sip.fabrikam.example" : "");
    CHECK_STR(slice_str(client.peer_name), tls ? "sip.contoso.example" : "");
    CHECK_INT(client.verdict, tls ? CRYPTO_VERIFY_OK : -1);
    CHECK_INT(server.verdict, tls ? CRYPTO_VERIFY_OK : -1);
    end_tls();
}

TEST(echo_over_tcp)
{
    echo_megabyte(false);
}
TEST(echo_over_tls)
{
    echo_megabyte(true);
}

static void half_close(bool tls)
{
    begin();
    if (tls)
        use_tls();
    client.greeting = SLICE("request");
    client.finish_when_up = true;
    server.farewell = megabyte(); /* answers behind the client's end */
    run();
    check_closed();
    CHECK_STR(buf_slice(&server.got), "request");
    CHECK(slice_eq(buf_slice(&client.got), megabyte()));
    end_tls();
}

TEST(half_close_over_tcp)
{
    half_close(false);
}
TEST(half_close_over_tls)
{
    half_close(true);
}

static void finish_under_fire(bool tls)
{
    begin();
    if (tls)
        use_tls();
    client.finish_when_up = true;
    server.greeting = megabyte(); /* on its way while the client finishes */
    server.farewell = SLICE("and this");
    run();
    check_closed(); /* a reset would have made the server's end STREAM_LOST */
    CHECK_INT(buf_len(&client.got), MEGABYTE + strlen("and this"));
    CHECK(slice_ends(buf_slice(&client.got), SLICE("and this")));
    end_tls();
}

TEST(finish_while_data_comes_over_tcp)
{
    finish_under_fire(false);
}
TEST(finish_while_data_comes_over_tls)
{
    finish_under_fire(true);
}

static void both_finish(bool tls)
{
    begin();
    if (tls)
        use_tls();
    client.finish_when_up = server.finish_when_up = true;
    run();
    check_closed();
    end_tls();
}

TEST(both_finish_at_once)
{
    both_finish(false);
    both_finish(true);
}

TEST(output_before_up_is_kept)
{
    for (int tls = 0; tls < 2; tls++) {
        begin();
        if (tls)
            use_tls();
        dial(listener_addr(listener));
        send_text(&client, SLICE("early"));
        CHECK_INT(stream_pending_output(client.s), 5);
        finish(&client);
        loop_run(loop);
        check_closed();
        CHECK_STR(buf_slice(&server.got), "early");
        end_tls();
    }
}

TEST(what_is_not_consumed_comes_again)
{
    for (int tls = 0; tls < 2; tls++) {
        begin();
        if (tls)
            use_tls();
        server.keep_lines = server.echo = true;
        client.greeting = SLICE("one\ntw");
        client.answer = SLICE("o\nthr");
        client.second_answer = SLICE("ee\n");
        server.finish_after = strlen("one\ntwo\nthree\n");
        run();
        check_closed();
        CHECK_STR(buf_slice(&server.got), "one\ntwo\nthree\n");
        CHECK_STR(buf_slice(&client.got), "one\ntwo\nthree\n");
        CHECK_INT(server.offers, 3);
        end_tls();
    }
}

TEST(endless_input_is_refused)
{
    for (int tls = 0; tls < 2; tls++) {
        begin();
        if (tls)
            use_tls();
        server.keep_lines = true;
        server.limits.max_input = 10000;
        static char text[50000];
        memset(text, 'x', sizeof(text));
        client.greeting = slice_mem(text, sizeof(text));
        run();
        CHECK_INT(server.why, STREAM_LOST);
        CHECK(strstr(server.error, "without an end") != NULL);
        CHECK_INT(server.ends, 1);
        CHECK_INT(client.ends, 1);
        end_tls();
    }
}

/* Reads what came so far by turns, as whoever paces it does. */
static unsigned asked, readings;

static bool not_now(void *arg)
{
    (void)arg;
    asked++;
    timer_start(&pace, loop_now(loop));
    return false;
}

static void read_a_little(void *arg)
{
    (void)arg;
    bool more = stream_read(server.s, 1000);
    readings++;
    if (server.s && more)
        timer_start(&pace, loop_now(loop));
    else if (server.s)
        stream_resume(server.s);
}

static void on_accepted_paced(struct side *x)
{
    timer_init(&pace, loop, read_a_little, NULL);
    asked = readings = 0;
    stream_pace(x->s, not_now);
}

TEST(paced_reading)
{
    for (int tls = 0; tls < 2; tls++) {
        begin();
        if (tls)
            use_tls();
        server.paced = true;
        client.greeting = slice_head(megabyte(), 100000);
        client.finish_when_up = true;
        run();
        check_closed();
        CHECK_SLICE(buf_slice(&server.got), slice_head(megabyte(), 100000));
        CHECK(readings >= 100);      /* never more at once than was asked for */
        CHECK(asked < readings / 2); /* nor asked again before it is resumed */
        end_tls();
    }
}

TEST(endless_input_is_refused_when_paced)
{
    begin();
    server.paced = server.keep_lines = true;
    server.limits.max_input = 10000;
    static char text[50000];
    memset(text, 'x', sizeof(text));
    client.greeting = slice_mem(text, sizeof(text));
    run();
    CHECK_INT(server.why, STREAM_LOST);
    CHECK(strstr(server.error, "without an end") != NULL);
    end();
}

/* --- failures --- */

static int raw_socket(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int raw_bound(struct net_addr *ret)
{
    int fd = raw_socket();
    socklen_t len = sizeof(*ret);
    memset(ret, 0, sizeof(*ret));
    CHECK_INT(bind(fd, &any4.sa, net_addr_len(&any4)), 0);
    CHECK_INT(getsockname(fd, &ret->sa, &len), 0);
    return fd;
}

TEST(refused)
{
    begin();
    struct net_addr nobody;
    int fd = raw_bound(&nobody); /* keeps the port; does not listen */
    dial(&nobody);
    loop_run(loop);
    CHECK_INT(client.why, STREAM_REFUSED);
    CHECK(strstr(client.error, "Connection refused") != NULL);
    CHECK(strstr(client.error, "cannot connect to 127.0.0.1:") != NULL);
    CHECK_INT(client.ups, 0);
    close(fd);
    end();
}

TEST(local_address_is_not_ours)
{
    begin();
    CHECK_INT(net_addr_parse(SLICE("192.0.2.1"), 0, &any4), 0);
    run(); /* told by a callback on a later turn, not by stream_connect */
    CHECK_INT(client.why, STREAM_REFUSED);
    CHECK_INT(client.ends, 1);
    end();
}

TEST(connected_to_itself)
{
    begin();
    struct net_addr own;
    close(raw_bound(&own));
    any4 = own;
    dial(&own);
    loop_run(loop);
    CHECK_INT(client.why, STREAM_REFUSED);
    end();
}

TEST(nobody_answers_the_syn)
{
    begin();
    struct net_addr full;
    int fd = raw_bound(&full), filler[4];
    CHECK_INT(listen(fd, 0), 0);
    for (int i = 0; i < 4; i++) { /* the queue of one is full then, and the kernel drops what comes */
        filler[i] = raw_socket();
        connect(filler[i], &full.sa, net_addr_len(&full));
    }
    client.limits.setup_ms = SHORT_MS;
    dial(&full);
    loop_run(loop);
    CHECK_INT(client.why, STREAM_TIMEOUT);
    CHECK_STR(slice_str(client.error), "no connection within 50 ms");
    for (int i = 0; i < 4; i++)
        close(filler[i]);
    close(fd);
    end();
}

TEST(nobody_answers_the_handshake)
{
    begin();
    use_tls();
    struct net_addr silent;
    int fd = raw_bound(&silent);
    CHECK_INT(listen(fd, 5), 0); /* never accepted: the kernel answers alone */
    client.limits.setup_ms = SHORT_MS;
    dial(&silent);
    loop_run(loop);
    CHECK_INT(client.why, STREAM_TIMEOUT);
    CHECK_STR(slice_str(client.error), "no TLS handshake within 50 ms");
    close(fd);
    fd = raw_socket(); /* and the other way round: a client that says nothing */
    connect(fd, &listener_addr(listener)->sa, net_addr_len(listener_addr(listener)));
    server.limits.setup_ms = SHORT_MS;
    loop_run(loop);
    CHECK_INT(server.why, STREAM_TIMEOUT);
    close(fd);
    end_tls();
}

TEST(slow_peer)
{
    begin();
    int fd = raw_socket(); /* reads nothing */
    connect(fd, &listener_addr(listener)->sa, net_addr_len(listener_addr(listener)));
    static char text[16 << 20]; /* more than the sockets' buffers take */
    server.greeting = slice_mem(text, sizeof(text));
    server.limits.max_output = 100000;
    loop_run(loop);
    CHECK_INT(server.ups, 1);
    CHECK_INT(server.why, STREAM_SLOW_PEER);
    CHECK(strstr(server.error, "does not read") != NULL);
    close(fd);
    end();
}

TEST(slow_peer_while_finishing)
{
    begin();
    int fd = raw_socket();
    connect(fd, &listener_addr(listener)->sa, net_addr_len(listener_addr(listener)));
    static char text[16 << 20];
    server.greeting = slice_mem(text, sizeof(text));
    server.limits.max_output = sizeof(text) + 1;
    server.finish_when_up = true;
    server.linger_ms = SHORT_MS;
    loop_run(loop);
    CHECK_INT(server.why, STREAM_SLOW_PEER);
    close(fd);
    end();
}

TEST(linger_ends)
{
    begin();
    client.finish_when_up = true;
    client.linger_ms = SHORT_MS;
    server.stay = true; /* never ends its side */
    dial(listener_addr(listener));
    alive--; /* the loop ends with the client */
    loop_run(loop);
    CHECK_INT(client.why, STREAM_CLOSED);
    CHECK_INT(server.halves, 1);
    end();
}

static void reset_after_words(struct slice greeting)
{
    begin();
    int fd = raw_socket();
    connect(fd, &listener_addr(listener)->sa, net_addr_len(listener_addr(listener)));
    CHECK_INT(send(fd, "last words", 10, 0), 10);
    struct linger now = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
    server.greeting = greeting;
    loop_run(loop);
    CHECK_INT(server.why, STREAM_LOST);
    CHECK(strstr(server.error, "reset") != NULL);
    CHECK_STR(buf_slice(&server.got), "last words");
    end();
}

TEST(reset)
{
    reset_after_words(SLICE_NONE);
    reset_after_words(SLICE("hello")); /* writing fails first: what came is still read, be it an alert */
}

TEST(truncated_tls)
{
    begin();
    use_tls();
    client.free_in = IN_UP; /* closes without a word */
    run();
    CHECK(server.why == STREAM_LOST || server.why == STREAM_TLS_FAILED); /* FIN, or RST behind the tickets */
    CHECK_INT(server.ends, 1);
    CHECK_INT(client.ends, 0);
    end_tls();
}

TEST(not_tls_at_all)
{
    begin();
    use_tls();
    int fd = raw_socket();
    connect(fd, &listener_addr(listener)->sa, net_addr_len(listener_addr(listener)));
    CHECK_INT(send(fd, "OPTIONS sip:a@b SIP/2.0\r\n\r\n", 27, 0), 27);
    shutdown(fd, SHUT_WR);
    loop_run(loop);
    CHECK_INT(server.why, STREAM_TLS_FAILED);
    CHECK(server.error[0] != 0);
    CHECK_INT(server.ups, 0);
    close(fd);
    end_tls();
}

static void verification_fails(const struct pki_id *server_id, const struct pki_id *client_id,
                               const char *server_says, const char *client_says)
{
    begin();
    server.tls = context(true, server_id, TLS_PEER_REQUIRED);
    client.tls = context(false, client_id, TLS_PEER_REQUIRED);
    client.greeting = SLICE("too early"); /* unread when the server refuses: its alert must survive that */
    client.stay = true;
    run();
    CHECK_INT(server.why, STREAM_TLS_FAILED);
    CHECK_INT(client.why, STREAM_TLS_FAILED);
    CHECK_INT(server.ups, 0);
    if (!strstr(server.error, server_says))
        TEST_DIAG("server says '%s', not '%s'", server.error, server_says);
    if (!strstr(client.error, client_says))
        TEST_DIAG("client says '%s', not '%s'", client.error, client_says);
    CHECK_INT(buf_len(&server.got), 0);
    end_tls();
}

TEST(client_is_not_trusted)
{
    verification_fails(&contoso, &stranger, "issuer", "unknown ca");
    verification_fails(&contoso, &expired, "expired", "expired");
}

TEST(server_is_not_trusted)
{
    verification_fails(&stranger, &fabrikam, "unknown ca", "issuer");
    verification_fails(&expired, &fabrikam, "expired", "expired");
}

TEST(client_without_certificate)
{
    static const struct pki_id none;
    verification_fails(&contoso, &none, "certificate", "certificate required");
}

/* --- freed by each callback, on either side --- */

TEST(freed_in_callbacks)
{
    for (int tls = 0; tls < 2; tls++) {
        for (enum where where = IN_UP; where <= IN_ENDED; where++) {
            for (int who = 0; who < 2; who++) {
                begin();
                if (tls)
                    use_tls();
                struct side *x = who ? &client : &server, *y = who ? &server : &client;
                x->free_in = where;
                y->greeting = SLICE("hello");
                y->finish_when_up = true;
                run();
                CHECK_INT(x->ends, where == IN_ENDED);
                CHECK_INT(y->ends, 1);
                CHECK_INT(x->ups, 1);
                CHECK_INT(x->halves, where >= IN_HALF_CLOSED);
                end_tls();
            }
        }
    }
}

TEST(freed_before_anything)
{
    begin();
    use_tls();
    dial(listener_addr(listener));
    send_text(&client, SLICE("never sent"));
    stream_free(client.s);
    client.s = NULL;
    stream_free(NULL);
    struct net_addr nobody;
    int fd = raw_bound(&nobody);
    client.s = stream_connect(loop, NULL, &nobody, NULL, SLICE_NONE, NULL, &ops, &client);
    stream_free(client.s);
    client.s = NULL;
    CHECK_INT(client.ends, 0);
    close(fd);
    end_tls();
}

TEST_MAIN(certificates_made, echo_over_tcp, echo_over_tls, half_close_over_tcp, half_close_over_tls,
          finish_while_data_comes_over_tcp, finish_while_data_comes_over_tls, both_finish_at_once,
          output_before_up_is_kept, what_is_not_consumed_comes_again, endless_input_is_refused, paced_reading,
          endless_input_is_refused_when_paced, refused, local_address_is_not_ours, connected_to_itself,
          nobody_answers_the_syn, nobody_answers_the_handshake, slow_peer, slow_peer_while_finishing,
          linger_ends, reset, truncated_tls, not_tls_at_all, client_is_not_trusted, server_is_not_trusted,
          client_without_certificate, freed_in_callbacks, freed_before_anything, certificates_dropped)
