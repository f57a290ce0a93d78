#include "kept/topology/check_priv.h"

/* --- kinds of pools --- */
void check_standard_pool_several_machines(const struct topology *t, struct findings *f)
{
    EACH_FRONT_END_POOL(t, p)
    if (p->kind == TOPOLOGY_STANDARD && p->n_machines > 1)
        FOUND(f, "standard-pool-several-machines", check_path(f, "front_end_pools", p->fqdn, "machines"),
              "Front End pool " SLICE_FMT " is a standard one and has %zu machines.", SLICE_ARG(p->fqdn),
              p->n_machines);
}

void check_standard_pool_name(const struct topology *t, struct findings *f)
{
    EACH_FRONT_END_POOL(t, p)
    if (p->kind == TOPOLOGY_STANDARD && p->n_machines == 1 && !slice_caseeq(p->fqdn, p->machines[0].fqdn))
        FOUND(f, "standard-pool-name", check_path(f, "front_end_pools", p->fqdn, "kind"),
              "Standard pool " SLICE_FMT " is not named as its machine " SLICE_FMT ".", SLICE_ARG(p->fqdn),
              SLICE_ARG(p->machines[0].fqdn));
}

enum { EDGE_MACHINES = 12 };

void check_edge_pool_large(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    if (p->n_machines > EDGE_MACHINES)
        FOUND(f, "edge-pool-large", check_path(f, "edge_pools", p->fqdn, "machines"),
              "Edge pool " SLICE_FMT " has %zu machines; Lync supports %d.", SLICE_ARG(p->fqdn),
              p->n_machines, EDGE_MACHINES);
}

static void without_machines(struct findings *f, const char *list, const char *words, struct slice fqdn)
{
    FOUND(f, "pool-without-machines", check_path(f, list, fqdn, "machines"),
          "%s pool " SLICE_FMT " has no machines.", words, SLICE_ARG(fqdn));
}

void check_pool_without_machines(const struct topology *t, struct findings *f)
{
    EACH_DIRECTOR_POOL(t, p)
    if (!p->n_machines)
        without_machines(f, "director_pools", "Director", p->fqdn);
    EACH_MEDIATION_POOL(t, p)
    if (!p->n_machines)
        without_machines(f, "mediation_pools", "Mediation", p->fqdn);
    EACH_APPLICATION_POOL(t, p)
    if (!p->n_machines)
        without_machines(f, "trusted_application_pools", "Trusted application", p->fqdn);
}

void check_director_without_next_hop(const struct topology *t, struct findings *f)
{
    EACH_DIRECTOR_POOL(t, p)
    if (!p->next_hop.n)
        FOUND(f, "director-without-next-hop", check_path(f, "director_pools", p->fqdn, "next_hop"),
              "Director pool " SLICE_FMT " does not know where to hand requests.", SLICE_ARG(p->fqdn));
}

static bool director_used(const struct topology *t, struct slice fqdn)
{
    EACH_EDGE_POOL(t, p)
    if (slice_caseeq(p->next_hop, fqdn))
        return true;
    EACH_SITE(t, s)
    if (slice_caseeq(s->federation_route, fqdn) || slice_caseeq(s->xmpp_route, fqdn))
        return true;
    return false;
}

void check_director_unused(const struct topology *t, struct findings *f)
{
    EACH_DIRECTOR_POOL(t, p)
    if (!director_used(t, p->fqdn))
        FOUND(f, "director-unused", check_path(f, "director_pools", p->fqdn, NULL),
              "No Edge pool and no site goes through Director pool " SLICE_FMT ".", SLICE_ARG(p->fqdn));
}

void check_director_not_served(const struct topology *t, struct findings *f)
{
    EACH_DIRECTOR_POOL(t, p)
    if (p->managed)
        FOUND(f, "director-not-served", check_path(f, "director_pools", p->fqdn, "managed"),
              "Director pool " SLICE_FMT " is not served yet by this version: what is sent to it ends there.",
              SLICE_ARG(p->fqdn));
}

