/* What comes in: parsed, matched to its transaction, or the beginning of one; sent to the worker that owns
 * it. */
#include "element/flow.h"
#include "element/outgoing.h"
#include "element/pool.h"
#include "element/port.h"
#include "element/reply.h"
#include "element/shard.h"

#include <stdio.h>

/* A message that belongs to another worker, or goes round in search of its transaction. */
struct passed {
    struct mail mail;
    struct element *e;
    uint32_t to;
    uint32_t origin; /* a round: where it began */
    struct flow_ref ref;
    struct net_addr from;
    struct net_addr port_addr; /* UDP: which port it came in by */
    enum side side;
    enum sip_transport transport;
    size_t n;
    char text[];
};

static void ingress_round(struct mail *m, struct loop *to);

static void ingress_log_flaw(const struct source *src, enum sip_flaw flaw, const char *what)
{
    char addr[NET_ADDR_TEXT], times[24];
    struct slice peer = net_addr_text(&src->from, addr);
    uint64_t since;
    METRIC_COUNT("element.malformed");
    if (!guard_may_tell(src->s, &src->from, SOURCES_TELL_MALFORMED, &since))
        return;
    snprintf(times, sizeof(times), "%llu", (unsigned long long)since);
    log_event(LOG_WARN, REFUSE_MALFORMED.id,
              FIELDS({"peer", peer}, {"flaw", slice_str(sip_flaw_id(flaw))}, {"times", slice_str(times)}),
              "%s: %s", what, sip_flaw_text(flaw));
}

/* It gets its answer when so much of it can be read. */
static void ingress_malformed(const struct source *src, const struct sip_msg *m, enum sip_flaw flaw,
                              bool answerable)
{
    unsigned status = answerable ? reply_stateless(src, m, sip_flaw_status(flaw),
                                                   slice_str(sip_flaw_text(flaw)), SLICE_NONE, "")
                                 : 0;
    access_stateless(src, m,
                     &(struct access_short){.status = status, .refusal = &REFUSE_MALFORMED, .flaw = flaw});
}

void ingress_flaw(const struct source *src, struct slice start, enum sip_flaw flaw)
{
    /* The header part may be complete although the length is not usable: then the sender gets its answer. */
    size_t end = slice_search(slice_head(start, SIP_MAX_MESSAGE), SLICE("\r\n\r\n"));
    size_t n = end == SIZE_MAX ? (start.n < SIP_MAX_MESSAGE ? start.n : SIP_MAX_MESSAGE) : end + 4;
    struct sip_msg m;
    enum sip_flaw again;
    arena_reset(&src->s->scratch);
    (void)!sip_msg_parse(slice_head(start, n), &src->s->scratch, &m, &again);
    bool sip = again != SIP_FLAW_START_LINE || m.is_request;
    if (!sip) /* then nothing else about it is worth telling */
        flaw = again;
    ingress_log_flaw(src, flaw, "stream cannot be read further, connection closed");
    if (!sip || m.is_request)
        ingress_malformed(src, &m, flaw, end != SIZE_MAX && sip_msg_answerable(&m));
}

static struct passed *passed_new(const struct source *src, struct slice text, uint32_t to)
{
    struct passed *p = mem_alloc(sizeof(*p) + text.n);
    *p = (struct passed){.e = src->s->e,
                         .to = to,
                         .origin = src->s->index,
                         .ref = src->ref,
                         .from = src->from,
                         .side = src->side,
                         .transport = src->transport,
                         .n = text.n};
    if (src->port)
        p->port_addr = src->port->is.addr;
    memcpy(p->text, text.p, text.n);
    return p;
}

static struct source passed_source(const struct passed *p, struct shard *s)
{
    struct source src = {.s = s, .ref = p->ref, .from = p->from, .side = p->side, .transport = p->transport};
    src.flow = p->ref.worker == s->index ? flow_find(s, p->ref) : NULL;
    LIST_FOR(it, &s->ports) /* every worker has a socket on the same address */
    {
        struct port *port = LIST_ENTRY(it, struct port, link);
        if (p->transport == SIP_UDP && port->udp && net_addr_eq(&port->is.addr, &p->port_addr))
            src.port = port;
    }
    return src;
}

/* ---------------------------------------------------------------- responses */
static void passed_response(struct mail *m, struct loop *to)
{
    struct passed *p = (struct passed *)m;
    struct shard *s = p->e->shards[p->to];
    struct source src = passed_source(p, s);
    struct sip_msg msg;
    enum sip_flaw flaw;
    (void)to;
    arena_reset(&s->scratch);
    if (sip_msg_parse(slice_mem(p->text, p->n), &s->scratch, &msg, &flaw) == 0)
        client_response(s, &src, &msg);
    mem_free(p);
}

static void ingress_response(const struct source *src, const struct sip_msg *m)
{
    struct shard *s = src->s;
    unsigned worker;
    METRIC_COUNT("element.response-in");
    if (!via_branch_is_ours(s->e, m->branch, &worker)) {
        METRIC_COUNT("element.stray-response");
        trace_add(&s->trace, slice_hash(m->call_id), TRACE_STRAY, m->cseq_method, m->status, &src->from,
                  "its top Via is not ours");
        return;
    }
    if (worker == s->index) {
        client_response(s, src, m);
        return;
    }
    if (m->status >= 200)
        flow_relayed_done(s, m->branch);
    struct passed *p = passed_new(src, m->text, worker);
    p->mail.deliver = passed_response;
    loop_post(s->e->shards[worker]->loop, &p->mail);
}

