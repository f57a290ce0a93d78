/*
 * access_edge/fixture_for_test.h - peers over TLS that a test plays by hand, and a name server. Test programs
 * only; include base/test.h before it. The test's own thread blocks; the elements run on their workers.
 */
#pragma once

#include "ground/base/mem.h"
#include "ground/crypto/pki_for_test.h"
#include "ground/crypto/tls.h"
#include "ground/net/addr.h"
#include "wire/dns/dns.h"
#include "wire/sip/frame.h"
#include "wire/sip/msg.h"

#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <unistd.h>

enum { FIXTURE_WAIT_MS = 20000, FIXTURE_PORT = 5061 };

/* 127.A.B.host: A and B are of this process, so that tests at the same time do not meet. */
static inline struct net_addr fixture_addr(unsigned host, uint16_t port)
{
    unsigned pid = (unsigned)getpid();
    struct net_addr a = {0};
    a.in4.sin_family = AF_INET;
    a.in4.sin_addr.s_addr = htonl(127u << 24 | (128 + (pid >> 8) % 120) << 16 | (pid & 255) << 8 | host);
    a.in4.sin_port = htons(port);
    return a;
}

/* ---------------------------------------------------------------- a peer */
struct peer {
    int fd;
    struct tls *tls;
    struct buf in, net;
    struct sip_framer framer;
    struct arena arena;
    struct sip_msg m; /* the last message that came */
    char *text;
    bool ended;
};

static inline bool peer_readable(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};
    return poll(&p, 1, FIXTURE_WAIT_MS) == 1;
}

static inline void peer_flush(struct peer *p)
{
    struct slice out = buf_slice(&p->net);
    while (out.n) {
        ssize_t n = write(p->fd, out.p, out.n);
        if (n <= 0)
            break;
        out = slice_from(out, (size_t)n);
    }
    buf_clear(&p->net, SIZE_MAX);
}

static inline bool peer_pump(struct peer *p)
{
    char bytes[16384];
    if (p->ended || !peer_readable(p->fd))
        return false;
    ssize_t n = read(p->fd, bytes, sizeof(bytes));
    enum tls_result r = n > 0 ? tls_feed(p->tls, slice_mem(bytes, (size_t)n), &p->in, &p->net) : TLS_END;
    peer_flush(p);
    p->ended = r != TLS_OK;
    return !p->ended;
}

static inline bool peer_shake(struct peer *p, int fd, struct tls_ctx *ctx)
{
    p->fd = fd;
    if (fd < 0)
        return false;
    p->tls = tls_new(ctx, SLICE("test"));
    tls_start(p->tls, &p->net);
    peer_flush(p);
    while (!tls_is_up(p->tls) && peer_pump(p))
        ;
    return tls_is_up(p->tls);
}

static inline bool peer_connect(struct peer *p, const struct net_addr *from, const struct net_addr *to,
                                struct tls_ctx *ctx)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *p = (struct peer){.fd = -1};
    if (bind(fd, &from->sa, net_addr_len(from)) < 0 || connect(fd, &to->sa, net_addr_len(to)) < 0) {
        close(fd);
        return false;
    }
    return peer_shake(p, fd, ctx);
}

static inline int peer_listen(const struct net_addr *at)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(fd, &at->sa, net_addr_len(at)) < 0 || listen(fd, 16) < 0)
        TEST_DIAG("the test cannot listen");
    return fd;
}

static inline bool peer_accept(struct peer *p, int listening, struct tls_ctx *ctx)
{
    *p = (struct peer){.fd = -1};
    return peer_readable(listening) && peer_shake(p, accept(listening, NULL, NULL), ctx);
}

static inline void peer_fini(struct peer *p)
{
    if (p->fd >= 0)
        close(p->fd);
    tls_free(p->tls);
    buf_fini(&p->in);
    buf_fini(&p->net);
    arena_fini(&p->arena);
    mem_free(p->text);
    *p = (struct peer){.fd = -1};
}

static inline void peer_send(struct peer *p, struct slice text)
{
    CHECK(p->tls && tls_write(p->tls, text, &p->net) == TLS_OK);
    peer_flush(p);
}

/* A message that has been read already, into p->m. */
static inline bool peer_next(struct peer *p)
{
    size_t len;
    enum sip_flaw flaw;
    enum sip_frame f;
    while ((f = sip_frame_next(&p->framer, buf_slice(&p->in), &len, &flaw)) == SIP_FRAME_PING ||
           f == SIP_FRAME_PONG)
        buf_consume(&p->in, len);
    if (f != SIP_FRAME_MESSAGE)
        return false;
    mem_free(p->text);
    p->text = slice_dup(slice_head(buf_slice(&p->in), len));
    buf_consume(&p->in, len);
    arena_reset(&p->arena);
    return sip_msg_parse(slice_str(p->text), &p->arena, &p->m, &flaw) == 0;
}

/* The next message; false when the connection ended or nothing came. */
static inline bool peer_receive(struct peer *p)
{
    while (p->tls) {
        if (peer_next(p))
            return true;
        if (!peer_pump(p))
            return false;
    }
    return false;
}

/* Does it end without another message? */
static inline bool peer_is_closed(struct peer *p)
{
    return !peer_receive(p) && p->ended;
}

/* ---------------------------------------------------------------- a server with its connections */
enum { SERVER_MAX_PEERS = 16 };
struct server {
    int listens;
    struct tls_ctx *ctx;
    struct peer peers[SERVER_MAX_PEERS];
    size_t n;
};

