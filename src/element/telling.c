#include "element/telling.h"

#include "ground/base/mem.h"

#include <string.h>

struct thing {
    struct map_entry by_hash;
    struct list link;
    const char *id;
    uint64_t owner, from;
    uint32_t lines, more;
    char who[TELLING_WHO];
};

void telling_init(struct telling *t)
{
    *t = (struct telling){0};
    list_init(&t->by_age);
}

static void thing_free(struct telling *t, struct thing *x)
{
    list_unlink(&x->link);
    map_remove(&t->things, &x->by_hash);
    mem_free(x);
}

void telling_fini(struct telling *t)
{
    LIST_FOR(it, &t->by_age)
    thing_free(t, LIST_ENTRY(it, struct thing, link));
    map_fini(&t->things);
}

static struct thing *thing_find(struct telling *t, uint64_t hash, const char *id, uint64_t owner)
{
    for (struct map_entry *e = map_first(&t->things, hash); e; e = map_next(e)) {
        struct thing *x = MAP_OBJECT(e, struct thing, by_hash);
        if (x->owner == owner && strcmp(x->id, id) == 0)
            return x;
    }
    return NULL;
}

static struct thing *thing_of(struct telling *t, const char *id, uint64_t owner, struct slice who,
                              uint64_t now)
{
    uint64_t hash = slice_hash(slice_str(id)) + owner;
    struct thing *x = thing_find(t, hash, id, owner);
    if (x)
        return x;
    if (owner && t->things.count >= TELLING_THINGS)
        return thing_of(t, id, 0, SLICE("others"), now);
    x = MEM_NEW(struct thing);
    x->id = id;
    x->owner = owner;
    x->from = now;
    who = slice_head(who, who.n < TELLING_WHO ? who.n : TELLING_WHO - 1);
    if (who.n)
        memcpy(x->who, who.p, who.n);
    map_insert(&t->things, &x->by_hash, hash);
    list_push_back(&t->by_age, &x->link);
    return x;
}

bool telling_may(struct telling *t, const char *id, uint64_t owner, struct slice who, uint64_t now)
{
    struct thing *x = thing_of(t, id, owner, who, now);
    if (now - t->from >= TELLING_PERIOD_MS) {
        t->from = now;
        t->lines = 0;
    }
    if (x->lines < TELLING_FIRST || (x->lines < TELLING_LINES && t->lines < TELLING_ALL)) {
        x->lines++;
        t->lines++;
        return true;
    }
    x->more++;
    return false;
}

bool telling_rest(struct telling *t, uint64_t now, struct telling_rest *ret)
{
    for (struct list *it; (it = list_first(&t->by_age)) != NULL;) {
        struct thing *x = LIST_ENTRY(it, struct thing, link);
        if (now != UINT64_MAX && now - x->from < TELLING_PERIOD_MS)
            return false;
        *ret = (struct telling_rest){
            .id = x->id, .more = x->more, .ms = now == UINT64_MAX ? TELLING_PERIOD_MS : now - x->from};
        memcpy(ret->who, x->who, sizeof(ret->who));
        thing_free(t, x);
        if (ret->more)
            return true;
    }
    return false;
}
