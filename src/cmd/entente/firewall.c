/* Ports that machines need open. */
#include "cmd/entente/call.h"
#include "cmd/entente/file.h"
#include "cmd/entente/table.h"

static struct slice port_text(struct arena *a, const struct json_value *r)
{
    int64_t port = json_get_int(r, "port", 0), end = json_get_int(r, "port_end", 0);
    return end == port ? arena_printf(a, "%lld", (long long)port)
                       : arena_printf(a, "%lld-%lld", (long long)port, (long long)end);
}

static struct slice list_text(struct arena *a, const struct json_value *list, struct slice otherwise)
{
    struct buf out = {0};
    for (size_t i = 0; i < json_count(list); i++)
        buf_printf(&out, "%s" SLICE_FMT, i ? "," : "", SLICE_ARG(json_at(list, i)->string));
    struct slice text = json_count(list) ? arena_copy(a, buf_slice(&out)) : otherwise;
    buf_fini(&out);
    return text;
}

static void put_rule(struct table *t, struct arena *a, struct slice machine, const struct json_value *r)
{
    bool in = slice_eq(json_get_string(r, "direction"), SLICE("in"));
    struct slice ours = list_text(a, json_get(r, "addresses"), SLICE("machine")),
                 theirs = json_get_string(r, "peers"), use = json_get_string(r, "use");
    table_cell(t, machine);
    table_cell(t, json_get_string(r, "side"));
    table_cell(t, json_get_string(r, "direction"));
    table_cell(t, json_get_string(r, "proto"));
    table_cell(t, port_text(a, r));
    table_cell(t, in ? theirs : ours);
    table_cell(t, in ? ours : theirs);
    table_cell(t, json_get_bool(r, "served", true)
                      ? use
                      : arena_printf(a, SLICE_FMT " (not served yet)", SLICE_ARG(use)));
}

static int show_table(struct invocation *v, const struct answer *answer)
{
    static const char *const heads[] = {"MACHINE", "SIDE", "DIR", "PROTO", "PORT", "FROM", "TO", "USE", NULL};
    const struct json_value *machines = json_get(answer->json, "machines");
    struct table t;
    table_init(&t, &v->arena, heads);
    for (size_t i = 0; i < json_count(machines); i++) {
        const struct json_value *m = json_at(machines, i), *rules = json_get(m, "rules");
        for (size_t k = 0; k < json_count(rules); k++)
            put_rule(&t, &v->arena, json_get_string(m, "fqdn"), json_at(rules, k));
    }
    table_print(&t, v->out, "no machines");
    return EXIT_DONE;
}

int cmd_firewall_rules(struct invocation *v)
{
    struct slice format = option_slice(v, OPTION_FORMAT), path = SLICE("/v1/firewall");
    struct answer answer;
    bool nft = slice_eq(format, SLICE("nft"));
    if (option_given(v, OPTION_OUTPUT) && !nft)
        return call_fail(v, "firewall.output", "a file is written of the ruleset alone: --format nft");
    path = call_query(v, path, "machine", argument(v, 0));
    path = call_query(v, path, "draft", option_given(v, OPTION_DRAFT) ? SLICE("1") : SLICE_NONE);
    if (nft)
        path = call_query(v, path, "format", format);
    int r = call_api(v, "GET", path, NULL, &answer);
    if (r)
        return r;
    if (nft && !option_given(v, OPTION_JSON)) {
        struct slice text = json_get_string(answer.json, "text");
        if (option_given(v, OPTION_OUTPUT))
            return file_write(v, v->options[OPTION_OUTPUT], text, 0644);
        fwrite(text.p, 1, text.n, v->out);
        return EXIT_DONE;
    }
    if (slice_eq(format, SLICE("json"))) {
        call_print_json(v, answer.json);
        return EXIT_DONE;
    }
    return call_json(v, &answer) ? EXIT_DONE : show_table(v, &answer);
}
