/* doc/metrics.md is what the table of metrics says. ENTENTE_WRITE_REFERENCE=1 writes it anew. */
#include "cmd/entented/metrics.h"

#include "ground/base/file_for_test.h"
#include "ground/base/mem.h"
#include "ground/base/test.h"

#include <ftw.h>

static const char path[] = "doc/metrics.md";

static void write_page(struct buf *out)
{
    buf_append(
        out,
        SLICE(
            "# Metrics\n\n`entente status --metrics` prints them on every machine, and so does `GET "
            "/metrics` on the "
            "daemon's socket, and at\n`http://INTERNAL-ADDRESS:PORT/metrics` when `monitoring/metrics_port` "
            "is set: the text format of Prometheus, version 0.0.4. This page\nis written from the table in "
            "the "
            "code (a test compares them).\n\n"
            "The first "));
    buf_printf(
        out,
        "%d partners and %d pools that talk get series of their own; all further ones, and names that were "
        "not proven and are in no list,\nshare `other`. `direction` is `in` (from another organisation), "
        "`out` "
        "or `inside`. Partners that are `monitored` have %d places beside. Series that never counted "
        "anything are left out; counters without labels begin at 0.\n\n"
        "[prometheus-alerts.yaml](prometheus-alerts.yaml) has alert rules to begin with.\n\n",
        ACCOUNT_MAX_PARTNERS - 1, ACCOUNT_MAX_POOLS - 1, ACCOUNT_MAX_MONITORED);
    metrics_reference(out);
}

TEST(reference_is_what_the_table_says)
{
    struct buf want = {0}, have = {0};
    write_page(&want);
    CHECK(page_is(path, buf_slice(&want), &have));
    buf_fini(&want);
    buf_fini(&have);
}

/* A machine that has no SIP service, and nothing yet. */
TEST(metrics_of_a_daemon_that_has_nothing)
{
    struct daemon d = {.machine = "cms.contoso.example", .started_ms = loop_wall()};
    struct buf out = {0};
    metrics_write(&d, &out);
    CHECK(slice_search(buf_slice(&out), SLICE("\nentente_revision 0\n")) != SIZE_MAX);
    CHECK(slice_search(buf_slice(&out), SLICE("entente_info{machine=\"cms.contoso.example\",version=")) !=
          SIZE_MAX);
    CHECK(slice_ends(buf_slice(&out), SLICE("\n")));
    buf_fini(&out);
}

/* ---------------------------------------------------------------- the table against the code */
enum { COUNTED_MAX = METRIC_MAX };
static char counted[COUNTED_MAX][METRIC_NAME_MAX];
static size_t n_counted;

static void note(struct slice name)
{
    size_t i = 0;
    if (name.n >= METRIC_NAME_MAX || n_counted == COUNTED_MAX || slice_starts(name, SLICE("refused.")))
        return;
    snprintf(counted[n_counted], METRIC_NAME_MAX, SLICE_FMT, SLICE_ARG(name));
    while (strcmp(counted[i], counted[n_counted]) != 0)
        i++;
    n_counted += i == n_counted;
}

/* The first string literal of each statement that has `call`. */
static void gather(struct slice text, const char *call)
{
    for (size_t at; (at = slice_search(text, slice_str(call))) != SIZE_MAX;) {
        text = slice_from(text, at + strlen(call));
        size_t begin = slice_find(text, '"'), end = slice_find(text, ';');
        if (begin == SIZE_MAX || end < begin)
            continue;
        text = slice_from(text, begin + 1);
        end = slice_find(text, '"');
        if (end != SIZE_MAX)
            note(slice_head(text, end));
    }
}

