#include "cmd/entente/drain.h"

#include "cmd/entente/replication.h"
#include "cmd/entente/wait.h"

#include <stdlib.h>

enum {
    DRAIN_LOOK_MS = 1000,
    DRAIN_TELL_MS = 5000, /* lines of progress without a terminal are so far apart */
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
enum { MACHINES_MAX = 100, PARTNERS_MAX = 64, PARTNERS_SHOWN = 5 };
struct partner_dialogs {
    struct slice domain;
    int64_t n;
};
struct drained {
    struct invocation *v;
    struct slice names[MACHINES_MAX];   /* of the machines */
    struct slice fellows[MACHINES_MAX]; /* of their pool, and not drained now */
    size_t n, n_fellows;
    struct partner_dialogs partners[PARTNERS_MAX]; /* as of the last look */
    size_t n_partners;
    struct live live;
    bool on_terminal;
    int64_t told_ms; /* when the plain lines were last printed */
    struct slice told;
};
_Static_assert((int)MACHINES_MAX >= 100, "TOPOLOGY_MAX_MACHINES");

/*
 * May it be stopped? A dialog that began on one machine may end on another: any machine of the pool serves
 * it. So a pool is drained when as many dialogs ended on its machines as began there, and a machine when
 * nothing is pending and another one takes over what it leaves. What is not known is not over.
 */
enum outcome { UNKNOWN, PENDING, DIALOGS, UNCERTAIN, TAKEN_OVER, ENDED, QUIET };
static const struct {
    const char *id, *text;
    bool over;
} outcomes[] = {
    [UNKNOWN] = {"unknown",    "not every machine has said what it has under way",                      false},
    [PENDING] = {"pending",    "requests are pending",                                                  false},
    [DIALOGS] = {"dialogs",    "dialogs are open that nobody else serves",                              false},
    [UNCERTAIN] = {"uncertain",
                 "more dialogs ended than began, as after a restart: whether one is open is not known", false},
    [TAKEN_OVER] = {"taken-over",
                 "no request is pending, and the pool's other machines go on with its dialogs",         true },
    [ENDED] = {"ended",      "no request is pending, and as many dialogs ended as began",             true },
    [QUIET] = {"quiet",      "no request is pending, and for 35 minutes none came within a dialog",   true },
};

static int find_machines(struct drained *w)
{
    struct answer answer;
    struct invocation *v = w->v;
    int r = call_api(v, "GET", SLICE("/v1/topology?format=json"), NULL, &answer);
    const struct json_value *pools = r ? NULL : json_get(json_get(answer.json, "document"), "edge_pools");
    for (size_t i = 0; i < json_count(pools); i++) {
        const struct json_value *pool = json_at(pools, i), *machines = json_get(pool, "machines");
        bool all = slice_caseeq(json_get_string(pool, "fqdn"), argument(v, 0)), mine = false;
        for (size_t k = 0; k < json_count(machines); k++)
            mine = mine || slice_caseeq(json_get_string(json_at(machines, k), "fqdn"), argument(v, 0));
        for (size_t k = 0; k < json_count(machines) && (all || mine); k++) {
            struct slice fqdn = json_get_string(json_at(machines, k), "fqdn");
            if ((all || slice_caseeq(fqdn, argument(v, 0))) && w->n < MACHINES_MAX)
                w->names[w->n++] = fqdn;
            else if (!all && w->n_fellows < MACHINES_MAX)
                w->fellows[w->n_fellows++] = fqdn;
        }
    }
    return r;
}

static const struct json_value *load_of(const struct json_value *machines, struct slice fqdn)
{
    return json_get(drain_machine(machines, fqdn), "load");
}

static int64_t surplus(const struct slice *names, size_t n, const struct json_value *machines)
{
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        const struct json_value *load = load_of(machines, names[i]);
        sum += json_get_int(load, "dialogs_begun", 0) - json_get_int(load, "dialogs_ended", 0);
    }
    return sum;
}

static int64_t dialogs_of(const struct drained *w, const struct json_value *machines)
{
    int64_t n = surplus(w->names, w->n, machines);
    return n > 0 ? n : 0;
}

/* With those of machines that serve no more, as they last said: this one has taken them over. */
static int64_t dialogs_of_pool(const struct drained *w, const struct json_value *machines)
{
    return surplus(w->names, w->n, machines) + surplus(w->fellows, w->n_fellows, machines);
}

