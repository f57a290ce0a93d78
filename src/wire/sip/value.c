#include "wire/sip/value.h"

#include <errno.h>

#include "ground/base/text.h"
#include "wire/sip/octets.h"
#include "wire/sip/read.h"

static struct slice span(const char *from, const char *to)
{
    return (struct slice){from, (size_t)(to - from)};
}

/* Index behind the quoted string that begins at i, SIZE_MAX when it does not end. */
__attribute__((noinline)) static size_t quoted_end(struct slice s, size_t i)
{
    for (i++; i < s.n; i += 2) {
        i += octets_find2(slice_from(s, i), '"', '\\');
        if (i < s.n && s.p[i] == '"')
            return i + 1;
    }
    return SIZE_MAX;
}

/* Index of the first c outside quoted strings; s.n when there is none, SIZE_MAX when a quote does not close.
 */
static inline size_t find_outside_quotes(struct slice s, char c)
{
    size_t i = octets_find2(s, c, '"');
    while (i < s.n && s.p[i] == '"') {
        i = quoted_end(s, i);
        if (i == SIZE_MAX)
            return SIZE_MAX;
        i += octets_find2(slice_from(s, i), c, '"');
    }
    return i;
}

static inline size_t find_semicolon(struct slice s)
{
    size_t i = find_outside_quotes(s, ';');
    return i < s.n ? i : s.n;
}

/* --- parameters --- */

/* Where the name of the parameter that begins at i ends; names are short. */
static inline size_t param_name_end(struct slice s)
{
    size_t i = 0;
    while (i < s.n && s.p[i] != ';' && s.p[i] != '=' && s.p[i] != '"')
        i++;
    return i;
}

bool sip_param_next(struct slice *rest, struct slice *ret_name, struct slice *ret_value)
{
    while (rest->n > 0) {
        struct slice all = *rest, name, value;
        size_t i = param_name_end(all), end = i;
        if (i < all.n && all.p[i] == '=') {
            end = i + 1 + find_semicolon(slice_from(all, i + 1));
        } else if (i < all.n && all.p[i] == '"') {
            end = find_semicolon(all);
            i = octets_find(slice_head(all, end), '=');
        }
        name = slice_trim(slice_head(all, i));
        value = i < end ? slice_trim(span(all.p + i + 1, all.p + end)) : SLICE_NONE;
        *rest = slice_from(all, end + 1);
        if (name.n == 0 && i == end)
            continue; /* ";;" is harmless */
        if (value.n > 1 && value.p[0] == '"' && quoted_end(value, 0) == value.n)
            value = slice_head(slice_from(value, 1), value.n - 2);
        *ret_name = name;
        *ret_value = value;
        return true;
    }
    return false;
}

bool sip_param(struct slice params, struct slice name, struct slice *ret_value)
{
    struct slice n, v;
    while (sip_param_next(&params, &n, &v)) {
        if (slice_caseeq(n, name)) {
            *ret_value = v;
            return true;
        }
    }
    return false;
}

struct slice sip_unquote(struct slice inside, struct arena *a)
{
    size_t n = 0;
    char *out;
    if (slice_find(inside, '\\') == SIZE_MAX)
        return inside;
    out = arena_alloc(a, inside.n);
    for (size_t i = 0; i < inside.n; i++) {
        if (inside.p[i] == '\\' && i + 1 < inside.n)
            i++;
        out[n++] = inside.p[i];
    }
    return slice_mem(out, n);
}

/*
 * What follows an address or a sent-by: nothing, or ';' and parameters. Quotes must close. An '@' outside of
 * them is no parameter but the tail of a URI that needed <> ("sip:a;b@c"): whom it names would be a guess.
 */
static int parse_tail(struct slice tail, struct slice *ret_params)
{
    tail = slice_trim(tail);
    if (tail.n > 0 && tail.p[0] != ';')
        return -EINVAL;
    tail = slice_trim(slice_from(tail, 1));
    if (find_outside_quotes(tail, '@') != tail.n)
        return -EINVAL;
    *ret_params = tail;
    return 0;
}

/* --- addresses --- */

