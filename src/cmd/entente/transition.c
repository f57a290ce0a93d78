/* The move of the routes from one Edge pool to another: plan, apply, watch, undo. */
#include "cmd/entente/call.h"
#include "cmd/entente/table.h"
#include "cmd/entente/wait.h"

static const struct slice transition_path = SLICE_INIT("/v1/transition");

static const char *order_of(const struct json_value *plan)
{
    return json_get_bool(plan, "classic", false) ? "the nine procedures in their own order"
                                                 : "make before break";
}

static void put_plan_line(struct invocation *v, const char *head, struct slice text)
{
    if (text.n == 0 || slice_eq(text, SLICE("-")))
        return;
    fprintf(v->out, "      %-7s ", head);
    call_put(v->out, text);
    fputc('\n', v->out);
}

static void put_heading(struct invocation *v, const struct json_value *plan)
{
    fputs("from ", v->out);
    call_put(v->out, json_get_string(plan, "from"));
    fputs(" to ", v->out);
    call_put(v->out, json_get_string(plan, "to"));
    fprintf(v->out, ", %s: ", order_of(plan));
    call_put(v->out, json_get_string(plan, "state"));
    fputc('\n', v->out);
}

/* {from, to, classic}, or {} without them. */
static struct json_value *plan_body(struct invocation *v)
{
    struct json_value *body = json_object(&v->arena);
    if (!option_given(v, OPTION_FROM))
        return body;
    json_set_string(&v->arena, body, "from", option_slice(v, OPTION_FROM));
    json_set_string(&v->arena, body, "to", option_slice(v, OPTION_TO));
    json_set_bool(&v->arena, body, "classic", option_given(v, OPTION_CLASSIC));
    return body;
}

int cmd_transition_plan(struct invocation *v)
{
    struct answer answer;
    int r = call_api(v, "POST", SLICE("/v1/transition/plan"), plan_body(v), &answer);
    if (r || call_json(v, &answer))
        return r;
    const struct json_value *steps = json_get(answer.json, "steps");
    call_findings(v->err, json_get(answer.json, "findings"));
    put_heading(v, answer.json);
    for (size_t i = 0; i < json_count(steps); i++) {
        const struct json_value *s = json_at(steps, i);
        fprintf(v->out, "%4zu  ", i + 1);
        call_put(v->out, json_get_string(s, "title"));
        fputc('\n', v->out);
        put_plan_line(v, "before", json_get_string(s, "check"));
        put_plan_line(v, "does", json_get_string(s, "action"));
        put_plan_line(v, "after", json_get_string(s, "after"));
        put_plan_line(v, "undo", json_get_string(s, "undo"));
        put_plan_line(v, "stands for", json_get_string(s, "seed"));
    }
    return EXIT_DONE;
}

/* --- where it stands --- */
static struct slice step_took(struct invocation *v, const struct json_value *s)
{
    int64_t began = json_get_int(s, "started_ms", 0), ended = json_get_int(s, "ended_ms", 0);
    if (began && !ended)
        ended = wait_wall();
    return began && ended >= began ? table_duration(&v->arena, ended - began) : SLICE_NONE;
}

int cmd_transition_status(struct invocation *v)
{
    static const char *const heads[] = {"STEP", "STATE", "BEGAN", "TOOK", "WHAT", "SAYS", NULL};
    struct answer answer;
    struct table t;
    int r = call_api(v, "GET", transition_path, NULL, &answer);
    if (r || call_json(v, &answer))
        return r;
    const struct json_value *steps = json_get(answer.json, "steps");
    if (json_get_string(answer.json, "state").n == 0 || json_count(steps) == 0) {
        fputs("there is no transition\n", v->out);
        return EXIT_DONE;
    }
    table_init(&t, &v->arena, heads);
    for (size_t i = 0; i < json_count(steps); i++) {
        const struct json_value *s = json_at(steps, i);
        table_int(&t, (int64_t)i + 1);
        table_cell(&t, json_get_string(s, "state"));
        table_cell(&t, table_time(&v->arena, json_get_int(s, "started_ms", 0)));
        table_cell(&t, step_took(v, s));
        table_cell(&t, json_get_string(s, "title"));
        table_cell(&t, json_get_string(s, "text"));
    }
    put_heading(v, answer.json);
    table_print(&t, v->out, "");
    return EXIT_DONE;
}

