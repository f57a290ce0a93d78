#include "element/share.h"

#include "ground/base/mem.h"

#include <stdlib.h>

struct share {
    struct map_entry by_owner;
    struct list link;
    uint64_t round; /* of the numbers below */
    uint32_t asked, admitted, refused, before /* asked in the round before */;
    uint32_t pending;
    uint64_t bytes; /* of what is pending */
};

void shares_init(struct shares *s)
{
    *s = (struct shares){0};
    list_init(&s->all);
}

static void share_free(struct shares *s, struct share *one)
{
    list_unlink(&one->link);
    map_remove(&s->owners, &one->by_owner);
    mem_free(one);
}

void shares_fini(struct shares *s)
{
    LIST_FOR(it, &s->all)
    share_free(s, LIST_ENTRY(it, struct share, link));
    map_fini(&s->owners);
}

/* A new one may make those forgotten that asked longest ago and have nothing pending. */
static struct share *share_of(struct shares *s, uint64_t owner)
{
    struct map_entry *e = map_first(&s->owners, owner);
    struct share *one = e ? MAP_OBJECT(e, struct share, by_owner) : NULL;
    if (!one) {
        one = MEM_NEW(struct share);
        map_insert(&s->owners, &one->by_owner, owner);
        list_push_back(&s->all, &one->link);
        struct share *first = LIST_ENTRY(list_first(&s->all), struct share, link);
        if (s->owners.count > SHARE_OWNERS_MAX && first->pending == 0)
            share_free(s, first);
    }
    if (one->round != s->round) {
        one->before = one->round + 1 == s->round ? one->asked : 0;
        one->asked = one->admitted = one->refused = 0;
        one->round = s->round;
        list_unlink(&one->link);
        list_push_back(&s->all, &one->link);
    }
    return one;
}

/* ---------------------------------------------------------------- intervals */
static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Max-min: the least demands are met whole; what is left is divided evenly among the others. */
static uint32_t share_level(const struct shares *s)
{
    static _Thread_local uint32_t demands[SHARE_OWNERS_MAX];
    size_t n = 0;
    for (const struct list *it = s->all.prev; it != &s->all && n < SHARE_OWNERS_MAX; it = it->prev) {
        const struct share *one = LIST_ENTRY(it, struct share, link);
        if (one->round != s->round)
            break; /* all before it asked earlier */
        demands[n++] = one->asked;
    }
    qsort(demands, n, sizeof(demands[0]), ascending);
    uint64_t left = s->rate;
    for (size_t i = 0; i < n; i++) {
        uint64_t even = left / (n - i);
        if (demands[i] > even)
            return even ? (uint32_t)even : 1;
        left -= demands[i];
    }
    return s->rate; /* all fit */
}

static uint32_t in_one_interval(uint32_t count, uint64_t took)
{
    return took > SHARE_INTERVAL_MS ? (uint32_t)((uint64_t)count * SHARE_INTERVAL_MS / took) : count;
}

void shares_measure(struct shares *s, bool bad, uint64_t now)
{
    uint64_t took = s->from ? now - s->from : SHARE_INTERVAL_MS;
    uint32_t done = in_one_interval(s->admitted, took);
    s->best -= s->best / 16;
    if (done > s->best)
        s->best = done;
    if (bad) {
        if (s->rate == 0)
            s->rate = s->best;
        if (!s->bad)
            s->knee = s->rate;
        s->rate -= s->rate / 4;
        s->calm = 0;
    } else if (s->rate) {
        /* Only what was made use of has been found to be bearable. Fast while far
         * from where it began to be bad, so that a long queue of once costs little */
        if (s->admitted >= s->rate / 4 * 3)
            s->rate += (s->rate < s->knee / 2 ? s->rate / 2 : s->rate / 10) + 1;
        s->calm = s->refused ? 0 : s->calm + 1;
        if (s->calm >= SHARE_CALM)
            s->rate = 0;
    }
    s->bad = bad;
    if ((bad || s->rate) && s->rate < SHARE_LEAST)
        s->rate = SHARE_LEAST;
    s->level = s->rate ? share_level(s) : 0;
    s->round++;
    s->from = now;
    s->asked = s->admitted = s->refused = 0;
}

/* ---------------------------------------------------------------- requests */
/* Its refusals begin to cost more than what is done for it. */
static bool share_floods(const struct share *one)
{
    return one->refused > one->admitted / 16 + SHARE_LEAST;
}

static bool share_fits(const struct shares *s, const struct share *one, enum share_class class,
                       const struct share_room *room)
{
    if (class == SHARE_END)
        return true;
    uint32_t most = room->pending_max;
    if (one->bytes >= room->bytes || (most && (s->pending >= most || one->pending >= most - s->pending)))
        return false;
    return !room->by_rate || s->rate == 0 ||
           one->admitted < (class == SHARE_DIALOG ? 2 * s->level : s->level);
}

enum share_verdict shares_ask(struct shares *s, uint64_t owner, enum share_class class,
                              const struct share_room *room, struct share **ret)
{
    struct share *one = share_of(s, owner);
    *ret = one;
    one->asked++;
    s->asked++;
    if (!share_fits(s, one, class, room)) {
        one->refused++;
        s->refused++;
        return share_floods(one) ? SHARE_FLOODED : SHARE_REFUSED;
    }
    one->admitted++;
    one->pending++;
    s->admitted++;
    s->pending++;
    return SHARE_ADMITTED;
}

void shares_hold(struct share *one, int64_t bytes)
{
    one->bytes += (uint64_t)bytes;
}

void shares_done(struct shares *s, struct share *one)
{
    one->pending--;
    s->pending--;
}
