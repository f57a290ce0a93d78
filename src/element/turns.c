#include "element/turns.h"

#include "ground/base/mem.h"

#include <assert.h>

struct turns_owner {
    struct map_entry by_owner;
    struct list link;    /* in fresh or waiting */
    struct list clients; /* none: it is kept until its next turn, so that it cannot come back as fresh */
    bool fresh;
    int64_t left_us;
};

void turns_init(struct turns *t)
{
    *t = (struct turns){0};
    list_init(&t->fresh);
    list_init(&t->waiting);
}

static void owner_free(struct turns *t, struct turns_owner *o)
{
    list_unlink(&o->link);
    map_remove(&t->owners, &o->by_owner);
    mem_free(o);
}

static void owner_wait(struct turns *t, struct turns_owner *o)
{
    o->fresh = false;
    list_unlink(&o->link);
    list_push_back(&t->waiting, &o->link);
}

void turns_fini(struct turns *t)
{
    assert(t->n == 0);
    LIST_FOR(it, &t->fresh)
    owner_free(t, LIST_ENTRY(it, struct turns_owner, link));
    LIST_FOR(it, &t->waiting)
    owner_free(t, LIST_ENTRY(it, struct turns_owner, link));
    map_fini(&t->owners);
}

static struct turns_owner *owner_of(struct turns *t, uint64_t owner)
{
    struct map_entry *e = map_first(&t->owners, owner);
    if (e)
        return MAP_OBJECT(e, struct turns_owner, by_owner);
    struct turns_owner *o = MEM_NEW(struct turns_owner);
    list_init(&o->clients);
    o->fresh = true;
    o->left_us = TURNS_QUANTUM_US;
    map_insert(&t->owners, &o->by_owner, owner);
    list_push_back(&t->fresh, &o->link);
    return o;
}

void turns_add(struct turns *t, struct turns_client *c, uint64_t owner)
{
    if (c->owner)
        return;
    c->owner = owner_of(t, owner);
    list_push_back(&c->owner->clients, &c->link);
    t->n++;
}

void turns_remove(struct turns *t, struct turns_client *c)
{
    struct turns_owner *o = c->owner;
    if (!o)
        return;
    list_unlink(&c->link);
    c->owner = NULL;
    t->n--;
    if (list_empty(&o->clients) && o != t->current)
        owner_free(t, o);
}

/* Each pass over the owners gives a quantum to each, and no debt is larger than a few. */
struct turns_client *turns_next(struct turns *t)
{
    for (;;) {
        struct list *it = list_first(list_empty(&t->fresh) ? &t->waiting : &t->fresh);
        if (!it)
            return NULL;
        struct turns_owner *o = LIST_ENTRY(it, struct turns_owner, link);
        if (list_empty(&o->clients)) {
            owner_free(t, o);
        } else if (o->left_us <= 0) {
            o->left_us += TURNS_QUANTUM_US;
            owner_wait(t, o);
        } else {
            struct turns_client *c = LIST_ENTRY(list_first(&o->clients), struct turns_client, link);
            list_unlink(&c->link);
            c->owner = NULL;
            t->n--;
            t->current = o;
            return c;
        }
    }
}

void turns_done(struct turns *t, uint64_t cost_us)
{
    struct turns_owner *o = t->current;
    t->current = NULL;
    o->left_us -= (int64_t)(cost_us < TURNS_DEBT_MAX_US ? cost_us : TURNS_DEBT_MAX_US);
    if (list_empty(&o->clients) && !o->fresh)
        owner_free(t, o);
    else if (list_empty(&o->clients))
        owner_wait(t, o);
}

void turns_read(struct turns_client *c, size_t bytes, bool more, uint64_t now_us)
{
    if (!more) {
        c->full_us = c->bytes = 0;
    } else if (c->full_us == 0) {
        c->full_us = now_us;
        c->bytes = 0;
    } else {
        c->bytes += bytes;
        if (now_us - c->full_us > TURNS_REMEMBER_US) {
            c->full_us += (now_us - c->full_us) / 2;
            c->bytes /= 2;
        }
    }
}

uint64_t turns_delay_us(const struct turns_client *c, size_t unread, uint64_t now_us)
{
    if (c->full_us == 0 || unread == 0)
        return 0;
    uint64_t past = now_us - c->full_us;
    return c->bytes ? unread * past / c->bytes : past;
}
