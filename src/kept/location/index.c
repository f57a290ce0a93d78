#include "kept/location/priv.h"

#include "ground/base/mem.h"

#include <assert.h>
#include <stdlib.h>

static struct shard *shard_of(struct shard *shards, uint64_t hash)
{
    return &shards[hash >> LOCATION_SHARD_SHIFT];
}

void index_init(struct location *l)
{
    struct shard *const all[] = {l->records, l->contacts, l->flows};
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < LOCATION_SHARDS; k++)
            pthread_mutex_init(&all[i][k].lock, NULL);
    atomic_store(&l->next_expiry, INT64_MAX);
}

void index_fini(struct location *l)
{
    struct shard *const all[] = {l->records, l->contacts, l->flows};
    while (l->heap_n) {
        struct record *r = l->heap[1]->record;
        struct plan p = {.aor = slice_mem(r->aor, r->aor_n), .hash = r->entry.hash, .record = r};
        index_publish(l, &p);
    }
    mem_free(l->heap);
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < LOCATION_SHARDS; k++) {
            map_fini(&all[i][k].map);
            pthread_mutex_destroy(&all[i][k].lock);
        }
}

/* --- flows ------------------------------------------------------------------------------------------------
 */

static uint64_t flow_hash(struct location_flow f)
{
    _Static_assert(sizeof(f) == 16, "no padding in what is hashed");
    return slice_hash(slice_mem(&f, sizeof(f)));
}

static struct flow *find_flow(const struct shard *s, struct location_flow id, uint64_t hash)
{
    for (struct map_entry *e = map_first(&s->map, hash); e; e = map_next(e)) {
        struct flow *f = MAP_OBJECT(e, struct flow, entry);
        if (memcmp(&f->id, &id, sizeof(id)) == 0)
            return f;
    }
    return NULL;
}

static void join_flow(struct location *l, struct binding *b)
{
    uint64_t hash = flow_hash(b->v.flow);
    struct shard *s = shard_of(l->flows, hash);
    pthread_mutex_lock(&s->lock);
    struct flow *f = find_flow(s, b->v.flow, hash);
    if (!f) {
        f = MEM_NEW(struct flow);
        f->id = b->v.flow;
        list_init(&f->bindings);
        map_insert(&s->map, &f->entry, hash);
    }
    b->flow = f;
    list_push_back(&f->bindings, &b->by_flow);
    pthread_mutex_unlock(&s->lock);
}

static void leave_flow(struct location *l, struct binding *b)
{
    struct shard *s = shard_of(l->flows, flow_hash(b->v.flow));
    struct flow *f = b->flow;
    pthread_mutex_lock(&s->lock);
    list_unlink(&b->by_flow);
    bool last = list_empty(&f->bindings);
    if (last)
        map_remove(&s->map, &f->entry);
    pthread_mutex_unlock(&s->lock);
    if (last)
        mem_free(f);
}

void location_flow_gone(struct location *l, struct location_flow flow)
{
    uint64_t hash = flow_hash(flow);
    struct shard *s = shard_of(l->flows, hash);
    pthread_mutex_lock(&s->lock);
    struct flow *f = find_flow(s, flow, hash);
    if (f)
        LIST_FOR(it, &f->bindings)
    atomic_store(&LIST_ENTRY(it, struct binding, by_flow)->lost, true);
    pthread_mutex_unlock(&s->lock);
}

/* --- bindings ---------------------------------------------------------------------------------------------
 */

static struct slice keep(char **at, struct slice s)
{
    struct slice r = {*at, s.n};
    if (s.n)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return r;
}

struct binding *binding_new(struct location *l, const struct location_binding *v, struct slice uri,
                            int64_t promised_ms)
{
    size_t n = uri.n + v->instance.n + v->path.n + v->call_id.n;
    struct binding *b = mem_zalloc(sizeof(*b) + n);
    char *at = b->text;
    b->v = *v;
    b->v.uri = keep(&at, uri);
    b->v.instance = keep(&at, v->instance);
    b->v.path = keep(&at, v->path);
    b->v.call_id = keep(&at, v->call_id);
    b->promised_ms = promised_ms;
    b->due_ms = v->expires_ms;
    atomic_init(&b->lost, v->flow_lost);
    atomic_init(&b->expires_ms, v->expires_ms);
    atomic_init(&b->cseq, v->cseq);
    if (v->flow.generation != 0)
        join_flow(l, b);
    return b;
}

void binding_free(struct location *l, struct binding *b)
{
    if (!b)
        return;
    if (b->flow)
        leave_flow(l, b);
    mem_free(b);
}

