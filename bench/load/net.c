#include "load/net.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "load/stat.h"

enum { READ_CHUNK = 65536, MAX_EVENTS = 256 };

struct net_ops net_ops;
static int ep = -1;
static struct conn *flush_list, *dead_list;
static BIO_METHOD *bio_meth;

/* ---- buffers ---- */

static void buf_reserve(struct buf *b, size_t n)
{
    if (b->off == b->len)
        b->off = b->len = 0;
    if (b->cap - b->len >= n)
        return;
    if (b->off) {
        memmove(b->d, b->d + b->off, b->len - b->off);
        b->len -= b->off;
        b->off = 0;
    }
    if (b->cap - b->len < n) {
        size_t cap = b->cap ? b->cap : 4096;
        while (cap - b->len < n)
            cap *= 2;
        b->d = realloc(b->d, cap);
        if (!b->d)
            die("out of memory");
        b->cap = cap;
    }
}

void buf_put(struct buf *b, const void *p, size_t n)
{
    buf_reserve(b, n);
    memcpy(b->d + b->len, p, n);
    b->len += n;
}

void buf_take(struct buf *b, size_t n)
{
    b->off += n;
    if (b->off == b->len)
        b->off = b->len = 0;
}

static void buf_free(struct buf *b)
{
    free(b->d);
    memset(b, 0, sizeof *b);
}

/* Receive buffers are lent: an idle connection keeps none, so many can be held. */
static void buf_lend(struct buf *spare, struct buf *b)
{
    if (!b->cap) {
        *b = *spare;
        memset(spare, 0, sizeof *spare);
    }
}

static void buf_return(struct buf *spare, struct buf *b)
{
    if (buf_left(b) || !b->cap)
        return;
    if (spare->cap)
        buf_free(b);
    else
        *spare = *b;
    memset(b, 0, sizeof *b);
}

/* ---- TLS: a BIO over conn.rraw / conn.wraw ---- */

static int bio_read(BIO *bio, char *p, int n)
{
    struct conn *c = BIO_get_data(bio);
    size_t have = buf_left(&c->rraw);
    BIO_clear_retry_flags(bio);
    if (!have) {
        BIO_set_retry_read(bio);
        return -1;
    }
    if ((size_t)n > have)
        n = (int)have;
    memcpy(p, buf_at(&c->rraw), (size_t)n);
    buf_take(&c->rraw, (size_t)n);
    return n;
}

