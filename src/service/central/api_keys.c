/* Keys of external certificates that machines keep: what the API has them do, and who holds which. */
#include "service/central/priv.h"

#include "ground/base/mem.h"
#include "ground/base/text.h"
#include "kept/topology/edges.h"

#include <errno.h>

/* --- who holds them --- */
static void put_holders(struct api_call *q, struct central *c, const struct json_value *list)
{
    for (size_t i = 0; i < json_count(list); i++) {
        struct json_value *o = (struct json_value *)(uintptr_t)json_at(list, i);
        struct json_value *names = json_array(&q->a);
        struct slice id = json_get_string(o, "key_id");
        if (!id.n)
            continue;
        LIST_FOR(it, &c->pushers)
        {
            struct pusher *p = LIST_ENTRY(it, struct pusher, link);
            if (!p->removed && pusher_holds(p, id))
                json_push(&q->a, names, json_string(&q->a, slice_str(p->fqdn)));
        }
        json_set(&q->a, o, "held_by", names);
    }
}

int api_keys_held_by(struct api_call *q, struct central *c)
{
    static const char *const lists[] = {"certificates", "kept", "pending"};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        put_holders(q, c, json_get(q->out, lists[i]));
    return 0;
}

/* --- making one --- */
static void made_work(struct task *t, struct vault *v)
{
    struct api_call *q = (struct api_call *)t;
    struct key_errand *e = q->errand;
    const struct pending_key key = {.key_id = e->key_id, .key_pool = e->pool, .machine = e->machine};
    if (pending_add(v, e->owner, &key, e->request, &q->why) < 0)
        return;
    json_set_string(&q->a, q->out, "request", e->request);
    json_set_string(&q->a, q->out, "key_id", e->key_id);
    json_set_string(&q->a, q->out, "machine", e->machine);
}

/* The id is the request's own: what else the machine says of its key counts for nothing. */
static void made(struct key_ask *k)
{
    struct api_call *q = k->arg;
    struct key_errand *e = q->errand;
    unsigned char digest[MATERIAL_KEY_ID / 2];
    struct buf hex = {0};
    if (!k->good)
        refuse(&q->why, 503, "certificate.machine-silent",
               "The key is made on a machine of " SLICE_FMT ", and none could: " SLICE_FMT
               ". See entente replication status.",
               SLICE_ARG(e->pool), SLICE_ARG(buf_slice(&k->trouble)));
    else if (crypto_request_key_id(k->w.request, digest) < 0)
        refuse(&q->why, 502, "certificate.request", "The request of " SLICE_FMT " cannot be used: %s.",
               SLICE_ARG(k->by), crypto_error());
    if (q->why.status || k->c->closed) {
        api_finish(q, k->c->closed);
        return;
    }
    text_hex(&hex, digest, sizeof(digest));
    e->key_id = arena_copy(&q->a, buf_slice(&hex));
    e->machine = arena_copy(&q->a, k->by);
    e->request = arena_copy(&q->a, k->w.request);
    struct pusher *p = pusher_find(k->c, k->by);
    if (p)
        pusher_note_key(p, e->key_id);
    buf_fini(&hex);
    api_then(q, k->c, made_work);
}

/* Those that were heard before those that were not. */
static void add_machines(struct key_ask *k, const struct key_errand *e, bool known)
{
    LIST_FOR(it, &k->c->pushers)
    {
        struct pusher *p = LIST_ENTRY(it, struct pusher, link);
        bool named = !e->machine.n || slice_caseeq(slice_str(p->fqdn), e->machine);
        if (named && !p->removed && p->known == known &&
            edge_may_have_keys(k->c->now->topology, slice_str(p->fqdn), e->pool))
            key_ask_add(k, p);
    }
}

int api_keys_make(struct api_call *q, struct central *c)
{
    struct key_errand *e = q->errand;
    struct key_ask *k = key_ask_new(c, PUSH_KEY_MAKE_PATH, made, q);
    k->q = (struct key_request){.pool = e->pool, .kind = e->kind, .names = e->names};
    add_machines(k, e, true);
    add_machines(k, e, false);
    if (key_ask_run(k) == 0)
        return API_LATER;
    if (e->machine.n)
        return refuse(&q->why, 404, "certificate.no-machine",
                      "'" SLICE_FMT "' is no managed machine of " SLICE_FMT
                      " in what is published: entente machine list.",
                      SLICE_ARG(slice_head(e->machine, 255)), SLICE_ARG(e->pool));
    return refuse(
        &q->why, 409, "certificate.no-machine",
        "The key is made on a machine of " SLICE_FMT
        ", and none that is managed is published: entente publish; or make it elsewhere, and import it.",
        SLICE_ARG(e->pool));
}

/* --- out of a machine --- */
static void exported(struct key_ask *k)
{
    struct api_call *q = k->arg;
    struct buf text = {0};
    if (!k->good)
        refuse(&q->why, 503, "certificate.key-away",
               "The key is kept on machines, and none of them gives it out: " SLICE_FMT
               ". See entente replication status, start one, and try again.",
               SLICE_ARG(buf_slice(&k->trouble)));
    else {
        text_base64(&text, k->w.p12.p, k->w.p12.n);
        json_set_string(&q->a, q->out, "p12_base64", buf_slice(&text));
        json_set_string(&q->a, q->out, "machine", k->by);
        q->secret_answer = true;
    }
    buf_fini(&text);
    api_finish(q, k->c->closed);
}

int api_keys_export(struct api_call *q, struct central *c)
{
    struct key_errand *e = q->errand;
    const struct json_value *old = json_get(q->in, "old_windows");
    if (!e)
        return 0; /* the key was here, and the file is made */
    struct key_ask *k = key_ask_new(c, PUSH_KEY_EXPORT_PATH, exported, q);
    k->q = (struct key_request){.id = e->key_id,
                                .certificate = e->cert_pem,
                                .old_windows = old && old->kind == JSON_BOOL && old->boolean};
    k->passphrase = json_get_string(q->in, "passphrase");
    key_ask_holders(k, NULL, e->key_id);
    if (!k->n) { /* central has just begun, and has heard nobody */
        add_machines(k, e, true);
        add_machines(k, e, false);
    }
    if (key_ask_run(k) == 0)
        return API_LATER;
    return refuse(&q->why, 503, "certificate.key-away",
                  "The key is kept on machines, and there is none that could have it: entente cert list.");
}
