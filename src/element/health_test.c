/* The circuit breaker of one address, against a clock of the test's own. */
#include "element/health.h"
#include "ground/base/test.h"

static const struct health_times T = {
    .probe_ms = 30000, .probe_timeout_ms = 3000, .block_ms = 1000, .block_max_ms = 60000};
enum { START = 5000000 };

static struct health fresh(void)
{
    struct health h;
    health_init(&h, START);
    return h;
}

TEST(a_failure_blocks_for_a_growing_time)
{
    static const uint32_t blocks[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    struct health h = fresh();
    uint64_t now = START + 100000;
    health_failed(&h, &T, now, "could not connect");
    CHECK_STR(slice_str(h.error), "could not connect");
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
        CHECK_INT(h.state, HEALTH_BLOCKED);
        CHECK_INT(h.until - now, blocks[i]);
        CHECK_INT(h.failures, i + 1);
        CHECK(!health_probe_due(&h, &T, h.until - 1));
        now = h.until;
        CHECK(health_probe_due(&h, &T, now));
        health_probe_begins(&h, now);
        CHECK_INT(h.state, HEALTH_PROBED);
        CHECK(!health_probe_due(&h, &T, now)); /* one at a time */
        now += 3000;
        health_probe_ended(&h, &T, now, "no answer");
    }
    health_probe_begins(&h, h.until);
    health_probe_ended(&h, &T, now = h.until, NULL);
    CHECK_INT(h.state, HEALTH_GOOD);
    CHECK_INT(h.failures, 0);
    CHECK_INT(h.since, now);
    CHECK_STR(slice_str(h.error), "no answer"); /* still to be read */
}

TEST(several_requests_see_one_failure)
{
    struct health h = fresh();
    health_failed(&h, &T, START, "lost");
    for (int i = 1; i < 20; i++)
        health_failed(&h, &T, START + (uint64_t)i, "lost");
    CHECK_INT(h.until, START + 1000);
    CHECK_INT(h.since, START);
    /* tried all the same when the block is over, before any probe */
    health_failed(&h, &T, START + 1500, "lost");
    CHECK_INT(h.until, START + 1500 + 2000);
}

TEST(who_flaps_is_blocked_longer)
{
    struct health h = fresh();
    uint64_t now = START;
    for (uint32_t want = 1000; want <= 8000; want *= 2) {
        health_failed(&h, &T, now, "lost");
        CHECK_INT(h.until - now, want);
        now += 100;
        health_answered(&h, now);
        CHECK_INT(h.state, HEALTH_GOOD);
        now += 100;
    }
    health_failed(&h, &T, now - 101,
                  "lost"); /* of a worker whose turn began before the other's answer came */
    CHECK_INT(h.until - (now - 101), 16000);
    health_answered(&h, now);
    now += 2 * 16000; /* good for long enough: all is forgiven */
    health_failed(&h, &T, now, "lost");
    CHECK_INT(h.until - now, 1000);
}

TEST(silence_only_makes_suspect)
{
    struct health h = fresh();
    health_suspected(&h, START, "no answer in time");
    CHECK_INT(h.state, HEALTH_SUSPECT);
    CHECK(health_probe_due(&h, &T, START));
    health_probe_begins(&h, START);
    CHECK_INT(h.state, HEALTH_SUSPECT);
    health_probe_ended(&h, &T, START + 10, NULL);
    CHECK_INT(h.state, HEALTH_GOOD);
    health_suspected(&h, START + 20, "no answer in time");
    health_probe_begins(&h, START + 20);
    health_probe_ended(&h, &T, START + 3020, "no answer to OPTIONS");
    CHECK_INT(h.state, HEALTH_BLOCKED);
    CHECK_INT(h.until, START + 4020);
    health_suspected(&h, START + 3030, "no answer in time"); /* no better than blocked */
    CHECK_INT(h.state, HEALTH_BLOCKED);
}

TEST(retry_after)
{
    struct health h = fresh();
    health_refused(&h, &T, START, 30000);
    CHECK_INT(h.until, START + 30000);
    health_answered(&h, START + 10); /* to what was sent before */
    CHECK_INT(h.state, HEALTH_BLOCKED);
    health_answered(&h, START + 30000);
    CHECK_INT(h.state, HEALTH_GOOD);
    health_refused(&h, &T, START + 200000, 86400000); /* a day: no longer than our longest */
    CHECK_INT(h.until, START + 200000 + 60000);
    h = fresh();
    health_refused(&h, &T, START, 0);
    CHECK_INT(h.until, START + 1000);
    health_answered(&h, START + 10);
    CHECK_INT(h.state, HEALTH_GOOD);
}

TEST(who_is_probed)
{
    struct health h = fresh();
    CHECK(!health_probe_due(&h, &T, START + 10 * T.probe_ms)); /* traffic shows how it is */
    h.watched = true;
    CHECK(!health_probe_due(&h, &T, START + T.probe_ms - 1));
    CHECK(health_probe_due(&h, &T, START + T.probe_ms));
    health_probe_begins(&h, START + T.probe_ms);
    health_probe_ended(&h, &T, START + T.probe_ms + 5, NULL);
    CHECK(!health_probe_due(&h, &T, START + T.probe_ms + 5));
    struct health_times off = T;
    off.probe_ms = 0;
    CHECK(!health_probe_due(&h, &off, START + 100 * T.probe_ms));
    /* blocked, and nobody wants it any more */
    h = fresh();
    health_failed(&h, &T, START, "lost");
    CHECK(health_probe_due(&h, &T, START + 2000));
    CHECK(!health_probe_due(&h, &T, START + HEALTH_WANTED_MS));
    h.watched = true;
    CHECK(health_probe_due(&h, &T, START + HEALTH_WANTED_MS));
}

TEST(order)
{
    struct health good = fresh(), suspect = fresh(), probed = fresh(), soon = fresh(), late = fresh();
    health_suspected(&suspect, START, "x");
    health_failed(&probed, &T, START, "x");
    health_probe_begins(&probed, START + 1000);
    health_failed(&soon, &T, START, "x");
    health_failed(&late, &T, START + 1, "x");
    CHECK(health_badness(&good) < health_badness(&suspect));
    CHECK(health_badness(&suspect) < health_badness(&probed));
    CHECK(health_badness(&probed) < health_badness(&soon));
    CHECK(health_badness(&soon) < health_badness(&late));
    CHECK_STR(slice_str(health_state_name(HEALTH_BLOCKED)), "blocked");
}

TEST_MAIN(a_failure_blocks_for_a_growing_time, several_requests_see_one_failure, who_flaps_is_blocked_longer,
          silence_only_makes_suspect, retry_after, who_is_probed, order)
