#include "ground/net/listener.h"

#include "ground/base/test.h"
#include "ground/loop/workers.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <unistd.h>

enum { DEADLINE_MS = 30000 };

static struct loop *loop;
static struct timer deadline;
static struct net_addr any4;

static void too_late(void *arg)
{
    (void)arg;
    TEST_DIAG("nothing happened for %d ms", DEADLINE_MS);
    loop_stop(loop);
}

static void begin(void)
{
    loop = loop_new(0);
    timer_init(&deadline, loop, too_late, NULL);
    timer_start(&deadline, loop_now(loop) + DEADLINE_MS);
    CHECK_INT(net_addr_parse(SLICE("127.0.0.1"), 0, &any4), 0);
}

static void end(void)
{
    timer_stop(&deadline);
    loop_free(loop);
}

/* --- listener --- */

static struct listener *listener;
static unsigned accepted, wanted, free_at;

static void on_accepted(void *arg, int fd, const struct net_addr *remote)
{
    CHECK(arg == &wanted);
    CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    int nodelay = 0;
    socklen_t len = sizeof(nodelay);
    CHECK_INT(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, &len), 0);
    CHECK(nodelay);
    CHECK(net_addr_eq_host(remote, &any4));
    CHECK(net_addr_port(remote) != 0);
    close(fd);
    if (++accepted == free_at)
        listener_free(listener);
    if (accepted == wanted)
        loop_stop(loop);
}
static const struct listener_ops counting = {on_accepted};

static int dial(const struct net_addr *to)
{
    int fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(connect(fd, &to->sa, net_addr_len(to)), 0); /* the kernel's queue takes it */
    return fd;
}

TEST(listener_accepts)
{
    begin();
    accepted = free_at = 0;
    wanted = 100; /* more than one batch */
    CHECK_INT(listener_new(loop, &any4, &counting, &wanted, &listener), 0);
    CHECK(net_addr_port(listener_addr(listener)) != 0);
    int fd[100];
    for (int i = 0; i < 100; i++)
        fd[i] = dial(listener_addr(listener));
    loop_run(loop);
    CHECK_INT(accepted, 100);
    for (int i = 0; i < 100; i++)
        close(fd[i]);
    listener_free(listener);
    listener_free(NULL);
    end();
}

TEST(what_waits_is_accepted_before_the_end)
{
    begin();
    for (free_at = 0; free_at < 2; free_at++) { /* from outside, and from within a callback */
        accepted = 0;
        wanted = 5;
        CHECK_INT(listener_new(loop, &any4, &counting, &wanted, &listener), 0);
        int fd[5];
        for (int i = 0; i < 5; i++)
            fd[i] = dial(listener_addr(listener));
        if (free_at)
            loop_run(loop);
        else
            listener_free(listener);
        CHECK_INT(accepted, 5);
        for (int i = 0; i < 5; i++)
            close(fd[i]);
    }
    end();
}

TEST(listener_errors)
{
    begin();
    struct listener *none = NULL;
    struct net_addr foreign;
    CHECK_INT(net_addr_parse(SLICE("192.0.2.1"), 0, &foreign), 0);
    CHECK_INT(listener_new(loop, &foreign, &counting, &wanted, &none), -EADDRNOTAVAIL);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* without SO_REUSEPORT: not shared */
    struct net_addr taken;
    socklen_t len = sizeof(taken);
    CHECK_INT(bind(fd, &any4.sa, net_addr_len(&any4)), 0);
    CHECK_INT(listen(fd, 1), 0);
    CHECK_INT(getsockname(fd, &taken.sa, &len), 0);
    CHECK_INT(listener_new(loop, &taken, &counting, &wanted, &none), -EADDRINUSE);
    CHECK(none == NULL);
    close(fd);
    end();
}

/* Two workers listen at one port; each connection reaches exactly one of them. */
static atomic_uint shared_accepted;
static void on_shared(void *arg, int fd, const struct net_addr *remote)
{
    (void)arg;
    (void)remote;
    close(fd);
    if (atomic_fetch_add(&shared_accepted, 1) + 1 == 64)
        loop_stop(loop);
}
static const struct listener_ops shared_ops = {on_shared};

TEST(workers_share_a_port)
{
    begin();
    struct workers *w = workers_new(2, "team");
    struct listener *ls[2];
    CHECK_INT(listener_new(workers_loop(w, 0), &any4, &shared_ops, NULL, &ls[0]), 0);
    CHECK_INT(listener_new(workers_loop(w, 1), listener_addr(ls[0]), &shared_ops, NULL, &ls[1]), 0);
    workers_start(w);
    int fd[64];
    for (int i = 0; i < 64; i++)
        fd[i] = dial(listener_addr(ls[0]));
    loop_run(loop);
    CHECK_INT(atomic_load(&shared_accepted), 64);
    for (int i = 0; i < 64; i++)
        close(fd[i]);
    workers_stop(w);
    listener_free(ls[0]);
    listener_free(ls[1]);
    workers_free(w);
    end();
}

TEST_MAIN(listener_accepts, what_waits_is_accepted_before_the_end, listener_errors, workers_share_a_port)
