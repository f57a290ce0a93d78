/*
 * GET /v1/transition, POST /v1/transition/plan|apply|rollback|continue. A body {from, to, classic} with apply
 * makes the plan as well, unless that very transition is under way: then it goes on.
 *
 * Answers are the plan as plan_to_json shows it; refusals {"id", "text", "findings": […]}.
 */
#include "service/transition/priv.h"

struct call {
    struct transition *t;
    const struct json_value *body; /* NULL: none */
    struct findings *findings;
    struct transition_refusal *refusal;
};

static struct slice body_pool(const struct call *c, const char *name)
{
    return json_get_string(c->body, name);
}

static bool call_show(struct call *c)
{
    (void)c;
    return true;
}

static bool make_plan(struct call *c)
{
    return transition_plan(c->t, body_pool(c, "from"), body_pool(c, "to"),
                           json_get_bool(c->body, "classic", false), c->findings, c->refusal);
}

static bool call_plan(struct call *c)
{
    bool made = make_plan(c);
    if (made)
        transition_store(c->t);
    return made;
}

static bool call_apply(struct call *c)
{
    const struct plan *p = c->t->plan;
    bool same = p && slice_caseeq(p->from, body_pool(c, "from")) && slice_caseeq(p->to, body_pool(c, "to")) &&
                p->classic == json_get_bool(c->body, "classic", false) && transition_is_under_way(c->t);
    if (body_pool(c, "from").n && !same && !make_plan(c))
        return false;
    return transition_apply(c->t, c->refusal);
}

static bool call_rollback(struct call *c)
{
    return transition_rollback(c->t, c->refusal);
}

static bool call_continue(struct call *c)
{
    return transition_continue(c->t, c->refusal);
}

static const struct route {
    const char *method, *path;
    bool (*run)(struct call *c);
} ROUTES[] = {
    {"GET",  "/v1/transition",          call_show    },
    {"POST", "/v1/transition/plan",     call_plan    },
    {"POST", "/v1/transition/apply",    call_apply   },
    {"POST", "/v1/transition/rollback", call_rollback},
    {"POST", "/v1/transition/continue", call_continue},
};

static void write_refusal(const struct transition_refusal *r, const struct findings *f, struct arena *a,
                          struct buf *out)
{
    struct json_value *o = json_object(a);
    json_set_string(a, o, "id", slice_str(r->id));
    json_set_string(a, o, "text", slice_str(r->text));
    json_set(a, o, "findings", findings_to_json(f, a));
    json_write(o, false, out);
}

static void write_plan(const struct transition *t, const struct findings *f, struct arena *a, struct buf *out)
{
    struct json_value *o = t->plan ? plan_to_json(t->plan, a, false) : json_object(a);
    if (!t->plan)
        json_set_string(a, o, "state", SLICE("none"));
    json_set(a, o, "findings", findings_to_json(f, a));
    json_write(o, false, out);
}

unsigned transition_answer(struct transition *t, struct slice method, struct slice path, struct slice body,
                           struct buf *out)
{
    struct arena a = {0};
    struct findings f = {0};
    struct transition_refusal refusal = {404, "transition.no-path", "There is no such path."};
    struct json_value *tree = NULL;
    struct json_error error;
    bool done = false;
    for (size_t i = 0; i < sizeof(ROUTES) / sizeof(ROUTES[0]); i++) {
        if (!slice_eq(path, slice_str(ROUTES[i].path)))
            continue;
        if (!slice_eq(method, slice_str(ROUTES[i].method))) {
            refusal = (struct transition_refusal){405, "transition.method", "This path has another method."};
        } else if (body.n && json_parse(body, &a, &tree, &error) < 0) {
            refusal = (struct transition_refusal){400, "transition.body", "The body is not JSON."};
        } else {
            struct call c = {t, tree, &f, &refusal};
            done = ROUTES[i].run(&c);
        }
    }
    if (done)
        write_plan(t, &f, &a, out);
    else
        write_refusal(&refusal, &f, &a, out);
    findings_fini(&f);
    arena_fini(&a);
    return done ? 200 : refusal.status;
}
