#include "cmd/entente/drain.h"

#include "cmd/entente/replication.h"
#include "cmd/entente/wait.h"

enum {
    DRAIN_LOOK_MS = 1000,
    DRAIN_WAIT_MS = 3600 * 1000,
    DRAIN_QUIET_MS = 35 * 60 * 1000, /* sessions are refreshed every half hour (RFC 4028 section 4) */
};

const struct json_value *drain_machine(const struct json_value *machines, struct slice fqdn)
{
    for (size_t i = 0; i < json_count(machines); i++) {
        const struct json_value *m = json_at(machines, i);
        if (slice_caseeq(json_get_string(m, "fqdn"), fqdn))
            return json_get(m, "report");
    }
    return NULL;
}

static struct slice runs_as(const struct json_value *report)
{
    struct slice s = json_get_string(json_get(report, "services"), "access_edge");
    return slice_eq(s, SLICE("serving")) && json_get_bool(report, "draining", false) ? SLICE("draining") : s;
}

static struct slice number(struct arena *a, const struct json_value *load, const char *name)
{
    const struct json_value *n = json_get(load, name);
    return n && n->kind == JSON_INT ? arena_printf(a, "%lld", (long long)n->integer) : SLICE_NONE;
}

static struct slice last_in_dialog(struct arena *a, const struct json_value *load)
{
    const struct json_value *ago = json_get(load, "last_dialog_request_ago_ms");
    if (!ago)
        return SLICE_NONE;
    if (ago->kind != JSON_INT)
        return SLICE("never");
    return arena_printf(a, SLICE_FMT " ago", SLICE_ARG(table_age(a, ago->integer)));
}

void drain_cells(struct table *t, const struct json_value *report)
{
    const struct json_value *load = json_get(report, "load");
    table_cell(t, runs_as(report));
    table_cell(t, number(t->arena, load, "requests"));
    table_cell(t, number(t->arena, load, "connections"));
    table_cell(t, last_in_dialog(t->arena, load));
    table_cell(t, number(t->arena, load, "dialogs_estimate"));
}

/* --- waiting --- */
struct drained {
    struct invocation *v;
    struct slice names[100]; /* of the machines */
    size_t n;
    struct live live;
    bool on_terminal, one_of_many; /* a machine whose pool has others */
};
_Static_assert(sizeof(((struct drained *)0)->names) / sizeof(struct slice) >= 100, "TOPOLOGY_MAX_MACHINES");

static int find_machines(struct drained *w)
{
    struct answer answer;
    struct invocation *v = w->v;
    int r = call_api(v, "GET", SLICE("/v1/topology?format=json"), NULL, &answer);
    const struct json_value *pools = r ? NULL : json_get(json_get(answer.json, "document"), "edge_pools");
    for (size_t i = 0; i < json_count(pools); i++) {
        const struct json_value *pool = json_at(pools, i), *machines = json_get(pool, "machines");
        bool all = slice_caseeq(json_get_string(pool, "fqdn"), argument(v, 0));
        for (size_t k = 0; k < json_count(machines) && w->n < sizeof(w->names) / sizeof(w->names[0]); k++) {
            struct slice fqdn = json_get_string(json_at(machines, k), "fqdn");
            if (all || slice_caseeq(fqdn, argument(v, 0)))
                w->names[w->n++] = fqdn;
            w->one_of_many =
                w->one_of_many || (!all && json_count(machines) > 1 && slice_caseeq(fqdn, argument(v, 0)));
        }
    }
    return r;
}

/*
 * A dialog that began on one machine may end on another: any machine of the pool serves it. So a pool is
 * drained when as many dialogs ended on its machines as began there, and a machine when nothing is pending:
 * what it leaves the others take over. What is not known is not over.
 */
static int64_t dialogs_of(const struct drained *w, const struct json_value *machines)
{
    int64_t n = 0;
    for (size_t i = 0; i < w->n; i++) {
        const struct json_value *load = json_get(drain_machine(machines, w->names[i]), "load");
        n += json_get_int(load, "dialogs_begun", 0) - json_get_int(load, "dialogs_ended", 0);
    }
    return n > 0 ? n : 0;
}

