/* A Front End in this process: two workers, users and bindings in a folder, clients over TCP, UDP and TLS, an
 * Edge that is a socket of the test. */
#include "service/front_end/front_end.h"

#include "ground/base/test.h"

#include "ground/crypto/pki_for_test.h"
#include "service/front_end/agent_for_test.h"
#include "service/front_end/nonce.h"

#include <arpa/inet.h>
#include <stdatomic.h>

static char folder[] = "/tmp/front_end_test.XXXXXX";
static struct workers *team;
static struct element *element;
static struct helpers *helpers;
static struct pki_id ca, id, edge_id;
static struct front_end_self self;
static struct net_addr tls_at, tcp_at, udp_at, edge_at;
static int edge_socket;

/* ---------------------------------------------------------------- set-up */
static int listen_any(struct net_addr *ret)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    CHECK_INT(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    CHECK_INT(listen(fd, 16), 0);
    getsockname(fd, (struct sockaddr *)&a, &n);
    memset(ret, 0, sizeof(*ret));
    ret->in4 = a;
    return fd;
}

static void pick_port(struct net_addr *a)
{
    close(listen_any(a)); /* free a moment ago */
}

static struct topology *make_topology(const char *of_pool)
{
    static const char text[] = "schema: 1\n"
                               "deployment:\n"
                               "  name: home\n"
                               "  default_domain: home.test\n"
                               "  connect_ms: 2000\n"
                               "central:\n"
                               "  machine: fe1.home.test\n"
                               "sites:\n"
                               "- name: hq\n"
                               "  federation_route: edge.home.test\n"
                               "edge_pools:\n"
                               "- fqdn: edge.home.test\n"
                               "  site: hq\n"
                               "  federation: true\n"
                               "  external_fqdn: sip.home.test\n"
                               "  next_hop: fe.home.test\n"
                               "  internal_port: %u\n"
                               "  machines:\n"
                               "  - fqdn: edge1.home.test\n"
                               "    internal_address: 127.0.0.1\n"
                               "    external_address: 127.0.0.2\n"
                               "front_end_pools:\n"
                               "- fqdn: fe.home.test\n"
                               "  site: hq\n"
                               "  sip_port: %u\n"
                               "  client_tcp_port: %u\n"
                               "  client_udp_port: %u\n"
                               "  max_contacts: 3\n"
                               "%s"
                               "  machines:\n"
                               "  - fqdn: fe1.home.test\n"
                               "    internal_address: 127.0.0.1\n";
    struct arena a = {0};
    struct findings f = {0};
    struct topology *t = NULL;
    struct slice document = arena_printf(&a, text, net_addr_port(&edge_at), net_addr_port(&tls_at),
                                         net_addr_port(&tcp_at), net_addr_port(&udp_at), of_pool);
    CHECK_INT(topology_parse(document, &t, &f), 0);
    for (size_t i = 0; i < f.n; i++)
        TEST_DIAG(SLICE_FMT ": " SLICE_FMT, SLICE_ARG(f.items[i].path), SLICE_ARG(f.items[i].text));
    findings_fini(&f);
    arena_fini(&a);
    return t;
}

static atomic_int applied;

static void on_applied(void *arg, int error, const char *text)
{
    (void)arg;
    if (error)
        printf("# apply: %s\n", text);
    applied = error ? -1 : 1;
}

static void apply(const char *of_pool)
{
    struct element_config *c = element_config_new();
    struct topology *t = make_topology(of_pool);
    char error[256] = "";
    CHECK_INT(front_end_compile(t, NULL, &self, c, error), 0);
    CHECK_STR(slice_str(error), "");
    topology_unref(t);
    applied = 0;
    element_apply(element, c, workers_loop(team, 0), on_applied, NULL);
    while (applied == 0)
        usleep(1000);
    CHECK_INT(applied, 1);
    element_config_unref(c);
}

static void start(void)
{
    helpers = helpers_new(1, "writer");
    CHECK_INT(directory_open(folder, &self.directory), 0);
    CHECK_INT(location_open(folder, helpers, &self.location), 0);
    team = workers_new(2, "test");
    element = element_new(team, "fe1.home.test");
    workers_start(team);
    apply("");
}

static void stop(void)
{
    workers_stop(team);
    element_free(element);
    location_close(self.location);
    workers_free(team);
    helpers_free(helpers);
    directory_close(self.directory);
}

