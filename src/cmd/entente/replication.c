#include "cmd/entente/replication.h"

#include "cmd/entente/call.h"
#include "cmd/entente/table.h"
#include "cmd/entente/wait.h"
#include "ground/base/mem.h"

/* A machine that is gone is given up by central management before that. */
enum { LIVE_MS = 20000 };

struct slice replication_why(struct invocation *v, const struct json_value *machine)
{
    const struct json_value *why = json_get(machine, "why");
    struct slice id = json_get_string(why, "id"), text = json_get_string(why, "text");
    return id.n ? arena_printf(&v->arena, SLICE_FMT ": " SLICE_FMT, SLICE_ARG(id), SLICE_ARG(text)) : text;
}

/* --- status --- */
static void show_status(struct invocation *v, const struct json_value *answer)
{
    static const char *const heads[] = {"MACHINE", "REVISION", "HEARD", "STATE", "REASON", NULL};
    const struct json_value *machines = json_get(answer, "machines");
    struct table t;
    table_init(&t, &v->arena, heads);
    for (size_t i = 0; i < json_count(machines); i++) {
        const struct json_value *m = json_at(machines, i);
        int64_t age = json_get_int(m, "age_ms", -1);
        table_cell(&t, json_get_string(m, "fqdn"));
        table_int(&t, json_get_int(m, "revision", 0));
        table_cell(&t, age < 0
                           ? SLICE("never")
                           : arena_printf(&v->arena, SLICE_FMT " ago", SLICE_ARG(table_age(&v->arena, age))));
        table_cell(&t, json_get_string(m, "state"));
        table_cell(&t, replication_why(v, m));
    }
    fprintf(v->out, "newest revision: %lld\n\n", (long long)json_get_int(answer, "revision", 0));
    table_print(&t, v->out, "no managed machines");
}

static bool any_asking(const struct json_value *machines)
{
    for (size_t i = 0; i < json_count(machines); i++)
        if (json_get_bool(json_at(machines, i), "asking", false))
            return true;
    return false;
}

int replication_ask(struct invocation *v, struct answer *ret)
{
    int64_t until = wait_now() + LIVE_MS;
    int r = call_api(v, "POST", SLICE("/v1/replication"), NULL, ret);
    while (r == EXIT_DONE && any_asking(json_get(ret->json, "machines")) && wait_now() < until) {
        wait_pause(WAIT_POLL_MS);
        r = call_api(v, "GET", SLICE("/v1/replication"), NULL, ret);
    }
    return r;
}

/* Does every machine run the newest revision, and did it say so just now? */
static bool all_well(const struct json_value *machines)
{
    for (size_t i = 0; i < json_count(machines); i++) {
        const struct json_value *m = json_at(machines, i);
        if (!json_get_bool(m, "current", false) || json_get(m, "why") || json_get_bool(m, "asking", false))
            return false;
    }
    return true;
}

int cmd_replication_status(struct invocation *v)
{
    struct answer answer;
    bool live = option_given(v, OPTION_LIVE);
    int r = live ? replication_ask(v, &answer) : call_api(v, "GET", SLICE("/v1/replication"), NULL, &answer);
    if (r)
        return r;
    if (!call_json(v, &answer))
        show_status(v, answer.json);
    return live && !all_well(json_get(answer.json, "machines")) ? EXIT_REFUSED : EXIT_DONE;
}

/* --- waiting --- */
struct watch {
    struct invocation *v;
    int64_t number, began;
    struct live live;
    bool live_lines;
    char **seen; /* plain lines: what was last said, by machine's place in the list */
    size_t n_seen;
    int64_t heard;
    char *last; /* with --json: the answer that ended it */
};

static bool runs(const struct watch *w, const struct json_value *m)
{
    int64_t revision = json_get_int(m, "revision", 0);
    return revision > w->number || (revision == w->number && json_get_bool(m, "current", true));
}

