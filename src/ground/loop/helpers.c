#include "ground/loop/helpers.h"

#include "ground/base/mem.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

struct helpers {
    pthread_mutex_t lock;
    pthread_cond_t more; /* a job was queued, or `ending` set */
    struct list queue;
    size_t queued;
    bool ending;
    unsigned n;
    pthread_t thread[];
};

static void job_deliver(struct mail *m, struct loop *to)
{
    (void)to;
    struct job *j = (struct job *)((char *)m - offsetof(struct job, mail));
    j->done(j);
}

/* NULL when the pool ends and nothing is left to do. */
static struct job *next_job(struct helpers *h)
{
    pthread_mutex_lock(&h->lock);
    while (list_empty(&h->queue) && !h->ending)
        pthread_cond_wait(&h->more, &h->lock);
    struct list *first = list_first(&h->queue);
    if (first) {
        list_unlink(first);
        h->queued--;
    }
    pthread_mutex_unlock(&h->lock);
    return first ? LIST_ENTRY(first, struct job, link) : NULL;
}

static void *helper_main(void *arg)
{
    struct helpers *h = arg;
    for (struct job *j; (j = next_job(h)) != NULL;) {
        bool report = j->done != NULL; /* without `done`, the job may be gone after `work` */
        j->work(j);
        if (report)
            loop_post(j->back, &j->mail);
    }
    return NULL;
}

struct helpers *helpers_new(unsigned threads, const char *name)
{
    struct helpers *h = mem_zalloc(sizeof(*h) + threads * sizeof(h->thread[0]));
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->more, NULL);
    list_init(&h->queue);
    h->n = threads;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (unsigned i = 0; i < threads; i++) {
        int r = pthread_create(&h->thread[i], NULL, helper_main, h);
        assert(r == 0);
        (void)r;
        char title[16];
        snprintf(title, sizeof(title), "%.10s-%u", name, i % 1000);
        pthread_setname_np(h->thread[i], title);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return h;
}

int helpers_run(struct helpers *h, struct loop *back, struct job *j)
{
    j->back = back;
    j->mail.deliver = job_deliver;
    list_init(&j->link);
    pthread_mutex_lock(&h->lock);
    bool full = h->queued >= HELPERS_MAX_QUEUED;
    if (!full) {
        list_push_back(&h->queue, &j->link);
        h->queued++;
        pthread_cond_signal(&h->more);
    }
    pthread_mutex_unlock(&h->lock);
    return full ? -EAGAIN : 0;
}

size_t helpers_waiting(struct helpers *h)
{
    pthread_mutex_lock(&h->lock);
    size_t n = h->queued;
    pthread_mutex_unlock(&h->lock);
    return n;
}

void helpers_free(struct helpers *h)
{
    if (!h)
        return;
    pthread_mutex_lock(&h->lock);
    h->ending = true;
    pthread_cond_broadcast(&h->more);
    pthread_mutex_unlock(&h->lock);
    for (unsigned i = 0; i < h->n; i++)
        pthread_join(h->thread[i], NULL);
    pthread_cond_destroy(&h->more);
    pthread_mutex_destroy(&h->lock);
    mem_free(h);
}
