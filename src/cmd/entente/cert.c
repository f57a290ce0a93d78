/* External certificates of Edge pools, internal ones of machines, and the roots of partners. */
#include "cmd/entente/call.h"
#include "cmd/entente/file.h"
#include "cmd/entente/table.h"
#include "cmd/entente/wait.h"
#include "cmd/entente/when.h"
#include "ground/base/mem.h"
#include "ground/base/text.h"
#include "kept/topology/certificates.h"

#include <stdlib.h>
#include <unistd.h>

enum { OVERLAP_HOURS_MAX = 24 * 400 };

/* --- import, assign --- */
static void set_option(struct invocation *v, struct json_value *body, const char *name, enum option_id o)
{
    if (option_given(v, o))
        json_set_string(&v->arena, body, name, option_slice(v, o));
}

/* --from, --overlap */
static int set_times(struct invocation *v, struct json_value *body)
{
    int64_t from;
    char *end;
    if (option_given(v, OPTION_FROM)) {
        if (when_parse(v->options[OPTION_FROM], wait_wall(), &from) < 0)
            return call_fail(v, "certificate.time",
                             "'%s' is no time: say 2026-12-01, 2026-12-01T08:00, +12h or +3d",
                             v->options[OPTION_FROM]);
        json_set_int(&v->arena, body, "from_ms", from);
    }
    if (option_given(v, OPTION_OVERLAP)) {
        long hours = strtol(v->options[OPTION_OVERLAP], &end, 10);
        if (*end || end == v->options[OPTION_OVERLAP] || hours < 0 || hours > OVERLAP_HOURS_MAX)
            return call_fail(v, "certificate.overlap", "'%s' is no number of hours",
                             v->options[OPTION_OVERLAP]);
        json_set_int(&v->arena, body, "overlap_ms", hours * 3600 * 1000);
    }
    return EXIT_DONE;
}

/* PEM as text, anything else in base64. Either may hold a key. */
static int put_file(struct invocation *v, struct json_value *body, const char *path)
{
    struct buf file = {0}, text = {0};
    int r = file_read(v, path, &file);
    struct slice text_form = file_pem(buf_slice(&file));
    bool pem = text_form.n > 0;
    if (r == EXIT_DONE && !pem)
        text_base64(&text, buf_slice(&file).p, buf_slice(&file).n);
    if (r == EXIT_DONE)
        json_set_string(&v->arena, body, pem ? "cert_pem" : "cert_base64",
                        pem ? text_form : buf_slice(&text));
    secret_fini(&file);
    secret_fini(&text);
    return r;
}

/* The PEM objects of a file: programs write what they like between them. */
static int put_pem(struct invocation *v, struct json_value *body, const char *name, const char *path,
                   const char *what)
{
    struct buf file = {0};
    int r = file_read(v, path, &file);
    struct slice text = file_pem(buf_slice(&file));
    if (r == EXIT_DONE && !text.n)
        r = call_fail(v, "file.no-pem",
                      "%s holds no %s in PEM form, which openssl makes of others: openssl %s", path, what,
                      slice_eq(slice_str(name), SLICE("request")) ? "req -inform DER" : "pkey -inform DER");
    if (r == EXIT_DONE)
        json_set_string(&v->arena, body, name, text);
    secret_fini(&file);
    return r;
}

static void wipe(struct json_value *body)
{
    static const char *const secrets[] = {"cert_pem", "cert_base64", "key_pem", "passphrase", "p12_base64"};
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        struct slice s = json_get_string(body, secrets[i]);
        if (s.n)
            mem_wipe((char *)(uintptr_t)s.p, s.n);
    }
}

static int put_passphrase(struct invocation *v, struct json_value *body, bool twice)
{
    struct buf secret = {0};
    int r = passphrase_read(v, twice, &secret);
    if (r == EXIT_DONE)
        json_set_string(&v->arena, body, "passphrase", buf_slice(&secret));
    secret_fini(&secret);
    return r;
}

