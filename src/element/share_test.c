#include "element/share.h"

#include "ground/base/test.h"

#include <stdio.h>

enum { OWNERS = 8, READ_AHEAD = 4 /* intervals' worth of work; then nothing more is read */ };

/* A worker that can do `capacity` requests in an interval; refusing one costs a tenth of that. What it does
 * not get done waits. Owners send what they send, whatever comes back; who floods is not read from in that
 * interval. */
static const struct share_room any = {.by_rate = true, .bytes = UINT64_MAX},
                               of_100 = {.by_rate = true, .pending_max = 100, .bytes = UINT64_MAX};

struct world {
    struct shares s;
    double capacity, queue; /* work that waits, in requests */
    uint64_t now;
    unsigned sends[OWNERS], admitted[OWNERS], refused[OWNERS];
    double longest; /* wait at the end of an interval, in intervals */
};

static void world_interval(struct world *w)
{
    bool reads[OWNERS];
    for (int o = 0; o < OWNERS; o++)
        reads[o] = true;
    unsigned most = 0;
    for (int o = 0; o < OWNERS; o++)
        most = w->sends[o] > most ? w->sends[o] : most;
    for (unsigned i = 0; i < most; i++)
        for (int o = 0; o < OWNERS; o++) {
            struct share *one;
            if (i >= w->sends[o] || !reads[o] || w->queue > READ_AHEAD * w->capacity)
                continue;
            switch (shares_ask(&w->s, (uint64_t)o + 1, SHARE_NEW, &any, &one)) {
            case SHARE_ADMITTED:
                w->admitted[o]++;
                w->queue += 1;
                shares_done(&w->s, one);
                break;
            case SHARE_FLOODED:
                reads[o] = false;
                /* fall through */
            case SHARE_REFUSED:
                w->refused[o]++;
                w->queue += 0.1;
                break;
            }
        }
    w->queue = w->queue > w->capacity ? w->queue - w->capacity : 0;
    double wait = w->queue / w->capacity;
    w->longest = wait > w->longest ? wait : w->longest;
    w->now += SHARE_INTERVAL_MS;
    shares_measure(&w->s, wait > 1, w->now);
}

static void world_init(struct world *w, double capacity)
{
    *w = (struct world){.capacity = capacity, .now = 1000};
    shares_init(&w->s);
    shares_measure(&w->s, false, w->now);
}

static void world_forget(struct world *w)
{
    memset(w->admitted, 0, sizeof(w->admitted));
    memset(w->refused, 0, sizeof(w->refused));
    w->longest = 0;
}

TEST(nothing_is_refused_below_capacity)
{
    struct world w;
    world_init(&w, 1000);
    w.sends[0] = 800;
    w.sends[1] = 100;
    for (int i = 0; i < 100; i++)
        world_interval(&w);
    CHECK_INT(w.refused[0] + w.refused[1], 0);
    /* nor does a burst that is worked off count */
    w.sends[2] = 1050;
    world_interval(&w);
    w.sends[2] = 0;
    for (int i = 0; i < 30; i++)
        world_interval(&w);
    CHECK_INT(w.refused[0] + w.refused[1] + w.refused[2], 0);
    CHECK(!shares_overloaded(&w.s));
    shares_fini(&w.s);
}

TEST(ten_times_the_capacity)
{
    struct world w;
    world_init(&w, 1000);
    w.sends[0] = 10000; /* the culprit */
    w.sends[1] = 100;
    w.sends[2] = 50;
    for (int i = 0; i < 100; i++)
        world_interval(&w);
    world_forget(&w);
    for (int i = 0; i < 300; i++)
        world_interval(&w);
    unsigned good = w.admitted[0] + w.admitted[1] + w.admitted[2];
    printf("# goodput %.2f of capacity, longest wait %.2f intervals\n", good / 300000.0, w.longest);
    CHECK(good >= 0.7 * 300000);
    CHECK_INT(w.refused[1] + w.refused[2], 0); /* the innocent do not notice */
    CHECK(w.longest < 3);
    /* calm again within seconds */
    w.sends[0] = 100;
    for (int i = 0; i < 50; i++)
        world_interval(&w);
    world_forget(&w);
    world_interval(&w);
    CHECK_INT(w.refused[0], 0);
    CHECK(!shares_overloaded(&w.s));
    shares_fini(&w.s);
}

TEST(equal_culprits_get_equal_shares)
{
    struct world w;
    world_init(&w, 800);
    for (int o = 0; o < 4; o++)
        w.sends[o] = 1000 + 500 * (unsigned)o;
    w.sends[4] = 20;
    for (int i = 0; i < 100; i++)
        world_interval(&w);
    world_forget(&w);
    for (int i = 0; i < 300; i++)
        world_interval(&w);
    for (int o = 1; o < 4; o++)
        CHECK(w.admitted[o] > w.admitted[0] * 0.9 && w.admitted[o] < w.admitted[0] * 1.1);
    CHECK_INT(w.refused[4], 0);
    shares_fini(&w.s);
}

