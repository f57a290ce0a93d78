#include "ground/net/udp.h"

#include "ground/base/test.h"
#include "ground/log/metric.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DEADLINE_MS = 30000, BIG = 60000, MANY = 100 };

static struct loop *loop;
static struct timer deadline;
static struct net_addr any4;
static struct udp *left, *right;

/* --- the system call of those that leave together: what it is to say
 * -------------------------------------------
 */

static struct {
    unsigned calls, sent; /* calls; datagrams that they took */
    unsigned at_most;     /* takes no more in one call; 0: all */
    unsigned room;        /* in all, before it says EAGAIN */
} kernel;

int sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags)
{
    kernel.calls++;
    if (kernel.at_most && n > kernel.at_most)
        n = kernel.at_most;
    if (n > kernel.room - kernel.sent)
        n = kernel.room - kernel.sent;
    if (n == 0) {
        errno = EAGAIN;
        return -1;
    }
    long r = syscall(SYS_sendmmsg, fd, msgs, n, flags);
    kernel.sent += r > 0 ? (unsigned)r : 0;
    return (int)r;
}

static void too_late(void *arg)
{
    (void)arg;
    TEST_DIAG("nothing happened for %d ms", DEADLINE_MS);
    loop_stop(loop);
}

static void begin(void)
{
    memset(&kernel, 0, sizeof(kernel));
    kernel.room = UINT32_MAX;
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

/* --- in ----------------------------------------------------------------------------------------------------
 */

static unsigned pings, pongs;
static char big[1 << 17];

static void on_ping(struct udp *u, void *arg, struct slice datagram, const struct net_addr *from)
{
    CHECK(arg == &pings);
    CHECK(net_addr_eq(from, udp_addr(left)));
    pings++;
    CHECK_INT(udp_send(u, datagram, from), 0);
}
static void on_pong(struct udp *u, void *arg, struct slice datagram, const struct net_addr *from)
{
    (void)arg;
    CHECK(net_addr_eq(from, udp_addr(right)));
    CHECK_INT(datagram.n, pongs == 0 ? 0 : pongs == 1 ? 5 : BIG);
    if (++pongs < 3) {
        CHECK_INT(udp_send(u, pongs == 1 ? SLICE("hello") : slice_mem(big, BIG), from), 0);
        return;
    }
    CHECK(memcmp(datagram.p, big, BIG) == 0);
    udp_free(left); /* within its callback */
    loop_stop(loop);
}
static const struct udp_ops ping_ops = {on_ping}, pong_ops = {on_pong};

TEST(there_and_back)
{
    begin();
    memset(big, 'x', BIG);
    CHECK_INT(udp_new(loop, &any4, &pong_ops, NULL, &left), 0);
    CHECK_INT(udp_new(loop, &any4, &ping_ops, &pings, &right), 0);
    CHECK(net_addr_port(udp_addr(left)) != net_addr_port(udp_addr(right)));
    CHECK_INT(udp_send(left, SLICE(""), udp_addr(right)), 0);
    loop_run(loop);
    CHECK_INT(pings, 3);
    CHECK_INT(pongs, 3);
    udp_free(right);
    udp_free(NULL);
    end();
}

static void on_batch(struct udp *u, void *arg, struct slice datagram, const struct net_addr *from)
{
    (void)u;
    (void)from;
    unsigned *n = arg;
    CHECK_INT(*(const unsigned char *)datagram.p, *n); /* loopback keeps the order */
    if (++*n == 100)
        loop_stop(loop);
}
static const struct udp_ops batch_ops = {on_batch};

TEST(batches_come_in)
{
    begin();
    unsigned n = 0;
    CHECK_INT(udp_new(loop, &any4, &batch_ops, &n, &left), 0);
    CHECK_INT(udp_new(loop, &any4, &ping_ops, &pings, &right), 0);
    for (int i = 0; i < 100; i++) {
        unsigned char c = (unsigned char)i;
        CHECK_INT(udp_send(right, slice_mem(&c, 1), udp_addr(left)), 0);
    }
    loop_run(loop);
    CHECK_INT(n, 100);
    CHECK_INT(udp_send(right, slice_mem(big, 1 << 17), udp_addr(left)), -EMSGSIZE);
    udp_free(left);
    udp_free(right);
    end();
}

/* --- out, gathered
 * ------------------------------------------------------------------------------------------
 */

/* What left hears: first octets in their order. */
static struct {
    unsigned char got[MANY];
    unsigned n, wanted;
} ear;

static void on_heard(struct udp *u, void *arg, struct slice datagram, const struct net_addr *from)
{
    (void)u;
    (void)arg;
    (void)from;
    if (ear.n < MANY)
        ear.got[ear.n] = (unsigned char)datagram.p[0];
    if (++ear.n == ear.wanted)
        loop_stop(loop);
}
static const struct udp_ops ear_ops = {on_heard}, mute_ops = {0};

static void begin_gathering(void)
{
    begin();
    memset(&ear, 0, sizeof(ear));
    CHECK_INT(udp_new(loop, &any4, &ear_ops, NULL, &left), 0);
    CHECK_INT(udp_new(loop, &any4, &mute_ops, NULL, &right), 0);
}

/* Until so many are heard, in the order of their numbers from 0 on. */
static void hear(unsigned n)
{
    ear.wanted = n;
    loop_run(loop);
    CHECK_INT(ear.n, n);
    for (unsigned i = 0; i < ear.n && i < MANY; i++)
        CHECK_INT(ear.got[i], i);
}

static void end_gathering(void)
{
    udp_free(left);
    udp_free(right);
    end();
}

static void gather(unsigned from, unsigned to, size_t size)
{
    for (unsigned i = from; i < to; i++) {
        big[0] = (char)i;
        udp_gather(right, slice_mem(big, size), udp_addr(left));
    }
}

TEST(gathered_leave_together_at_the_end_of_the_turn)
{
    begin_gathering();
    gather(0, 5, 1);
    CHECK_INT(kernel.calls, 0);
    hear(5);
    CHECK_INT(kernel.calls, 1);
    CHECK_INT(kernel.sent, 5);
    gather(5, 6, 1); /* another turn, another call */
    hear(6);
    CHECK_INT(kernel.calls, 2);
    end_gathering();
}

TEST(enough_of_them_leave_at_once)
{
    begin_gathering();
    gather(0, UDP_GATHER + 1, 1);
    CHECK_INT(kernel.calls, 1);
    CHECK_INT(kernel.sent, UDP_GATHER);
    hear(UDP_GATHER + 1);
    CHECK_INT(kernel.calls, 2);
    end_gathering();

    begin_gathering();
    gather(0, 2, UDP_GATHER_BYTES / 2);
    CHECK_INT(kernel.calls, 0);
    gather(2, 3, 1);
    CHECK_INT(kernel.sent, 2);
    hear(3);
    end_gathering();
}

TEST(what_goes_at_once_goes_behind_them)
{
    begin_gathering();
    gather(0, 3, 1);
    CHECK_INT(udp_send(right, SLICE("\x03"), udp_addr(left)), 0);
    CHECK_INT(kernel.sent, 3);
    gather(4, 5, 1);
    hear(5);
    end_gathering();
}

TEST(the_kernel_takes_some_of_them)
{
    begin_gathering();
    kernel.at_most = 3;
    gather(0, 10, 1);
    hear(10);
    CHECK_INT(kernel.calls, 4);
    end_gathering();
}

TEST(one_that_is_refused_harms_no_other)
{
    struct net_addr nowhere; /* port 0 */
    int64_t lost = metric_read("net.datagram-lost");
    begin_gathering();
    net_addr_parse(SLICE("127.0.0.1"), 0, &nowhere);
    udp_gather(right, SLICE("x"), &nowhere);
    gather(0, 2, 1);
    udp_gather(right, slice_mem(big, UDP_MAX_DATAGRAM), udp_addr(left)); /* too large for IPv4 */
    udp_gather(right, SLICE("x"), &nowhere);
    gather(2, 4, 1);
    udp_gather(right, SLICE("x"), &nowhere);
    hear(4);
    CHECK_INT(metric_read("net.datagram-lost") - lost, 4);
    end_gathering();
}

TEST(without_room_they_wait_in_their_order)
{
    int64_t lost = metric_read("net.datagram-lost");
    begin_gathering();
    kernel.room = 4;
    gather(0, 10, 1);
    CHECK_INT(udp_send(right, SLICE("\x0a"), udp_addr(left)), 0); /* waits behind them */
    CHECK_INT(kernel.sent, 4);
    gather(11, 14, 1);
    CHECK_INT(udp_send(right, SLICE("\x0e"), udp_addr(left)), 0);
    CHECK_INT(kernel.calls, 2); /* nothing is tried while others wait */
    hear(15);
    CHECK_INT(kernel.sent, 4); /* the others left when there was room again */
    kernel.room = UINT32_MAX;
    gather(15, 20, 1);
    hear(20);
    CHECK_INT(kernel.sent, 9);
    CHECK_INT(metric_read("net.datagram-lost") - lost, 0);
    end_gathering();
}

TEST(what_waits_is_limited)
{
    enum { FITS = UDP_MAX_WAITING / BIG, MORE = 4 };
    int64_t lost = metric_read("net.datagram-lost");
    begin_gathering();
    kernel.room = 0;
    gather(0, FITS + MORE, BIG);
    CHECK_INT(udp_send(right, slice_mem(big, BIG), udp_addr(left)), -ENOBUFS);
    CHECK_INT(metric_read("net.datagram-lost") - lost, MORE);
    hear(FITS);
    CHECK_INT(udp_send(right, SLICE("x"), udp_addr(left)), 0);
    end_gathering();
}

TEST(what_is_gathered_leaves_before_the_end)
{
    begin_gathering();
    gather(0, 3, 1);
    udp_free(right);
    right = NULL;
    hear(3);
    end_gathering();
}

TEST_MAIN(there_and_back, batches_come_in, gathered_leave_together_at_the_end_of_the_turn,
          enough_of_them_leave_at_once, what_goes_at_once_goes_behind_them, the_kernel_takes_some_of_them,
          one_that_is_refused_harms_no_other, without_room_they_wait_in_their_order, what_waits_is_limited,
          what_is_gathered_leaves_before_the_end)
