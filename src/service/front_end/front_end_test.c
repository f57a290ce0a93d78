/* Requests between users, to and from an Edge, over sockets. */
#include "ground/base/test.h"

#include "service/front_end/front_end_for_test.h"

/* ---------------------------------------------------------------- requests between users */
static bool no_row(const struct agent *a, enum sip_header_id h)
{
    return sip_msg_header(&a->m, h) == NULL;
}

TEST(message_between_users)
{
    struct agent a = agent_of("alice"), b = agent_of("bob");
    CHECK(sign_in(&a, &tcp_at) && sign_in(&b, &tcp_at));
    for (unsigned i = 0; i < 4; i++) {
        message(
            &a, "sip:bob@home.test", "m1",
            "P-Asserted-Identity: <sip:king@home.test>\r\nP-Preferred-Identity: <sip:king@home.test>\r\n");
        if (agent_got_request(&b, "MESSAGE")) {
            CHECK_SLICE(b.m.uri, slice_str(b.contact));
            CHECK_STR(b.m.body, "hi");
            CHECK(no_row(&b, SIP_H_P_ASSERTED_IDENTITY) && no_row(&b, SIP_H_P_PREFERRED_IDENTITY));
            CHECK(no_row(&b, SIP_H_RECORD_ROUTE));
            agent_respond(&b, 200, "b1", "P-Asserted-Identity: <sip:king@home.test>\r\n");
        }
        if (agent_got(&a, 200))
            CHECK(no_row(&a, SIP_H_P_ASSERTED_IDENTITY));
    }
    agent_fini(&a);
    agent_fini(&b);
}

TEST(who_may_send)
{
    struct agent a = agent_of("alice"), s = agent_of("dave");
    CHECK(sign_in(&a, &tcp_at) && agent_connect(&s, &tcp_at, false));
    agent_request(
        &a, &(struct outgoing){
                .method = "MESSAGE", .uri = "sip:bob@home.test", .from = "sip:bob@home.test", .call = "ws"});
    CHECK(agent_got(&a, 407)); /* bob has not signed in here: prove it */
    agent_request(&a, &(struct outgoing){.method = "MESSAGE",
                                         .uri = "sip:bob@home.test",
                                         .from = "sip:bob@elsewhere.test",
                                         .call = "ws"});
    CHECK(agent_got_refusal(&a, 403, "front-end.from-not-yours"));
    message(&s, "sip:alice@home.test", "ws2", NULL);
    if (agent_got(&s, 407) && agent_take_challenge(&s, NULL)) {
        agent_request(&s,
                      &(struct outgoing){.method = "MESSAGE",
                                         .uri = "sip:alice@home.test",
                                         .from = "sip:alice@home.test",
                                         .call = "ws2",
                                         .more = agent_proof(&s, "MESSAGE", "sip:alice@home.test", "auth")});
        CHECK(agent_got_refusal(&s, 403, "front-end.from-not-yours"));
        message(&s, "sip:alice@home.test", "ws2", agent_proof(&s, "MESSAGE", "sip:alice@home.test", "auth"));
        if (agent_got_request(&a, "MESSAGE")) {
            CHECK(no_row(&a, SIP_H_PROXY_AUTHORIZATION));
            agent_respond(&a, 200, "x", NULL);
        }
        CHECK(agent_got(&s, 200));
        message(&s, "sip:alice@home.test", "ws2", NULL); /* it has not registered: challenged each time */
        CHECK(agent_got(&s, 407));
    }
    agent_fini(&a);
    agent_fini(&s);
}

