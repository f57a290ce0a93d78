#include "ground/http/http.h"

#include "ground/base/test.h"

#include "ground/base/mem.h"
#include "ground/crypto/pki_for_test.h"
#include "ground/loop/workers.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* The server runs on a worker's loop, the client on the main thread. */
enum { DEADLINE_S = 60, LATER_MS = 30, SEQUENTIAL = 200, MEGABYTE = 1 << 20 };

static void wait_for(sem_t *s)
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
static void answer_later(void *arg)
{
    struct fixture *f = arg;
    struct http_request *rq = f->delayed;
    f->delayed = NULL;
    http_respond(rq, 202, "text/plain", SLICE("later"));
}

static void handle(void *arg, struct http_request *rq)
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

static void errand_deliver(struct mail *m, struct loop *to)
{
    (void)to;
    struct errand *e = (struct errand *)m;
    e->run(e->f, e->arg);
    sem_post(&e->done);
}

static void on_loop(struct fixture *f, void (*run)(struct fixture *f, void *arg), void *arg)
{
    struct errand e = {.mail.deliver = errand_deliver, .run = run, .f = f, .arg = arg};
    sem_init(&e.done, 0, 0);
    loop_post(f->loop, &e.mail);
    wait_for(&e.done);
    sem_destroy(&e.done);
}

static void do_respond(struct fixture *f, void *arg)
{
    (void)arg;
    http_respond(f->held, 200, "text/plain", SLICE("held"));
    f->held = NULL;
}

static void do_set_tls(struct fixture *f, void *arg)
{
    http_server_set_tls(f->server, arg);
}

static void do_free(struct fixture *f, void *arg)
{
    (void)arg;
    http_server_free(f->server);
    f->server = NULL;
}

static void fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    f->workers = workers_new(1, "http");
    f->loop = workers_loop(f->workers, 0);
    sem_init(&f->is_held, 0, 0);
    timer_init(&f->later, f->loop, answer_later, f);
}

static struct net_addr loopback(void)
{
    struct net_addr a;
    CHECK_INT(net_addr_parse(SLICE("127.0.0.1"), 0, &a), 0);
    return a;
}

static void fixture_tcp(struct fixture *f, struct tls_ctx *tls)
{
    fixture_init(f);
    struct net_addr a = loopback();
    int r = http_server_new(f->loop, &a, tls, handle, f, &f->server);
    CHECK_INT(r, 0);
    assert(r == 0);
    workers_start(f->workers);
}

static void fixture_fini(struct fixture *f)
{
    on_loop(f, do_free, NULL);
    workers_stop(f->workers);
    workers_free(f->workers);
    sem_destroy(&f->is_held);
}

/* --- calls --- */
static char url_mem[256];

static const char *url(struct fixture *f, const char *scheme, const char *host, const char *path)
{
    unsigned port = f ? net_addr_port(http_server_addr(f->server)) : 1;
    snprintf(url_mem, sizeof(url_mem), "%s://%s:%u%s", scheme, host, port, path);
    return url_mem;
}

static void check_call(const struct http_call *call, unsigned status, const char *body)
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

static void check_fails(const struct http_call *call, int failure)
{
    struct http_result r;
    http_call(call, &r);
    CHECK_INT(r.status, 0);
    if ((int)r.failure != failure)
        TEST_DIAG("failure %d, not %d: %s", (int)r.failure, failure, r.error);
    CHECK(r.error[0]);
    http_result_fini(&r);
}

/* --- plain HTTP --- */
TEST(methods_paths_queries)
{
    struct fixture f;
    fixture_tcp(&f, NULL);
    const char *const all[] = {"GET", "POST", "PUT", "DELETE"};
    for (size_t i = 0; i < 4; i++) {
        char want[32];
        snprintf(want, sizeof(want), "%s x=1 &+%%", all[i]);
        check_call(&(struct http_call){.method = all[i],
                                       .url = url(&f, "http", "127.0.0.1", "/a%20b?y&x=1+%26%2B%&e=&x=2")},
                   200, want);
    }
    check_call(&(struct http_call){.method = "GET", .url = url(&f, "http", "127.0.0.1", "/nothing")}, 404,
               "");
    check_call(&(struct http_call){.method = "GET", .url = url(&f, "http", "127.0.0.1", "/peer")}, 200,
               "nobody");
    check_call(&(struct http_call){.method = "PUT",
                                   .url = url(&f, "http", "127.0.0.1", "/echo"),
                                   .body = SLICE("with body"),
                                   .content_type = "text/plain"},
               200, "with body");
    fixture_fini(&f);
}