static void copy_binding(const struct binding *b, struct arena *a, struct location_binding *ret)
{
    *ret = b->v;
    ret->uri = arena_copy(a, b->v.uri);
    ret->instance = arena_copy(a, b->v.instance);
    ret->path = arena_copy(a, b->v.path);
    ret->call_id = arena_copy(a, b->v.call_id);
    ret->flow_lost = atomic_load(&b->lost);
    ret->expires_ms = atomic_load(&b->expires_ms);
    ret->cseq = atomic_load(&b->cseq);
}

/* --- what is due first: a binary heap --------------------------------------------------------------------
 */

static void heap_set(struct location *l, size_t slot, struct binding *b)
{
    l->heap[slot] = b;
    b->heap_slot = slot;
}

static void heap_settle(struct location *l, size_t slot, struct binding *b)
{
    for (; slot > 1 && l->heap[slot / 2]->due_ms > b->due_ms; slot /= 2)
        heap_set(l, slot, l->heap[slot / 2]);
    for (size_t child; (child = slot * 2) <= l->heap_n; slot = child) {
        if (child < l->heap_n && l->heap[child + 1]->due_ms < l->heap[child]->due_ms)
            child++;
        if (l->heap[child]->due_ms >= b->due_ms)
            break;
        heap_set(l, slot, l->heap[child]);
    }
    heap_set(l, slot, b);
}

static void heap_add(struct location *l, struct binding *b)
{
    if (l->heap_n + 2 > l->heap_cap) {
        l->heap_cap = l->heap_cap ? l->heap_cap * 2 : 64;
        l->heap = mem_realloc(l->heap, l->heap_cap * sizeof(struct binding *));
    }
    heap_settle(l, ++l->heap_n, b);
}

static void heap_remove(struct location *l, struct binding *b)
{
    struct binding *last = l->heap[l->heap_n--];
    if (last != b)
        heap_settle(l, b->heap_slot, last);
    b->heap_slot = 0;
}

static void note_next(struct location *l)
{
    atomic_store(&l->next_expiry, l->heap_n ? l->heap[1]->due_ms : INT64_MAX);
}

void index_put_off(struct location *l, struct binding *b)
{
    b->due_ms = atomic_load(&b->expires_ms);
    heap_settle(l, b->heap_slot, b);
    note_next(l);
}

/* --- who may change a record -------------------------------------------------------------------------------
 */

static uint32_t *hold_of(struct location *l, uint64_t hash)
{
    return &l->holds[hash >> LOCATION_SHARD_SHIFT][hash >> LOCATION_HOLD_SHIFT & (LOCATION_HOLDS - 1)];
}

static void hold(struct location *l, uint64_t hash, uint32_t by)
{
    struct shard *s = shard_of(l->records, hash);
    pthread_mutex_lock(&s->lock);
    *hold_of(l, hash) += by;
    pthread_mutex_unlock(&s->lock);
}

void index_hold(struct location *l, uint64_t aor_hash)
{
    hold(l, aor_hash, 1);
}

void index_release(struct location *l, uint64_t aor_hash)
{
    hold(l, aor_hash, UINT32_MAX); /* one less */
}

/* --- records ----------------------------------------------------------------------------------------------
 */

struct record *index_find(struct location *l, struct slice aor, uint64_t hash)
{
    const struct shard *s = shard_of(l->records, hash);
    for (struct map_entry *e = map_first(&s->map, hash); e; e = map_next(e)) {
        struct record *r = MAP_OBJECT(e, struct record, entry);
        if (slice_eq(slice_mem(r->aor, r->aor_n), aor))
            return r;
    }
    return NULL;
}

static int better(const void *a, const void *b)
{
    const struct binding *x = *(struct binding *const *)a, *y = *(struct binding *const *)b;
    if (x->v.q != y->v.q)
        return x->v.q > y->v.q ? -1 : 1;
    return x->turn > y->turn ? -1 : 1;
}

static struct record *record_new(struct plan *p)
{
    struct record *r = mem_zalloc(sizeof(*r) + p->aor.n);
    r->aor_n = p->aor.n;
    memcpy(r->aor, p->aor.p, p->aor.n);
    return r;
}

static void add_binding(struct location *l, struct record *r, struct binding *b)
{
    uint64_t hash = slice_hash(b->v.uri);
    struct shard *s = shard_of(l->contacts, hash);
    b->asked = NULL;
    b->record = r;
    heap_add(l, b);
    pthread_mutex_lock(&s->lock);
    map_insert(&s->map, &b->by_contact, hash);
    pthread_mutex_unlock(&s->lock);
    atomic_fetch_add(&l->count, 1);
}

