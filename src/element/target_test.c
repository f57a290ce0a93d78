/* Where requests go, asked of a name server inside the test (RFC 3263, RFC 2782). */
#include "element/name_server_for_test.h"
#include "element/shard.h"

#include <stdio.h>
#include <stdlib.h>

enum { WAIT_MS = 20000 };

/* ---------------------------------------------------------------- the name server */
static const struct record zone[] = {
    {"_sip._tcp.example.com",                    DNS_SRV,   "0 1 5060 server1.example.com"                                     }, /* RFC 3263 section 4.1 */
    {"_sip._tcp.example.com",                    DNS_SRV,   "1 2 5070 server2.example.com"                                     },
    {"server1.example.com",                      DNS_A,     "192.0.2.1"                                                        },
    {"server2.example.com",                      DNS_A,     "192.0.2.2"                                                        },
    {"server2.example.com",                      DNS_AAAA,  "2001:db8::2"                                                      },
    {"_sips._tcp.example.com",                   DNS_SRV,   "0 0 5061 secure.example.com"                                      },
    {"secure.example.com",                       DNS_A,     "192.0.2.9"                                                        },
    {"_sipfederationtls._tcp.fabrikam.example",  DNS_SRV,   "0 0 5061 sip.fabrikam.example"                                    },
    {"sip.fabrikam.example",                     DNS_A,     "192.0.2.20"                                                       },
    {"_sipfederationtls._tcp.elsewhere.example", DNS_SRV,   "0 0 5061 edge.host.example"                                       },
    {"edge.host.example",                        DNS_A,     "192.0.2.30"                                                       },
    {"_sipfederationtls._tcp.none.example",      DNS_SRV,   "0 0 0 ."                                                          },
    {"plain.example",                            DNS_A,     "192.0.2.40"                                                       },
    {"_sipfederationtls._tcp.nowhere.example",   DNS_SRV,   "0 0 5061 gone.nowhere.example"                                    },
    {"_sipfederationtls._tcp.broken.example",    0,         NULL                                                               }, /* SERVFAIL */
  /* RFC 3263 section 4.1: TLS, then TCP, then UDP */
    {"example.com",                              DNS_NAPTR, "100 50 s SIP+D2U - _sip._udp.example.com"                         },
    {"example.com",                              DNS_NAPTR, "50 50 s SIPS+D2T - _sips._tcp.example.com"                        },
    {"example.com",                              DNS_NAPTR, "90 50 s SIP+D2T - _sip._tcp.example.com"                          },
 /* the same section: the replacement lies in another domain */
    {"school.example",                           DNS_NAPTR, "50 50 s SIP+D2T - _sip._tcp.school.edu"                           },
    {"_sip._tcp.school.edu",                     DNS_SRV,   "0 0 5060 sip.school.edu"                                          },
    {"sip.school.edu",                           DNS_A,     "192.0.2.50"                                                       },
 /* what is not to be used comes first each time */
    {"picky.example",                            DNS_NAPTR, "10 10 s SIP+D2S - _sip._sctp.picky.example"                       },
    {"picky.example",                            DNS_NAPTR, "11 10 s SIPS+D2S - _sips._sctp.picky.example"                     },
    {"picky.example",                            DNS_NAPTR, "12 10 s SIPS+D2U - _sips._udp.picky.example"                      },
    {"picky.example",                            DNS_NAPTR, "13 10 s E2U+sip - _sip._tcp.picky.example"                        },
    {"picky.example",                            DNS_NAPTR, "14 10 s SIP - _sip._tcp.picky.example"                            },
    {"picky.example",                            DNS_NAPTR, "15 10 u SIP+D2T - _sip._tcp.picky.example"                        },
    {"picky.example",                            DNS_NAPTR, "16 10 - SIP+D2T - _sip._tcp.picky.example"                        },
    {"picky.example",                            DNS_NAPTR, "17 10 s SIP+D2T !^.*$!sip:x@evil.example! _sip._tcp.picky.example"},
    {"picky.example",                            DNS_NAPTR, "18 10 s SIP+D2T !^.*$!sip:x@evil.example! ."                      },
    {"picky.example",                            DNS_NAPTR, "20 20 s sip+d2u - _sip._udp.picky.example"                        },
    {"picky.example",                            DNS_NAPTR, "20 10 S Sip+D2S+D2t - _used._tcp.picky.example"                   },
    {"picky.example",                            DNS_NAPTR, "21 0 s SIPS+D2T - _sips._tcp.picky.example"                       },
    {"_used._tcp.picky.example",                 DNS_SRV,   "0 0 5066 sip.picky.example"                                       },
    {"_sip._tcp.picky.example",                  DNS_SRV,   "0 0 1 wrong.picky.example"                                        },
    {"_sips._tcp.picky.example",                 DNS_SRV,   "0 0 5067 tls.picky.example"                                       },
    {"sip.picky.example",                        DNS_A,     "192.0.2.60"                                                       },
    {"tls.picky.example",                        DNS_A,     "192.0.2.61"                                                       },
    {"wrong.picky.example",                      DNS_A,     "192.0.2.66"                                                       },
 /* of equal order: the next by preference when the first has no records */
    {"halting.example",                          DNS_NAPTR, "1 1 s SIPS+D2T - _gone._tcp.halting.example"                      },
    {"halting.example",                          DNS_NAPTR, "1 2 s SIP+D2U - _sip._udp.halting.example"                        },
    {"_sip._udp.halting.example",                DNS_SRV,   "0 0 5070 sip.picky.example"                                       },
 /* flag "a": addresses; and SRV records that are missing altogether */
    {"flag.example",                             DNS_NAPTR, "1 1 a SIPS+D2T - tls.picky.example"                               },
    {"bare.example",                             DNS_NAPTR, "1 1 s SIP+D2T - _gone._tcp.bare.example"                          },
    {"bare.example",                             DNS_A,     "192.0.2.70"                                                       },
    {"useless.example",                          DNS_NAPTR, "1 1 s SIP+D2U - _sip._udp.useless.example"                        },
    {"_sips._tcp.useless.example",               DNS_SRV,   "0 0 5061 tls.picky.example"                                       },
    {"_sip._udp.useless.example",                DNS_SRV,   "0 0 5060 wrong.picky.example"                                     },
 /* SERVFAIL: of NAPTR, SRV is left; of the SRV record of TLS, nothing weaker is asked for */
    {"silent.example",                           0,         NULL                                                               },
    {"_sip._tcp.silent.example",                 DNS_SRV,   "0 0 5060 sip.picky.example"                                       },
    {"_sips._tcp.down.example",                  0,         NULL                                                               },
    {"_sip._udp.down.example",                   DNS_SRV,   "0 0 5060 sip.picky.example"                                       },
    {"down.example",                             DNS_A,     "192.0.2.71"                                                       },
 /* "." for one service says nothing of the next; for all, that there is none */
    {"_sips._tcp.partly.example",                DNS_SRV,   "0 0 0 ."                                                          },
    {"_sip._udp.partly.example",                 DNS_SRV,   "0 0 5060 sip.picky.example"                                       },
    {"_sips._tcp.closed.example",                DNS_SRV,   "0 0 0 ."                                                          },
    {"closed.example",                           DNS_A,     "192.0.2.72"                                                       },
 /* more records than are used: the best of all, wherever they stand in the answer */
    {"_sip._tcp.many.example",                   DNS_SRV,   "90 0 1 sip.picky.example"                                         },
    {"_sip._tcp.many.example",                   DNS_SRV,   "80 0 2 sip.picky.example"                                         },
    {"_sip._tcp.many.example",                   DNS_SRV,   "70 0 3 sip.picky.example"                                         },
    {"_sip._tcp.many.example",                   DNS_SRV,   "60 0 4 sip.picky.example"                                         },
    {"_sip._tcp.many.example",                   DNS_SRV,   "50 0 5 sip.picky.example"                                         },
    {"_sip._tcp.many.example",                   DNS_SRV,   "40 0 6 sip.picky.example"                                         },
    {"_sip._tcp.many.example",                   DNS_SRV,   "30 0 7 sip.picky.example"                                         },
    {"_sip._tcp.many.example",                   DNS_SRV,   "20 0 8 sip.picky.example"                                         },
    {"_sip._tcp.many.example",                   DNS_SRV,   "10 0 9 sip.picky.example"                                         },
    {"_sip._tcp.many.example",                   DNS_SRV,   "0 0 10 sip.picky.example"                                         },
};

