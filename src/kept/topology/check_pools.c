#include "kept/topology/check_priv.h"

/* --- Edge pools --- */
void check_edge_without_machines(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    if (!p->n_machines)
        FOUND(f, "edge-without-machines", check_path(f, "edge_pools", p->fqdn, "machines"),
              "Edge pool " SLICE_FMT " has no machines.", SLICE_ARG(p->fqdn));
}

void check_federation_without_external_name(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    if (p->federation && !p->external_fqdn.n)
        FOUND(f, "federation-without-external-name", check_path(f, "edge_pools", p->fqdn, "external_fqdn"),
              "Edge pool " SLICE_FMT " federates and has no name for partners.", SLICE_ARG(p->fqdn));
}

void check_federation_without_external_address(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    EACH_MACHINE(p, m)
    if (p->federation && !m->external_address.n)
        FOUND(f, "federation-without-external-address",
              arena_printf(&f->arena, "edge_pools/" SLICE_FMT "/machines/" SLICE_FMT "/external_address",
                           SLICE_ARG(p->fqdn), SLICE_ARG(m->fqdn)),
              "Edge machine " SLICE_FMT " federates and has no external address.", SLICE_ARG(m->fqdn));
}

void check_federation_without_next_hop(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    if (p->federation && !p->next_hop.n)
        FOUND(f, "federation-without-next-hop", check_path(f, "edge_pools", p->fqdn, "next_hop"),
              "Edge pool " SLICE_FMT " federates and does not know where to hand requests.",
              SLICE_ARG(p->fqdn));
}

void check_next_hop_version(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    {
        const struct topology_front_end_pool *hop = topology_front_end_pool_find(t, p->next_hop);
        const struct topology_director_pool *director = topology_director_pool_find(t, p->next_hop);
        struct slice version = hop ? hop->version : director ? director->version : p->version;
        if (!slice_caseeq(version, p->version))
            FOUND(f, "next-hop-version", check_path(f, "edge_pools", p->fqdn, "next_hop"),
                  "Edge pool " SLICE_FMT " is of version " SLICE_FMT " and its next hop " SLICE_FMT
                  " of version " SLICE_FMT ".",
                  SLICE_ARG(p->fqdn), SLICE_ARG(p->version), SLICE_ARG(p->next_hop), SLICE_ARG(version));
    }
}

/* --- all pools --- */
static bool is_foreign(const struct check_pool *p)
{
    return strcmp(p->list, "foreign_pools") == 0;
}

void check_pool_without_site(const struct topology *t, struct findings *f)
{
    EACH_POOL(t, p)
    if (!p.site.n && !is_foreign(&p))
        FOUND(f, "pool-without-site", check_path(f, p.list, p.fqdn, "site"),
              "Pool " SLICE_FMT " stands in no site, so no federation route holds for it.",
              SLICE_ARG(p.fqdn));
}

static void without_address(struct findings *f, const char *id, const struct check_pool *p)
{
    EACH_MACHINE(p, m)
    if (!m->internal_address.n)
        FOUND(f, id, check_machine_path(f, p, m, "internal_address"),
              "Machine " SLICE_FMT " has no address inside.", SLICE_ARG(m->fqdn));
}

void check_machine_without_address(const struct topology *t, struct findings *f)
{
    EACH_POOL(t, p)
    if (!is_foreign(&p))
        without_address(f, "machine-without-address", &p);
}

/* --- Front End pools --- */
void check_pool_without_media_edge(const struct topology *t, struct findings *f)
{
    EACH_FRONT_END_POOL(t, p)
    if (!p->media_edge.n)
        FOUND(f, "pool-without-media-edge", check_path(f, "front_end_pools", p->fqdn, "media_edge"),
              "Users of Front End pool " SLICE_FMT " have no Edge pool for media to the outside.",
              SLICE_ARG(p->fqdn));
    EACH_MEDIATION_POOL(t, p)
    if (!p->media_edge.n)
        FOUND(f, "pool-without-media-edge", check_path(f, "mediation_pools", p->fqdn, "media_edge"),
              "Calls through Mediation pool " SLICE_FMT " have no Edge pool for media to the outside.",
              SLICE_ARG(p->fqdn));
}

void check_front_end_without_machines(const struct topology *t, struct findings *f)
{
    EACH_FRONT_END_POOL(t, p)
    if (!p->n_machines)
        FOUND(f, "front-end-without-machines", check_path(f, "front_end_pools", p->fqdn, "machines"),
              "Front End pool " SLICE_FMT " has no machines.", SLICE_ARG(p->fqdn));
}

void check_several_front_end_machines(const struct topology *t, struct findings *f)
{
    EACH_FRONT_END_POOL(t, p)
    if (p->managed && p->n_machines > 1)
        FOUND(f, "several-front-end-machines", check_path(f, "front_end_pools", p->fqdn, "machines"),
              "Front End pool " SLICE_FMT " has %zu machines: users and bindings are kept by the "
              "machine they were added on, the others do not know them.",
              SLICE_ARG(p->fqdn), p->n_machines);
}

void check_expires_out_of_order(const struct topology *t, struct findings *f)
{
    EACH_FRONT_END_POOL(t, p)
    if (p->min_expires > p->default_expires || p->default_expires > p->max_expires)
        FOUND(f, "expires-out-of-order", check_path(f, "front_end_pools", p->fqdn, "default_expires"),
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
        FOUND(f, "foreign-pool-not-mutual-tls", check_path(f, "foreign_pools", p->fqdn, "transport"),
              "Machines of foreign pool " SLICE_FMT " are known by their address alone: who can send "
              "from it can pose as them.",
              SLICE_ARG(p->fqdn));
}

void check_foreign_pool_without_address(const struct topology *t, struct findings *f)
{
    EACH_POOL(t, p)
    {
        if (!is_foreign(&p))
            continue;
        if (!p.n_machines)
            FOUND(f, "foreign-pool-without-address", check_path(f, p.list, p.fqdn, "machines"),
                  "Foreign pool " SLICE_FMT " lists no machines, so it cannot be reached.",
                  SLICE_ARG(p.fqdn));
        without_address(f, "foreign-pool-without-address", &p);
    }
}

/* --- adopted names --- */
void check_adopts_itself(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    if (check_names_have(&p->adopts, p->fqdn))
        FOUND(f, "adopts-itself", check_path(f, "edge_pools", p->fqdn, "adopts"),
              "Edge pool " SLICE_FMT " adopts itself.", SLICE_ARG(p->fqdn));
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
            FOUND(f, "adopts-in-a-circle", check_path(f, "edge_pools", p->fqdn, "adopts"),
                  "Edge pool " SLICE_FMT " adopts a pool that in turn adopts it.", SLICE_ARG(p->fqdn));
        arena_fini(&a);
    }
}

void check_adopter_not_federating(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    if (p->adopts.n && !p->federation)
        FOUND(f, "adopter-not-federating", check_path(f, "edge_pools", p->fqdn, "federation"),
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
            FOUND(f, "adopted-names-unserved", check_path(f, "edge_pools", p->fqdn, "access_edge"),
                  "Edge pools " SLICE_FMT " and " SLICE_FMT ", which adopted its names, are both "
                  "disabled: nobody serves the dialogs that name " SLICE_FMT ".",
                  SLICE_ARG(old->fqdn), SLICE_ARG(p->fqdn), SLICE_ARG(old->fqdn));
    }
}
