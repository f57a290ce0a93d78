#include "kept/topology/patch.h"

#include "ground/base/test.h"
#include "kept/topology/example_for_test.h"
#include "kept/topology/place.h"

#include <errno.h>

static struct json_value *document(struct arena *a, const char *text)
{
    struct json_value *doc = NULL;
    struct json_error error;
    CHECK_INT(yaml_parse(slice_str(text), a, &doc, &error), 0);
    return doc;
}

/* --- RFC 6902, as much as we write: what somebody else's program would do with a patch --- */
static struct json_value *child(struct json_value *v, struct slice token)
{
    uint64_t i = 0;
    if (v && v->kind == JSON_ARRAY)
        return slice_u64(token, 1000, &i) == 0 ? json_at(v, i) : NULL;
    return json_find(v, token);
}

static void drop(struct json_value *v, struct slice token)
{
    uint64_t at = 0;
    if (v->kind == JSON_ARRAY) {
        CHECK_INT(slice_u64(token, v->array.n - 1, &at), 0);
        memmove(&v->array.items[at], &v->array.items[at + 1], (--v->array.n - at) * sizeof(*v->array.items));
        return;
    }
    CHECK(json_find(v, token));
    while (!slice_eq(v->object.members[at].name, token))
        at++;
    memmove(&v->object.members[at], &v->object.members[at + 1],
            (--v->object.n - at) * sizeof(*v->object.members));
}

static void run_operation(struct arena *a, struct json_value *doc, const struct json_value *o)
{
    struct slice op = json_get_string(o, "op"), head, rest = slice_from(json_get_string(o, "path"), 1);
    struct json_value *value = json_get(o, "value"), *parent = doc;
    while (slice_cut(rest, '/', &head, &rest))
        parent = child(parent, head);
    if (!parent) {
        TEST_DIAG("nothing there: " SLICE_FMT, SLICE_ARG(json_get_string(o, "path")));
        return;
    }
    if (slice_eq(op, SLICE("test")))
        CHECK(value && child(parent, rest) && json_equal(child(parent, rest), value));
    else if (slice_eq(op, SLICE("remove")))
        drop(parent, rest);
    else if (parent->kind == JSON_ARRAY) {
        CHECK_STR(op, "add");
        CHECK_STR(rest, "-");
        json_push(a, parent, value);
    } else {
        CHECK((child(parent, rest) != NULL) == slice_eq(op, SLICE("replace")));
        json_set(a, parent, arena_cstr(a, rest), value);
    }
}

struct edit {
    const char *path, *value; /* NULL: removed; "+…": added */
};

static void make_edits(struct arena *a, struct json_value *doc, const struct edit *edits, size_t n)
{
    struct findings f = {0};
    for (size_t i = 0; i < n; i++) {
        struct slice path = slice_str(edits[i].path), value = slice_str(edits[i].value);
        int r;
        if (!edits[i].value)
            r = topology_edit_remove(a, doc, path, &f);
        else if (value.p[0] == '+') {
            struct slice assignment = slice_from(value, 1);
            r = topology_edit_add(a, doc, path, &assignment, 1, &f);
        } else
            r = topology_edit_set(a, doc, path, value, &f);
        CHECK_INT(r, 0);
    }
    findings_fini(&f);
}

static void check_same(const struct json_value *x, const struct json_value *y, struct arena *a)
{
    struct topology_change *changes;
    struct buf text = {0};
    size_t n;
    topology_diff(x, y, a, &changes, &n);
    topology_diff_write(changes, n, &text);
    CHECK_STR(buf_slice(&text), "");
    buf_fini(&text);
}

#define OLD "edge_pools/edge-old.contoso.example"
static const struct edit edits[] = {
    {"partners",                                                 "+domain=a.example"              },
    {"partners",                                                 "+domain=b.example"              },
    {"partners/fabrikam.example",                                NULL                             },
    {"providers",                                                "+name=hoster"                   },
    {"providers/hoster/edge_fqdn",                               "sip.hoster.example"             },
    {"deployment/timer_c_s",                                     "200"                            },
    {"deployment/additional_domains",                            "x.example, y.example"           },
    {"deployment/default_domain",                                "other.example"                  },
    {OLD "/federation",                                          "false"                          },
    {OLD "/next_hop",                                            ""                               },
    {OLD "/machines/edge-old1.contoso.example/external_address", "127.9.9.9"                      },
    {OLD "/machines",                                            "+fqdn=edge-old2.contoso.example"},
    {"sites",                                                    "+name=branch"                   },
    {"edge_pools",                                               "+fqdn=edge2.contoso.example"    },
};
enum { N_EDITS = sizeof(edits) / sizeof(edits[0]) };

