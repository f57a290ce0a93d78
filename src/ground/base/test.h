/*
 * base/test.h - unit tests that print TAP for prove(1). Test programs only; shipped code never includes it.
 *
 *     TEST(cut_at_colon) { CHECK(...); CHECK_STR(slice, "text"); CHECK_INT(a, b); }
 *     TEST_MAIN(cut_at_colon, other_test)
 *
 * A failed CHECK prints where and what, marks the test as failed and goes on.
 */
#pragma once

#include "ground/base/slice.h"

#include <stdio.h>
#include <stdlib.h>

static int test_failures;

#define TEST(name) static void test_##name(void)
#define TEST_DIAG(...)                                                                                       \
    do {                                                                                                     \
        test_failures++;                                                                                     \
        printf("# %s:%d: ", __FILE__, __LINE__);                                                             \
        printf(__VA_ARGS__);                                                                                 \
        printf("\n");                                                                                        \
    } while (0)
#define CHECK(cond)                                                                                          \
    do {                                                                                                     \
        if (!(cond))                                                                                         \
            TEST_DIAG("%s", #cond);                                                                          \
    } while (0)
#define CHECK_INT(got, want)                                                                                 \
    do {                                                                                                     \
        long long test_g = (long long)(got), test_w = (long long)(want);                                     \
        if (test_g != test_w)                                                                                \
            TEST_DIAG("%s is %lld, not %lld", #got, test_g, test_w);                                         \
    } while (0)
#define CHECK_SLICE(got, want)                                                                               \
    do {                                                                                                     \
        struct slice test_g = (got), test_w = (want);                                                        \
        if (!slice_eq(test_g, test_w))                                                                       \
            TEST_DIAG("%s is '" SLICE_FMT "', not '" SLICE_FMT "'", #got, SLICE_ARG(test_g),                 \
                      SLICE_ARG(test_w));                                                                    \
    } while (0)
#define CHECK_STR(got, lit) CHECK_SLICE(got, slice_str(lit))

struct test_case {
    const char *name;
    void (*run)(void);
};

static inline int test_run(const struct test_case *cases, size_t n)
{
    int bad = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..%zu\n", n);
    for (size_t i = 0; i < n; i++) {
        test_failures = 0;
        cases[i].run();
        printf("%sok %zu - %s\n", test_failures ? "not " : "", i + 1, cases[i].name);
        bad += test_failures != 0;
    }
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define TEST_CASE(name) {#name, test_##name},
/* For each name of the list, by deferred expansion (C has no recursive macros); enough for 80 names. */
#define TEST_PARENS ()
#define TEST_EXPAND(...) TEST_EXPAND3(TEST_EXPAND3(TEST_EXPAND3(TEST_EXPAND3(__VA_ARGS__))))
#define TEST_EXPAND3(...) TEST_EXPAND2(TEST_EXPAND2(TEST_EXPAND2(TEST_EXPAND2(__VA_ARGS__))))
#define TEST_EXPAND2(...) TEST_EXPAND1(TEST_EXPAND1(TEST_EXPAND1(TEST_EXPAND1(__VA_ARGS__))))
#define TEST_EXPAND1(...) __VA_ARGS__
#define TEST_EACH(name, ...) TEST_CASE(name) __VA_OPT__(TEST_EACH_AGAIN TEST_PARENS(__VA_ARGS__))
#define TEST_EACH_AGAIN() TEST_EACH
#define TEST_MAIN(...)                                                                                       \
    int main(void)                                                                                           \
    {                                                                                                        \
        static const struct test_case cases[] = {TEST_EXPAND(TEST_EACH(__VA_ARGS__))};                       \
        return test_run(cases, sizeof(cases) / sizeof(cases[0]));                                            \
    }