static int bio_write(BIO *bio, const char *p, int n)
{
    struct conn *c = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    buf_put(&c->wraw, p, (size_t)n);
    return n;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    (void)bio, (void)num, (void)ptr;
    return cmd == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

SSL_CTX *tls_ctx(const struct tls_conf *t)
{
    char crt[512], key[512], ca[512];
    snprintf(crt, sizeof crt, "%s/%s.crt", t->dir, t->name);
    snprintf(key, sizeof key, "%s/%s.key", t->dir, t->name);
    snprintf(ca, sizeof ca, "%s/ca.crt", t->dir);
    SSL_CTX *x = SSL_CTX_new(t->server ? TLS_server_method() : TLS_client_method());
    if (!x || !SSL_CTX_set_min_proto_version(x, TLS1_3_VERSION) ||
        !SSL_CTX_set_max_proto_version(x, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(x, "TLS_AES_256_GCM_SHA384") ||
        SSL_CTX_use_certificate_chain_file(x, crt) != 1 ||
        SSL_CTX_use_PrivateKey_file(x, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_load_verify_locations(x, ca, NULL) != 1) {
        ERR_print_errors_fp(stderr);
        die("TLS set-up of %s failed", crt);
    }
    SSL_CTX_set_verify(x, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_mode(x, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_id_context(x, (const unsigned char *)"bench", 5);
    if (!t->tickets) {
        SSL_CTX_set_num_tickets(x, 0);
        SSL_CTX_set_options(x, SSL_OP_NO_TICKET);
        SSL_CTX_set_session_cache_mode(x, SSL_SESS_CACHE_OFF);
    }
    return x;
}

static void tls_attach(struct conn *c, SSL_CTX *ctx, bool server)
{
    if (!ctx) { /* plain TCP; what we dial is up when it can be written to */
        c->up = server;
        return;
    }
    c->ssl = SSL_new(ctx);
    BIO *bio = BIO_new(bio_meth);
    BIO_set_data(bio, c);
    SSL_set_bio(c->ssl, bio, bio);
    SSL_set_app_data(c->ssl, c);
    if (server)
        SSL_set_accept_state(c->ssl);
    else
        SSL_set_connect_state(c->ssl);
}

/* ---- connections ---- */

static void queue(struct conn *c)
{
    if (c->queued)
        return;
    c->queued = true;
    c->next = flush_list;
    flush_list = c;
}

static void arm(struct conn *c, bool out, int op)
{
    struct epoll_event e = {.events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = c};
    c->want_out = out;
    if (epoll_ctl(ep, op, c->fd, &e))
        die("epoll_ctl: %s", strerror(errno));
}

void net_close(struct conn *c)
{
    if (c->dead)
        return;
    c->dead = true;
    queue(c);
}

static void reap(struct conn *c)
{
    if (net_ops.on_close)
        net_ops.on_close(c);
    SSL_free(c->ssl);
    close(c->fd);
    buf_free(&c->in);
    buf_free(&c->rraw);
    buf_free(&c->wraw);
    c->next = dead_list; /* events of this pass may still point here */
    dead_list = c;
}

static void flush(struct conn *c)
{
    while (buf_left(&c->wraw)) {
        ssize_t n = send(c->fd, buf_at(&c->wraw), buf_left(&c->wraw), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) {
            if (errno == EAGAIN) {
                if (!c->want_out)
                    arm(c, true, EPOLL_CTL_MOD);
                return;
            }
            net_close(c);
            return;
        }
        buf_take(&c->wraw, (size_t)n);
    }
    if (c->want_out)
        arm(c, false, EPOLL_CTL_MOD);
}

void net_flush(void)
{
    while (flush_list) {
        struct conn *c = flush_list;
        flush_list = c->next;
        c->queued = false;
        if (!c->listening)
            flush(c);
        if (c->dead) {
            if (c->queued) { /* flush() failed and queued it again: it is the head */
                flush_list = c->next;
                c->queued = false;
            }
            reap(c);
        }
    }
}

void net_send(struct conn *c, const void *p, size_t n)
{
    if (c->dead)
        return;
    if (c->datagrams) {
        if (send(c->fd, p, n, MSG_DONTWAIT) < 0 && errno != EAGAIN)
            net_close(c);
        return;
    }
    if (!c->ssl)
        buf_put(&c->wraw, p, n);
    else if (SSL_write(c->ssl, p, (int)n) != (int)n)
        net_close(c);
    queue(c);
}

static struct conn *conn_new(int fd, int role)
{
    struct conn *c = calloc(1, sizeof *c);
    if (!c)
        die("out of memory");
    c->fd = fd;
    c->role = role;
    return c;
}

static void local_port(struct conn *c)
{
    struct sockaddr_in a;
    socklen_t l = sizeof a;
    if (!getsockname(c->fd, (struct sockaddr *)&a, &l))
        c->port = ntohs(a.sin_port);
}

static int new_socket(int type)
{
    int one = 1;
    int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket: %s", strerror(errno));
    if (type == SOCK_DGRAM)
        return fd;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

struct conn *net_listen(struct sockaddr_in at, SSL_CTX *ctx, int role)
{
    int fd = new_socket(SOCK_STREAM);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 4096))
        die("cannot listen on port %d: %s", ntohs(at.sin_port), strerror(errno));
    struct conn *c = conn_new(fd, role);
    c->listening = c->up = true;
    c->ctx = ctx;
    local_port(c);
    arm(c, false, EPOLL_CTL_ADD);
    return c;
}

struct conn *net_connect(struct sockaddr_in to, const struct sockaddr_in *from, SSL_CTX *ctx, int role)
{
    int fd = new_socket(SOCK_STREAM), one = 1;
    if (from) {
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(fd, (struct sockaddr *)from, sizeof *from))
            die("bind: %s", strerror(errno));
    }
    if (connect(fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS) {
        close(fd);
        return NULL;
    }
    struct conn *c = conn_new(fd, role);
    local_port(c);
    tls_attach(c, ctx, false);
    arm(c, true, EPOLL_CTL_ADD);
    return c;
}

struct conn *net_udp(struct sockaddr_in to, const struct sockaddr_in *from, int role)
{
    int fd = new_socket(SOCK_DGRAM), room = 4 << 20;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (bind(fd, (struct sockaddr *)from, sizeof *from) || connect(fd, (struct sockaddr *)&to, sizeof to))
        die("UDP: %s", strerror(errno));
    struct conn *c = conn_new(fd, role);
    c->datagrams = c->up = true;
    local_port(c);
    arm(c, false, EPOLL_CTL_ADD);
    return c;
}

static void handle_datagrams(struct conn *c)
{
    buf_reserve(&c->in, READ_CHUNK);
    for (ssize_t n; (n = recv(c->fd, c->in.d, READ_CHUNK, 0)) > 0;) {
        c->in.off = 0;
        c->in.len = (size_t)n;
        net_ops.on_data(c);
    }
    c->in.off = c->in.len = 0;
}

static void handle_accept(struct conn *l)
{
    for (;;) {
        int one = 1, fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct conn *c = conn_new(fd, l->role);
        tls_attach(c, l->ctx, true);
        arm(c, false, EPOLL_CTL_ADD);
        if (net_ops.on_accept)
            net_ops.on_accept(l, c);
    }
}

static void tls_pump(struct conn *c)
{
    if (!c->up) {
        int r = SSL_do_handshake(c->ssl);
        flush(c); /* at once: a pass may hold many handshakes */
        if (r != 1) {
            if (SSL_get_error(c->ssl, r) != SSL_ERROR_WANT_READ)
                net_close(c);
            ERR_clear_error();
            return;
        }
        c->up = true;
        if (net_ops.on_up)
            net_ops.on_up(c);
    }
    for (;;) {
        buf_reserve(&c->in, 16384);
        int n = SSL_read(c->ssl, c->in.d + c->in.len, 16384);
        if (n <= 0) {
            if (SSL_get_error(c->ssl, n) != SSL_ERROR_WANT_READ)
                net_close(c);
            ERR_clear_error();
            break;
        }
        c->in.len += (size_t)n;
    }
    if (buf_left(&c->wraw))
        queue(c);
}

/* What is written to a connection that came up may have been refused: recv finds out. */
static void plain_up(struct conn *c)
{
    c->up = true;
    if (net_ops.on_up)
        net_ops.on_up(c);
}

static void handle_stream(struct conn *c, uint32_t ev)
{
    if (ev & EPOLLOUT) {
        if (!c->up && c->ssl)
            tls_pump(c); /* starts the client handshake */
        else if (!c->up && !(ev & (EPOLLERR | EPOLLHUP)))
            plain_up(c);
        if (!c->dead)
            flush(c);
    }
    if (!(ev & (EPOLLIN | EPOLLHUP | EPOLLERR)) || c->dead)
        return;
    static struct buf spare_raw, spare_in;
    struct buf *b = c->ssl ? &c->rraw : &c->in;
    buf_lend(&spare_in, &c->in);
    buf_lend(&spare_raw, &c->rraw);
    buf_reserve(b, READ_CHUNK);
    ssize_t n = recv(c->fd, b->d + b->len, b->cap - b->len, 0);
    if (n > 0) {
        b->len += (size_t)n;
        if (c->ssl)
            tls_pump(c);
        if (buf_left(&c->in) && c->up)
            net_ops.on_data(c);
    } else if (n == 0 || errno != EAGAIN) {
        net_close(c);
    }
    buf_return(&spare_raw, &c->rraw);
    buf_return(&spare_in, &c->in);
}

void net_init(void)
{
    struct rlimit r = {200000, 200000};
    if (setrlimit(RLIMIT_NOFILE, &r)) {
        getrlimit(RLIMIT_NOFILE, &r);
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
    ep = epoll_create1(EPOLL_CLOEXEC);
    bio_meth = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "conn");
    BIO_meth_set_read(bio_meth, bio_read);
    BIO_meth_set_write(bio_meth, bio_write);
    BIO_meth_set_ctrl(bio_meth, bio_ctrl);
    BIO_meth_set_create(bio_meth, bio_create);
}

void net_poll(uint64_t timeout_ns)
{
    struct epoll_event ev[MAX_EVENTS];
    struct timespec ts = {(time_t)(timeout_ns / 1000000000ull), (long)(timeout_ns % 1000000000ull)};
    net_flush();
    int n = epoll_pwait2(ep, ev, MAX_EVENTS, &ts, NULL);
    if (n < 0 && errno == ENOSYS) /* an old kernel, or valgrind */
        n = epoll_wait(ep, ev, MAX_EVENTS, (int)((timeout_ns + 999999) / 1000000));
    for (int i = 0; i < n; i++) {
        struct conn *c = ev[i].data.ptr;
        if (c->dead)
            continue;
        if (c->listening)
            handle_accept(c);
        else if (c->datagrams)
            handle_datagrams(c);
        else
            handle_stream(c, ev[i].events);
    }
    net_flush();
    while (dead_list) {
        struct conn *c = dead_list;
        dead_list = c->next;
        free(c);
    }
}

struct sockaddr_in addr_parse(const char *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    char host[64];
    int port;
    if (sscanf(s, "%63[^:]:%d", host, &port) != 2 || inet_pton(AF_INET, host, &a.sin_addr) != 1)
        die("bad address '%s' (want IPV4:PORT)", s);
    a.sin_port = htons((uint16_t)port);
    return a;
}
