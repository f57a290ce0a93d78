/* What there is of certificates and what is needed; the roots of partners. */
#include "cmd/entente/call.h"
#include "cmd/entente/file.h"
#include "cmd/entente/table.h"

/* --- list, required --- */
static void cell_rest(struct invocation *v, struct table *t, const struct json_value *c)
{
    table_cell(t, table_time(&v->arena, json_get_int(c, "not_after_ms", 0)));
    table_cell(t, arena_printf(&v->arena, "%lld", (long long)json_get_int(c, "days_left", 0)));
    table_cell(t, json_get_string(c, "key"));
    table_cell(t, call_list(v, json_get(c, "names")));
}

/* "next, from 2026-12-01 08:00" */
static struct slice in_which_state(struct invocation *v, const struct json_value *c)
{
    struct slice state = json_get_string(c, "state");
    bool next = slice_eq(state, SLICE("next")), previous = slice_eq(state, SLICE("previous"));
    int64_t time = json_get_int(c, next ? "from_ms" : "until_ms", 0);
    if (!time || !(next || previous))
        return state;
    return arena_printf(&v->arena, SLICE_FMT ", %s " SLICE_FMT, SLICE_ARG(state),
                        next ? "from" : "verifies until", SLICE_ARG(table_time(&v->arena, time)));
}

/* Where the private key is: machines that hold it, or central management. */
static struct slice kept_where(struct invocation *v, const struct json_value *c)
{
    const struct json_value *on = json_get(c, "held_by");
    if (!json_get_string(c, "key_id").n)
        return SLICE("central");
    return json_count(on) ? call_list(v, on) : SLICE("not heard");
}

static void list_in_use(struct invocation *v, const struct json_value *list)
{
    static const char *const heads[] = {"POOL", "USE",   "STATE",  "UNTIL", "DAYS",
                                        "KEY",  "NAMES", "KEY ON", NULL};
    struct table t;
    table_init(&t, &v->arena, heads);
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json_value *c = json_at(list, i);
        struct slice use = json_get_string(c, "use");
        table_cell(&t, json_get_string(c, "pool"));
        table_cell(&t, json_get_bool(c, "served", true)
                           ? use
                           : arena_printf(&v->arena, SLICE_FMT " (not presented yet)", SLICE_ARG(use)));
        table_cell(&t, in_which_state(v, c));
        cell_rest(v, &t, c);
        table_cell(&t, kept_where(v, c));
    }
    table_print(&t, v->out, "no external certificates");
}

static void list_kept(struct invocation *v, const struct json_value *list)
{
    static const char *const heads[] = {"KEPT AS", "IN USE", "UNTIL", "DAYS", "KEY", "NAMES", "KEY ON", NULL};
    struct table t;
    if (!json_count(list))
        return;
    table_init(&t, &v->arena, heads);
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json_value *c = json_at(list, i);
        table_cell(&t, json_get_string(c, "name"));
        table_cell(&t, call_list(v, json_get(c, "in_use")));
        cell_rest(v, &t, c);
        table_cell(&t, kept_where(v, c));
    }
    fputc('\n', v->out);
    table_print(&t, v->out, "");
}

static void list_machines(struct invocation *v, const struct json_value *list)
{
    static const char *const heads[] = {"MACHINE", "UNTIL", "DAYS", "KEY", "NAMES", NULL};
    struct table t;
    table_init(&t, &v->arena, heads);
    for (size_t i = 0; i < json_count(list); i++) {
        table_cell(&t, json_get_string(json_at(list, i), "machine"));
        cell_rest(v, &t, json_at(list, i));
    }
    fputc('\n', v->out);
    table_print(&t, v->out, "no machine has a certificate yet");
}

static void list_pending(struct invocation *v, const struct json_value *list)
{
    static const char *const heads[] = {"REQUEST OF", "MADE", "KEY ON", NULL};
    struct table t;
    if (!json_count(list))
        return;
    table_init(&t, &v->arena, heads);
    for (size_t i = 0; i < json_count(list); i++) {
        table_cell(&t, json_get_string(json_at(list, i), "pool"));
        table_cell(&t, table_time(&v->arena, json_get_int(json_at(list, i), "made_ms", 0)));
        struct slice machine = json_get_string(json_at(list, i), "machine");
        table_cell(&t, machine.n ? machine : SLICE("central"));
    }
    fputc('\n', v->out);
    table_print(&t, v->out, "");
}

int cmd_cert_list(struct invocation *v)
{
    struct answer answer;
    int r = call_api(v, "GET", SLICE("/v1/certificates"), NULL, &answer);
    if (r || call_json(v, &answer))
        return r;
    list_in_use(v, json_get(answer.json, "certificates"));
    list_kept(v, json_get(answer.json, "kept"));
    list_machines(v, json_get(answer.json, "machines"));
    list_pending(v, json_get(answer.json, "pending"));
    return EXIT_DONE;
}