TEST(who_cannot_be_reached)
{
    struct agent a = agent_of("alice"), b = agent_of("erin");
    CHECK(sign_in(&a, &tcp_at) && sign_in(&b, &tcp_at));
    message(&a, "sip:frank@home.test", "wr1", NULL);
    CHECK(agent_got_refusal(&a, 480, "front-end.not-registered"));
    message(&a, "sip:nobody@home.test", "wr2", NULL);
    CHECK(agent_got_refusal(&a, 404, "front-end.no-such-user"));
    message(&a, "sip:home.test", "wr3", NULL);
    CHECK(agent_got_refusal(&a, 404, "front-end.no-user-part"));
    message(&a, "tel:+12015550123", "wr4", NULL);
    CHECK(agent_got_refusal(&a, 404, "front-end.tel"));
    agent_request(&a, &(struct outgoing){.method = "OPTIONS", .uri = "sip:home.test", .call = "wr5"});
    if (agent_got(&a, 200))
        CHECK(sip_msg_has_token(&a.m, SIP_H_ALLOW, SLICE("REFER")));
    agent_hang_up(&b);
    wait_until_away(&a, "sip:erin@home.test");
    CHECK(sign_in(&b, &tcp_at)); /* it comes back */
    message(&a, "sip:erin@home.test", "wr7", NULL);
    CHECK(agent_got_request(&b, "MESSAGE"));
    agent_respond(&b, 200, "b", NULL);
    CHECK(agent_got(&a, 200));
    agent_fini(&a);
    agent_fini(&b);
}

/* ---------------------------------------------------------------- dialogs */
/* The Record-Route values as one Route row. */
static void route_row(const struct agent *a, bool reversed, char *out, size_t cap)
{
    struct sip_values v = sip_values(&a->m, SIP_H_RECORD_ROUTE);
    struct slice values[8];
    struct buf row = {0};
    size_t n = 0;
    while (n < 8 && sip_values_next(&v, &values[n]))
        n++;
    for (size_t i = 0; i < n; i++) {
        buf_append(&row, i ? SLICE(", ") : SLICE("Route: "));
        buf_append(&row, values[reversed ? n - 1 - i : i]);
    }
    buf_append(&row, n ? SLICE("\r\n") : SLICE(""));
    snprintf(out, cap, SLICE_FMT, SLICE_ARG(buf_slice(&row)));
    buf_fini(&row);
}

/* An INVITE from a to b, 200, ACK; the route sets of both ends as Route rows. */
struct routes {
    char a[2100], b[2100];
};
static bool call(struct agent *a, struct agent *b, const char *to, const char *id_of_call, struct routes *r)
{
    char contact[1024];
    snprintf(contact, sizeof(contact), "Contact: <%s>\r\n", a->contact);
    struct outgoing o = {.method = "INVITE", .uri = to, .call = id_of_call, .more = contact};
    agent_request(a, &o);
    if (a->udp && agent_got(a, 407) && agent_take_challenge(a, NULL)) {
        snprintf(contact, sizeof(contact), "%sContact: <%s>\r\n", agent_proof(a, "INVITE", to, "auth"),
                 a->contact);
        agent_request(a, &o);
    }
    if (!agent_got_request(b, "INVITE"))
        return false;
    route_row(b, false, r->b, sizeof(r->b));
    snprintf(contact, sizeof(contact), "Contact: <%s>\r\n", b->contact);
    agent_respond(b, 200, "b1", contact);
    if (!agent_got(a, 200))
        return false;
    route_row(a, true, r->a, sizeof(r->a));
    agent_request(a, &(struct outgoing){.method = "ACK",
                                        .uri = b->contact,
                                        .to = to,
                                        .to_tag = "b1",
                                        .call = id_of_call,
                                        .more = r->a,
                                        .cseq = a->cseq});
    return agent_got_request(b, "ACK");
}

static void in_dialog(struct agent *from, const char *method, const char *uri, const char *call_id,
                      const char *routes, bool is_caller)
{
    char caller[64] = "sip:alice@home.test", callee[64] = "sip:bob@home.test";
    agent_request(from, &(struct outgoing){.method = method,
                                           .uri = uri,
                                           .from = is_caller ? caller : callee,
                                           .from_tag = is_caller ? "a1" : "b1",
                                           .to = is_caller ? callee : caller,
                                           .to_tag = is_caller ? "b1" : "a1",
                                           .call = call_id,
                                           .more = routes});
}

static void answered(struct agent *from, struct agent *to, const char *method)
{
    if (agent_got_request(to, method))
        agent_respond(to, 200, NULL, NULL);
    CHECK(agent_got(from, 200));
}

