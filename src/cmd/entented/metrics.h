/*
 * entented/metrics.h - private to the metrics: a scrape, and what writes the samples of a family.
 */
#pragma once

#include "cmd/entented/daemon.h"
#include "ground/log/expose.h"

struct seen { /* one partner or pool */
    char *name;
    struct account_sums by_direction[RECORD_DIRECTIONS];
};
struct scrape {
    struct daemon *d;
    struct buf *out;
    struct arena arena;
    struct element_sums sums;
    struct element_load load;
    struct element_destination *destinations;
    size_t n_destinations;
    struct seen *seen[ACCOUNT_KINDS];
    size_t n_seen[ACCOUNT_KINDS];
};
typedef void family_writer(struct scrape *s, const char *name);

/* metrics_process.c: the process, its loops and queues, name servers */
family_writer metrics_control_lag, metrics_worker_silent, metrics_mailboxes, metrics_helpers,
    metrics_journal_waiting, metrics_workers, metrics_workers_overloaded, metrics_memory,
    metrics_memory_limit, metrics_requests_limit, metrics_connections_limit, metrics_dns, metrics_cpu,
    metrics_resident, metrics_start, metrics_users, metrics_bindings;

/* metrics_counters.c: the counters of the code (METRIC_COUNT), each with its words */
struct metrics_counter {
    const char *metric, *help;
};
extern const struct metrics_counter metrics_counters[];
extern const size_t metrics_counters_n;
