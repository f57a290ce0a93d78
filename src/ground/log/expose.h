/*
 * log/expose.h - metrics as Prometheus reads them (text exposition format 0.0.4): HELP and TYPE once for a
 * family, then its samples. Pure: text into a buffer.
 *
 *     expose_family(&out, "entente_connections", EXPOSE_GAUGE, "Connections that stand.");
 *     expose_value(&out, "entente_connections", (struct expose_label[]){{"side", SLICE("external")}, {0}},
 * 3);
 */
#pragma once

#include "ground/base/buf.h"
#include "ground/log/metric.h"

#define EXPOSE_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum expose_type { EXPOSE_COUNTER, EXPOSE_GAUGE, EXPOSE_HISTOGRAM };
const char *expose_type_name(enum expose_type t);
struct expose_label {
    const char *name;
    struct slice value; /* escaped here; what is no UTF-8 is replaced */
};
void expose_family(struct buf *out, const char *name, enum expose_type type, const char *help);
/* labels: NULL, or an array that a NULL name ends. */
void expose_value(struct buf *out, const char *name, const struct expose_label *labels, int64_t value);
/* `value` is in thousandths, as 1.5 for 1500. */
void expose_milli(struct buf *out, const char *name, const struct expose_label *labels, int64_t value);
/* NAME_bucket, NAME_sum and NAME_count, in seconds. */
void expose_spread(struct buf *out, const char *name, const struct expose_label *labels,
                   const struct metric_spread *s);
/* The same of numbers: in[i] were at most bounds[i], in[n] more than all bounds. */
void expose_counts(struct buf *out, const char *name, const struct expose_label *labels,
                   const uint32_t *bounds, const uint64_t *in, size_t n, uint64_t sum);
/* "element.request-in" as "entente_element_request_in_total": what a name may contain. */
void expose_counter_name(const char *metric, char *out, size_t cap);
