#include "kept/topology/priv.h"

#include "ground/base/mem.h"
#include "kept/topology/name_set.h"

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

struct slice topology_federation_route(const struct topology *t, const struct topology_site *site)
{
    const struct topology_site *parent = topology_site_find(t, site->parent);
    if (site->federation_route.n)
        return site->federation_route;
    if (site->kind == TOPOLOGY_BRANCH_SITE && parent && parent->federation_route.n)
        return parent->federation_route;
    for (size_t i = 0; i < t->n_sites; i++)
        if (t->sites[i].route_for_all && t->sites[i].federation_route.n)
            return t->sites[i].federation_route;
    return SLICE("");
}

bool topology_edge_single_name(const struct topology_edge_pool *p)
{
    return p->external_fqdn.n && slice_caseeq(p->external_fqdn, p->conf_fqdn) &&
           slice_caseeq(p->external_fqdn, p->av_fqdn);
}

/* --- machines --- */
bool topology_role_find(const struct topology *t, struct slice machine_fqdn, struct topology_role *ret)
{
    struct topology_role role = {0};
    if (!machine_fqdn.n)
        return false;
    bool in_pool = topology_index_machine(t, machine_fqdn, &role);
    role.central = slice_caseeq(t->central.machine, machine_fqdn);
    if (!in_pool && !role.central)
        return false;
    if (!in_pool) {
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
    MANAGED_STEP(director_pools)
    MANAGED_STEP(mediation_pools)
    MANAGED_STEP(trusted_application_pools)
    if (left > 0 || !topology_role_find(t, t->central.machine, &role) || role.machine)
        return false;
    *ret_fqdn = t->central.machine;
    (*cursor)++;
    return true;
}

/* --- names of certificates --- */
static void add_edge_names(const struct topology *t, const struct topology_edge_pool *pool,
                           struct name_set *s)
{
    name_set_add(s, pool->fqdn);
    for (size_t i = 0; i < pool->adopts.n; i++) {
        const struct topology_edge_pool *old = topology_edge_pool_find(t, pool->adopts.items[i]);
        name_set_add(s, pool->adopts.items[i]);
        for (size_t j = 0; old && j < old->n_machines; j++)
            name_set_add(s, old->machines[j].fqdn);
    }
}

void topology_certificate_names(const struct topology *t, struct slice machine_fqdn, struct arena *a,
                                struct slice **ret_names, size_t *ret_n)
{
    struct name_set s = {.a = a};
    struct topology_role role;
    if (topology_role_find(t, machine_fqdn, &role)) {
        name_set_add(&s, role.machine ? role.machine->fqdn : t->central.machine);
        if (role.edge)
            add_edge_names(t, role.edge, &s);
        if (role.director)
            name_set_add(&s, role.director->fqdn);
        if (role.mediation)
            name_set_add(&s, role.mediation->fqdn);
        if (role.trusted_application)
            name_set_add(&s, role.trusted_application->fqdn);
        if (role.front_end) {
            name_set_add(&s, role.front_end->fqdn);
            name_set_add(&s, t->deployment.default_domain);
            for (size_t i = 0; i < t->deployment.additional_domains.n; i++)
                name_set_add(&s, t->deployment.additional_domains.items[i]);
        }
    }
    *ret_names = s.items;
    *ret_n = s.n;
}
