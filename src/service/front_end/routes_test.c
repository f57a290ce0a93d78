#include "service/front_end/routes.h"

#include "ground/base/test.h"
#include "kept/topology/path.h"

/* %s: failover, properties of the old pool, of its first machine, of the new pool, further Edge pools */
#define DOCUMENT                                                                                             \
    "schema: 1\n"                                                                                            \
    "deployment:\n"                                                                                          \
    "  name: contoso\n"                                                                                      \
    "  default_domain: contoso.example\n"                                                                    \
    "central:\n"                                                                                             \
    "  machine: fe1.contoso.example\n"                                                                       \
    "sites:\n"                                                                                               \
    "- name: hq\n"                                                                                           \
    "  federation_route: old.contoso.example\n"                                                              \
    "  federation_failover: %s\n"                                                                            \
    "- name: far\n"                                                                                          \
    "edge_pools:\n"                                                                                          \
    "- fqdn: old.contoso.example\n"                                                                          \
    "  site: hq\n"                                                                                           \
    "  external_fqdn: sip.contoso.example\n"                                                                 \
    "  next_hop: fe.contoso.example\n"                                                                       \
    "%s"                                                                                                     \
    "  machines:\n"                                                                                          \
    "  - fqdn: old1.contoso.example\n"                                                                       \
    "    internal_address: 127.0.0.1\n"                                                                      \
    "    external_address: 127.0.1.1\n"                                                                      \
    "%s"                                                                                                     \
    "  - fqdn: old2.contoso.example\n"                                                                       \
    "    internal_address: 127.0.0.2\n"                                                                      \
    "    external_address: 127.0.1.2\n"                                                                      \
    "- fqdn: new.contoso.example\n"                                                                          \
    "  site: hq\n"                                                                                           \
    "  external_fqdn: sip2.contoso.example\n"                                                                \
    "  next_hop: fe.contoso.example\n"                                                                       \
    "  internal_port: 5071\n"                                                                                \
    "  federation: true\n"                                                                                   \
    "%s"                                                                                                     \
    "  machines:\n"                                                                                          \
    "  - fqdn: new1.contoso.example\n"                                                                       \
    "    internal_address: 127.0.0.3\n"                                                                      \
    "    external_address: 127.0.1.3\n"                                                                      \
    "%s"                                                                                                     \
    "front_end_pools:\n"                                                                                     \
    "- fqdn: fe.contoso.example\n"                                                                           \
    "  site: hq\n"                                                                                           \
    "  sip_port: 5062\n"                                                                                     \
    "  machines:\n"                                                                                          \
    "  - fqdn: fe1.contoso.example\n"                                                                        \
    "    internal_address: 127.0.0.9\n"                                                                      \
    "director_pools:\n"                                                                                      \
    "- fqdn: dir.contoso.example\n"                                                                          \
    "  sip_port: 5065\n"                                                                                     \
    "  machines:\n"                                                                                          \
    "  - fqdn: dir1.contoso.example\n"                                                                       \
    "    internal_address: 127.0.0.11\n"                                                                     \
    "  - fqdn: dir2.contoso.example\n"                                                                       \
    "    internal_address: 127.0.0.12\n"

/* `entente path` lists the machines by itself: they must be the same, in the same order. */
static void check_path(const struct topology *t, const char *want)
{
    struct arena a = {0};
    struct buf got = {0};
    struct path p;
    struct slice why;
    CHECK_INT(path_find(t, NULL, SLICE("contoso.example"), SLICE("p.example"), SLICE_NONE, &a, &p, &why), 0);
    const struct path_hop *hop = &p.legs[0].hops[1];
    for (size_t i = 0; i < hop->n_addresses; i++)
        buf_printf(&got, "%s" SLICE_FMT, i ? " " : "", SLICE_ARG(hop->addresses[i].endpoint));
    CHECK_STR(buf_slice(&got), want);
    buf_fini(&got);
    arena_fini(&a);
}

static const char *of_old1 = "", *failover = "false", *more_pools = "";

static void check_route(const char *of_old, const char *of_new, const char *host, uint64_t spread,
                        const char *want)
{
    struct arena a = {0};
    struct buf got = {0};
    struct findings f = {0};
    struct topology *t = NULL;
    struct target_address *to;
    char text[NET_ADDR_TEXT];
    struct slice document = arena_printf(&a, DOCUMENT, failover, of_old, of_old1, of_new, more_pools);
    CHECK_INT(topology_parse(document, &t, &f), 0);
    if (t) {
        size_t n = routes_to(t, &t->sites[0], slice_str(host), spread, &a, &to);
        for (size_t i = 0; i < n; i++) {
            buf_printf(&got, "%s" SLICE_FMT, i ? " " : "", SLICE_ARG(net_addr_text(&to[i].addr, text)));
            CHECK_INT(to[i].transport, SIP_TLS);
            CHECK(slice_ends(to[i].identity, SLICE(".contoso.example")));
        }
        CHECK_STR(buf_slice(&got), want);
        if (spread == 0 && slice_eq(slice_str(host), SLICE("old.contoso.example")))
            check_path(t, want);
        CHECK_INT(routes_knows(t, slice_str(host)), n != 0);
    }
    topology_unref(t);
    findings_fini(&f);
    buf_fini(&got);
    arena_fini(&a);
}

