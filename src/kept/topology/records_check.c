/* Records that a topology implies beside what a name server says. */
#include "kept/topology/records.h"

#include "ground/base/map.h"
#include "ground/base/text.h"

const char *record_state_name(enum record_state s)
{
    static const char *const names[] = {"ok", "missing", "different", "extra", "optional", "exposed"};
    return names[s];
}

/* --- sets --- */
struct keyed {
    struct map_entry entry;
    struct record_set *set;
};
struct sets {
    struct arena *a;
    struct map map;
    struct record_set **list;
    size_t n;
};

static struct record_set *set_of(struct sets *s, struct slice name, uint16_t type)
{
    uint64_t hash = slice_hash(name);
    for (struct map_entry *e = map_first(&s->map, hash); e; e = map_next(e)) {
        struct record_set *set = MAP_OBJECT(e, struct keyed, entry)->set;
        if (set->type == type && slice_eq(set->name, name))
            return set;
    }
    struct keyed *k = ARENA_NEW(s->a, struct keyed);
    k->set = s->list[s->n++] = ARENA_NEW(s->a, struct record_set);
    *k->set = (struct record_set){.name = name, .type = type, .optional = true};
    map_insert(&s->map, &k->entry, hash);
    return k->set;
}

static bool holds(const struct record_set *s, struct slice data)
{
    for (size_t i = 0; i < s->n; i++)
        if (slice_eq(s->data[i], data))
            return true;
    return false;
}

/* An array in the arena that doubles when n has come to a power of two. */
static void grow(struct record_set *s, struct arena *a)
{
    if (s->n & (s->n - 1))
        return;
    struct slice *more = ARENA_ARRAY(a, struct slice, s->n ? 2 * s->n : 1);
    if (s->n)
        memcpy(more, s->data, s->n * sizeof(*more));
    s->data = more;
}

static void put(struct sets *s, const struct topology_record *r)
{
    struct record_set *set = set_of(s, r->name, r->type);
    set->ttl = r->ttl;
    set->side |= r->side;
    set->optional = set->optional && r->optional;
    set->use = r->use;
    if (holds(set, r->data))
        return;
    grow(set, s->a);
    set->data[set->n++] = r->data;
}

void topology_record_sets(const struct topology_records *r, struct arena *a, struct record_set **ret,
                          size_t *ret_n)
{
    struct sets s = {.a = a, .list = ARENA_ARRAY(a, struct record_set *, 2 * r->n + 1)};
    for (size_t i = 0; i < r->n; i++) {
        const struct topology_record *x = &r->items[i];
        put(&s, x);
        if (x->type == DNS_SRV)
            continue;
        struct record_set *other = set_of(&s, x->name, x->type == DNS_A ? DNS_AAAA : DNS_A);
        other->ttl = x->ttl;
        other->side |= x->side;
        other->use = x->use;
    }
    *ret = ARENA_ARRAY(a, struct record_set, s.n + 1);
    for (size_t i = 0, n = s.n; i < n; i++) {
        struct record_set *set = s.list[i];
        if (!set->n) /* nothing is wanted: as the other family of the name is */
            set->optional = set_of(&s, set->name, set->type == DNS_A ? DNS_AAAA : DNS_A)->optional;
        (*ret)[i] = *set;
    }
    *ret_n = s.n;
    map_fini(&s.map);
}

/* --- views --- */
bool topology_dns_is_split(const struct topology *t)
{
    return t->deployment.inside_dns_servers.n && t->deployment.outside_dns_servers.n;
}

const struct topology_names *topology_resolvers(const struct topology *t, enum record_side side)
{
    const struct topology_deployment *d = &t->deployment;
    const struct topology_names *own =
        side == RECORD_INTERNAL ? &d->inside_dns_servers : &d->outside_dns_servers;
    return side != RECORD_BOTH && own->n ? own : &d->dns_servers;
}