/* With a passphrase when one is named; asked for on a terminal when the file turns out to want one. */
static int send_file(struct invocation *v, struct json_value *body, struct answer *ret)
{
    int r = EXIT_DONE;
    bool named = option_given(v, OPTION_PASSPHRASE_FILE);
    if (named)
        r = put_passphrase(v, body, false);
    if (r == EXIT_DONE)
        r = call_ask(v, "POST", SLICE("/v1/certificates"), body, ret);
    if (r == EXIT_REFUSED && ret->json && !named && isatty(v->in) &&
        slice_eq(json_get_string(ret->json, "id"), SLICE("certificate.passphrase"))) {
        r = put_passphrase(v, body, false);
        if (r == EXIT_DONE)
            r = call_ask(v, "POST", SLICE("/v1/certificates"), body, ret);
    }
    if (r == EXIT_REFUSED && ret->status)
        return call_refused(v, ret);
    return r;
}

static void say_taken(struct invocation *v, const struct answer *answer, struct slice pool)
{
    struct slice until = table_time(&v->arena, json_get_int(answer->json, "not_after_ms", 0));
    struct slice name = json_get_string(answer->json, "name");
    call_findings(v->err, json_get(answer->json, "findings"));
    if (name.n && !json_get_bool(answer->json, "assigned", true))
        fprintf(v->out, "kept as " SLICE_FMT "; it ends " SLICE_FMT "\n", SLICE_ARG(name), SLICE_ARG(until));
    else if (json_get_bool(answer->json, "later", false))
        fprintf(v->out,
                "the certificate of " SLICE_FMT " takes effect " SLICE_FMT "; it ends " SLICE_FMT "\n",
                SLICE_ARG(pool), SLICE_ARG(table_time(&v->arena, json_get_int(answer->json, "from_ms", 0))),
                SLICE_ARG(until));
    else
        fprintf(v->out, "the certificate of " SLICE_FMT " is in use; it ends " SLICE_FMT "\n",
                SLICE_ARG(pool), SLICE_ARG(until));
    if (json_get(answer->json, "until_ms"))
        fprintf(v->out, "what the one before has signed is verified until " SLICE_FMT "\n",
                SLICE_ARG(table_time(&v->arena, json_get_int(answer->json, "until_ms", 0))));
    if (!json_get_bool(answer->json, "served", true))
        fputs("no service of this version presents it yet\n", v->out);
}

static int import(struct invocation *v, const char *cert, const char *key)
{
    struct json_value *body = json_object(&v->arena);
    struct answer answer = {0};
    json_set_string(&v->arena, body, "pool", argument(v, 0));
    set_option(v, body, "use", OPTION_USE);
    set_option(v, body, "name", OPTION_NAME);
    int r = set_times(v, body);
    if (r == EXIT_DONE)
        r = put_file(v, body, cert);
    if (r == EXIT_DONE && key)
        r = put_pem(v, body, "key_pem", key, "private key");
    if (r == EXIT_DONE)
        r = send_file(v, body, &answer);
    wipe(body);
    if (r == EXIT_DONE && !call_json(v, &answer))
        say_taken(v, &answer, argument(v, 0));
    return r;
}

int cmd_cert_import(struct invocation *v)
{
    return import(v, v->arguments[1], v->n_arguments > 2 ? v->arguments[2] : NULL);
}

int cmd_cert_assign(struct invocation *v)
{
    struct json_value *body = json_object(&v->arena);
    struct answer answer = {0};
    json_set_string(&v->arena, body, "pool", argument(v, 0));
    json_set_string(&v->arena, body, "name", argument(v, 1));
    set_option(v, body, "use", OPTION_USE);
    int r = set_times(v, body);
    if (r)
        return r;
    r = call_ask(v, "POST", SLICE("/v1/certificates/assign"), body, &answer);
    if (r == EXIT_REFUSED && answer.json && access(v->arguments[1], R_OK) == 0 &&
        slice_eq(json_get_string(answer.json, "id"), SLICE("certificate.unknown-name")))
        return import(v, v->arguments[1], NULL);
    if (r == EXIT_REFUSED)
        return call_refused(v, &answer);
    if (r == EXIT_DONE && !call_json(v, &answer))
        say_taken(v, &answer, argument(v, 0));
    return r;
}