/* A number of admissions that is too high for the worker is found out, and one that is too low, too. */
TEST(capacity_changes)
{
    struct world w;
    world_init(&w, 1000);
    w.sends[0] = 3000;
    for (int i = 0; i < 200; i++)
        world_interval(&w);
    w.capacity = 100;
    for (int i = 0; i < 200; i++)
        world_interval(&w);
    world_forget(&w);
    for (int i = 0; i < 100; i++)
        world_interval(&w);
    CHECK(w.admitted[0] > 60 * 100 && w.admitted[0] < 100 * 100);
    w.capacity = 2000;
    for (int i = 0; i < 100; i++)
        world_interval(&w);
    world_forget(&w);
    for (int i = 0; i < 100; i++)
        world_interval(&w);
    CHECK(w.admitted[0] > 1400 * 100);
    shares_fini(&w.s);
}

TEST(dialogs_go_first_and_ends_always)
{
    struct shares s;
    struct share *one;
    shares_init(&s);
    shares_measure(&s, true, 1000); /* overloaded from nothing: the least rate */
    unsigned fresh = 0, dialog = 0;
    while (shares_ask(&s, 1, SHARE_NEW, &any, &one) == SHARE_ADMITTED && fresh < 1000)
        fresh++;
    CHECK_INT(fresh, SHARE_LEAST);
    while (shares_ask(&s, 1, SHARE_DIALOG, &any, &one) == SHARE_ADMITTED && dialog < 1000)
        dialog++;
    CHECK_INT(dialog, SHARE_LEAST);
    for (int i = 0; i < 1000; i++)
        CHECK_INT(shares_ask(&s, 1, SHARE_END, &any, &one), SHARE_ADMITTED);
    CHECK_INT(shares_ask(&s, 2, SHARE_NEW, &any, &one), SHARE_ADMITTED);
    unsigned refused = 0;
    while (shares_ask(&s, 1, SHARE_NEW, &any, &one) == SHARE_REFUSED && refused < 1000)
        refused++;
    CHECK(refused > SHARE_LEAST && refused < 1000); /* then it floods */
    shares_fini(&s);
}

TEST(pending_ones_are_shared)
{
    struct shares s;
    struct share *one, *other, *last;
    unsigned n = 0, m = 0;
    shares_init(&s);
    while (shares_ask(&s, 1, SHARE_NEW, &of_100, &one) == SHARE_ADMITTED && n < 1000)
        n++;
    CHECK_INT(n, 50);
    while (shares_ask(&s, 2, SHARE_NEW, &of_100, &other) == SHARE_ADMITTED && m < 1000)
        m++;
    CHECK_INT(m, 25);
    CHECK_INT(shares_ask(&s, 3, SHARE_DIALOG, &of_100, &last), SHARE_ADMITTED);
    CHECK_INT(shares_ask(&s, 1, SHARE_END, &of_100, &one), SHARE_ADMITTED);
    for (int i = 0; i < 30; i++)
        shares_done(&s, one);
    CHECK_INT(shares_ask(&s, 1, SHARE_NEW, &of_100, &one), SHARE_ADMITTED);
    shares_fini(&s);
}

/* However many owners there are, memory is bounded; those with something pending stay. */
TEST(owners_are_forgotten)
{
    struct shares s;
    struct share *kept, *one;
    shares_init(&s);
    CHECK_INT(shares_ask(&s, 1, SHARE_NEW, &any, &kept), SHARE_ADMITTED);
    for (uint64_t o = 2; o < 3 * SHARE_OWNERS_MAX; o++) {
        if (o % 1000 == 0) {
            shares_measure(&s, true, o);
            CHECK_INT(shares_ask(&s, 1, SHARE_END, &any, &kept), SHARE_ADMITTED);
        }
        if (shares_ask(&s, o, SHARE_NEW, &any, &one) == SHARE_ADMITTED)
            shares_done(&s, one);
    }
    CHECK(s.owners.count <= SHARE_OWNERS_MAX + 1);
    shares_done(&s, kept);
    shares_fini(&s);
}

/* Memory: one alone has half of it, and somebody new always finds room. */
TEST(memory_is_shared)
{
    struct shares s;
    struct share *one, *other;
    struct share_room room = {.bytes = 1000};
    unsigned n = 0, m = 0;
    shares_init(&s);
    for (; shares_ask(&s, 1, SHARE_NEW, &room, &one) == SHARE_ADMITTED && n < 1000; n++, room.bytes -= 10)
        shares_hold(one, 10);
    CHECK_INT(n, 50);
    for (; shares_ask(&s, 2, SHARE_DIALOG, &room, &other) == SHARE_ADMITTED && m < 1000;
         m++, room.bytes -= 10)
        shares_hold(other, 10);
    CHECK_INT(m, 25);
    CHECK_INT(shares_ask(&s, 1, SHARE_END, &room, &one), SHARE_ADMITTED);
    shares_hold(one, -500);
    room.bytes += 500;
    CHECK_INT(shares_ask(&s, 1, SHARE_NEW, &room, &one), SHARE_ADMITTED);
    for (unsigned i = 0; i < n + 2; i++)
        shares_done(&s, one);
    for (unsigned i = 0; i < m; i++)
        shares_done(&s, other);
    shares_fini(&s);
}

TEST_MAIN(memory_is_shared, nothing_is_refused_below_capacity, ten_times_the_capacity,
          equal_culprits_get_equal_shares, capacity_changes, dialogs_go_first_and_ends_always,
          pending_ones_are_shared, owners_are_forgotten)
