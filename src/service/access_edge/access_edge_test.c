/* What a topology compiles to: listeners, names, certificates. */
#include "service/access_edge/priv.h"

#include "ground/base/test.h"

#include "ground/base/mem.h"
#include "ground/crypto/pki_for_test.h"
#include "ground/loop/loop.h"

#include <errno.h>

#define TOPOLOGY(old, new)                                                                                   \
    "schema: 1\n"                                                                                            \
    "deployment:\n"                                                                                          \
    "  name: contoso\n"                                                                                      \
    "  default_domain: contoso.example\n"                                                                    \
    "  dns_servers: [127.0.0.53]\n"                                                                          \
    "  attempt_ms: 1500\n"                                                                                   \
    "central:\n"                                                                                             \
    "  machine: fe1.contoso.example\n"                                                                       \
    "sites:\n"                                                                                               \
    "- name: hq\n"                                                                                           \
    "edge_pools:\n"                                                                                          \
    "- fqdn: edge-old.contoso.example\n"                                                                     \
    "  site: hq\n"                                                                                           \
    "  external_fqdn: sip.contoso.example\n"                                                                 \
    "  next_hop: fe.contoso.example\n"                                                                       \
    "  machines:\n"                                                                                          \
    "  - fqdn: edge-old1.contoso.example\n"                                                                  \
    "    internal_address: 127.10.1.20\n"                                                                    \
    "    external_address: 127.10.2.20\n" old "- fqdn: edge-new.contoso.example\n"                           \
    "  site: hq\n"                                                                                           \
    "  external_fqdn: sip-new.contoso.example\n"                                                             \
    "  machines:\n"                                                                                          \
    "  - fqdn: edge-new1.contoso.example\n"                                                                  \
    "    internal_address: 127.10.1.21\n"                                                                    \
    "    external_address: 127.10.2.21\n" new "front_end_pools:\n"                                           \
                                              "- fqdn: fe.contoso.example\n"                                 \
                                              "  site: hq\n"                                                 \
                                              "  machines:\n"                                                \
                                              "  - fqdn: fe1.contoso.example\n"                              \
                                              "    internal_address: 127.10.1.10\n"                          \
                                              "  - fqdn: fe2.contoso.example\n"                              \
                                              "    internal_address: 127.10.1.11\n"                          \
                                              "foreign_pools:\n"                                             \
                                              "- fqdn: pbx.contoso.example\n"                                \
                                              "  site: hq\n"                                                 \
                                              "  transport: udp\n"                                           \
                                              "  port: 5070\n"                                               \
                                              "  machines:\n"                                                \
                                              "  - fqdn: pbx1.contoso.example\n"                             \
                                              "    internal_address: 127.10.1.30\n"

static struct pki_id ca, own, old_cert, new_cert, both;
static struct crypto_trust *trust;

static struct topology *parsed(const char *text)
{
    struct findings f = {0};
    struct topology *t = NULL;
    if (topology_parse(slice_str(text), &t, &f) < 0)
        for (size_t i = 0; i < f.n; i++)
            TEST_DIAG(SLICE_FMT ": " SLICE_FMT, SLICE_ARG(f.items[i].path), SLICE_ARG(f.items[i].text));
    findings_fini(&f);
    return t;
}

static void certificate_into(struct material *m, const char *pool, const struct pki_id *id)
{
    struct buf cert = {0}, key = {0}, roots = {0};
    crypto_cert_write(id->cert, &cert);
    crypto_key_write(id->key, &key);
    crypto_cert_write(ca.cert, &roots);
    CHECK_INT(material_cert_set(m, slice_str(pool), buf_slice(&cert), buf_slice(&key)), 0);
    m->trust_pem = arena_copy(&m->arena, buf_slice(&roots));
    buf_fini(&cert);
    buf_fini(&key);
    buf_fini(&roots);
}

static struct element_config *compiled(const char *text, const struct material *m, const char *machine,
                                       int want)
{
    char error[256] = "";
    struct topology *t = parsed(text);
    struct element_config *c = element_config_new();
    struct access_edge_self self = {slice_str(machine), own.key, own.cert, trust, NULL, NULL};
    int r = access_edge_compile(t, m, &self, c, error);
    if (r != want)
        TEST_DIAG("compiles to %d: %s", r, error);
    CHECK((r == -EINVAL) == (error[0] != 0));
    topology_unref(t);
    return c;
}