TEST(call_over_each_transport)
{
    struct net_addr *at[] = {&tcp_at, &udp_at};
    for (unsigned i = 0; i < 4; i++) {
        struct agent a = agent_of("alice"), b = agent_of("bob");
        struct routes r;
        char id_of_call[16];
        snprintf(id_of_call, sizeof(id_of_call), "call-%u", i);
        CHECK(agent_connect(&a, at[i & 1], i & 1) && agent_connect(&b, at[i >> 1], i >> 1));
        CHECK(sign_in(&a, NULL) && sign_in(&b, NULL));
        if (call(&a, &b, "sip:bob@home.test", id_of_call, &r)) {
            CHECK(slice_search(slice_str(r.b), i >> 1 ? SLICE("transport=udp") : SLICE("transport=tcp")) !=
                  SIZE_MAX);
            in_dialog(&a, "INFO", b.contact, id_of_call, r.a, true);
            answered(&a, &b, "INFO");
            in_dialog(&b, "INFO", a.contact, id_of_call, r.b, false);
            answered(&b, &a, "INFO");
            in_dialog(&b, "BYE", a.contact, id_of_call, r.b, false);
            answered(&b, &a, "BYE");
        }
        agent_fini(&a);
        agent_fini(&b);
    }
}

/* The client of a dialog is found again after its connection was lost; a token of another dialog is nothing.
 */
TEST(dialog_survives_a_reconnect)
{
    struct agent a = agent_of("alice"), b = agent_of("bob"), c = agent_of("frank");
    struct routes r;
    char old_contact[128];
    CHECK(sign_in(&a, &tcp_at) && sign_in(&b, &tcp_at) && agent_connect(&c, &tcp_at, false));
    CHECK(call(&a, &b, "sip:bob@home.test", "again", &r));
    snprintf(old_contact, sizeof(old_contact), "%s", b.contact);
    agent_hang_up(&b);
    char row[256];
    CHECK(agent_connect(&b, &tcp_at, false));
    send_register_proven(&b, "again-r", "Contact: *\r\nExpires: 0\r\n", NULL);
    CHECK(agent_got(&b, 200));
    snprintf(row, sizeof(row), "Contact: <%s>\r\n", b.contact);
    send_register(&b, "again-r", row);
    CHECK(agent_got(&b, 200));
    in_dialog(&a, "INFO", old_contact, "again", r.a, true);
    answered(&a, &b, "INFO");
    /* from a connection where nobody signed in: the token is enough, but only for its dialog */
    in_dialog(&c, "INFO", a.contact, "again", r.b, false);
    answered(&c, &a, "INFO");
    in_dialog(&c, "INFO", a.contact, "another", r.b, false);
    CHECK(agent_got(&c, 407));
    agent_fini(&a);
    agent_fini(&b);
    agent_fini(&c);
}

/* ---------------------------------------------------------------- machines */
static struct tls_ctx *tls_of(const struct pki_id *who, bool server)
{
    struct tls_ctx *ctx = NULL;
    struct tls_config config = {.server = server,
                                .key = who ? who->key : NULL,
                                .cert = who ? who->cert : NULL,
                                .trust = self.internal_trust,
                                .peer = TLS_PEER_REQUIRED};
    CHECK_INT(tls_ctx_new(&config, &ctx), 0);
    return ctx;
}

static bool edge_accepts(struct agent *e)
{
    struct tls_ctx *ctx = tls_of(&edge_id, true);
    e->fd = agent_readable(edge_socket) ? accept(edge_socket, NULL, NULL) : -1;
    bool ok = e->fd >= 0 && agent_start_tls(e, ctx, NULL);
    tls_ctx_unref(ctx);
    return ok;
}

static bool connect_tls(struct agent *a, const struct pki_id *who)
{
    struct tls_ctx *ctx = tls_of(who, false);
    bool ok = agent_connect(a, &tls_at, false) && agent_start_tls(a, ctx, "fe1.home.test");
    tls_ctx_unref(ctx);
    return ok;
}

