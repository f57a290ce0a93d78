/*
 * Everything that is counted, as Prometheus reads it. One table of families: name, type, labels, help and
 * what writes its samples; doc/metrics.md is printed from it. Counters of the code (METRIC_COUNT) that have
 * no family of their own are families by their names (metrics_counters.c).
 */
#include "cmd/entented/metrics.h"

#include "ground/base/mem.h"

#include <stdio.h>

enum { UNWELL_MAX = 100 }; /* series of addresses that are not well */
struct family {
    const char *name;
    enum expose_type type;
    const char *labels; /* for the page */
    const char *help;
    family_writer *write;
};

static const char *const classes[STATUS_CLASSES] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx", "6xx"};

/* ---------------------------------------------------------------- the process */
static void write_info(struct scrape *s, const char *name)
{
    struct expose_label labels[] = {
        {"machine", slice_str(s->d->machine)                         },
        {"version", SLICE(ENTENTE_VERSION)                           },
        {"service", slice_str(s->d->service ? s->d->service : "none")},
        {NULL,      SLICE_NONE                                       }
    };
    expose_value(s->out, name, labels, 1);
}

static void write_up(struct scrape *s, const char *name)
{
    expose_milli(s->out, name, NULL, loop_wall() - s->d->started_ms);
}

static void write_revision(struct scrape *s, const char *name)
{
    expose_value(s->out, name, NULL, (int64_t)s->d->revision);
}

static void write_ready(struct scrape *s, const char *name)
{
    expose_value(s->out, name, NULL, s->d->ready && !s->d->stopping);
}

static void write_expiry_of(struct scrape *s, const char *name, const char *use, struct slice subject,
                            const struct crypto_cert *cert)
{
    struct expose_label labels[] = {
        {"use",     slice_str(use)},
        {"subject", subject       },
        {NULL,      SLICE_NONE    }
    };
    expose_milli(s->out, name, labels, crypto_cert_not_after(cert) - loop_wall());
}

static void write_expiry(struct scrape *s, const char *name)
{
    const struct daemon *d = s->d;
    if (d->identity)
        write_expiry_of(s, name, "internal", d->identity->fqdn, d->identity->cert);
    for (size_t i = 0; d->material && i < d->material->n_certs; i++) {
        struct crypto_cert *cert;
        if (crypto_cert_parse(d->material->certs[i].cert_pem, &cert) < 0)
            continue;
        write_expiry_of(s, name, "external", d->material->certs[i].pool, cert);
        crypto_cert_unref(cert);
    }
}

static void write_lag(struct scrape *s, const char *name)
{
    expose_spread(s->out, name, NULL, &s->sums.lag);
}

/* ---------------------------------------------------------------- the SIP element */
static void write_requests(struct scrape *s, const char *name)
{
    for (int m = 0; m <= SIP_METHOD_OTHER; m++)
        for (int c = 0; c < STATUS_CLASSES; c++) {
            const char *method = m < SIP_METHOD_OTHER ? sip_method_name((enum sip_method)m) : "other";
            struct expose_label labels[] = {
                {"method", slice_str(method)    },
                {"class",  slice_str(classes[c])},
                {NULL,     SLICE_NONE           }
            };
            if (s->sums.by_method[m][c])
                expose_value(s->out, name, labels, (int64_t)s->sums.by_method[m][c]);
        }
}

static void write_request_seconds(struct scrape *s, const char *name)
{
    expose_spread(s->out, name, NULL, &s->sums.server);
}

static void write_pending(struct scrape *s, const char *name)
{
    expose_value(s->out, name, NULL, (int64_t)s->load.requests);
}

static void write_pairs(struct scrape *s, const char *name, uint64_t pairs[2][2], const char *result)
{
    for (int side = 0; side < SIDES; side++)
        for (int inbound = 0; inbound < 2; inbound++) {
            struct expose_label labels[] = {
                {"side",                   side == SIDE_EXTERNAL ? SLICE("external") : SLICE("internal")},
                {"opened",                 inbound ? SLICE("by_peer") : SLICE("by_us")                  },
                {result ? "result" : NULL, slice_str(result)                                            },
                {NULL,                     SLICE_NONE                                                   }
            };
            expose_value(s->out, name, labels, (int64_t)pairs[side][inbound]);
        }
}