TEST(answers_have_a_date)
{
    struct fixture f;
    fixture_tcp(&f, NULL);
    struct http_result r;
    struct http_call call = {.method = "GET", .url = url(&f, "http", "127.0.0.1", "/echo")};
    int64_t before = loop_wall();
    http_call(&call, &r);
    CHECK_INT(r.status, 200);
    CHECK(r.peer_date_ms > before - 1500 && r.peer_date_ms <= loop_wall());
    http_result_fini(&r);
    fixture_fini(&f);
}

TEST(handler_answers_later)
{
    struct fixture f;
    fixture_tcp(&f, NULL);
    check_call(&(struct http_call){.method = "GET", .url = url(&f, "http", "127.0.0.1", "/later")}, 202,
               "later");
    fixture_fini(&f);
}

TEST(connection_gone_before_answer)
{
    struct fixture f;
    fixture_tcp(&f, NULL);
    check_fails(&(struct http_call){.method = "POST",
                                    .url = url(&f, "http", "127.0.0.1", "/hold"),
                                    .body = SLICE("kept until the answer"),
                                    .timeout_ms = 300},
                HTTP_TIMEOUT);
    wait_for(&f.is_held);
    on_loop(&f, do_respond, NULL);
    check_call(&(struct http_call){.method = "GET", .url = url(&f, "http", "127.0.0.1", "/echo")}, 200, "");
    fixture_fini(&f);
}

static void *call_held(void *arg)
{
    struct http_call call = {.method = "POST", .url = arg, .body = SLICE("held body")};
    check_fails(&call, HTTP_OTHER);
    return NULL;
}

static void do_respond_to_nobody(struct fixture *f, void *arg)
{
    (void)arg;
    CHECK_STR(http_body(f->held), "held body");
    CHECK_STR(http_path(f->held), "/hold");
    do_respond(f, NULL);
}

TEST(server_freed_before_answer)
{
    struct fixture f;
    fixture_tcp(&f, NULL);
    pthread_t t;
    CHECK_INT(pthread_create(&t, NULL, call_held, (void *)url(&f, "http", "127.0.0.1", "/hold")), 0);
    wait_for(&f.is_held);
    on_loop(&f, do_free, NULL);
    on_loop(&f, do_respond_to_nobody, NULL);
    pthread_join(t, NULL);
    fixture_fini(&f);
}

/* --- what a client of another kind may send --- */
static int raw_connect(struct fixture *f)
{
    const struct net_addr *a = http_server_addr(f->server);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(connect(fd, &a->sa, net_addr_len(a)), 0);
    return fd;
}

/* Until `want` was read, or the end. */
static void raw_read(int fd, struct buf *in, const char *want)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (slice_search(buf_slice(in), slice_str(want)) == SIZE_MAX) {
        ssize_t n = poll(&p, 1, DEADLINE_S * 1000) == 1 ? read(fd, buf_reserve(in, 4096), 4096) : -1;
        if (n <= 0)
            return;
        buf_commit(in, (size_t)n);
    }
}

TEST(refused_requests)
{
    static const struct {
        const char *request, *status;
        bool long_header;
    } cases[] = {
        {"PATCH /echo HTTP/1.1\r\nHost: x\r\n\r\n",                 "HTTP/1.1 501 ", false},
        {"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",                 "HTTP/1.1 501 ", false},
        {"GET\r\n\r\n",                                             "HTTP/1.1 400 ", false},
        {"POST /echo HTTP/1.1\r\nContent-Length: 67108865\r\n\r\n", "HTTP/1.1 413 ", false},
        {"POST /echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n",       "HTTP/1.1 400 ", false},
        {"GET /echo HTTP/1.1\r\nX: ",                               "HTTP/1.1 400 ", true },
    };
    struct fixture f;
    fixture_tcp(&f, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf in = {0}, out = {0};
        buf_append(&out, slice_str(cases[i].request));
        for (int n = 0; cases[i].long_header && n < HTTP_MAX_HEADERS; n++)
            buf_append_char(&out, 'x');
        int fd = raw_connect(&f);
        CHECK_INT(send(fd, out.mem, buf_len(&out), MSG_NOSIGNAL), buf_len(&out));
        raw_read(fd, &in, cases[i].status);
        if (!slice_starts(buf_slice(&in), slice_str(cases[i].status)))
            TEST_DIAG("%s: " SLICE_FMT, cases[i].request, SLICE_ARG(buf_slice(&in)));
        close(fd);
        buf_fini(&in);
        buf_fini(&out);
    }
    check_call(&(struct http_call){.method = "GET", .url = url(&f, "http", "127.0.0.1", "/echo")}, 200, "");
    fixture_fini(&f);
}

