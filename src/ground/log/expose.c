#include "ground/log/expose.h"

#include "ground/log/log.h"

#include <inttypes.h>
#include <stdio.h>

enum { LABEL_MAX = 256 };

const char *expose_type_name(enum expose_type t)
{
    static const char *const names[] = {"counter", "gauge", "histogram"};
    return names[t];
}

/* Backslash and line feed are escaped in a HELP text, the quote in labels too. Other controls would be legal;
 * no one misses them. */
static void put_text(struct buf *out, struct slice s, bool quoted)
{
    struct buf json = {0};
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '\\' || (quoted && c == '"')) {
            buf_append_char(&json, '\\');
            buf_append_char(&json, c);
        } else if (c == '\n') {
            buf_append(&json, SLICE("\\n"));
        } else {
            buf_append_char(&json, (unsigned char)c < 0x20 || c == 0x7f ? ' ' : c);
        }
    }
    log_put_utf8(out, buf_slice(&json));
    buf_fini(&json);
}

void expose_family(struct buf *out, const char *name, enum expose_type type, const char *help)
{
    buf_printf(out, "# HELP %s ", name);
    put_text(out, slice_str(help), false);
    buf_printf(out, "\n# TYPE %s %s\n", name, expose_type_name(type));
}

static void put_series(struct buf *out, const char *name, const char *suffix,
                       const struct expose_label *labels, const char *le)
{
    const char *between = "{";
    buf_printf(out, "%s%s", name, suffix);
    for (const struct expose_label *l = labels; l && l->name; l++) {
        buf_printf(out, "%s%s=\"", between, l->name);
        put_text(out, slice_head(l->value, LABEL_MAX), true);
        buf_append_char(out, '"');
        between = ",";
    }
    if (le)
        buf_printf(out, "%sle=\"%s\"", between, le);
    if (le || (labels && labels->name))
        buf_append_char(out, '}');
    buf_append_char(out, ' ');
}

void expose_value(struct buf *out, const char *name, const struct expose_label *labels, int64_t value)
{
    put_series(out, name, "", labels, NULL);
    buf_printf(out, "%" PRId64 "\n", value);
}

/* Without trailing zeros: every scrape writes thousands of these. */
static void decimal(uint64_t value, unsigned digits, char out[32])
{
    uint64_t unit = 1;
    for (unsigned i = 0; i < digits; i++)
        unit *= 10;
    int n = snprintf(out, 32, "%" PRIu64, value / unit);
    if (value % unit == 0)
        return;
    n += snprintf(out + n, 32 - (size_t)n, ".%0*" PRIu64, (int)digits, value % unit);
    while (out[n - 1] == '0')
        out[--n] = 0;
}

void expose_milli(struct buf *out, const char *name, const struct expose_label *labels, int64_t value)
{
    char text[32];
    decimal((uint64_t)(value < 0 ? -value : value), 3, text);
    put_series(out, name, "", labels, NULL);
    buf_printf(out, "%s%s\n", value < 0 ? "-" : "", text);
}

/* `digits`: of bounds and sum, behind the point. */
static void put_histogram(struct buf *out, const char *name, const struct expose_label *labels,
                          const uint32_t *bounds, const uint64_t *in, size_t n, uint64_t sum, unsigned digits)
{
    char text[32];
    uint64_t below = 0;
    for (size_t i = 0; i < n; i++) {
        below += in[i];
        decimal(bounds[i], digits, text);
        put_series(out, name, "_bucket", labels, text);
        buf_printf(out, "%" PRIu64 "\n", below);
    }
    below += in[n];
    put_series(out, name, "_bucket", labels, "+Inf");
    buf_printf(out, "%" PRIu64 "\n", below);
    decimal(sum, digits, text);
    put_series(out, name, "_sum", labels, NULL);
    buf_printf(out, "%s\n", text);
    put_series(out, name, "_count", labels, NULL);
    buf_printf(out, "%" PRIu64 "\n", below);
}

void expose_spread(struct buf *out, const char *name, const struct expose_label *labels,
                   const struct metric_spread *s)
{
    put_histogram(out, name, labels, metric_bounds_us, s->in, METRIC_BOUNDS, s->sum_us, 6);
}

void expose_counts(struct buf *out, const char *name, const struct expose_label *labels,
                   const uint32_t *bounds, const uint64_t *in, size_t n, uint64_t sum)
{
    put_histogram(out, name, labels, bounds, in, n, sum, 0);
}

void expose_counter_name(const char *metric, char *out, size_t cap)
{
    size_t n = (size_t)snprintf(out, cap, "entente_%s_total", metric);
    for (size_t i = 0; i < n && i < cap && out[i]; i++) {
        char c = out[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        out[i] = ok ? c : '_';
    }
}
