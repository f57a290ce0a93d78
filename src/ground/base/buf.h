/*
 * base/buf.h - a growing byte buffer; also a queue (append at the end, consume at the front).
 *
 * Storage is the caller's (buf_fini frees what it holds); {0} is a valid empty buffer. Bytes appended stay
 * contiguous; pointers into the buffer are valid until the next append or consume.
 */
#pragma once

#include "ground/base/slice.h"

#include <stdarg.h>

struct buf {
    char *mem;
    size_t start; /* first byte not yet consumed */
    size_t end;   /* one past the last byte */
    size_t cap;
};

void buf_fini(struct buf *b);
static inline size_t buf_len(const struct buf *b)
{
    return b->end - b->start;
}
static inline struct slice buf_slice(const struct buf *b)
{
    return (struct slice){b->mem ? b->mem + b->start : NULL, b->end - b->start};
}
char *buf_grow(struct buf *b, size_t n); /* of buf_reserve, when there is no room */
/* Room for n more bytes at the end: write there, then buf_commit what was written. */
static inline char *buf_reserve(struct buf *b, size_t n)
{
    return b->cap - b->end >= n && b->mem ? b->mem + b->end : buf_grow(b, n);
}
static inline void buf_commit(struct buf *b, size_t n)
{
    b->end += n;
}
static inline void buf_append_mem(struct buf *b, const void *p, size_t n)
{
    if (n == 0)
        return;
    memcpy(buf_reserve(b, n), p, n);
    b->end += n;
}
static inline void buf_append(struct buf *b, struct slice s)
{
    buf_append_mem(b, s.p, s.n);
}
void buf_append_char(struct buf *b, char c);
void buf_append_u64(struct buf *b, uint64_t v);
__attribute__((format(printf, 2, 3))) void buf_printf(struct buf *b, const char *fmt, ...);
__attribute__((format(printf, 2, 0))) void buf_vprintf(struct buf *b, const char *fmt, va_list ap);
/* Drops n bytes at the front (all of them at the most). */
void buf_consume(struct buf *b, size_t n);
/* Empties; keeps the memory, but for more than keep_cap bytes of it. */
void buf_clear(struct buf *b, size_t keep_cap);
/* The text as a C string that the caller frees with mem_free; the buffer is empty afterwards. */
char *buf_take(struct buf *b);
