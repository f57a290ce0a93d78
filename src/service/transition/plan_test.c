#include "service/transition/plan.h"

#include "ground/base/test.h"
#include "ground/crypto/pki_for_test.h"
#include "service/transition/edits.h"
#include "service/transition/fake_for_test.h"

#define OLD "edge-old.contoso.example"
#define NEW "edge-new.contoso.example"

/* The lab's two Edge pools and one more; {OLD} and {NEW} are where cases put more lines. */
static struct slice document(struct arena *a, const char *old_lines, const char *new_lines,
                             const char *machines)
{
    return arena_printf(
        a,
        "schema: 1\n"
        "deployment:\n  name: contoso\n  default_domain: contoso.example\n"
        "central:\n  machine: cms.contoso.example\n  internal_address: 127.0.0.5\n"
        "sites:\n- name: hq\n  federation_route: " OLD "\n- name: branch\n"
        "edge_pools:\n- fqdn: " OLD "\n  site: hq\n%s"
        "  machines:\n  - fqdn: edge-old1.contoso.example\n    internal_address: 127.0.0.20\n"
        "    external_address: 127.0.1.20\n"
        "- fqdn: " NEW "\n  site: hq\n  external_fqdn: sip-new.contoso.example\n%s%s"
        "- fqdn: older.contoso.example\n  site: hq\n  external_fqdn: older-sip.contoso.example\n"
        "  access_edge: disabled\n"
        "  machines:\n  - fqdn: older1.contoso.example\n    internal_address: 127.0.0.40\n"
        "front_end_pools:\n- fqdn: fe.contoso.example\n  site: hq\n  media_edge: " OLD "\n"
        "  machines:\n  - fqdn: fe1.contoso.example\n    internal_address: 127.0.0.10\n"
        "partners:\n- domain: fabrikam.example\n",
        old_lines, new_lines, machines);
}
#define GOOD_OLD "  federation: true\n  external_fqdn: sip.contoso.example\n  next_hop: fe.contoso.example\n"
#define GOOD_MACHINES                                                                                        \
    "  machines:\n  - fqdn: edge-new1.contoso.example\n    internal_address: 127.0.0.30\n"                   \
    "    external_address: 127.0.1.30\n"

static struct topology *parse(struct slice text)
{
    struct findings f = {0};
    struct topology *t = NULL;
    CHECK_INT(topology_parse(text, &t, &f), 0);
    if (!t) {
        printf("# " SLICE_FMT "\n", SLICE_ARG(f.items[0].text));
        exit(EXIT_FAILURE);
    }
    findings_fini(&f);
    return t;
}

static struct topology *topology_with(const char *old_lines, const char *new_lines, const char *machines)
{
    struct arena a = {0};
    struct topology *t = parse(document(&a, old_lines, new_lines, machines));
    arena_fini(&a);
    return t;
}

/* --- what central says --- */
struct says {
    const char *certificate; /* the name in it; NULL: none */
    int64_t hours;           /* until it ends */
    const char *behind;      /* a machine */
    bool no_dns;
    const char *zone;
};
enum { NOW = 1000000 };

static size_t says_machines(void *arg, struct arena *a, struct transition_machine **ret)
{
    static const char *const fqdns[] = {"cms.contoso.example", "edge-old1.contoso.example",
                                        "edge-new1.contoso.example", "older1.contoso.example",
                                        "fe1.contoso.example"};
    const struct says *s = arg;
    size_t n = sizeof(fqdns) / sizeof(fqdns[0]);
    *ret = ARENA_ARRAY(a, struct transition_machine, n);
    for (size_t i = 0; i < n; i++)
        (*ret)[i] = (struct transition_machine){.fqdn = slice_str(fqdns[i]),
                                                .current = !s->behind || strcmp(s->behind, fqdns[i]) != 0,
                                                .why = SLICE("replica.route: no route")};
    return n;
}

static bool says_certificate(void *arg, struct slice pool, struct arena *a, struct slice **ret, size_t *ret_n,
                             int64_t *ret_end)
{
    const struct says *s = arg;
    if (!s->certificate)
        return false;
    *ret = ARENA_ARRAY(a, struct slice, 1);
    **ret = slice_caseeq(pool, SLICE(OLD)) ? slice_str(s->certificate) : SLICE("older-sip.contoso.example");
    *ret_n = 1;
    *ret_end = NOW + s->hours * PKI_HOUR;
    return true;
}

static bool says_dns(void *arg, struct arena *a, struct transition_dns *ret)
{
    const struct says *s = arg;
    *ret =
        (struct transition_dns){.configured = true, .zones = ARENA_ARRAY(a, struct slice, 1), .n_zones = 1};
    ret->zones[0] = slice_str(s->zone ? s->zone : "contoso.example");
    return !s->no_dns;
}

