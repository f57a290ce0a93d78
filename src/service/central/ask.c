/* A question to machines over their replica endpoints, all at once; who does not answer in time is named. */
#include "service/central/priv.h"

#include "ground/base/mem.h"

#include <errno.h>
#include <stdio.h>

struct asking;
/* One machine's; everything its thread needs is its own. */
struct asked {
    struct job job;
    struct asking *all;
    char *fqdn;
    struct net_addr to, from;
    int error;
    int64_t sent_ms, came_ms;
    struct http_result result;
    bool done;
};
struct asking {
    struct central *c;
    struct list link; /* in central.asking, until it has been answered */
    char *method, *path, *body;
    unsigned timeout_ms;
    struct asked *of;
    size_t n, waiting;
    struct timer deadline;
    central_asked *done;
    void *arg;
    bool answered;
};

/* --- on a helper thread --- */
static void ask_work(struct job *j)
{
    struct asked *q = (struct asked *)j;
    struct asking *all = q->all;
    struct tls_ctx *tls = NULL;
    struct buf url = {0};
    q->error = identity_take(&all->c->identity, all->c->vault.folder, &tls);
    if (q->error)
        return;
    buf_printf(&url, "https://%s:%u%s", q->fqdn, net_addr_port(&q->to), all->path);
    char *text = buf_take(&url);
    const struct http_call call = {
        .method = all->method,
        .url = text,
        .body = slice_str(all->body),
        .content_type = all->body ? "application/json" : NULL,
        .connect_to = q->to,
        .local = q->from,
        .tls = tls,
        .stop = &all->c->stopping,
        .timeout_ms = all->timeout_ms,
        .connect_timeout_ms = CENTRAL_CONNECT_MS,
    };
    q->sent_ms = loop_wall();
    http_call(&call, &q->result);
    q->came_ms = loop_wall();
    mem_free(text);
    tls_ctx_unref(tls);
}

/* --- the answer --- */
static void answer_one(const struct asked *q, struct arena *a, struct central_answer *ret)
{
    struct json_error error;
    struct json_value *json;
    *ret = (struct central_answer){.fqdn = slice_str(q->fqdn)};
    if (!q->done) {
        ret->id = "late";
        ret->why = SLICE("it has not answered in time");
    } else if (q->error) {
        ret->id = "other";
        ret->why = SLICE("central's own key cannot be read");
    } else if (q->result.status == 0) {
        ret->id = machine_no_answer(&q->result);
        ret->why = slice_str(q->result.error);
    } else if (json_parse(buf_slice(&q->result.body), a, &json, &error) < 0) {
        ret->id = "other";
        ret->why = SLICE("its answer cannot be read");
    } else {
        ret->status = q->result.status;
        ret->json = json;
        ret->sent_ms = q->sent_ms;
        ret->came_ms = q->came_ms;
    }
}

static void asking_answer(struct asking *all)
{
    if (all->answered)
        return;
    struct arena a = {0};
    struct central_answer *list = ARENA_ARRAY(&a, struct central_answer, all->n + 1);
    all->answered = true;
    timer_stop(&all->deadline);
    list_unlink(&all->link);
    for (size_t i = 0; i < all->n; i++)
        answer_one(&all->of[i], &a, &list[i]);
    all->done(all->arg, list, all->n);
    arena_fini(&a);
}

static void asking_unref(struct asking *all)
{
    struct central *c = all->c;
    if (all->waiting > 0)
        return;
    timer_stop(&all->deadline);
    list_unlink(&all->link);
    for (size_t i = 0; i < all->n; i++) {
        http_result_fini(&all->of[i].result);
        mem_free(all->of[i].fqdn);
    }
    mem_free(all->of);
    mem_free(all->method);
    mem_free(all->path);
    mem_free(all->body);
    mem_free(all);
    central_unref(c);
}

static void ask_done(struct job *j)
{
    struct asked *q = (struct asked *)j;
    struct asking *all = q->all;
    q->done = true;
    all->waiting--;
    if (all->waiting == 0)
        asking_answer(all);
    asking_unref(all);
}

static void ask_late(void *arg)
{
    struct asking *all = arg;
    asking_answer(all);
    asking_unref(all); /* those that still run keep it */
}

static void asked_init(struct asking *all, struct asked *q, const struct pusher *p)
{
    struct topology_role role;
    const struct topology *t = all->c->now->topology;
    q->all = all;
    q->fqdn = mem_strdup(p->fqdn);
    q->to = p->address;
    if (topology_role_find(t, t->central.machine, &role))
        (void)net_addr_parse(role.internal_address, 0, &q->from);
    q->job.work = ask_work;
    q->job.done = ask_done;
}

static bool is_asked(const struct pusher *p, struct slice machine)
{
    return !p->removed && (machine.n == 0 || slice_caseeq(slice_str(p->fqdn), machine));
}

int central_ask(struct central *c, const struct central_question *question, central_asked *done, void *arg)
{
    size_t n = 0;
    LIST_FOR(it, &c->pushers)
    n += is_asked(LIST_ENTRY(it, struct pusher, link), question->machine);
    if (n == 0)
        return -ENOENT;
    struct asking *all = MEM_NEW(struct asking);
    *all = (struct asking){.c = c,
                           .method = mem_strdup(question->method),
                           .path = slice_dup(question->path),
                           .body = question->body.n ? slice_dup(question->body) : NULL,
                           .timeout_ms = question->timeout_ms,
                           .of = mem_zalloc(n * sizeof(struct asked)),
                           .done = done,
                           .arg = arg};
    c->refs++;
    timer_init(&all->deadline, c->loop, ask_late, all);
    timer_start(&all->deadline, loop_now(c->loop) + question->timeout_ms);
    list_push_back(&c->asking, &all->link);
    LIST_FOR(it, &c->pushers)
    {
        const struct pusher *p = LIST_ENTRY(it, struct pusher, link);
        if (is_asked(p, question->machine))
            asked_init(all, &all->of[all->n++], p);
    }
    for (size_t i = 0; i < all->n; i++)
        if (helpers_run(c->talk_threads, c->loop, &all->of[i].job) == 0)
            all->waiting++;
    return 0;
}

void central_ask_end(struct central *c)
{
    LIST_FOR(it, &c->asking)
    asking_answer(LIST_ENTRY(it, struct asking, link));
}
