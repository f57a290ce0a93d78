#include "service/access_edge/watch.h"

#include "ground/base/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static const struct measure_limits limits = {.rate = 20,
                                             .suspicious_rate = 1,
                                             .addresses = 3,
                                             .failures_percent = 50,
                                             .failures_least = 2,
                                             .window_ms = 60000};

static struct watch_found message(struct watch *w, const char *domain, uint64_t now, uint64_t address)
{
    struct watch_found f;
    watch_message(w, &limits, slice_str(domain), now, address, false, 0, &f);
    return f;
}

TEST(one_account_a_domain)
{
    struct watch *w = watch_new();
    struct arena a = {0};
    struct watch_row *rows;
    struct watch_found f;
    uint64_t account = message(w, "x.example", 1, 1).account;
    CHECK_INT(message(w, "X.Example", 1, 2).account, account);
    CHECK(message(w, "y.example", 1, 1).account != account);
    message(w, "x.example", 1, 3);
    f = message(w, "x.example", 2, 4);
    CHECK(f.verdict == MEASURE_NEW_ADDRESS && f.news == MEASURE_ADDRESSES);
    CHECK_INT(watch_list(w, NULL, NULL, false, &a, &rows), 2);
    CHECK_INT(watch_list(w, NULL, NULL, true, &a, &rows), 1);
    CHECK_STR(rows[0].domain, "x.example");
    CHECK_INT(rows[0].addresses, 3);
    CHECK_INT(rows[0].messages, 4);
    CHECK_INT(rows[0].refused, 1);
    CHECK_INT(rows[0].since_ms, 2);
    watch_response(w, &limits, SLICE("y.example"), 3, 404, &f);
    CHECK_INT(f.news, 0);
    watch_response(w, &limits, SLICE("y.example"), 3, 404, &f);
    CHECK_INT(f.news, MEASURE_FAILURES);
    watch_response(w, &limits, SLICE("z.example"), 3, 404, &f); /* of whom nothing came */
    CHECK_INT(watch_list(w, NULL, NULL, false, &a, &rows), 2);
    arena_fini(&a);
    watch_unref(w);
}

TEST(connections_are_counted)
{
    struct watch *w = watch_new();
    struct arena a = {0};
    struct watch_row *rows;
    uint64_t account = message(w, "x.example", 1, 0).account;
    watch_connection(w, SLICE("x.example"), account, 1);
    watch_connection(w, SLICE("x.example"), account, 1);
    watch_connection(w, SLICE("x.example"), account, -1);
    watch_connection(w, SLICE("x.example"), account + 1, 1); /* of an account that is closed */
    CHECK_INT(watch_list(w, NULL, NULL, false, &a, &rows), 1);
    CHECK_INT(rows[0].connections, 1);
    arena_fini(&a);
    watch_unref(w);
}

static bool not_x(void *arg, struct slice domain)
{
    (void)arg;
    return !slice_eq(domain, SLICE("x.example"));
}

TEST(who_is_listed_meanwhile_goes)
{
    struct watch *w = watch_new();
    struct arena a = {0};
    struct watch_row *rows;
    uint64_t before = 0;
    for (uint64_t i = 1; i < 6; i++)
        before = message(w, "x.example", 1, i).account;
    message(w, "y.example", 1, 1);
    CHECK_INT(watch_list(w, not_x, NULL, false, &a, &rows), 1);
    CHECK_STR(rows[0].domain, "y.example");
    struct watch_found f = message(w, "x.example", 2, 9); /* taken from the list: it begins anew */
    CHECK(f.account != before && f.verdict == MEASURE_PASSES);
    arena_fini(&a);
    watch_unref(w);
}

TEST(silent_ones_are_forgotten_but_not_the_watched)
{
    struct watch *w = watch_new();
    struct arena a = {0};
    struct watch_row *rows;
    char name[32];
    for (uint64_t i = 1; i < 6; i++)
        message(w, "greedy.example", 1, i);
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "d%d.example", i);
        message(w, name, 1, 1);
    }
    CHECK_INT(watch_list(w, NULL, NULL, false, &a, &rows), 501);
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "e%d.example", i);
        message(w, name, 2 + WATCH_FORGET_MS, 1);
    }
    CHECK_INT(watch_list(w, NULL, NULL, false, &a, &rows), 501);
    CHECK_INT(watch_list(w, NULL, NULL, true, &a, &rows), 1);
    CHECK_STR(rows[0].domain, "greedy.example");
    arena_fini(&a);
    watch_unref(w);
}

TEST(memory_is_bounded)
{
    struct watch *w = watch_new();
    struct arena a = {0};
    struct watch_row *rows;
    char name[32];
    unsigned full = 0;
    for (int i = 0; i < 3 * WATCH_MAX_DOMAINS; i++) {
        snprintf(name, sizeof(name), "d%d.example", i);
        CHECK(!message(w, name, 1, 1).full);
    }
    CHECK(watch_list(w, NULL, NULL, false, &a, &rows) <= WATCH_MAX_DOMAINS);
    for (int i = 0; i < 3 * WATCH_MAX_DOMAINS; i++) { /* all of them watched: nobody gives way */
        snprintf(name, sizeof(name), "g%d.example", i);
        struct watch_found f = message(w, name, 2, 1);
        full += f.full;
        for (uint64_t k = 2; k < 6 && !f.full; k++)
            message(w, name, 2, k);
    }
    CHECK(full > 0);
    CHECK(watch_list(w, NULL, NULL, false, &a, &rows) <= WATCH_MAX_DOMAINS);
    struct watch_found f;
    watch_message(w, &limits, SLICE("late.example"), 3, 0, true, 0, &f);
    CHECK(!f.full); /* what must pass does */
    arena_fini(&a);
    watch_unref(w);
}

TEST(reported_once_a_period)
{
    struct watch *w = watch_new();
    struct watch_found f;
    for (int i = 0; i < 5; i++)
        watch_message(w, &limits, SLICE("x.example"), 100, 0, false, 1000, &f);
    CHECK_INT(f.report_messages, 0);
    watch_message(w, &limits, SLICE("x.example"), 1100, 0, false, 1000, &f);
    CHECK_INT(f.report_messages, 6);
    watch_message(w, &limits, SLICE("x.example"), 1200, 0, false, 1000, &f);
    CHECK_INT(f.report_messages, 0);
    watch_message(w, &limits, SLICE("x.example"), 2100, 0, false, 1000, &f);
    CHECK_INT(f.report_messages, 2);
    watch_unref(w);
}

/* Many connections on many workers get no more together than one. */
static atomic_uint passed;
static void *hammer(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        struct watch_found f = message(arg, "x.example", 1, 0);
        passed += f.verdict == MEASURE_PASSES;
        watch_connection(arg, SLICE("x.example"), f.account, i % 2 ? -1 : 1);
    }
    return NULL;
}

TEST(workers_share_the_limit)
{
    struct watch *w = watch_new();
    pthread_t threads[4];
    struct arena a = {0};
    struct watch_row *rows;
    for (int i = 0; i < 4; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, hammer, w), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(passed, 20);
    CHECK_INT(watch_list(w, NULL, NULL, true, &a, &rows), 1);
    CHECK_INT(rows[0].messages, 8000);
    CHECK_INT(rows[0].connections, 0);
    arena_fini(&a);
    watch_unref(w);
}

TEST_MAIN(one_account_a_domain, connections_are_counted, who_is_listed_meanwhile_goes,
          silent_ones_are_forgotten_but_not_the_watched, memory_is_bounded, reported_once_a_period,
          workers_share_the_limit)
