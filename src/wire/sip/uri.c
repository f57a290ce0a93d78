#include "wire/sip/uri.h"

#include <arpa/inet.h>
#include <errno.h>

#include "ground/base/text.h"

/* --- characters (RFC 3261 25.1) --- */

enum {
    C_USER = 1,
    C_PASSWORD = 2,
    C_PARAM = 4,
    C_HEADER = 8,
    C_TEL = 16,
    C_LABEL = 32,
    C_SCHEME = 64,
    C_ESCAPE = 128
};
enum { LABEL_MAX = 63 };
enum { C_UNRESERVED = C_USER | C_PASSWORD | C_PARAM | C_HEADER };

/*
 * Which characters may stand in which part. Wider than the grammar in two points that peers need: '=' within
 * a parameter's value (base64), and ';' ',' '@' in the headers component.
 */
static const uint8_t classes[256] = {
    ['a' ... 'f'] = C_UNRESERVED | C_LABEL | C_SCHEME | C_TEL,
    ['g' ... 'z'] = C_UNRESERVED | C_LABEL | C_SCHEME,
    ['A' ... 'F'] = C_UNRESERVED | C_LABEL | C_SCHEME | C_TEL,
    ['G' ... 'Z'] = C_UNRESERVED | C_LABEL | C_SCHEME,
    ['0' ... '9'] = C_UNRESERVED | C_LABEL | C_SCHEME | C_TEL,
    ['-'] = C_UNRESERVED | C_LABEL | C_SCHEME | C_TEL,
    ['.'] = C_UNRESERVED | C_SCHEME | C_TEL,
    ['_'] = C_UNRESERVED | C_LABEL,
    ['!'] = C_UNRESERVED,
    ['~'] = C_UNRESERVED,
    ['*'] = C_UNRESERVED | C_TEL,
    ['#'] = C_TEL,
    ['\''] = C_UNRESERVED,
    ['('] = C_UNRESERVED | C_TEL,
    [')'] = C_UNRESERVED | C_TEL,
    ['%'] = C_UNRESERVED | C_ESCAPE,
    ['&'] = C_UNRESERVED,
    ['='] = C_UNRESERVED,
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

static bool escapes_valid(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '%' && !is_escape(s, i))
            return false;
    return true;
}

/* Nothing but characters of the class, and every '%' begins an escape. */
static bool is_all(struct slice s, unsigned class)
{
    unsigned all = class, any = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned c = classes[(unsigned char)s.p[i]];
        all &= c;
        any |= c;
    }
    return all == class && (!(any & C_ESCAPE) || escapes_valid(s));
}

/* --- host and port --- */

static int parse_ipv6(struct slice host, struct in6_addr *ret)
{
    char text[INET6_ADDRSTRLEN];
    if (host.n >= sizeof(text) || (host.n > 0 && memchr(host.p, 0, host.n)))
        return -EINVAL;
    if (host.n > 0)
        memcpy(text, host.p, host.n);
    text[host.n] = 0;
    return inet_pton(AF_INET6, text, ret) == 1 ? 0 : -EINVAL;
}

/* Four numbers up to 255 without leading zeros: as inet_pton has it. */
static bool is_ipv4(struct slice host)
{
    unsigned parts = 1, value = 0;
    size_t digits = 0;
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];
        if (c == '.') {
            if (digits == 0 || ++parts > 4)
                return false;
            value = 0;
            digits = 0;
            continue;
        }
        if (c < '0' || c > '9' || (digits > 0 && value == 0))
            return false;
        value = value * 10 + (unsigned)(c - '0');
        digits++;
        if (value > 255)
            return false;
    }
    return parts == 4 && digits > 0;
}

/*
 * Takes a host off the front: labels of 1..63 allowed characters; when the last one is a number, the whole
 * must be an IPv4 address. A final dot is no part of it.
 */
static int take_name(struct slice *s, struct slice *ret)
{
    size_t i = 0, label = 0, last = 0; /* where the current label and the one before it begin */
    struct slice text = *s;
    for (;; i++) {
        while (i < text.n && classes[(unsigned char)text.p[i]] & C_LABEL)
            i++;
        if (i == text.n || text.p[i] != '.')
            break;
        if (i == label || i - label > LABEL_MAX)
            return -EINVAL;
        last = label;
        label = i + 1;
    }
    struct slice host = slice_head(text, i);
    if (i > 1 && label == i) {
        host.n--;
        label = last;
    }
    if (host.n == label || host.n - label > LABEL_MAX || host.n > SIP_HOST_MAX)
        return -EINVAL;
    for (size_t k = label; k < host.n && host.p[k] >= '0' && host.p[k] <= '9'; k++)
        if (k + 1 == host.n && !is_ipv4(host))
            return -EINVAL;
    *s = slice_from(text, i);
    *ret = host;
    return 0;
}