TEST(pipelined_requests)
{
    static const char two[] = "GET /later HTTP/1.1\r\nHost: x\r\n\r\n"
                              "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nsecond";
    struct fixture f;
    fixture_tcp(&f, NULL);
    struct buf in = {0};
    int fd = raw_connect(&f);
    CHECK_INT(send(fd, two, sizeof(two) - 1, MSG_NOSIGNAL), sizeof(two) - 1);
    raw_read(fd, &in, "second");
    size_t first = slice_search(buf_slice(&in), SLICE("HTTP/1.1 202 "));
    size_t second = slice_search(buf_slice(&in), SLICE("HTTP/1.1 200 "));
    CHECK_INT(first, 0);
    CHECK(second != SIZE_MAX && second > first);
    close(fd);
    buf_fini(&in);
    fixture_fini(&f); /* the server still has the connection */
}

/* --- UNIX sockets --- */
static void in_folder(char path[108], const char *name)
{
    static char folder[] = "/tmp/http-test-XXXXXX";
    if (folder[sizeof(folder) - 2] == 'X')
        CHECK(mkdtemp(folder));
    snprintf(path, 108, "%s/%s", folder, name);
}

TEST(unix_round_trip)
{
    char path[108];
    in_folder(path, "api");
    struct fixture f;
    fixture_init(&f);
    CHECK_INT(http_server_unix_new(f.loop, path, 0, handle, &f, &f.server), 0);
    workers_start(f.workers);
    struct stat st;
    CHECK_INT(stat(path, &st), 0);
    CHECK_INT(st.st_mode & 0777, 0660);
    CHECK_INT(http_server_addr(f.server)->sa.sa_family, 0);
    struct http_call call = {
        .method = "POST", .unix_socket = path, .url = "http://local/echo", .body = SLICE("through a file")};
    check_call(&call, 200, "through a file");
    struct http_server *second = NULL;
    CHECK_INT(http_server_unix_new(f.loop, path, 0600, handle, &f, &second), -EADDRINUSE);
    check_call(&call, 200, "through a file");
    fixture_fini(&f);
    CHECK(stat(path, &st) < 0 && errno == ENOENT);
    check_fails(&call, HTTP_ROUTE);
}

TEST(unix_replaces_only_dead_sockets)
{
    char path[108];
    struct stat st;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct fixture f;
    fixture_init(&f);

    in_folder(path, "file");
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(fd);
    CHECK_INT(http_server_unix_new(f.loop, path, 0, handle, &f, &f.server), -EEXIST);
    CHECK(stat(path, &st) == 0 && S_ISREG(st.st_mode));
    unlink(path);

    in_folder(path, "dead");
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    close(fd);
    CHECK_INT(http_server_unix_new(f.loop, path, 0600, handle, &f, &f.server), 0);
    CHECK_INT(stat(path, &st), 0);
    CHECK_INT(st.st_mode & 0777, 0600);
    workers_start(f.workers);
    check_call(&(struct http_call){.method = "GET", .unix_socket = path, .url = "http://local/peer"}, 200,
               "nobody");
    fixture_fini(&f);

    *strrchr(path, '/') = 0;
    CHECK_INT(rmdir(path), 0);
}

TEST(address_in_use)
{
    struct fixture f;
    fixture_tcp(&f, NULL);
    struct http_server *second = NULL;
    CHECK_INT(http_server_new(f.loop, http_server_addr(f.server), NULL, handle, &f, &second), -EADDRINUSE);
    char path[200];
    memset(path, 'p', sizeof(path));
    path[sizeof(path) - 1] = 0;
    CHECK_INT(http_server_unix_new(f.loop, path, 0, handle, &f, &second), -ENAMETOOLONG);
    fixture_fini(&f);
}

/* --- mutual TLS --- */
static struct {
    struct pki_id ca, other_ca, server, client, stranger;
    char *ca_pem, *other_ca_pem, *cert_pem, *key_pem, *stranger_cert_pem, *stranger_key_pem;
} pki;

static char *cert_text(const struct crypto_cert *c)
{
    struct buf b = {0};
    crypto_cert_write(c, &b);
    return buf_take(&b);
}

static char *key_text(const struct crypto_key *k)
{
    struct buf b = {0};
    crypto_key_write(k, &b);
    return buf_take(&b);
}

