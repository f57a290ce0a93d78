#include "ground/net/resolver.h"

#include "ground/base/buf.h"
#include "ground/base/mem.h"
#include "ground/base/test.h"
#include "ground/log/metric.h"
#include "ground/loop/workers.h"
#include "ground/net/udp.h"

#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DEADLINE_MS = 60000, A = 1, SRV = 33 };

/* --- a server that answers by the first label of the name: a, srv, zero, one, nx, fail, silent, late --- */

struct server {
    struct udp *udp;
    unsigned asked;
    bool dead, broken, changed; /* says nothing; SERVFAIL; another address */
    struct buf late;            /* the question for "late", to be answered on demand */
    struct net_addr late_from;
};

static void put(struct buf *b, const char *bytes, size_t n)
{
    buf_append_mem(b, bytes, n);
}

/* The answer's record: a pointer to the question's name, type, class IN, TTL of one byte, data. */
static void put_record(struct buf *b, char type, char ttl, const char *data, size_t n)
{
    put(b, (char[]){(char)0xc0, 12, 0, type, 0, 1, 0, 0, 0, ttl, 0, (char)n}, 12);
    put(b, data, n);
}

static void answer(struct server *s, struct slice question, const struct net_addr *to)
{
    size_t end = 12;
    while (end < question.n && question.p[end])
        end += 1 + (size_t)question.p[end];
    end += 5;
    struct slice label = slice_mem(question.p + 13, (size_t)question.p[12]);
    struct buf b = {0};
    bool nx = slice_caseeq(label, SLICE("nx")), fail = s->broken || slice_caseeq(label, SLICE("fail"));
    put(&b, question.p, 2);
    put(&b,
        (char[]){(char)0x81,
                 (char)(0x80 | (nx     ? 3
                                : fail ? 2
                                       : 0)),
                 0, 1, 0, !nx && !fail, 0, 0, 0, 0},
        10);
    put(&b, question.p + 12, end - 12);
    if (slice_caseeq(label, SLICE("srv")))
        put_record(&b, SRV, 60, "\0\1\0\2\x13\xc5\4edge\7example\0", 20);
    else if (!nx && !fail)
        put_record(&b, A,
                   slice_caseeq(label, SLICE("zero"))  ? 0
                   : slice_caseeq(label, SLICE("one")) ? 1
                                                       : 60,
                   s->changed ? "\xc0\0\2\x08" : "\xc0\0\2\x07", 4);
    CHECK_INT(udp_send(s->udp, buf_slice(&b), to), 0);
    buf_fini(&b);
}

static void on_question(struct udp *u, void *arg, struct slice d, const struct net_addr *from)
{
    (void)u;
    struct server *s = arg;
    if (d.n < 17)
        return;
    s->asked++;
    struct slice label = slice_mem(d.p + 13, (size_t)d.p[12]);
    if (s->dead || slice_caseeq(label, SLICE("silent")))
        return;
    if (slice_caseeq(label, SLICE("late"))) {
        buf_clear(&s->late, 4096);
        buf_append(&s->late, d);
        s->late_from = *from;
        return;
    }
    answer(s, d, from);
}
static const struct udp_ops server_ops = {on_question};

static void server_start(struct server *s, struct loop *l)
{
    struct net_addr any;
    *s = (struct server){0};
    CHECK_INT(net_addr_parse(SLICE("127.0.0.1"), 0, &any), 0);
    CHECK_INT(udp_new(l, &any, &server_ops, s, &s->udp), 0);
}

static void server_stop(struct server *s)
{
    udp_free(s->udp);
    buf_fini(&s->late);
}

/* --- one test's world --- */

static struct loop *loop;
static struct server server;
static struct resolver *resolver;
static struct timer deadline;

static void too_late(void *arg)
{
    (void)arg;
    TEST_DIAG("nothing happened for %d ms", DEADLINE_MS);
    loop_stop(loop);
}

static struct resolver *resolver_to(struct loop *l, const struct net_addr *addr)
{
    struct resolver_config config = {.servers = {*addr}, .n_servers = 1};
    return resolver_new(l, &config);
}

