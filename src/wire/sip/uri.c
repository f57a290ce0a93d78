#include "wire/sip/uri.h"

#include <arpa/inet.h>
#include <errno.h>

#include "ground/base/text.h"
#include "wire/sip/octets.h"
#include "wire/sip/read.h"

/* --- characters (RFC 3261 25.1) --- */

enum {
    C_USER = 1,
    C_PASSWORD = 2,
    C_NAME = 4, /* of a parameter */
    C_VALUE = 8,
    C_HEADER = 16,
    C_TEL = 32,
    C_SCHEME = 64,
};
enum { C_PARAM = C_NAME | C_VALUE };
enum { C_UNRESERVED = C_USER | C_PASSWORD | C_PARAM | C_HEADER };

/*
 * Which characters may stand in which part; but for '%', which begins an escape in all that have
 * C_UNRESERVED. Wider than the grammar in two points that peers need: '=' within a parameter's value
 * (base64), and ';' ',' '@' in the headers component.
 */
static const uint8_t classes[256] = {
    ['a' ... 'f'] = C_UNRESERVED | C_SCHEME | C_TEL,
    ['g' ... 'z'] = C_UNRESERVED | C_SCHEME,
    ['A' ... 'F'] = C_UNRESERVED | C_SCHEME | C_TEL,
    ['G' ... 'Z'] = C_UNRESERVED | C_SCHEME,
    ['0' ... '9'] = C_UNRESERVED | C_SCHEME | C_TEL,
    ['-'] = C_UNRESERVED | C_SCHEME | C_TEL,
    ['.'] = C_UNRESERVED | C_SCHEME | C_TEL,
    ['_'] = C_UNRESERVED,
    ['!'] = C_UNRESERVED,
    ['~'] = C_UNRESERVED,
    ['*'] = C_UNRESERVED | C_TEL,
    ['#'] = C_TEL,
    ['\''] = C_UNRESERVED,
    ['('] = C_UNRESERVED | C_TEL,
    [')'] = C_UNRESERVED | C_TEL,
    ['&'] = C_UNRESERVED,
    ['='] = C_USER | C_PASSWORD | C_VALUE | C_HEADER,
    ['+'] = C_UNRESERVED | C_SCHEME,
    ['$'] = C_UNRESERVED,
    [','] = C_USER | C_PASSWORD | C_HEADER,
    [';'] = C_USER | C_HEADER,
    ['?'] = C_USER | C_HEADER,
    ['/'] = C_USER | C_PARAM | C_HEADER,
    ['['] = C_PARAM | C_HEADER,
    [']'] = C_PARAM | C_HEADER,
    [':'] = C_PARAM | C_HEADER,
    ['@'] = C_HEADER,
};

static bool is_escape(struct slice s, size_t i)
{
    return s.p[i] == '%' && s.n - i > 2 && text_hexval(s.p[i + 1]) >= 0 && text_hexval(s.p[i + 2]) >= 0;
}

/* Where the run of characters of the class, and of escapes where they may stand, that begins at i ends. */
static inline size_t run_end(struct slice s, size_t i, unsigned class)
{
    for (;;) {
        while (i < s.n && classes[(unsigned char)s.p[i]] & class)
            i++;
        if (i == s.n || !(class & C_UNRESERVED) || !is_escape(s, i))
            return i;
        i += 3;
    }
}

static bool is_all(struct slice s, unsigned class)
{
    return run_end(s, 0, class) == s.n;
}

/* --- parameters and headers of a URI: name[=value] between separators --- */

static inline bool next_pair(struct slice *rest, char sep, struct slice *ret_name, struct slice *ret_value)
{
    struct slice all = *rest;
    if (all.n == 0)
        return false;
    size_t i = octets_find2(all, sep, '=');
    *ret_name = slice_head(all, i);
    *rest = slice_from(all, i + 1);
    *ret_value = SLICE_NONE;
    if (i < all.n && all.p[i] == '=') {
        all = *rest;
        i = octets_find(all, sep);
        *ret_value = slice_head(all, i);
        *rest = slice_from(all, i + 1);
    }
    return true;
}

static bool find_pair(struct slice all, char sep, struct slice name, struct slice *ret_value)
{
    struct slice n, v;
    while (next_pair(&all, sep, &n, &v)) {
        if (slice_caseeq(n, name)) {
            *ret_value = v;
            return true;
        }
    }
    return false;
}

