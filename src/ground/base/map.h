/*
 * base/map.h - intrusive hash table with chaining; grows by itself.
 *
 * The entry lies in the object. The caller computes the hash (slice_hash for keys that peers choose) and
 * compares keys while walking the entries of one hash:
 *
 *     for (struct map_entry *e = map_first(&m, h); e; e = map_next(e)) {
 *         struct thing *t = MAP_OBJECT(e, struct thing, entry);
 *         if (slice_eq(t->key, key)) return t;
 *     }
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct map_entry {
    struct map_entry *next;
    uint64_t hash;
};
struct map {
    struct map_entry **slots;
    size_t n_slots; /* a power of two, or 0 */
    size_t count;
};

#define MAP_OBJECT(e, type, member) ((type *)((char *)(e)-offsetof(type, member)))

void map_fini(struct map *m); /* frees the table, not the objects */
void map_insert(struct map *m, struct map_entry *e, uint64_t hash);
/* The entry must be in the map. */
void map_remove(struct map *m, struct map_entry *e);
/* First and next entry with this very hash, or NULL. */
static inline struct map_entry *map_first(const struct map *m, uint64_t hash)
{
    struct map_entry *e = m->n_slots ? m->slots[hash & (m->n_slots - 1)] : NULL;
    while (e && e->hash != hash)
        e = e->next;
    return e;
}
struct map_entry *map_next(const struct map_entry *e);
