#include "service/access_edge/crl_url.h"

#include "ground/base/test.h"

#include <errno.h>

TEST(what_can_be_asked)
{
    static const struct {
        const char *url, *host;
        uint16_t port; /* 0: it cannot */
    } cases[] = {
        {"http://crl.example/a.crl",      "crl.example", 80  },
        {"HTTP://CRL.Example:8080/A.crl", "crl.example", 8080},
        {"http://crl.example",            "crl.example", 80  },
        {"http://crl.example?a=b",        "crl.example", 80  },
        {"http://192.0.2.1:81/x",         "192.0.2.1",   81  },
        {"http://[2001:DB8::1]:81/x",     "2001:db8::1", 81  },
        {"http://[2001:db8::1]/x",        "2001:db8::1", 80  },
        {"http://crl.example:/x",         "crl.example", 80  },
        {"https://crl.example/x",         NULL,          0   },
        {"ldap://crl.example/x",          NULL,          0   },
        {"file:///etc/passwd",            NULL,          0   },
        {"http://user@crl.example/x",     NULL,          0   },
        {"http://a:b@crl.example/x",      NULL,          0   },
        {"http:///x",                     NULL,          0   },
        {"http://:80/x",                  NULL,          0   },
        {"http://crl.example:0/x",        NULL,          0   },
        {"http://crl.example:65536/x",    NULL,          0   },
        {"http://crl.example:8x/x",       NULL,          0   },
        {"http://[::1/x",                 NULL,          0   },
        {"http://[::1]x/x",               NULL,          0   },
        {"",                              NULL,          0   },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena a = {0};
        struct crl_url u;
        const char *why = NULL;
        int r = crl_url_parse(slice_str(cases[i].url), &a, &u, &why);
        CHECK_INT(r, cases[i].port ? 0 : -EINVAL);
        CHECK((why == NULL) == (r == 0));
        if (r == 0) {
            CHECK_STR(u.host, cases[i].host);
            CHECK_INT(u.port, cases[i].port);
        }
        arena_fini(&a);
    }
}

TEST(how_far_an_address_reaches)
{
    static const struct {
        const char *addr;
        enum crl_reach reach;
    } cases[] = {
        {"127.0.0.1",              CRL_REACH_MACHINE},
        {"127.255.255.255",        CRL_REACH_MACHINE},
        {"0.0.0.0",                CRL_REACH_MACHINE},
        {"::1",                    CRL_REACH_MACHINE},
        {"::",                     CRL_REACH_MACHINE},
        {"::ffff:127.0.0.1",       CRL_REACH_MACHINE},
        {"169.254.169.254",        CRL_REACH_LINK   },
        {"fe80::1",                CRL_REACH_LINK   },
        {"::ffff:169.254.169.254", CRL_REACH_LINK   },
        {"10.1.2.3",               CRL_REACH_PRIVATE},
        {"172.31.255.255",         CRL_REACH_PRIVATE},
        {"192.168.0.1",            CRL_REACH_PRIVATE},
        {"100.127.0.1",            CRL_REACH_PRIVATE},
        {"fd00::1",                CRL_REACH_PRIVATE},
        {"128.0.0.1",              CRL_REACH_WORLD  },
        {"172.32.0.1",             CRL_REACH_WORLD  },
        {"100.128.0.1",            CRL_REACH_WORLD  },
        {"192.0.2.1",              CRL_REACH_WORLD  },
        {"2001:db8::1",            CRL_REACH_WORLD  },
        {"fe00::1",                CRL_REACH_WORLD  },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct net_addr a;
        CHECK_INT(net_addr_parse(slice_str(cases[i].addr), 0, &a), 0);
        CHECK_INT(crl_url_reach(&a), cases[i].reach);
    }
}

TEST_MAIN(what_can_be_asked, how_far_an_address_reaches)
