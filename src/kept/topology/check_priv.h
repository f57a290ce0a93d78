/*
 * topology/check_priv.h - what the checks share.
 */
#pragma once

#include "kept/topology/check.h"
#include "kept/topology/check_table.h"

/* A finding of the check with this id: severity and remedy are those of its row. */
__attribute__((format(printf, 4, 5))) void check_found(struct findings *f, const char *id, struct slice path,
                                                       const char *fmt, ...);
#define FOUND(f, id, path, ...) check_found(f, id, path, __VA_ARGS__)

/* Ways in which a migration fails, and the check or command that finds each; Markdown. */
void check_modes_write(struct buf *out);

/* A pool of any kind. */
struct check_pool {
    size_t cursor;
    const char *list; /* "edge_pools" */
    const void *pool;
    struct slice fqdn, site, version; /* foreign pools have no version */
    bool managed;
    int64_t replica_port;
    const struct topology_machine *machines;
    size_t n_machines;
    const struct topology_edge_pool *edge; /* NULL: another kind */
};
/* All pools, one after the other; p->cursor is 0 at first. */
bool check_pool_next(const struct topology *t, struct check_pool *p);
#define EACH_POOL(t, p) for (struct check_pool p = {0}; check_pool_next(t, &p);)
/* "edge_pools/a.b/machines/c.b/nat_address", in the arena of the findings. */
struct slice check_machine_path(struct findings *f, const struct check_pool *p,
                                const struct topology_machine *m, const char *property);
/* An address that other networks cannot route to (RFC 1918, 3927, 4193, 4291, 6598); not loopback. */
bool check_address_private(struct slice address);

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
#define EACH_DIRECTOR_POOL(t, p) EACH(director_pool, p, (t)->director_pools, (t)->n_director_pools)
#define EACH_MEDIATION_POOL(t, p) EACH(mediation_pool, p, (t)->mediation_pools, (t)->n_mediation_pools)
#define EACH_APPLICATION_POOL(t, p)                                                                          \
    EACH(trusted_application_pool, p, (t)->trusted_application_pools, (t)->n_trusted_application_pools)
#define EACH_PROVIDER(t, v) EACH(provider, v, (t)->providers, (t)->n_providers)
#define EACH_POLICY(t, p)                                                                                    \
    EACH(external_access_policy, p, (t)->external_access_policies, (t)->n_external_access_policies)
#define EACH_SITE(t, s) EACH(site, s, (t)->sites, (t)->n_sites)
#define EACH_MACHINE(p, m) EACH(machine, m, (p)->machines, (p)->n_machines)

#define CHECK_DECLARE(function, ...) topology_check_fn check_##function;
CHECKS(CHECK_DECLARE)
