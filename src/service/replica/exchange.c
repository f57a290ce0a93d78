#include "service/replica/priv.h"

#include "ground/base/mem.h"
#include "ground/log/log.h"
#include "ground/log/metric.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    STATUS_OK = 200,
    STATUS_BAD = 400,
    STATUS_FORBIDDEN = 403,
    STATUS_NOT_FOUND = 404,
    STATUS_CONFLICT = 409
};

static struct exchange *exchange_new(struct replica *r, struct http_request *rq)
{
    struct exchange *e = MEM_NEW(struct exchange);
    e->r = r;
    e->rq = rq;
    e->status = STATUS_OK;
    e->names_ok = r->names_ok;
    return e;
}

static void exchange_free(struct exchange *e)
{
    replica_identity_free(e->id);
    replica_identity_free(e->old_id);
    revision_free(e->revision);
    topology_unref(e->topology);
    material_unref(e->material);
    buf_fini(&e->request);
    keys_free(e->holds);
    mem_free(e);
}

int exchange_refuse(struct exchange *e, const char *id, const char *fmt, ...)
{
    va_list ap;
    e->error_id = id;
    e->status = STATUS_CONFLICT;
    va_start(ap, fmt);
    vsnprintf(e->error_text, sizeof(e->error_text), fmt, ap);
    va_end(ap);
    return -EPROTO;
}

/* --- the answer --- */
static void answer_fill(const struct exchange *e, struct push_answer *w, struct buf *certificate)
{
    const struct replica *r = e->r;
    crypto_cert_write(r->id->cert, certificate);
    *w = (struct push_answer){
        .fqdn = r->id->fqdn,
        .names_ok = r->names_ok,
        .certificate = buf_slice(certificate),
        .request = buf_slice(&r->request),
        .time_ms = loop_wall(),
        .error_id = slice_str(e->error_id),
        .error_text = slice_str(e->error_text),
    };
    if (r->holds)
        w->holds = (struct push_list){r->holds->items, r->holds->n};
    if (r->lacks)
        w->lacks = (struct push_list){r->lacks->items, r->lacks->n};
    if (r->running) {
        w->revision = r->revision->number;
        w->hash = slice_str(r->revision->hash);
        w->material = r->material->serial;
    }
}

static void respond(struct exchange *e)
{
    struct replica *r = e->r;
    struct arena a = {0};
    struct buf out = {0}, certificate = {0};
    struct push_answer w;
    answer_fill(e, &w, &certificate);
    if (r->ops->describe && !r->closed) {
        struct json_value *state = json_object(&a);
        r->ops->describe(r->arg, &a, state);
        w.state = state;
    }
    push_answer_write(&w, &a, &out);
    http_respond(e->rq, e->status, "application/json", buf_slice(&out));
    buf_fini(&out);
    buf_fini(&certificate);
    arena_fini(&a);
}

static void log_outcome(const struct exchange *e, uint64_t before)
{
    const struct replica *r = e->r;
    if (e->error_id) {
        METRIC_COUNT("replica.refused");
        log_event(LOG_WARN, "replica.refused", FIELDS({"reason", slice_str(e->error_id)}), "%s",
                  e->error_text);
    } else if (replica_revision(r) != before) {
        METRIC_COUNT("replica.applied");
        log_info("replica.applied", "revision %llu runs", (unsigned long long)replica_revision(r));
    }
}

/* --- the way of an exchange: take (helper), apply (loop), settle (helper), finish (loop) --- */
static void finish(struct exchange *e)
{
    struct replica *r = e->r;
    bool first = !e->rq;
    r->changing = NULL;
    if (e->rq)
        respond(e);
    if (!r->closed) {
        int err = first || e->topology ? replica_listen(r) : 0;
        if (err < 0 && !e->error_id)
            exchange_refuse(e, "replica.listen", "The replica endpoint cannot listen: %s.", strerror(-err));
        if (first)
            r->ready(r->arg, err < 0 ? err : e->error_id ? -EPROTO : 0, e->error_text);
    }
    exchange_free(e);
    replica_drop(r);
}

