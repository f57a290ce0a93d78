#include "service/access_edge/watch.h"

#include "ground/base/list.h"
#include "ground/base/map.h"
#include "ground/base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { SHARDS = 16 };

struct account {
    struct map_entry by_domain;
    struct list by_age; /* in shard.accounts: who sent last stands first */
    char *domain;
    uint64_t serial, last_ms;
    uint64_t report_ms; /* when it was reported, and what had been counted */
    uint64_t reported_messages, reported_refused, reported_failures;
    uint32_t connections;
    struct measure m;
};
struct watch_shard {
    pthread_mutex_t lock;
    struct map by_domain;
    struct list accounts;
    size_t n, addresses;
};
struct watch {
    _Atomic unsigned refs;
    _Atomic uint64_t serial;
    struct watch_shard shards[SHARDS];
};

/* ---------------------------------------------------------------- accounts; under the shard's lock */
static struct account *account_find(struct watch_shard *s, struct slice domain, uint64_t hash)
{
    for (struct map_entry *e = map_first(&s->by_domain, hash); e; e = map_next(e)) {
        struct account *a = MAP_OBJECT(e, struct account, by_domain);
        if (slice_caseeq(slice_str(a->domain), domain))
            return a;
    }
    return NULL;
}

static void account_free(struct watch_shard *s, struct account *a)
{
    map_remove(&s->by_domain, &a->by_domain);
    list_unlink(&a->by_age);
    s->n--;
    s->addresses -= a->m.n_seen;
    measure_fini(&a->m);
    mem_free(a->domain);
    mem_free(a);
}

/* What met the limit of addresses stays: else it would begin anew by being silent, or by coming as many. */
static bool account_may_go(const struct account *a)
{
    return !(a->m.why & MEASURE_ADDRESSES);
}

static void forget_silent(struct watch_shard *s, uint64_t now)
{
    for (struct list *l = s->accounts.prev; l != &s->accounts;) {
        struct account *a = LIST_ENTRY(l, struct account, by_age);
        l = l->prev;
        if (a->last_ms + WATCH_FORGET_MS > now)
            return;
        if (account_may_go(a))
            account_free(s, a);
    }
}

static bool is_full(const struct watch_shard *s)
{
    return s->n > WATCH_MAX_DOMAINS / SHARDS || s->addresses > WATCH_MAX_ADDRESSES / SHARDS;
}

/* Until there is room, those that were silent longest go; not the newest. */
static void make_room(struct watch_shard *s)
{
    for (struct list *l = s->accounts.prev; is_full(s) && l != s->accounts.next && l != &s->accounts;) {
        struct account *a = LIST_ENTRY(l, struct account, by_age);
        l = l->prev;
        if (account_may_go(a))
            account_free(s, a);
    }
}

static struct account *account_open(struct watch *w, struct watch_shard *s, struct slice domain,
                                    uint64_t hash, uint64_t now)
{
    struct account *a = MEM_NEW(struct account);
    a->domain = slice_dup(domain);
    a->serial = ++w->serial;
    a->report_ms = now;
    map_insert(&s->by_domain, &a->by_domain, hash);
    list_push_front(&s->accounts, &a->by_age);
    s->n++;
    return a;
}

/* NULL: no room for another domain. */
static struct account *account_use(struct watch *w, struct watch_shard *s, struct slice domain, uint64_t hash,
                                   uint64_t now)
{
    struct account *a = account_find(s, domain, hash);
    bool fresh = !a;
    if (fresh) {
        forget_silent(s, now);
        a = account_open(w, s, domain, hash, now);
    }
    list_unlink(&a->by_age);
    list_push_front(&s->accounts, &a->by_age);
    a->last_ms = now;
    make_room(s);
    if (fresh && is_full(s)) {
        account_free(s, a);
        return NULL;
    }
    return a;
}

/* Under the shard's lock: how many addresses there may be, when no more can be remembered. */
static struct measure_limits limits_here(const struct watch_shard *s, const struct account *a,
                                         const struct measure_limits *l)
{
    struct measure_limits here = *l;
    if (s->addresses > WATCH_MAX_ADDRESSES / SHARDS && a->m.n_seen && a->m.n_seen < l->addresses)
        here.addresses = a->m.n_seen;
    return here;
}

/* ---------------------------------------------------------------- */
static struct watch_shard *shard_of(struct watch *w, struct slice domain, uint64_t *ret_hash)
{
    *ret_hash = slice_casehash(domain);
    return &w->shards[*ret_hash >> 32 & (SHARDS - 1)];
}

