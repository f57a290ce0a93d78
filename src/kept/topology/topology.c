#include "kept/topology/priv.h"

#include "ground/base/mem.h"

#include <stdatomic.h>

struct topology *topology_ref(struct topology *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void topology_unref(struct topology *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    topology_index_fini(t);
    arena_fini(&t->arena);
    mem_free(t);
}

/* Stored identities are in lower case; what is asked for may not be. */
#define FIND(function, type, list, key)                                                                      \
    const struct topology_##type *function(const struct topology *t, struct slice what)                      \
    {                                                                                                        \
        for (size_t i = 0; what.n && i < t->n_##list; i++)                                                   \
            if (slice_caseeq(t->list[i].key, what))                                                          \
                return &t->list[i];                                                                          \
        return NULL;                                                                                         \
    }
FIND(topology_site_find, site, sites, name)
FIND(topology_edge_pool_find, edge_pool, edge_pools, fqdn)
FIND(topology_front_end_pool_find, front_end_pool, front_end_pools, fqdn)
FIND(topology_foreign_pool_find, foreign_pool, foreign_pools, fqdn)
FIND(topology_provider_find, provider, providers, name)

static bool names_have(const struct topology_names *names, struct slice what)
{
    for (size_t i = 0; i < names->n; i++)
        if (slice_caseeq(names->items[i], what))
            return true;
    return false;
}

bool topology_is_own_domain(const struct topology *t, struct slice domain)
{
    return domain.n && (slice_caseeq(t->deployment.default_domain, domain) ||
                        names_have(&t->deployment.additional_domains, domain));
}

/* --- machines --- */
static const struct topology_machine *machine_in(const struct topology_machine *machines, size_t n,
                                                 struct slice fqdn)
{
    for (size_t i = 0; i < n; i++)
        if (slice_caseeq(machines[i].fqdn, fqdn))
            return &machines[i];
    return NULL;
}

static bool role_in_pools(const struct topology *t, struct slice fqdn, struct topology_role *role)
{
    for (size_t i = 0; i < t->n_edge_pools && !role->machine; i++) {
        const struct topology_edge_pool *p = &t->edge_pools[i];
        role->machine = machine_in(p->machines, p->n_machines, fqdn);
        role->edge = role->machine ? p : NULL;
        role->replica_port = p->replica_port;
        role->managed = p->managed;
    }
    for (size_t i = 0; i < t->n_front_end_pools && !role->machine; i++) {
        const struct topology_front_end_pool *p = &t->front_end_pools[i];
        role->machine = machine_in(p->machines, p->n_machines, fqdn);
        role->front_end = role->machine ? p : NULL;
        role->replica_port = p->replica_port;
        role->managed = p->managed;
    }
    for (size_t i = 0; i < t->n_foreign_pools && !role->machine; i++) {
        const struct topology_foreign_pool *p = &t->foreign_pools[i];
        role->machine = machine_in(p->machines, p->n_machines, fqdn);
        role->foreign = role->machine ? p : NULL;
        role->replica_port = 0;
        role->managed = false;
    }
    return role->machine;
}

bool topology_role_find(const struct topology *t, struct slice machine_fqdn, struct topology_role *ret)
{
    struct topology_role role = {0};
    if (!machine_fqdn.n)
        return false;
    bool in_pool = role_in_pools(t, machine_fqdn, &role);
    role.central = slice_caseeq(t->central.machine, machine_fqdn);
    if (!in_pool && !role.central)
        return false;
    if (in_pool) {
        role.internal_address = role.machine->internal_address;
    } else {
        role.internal_address = t->central.internal_address;
        role.replica_port = t->central.replica_port;
        role.managed = true;
    }
    *ret = role;
    return true;
}

/* Steps over the machines of one kind of pool: *left is how many are still to be passed. */
#define MANAGED_STEP(list)                                                                                   \
    for (size_t i = 0; i < t->n_##list; i++) {                                                               \
        if (!t->list[i].managed)                                                                             \
            continue;                                                                                        \
        if (left < t->list[i].n_machines) {                                                                  \
            *ret_fqdn = t->list[i].machines[left].fqdn;                                                      \
            (*cursor)++;                                                                                     \
            return true;                                                                                     \
        }                                                                                                    \
        left -= t->list[i].n_machines;                                                                       \
    }

bool topology_managed_next(const struct topology *t, size_t *cursor, struct slice *ret_fqdn)
{
    struct topology_role role;
    size_t left = *cursor;
    MANAGED_STEP(edge_pools)
    MANAGED_STEP(front_end_pools)
    if (left > 0 || !topology_role_find(t, t->central.machine, &role) || role.machine)
        return false;
    *ret_fqdn = t->central.machine;
    (*cursor)++;
    return true;
}

/* --- names of certificates --- */
struct name_set {
    struct arena *a;
    struct slice *items;
    size_t n, cap;
};

static void name_add(struct name_set *s, struct slice name)
{
    for (size_t i = 0; i < s->n; i++)
        if (slice_caseeq(s->items[i], name))
            return;
    if (!name.n)
        return;
    if (s->n == s->cap) {
        struct slice *more = ARENA_ARRAY(s->a, struct slice, s->cap ? 2 * s->cap : 8);
        if (s->n)
            memcpy(more, s->items, s->n * sizeof(*more));
        s->items = more;
        s->cap = s->cap ? 2 * s->cap : 8;
    }
    s->items[s->n++] = arena_copy(s->a, name);
}

static void add_edge_names(const struct topology *t, const struct topology_edge_pool *pool,
                           struct name_set *s)
{
    name_add(s, pool->fqdn);
    for (size_t i = 0; i < pool->adopts.n; i++) {
        const struct topology_edge_pool *old = topology_edge_pool_find(t, pool->adopts.items[i]);
        name_add(s, pool->adopts.items[i]);
        for (size_t j = 0; old && j < old->n_machines; j++)
            name_add(s, old->machines[j].fqdn);
    }
}

void topology_certificate_names(const struct topology *t, struct slice machine_fqdn, struct arena *a,
                                struct slice **ret_names, size_t *ret_n)
{
    struct name_set s = {.a = a};
    struct topology_role role;
    if (topology_role_find(t, machine_fqdn, &role)) {
        name_add(&s, role.machine ? role.machine->fqdn : t->central.machine);
        if (role.edge)
            add_edge_names(t, role.edge, &s);
        if (role.front_end) {
            name_add(&s, role.front_end->fqdn);
            name_add(&s, t->deployment.default_domain);
            for (size_t i = 0; i < t->deployment.additional_domains.n; i++)
                name_add(&s, t->deployment.additional_domains.items[i]);
        }
    }
    *ret_names = s.items;
    *ret_n = s.n;
}
