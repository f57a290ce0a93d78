#include "ground/net/stream.h"

#include "ground/base/mem.h"
#include "ground/net/sock.h"
#include "ground/net/stream_priv.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    STREAM_MAX_INPUT = 128 << 10,
    STREAM_MAX_OUTPUT = 4 << 20,
    STREAM_SETUP_MS = 10000,
    STREAM_PREFERRED_READS = 15,
    STREAM_PREFERRED_OUTPUT = 16 << 20,
    STREAM_ALERT_LINGER_MS = 1000, /* for the peer to read our alert; a close with unread data would reset */
    STREAM_MAX_ERROR = 256,
};

/* --- ends --------------------------------------------------------------------------------------------------
 */

void stream_set_error(struct stream *s, const char *fmt, ...)
{
    if (s->error)
        return; /* the first is the cause */
    s->error = mem_alloc(STREAM_MAX_ERROR);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->error, STREAM_MAX_ERROR, fmt, ap);
    va_end(ap);
}

static void release_socket(struct stream *s)
{
    timer_stop(&s->timer);
    deferred_cancel(&s->at_turn_end);
    io_free(s->io);
    s->io = NULL;
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    buf_fini(&s->out);
    buf_fini(&s->net);
}

void stream_end_with(struct stream *s, enum stream_end why)
{
    if (s->state >= STATE_ENDED)
        return;
    s->state = STATE_ENDED;
    release_socket(s);
    s->ops->ended(s, s->arg, why);
}

static void destroy(struct stream *s)
{
    buf_fini(&s->in);
    buf_fini(&s->out);
    tls_free(s->tls);
    tls_ctx_unref(s->ctx);
    mem_free(s->error);
    mem_free(s);
}

static void want(struct stream *s);

static void enter(struct stream *s)
{
    s->busy++;
}

static void leave(struct stream *s)
{
    want(s);
    if (--s->busy == 0 && s->state == STATE_FREED)
        destroy(s);
}

void stream_free(struct stream *s)
{
    if (!s || s->state == STATE_FREED)
        return;
    release_socket(s);
    s->state = STATE_FREED;
    if (s->busy == 0)
        destroy(s);
}

/* Whom an error is about: the name in the certificate where there is one, or the address. */
static void peer_failed(struct stream *s, const char *what)
{
    const struct crypto_cert *cert = tls_peer_cert(s->tls);
    const struct crypto_names *names = cert ? crypto_cert_names(cert) : NULL;
    char text[NET_ADDR_TEXT];
    struct slice peer = names && names->n_dns ? names->dns[0] : names ? names->common_name : SLICE_NONE;
    if (peer.n == 0)
        peer = net_addr_text(&s->remote, text);
    stream_set_error(s, "%s (peer %.*s)", what, (int)(peer.n < 128 ? peer.n : 128), peer.p);
}

void stream_tls_failed(struct stream *s)
{
    peer_failed(s, tls_error(s->tls));
    bool alert = buf_len(&s->net) > 0 && !s->write_error;
    s->state = STATE_FAILING;
    s->blocked = false;
    if (!alert || s->eof || send(s->fd, buf_slice(&s->net).p, buf_len(&s->net), MSG_NOSIGNAL) < 0) {
        stream_end_with(s, STREAM_TLS_FAILED);
        return;
    }
    buf_fini(&s->out);
    buf_fini(&s->net);
    shutdown(s->fd, SHUT_WR);
    timer_start(&s->timer, loop_now(s->loop) + STREAM_ALERT_LINGER_MS);
}

static void connect_failed(struct stream *s, int error)
{
    char text[NET_ADDR_TEXT];
    stream_set_error(s, "cannot connect to %s: %s", net_addr_text(&s->remote, text).p, strerror(error));
    stream_end_with(s, error == ETIMEDOUT ? STREAM_TIMEOUT : STREAM_REFUSED);
}

void stream_lost(struct stream *s, int error)
{
    if (s->state == STATE_HANDSHAKE) {
        stream_set_error(s, "%s during the TLS handshake", error ? strerror(error) : "closed by the peer");
        stream_end_with(s, STREAM_TLS_FAILED);
    } else {
        stream_set_error(s, "%s", error ? strerror(error) : "closed without close_notify");
        stream_end_with(s, s->state == STATE_FAILING ? STREAM_TLS_FAILED : STREAM_LOST);
    }
}

/* --- output --- */

size_t stream_pending_output(const struct stream *s)
{
    return buf_len(&s->out) + buf_len(&s->net);
}

size_t stream_backlog(const struct stream *s)
{
    return s->blocked ? stream_pending_output(s) : 0;
}

size_t stream_memory(const struct stream *s)
{
    return sizeof(*s) + s->in.cap + s->out.cap + s->net.cap;
}

static void want(struct stream *s)
{
    unsigned what = (s->eof || s->held || s->paced ? 0 : IO_READ) | (s->blocked ? IO_WRITE : 0);
    if (s->state < STATE_ENDED && s->io)
        io_want(s->io, s->state == STATE_CONNECTING ? IO_WRITE : what);
}

