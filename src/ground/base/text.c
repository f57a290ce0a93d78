#include "ground/base/text.h"

#include <errno.h>

static const char HEX[] = "0123456789abcdef";
static const char STD[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char URL[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void text_hex(struct buf *out, const void *p, size_t n)
{
    const unsigned char *b = p;
    for (size_t i = 0; i < n; i++) {
        buf_append_char(out, HEX[b[i] >> 4]);
        buf_append_char(out, HEX[b[i] & 15]);
    }
}

ssize_t text_unhex(struct slice s, void *out, size_t cap)
{
    unsigned char *b = out;
    if (s.n % 2)
        return -EINVAL;
    if (s.n / 2 > cap)
        return -ENOSPC;
    for (size_t i = 0; i < s.n / 2; i++) {
        int hi = text_hexval(s.p[2 * i]), lo = text_hexval(s.p[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return -EINVAL;
        b[i] = (unsigned char)(hi << 4 | lo);
    }
    return (ssize_t)(s.n / 2);
}

static void encode64(struct buf *out, const unsigned char *b, size_t n, const char *digits, bool pad)
{
    for (size_t i = 0; i < n; i += 3) {
        size_t k = n - i < 3 ? n - i : 3;
        unsigned v = (unsigned)b[i] << 16 | (k > 1 ? (unsigned)b[i + 1] << 8 : 0) | (k > 2 ? b[i + 2] : 0);
        for (size_t j = 0; j < 4; j++) {
            if (j <= k)
                buf_append_char(out, digits[(v >> (18 - 6 * j)) & 63]);
            else if (pad)
                buf_append_char(out, '=');
        }
    }
}

void text_base64(struct buf *out, const void *p, size_t n)
{
    encode64(out, p, n, STD, true);
}

void text_base64url(struct buf *out, const void *p, size_t n)
{
    encode64(out, p, n, URL, false);
}

static ssize_t decode64(struct slice s, unsigned char *out, size_t cap, const char *digits)
{
    size_t len = 0;
    unsigned v = 0, bits = 0;
    if (s.n % 4 == 1)
        return -EINVAL;
    for (size_t i = 0; i < s.n; i++) {
        const char *d = s.p[i] ? memchr(digits, s.p[i], 64) : NULL;
        if (!d)
            return -EINVAL;
        v = v << 6 | (unsigned)(d - digits);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            if (len == cap)
                return -ENOSPC;
            out[len++] = (unsigned char)(v >> bits);
            v &= (1u << bits) - 1;
        }
    }
    return v ? -EINVAL : (ssize_t)len; /* leftover bits must be zero: one encoding for one text */
}

ssize_t text_unbase64(struct slice s, void *out, size_t cap)
{
    if (s.n % 4)
        return -EINVAL;
    for (int i = 0; i < 2 && s.n && s.p[s.n - 1] == '='; i++)
        s.n--;
    return decode64(s, out, cap, STD);
}

ssize_t text_unbase64url(struct slice s, void *out, size_t cap)
{
    return decode64(s, out, cap, URL);
}
