#include "kept/topology/path.h"

#include "ground/base/mem.h"
#include "ground/base/test.h"
#include "kept/topology/example_for_test.h"

#include <errno.h>
#include <time.h>

/* --- DNS as a table --- */
struct row {
    const char *name;
    uint16_t type, priority, port;
    const char *data; /* address, or target */
};
struct zone {
    const struct row *rows;
    size_t n;
    int error;
};

static int ask(void *arg, struct slice name, uint16_t type, struct arena *a, struct dns_record **ret,
               size_t *ret_n, struct slice *ret_why)
{
    const struct zone *z = arg;
    size_t n = 0;
    *ret_why = SLICE("no answer");
    if (z->error)
        return z->error;
    *ret = ARENA_ARRAY(a, struct dns_record, z->n + 1);
    for (size_t i = 0; i < z->n; i++) {
        const struct row *r = &z->rows[i];
        struct net_addr addr;
        if (r->type != type || !slice_caseeq(name, slice_str(r->name)))
            continue;
        struct dns_record *to = &(*ret)[n++];
        to->type = type;
        if (type == DNS_SRV) {
            to->srv.priority = r->priority;
            to->srv.port = r->port;
            to->srv.target = slice_str(r->data);
        } else if (net_addr_parse(slice_str(r->data), 0, &addr) == 0) {
            to->address = arena_copy(a, type == DNS_A ? slice_mem(&addr.in4.sin_addr, 4)
                                                      : slice_mem(&addr.in6.sin6_addr, 16));
        }
    }
    *ret_n = n;
    return 0;
}

static const struct row good_zone[] = {
    {"_sipfederationtls._tcp.contoso.example",  DNS_SRV,  0,  5061, "sip.contoso.example"  },
    {"sip.contoso.example",                     DNS_A,    0,  0,    "127.10.2.20"          },
    {"_sipfederationtls._tcp.fabrikam.example", DNS_SRV,  20, 5061, "sip2.fabrikam.example"},
    {"_sipfederationtls._tcp.fabrikam.example", DNS_SRV,  10, 5071, "sip.fabrikam.example" },
    {"sip.fabrikam.example",                    DNS_A,    0,  0,    "192.0.2.1"            },
    {"sip2.fabrikam.example",                   DNS_AAAA, 0,  0,    "2001:db8::2"          },
};
enum { GOOD_ROWS = sizeof(good_zone) / sizeof(good_zone[0]) };

struct found {
    struct topology *t;
    struct arena a;
    struct path p;
    struct slice why;
    int r;
};

static void find(struct found *f, const char *text, const struct zone *z, const char *from, const char *to)
{
    struct path_dns dns = {ask, (void *)(uintptr_t)z};
    *f = (struct found){.t = parse_good(text)};
    f->r =
        path_find(f->t, z ? &dns : NULL, slice_str(from), slice_str(to), SLICE_NONE, &f->a, &f->p, &f->why);
}

static void found_fini(struct found *f)
{
    arena_fini(&f->a);
    topology_unref(f->t);
}

static void check_hop(const struct path_hop *h, const char *to, const char *first, enum path_state state)
{
    CHECK_STR(h->to, to);
    CHECK_STR(h->n_addresses ? h->addresses[0].endpoint : SLICE(""), first);
    CHECK_INT(h->state, state);
}