void stream_hold(struct stream *s, bool hold)
{
    s->held = hold;
    if (s->busy == 0)
        want(s);
    s->offering_again = !hold && buf_len(&s->in) > 0;
    if (s->offering_again)
        stream_flush(s);
}

void stream_pace(struct stream *s, bool (*may_read)(void *arg))
{
    s->may_read = may_read;
}

bool stream_read(struct stream *s, size_t most)
{
    if (!s->io || s->eof || s->held || s->state == STATE_CONNECTING)
        return false;
    enter(s);
    bool more = stream_read_in(s, most);
    leave(s);
    return more;
}

void stream_resume(struct stream *s)
{
    s->paced = false;
    if (s->busy == 0)
        want(s);
}

size_t stream_unread(const struct stream *s)
{
    int n = 0;
    return s->fd >= 0 && ioctl(s->fd, FIONREAD, &n) == 0 && n > 0 ? (size_t)n : 0;
}

void stream_prefer(struct stream *s)
{
    s->more_reads = STREAM_PREFERRED_READS;
    if (s->io)
        io_prefer(s->io);
    if (s->limits.max_output < STREAM_PREFERRED_OUTPUT)
        s->limits.max_output = STREAM_PREFERRED_OUTPUT;
}

struct buf *stream_output(struct stream *s)
{
    loop_lend(s->loop, &s->out);
    return &s->out;
}

void stream_flush(struct stream *s)
{
    if (s->state < STATE_FAILING)
        deferred_add(s->loop, &s->at_turn_end);
}

void stream_finish(struct stream *s, uint32_t linger_ms)
{
    if (s->state >= STATE_FAILING)
        return;
    s->finishing = true;
    s->linger_ms = linger_ms;
    if (s->state == STATE_UP)
        timer_start(&s->timer, loop_now(s->loop) + linger_ms);
    stream_flush(s);
}

/* --- what happens ------------------------------------------------------------------------------------------
 */

void stream_become_up(struct stream *s)
{
    s->state = STATE_UP;
    timer_stop(&s->timer);
    if (s->finishing)
        timer_start(&s->timer, loop_now(s->loop) + s->linger_ms);
    stream_flush(s); /* what was gathered before */
    s->ops->up(s, s->arg);
}

static void connected(struct stream *s)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    len = sizeof(s->local);
    getsockname(s->fd, &s->local.sa, &len);
    /* A port of our own choice may be the very one dialled: TCP then connects the socket with itself. */
    if (!error && net_addr_eq(&s->local, &s->remote))
        error = ECONNREFUSED;
    s->connected_ms = error ? 0 : loop_now(s->loop);
    if (error) {
        connect_failed(s, error);
    } else if (!s->tls) {
        stream_become_up(s);
    } else {
        s->state = STATE_HANDSHAKE;
        if (tls_start(s->tls, &s->net) == TLS_FAILED)
            stream_tls_failed(s);
        else
            stream_flush(s);
    }
}

static bool may_read(struct stream *s)
{
    s->paced = s->may_read && !s->may_read(s->arg);
    return !s->paced;
}

static void read_some(struct stream *s)
{
    for (unsigned i = 0; i <= s->more_reads && !s->held && may_read(s); i++)
        if (!stream_read_in(s, SIZE_MAX))
            break;
}

static void ready(void *arg, unsigned what)
{
    struct stream *s = arg;
    enter(s);
    if (s->state == STATE_CONNECTING) {
        connected(s);
    } else if (what & IO_WRITE) {
        s->blocked = false;
        stream_write_out(s);
    } else {
        read_some(s);
    }
    leave(s);
}

static void turn_end(void *arg)
{
    struct stream *s = arg;
    enter(s);
    if (s->state == STATE_STARTING && s->start_error)
        connect_failed(s, s->start_error);
    else if (s->state == STATE_STARTING)
        stream_become_up(s);
    else
        stream_go_on(s);
    leave(s);
}

static void timed_out(void *arg)
{
    struct stream *s = arg;
    enter(s);
    if (s->state < STATE_UP) {
        stream_set_error(s, "no %s within %u ms",
                         s->state == STATE_HANDSHAKE ? "TLS handshake" : "connection", s->limits.setup_ms);
        stream_end_with(s, STREAM_TIMEOUT);
    } else if (s->state == STATE_FAILING) {
        stream_end_with(s, STREAM_TLS_FAILED);
    } else if (s->write_error) {
        stream_lost(s, s->write_error);
    } else if (stream_pending_output(s)) {
        stream_set_error(s, "the peer does not read: %zu bytes left", stream_pending_output(s));
        stream_end_with(s, STREAM_SLOW_PEER);
    } else {
        stream_end_with(s, STREAM_CLOSED);
    }
    leave(s);
}

