#include "ground/loop/loop.h"

#include "ground/base/mem.h"
#include "ground/base/test.h"
#include "ground/loop/helpers.h"
#include "ground/loop/workers.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

static struct loop *loop;
static char trail[64]; /* what happened, a letter each */
static size_t trail_n;

static void begin(void)
{
    alarm(120); /* a turn that never comes ends the program */
    loop = loop_new(0);
    trail_n = 0;
    memset(trail, 0, sizeof(trail));
}

static void end(void)
{
    loop_free(loop);
    loop = NULL;
}

static void step(char c)
{
    if (trail_n < sizeof(trail) - 1)
        trail[trail_n++] = c;
}

/* --- timers --- */

struct named_timer {
    struct timer t;
    char name;
    struct named_timer *stop, *move; /* done to others when it fires */
    bool last;
};

static void fire(void *arg)
{
    struct named_timer *n = arg;
    step(n->name);
    CHECK(!timer_running(&n->t));
    CHECK(loop_now(loop) >= n->t.at);
    if (n->stop)
        timer_stop(&n->stop->t);
    if (n->move)
        timer_start(&n->move->t, loop_now(loop) + 1);
    if (n->last)
        loop_stop(loop);
}

static void name_timer(struct named_timer *n, char name)
{
    *n = (struct named_timer){.name = name};
    timer_init(&n->t, loop, fire, n);
}

TEST(timers_fire_in_order_of_time)
{
    begin();
    struct named_timer t[5];
    uint64_t now = loop_now(loop);
    static const unsigned ms[5] = {30, 10, 20, 0, 40};
    for (int i = 0; i < 5; i++) {
        name_timer(&t[i], (char)('a' + i));
        timer_start(&t[i].t, now + ms[i]);
    }
    t[4].last = true;
    loop_run(loop);
    CHECK_STR(slice_str(trail), "dbcae");
    CHECK(loop_now(loop) >= now + 40);
    end();
}

TEST(timers_stop_and_move_inside_callbacks)
{
    begin();
    struct named_timer a, b, c, d;
    name_timer(&a, 'a');
    name_timer(&b, 'b');
    name_timer(&c, 'c');
    name_timer(&d, 'd');
    uint64_t past = loop_now(loop);
    timer_start(&a.t, past); /* all due at once; a stops b and moves c behind d */
    timer_start(&b.t, past + 1);
    timer_start(&c.t, past + 1);
    timer_start(&d.t, past + 1);
    a.stop = &b;
    a.move = &c;
    c.last = true;
    c.t.at = 0;
    while (loop_now(loop) < past + 3)
        ;
    d.move = &a; /* starts a again, which has fired: it fires again, and moves c once more */
    loop_run(loop);
    CHECK(slice_starts(slice_str(trail), SLICE("a")));
    CHECK(strchr(trail, 'b') == NULL);
    CHECK(strchr(trail, 'd') < strchr(trail, 'c'));
    CHECK(!timer_running(&b.t));
    timer_stop(&b.t);
    timer_stop(&a.t);
    timer_stop(&a.t);
    struct timer zero = {0};
    timer_stop(&zero);
    end();
}

static size_t fired_count;
static uint64_t fired_last;
static void fire_many(void *arg)
{
    struct timer *t = arg;
    CHECK(t->at >= fired_last);
    fired_last = t->at;
    fired_count++;
}

TEST(thousands_of_timers)
{
    enum { N = 20000 };
    begin();
    fired_count = 0;
    fired_last = 0;
    struct timer *t = mem_zalloc(N * sizeof(*t));
    uint64_t now = loop_now(loop), seed = 12345;
    for (size_t i = 0; i < N; i++) {
        timer_init(&t[i], loop, fire_many, &t[i]);
        timer_start(&t[i], now + 1000000 + i);
    }
    for (size_t i = 0; i < N;
         i++) { /* all into a few milliseconds that have passed, so that one turn runs them */
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        timer_start(&t[i], now - (seed >> 33) % 1000);
    }
    for (size_t i = 0; i < N; i += 4)
        timer_stop(&t[i]);
    struct named_timer last;
    name_timer(&last, 'z');
    last.last = true;
    timer_start(&last.t, now + 1);
    loop_run(loop);
    CHECK_INT(fired_count, N - N / 4);
    mem_free(t);
    end();
}

/* --- deferred --- */

static struct deferred one, two, three;
static void run_one(void *arg)
{
    (void)arg;
    step('1');
    deferred_add(loop, &two); /* while deferred work runs: still in this turn */
    deferred_add(loop, &two);
    deferred_cancel(&three);
}
static void run_two(void *arg)
{
    (void)arg;
    step('2');
    loop_stop(loop);
}
static void run_three(void *arg)
{
    (void)arg;
    step('3');
}
static void fire_deferring(void *arg)
{
    fire(arg);
    deferred_add(loop, &one);
    deferred_add(loop, &one);
    deferred_add(loop, &three);
}