void check_mediation_without_next_hop(const struct topology *t, struct findings *f)
{
    EACH_MEDIATION_POOL(t, p)
    if (!p->next_hop.n)
        FOUND(f, "mediation-without-next-hop", check_path(f, "mediation_pools", p->fqdn, "next_hop"),
              "Mediation pool " SLICE_FMT " does not know where to hand calls.", SLICE_ARG(p->fqdn));
}

void check_application_without_next_hop(const struct topology *t, struct findings *f)
{
    EACH_APPLICATION_POOL(t, p)
    if (!p->next_hop.n)
        FOUND(f, "application-without-next-hop",
              check_path(f, "trusted_application_pools", p->fqdn, "next_hop"),
              "No Front End pool speaks for trusted application pool " SLICE_FMT ".", SLICE_ARG(p->fqdn));
}

/* --- who uses which Edge pool --- */
static bool edge_routed(const struct topology *t, struct slice edge)
{
    EACH_SITE(t, s)
    if (slice_caseeq(topology_federation_route(t, s), edge) || slice_caseeq(s->xmpp_route, edge) ||
        topology_director_pool_find(t, s->federation_route))
        return true;
    return false;
}

static bool edge_associated(const struct topology *t, struct slice edge)
{
    EACH_FRONT_END_POOL(t, p)
    if (slice_caseeq(p->media_edge, edge))
        return true;
    EACH_MEDIATION_POOL(t, p)
    if (slice_caseeq(p->media_edge, edge))
        return true;
    EACH_APPLICATION_POOL(t, p)
    if (slice_caseeq(p->media_edge, edge))
        return true;
    return false;
}

static bool edge_adopted(const struct topology *t, struct slice edge)
{
    EACH_EDGE_POOL(t, p)
    if (check_names_have(&p->adopts, edge))
        return true;
    return false;
}

void check_edge_pool_unused(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    if (check_edge_serves(p) && !topology_foreign_pool_find(t, p->next_hop) && !p->adopts.n &&
        !edge_adopted(t, p->fqdn) && !edge_routed(t, p->fqdn) && !edge_associated(t, p->fqdn))
        FOUND(f, "edge-pool-unused", check_path(f, "edge_pools", p->fqdn, NULL),
              "Edge pool " SLICE_FMT " takes what partners send, and no site, no pool and no successor uses "
              "it.",
              SLICE_ARG(p->fqdn));
}

static bool any_av(const struct topology *t)
{
    EACH_EDGE_POOL(t, p)
    if (p->av_edge == TOPOLOGY_ENABLED)
        return true;
    return false;
}

static void media_without_av(const struct topology *t, struct findings *f, const char *list,
                             struct slice pool, struct slice edge)
{
    const struct topology_edge_pool *p = topology_edge_pool_find(t, edge);
    if (p && p->av_edge != TOPOLOGY_ENABLED)
        FOUND(f, "media-edge-without-av", check_path(f, list, pool, "media_edge"),
              "Pool " SLICE_FMT " relays media through Edge pool " SLICE_FMT ", whose A/V Edge is %s.",
              SLICE_ARG(pool), SLICE_ARG(edge), p->av_edge == TOPOLOGY_DRAINING ? "draining" : "disabled");
}

void check_media_edge_without_av(const struct topology *t, struct findings *f)
{
    if (!any_av(t))
        return;
    EACH_FRONT_END_POOL(t, p)
    media_without_av(t, f, "front_end_pools", p->fqdn, p->media_edge);
    EACH_MEDIATION_POOL(t, p)
    media_without_av(t, f, "mediation_pools", p->fqdn, p->media_edge);
    EACH_APPLICATION_POOL(t, p)
    media_without_av(t, f, "trusted_application_pools", p->fqdn, p->media_edge);
}

