#include "kept/topology/edges.h"

bool edge_adopts(const struct topology_edge_pool *p, struct slice fqdn)
{
    for (size_t i = 0; i < p->adopts.n; i++)
        if (slice_caseeq(p->adopts.items[i], fqdn))
            return true;
    return false;
}

bool edge_may_have_keys(const struct topology *t, struct slice machine, struct slice pool)
{
    struct topology_role role;
    return topology_role_find(t, machine, &role) && role.managed && role.edge &&
           (slice_caseeq(role.edge->fqdn, pool) || edge_adopts(role.edge, pool));
}

bool edge_stands_in(const struct topology_site *site, const struct topology_edge_pool *route,
                    const struct topology_edge_pool *p)
{
    return site->federation_failover && route->managed && p->managed && p != route && edge_serves(p) &&
           !edge_adopts(p, route->fqdn);
}

bool edge_has_route(const struct topology *t, const struct topology_edge_pool *p)
{
    for (size_t i = 0; i < t->n_sites; i++)
        if (slice_caseeq(topology_federation_route(t, &t->sites[i]), p->fqdn))
            return true;
    return false;
}

const struct topology_edge_pool *edge_behind(const struct topology *t, const struct topology_edge_pool *p)
{
    bool stays = edge_serves(p) && edge_has_route(t, p);
    for (size_t i = 0; i < t->n_edge_pools && !stays; i++) {
        const struct topology_edge_pool *q = &t->edge_pools[i];
        if (edge_serves(q) && edge_adopts(q, p->fqdn) && (edge_has_route(t, q) || !edge_serves(p)))
            return q;
    }
    return p;
}

struct slice edge_public_name(const struct topology *t, const struct topology_edge_pool *p)
{
    for (size_t i = 0; i < p->adopts.n; i++) {
        const struct topology_edge_pool *old = topology_edge_pool_find(t, p->adopts.items[i]);
        if (old && old->external_fqdn.n && edge_behind(t, old) == p)
            return old->external_fqdn;
    }
    return p->external_fqdn;
}

static size_t add_once(const struct topology_edge_pool **list, size_t n, size_t cap,
                       const struct topology_edge_pool *p)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == p)
            return n;
    if (n < cap)
        list[n++] = p;
    return n;
}

size_t edges_federating(const struct topology *t, const struct topology_edge_pool **ret, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n_sites; i++) {
        struct slice route = topology_federation_route(t, &t->sites[i]);
        const struct topology_edge_pool *p = topology_edge_pool_find(t, route);
        if (p && edge_serves(edge_behind(t, p)))
            n = add_once(ret, n, cap, edge_serves(p) ? p : edge_behind(t, p));
        if (p || !topology_director_pool_find(t, route))
            continue;
        for (size_t k = 0; k < t->n_edge_pools; k++) /* those that work with the Director */
            if (edge_serves(&t->edge_pools[k]) && slice_caseeq(t->edge_pools[k].next_hop, route))
                n = add_once(ret, n, cap, &t->edge_pools[k]);
    }
    return n;
}