static void pki_make(void)
{
    pki.ca = pki_ca("Internal CA");
    pki.other_ca = pki_ca("Other CA");
    pki.server = pki_host(&pki.ca, "central.test");
    pki.client = pki_host(&pki.ca, "edge.test");
    pki.stranger = pki_host(&pki.other_ca, "edge.test");
    pki.ca_pem = cert_text(pki.ca.cert);
    pki.other_ca_pem = cert_text(pki.other_ca.cert);
    pki.cert_pem = cert_text(pki.client.cert);
    pki.key_pem = key_text(pki.client.key);
    pki.stranger_cert_pem = cert_text(pki.stranger.cert);
    pki.stranger_key_pem = key_text(pki.stranger.key);
}

static void pki_drop(void)
{
    char *texts[] = {pki.ca_pem,  pki.other_ca_pem,      pki.cert_pem,
                     pki.key_pem, pki.stranger_cert_pem, pki.stranger_key_pem};
    struct pki_id *ids[] = {&pki.ca, &pki.other_ca, &pki.server, &pki.client, &pki.stranger};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        mem_free(texts[i]);
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        pki_fini(ids[i]);
}

static struct tls_ctx *server_tls(const struct pki_id *id, enum tls_peer peer)
{
    struct crypto_trust *trust = pki_trust(&pki.ca);
    struct tls_config c = {.server = true, .key = id->key, .cert = id->cert, .trust = trust, .peer = peer};
    struct tls_ctx *ctx = NULL;
    CHECK_INT(tls_ctx_new(&c, &ctx), 0);
    crypto_trust_unref(trust);
    return ctx;
}

static void fixture_tls(struct fixture *f, const struct pki_id *id, enum tls_peer peer)
{
    struct tls_ctx *ctx = server_tls(id, peer);
    fixture_tcp(f, ctx);
    tls_ctx_unref(ctx);
}

/* A call as edge.test to central.test, which no name server knows. */
static struct http_call tls_call(struct fixture *f, const char *path)
{
    return (struct http_call){.method = "GET",
                              .url = url(f, "https", "central.test", path),
                              .connect_to = *http_server_addr(f->server),
                              .local = loopback(),
                              .cert_pem = pki.cert_pem,
                              .key_pem = pki.key_pem,
                              .trust_pem = pki.ca_pem};
}

TEST(mutual_tls)
{
    struct fixture f;
    fixture_tls(&f, &pki.server, TLS_PEER_REQUIRED);
    struct http_call call = tls_call(&f, "/peer");
    check_call(&call, 200, "edge.test");
    net_addr_set_port(&call.connect_to, 0); /* that of the URL */
    check_call(&call, 200, "edge.test");
    fixture_fini(&f);
}

TEST(certificates_refused)
{
    struct fixture f;
    fixture_tls(&f, &pki.server, TLS_PEER_REQUIRED);
    struct http_call call = tls_call(&f, "/peer");
    call.cert_pem = call.key_pem = NULL;
    check_fails(&call, HTTP_TRUST);

    call = tls_call(&f, "/peer");
    call.cert_pem = pki.stranger_cert_pem;
    call.key_pem = pki.stranger_key_pem;
    check_fails(&call, HTTP_TRUST);
    call.key_pem = pki.key_pem; /* of another certificate */
    check_fails(&call, HTTP_TRUST);

    call = tls_call(&f, "/peer");
    call.trust_pem = pki.other_ca_pem;
    check_fails(&call, HTTP_TRUST);
    call.trust_pem = NULL; /* not the system's authorities either */
    check_fails(&call, HTTP_TRUST);

    call = tls_call(&f, "/peer");
    call.url = url(&f, "https", "other.test", "/peer");
    check_fails(&call, HTTP_TRUST);
    fixture_fini(&f);
}

/* Not reset while it still sends, so that the reason arrives. */
TEST(refused_with_a_large_body)
{
    char *mega = mem_zalloc(MEGABYTE);
    struct fixture f;
    fixture_tls(&f, &pki.server, TLS_PEER_REQUIRED);
    struct http_call call = tls_call(&f, "/echo");
    call.method = "POST";
    call.body = slice_mem(mega, MEGABYTE);
    call.cert_pem = call.key_pem = NULL;
    check_fails(&call, HTTP_TRUST);
    fixture_fini(&f);
    mem_free(mega);
}

TEST(unverified_peers_are_nobody)
{
    struct fixture f;
    fixture_tls(&f, &pki.server, TLS_PEER_OPTIONAL);
    struct http_call call = tls_call(&f, "/peer");
    check_call(&call, 200, "edge.test");
    call.cert_pem = pki.stranger_cert_pem;
    call.key_pem = pki.stranger_key_pem;
    check_call(&call, 200, "nobody");
    call.cert_pem = call.key_pem = NULL;
    check_call(&call, 200, "nobody");
    fixture_fini(&f);
}