static void serve(struct udp *u, void *arg, struct slice q, const struct net_addr *from)
{
    struct buf b = {0};
    (void)arg;
    answer_question(q, zone, sizeof(zone) / sizeof(zone[0]), &b);
    udp_send(u, buf_slice(&b), from);
    buf_fini(&b);
}

/* ---------------------------------------------------------------- asking */
static struct loop *loop;
static struct shard shard;
static struct arena arena;
static char result[2048];

static void describe(void *arg, enum target_outcome outcome, struct target_address *list, size_t n)
{
    static const char *const outcomes[] = {"", "none", "no service", "failed"};
    size_t at = (size_t)snprintf(result, sizeof(result), "%s", outcomes[outcome]);
    (void)arg;
    for (size_t i = 0; i < n; i++) {
        char addr[NET_ADDR_TEXT];
        struct slice a = net_addr_text(&list[i].addr, addr);
        at += (size_t)snprintf(result + at, sizeof(result) - at, "%s%s " SLICE_FMT " " SLICE_FMT "%s",
                               i ? ", " : "", sip_transport_name(list[i].transport), SLICE_ARG(a),
                               SLICE_ARG(list[i].name), list[i].secure_name ? "" : " insecure");
    }
    loop_stop(loop);
}

static void give_up(void *arg)
{
    (void)arg;
    snprintf(result, sizeof(result), "no answer in time");
    loop_stop(loop);
}