static void write_connections(struct scrape *s, const char *name)
{
    write_pairs(s, name, s->sums.connections, NULL);
}

static void write_handshakes(struct scrape *s, const char *name)
{
    write_pairs(s, name, s->sums.handshakes, "ok");
    write_pairs(s, name, s->sums.handshakes_failed, "failed");
}

static void write_refusals(struct scrape *s, const char *name)
{
    const char *metric;
    int64_t value;
    for (unsigned i = 0; metric_next(&i, &metric, &value);) {
        struct slice m = slice_str(metric);
        struct expose_label labels[] = {
            {"id", slice_from(m, strlen("refused."))},
            {NULL,    SLICE_NONE            }
        };
        if (slice_starts(m, SLICE("refused.")))
            expose_value(s->out, name, labels, value);
    }
}

/* ---------------------------------------------------------------- addresses that are dialled */
static void write_destinations(struct scrape *s, const char *name)
{
    size_t counts[SIDES][HEALTH_STATE_COUNT] = {0};
    for (size_t i = 0; i < s->n_destinations; i++)
        counts[s->destinations[i].side][s->destinations[i].state]++;
    for (int side = 0; side < SIDES; side++)
        for (int state = 0; state < HEALTH_STATE_COUNT; state++) {
            struct expose_label labels[] = {
                {"side",  side == SIDE_EXTERNAL ? SLICE("external") : SLICE("internal")},
                {"state", slice_str(health_state_name((enum health_state)state))       },
                {NULL,    SLICE_NONE                                                   }
            };
            expose_value(s->out, name, labels, (int64_t)counts[side][state]);
        }
}

static void write_unwell(struct scrape *s, const char *name)
{
    size_t told = 0;
    for (size_t i = 0; i < s->n_destinations && told < UNWELL_MAX; i++) {
        const struct element_destination *d = &s->destinations[i];
        char addr[NET_ADDR_TEXT];
        struct expose_label labels[] = {
            {"name",    d->name               },
            {"address", net_addr_text(&d->addr, addr)},
            {"partner",         d->partner                      },
            {"state",         slice_str(health_state_name(d->state))  },
            {NULL,         SLICE_NONE                         }
        };
        if (d->state == HEALTH_GOOD)
            continue;
        expose_milli(s->out, name, labels, (int64_t)d->since_ms);
        told++;
    }
}

static void write_dialogs_begun(struct scrape *s, const char *name)
{
    expose_value(s->out, name, NULL, (int64_t)s->sums.dialogs_begun);
}

static void write_dialogs_ended(struct scrape *s, const char *name)
{
    expose_value(s->out, name, NULL, (int64_t)s->sums.dialogs_ended);
}

static void write_lists(struct scrape *s, const char *name)
{
    struct crl_counts c;
    if (!s->d->crls)
        return;
    crl_store_count(crls_store(s->d->crls), loop_wall(), &c);
    expose_value(s->out, name, NULL, (int64_t)c.wanted);
}

static void write_dialogs(struct scrape *s, const char *name)
{
    expose_value(s->out, name, NULL, (int64_t)roles_dialogs_estimate(&s->sums));
}

/* ---------------------------------------------------------------- partners and pools */
static void keep_seen(void *arg, const char *name, const struct account_sums by_direction[RECORD_DIRECTIONS])
{
    struct seen **end = arg;
    struct seen *at = (*end)++;
    at->name = mem_strdup(name);
    memcpy(at->by_direction, by_direction, sizeof(at->by_direction));
}

typedef void sample_writer(struct scrape *s, const char *name, struct expose_label *labels,
                           const struct account_sums *sums);

/* Series that never counted anything are left out. */
static void write_accounts(struct scrape *s, enum account_kind kind, const char *name, sample_writer *write)
{
    for (size_t i = 0; i < s->n_seen[kind]; i++)
        for (int d = 0; d < RECORD_DIRECTIONS; d++) {
            const struct seen *x = &s->seen[kind][i];
            struct expose_label labels[4] = {
                {kind == ACCOUNT_PARTNER ? "partner" : "pool", slice_str(x->name)                                        },
                {"direction",                                  slice_str(record_direction_name((enum record_direction)d))}
            };
            if (x->by_direction[d].server.count)
                write(s, name, labels, &x->by_direction[d]);
        }
}

