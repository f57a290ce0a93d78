/* The table of destinations: order, bounds, and connections counted over addresses and workers. */
#include "element/destinations.h"
#include "ground/base/mem.h"
#include "ground/base/test.h"
#include "ground/base/text.h"

#include <stdio.h>

static const struct health_times T = {
    .probe_ms = 30000, .probe_timeout_ms = 3000, .block_ms = 1000, .block_max_ms = 60000};
enum { START = 1000000 };

static struct target_address to_port(uint16_t port, uint16_t rank)
{
    struct target_address to = {
        .transport = SIP_TLS, .rank = rank, .name = SLICE_INIT("edge.partner.example")};
    CHECK_INT(net_addr_parse(SLICE("192.0.2.1"), port, &to.addr), 0);
    return to;
}

static struct destination_key key_for(uint16_t port, const char *identity)
{
    struct target_address to = to_port(port, 0);
    return destination_key_of(SIDE_EXTERNAL, &to, slice_str(identity));
}

/* Ports in the order in which they would be tried. */
static const char *order(struct destinations *d, const char *identity, uint32_t limit, uint64_t now)
{
    static char text[64];
    struct target_address list[] = {to_port(1, 0), to_port(2, 0), to_port(3, 1)};
    size_t at = 0;
    destinations_order(d, SIDE_EXTERNAL, list, 3, slice_str(identity), limit, now);
    for (size_t i = 0; i < 3; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%u", i ? " " : "",
                               (unsigned)net_addr_port(&list[i].addr));
    return text;
}

TEST(what_failed_comes_last)
{
    struct destinations *d = destinations_new();
    struct destination_key one = key_for(1, "a.example"), two = key_for(2, "a.example"),
                           three = key_for(3, "a.example");
    CHECK_STR(slice_str(order(d, "a.example", 4, START)), "1 2 3");
    destinations_failed(d, &one, &T, START, "refused");
    CHECK_STR(slice_str(order(d, "a.example", 4, START)), "2 3 1");
    destinations_suspected(d, &two, START, "silent");
    CHECK_STR(slice_str(order(d, "a.example", 4, START)), "3 2 1");
    destinations_failed(d, &three, &T, START + 500, "lost"); /* its block ends last */
    destinations_failed(d, &two, &T, START + 600, "refused");
    CHECK_STR(slice_str(order(d, "a.example", 4, START + 600)), "1 3 2"); /* all bad: the least bad first */
    CHECK_STR(slice_str(order(d, "b.example", 4, START + 600)), "1 2 3"); /* nobody else's affair */
    destinations_answered(d, &one, START + 700);
    destinations_answered(d, &two, START + 700);
    destinations_answered(d, &three, START + 700);
    CHECK_STR(slice_str(order(d, "a.example", 4, START + 700)), "1 2 3");
    destinations_free(d);
}

TEST(partner_is_the_first_word)
{
    struct destination_key k = key_for(1, "a.example sip.a.example sip2.a.example"), bare = key_for(1, "");
    CHECK_STR(k.partner, "a.example");
    CHECK_STR(bare.partner, "edge.partner.example");
}

TEST(probes_what_is_due)
{
    static const bool both[SIDES] = {true, true}, none[SIDES] = {false, false};
    struct destinations *d = destinations_new();
    struct arena a = {0};
    struct destination_probe due[4];
    struct destination_key one = key_for(1, "a.example");
    struct target_address watched = to_port(7, 0);
    watched.identity = SLICE("fe1.contoso.example");
    destinations_watch(d, &watched, 1, START);
    CHECK_INT(destinations_due(d, &T, both, 4, START, &a, due, 4), 0);
    destinations_failed(d, &one, &T, START, "refused");
    CHECK_INT(destinations_due(d, &T, none, 4, START + 1000, &a, due, 4), 0);
    CHECK_INT(destinations_due(d, &T, both, 4, START + 1000, &a, due, 4), 1);
    CHECK_INT(net_addr_port(&due[0].to.addr), 1);
    CHECK_STR(due[0].to.identity, "a.example");
    CHECK_INT(destinations_due(d, &T, both, 4, START + 1001, &a, due, 4), 0); /* it is out */
    destinations_probed(d, &one, &T, START + 1500, NULL);
    CHECK_INT(destinations_due(d, &T, both, 4, START + 30000, &a, due, 4), 1);
    CHECK_STR(due[0].to.identity, "fe1.contoso.example");
    struct destination_key k = destination_key_of(SIDE_INTERNAL, &watched, watched.identity);
    destinations_probed(d, &k, &T, START + 30001, NULL);
    destinations_watch(d, NULL, 0, START + 30002); /* a new revision has another next hop */
    CHECK_INT(destinations_due(d, &T, both, 4, START + 90000, &a, due, 4), 0);
    /* unused and well for long: forgotten */
    struct element_destination *list;
    CHECK_INT(destinations_list(d, START + 90000, &a, &list), 2);
    destinations_due(d, &T, both, 4, START + 90000 + DESTINATIONS_FORGET_MS, &a, due, 4);
    CHECK_INT(destinations_list(d, START + 90000, &a, &list), 0);
    arena_fini(&a);
    destinations_free(d);
}

