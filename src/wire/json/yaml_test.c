#include "wire/json/json.h"

#include "ground/base/test.h"

#include <errno.h>

/* The YAML text means the same as the JSON text. */
static void check_same(const char *yaml, const char *json)
{
    struct arena a = {0};
    struct json_value *y = NULL, *j = NULL;
    struct json_error e = {0};
    if (yaml_parse(slice_str(yaml), &a, &y, &e) < 0)
        TEST_DIAG("%s: line %u column %u: %s", yaml, e.line, e.column, e.text);
    else if (json_parse(slice_str(json), &a, &j, &e) < 0 || !json_equal(y, j))
        TEST_DIAG("%s: is not %s", yaml, json);
    arena_fini(&a);
}

TEST(core_schema)
{
    static const struct {
        const char *yaml, *json;
    } TABLE[] = {
        {"[~, null, Null, NULL, '']",          "[null,null,null,null,\"\"]"                            },
        {"a:",                                 "{\"a\":null}"                                          },
        {"[true, True, TRUE, false, tRUE]",    "[true,true,true,false,\"tRUE\"]"                       },
        {"[yes, no, on, off, y, n]",           "[\"yes\",\"no\",\"on\",\"off\",\"y\",\"n\"]"           },
        {"[0, 12, -7, +3, 010]",               "[0,12,-7,3,10]"                                        },
        {"[0x1F, 0o17, 0x, 0o8, -0x1]",        "[31,15,\"0x\",\"0o8\",\"-0x1\"]"                       },
        {"[1.5, .5, 1., 1e3, -2.5E-1, 1.2.3]", "[1.5,0.5,1,1000,-0.25,\"1.2.3\"]"                      },
        {"[., +, -a, 1e, e3, 1_000, 12:30]",   "[\".\",\"+\",\"-a\",\"1e\",\"e3\",\"1_000\",\"12:30\"]"},
        {"[\"1\", '1', \"null\", 'true']",     "[\"1\",\"1\",\"null\",\"true\"]"                       },
        {"127.0.0.1",                          "\"127.0.0.1\""                                         },
        {"sip:alice@contoso.example",          "\"sip:alice@contoso.example\""                         },
        {"0xffffffffffffffffff",               "4722366482869645213695"                                },
        {"|\n  one\n  two\n",                  "\"one\\ntwo\\n\""                                      },
        {"# comment\n---\na: 1 # b\n...\n",    "{\"a\":1}"                                             },
        {"\"\\u20ac\\t\"",                     "\"\xe2\x82\xac\\t\""                                   },
        {"{a: 1, \"b\": [x, y]}",              "{\"a\":1,\"b\":[\"x\",\"y\"]}"                         },
        {"'<<': 1",                            "{\"<<\":1}"                                            },
    };
    for (size_t i = 0; i < sizeof(TABLE) / sizeof(TABLE[0]); i++)
        check_same(TABLE[i].yaml, TABLE[i].json);
}

TEST(lines)
{
    struct arena a = {0};
    struct json_value *v = NULL;
    struct json_error e = {0};
    CHECK_INT(yaml_parse(SLICE("# top\nsites:\n  - name: a\n    port: 1\n  - name: b\nx: y\n"), &a, &v, &e),
              0);
    CHECK_INT(v->line, 2);
    const struct json_value *sites = json_get(v, "sites");
    CHECK_INT(sites->line, 3);
    CHECK_INT(json_get(json_at(sites, 0), "port")->line, 4);
    CHECK_INT(json_at(sites, 1)->line, 5);
    CHECK_INT(json_get(v, "x")->line, 6);
    arena_fini(&a);
}

