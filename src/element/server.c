/* The server side of a request: its transaction, from the first copy to the last (RFC 3261 17.2). */
#include "element/flow.h"
#include "element/forward.h"
#include "element/reply.h"
#include "element/validate.h"
#include "element/way_back.h"

/* ---------------------------------------------------------------- what it is found by */
struct request_names request_names_of(const struct sip_msg *m)
{
    return (struct request_names){m->branch, m->via.host, m->call_id, m->from_tag, m->cseq, m->via.port};
}

/* The cookie alone identifies nothing (RFC 4475 3.2.1): then as of an RFC 2543 sender. */
static bool has_cookie(struct slice branch)
{
    static const struct slice cookie = SLICE_INIT("z9hG4bK");
    return branch.n > cookie.n && slice_starts(branch, cookie);
}

uint64_t request_names_key(const struct request_names *n)
{
    if (has_cookie(n->branch))
        return slice_hash(n->branch);
    /* RFC 2543 senders (17.2.3): what identifies the request apart from the method. */
    return slice_hash(n->call_id) + 31 * slice_hash(n->from_tag) + n->cseq + 7 * slice_casehash(n->via_host);
}

bool request_names_equal(const struct request_names *a, const struct request_names *b)
{
    if (has_cookie(b->branch))
        return slice_eq(a->branch, b->branch) && slice_caseeq(a->via_host, b->via_host) &&
               a->via_port == b->via_port;
    return slice_eq(a->call_id, b->call_id) && slice_eq(a->from_tag, b->from_tag) && a->cseq == b->cseq &&
           slice_caseeq(a->via_host, b->via_host);
}

struct request *request_match(struct shard *s, const struct sip_msg *m, bool invite)
{
    struct request_names names = request_names_of(m);
    for (struct map_entry *e = map_first(&s->servers, request_names_key(&names)); e; e = map_next(e)) {
        struct request *rq = MAP_OBJECT(e, struct request, by_key);
        struct request_names of = request_names_of(&rq->msg);
        if ((rq->msg.method == SIP_INVITE) == invite && request_names_equal(&of, &names))
            return rq;
    }
    return NULL;
}

/* ---------------------------------------------------------------- life */
static void request_end_of_turn(void *arg)
{
    struct request *rq = arg;
    if (rq->txn.state == SIPTXN_TERMINATED)
        request_free(rq);
    else if (!accepted_takes_over(rq))
        request_shed(rq);
}

struct request *request_alloc(struct shard *s)
{
    struct list *l = list_first(&s->idle_requests);
    struct request *rq = l ? LIST_ENTRY(l, struct request, link) : NULL;
    if (rq) {
        list_unlink(l);
        s->n_idle_requests--;
        struct arena a = rq->arena;
        struct buf last = rq->last, best = rq->best;
        memset(rq, 0, offsetof(struct request, msg));
        rq->arena = a;
        rq->last = last;
        rq->best = best;
    } else {
        rq = MEM_NEW(struct request);
    }
    rq->s = s;
    list_push_back(&s->requests, &rq->link);
    s->n_requests++;
    deferred_init(&rq->freeing, request_end_of_turn, rq);
    return rq;
}

static void request_tick(struct request *rq)
{
    if (rq->txn.state == SIPTXN_TERMINATED) {
        request_maybe_free(rq);
        return;
    }
    uint64_t at = siptxn_deadline(&rq->txn);
    if (at == UINT64_MAX)
        timer_stop(&rq->timer);
    else if (!timer_running(&rq->timer) || rq->timer.at != at)
        timer_start(&rq->timer, at);
}

static void request_timer(void *arg)
{
    struct request *rq = arg;
    uint64_t now = loop_now(rq->s->loop);
    unsigned act = siptxn_timeout(&rq->txn, now);
    if (act & SIPTXN_DO_TRYING && !rq->answered)
        request_reply(rq, &(struct reply){.status = 100});
    if (act & SIPTXN_DO_SEND)
        source_send(&rq->src, &rq->msg.via, buf_slice(&rq->last), slice_str(rq->peer_identity));
    if (act & SIPTXN_DO_TIMEOUT) {
        METRIC_COUNT("element.no-ack");
        trace_add(&rq->s->trace, rq->call_hash, TRACE_NOTE_LINE, rq->msg.method, 0, NULL,
                  "no ACK came (timer H)");
    }
    request_tick(rq);
}

struct request *request_new(const struct source *src, const struct sip_msg *m)
{
    struct shard *s = src->s;
    struct request *rq = request_alloc(s);
    uint64_t now = loop_now(s->loop);
    rq->config = element_config_ref(s->config);
    rq->src = *src;
    rq->src.flow = NULL;
    rq->began_ms = now;
    account_begin(rq);
    sip_msg_copy(m, &rq->arena, &rq->msg);
    rq->call_hash = slice_hash(rq->msg.call_id);
    rq->top_via = via_received(&rq->arena, &rq->msg.via, sip_msg_value(&rq->msg, SIP_H_VIA), &src->from);
    rq->is_ack = rq->msg.method == SIP_ACK;
    overload_count(rq);
    rq->to_tag[0] = 'e';
    struct request_names names = request_names_of(&rq->msg);
    uint64_t key = request_names_key(&names);
    *text_put_hex(rq->to_tag + 1, key + rq->call_hash + ++s->branch_counter, 16) = 0;
    timer_init(&rq->timer, s->loop, request_timer, rq);
    if (rq->is_ack) {
        rq->txn.state = SIPTXN_TERMINATED;
        return rq;
    }
    map_insert(&s->servers, &rq->by_key, key);
    rq->keyed = true;
    siptxn_start(&rq->txn, rq->msg.method == SIP_INVITE ? SIPTXN_INVITE_SERVER : SIPTXN_SERVER,
                 src->transport != SIP_UDP, &rq->config->times, now);
    if (src->flow)
        src->flow->pending++;
    /* Only this thread writes them. */
    shard_note(&s->load_requests, s->load_requests + 1);
    shard_note(&s->last_request_ms, (uint64_t)loop_wall());
    if (rq->msg.to_tag.n)
        shard_note(&s->last_dialog_ms, (uint64_t)loop_wall());
    request_tick(rq);
    return rq;
}

