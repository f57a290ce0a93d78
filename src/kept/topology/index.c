/*
 * Partners by domain: there may be many, and services ask while messages wait. The other lists are short.
 */
#include "kept/topology/priv.h"

#include "ground/base/map.h"

struct indexed {
    struct map_entry entry;
    const void *object;
};
struct topology_index {
    struct map partners;
};

static void add(struct topology *t, struct map *m, struct slice name, const void *object)
{
    struct indexed *i = ARENA_NEW(&t->arena, struct indexed);
    i->object = object;
    map_insert(m, &i->entry, slice_casehash(name));
}

void topology_index(struct topology *t)
{
    t->index = ARENA_NEW(&t->arena, struct topology_index);
    for (size_t i = 0; i < t->n_partners; i++)
        add(t, &t->index->partners, t->partners[i].domain, &t->partners[i]);
}

void topology_index_fini(struct topology *t)
{
    if (t->index)
        map_fini(&t->index->partners);
}

const struct topology_partner *topology_partner_find(const struct topology *t, struct slice domain)
{
    if (!domain.n)
        return NULL;
    for (struct map_entry *e = map_first(&t->index->partners, slice_casehash(domain)); e; e = map_next(e)) {
        const struct topology_partner *p = MAP_OBJECT(e, struct indexed, entry)->object;
        if (slice_caseeq(p->domain, domain))
            return p;
    }
    return NULL;
}