TEST(refused)
{
    static const struct {
        const char *text;
        unsigned line;
        const char *why;
    } TABLE[] = {
        {"",                           1, "empty"    },
        {"# nothing\n",                2, "empty"    },
        {"a: &x 1\n",                  1, "anchor"   },
        {"a: &x [1]\n",                1, "anchor"   },
        {"a: &x {b: 1}\n",             1, "anchor"   },
        {"a: 1\nb: *x\n",              2, "alias"    },
        {"a: !!str 1\n",               1, "tag"      },
        {"a: !x [1]\n",                1, "tag"      },
        {"!x {a: 1}\n",                1, "tag"      },
        {"%TAG ! tag:x,2000:\n---\n1", 1, "tag"      },
        {"<<: {a: 1}\n",               1, "merge"    },
        {"a: 1\nb: 2\na: 3\n",         3, "duplicate"},
        {"1: x\n",                     1, "string"   },
        {"true: x\n",                  1, "string"   },
        {"? [a]\n: x\n",               1, "string"   },
        {"*a : x\n",                   1, "string"   },
        {"a: 1\n---\nb: 2\n",          2, "document" },
        {"a: .inf\n",                  1, "number"   },
        {"a: 1e999\n",                 1, "number"   },
        {"a: \"\\0\"\n",               1, "U+0000"   },
        {"a: [1\nb: 2\n",              2, ""         },
        {"a: b: c\n",                  1, ""         },
        {"a: \xff\n",                  1, ""         },
        {"\ta: 1\n",                   1, ""         },
        {"a: \"\\ud800\"\n",           1, ""         },
    };
    for (size_t i = 0; i < sizeof(TABLE) / sizeof(TABLE[0]); i++) {
        struct arena a = {0};
        struct json_value *v = NULL;
        struct json_error e = {0};
        CHECK_INT(yaml_parse(slice_str(TABLE[i].text), &a, &v, &e), -EBADMSG);
        if (e.line != TABLE[i].line || !strstr(e.text, TABLE[i].why) || v)
            TEST_DIAG("%s: line %u: %s", TABLE[i].text, e.line, e.text);
        arena_fini(&a);
    }
}

static void check_written(const char *json, const char *yaml)
{
    struct arena a = {0};
    struct buf out = {0};
    struct json_value *v = NULL;
    struct json_error e = {0};
    CHECK_INT(json_parse(slice_str(json), &a, &v, &e), 0);
    yaml_write(v, &out);
    CHECK_STR(buf_slice(&out), yaml);
    buf_fini(&out);
    arena_fini(&a);
}

TEST(block_style)
{
    check_written(
        "{\"domains\":[\"contoso.example\",\"*.contoso.example\"],"
        "\"pools\":[{\"fqdn\":\"edge.contoso.example\",\"port\":5061,\"tags\":[\"a\"],\"none\":{}},{}],"
        "\"pem\":\"-----BEGIN\\nabc\\n-----END\\n\",\"nested\":[[1,2],[[]]],"
        "\"quoted\":[\"yes\",\"1\",\"\",\" a\",\"a: b\",\"#x\",\"no\\n\"],\"uri\":\"sip:a@b;c=d\"}",
        "domains:\n"
        "  - contoso.example\n"
        "  - \"*.contoso.example\"\n"
        "pools:\n"
        "  - fqdn: edge.contoso.example\n"
        "    port: 5061\n"
        "    tags:\n"
        "      - a\n"
        "    none: {}\n"
        "  - {}\n"
        "pem: |\n"
        "  -----BEGIN\n"
        "  abc\n"
        "  -----END\n"
        "nested:\n"
        "  - - 1\n"
        "    - 2\n"
        "  - - []\n"
        "quoted:\n"
        "  - yes\n"
        "  - \"1\"\n"
        "  - \"\"\n"
        "  - \" a\"\n"
        "  - \"a: b\"\n"
        "  - \"#x\"\n"
        "  - \"no\\n\"\n"
        "uri: sip:a@b;c=d\n");
    check_written("\"\"", "\"\"\n");
    check_written("[]", "[]\n");
}

/* --- round trips of generated trees --- */

static uint32_t seed = 1;

static uint32_t below(uint32_t n)
{
    seed = seed * 1664525 + 1013904223;
    return (uint32_t)(((uint64_t)(seed >> 8) * n) >> 24);
}

static const char *const NASTY[] = {
    "yes",
    "1",
    "null",
    "",
    " leading",
    "trailing ",
    "a: b",
    "a:",
    "#x",
    "a #x",
    "-",
    "- a",
    "---",
    "...",
    "?",
    "? a",
    "!x",
    "&x",
    "*x",
    "|",
    ">",
    "%x",
    "@x",
    "`x",
    "\"",
    "'",
    "it's",
    "'q'",
    "{",
    "}",
    "[a]",
    "a, b",
    "~",
    "true",
    "0x1F",
    "1.5",
    ".inf",
    "-.5",
    "1e3",
    "<<",
    "=",
    "12:30",
    "\t",
    "a\tb",
    "\r",
    "a\r\nb",
    "\n",
    "a\n",
    "a\n\n",
    "\na",
    "a\nb",
    "a\n\nb\n",
    "a\n b\n",
    " a\nb",
    "a \nb",
    "a\n# b\n- c\n---\n...\nd: e\n",
    "a\n\tb",
    "\x01",
    "\x7f",
    "\x1b[0m",
    "Z\xc3\xbcrich",
    "\xe2\x82\xac",
    "\xf0\x9f\x98\x80",
    "\xc2\x85",
    "\xc2\xa0",
    "\xe2\x80\xa8",
    "\xef\xbb\xbf",
    "a\xef\xbb\xbf",
    "\xef\xbf\xbf",
    "\xf4\x8f\xbf\xbf",
    "\\",
    "\\n",
    "a\\",
    "C:\\x",
    "+4930123456",
    "2026-11-22",
    "a\xe2\x80\xa9\nb",
    "a\n\xef\xbb\xbf",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
};