static void sample_requests(struct scrape *s, const char *name, struct expose_label *labels,
                            const struct account_sums *sums)
{
    for (int c = 0; c < STATUS_CLASSES; c++) {
        labels[2] = (struct expose_label){"class", slice_str(classes[c])};
        if (sums->by_class[c])
            expose_value(s->out, name, labels, (int64_t)sums->by_class[c]);
    }
}

static void sample_refusals(struct scrape *s, const char *name, struct expose_label *labels,
                            const struct account_sums *sums)
{
    expose_value(s->out, name, labels, (int64_t)sums->refused);
}

static void sample_begun(struct scrape *s, const char *name, struct expose_label *labels,
                         const struct account_sums *sums)
{
    expose_value(s->out, name, labels, (int64_t)sums->dialogs_begun);
}

static void sample_ended(struct scrape *s, const char *name, struct expose_label *labels,
                         const struct account_sums *sums)
{
    expose_value(s->out, name, labels, (int64_t)sums->dialogs_ended);
}

static void sample_bytes(struct scrape *s, const char *name, struct expose_label *labels,
                         const struct account_sums *sums)
{
    labels[2] = (struct expose_label){"of", SLICE("requests")};
    expose_value(s->out, name, labels, (int64_t)sums->bytes_in);
    labels[2].value = SLICE("responses");
    expose_value(s->out, name, labels, (int64_t)sums->bytes_out);
}

static void sample_seconds(struct scrape *s, const char *name, struct expose_label *labels,
                           const struct account_sums *sums)
{
    expose_spread(s->out, name, labels, &sums->server);
}

static void sample_upstream(struct scrape *s, const char *name, struct expose_label *labels,
                            const struct account_sums *sums)
{
    if (sums->upstream.count)
        expose_spread(s->out, name, labels, &sums->upstream);
}