static int check_params(struct slice params)
{
    struct slice names[SIP_URI_MAX_PARAMS];
    size_t count = 0;
    if (params.n == 0 || params.p[params.n - 1] == ';')
        return -EINVAL;
    for (size_t i = 0; i < params.n; i++) {
        size_t begin = i;
        i = run_end(params, begin, C_NAME);
        struct slice name = {params.p + begin, i - begin};
        if (i < params.n && params.p[i] == '=')
            i = run_end(params, i + 1, C_VALUE);
        if (count == SIP_URI_MAX_PARAMS || name.n == 0 || (i < params.n && params.p[i] != ';'))
            return -EINVAL;
        for (size_t k = 0; k < count; k++)
            if (slice_caseeq(names[k], name))
                return -EINVAL;
        names[count++] = name;
    }
    return 0;
}

static int check_headers(struct slice headers)
{
    struct slice name, value, rest = headers;
    size_t count = 0;
    if (headers.n == 0 || !is_all(headers, C_HEADER))
        return -EINVAL;
    while (next_pair(&rest, '&', &name, &value)) {
        if (name.n == 0 || count++ == SIP_URI_MAX_HEADERS)
            return -EINVAL;
    }
    return 0;
}

/* --- parse --- */

static int parse_userinfo(struct slice s, struct sip_uri *u)
{
    size_t i = run_end(s, 0, C_USER);
    u->user = slice_head(s, i);
    u->has_user = true;
    if (i == 0 || (i < s.n && s.p[i] != ':'))
        return -EINVAL;
    u->password = slice_from(s, i + 1);
    return is_all(u->password, C_PASSWORD) ? 0 : -EINVAL;
}

/* ":5061" off the front; port 0 when there is none. */
static int take_port(struct slice *s, uint16_t *ret)
{
    size_t i = 1;
    if (s->n == 0 || s->p[0] != ':')
        return 0;
    while (i < s->n && s->p[i] >= '0' && s->p[i] <= '9')
        i++;
    struct slice digits = slice_from(slice_head(*s, i), 1);
    *s = slice_from(*s, i);
    return sip_port_read(digits, ret);
}

static int parse_sip(struct slice rest, struct sip_uri *u)
{
    size_t at = octets_find(rest, '@');
    if (at < rest.n) {
        if (parse_userinfo(slice_head(rest, at), u) < 0)
            return -EINVAL;
        rest = slice_from(rest, at + 1);
    }
    if (sip_host_take(&rest, &u->host, &u->host_is_ipv6) < 0 || take_port(&rest, &u->port) < 0)
        return -EINVAL;
    if (rest.n == 0)
        return 0;
    size_t end = octets_find(rest, '?');
    if (end > 0) {
        u->params = slice_from(slice_head(rest, end), 1);
        if (rest.p[0] != ';' || check_params(u->params) < 0)
            return -EINVAL;
    }
    if (end == rest.n)
        return 0;
    u->headers = slice_from(rest, end + 1);
    return check_headers(u->headers);
}

static int parse_tel(struct slice rest, struct sip_uri *u)
{
    struct slice number;
    bool has_params = slice_cut(rest, ';', &u->user, &u->params), has_digit = false;
    if (!has_params)
        u->user = rest;
    u->has_user = true;
    number = u->user;
    if (number.n > 0 && number.p[0] == '+')
        number = slice_from(number, 1);
    for (size_t i = 0; i < number.n; i++)
        has_digit = has_digit || text_hexval(number.p[i]) >= 0 || number.p[i] == '*' || number.p[i] == '#';
    if (!has_digit || !is_all(number, C_TEL))
        return -EINVAL;
    return has_params ? check_params(u->params) : 0;
}

/* What may stand in a URI of any scheme: neither controls and spaces nor what URIs are put between. */
static const bool printable[256] = {['!'] = true, ['#' ... ';'] = true, ['='] = true, ['?' ... '~'] = true};

static bool is_printable(struct slice s)
{
    bool all = true;
    for (size_t i = 0; i < s.n; i++)
        all &= printable[(unsigned char)s.p[i]];
    return all;
}

/* Of a scheme that we do not know. */
static int parse_other(struct slice text)
{
    struct slice name, rest;
    if (!is_printable(text) || !slice_cut(text, ':', &name, &rest) || name.n == 0 || rest.n == 0 ||
        !is_all(name, C_SCHEME) || text_lower(name.p[0]) < 'a')
        return -EINVAL;
    return 0;
}

/* The first letters in lower case, as one number. */
static uint32_t letters(const char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v | 0x20202020u;
}

