#include "element/sources.h"

#include "ground/base/test.h"

#include <stdio.h>

static struct net_addr at(const char *text)
{
    struct net_addr a;
    CHECK_INT(net_addr_parse(slice_str(text), 5061, &a), 0);
    return a;
}

static const struct element_limits limits = {.connections = 100,
                                             .reserved_percent = 20,
                                             .source_connections = 4,
                                             .source_handshakes = 2,
                                             .source_handshake_rate = 10,
                                             .source_requests = 10};

TEST(connections_of_a_source)
{
    struct sources *s = sources_new();
    struct net_addr a = at("192.0.2.1"), other = at("192.0.2.2");
    struct source_hold h[8];
    for (int i = 0; i < 4; i++) {
        CHECK_INT(sources_begin(s, &limits, &a, true, 1000, &h[i]), SOURCES_OK);
        sources_up(s, &h[i]);
    }
    CHECK_INT(sources_begin(s, &limits, &a, true, 1000, &h[4]), SOURCES_CONNECTIONS);
    CHECK_INT(sources_begin(s, &limits, &other, true, 1000, &h[5]), SOURCES_OK);
    sources_end(s, &h[0]);
    CHECK_INT(sources_begin(s, &limits, &a, true, 1000, &h[4]), SOURCES_OK);
    /* one that is trusted counts no more, and makes its source known: ten times as many */
    sources_trust(s, &limits, &h[1], 1000);
    for (int i = 0; i < 4; i++)
        sources_end(s, &h[i + 1]);
    sources_end(s, &h[5]);
    struct sources_count n;
    sources_counted(s, &n);
    CHECK_INT(n.connections, 0);
    struct source_hold many[41];
    for (int i = 0; i < 40; i++)
        CHECK_INT(sources_begin(s, &limits, &a, false, 2000, &many[i]), SOURCES_OK);
    CHECK_INT(sources_begin(s, &limits, &a, false, 2000, &many[40]), SOURCES_CONNECTIONS);
    sources_trust(s, &limits, &many[0], 2000);
    CHECK_INT(sources_begin(s, &limits, &a, false, 2000, &many[40]), SOURCES_OK);
    for (int i = 0; i < 41; i++)
        sources_end(s, &many[i]);
    /* an hour later it is a stranger again */
    for (int i = 0; i < 4; i++)
        CHECK_INT(sources_begin(s, &limits, &a, false, 2000 + SOURCES_KNOWN_MS, &h[i]), SOURCES_OK);
    CHECK_INT(sources_begin(s, &limits, &a, false, 2000 + SOURCES_KNOWN_MS, &h[4]), SOURCES_CONNECTIONS);
    for (int i = 0; i < 4; i++)
        sources_end(s, &h[i]);
    sources_free(s);
}

TEST(handshakes_of_a_source)
{
    struct sources *s = sources_new();
    struct net_addr a = at("192.0.2.1");
    struct source_hold h[3];
    CHECK_INT(sources_begin(s, &limits, &a, true, 1000, &h[0]), SOURCES_OK);
    CHECK_INT(sources_begin(s, &limits, &a, true, 1000, &h[1]), SOURCES_OK);
    CHECK_INT(sources_begin(s, &limits, &a, true, 1000, &h[2]), SOURCES_HANDSHAKES);
    CHECK_INT(sources_begin(s, &limits, &a, false, 1000, &h[2]), SOURCES_OK); /* plain TCP has none */
    sources_end(s, &h[2]);
    sources_up(s, &h[0]);
    CHECK_INT(sources_begin(s, &limits, &a, true, 1000, &h[2]), SOURCES_OK);
    sources_end(s, &h[1]); /* ended in the midst of it */
    sources_end(s, &h[2]);
    sources_end(s, &h[0]);
    unsigned n = 0;
    for (; sources_begin(s, &limits, &a, true, 1001, &h[0]) == SOURCES_OK && n < 100; n++)
        sources_end(s, &h[0]);
    CHECK_INT(n, 10 * SOURCES_BURST_S - 3); /* three were taken above */
    CHECK_INT(sources_begin(s, &limits, &a, true, 1001, &h[0]), SOURCES_HANDSHAKE_RATE);
    CHECK_INT(sources_begin(s, &limits, &a, true, 1200, &h[0]), SOURCES_OK); /* ten a second */
    sources_end(s, &h[0]);
    sources_free(s);
}

TEST(a_source_is_an_address_or_64_bits)
{
    static const struct {
        const char *one, *other;
        bool same;
    } pairs[] = {
        {"192.0.2.1",      "192.0.2.1",        true },
        {"192.0.2.1",      "192.0.2.2",        false},
        {"2001:db8::1",    "2001:db8::ffff:2", true },
        {"2001:db8:0:1::", "2001:db8:0:2::",   false},
        {"192.0.2.1",      "::ffff:192.0.2.1", true },
        {"192.0.2.1",      "c000:201::",       false},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct sources *s = sources_new();
        struct element_limits one = {.source_connections = 1};
        struct net_addr a = at(pairs[i].one), b = at(pairs[i].other);
        struct source_hold h, g = {0};
        CHECK_INT(sources_begin(s, &one, &a, false, 1, &h), SOURCES_OK);
        CHECK_INT(sources_begin(s, &one, &b, false, 1, &g), pairs[i].same ? SOURCES_CONNECTIONS : SOURCES_OK);
        sources_end(s, &h);
        sources_end(s, &g);
        sources_free(s);
    }
}

