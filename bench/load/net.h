/*
 * load/net.h - a single-threaded epoll loop over connections: mutual TLS or plain TCP, one recv and one send
 * a connection and pass; a UDP socket is a connection, too. Received text is gathered in conn.in; the owner
 * consumes it in on_data().
 */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *d;
    size_t off, len, cap; /* valid bytes are d[off..len) */
};
static inline char *buf_at(struct buf *b)
{
    return b->d + b->off;
}
static inline size_t buf_left(const struct buf *b)
{
    return b->len - b->off;
}
void buf_take(struct buf *b, size_t n);
void buf_put(struct buf *b, const void *p, size_t n);

enum proto { PROTO_TLS, PROTO_TCP, PROTO_UDP };

struct conn {
    int fd;
    bool listening, up, dead, datagrams;
    int role;      /* the owner's */
    void *user;    /* the owner's */
    uint16_t port; /* local port, host order */
    SSL *ssl;      /* NULL: plain */
    SSL_CTX *ctx;  /* listening: for accepted connections; NULL: plain TCP */
    struct buf in, rraw, wraw;
    bool queued, want_out;
    struct conn *next;
};

struct net_ops {
    void (*on_accept)(struct conn *listener, struct conn *c); /* may be NULL */
    void (*on_up)(struct conn *c);                            /* may be NULL */
    void (*on_data)(struct conn *c);
    void (*on_close)(struct conn *c); /* the conn is freed afterwards */
};
extern struct net_ops net_ops;

struct sockaddr_in addr_parse(const char *host_port);

struct tls_conf {
    const char *dir;  /* PKI directory */
    const char *name; /* DIR/NAME.crt and DIR/NAME.key; DIR/ca.crt verifies the other side */
    bool server, tickets;
};
SSL_CTX *tls_ctx(const struct tls_conf *c);

void net_init(void);
struct conn *net_listen(struct sockaddr_in at, SSL_CTX *ctx, int role);
/* ctx NULL: plain TCP, up by and by. */
struct conn *net_connect(struct sockaddr_in to, const struct sockaddr_in *from, SSL_CTX *ctx, int role);
struct conn *net_udp(struct sockaddr_in to, const struct sockaddr_in *from, int role); /* up at once */
void net_send(struct conn *c, const void *p, size_t n);
void net_close(struct conn *c);     /* deferred: frees at the end of the pass */
void net_poll(uint64_t timeout_ns); /* one pass: wait, dispatch, flush */
void net_flush(void);
