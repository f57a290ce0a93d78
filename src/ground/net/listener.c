#include "ground/net/listener.h"

#include "ground/base/mem.h"
#include "ground/log/log.h"
#include "ground/net/sock.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

enum {
    LISTENER_BACKLOG = 4096, /* the kernel caps it at somaxconn */
    LISTENER_BATCH = 64,     /* accepted in one turn */
    LISTENER_PAUSE_MS = 100, /* when the process is out of descriptors or memory */
};

struct listener {
    int fd;
    struct io *io;
    struct loop *loop;
    struct timer pause;
    struct net_addr addr;
    const struct listener_ops *ops;
    void *arg;
    bool ending;
    bool *freed; /* set by listener_free for the accept_batch that is running */
};

/* One connection handed over (0), or -EAGAIN: none waits, or another negative errno. */
static int accept_one(struct listener *ls)
{
    struct net_addr remote;
    memset(&remote, 0, sizeof(remote));
    socklen_t len = sizeof(remote);
    int fd = accept4(ls->fd, &remote.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return -errno;
    sock_tune_tcp(fd);
    ls->ops->accepted(ls->arg, fd, &remote);
    return 0;
}

static bool is_shortage(int r)
{
    return r == -EMFILE || r == -ENFILE || r == -ENOBUFS || r == -ENOMEM;
}

static void accept_batch(void *arg, unsigned what)
{
    (void)what;
    struct listener *ls = arg;
    bool freed = false;
    ls->freed = &freed;
    for (int i = 0; i < LISTENER_BATCH; i++) {
        int r = accept_one(ls);
        if (freed)
            return;
        if (is_shortage(r)) { /* level-triggered: without a pause this would spin */
            char text[NET_ADDR_TEXT];
            log_event(LOG_WARN, "net.accept-paused", FIELDS({"address", net_addr_text(&ls->addr, text)}),
                      "cannot accept: %s", strerror(-r));
            io_want(ls->io, 0);
            timer_start(&ls->pause, loop_now(ls->loop) + LISTENER_PAUSE_MS);
            break;
        }
        if (r == -EAGAIN)
            break;
        /* any other error is that of one connection, which is gone */
    }
    ls->freed = NULL;
}

static void pause_over(void *arg)
{
    struct listener *ls = arg;
    io_want(ls->io, IO_READ);
}

int listener_new(struct loop *l, const struct net_addr *addr, const struct listener_ops *ops, void *arg,
                 struct listener **ret)
{
    struct net_addr bound;
    int fd = sock_bound(SOCK_STREAM, addr, &bound);
    if (fd < 0)
        return fd;
    if (listen(fd, LISTENER_BACKLOG) < 0) {
        int r = -errno;
        close(fd);
        return r;
    }
    struct listener *ls = MEM_NEW(struct listener);
    ls->fd = fd;
    ls->loop = l;
    ls->addr = bound;
    ls->ops = ops;
    ls->arg = arg;
    timer_init(&ls->pause, l, pause_over, ls);
    ls->io = io_new(l, fd, accept_batch, ls);
    io_want(ls->io, IO_READ);
    *ret = ls;
    return 0;
}

void listener_hold(struct listener *ls, bool hold)
{
    timer_stop(&ls->pause);
    io_want(ls->io, hold ? 0 : IO_READ);
}

void listener_free(struct listener *ls)
{
    if (!ls || ls->ending)
        return;
    ls->ending = true;
    if (ls->freed)
        *ls->freed = true;
    timer_stop(&ls->pause);
    io_free(ls->io);
    for (int r = 0; r != -EAGAIN && r != -EINVAL && !is_shortage(r);)
        r = accept_one(ls);
    close(ls->fd);
    mem_free(ls);
}

const struct net_addr *listener_addr(const struct listener *ls)
{
    return &ls->addr;
}
