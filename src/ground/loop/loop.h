/*
 * loop/loop.h - event loops, one a thread: readiness, timers, mailboxes, work after the turn. Wraps libevent.
 *
 * All functions of a loop are called on its own thread, but for loop_post and loop_stop, which any thread may
 * call. Callbacks never block; what blocks goes to a helper thread (loop/helpers.h). Time is monotonic
 * milliseconds, read once a turn (loop_now); loop_wall is the real-time clock for dates.
 */
#pragma once

#include "ground/base/buf.h"
#include "ground/base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct event_base;

/* Makes the process ignore SIGPIPE, also for what other libraries write. */
struct loop *loop_new(unsigned index); /* index: which worker this is; 0.. */
void loop_free(struct loop *l);
unsigned loop_index(const struct loop *l);
void loop_run(struct loop *l);  /* until loop_stop */
void loop_stop(struct loop *l); /* from any thread; takes effect at the end of the turn */
/* The loop that runs on the calling thread, or NULL. */
struct loop *loop_current(void);
uint64_t loop_now(const struct loop *l);
/* How many milliseconds its turns took at the least since this was last asked: whoever came to the loop in
 * that time waited so long, unless it was the first of a turn. 0 without any. Of turns in which somebody
 * asked for the time. */
uint32_t loop_wait_least(struct loop *l);
uint64_t loop_turn(const struct loop *l);     /* counts its turns, from 1 */
int64_t loop_wall(void);                      /* milliseconds since 1970 UTC; within a turn read once */
struct event_base *loop_base(struct loop *l); /* for net and http alone */

/* --- readiness (level-triggered) --- */
enum { IO_READ = 1, IO_WRITE = 2 };
struct io;
struct io *io_new(struct loop *l, int fd, void (*ready)(void *arg, unsigned what), void *arg);
void io_want(struct io *io, unsigned what); /* IO_READ | IO_WRITE; 0 pauses */
void io_free(struct io *io);                /* does not close fd; NULL is fine; allowed inside its callback */
/* For one that carries what belongs to many: within a long turn it is read from early, on the chance that
 * there is something (see LOOP_PART). */
void io_prefer(struct io *io);
/* So many sockets are read from, then what is deferred runs and preferred ones are looked at: a turn in which
 * thousands are ready does not pile up what the first of them brought until the last one was read. */
enum { LOOP_PART = 32, LOOP_PART_PREFERRED = 8 };

/* --- timers: they lie in the object; starting again moves them, stopping twice is harmless --- */
struct timer {
    struct loop *loop;
    void (*fire)(void *arg);
    void *arg;
    uint64_t at;
    size_t heap_slot; /* 0: not running */
};
void timer_init(struct timer *t, struct loop *l, void (*fire)(void *arg), void *arg);
void timer_start(struct timer *t, uint64_t at); /* absolute, loop_now's clock */
void timer_stop(struct timer *t);               /* also fine on a zeroed timer */
static inline bool timer_running(const struct timer *t)
{
    return t->heap_slot != 0;
}

/* --- deferred: runs once at the end of this turn or of a part of it (LOOP_PART), when no callback of an
 * event is under way (gathered output, deletions) --- */
struct deferred {
    struct list link;
    void (*run)(void *arg);
    void *arg;
};
void deferred_init(struct deferred *d, void (*run)(void *arg), void *arg);
void deferred_add(struct loop *l, struct deferred *d); /* already waiting: nothing */
void deferred_cancel(struct deferred *d);

/* --- memory for bytes on their way: what a connection gathers in one turn and gives away at its end --- */
enum { LOOP_SPARES = 16, LOOP_SPARE_MAX = 64 << 10 /* bytes of one that is kept */ };
/* Spare memory, when there is any, for a buffer that has none. */
void loop_lend(struct loop *l, struct buf *b);
/* The buffer is empty afterwards; its memory is lent again, or freed. */
void loop_give_back(struct loop *l, struct buf *b);

/* --- mailboxes: an intrusive message to another thread's loop; delivered in order of posting for one sender.
 * Ownership passes to `deliver`, which runs on the receiving loop. Wake-ups are coalesced. What is in the box
 * when the loop is freed is delivered then, on the freeing thread. */
struct mail {
    struct mail *next;
    void (*deliver)(struct mail *m, struct loop *to);
};
void loop_post(struct loop *to, struct mail *m);
/* How many messages lay in a loop's box whenever it was emptied, by upper bounds; any thread may look. */
enum { LOOP_MAIL_BOUNDS = 6 };
extern const uint32_t loop_mail_bounds[LOOP_MAIL_BOUNDS];
struct loop_mail {
    uint64_t in[LOOP_MAIL_BOUNDS + 1]; /* the last: more than all bounds */
    uint64_t messages;
};
void loop_mail_add(struct loop_mail *to, const struct loop *l);
/* Delivers what is in the box and runs what is deferred, on the calling thread: for a loop that does not run
 * (any more), before what its mail refers to is freed. */
void loop_drain(struct loop *l);
