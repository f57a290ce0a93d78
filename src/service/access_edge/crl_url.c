#include "service/access_edge/crl_url.h"

#include "ground/base/text.h"

#include <errno.h>

enum { HTTP_PORT = 80 };

static int split_port(struct slice at, struct slice *host, uint16_t *port)
{
    struct slice digits = SLICE_NONE;
    uint64_t number = HTTP_PORT;
    if (slice_starts(at, SLICE("["))) {
        size_t end = slice_find(at, ']');
        if (end == SIZE_MAX)
            return -EINVAL;
        digits = slice_from(at, end + 1);
        *host = slice_from(slice_head(at, end), 1);
        if (digits.n && digits.p[0] != ':')
            return -EINVAL;
        digits = slice_from(digits, 1);
    } else if (!slice_cut(at, ':', host, &digits)) {
        *host = at;
    }
    if (digits.n && (slice_u64(digits, UINT16_MAX, &number) < 0 || number == 0))
        return -EINVAL;
    *port = (uint16_t)number;
    return host->n ? 0 : -EINVAL;
}

int crl_url_parse(struct slice url, struct arena *a, struct crl_url *ret, const char **ret_why)
{
    static const struct slice scheme = SLICE_INIT("http://");
    *ret_why = "only http is asked";
    if (!slice_casestarts(url, scheme))
        return -EINVAL;
    struct slice at = slice_from(url, scheme.n);
    for (size_t i = 0; i < at.n; i++)
        if (at.p[i] == '/' || at.p[i] == '?' || at.p[i] == '#')
            at = slice_head(at, i);
    *ret_why = "there is no host in it that could be asked";
    if (slice_find(at, '@') != SIZE_MAX || split_port(at, &ret->host, &ret->port) < 0)
        return -EINVAL;
    char *host = arena_cstr(a, ret->host);
    for (char *c = host; *c; c++)
        *c = text_lower(*c);
    ret->host = slice_str(host);
    *ret_why = NULL;
    return 0;
}

static enum crl_reach reach4(uint32_t a)
{
    static const struct {
        uint32_t net;
        unsigned bits;
        enum crl_reach reach;
    } nets[] = {
        {0x7f000000, 8,  CRL_REACH_MACHINE},
        {0x00000000, 8,  CRL_REACH_MACHINE},
        {0xa9fe0000, 16, CRL_REACH_LINK   },
        {0x0a000000, 8,  CRL_REACH_PRIVATE},
        {0xac100000, 12, CRL_REACH_PRIVATE},
        {0xc0a80000, 16, CRL_REACH_PRIVATE},
        {0x64400000, 10, CRL_REACH_PRIVATE}, /* RFC 6598 */
    };
    for (size_t i = 0; i < sizeof(nets) / sizeof(nets[0]); i++)
        if ((a ^ nets[i].net) >> (32 - nets[i].bits) == 0)
            return nets[i].reach;
    return CRL_REACH_WORLD;
}

enum crl_reach crl_url_reach(const struct net_addr *a)
{
    if (a->sa.sa_family == AF_INET)
        return reach4(ntohl(a->in4.sin_addr.s_addr));
    const struct in6_addr *six = &a->in6.sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(six)) {
        uint32_t four;
        memcpy(&four, &six->s6_addr[12], sizeof(four));
        return reach4(ntohl(four));
    }
    if (IN6_IS_ADDR_LOOPBACK(six) || IN6_IS_ADDR_UNSPECIFIED(six))
        return CRL_REACH_MACHINE;
    if (IN6_IS_ADDR_LINKLOCAL(six))
        return CRL_REACH_LINK;
    return (six->s6_addr[0] & 0xfe) == 0xfc ? CRL_REACH_PRIVATE : CRL_REACH_WORLD;
}
