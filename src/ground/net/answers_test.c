/* The memory of DNS answers. */
#include "ground/base/test.h"
#include "ground/net/answers.h"

#include <stdio.h>

enum { DAY_MS = 86400000, START = 1000 };

TEST(kept_and_found)
{
    struct answers a;
    answers_init(&a, ANSWERS_MAX);
    CHECK(!answers_find(&a, SLICE("a.example."), 1, DAY_MS, START));
    answers_keep(&a, SLICE("a.example."), 1, SLICE("first"), true, START);
    answers_keep(&a, SLICE("a.example."), 28, SLICE("other"), false, START);
    struct answer *o = answers_find(&a, SLICE("a.example."), 1, DAY_MS, START + DAY_MS);
    if (o) {
        CHECK_STR(answer_packet(o), "first");
        CHECK(o->secure);
    } else {
        TEST_DIAG("nothing was found");
    }
    CHECK(!answers_find(&a, SLICE("a.example."), 1, DAY_MS, START + DAY_MS + 1)); /* too old */
    CHECK(!answers_find(&a, SLICE("b.example."), 1, DAY_MS, START));
    answers_keep(&a, SLICE("a.example."), 1, SLICE("second"), false, START + 5000);
    o = answers_find(&a, SLICE("a.example."), 1, DAY_MS, START + DAY_MS + 5000);
    if (o)
        CHECK_STR(answer_packet(o), "second");
    CHECK_INT(a.n, 2);
    answers_fini(&a);
}

TEST(failures_are_remembered_until_it_answers)
{
    struct answers a;
    answers_init(&a, ANSWERS_MAX);
    answers_keep(&a, SLICE("a."), 1, SLICE("x"), false, START);
    struct answer *o = answers_find(&a, SLICE("a."), 1, DAY_MS, START);
    CHECK(!answer_waits_in_vain(o, START));
    o->failed = START + 10;
    CHECK(answer_waits_in_vain(o, START + 10));
    CHECK(!answer_waits_in_vain(o, START + 10 + ANSWERS_RECHECK_MS));
    answers_keep(&a, SLICE("a."), 1, SLICE("x"), false, START + 20);
    CHECK(!answer_waits_in_vain(answers_find(&a, SLICE("a."), 1, DAY_MS, START + 20), START + 20));
    answers_fini(&a);
}

TEST(bounded)
{
    struct answers a;
    static char big[ANSWERS_MAX_PACKET + 1];
    answers_init(&a, ANSWERS_MAX);
    for (unsigned i = 0; i < ANSWERS_MAX + 10; i++) {
        char name[32];
        snprintf(name, sizeof(name), "n%u.", i);
        answers_keep(&a, slice_str(name), 1, SLICE("x"), false, START);
        CHECK(answers_find(&a, SLICE("n0."), 1, DAY_MS, START) != NULL); /* what is used stays */
    }
    CHECK_INT(a.n, ANSWERS_MAX);
    CHECK(!answers_find(&a, SLICE("n1."), 1, DAY_MS, START));
    answers_keep(&a, SLICE("n0."), 1, slice_mem(big, sizeof(big)), false, START + 2000);
    CHECK(!answers_find(&a, SLICE("n0."), 1, DAY_MS, START + 2000)); /* neither the new one nor the old */
    answers_fini(&a);
}

TEST_MAIN(kept_and_found, failures_are_remembered_until_it_answers, bounded)
