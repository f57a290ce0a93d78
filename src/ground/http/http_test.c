#include "ground/http/http.h"

#include "ground/base/test.h"

#include "ground/base/mem.h"
#include "ground/http/fixture_for_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/un.h>

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
    static bool made;
    if (!made)
        CHECK(mkdtemp(folder));
    made = true;
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
    struct http_call call = {.method = "GET", .timeout_ms = 300};

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

/* A server that gives one answer, whatever was asked. */
struct once {
    int listening;
    const char *answer;
};

static void *answer_once(void *arg)
{
    struct once *o = arg;
    struct buf in = {0};
    int fd = accept(o->listening, NULL, NULL);
    raw_read(fd, &in, "\r\n\r\n");
    CHECK_INT(send(fd, o->answer, strlen(o->answer), MSG_NOSIGNAL), strlen(o->answer));
    shutdown(fd, SHUT_WR);
    raw_read(fd, &in, "until the client closes");
    close(fd);
    buf_fini(&in);
    return NULL;
}

TEST(answers_of_strange_servers)
{
    static const struct {
        const char *answer;
        unsigned status;
        int failure;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",                                   200, HTTP_OK   },
        {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 302, HTTP_OK   },
        {"HTTP/1.1 200 OK\r\nContent-Length: 67108865\r\n\r\n",                              0,   HTTP_OTHER}, /* HTTP_MAX_BODY + 1 */
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut",                                  0,   HTTP_OTHER},
        {"220 mail.test ESMTP\r\n",                                                          0,   HTTP_OTHER},
        {"",                                                                                 0,   HTTP_OTHER},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct once o = {.answer = cases[i].answer};
        struct http_call call = {.method = "GET", .url = "http://central.test/"};
        o.listening = silent_port(1, &call.connect_to);
        pthread_t t;
        CHECK_INT(pthread_create(&t, NULL, answer_once, &o), 0);
        if (cases[i].failure == HTTP_OK)
            check_call(&call, cases[i].status, NULL);
        else
            check_fails(&call, cases[i].failure);
        pthread_join(t, NULL);
        close(o.listening);
    }
}

/* The client asks first (100-continue), so that the refusal arrives. */
TEST(body_beyond_the_limit)
{
    char *large = mem_zalloc(HTTP_MAX_BODY + 1);
    struct fixture f;
    fixture_tcp(&f, NULL);
    check_call(&(struct http_call){.method = "POST",
                                   .url = url(&f, "http", "127.0.0.1", "/echo"),
                                   .body = slice_mem(large, HTTP_MAX_BODY + 1)},
               413, NULL);
    fixture_fini(&f);
    mem_free(large);
}

TEST_MAIN(methods_paths_queries, answers_have_a_date, handler_answers_later, connection_gone_before_answer,
          server_freed_before_answer, refused_requests, pipelined_requests, unix_round_trip,
          unix_replaces_only_dead_sockets, address_in_use, failures_are_told_apart,
          answers_of_strange_servers, body_beyond_the_limit)
