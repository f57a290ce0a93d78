#include "service/front_end/routes.h"

#include "kept/topology/edges.h"

struct list_of_targets {
    struct target_address *items;
    size_t n;
};

static void add_machine(struct list_of_targets *l, const struct topology_machine *m, int64_t port)
{
    struct target_address to = {.transport = SIP_TLS, .name = m->fqdn, .identity = m->fqdn};
    if (l->n == ELEMENT_MAX_TARGETS || net_addr_parse(m->internal_address, (uint16_t)port, &to.addr) < 0)
        return;
    l->items[l->n++] = to;
}

/* Beginning with machine `first`. */
static void add_machines(struct list_of_targets *l, const struct topology_machine *m, size_t n, size_t first,
                         int64_t port)
{
    for (size_t i = 0; i < n; i++)
        add_machine(l, &m[topology_machine_next(m, n, first, i)], port);
}

static size_t first_of(const struct topology_machine *m, size_t n, struct slice host, uint64_t spread)
{
    for (size_t i = 0; i < n; i++)
        if (slice_caseeq(m[i].fqdn, host))
            return i;
    return topology_machine_pick(m, n, spread);
}

/* A machine that is named comes first, whatever its state: a dialog began there. Then those that serve, then
 * those that are being drained; disabled ones only where there is nothing else. */
static void add_edge_machines(struct list_of_targets *l, const struct topology_edge_pool *p,
                              struct slice host, uint64_t spread)
{
    size_t first = first_of(p->machines, p->n_machines, host, spread), before = l->n;
    bool named = p->n_machines && slice_caseeq(p->machines[first].fqdn, host);
    if (named && p->machines[first].access_edge != TOPOLOGY_DISABLED)
        add_machine(l, &p->machines[first], p->internal_port);
    for (int state = TOPOLOGY_ENABLED; state <= TOPOLOGY_DISABLED; state++) {
        if (state == TOPOLOGY_DISABLED && l->n > before)
            return;
        for (size_t i = 0; i < p->n_machines; i++) {
            const struct topology_machine *m =
                &p->machines[topology_machine_next(p->machines, p->n_machines, first, i)];
            bool there = named && i == 0 && state != TOPOLOGY_DISABLED;
            if ((int)m->access_edge == state && !there)
                add_machine(l, m, p->internal_port);
        }
    }
}

static void add_adopters(struct list_of_targets *l, const struct topology *t, struct slice pool,
                         uint64_t spread)
{
    for (size_t i = 0; i < t->n_edge_pools; i++) {
        const struct topology_edge_pool *p = &t->edge_pools[i];
        if (edge_adopts(p, pool) && p->federation && p->access_edge != TOPOLOGY_DISABLED)
            add_edge_machines(l, p, pool, spread);
    }
}

/* Behind all others; those of the site first. */
static void add_stand_ins(struct list_of_targets *l, const struct topology *t,
                          const struct topology_site *site, const struct topology_edge_pool *route,
                          uint64_t spread)
{
    for (int away = 0; away <= 1; away++)
        for (size_t i = 0; i < t->n_edge_pools; i++) {
            const struct topology_edge_pool *p = &t->edge_pools[i];
            if (edge_stands_in(site, route, p) && slice_eq(p->site, site->name) == !away)
                add_edge_machines(l, p, p->fqdn, spread);
        }
}

static void add_edge_pool(struct list_of_targets *l, const struct topology *t,
                          const struct topology_site *site, const struct topology_edge_pool *p,
                          struct slice host, uint64_t spread)
{
    bool serves = p->federation && p->access_edge == TOPOLOGY_ENABLED;
    if (!serves)
        add_adopters(l, t, p->fqdn, spread);
    if (p->access_edge != TOPOLOGY_DISABLED || l->n == 0)
        add_edge_machines(l, p, host, spread);
    if (serves)
        add_adopters(l, t, p->fqdn, spread);
    if (site)
        add_stand_ins(l, t, site, p, spread);
}

static bool adopted_by_any(const struct topology *t, struct slice host)
{
    for (size_t i = 0; i < t->n_edge_pools; i++)
        if (edge_adopts(&t->edge_pools[i], host))
            return true;
    return false;
}

static bool role_of(const struct topology *t, struct slice host, struct topology_role *ret)
{
    *ret = (struct topology_role){0};
    ret->edge = topology_edge_pool_find(t, host);
    ret->front_end = ret->edge ? NULL : topology_front_end_pool_find(t, host);
    ret->director = ret->edge || ret->front_end ? NULL : topology_director_pool_find(t, host);
    if (ret->edge || ret->front_end || ret->director)
        return true;
    return topology_role_find(t, host, ret) && (ret->edge || ret->front_end || ret->director);
}

bool routes_knows(const struct topology *t, struct slice host)
{
    struct topology_role role;
    return host.n && (role_of(t, host, &role) || adopted_by_any(t, host));
}

size_t routes_to(const struct topology *t, const struct topology_site *site, struct slice host,
                 uint64_t spread, struct arena *a, struct target_address **ret)
{
    struct list_of_targets l = {ARENA_ARRAY(a, struct target_address, ELEMENT_MAX_TARGETS), 0};
    struct topology_role role;
    *ret = l.items;
    if (host.n == 0)
        return 0;
    if (!role_of(t, host, &role))
        add_adopters(&l, t, host, spread); /* the legacy pool has left the topology already */
    else if (role.edge)
        add_edge_pool(&l, t, site, role.edge, host, spread);
    else if (role.director) /* it knows the way to its Edge pool */
        add_machines(&l, role.director->machines, role.director->n_machines,
                     first_of(role.director->machines, role.director->n_machines, host, spread),
                     role.director->sip_port);
    else
        add_machines(&l, role.front_end->machines, role.front_end->n_machines,
                     first_of(role.front_end->machines, role.front_end->n_machines, host, spread),
                     role.front_end->sip_port);
    return l.n;
}
