#include "kept/topology/check_priv.h"

/* --- Edge pools --- */
void check_edge_without_machines(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    if (!p->n_machines)
        ERROR_AT(f, "edge-without-machines", check_path(f, "edge_pools", p->fqdn, "machines"),
                 "add its machines, or remove the pool", "Edge pool " SLICE_FMT " has no machines.",
                 SLICE_ARG(p->fqdn));
}

void check_federation_without_external_name(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    if (p->federation && !p->external_fqdn.n)
        ERROR_AT(f, "federation-without-external-name", check_path(f, "edge_pools", p->fqdn, "external_fqdn"),
                 "set external_fqdn to the name that the SRV records and the public certificate carry",
                 "Edge pool " SLICE_FMT " federates and has no name for partners.", SLICE_ARG(p->fqdn));
}

void check_federation_without_external_address(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    EACH_MACHINE(p, m)
    if (p->federation && !m->external_address.n)
        ERROR_AT(f, "federation-without-external-address",
                 arena_printf(&f->arena, "edge_pools/" SLICE_FMT "/machines/" SLICE_FMT "/external_address",
                              SLICE_ARG(p->fqdn), SLICE_ARG(m->fqdn)),
                 "set the address on which partners reach the machine",
                 "Edge machine " SLICE_FMT " federates and has no external address.", SLICE_ARG(m->fqdn));
}

void check_federation_without_next_hop(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    if (p->federation && !p->next_hop.n)
        ERROR_AT(f, "federation-without-next-hop", check_path(f, "edge_pools", p->fqdn, "next_hop"),
                 "set next_hop to the pool that takes what comes from outside",
                 "Edge pool " SLICE_FMT " federates and does not know where to hand requests.",
                 SLICE_ARG(p->fqdn));
}

void check_next_hop_version(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    {
        const struct topology_front_end_pool *hop = topology_front_end_pool_find(t, p->next_hop);
        if (hop && !slice_caseeq(hop->version, p->version))
            WARNING_AT(f, "next-hop-version", check_path(f, "edge_pools", p->fqdn, "next_hop"),
                       "point it to a pool of the same version when the migration is done",
                       "Edge pool " SLICE_FMT " is of version " SLICE_FMT " and its next hop " SLICE_FMT
                       " of version " SLICE_FMT ".",
                       SLICE_ARG(p->fqdn), SLICE_ARG(p->version), SLICE_ARG(hop->fqdn),
                       SLICE_ARG(hop->version));
    }
}

/* --- all pools --- */
static void without_site(struct findings *f, const char *list, struct slice fqdn)
{
    ERROR_AT(f, "pool-without-site", check_path(f, list, fqdn, "site"), "set site to one of the sites",
             "Pool " SLICE_FMT " stands in no site, so no federation route holds for it.", SLICE_ARG(fqdn));
}

void check_pool_without_site(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    if (!p->site.n)
        without_site(f, "edge_pools", p->fqdn);
    EACH_FRONT_END_POOL(t, p)
    if (!p->site.n)
        without_site(f, "front_end_pools", p->fqdn);
}

static void without_address(struct findings *f, const char *id, const char *list, struct slice pool,
                            struct slice machine)
{
    ERROR_AT(f, id,
             arena_printf(&f->arena, "%s/" SLICE_FMT "/machines/" SLICE_FMT "/internal_address", list,
                          SLICE_ARG(pool), SLICE_ARG(machine)),
             "set its internal_address", "Machine " SLICE_FMT " has no address inside.", SLICE_ARG(machine));
}

void check_machine_without_address(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    EACH_MACHINE(p, m)
    if (!m->internal_address.n)
        without_address(f, "machine-without-address", "edge_pools", p->fqdn, m->fqdn);
    EACH_FRONT_END_POOL(t, p)
    EACH_MACHINE(p, m)
    if (!m->internal_address.n)
        without_address(f, "machine-without-address", "front_end_pools", p->fqdn, m->fqdn);
}

/* --- Front End pools --- */
void check_pool_without_media_edge(const struct topology *t, struct findings *f)
{
    EACH_FRONT_END_POOL(t, p)
    if (!p->media_edge.n)
        WARNING_AT(f, "pool-without-media-edge", check_path(f, "front_end_pools", p->fqdn, "media_edge"),
                   "set media_edge to the Edge pool that shall relay their media",
                   "Users of Front End pool " SLICE_FMT " have no Edge pool for media to the outside.",
                   SLICE_ARG(p->fqdn));
}

void check_front_end_without_machines(const struct topology *t, struct findings *f)
{
    EACH_FRONT_END_POOL(t, p)
    if (!p->n_machines)
        ERROR_AT(f, "front-end-without-machines", check_path(f, "front_end_pools", p->fqdn, "machines"),
                 "add its machine, or remove the pool", "Front End pool " SLICE_FMT " has no machines.",
                 SLICE_ARG(p->fqdn));
}

void check_several_front_end_machines(const struct topology *t, struct findings *f)
{
    EACH_FRONT_END_POOL(t, p)
    if (p->managed && p->n_machines > 1)
        WARNING_AT(f, "several-front-end-machines", check_path(f, "front_end_pools", p->fqdn, "machines"),
                   "use one machine, or a pool for each machine",
                   "Front End pool " SLICE_FMT " has %zu machines: users and bindings are kept by the "
                   "machine they were added on, the others do not know them.",
                   SLICE_ARG(p->fqdn), p->n_machines);
}