static void begin(void)
{
    loop = loop_new(0);
    timer_init(&deadline, loop, too_late, NULL);
    timer_start(&deadline, loop_now(loop) + DEADLINE_MS);
    server_start(&server, loop);
    resolver = resolver_to(loop, udp_addr(server.udp));
}

static void end(void)
{
    resolver_free(resolver);
    server_stop(&server);
    timer_stop(&deadline);
    loop_free(loop);
}

struct result {
    unsigned calls;
    enum resolver_status status;
    unsigned rcode, n_answers;
    struct buf packet;
    void (*then)(struct result *r); /* from inside the callback */
    struct resolver_query *query, *other;
};

static void on_answer(void *arg, enum resolver_status status, struct slice packet, bool secure)
{
    struct result *r = arg;
    r->calls++;
    r->status = status;
    CHECK(!secure);
    CHECK((status == RESOLVER_ANSWER) == (packet.n >= 12));
    if (packet.n >= 12) {
        r->rcode = packet.p[3] & 15;
        r->n_answers = (unsigned char)packet.p[7];
        buf_clear(&r->packet, 4096);
        buf_append(&r->packet, packet);
    }
    if (r->then)
        r->then(r);
    else
        loop_stop(loop);
}

static void ask(struct result *r, const char *name, uint16_t type)
{
    r->query = resolver_ask(resolver, slice_str(name), type, on_answer, r);
}

static void ask_and_wait(struct result *r, const char *name, uint16_t type)
{
    unsigned before = r->calls;
    ask(r, name, type);
    while (r->calls == before && !test_failures) /* an answer inside the call may have left a stop behind */
        loop_run(loop);
    CHECK_INT(r->calls, before + 1);
}

static bool holds(const struct result *r, const char *bytes, size_t n)
{
    return slice_search(buf_slice(&r->packet), slice_mem(bytes, n)) != SIZE_MAX;
}

TEST(answers)
{
    struct result r = {0};
    begin();
    ask_and_wait(&r, "a.contoso.example", A);
    CHECK_INT(r.status, RESOLVER_ANSWER);
    CHECK_INT(r.rcode, 0);
    CHECK_INT(r.n_answers, 1);
    CHECK(holds(&r, "\xc0\0\2\x07", 4));
    ask_and_wait(&r, "srv.contoso.example", SRV);
    CHECK_INT(r.status, RESOLVER_ANSWER);
    CHECK(holds(&r, "\x13\xc5\4edge\7example", 15));
    ask_and_wait(&r, "nx.contoso.example", A);
    CHECK_INT(r.status, RESOLVER_ANSWER);
    CHECK_INT(r.rcode, 3);
    CHECK_INT(r.n_answers, 0);
    ask_and_wait(&r, "a.lab.test", A); /* not answered by libunbound itself */
    CHECK_INT(r.rcode, 0);
    CHECK_INT(r.n_answers, 1);
    end();
    buf_fini(&r.packet);
}

TEST(cached_inside_the_call)
{
    struct result r = {0};
    begin();
    struct metric_spread before, after;
    int64_t cached = metric_read("dns.cached");
    metric_time_read(METRIC_DNS_WAITED, &before);
    ask_and_wait(&r, "a.contoso.example", A);
    unsigned asked = server.asked;
    ask(&r, "A.Contoso.Example", A);
    metric_time_read(METRIC_DNS_WAITED, &after);
    CHECK_INT(after.count, before.count + 1); /* of the first one alone */
    CHECK(after.sum_us > before.sum_us);
    CHECK_INT(metric_read("dns.cached"), cached + 1);
    CHECK(r.query == NULL);
    CHECK_INT(r.calls, 2);
    CHECK_INT(server.asked, asked);
    CHECK(holds(&r, "\xc0\0\2\x07", 4));
    end();
    buf_fini(&r.packet);
}

TEST(failure)
{
    struct result r = {0};
    begin();
    ask_and_wait(&r, "fail.contoso.example", A);
    CHECK_INT(r.status, RESOLVER_FAILED);
    ask_and_wait(&r, "fail.contoso.example", A); /* from the cache it comes with another code */
    CHECK_INT(r.status, RESOLVER_FAILED);
    ask_and_wait(&r, "a.contoso.example", A);
    CHECK_INT(r.status, RESOLVER_ANSWER);
    end();
    buf_fini(&r.packet);
}

