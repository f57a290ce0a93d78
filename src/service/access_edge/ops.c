#include "service/access_edge/priv.h"

#include "ground/log/log.h"
#include "ground/log/metric.h"

const struct edge *edge_of(const struct element_config *c)
{
    return c->service;
}

static const struct refusal *edge_flow_up(const struct element_config *c, struct flow *f)
{
    /* What we dialled is judged by edge_flow_covers, what comes from outside request by request. */
    if (!flow_is_inbound(f))
        return NULL;
    if (flow_side(f) == SIDE_EXTERNAL) {
        struct slice partner = peer_welcome(edge_of(c), f);
        if (partner.n)
            flow_trust(f, partner);
        return NULL;
    }
    struct slice machine = peer_machine(edge_of(c), f);
    if (machine.n) {
        flow_trust(f, machine);
        return NULL;
    }
    if (flow_cert(f)) {
        struct arena a = {0};
        struct slice cert = crypto_cert_describe(flow_cert(f), &a);
        log_event(LOG_WARN, "edge.certificate-of-no-machine", FIELDS({"certificate", cert}),
                  "certificate " SLICE_FMT " names no machine of the topology", SLICE_ARG(cert));
        arena_fini(&a);
    }
    return &EDGE_NOT_A_MACHINE;
}

/* secure_name is not asked for: peer_identity names the SRV targets that count. */
static bool edge_flow_covers(const struct element_config *c, struct flow *f, struct slice identity,
                             bool secure_name)
{
    (void)secure_name;
    return peer_covers(edge_of(c), f, identity);
}

/* What goes out shares with what comes in from the same partner. */
static struct slice edge_share(const struct element_config *c, const struct sip_msg *m)
{
    struct sip_uri to;
    (void)c;
    return sip_uri_parse(m->uri, &to) == 0 ? to.host : SLICE_NONE;
}

static bool edge_is_own_uri(const struct element_config *c, const struct sip_uri *uri)
{
    return (uri->scheme == SIP_SCHEME_SIP || uri->scheme == SIP_SCHEME_SIPS) &&
           names_own(edge_of(c), uri->host, uri->port);
}

/* Who sent a request from inside. A machine may have left the topology since its connection came up. */
static struct slice sender_machine(const struct edge *e, struct request *rq)
{
    struct flow *f = request_flow(rq);
    if (f)
        return peer_machine(e, f);
    if (request_transport(rq) != SIP_UDP)
        return SLICE_NONE;
    const struct topology_machine *m = hops_foreign(e->t, SIP_UDP, request_source(rq));
    return m ? m->fqdn : SLICE_NONE;
}

static void edge_request(struct request *rq)
{
    const struct edge *e = edge_of(request_config(rq));
    struct passage *p = ARENA_NEW(request_arena(rq), struct passage);
    p->e = e;
    request_set_data(rq, p);
    if (request_side(rq) == SIDE_INTERNAL) {
        p->machine = arena_copy(request_arena(rq), sender_machine(e, rq));
        if (p->machine.n == 0) {
            request_refuse(rq, &EDGE_NOT_A_MACHINE, NULL);
            return;
        }
        request_set_peer(rq, p->machine);
        request_trust(rq, p->machine);
    }
    if (request_msg(rq)->to_tag.n) {
        METRIC_COUNT("edge.in-dialog");
        dialog(rq);
    } else if (!e->pool->federation) {
        request_refuse(rq, &EDGE_NO_FEDERATION, NULL);
    } else if (drain_refuses(e, rq, p->machine)) {
        request_refuse(rq, &EDGE_DRAINING, NULL);
    } else if (request_msg(rq)->from_tag.n == 0) {
        request_refuse(rq, &EDGE_FROM_MALFORMED, "From has no tag");
    } else if (request_msg(rq)->method == SIP_REGISTER) {
        request_refuse(rq, &EDGE_METHOD, NULL);
    } else if (request_next_route(rq)) {
        request_refuse(rq, &EDGE_ROUTE_NOT_OURS, "Route " SLICE_FMT,
                       SLICE_ARG(request_next_route(rq)->uri_text));
    } else if (request_side(rq) == SIDE_EXTERNAL) {
        admit(rq);
    } else {
        depart(rq);
    }
}

static void edge_describe(const struct request *rq, struct request_record *ret)
{
    const struct passage *p = passage_of(rq);
    bool outside = request_side(rq) == SIDE_EXTERNAL;
    ret->direction = outside ? RECORD_INWARDS : RECORD_OUTWARDS;
    if (!p)
        return;
    ret->partner = p->sender.n ? p->sender : p->partner;
    ret->pool = p->pool;
    ret->monitored = p->policy.monitored || p->sender_monitored;
    ret->rule = slice_str(identity_rule_letter(p->proof.rule));
    /* A name that anybody may claim gets no series; one that policy lists, or that was proven, does. */
    ret->partner_counts =
        p->policy.listed || (!p->policy.refusal && (!outside || p->proof.rule != IDENTITY_NONE));
}

const struct element_ops edge_ops = {
    .flow_up = edge_flow_up,
    .flow_covers = edge_flow_covers,
    .share = edge_share,
    .is_own_uri = edge_is_own_uri,
    .request = edge_request,
    .response = pass_response,
    .keep = keep_passage,
    .restore = restore_passage,
    .request_over = passage_over,
    .describe = edge_describe,
};
