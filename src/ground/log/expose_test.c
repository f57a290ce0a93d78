#include "ground/log/expose.h"

#include "ground/base/test.h"

#include <pthread.h>

static struct buf out;

static struct slice text(void)
{
    return buf_slice(&out);
}

TEST(family_and_value)
{
    buf_clear(&out, 0);
    expose_family(&out, "entente_x_total", EXPOSE_COUNTER, "Back\\slash, \"quotes\" and\nlines.");
    expose_value(&out, "entente_x_total", NULL, 42);
    CHECK_STR(text(), "# HELP entente_x_total Back\\\\slash, \"quotes\" and\\nlines.\n"
                      "# TYPE entente_x_total counter\nentente_x_total 42\n");
}

TEST(labels_are_escaped)
{
    struct expose_label labels[] = {
        {"partner",   SLICE("a\"b\\c\nd\te\xff")},
        {"direction", SLICE("in")               },
        {NULL,        SLICE_NONE                }
    };
    buf_clear(&out, 0);
    expose_value(&out, "n", labels, -1);
    CHECK_STR(text(), "n{partner=\"a\\\"b\\\\c\\nd e\xef\xbf\xbd\",direction=\"in\"} -1\n");
}

TEST(thousandths)
{
    static const struct {
        int64_t in;
        const char *want;
    } cases[] = {
        {0,    "n 0\n"    },
        {1500, "n 1.5\n"  },
        {-20,  "n -0.02\n"},
        {3000, "n 3\n"    },
        {1001, "n 1.001\n"}
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buf_clear(&out, 0);
        expose_milli(&out, "n", NULL, cases[i].in);
        CHECK_STR(text(), cases[i].want);
    }
}

TEST(histogram)
{
    struct metric_histogram a = {0}, b = {0};
    struct metric_spread s = {0};
    metric_observe(&a, 250); /* a bound belongs to its bucket */
    metric_observe(&a, 251);
    metric_observe(&b, 31000000); /* beyond all bounds */
    metric_spread_add(&s, &a);
    metric_spread_add(&s, &b);
    buf_clear(&out, 0);
    expose_spread(&out, "t",
                  (struct expose_label[]){
                      {"p",  SLICE("x")},
                      {NULL, SLICE_NONE}
    },
                  &s);
    CHECK(slice_starts(text(),
                       SLICE("t_bucket{p=\"x\",le=\"0.00025\"} 1\nt_bucket{p=\"x\",le=\"0.0005\"} 2\n")));
    CHECK(slice_ends(text(), SLICE("t_bucket{p=\"x\",le=\"30\"} 2\nt_bucket{p=\"x\",le=\"+Inf\"} 3\n"
                                   "t_sum{p=\"x\"} 31.000501\nt_count{p=\"x\"} 3\n")));
    buf_clear(&out, 0);
    expose_spread(&out, "t", NULL, &s);
    CHECK(slice_starts(text(), SLICE("t_bucket{le=\"0.00025\"} 1\n")));
}

TEST(histogram_of_numbers)
{
    static const uint32_t bounds[] = {1, 4, 16};
    static const uint64_t in[] = {5, 0, 2, 1};
    buf_clear(&out, 0);
    expose_counts(&out, "m", NULL, bounds, in, 3, 60);
    CHECK_SLICE(text(), SLICE("m_bucket{le=\"1\"} 5\nm_bucket{le=\"4\"} 5\nm_bucket{le=\"16\"} 7\n"
                              "m_bucket{le=\"+Inf\"} 8\nm_sum 60\nm_count 8\n"));
}

static void *time_on_a_thread(void *arg)
{
    METRIC_TIME("test.time", *(uint64_t *)arg);
    return NULL;
}

TEST(times_of_all_threads_by_name)
{
    struct metric_spread s;
    pthread_t thread;
    uint64_t us = 600;
    metric_time_read("test.time", &s);
    CHECK_INT(s.count, 0);
    METRIC_TIME("test.time", 100);
    CHECK_INT(pthread_create(&thread, NULL, time_on_a_thread, &us), 0);
    pthread_join(thread, NULL);
    metric_time_read("test.time", &s);
    CHECK_INT(s.count, 2);
    CHECK_INT(s.sum_us, 700);
    CHECK_INT(s.in[0], 1);
    CHECK_INT(s.in[2], 1);
    metric_time_read("test.other", &s);
    CHECK_INT(s.count, 0);
}

TEST(names)
{
    char name[64], small[12];
    expose_counter_name("element.request-in", name, sizeof(name));
    CHECK_STR(slice_str(name), "entente_element_request_in_total");
    expose_counter_name("element.request-in", small, sizeof(small));
    CHECK_STR(slice_str(small), "entente_ele");
    buf_fini(&out);
}

TEST_MAIN(family_and_value, labels_are_escaped, thousandths, histogram, histogram_of_numbers,
          times_of_all_threads_by_name, names)
