#include "kept/topology/edit.h"

#include "ground/base/test.h"
#include "kept/topology/example_for_test.h"

#include <errno.h>

static struct json_value *document(struct arena *a, const char *text)
{
    struct json_value *doc = NULL;
    struct json_error error;
    CHECK_INT(yaml_parse(slice_str(text), a, &doc, &error), 0);
    return doc;
}

static struct slice text_at(const struct json_value *doc, const char *path, struct arena *a)
{
    const struct json_value *v = topology_edit_get(doc, slice_str(path));
    struct buf out = {0};
    if (v)
        json_write_canonical(v, &out);
    struct slice s = arena_copy(a, buf_slice(&out));
    buf_fini(&out);
    return s;
}

struct row {
    const char *verb, *path, *value;
    int result;
    const char *words; /* of the finding, or what then stands at `look` */
    const char *look;
};
#define EDGE "edge_pools/edge-old.contoso.example"
static const struct row rows[] = {
    {"set",    EDGE "/federation",                                          "false",                                     0,       "false",                                 EDGE "/federation"          },
    {"set",    "edge_pools/EDGE-old.contoso.example/federation_port",       "5071",                                      0,       "5071",
     EDGE "/federation_port"                                                                                                                                                                           },
    {"set",    "deployment/default_domain",                                 "Other.Example",                             0,       "\"other.example\"",
     "deployment/default_domain"                                                                                                                                                                       },
    {"set",    "deployment/additional_domains",                             "b.example, C.example",                      0,       "[\"b.example\",\"c.example\"]",
     "deployment/additional_domains"                                                                                                                                                                   },
    {"set",    "sites/hq/federation_route",                                 "",                                          0,       "",                                      "sites/hq/federation_route" },
    {"set",    "sites/hq/federation_route",                                 "null",                                      0,       "{\"name\":\"hq\"}",                     "sites/hq"                  },
    {"set",    "sites/hq/name",                                             "HQ",                                        0,       "\"hq\"",                                "sites/hq/name"             },
    {"set",    "sites/hq/name",                                             "main",                                      0,       "\"main\"",                              "sites/main/name"           },
    {"set",    "front_end_pools/fe.contoso.example/version",                "2013",                                      0,       "\"2013\"",
     "front_end_pools/fe.contoso.example/version"                                                                                                                                                      },
    {"set",    EDGE "/federaton",                                           "true",                                      -EINVAL, "did you mean federation?",              NULL                        },
    {"set",    "sites/hq/next_hop",                                         "a.b",                                       -EINVAL, "property of edge_pool",                 NULL                        },
    {"set",    "sites/qh/federation_route",                                 "a.b",                                       -ENOENT, "did you mean hq?",                      NULL                        },
    {"set",    "sitess/hq/name",                                            "a",                                         -EINVAL, "did you mean sites?",                   NULL                        },
    {"set",    EDGE "/federation",                                          "yes",                                       -EINVAL, "true or false",                         NULL                        },
    {"set",    EDGE "/federation_port",                                     "65536",                                     -EINVAL, "1 to 65535",                            NULL                        },
    {"set",    EDGE "/federation_port",                                     "-1",                                        -EINVAL, "1 to 65535",                            NULL                        },
    {"set",    EDGE "/access_edge",                                         "stopped",                                   -EINVAL, "enabled, draining, disabled",           NULL                        },
    {"set",    EDGE "/next_hop",                                            "10.0.0.1",                                  -EINVAL, "not an address",                        NULL                        },
    {"set",    EDGE "/machines/edge-old1.contoso.example/internal_address", "name.example",                              -EINVAL,
     "not a name",                                                                                                                                                         NULL                        },
    {"set",    EDGE "/fqdn",                                                "",                                          -EINVAL, "cannot go without",                     NULL                        },
    {"set",    "schema",                                                    "null",                                      -EINVAL, "cannot go without",                     NULL                        },
    {"set",    EDGE "/federation/x",                                        "1",                                         -EINVAL, "nothing below",                         NULL                        },
    {"set",    "sites/hq",                                                  "1",                                         -EINVAL, "only a property",                       NULL                        },
    {"set",    "sites",                                                     "1",                                         -EINVAL, "only a property",                       NULL                        },
    {"add",    "partners",                                                  "domain=Northwind.example policy=blocked",   0,
     "{\"domain\":\"northwind.example\",\"policy\":\"blocked\"}",                                                                                                          "partners/northwind.example"},
    {"add",    "providers",                                                 "name=cloud enabled=true",                   0,       "{\"enabled\":true,\"name\":\"cloud\"}",
     "providers/cloud"                                                                                                                                                                                 },
    {"add",    EDGE "/machines",                                            "fqdn=m.example internal_address=127.0.0.9", 0,       "\"127.0.0.9\"",
     EDGE "/machines/m.example/internal_address"                                                                                                                                                       },
    {"add",    EDGE "/adopts",                                              "a.example b.example",                       0,       "[\"a.example\",\"b.example\"]",         EDGE "/adopts"              },
    {"add",    "partners",                                                  "domain=FABRIKAM.example",                   -EEXIST, "already",                               NULL                        },
    {"add",    "partners",                                                  "policy=allowed",                            -EINVAL, "lacks its domain",                      NULL                        },
    {"add",    "partners",                                                  "domain",                                    -EINVAL, "not NAME=VALUE",                        NULL                        },
    {"add",    "partners",                                                  "domian=x.example",                          -EINVAL, "did you mean domain?",                  NULL                        },
    {"add",    "partners",                                                  "domain=x.example policy=maybe",             -EINVAL, "one of allowed, blocked",               NULL                        },
    {"add",    "edge_pools",                                                "fqdn=x.example machines=y",                 -EINVAL, "a list of objects",                     NULL                        },
    {"add",    "deployment",                                                "name=x",                                    -EINVAL, "only add to a list",                    NULL                        },
    {"remove", "partners/Fabrikam.example",                                 "",                                          0,       "[]",                                    "partners"                  },
    {"remove", EDGE "/machines/edge-old1.contoso.example",                  "",                                          0,       "[]",                                    EDGE "/machines"            },
    {"remove", EDGE "/external_fqdn",                                       "",                                          0,       "",                                      EDGE "/external_fqdn"       },
    {"remove", "central",                                                   "",                                          0,       "",                                      "central"                   },
    {"remove", "partners/nobody.example",                                   "",                                          -ENOENT, "no partner",                            NULL                        },
    {"remove", EDGE "/adopts",                                              "",                                          -ENOENT, "not set",                               NULL                        },
    {"remove", EDGE "/adopts/x",                                            "",                                          -ENOENT, "does not list",                         NULL                        },
    {"remove", "sites/hq/name",                                             "",                                          -EINVAL, "cannot go without",                     NULL                        },
    {"remove", "",                                                          "",                                          -EINVAL, "whole document",                        NULL                        },
};

