#include "kept/topology/descriptor.h"

#include "ground/base/test.h"
#include "wire/json/json.h"

static void read_file(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "r");
    size_t n;
    CHECK(f);
    while (f && (n = fread(buf_reserve(out, 65536), 1, 65536, f)) > 0)
        buf_commit(out, n);
    if (f)
        fclose(f);
}

/* ENTENTE_WRITE_REFERENCE=1 writes the page anew after a change of the table. */
TEST(reference_is_what_the_table_says)
{
    struct buf want = {0}, got = {0};
    topology_reference_write(&want);
    if (getenv("ENTENTE_WRITE_REFERENCE")) {
        FILE *f = fopen("doc/topology.md", "w");
        CHECK(f && fwrite(buf_slice(&want).p, 1, buf_len(&want), f) == buf_len(&want));
        if (f)
            fclose(f);
    }
    read_file("doc/topology.md", &got);
    CHECK(slice_eq(buf_slice(&got), buf_slice(&want)));
    CHECK(slice_search(buf_slice(&got), SLICE("| `federation_port` | number, 1 to 65535 | `5061` |")) !=
          SIZE_MAX);
    buf_fini(&want);
    buf_fini(&got);
}

static size_t count_rows(const struct kind *k, size_t *without_help)
{
    size_t n = k->n_properties;
    for (size_t i = 0; i < k->n_properties; i++) {
        struct slice help = slice_str(k->properties[i].help);
        *without_help += !slice_ends(help, SLICE("."));
        if (k->properties[i].kind)
            n += count_rows(k->properties[i].kind, without_help);
    }
    return n;
}

TEST(every_row_has_a_sentence)
{
    size_t without = 0;
    CHECK(count_rows(&topology_root, &without) > 60);
    CHECK_INT(without, 0);
}

TEST(schema_is_json)
{
    struct buf out = {0};
    struct arena a = {0};
    struct json_value *doc = NULL;
    struct json_error e;
    topology_schema_write(&out);
    CHECK_INT(json_parse(buf_slice(&out), &a, &doc, &e), 0);
    struct json_value *edge = json_get(json_get(doc, "$defs"), "edge_pool");
    struct json_value *port = json_get(json_get(edge, "properties"), "federation_port");
    CHECK_INT(json_get_int(port, "default", 0), 5061);
    CHECK_INT(json_get_int(port, "maximum", 0), 65535);
    CHECK_INT(json_count(json_get(json_get(json_get(edge, "properties"), "access_edge"), "enum")), 3);
    CHECK_INT(json_count(json_get(edge, "required")), 1);
    CHECK_INT(json_count(json_get(doc, "required")), 1);
    CHECK(!json_get_bool(edge, "additionalProperties", true));
    arena_fini(&a);
    buf_fini(&out);
}

TEST_MAIN(reference_is_what_the_table_says, every_row_has_a_sentence, schema_is_json)
