/* The wider model: routes of several sites, machines of all kinds of pools, defaults that depend. */
#include "ground/base/test.h"
#include "kept/topology/example_for_test.h"

#define HEAD                                                                                                 \
    "schema: 1\ndeployment: {name: c, default_domain: c.example}\n"                                          \
    "central: {machine: cms.c.example, internal_address: 127.10.1.5}\n"

static void route_is(const struct topology *t, const char *site, const char *want)
{
    CHECK_STR(topology_federation_route(t, topology_site_find(t, slice_str(site))), want);
}

TEST(federation_route_of_a_site)
{
    struct topology *t =
        parse_good(HEAD "sites:\n"
                        "- {name: hq, federation_route: e.c.example, route_for_all: true}\n"
                        "- {name: far, federation_route: f.c.example}\n"
                        "- {name: branch, kind: branch, parent: far}\n"
                        "- {name: own, kind: branch, parent: far, federation_route: g.c.example}\n"
                        "- {name: other}\n"
                        "- {name: central, parent: far}\n");
    route_is(t, "hq", "e.c.example");
    route_is(t, "far", "f.c.example");
    route_is(t, "branch", "f.c.example");
    route_is(t, "own", "g.c.example");
    route_is(t, "other", "e.c.example");
    route_is(t, "central", "e.c.example");
    topology_unref(t);
    t = parse_good(HEAD "sites: [{name: hq, federation_route: e.c.example}, {name: b, kind: branch}]\n");
    route_is(t, "b", "");
    topology_unref(t);
}

#define POOLS                                                                                                \
    HEAD "director_pools: [{fqdn: d.c.example, machines: [{fqdn: d1.c.example, internal_address: "           \
         "127.1.0.1}]}]\n"                                                                                   \
         "mediation_pools: [{fqdn: m.c.example, machines: [{fqdn: m1.c.example}]}]\n"                        \
         "trusted_application_pools: [{fqdn: a.c.example, managed: true, replica_port: 4444, "               \
         "machines: [{fqdn: a1.c.example}]}]\n"                                                              \
         "foreign_pools: [{fqdn: k.c.example, machines: [{fqdn: k1.c.example}]}]\n"

TEST(machines_of_all_kinds_of_pools)
{
    struct topology *t = parse_good(POOLS);
    struct topology_role r;
    CHECK(topology_role_find(t, SLICE("D1.c.example"), &r));
    CHECK(r.director && !r.edge && !r.front_end && r.managed && !r.central);
    CHECK_STR(r.internal_address, "127.1.0.1");
    CHECK(topology_role_find(t, SLICE("m1.c.example"), &r));
    CHECK(r.mediation && !r.managed);
    CHECK(topology_role_find(t, SLICE("a1.c.example"), &r));
    CHECK(r.trusted_application && r.managed);
    CHECK_INT(r.replica_port, 4444);
    CHECK(topology_role_find(t, SLICE("k1.c.example"), &r));
    CHECK(r.foreign && !r.managed);
    CHECK_INT(r.replica_port, 0);
    CHECK(!topology_role_find(t, SLICE("d.c.example"), &r));
    CHECK(topology_director_pool_find(t, SLICE("D.c.example")));
    CHECK(topology_mediation_pool_find(t, SLICE("m.c.example")));
    CHECK(topology_trusted_application_pool_find(t, SLICE("a.c.example")));
    CHECK(!topology_director_pool_find(t, SLICE("")));
    topology_unref(t);
}

TEST(managed_machines_of_all_kinds)
{
    static const char *const want[] = {"d1.c.example", "a1.c.example", "cms.c.example"};
    struct topology *t = parse_good(POOLS);
    struct slice fqdn;
    size_t cursor = 0, n = 0;
    while (topology_managed_next(t, &cursor, &fqdn) && n < 3)
        CHECK_STR(fqdn, want[n++]);
    CHECK_INT(n, 3);
    topology_unref(t);
}