TEST(out_through_the_edge)
{
    struct agent a = agent_of("alice"), edge = agent_of("edge");
    struct routes r;
    CHECK(connect_tls(&a, NULL) && sign_in(&a, NULL));
    message(&a, "sip:fred@fabrikam.test", "oe1", "P-Asserted-Identity: <sip:king@home.test>\r\n");
    CHECK(edge_accepts(&edge));
    if (agent_got_request(&edge, "MESSAGE")) {
        CHECK_STR(sip_msg_value(&edge.m, SIP_H_P_ASSERTED_IDENTITY), "<sip:alice@home.test>");
        CHECK_STR(edge.m.uri, "sip:fred@fabrikam.test");
        agent_respond(&edge, 200, "f", NULL);
    }
    CHECK(agent_got(&a, 200));
    snprintf(edge.contact, sizeof(edge.contact), "sip:bob@fabrikam.test:5070");
    if (call(&a, &edge, "sip:bob@fabrikam.test", "oe2", &r)) {
        CHECK(slice_search(slice_str(r.b), SLICE("@fe1.home.test:")) != SIZE_MAX);
        CHECK(slice_search(slice_str(r.b), SLICE(";transport=tls;lr")) != SIZE_MAX);
        CHECK(slice_find(slice_str(r.b), ',') == SIZE_MAX); /* one face */
    }
    agent_fini(&a);
    agent_fini(&edge);
}

TEST(in_from_the_edge)
{
    struct agent a = agent_of("erin"), edge = agent_of("edge");
    char route[512], token[256];
    CHECK(connect_tls(&a, NULL) && sign_in(&a, NULL) && connect_tls(&edge, &edge_id));
    struct outgoing o = {.method = "INVITE",
                         .uri = "sip:erin@home.test",
                         .from = "sip:fred@fabrikam.test",
                         .call = "ie1",
                         .more = "P-Asserted-Identity: <sip:fred@fabrikam.test>\r\n"
                                 "Record-Route: <sip:edge1.home.test:5061;transport=tls;lr>\r\n"
                                 "Contact: <sip:fred@fabrikam.test:5070>\r\n"};
    agent_request(&edge, &o);
    CHECK(agent_got_request(&a, "INVITE"));
    CHECK_STR(sip_msg_value(&a.m, SIP_H_P_ASSERTED_IDENTITY), "<sip:fred@fabrikam.test>");
    route_row(&a, false, route, sizeof(route));
    struct sip_values v = sip_values(&a.m, SIP_H_RECORD_ROUTE);
    struct slice first = SLICE_NONE;
    CHECK(sip_values_next(&v, &first));
    snprintf(token, sizeof(token), "Route: " SLICE_FMT "\r\n", SLICE_ARG(first));
    agent_respond(&a, 200, "b1", NULL);
    CHECK(agent_got(&edge, 200));
    /* BYE of alice goes by the Route behind ours: to the Edge, which is dialled by the topology */
    agent_request(&a, &(struct outgoing){.method = "BYE",
                                         .uri = "sip:fred@fabrikam.test:5070",
                                         .from_tag = "b1",
                                         .to = "sip:fred@fabrikam.test",
                                         .to_tag = "a1",
                                         .call = "ie1",
                                         .more = route});
    struct agent dialled = agent_of("edge, dialled");
    CHECK(edge_accepts(&dialled));
    if (agent_got_request(&dialled, "BYE")) {
        CHECK_STR(sip_msg_value(&dialled.m, SIP_H_ROUTE), "<sip:edge1.home.test:5061;transport=tls;lr>");
        agent_respond(&dialled, 200, NULL, NULL);
    }
    CHECK(agent_got(&a, 200));
    /* the same dialog from the Edge, with a target that nobody registered: by the token's connection */
    o.method = "INFO";
    o.uri = "sip:erin@192.0.2.9:1234";
    o.to = "sip:erin@home.test";
    o.to_tag = "b1";
    o.more = token;
    agent_request(&edge, &o);
    answered(&edge, &a, "INFO");
    agent_fini(&a);
    agent_fini(&edge);
    agent_fini(&dialled);
}

TEST(what_machines_may_not)
{
    struct agent edge = agent_of("edge"), fake = agent_of("edge");
    struct pki_id other = pki_host(&ca, "unknown.home.test");
    CHECK(connect_tls(&edge, &edge_id) && connect_tls(&fake, &other));
    struct outgoing o = {
        .method = "MESSAGE", .uri = "sip:x@third.test", .from = "sip:fred@fabrikam.test", .call = "wm1"};
    agent_request(&edge, &o);
    CHECK(agent_got_refusal(&edge, 403, "front-end.relay"));
    o.uri = "sip:alice@home.test";
    o.more = "Route: <sip:fe1.home.test;lr>, <sip:edge1.home.test;lr>\r\n";
    agent_request(&edge, &o);
    CHECK(agent_got_refusal(&edge, 403, "front-end.relay"));
    o.more = NULL;
    agent_request(&fake, &o); /* a certificate of the CA that names no machine: a client like any */
    CHECK(agent_got_refusal(&fake, 403, "front-end.from-not-yours"));
    o = (struct outgoing){.method = "REGISTER",
                          .uri = "sip:home.test",
                          .to = "sip:alice@home.test",
                          .call = "wm2",
                          .more = "Contact: <sip:x@y>\r\n"};
    agent_request(&edge, &o);
    CHECK(agent_got_refusal(&edge, 403, "front-end.register-relayed"));
    pki_fini(&other);
    agent_fini(&edge);
    agent_fini(&fake);
}

