#include "ground/log/writer.h"

#include "ground/base/list.h"
#include "ground/base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

enum { STOP_WAIT_S = 1 };

struct line {
    struct list link;
    int fd;
    size_t n;
    char text[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER, idle = PTHREAD_COND_INITIALIZER;
static struct list queue = LIST_INIT(queue);
static size_t queued; /* bytes, the line being written included */
static bool running;
static atomic_uint_fast64_t dropped;

static void *writer_run(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&lock);
    for (;;) {
        struct list *l = list_first(&queue);
        if (!l) {
            pthread_cond_signal(&idle);
            if (!running)
                break;
            pthread_cond_wait(&more, &lock);
            continue;
        }
        struct line *line = LIST_ENTRY(l, struct line, link);
        list_unlink(l);
        pthread_mutex_unlock(&lock);
        while (write(line->fd, line->text, line->n) < 0 && errno == EINTR)
            ;
        pthread_mutex_lock(&lock);
        queued -= line->n;
        mem_free(line);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

void log_writer_start(void)
{
    pthread_t thread;
    sigset_t all, old;
    pthread_mutex_lock(&lock);
    bool start = !running;
    running = true;
    pthread_mutex_unlock(&lock);
    if (!start)
        return;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    if (pthread_create(&thread, NULL, writer_run, NULL) == 0)
        pthread_detach(thread); /* it may hang in a write for ever: nobody waits for it */
    else
        running = false;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void log_writer_stop(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += STOP_WAIT_S;
    pthread_mutex_lock(&lock);
    if (running) {
        running = false;
        pthread_cond_signal(&more);
        while (queued > 0 && pthread_cond_timedwait(&idle, &lock, &until) == 0)
            ;
    }
    pthread_mutex_unlock(&lock);
}

bool log_writer_take(int fd, struct slice text)
{
    pthread_mutex_lock(&lock);
    bool taken = running;
    if (running && queued + text.n > LOG_MAX_QUEUED) {
        atomic_fetch_add(&dropped, 1);
    } else if (running) {
        struct line *line = mem_alloc(sizeof(*line) + text.n);
        *line = (struct line){.fd = fd, .n = text.n};
        memcpy(line->text, text.p, text.n);
        queued += text.n;
        list_push_back(&queue, &line->link);
        pthread_cond_signal(&more);
    }
    pthread_mutex_unlock(&lock);
    return taken;
}

uint64_t log_writer_dropped(void)
{
    return atomic_exchange(&dropped, 0);
}
