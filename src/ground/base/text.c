#include "ground/base/text.h"

#include <errno.h>

static const char HEX[] = "0123456789abcdef";
static const char STD[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char URL[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const signed char text_hexvals[256] = {
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0,  1,  2,  3,
    4,  5,  6,  7,  8,  9,  -1, -1, -1, -1, -1, -1, -1, 10, 11, 12, 13, 14, 15, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 10, 11, 12, 13, 14, 15, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
};

void text_hex(struct buf *out, const void *p, size_t n)
{
    const unsigned char *b = p;
    char *to = buf_reserve(out, 2 * n);
    for (size_t i = 0; i < n; i++) {
        *to++ = HEX[b[i] >> 4];
        *to++ = HEX[b[i] & 15];
    }
    buf_commit(out, 2 * n);
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
    char *start = buf_reserve(out, (n + 2) / 3 * 4), *to = start;
    for (size_t i = 0; i < n; i += 3) {
        size_t k = n - i < 3 ? n - i : 3;
        unsigned v = (unsigned)b[i] << 16 | (k > 1 ? (unsigned)b[i + 1] << 8 : 0) | (k > 2 ? b[i + 2] : 0);
        for (size_t j = 0; j < 4; j++) {
            if (j <= k)
                *to++ = digits[(v >> (18 - 6 * j)) & 63];
            else if (pad)
                *to++ = '=';
        }
    }
    buf_commit(out, (size_t)(to - start));
}

void text_base64(struct buf *out, const void *p, size_t n)
{
    encode64(out, p, n, STD, true);
}

void text_base64url(struct buf *out, const void *p, size_t n)
{
    encode64(out, p, n, URL, false);
}

/* One more than the value of a digit of either alphabet. */
static const unsigned char values64[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['-'] = 63,
    ['/'] = 64, ['_'] = 64,
};

static ssize_t decode64(struct slice s, unsigned char *out, size_t cap, const char *digits)
{
    size_t len = 0;
    unsigned v = 0, bits = 0;
    if (s.n % 4 == 1)
        return -EINVAL;
    for (size_t i = 0; i < s.n; i++) {
        unsigned d = values64[(unsigned char)s.p[i]];
        if (d == 0 || digits[d - 1] != s.p[i])
            return -EINVAL;
        v = v << 6 | (d - 1);
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
