/*
 * topology/edges.h - which Edge pool stands behind a name or a route: what records, firewall rules and paths
 * have in common. Pure; the services decide the same by their own, compiled tables.
 */
#pragma once

#include "kept/topology/topology.h"

static inline bool edge_serves(const struct topology_edge_pool *p)
{
    return p->federation && p->access_edge == TOPOLOGY_ENABLED;
}
bool edge_adopts(const struct topology_edge_pool *p, struct slice fqdn);
/* May this machine have the keys of a pool's external certificates: one of the pool's own, or of a pool that
 * adopts it? */
bool edge_may_have_keys(const struct topology *t, struct slice machine, struct slice pool);
/* Takes p the federation of this site out when neither the route's pool nor those that adopt it can? It
 * serves dialogs that began there, too: all managed Edges share their keys. */
bool edge_stands_in(const struct topology_site *site, const struct topology_edge_pool *route,
                    const struct topology_edge_pool *p);
/* Some site sends its federation to it. */
bool edge_has_route(const struct topology *t, const struct topology_edge_pool *p);
/* To whose machines the external name of a pool leads: the pool itself, or one that serves, adopts it, and
 * has the routes that it has no more (or has it replaced because it does not serve). */
const struct topology_edge_pool *edge_behind(const struct topology *t, const struct topology_edge_pool *p);
/* The name under which partners find a pool: that of a pool whose place it took, else its own. */
struct slice edge_public_name(const struct topology *t, const struct topology_edge_pool *p);
/* Edge pools that take federation: one for each distinct route of the sites that leads to a pool which
 * serves; of a route to a Director, those that have it as next hop. At the most cap. */
size_t edges_federating(const struct topology *t, const struct topology_edge_pool **ret, size_t cap);
