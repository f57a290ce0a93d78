/*
 * log/metric.h - named counters and gauges of the process. Counting is one relaxed add on the calling
 * thread's own cache line; reading sums over the threads.
 *
 * Names are "module.what" as in logs. metric_new is called at start or first use and answers the same id for
 * the same name.
 */
#pragma once

#include "ground/base/slice.h"

enum { METRIC_MAX = 512, METRIC_NAME_MAX = 96 };

/* METRIC_MAX when all are taken: counting there is harmless and lost. */
unsigned metric_new(const char *name);
void metric_add(unsigned id, int64_t n);
static inline void metric_inc(unsigned id)
{
    metric_add(id, 1);
}
/* Walks all: false at the end. */
bool metric_next(unsigned *cursor, const char **ret_name, int64_t *ret_value);
int64_t metric_read(const char *name); /* 0 for an unknown one */

/* A counter with its id found at first use: METRIC_COUNT("element.request-in"). */
#define METRIC_COUNT(name) METRIC_ADD(name, 1)
#define METRIC_ADD(name, n)                                                                                  \
    do {                                                                                                     \
        static unsigned metric_id_;                                                                          \
        unsigned metric_i_ = __atomic_load_n(&metric_id_, __ATOMIC_RELAXED);                                 \
        if (metric_i_ == 0) {                                                                                \
            metric_i_ = metric_new(name) + 1;                                                                \
            __atomic_store_n(&metric_id_, metric_i_, __ATOMIC_RELAXED);                                      \
        }                                                                                                    \
        metric_add(metric_i_ - 1, n);                                                                        \
    } while (0)

/* --- durations --- */
/* How long things took, by upper bounds that rise about by half; one thread writes, any reads. */
enum { METRIC_BOUNDS = 16 };
extern const uint32_t metric_bounds_us[METRIC_BOUNDS];
struct metric_histogram {
    _Atomic uint64_t in[METRIC_BOUNDS + 1]; /* the last: longer than all bounds */
    _Atomic uint64_t sum_us;
};
void metric_observe(struct metric_histogram *h, uint64_t us);
/* One more on the calling thread's own counter. */
static inline void metric_bump(_Atomic uint64_t *own, uint64_t n)
{
    __atomic_store_n((uint64_t *)own, __atomic_load_n((uint64_t *)own, __ATOMIC_RELAXED) + n,
                     __ATOMIC_RELAXED);
}
/* Sums of several threads' histograms. */
struct metric_spread {
    uint64_t in[METRIC_BOUNDS + 1], count, sum_us;
};
void metric_spread_add(struct metric_spread *to, const struct metric_histogram *h);

/* The same under a name, from any thread, each on a histogram of its own: METRIC_TIME("dns.answer", us). */
enum { METRIC_TIMES_MAX = 8 };
unsigned metric_time_new(const char *name); /* METRIC_TIMES_MAX when all are taken: then it is lost */
void metric_time(unsigned id, uint64_t us);
void metric_time_read(const char *name, struct metric_spread *ret); /* all zero for an unknown one */
uint64_t metric_clock_us(void);                                     /* monotonic */
#define METRIC_TIME(name, us)                                                                                \
    do {                                                                                                     \
        static unsigned metric_id_;                                                                          \
        unsigned metric_i_ = __atomic_load_n(&metric_id_, __ATOMIC_RELAXED);                                 \
        if (metric_i_ == 0) {                                                                                \
            metric_i_ = metric_time_new(name) + 1;                                                           \
            __atomic_store_n(&metric_id_, metric_i_, __ATOMIC_RELAXED);                                      \
        }                                                                                                    \
        metric_time(metric_i_ - 1, us);                                                                      \
    } while (0)
