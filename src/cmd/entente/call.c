#include "cmd/entente/call.h"

#include "ground/base/mem.h"
#include "ground/http/http.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* --- saying --- */
void call_put(FILE *to, struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool control = (c < ' ' && c != '\n' && c != '\t') || c == 0x7f;
        fputc(control ? '?' : c, to);
    }
}

int call_fail(struct invocation *v, const char *id, const char *fmt, ...)
{
    struct buf text = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    fputs("entente: ", v->err);
    call_put(v->err, buf_slice(&text));
    fprintf(v->err, " (%s)\n", id);
    if (option_given(v, OPTION_JSON) && !v->answered) {
        struct json_value *refusal = json_object(&v->arena);
        json_set_string(&v->arena, refusal, "id", slice_str(id));
        json_set_string(&v->arena, refusal, "text", buf_slice(&text));
        call_print_json(v, refusal);
    }
    buf_fini(&text);
    return EXIT_REFUSED;
}

void call_findings(FILE *to, const struct json_value *findings)
{
    for (size_t i = 0; i < json_count(findings); i++) {
        const struct json_value *f = json_at(findings, i);
        struct slice severity = json_get_string(f, "severity"), path = json_get_string(f, "path");
        struct slice remedy = json_get_string(f, "remedy");
        int64_t line = json_get_int(f, "line", 0);
        call_put(to, severity.n ? severity : SLICE("error"));
        fputc(' ', to);
        call_put(to, json_get_string(f, "id"));
        fputs(path.n ? " " : "", to);
        call_put(to, path);
        if (line)
            fprintf(to, " (line %lld)", (long long)line);
        fputs(": ", to);
        call_put(to, json_get_string(f, "text"));
        if (remedy.n) {
            fputs(" (", to);
            call_put(to, remedy);
            fputc(')', to);
        }
        fputc('\n', to);
    }
}

void call_print_json(struct invocation *v, const struct json_value *json)
{
    struct buf text = {0};
    v->answered = true;
    json_write(json, true, &text);
    struct slice s = buf_slice(&text);
    fwrite(s.p, 1, s.n, v->out);
    if (!slice_ends(s, SLICE("\n")))
        fputc('\n', v->out);
    buf_fini(&text);
}

bool call_json(struct invocation *v, const struct answer *answer)
{
    if (!option_given(v, OPTION_JSON))
        return false;
    call_print_json(v, answer->json);
    return true;
}

/* The finding that the refusal is about, or NULL. */
static const struct json_value *finding_of(const struct json_value *findings, struct slice id)
{
    for (size_t i = 0; i < json_count(findings); i++)
        if (slice_eq(json_get_string(json_at(findings, i), "id"), id))
            return json_at(findings, i);
    return NULL;
}

/* Errors but this one: warnings do not matter while it is refused. */
static struct json_value *other_errors(struct invocation *v, const struct json_value *findings,
                                       const struct json_value *but)
{
    struct json_value *list = json_array(&v->arena);
    for (size_t i = 0; i < json_count(findings); i++) {
        const struct json_value *f = json_at(findings, i);
        if (f != but && slice_eq(json_get_string(f, "severity"), SLICE("error")))
            json_push(&v->arena, list, (struct json_value *)(uintptr_t)f);
    }
    return list;
}

/* The remedy as a sentence behind the text. */
static struct slice with_remedy(struct invocation *v, struct slice text, const struct json_value *finding)
{
    struct slice remedy = json_get_string(finding, "remedy");
    if (!remedy.n)
        return text;
    return arena_printf(&v->arena, SLICE_FMT " %c" SLICE_FMT ".", SLICE_ARG(text),
                        toupper((unsigned char)remedy.p[0]), SLICE_ARG(slice_from(remedy, 1)));
}

int call_refused(struct invocation *v, const struct answer *answer)
{
    const struct json_value *findings = json_get(answer->json, "findings");
    struct slice id = json_get_string(answer->json, "id"), text = json_get_string(answer->json, "text");
    const struct json_value *its = text.n ? finding_of(findings, id) : NULL;
    if (answer->json)
        call_json(v, answer);
    call_findings(v->err, its ? other_errors(v, findings, its) : findings);
    if (its)
        text = with_remedy(v, text, its);
    if (text.n)
        return call_fail(v, id.n ? arena_cstr(&v->arena, id) : "api.unnamed", SLICE_FMT, SLICE_ARG(text));
    return call_fail(v, "api.not-json", "the daemon answered %u and no sentence", answer->status);
}

/* --- nobody there --- */
static void no_rights(struct invocation *v, const struct stat *st)
{
    const struct passwd *owner = getpwuid(st->st_uid);
    const struct group *group = getgrgid(st->st_gid);
    call_fail(v, "daemon.no-rights",
              "no rights for %s, which belongs to %s:%s: run this as that user or as a member of that group",
              v->socket, owner ? owner->pw_name : "?", group ? group->gr_name : "?");
}

