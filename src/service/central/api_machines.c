/* Machines: who there is, what they run, and the bundle for a new one. */
#include "service/central/priv.h"

#include "ground/base/mem.h"
#include "ground/base/text.h"

#include <errno.h>

static void put_why(struct api_call *q, struct json_value *o, const struct pusher *p)
{
    struct slice all = buf_slice(&p->why), id, text;
    size_t at = slice_search(all, SLICE(": "));
    if (at == SIZE_MAX)
        return;
    id = slice_head(all, at);
    text = slice_from(all, at + 2);
    struct json_value *why = json_object(&q->a);
    json_set_string(&q->a, why, "id", id);
    json_set_string(&q->a, why, "text", text);
    json_set(&q->a, o, "why", why);
}

/* The certificate that a machine says it uses, as the command line compares it. */
static void put_fingerprint(struct api_call *q, struct json_value *o, const struct pusher *p)
{
    unsigned char digest[32];
    struct buf hex = {0};
    if (!p->cert)
        return;
    crypto_cert_fingerprint(p->cert, digest);
    text_hex(&hex, digest, sizeof(digest));
    json_set_string(&q->a, o, "certificate_fingerprint", buf_slice(&hex));
    buf_fini(&hex);
}

static struct json_value *replica_of(struct api_call *q, struct pusher *p)
{
    struct json_value *o = json_object(&q->a);
    bool current = pusher_current(p);
    json_set_string(&q->a, o, "fqdn", slice_str(p->fqdn));
    json_set_int(&q->a, o, "revision", (int64_t)p->acknowledged);
    json_set_int(&q->a, o, "material", (int64_t)p->material);
    json_set_bool(&q->a, o, "current", current);
    json_set_string(&q->a, o, "state",
                    current    ? SLICE("current")
                    : p->known ? SLICE("behind")
                               : SLICE("new"));
    json_set_int(&q->a, o, "heard_ms", p->heard_ms);
    json_set_int(&q->a, o, "age_ms", p->heard_ms ? loop_wall() - p->heard_ms : -1);
    json_set_bool(&q->a, o, "asking", p->busy || p->again);
    json_set_int(&q->a, o, "clock_apart_ms", p->clock_apart_ms);
    if (p->cert)
        json_set_int(&q->a, o, "certificate_not_after_ms", crypto_cert_not_after(p->cert));
    put_fingerprint(q, o, p);
    put_why(q, o, p);
    if (p->state)
        json_set(&q->a, o, "report", (struct json_value *)(uintptr_t)p->state);
    return o;
}

static int replication(struct api_call *q, struct central *c)
{
    struct json_value *list = json_array(&q->a);
    bool all = true;
    LIST_FOR(it, &c->pushers)
    {
        struct pusher *p = LIST_ENTRY(it, struct pusher, link);
        if (p->removed)
            continue;
        all = all && pusher_current(p);
        json_push(&q->a, list, replica_of(q, p));
    }
    json_set_int(&q->a, q->out, "revision", (int64_t)c->now->number);
    json_set_int(&q->a, q->out, "material", (int64_t)c->now->material->serial);
    json_set_bool(&q->a, q->out, "current", all);
    json_set(&q->a, q->out, "machines", list);
    return 0;
}

static int poll_now(struct api_call *q, struct central *c)
{
    pushers_poll(c);
    return replication(q, c);
}

static int renew(struct api_call *q, struct central *c)
{
    struct slice fqdn = json_get_string(q->in, "fqdn");
    if (!pushers_renew(c, fqdn))
        return refuse(&q->why, 404, "machine.unknown",
                      "'" SLICE_FMT
                      "' is no managed machine of the published topology: entente machine list shows them.",
                      SLICE_ARG(slice_head(fqdn, 255)));
    json_set_string(&q->a, q->out, "fqdn", fqdn);
    LIST_FOR(it, &c->pushers)
    {
        struct pusher *p = LIST_ENTRY(it, struct pusher, link);
        if (!p->removed && slice_caseeq(slice_str(p->fqdn), fqdn))
            put_fingerprint(q, q->out, p); /* of the one that goes */
    }
    return 0;
}

