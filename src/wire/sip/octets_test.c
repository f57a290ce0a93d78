#include "wire/sip/octets.h"

#include <stdlib.h>

#include "ground/base/mem.h"
#include "ground/base/test.h"

enum { LONGEST = 70, ROUNDS = 200 };

/* Repeatable noise. */
static uint64_t noise(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

TEST(bits_of_a_comparison)
{
    uint64_t state = 1;
    for (int i = 0; i < ROUNDS; i++) {
        octets x = {0};
        unsigned wanted = (unsigned)noise(&state) & 0xffff;
        for (unsigned k = 0; k < sizeof(octets); k++)
            x[k] = wanted >> k & 1 ? 0xff : 0;
        CHECK_INT(octets_bits(x), wanted);
        CHECK_INT(octets_bits_any(x), wanted);
    }
    CHECK_INT(octets_bits((octets){0}), 0);
    CHECK_INT(octets_bits(~(octets){0}), 0xffff);
    CHECK_INT(octets_bits_any(~(octets){0}), 0xffff);
}

TEST(few_octets)
{
    for (size_t n = 0; n < sizeof(octets); n++) {
        char *p = mem_alloc(n ? n : 1); /* what is read beyond is found by the sanitizer */
        for (size_t i = 0; i < n; i++)
            p[i] = (char)(0xf1 + i);
        octets x = octets_short(p, n);
        for (size_t i = 0; i < sizeof(octets); i++)
            CHECK_INT(x[i], i < n ? 0xf1 + i : 0);
        mem_free(p);
    }
}

static size_t find_slowly(struct slice s, const char *among)
{
    size_t i = 0;
    while (i < s.n && !memchr(among, s.p[i], 4))
        i++;
    return i;
}

/* One of them at every place of every length, another one behind it, and others around that differ in a bit.
 */
TEST(first_of_several)
{
    static const char among[] = {';', '"', ',', (char)0xc3};
    for (size_t n = 0; n <= LONGEST; n++) {
        char *p = mem_alloc(n ? n : 1);
        for (size_t at = 0; at <= n; at++)
            for (size_t which = 0; which < sizeof(among); which++) {
                memset(p, among[which] ^ 0x10, n);
                if (at < n)
                    p[at] = among[which];
                if (at + 2 < n)
                    p[at + 2] = among[(which + 1) % sizeof(among)];
                struct slice s = {p, n};
                CHECK_INT(octets_find4(s, among[0], among[1], among[2], among[3]), find_slowly(s, among));
                CHECK_INT(octets_find(s, among[which]), at);
                CHECK_INT(octets_find2(s, '\n', among[which]), at);
                CHECK_INT(octets_find3(s, '\n', '\r', among[which]), at);
            }
        mem_free(p);
    }
    CHECK_INT(octets_find(SLICE_NONE, 'x'), 0);
}

TEST_MAIN(bits_of_a_comparison, few_octets, first_of_several)
