/* Stateful forwarding (RFC 3261 sections 16.5-16.10): branches, attempts, best response, CANCEL, timer C. */
#include "element/shard.h"

#include <stdio.h>

enum { MAX_BREADTH = 60, OWN_EDITS = 8 };

static void branch_attempt(struct branch *b);
static void forward_progress(struct request *rq);

/* ---------------------------------------------------------------- the message as it goes out */
static struct slice forward_number(struct request *rq, uint32_t v)
{
    char digits[10], *to = digits + sizeof(digits);
    do
        *--to = (char)('0' + v % 10);
    while ((v /= 10) != 0);
    return arena_copy(&rq->arena, slice_mem(to, (size_t)(digits + sizeof(digits) - to)));
}

static struct slice forward_hops(struct request *rq)
{
    uint32_t hops = 70; /* 16.6 step 3 */
    struct slice mf = sip_msg_value(&rq->msg, SIP_H_MAX_FORWARDS);
    if (mf.n && sip_number_parse(mf, &hops) == 0)
        hops = hops > 255 ? 255 : hops - 1;
    return forward_number(rq, hops);
}

static void forward_set(struct request *rq, struct sip_edits *e, enum sip_header_id id, struct slice value)
{
    const struct sip_header *row = sip_msg_header(&rq->msg, id);
    if (row)
        sip_edit_set(e, row, value);
    else
        sip_edit_top(e, sip_header_name(id), value);
}

/* The Route values that stay: without those of ours, and 16.6 step 6 for a next hop that routes strictly. */
static struct slice forward_routes(struct request *rq)
{
    struct sip_values v = sip_values(&rq->msg, SIP_H_ROUTE);
    struct slice value, lr;
    struct buf out = {0};
    size_t i = 0, total = 0;
    struct sip_values count = v;
    while (sip_values_next(&count, &value))
        total++;
    size_t end = rq->strict ? total - 1 : total;
    bool strict_next = rq->has_next_route && !sip_uri_param(&rq->next_route.uri, SLICE("lr"), &lr);
    for (; sip_values_next(&v, &value) && i < end; i++) {
        if (i < rq->n_routes_taken + strict_next)
            continue;
        buf_append(&out, buf_len(&out) ? SLICE(", ") : SLICE(""));
        buf_append(&out, value);
    }
    if (strict_next)
        buf_printf(&out, "%s<" SLICE_FMT ">", buf_len(&out) ? ", " : "", SLICE_ARG(rq->uri.text));
    struct slice s = arena_copy(&rq->arena, buf_slice(&out));
    buf_fini(&out);
    return s;
}

/* What is the same on every branch is put together once. */
static void forward_prepare(struct request *rq, const struct forward *plan)
{
    static const struct sip_edits none = {.cap = SIP_MAX_EDITS};
    /* Ours: Via, Max-Forwards, Max-Breadth, Route on top and at the end, and each Route row taken away. */
    size_t more = OWN_EDITS;
    for (const struct sip_header *h = sip_msg_header(&rq->msg, SIP_H_ROUTE); h; h = sip_msg_next(&rq->msg, h))
        more++;
    for (const struct sip_header *h = sip_msg_header(&rq->msg, SIP_H_VIA); h && plan->keeps_vias;
         h = sip_msg_next(&rq->msg, h))
        more++;
    struct sip_edits *e = rq->edits = sip_edits_copy(plan->edits ? plan->edits : &none, more, &rq->arena);
    forward_set(rq, e, SIP_H_MAX_FORWARDS, forward_hops(rq));
    rq->keeps_vias = plan->keeps_vias;
    if (rq->keeps_vias)
        sip_edit_remove_all(e, &rq->msg, SIP_H_VIA);
    else if (rq->top_via.n)
        sip_edit_set_first(e, &rq->arena, &rq->msg, SIP_H_VIA, rq->top_via);
    if (!sip_msg_header(&rq->msg, SIP_H_CONTENT_LENGTH) && !e->replace_body) { /* 16.6 step 9 */
        e->replace_body = true;
        e->body = rq->msg.body;
    }
    if (rq->n_routes_taken || rq->strict || rq->has_next_route) {
        struct slice routes = forward_routes(rq);
        const struct sip_header *row = sip_msg_header(&rq->msg, SIP_H_ROUTE);
        sip_edit_remove_all(e, &rq->msg, SIP_H_ROUTE);
        if (row && routes.n)
            sip_edit_end(e, "Route", routes);
    }
    struct slice lr;
    if (rq->has_next_route && !sip_uri_param(&rq->next_route.uri, SLICE("lr"), &lr))
        e->uri = rq->next_route.uri_text;
    else if (rq->strict)
        e->uri = rq->strict_uri;
}

