#include "kept/topology/explain.h"

#include "ground/base/test.h"
#include "kept/topology/descriptor.h"
#include "kept/topology/example_for_test.h"

#include <errno.h>

struct row {
    const char *path, *wanted[4];
};
static const struct row rows[] = {
    {"",                                                                                        {"topology\n", "The whole document.", "edge_pools ", "  now       set"}        },
    {"edge_pools",                                                                              {"list of edge_pool", "up to 200", "Edge pools", "1: edge-old.contoso.example"}},
    {"edge_pools/edge-old.contoso.example",
     {"type      edge_pool", "federation_port ", "now       set", NULL}                                                                                                        },
    {"edge_pools/new.contoso.example",                                                          {"type      edge_pool", "now       not set", NULL}                             },
    {"edge_pools/edge-old.contoso.example/federation_port",
     {"The TLS port for partners.", "range     1 to 65535", "default   5061", "now       5061 (not set)"}                                                                      },
    {"edge_pools/federation",                                                                   {"true or false", "in Lync   enable federation for this Edge pool", NULL}      },
    {"edge_pools/edge-old.contoso.example/federation",                                          {"now       true\n", NULL}                                                     },
    {"edge_pools/edge-old.contoso.example/next_hop",
     {"host name", "a Front End pool or a foreign pool or a Director pool", "now       fe.contoso.example",
      NULL}                                                                                                                                                                    },
    {"edge_pools/edge-old.contoso.example/conf_port",                                           {"443, or 444 where one name serves", NULL}                                    },
    {"edge_pools/edge-old.contoso.example/access_edge",                                         {"one of: enabled, draining, disabled", NULL}                                  },
    {"edge_pools/edge-old.contoso.example/adopts/a.example",                                    {"a.example is not listed", NULL}                                              },
    {"edge_pools/edge-old.contoso.example/machines/edge-old1.contoso.example/external_address",
     {"now       127.10.2.20", NULL}                                                                                                                                           },
    {"front_end_pools/digest_algorithms",
     {"list of: SHA-512-256, SHA-256, MD5", "default   SHA-256, MD5", NULL}                                                                                                    },
    {"deployment/attempt_ms",                                                                   {"unit      milliseconds", "nothing like it", NULL}                            },
    {"deployment",                                                                              {"in Lync", "default_domain ", "now       set", NULL}                          },
    {"sites/hq/name",                                                                           {"it must be there", "now       hq", NULL}                                     },
    {"access_edge/discovered_rate",                                                             {"messages a second", "20", NULL}                                              },
};

static struct json_value *example(struct arena *a)
{
    struct json_value *doc = NULL;
    struct json_error e;
    CHECK_INT(yaml_parse(SLICE(EXAMPLE), a, &doc, &e), 0);
    return doc;
}

TEST(paths_are_explained)
{
    struct arena a = {0};
    const struct json_value *doc = example(&a);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf out = {0};
        CHECK_INT(topology_explain(slice_str(rows[i].path), doc, EXPLAIN_TEXT, &out, NULL), 0);
        for (size_t j = 0; j < 4 && rows[i].wanted[j]; j++)
            if (slice_search(buf_slice(&out), slice_str(rows[i].wanted[j])) == SIZE_MAX)
                TEST_DIAG("%s lacks '%s':\n" SLICE_FMT, rows[i].path, rows[i].wanted[j],
                          SLICE_ARG(buf_slice(&out)));
        buf_fini(&out);
    }
    arena_fini(&a);
}

static void refused(const char *path, const char *text)
{
    struct arena a = {0};
    struct buf out = {0};
    struct findings f = {0};
    CHECK_INT(topology_explain(slice_str(path), example(&a), EXPLAIN_TEXT, &out, &f), -EINVAL);
    CHECK_INT(buf_len(&out), 0);
    CHECK_INT(f.n, 1);
    if (f.n && slice_search(f.items[0].text, slice_str(text)) == SIZE_MAX)
        TEST_DIAG("%s: " SLICE_FMT, path, SLICE_ARG(f.items[0].text));
    findings_fini(&f);
    buf_fini(&out);
    arena_fini(&a);
}

TEST(wrong_paths_say_what_comes_near)
{
    refused("edge_pool", "did you mean edge_pools?");
    refused("edge_pools/edge-old.contoso.example/federation_prt", "did you mean federation_port?");
    refused("edge_pools/federation_prt", "did you mean federation_port?");
    refused("sites/hq/next_hop", "it is a property of edge_pool");
    refused("deployment/attempt_ms/1", "nothing below it");
}

static void explain_all(struct arena *a, struct slice at, const struct kind *k, size_t *n)
{
    for (size_t i = 0; i < k->n_properties; i++) {
        const struct property *p = &k->properties[i];
        struct slice path = arena_printf(a, SLICE_FMT "%s%s", SLICE_ARG(at), at.n ? "/" : "", p->name);
        struct buf out = {0};
        CHECK_INT(topology_explain(path, NULL, EXPLAIN_MARKDOWN, &out, NULL), 0);
        CHECK(slice_search(buf_slice(&out),
                           slice_str(p->type == PROPERTY_OBJECT ? p->kind->help : p->help)) != SIZE_MAX);
        buf_fini(&out);
        (*n)++;
        if (p->kind)
            explain_all(a, path, p->kind, n);
    }
}

TEST(every_property_is_explained)
{
    struct arena a = {0};
    size_t n = 0;
    explain_all(&a, SLICE(""), &topology_root, &n);
    CHECK(n > 150);
    arena_fini(&a);
}

TEST_MAIN(paths_are_explained, wrong_paths_say_what_comes_near, every_property_is_explained)
