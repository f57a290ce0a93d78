#include "cmd/entente/preview.h"

#include "cmd/entente/replication.h"
#include "cmd/entente/table.h"

enum { MACHINES_SHOWN = 20 };

int preview_ask(struct invocation *v, struct slice from, struct slice to, struct preview *ret)
{
    struct preview p = {0};
    struct slice url = call_query(v, call_query(v, SLICE("/v1/diff"), "from", from), "to", to);
    int r = call_api(v, "GET", SLICE("/v1/check"), NULL, &p.check);
    if (r == EXIT_DONE && !to.n && !json_get_bool(p.check.json, "draft", true))
        return call_fail(v, "publish.nothing", "there is no draft: nothing was changed");
    if (r == EXIT_DONE)
        r = call_api(v, "GET", url, NULL, &p.diff);
    if (r == EXIT_DONE)
        r = call_api(v, "GET", SLICE("/v1/replication"), NULL, &p.replication);
    if (r)
        return r;
    p.version = json_get_int(p.check.json, "version", 0);
    p.newest = json_get_int(p.replication.json, "revision", 0);
    p.errors = json_get_int(p.check.json, "errors", 0);
    p.warnings = json_get_int(p.check.json, "warnings", 0);
    *ret = p;
    return EXIT_DONE;
}

/* Those that run what is published are a number when there are many. */
static void show_machines(struct invocation *v, const struct preview *p, FILE *to)
{
    static const char *const heads[] = {"MACHINE", "REVISION", "STATE", "REASON", NULL};
    const struct json_value *machines = json_get(p->replication.json, "machines");
    size_t n = json_count(machines), left_out = 0;
    struct table t;
    table_init(&t, &v->arena, heads);
    for (size_t i = 0; i < n; i++) {
        const struct json_value *m = json_at(machines, i);
        if (n > MACHINES_SHOWN && json_get_bool(m, "current", false)) {
            left_out++;
            continue;
        }
        table_cell(&t, json_get_string(m, "fqdn"));
        table_int(&t, json_get_int(m, "revision", 0));
        table_cell(&t, json_get_string(m, "state"));
        table_cell(&t, replication_why(v, m));
    }
    fprintf(to, "Machines that get it: %zu\n\n", n);
    if (left_out < n)
        table_print(&t, to, "no managed machines");
    if (left_out)
        fprintf(to, "%zu machines run revision %lld\n", left_out, (long long)p->newest);
    fputc('\n', to);
}

void preview_show(struct invocation *v, const struct preview *p, bool with_findings, FILE *to)
{
    struct slice text = json_get_string(p->diff.json, "text");
    struct slice author = json_get_string(p->check.json, "author");
    fprintf(to, "Changes to revision %lld", (long long)p->newest);
    if (with_findings && author.n) {
        fputs(", last by ", to);
        call_put(to, author);
        fputs(" on ", to);
        call_put(to, table_time(&v->arena, json_get_int(p->check.json, "time_ms", 0)));
    }
    fputs(":\n\n", to);
    call_put(to, text.n ? text : SLICE("no difference\n"));
    fputc('\n', to);
    if (with_findings) {
        fprintf(to, "Findings: %lld error%s, %lld warning%s\n\n", (long long)p->errors,
                p->errors == 1 ? "" : "s", (long long)p->warnings, p->warnings == 1 ? "" : "s");
        call_findings(to, json_get(p->check.json, "findings"));
        fputs(p->errors + p->warnings ? "\n" : "", to);
    }
    show_machines(v, p, to);
}

struct json_value *preview_json(struct invocation *v, const struct preview *p)
{
    struct json_value *o = json_object(&v->arena);
    json_set_int(&v->arena, o, "revision", p->newest);
    json_set(&v->arena, o, "diff", p->diff.json);
    json_set(&v->arena, o, "check", p->check.json);
    json_set(&v->arena, o, "replication", p->replication.json);
    return o;
}
