/*
 * element/fixture.h - an element under test, and both of its neighbours: blocking sockets that send and read
 * SIP messages over TCP. Tests only.
 */
#pragma once

#include "element/element.h"
#include "ground/base/mem.h"
#include "ground/base/test.h"
#include "wire/sip/frame.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdatomic.h>
#include <unistd.h>

enum { WAIT_MS = 20000 };

struct peer {
    int fd;
    struct buf in;
    struct sip_framer framer;
    struct arena arena;
    struct sip_msg m;
    char *text;
};

static inline int listen_any(struct net_addr *ret)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    bind(fd, (struct sockaddr *)&a, sizeof(a));
    listen(fd, 16);
    getsockname(fd, (struct sockaddr *)&a, &n);
    memset(ret, 0, sizeof(*ret));
    ret->in4 = a;
    return fd;
}

/* The port of pick_port, now served. */
static inline int listen_at(const struct net_addr *a)
{
    int fd = socket(a->sa.sa_family, SOCK_STREAM, 0), yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    CHECK(bind(fd, &a->sa, net_addr_len(a)) == 0 && listen(fd, 16) == 0);
    return fd;
}

static inline int connect_to(const struct net_addr *a)
{
    int fd = socket(a->sa.sa_family, SOCK_STREAM, 0);
    if (connect(fd, &a->sa, net_addr_len(a)) == 0)
        return fd;
    close(fd);
    return -1;
}

static inline bool readable(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};
    return poll(&p, 1, WAIT_MS) == 1;
}

static inline int accept_one(int fd)
{
    return readable(fd) ? accept(fd, NULL, NULL) : -1;
}

static inline void peer_fini(struct peer *p)
{
    if (p->fd >= 0)
        close(p->fd);
    buf_fini(&p->in);
    arena_fini(&p->arena);
    mem_free(p->text);
}

/* The next message that comes; false when none does. */
static inline bool receive(struct peer *p)
{
    for (;;) {
        size_t len;
        enum sip_flaw flaw;
        enum sip_frame f = sip_frame_next(&p->framer, buf_slice(&p->in), &len, &flaw);
        if (f == SIP_FRAME_MESSAGE) {
            mem_free(p->text);
            p->text = slice_dup(slice_head(buf_slice(&p->in), len));
            buf_consume(&p->in, len);
            arena_reset(&p->arena);
            return sip_msg_parse(slice_str(p->text), &p->arena, &p->m, &flaw) == 0;
        }
        if (f == SIP_FRAME_PONG || f == SIP_FRAME_PING) {
            buf_consume(&p->in, len);
            continue;
        }
        if (f == SIP_FRAME_BAD || !readable(p->fd))
            return false;
        ssize_t n = read(p->fd, buf_reserve(&p->in, 65536), 65536);
        if (n <= 0)
            return false;
        buf_commit(&p->in, (size_t)n);
    }
}

__attribute__((format(printf, 2, 3))) static inline void send_text(struct peer *p, const char *fmt, ...)
{
    struct buf b = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    CHECK(write(p->fd, b.mem, b.end) == (ssize_t)b.end);
    buf_fini(&b);
}

static inline void request(struct peer *p, const char *method, const char *branch, const char *call,
                           unsigned cseq, const char *more)
{
    send_text(
        p,
        "%s sip:bob@home.test SIP/2.0\r\nVia: SIP/2.0/TCP client.test:5060;branch=z9hG4bK%s\r\nMax-Forwards: "
        "70\r\n"
        "From: <sip:alice@home.test>;tag=a1\r\nTo: <sip:bob@home.test>\r\nCall-ID: %s\r\nCSeq: %u %s\r\n%s"
        "Content-Length: 0\r\n\r\n",
        method, branch, call, cseq, method, more);
}

static inline void respond(struct peer *p, unsigned status, const char *tag)
{
    struct buf out = {0};
    sip_response_write(&p->m, &(struct sip_response){.status = status, .to_tag = slice_str(tag)}, &out);
    CHECK(write(p->fd, out.mem, out.end) == (ssize_t)out.end);
    buf_fini(&out);
}

static inline bool got(struct peer *p, unsigned status)
{
    if (!receive(p)) {
        TEST_DIAG("nothing came, %u was expected", status);
        return false;
    }
    if (p->m.is_request || p->m.status != status) {
        TEST_DIAG("'" SLICE_FMT "' came, %u was expected", SLICE_ARG(p->m.start_line), status);
        return false;
    }
    return true;
}

static inline bool got_request(struct peer *p, enum sip_method method)
{
    if (!receive(p) || !p->m.is_request || p->m.method != method) {
        TEST_DIAG("no %s came", sip_method_name(method));
        return false;
    }
    return true;
}

static inline void pick_port(struct net_addr *a)
{
    close(listen_any(a)); /* free a moment ago */
}

/* ---------------------------------------------------------------- the element under test */
static struct workers *team;

static inline bool own_uri(const struct element_config *c, const struct sip_uri *uri)
{
    (void)c;
    return slice_eq(uri->host, SLICE("proxy.test"));
}

static inline struct element *element_begin(unsigned workers)
{
    team = workers_new(workers, "test");
    struct element *e = element_new(team, "proxy.test");
    workers_start(team);
    return e;
}

static inline void element_end(struct element *e)
{
    workers_stop(team);
    element_free(e);
    workers_free(team);
}

/* For tests, where all that comes does so from one address: no limits of a source. */
static inline struct element_config *config_of(const struct element_ops *ops)
{
    struct element_config *c = element_config_new();
    c->ops = ops;
    c->machine = SLICE("proxy.test");
    c->limits = (struct element_limits){0};
    return c;
}

static inline void listen_on(struct element_config *c, const struct net_addr *at,
                             enum sip_transport transport, struct tls_ctx *tls)
{
    c->listeners[c->n_listeners++] = (struct element_listener){.side = SIDE_INTERNAL,
                                                               .transport = transport,
                                                               .addr = *at,
                                                               .tls = tls ? tls_ctx_ref(tls) : NULL,
                                                               .host = SLICE("proxy.test"),
                                                               .port = net_addr_port(at)};
}

static inline void config_runs(void *arg, int error, const char *text)
{
    if (error)
        TEST_DIAG("apply: %s", text);
    atomic_store((atomic_int *)arg, error ? error : 1);
}

/* Applies it, and drops it. */
static inline void run(struct element *e, struct element_config *c)
{
    atomic_int runs = 0;
    element_apply(e, c, workers_loop(team, 0), config_runs, &runs);
    while (runs == 0)
        usleep(20);
    CHECK_INT(runs, 1);
    element_config_unref(c);
}