static void check(const struct topology *t, struct says *s, const char *from, const char *to,
                  struct findings *f)
{
    struct transition_central c = {
        .central = s, .machines = says_machines, .certificate = says_certificate, .dns = says_dns};
    struct plan *p = plan_new(slice_str(from), slice_str(to), false);
    plan_check(p, t, &c, NOW, f);
    plan_free(p);
}

static const struct says GOOD = {.certificate = "sip.contoso.example", .hours = 48};

/* --- findings --- */
TEST(findings_have_ids)
{
    static const struct {
        const char *old_lines, *new_lines, *machines, *from, *to;
        struct says says;
        const char *id; /* NULL: nothing blocks */
    } cases[] = {
        {GOOD_OLD,                                                                 "",                                 GOOD_MACHINES,                                                                          OLD,                        NEW,                  GOOD,                  NULL                            },
        {GOOD_OLD,                                                                 "",                                 GOOD_MACHINES,                                                                          "EDGE-OLD.contoso.example", NEW,                  GOOD,                  NULL                            },
        {GOOD_OLD,                                                                 "",                                 GOOD_MACHINES,                                                                          "edge.contoso.example",     NEW,                  GOOD,                  "transition.unknown-pool"       },
        {GOOD_OLD,                                                                 "",                                 GOOD_MACHINES,                                                                          OLD,                        "fe.contoso.example", GOOD,                  "transition.unknown-pool"       },
        {GOOD_OLD,                                                                 "",                                 GOOD_MACHINES,                                                                          OLD,                        "",                   GOOD,                  "transition.unknown-pool"       },
        {GOOD_OLD,                                                                 "",                                 GOOD_MACHINES,                                                                          OLD,                        OLD,                  GOOD,                  "transition.same-pool"          },
        {GOOD_OLD,                                                                 "  managed: false\n",               GOOD_MACHINES,                                                                          OLD,                        NEW,                  GOOD,                  "transition.target-not-managed" },
        {GOOD_OLD,                                                                 "",                                 "",                                                                                     OLD,                        NEW,                  GOOD,                  "transition.no-machines"        },
        {GOOD_OLD,                                                                 "",                                 "  machines:\n  - fqdn: edge-new1.contoso.example\n    internal_address: 127.0.0.30\n",
         OLD,                                                                                                                                                                                                                              NEW,                  GOOD,                  "transition.no-external-address"},
        {"  federation: true\n  external_fqdn: sip.contoso.example\n",             "",                                 GOOD_MACHINES,                                                                          OLD,                        NEW,                  GOOD,
         "transition.no-next-hop"                                                                                                                                                                                                                                                                                       },
        {"  federation: true\n  external_fqdn: sip.contoso.example\n",             "  next_hop: fe.contoso.example\n",
         GOOD_MACHINES,                                                                                                                                                                                        OLD,                        NEW,                  GOOD,                  NULL                            },
        {"  federation: true\n  next_hop: fe.contoso.example\n",                   "",                                 GOOD_MACHINES,                                                                          OLD,                        NEW,                  GOOD,
         "transition.no-external-name"                                                                                                                                                                                                                                                                                  },
        {"  external_fqdn: sip.contoso.example\n  next_hop: fe.contoso.example\n", "",                                 GOOD_MACHINES,                                                                          OLD,
         NEW,                                                                                                                                                                                                                                                    GOOD,                  "transition.nothing-to-move"    },
        {GOOD_OLD "  access_edge: disabled\n",                                     "",                                 GOOD_MACHINES,                                                                          OLD,                        NEW,                  GOOD,
         "transition.nothing-to-move"                                                                                                                                                                                                                                                                                   },
        {GOOD_OLD "  adopts: [" NEW "]\n",                                         "",                                 GOOD_MACHINES,                                                                          OLD,                        NEW,                  GOOD,                  "transition.circle"             },
        {GOOD_OLD,                                                                 "",                                 GOOD_MACHINES,                                                                          OLD,                        NEW,                  {.certificate = NULL}, "transition.no-certificate"     },
        {GOOD_OLD,
         "",                                                                                                           GOOD_MACHINES,
         OLD,                                                                                                                                                                                                                              NEW,
         {"other.contoso.example", 48, NULL, false, NULL},
         "transition.certificate-name"                                                                                                                                                                                                                                                                                  },
        {GOOD_OLD,
         "",                                                                                                           GOOD_MACHINES,
         OLD,                                                                                                                                                                                                                              NEW,
         {"sip.contoso.example", 23, NULL, false, NULL},
         "transition.certificate-ends"                                                                                                                                                                                                                                                                                  },
        {GOOD_OLD,
         "",                                                                                                           GOOD_MACHINES,
         OLD,                                                                                                                                                                                                                              NEW,
         {"sip.contoso.example", 48, "fe1.contoso.example", false, NULL},
         "transition.machine-behind"                                                                                                                                                                                                                                                                                    },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct findings f = {0};
        struct says says = cases[i].says;
        struct topology *t = topology_with(cases[i].old_lines, cases[i].new_lines, cases[i].machines);
        const char *first = NULL;
        check(t, &says, cases[i].from, cases[i].to, &f);
        for (size_t j = 0; j < f.n && !first; j++)
            if (f.items[j].severity == FINDING_ERROR)
                first = f.items[j].id;
        CHECK_INT(f.errors, cases[i].id != NULL);
        if (cases[i].id && (!first || strcmp(first, cases[i].id) != 0))
            TEST_DIAG("case %zu: %s, not %s", i, first ? first : "nothing", cases[i].id);
        topology_unref(t);
        findings_fini(&f);
    }
}

