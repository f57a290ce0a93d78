/* The server side of a request: its transaction, validation, answers (RFC 3261
 * sections 16.3, 16.4, 17.2, 18.2). */
#include "element/forward.h"
#include "element/shard.h"

#include <stdio.h>

static void request_tick(struct request *rq);

/* ---------------------------------------------------------------- looking */
const struct sip_msg *request_msg(const struct request *rq)
{
    return &rq->msg;
}

struct arena *request_arena(struct request *rq)
{
    return &rq->arena;
}

const struct element_config *request_config(const struct request *rq)
{
    return rq->config;
}

struct loop *request_loop(const struct request *rq)
{
    return rq->s->loop;
}

enum side request_side(const struct request *rq)
{
    return rq->src.side;
}

enum sip_transport request_transport(const struct request *rq)
{
    return rq->src.transport;
}

const struct net_addr *request_source(const struct request *rq)
{
    return &rq->src.from;
}

struct flow *request_flow(const struct request *rq)
{
    return rq->src.ref.worker == rq->s->index ? flow_find(rq->s, rq->src.ref) : NULL;
}

struct flow_ref request_flow_ref(const struct request *rq)
{
    return rq->src.ref;
}

void request_set_data(struct request *rq, void *data)
{
    rq->data = data;
}

void *request_data(const struct request *rq)
{
    return rq->data;
}

size_t request_own_routes(const struct request *rq, const struct sip_uri **ret)
{
    *ret = rq->own_routes;
    return rq->n_own_routes;
}

const struct sip_addr *request_next_route(const struct request *rq)
{
    return rq->has_next_route ? &rq->next_route : NULL;
}

const struct sip_uri *request_uri(const struct request *rq)
{
    return &rq->uri;
}

const struct sip_addr *request_from(const struct request *rq)
{
    return &rq->msg.from;
}

const struct sip_addr *request_to(const struct request *rq)
{
    return &rq->msg.to;
}

void request_set_peer(struct request *rq, struct slice identity)
{
    rq->peer_identity = arena_cstr(&rq->arena, identity);
}

void request_trust(struct request *rq, struct slice owner)
{
    struct shard *s = rq->s;
    struct flow *f = request_flow(rq);
    if (f)
        flow_trust(f, owner);
    else if (!rq->trusted && rq->src.transport == SIP_UDP)
        sources_trust_datagram(s->e->sources, &s->config->limits, &rq->src.from, loop_now(s->loop));
    rq->trusted = rq->src.trusted = true;
}

void request_trace(struct request *rq, const char *fmt, ...)
{
    char note[TRACE_NOTE];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(note, sizeof(note), fmt, ap);
    va_end(ap);
    trace_add(&rq->s->trace, rq->call_hash, TRACE_NOTE_LINE, rq->msg.method, 0, NULL, note);
}

/* ---------------------------------------------------------------- life */
struct request_names request_names_of(const struct sip_msg *m)
{
    return (struct request_names){m->branch, m->via.host, m->call_id, m->from_tag, m->cseq, m->via.port};
}

uint64_t request_names_key(const struct request_names *n)
{
    if (slice_starts(n->branch, SLICE("z9hG4bK")))
        return slice_hash(n->branch);
    /* RFC 2543 senders (17.2.3): what identifies the request apart from the method. */
    return slice_hash(n->call_id) + 31 * slice_hash(n->from_tag) + n->cseq + 7 * slice_casehash(n->via_host);
}