TEST(starts)
{
    static const char *const users[] = {"alice", "bob", "carol", "dave", "erin", "frank"};
    char name[64];
    CHECK(mkdtemp(folder) != NULL);
    struct net_addr *at[] = {&tls_at, &tcp_at, &udp_at};
    for (size_t i = 0; i < 3; i++)
        pick_port(at[i]);
    edge_socket = listen_any(&edge_at);
    ca = pki_ca("internal");
    id = pki_host(&ca, "fe1.home.test");
    edge_id = pki_host(&ca, "edge1.home.test");
    self.machine = SLICE("fe1.home.test");
    self.key = id.key;
    self.cert = id.cert;
    self.internal_trust = pki_trust(&ca);
    memset(self.nonce_key, 7, sizeof(self.nonce_key));
    start();
    for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
        snprintf(name, sizeof(name), "%s@home.test", users[i]);
        CHECK_INT(directory_add(self.directory, slice_str(name), SLICE("secret")), 0);
    }
}

/* ---------------------------------------------------------------- registering */
static struct agent agent_of(const char *user)
{
    return (struct agent){.user = user, .password = "secret", .fd = -1};
}

static void send_register(struct agent *a, const char *call, const char *rows)
{
    char to[64];
    snprintf(to, sizeof(to), "sip:%s@home.test", a->user);
    agent_request(a, &(struct outgoing){
                         .method = "REGISTER", .uri = "sip:home.test", .to = to, .call = call, .more = rows});
}

static const char *contact_row(const struct agent *a)
{
    static char row[256];
    snprintf(row, sizeof(row), "Contact: <%s>;expires=600\r\n", a->contact);
    return row;
}

/* Sends, is challenged, sends again. */
static void send_register_proven(struct agent *a, const char *call, const char *rows, const char *algorithm)
{
    char both[2048];
    send_register(a, call, rows);
    if (!agent_got(a, 401) || !agent_take_challenge(a, algorithm))
        return;
    snprintf(both, sizeof(both), "%s%s", rows, agent_proof(a, "REGISTER", "sip:home.test", "auth"));
    send_register(a, call, both);
}

static bool sign_in(struct agent *a, const struct net_addr *at)
{
    static unsigned calls;
    char call[64];
    snprintf(call, sizeof(call), "sign-in-%u", ++calls);
    if (a->fd < 0 && !agent_connect(a, at, at == &udp_at))
        return false;
    send_register_proven(a, call, contact_row(a), NULL);
    return agent_got(a, 200);
}

static size_t contacts_in(const struct agent *a)
{
    struct sip_values v = sip_values(&a->m, SIP_H_CONTACT);
    size_t n = 0;
    for (struct slice value; sip_values_next(&v, &value);)
        n++;
    return n;
}

TEST(registers_with_each_algorithm)
{
    static const char *const algorithms[] = {"SHA-256", "MD5"};
    for (size_t i = 0; i < 2; i++) {
        struct agent a = agent_of("alice");
        CHECK(agent_connect(&a, &tcp_at, false));
        send_register_proven(&a, i ? "r-md5" : "r-sha", contact_row(&a), algorithms[i]);
        if (agent_got(&a, 200)) {
            CHECK(slice_search(sip_msg_value(&a.m, SIP_H_CONTACT), slice_str(a.contact)) != SIZE_MAX);
            CHECK(slice_ends(sip_msg_value(&a.m, SIP_H_CONTACT), SLICE(";expires=600")));
            CHECK(slice_ends(sip_msg_value(&a.m, SIP_H_DATE), SLICE(" GMT")));
        }
        /* the connection is known now */
        send_register(&a, i ? "r-md5" : "r-sha", "Expires: 0\r\nContact: *\r\n");
        if (agent_got(&a, 200))
            CHECK_INT(contacts_in(&a), 0);
        agent_fini(&a);
    }
}

TEST(challenges_follow_the_pool)
{
    struct agent a = agent_of("nobody");
    CHECK(agent_connect(&a, &tcp_at, false));
    apply("  digest_algorithms: [MD5, SHA-256]\n");
    for (unsigned i = 0; i < 2; i++) { /* users who are and who are not get the same */
        send_register(&a, "ch", contact_row(&a));
        if (agent_got(&a, 401)) {
            const struct sip_header *h = sip_msg_header(&a.m, SIP_H_WWW_AUTHENTICATE);
            CHECK(h && slice_search(h->value, SLICE("algorithm=MD5")) != SIZE_MAX);
            h = h ? sip_msg_next(&a.m, h) : NULL;
            CHECK(h && slice_search(h->value, SLICE("algorithm=SHA-256")) != SIZE_MAX);
            CHECK(h && !sip_msg_next(&a.m, h));
        }
        a.user = "alice";
    }
    apply("");
    agent_fini(&a);
}