int sip_uri_read(struct slice text, struct sip_uri *u)
{
    *u = (struct sip_uri){.text = text, .scheme = SIP_SCHEME_OTHER};
    if (text.n > 4 && text.p[3] == ':') {
        if (letters(text.p) == letters("sip:")) {
            u->scheme = SIP_SCHEME_SIP;
            return parse_sip(slice_from(text, 4), u);
        }
        if (letters(text.p) == letters("tel:")) {
            u->scheme = SIP_SCHEME_TEL;
            return parse_tel(slice_from(text, 4), u);
        }
    }
    if (text.n > 5 && text.p[4] == ':' && letters(text.p) == letters("sips")) {
        u->scheme = SIP_SCHEME_SIPS;
        return parse_sip(slice_from(text, 5), u);
    }
    return parse_other(text);
}

int sip_uri_parse(struct slice text, struct sip_uri *ret)
{
    struct sip_uri u;
    if (sip_uri_read(text, &u) < 0)
        return -EINVAL;
    *ret = u;
    return 0;
}

bool sip_uri_param(const struct sip_uri *u, struct slice name, struct slice *ret_value)
{
    return find_pair(u->params, ';', name, ret_value);
}

/* --- compare --- */

/*
 * The next character, its escape decoded. An escaped character of RFC 2396's reserved set is not the same as
 * the plain one (19.1.4): it comes with bit 8 set.
 */
static unsigned next_char(struct slice s, size_t *i)
{
    unsigned char c = (unsigned char)s.p[*i];
    if (!is_escape(s, *i)) {
        (*i)++;
        return c;
    }
    c = (unsigned char)(text_hexval(s.p[*i + 1]) * 16 + text_hexval(s.p[*i + 2]));
    *i += 3;
    return c != 0 && strchr(";/?:@&=+$,", c) ? c | 0x100U : c;
}

static unsigned fold(unsigned c, bool any_case)
{
    return any_case && c >= 'A' && c <= 'Z' ? c + 32 : c;
}

static bool text_equal(struct slice a, struct slice b, bool any_case)
{
    size_t i = 0, k = 0;
    while (i < a.n && k < b.n) {
        if (fold(next_char(a, &i), any_case) != fold(next_char(b, &k), any_case))
            return false;
    }
    return i == a.n && k == b.n;
}

static bool host_equal(const struct sip_uri *a, const struct sip_uri *b)
{
    struct in6_addr x, y;
    if (a->host_is_ipv6 != b->host_is_ipv6)
        return false;
    if (!a->host_is_ipv6)
        return slice_caseeq(a->host, b->host);
    return sip_ipv6_read(a->host, &x) == 0 && sip_ipv6_read(b->host, &y) == 0 &&
           memcmp(&x, &y, sizeof(x)) == 0;
}

/* Parameters that never match when only one URI has them (19.1.4 and its example for transport). */
static bool is_strict_param(struct slice name)
{
    static const struct slice strict[] = {SLICE_INIT("user"), SLICE_INIT("ttl"), SLICE_INIT("method"),
                                          SLICE_INIT("maddr"), SLICE_INIT("transport")};
    for (size_t i = 0; i < sizeof(strict) / sizeof(strict[0]); i++) {
        if (slice_caseeq(name, strict[i]))
            return true;
    }
    return false;
}

static bool params_equal(struct slice a, struct slice b)
{
    struct slice name, value, other;
    while (next_pair(&a, ';', &name, &value)) {
        if (find_pair(b, ';', name, &other) ? !text_equal(value, other, true) : is_strict_param(name))
            return false;
    }
    return true;
}

/* How many headers equal this one. Values are compared in any case (7.3.1), but for the body. */
static size_t count_header(struct slice all, struct slice name, struct slice value)
{
    struct slice n, v;
    size_t count = 0;
    while (next_pair(&all, '&', &n, &v))
        count += text_equal(n, name, true) && text_equal(v, value, !slice_caseeq(name, SLICE("body")));
    return count;
}

static bool headers_equal(struct slice a, struct slice b)
{
    struct slice name, value, rest = a;
    while (next_pair(&rest, '&', &name, &value)) {
        if (count_header(a, name, value) != count_header(b, name, value))
            return false;
    }
    return true;
}

/* Without the visual separators of RFC 3966 section 3. */
static struct slice plain_number(struct slice s, char *mem, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n && n < cap; i++) {
        if (!strchr("-.()", s.p[i]))
            mem[n++] = text_lower(s.p[i]);
    }
    return slice_mem(mem, n);
}

static bool number_equal(struct slice a, struct slice b)
{
    size_t i = 0, k = 0;
    for (;; i++, k++) {
        while (i < a.n && strchr("-.()", a.p[i]))
            i++;
        while (k < b.n && strchr("-.()", b.p[k]))
            k++;
        if (i >= a.n || k >= b.n)
            return i >= a.n && k >= b.n;
        if (text_lower(a.p[i]) != text_lower(b.p[k]))
            return false;
    }
}

