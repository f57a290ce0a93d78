/*
 * load/stat.h - clock, histogram of latencies, CPU time of a process tree.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

uint64_t now_ns(void);

/* Log-linear histogram of nanoseconds, 64 buckets per octave (error <= 1.6 %). */
#define HIST_SUB 64
#define HIST_N (HIST_SUB * 40)
struct hist {
    uint64_t n, max;
    uint32_t b[HIST_N];
};
void hist_reset(struct hist *h);
void hist_add(struct hist *h, uint64_t ns);
double hist_us(const struct hist *h, double quantile);

/* Totals over a process and all its descendants. */
struct usage {
    uint64_t cpu_ns;          /* on-CPU time, all threads (schedstat) */
    uint64_t user_ns, sys_ns; /* the same, split by the tick-sampled stat fields */
    int nproc;
};
bool usage_read(pid_t root, struct usage *u);
struct usage usage_diff(const struct usage *a, const struct usage *b);

/* Proportional set size of the tree, KiB; 0 when it cannot be read. */
uint64_t usage_pss_kib(pid_t root);

/* One end of a measured window; probe_print() writes the JSON fields of the window. */
struct probe {
    uint64_t t;
    struct usage sut;
    double self, machine; /* CPU seconds of this process, of the whole machine */
};
void probe_take(struct probe *p, pid_t sut);
void probe_print(const struct probe *a, const struct probe *b, long ops);
void hist_print(const struct hist *h);

void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
