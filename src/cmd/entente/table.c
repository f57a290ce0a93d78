#include "cmd/entente/table.h"

#include "cmd/entente/call.h"

#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { FOLD_INDENT = 4 };

void table_init(struct table *t, struct arena *a, const char *const *heads)
{
    *t = (struct table){.arena = a, .heads = heads};
    while (heads[t->columns] && t->columns < TABLE_MAX_COLUMNS)
        t->columns++;
}

void table_cell(struct table *t, struct slice text)
{
    if (t->n == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 64;
        struct slice *cells = ARENA_ARRAY(t->arena, struct slice, cap);
        if (t->n)
            memcpy(cells, t->cells, t->n * sizeof(*cells));
        t->cells = cells;
        t->cap = cap;
    }
    t->cells[t->n++] = text.n ? text : SLICE("-");
}

void table_int(struct table *t, int64_t n)
{
    table_cell(t, arena_printf(t->arena, "%lld", (long long)n));
}

static size_t width(struct slice s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static bool is_numeric(struct slice s)
{
    uint64_t ignored;
    return slice_u64(s, UINT64_MAX, &ignored) == 0;
}

/* A column of numbers alone stands to the right. */
static bool right_aligned(const struct table *t, size_t column)
{
    bool any = false;
    for (size_t i = column; i < t->n; i += t->columns) {
        bool number = is_numeric(t->cells[i]);
        if (!number && !slice_eq(t->cells[i], SLICE("-")))
            return false;
        any = any || number;
    }
    return any;
}

static void put_cell(FILE *out, struct slice text, size_t wide, bool right, bool last)
{
    int gap = (int)(wide - width(text));
    if (right)
        fprintf(out, "%*s", gap, "");
    for (size_t i = 0; i < text.n; i++) { /* one row, one line */
        unsigned char c = (unsigned char)text.p[i];
        fputc(c < ' ' || c == 0x7f ? '?' : c, out);
    }
    if (!last)
        fprintf(out, "%*s", (right ? 0 : gap) + 2, "");
}

/* Columns of the terminal that out is; 0: it is none. */
static size_t terminal_width(FILE *out)
{
    struct winsize size = {0};
    int fd = fileno(out);
    return fd >= 0 && isatty(fd) && ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static void put_char(FILE *out, char c)
{
    fputc((unsigned char)c < ' ' || c == 0x7f ? '?' : c, out);
}

/* Words from this indentation on, in lines that end before `columns`. `at`: where the line stands already. */
static void put_folded(FILE *out, struct slice text, size_t indent, size_t at, size_t columns)
{
    struct slice word;
    for (bool more = text.n > 0, first = true; more; first = false) {
        more = slice_cut(text, ' ', &word, &text);
        if (!more)
            word = text;
        if (!first && at + 1 + width(word) >= columns) {
            fprintf(out, "\n%*s", (int)indent, "");
            at = indent;
        } else if (!first) {
            fputc(' ', out);
            at++;
        }
        for (size_t i = 0; i < word.n; i++)
            put_char(out, word.p[i]);
        at += width(word);
    }
    fputc('\n', out);
}

/* The last column below the others, which fit. */
static void print_below(const struct table *t, FILE *out, const size_t *wide, const bool *right,
                        size_t columns)
{
    size_t last = t->columns - 1;
    for (size_t c = 0; c < last; c++)
        put_cell(out, slice_str(t->heads[c]), wide[c], right[c], c + 1 == last);
    fprintf(out, "\n%*s%s\n", FOLD_INDENT, "", t->heads[last]);
    for (size_t i = 0; i < t->n; i++) {
        size_t c = i % t->columns;
        if (c < last) {
            put_cell(out, t->cells[i], wide[c], right[c], c + 1 == last);
            continue;
        }
        if (slice_eq(t->cells[i], SLICE("-"))) {
            fputc('\n', out);
            continue;
        }
        fprintf(out, "\n%*s", FOLD_INDENT, "");
        put_folded(out, t->cells[i], FOLD_INDENT, FOLD_INDENT, columns);
    }
}

/* A paragraph for each row: nothing else fits. */
static void print_rows(const struct table *t, FILE *out, size_t columns)
{
    size_t heads = 0;
    for (size_t c = 0; c < t->columns; c++)
        if (width(slice_str(t->heads[c])) > heads)
            heads = width(slice_str(t->heads[c]));
    for (size_t i = 0; i < t->n; i++) {
        size_t c = i % t->columns;
        if (c == 0 && i > 0)
            fputc('\n', out);
        if (slice_eq(t->cells[i], SLICE("-")))
            continue;
        fprintf(out, "%s%*s", t->heads[c], (int)(heads - width(slice_str(t->heads[c])) + 2), "");
        put_folded(out, t->cells[i], heads + 2, heads + 2, columns);
    }
}

static void print_wide(const struct table *t, FILE *out, const size_t *wide, const bool *right)
{
    for (size_t c = 0; c < t->columns; c++)
        put_cell(out, slice_str(t->heads[c]), wide[c], right[c], c + 1 == t->columns);
    for (size_t i = 0; i < t->n; i++) {
        size_t c = i % t->columns;
        if (c == 0)
            fputc('\n', out);
        put_cell(out, t->cells[i], wide[c], right[c], c + 1 == t->columns);
    }
    fputc('\n', out);
}

void table_print(const struct table *t, FILE *out, const char *nothing)
{
    size_t wide[TABLE_MAX_COLUMNS] = {0}, columns = terminal_width(out), all = 0;
    bool right[TABLE_MAX_COLUMNS];
    if (t->n == 0 || t->columns == 0) {
        fprintf(out, "%s\n", nothing);
        return;
    }
    for (size_t c = 0; c < t->columns; c++) {
        wide[c] = width(slice_str(t->heads[c]));
        right[c] = right_aligned(t, c);
    }
    for (size_t i = 0; i < t->n; i++)
        if (width(t->cells[i]) > wide[i % t->columns])
            wide[i % t->columns] = width(t->cells[i]);
    for (size_t c = 0; c < t->columns; c++)
        all += wide[c] + 2;
    if (!columns || all - 2 <= columns)
        print_wide(t, out, wide, right);
    else if (t->columns > 1 && all - wide[t->columns - 1] - 4 <= columns)
        print_below(t, out, wide, right, columns);
    else
        print_rows(t, out, columns);
}

struct slice table_time(struct arena *a, int64_t ms)
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    char text[32];
    if (ms <= 0 || !localtime_r(&s, &tm))
        return SLICE("-");
    return arena_copy(a, slice_mem(text, strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm)));
}

struct slice table_age(struct arena *a, int64_t ms)
{
    static const struct {
        int64_t ms;
        const char *unit;
    } units[] = {
        {86400000, "d"  },
        {3600000,  "h"  },
        {60000,    "min"},
        {1000,     "s"  }
    };
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (ms >= 2 * units[i].ms || i + 1 == sizeof(units) / sizeof(units[0]))
            return arena_printf(a, "%lld %s", (long long)((ms < 0 ? 0 : ms) / units[i].ms), units[i].unit);
    return SLICE_NONE;
}

struct slice table_duration(struct arena *a, int64_t ms)
{
    if (ms < 1000)
        return arena_printf(a, "%lld ms", (long long)(ms < 0 ? 0 : ms));
    if (ms < 60000)
        return arena_printf(a, "%lld.%02lld s", (long long)(ms / 1000), (long long)(ms % 1000 / 10));
    return arena_printf(a, "%lld min %lld s", (long long)(ms / 60000), (long long)(ms / 1000 % 60));
}
