#include "element/destinations.h"

#include <stdio.h>

#include "element/destination_table.h"
#include "element/elapsed.h"
#include "ground/base/mem.h"
#include "ground/log/log.h"
#include "ground/log/metric.h"

struct destinations *destinations_new(void)
{
    struct destinations *d = MEM_NEW(struct destinations);
    pthread_mutex_init(&d->lock, NULL);
    list_init(&d->by_age);
    return d;
}

void destinations_free(struct destinations *d)
{
    if (!d)
        return;
    while (!list_empty(&d->by_age))
        destination_drop(d, LIST_ENTRY(list_first(&d->by_age), struct destination, by_age));
    map_fini(&d->by_key);
    map_fini(&d->by_partner);
    pthread_mutex_destroy(&d->lock);
    mem_free(d);
}

/* ---------------------------------------------------------------- health */
static void told_blocked(const struct destination *o, uint64_t now)
{
    char addr[NET_ADDR_TEXT], ms[24];
    struct slice at = net_addr_text(&o->addr, addr);
    snprintf(ms, sizeof(ms), "%llu", (unsigned long long)(o->health.until - now));
    METRIC_COUNT("element.destination-blocked");
    log_event(LOG_WARN, "element.destination-blocked",
              FIELDS({"destination", at}, {"name", slice_str(o->name)}, {"partner", partner_name(o->partner)},
                     {"why", slice_str(o->health.error)}, {"ms", slice_str(ms)}),
              SLICE_FMT " is tried last for %s ms: %s", SLICE_ARG(at), ms, o->health.error);
}

static void told_recovered(const struct destination *o)
{
    char addr[NET_ADDR_TEXT];
    struct slice at = net_addr_text(&o->addr, addr);
    METRIC_COUNT("element.destination-recovered");
    log_event(
        LOG_INFO, "element.destination-recovered",
        FIELDS({"destination", at}, {"name", slice_str(o->name)}, {"partner", partner_name(o->partner)}),
        SLICE_FMT " answers again", SLICE_ARG(at));
}

/* After each change: the count, and a line when it was blocked anew or recovered. */
static void changed(struct destinations *d, struct destination *o, enum health_state before, uint64_t until,
                    uint64_t now)
{
    const struct health *h = &o->health;
    o->asked_for = false;
    int unwell = (h->state != HEALTH_GOOD) - (before != HEALTH_GOOD);
    if (unwell)
        atomic_fetch_add(&d->unwell, (unsigned)unwell);
    if (h->state == HEALTH_BLOCKED && (before != HEALTH_BLOCKED || h->until != until))
        told_blocked(o, now);
    else if (h->state == HEALTH_GOOD && before != HEALTH_GOOD && before != HEALTH_SUSPECT)
        told_recovered(o);
}

void destinations_failed(struct destinations *d, const struct destination_key *k,
                         const struct health_times *t, uint64_t now, const char *why)
{
    pthread_mutex_lock(&d->lock);
    struct destination *o = destination_known(d, k, false, now);
    if (o) {
        struct health before = o->health;
        health_failed(&o->health, t, now, why);
        changed(d, o, before.state, before.until, now);
    }
    pthread_mutex_unlock(&d->lock);
}

void destinations_refused(struct destinations *d, const struct destination_key *k,
                          const struct health_times *t, uint64_t now, uint64_t retry_after_ms)
{
    pthread_mutex_lock(&d->lock);
    struct destination *o = destination_known(d, k, true, now);
    if (o) {
        struct health before = o->health;
        health_refused(&o->health, t, now, retry_after_ms);
        changed(d, o, before.state, before.until, now);
    }
    pthread_mutex_unlock(&d->lock);
}

void destinations_suspected(struct destinations *d, const struct destination_key *k, uint64_t now,
                            const char *why)
{
    pthread_mutex_lock(&d->lock);
    struct destination *o = destination_known(d, k, true, now);
    if (o) {
        struct health before = o->health;
        health_suspected(&o->health, now, why);
        changed(d, o, before.state, before.until, now);
    }
    pthread_mutex_unlock(&d->lock);
}

void destinations_answered(struct destinations *d, const struct destination_key *k, uint64_t now)
{
    if (atomic_load_explicit(&d->unwell, memory_order_relaxed) == 0)
        return;
    pthread_mutex_lock(&d->lock);
    struct destination *o = destination_find(d, k);
    if (o && o->health.state != HEALTH_GOOD) {
        struct health before = o->health;
        health_answered(&o->health, now);
        changed(d, o, before.state, before.until, now);
    }
    pthread_mutex_unlock(&d->lock);
}

