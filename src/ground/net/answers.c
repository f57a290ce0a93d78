#include "ground/net/answers.h"

#include "ground/base/mem.h"

/* Another worker's time may be some milliseconds ahead: then none has gone by. */
static uint64_t elapsed(uint64_t since, uint64_t now)
{
    return now > since ? now - since : 0;
}

void answers_init(struct answers *a, size_t max)
{
    *a = (struct answers){.max = max};
    list_init(&a->by_use);
}

static uint64_t question_hash(struct slice name, uint16_t type)
{
    return slice_hash(name) * 31 + type;
}

static struct slice answer_name(const struct answer *o)
{
    return (struct slice){o->bytes, o->n_name};
}

struct slice answer_packet(const struct answer *o)
{
    return (struct slice){o->bytes + o->n_name, o->n};
}

static void drop(struct answers *a, struct answer *o)
{
    map_remove(&a->by_question, &o->by_question);
    list_unlink(&o->by_use);
    a->n--;
    mem_free(o);
}

void answers_fini(struct answers *a)
{
    while (!list_empty(&a->by_use))
        drop(a, LIST_ENTRY(list_first(&a->by_use), struct answer, by_use));
    map_fini(&a->by_question);
}

static struct answer *find(const struct answers *a, struct slice name, uint16_t type)
{
    for (struct map_entry *e = map_first(&a->by_question, question_hash(name, type)); e; e = map_next(e)) {
        struct answer *o = MAP_OBJECT(e, struct answer, by_question);
        if (o->type == type && slice_eq(answer_name(o), name))
            return o;
    }
    return NULL;
}

static void used(struct answers *a, struct answer *o)
{
    list_unlink(&o->by_use);
    list_push_back(&a->by_use, &o->by_use);
}

bool answers_keep(struct answers *a, struct slice name, uint16_t type, struct slice packet, bool secure,
                  uint64_t now)
{
    struct answer *o = find(a, name, type);
    if (o && elapsed(o->kept, now) < ANSWERS_REFRESH_MS && !o->failed) {
        used(a, o);
        return false;
    }
    if (o)
        drop(a, o);
    if (packet.n > ANSWERS_MAX_PACKET)
        return false;
    if (a->n == a->max)
        drop(a, LIST_ENTRY(list_first(&a->by_use), struct answer, by_use));
    o = mem_alloc(sizeof(*o) + name.n + packet.n);
    *o = (struct answer){.kept = now, .type = type, .secure = secure, .n_name = name.n, .n = packet.n};
    memcpy(o->bytes, name.p, name.n);
    memcpy(o->bytes + name.n, packet.p, packet.n);
    map_insert(&a->by_question, &o->by_question, question_hash(name, type));
    list_push_back(&a->by_use, &o->by_use);
    a->n++;
    return true;
}

struct answer *answers_find(struct answers *a, struct slice name, uint16_t type, uint64_t max_age_ms,
                            uint64_t now)
{
    struct answer *o = find(a, name, type);
    if (!o || elapsed(o->kept, now) > max_age_ms)
        return NULL;
    used(a, o);
    return o;
}

bool answer_waits_in_vain(const struct answer *o, uint64_t now)
{
    return o->failed && elapsed(o->failed, now) < ANSWERS_RECHECK_MS;
}
