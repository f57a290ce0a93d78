#include "service/access_edge/hide.h"
#include "service/access_edge/rows.h"
#include "service/access_edge/sender.h"

/* Outside a dialog, everything may begin one but these (16.6 step 4 leaves the choice to the proxy). */
static bool may_begin_dialog(enum sip_method m)
{
    switch (m) {
    case SIP_MESSAGE:
    case SIP_OPTIONS:
    case SIP_PUBLISH:
    case SIP_SERVICE:
    case SIP_ACK:
    case SIP_CANCEL:
    case SIP_REGISTER:
        return false;
    default:
        return true;
    }
}

/* ---------------------------------------------------------------- Record-Route */
/* Host, port and transport by which those inside reach us. Foreign pools without TLS get the address: they
 * may not know our names. */
static struct slice inner_hostport(const struct edge *e, enum sip_transport t, uint16_t port, struct arena *a)
{
    bool literal = t != SIP_TLS;
    struct slice host = literal ? e->self->internal_address : e->self->fqdn;
    bool v6 = literal && slice_find(host, ':') != SIZE_MAX;
    return arena_printf(a, "%s" SLICE_FMT "%s:%u;transport=%s", v6 ? "[" : "", SLICE_ARG(host), v6 ? "]" : "",
                        t == SIP_TLS ? (unsigned)e->pool->internal_port : (unsigned)port,
                        t == SIP_TLS   ? "tls"
                        : t == SIP_TCP ? "tcp"
                                       : "udp");
}

struct dialog_sides {
    bool began_outside;
    struct slice machine; /* inside */
    enum sip_transport inner_transport;
    uint16_t inner_port;
};

/* Twice, because the message crosses sides: the upper value faces where the request goes. False when there is
 * no key (the request has been answered). */
static bool record_route(struct request *rq, const struct dialog_sides *d, struct sip_edits *edits)
{
    struct passage *p = passage_of(rq);
    const struct edge *e = p->e;
    struct arena *a = request_arena(rq);
    const struct sip_msg *m = request_msg(rq);
    const struct material_key *key = material_signing_key(e->m, loop_wall());
    if (!key) {
        request_refuse(rq, &EDGE_NO_KEY, NULL);
        return false;
    }
    const char *scheme = request_uri(rq)->scheme == SIP_SCHEME_SIPS ? "sips" : "sip";
    struct slice outer = arena_printf(a, SLICE_FMT ":%u;transport=tls", SLICE_ARG(e->outer_host),
                                      (unsigned)e->pool->federation_port);
    struct slice inner = inner_hostport(e, d->inner_transport, d->inner_port, a);
    struct slice values[2]; /* from below */
    p->inside = d->machine;
    for (int step = 0; step < 2; step++) {
        bool faces_outside = (step == 0) == d->began_outside;
        struct buf text = {0};
        struct token t = {.began_outside = d->began_outside,
                          .faces_outside = faces_outside,
                          .partner = p->partner,
                          .machine = e->words ? HIDE_NO_MACHINE : d->machine};
        int r = token_make(&t, m->call_id, m->from_tag, key, &text);
        struct slice token = arena_copy(a, buf_slice(&text));
        *(faces_outside ? &p->outer_token : &p->inner_token) = token;
        values[step] = arena_printf(a, "<%s:" SLICE_FMT "@" SLICE_FMT ";lr>", scheme, SLICE_ARG(token),
                                    SLICE_ARG(faces_outside ? outer : inner));
        buf_fini(&text);
        if (r < 0) {
            request_refuse(rq, &EDGE_FROM_MALFORMED, "a name is too long for the Record-Route token");
            return false;
        }
    }
    if (p->hides) { /* what faces inside stays inside */
        values[0] = hide_record_route(rq, values[1], values[0], edits);
        values[1] = SLICE_NONE;
    }
    for (int step = 0; step < 2; step++)
        if (values[step].n)
            sip_edit_top(edits, sip_header_name(SIP_H_RECORD_ROUTE), values[step]);
    return values[0].n > 0;
}

