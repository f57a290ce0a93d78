/*
 * front_end/routes.h - which machines of the topology a request goes to: by the name that a Route or
 * Request-URI has, or by the federation route of a site. Pure.
 */
#pragma once

#include "element/element.h"
#include "kept/topology/topology.h"

/* Is it the name of an Edge or Front End machine or pool, or a name that an Edge pool adopts? */
bool routes_knows(const struct topology *t, struct slice host);
/*
 * The addresses to try for that name, in order; TLS, with the machine that must be proven as identity.
 *
 * A machine: itself, then the others of its pool. A pool: its machines, beginning with one that `spread`
 * picks. Behind those of an Edge pool come the machines of the pools that adopt it. When its Access Edge is
 * draining or disabled, or its federation is off, the adopters come first, and a disabled pool's own machines
 * not at all as long as there are adopters. Last, when `site` is given and has federation_failover, come the
 * other pools that federate, those of the site first. Within an Edge pool, machines that are being drained
 * come behind those that serve, unless the name is theirs; disabled ones only when there is no other. 0:
 * nothing that could be tried.
 */
size_t routes_to(const struct topology *t, const struct topology_site *site, struct slice host,
                 uint64_t spread, struct arena *a, struct target_address **ret);
