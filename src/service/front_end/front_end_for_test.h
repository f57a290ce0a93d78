/*
 * front_end/front_end_for_test.h - a Front End in the process of a test: two workers, users and bindings in a
 * folder, a socket that stands for the Edge. Include ground/base/test.h before it.
 *
 * A program's first test is `starts`, its last one `stops`.
 */
#pragma once

#include "service/front_end/front_end.h"

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
static const char *more_machines = ""; /* of the Front End pool */

/* ---------------------------------------------------------------- set-up */
static inline int listen_any(struct net_addr *ret)
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

static inline void pick_port(struct net_addr *a)
{
    close(listen_any(a)); /* free a moment ago */
}

static inline struct topology *make_topology(const char *of_pool)
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
                               "    internal_address: 127.0.0.1\n"
                               "%s";
    struct arena a = {0};
    struct findings f = {0};
    struct topology *t = NULL;
    struct slice document =
        arena_printf(&a, text, net_addr_port(&edge_at), net_addr_port(&tls_at), net_addr_port(&tcp_at),
                     net_addr_port(&udp_at), of_pool, more_machines);
    CHECK_INT(topology_parse(document, &t, &f), 0);
    for (size_t i = 0; i < f.n; i++)
        TEST_DIAG(SLICE_FMT ": " SLICE_FMT, SLICE_ARG(f.items[i].path), SLICE_ARG(f.items[i].text));
    findings_fini(&f);
    arena_fini(&a);
    return t;
}

static atomic_int applied;

static inline void on_applied(void *arg, int error, const char *text)
{
    (void)arg;
    if (error)
        printf("# apply: %s\n", text);
    applied = error ? -1 : 1;
}

static inline void apply(const char *of_pool)
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

static inline void start(void)
{
    helpers = helpers_new(1, "writer");
    CHECK_INT(directory_open(folder, &self.directory), 0);
    CHECK_INT(location_open(folder, helpers, &self.location), 0);
    team = workers_new(2, "test");
    element = element_new(team, "fe1.home.test");
    workers_start(team);
    apply("");
}

static inline void stop(void)
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
static inline struct agent agent_of(const char *user)
{
    return (struct agent){.user = user, .password = "secret", .fd = -1};
}

static inline void send_register(struct agent *a, const char *call, const char *rows)
{
    char to[64];
    snprintf(to, sizeof(to), "sip:%s@home.test", a->user);
    agent_request(a, &(struct outgoing){
                         .method = "REGISTER", .uri = "sip:home.test", .to = to, .call = call, .more = rows});
}

static inline const char *contact_row(const struct agent *a)
{
    static char row[256];
    snprintf(row, sizeof(row), "Contact: <%s>;expires=600\r\n", a->contact);
    return row;
}

/* Sends, is challenged, sends again. */
static inline void send_register_proven(struct agent *a, const char *call, const char *rows,
                                        const char *algorithm)
{
    char both[2048];
    send_register(a, call, rows);
    if (!agent_got(a, 401) || !agent_take_challenge(a, algorithm))
        return;
    snprintf(both, sizeof(both), "%s%s", rows, agent_proof(a, "REGISTER", "sip:home.test", "auth"));
    send_register(a, call, both);
}

static inline bool sign_in(struct agent *a, const struct net_addr *at)
{
    static unsigned calls;
    char call[64];
    snprintf(call, sizeof(call), "sign-in-%u", ++calls);
    if (a->fd < 0 && !agent_connect(a, at, at == &udp_at))
        return false;
    send_register_proven(a, call, contact_row(a), NULL);
    return agent_got(a, 200);
}

static inline size_t contacts_in(const struct agent *a)
{
    struct sip_values v = sip_values(&a->m, SIP_H_CONTACT);
    size_t n = 0;
    for (struct slice value; sip_values_next(&v, &value);)
        n++;
    return n;
}

static inline void message(struct agent *a, const char *to, const char *call, const char *rows)
{
    agent_request(
        a, &(struct outgoing){.method = "MESSAGE", .uri = to, .call = call, .more = rows, .body = "hi"});
}

/* Until the end of the user's connection has been seen. */
static inline void wait_until_away(struct agent *from, const char *to)
{
    for (unsigned i = 0; i < 1000; i++) {
        message(from, to, "away", NULL);
        if (agent_receive(from) && from->m.status == 480)
            break;
        usleep(1000);
    }
    CHECK(slice_search(sip_msg_value(&from->m, SIP_H_REASON), SLICE("front-end.client-away")) != SIZE_MAX);
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