/* Why connecting fails: 0 when it does not. */
static int try_connect(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(addr.sun_path))
        return ENAMETOOLONG;
    memcpy(addr.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    int r = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 ? 0 : errno;
    close(fd);
    return r;
}

static void say_why(struct invocation *v, int error, const struct http_result *result)
{
    static const char start[] = "start it with: entented --state";
    struct stat st, folder;
    if (error == EACCES || error == EPERM)
        no_rights(v, stat(v->socket, &st) == 0 || stat(v->state, &st) == 0 ? &st : &(struct stat){0});
    else if (error == ENOENT && !option_given(v, OPTION_SOCKET) && stat(v->state, &folder) < 0)
        call_fail(v, "daemon.no-state", "there is no state folder %s: name it with --state or $ENTENTE_STATE",
                  v->state);
    else if (error == ENOENT)
        call_fail(v, "daemon.no-socket", "there is no socket %s: the daemon does not run; %s %s", v->socket,
                  start, v->state);
    else if (error == ECONNREFUSED)
        call_fail(v, "daemon.gone", "nobody answers at %s: the daemon has ended; %s %s", v->socket, start,
                  v->state);
    else if (error == ENAMETOOLONG)
        call_fail(v, "daemon.long-path",
                  "%s is too long for a socket (%zu bytes at most): name it by a shorter path", v->socket,
                  sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
    else if (result->failure == HTTP_TIMEOUT)
        call_fail(v, "daemon.silent", "the daemon at %s did not answer within %d s: see its log", v->socket,
                  CALL_TIMEOUT_MS / 1000);
    else
        call_fail(v, "daemon.no-answer", "no answer from %s: %s", v->socket,
                  error ? strerror(error) : result->error);
}

static int no_daemon(struct invocation *v, const struct http_result *result)
{
    int error = try_connect(v->socket);
    if (!v->quiet)
        say_why(v, error, result);
    return EXIT_NO_DAEMON;
}

/* --- asking --- */
struct slice call_query(struct invocation *v, struct slice path, const char *name, struct slice value)
{
    static const char plain[] = "-._~/:@";
    struct buf out = {0};
    if (value.n == 0)
        return path;
    buf_printf(&out, SLICE_FMT "%c%s=", SLICE_ARG(path), slice_find(path, '?') == SIZE_MAX ? '?' : '&', name);
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c && strchr(plain, c));
        if (is_plain)
            buf_append_char(&out, c);
        else
            buf_printf(&out, "%%%02X", (unsigned char)c);
    }
    struct slice s = arena_copy(&v->arena, buf_slice(&out));
    buf_fini(&out);
    return s;
}

int call_text(struct invocation *v, const char *method, struct slice path, struct slice body,
              struct answer *ret)
{
    struct http_result result = {0};
    struct json_error error;
    struct answer answer = {0};
    char *url = arena_cstr(&v->arena, arena_printf(&v->arena, "http://local" SLICE_FMT, SLICE_ARG(path)));
    http_call(&(struct http_call){.method = method,
                                  .unix_socket = v->socket,
                                  .url = url,
                                  .body = body,
                                  .content_type = body.n ? "application/json" : NULL,
                                  .timeout_ms = CALL_TIMEOUT_MS},
              &result);
    if (result.status == 0) {
        int r = no_daemon(v, &result);
        http_result_fini(&result);
        return r;
    }
    answer.status = result.status;
    answer.text = arena_copy(&v->arena, buf_slice(&result.body));
    http_result_fini(&result);
    if (json_parse(answer.text, &v->arena, &answer.json, &error) < 0)
        answer.json = NULL;
    *ret = answer;
    return answer.status >= 200 && answer.status < 300 && answer.json ? EXIT_DONE : EXIT_REFUSED;
}

int call_ask(struct invocation *v, const char *method, struct slice path, const struct json_value *body,
             struct answer *ret)
{
    struct buf text = {0};
    if (body)
        json_write(body, false, &text);
    int r = call_text(v, method, path, buf_slice(&text), ret);
    if (text.mem)
        mem_wipe(text.mem, text.cap); /* keys and certificates' keys pass here */
    buf_fini(&text);
    return r;
}

int call_api(struct invocation *v, const char *method, struct slice path, const struct json_value *body,
             struct answer *ret)
{
    struct answer answer;
    int r = call_ask(v, method, path, body, &answer);
    if (r == EXIT_REFUSED)
        return call_refused(v, &answer);
    if (r == EXIT_DONE)
        *ret = answer;
    return r;
}

struct slice call_list(struct invocation *v, const struct json_value *list)
{
    struct buf text = {0};
    for (size_t i = 0; i < json_count(list); i++)
        buf_printf(&text, "%s" SLICE_FMT, i ? ", " : "", SLICE_ARG(json_at(list, i)->string));
    struct slice s = arena_copy(&v->arena, buf_slice(&text));
    buf_fini(&text);
    return s;
}
