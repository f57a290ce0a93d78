/* What this machine's daemon runs; what a Call-ID went through. */
#include "cmd/entente/call.h"
#include "cmd/entente/table.h"

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

int cmd_trace(struct invocation *v)
{
    struct answer answer;
    int r = call_api(v, "GET", call_query(v, SLICE("/v1/trace"), "call_id", argument(v, 0)), NULL, &answer);
    if (r || call_json(v, &answer))
        return r;
    struct slice lines = json_get_string(answer.json, "lines");
    if (lines.n == 0)
        return call_fail(v, "trace.nothing", "this machine remembers nothing of Call-ID '%s'",
                         v->arguments[0]);
    call_put(v->out, lines);
    if (!slice_ends(lines, SLICE("\n")))
        fputc('\n', v->out);
    return EXIT_DONE;
}
