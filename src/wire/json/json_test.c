#include "wire/json/json.h"

#include "ground/base/mem.h"
#include "ground/base/test.h"
#include "wire/json/priv.h"

#include <errno.h>
#include <math.h>

static struct json_value *must_parse(struct arena *a, const char *text)
{
    struct json_value *v = NULL;
    struct json_error e = {0};
    if (json_parse(slice_str(text), a, &v, &e) < 0)
        TEST_DIAG("%s: line %u: %s", text, e.line, e.text);
    return v;
}

static void check_canonical(const char *text, const char *want)
{
    struct arena a = {0};
    struct buf out = {0};
    struct json_value *v = must_parse(&a, text);
    if (v) {
        json_write_canonical(v, &out);
        CHECK_STR(buf_slice(&out), want);
    }
    buf_fini(&out);
    arena_fini(&a);
}

/* RFC 8785 section 3.2.2, with the result of 3.2.3 (3.2.4 has it in bytes) */
TEST(canonical_sample)
{
    check_canonical("{\n"
                    "  \"numbers\": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],\n"
                    "  \"string\": \"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/\",\n"
                    "  \"literals\": [null, true, false]\n"
                    "}",
                    "{\"literals\":[null,true,false],"
                    "\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
                    "\"string\":\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
}

/* RFC 8785 section 3.2.3 */
TEST(canonical_order)
{
    check_canonical(
        "{\"\\u20ac\": \"Euro Sign\", \"\\r\": \"Carriage Return\", \"\\ufb33\": \"Hebrew Letter Dalet "
        "With Dagesh\", \"1\": \"One\", \"\\ud83d\\ude00\": \"Emoji: Grinning Face\", \"\\u0080\": "
        "\"Control\", \"\\u00f6\": \"Latin Small Letter O With Diaeresis\"}",
        "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xc2\x80\":\"Control\",\"\xc3\xb6\":\"Latin Small "
        "Letter O With Diaeresis\",\"\xe2\x82\xac\":\"Euro Sign\",\"\xf0\x9f\x98\x80\":\"Emoji: Grinning "
        "Face\",\"\xef\xac\xb3\":\"Hebrew Letter Dalet With Dagesh\"}");
    check_canonical("{\"ab\": 1, \"a\": [], \"\": {}}", "{\"\":{},\"a\":[],\"ab\":1}");
}

TEST(canonical_escapes)
{
    check_canonical("\"\\b\\t\\n\\f\\r\\u001f\\u007f\\/\"", "\"\\b\\t\\n\\f\\r\\u001f\x7f/\"");
}

/* RFC 8785 appendix B */
TEST(canonical_numbers)
{
    static const struct {
        uint64_t bits;
        const char *text;
    } TABLE[] = {
        {0x0000000000000000, "0"                        },
        {0x8000000000000000, "0"                        },
        {0x0000000000000001, "5e-324"                   },
        {0x8000000000000001, "-5e-324"                  },
        {0x7fefffffffffffff, "1.7976931348623157e+308"  },
        {0xffefffffffffffff, "-1.7976931348623157e+308" },
        {0x4340000000000000, "9007199254740992"         },
        {0xc340000000000000, "-9007199254740992"        },
        {0x4430000000000000, "295147905179352830000"    },
        {0x44b52d02c7e14af5, "9.999999999999997e+22"    },
        {0x44b52d02c7e14af6, "1e+23"                    },
        {0x44b52d02c7e14af7, "1.0000000000000001e+23"   },
        {0x444b1ae4d6e2ef4e, "999999999999999700000"    },
        {0x444b1ae4d6e2ef4f, "999999999999999900000"    },
        {0x444b1ae4d6e2ef50, "1e+21"                    },
        {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"     },
        {0x3eb0c6f7a0b5ed8d, "0.000001"                 },
        {0x41b3de4355555553, "333333333.3333332"        },
        {0x41b3de4355555554, "333333333.33333325"       },
        {0x41b3de4355555555, "333333333.3333333"        },
        {0x41b3de4355555556, "333333333.3333334"        },
        {0x41b3de4355555557, "333333333.33333343"       },
        {0xbecbf647612f3696, "-0.0000033333333333333333"},
        {0x43143ff3c1cb0959, "1424953923781206.2"       },
        {0x3d30000000000000, "5.684341886080802e-14"    }, /* 2^-44: the nearest of 16 digits is another double */
    };
    for (size_t i = 0; i < sizeof(TABLE) / sizeof(TABLE[0]); i++) {
        double d;
        memcpy(&d, &TABLE[i].bits, sizeof(d));
        struct buf out = {0};
        json_write_number(d, &out);
        CHECK_STR(buf_slice(&out), TABLE[i].text);
        struct arena a = {0};
        struct json_value *v = json_real(&a, d);
        buf_clear(&out, 0);
        json_write_canonical(v, &out);
        CHECK_STR(buf_slice(&out), TABLE[i].text);
        arena_fini(&a);
        buf_fini(&out);
    }
}

TEST(numbers)
{
    struct arena a = {0};
    struct json_value *v = must_parse(
        &a, "[9007199254740992, -9007199254740992, 9007199254740994, 1.0, 1e3, 1.5, 12345678901234567890]");
    CHECK_INT(json_at(v, 0)->integer, 9007199254740992);
    CHECK_INT(json_at(v, 1)->integer, -9007199254740992);
    CHECK_INT(json_at(v, 2)->kind, JSON_REAL);
    CHECK_INT(json_at(v, 3)->kind, JSON_INT);
    CHECK_INT(json_at(v, 4)->integer, 1000);
    CHECK(json_at(v, 5)->real == 1.5);
    CHECK(json_at(v, 6)->real == 12345678901234567890.0);
    CHECK_INT(json_int(&a, INT64_MAX)->kind, JSON_REAL);
    arena_fini(&a);
}

TEST(lines)
{
    struct arena a = {0};
    struct json_value *v =
        must_parse(&a, "\n{\n \"a\\\"[\": 1, \"b\": \"x\",\n\"c\": [\n{}, [],\n\"d\", null]\n}\n");
    CHECK_INT(v->line, 2);
    CHECK_INT(json_find(v, SLICE("a\"["))->line, 3);
    CHECK_INT(json_get(v, "b")->line, 3);
    const struct json_value *c = json_get(v, "c");
    CHECK_INT(c->line, 4);
    CHECK_INT(json_at(c, 0)->line, 5);
    CHECK_INT(json_at(c, 1)->line, 5);
    CHECK_INT(json_at(c, 2)->line, 6);
    CHECK_INT(json_at(c, 3)->line, 6);
    arena_fini(&a);
}

static void check_refused(const char *text, unsigned line)
{
    struct arena a = {0};
    struct json_value *v = NULL;
    struct json_error e = {0};
    CHECK_INT(json_parse(slice_str(text), &a, &v, &e), -EBADMSG);
    CHECK(v == NULL && e.text[0]);
    if (e.line != line)
        TEST_DIAG("%s: line %u, not %u: %s", text, e.line, line, e.text);
    arena_fini(&a);
}

TEST(refused)
{
    check_refused("", 1);
    check_refused("{\"a\": 1,\n\"a\": 2}", 2);
    check_refused("[1, 2", 1);
    check_refused("[1,]", 1);
    check_refused("\n[01]", 2);
    check_refused("[1] 2", 1);
    check_refused("'a'", 1);
    check_refused("\"\xff\"", 1);
    check_refused("\"\\ud800\"", 1);
    check_refused("\"a\\u0000b\"", 1);
    check_refused("\xef\xbb\xbf{}", 1);
    check_refused("1e999", 1);
    check_refused("NaN", 1);
    check_refused("]]", 1);
    check_refused("\"a", 1);
    check_refused("\"\\", 1);
}

TEST(depth_limit)
{
    struct arena a = {0};
    char text[2 * JSON_MAX_DEPTH + 3] = {0};
    memset(text, '[', JSON_MAX_DEPTH);
    memset(text + JSON_MAX_DEPTH, ']', JSON_MAX_DEPTH);
    struct json_value *v = NULL;
    struct json_error e = {0};
    CHECK_INT(json_parse(slice_str(text), &a, &v, &e), 0);
    CHECK_INT(yaml_parse(slice_str(text), &a, &v, &e), 0);
    memset(text, '[', JSON_MAX_DEPTH + 1);
    memset(text + JSON_MAX_DEPTH + 1, ']', JSON_MAX_DEPTH + 1);
    CHECK_INT(json_parse(slice_str(text), &a, &v, &e), -EBADMSG);
    CHECK_INT(e.column, JSON_MAX_DEPTH + 1);
    CHECK_INT(yaml_parse(slice_str(text), &a, &v, &e), -EBADMSG);
    arena_fini(&a);
}

TEST(node_limit)
{
    struct buf text = {0};
    struct arena a = {0};
    struct json_value *v = NULL;
    struct json_error e = {0};
    buf_append_char(&text, '[');
    for (size_t i = 0; i < JSON_MAX_NODES; i++)
        buf_append(&text, SLICE("0,"));
    buf_append(&text, SLICE("0]"));
    CHECK_INT(json_parse(buf_slice(&text), &a, &v, &e), -EBADMSG);
    CHECK(strstr(e.text, "values") != NULL);
    e = (struct json_error){0};
    CHECK_INT(yaml_parse(buf_slice(&text), &a, &v, &e), -EBADMSG);
    CHECK(strstr(e.text, "values") != NULL);
    buf_fini(&text);
    arena_fini(&a);
}

TEST(text_limit)
{
    struct arena a = {0};
    struct json_value *v = NULL;
    struct json_error e = {0};
    char *text = mem_alloc(JSON_MAX_TEXT + 1);
    memset(text, ' ', JSON_MAX_TEXT + 1);
    CHECK_INT(json_parse(slice_mem(text, JSON_MAX_TEXT + 1), &a, &v, &e), -EBADMSG);
    CHECK(strstr(e.text, "longer") != NULL);
    CHECK_INT(yaml_parse(slice_mem(text, JSON_MAX_TEXT + 1), &a, &v, &e), -EBADMSG);
    CHECK(strstr(e.text, "longer") != NULL);
    mem_free(text);
    arena_fini(&a);
}

TEST(making_and_looking)
{
    struct arena a = {0};
    struct json_value *o = json_object(&a), *list = json_array(&a);
    json_set_string(&a, o, "fqdn", SLICE("edge1.contoso.example"));
    json_set_int(&a, o, "port", 5060);
    json_set_int(&a, o, "port", 5061); /* replaces */
    json_set_bool(&a, o, "federation", true);
    for (int i = 0; i < 10; i++)
        json_push(&a, list, json_int(&a, i));
    json_set(&a, o, "list", list);
    json_set(&a, o, "none", json_null(&a));
    CHECK_INT(json_count(o), 5);
    CHECK_STR(json_get_string(o, "fqdn"), "edge1.contoso.example");
    CHECK_INT(json_get_int(o, "port", 0), 5061);
    CHECK(json_get_bool(o, "federation", false));
    CHECK_INT(json_at(json_get(o, "list"), 9)->integer, 9);
    CHECK(json_at(list, 10) == NULL);
    CHECK_INT(json_get_int(o, "fqdn", 7), 7);
    CHECK(json_get_bool(o, "absent", true));
    CHECK(json_get(NULL, "x") == NULL && json_get(list, "x") == NULL && json_at(o, 0) == NULL);
    CHECK_INT(json_get_string(o, "port").n, 0);
    CHECK_INT(json_count(NULL), 0);
    struct buf out = {0};
    json_write(o, false, &out);
    CHECK_STR(buf_slice(&out), "{\"fqdn\":\"edge1.contoso.example\",\"port\":5061,\"federation\":true,"
                               "\"list\":[0,1,2,3,4,5,6,7,8,9],\"none\":null}");
    buf_fini(&out);
    arena_fini(&a);
}

TEST(pretty)
{
    struct arena a = {0};
    struct buf out = {0};
    json_write(must_parse(&a, "{\"a\":[1,{\"b\":null}],\"c\":{},\"d\":[]}"), true, &out);
    CHECK_STR(buf_slice(&out),
              "{\n  \"a\": [\n    1,\n    {\n      \"b\": null\n    }\n  ],\n  \"c\": {},\n  \"d\": []\n}");
    buf_fini(&out);
    arena_fini(&a);
}

TEST(equal)
{
    struct arena a = {0};
    CHECK(json_equal(must_parse(&a, "{\"a\":1,\"b\":[1.5,\"x\"]}"),
                     must_parse(&a, "{\"b\":[15e-1,\"\\u0078\"],\"a\":1.0}")));
    CHECK(!json_equal(must_parse(&a, "{\"a\":1}"), must_parse(&a, "{\"b\":1}")));
    CHECK(!json_equal(must_parse(&a, "{\"a\":1}"), must_parse(&a, "{\"a\":1,\"b\":1}")));
    CHECK(!json_equal(must_parse(&a, "[1,2]"), must_parse(&a, "[2,1]")));
    CHECK(!json_equal(must_parse(&a, "\"1\""), must_parse(&a, "1")));
    CHECK(!json_equal(must_parse(&a, "true"), must_parse(&a, "false")));
    CHECK(json_equal(NULL, NULL) && !json_equal(NULL, must_parse(&a, "null")));
    arena_fini(&a);
}

TEST(string_literal)
{
    struct buf out = {0};
    json_write_string(slice_mem("a\0\xff\xed\xa0\x80\xc3", 7), &out);
    CHECK_STR(buf_slice(&out), "\"a\\u0000\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    buf_fini(&out);
}

TEST_MAIN(canonical_sample, canonical_order, canonical_escapes, canonical_numbers, numbers, lines, refused,
          depth_limit, node_limit, text_limit, making_and_looking, pretty, equal, string_literal)