/* display-name without quotes: tokens and spaces (25.1); bytes of UTF-8 pass, many peers send them. */
static const bool display_chars[256] = {
    ['0' ... '9'] = true, ['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['-'] = true,
    ['.'] = true,         ['!'] = true,         ['%'] = true,         ['*'] = true,
    ['_'] = true,         ['+'] = true,         ['`'] = true,         ['\''] = true,
    ['~'] = true,         [' '] = true,         ['\t'] = true,        [0x80 ... 0xff] = true,
};

static bool is_display(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!display_chars[(unsigned char)s.p[i]])
            return false;
    return true;
}

/* The display name in front of '<'; `rest` begins at '<' afterwards. */
static int parse_display(struct slice *rest, struct slice *ret)
{
    size_t end;
    if (rest->n > 0 && rest->p[0] == '"') {
        end = quoted_end(*rest, 0);
        if (end == SIZE_MAX)
            return -EINVAL;
        *ret = slice_head(slice_from(*rest, 1), end - 2);
        *rest = slice_trim(slice_from(*rest, end));
        return rest->n > 0 && rest->p[0] == '<' ? 0 : -EINVAL;
    }
    end = octets_find(*rest, '<');
    *ret = slice_trim(slice_head(*rest, end));
    *rest = slice_from(*rest, end);
    return is_display(*ret) ? 0 : -EINVAL;
}

static int read_name_addr(struct slice s, struct sip_addr *addr)
{
    if (parse_display(&s, &addr->display) < 0)
        return -EINVAL;
    size_t end = octets_find(s, '>');
    if (end == s.n)
        return -EINVAL;
    addr->uri_text = slice_trim(span(s.p + 1, s.p + end));
    return parse_tail(slice_from(s, end + 1), &addr->params);
}

static int read_addr_spec(struct slice s, struct sip_addr *addr)
{
    size_t end = find_semicolon(s);
    addr->uri_text = slice_trim(slice_head(s, end));
    if (octets_find(addr->uri_text, '?') < addr->uri_text.n)
        return -EINVAL;
    return parse_tail(slice_from(s, end), &addr->params);
}

int sip_addr_read(struct slice value, struct sip_addr *addr)
{
    struct slice s = slice_trim(value);
    addr->display = SLICE_NONE;
    addr->is_star = s.n == 1 && s.p[0] == '*';
    if (addr->is_star) {
        *addr = (struct sip_addr){.is_star = true};
        return 0;
    }
    /* a '<' behind the first ';' stands in a parameter, unless the name in front of it is quoted */
    size_t i = s.n > 0 && s.p[0] == '"' ? 0 : octets_find2(s, '<', ';');
    bool is_name_addr = i < s.n && s.p[i] != ';';
    int r = is_name_addr ? read_name_addr(s, addr) : read_addr_spec(s, addr);
    return r == 0 ? sip_uri_read(addr->uri_text, &addr->uri) : r;
}

int sip_addr_parse(struct slice value, struct sip_addr *ret)
{
    struct sip_addr addr;
    if (sip_addr_read(value, &addr) < 0)
        return -EINVAL;
    *ret = addr;
    return 0;
}

/* --- Via --- */

static const struct {
    enum sip_transport transport;
    struct slice name;
} transports[] = {
    {SIP_TLS, SLICE_INIT("TLS")},
    {SIP_TCP, SLICE_INIT("TCP")},
    {SIP_UDP, SLICE_INIT("UDP")}
};
enum { N_TRANSPORTS = sizeof(transports) / sizeof(transports[0]) };

enum sip_transport sip_transport_parse(struct slice name)
{
    for (size_t i = 0; i < N_TRANSPORTS; i++) {
        if (slice_caseeq(name, transports[i].name))
            return transports[i].transport;
    }
    return SIP_TRANSPORT_OTHER;
}

const char *sip_transport_name(enum sip_transport t)
{
    for (size_t i = 0; i < N_TRANSPORTS; i++) {
        if (transports[i].transport == t)
            return transports[i].name.p;
    }
    return "";
}

/* The token at the front of s; *s goes on behind it and the space that follows. */
static struct slice take_word(struct slice *s)
{
    size_t i = 0;
    struct slice word;
    *s = slice_trim(*s);
    while (i < s->n && !slice_is_space(s->p[i]) && s->p[i] != '/')
        i++;
    word = slice_head(*s, i);
    *s = slice_trim(slice_from(*s, i));
    return word;
}

static struct slice without_brackets(struct slice s)
{
    return s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']' ? slice_head(slice_from(s, 1), s.n - 2) : s;
}