static struct json_value *machine_of(struct api_call *q, const struct topology_role *role, struct slice fqdn,
                                     struct vault *v)
{
    struct json_value *o = json_object(&q->a);
    struct buf pem = {0};
    struct crypto_cert *cert;
    struct slice pool = role->edge ? role->edge->fqdn : role->front_end ? role->front_end->fqdn : SLICE("");
    const char *kind = role->edge ? "edge" : role->front_end ? "front-end" : "central";
    json_set_string(&q->a, o, "fqdn", fqdn);
    json_set_string(&q->a, o, "role", slice_str(kind));
    json_set_string(&q->a, o, "pool", pool);
    json_set_bool(&q->a, o, "central", role->central);
    json_set_string(&q->a, o, "address", role->internal_address);
    json_set_int(&q->a, o, "replica_port", role->replica_port);
    bool issued = store_blob_get(v->store, "machine", fqdn, &pem) == 0;
    json_set_bool(&q->a, o, "bundle_made", issued);
    if (issued && crypto_cert_parse(buf_slice(&pem), &cert) == 0) {
        json_set_int(&q->a, o, "certificate_not_after_ms", crypto_cert_not_after(cert));
        crypto_cert_unref(cert);
    }
    buf_fini(&pem);
    return o;
}

static int machines(struct api_call *q, struct vault *v)
{
    struct json_value *list = json_array(&q->a);
    size_t cursor = 0;
    struct slice fqdn;
    struct topology_role role;
    while (topology_managed_next(v->now->topology, &cursor, &fqdn))
        if (topology_role_find(v->now->topology, fqdn, &role))
            json_push(&q->a, list, machine_of(q, &role, fqdn, v));
    json_set(&q->a, q->out, "machines", list);
    return 0;
}

static int bundle(struct api_call *q, struct vault *v)
{
    struct buf text = {0};
    struct json_error error;
    int r = vault_bundle(v, json_get_string(q->in, "fqdn"), &text, &q->why);
    q->secret_answer = true;
    if (r == 0 && json_parse(buf_slice(&text), &q->a, &q->out, &error) < 0)
        r = refuse(&q->why, 500, "machine.bundle", "The bundle cannot be written.");
    if (text.mem)
        mem_wipe(text.mem, text.cap);
    buf_fini(&text);
    return r;
}

static int list_routes(struct api_call *q, struct central *c)
{
    struct json_value *list = json_array(&q->a);
    size_t cursor = 0;
    (void)c;
    for (const struct api_route *route; (route = api_route_next(&cursor)) != NULL;) {
        struct json_value *o = json_object(&q->a);
        json_set_string(&q->a, o, "method", slice_str(route->method));
        json_set_string(&q->a, o, "path", slice_str(route->path));
        json_set_string(&q->a, o, "help", slice_str(route->help));
        json_push(&q->a, list, o);
    }
    json_set(&q->a, q->out, "routes", list);
    return 0;
}

const struct api_route api_machine_routes[] = {
    {"GET",  "/v1/routes",          NULL,     list_routes, "what central management answers"               },
    {"GET",  "/v1/machines",        machines, NULL,        "managed machines of the published topology"    },
    {"POST", "/v1/machines/bundle", bundle,   NULL,        "{fqdn}: the answer is the bundle; secret"      },
    {"POST", "/v1/machines/renew",  NULL,     renew,       "{fqdn}: a new internal key and certificate now"},
    {"GET",  "/v1/replication",     NULL,     replication, "a machine's revision, age, state and reason"   },
    {"POST", "/v1/replication",     NULL,     poll_now,    "ask all machines now"                          },
};
const size_t api_n_machine_routes = sizeof(api_machine_routes) / sizeof(api_machine_routes[0]);
