#include "service/access_edge/measure.h"

#include "ground/base/test.h"

static const struct measure_limits limits = {.rate = 20,
                                             .suspicious_rate = 1,
                                             .addresses = 1000,
                                             .failures_percent = 50,
                                             .failures_least = 20,
                                             .window_ms = 60000};
static unsigned told;
static uint32_t wait_ms;

static enum measure_verdict message(struct measure *m, uint64_t now, uint64_t address)
{
    return measure_message(m, &limits, now, address, false, &wait_ms, &told);
}

static unsigned passing(struct measure *m, uint64_t from, uint64_t until, uint64_t step)
{
    unsigned n = 0;
    for (uint64_t now = from; now < until; now += step)
        n += message(m, now, 0) == MEASURE_PASSES;
    return n;
}

TEST(twenty_a_second)
{
    struct measure m = {0};
    for (int i = 0; i < 20; i++)
        CHECK_INT(message(&m, 5000, 0), MEASURE_PASSES);
    CHECK_INT(message(&m, 5000, 0), MEASURE_TOO_FAST);
    CHECK_INT(wait_ms, 50);
    CHECK_INT(told, MEASURE_RATE);
    CHECK_INT(m.since_ms, 5000);
    CHECK_INT(message(&m, 5049, 0), MEASURE_TOO_FAST);
    CHECK_INT(told, 0); /* told once */
    CHECK_INT(wait_ms, 1);
    CHECK_INT(message(&m, 5050, 0), MEASURE_PASSES);
    CHECK_INT(message(&m, 4000, 0),
              MEASURE_TOO_FAST); /* another worker's clock is behind: nothing is given */
    CHECK_INT(message(&m, 5050, 0), MEASURE_TOO_FAST);
    CHECK_INT(m.refused, 4);
    unsigned n = passing(&m, 10000, 20000, 1);
    CHECK(n >= 20 * 10 && n <= 20 * 11);
    measure_fini(&m);
}

TEST(what_ends_a_call_passes)
{
    struct measure m = {0};
    for (int i = 0; i < 25; i++)
        message(&m, 1, 0);
    CHECK_INT(measure_message(&m, &limits, 1, 0, true, &wait_ms, &told), MEASURE_PASSES);
    CHECK_INT(m.messages, 26);
    CHECK_INT(m.refused, 5);
    CHECK_INT(message(&m, 50, 0), MEASURE_TOO_FAST); /* and is counted */
    measure_fini(&m);
}

TEST(a_thousand_addresses)
{
    struct measure m = {0};
    uint64_t now = 0;
    for (uint64_t i = 1; i <= 1000; i++)
        CHECK_INT(message(&m, now += 50, i * 0x9e3779b97f4a7c15u), MEASURE_PASSES);
    CHECK_INT(m.n_seen, 1000);
    CHECK_INT(m.why, 0);
    CHECK_INT(message(&m, now += 50, 7), MEASURE_NEW_ADDRESS);
    CHECK_INT(told, MEASURE_ADDRESSES);
    CHECK_INT(message(&m, now += 50, 8), MEASURE_NEW_ADDRESS);
    CHECK_INT(told, 0);
    for (uint64_t i = 1; i <= 1000; i++) /* those go on */
        CHECK_INT(message(&m, now += 50, i * 0x9e3779b97f4a7c15u), MEASURE_PASSES);
    CHECK_INT(message(&m, now += 50, 0), MEASURE_PASSES); /* within a dialog */
    CHECK_INT(m.n_seen, 1000);
    struct measure_limits off = limits;
    off.addresses = 0;
    CHECK_INT(measure_message(&m, &off, now += 50, 9, false, &wait_ms, &told), MEASURE_PASSES);
    CHECK_INT(m.n_seen, 1000); /* nothing is remembered for nothing */
    measure_fini(&m);
}

static void answers(struct measure *m, uint64_t now, unsigned status, int n)
{
    while (n--)
        measure_response(m, &limits, now, status, &told);
}