/* What was refused is forgotten; a new identity stays, it is stored already. */
static void drop_content(struct exchange *e)
{
    revision_free(e->revision);
    topology_unref(e->topology);
    material_unref(e->material);
    e->revision = NULL;
    e->topology = NULL;
    e->material = NULL;
}

static void make_current(struct exchange *e)
{
    struct replica *r = e->r;
    if (e->revision) {
        revision_free(r->revision);
        topology_unref(r->topology);
        r->revision = e->revision;
        r->topology = topology_ref(e->topology); /* e keeps its own: finish looks whether there was one */
        e->revision = NULL;
    }
    if (e->material) {
        material_unref(r->material);
        r->material = e->material;
        e->material = NULL;
    }
}

static void applied_back(void *arg, int error, const char *text)
{
    struct exchange *e = arg;
    if (error)
        log_error("replica.not-restored", "the revision before could not be applied again: %s", text);
    finish(e);
}

static void settled(struct job *j)
{
    struct exchange *e = (struct exchange *)j;
    struct replica *r = e->r;
    uint64_t before = replica_revision(r);
    bool undo = e->error_id && (e->revision || e->material) && r->running && !r->closed;
    if (!e->error_id) {
        make_current(e);
        r->running = r->running || e->applied;
    }
    r->names_ok = e->names_ok;
    keys_free(r->holds);
    r->holds = e->holds;
    e->holds = NULL;
    buf_clear(&r->request, 0);
    buf_append(&r->request, buf_slice(&e->request));
    log_outcome(e, before);
    if (!undo) {
        finish(e);
        return;
    }
    drop_content(e);
    r->ops->apply(r->arg, r->topology, r->revision, r->material, r->id, applied_back, e);
}

static void settle_work(struct job *j)
{
    struct exchange *e = (struct exchange *)j;
    if (!e->error_id)
        exchange_commit_files(e);
    if (!e->error_id && e->topology)
        keys_prune(e->r->folder, e->topology, e->r->id->fqdn);
    e->holds = keys_held(e->r->folder);
    exchange_prepare_request(e, e->topology ? e->topology : e->r->topology, e->r->id);
}

static void settle(struct exchange *e)
{
    e->job.work = settle_work;
    e->job.done = settled;
    if (helpers_run(e->r->helpers, e->r->loop, &e->job) < 0) {
        exchange_refuse(e, "replica.busy", "Too much is waiting for the disk.");
        finish(e);
    }
}

static void applied(void *arg, int error, const char *text)
{
    struct exchange *e = arg;
    replica_identity_free(e->old_id);
    e->old_id = NULL;
    e->applied = !error;
    if (error && !e->error_id)
        exchange_refuse(e, "replica.refused", "%s", text && *text ? text : strerror(-error));
    if (e->error_id)
        drop_content(e);
    if (e->r->closed)
        finish(e);
    else
        settle(e);
}

static void install_identity(struct exchange *e)
{
    struct replica *r = e->r;
    struct tls_ctx *tls = NULL;
    const struct tls_config config = {.server = true,
                                      .key = e->id->key,
                                      .cert = e->id->cert,
                                      .trust = e->id->trust,
                                      .peer = TLS_PEER_REQUIRED};
    e->old_id = r->id;
    r->id = e->id;
    e->id = NULL;
    if (r->server && tls_ctx_new(&config, &tls) == 0)
        http_server_set_tls(r->server, tls);
    tls_ctx_unref(tls);
    log_info("replica.certificate", "a new internal certificate is in use");
}

