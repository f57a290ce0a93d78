#include "ground/net/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

socklen_t net_addr_len(const struct net_addr *a)
{
    return a->sa.sa_family == AF_INET6 ? sizeof(a->in6) : sizeof(a->in4);
}

/* What makes an address, whatever lies in the padding of the socket structs. */
static struct slice host_bytes(const struct net_addr *a)
{
    switch (a->sa.sa_family) {
    case AF_INET:
        return slice_mem(&a->in4.sin_addr, sizeof(a->in4.sin_addr));
    case AF_INET6:
        return slice_mem(&a->in6.sin6_addr, sizeof(a->in6.sin6_addr));
    }
    return SLICE_NONE;
}

bool net_addr_eq_host(const struct net_addr *a, const struct net_addr *b)
{
    if (a->sa.sa_family != b->sa.sa_family || !slice_eq(host_bytes(a), host_bytes(b)))
        return false;
    return a->sa.sa_family != AF_INET6 || a->in6.sin6_scope_id == b->in6.sin6_scope_id;
}

bool net_addr_eq(const struct net_addr *a, const struct net_addr *b)
{
    return net_addr_eq_host(a, b) && net_addr_port(a) == net_addr_port(b);
}

uint64_t net_addr_hash(const struct net_addr *a)
{
    unsigned char key[2 + 16];
    struct slice host = host_bytes(a);
    uint16_t port = net_addr_port(a);
    memcpy(key, &port, sizeof(port));
    if (host.n)
        memcpy(key + sizeof(port), host.p, host.n);
    return slice_hash(slice_mem(key, sizeof(port) + host.n));
}

uint16_t net_addr_port(const struct net_addr *a)
{
    switch (a->sa.sa_family) {
    case AF_INET:
        return ntohs(a->in4.sin_port);
    case AF_INET6:
        return ntohs(a->in6.sin6_port);
    }
    return 0;
}

void net_addr_set_port(struct net_addr *a, uint16_t port)
{
    if (a->sa.sa_family == AF_INET6)
        a->in6.sin6_port = htons(port);
    else
        a->in4.sin_port = htons(port);
}

int net_addr_from_bytes(struct slice bytes, uint16_t port, struct net_addr *ret)
{
    struct net_addr a;
    memset(&a, 0, sizeof(a));
    if (bytes.n == sizeof(a.in4.sin_addr)) {
        a.in4.sin_family = AF_INET;
        memcpy(&a.in4.sin_addr, bytes.p, bytes.n);
    } else if (bytes.n == sizeof(a.in6.sin6_addr)) {
        a.in6.sin6_family = AF_INET6;
        memcpy(&a.in6.sin6_addr, bytes.p, bytes.n);
    } else {
        return -EINVAL;
    }
    net_addr_set_port(&a, port);
    *ret = a;
    return 0;
}

int net_addr_parse(struct slice host, uint16_t port, struct net_addr *ret)
{
    bool brackets = host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
    if (brackets)
        host = slice_head(slice_from(host, 1), host.n - 2);
    char text[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    if (host.n == 0 || host.n >= sizeof(text) || slice_find(host, 0) != SIZE_MAX)
        return -EINVAL;
    memcpy(text, host.p, host.n);
    text[host.n] = 0;
    if (!brackets && inet_pton(AF_INET, text, bytes) == 1)
        return net_addr_from_bytes(slice_mem(bytes, 4), port, ret);
    if (inet_pton(AF_INET6, text, bytes) == 1)
        return net_addr_from_bytes(slice_mem(bytes, 16), port, ret);
    return -EINVAL;
}

int net_addr_parse_port(struct slice text, uint16_t default_port, struct net_addr *ret)
{
    struct slice host = text, port = SLICE_NONE;
    bool has_port = false;
    if (text.n && text.p[0] == '[') {
        size_t end = slice_find(text, ']');
        if (end == SIZE_MAX)
            return -EINVAL;
        host = slice_head(text, end + 1);
        port = slice_from(text, end + 1);
        has_port = port.n > 0;
        if (has_port && port.p[0] != ':')
            return -EINVAL;
        port = slice_from(port, 1);
    } else if (slice_cut(text, ':', &host, &port)) {
        has_port = slice_find(port, ':') == SIZE_MAX; /* a second colon: an IPv6 address alone */
        if (!has_port)
            host = text;
    }
    uint64_t n = default_port;
    if (has_port && slice_u64(port, UINT16_MAX, &n) < 0)
        return -EINVAL;
    return net_addr_parse(host, (uint16_t)n, ret);
}

/* Without printf, which inet_ntop uses: it is asked for with every message. */
static struct slice ipv4_text(const unsigned char *bytes, char *out)
{
    char *to = out;
    for (size_t i = 0; i < 4; i++) {
        if (i)
            *to++ = '.';
        if (bytes[i] >= 100)
            *to++ = (char)('0' + bytes[i] / 100);
        if (bytes[i] >= 10)
            *to++ = (char)('0' + bytes[i] / 10 % 10);
        *to++ = (char)('0' + bytes[i] % 10);
    }
    *to = 0;
    return slice_mem(out, (size_t)(to - out));
}

struct slice net_addr_host_text(const struct net_addr *a, char out[NET_ADDR_TEXT])
{
    struct slice bytes = host_bytes(a);
    if (bytes.n == 4)
        return ipv4_text((const unsigned char *)bytes.p, out);
    if (!bytes.n || !inet_ntop(a->sa.sa_family, bytes.p, out, NET_ADDR_TEXT))
        snprintf(out, NET_ADDR_TEXT, "unknown");
    return slice_str(out);
}

struct slice net_addr_text(const struct net_addr *a, char out[NET_ADDR_TEXT])
{
    char host[NET_ADDR_TEXT];
    net_addr_host_text(a, host);
    snprintf(out, NET_ADDR_TEXT, a->sa.sa_family == AF_INET6 ? "[%.46s]:%u" : "%.46s:%u", host,
             net_addr_port(a));
    return slice_str(out);
}