/* Writes the request for one attempt. -EMSGSIZE when it became too large or had too many changes. */
static bool forward_write(struct request *rq, const struct branch *b, enum sip_transport transport,
                          const char *branch, struct buf *out)
{
    struct sip_edits *e = rq->edits;
    size_t n = e->n;
    struct slice uri = e->uri;
    struct buf via = {0};
    loop_lend(rq->s->loop, &via);
    via_write(rq->config, b->target.side, transport, branch, &via);
    if (b->uri.p)
        e->uri = b->uri;
    if (b->extra_route.n)
        sip_edit_top(e, "Route", b->extra_route);
    sip_edit_top(e, "Via", buf_slice(&via));
    bool ok = !e->overflow;
    if (ok)
        sip_msg_write(&rq->msg, e, out);
    e->n = n;
    e->uri = uri;
    loop_give_back(rq->s->loop, &via);
    return ok && buf_len(out) <= SIP_MAX_MESSAGE;
}

/* ---------------------------------------------------------------- best response (16.7) */
static unsigned best_rank(unsigned status)
{
    static const unsigned preferred[] = {401, 407, 415, 420, 484};
    if (status >= 600)
        return 0;
    unsigned class = status / 100;
    for (size_t i = 0; i < sizeof(preferred) / sizeof(preferred[0]); i++)
        if (status == preferred[i])
            return class * 10;
    return class * 10 + (status == 503 ? 9 : status == 408 ? 8 : 5);
}

static bool best_beats(const struct request *rq, unsigned status)
{
    return rq->best_status == 0 || best_rank(status) < best_rank(rq->best_status);
}

/* 16.7 step 7: the challenges of all branches travel with a 401 or 407. */
static void best_collect_challenges(struct request *rq, const struct sip_msg *m)
{
    static const enum sip_header_id ids[] = {SIP_H_WWW_AUTHENTICATE, SIP_H_PROXY_AUTHENTICATE};
    for (size_t i = 0; i < 2; i++)
        for (const struct sip_header *h = sip_msg_header(m, ids[i]); h; h = sip_msg_next(m, h))
            buf_printf(&rq->challenges, "%s: " SLICE_FMT "\r\n", sip_header_name(ids[i]),
                       SLICE_ARG(h->value));
}

static void best_consider(struct request *rq, const struct sip_msg *m)
{
    if (rq->n_branches > 1 && (m->status == 401 || m->status == 407))
        best_collect_challenges(rq, m);
    if (!best_beats(rq, m->status))
        return;
    rq->best_status = m->status;
    rq->best_refusal = NULL;
    buf_clear(&rq->best, 65536);
    buf_append(&rq->best, m->text);
}

static void best_consider_own(struct request *rq, const struct refusal *why, const char *detail)
{
    snprintf(rq->best_detail, sizeof(rq->best_detail), "%s", detail);
    if (!best_beats(rq, why->status))
        return;
    rq->best_status = why->status;
    rq->best_refusal = why;
}

/* ---------------------------------------------------------------- upstream */
struct slice forward_kept_vias(struct request *rq)
{
    if (rq->kept_vias.n)
        return rq->kept_vias;
    struct sip_values v = sip_values(&rq->msg, SIP_H_VIA);
    struct buf all = {0};
    for (struct slice value; sip_values_next(&v, &value);) {
        bool top = buf_len(&all) == 0;
        buf_append(&all, top ? SLICE("") : SLICE(", "));
        buf_append(&all, top && rq->top_via.n ? rq->top_via : value);
    }
    struct slice s = arena_copy(&rq->arena, buf_slice(&all));
    buf_fini(&all);
    return s;
}

