/*
 * A large deployment: 50 sites, 200 pools, 1,000 machines, 10,000 partners. Loading, checking and comparing
 * take less than a second each.
 */
#include "ground/base/test.h"
#include "kept/topology/check.h"
#include "kept/topology/edit.h"
#include "kept/topology/example_for_test.h"

#include <time.h>

enum { SITES = 50, EDGES = 50, FRONT_ENDS = 150, MACHINES = 5, PARTNERS = 10000, PROVIDERS = 20 };

/* CPU time: other programs of the machine do not count. */
static double now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void write_machines(struct buf *out, const char *pool, unsigned i, unsigned net)
{
    buf_printf(out, "  machines:\n");
    for (unsigned m = 0; m < MACHINES; m++) {
        buf_printf(out, "  - fqdn: %s%u-%u.c.example\n    internal_address: 10.%u.%u.%u\n", pool, i, m, net,
                   i, m + 1);
        if (net == 1)
            buf_printf(out, "    external_address: 10.9.%u.%u\n", i, m + 1);
    }
}

static void write_large(struct buf *out)
{
    buf_printf(out, "schema: 1\ndeployment:\n  name: c\n  default_domain: c.example\ncentral:\n"
                    "  machine: cms.c.example\n  internal_address: 10.0.0.1\nsites:\n");
    for (unsigned i = 0; i < SITES; i++)
        buf_printf(out, "- name: s%u\n  federation_route: e0.c.example\n", i);
    buf_printf(out, "edge_pools:\n");
    for (unsigned i = 0; i < EDGES; i++) {
        buf_printf(out,
                   "- fqdn: e%u.c.example\n  site: s%u\n  federation: %s\n  external_fqdn: sip%u.c.example\n"
                   "  next_hop: f%u.c.example\n",
                   i, i % SITES, i ? "false" : "true", i, i);
        write_machines(out, "e", i, 1);
    }
    buf_printf(out, "front_end_pools:\n");
    for (unsigned i = 0; i < FRONT_ENDS; i++) {
        buf_printf(out, "- fqdn: f%u.c.example\n  site: s%u\n  managed: false\n  media_edge: e%u.c.example\n",
                   i, i % SITES, i % EDGES);
        write_machines(out, "f", i, 2);
    }
    buf_printf(out, "partners:\n");
    for (unsigned i = 0; i < PARTNERS; i++)
        buf_printf(out, i % 3 ? "- domain: p%u.example\n" : "- domain: p%u.example\n  provider: v%u\n", i,
                   i % PROVIDERS);
    buf_printf(out, "providers:\n");
    for (unsigned i = 0; i < PROVIDERS; i++)
        buf_printf(out, "- name: v%u\n  edge_fqdn: sip.v%u.example\n  enabled: true\n", i, i);
}

/* Sanitizers slow everything down; they look for something else. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const double limit_s = 30;
#else
static const double limit_s = 1;
#endif

static double took(const char *what, double since)
{
    double now = now_s();
    printf("# %s: %.3f s\n", what, now - since);
    if (now - since >= limit_s)
        TEST_DIAG("%s took %.3f s", what, now - since);
    return now_s();
}

static struct topology *load(const struct buf *text)
{
    struct topology *t = NULL;
    struct findings f = {0};
    CHECK_INT(topology_parse(buf_slice(text), &t, &f), 0);
    findings_fini(&f);
    return t;
}

TEST(large_is_fast)
{
    struct buf text = {0}, canonical = {0};
    struct arena a = {0};
    struct findings f = {0};
    struct topology_change *changes;
    size_t n;
    write_large(&text);
    double at = now_s();
    struct topology *t = load(&text);
    at = took("load", at);
    topology_check_all(t, &f);
    at = took("check", at);
    CHECK_INT(f.errors, 0);
    topology_write_canonical(t, &canonical);
    at = took("canonical", at);
    struct json_value *before = topology_to_json(t, &a), *after = topology_to_json(t, &a);
    CHECK_INT(topology_edit_set(&a, after, SLICE("partners/p9999.example/policy"), SLICE("blocked"), &f), 0);
    CHECK_INT(topology_edit_remove(&a, after, SLICE("partners/p5000.example"), &f), 0);
    at = now_s();
    topology_diff(before, after, &a, &changes, &n);
    at = took("diff", at);
    CHECK_INT(n, 2);
    for (size_t cursor = 0, i = 0; i < 100000; i++) { /* as services ask */
        struct topology_role role;
        struct slice fqdn = t->front_end_pools[i % FRONT_ENDS].machines[i % MACHINES].fqdn;
        if (!topology_role_find(t, fqdn, &role) || !role.front_end)
            cursor++;
        if (i == 99999)
            CHECK_INT(cursor, 0);
    }
    took("100,000 look-ups of machines", at);
    findings_fini(&f);
    arena_fini(&a);
    topology_unref(t);
    buf_fini(&text);
    buf_fini(&canonical);
}

TEST_MAIN(large_is_fast)