static const char *resolve(const struct target *t)
{
    struct timer limit;
    timer_init(&limit, loop, give_up, NULL);
    timer_start(&limit, loop_now(loop) + WAIT_MS);
    if (target_resolve(&shard, t, &arena, describe, NULL))
        loop_run(loop);
    timer_stop(&limit);
    return result;
}

#define NAME(...) (&(struct target){.kind = TARGET_NAME, __VA_ARGS__})
#define ANY .transport = SIP_TRANSPORT_OTHER
#define FEDERATION(domain)                                                                                   \
    (&(struct target){.kind = TARGET_FEDERATION, .side = SIDE_EXTERNAL, .host = SLICE_INIT(domain)})
#define CHECK_TARGETS(t, want) CHECK_STR(slice_str(resolve(t)), want)

TEST(by_srv)
{
    CHECK_TARGETS(NAME(.host = SLICE_INIT("Example.COM"), .transport = SIP_TCP),
                  "TCP 192.0.2.1:5060 server1.example.com, TCP 192.0.2.2:5070 server2.example.com");
    CHECK_TARGETS(NAME(.host = SLICE_INIT("example.com"), ANY), "TLS 192.0.2.9:5061 secure.example.com");
    CHECK_TARGETS(NAME(.host = SLICE_INIT("example.com"), .sips = true, ANY),
                  "TLS 192.0.2.9:5061 secure.example.com");
}

