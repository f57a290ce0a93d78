#include "cmd/entente/topology.h"

#include "cmd/entente/edit.h"
#include "cmd/entente/file.h"
#include "cmd/entente/table.h"
#include "cmd/entente/wait.h"
#include "kept/topology/descriptor.h"
#include "kept/topology/explain.h"

/* --- the draft --- */
struct json_value *draft_body_set(struct invocation *v, struct slice path, struct slice value)
{
    struct json_value *body = json_object(&v->arena);
    json_set_string(&v->arena, body, "path", path);
    json_set_string(&v->arena, body, "value", value);
    return body;
}

struct json_value *draft_body_add(struct invocation *v, struct slice path, const struct slice *assignments,
                                  size_t n)
{
    struct json_value *body = json_object(&v->arena), *list = json_array(&v->arena);
    for (size_t i = 0; i < n; i++)
        json_push(&v->arena, list, json_string(&v->arena, assignments[i]));
    json_set_string(&v->arena, body, "path", path);
    json_set(&v->arena, body, "assignments", list);
    return body;
}

int draft_ask(struct invocation *v, enum draft_change change, struct json_value *body, struct answer *ret)
{
    static const struct slice paths[] = {[DRAFT_SET] = SLICE_INIT("/v1/draft/set"),
                                         [DRAFT_ADD] = SLICE_INIT("/v1/draft/add"),
                                         [DRAFT_REMOVE] = SLICE_INIT("/v1/draft/remove")};
    json_set_string(&v->arena, body, "author", wait_author(v));
    int r = call_ask(v, "POST", paths[change], body, ret);
    const struct json_value *before = r == EXIT_DONE ? json_get(ret->json, "before") : NULL;
    if (before && !option_given(v, OPTION_JSON)) {
        edit_say_theirs(v, before);
        fputs("this change is on top of it; entente topology diff shows both\n", v->err);
    }
    return r;
}

static int draft_changed(struct invocation *v, int r, const struct answer *answer)
{
    if (r == EXIT_REFUSED) {
        edit_say_theirs(v, json_get(answer->json, "theirs"));
        return call_refused(v, answer);
    }
    if (r || call_json(v, answer))
        return r;
    call_findings(v->err, json_get(answer->json, "findings"));
    return EXIT_DONE;
}

int draft_change(struct invocation *v, enum draft_change change, struct json_value *body)
{
    struct answer answer;
    int r = draft_ask(v, change, body, &answer);
    return draft_changed(v, r, &answer);
}

int draft_get(struct invocation *v, struct slice path, struct json_value **ret)
{
    struct answer answer;
    struct slice url = call_query(v, SLICE("/v1/draft?format=json"), "path", path);
    int r = call_ask(v, "GET", url, NULL, &answer);
    if (r == EXIT_REFUSED && answer.status != 404)
        return call_refused(v, &answer);
    if (r == EXIT_NO_DAEMON)
        return r;
    *ret = r == EXIT_DONE ? json_get(answer.json, "document") : NULL;
    return EXIT_DONE;
}

int cmd_topology_set(struct invocation *v)
{
    return draft_change(v, DRAFT_SET, draft_body_set(v, argument(v, 0), argument(v, 1)));
}

int cmd_topology_add(struct invocation *v)
{
    size_t n = v->n_arguments - 1;
    struct slice *assignments = ARENA_ARRAY(&v->arena, struct slice, n);
    for (size_t i = 0; i < n; i++) {
        assignments[i] = argument(v, i + 1);
        if (slice_find(assignments[i], '=') == SIZE_MAX) {
            fprintf(
                v->err,
                "entente: '%s' is not NAME=VALUE, as in domain=fabrikam.example; entente topology explain "
                "%s lists the names\n",
                v->arguments[i + 1], v->arguments[0]);
            return EXIT_WRONG_USAGE;
        }
    }
    return draft_change(v, DRAFT_ADD, draft_body_add(v, argument(v, 0), assignments, n));
}

int cmd_topology_remove(struct invocation *v)
{
    struct json_value *body = json_object(&v->arena);
    json_set_string(&v->arena, body, "path", argument(v, 0));
    return draft_change(v, DRAFT_REMOVE, body);
}

int cmd_topology_discard(struct invocation *v)
{
    struct answer answer;
    int r = call_api(v, "DELETE", SLICE("/v1/draft"), NULL, &answer);
    if (r == EXIT_DONE && !call_json(v, &answer))
        fputs("there is no draft any more\n", v->out);
    return r;
}

