#include "ground/base/arena.h"

#include "ground/base/mem.h"

#include <stdio.h>

enum { ARENA_FIRST = 4096, ARENA_ALIGN = 16 };

struct arena_block {
    struct arena_block *older;
    size_t size;
    _Alignas(ARENA_ALIGN) char mem[];
};

void arena_fini(struct arena *a)
{
    for (struct arena_block *b = a->blocks, *older; b; b = older) {
        older = b->older;
        mem_free(b);
    }
    *a = (struct arena){0};
}

void arena_reset(struct arena *a)
{
    struct arena_block *keep = a->blocks;
    if (!keep)
        return;
    for (struct arena_block *b = keep->older, *older; b; b = older) {
        older = b->older;
        mem_free(b);
    }
    keep->older = NULL;
    a->used = 0;
    a->cap = a->total = keep->size;
}

void *arena_alloc(struct arena *a, size_t n)
{
    n = (n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (!a->blocks || a->cap - a->used < n) { /* nothing, of an empty arena, is a valid address too */
        size_t size = a->cap ? a->cap * 2 : ARENA_FIRST;
        while (size < n)
            size *= 2;
        struct arena_block *b = mem_alloc(sizeof(*b) + size);
        b->older = a->blocks;
        b->size = size;
        a->blocks = b;
        a->used = 0;
        a->cap = size;
        a->total += size;
    }
    void *p = a->blocks->mem + a->used;
    a->used += n;
    return p;
}

void *arena_zalloc(struct arena *a, size_t n)
{
    return memset(arena_alloc(a, n ? n : 1), 0, n);
}

struct slice arena_copy(struct arena *a, struct slice s)
{
    if (s.n == 0)
        return (struct slice){"", 0};
    return slice_mem(memcpy(arena_alloc(a, s.n), s.p, s.n), s.n);
}

char *arena_cstr(struct arena *a, struct slice s)
{
    char *p = arena_alloc(a, s.n + 1);
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = 0;
    return p;
}

/* Where it fits into what the block has left it is printed once. */
struct slice arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    size_t room = a->blocks ? a->cap - a->used : 0;
    int printed = vsnprintf(room ? a->blocks->mem + a->used : NULL, room, fmt, ap);
    size_t n = printed > 0 ? (size_t)printed : 0;
    char *p = arena_alloc(a, n + 1);
    if (n + 1 > room)
        vsnprintf(p, n + 1, fmt, again);
    va_end(again);
    va_end(ap);
    return slice_mem(p, n);
}
