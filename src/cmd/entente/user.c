/* Users of this machine's Front End. */
#include "cmd/entente/call.h"
#include "cmd/entente/file.h"

/* {"users":[{"aor":…,"password":…}]}: written by hand, so that no tree keeps the password. */
static void users_body(struct slice aor, struct slice password, struct buf *out)
{
    enum { ESCAPED = 6, AROUND = 64 };
    buf_reserve(out, AROUND + ESCAPED * (aor.n + password.n));
    buf_append(out, SLICE("{\"users\":[{\"aor\":"));
    json_write_string(aor, out);
    buf_append(out, SLICE(",\"password\":"));
    json_write_string(password, out);
    buf_append(out, SLICE("}]}"));
}

static int with_password(struct invocation *v, const char *method, const char *done)
{
    struct answer answer;
    struct buf password = {0}, body = {0};
    if (slice_find(argument(v, 0), '@') == SIZE_MAX) /* before anybody types a password */
        return call_fail(v, "user.invalid", "'%s' is not a name like alice@contoso.example", v->arguments[0]);
    int r = secret_read(v, "password", &password);
    if (r == EXIT_DONE) {
        users_body(argument(v, 0), buf_slice(&password), &body);
        r = call_text(v, method, SLICE("/v1/users"), buf_slice(&body), &answer);
        if (r == EXIT_REFUSED)
            call_refused(v, &answer);
    }
    secret_fini(&body);
    secret_fini(&password);
    if (r == EXIT_DONE && !call_json(v, &answer))
        fprintf(v->out, "%s %s\n", v->arguments[0], done);
    return r;
}

int cmd_user_add(struct invocation *v)
{
    return with_password(v, "POST", "is added");
}

int cmd_user_passwd(struct invocation *v)
{
    return with_password(v, "PUT", "has the new password");
}

int cmd_user_remove(struct invocation *v)
{
    struct answer answer;
    int r = call_api(v, "DELETE", call_query(v, SLICE("/v1/users"), "aor", argument(v, 0)), NULL, &answer);
    if (r == EXIT_DONE && !call_json(v, &answer))
        fprintf(v->out, "%s is removed\n", v->arguments[0]);
    return r;
}

int cmd_user_list(struct invocation *v)
{
    struct answer answer;
    int r = call_api(v, "GET", SLICE("/v1/users"), NULL, &answer);
    if (r || call_json(v, &answer))
        return r;
    const struct json_value *users = json_get(answer.json, "users");
    for (size_t i = 0; i < json_count(users); i++) {
        const struct json_value *u = json_at(users, i);
        call_put(v->out, u->kind == JSON_STRING ? u->string : json_get_string(u, "aor"));
        fputc('\n', v->out);
    }
    if (json_count(users) == 0)
        fputs("no users\n", v->out);
    return EXIT_DONE;
}