TEST(begins)
{
    struct slice names[] = {SLICE("sip.contoso.example"), SLICE("sip-new.contoso.example")};
    struct crypto_request_names r = {.common_name = names[1], .dns = names, .n_dns = 2};
    ca = pki_ca("ca");
    trust = pki_trust(&ca);
    own = pki_host(&ca, "edge-old1.contoso.example");
    old_cert = pki_host(&ca, "sip.contoso.example");
    new_cert = pki_host(&ca, "sip-new.contoso.example");
    both = pki_leaf(&ca, &r, 0);
}

TEST(both_sides)
{
    struct material *m = material_new();
    certificate_into(m, "edge-old.contoso.example", &old_cert);
    struct element_config *c =
        compiled(TOPOLOGY("  federation: true\n", ""), m, "edge-old1.contoso.example", 0);
    CHECK(!c->stopping);
    CHECK_INT(c->n_listeners, 2);
    for (size_t i = 0; i < c->n_listeners; i++) {
        const struct element_listener *l = &c->listeners[i];
        char addr[NET_ADDR_TEXT];
        CHECK(l->tls && l->transport == SIP_TLS && c->sides[l->side].client_tls);
        CHECK_STR(net_addr_text(&l->addr, addr), l->side ? "127.10.2.20:5061" : "127.10.1.20:5061");
        CHECK_STR(l->host, l->side ? "sip.contoso.example" : "edge-old1.contoso.example");
        CHECK_STR(net_addr_text(&c->sides[l->side].local, addr), l->side ? "127.10.2.20:0" : "127.10.1.20:0");
    }
    CHECK_INT(c->attempt_ms, 1500);
    CHECK_INT(c->resolver.n_servers, 1);
    CHECK_INT(net_addr_port(&c->resolver.servers[0]), 53);
    element_config_unref(c);
    material_unref(m);
}

TEST(off_is_stopping)
{
    static const char *const off[] = {
        TOPOLOGY("", ""),
        TOPOLOGY("  federation: true\n  access_edge: disabled\n", ""),
    };
    struct material *m = material_new();
    for (size_t i = 0; i < 2; i++) {
        struct element_config *c = compiled(off[i], m, "edge-old1.contoso.example", 0);
        CHECK(c->stopping);
        element_config_unref(c);
    }
    struct element_config *c =
        compiled(TOPOLOGY("  federation: true\n", ""), m, "edge-old1.contoso.example", -EINVAL);
    element_config_unref(c);
    certificate_into(m, "edge-old.contoso.example", &old_cert);
    c = compiled(TOPOLOGY("  federation: true\n  access_edge: draining\n", ""), m,
                 "edge-old1.contoso.example", 0);
    CHECK(!c->stopping && c->n_listeners == 2); /* draining serves whole */
    element_config_unref(c);
    element_config_unref(compiled(TOPOLOGY("", ""), m, "fe1.contoso.example", -ENOENT));
    element_config_unref(compiled(TOPOLOGY("", ""), m, "nobody.contoso.example", -ENOENT));
    material_unref(m);
}

#define ADOPTING TOPOLOGY("", "  federation: true\n  adopts: [edge-old.contoso.example]\n")

static void check_outer(const struct pki_id *old_one, const struct pki_id *new_one, const char *want)
{
    struct material *m = material_new();
    if (old_one)
        certificate_into(m, "edge-old.contoso.example", old_one);
    if (new_one)
        certificate_into(m, "edge-new.contoso.example", new_one);
    struct element_config *c = compiled(ADOPTING, m, "edge-new1.contoso.example", 0);
    CHECK_STR(edge_of(c)->outer_host, want);
    element_config_unref(c);
    material_unref(m);
}

/* Seen by the name that we ask to be found by: one of those in the certificate that was chosen. */
TEST(certificate_of_adopted_pool)
{
    check_outer(&old_cert, &new_cert, "sip.contoso.example");
    check_outer(&old_cert, &both, "sip-new.contoso.example");
    check_outer(NULL, &new_cert, "sip-new.contoso.example");
    check_outer(&old_cert, NULL, "sip.contoso.example");
}

