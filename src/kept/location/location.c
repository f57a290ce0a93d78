#include "kept/location/priv.h"

#include "ground/base/mem.h"
#include "ground/log/log.h"

#include <assert.h>
#include <errno.h>

/* --- a request and its outcome ----------------------------------------------------------------------------
 */

static void request_free(struct location *l, struct request *rq)
{
    for (size_t i = 0; i < rq->n; i++)
        if (rq->changes[i].binding && !rq->changes[i].binding->record)
            binding_free(l, rq->changes[i].binding);
    rq->n = 0;
    if (rq->aor.n)
        index_release(l, rq->hash);
}

/* On the loop that asked; the location may be gone. */
static void request_deliver(struct mail *m, struct loop *to)
{
    (void)to;
    struct request *rq = (struct request *)((char *)m - offsetof(struct request, mail));
    rq->done(rq->arg, rq->outcome);
    arena_fini(&rq->arena);
    mem_free(rq);
}

static bool fits(const struct location_request *rq)
{
    if (rq->aor.n > LOCATION_MAX_TEXT || rq->call_id.n > LOCATION_MAX_TEXT || rq->n > LOCATION_MAX_CHANGES)
        return false;
    for (size_t i = 0; i < rq->n; i++) {
        const struct location_change *c = &rq->changes[i];
        if (c->uri.n > LOCATION_MAX_URI || c->binding.instance.n > LOCATION_MAX_TEXT ||
            c->binding.path.n > LOCATION_MAX_TEXT)
            return false;
    }
    return true;
}

static void copy_change(struct location *l, struct request *rq, const struct location_change *in)
{
    struct request_change *c = &rq->changes[rq->n++];
    c->text = arena_copy(&rq->arena, in->uri);
    c->is_uri = sip_uri_parse(c->text, &c->uri) == 0;
    c->remove = in->remove;
    if (c->remove)
        return;
    struct location_binding v = in->binding;
    v.call_id = rq->call_id;
    v.cseq = rq->cseq;
    v.flow_lost = false;
    c->binding = binding_new(l, &v, in->uri, refresh_promise(v.expires_ms, loop_wall()));
    c->binding->asked = rq;
    c->instance = c->binding->v.instance;
}

static struct request *request_new(struct location *l, struct loop *back, const struct location_request *in,
                                   location_done *done, void *arg)
{
    bool good = fits(in);
    struct request *rq = mem_zalloc(sizeof(*rq) + (good ? in->n : 0) * sizeof(rq->changes[0]));
    rq->mail.deliver = request_deliver;
    rq->back = back;
    rq->done = done;
    rq->arg = arg;
    rq->outcome = LOCATION_FAILED;
    if (!good)
        return rq;
    rq->aor = arena_copy(&rq->arena, in->aor);
    rq->hash = slice_hash(rq->aor);
    if (rq->aor.n)
        index_hold(l, rq->hash);
    rq->call_id = arena_copy(&rq->arena, in->call_id);
    rq->cseq = in->cseq;
    rq->remove_all = in->remove_all;
    rq->max_contacts = in->max_contacts < LOCATION_MAX_CONTACTS ? in->max_contacts : LOCATION_MAX_CONTACTS;
    for (size_t i = 0; i < in->n && !in->remove_all; i++)
        copy_change(l, rq, &in->changes[i]);
    return rq;
}

/* --- a batch: all that is queued, in one transaction -------------------------------------------------------
 */

struct batch {
    struct map by_aor;
    struct list plans;
};

static struct plan *batch_plan(struct location *l, struct batch *b, struct slice aor, uint64_t hash)
{
    for (struct map_entry *e = map_first(&b->by_aor, hash); e; e = map_next(e)) {
        struct plan *p = MAP_OBJECT(e, struct plan, entry);
        if (slice_eq(p->aor, aor))
            return p;
    }
    struct plan *p = MEM_NEW(struct plan);
    index_hold(l, hash);
    plan_init(p, l, aor, hash);
    map_insert(&b->by_aor, &p->entry, hash);
    list_push_back(&b->plans, &p->link);
    return p;
}

/* What is due is a tree from the heap's root; nothing leaves the heap before it is published, and what was
 * refreshed finds its new place when the tree has been seen. True: there may be more. */
static bool plan_sweep(struct location *l, struct batch *b, int64_t now_ms)
{
    struct binding *refreshed[LOCATION_SWEEP];
    size_t todo[LOCATION_SWEEP + 2], n = 0, n_refreshed = 0, seen = 0;
    todo[n++] = 1;
    while (n && seen < LOCATION_SWEEP) {
        size_t slot = todo[--n];
        if (slot > l->heap_n || l->heap[slot]->due_ms > now_ms)
            continue;
        const struct record *r = l->heap[slot]->record;
        if (atomic_load(&l->heap[slot]->expires_ms) > now_ms)
            refreshed[n_refreshed++] = l->heap[slot];
        else
            plan_drop_expired(batch_plan(l, b, slice_mem(r->aor, r->aor_n), r->entry.hash), now_ms);
        todo[n++] = slot * 2 + 1; /* each one seen adds one at the most: it fits */
        todo[n++] = slot * 2;
        seen++;
    }
    for (size_t i = 0; i < n_refreshed; i++)
        index_put_off(l, refreshed[i]);
    return seen == LOCATION_SWEEP;
}