int cmd_topology_rebase(struct invocation *v)
{
    struct json_value *body = json_object(&v->arena);
    struct answer answer;
    if (option_given(v, OPTION_KEEP))
        json_set_string(&v->arena, body, "keep", option_slice(v, OPTION_KEEP));
    json_set_string(&v->arena, body, "author", wait_author(v));
    int r = call_api(v, "POST", SLICE("/v1/draft/rebase"), body, &answer);
    if (r || call_json(v, &answer))
        return r;
    int64_t base = json_get_int(answer.json, "base_revision", 0);
    if (!json_get(answer.json, "carried")) {
        fprintf(v->out, "the draft is on top of revision %lld, which is the newest\n", (long long)base);
        return EXIT_DONE;
    }
    call_findings(v->out, json_get(answer.json, "findings"));
    fprintf(
        v->out,
        "the draft is on top of revision %lld now, with %lld change(s) carried over: entente topology diff "
        "shows them\n",
        (long long)base, (long long)json_get_int(answer.json, "carried", 0));
    return EXIT_DONE;
}

/* What stands is replaced whole: not when it is another one's. Its version, which is to be replaced. */
static int draft_may_go(struct invocation *v, int64_t *ret_version)
{
    struct answer answer;
    int r = call_api(v, "GET", SLICE("/v1/draft?format=json"), NULL, &answer);
    if (r)
        return r;
    struct slice author = json_get_string(answer.json, "author");
    *ret_version = json_get_int(answer.json, "version", 0);
    if (!author.n || slice_eq(author, wait_author(v)))
        return EXIT_DONE;
    edit_say_theirs(v, answer.json);
    return call_fail(v, "draft.of-another",
                     "the draft of " SLICE_FMT
                     " would be lost: entente topology diff shows it, entente topology "
                     "discard drops it",
                     SLICE_ARG(author));
}

int cmd_topology_import(struct invocation *v)
{
    struct buf text = {0};
    struct answer answer;
    struct json_value *body = json_object(&v->arena);
    int64_t version;
    int r = file_read(v, v->arguments[0], &text);
    if (r == EXIT_DONE)
        r = draft_may_go(v, &version);
    if (r == EXIT_DONE) {
        json_set_string(&v->arena, body, "text", buf_slice(&text));
        json_set_string(&v->arena, body, "author", wait_author(v));
        json_set_int(&v->arena, body, "version", version);
        r = draft_changed(v, call_ask(v, "PUT", SLICE("/v1/draft"), body, &answer), &answer);
    }
    buf_fini(&text);
    return r;
}

/* --- documents --- */
/* The answer, and its document as text in the form that was asked for. */
static int document(struct invocation *v, struct slice path, struct answer *ret, struct buf *out)
{
    struct slice format = option_given(v, OPTION_FORMAT) ? option_slice(v, OPTION_FORMAT) : SLICE("yaml");
    bool as_tree = slice_eq(format, SLICE("tree"));
    struct slice url = call_query(v, SLICE("/v1/draft"), "path", path);
    int r = call_api(v, "GET", call_query(v, url, "format", as_tree ? SLICE("json") : format), NULL, ret);
    if (r)
        return r;
    const struct json_value *tree = json_get(ret->json, "document");
    if (tree && as_tree)
        topology_tree(path, tree, out);
    else if (tree)
        json_write(tree, true, out);
    else
        buf_append(out, json_get_string(ret->json, "text"));
    if (!slice_ends(buf_slice(out), SLICE("\n")))
        buf_append_char(out, '\n');
    return EXIT_DONE;
}

int cmd_topology_show(struct invocation *v)
{
    struct answer answer;
    struct buf text = {0};
    int r = document(v, argument(v, 0), &answer, &text);
    if (r == EXIT_DONE && !call_json(v, &answer)) {
        call_put(v->out, buf_slice(&text));
        if (json_get_bool(answer.json, "default", false))
            fputs("entente: it is not set; that is the default\n", v->err);
    }
    buf_fini(&text);
    return r;
}

int cmd_topology_export(struct invocation *v)
{
    struct answer answer;
    struct buf text = {0};
    const char *file = v->options[OPTION_OUTPUT];
    bool to_file = file && strcmp(file, "-") != 0;
    int r = document(v, SLICE_NONE, &answer, &text);
    if (r == EXIT_DONE && to_file)
        r = file_write(v, file, buf_slice(&text), 0644);
    if (r == EXIT_DONE && !call_json(v, &answer) && !to_file)
        fwrite(buf_slice(&text).p, 1, buf_len(&text), v->out);
    buf_fini(&text);
    return r;
}