/* --- watching --- */
enum { STEPS_MAX = 64, STATE_TEXT = 16 };
struct watch {
    struct invocation *v;
    char seen[STEPS_MAX][STATE_TEXT]; /* the state of each step that was last printed */
    bool live_lines, silent;
    bool back; /* steps end the last one first */
    struct live live;
    int64_t began, heard;
};

static void set_seen(struct watch *w, size_t step, struct slice state)
{
    snprintf(w->seen[step], STATE_TEXT, SLICE_FMT, SLICE_ARG(state));
}

static struct slice step_line(struct watch *w, size_t i, size_t n, const struct json_value *s)
{
    struct arena *a = &w->v->arena;
    struct slice state = json_get_string(s, "state"), text = json_get_string(s, "text"),
                 took = step_took(w->v, s);
    return arena_printf(a, "%2zu/%zu  %-8.*s %10.*s  " SLICE_FMT "%s" SLICE_FMT, i + 1, n, SLICE_ARG(state),
                        SLICE_ARG(took), SLICE_ARG(json_get_string(s, "title")), text.n ? ": " : "",
                        SLICE_ARG(text));
}

static bool is_one_of(struct slice state, const char *const *states)
{
    for (; *states; states++)
        if (slice_eq(state, slice_str(*states)))
            return true;
    return false;
}

/* The state by which a step is news: waiting is, when it is for the administrator. */
static struct slice news_of(const struct json_value *plan, const struct json_value *step)
{
    struct slice state = json_get_string(step, "state");
    bool manual = slice_eq(json_get_string(plan, "state"), SLICE("waiting-manual"));
    return manual && slice_eq(state, SLICE("waiting")) ? SLICE("manual") : state;
}

static void show_steps(struct watch *w, const struct json_value *plan)
{
    static const char *const news[] = {"done", "failed", "undone", "manual", NULL};
    static const char *const under_way[] = {"running", "waiting", NULL};
    const struct json_value *steps = json_get(plan, "steps");
    size_t n = json_count(steps);
    if (w->silent)
        return;
    if (w->live_lines)
        live_begin(&w->live);
    for (size_t k = 0; k < n && k < STEPS_MAX; k++) {
        size_t i = w->back ? (n < STEPS_MAX ? n : STEPS_MAX) - 1 - k : k;
        const struct json_value *s = json_at(steps, i);
        struct slice state = news_of(plan, s);
        if (slice_eq(state, slice_str(w->seen[i])))
            continue;
        set_seen(w, i, state);
        if (!is_one_of(state, news))
            continue;
        call_put(w->v->out, step_line(w, i, n, s));
        fputc('\n', w->v->out);
    }
    for (size_t i = 0; w->live_lines && i < n; i++)
        if (is_one_of(json_get_string(json_at(steps, i), "state"), under_way))
            live_line(&w->live, step_line(w, i, n, json_at(steps, i)));
    fflush(w->v->out);
}

/* Steps that ended before this command began are not news. */
static void forget_old(struct watch *w, const struct json_value *plan)
{
    const struct json_value *steps = json_get(plan, "steps");
    for (size_t i = 0; i < json_count(steps) && i < STEPS_MAX; i++) {
        struct slice state = json_get_string(json_at(steps, i), "state");
        if (slice_eq(state, SLICE("done")) || slice_eq(state, SLICE("undone")))
            set_seen(w, i, state);
    }
}

static const struct {
    const char *state;
    bool ends, good_forward, good_back;
} plan_states[] = {
    {"applied",        true,  true,  false},
    {"rolled-back",    true,  false, true },
    {"failed",         true,  false, false},
    {"planned",        true,  false, true }, /* nothing was done, nothing is to be undone */
    {"applying",       false, false, false},
    {"waiting-manual", false, false, false},
    {"rolling-back",   false, false, false},
};

static bool has_ended(const struct json_value *plan, bool back, bool *ret_good)
{
    struct slice state = json_get_string(plan, "state");
    for (size_t i = 0; i < sizeof(plan_states) / sizeof(plan_states[0]); i++)
        if (slice_eq(state, slice_str(plan_states[i].state))) {
            *ret_good = back ? plan_states[i].good_back : plan_states[i].good_forward;
            return plan_states[i].ends;
        }
    *ret_good = false;
    return true;
}