static void batch_finish(struct location *l, struct batch *b, bool stored)
{
    LIST_FOR(it, &b->plans)
    {
        struct plan *p = LIST_ENTRY(it, struct plan, link);
        if (stored)
            index_publish(l, p);
        index_release(l, p->hash);
        mem_free(p);
    }
    map_fini(&b->by_aor);
}

/* r: what rows_write answered. */
static void note_disk(struct location *l, int r)
{
    if (r < 0 && !l->disk_failing)
        log_event(LOG_ERROR, "location.disk-failed", NULL, "registrations are refused: %s", db_error(l->db));
    if (r > 0 && l->disk_failing)
        log_info("location.disk-recovered", "registrations are stored again");
    if (r != 0)
        l->disk_failing = r < 0;
}

/* True: the sweep is to go on. */
static bool run_batch(struct location *l, struct list *requests, bool sweep, int64_t sweep_now)
{
    struct batch b = {0};
    int64_t now = loop_wall();
    list_init(&b.plans);
    LIST_FOR(it, requests)
    {
        struct request *rq = LIST_ENTRY(it, struct request, link);
        for (size_t i = 0; i < rq->n; i++)
            if (rq->changes[i].binding) {
                rq->changes[i].binding->id = l->next_id++;
                rq->changes[i].binding->turn = atomic_fetch_add(&l->next_turn, 1);
            }
        rq->outcome = rules_apply(batch_plan(l, &b, rq->aor, rq->hash), rq, now);
    }
    bool more = sweep && plan_sweep(l, &b, sweep_now);
    int r = rows_write(l, &b.plans);
    note_disk(l, r);
    batch_finish(l, &b, r >= 0);
    LIST_FOR(it, requests)
    {
        struct request *rq = LIST_ENTRY(it, struct request, link);
        if (r < 0 && rq->outcome == LOCATION_OK)
            rq->outcome = LOCATION_FAILED;
        list_unlink(&rq->link);
        request_free(l, rq);
        loop_post(rq->back, &rq->mail);
    }
    return more && r >= 0;
}

/* --- the writer's job --------------------------------------------------------------------------------------
 */

/* False, and the job has ended, when there is nothing. */
static bool take_queue(struct location *l, struct list *ret, bool *ret_sweep, int64_t *ret_now)
{
    pthread_mutex_lock(&l->lock);
    list_init(ret);
    LIST_FOR(it, &l->queue)
    {
        list_unlink(it);
        list_push_back(ret, it);
    }
    l->queued = 0;
    *ret_sweep = l->sweep;
    *ret_now = l->sweep_now;
    l->sweep = false;
    bool any = !list_empty(ret) || *ret_sweep;
    if (!any) {
        l->running = false;
        pthread_cond_broadcast(&l->idle);
    }
    pthread_mutex_unlock(&l->lock);
    return any;
}

static void sweep_on(struct location *l)
{
    pthread_mutex_lock(&l->lock);
    l->sweep = true;
    pthread_mutex_unlock(&l->lock);
}

/* One batch a job, so that others who use the same helpers have their turn; all in one when they are swamped.
 */
static void work(struct job *j)
{
    struct location *l = (struct location *)((char *)j - offsetof(struct location, job));
    struct list requests;
    bool sweep;
    int64_t now;
    while (take_queue(l, &requests, &sweep, &now)) {
        if (run_batch(l, &requests, sweep, now))
            sweep_on(l);
        if (helpers_run(l->writer, NULL, &l->job) == 0)
            return;
    }
}

/* With the lock held. */
static bool start_writer(struct location *l)
{
    if (!l->running)
        l->running = helpers_run(l->writer, NULL, &l->job) == 0;
    return l->running;
}

void location_update(struct location *l, struct loop *back, const struct location_request *in,
                     location_done *done, void *arg)
{
    struct request *rq = request_new(l, back, in, done, arg);
    bool queued = false;
    pthread_mutex_lock(&l->lock);
    if (rq->aor.n && l->queued < LOCATION_MAX_QUEUED && start_writer(l)) {
        list_push_back(&l->queue, &rq->link);
        l->queued++;
        queued = true;
    }
    pthread_mutex_unlock(&l->lock);
    if (queued)
        return;
    request_free(l, rq);
    loop_post(back, &rq->mail);
}

void location_sweep(struct location *l, int64_t now_ms)
{
    if (atomic_load(&l->next_expiry) > now_ms)
        return;
    pthread_mutex_lock(&l->lock);
    if (start_writer(l)) {
        l->sweep = true;
        l->sweep_now = now_ms;
    }
    pthread_mutex_unlock(&l->lock);
}

bool location_is_idle(struct location *l)
{
    pthread_mutex_lock(&l->lock);
    bool idle = !l->running;
    pthread_mutex_unlock(&l->lock);
    return idle;
}

int location_open(const char *state_folder, struct helpers *writer, struct location **ret)
{
    struct location *l = MEM_NEW(struct location);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->idle, NULL);
    list_init(&l->queue);
    l->writer = writer;
    l->job.work = work;
    index_init(l);
    int r = rows_open(l, state_folder, loop_wall());
    if (r < 0) {
        location_close(l);
        return r;
    }
    *ret = l;
    return 0;
}

void location_close(struct location *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    while (l->running)
        pthread_cond_wait(&l->idle, &l->lock);
    pthread_mutex_unlock(&l->lock);
    index_fini(l);
    db_close(l->db);
    pthread_cond_destroy(&l->idle);
    pthread_mutex_destroy(&l->lock);
    mem_free(l);
}