/* Forwards, and back: what one adds the other removes. */
TEST(a_patch_makes_one_document_of_the_other)
{
    for (size_t way = 0; way < 2; way++) {
        struct arena a = {0};
        struct json_value *before = document(&a, EXAMPLE), *after = document(&a, EXAMPLE);
        struct topology_change *changes;
        size_t n;
        make_edits(&a, way ? before : after, edits, N_EDITS);
        topology_diff(before, after, &a, &changes, &n);
        struct json_value *patch = topology_patch(before, changes, n, &a);
        CHECK(n > 8 && json_count(patch) > n);
        for (size_t i = 0; i < json_count(patch); i++)
            run_operation(&a, before, json_at(patch, i));
        check_same(before, after, &a);
        arena_fini(&a);
    }
}

TEST(a_patch_names_its_objects)
{
    struct arena a = {0};
    struct buf text = {0};
    struct json_value *before = document(&a, EXAMPLE), *after = document(&a, EXAMPLE);
    struct topology_change *changes;
    size_t n;
    make_edits(&a, after, &(struct edit){OLD "/federation", "false"}, 1);
    topology_diff(before, after, &a, &changes, &n);
    json_write(topology_patch(before, changes, n, &a), false, &text);
    CHECK_STR(buf_slice(&text),
              "[{\"op\":\"test\",\"path\":\"/edge_pools/0/fqdn\",\"value\":\"edge-old.contoso.example\"},"
              "{\"op\":\"remove\",\"path\":\"/edge_pools/0/federation\"}]");
    buf_fini(&text);
    arena_fini(&a);
}

TEST(an_example_without_members_is_filled)
{
    struct arena a = {0};
    struct json_value *before = document(&a, "schema: 1\n"), *after = document(&a, EXAMPLE);
    struct topology_change *changes;
    struct findings f = {0};
    size_t n;
    topology_diff(before, after, &a, &changes, &n);
    topology_apply(&a, before, changes, n, &f);
    CHECK_INT(f.n, 0);
    check_same(before, after, &a);
    findings_fini(&f);
    arena_fini(&a);
}

/* --- two at once --- */
TEST(changes_go_on_top_of_others)
{
    struct arena a = {0};
    struct json_value *base = document(&a, EXAMPLE), *mine = document(&a, EXAMPLE),
                      *theirs = document(&a, EXAMPLE), *wanted = document(&a, EXAMPLE);
    struct topology_change *m, *t;
    struct findings f = {0};
    size_t n_m, n_t;
    const struct edit their_edits[] = {
        {"partners",             "+domain=c.example"},
        {"deployment/timer_c_s", "300"              },
    };
    make_edits(&a, mine, edits, N_EDITS);
    make_edits(&a, theirs, their_edits, 2);
    topology_diff(base, mine, &a, &m, &n_m);
    topology_diff(base, theirs, &a, &t, &n_t);
    topology_conflicts(m, n_m, t, n_t, &f);
    CHECK_INT(f.n, 1);
    CHECK(f.n && slice_eq(f.items[0].path, SLICE("deployment/timer_c_s")));
    topology_apply(&a, theirs, m, n_m, &f);
    CHECK_INT(f.n, 1);
    make_edits(&a, wanted, edits, N_EDITS);
    make_edits(&a, wanted, their_edits, 1);
    check_same(theirs, wanted, &a);
    findings_fini(&f);
    arena_fini(&a);
}

TEST(what_cannot_be_applied_is_told)
{
    struct arena a = {0};
    struct json_value *base = document(&a, EXAMPLE), *mine = document(&a, EXAMPLE),
                      *theirs = document(&a, EXAMPLE);
    struct topology_change *m, *t;
    struct findings f = {0};
    size_t n_m, n_t;
    const struct edit my_edits[] = {
        {OLD "/federation_port", "5071"             },
        {"partners",             "+domain=c.example"},
        {"providers",            "+name=h"          },
        {"sites/hq",             NULL               }
    };
    const struct edit their_edits[] = {
        {OLD,                         NULL               },
        {"partners",                  "+domain=c.example"},
        {"partners/c.example/policy", "blocked"          },
        {"providers",                 "+name=h"          },
        {"sites/hq/federation_route", ""                 },
    };
    make_edits(&a, mine, my_edits, 4);
    make_edits(&a, theirs, their_edits, 5);
    topology_diff(base, mine, &a, &m, &n_m);
    topology_diff(base, theirs, &a, &t, &n_t);
    topology_conflicts(m, n_m, t, n_t, &f);
    CHECK_INT(f.n, 1);
    CHECK(f.n && slice_eq(f.items[0].path, SLICE("sites/hq/federation_route")));
    topology_apply(&a, theirs, m, n_m, &f);
    CHECK_INT(f.n, 3);
    CHECK(f.n > 1 && slice_eq(f.items[1].path, SLICE(OLD "/federation_port")));
    CHECK(f.n > 2 && slice_eq(f.items[2].path, SLICE("partners/c.example")));
    CHECK(!topology_edit_get(theirs, SLICE(OLD)));
    CHECK_INT(json_count(topology_edit_get(theirs, SLICE("providers"))), 1);
    findings_fini(&f);
    arena_fini(&a);
}

