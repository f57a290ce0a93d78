#include "wire/sip/uri.h"

#include <errno.h>

#include "ground/base/buf.h"
#include "ground/base/test.h"

static struct sip_uri parsed(const char *text)
{
    struct sip_uri u = {0};
    if (sip_uri_parse(slice_str(text), &u) < 0)
        TEST_DIAG("'%s' does not parse", text);
    return u;
}

TEST(parts)
{
    struct sip_uri u = parsed("sip:alice:secretword@atlanta.com;transport=tcp"); /* RFC 3261 19.1.3 */
    CHECK_INT(u.scheme, SIP_SCHEME_SIP);
    CHECK(u.has_user);
    CHECK_STR(u.user, "alice");
    CHECK_STR(u.password, "secretword");
    CHECK_STR(u.host, "atlanta.com");
    CHECK_INT(u.port, 0);
    CHECK_STR(u.params, "transport=tcp");

    u = parsed("sips:alice@atlanta.com:5061?subject=project%20x&priority=urgent");
    CHECK_INT(u.scheme, SIP_SCHEME_SIPS);
    CHECK_INT(u.port, 5061);
    CHECK_STR(u.headers, "subject=project%20x&priority=urgent");
    CHECK_STR(u.params, "");

    u = parsed("sip:+1-212-555-1212:1234@gateway.com;user=phone");
    CHECK_STR(u.user, "+1-212-555-1212");
    CHECK_STR(u.password, "1234");

    u = parsed("sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com");
    CHECK(!u.has_user);
    CHECK_STR(u.host, "atlanta.com");
    CHECK_STR(u.params, "method=REGISTER");
    CHECK_STR(u.headers, "to=alice%40atlanta.com");

    u = parsed("sip:alice;day=tuesday@atlanta.com");
    CHECK_STR(u.user, "alice;day=tuesday");
    CHECK_STR(u.params, "");

    u = parsed("sip:a/b?c&d=e+f$g,h@[2001:db8::1]:5060;lr");
    CHECK_STR(u.user, "a/b?c&d=e+f$g,h");
    CHECK(u.host_is_ipv6);
    CHECK_STR(u.host, "2001:db8::1");
    CHECK_INT(u.port, 5060);

    u = parsed("sip:host.example.:5060");
    CHECK_STR(u.host, "host.example");

    u = parsed("TEL:+1-201-555-0123;phone-context=x");
    CHECK_INT(u.scheme, SIP_SCHEME_TEL);
    CHECK_STR(u.user, "+1-201-555-0123");
    CHECK_STR(u.host, "");
    CHECK_STR(u.params, "phone-context=x");

    u = parsed("urn:service:sos");
    CHECK_INT(u.scheme, SIP_SCHEME_OTHER);
    CHECK_STR(u.text, "urn:service:sos");
    CHECK_STR(u.host, "");
}

TEST(valid)
{
    static const char *const good[] = {
        "sip:a@1.2.3.4",
        "sip:a@1.2.3.4:65535",
        "sip:a_b.example",
        "sip:a@h;p=a=b==",
        "sip:u@h;opaque=user:epid:mzYbb0UF-1yXzwu;gruu",
        "sip:%00@h",
        "sip:a:@h",
        "sip:a@[::ffff:192.0.2.1]",
        "sip:!~*'()@h",
        "tel:7042;phone-context=example.com",
        "tel:*31#",
        "mailto:a@b",
        "http://x/y",
        "sip:sip%3Auser%40example.com@company.com;other-param=summit", /* RFC 4475 3.1.1.2 */
    };
    static const char *const bad[] = {
        "",
        "sip",
        "sip:",
        ":a@h",
        "1sip:a@h",
        "sip:@h",
        "sip:a@",
        "sip:a@h:",
        "sip:a@h:0",
        "sip:a@h:65536",
        "sip:a@h:+1",
        "sip:a@h:50x",
        "sip:a@1.2.3.256",
        "sip:a@1.2.3",
        "sip:a@1.2.3.4.5",
        "sip:a@-\x80",
        "sip:a@h..i",
        "sip:a@.h",
        "sip:a@.",
        "sip:a@h h",
        "sip: a@h",
        "sip:a@h\r\nX: y",
        "sip:a<b@h",
        "sip:a\"b@h",
        "sip:\xc3\xa4@h",
        "sip:a%4@h",
        "sip:a%zz@h",
        "sip:a@h%41",
        "sip:a@b@h",
        "sip:a#b@h",
        "sip:a@[::1",
        "sip:a@[::1]x",
        "sip:a@[::g]",
        "sip:a@[1.2.3.4]",
        "sip:a@[fe80::1%25eth0]",
        "sip:a@::1",
        "sip:a@h;",
        "sip:a@h;;lr",
        "sip:a@h;=x",
        "sip:a@h;maddr=x;MADDR=y",
        "sip:a@h?",
        "sip:a@h?=x",
        "tel:",
        "tel:+",
        "tel:-",
        "tel:12x4",
        "tel:1;",
    };
    struct sip_uri u;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        parsed(good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (sip_uri_parse(slice_str(bad[i]), &u) != -EINVAL)
            TEST_DIAG("'%s' parses", bad[i]);
    }
}

