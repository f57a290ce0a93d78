/*
 * element/share.h - private to element: who may begin a request when there is not enough for all. Pure: the
 * time and what was measured are parameters.
 *
 * What comes by connections waits its turn (turns.h) and is not refused for lack of time. This here is for
 * what cannot be told to wait (UDP), and for what time does not heal: memory, pending requests.
 *
 * Signal. Every SHARE_INTERVAL_MS the caller says how long messages had to wait at the very least in that
 * interval. Like CoDel (RFC 8289) the least counts, not the most: a burst that is worked off is no overload,
 * a wait that never ends is.
 *
 * Answer. While overloaded, so many requests are admitted in an interval as were borne of late; the
 * number falls by a quarter in a bad interval and grows by a tenth in a good one. They are divided by
 * max-min fairness over owners (a partner's domain, a machine, a source): who asks for less than its share
 * gets all of it, the rest is divided among those who ask for more. So a partner that sends ten times its
 * share is refused first, and the others do not notice.
 *
 * Pending requests and their memory are shared without any signal: an owner may have as much as is still free
 * for all. One alone can take half, two a third each; somebody new always finds room.
 */
#pragma once

#include "ground/base/list.h"
#include "ground/base/map.h"

enum {
    SHARE_INTERVAL_MS = 100,
    SHARE_OWNERS_MAX = 4096, /* remembered without pending requests */
    SHARE_LEAST = 10,        /* admitted in an interval however bad it is */
    SHARE_CALM = 20,         /* good intervals without a refusal, until all is forgotten */
};

/* What passes first when not all can. */
enum share_class {
    SHARE_END,    /* ACK, CANCEL, BYE, PRACK: they end work, or complete what was admitted */
    SHARE_DIALOG, /* within a dialog: twice the share */
    SHARE_NEW,
};
enum share_verdict {
    SHARE_ADMITTED,
    SHARE_REFUSED,
    SHARE_FLOODED, /* refused, and its owner does not stop: better not to read on in this interval */
};

struct share; /* of one owner */
struct shares {
    struct map owners;
    struct list all; /* the one that asked last is last */
    uint64_t from;   /* of the interval; 0: none began yet */
    uint64_t round;
    uint32_t asked, admitted, refused; /* in this interval */
    uint32_t rate;                     /* may be admitted in one; 0: all */
    uint32_t level;                    /* by each owner */
    uint32_t calm;
    uint32_t best; /* admitted in an interval of late */
    uint32_t knee; /* the rate at which it began to be bad */
    bool bad;      /* the interval before */
    uint32_t pending;
};
void shares_init(struct shares *s);
void shares_fini(struct shares *s);
/* The interval is over when this is true: call shares_measure. */
static inline bool shares_due(const struct shares *s, uint64_t now)
{
    return now - s->from >= SHARE_INTERVAL_MS;
}
/* `bad`: whether messages waited too long during all of it, or memory or the next hop is at its end. */
void shares_measure(struct shares *s, bool bad, uint64_t now);
struct share_room {
    bool by_rate;         /* false: it has waited its turn elsewhere (turns.h), only what is pending counts */
    uint32_t pending_max; /* 0: no limit */
    uint64_t bytes;       /* that are free; UINT64_MAX: no limit */
};
/* Admitted: one more is pending until shares_done. *ret is set in any case. */
enum share_verdict shares_ask(struct shares *s, uint64_t owner, enum share_class class,
                              const struct share_room *room, struct share **ret);
/* What it holds of memory for pending requests grows, or becomes less. */
void shares_hold(struct share *one, int64_t bytes);
void shares_done(struct shares *s, struct share *one);
/* Something of every owner is refused now. */
static inline bool shares_overloaded(const struct shares *s)
{
    return s->rate != 0;
}