/* ---------------------------------------------------------------- CANCEL and ACK, which find their INVITE */
static bool ingress_to_invite(struct request *rq, const struct source *src, const struct sip_msg *m)
{
    if (m->method == SIP_ACK) {
        request_acked(rq);
        return true;
    }
    unsigned status = reply_stateless(src, m, 200, SLICE_NONE, SLICE_NONE, rq->to_tag);
    access_stateless(src, m, &(struct access_short){.status = status});
    request_cancel(rq);
    return true;
}

/* No worker knows its INVITE. */
static void ingress_unmatched(const struct source *src, const struct sip_msg *m)
{
    struct shard *s = src->s;
    if (m->method == SIP_CANCEL) {
        struct buf rows = {0};
        refusal_rows(s->config, src->side, &REFUSE_NO_TRANSACTION, &rows);
        unsigned status =
            reply_stateless(src, m, REFUSE_NO_TRANSACTION.status, SLICE_NONE, buf_slice(&rows), "");
        access_stateless(src, m, &(struct access_short){.status = status, .refusal = &REFUSE_NO_TRANSACTION});
        METRIC_COUNT("refused.element.no-transaction");
        buf_fini(&rows);
        return;
    }
    request_begin(request_new(src, m));
}

static void ingress_round(struct mail *mail, struct loop *to)
{
    struct passed *p = (struct passed *)mail;
    struct shard *s = p->e->shards[p->to];
    struct source src = passed_source(p, s);
    struct slice text = slice_mem(p->text, p->n);
    struct sip_msg m;
    enum sip_flaw flaw;
    (void)to;
    arena_reset(&s->scratch);
    if (sip_msg_parse(text, &s->scratch, &m, &flaw) < 0) {
        mem_free(p);
        return;
    }
    if (p->to == p->origin) {
        ingress_unmatched(&src, &m);
        mem_free(p);
        return;
    }
    struct request *rq = request_match(s, &m, true);
    if (rq ? ingress_to_invite(rq, &src, &m) : accepted_absorbs(&src, &m)) {
        mem_free(p);
        return;
    }
    p->to = (p->to + 1) % p->e->n;
    loop_post(p->e->shards[p->to]->loop, &p->mail);
}

static void ingress_invite_follower(const struct source *src, const struct sip_msg *m, struct slice text)
{
    struct shard *s = src->s;
    struct request *rq = request_match(s, m, true);
    if (rq) {
        ingress_to_invite(rq, src, m);
    } else if (accepted_absorbs(src, m)) {
        return;
    } else if (s->e->n > 1) {
        struct passed *p = passed_new(src, text, (s->index + 1) % s->e->n);
        p->mail.deliver = ingress_round;
        loop_post(s->e->shards[p->to]->loop, &p->mail);
    } else {
        ingress_unmatched(src, m);
    }
}

/* ---------------------------------------------------------------- requests */
static enum ingress ingress_request(const struct source *src, const struct sip_msg *m, struct slice text)
{
    struct shard *s = src->s;
    METRIC_COUNT("element.request-in");
    if (!guard_request(src, m))
        return INGRESS_DONE;
    trace_add(&s->trace, slice_hash(m->call_id), TRACE_REQUEST_IN, m->method, 0, &src->from, NULL);
    if (src->flow && m->via.has_alias)
        flow_alias(src->flow, m->via.port);
    if (m->method == SIP_ACK || m->method == SIP_CANCEL) {
        ingress_invite_follower(src, m, text);
        return INGRESS_DONE;
    }
    struct request *rq = request_match(s, m, m->method == SIP_INVITE);
    if (rq && rq->msg.method == m->method && rq->msg.cseq == m->cseq) {
        trace_add(&s->trace, rq->call_hash, TRACE_RETRANSMISSION, m->method, 0, &src->from, NULL);
        request_again(rq);
        return INGRESS_DONE;
    }
    if (!rq && m->method == SIP_INVITE && accepted_absorbs(src, m))
        return INGRESS_DONE;
    struct share *share;
    enum share_verdict v = overload_admits(src, m, &share);
    if (v != SHARE_ADMITTED)
        return v == SHARE_FLOODED ? INGRESS_HOLD : INGRESS_DONE;
    rq = request_new(src, m);
    rq->share = share;
    request_begin(rq);
    overload_count(rq); /* freed at the end of the turn at the earliest */
    return INGRESS_DONE;
}

enum ingress ingress_message(const struct source *src, struct slice text)
{
    struct shard *s = src->s;
    struct sip_msg m;
    enum sip_flaw flaw = SIP_FLAW_NONE;
    arena_reset(&s->scratch);
    if (!s->config)
        return INGRESS_DONE;
    if (sip_msg_parse(text, &s->scratch, &m, &flaw) < 0) {
        ingress_log_flaw(src, flaw, "message dropped");
        bool sip = flaw != SIP_FLAW_START_LINE || m.is_request;
        if (!sip || (guard_request(src, NULL) && m.is_request))
            ingress_malformed(src, &m, flaw, sip_msg_answerable(&m));
        return flaw == SIP_FLAW_START_LINE ? INGRESS_CLOSE : INGRESS_DONE;
    }
    if (m.is_request)
        return ingress_request(src, &m, text);
    ingress_response(src, &m);
    return INGRESS_DONE;
}
