/* Partners, as edits of the draft. */
#include "cmd/entente/replication.h"
#include "cmd/entente/table.h"
#include "cmd/entente/topology.h"

static struct slice partner_path(struct invocation *v, const char *below)
{
    return arena_printf(&v->arena, "partners/%s%s", v->arguments[0], below);
}

/* Options that are properties of a partner. */
static const struct {
    unsigned option;
    const char *property;
} settings[] = {
    {OPTION_EDGE,    "edge_fqdn"},
    {OPTION_TRUST,   "trust"    },
    {OPTION_PIN_KEY, "pin_key"  },
};
enum { N_SETTINGS = sizeof(settings) / sizeof(settings[0]) };

static int change_partner(struct invocation *v, const char *policy, struct answer *answer)
{
    int r = draft_ask(v, DRAFT_SET, draft_body_set(v, partner_path(v, "/policy"), slice_str(policy)), answer);
    for (size_t i = 0; r == EXIT_DONE && i < N_SETTINGS; i++) {
        struct slice value = option_slice(v, settings[i].option);
        const char *below = arena_printf(&v->arena, "/%s", settings[i].property).p;
        if (value.n)
            r = draft_ask(v, DRAFT_SET, draft_body_set(v, partner_path(v, below), value), answer);
    }
    return r;
}

/* Adds the partner, or changes the one that is there. */
static int put_partner(struct invocation *v, const char *policy)
{
    struct slice assignments[2 + N_SETTINGS];
    struct answer answer;
    size_t n = 0;
    assignments[n++] = arena_printf(&v->arena, "domain=%s", v->arguments[0]);
    assignments[n++] = arena_printf(&v->arena, "policy=%s", policy);
    for (size_t i = 0; i < N_SETTINGS; i++) {
        struct slice value = option_slice(v, settings[i].option);
        if (value.n)
            assignments[n++] =
                arena_printf(&v->arena, "%s=" SLICE_FMT, settings[i].property, SLICE_ARG(value));
    }
    int r = draft_ask(v, DRAFT_ADD, draft_body_add(v, SLICE("partners"), assignments, n), &answer);
    if (r == EXIT_REFUSED && slice_eq(json_get_string(answer.json, "id"), SLICE("double-identity")))
        r = change_partner(v, policy, &answer);
    if (r == EXIT_REFUSED)
        return call_refused(v, &answer);
    if (r || call_json(v, &answer))
        return r;
    call_findings(v->err, json_get(answer.json, "findings"));
    fprintf(v->out, "%s is %s in the draft\n", v->arguments[0], policy);
    return EXIT_DONE;
}

int cmd_partner_allow(struct invocation *v)
{
    return put_partner(v, "allowed");
}

int cmd_partner_block(struct invocation *v)
{
    return put_partner(v, "blocked");
}

int cmd_partner_remove(struct invocation *v)
{
    struct json_value *body = json_object(&v->arena);
    json_set_string(&v->arena, body, "path", partner_path(v, ""));
    return draft_change(v, DRAFT_REMOVE, body);
}

/* --- the watch list --- */
static void watched_row(struct invocation *v, struct table *t, struct slice machine,
                        const struct json_value *w)
{
    table_cell(t, json_get_string(w, "domain"));
    table_cell(t, table_time(&v->arena, json_get_int(w, "since_ms", 0)));
    table_cell(t, json_get_bool(w, "suspicious", false) ? SLICE("failures, slowed down")
                                                        : json_get_string(w, "why"));
    table_int(t, json_get_int(w, "messages", 0));
    table_int(t, json_get_int(w, "refused", 0));
    table_int(t, json_get_int(w, "addresses", 0));
    table_cell(t, arena_printf(&v->arena, "%lld of %lld", (long long)json_get_int(w, "failures", 0),
                               (long long)json_get_int(w, "answers", 0)));
    table_int(t, json_get_int(w, "connections", 0));
    table_cell(t, machine);
}

static struct json_value *watched_json(struct invocation *v, struct slice machine,
                                       const struct json_value *watched, struct json_value *to)
{
    for (size_t i = 0; i < json_count(watched); i++) {
        struct json_value *row = json_at(watched, i);
        json_set_string(&v->arena, row, "machine", machine);
        json_push(&v->arena, to, row);
    }
    return to;
}

/* Machines that could not be asked are named: what they watch is not known. */
static struct json_value *watched_everywhere(struct invocation *v, const struct json_value *machines)
{
    struct json_value *rows = json_array(&v->arena);
    for (size_t i = 0; i < json_count(machines); i++) {
        const struct json_value *m = json_at(machines, i);
        struct slice fqdn = json_get_string(m, "fqdn"), why = replication_why(v, m);
        if (why.n)
            fprintf(v->err, "entente: " SLICE_FMT " was not asked: " SLICE_FMT "\n", SLICE_ARG(fqdn),
                    SLICE_ARG(why));
        watched_json(v, fqdn, json_get(json_get(m, "report"), "watched"), rows);
    }
    return rows;
}

static int list_watched(struct invocation *v)
{
    static const char *const heads[] = {"DOMAIN",    "SINCE",    "WHY",         "MESSAGES", "REFUSED",
                                        "ADDRESSES", "FAILURES", "CONNECTIONS", "MACHINE",  NULL};
    struct answer answer;
    struct json_value *rows;
    struct table t;
    int r = call_api(v, "GET", SLICE("/v1/status"), NULL, &answer);
    if (r)
        return r;
    if (json_get(json_get(answer.json, "services"), "central")) {
        r = replication_ask(v, &answer);
        if (r)
            return r;
        rows = watched_everywhere(v, json_get(answer.json, "machines"));
    } else {
        rows = watched_json(v, json_get_string(answer.json, "machine"), json_get(answer.json, "watched"),
                            json_array(&v->arena));
    }
    if (option_given(v, OPTION_JSON)) {
        call_print_json(v, rows);
        return EXIT_DONE;
    }
    table_init(&t, &v->arena, heads);
    for (size_t i = 0; i < json_count(rows); i++)
        watched_row(v, &t, json_get_string(json_at(rows, i), "machine"), json_at(rows, i));
    table_print(&t, v->out, "no partner is watched");
    if (json_count(rows))
        fputs("\none that is known is let go by entente partner allow DOMAIN, then entente publish\n",
              v->out);
    return EXIT_DONE;
}

int cmd_partner_list(struct invocation *v)
{
    if (option_given(v, OPTION_WATCH))
        return list_watched(v);
    static const char *const heads[] = {"DOMAIN", "POLICY", "EDGE", "PROVIDER", "COMMENT", NULL};
    struct json_value *list = NULL;
    struct table t;
    int r = draft_get(v, SLICE("partners"), &list);
    if (r)
        return r;
    if (option_given(v, OPTION_JSON)) {
        call_print_json(v, list ? list : json_array(&v->arena));
        return EXIT_DONE;
    }
    table_init(&t, &v->arena, heads);
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json_value *p = json_at(list, i);
        struct slice policy = json_get_string(p, "policy");
        table_cell(&t, json_get_string(p, "domain"));
        table_cell(&t, policy.n ? policy : SLICE("allowed")); /* the default is left out */
        table_cell(&t, json_get_string(p, "edge_fqdn"));
        table_cell(&t, json_get_string(p, "provider"));
        table_cell(&t, json_get_string(p, "comment"));
    }
    table_print(&t, v->out, "no partners");
    return EXIT_DONE;
}
