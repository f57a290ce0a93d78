/* External certificates of Edge pools, and the roots of partners. */
#include "cmd/entente/call.h"
#include "cmd/entente/file.h"
#include "cmd/entente/table.h"
#include "ground/base/mem.h"

int cmd_cert_import(struct invocation *v)
{
    struct buf cert = {0}, key = {0};
    struct json_value *body = json_object(&v->arena), *secret;
    struct answer answer;
    int r = file_read(v, v->arguments[1], &cert);
    if (r == EXIT_DONE)
        r = file_read(v, v->arguments[2], &key);
    if (r == EXIT_DONE) {
        secret = json_string(&v->arena, buf_slice(&key));
        json_set_string(&v->arena, body, "pool", argument(v, 0));
        json_set_string(&v->arena, body, "cert_pem", buf_slice(&cert));
        json_set(&v->arena, body, "key_pem", secret);
        r = call_api(v, "POST", SLICE("/v1/certificates"), body, &answer);
        mem_wipe((char *)secret->string.p, secret->string.n);
    }
    if (r == EXIT_DONE && !call_json(v, &answer)) {
        struct slice until = table_time(&v->arena, json_get_int(answer.json, "not_after_ms", 0));
        fprintf(v->out, "the certificate of %s is kept; it ends %.*s\n", v->arguments[0], SLICE_ARG(until));
    }
    secret_fini(&key);
    buf_fini(&cert);
    return r;
}

static struct slice names_of(struct invocation *v, const struct json_value *certificate)
{
    const struct json_value *names = json_get(certificate, "names");
    struct buf text = {0};
    for (size_t i = 0; i < json_count(names); i++)
        buf_printf(&text, "%s" SLICE_FMT, i ? ", " : "", SLICE_ARG(json_at(names, i)->string));
    struct slice s = arena_copy(&v->arena, buf_slice(&text));
    buf_fini(&text);
    return s;
}

int cmd_cert_list(struct invocation *v)
{
    static const char *const heads[] = {"POOL", "UNTIL", "NAMES", NULL};
    struct answer answer;
    struct table t;
    int r = call_api(v, "GET", SLICE("/v1/certificates"), NULL, &answer);
    if (r || call_json(v, &answer))
        return r;
    const struct json_value *list = json_get(answer.json, "certificates");
    table_init(&t, &v->arena, heads);
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json_value *c = json_at(list, i);
        table_cell(&t, json_get_string(c, "pool"));
        table_cell(&t, table_time(&v->arena, json_get_int(c, "not_after_ms", 0)));
        table_cell(&t, names_of(v, c));
    }
    table_print(&t, v->out, "no external certificates");
    return EXIT_DONE;
}

int cmd_cert_trust_add(struct invocation *v)
{
    struct buf pem = {0};
    struct json_value *body = json_object(&v->arena);
    struct answer answer;
    int r = file_read(v, v->arguments[0], &pem);
    json_set_string(&v->arena, body, "pem", buf_slice(&pem));
    buf_fini(&pem);
    if (r == EXIT_DONE)
        r = call_api(v, "POST", SLICE("/v1/trust"), body, &answer);
    if (r == EXIT_DONE && !call_json(v, &answer))
        fprintf(v->out, "%lld added\n", (long long)json_get_int(answer.json, "added", 0));
    return r;
}

int cmd_cert_trust_list(struct invocation *v)
{
    static const char *const heads[] = {"UNTIL", "CERTIFICATE", NULL};
    struct answer answer;
    struct table t;
    int r = call_api(v, "GET", SLICE("/v1/trust"), NULL, &answer);
    if (r || call_json(v, &answer))
        return r;
    const struct json_value *list = json_get(answer.json, "trust");
    table_init(&t, &v->arena, heads);
    for (size_t i = 0; i < json_count(list); i++) {
        table_cell(&t, table_time(&v->arena, json_get_int(json_at(list, i), "not_after_ms", 0)));
        table_cell(&t, json_get_string(json_at(list, i), "certificate"));
    }
    table_print(&t, v->out, "none added: the roots of the system count");
    return EXIT_DONE;
}