static int run(const struct row *row, struct arena *a, struct json_value *doc, struct findings *f)
{
    struct slice words[8], rest = slice_str(row->value), path = slice_str(row->path);
    size_t n = 0;
    if (strcmp(row->verb, "set") == 0)
        return topology_edit_set(a, doc, path, rest, f);
    if (strcmp(row->verb, "remove") == 0)
        return topology_edit_remove(a, doc, path, f);
    while (slice_cut(rest, ' ', &words[n], &rest))
        n++;
    words[n++] = rest;
    return topology_edit_add(a, doc, path, words, n, f);
}

TEST(edits)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        struct arena a = {0};
        struct findings f = {0};
        struct json_value *doc = document(&a, EXAMPLE), *before = document(&a, EXAMPLE);
        int r = run(row, &a, doc, &f);
        if (r != row->result)
            TEST_DIAG("row %zu (%s %s): %d, not %d", i, row->verb, row->path, r, row->result);
        CHECK_INT(f.n, r < 0 ? 1 : 0);
        if (r < 0) {
            CHECK(json_equal(before, doc));
            if (f.n && slice_search(f.items[0].text, slice_str(row->words)) == SIZE_MAX)
                TEST_DIAG("row %zu: " SLICE_FMT, i, SLICE_ARG(f.items[0].text));
        } else {
            CHECK_STR(text_at(doc, row->look, &a), row->words);
        }
        findings_fini(&f);
        arena_fini(&a);
    }
}

