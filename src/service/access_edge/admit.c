/* From outside, outside a dialog: the sender's domain is proven, the called domain is ours. */
#include "service/access_edge/hide.h"
#include "service/access_edge/sender.h"

#include "ground/log/metric.h"

static bool is_sip(const struct sip_uri *u)
{
    return u->scheme == SIP_SCHEME_SIP || u->scheme == SIP_SCHEME_SIPS;
}

static void admit_to_next_hop(struct request *rq)
{
    const struct edge *e = passage_of(rq)->e;
    struct hops h;
    if (!hops_of_pool(e->t, e->pool->next_hop, &h)) {
        request_refuse(rq, &EDGE_NO_NEXT_HOP, NULL);
        return;
    }
    METRIC_COUNT("edge.admitted");
    size_t first = h.n > 1 ? topology_machine_pick(h.machines, h.n, slice_hash(request_msg(rq)->call_id)) : 0;
    pass_inside(rq, &h, first, true);
}

static void admit_proven(struct request *rq)
{
    const struct passage *p = passage_of(rq);
    const struct sip_uri *uri = request_uri(rq);
    if (p->proof.rule == IDENTITY_NONE) {
        bool unknown = p->policy.provider_only && p->policy.perhaps_behind && p->policy.provider.n == 0;
        const struct refusal *why = unknown ? &EDGE_PARTNER_UNKNOWN : &EDGE_SENDER_NOT_PROVEN;
        struct slice cert = proof_describe(rq);
        if (p->proof.untrusted)
            why = p->proof.untrusted;
        else if (p->dns_failed)
            why = &EDGE_PROOF_UNAVAILABLE;
        request_refuse(rq, why, "domain " SLICE_FMT ", " SLICE_FMT, SLICE_ARG(p->partner), SLICE_ARG(cert));
        return;
    }
    if (p->policy.must_say && rows_said(request_msg(rq)) == ROWS_SAID_NOTHING) {
        request_refuse(rq, &EDGE_SENDER_NOT_VOUCHED, "domain " SLICE_FMT, SLICE_ARG(p->partner));
        return;
    }
    if (!discovered_may_pass(rq, true))
        return;
    if (is_sip(uri) && topology_is_own_domain(p->e->t, uri->host)) {
        if (local_may_pass(rq, uri))
            admit_to_next_hop(rq);
    } else if (hide_is_sealed(p->e, uri)) { /* a Contact of ours that was handed on: REFER, 302 */
        if (unhide_request(rq))
            admit_to_next_hop(rq);
        else
            request_refuse(rq, &EDGE_HIDDEN_UNREADABLE, NULL);
    } else if (request_msg(rq)->method == SIP_OPTIONS && is_sip(uri) && !uri->has_user &&
               names_own(p->e, uri->host, uri->port)) {
        request_reply(rq, &(struct reply){.status = 200}); /* a partner's test of the connection */
    } else if (relay_may(rq)) {
        relay(rq);
    } else {
        request_refuse(rq, &EDGE_NOT_OUR_DOMAIN, "Request-URI " SLICE_FMT, SLICE_ARG(uri->text));
    }
}

void admit(struct request *rq)
{
    struct sip_uri sender;
    const struct topology *t = passage_of(rq)->e->t;
    switch (sender_of(request_msg(rq), request_from(rq), &sender)) {
    case SENDER_MALFORMED:
        request_refuse(rq, &EDGE_FROM_MALFORMED, NULL);
        return;
    case SENDER_ANONYMOUS:
        request_refuse(rq, &EDGE_SENDER_ANONYMOUS, NULL);
        return;
    case SENDER_NAMED:
        break;
    }
    if (topology_is_own_domain(t, sender.host) && !policy_shares(t))
        request_refuse(rq, &EDGE_SENDER_NOT_PROVEN, "a sender of our own domain comes from outside");
    else if (passage_partner(rq, sender.host))
        proof_of_sender(rq, admit_proven);
}
