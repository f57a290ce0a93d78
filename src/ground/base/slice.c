#include "ground/base/slice.h"

#include "ground/base/mem.h"
#include "ground/base/text.h"

#include <endian.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

/* What is compared is mostly written alike, or differs in the first letter. */
bool slice_same_any_case(const char *a, const char *b, size_t n)
{
    if (n >= 4 && n < 8 && memcmp(a, b, 4) == 0 && memcmp(a + n - 4, b + n - 4, 4) == 0)
        return true;
    for (size_t i = 0; i < n;) {
        uint64_t x, y;
        if (n - i >= sizeof(x)) {
            memcpy(&x, a + i, sizeof(x));
            memcpy(&y, b + i, sizeof(y));
            if (x == y) {
                i += sizeof(x);
                continue;
            }
        }
        if (a[i] != b[i] && text_lower(a[i]) != text_lower(b[i]))
            return false;
        i++;
    }
    return true;
}

bool slice_starts(struct slice s, struct slice prefix)
{
    return s.n >= prefix.n && slice_eq(slice_head(s, prefix.n), prefix);
}

bool slice_casestarts(struct slice s, struct slice prefix)
{
    return s.n >= prefix.n && slice_caseeq(slice_head(s, prefix.n), prefix);
}

bool slice_ends(struct slice s, struct slice suffix)
{
    return s.n >= suffix.n && slice_eq(slice_from(s, s.n - suffix.n), suffix);
}

int slice_cmp(struct slice a, struct slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int r = n ? memcmp(a.p, b.p, n) : 0;
    return r ? r : (a.n > b.n) - (a.n < b.n);
}

size_t slice_search(struct slice s, struct slice what)
{
    if (what.n == 0)
        return 0;
    const char *hit = s.n ? memmem(s.p, s.n, what.p, what.n) : NULL;
    return hit ? (size_t)(hit - s.p) : SIZE_MAX;
}

int slice_u64(struct slice s, uint64_t max, uint64_t *ret)
{
    enum { FIT_ALWAYS = 19 }; /* digits */
    uint64_t v = 0;
    if (s.n == 0)
        return -EINVAL;
    for (size_t i = 0; i < s.n; i++) {
        unsigned digit = (unsigned char)(s.p[i] - '0');
        if (digit > 9)
            return -EINVAL;
        if (s.n <= FIT_ALWAYS)
            v = v * 10 + digit;
        else if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, digit, &v))
            return -ERANGE;
    }
    if (v > max)
        return -ERANGE;
    *ret = v;
    return 0;
}

bool slice_within_domain(struct slice name, struct slice domain)
{
    if (domain.n == 0 || name.n < domain.n)
        return false;
    if (!slice_caseeq(slice_from(name, name.n - domain.n), domain))
        return false;
    return name.n == domain.n || name.p[name.n - domain.n - 1] == '.';
}

/* SipHash-1-3 (Aumasson and Bernstein 2012). */
#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1], v[1] = ROTL(v[1], 13), v[1] ^= v[0], v[0] = ROTL(v[0], 32);
    v[2] += v[3], v[3] = ROTL(v[3], 16), v[3] ^= v[2];
    v[0] += v[3], v[3] = ROTL(v[3], 21), v[3] ^= v[0];
    v[2] += v[1], v[1] = ROTL(v[1], 17), v[1] ^= v[2], v[2] = ROTL(v[2], 32);
}

static uint64_t hash_key[2];

/* Before main, so that no thread ever sees half a key. */
__attribute__((constructor)) static void hash_key_init(void)
{
    if (getrandom(hash_key, sizeof(hash_key), 0) != (ssize_t)sizeof(hash_key)) {
        fprintf(stderr, "no randomness from the kernel\n");
        abort();
    }
}

/* Up to 8 bytes as a little-endian number. */
static inline uint64_t hash_word(const char *p, size_t n, bool lower)
{
    uint64_t m = 0;
    for (size_t i = 0; i < n; i++)
        m |= (uint64_t)(unsigned char)(lower ? text_lower(p[i]) : p[i]) << (8 * i);
    return m;
}

static inline uint64_t hash_bytes(struct slice s, bool lower)
{
    uint64_t v[4] = {hash_key[0] ^ 0x736f6d6570736575, hash_key[1] ^ 0x646f72616e646f6d,
                     hash_key[0] ^ 0x6c7967656e657261, hash_key[1] ^ 0x7465646279746573};
    size_t i = 0;
    for (; s.n - i >= 8; i += 8) {
        uint64_t m;
        memcpy(&m, s.p + i, sizeof(m));
        m = lower ? hash_word(s.p + i, 8, true) : le64toh(m);
        v[3] ^= m;
        sip_round(v);
        v[0] ^= m;
    }
    uint64_t last = hash_word(s.p + i, s.n - i, lower) | (uint64_t)s.n << 56;
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int r = 0; r < 3; r++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t slice_hash(struct slice s)
{
    return hash_bytes(s, false);
}

uint64_t slice_casehash(struct slice s)
{
    return hash_bytes(s, true);
}

char *slice_dup(struct slice s)
{
    char *p = mem_alloc(s.n + 1);
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = 0;
    return p;
}
