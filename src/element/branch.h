/*
 * element/branch.h - one branch of a forwarded request (RFC 3261 16.6-16.8): its target's addresses, one
 * attempt (a client transaction) after the other (RFC 3263 4.3), timer C. What a branch's end and its
 * responses mean for the request is for its ops to say.
 */
#pragma once

#include "element/shard.h"

/* All attempts together end well before the sender's own 32 s (timer F and B). */
enum { ATTEMPTS_END_MS = 30000, LAST_ATTEMPT_MIN_MS = 2000 };
enum branch_state { BRANCH_WAITING, BRANCH_RESOLVING, BRANCH_TRYING, BRANCH_DONE };

struct branch_ops {
    /* A response that is for the sender: never 100, nor a 503 after which another target is tried. A final
     * one ends the branch: by branch_done, or here. */
    void (*response)(struct branch *b, const struct sip_msg *m);
    void (*over)(struct branch *b);
};

struct branch {
    struct request *rq;
    const struct branch_ops *ops;
    enum branch_state state;
    struct forward_branch plan; /* a copy */
    struct target_address *list;
    size_t n, next; /* addresses, the next one to try */
    unsigned attempts;
    struct client *client;
    struct timer timer_c;
    uint64_t tried_us; /* when the last attempt began */
    bool provisional;
    bool tcp_instead, udp_anyway; /* 18.1.1 */
    struct target_query *query;
};
/* Copies what the plan points to into the request's arena. */
void branch_init(struct branch *b, struct request *rq, const struct forward_branch *plan,
                 const struct branch_ops *ops);
void branch_start(struct branch *b);
void branch_done(struct branch *b);
static inline bool branch_open(const struct branch *b)
{
    return b->state == BRANCH_RESOLVING || b->state == BRANCH_TRYING;
}
/* What failed of late comes last. */
void branch_order(struct branch *b, struct target_address *list, size_t n);

/* From its client: a response; the attempt is over without one. */
void branch_response(struct branch *b, const struct sip_msg *m);
enum attempt_end { ATTEMPT_TIMEOUT, ATTEMPT_FAILED };
void branch_attempt_ended(struct branch *b, enum attempt_end how, const char *why);