/* --- beginnings --------------------------------------------------------------------------------------------
 */

static struct stream *stream_new(struct loop *l, const struct net_addr *remote, struct tls_ctx *tls,
                                 struct slice server_name, const struct stream_limits *limits,
                                 const struct stream_ops *ops, void *arg)
{
    struct stream *s = MEM_NEW(struct stream);
    s->loop = l;
    s->fd = -1;
    s->remote = *remote;
    s->ops = ops;
    s->arg = arg;
    if (limits)
        s->limits = *limits;
    if (!s->limits.max_input)
        s->limits.max_input = STREAM_MAX_INPUT;
    if (!s->limits.max_output)
        s->limits.max_output = STREAM_MAX_OUTPUT;
    if (!s->limits.setup_ms)
        s->limits.setup_ms = STREAM_SETUP_MS;
    if (tls) {
        s->ctx = tls_ctx_ref(tls);
        s->tls = tls_new(tls, server_name);
    }
    deferred_init(&s->at_turn_end, turn_end, s);
    timer_init(&s->timer, l, timed_out, s);
    timer_start(&s->timer, loop_now(l) + s->limits.setup_ms);
    return s;
}

/* What lies there is beyond our order: who comes later waits for all of it. */
static void limit_buffers(const struct stream *s)
{
    if (s->limits.socket_buffer == 0)
        return;
    setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &s->limits.socket_buffer, sizeof(s->limits.socket_buffer));
    setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &s->limits.socket_buffer, sizeof(s->limits.socket_buffer));
}

/* 0 when the connection is under way, or negative errno. */
static int start_connect(struct stream *s, const struct net_addr *local)
{
    int on = 1;
    s->fd = socket(s->remote.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        return -errno;
    sock_tune_tcp(s->fd);
    limit_buffers(s);
    if (local) {
        /* The port is chosen by connect, which knows the destination: more than 64k connections fit. */
        if (net_addr_port(local) == 0)
            setsockopt(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
        if (bind(s->fd, &local->sa, net_addr_len(local)) < 0)
            return -errno;
    }
    if (connect(s->fd, &s->remote.sa, net_addr_len(&s->remote)) < 0 && errno != EINPROGRESS)
        return -errno;
    return 0;
}

struct stream *stream_connect(struct loop *l, const struct net_addr *local, const struct net_addr *remote,
                              struct tls_ctx *tls, struct slice server_name,
                              const struct stream_limits *limits, const struct stream_ops *ops, void *arg)
{
    struct stream *s = stream_new(l, remote, tls, server_name, limits, ops, arg);
    if (local)
        s->local = *local;
    s->start_error = -start_connect(s, local);
    if (s->start_error) {
        stream_flush(s);
    } else {
        s->state = STATE_CONNECTING;
        s->io = io_new(l, s->fd, ready, s);
        io_want(s->io, IO_WRITE);
    }
    return s;
}

void stream_resume_as(struct stream *s, struct slice as)
{
    if (s->tls)
        tls_resume_as(s->tls, as);
}

bool stream_was_resumed(const struct stream *s)
{
    return s->tls && tls_was_resumed(s->tls);
}

struct stream *stream_accept(struct loop *l, int fd, const struct net_addr *remote, struct tls_ctx *tls,
                             const struct stream_limits *limits, const struct stream_ops *ops, void *arg)
{
    struct stream *s = stream_new(l, remote, tls, SLICE_NONE, limits, ops, arg);
    socklen_t len = sizeof(s->local);
    s->fd = fd;
    getsockname(fd, &s->local.sa, &len);
    s->io = io_new(l, fd, ready, s);
    limit_buffers(s);
    if (tls) {
        s->state = STATE_HANDSHAKE;
        io_want(s->io, IO_READ);
    } else {
        stream_flush(s);
    }
    return s;
}

/* --- questions ---------------------------------------------------------------------------------------------
 */

bool stream_was_connected(const struct stream *s)
{
    return s->connected_ms != 0;
}

uint64_t stream_connected_ms(const struct stream *s)
{
    return s->connected_ms;
}

bool stream_is_up(const struct stream *s)
{
    return s->state == STATE_UP;
}

const struct net_addr *stream_local(const struct stream *s)
{
    return &s->local;
}

const struct crypto_cert *stream_peer_cert(const struct stream *s)
{
    return s->tls ? tls_peer_cert(s->tls) : NULL;
}

int stream_peer_verdict(const struct stream *s)
{
    return s->tls ? tls_peer_verdict(s->tls) : -1;
}

struct tls_ctx *stream_tls(const struct stream *s)
{
    return s->ctx;
}

const char *stream_error(const struct stream *s)
{
    return s->error ? s->error : "";
}

const char *stream_tls_version(const struct stream *s)
{
    return s->tls ? tls_version(s->tls) : "";
}

const char *stream_tls_cipher(const struct stream *s)
{
    return s->tls ? tls_cipher(s->tls) : "";
}
