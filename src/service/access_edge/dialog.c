/* Within a dialog: our Record-Route token says what the dialog is. */
#include "service/access_edge/hide.h"

static const struct refusal *const outcomes[] = {
    [TOKEN_GOOD] = NULL,
    [TOKEN_MALFORMED] = &EDGE_TOKEN_MALFORMED,
    [TOKEN_UNKNOWN_KEY] = &EDGE_TOKEN_UNKNOWN_KEY,
    [TOKEN_EXPIRED] = &EDGE_TOKEN_EXPIRED,
    [TOKEN_ALTERED] = &EDGE_TOKEN_ALTERED,
};

/* The tokens of our Route values into *ret, the first of them. A refusal, or NULL. */
static const struct refusal *dialog_open(struct request *rq, struct token_opened *ret)
{
    const struct sip_msg *m = request_msg(rq);
    const struct material *material = passage_of(rq)->e->m;
    const struct sip_uri *routes;
    size_t n = request_own_routes(rq, &routes), found = 0;
    for (size_t i = 0; i < n; i++) {
        struct token_opened one;
        if (!routes[i].has_user)
            continue; /* a plain Route to this Edge, put on top by the sender */
        enum token_outcome r = token_open(routes[i].user, m->call_id, m->from_tag, m->to_tag, material->keys,
                                          material->n_keys, loop_wall(), request_arena(rq), &one);
        if (r != TOKEN_GOOD)
            return outcomes[r];
        if (found == 0)
            *ret = one;
        else if (found > 1 || !token_is_pair(ret, &one))
            return &EDGE_TOKEN_ALTERED;
        found++;
    }
    return found ? NULL : &EDGE_TOKEN_MISSING;
}

static void dialog_inwards(struct request *rq)
{
    const struct passage *p = passage_of(rq);
    struct hops h;
    size_t first = 0;
    if (p->proof.rule == IDENTITY_NONE) {
        const struct refusal *why = p->proof.untrusted ? p->proof.untrusted
                                    : p->dns_failed    ? &EDGE_PROOF_UNAVAILABLE
                                                       : &EDGE_TOKEN_WRONG_CONNECTION;
        struct slice cert = proof_describe(rq);
        request_refuse(rq, why, "domain " SLICE_FMT ", " SLICE_FMT, SLICE_ARG(p->partner), SLICE_ARG(cert));
    } else if (!discovered_may_pass(rq, false)) {
        return;
    } else if (!unhide_request(rq)) {
        request_refuse(rq, &EDGE_HIDDEN_UNREADABLE, NULL);
    } else if (hops_of_machine(p->e->t, p->dialog.token.machine, &h, &first) ||
               hops_of_pool(p->e->t, p->e->pool->next_hop, &h)) {
        pass_inside(rq, &h, first, false);
    } else {
        request_refuse(rq, &EDGE_NO_NEXT_HOP, NULL);
    }
}

bool dialog_onwards(struct request *rq, struct target *ret)
{
    const struct sip_addr *route = request_next_route(rq);
    const struct sip_uri *to = route ? &route->uri : request_uri(rq);
    if ((to->scheme != SIP_SCHEME_SIP && to->scheme != SIP_SCHEME_SIPS) || to->host.n == 0) {
        request_refuse(rq, &EDGE_NOT_A_PARTNER_DOMAIN, "next hop " SLICE_FMT, SLICE_ARG(to->text));
        return false;
    }
    struct slice value;
    struct target t = {
        .kind = TARGET_NAME, .host = to->host, .port = to->port, .transport = SIP_TRANSPORT_OTHER};
    if (sip_uri_param(to, SLICE("maddr"), &value) && value.n) /* RFC 3263 section 4 */
        t.host = value;
    if (sip_uri_param(to, SLICE("transport"), &value) && slice_caseeq(value, SLICE("tls")))
        t.transport = SIP_TLS;
    *ret = t;
    return true;
}

static void dialog_outwards(struct request *rq)
{
    struct target t;
    if (dialog_onwards(rq, &t))
        pass_outside(rq, &t, false);
}

void dialog(struct request *rq)
{
    struct passage *p = passage_of(rq);
    const struct refusal *why = dialog_open(rq, &p->dialog);
    bool outside = request_side(rq) == SIDE_EXTERNAL;
    const struct token *t = &p->dialog.token;
    if (!why && t->relayed) {
        relay_dialog(rq);
        return;
    }
    if (!why && (t->faces_outside != outside || (t->began_outside == p->dialog.by_caller) != outside))
        why = &EDGE_TOKEN_WRONG_CONNECTION;
    if (why)
        request_refuse(rq, why, NULL);
    else if (!passage_partner(rq, t->partner))
        return;
    else if (outside)
        proof_of_sender(rq, dialog_inwards);
    else
        proof_targets(rq, dialog_outwards);
}
