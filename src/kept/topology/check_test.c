#include "kept/topology/check.h"

#include "ground/base/test.h"
#include "kept/topology/example_for_test.h"

/* A row: what is written over the base, and the one finding that must come. */
#define HEAD "schema: 1\ndeployment: {name: c, default_domain: c.example}\n"
#define CENTRAL "central: {machine: cms.c.example, internal_address: 127.10.1.5}\n"
#define SITES "sites: [{name: hq, federation_route: e.c.example}]\n"
#define EDGE_M                                                                                               \
    "machines: [{fqdn: e1.c.example, internal_address: 127.10.1.20, external_address: 127.10.2.20}]"
#define EDGE                                                                                                 \
    "- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: sip.c.example, next_hop: "             \
    "f.c.example,\n"                                                                                         \
    "   " EDGE_M "}\n"
#define EDGE2_REST                                                                                           \
    " site: hq, machines: [{fqdn: g1.c.example, internal_address: 127.10.1.30, external_address: "           \
    "127.10.2.30}]"
#define EDGES "edge_pools:\n" EDGE
#define FE_M "machines: [{fqdn: f1.c.example, internal_address: 127.10.1.10}]"
#define FE "- {fqdn: f.c.example, site: hq, media_edge: e.c.example, " FE_M "}\n"
#define FES "front_end_pools:\n" FE
#define REST CENTRAL SITES EDGES FES
#define BASE HEAD REST
#define PARTNER "partners: [{domain: fabrikam.example}]\n"
#define KAM "foreign_pools: [{fqdn: k.c.example, "
#define KAM_M "machines: [{fqdn: k1.c.example, internal_address: 127.10.1.40}]"