/* ---------------------------------------------------------------- order */
struct judged {
    uint64_t badness;
    bool connected;
};

static bool comes_before(const struct target_address *a, const struct judged *ja,
                         const struct target_address *b, const struct judged *jb)
{
    if (ja->badness != jb->badness)
        return ja->badness < jb->badness;
    return a->rank == b->rank && ja->connected && !jb->connected;
}

static void judge(struct destinations *d, enum side side, const struct target_address *to,
                  struct slice identity, bool by_connection, uint64_t now, struct judged *ret)
{
    struct destination_key k = destination_key_of(side, to, to->identity.n ? to->identity : identity);
    struct destination *o = destination_find(d, &k);
    *ret = (struct judged){0};
    if (!o)
        return;
    o->health.wanted = now;
    o->asked_for = true;
    ret->badness = health_badness(&o->health);
    ret->connected = by_connection && o->n_connections > 0;
}

void destinations_order(struct destinations *d, enum side side, struct target_address *list, size_t n,
                        struct slice identity, uint32_t limit, uint64_t now)
{
    struct judged j[ELEMENT_MAX_TARGETS];
    bool by_connection = limit && n > limit;
    if (n > ELEMENT_MAX_TARGETS ||
        (!by_connection && atomic_load_explicit(&d->unwell, memory_order_relaxed) == 0))
        return;
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < n; i++)
        judge(d, side, &list[i], identity, by_connection, now, &j[i]);
    pthread_mutex_unlock(&d->lock);
    for (size_t i = 1; i < n; i++) { /* stable */
        struct target_address moved = list[i];
        struct judged moved_j = j[i];
        size_t to = i;
        for (; to > 0 && comes_before(&moved, &moved_j, &list[to - 1], &j[to - 1]); to--) {
            list[to] = list[to - 1];
            j[to] = j[to - 1];
        }
        list[to] = moved;
        j[to] = moved_j;
    }
}

/* ---------------------------------------------------------------- probes */
void destinations_watch(struct destinations *d, const struct target_address *list, size_t n, uint64_t now)
{
    pthread_mutex_lock(&d->lock);
    LIST_FOR(it, &d->by_age)
    LIST_ENTRY(it, struct destination, by_age)->health.watched = false;
    for (size_t i = 0; i < n; i++) {
        struct destination_key k = destination_key_of(SIDE_INTERNAL, &list[i], list[i].identity);
        struct destination *o = destination_known(d, &k, true, now);
        if (o)
            o->health.watched = true;
    }
    pthread_mutex_unlock(&d->lock);
}

static bool probe_has_place(const struct destination *o, uint32_t limit)
{
    return limit == 0 || o->n_connections || o->partner->n == 0 || o->partner->connections < limit ||
           o->asked_for;
}

size_t destinations_due(struct destinations *d, const struct health_times *t, const bool sides[SIDES],
                        uint32_t limit, uint64_t now, struct arena *a, struct destination_probe *ret,
                        size_t cap)
{
    size_t n = 0;
    pthread_mutex_lock(&d->lock);
    LIST_FOR(it, &d->by_age)
    {
        struct destination *o = LIST_ENTRY(it, struct destination, by_age);
        if (destination_may_go(o) && elapsed_ms(o->health.wanted, now) > DESTINATIONS_FORGET_MS) {
            destination_drop(d, o);
        } else if (n < cap && sides[o->side] && health_probe_due(&o->health, t, now) &&
                   probe_has_place(o, limit)) {
            health_probe_begins(&o->health, now);
            ret[n++] = (struct destination_probe){
                .side = o->side,
                .to = {.addr = o->addr,
                       .transport = o->transport,
                       .name = arena_copy(a, slice_str(o->name)),
                       .identity = arena_copy(a, slice_str(o->identity))}
            };
        }
    }
    pthread_mutex_unlock(&d->lock);
    return n;
}

void destinations_probed(struct destinations *d, const struct destination_key *k,
                         const struct health_times *t, uint64_t now, const char *why)
{
    pthread_mutex_lock(&d->lock);
    struct destination *o = destination_find(d, k);
    if (o) {
        struct health before = o->health;
        health_probe_ended(&o->health, t, now, why);
        changed(d, o, before.state, before.until, now);
    }
    pthread_mutex_unlock(&d->lock);
}

/* ---------------------------------------------------------------- connections */
static destination_ticket take(struct destinations *d, struct destination *o, uint32_t worker)
{
    if (o->n_connections == DESTINATION_CONNECTIONS_MAX)
        return 0;
    o->connections[o->n_connections++] = (struct connection){++d->last_ticket, worker};
    o->partner->connections++;
    return d->last_ticket;
}