static struct slice machine_line(const struct watch *w, const struct json_value *m)
{
    struct slice fqdn = json_get_string(m, "fqdn"), why = replication_why(w->v, m);
    if (runs(w, m))
        return arena_printf(&w->v->arena, SLICE_FMT " runs revision %lld", SLICE_ARG(fqdn),
                            (long long)json_get_int(m, "revision", 0));
    return arena_printf(&w->v->arena, SLICE_FMT " is at revision %lld%s" SLICE_FMT, SLICE_ARG(fqdn),
                        (long long)json_get_int(m, "revision", 0), why.n ? ": " : "", SLICE_ARG(why));
}

static void show_plain(struct watch *w, size_t i, struct slice text)
{
    if (i >= w->n_seen) {
        size_t n = 2 * i + 16;
        w->seen = mem_realloc(w->seen, n * sizeof(*w->seen));
        memset(w->seen + w->n_seen, 0, (n - w->n_seen) * sizeof(*w->seen));
        w->n_seen = n;
    }
    if (slice_eq(slice_str(w->seen[i]), text))
        return;
    mem_free(w->seen[i]);
    w->seen[i] = slice_dup(text);
    fprintf(w->v->out, "%6.2f s  ", (double)(wait_now() - w->began) / 1000);
    call_put(w->v->out, text);
    fputc('\n', w->v->out);
}

/* A line for each machine; true when all run it. */
static bool show(struct watch *w, const struct json_value *machines)
{
    bool all = true, silent = option_given(w->v, OPTION_JSON);
    if (w->live_lines && !silent)
        live_begin(&w->live);
    for (size_t i = 0; i < json_count(machines); i++) {
        const struct json_value *m = json_at(machines, i);
        all = all && runs(w, m);
        if (silent)
            continue;
        if (w->live_lines)
            live_line(&w->live, machine_line(w, m));
        else
            show_plain(w, i, machine_line(w, m));
    }
    fflush(w->v->out);
    return all;
}

static int too_late(struct watch *w, const struct json_value *machines, int64_t limit_ms)
{
    size_t behind = 0;
    for (size_t i = 0; i < json_count(machines); i++) {
        const struct json_value *m = json_at(machines, i);
        if (runs(w, m))
            continue;
        behind++;
        call_put(w->v->err, machine_line(w, m));
        fputc('\n', w->v->err);
    }
    return call_fail(
        w->v, "publish.not-everywhere",
        "after %.3g s revision %lld does not run on %zu of %zu machines; it reaches them when they can",
        (double)limit_ms / 1000, (long long)w->number, behind, json_count(machines));
}

static int look(struct watch *w, int64_t limit_ms)
{
    bool last = wait_now() - w->began >= limit_ms;
    struct answer answer;
    int r = wait_look(w->v, SLICE("/v1/replication"), last, &w->heard, &answer);
    if (r)
        return r;
    const struct json_value *machines = json_get(answer.json, "machines");
    bool all = show(w, machines);
    if ((all || last) && option_given(w->v, OPTION_JSON))
        w->last = slice_dup(answer.text);
    return all ? EXIT_DONE : last ? too_late(w, machines, limit_ms) : WAIT_AGAIN;
}

int replication_wait(struct invocation *v, int64_t number, int64_t limit_ms, struct json_value **ret_last)
{
    struct watch w = {.v = v, .number = number, .began = wait_now(), .live = {.out = v->out}};
    struct json_error error;
    int r;
    w.heard = w.began;
    w.live_lines = wait_on_terminal(v->out);
    while (true) {
        struct arena whole = v->arena; /* what one look reads goes with it */
        v->arena = (struct arena){0};
        r = look(&w, limit_ms);
        arena_fini(&v->arena);
        v->arena = whole;
        if (r != WAIT_AGAIN)
            break;
        wait_pause(WAIT_POLL_MS);
    }
    if (w.last && json_parse(slice_str(w.last), &v->arena, ret_last, &error) < 0)
        *ret_last = NULL;
    for (size_t i = 0; i < w.n_seen; i++)
        mem_free(w.seen[i]);
    mem_free(w.seen);
    mem_free(w.last);
    return r;
}
