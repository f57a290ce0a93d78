#include "wire/sip/value.h"

#include <errno.h>

#include "ground/base/test.h"

TEST(params)
{
    struct slice rest = SLICE("a=1 ; B = \"x;\\\"y\" ;; flag;last=\"\""), n, v;
    CHECK(sip_param_next(&rest, &n, &v));
    CHECK_STR(n, "a");
    CHECK_STR(v, "1");
    CHECK(sip_param_next(&rest, &n, &v));
    CHECK_STR(n, "B");
    CHECK_STR(v, "x;\\\"y");
    CHECK(sip_param_next(&rest, &n, &v));
    CHECK_STR(n, "flag");
    CHECK_STR(v, "");
    CHECK(sip_param_next(&rest, &n, &v));
    CHECK_STR(n, "last");
    CHECK_STR(v, "");
    CHECK(!sip_param_next(&rest, &n, &v));
    CHECK(sip_param(SLICE("x=\";tag=no\";Tag=yes"), SLICE("tag"), &v));
    CHECK_STR(v, "yes");
    CHECK(!sip_param(SLICE("x=tag"), SLICE("tag"), &v));
}

TEST(unquote)
{
    struct arena a = {0};
    CHECK_STR(sip_unquote(SLICE("plain"), &a), "plain");
    CHECK_STR(sip_unquote(SLICE("a \\\"b\\\\\\c"), &a), "a \"b\\c");
    CHECK_STR(sip_unquote(SLICE("end\\"), &a), "end\\");
    arena_fini(&a);
}

TEST(addresses)
{
    static const struct {
        const char *value, *display, *uri, *user, *params;
    } rows[] = {
  /* RFC 3261 20.10, 20.20, 20.34, 24.2 */
        {"\"Mr. Watson\" <sip:watson@worcester.bell-telephone.com>;q=0.7; expires=3600", "Mr. Watson",
         "sip:watson@worcester.bell-telephone.com",                                                                                                    "watson", "q=0.7; expires=3600"},
        {"\"A. G. Bell\" <sip:agb@bell-telephone.com> ;tag=a48s",                        "A. G. Bell",        "sip:agb@bell-telephone.com",
         "agb",                                                                                                                                                  "tag=a48s"           },
        {"sip:+12125551212@server.phone2net.com;tag=887s",                               "",                  "sip:+12125551212@server.phone2net.com",
         "+12125551212",                                                                                                                                         "tag=887s"           },
        {"Anonymous <sip:c8oqz84zk7z@privacy.org>;tag=hyh8",                             "Anonymous",         "sip:c8oqz84zk7z@privacy.org",
         "c8oqz84zk7z",                                                                                                                                          "tag=hyh8"           },
        {"<sip:bigbox3.site3.atlanta.com;lr>",                                           "",                  "sip:bigbox3.site3.atlanta.com;lr",      "",       ""                   },
        {"\"Alice \\\"<x>\\\\\"<sip:a@h>",                                               "Alice \\\"<x>\\\\", "sip:a@h",                               "a",      ""                   },
        {"  Alice B. Cooper\t< sip:a@h > ; tag = 1 ",                                    "Alice B. Cooper",   "sip:a@h",                               "a",      "tag = 1"            },
        {"J\xc3\xbcrgen <sip:j@h>",                                                      "J\xc3\xbcrgen",     "sip:j@h",                               "j",      ""                   },
        {"\"\" <sip:a@h>",                                                               "",                  "sip:a@h",                               "a",      ""                   },
        {"sip:a@h ; +sip.instance=\"<urn:uuid:1@x>\"",                                   "",                  "sip:a@h",                               "a",
         "+sip.instance=\"<urn:uuid:1@x>\""                                                                                                                                           },
        {"<sip:a;x@h;lr?y=z>;+sip.instance=\"<urn:uuid:1>\";q=1",                        "",                  "sip:a;x@h;lr?y=z",                      "a;x",
         "+sip.instance=\"<urn:uuid:1>\";q=1"                                                                                                                                         },
        {"<tel:+1-201>",                                                                 "",                  "tel:+1-201",                            "+1-201", ""                   },
        {"<mailto:watson@bell-telephone.com>",                                           "",                  "mailto:watson@bell-telephone.com",      "",       ""                   },
    };
    struct sip_addr addr;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (sip_addr_parse(slice_str(rows[i].value), &addr) < 0) {
            TEST_DIAG("does not parse: %s", rows[i].value);
            continue;
        }
        CHECK_STR(addr.display, rows[i].display);
        CHECK_STR(addr.uri_text, rows[i].uri);
        CHECK_STR(addr.uri.user, rows[i].user);
        CHECK_STR(addr.params, rows[i].params);
        CHECK(!addr.is_star);
    }
    CHECK_INT(sip_addr_parse(SLICE(" * "), &addr), 0);
    CHECK(addr.is_star);
}

