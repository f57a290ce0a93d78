#include "ground/net/resolver_memory.h"

#include "ground/base/mem.h"

#include <pthread.h>

enum { MAX_NAME = 255 };

struct resolver_memory {
    pthread_mutex_t lock;
    struct answers answers;
};

struct resolver_memory *resolver_memory_new(size_t max)
{
    struct resolver_memory *m = MEM_NEW(struct resolver_memory);
    pthread_mutex_init(&m->lock, NULL);
    answers_init(&m->answers, max);
    return m;
}

void resolver_memory_free(struct resolver_memory *m)
{
    if (!m)
        return;
    answers_fini(&m->answers);
    pthread_mutex_destroy(&m->lock);
    mem_free(m);
}

/* The name with its source before it. */
struct key {
    char bytes[sizeof(uint64_t) + MAX_NAME];
    size_t n;
};

static struct slice make_key(struct key *k, const struct resolver_question *q)
{
    size_t n = q->name.n < MAX_NAME ? q->name.n : MAX_NAME;
    memcpy(k->bytes, &q->source, sizeof(q->source));
    if (n)
        memcpy(k->bytes + sizeof(q->source), q->name.p, n);
    return slice_mem(k->bytes, sizeof(q->source) + n);
}

void resolver_memory_keep(struct resolver_memory *m, const struct resolver_question *q, struct slice packet,
                          bool secure, uint64_t now)
{
    struct key k;
    struct slice name = make_key(&k, q);
    pthread_mutex_lock(&m->lock);
    answers_keep(&m->answers, name, q->type, packet, secure, now);
    pthread_mutex_unlock(&m->lock);
}

void resolver_memory_recall(struct resolver_memory *m, const struct resolver_question *q, uint64_t max_age_ms,
                            uint64_t now, struct answers *own)
{
    struct key k;
    struct slice name = make_key(&k, q);
    pthread_mutex_lock(&m->lock);
    const struct answer *theirs = answers_find(&m->answers, name, q->type, max_age_ms, now);
    const struct answer *ours = answers_find(own, q->name, q->type, UINT64_MAX, now);
    if (theirs && (!ours || ours->kept < theirs->kept))
        answers_keep(own, q->name, q->type, answer_packet(theirs), theirs->secure, theirs->kept);
    pthread_mutex_unlock(&m->lock);
}