static struct timer again;
static void ask_again(void *arg)
{
    struct result *r = arg;
    r->query = resolver_ask(resolver, SLICE("one.contoso.example"), A, on_answer, r);
}

static void wait_for_second(struct result *r)
{
    CHECK_INT(r->n_answers, 1);
    if (server.asked >= 2)
        loop_stop(loop);
    else
        timer_start(&again, loop_now(loop) + 20);
}

/* TTLs of 0 and 1 are kept to. */
TEST(small_ttl)
{
    struct result r = {0};
    begin();
    ask_and_wait(&r, "zero.contoso.example", A);
    ask_and_wait(&r, "zero.contoso.example", A);
    CHECK(r.query != NULL); /* not from the cache */
    CHECK(server.asked >= 2);
    server.asked = 0;
    uint64_t start = loop_now(loop);
    timer_init(&again, loop, ask_again, &r);
    r.then = wait_for_second;
    ask(&r, "one.contoso.example", A);
    loop_run(loop);
    CHECK_INT(server.asked, 2);
    CHECK(loop_now(loop) - start < 20000);
    timer_stop(&again);
    end();
    buf_fini(&r.packet);
}

/* A server that never answers: nobody waits longer than RESOLVER_TIMEOUT_MS. */
TEST(silent_server)
{
    struct result r = {0};
    int64_t given_up = metric_read("dns.timed-out") + metric_read("dns.failed");
    begin();
    uint64_t start = loop_now(loop);
    ask_and_wait(&r, "silent.contoso.example", A);
    CHECK_INT(r.status, RESOLVER_FAILED);
    CHECK(server.asked > 0);
    CHECK(metric_read("dns.timed-out") + metric_read("dns.failed") > given_up);
    CHECK(loop_now(loop) - start < RESOLVER_TIMEOUT_MS + 10000);
    end();
    buf_fini(&r.packet);
}

/* --- old answers while no server answers (RFC 8767) --- */
static void begin_stale(uint64_t stale_ms)
{
    begin();
    struct resolver_config config = {
        .servers = {*udp_addr(server.udp)}, .n_servers = 1, .stale_ms = stale_ms};
    resolver_free(resolver);
    resolver = resolver_new(loop, &config);
}

static void stop_waiting(void *arg)
{
    (void)arg;
    loop_stop(loop);
}

static void pass(uint64_t ms)
{
    struct timer t;
    timer_init(&t, loop, stop_waiting, NULL);
    timer_start(&t, loop_now(loop) + ms);
    while (timer_running(&t))
        loop_run(loop);
}

TEST(old_answer_of_a_silent_server)
{
    struct result r = {0};
    begin_stale(86400000);
    ask_and_wait(&r, "one.contoso.example", A);
    server.dead = true;
    pass(2500); /* its TTL, in whole seconds */
    uint64_t start = loop_now(loop);
    ask_and_wait(&r, "one.contoso.example", A);
    CHECK_INT(r.status, RESOLVER_ANSWER);
    CHECK(holds(&r, "\xc0\0\2\x07", 4));
    CHECK(loop_now(loop) - start >= RESOLVER_STALE_AFTER_MS);
    CHECK(loop_now(loop) - start < RESOLVER_TIMEOUT_MS);
    for (int i = 0; i < 3; i++) { /* nobody waits a second time */
        ask(&r, "one.contoso.example", A);
        CHECK(r.query == NULL);
        CHECK_INT(r.status, RESOLVER_ANSWER);
    }
    ask_and_wait(&r, "a.unknown.example", A); /* of what was never known there is no old answer */
    CHECK_INT(r.status, RESOLVER_FAILED);
    /* the server is back, with news: what goes on behind the old answers finds it */
    server.dead = false;
    server.changed = true;
    for (int i = 0; i < 400 && !holds(&r, "\xc0\0\2\x08", 4); i++) {
        pass(50);
        ask_and_wait(&r, "one.contoso.example", A);
        CHECK_INT(r.status, RESOLVER_ANSWER);
    }
    CHECK(holds(&r, "\xc0\0\2\x08", 4));
    end();
    buf_fini(&r.packet);
}