/* A machine that is itself being drained still serves dialogs. */
static bool fellow_serves(const struct drained *w, const struct json_value *machines)
{
    for (size_t i = 0; i < json_count(machines); i++) {
        const struct json_value *m = json_at(machines, i);
        for (size_t k = 0; k < w->n_fellows; k++)
            if (slice_caseeq(json_get_string(m, "fqdn"), w->fellows[k]) && !json_get(m, "why") &&
                slice_eq(json_get_string(json_get(json_get(m, "report"), "services"), "access_edge"),
                         SLICE("serving")))
                return true;
    }
    return false;
}

static enum outcome judge(const struct drained *w, const struct json_value *machines)
{
    bool quiet = true;
    for (size_t i = 0; i < w->n; i++) {
        const struct json_value *load = load_of(machines, w->names[i]);
        if (!load)
            return UNKNOWN;
        if (json_get_int(load, "requests", 1) != 0)
            return PENDING;
        quiet = quiet && json_get_int(load, "last_dialog_request_ago_ms", 0) > DRAIN_QUIET_MS;
    }
    int64_t dialogs = dialogs_of_pool(w, machines);
    return fellow_serves(w, machines) ? TAKEN_OVER
           : dialogs == 0             ? ENDED
           : quiet                    ? QUIET
           : dialogs > 0              ? DIALOGS
                                      : UNCERTAIN;
}

/* --- whose dialogs --- */
static void add_partner(struct drained *w, struct slice domain, int64_t n)
{
    size_t i = 0;
    while (i < w->n_partners && !slice_caseeq(w->partners[i].domain, domain))
        i++;
    if (i == PARTNERS_MAX)
        return;
    if (i == w->n_partners)
        w->partners[w->n_partners++] = (struct partner_dialogs){.domain = domain};
    w->partners[i].n += n;
}

static int more_dialogs(const void *a, const void *b)
{
    const struct partner_dialogs *x = a, *y = b;
    return x->n == y->n ? 0 : x->n < y->n ? 1 : -1;
}

static void gather_partners(struct drained *w, const struct json_value *machines)
{
    w->n_partners = 0;
    for (size_t i = 0; i < w->n; i++) {
        const struct json_value *list = json_get(load_of(machines, w->names[i]), "partners");
        for (size_t k = 0; k < json_count(list); k++)
            add_partner(w, json_get_string(json_at(list, k), "domain"),
                        json_get_int(json_at(list, k), "dialogs_begun", 0) -
                            json_get_int(json_at(list, k), "dialogs_ended", 0));
    }
    if (w->n_partners)
        qsort(w->partners, w->n_partners, sizeof(w->partners[0]), more_dialogs);
    while (w->n_partners && w->partners[w->n_partners - 1].n <= 0)
        w->n_partners--;
}

static struct slice partners_text(const struct drained *w)
{
    struct buf b = {0};
    for (size_t i = 0; i < w->n_partners && i < PARTNERS_SHOWN; i++)
        buf_printf(&b, "%s" SLICE_FMT " %lld", i ? ", " : ": ", SLICE_ARG(w->partners[i].domain),
                   (long long)w->partners[i].n);
    if (w->n_partners > PARTNERS_SHOWN)
        buf_printf(&b, " and %zu more partners", w->n_partners - PARTNERS_SHOWN);
    struct slice text = arena_copy(&w->v->arena, buf_slice(&b));
    buf_fini(&b);
    return text;
}

/* --- what is shown --- */
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

static struct slice together(struct drained *w, const struct json_value *machines)
{
    struct slice whose = partners_text(w);
    return arena_printf(&w->v->arena, "together about %lld dialogs" SLICE_FMT,
                        (long long)dialogs_of(w, machines), SLICE_ARG(whose));
}

/* Without a terminal: when something has changed, now and then. */
static void show_plain(struct drained *w, struct slice text, bool last)
{
    if (slice_eq(text, w->told) || (!last && w->told_ms && wait_now() - w->told_ms < DRAIN_TELL_MS))
        return;
    call_put(w->v->out, text);
    fflush(w->v->out);
    w->told = text;
    w->told_ms = wait_now();
}

