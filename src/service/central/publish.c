#include "service/central/priv.h"

#include "ground/base/mem.h"
#include "ground/log/log.h"

#include <errno.h>

/* Of the pool, of one that it adopts, or of each of its machines. */
static bool has_certificate(const struct material *m, const struct topology_edge_pool *p)
{
    size_t n = 0;
    bool any = material_cert_find(m, p->fqdn) != NULL;
    for (size_t i = 0; i < p->adopts.n; i++)
        any = any || material_cert_find(m, p->adopts.items[i]);
    for (size_t i = 0; i < p->n_machines; i++)
        n += material_cert_find(m, p->machines[i].fqdn) != NULL;
    return any || n == p->n_machines;
}

/* Certificates are no part of the topology, and without one the pool's machines refuse the revision. */
static void check_certificates(const struct vault *v, const struct topology *t, struct findings *f)
{
    const struct material *m = v->now ? v->now->material : NULL;
    for (size_t i = 0; m && i < t->n_edge_pools; i++) {
        const struct topology_edge_pool *p = &t->edge_pools[i];
        if (p->managed && p->federation && p->access_edge != TOPOLOGY_DISABLED && !has_certificate(m, p))
            findings_add(f, "certificate-not-there", FINDING_WARNING,
                         arena_printf(&f->arena, "edge_pools/" SLICE_FMT, SLICE_ARG(p->fqdn)),
                         "entente cert request, and entente cert import before this is published",
                         "Edge pool " SLICE_FMT " federates and has no external certificate: its machines "
                         "will refuse this.",
                         SLICE_ARG(p->fqdn));
    }
}

int vault_check(const struct vault *v, const struct json_value *doc, struct topology **ret,
                struct findings *f)
{
    struct topology *t;
    int r = topology_from_json(doc, &t, f);
    if (r < 0)
        return r;
    topology_check_all(t, f);
    if (v->fqdn.n && !slice_caseeq(t->central.machine, v->fqdn))
        findings_add(f, "central-elsewhere", FINDING_ERROR, SLICE("central/machine"),
                     "leave it at the machine that publishes",
                     "Central management runs on " SLICE_FMT ", and machines take nothing from another.",
                     SLICE_ARG(v->fqdn));
    check_certificates(v, t, f);
    *ret = t;
    return 0;
}

static int check_for_publish(struct vault *v, const struct publication *p, struct topology **ret,
                             struct findings *f, struct refusal *why)
{
    struct topology *t = NULL;
    int r = vault_check(v, p->doc, &t, f);
    if (r < 0)
        return refuse(why, 422, "publish.not-a-topology", "The document is no topology: " SLICE_FMT,
                      SLICE_ARG(f->n ? f->items[0].text : SLICE("unknown")));
    if (f->errors)
        r = refuse(why, 422, "publish.errors", "The checks found %zu error%s; nothing was published.",
                   f->errors, f->errors == 1 ? "" : "s");
    else if (f->warnings && !p->accept_warnings)
        r = refuse(why, 409, "publish.warnings", "The checks warn %zu time%s: publish with them accepted.",
                   f->warnings, f->warnings == 1 ? "" : "s");
    if (r < 0)
        topology_unref(t);
    else
        *ret = t;
    return r;
}

static struct snapshot *snapshot_of(struct vault *v, const struct revision *rev, struct topology *t)
{
    struct snapshot *s = snapshot_copy(v->now);
    struct buf text = {0};
    revision_write(rev, &text);
    s->number = rev->number;
    memcpy(s->hash, rev->hash, sizeof(s->hash));
    s->text = arena_copy(&s->arena, buf_slice(&text));
    topology_unref(s->topology);
    s->topology = topology_ref(t);
    buf_fini(&text);
    return s;
}

/* One transaction, unless init has one around it. */
static int store_it(struct vault *v, const struct revision *rev, bool drop_draft)
{
    int r = store_begin(v->store);
    bool inner = r == -EBUSY;
    if (r < 0 && !inner)
        return r;
    r = store_revision_add_above(v->store, rev);
    if (r == 0 && drop_draft)
        r = store_draft_drop(v->store);
    if (inner)
        return r;
    if (r == 0)
        return store_commit(v->store);
    store_rollback(v->store);
    return r;
}

