/* Shares of machines in a pool. */
#include "ground/base/test.h"
#include "kept/topology/topology.h"

static struct topology_machine pool[4];

static void weights(int64_t a, int64_t b, int64_t c, int64_t d)
{
    const int64_t w[] = {a, b, c, d};
    for (size_t i = 0; i < 4; i++)
        pool[i].weight = w[i];
}

TEST(by_weight)
{
    unsigned got[4] = {0};
    weights(1, 3, 0, 6);
    for (uint64_t spread = 0; spread < 1000; spread++)
        got[topology_machine_pick(pool, 4, spread)]++;
    CHECK_INT(got[0], 100);
    CHECK_INT(got[1], 300);
    CHECK_INT(got[2], 0);
    CHECK_INT(got[3], 600);
    weights(1, 1, 1, 1);
    for (uint64_t spread = 0; spread < 8; spread++)
        CHECK_INT(topology_machine_pick(pool, 4, spread), spread % 4);
    weights(0, 0, 0, 0); /* all stand by: then all take part */
    CHECK_INT(topology_machine_pick(pool, 4, 7), 3);
    CHECK_INT(topology_machine_pick(pool, 0, 7), 0);
}

static const char *order(size_t first)
{
    static char text[5];
    for (size_t i = 0; i < 4; i++)
        text[i] = (char)('a' + topology_machine_next(pool, 4, first, i));
    return text;
}

TEST(the_others_go_round)
{
    weights(1, 1, 1, 1);
    CHECK_STR(slice_str(order(0)), "abcd");
    CHECK_STR(slice_str(order(2)), "cdab");
    weights(1, 0, 1, 1); /* who stands by is asked last, unless it is the one that was meant */
    CHECK_STR(slice_str(order(0)), "acdb");
    CHECK_STR(slice_str(order(3)), "dacb");
    CHECK_STR(slice_str(order(1)), "bcda");
}

TEST_MAIN(by_weight, the_others_go_round)
