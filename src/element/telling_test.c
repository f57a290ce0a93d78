#include "element/telling.h"

#include "ground/base/test.h"

#include <stdio.h>

static struct telling telling;

static unsigned lines(const char *id, uint64_t owner, unsigned n, uint64_t now)
{
    unsigned may = 0;
    for (unsigned i = 0; i < n; i++)
        may += telling_may(&telling, id, owner, SLICE("partner.example"), now);
    return may;
}

TEST(few_are_all_written)
{
    struct telling_rest rest;
    telling_init(&telling);
    CHECK_INT(lines("a.b", 1, TELLING_LINES, 1000), TELLING_LINES);
    CHECK(!telling_rest(&telling, 1000 + TELLING_PERIOD_MS, &rest)); /* nothing was left out */
    CHECK_INT(telling.things.count, 0);
    CHECK_INT(lines("a.b", 1, TELLING_LINES, 1000 + TELLING_PERIOD_MS), TELLING_LINES);
    telling_fini(&telling);
}

TEST(a_flood_is_summed_up)
{
    struct telling_rest rest;
    unsigned may = 0, left = 0;
    telling_init(&telling);
    for (uint64_t now = 5000; now < 5000 + 10 * TELLING_PERIOD_MS; now++) {
        may += lines("a.b", 1, 7, now);
        while (telling_rest(&telling, now, &rest)) {
            CHECK_STR(slice_str(rest.id), "a.b");
            CHECK_STR(slice_str(rest.who), "partner.example");
            CHECK_INT(rest.ms, TELLING_PERIOD_MS);
            left += rest.more;
        }
    }
    CHECK(telling_rest(&telling, UINT64_MAX, &rest));
    left += rest.more;
    CHECK(!telling_rest(&telling, UINT64_MAX, &rest));
    CHECK_INT(may + left, 7 * 10 * TELLING_PERIOD_MS); /* exact */
    CHECK_INT(may, 10 * TELLING_LINES);
    telling_fini(&telling);
}

/* A flood about one thing hides nothing about another. */
TEST(things_are_told_apart)
{
    telling_init(&telling);
    lines("a.b", 1, 10000, 1000);
    CHECK_INT(lines("a.c", 1, 3, 1000), 3);
    CHECK_INT(lines("a.b", 2, 3, 1000), 3);
    CHECK_INT(lines("a.b", 1, 3, 1000), 0);
    telling_fini(&telling);
}

/* All together are bounded; the first ones of each thing are written all the same. */
TEST(all_together)
{
    unsigned may = 0;
    telling_init(&telling);
    for (uint64_t owner = 1; owner <= 100; owner++)
        may += lines("a.b", owner, 1000, 1000);
    CHECK_INT(may, TELLING_ALL + (100 - TELLING_ALL / TELLING_LINES) * TELLING_FIRST);
    CHECK_INT(lines("a.c", 1, 1000, 1000), TELLING_FIRST);
    telling_fini(&telling);
}

TEST(memory_is_bounded)
{
    struct telling_rest rest;
    unsigned may = 0, left = 0;
    telling_init(&telling);
    for (uint64_t owner = 1; owner <= 100000; owner++)
        may += lines("a.b", owner, 1, 1000);
    CHECK_INT(telling.things.count, TELLING_THINGS + 1);
    CHECK_INT(may, TELLING_THINGS + TELLING_FIRST);
    while (telling_rest(&telling, UINT64_MAX, &rest)) {
        CHECK_STR(slice_str(rest.who), "others");
        left += rest.more;
    }
    CHECK_INT(may + left, 100000);
    telling_fini(&telling);
}

/* Not cut in memory that is not ours. */
TEST(long_name)
{
    char name[500];
    struct telling_rest rest;
    memset(name, 'x', sizeof(name));
    telling_init(&telling);
    for (int i = 0; i <= TELLING_LINES; i++)
        telling_may(&telling, "a.b", 1, slice_mem(name, sizeof(name)), 1000);
    CHECK(telling_rest(&telling, UINT64_MAX, &rest));
    CHECK_INT(strlen(rest.who), TELLING_WHO - 1);
    telling_fini(&telling);
}

TEST_MAIN(few_are_all_written, a_flood_is_summed_up, things_are_told_apart, all_together, memory_is_bounded,
          long_name)
