/* What this machine's daemon runs; what a Call-ID went through. */
#include "cmd/entente/call.h"
#include "cmd/entente/table.h"

#include <time.h>

static void line(struct invocation *v, const char *head, struct slice text)
{
    fprintf(v->out, "%-9s ", head);
    call_put(v->out, text.n ? text : SLICE("-"));
    fputc('\n', v->out);
}

/* {"access_edge":"serving","queue":3} as "access_edge serving, queue 3". */
static struct slice in_words(struct invocation *v, const struct json_value *object)
{
    struct buf text = {0};
    for (size_t i = 0; i < json_count(object) && object->kind == JSON_OBJECT; i++) {
        const struct json_member *m = &object->object.members[i];
        if (m->value->kind == JSON_NULL)
            continue;
        buf_printf(&text, "%s" SLICE_FMT " ", buf_len(&text) ? ", " : "", SLICE_ARG(m->name));
        if (m->value->kind == JSON_STRING)
            buf_append(&text, m->value->string);
        else
            json_write(m->value, false, &text);
    }
    struct slice s = arena_copy(&v->arena, buf_slice(&text));
    buf_fini(&text);
    return s;
}

static int metrics(struct invocation *v)
{
    struct answer answer;
    int r = call_ask(v, "GET", SLICE("/metrics"), NULL, &answer);
    if (r == EXIT_NO_DAEMON)
        return r;
    if (answer.status != 200)
        return call_refused(v, &answer);
    call_put(v->out, answer.text);
    return EXIT_DONE;
}

/* Addresses that were dialled of late, the bad ones first. */
static void destinations(struct invocation *v, const struct json_value *all)
{
    static const char *const heads[] = {"DESTINATION", "NAME",        "SIDE",       "STATE",
                                        "SINCE",       "CONNECTIONS", "LAST ERROR", NULL};
    struct table t;
    table_init(&t, &v->arena, heads);
    for (int good = 0; good < 2; good++)
        for (size_t i = 0; i < json_count(all); i++) {
            const struct json_value *o = json_at(all, i);
            if (slice_eq(json_get_string(o, "state"), SLICE("good")) != (good == 1))
                continue;
            table_cell(&t, arena_printf(&v->arena, SLICE_FMT " " SLICE_FMT,
                                        SLICE_ARG(json_get_string(o, "transport")),
                                        SLICE_ARG(json_get_string(o, "address"))));
            table_cell(&t, json_get_string(o, "name"));
            table_cell(&t, json_get_string(o, "side"));
            table_cell(&t, json_get_string(o, "state"));
            table_cell(&t, table_age(&v->arena, json_get_int(o, "since_ms", 0)));
            table_int(&t, json_get_int(o, "connections", 0));
            table_cell(&t, json_get_string(o, "error"));
        }
    table_print(&t, v->out, "no destinations");
    fputc('\n', v->out);
}

/* "3 current, 1 missing": what the Edge has of the lists that partners' certificates name. */
static void revocation(struct invocation *v, const struct json_value *lists)
{
    static const char *const states[] = {"current", "expired", "missing"};
    struct buf text = {0};
    if (!json_count(lists))
        return;
    for (size_t s = 0; s < sizeof(states) / sizeof(states[0]); s++) {
        int n = 0;
        for (size_t i = 0; i < json_count(lists); i++)
            n += slice_eq(json_get_string(json_at(lists, i), "state"), slice_str(states[s]));
        if (n)
            buf_printf(&text, "%s%d %s", buf_len(&text) ? ", " : "", n, states[s]);
    }
    buf_printf(&text, " (entente cert crl list)");
    line(v, "crls", buf_slice(&text));
    buf_fini(&text);
}

int cmd_status(struct invocation *v)
{
    static const char *const heads[] = {"COUNTER", "VALUE", NULL};
    struct answer answer;
    struct table t;
    if (option_given(v, OPTION_METRICS))
        return metrics(v);
    int r = call_api(v, "GET", SLICE("/v1/status"), NULL, &answer);
    if (r || call_json(v, &answer))
        return r;
    const struct json_value *counters = json_get(answer.json, "counters");
    line(v, "machine", json_get_string(answer.json, "machine"));
    line(v, "revision", arena_printf(&v->arena, "%lld", (long long)json_get_int(answer.json, "revision", 0)));
    line(v, "version", json_get_string(answer.json, "version"));
    line(v, "up", table_age(&v->arena, json_get_int(answer.json, "uptime_ms", 0)));
    line(
        v, "memory",
        arena_printf(&v->arena, "%lld KiB", (long long)json_get_int(answer.json, "memory_in_use", 0) / 1024));
    line(v, "services", in_words(v, json_get(answer.json, "services")));
    line(v, "load", in_words(v, json_get(answer.json, "load")));
    revocation(v, json_get(answer.json, "revocation"));
    fputc('\n', v->out);
    destinations(v, json_get(answer.json, "destinations"));
    table_init(&t, &v->arena, heads);
    for (size_t i = 0; i < json_count(counters) && counters->kind == JSON_OBJECT; i++) {
        table_cell(&t, counters->object.members[i].name);
        table_int(&t, counters->object.members[i].value->integer);
    }
    table_print(&t, v->out, "no counters");
    return EXIT_DONE;
}

