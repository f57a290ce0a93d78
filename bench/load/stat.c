#include "load/stat.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

void die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(2);
}

void hist_reset(struct hist *h)
{
    memset(h, 0, sizeof *h);
}

static unsigned bucket(uint64_t v)
{
    if (v < HIST_SUB)
        return (unsigned)v;
    unsigned e = 63u - (unsigned)__builtin_clzll(v) - 6u;
    unsigned i = (e + 1) * HIST_SUB + (unsigned)((v >> e) - HIST_SUB);
    return i < HIST_N ? i : HIST_N - 1;
}

static uint64_t bucket_mid(unsigned i)
{
    if (i < HIST_SUB)
        return i;
    unsigned e = i / HIST_SUB - 1;
    return ((uint64_t)(i % HIST_SUB + HIST_SUB) << e) + ((1ull << e) >> 1);
}

void hist_add(struct hist *h, uint64_t ns)
{
    h->n++;
    if (ns > h->max)
        h->max = ns;
    h->b[bucket(ns)]++;
}

double hist_us(const struct hist *h, double q)
{
    if (q >= 1.0)
        return (double)h->max / 1000.0;
    uint64_t want = (uint64_t)((double)h->n * q), seen = 0;
    for (unsigned i = 0; i < HIST_N; i++)
        if ((seen += h->b[i]) > want)
            return (double)bucket_mid(i) / 1000.0;
    return 0;
}

static size_t slurp(const char *path, char *buf, size_t cap)
{
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    size_t n = fread(buf, 1, cap - 1, f);
    fclose(f);
    buf[n] = 0;
    return n;
}

static uint64_t sched_ns(pid_t pid)
{
    char path[64], buf[128];
    uint64_t sum = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *d = opendir(path);
    if (!d)
        return 0;
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%.12s/schedstat", pid, e->d_name);
        if (slurp(path, buf, sizeof buf))
            sum += strtoull(buf, NULL, 10);
    }
    closedir(d);
    return sum;
}

struct process {
    pid_t pid, ppid;
    uint64_t ut, st;
    bool in;
};

static int read_processes(struct process *p, int max)
{
    char path[64], buf[1024];
    int n = 0;
    DIR *d = opendir("/proc");
    if (!d)
        return 0;
    for (struct dirent *e; n < max && (e = readdir(d));) {
        if (e->d_name[0] < '0' || e->d_name[0] > '9')
            continue;
        snprintf(path, sizeof path, "/proc/%.12s/stat", e->d_name);
        if (!slurp(path, buf, sizeof buf))
            continue;
        char *q = strrchr(buf, ')');
        unsigned long ut, st;
        int ppid;
        if (!q || sscanf(q + 2, "%*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &ppid, &ut, &st) != 3)
            continue;
        p[n++] = (struct process){atoi(e->d_name), ppid, ut, st, false};
    }
    closedir(d);
    return n;
}

/* The root and all its descendants; *ret_n of them, in memory that the next call takes. */
static const struct process *read_tree(pid_t root, int *ret_n)
{
    enum { MAX_PROCESSES = 4096 };
    static struct process p[MAX_PROCESSES];
    int n = read_processes(p, MAX_PROCESSES), kept = 0;
    for (int i = 0; i < n; i++)
        p[i].in = p[i].pid == root;
    for (bool more = true; more;) {
        more = false;
        for (int i = 0; i < n; i++)
            for (int j = 0; !p[i].in && j < n; j++)
                if (p[j].in && p[j].pid == p[i].ppid)
                    p[i].in = more = true;
    }
    for (int i = 0; i < n; i++)
        if (p[i].in)
            p[kept++] = p[i];
    *ret_n = kept;
    return p;
}

bool usage_read(pid_t root, struct usage *u)
{
    const uint64_t tick = 1000000000ull / (uint64_t)sysconf(_SC_CLK_TCK);
    const struct process *p = read_tree(root, &u->nproc);
    u->user_ns = u->sys_ns = u->cpu_ns = 0;
    for (int i = 0; i < u->nproc; i++) {
        u->user_ns += p[i].ut * tick;
        u->sys_ns += p[i].st * tick;
        u->cpu_ns += sched_ns(p[i].pid);
    }
    return u->nproc > 0;
}

uint64_t usage_pss_kib(pid_t root)
{
    char path[64], buf[4096];
    uint64_t sum = 0;
    int n;
    const struct process *p = read_tree(root, &n);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "/proc/%d/smaps_rollup", p[i].pid);
        const char *pss = slurp(path, buf, sizeof buf) ? strstr(buf, "\nPss:") : NULL;
        sum += pss ? strtoull(pss + 5, NULL, 10) : 0;
    }
    return sum;
}

struct usage usage_diff(const struct usage *a, const struct usage *b)
{
    struct usage d = *b;
    d.cpu_ns -= a->cpu_ns;
    d.user_ns -= a->user_ns;
    d.sys_ns -= a->sys_ns;
    return d;
}

void probe_take(struct probe *p, pid_t sut)
{
    char buf[256];
    unsigned long long v[8] = {0};
    struct rusage r;
    memset(p, 0, sizeof *p);
    if (sut)
        usage_read(sut, &p->sut);
    getrusage(RUSAGE_SELF, &r);
    p->self = (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
              (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
    if (slurp("/proc/stat", buf, sizeof buf))
        sscanf(buf, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", v, v + 1, v + 2, v + 3, v + 4, v + 5,
               v + 6, v + 7);
    p->machine = (double)(v[0] + v[1] + v[2] + v[5] + v[6] + v[7]) / (double)sysconf(_SC_CLK_TCK);
    p->t = now_ns();
}

void probe_print(const struct probe *a, const struct probe *b, long ops)
{
    struct usage d = usage_diff(&a->sut, &b->sut);
    double secs = (double)(b->t - a->t) / 1e9, per = ops ? 1.0 / (double)ops : 0;
    double cpu = (double)d.cpu_ns / 1e9, self = b->self - a->self;
    double sampled = (double)(d.user_ns + d.sys_ns), user = sampled > 0 ? (double)d.user_ns / sampled : 0;
    printf(
        "\"secs\":%.3f,\"ok\":%ld,\"tps\":%.1f,\"sut_cpu_us\":%.3f,\"sut_user_us\":%.3f,\"sut_sys_us\":%.3f,"
        "\"sut_cpu_pct\":%.1f,\"gen_cpu_us\":%.3f,\"gen_cpu_pct\":%.1f,\"other_cpu_pct\":%.1f,\"sut_procs\":%"
        "d",
        secs, ops, (double)ops / secs, cpu * 1e6 * per, cpu * 1e6 * per * user, cpu * 1e6 * per * (1 - user),
        cpu * 100 / secs, self * 1e6 * per, self * 100 / secs,
        (b->machine - a->machine - cpu - self) * 100 / secs, d.nproc);
}

void hist_print(const struct hist *h)
{
    printf("\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f", hist_us(h, .5), hist_us(h, .99), hist_us(h, 1));
}
