/* Partners, as edits of the draft. */
#include "cmd/entente/table.h"
#include "cmd/entente/topology.h"

static struct slice partner_path(struct invocation *v, const char *below)
{
    return arena_printf(&v->arena, "partners/%s%s", v->arguments[0], below);
}

/* Adds the partner, or changes the one that is there. */
static int put_partner(struct invocation *v, const char *policy)
{
    struct slice edge = option_slice(v, OPTION_EDGE), assignments[3];
    struct answer answer;
    size_t n = 0;
    assignments[n++] = arena_printf(&v->arena, "domain=%s", v->arguments[0]);
    assignments[n++] = arena_printf(&v->arena, "policy=%s", policy);
    if (edge.n)
        assignments[n++] = arena_printf(&v->arena, "edge_fqdn=" SLICE_FMT, SLICE_ARG(edge));
    int r = draft_ask(v, DRAFT_ADD, draft_body_add(v, SLICE("partners"), assignments, n), &answer);
    if (r == EXIT_REFUSED && slice_eq(json_get_string(answer.json, "id"), SLICE("double-identity"))) {
        r = draft_ask(v, DRAFT_SET, draft_body_set(v, partner_path(v, "/policy"), slice_str(policy)),
                      &answer);
        if (r == EXIT_DONE && edge.n)
            r = draft_ask(v, DRAFT_SET, draft_body_set(v, partner_path(v, "/edge_fqdn"), edge), &answer);
    }
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

int cmd_partner_list(struct invocation *v)
{
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
