/*
 * tlsload - handshakes and idle connections against a SIP port with mutual TLS 1.3.
 *
 * A connection counts when the server has answered a keep-alive (CRLF CRLF, RFC 5626 4.4.1): then it has
 * taken our certificate. Without --hold it closes each and opens the next, --window at a time, and prints CPU
 * time a handshake. With --hold N it opens N, prints "held", and keeps them until standard input ends.
 */
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load/net.h"
#include "load/stat.h"

enum {
    SOURCES = 200, /* addresses: ports in TIME_WAIT must not run out */
    PASS_NS = 10000000,
    SETTLE_NS = 1000000000,
    HOLD_LIMIT_S = 240,
    MAX_FAILURES = 100,
};

static struct {
    struct sockaddr_in to, from;
    int window;
    long hold;
    double secs, warm;
    bool resume;
    const char *pki;
    pid_t pid;
} opt = {.window = 16, .secs = 4, .warm = 1};

struct attempt {
    uint64_t t0;
    bool done;
};

static SSL_CTX *ctx;
static SSL_SESSION *session; /* the newest ticket */
static long done, failed, resumed, measured, sequence, standing, pending;
static bool measuring, stopping;
static struct hist latency;

static int on_session(SSL *ssl, SSL_SESSION *fresh)
{
    (void)ssl;
    if (!opt.resume)
        return 0;
    SSL_SESSION_free(session);
    session = fresh;
    return 1;
}

static void open_one(void)
{
    struct sockaddr_in from = opt.from;
    from.sin_addr.s_addr = htonl(ntohl(from.sin_addr.s_addr) + (uint32_t)(sequence++ % SOURCES));
    struct conn *c = net_connect(opt.to, &from, ctx, 0);
    struct attempt *a = calloc(1, sizeof *a);
    if (!c || !a)
        die("cannot open a connection");
    if (opt.resume && session)
        SSL_set_session(c->ssl, session);
    a->t0 = now_ns();
    c->user = a;
    standing++;
    pending++;
}

static void on_up(struct conn *c)
{
    net_send(c, "\r\n\r\n", 4);
}

static void on_data(struct conn *c)
{
    struct attempt *a = c->user;
    bool pong = buf_left(&c->in) >= 2 && memcmp(buf_at(&c->in), "\r\n", 2) == 0;
    buf_take(&c->in, buf_left(&c->in));
    if (a->done)
        return;
    a->done = true;
    pending--;
    done += pong;
    failed += !pong;
    resumed += pong && SSL_session_reused(c->ssl);
    if (pong && measuring) {
        measured++;
        hist_add(&latency, now_ns() - a->t0);
    }
    if (opt.hold)
        return;
    SSL_shutdown(c->ssl);
    net_close(c);
}

static void on_close(struct conn *c)
{
    struct attempt *a = c->user;
    if (!a->done)
        pending--;
    if (!a->done || (opt.hold && !stopping))
        failed++;
    standing--;
    free(a);
}

static void hold(void)
{
    uint64_t limit = now_ns() + HOLD_LIMIT_S * 1000000000ull;
    while ((done < opt.hold || pending) && failed < MAX_FAILURES && now_ns() < limit) {
        while (pending < opt.window && done + pending < opt.hold)
            open_one();
        net_poll(PASS_NS);
    }
    for (limit = now_ns() + SETTLE_NS; now_ns() < limit;)
        net_poll(PASS_NS);
    printf("{\"held\":%ld,\"fail\":%ld}\n", standing, failed);
    fflush(stdout);
    for (char c; read(STDIN_FILENO, &c, 1) > 0;)
        ;
    stopping = true;
}

static void rate(void)
{
    struct probe from = {0}, to = {0};
    uint64_t begin = now_ns() + (uint64_t)(opt.warm * 1e9), end = begin + (uint64_t)(opt.secs * 1e9);
    while (!stopping || pending) {
        uint64_t now = now_ns();
        if (!measuring && !stopping && now >= begin) {
            probe_take(&from, opt.pid);
            measuring = true;
        }
        if (!stopping && now >= end) {
            measuring = false;
            stopping = true;
            probe_take(&to, opt.pid);
        }
        if (stopping && now > end + 5000000000ull)
            break;
        while (!stopping && pending < opt.window && failed < MAX_FAILURES)
            open_one();
        net_poll(PASS_NS);
    }
    failed += pending;
    printf("{\"all\":%ld,\"resumed\":%ld,\"fail\":%ld,", done, resumed, failed);
    probe_print(&from, &to, measured);
    putchar(',');
    hist_print(&latency);
    puts("}");
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"to",  1, 0, 't'},
        {"from",    1, 0, 'f'},
        {"pki",     1, 0, 'k'},
        {"window", 1, 0, 'w'},
        {"secs",  1, 0, 's'},
        {"warm", 1, 0, 'W'},
        {"resume",    0, 0, 'R'},
        {"hold",     1, 0, 'H'},
        {"pid",    1, 0, 'p'},
        {0 }
    };
    opt.from = addr_parse("127.0.100.1:0");
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case 't':
            opt.to = addr_parse(optarg);
            break;
        case 'f':
            opt.from = addr_parse(optarg);
            break;
        case 'k':
            opt.pki = optarg;
            break;
        case 'w':
            opt.window = atoi(optarg);
            break;
        case 's':
            opt.secs = atof(optarg);
            break;
        case 'W':
            opt.warm = atof(optarg);
            break;
        case 'R':
            opt.resume = true;
            break;
        case 'H':
            opt.hold = atol(optarg);
            break;
        case 'p':
            opt.pid = atoi(optarg);
            break;
        default:
            die("tlsload --to IP:PORT --pki DIR [--from IP:0] [--window N] [--secs S] [--warm S] [--resume] "
                "[--hold N] [--pid EDGE]");
        }
    }
    if (!opt.pki || !opt.to.sin_port)
        die("tlsload needs --to and --pki");
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    net_init();
    net_ops = (struct net_ops){.on_up = on_up, .on_data = on_data, .on_close = on_close};
    ctx = tls_ctx(&(struct tls_conf){opt.pki, "partner", false, true});
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(ctx, on_session);
    if (opt.hold)
        hold();
    else
        rate();
    return failed || (!opt.hold && !measured);
}
