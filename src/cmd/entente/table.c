#include "cmd/entente/table.h"

#include "cmd/entente/call.h"

#include <time.h>

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

void table_print(const struct table *t, FILE *out, const char *nothing)
{
    size_t wide[TABLE_MAX_COLUMNS] = {0};
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
        put_cell(out, slice_str(t->heads[c]), wide[c], right[c], c + 1 == t->columns);
    for (size_t i = 0; i < t->n; i++) {
        size_t c = i % t->columns;
        if (c == 0)
            fputc('\n', out);
        put_cell(out, t->cells[i], wide[c], right[c], c + 1 == t->columns);
    }
    fputc('\n', out);
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
