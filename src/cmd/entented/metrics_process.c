/* Metrics of the process: its loops, its queues, its limits, name servers. */
#include "cmd/entented/metrics.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---------------------------------------------------------------- loops */
void metrics_control_lag(struct scrape *s, const char *name)
{
    struct metric_spread lag;
    metric_time_read(METRIC_CONTROL_LAG, &lag);
    expose_spread(s->out, name, NULL, &lag);
}

void metrics_worker_silent(struct scrape *s, const char *name)
{
    if (s->d->element)
        expose_milli(s->out, name, NULL, (int64_t)s->load.silent_ms);
}

static void write_mailbox(struct scrape *s, const char *name, const char *which, const struct loop_mail *m)
{
    struct expose_label labels[] = {
        {"loop", slice_str(which)},
        {NULL,   SLICE_NONE      }
    };
    expose_counts(s->out, name, labels, loop_mail_bounds, m->in, LOOP_MAIL_BOUNDS, m->messages);
}

void metrics_mailboxes(struct scrape *s, const char *name)
{
    struct loop_mail control = {0};
    if (s->d->control) {
        loop_mail_add(&control, s->d->control);
        write_mailbox(s, name, "control", &control);
    }
    if (s->d->element)
        write_mailbox(s, name, "worker", &s->sums.mail);
}

/* ---------------------------------------------------------------- queues */
void metrics_helpers(struct scrape *s, const char *name)
{
    const struct {
        const char *pool;
        struct helpers *helpers;
    } pools[] = {
        {"disk",   s->d->disk  },
        {"writer", s->d->writer},
        {"probes", s->d->probes}
    };
    for (size_t i = 0; i < sizeof(pools) / sizeof(pools[0]); i++) {
        struct expose_label labels[] = {
            {"pool", slice_str(pools[i].pool)},
            {NULL,   SLICE_NONE              }
        };
        if (pools[i].helpers)
            expose_value(s->out, name, labels, (int64_t)helpers_waiting(pools[i].helpers));
    }
}

void metrics_journal_waiting(struct scrape *s, const char *name)
{
    if (s->d->access_log)
        expose_value(s->out, name, NULL, (int64_t)journal_waiting(s->d->access_log));
}

/* ---------------------------------------------------------------- overload */
void metrics_workers(struct scrape *s, const char *name)
{
    if (s->d->element)
        expose_value(s->out, name, NULL, workers_count(s->d->team));
}

void metrics_workers_overloaded(struct scrape *s, const char *name)
{
    if (s->d->element)
        expose_value(s->out, name, NULL, s->load.overloaded);
}

void metrics_memory(struct scrape *s, const char *name)
{
    if (s->d->element)
        expose_value(s->out, name, NULL, (int64_t)s->load.memory);
}

void metrics_memory_limit(struct scrape *s, const char *name)
{
    if (s->d->config)
        expose_value(s->out, name, NULL, (int64_t)s->d->config->limits.memory_mib << 20);
}

void metrics_requests_limit(struct scrape *s, const char *name)
{
    if (s->d->config)
        expose_value(s->out, name, NULL, s->d->config->limits.requests);
}

void metrics_connections_limit(struct scrape *s, const char *name)
{
    if (s->d->config)
        expose_value(s->out, name, NULL, s->d->config->limits.connections);
}

/* ---------------------------------------------------------------- name servers */
void metrics_dns(struct scrape *s, const char *name)
{
    struct metric_spread waited;
    metric_time_read(METRIC_DNS_WAITED, &waited);
    expose_spread(s->out, name, NULL, &waited);
}

/* ---------------------------------------------------------------- Front End */
void metrics_users(struct scrape *s, const char *name)
{
    if (s->d->directory)
        expose_value(s->out, name, NULL, (int64_t)directory_count(s->d->directory));
}

void metrics_bindings(struct scrape *s, const char *name)
{
    if (s->d->location)
        expose_value(s->out, name, NULL, (int64_t)location_count(s->d->location));
}

/* ---------------------------------------------------------------- the process: names that all exporters use
 */
static int64_t milliseconds(struct timeval t)
{
    return (int64_t)t.tv_sec * 1000 + t.tv_usec / 1000;
}

void metrics_cpu(struct scrape *s, const char *name)
{
    struct rusage u;
    if (getrusage(RUSAGE_SELF, &u) == 0)
        expose_milli(s->out, name, NULL, milliseconds(u.ru_utime) + milliseconds(u.ru_stime));
}

void metrics_resident(struct scrape *s, const char *name)
{
    long long whole, resident;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return;
    if (fscanf(f, "%lld %lld", &whole, &resident) == 2) // NOLINT(cert-err34-c): the kernel's own numbers
        expose_value(s->out, name, NULL, resident * sysconf(_SC_PAGESIZE));
    fclose(f);
}

void metrics_start(struct scrape *s, const char *name)
{
    expose_milli(s->out, name, NULL, s->d->started_ms);
}