int vault_publish(struct vault *v, const struct publication *p, struct findings *f, struct refusal *why)
{
    struct topology *t = NULL;
    struct revision *rev = NULL;
    struct buf content = {0};
    if (check_for_publish(v, p, &t, f, why) < 0)
        return -EPROTO;
    topology_write_canonical(t, &content);
    uint64_t heard = v->heard_number, above = heard > v->now->number ? heard : v->now->number;
    int r =
        revision_new(above + 1, buf_slice(&content), p->author, p->comment, loop_wall(), v->signer_key, &rev);
    buf_fini(&content);
    if (r < 0)
        r = refuse(why, 422, "publish.comment",
                   "Author (%d bytes) or comment (%d bytes) is too long or no UTF-8.", REVISION_MAX_AUTHOR,
                   REVISION_MAX_COMMENT);
    else {
        r = store_it(v, rev, p->drop_draft);
        if (r < 0)
            refuse_store(why, v, r);
    }
    if (r == 0) {
        struct snapshot *s = snapshot_of(v, rev, t);
        snapshot_unref(v->now);
        v->now = s;
        log_event(LOG_INFO, "central.published", FIELDS({"author", p->author}), "revision %llu is published",
                  (unsigned long long)s->number);
    }
    revision_free(rev);
    topology_unref(t);
    return r;
}

int vault_revision(struct vault *v, uint64_t number, struct arena *a, struct revision **ret,
                   struct json_value **ret_doc, struct refusal *why)
{
    struct buf text = {0};
    struct revision *rev = NULL;
    struct json_error error;
    int r = store_revision_text(v->store, number, &text);
    if (r == 0)
        r = revision_parse(buf_slice(&text), v->signer, &rev);
    if (r == 0)
        r = json_parse(rev->content, a, ret_doc, &error);
    buf_fini(&text);
    if (r == 0) {
        *ret = rev;
        return 0;
    }
    revision_free(rev);
    if (r == -ENOENT)
        return refuse(why, 404, "topology.no-revision",
                      "There is no revision %llu: entente topology history lists them.",
                      (unsigned long long)number);
    return refuse(why, 500, "topology.damaged", "Revision %llu in the store is damaged.",
                  (unsigned long long)number);
}

/* --- for a transition --- */
struct publishing {
    struct task task;
    struct arena a;
    struct publication p;
    struct findings f;
    struct refusal why;
    uint64_t number;
    central_published *done;
    void *arg;
};

static void publish_work(struct task *t, struct vault *v)
{
    struct publishing *q = (struct publishing *)t;
    if (vault_publish(v, &q->p, &q->f, &q->why) == 0)
        q->number = v->now->number;
}

static void publish_done(struct task *t, bool closed)
{
    struct publishing *q = (struct publishing *)t;
    struct buf text = {0};
    if (q->why.status)
        buf_printf(&text, "%s", q->why.text);
    for (size_t i = 0; i < q->f.n; i++)
        buf_printf(&text, "%s%s at " SLICE_FMT ": " SLICE_FMT, buf_len(&text) ? "\n" : "", q->f.items[i].id,
                   SLICE_ARG(q->f.items[i].path), SLICE_ARG(q->f.items[i].text));
    char *words = buf_take(&text);
    int error = !q->why.status ? 0 : q->why.status >= 500 ? -EIO : -EINVAL;
    if (!closed)
        q->done(q->arg, error, q->number, words);
    mem_free(words);
    findings_fini(&q->f);
    arena_fini(&q->a);
    mem_free(q);
}

void central_publish(struct central *c, const struct json_value *doc, struct slice author,
                     struct slice comment, central_published *done, void *arg)
{
    struct publishing *q = MEM_NEW(struct publishing);
    struct buf text = {0};
    struct json_value *copy = NULL;
    struct json_error error;
    json_write(doc, false, &text);
    if (json_parse(buf_slice(&text), &q->a, &copy, &error) < 0)
        copy = json_null(&q->a); /* deeper than any topology: the parser refuses it */
    buf_fini(&text);
    q->p = (struct publication){.doc = copy,
                                .author = arena_copy(&q->a, author),
                                .comment = arena_copy(&q->a, comment),
                                .accept_warnings = true};
    q->done = done;
    q->arg = arg;
    q->task.work = publish_work;
    q->task.done = publish_done;
    task_run(c, &q->task);
}
