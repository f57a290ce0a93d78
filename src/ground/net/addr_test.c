#include "ground/net/addr.h"

#include "ground/base/test.h"

#include <errno.h>

TEST(text_to_address_and_back)
{
    static const struct {
        const char *in, *want; /* want NULL: refused */
    } cases[] = {
        {"192.0.2.1",           "192.0.2.1:5060"         },
        {"192.0.2.1:53",        "192.0.2.1:53"           },
        {"192.0.2.1:0",         "192.0.2.1:0"            },
        {"[2001:db8::1]:5061",  "[2001:db8::1]:5061"     },
        {"[2001:DB8:0:0::1]",   "[2001:db8::1]:5060"     },
        {"2001:db8::1",         "[2001:db8::1]:5060"     },
        {"::1",                 "[::1]:5060"             },
        {"[::ffff:192.0.2.1]",  "[::ffff:192.0.2.1]:5060"},
        {"",                    NULL                     },
        {"192.0.2",             NULL                     },
        {"192.0.2.1:",          NULL                     },
        {"192.0.2.1:65536",     NULL                     },
        {"192.0.2.1:-1",        NULL                     },
        {"[192.0.2.1]:1",       NULL                     },
        {"[::1",                NULL                     },
        {"[::1]5060",           NULL                     },
        {"[::1]:",              NULL                     },
        {"[]",                  NULL                     },
        {"sip.contoso.example", NULL                     },
        {"fe80::1%eth0",        NULL                     },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct net_addr a;
        char text[NET_ADDR_TEXT];
        int r = net_addr_parse_port(slice_str(cases[i].in), 5060, &a);
        if (r < 0 || !cases[i].want) {
            CHECK_INT(r, -EINVAL);
            CHECK(cases[i].want == NULL);
        } else {
            CHECK_STR(net_addr_text(&a, text), cases[i].want);
        }
    }
}

TEST(equality_and_hash)
{
    struct net_addr a, b, c, d;
    memset(&b, 0xff, sizeof(b)); /* padding must not matter */
    CHECK_INT(net_addr_parse(SLICE("192.0.2.1"), 5060, &a), 0);
    b.in4.sin_family = AF_INET;
    b.in4.sin_addr = a.in4.sin_addr;
    net_addr_set_port(&b, 5060);
    CHECK(net_addr_eq(&a, &b));
    CHECK(net_addr_hash(&a) == net_addr_hash(&b));
    net_addr_set_port(&b, 5061);
    CHECK(!net_addr_eq(&a, &b));
    CHECK(net_addr_eq_host(&a, &b));
    CHECK_INT(net_addr_port(&b), 5061);
    CHECK_INT(net_addr_parse(SLICE("::1"), 5060, &c), 0);
    CHECK_INT(net_addr_parse(SLICE("[::1]"), 5060, &d), 0);
    CHECK(net_addr_eq(&c, &d));
    CHECK(!net_addr_eq_host(&a, &c));
    CHECK_INT(net_addr_len(&a), sizeof(struct sockaddr_in));
    CHECK_INT(net_addr_len(&c), sizeof(struct sockaddr_in6));
}

TEST(bytes_of_dns)
{
    struct net_addr a;
    char text[NET_ADDR_TEXT];
    CHECK_INT(net_addr_from_bytes(slice_mem("\xc0\x00\x02\x01", 4), 1, &a), 0);
    CHECK_STR(net_addr_host_text(&a, text), "192.0.2.1");
    CHECK_INT(net_addr_from_bytes(slice_mem("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16), 1, &a), 0);
    CHECK_STR(net_addr_host_text(&a, text), "2001:db8::1");
    CHECK_INT(net_addr_from_bytes(slice_mem("abcde", 5), 1, &a), -EINVAL);
}

TEST_MAIN(text_to_address_and_back, equality_and_hash, bytes_of_dns)