static void forward_upstream(struct request *rq, const struct sip_msg *m, struct slice more_rows)
{
    struct sip_edits e;
    struct buf out = {0};
    loop_lend(rq->s->loop, &out);
    sip_edits_init(&e);
    sip_edit_pop_value(&e, m, SIP_H_VIA);
    if (rq->keeps_vias)
        sip_edit_top(&e, "Via", forward_kept_vias(rq));
    struct slice rest = more_rows, line, name, value;
    while (slice_cut(rest, '\n', &line, &rest))
        if (slice_cut(line, ':', &name, &value))
            sip_edit_end(
                &e, slice_eq(name, SLICE("WWW-Authenticate")) ? "WWW-Authenticate" : "Proxy-Authenticate",
                slice_trim(value));
    if (rq->config->ops->response)
        rq->config->ops->response(rq, m, &e);
    sip_msg_write(m, &e, &out);
    request_send(rq, m->status, &out);
    loop_give_back(rq->s->loop, &out);
}

static void forward_best_text(struct request *rq)
{
    struct arena a = {0};
    struct sip_msg m;
    enum sip_flaw flaw;
    bool aggregate = rq->best_status == 401 || rq->best_status == 407;
    if (sip_msg_parse(buf_slice(&rq->best), &a, &m, &flaw) == 0) {
        struct sip_msg plain = m;
        if (aggregate && buf_len(&rq->challenges)) { /* its own are among those collected */
            struct sip_edits e;
            struct buf bare = {0};
            struct arena b = {0};
            sip_edits_init(&e);
            sip_edit_remove_all(&e, &m, SIP_H_WWW_AUTHENTICATE);
            sip_edit_remove_all(&e, &m, SIP_H_PROXY_AUTHENTICATE);
            sip_msg_write(&m, &e, &bare);
            if (sip_msg_parse(buf_slice(&bare), &b, &plain, &flaw) == 0)
                forward_upstream(rq, &plain, buf_slice(&rq->challenges));
            arena_fini(&b);
            buf_fini(&bare);
        } else {
            forward_upstream(rq, &plain, SLICE_NONE);
        }
    }
    arena_fini(&a);
}

/* All branches are over: the best answer goes up. */
static void forward_answer(struct request *rq)
{
    bool invite = rq->msg.method == SIP_INVITE;
    if (rq->answered || rq->abandoned)
        return;
    if (rq->cancelled && rq->best_status != 487) {
        request_reply(rq, &(struct reply){.status = 487});
    } else if (rq->best_status == 0 || rq->best_refusal == &REFUSE_TIMEOUT ||
               (rq->best_status == 408 && !invite)) {
        METRIC_COUNT("element.timeout");
        if (invite)
            request_refuse(rq, &REFUSE_TIMEOUT, "%s", rq->best_detail);
        else {
            /* RFC 4320 4.2: a 408 would only tell the sender what its own timer tells it. */
            log_event(LOG_WARN, REFUSE_TIMEOUT.id, FIELDS({"call_id", rq->msg.call_id}, {"uri", rq->msg.uri}),
                      "no answer to " SLICE_FMT ": %s", SLICE_ARG(rq->msg.method_name), rq->best_detail);
            rq->account.refusal = &REFUSE_TIMEOUT;
            request_abandon(rq);
        }
    } else if (rq->best_refusal) {
        request_refuse(rq, rq->best_refusal, "%s", rq->best_detail);
    } else if (rq->best_status == 503) {
        request_refuse(rq, &REFUSE_BELOW_BUSY, NULL); /* 16.7 step 6 */
    } else {
        forward_best_text(rq);
    }
}

/* ---------------------------------------------------------------- branches */
static void branch_done(struct branch *b)
{
    b->state = BRANCH_DONE;
    timer_stop(&b->timer_c);
    forward_progress(b->rq);
    if (b->rq->answered) /* the last of several may have been waited for */
        deferred_add(b->rq->s->loop, &b->rq->freeing);
}

static bool branch_open(const struct branch *b)
{
    return b->state == BRANCH_RESOLVING || b->state == BRANCH_TRYING;
}