/* RFC 3966 section 4: every parameter counts; ext and a phone-context that is a number, without separators.
 */
static bool tel_params_equal(struct slice a, struct slice b)
{
    struct slice name, value, other;
    while (next_pair(&a, ';', &name, &value)) {
        bool number = slice_caseeq(name, SLICE("ext")) ||
                      (slice_caseeq(name, SLICE("phone-context")) && slice_starts(value, SLICE("+")));
        if (!find_pair(b, ';', name, &other))
            return false;
        if (number ? !number_equal(value, other) : !text_equal(value, other, true))
            return false;
    }
    return true;
}

bool sip_uri_equal(const struct sip_uri *a, const struct sip_uri *b)
{
    struct slice name_a, name_b, rest_a, rest_b;
    if (a->scheme != b->scheme)
        return false;
    switch (a->scheme) {
    case SIP_SCHEME_TEL:
        return number_equal(a->user, b->user) && tel_params_equal(a->params, b->params) &&
               tel_params_equal(b->params, a->params);
    case SIP_SCHEME_OTHER:
        return slice_cut(a->text, ':', &name_a, &rest_a) && slice_cut(b->text, ':', &name_b, &rest_b) &&
               slice_caseeq(name_a, name_b) && slice_eq(rest_a, rest_b);
    case SIP_SCHEME_SIP:
    case SIP_SCHEME_SIPS:
        break;
    }
    return a->has_user == b->has_user && text_equal(a->user, b->user, false) &&
           text_equal(a->password, b->password, false) && host_equal(a, b) && a->port == b->port &&
           params_equal(a->params, b->params) && params_equal(b->params, a->params) &&
           headers_equal(a->headers, b->headers) && headers_equal(b->headers, a->headers);
}

/* --- derived text --- */

struct slice sip_unescape(struct slice s, struct arena *a)
{
    size_t n = 0, i = 0;
    char *out;
    if (slice_find(s, '%') == SIZE_MAX)
        return s;
    out = arena_alloc(a, s.n);
    while (i < s.n)
        out[n++] = (char)(next_char(s, &i) & 0xff);
    return slice_mem(out, n);
}

static struct slice lower(struct slice s, struct arena *a)
{
    char *out = arena_alloc(a, s.n + 1);
    for (size_t i = 0; i < s.n; i++)
        out[i] = text_lower(s.p[i]);
    return slice_mem(out, s.n);
}

static struct slice aor_host(const struct sip_uri *u, struct arena *a)
{
    struct in6_addr addr;
    char text[INET6_ADDRSTRLEN];
    if (u->host_is_ipv6 && sip_ipv6_read(u->host, &addr) == 0 &&
        inet_ntop(AF_INET6, &addr, text, sizeof(text)))
        return arena_printf(a, "[%s]", text);
    return lower(u->host, a);
}

static struct slice aor_tel(const struct sip_uri *u, struct arena *a)
{
    struct slice context, number = plain_number(u->user, arena_alloc(a, u->user.n + 1), u->user.n);
    if (slice_starts(number, SLICE("+")) || !sip_uri_param(u, SLICE("phone-context"), &context))
        return number;
    context = slice_starts(context, SLICE("+"))
                  ? plain_number(context, arena_alloc(a, context.n + 1), context.n)
                  : lower(context, a);
    return arena_printf(a, SLICE_FMT ";phone-context=" SLICE_FMT, SLICE_ARG(number), SLICE_ARG(context));
}

/* Joined by hand: a user with an escaped NUL must not be cut. */
static struct slice aor_sip(const struct sip_uri *u, struct arena *a)
{
    struct slice user = sip_unescape(u->user, a), host = aor_host(u, a);
    char *out = arena_alloc(a, user.n + 1 + host.n);
    memcpy(out, user.p, user.n);
    out[user.n] = '@';
    memcpy(out + user.n + 1, host.p, host.n);
    return slice_mem(out, user.n + 1 + host.n);
}

struct slice sip_uri_aor(const struct sip_uri *u, struct arena *a)
{
    switch (u->scheme) {
    case SIP_SCHEME_TEL:
        return aor_tel(u, a);
    case SIP_SCHEME_OTHER:
        return u->text;
    case SIP_SCHEME_SIP:
    case SIP_SCHEME_SIPS:
        break;
    }
    return u->has_user ? aor_sip(u, a) : aor_host(u, a);
}
