/* Machines of the deployment; the bundle that brings a new one in. */
#include "cmd/entente/call.h"
#include "cmd/entente/file.h"
#include "cmd/entente/table.h"
#include "ground/base/mem.h"

int cmd_machine_list(struct invocation *v)
{
    static const char *const heads[] = {"MACHINE",           "ROLE", "POOL", "ADDRESS", "BUNDLE",
                                        "CERTIFICATE UNTIL", NULL};
    struct answer answer;
    struct table t;
    int r = call_api(v, "GET", SLICE("/v1/machines"), NULL, &answer);
    if (r || call_json(v, &answer))
        return r;
    const struct json_value *machines = json_get(answer.json, "machines");
    table_init(&t, &v->arena, heads);
    for (size_t i = 0; i < json_count(machines); i++) {
        const struct json_value *m = json_at(machines, i);
        struct slice role = json_get_string(m, "role");
        bool also = json_get_bool(m, "central", false) && !slice_eq(role, SLICE("central"));
        table_cell(&t, json_get_string(m, "fqdn"));
        table_cell(&t, also ? arena_printf(&v->arena, SLICE_FMT ", central", SLICE_ARG(role)) : role);
        table_cell(&t, json_get_string(m, "pool"));
        table_cell(&t, json_get_string(m, "address"));
        table_cell(&t, json_get_bool(m, "bundle_made", false) ? SLICE("made") : SLICE_NONE);
        table_cell(&t, table_time(&v->arena, json_get_int(m, "certificate_not_after_ms", 0)));
    }
    table_print(&t, v->out, "no managed machines");
    return EXIT_DONE;
}

int cmd_machine_bundle(struct invocation *v)
{
    struct answer answer;
    struct json_value *body = json_object(&v->arena);
    const char *file = v->options[OPTION_OUTPUT];
    json_set_string(&v->arena, body, "fqdn", argument(v, 0));
    int r = call_api(v, "POST", SLICE("/v1/machines/bundle"), body, &answer);
    if (r)
        return r;
    r = file_write(v, file, answer.text, 0600);
    mem_wipe((char *)answer.text.p, answer.text.n);
    if (r)
        return r;
    if (option_given(v, OPTION_JSON)) { /* never the bundle itself: it is secret */
        struct json_value *o = json_object(&v->arena);
        json_set_string(&v->arena, o, "fqdn", argument(v, 0));
        json_set_string(&v->arena, o, "file", slice_str(file));
        call_print_json(v, o);
        return EXIT_DONE;
    }
    fprintf(v->out,
            "%s holds what %s needs to join, with its first key: carry it there, run\n"
            "  entente machine join --state DIR FILE\nand delete it here\n",
            file, v->arguments[0]);
    return EXIT_DONE;
}