TEST(bad_addresses)
{
    static const char *const bad[] = {
        "",
        "<>",
        "Alice",
        "<sip:a@h",
        "sip:a@h>",
        "\"Alice <sip:a@h>",
        "\"Alice\" sip:a@h",
        "\"Alice\"",
        "Bell, Alexander <sip:a@h>",
        "sip:x@y <sip:a@h>",
        "<sip:a@h> tag=1",
        "<sip:a@h>;x=\"y",
        "sip:a@h?Route=x",      /* RFC 4475 3.1.2.13 */
        "sip:boss;x@evil.test", /* the host would be "boss" */
        "<sip:a@h\r\nX: y>",
        "**",
        "*;q=1",
    };
    struct sip_addr addr;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (sip_addr_parse(slice_str(bad[i]), &addr) != -EINVAL)
            TEST_DIAG("parses: %s", bad[i]);
    }
}

TEST(via)
{
    struct sip_via v;
    CHECK_INT(sip_via_parse(SLICE("SIP/2.0/UDP erlang.bell-telephone.com:5060;branch=z9hG4bK87asdks7"), &v),
              0); /* RFC 3261 20.42 */
    CHECK_INT(v.transport, SIP_UDP);
    CHECK_STR(v.host, "erlang.bell-telephone.com");
    CHECK_INT(v.port, 5060);
    CHECK_STR(v.branch, "z9hG4bK87asdks7");
    CHECK(!v.has_rport && !v.has_alias);

    CHECK_INT(sip_via_parse(SLICE("SIP / 2.0 / UDP first.example.com: 4000;ttl=16\t"
                                  " ;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1"),
                            &v),
              0);
    CHECK_STR(v.transport_name, "UDP");
    CHECK_STR(v.host, "first.example.com");
    CHECK_INT(v.port, 4000);
    CHECK_STR(v.maddr, "224.2.0.1");
    CHECK_STR(v.branch, "z9hG4bKa7c6a8dlze.1");

    CHECK_INT(sip_via_parse(SLICE("SIP/2.0/tls [2001:db8::9:1]:5061;RECEIVED=[2001:db8::9:255];rport=4711"
                                  ";Branch=z9;alias"),
                            &v),
              0); /* RFC 5118 4.5 */
    CHECK_INT(v.transport, SIP_TLS);
    CHECK_STR(v.transport_name, "tls");
    CHECK(v.host_is_ipv6 && v.has_alias && v.has_rport);
    CHECK_STR(v.host, "2001:db8::9:1");
    CHECK_STR(v.received, "2001:db8::9:255");
    CHECK_INT(v.rport, 4711);

    CHECK_INT(sip_via_parse(SLICE("sip/2.0/tcp 127.0.0.1:40713;branch=z9hG4bK1;rport"), &v), 0);
    CHECK_INT(v.transport, SIP_TCP);
    CHECK(v.has_rport);
    CHECK_INT(v.rport, 0);

    CHECK_INT(sip_via_parse(SLICE("SIP/2.0/WS df7jal23ls0d.invalid"), &v), 0);
    CHECK_INT(v.transport, SIP_TRANSPORT_OTHER);
    CHECK_STR(v.transport_name, "WS");
    CHECK_INT(v.port, 0);
    CHECK_STR(v.branch, "");
}

