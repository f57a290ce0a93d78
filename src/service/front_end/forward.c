/* Where requests go. */
#include "service/front_end/priv.h"

#include "ground/log/metric.h"
#include "service/front_end/routes.h"

static const char allow[] =
    "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE, SUBSCRIBE, NOTIFY, INFO, REFER, "
    "UPDATE, PRACK, PUBLISH, REGISTER\r\n";

/* ---------------------------------------------------------------- small things */
struct slice domain_of(struct slice aor)
{
    for (size_t i = aor.n; i > 0; i--)
        if (aor.p[i - 1] == '@')
            return slice_from(aor, i);
    return aor;
}

bool binding_is_live(const struct location_binding *b)
{
    return !b->flow_lost && (b->flow.generation || b->transport == SIP_UDP);
}

/* 16.6 step 4 looks at the topmost Route, too. */
bool wants_sips(const struct visit *v)
{
    const struct sip_addr *next = request_next_route(v->rq);
    return (next ? next->uri.scheme : request_uri(v->rq)->scheme) == SIP_SCHEME_SIPS ||
           request_uri(v->rq)->scheme == SIP_SCHEME_SIPS;
}

/* RFC 5630 3.1: a sips: request goes to the client over TLS or not at all. */
static bool may_reach(const struct visit *v, enum sip_transport t)
{
    return t == SIP_TLS || !wants_sips(v);
}

/* Over TCP and TLS the connection it registered on and no other; over UDP where the REGISTER came from. What
 * the contact says (host, maddr) is never dialled. */
struct target target_of_binding(const struct location_binding *b, struct arena *a)
{
    struct target t = {.kind = TARGET_FLOW, .side = SIDE_INTERNAL};
    if (b->flow.generation) {
        t.flow = (struct flow_ref){b->flow.worker, b->flow.slot, b->flow.generation};
        t.transport = b->transport;
        return t;
    }
    struct target_address *to = ARENA_NEW(a, struct target_address);
    *to = (struct target_address){.addr = b->source, .transport = SIP_UDP};
    t.kind = TARGET_ADDRESSES;
    t.addresses = to;
    t.n_addresses = 1;
    return t;
}

/* What a client said about its own identity is not passed on (RFC 3325 section 5), nor are answers to our
 * challenges. */
static void clean_of_client(struct visit *v, struct sip_edits *e)
{
    const struct sip_msg *m = request_msg(v->rq);
    sip_edit_remove_all(e, m, SIP_H_P_ASSERTED_IDENTITY);
    sip_edit_remove_all(e, m, SIP_H_P_PREFERRED_IDENTITY);
    sip_edit_remove_all(e, m, SIP_H_MS_EDGE_PROXY_MESSAGE_TRUST);
    for (const struct sip_header *h = sip_msg_header(m, SIP_H_PROXY_AUTHORIZATION); h;
         h = sip_msg_next(m, h)) {
        struct sip_credentials c;
        if (sip_credentials_parse(h->value, &c) == 0 &&
            topology_is_own_domain(v->fe->t, sip_unquote(c.realm, request_arena(v->rq))))
            sip_edit_remove(e, h);
    }
}

static void edits_begin(struct visit *v, struct sip_edits *e)
{
    sip_edits_init(e);
    if (!v->machine.n)
        clean_of_client(v, e);
}

/* ---------------------------------------------------------------- to a machine */
static void to_host(struct visit *v, struct slice host)
{
    struct arena *a = request_arena(v->rq);
    struct target_address *to;
    struct sip_edits edits;
    size_t n = routes_to(v->fe->t, v->fe->site, host, slice_hash(request_msg(v->rq)->call_id), a, &to);
    if (n == 0) {
        request_refuse(v->rq, &REFUSE_FE_NO_MACHINE, "for " SLICE_FMT, SLICE_ARG(host));
        return;
    }
    edits_begin(v, &edits);
    if (v->aor.n)
        sip_edit_end(&edits, "P-Asserted-Identity",
                     arena_printf(a, "<sip:" SLICE_FMT ">", SLICE_ARG(v->aor)));
    dialog_record_route(v, SIP_TLS, &(struct token_end){0}, &edits);
    struct forward_branch b = {
        .target = {.kind = TARGET_ADDRESSES, .side = SIDE_INTERNAL, .addresses = to, .n_addresses = n}
    };
    METRIC_COUNT("front-end.to-machine");
    request_forward(v->rq, &(struct forward){.branches = &b, .n = 1, .edits = &edits});
}

static void to_federation(struct visit *v)
{
    const struct topology_site *site = v->fe->site;
    struct slice route = site ? topology_federation_route(v->fe->t, site) : SLICE_NONE;
    if (route.n == 0)
        request_refuse(v->rq, &REFUSE_FE_NO_ROUTE, NULL);
    else
        to_host(v, route);
}

/* ---------------------------------------------------------------- to clients */
static void to_client(struct visit *v, const struct target *t)
{
    struct sip_edits edits;
    edits_begin(v, &edits);
    v->to_client = true;
    struct forward_branch b = {.target = *t};
    METRIC_COUNT("front-end.to-client");
    request_forward(v->rq, &(struct forward){.branches = &b, .n = 1, .edits = &edits});
}

/* A Request-URI has no headers, whatever the contact had. */
static struct slice request_uri_of(const struct location_binding *b)
{
    size_t i = slice_find(b->uri, '?');
    return i == SIZE_MAX ? b->uri : slice_head(b->uri, i);
}

