#include "ground/loop/loop.h"

#include "ground/base/mem.h"

#include <assert.h>
#include <event2/event.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/*
 * A turn: libevent waits and runs the callbacks of what is ready (sockets, the mailbox, the timers that are
 * due), then the deferred work runs until none is left. libevent knows a single timer, that of the earliest
 * entry of the heap, and it is set once a turn: starting and moving timers is work in memory only.
 */
/* The time beside the pointer: comparing touches no timer. */
struct due {
    uint64_t at;
    struct timer *timer;
};

struct loop {
    struct event_base *base;
    unsigned index;
    bool in_turn;
    bool now_known, wall_known; /* was read in this turn */
    uint64_t now;
    int64_t wall;
    uint64_t turn;
    uint32_t wait_least; /* UINT32_MAX: no turn since it was asked for */

    struct due *heap; /* [1..heap_n], the earliest first */
    size_t heap_n, heap_cap;
    struct event *alarm;
    uint64_t alarm_at; /* what the alarm is set to; UINT64_MAX: not set */

    struct list deferred;
    struct list preferred; /* struct io; whose turn is next stands first */
    size_t n_preferred;
    unsigned part_reads;
    struct buf spares[LOOP_SPARES];
    size_t n_spares;

    int wake_fd;
    struct event *wake;
    _Atomic(struct mail *) box;                             /* newest first */
    _Atomic uint64_t boxes[LOOP_MAIL_BOUNDS + 1], messages; /* only this thread writes them */
    atomic_bool stop;
};

static _Thread_local struct loop *current;

static uint64_t clock_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void alarm_fired(evutil_socket_t fd, short what, void *arg);
static void wake_fired(evutil_socket_t fd, short what, void *arg);

struct loop *loop_new(unsigned index)
{
    static const struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL); /* a peer that went away is an error of write, not our end */
    sigaction(SIGXFSZ, &ignore, NULL); /* so is a file that may not grow */
    struct loop *l = MEM_NEW(struct loop);
    struct event_config *config = event_config_new();
    assert(config);
    /* A base belongs to one thread; what comes from others goes through the mailbox. */
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    l->base = event_base_new_with_config(config);
    event_config_free(config);
    l->index = index;
    l->alarm_at = UINT64_MAX;
    l->wait_least = UINT32_MAX;
    list_init(&l->deferred);
    list_init(&l->preferred);
    l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert(l->base && l->wake_fd >= 0);
    l->alarm = event_new(l->base, -1, 0, alarm_fired, l);
    l->wake = event_new(l->base, l->wake_fd, EV_READ | EV_PERSIST, wake_fired, l);
    assert(l->alarm && l->wake);
    event_add(l->wake, NULL);
    return l;
}

unsigned loop_index(const struct loop *l)
{
    return l->index;
}

struct loop *loop_current(void)
{
    return current;
}

struct event_base *loop_base(struct loop *l)
{
    return l->base;
}

uint64_t loop_now(const struct loop *l)
{
    if (!l->in_turn)
        return clock_ms();
    if (!l->now_known) {
        /* Read by the first callback that asks, so that the time spent waiting is over; a cache, which
         * callers of a const function do not see. */
        struct loop *cache = (struct loop *)l;
        cache->now = clock_ms();
        cache->now_known = true;
    }
    return l->now;
}

static int64_t wall_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t loop_wall(void)
{
    struct loop *l = current;
    if (!l || !l->in_turn)
        return wall_ms();
    if (!l->wall_known) {
        l->wall = wall_ms();
        l->wall_known = true;
    }
    return l->wall;
}

/* --- mailbox ----------------------------------------------------------------------------------------------
 */

static void wake_up(struct loop *l)
{
    uint64_t one = 1;
    ssize_t n = write(l->wake_fd, &one, sizeof(one));
    (void)n; /* EAGAIN: the counter is full, so the loop is about to wake anyway */
}

void loop_post(struct loop *to, struct mail *m)
{
    struct mail *head = atomic_load_explicit(&to->box, memory_order_relaxed);
    do
        m->next = head;
    while (!atomic_compare_exchange_weak_explicit(&to->box, &head, m, memory_order_release,
                                                  memory_order_relaxed));
    if (!head) /* whoever found the box empty wakes the owner; for the others it is awake already */
        wake_up(to);
}

const uint32_t loop_mail_bounds[LOOP_MAIL_BOUNDS] = {1, 4, 16, 64, 256, 1024};

static void bump(_Atomic uint64_t *own, uint64_t n)
{
    atomic_store_explicit(own, atomic_load_explicit(own, memory_order_relaxed) + n, memory_order_relaxed);
}

static void note_box(struct loop *l, uint64_t n)
{
    size_t i = 0;
    while (i < LOOP_MAIL_BOUNDS && n > loop_mail_bounds[i])
        i++;
    bump(&l->boxes[i], 1);
    bump(&l->messages, n);
}

