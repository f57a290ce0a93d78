/* An INVITE that was answered with 2xx (RFC 6026): for 64*T1 it absorbs itself when it comes again, and
 * further 2xx go up through it, of other branches or repeated. Only what that takes is kept of it: a few
 * hundred bytes in one piece. When a 2xx does come, a request is made of them again for as long as it passes.
 */
#include "element/branch.h"
#include "element/forward.h"
#include "element/reply.h"
#include "element/rewrite.h"

/* A branch that was answered with 2xx. */
struct accepted_branch {
    struct map_entry by_branch;
    struct accepted *of;
    char text[BRANCH_TEXT];
};
struct accepted {
    struct list link; /* shard.accepted */
    struct map_entry by_key;
    struct element_config *config;
    uint64_t until;
    size_t bytes; /* of this piece */
    struct request_names names;
    struct source src;
    struct slice maddr, kept, vias;
    char *peer_identity; /* NULL: none */
    uint64_t call_hash;
    bool has_rport, keeps_vias;
    char to_tag[TAG_TEXT];
    size_t n_branches;
    struct accepted_branch branches[]; /* then the texts */
};
_Static_assert(sizeof(struct accepted) % _Alignof(struct accepted_branch) == 0, "texts follow the branches");

/* ---------------------------------------------------------------- life */
static void accepted_note(struct shard *s)
{
    shard_note(&s->load_accepted, s->n_accepted);
    shard_note(&s->load_accepted_bytes, s->accepted_bytes);
}

static void accepted_free(struct shard *s, struct accepted *a)
{
    map_remove(&s->accepted_by_key, &a->by_key);
    for (size_t i = 0; i < a->n_branches; i++)
        map_remove(&s->accepted_by_branch, &a->branches[i].by_branch);
    list_unlink(&a->link);
    s->n_accepted--;
    s->accepted_bytes -= a->bytes;
    s->held -= a->bytes;
    element_config_unref(a->config);
    mem_free(a);
}

/* In the order in which they came here: behind one that ends later some stay a little longer than they must.
 */
static void accepted_expire(void *arg)
{
    struct shard *s = arg;
    uint64_t now = loop_now(s->loop);
    struct list *first;
    while ((first = list_first(&s->accepted)) && LIST_ENTRY(first, struct accepted, link)->until <= now)
        accepted_free(s, LIST_ENTRY(first, struct accepted, link));
    if (first)
        timer_start(&s->accepted_end, LIST_ENTRY(first, struct accepted, link)->until);
    accepted_note(s);
}

void accepted_init(struct shard *s)
{
    list_init(&s->accepted);
    timer_init(&s->accepted_end, s->loop, accepted_expire, s);
}

void accepted_fini(struct shard *s)
{
    timer_stop(&s->accepted_end);
    LIST_FOR(it, &s->accepted)
    accepted_free(s, LIST_ENTRY(it, struct accepted, link));
    map_fini(&s->accepted_by_key);
    map_fini(&s->accepted_by_branch);
}

void accepted_port_gone(struct shard *s, const struct port *p)
{
    LIST_FOR(it, &s->accepted)
    {
        struct accepted *a = LIST_ENTRY(it, struct accepted, link);
        if (a->src.port == p)
            a->src.port = NULL;
    }
}

/* ---------------------------------------------------------------- becoming one */
static bool accepted_may_be(const struct request *rq)
{
    if (rq->txn.state != SIPTXN_ACCEPTED || !rq->over || rq->lookup)
        return false;
    for (size_t i = 0; i < rq->n_branches; i++)
        if (rq->branches[i].state != BRANCH_DONE)
            return false;
    return true;
}

static struct client *accepted_client(const struct branch *b)
{
    return b->client && b->client->txn.state == SIPTXN_ACCEPTED ? b->client : NULL;
}

static void accepted_take_branches(struct shard *s, struct accepted *a, struct request *rq)
{
    for (size_t i = 0; i < rq->n_branches; i++) {
        struct client *c = accepted_client(&rq->branches[i]);
        if (!c)
            continue;
        struct accepted_branch *b = &a->branches[a->n_branches++];
        b->of = a;
        memcpy(b->text, c->inflight.branch, BRANCH_TEXT);
        map_insert(&s->accepted_by_branch, &b->by_branch, c->by_branch.hash);
        client_free(c);
    }
}

static void accepted_copy_texts(struct accepted *a, char *to, struct slice identity)
{
    struct slice *const texts[] = {
        &a->names.branch, &a->names.call_id, &a->names.from_tag, &a->names.via_host, &a->maddr,
        &a->kept,         &a->vias};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i]->n)
            memcpy(to, texts[i]->p, texts[i]->n);
        texts[i]->p = to;
        to += texts[i]->n;
    }
    if (identity.n == 0)
        return;
    memcpy(to, identity.p, identity.n);
    to[identity.n] = 0;
    a->peer_identity = to;
}