TEST(a_certificate_has_machine_and_pool)
{
    struct topology *t = parse_good(POOLS);
    struct arena a = {0};
    struct slice *names;
    size_t n;
    topology_certificate_names(t, SLICE("d1.c.example"), &a, &names, &n);
    CHECK_INT(n, 2);
    CHECK_STR(names[0], "d1.c.example");
    CHECK_STR(names[1], "d.c.example");
    arena_fini(&a);
    topology_unref(t);
}

/* With one name for all three services the ports differ; with a name each all take 443. */
TEST(ports_of_one_name_and_of_three)
{
    struct topology *t = parse_good(
        HEAD
        "edge_pools:\n"
        "- {fqdn: a.c.example, external_fqdn: x.c.example, conf_fqdn: X.c.example, av_fqdn: x.c.example}\n"
        "- {fqdn: b.c.example, external_fqdn: x.c.example, conf_fqdn: y.c.example, av_fqdn: z.c.example}\n"
        "- {fqdn: c.c.example, external_fqdn: x.c.example, conf_fqdn: x.c.example, av_fqdn: x.c.example, "
        "client_port: 443, conf_port: 8443}\n"
        "- {fqdn: d.c.example}\n");
    static const int64_t want[][3] = {
        {5061, 444,  443},
        {443,  443,  443},
        {443,  8443, 443},
        {443,  443,  443}
    };
    static const bool single[] = {true, false, true, false};
    for (size_t i = 0; i < 4; i++) {
        CHECK_INT(t->edge_pools[i].client_port, want[i][0]);
        CHECK_INT(t->edge_pools[i].conf_port, want[i][1]);
        CHECK_INT(t->edge_pools[i].av_tcp_port, want[i][2]);
        CHECK_INT(topology_edge_single_name(&t->edge_pools[i]), single[i]);
        CHECK(t->edge_pools[i].av_edge == TOPOLOGY_DISABLED &&
              t->edge_pools[i].conf_edge == TOPOLOGY_DISABLED);
    }
    topology_unref(t);
}

/* Lync's own defaults, but for federated_users. */
TEST(defaults_of_all_access_edges)
{
    struct topology *t = parse_good(HEAD);
    const struct topology_access_edge *e = &t->access_edge;
    CHECK(e->federated_users && e->outside_users && !e->anonymous_users && !e->clearinghouse);
    CHECK(e->check_crls && e->mark_source_verifiable && !e->archiving_disclaimer && !e->user_replicator);
    CHECK(e->routing == TOPOLOGY_ROUTE_BY_SRV && e->limit_discovered_contacts);
    CHECK_INT(e->discovered_contacts_max, 1000);
    CHECK_INT(e->discovered_rate, 20);
    CHECK_INT(e->discovered_report_minutes, 60);
    CHECK_INT(e->accepted_certificates_max, 1000);
    CHECK_INT(e->rejected_certificates_max, 500);
    CHECK_INT(e->certificates_deleted_percent, 20);
    topology_unref(t);
}

/* RFC 3261 16.6 step 11. */
TEST(timer_c_is_longer_than_three_minutes)
{
    struct topology *t = parse_good(HEAD);
    struct findings f = {0};
    CHECK(t->deployment.timer_c_s > 180);
    topology_unref(t);
    CHECK(
        topology_parse(SLICE("schema: 1\ndeployment: {name: c, default_domain: c.example, timer_c_s: 180}\n"),
                       &t, &f) < 0);
    CHECK(f.n == 1 && slice_search(f.items[0].path, SLICE("timer_c_s")) != SIZE_MAX);
    findings_fini(&f);
}

TEST_MAIN(federation_route_of_a_site, machines_of_all_kinds_of_pools, managed_machines_of_all_kinds,
          a_certificate_has_machine_and_pool, ports_of_one_name_and_of_three, defaults_of_all_access_edges,
          timer_c_is_longer_than_three_minutes)
