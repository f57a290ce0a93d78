/*
 * base/text.h - hex, base64 (RFC 4648 sections 4 and 5) and percent-escapes.
 *
 * Decoders return the number of bytes written, or -EINVAL on anything that is not exactly the encoding,
 * -ENOSPC when it does not fit into cap.
 */
#pragma once

#include "ground/base/buf.h"

#include <sys/types.h>

void text_hex(struct buf *out, const void *p, size_t n); /* lower case */
ssize_t text_unhex(struct slice s, void *out, size_t cap);
void text_base64(struct buf *out, const void *p, size_t n);
void text_base64url(struct buf *out, const void *p, size_t n);   /* without padding */
ssize_t text_unbase64(struct slice s, void *out, size_t cap);    /* padding wanted */
ssize_t text_unbase64url(struct slice s, void *out, size_t cap); /* no padding */
static inline char text_lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}
/* The lowest digits of v in hex, without NUL; returns what is behind them. */
static inline char *text_put_hex(char *to, uint64_t v, unsigned digits)
{
    for (unsigned i = digits; i-- > 0; v >>= 4)
        to[i] = "0123456789abcdef"[v & 15];
    return to + digits;
}
/* The value of a hex digit of either case, or -1. A table: digits come in no order that a branch could learn.
 */
extern const signed char text_hexvals[256];
static inline int text_hexval(char c)
{
    return text_hexvals[(unsigned char)c];
}