static struct slice random_string(struct arena *a)
{
    static const char BITS[] = "ab 1:#-\n\t\"'\\,{}[]&*!|>%@`?~.\xc3\xa4";
    if (below(2))
        return slice_str(NASTY[below(sizeof(NASTY) / sizeof(NASTY[0]))]);
    struct buf b = {0};
    size_t n = below(40) == 0 ? 600 + below(900) : below(12);
    for (size_t i = 0; i < n; i++) {
        char c = BITS[below(sizeof(BITS) - 3)];
        if (below(12) == 0)
            buf_append(&b, SLICE("\xc3\xa4"));
        else
            buf_append_char(&b, c);
    }
    struct slice s = arena_copy(a, buf_slice(&b));
    buf_fini(&b);
    return s;
}

static struct json_value *random_tree(struct arena *a, unsigned depth)
{
    switch (below(depth > 5 ? 7 : 12)) {
    case 0:
        return json_null(a);
    case 1:
        return json_bool(a, below(2));
    case 2:
        return json_int(a, (int64_t)below(1 << 20) * below(1 << 20) - (1 << 20));
    case 3:
        return json_real(a, (double)below(1 << 24) / 7 * (below(2) ? 1e-12 : -1e20));
    case 4:
    case 5:
    case 6:
        return json_string(a, random_string(a));
    case 7:
    case 8: {
        struct json_value *v = json_array(a);
        for (size_t n = below(5); n; n--)
            json_push(a, v, random_tree(a, depth + 1));
        return v;
    }
    default: {
        struct json_value *v = json_object(a);
        for (size_t n = below(6); n; n--)
            json_set(a, v, arena_cstr(a, random_string(a)), random_tree(a, depth + 1));
        return v;
    }
    }
}

TEST(round_trips)
{
    size_t containers = 0;
    for (unsigned i = 1; i <= 4000; i++) {
        struct arena a = {0};
        struct buf out = {0};
        seed = i;
        struct json_value *v = random_tree(&a, 0), *again = NULL;
        struct json_error e = {0};
        yaml_write(v, &out);
        containers += json_count(v) > 1;
        if (yaml_parse(buf_slice(&out), &a, &again, &e) < 0)
            TEST_DIAG("seed %u: line %u: %s", i, e.line, e.text);
        else if (!json_equal(v, again))
            TEST_DIAG("seed %u: differs:\n" SLICE_FMT, i, SLICE_ARG(buf_slice(&out)));
        buf_clear(&out, 1 << 20);
        json_write(v, i % 2, &out);
        if (json_parse(buf_slice(&out), &a, &again, &e) < 0 || !json_equal(v, again))
            TEST_DIAG("seed %u: differs as JSON: %s", i, e.text);
        buf_fini(&out);
        arena_fini(&a);
    }
    CHECK(containers > 500);
}

/* Every nasty string as the whole document, as an item, as a value and as a key. */
TEST(nasty_strings)
{
    for (size_t i = 0; i < sizeof(NASTY) / sizeof(NASTY[0]); i++) {
        struct arena a = {0};
        struct json_value *s = json_string(&a, slice_str(NASTY[i])), *o = json_object(&a),
                          *list = json_array(&a);
        json_push(&a, list, s);
        json_push(&a, list, s);
        json_set(&a, o, NASTY[i], s);
        json_set(&a, o, "list", list);
        const struct json_value *docs[] = {s, o, list};
        for (size_t d = 0; d < 3; d++) {
            struct buf out = {0};
            struct json_value *again = NULL;
            struct json_error e = {0};
            yaml_write(docs[d], &out);
            if (yaml_parse(buf_slice(&out), &a, &again, &e) < 0 || !json_equal(docs[d], again))
                TEST_DIAG("line %u: %s:\n" SLICE_FMT, e.line, e.text, SLICE_ARG(buf_slice(&out)));
            buf_fini(&out);
        }
        arena_fini(&a);
    }
}

TEST_MAIN(core_schema, lines, refused, block_style, round_trips, nasty_strings)