TEST(own_names)
{
    struct material *m = material_new();
    certificate_into(m, "edge-new.contoso.example", &new_cert);
    struct element_config *c = compiled(ADOPTING, m, "edge-new1.contoso.example", 0);
    static const struct {
        const char *uri;
        bool own;
    } cases[] = {
        {"sip:t@edge-new1.contoso.example:5061;transport=tls;lr", true },
        {"sip:edge-new.contoso.example;lr",                       true },
        {"sips:SIP-NEW.contoso.example:5061;lr",                  true },
        {"sip:t@edge-old1.contoso.example;lr",                    true },
        {"sip:t@sip.contoso.example:5061;lr",                     true },
        {"sip:t@127.10.1.21:5061;lr",                             true },
        {"sip:t@sip.contoso.example:5099;lr",                     false},
        {"sip:alice@contoso.example",                             false},
        {"sip:fe1.contoso.example;lr",                            false},
        {"tel:+1",                                                false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sip_uri u;
        CHECK_INT(sip_uri_parse(slice_str(cases[i].uri), &u), 0);
        if (c->ops->is_own_uri(c, &u) != cases[i].own)
            TEST_DIAG("%s", cases[i].uri);
    }
    element_config_unref(c);
    material_unref(m);
}

TEST(foreign_next_hop)
{
    struct material *m = material_new();
    certificate_into(m, "edge-new.contoso.example", &new_cert);
    struct element_config *c = compiled(TOPOLOGY("", "  federation: true\n  next_hop: pbx.contoso.example\n"),
                                        m, "edge-new1.contoso.example", 0);
    char addr[NET_ADDR_TEXT];
    CHECK_INT(c->n_listeners, 4);
    size_t plain = 0;
    for (size_t i = 0; i < c->n_listeners; i++) {
        if (c->listeners[i].transport != SIP_TLS) {
            plain++;
            CHECK_INT(c->listeners[i].side, SIDE_INTERNAL);
            CHECK_STR(net_addr_text(&c->listeners[i].addr, addr), "127.10.1.21:5070");
        }
    }
    CHECK_INT(plain, 2);
    const struct topology *t = edge_of(c)->t;
    struct net_addr from;
    CHECK_INT(net_addr_parse(SLICE("127.10.1.30"), 40000, &from), 0);
    CHECK(hops_foreign(t, SIP_UDP, &from) != NULL);
    CHECK(hops_foreign(t, SIP_TCP, &from) != NULL && hops_foreign(t, SIP_TLS, &from) == NULL);
    CHECK_INT(net_addr_parse(SLICE("127.10.1.31"), 5070, &from), 0);
    CHECK(hops_foreign(t, SIP_UDP, &from) == NULL);
    element_config_unref(c);
    material_unref(m);
}

TEST(hops)
{
    struct topology *t = parsed(TOPOLOGY("", ""));
    struct hops h;
    size_t index = 9;
    struct target_address to[ELEMENT_MAX_TARGETS];
    char addr[NET_ADDR_TEXT];
    CHECK(hops_of_machine(t, SLICE("FE2.contoso.example"), &h, &index));
    CHECK_INT(index, 1);
    CHECK_INT(hops_targets(&h, index, to), 2);
    CHECK_STR(net_addr_text(&to[0].addr, addr), "127.10.1.11:5061");
    CHECK_STR(to[0].identity, "fe2.contoso.example");
    CHECK_STR(to[1].identity, "fe1.contoso.example");
    /* a machine that stands by comes after all others */
    struct topology_machine three[3] = {h.machines[0], h.machines[1], h.machines[0]};
    three[0].weight = 0;
    CHECK_INT(hops_targets(&(struct hops){three, 3, h.pool, h.transport, h.port}, 1, to), 3);
    CHECK_STR(to[0].identity, "fe2.contoso.example");
    CHECK(to[1].name.p == three[2].fqdn.p && to[2].name.p == three[0].fqdn.p);
    CHECK(hops_of_pool(t, SLICE("pbx.contoso.example"), &h));
    CHECK_INT(hops_targets(&h, 0, to), 1);
    CHECK(to[0].transport == SIP_UDP && to[0].identity.n == 0);
    CHECK(!hops_of_pool(t, SLICE("fe1.contoso.example"), &h));
    CHECK(!hops_of_pool(t, SLICE(""), &h));
    CHECK(!hops_of_machine(t, SLICE("fe3.contoso.example"), &h, &index));
    topology_unref(t);
}

#define DIRECTORS                                                                                            \
    "director_pools:\n"                                                                                      \
    "- fqdn: dir.contoso.example\n"                                                                          \
    "  managed: false\n"                                                                                     \
    "  sip_port: 5065\n"                                                                                     \
    "  machines:\n"                                                                                          \
    "  - fqdn: dir1.contoso.example\n"                                                                       \
    "    internal_address: 127.10.1.50\n"

TEST(a_director_is_a_pool_of_machines)
{
    struct topology *t = parsed(TOPOLOGY("", "") DIRECTORS);
    struct hops h;
    size_t index = 9;
    struct target_address to[ELEMENT_MAX_TARGETS];
    char addr[NET_ADDR_TEXT];
    CHECK(hops_of_pool(t, SLICE("dir.contoso.example"), &h));
    CHECK_INT(hops_targets(&h, 0, to), 1);
    CHECK(to[0].transport == SIP_TLS);
    CHECK_STR(net_addr_text(&to[0].addr, addr), "127.10.1.50:5065");
    CHECK_STR(to[0].identity, "dir1.contoso.example");
    CHECK(hops_of_machine(t, SLICE("dir1.contoso.example"), &h, &index));
    CHECK_INT(index, 0);
    CHECK_STR(h.pool, "dir.contoso.example");
    topology_unref(t);
}

TEST(identity_for_the_element)
{
    struct arena a = {0};
    struct slice targets[] = {SLICE("sip.x.example"), SLICE("sip2.x.example")};
    CHECK_STR(peer_identity(&a, SLICE("x.example"), targets, 2), "x.example sip.x.example sip2.x.example");
    CHECK_STR(peer_identity(&a, SLICE("x.example"), NULL, 0), "x.example");
    arena_fini(&a);
}

#define REMEMBERED(good, bad, records)                                                                       \
    TOPOLOGY("  federation: true\n", "")                                                                     \
    "access_edge: {accepted_certificates_max: " good ", rejected_certificates_max: " bad                     \
    ", srv_cache_records: " records "}\n"

/* The settings of what is remembered reach the roots, those that stand, too, and the resolver. */
TEST(memory_settings)
{
    struct material *m = material_new();
    struct pki_id strange = pki_ca("strange");
    size_t n_good, n_bad;
    certificate_into(m, "edge-old.contoso.example", &old_cert);
    struct element_config *c = compiled(REMEMBERED("2", "1", "7"), m, "edge-old1.contoso.example", 0);
    CHECK_INT(c->resolver.records, 7);
    struct crypto_trust *all = edge_of(c)->trusts[0];
    for (size_t i = 0; i < 3; i++) {
        int64_t until;
        struct pki_id good = pki_host(&ca, "a.example"), bad = pki_host(&strange, "a.example");
        CHECK_INT(crypto_trust_judge(all, good.cert, pki_now(), &until), 0);
        CHECK(crypto_trust_judge(all, bad.cert, pki_now(), &until) != 0);
        pki_fini(&good);
        pki_fini(&bad);
    }
    crypto_trust_remembered(all, &n_good, &n_bad);
    CHECK_INT(n_good, 2);
    CHECK_INT(n_bad, 1);
    struct element_config *next = compiled(REMEMBERED("1", "0", "0"), m, "edge-old1.contoso.example", 0);
    CHECK_INT(next->resolver.records, 0);
    crypto_trust_remembered(all, &n_good, &n_bad);
    CHECK_INT(n_good, 1);
    CHECK_INT(n_bad, 0);
    element_config_unref(c);
    element_config_unref(next);
    material_unref(m);
    pki_fini(&strange);
}

/* Each setting that is handed on as it is arrives where it belongs. */
TEST(plain_settings)
{
    char error[256] = "";
    struct topology *t = parsed(TOPOLOGY("  federation: true\n", ""));
    struct topology_deployment *d = &t->deployment;
    struct material *m = material_new();
    struct element_config *c = element_config_new();
    struct access_edge_self self = {SLICE("edge-old1.contoso.example"), own.key, own.cert, trust, NULL, NULL};
    certificate_into(m, "edge-old.contoso.example", &old_cert);
    d->attempt_ms = 1001, d->attempts_max = 2, d->connect_ms = 1003, d->timer_c_s = 204;
    d->connections_per_partner = 5, d->probe_interval_s = 6, d->probe_timeout_ms = 1007, d->block_ms = 1008;
    d->block_max_s = 9, d->drain_linger_s = 10, d->idle_close_s = 11, d->dns_stale_s = 12;
    CHECK_INT(access_edge_compile(t, m, &self, c, error), 0);
    CHECK_INT(c->attempt_ms, 1001);
    CHECK_INT(c->attempts_max, 2);
    CHECK_INT(c->connect_ms, 1003);
    CHECK_INT(c->timer_c_ms, 204000);
    CHECK_INT(c->connections_per_destination, 5);
    CHECK_INT(c->health.probe_ms, 6000);
    CHECK_INT(c->health.probe_timeout_ms, 1007);
    CHECK_INT(c->health.block_ms, 1008);
    CHECK_INT(c->health.block_max_ms, 9000);
    CHECK_INT(c->linger_ms, 10000);
    CHECK_INT(c->idle_close_ms, 11000);
    CHECK_INT(c->resolver.stale_ms, 12000);
    element_config_unref(c);
    material_unref(m);
    topology_unref(t);
}

#define SECOND_MACHINE(state)                                                                                \
    "  - fqdn: edge-old2.contoso.example\n"                                                                  \
    "    internal_address: 127.10.1.22\n"                                                                    \
    "    external_address: 127.10.2.22\n" state
#define LIMITED(machines, settings)                                                                          \
    TOPOLOGY(machines "  federation: true\n", "") "access_edge: {" settings "}\n"

/* Machines of a pool share the rates; addresses and failures are counted by each, and go with their setting.
 */
TEST(limits_of_discovered_partners)
{
    static const struct {
        const char *topology;
        uint32_t rate, suspicious, addresses, percent;
    } cases[] = {
        {LIMITED("",                                            "discovered_rate: 20, discovered_suspicious_rate: 5"), 20, 5, 1000, 50},
        {LIMITED(SECOND_MACHINE(""),                            "discovered_rate: 20, discovered_suspicious_rate: 5"), 10, 2, 1000, 50},
        {LIMITED(SECOND_MACHINE("    access_edge: draining\n"), "discovered_rate: 20"),                                20, 1, 1000, 50},
        {LIMITED(SECOND_MACHINE("    access_edge: disabled\n"), "discovered_rate: 20"),                                20, 1, 1000, 50},
        {LIMITED(SECOND_MACHINE(""),                            "discovered_rate: 1"),                                 1,  1, 1000, 50},
        {LIMITED(SECOND_MACHINE(""),                            "discovered_rate: 0"),                                 0,  1, 1000, 50},
        {LIMITED("",                                            "limit_discovered_contacts: false"),                   20, 1, 0,    0 },
    };
    struct material *m = material_new();
    certificate_into(m, "edge-old.contoso.example", &old_cert);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct element_config *c = compiled(cases[i].topology, m, "edge-old1.contoso.example", 0);
        const struct measure_limits *l = &edge_of(c)->limits;
        CHECK_INT(l->rate, cases[i].rate);
        CHECK_INT(l->suspicious_rate, cases[i].suspicious);
        CHECK_INT(l->addresses, cases[i].addresses);
        CHECK_INT(l->failures_percent, cases[i].percent);
        element_config_unref(c);
    }
    material_unref(m);
}

TEST(ends)
{
    pki_fini(&ca);
    pki_fini(&own);
    pki_fini(&old_cert);
    pki_fini(&new_cert);
    pki_fini(&both);
    crypto_trust_unref(trust);
}

TEST_MAIN(begins, both_sides, memory_settings, plain_settings, limits_of_discovered_partners, off_is_stopping,
          certificate_of_adopted_pool, own_names, foreign_next_hop, hops, a_director_is_a_pool_of_machines,
          identity_for_the_element, ends)
