/*
 * net/stream.h - a TCP or TLS connection on one loop: nonblocking, output gathered for one write a turn.
 *
 * Life: stream_connect or stream_accept; `up` once (TCP connected and TLS handshake done and verified);
 * `data` for what comes in; `ended` exactly once, after which only stream_free is allowed (free inside any
 * callback is fine). TLS close_notify and TCP FIN are the same thing here: the peer's end of data.
 * `half_closed` tells it: our side can still write. Graceful ending of ours: stream_finish flushes, sends
 * close_notify and FIN, goes on reading (data still comes) until the peer ends too or linger_ms pass; then
 * `ended`. No RST is ever provoked by unread data while lingering.
 *
 * Limits: output that the peer does not take is bounded by max_output (then ended with STREAM_SLOW_PEER);
 * connecting and handshake by setup_ms together (STREAM_TIMEOUT).
 */
#pragma once

#include "ground/base/buf.h"
#include "ground/crypto/tls.h"
#include "ground/loop/loop.h"
#include "ground/net/addr.h"

struct stream;

enum stream_end {
    STREAM_CLOSED,     /* both sides ended in order */
    STREAM_REFUSED,    /* could not connect */
    STREAM_TIMEOUT,    /* connect or handshake took too long */
    STREAM_TLS_FAILED, /* handshake or record layer; stream_error says what */
    STREAM_LOST,       /* reset, truncated (TLS: FIN without close_notify, unless we finished), unreachable */
    STREAM_SLOW_PEER,  /* did not read: output limit passed */
};

struct stream_ops {
    void (*up)(struct stream *s, void *arg);
    /* How much of `in` was used; what is left comes again with more. The whole input buffer is limited by
     * max_input: `in` of that length with nothing consumed ends the stream (STREAM_LOST). */
    size_t (*data)(struct stream *s, void *arg, struct slice in);
    void (*half_closed)(struct stream *s, void *arg); /* NULL: the stream finishes by itself then */
    void (*ended)(struct stream *s, void *arg, enum stream_end why);
};

struct stream_limits {
    size_t max_input;  /* bytes waiting to be consumed; 0: 128 KiB */
    size_t max_output; /* bytes waiting to be taken; 0: 4 MiB */
    uint32_t setup_ms; /* 0: 10,000 */
    int socket_buffer; /* bytes that the kernel may keep each way, roughly; 0: as it sees fit */
};

/* local: address to bind to (port 0: any), or NULL. tls NULL: plain TCP. server_name: SNI, or empty. Never
 * fails at once: errors come through `ended` on a later turn. */
struct stream *stream_connect(struct loop *l, const struct net_addr *local, const struct net_addr *remote,
                              struct tls_ctx *tls, struct slice server_name,
                              const struct stream_limits *limits, const struct stream_ops *ops, void *arg);
/* One that was just dialled: resumes TLS as tls_resume_as says. */
void stream_resume_as(struct stream *s, struct slice as);
/* Takes over fd (nonblocking). */
struct stream *stream_accept(struct loop *l, int fd, const struct net_addr *remote, struct tls_ctx *tls,
                             const struct stream_limits *limits, const struct stream_ops *ops, void *arg);
/* The output buffer: append whole messages to it, then stream_flush; written at the end of the turn. */
struct buf *stream_output(struct stream *s);
void stream_flush(struct stream *s);
size_t stream_pending_output(const struct stream *s);
/* Of it, what the peer has left no room for: 0 while the socket takes what is written. */
size_t stream_backlog(const struct stream *s);
/* Bytes of its buffers. */
size_t stream_memory(const struct stream *s);
/* For a connection that carries what belongs to many: more of it is read in one turn than of others, and 16
 * MiB of its output may wait. */
void stream_prefer(struct stream *s);
/* Reads nothing until it is released: the sender has to wait. Then what `data` left is
 * offered again. */
void stream_hold(struct stream *s, bool hold);
/* Asked each time when there is something to read, the handshake included. False: not now; from then on the
 * user reads it by stream_read, until stream_resume. */
void stream_pace(struct stream *s, bool (*may_read)(void *arg));
/* Reads once, at most so much. True: there may be more. A callback may have freed it. */
bool stream_read(struct stream *s, size_t most);
void stream_resume(struct stream *s);
/* Bytes that have come and were not read. */
size_t stream_unread(const struct stream *s);
void stream_finish(struct stream *s, uint32_t linger_ms);
/* At once and without a word; no callback follows. NULL is fine. */
void stream_free(struct stream *s);

bool stream_is_up(const struct stream *s);
/* One that was dialled: was TCP up, whatever came of TLS? Also in `ended`. */
bool stream_was_connected(const struct stream *s);
/* And when (loop_now); 0: it never was. */
uint64_t stream_connected_ms(const struct stream *s);
const struct net_addr *stream_local(const struct stream *s);
/* Was its TLS session resumed? */
bool stream_was_resumed(const struct stream *s);
/* The peer's certificate after `up`, NULL without one; lives as long as the stream. */
const struct crypto_cert *stream_peer_cert(const struct stream *s);
/* The verdict on its chain (tls.h); CRYPTO_VERIFY_OK after a required verification. */
int stream_peer_verdict(const struct stream *s);
struct tls_ctx *stream_tls(const struct stream *s);
const char *stream_tls_version(const struct stream *s); /* "TLSv1.3"; "" without TLS */
const char *stream_tls_cipher(const struct stream *s);
/* One sentence about why it ended or failed: "certificate has expired (peer sip.x.example)". "" without. */
const char *stream_error(const struct stream *s);