/* ---------------------------------------------------------------- identities */
static bool speaks_for(void *arg, struct slice domain)
{
    struct request *rq = arg;
    struct flow *f = request_flow(rq);
    struct peer_proof proof;
    return slice_caseeq(domain, passage_of(rq)->partner) ||
           (f && domain.n && peer_recall(passage_of(rq)->e, f, domain, &proof));
}

static bool is_sip(const struct sip_uri *u)
{
    return u->scheme == SIP_SCHEME_SIP || u->scheme == SIP_SCHEME_SIPS;
}

static bool keep_none(void *arg, const struct sip_uri *uri)
{
    (void)arg, (void)uri;
    return false;
}

/* Whose a telephone number is nobody can prove; a partner who is always believed may say it. */
static bool keep_proven(void *arg, const struct sip_uri *uri)
{
    const struct policy *policy = &passage_of(arg)->policy;
    if (uri->scheme == SIP_SCHEME_TEL)
        return policy->verification == TOPOLOGY_ALWAYS_VERIFIABLE;
    return is_sip(uri) && speaks_for(arg, uri->host);
}

static bool keep_ours(void *arg, const struct sip_uri *uri)
{
    struct request *rq = arg;
    return uri->scheme == SIP_SCHEME_TEL ||
           (is_sip(uri) && topology_is_own_domain(passage_of(rq)->e->t, uri->host));
}

static struct slice default_domain(const struct request *rq)
{
    return passage_of(rq)->e->t->deployment.default_domain;
}

/* A request or a response that came from outside, or that goes there. */
static void clean_from_outside(struct request *rq, const struct sip_msg *m, struct sip_edits *edits)
{
    const struct edge *e = passage_of(rq)->e;
    const struct policy *policy = &passage_of(rq)->policy;
    enum rows_said said;
    rows_from_outside(m, e->t->access_edge.outside_claims, speaks_for, rq, request_arena(rq), edits, &said);
    sender_filter_identities(m, vouch_identities(policy, said) ? keep_proven : keep_none, rq,
                             request_arena(rq), edits);
    vouch_inside(rq, m, vouch_verified(policy, said), edits);
}

static void clean_for_outside(struct request *rq, const struct sip_msg *m, struct sip_edits *edits)
{
    rows_to_outside(m, edits);
    if (!sender_hide_identities(m, default_domain(rq), request_arena(rq), edits))
        sender_filter_identities(m, keep_ours, rq, request_arena(rq), edits);
    vouch_outside(rq, edits);
}

/* ---------------------------------------------------------------- on its way */
static void pass(struct request *rq, const struct target *t, const struct sip_edits *edits)
{
    struct forward_branch branch = {.target = *t, .uri = passage_of(rq)->uri};
    request_forward(
        rq,
        &(struct forward){.branches = &branch, .n = 1, .keeps_vias = passage_of(rq)->hides, .edits = edits});
}

void pass_inside(struct request *rq, const struct hops *h, size_t first, bool begins)
{
    struct passage *p = passage_of(rq);
    struct target_address addresses[ELEMENT_MAX_TARGETS];
    struct sip_edits edits;
    p->pool = h->pool;
    sip_edits_init(&edits);
    clean_from_outside(rq, request_msg(rq), &edits);
    unhide_rows(rq, &edits);
    struct dialog_sides sides = {.began_outside = true,
                                 .machine = h->machines[first].fqdn,
                                 .inner_transport = h->transport,
                                 .inner_port = h->port};
    if (begins && may_begin_dialog(request_msg(rq)->method) && !record_route(rq, &sides, &edits))
        return;
    bool by_target = p->proof.rule == IDENTITY_SRV;
    request_set_peer(rq, peer_identity(request_arena(rq), p->partner, &p->proof.name, by_target));
    struct target t = {.kind = TARGET_ADDRESSES,
                       .side = SIDE_INTERNAL,
                       .addresses = addresses,
                       .n_addresses = hops_targets(h, first, addresses)};
    pass(rq, &t, &edits);
}