static void branch_timer_c(void *arg)
{
    struct branch *b = arg;
    request_trace(b->rq, "timer C fired");
    if (b->client) { /* 16.8 */
        client_cancel(b->client, SLICE("SIP;cause=408;text=\"timer C\""));
        client_detach(b->client);
    }
    best_consider_own(b->rq, &REFUSE_TIMEOUT, "it rang too long (timer C)");
    branch_done(b);
}

static void branch_no_target_left(struct branch *b, enum attempt_end how, const char *why)
{
    if (how == ATTEMPT_TIMEOUT)
        best_consider_own(b->rq, &REFUSE_TIMEOUT, why);
    else
        best_consider_own(b->rq, b->target.kind == TARGET_FLOW ? &REFUSE_FLOW_FAILED : &REFUSE_UNREACHABLE,
                          why);
    branch_done(b);
}

static bool branch_more(const struct branch *b)
{
    const struct request *rq = b->rq;
    return b->next < b->n && b->attempts < rq->config->attempts_max && !rq->cancelled && !rq->answered &&
           loop_now(rq->s->loop) - rq->began_ms < ATTEMPTS_END_MS - LAST_ATTEMPT_MIN_MS;
}

void branch_attempt_ended(struct branch *b, enum attempt_end how, const char *why)
{
    struct request *rq = b->rq;
    if (b->state == BRANCH_DONE)
        return;
    const struct target_address *to = &b->list[b->next - 1];
    char addr[NET_ADDR_TEXT];
    struct slice peer = to->addr.sa.sa_family ? net_addr_text(&to->addr, addr) : SLICE("its connection");
    trace_add(&rq->s->trace, rq->call_hash, TRACE_TARGET_FAILED, rq->msg.method, 0, &to->addr, why);
    METRIC_COUNT("element.target-failed");
    log_event(
        LOG_WARN, "element.target-failed",
        FIELDS({"call_id", rq->msg.call_id}, {"target", peer}, {"name", to->name}, {"why", slice_str(why)}),
        "target " SLICE_FMT " failed for " SLICE_FMT ": %s", SLICE_ARG(peer), SLICE_ARG(rq->msg.method_name),
        why);
    if (how == ATTEMPT_FAILED && b->tcp_instead) { /* 18.1.1: when TCP is not there, the datagram it is */
        b->tcp_instead = false;
        b->udp_anyway = true;
        b->next--;
        b->attempts--;
    }
    if (branch_more(b))
        branch_attempt(b);
    else
        branch_no_target_left(b, how, why);
}

/* Attempts end well before the sender's own 32 s; the last one has all the time that is left. */
static void branch_times(struct branch *b, struct client *c)
{
    struct request *rq = b->rq;
    uint64_t gone = loop_now(rq->s->loop) - rq->began_ms;
    uint32_t left = gone + LAST_ATTEMPT_MIN_MS < ATTEMPTS_END_MS ? (uint32_t)(ATTEMPTS_END_MS - gone)
                                                                 : LAST_ATTEMPT_MIN_MS;
    bool last = b->next == b->n || b->attempts == rq->config->attempts_max;
    uint32_t limit = last || left < rq->config->attempt_ms ? left : rq->config->attempt_ms;
    c->times = rq->config->times;
    c->times.timer_b = limit < c->times.timer_b ? limit : c->times.timer_b;
    c->times.timer_f = limit < c->times.timer_f ? limit : c->times.timer_f;
}

static void branch_attempt(struct branch *b)
{
    struct request *rq = b->rq;
    struct target_address to = b->list[b->next++];
    b->attempts++;
    if (to.identity.n == 0)
        to.identity = b->target.identity;
    struct client *c =
        client_new(b, &to, b->target.kind == TARGET_FLOW ? b->target.flow : (struct flow_ref){0});
    loop_lend(rq->s->loop, &c->sent);
    bool ok = forward_write(rq, b, c->to.transport, c->inflight.branch, &c->sent);
    if (ok && c->to.transport == SIP_UDP && buf_len(&c->sent) > ELEMENT_MAX_UDP_REQUEST && !b->udp_anyway) {
        c->to.transport = SIP_TCP;
        b->tcp_instead = true;
        buf_clear(&c->sent, 65536);
        ok = forward_write(rq, b, SIP_TCP, c->inflight.branch, &c->sent);
    }
    b->client = c;
    b->state = BRANCH_TRYING;
    if (!ok) {
        best_consider_own(rq, &REFUSE_TOO_LARGE, "");
        client_detach(c);
        branch_done(b);
        return;
    }
    branch_times(b, c);
    METRIC_COUNT("element.request-out");
    account_attempt(b, &to);
    trace_add(&rq->s->trace, rq->call_hash, TRACE_REQUEST_OUT, rq->msg.method, 0, &to.addr, "");
    client_start(c);
}