/* A machine may connect before this one has the revision that names it: any order of arrival is safe. */
TEST(machine_known_later)
{
    struct agent fe2 = agent_of("fe2");
    struct pki_id id_of_fe2 = pki_host(&ca, "fe2.home.test");
    CHECK(connect_tls(&fe2, &id_of_fe2));
    struct outgoing o = {
        .method = "MESSAGE", .uri = "sip:frank@home.test", .from = "sip:fred@fabrikam.test", .call = "mk"};
    agent_request(&fe2, &o);
    CHECK(agent_got_refusal(&fe2, 403, "front-end.from-not-yours"));
    more_machines = "  - fqdn: fe2.home.test\n    internal_address: 127.0.0.9\n";
    apply("");
    agent_request(&fe2, &o);
    CHECK(agent_got_refusal(&fe2, 480, "front-end.not-registered"));
    more_machines = "";
    apply("");
    agent_request(&fe2, &o);
    CHECK(agent_got_refusal(&fe2, 403, "front-end.from-not-yours"));
    pki_fini(&id_of_fe2);
    agent_fini(&fe2);
}

/* ---------------------------------------------------------------- settings, passwords, restart */
TEST(challenge_each_request)
{
    struct agent a = agent_of("alice");
    apply("  challenge: request\n");
    CHECK(sign_in(&a, &tcp_at));
    message(&a, "sip:alice@home.test", "ce", NULL);
    CHECK(agent_got(&a, 407));
    apply("");
    message(&a, "sip:frank@home.test", "ce", NULL);
    CHECK(agent_got_refusal(&a, 480, "front-end.not-registered"));
    CHECK_INT(directory_passwd(self.directory, SLICE("alice@home.test"), SLICE("new")), 0);
    message(&a, "sip:frank@home.test", "ce", NULL);
    CHECK(agent_got(&a, 407));
    CHECK_INT(directory_passwd(self.directory, SLICE("alice@home.test"), SLICE("secret")), 0);
    agent_fini(&a);
}

TEST(bindings_survive_a_restart)
{
    struct agent a = agent_of("alice"), b = agent_of("bob"), u = agent_of("dave");
    CHECK(sign_in(&b, &tcp_at) && sign_in(&u, &udp_at));
    stop();
    start();
    CHECK(sign_in(&a, &tcp_at));
    message(&a, "sip:bob@home.test", "bs", NULL);
    CHECK(agent_got_refusal(&a, 480, "front-end.client-away"));
    message(&a, "sip:dave@home.test", "bs", NULL);
    CHECK(agent_got_request(&u, "MESSAGE"));
    agent_respond(&u, 200, "u", NULL);
    CHECK(agent_got(&a, 200));
    agent_fini(&a);
    agent_fini(&b);
    agent_fini(&u);
}

TEST(compile_refuses)
{
    struct element_config *c = element_config_new();
    struct topology *t = make_topology("");
    struct front_end_self other = self;
    char error[256] = "";
    other.machine = SLICE("edge1.home.test");
    CHECK_INT(front_end_compile(t, NULL, &other, c, error), -2);
    other = self;
    other.key = edge_id.key;
    CHECK_INT(front_end_compile(t, NULL, &other, c, error), -22);
    CHECK(slice_search(slice_str(error), SLICE("certificate")) != SIZE_MAX);
    element_config_unref(c);
    topology_unref(t);
}

TEST_MAIN(starts, message_between_users, who_may_send, who_cannot_be_reached, call_over_each_transport,
          dialog_survives_a_reconnect, out_through_the_edge, in_from_the_edge, what_machines_may_not,
          machine_known_later, challenge_each_request, bindings_survive_a_restart, compile_refuses, stops)