static bool is_over(const struct drained *w, const struct json_value *machines)
{
    bool quiet = true;
    for (size_t i = 0; i < w->n; i++) {
        const struct json_value *load = json_get(drain_machine(machines, w->names[i]), "load");
        if (!load || json_get_int(load, "requests", 1) != 0)
            return false;
        quiet = quiet && json_get_int(load, "last_dialog_request_ago_ms", 0) > DRAIN_QUIET_MS;
    }
    return w->one_of_many || quiet || dialogs_of(w, machines) == 0;
}

static struct slice line(struct drained *w, struct slice fqdn, const struct json_value *report)
{
    struct arena *a = &w->v->arena;
    const struct json_value *load = json_get(report, "load");
    struct slice last = last_in_dialog(a, load), runs = runs_as(report);
    if (!load)
        return arena_printf(a, SLICE_FMT " has not said yet what it has under way", SLICE_ARG(fqdn));
    return arena_printf(a,
                        SLICE_FMT " " SLICE_FMT
                                  ": %lld pending, %lld connections, last in a dialog " SLICE_FMT
                                  ", about %lld dialogs",
                        SLICE_ARG(fqdn), SLICE_ARG(runs), (long long)json_get_int(load, "requests", 0),
                        (long long)json_get_int(load, "connections", 0), SLICE_ARG(last),
                        (long long)json_get_int(load, "dialogs_estimate", 0));
}

static void put_line(struct drained *w, struct slice text)
{
    if (w->on_terminal) {
        live_line(&w->live, text);
        return;
    }
    call_put(w->v->out, text);
    fputc('\n', w->v->out);
}

static void show(struct drained *w, const struct json_value *machines, bool last)
{
    if (option_given(w->v, OPTION_JSON) || (!w->on_terminal && !last))
        return;
    if (w->on_terminal)
        live_begin(&w->live);
    for (size_t i = 0; i < w->n; i++)
        put_line(w, line(w, w->names[i], drain_machine(machines, w->names[i])));
    if (w->n > 1)
        put_line(
            w, arena_printf(&w->v->arena, "together about %lld dialogs", (long long)dialogs_of(w, machines)));
    fflush(w->v->out);
}

static void show_json(struct drained *w, const struct json_value *machines, bool over,
                      const struct json_value *published)
{
    struct arena *a = &w->v->arena;
    struct json_value *o = json_object(a), *list = json_array(a);
    for (size_t i = 0; i < w->n; i++) {
        const struct json_value *report = drain_machine(machines, w->names[i]);
        struct json_value *m = json_object(a), *load = json_get(report, "load");
        json_set_string(a, m, "fqdn", w->names[i]);
        json_set_string(a, m, "state", runs_as(report));
        json_set(a, m, "load", load ? load : json_null(a));
        json_push(a, list, m);
    }
    json_set(a, o, "machines", list);
    json_set_int(a, o, "dialogs_estimate", dialogs_of(w, machines));
    json_set_bool(a, o, "drained", over);
    if (published)
        json_set(a, o, "published", (struct json_value *)(uintptr_t)published);
    call_print_json(w->v, o);
}

int drain_watch(struct invocation *v, const struct json_value *published)
{
    struct drained w = {.v = v, .live = {.out = v->out}, .on_terminal = wait_on_terminal(v->out)};
    bool wait = option_given(v, OPTION_WAIT), over = false;
    int64_t until = wait_now() + (wait ? wait_limit(v, DRAIN_WAIT_MS) : 0);
    struct answer answer;
    int r = find_machines(&w);
    while (r == EXIT_DONE) {
        r = replication_ask(v, &answer);
        if (r)
            return r;
        const struct json_value *machines = json_get(answer.json, "machines");
        over = is_over(&w, machines);
        bool last = over || wait_now() >= until;
        show(&w, machines, last);
        if (last) {
            if (option_given(v, OPTION_JSON))
                show_json(&w, machines, over, published);
            break;
        }
        wait_pause(DRAIN_LOOK_MS);
    }
    if (r || !wait)
        return r;
    if (!over)
        return call_fail(v, "service.not-drained",
                         "something is still under way; entente service stop ends it");
    if (!option_given(v, OPTION_JSON))
        fprintf(v->out, "nothing is under way: entente service stop %s\n", v->arguments[0]);
    return EXIT_DONE;
}