TEST(no_step_leaves_users_without_a_way)
{
    static const struct {
        const char *old_lines, *new_lines;
        const char *id, *step; /* NULL: nothing blocks */
    } cases[] = {
        {GOOD_OLD,                                                                                         "",                                     NULL,                NULL   },
        {GOOD_OLD "  managed: false\n",                                                                    "  federation_port: 5071\n",            NULL,                NULL   },
 /* while DNS moves, what comes in by the new Edge would end there */
        {GOOD_OLD,                                                                                         "  next_hop: nobody.contoso.example\n", "transition.no-way", "'dns'"},
 /* what does not work before is not the plan's fault */
        {"  federation: true\n  external_fqdn: sip.contoso.example\n  next_hop: nobody.contoso.example\n", "",
         NULL,                                                                                                                                                          NULL   },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct findings f = {0};
        struct says says = GOOD;
        struct topology *t = topology_with(cases[i].old_lines, cases[i].new_lines, GOOD_MACHINES);
        check(t, &says, OLD, NEW, &f);
        CHECK_INT(f.errors, cases[i].id != NULL);
        for (size_t j = 0; j < f.n; j++)
            if (f.items[j].severity == FINDING_ERROR) {
                CHECK_STR(slice_str(f.items[j].id), cases[i].id ? cases[i].id : "");
                CHECK(cases[i].step && slice_search(f.items[j].text, slice_str(cases[i].step)) != SIZE_MAX);
            }
        topology_unref(t);
        findings_fini(&f);
    }
}

static bool warned(const struct findings *f, const char *id)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->items[i].severity == FINDING_WARNING && strcmp(f->items[i].id, id) == 0)
            return true;
    return false;
}

TEST(warnings_do_not_block)
{
    struct findings f = {0};
    struct says manual = GOOD, elsewhere = GOOD;
    manual.no_dns = true;
    elsewhere.zone = "fabrikam.example";
    struct topology *t =
        topology_with(GOOD_OLD "  managed: false\n  federation_port: 5071\n", "", GOOD_MACHINES);
    check(t, &manual, OLD, NEW, &f);
    CHECK_INT(f.errors, 0);
    CHECK(warned(&f, "transition.dns-manual"));
    CHECK(warned(&f, "transition.single-machine"));
    CHECK(warned(&f, "transition.source-foreign"));
    CHECK(warned(&f, "transition.port-differs"));
    findings_fini(&f);
    f = (struct findings){0};
    check(t, &elsewhere, OLD, NEW, &f);
    CHECK(warned(&f, "transition.dns-manual"));
    findings_fini(&f);
    topology_unref(t);
}

/* --- names, addresses, zones --- */
TEST(names_that_were_adopted_move_too)
{
    struct topology *t = topology_with(GOOD_OLD "  adopts: [older.contoso.example]\n", "", GOOD_MACHINES);
    struct plan *p = plan_new(SLICE(OLD), SLICE(NEW), false);
    struct slice names[PLAN_MAX_NAMES];
    struct findings f = {0};
    struct says says = GOOD;
    CHECK_INT(plan_names(p, t, names), 2);
    CHECK_STR(names[0], "sip.contoso.example");
    CHECK_STR(names[1], "older-sip.contoso.example");
    check(t, &says, OLD, NEW, &f);
    CHECK_INT(f.errors, 0);
    findings_fini(&f);
    plan_free(p);
    topology_unref(t);
}