TEST(deferred_runs_at_the_end_of_the_turn)
{
    begin();
    deferred_init(&one, run_one, NULL);
    deferred_init(&two, run_two, NULL);
    deferred_init(&three, run_three, NULL);
    struct named_timer a, b;
    name_timer(&a, 'a');
    name_timer(&b, 'b');
    a.t.fire = fire_deferring;
    uint64_t now = loop_now(loop);
    timer_start(&a.t, now - 2);
    timer_start(&b.t, now - 1);
    loop_run(loop);
    CHECK_STR(slice_str(trail), "ab12");
    end();
}

/* --- readiness --- */

static struct io *pair_io;
static int pair[2];
static void pair_ready(void *arg, unsigned what)
{
    char c = 0;
    (void)arg;
    if (what & IO_WRITE) {
        step('w');
        io_want(pair_io, IO_READ);
        CHECK_INT(write(pair[1], "xy", 2), 2);
    } else {
        CHECK_INT(read(pair[0], &c, 1), 1); /* level-triggered: the second byte brings another call */
        step(c);
        if (c == 'y') {
            io_free(pair_io);
            loop_stop(loop);
        }
    }
}

TEST(readiness_is_level_triggered)
{
    begin();
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    pair_io = io_new(loop, pair[0], pair_ready, NULL);
    io_want(pair_io, IO_READ | IO_WRITE);
    loop_run(loop);
    CHECK_STR(slice_str(trail), "wxy");
    close(pair[0]);
    close(pair[1]);
    io_free(NULL);
    end();
}

/* Always readable, more of them than a part of a turn takes. */
enum { CROWD = LOOP_PART * 3, CROWD_PARTS = 40 };
static size_t crowd_read, crowd_most, crowd_parts, preferred_looks;
static struct deferred crowd_over;

static void crowd_ready(void *arg, unsigned what)
{
    (void)arg;
    (void)what;
    crowd_read++;
    deferred_add(loop, &crowd_over);
}

static void crowd_part(void *arg)
{
    (void)arg;
    crowd_most = crowd_read > crowd_most ? crowd_read : crowd_most;
    crowd_read = 0;
    if (++crowd_parts == CROWD_PARTS) /* after turns enough for libevent to take all of them at once */
        loop_stop(loop);
}

static void preferred_ready(void *arg, unsigned what)
{
    (void)arg;
    CHECK_INT(what, IO_READ);
    preferred_looks++;
}

TEST(a_long_turn_is_done_in_parts)
{
    struct io *crowd[CROWD], *preferred, *paused;
    int fds[CROWD];
    begin();
    deferred_init(&crowd_over, crowd_part, NULL);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    CHECK_INT(write(pair[1], "x", 1), 1);
    for (size_t i = 0; i < CROWD; i++) {
        fds[i] = dup(pair[0]);
        crowd[i] = io_new(loop, fds[i], crowd_ready, NULL);
        io_want(crowd[i], IO_READ);
    }
    preferred = io_new(loop, pair[1], preferred_ready, NULL); /* nothing comes there */
    io_want(preferred, IO_READ);
    io_prefer(preferred);
    io_prefer(preferred);
    paused = io_new(loop, pair[1], crowd_ready, NULL);
    io_prefer(paused); /* nobody wants to read from it */
    loop_run(loop);
    CHECK_INT(crowd_most, LOOP_PART);
    CHECK(preferred_looks > 0);
    for (size_t i = 0; i < CROWD; i++) {
        io_free(crowd[i]);
        close(fds[i]);
    }
    io_free(preferred);
    io_free(paused);
    close(pair[0]);
    close(pair[1]);
    end();
}

TEST(a_broken_pipe_is_an_error)
{
    begin();
    CHECK_INT(pipe(pair), 0);
    close(pair[0]);
    CHECK_INT(write(pair[1], "x", 1), -1);
    CHECK_INT(errno, EPIPE);
    close(pair[1]);
    end();
}

/* --- mailboxes and workers --- */

enum { LETTERS = 100000, SENDERS = 2 };
struct letter {
    struct mail mail;
    unsigned from, number;
};
static struct workers *team;
static unsigned next_number[SENDERS + 1];
static atomic_uint wrong, wrong_thread;

static void take_letter(struct mail *m, struct loop *to)
{
    struct letter *le = (struct letter *)m;
    if (loop_current() != to || loop_index(to) != 0)
        atomic_fetch_add(&wrong_thread, 1);
    if (le->number != next_number[le->from]++)
        atomic_fetch_add(&wrong, 1);
    mem_free(le);
    for (unsigned i = 0; i < SENDERS; i++)
        if (next_number[i] != LETTERS)
            return;
    loop_stop(to);
}

static void send_letters(struct mail *m, struct loop *from)
{
    mem_free(m);
    for (unsigned i = 0; i < LETTERS; i++) {
        struct letter *le = MEM_NEW(struct letter);
        *le = (struct letter){{.deliver = take_letter}, loop_index(from) - 1, i};
        loop_post(loop, &le->mail);
    }
}