static void exchange_apply(struct exchange *e)
{
    struct replica *r = e->r;
    bool changes = e->id || e->revision || e->material || (!r->running && !e->error_id);
    struct topology *t = e->topology ? e->topology : r->topology;
    struct revision *revision = e->revision ? e->revision : r->revision;
    struct material *m = e->material ? e->material : r->material;
    if (e->id)
        install_identity(e);
    if (changes && t && m)
        r->ops->apply(r->arg, t, revision, m, r->id, applied, e);
    else
        settle(e);
}

static void taken(struct job *j)
{
    struct exchange *e = (struct exchange *)j;
    struct replica *r = e->r;
    if (e->material) {
        keys_free(r->lacks);
        r->lacks = keys_lacking(e->material);
    }
    if (!e->error_id && e->revision && !e->material && !r->material)
        exchange_refuse(e, "replica.unseal", "The revision came without material, and there is none here.");
    if (e->error_id)
        drop_content(e);
    if (r->closed)
        finish(e);
    else if (e->error_id && !e->id) {
        log_outcome(e, replica_revision(r));
        finish(e);
    } else
        exchange_apply(e);
}

static void take_work(struct job *j)
{
    exchange_take((struct exchange *)j);
}

/* --- requests --- */
static void refuse_request(struct replica *r, struct http_request *rq, unsigned status, const char *id,
                           const char *text)
{
    struct exchange *e = exchange_new(r, rq);
    exchange_refuse(e, id, "%s", text);
    e->status = status;
    log_outcome(e, replica_revision(r));
    respond(e);
    exchange_free(e);
}

static bool from_central(const struct replica *r, const struct http_request *rq)
{
    const struct crypto_cert *peer = http_peer_cert(rq);
    struct slice central = r->topology ? r->topology->central.machine : r->id->central_fqdn;
    return peer && crypto_cert_names_host(peer, central);
}

static void start(struct replica *r, struct http_request *rq, const struct push_request *q)
{
    bool empty = !q->revision.n && !q->material.n && !q->certificate.n;
    struct exchange *e = exchange_new(r, rq);
    e->q = *q;
    if (empty && r->changing) {
        respond(e);
        exchange_free(e);
        return;
    }
    if (r->changing) {
        exchange_free(e);
        refuse_request(r, rq, STATUS_CONFLICT, "replica.busy", "Another push is being applied.");
        return;
    }
    r->changing = e;
    if (empty) {
        settle(e);
        return;
    }
    e->job.work = take_work;
    e->job.done = taken;
    if (helpers_run(r->helpers, r->loop, &e->job) < 0) {
        exchange_refuse(e, "replica.busy", "Too much is waiting for the disk.");
        finish(e);
    }
}

void replica_handle(void *arg, struct http_request *rq)
{
    struct replica *r = arg;
    struct push_request q = {0};
    bool push = slice_eq(http_path(rq), SLICE(PUSH_PATH)) && slice_eq(http_method(rq), SLICE("POST"));
    bool state = slice_eq(http_path(rq), SLICE(PUSH_STATE_PATH)) && slice_eq(http_method(rq), SLICE("GET"));
    if (!from_central(r, rq))
        refuse_request(r, rq, STATUS_FORBIDDEN, "replica.not-central",
                       "The peer's certificate does not name central management.");
    else if (key_request_handle(r, rq))
        return;
    else if (!push && !state && r->ops->ask && !r->closed && r->ops->ask(r->arg, rq))
        return;
    else if (!push && !state)
        refuse_request(r, rq, STATUS_NOT_FOUND, "replica.bad-push", "There is nothing at this path.");
    else if (push && push_request_parse(http_body(rq), http_arena(rq), &q) < 0)
        refuse_request(r, rq, STATUS_BAD, "replica.bad-push", "The push cannot be read.");
    else
        start(r, rq, &q);
}

/* The first application of what was loaded: an exchange that nobody asked for. */
void exchange_first(struct replica *r, const char *fault)
{
    struct exchange *e = exchange_new(r, NULL);
    r->changing = e;
    if (fault)
        exchange_refuse(e, "replica.damaged", "%s", fault);
    exchange_apply(e);
}