TEST(addresses_by_type)
{
    struct arena a = {0};
    struct slice *addresses;
    struct topology *t =
        topology_with(GOOD_OLD, "",
                      "  machines:\n  - fqdn: n1.contoso.example\n    external_address: 192.0.2.1\n"
                      "  - fqdn: n2.contoso.example\n    external_address: 2001:db8::1\n"
                      "  - fqdn: n3.contoso.example\n    external_address: 192.0.2.3\n");
    CHECK_INT(plan_addresses(t, SLICE(NEW), DNS_A, &a, &addresses), 2);
    CHECK_STR(addresses[1], "192.0.2.3");
    CHECK_INT(plan_addresses(t, SLICE(NEW), DNS_AAAA, &a, &addresses), 1);
    CHECK_STR(addresses[0], "2001:db8::1");
    topology_unref(t);
    arena_fini(&a);
}

TEST(the_longest_zone)
{
    struct slice zones[] = {SLICE("example"), SLICE("contoso.example"), SLICE("toso.example")}, zone;
    struct transition_dns dns = {.zones = zones, .n_zones = 3};
    CHECK(plan_zone(&dns, SLICE("sip.contoso.example"), &zone));
    CHECK_STR(zone, "contoso.example");
    CHECK(!plan_zone(&dns, SLICE("sip.contoso.test"), &zone));
}

/* --- steps --- */
static void check_steps(bool classic, const char *const *ids, size_t n)
{
    struct plan *p = plan_new(SLICE(OLD), SLICE(NEW), classic);
    CHECK_INT(p->n_steps, n);
    for (size_t i = 0; i < n && i < p->n_steps; i++)
        CHECK_STR(slice_str(p->steps[i].kind->id), ids[i]);
    plan_free(p);
}

TEST(steps_in_their_order)
{
    static const char *const ours[] = {"check", "publish-edge", "publish-routes", "dns",
                                       "drain", "disable",      "verify"};
    static const char *const old[] = {"check",     "site-off", "legacy-off", "certificates",
                                      "target-on", "next-hop", "media",      "site-on",
                                      "publish",   "dns",      "stop",       "verify"};
    check_steps(false, ours, sizeof(ours) / sizeof(ours[0]));
    check_steps(true, old, sizeof(old) / sizeof(old[0]));
}

TEST(edits_are_reverted)
{
    struct arena a = {0};
    struct topology *t = topology_with(GOOD_OLD, "", GOOD_MACHINES);
    struct plan *p = plan_new(SLICE(OLD), SLICE(NEW), false);
    struct json_value *doc = topology_to_json(t, &a), *before = edits_copy(doc, &a), *undo[8];
    for (size_t i = 0; i < p->n_steps; i++) {
        struct edits e = {.a = &a};
        undo[i] = NULL;
        if (!p->steps[i].kind->edits)
            continue;
        p->steps[i].kind->edits(&e, t, p);
        CHECK(edits_apply(&e, doc, &undo[i]) > 0);
        CHECK_INT(edits_apply(&e, doc, &(struct json_value *){NULL}), 0);
    }
    CHECK(!json_equal(doc, before));
    for (size_t i = p->n_steps; i > 0; i--)
        edits_revert(undo[i - 1], &a, doc);
    CHECK(json_equal(doc, before));
    plan_free(p);
    topology_unref(t);
    arena_fini(&a);
}

TEST(a_plan_is_stored_and_read)
{
    struct arena a = {0};
    struct buf one = {0}, two = {0};
    struct plan *p = plan_new(SLICE(OLD), SLICE(NEW), true), *q = NULL;
    struct plan_record before = {SLICE("sip.contoso.example"), DNS_A, SLICE("192.0.2.1"), 30};
    p->state = PLAN_FAILED;
    p->back = true;
    p->at = 3;
    p->phase = 1;
    p->ttl = 60;
    p->dns_touched = true;
    p->before = &before;
    p->n_before = 1;
    p->steps[3].state = STEP_FAILED;
    step_say(&p->steps[3], "no \"%s\"", "answer");
    p->steps[2].undo = json_array(&p->arena);
    json_write(plan_to_json(p, &a, true), false, &one);
    CHECK_INT(plan_parse(buf_slice(&one), &q), 0);
    json_write(plan_to_json(q, &a, true), false, &two);
    CHECK_SLICE(buf_slice(&two), buf_slice(&one));
    plan_free(q);
    for (size_t i = 0; i < buf_len(&one); i += 7) {
        q = NULL;
        CHECK(plan_parse(slice_head(buf_slice(&one), i), &q) < 0);
    }
    CHECK(plan_parse(SLICE("{\"from\":1,\"steps\":[]}"), &q) < 0);
    plan_free(p);
    buf_fini(&one);
    buf_fini(&two);
    arena_fini(&a);
}

TEST_MAIN(findings_have_ids, no_step_leaves_users_without_a_way, warnings_do_not_block,
          names_that_were_adopted_move_too, addresses_by_type, the_longest_zone, steps_in_their_order,
          edits_are_reverted, a_plan_is_stored_and_read)