/* What failed of late comes last. */
static void branch_order(struct branch *b, struct target_address *list, size_t n)
{
    struct shard *s = b->rq->s;
    if (b->target.kind != TARGET_FLOW && n > 1)
        destinations_order(s->e->destinations, b->target.side, list, n, b->target.identity,
                           b->rq->config->connections_per_destination, loop_now(s->loop));
}

static const struct refusal *const no_target[] = {
    [TARGETS_NONE] = &REFUSE_NO_ADDRESS,
    [TARGETS_NO_SERVICE] = &REFUSE_NO_SERVICE,
    [TARGETS_DNS_FAILED] = &REFUSE_DNS_FAILED,
};

static void branch_resolved(void *arg, enum target_outcome outcome, struct target_address *list, size_t n)
{
    struct branch *b = arg;
    b->query = NULL;
    if (b->rq->cancelled || b->rq->answered) {
        branch_done(b);
        return;
    }
    if (outcome != TARGETS_FOUND) {
        char detail[128];
        snprintf(detail, sizeof(detail), "for " SLICE_FMT, SLICE_ARG(b->target.host));
        best_consider_own(b->rq, no_target[outcome], detail);
        branch_done(b);
        return;
    }
    branch_order(b, list, n);
    b->list = list;
    b->n = n;
    branch_attempt(b);
}

static void branch_start(struct branch *b)
{
    struct request *rq = b->rq;
    b->state = BRANCH_RESOLVING;
    if (rq->msg.method == SIP_INVITE)
        timer_start(&b->timer_c, loop_now(rq->s->loop) + rq->config->timer_c_ms);
    struct target_query *q = target_resolve(rq->s, &b->target, &rq->arena, branch_resolved, b);
    if (q)
        b->query = q;
}

/* Starts the waiting branches with the highest q when nothing else is open; answers when all are over. */
static void forward_progress(struct request *rq)
{
    unsigned q = 0;
    bool waiting = false;
    if (rq->progressing)
        return; /* a branch that ended while its group was being started */
    for (size_t i = 0; i < rq->n_branches; i++) {
        if (branch_open(&rq->branches[i]))
            return;
        if (rq->branches[i].state == BRANCH_WAITING) {
            q = !waiting || rq->branches[i].q > q ? rq->branches[i].q : q;
            waiting = true;
        }
    }
    if (!waiting || rq->cancelled || rq->answered || (rq->best_status >= 600 && !rq->best_refusal)) {
        forward_answer(rq);
        return;
    }
    rq->progressing = true;
    for (size_t i = 0; i < rq->n_branches; i++)
        if (rq->branches[i].state == BRANCH_WAITING && rq->branches[i].q == q)
            branch_start(&rq->branches[i]);
    rq->progressing = false;
    for (size_t i = 0; i < rq->n_branches; i++)
        if (branch_open(&rq->branches[i]))
            return;
    forward_progress(rq);
}

/* ---------------------------------------------------------------- responses from below */
static void branch_cancel_others(struct request *rq, const struct branch *but, struct slice reason)
{
    for (size_t i = 0; i < rq->n_branches; i++) {
        struct branch *b = &rq->branches[i];
        if (b == but || b->state == BRANCH_DONE)
            continue;
        if (b->client && rq->msg.method == SIP_INVITE)
            client_cancel(b->client, reason);
        else if (b->state == BRANCH_WAITING)
            b->state = BRANCH_DONE;
    }
}