struct row {
    const char *id, *path, *text;
};
static const struct row rows[] = {
    {"reference-to-nothing",                "partners/x.example/provider",
     BASE "partners: [{domain: x.example, provider: p}]"                                                                                                                   },
    {"reference-to-nothing",                "front_end_pools/f.c.example/media_edge",
     HEAD CENTRAL SITES EDGES "front_end_pools:\n"
                              "- {fqdn: f.c.example, site: hq, media_edge: n.c.example, " FE_M "}\n"                                                                       },
    {"reference-to-nothing",                "edge_pools/g.c.example/adopts",
     HEAD CENTRAL SITES EDGES
     "- {fqdn: g.c.example, version: x, federation: true, access_edge: disabled, external_fqdn: "
     "x.c.example, next_hop: k.c.example, adopts: [n.c.example], " EDGE2_REST "}\n" FES KAM KAM_M "}]"                                                                     },
    {"no-site",                             "sites",                                                              HEAD CENTRAL                                             },
    {"site-without-route",                  "sites/hq/federation_route",
     HEAD CENTRAL "sites: [{name: hq}]\n" EDGES FES PARTNER                                                                                                                },
    {"route-without-federation",            "sites/hq/federation_route",
     HEAD CENTRAL SITES "edge_pools:\n- {fqdn: e.c.example, site: hq, " EDGE_M "}\n" FES                                                                                   },
    {"route-to-stopping-edge",              "sites/hq/federation_route",
     HEAD CENTRAL SITES
     "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: sip.c.example, "
     "access_edge: draining, next_hop: f.c.example, " EDGE_M "}\n" FES                                                                                                     },
    {"several-federating-edges",            "edge_pools",
     HEAD CENTRAL SITES EDGES
     "- {fqdn: g.c.example, federation: true, external_fqdn: g.ext.example, next_hop: f.c.example," EDGE2_REST
     "}\n" FES                                                                                                                                                             },
    {"default-domain-missing",              "deployment/default_domain",                                          "schema: 1\n" REST                                       },
    {"domain-listed-twice",                 "deployment/additional_domains",
     "schema: 1\ndeployment: {default_domain: c.example, additional_domains: [C.example]}\n" REST                                                                          },
    {"domain-own-and-partner",              "partners/c.example",                                                 BASE "partners: [{domain: C.example}]"                   },
    {"partner-pin-and-provider",            "partners/x.example/provider",
     BASE "partners: [{domain: x.example, edge_fqdn: a.x.example, provider: p}]\n"
          "providers: [{name: p, edge_fqdn: p.example, enabled: true}]"                                                                                                    },
    {"provider-disabled",                   "partners/x.example/provider",
     BASE "partners: [{domain: x.example, provider: p}]\nproviders: [{name: p, edge_fqdn: p.example}]"                                                                     },
    {"provider-without-edge",               "providers/p/edge_fqdn",                                              BASE "providers: [{name: p, enabled: true}]"             },
    {"central-missing",                     "central/machine",                                                    HEAD SITES EDGES FES                                     },
    {"central-machine-unknown",             "central/machine",
     HEAD "central: {machine: cms.c.example}\n" SITES EDGES FES                                                                                                            },
    {"central-not-managed",                 "central/machine",
     HEAD "central: {machine: k1.c.example}\n" SITES EDGES FES KAM KAM_M "}]"                                                                                              },
    {"central-in-perimeter",                "central/machine",                                                    HEAD "central: {machine: e1.c.example}\n" SITES EDGES FES},
    {"dialog-keys-too-short",               "deployment/dialog_key_days",
     "schema: 1\ndeployment: {default_domain: c.example, dialog_key_days: 0}\n" REST                                                                                       },
    {"attempts-too-long",                   "deployment/attempts_max",
     "schema: 1\ndeployment: {default_domain: c.example, attempts_max: 8}\n" REST                                                                                          },
    {"connect-longer-than-attempt",         "deployment/connect_ms",
     "schema: 1\ndeployment: {default_domain: c.example, connect_ms: 6001}\n" REST                                                                                         },
    {"dnssec-without-anchor",               "deployment/dnssec_anchor",
     "schema: 1\ndeployment: {default_domain: c.example, dnssec: true}\n" REST                                                                                             },
    {"edge-without-machines",               "edge_pools/g.c.example/machines",
     HEAD CENTRAL SITES EDGES "- {fqdn: g.c.example, site: hq}\n" FES                                                                                                      },
    {"federation-without-external-name",    "edge_pools/e.c.example/external_fqdn",
     HEAD CENTRAL SITES
     "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, next_hop: f.c.example, " EDGE_M
     "}\n" FES                                                                                                                                                             },
    {"federation-without-external-address", "edge_pools/e.c.example/machines/e1.c.example/external_address",
     HEAD CENTRAL SITES "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: "
                        "sip.c.example, next_hop: f.c.example, machines: [{fqdn: e1.c.example, "
                        "internal_address: 127.10.1.20}]}\n" FES                                                                                                           },
    {"federation-without-next-hop",         "edge_pools/e.c.example/next_hop",
     HEAD CENTRAL SITES
     "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: sip.c.example, " EDGE_M
     "}\n" FES                                                                                                                                                             },
    {"next-hop-version",                    "edge_pools/e.c.example/next_hop",
     HEAD CENTRAL SITES EDGES
     "front_end_pools:\n- {fqdn: f.c.example, version: 2010, site: hq, media_edge: e.c.example, " FE_M "}\n"                                                               },
    {"pool-without-site",                   "front_end_pools/f.c.example/site",
     HEAD CENTRAL SITES EDGES "front_end_pools:\n- {fqdn: f.c.example, media_edge: e.c.example, " FE_M "}\n"                                                               },
    {"pool-without-site",                   "edge_pools/e.c.example/site",
     HEAD CENTRAL SITES "edge_pools:\n- {fqdn: e.c.example, federation: true, external_fqdn: sip.c.example, "
                        "next_hop: f.c.example, " EDGE_M "}\n" FES                                                                                                         },
    {"pool-without-media-edge",             "front_end_pools/f.c.example/media_edge",
     HEAD CENTRAL SITES EDGES "front_end_pools:\n- {fqdn: f.c.example, site: hq, " FE_M "}\n"                                                                              },
    {"front-end-without-machines",          "front_end_pools/f.c.example/machines",
     HEAD CENTRAL SITES EDGES "front_end_pools:\n- {fqdn: f.c.example, site: hq, media_edge: e.c.example}\n"                                                               },
    {"several-front-end-machines",          "front_end_pools/f.c.example/machines",
     HEAD CENTRAL SITES EDGES
     "front_end_pools:\n- {fqdn: f.c.example, site: hq, media_edge: e.c.example, machines: [{fqdn: "
     "f1.c.example, "
     "internal_address: 127.10.1.10}, {fqdn: f2.c.example, internal_address: 127.10.1.11}]}\n"                                                                             },
    {"machine-without-address",             "front_end_pools/f.c.example/machines/f1.c.example/internal_address",
     HEAD CENTRAL SITES EDGES
     "front_end_pools:\n- {fqdn: f.c.example, site: hq, media_edge: e.c.example, machines: "
     "[{fqdn: f1.c.example}]}\n"                                                                                                                                           },
    {"machine-without-address",             "edge_pools/g.c.example/machines/g1.c.example/internal_address",
     HEAD CENTRAL SITES EDGES "- {fqdn: g.c.example, site: hq, machines: [{fqdn: g1.c.example}]}\n" FES                                                                    },
    {"foreign-pool-not-mutual-tls",         "foreign_pools/k.c.example/transport",
     BASE KAM "transport: udp, " KAM_M "}]"                                                                                                                                },
    {"foreign-pool-without-address",        "foreign_pools/k.c.example/machines",                                 BASE KAM "site: hq}]"                                    },
    {"foreign-pool-without-address",        "foreign_pools/k.c.example/machines/k1.c.example/internal_address",
     BASE KAM "machines: [{fqdn: k1.c.example}]}]"                                                                                                                         },
    {"expires-out-of-order",                "front_end_pools/f.c.example/default_expires",
     HEAD CENTRAL SITES EDGES
     "front_end_pools:\n- {fqdn: f.c.example, site: hq, media_edge: e.c.example, min_expires: 3601, " FE_M
     "}\n"                                                                                                                                                                 },
    {"adopts-itself",                       "edge_pools/e.c.example/adopts",
     HEAD CENTRAL SITES
     "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: sip.c.example, adopts: "
     "[e.c.example], next_hop: f.c.example, " EDGE_M "}\n" FES                                                                                                             },
    {"adopts-in-a-circle",                  "edge_pools/g.c.example/adopts",
     HEAD CENTRAL SITES
     "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: sip.c.example, adopts: "
     "[g.c.example], next_hop: f.c.example, " EDGE_M
     "}\n- {fqdn: g.c.example, adopts: [e.c.example], federation: "
     "true, external_fqdn: g.ext.example, access_edge: disabled, next_hop: f.c.example, " EDGE2_REST
     "}\n" FES                                                                                                                                                             },
    {"adopter-not-federating",              "edge_pools/g.c.example/federation",
     HEAD CENTRAL SITES EDGES "- {fqdn: g.c.example, adopts: [e.c.example]," EDGE2_REST "}\n" FES                                                                          },
    {"adopted-names-unserved",              "edge_pools/g.c.example/access_edge",
     HEAD CENTRAL SITES EDGES "- {fqdn: g.c.example, adopts: [o.c.example], federation: true, external_fqdn: "
                              "g.ext.example, access_edge: "
                              "disabled, next_hop: f.c.example, " EDGE2_REST
                              "}\n- {fqdn: o.c.example, site: hq, access_edge: disabled, "
                              "machines: [{fqdn: o1.c.example, internal_address: 127.10.1.31}]}\n" FES                                                                     },
    {"name-used-twice",                     "front_end_pools/f.c.example/machines/e.c.example",
     HEAD CENTRAL SITES EDGES "front_end_pools:\n- {fqdn: f.c.example, site: hq, media_edge: e.c.example, "
                              "machines: [{fqdn: e.c.example, "
                              "internal_address: 127.10.1.10}]}\n"                                                                                                         },
    {"name-used-twice",                     "edge_pools/e.c.example/external_fqdn",
     HEAD CENTRAL SITES
     "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: e1.c.example, next_hop: "
     "f.c.example, " EDGE_M "}\n" FES                                                                                                                                      },
    {"name-used-twice",                     "edge_pools/g.c.example/external_fqdn",
     HEAD CENTRAL SITES EDGES
     "- {fqdn: g.c.example, federation: true, access_edge: disabled, external_fqdn: SIP.c.example, next_hop: "
     "f.c.example," EDGE2_REST "}\n" FES                                                                                                                                   },
    {"name-used-twice",                     "foreign_pools/k.c.example/machines/k.c.example",
     BASE KAM
     "machines: [{fqdn: k.c.example, internal_address: 127.10.1.40}, {fqdn: k1.c.example, internal_address: "
     "127.10.1.41}]}]"                                                                                                                                                     },
    {"name-used-twice",                     "central/machine",
     HEAD "central: {machine: f.c.example, internal_address: 127.10.1.5}\n" SITES EDGES FES                                                                                },
    {"edge-machine-elsewhere",              "edge_pools/e.c.example/machines/e1.c.example",
     BASE KAM "machines: [{fqdn: e1.c.example, internal_address: 127.10.1.40}]}]"                                                                                          },
    {"address-clash",                       "front_end_pools/f.c.example/machines/f1.c.example/internal_address",
     HEAD CENTRAL SITES EDGES "front_end_pools:\n- {fqdn: f.c.example, site: hq, media_edge: e.c.example, "
                              "replica_port: 4444, machines: "
                              "[{fqdn: f1.c.example, internal_address: 127.10.1.20}]}\n"                                                                                   },
    {"address-clash",                       "central/internal_address",
     HEAD "central: {machine: cms.c.example, internal_address: 127.10.1.20}\n" SITES EDGES FES                                                                             },
    {"address-clash",                       "edge_pools/e.c.example/machines/e1.c.example/internal_address",
     HEAD CENTRAL SITES
     "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: sip.c.example, next_hop: "
     "f.c.example, replica_port: 5061, " EDGE_M "}\n" FES                                                                                                                  },
    {"edge-sides-share-address",            "edge_pools/g.c.example/machines/g1.c.example/external_address",
     HEAD CENTRAL SITES EDGES
     "- {fqdn: g.c.example, site: hq, machines: [{fqdn: g1.c.example, internal_address: "
     "127.10.1.30, external_address: 127.10.1.30}]}\n" FES                                                                                                                 },
    {"port-out-of-place",                   "edge_pools/e.c.example/federation_port",
     HEAD CENTRAL SITES
     "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: sip.c.example, next_hop: "
     "f.c.example, federation_port: 5070, " EDGE_M "}\n" FES                                                                                                               },
    {"port-out-of-place",                   "front_end_pools/f.c.example/client_tcp_port",
     HEAD CENTRAL SITES EDGES "front_end_pools:\n- {fqdn: f.c.example, site: hq, media_edge: e.c.example, "
                              "client_tcp_port: 5061, sip_port: "
                              "5062, " FE_M "}\n"                                                                                                                          },
    {"port-out-of-place",                   "foreign_pools/k.c.example/port",                                     BASE KAM "port: 5060, " KAM_M "}]"                       },
};