TEST(megabyte_both_ways)
{
    char *mega = mem_alloc(MEGABYTE);
    for (size_t i = 0; i < MEGABYTE; i++)
        mega[i] = (char)(i * 2654435761u >> 13);
    struct fixture f;
    fixture_tls(&f, &pki.server, TLS_PEER_REQUIRED);
    struct http_call call = tls_call(&f, "/echo");
    call.method = "POST";
    call.body = slice_mem(mega, MEGABYTE);
    struct http_result r;
    http_call(&call, &r);
    CHECK_INT(r.status, 200);
    CHECK(slice_eq(buf_slice(&r.body), call.body));
    http_result_fini(&r);
    fixture_fini(&f);
    mem_free(mega);
}

TEST(tls_switched)
{
    struct pki_id renamed = pki_host(&pki.ca, "renamed.test");
    struct fixture f;
    fixture_tls(&f, &pki.server, TLS_PEER_REQUIRED);
    struct http_call call = tls_call(&f, "/peer");
    check_call(&call, 200, "edge.test");
    struct tls_ctx *next = server_tls(&renamed, TLS_PEER_REQUIRED);
    on_loop(&f, do_set_tls, next);
    tls_ctx_unref(next);
    check_fails(&call, HTTP_TRUST);
    call.url = url(&f, "https", "renamed.test", "/peer");
    check_call(&call, 200, "edge.test");
    fixture_fini(&f);
    pki_fini(&renamed);
}

/* Without TCP_NODELAY each takes 44 ms or more. */
TEST(sequential_calls_are_fast)
{
    struct fixture f;
    fixture_tls(&f, &pki.server, TLS_PEER_REQUIRED);
    struct http_call call = tls_call(&f, "/echo");
    call.method = "POST";
    call.body = SLICE("x");
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < SEQUENTIAL; i++)
        check_call(&call, 200, "x");
    clock_gettime(CLOCK_MONOTONIC, &b);
    double ms = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
    printf("# %.2f ms a call, handshake included\n", ms / SEQUENTIAL);
    fixture_fini(&f);
}

/* --- ways to fail --- */
/* A port that takes connections into its queue and never answers, or (backlog -1) refuses them. */
static int silent_port(int backlog, struct net_addr *ret)
{
    *ret = loopback();
    socklen_t len = net_addr_len(ret);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(bind(fd, &ret->sa, len), 0);
    CHECK_INT(getsockname(fd, &ret->sa, &len), 0);
    if (backlog >= 0)
        CHECK_INT(listen(fd, backlog), 0);
    return fd;
}

TEST(failures_are_told_apart)
{
    struct net_addr at;
    struct http_call call = {.method = "GET", .timeout_ms = 300, .trust_pem = pki.ca_pem};

    int fd = silent_port(8, &at);
    call.connect_to = at;
    call.url = "http://central.test/";
    check_fails(&call, HTTP_TIMEOUT);
    call.url = "https://central.test/"; /* no handshake */
    check_fails(&call, HTTP_TIMEOUT);
    close(fd);

    fd = silent_port(-1, &at);
    call.connect_to = at;
    call.timeout_ms = 0;
    check_fails(&call, HTTP_ROUTE);
    close(fd);

    call.connect_to = (struct net_addr){0};
    /* a label longer than DNS has: no name server is asked */
    call.url = "https://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.test/";
    check_fails(&call, HTTP_NAME);
    call.url = "file:///etc/hostname";
    check_fails(&call, HTTP_OTHER);
}

TEST(tls_spoken_to_plain_server)
{
    struct fixture f;
    fixture_tcp(&f, NULL);
    struct http_call call = tls_call(&f, "/peer");
    check_fails(&call, HTTP_TRUST);
    fixture_fini(&f);
}

TEST(pki_up)
{
    pki_make();
    CHECK(pki.client.cert && pki.server.cert && pki.stranger.cert);
}

TEST(pki_down)
{
    pki_drop();
}

TEST_MAIN(methods_paths_queries, answers_have_a_date, handler_answers_later, connection_gone_before_answer,
          server_freed_before_answer, refused_requests, pipelined_requests, unix_round_trip,
          unix_replaces_only_dead_sockets, address_in_use, pki_up, mutual_tls, certificates_refused,
          refused_with_a_large_body, unverified_peers_are_nobody, megabyte_both_ways, tls_switched,
          sequential_calls_are_fast, failures_are_told_apart, tls_spoken_to_plain_server, pki_down)