int cmd_cert_required(struct invocation *v)
{
    static const char *const heads[] = {"POOL OR MACHINE", "USE", "STATE", "NAMES", "BETTER WITH", NULL};
    struct answer answer;
    struct table t;
    struct slice path = call_query(v, SLICE("/v1/certificates/required"), "owner", argument(v, 0));
    path = call_query(v, path, "use", option_slice(v, OPTION_USE));
    int r = call_api(v, "GET", path, NULL, &answer);
    if (r || call_json(v, &answer))
        return r;
    const struct json_value *list = json_get(answer.json, "required");
    table_init(&t, &v->arena, heads);
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json_value *c = json_at(list, i);
        table_cell(&t, json_get_string(c, "owner"));
        table_cell(&t, json_get_string(c, "use"));
        table_cell(&t,
                   json_get_bool(c, "served", true) ? json_get_string(c, "state") : SLICE("no service yet"));
        table_cell(&t, call_list(v, json_get(c, "names")));
        table_cell(&t, call_list(v, json_get(c, "advised")));
    }
    table_print(&t, v->out, "nothing needs a certificate there yet");
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json_value *c = json_at(list, i), *findings = json_get(c, "findings");
        if (json_count(findings))
            fprintf(v->out, "\n" SLICE_FMT ", " SLICE_FMT ":\n", SLICE_ARG(json_get_string(c, "owner")),
                    SLICE_ARG(json_get_string(c, "use")));
        call_findings(v->out, findings);
    }
    return EXIT_DONE;
}

/* --- the roots of partners --- */
static void say_added(struct invocation *v, const struct answer *answer)
{
    int64_t n = json_get_int(answer->json, "added", 0);
    call_findings(v->err, json_get(answer->json, "findings"));
    fprintf(v->out, n ? "%lld added\n" : "nothing added: it is there already\n", (long long)n);
}

int cmd_cert_trust_add(struct invocation *v)
{
    struct buf pem = {0};
    struct json_value *body = json_object(&v->arena);
    struct answer answer;
    int r = file_read(v, v->arguments[0], &pem);
    struct slice text = file_pem(buf_slice(&pem));
    if (r == EXIT_DONE && !text.n)
        r = call_fail(v, "file.no-pem",
                      "%s holds no certificate in PEM form: openssl x509 -inform DER makes it",
                      v->arguments[0]);
    if (r == EXIT_DONE)
        json_set_string(&v->arena, body, "pem", text);
    buf_fini(&pem);
    if (option_given(v, OPTION_NAME))
        json_set_string(&v->arena, body, "name", option_slice(v, OPTION_NAME));
    if (r == EXIT_DONE)
        r = call_api(v, "POST", SLICE("/v1/trust"), body, &answer);
    if (r == EXIT_DONE && !call_json(v, &answer))
        say_added(v, &answer);
    return r;
}

int cmd_cert_trust_remove(struct invocation *v)
{
    struct json_value *body = json_object(&v->arena);
    struct answer answer;
    if (v->arguments[0])
        json_set_string(&v->arena, body, "fingerprint", argument(v, 0));
    if (option_given(v, OPTION_NAME))
        json_set_string(&v->arena, body, "name", option_slice(v, OPTION_NAME));
    int r = call_api(v, "POST", SLICE("/v1/trust/remove"), body, &answer);
    if (r == EXIT_DONE && !call_json(v, &answer))
        fprintf(v->out, SLICE_FMT " is no root any more%s\n",
                SLICE_ARG(json_get_string(answer.json, "removed")),
                json_get_bool(answer.json, "last", false) ? ": those of the system count" : "");
    return r;
}

int cmd_cert_trust_list(struct invocation *v)
{
    enum { FINGERPRINT_SHOWN = 16 };
    static const char *const heads[] = {"FINGERPRINT", "FOR", "UNTIL", "CERTIFICATE", NULL};
    struct answer answer;
    struct table t;
    int r = call_api(v, "GET", SLICE("/v1/trust"), NULL, &answer);
    if (r || call_json(v, &answer))
        return r;
    const struct json_value *list = json_get(answer.json, "trust");
    table_init(&t, &v->arena, heads);
    for (size_t i = 0; i < json_count(list); i++) {
        struct slice name = json_get_string(json_at(list, i), "name");
        table_cell(&t, slice_head(json_get_string(json_at(list, i), "fingerprint"), FINGERPRINT_SHOWN));
        table_cell(&t, name.n ? name : SLICE("all partners"));
        table_cell(&t, table_time(&v->arena, json_get_int(json_at(list, i), "not_after_ms", 0)));
        table_cell(&t, json_get_string(json_at(list, i), "certificate"));
    }
    table_print(&t, v->out, "none added: the roots of the system count");
    return EXIT_DONE;
}