void loop_mail_add(struct loop_mail *to, const struct loop *l)
{
    for (size_t i = 0; i <= LOOP_MAIL_BOUNDS; i++)
        to->in[i] += atomic_load_explicit(&l->boxes[i], memory_order_relaxed);
    to->messages += atomic_load_explicit(&l->messages, memory_order_relaxed);
}

static void deliver_box(struct loop *l)
{
    struct mail *m = atomic_exchange_explicit(&l->box, NULL, memory_order_acquire), *ordered = NULL;
    uint64_t n = 0;
    for (; m; n++) {
        struct mail *next = m->next;
        m->next = ordered;
        ordered = m;
        m = next;
    }
    if (n)
        note_box(l, n);
    while (ordered) {
        m = ordered;
        ordered = m->next; /* before: m is its receiver's now */
        m->deliver(m, l);
    }
}

static void wake_fired(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    uint64_t count;
    ssize_t n = read(fd, &count, sizeof(count)); /* before the box is taken: later posts wake again */
    (void)n;
    deliver_box(arg);
}

/* --- timers -----------------------------------------------------------------------------------------------
 */

static void heap_put(struct loop *l, size_t slot, struct due d)
{
    l->heap[slot] = d;
    d.timer->heap_slot = slot;
}

static void heap_up(struct loop *l, size_t slot, struct due d)
{
    for (; slot > 1 && l->heap[slot / 2].at > d.at; slot /= 2)
        heap_put(l, slot, l->heap[slot / 2]);
    heap_put(l, slot, d);
}

static void heap_down(struct loop *l, size_t slot, struct due d)
{
    for (;;) {
        size_t child = slot * 2;
        if (child > l->heap_n)
            break;
        if (child < l->heap_n && l->heap[child + 1].at < l->heap[child].at)
            child++;
        if (l->heap[child].at >= d.at)
            break;
        heap_put(l, slot, l->heap[child]);
        slot = child;
    }
    heap_put(l, slot, d);
}

static void heap_fix(struct loop *l, size_t slot, struct due d)
{
    if (slot > 1 && l->heap[slot / 2].at > d.at)
        heap_up(l, slot, d);
    else
        heap_down(l, slot, d);
}

void timer_init(struct timer *t, struct loop *l, void (*fire)(void *arg), void *arg)
{
    *t = (struct timer){.loop = l, .fire = fire, .arg = arg};
}

void timer_start(struct timer *t, uint64_t at)
{
    struct loop *l = t->loop;
    t->at = at;
    if (t->heap_slot) {
        heap_fix(l, t->heap_slot, (struct due){at, t});
        return;
    }
    if (l->heap_n + 1 >= l->heap_cap) {
        l->heap_cap = l->heap_cap ? l->heap_cap * 2 : 64;
        l->heap = mem_realloc(l->heap, l->heap_cap * sizeof(struct due));
    }
    heap_up(l, ++l->heap_n, (struct due){at, t});
}

void timer_stop(struct timer *t)
{
    size_t slot = t->heap_slot;
    if (!slot)
        return;
    struct loop *l = t->loop;
    struct due last = l->heap[l->heap_n--];
    if (last.timer != t)
        heap_fix(l, slot, last);
    t->heap_slot = 0;
}

static void alarm_fired(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct loop *l = arg;
    uint64_t now = loop_now(l);
    l->alarm_at = UINT64_MAX;
    /* The count bounds timers that start themselves again for now: they wait for the next turn. */
    for (size_t n = l->heap_n; n > 0 && l->heap_n > 0 && l->heap[1].at <= now; n--) {
        struct timer *t = l->heap[1].timer;
        timer_stop(t);
        t->fire(t->arg);
    }
}

static void alarm_set(struct loop *l)
{
    uint64_t at = l->heap_n ? l->heap[1].at : UINT64_MAX;
    if (at == l->alarm_at)
        return;
    l->alarm_at = at;
    if (at == UINT64_MAX) {
        event_del(l->alarm);
        return;
    }
    uint64_t now = clock_ms(), wait = at > now ? at - now : 0;
    struct timeval tv = {.tv_sec = (time_t)(wait / 1000), .tv_usec = (suseconds_t)(wait % 1000 * 1000)};
    event_add(l->alarm, &tv);
}

/* --- deferred ---------------------------------------------------------------------------------------------
 */

void deferred_init(struct deferred *d, void (*run)(void *arg), void *arg)
{
    list_init(&d->link);
    d->run = run;
    d->arg = arg;
}

void deferred_add(struct loop *l, struct deferred *d)
{
    if (!list_linked(&d->link))
        list_push_back(&l->deferred, &d->link);
}

void deferred_cancel(struct deferred *d)
{
    list_unlink(&d->link);
}

static void run_deferred(struct loop *l)
{
    for (struct list *it; (it = list_first(&l->deferred)) != NULL;) {
        struct deferred *d = LIST_ENTRY(it, struct deferred, link);
        list_unlink(it);
        d->run(d->arg);
    }
}

/* --- spare memory -----------------------------------------------------------------------------------------
 */

