/* See destination_table.h. */
#include "element/destination_table.h"

#include "ground/base/mem.h"
#include "ground/log/metric.h"

struct destination_key destination_key_of(enum side side, const struct target_address *to,
                                          struct slice identity)
{
    struct slice first = identity, rest;
    if (!slice_cut(identity, ' ', &first, &rest))
        first = identity;
    return (struct destination_key){side, to->transport, to->addr, first.n ? first : to->name, to->name};
}

static uint64_t key_hash(const struct destination_key *k)
{
    return (net_addr_hash(&k->addr) * 31 + (uint64_t)k->side * 7 + (uint64_t)k->transport) * 31 +
           slice_hash(k->partner);
}

static uint64_t partner_hash(enum side side, struct slice name)
{
    return slice_hash(name) * 31 + (uint64_t)side;
}

struct slice partner_name(const struct partner *p)
{
    return (struct slice){p->name, p->n};
}

struct destination *destination_find(struct destinations *d, const struct destination_key *k)
{
    for (struct map_entry *e = map_first(&d->by_key, key_hash(k)); e; e = map_next(e)) {
        struct destination *o = MAP_OBJECT(e, struct destination, by_key);
        if (o->side == k->side && o->transport == k->transport && net_addr_eq(&o->addr, &k->addr) &&
            slice_eq(partner_name(o->partner), k->partner))
            return o;
    }
    return NULL;
}

static struct partner *partner_find(struct destinations *d, enum side side, struct slice name)
{
    for (struct map_entry *e = map_first(&d->by_partner, partner_hash(side, name)); e; e = map_next(e)) {
        struct partner *p = MAP_OBJECT(e, struct partner, by_name);
        if (p->side == side && slice_eq(partner_name(p), name))
            return p;
    }
    return NULL;
}

static struct partner *partner_of(struct destinations *d, const struct destination_key *k)
{
    struct partner *p = partner_find(d, k->side, k->partner);
    if (p)
        return p;
    p = mem_zalloc(sizeof(*p) + k->partner.n);
    p->side = k->side;
    p->n = k->partner.n;
    if (p->n)
        memcpy(p->name, k->partner.p, p->n);
    list_init(&p->destinations);
    map_insert(&d->by_partner, &p->by_name, partner_hash(k->side, k->partner));
    return p;
}

void destination_drop(struct destinations *d, struct destination *o)
{
    struct partner *p = o->partner;
    if (o->health.state != HEALTH_GOOD)
        atomic_fetch_sub(&d->unwell, 1);
    list_unlink(&o->by_age);
    list_unlink(&o->of_partner);
    map_remove(&d->by_key, &o->by_key);
    d->n--;
    mem_free(o->name);
    mem_free(o->identity);
    mem_free(o);
    if (list_empty(&p->destinations)) {
        map_remove(&d->by_partner, &p->by_name);
        mem_free(p);
    }
}

bool destination_may_go(const struct destination *o)
{
    return o->n_connections == 0 && !o->health.watched && !o->health.probing &&
           o->health.state == HEALTH_GOOD;
}

/* Room for one more: a full table gives up the one that was unused longest. */
static bool make_room(struct destinations *d)
{
    if (d->n < DESTINATIONS_MAX)
        return true;
    LIST_FOR(it, &d->by_age)
    {
        struct destination *o = LIST_ENTRY(it, struct destination, by_age);
        if (destination_may_go(o)) {
            destination_drop(d, o);
            return true;
        }
    }
    METRIC_COUNT("element.destinations-full");
    return false;
}

struct destination *destination_known(struct destinations *d, const struct destination_key *k, bool traffic,
                                      uint64_t now)
{
    struct destination *o = destination_find(d, k);
    if (!o) {
        if (!make_room(d))
            return NULL;
        o = MEM_NEW(struct destination);
        o->partner = partner_of(d, k);
        o->side = k->side;
        o->transport = k->transport;
        o->addr = k->addr;
        o->name = slice_dup(k->name);
        o->identity = slice_dup(k->partner);
        health_init(&o->health, now);
        list_push_back(&o->partner->destinations, &o->of_partner);
        map_insert(&d->by_key, &o->by_key, key_hash(k));
        d->n++;
    }
    if (traffic || !list_linked(&o->by_age)) {
        list_unlink(&o->by_age);
        list_push_back(&d->by_age, &o->by_age);
        o->health.wanted = now;
    }
    return o;
}