TEST(via_of_another_version)
{
    struct sip_via v;
    CHECK_INT(sip_via_parse(SLICE("SIP / 7.0 / UDP h;branch=x"), &v), 0);
    CHECK(v.other_version);
    CHECK_STR(v.branch, "x");
    CHECK_INT(sip_via_parse(SLICE("sip / 2.0 / UDP h;branch=x"), &v), 0);
    CHECK(!v.other_version);
}

TEST(bad_via)
{
    static const char *const bad[] = {
        "",
        "SIP/2.0",
        "SIP/2.0/",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP ",
        "SIP/2.0/UDP ;branch=x",
        "SIP/1/UDP h",
        "SIP/x.0/UDP h",
        "SIP/2./UDP h",
        "HTTP/2.0/UDP h",
        "SIP/2.0/UDP h:0",
        "SIP/2.0/UDP h:99999",
        "SIP/2.0/UDP h i",
        "SIP/2.0/UDP/x h",
        "SIP/2.0/UDP a@h",
        "SIP/2.0/UDP h;rport=x",
        "SIP/2.0/UDP h;rport=0",
        "SIP/2.0/UDP h;branch=\"x",
        "SIP/2.0/UDP ::1",
        "SIP/2.0/UDP h, SIP/2.0/UDP i",
    };
    struct sip_via v;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (sip_via_parse(slice_str(bad[i]), &v) != -EINVAL)
            TEST_DIAG("parses: %s", bad[i]);
    }
}

TEST(transport_names)
{
    CHECK_INT(sip_transport_parse(SLICE("Tls")), SIP_TLS);
    CHECK_INT(sip_transport_parse(SLICE("")), SIP_TRANSPORT_OTHER);
    CHECK_STR(slice_str(sip_transport_name(SIP_UDP)), "UDP");
    CHECK_STR(slice_str(sip_transport_name(SIP_TCP)), "TCP");
    CHECK_STR(slice_str(sip_transport_name(SIP_TLS)), "TLS");
    CHECK_STR(slice_str(sip_transport_name(SIP_TRANSPORT_OTHER)), "");
}

TEST(numbers)
{
    static const struct {
        const char *value;
        int r;
        uint32_t number;
    } rows[] = {
        {"70",                          0,       70         },
        {" 3600 ",                      0,       3600       },
        {"0",                           0,       0          },
        {"4294967295",                  0,       4294967295U},
        {"4294967296",                  0,       4294967295U},
        {"100000000000000000000000000", 0,       4294967295U},
        {"1800;refresher=uac",          0,       1800       },
        {"120 (I'm in a meeting)",      0,       120        }, /* RFC 3261 20.33 */
        {"18000 ;duration=3600",        0,       18000      },
        {"",                            -EINVAL, 0          },
        {"-1",                          -EINVAL, 0          },
        {"+1",                          -EINVAL, 0          },
        {"7x",                          -EINVAL, 0          },
        {"7 8",                         -EINVAL, 0          },
        {";x",                          -EINVAL, 0          },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint32_t n = 0;
        CHECK_INT(sip_number_parse(slice_str(rows[i].value), &n), rows[i].r);
        CHECK_INT(n, rows[i].number);
    }
}

TEST(qvalue)
{
    static const struct {
        const char *params;
        unsigned q;
    } rows[] = {
        {"q=0.7",    700 },
        {"Q=0.25;x", 250 },
        {"q=0.125",  125 },
        {"q=1",      1000},
        {"q=1.000",  1000},
        {"q=0",      0   },
        {"q=0.",     0   },
        {"",         1000},
        {"q=0.1234", 1000},
        {"q=2",      1000},
        {"q",        1000},
        {"q=0x",     1000},
        {"q=0.x",    1000},
        {"q=1.5",    1000},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CHECK_INT(sip_qvalue(slice_str(rows[i].params)), rows[i].q);
}

TEST_MAIN(params, unquote, addresses, bad_addresses, via, via_of_another_version, bad_via, transport_names,
          numbers, qvalue)
