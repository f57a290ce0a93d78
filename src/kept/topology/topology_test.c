#include "kept/topology/topology.h"

#include "ground/base/mem.h"
#include "ground/base/test.h"
#include "kept/topology/example_for_test.h"
#include "kept/topology/priv.h"

#include <errno.h>

static struct slice canonical(const struct topology *t, struct buf *out)
{
    buf_clear(out, SIZE_MAX);
    topology_write_canonical(t, out);
    return buf_slice(out);
}

TEST(example)
{
    struct topology *t = parse_good(EXAMPLE);
    CHECK_STR(t->deployment.name, "contoso");
    CHECK(t->deployment.accept_server_auth_only);
    CHECK(!t->deployment.discovered_srv_names);
    CHECK_INT(t->deployment.attempt_ms, 6000);
    CHECK_STR(t->central.machine, "cms.contoso.example");
    CHECK_INT(t->central.replica_port, 4443);
    CHECK_INT(t->n_edge_pools, 1);
    CHECK(t->edge_pools[0].federation && t->edge_pools[0].managed);
    CHECK_INT(t->edge_pools[0].federation_port, 5061);
    CHECK_INT(t->edge_pools[0].access_edge, TOPOLOGY_ENABLED);
    CHECK_STR(t->edge_pools[0].machines[0].external_address, "127.10.2.20");
    CHECK_INT(t->front_end_pools[0].digest_algorithms.n, 2);
    CHECK_STR(t->front_end_pools[0].digest_algorithms.items[0], "SHA-256");
    CHECK_STR(t->partners[0].domain, "fabrikam.example");
    CHECK(t->partners[0].srv_names);
    topology_unref(t);
}

TEST(defaults_are_left_out)
{
    struct buf out = {0};
    struct topology *t = parse_good("schema: 1\n"
                                    "deployment: {name: x, attempts_max: 4, accept_server_auth_only: true}\n"
                                    "front_end_pools:\n"
                                    "- {fqdn: FE.Contoso.example, version: 2013, max_contacts: 11,\n"
                                    "   digest_algorithms: [sha-256, md5]}\n"
                                    "foreign_pools:\n"
                                    "- {fqdn: a.example, transport: tls, port: 5061}\n"
                                    "- {fqdn: b.example, transport: UDP, port: 5060}\n"
                                    "- {fqdn: c.example, transport: tcp, port: 5061}\n"
                                    "partners: []\n");
    CHECK_STR(
        canonical(t, &out),
        "{\"deployment\":{\"name\":\"x\"},\"foreign_pools\":[{\"fqdn\":\"a.example\"},{\"fqdn\":\"b."
        "example\","
        "\"transport\":\"udp\"},{\"fqdn\":\"c.example\",\"port\":5061,\"transport\":\"tcp\"}],"
        "\"front_end_pools\":[{\"fqdn\":\"fe.contoso.example\",\"max_contacts\":11,\"version\":\"2013\"}],"
        "\"schema\":1}");
    CHECK_INT(t->foreign_pools[1].port, 5060);
    buf_clear(&out, 0);
    topology_write_yaml(t, &out);
    CHECK(slice_starts(buf_slice(&out), SLICE("schema: 1\ndeployment:\n  name: x\n")));
    topology_unref(t);
    buf_fini(&out);
}

TEST(stored_form)
{
    struct topology *t =
        parse_good("schema: 1\n"
                   "deployment: {default_domain: Contoso.EXAMPLE, dns_servers: [127.0.0.1, '::1', "
                   "'[2001:DB8:0::1]:5353']}\n"
                   "sites: [{name: HQ}]\n"
                   "edge_pools: [{fqdn: E.example, site: Hq, adopts: [O.example], version: LYNC, "
                   "machines: [{fqdn: M.example, internal_address: '2001:DB8:0:0::1'}]}]\n");
    CHECK_STR(t->deployment.default_domain, "contoso.example");
    CHECK_STR(t->deployment.dns_servers.items[0], "127.0.0.1");
    CHECK_STR(t->deployment.dns_servers.items[1], "::1");
    CHECK_STR(t->deployment.dns_servers.items[2], "[2001:db8::1]:5353");
    CHECK_STR(t->sites[0].name, "hq");
    CHECK_STR(t->edge_pools[0].site, "hq");
    CHECK_STR(t->edge_pools[0].adopts.items[0], "o.example");
    CHECK_STR(t->edge_pools[0].version, "LYNC");
    CHECK_STR(t->edge_pools[0].machines[0].internal_address, "2001:db8::1");
    CHECK(topology_edge_pool_find(t, SLICE("E.EXAMPLE")));
    CHECK(topology_is_own_domain(t, SLICE("CONTOSO.example")));
    CHECK(!topology_is_own_domain(t, SLICE("")));
    topology_unref(t);
}

