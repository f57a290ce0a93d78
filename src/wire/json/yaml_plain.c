#include "wire/json/priv.h"

#include <math.h>
#include <stdlib.h>

/* YAML 1.2.2 section 10.3.2, the tag resolution of the core schema. */
static const struct {
    const char *text;
    enum json_kind kind;
    bool boolean;
} WORDS[] = {
    {"",      JSON_NULL, false},
    {"~",     JSON_NULL, false},
    {"null",  JSON_NULL, false},
    {"Null",  JSON_NULL, false},
    {"NULL",  JSON_NULL, false},
    {"true",  JSON_BOOL, true },
    {"True",  JSON_BOOL, true },
    {"TRUE",  JSON_BOOL, true },
    {"false", JSON_BOOL, false},
    {"False", JSON_BOOL, false},
    {"FALSE", JSON_BOOL, false},
};
/* Numbers that JSON does not have. */
static const char *const NOT_FINITE[] = {".inf",  ".Inf",  ".INF",  "+.inf", "+.Inf", "+.INF",
                                         "-.inf", "-.Inf", "-.INF", ".nan",  ".NaN",  ".NAN"};

enum number { NOT_A_NUMBER, DECIMAL, HEX, OCTAL };

static size_t skip_digits(struct slice s, size_t i)
{
    while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
        i++;
    return i;
}

static bool only_of(struct slice s, const char *set)
{
    for (size_t i = 0; i < s.n; i++)
        if (!s.p[i] || !strchr(set, s.p[i]))
            return false;
    return s.n > 0;
}

static enum number number_kind(struct slice s)
{
    if (slice_starts(s, SLICE("0x")))
        return only_of(slice_from(s, 2), "0123456789abcdefABCDEF") ? HEX : NOT_A_NUMBER;
    if (slice_starts(s, SLICE("0o")))
        return only_of(slice_from(s, 2), "01234567") ? OCTAL : NOT_A_NUMBER;
    size_t start = s.n && (s.p[0] == '-' || s.p[0] == '+');
    size_t i = skip_digits(s, start), digits = i - start;
    if (i < s.n && s.p[i] == '.') {
        size_t end = skip_digits(s, i + 1);
        digits += end - i - 1;
        i = end;
    }
    if (!digits)
        return NOT_A_NUMBER;
    if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
        i++;
        i += i < s.n && (s.p[i] == '-' || s.p[i] == '+');
        size_t end = skip_digits(s, i);
        if (end == i)
            return NOT_A_NUMBER;
        i = end;
    }
    return i == s.n ? DECIMAL : NOT_A_NUMBER;
}

static bool not_finite(struct slice s)
{
    for (size_t i = 0; i < sizeof(NOT_FINITE) / sizeof(NOT_FINITE[0]); i++)
        if (slice_eq(s, slice_str(NOT_FINITE[i])))
            return true;
    return false;
}

static double number_value(struct arena *a, struct slice s, enum number kind)
{
    if (kind != OCTAL)
        return strtod(arena_cstr(a, s), NULL); /* reads hexadecimal as well */
    double d = 0;
    for (size_t i = 2; i < s.n; i++)
        d = d * 8 + (s.p[i] - '0');
    return d;
}

struct json_value *yaml_plain_value(struct arena *a, struct slice s)
{
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++)
        if (slice_eq(s, slice_str(WORDS[i].text)))
            return WORDS[i].kind == JSON_NULL ? json_null(a) : json_bool(a, WORDS[i].boolean);
    if (not_finite(s))
        return NULL;
    enum number kind = number_kind(s);
    if (kind == NOT_A_NUMBER)
        return json_string(a, s);
    double d = number_value(a, s, kind);
    return isfinite(d) ? json_real(a, d) : NULL;
}

bool yaml_plain_is_string(struct slice s)
{
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++)
        if (slice_eq(s, slice_str(WORDS[i].text)))
            return false;
    return !not_finite(s) && number_kind(s) == NOT_A_NUMBER;
}
