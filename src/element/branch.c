/* See branch.h. */
#include "element/branch.h"

#include <stdio.h>

#include "element/best.h"
#include "element/rewrite.h"

static void branch_attempt(struct branch *b);

void branch_done(struct branch *b)
{
    b->state = BRANCH_DONE;
    timer_stop(&b->timer_c);
    b->ops->over(b);
    if (b->rq->answered) /* the last of several may have been waited for */
        deferred_add(b->rq->s->loop, &b->rq->freeing);
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
        best_consider_own(
            b->rq, b->plan.target.kind == TARGET_FLOW ? &REFUSE_FLOW_FAILED : &REFUSE_UNREACHABLE, why);
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
    if (guard_may_log(rq->s, "element.target-failed", slice_hash(to->name.n ? to->name : peer),
                      to->name.n ? to->name : peer))
        log_event(LOG_WARN, "element.target-failed",
                  FIELDS({"call_id", rq->msg.call_id}, {"target", peer}, {"name", to->name},
                         {"why", slice_str(why)}),
                  "target " SLICE_FMT " failed for " SLICE_FMT ": %s", SLICE_ARG(peer),
                  SLICE_ARG(rq->msg.method_name), why);
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
        to.identity = b->plan.target.identity;
    struct client *c =
        client_new(b, &to, b->plan.target.kind == TARGET_FLOW ? b->plan.target.flow : (struct flow_ref){0});
    loop_lend(rq->s->loop, &c->sent);
    bool ok = rewrite_request(rq, &b->plan, c->to.transport, c->inflight.branch, &c->sent);
    if (ok && c->to.transport == SIP_UDP && buf_len(&c->sent) > ELEMENT_MAX_UDP_REQUEST && !b->udp_anyway) {
        c->to.transport = SIP_TCP;
        b->tcp_instead = true;
        buf_clear(&c->sent, 65536);
        ok = rewrite_request(rq, &b->plan, SIP_TCP, c->inflight.branch, &c->sent);
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

void branch_order(struct branch *b, struct target_address *list, size_t n)
{
    struct shard *s = b->rq->s;
    if (b->plan.target.kind != TARGET_FLOW && n > 1)
        destinations_order(s->e->destinations, b->plan.target.side, list, n, b->plan.target.identity,
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
        snprintf(detail, sizeof(detail), "for " SLICE_FMT, SLICE_ARG(b->plan.target.host));
        best_consider_own(b->rq, no_target[outcome], detail);
        branch_done(b);
        return;
    }
    branch_order(b, list, n);
    b->list = list;
    b->n = n;
    branch_attempt(b);
}

void branch_start(struct branch *b)
{
    struct request *rq = b->rq;
    b->state = BRANCH_RESOLVING;
    if (rq->msg.method == SIP_INVITE)
        timer_start(&b->timer_c, loop_now(rq->s->loop) + rq->config->timer_c_ms);
    struct target_query *q = target_resolve(rq->s, &b->plan.target, &rq->arena, branch_resolved, b);
    if (q)
        b->query = q;
}

static struct target branch_copy_target(struct arena *a, const struct target *t)
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

void branch_init(struct branch *b, struct request *rq, const struct forward_branch *plan,
                 const struct branch_ops *ops)
{
    b->rq = rq;
    b->ops = ops;
    b->plan = *plan;
    b->plan.uri = plan->uri.p ? arena_copy(&rq->arena, plan->uri) : SLICE_NONE;
    b->plan.extra_route = arena_copy(&rq->arena, plan->extra_route);
    b->plan.target = branch_copy_target(&rq->arena, &plan->target);
    timer_init(&b->timer_c, rq->s->loop, branch_timer_c, b);
}

void branch_response(struct branch *b, const struct sip_msg *m)
{
    struct request *rq = b->rq;
    if (!rewrite_is_for_sender(rq, m)) {
        if (m->status >= 200) {
            best_consider_own(rq, &REFUSE_BAD_RESPONSE, "");
            branch_done(b);
        }
        return;
    }
    account_response(b, m->status);
    if (m->status == 503 && branch_more(b)) { /* RFC 3263 4.3 */
        trace_add(&rq->s->trace, rq->call_hash, TRACE_TARGET_FAILED, rq->msg.method, 503, NULL,
                  "next target");
        branch_attempt(b);
        return;
    }
    if (m->status < 200) {
        if (m->status == 100 || rq->answered)
            return;
        b->provisional = true;
        if (timer_running(&b->timer_c))
            timer_start(&b->timer_c, loop_now(rq->s->loop) + rq->config->timer_c_ms);
    }
    b->ops->response(b, m);
}