/* The transport that all branches can speak: theirs when it is the same. */
static enum sip_transport common_transport(const struct location_binding *const *b, size_t n)
{
    enum sip_transport t = b[0]->transport;
    for (size_t i = 1; i < n; i++)
        t = b[i]->transport < t ? b[i]->transport : t;
    return t;
}

static struct token_end callee_end(struct slice aor, const struct location_binding *const *b, size_t n)
{
    struct token_end e = {.aor = aor, .registered = true};
    if (n != 1)
        return e;
    e.flow = (struct flow_ref){b[0]->flow.worker, b[0]->flow.slot, b[0]->flow.generation};
    if (b[0]->transport == SIP_UDP)
        e.source = b[0]->source;
    return e;
}

static void to_bindings(struct visit *v, struct slice aor, const struct location_binding *const *b, size_t n)
{
    struct forward_branch branches[ELEMENT_MAX_BRANCHES] = {0};
    struct token_end callee = callee_end(aor, b, n);
    struct sip_edits edits;
    edits_begin(v, &edits);
    dialog_record_route(v, common_transport(b, n), &callee, &edits);
    for (size_t i = 0; i < n; i++)
        branches[i] = (struct forward_branch){.uri = request_uri_of(b[i]),
                                              .q = b[i]->q,
                                              .target = target_of_binding(b[i], request_arena(v->rq))};
    v->to_client = true;
    METRIC_COUNT("front-end.to-client");
    request_forward(v->rq, &(struct forward){.branches = branches, .n = n, .edits = &edits});
}

static void to_user(struct visit *v, const struct sip_uri *uri)
{
    struct slice aor = sip_uri_aor(uri, request_arena(v->rq));
    const struct location_binding *live[ELEMENT_MAX_BRANCHES];
    struct location_binding *b;
    struct directory_user user;
    size_t n = location_find(v->fe->location, aor, loop_wall(), request_arena(v->rq), &b), n_live = 0;
    bool plain = false; /* signed in, but not over what the request asks for */
    for (size_t i = 0; i < n && n_live < ELEMENT_MAX_BRANCHES; i++)
        if (binding_is_live(&b[i]) && may_reach(v, b[i].transport))
            live[n_live++] = &b[i];
        else
            plain = plain || binding_is_live(&b[i]);
    if (n_live)
        to_bindings(v, aor, live, n_live);
    else if (plain)
        request_refuse(v->rq, &REFUSE_FE_SIPS, NULL);
    else if (n)
        request_refuse(v->rq, &REFUSE_FE_CLIENT_AWAY, NULL);
    else if (directory_find(v->fe->directory, aor, &user))
        request_refuse(v->rq, &REFUSE_FE_NOT_REGISTERED, NULL);
    else
        request_refuse(v->rq, &REFUSE_FE_NO_SUCH_USER, NULL);
}

/* ---------------------------------------------------------------- deciding */
static bool names_us(const struct visit *v, const struct sip_uri *uri)
{
    struct sip_uri bare = *uri;
    bare.has_user = false;
    return topology_is_own_domain(v->fe->t, uri->host) ||
           front_end_ops.is_own_uri(request_config(v->rq), &bare);
}

static void to_us(struct visit *v)
{
    if (request_msg(v->rq)->method == SIP_OPTIONS)
        request_reply(v->rq, &(struct reply){.status = 200, .extra = slice_str(allow)});
    else
        request_refuse(v->rq, &REFUSE_FE_NO_USER_PART, NULL);
}

/* A connection that only the token names is of a client that did not register: it is where the dialog began.
 */
static bool is_plain(const struct target *t)
{
    return t->kind == TARGET_ADDRESSES ? t->addresses[0].transport != SIP_TLS : t->transport == SIP_TCP;
}

static bool forward_in_dialog(struct visit *v)
{
    struct target t;
    const struct refusal *why;
    if (request_msg(v->rq)->to_tag.n == 0 || !dialog_target(v, &t, &why))
        return false;
    if (why)
        request_refuse(v->rq, why, NULL);
    else if (is_plain(&t) && wants_sips(v))
        request_refuse(v->rq, &REFUSE_FE_SIPS, NULL);
    else
        to_client(v, &t);
    return true;
}

static void forward_by_route(struct visit *v, struct slice host)
{
    bool known = routes_knows(v->fe->t, host);
    struct topology_role sender;
    /* An Edge hands in what is for our users; between Front Ends a request may go on. */
    bool edge = v->machine.n && topology_role_find(v->fe->t, v->machine, &sender) && !sender.front_end;
    if (edge)
        request_refuse(v->rq, &REFUSE_FE_RELAY, "by Route to " SLICE_FMT, SLICE_ARG(host));
    else if (!known)
        request_refuse(v->rq, &REFUSE_FE_ROUTE_UNKNOWN, SLICE_FMT, SLICE_ARG(host));
    else
        to_host(v, host);
}

void forward_visit(struct visit *v)
{
    const struct sip_addr *next = request_next_route(v->rq);
    const struct sip_uri *uri = request_uri(v->rq);
    if (next) {
        forward_by_route(v, next->uri.host);
        return;
    }
    if (forward_in_dialog(v))
        return;
    if (uri->scheme == SIP_SCHEME_TEL)
        request_refuse(v->rq, &REFUSE_FE_TEL, NULL);
    else if (topology_is_own_domain(v->fe->t, uri->host) && uri->has_user)
        to_user(v, uri);
    else if (names_us(v, uri))
        to_us(v);
    else if (v->machine.n)
        request_refuse(v->rq, &REFUSE_FE_RELAY, NULL);
    else if (request_msg(v->rq)->to_tag.n && routes_knows(v->fe->t, uri->host))
        to_host(v, uri->host);
    else
        to_federation(v);
}
