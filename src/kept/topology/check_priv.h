/*
 * topology/check_priv.h - what the checks share.
 */
#pragma once

#include "kept/topology/check.h"

#define ERROR_AT(f, id, path, remedy, ...) findings_add(f, id, FINDING_ERROR, path, remedy, __VA_ARGS__)
#define WARNING_AT(f, id, path, remedy, ...) findings_add(f, id, FINDING_WARNING, path, remedy, __VA_ARGS__)

/* "edge_pools/a.b/next_hop": parts joined by '/', in the arena of the findings. */
struct slice check_path(struct findings *f, const char *list, struct slice name, const char *property);

static inline bool check_edge_serves(const struct topology_edge_pool *p)
{
    return p->federation && p->access_edge == TOPOLOGY_ENABLED;
}
static inline bool check_names_have(const struct topology_names *names, struct slice what)
{
    for (size_t i = 0; i < names->n; i++)
        if (slice_caseeq(names->items[i], what))
            return true;
    return false;
}

/* For each object of a list; the second argument is the name of what the loop declares. An array that is not
 * there is not touched. */
/* NOLINTBEGIN(bugprone-macro-parentheses) */
#define EACH(type, p, array, n)                                                                              \
    for (size_t p##_i = 0; p##_i < (n); p##_i++)                                                             \
        for (const struct topology_##type *p = &(array)[p##_i]; p; p = NULL)
/* NOLINTEND(bugprone-macro-parentheses) */
#define EACH_EDGE_POOL(t, p) EACH(edge_pool, p, (t)->edge_pools, (t)->n_edge_pools)
#define EACH_FRONT_END_POOL(t, p) EACH(front_end_pool, p, (t)->front_end_pools, (t)->n_front_end_pools)
#define EACH_FOREIGN_POOL(t, p) EACH(foreign_pool, p, (t)->foreign_pools, (t)->n_foreign_pools)
#define EACH_PARTNER(t, p) EACH(partner, p, (t)->partners, (t)->n_partners)
#define EACH_SITE(t, s) EACH(site, s, (t)->sites, (t)->n_sites)
#define EACH_MACHINE(p, m) EACH(machine, m, (p)->machines, (p)->n_machines)

/* The lists from which topology_checks is made. */
#define CHECKS_OF_POOLS(X)                                                                                   \
    X("edge-without-machines", edge_without_machines)                                                        \
    X("federation-without-external-name", federation_without_external_name)                                  \
    X("federation-without-external-address", federation_without_external_address)                            \
    X("federation-without-next-hop", federation_without_next_hop)                                            \
    X("next-hop-version", next_hop_version)                                                                  \
    X("pool-without-site", pool_without_site)                                                                \
    X("pool-without-media-edge", pool_without_media_edge)                                                    \
    X("front-end-without-machines", front_end_without_machines)                                              \
    X("several-front-end-machines", several_front_end_machines)                                              \
    X("machine-without-address", machine_without_address)                                                    \
    X("foreign-pool-not-mutual-tls", foreign_pool_not_mutual_tls)                                            \
    X("foreign-pool-without-address", foreign_pool_without_address)                                          \
    X("expires-out-of-order", expires_out_of_order)                                                          \
    X("adopts-itself", adopts_itself)                                                                        \
    X("adopts-in-a-circle", adopts_in_a_circle)                                                              \
    X("adopter-not-federating", adopter_not_federating)                                                      \
    X("adopted-names-unserved", adopted_names_unserved)
#define CHECKS_OF_ROUTES(X)                                                                                  \
    X("reference-to-nothing", reference_to_nothing)                                                          \
    X("no-site", no_site)                                                                                    \
    X("site-without-route", site_without_route)                                                              \
    X("route-without-federation", route_without_federation)                                                  \
    X("route-to-stopping-edge", route_to_stopping_edge)                                                      \
    X("several-federating-edges", several_federating_edges)                                                  \
    X("default-domain-missing", default_domain_missing)                                                      \
    X("domain-listed-twice", domain_listed_twice)                                                            \
    X("domain-own-and-partner", domain_own_and_partner)                                                      \
    X("partner-pin-and-provider", partner_pin_and_provider)                                                  \
    X("provider-disabled", provider_disabled)                                                                \
    X("provider-without-edge", provider_without_edge)                                                        \
    X("central-missing", central_missing)                                                                    \
    X("central-machine-unknown", central_machine_unknown)                                                    \
    X("central-not-managed", central_not_managed)                                                            \
    X("central-in-perimeter", central_in_perimeter)                                                          \
    X("dialog-keys-too-short", dialog_keys_too_short)                                                        \
    X("attempts-too-long", attempts_too_long)                                                                \
    X("connect-longer-than-attempt", connect_longer_than_attempt)                                            \
    X("dnssec-without-anchor", dnssec_without_anchor)
#define CHECKS_OF_CLASHES(X)                                                                                 \
    X("name-used-twice", name_used_twice)                                                                    \
    X("edge-machine-elsewhere", edge_machine_elsewhere)                                                      \
    X("address-clash", address_clash)                                                                        \
    X("edge-sides-share-address", edge_sides_share_address)                                                  \
    X("port-out-of-place", port_out_of_place)

#define CHECK_DECLARE(id, function) topology_check_fn check_##function;
CHECKS_OF_POOLS(CHECK_DECLARE)
CHECKS_OF_ROUTES(CHECK_DECLARE)
CHECKS_OF_CLASHES(CHECK_DECLARE)
