/* From inside, outside a dialog: the sender's domain is ours, the called domain is a partner's. */
#include "service/access_edge/priv.h"
#include "service/access_edge/sender.h"

#include "ground/log/metric.h"

enum { PARTNER_PORT = 5061 };

/* Without policies nobody asks who it is. */
static bool sender_may_leave(struct request *rq)
{
    struct sip_uri who;
    return passage_of(rq)->e->t->n_external_access_policies == 0 ||
           (sender_of(request_msg(rq), request_from(rq), &who) == SENDER_NAMED && local_may_pass(rq, &who));
}

struct target depart_target(const struct request *rq)
{
    const struct passage *p = passage_of(rq);
    struct slice edge = p->policy.pinned.n ? p->policy.pinned : p->policy.provider;
    if (edge.n)
        return (struct target){.kind = TARGET_NAME, .host = edge, .port = PARTNER_PORT};
    return (struct target){.kind = TARGET_FEDERATION, .host = p->partner};
}

static void depart_to_partner(struct request *rq)
{
    const struct passage *p = passage_of(rq);
    if (p->policy.perhaps_behind && p->policy.provider_only && p->policy.provider.n == 0) {
        request_refuse(rq, p->dns_failed ? &EDGE_PROOF_UNAVAILABLE : &EDGE_PARTNER_UNKNOWN,
                       "domain " SLICE_FMT, SLICE_ARG(p->partner));
        return;
    }
    if (!sender_may_leave(rq))
        return;
    struct target t = depart_target(rq);
    METRIC_COUNT("edge.departed");
    pass_outside(rq, &t, true);
}

void depart(struct request *rq)
{
    const struct topology *t = passage_of(rq)->e->t;
    const struct sip_uri *uri = request_uri(rq);
    struct sip_uri from;
    if (request_msg(rq)->method == SIP_OPTIONS && !uri->has_user &&
        names_own(passage_of(rq)->e, uri->host, uri->port)) {
        request_reply(rq, &(struct reply){.status = 200}); /* a machine asks whether we are there */
        return;
    }
    enum sender_outcome r = sender_of(request_msg(rq), request_from(rq), &from);
    if (r != SENDER_NAMED || !topology_is_own_domain(t, from.host)) {
        request_refuse(rq, &EDGE_SENDER_NOT_OURS, "From " SLICE_FMT, SLICE_ARG(request_from(rq)->uri_text));
        return;
    }
    if ((uri->scheme != SIP_SCHEME_SIP && uri->scheme != SIP_SCHEME_SIPS) || uri->host.n == 0 ||
        (topology_is_own_domain(t, uri->host) && !policy_shares(t))) {
        request_refuse(rq, &EDGE_NOT_A_PARTNER_DOMAIN, "Request-URI " SLICE_FMT, SLICE_ARG(uri->text));
        return;
    }
    if (passage_partner(rq, uri->host))
        proof_targets(rq, depart_to_partner);
}