static bool has(const struct findings *f, const char *id, const char *path)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->items[i].id, id) == 0 && (!path || slice_eq(f->items[i].path, slice_str(path))))
            return true;
    return false;
}

static void check_text(const char *text, struct findings *f)
{
    struct topology *t = parse_good(text);
    topology_check_all(t, f);
    topology_unref(t);
}

TEST(good_topologies_have_no_findings)
{
    static const char *const good[] = {
        EXAMPLE,
        BASE PARTNER,
        /* the middle of a transition: the successor has the external name; the legacy one is disabled */
        HEAD CENTRAL
        "sites: [{name: hq, federation_route: g.c.example}]\nedge_pools:\n"
        "- {fqdn: e.c.example, site: hq, federation: true, access_edge: disabled, external_fqdn: "
        "sip.c.example, next_hop: f.c.example, " EDGE_M "}\n- {fqdn: g.c.example, federation: true, "
        "external_fqdn: sip.c.example, next_hop: f.c.example, adopts: [e.c.example]," EDGE2_REST
        "}\n" FES PARTNER,
        /* a standard pool carries its machine's name; central management on a Front End */
        HEAD "central: {machine: s.c.example}\nsites: [{name: hq, federation_route: e.c.example}]\n" EDGES FES
             "- {fqdn: s.c.example, site: hq, media_edge: e.c.example, machines: [{fqdn: s.c.example, "
             "internal_address: 127.10.1.11}]}\n" PARTNER,
        /* TCP and UDP may share a port number */
        HEAD CENTRAL SITES EDGES "front_end_pools:\n- {fqdn: f.c.example, site: hq, media_edge: e.c.example, "
                                 "client_tcp_port: 5060, client_udp_port: 5060, " FE_M "}\n",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct findings f = {0};
        check_text(good[i], &f);
        for (size_t j = 0; j < f.n; j++)
            TEST_DIAG("topology %zu: %s at " SLICE_FMT ": " SLICE_FMT, i, f.items[j].id,
                      SLICE_ARG(f.items[j].path), SLICE_ARG(f.items[j].text));
        findings_fini(&f);
    }
}

