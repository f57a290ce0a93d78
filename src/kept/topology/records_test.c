#include "kept/topology/records.h"

#include "ground/base/test.h"
#include "kept/topology/example_for_test.h"

#define TWO_EDGES(old, new, route)                                                                           \
    "schema: 1\n"                                                                                            \
    "deployment: {name: c, default_domain: c.example, additional_domains: [d.example], dns_ttl: 60}\n"       \
    "central: {machine: cms.c.example, internal_address: 10.0.0.5}\n"                                        \
    "sites: [{name: hq, federation_route: " route "}]\n"                                                     \
    "edge_pools:\n"                                                                                          \
    "- {fqdn: old.c.example, external_fqdn: sip.c.example, next_hop: fe.c.example, " old ",\n"               \
    "   machines: [{fqdn: old1.c.example, internal_address: 10.0.0.20, external_address: 192.0.2.20}]}\n"    \
    "- {fqdn: new.c.example, external_fqdn: sip-new.c.example, next_hop: fe.c.example, " new ",\n"           \
                                                                                             "   machines: " \
                                                                                             "[{fqdn: "      \
                                                                                             "new1.c."       \
                                                                                             "example, "     \
                                                                                             "internal_"     \
                                                                                             "address: "     \
                                                                                             "10.0.0.21, "   \
                                                                                             "external_"     \
                                                                                             "address: "     \
                                                                                             "192.0.2.21},"  \
                                                                                             "\n"            \
                                                                                             "             " \
                                                                                             " {fqdn: "      \
                                                                                             "new2.c."       \
                                                                                             "example, "     \
                                                                                             "internal_"     \
                                                                                             "address: "     \
                                                                                             "10.0.0.22,\n"  \
                                                                                             "             " \
                                                                                             "  "            \
                                                                                             "external_"     \
                                                                                             "address: "     \
                                                                                             "'2001:db8::"   \
                                                                                             "22'}]}\n"      \
                                                                                             "front_end_"    \
                                                                                             "pools:\n"      \
                                                                                             "- {fqdn: "     \
                                                                                             "fe.c.example," \
                                                                                             " site: hq, "   \
                                                                                             "client_tcp_"   \
                                                                                             "port: 5060,\n" \
                                                                                             "   machines: " \
                                                                                             "[{fqdn: "      \
                                                                                             "FE1.c."        \
                                                                                             "example, "     \
                                                                                             "internal_"     \
                                                                                             "address: "     \
                                                                                             "10.0.0.10}]}"  \
                                                                                             "\n"

static bool is_there(const struct topology_records *r, enum record_side side, const char *name, uint16_t type,
                     const char *data)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->items[i].side == side && slice_eq(r->items[i].name, slice_str(name)) &&
            r->items[i].type == type && slice_eq(r->items[i].data, slice_str(data)) && !r->items[i].optional)
            return true;
    return false;
}

