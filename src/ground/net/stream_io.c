#include "ground/net/stream_priv.h"

#include <errno.h>
#include <unistd.h>

enum {
    STREAM_READ = 64 << 10,      /* of one stream at once: others wait no longer than for this */
    STREAM_READ_LEAST = 4 << 10, /* TLS, when a record has filled the input buffer past its limit */
};

/* --- output ------------------------------------------------------------------------------------------------
 */

/* All that was gathered becomes as few records as it can. */
static void encrypt(struct stream *s)
{
    if (!s->tls || s->state != STATE_UP)
        return;
    loop_lend(s->loop, &s->net);
    if (buf_len(&s->out) && tls_write(s->tls, buf_slice(&s->out), &s->net) == TLS_FAILED) {
        stream_tls_failed(s);
        return;
    }
    loop_give_back(s->loop, &s->out);
    if (s->finishing)
        tls_close_notify(s->tls, &s->net);
}

static void cannot_write(struct stream *s, int error)
{
    /* A peer that refuses us says why before it resets: read what there is, then end (see read_in). */
    bool reset = error == EPIPE || error == ECONNRESET;
    s->write_error = error;
    buf_fini(&s->out);
    buf_fini(&s->net);
    if (!reset || s->eof)
        stream_lost(s, error);
}

static void send_pending(struct stream *s)
{
    struct buf *wire = s->tls ? &s->net : &s->out;
    while (buf_len(wire)) {
        ssize_t n = send(s->fd, buf_slice(wire).p, buf_len(wire), MSG_NOSIGNAL);
        if (n >= 0) {
            buf_consume(wire, (size_t)n);
        } else if (errno == EAGAIN) {
            s->blocked = true;
            return;
        } else if (errno != EINTR) {
            cannot_write(s, errno);
            return;
        }
    }
    loop_give_back(s->loop, wire);
}

void stream_write_out(struct stream *s)
{
    bool open = (s->state == STATE_UP || s->state == STATE_HANDSHAKE) && !s->write_error;
    if (open && !s->blocked) {
        encrypt(s);
        if (s->state < STATE_FAILING)
            send_pending(s);
    }
    if (s->write_error)
        buf_fini(&s->out);
    if (s->state >= STATE_FAILING)
        return;
    if (stream_pending_output(s) > s->limits.max_output) {
        stream_set_error(s, "the peer does not read: %zu bytes wait", stream_pending_output(s));
        stream_end_with(s, STREAM_SLOW_PEER);
    } else if (s->finishing && s->state == STATE_UP && !s->fin_sent && !s->write_error &&
               stream_pending_output(s) == 0) {
        shutdown(s->fd, SHUT_WR);
        s->fin_sent = true;
        if (s->peer_ended)
            stream_end_with(s, STREAM_CLOSED);
    }
}

/* --- input -------------------------------------------------------------------------------------------------
 */

static void peer_ended(struct stream *s)
{
    if (s->peer_ended)
        return;
    s->peer_ended = true;
    if (s->fin_sent)
        stream_end_with(s, STREAM_CLOSED);
    else if (s->ops->half_closed)
        s->ops->half_closed(s, s->arg);
    else
        stream_finish(s, s->limits.setup_ms);
}

/* Offers `fresh`, behind what was left before; what is not used is kept. */
static void offer(struct stream *s, struct slice fresh)
{
    bool kept = buf_len(&s->in) > 0;
    if (kept) {
        buf_append(&s->in, fresh);
        fresh = buf_slice(&s->in);
    }
    size_t used = s->ops->data(s, s->arg, fresh);
    if (s->state >= STATE_FAILING)
        return;
    if (used >= fresh.n) {
        buf_fini(&s->in);
    } else if (used == 0 && fresh.n >= s->limits.max_input && !s->held) {
        stream_set_error(s, "the peer sent %zu bytes without an end", fresh.n);
        stream_end_with(s, STREAM_LOST);
    } else if (kept) {
        buf_consume(&s->in, used);
    } else {
        buf_append(&s->in, slice_from(fresh, used));
    }
}

void stream_go_on(struct stream *s)
{
    if (s->offering_again && s->state == STATE_UP) {
        s->offering_again = false;
        offer(s, SLICE_NONE);
    }
    if (s->state < STATE_ENDED)
        stream_write_out(s);
}

static void feed_tls(struct stream *s, struct slice in)
{
    if (s->peer_ended)
        return; /* nothing counts behind close_notify */
    struct buf plain = {0};
    loop_lend(s->loop, &plain);
    enum tls_result r = tls_feed(s->tls, in, &plain, &s->net);
    if (s->state == STATE_HANDSHAKE && r != TLS_FAILED && tls_is_up(s->tls))
        stream_become_up(s);
    if (s->state == STATE_UP && buf_len(&plain))
        offer(s, buf_slice(&plain));
    loop_give_back(s->loop, &plain);
    if (s->state >= STATE_FAILING)
        return;
    if (r == TLS_FAILED) {
        stream_tls_failed(s);
        return;
    }
    if (buf_len(&s->net))
        stream_flush(s);
    if (r == TLS_END && s->state == STATE_UP)
        peer_ended(s);
    else if (r == TLS_END)
        stream_lost(s, 0);
}

static void read_end(struct stream *s)
{
    s->eof = true;
    if (s->write_error)
        stream_lost(s, s->write_error);
    else if (s->state != STATE_UP || (s->tls && !s->peer_ended && !s->finishing))
        stream_lost(s, 0); /* truncated, as far as TLS can tell (RFC 8446 section 6.1) */
    else
        peer_ended(s);
}

bool stream_read_in(struct stream *s, size_t most)
{
    static _Thread_local char bytes[STREAM_READ];
    size_t room = buf_len(&s->in) < s->limits.max_input ? s->limits.max_input - buf_len(&s->in) : 0;
    if (s->tls && room < STREAM_READ_LEAST)
        room = STREAM_READ_LEAST;
    if (most > sizeof(bytes))
        most = sizeof(bytes);
    if (room > most)
        room = most;
    ssize_t n = recv(s->fd, bytes, room, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n < 0)
        stream_lost(s, errno);
    else if (n == 0)
        read_end(s);
    else if (s->state == STATE_FAILING)
        return false;
    else if (s->tls)
        feed_tls(s, slice_mem(bytes, (size_t)n));
    else
        offer(s, slice_mem(bytes, (size_t)n));
    return n > 0 && (size_t)n == room && s->state == STATE_UP;
}