TEST(wrong_password_and_unknown_user)
{
    struct agent a = agent_of("alice"), n = agent_of("nobody");
    a.password = "wrong";
    CHECK(agent_connect(&a, &tcp_at, false) && agent_connect(&n, &tcp_at, false));
    send_register_proven(&a, "wp", contact_row(&a), NULL);
    if (agent_got(&a, 401))
        CHECK(slice_search(sip_msg_value(&a.m, SIP_H_WWW_AUTHENTICATE), SLICE("stale")) == SIZE_MAX);
    send_register_proven(&n, "uu", contact_row(&n), NULL);
    CHECK(agent_got(&n, 401));
    agent_fini(&a);
    agent_fini(&n);
}

static bool was_stale(struct agent *a)
{
    return agent_got(a, 401) &&
           slice_search(sip_msg_value(&a->m, SIP_H_WWW_AUTHENTICATE), SLICE("stale=true")) != SIZE_MAX;
}

/* Each request of this client is challenged: it never gets as far as a binding with a wrong Contact. */
TEST(stale_nonces_and_replayed_counts)
{
    struct agent a = agent_of("alice");
    unsigned char key[32];
    char text[NONCE_TEXT + 1];
    CHECK(agent_connect(&a, &udp_at, true));
    send_register_proven(&a, "sn", "", NULL);
    CHECK(agent_got(&a, 200));
    char *again = mem_strdup(a.proof);
    send_register(&a, "sn", again);
    CHECK(was_stale(&a));
    a.nc = 4;
    send_register(&a, "sn", agent_proof(&a, "REGISTER", "sip:home.test", "auth"));
    CHECK(agent_got(&a, 200));
    a.nc = 2;
    send_register(&a, "sn", agent_proof(&a, "REGISTER", "sip:home.test", "auth"));
    CHECK(agent_got(&a, 200));
    send_register(&a, "sn", again);
    CHECK(was_stale(&a));
    mem_free(again);
    /* old by age: made with the machine's own key */
    crypto_derive(slice_mem(self.nonce_key, 32), SLICE("front end: nonces"), key, sizeof(key));
    nonce_make(key, SLICE("home.test"), loop_wall() - NONCE_LIFE_MS - 60000, text);
    snprintf(a.nonce, sizeof(a.nonce), "%s", text);
    send_register(&a, "sn", agent_proof(&a, "REGISTER", "sip:home.test", "auth"));
    CHECK(was_stale(&a));
    /* without qop a nonce serves once */
    CHECK(agent_take_challenge(&a, NULL));
    send_register(&a, "sn", agent_proof(&a, "REGISTER", "sip:home.test", NULL));
    CHECK(agent_got(&a, 200));
    send_register(&a, "sn", agent_proof(&a, "REGISTER", "sip:home.test", NULL));
    CHECK(was_stale(&a));
    agent_fini(&a);
}

/* RFC 3665 2.1 to 2.4, RFC 3261 10.3. */
TEST(contacts)
{
    struct agent a = agent_of("carol");
    CHECK(sign_in(&a, &tcp_at));
    CHECK_INT(contacts_in(&a), 1);
    send_register(&a, "co", "Contact: <sip:carol@b>;q=0.5;expires=100, <sip:carol@c>;expires=100\r\n");
    if (agent_got(&a, 200))
        CHECK_INT(contacts_in(&a), 3);
    send_register(&a, "co", "");
    if (agent_got(&a, 200)) {
        CHECK_INT(contacts_in(&a), 3);
        CHECK(slice_search(slice_str(a.text), SLICE("<sip:carol@b>;expires=100;q=0.500")) != SIZE_MAX);
    }
    send_register(&a, "co", "Contact: <sip:carol@d>\r\n");
    CHECK(agent_got_refusal(&a, 403, "front-end.too-many-contacts"));
    send_register(&a, "co", "Contact: <sip:carol@d>;expires=5\r\n");
    if (agent_got_refusal(&a, 423, "front-end.interval-too-brief"))
        CHECK_STR(sip_msg_value(&a.m, SIP_H_MIN_EXPIRES), "60");
    send_register(&a, "co", "Contact: *\r\n");
    CHECK(agent_got_refusal(&a, 400, "front-end.bad-star"));
    send_register(&a, "co", "Contact: <mailto:carol@d>\r\n");
    CHECK(agent_got_refusal(&a, 400, "front-end.bad-contact"));
    send_register(&a, "co", "Contact: <sip:carol@b>;expires=0\r\n");
    if (agent_got(&a, 200))
        CHECK_INT(contacts_in(&a), 2);
    send_register(&a, "co", "Require: gruu\r\nContact: <sip:carol@b>\r\n");
    if (agent_got_refusal(&a, 420, "front-end.bad-extension"))
        CHECK_STR(sip_msg_value(&a.m, SIP_H_UNSUPPORTED), "gruu");
    a.cseq = 1;
    send_register(&a, "co", "Contact: <sip:carol@c>;expires=200\r\n");
    CHECK(agent_got_refusal(&a, 500, "front-end.register-out-of-order"));
    a.cseq = 100;
    send_register(&a, "co", "Contact: *\r\nExpires: 0\r\n");
    if (agent_got(&a, 200))
        CHECK_INT(contacts_in(&a), 0);
    agent_fini(&a);
}