/* --- trace --- */
static struct slice clock_text(struct invocation *v, int64_t us)
{
    struct tm tm;
    char text[32];
    time_t seconds = us / 1000000;
    localtime_r(&seconds, &tm);
    strftime(text, sizeof(text), "%H:%M:%S", &tm);
    return arena_printf(&v->arena, "%s.%06d", text, (int)(us % 1000000));
}

static struct slice short_name(struct slice fqdn)
{
    struct slice head, rest;
    return slice_cut(fqdn, '.', &head, &rest) ? head : fqdn;
}

static void print_event(struct invocation *v, const struct json_value *e, struct slice machine)
{
    struct slice at = json_get(e, "machine") ? json_get_string(e, "machine") : machine;
    int64_t status = json_get_int(e, "status", 0);
    fprintf(v->out, SLICE_FMT "  ", SLICE_ARG(clock_text(v, json_get_int(e, "time_us", 0))));
    call_put(v->out, arena_printf(&v->arena, "%-12.*s %-15.*s ", SLICE_ARG(short_name(at)),
                                  SLICE_ARG(json_get_string(e, "event"))));
    call_put(v->out, json_get_string(e, "method"));
    if (status)
        fprintf(v->out, " %lld", (long long)status);
    if (json_get(e, "peer")) {
        fputs("  ", v->out);
        call_put(v->out, json_get_string(e, "peer"));
    }
    if (json_get(e, "note")) {
        fputs("  ", v->out);
        call_put(v->out, json_get_string(e, "note"));
    }
    fputc('\n', v->out);
}

/* Who did not answer, who tells more than is shown, whose clock is apart. How many did not answer. */
static size_t print_machines(struct invocation *v, const struct json_value *machines)
{
    size_t silent = 0;
    for (size_t i = 0; i < json_count(machines); i++) {
        const struct json_value *m = json_at(machines, i);
        struct slice fqdn = json_get_string(m, "fqdn");
        long long ahead = (long long)json_get_int(m, "clock_ahead_ms", 0);
        if (!json_get_bool(m, "answered", false)) {
            silent++;
            call_put(v->err,
                     arena_printf(&v->arena,
                                  "entente: " SLICE_FMT " does not answer: " SLICE_FMT ": " SLICE_FMT "\n",
                                  SLICE_ARG(fqdn), SLICE_ARG(json_get_string(m, "id")),
                                  SLICE_ARG(json_get_string(m, "text"))));
        }
        if (ahead)
            call_put(v->err,
                     arena_printf(
                         &v->arena,
                         "entente: the clock of " SLICE_FMT
                         " is %lld ms %s central's (give or take %lld); its times are shown by central's\n",
                         SLICE_ARG(fqdn), ahead < 0 ? -ahead : ahead, ahead < 0 ? "behind" : "ahead of",
                         (long long)json_get_int(m, "clock_unsure_ms", 0)));
        if (json_get_bool(m, "more", false))
            call_put(v->err, arena_printf(&v->arena,
                                          "entente: " SLICE_FMT " knows more of this Call-ID than is shown\n",
                                          SLICE_ARG(fqdn)));
    }
    return silent;
}

int cmd_trace(struct invocation *v)
{
    struct answer answer;
    struct slice path = call_query(v, SLICE("/v1/trace"), "call_id", argument(v, 0));
    int r =
        call_api(v, "GET", call_query(v, path, "machine", option_slice(v, OPTION_MACHINE)), NULL, &answer);
    if (r)
        return r;
    const struct json_value *events = json_get(answer.json, "events");
    if (call_json(v, &answer))
        return json_count(events) ? EXIT_DONE : EXIT_REFUSED;
    struct slice machine = json_get_string(answer.json, "machine");
    for (size_t i = 0; i < json_count(events); i++)
        print_event(v, json_at(events, i), machine);
    fflush(v->out);
    size_t silent = print_machines(v, json_get(answer.json, "machines"));
    if (json_count(events) == 0)
        return call_fail(v, "trace.nothing", "%s of Call-ID '%s'",
                         machine.n ? "this machine remembers nothing"
                         : silent  ? "no machine that answers remembers anything"
                                   : "no machine remembers anything",
                         v->arguments[0]);
    return EXIT_DONE;
}