TEST(by_naptr)
{
    /* RFC 3263 section 4.1: the most preferred of what we speak; a SIPS URI takes nothing but SIPS */
    CHECK_TARGETS(NAME(.host = SLICE_INIT("example.com"), ANY), "TLS 192.0.2.9:5061 secure.example.com");
    CHECK_TARGETS(NAME(.host = SLICE_INIT("School.example"), ANY),
                  "TCP 192.0.2.50:5060 sip.school.edu insecure");
    CHECK_TARGETS(NAME(.host = SLICE_INIT("picky.example"), ANY), "TCP 192.0.2.60:5066 sip.picky.example");
    CHECK_TARGETS(NAME(.host = SLICE_INIT("picky.example"), .sips = true, ANY),
                  "TLS 192.0.2.61:5067 tls.picky.example");
    CHECK_TARGETS(NAME(.host = SLICE_INIT("halting.example"), ANY),
                  "UDP 192.0.2.60:5070 sip.picky.example insecure");
    CHECK_TARGETS(NAME(.host = SLICE_INIT("flag.example"), ANY),
                  "TLS 192.0.2.61:5061 tls.picky.example insecure");
    /* 4.2: no SRV, so the host's addresses by the transport that NAPTR chose */
    CHECK_TARGETS(NAME(.host = SLICE_INIT("bare.example"), ANY), "TCP 192.0.2.70:5060 bare.example");
    /* NAPTR that holds nothing of use: SRV */
    CHECK_TARGETS(NAME(.host = SLICE_INIT("useless.example"), .sips = true, ANY),
                  "TLS 192.0.2.61:5061 tls.picky.example insecure");
    /* transport or port known: NAPTR is not asked */
    CHECK_TARGETS(NAME(.host = SLICE_INIT("picky.example"), .transport = SIP_TCP),
                  "TCP 192.0.2.66:1 wrong.picky.example");
    CHECK_TARGETS(NAME(.host = SLICE_INIT("bare.example"), .port = 5099, ANY),
                  "UDP 192.0.2.70:5099 bare.example");
}

TEST(broken_answers_lead_to_nothing_weaker)
{
    CHECK_TARGETS(NAME(.host = SLICE_INIT("silent.example"), ANY),
                  "TCP 192.0.2.60:5060 sip.picky.example insecure");
    CHECK_TARGETS(NAME(.host = SLICE_INIT("down.example"), ANY), "failed");
}

TEST(service_not_offered)
{
    CHECK_TARGETS(NAME(.host = SLICE_INIT("partly.example"), ANY),
                  "UDP 192.0.2.60:5060 sip.picky.example insecure");
    CHECK_TARGETS(NAME(.host = SLICE_INIT("closed.example"), ANY), "no service");
}

TEST(best_of_many)
{
    static const char want[] = "TCP 192.0.2.60:10 sip.picky.example insecure, TCP 192.0.2.60:9 "
                               "sip.picky.example insecure, TCP 192.0.2.60:8 sip.picky.example insecure";
    resolve(NAME(.host = SLICE_INIT("many.example"), .transport = SIP_TCP));
    CHECK_STR(slice_head(slice_str(result), sizeof(want) - 1), want);
}

TEST(by_address)
{
    /* 4.2: a port or an address needs no SRV */
    CHECK_TARGETS(NAME(.host = SLICE_INIT("example.com"), .port = 5080, .transport = SIP_TCP), "none");
    CHECK_TARGETS(NAME(.host = SLICE_INIT("server1.example.com"), .port = 5080, .transport = SIP_TLS),
                  "TLS 192.0.2.1:5080 server1.example.com");
    CHECK_TARGETS(NAME(.host = SLICE_INIT("192.0.2.77"), ANY), "UDP 192.0.2.77:5060 192.0.2.77");
    CHECK_TARGETS(NAME(.host = SLICE_INIT("192.0.2.77"), .sips = true, ANY),
                  "TLS 192.0.2.77:5061 192.0.2.77");
    CHECK_TARGETS(NAME(.host = SLICE_INIT("192.0.2.77"), .port = 5099, ANY),
                  "UDP 192.0.2.77:5099 192.0.2.77");
    /* no SRV at all: the host's own addresses, UDP by default */
    CHECK_TARGETS(NAME(.host = SLICE_INIT("plain.example"), ANY), "UDP 192.0.2.40:5060 plain.example");
    CHECK_TARGETS(NAME(.host = SLICE_INIT("unknown.example"), ANY), "none");
}

