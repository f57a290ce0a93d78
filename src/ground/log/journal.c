#include "ground/log/journal.h"

#include "ground/base/buf.h"
#include "ground/base/mem.h"
#include "ground/log/log.h"
#include "ground/log/metric.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Lines wait in `waiting`; the thread takes all of them at once and writes without the lock. */
struct journal {
    atomic_uint refs; /* of those who write */
    pthread_mutex_t lock;
    pthread_cond_t more, idle;
    struct buf waiting;
    uint64_t unsaid;      /* lines dropped and not yet told */
    uint64_t given, done; /* turns asked for and done, for those who flush */
    bool writing, closing, reopen;
    unsigned owners; /* the thread and the handle: the last one frees */
    struct journal_limits limits;
    char *path;

    /* the thread's own */
    int fd;
    uint64_t size;
    bool torn; /* the last line in the file is not whole */
    int64_t said_ms;
    uint64_t failed;
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* ---------------------------------------------------------------- the file */
/* Others may have cut it (logrotate's copytruncate). */
static void file_look(struct journal *j)
{
    struct stat st;
    if (fstat(j->fd, &st) == 0)
        j->size = (uint64_t)st.st_size;
}

static int file_open(struct journal *j)
{
    int fd = open(j->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (fd < 0)
        return -errno;
    if (j->fd >= 0)
        close(j->fd);
    j->fd = fd;
    j->torn = false;
    j->size = 0;
    file_look(j);
    return 0;
}

static void file_name(const struct journal *j, unsigned i, char out[PATH_MAX])
{
    if (i == 0)
        snprintf(out, PATH_MAX, "%s", j->path);
    else
        snprintf(out, PATH_MAX, "%s.%u", j->path, i);
}

static void file_rotate(struct journal *j, unsigned keep)
{
    char from[PATH_MAX], to[PATH_MAX];
    keep = keep < JOURNAL_MAX_KEEP ? keep : JOURNAL_MAX_KEEP;
    for (unsigned i = keep; i > 0; i--) {
        file_name(j, i - 1, from);
        file_name(j, i, to);
        (void)rename(from, to); /* the first times there are none */
    }
    if (keep == 0)
        (void)unlink(j->path);
    if (file_open(j) == 0)
        METRIC_COUNT("journal.rotated");
}

/* What could not be written. */
static struct slice file_write(struct journal *j, struct slice text)
{
    while (text.n) {
        ssize_t n = write(j->fd, text.p, text.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        j->size += (uint64_t)n;
        j->torn = text.p[n - 1] != '\n';
        text = slice_from(text, (size_t)n);
    }
    return text;
}

/* Whole lines up to the limit go into this file, the rest into the next. */
static size_t file_fits(struct journal *j, struct slice text, uint64_t max_bytes)
{
    if (max_bytes == 0 || j->size + text.n <= max_bytes)
        return text.n;
    file_look(j);
    if (j->size + text.n <= max_bytes)
        return text.n;
    size_t n = j->size < max_bytes ? (size_t)(max_bytes - j->size) : 0;
    while (n && text.p[n - 1] != '\n')
        n--;
    if (n == 0 && j->size == 0) /* a line larger than a file */
        n = slice_find(text, '\n') + 1;
    return n;
}

static uint64_t count_lines(struct slice text)
{
    uint64_t n = 0;
    for (size_t i = 0; text.p && i < text.n; i++)
        n += text.p[i] == '\n';
    return n;
}

static void batch_write(struct journal *j, struct slice text, const struct journal_limits *limits)
{
    struct slice left = j->torn ? file_write(j, SLICE("\n")) : SLICE_NONE;
    while (text.p && text.n && left.n == 0) {
        size_t n = file_fits(j, text, limits->max_bytes);
        if (n == 0) {
            file_rotate(j, limits->keep);
            n = j->size < limits->max_bytes ? 0 : text.n; /* not moved: better too large than lost */
        }
        left = file_write(j, slice_head(text, n));
        METRIC_ADD("journal.written", (int64_t)count_lines(slice_head(text, n - left.n)));
        text = slice_from(text, n - left.n);
    }
    uint64_t failed = count_lines(text);
    j->failed += failed;
    METRIC_ADD("journal.failed", (int64_t)failed);
}

/* ---------------------------------------------------------------- what was lost is said, in both places */
static void say_losses(struct journal *j, uint64_t dropped)
{
    struct timespec at;
    struct tm tm;
    char line[160], stamp[32];
    uint64_t failed = j->failed;
    j->failed = 0;
    j->said_ms = now_ms();
    clock_gettime(CLOCK_REALTIME, &at);
    gmtime_r(&at.tv_sec, &tm);
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
    int n = snprintf(line, sizeof(line), "{\"time\":\"%s.%03ldZ\",\"lost\":%llu}\n", stamp,
                     at.tv_nsec / 1000000, (unsigned long long)(dropped + failed));
    (void)file_write(j, slice_mem(line, (size_t)n));
    log_event(LOG_WARN, "journal.lost", FIELDS({"path", slice_str(j->path)}),
              "%llu lines of %s were lost: %llu because the disk was slow, %llu because it failed",
              (unsigned long long)(dropped + failed), j->path, (unsigned long long)dropped,
              (unsigned long long)failed);
}

/* ---------------------------------------------------------------- the thread */
static void journal_free(struct journal *j)
{
    if (j->fd >= 0)
        close(j->fd);
    pthread_mutex_destroy(&j->lock);
    pthread_cond_destroy(&j->more);
    pthread_cond_destroy(&j->idle);
    buf_fini(&j->waiting);
    mem_free(j->path);
    mem_free(j);
}

/* With the lock. */
static void journal_turn(struct journal *j)
{
    struct buf batch = j->waiting;
    struct journal_limits limits = j->limits;
    uint64_t given = j->given, unsaid = 0;
    bool reopen = j->reopen;
    j->waiting = (struct buf){0};
    j->reopen = false;
    j->writing = true;
    if (j->unsaid && (j->closing || now_ms() - j->said_ms >= JOURNAL_SAY_MS)) {
        unsaid = j->unsaid;
        j->unsaid = 0;
    }
    pthread_mutex_unlock(&j->lock);
    batch_write(j, buf_slice(&batch), &limits);
    if (reopen && file_open(j) < 0)
        log_event(LOG_WARN, "journal.reopen", FIELDS({"path", slice_str(j->path)}),
                  "%s cannot be opened again: %s", j->path, strerror(errno));
    if (unsaid || (j->failed && now_ms() - j->said_ms >= JOURNAL_SAY_MS))
        say_losses(j, unsaid);
    buf_clear(&batch, 1 << 16);
    pthread_mutex_lock(&j->lock);
    j->writing = false;
    j->done = given;
    if (!j->waiting.mem)
        j->waiting = batch; /* its memory serves again */
    else
        buf_fini(&batch);
    pthread_cond_broadcast(&j->idle);
}

static void *journal_run(void *arg)
{
    struct journal *j = arg;
    pthread_mutex_lock(&j->lock);
    for (;;) {
        if (buf_len(&j->waiting) || j->reopen || j->done != j->given)
            journal_turn(j);
        else if (j->closing)
            break;
        else
            pthread_cond_wait(&j->more, &j->lock);
    }
    bool last = --j->owners == 0;
    pthread_cond_broadcast(&j->idle);
    pthread_mutex_unlock(&j->lock);
    if (last)
        journal_free(j);
    return NULL;
}

/* ---------------------------------------------------------------- life */
int journal_open(const char *path, const struct journal_limits *limits, struct journal **ret)
{
    struct journal *j = MEM_NEW(struct journal);
    pthread_t thread;
    sigset_t all, old;
    pthread_condattr_t monotonic;
    j->refs = 1;
    j->owners = 2;
    j->fd = -1;
    j->limits = *limits;
    j->path = mem_strdup(path);
    j->said_ms = now_ms() - JOURNAL_SAY_MS;
    pthread_mutex_init(&j->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&j->more, NULL);
    pthread_cond_init(&j->idle, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int r = file_open(j);
    if (r == 0) {
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, &old);
        r = -pthread_create(&thread, NULL, journal_run, j);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
    }
    if (r != 0) {
        journal_free(j);
        return r;
    }
    pthread_detach(thread); /* it may hang in a write for ever: nobody waits for it */
    *ret = j;
    return 0;
}

struct journal *journal_ref(struct journal *j)
{
    if (j)
        atomic_fetch_add(&j->refs, 1);
    return j;
}

/* With the lock; true: nothing waits any more. */
static bool wait_done(struct journal *j, uint64_t until_done, unsigned timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (j->done < until_done)
        if (pthread_cond_timedwait(&j->idle, &j->lock, &until) != 0)
            return j->done >= until_done;
    return true;
}

bool journal_flush(struct journal *j, unsigned timeout_ms)
{
    pthread_mutex_lock(&j->lock);
    uint64_t mine = ++j->given;
    pthread_cond_signal(&j->more);
    bool ok = wait_done(j, mine, timeout_ms);
    pthread_mutex_unlock(&j->lock);
    return ok;
}

void journal_unref(struct journal *j)
{
    if (!j || atomic_fetch_sub(&j->refs, 1) != 1)
        return;
    pthread_mutex_lock(&j->lock);
    j->closing = true;
    uint64_t mine = ++j->given;
    pthread_cond_signal(&j->more);
    (void)wait_done(j, mine, JOURNAL_CLOSE_MS);
    bool last = --j->owners == 0;
    pthread_mutex_unlock(&j->lock);
    if (last)
        journal_free(j);
}

void journal_set_limits(struct journal *j, const struct journal_limits *limits)
{
    pthread_mutex_lock(&j->lock);
    j->limits = *limits;
    pthread_mutex_unlock(&j->lock);
}

bool journal_write(struct journal *j, struct slice line)
{
    pthread_mutex_lock(&j->lock);
    bool taken = buf_len(&j->waiting) + line.n <= JOURNAL_MAX_QUEUED;
    if (taken) {
        bool first = buf_len(&j->waiting) == 0;
        buf_append(&j->waiting, line);
        if (first && !j->writing)
            pthread_cond_signal(&j->more);
    } else {
        j->unsaid++;
    }
    pthread_mutex_unlock(&j->lock);
    if (!taken)
        METRIC_COUNT("journal.dropped");
    return taken;
}

void journal_reopen(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    j->reopen = true;
    pthread_cond_signal(&j->more);
    pthread_mutex_unlock(&j->lock);
}

size_t journal_waiting(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    size_t n = buf_len(&j->waiting);
    pthread_mutex_unlock(&j->lock);
    return n;
}
