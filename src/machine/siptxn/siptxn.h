/*
 * siptxn/siptxn.h - the four SIP transaction machines (RFC 3261 section 17), with RFC 6026 (Accepted state)
 * and RFC 4320 (non-INVITE: no provisional before timer E reaches T2, no 408 from proxies).
 *
 * Pure: no message, no socket, no clock. An event goes in with `now` (milliseconds); a set of actions comes
 * out, to be carried out in the order of their bits; siptxn_deadline says when to call siptxn_timeout next.
 * The caller keeps the messages: the request as sent (client), the last response (server), the ACK (client
 * INVITE).
 *
 * After SIPTXN_DO_END the transaction is terminated: every further event answers 0.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* RFC 3261 table 4, milliseconds. */
struct siptxn_times {
    uint32_t t1, t2, t4;
    uint32_t timer_b; /* INVITE client time-out; 64*T1, or shorter for one attempt of several */
    uint32_t timer_f; /* non-INVITE client time-out; likewise */
    uint32_t timer_d; /* unreliable: at least 32 s */
};
extern const struct siptxn_times siptxn_rfc_times;

enum siptxn_kind { SIPTXN_INVITE_CLIENT, SIPTXN_CLIENT, SIPTXN_INVITE_SERVER, SIPTXN_SERVER };
/* The RFC's names; each machine uses a subset. */
#define SIPTXN_STATES(X)                                                                                     \
    X(CALLING) X(TRYING) X(PROCEEDING) X(ACCEPTED) X(COMPLETED) X(CONFIRMED) X(TERMINATED)
#define SIPTXN_STATE_ENUM(s) SIPTXN_##s,
enum siptxn_state { SIPTXN_STATES(SIPTXN_STATE_ENUM) SIPTXN_STATE_COUNT };
const char *siptxn_state_name(enum siptxn_state s);

enum {
    SIPTXN_DO_SEND = 1, /* client: the request (again); server: the last response (again) */
    SIPTXN_DO_ACK = 2,  /* INVITE client: send the ACK for the non-2xx final response (again) */
    SIPTXN_DO_PASS = 4, /* client: give this response to the user; server: give this ACK to the user (2xx) */
    SIPTXN_DO_TIMEOUT = 8, /* client: timer B or F fired: as if 408; server: timer H fired: no ACK came */
    SIPTXN_DO_END = 16,    /* terminated: forget it */
    SIPTXN_DO_TRYING = 32, /* server: send 100 Trying now and keep it as the last response */
};

struct siptxn {
    enum siptxn_kind kind;
    enum siptxn_state state;
    bool reliable; /* transport: no retransmissions, D, I, J, K are 0 */
    bool sent_final;
    const struct siptxn_times *times; /* must outlive it */
    /* deadlines, UINT64_MAX when not running; names of RFC 3261 table 4 and RFC 6026 */
    uint64_t resend;      /* A, E or G */
    uint32_t resend_step; /* current interval */
    uint64_t timeout;     /* B, F or H */
    uint64_t linger;      /* D, I, J, K, L or M */
    uint64_t trying;      /* server: when 100 is due (INVITE: 200 ms, 17.2.1; others: RFC 4320 4.1) */
};

/* Client: the request is sent by DO_SEND of the answer. Server: the request has been received (nothing to
 * do). */
unsigned siptxn_start(struct siptxn *t, enum siptxn_kind kind, bool reliable,
                      const struct siptxn_times *times, uint64_t now);
/* Client: a response with this status came. */
unsigned siptxn_response(struct siptxn *t, uint64_t now, unsigned status);
/* Server: the same request came again. */
unsigned siptxn_request(struct siptxn *t, uint64_t now);
/* INVITE server: an ACK that matches this transaction came. */
unsigned siptxn_ack(struct siptxn *t, uint64_t now);
/* Server: the user sends this response (SEND), or may not any more (0: a final one was sent; 2xx of INVITE
 * may be repeated in ACCEPTED). RFC 4320: provisional responses of non-INVITE before `trying` is due answer
 * 0, and so does at all times one other than 100. */
unsigned siptxn_send(struct siptxn *t, uint64_t now, unsigned status);
/* The transport could not deliver. A client that was still sending ends (END alone: as if 503, 8.1.3.1); a
 * server stays as it is (RFC 6026 section 8.8) and answers 0. */
unsigned siptxn_transport_failed(struct siptxn *t, uint64_t now);
/* A deadline has passed. */
unsigned siptxn_timeout(struct siptxn *t, uint64_t now);
uint64_t siptxn_deadline(const struct siptxn *t); /* UINT64_MAX: none */
