#include "cmd/entente/publish.h"

#include "cmd/entente/call.h"
#include "cmd/entente/replication.h"
#include "cmd/entente/wait.h"

static int refused_by_warnings(struct invocation *v, const struct answer *answer)
{
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
    json_set_bool(a, body, "accept_warnings", option_given(v, OPTION_YES));
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

int cmd_publish(struct invocation *v)
{
    return publish_send(v, SLICE("/v1/publish"), json_object(&v->arena), false);
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
    return publish_send(v, SLICE("/v1/rollback"), body, false);
}
