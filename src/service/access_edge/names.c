#include "service/access_edge/priv.h"

static void names_add(struct edge *e, struct slice host, int64_t port)
{
    if (host.n)
        e->names[e->n_names++] = (struct own_name){host, (uint16_t)port};
}

enum { NAMES_POOL = 2, NAMES_MACHINE = 4 };

static void names_add_pool(struct edge *e, const struct topology_edge_pool *p)
{
    struct hops next;
    bool foreign = hops_of_pool(e->t, p->next_hop, &next) && next.transport != SIP_TLS;
    names_add(e, p->fqdn, p->internal_port);
    names_add(e, p->external_fqdn, p->federation_port);
    for (size_t i = 0; i < p->n_machines; i++) {
        const struct topology_machine *m = &p->machines[i];
        names_add(e, m->fqdn, p->internal_port);
        names_add(e, m->internal_address, p->internal_port);
        names_add(e, m->external_address, p->federation_port);
        if (foreign)
            names_add(e, m->internal_address, next.port);
    }
}

static bool names_adopted(const struct edge *e, const struct topology_edge_pool *p)
{
    for (size_t i = 0; i < e->pool->adopts.n; i++)
        if (slice_eq(e->pool->adopts.items[i], p->fqdn))
            return true;
    return false;
}

/*
 * All Edges of the deployment that share our keys, and pools that we adopt: dialogs belong to no machine. One
 * that began at another Edge comes here by a name that DNS has moved, with that Edge's inner name below it.
 */
static bool names_serves(const struct edge *e, const struct topology_edge_pool *p)
{
    return p == e->pool || p->managed || names_adopted(e, p);
}

void names_compile(struct edge *e)
{
    size_t n = 0;
    for (size_t i = 0; i < e->t->n_edge_pools; i++)
        n += NAMES_POOL + NAMES_MACHINE * e->t->edge_pools[i].n_machines;
    e->names = ARENA_ARRAY(&e->arena, struct own_name, n);
    for (size_t i = 0; i < e->t->n_edge_pools; i++)
        if (names_serves(e, &e->t->edge_pools[i]))
            names_add_pool(e, &e->t->edge_pools[i]);
}

bool names_own(const struct edge *e, struct slice host, uint16_t port)
{
    for (size_t i = 0; i < e->n_names; i++)
        if ((port == 0 || port == e->names[i].port) && slice_caseeq(host, e->names[i].host))
            return true;
    return false;
}
