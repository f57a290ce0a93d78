#include "service/central/priv.h"

#include "ground/base/mem.h"

#include <errno.h>

static const char *const query_names[QUERY_N] = {"revision", "format",  "path", "from",   "to",    "owner",
                                                 "side",     "machine", "pool", "static", "draft", "use"};

/* --- the answer --- */
static struct json_value *error_object(struct api_call *q)
{
    struct json_value *o = json_object(&q->a);
    json_set_string(&q->a, o, "id", slice_str(q->why.id));
    json_set_string(&q->a, o, "text", slice_str(q->why.text));
    if (q->theirs)
        json_set(&q->a, o, "theirs", q->theirs);
    return o;
}

static void api_answer(struct api_call *q, bool closed)
{
    struct buf text = {0};
    struct json_value *out = q->why.status ? error_object(q) : q->out;
    unsigned status = q->why.status ? q->why.status : 200;
    if (q->findings.n)
        json_set(&q->a, out, "findings", findings_to_json(&q->findings, &q->a));
    if (closed) {
        status = 503;
        out = json_object(&q->a);
        json_set_string(&q->a, out, "id", SLICE("central.ending"));
        json_set_string(&q->a, out, "text", SLICE("Central management is ending."));
    }
    json_write(out, false, &text);
    buf_append_char(&text, '\n');
    http_respond(q->rq, status, "application/json", buf_slice(&text));
    if (text.mem)
        mem_wipe(text.mem, text.cap); /* a bundle holds a key */
    buf_fini(&text);
}

static void api_free(struct api_call *q)
{
    material_wipe_json(q->in);
    if (q->body.n)
        explicit_bzero((char *)(uintptr_t)q->body.p, q->body.n);
    if (q->secret_answer)
        material_wipe_json(q->out);
    findings_fini(&q->findings);
    arena_fini(&q->a);
    mem_free(q);
}

static void api_work(struct task *t, struct vault *v)
{
    struct api_call *q = (struct api_call *)t;
    q->route->store(q, v);
}

void api_finish(struct api_call *q, bool closed)
{
    api_answer(q, closed);
    api_free(q);
}

static void api_done(struct task *t, bool closed)
{
    struct api_call *q = (struct api_call *)t;
    if (q->route->loop && q->route->store && !q->staged && !q->why.status && !closed) {
        q->staged = true;
        if (q->route->loop(q, t->c) == API_LATER)
            return;
    }
    api_finish(q, closed);
}

void api_then(struct api_call *q, struct central *c, void (*work)(struct task *t, struct vault *v))
{
    q->task.work = work;
    q->task.done = api_done;
    task_run(c, &q->task);
}

static void ask_work(struct job *j)
{
    struct api_call *q = (struct api_call *)j;
    q->ask(q, q->task.now);
}

static void ask_done(struct job *j)
{
    struct api_call *q = (struct api_call *)j;
    struct central *c = q->task.c;
    snapshot_unref(q->task.now);
    api_answer(q, c->closed);
    api_free(q);
    central_unref(c);
}

/* Takes over the snapshot. */
static int ask_run(struct api_call *q, struct central *c, struct snapshot *s)
{
    q->task.c = c;
    q->task.job.work = ask_work;
    q->task.job.done = ask_done;
    q->task.now = s;
    c->refs++;
    if (helpers_run(c->ask_threads, c->loop, &q->task.job) == 0)
        return API_LATER;
    c->refs--;
    snapshot_unref(s);
    return refuse(&q->why, 503, "api.busy", "Too many requests wait for name servers.");
}

static void draft_work(struct task *t, struct vault *v)
{
    struct api_call *q = (struct api_call *)t;
    struct findings f = {0};
    struct topology *draft = NULL;
    struct draft d;
    if (draft_load(v, &q->a, &d, &q->why) < 0)
        return;
    if (topology_from_json(d.doc, &draft, &f) < 0)
        refuse(&q->why, 422, "draft.not-a-topology", "The draft is no topology: " SLICE_FMT,
               SLICE_ARG(f.n ? f.items[0].text : SLICE("unknown")));
    else {
        q->draft = snapshot_copy(v->now);
        topology_unref(q->draft->topology);
        q->draft->topology = draft;
        json_set_bool(&q->a, q->out, "draft", d.version != 0);
    }
    findings_fini(&f);
}