int cmd_cert_remove(struct invocation *v)
{
    struct json_value *body = json_object(&v->arena);
    struct answer answer;
    json_set_string(&v->arena, body, "name", argument(v, 0));
    int r = call_api(v, "POST", SLICE("/v1/certificates/remove"), body, &answer);
    if (r == EXIT_DONE && !call_json(v, &answer))
        fprintf(v->out, "%s and its key are gone\n", v->arguments[0]);
    return r;
}

/* --- request, sign, renew --- */
int cmd_cert_request(struct invocation *v)
{
    if (option_given(v, OPTION_USE) && certificate_use_is_internal(option_slice(v, OPTION_USE)))
        return option_given(v, OPTION_RSA) || option_given(v, OPTION_OUTPUT)
                   ? call_fail(v, "certificate.internal-use",
                               "a machine makes its internal key itself, and its request goes to the "
                               "internal authority: "
                               "without --rsa and --output")
                   : cmd_cert_renew(v);
    struct json_value *body = json_object(&v->arena);
    struct answer answer = {0};
    const char *file = v->options[OPTION_OUTPUT];
    json_set_string(&v->arena, body, "pool", argument(v, 0));
    set_option(v, body, "use", OPTION_USE);
    set_option(v, body, "machine", OPTION_MACHINE);
    if (option_given(v, OPTION_RSA))
        json_set_string(&v->arena, body, "key", arena_printf(&v->arena, "rsa-%s", v->options[OPTION_RSA]));
    int r = call_api(v, "POST", SLICE("/v1/certificates/request"), body, &answer);
    if (r == EXIT_DONE && file)
        r = file_write(v, file, json_get_string(answer.json, "request"), 0644);
    if (r != EXIT_DONE && answer.json && file) /* it is made: not lost for want of a folder */
        fprintf(v->out, SLICE_FMT, SLICE_ARG(json_get_string(answer.json, "request")));
    if (r == EXIT_DONE && !call_json(v, &answer) && !file)
        fprintf(v->out, SLICE_FMT, SLICE_ARG(json_get_string(answer.json, "request")));
    else if (r == EXIT_DONE && file && !option_given(v, OPTION_JSON)) {
        struct slice names = call_list(v, json_get(answer.json, "names"));
        fprintf(v->out,
                "%s asks for " SLICE_FMT "\nits key is on " SLICE_FMT
                " and stays there; when the certificate comes:\n"
                "  entente cert import %s CERT.pem\n",
                file, SLICE_ARG(names), SLICE_ARG(json_get_string(answer.json, "machine")), v->arguments[0]);
    }
    return r;
}

int cmd_cert_sign(struct invocation *v)
{
    struct json_value *body = json_object(&v->arena);
    struct answer answer;
    const char *file = v->options[OPTION_OUTPUT];
    json_set_string(&v->arena, body, "machine", option_slice(v, OPTION_MACHINE));
    set_option(v, body, "use", OPTION_USE);
    int r = put_pem(v, body, "request", v->arguments[0], "certificate request");
    if (r == EXIT_DONE)
        r = call_api(v, "POST", SLICE("/v1/certificates/sign"), body, &answer);
    if (r != EXIT_DONE)
        return r;
    struct slice pem = json_get_string(answer.json, "cert_pem");
    if (file && (r = file_write(v, file, pem, 0644)) != EXIT_DONE)
        return r;
    if (call_json(v, &answer))
        return r;
    if (file)
        fprintf(v->out, "%s is the certificate of " SLICE_FMT ", with its authority behind it\n", file,
                SLICE_ARG(call_list(v, json_get(answer.json, "names"))));
    else
        fprintf(v->out, SLICE_FMT, SLICE_ARG(pem));
    return r;
}

static struct slice fingerprint_of(const struct answer *answer, struct slice fqdn)
{
    const struct json_value *machines = json_get(answer->json, "machines");
    for (size_t i = 0; i < json_count(machines); i++)
        if (slice_caseeq(json_get_string(json_at(machines, i), "fqdn"), fqdn))
            return json_get_string(json_at(machines, i), "certificate_fingerprint");
    return SLICE_NONE;
}

