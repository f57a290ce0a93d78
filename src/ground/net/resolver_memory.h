/*
 * net/resolver_memory.h - last good answers that the resolvers of several workers share: when name servers
 * die, what one worker has asked for serves all. Thread-safe.
 *
 * Each resolver keeps its own answers (net/answers.h), so that a look-up takes no lock; here it puts what is
 * new, at most once a second for each question, and looks when a question has failed.
 */
#pragma once

#include "ground/net/answers.h"

struct resolver_memory;
struct resolver_memory *resolver_memory_new(size_t max);
void resolver_memory_free(struct resolver_memory *m);

/* source: whom the answer is from (resolvers with other servers or another validation share nothing). */
struct resolver_question {
    uint64_t source;
    struct slice name;
    uint16_t type;
};
void resolver_memory_keep(struct resolver_memory *m, const struct resolver_question *q, struct slice packet,
                          bool secure, uint64_t now);
/* Puts the answer into `own`, when it is newer than what is there and not older than max_age_ms. */
void resolver_memory_recall(struct resolver_memory *m, const struct resolver_question *q, uint64_t max_age_ms,
                            uint64_t now, struct answers *own);
