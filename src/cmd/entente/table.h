/*
 * entente/table.h - aligned columns for people, and how times and ages are written in them.
 */
#pragma once

#include "cmd/entente/command.h"

enum { TABLE_MAX_COLUMNS = 12 };
struct table {
    struct arena *arena;
    const char *const *heads;
    size_t columns;
    struct slice *cells; /* row by row */
    size_t n, cap;
};
/* heads: a list that ends with NULL. Cells are filled in from left to right; they must live until printed. */
void table_init(struct table *t, struct arena *a, const char *const *heads);
void table_cell(struct table *t, struct slice text);
void table_int(struct table *t, int64_t n); /* printed to the right of its column */
/* Empty cells are shown as "-", control characters as '?'. Without rows: `nothing`, one line. On a terminal
 * that is too narrow the last column goes below the others, or each row becomes a paragraph. */
void table_print(const struct table *t, FILE *out, const char *nothing);

struct slice table_time(struct arena *a, int64_t ms);     /* wall clock, local; "-" for 0 */
struct slice table_age(struct arena *a, int64_t ms);      /* "3 s", "5 min", "2 h", "4 d" */
struct slice table_duration(struct arena *a, int64_t ms); /* "12 ms", "1.25 s", "2 min 3 s" */
