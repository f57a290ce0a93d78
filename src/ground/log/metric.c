#include "ground/log/metric.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "ground/base/mem.h"

/* One block a thread, linked for ever: a thread that ended has still counted. */
struct metric_block {
    _Atomic int64_t values[METRIC_MAX];
    struct metric_histogram times[METRIC_TIMES_MAX];
    struct metric_block *next;
};
/* What a kind of metric is called; names are only ever added. */
struct metric_names {
    char (*names)[METRIC_NAME_MAX];
    unsigned max;
    atomic_uint n;
};

static pthread_mutex_t metric_lock = PTHREAD_MUTEX_INITIALIZER;
static char counter_names[METRIC_MAX][METRIC_NAME_MAX], time_names[METRIC_TIMES_MAX][METRIC_NAME_MAX];
static struct metric_names counters = {.names = counter_names, .max = METRIC_MAX};
static struct metric_names times = {.names = time_names, .max = METRIC_TIMES_MAX};
static struct metric_block *_Atomic metric_blocks;
static _Thread_local struct metric_block *metric_mine;

static unsigned names_find(const struct metric_names *k, const char *name)
{
    unsigned n = atomic_load(&k->n), i = 0;
    while (i < n && strncmp(k->names[i], name, METRIC_NAME_MAX - 1) != 0)
        i++;
    return i;
}

static unsigned names_add(struct metric_names *k, const char *name)
{
    pthread_mutex_lock(&metric_lock);
    unsigned i = names_find(k, name);
    if (i == atomic_load(&k->n) && i < k->max) {
        snprintf(k->names[i], METRIC_NAME_MAX, "%s", name);
        atomic_store(&k->n, i + 1);
    }
    pthread_mutex_unlock(&metric_lock);
    return i;
}

unsigned metric_new(const char *name)
{
    return names_add(&counters, name);
}

unsigned metric_time_new(const char *name)
{
    return names_add(&times, name);
}

static struct metric_block *metric_block(void)
{
    if (!metric_mine) {
        struct metric_block *b = MEM_NEW(struct metric_block);
        b->next = atomic_load(&metric_blocks);
        while (!atomic_compare_exchange_weak(&metric_blocks, &b->next, b))
            ;
        metric_mine = b;
    }
    return metric_mine;
}

void metric_add(unsigned id, int64_t n)
{
    if (id >= METRIC_MAX)
        return;
    _Atomic int64_t *v = &metric_block()->values[id]; /* only this thread writes it */
    atomic_store_explicit(v, atomic_load_explicit(v, memory_order_relaxed) + n, memory_order_relaxed);
}

static int64_t metric_sum(unsigned id)
{
    int64_t sum = 0;
    for (struct metric_block *b = atomic_load(&metric_blocks); b; b = b->next)
        sum += atomic_load_explicit(&b->values[id], memory_order_relaxed);
    return sum;
}

bool metric_next(unsigned *cursor, const char **ret_name, int64_t *ret_value)
{
    if (*cursor >= atomic_load(&counters.n))
        return false;
    *ret_name = counters.names[*cursor];
    *ret_value = metric_sum(*cursor);
    ++*cursor;
    return true;
}

int64_t metric_read(const char *name)
{
    unsigned i = names_find(&counters, name);
    return i < atomic_load(&counters.n) ? metric_sum(i) : 0;
}

const uint32_t metric_bounds_us[METRIC_BOUNDS] = {250,     500,     1000,     2500,    5000,   10000,
                                                  25000,   50000,   100000,   250000,  500000, 1000000,
                                                  2500000, 5000000, 10000000, 30000000};

void metric_observe(struct metric_histogram *h, uint64_t us)
{
    size_t i = 0;
    while (i < METRIC_BOUNDS && us > metric_bounds_us[i])
        i++;
    metric_bump(&h->in[i], 1);
    metric_bump(&h->sum_us, us);
}

void metric_spread_add(struct metric_spread *to, const struct metric_histogram *h)
{
    for (size_t i = 0; i <= METRIC_BOUNDS; i++) {
        uint64_t n = atomic_load_explicit(&h->in[i], memory_order_relaxed);
        to->in[i] += n;
        to->count += n;
    }
    to->sum_us += atomic_load_explicit(&h->sum_us, memory_order_relaxed);
}

void metric_time(unsigned id, uint64_t us)
{
    if (id < METRIC_TIMES_MAX)
        metric_observe(&metric_block()->times[id], us);
}

void metric_time_read(const char *name, struct metric_spread *ret)
{
    unsigned id = names_find(&times, name);
    *ret = (struct metric_spread){0};
    for (struct metric_block *b = atomic_load(&metric_blocks); b && id < atomic_load(&times.n); b = b->next)
        metric_spread_add(ret, &b->times[id]);
}

uint64_t metric_clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}
