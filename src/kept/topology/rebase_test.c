#include "kept/topology/rebase.h"

#include "ground/base/test.h"

#include <string.h>

#define HEAD "schema: 1\ndeployment: {name: c, default_domain: c.example"
#define BASE HEAD "}\npartners: [{domain: a.example}, {domain: b.example, comment: old}]\n"

static struct json_value *doc(struct arena *a, const char *text)
{
    struct json_value *v = NULL;
    struct json_error error;
    CHECK_INT(yaml_parse(slice_str(text), a, &v, &error), 0);
    return v;
}

static const struct {
    const char *mine, *theirs;
    const char *conflict;                   /* its path; NULL: none */
    const char *want, *by_mine, *by_theirs; /* NULL: refused */
} triples[] = {
  /* different things, and the same change by both */
    {HEAD ", attempt_ms: 5000}\npartners: [{domain: a.example}, {domain: b.example, comment: old}]\n",
     HEAD "}\npartners: [{domain: a.example}, {domain: b.example, comment: new}, {domain: d.example}]\n",
     NULL,                                                                                                                              HEAD ", attempt_ms: 5000}\npartners: [{domain: a.example}, {domain: b.example, comment: new}, {domain: "
          "d.example}]\n",                                                                                                          "same",                                      "same"},
    {HEAD ", attempt_ms: 5000}\npartners: [{domain: b.example, comment: old}]\n",
     HEAD ", attempt_ms: 5000}\npartners: [{domain: b.example, comment: old}]\n",                         NULL,
     HEAD ", attempt_ms: 5000}\npartners: [{domain: b.example, comment: old}]\n",                                                             "same",                                      "same"},
 /* one value, two ways */
    {HEAD "}\npartners: [{domain: a.example}, {domain: b.example, comment: mine}]\n",
     HEAD "}\npartners: [{domain: a.example}, {domain: b.example, comment: theirs}]\n",
     "partners/b.example/comment",                                                                                                      NULL,
     HEAD "}\npartners: [{domain: a.example}, {domain: b.example, comment: mine}]\n",
     HEAD "}\npartners: [{domain: a.example}, {domain: b.example, comment: theirs}]\n"                                                                                                           },
 /* I remove what they changed */
    {HEAD "}\npartners: [{domain: a.example}]\n",
     HEAD "}\npartners: [{domain: a.example}, {domain: b.example, comment: theirs}]\n",
     "partners/b.example/comment",                                                                                                      NULL, HEAD "}\npartners: [{domain: a.example}]\n",
     HEAD "}\npartners: [{domain: a.example}, {domain: b.example, comment: theirs}]\n"                                                                                                           },
 /* they remove what I changed: it cannot be put back from a part */
    {HEAD "}\npartners: [{domain: a.example}, {domain: b.example, comment: mine}]\n",
     HEAD "}\npartners: [{domain: a.example}]\n",                                                         "partners/b.example/comment", NULL, NULL,
     HEAD "}\npartners: [{domain: a.example}]\n"                                                                                                                                                 },
 /* one name, two objects */
    {BASE "providers: [{name: p, edge_fqdn: m.example}]\n",
     BASE "providers: [{name: p, edge_fqdn: t.example}]\n",                                               "providers/p",                NULL,
     BASE "providers: [{name: p, edge_fqdn: m.example}]\n",
     BASE "providers: [{name: p, edge_fqdn: t.example}]\n"                                                                                                                                       },
};

static void check_case(size_t i, enum rebase_keep keep, const char *want)
{
    struct arena a = {0};
    struct findings f = {0};
    struct json_value *got = NULL, *same = NULL;
    struct topology_change *left;
    size_t n = 0, made;
    int r = topology_rebase(&a, doc(&a, BASE), doc(&a, triples[i].mine), doc(&a, triples[i].theirs), keep,
                            &got, &made, &f);
    CHECK_INT(r, want ? 0 : REBASE_CONFLICTS);
    if (r == 0 && want) {
        same = doc(&a, want);
        topology_diff(same, got, &a, &left, &n);
        CHECK_INT(n, 0);
    }
    CHECK_INT(f.n > 0, triples[i].conflict != NULL);
    if (f.n && triples[i].conflict) {
        CHECK_STR(f.items[0].path, triples[i].conflict);
        CHECK(slice_search(f.items[0].text, SLICE("published is")) != SIZE_MAX);
    }
    if (test_failures)
        TEST_DIAG("case %zu, keep %d", i, (int)keep);
    findings_fini(&f);
    arena_fini(&a);
}

TEST(three_ways)
{
    for (size_t i = 0; i < sizeof(triples) / sizeof(triples[0]); i++) {
        const char *mine = triples[i].by_mine, *theirs = triples[i].by_theirs;
        check_case(i, REBASE_REFUSE, triples[i].want);
        check_case(i, REBASE_MINE, mine && strcmp(mine, "same") == 0 ? triples[i].want : mine);
        check_case(i, REBASE_THEIRS, strcmp(theirs, "same") == 0 ? triples[i].want : theirs);
    }
}

TEST_MAIN(three_ways)