/* Two workers: when the server dies, what one has asked for serves the other, and what a resolver with other
 * servers was told does not. */
TEST(old_answer_of_another_worker)
{
    struct result r = {0};
    begin();
    resolver_free(resolver);
    struct resolver_config config = {
        .servers = {*udp_addr(server.udp)}, .n_servers = 1, .stale_ms = 86400000};
    config.shared = resolver_memory_new(ANSWERS_MAX);
    struct resolver *other = resolver_new(loop, &config);
    resolver = other;
    ask_and_wait(&r, "one.contoso.example", A);
    server.dead = true;
    resolver = resolver_new(loop, &config);
    r.status = RESOLVER_FAILED;
    ask_and_wait(&r, "one.contoso.example", A);
    CHECK_INT(r.status, RESOLVER_ANSWER);
    CHECK(holds(&r, "\xc0\0\2\x07", 4));
    ask(&r, "one.contoso.example", A);
    CHECK(r.query == NULL); /* and nobody waits a second time */
    ask_and_wait(&r, "two.contoso.example", A);
    CHECK_INT(r.status, RESOLVER_FAILED);
    resolver_free(resolver);
    config.servers[1] = *udp_addr(server.udp);
    config.n_servers = 2;
    resolver = resolver_new(loop, &config);
    ask_and_wait(&r, "one.contoso.example", A);
    CHECK_INT(r.status, RESOLVER_FAILED);
    end();
    resolver_free(other);
    resolver_memory_free(config.shared);
    buf_fini(&r.packet);
}

/* The newest answers are remembered, no more than was asked for; the fresh ones too. */
TEST(few_are_remembered)
{
    enum { FEW = 4, MANY = 200 };
    struct result r = {0};
    begin();
    struct resolver_config config = {
        .servers = {*udp_addr(server.udp)}, .n_servers = 1, .stale_ms = 86400000, .records = FEW};
    resolver_free(resolver);
    resolver = resolver_new(loop, &config);
    ask_and_wait(&r, "a.contoso.example", A);
    unsigned asked = server.asked;
    ask_and_wait(&r, "a.contoso.example", A);
    CHECK_INT(server.asked, asked);
    for (int i = 0; i < MANY; i++) {
        char name[48];
        snprintf(name, sizeof(name), "a.n%d.example", i);
        ask_and_wait(&r, name, A);
        CHECK_INT(r.status, RESOLVER_ANSWER);
    }
    asked = server.asked;
    ask_and_wait(&r, "a.contoso.example", A);
    CHECK(server.asked > asked);
    server.dead = true;
    ask_and_wait(&r, "a.n100.example", A);
    CHECK_INT(r.status, RESOLVER_FAILED);
    end();
    buf_fini(&r.packet);
}

TEST(old_answer_of_a_broken_server)
{
    struct result r = {0};
    begin_stale(2000);
    ask_and_wait(&r, "zero.contoso.example", A);
    ask_and_wait(&r, "nx.contoso.example", A);
    server.broken = true;
    uint64_t start = loop_now(loop);
    ask_and_wait(&r, "zero.contoso.example", A);
    CHECK_INT(r.status, RESOLVER_ANSWER);
    CHECK_INT(r.n_answers, 1);
    CHECK(loop_now(loop) - start < RESOLVER_STALE_AFTER_MS);
    pass(2500); /* no older than it may be */
    ask_and_wait(&r, "zero.contoso.example", A);
    CHECK_INT(r.status, RESOLVER_FAILED);
    end();
    buf_fini(&r.packet);
}

TEST(no_old_answers_unless_asked_for)
{
    struct result r = {0};
    begin();
    ask_and_wait(&r, "zero.contoso.example", A);
    server.broken = true;
    ask_and_wait(&r, "zero.contoso.example", A);
    CHECK_INT(r.status, RESOLVER_FAILED);
    end();
    buf_fini(&r.packet);
}

static void free_resolver(struct result *r)
{
    (void)r;
    resolver_free(resolver);
    resolver = NULL;
    loop_stop(loop);
}

