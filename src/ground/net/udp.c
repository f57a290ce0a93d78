#include "ground/net/listener.h"

#include "ground/base/list.h"
#include "ground/base/mem.h"
#include "ground/net/sock.h"

#include <errno.h>
#include <unistd.h>

enum {
    UDP_MAX_WAITING = 1 << 20, /* bytes that wait for room in the socket's buffer */
    UDP_SOCKET_BUFFER = 1 << 20,
};

struct waiting {
    struct list link;
    struct net_addr to;
    size_t n;
    char bytes[];
};

struct udp {
    int fd;
    struct io *io;
    struct net_addr addr;
    const struct udp_ops *ops;
    void *arg;
    struct list waiting;
    size_t waiting_bytes;
    char *space;           /* UDP_BATCH datagrams; pages never used cost nothing */
    bool receiving, freed; /* freed by a callback: done when the batch is */
};

static void receive(struct udp *u)
{
    struct mmsghdr msgs[UDP_BATCH];
    struct iovec iov[UDP_BATCH];
    struct net_addr from[UDP_BATCH];
    memset(from, 0, sizeof(from));
    for (int i = 0; i < UDP_BATCH; i++) {
        iov[i] = (struct iovec){u->space + (size_t)i * UDP_MAX_DATAGRAM, UDP_MAX_DATAGRAM};
        msgs[i].msg_hdr = (struct msghdr){
            .msg_name = &from[i], .msg_namelen = sizeof(from[i]), .msg_iov = &iov[i], .msg_iovlen = 1};
    }
    int n = recvmmsg(u->fd, msgs, UDP_BATCH, MSG_DONTWAIT, NULL);
    u->receiving = true;
    for (int i = 0; i < n && !u->freed; i++)
        u->ops->received(u, u->arg, slice_mem(iov[i].iov_base, msgs[i].msg_len), &from[i]);
    u->receiving = false;
    if (u->freed)
        udp_free(u);
}

static ssize_t send_now(struct udp *u, struct slice datagram, const struct net_addr *to)
{
    ssize_t n;
    do
        n = sendto(u->fd, datagram.p, datagram.n, MSG_DONTWAIT | MSG_NOSIGNAL, &to->sa, net_addr_len(to));
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static void drop(struct udp *u, struct waiting *w)
{
    list_unlink(&w->link);
    u->waiting_bytes -= w->n;
    mem_free(w);
}

static void send_waiting(struct udp *u)
{
    for (struct list *first; (first = list_first(&u->waiting)) != NULL;) {
        struct waiting *w = LIST_ENTRY(first, struct waiting, link);
        if (send_now(u, slice_mem(w->bytes, w->n), &w->to) == -EAGAIN)
            return;
        drop(u, w); /* sent, or lost as datagrams are */
    }
    io_want(u->io, IO_READ);
}

static void udp_ready(void *arg, unsigned what)
{
    struct udp *u = arg;
    if (what & IO_WRITE)
        send_waiting(u);
    else
        receive(u);
}

int udp_new(struct loop *l, const struct net_addr *addr, const struct udp_ops *ops, void *arg,
            struct udp **ret)
{
    struct net_addr bound;
    int fd = sock_bound(SOCK_DGRAM, addr, &bound);
    if (fd < 0)
        return fd;
    int size = UDP_SOCKET_BUFFER; /* as much of it as the system allows */
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    struct udp *u = MEM_NEW(struct udp);
    u->fd = fd;
    u->addr = bound;
    u->ops = ops;
    u->arg = arg;
    u->space = mem_alloc((size_t)UDP_BATCH * UDP_MAX_DATAGRAM);
    list_init(&u->waiting);
    u->io = io_new(l, fd, udp_ready, u);
    io_want(u->io, IO_READ);
    *ret = u;
    return 0;
}

void udp_free(struct udp *u)
{
    if (!u)
        return;
    u->freed = true;
    if (u->receiving)
        return;
    for (struct list *first; (first = list_first(&u->waiting)) != NULL;)
        drop(u, LIST_ENTRY(first, struct waiting, link));
    io_free(u->io);
    close(u->fd);
    mem_free(u->space);
    mem_free(u);
}

const struct net_addr *udp_addr(const struct udp *u)
{
    return &u->addr;
}

int udp_send(struct udp *u, struct slice datagram, const struct net_addr *to)
{
    ssize_t r = list_empty(&u->waiting) ? send_now(u, datagram, to) : -EAGAIN; /* keeps the order */
    if (r != -EAGAIN)
        return r < 0 ? (int)r : 0;
    if (u->waiting_bytes + datagram.n > UDP_MAX_WAITING)
        return -ENOBUFS;
    struct waiting *w = mem_alloc(sizeof(*w) + datagram.n);
    *w = (struct waiting){.to = *to, .n = datagram.n};
    memcpy(w->bytes, datagram.p, datagram.n);
    list_push_back(&u->waiting, &w->link);
    u->waiting_bytes += w->n;
    io_want(u->io, IO_READ | IO_WRITE);
    return 0;
}