static void give_back(struct destination *o, unsigned i)
{
    o->connections[i] = o->connections[--o->n_connections];
    o->partner->connections--;
}

/* Which of the partner's addresses loses a connection: one that is not well, else the one that has most. */
static struct destination *poorest(const struct destination *but)
{
    struct destination *best = NULL;
    LIST_FOR(it, &but->partner->destinations)
    {
        struct destination *o = LIST_ENTRY(it, struct destination, of_partner);
        if (o == but || o->n_connections == 0)
            continue;
        bool ill = o->health.state != HEALTH_GOOD, best_ill = best && best->health.state != HEALTH_GOOD;
        if (!best || (ill && !best_ill) || (ill == best_ill && o->n_connections > best->n_connections))
            best = o;
    }
    return best;
}

/* For traffic one less while an address that is not well has no connection: its probe will need one. */
static uint32_t places(const struct destination *o, bool traffic, uint32_t limit)
{
    bool ill = false;
    if (!traffic || limit < 2)
        return limit;
    LIST_FOR(it, &o->partner->destinations)
    {
        const struct destination *one = LIST_ENTRY(it, struct destination, of_partner);
        if (one->health.state == HEALTH_GOOD)
            continue;
        if (one->n_connections)
            return limit;
        ill = true;
    }
    return limit - ill;
}

enum dial_answer destinations_dial(struct destinations *d, const struct destination_key *k,
                                   struct slice identity, bool traffic, uint32_t worker, uint32_t limit,
                                   uint64_t now, destination_ticket *ret_ticket, uint32_t *ret_worker,
                                   destination_ticket *ret_old)
{
    enum dial_answer answer = DIAL_NEW;
    *ret_ticket = 0;
    pthread_mutex_lock(&d->lock);
    struct destination *o = destination_known(d, k, traffic, now);
    if (!o) { /* the table is full: not counted */
        pthread_mutex_unlock(&d->lock);
        return DIAL_NEW;
    }
    /* What has no name is a partner of its own. */
    bool full = limit && (o->partner->n ? o->partner->connections >= places(o, traffic, limit)
                                        : o->n_connections >= limit);
    if (full && o->n_connections) {
        answer = DIAL_OTHER;
        *ret_worker = o->connections[worker % o->n_connections].worker;
        *ret_old = o->connections[worker % o->n_connections].ticket;
    } else if (full) {
        struct destination *other = poorest(o); /* there is one: it is full, and not by o */
        answer = DIAL_INSTEAD;
        *ret_worker = other->connections[0].worker;
        *ret_old = other->connections[0].ticket;
        give_back(other, 0);
    }
    if (answer != DIAL_OTHER) {
        *ret_ticket = take(d, o, worker);
        if (!slice_eq(slice_str(o->identity), identity)) {
            mem_free(o->identity);
            o->identity = slice_dup(identity);
        }
    }
    pthread_mutex_unlock(&d->lock);
    return answer;
}

void destinations_release(struct destinations *d, const struct destination_key *k, destination_ticket t)
{
    if (t == 0)
        return;
    pthread_mutex_lock(&d->lock);
    struct destination *o = destination_find(d, k);
    for (unsigned i = 0; o && i < o->n_connections; i++)
        if (o->connections[i].ticket == t) {
            give_back(o, i);
            break;
        }
    pthread_mutex_unlock(&d->lock);
}

/* ---------------------------------------------------------------- seeing */
size_t destinations_list(struct destinations *d, uint64_t now, struct arena *a,
                         struct element_destination **ret)
{
    size_t n = 0;
    pthread_mutex_lock(&d->lock);
    *ret = ARENA_ARRAY(a, struct element_destination, d->n + 1);
    LIST_FOR(it, &d->by_age)
    {
        const struct destination *o = LIST_ENTRY(it, struct destination, by_age);
        const struct health *h = &o->health;
        (*ret)[n++] = (struct element_destination){
            .side = o->side,
            .transport = o->transport,
            .addr = o->addr,
            .name = arena_copy(a, slice_str(o->name)),
            .partner = arena_copy(a, partner_name(o->partner)),
            .state = h->state,
            .since_ms = elapsed_ms(h->since, now),
            .blocked_ms = h->state == HEALTH_BLOCKED && h->until > now ? h->until - now : 0,
            .failures = h->failures,
            .connections = o->n_connections,
            .error = arena_copy(a, slice_str(h->error)),
        };
    }
    pthread_mutex_unlock(&d->lock);
    return n;
}