TEST(letters_arrive_in_order_from_each_thread)
{
    begin();
    memset(next_number, 0, sizeof(next_number));
    team = workers_new(SENDERS + 1, "team");
    CHECK_INT(workers_count(team), SENDERS + 1);
    workers_start(team);
    for (unsigned i = 1; i <= SENDERS; i++) { /* worker 0 does nothing; the loop here receives */
        struct mail *m = MEM_NEW(struct mail);
        m->deliver = send_letters;
        loop_post(workers_loop(team, i), m);
    }
    loop_run(loop);
    workers_stop(team);
    CHECK_INT(atomic_load(&wrong), 0);
    CHECK_INT(atomic_load(&wrong_thread), 0);
    CHECK_INT(next_number[0], LETTERS);
    CHECK_INT(next_number[1], LETTERS);
    workers_free(team);
    end();
}

static unsigned late;
static void take_late(struct mail *m, struct loop *to)
{
    (void)to;
    late++;
    mem_free(m);
}

TEST(what_is_left_in_the_box_is_delivered_at_the_end)
{
    struct workers *w = workers_new(2, "short");
    workers_start(w);
    workers_stop(w); /* may come before a thread's first turn: must not be lost */
    for (int i = 0; i < 3; i++) {
        struct mail *m = MEM_NEW(struct mail);
        m->deliver = take_late;
        loop_post(workers_loop(w, 1), m);
    }
    late = 0;
    loop_drain(workers_loop(w, 1));
    CHECK_INT(late, 3);
    struct loop_mail told = {0};
    loop_mail_add(&told, workers_loop(w, 0));
    CHECK_INT(told.messages, 0);
    loop_mail_add(&told, workers_loop(w, 1));
    CHECK_INT(told.messages, 3);
    CHECK_INT(told.in[1], 1); /* three at once */
    CHECK_INT(told.in[0], 0);
    for (int i = 0; i < 2; i++) {
        struct mail *m = MEM_NEW(struct mail);
        m->deliver = take_late;
        loop_post(workers_loop(w, 1), m);
    }
    workers_free(w);
    CHECK_INT(late, 5);
    CHECK(workers_cores() >= 1);
    CHECK(loop_current() == NULL);
}

/* --- helpers --- */

enum { JOBS = 1000 };
struct numbered {
    struct job job;
    unsigned number;
};
static struct numbered jobs[JOBS];
static unsigned worked, done;
static pthread_t worked_on;

static void job_work(struct job *j)
{
    CHECK_INT(((struct numbered *)j)->number, worked);
    worked++;
    worked_on = pthread_self();
    CHECK(loop_current() == NULL);
}

static void job_done(struct job *j)
{
    CHECK_INT(((struct numbered *)j)->number, done);
    CHECK(loop_current() == loop);
    if (++done == JOBS)
        loop_stop(loop);
}

TEST(one_helper_keeps_the_order)
{
    begin();
    worked = done = 0;
    struct helpers *h = helpers_new(1, "disk");
    for (unsigned i = 0; i < JOBS; i++) {
        jobs[i] = (struct numbered){
            .job = {.work = job_work, .done = job_done},
              .number = i
        };
        CHECK_INT(helpers_run(h, loop, &jobs[i].job), 0);
    }
    loop_run(loop);
    helpers_free(h);
    CHECK_INT(done, JOBS);
    CHECK(!pthread_equal(worked_on, pthread_self()));
    end();
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint forgotten;
static void job_gated(struct job *j)
{
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    mem_free(j);
}
static void job_forgotten(struct job *j)
{
    atomic_fetch_add(&forgotten, 1);
    mem_free(j);
}

TEST(the_queue_of_helpers_is_bounded)
{
    begin();
    struct helpers *h = helpers_new(2, "disk");
    pthread_mutex_lock(&gate);
    unsigned taken = 0, r = 0;
    for (int i = 0; i < 2; i++) {
        struct job *j = MEM_NEW(struct job);
        j->work = job_gated;
        CHECK_INT(helpers_run(h, loop, j), 0);
    }
    while (r == 0) {
        struct job *j = MEM_NEW(struct job);
        j->work = job_forgotten;
        r = helpers_run(h, loop, j) != 0;
        if (r)
            mem_free(j);
        else
            taken++;
    }
    CHECK(taken >= HELPERS_MAX_QUEUED - 2 && taken <= HELPERS_MAX_QUEUED);
    CHECK_INT(helpers_waiting(h), HELPERS_MAX_QUEUED);
    pthread_mutex_unlock(&gate);
    helpers_free(h); /* finishes what is queued */
    CHECK_INT(atomic_load(&forgotten), taken);
    end();
}

TEST_MAIN(timers_fire_in_order_of_time, timers_stop_and_move_inside_callbacks, thousands_of_timers,
          deferred_runs_at_the_end_of_the_turn, readiness_is_level_triggered, a_long_turn_is_done_in_parts,
          a_broken_pipe_is_an_error, letters_arrive_in_order_from_each_thread,
          what_is_left_in_the_box_is_delivered_at_the_end, one_helper_keeps_the_order,
          the_queue_of_helpers_is_bounded)