void check_expires_out_of_order(const struct topology *t, struct findings *f)
{
    EACH_FRONT_END_POOL(t, p)
    if (p->min_expires > p->default_expires || p->default_expires > p->max_expires)
        ERROR_AT(f, "expires-out-of-order", check_path(f, "front_end_pools", p->fqdn, "default_expires"),
                 "choose min_expires <= default_expires <= max_expires",
                 "Front End pool " SLICE_FMT " gives %lld s by default, which is not between %lld and "
                 "%lld s.",
                 SLICE_ARG(p->fqdn), (long long)p->default_expires, (long long)p->min_expires,
                 (long long)p->max_expires);
}

/* --- foreign pools --- */
void check_foreign_pool_not_mutual_tls(const struct topology *t, struct findings *f)
{
    EACH_FOREIGN_POOL(t, p)
    if (p->transport != TOPOLOGY_TLS)
        WARNING_AT(f, "foreign-pool-not-mutual-tls", check_path(f, "foreign_pools", p->fqdn, "transport"),
                   "use tls where its software can",
                   "Machines of foreign pool " SLICE_FMT " are known by their address alone: who can send "
                   "from it can pose as them.",
                   SLICE_ARG(p->fqdn));
}

void check_foreign_pool_without_address(const struct topology *t, struct findings *f)
{
    EACH_FOREIGN_POOL(t, p)
    {
        if (!p->n_machines)
            ERROR_AT(f, "foreign-pool-without-address", check_path(f, "foreign_pools", p->fqdn, "machines"),
                     "add its machines with their addresses",
                     "Foreign pool " SLICE_FMT " lists no machines, so it cannot be reached.",
                     SLICE_ARG(p->fqdn));
        EACH_MACHINE(p, m)
        if (!m->internal_address.n)
            without_address(f, "foreign-pool-without-address", "foreign_pools", p->fqdn, m->fqdn);
    }
}

/* --- adopted names --- */
void check_adopts_itself(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    if (check_names_have(&p->adopts, p->fqdn))
        ERROR_AT(f, "adopts-itself", check_path(f, "edge_pools", p->fqdn, "adopts"),
                 "remove it from its own list", "Edge pool " SLICE_FMT " adopts itself.", SLICE_ARG(p->fqdn));
}

/* Is `what` reached from p by adoption? The depth is bounded by the number of pools. */
static bool adopts_in_steps(const struct topology *t, const struct topology_edge_pool *p, struct slice what,
                            bool *visited)
{
    visited[p - t->edge_pools] = true;
    for (size_t i = 0; i < p->adopts.n; i++) {
        const struct topology_edge_pool *next = topology_edge_pool_find(t, p->adopts.items[i]);
        if (!next || next == p)
            continue;
        if (slice_caseeq(next->fqdn, what))
            return true;
        if (!visited[next - t->edge_pools] && adopts_in_steps(t, next, what, visited))
            return true;
    }
    return false;
}

void check_adopts_in_a_circle(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    {
        struct arena a = {0};
        bool *visited = ARENA_ARRAY(&a, bool, t->n_edge_pools);
        if (adopts_in_steps(t, p, p->fqdn, visited))
            ERROR_AT(f, "adopts-in-a-circle", check_path(f, "edge_pools", p->fqdn, "adopts"),
                     "let only the successor adopt its predecessor",
                     "Edge pool " SLICE_FMT " adopts a pool that in turn adopts it.", SLICE_ARG(p->fqdn));
        arena_fini(&a);
    }
}

void check_adopter_not_federating(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    if (p->adopts.n && !p->federation)
        WARNING_AT(f, "adopter-not-federating", check_path(f, "edge_pools", p->fqdn, "federation"),
                   "turn its federation on before names lead to it",
                   "Edge pool " SLICE_FMT " answers for other pools' names and its federation is off: "
                   "partners that are led to it find a closed port.",
                   SLICE_ARG(p->fqdn));
}

static bool adopted_and_served(const struct topology *t, struct slice fqdn)
{
    EACH_EDGE_POOL(t, p)
    if (p->access_edge != TOPOLOGY_DISABLED && check_names_have(&p->adopts, fqdn))
        return true;
    return false;
}

void check_adopted_names_unserved(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    for (size_t i = 0; i < p->adopts.n; i++) {
        const struct topology_edge_pool *old = topology_edge_pool_find(t, p->adopts.items[i]);
        if (old && old->access_edge == TOPOLOGY_DISABLED && p->access_edge == TOPOLOGY_DISABLED &&
            !adopted_and_served(t, old->fqdn))
            WARNING_AT(f, "adopted-names-unserved", check_path(f, "edge_pools", p->fqdn, "access_edge"),
                       "enable one of the two",
                       "Edge pools " SLICE_FMT " and " SLICE_FMT ", which adopted its names, are both "
                       "disabled: nobody serves the dialogs that name " SLICE_FMT ".",
                       SLICE_ARG(old->fqdn), SLICE_ARG(p->fqdn), SLICE_ARG(old->fqdn));
    }
}