static void drop_binding(struct location *l, struct binding *b)
{
    struct shard *s = shard_of(l->contacts, b->by_contact.hash);
    heap_remove(l, b);
    pthread_mutex_lock(&s->lock);
    map_remove(&s->map, &b->by_contact);
    pthread_mutex_unlock(&s->lock);
    atomic_fetch_sub(&l->count, 1);
    binding_free(l, b);
}

/* Puts the new list in place of the old one and gives that back. */
static struct binding **swap_items(struct location *l, struct plan *p, struct binding **items, size_t *ret_n)
{
    struct shard *s = shard_of(l->records, p->hash);
    struct record *r = p->record;
    pthread_mutex_lock(&s->lock);
    struct binding **old = r->items;
    *ret_n = r->n;
    if (r->n == 0)
        map_insert(&s->map, &r->entry, p->hash);
    r->items = items;
    r->n = p->n;
    if (r->n == 0)
        map_remove(&s->map, &r->entry);
    pthread_mutex_unlock(&s->lock);
    return old;
}

void index_publish(struct location *l, struct plan *p)
{
    if (!p->record && p->n == 0)
        return;
    if (!p->record)
        p->record = record_new(p);
    struct binding **items = mem_alloc((p->n + 1) * sizeof(*items));
    memcpy(items, p->next, p->n * sizeof(*items));
    qsort(items, p->n, sizeof(*items), better);
    for (size_t i = 0; i < p->n; i++)
        if (!items[i]->record)
            add_binding(l, p->record, items[i]);
    size_t old_n;
    struct binding **old = swap_items(l, p, items, &old_n);
    for (size_t i = 0; i < old_n; i++)
        if (!plan_has(p, old[i]))
            drop_binding(l, old[i]);
    mem_free(old);
    if (p->n == 0) {
        mem_free(p->record);
        mem_free(items);
        p->record = NULL;
    }
    note_next(l);
}

/* --- reading ----------------------------------------------------------------------------------------------
 */

/* With the lock held. */
static size_t copy_record(const struct record *r, int64_t now_ms, struct arena *a,
                          struct location_binding **ret)
{
    struct location_binding *all = ARENA_ARRAY(a, struct location_binding, r->n);
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        if (atomic_load(&r->items[i]->expires_ms) > now_ms)
            copy_binding(r->items[i], a, &all[n++]);
    *ret = all;
    return n;
}

size_t location_find(struct location *l, struct slice aor, int64_t now_ms, struct arena *a,
                     struct location_binding **ret)
{
    uint64_t hash = slice_hash(aor);
    struct shard *s = shard_of(l->records, hash);
    *ret = NULL;
    pthread_mutex_lock(&s->lock);
    const struct record *r = index_find(l, aor, hash);
    size_t n = r ? copy_record(r, now_ms, a, ret) : 0;
    pthread_mutex_unlock(&s->lock);
    return n;
}

bool location_refresh(struct location *l, const struct location_request *rq, int64_t now_ms, struct arena *a,
                      struct location_binding **ret, size_t *ret_n)
{
    uint64_t hash = slice_hash(rq->aor);
    struct shard *s = shard_of(l->records, hash);
    pthread_mutex_lock(&s->lock);
    struct record *r = *hold_of(l, hash) == 0 ? index_find(l, rq->aor, hash) : NULL;
    bool done = r && refresh_record(l, r, rq, now_ms);
    if (done)
        *ret_n = copy_record(r, now_ms, a, ret);
    pthread_mutex_unlock(&s->lock);
    return done;
}

/* Of several users who claim one contact: one that can be reached now, then the one who has had it longest,
 * so that nobody takes over a contact in use. */
static bool preferred(const struct binding *b, const struct binding *than)
{
    bool lost = atomic_load(&b->lost), than_lost = atomic_load(&than->lost);
    return lost != than_lost ? than_lost : b->since < than->since;
}

bool location_find_contact(struct location *l, struct slice contact_uri, int64_t now_ms, struct arena *a,
                           struct location_binding *ret)
{
    uint64_t hash = slice_hash(contact_uri);
    struct shard *s = shard_of(l->contacts, hash);
    struct binding *best = NULL;
    pthread_mutex_lock(&s->lock);
    for (struct map_entry *e = map_first(&s->map, hash); e; e = map_next(e)) {
        struct binding *b = MAP_OBJECT(e, struct binding, by_contact);
        if (atomic_load(&b->expires_ms) > now_ms && slice_eq(b->v.uri, contact_uri) &&
            (!best || preferred(b, best)))
            best = b;
    }
    if (best)
        copy_binding(best, a, ret);
    pthread_mutex_unlock(&s->lock);
    return best != NULL;
}

size_t location_count(struct location *l)
{
    return atomic_load(&l->count);
}
