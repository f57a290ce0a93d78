/* DNS: where updates go, the records that the topology implies, what servers say. */
#include "cmd/entente/call.h"
#include "cmd/entente/file.h"
#include "cmd/entente/table.h"
#include "cmd/entente/wait.h"
#include "ground/base/mem.h"

int cmd_dns_server(struct invocation *v)
{
    struct buf text = {0};
    struct slice key, rest;
    struct json_value *body = json_object(&v->arena), *zones = json_array(&v->arena), *secret;
    struct answer answer;
    int r = file_read(v, v->options[OPTION_KEY_FILE], &text);
    if (r)
        return r;
    if (!slice_cut(buf_slice(&text), '\n', &key, &rest))
        key = buf_slice(&text);
    secret = json_string(&v->arena, slice_trim(key));
    secret_fini(&text);
    for (size_t i = 1; i < v->n_arguments; i++)
        json_push(&v->arena, zones, json_string(&v->arena, argument(v, i)));
    json_set_string(&v->arena, body, "server", argument(v, 0));
    json_set(&v->arena, body, "zones", zones);
    json_set(&v->arena, body, "key", secret);
    r = call_api(v, "POST", SLICE("/v1/dns"), body, &answer);
    mem_wipe((char *)secret->string.p, secret->string.n);
    if (r == EXIT_DONE && !call_json(v, &answer))
        fprintf(v->out, "updates of %zu zones go to %s\n", v->n_arguments - 1, v->arguments[0]);
    return r;
}

/* --- records --- */
static struct slice with_side(struct invocation *v, struct slice path)
{
    path = call_query(v, path, "draft", option_given(v, OPTION_DRAFT) ? SLICE("1") : SLICE_NONE);
    return call_query(v, path, "side", option_slice(v, OPTION_SIDE));
}

static struct slice ttl_text(struct arena *a, const struct json_value *o, const char *member)
{
    int64_t ttl = json_get_int(o, member, 0);
    return ttl ? arena_printf(a, "%lld", (long long)ttl) : SLICE_NONE;
}

static void show_records(struct invocation *v, const struct json_value *records)
{
    static const char *const heads[] = {"SIDE", "NAME", "TTL", "TYPE", "DATA", "USE", NULL};
    struct table t;
    table_init(&t, &v->arena, heads);
    for (size_t i = 0; i < json_count(records); i++) {
        const struct json_value *r = json_at(records, i);
        bool optional = json_get_bool(r, "optional", false);
        table_cell(&t, json_get_string(r, "side"));
        table_cell(&t, json_get_string(r, "name"));
        table_cell(&t, ttl_text(&v->arena, r, "ttl"));
        table_cell(&t, json_get_string(r, "type"));
        table_cell(&t, json_get_string(r, "data"));
        table_cell(&t, arena_printf(&v->arena, "%s" SLICE_FMT, optional ? "(optional) " : "",
                                    SLICE_ARG(json_get_string(r, "use"))));
    }
    table_print(&t, v->out, "no records");
}

int cmd_dns_records(struct invocation *v)
{
    struct slice format = option_slice(v, OPTION_FORMAT);
    struct answer answer;
    bool zone = slice_eq(format, SLICE("zone")), json = slice_eq(format, SLICE("json"));
    struct slice path = with_side(v, SLICE("/v1/dns/records"));
    int r = call_api(v, "GET", zone ? call_query(v, path, "format", format) : path, NULL, &answer);
    if (r || call_json(v, &answer))
        return r;
    struct slice text = json_get_string(answer.json, "text");
    if (zone)
        fwrite(text.p, 1, text.n, v->out);
    else if (json)
        call_print_json(v, answer.json);
    else
        show_records(v, json_get(answer.json, "records"));
    return EXIT_DONE;
}

/* --- what servers say --- */
static void show_differences(struct invocation *v, const struct json_value *records)
{
    static const char *const heads[] = {"STATE", "NAME", "TYPE",   "WANTED", "TTL",
                                        "FOUND", "TTL",  "SERVER", "SEES",   NULL};
    struct table t;
    table_init(&t, &v->arena, heads);
    for (size_t i = 0; i < json_count(records); i++) {
        const struct json_value *r = json_at(records, i);
        table_cell(&t, json_get_string(r, "state"));
        table_cell(&t, json_get_string(r, "name"));
        table_cell(&t, json_get_string(r, "type"));
        table_cell(&t, json_get_string(r, "wanted"));
        table_cell(&t, ttl_text(&v->arena, r, "wanted_ttl"));
        table_cell(&t, json_get_string(r, "found"));
        table_cell(&t, ttl_text(&v->arena, r, "found_ttl"));
        struct slice view = json_get_string(r, "view");
        table_cell(&t, json_get_string(r, "server"));
        table_cell(&t, arena_printf(&v->arena, SLICE_FMT "%s%s", SLICE_ARG(view), view.n ? ", " : "",
                                    json_get_bool(r, "authoritative", false) ? "zone" : "resolver"));
    }
    table_print(&t, v->out, "nothing differs");
}