TEST(both_directions_with_dns)
{
    struct zone z = {good_zone, GOOD_ROWS, 0};
    struct found f;
    find(&f, EXAMPLE, &z, "sip:alice@contoso.example", "bob@fabrikam.example");
    CHECK_INT(f.r, 0);
    CHECK_INT(f.p.state, PATH_OK);
    CHECK_INT(f.p.n, 4);
    const struct path_leg *out = &f.p.legs[0], *in = &f.p.legs[1], *media = &f.p.legs[2];
    CHECK_INT(out->n, 4);
    check_hop(&out->hops[0], "fe.contoso.example", "127.10.1.10:5061", PATH_OK);
    check_hop(&out->hops[1], "edge-old.contoso.example", "127.10.1.20:5061", PATH_OK);
    check_hop(&out->hops[2], "sip.fabrikam.example", "192.0.2.1:5071", PATH_OK);
    CHECK_STR(out->hops[2].addresses[1].endpoint, "[2001:db8::2]:5061");
    check_hop(&out->hops[3], "bob@fabrikam.example", "", PATH_BEYOND);
    CHECK_STR(out->hops[2].certificate, "fabrikam.example (rule a), or sip.fabrikam.example (rule c: SRV "
                                        "target), or sip2.fabrikam.example (rule c: SRV target)");
    CHECK_INT(in->n, 3);
    check_hop(&in->hops[0], "sip.contoso.example", "127.10.2.20:5061", PATH_OK);
    check_hop(&in->hops[1], "fe.contoso.example", "127.10.1.10:5061", PATH_OK);
    check_hop(&in->hops[2], "alice@contoso.example", "", PATH_OK);
    check_hop(&media->hops[0], "edge-old.contoso.example", "127.10.1.20:5062", PATH_FAILS);
    CHECK_STR(slice_str(media->hops[0].id), "path.av-edge-off");
    found_fini(&f);
    /* the other way round: what comes in is first */
    find(&f, EXAMPLE, &z, "bob@fabrikam.example", "alice@contoso.example");
    CHECK_STR(f.p.legs[0].hops[0].to, "sip.contoso.example");
    CHECK_STR(f.p.legs[1].to, "bob@fabrikam.example");
    found_fini(&f);
}

TEST(static_says_what_dns_would_tell)
{
    struct found f;
    find(&f, EXAMPLE, NULL, "alice@contoso.example", "bob@fabrikam.example");
    CHECK_INT(f.p.state, PATH_NOT_ASKED);
    CHECK_INT(f.p.legs[0].hops[2].state, PATH_NOT_ASKED);
    check_hop(&f.p.legs[1].hops[0], "sip.contoso.example", "127.10.2.20:5061", PATH_OK);
    found_fini(&f);
    find(&f, EXAMPLE, NULL, "alice@contoso.example", "carol@contoso.example");
    CHECK_INT(f.p.state, PATH_OK);
    CHECK_INT(f.p.legs[0].n, 2);
    found_fini(&f);
}