TEST(limits)
{
    struct buf b = {0};
    struct sip_uri u;
    buf_append(&b, SLICE("sip:h"));
    for (int i = 0; i < SIP_URI_MAX_PARAMS; i++)
        buf_printf(&b, ";p%d", i);
    CHECK_INT(sip_uri_parse(buf_slice(&b), &u), 0);
    buf_append(&b, SLICE(";more"));
    CHECK_INT(sip_uri_parse(buf_slice(&b), &u), -EINVAL);
    buf_clear(&b, 0);
    buf_append(&b, SLICE("sip:h?a=1"));
    for (int i = 1; i < SIP_URI_MAX_HEADERS; i++)
        buf_append(&b, SLICE("&a=1"));
    CHECK_INT(sip_uri_parse(buf_slice(&b), &u), 0);
    buf_append(&b, SLICE("&a=1"));
    CHECK_INT(sip_uri_parse(buf_slice(&b), &u), -EINVAL);
    buf_clear(&b, 0);
    buf_append(&b, SLICE("sip:"));
    for (int i = 0; i < 63; i++)
        buf_append_char(&b, 'a');
    CHECK_INT(sip_uri_parse(buf_slice(&b), &u), 0);
    buf_append_char(&b, 'a');
    CHECK_INT(sip_uri_parse(buf_slice(&b), &u), -EINVAL);
    buf_fini(&b);
}

static void check_equal(struct slice x, struct slice y, bool want)
{
    struct sip_uri a, b;
    if (sip_uri_parse(x, &a) < 0 || sip_uri_parse(y, &b) < 0)
        TEST_DIAG("does not parse: " SLICE_FMT " " SLICE_FMT, SLICE_ARG(x), SLICE_ARG(y));
    else if (sip_uri_equal(&a, &b) != want || sip_uri_equal(&b, &a) != want)
        TEST_DIAG("not %s: " SLICE_FMT " " SLICE_FMT, want ? "equal" : "different", SLICE_ARG(x),
                  SLICE_ARG(y));
}

/* Rows a<TAB>b<TAB>equal|differ<TAB>why */
TEST(equality_vectors)
{
    char line[512];
    int rows = 0;
    FILE *f = fopen("tests/vectors/uri-equality.tsv", "r");
    CHECK(f != NULL);
    while (f && fgets(line, sizeof(line), f)) {
        struct slice a, b, want, rest = slice_str(line);
        if (line[0] == '#')
            continue;
        if (!slice_cut(rest, '\t', &a, &rest) || !slice_cut(rest, '\t', &b, &rest) ||
            !slice_cut(rest, '\t', &want, &rest)) {
            TEST_DIAG("row is malformed: %s", line);
            continue;
        }
        check_equal(a, b, slice_eq(want, SLICE("equal")));
        rows++;
    }
    CHECK_INT(rows, 18);
    if (f)
        fclose(f);
}

TEST(equality)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {"sip:a@h",                       "SIP:a@h",                       true },
        {"sip:a%3bb@h",                   "sip:a;b@h",                     false}, /* ';' is reserved (RFC 2396) */
        {"sip:a%3bb@h",                   "sip:a%3Bb@h",                   true },
        {"sip:a%2db@h",                   "sip:a-b@h",                     true },
        {"sip:%41@h",                     "sip:a@h",                       false},
        {"sip:a@h",                       "sip:h",                         false},
        {"sip:a@h;ttl=1",                 "sip:a@h",                       false},
        {"sip:a@h;method=INVITE",         "sip:a@h",                       false},
        {"sip:a@h;x=%61",                 "sip:a@h;X=A",                   true },
        {"sip:a@h;x",                     "sip:a@h;x=1",                   false},
        {"sip:a@h?a=1&a=2",               "sip:a@h?a=2&a=1",               true },
        {"sip:a@h?a=1&a=1",               "sip:a@h?a=1",                   false},
        {"sip:a@h?a=1&a=1&b=2",           "sip:a@h?a=1&b=2&b=2",           false},
        {"sip:a@h?body=x",                "sip:a@h?body=X",                false},
        {"sip:a@192.0.2.1",               "sip:a@[::ffff:192.0.2.1]",      false},
        {"sip:a@[::1]",                   "sip:a@[::2]",                   false},
        {"sip:a@h",                       "sip:a@h.",                      true },
        {"sip:a@h:5060",                  "sip:a@h:5060",                  true },
        {"tel:+1-201-555-0123",           "tel:+1(201)555.0123",           true },
        {"tel:+12015550123",              "tel:12015550123",               false},
        {"tel:1",                         "tel:12",                        false},
        {"tel:7042;phone-context=a.test", "tel:7042;phone-context=A.test", true },
        {"tel:7042;phone-context=+1-2",   "tel:7042;phone-context=+12",    true },
        {"tel:7042;phone-context=a.test", "tel:7042",                      false},
        {"tel:+1;ext=1-2;isub=3",         "tel:+1;isub=3;ext=12",          true },
        {"tel:+12015550123",              "sip:+12015550123@h",            false},
        {"urn:a:b",                       "URN:a:b",                       true },
        {"urn:a:b",                       "urn:a:B",                       false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_equal(slice_str(rows[i].a), slice_str(rows[i].b), rows[i].equal);
}