/* The resolver goes while an old answer is being given; the question behind it goes with it. */
TEST(freed_while_an_old_answer_is_given)
{
    struct result r = {0};
    begin_stale(86400000);
    ask_and_wait(&r, "zero.contoso.example", A);
    server.dead = true;
    r.then = free_resolver;
    ask_and_wait(&r, "zero.contoso.example", A);
    CHECK_INT(r.status, RESOLVER_ANSWER);
    end();
    buf_fini(&r.packet);
}

static unsigned failed_of_many, until_of_many;
static void count_failed(struct result *r)
{
    failed_of_many += r->status == RESOLVER_FAILED;
    if (--until_of_many == 0)
        loop_stop(loop);
}

/* A server that was dead for many questions is used again when it is back. */
TEST(server_comes_back)
{
    enum { DEAD = 40 };
    struct result *dead = mem_zalloc(DEAD * sizeof(*dead)), r = {0};
    begin();
    failed_of_many = 0;
    until_of_many = DEAD;
    for (unsigned i = 0; i < DEAD; i++) {
        char name[40];
        snprintf(name, sizeof(name), "silent.n%u.example", i);
        dead[i].then = count_failed;
        ask(&dead[i], name, A);
    }
    loop_run(loop);
    CHECK_INT(failed_of_many, DEAD);
    uint64_t start = loop_now(loop);
    for (unsigned i = 0; i < 100 && (i == 0 || r.status == RESOLVER_FAILED); i++) {
        char name[40];
        snprintf(name, sizeof(name), "a.n%u.example", i);
        ask_and_wait(&r, name, A);
    }
    CHECK_INT(r.status, RESOLVER_ANSWER);
    CHECK(loop_now(loop) - start < 30000);
    end();
    for (unsigned i = 0; i < DEAD; i++)
        buf_fini(&dead[i].packet);
    mem_free(dead);
    buf_fini(&r.packet);
}

TEST(closed_port)
{
    struct result r = {0};
    begin();
    struct net_addr gone = *udp_addr(server.udp);
    udp_free(server.udp);
    server.udp = NULL;
    resolver_free(resolver);
    resolver = resolver_to(loop, &gone);
    ask_and_wait(&r, "a.contoso.example", A);
    CHECK_INT(r.status, RESOLVER_FAILED);
    end();
    buf_fini(&r.packet);
}

TEST(second_server_answers)
{
    struct result r = {0};
    begin();
    struct udp *reserved;
    struct net_addr any;
    CHECK_INT(net_addr_parse(SLICE("127.0.0.1"), 0, &any), 0);
    CHECK_INT(udp_new(loop, &any, &server_ops, &server, &reserved), 0);
    struct resolver_config config = {
        .servers = {*udp_addr(reserved), *udp_addr(server.udp)},
          .n_servers = 2
    };
    udp_free(reserved);
    resolver_free(resolver);
    resolver = resolver_new(loop, &config);
    for (unsigned i = 0; i < 20; i++) {
        char name[40];
        snprintf(name, sizeof(name), "a%u.contoso.example", i);
        ask_and_wait(&r, name, A);
        CHECK_INT(r.status, RESOLVER_ANSWER);
    }
    end();
    buf_fini(&r.packet);
}

TEST(malformed_names)
{
    static const char *const BAD[] = {
        "a b",
        "a\\.b",
        "*",
        "a..b",
        "\xc3\xa4.example",
        ".",
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl.example"};
    struct result r = {0};
    begin();
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        ask(&r, BAD[i], A);
        CHECK_INT(r.status, RESOLVER_FAILED);
        CHECK(r.query == NULL);
        CHECK_INT(r.calls, i + 1);
    }
    char name[400];
    memset(name, 'a', sizeof(name));
    CHECK(resolver_ask(resolver, slice_mem(name, sizeof(name)), A, on_answer, &r) == NULL);
    CHECK_INT(server.asked, 0);
    end();
    buf_fini(&r.packet);
}

static void poll_late(void *arg)
{
    (void)arg;
    if (buf_len(&server.late))
        loop_stop(loop);
    else
        timer_start(&again, loop_now(loop) + 5);
}

