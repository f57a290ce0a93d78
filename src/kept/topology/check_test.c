#include "kept/topology/check.h"

#include "ground/base/file_for_test.h"
#include "ground/base/test.h"
#include "kept/topology/check_rows_for_test.h"
#include "kept/topology/example_for_test.h"

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
    CHECK(topology_n_checks >= 60);
}

/* ENTENTE_WRITE_REFERENCE=1 writes the page anew after a change of the table. */
TEST(page_is_what_the_table_says)
{
    struct buf want = {0}, got = {0};
    topology_checks_write(&want);
    CHECK(page_is("doc/checks.md", buf_slice(&want), &got));
    buf_fini(&want);
    buf_fini(&got);
}

static bool is_known(struct slice id)
{
    for (size_t i = 0; i < topology_n_checks; i++)
        if (slice_eq(id, slice_str(topology_checks[i].name)))
            return true;
    return slice_eq(id, SLICE("central-elsewhere")) || slice_eq(id, SLICE("certificate-not-there")) ||
           slice_eq(id, SLICE("address-for-name"));
}

/* What the page says of failures names checks that there are: two words with a hyphen in quotes. */
TEST(failures_name_checks_that_there_are)
{
    struct buf page = {0};
    size_t n = 0;
    topology_checks_write(&page);
    struct slice text = buf_slice(&page), before, id;
    size_t at = slice_search(text, SLICE("## How a migration fails"));
    CHECK(at != SIZE_MAX);
    text = slice_from(text, at == SIZE_MAX ? text.n : at);
    while (slice_cut(text, '`', &before, &text) && slice_cut(text, '`', &id, &text))
        if (slice_find(id, '-') != SIZE_MAX && slice_find(id, ' ') == SIZE_MAX) {
            n++;
            if (!is_known(id))
                TEST_DIAG("no check " SLICE_FMT, SLICE_ARG(id));
        }
    CHECK(n >= 30);
    buf_fini(&page);
}

TEST(each_check_says_what_it_means)
{
    for (size_t i = 0; i < topology_n_checks; i++) {
        const struct topology_check *c = &topology_checks[i];
        CHECK(slice_ends(slice_str(c->meaning), SLICE(".")));
        CHECK(c->remedy[0]);
        for (size_t j = 0; j < i; j++)
            CHECK(strcmp(c->name, topology_checks[j].name) != 0);
    }
}

/* A deployment as Lync's planning tool would draw it, with all that the model has. */
TEST(the_example_is_good)
{
    struct buf text = {0};
    struct topology *t = NULL;
    struct findings f = {0};
    CHECK(file_read("doc/example-topology.yaml", &text));
    CHECK_INT(topology_parse(buf_slice(&text), &t, &f), 0);
    if (t)
        topology_check_all(t, &f);
    for (size_t i = 0; i < f.n; i++)
        if (f.items[i].severity == FINDING_ERROR)
            TEST_DIAG("line %u, %s at " SLICE_FMT ": " SLICE_FMT, f.items[i].line, f.items[i].id,
                      SLICE_ARG(f.items[i].path), SLICE_ARG(f.items[i].text));
        else
            printf("# warning %s at " SLICE_FMT "\n", f.items[i].id, SLICE_ARG(f.items[i].path));
    CHECK_INT(f.errors, 0);
    topology_unref(t);
    findings_fini(&f);
    buf_fini(&text);
}

TEST_MAIN(good_topologies_have_no_findings, each_row_brings_its_finding,
          each_check_has_a_row_and_says_its_name, page_is_what_the_table_says,
          failures_name_checks_that_there_are, each_check_says_what_it_means, the_example_is_good)
