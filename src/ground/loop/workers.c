#include "ground/loop/workers.h"

#include "ground/base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>

struct worker {
    struct loop *loop;
    pthread_t thread;
};

struct workers {
    unsigned n;
    bool running;
    char *name;
    struct worker worker[];
};

struct workers *workers_new(unsigned n, const char *name)
{
    struct workers *w = mem_zalloc(sizeof(*w) + n * sizeof(w->worker[0]));
    w->n = n;
    w->name = mem_strdup(name);
    for (unsigned i = 0; i < n; i++)
        w->worker[i].loop = loop_new(i);
    return w;
}

unsigned workers_count(const struct workers *w)
{
    return w->n;
}

struct loop *workers_loop(const struct workers *w, unsigned index)
{
    return w->worker[index].loop;
}

static void *worker_main(void *arg)
{
    loop_run(arg);
    return NULL;
}

void workers_start(struct workers *w)
{
    if (w->running)
        return;
    w->running = true;
    sigset_t all, before; /* signals are the main thread's: threads inherit a full mask */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (unsigned i = 0; i < w->n; i++) {
        int r = pthread_create(&w->worker[i].thread, NULL, worker_main, w->worker[i].loop);
        assert(r == 0);
        (void)r;
        char name[16]; /* the kernel's limit */
        snprintf(name, sizeof(name), "%.10s-%u", w->name, i % 1000);
        pthread_setname_np(w->worker[i].thread, name);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void workers_stop(struct workers *w)
{
    if (!w->running)
        return;
    for (unsigned i = 0; i < w->n; i++)
        loop_stop(w->worker[i].loop);
    for (unsigned i = 0; i < w->n; i++)
        pthread_join(w->worker[i].thread, NULL);
    w->running = false;
}

void workers_free(struct workers *w)
{
    if (!w)
        return;
    workers_stop(w);
    for (unsigned i = 0; i < w->n; i++)
        loop_free(w->worker[i].loop);
    mem_free(w->name);
    mem_free(w);
}

unsigned workers_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) < 0) /* more cores than a cpu_set_t has room for */
        return CPU_SETSIZE;
    int n = CPU_COUNT(&set);
    return n > 0 ? (unsigned)n : 1;
}
