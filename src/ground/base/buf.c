#include "ground/base/buf.h"

#include "ground/base/mem.h"

#include <stdio.h>

void buf_fini(struct buf *b)
{
    mem_free(b->mem);
    *b = (struct buf){0};
}

char *buf_grow(struct buf *b, size_t n)
{
    size_t len = buf_len(b);
    if (b->mem && b->start >= len &&
        b->cap - len >= n) { /* moving is cheap: the front is larger than the rest */
        if (len)
            memmove(b->mem, b->mem + b->start, len);
    } else {
        size_t cap = b->cap ? b->cap * 2 : 256;
        while (cap - len < n)
            cap *= 2;
        char *mem = mem_alloc(cap);
        if (len)
            memcpy(mem, b->mem + b->start, len);
        mem_free(b->mem);
        b->mem = mem;
        b->cap = cap;
    }
    b->start = 0;
    b->end = len;
    return b->mem + b->end;
}

void buf_append_char(struct buf *b, char c)
{
    *buf_reserve(b, 1) = c;
    b->end++;
}

void buf_append_u64(struct buf *b, uint64_t v)
{
    char digits[20];
    size_t i = sizeof(digits);
    do
        digits[--i] = (char)('0' + v % 10);
    while ((v /= 10) != 0);
    buf_append_mem(b, digits + i, sizeof(digits) - i);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(buf_reserve(b, 128), 128, fmt, ap);
    if (n >= 128)
        vsnprintf(buf_reserve(b, (size_t)n + 1), (size_t)n + 1, fmt, again);
    va_end(again);
    if (n > 0)
        b->end += (size_t)n;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(b, fmt, ap);
    va_end(ap);
}

void buf_consume(struct buf *b, size_t n)
{
    if (n >= buf_len(b))
        b->start = b->end = 0;
    else
        b->start += n;
}

void buf_clear(struct buf *b, size_t keep_cap)
{
    if (b->cap > keep_cap)
        buf_fini(b);
    b->start = b->end = 0;
}

char *buf_take(struct buf *b)
{
    buf_append_char(b, 0);
    if (b->start)
        memmove(b->mem, b->mem + b->start, buf_len(b));
    char *p = b->mem;
    *b = (struct buf){0};
    return p;
}