struct bad {
    const char *text, *id, *path, *words;
    unsigned line;
};
static const struct bad bad[] = {
    {"schema: 1\nsites: [",                                                                              "syntax",             "",                                             "",                         0},
    {"{\"schema\":1,,}",                                                                                 "syntax",             "",                                             "",                         0},
    {"",                                                                                                 "syntax",             "",                                             "",                         0},
    {"- 1",                                                                                              "wrong-type",         "",                                             "object",                   1},
    {"sites: []",                                                                                        "missing-property",   "",                                             "lacks its schema",         0},
    {"schema: 2\nwhat: 1",                                                                               "unsupported-schema", "schema",                                       "version 2",                1},
    {"schema: '1'",                                                                                      "wrong-type",         "schema",                                       "a number",                 1},
    {"schema: 1\nsites:\n- name: hq\n  federation-rout: a.b",                                            "unknown-property",   "sites/hq/federation-rout",
     "did you mean federation_route?",                                                                                                                                                                     4},
    {"schema: 1\nedge_pool: []",                                                                         "unknown-property",   "edge_pool",                                    "did you mean edge_pools?", 2},
    {"schema: 1\nsites:\n- name: hq\n  next_hop: a",                                                     "unknown-property",   "sites/hq/next_hop",
     "it is a property of edge_pool",                                                                                                                                                                      4},
    {"schema: 1\nsites:\n- name: hq\n  xyzzyxyzzy: a",                                                   "unknown-property",   "sites/hq/xyzzyxyzzy",                          "remove it",
     4                                                                                                                                                                                                      },
    {"schema: 1\nsites:\n- federation_route: a.b",                                                       "missing-property",   "sites/1",                                      "lacks its name",           3},
    {"schema: 1\nsites: {}",                                                                             "wrong-type",         "sites",                                        "a list",                   2},
    {"schema: 1\ncentral: []",                                                                           "wrong-type",         "central",                                      "an object",                2},
    {"schema: 1\nsites:\n- hq",                                                                          "wrong-type",         "sites/1",                                      "an object",                3},
    {"schema: 1\nedge_pools:\n- fqdn: a.b\n  federation: yes",                                           "wrong-type",         "edge_pools/a.b/federation",
     "true or false",                                                                                                                                                                                      4},
    {"schema: 1\nedge_pools:\n- fqdn: a.b\n  federation_port: 0",                                        "out-of-range",
     "edge_pools/a.b/federation_port",                                                                                                                                         "from 1 to 65535",          4},
    {"schema: 1\nedge_pools:\n- fqdn: a.b\n  federation_port: 1.5",                                      "wrong-type",
     "edge_pools/a.b/federation_port",                                                                                                                                         "a number",                 4},
    {"schema: 1\nedge_pools:\n- fqdn: a.b\n  access_edge: off",                                          "unknown-value",      "edge_pools/a.b/access_edge",
     "one of enabled, draining, disabled",                                                                                                                                                                 4},
    {"schema: 1\nedge_pools:\n- fqdn: 10.0.0.1",                                                         "address-for-name",   "edge_pools/10.0.0.1/fqdn",
     "not an address",                                                                                                                                                                                     3},
    {"schema: 1\nedge_pools:\n- fqdn: a_b.c",                                                            "underscore-name",    "edge_pools/a_b.c/fqdn",                        "no underscore",            3},
    {"schema: 1\nedge_pools:\n- fqdn: a.b\n  external_fqdn: '*.b'",                                      "wildcard-name",
     "edge_pools/a.b/external_fqdn",                                                                                                                                           "not a pattern",            4},
    {"schema: 1\nedge_pools:\n- fqdn: -a.c",                                                             "malformed-value",    "edge_pools/-a.c/fqdn",                         "hyphens",                  3},
    {"schema: 1\nexternal_access_policies:\n- name: a\n  users: [alice]",                                "malformed-value",
     "external_access_policies/a/users",                                                                                                                                       "user@domain",              4},
    {"schema: 1\nedge_pools:\n- fqdn: a.b\n  next_hop: '::1'",                                           "address-for-name",   "edge_pools/a.b/next_hop",
     "",                                                                                                                                                                                                   4},
    {"schema: 1\nedge_pools:\n- fqdn: a.b\n  machines:\n  - fqdn: m.b\n    internal_address: m.b",
     "name-for-address",                                                                                                       "edge_pools/a.b/machines/m.b/internal_address", "not a name",               6},
    {"schema: 1\nedge_pools:\n- fqdn: a.b\n  machines:\n  - fqdn: m.b\n    internal_address: 1.2.3.400",
     "malformed-value",                                                                                                        "edge_pools/a.b/machines/m.b/internal_address", "IPv4",                     6},
    {"schema: 1\nsites:\n- name: hq\n- name: HQ",                                                        "double-identity",    "sites/HQ",                                     "two objects hq",           4},
    {"schema: 1\ndeployment:\n  additional_domains:\n  - a.b\n  - A.B",                                  "double-identity",
     "deployment/additional_domains",                                                                                                                                          "twice",                    5},
    {"schema: 1\ndeployment:\n  additional_domains: a.b",                                                "wrong-type",         "deployment/additional_domains",
     "a list",                                                                                                                                                                                             3},
    {"schema: 1\npartners:\n- domain: a.b\n  comment: \"x\\ny\"",                                        "malformed-value",    "partners/a.b/comment",
     "one line",                                                                                                                                                                                           4},
};

