/*
 * Objects of the document by name, and machines by name with their pool: services ask while messages wait,
 * and checks ask for every reference of a large document.
 */
#include "kept/topology/priv.h"

#include "ground/base/map.h"

struct indexed {
    struct map_entry entry;
    struct slice name;
    const void *object;
    struct topology_role role; /* of machines */
};
/* The lists of the document that have one. */
#define INDEXED(X)                                                                                           \
    X(site, sites, name)                                                                                     \
    X(edge_pool, edge_pools, fqdn)                                                                           \
    X(front_end_pool, front_end_pools, fqdn)                                                                 \
    X(director_pool, director_pools, fqdn)                                                                   \
    X(mediation_pool, mediation_pools, fqdn)                                                                 \
    X(trusted_application_pool, trusted_application_pools, fqdn)                                             \
    X(foreign_pool, foreign_pools, fqdn)                                                                     \
    X(partner, partners, domain)                                                                             \
    X(provider, providers, name)                                                                             \
    X(external_access_policy, external_access_policies, name)
#define INDEX_MEMBER(type, list, key) struct map list;
struct topology_index {
    INDEXED(INDEX_MEMBER)
    struct map machines;
};

static struct indexed *find(const struct map *m, struct slice name)
{
    if (!name.n)
        return NULL;
    for (struct map_entry *e = map_first(m, slice_casehash(name)); e; e = map_next(e)) {
        struct indexed *i = MAP_OBJECT(e, struct indexed, entry);
        if (slice_caseeq(i->name, name))
            return i;
    }
    return NULL;
}

static void add(struct topology *t, struct map *m, struct slice name, const void *object)
{
    struct indexed *i = ARENA_NEW(&t->arena, struct indexed);
    i->name = name;
    i->object = object;
    map_insert(m, &i->entry, slice_casehash(name));
}

/* A machine of two pools has the role of the first. */
static void add_machines(struct topology *t, const struct topology_machine *machines, size_t n,
                         struct topology_role role)
{
    for (size_t k = 0; k < n; k++) {
        if (find(&t->index->machines, machines[k].fqdn))
            continue;
        struct indexed *i = ARENA_NEW(&t->arena, struct indexed);
        i->name = machines[k].fqdn;
        i->role = role;
        i->role.machine = &machines[k];
        i->role.internal_address = machines[k].internal_address;
        map_insert(&t->index->machines, &i->entry, slice_casehash(i->name));
    }
}

#define ADD_MACHINES(list, member)                                                                           \
    for (size_t i = 0; i < t->n_##list; i++)                                                                 \
        add_machines(t, t->list[i].machines, t->list[i].n_machines,                                          \
                     (struct topology_role){.member = &t->list[i],                                           \
                                            .replica_port = t->list[i].replica_port,                         \
                                            .managed = t->list[i].managed});

#define INDEX_ADD(type, list, key)                                                                           \
    for (size_t i = 0; i < t->n_##list; i++)                                                                 \
        add(t, &t->index->list, t->list[i].key, &t->list[i]);

void topology_index(struct topology *t)
{
    t->index = ARENA_NEW(&t->arena, struct topology_index);
    INDEXED(INDEX_ADD)
    ADD_MACHINES(edge_pools, edge)
    ADD_MACHINES(front_end_pools, front_end)
    ADD_MACHINES(director_pools, director)
    ADD_MACHINES(mediation_pools, mediation)
    ADD_MACHINES(trusted_application_pools, trusted_application)
    for (size_t i = 0; i < t->n_foreign_pools; i++)
        add_machines(t, t->foreign_pools[i].machines, t->foreign_pools[i].n_machines,
                     (struct topology_role){.foreign = &t->foreign_pools[i]});
}

#define INDEX_FINI(type, list, key) map_fini(&t->index->list);
void topology_index_fini(struct topology *t)
{
    if (!t->index)
        return;
    INDEXED(INDEX_FINI)
    map_fini(&t->index->machines);
}

#define FIND(type, list, key)                                                                                \
    const struct topology_##type *topology_##type##_find(const struct topology *t, struct slice what)        \
    {                                                                                                        \
        const struct indexed *i = find(&t->index->list, what);                                               \
        return i ? i->object : NULL;                                                                         \
    }
INDEXED(FIND)

bool topology_index_machine(const struct topology *t, struct slice fqdn, struct topology_role *ret)
{
    const struct indexed *i = find(&t->index->machines, fqdn);
    if (i)
        *ret = i->role;
    return i;
}