static int finish(struct watch *w, const struct answer *answer, bool good)
{
    struct slice state = json_get_string(answer->json, "state");
    const struct json_value *steps = json_get(answer->json, "steps");
    struct slice took = table_duration(&w->v->arena, wait_now() - w->began);
    if (!call_json(w->v, answer))
        fprintf(w->v->out, SLICE_FMT " after " SLICE_FMT "\n", SLICE_ARG(state), SLICE_ARG(took));
    if (good)
        return EXIT_DONE;
    fflush(w->v->out);
    for (size_t i = 0; i < json_count(steps); i++) {
        const struct json_value *s = json_at(steps, i);
        if (slice_eq(json_get_string(s, "state"), SLICE("failed")))
            return call_fail(w->v, "transition.failed", "step %zu (" SLICE_FMT ") failed: " SLICE_FMT, i + 1,
                             SLICE_ARG(json_get_string(s, "title")), SLICE_ARG(json_get_string(s, "text")));
    }
    return call_fail(w->v, "transition.failed", "the transition is " SLICE_FMT, SLICE_ARG(state));
}

static int look(struct watch *w, int64_t limit_ms)
{
    bool good, last = wait_now() - w->began >= limit_ms;
    struct answer answer;
    int r = wait_look(w->v, transition_path, last, &w->heard, &answer);
    if (r)
        return r;
    show_steps(w, answer.json);
    if (has_ended(answer.json, w->back, &good))
        return finish(w, &answer, good);
    return last ? call_fail(w->v, "transition.not-yet", "it is not through after %.3g s, and goes on",
                            (double)limit_ms / 1000)
                : WAIT_AGAIN;
}

/* Until it has ended. A daemon that restarts meanwhile goes on with it, and is asked again. */
static int watch(struct watch *w)
{
    struct invocation *v = w->v;
    int64_t limit_ms = wait_limit(v, INT64_MAX);
    w->heard = wait_now();
    while (true) {
        struct arena whole = v->arena; /* what one look reads goes with it */
        v->arena = (struct arena){0};
        int r = look(w, limit_ms);
        arena_fini(&v->arena);
        v->arena = whole;
        if (r != WAIT_AGAIN)
            return r;
        wait_pause(WAIT_POLL_MS);
    }
}

static int begin(struct invocation *v, struct slice path, struct json_value *body, bool back,
                 const char *begun)
{
    struct answer answer;
    struct watch w = {.v = v, .back = back, .began = wait_now(), .live = {.out = v->out}};
    int r = call_api(v, "POST", path, body, &answer);
    if (r)
        return r;
    call_findings(v->err, json_get(answer.json, "findings"));
    if (option_given(v, OPTION_WAIT)) {
        forget_old(&w, answer.json);
        w.silent = option_given(v, OPTION_JSON);
        w.live_lines = wait_on_terminal(v->out);
        return watch(&w);
    }
    if (!call_json(v, &answer))
        fprintf(v->out, "%s; entente transition status shows how far it is\n", begun);
    return EXIT_DONE;
}

int cmd_transition_apply(struct invocation *v)
{
    bool from = option_given(v, OPTION_FROM), to = option_given(v, OPTION_TO);
    if (from != to || (option_given(v, OPTION_CLASSIC) && !from)) {
        fputs("entente: --from and --to belong together, and --classic to both\n", v->err);
        return EXIT_WRONG_USAGE;
    }
    return begin(v, SLICE("/v1/transition/apply"), plan_body(v), false, "it is being applied");
}

int cmd_transition_rollback(struct invocation *v)
{
    return begin(v, SLICE("/v1/transition/rollback"), json_object(&v->arena), true, "it is being undone");
}

int cmd_transition_continue(struct invocation *v)
{
    struct answer answer;
    int r = call_api(v, "POST", SLICE("/v1/transition/continue"), json_object(&v->arena), &answer);
    if (r == EXIT_DONE && !call_json(v, &answer))
        fputs("it goes on\n", v->out);
    return r;
}