static void show(struct drained *w, const struct json_value *machines, bool last)
{
    struct buf text = {0};
    if (option_given(w->v, OPTION_JSON))
        return;
    if (w->on_terminal)
        live_begin(&w->live);
    for (size_t i = 0; i <= w->n; i++) {
        struct slice s =
            i < w->n ? line(w, w->names[i], drain_machine(machines, w->names[i])) : together(w, machines);
        if (w->on_terminal)
            live_line(&w->live, s);
        else
            buf_printf(&text, SLICE_FMT "\n", SLICE_ARG(s));
    }
    if (!w->on_terminal)
        show_plain(w, arena_copy(&w->v->arena, buf_slice(&text)), last);
    buf_fini(&text);
    fflush(w->v->out);
}

static void show_json(struct drained *w, const struct json_value *machines, enum outcome how,
                      const struct json_value *published)
{
    struct arena *a = &w->v->arena;
    struct json_value *o = json_object(a), *list = json_array(a), *partners = json_array(a);
    for (size_t i = 0; i < w->n; i++) {
        const struct json_value *report = drain_machine(machines, w->names[i]);
        struct json_value *m = json_object(a), *load = json_get(report, "load");
        json_set_string(a, m, "fqdn", w->names[i]);
        json_set_string(a, m, "state", runs_as(report));
        json_set(a, m, "load", load ? load : json_null(a));
        json_push(a, list, m);
    }
    for (size_t i = 0; i < w->n_partners; i++) {
        struct json_value *p = json_object(a);
        json_set_string(a, p, "domain", w->partners[i].domain);
        json_set_int(a, p, "dialogs_estimate", w->partners[i].n);
        json_push(a, partners, p);
    }
    json_set(a, o, "machines", list);
    json_set_int(a, o, "dialogs_estimate", dialogs_of(w, machines));
    json_set(a, o, "partners", partners);
    json_set_bool(a, o, "drained", outcomes[how].over);
    json_set_string(a, o, "outcome", slice_str(outcomes[how].id));
    json_set_string(a, o, "text", slice_str(outcomes[how].text));
    if (published)
        json_set(a, o, "published", (struct json_value *)(uintptr_t)published);
    call_print_json(w->v, o);
}

static int conclude(struct drained *w, enum outcome how)
{
    struct invocation *v = w->v;
    bool wait = option_given(v, OPTION_WAIT);
    if (!outcomes[how].over && wait)
        return call_fail(
            v, "service.not-drained",
            "%s: entente service stop ends it nevertheless, entente service start takes the drain back",
            outcomes[how].text);
    if (option_given(v, OPTION_JSON))
        return EXIT_DONE;
    if (outcomes[how].over)
        fprintf(v->out, "nothing is under way (%s): entente service stop %s\n", outcomes[how].text,
                v->arguments[0]);
    else
        fprintf(v->out, "%s; --wait waits for their end\n", outcomes[how].text);
    return EXIT_DONE;
}

bool drain_began(struct invocation *v)
{
    struct drained w = {.v = v};
    struct answer answer;
    if (find_machines(&w) || replication_ask(v, &answer))
        return false;
    for (size_t i = 0; i < w.n; i++) {
        const struct json_value *report = drain_machine(json_get(answer.json, "machines"), w.names[i]);
        if (!json_get_bool(report, "draining", false))
            return false;
    }
    return w.n > 0;
}

int drain_watch(struct invocation *v, const struct json_value *published)
{
    struct drained w = {.v = v, .live = {.out = v->out}, .on_terminal = wait_on_terminal(v->out)};
    int64_t until = wait_now() + (option_given(v, OPTION_WAIT) ? wait_limit(v, DRAIN_WAIT_MS) : 0);
    struct answer answer;
    int r = find_machines(&w);
    while (r == EXIT_DONE) {
        r = replication_ask(v, &answer);
        if (r)
            return r;
        const struct json_value *machines = json_get(answer.json, "machines");
        enum outcome how = judge(&w, machines);
        bool last = outcomes[how].over || wait_now() >= until;
        gather_partners(&w, machines);
        show(&w, machines, last);
        if (last && option_given(v, OPTION_JSON))
            show_json(&w, machines, how, published);
        if (last)
            return conclude(&w, how);
        wait_pause(DRAIN_LOOK_MS);
    }
    return r;
}