static int take_host(struct slice *s, struct slice *ret, bool *ret_is_ipv6)
{
    struct in6_addr a;
    *ret_is_ipv6 = s->n > 0 && s->p[0] == '[';
    if (!*ret_is_ipv6)
        return take_name(s, ret);
    return slice_cut(slice_from(*s, 1), ']', ret, s) ? parse_ipv6(*ret, &a) : -EINVAL;
}

static int parse_port(struct slice text, uint16_t *ret)
{
    uint64_t v;
    if (slice_u64(text, UINT16_MAX, &v) < 0 || v == 0)
        return -EINVAL;
    *ret = (uint16_t)v;
    return 0;
}

int sip_hostport_parse(struct slice text, struct slice *ret_host, bool *ret_is_ipv6, uint16_t *ret_port)
{
    struct slice host, rest = slice_trim(text);
    uint16_t port = 0;
    bool is_ipv6;
    if (take_host(&rest, &host, &is_ipv6) < 0)
        return -EINVAL;
    rest = slice_trim(rest);
    if (rest.n > 0 && (rest.p[0] != ':' || parse_port(slice_trim(slice_from(rest, 1)), &port) < 0))
        return -EINVAL;
    *ret_host = host;
    *ret_is_ipv6 = is_ipv6;
    *ret_port = port;
    return 0;
}

/* --- parameters and headers of a URI: name[=value] between separators --- */

static bool next_pair(struct slice *rest, char sep, struct slice *ret_name, struct slice *ret_value)
{
    struct slice item;
    if (rest->n == 0)
        return false;
    if (!slice_cut(*rest, sep, &item, rest)) {
        item = *rest;
        *rest = SLICE_NONE;
    }
    if (!slice_cut(item, '=', ret_name, ret_value)) {
        *ret_name = item;
        *ret_value = SLICE_NONE;
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
    struct slice names[SIP_URI_MAX_PARAMS], name, value, rest = params;
    size_t count = 0;
    if (params.n == 0 || params.p[params.n - 1] == ';')
        return -EINVAL;
    while (next_pair(&rest, ';', &name, &value)) {
        if (count == SIP_URI_MAX_PARAMS || name.n == 0 || !is_all(name, C_PARAM) || !is_all(value, C_PARAM))
            return -EINVAL;
        for (size_t i = 0; i < count; i++) {
            if (slice_caseeq(names[i], name))
                return -EINVAL;
        }
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
    if (!slice_cut(s, ':', &u->user, &u->password))
        u->user = s;
    u->has_user = true;
    return u->user.n > 0 && is_all(u->user, C_USER) && is_all(u->password, C_PASSWORD) ? 0 : -EINVAL;
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
    return parse_port(digits, ret);
}

static int parse_sip(struct slice rest, struct sip_uri *u)
{
    struct slice userinfo;
    if (slice_cut(rest, '@', &userinfo, &rest) && parse_userinfo(userinfo, u) < 0)
        return -EINVAL;
    if (take_host(&rest, &u->host, &u->host_is_ipv6) < 0 || take_port(&rest, &u->port) < 0)
        return -EINVAL;
    if (rest.n == 0)
        return 0;
    bool has_headers = slice_cut(rest, '?', &rest, &u->headers);
    if (rest.n > 0) {
        u->params = slice_from(rest, 1);
        if (rest.p[0] != ';' || check_params(u->params) < 0)
            return -EINVAL;
    }
    return has_headers ? check_headers(u->headers) : 0;
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

static const struct {
    struct slice prefix;
    enum sip_scheme scheme;
    int (*parse)(struct slice rest, struct sip_uri *u);
} schemes[] = {
    {SLICE_INIT("sip:"),  SIP_SCHEME_SIP,  parse_sip},
    {SLICE_INIT("sips:"), SIP_SCHEME_SIPS, parse_sip},
    {SLICE_INIT("tel:"),  SIP_SCHEME_TEL,  parse_tel},
};

/* Of a scheme that we do not know. */
static int parse_other(struct slice text)
{
    struct slice name, rest;
    if (!is_printable(text) || !slice_cut(text, ':', &name, &rest) || name.n == 0 || rest.n == 0 ||
        !is_all(name, C_SCHEME) || text_lower(name.p[0]) < 'a')
        return -EINVAL;
    return 0;
}

int sip_uri_parse(struct slice text, struct sip_uri *ret)
{
    struct sip_uri u = {.text = text, .scheme = SIP_SCHEME_OTHER};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        struct slice prefix = schemes[i].prefix;
        if (text.n <= prefix.n || !slice_same_any_case(text.p, prefix.p, prefix.n))
            continue;
        u.scheme = schemes[i].scheme;
        if (schemes[i].parse(slice_from(text, prefix.n), &u) < 0)
            return -EINVAL;
        *ret = u;
        return 0;
    }
    if (parse_other(text) < 0)
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
    return parse_ipv6(a->host, &x) == 0 && parse_ipv6(b->host, &y) == 0 && memcmp(&x, &y, sizeof(x)) == 0;
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
    if (u->host_is_ipv6 && parse_ipv6(u->host, &addr) == 0 && inet_ntop(AF_INET6, &addr, text, sizeof(text)))
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
