#include "ground/log/metric.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "ground/base/mem.h"

/* One block a thread, linked for ever: a thread that ended has still counted. */
struct metric_block {
    _Atomic int64_t values[METRIC_MAX];
    struct metric_block *next;
};

static pthread_mutex_t metric_lock = PTHREAD_MUTEX_INITIALIZER;
static char metric_names[METRIC_MAX][METRIC_NAME_MAX];
static atomic_uint metric_count;
static struct metric_block *_Atomic metric_blocks;
static _Thread_local struct metric_block *metric_mine;

unsigned metric_new(const char *name)
{
    pthread_mutex_lock(&metric_lock);
    unsigned n = atomic_load(&metric_count), i = 0;
    while (i < n && strncmp(metric_names[i], name, METRIC_NAME_MAX - 1) != 0)
        i++;
    if (i == n && n < METRIC_MAX) {
        snprintf(metric_names[i], METRIC_NAME_MAX, "%s", name);
        atomic_store(&metric_count, n + 1);
    }
    pthread_mutex_unlock(&metric_lock);
    return i;
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
    if (*cursor >= atomic_load(&metric_count))
        return false;
    *ret_name = metric_names[*cursor];
    *ret_value = metric_sum(*cursor);
    ++*cursor;
    return true;
}

int64_t metric_read(const char *name)
{
    const char *n;
    int64_t v;
    for (unsigned i = 0; metric_next(&i, &n, &v);)
        if (strcmp(n, name) == 0)
            return v;
    return 0;
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