TEST(what_cannot_be_asked)
{
    static const struct {
        const char *from, *to;
        int r;
    } cases[] = {
        {"a@x.example",       "b@y.example",       -EDOM  },
        {"alice",             "b@contoso.example", 0      }, /* a name alone is read as a domain */
        {"a@contoso.example", "b@",                -EINVAL},
        {"a@contoso.example", "b@two words",       -EINVAL},
        {"",                  "b@contoso.example", -EINVAL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct found f;
        find(&f, EXAMPLE, NULL, cases[i].from, cases[i].to);
        CHECK_INT(f.r, cases[i].r);
        CHECK(f.r == 0 || f.why.n > 0);
        found_fini(&f);
    }
}

#define BASE(deployment, site, edge, rest)                                                                   \
    "schema: 1\ndeployment: {name: c, default_domain: c.example" deployment "}\n"                            \
    "central: {machine: cms.c.example, internal_address: 10.0.0.5}\n"                                        \
    "sites: [{name: hq" site "}]\n"                                                                          \
    "edge_pools:\n"                                                                                          \
    "- {fqdn: e.c.example, site: hq, external_fqdn: sip.c.example, " edge ",\n"                              \
    "   machines: [{fqdn: e1.c.example, internal_address: 10.0.0.20, external_address: 192.0.2.20}]}\n"      \
    "front_end_pools:\n"                                                                                     \
    "- {fqdn: fe.c.example, site: hq, media_edge: e.c.example,\n"                                            \
    "   machines: [{fqdn: fe1.c.example, internal_address: 10.0.0.10}]}\n" rest
#define ROUTE ", federation_route: e.c.example"
#define ON "federation: true, next_hop: fe.c.example"
#define PARTNER "partners: [{domain: p.example}]\n"

TEST(the_first_hop_that_fails)
{
    static const struct row none[] = {
        {"_sipfederationtls._tcp.c.example", DNS_SRV, 0, 5061, "sip.c.example"},
        {"sip.c.example",                    DNS_A,   0, 0,    "192.0.2.20"   }
    };
    static const struct row elsewhere[] = {
        {"_sipfederationtls._tcp.c.example", DNS_SRV, 0, 5061, "sip.c.example"},
        {"sip.c.example",                    DNS_A,   0, 0,    "192.0.2.66"   },
        {"_sipfederationtls._tcp.p.example", DNS_SRV, 0, 5061, "sip.p.example"}
    };
    static const struct row pinned[] = {
        {"_sipfederationtls._tcp.c.example", DNS_SRV, 0, 5061, "sip.c.example"},
        {"sip.c.example",                    DNS_A,   0, 0,    "192.0.2.20"   },
        {"edge.host.example",                DNS_A,   0, 0,    "192.0.2.7"    }
    };
    static const struct zone no_partner = {none, 2, 0}, away = {elsewhere, 3, 0},
                             dead = {NULL, 0, -ETIMEDOUT}, pin = {pinned, 3, 0};
    static const struct {
        const char *text;
        const struct zone *z;
        const char *out, *in; /* ids; NULL: nothing fails */
    } cases[] = {
        {BASE("",                          ROUTE,                             ON,                                                                PARTNER),                                                           NULL,        NULL,                            NULL                    },
        {BASE("",                          "",                                ON,                                                                PARTNER),                                                           NULL,        "front-end.no-federation-route", "path.no-own-record"    },
        {BASE("",                          ROUTE,                             "federation: false, next_hop: fe.c.example",                       PARTNER),                                                           NULL,        "edge.no-federation",
         "path.no-own-record"                                                                                                                                                                                                                                                              },
        {BASE("",                          ROUTE,                             "federation: true, access_edge: draining, next_hop: fe.c.example", PARTNER),                                                           NULL,
         "edge.no-federation",                                                                                                                                                                                                                                     "path.no-own-record"    },
        {BASE("",                          ROUTE,                             "federation: true",                                                PARTNER),                                                           NULL,        NULL,                            "edge.no-next-hop"      },
        {BASE("",                          ROUTE,                             ON,                                                                ""),                                                                NULL,        "edge.partner-unknown",          "edge.partner-unknown"  },
        {BASE(", partner_discovery: true", ROUTE,                             ON,                                                                ""),                                                                NULL,        NULL,                            NULL                    },
        {BASE("",                          ROUTE,                             ON,                                                                "partners: [{domain: p.example, policy: blocked}]\n"),              NULL,
         "edge.partner-blocked",                                                                                                                                                                                                                                   "edge.partner-blocked"  },
        {BASE("",                          ROUTE,                             ON,
         "partners: [{domain: p.example, provider: h}]\n"
              "providers: [{name: h, edge_fqdn: edge.host.example, enabled: false}]\n"),
         NULL,                                                                                                                                                                                                                    "edge.provider-disabled",        "edge.provider-disabled"},
        {BASE("",                          ROUTE,                             ON,
         "partners: [{domain: p.example, provider: h}]\n"
              "providers: [{name: h, edge_fqdn: edge.host.example, enabled: true}]\n"),
         &pin,                                                                                                                                                                                                                    NULL,                            NULL                    },
        {BASE("",                          ROUTE,                             ON,                                                                "partners: [{domain: p.example, edge_fqdn: edge.host.example}]\n"), &pin,        NULL,
         NULL                                                                                                                                                                                                                                                                              },
        {BASE("",                          ROUTE,                             ON,                                                                PARTNER),                                                           &no_partner, "path.no-partner-record",        NULL                    },
        {BASE("",                          ROUTE,                             ON,                                                                PARTNER),                                                           &away,       "path.no-partner-address",       "path.dns-elsewhere"    },
        {BASE("",                          ROUTE,                             ON,                                                                PARTNER),                                                           &dead,       "path.dns-failed",               "path.dns-failed"       },
        {BASE("",                          ", federation_route: d.c.example", ON,
         "director_pools: [{fqdn: d.c.example, next_hop: fe.c.example}]\n" PARTNER),
         NULL,                                                                                                                                                                                                                    "path.director",                 "path.no-own-record"    },
        {BASE("",                          ROUTE,                             "federation: true, next_hop: k.c.example",
         "foreign_pools: [{fqdn: k.c.example, site: hq, transport: udp, machines: [{fqdn: k1.c.example, "
              "internal_address: 10.0.0.30}]}]\n" PARTNER),
         NULL,                                                                                                                                                                                                                    NULL,                            NULL                    },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct found f;
        find(&f, cases[i].text, cases[i].z, "a@c.example", "b@p.example");
        CHECK_INT(f.r, 0);
        for (unsigned k = 0; k < 2 && f.r == 0; k++) {
            const struct path_leg *leg = &f.p.legs[k];
            const char *id = leg->failing == SIZE_MAX ? NULL : leg->hops[leg->failing].id;
            CHECK_STR(slice_str(id ? id : "-"),
                      k ? (cases[i].in ? cases[i].in : "-") : (cases[i].out ? cases[i].out : "-"));
            CHECK(!id || (leg->hops[leg->failing].why.n && leg->hops[leg->failing].remedy.n));
        }
        CHECK_INT(f.p.state == PATH_FAILS, cases[i].out || cases[i].in);
        if (test_failures)
            TEST_DIAG("case %zu", i);
        found_fini(&f);
    }
}

TEST(a_foreign_home)
{
    struct found f;
    find(&f,
         BASE("", ROUTE, "federation: true, next_hop: k.c.example",
              "foreign_pools: [{fqdn: k.c.example, site: hq, transport: udp, machines: [{fqdn: k1.c.example, "
              "internal_address: 10.0.0.30}]}]\n" PARTNER),
         NULL, "a@c.example", "b@p.example");
    check_hop(&f.p.legs[0].hops[0], "k.c.example", "", PATH_BEYOND);
    check_hop(&f.p.legs[0].hops[1], "e.c.example", "10.0.0.20:5060", PATH_OK);
    check_hop(&f.p.legs[1].hops[1], "k.c.example", "10.0.0.30:5060", PATH_OK);
    CHECK_STR(slice_str(f.p.legs[1].hops[1].transport), "UDP");
    found_fini(&f);
}

TEST(a_director_on_the_way)
{
    struct found f;
    find(&f,
         BASE("", ", federation_route: d.c.example", "federation: true, next_hop: d.c.example",
              "director_pools: [{fqdn: d.c.example, managed: false, sip_port: 5065, machines: [{fqdn: "
              "d1.c.example, internal_address: 10.0.0.40}]}]\n" PARTNER),
         NULL, "a@c.example", "b@p.example");
    CHECK_INT(f.p.state, PATH_NOT_ASKED);
    check_hop(&f.p.legs[0].hops[1], "d.c.example", "10.0.0.40:5065", PATH_OK);
    check_hop(&f.p.legs[0].hops[2], "e.c.example", "10.0.0.20:5061", PATH_BEYOND);
    check_hop(&f.p.legs[1].hops[1], "d.c.example", "10.0.0.40:5065", PATH_OK);
    check_hop(&f.p.legs[1].hops[2], "a@c.example", "", PATH_BEYOND);
    found_fini(&f);
}

/* --- media --- */
#define MEDIA(fe, edge, machine)                                                                             \
    "schema: 1\ndeployment: {name: c, default_domain: c.example}\n"                                          \
    "sites: [{name: hq, federation_route: e.c.example}]\n"                                                   \
    "edge_pools:\n"                                                                                          \
    "- {fqdn: e.c.example, site: hq, external_fqdn: sip.c.example, federation: true, next_hop: "             \
    "fe.c.example,"                                                                                          \
    "   " edge "\n"                                                                                          \
    "   machines: [{fqdn: e1.c.example, external_address: 192.0.2.20, " machine "}]}\n"                      \
    "front_end_pools:\n"                                                                                     \
    "- {fqdn: fe.c.example, site: hq, " fe                                                                   \
    "machines: [{fqdn: fe1.c.example, internal_address: 10.0.0.10}]}\n" PARTNER
#define WITH_EDGE "media_edge: e.c.example, "
#define AV "av_edge: enabled, av_fqdn: av.c.example, "
#define INSIDE "internal_address: 10.0.0.20, "
#define OUTSIDE "av_address: 192.0.2.21"

static void check_first_failure(const struct path_leg *leg, const char *id)
{
    const struct path_hop *h = leg->failing == SIZE_MAX ? NULL : &leg->hops[leg->failing];
    CHECK_STR(slice_str(h ? h->id : "-"), id);
    CHECK(!h || (h->why.n && h->remedy.n));
}

TEST(the_first_reason_why_media_fail)
{
    static const struct {
        const char *text, *out, *in;
    } cases[] = {
        {MEDIA(WITH_EDGE, AV,                                           INSIDE OUTSIDE),                                          "-",                          "-"                        },
        {MEDIA("",        AV,                                           INSIDE OUTSIDE),                                          "path.no-media-edge",         "path.no-media-edge"       },
        {MEDIA(WITH_EDGE, "av_fqdn: av.c.example, ",                    INSIDE OUTSIDE),                                          "path.av-edge-off",           "path.av-edge-off"         },
        {MEDIA(WITH_EDGE, "av_edge: draining, av_fqdn: av.c.example, ", INSIDE OUTSIDE),                                          "path.av-edge-off",
         "path.av-edge-off"                                                                                                                                                                },
        {MEDIA(WITH_EDGE, AV "version: 2013, managed: false, ",         INSIDE OUTSIDE),                                          "path.relay-foreign",
         "path.relay-foreign"                                                                                                                                                              },
        {MEDIA(WITH_EDGE, "av_edge: enabled, ",                         INSIDE OUTSIDE),                                          "path.av-no-name",            "path.av-no-name"          },
        {MEDIA(WITH_EDGE, AV,                                           OUTSIDE),                                                 "path.av-no-inside-address",  "path.av-no-inside-address"},
        {MEDIA(WITH_EDGE, AV,                                           "internal_address: 10.0.0.20"),                           "path.av-no-outside-address",
         "path.av-no-outside-address"                                                                                                                                                      },
        {MEDIA(WITH_EDGE, AV "nat: true, ",                             INSIDE OUTSIDE),                                          "path.av-no-nat-address",
         "path.av-no-nat-address"                                                                                                                                                          },
        {MEDIA(WITH_EDGE, AV "nat: true, ",                             INSIDE "av_address: 10.9.0.1, nat_address: 203.0.113.1"), "-",
         "-"                                                                                                                                                                               },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct found f;
        find(&f, cases[i].text, NULL, "a@c.example", "b@p.example");
        CHECK_INT(f.p.n, 4);
        /* messages have their way all the same, but to a machine without an address */
        CHECK_INT(f.p.state,
                  strcmp(cases[i].out, "path.av-no-inside-address") == 0 ? PATH_FAILS : PATH_NOT_ASKED);
        check_first_failure(&f.p.legs[2], cases[i].out);
        check_first_failure(&f.p.legs[3], cases[i].in);
        if (test_failures)
            TEST_DIAG("case %zu", i);
        found_fini(&f);
    }
}

TEST(media_by_the_relay_behind_nat)
{
    struct found f;
    find(&f,
         MEDIA(WITH_EDGE, AV "nat: true, media_port_start: 40000, media_port_count: 2000, ",
               INSIDE "av_address: 10.9.0.1, nat_address: 203.0.113.1"),
         NULL, "a@c.example", "b@p.example");
    const struct path_leg *out = &f.p.legs[2], *in = &f.p.legs[3];
    CHECK_INT(out->n, 4);
    check_hop(&out->hops[0], "e.c.example", "10.0.0.20:5062", PATH_OK);
    check_hop(&out->hops[1], "e.c.example", "10.0.0.20:3478", PATH_NOT_SERVED);
    CHECK_STR(out->hops[1].addresses[1].endpoint, "10.0.0.20:443");
    check_hop(&out->hops[2], "p.example", "203.0.113.1:3478", PATH_BEYOND);
    CHECK_STR(out->hops[2].addresses[0].name, "av.c.example");
    CHECK_STR(out->hops[2].addresses[1].endpoint, "203.0.113.1:443");
    CHECK_STR(out->hops[2].addresses[2].endpoint, "203.0.113.1:40000-41999");
    CHECK_STR(out->hops[2].addresses[3].endpoint, "10.9.0.1:3478");
    CHECK_INT(in->n, 3);
    check_hop(&in->hops[1], "e.c.example", "203.0.113.1:3478", PATH_BEYOND);
    found_fini(&f);
    find(&f, MEDIA(WITH_EDGE, AV, INSIDE OUTSIDE), NULL, "a@c.example", "b@c.example");
    check_hop(&f.p.legs[2].hops[0], "b@c.example", "", PATH_OK);
    check_hop(&f.p.legs[2].hops[1], "e.c.example", "10.0.0.20:5062", PATH_OK);
    found_fini(&f);
}

TEST(whose_route_and_policy)
{
    static const struct {
        const char *site, *decided_by;
    } cases[] = {
        {"{name: hq, federation_route: e.c.example}",                                           "sites/hq/federation_route"                            },
        {"{name: hq, kind: branch, parent: main}, {name: main, federation_route: e.c.example}",
         "sites/main/federation_route, which the branch site takes"                                                                                    },
        {"{name: hq}, {name: main, route_for_all: true, federation_route: e.c.example}",
         "sites/main/federation_route, which holds for all sites"                                                                                      },
        {"{name: hq, kind: branch, parent: main}, {name: main}, {name: far, route_for_all: true, "
         "federation_route: e.c.example}",                                             "sites/far/federation_route, which holds for all sites"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf text = {0};
        struct found f;
        buf_printf(
            &text,
            "schema: 1\ndeployment: {name: c, default_domain: c.example}\nsites: [%s]\n"
            "access_edge: {routing: default_route, default_route: hub.example}\n"
            "external_access_policies: [{name: none, federation: false, sites: [hq]}]\n"
            "edge_pools: [{fqdn: e.c.example, site: hq, external_fqdn: sip.c.example, federation: true, "
            "next_hop: fe.c.example, machines: [{fqdn: e1.c.example, internal_address: 10.0.0.20, "
            "external_address: 192.0.2.20}]}]\n"
            "front_end_pools: [{fqdn: fe.c.example, site: hq, machines: [{fqdn: fe1.c.example, "
            "internal_address: 10.0.0.10}]}]\n" PARTNER,
            cases[i].site);
        char *all = buf_take(&text);
        find(&f, all, NULL, "a@c.example", "b@p.example");
        CHECK_STR(f.p.legs[0].hops[1].decided_by, cases[i].decided_by);
        struct slice policy = f.p.legs[0].hops[2].policy;

        CHECK_STR(policy, "The external access policy of the user inside does not allow federation.");
        found_fini(&f);
        mem_free(all);
    }
}

TEST(adoption_keeps_a_way)
{
    struct found f;
    const struct path_hop *hop = NULL;
    find(&f,
         "schema: 1\ndeployment: {name: c, default_domain: c.example}\n"
         "sites: [{name: hq, federation_route: old.c.example}]\n"
         "edge_pools:\n"
         "- {fqdn: old.c.example, external_fqdn: sip.c.example, federation: true, access_edge: disabled,\n"
         "   machines: [{fqdn: o1.c.example, internal_address: 10.0.0.20, external_address: 192.0.2.20}]}\n"
         "- {fqdn: new.c.example, external_fqdn: new.c.example, federation: true, adopts: [old.c.example],\n"
         "   next_hop: fe.c.example,\n"
         "   machines: [{fqdn: n1.c.example, internal_address: 10.0.0.21, external_address: 192.0.2.21}]}\n"
         "front_end_pools:\n"
         "- {fqdn: fe.c.example, site: hq, machines: [{fqdn: fe1.c.example, internal_address: "
         "10.0.0.10}]}\n" PARTNER,
         NULL, "a@c.example", "b@p.example");
    check_hop(&f.p.legs[0].hops[1], "old.c.example", "10.0.0.21:5061", PATH_OK);
    CHECK_INT(f.p.legs[0].hops[1].n_addresses, 1);
    check_hop(&f.p.legs[1].hops[0], "sip.c.example", "192.0.2.21:5061", PATH_OK);
    CHECK(path_exists(f.t, SLICE("c.example"), SLICE("p.example"), &f.a, &hop));
    CHECK(!path_exists(f.t, SLICE("c.example"), SLICE("q.example"), &f.a, &hop));
    CHECK(hop && slice_eq(slice_str(hop->id), SLICE("edge.partner-unknown")));
    found_fini(&f);
}

TEST(as_json)
{
    struct zone z = {good_zone, GOOD_ROWS, 0};
    struct found f;
    find(&f, EXAMPLE, &z, "alice@contoso.example", "bob@fabrikam.example");
    struct json_value *o = path_to_json(&f.p, &f.a);
    const struct json_value *leg = json_at(json_get(o, "legs"), 0), *hop = json_at(json_get(leg, "hops"), 2);
    CHECK_STR(json_get_string(o, "state"), "ok");
    CHECK_INT(json_get_int(leg, "failing", 0), -1);
    CHECK_STR(json_get_string(json_at(json_get(hop, "addresses"), 0), "endpoint"), "192.0.2.1:5071");
    CHECK_STR(json_get_string(hop, "policy"), "allowed: the partner is listed");
    found_fini(&f);
}

/* --- large --- */
enum { SITES = 50, POOLS = 100, MACHINES = 5, PARTNERS = 10000, MANY = 1000 };

static void write_large(struct buf *b)
{
    buf_printf(b, "schema: 1\ndeployment: {name: c, default_domain: c.example}\nsites:\n");
    for (int i = 0; i < SITES; i++)
        buf_printf(b, "- {name: s%d, federation_route: e%d.c.example}\n", i, i * 2);
    for (int kind = 0; kind < 2; kind++) {
        buf_printf(b, kind ? "front_end_pools:\n" : "edge_pools:\n");
        for (int i = 0; i < POOLS; i++) {
            buf_printf(b,
                       kind ? "- {fqdn: f%d.c.example, site: s%d, media_edge: e%d.c.example, machines: ["
                            : "- {fqdn: e%d.c.example, site: s%d, external_fqdn: x%d.c.example, federation: "
                              "true, next_hop: f0.c.example, machines: [",
                       i, i / 2, i);
            for (int k = 0; k < MACHINES; k++)
                buf_printf(b, "%s{fqdn: m%d-%d-%d.c.example, internal_address: 10.%d.%d.%d%s%d.%d.%d}",
                           k ? ", " : "", kind, i, k, kind, i, k,
                           kind ? ", conf_address: 11." : ", external_address: 11.", kind, i, k);
            buf_printf(b, "]}\n");
        }
    }
    buf_printf(b, "partners:\n");
    for (int i = 0; i < PARTNERS; i++)
        buf_printf(b, "- {domain: p%d.example}\n", i);
}

static double seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

TEST(large_topologies_are_quick)
{
    struct buf text = {0};
    struct arena a = {0};
    write_large(&text);
    char *all = buf_take(&text);
    struct topology *t = parse_good(all);
    double began = seconds();
    for (int i = 0; i < MANY; i++) {
        const struct path_hop *hop = NULL;
        char partner[32];
        snprintf(partner, sizeof(partner), "p%d.example", i * (PARTNERS / MANY));
        CHECK(path_exists(t, SLICE("c.example"), slice_str(partner), &a, &hop));
        if (hop)
            TEST_DIAG("%s: " SLICE_FMT, hop->id ? hop->id : "?", SLICE_ARG(hop->why));
        arena_reset(&a);
    }
    double took = seconds() - began;
    printf("# %d paths in a topology of %zu partners: %.3f s\n", MANY, t->n_partners, took);
    CHECK(took / MANY < 1);
    arena_fini(&a);
    topology_unref(t);
    mem_free(all);
}

TEST_MAIN(both_directions_with_dns, static_says_what_dns_would_tell, what_cannot_be_asked,
          the_first_hop_that_fails, a_foreign_home, a_director_on_the_way, the_first_reason_why_media_fail,
          media_by_the_relay_behind_nat, whose_route_and_policy, adoption_keeps_a_way, as_json,
          large_topologies_are_quick)
