#include "ground/net/udp.h"

#include "ground/base/list.h"
#include "ground/base/mem.h"
#include "ground/log/metric.h"
#include "ground/net/sock.h"

#include <errno.h>
#include <unistd.h>

enum {
    UDP_SOCKET_BUFFER = 1 << 20,
    /* Datagrams of a batch lie a little more than 64 KiB apart: their beginnings would share a few lines of
     * the processor's cache, and push each other out before they are read. */
    UDP_STRIDE = (64 << 10) + 1024,
};

struct waiting {
    struct list link;
    struct net_addr to;
    size_t n;
    char bytes[];
};

/* One that leaves with others; its bytes are in udp.out. */
struct gathered {
    size_t n;
    struct net_addr to;
};

struct udp {
    int fd;
    struct loop *loop;
    struct io *io;
    struct net_addr addr;
    const struct udp_ops *ops;
    void *arg;
    struct list waiting;
    size_t waiting_bytes;
    struct gathered gathered[UDP_GATHER];
    unsigned n_gathered;
    struct buf out;
    struct deferred end_of_turn;
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
        iov[i] = (struct iovec){u->space + (size_t)i * UDP_STRIDE, UDP_MAX_DATAGRAM};
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

/* --- what waits for room -----------------------------------------------------------------------------------
 */

static int send_now(struct udp *u, struct slice datagram, const struct net_addr *to)
{
    ssize_t n;
    do
        n = sendto(u->fd, datagram.p, datagram.n, MSG_DONTWAIT | MSG_NOSIGNAL, &to->sa, net_addr_len(to));
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

static int wait_for_room(struct udp *u, struct slice datagram, const struct net_addr *to)
{
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
        int r = send_now(u, slice_mem(w->bytes, w->n), &w->to);
        if (r == -EAGAIN)
            return;
        if (r < 0)
            METRIC_COUNT("net.datagram-lost");
        drop(u, w);
    }
    io_want(u->io, IO_READ);
}

/* --- gathered ----------------------------------------------------------------------------------------------
 */

/* How many are dealt with: sent, or refused. The others find no room. */
static unsigned send_together(struct udp *u, struct mmsghdr *msgs, unsigned n)
{
    unsigned done = 0;
    while (done < n) {
        int r = sendmmsg(u->fd, msgs + done, n - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (r > 0) {
            done += (unsigned)r;
        } else if (errno == EAGAIN) {
            break;
        } else if (errno != EINTR) { /* it is the first of them that was refused */
            METRIC_COUNT("net.datagram-lost");
            done++;
        }
    }
    return done;
}

static void flush(void *arg)
{
    struct udp *u = arg;
    struct mmsghdr msgs[UDP_GATHER];
    struct iovec iov[UDP_GATHER];
    char *at = u->out.mem;
    if (u->n_gathered == 0)
        return;
    for (unsigned i = 0; i < u->n_gathered; i++) {
        struct gathered *g = &u->gathered[i];
        iov[i] = (struct iovec){at, g->n};
        msgs[i].msg_hdr = (struct msghdr){
            .msg_name = &g->to, .msg_namelen = net_addr_len(&g->to), .msg_iov = &iov[i], .msg_iovlen = 1};
        at += g->n;
    }
    unsigned i = list_empty(&u->waiting) ? send_together(u, msgs, u->n_gathered) : 0; /* keeps the order */
    for (; i < u->n_gathered; i++)
        if (wait_for_room(u, slice_mem(iov[i].iov_base, iov[i].iov_len), &u->gathered[i].to) < 0)
            METRIC_COUNT("net.datagram-lost");
    u->n_gathered = 0;
    loop_give_back(u->loop, &u->out);
}

void udp_gather(struct udp *u, struct slice datagram, const struct net_addr *to)
{
    if (u->n_gathered == UDP_GATHER || buf_len(&u->out) + datagram.n > UDP_GATHER_BYTES)
        flush(u);
    loop_lend(u->loop, &u->out);
    u->gathered[u->n_gathered++] = (struct gathered){datagram.n, *to};
    buf_append(&u->out, datagram);
    deferred_add(u->loop, &u->end_of_turn);
}

int udp_send(struct udp *u, struct slice datagram, const struct net_addr *to)
{
    flush(u);
    int r = list_empty(&u->waiting) ? send_now(u, datagram, to) : -EAGAIN; /* keeps the order */
    return r == -EAGAIN ? wait_for_room(u, datagram, to) : r;
}

/* --- life --------------------------------------------------------------------------------------------------
 */

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
    u->loop = l;
    u->addr = bound;
    u->ops = ops;
    u->arg = arg;
    u->space = mem_alloc((size_t)UDP_BATCH * UDP_STRIDE);
    deferred_init(&u->end_of_turn, flush, u);
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
    flush(u);
    deferred_cancel(&u->end_of_turn);
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