TEST(edits_of_an_empty_document)
{
    struct arena a = {0};
    struct findings f = {0};
    struct json_value *doc = document(&a, "schema: 1\nsites:\n");
    struct slice site = SLICE("name=hq"), machine = SLICE("fqdn=m.example");
    CHECK(!topology_edit_get(doc, SLICE("central/machine")));
    CHECK(!topology_edit_get(doc, SLICE("nothing/at/all")));
    CHECK(topology_edit_get(doc, SLICE("")) == doc);
    CHECK_INT(topology_edit_set(&a, doc, SLICE("central/machine"), SLICE("cms.example"), &f), 0);
    CHECK_INT(topology_edit_add(&a, doc, SLICE("sites"), &site, 1, &f), 0);
    CHECK_INT(topology_edit_add(&a, doc, SLICE("sites"), &site, 1, &f), -EEXIST);
    CHECK_INT(topology_edit_add(&a, doc, SLICE("edge_pools/none/machines"), &machine, 1, &f), -ENOENT);
    CHECK_STR(text_at(doc, "", &a),
              "{\"central\":{\"machine\":\"cms.example\"},\"schema\":1,\"sites\":[{\"name\":\"hq\"}]}");
    CHECK_INT(topology_edit_set(&a, doc, SLICE("sites/hq/name"), SLICE("b"), &f), 0);
    CHECK_INT(topology_edit_add(&a, doc, SLICE("sites"), &site, 1, &f), 0);
    CHECK_INT(topology_edit_set(&a, doc, SLICE("sites/hq/name"), SLICE("B"), &f), -EEXIST);
    CHECK_INT(topology_edit_set(&a, document(&a, "[]"), SLICE("sites/hq/name"), SLICE("B"), NULL), -EINVAL);
    findings_fini(&f);
    arena_fini(&a);
}

static struct slice diff(struct arena *a, const char *before, const char *after)
{
    struct topology_change *changes;
    size_t n;
    struct buf out = {0};
    topology_diff(document(a, before), document(a, after), a, &changes, &n);
    topology_diff_write(changes, n, &out);
    struct slice s = arena_copy(a, buf_slice(&out));
    buf_fini(&out);
    return s;
}

TEST(differences)
{
    struct arena a = {0};
    CHECK_STR(diff(&a, EXAMPLE, EXAMPLE), "");
    CHECK_STR(
        diff(&a, "schema: 1\nsites: [{name: a}, {name: b}]", "schema: 1\nsites: [{name: b}, {name: A}]"), "");
    CHECK_STR(diff(&a, "schema: 1", "schema: 1\nsites: []\ndeployment: {attempts_max: 4}"), "");
    CHECK_STR(diff(&a, "schema: 1\nedge_pools: [{fqdn: e, adopts: [a, b]}]",
                   "schema: 1\nedge_pools: [{fqdn: e, adopts: [b, a], managed: true}]"),
              "");
    CHECK_STR(diff(&a, "schema: 1\nfront_end_pools: [{fqdn: e}]",
                   "schema: 1\nfront_end_pools: [{fqdn: e, digest_algorithms: [MD5, SHA-256]}]"),
              "~ front_end_pools/e/digest_algorithms: SHA-256, MD5 -> MD5, SHA-256\n");
    CHECK_STR(
        diff(&a, "schema: 1\nedge_pools: [{fqdn: e}]",
             "schema: 1\ndeployment: {name: x}\nedge_pools: [{fqdn: e, federation: true, adopts: [o]}]"),
        "~ deployment/name: (none) -> x\n~ edge_pools/e/federation: false -> true\n"
        "~ edge_pools/e/adopts: (none) -> o\n");
    CHECK_STR(diff(&a, "schema: 1\nsites: [{name: a}]\npartners: [{domain: x, policy: blocked}]",
                   "schema: 1\nsites: [{name: b, federation_route: e}]\npartners: [{domain: x}]"),
              "- sites/a\n-     name: a\n+ sites/b\n+     name: b\n+     federation_route: e\n"
              "~ partners/x/policy: blocked -> allowed\n");
    CHECK_STR(diff(&a, "schema: 1\nedge_pools: [{fqdn: e, machines: [{fqdn: m, internal_address: 1.1.1.1}]}]",
                   "schema: 1\nedge_pools: [{fqdn: e, machines: [{fqdn: m, internal_address: 1.1.1.2}]}]"),
              "~ edge_pools/e/machines/m/internal_address: 1.1.1.1 -> 1.1.1.2\n");
    arena_fini(&a);
}

TEST_MAIN(edits, edits_of_an_empty_document, differences)
