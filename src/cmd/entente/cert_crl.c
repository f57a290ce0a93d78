/* Revocation lists: those given by hand, and what the Edge machines have. */
#include "cmd/entente/call.h"
#include "cmd/entente/file.h"
#include "cmd/entente/replication.h"
#include "cmd/entente/table.h"
#include "cmd/entente/wait.h"
#include "ground/base/text.h"

enum { FINGERPRINT_SHOWN = 16 };

static struct slice number(struct invocation *v, int64_t n)
{
    return arena_printf(&v->arena, "%lld", (long long)n);
}

/* --- add, remove --- */
int cmd_cert_crl_add(struct invocation *v)
{
    struct buf file = {0}, base64 = {0};
    struct json_value *body = json_object(&v->arena);
    struct answer answer;
    int r = file_read(v, v->arguments[0], &file);
    if (r == EXIT_DONE) {
        text_base64(&base64, buf_slice(&file).p, buf_len(&file));
        json_set_string(&v->arena, body, "list_base64", buf_slice(&base64));
        r = call_api(v, "POST", SLICE("/v1/revocation"), body, &answer);
    }
    buf_fini(&file);
    buf_fini(&base64);
    if (r != EXIT_DONE || call_json(v, &answer))
        return r;
    call_findings(v->err, json_get(answer.json, "findings"));
    if (!json_get_bool(answer.json, "added", false))
        fputs("nothing added: it is there already\n", v->out);
    else
        fprintf(v->out, "the list of " SLICE_FMT ", which names %lld, is on its way to the Edge machines%s\n",
                SLICE_ARG(json_get_string(answer.json, "issuer")),
                (long long)json_get_int(answer.json, "revoked", 0),
                json_get_bool(answer.json, "replaced", false) ? ", in place of the one before" : "");
    return r;
}

int cmd_cert_crl_remove(struct invocation *v)
{
    struct json_value *body = json_object(&v->arena);
    struct answer answer;
    json_set_string(&v->arena, body, "fingerprint", argument(v, 0));
    int r = call_api(v, "POST", SLICE("/v1/revocation/remove"), body, &answer);
    if (r == EXIT_DONE && !call_json(v, &answer))
        fprintf(v->out, SLICE_FMT " is gone\n",
                SLICE_ARG(slice_head(json_get_string(answer.json, "removed"), FINGERPRINT_SHOWN)));
    return r;
}

/* --- list --- */
static void print_given(struct invocation *v, const struct json_value *list)
{
    static const char *const heads[] = {"GIVEN", "ISSUER", "FROM", "NEXT UPDATE", "REVOKED", NULL};
    struct table t;
    table_init(&t, &v->arena, heads);
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json_value *o = json_at(list, i);
        table_cell(&t, slice_head(json_get_string(o, "fingerprint"), FINGERPRINT_SHOWN));
        table_cell(&t, json_get_string(o, "issuer"));
        table_cell(&t, table_time(&v->arena, json_get_int(o, "this_update_ms", 0)));
        table_cell(&t, table_time(&v->arena, json_get_int(o, "next_update_ms", 0)));
        table_cell(&t, number(v, json_get_int(o, "revoked", 0)));
    }
    table_print(&t, v->out, "no list was given by hand");
    fputc('\n', v->out);
}

/* Where it is from, or where it would be looked for. */
static struct slice where(const struct json_value *o)
{
    const struct json_value *urls = json_get(o, "urls");
    struct slice from = json_get_string(o, "from");
    return from.n || !json_count(urls) ? from : json_at(urls, 0)->string;
}