void loop_lend(struct loop *l, struct buf *b)
{
    if (!b->mem && l->n_spares)
        *b = l->spares[--l->n_spares];
}

void loop_give_back(struct loop *l, struct buf *b)
{
    buf_clear(b, LOOP_SPARE_MAX);
    if (b->mem && l->n_spares < LOOP_SPARES) {
        l->spares[l->n_spares++] = *b;
        *b = (struct buf){0};
    }
    buf_fini(b);
}

/* --- turns ------------------------------------------------------------------------------------------------
 */

static void note_turn(struct loop *l)
{
    if (l->now_known) {
        uint64_t took = clock_ms() - l->now;
        if (took < l->wait_least)
            l->wait_least = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX - 1;
    }
    l->now_known = l->wall_known = false;
    l->turn++;
}

uint64_t loop_turn(const struct loop *l)
{
    return l->turn;
}

uint32_t loop_wait_least(struct loop *l)
{
    uint32_t least = l->wait_least == UINT32_MAX ? 0 : l->wait_least;
    l->wait_least = UINT32_MAX;
    return least;
}

void loop_run(struct loop *l)
{
    struct loop *outer = current;
    current = l;
    l->in_turn = true;
    do {
        run_deferred(l);
        l->part_reads = 0;
        alarm_set(l);
        note_turn(l);
        if (event_base_loop(l->base, EVLOOP_ONCE) < 0)
            abort(); /* epoll itself failed: nothing could ever arrive again */
    } while (!atomic_load(&l->stop));
    run_deferred(l);
    atomic_store(&l->stop, false);
    l->in_turn = false;
    current = outer;
}

void loop_stop(struct loop *l)
{
    atomic_store(&l->stop, true);
    wake_up(l);
}

void loop_drain(struct loop *l)
{
    struct loop *outer = current;
    current = l;
    do {
        deliver_box(l);
        run_deferred(l);
    } while (atomic_load(&l->box));
    current = outer;
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    loop_drain(l);
    while (l->heap_n)
        timer_stop(l->heap[l->heap_n].timer);
    event_free(l->wake);
    event_free(l->alarm);
    close(l->wake_fd);
    event_base_free(l->base);
    while (l->n_spares)
        buf_fini(&l->spares[--l->n_spares]);
    mem_free(l->heap);
    mem_free(l);
}

/* --- readiness --------------------------------------------------------------------------------------------
 */

/* Two events, so that switching writing on and off leaves reading alone; made when first wanted. */
struct io {
    struct loop *loop;
    int fd;
    unsigned want;
    struct event *read, *write;
    void (*ready)(void *arg, unsigned what);
    void *arg;
    struct list preferred;
};

static void next_part(struct loop *l)
{
    l->part_reads = 0;
    run_deferred(l);
    size_t n = l->n_preferred < LOOP_PART_PREFERRED ? l->n_preferred : LOOP_PART_PREFERRED;
    for (struct list *it; n > 0 && (it = list_first(&l->preferred)) != NULL; n--) {
        struct io *io = LIST_ENTRY(it, struct io, preferred);
        list_unlink(it);
        list_push_back(&l->preferred, it);
        if (io->want & IO_READ)
            io->ready(io->arg, IO_READ);
    }
}

static void io_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct io *io = arg;
    struct loop *l = io->loop;
    io->ready(io->arg, IO_READ);
    if (++l->part_reads == LOOP_PART)
        next_part(l);
}

static void io_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct io *io = arg;
    io->ready(io->arg, IO_WRITE);
}

struct io *io_new(struct loop *l, int fd, void (*ready)(void *arg, unsigned what), void *arg)
{
    struct io *io = MEM_NEW(struct io);
    io->loop = l;
    io->fd = fd;
    io->ready = ready;
    io->arg = arg;
    list_init(&io->preferred);
    return io;
}

void io_prefer(struct io *io)
{
    if (list_linked(&io->preferred))
        return;
    list_push_back(&io->loop->preferred, &io->preferred);
    io->loop->n_preferred++;
}

static void io_switch(struct io *io, struct event **e, short what, event_callback_fn run, bool on)
{
    if (!*e && on) {
        *e = event_new(io->loop->base, io->fd, (short)(what | EV_PERSIST), run, io);
        assert(*e);
    }
    if (on)
        event_add(*e, NULL);
    else
        event_del(*e);
}

void io_want(struct io *io, unsigned what)
{
    unsigned changed = io->want ^ what;
    io->want = what;
    if (changed & IO_READ)
        io_switch(io, &io->read, EV_READ, io_readable, what & IO_READ);
    if (changed & IO_WRITE)
        io_switch(io, &io->write, EV_WRITE, io_writable, what & IO_WRITE);
}

void io_free(struct io *io)
{
    if (!io)
        return;
    if (list_linked(&io->preferred))
        io->loop->n_preferred--;
    list_unlink(&io->preferred);
    if (io->read)
        event_free(io->read);
    if (io->write)
        event_free(io->write);
    mem_free(io);
}