static int wait_for_new(struct invocation *v, struct slice fqdn, struct slice before)
{
    int64_t end = wait_now() + wait_limit(v, WAIT_DEFAULT_MS), heard = wait_now();
    for (;;) {
        bool last = wait_now() >= end;
        struct answer answer;
        int r = wait_look(v, SLICE("/v1/replication"), last, &heard, &answer);
        if (r == EXIT_DONE) {
            struct slice now = fingerprint_of(&answer, fqdn);
            if (now.n && !slice_eq(now, before))
                return EXIT_DONE;
        } else if (r != WAIT_AGAIN) {
            return r;
        }
        if (last)
            return call_fail(v, "machine.not-renewed",
                             SLICE_FMT " has no new certificate yet: see entente replication status",
                             SLICE_ARG(fqdn));
        wait_pause(WAIT_POLL_MS);
    }
}

int cmd_cert_renew(struct invocation *v)
{
    struct json_value *body = json_object(&v->arena);
    struct answer answer;
    bool wait = option_given(v, OPTION_WAIT);
    json_set_string(&v->arena, body, "fqdn", argument(v, 0));
    int r = call_api(v, "POST", SLICE("/v1/machines/renew"), body, &answer);
    if (r == EXIT_DONE && wait)
        r = wait_for_new(v, argument(v, 0), json_get_string(answer.json, "certificate_fingerprint"));
    if (r == EXIT_DONE && !call_json(v, &answer))
        fprintf(v->out, wait ? "%s uses a new key\n" : "%s is asked to make a new key\n", v->arguments[0]);
    return r;
}

/* --- export --- */
static int export_write(struct invocation *v, const struct answer *answer)
{
    struct slice text = json_get_string(answer->json, "p12_base64");
    char *der = arena_alloc(&v->arena, text.n + 1);
    ssize_t n = text_unbase64(text, der, text.n + 1);
    if (n < 0)
        return call_fail(v, "api.not-json", "the daemon's answer holds no file");
    return file_write(v, v->options[OPTION_OUTPUT], slice_mem(der, (size_t)n), 0600);
}

int cmd_cert_export(struct invocation *v)
{
    struct json_value *body = json_object(&v->arena);
    struct answer answer = {0};
    if (!argument(v, 0).n && !option_given(v, OPTION_NAME))
        return call_fail(v, "certificate.which", "name a pool, or a certificate that is kept with --name");
    if (argument(v, 0).n && option_given(v, OPTION_NAME))
        return call_fail(v, "certificate.which", "name a pool or a certificate that is kept, not both");
    if (argument(v, 0).n)
        json_set_string(&v->arena, body, "pool", argument(v, 0));
    set_option(v, body, "use", OPTION_USE);
    set_option(v, body, "name", OPTION_NAME);
    json_set_bool(&v->arena, body, "old_windows", option_given(v, OPTION_OLD_WINDOWS));
    int r = put_passphrase(v, body, true);
    if (r == EXIT_DONE)
        r = call_api(v, "POST", SLICE("/v1/certificates/export"), body, &answer);
    wipe(body);
    if (r == EXIT_DONE)
        r = export_write(v, &answer);
    if (r == EXIT_DONE && option_given(v, OPTION_JSON)) { /* never the key itself */
        struct json_value *o = json_object(&v->arena);
        json_set_string(&v->arena, o, "file", option_slice(v, OPTION_OUTPUT));
        json_set_string(&v->arena, o, "certificate", json_get_string(answer.json, "certificate"));
        json_set_bool(&v->arena, o, "old_windows", option_given(v, OPTION_OLD_WINDOWS));
        call_print_json(v, o);
    } else if (r == EXIT_DONE) {
        fprintf(v->out, "%s holds certificate, chain and private key of " SLICE_FMT "\n",
                v->options[OPTION_OUTPUT], SLICE_ARG(json_get_string(answer.json, "certificate")));
    }
    if (answer.json)
        wipe(answer.json);
    if (answer.text.n)
        mem_wipe((char *)(uintptr_t)answer.text.p, answer.text.n);
    return r;
}
