/* Requests within dialogs and our Record-Route (RFC 3261 sections 16.6 step 4 and 16.12; RFC 5658). */
#include "service/front_end/priv.h"

/* ---------------------------------------------------------------- Record-Route */
static int64_t port_of(const struct front_end *fe, enum sip_transport t)
{
    return t == SIP_UDP   ? fe->pool->client_udp_port
           : t == SIP_TCP ? fe->pool->client_tcp_port
                          : fe->pool->sip_port;
}

static struct slice route_value(struct visit *v, enum sip_transport t, struct slice token)
{
    static const char *const names[] = {[SIP_UDP] = "udp", [SIP_TCP] = "tcp", [SIP_TLS] = "tls"};
    struct slice host = v->fe->role.machine->fqdn;
    return arena_printf(request_arena(v->rq), "<sip%s:" SLICE_FMT "@" SLICE_FMT ":%lld;transport=%s;lr>",
                        wants_sips(v) ? "s" : "", SLICE_ARG(token), SLICE_ARG(host),
                        (long long)port_of(v->fe, t), names[t]);
}

static bool is_on(const struct location_binding *b, const struct token_end *end)
{
    if (b->transport == SIP_UDP)
        return end->source.sa.sa_family && net_addr_eq(&b->source, &end->source);
    return b->flow.generation && b->flow.generation == end->flow.generation &&
           b->flow.slot == end->flow.slot && b->flow.worker == end->flow.worker;
}

/* Did the user register over this very connection, or from this source? Also when the contact has just been
 * moved to another connection: the client that does so is found there. */
static bool is_registered(struct visit *v, const struct token_end *end)
{
    struct location_binding *b;
    size_t n = location_find(v->fe->location, end->aor, loop_wall(), request_arena(v->rq), &b);
    for (size_t i = 0; i < n; i++)
        if (is_on(&b[i], end))
            return true;
    return connection_registered(v, end->aor);
}

static bool begins_dialog(const struct sip_msg *m)
{
    static const enum sip_method never[] = {SIP_MESSAGE,  SIP_OPTIONS, SIP_PUBLISH,
                                            SIP_REGISTER, SIP_CANCEL,  SIP_ACK};
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        if (m->method == never[i])
            return false;
    return m->to_tag.n == 0;
}

/* One value a face; both when they differ, the one that the callee is to use on top. All machines and the
 * clients over TLS see the same face. The element takes both off at once, so the token stands in one. */
void dialog_record_route(struct visit *v, enum sip_transport out, const struct token_end *callee,
                         struct sip_edits *edits)
{
    const struct sip_msg *m = request_msg(v->rq);
    struct token t = {.callee = *callee};
    enum sip_transport in = v->machine.n ? SIP_TLS : request_transport(v->rq);
    struct buf token = {0};
    if (!begins_dialog(m))
        return;
    if (!v->machine.n) {
        t.caller = (struct token_end){.aor = v->aor, .flow = request_flow_ref(v->rq)};
        if (in == SIP_UDP)
            t.caller.source = *request_source(v->rq);
        t.caller.registered = is_registered(v, &t.caller);
    }
    token_write(v->fe->token_key, &t, m->call_id, m->from_tag, &token);
    if (in != out)
        sip_edit_top(edits, "Record-Route", route_value(v, in, SLICE("d")));
    sip_edit_top(edits, "Record-Route", route_value(v, out, buf_slice(&token)));
    buf_fini(&token);
}

void dialog_read_token(struct visit *v)
{
    const struct sip_uri *own;
    size_t n = request_own_routes(v->rq, &own);
    for (size_t i = 0; i < n && !v->has_token; i++)
        v->has_token = token_read(v->fe->token_key, own[i].user, request_msg(v->rq), request_arena(v->rq),
                                  &v->token, &v->from_caller) == 0;
}

/* ---------------------------------------------------------------- where the client is */
static bool has_uri(const struct location_binding *b, const struct sip_uri *uri)
{
    struct sip_uri contact;
    return slice_eq(b->uri, uri->text) ||
           (sip_uri_parse(b->uri, &contact) == 0 && sip_uri_equal(&contact, uri));
}

/* A dialog's Contact need not be the registered one, but where it leads is where the client is. */
static bool has_place(const struct location_binding *b, const struct sip_uri *uri)
{
    struct sip_uri contact;
    struct net_addr place;
    if (sip_uri_parse(b->uri, &contact) == 0 && slice_caseeq(contact.host, uri->host) &&
        contact.port == uri->port)
        return true;
    return net_addr_parse(uri->host, uri->port, &place) == 0 && net_addr_eq(&place, &b->source);
}

/* Of the user's contacts: the one that the Request-URI names; the one on the connection of the token; the one
 * at the place that the Request-URI names; the only one, when the client came back with another contact. */
static const struct location_binding *choose(const struct location_binding *b, size_t n,
                                             const struct sip_uri *uri, const struct token_end *end)
{
    const struct location_binding *only = NULL, *placed = NULL;
    size_t live = 0;
    for (size_t i = 0; i < n; i++)
        if (binding_is_live(&b[i]) && has_uri(&b[i], uri))
            return &b[i];
    for (size_t i = 0; i < n; i++)
        if (binding_is_live(&b[i])) {
            if (is_on(&b[i], end))
                return &b[i];
            only = &b[i];
            placed = !placed && has_place(&b[i], uri) ? &b[i] : placed;
            live++;
        }
    return live == 1 ? only : placed;
}

/* The connection or source that the token names, whatever is registered now. A connection that is gone is
 * found out by the element (430). */
static bool direct(struct visit *v, const struct token_end *end, struct target *ret)
{
    if (end->flow.generation) {
        *ret = (struct target){.kind = TARGET_FLOW, .side = SIDE_INTERNAL, .flow = end->flow};
        return true;
    }
    if (end->source.sa.sa_family == 0)
        return false;
    struct location_binding b = {.transport = SIP_UDP, .source = end->source};
    *ret = target_of_binding(&b, request_arena(v->rq));
    return true;
}

static bool target_by_token(struct visit *v, struct target *ret, const struct refusal **ret_refusal)
{
    const struct token_end *end = v->from_caller ? &v->token.callee : &v->token.caller;
    struct location_binding *b;
    if (end->aor.n == 0)
        return false;
    if (end->registered) {
        size_t n = location_find(v->fe->location, end->aor, loop_wall(), request_arena(v->rq), &b);
        const struct location_binding *it = choose(b, n, request_uri(v->rq), end);
        if (it) {
            *ret = target_of_binding(it, request_arena(v->rq));
            return true;
        }
    }
    if (!direct(v, end, ret))
        *ret_refusal = &REFUSE_FE_CLIENT_AWAY;
    return true;
}

bool dialog_target(struct visit *v, struct target *ret, const struct refusal **ret_refusal)
{
    struct location_binding b;
    *ret_refusal = NULL;
    if (v->has_token && target_by_token(v, ret, ret_refusal))
        return true;
    if (!location_find_contact(v->fe->location, request_uri(v->rq)->text, loop_wall(), request_arena(v->rq),
                               &b))
        return false;
    if (binding_is_live(&b))
        *ret = target_of_binding(&b, request_arena(v->rq));
    else
        *ret_refusal = &REFUSE_FE_CLIENT_AWAY;
    return true;
}