static void account_report(struct account *a, uint64_t now, uint64_t period_ms, struct watch_found *ret)
{
    if (period_ms == 0 || now < a->report_ms + period_ms)
        return;
    ret->report_messages = a->m.messages - a->reported_messages;
    ret->report_refused = a->m.refused - a->reported_refused;
    ret->report_failures = a->m.failures - a->reported_failures;
    a->report_ms = now;
    a->reported_messages = a->m.messages;
    a->reported_refused = a->m.refused;
    a->reported_failures = a->m.failures;
}

void watch_message(struct watch *w, const struct measure_limits *l, struct slice domain, uint64_t now,
                   uint64_t address, bool must_pass, uint64_t period_ms, struct watch_found *ret)
{
    uint64_t hash;
    struct watch_shard *s = shard_of(w, domain, &hash);
    *ret = (struct watch_found){.verdict = MEASURE_PASSES};
    pthread_mutex_lock(&s->lock);
    struct account *a = account_use(w, s, domain, hash, now);
    if (a) {
        struct measure_limits here = limits_here(s, a, l);
        s->addresses -= a->m.n_seen;
        ret->verdict = measure_message(&a->m, &here, now, address, must_pass, &ret->wait_ms, &ret->news);
        s->addresses += a->m.n_seen;
        ret->account = a->serial;
        account_report(a, now, period_ms, ret);
    } else {
        ret->full = !must_pass;
    }
    pthread_mutex_unlock(&s->lock);
}

void watch_response(struct watch *w, const struct measure_limits *l, struct slice domain, uint64_t now,
                    unsigned status, struct watch_found *ret)
{
    uint64_t hash;
    struct watch_shard *s = shard_of(w, domain, &hash);
    *ret = (struct watch_found){.verdict = MEASURE_PASSES};
    pthread_mutex_lock(&s->lock);
    struct account *a = account_find(s, domain, hash);
    if (a)
        measure_response(&a->m, l, now, status, &ret->news);
    pthread_mutex_unlock(&s->lock);
}

void watch_connection(struct watch *w, struct slice domain, uint64_t account, int change)
{
    uint64_t hash;
    struct watch_shard *s = shard_of(w, domain, &hash);
    pthread_mutex_lock(&s->lock);
    struct account *a = account_find(s, domain, hash);
    if (a && a->serial == account)
        a->connections += (uint32_t)change;
    pthread_mutex_unlock(&s->lock);
}

/* ---------------------------------------------------------------- looking */
static int row_compare(const void *x, const void *y)
{
    const struct watch_row *a = x, *b = y;
    return slice_cmp(a->domain, b->domain);
}

static struct watch_row row_of(const struct account *a, struct arena *to)
{
    return (struct watch_row){.domain = arena_copy(to, slice_str(a->domain)),
                              .why = a->m.why,
                              .suspicious = a->m.suspicious,
                              .since_ms = a->m.since_ms,
                              .last_ms = a->last_ms,
                              .messages = a->m.messages,
                              .refused = a->m.refused,
                              .answers = a->m.answers,
                              .failures = a->m.failures,
                              .addresses = a->m.n_seen,
                              .connections = a->connections};
}

size_t watch_list(struct watch *w, watch_keeps *keep, void *arg, bool only_watched, struct arena *a,
                  struct watch_row **ret)
{
    struct watch_row *rows = ARENA_ARRAY(a, struct watch_row, WATCH_MAX_DOMAINS + SHARDS);
    size_t n = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        struct watch_shard *s = &w->shards[i];
        pthread_mutex_lock(&s->lock);
        LIST_FOR(it, &s->accounts)
        {
            struct account *one = LIST_ENTRY(it, struct account, by_age);
            if (keep && !keep(arg, slice_str(one->domain)))
                account_free(s, one);
            else if (one->m.why || !only_watched)
                rows[n++] = row_of(one, a);
        }
        pthread_mutex_unlock(&s->lock);
    }
    qsort(rows, n, sizeof(*rows), row_compare);
    *ret = rows;
    return n;
}

/* ---------------------------------------------------------------- life */
struct watch *watch_new(void)
{
    struct watch *w = MEM_NEW(struct watch);
    w->refs = 1;
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_init(&w->shards[i].lock, NULL);
        list_init(&w->shards[i].accounts);
    }
    return w;
}

struct watch *watch_ref(struct watch *w)
{
    w->refs++;
    return w;
}

void watch_unref(struct watch *w)
{
    if (!w || --w->refs)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        struct watch_shard *s = &w->shards[i];
        LIST_FOR(it, &s->accounts)
        account_free(s, LIST_ENTRY(it, struct account, by_age));
        map_fini(&s->by_domain);
        pthread_mutex_destroy(&s->lock);
    }
    mem_free(w);
}
