/* Hosts and ports as URIs and Via have them (RFC 3261 25.1). */
#include "wire/sip/read.h"

#include <errno.h>

#include "wire/sip/octets.h"

enum { LABEL_MAX = 63 };

/* RFC 5118 4.10: the grammar of RFC 3261 makes a third colon before an IPv4 part; it must be tolerated. */
static size_t third_colon(struct slice host)
{
    size_t i = slice_search(host, SLICE(":::"));
    bool wanted = i != SIZE_MAX && slice_find(slice_from(host, i), '.') != SIZE_MAX &&
                  slice_find(slice_from(host, i + 3), ':') == SIZE_MAX;
    return wanted ? i : SIZE_MAX;
}

int sip_ipv6_read(struct slice host, struct in6_addr *ret)
{
    char text[INET6_ADDRSTRLEN];
    if (host.n >= sizeof(text) || (host.n > 0 && memchr(host.p, 0, host.n)))
        return -EINVAL;
    if (host.n > 0)
        memcpy(text, host.p, host.n);
    text[host.n] = 0;
    size_t extra = third_colon(host);
    if (extra != SIZE_MAX)
        memmove(text + extra, text + extra + 1, host.n - extra);
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

/* What a host name may hold: letters, digits, '-', '_' and '.'. */
static inline unsigned name_bits(octets x)
{
    octets letter = (octets)((x | 0x20) - 'a' < 26);
    octets digit = (octets)(x - '-' <= '9' - '-'); /* '-' '.' '/' and digits stand side by side */
    return octets_bits((octets)(letter | (digit & (x != '/')) | (x == '_')));
}

/*
 * Takes a host off the front: labels of 1..63 allowed characters; when the last one is a number, the whole
 * must be an IPv4 address. A final dot is no part of it.
 */
static int take_name(struct slice *s, struct slice *ret)
{
    size_t n = 0, label = 0, last = 0; /* where the current label and the one before it begin */
    if (!s->p)
        return -EINVAL;
    for (unsigned more = sizeof(octets); more == sizeof(octets); n += more) {
        size_t left = s->n - n;
        unsigned before = 0; /* octets in front of n that stand in x as well */
        octets x;
        if (left >= sizeof(octets)) {
            x = octets_at(s->p + n);
        } else if (s->n >= sizeof(octets)) {
            before = (unsigned)(sizeof(octets) - left);
            x = octets_at(s->p + s->n - sizeof(octets));
        } else {
            x = octets_short(s->p + n, left);
        }
        more = (unsigned)__builtin_ctz(~(name_bits(x) >> before)); /* all of them: the first bit above */
        unsigned dots = octets_bits((octets)(x == '.')) >> before & ((1u << more) - 1);
        for (; dots; dots &= dots - 1) {
            size_t dot = n + (size_t)__builtin_ctz(dots);
            if (dot == label || dot - label > LABEL_MAX)
                return -EINVAL;
            last = label;
            label = dot + 1;
        }
    }
    struct slice host = slice_head(*s, n);
    if (n > 1 && label == n) {
        host.n--;
        label = last;
    }
    if (host.n == label || host.n - label > LABEL_MAX || host.n > SIP_HOST_MAX)
        return -EINVAL;
    for (size_t k = label; k < host.n && host.p[k] >= '0' && host.p[k] <= '9'; k++)
        if (k + 1 == host.n && !is_ipv4(host))
            return -EINVAL;
    *s = slice_from(*s, n);
    *ret = host;
    return 0;
}

static int take_ipv6(struct slice *s, struct slice *ret)
{
    struct in6_addr a;
    return slice_cut(slice_from(*s, 1), ']', ret, s) ? sip_ipv6_read(*ret, &a) : -EINVAL;
}

int sip_host_take(struct slice *s, struct slice *ret, bool *ret_is_ipv6)
{
    *ret_is_ipv6 = s->n > 0 && s->p[0] == '[';
    return *ret_is_ipv6 ? take_ipv6(s, ret) : take_name(s, ret);
}

int sip_port_read(struct slice text, uint16_t *ret)
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
    if (sip_host_take(&rest, &host, &is_ipv6) < 0)
        return -EINVAL;
    rest = slice_trim(rest);
    if (rest.n > 0 && (rest.p[0] != ':' || sip_port_read(slice_trim(slice_from(rest, 1)), &port) < 0))
        return -EINVAL;
    *ret_host = host;
    *ret_is_ipv6 = is_ipv6;
    *ret_port = port;
    return 0;
}
