/*
 * topology/check_rows_for_test.h - for each check, documents in which it must find something. Test programs
 * only.
 */
#pragma once

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
#define EDGE_WITH(more)                                                                                      \
    "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: sip.c.example, "          \
    "next_hop: "                                                                                             \
    "f.c.example, " more ", " EDGE_M "}\n"
/* A second Edge pool that federates. */
#define EDGE2                                                                                                \
    "- {fqdn: g.c.example, federation: true, external_fqdn: sip2.c.example, next_hop: "                      \
    "f.c.example, " EDGE2_REST "}\n"

#define G_M "machines: [{fqdn: g1.c.example, internal_address: 127.10.1.11}]"
/* A pool that another one backs up, which follows. */
#define BACKED                                                                                               \
    "front_end_pools: [{fqdn: f.c.example, site: hq, backup_pool: g.c.example, media_edge: "                 \
    "e.c.example, " FE_M "}, {fqdn: g.c.example"
#define BRANCH                                                                                               \
    "front_end_pools: [{fqdn: f.c.example, site: hq, kind: branch_appliance, media_edge: e.c.example, "

struct row {
    const char *id, *path, *text;
};
static const struct row rows[] = {
    {"reference-to-nothing",                "partners/x.example/provider",
     BASE "partners: [{domain: x.example, provider: p}]"                                                                                                                                                             },
    {"reference-to-nothing",                "front_end_pools/f.c.example/media_edge",
     HEAD CENTRAL SITES EDGES "front_end_pools:\n"
                              "- {fqdn: f.c.example, site: hq, media_edge: n.c.example, " FE_M "}\n"                                                                                                                 },
    {"reference-to-nothing",                "edge_pools/g.c.example/adopts",
     HEAD CENTRAL SITES EDGES
     "- {fqdn: g.c.example, version: x, federation: true, access_edge: disabled, external_fqdn: "
     "x.c.example, next_hop: k.c.example, adopts: [n.c.example], " EDGE2_REST "}\n" FES KAM KAM_M "}]"                                                                                                               },
    {"no-site",                             "sites",                                                              HEAD CENTRAL                                                                                       },
    {"site-without-route",                  "sites/hq/federation_route",
     HEAD CENTRAL "sites: [{name: hq}]\n" EDGES FES PARTNER                                                                                                                                                          },
    {"route-without-federation",            "sites/hq/federation_route",
     HEAD CENTRAL SITES "edge_pools:\n- {fqdn: e.c.example, site: hq, " EDGE_M "}\n" FES                                                                                                                             },
    {"route-to-stopping-edge",              "sites/hq/federation_route",
     HEAD CENTRAL SITES
     "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: sip.c.example, "
     "access_edge: draining, next_hop: f.c.example, " EDGE_M "}\n" FES                                                                                                                                               },
    {"several-federating-edges",            "edge_pools",
     HEAD CENTRAL SITES EDGES
     "- {fqdn: g.c.example, federation: true, external_fqdn: g.ext.example, next_hop: f.c.example," EDGE2_REST
     "}\n" FES                                                                                                                                                                                                       },
    {"default-domain-missing",              "deployment/default_domain",                                          "schema: 1\n" REST                                                                                 },
    {"domain-listed-twice",                 "deployment/additional_domains",
     "schema: 1\ndeployment: {default_domain: c.example, additional_domains: [C.example]}\n" REST                                                                                                                    },
    {"domain-own-and-partner",              "partners/c.example",                                                 BASE "partners: [{domain: C.example}]"                                                             },
    {"partner-pin-and-provider",            "partners/x.example/provider",
     BASE "partners: [{domain: x.example, edge_fqdn: a.x.example, provider: p}]\n"
          "providers: [{name: p, edge_fqdn: p.example, enabled: true}]"                                                                                                                                              },
    {"provider-disabled",                   "partners/x.example/provider",
     BASE "partners: [{domain: x.example, provider: p}]\nproviders: [{name: p, edge_fqdn: p.example}]"                                                                                                               },
    {"provider-without-edge",               "providers/p/edge_fqdn",                                              BASE "providers: [{name: p, enabled: true}]"                                                       },
    {"central-missing",                     "central/machine",                                                    HEAD SITES EDGES FES                                                                               },
    {"central-machine-unknown",             "central/machine",
     HEAD "central: {machine: cms.c.example}\n" SITES EDGES FES                                                                                                                                                      },
    {"central-not-managed",                 "central/machine",
     HEAD "central: {machine: k1.c.example}\n" SITES EDGES FES KAM KAM_M "}]"                                                                                                                                        },
    {"central-in-perimeter",                "central/machine",                                                    HEAD "central: {machine: e1.c.example}\n" SITES EDGES FES                                          },
    {"dialog-keys-too-short",               "deployment/dialog_key_days",
     "schema: 1\ndeployment: {default_domain: c.example, dialog_key_days: 0}\n" REST                                                                                                                                 },
    {"attempts-too-long",                   "deployment/attempts_max",
     "schema: 1\ndeployment: {default_domain: c.example, attempts_max: 8}\n" REST                                                                                                                                    },
    {"connect-longer-than-attempt",         "deployment/connect_ms",
     "schema: 1\ndeployment: {default_domain: c.example, connect_ms: 6001}\n" REST                                                                                                                                   },
    {"dnssec-without-anchor",               "deployment/dnssec_anchor",
     "schema: 1\ndeployment: {default_domain: c.example, dnssec: true}\n" REST                                                                                                                                       },
    {"edge-without-machines",               "edge_pools/g.c.example/machines",
     HEAD CENTRAL SITES EDGES "- {fqdn: g.c.example, site: hq}\n" FES                                                                                                                                                },
    {"federation-without-external-name",    "edge_pools/e.c.example/external_fqdn",
     HEAD CENTRAL SITES
     "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, next_hop: f.c.example, " EDGE_M
     "}\n" FES                                                                                                                                                                                                       },
    {"federation-without-external-address", "edge_pools/e.c.example/machines/e1.c.example/external_address",
     HEAD CENTRAL SITES "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: "
                        "sip.c.example, next_hop: f.c.example, machines: [{fqdn: e1.c.example, "
                        "internal_address: 127.10.1.20}]}\n" FES                                                                                                                                                     },
    {"federation-without-next-hop",         "edge_pools/e.c.example/next_hop",
     HEAD CENTRAL SITES
     "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: sip.c.example, " EDGE_M
     "}\n" FES                                                                                                                                                                                                       },
    {"next-hop-version",                    "edge_pools/e.c.example/next_hop",
     HEAD CENTRAL SITES EDGES
     "front_end_pools:\n- {fqdn: f.c.example, version: 2010, site: hq, media_edge: e.c.example, " FE_M "}\n"                                                                                                         },
    {"pool-without-site",                   "front_end_pools/f.c.example/site",
     HEAD CENTRAL SITES EDGES "front_end_pools:\n- {fqdn: f.c.example, media_edge: e.c.example, " FE_M "}\n"                                                                                                         },
    {"pool-without-site",                   "edge_pools/e.c.example/site",
     HEAD CENTRAL SITES "edge_pools:\n- {fqdn: e.c.example, federation: true, external_fqdn: sip.c.example, "
                        "next_hop: f.c.example, " EDGE_M "}\n" FES                                                                                                                                                   },
    {"pool-without-media-edge",             "front_end_pools/f.c.example/media_edge",
     HEAD CENTRAL SITES EDGES "front_end_pools:\n- {fqdn: f.c.example, site: hq, " FE_M "}\n"                                                                                                                        },
    {"front-end-without-machines",          "front_end_pools/f.c.example/machines",
     HEAD CENTRAL SITES EDGES "front_end_pools:\n- {fqdn: f.c.example, site: hq, media_edge: e.c.example}\n"                                                                                                         },
    {"several-front-end-machines",          "front_end_pools/f.c.example/machines",
     HEAD CENTRAL SITES EDGES
     "front_end_pools:\n- {fqdn: f.c.example, site: hq, media_edge: e.c.example, machines: [{fqdn: "
     "f1.c.example, "
     "internal_address: 127.10.1.10}, {fqdn: f2.c.example, internal_address: 127.10.1.11}]}\n"                                                                                                                       },
    {"machine-without-address",             "front_end_pools/f.c.example/machines/f1.c.example/internal_address",
     HEAD CENTRAL SITES EDGES
     "front_end_pools:\n- {fqdn: f.c.example, site: hq, media_edge: e.c.example, machines: "
     "[{fqdn: f1.c.example}]}\n"                                                                                                                                                                                     },
    {"machine-without-address",             "edge_pools/g.c.example/machines/g1.c.example/internal_address",
     HEAD CENTRAL SITES EDGES "- {fqdn: g.c.example, site: hq, machines: [{fqdn: g1.c.example}]}\n" FES                                                                                                              },
    {"foreign-pool-not-mutual-tls",         "foreign_pools/k.c.example/transport",
     BASE KAM "transport: udp, " KAM_M "}]"                                                                                                                                                                          },
    {"foreign-pool-without-address",        "foreign_pools/k.c.example/machines",                                 BASE KAM "site: hq}]"                                                                              },
    {"foreign-pool-without-address",        "foreign_pools/k.c.example/machines/k1.c.example/internal_address",
     BASE KAM "machines: [{fqdn: k1.c.example}]}]"                                                                                                                                                                   },
    {"expires-out-of-order",                "front_end_pools/f.c.example/default_expires",
     HEAD CENTRAL SITES EDGES
     "front_end_pools:\n- {fqdn: f.c.example, site: hq, media_edge: e.c.example, min_expires: 3601, " FE_M
     "}\n"                                                                                                                                                                                                           },
    {"adopts-itself",                       "edge_pools/e.c.example/adopts",
     HEAD CENTRAL SITES
     "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: sip.c.example, adopts: "
     "[e.c.example], next_hop: f.c.example, " EDGE_M "}\n" FES                                                                                                                                                       },
    {"adopts-in-a-circle",                  "edge_pools/g.c.example/adopts",
     HEAD CENTRAL SITES
     "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: sip.c.example, adopts: "
     "[g.c.example], next_hop: f.c.example, " EDGE_M
     "}\n- {fqdn: g.c.example, adopts: [e.c.example], federation: "
     "true, external_fqdn: g.ext.example, access_edge: disabled, next_hop: f.c.example, " EDGE2_REST
     "}\n" FES                                                                                                                                                                                                       },
    {"adopter-not-federating",              "edge_pools/g.c.example/federation",
     HEAD CENTRAL SITES EDGES "- {fqdn: g.c.example, adopts: [e.c.example]," EDGE2_REST "}\n" FES                                                                                                                    },
    {"adopted-names-unserved",              "edge_pools/g.c.example/access_edge",
     HEAD CENTRAL SITES EDGES "- {fqdn: g.c.example, adopts: [o.c.example], federation: true, external_fqdn: "
                              "g.ext.example, access_edge: "
                              "disabled, next_hop: f.c.example, " EDGE2_REST
                              "}\n- {fqdn: o.c.example, site: hq, access_edge: disabled, "
                              "machines: [{fqdn: o1.c.example, internal_address: 127.10.1.31}]}\n" FES                                                                                                               },
    {"name-used-twice",                     "front_end_pools/f.c.example/machines/e.c.example",
     HEAD CENTRAL SITES EDGES "front_end_pools:\n- {fqdn: f.c.example, site: hq, media_edge: e.c.example, "
                              "machines: [{fqdn: e.c.example, "
                              "internal_address: 127.10.1.10}]}\n"                                                                                                                                                   },
    {"name-used-twice",                     "edge_pools/e.c.example/external_fqdn",
     HEAD CENTRAL SITES
     "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: e1.c.example, next_hop: "
     "f.c.example, " EDGE_M "}\n" FES                                                                                                                                                                                },
    {"name-used-twice",                     "edge_pools/g.c.example/external_fqdn",
     HEAD CENTRAL SITES EDGES
     "- {fqdn: g.c.example, federation: true, access_edge: disabled, external_fqdn: SIP.c.example, next_hop: "
     "f.c.example," EDGE2_REST "}\n" FES                                                                                                                                                                             },
    {"name-used-twice",                     "foreign_pools/k.c.example/machines/k.c.example",
     BASE KAM
     "machines: [{fqdn: k.c.example, internal_address: 127.10.1.40}, {fqdn: k1.c.example, internal_address: "
     "127.10.1.41}]}]"                                                                                                                                                                                               },
    {"name-used-twice",                     "central/machine",
     HEAD "central: {machine: f.c.example, internal_address: 127.10.1.5}\n" SITES EDGES FES                                                                                                                          },
    {"edge-machine-elsewhere",              "edge_pools/e.c.example/machines/e1.c.example",
     BASE KAM "machines: [{fqdn: e1.c.example, internal_address: 127.10.1.40}]}]"                                                                                                                                    },
    {"address-clash",                       "front_end_pools/f.c.example/machines/f1.c.example/internal_address",
     HEAD CENTRAL SITES EDGES "front_end_pools:\n- {fqdn: f.c.example, site: hq, media_edge: e.c.example, "
                              "replica_port: 4444, machines: "
                              "[{fqdn: f1.c.example, internal_address: 127.10.1.20}]}\n"                                                                                                                             },
    {"address-clash",                       "central/internal_address",
     HEAD "central: {machine: cms.c.example, internal_address: 127.10.1.20}\n" SITES EDGES FES                                                                                                                       },
    {"address-clash",                       "edge_pools/e.c.example/machines/e1.c.example/internal_address",
     HEAD CENTRAL SITES
     "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: sip.c.example, next_hop: "
     "f.c.example, replica_port: 5061, " EDGE_M "}\n" FES                                                                                                                                                            },
    {"edge-sides-share-address",            "edge_pools/g.c.example/machines/g1.c.example/external_address",
     HEAD CENTRAL SITES EDGES
     "- {fqdn: g.c.example, site: hq, machines: [{fqdn: g1.c.example, internal_address: "
     "127.10.1.30, external_address: 127.10.1.30}]}\n" FES                                                                                                                                                           },
    {"dns-views-half-set",                  "deployment/inside_dns_servers",
     "schema: 1\ndeployment: {name: c, default_domain: c.example, outside_dns_servers: [127.0.0.9]}\n" REST                                                                                                          },
    {"xmpp-negotiation-impossible",         "xmpp_partners/x.example/dialback",
     BASE "xmpp_partners: [{domain: x.example, sasl: not_supported, dialback: false}]"                                                                                                                               },
    {"xmpp-negotiation-impossible",         "xmpp_partners/x.example/dialback",
     BASE "xmpp_partners: [{domain: x.example, tls: not_supported, sasl: not_supported, dialback: false}]"                                                                                                           },
    {"xmpp-sasl-without-tls",               "xmpp_partners/x.example/sasl",
     BASE "xmpp_partners: [{domain: x.example, tls: not_supported, sasl: optional}]"                                                                                                                                 },
    {"xmpp-not-encrypted",                  "xmpp_partners/x.example/tls",
     BASE "xmpp_partners: [{domain: x.example, tls: optional}]"                                                                                                                                                      },
    {"xmpp-domain-own",                     "xmpp_partners/x.example",
     BASE "xmpp_partners: [{domain: x.example, additional_domains: [c.example]}]"                                                                                                                                    },
    {"xmpp-domain-twice",                   "xmpp_partners/y.example",
     BASE "xmpp_partners: [{domain: x.example, additional_domains: [y.example]}, {domain: y.example}]"                                                                                                               },
    {"xmpp-domain-also-sip",                "xmpp_partners/fabrikam.example",
     BASE PARTNER "xmpp_partners: [{domain: fabrikam.example}]"                                                                                                                                                      },
    {"xmpp-partners-without-edge",          "xmpp_partners",                                                      BASE "xmpp_partners: [{domain: x.example}]"                                                        },
    {"xmpp-for-nobody",                     "external_access_policies",                                           BASE "xmpp_partners: [{domain: x.example}]"                                                        },
    {"simple-url-malformed",                "simple_urls/m/url",                                                  BASE "simple_urls: [{name: m, url: meet.c.example}]"                                               },
    {"simple-url-malformed",                "simple_urls/m/url",                                                  BASE "simple_urls: [{name: m, url: 'https://meet/x'}]"                                             },
    {"simple-url-domain-not-own",           "simple_urls/m/domain",
     BASE "simple_urls: [{name: m, domain: d.example, url: 'https://meet.d.example'}]"                                                                                                                               },
    {"simple-url-twice",                    "simple_urls/n/active",
     BASE "simple_urls: [{name: m, url: 'https://meet.c.example'}, {name: n, url: 'https://m.c.example'}]"                                                                                                           },
    {"backup-pool-itself",                  "front_end_pools/f.c.example/backup_pool",
     HEAD CENTRAL SITES EDGES "front_end_pools: [{fqdn: f.c.example, site: hq, backup_pool: f.c.example, "
                              "media_edge: e.c.example, " FE_M "}]"                                                                                                                                                  },
    {"backup-pool-not-mutual",              "front_end_pools/g.c.example/backup_pool",
     HEAD CENTRAL SITES EDGES BACKED ", site: hq, media_edge: e.c.example, " G_M "}]"                                                                                                                                },
    {"backup-pool-unlike",                  "front_end_pools/f.c.example/backup_pool",
     HEAD CENTRAL SITES EDGES BACKED
     ", kind: standard, backup_pool: f.c.example, site: hq, media_edge: e.c.example, " G_M "}]"                                                                                                                      },
    {"branch-pool-without-home",            "front_end_pools/f.c.example/backup_pool",
     HEAD CENTRAL SITES EDGES BRANCH FE_M "}]"                                                                                                                                                                       },
    {"branch-pool-out-of-place",            "front_end_pools/f.c.example/site",
     HEAD CENTRAL SITES EDGES BRANCH FE_M "}]"                                                                                                                                                                       },
    {"branch-pool-several-machines",        "front_end_pools/f.c.example/machines",
     HEAD CENTRAL SITES EDGES BRANCH "machines: [{fqdn: f1.c.example, internal_address: 127.10.1.10}, {fqdn: "
                                     "f2.c.example, internal_address: 127.10.1.11}]}]"                                                                                                                               },
    {"web-name-shared",                     "front_end_pools/f.c.example/web_fqdn",
     HEAD CENTRAL SITES EDGES
     "front_end_pools: [{fqdn: f.c.example, site: hq, media_edge: e.c.example, web_fqdn: "
     "w.c.example, " FE_M "}]\ndirector_pools: [{fqdn: d.c.example, web_fqdn: w.c.example}]"                                                                                                                         },
    {"port-out-of-place",                   "edge_pools/e.c.example/federation_port",
     HEAD CENTRAL SITES
     "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: sip.c.example, next_hop: "
     "f.c.example, federation_port: 5070, " EDGE_M "}\n" FES                                                                                                                                                         },
    {"port-out-of-place",                   "front_end_pools/f.c.example/client_tcp_port",
     HEAD CENTRAL SITES EDGES "front_end_pools:\n- {fqdn: f.c.example, site: hq, media_edge: e.c.example, "
                              "client_tcp_port: 5061, sip_port: "
                              "5062, " FE_M "}\n"                                                                                                                                                                    },
    {"port-out-of-place",                   "foreign_pools/k.c.example/port",                                     BASE KAM "port: 5060, " KAM_M "}]"                                                                 },
    {"branch-without-parent",               "sites/b/parent",
     HEAD CENTRAL "sites: [{name: hq, federation_route: e.c.example}, {name: b, kind: branch}]\n" EDGES FES                                                                                                          },
    {"parent-not-central",                  "sites/d/parent",
     HEAD CENTRAL "sites: [{name: hq, federation_route: e.c.example}, {name: b, kind: branch, parent: hq}, "
                  "{name: d, kind: branch, parent: b}]\n" EDGES FES                                                                                                                                                  },
    {"central-with-parent",                 "sites/b/parent",
     HEAD CENTRAL "sites: [{name: hq, federation_route: e.c.example}, {name: b, parent: hq}]\n" EDGES FES                                                                                                            },
    {"site-without-pools",                  "sites/b",
     HEAD CENTRAL "sites: [{name: hq, federation_route: e.c.example}, {name: b}]\n" EDGES FES                                                                                                                        },
    {"sites-route-apart",                   "sites/b/federation_route",
     HEAD CENTRAL
     "sites: [{name: hq, federation_route: e.c.example}, {name: b, federation_route: g.c.example}]\n" EDGES
         EDGE2 FES                                                                                                                                                                                                   },
    {"route-for-all-contradicted",          "sites/b/federation_route",
     HEAD CENTRAL "sites: [{name: hq, federation_route: e.c.example, route_for_all: true}, {name: b, "
                  "federation_route: g.c.example}]\n" EDGES EDGE2 FES                                                                                                                                                },
    {"route-for-all-empty",                 "sites/b/route_for_all",
     HEAD CENTRAL
     "sites: [{name: hq, federation_route: e.c.example}, {name: b, route_for_all: true}]\n" EDGES FES                                                                                                                },
    {"xmpp-route-without-xmpp",             "sites/hq/xmpp_route",
     HEAD CENTRAL "sites: [{name: hq, federation_route: e.c.example, xmpp_route: e.c.example}]\n" EDGES FES                                                                                                          },
    {"xmpp-without-route",                  "edge_pools/e.c.example/xmpp",
     HEAD CENTRAL SITES EDGE_WITH("xmpp: true, xmpp_gateway: enabled") FES                                                                                                                                           },
    {"xmpp-without-gateway",                "edge_pools/e.c.example/xmpp_gateway",
     HEAD CENTRAL "sites: [{name: hq, federation_route: e.c.example, xmpp_route: e.c.example}]\n" EDGE_WITH(
         "xmpp: true") FES                                                                                                                                                                                           },
    {"several-xmpp-edges",                  "edge_pools/g.c.example/xmpp",
     HEAD CENTRAL "sites: [{name: hq, federation_route: e.c.example, xmpp_route: e.c.example}]\n" EDGE_WITH(
         "xmpp: true") "- {fqdn: g.c.example, xmpp: true, " EDGE2_REST "}\n" FES                                                                                                                                     },
    {"xmpp-leaves-legacy-users",            "edge_pools/e.c.example/xmpp",
     HEAD CENTRAL "sites: [{name: hq, federation_route: e.c.example, xmpp_route: e.c.example}]\n" EDGE_WITH(
         "xmpp: true, xmpp_gateway: enabled") FES
     "- {fqdn: o.c.example, version: 2010, managed: false, site: hq, media_edge: e.c.example, machines: "
     "[{fqdn: o1.c.example, internal_address: 127.10.1.60}]}\n"                                                                                                                                                      },
    {"single-external-name",                "edge_pools/e.c.example/external_fqdn",
     HEAD CENTRAL SITES EDGE_WITH("conf_fqdn: sip.c.example, av_fqdn: sip.c.example") FES                                                                                                                            },
    {"external-port-clash",                 "edge_pools/e.c.example/av_tcp_port",
     HEAD CENTRAL SITES EDGE_WITH("conf_fqdn: m.c.example, av_fqdn: m.c.example") FES                                                                                                                                },
    {"external-port-clash",                 "edge_pools/e.c.example/conf_port",
     HEAD CENTRAL SITES EDGE_WITH("conf_fqdn: sip.c.example") FES                                                                                                                                                    },
    {"service-without-name",                "edge_pools/e.c.example/conf_fqdn",
     HEAD CENTRAL SITES EDGE_WITH("conf_edge: enabled") FES                                                                                                                                                          },
    {"service-without-name",                "edge_pools/e.c.example/av_fqdn",
     HEAD CENTRAL SITES EDGE_WITH("av_edge: draining") FES                                                                                                                                                           },
    {"service-without-address",             "edge_pools/e.c.example/machines/e1.c.example/av_address",
     HEAD CENTRAL SITES EDGE_WITH("av_edge: enabled, av_fqdn: av.c.example") FES                                                                                                                                     },
    {"nat-without-address",                 "edge_pools/e.c.example/machines/e1.c.example/nat_address",
     HEAD CENTRAL SITES EDGE_WITH("nat: true") FES                                                                                                                                                                   },
    {"nat-address-unused",                  "edge_pools/e.c.example/machines/e1.c.example/nat_address",
     HEAD CENTRAL SITES
     "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: sip.c.example, next_hop: "
     "f.c.example, machines: [{fqdn: e1.c.example, internal_address: 127.10.1.20, external_address: "
     "127.10.2.20, nat_address: 192.0.2.1}]}\n" FES                                                                                                                                                                  },
    {"nat-address-not-public",              "edge_pools/e.c.example/machines/e1.c.example/nat_address",
     HEAD CENTRAL SITES
     "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: sip.c.example, next_hop: "
     "f.c.example, nat: true, machines: [{fqdn: e1.c.example, internal_address: 127.10.1.20, "
     "external_address: 127.10.2.20, nat_address: 172.31.0.1}]}\n" FES                                                                                                                                               },
    {"nat-address-not-public",              "edge_pools/e.c.example/machines/e1.c.example/nat_address",
     HEAD CENTRAL SITES
     "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: sip.c.example, next_hop: "
     "f.c.example, nat: true, machines: [{fqdn: e1.c.example, internal_address: 127.10.1.20, "
     "external_address: 127.10.2.20, nat_address6: 'fd00::1'}]}\n" FES                                                                                                                                               },
    {"nat-with-hardware-balancing",         "edge_pools/e.c.example/nat",
     HEAD CENTRAL SITES "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: "
                        "sip.c.example, next_hop: f.c.example, nat: true, internal_balancing: hardware, "
                        "external_balancing: hardware, machines: [{fqdn: e1.c.example, internal_address: "
                        "127.10.1.20, external_address: 192.0.2.2, nat_address: 192.0.2.1}]}\n" FES                                                                                                                  },
    {"mixed-load-balancing",                "edge_pools/e.c.example/external_balancing",
     HEAD CENTRAL SITES EDGE_WITH("internal_balancing: hardware") FES                                                                                                                                                },
    {"balanced-address-not-public",         "edge_pools/e.c.example/machines/e1.c.example",
     HEAD CENTRAL SITES
     "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: sip.c.example, next_hop: "
     "f.c.example, internal_balancing: hardware, external_balancing: hardware, machines: [{fqdn: "
     "e1.c.example, internal_address: 127.10.1.20, external_address: 10.1.1.1}]}\n" FES                                                                                                                              },
    {"media-range-overflow",                "edge_pools/e.c.example/media_port_count",
     HEAD CENTRAL SITES EDGE_WITH("media_port_count: 15537") FES                                                                                                                                                     },
    {"media-range-holds-port",              "edge_pools/e.c.example/media_port_start",
     HEAD CENTRAL SITES EDGE_WITH("media_port_start: 3000") FES                                                                                                                                                      },
    {"address-of-other-family",             "edge_pools/e.c.example/machines/e1.c.example/internal_address6",
     HEAD CENTRAL SITES
     "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: sip.c.example, next_hop: "
     "f.c.example, machines: [{fqdn: e1.c.example, internal_address: 127.10.1.20, external_address: "
     "127.10.2.20, internal_address6: 127.10.1.21}]}\n" FES                                                                                                                                                          },
    {"address-unusable",                    "edge_pools/e.c.example/machines/e1.c.example/external_address",
     HEAD CENTRAL SITES "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: "
                        "sip.c.example, next_hop: f.c.example, machines: [{fqdn: e1.c.example, "
                        "internal_address: 127.10.1.20, external_address: 0.0.0.0}]}\n" FES                                                                                                                          },
    {"address-unusable",                    "edge_pools/e.c.example/machines/e1.c.example/external_address6",
     HEAD CENTRAL SITES
     "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: sip.c.example, next_hop: "
     "f.c.example, machines: [{fqdn: e1.c.example, internal_address: 127.10.1.20, external_address: "
     "127.10.2.20, external_address6: 'ff02::1'}]}\n" FES                                                                                                                                                            },
    {"external-address-inside",             "front_end_pools/f.c.example/machines/f1.c.example/external_address",
     HEAD CENTRAL SITES EDGES
     "front_end_pools: [{fqdn: f.c.example, site: hq, media_edge: e.c.example, machines: [{fqdn: "
     "f1.c.example, internal_address: 127.10.1.10, external_address: 127.10.2.10}]}]\n"                                                                                                                              },
    {"external-name-without-domain",        "edge_pools/e.c.example/av_fqdn",
     HEAD CENTRAL SITES EDGE_WITH("av_fqdn: av") FES                                                                                                                                                                 },
    {"name-without-domain",                 "foreign_pools/k",                                                    BASE "foreign_pools: [{fqdn: k, " KAM_M "}]"                                                       },
    {"name-without-domain",                 "foreign_pools/k.c.example/machines/k1",
     BASE KAM "machines: [{fqdn: k1, internal_address: 127.10.1.40}]}]"                                                                                                                                              },
    {"external-name-not-public",            "edge_pools/e.c.example/conf_fqdn",
     HEAD CENTRAL SITES EDGE_WITH("conf_fqdn: conf.corp.local") FES                                                                                                                                                  },
    {"srv-target-outside-domain",           "edge_pools/e.c.example/external_fqdn",
     "schema: 1\ndeployment: {default_domain: c.example, additional_domains: [d.example]}\n" REST                                                                                                                    },
    {"srv-target-outside-domain",           "edge_pools/e.c.example/external_fqdn",
     "schema: 1\ndeployment: {default_domain: p.c.example}\n" REST                                                                                                                                                   },
    {"partner-edge-is-ours",                "partners/x.example/edge_fqdn",
     BASE "partners: [{domain: x.example, edge_fqdn: sip.c.example}]"                                                                                                                                                },
    {"partner-edge-is-ours",                "providers/p/edge_fqdn",                                              BASE "providers: [{name: p, edge_fqdn: e1.c.example}]"                                             },
    {"provider-edge-twice",                 "providers/q/edge_fqdn",
     BASE "providers: [{name: p, edge_fqdn: a.example}, {name: q, edge_fqdn: A.example}]"                                                                                                                            },
    {"blocked-partner-with-settings",       "partners/x.example/policy",
     BASE "partners: [{domain: x.example, policy: blocked, monitored: true}]"                                                                                                                                        },
    {"partner-without-domain",              "partners/fabrikam/domain",                                           BASE "partners: [{domain: fabrikam}]"                                                              },
    {"shared-address-space-twice",          "providers/q/shared_address_space",
     BASE "providers: [{name: p, shared_address_space: true}, {name: q, shared_address_space: true}]"                                                                                                                },
    {"split-domain-provider-disabled",      "providers/p/enabled",
     BASE "providers: [{name: p, shared_address_space: true}]"                                                                                                                                                       },
    {"default-route-missing",               "access_edge/default_route",                                          BASE "access_edge: {routing: default_route}"                                                       },
    {"default-route-unused",                "access_edge/default_route",                                          BASE "access_edge: {default_route: hub.example}"                                                   },
    {"default-route-with-providers",        "providers/p/enabled",
     BASE "access_edge: {routing: default_route, default_route: hub.example}\nproviders: [{name: p, "
          "edge_fqdn: a.example, enabled: true}]"                                                                                                                                                                    },
    {"user-replicator-on",                  "access_edge/user_replicator",                                        BASE "access_edge: {user_replicator: true}"                                                        },
    {"federated-users-off",                 "access_edge/federated_users",
     BASE PARTNER "access_edge: {federated_users: false}"                                                                                                                                                            },
    {"discovery-unlimited",                 "access_edge/limit_discovered_contacts",
     "schema: 1\ndeployment: {default_domain: c.example, partner_discovery: true}\n" REST
     "access_edge: {limit_discovered_contacts: false}"                                                                                                                                                               },
    {"pin-key-malformed",                   "partners/x.example/pin_key",
     BASE "partners: [{domain: x.example, pin_key: 0123456789abcdef}]"                                                                                                                                               },
    {"pin-key-malformed",                   "providers/p/pin_key",
     BASE "providers: [{name: p, edge_fqdn: a.example, pin_key: sha256}]"                                                                                                                                            },
    {"crls-not-checked",                    "access_edge/check_crls",                                             BASE "access_edge: {check_crls: false}"                                                            },
    {"anonymous-without-outside",           "access_edge/anonymous_users",
     BASE "access_edge: {anonymous_users: true, outside_users: false}"                                                                                                                                               },
    {"policy-without-switch",               "external_access_policies/global/outside_access",
     BASE
     "access_edge: {outside_users: false}\nexternal_access_policies: [{name: global, outside_access: true}]"                                                                                                         },
    {"policy-without-switch",               "external_access_policies/global/federation",
     BASE "access_edge: {federated_users: false}\nexternal_access_policies: [{name: global}]"                                                                                                                        },
    {"policy-xmpp-without-edge",            "external_access_policies/global/xmpp",
     BASE "external_access_policies: [{name: global, xmpp: true}]"                                                                                                                                                   },
    {"policy-domain-not-own",               "external_access_policies/a/users",
     BASE "external_access_policies: [{name: a, users: [alice@x.example]}]"                                                                                                                                          },
    {"policy-domain-not-own",               "external_access_policies/a/domains",
     BASE "external_access_policies: [{name: a, domains: [x.example]}]"                                                                                                                                              },
    {"policy-assigned-twice",               "external_access_policies/b/users",
     BASE
     "external_access_policies: [{name: a, users: [alice@c.example]}, {name: b, users: [Alice@c.example]}]"                                                                                                          },
    {"policy-assigned-twice",               "external_access_policies/b/sites",
     BASE "external_access_policies: [{name: a, sites: [hq]}, {name: b, sites: [hq]}]"                                                                                                                               },
    {"policy-assigned-to-nobody",           "external_access_policies/a",                                         BASE "external_access_policies: [{name: a}]"                                                       },
    {"public-cloud-av-alone",               "external_access_policies/global/public_cloud_av",
     BASE "external_access_policies: [{name: global, public_cloud_av: true}]"                                                                                                                                        },
    {"reference-to-nothing",                "external_access_policies/a/sites",
     BASE "external_access_policies: [{name: a, sites: [n]}]"                                                                                                                                                        },
    {"standard-pool-several-machines",      "front_end_pools/f.c.example/machines",
     HEAD CENTRAL SITES EDGES "front_end_pools: [{fqdn: f.c.example, site: hq, media_edge: e.c.example, "
                              "kind: standard, machines: [{fqdn: f.c.example, internal_address: "
                              "127.10.1.10}, {fqdn: f2.c.example, internal_address: 127.10.1.11}]}]\n"                                                                                                               },
    {"standard-pool-name",                  "front_end_pools/f.c.example/kind",
     HEAD CENTRAL SITES EDGES
     "front_end_pools: [{fqdn: f.c.example, site: hq, media_edge: e.c.example, kind: standard, machines: "
     "[{fqdn: f1.c.example, internal_address: 127.10.1.10}]}]\n"                                                                                                                                                     },
    {"edge-pool-large",                     "edge_pools/e.c.example/machines",
     HEAD CENTRAL SITES
     "edge_pools: [{fqdn: e.c.example, site: hq, machines: [{fqdn: e0.c.example}, {fqdn: e1.c.example}, "
     "{fqdn: e2.c.example}, {fqdn: e3.c.example}, {fqdn: e4.c.example}, {fqdn: e5.c.example}, {fqdn: "
     "e6.c.example}, {fqdn: e7.c.example}, {fqdn: e8.c.example}, {fqdn: e9.c.example}, {fqdn: "
     "e10.c.example}, {fqdn: e11.c.example}, {fqdn: e12.c.example}]}]\n" FES                                                                                                                                         },
    {"pool-without-machines",               "director_pools/d.c.example/machines",
     BASE "director_pools: [{fqdn: d.c.example, site: hq, next_hop: f.c.example}]\n"                                                                                                                                 },
    {"pool-without-machines",               "mediation_pools/m.c.example/machines",
     BASE "mediation_pools: [{fqdn: m.c.example, site: hq}]"                                                                                                                                                         },
    {"pool-without-machines",               "trusted_application_pools/a.c.example/machines",
     BASE "trusted_application_pools: [{fqdn: a.c.example, site: hq}]"                                                                                                                                               },
    {"director-without-next-hop",           "director_pools/d.c.example/next_hop",
     BASE "director_pools: [{fqdn: d.c.example, site: hq, machines: [{fqdn: d1.c.example, internal_address: "
          "127.10.1.70}]}]\n"                                                                                                                                                                                        },
    {"director-unused",                     "director_pools/d.c.example",
     BASE "director_pools: [{fqdn: d.c.example, site: hq, managed: false, next_hop: f.c.example, machines: "
          "[{fqdn: d1.c.example, internal_address: 127.10.1.70}]}]\n"                                                                                                                                                },
    {"director-not-served",                 "director_pools/d.c.example/managed",
     BASE "director_pools: [{fqdn: d.c.example, site: hq, next_hop: f.c.example, machines: [{fqdn: "
          "d1.c.example, internal_address: 127.10.1.70}]}]\n"                                                                                                                                                        },
    {"next-hop-version",                    "edge_pools/e.c.example/next_hop",
     HEAD CENTRAL SITES
     "edge_pools: [{fqdn: e.c.example, site: hq, federation: true, external_fqdn: sip.c.example, next_hop: "
     "d.c.example, " EDGE_M "}]\n" FES
     "director_pools: [{fqdn: d.c.example, version: 2010, managed: false, site: hq, next_hop: f.c.example, "
     "machines: [{fqdn: d1.c.example, internal_address: 127.10.1.70}]}]"                                                                                                                                             },
    {"mediation-without-next-hop",          "mediation_pools/m.c.example/next_hop",
     BASE "mediation_pools: [{fqdn: m.c.example, site: hq, machines: [{fqdn: m1.c.example, internal_address: "
          "127.10.1.71}]}]\n"                                                                                                                                                                                        },
    {"pool-without-media-edge",             "mediation_pools/m.c.example/media_edge",
     BASE "mediation_pools: [{fqdn: m.c.example, site: hq, machines: [{fqdn: m1.c.example, internal_address: "
          "127.10.1.71}]}]\n"                                                                                                                                                                                        },
    {"reference-to-nothing",                "mediation_pools/m.c.example/next_hop",
     BASE "mediation_pools: [{fqdn: m.c.example, site: hq, machines: [{fqdn: m1.c.example, internal_address: "
          "127.10.1.71}], next_hop: k.c.example}]\n"                                                                                                                                                                 },
    {"application-without-next-hop",        "trusted_application_pools/a.c.example/next_hop",
     BASE "trusted_application_pools: [{fqdn: a.c.example, site: hq, machines: [{fqdn: a1.c.example}]}]"                                                                                                             },
    {"machine-without-address",
     "trusted_application_pools/a.c.example/machines/a1.c.example/internal_address",                              BASE "trusted_application_pools: [{fqdn: a.c.example, site: hq, machines: [{fqdn: a1.c.example}]}]"},
    {"pool-without-site",                   "trusted_application_pools/a.c.example/site",
     BASE "trusted_application_pools: [{fqdn: a.c.example}]"                                                                                                                                                         },
    {"edge-pool-unused",                    "edge_pools/g.c.example",                                             HEAD CENTRAL SITES EDGES EDGE2 FES                                                                 },
    {"media-edge-without-av",               "front_end_pools/f.c.example/media_edge",
     HEAD CENTRAL SITES EDGES "- {fqdn: g.c.example, av_edge: enabled, av_fqdn: av.c.example, " EDGE2_REST
                              "}\n" FES                                                                                                                                                                              },
    {"media-left-behind",                   "front_end_pools/f.c.example/media_edge",
     HEAD CENTRAL "sites: [{name: hq, federation_route: g.c.example}]\n"
                  "edge_pools:\n- {fqdn: e.c.example, version: 2010, site: hq, " EDGE_M "}\n" EDGE2 FES                                                                                                              },
    {"three-versions",                      "front_end_pools/o.c.example/version",
     HEAD CENTRAL SITES EDGE_WITH("version: 2010") FES "- {fqdn: o.c.example, version: 2013}\n"                                                                                                                      },
    {"version-unknown",                     "edge_pools/e.c.example/version",                                     HEAD CENTRAL SITES EDGE_WITH("version: x") FES                                                     },
    {"edge-2007-authorizes",                "edge_pools/e.c.example/version",
     HEAD CENTRAL SITES EDGE_WITH("version: 2007R2") FES                                                                                                                                                             },
    {"central-address-unused",              "central/internal_address",
     HEAD "central: {machine: f1.c.example, internal_address: 127.10.1.10}\n" SITES EDGES FES                                                                                                                        },
    {"port-out-of-place",                   "edge_pools/e.c.example/xmpp_port",
     HEAD CENTRAL SITES EDGE_WITH("xmpp: true, xmpp_port: 5270") FES                                                                                                                                                 },
    {"name-used-twice",                     "front_end_pools/f.c.example/machines/f1.c.example",
     HEAD CENTRAL SITES EDGE_WITH("av_fqdn: f1.c.example") FES                                                                                                                                                       },
    {"address-clash",                       "edge_pools/e.c.example/machines/e1.c.example/av_address",
     HEAD CENTRAL SITES
     "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: sip.c.example, next_hop: "
     "f.c.example, av_edge: enabled, av_fqdn: av.c.example, machines: [{fqdn: e1.c.example, "
     "internal_address: 127.10.1.20, external_address: 127.10.2.20, av_address: 127.10.2.20}]}\n" FES                                                                                                                },
    {"address-clash",                       "edge_pools/e.c.example/machines/e1.c.example/internal_address",
     HEAD CENTRAL SITES "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: "
                        "sip.c.example, next_hop: f.c.example, av_edge: enabled, av_fqdn: av.c.example, "
                        "av_auth_port: 443, machines: [{fqdn: e1.c.example, internal_address: 127.10.1.20, "
                        "external_address: 127.10.2.20, av_address: 127.10.2.21}]}\n" FES                                                                                                                            },
    {"address-clash",                       "edge_pools/e.c.example/machines/e1.c.example/av_address6",
     HEAD CENTRAL SITES
     "edge_pools:\n- {fqdn: e.c.example, site: hq, federation: true, external_fqdn: sip.c.example, next_hop: "
     "f.c.example, av_edge: enabled, av_fqdn: av.c.example, conf_edge: enabled, conf_fqdn: conf.c.example, "
     "machines: [{fqdn: e1.c.example, internal_address: 127.10.1.20, external_address: 127.10.2.20, "
     "av_address6: '2001:db8::1', conf_address6: '2001:db8::1'}]}\n" FES                                                                                                                                             },
    {"address-clash",                       "edge_pools/e.c.example/machines/e1.c.example/external_address",
     HEAD CENTRAL "sites: [{name: hq, federation_route: e.c.example, xmpp_route: e.c.example}]\n" EDGE_WITH(
         "xmpp: true, xmpp_gateway: enabled, xmpp_port: 5061") FES                                                                                                                                                   },
    {"address-clash",                       "mediation_pools/m.c.example/machines/m1.c.example/internal_address",
     BASE "mediation_pools: [{fqdn: m.c.example, sip_port: 5061, machines: [{fqdn: m1.c.example, "
          "internal_address: 127.10.1.10}]}]"                                                                                                                                                                        },
};
