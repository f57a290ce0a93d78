/*
 * element/health.h - is one address worth trying? A circuit breaker: pure, no socket, no clock, no lock.
 *
 *     GOOD ──failed──▶ BLOCKED ──time over, probe goes out──▶ PROBED ──answered──▶ GOOD
 *       │                 ▲                                     └─failed: BLOCKED, twice as long
 *       └─suspected─▶ SUSPECT ─probe failed─┘  (probe answered: GOOD)
 *
 * A failure that was seen (connect, TLS, connection lost, 503) blocks at once. Silence only makes suspect:
 * who was silent may be a user far behind the address; a probe finds out. Blocked means put last, never "not
 * at all": where nothing better is left the least bad one is tried, and an answer makes it good again.
 *
 * A block lasts `block_ms` at first and doubles with each failed probe, and with each failure soon after a
 * recovery (an address that flaps), up to `block_max_ms`. Nothing of this lives in a DNS cache.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Milliseconds. */
struct health_times {
    uint32_t probe_ms;               /* between probes of what is watched; 0: none */
    uint32_t probe_timeout_ms;       /* for a probe to be answered */
    uint32_t block_ms, block_max_ms; /* the first block, the longest one */
};
enum {
    HEALTH_WANTED_MS = 10 * 60 * 1000, /* what nobody wanted for so long is not probed */
    HEALTH_ERROR_TEXT = 120,
};

#define HEALTH_STATES(X) X(GOOD, "good") X(SUSPECT, "suspect") X(PROBED, "probed") X(BLOCKED, "blocked")
#define HEALTH_STATE_ENUM(name, text) HEALTH_##name,
/* In the order in which they are tried. */
enum health_state { HEALTH_STATES(HEALTH_STATE_ENUM) HEALTH_STATE_COUNT };
const char *health_state_name(enum health_state s);

struct health {
    enum health_state state;
    bool watched;      /* probed even when nothing is wrong */
    bool probing;      /* a probe is out */
    bool told;         /* blocked by its own Retry-After: answers to older requests do not end that */
    unsigned failures; /* in a row */
    uint32_t step;     /* length of the last block */
    uint64_t since;    /* of the state */
    uint64_t until;    /* of a block */
    uint64_t wanted;   /* when traffic last had it in mind */
    uint64_t probed;   /* when the last probe went out */
    char error[HEALTH_ERROR_TEXT]; /* the last one; stays after a recovery */
};
void health_init(struct health *h, uint64_t now);
/* Could not be reached, or was lost. */
void health_failed(struct health *h, const struct health_times *t, uint64_t now, const char *why);
/* Answered 503. retry_after_ms 0: it said nothing of when (as health_failed); else blocked for that long, but
 * not beyond block_max_ms. */
void health_refused(struct health *h, const struct health_times *t, uint64_t now, uint64_t retry_after_ms);
/* Said nothing in time. */
void health_suspected(struct health *h, uint64_t now, const char *why);
/* Something other than 503 came from it. */
void health_answered(struct health *h, uint64_t now);
/* A probe should go out now; health_probe_begins must follow when it does. */
bool health_probe_due(const struct health *h, const struct health_times *t, uint64_t now);
void health_probe_begins(struct health *h, uint64_t now);
/* why NULL: answered (by anything other than 503). */
void health_probe_ended(struct health *h, const struct health_times *t, uint64_t now, const char *why);
/* Lower is tried first: by state, then by the end of the block. */
uint64_t health_badness(const struct health *h);