TEST(the_total_and_its_reserve)
{
    struct sources *s = sources_new();
    struct element_limits l = {.connections = 10, .reserved_percent = 20};
    struct net_addr friendly = at("192.0.2.1"), a;
    struct source_hold h[10], x = {0};
    CHECK_INT(sources_begin(s, &l, &friendly, false, 1, &h[0]), SOURCES_OK);
    sources_trust(s, &l, &h[0], 1);
    for (int i = 1; i < 8; i++) {
        char text[32];
        snprintf(text, sizeof(text), "198.51.100.%d", i);
        a = at(text);
        CHECK_INT(sources_begin(s, &l, &a, false, 1, &h[i]), SOURCES_OK);
    }
    a = at("203.0.113.1");
    CHECK_INT(sources_begin(s, &l, &a, false, 1, &x), SOURCES_TOTAL);
    CHECK_INT(sources_begin(s, &l, &friendly, false, 1, &h[8]), SOURCES_OK);
    CHECK_INT(sources_begin(s, &l, &friendly, false, 1, &h[9]), SOURCES_OK);
    CHECK_INT(sources_begin(s, &l, &friendly, false, 1, &x), SOURCES_TOTAL);
    for (int i = 0; i < 10; i++)
        sources_end(s, &h[i]);
    sources_free(s);
}

TEST(requests_of_a_source)
{
    struct sources *s = sources_new();
    struct net_addr a = at("192.0.2.1");
    struct source_hold h, g;
    unsigned n = 0;
    CHECK_INT(sources_begin(s, &limits, &a, false, 1000, &h), SOURCES_OK);
    CHECK_INT(sources_begin(s, &limits, &a, false, 1000, &g), SOURCES_OK);
    while (n < 1000 && sources_request(s, &limits, n % 2 ? &h : &g, &a, 1000) == SOURCES_OK)
        n++;
    CHECK_INT(n, 10 * SOURCES_BURST_S); /* of both connections together */
    CHECK_INT(sources_request(s, &limits, NULL, &a, 1000), SOURCES_REQUESTS);
    CHECK_INT(sources_request(s, &limits, NULL, &a, 1099), SOURCES_REQUESTS);
    CHECK_INT(sources_request(s, &limits, NULL, &a, 1101), SOURCES_OK);
    /* who signs in at last gives back what it took; nobody gets more than there can be */
    sources_trust(s, &limits, &h, 1101);
    for (n = 0; n < 1000 && sources_request(s, &limits, &g, &a, 1101) == SOURCES_OK;)
        n++;
    CHECK_INT(n, 25);
    sources_trust_datagram(s, &limits, &a, 1101);
    CHECK_INT(sources_request(s, &limits, NULL, &a, 1101), SOURCES_OK);
    CHECK_INT(sources_request(s, &limits, NULL, &a, 1101), SOURCES_REQUESTS);
    sources_end(s, &h);
    sources_end(s, &g);
    sources_free(s);
}

/* However many addresses an attacker has, memory is bounded; those with connections stay. */
TEST(idle_ones_are_forgotten)
{
    struct sources *s = sources_new();
    struct net_addr keep = at("192.0.2.1"), a = at("10.0.0.0");
    struct source_hold h;
    uint64_t since;
    CHECK_INT(sources_begin(s, &limits, &keep, false, 1, &h), SOURCES_OK);
    for (uint32_t i = 0; i < 3 * SOURCES_IDLE_MAX; i++) {
        a.in4.sin_addr.s_addr = htonl(0x0a000000 + i);
        CHECK_INT(sources_request(s, &limits, NULL, &a, 1), SOURCES_OK);
    }
    struct sources_count n;
    sources_counted(s, &n);
    CHECK_INT(n.sources, SOURCES_IDLE_MAX + 1);
    CHECK_INT(n.connections, 1);
    CHECK(sources_may_tell(s, &keep, SOURCES_TELL_REFUSED, 1, &since));
    sources_end(s, &h);
    sources_counted(s, &n);
    CHECK_INT(n.sources, SOURCES_IDLE_MAX);
    sources_free(s);
}

TEST(one_line_a_source_and_period)
{
    struct sources *s = sources_new();
    struct net_addr a = at("192.0.2.1"), b = at("10.0.0.0");
    uint64_t since = 0, lines = 0;
    CHECK(sources_may_tell(s, &a, SOURCES_TELL_REFUSED, 1000, &since));
    CHECK_INT(since, 1);
    CHECK(!sources_may_tell(s, &a, SOURCES_TELL_REFUSED, 998,
                            &since)); /* of a worker whose turn began before */
    for (int i = 0; i < 40; i++)
        CHECK(!sources_may_tell(s, &a, SOURCES_TELL_REFUSED, 1000 + SOURCES_TELL_MS - 1, &since));
    CHECK(sources_may_tell(s, &a, SOURCES_TELL_REFUSED, 1000 + SOURCES_TELL_MS, &since));
    CHECK_INT(since, 42);
    CHECK(sources_may_tell(s, &a, SOURCES_TELL_MALFORMED, 1000 + SOURCES_TELL_MS, &since));
    for (uint32_t i = 0; i < 1000; i++) {
        b.in4.sin_addr.s_addr = htonl(0x0a000000 + i);
        lines += sources_may_tell(s, &b, SOURCES_TELL_REFUSED, 1000 + SOURCES_TELL_MS, &since);
    }
    CHECK_INT(lines, SOURCES_TELL_MAX - 2);
    sources_free(s);
}

TEST_MAIN(connections_of_a_source, handshakes_of_a_source, a_source_is_an_address_or_64_bits,
          the_total_and_its_reserve, requests_of_a_source, idle_ones_are_forgotten,
          one_line_a_source_and_period)