static void message(struct agent *a, const char *to, const char *call, const char *rows)
{
    agent_request(
        a, &(struct outgoing){.method = "MESSAGE", .uri = to, .call = call, .more = rows, .body = "hi"});
}

/* Until the end of the user's connection has been seen. */
static void wait_until_away(struct agent *from, const char *to)
{
    for (unsigned i = 0; i < 1000; i++) {
        message(from, to, "away", NULL);
        if (agent_receive(from) && from->m.status == 480)
            break;
        usleep(1000);
    }
    CHECK(slice_search(sip_msg_value(&from->m, SIP_H_REASON), SLICE("front-end.client-away")) != SIZE_MAX);
}

/* What is left of lost connections does not count against the limit. */
TEST(coming_back_many_times)
{
    struct agent a = agent_of("frank"), watcher = agent_of("alice");
    CHECK(sign_in(&watcher, &tcp_at));
    for (unsigned i = 0; i < 6; i++) {
        CHECK(sign_in(&a, &tcp_at));
        agent_hang_up(&a);
        wait_until_away(&watcher, "sip:frank@home.test");
    }
    CHECK(sign_in(&a, &tcp_at));
    send_register(&a, "back", "Contact: *\r\nExpires: 0\r\n");
    CHECK(agent_got(&a, 200));
    agent_fini(&a);
    agent_fini(&watcher);
}

TEST(whose_registration)
{
    struct agent a = agent_of("carol");
    CHECK(agent_connect(&a, &tcp_at, false));
    send_register(&a, "wr", "");
    CHECK(agent_got(&a, 401) && agent_take_challenge(&a, NULL));
    struct outgoing o = {.method = "REGISTER",
                         .uri = "sip:home.test",
                         .to = "sip:bob@home.test",
                         .call = "wr",
                         .more = agent_proof(&a, "REGISTER", "sip:home.test", "auth")};
    agent_request(&a, &o);
    CHECK(agent_got_refusal(&a, 403, "front-end.register-not-yours"));
    o.to = "sip:carol@elsewhere.test";
    agent_request(&a, &o);
    CHECK(agent_got_refusal(&a, 404, "front-end.no-such-domain"));
    agent_fini(&a);
}

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

TEST(stops)
{
    static const char *const files[] = {"users.db", "location.db"}, *const suffix[] = {"", "-wal", "-shm"};
    char path[128];
    stop();
    for (size_t i = 0; i < 6; i++) {
        snprintf(path, sizeof(path), "%s/%s%s", folder, files[i / 3], suffix[i % 3]);
        unlink(path);
    }
    CHECK_INT(rmdir(folder), 0);
    pki_fini(&ca);
    pki_fini(&id);
    pki_fini(&edge_id);
    crypto_trust_unref(self.internal_trust);
    close(edge_socket);
}

TEST_MAIN(starts, registers_with_each_algorithm, challenges_follow_the_pool, wrong_password_and_unknown_user,
          stale_nonces_and_replayed_counts, contacts, coming_back_many_times, whose_registration,
          message_between_users, who_may_send, who_cannot_be_reached, call_over_each_transport,
          dialog_survives_a_reconnect, out_through_the_edge, in_from_the_edge, what_machines_may_not,
          challenge_each_request, bindings_survive_a_restart, compile_refuses, stops)