static struct slice in_trouble(struct invocation *v, const struct json_value *o)
{
    struct slice why = json_get_string(o, "error");
    int64_t again = json_get_int(o, "asked_again_ms", 0);
    if (!why.n)
        return json_get_bool(o, "under_way", false) ? SLICE("is being fetched") : SLICE_NONE;
    if (!again)
        return why;
    return arena_printf(&v->arena, SLICE_FMT " (%lld times; again %s" SLICE_FMT ")", SLICE_ARG(why),
                        (long long)json_get_int(o, "failures", 0),
                        json_get_bool(o, "under_way", false) ? "now, planned " : "",
                        SLICE_ARG(table_time(&v->arena, again)));
}

static void print_rows(struct invocation *v, const struct json_value *rows)
{
    static const char *const heads[] = {"ISSUER",  "STATE",   "AGE",     "NEXT UPDATE", "REVOKED",
                                        "ADDRESS", "TROUBLE", "MACHINE", NULL};
    struct table t;
    table_init(&t, &v->arena, heads);
    for (size_t i = 0; i < json_count(rows); i++) {
        const struct json_value *o = json_at(rows, i);
        int64_t made = json_get_int(o, "this_update_ms", 0);
        table_cell(&t, json_get_string(o, "issuer"));
        table_cell(&t, json_get_string(o, "state"));
        table_cell(&t, made ? table_age(&v->arena, wait_wall() - made) : SLICE_NONE);
        table_cell(&t, made ? table_time(&v->arena, json_get_int(o, "next_update_ms", 0)) : SLICE_NONE);
        table_cell(&t, made ? number(v, json_get_int(o, "revoked", 0)) : SLICE_NONE);
        table_cell(&t, where(o));
        table_cell(&t, in_trouble(v, o));
        table_cell(&t, json_get_string(o, "machine"));
    }
    table_print(&t, v->out, "no Edge machine was asked for a list yet");
}

static void rows_of(struct invocation *v, struct slice machine, const struct json_value *list,
                    struct json_value *to)
{
    for (size_t i = 0; i < json_count(list); i++) {
        struct json_value *row = json_at(list, i);
        json_set_string(&v->arena, row, "machine", machine);
        json_push(&v->arena, to, row);
    }
}

/* Machines that could not be asked are named: what they have is not known. */
static int ask_all(struct invocation *v, struct json_value *out)
{
    struct answer given, machines;
    struct json_value *rows = json_array(&v->arena);
    int r = call_api(v, "GET", SLICE("/v1/revocation"), NULL, &given);
    if (r == EXIT_DONE)
        r = replication_ask(v, &machines);
    if (r != EXIT_DONE)
        return r;
    const struct json_value *list = json_get(machines.json, "machines");
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json_value *m = json_at(list, i);
        struct slice fqdn = json_get_string(m, "fqdn"), why = replication_why(v, m);
        if (why.n)
            fprintf(v->err, "entente: " SLICE_FMT " was not asked: " SLICE_FMT "\n", SLICE_ARG(fqdn),
                    SLICE_ARG(why));
        rows_of(v, fqdn, json_get(json_get(m, "report"), "revocation"), rows);
    }
    json_set(&v->arena, out, "given", json_get(given.json, "given"));
    json_set(&v->arena, out, "lists", rows);
    return EXIT_DONE;
}

int cmd_cert_crl_list(struct invocation *v)
{
    struct answer answer;
    struct json_value *out = json_object(&v->arena), *rows = json_array(&v->arena);
    int r = call_api(v, "GET", SLICE("/v1/status"), NULL, &answer);
    if (r != EXIT_DONE)
        return r;
    if (json_get(json_get(answer.json, "services"), "central")) {
        r = ask_all(v, out);
    } else {
        rows_of(v, json_get_string(answer.json, "machine"), json_get(answer.json, "revocation"), rows);
        json_set(&v->arena, out, "lists", rows);
    }
    if (r != EXIT_DONE)
        return r;
    if (option_given(v, OPTION_JSON)) {
        call_print_json(v, out);
        return EXIT_DONE;
    }
    if (json_get(out, "given"))
        print_given(v, json_get(out, "given"));
    print_rows(v, json_get(out, "lists"));
    return EXIT_DONE;
}