static void pass_to_partner(struct request *rq, struct target *t, const struct sip_edits *edits)
{
    const struct passage *p = passage_of(rq);
    t->side = SIDE_EXTERNAL;
    t->sips = true; /* outside nothing but TLS is spoken, whatever the URI says */
    t->transport = t->port || t->transport == SIP_TLS ? SIP_TLS : SIP_TRANSPORT_OTHER;
    t->identity = peer_identity(request_arena(rq), p->partner, p->targets, p->n_targets);
    pass(rq, t, edits);
}

void pass_outside(struct request *rq, struct target *t, bool begins)
{
    struct passage *p = passage_of(rq);
    struct sip_edits edits;
    struct hops h;
    size_t index;
    sip_edits_init(&edits);
    clean_for_outside(rq, request_msg(rq), &edits);
    if (p->e->words && !hide_request(rq, &edits))
        return;
    struct dialog_sides sides = {.machine = p->machine, .inner_transport = request_transport(rq)};
    if (hops_of_machine(p->e->t, p->machine, &h, &index)) {
        sides.inner_port = h.port;
        p->pool = h.pool;
    }
    if (begins && may_begin_dialog(request_msg(rq)->method) && !record_route(rq, &sides, &edits))
        return;
    pass_to_partner(rq, t, &edits);
}

/* Both sides reach us by the same name: one value serves them. False: it has been refused. */
static bool record_route_across(struct request *rq, struct sip_edits *edits)
{
    const struct passage *p = passage_of(rq);
    const struct edge *e = p->e;
    const struct sip_msg *m = request_msg(rq);
    const struct material_key *key = material_signing_key(e->m, loop_wall());
    struct token t = {.began_outside = true,
                      .faces_outside = true,
                      .relayed = true,
                      .partner = p->sender,
                      .machine = p->partner};
    struct buf text = {0};
    if (!key) {
        request_refuse(rq, &EDGE_NO_KEY, NULL);
        return false;
    }
    int r = token_make(&t, m->call_id, m->from_tag, key, &text);
    if (r == 0)
        sip_edit_top(edits, sip_header_name(SIP_H_RECORD_ROUTE),
                     arena_printf(request_arena(rq), "<%s:" SLICE_FMT "@" SLICE_FMT ":%u;transport=tls;lr>",
                                  request_uri(rq)->scheme == SIP_SCHEME_SIPS ? "sips" : "sip",
                                  SLICE_ARG(buf_slice(&text)), SLICE_ARG(e->outer_host),
                                  (unsigned)e->pool->federation_port));
    else
        request_refuse(rq, &EDGE_FROM_MALFORMED, "a name is too long for the Record-Route token");
    buf_fini(&text);
    return r == 0;
}

void pass_across(struct request *rq, struct target *t, bool begins)
{
    struct sip_edits edits;
    sip_edits_init(&edits);
    relay_clean(rq, request_msg(rq), &edits);
    if (begins && may_begin_dialog(request_msg(rq)->method) && !record_route_across(rq, &edits))
        return;
    pass_to_partner(rq, t, &edits);
}

void pass_response(struct request *rq, const struct sip_msg *response, struct sip_edits *edits)
{
    if (!passage_of(rq) || passage_of(rq)->partner.n == 0)
        return;
    if (passage_of(rq)->sender.n) {
        relay_clean(rq, response, edits);
        return;
    }
    if (request_side(rq) == SIDE_INTERNAL)
        clean_from_outside(rq, response, edits);
    else
        clean_for_outside(rq, response, edits);
    if (passage_of(rq)->hides)
        unhide_response(rq, response, edits);
    else if (request_side(rq) == SIDE_EXTERNAL && passage_of(rq)->e->words)
        hide_response(rq, response, edits);
    if (!passage_of(rq)->policy.listed)
        discovered_answered(rq, response->status);
}
