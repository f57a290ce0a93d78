#include "wire/json/json.h"

#include "ground/base/mem.h"
#include "wire/json/priv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

int32_t json_utf8_next(struct slice s, size_t *i)
{
    static const int32_t LEAST[] = {0, 0x80, 0x800, 0x10000};
    unsigned char lead = (unsigned char)s.p[(*i)++];
    if (lead < 0x80)
        return lead;
    size_t more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || s.n - *i < more)
        return -1;
    int32_t c = lead & (0x3f >> more);
    for (size_t k = 0; k < more; k++) {
        unsigned char b = (unsigned char)s.p[*i + k];
        if ((b & 0xc0) != 0x80)
            return -1;
        c = c << 6 | (b & 0x3f);
    }
    if (c < LEAST[more] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return -1;
    *i += more;
    return c;
}

static void write_escape(unsigned char c, struct buf *out)
{
    static const char SHORT[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    if (c < sizeof(SHORT) && SHORT[c])
        buf_printf(out, "\\%c", SHORT[c]);
    else if (c < 0x20)
        buf_printf(out, "\\u%04x", c);
    else
        buf_printf(out, "\\%c", c);
}

/* RFC 8785 section 3.2.2.2, which also serves for JSON that is not canonical. */
void json_write_string(struct slice s, struct buf *out)
{
    buf_append_char(out, '"');
    for (size_t i = 0; i < s.n;) {
        size_t start = i;
        int32_t c = json_utf8_next(s, &i);
        if (c < 0)
            buf_append(out, SLICE("\xef\xbf\xbd"));
        else if (c < 0x20 || c == '"' || c == '\\')
            write_escape((unsigned char)c, out);
        else
            buf_append_mem(out, s.p + start, i - start);
    }
    buf_append_char(out, '"');
}

/* The number 0.DIGITS times ten to the power exponent. */
struct decimal {
    char digits[24];
    int n, exponent;
};

static double decimal_value(const struct decimal *d)
{
    char text[48];
    snprintf(text, sizeof(text), "0.%se%d", d->digits, d->exponent);
    return strtod(text, NULL);
}

static void decimal_round(double v, int n, struct decimal *ret)
{
    char text[48];
    snprintf(text, sizeof(text), "%.*e", n - 1, v);
    *ret = (struct decimal){.n = n};
    ret->digits[0] = text[0];
    memcpy(ret->digits + 1, text + 2, (size_t)n - 1);
    ret->exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10) + 1;
}

static void decimal_increment(struct decimal *d)
{
    int i = d->n - 1;
    while (i >= 0 && d->digits[i] == '9')
        d->digits[i--] = '0';
    if (i >= 0) {
        d->digits[i]++;
        return;
    }
    d->digits[0] = '1'; /* 999 became 1000 */
    d->exponent++;
}

/* The fewest digits that give v again. At a power of two the doubles above lie wider apart than those below:
 * so the next decimal up may lead back to v where the nearest one does not. */
static void decimal_shortest(double v, struct decimal *ret)
{
    for (int n = 1; n < 17; n++) {
        decimal_round(v, n, ret);
        if (decimal_value(ret) == v)
            return;
        decimal_increment(ret);
        if (decimal_value(ret) == v)
            return;
    }
    decimal_round(v, 17, ret);
}

static void write_zeros(int n, struct buf *out)
{
    while (n-- > 0)
        buf_append_char(out, '0');
}

void json_write_number(double v, struct buf *out)
{
    if (!isfinite(v)) {
        buf_append(out, SLICE("null"));
        return;
    }
    if (v == 0) {
        buf_append_char(out, '0');
        return;
    }
    if (v < 0)
        buf_append_char(out, '-');
    struct decimal d;
    decimal_shortest(fabs(v), &d);
    while (d.n > 1 && d.digits[d.n - 1] == '0')
        d.digits[--d.n] = 0;
    /* ECMA-262, Number::toString, steps 6 to 10: n is its exponent, k its number of digits */
    int n = d.exponent, k = d.n;
    if (k <= n && n <= 21) {
        buf_append_mem(out, d.digits, (size_t)k);
        write_zeros(n - k, out);
    } else if (0 < n && n <= 21) {
        buf_printf(out, "%.*s.%s", n, d.digits, d.digits + n);
    } else if (-6 < n && n <= 0) {
        buf_append(out, SLICE("0."));
        write_zeros(-n, out);
        buf_append_mem(out, d.digits, (size_t)k);
    } else {
        buf_printf(out, "%c%s%se%+d", d.digits[0], k > 1 ? "." : "", d.digits + 1, n - 1);
    }
}