/* --- places --- */
TEST(places_come_from_the_table)
{
    static const struct {
        const char *path, *kind, *property;
        enum topology_place_kind is;
        const char *bad;
    } rows[] = {
        {"",                                 "topology",   NULL,                 PLACE_OBJECT,   NULL     },
        {"edge_pools",                       "edge_pool",  "edge_pools",         PLACE_LIST,     NULL     },
        {"edge_pools/any.name",              "edge_pool",  "edge_pools",         PLACE_OBJECT,   NULL     },
        {"edge_pools/any.name/federation",   "edge_pool",  "federation",         PLACE_PROPERTY, NULL     },
        {"edge_pools/a/machines/b/fqdn",     "machine",    "fqdn",               PLACE_PROPERTY, NULL     },
        {"deployment",                       "deployment", "deployment",         PLACE_OBJECT,   NULL     },
        {"deployment/additional_domains/b.", "deployment", "additional_domains", PLACE_NAME,     NULL     },
        {"edge_pools/a/nothing",             "edge_pool",  "edge_pools",         PLACE_OBJECT,   "nothing"},
        {"schema/x",                         "topology",   "schema",             PLACE_PROPERTY, "x"      },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct topology_place at;
        struct slice bad = SLICE_NONE;
        CHECK_INT(topology_place_find(slice_str(rows[i].path), &at, &bad), rows[i].bad ? -ENOENT : 0);
        CHECK_INT(at.is, rows[i].is);
        if (i && strcmp(at.kind->name, rows[i].kind) != 0 && !strstr(at.kind->name, rows[i].kind))
            TEST_DIAG("%s: %s", rows[i].path, at.kind->name);
        CHECK_STR(at.property ? slice_str(at.property->name) : SLICE_NONE,
                  rows[i].property ? rows[i].property : "");
        CHECK_STR(bad, rows[i].bad ? rows[i].bad : "");
    }
}

TEST(findings_get_their_lines)
{
    struct arena a = {0};
    struct findings f = {0};
    struct json_value *doc = document(&a, "# a comment\n" EXAMPLE);
    findings_add(&f, "x", FINDING_ERROR, SLICE(OLD "/federation"), NULL, "there");
    findings_add(&f, "x", FINDING_ERROR, SLICE("sites/hq/nothing"), NULL, "the object above");
    findings_add(&f, "x", FINDING_ERROR, SLICE(""), NULL, "nowhere");
    findings_locate(&f, doc);
    CHECK_INT(f.items[0].line, 15);
    CHECK_INT(f.items[1].line, 10);
    CHECK_INT(f.items[2].line, 0);
    findings_fini(&f);
    arena_fini(&a);
}

TEST(people_see_the_order_of_the_table)
{
    struct arena a = {0};
    struct buf canonical = {0}, yaml = {0};
    struct json_value *doc = NULL;
    struct json_error error;
    const struct topology_place whole = {PLACE_OBJECT, &topology_root, NULL};
    json_write_canonical(document(&a, EXAMPLE), &canonical); /* sorted */
    CHECK_INT(json_parse(buf_slice(&canonical), &a, &doc, &error), 0);
    struct json_value *ordered = topology_in_order(&whole, doc, &a);
    CHECK(json_equal(ordered, doc));
    yaml_write(ordered, &yaml);
    CHECK(slice_starts(buf_slice(&yaml), SLICE("schema: 1\ndeployment:\n  name: contoso\n")));
    CHECK(slice_search(buf_slice(&yaml), SLICE("- fqdn: edge-old.contoso.example\n")) != SIZE_MAX);
    buf_fini(&canonical);
    buf_fini(&yaml);
    arena_fini(&a);
}

TEST_MAIN(people_see_the_order_of_the_table, a_patch_makes_one_document_of_the_other,
          a_patch_names_its_objects, an_example_without_members_is_filled, changes_go_on_top_of_others,
          what_cannot_be_applied_is_told, places_come_from_the_table, findings_get_their_lines)