void record_sets_hidden(const struct record_set *inside, size_t n_inside, const struct record_set *outside,
                        size_t n_outside, struct arena *a, struct record_set **ret, size_t *ret_n)
{
    struct map names = {0};
    struct map_entry *entries = ARENA_ARRAY(a, struct map_entry, n_outside + 1);
    size_t n = 0;
    *ret = ARENA_ARRAY(a, struct record_set, n_inside + 1);
    for (size_t i = 0; i < n_outside; i++)
        map_insert(&names, &entries[i], slice_hash(outside[i].name));
    for (size_t i = 0; i < n_inside; i++) {
        bool known = false;
        for (struct map_entry *e = map_first(&names, slice_hash(inside[i].name)); e; e = map_next(e))
            known = known || slice_eq(outside[e - entries].name, inside[i].name);
        if (!known && inside[i].n)
            (*ret)[n++] = inside[i];
    }
    *ret_n = n;
    map_fini(&names);
}

struct slice record_domain(struct slice name)
{
    struct slice label, rest;
    bool service = slice_starts(name, SLICE("_"));
    while (slice_starts(name, SLICE("_")) && slice_cut(name, '.', &label, &rest))
        name = rest;
    return !service && slice_cut(name, '.', &label, &rest) ? rest : name;
}

/* --- what was found --- */
struct slice record_data_of(const struct dns_record *r, struct arena *a)
{
    char text[NET_ADDR_TEXT];
    struct net_addr addr;
    if (r->type == DNS_SRV)
        return arena_printf(a, "%u %u %u " SLICE_FMT, r->srv.priority, r->srv.weight, r->srv.port,
                            SLICE_ARG(r->srv.target));
    if ((r->type == DNS_A || r->type == DNS_AAAA) && net_addr_from_bytes(r->address, 0, &addr) == 0)
        return arena_copy(a, net_addr_host_text(&addr, text));
    return SLICE_NONE;
}

static bool ttl_fits(uint32_t wanted, uint32_t found, bool exact)
{
    return exact ? wanted == found : found <= wanted;
}

struct comparison {
    const struct record_set *s;
    const struct record_found *found;
    size_t n;
    bool exact;
    bool *taken; /* of found */
    struct record_diff *out;
    size_t n_out;
};

static void say(struct comparison *c, enum record_state state, struct slice wanted,
                const struct record_found *found)
{
    c->out[c->n_out++] = (struct record_diff){state, wanted, found ? found->data : SLICE_NONE,
                                              wanted.n ? c->s->ttl : 0, found ? found->ttl : 0};
}

/* The same data; true when there is such a record. */
static bool same(struct comparison *c, struct slice wanted)
{
    for (size_t i = 0; i < c->n; i++) {
        if (c->taken[i] || !slice_caseeq(c->found[i].data, wanted))
            continue;
        c->taken[i] = true;
        say(c, ttl_fits(c->s->ttl, c->found[i].ttl, c->exact) ? RECORD_OK : RECORD_DIFFERENT, wanted,
            &c->found[i]);
        return true;
    }
    return false;
}

static const struct record_found *left_over(struct comparison *c)
{
    for (size_t i = 0; i < c->n; i++)
        if (!c->taken[i]) {
            c->taken[i] = true;
            return &c->found[i];
        }
    return NULL;
}

void record_set_compare(const struct record_set *s, const struct record_found *found, size_t n,
                        bool exact_ttl, struct arena *a, struct record_diff **ret, size_t *ret_n)
{
    struct comparison c = {
        s, found, n, exact_ttl, ARENA_ARRAY(a, bool, n + 1), ARENA_ARRAY(a, struct record_diff, n + s->n + 1),
        0};
    struct slice *lacking = ARENA_ARRAY(a, struct slice, s->n + 1);
    const struct record_found *other;
    size_t n_lacking = 0;
    for (size_t i = 0; i < s->n; i++)
        if (!same(&c, s->data[i]))
            lacking[n_lacking++] = s->data[i];
    for (size_t i = 0; i < n_lacking; i++) {
        other = left_over(&c);
        say(&c, other ? RECORD_DIFFERENT : s->optional ? RECORD_OPTIONAL : RECORD_MISSING, lacking[i], other);
    }
    while ((other = left_over(&c)) != NULL)
        say(&c, RECORD_EXTRA, SLICE_NONE, other);
    *ret = c.out;
    *ret_n = c.n_out;
}