TEST(bounded)
{
    struct destinations *d = destinations_new();
    struct arena a = {0};
    struct element_destination *list;
    struct destination_key bad = key_for(1, "bad.example");
    destinations_failed(d, &bad, &T, START, "refused");
    for (unsigned i = 0; i < DESTINATIONS_MAX + 100; i++) {
        char name[32];
        snprintf(name, sizeof(name), "p%u.example", i);
        struct destination_key k = key_for(2, name);
        destinations_suspected(d, &k, START + i, "silent");
        destinations_answered(d, &k, START + i);
    }
    CHECK_INT(destinations_list(d, START, &a, &list), DESTINATIONS_MAX);
    CHECK_STR(list[0].partner, "bad.example"); /* what is blocked is kept, what is well goes */
    CHECK_INT(list[0].state, HEALTH_BLOCKED);
    CHECK_STR(list[1].partner, "p101.example");
    arena_fini(&a);
    destinations_free(d);
}

/* ---------------------------------------------------------------- connections */
struct dialled {
    enum dial_answer answer;
    destination_ticket ticket, old;
    uint32_t worker;
};
static struct dialled dial(struct destinations *d, uint16_t port, uint32_t worker, uint32_t limit)
{
    struct destination_key k = key_for(port, "a.example");
    struct dialled r = {0};
    r.answer = destinations_dial(d, &k, SLICE("a.example"), true, worker, limit, START, &r.ticket, &r.worker,
                                 &r.old);
    return r;
}

TEST(no_more_than_the_limit)
{
    struct destinations *d = destinations_new();
    struct destination_key one = key_for(1, "a.example");
    struct dialled a = dial(d, 1, 0, 2), b = dial(d, 1, 1, 2), c = dial(d, 1, 2, 2);
    CHECK_INT(a.answer, DIAL_NEW);
    CHECK_INT(b.answer, DIAL_NEW);
    CHECK_INT(c.answer, DIAL_OTHER);
    CHECK_INT(c.worker, 0); /* workers without one of their own spread over those that have */
    CHECK_INT(dial(d, 1, 3, 2).worker, 1);
    /* another address of the partner takes the place of one of those that the first has two of */
    c = dial(d, 2, 0, 2);
    CHECK_INT(c.answer, DIAL_INSTEAD);
    CHECK(c.old == a.ticket || c.old == b.ticket);
    CHECK_INT(dial(d, 1, 5, 2).answer, DIAL_OTHER);
    CHECK_INT(dial(d, 2, 5, 2).answer, DIAL_OTHER);
    /* another partner has its own */
    struct destination_key other = key_for(1, "b.example");
    struct dialled o;
    CHECK_INT(
        destinations_dial(d, &other, SLICE("b.example"), true, 0, 2, START, &o.ticket, &o.worker, &o.old),
        DIAL_NEW);
    /* given back, there is room again; a ticket that was taken away counts once only */
    destinations_release(d, &one, a.ticket);
    destinations_release(d, &one, b.ticket);
    destinations_release(d, &one, b.ticket);
    CHECK_INT(dial(d, 1, 4, 2).answer, DIAL_NEW);
    CHECK_INT(dial(d, 1, 5, 2).answer, DIAL_OTHER);
    destinations_free(d);
}