bool accepted_takes_over(struct request *rq)
{
    struct shard *s = rq->s;
    const struct element_ops *ops = rq->config->ops;
    size_t n = 0;
    if (!accepted_may_be(rq))
        return false;
    struct accepted whole = {.until = rq->txn.linger,
                             .names = request_names_of(&rq->msg),
                             .src = rq->src,
                             .maddr = rq->msg.via.maddr,
                             .kept = ops->keep && rq->data ? ops->keep(rq) : SLICE_NONE,
                             .vias = rq->keeps_vias ? rewrite_kept_vias(rq) : SLICE_NONE,
                             .call_hash = rq->call_hash,
                             .has_rport = rq->msg.via.has_rport,
                             .keeps_vias = rq->keeps_vias};
    struct slice identity = slice_str(rq->peer_identity);
    size_t texts = whole.names.branch.n + whole.names.call_id.n + whole.names.from_tag.n +
                   whole.names.via_host.n + whole.maddr.n + whole.kept.n + whole.vias.n + identity.n + 1;
    for (size_t i = 0; i < rq->n_branches; i++)
        n += accepted_client(&rq->branches[i]) != NULL;
    whole.bytes = sizeof(whole) + n * sizeof(struct accepted_branch) + texts;
    struct accepted *a = mem_alloc(whole.bytes);
    *a = whole;
    a->config = element_config_ref(rq->config);
    memcpy(a->to_tag, rq->to_tag, TAG_TEXT);
    accepted_copy_texts(a, (char *)&a->branches[n], identity);
    map_insert(&s->accepted_by_key, &a->by_key, rq->by_key.hash);
    accepted_take_branches(s, a, rq);
    list_push_back(&s->accepted, &a->link);
    s->n_accepted++;
    s->accepted_bytes += a->bytes;
    s->held += a->bytes;
    if (!timer_running(&s->accepted_end))
        timer_start(&s->accepted_end, a->until);
    accepted_note(s);
    request_free(rq);
    return true;
}

/* ---------------------------------------------------------------- what comes for it */
bool accepted_absorbs(const struct source *src, const struct sip_msg *m)
{
    struct shard *s = src->s;
    struct request_names names = request_names_of(m);
    struct map_entry *e = s->n_accepted ? map_first(&s->accepted_by_key, request_names_key(&names)) : NULL;
    while (e && !request_names_equal(&MAP_OBJECT(e, struct accepted, by_key)->names, &names))
        e = map_next(e);
    if (!e)
        return false;
    struct accepted *a = MAP_OBJECT(e, struct accepted, by_key);
    if (m->method == SIP_CANCEL) { /* too late for it (9.2) */
        unsigned status = reply_stateless(src, m, 200, SLICE_NONE, SLICE_NONE, a->to_tag);
        access_stateless(src, m, &(struct access_short){.status = status});
    } else if (m->method == SIP_INVITE) {
        if (m->cseq != a->names.cseq)
            return false;
        METRIC_COUNT("element.retransmission-in");
        trace_add(&s->trace, a->call_hash, TRACE_RETRANSMISSION, m->method, 0, &src->from, NULL);
    }
    return true;
}

/* As much of a request as a 2xx on its way up asks for. It ends with this turn. */
static struct request *accepted_wake(struct shard *s, const struct accepted *a)
{
    struct request *rq = request_alloc(s);
    rq->config = element_config_ref(a->config);
    rq->src = a->src;
    rq->msg = (struct sip_msg){
        .is_request = true,
        .method = SIP_INVITE,
        .method_name = SLICE("INVITE"),
        .cseq = a->names.cseq,
        .call_id = a->names.call_id,
        .from_tag = a->names.from_tag,
        .branch = a->names.branch,
        .via = {.host = a->names.via_host,
                .port = a->names.via_port,
                .maddr = a->maddr,
                .has_rport = a->has_rport}
    };
    rq->call_hash = a->call_hash;
    memcpy(rq->to_tag, a->to_tag, TAG_TEXT);
    rq->peer_identity = a->peer_identity;
    rq->keeps_vias = a->keeps_vias;
    rq->kept_vias = a->vias;
    rq->answered = rq->over = rq->forwarded = true;
    /* Reliable: nothing is kept to be sent again. */
    siptxn_start(&rq->txn, SIPTXN_INVITE_SERVER, true, &rq->config->times, loop_now(s->loop));
    siptxn_send(&rq->txn, loop_now(s->loop), 200);
    rq->txn.linger = UINT64_MAX;
    if (a->kept.n)
        rq->config->ops->restore(rq, arena_copy(&rq->arena, a->kept));
    return rq;
}

bool accepted_response(struct shard *s, const struct source *src, const struct sip_msg *m)
{
    struct map_entry *e = map_first(&s->accepted_by_branch, slice_hash(m->branch));
    while (e && !slice_eq(slice_str(MAP_OBJECT(e, struct accepted_branch, by_branch)->text), m->branch))
        e = map_next(e);
    if (!e || m->cseq_method != SIP_INVITE)
        return false;
    struct accepted *a = MAP_OBJECT(e, struct accepted_branch, by_branch)->of;
    trace_add(&s->trace, a->call_hash, TRACE_RESPONSE_IN, m->cseq_method, m->status, &src->from, NULL);
    if (m->status < 200 || m->status >= 300)
        return true; /* late; the answer is out */
    struct request *rq = accepted_wake(s, a);
    forward_further(rq, m);
    request_abandon(rq);
    return true;
}