TEST(by_federation_record)
{
    CHECK_TARGETS(FEDERATION("fabrikam.example"), "TLS 192.0.2.20:5061 sip.fabrikam.example");
    CHECK_TARGETS(FEDERATION("elsewhere.example"), "TLS 192.0.2.30:5061 edge.host.example insecure");
    CHECK_TARGETS(FEDERATION("none.example"), "no service");
    CHECK_TARGETS(FEDERATION("plain.example"), "none"); /* without the record there is no federation */
    CHECK_TARGETS(FEDERATION("nowhere.example"), "none");
    CHECK_TARGETS(FEDERATION("broken.example"), "failed");
}

static void names_came(void *arg, const struct srv_names *names)
{
    (void)arg;
    snprintf(result, sizeof(result), "%zu " SLICE_FMT " %d", names->n,
             SLICE_ARG(names->n ? names->names[0] : SLICE("-")), names->failed);
    loop_stop(loop);
}

TEST(names_for_identity)
{
    target_lookup_federation(&shard, SLICE("Fabrikam.example"), &arena, names_came, NULL);
    loop_run(loop);
    CHECK_STR(slice_str(result), "1 sip.fabrikam.example 0");
    target_lookup_federation(&shard, SLICE("plain.example"), &arena, names_came, NULL);
    loop_run(loop);
    CHECK_STR(slice_str(result), "0 - 0");
}

TEST(cancelled)
{
    struct target_query *q = target_resolve(
        &shard, NAME(.host = SLICE_INIT("server1.example.com"), .port = 1), &arena, describe, NULL);
    target_cancel(q);
    target_cancel(NULL);
    CHECK(q != NULL);
}

static struct udp *name_server;

TEST(begins)
{
    static const struct udp_ops udp_ops = {serve};
    struct net_addr any;
    net_addr_parse(SLICE("127.0.0.1"), 0, &any);
    loop = loop_new(0);
    if (udp_new(loop, &any, &udp_ops, NULL, &name_server) < 0)
        abort();
    shard.loop = loop;
    shard.config = element_config_new();
    net_addr_parse(SLICE("192.0.2.100"), 0, &shard.config->sides[SIDE_INTERNAL].local); /* IPv4 only */
    shard.config->sides[SIDE_EXTERNAL].local = shard.config->sides[SIDE_INTERNAL].local;
    shard.config->resolver.servers[0] = *udp_addr(name_server);
    shard.config->resolver.n_servers = 1;
    shard.resolver = resolver_new(loop, &shard.config->resolver);
}

TEST(both_families)
{
    shard.config->sides[SIDE_INTERNAL].local.sa.sa_family = AF_UNSPEC;
    CHECK_TARGETS(NAME(.host = SLICE_INIT("server2.example.com"), .port = 5060, .transport = SIP_TCP),
                  "TCP 192.0.2.2:5060 server2.example.com, TCP [2001:db8::2]:5060 server2.example.com");
    CHECK_TARGETS(NAME(.host = SLICE_INIT("[2001:db8::9]"), .sips = true, ANY),
                  "TLS [2001:db8::9]:5061 [2001:db8::9]");
}

TEST(ends)
{
    resolver_free(shard.resolver);
    element_config_unref(shard.config);
    udp_free(name_server);
    loop_free(loop);
    arena_fini(&arena);
}

TEST_MAIN(begins, by_srv, by_naptr, broken_answers_lead_to_nothing_weaker, service_not_offered, best_of_many,
          by_address, by_federation_record, names_for_identity, cancelled, both_families, ends)
