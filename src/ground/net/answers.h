/*
 * net/answers.h - the last good answer to each DNS question, for the time when no name server answers
 * (RFC 8767). Pure: `now` in milliseconds, packets as they came. Bounded: the longest unused goes first.
 */
#pragma once

#include "ground/base/list.h"
#include "ground/base/map.h"
#include "ground/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    ANSWERS_MAX = 4096,
    ANSWERS_MAX_PACKET = 8192, /* longer ones are not kept */
    ANSWERS_RECHECK_MS =
        30000,                 /* after a failure so long the old one is given at once (RFC 8767 section 5) */
    ANSWERS_BEHIND_MS = 500,   /* between questions behind old answers, of one name */
    ANSWERS_REFRESH_MS = 1000, /* an answer that comes again is not copied again before */
};
struct answer {
    struct map_entry by_question;
    struct list by_use;
    uint64_t kept;   /* when it was last good */
    uint64_t failed; /* when its question last failed; 0: it did not since */
    uint64_t behind; /* when it was last asked for behind an old answer */
    uint16_t type;
    bool secure;
    size_t n_name, n;
    char bytes[]; /* name, packet */
};
struct answers {
    struct map by_question;
    struct list by_use;
    size_t n, max;
};
void answers_init(struct answers *a, size_t max); /* max: at least 1 */
void answers_fini(struct answers *a);
/* True: it has been copied. False: it is too long, or was copied a moment ago. */
bool answers_keep(struct answers *a, struct slice name, uint16_t type, struct slice packet, bool secure,
                  uint64_t now);
/* NULL: none, or it was last good more than max_age_ms ago. */
struct answer *answers_find(struct answers *a, struct slice name, uint16_t type, uint64_t max_age_ms,
                            uint64_t now);
struct slice answer_packet(const struct answer *o);
/* Its question failed a moment ago: no use waiting for it again. */
bool answer_waits_in_vain(const struct answer *o, uint64_t now);