TEST(half_of_the_answers_are_failures)
{
    struct measure m = {0};
    answers(&m, 1000, 200, 20);
    answers(&m, 1000, 404, 19);
    CHECK(!m.suspicious && m.why == 0); /* 19 of 39 */
    answers(&m, 1000, 404, 1);
    CHECK(m.suspicious);
    CHECK_INT(told, MEASURE_FAILURES);
    CHECK_INT(message(&m, 1000, 0), MEASURE_PASSES);
    CHECK_INT(message(&m, 1000, 0), MEASURE_SUSPICIOUS);
    CHECK_INT(wait_ms, 1000);
    CHECK_INT(passing(&m, 3000, 13000, 10), 10); /* one a second */
    answers(&m, 13000, 200, 1);
    CHECK(!m.suspicious);               /* 20 of 41 */
    CHECK_INT(m.why, MEASURE_FAILURES); /* it stays on the watch list */
    measure_fini(&m);
}

TEST(suspicion_ends_with_a_silent_window)
{
    struct measure m = {0};
    answers(&m, 1000, 404, 19);
    CHECK(!m.suspicious && m.why == 0); /* too few to judge */
    answers(&m, 1000, 404, 1);
    CHECK_INT(passing(&m, 50000, 50900, 10), 1);
    answers(&m, 51000, 404, 1); /* few, but still all of them */
    CHECK_INT(passing(&m, 80000, 80900, 10), 1);
    CHECK(m.suspicious);
    CHECK_INT(passing(&m, 150000, 150900, 10), 20 + 17);
    CHECK(!m.suspicious);
    measure_fini(&m);
}

TEST(everyday_answers_are_no_failures)
{
    static const unsigned everyday[] = {401, 407, 408, 480, 481, 486, 487, 488, 491, 500, 503, 504, 600, 603};
    struct measure m = {0};
    for (size_t i = 0; i < sizeof(everyday) / sizeof(everyday[0]); i++)
        answers(&m, 1000, everyday[i], 50);
    CHECK_INT(m.answers, 0);
    answers(&m, 1000, 202, 1);
    answers(&m, 1000, 604, 1);
    CHECK_INT(m.answers, 2);
    CHECK_INT(m.failures, 1);
    CHECK(!m.suspicious);
    measure_fini(&m);
}

TEST(limits_can_be_off)
{
    static const struct measure_limits none = {.failures_least = 1, .window_ms = 60000};
    struct measure m = {0};
    for (uint64_t i = 1; i < 3000; i++) {
        CHECK_INT(measure_message(&m, &none, 1, i, false, &wait_ms, &told), MEASURE_PASSES);
        measure_response(&m, &none, 1, 404, &told);
    }
    CHECK(!m.suspicious && m.why == 0 && m.n_seen == 0);
    measure_fini(&m);
}

/* A revision changes the numbers while the domain goes on: what was gathered is judged by the new ones. */
TEST(new_numbers_hold_at_once)
{
    struct measure m = {0};
    struct measure_limits l = limits;
    for (int i = 0; i < 30; i++)
        message(&m, 1000, 0);
    l.rate = 100;
    CHECK_INT(measure_message(&m, &l, 1020, 0, false, &wait_ms, &told), MEASURE_PASSES);
    answers(&m, 1020, 404, 20);
    l.failures_percent = 0;
    CHECK_INT(measure_message(&m, &l, 1040, 0, false, &wait_ms, &told), MEASURE_PASSES);
    CHECK(!m.suspicious);
    CHECK_INT(message(&m, 1041, 0), MEASURE_PASSES);
    CHECK(m.milli <= 20000);
    measure_fini(&m);
}

TEST_MAIN(twenty_a_second, what_ends_a_call_passes, a_thousand_addresses, half_of_the_answers_are_failures,
          suspicion_ends_with_a_silent_window, everyday_answers_are_no_failures, limits_can_be_off,
          new_numbers_hold_at_once)