TEST(what_is_blocked_loses_its_connection_first)
{
    struct destinations *d = destinations_new();
    struct destination_key two = key_for(2, "a.example");
    struct dialled a = dial(d, 1, 0, 3), b = dial(d, 2, 0, 3), c = dial(d, 1, 1, 3);
    CHECK(a.answer == DIAL_NEW && b.answer == DIAL_NEW && c.answer == DIAL_NEW);
    destinations_failed(d, &two, &T, START, "503");
    c = dial(d, 3, 0, 3);
    CHECK_INT(c.answer, DIAL_INSTEAD);
    CHECK_INT(c.old, b.ticket);
    destinations_free(d);
}

static struct dialled probe(struct destinations *d, uint16_t port, uint32_t limit)
{
    struct destination_key k = key_for(port, "a.example");
    struct dialled r = {0};
    r.answer =
        destinations_dial(d, &k, SLICE("a.example"), false, 0, limit, START, &r.ticket, &r.worker, &r.old);
    return r;
}

/* A probe has one of the places. */
TEST(probes_count)
{
    struct destinations *d = destinations_new();
    struct destination_key one = key_for(1, "a.example"), two = key_for(2, "a.example");
    struct dialled a = dial(d, 1, 0, 2), b = dial(d, 1, 1, 2);
    CHECK(a.answer == DIAL_NEW && b.answer == DIAL_NEW);
    destinations_failed(d, &two, &T, START, "refused");
    struct dialled p = probe(d, 2, 2);
    CHECK_INT(p.answer, DIAL_INSTEAD);
    CHECK(p.ticket && (p.old == a.ticket || p.old == b.ticket));
    CHECK_INT(dial(d, 1, 3, 2).answer, DIAL_OTHER);
    destinations_release(d, &two, p.ticket); /* it failed: its place stays free for the next */
    CHECK_INT(dial(d, 1, 3, 2).answer, DIAL_OTHER);
    p = probe(d, 2, 2);
    CHECK_INT(p.answer, DIAL_NEW);
    destinations_release(d, &two, p.ticket);
    destinations_answered(d, &two, START);
    CHECK_INT(dial(d, 1, 3, 2).answer, DIAL_NEW); /* nobody needs it now */
    destinations_release(d, &one, a.ticket);
    destinations_free(d);
    /* of one place none can be kept */
    d = destinations_new();
    a = dial(d, 1, 0, 1);
    destinations_failed(d, &two, &T, START, "refused");
    p = probe(d, 2, 1);
    CHECK_INT(p.answer, DIAL_INSTEAD);
    CHECK_INT(p.old, a.ticket);
    p = dial(d, 1, 0, 1);
    CHECK_INT(p.answer, DIAL_INSTEAD); /* traffic does not wait for it */
    destinations_free(d);
}

TEST(what_nobody_wants_takes_no_place)
{
    static const bool both[SIDES] = {true, true};
    struct destinations *d = destinations_new();
    struct destination_key two = key_for(2, "a.example");
    struct destination_probe due[4];
    struct arena a = {0};
    dial(d, 1, 0, 1);
    destinations_failed(d, &two, &T, START, "refused");
    CHECK_INT(destinations_due(d, &T, both, 1, START + 2000, &a, due, 4), 0);
    order(d, "a.example", 1, START + 2001); /* it would have been the second */
    CHECK_INT(destinations_due(d, &T, both, 1, START + 2002, &a, due, 4), 1);
    destinations_probed(d, &two, &T, START + 3000, "refused");
    CHECK_INT(destinations_due(d, &T, both, 1, START + 10000, &a, due, 4), 0);
    CHECK_INT(destinations_due(d, &T, both, 2, START + 10000, &a, due, 4), 1); /* there is a place */
    arena_fini(&a);
    destinations_free(d);
}

/* More addresses of one rank than connections are allowed: those that have one are preferred, or each message
 * would end one. */
TEST(few_connections_to_many_addresses)
{
    struct destinations *d = destinations_new();
    CHECK_INT(dial(d, 2, 0, 1).answer, DIAL_NEW);
    CHECK_STR(slice_str(order(d, "a.example", 1, START)), "2 1 3"); /* 3 is of lower rank all the same */
    CHECK_STR(slice_str(order(d, "a.example", 4, START)), "1 2 3");
    destinations_free(d);
}

TEST_MAIN(what_failed_comes_last, partner_is_the_first_word, probes_what_is_due, bounded,
          no_more_than_the_limit, what_is_blocked_loses_its_connection_first, probes_count,
          what_nobody_wants_takes_no_place, few_connections_to_many_addresses)