TEST(findings_of_parsing)
{
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct findings f = {0};
        struct topology *t = NULL;
        CHECK_INT(topology_parse(slice_str(bad[i].text), &t, &f), -EBADMSG);
        CHECK(!t);
        if (f.n != 1 || strcmp(f.items[0].id, bad[i].id) != 0) {
            TEST_DIAG("row %zu: %zu findings, first %s", i, f.n, f.n ? f.items[0].id : "none");
        } else {
            CHECK_STR(f.items[0].path, bad[i].path);
            if (slice_search(f.items[0].text, slice_str(bad[i].words)) == SIZE_MAX &&
                slice_search(f.items[0].remedy, slice_str(bad[i].words)) == SIZE_MAX)
                TEST_DIAG("row %zu: " SLICE_FMT, i, SLICE_ARG(f.items[0].text));
            if (bad[i].line)
                CHECK_INT(f.items[0].line, bad[i].line);
        }
        findings_fini(&f);
    }
}

TEST(all_findings_are_collected)
{
    struct buf text = {0};
    struct findings f = {0};
    struct topology *t;
    buf_append(&text, SLICE("schema: 1\npartners:\n"));
    for (int i = 0; i < FINDINGS_MAX + 200; i++)
        buf_printf(&text, "- {domain: s%d.example, polici: x}\n", i);
    CHECK_INT(topology_parse(buf_slice(&text), &t, &f), -EBADMSG);
    CHECK_INT(f.n, FINDINGS_MAX);
    CHECK_INT(f.errors, FINDINGS_MAX + 200);
    struct arena a = {0};
    struct json_value *list = findings_to_json(&f, &a);
    CHECK_INT(json_count(list), FINDINGS_MAX);
    CHECK_STR(json_get_string(json_at(list, 1), "id"), "unknown-property");
    CHECK_STR(json_get_string(json_at(list, 1), "path"), "partners/s1.example/polici");
    CHECK_INT(json_get_int(json_at(list, 1), "line", 0), 4);
    CHECK_INT(topology_parse(buf_slice(&text), &t, NULL), -EBADMSG);
    arena_fini(&a);
    findings_fini(&f);
    buf_fini(&text);
}

#define TWO_EDGES                                                                                            \
    EXAMPLE "foreign_pools:\n- fqdn: kam.contoso.example\n  machines:\n  - fqdn: kam1.contoso.example\n"     \
            "    internal_address: 127.10.1.40\n"

TEST(roles)
{
    struct topology *t = parse_good(TWO_EDGES);
    struct topology_role role;
    CHECK(topology_role_find(t, SLICE("Edge-Old1.contoso.example"), &role));
    CHECK(role.edge && !role.front_end && !role.foreign && !role.central && role.managed);
    CHECK_STR(role.internal_address, "127.10.1.20");
    CHECK_INT(role.replica_port, 4443);
    CHECK(topology_role_find(t, SLICE("fe1.contoso.example"), &role) && role.front_end);
    CHECK(topology_role_find(t, SLICE("kam1.contoso.example"), &role) && role.foreign && !role.managed);
    CHECK(topology_role_find(t, SLICE("cms.contoso.example"), &role));
    CHECK(role.central && !role.machine && role.managed);
    CHECK_STR(role.internal_address, "127.10.1.5");
    CHECK(!topology_role_find(t, SLICE("sip.contoso.example"), &role));
    CHECK(!topology_role_find(t, SLICE(""), &role));

    static const char *const want[] = {"edge-old1.contoso.example", "fe1.contoso.example",
                                       "cms.contoso.example"};
    size_t cursor = 0, n = 0;
    for (struct slice fqdn; topology_managed_next(t, &cursor, &fqdn); n++)
        if (n < 3)
            CHECK_STR(fqdn, want[n]);
    CHECK_INT(n, 3);
    topology_unref(topology_ref(t));
    topology_unref(t);
    topology_unref(NULL);
}