static void branch_final(struct branch *b, const struct sip_msg *m)
{
    struct request *rq = b->rq;
    if (m->status < 300) {
        forward_upstream(rq, m, SLICE_NONE);
        b->state = BRANCH_DONE;
        timer_stop(&b->timer_c);
        branch_cancel_others(rq, b, SLICE("SIP;cause=200;text=\"Call completed elsewhere\""));
        return;
    }
    if (m->status == 503 && branch_more(b)) { /* RFC 3263 4.3 */
        trace_add(&rq->s->trace, rq->call_hash, TRACE_TARGET_FAILED, rq->msg.method, 503, NULL,
                  "next target");
        branch_attempt(b);
        return;
    }
    best_consider(rq, m);
    if (m->status >= 600)
        branch_cancel_others(rq, b, SLICE("SIP;cause=603;text=\"Declined elsewhere\""));
    branch_done(b);
}

/* 16.7 step 3: without a Via but ours the response was not made for the sender, and must not reach it; unless
 * all but ours stayed here. */
static bool branch_response_is_for_sender(const struct request *rq, const struct sip_msg *m)
{
    struct sip_values v = sip_values(m, SIP_H_VIA);
    struct slice value;
    return sip_values_next(&v, &value) && sip_values_next(&v, &value) != rq->keeps_vias;
}

void branch_response(struct branch *b, const struct sip_msg *m)
{
    struct request *rq = b->rq;
    if (!branch_response_is_for_sender(rq, m)) {
        if (m->status >= 200) {
            best_consider_own(rq, &REFUSE_BAD_RESPONSE, "");
            branch_done(b);
        }
        return;
    }
    account_response(b, m->status);
    if (m->status >= 200) {
        branch_final(b, m);
        return;
    }
    if (m->status == 100 || rq->answered)
        return;
    b->provisional = true;
    if (timer_running(&b->timer_c))
        timer_start(&b->timer_c, loop_now(rq->s->loop) + rq->config->timer_c_ms);
    forward_upstream(rq, m, SLICE_NONE);
}

void forward_further(struct request *rq, const struct sip_msg *m)
{
    if (branch_response_is_for_sender(rq, m))
        forward_upstream(rq, m, SLICE_NONE);
}

/* ---------------------------------------------------------------- CANCEL and the end */
void forward_cancel(struct request *rq, struct slice reason)
{
    branch_cancel_others(rq, NULL, reason);
    for (size_t i = 0; i < rq->n_branches; i++) {
        struct branch *b = &rq->branches[i];
        if (b->state == BRANCH_RESOLVING) {
            target_cancel(b->query);
            b->query = NULL;
            b->state = BRANCH_DONE;
        } else if (b->state == BRANCH_TRYING) {
            /* 9.1: a peer that does not answer is given up; 64*T1. */
            timer_start(&b->timer_c, loop_now(rq->s->loop) + 64 * (uint64_t)rq->config->times.t1);
        }
    }
    forward_progress(rq);
}

void forward_abandon(struct request *rq)
{
    for (size_t i = 0; i < rq->n_branches; i++) {
        struct branch *b = &rq->branches[i];
        target_cancel(b->query);
        b->query = NULL;
        timer_stop(&b->timer_c);
        b->state = BRANCH_DONE;
        client_detach(b->client);
    }
    target_cancel(rq->lookup);
    rq->lookup = NULL;
    rq->n_branches = 0;
    buf_fini(&rq->challenges);
}

/* ---------------------------------------------------------------- beginning */
static struct target forward_copy_target(struct arena *a, const struct target *t)
{
    struct target c = *t;
    c.identity = arena_copy(a, t->identity);
    c.host = arena_copy(a, t->host);
    struct target_address *list = ARENA_ARRAY(a, struct target_address, t->n_addresses + 1);
    for (size_t i = 0; i < t->n_addresses; i++) {
        list[i] = t->addresses[i];
        list[i].name = arena_copy(a, list[i].name);
        list[i].identity = arena_copy(a, list[i].identity);
    }
    c.addresses = list;
    return c;
}

