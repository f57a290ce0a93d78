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

/* Our pool's, and those of the pools that it adopts: their dialogs come to us when they are gone. */
void names_compile(struct edge *e)
{
    size_t n = NAMES_POOL + NAMES_MACHINE * e->pool->n_machines;
    for (size_t i = 0; i < e->pool->adopts.n; i++) {
        const struct topology_edge_pool *p = topology_edge_pool_find(e->t, e->pool->adopts.items[i]);
        n += p ? NAMES_POOL + NAMES_MACHINE * p->n_machines : 0;
    }
    e->names = ARENA_ARRAY(&e->arena, struct own_name, n);
    names_add_pool(e, e->pool);
    for (size_t i = 0; i < e->pool->adopts.n; i++) {
        const struct topology_edge_pool *p = topology_edge_pool_find(e->t, e->pool->adopts.items[i]);
        if (p)
            names_add_pool(e, p);
    }
}

bool names_own(const struct edge *e, struct slice host, uint16_t port)
{
    for (size_t i = 0; i < e->n_names; i++)
        if ((port == 0 || port == e->names[i].port) && slice_caseeq(host, e->names[i].host))
            return true;
    return false;
}
