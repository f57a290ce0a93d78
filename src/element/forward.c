/* Stateful forwarding (RFC 3261 sections 16.5-16.10): which branches run, what their responses mean for the
 * others and for the request, CANCEL, the end. */
#include "element/forward.h"

#include "element/best.h"
#include "element/branch.h"
#include "element/rewrite.h"

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
            q = !waiting || rq->branches[i].plan.q > q ? rq->branches[i].plan.q : q;
            waiting = true;
        }
    }
    if (!waiting || rq->cancelled || rq->answered || (rq->best_status >= 600 && !rq->best_refusal)) {
        best_answer(rq);
        return;
    }
    rq->progressing = true;
    for (size_t i = 0; i < rq->n_branches; i++)
        if (rq->branches[i].state == BRANCH_WAITING && rq->branches[i].plan.q == q)
            branch_start(&rq->branches[i]);
    rq->progressing = false;
    for (size_t i = 0; i < rq->n_branches; i++)
        if (branch_open(&rq->branches[i]))
            return;
    forward_progress(rq);
}

static void forward_cancel_others(struct request *rq, const struct branch *but, struct slice reason)
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

/* A final or provisional one but 100, of a branch that has no more targets to try for it. */
static void forward_response(struct branch *b, const struct sip_msg *m)
{
    struct request *rq = b->rq;
    if (m->status < 200) {
        rewrite_send_up(rq, m, SLICE_NONE);
        return;
    }
    if (m->status < 300) {
        rewrite_send_up(rq, m, SLICE_NONE);
        b->state = BRANCH_DONE;
        timer_stop(&b->timer_c);
        forward_cancel_others(rq, b, SLICE("SIP;cause=200;text=\"Call completed elsewhere\""));
        return;
    }
    best_consider(rq, m);
    if (m->status >= 600)
        forward_cancel_others(rq, b, SLICE("SIP;cause=603;text=\"Declined elsewhere\""));
    branch_done(b);
}

void forward_further(struct request *rq, const struct sip_msg *m)
{
    if (rewrite_is_for_sender(rq, m))
        rewrite_send_up(rq, m, SLICE_NONE);
}

void forward_cancel(struct request *rq, struct slice reason)
{
    forward_cancel_others(rq, NULL, reason);
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

static void forward_branch_over(struct branch *b)
{
    forward_progress(b->rq);
}

static const struct branch_ops forward_branch_ops = {forward_response, forward_branch_over};

static void forward_branches(struct request *rq, const struct forward *plan)
{
    rq->branches = ARENA_ARRAY(&rq->arena, struct branch, plan->n);
    rq->n_branches = plan->n;
    for (size_t i = 0; i < plan->n; i++) {
        const struct forward_branch *p = &plan->branches[i];
        struct branch *b = &rq->branches[i];
        branch_init(b, rq, p, &forward_branch_ops);
    }
}

/* How many branches run in parallel at most. */
static unsigned forward_widest(const struct request *rq)
{
    unsigned widest = 1;
    for (size_t i = 0; i < rq->n_branches; i++) {
        unsigned same = 0;
        for (size_t j = 0; j < rq->n_branches; j++)
            same += rq->branches[j].plan.q == rq->branches[i].plan.q;
        widest = same > widest ? same : widest;
    }
    return widest;
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
            to.identity = b->plan.target.identity;
        via_branch_make(rq->s, rq, branch);
        if (rewrite_request(rq, &b->plan, to.transport, branch, &out)) {
            trace_add(&rq->s->trace, rq->call_hash, TRACE_REQUEST_OUT, SIP_ACK, 0, &to.addr, "");
            client_transmit(rq->s, b->plan.target.side, &to,
                            b->plan.target.kind == TARGET_FLOW ? b->plan.target.flow : (struct flow_ref){0},
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
    rewrite_prepare(rq, plan);
    forward_branches(rq, plan);
    if (rq->is_ack) {
        struct branch *b = &rq->branches[0];
        b->state = BRANCH_RESOLVING;
        struct target_query *q = target_resolve(rq->s, &b->plan.target, &rq->arena, forward_ack_resolved, b);
        if (q)
            b->query = q;
        return;
    }
    if (!rewrite_breadth(rq, forward_widest(rq))) {
        rq->n_branches = 0;
        request_refuse(rq, &REFUSE_BREADTH, NULL);
        return;
    }
    forward_progress(rq);
}

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
