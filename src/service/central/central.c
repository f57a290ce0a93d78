#include "service/central/priv.h"

#include "ground/base/mem.h"
#include "ground/log/log.h"

#include <assert.h>

/* --- tasks --- */
static void task_work(struct job *j)
{
    struct task *t = (struct task *)j;
    struct vault *v = &t->c->vault;
    t->work(t, v);
    t->now = snapshot_ref(v->now);
}

static void task_done(struct job *j)
{
    struct task *t = (struct task *)j;
    struct central *c = t->c;
    bool changed = t->now != c->now;
    snapshot_unref(c->now);
    c->now = t->now;
    if (changed && !c->closed)
        pushers_update(c);
    t->done(t, c->closed);
    central_unref(c);
}

void task_run(struct central *c, struct task *t)
{
    t->c = c;
    t->job.work = task_work;
    t->job.done = task_done;
    c->refs++;
    int r = helpers_run(c->store_thread, c->loop, &t->job);
    assert(r == 0); /* CENTRAL_MAX_TASKS of the API and a few of each machine fit */
    (void)r;
}

/* --- blobs --- */
struct blob_task {
    struct task task;
    char *kind;
    struct buf name, value;
    bool put;
    int error;
    central_blob_done *done;
    void *arg;
};

static void blob_work(struct task *t, struct vault *v)
{
    struct blob_task *q = (struct blob_task *)t;
    q->error = q->put ? store_blob_put(v->store, q->kind, buf_slice(&q->name), buf_slice(&q->value))
                      : store_blob_get(v->store, q->kind, buf_slice(&q->name), &q->value);
}

static void blob_done(struct task *t, bool closed)
{
    struct blob_task *q = (struct blob_task *)t;
    if (!closed && q->done)
        q->done(q->arg, q->error, q->error ? SLICE_NONE : buf_slice(&q->value));
    mem_free(q->kind);
    buf_fini(&q->name);
    buf_fini(&q->value);
    mem_free(q);
}

static void blob_run(struct central *c, bool put, const char *kind, struct slice name, struct slice value,
                     central_blob_done *done, void *arg)
{
    struct blob_task *q = MEM_NEW(struct blob_task);
    q->put = put;
    q->kind = mem_strdup(kind);
    buf_append(&q->name, name);
    buf_append(&q->value, value);
    q->done = done;
    q->arg = arg;
    q->task.work = blob_work;
    q->task.done = blob_done;
    task_run(c, &q->task);
}

void central_blob_get(struct central *c, const char *kind, struct slice name, central_blob_done *done,
                      void *arg)
{
    blob_run(c, false, kind, name, SLICE_NONE, done, arg);
}

void central_blob_put(struct central *c, const char *kind, struct slice name, struct slice value,
                      central_blob_done *done, void *arg)
{
    blob_run(c, true, kind, name, value, done, arg);
}

/* --- keys in their turn --- */
struct rotation {
    struct task task;
    struct refusal why;
};

static void rotation_work(struct task *t, struct vault *v)
{
    vault_rotate_keys(v, &((struct rotation *)t)->why);
}

static void rotation_done(struct task *t, bool closed)
{
    struct rotation *q = (struct rotation *)t;
    t->c->rotating = false;
    if (!closed && q->why.status)
        log_error("central.keys", "the new Record-Route key cannot be stored: %s", q->why.text);
    mem_free(q);
}

/* --- behind machines --- */
static void raise_work(struct task *t, struct vault *v)
{
    vault_raise_material(v, &((struct rotation *)t)->why);
}

static void raise_done(struct task *t, bool closed)
{
    struct rotation *q = (struct rotation *)t;
    t->c->raising = false;
    if (!closed && q->why.status)
        log_error("central.material", "the material cannot be stored under a new serial: %s", q->why.text);
    mem_free(q);
}

void central_note_heard(struct central *c, uint64_t number, uint64_t serial)
{
    if (number > c->vault.heard_number)
        c->vault.heard_number = number;
    if (serial > c->vault.heard_serial)
        c->vault.heard_serial = serial;
    if (serial <= c->now->material->serial || c->raising || c->closed)
        return;
    struct rotation *q = MEM_NEW(struct rotation);
    q->task.work = raise_work;
    q->task.done = raise_done;
    c->raising = true;
    task_run(c, &q->task);
}