static int look_at(const char *file, const struct stat *st, int type, struct FTW *w)
{
    struct buf b = {0};
    struct slice name = slice_str(file);
    (void)st;
    (void)w;
    if (type != FTW_F || !(slice_ends(name, SLICE(".c")) || slice_ends(name, SLICE(".h"))) ||
        slice_ends(name, SLICE("_test.c")) || slice_ends(name, SLICE("log/metric.h")))
        return 0;
    CHECK(file_read(file, &b));
    gather(buf_slice(&b), "METRIC_COUNT(");
    gather(buf_slice(&b), "METRIC_ADD(");
    gather(buf_slice(&b), "guard_tell(");
    gather(buf_slice(&b), "[SOURCES_"); /* what guard_tell is given */
    buf_fini(&b);
    return 0;
}

static bool has_words(const char *metric)
{
    for (size_t i = 0; i < metrics_counters_n; i++)
        if (strcmp(metrics_counters[i].metric, metric) == 0)
            return true;
    return false;
}

static bool is_counted(const char *metric)
{
    for (size_t i = 0; i < n_counted; i++)
        if (strcmp(counted[i], metric) == 0)
            return true;
    return false;
}

TEST(every_counter_of_the_code_has_its_words)
{
    CHECK_INT(nftw("src", look_at, 16, FTW_PHYS), 0);
    CHECK(n_counted > 50);
    for (size_t i = 0; i < n_counted; i++)
        if (!has_words(counted[i]))
            TEST_DIAG("%s is counted and has no words in metrics_counters.c", counted[i]);
    for (size_t i = 0; i < metrics_counters_n; i++)
        if (!is_counted(metrics_counters[i].metric))
            TEST_DIAG("%s has words, and nobody counts it", metrics_counters[i].metric);
}

/* ---------------------------------------------------------------- the conventions of Prometheus */
struct name_row {
    struct slice name, type, labels, help;
};

static bool unit_is_good(const struct name_row *r)
{
    static const char *const wrong[] = {"_ms",  "_us", "_milliseconds", "_minutes", "_hours", "_kib",   "_kb",
                                        "_mib", "_mb", "_percent",      "_count",   "_sum",   "_bucket"};
    bool counter = slice_eq(r->type, SLICE("counter")), total = slice_ends(r->name, SLICE("_total"));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (slice_ends(r->name, slice_str(wrong[i])))
            return false;
    if (slice_eq(r->type, SLICE("histogram")))
        return slice_ends(r->name, SLICE("_seconds")) || slice_ends(r->name, SLICE("_messages"));
    return counter == total;
}

/* A row of the page: | `name` | type | labels | help | */
static bool row_read(struct slice line, struct name_row *ret)
{
    struct slice cells[4], rest = slice_from(line, 2);
    for (size_t i = 0; i < 4; i++) {
        size_t at = slice_search(rest, SLICE(" |"));
        if (at == SIZE_MAX)
            return false;
        cells[i] = slice_trim(slice_head(rest, at));
        rest = slice_from(rest, at + 2);
    }
    *ret =
        (struct name_row){slice_head(slice_from(cells[0], 1), cells[0].n - 2), cells[1], cells[2], cells[3]};
    return true;
}

/* All families of the page, in out. */
enum { ROWS_MAX = 512 };
static size_t read_rows(struct buf *page, struct name_row *out)
{
    size_t n = 0;
    metrics_reference(page);
    for (struct slice text = buf_slice(page), line; n < ROWS_MAX && slice_cut(text, '\n', &line, &text);)
        if (slice_starts(line, SLICE("| `")) && row_read(line, &out[n]))
            n++;
    return n;
}

