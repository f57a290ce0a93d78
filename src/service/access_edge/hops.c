#include "service/access_edge/priv.h"

static enum sip_transport transport_of(enum topology_transport t)
{
    static const enum sip_transport map[] = {
        [TOPOLOGY_TLS] = SIP_TLS, [TOPOLOGY_TCP] = SIP_TCP, [TOPOLOGY_UDP] = SIP_UDP};
    return map[t];
}

static struct hops hops_of_role(const struct topology_role *r)
{
    if (r->front_end)
        return (struct hops){r->front_end->machines, r->front_end->n_machines, r->front_end->fqdn, SIP_TLS,
                             (uint16_t)r->front_end->sip_port};
    if (r->foreign)
        return (struct hops){r->foreign->machines, r->foreign->n_machines, r->foreign->fqdn,
                             transport_of(r->foreign->transport), (uint16_t)r->foreign->port};
    if (r->director)
        return (struct hops){r->director->machines, r->director->n_machines, r->director->fqdn, SIP_TLS,
                             (uint16_t)r->director->sip_port};
    if (r->edge)
        return (struct hops){r->edge->machines, r->edge->n_machines, r->edge->fqdn, SIP_TLS,
                             (uint16_t)r->edge->internal_port};
    return (struct hops){0};
}

bool hops_of_pool(const struct topology *t, struct slice pool, struct hops *ret)
{
    struct topology_role r = {.front_end = topology_front_end_pool_find(t, pool),
                              .foreign = topology_foreign_pool_find(t, pool),
                              .director = topology_director_pool_find(t, pool)};
    struct hops h = hops_of_role(&r);
    if (h.n == 0)
        return false;
    *ret = h;
    return true;
}

bool hops_of_machine(const struct topology *t, struct slice machine, struct hops *ret, size_t *ret_index)
{
    struct topology_role r;
    if (!topology_role_find(t, machine, &r) || !r.machine)
        return false;
    struct hops h = hops_of_role(&r);
    for (size_t i = 0; i < h.n; i++) {
        if (slice_caseeq(h.machines[i].fqdn, machine)) {
            *ret = h;
            *ret_index = i;
            return true;
        }
    }
    return false;
}

const struct topology_machine *hops_foreign(const struct topology *t, enum sip_transport transport,
                                            const struct net_addr *source)
{
    for (size_t i = 0; i < t->n_foreign_pools; i++) {
        const struct topology_foreign_pool *p = &t->foreign_pools[i];
        enum sip_transport has = transport_of(p->transport);
        if (has == SIP_TLS || (has != transport && transport != SIP_TCP))
            continue;
        for (size_t k = 0; k < p->n_machines; k++) {
            struct net_addr a;
            if (net_addr_parse(p->machines[k].internal_address, 0, &a) == 0 && net_addr_eq_host(&a, source))
                return &p->machines[k];
        }
    }
    return NULL;
}

size_t hops_targets(const struct hops *h, size_t first, struct target_address out[ELEMENT_MAX_TARGETS])
{
    size_t n = 0;
    for (size_t i = 0; i < h->n && n < ELEMENT_MAX_TARGETS; i++) {
        const struct topology_machine *m = &h->machines[topology_machine_next(h->machines, h->n, first, i)];
        struct net_addr a;
        if (net_addr_parse(m->internal_address, h->port, &a) < 0)
            continue;
        out[n++] = (struct target_address){.addr = a,
                                           .transport = h->transport,
                                           .name = m->fqdn,
                                           .identity = h->transport == SIP_TLS ? m->fqdn : SLICE_NONE};
    }
    return n;
}
