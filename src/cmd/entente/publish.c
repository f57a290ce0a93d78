#include "cmd/entente/publish.h"

#include "cmd/entente/call.h"
#include "cmd/entente/edit.h"
#include "cmd/entente/preview.h"
#include "cmd/entente/replication.h"
#include "cmd/entente/wait.h"

#include <unistd.h>

static int refused_by_warnings(struct invocation *v, const struct answer *answer)
{
    edit_say_theirs(v, json_get(answer->json, "theirs"));
    if (!slice_eq(json_get_string(answer->json, "id"), SLICE("publish.warnings")))
        return call_refused(v, answer);
    if (!wait_on_terminal(v->err) || option_given(v, OPTION_JSON)) {
        int r = call_refused(v, answer);
        fputs("entente: --yes accepts warnings\n", v->err);
        return r;
    }
    call_findings(v->err, json_get(answer->json, "findings"));
    return wait_ask(v, "publish all the same?") ? EXIT_DONE
                                                : call_fail(v, "publish.warnings", "nothing was published");
}

/* Sent again when only warnings stand against it and somebody at the terminal accepts them. */
static int post(struct invocation *v, struct slice path, struct json_value *body, bool *ret_seen,
                struct answer *ret)
{
    struct arena *a = &v->arena;
    json_set_string(a, body, "author", wait_author(v));
    if (option_given(v, OPTION_MESSAGE))
        json_set_string(a, body, "comment", option_slice(v, OPTION_MESSAGE));
    if (!json_get(body, "accept_warnings")) /* the wizard showed them */
        json_set_bool(a, body, "accept_warnings", option_given(v, OPTION_YES));
    *ret_seen = json_get_bool(body, "accept_warnings", false) && !option_given(v, OPTION_YES);
    int r = call_ask(v, "POST", path, body, ret);
    if (r != EXIT_REFUSED)
        return r;
    r = refused_by_warnings(v, ret);
    if (r)
        return r;
    *ret_seen = true;
    json_set_bool(a, body, "accept_warnings", true);
    return call_api(v, "POST", path, body, ret);
}

int publish_send(struct invocation *v, struct slice path, struct json_value *body, bool always_wait)
{
    struct answer answer;
    struct json_value *replication = NULL;
    bool json = option_given(v, OPTION_JSON), seen = false;
    int r = post(v, path, body, &seen, &answer);
    if (r)
        return r;
    int64_t number = json_get_int(answer.json, "number", 0);
    if (!json) {
        if (!seen)
            call_findings(v->err, json_get(answer.json, "findings"));
        fprintf(v->out, "revision %lld is published\n", (long long)number);
        fflush(v->out);
    }
    if (always_wait || option_given(v, OPTION_WAIT))
        r = replication_wait(v, number, wait_limit(v, WAIT_DEFAULT_MS), &replication);
    if (json && replication)
        json_set(&v->arena, answer.json, "replication", replication);
    call_json(v, &answer);
    return r;
}

/* --- the wizard --- */
static bool wants_wizard(const struct invocation *v)
{
    return isatty(v->in) && wait_on_terminal(v->err) && !option_given(v, OPTION_YES) &&
           !option_given(v, OPTION_JSON);
}

static int too_many_errors(struct invocation *v, const struct preview *p)
{
    return call_fail(v, "publish.errors", "the checks found %lld error%s; nothing was published",
                     (long long)p->errors, p->errors == 1 ? "" : "s");
}

/* The reason, kept with the revision; then yes or no. */
static int confirm(struct invocation *v, const struct preview *p, struct json_value *body)
{
    struct slice why = option_given(v, OPTION_MESSAGE) ? SLICE_NONE : wait_line(v, "Why (for the history): ");
    struct slice question =
        arena_printf(&v->arena, "Publish this as revision %lld?", (long long)p->newest + 1);
    if (why.n)
        json_set_string(&v->arena, body, "comment", why);
    if (!wait_ask(v, arena_cstr(&v->arena, question)))
        return call_fail(v, "publish.declined", "nothing was published; the draft is as it was");
    return EXIT_DONE;
}

static int dry_run(struct invocation *v, const struct preview *p)
{
    if (option_given(v, OPTION_JSON))
        call_print_json(v, preview_json(v, p));
    else
        preview_show(v, p, true, v->out);
    if (p->errors)
        return too_many_errors(v, p);
    if (!option_given(v, OPTION_JSON))
        fputs("Nothing was published (--dry-run).\n", v->out);
    return EXIT_DONE;
}

int cmd_publish(struct invocation *v)
{
    struct preview p;
    struct json_value *body = json_object(&v->arena);
    bool only_look = option_given(v, OPTION_DRY_RUN);
    if (!only_look && !wants_wizard(v))
        return publish_send(v, SLICE("/v1/publish"), body, false);
    int r = preview_ask(v, SLICE_NONE, SLICE_NONE, &p);
    if (r)
        return r;
    if (only_look)
        return dry_run(v, &p);
    preview_show(v, &p, true, v->err);
    if (p.errors)
        return too_many_errors(v, &p);
    r = confirm(v, &p, body);
    json_set_int(&v->arena, body, "version", p.version); /* what was shown, and nothing else */
    json_set_bool(&v->arena, body, "accept_warnings", true);
    return r ? r : publish_send(v, SLICE("/v1/publish"), body, false);
}

int cmd_topology_rollback(struct invocation *v)
{
    struct json_value *body = json_object(&v->arena);
    uint64_t number;
    if (slice_u64(argument(v, 0), INT64_MAX, &number) < 0) {
        fprintf(v->err, "entente: '%s' is not the number of a revision\n", v->arguments[0]);
        return EXIT_WRONG_USAGE;
    }
    json_set_int(&v->arena, body, "number", (int64_t)number);
    if (wants_wizard(v)) {
        struct answer answer;
        struct preview p;
        int r = call_api(v, "GET", SLICE("/v1/replication"), NULL, &answer);
        if (r == EXIT_DONE)
            r = preview_ask(
                v, arena_printf(&v->arena, "%lld", (long long)json_get_int(answer.json, "revision", 0)),
                argument(v, 0), &p);
        if (r)
            return r;
        preview_show(v, &p, false, v->err);
        r = confirm(v, &p, body);
        if (r)
            return r;
    }
    return publish_send(v, SLICE("/v1/rollback"), body, false);
}
