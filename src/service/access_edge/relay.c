/* Clearing house: from one partner to another, when the setting says so and both are listed with a connection
 * of their own to us: allowed, behind no provider, not by the default route. Who sends is proven by the
 * connection as ever, so nothing comes back to us by a third: it could not prove the sender. */
#include "service/access_edge/priv.h"
#include "service/access_edge/rows.h"
#include "service/access_edge/sender.h"

#include "ground/log/metric.h"

static bool is_sip(const struct sip_uri *u)
{
    return u->scheme == SIP_SCHEME_SIP || u->scheme == SIP_SCHEME_SIPS;
}

static bool is_direct(const struct topology *t, struct slice domain)
{
    const struct topology_partner *p = topology_partner_find(t, domain);
    return p && p->policy == TOPOLOGY_ALLOWED && p->provider.n == 0 && !topology_is_own_domain(t, domain) &&
           t->access_edge.routing == TOPOLOGY_ROUTE_BY_SRV;
}

bool relay_may(const struct request *rq)
{
    const struct passage *p = passage_of(rq);
    const struct topology *t = p->e->t;
    const struct sip_uri *uri = request_uri(rq);
    return t->access_edge.clearinghouse && is_sip(uri) && uri->host.n &&
           !slice_caseeq(uri->host, p->partner) && is_direct(t, p->partner) && is_direct(t, uri->host);
}

/* From here on `partner` is the called one. False: it has been refused. */
static bool turn_to(struct request *rq, struct slice called)
{
    struct passage *p = passage_of(rq);
    bool by_target = p->proof.rule == IDENTITY_SRV;
    request_set_peer(rq, peer_identity(request_arena(rq), p->partner, &p->proof.name, by_target));
    p->sender = p->partner;
    p->sender_monitored = p->policy.monitored;
    p->n_targets = 0;
    return passage_partner(rq, called);
}

static void relay_to_partner(struct request *rq)
{
    struct target t = depart_target(rq);
    METRIC_COUNT("edge.relayed");
    pass_across(rq, &t, true);
}

void relay(struct request *rq)
{
    if (turn_to(rq, request_uri(rq)->host))
        proof_targets(rq, relay_to_partner);
}

/* ---------------------------------------------------------------- within a dialog */
static void relay_onwards(struct request *rq)
{
    struct target t;
    if (dialog_onwards(rq, &t))
        pass_across(rq, &t, false);
}

static void relay_proven(struct request *rq)
{
    const struct passage *p = passage_of(rq);
    const struct token_opened *d = &p->dialog;
    struct slice called = d->by_caller ? d->token.machine : d->token.partner;
    if (p->proof.rule == IDENTITY_NONE)
        request_refuse(rq, p->dns_failed ? &EDGE_PROOF_UNAVAILABLE : &EDGE_TOKEN_WRONG_CONNECTION,
                       "domain " SLICE_FMT, SLICE_ARG(p->partner));
    else if (!turn_to(rq, called))
        return;
    else if (!is_direct(p->e->t, p->sender) || !is_direct(p->e->t, p->partner))
        request_refuse(rq, &EDGE_NOT_OUR_DOMAIN, "relayed between " SLICE_FMT " and " SLICE_FMT,
                       SLICE_ARG(p->sender), SLICE_ARG(p->partner));
    else
        proof_targets(rq, relay_onwards);
}

void relay_dialog(struct request *rq)
{
    const struct token_opened *d = &passage_of(rq)->dialog;
    if (request_side(rq) != SIDE_EXTERNAL)
        request_refuse(rq, &EDGE_TOKEN_WRONG_CONNECTION, NULL);
    else if (passage_partner(rq, d->by_caller ? d->token.partner : d->token.machine))
        proof_of_sender(rq, relay_proven);
}

/* ---------------------------------------------------------------- what may be said */
static bool speaks_for(void *arg, struct slice domain)
{
    return slice_caseeq(domain, *(const struct slice *)arg);
}

static bool keep_own(void *arg, const struct sip_uri *uri)
{
    return is_sip(uri) && speaks_for(arg, uri->host);
}

void relay_clean(struct request *rq, const struct sip_msg *m, struct sip_edits *edits)
{
    const struct passage *p = passage_of(rq);
    struct slice who = m == request_msg(rq) ? p->sender : p->partner;
    enum rows_said said; /* nobody hears from us what one partner says of its users */
    rows_from_outside(m, p->e->t->access_edge.outside_claims, speaks_for, &who, request_arena(rq), edits,
                      &said);
    if (!sender_hide_identities(m, who, request_arena(rq), edits))
        sender_filter_identities(m, keep_own, &who, request_arena(rq), edits);
}