TEST(not_transitive)
{
    check_equal(SLICE("sip:carol@chicago.com"), SLICE("sip:carol@chicago.com;security=on"), true);
    check_equal(SLICE("sip:carol@chicago.com"), SLICE("sip:carol@chicago.com;security=off"), true);
    check_equal(SLICE("sip:carol@chicago.com;security=on"), SLICE("sip:carol@chicago.com;security=off"),
                false);
}

TEST(param)
{
    struct sip_uri u = parsed("sip:a@h;Transport=TLS;lr;maddr=[::1]");
    struct slice v = SLICE("x");
    CHECK(sip_uri_param(&u, SLICE("transport"), &v));
    CHECK_STR(v, "TLS");
    CHECK(sip_uri_param(&u, SLICE("LR"), &v));
    CHECK_STR(v, "");
    CHECK(sip_uri_param(&u, SLICE("maddr"), &v));
    CHECK_STR(v, "[::1]");
    CHECK(!sip_uri_param(&u, SLICE("user"), &v));
}

TEST(aor)
{
    static const struct {
        const char *uri, *aor;
    } rows[] = {
        {"sip:%61lice:pw@AtLanTa.COM:5061;transport=tls?x=y", "alice@atlanta.com"             },
        {"sips:Alice@atlanta.com.",                           "Alice@atlanta.com"             },
        {"sip:a%40b@h",                                       "a@b@h"                         },
        {"sip:Example.COM",                                   "example.com"                   },
        {"sip:a@[2001:DB8:0:0::1]",                           "a@[2001:db8::1]"               },
        {"tel:+1-201",                                        "+1201"                         },
        {"tel:(70)4.2;phone-context=Example.com",             "7042;phone-context=example.com"},
        {"tel:70-42;phone-context=+1-2",                      "7042;phone-context=+12"        },
        {"urn:service:sos",                                   "urn:service:sos"               },
    };
    struct arena a = {0};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sip_uri u = parsed(rows[i].uri);
        CHECK_STR(sip_uri_aor(&u, &a), rows[i].aor);
    }
    struct sip_uri u = parsed("sip:a%00b@h");
    CHECK_SLICE(sip_uri_aor(&u, &a), slice_mem("a\0b@h", 5));
    arena_fini(&a);
}

TEST(unescape)
{
    struct arena a = {0};
    CHECK_STR(sip_unescape(SLICE("a%20b%3B%c3%A4"), &a), "a b;\xc3\xa4");
    CHECK_STR(sip_unescape(SLICE("%4"), &a), "%4");
    CHECK_STR(sip_unescape(SLICE("%zz%"), &a), "%zz%");
    CHECK_STR(sip_unescape(SLICE(""), &a), "");
    arena_fini(&a);
}

TEST(hostport)
{
    struct slice host;
    bool v6;
    uint16_t port;
    CHECK_INT(sip_hostport_parse(SLICE(" first.example.com : 4000 "), &host, &v6, &port), 0);
    CHECK_STR(host, "first.example.com");
    CHECK_INT(port, 4000);
    CHECK(!v6);
    CHECK_INT(sip_hostport_parse(SLICE("[::1] :5061"), &host, &v6, &port), 0);
    CHECK_STR(host, "::1");
    CHECK_INT(port, 5061);
    CHECK(v6);
    CHECK_INT(sip_hostport_parse(SLICE("a b"), &host, &v6, &port), -EINVAL);
    CHECK_INT(sip_hostport_parse(SLICE_NONE, &host, &v6, &port), -EINVAL);
}

TEST_MAIN(parts, valid, limits, equality_vectors, equality, not_transitive, param, aor, unescape, hostport)