TEST(each_row_brings_its_finding)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct findings f = {0};
        check_text(rows[i].text, &f);
        if (!has(&f, rows[i].id, rows[i].path))
            TEST_DIAG("row %zu: no %s at %s; first of %zu: %s " SLICE_FMT, i, rows[i].id, rows[i].path, f.n,
                      f.n ? f.items[0].id : "none", SLICE_ARG(f.n ? f.items[0].path : SLICE_NONE));
        CHECK_INT(f.n, f.errors + f.warnings);
        findings_fini(&f);
    }
}

TEST(each_check_has_a_row_and_says_its_name)
{
    for (size_t i = 0; i < topology_n_checks; i++) {
        bool tested = false;
        for (size_t j = 0; j < sizeof(rows) / sizeof(rows[0]); j++) {
            if (strcmp(rows[j].id, topology_checks[i].name) != 0)
                continue;
            struct findings f = {0};
            struct topology *t = parse_good(rows[j].text);
            topology_checks[i].run(t, &f);
            tested = true;
            for (size_t k = 0; k < f.n; k++)
                CHECK_STR(slice_str(f.items[k].id), topology_checks[i].name);
            topology_unref(t);
            findings_fini(&f);
        }
        if (!tested)
            TEST_DIAG("no row for %s", topology_checks[i].name);
    }
    CHECK(topology_n_checks >= 20);
}

TEST_MAIN(good_topologies_have_no_findings, each_row_brings_its_finding,
          each_check_has_a_row_and_says_its_name)