static void on_keys_timer(void *arg)
{
    struct central *c = arg;
    int64_t period = c->now->topology->deployment.dialog_key_days * DAY_MS;
    timer_start(&c->keys_timer, loop_now(c->loop) + CENTRAL_KEYS_CHECK_MS);
    if (c->rotating || !material_key_due(c->now->material, loop_wall(), period))
        return;
    struct rotation *q = MEM_NEW(struct rotation);
    q->task.work = rotation_work;
    q->task.done = rotation_done;
    c->rotating = true;
    task_run(c, &q->task);
}

/* --- life --- */
int central_new(struct loop *l, struct helpers *h, const char *state_folder, struct central **ret,
                char *error)
{
    (void)h;
    struct central *c = MEM_NEW(struct central);
    int r = vault_open(state_folder, &c->vault, error);
    if (r < 0) {
        mem_free(c);
        return r;
    }
    c->loop = l;
    c->refs = 1;
    c->now = snapshot_ref(c->vault.now);
    c->store_thread = helpers_new(1, "store");
    c->ask_threads = helpers_new(CENTRAL_ASK_THREADS, "ask");
    c->push_threads = helpers_new(CENTRAL_PUSH_THREADS, "push");
    c->talk_threads = helpers_new(CENTRAL_TALK_THREADS, "talk");
    list_init(&c->asking);
    list_init(&c->pushers);
    identity_init(&c->identity);
    timer_init(&c->keys_timer, l, on_keys_timer, c);
    timer_start(&c->keys_timer, loop_now(l));
    pushers_update(c);
    *ret = c;
    return 0;
}

/* The last one out: jobs whose ends are still in the loop's mailbox keep it. */
void central_unref(struct central *c)
{
    if (--c->refs > 0)
        return;
    pushers_free(c);
    identity_fini(&c->identity);
    snapshot_unref(c->now);
    vault_fini(&c->vault);
    mem_free(c);
}

void central_free(struct central *c)
{
    if (!c)
        return;
    c->closed = true;
    c->stopping = true;
    timer_stop(&c->keys_timer);
    for (struct list *it = c->pushers.next; it != &c->pushers; it = it->next)
        timer_stop(&LIST_ENTRY(it, struct pusher, link)->timer);
    central_ask_end(c);
    helpers_free(c->talk_threads);
    helpers_free(c->ask_threads);
    helpers_free(c->push_threads);
    helpers_free(c->store_thread);
    central_unref(c);
}

/* --- looking --- */
uint64_t central_revision(const struct central *c)
{
    return c->now->number;
}

struct topology *central_topology(struct central *c)
{
    return topology_ref(c->now->topology);
}

size_t central_machines(struct central *c, struct arena *a, struct central_machine_state **ret)
{
    size_t n = 0, i = 0;
    for (struct list *it = c->pushers.next; it != &c->pushers; it = it->next)
        n++;
    struct central_machine_state *out = ARENA_ARRAY(a, struct central_machine_state, n ? n : 1);
    LIST_FOR(it, &c->pushers)
    {
        struct pusher *p = LIST_ENTRY(it, struct pusher, link);
        if (p->removed)
            continue;
        out[i++] = (struct central_machine_state){
            .fqdn = arena_copy(a, slice_str(p->fqdn)),
            .acknowledged = p->acknowledged,
            .material = p->material,
            .current = pusher_current(p),
            .heard_ms = p->heard_ms,
            .why = arena_copy(a, buf_slice(&p->why)),
            .state = p->state,
        };
    }
    *ret = out;
    return i;
}

void central_poll(struct central *c)
{
    pushers_poll(c);
}

bool central_certificate_names(struct central *c, struct slice pool, struct arena *a,
                               struct slice **ret_names, size_t *ret_n, int64_t *ret_not_after_ms)
{
    const struct material_cert *m = material_cert_find(c->now->material, pool);
    struct crypto_cert *cert;
    if (!m || crypto_cert_parse(m->cert_pem, &cert) < 0)
        return false;
    const struct crypto_names *names = crypto_cert_names(cert);
    size_t n = names->has_san ? names->n_dns : names->common_name.n ? 1 : 0;
    struct slice *out = ARENA_ARRAY(a, struct slice, n ? n : 1);
    for (size_t i = 0; i < n; i++)
        out[i] = arena_copy(a, names->has_san ? names->dns[i] : names->common_name);
    *ret_names = out;
    *ret_n = n;
    *ret_not_after_ms = crypto_cert_not_after(cert);
    crypto_cert_unref(cert);
    return true;
}
