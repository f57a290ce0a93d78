#include "ground/net/sock.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

int sock_bound(int type, const struct net_addr *addr, struct net_addr *ret_bound)
{
    int fd = socket(addr->sa.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int on = 1;
    struct net_addr bound;
    memset(&bound, 0, sizeof(bound));
    socklen_t len = sizeof(bound);
    if ((type == SOCK_STREAM && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0) ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 ||
        (addr->sa.sa_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) ||
        bind(fd, &addr->sa, net_addr_len(addr)) < 0 || getsockname(fd, &bound.sa, &len) < 0) {
        int r = -errno;
        close(fd);
        return r;
    }
    *ret_bound = bound;
    return fd;
}

void sock_tune_tcp(int fd)
{
    static const struct {
        int level, option, value;
    } rows[] = {
        {IPPROTO_TCP, TCP_NODELAY,      1                     },
        {SOL_SOCKET,  SO_KEEPALIVE,     1                     },
        {IPPROTO_TCP, TCP_KEEPIDLE,     SOCK_KEEP_IDLE_S      },
        {IPPROTO_TCP, TCP_KEEPINTVL,    SOCK_KEEP_INTERVAL_S  },
        {IPPROTO_TCP, TCP_KEEPCNT,      SOCK_KEEP_COUNT       },
        {IPPROTO_TCP, TCP_USER_TIMEOUT, SOCK_UNACKNOWLEDGED_MS},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        setsockopt(fd, rows[i].level, rows[i].option, &rows[i].value, sizeof(rows[i].value));
}
