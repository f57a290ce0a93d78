/* What machines are asked to do with the keys that they keep: make, seal, export. */
#include "service/central/priv.h"

#include "ground/base/mem.h"
#include "ground/base/text.h"

#include <errno.h>

/* --- the work --- */
static int body_for(const struct key_ask *k, const struct key_target *t, struct buf *out)
{
    struct key_request q = k->q;
    struct buf sealed = {0};
    int r = 0;
    if (k->passphrase.n)
        r = t->cert ? crypto_seal(t->cert, k->passphrase, &sealed) : -ENOENT;
    q.passphrase = buf_slice(&sealed);
    if (r == 0)
        key_request_write(&q, out);
    buf_fini(&sealed);
    return r;
}

static void note(struct key_ask *k, struct slice fqdn, struct slice text)
{
    buf_printf(&k->trouble, "%s" SLICE_FMT ": " SLICE_FMT, buf_len(&k->trouble) ? "; " : "", SLICE_ARG(fqdn),
               SLICE_ARG(text));
}

/* A daemon of an older version has nothing at these paths. */
static void take_answer(struct key_ask *k, const struct key_target *t, const struct http_result *result)
{
    struct key_answer w;
    if (result->status == 0)
        note(k, t->fqdn, slice_str(result->error));
    else if (key_answer_parse(arena_copy(&k->a, buf_slice(&result->body)), &k->a, &w) < 0)
        note(k, t->fqdn, SLICE("its answer cannot be read"));
    else if (w.error_id.n || result->status != 200)
        note(k, t->fqdn,
             arena_printf(&k->a, SLICE_FMT " (" SLICE_FMT ")", SLICE_ARG(w.error_text),
                          SLICE_ARG(w.error_id)));
    else {
        k->good = true;
        k->by = t->fqdn;
        k->w = w;
    }
}

static void ask_one(struct key_ask *k, const struct key_target *t, struct tls_ctx *tls)
{
    struct buf body = {0};
    struct http_result result = {0};
    struct slice url =
        arena_printf(&k->a, "https://" SLICE_FMT ":%u%s", SLICE_ARG(t->fqdn), net_addr_port(&t->to), k->path);
    if (body_for(k, t, &body) < 0) {
        note(k, t->fqdn, SLICE("nothing can be sealed to it: it has not been heard"));
        return;
    }
    const struct http_call c = {.method = "POST",
                                .url = arena_cstr(&k->a, url),
                                .body = buf_slice(&body),
                                .content_type = "application/json",
                                .connect_to = t->to,
                                .local = k->from,
                                .tls = tls,
                                .stop = &k->c->stopping,
                                .timeout_ms = CENTRAL_KEY_MS,
                                .connect_timeout_ms = CENTRAL_CONNECT_MS};
    http_call(&c, &result);
    take_answer(k, t, &result);
    http_result_fini(&result);
    buf_fini(&body);
}

static void ask_work(struct job *j)
{
    struct key_ask *k = (struct key_ask *)j;
    struct tls_ctx *tls = NULL;
    if (identity_take(&k->c->identity, k->c->vault.folder, &tls) < 0) {
        buf_printf(&k->trouble, "central's own key cannot be read");
        return;
    }
    for (size_t i = 0; i < k->n && !k->good && !k->c->stopping; i++)
        ask_one(k, &k->targets[i], tls);
    tls_ctx_unref(tls);
}

/* --- on the loop --- */
static void key_ask_free(struct key_ask *k)
{
    for (size_t i = 0; i < k->n; i++)
        crypto_cert_unref(k->targets[i].cert);
    buf_fini(&k->trouble);
    arena_fini(&k->a);
    mem_free(k);
}

static void ask_done(struct job *j)
{
    struct key_ask *k = (struct key_ask *)j;
    struct central *c = k->c;
    k->done(k);
    key_ask_free(k);
    central_unref(c);
}

struct key_ask *key_ask_new(struct central *c, const char *path, void (*done)(struct key_ask *k), void *arg)
{
    struct topology_role role;
    struct key_ask *k = MEM_NEW(struct key_ask);
    k->c = c;
    k->path = path;
    k->done = done;
    k->arg = arg;
    if (topology_role_find(c->now->topology, c->now->topology->central.machine, &role))
        (void)net_addr_parse(role.internal_address, 0, &k->from);
    return k;
}

void key_ask_add(struct key_ask *k, const struct pusher *p)
{
    if (k->n == CENTRAL_KEY_ASKED)
        return;
    k->targets[k->n++] = (struct key_target){.fqdn = arena_copy(&k->a, slice_str(p->fqdn)),
                                             .to = p->address,
                                             .cert = p->cert ? crypto_cert_ref(p->cert) : NULL};
}

void key_ask_holders(struct key_ask *k, const struct pusher *other, struct slice key_id)
{
    LIST_FOR(it, &k->c->pushers)
    {
        struct pusher *p = LIST_ENTRY(it, struct pusher, link);
        if (p != other && !p->removed && pusher_holds(p, key_id))
            key_ask_add(k, p);
    }
}

int key_ask_run(struct key_ask *k)
{
    k->job.work = ask_work;
    k->job.done = ask_done;
    k->c->refs++;
    if (k->n && helpers_run(k->c->talk_threads, k->c->loop, &k->job) == 0)
        return 0;
    k->c->refs--;
    key_ask_free(k);
    return -EAGAIN;
}

/* --- for a machine that lacks a key --- */
static void fetched(struct key_ask *k)
{
    struct pusher *p = pusher_find(k->c, slice_str(k->arg));
    struct buf text = {0};
    if (k->good)
        text_base64(&text, k->w.sealed.p, k->w.sealed.n);
    if (p && !k->c->closed) /* it may have left the topology */
        pusher_key_came(p, k->q.id, buf_slice(&text), buf_slice(&k->trouble));
    buf_fini(&text);
}

bool key_fetch(struct pusher *p, struct slice id)
{
    struct key_ask *k = key_ask_new(p->c, PUSH_KEY_SEAL_PATH, fetched, NULL);
    k->arg = arena_cstr(&k->a, slice_str(p->fqdn));
    k->q.id = arena_copy(&k->a, id);
    k->q.certificate = arena_copy(&k->a, buf_slice(&p->cert_text));
    key_ask_holders(k, p, id);
    p->fetching = key_ask_run(k) == 0;
    return p->fetching;
}