/* The final response is out (or never will be): what counts as pending counts no more. */
static void request_settle(struct request *rq)
{
    if (rq->over)
        return;
    rq->over = true;
    if (!rq->is_ack)
        account_over(rq);
    if (rq->config->ops->request_over)
        rq->config->ops->request_over(rq);
    if (rq->share) {
        shares_hold(rq->share, -(int64_t)rq->share_held);
        shares_done(&rq->s->shares, rq->share);
    }
    rq->share = NULL;
    if (rq->is_ack)
        return;
    struct flow *f = request_flow(rq);
    if (f && f->pending)
        f->pending--;
    if (f && f->half_closed && f->pending == 0 && list_empty(&f->inflight))
        flow_finish(f);
    shard_note(&rq->s->load_requests, rq->s->load_requests - 1);
}

void request_free(struct request *rq)
{
    struct shard *s = rq->s;
    if (rq->txn.times || rq->is_ack)
        request_settle(rq);
    forward_abandon(rq);
    deferred_cancel(&rq->freeing);
    timer_stop(&rq->timer);
    if (rq->keyed)
        map_remove(&s->servers, &rq->by_key);
    list_unlink(&rq->link);
    s->n_requests--;
    s->held -= rq->held;
    element_config_unref(rq->config);
    mem_free(rq->shed);
    if (s->n_idle_requests < FREE_REQUESTS_KEPT && rq->arena.total <= REQUEST_ARENA_KEPT) {
        arena_reset(&rq->arena);
        buf_clear(&rq->last, 4096);
        buf_clear(&rq->best, 4096);
        list_push_front(&s->idle_requests, &rq->link);
        s->n_idle_requests++;
        return;
    }
    arena_fini(&rq->arena);
    buf_fini(&rq->last);
    buf_fini(&rq->best);
    mem_free(rq);
}

/* At the end of the turn: whoever is up the stack may still look at it. */
void request_maybe_free(struct request *rq)
{
    if (rq->txn.state == SIPTXN_TERMINATED && (rq->answered || rq->abandoned))
        deferred_add(rq->s->loop, &rq->freeing);
}

void request_abandon(struct request *rq)
{
    rq->abandoned = true;
    rq->txn.state = SIPTXN_TERMINATED;
    timer_stop(&rq->timer);
    request_settle(rq);
    request_maybe_free(rq);
}

void request_begin(struct request *rq)
{
    /* An ACK for one of our stateless answers ends here. */
    if (rq->is_ack && slice_starts(rq->msg.to_tag, SLICE(STATELESS_TAG))) {
        request_abandon(rq);
        return;
    }
    if (request_valid(rq))
        rq->config->ops->request(rq);
}

/* ---------------------------------------------------------------- what follows the request */
void request_again(struct request *rq)
{
    unsigned act = siptxn_request(&rq->txn, loop_now(rq->s->loop));
    METRIC_COUNT("element.retransmission-in");
    if (act & SIPTXN_DO_SEND && buf_len(&rq->last))
        source_send(&rq->src, &rq->msg.via, buf_slice(&rq->last), slice_str(rq->peer_identity));
    request_tick(rq);
}

void request_acked(struct request *rq)
{
    siptxn_ack(&rq->txn, loop_now(rq->s->loop));
    request_tick(rq);
}

void request_cancel(struct request *rq)
{
    if (rq->answered || rq->cancelled)
        return;
    rq->cancelled = true;
    METRIC_COUNT("element.cancelled");
    if (rq->forwarded)
        forward_cancel(rq, SLICE("SIP;cause=487;text=\"cancelled by the caller\""));
    else
        request_reply(rq, &(struct reply){.status = 487});
}

void request_send(struct request *rq, unsigned status, struct buf *message)
{
    struct shard *s = rq->s;
    if (rq->is_ack || rq->abandoned ||
        (rq->answered && !(rq->msg.method == SIP_INVITE && status < 300 && status >= 200)))
        return;
    unsigned act = siptxn_send(&rq->txn, loop_now(s->loop), status);
    if (!(act & SIPTXN_DO_SEND))
        return;
    trace_add(&s->trace, rq->call_hash, TRACE_RESPONSE_OUT, rq->msg.method, status, &rq->src.from, NULL);
    source_send(&rq->src, &rq->msg.via, buf_slice(message), slice_str(rq->peer_identity));
    rq->last_status = status;
    if (!rq->txn.reliable) { /* a reliable transport repeats nothing */
        buf_clear(&rq->last, 65536);
        buf_append(&rq->last, buf_slice(message));
    }
    if (status >= 200) {
        rq->account.bytes_out = buf_len(message);
        rq->answered = true;
        request_settle(rq);
        deferred_add(s->loop, &rq->freeing);
    }
    request_tick(rq);
}
