/*
 * base/slice.h - a piece of text: pointer and length, passed by value, never ended by NUL.
 *
 * A slice owns nothing: what it points into must outlive it. Functions that "cut" or "take" return slices of
 * their argument. Case-insensitive comparison is ASCII only, as SIP, DNS names and TLS names want it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *p;
    size_t n;
};

#define SLICE_INIT(lit)                                                                                      \
    {                                                                                                        \
        "" lit, sizeof(lit) - 1                                                                              \
    }
#define SLICE(lit) ((struct slice)SLICE_INIT(lit))
#define SLICE_NONE ((struct slice){NULL, 0})
/* for printf: printf("from " SLICE_FMT "\n", SLICE_ARG(s)) */
#define SLICE_FMT "%.*s"
#define SLICE_ARG(s) (int)(s).n, ((s).p ? (s).p : "")

static inline struct slice slice_str(const char *s)
{
    return (struct slice){s, s ? strlen(s) : 0};
}

static inline struct slice slice_mem(const void *p, size_t n)
{
    return (struct slice){(const char *)p, n};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* From index i (clamped) on, and the first i bytes (clamped). */
static inline struct slice slice_from(struct slice s, size_t i)
{
    if (i > s.n)
        i = s.n;
    return (struct slice){s.n ? s.p + i : s.p, s.n - i};
}

static inline struct slice slice_head(struct slice s, size_t i)
{
    return (struct slice){s.p, i < s.n ? i : s.n};
}

/* Index of the first c, or SIZE_MAX. */
static inline size_t slice_find(struct slice s, char c)
{
    const char *hit = s.n ? (const char *)memchr(s.p, c, s.n) : NULL;
    return hit ? (size_t)(hit - s.p) : SIZE_MAX;
}

/* At the first c: what stands before it and behind it. False (and nothing written) without a c. */
static inline bool slice_cut(struct slice s, char c, struct slice *ret_head, struct slice *ret_tail)
{
    size_t i = slice_find(s, c);
    if (i == SIZE_MAX)
        return false;
    *ret_head = (struct slice){s.p, i};
    *ret_tail = (struct slice){s.p + i + 1, s.n - i - 1};
    return true;
}

static inline bool slice_is_space(char c)
{
    return (unsigned char)c <= ' ' && (c == ' ' || c == '\t' || c == '\r' || c == '\n');
}

/* Without spaces, tabs, CR and LF at both ends. */
static inline struct slice slice_trim(struct slice s)
{
    if (!s.p)
        return s;
    while (s.n && slice_is_space(s.p[0]))
        s.p++, s.n--;
    while (s.n && slice_is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool slice_same_any_case(const char *a, const char *b, size_t n);
static inline bool slice_caseeq(struct slice a, struct slice b)
{
    /* what has octets has an address, but the analyser cannot know */
    if (a.n != b.n || !a.n || !a.p || !b.p)
        return a.n == b.n;
    return (a.p[0] | 0x20) == (b.p[0] | 0x20) && slice_same_any_case(a.p, b.p, a.n); /* seldom in vain */
}
bool slice_starts(struct slice s, struct slice prefix);
bool slice_casestarts(struct slice s, struct slice prefix);
bool slice_ends(struct slice s, struct slice suffix);
/* <0, 0, >0: bytewise order, shorter first. */
int slice_cmp(struct slice a, struct slice b);
/* Index of the first occurrence of what, or SIZE_MAX. */
size_t slice_search(struct slice s, struct slice what);
/* Decimal digits only, no sign; -EINVAL on anything else or nothing, -ERANGE beyond max. */
int slice_u64(struct slice s, uint64_t max, uint64_t *ret);
/* Is `name` the domain `domain` or below it? Both without trailing dot; ASCII case is ignored. */
bool slice_within_domain(struct slice name, struct slice domain);
/* Keyed 64-bit hash for tables that peers can fill (SipHash-1-3, the key is random for each process). */
uint64_t slice_hash(struct slice s);
/* The same over ASCII lower case. */
uint64_t slice_casehash(struct slice s);
/* A NUL-terminated copy on the heap (mem_alloc). */
char *slice_dup(struct slice s);