TEST(certificate_names)
{
    struct topology *t =
        parse_good("schema: 1\n"
                   "deployment: {default_domain: c.example, additional_domains: [d.example]}\n"
                   "central: {machine: cms.c.example}\n"
                   "edge_pools:\n"
                   "- fqdn: old.c.example\n"
                   "  machines: [{fqdn: old1.c.example}, {fqdn: old2.c.example}]\n"
                   "- fqdn: new.c.example\n"
                   "  adopts: [old.c.example]\n"
                   "  machines: [{fqdn: new.c.example}]\n"
                   "front_end_pools:\n"
                   "- fqdn: fe.c.example\n"
                   "  machines: [{fqdn: fe1.c.example}]\n");
    static const struct {
        const char *machine, *names;
    } rows[] = {
        {"old1.c.example",   "old1.c.example old.c.example "                             },
        {"NEW.c.example",    "new.c.example old.c.example old1.c.example old2.c.example "},
        {"fe1.c.example",    "fe1.c.example fe.c.example c.example d.example "           },
        {"cms.c.example",    "cms.c.example "                                            },
        {"nobody.c.example", ""                                                          },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena a = {0};
        struct buf got = {0};
        struct slice *names;
        size_t n;
        topology_certificate_names(t, slice_str(rows[i].machine), &a, &names, &n);
        for (size_t j = 0; j < n; j++)
            buf_printf(&got, SLICE_FMT " ", SLICE_ARG(names[j]));
        CHECK_STR(buf_slice(&got), rows[i].names);
        buf_fini(&got);
        arena_fini(&a);
    }
    topology_unref(t);
}

/* As many partners as there may be; one more is refused. */
TEST(many_partners)
{
    struct buf text = {0};
    struct findings f = {0};
    struct topology *t = NULL, *none = NULL;
    buf_append(&text, SLICE("{\"schema\":1,\"partners\":["));
    for (int i = 0; i < TOPOLOGY_MAX_PARTNERS; i++)
        buf_printf(&text, "%s{\"domain\":\"d%d.example\"}", i ? "," : "", i);
    size_t n = buf_len(&text);
    buf_append(&text, SLICE("]}"));
    CHECK_INT(topology_parse(buf_slice(&text), &t, &f), 0);
    CHECK_INT(t->n_partners, TOPOLOGY_MAX_PARTNERS);
    CHECK(topology_partner_find(t, SLICE("D99999.Example")) == &t->partners[99999]);
    CHECK(!topology_partner_find(t, SLICE("d100000.example")));
    CHECK(!topology_partner_find(t, SLICE("")));
    char *more = buf_take(&text);
    buf_append(&text, slice_mem(more, n));
    buf_append(&text, SLICE(",{\"domain\":\"x.example\"}]}"));
    CHECK_INT(topology_parse(buf_slice(&text), &none, &f), -EBADMSG);
    CHECK_STR(slice_str(f.items[0].id), "too-many");
    mem_free(more);
    findings_fini(&f);
    buf_fini(&text);
    topology_unref(t);
}

TEST(yaml_json_and_back)
{
    struct buf first = {0}, second = {0}, yaml = {0};
    struct topology *t = parse_good(TWO_EDGES);
    canonical(t, &first);
    topology_write_yaml(t, &yaml);
    topology_unref(t);
    char *text = buf_take(&yaml);
    t = parse_good(text);
    CHECK_SLICE(canonical(t, &second), buf_slice(&first));
    topology_unref(t);
    mem_free(text);
    text = buf_take(&second);
    t = parse_good(text);
    CHECK_SLICE(canonical(t, &second), buf_slice(&first));
    topology_unref(t);
    mem_free(text);
    buf_fini(&first);
    buf_fini(&second);
}

TEST_MAIN(example, defaults_are_left_out, stored_form, findings_of_parsing, all_findings_are_collected, roles,
          certificate_names, many_partners, yaml_json_and_back)