static int parse_via_rport(struct slice value, struct sip_via *via)
{
    uint64_t port = 0;
    if (value.n > 0 && (slice_u64(value, UINT16_MAX, &port) < 0 || port == 0))
        return -EINVAL;
    via->has_rport = true;
    via->rport = (uint16_t)port;
    return 0;
}

static int parse_via_params(struct sip_via *via)
{
    struct slice name, value, rest = via->params;
    while (sip_param_next(&rest, &name, &value)) {
        if (slice_caseeq(name, SLICE("branch")))
            via->branch = via->branch.n ? via->branch : value;
        else if (slice_caseeq(name, SLICE("received")))
            via->received = via->received.n ? via->received : without_brackets(value);
        else if (slice_caseeq(name, SLICE("maddr")))
            via->maddr = via->maddr.n ? via->maddr : without_brackets(value);
        else if (slice_caseeq(name, SLICE("alias")))
            via->has_alias = true;
        else if (slice_caseeq(name, SLICE("rport")) && !via->has_rport && parse_via_rport(value, via) < 0)
            return -EINVAL;
    }
    return 0;
}

static bool is_version(struct slice s)
{
    struct slice major, minor;
    uint64_t v;
    return slice_cut(s, '.', &major, &minor) && slice_u64(major, UINT32_MAX, &v) == 0 &&
           slice_u64(minor, UINT32_MAX, &v) == 0;
}

/* "SIP/2.0/" off the front; there may be space around each part, and hardly ever is. */
static int take_protocol(struct slice *rest, bool *ret_other_version)
{
    enum { PLAIN = sizeof("SIP/2.0/") - 1 };
    struct slice protocol, version;
    if (rest->n > PLAIN && memcmp(rest->p, "SIP/2.0/", PLAIN) == 0) {
        *rest = slice_from(*rest, PLAIN);
        return 0;
    }
    if (!slice_cut(*rest, '/', &protocol, rest) || !slice_cut(*rest, '/', &version, rest) ||
        !slice_caseeq(slice_trim(protocol), SLICE("SIP")))
        return -EINVAL;
    version = slice_trim(version);
    *ret_other_version = !slice_eq(version, SLICE("2.0"));
    return !*ret_other_version || is_version(version) ? 0 : -EINVAL;
}

int sip_via_read(struct slice value, struct sip_via *via)
{
    struct slice rest = value;
    *via = (struct sip_via){0};
    if (take_protocol(&rest, &via->other_version) < 0)
        return -EINVAL;
    via->transport_name = take_word(&rest);
    if (via->transport_name.n == 0)
        return -EINVAL;
    via->transport = sip_transport_parse(via->transport_name);
    size_t end = find_semicolon(rest);
    if (sip_hostport_parse(slice_head(rest, end), &via->host, &via->host_is_ipv6, &via->port) < 0 ||
        parse_tail(slice_from(rest, end), &via->params) < 0)
        return -EINVAL;
    return parse_via_params(via);
}

int sip_via_parse(struct slice value, struct sip_via *ret)
{
    struct sip_via via;
    if (sip_via_read(value, &via) < 0)
        return -EINVAL;
    *ret = via;
    return 0;
}

/* --- numbers --- */

int sip_number_parse(struct slice value, uint32_t *ret)
{
    struct slice s = slice_trim(value), digits, rest;
    uint64_t v = UINT32_MAX;
    size_t i = 0;
    while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
        i++;
    digits = slice_head(s, i);
    rest = slice_trim(slice_from(s, i));
    /* behind it: parameters, or the comment of Retry-After (20.33) */
    if (i == 0 || (rest.n > 0 && rest.p[0] != ';' && rest.p[0] != '('))
        return -EINVAL;
    if (slice_u64(digits, UINT32_MAX, &v) < 0)
        v = UINT32_MAX;
    *ret = (uint32_t)v;
    return 0;
}

unsigned sip_qvalue(struct slice params)
{
    struct slice s;
    unsigned q, unit = 100;
    if (!sip_param(params, SLICE("q"), &s) || s.n == 0 || s.n > 5 || (s.p[0] != '0' && s.p[0] != '1') ||
        (s.n > 1 && s.p[1] != '.'))
        return 1000;
    q = s.p[0] == '1' ? 1000 : 0;
    for (size_t i = 2; i < s.n; i++, unit /= 10) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return 1000;
        q += (unsigned)(s.p[i] - '0') * unit;
    }
    return q > 1000 ? 1000 : q;
}