static void forward_branches(struct request *rq, const struct forward *plan)
{
    rq->branches = ARENA_ARRAY(&rq->arena, struct branch, plan->n);
    rq->n_branches = plan->n;
    for (size_t i = 0; i < plan->n; i++) {
        const struct forward_branch *p = &plan->branches[i];
        struct branch *b = &rq->branches[i];
        b->rq = rq;
        b->uri = p->uri.p ? arena_copy(&rq->arena, p->uri) : SLICE_NONE;
        b->extra_route = arena_copy(&rq->arena, p->extra_route);
        b->target = forward_copy_target(&rq->arena, &p->target);
        b->q = p->q;
        timer_init(&b->timer_c, rq->s->loop, branch_timer_c, b);
    }
}

/* RFC 5393 section 5: each parallel branch gets its share of what the request may still spread to. */
static bool forward_breadth(struct request *rq)
{
    uint32_t breadth = MAX_BREADTH;
    unsigned widest = 1;
    struct slice given = sip_msg_value(&rq->msg, SIP_H_MAX_BREADTH);
    if (given.n)
        sip_number_parse(given, &breadth);
    for (size_t i = 0; i < rq->n_branches; i++) {
        unsigned same = 0;
        for (size_t j = 0; j < rq->n_branches; j++)
            same += rq->branches[j].q == rq->branches[i].q;
        widest = same > widest ? same : widest;
    }
    if (widest > breadth || breadth == 0)
        return false;
    forward_set(rq, rq->edits, SIP_H_MAX_BREADTH, forward_number(rq, breadth / widest));
    return true;
}

/* An ACK is sent once, to the first target that resolves; nobody answers it. */
static void forward_ack_resolved(void *arg, enum target_outcome outcome, struct target_address *list,
                                 size_t n)
{
    struct branch *b = arg;
    struct request *rq = b->rq;
    char branch[BRANCH_TEXT];
    struct buf out = {0};
    b->query = NULL;
    if (outcome == TARGETS_FOUND) {
        branch_order(b, list, n);
        struct target_address to = list[0];
        if (to.identity.n == 0)
            to.identity = b->target.identity;
        via_branch_make(rq->s, rq, branch);
        if (forward_write(rq, b, to.transport, branch, &out)) {
            trace_add(&rq->s->trace, rq->call_hash, TRACE_REQUEST_OUT, SIP_ACK, 0, &to.addr, "");
            client_transmit(rq->s, b->target.side, &to,
                            b->target.kind == TARGET_FLOW ? b->target.flow : (struct flow_ref){0},
                            to.identity, buf_slice(&out), "", NULL);
        }
    }
    buf_fini(&out);
    request_abandon(rq);
}

void request_forward(struct request *rq, const struct forward *plan)
{
    if (rq->cancelled && !rq->answered) { /* while the service was thinking */
        request_reply(rq, &(struct reply){.status = 487});
        return;
    }
    if (rq->answered || rq->abandoned || plan->n == 0 || plan->n > ELEMENT_MAX_BRANCHES) {
        if (!rq->answered && !rq->abandoned)
            request_refuse(rq, &REFUSE_BREADTH, "%zu branches", plan->n);
        return;
    }
    rq->forwarded = true;
    forward_prepare(rq, plan);
    forward_branches(rq, plan);
    if (rq->is_ack) {
        struct branch *b = &rq->branches[0];
        b->state = BRANCH_RESOLVING;
        struct target_query *q = target_resolve(rq->s, &b->target, &rq->arena, forward_ack_resolved, b);
        if (q)
            b->query = q;
        return;
    }
    if (!forward_breadth(rq)) {
        rq->n_branches = 0;
        request_refuse(rq, &REFUSE_BREADTH, NULL);
        return;
    }
    forward_progress(rq);
}

/* ---------------------------------------------------------------- a look-up for the service */
static void request_looked_up(void *arg, const struct srv_names *names)
{
    struct request *rq = arg;
    rq->lookup = NULL;
    rq->lookup_done(rq, names);
}

void request_lookup_federation(struct request *rq, struct slice domain, request_srv_done *done)
{
    rq->lookup_done = done;
    struct target_query *q = target_lookup_federation(rq->s, domain, &rq->arena, request_looked_up, rq);
    if (q)
        rq->lookup = q;
}
