#include "kept/topology/firewall.h"

#include "ground/base/test.h"
#include "kept/topology/example_for_test.h"

#include <sys/wait.h>
#include <unistd.h>

#define FULL                                                                                                 \
    "schema: 1\n"                                                                                            \
    "deployment: {name: c, default_domain: c.example, dns_servers: [192.0.2.53]}\n"                          \
    "central: {machine: cms.c.example, internal_address: 10.0.0.5}\n"                                        \
    "access_edge: {outside_users: true}\n"                                                                   \
    "sites: [{name: hq, federation_route: e.c.example}]\n"                                                   \
    "edge_pools:\n"                                                                                          \
    "- {fqdn: e.c.example, site: hq, external_fqdn: sip.c.example, federation: true,\n"                      \
    "   next_hop: k.c.example, av_edge: enabled, conf_edge: enabled, xmpp: true, xmpp_gateway: enabled,\n"   \
    "   machines: [{fqdn: e1.c.example, internal_address: 10.0.0.20, external_address: 192.0.2.20,\n"        \
    "               external_address6: '2001:db8::20', av_address: 192.0.2.30}]}\n"                          \
    "- {fqdn: legacy.c.example, managed: false, version: '2010', external_fqdn: old.c.example,\n"            \
    "   federation: true, av_edge: enabled, next_hop: fe.c.example,\n"                                       \
    "   machines: [{fqdn: l1.c.example, internal_address: 10.0.0.21, external_address: 192.0.2.21}]}\n"      \
    "front_end_pools:\n"                                                                                     \
    "- {fqdn: fe.c.example, site: hq, client_tcp_port: 5060, client_udp_port: 5060,\n"                       \
    "   machines: [{fqdn: fe1.c.example, internal_address: 10.0.0.10,\n"                                     \
    "               internal_address6: 'fd00::10'}]}\n"                                                      \
    "foreign_pools:\n"                                                                                       \
    "- {fqdn: k.c.example, site: hq, transport: udp,\n"                                                      \
    "   machines: [{fqdn: k1.c.example, internal_address: 10.0.0.30}]}\n"

static const struct firewall_rule *find(const struct firewall_machine *m, enum firewall_side side,
                                        enum firewall_direction d, enum firewall_proto proto, unsigned port)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->rules[i].side == side && m->rules[i].direction == d && m->rules[i].proto == proto &&
            m->rules[i].port == port)
            return &m->rules[i];
    return NULL;
}
#define FIND(m, side, d, proto, port) find(m, FIREWALL_##side, FIREWALL_##d, FIREWALL_##proto, port)

TEST(an_edge_has_the_vendors_ports)
{
    struct topology *t = parse_good(FULL);
    struct arena a = {0};
    struct firewall_machine *m;
    const struct firewall_rule *r;
    CHECK_INT(topology_firewall(t, SLICE("e1.c.example"), &a, &m), 1);
    CHECK(m->perimeter);
    CHECK((r = FIND(m, EXTERNAL, IN, TCP, 5061)) && r->served && r->peers->n == 0);
    CHECK_STR(r->local[0], "192.0.2.20");
    CHECK_STR(r->local[1], "2001:db8::20");
    CHECK((r = FIND(m, INTERNAL, IN, TCP, 4443)) && r->peers->n == 1);
    CHECK_STR(r->peers->addresses[0], "10.0.0.5");
    CHECK(FIND(m, INTERNAL, IN, TCP, 5061) && FIND(m, INTERNAL, IN, UDP, 5060));
    CHECK(FIND(m, EXTERNAL, OUT, UDP, 53) && FIND(m, INTERNAL, OUT, TCP, 5061));
    CHECK((r = FIND(m, EXTERNAL, IN, UDP, 3478)) && !r->served);
    CHECK_STR(r->local[0], "192.0.2.30");
    CHECK((r = FIND(m, EXTERNAL, IN, UDP, 50000)) && r->port_end == 59999);
    CHECK((r = FIND(m, INTERNAL, IN, TCP, 8057)) && FIND(m, EXTERNAL, IN, TCP, 5269));
    CHECK_INT(topology_firewall(t, SLICE("l1.c.example"), &a, &m), 1);
    CHECK((r = FIND(m, EXTERNAL, IN, UDP, 3478)) && r->served);
    CHECK(!FIND(m, INTERNAL, IN, TCP, 4443)); /* nobody publishes to it */
    CHECK_INT(topology_firewall(t, SLICE("nobody.c.example"), &a, &m), 0);
    CHECK_INT(topology_firewall(t, SLICE(""), &a, &m), 5);
    arena_fini(&a);
    topology_unref(t);
}