static void wait_for_late(void)
{
    timer_init(&again, loop, poll_late, NULL);
    timer_start(&again, 0);
    loop_run(loop);
    timer_stop(&again);
}

/* The answer comes after the query was cancelled: nobody is called. */
TEST(cancelled)
{
    struct result r = {0}, next = {0};
    begin();
    ask(&r, "late.contoso.example", A);
    CHECK(r.query != NULL);
    wait_for_late();
    resolver_cancel(r.query);
    resolver_cancel(NULL);
    answer(&server, buf_slice(&server.late), &server.late_from);
    ask_and_wait(&next, "a.contoso.example", A);
    CHECK_INT(next.status, RESOLVER_ANSWER);
    ask_and_wait(&next, "late.contoso.example", A); /* it was still good for the cache, or is asked again */
    CHECK_INT(r.calls, 0);
    end();
    buf_fini(&next.packet);
}

static void cancel_both(struct result *r)
{
    resolver_cancel(r->query); /* its own */
    resolver_cancel(r->other);
    loop_stop(loop);
}

TEST(cancelled_inside)
{
    struct result r = {.then = cancel_both}, late = {0};
    begin();
    ask(&late, "late.contoso.example", A);
    r.other = late.query;
    ask(&r, "a.contoso.example", A);
    loop_run(loop);
    CHECK_INT(r.calls, 1);
    CHECK_INT(late.calls, 0);
    end();
    buf_fini(&r.packet);
}

static void free_all(struct result *r)
{
    resolver_free(resolver);
    resolver = NULL;
    if (!r->query) /* inside resolver_ask: it ends at the end of the turn */
        return;
    loop_stop(loop);
}

TEST(freed_inside)
{
    struct result r = {.then = free_all}, late = {0};
    begin();
    ask(&late, "late.contoso.example", A);
    ask(&r, "a.contoso.example", A);
    loop_run(loop);
    CHECK_INT(r.calls, 1);
    CHECK_INT(late.calls, 0);
    end();
    buf_fini(&r.packet);
}

TEST(freed_inside_the_call)
{
    struct result r = {0};
    begin();
    ask_and_wait(&r, "a.contoso.example", A);
    r.then = free_all;
    r.query = NULL;
    CHECK(resolver_ask(resolver, SLICE("a.contoso.example"), A, on_answer, &r) == NULL);
    CHECK_INT(r.calls, 2);
    CHECK(resolver == NULL);
    end();
    buf_fini(&r.packet);
}

TEST(freed_with_queries)
{
    struct result r[50] = {0};
    begin();
    for (unsigned i = 0; i < 50; i++) {
        char name[40];
        snprintf(name, sizeof(name), "late.n%u.example", i);
        ask(&r[i], name, A);
    }
    wait_for_late();
    end();
    for (unsigned i = 0; i < 50; i++)
        CHECK_INT(r[i].calls, 0);
    resolver_free(NULL);
}

static void ask_address(struct result *r);
static unsigned chain;

/* Asks the other kind, again and again, from inside the callback; the packet that it was shown stays whole.
 */
static void ask_service(struct result *r)
{
    CHECK(holds(r, "\xc0\0\2\x07", 4));
    r->then = ask_address;
    ask(r, "srv.contoso.example", SRV);
    CHECK(r->query != NULL); /* never answered inside a callback, though it is cached */
}

static void ask_address(struct result *r)
{
    CHECK(holds(r, "\x13\xc5\4edge", 7));
    r->then = ask_service;
    if (++chain == 10)
        loop_stop(loop);
    else
        ask(r, "a.contoso.example", A);
}

TEST(asks_from_inside)
{
    struct result r = {.then = ask_address};
    begin();
    chain = 0;
    ask(&r, "srv.contoso.example", SRV);
    loop_run(loop);
    CHECK_INT(chain, 10);
    CHECK(server.asked < 10); /* 2, or some more where the machine is slow and questions are repeated */
    end();
    buf_fini(&r.packet);
}

static unsigned answered_of_many;
static void count_many(struct result *r)
{
    CHECK_INT(r->status, RESOLVER_ANSWER);
    if (++answered_of_many == 500)
        loop_stop(loop);
}