/* The seed's sixth step, forgotten: the route is the new Edge's, the association the old one's. */
static void left_behind(const struct topology *t, struct findings *f, const char *list, struct slice pool,
                        struct slice version, struct slice site, struct slice media_edge)
{
    const struct topology_site *s = topology_site_find(t, site);
    const struct topology_edge_pool *media = topology_edge_pool_find(t, media_edge);
    const struct topology_edge_pool *route =
        s ? topology_edge_pool_find(t, topology_federation_route(t, s)) : NULL;
    if (!media || !route || route == media || slice_caseeq(media->version, version) ||
        !slice_caseeq(route->version, version))
        return;
    FOUND(f, "media-left-behind", check_path(f, list, pool, "media_edge"),
          "Pool " SLICE_FMT " of version " SLICE_FMT " still relays media through Edge pool " SLICE_FMT
          " of version " SLICE_FMT ", while its site federates through " SLICE_FMT ".",
          SLICE_ARG(pool), SLICE_ARG(version), SLICE_ARG(media->fqdn), SLICE_ARG(media->version),
          SLICE_ARG(route->fqdn));
}

void check_media_left_behind(const struct topology *t, struct findings *f)
{
    EACH_FRONT_END_POOL(t, p)
    left_behind(t, f, "front_end_pools", p->fqdn, p->version, p->site, p->media_edge);
    EACH_MEDIATION_POOL(t, p)
    left_behind(t, f, "mediation_pools", p->fqdn, p->version, p->site, p->media_edge);
}

/* --- versions --- */

void check_three_versions(const struct topology *t, struct findings *f)
{
    struct slice met[2];
    size_t n = 0;
    EACH_POOL(t, p)
    {
        size_t i = 0;
        while (p.version.n && i < n && !slice_caseeq(met[i], p.version))
            i++;
        if (!p.version.n || i < n)
            continue;
        if (n < 2) {
            met[n++] = p.version;
            continue;
        }
        FOUND(f, "three-versions", check_path(f, p.list, p.fqdn, "version"),
              "Pool " SLICE_FMT " is of version " SLICE_FMT ", and others are of " SLICE_FMT " and " SLICE_FMT
              ".",
              SLICE_ARG(p.fqdn), SLICE_ARG(p.version), SLICE_ARG(met[0]), SLICE_ARG(met[1]));
        return;
    }
}

void check_version_unknown(const struct topology *t, struct findings *f)
{
    static const char *const known[] = {"entente", "2007", "2007R2", "2010", "2013", "2015", "2019", "SE"};
    EACH_POOL(t, p)
    {
        size_t i = 0, n = sizeof(known) / sizeof(known[0]);
        while (i < n && !slice_caseeq(p.version, slice_str(known[i])))
            i++;
        if (p.version.n && i == n)
            FOUND(f, "version-unknown", check_path(f, p.list, p.fqdn, "version"),
                  "Pool " SLICE_FMT " is of version " SLICE_FMT ", which is not known.", SLICE_ARG(p.fqdn),
                  SLICE_ARG(p.version));
    }
}

static bool is_2007(struct slice version)
{
    return slice_caseeq(version, SLICE("2007")) || slice_caseeq(version, SLICE("2007R2"));
}

void check_edge_2007_authorizes(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    {
        if (!is_2007(p->version))
            continue;
        EACH_FRONT_END_POOL(t, home)
        if (!is_2007(home->version))
            FOUND(f, "edge-2007-authorizes", check_path(f, "edge_pools", p->fqdn, "version"),
                  "Edge pool " SLICE_FMT " refuses servers that it was not told of, and pool " SLICE_FMT
                  " is of a newer version.",
                  SLICE_ARG(p->fqdn), SLICE_ARG(home->fqdn));
    }
}

void check_central_address_unused(const struct topology *t, struct findings *f)
{
    struct topology_role role;
    if (t->central.internal_address.n && topology_role_find(t, t->central.machine, &role) && role.machine)
        FOUND(f, "central-address-unused", SLICE("central/internal_address"),
              "Central management runs on " SLICE_FMT ", a machine of a pool, whose address holds.",
              SLICE_ARG(t->central.machine));
}