/* nft wants to own a network namespace: ours as root, or one of a user namespace. */
static int nft_check(struct slice text)
{
    char path[] = "/tmp/entente-nft.XXXXXX", command[256];
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, text.p, text.n) != (ssize_t)text.n)
        return -1;
    close(fd);
    snprintf(command, sizeof(command),
             "PATH=$PATH:/usr/sbin:/sbin %snft -c -f %s 2>&1 | sed 's/^/# /'; "
             "exit ${PIPESTATUS[0]}",
             geteuid() ? "unshare -Urn " : "", path);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(execlp("bash", "bash", "-c", command, (char *)NULL) ? 127 : 0);
    int status = -1;
    waitpid(child, &status, 0);
    unlink(path);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(nft_takes_the_file_of_every_machine)
{
    const char *texts[] = {FULL, EXAMPLE};
    for (size_t k = 0; k < 2; k++) {
        struct topology *t = parse_good(texts[k]);
        struct arena a = {0};
        struct firewall_machine *m;
        size_t n = topology_firewall(t, SLICE(""), &a, &m);
        CHECK(n > 2);
        for (size_t i = 0; i < n; i++) {
            struct buf out = {0};
            firewall_write_nft(&m[i], &out);
            CHECK_INT(nft_check(buf_slice(&out)), 0);
            buf_fini(&out);
        }
        arena_fini(&a);
        topology_unref(t);
    }
    CHECK(nft_check(SLICE("table inet x {\n nonsense\n}\n")) != 0);
}

TEST(the_file_drops_what_is_not_listed)
{
    struct topology *t = parse_good(FULL);
    struct arena a = {0};
    struct firewall_machine *m;
    struct buf out = {0};
    topology_firewall(t, SLICE("e1.c.example"), &a, &m);
    firewall_write_nft(m, &out);
    static const char *const lines[] = {
        "type filter hook input priority filter; policy drop;\n",
        "type filter hook output priority filter; policy drop;\n",
        "\n        ip daddr 192.0.2.20 tcp dport 5061 accept comment",
        "\n        ip6 daddr 2001:db8::20 tcp dport 5061 accept comment",
        "\n        ip daddr 10.0.0.20 ip saddr { 10.0.0.5 } tcp dport 4443 accept comment",
        "\n        # not served yet: ip daddr 192.0.2.30 udp dport 50000-59999 accept",
        "\n        ip daddr { 192.0.2.53 } udp dport 53 accept comment \"DNS\"\n",
        "\n        ip6 daddr { fd00::10 } tcp dport 5061 accept comment",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        if (slice_search(buf_slice(&out), slice_str(lines[i])) == SIZE_MAX)
            TEST_DIAG("'%s' is not in\n" SLICE_FMT, lines[i], SLICE_ARG(buf_slice(&out)));
    buf_fini(&out);
    arena_fini(&a);
    topology_unref(t);
}

/* Where managed machines listen for Prometheus: on the internal address, for those who may. */
TEST(metrics_are_read_from_inside)
{
    static const struct {
        const char *monitoring;
        size_t readers;
    } cases[] = {
        {"",                                                                          0},
        {"monitoring: {metrics_port: 9091}\n",                                        0},
        {"monitoring: {metrics_port: 9091, metrics_from: [10.0.0.90, 'fd00::90']}\n", 2},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[sizeof(FULL) + 128];
        struct arena a = {0};
        struct firewall_machine *m;
        snprintf(text, sizeof(text), "%s%s", FULL, cases[i].monitoring);
        struct topology *t = parse_good(text);
        size_t n = topology_firewall(t, SLICE(""), &a, &m), with = 0;
        for (size_t k = 0; k < n; k++) {
            const struct firewall_rule *r = FIND(&m[k], INTERNAL, IN, TCP, 9091);
            with += r != NULL;
            if (!r)
                continue;
            CHECK_INT(r->peers->n, cases[i].readers);
            CHECK(r->local[0].n && r->local[1].n == 0);
            CHECK(r->served);
        }
        CHECK_INT(with, cases[i].monitoring[0] ? 3 : 0); /* Edge, Front End, central */
        arena_fini(&a);
        topology_unref(t);
    }
}

TEST_MAIN(metrics_are_read_from_inside, an_edge_has_the_vendors_ports, nft_takes_the_file_of_every_machine,
          the_file_drops_what_is_not_listed)
