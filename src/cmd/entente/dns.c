/* Where the DNS updates of a transition go. */
#include "cmd/entente/call.h"
#include "cmd/entente/file.h"
#include "ground/base/mem.h"

int cmd_dns_server(struct invocation *v)
{
    struct buf text = {0};
    struct slice key, rest;
    struct json_value *body = json_object(&v->arena), *zones = json_array(&v->arena), *secret;
    struct answer answer;
    int r = file_read(v, v->options[OPTION_KEY_FILE], &text);
    if (r)
        return r;
    if (!slice_cut(buf_slice(&text), '\n', &key, &rest))
        key = buf_slice(&text);
    secret = json_string(&v->arena, slice_trim(key));
    secret_fini(&text);
    for (size_t i = 1; i < v->n_arguments; i++)
        json_push(&v->arena, zones, json_string(&v->arena, argument(v, i)));
    json_set_string(&v->arena, body, "server", argument(v, 0));
    json_set(&v->arena, body, "zones", zones);
    json_set(&v->arena, body, "key", secret);
    r = call_api(v, "POST", SLICE("/v1/dns"), body, &answer);
    mem_wipe((char *)secret->string.p, secret->string.n);
    if (r == EXIT_DONE && !call_json(v, &answer))
        fprintf(v->out, "updates of %zu zones go to %s\n", v->n_arguments - 1, v->arguments[0]);
    return r;
}
