/*
 * access_edge/watch.h - the discovered partners of a process and what was measured of them (measure.h): one
 * account a domain, over all its connections and all workers, so that more connections bring nothing.
 *
 * Any thread; a lock for each of a few shards, which only messages of discovered partners take. It outlives
 * configurations, and ends with the process. A domain that is not watched for its addresses and sent nothing
 * for WATCH_FORGET_MS is forgotten.
 */
#pragma once

#include "ground/base/arena.h"
#include "service/access_edge/measure.h"

enum {
    WATCH_MAX_DOMAINS = 4096,      /* beyond, those that were silent longest give way */
    WATCH_MAX_ADDRESSES = 4 << 20, /* remembered of all domains together; beyond, the same */
    WATCH_FORGET_MS = 3600 * 1000,
};

struct watch;
struct watch *watch_new(void);
struct watch *watch_ref(struct watch *w);
void watch_unref(struct watch *w); /* NULL is fine */

/* What one call found out. */
struct watch_found {
    enum measure_verdict verdict;
    bool full;        /* there is no place for another domain: refuse it */
    uint32_t wait_ms; /* until the next message may pass */
    unsigned news;    /* MEASURE_… met for the first time: log it */
    uint64_t account; /* names the domain's account while that lasts */
    /* Since the last report, when `period_ms` is over; 0 otherwise. */
    uint64_t report_messages, report_refused, report_failures;
};
void watch_message(struct watch *w, const struct measure_limits *l, struct slice domain, uint64_t now,
                   uint64_t address, bool must_pass, uint64_t period_ms, struct watch_found *ret);
/* A domain without an account is not given one. */
void watch_response(struct watch *w, const struct measure_limits *l, struct slice domain, uint64_t now,
                    unsigned status, struct watch_found *ret);
/* A connection of the domain came or went; `account` as watch_message named it. */
void watch_connection(struct watch *w, struct slice domain, uint64_t account, int change);

struct watch_row {
    struct slice domain;
    unsigned why; /* 0: not on the watch list */
    bool suspicious;
    uint64_t since_ms, last_ms;
    uint64_t messages, refused, answers, failures;
    uint32_t addresses, connections;
};
/* All domains of which `keep` (NULL: all) says true, and that are on the watch list when only_watched; the
 * others' accounts are closed: the domain has been listed meanwhile. Sorted by domain, in the arena. */
typedef bool watch_keeps(void *arg, struct slice domain);
size_t watch_list(struct watch *w, watch_keeps *keep, void *arg, bool only_watched, struct arena *a,
                  struct watch_row **ret);