bool request_names_equal(const struct request_names *a, const struct request_names *b)
{
    if (slice_starts(b->branch, SLICE("z9hG4bK")))
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
        memset(rq, 0, sizeof(*rq));
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
    if (rq->share)
        shares_done(&rq->s->shares, rq->share);
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

/* ---------------------------------------------------------------- validation (16.3, 16.4) */
static const struct slice request_known_extensions[] = {SLICE_INIT("ms-benotify")};

static bool request_extension_known(struct slice tag)
{
    for (size_t i = 0; i < sizeof(request_known_extensions) / sizeof(request_known_extensions[0]); i++)
        if (slice_caseeq(tag, request_known_extensions[i]))
            return true;
    return false;
}

static bool request_extensions_ok(struct request *rq)
{
    struct sip_values v = sip_values(&rq->msg, SIP_H_PROXY_REQUIRE);
    struct buf unknown = {0};
    for (struct slice tag; sip_values_next(&v, &tag);)
        if (tag.n && !request_extension_known(tag)) {
            buf_append(&unknown, buf_len(&unknown) ? SLICE(", ") : SLICE("Unsupported: "));
            buf_append(&unknown, tag);
        }
    if (buf_len(&unknown) == 0)
        return true;
    buf_append(&unknown, SLICE("\r\n"));
    request_refuse_with(rq, &REFUSE_BAD_EXTENSION, buf_slice(&unknown));
    buf_fini(&unknown);
    return false;
}

/* 16.4: a strict router before us put our own Record-Route value into the Request-URI. */
static void request_undo_strict(struct request *rq)
{
    struct sip_values v = sip_values(&rq->msg, SIP_H_ROUTE);
    struct slice value, last = SLICE_NONE, lr;
    if (!sip_uri_param(&rq->uri, SLICE("lr"), &lr) || !rq->config->ops->is_own_uri(rq->config, &rq->uri))
        return;
    while (sip_values_next(&v, &value))
        last = value;
    struct sip_addr a;
    if (last.n == 0 || sip_addr_parse(last, &a) < 0 || a.is_star)
        return;
    rq->own_routes[rq->n_own_routes++] = rq->uri;
    rq->strict = true;
    rq->strict_uri = a.uri_text;
    rq->uri = a.uri;
}

static void request_take_routes(struct request *rq)
{
    struct sip_values v = sip_values(&rq->msg, SIP_H_ROUTE);
    struct sip_addr a;
    size_t total = 0;
    struct sip_values count = v;
    for (struct slice value; sip_values_next(&count, &value);)
        total++;
    if (rq->strict)
        total--;
    for (struct slice value; rq->n_routes_taken < total && sip_values_next(&v, &value);
         rq->n_routes_taken++) {
        if (sip_addr_parse(value, &a) < 0 || a.is_star)
            return;
        if (rq->n_own_routes == ELEMENT_MAX_OWN_ROUTES || !rq->config->ops->is_own_uri(rq->config, &a.uri)) {
            rq->next_route = a;
            rq->has_next_route = true;
            return;
        }
        rq->own_routes[rq->n_own_routes++] = a.uri;
    }
}

static bool request_valid(struct request *rq)
{
    uint32_t hops;
    struct slice mf = sip_msg_value(&rq->msg, SIP_H_MAX_FORWARDS);
    if (sip_uri_parse(rq->msg.uri, &rq->uri) < 0) {
        request_refuse(rq, &REFUSE_MALFORMED, "the Request-URI is malformed");
    } else if (rq->uri.scheme == SIP_SCHEME_OTHER) {
        request_refuse(rq, &REFUSE_SCHEME, NULL);
    } else if (mf.n && sip_number_parse(mf, &hops) == 0 && hops == 0) {
        request_refuse(rq, &REFUSE_TOO_MANY_HOPS, NULL);
    } else {
        request_undo_strict(rq);
        request_take_routes(rq);
        if (via_is_loop(rq))
            request_refuse(rq, &REFUSE_LOOP, NULL);
        else if (rq->is_ack || request_extensions_ok(rq))
            return true;
    }
    return false;
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

/* ---------------------------------------------------------------- answers */
/* 18.2.2: the connection that it came on; when that is gone, one to where it came from. */
void source_send(const struct source *src, const struct sip_via *via, struct slice message,
                 struct slice peer_identity)
{
    struct shard *s = src->s;
    METRIC_COUNT("element.response-out");
    if (src->transport == SIP_UDP) {
        struct net_addr to = src->from, maddr;
        if (!via->has_rport)
            net_addr_set_port(&to, via->port ? via->port : 5060);
        /* nobody unknown has answers sent to a third */
        if (src->trusted && via->maddr.n && !via->has_rport &&
            net_addr_parse(via->maddr, net_addr_port(&to), &maddr) == 0)
            to = maddr;
        if (src->port)
            udp_send(src->port->udp, message, &to);
        return;
    }
    struct target_address to = {.addr = src->from, .transport = src->transport, .name = via->host};
    if (src->ref.worker != s->index) {
        client_transmit(s, src->side, &to, src->ref, SLICE_NONE, message, "", NULL);
        return;
    }
    struct flow *f = flow_find(s, src->ref);
    if (f && flow_send(f, message))
        return;
    if (src->transport == SIP_TLS && peer_identity.n == 0) {
        METRIC_COUNT("element.response-undeliverable");
        return;
    }
    METRIC_COUNT("element.response-redialled");
    net_addr_set_port(&to.addr, via->port ? via->port : src->transport == SIP_TLS ? 5061 : 5060);
    client_transmit(s, src->side, &to, (struct flow_ref){0}, peer_identity, message, "", NULL);
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

/* Digest over what a retransmission repeats, so that the same request gets the same tag and nothing is
 * remembered. */
static void reply_stateless_tag(struct shard *s, const struct sip_msg *m, char out[TAG_TEXT])
{
    uint64_t h = slice_hash(m->call_id) + 31 * slice_hash(m->from_tag) + 17 * slice_hash(m->branch) + m->cseq;
    (void)s;
    snprintf(out, TAG_TEXT, STATELESS_TAG "%016llx", (unsigned long long)h);
}

/* Over UDP the sender's address may be made up: no more than 1.5 times the request goes there. */
static bool reply_fits(const struct source *src, const struct sip_msg *m, const struct buf *out)
{
    return src->transport != SIP_UDP || buf_len(out) * 2 <= m->text.n * 3;
}

void reply_stateless(const struct source *src, const struct sip_msg *m, unsigned status, struct slice reason,
                     struct slice extra, const char *to_tag)
{
    char tag[TAG_TEXT];
    struct buf out = {0};
    struct slice value = sip_msg_value(m, SIP_H_VIA);
    if (m->via.host.n == 0) /* there is none that could be read */
        return;
    reply_stateless_tag(src->s, m, tag);
    struct sip_response r = {.status = status,
                             .reason = reason,
                             .to_tag = slice_str(to_tag[0] ? to_tag : tag),
                             .top_via = via_received(&src->s->scratch, &m->via, value, &src->from),
                             .extra = extra};
    sip_response_write(m, &r, &out);
    if (!reply_fits(src, m, &out)) {
        buf_clear(&out, 65536);
        r.extra = SLICE_NONE;
        sip_response_write(m, &r, &out);
    }
    if (reply_fits(src, m, &out))
        source_send(src, &m->via, buf_slice(&out), SLICE_NONE);
    else
        METRIC_COUNT("element.answer-too-large");
    trace_add(&src->s->trace, slice_hash(m->call_id), TRACE_RESPONSE_OUT, m->method, status, &src->from,
              NULL);
    buf_fini(&out);
}

/*
 * To who is not proven over UDP, and may have made up its address: once, without a transaction that would
 * repeat it, and no more than 1.5 times the request. So many challenges as fit (RFC 8760), at least one; of
 * other answers the rows that explain go first.
 */
static void request_reply_once(struct request *rq, const struct reply *r)
{
    char tag[TAG_TEXT];
    struct buf out = {0};
    struct slice extra = r->extra;
    reply_stateless_tag(rq->s, &rq->msg, tag);
    for (;;) {
        buf_clear(&out, 65536);
        sip_response_write(&rq->msg,
                           &(struct sip_response){.status = r->status,
                                                  .reason = r->reason,
                                                  .to_tag = slice_str(tag),
                                                  .top_via = rq->top_via,
                                                  .extra = extra},
                           &out);
        if (rq->trusted || buf_len(&out) * 2 <= rq->msg.text.n * 3 || !extra.p || extra.n == 0)
            break;
        /* Drop the last row. */
        size_t n = extra.n >= 2 ? extra.n - 2 : 0;
        while (n && extra.p[n - 1] != '\n')
            n--;
        extra.n = n;
    }
    bool fits = rq->trusted || buf_len(&out) * 2 <= rq->msg.text.n * 3;
    if (r->stateless_over_udp ? extra.n : fits) {
        trace_add(&rq->s->trace, rq->call_hash, TRACE_RESPONSE_OUT, rq->msg.method, r->status, &rq->src.from,
                  "stateless");
        source_send(&rq->src, &rq->msg.via, buf_slice(&out), SLICE_NONE);
        rq->last_status = r->status;
        rq->account.bytes_out = buf_len(&out);
    } else {
        METRIC_COUNT("element.answer-too-large");
    }
    buf_fini(&out);
    request_abandon(rq);
}

void request_reply(struct request *rq, const struct reply *r)
{
    if (rq->is_ack) {
        request_abandon(rq);
        return;
    }
    bool once = r->stateless_over_udp || (r->status >= 300 && !rq->trusted && !rq->forwarded);
    if (once && rq->src.transport == SIP_UDP && !rq->answered) {
        request_reply_once(rq, r);
        return;
    }
    struct buf out = {0};
    loop_lend(rq->s->loop, &out);
    struct sip_response w = {.status = r->status,
                             .reason = r->reason,
                             .to_tag = r->status == 100 ? SLICE_NONE : slice_str(rq->to_tag),
                             .top_via = rq->top_via,
                             .extra = r->extra,
                             .content_type = r->content_type,
                             .body = r->body};
    sip_response_write(&rq->msg, &w, &out);
    request_send(rq, r->status, &out);
    loop_give_back(rq->s->loop, &out);
}

/* ---------------------------------------------------------------- refusals */
void refusal_rows(const struct element_config *c, enum side side, const struct refusal *why, struct buf *out)
{
    struct slice name = c->shown[side].n ? c->shown[side] : c->machine;
    buf_printf(out, "Reason: SIP;cause=%u;text=\"%s\"\r\n", why->status, why->id);
    buf_printf(out, "ms-diagnostics: %u;reason=\"%s\";source=\"" SLICE_FMT "\";entente=\"%s\"\r\n",
               why->number, why->text, SLICE_ARG(name), why->id);
}

static void refusal_log(struct request *rq, const struct refusal *why, const char *detail)
{
    static const char *const guilty[] = {"peer", "us", "beyond"};
    char addr[NET_ADDR_TEXT], metric[METRIC_NAME_MAX], status[8];
    struct slice peer = net_addr_text(&rq->src.from, addr);
    snprintf(metric, sizeof(metric), "refused.%s", why->id);
    snprintf(status, sizeof(status), "%u", why->status);
    metric_inc(metric_new(metric));
    rq->account.refusal = why;
    trace_add(&rq->s->trace, rq->call_hash, TRACE_REFUSED, rq->msg.method, why->status, &rq->src.from,
              why->id);
    log_event(LOG_INFO, why->id,
              FIELDS({"peer", peer}, {"call_id", rq->msg.call_id}, {"method", rq->msg.method_name},
                     {"from", rq->msg.from.uri_text}, {"uri", rq->msg.uri}, {"status", slice_str(status)},
                     {"guilty", slice_str(guilty[why->guilty])}, {"detail", slice_str(detail)}),
              "refused %s: %s%s%s", rq->is_ack ? "ACK" : "request", why->text, detail[0] ? " " : "", detail);
}

static void refusal_send(struct request *rq, const struct refusal *why, struct slice extra,
                         const char *detail)
{
    struct buf rows = {0};
    refusal_log(rq, why, detail);
    buf_append(&rows, extra);
    refusal_rows(rq->config, rq->src.side, why, &rows);
    request_reply(rq, &(struct reply){.status = why->status, .extra = buf_slice(&rows)});
    buf_fini(&rows);
}

void request_refuse(struct request *rq, const struct refusal *why, const char *detail, ...)
{
    char text[256] = "";
    if (detail) {
        va_list ap;
        va_start(ap, detail);
        vsnprintf(text, sizeof(text), detail, ap);
        va_end(ap);
    }
    refusal_send(rq, why, SLICE_NONE, text);
}

void request_refuse_with(struct request *rq, const struct refusal *why, struct slice extra)
{
    refusal_send(rq, why, extra, "");
}