/* The connection on which the next message came, or NULL. */
static inline struct peer *server_receive(struct server *s)
{
    for (;;) {
        struct pollfd p[SERVER_MAX_PEERS + 1] = {
            {s->listens, POLLIN, 0}
        };
        for (size_t i = 0; i < s->n; i++) {
            if (peer_next(&s->peers[i]))
                return &s->peers[i];
            p[i + 1] = (struct pollfd){s->peers[i].ended ? -1 : s->peers[i].fd, POLLIN, 0};
        }
        if (poll(p, s->n + 1, FIXTURE_WAIT_MS) <= 0)
            return NULL;
        for (size_t i = 0; i < s->n; i++)
            if (p[i + 1].revents)
                peer_pump(&s->peers[i]);
        if (p[0].revents && s->n < SERVER_MAX_PEERS)
            peer_accept(&s->peers[s->n++], s->listens, s->ctx);
    }
}

static inline void server_fini(struct server *s)
{
    for (size_t i = 0; i < s->n; i++)
        peer_fini(&s->peers[i]);
    close(s->listens);
    tls_ctx_unref(s->ctx);
}

/* ---------------------------------------------------------------- the name server */
enum { ZONE_MAX = 16 };
struct zone_record {
    const char *name;
    uint16_t type;
    struct net_addr addr; /* A; SRV: its port */
    const char *target;   /* SRV */
};
struct name_server {
    int fd, wake[2];
    struct net_addr at;
    pthread_t thread;
    struct zone_record zone[ZONE_MAX];
    size_t n;
};

static inline void dns_put16(struct buf *b, unsigned v)
{
    buf_append_char(b, (char)(v >> 8));
    buf_append_char(b, (char)v);
}

static inline void dns_put_name(struct buf *b, struct slice name)
{
    struct slice label;
    while (name.n) {
        if (!slice_cut(name, '.', &label, &name)) {
            label = name;
            name = SLICE_NONE;
        }
        buf_append_char(b, (char)label.n);
        buf_append(b, label);
    }
    buf_append_char(b, 0);
}

static inline void dns_put_record(struct buf *b, const struct zone_record *r)
{
    struct buf data = {0};
    if (r->type == DNS_SRV) {
        dns_put16(&data, 0);
        dns_put16(&data, 0);
        dns_put16(&data, net_addr_port(&r->addr));
        dns_put_name(&data, slice_str(r->target));
    } else {
        buf_append_mem(&data, &r->addr.in4.sin_addr, 4);
    }
    dns_put_name(b, slice_str(r->name));
    dns_put16(b, r->type);
    dns_put16(b, 1);
    dns_put16(b, 0);
    dns_put16(b, 5); /* TTL */
    dns_put16(b, (unsigned)buf_len(&data));
    buf_append(b, buf_slice(&data));
    buf_fini(&data);
}

static inline void dns_answer(const struct name_server *s, struct slice q, struct buf *out)
{
    struct buf name = {0}, answers = {0};
    unsigned n = 0;
    bool known = false;
    size_t i = 12;
    while (i < q.n && q.p[i]) {
        size_t len = (unsigned char)q.p[i++];
        buf_append(&name, slice_str(buf_len(&name) ? "." : ""));
        buf_append(&name, slice_head(slice_from(q, i), len));
        i += len;
    }
    struct slice question = slice_head(slice_from(q, 12), i + 5 - 12);
    unsigned type = i + 2 < q.n ? (unsigned char)q.p[i + 2] : 0;
    for (size_t k = 0; k < s->n; k++) {
        bool same = slice_caseeq(buf_slice(&name), slice_str(s->zone[k].name));
        known |= same;
        if (same && s->zone[k].type == type) {
            dns_put_record(&answers, &s->zone[k]);
            n++;
        }
    }
    buf_append(out, slice_head(q, 2));
    dns_put16(out, known ? 0x8580 : 0x8583);
    dns_put16(out, 1);
    dns_put16(out, n);
    dns_put16(out, 0);
    dns_put16(out, 0);
    buf_append(out, question);
    buf_append(out, buf_slice(&answers));
    buf_fini(&name);
    buf_fini(&answers);
}

static inline void *dns_serve(void *arg)
{
    struct name_server *s = arg;
    for (;;) {
        struct pollfd p[] = {
            {s->fd,      POLLIN, 0},
            {s->wake[0], POLLIN, 0}
        };
        char q[1500];
        struct net_addr from = {0};
        socklen_t len = sizeof(from);
        struct buf out = {0};
        if (poll(p, 2, -1) < 0 || p[1].revents)
            return NULL;
        ssize_t n = recvfrom(s->fd, q, sizeof(q), 0, &from.sa, &len);
        if (n < 18)
            continue;
        dns_answer(s, slice_mem(q, (size_t)n), &out);
        sendto(s->fd, out.mem, out.end, 0, &from.sa, len);
        buf_fini(&out);
    }
}

/* After the zone has been filled. */
static inline void dns_start(struct name_server *s)
{
    socklen_t len = sizeof(s->at);
    s->at = fixture_addr(53, 0);
    s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(bind(s->fd, &s->at.sa, len) == 0 && getsockname(s->fd, &s->at.sa, &len) == 0 && pipe(s->wake) == 0);
    CHECK(pthread_create(&s->thread, NULL, dns_serve, s) == 0);
}

static inline void dns_stop(struct name_server *s)
{
    CHECK(write(s->wake[1], "", 1) == 1);
    pthread_join(s->thread, NULL);
    close(s->fd);
    close(s->wake[0]);
    close(s->wake[1]);
}