static void draft_done(struct task *t, bool closed)
{
    struct api_call *q = (struct api_call *)t;
    struct snapshot *s = q->draft;
    q->draft = NULL;
    if (!q->why.status && !closed && ask_run(q, t->c, s) == API_LATER)
        return;
    if (closed)
        snapshot_unref(s);
    api_done(t, closed);
}

int api_ask(struct api_call *q, struct central *c, api_ask_fn *ask)
{
    q->ask = ask;
    if (!q->query[QUERY_DRAFT].n)
        return ask_run(q, c, snapshot_ref(c->now));
    q->task.work = draft_work;
    q->task.done = draft_done;
    task_run(c, &q->task);
    return API_LATER;
}

/* --- the question --- */
int api_number(struct api_call *q, struct slice text, uint64_t otherwise, uint64_t *ret)
{
    if (!text.n) {
        *ret = otherwise;
        return 0;
    }
    if (slice_u64(text, (1ULL << 53) - 1, ret) == 0)
        return 0;
    return refuse(&q->why, 400, "api.number", "'" SLICE_FMT "' is no number of a revision.",
                  SLICE_ARG(slice_head(text, 40)));
}

static const struct {
    const struct api_route *routes;
    const size_t *n;
} tables[] = {
    {api_topology_routes,    &api_n_topology_routes   },
    {api_secret_routes,      &api_n_secret_routes     },
    {api_machine_routes,     &api_n_machine_routes    },
    {api_network_routes,     &api_n_network_routes    },
    {api_dns_routes,         &api_n_dns_routes        },
    {api_certificate_routes, &api_n_certificate_routes},
    {api_revocation_routes,  &api_n_revocation_routes },
};

const struct api_route *api_route_next(size_t *cursor)
{
    size_t i = (*cursor)++;
    for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
        if (i < *tables[t].n)
            return &tables[t].routes[i];
        i -= *tables[t].n;
    }
    return NULL;
}

/* path_known: there is something at the path, for another method. */
static const struct api_route *route_find(struct slice method, struct slice path, bool *path_known)
{
    size_t cursor = 0;
    *path_known = false;
    for (const struct api_route *route; (route = api_route_next(&cursor)) != NULL;) {
        if (!slice_eq(path, slice_str(route->path)))
            continue;
        *path_known = true;
        if (slice_eq(method, slice_str(route->method)))
            return route;
    }
    return NULL;
}

static int read_body(struct api_call *q)
{
    struct json_error error;
    struct slice method = http_method(q->rq);
    q->body = arena_copy(&q->a, http_body(q->rq));
    if (!slice_eq(method, SLICE("POST")))
        return 0;
    if (!slice_trim(q->body).n) {
        q->in = json_object(&q->a);
        return 0;
    }
    if (json_parse(q->body, &q->a, &q->in, &error) == 0 && q->in->kind == JSON_OBJECT)
        return 0;
    return refuse(&q->why, 400, "api.body", "The body is no JSON object.");
}

static void api_start(struct central *c, struct api_call *q)
{
    q->out = json_object(&q->a);
    for (size_t i = 0; i < QUERY_N; i++)
        q->query[i] = arena_copy(&q->a, http_query(q->rq, query_names[i]));
    if (q->why.status == 0 && c->refs > CENTRAL_MAX_TASKS)
        refuse(&q->why, 503, "api.busy", "Too many requests wait for the store.");
    if (q->why.status == 0 && read_body(q) == 0 && q->route->store) {
        q->task.work = api_work;
        q->task.done = api_done;
        task_run(c, &q->task);
        return;
    }
    if (q->why.status == 0 && q->route->loop(q, c) == API_LATER)
        return;
    api_answer(q, false);
    api_free(q);
}

bool central_api(struct central *c, struct http_request *rq)
{
    bool path_known;
    const struct api_route *route = route_find(http_method(rq), http_path(rq), &path_known);
    if (!route && !path_known)
        return false;
    struct api_call *q = MEM_NEW(struct api_call);
    q->rq = rq;
    q->route = route;
    if (!route)
        refuse(&q->why, 405, "api.method", "There is no such method at this path.");
    api_start(c, q);
    return true;
}
