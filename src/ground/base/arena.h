/*
 * base/arena.h - memory that is dropped whole: the lifetime of one message, one request, one parsed document.
 *
 * {0} is a valid empty arena. Allocation never fails and is aligned for any type.
 */
#pragma once

#include "ground/base/slice.h"

#include <stdarg.h>

struct arena_block;
struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used, cap;           /* of the newest block */
    size_t total;               /* bytes of all blocks, for limits and counters */
};

void arena_fini(struct arena *a);
/* Frees all but one block, which is kept for reuse. */
void arena_reset(struct arena *a);
__attribute__((returns_nonnull)) void *arena_alloc(struct arena *a, size_t n);  /* not cleared */
__attribute__((returns_nonnull)) void *arena_zalloc(struct arena *a, size_t n); /* cleared */
struct slice arena_copy(struct arena *a, struct slice s);
char *arena_cstr(struct arena *a, struct slice s); /* with NUL */
__attribute__((format(printf, 2, 3))) struct slice arena_printf(struct arena *a, const char *fmt, ...);

#define ARENA_NEW(a, type) ((type *)arena_zalloc(a, sizeof(type)))
#define ARENA_ARRAY(a, type, count) ((type *)arena_zalloc(a, sizeof(type) * (count)))
