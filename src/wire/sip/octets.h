/*
 * sip/octets.h - looking at sixteen octets at a time: for the parsers of this folder.
 *
 * Written with the compiler's vectors, which become the instructions of any processor; only the way from a
 * vector to bits has a form of its own where the processor has one (x86-64), and octets_test.c compares both.
 */
#pragma once

#include "ground/base/slice.h"

#include <endian.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

typedef uint8_t octets __attribute__((vector_size(16)));

static inline octets octets_at(const char *p)
{
    octets x;
    memcpy(&x, p, sizeof(x));
    return x;
}

/* Fewer than sixteen, with NULs behind them: nothing beyond the n octets is read. */
static inline octets octets_short(const char *p, size_t n)
{
    uint64_t w[2] = {0, 0};
    octets x;
    if (n >= 8) {
        uint64_t last;
        memcpy(&w[0], p, 8);
        memcpy(&last, p + n - 8, 8);
        w[1] = htole64(le64toh(last) >> (8 * (15 - n)) >> 8);
    } else if (n >= 4) {
        uint32_t first, last;
        memcpy(&first, p, 4);
        memcpy(&last, p + n - 4, 4);
        w[0] = htole64((uint64_t)le32toh(first) | (uint64_t)le32toh(last) << (8 * (n - 4)));
    } else if (n > 0) {
        const unsigned char *b = (const unsigned char *)p;
        w[0] = htole64(b[0] | (uint64_t)b[n / 2] << (8 * (n / 2)) | (uint64_t)b[n - 1] << (8 * (n - 1)));
    }
    memcpy(&x, w, sizeof(x));
    return x;
}

/* Bit i for octet i, of a comparison: its octets are 0 or 0xff. */
static inline unsigned octets_bits_any(octets x)
{
    uint64_t w[2];
    memcpy(w, &x, sizeof(w));
    /* one bit of each octet; the product gathers them in the highest octet */
    uint64_t low = (le64toh(w[0]) & 0x0101010101010101u) * 0x0102040810204080u >> 56;
    uint64_t high = (le64toh(w[1]) & 0x0101010101010101u) * 0x0102040810204080u >> 56;
    return (unsigned)(low | high << 8);
}

static inline unsigned octets_bits(octets x)
{
#ifdef __SSE2__
    return (unsigned)_mm_movemask_epi8((__m128i)x);
#else
    return octets_bits_any(x);
#endif
}

/* Octets that are one of four, none of them NUL; the same one again where fewer are wanted. */
static inline unsigned octets_among(octets x, char a, char b, char c, char d)
{
    return octets_bits(
        (octets)((x == (uint8_t)a) | (x == (uint8_t)b) | (x == (uint8_t)c) | (x == (uint8_t)d)));
}

/* Index of the first of them, s.n when there is none. */
static inline size_t octets_find4(struct slice s, char a, char b, char c, char d)
{
    if (s.n < sizeof(octets)) {
        unsigned hits = octets_among(octets_short(s.p, s.n), a, b, c, d);
        return hits ? (size_t)__builtin_ctz(hits) : s.n;
    }
    for (size_t i = 0;;) {
        unsigned hits = octets_among(octets_at(s.p + i), a, b, c, d);
        if (hits)
            return i + (size_t)__builtin_ctz(hits);
        i += sizeof(octets);
        if (i == s.n)
            return s.n;
        if (i > s.n - sizeof(octets)) /* the last ones once more */
            i = s.n - sizeof(octets);
    }
}

static inline size_t octets_find(struct slice s, char a)
{
    return octets_find4(s, a, a, a, a);
}

static inline size_t octets_find2(struct slice s, char a, char b)
{
    return octets_find4(s, a, b, b, b);
}

static inline size_t octets_find3(struct slice s, char a, char b, char c)
{
    return octets_find4(s, a, b, c, c);
}