TEST(many_at_once)
{
    struct result *r = mem_zalloc(500 * sizeof(*r));
    begin();
    answered_of_many = 0;
    for (unsigned i = 0; i < 500; i++) {
        char name[40];
        snprintf(name, sizeof(name), "a%u.contoso.example", i);
        r[i].then = count_many;
        ask(&r[i], name, A);
    }
    loop_run(loop);
    CHECK_INT(answered_of_many, 500);
    end();
    for (unsigned i = 0; i < 500; i++)
        buf_fini(&r[i].packet);
    mem_free(r);
}

/* Without a trust anchor nothing is proven; the answers come all the same. */
TEST(validating_without_anchor)
{
    struct result r = {0};
    begin();
    resolver_free(resolver);
    resolver = resolver_new(loop, &(struct resolver_config){
                                      .servers = {*udp_addr(server.udp)}, .n_servers = 1, .validate = true});
    ask_and_wait(&r, "a.contoso.example", A);
    CHECK_INT(r.status, RESOLVER_ANSWER);
    CHECK_INT(r.n_answers, 1);
    end();
    buf_fini(&r.packet);
}

/* Without servers the system's are taken, and its hosts. */
TEST(system_servers)
{
    struct result r = {0};
    begin();
    resolver_free(resolver);
    resolver = resolver_new(loop, &(struct resolver_config){0});
    ask(&r, "localhost", A);
    CHECK(r.query == NULL);
    CHECK_INT(r.status, RESOLVER_ANSWER);
    CHECK(holds(&r, "\x7f\0\0\1", 4));
    end();
    buf_fini(&r.packet);
}

/* --- two threads, each with its loop, server and resolver --- */

enum { THREADS = 2, QUESTIONS = 200 };
static struct side {
    struct mail start;
    struct loop *loop;
    struct server server;
    struct resolver *resolver;
    unsigned asked, good;
} sides[THREADS];
static atomic_uint sides_done;
static int done_pipe[2];

static void side_ask(struct side *s);

static void side_answered(void *arg, enum resolver_status status, struct slice packet, bool secure)
{
    (void)secure;
    struct side *s = arg;
    s->good += status == RESOLVER_ANSWER && packet.n > 12;
    side_ask(s);
}

static void side_ask(struct side *s)
{
    char name[40];
    if (s->asked == QUESTIONS) {
        resolver_free(s->resolver);
        server_stop(&s->server);
        if (atomic_fetch_add(&sides_done, 1) + 1 == THREADS)
            CHECK_INT(write(done_pipe[1], "", 1), 1);
        return;
    }
    snprintf(name, sizeof(name), "a%u.contoso.example", s->asked++ / 2);
    resolver_ask(s->resolver, slice_str(name), A, side_answered, s);
}

static void side_start(struct mail *m, struct loop *l)
{
    struct side *s = (struct side *)m; /* its first member */
    s->loop = l;
    server_start(&s->server, l);
    s->resolver = resolver_to(l, udp_addr(s->server.udp));
    side_ask(s);
}

TEST(two_threads)
{
    CHECK_INT(pipe(done_pipe), 0);
    struct workers *w = workers_new(THREADS, "resolver");
    workers_start(w);
    for (unsigned i = 0; i < THREADS; i++) {
        sides[i].start.deliver = side_start;
        loop_post(workers_loop(w, i), &sides[i].start);
    }
    char c;
    CHECK_INT(read(done_pipe[0], &c, 1), 1);
    workers_stop(w);
    workers_free(w);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK_INT(sides[i].good, QUESTIONS);
    close(done_pipe[0]);
    close(done_pipe[1]);
}

TEST_MAIN(answers, cached_inside_the_call, failure, small_ttl, silent_server, old_answer_of_a_silent_server,
          old_answer_of_another_worker, few_are_remembered, old_answer_of_a_broken_server,
          no_old_answers_unless_asked_for, freed_while_an_old_answer_is_given, server_comes_back, closed_port,
          second_server_answers, malformed_names, cancelled, cancelled_inside, freed_inside,
          freed_inside_the_call, freed_with_queries, asks_from_inside, many_at_once,
          validating_without_anchor, system_servers, two_threads)
