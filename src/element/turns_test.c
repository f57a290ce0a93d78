#include "element/turns.h"

#include "ground/base/test.h"

#define CHECK_WITHIN(got, least, most) CHECK((got) >= (least) && (got) <= (most))
enum { CLIENTS = 400 };
static struct turns turns;
static struct turns_client clients[CLIENTS];
static uint64_t owners[CLIENTS];

static void begin(void)
{
    turns_init(&turns);
    memset(clients, 0, sizeof(clients));
}

static void want(size_t i, uint64_t owner)
{
    owners[i] = owner;
    turns_add(&turns, &clients[i], owner);
}

/* Reads the next one, which costs so much and wants to be read again or not; which it was. */
static size_t serve(uint64_t cost_us, bool again)
{
    struct turns_client *c = turns_next(&turns);
    size_t i = (size_t)(c - clients);
    if (!c)
        return CLIENTS;
    if (again)
        turns_add(&turns, c, owners[i]);
    turns_done(&turns, cost_us);
    return i;
}

static void end(size_t n)
{
    for (size_t i = 0; i < n; i++)
        turns_remove(&turns, &clients[i]);
    turns_fini(&turns);
}

TEST(nobody_waits)
{
    begin();
    CHECK(turns_next(&turns) == NULL);
    turns_remove(&turns, &clients[0]);
    end(0);
}

TEST(connections_of_one_take_turns)
{
    begin();
    for (size_t i = 0; i < 3; i++)
        want(i, 7);
    want(1, 7); /* waits already: stays where it is */
    CHECK_INT(turns.n, 3);
    for (size_t i = 0; i < 9; i++)
        CHECK_INT(serve(400, true), i % 3);
    end(3);
}

/* By time, not by readings and not by connections. */
TEST(owners_get_the_same_time)
{
    uint64_t got[3] = {0};
    begin();
    for (size_t i = 0; i < 300; i++)
        want(i, 1); /* many connections, cheap readings */
    want(300, 2);
    want(301, 3); /* each reading costs more than a quantum */
    for (int i = 0; i < 100000; i++) {
        struct turns_client *c = turns_next(&turns);
        size_t k = (size_t)(c - clients);
        uint64_t cost = owners[k] == 1 ? 90 : owners[k] == 2 ? 700 : 2600;
        got[owners[k] - 1] += cost;
        turns_add(&turns, c, owners[k]);
        turns_done(&turns, cost);
    }
    CHECK(got[0] > 0 && got[1] * 100 > got[0] * 99 && got[1] * 99 < got[0] * 100);
    CHECK(got[2] * 100 > got[0] * 99 && got[2] * 99 < got[0] * 100);
    end(302);
}

/* What nobody takes is not kept for anybody. */
TEST(one_alone_has_all)
{
    begin();
    want(0, 1);
    for (int i = 0; i < 1000; i++)
        CHECK_INT(serve(5000, true), 0);
    want(1, 2);
    CHECK_INT(serve(100, false), 1);
    end(2);
}

/* Whoever comes goes before all that keep waiting, however many connections they have. */
TEST(who_is_new_waits_for_one_reading)
{
    begin();
    for (size_t i = 0; i < 300; i++)
        want(i, 1 + i % 10);
    for (int i = 0; i < 1000; i++)
        serve(800, true);
    want(300, 99);
    CHECK_INT(serve(100, false), 300);
    end(301);
}

/* Coming and going does not make one new each time: it waits for a turn of each other owner, no longer. */
TEST(who_comes_again_waits_for_one_round)
{
    uint64_t waited = 0, longest = 0;
    begin();
    for (size_t i = 0; i < 300; i++)
        want(i, 1 + i % 10);
    unsigned seen = 0, before = 0;
    for (int i = 0; i < 10000; i++) {
        if (i % 3 == 0)
            want(300, 99);
        waited += 800;
        if (serve(800, i % 3 != 0 || turns.n == 0) == 300) {
            seen++;
            before += waited == 800; /* at once */
            longest = waited > longest ? waited : longest;
            waited = 0;
        }
        for (size_t k = 0; k < 300; k++)
            want(k, 1 + k % 10);
    }
    CHECK(seen > 500);
    CHECK(before < seen / 10);
    CHECK(longest <= 2 * 11 * (TURNS_QUANTUM_US + 800));
    end(301);
}

/* One reading that took very long (the processor was taken away) costs its owner a few rounds, not its day.
 */
TEST(debt_has_an_end)
{
    begin();
    want(0, 1);
    want(1, 2);
    CHECK_INT(serve(60000000, true), 0);
    unsigned others = 0;
    while (serve(1000, true) == 1 && others < 1000)
        others++;
    CHECK(others >= 3 && others <= 6);
    end(2);
}

TEST(gone_while_it_waits)
{
    begin();
    want(0, 1);
    want(1, 2);
    want(2, 1);
    turns_remove(&turns, &clients[0]);
    turns_remove(&turns, &clients[0]);
    turns_remove(&turns, &clients[1]); /* its owner's last */
    CHECK_INT(turns.n, 1);
    CHECK_INT(turns.owners.count, 1);
    CHECK_INT(serve(10, false), 2);
    CHECK_INT(serve(10, false), CLIENTS);
    CHECK_INT(turns.owners.count, 0); /* nothing is kept of who does not wait */
    end(3);
}

/* 40 bytes a millisecond, 8,000 wait: 200 ms. */
TEST(delay_of_a_standing_queue)
{
    struct turns_client c = {0};
    CHECK_INT(turns_delay_us(&c, 8000, 1000000), 0); /* never read: not known */
    for (uint64_t now = 1000000; now <= 4000000; now += 100000)
        turns_read(&c, 4000, true, now);
    CHECK_WITHIN(turns_delay_us(&c, 8000, 4000000), 190000, 210000);
    CHECK_INT(turns_delay_us(&c, 0, 4000000), 0);
    /* it is read ten times as fast: known within a few seconds */
    for (uint64_t now = 4000000; now <= 8000000; now += 10000)
        turns_read(&c, 4000, true, now);
    CHECK_WITHIN(turns_delay_us(&c, 8000, 8000000), 19000, 23000);
    turns_read(&c, 4000, false, 8001000);
    CHECK_INT(turns_delay_us(&c, 8000, 8002000), 0); /* it was empty */
}

/* Full and not read at all: it waits as long as that. */
TEST(delay_of_one_that_is_not_read)
{
    struct turns_client c = {0};
    turns_read(&c, 4000, true, 1000000);
    CHECK_INT(turns_delay_us(&c, 100, 1500000), 500000);
}

TEST_MAIN(nobody_waits, connections_of_one_take_turns, owners_get_the_same_time, one_alone_has_all,
          who_is_new_waits_for_one_reading, who_comes_again_waits_for_one_round, debt_has_an_end,
          gone_while_it_waits, delay_of_a_standing_queue, delay_of_one_that_is_not_read)