#define CHECK_RECORD(r, side, name, type, data) CHECK(is_there(&(r), RECORD_##side, name, DNS_##type, data))
#define CHECK_NO_RECORD(r, side, name, type, data)                                                           \
    CHECK(!is_there(&(r), RECORD_##side, name, DNS_##type, data))

TEST(records_of_the_example)
{
    struct topology *t = parse_good(EXAMPLE);
    struct arena a = {0};
    struct topology_records r;
    topology_records(t, RECORD_BOTH, &a, &r);
    CHECK_RECORD(r, EXTERNAL, "_sipfederationtls._tcp.contoso.example", SRV, "0 0 5061 sip.contoso.example");
    CHECK_RECORD(r, EXTERNAL, "sip.contoso.example", A, "127.10.2.20");
    CHECK_RECORD(r, INTERNAL, "_sips._tcp.contoso.example", SRV, "0 0 5061 fe1.contoso.example");
    CHECK_RECORD(r, INTERNAL, "fe1.contoso.example", A, "127.10.1.10");
    CHECK_RECORD(r, INTERNAL, "fe.contoso.example", A, "127.10.1.10");
    CHECK_RECORD(r, INTERNAL, "edge-old.contoso.example", A, "127.10.1.20");
    CHECK_RECORD(r, INTERNAL, "cms.contoso.example", A, "127.10.1.5");
    CHECK_NO_RECORD(r, EXTERNAL, "_sip._tls.contoso.example", SRV, "0 0 443 sip.contoso.example");
    CHECK_INT(r.items[0].ttl, 300);
    size_t all = r.n;
    topology_records(t, RECORD_EXTERNAL, &a, &r);
    CHECK(r.n > 0 && r.n < all);
    arena_fini(&a);
    topology_unref(t);
}

TEST(adopted_names_lead_to_who_has_the_route)
{
    static const struct {
        const char *text, *address, *target;
    } cases[] = {
        {TWO_EDGES("federation: true",                        "federation: false",                         "old.c.example"), "192.0.2.20", "sip.c.example"},
        {TWO_EDGES("federation: true",                        "federation: true, adopts: [old.c.example]", "old.c.example"),
         "192.0.2.20",                                                                                                                     "sip.c.example"},
        {TWO_EDGES("federation: true",                        "federation: true, adopts: [old.c.example]", "new.c.example"),
         "192.0.2.21",                                                                                                                     "sip.c.example"},
        {TWO_EDGES("federation: true, access_edge: draining", "federation: true, adopts: [old.c.example]",
         "old.c.example"),
         "192.0.2.21",                                                                                                                     "sip.c.example"},
        {TWO_EDGES("federation: false",                       "federation: true",                          "new.c.example"), "192.0.2.20",
         "sip-new.c.example"                                                                                                                              },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct topology *t = parse_good(cases[i].text);
        struct arena a = {0};
        struct topology_records r;
        topology_records(t, RECORD_EXTERNAL, &a, &r);
        char srv[64];
        snprintf(srv, sizeof(srv), "0 0 5061 %s", cases[i].target);
        CHECK(is_there(&r, RECORD_EXTERNAL, "sip.c.example", DNS_A, cases[i].address));
        CHECK(is_there(&r, RECORD_EXTERNAL, "_sipfederationtls._tcp.c.example", DNS_SRV, srv));
        CHECK(is_there(&r, RECORD_EXTERNAL, "_sipfederationtls._tcp.d.example", DNS_SRV, srv));
        CHECK(is_there(&r, RECORD_EXTERNAL, "sip-new.c.example", DNS_AAAA, "2001:db8::22"));
        CHECK_INT(r.items[0].ttl, 60);
        if (test_failures)
            TEST_DIAG("case %zu", i);
        arena_fini(&a);
        topology_unref(t);
    }
}

TEST(what_is_not_served_is_optional)
{
    struct topology *t =
        parse_good("schema: 1\n"
                   "deployment: {name: c, default_domain: c.example}\n"
                   "sites: [{name: hq, federation_route: e.c.example}]\n"
                   "edge_pools:\n"
                   "- {fqdn: e.c.example, external_fqdn: access.c.example, federation: true,\n"
                   "   next_hop: fe.c.example, av_fqdn: av.c.example, nat: true,\n"
                   "   machines: [{fqdn: e1.c.example, internal_address: 10.0.0.20,\n"
                   "     external_address: 192.0.2.20, av_address: 10.9.0.1,\n"
                   "     nat_address: 192.0.2.99, external_address6: '2001:db8::1'}]}\n");
    struct arena a = {0};
    struct topology_records r;
    struct buf zone = {0};
    topology_records(t, RECORD_EXTERNAL, &a, &r);
    topology_records_write_zone(&r, &zone);
    CHECK(
        slice_search(buf_slice(&zone),
                     SLICE("\n_sipfederationtls._tcp.c.example. 300 IN SRV 0 0 5061 access.c.example.\n")) !=
        SIZE_MAX);
    CHECK(slice_search(buf_slice(&zone), SLICE("\n; av.c.example. 300 IN A 192.0.2.99\n")) != SIZE_MAX);
    CHECK(slice_search(buf_slice(&zone), SLICE("\n; sip.c.example. 300 IN A 192.0.2.20\n")) != SIZE_MAX);
    CHECK(slice_search(buf_slice(&zone), SLICE("\n; access.c.example. 300 IN AAAA 2001:db8::1\n")) !=
          SIZE_MAX);
    struct record_set *sets;
    size_t n, seen = 0;
    topology_record_sets(&r, &a, &sets, &n);
    for (size_t i = 0; i < n; i++) {
        bool access = slice_eq(sets[i].name, SLICE("access.c.example")),
             av = slice_eq(sets[i].name, SLICE("av.c.example"));
        /* the address of IPv6 is, and so is everything of a name that is not served */
        seen += access && sets[i].type == DNS_A && !sets[i].optional;
        seen += access && sets[i].type == DNS_AAAA && sets[i].optional;
        seen += av && sets[i].optional;
    }
    CHECK_INT(seen, 4);
    buf_fini(&zone);
    arena_fini(&a);
    topology_unref(t);
}

TEST(an_answer_is_compared)
{
    static const struct slice wanted[] = {SLICE_INIT("192.0.2.1"), SLICE_INIT("192.0.2.2")};
    static const struct {
        struct record_found found[3];
        size_t n;
        bool exact;
        const char *says;
    } cases[] = {
        {{{SLICE_INIT("192.0.2.2"), 60}, {SLICE_INIT("192.0.2.1"), 60}},                                2, true,  "ok ok"          },
        {{{SLICE_INIT("192.0.2.2"), 61}, {SLICE_INIT("192.0.2.1"), 60}},                                2, true,  "ok different"   },
        {{{SLICE_INIT("192.0.2.2"), 59}, {SLICE_INIT("192.0.2.1"), 1}},                                 2, false, "ok ok"          },
        {{{SLICE_INIT("192.0.2.2"), 61}, {SLICE_INIT("192.0.2.1"), 1}},                                 2, false, "ok different"   },
        {{{SLICE_INIT("192.0.2.1"), 60}},                                                               1, true,  "ok missing"     },
        {{{SLICE_INIT("192.0.2.1"), 60}, {SLICE_INIT("192.0.2.9"), 60}},                                2, true,  "ok different"   },
        {{{SLICE_INIT("192.0.2.1"), 60}, {SLICE_INIT("192.0.2.2"), 60}, {SLICE_INIT("192.0.2.9"), 60}},
         3,                                                                                                true,
         "ok ok extra"                                                                                                             },
        {{{SLICE_NONE, 0}},                                                                             0, true,  "missing missing"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct record_set s = {
            .name = SLICE("x"), .type = DNS_A, .ttl = 60, .data = (struct slice *)(uintptr_t)wanted, .n = 2};
        struct arena a = {0};
        struct buf text = {0};
        struct record_diff *d;
        size_t n;
        record_set_compare(&s, cases[i].found, cases[i].n, cases[i].exact, &a, &d, &n);
        for (size_t k = 0; k < n; k++)
            buf_printf(&text, "%s%s", k ? " " : "", record_state_name(d[k].state));
        CHECK_STR(buf_slice(&text), cases[i].says);
        buf_fini(&text);
        arena_fini(&a);
    }
}

TEST(sets_have_both_families)
{
    struct topology *t = parse_good(TWO_EDGES("federation: true", "federation: false", "old.c.example"));
    struct arena a = {0};
    struct topology_records r;
    struct record_set *sets;
    size_t n, seen = 0;
    topology_records(t, RECORD_BOTH, &a, &r);
    topology_record_sets(&r, &a, &sets, &n);
    for (size_t i = 0; i < n; i++) {
        if (slice_eq(sets[i].name, SLICE("sip-new.c.example")))
            seen += sets[i].n == 1 && (sets[i].type == DNS_A || sets[i].type == DNS_AAAA);
        if (slice_eq(sets[i].name, SLICE("sip.c.example")) && sets[i].type == DNS_AAAA)
            seen += sets[i].n == 0;
        for (size_t k = 0; k < i; k++)
            CHECK(sets[k].type != sets[i].type || !slice_eq(sets[k].name, sets[i].name));
    }
    CHECK_INT(seen, 3);
    arena_fini(&a);
    topology_unref(t);
}

/* A machine that is drained or stopped: its address stays, or goes as long as another serves. */
TEST(drained_machines)
{
    static const char document[] =
        "schema: 1\n"
        "deployment: {name: c, default_domain: c.example, dns_keeps_drained: %s}\n"
        "central: {machine: cms.c.example, internal_address: 10.0.0.5}\n"
        "sites: [{name: hq, federation_route: edge.c.example}]\n"
        "edge_pools:\n"
        "- {fqdn: edge.c.example, external_fqdn: sip.c.example, next_hop: fe.c.example, federation: true,\n"
        "   machines: [{fqdn: e1.c.example, internal_address: 10.0.0.21, external_address: 192.0.2.1, "
        "access_edge: %s},\n"
        "              {fqdn: e2.c.example, internal_address: 10.0.0.22, external_address: 192.0.2.2, "
        "access_edge: %s}]}\n"
        "front_end_pools:\n"
        "- {fqdn: fe.c.example, site: hq, machines: [{fqdn: fe1.c.example, internal_address: 10.0.0.10}]}\n";
    static const struct {
        const char *keeps, *first, *second;
        bool has_first, has_second;
    } rows[] = {
        {"true",  "draining", "enabled",  true,  true },
        {"false", "enabled",  "enabled",  true,  true },
        {"false", "draining", "enabled",  false, true },
        {"false", "enabled",  "disabled", true,  false},
        {"false", "draining", "disabled", true,  true },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena a = {0};
        struct topology_records r;
        struct slice text = arena_printf(&a, document, rows[i].keeps, rows[i].first, rows[i].second);
        struct topology *t = parse_good(arena_cstr(&a, text));
        topology_records(t, RECORD_BOTH, &a, &r);
        CHECK(is_there(&r, RECORD_EXTERNAL, "sip.c.example", DNS_A, "192.0.2.1") == rows[i].has_first);
        CHECK(is_there(&r, RECORD_EXTERNAL, "sip.c.example", DNS_A, "192.0.2.2") == rows[i].has_second);
        CHECK_RECORD(r, INTERNAL, "e1.c.example", A, "10.0.0.21"); /* it is still dialled inside */
        CHECK_RECORD(r, INTERNAL, "e2.c.example", A, "10.0.0.22");
        arena_fini(&a);
        topology_unref(t);
    }
}

TEST_MAIN(records_of_the_example, adopted_names_lead_to_who_has_the_route, what_is_not_served_is_optional,
          an_answer_is_compared, sets_have_both_families, drained_machines)
