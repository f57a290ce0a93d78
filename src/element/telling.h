/*
 * element/telling.h - private to element: which lines about one and the same thing are written to the log.
 * Pure.
 *
 * A thing is an id and whom it is about (a partner's domain, a machine's name, an address). Of each thing
 * TELLING_FIRST lines in TELLING_PERIOD_MS are always written, and up to TELLING_LINES as long as there are
 * fewer than TELLING_ALL of all things together. What was left out is said in one line at the end of the
 * period. So a flood of refusals fills no disk and holds up no worker; its counters are exact all the same.
 * Memory: TELLING_THINGS; beyond that, all others with the same id are one thing.
 */
#pragma once

#include "ground/base/list.h"
#include "ground/base/map.h"
#include "ground/base/slice.h"

enum {
    TELLING_PERIOD_MS = 10000,
    TELLING_FIRST = 5,
    TELLING_LINES = 50,
    TELLING_ALL = 500,
    TELLING_THINGS = 1024,
    TELLING_WHO = 64, /* bytes of a name that are kept */
};

struct telling {
    struct map things;
    struct list by_age; /* the period that ends first is first */
    uint64_t from;      /* of the lines below */
    uint32_t lines;
};
/* What was not written of a thing. */
struct telling_rest {
    const char *id;
    char who[TELLING_WHO];
    uint32_t more;
    uint64_t ms; /* in so long */
};
void telling_init(struct telling *t);
void telling_fini(struct telling *t);
/* May a line be written? id: static text. `owner` stands for whom it is about, `who` is its name. */
bool telling_may(struct telling *t, const char *id, uint64_t owner, struct slice who, uint64_t now);
/* A thing whose period is over, and of which something was left out: call until it is false. now UINT64_MAX:
 * of all. */
bool telling_rest(struct telling *t, uint64_t now, struct telling_rest *ret);