/* Servers that were not asked for all: true when there are any. */
static bool show_unasked(struct invocation *v, const struct json_value *servers)
{
    bool any = false;
    for (size_t i = 0; i < json_count(servers); i++) {
        const struct json_value *s = json_at(servers, i);
        int64_t unasked = json_get_int(s, "unasked", 0);
        if (!unasked)
            continue;
        any = true;
        fprintf(v->err, "entente: " SLICE_FMT " told nothing of %lld names: ",
                SLICE_ARG(json_get_string(s, "address")), (long long)unasked);
        call_put(v->err, json_get_string(s, "why"));
        fputs(" (dns.not-asked)\n", v->err);
    }
    return any;
}

int cmd_dns_check(struct invocation *v)
{
    struct answer answer;
    int r = call_api(v, "GET", with_side(v, SLICE("/v1/dns/check")), NULL, &answer);
    if (r)
        return r;
    int64_t differences = json_get_int(answer.json, "differences", 0);
    if (!call_json(v, &answer)) {
        show_differences(v, json_get(answer.json, "records"));
        fprintf(v->out, "\n%lld of %zu differ\n", (long long)differences,
                json_count(json_get(answer.json, "records")));
    }
    return show_unasked(v, json_get(answer.json, "servers")) || differences ? EXIT_REFUSED : EXIT_DONE;
}

/* --- setting them --- */
static struct json_value *apply_body(struct invocation *v, bool dry, struct json_value *sets)
{
    struct json_value *body = json_object(&v->arena);
    json_set_bool(&v->arena, body, "dry_run", dry);
    if (option_given(v, OPTION_SIDE))
        json_set_string(&v->arena, body, "side", option_slice(v, OPTION_SIDE));
    if (sets)
        json_set(&v->arena, body, "sets", sets);
    return body;
}

static int show_applied(struct invocation *v, const struct json_value *changes)
{
    size_t failed = 0;
    for (size_t i = 0; i < json_count(changes); i++) {
        const struct json_value *c = json_at(changes, i);
        struct slice error = json_get_string(c, "error");
        fprintf(error.n ? v->err : v->out, "%s " SLICE_FMT " " SLICE_FMT "%s" SLICE_FMT "\n",
                error.n ? "not set:" : "set:", SLICE_ARG(json_get_string(c, "name")),
                SLICE_ARG(json_get_string(c, "type")), error.n ? ": " : "", SLICE_ARG(error));
        failed += error.n > 0;
    }
    return failed ? call_fail(v, "dns.update", "%zu of %zu updates were refused", failed, json_count(changes))
                  : EXIT_DONE;
}

int cmd_dns_apply(struct invocation *v)
{
    struct answer answer;
    int r = call_api(v, "POST", SLICE("/v1/dns/apply"), apply_body(v, true, NULL), &answer);
    if (r)
        return r;
    struct json_value *changes = json_get(answer.json, "changes");
    bool silent = option_given(v, OPTION_JSON);
    if (!silent)
        show_differences(v, json_get(answer.json, "records"));
    if (show_unasked(v, json_get(answer.json, "servers")))
        return EXIT_REFUSED;
    if (json_count(changes) == 0) {
        call_json(v, &answer);
        return EXIT_DONE;
    }
    if (!option_given(v, OPTION_YES) && !wait_ask(v, "Set these records?"))
        return call_fail(v, "dns.not-confirmed", "nothing was changed; --yes does it without asking");
    r = call_api(v, "POST", SLICE("/v1/dns/apply"), apply_body(v, false, changes), &answer);
    if (r)
        return r;
    call_json(v, &answer);
    if (silent) {
        size_t failed = 0;
        changes = json_get(answer.json, "changes");
        for (size_t i = 0; i < json_count(changes); i++)
            failed += json_get_string(json_at(changes, i), "error").n > 0;
        return failed ? EXIT_REFUSED : EXIT_DONE;
    }
    return show_applied(v, json_get(answer.json, "changes"));
}