/* --- checks, differences, revisions --- */
int cmd_topology_check(struct invocation *v)
{
    struct answer answer;
    int r = call_api(v, "GET", SLICE("/v1/check"), NULL, &answer);
    if (r)
        return r;
    int64_t errors = json_get_int(answer.json, "errors", 0),
            warnings = json_get_int(answer.json, "warnings", 0);
    if (!call_json(v, &answer)) {
        call_findings(v->out, json_get(answer.json, "findings"));
        fprintf(v->out, "%lld error%s, %lld warning%s in %s\n", (long long)errors, errors == 1 ? "" : "s",
                (long long)warnings, warnings == 1 ? "" : "s",
                json_get_bool(answer.json, "draft", false) ? "the draft" : "what is published");
    }
    return errors ? EXIT_REFUSED : EXIT_DONE;
}

int cmd_topology_diff(struct invocation *v)
{
    struct answer answer;
    struct slice url = call_query(v, SLICE("/v1/diff"), "from", argument(v, 0));
    bool patch = slice_eq(option_slice(v, OPTION_FORMAT), SLICE("patch"));
    if (patch)
        url = call_query(v, url, "format", SLICE("patch"));
    int r = call_api(v, "GET", call_query(v, url, "to", argument(v, 1)), NULL, &answer);
    if (r || call_json(v, &answer))
        return r;
    if (patch) {
        call_print_json(v, json_get(answer.json, "patch"));
        return EXIT_DONE;
    }
    struct slice text = json_get_string(answer.json, "text");
    call_put(v->out, text.n ? text : SLICE("no difference\n"));
    return EXIT_DONE;
}

/* The table knows without a daemon; the draft, when there is one to ask, adds the present value. */
int cmd_topology_explain(struct invocation *v)
{
    struct answer answer = {0};
    struct findings f = {0};
    struct buf text = {0};
    struct slice path = argument(v, 0);
    v->quiet = true;
    int r = call_ask(v, "GET", SLICE("/v1/draft?format=json"), NULL, &answer);
    const struct json_value *doc = r == EXIT_DONE ? json_get(answer.json, "document") : NULL;
    v->quiet = false;
    r = topology_explain(path, doc, EXPLAIN_TEXT, &text, &f);
    if (r < 0) {
        call_fail(v, f.n ? f.items[0].id : "unknown-path", SLICE_FMT,
                  SLICE_ARG(f.n ? f.items[0].text : SLICE("there is no such path")));
    } else if (option_given(v, OPTION_JSON)) {
        struct json_value *o = json_object(&v->arena);
        json_set_string(&v->arena, o, "path", path);
        json_set_string(&v->arena, o, "text", buf_slice(&text));
        call_print_json(v, o);
    } else {
        call_put(v->out, buf_slice(&text));
    }
    findings_fini(&f);
    buf_fini(&text);
    return r < 0 ? EXIT_REFUSED : EXIT_DONE;
}

int cmd_topology_schema(struct invocation *v)
{
    struct buf text = {0};
    topology_schema_write(&text);
    fwrite(buf_slice(&text).p, 1, buf_len(&text), v->out);
    buf_fini(&text);
    return EXIT_DONE;
}

int cmd_topology_history(struct invocation *v)
{
    static const char *const heads[] = {"REVISION", "TIME", "AUTHOR", "COMMENT", NULL};
    struct answer answer;
    struct table t;
    int r = call_api(v, "GET", SLICE("/v1/history"), NULL, &answer);
    if (r || call_json(v, &answer))
        return r;
    const struct json_value *revisions = json_get(answer.json, "revisions");
    table_init(&t, &v->arena, heads);
    for (size_t i = 0; i < json_count(revisions); i++) {
        const struct json_value *rev = json_at(revisions, i);
        table_int(&t, json_get_int(rev, "number", 0));
        table_cell(&t, table_time(&v->arena, json_get_int(rev, "time_ms", 0)));
        table_cell(&t, json_get_string(rev, "author"));
        table_cell(&t, json_get_string(rev, "comment"));
    }
    table_print(&t, v->out, "no revisions");
    return EXIT_DONE;
}