#define OLD_ON "  federation: true\n"
#define ADOPTS "  adopts: [old.contoso.example]\n"
#define OLD1 "127.0.0.1:5061"
#define OLD2 "127.0.0.2:5061"
#define NEW1 "127.0.0.3:5071"

TEST(pools_are_spread)
{
    check_route(OLD_ON, "", "old.contoso.example", 0, OLD1 " " OLD2);
    check_route(OLD_ON, "", "OLD.contoso.example", 7, OLD2 " " OLD1);
    check_route(OLD_ON, "", "fe.contoso.example", 7, "127.0.0.9:5062");
    check_route(OLD_ON, "", "fabrikam.example", 0, "");
    check_route(OLD_ON, "", "", 0, "");
}

TEST(directors_are_pools_of_machines)
{
    check_route(OLD_ON, "", "dir.contoso.example", 1, "127.0.0.12:5065 127.0.0.11:5065");
    check_route(OLD_ON, "", "dir2.contoso.example", 0, "127.0.0.12:5065 127.0.0.11:5065");
}

TEST(machines_come_first)
{
    check_route(OLD_ON, "", "old1.contoso.example", 7, OLD1 " " OLD2);
    check_route(OLD_ON, "", "old2.contoso.example", 0, OLD2 " " OLD1);
    check_route(OLD_ON, "", "new1.contoso.example", 0, NEW1);
}

TEST(adopters)
{
    check_route(OLD_ON, ADOPTS, "old2.contoso.example", 0, OLD2 " " OLD1 " " NEW1);
    check_route(OLD_ON "  access_edge: draining\n", ADOPTS, "old2.contoso.example", 0,
                NEW1 " " OLD2 " " OLD1);
    check_route("  federation: false\n", ADOPTS, "old.contoso.example", 0, NEW1 " " OLD1 " " OLD2);
    check_route(OLD_ON "  access_edge: disabled\n", ADOPTS, "old2.contoso.example", 0, NEW1);
    check_route(OLD_ON "  access_edge: disabled\n", "", "old2.contoso.example", 0, OLD2 " " OLD1);
}

/* One of two machines is drained, then out of service: dialogs that began there still find it first. */
TEST(a_machine_by_itself)
{
    of_old1 = "    access_edge: draining\n";
    check_route(OLD_ON, ADOPTS, "old.contoso.example", 0, OLD2 " " OLD1 " " NEW1);
    check_route(OLD_ON, "", "old.contoso.example", 1, OLD2 " " OLD1);
    check_route(OLD_ON, "", "old1.contoso.example", 0, OLD1 " " OLD2);
    of_old1 = "    access_edge: disabled\n";
    check_route(OLD_ON, "", "old.contoso.example", 0, OLD2);
    check_route(OLD_ON, ADOPTS, "old1.contoso.example", 0, OLD2 " " NEW1);
    of_old1 = "";
}

#define MORE_POOL(name, site, number, more)                                                                  \
    "- fqdn: " name ".contoso.example\n"                                                                     \
    "  site: " site "\n"                                                                                     \
    "  external_fqdn: " name "-out.contoso.example\n"                                                        \
    "  next_hop: fe.contoso.example\n" more "  machines:\n"                                                  \
    "  - fqdn: " name "1.contoso.example\n"                                                                  \
    "    internal_address: 127.0.0." number "\n"                                                             \
    "    external_address: 127.0.1." number "\n"
#define FAR1 "127.0.0.4:5061"
#define NEAR1 "127.0.0.5:5061"

/* The other pools that federate, behind the route's own and those that adopt it; those of the site first.
 * Also where a dialog leads. */
TEST(other_pools_stand_in)
{
    more_pools = MORE_POOL("far", "far", "4", OLD_ON) MORE_POOL("near", "hq", "5", OLD_ON);
    failover = "true";
    check_route(OLD_ON, "", "old.contoso.example", 0, OLD1 " " OLD2 " " NEW1 " " NEAR1 " " FAR1);
    check_route(OLD_ON, "", "old2.contoso.example", 0, OLD2 " " OLD1 " " NEW1 " " NEAR1 " " FAR1);
    check_route(OLD_ON, "", "far1.contoso.example", 0, FAR1 " " OLD1 " " OLD2 " " NEW1 " " NEAR1);
    more_pools = MORE_POOL("far", "far", "4", OLD_ON ADOPTS) MORE_POOL("near", "hq", "5", OLD_ON);
    check_route(OLD_ON, "", "old.contoso.example", 0, OLD1 " " OLD2 " " FAR1 " " NEW1 " " NEAR1);
    /* none that does not federate, is being drained or runs other software; none for such a one */
    more_pools = MORE_POOL("far", "far", "4", OLD_ON "  access_edge: draining\n")
        MORE_POOL("near", "hq", "5", OLD_ON "  managed: false\n");
    check_route(OLD_ON, "  access_edge: disabled\n", "old.contoso.example", 0, OLD1 " " OLD2);
    more_pools = "";
    check_route(OLD_ON "  managed: false\n", "", "old.contoso.example", 0, OLD1 " " OLD2);
    /* a Director or Front End has no others */
    check_route(OLD_ON, "", "dir2.contoso.example", 0, "127.0.0.12:5065 127.0.0.11:5065");
    failover = "false";
    check_route(OLD_ON, "", "old.contoso.example", 0, OLD1 " " OLD2);
}

TEST_MAIN(pools_are_spread, directors_are_pools_of_machines, machines_come_first, adopters,
          a_machine_by_itself, other_pools_stand_in)
