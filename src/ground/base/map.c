#include "ground/base/map.h"

#include "ground/base/mem.h"

void map_fini(struct map *m)
{
    mem_free(m->slots);
    *m = (struct map){0};
}

static void map_grow(struct map *m)
{
    size_t n = m->n_slots ? m->n_slots * 2 : 16;
    struct map_entry **slots = mem_zalloc(n * sizeof(*slots));
    for (size_t i = 0; i < m->n_slots; i++)
        for (struct map_entry *e = m->slots[i], *next; e; e = next) {
            next = e->next;
            e->next = slots[e->hash & (n - 1)];
            slots[e->hash & (n - 1)] = e;
        }
    mem_free(m->slots);
    m->slots = slots;
    m->n_slots = n;
}

void map_insert(struct map *m, struct map_entry *e, uint64_t hash)
{
    if (m->count * 2 >= m->n_slots) /* each entry that is passed on the way is a cache miss */
        map_grow(m);
    struct map_entry **slot = &m->slots[hash & (m->n_slots - 1)];
    e->hash = hash;
    e->next = *slot;
    *slot = e;
    m->count++;
}

void map_remove(struct map *m, struct map_entry *e)
{
    struct map_entry **at = &m->slots[e->hash & (m->n_slots - 1)];
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    e->next = NULL;
    m->count--;
}

struct map_entry *map_next(const struct map_entry *e)
{
    uint64_t hash = e->hash;
    for (struct map_entry *n = e->next; n; n = n->next)
        if (n->hash == hash)
            return n;
    return NULL;
}
