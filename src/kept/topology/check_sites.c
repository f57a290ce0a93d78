#include "kept/topology/check_priv.h"

/* --- the tree of sites --- */
void check_branch_without_parent(const struct topology *t, struct findings *f)
{
    EACH_SITE(t, s)
    if (s->kind == TOPOLOGY_BRANCH_SITE && !s->parent.n)
        FOUND(f, "branch-without-parent", check_path(f, "sites", s->name, "parent"),
              "Branch site " SLICE_FMT " belongs to no central site.", SLICE_ARG(s->name));
}

void check_parent_not_central(const struct topology *t, struct findings *f)
{
    EACH_SITE(t, s)
    {
        const struct topology_site *parent = topology_site_find(t, s->parent);
        if (s->kind == TOPOLOGY_BRANCH_SITE && parent && parent->kind != TOPOLOGY_CENTRAL_SITE)
            FOUND(f, "parent-not-central", check_path(f, "sites", s->name, "parent"),
                  "Branch site " SLICE_FMT " belongs to " SLICE_FMT ", which is no central site.",
                  SLICE_ARG(s->name), SLICE_ARG(parent->name));
    }
}

void check_central_with_parent(const struct topology *t, struct findings *f)
{
    EACH_SITE(t, s)
    if (s->kind == TOPOLOGY_CENTRAL_SITE && s->parent.n)
        FOUND(f, "central-with-parent", check_path(f, "sites", s->name, "parent"),
              "Central site " SLICE_FMT " names " SLICE_FMT " as its parent; only branch sites have one.",
              SLICE_ARG(s->name), SLICE_ARG(s->parent));
}

static bool has_pool(const struct topology *t, struct slice site)
{
    EACH_POOL(t, p)
    if (slice_caseeq(p.site, site))
        return true;
    return false;
}

static bool is_parent(const struct topology *t, struct slice site)
{
    EACH_SITE(t, s)
    if (slice_caseeq(s->parent, site))
        return true;
    return false;
}

void check_site_without_pools(const struct topology *t, struct findings *f)
{
    EACH_SITE(t, s)
    if (!has_pool(t, s->name) && !is_parent(t, s->name))
        FOUND(f, "site-without-pools", check_path(f, "sites", s->name, NULL),
              "No pool stands in site " SLICE_FMT ".", SLICE_ARG(s->name));
}

/* --- routes of several sites --- */
void check_sites_route_apart(const struct topology *t, struct findings *f)
{
    struct slice first = SLICE_NONE, at = SLICE_NONE;
    EACH_SITE(t, s)
    {
        struct slice route = topology_federation_route(t, s);
        if (!route.n)
            continue;
        if (!first.n) {
            first = route;
            at = s->name;
        } else if (!slice_caseeq(first, route)) {
            FOUND(f, "sites-route-apart", check_path(f, "sites", s->name, "federation_route"),
                  "Site " SLICE_FMT " sends its federation through " SLICE_FMT ", site " SLICE_FMT
                  " through " SLICE_FMT ".",
                  SLICE_ARG(s->name), SLICE_ARG(route), SLICE_ARG(at), SLICE_ARG(first));
        }
    }
}

void check_route_for_all_contradicted(const struct topology *t, struct findings *f)
{
    EACH_SITE(t, s)
    {
        if (!s->route_for_all || !s->federation_route.n)
            continue;
        EACH_SITE(t, other)
        if (other->federation_route.n && !slice_caseeq(other->federation_route, s->federation_route))
            FOUND(f, "route-for-all-contradicted", check_path(f, "sites", other->name, "federation_route"),
                  "The route of site " SLICE_FMT " is meant for all sites, and site " SLICE_FMT
                  " has another: its own holds there.",
                  SLICE_ARG(s->name), SLICE_ARG(other->name));
    }
}

void check_route_for_all_empty(const struct topology *t, struct findings *f)
{
    EACH_SITE(t, s)
    if (s->route_for_all && !s->federation_route.n)
        FOUND(f, "route-for-all-empty", check_path(f, "sites", s->name, "route_for_all"),
              "The route of site " SLICE_FMT " is meant for all sites, and there is none.",
              SLICE_ARG(s->name));
}

/* --- XMPP --- */
void check_xmpp_route_without_xmpp(const struct topology *t, struct findings *f)
{
    EACH_SITE(t, s)
    {
        const struct topology_edge_pool *p = topology_edge_pool_find(t, s->xmpp_route);
        if (p && !p->xmpp)
            FOUND(f, "xmpp-route-without-xmpp", check_path(f, "sites", s->name, "xmpp_route"),
                  "Site " SLICE_FMT " sends its XMPP federation to Edge pool " SLICE_FMT
                  ", whose XMPP federation is off.",
                  SLICE_ARG(s->name), SLICE_ARG(p->fqdn));
    }
}

static bool xmpp_routed(const struct topology *t, struct slice edge)
{
    EACH_SITE(t, s)
    if (slice_caseeq(s->xmpp_route, edge) || topology_director_pool_find(t, s->xmpp_route))
        return true;
    return false;
}

void check_xmpp_without_route(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    if (p->xmpp && !xmpp_routed(t, p->fqdn))
        FOUND(f, "xmpp-without-route", check_path(f, "edge_pools", p->fqdn, "xmpp"),
              "Edge pool " SLICE_FMT " takes XMPP from outside, and no site sends XMPP through it.",
              SLICE_ARG(p->fqdn));
}

void check_xmpp_without_gateway(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    if (p->xmpp && p->xmpp_gateway == TOPOLOGY_DISABLED)
        FOUND(f, "xmpp-without-gateway", check_path(f, "edge_pools", p->fqdn, "xmpp_gateway"),
              "XMPP federation of Edge pool " SLICE_FMT " is on and its gateway disabled.",
              SLICE_ARG(p->fqdn));
}

void check_several_xmpp_edges(const struct topology *t, struct findings *f)
{
    const struct topology_edge_pool *first = NULL;
    EACH_EDGE_POOL(t, p)
    {
        if (p->xmpp && first)
            FOUND(f, "several-xmpp-edges", check_path(f, "edge_pools", p->fqdn, "xmpp"),
                  "Edge pools " SLICE_FMT " and " SLICE_FMT " both federate by XMPP: both take, only the one "
                  "that a site's xmpp_route names sends.",
                  SLICE_ARG(first->fqdn), SLICE_ARG(p->fqdn));
        first = first || !p->xmpp ? first : p;
    }
}

/* Lync's own paper: users of the older release cannot reach XMPP partners until all have moved. */
void check_xmpp_leaves_legacy_users(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    {
        if (!p->xmpp || !xmpp_routed(t, p->fqdn))
            continue;
        EACH_FRONT_END_POOL(t, home)
        if (!slice_caseeq(home->version, p->version))
            FOUND(f, "xmpp-leaves-legacy-users", check_path(f, "edge_pools", p->fqdn, "xmpp"),
                  "XMPP goes through Edge pool " SLICE_FMT " of version " SLICE_FMT
                  ", and users of pool " SLICE_FMT " of version " SLICE_FMT
                  " cannot reach XMPP partners through it.",
                  SLICE_ARG(p->fqdn), SLICE_ARG(p->version), SLICE_ARG(home->fqdn), SLICE_ARG(home->version));
    }
}