#define ACCOUNT_WRITER(kind, what)                                                                           \
    static void write_##kind##_##what(struct scrape *s, const char *name)                                    \
    {                                                                                                        \
        write_accounts(s, ACCOUNT_##kind, name, sample_##what);                                              \
    }
#define ACCOUNT_WRITERS(kind)                                                                                \
    ACCOUNT_WRITER(kind, requests)                                                                           \
    ACCOUNT_WRITER(kind, refusals)                                                                           \
    ACCOUNT_WRITER(kind, begun)                                                                              \
    ACCOUNT_WRITER(kind, ended)                                                                              \
    ACCOUNT_WRITER(kind, bytes)                                                                              \
    ACCOUNT_WRITER(kind, seconds)                                                                            \
    ACCOUNT_WRITER(kind, upstream)
ACCOUNT_WRITERS(PARTNER)
ACCOUNT_WRITERS(POOL)

#define ACCOUNT_FAMILIES(KIND_, label, who)                                                                  \
    {"entente_" label "_requests_total", EXPOSE_COUNTER, label ", direction, class",                         \
     "Requests with " who ", by the class of their final response; none: no response was sent.",             \
     write_##KIND_##_requests},                                                                              \
        {"entente_" label "_refusals_total", EXPOSE_COUNTER, label ", direction",                            \
         "Requests with " who " that this machine refused.", write_##KIND_##_refusals},                      \
        {"entente_" label "_dialogs_begun_total", EXPOSE_COUNTER, label ", direction",                       \
         "INVITEs outside a dialog with " who " that were answered with 2xx.", write_##KIND_##_begun},       \
        {"entente_" label "_dialogs_ended_total", EXPOSE_COUNTER, label ", direction",                       \
         "BYEs with " who " that got a final response.", write_##KIND_##_ended},                             \
        {"entente_" label "_bytes_total", EXPOSE_COUNTER, label ", direction, of",                           \
         "Bytes of requests with " who " and of their final responses.", write_##KIND_##_bytes},             \
        {"entente_" label "_request_seconds", EXPOSE_HISTOGRAM, label ", direction",                         \
         "From a request to its final response, with " who ".", write_##KIND_##_seconds},                    \
    {                                                                                                        \
        "entente_" label "_upstream_seconds", EXPOSE_HISTOGRAM, label ", direction",                         \
            "From sending a request on to the answer of the next hop, with " who ".",                        \
            write_##KIND_##_upstream                                                                         \
    }

static const struct family families[] = {
    {"entente_info",                        EXPOSE_GAUGE,     "machine, version, service",     "What runs; always 1.",                                         write_info                },
    {"entente_up_seconds",                  EXPOSE_GAUGE,     "",                              "How long the process runs.",                                   write_up                  },
    {"entente_ready",                       EXPOSE_GAUGE,     "",                              "1 while a revision runs and the daemon is not being stopped.",
     write_ready                                                                                                                                                                         },
    {"entente_revision",                    EXPOSE_GAUGE,     "",                              "The revision that runs.",                                      write_revision            },
    {"entente_certificate_expires_seconds", EXPOSE_GAUGE,     "use, subject",
     "Time until a certificate of this machine expires; negative when it has.",                                                                                write_expiry              },
    {"entente_worker_lag_seconds",          EXPOSE_HISTOGRAM, "",
     "How late timers of the workers fire; what waits in their queues waits as long.",                                                                         write_lag                 },
    {"entente_worker_silent_seconds",       EXPOSE_GAUGE,     "",
     "How long ago the worker that has been silent longest was heard of; more than a second: it hangs.",                                                       metrics_worker_silent     },
    {"entente_control_lag_seconds",         EXPOSE_HISTOGRAM, "",
     "How late timers of the control loop fire: that of replication, API and metrics.",                                                                        metrics_control_lag       },
    {"entente_mailbox_messages",            EXPOSE_HISTOGRAM, "loop",
     "How many messages lay in the mailbox of a loop whenever it was emptied: control, or one of the "
     "workers.",                                                                                                                                               metrics_mailboxes         },
    {"entente_helper_jobs",                 EXPOSE_GAUGE,     "pool",
     "Jobs that wait for a helper thread: disk (SQLite, files), writer (registrations), probes (DNS of "
     "transitions).",                                                                                                                                          metrics_helpers           },
    {"entente_journal_waiting_bytes",       EXPOSE_GAUGE,     "",
     "Lines of the access log that wait for the disk; beyond 4 MiB they are dropped.",                                                                         metrics_journal_waiting   },
    {"entente_workers",                     EXPOSE_GAUGE,     "",                              "Threads that carry SIP.",                                      metrics_workers           },
    {"entente_workers_overloaded",          EXPOSE_GAUGE,     "",
     "Workers that refuse new requests now, because messages wait too long, a next hop takes no more, or "
     "memory is short.",                                                                                                                                       metrics_workers_overloaded},
    {"entente_memory_bytes",                EXPOSE_GAUGE,     "",
     "Memory of requests and connections, as limits/memory_mib counts it.",                                                                                    metrics_memory            },
    {"entente_memory_limit_bytes",          EXPOSE_GAUGE,     "",                              "What limits/memory_mib allows.",                               metrics_memory_limit      },
    {"entente_requests_limit",              EXPOSE_GAUGE,     "",                              "How many requests may be pending.",                            metrics_requests_limit    },
    {"entente_connections_limit",           EXPOSE_GAUGE,     "",
     "How many connections peers may have open; 0: as many as there are file descriptors.",                                                                    metrics_connections_limit },
    {"entente_dns_seconds",                 EXPOSE_HISTOGRAM, "",
     "How long whoever asked waited for an answer that was not remembered.",                                                                                   metrics_dns               },
    {"entente_users",                       EXPOSE_GAUGE,     "",                              "Users of this Front End.",                                     metrics_users             },
    {"entente_bindings",                    EXPOSE_GAUGE,     "",                              "Contacts that are registered at this Front End.",
     metrics_bindings                                                                                                                                                                    },
    {"process_cpu_seconds_total",           EXPOSE_COUNTER,   "",                              "Processor time of the process, user and system.",
     metrics_cpu                                                                                                                                                                         },
    {"process_resident_memory_bytes",       EXPOSE_GAUGE,     "",                              "Memory of the process that is resident.",
     metrics_resident                                                                                                                                                                    },
    {"process_start_time_seconds",          EXPOSE_GAUGE,     "",                              "When the process began, in seconds since 1970.",
     metrics_start                                                                                                                                                                       },
    {"entente_requests_total",              EXPOSE_COUNTER,   "method, class",
     "Requests that are over, by method and class of the final response; none: no response was sent.",                                                         write_requests            },
    {"entente_request_seconds",             EXPOSE_HISTOGRAM, "",                              "From a request to its final response.",
     write_request_seconds                                                                                                                                                               },
    {"entente_requests_pending",            EXPOSE_GAUGE,     "",                              "Requests without a final response.",                           write_pending             },
    {"entente_connections",                 EXPOSE_GAUGE,     "side, opened",                  "Connections that stand.",                                      write_connections         },
    {"entente_handshakes_total",            EXPOSE_COUNTER,   "side, opened, result",          "TLS handshakes.",                                              write_handshakes          },
    {"entente_destinations",                EXPOSE_GAUGE,     "side, state",
     "Addresses that were dialled of late, by how they are.",                                                                                                  write_destinations        },
    {"entente_destination_unwell_seconds",  EXPOSE_GAUGE,     "name, address, partner, state",
     "How long an address that is not good has been in its state; 100 of them at most.",                                                                       write_unwell              },
    {"entente_refusals_total",              EXPOSE_COUNTER,   "id",                            "Refusals by their id (refusals.md).",                          write_refusals            },
    {"entente_dialogs_begun_total",         EXPOSE_COUNTER,   "",                              "INVITE outside a dialog answered with 2xx.",
     write_dialogs_begun                                                                                                                                                                 },
    {"entente_dialogs_ended_total",         EXPOSE_COUNTER,   "",                              "BYE with a final response.",                                   write_dialogs_ended       },
    {"entente_dialogs_estimate",            EXPOSE_GAUGE,     "",
     "Dialogs begun less dialogs ended here since the start, at least 0: an estimate, no dialog is kept.",                                                     write_dialogs             },
    {"entente_revocation_lists_missing",    EXPOSE_GAUGE,     "",
     "Revocation lists that partners' certificates name and that are not here, or have expired.",                                                              write_lists               },
    ACCOUNT_FAMILIES(PARTNER, "partner", "a partner's domain"),
    ACCOUNT_FAMILIES(POOL, "pool", "a pool inside"),
};

/* ---------------------------------------------------------------- plain counters */
/* Also those that have not counted yet: a rate needs the zero before the first one. */
static void write_counters(struct buf *out)
{
    char name[METRIC_NAME_MAX + 16];
    for (size_t i = 0; i < metrics_counters_n; i++) {
        const struct metrics_counter *c = &metrics_counters[i];
        expose_counter_name(c->metric, name, sizeof(name));
        expose_family(out, name, EXPOSE_COUNTER, c->help);
        expose_value(out, name, NULL, metric_read(c->metric));
    }
}

/* ---------------------------------------------------------------- all of it */
static void scrape_accounts(struct scrape *s, enum account_kind kind)
{
    struct seen *end = s->seen[kind] = ARENA_ARRAY(&s->arena, struct seen, ACCOUNT_MAX_SERIES);
    element_accounts(s->d->element, kind, keep_seen, &end);
    s->n_seen[kind] = (size_t)(end - s->seen[kind]);
}

void metrics_write(struct daemon *d, struct buf *out)
{
    struct scrape s = {.d = d, .out = out};
    if (d->element) {
        element_sum(d->element, &s.sums);
        element_load(d->element, &s.load);
        s.n_destinations = element_destinations(d->element, loop_now(d->control), &s.arena, &s.destinations);
        for (int k = 0; k < ACCOUNT_KINDS; k++)
            scrape_accounts(&s, (enum account_kind)k);
    }
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        const struct family *f = &families[i];
        expose_family(out, f->name, f->type, f->help);
        f->write(&s, f->name);
    }
    write_counters(out);
    for (int k = 0; k < ACCOUNT_KINDS; k++)
        for (size_t i = 0; i < s.n_seen[k]; i++)
            mem_free(s.seen[k][i].name);
    arena_fini(&s.arena);
}

void metrics_reference(struct buf *out)
{
    buf_append(out, SLICE("| name | type | labels | what it is |\n| --- | --- | --- | --- |\n"));
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
        buf_printf(out, "| `%s` | %s | %s | %s |\n", families[i].name, expose_type_name(families[i].type),
                   families[i].labels, families[i].help);
    for (size_t i = 0; i < metrics_counters_n; i++) {
        char name[METRIC_NAME_MAX + 16];
        expose_counter_name(metrics_counters[i].metric, name, sizeof(name));
        buf_printf(out, "| `%s` | counter |  | %s |\n", name, metrics_counters[i].help);
    }
}
