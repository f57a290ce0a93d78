/*
 * http/fixture_for_test.h - a server on a worker's loop, for the tests of this module, whose main thread is
 * the client. Include base/test.h before it.
 */
#pragma once

#include "ground/http/http.h"

#include "ground/loop/workers.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <time.h>
#include <unistd.h>

enum { DEADLINE_S = 60, LATER_MS = 30 };

static inline void wait_for(sem_t *s)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += DEADLINE_S;
    int r;
    do
        r = sem_timedwait(s, &until);
    while (r < 0 && errno == EINTR);
    if (r < 0) {
        printf("Bail out! nothing came within %d s\n", DEADLINE_S);
        exit(EXIT_FAILURE);
    }
}

struct fixture {
    struct workers *workers;
    struct loop *loop;
    struct http_server *server;
    struct http_request *held; /* by /hold */
    sem_t is_held;
    struct timer later;
    struct http_request *delayed; /* by /later */
};

/* --- the handler --- */
static inline void answer_later(void *arg)
{
    struct fixture *f = arg;
    struct http_request *rq = f->delayed;
    f->delayed = NULL;
    http_respond(rq, 202, "text/plain", SLICE("later"));
}

static inline void handle(void *arg, struct http_request *rq)
{
    struct fixture *f = arg;
    struct slice path = http_path(rq);
    if (slice_eq(path, SLICE("/echo"))) {
        http_respond(rq, 200, "application/octet-stream", http_body(rq));
    } else if (slice_eq(path, SLICE("/peer"))) {
        const struct crypto_cert *c = http_peer_cert(rq);
        http_respond(rq, 200, "text/plain", c ? crypto_cert_names(c)->common_name : SLICE("nobody"));
    } else if (slice_eq(path, SLICE("/later"))) {
        f->delayed = rq;
        timer_start(&f->later, loop_now(f->loop) + LATER_MS);
    } else if (slice_eq(path, SLICE("/hold"))) {
        f->held = rq;
        sem_post(&f->is_held);
    } else if (slice_eq(path, SLICE("/a b"))) {
        struct slice x = http_query(rq, "x"), none = http_query(rq, "none"), empty = http_query(rq, "e");
        struct slice m = http_method(rq);
        http_respond(rq, none.p || !empty.p || empty.n ? 500 : 200, "text/plain",
                     arena_printf(http_arena(rq), SLICE_FMT " x=" SLICE_FMT, SLICE_ARG(m), SLICE_ARG(x)));
    } else {
        http_respond(rq, 404, NULL, SLICE_NONE);
    }
}

/* --- work on the loop --- */
struct errand {
    struct mail mail;
    void (*run)(struct fixture *f, void *arg);
    struct fixture *f;
    void *arg;
    sem_t done;
};

static inline void errand_deliver(struct mail *m, struct loop *to)
{
    (void)to;
    struct errand *e = (struct errand *)m;
    e->run(e->f, e->arg);
    sem_post(&e->done);
}

static inline void on_loop(struct fixture *f, void (*run)(struct fixture *f, void *arg), void *arg)
{
    struct errand e = {.mail.deliver = errand_deliver, .run = run, .f = f, .arg = arg};
    sem_init(&e.done, 0, 0);
    loop_post(f->loop, &e.mail);
    wait_for(&e.done);
    sem_destroy(&e.done);
}

static inline void do_respond(struct fixture *f, void *arg)
{
    (void)arg;
    http_respond(f->held, 200, "text/plain", SLICE("held"));
    f->held = NULL;
}

static inline void do_set_tls(struct fixture *f, void *arg)
{
    http_server_set_tls(f->server, arg);
}

static inline void do_free(struct fixture *f, void *arg)
{
    (void)arg;
    http_server_free(f->server);
    f->server = NULL;
}

/* A new server at the address of one that was freed. */
struct again {
    struct net_addr addr;
    struct tls_ctx *tls;
};

static inline void do_listen_again(struct fixture *f, void *arg)
{
    struct again *a = arg;
    CHECK_INT(http_server_new(f->loop, &a->addr, a->tls, handle, f, &f->server), 0);
}

static inline void fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    f->workers = workers_new(1, "http");
    f->loop = workers_loop(f->workers, 0);
    sem_init(&f->is_held, 0, 0);
    timer_init(&f->later, f->loop, answer_later, f);
}

static inline struct net_addr loopback(void)
{
    struct net_addr a;
    CHECK_INT(net_addr_parse(SLICE("127.0.0.1"), 0, &a), 0);
    return a;
}

static inline void fixture_tcp(struct fixture *f, struct tls_ctx *tls)
{
    fixture_init(f);
    struct net_addr a = loopback();
    int r = http_server_new(f->loop, &a, tls, handle, f, &f->server);
    CHECK_INT(r, 0);
    assert(r == 0);
    workers_start(f->workers);
}

static inline void fixture_fini(struct fixture *f)
{
    on_loop(f, do_free, NULL);
    workers_stop(f->workers);
    workers_free(f->workers);
    sem_destroy(&f->is_held);
}

/* --- calls --- */
static char url_mem[256];

static inline const char *url(struct fixture *f, const char *scheme, const char *host, const char *path)
{
    unsigned port = f ? net_addr_port(http_server_addr(f->server)) : 1;
    snprintf(url_mem, sizeof(url_mem), "%s://%s:%u%s", scheme, host, port, path);
    return url_mem;
}

static inline void check_call(const struct http_call *call, unsigned status, const char *body)
{
    struct http_result r;
    http_call(call, &r);
    CHECK_INT(r.status, status);
    CHECK_INT(r.failure, HTTP_OK);
    CHECK_STR(slice_str(r.error), "");
    if (body)
        CHECK_STR(buf_slice(&r.body), body);
    http_result_fini(&r);
}

static inline void check_fails(const struct http_call *call, int failure)
{
    struct http_result r;
    http_call(call, &r);
    CHECK_INT(r.status, 0);
    if ((int)r.failure != failure)
        TEST_DIAG("failure %d, not %d: %s", (int)r.failure, failure, r.error);
    CHECK(r.error[0]);
    http_result_fini(&r);
}

static inline int raw_connect(struct fixture *f)
{
    const struct net_addr *a = http_server_addr(f->server);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(connect(fd, &a->sa, net_addr_len(a)), 0);
    return fd;
}