enum style { COMPACT, PRETTY, CANONICAL };

static void write_value(const struct json_value *v, enum style style, int depth, struct buf *out);

static void write_break(enum style style, int depth, struct buf *out)
{
    if (style == PRETTY)
        buf_printf(out, "\n%*s", 2 * depth, "");
}

static void write_array(const struct json_value *v, enum style style, int depth, struct buf *out)
{
    buf_append_char(out, '[');
    for (size_t i = 0; i < v->array.n; i++) {
        if (i)
            buf_append_char(out, ',');
        write_break(style, depth + 1, out);
        write_value(v->array.items[i], style, depth + 1, out);
    }
    if (v->array.n)
        write_break(style, depth, out);
    buf_append_char(out, ']');
}

/* RFC 8785 section 3.2.3: by UTF-16 code units. In bytes of UTF-8 that differs only where a character beyond
 * U+FFFF (F0..F4, surrogates in UTF-16) meets one of U+E000..U+FFFF (EE, EF): the former is the smaller. */
static int compare_utf16(struct slice a, struct slice b)
{
    for (size_t i = 0; i < a.n && i < b.n; i++) {
        unsigned char x = (unsigned char)a.p[i], y = (unsigned char)b.p[i];
        if (x == y)
            continue;
        if (x >= 0xf0 && (y == 0xee || y == 0xef))
            return -1;
        if (y >= 0xf0 && (x == 0xee || x == 0xef))
            return 1;
        return x < y ? -1 : 1;
    }
    return (a.n > b.n) - (a.n < b.n);
}

static int compare_members(const void *a, const void *b)
{
    return compare_utf16(((const struct json_member *)a)->name, ((const struct json_member *)b)->name);
}

static void write_object(const struct json_value *v, enum style style, int depth, struct buf *out)
{
    struct json_member *members = v->object.members, *sorted = NULL;
    if (style == CANONICAL && v->object.n > 1) {
        sorted = mem_alloc(v->object.n * sizeof(*sorted));
        memcpy(sorted, members, v->object.n * sizeof(*sorted));
        qsort(sorted, v->object.n, sizeof(*sorted), compare_members);
        members = sorted;
    }
    buf_append_char(out, '{');
    for (size_t i = 0; i < v->object.n; i++) {
        if (i)
            buf_append_char(out, ',');
        write_break(style, depth + 1, out);
        json_write_string(members[i].name, out);
        buf_append(out, style == PRETTY ? SLICE(": ") : SLICE(":"));
        write_value(members[i].value, style, depth + 1, out);
    }
    if (v->object.n)
        write_break(style, depth, out);
    buf_append_char(out, '}');
    mem_free(sorted);
}

static void write_value(const struct json_value *v, enum style style, int depth, struct buf *out)
{
    switch (v->kind) {
    case JSON_NULL:
        buf_append(out, SLICE("null"));
        break;
    case JSON_BOOL:
        buf_append(out, v->boolean ? SLICE("true") : SLICE("false"));
        break;
    case JSON_INT:
        buf_printf(out, "%lld", (long long)v->integer);
        break;
    case JSON_REAL:
        json_write_number(v->real, out);
        break;
    case JSON_STRING:
        json_write_string(v->string, out);
        break;
    case JSON_ARRAY:
        write_array(v, style, depth, out);
        break;
    case JSON_OBJECT:
        write_object(v, style, depth, out);
        break;
    }
}

void json_write(const struct json_value *v, bool pretty, struct buf *out)
{
    write_value(v, pretty ? PRETTY : COMPACT, 0, out);
}

void json_write_canonical(const struct json_value *v, struct buf *out)
{
    write_value(v, CANONICAL, 0, out);
}
