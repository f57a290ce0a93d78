/*
 * net/stream_priv.h - a stream's inside: stream.c has its life, stream_io.c moves its bytes. Private to net.
 */
#pragma once

#include "ground/net/stream.h"

enum stream_state {
    STATE_STARTING,   /* what stream_connect or stream_accept found is told at the end of the turn */
    STATE_CONNECTING, /* TCP */
    STATE_HANDSHAKE,  /* TLS */
    STATE_UP,
    STATE_FAILING, /* TLS failed, our alert is on its way */
    STATE_ENDED,   /* `ended` was called */
    STATE_FREED,   /* by a callback: the memory goes when that has returned */
};

/*
 * Nothing but `ready`, `turn_end` and `timed_out` (stream.c) calls back; what users call only notes what to
 * do and leaves it to the end of the turn. These three stand between enter and leave, so that a stream freed
 * by a callback stays in memory (STATE_FREED) until they are through.
 */
struct stream {
    struct loop *loop;
    struct io *io; /* NULL: no socket */
    int fd;
    enum stream_state state;
    unsigned busy;

    uint64_t connected_ms; /* when TCP came up; 0: it never was */
    bool blocked;          /* the socket is full: IO_WRITE comes */
    unsigned more_reads;   /* in one turn, while there is something */
    bool (*may_read)(void *arg);
    bool paced;          /* it said no: read by stream_read alone */
    bool held;           /* not read from */
    bool offering_again; /* it was held, and has input left */
    bool eof;            /* the peer's FIN was read */
    bool peer_ended;     /* the end of its data: FIN, or close_notify */
    bool finishing, fin_sent;
    int start_error; /* what connecting ran into at once */
    int write_error; /* nothing can be sent; what the peer sent before it went may still be there to read */
    uint32_t linger_ms;

    struct buf in;  /* plaintext that was not consumed */
    struct buf out; /* plaintext gathered */
    struct buf net; /* TLS records on their way */
    struct tls_ctx *ctx;
    struct tls *tls;
    struct timer timer; /* setup, the alert's linger, then that of stream_finish */
    struct deferred at_turn_end;

    struct stream_limits limits;
    const struct stream_ops *ops;
    void *arg;
    struct net_addr local, remote;
    char *error;
};

/* The first error is the cause: later ones are not kept. */
__attribute__((format(printf, 2, 3))) void stream_set_error(struct stream *s, const char *fmt, ...);
/* Closes the socket and calls `ended`, once. */
void stream_end_with(struct stream *s, enum stream_end why);
/* The connection broke; error 0: it ended where it should not have. */
void stream_lost(struct stream *s, int error);
/* Sends the alert that tls left in s->net, then ends. */
void stream_tls_failed(struct stream *s);
void stream_become_up(struct stream *s);

/* Encrypts and sends what waits, as far as the socket takes it; completes stream_finish; minds max_output. */
void stream_write_out(struct stream *s);
/* What there is to do at the end of a turn: offers again what was left while it was held, and writes. */
void stream_go_on(struct stream *s);
/* One read from the socket, and what follows from it. */
bool stream_read_in(struct stream *s, size_t most); /* there may be more */