TEST(names_types_and_help_follow_the_conventions)
{
    struct buf page = {0};
    struct name_row rows[ROWS_MAX];
    size_t n = read_rows(&page, rows);
    CHECK(n > 100 && n < ROWS_MAX);
    for (size_t i = 0; i < n; i++) {
        const struct name_row *r = &rows[i];
        if (!slice_starts(r->name, SLICE("entente_")) && !slice_starts(r->name, SLICE("process_")))
            TEST_DIAG(SLICE_FMT " is of no name space", SLICE_ARG(r->name));
        if (!unit_is_good(r))
            TEST_DIAG(SLICE_FMT " does not end as a " SLICE_FMT " should", SLICE_ARG(r->name),
                      SLICE_ARG(r->type));
        if (r->help.n < 10 || !slice_ends(r->help, SLICE(".")))
            TEST_DIAG(SLICE_FMT ": '" SLICE_FMT "' explains nothing", SLICE_ARG(r->name), SLICE_ARG(r->help));
        for (size_t k = 0; k < i; k++)
            if (slice_eq(rows[k].name, r->name) || slice_eq(rows[k].help, r->help))
                TEST_DIAG(SLICE_FMT " and " SLICE_FMT " share name or help", SLICE_ARG(rows[k].name),
                          SLICE_ARG(r->name));
    }
    buf_fini(&page);
}

/* ---------------------------------------------------------------- the example of alert rules */
static const char alerts[] = "doc/prometheus-alerts.yaml";

static size_t word_length(struct slice s)
{
    size_t n = 0;
    while (n < s.n && ((s.p[n] >= 'a' && s.p[n] <= 'z') || s.p[n] == '_'))
        n++;
    return n;
}

/* NULL: there is no such family. Histograms have three names of samples. */
static const struct name_row *find_row(const struct name_row *rows, size_t n, struct slice name)
{
    static const char *const suffixes[] = {"_bucket", "_sum", "_count"};
    for (size_t i = 0; i < n; i++) {
        bool histogram = slice_eq(rows[i].type, SLICE("histogram"));
        if (!histogram && slice_eq(rows[i].name, name))
            return &rows[i];
        for (size_t k = 0; k < 3 && histogram; k++)
            if (slice_starts(name, rows[i].name) &&
                slice_eq(slice_from(name, rows[i].name.n), slice_str(suffixes[k])))
                return &rows[i];
    }
    return NULL;
}

static bool has_label(struct slice labels, struct slice name)
{
    for (struct slice one; labels.n;) {
        if (!slice_cut(labels, ',', &one, &labels)) {
            one = labels;
            labels = SLICE_NONE;
        }
        if (slice_eq(slice_trim(one), name))
            return true;
    }
    return false;
}

/* {state="blocked", partner!=""} behind a name. */
static void check_labels(const struct name_row *row, struct slice rest)
{
    struct slice inside = slice_head(rest, slice_find(rest, '}')), one;
    inside = slice_from(inside, 1);
    while (inside.n) {
        if (!slice_cut(inside, ',', &one, &inside)) {
            one = inside;
            inside = SLICE_NONE;
        }
        one = slice_trim(one);
        one = slice_head(one, word_length(one));
        if (!has_label(row->labels, one))
            TEST_DIAG(SLICE_FMT " has no label '" SLICE_FMT "'", SLICE_ARG(row->name), SLICE_ARG(one));
    }
}

TEST(alert_rules_name_what_there_is)
{
    struct buf page = {0}, file = {0};
    struct name_row rows[ROWS_MAX];
    size_t n = read_rows(&page, rows), found = 0;
    CHECK(file_read(alerts, &file));
    struct slice text = buf_slice(&file);
    for (size_t at; (at = slice_search(text, SLICE("entente_"))) != SIZE_MAX;) {
        text = slice_from(text, at);
        struct slice name = slice_head(text, word_length(text));
        const struct name_row *row = find_row(rows, n, name);
        text = slice_from(text, name.n);
        if (!row)
            TEST_DIAG("%s: there is no %.*s", alerts, (int)name.n, name.p);
        else if (slice_starts(text, SLICE("{")))
            check_labels(row, text);
        found++;
    }
    CHECK(found > 20);
    buf_fini(&page);
    buf_fini(&file);
}

TEST_MAIN(reference_is_what_the_table_says, metrics_of_a_daemon_that_has_nothing,
          every_counter_of_the_code_has_its_words, names_types_and_help_follow_the_conventions,
          alert_rules_name_what_there_is)
