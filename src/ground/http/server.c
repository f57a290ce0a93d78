#include "ground/http/http.h"

#include "ground/base/mem.h"
#include "ground/base/text.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    HTTP_BACKLOG = 512,
    HTTP_IDLE_S = 30,            /* a connection from which nothing comes, or which takes nothing */
    HTTP_ACCEPT_RETRY_MS = 1000, /* when the process was out of descriptors */
    HTTP_MAX_PARAMS = 64,        /* of a query; what is beyond them is as if absent */
    HTTP_UNIX_MODE = 0660,
};

struct http_server {
    struct evhttp *evhttp;
    struct evconnlistener *listener; /* owned by evhttp */
    struct tls_ctx *tls;
    http_handler *handler;
    void *arg;
    struct list pending; /* requests that wait for http_respond */
    struct loop *loop;
    struct timer accept_again;
    struct net_addr addr;
    char *path; /* of a UNIX socket, with the identity of the file that we made */
    dev_t path_dev;
    ino_t path_ino;
};

struct http_param {
    struct slice name, value;
};

/* Owns all that its slices point to: libevent's request may go away with its connection. */
struct http_request {
    struct list link;
    struct evhttp_request *native; /* NULL: its server was freed */
    struct slice method, path, content;
    struct http_param *params;
    size_t n_params;
    struct evbuffer *body;
    struct crypto_cert *peer;
    struct arena arena;
};

/* --- requests --- */
static const struct {
    enum evhttp_cmd_type type;
    struct slice name;
} methods[] = {
    {EVHTTP_REQ_GET,    SLICE_INIT("GET")   },
    {EVHTTP_REQ_POST,   SLICE_INIT("POST")  },
    {EVHTTP_REQ_PUT,    SLICE_INIT("PUT")   },
    {EVHTTP_REQ_DELETE, SLICE_INIT("DELETE")},
};
enum { N_METHODS = sizeof(methods) / sizeof(methods[0]) };

static unsigned methods_mask(void)
{
    unsigned mask = 0;
    for (size_t i = 0; i < N_METHODS; i++)
        mask |= methods[i].type;
    return mask;
}

static struct slice method_name(enum evhttp_cmd_type type)
{
    for (size_t i = 0; i < N_METHODS; i++)
        if (methods[i].type == type)
            return methods[i].name;
    return SLICE_NONE;
}

/* RFC 3986 2.1; an escape that is none stays as it is. In queries a plus is a space (HTML forms). */
static struct slice unescape(struct arena *a, struct slice s, bool plus)
{
    char *out = arena_alloc(a, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        int hi = i + 2 < s.n && c == '%' ? text_hexval(s.p[i + 1]) : -1;
        int lo = hi >= 0 ? text_hexval(s.p[i + 2]) : -1;
        if (lo >= 0) {
            c = (char)(hi * 16 + lo);
            i += 2;
        } else if (plus && c == '+') {
            c = ' ';
        }
        out[n++] = c;
    }
    return slice_mem(out, n);
}

static void request_read_query(struct http_request *rq, struct slice query)
{
    if (query.n == 0)
        return;
    rq->params = ARENA_ARRAY(&rq->arena, struct http_param, HTTP_MAX_PARAMS);
    for (bool more = true; more && rq->n_params < HTTP_MAX_PARAMS;) {
        struct slice pair = query, name, value;
        more = slice_cut(query, '&', &pair, &query);
        if (!slice_cut(pair, '=', &name, &value)) {
            name = pair;
            value = SLICE("");
        }
        rq->params[rq->n_params++] = (struct http_param){
            .name = unescape(&rq->arena, name, true),
            .value = unescape(&rq->arena, value, true),
        };
    }
}

static struct crypto_cert *verified_peer(struct evhttp_request *native)
{
    struct evhttp_connection *c = evhttp_request_get_connection(native);
    void *ssl = c ? bufferevent_openssl_get_ssl(evhttp_connection_get_bufferevent(c)) : NULL;
    return ssl && tls_native_peer_verdict(ssl) == CRYPTO_VERIFY_OK ? tls_native_peer_cert(ssl) : NULL;
}

static struct http_request *request_new(struct http_server *s, struct evhttp_request *native)
{
    struct http_request *rq = MEM_NEW(struct http_request);
    rq->native = native;
    rq->method = method_name(evhttp_request_get_command(native));
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(native);
    struct slice path = slice_str(uri ? evhttp_uri_get_path(uri) : NULL);
    rq->path = path.n ? unescape(&rq->arena, path, false) : SLICE("/");
    request_read_query(rq, slice_str(uri ? evhttp_uri_get_query(uri) : NULL));
    rq->peer = verified_peer(native);
    rq->body = evbuffer_new();
    assert(rq->body);
    evbuffer_add_buffer(rq->body, evhttp_request_get_input_buffer(native)); /* moves it */
    rq->content = slice_mem(evbuffer_pullup(rq->body, -1), evbuffer_get_length(rq->body));
    list_push_back(&s->pending, &rq->link);
    return rq;
}

static void request_free(struct http_request *rq)
{
    list_unlink(&rq->link);
    evbuffer_free(rq->body);
    crypto_cert_unref(rq->peer);
    arena_fini(&rq->arena);
    mem_free(rq);
}

struct slice http_method(const struct http_request *rq)
{
    return rq->method;
}

struct slice http_path(const struct http_request *rq)
{
    return rq->path;
}

struct slice http_query(const struct http_request *rq, const char *name)
{
    for (size_t i = 0; i < rq->n_params; i++)
        if (slice_eq(rq->params[i].name, slice_str(name)))
            return rq->params[i].value;
    return SLICE_NONE;
}

struct slice http_body(const struct http_request *rq)
{
    return rq->content;
}

struct arena *http_arena(struct http_request *rq)
{
    return &rq->arena;
}

bool http_peer_addr(const struct http_request *rq, struct net_addr *ret)
{
    struct evhttp_connection *c = rq->native ? evhttp_request_get_connection(rq->native) : NULL;
    const struct sockaddr *sa = c ? evhttp_connection_get_addr(c) : NULL;
    if (!sa || (sa->sa_family != AF_INET && sa->sa_family != AF_INET6))
        return false;
    memset(ret, 0, sizeof(*ret));
    memcpy(ret, sa, sa->sa_family == AF_INET ? sizeof(ret->in4) : sizeof(ret->in6));
    return true;
}

const struct crypto_cert *http_peer_cert(const struct http_request *rq)
{
    return rq->peer;
}

/* Without its connection libevent leaves the request to us, and its reply only frees it. */
void http_respond(struct http_request *rq, unsigned status, const char *content_type, struct slice body)
{
    if (rq->native) {
        struct evbuffer *out = evbuffer_new();
        assert(out);
        if (body.n) {
            struct evkeyvalq *headers = evhttp_request_get_output_headers(rq->native);
            evhttp_add_header(headers, "Content-Type",
                              content_type ? content_type : "application/octet-stream");
            evbuffer_add(out, body.p, body.n);
        }
        evhttp_send_reply(rq->native, (int)status, NULL, out);
        evbuffer_free(out);
    }
    request_free(rq);
}

static void request_came(struct evhttp_request *native, void *arg)
{
    struct http_server *s = arg;
    s->handler(s->arg, request_new(s, native));
}

/* --- server --- */
/* Of a server with or without TLS. libevent gathers a body before it counts it, and goes on reading while an
 * answer waits for a peer that does not take it: the watermark bounds both. */
static struct bufferevent *connection_new(struct event_base *base, void *arg)
{
    struct http_server *s = arg;
    struct bufferevent *b =
        s->tls ? bufferevent_openssl_socket_new(base, -1, tls_native_new(s->tls), BUFFEREVENT_SSL_ACCEPTING,
                                                BEV_OPT_CLOSE_ON_FREE)
               : bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    assert(b); /* libevent would go on without TLS */
    bufferevent_setwatermark(b, EV_READ, 0, HTTP_MAX_BODY + HTTP_MAX_HEADERS);
    return b;
}

/* Out of descriptors, most likely: level-triggered, it would spin. libevent hands over no pointer of ours. */
static void accept_failed(struct evconnlistener *listener, void *evhttp)
{
    (void)evhttp;
    evconnlistener_disable(listener);
}

static void accept_again(void *arg)
{
    struct http_server *s = arg;
    evconnlistener_enable(s->listener);
    timer_start(&s->accept_again, loop_now(s->loop) + HTTP_ACCEPT_RETRY_MS);
}

/* Takes over fd, which is bound and nonblocking. */
static int server_listen(struct http_server *s, int fd)
{
    if (listen(fd, HTTP_BACKLOG) < 0) {
        int r = -errno;
        close(fd);
        return r;
    }
    s->evhttp = evhttp_new(loop_base(s->loop));
    s->listener = evconnlistener_new(loop_base(s->loop), NULL, NULL,
                                     LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    assert(s->evhttp && s->listener);
    if (!evhttp_bind_listener(s->evhttp, s->listener))
        assert(!"evhttp takes a listener");
    evconnlistener_set_error_cb(s->listener, accept_failed);
    evhttp_set_gencb(s->evhttp, request_came, s);
    evhttp_set_bevcb(s->evhttp, connection_new, s);
    evhttp_set_allowed_methods(s->evhttp, (ev_uint16_t)methods_mask());
    evhttp_set_max_body_size(s->evhttp, HTTP_MAX_BODY);
    evhttp_set_max_headers_size(s->evhttp, HTTP_MAX_HEADERS);
    evhttp_set_timeout(s->evhttp, HTTP_IDLE_S);
    timer_start(&s->accept_again, loop_now(s->loop) + HTTP_ACCEPT_RETRY_MS);
    return 0;
}

static struct http_server *server_make(struct loop *l, struct tls_ctx *tls, http_handler *handler, void *arg)
{
    struct http_server *s = MEM_NEW(struct http_server);
    s->loop = l;
    s->tls = tls ? tls_ctx_ref(tls) : NULL;
    s->handler = handler;
    s->arg = arg;
    list_init(&s->pending);
    timer_init(&s->accept_again, l, accept_again, s);
    return s;
}

/* Accepted sockets inherit TCP_NODELAY: without it each request waits 44 ms for a delayed ACK. No
 * SO_REUSEPORT: the server lives on one loop, and a second one at this address is a mistake. */
static int tcp_bind(const struct net_addr *addr, struct net_addr *ret_bound)
{
    int on = 1, fd = socket(addr->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    struct net_addr bound;
    memset(&bound, 0, sizeof(bound));
    socklen_t len = sizeof(bound);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
        (addr->sa.sa_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) ||
        bind(fd, &addr->sa, net_addr_len(addr)) < 0 || getsockname(fd, &bound.sa, &len) < 0) {
        int r = -errno;
        close(fd);
        return r;
    }
    *ret_bound = bound;
    return fd;
}

int http_server_new(struct loop *l, const struct net_addr *addr, struct tls_ctx *tls, http_handler *handler,
                    void *arg, struct http_server **ret)
{
    struct net_addr bound;
    int fd = tcp_bind(addr, &bound);
    if (fd < 0)
        return fd;
    struct http_server *s = server_make(l, tls, handler, arg);
    s->addr = bound;
    int r = server_listen(s, fd);
    if (r < 0)
        http_server_free(s);
    else
        *ret = s;
    return r;
}

/* Removes the socket that a dead process left; nothing else, and none that somebody listens on. */
static int unix_remove_old(const struct sockaddr_un *at)
{
    struct stat st;
    if (lstat(at->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode))
        return -EEXIST;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int r = connect(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 ? errno : 0;
    close(fd);
    if (r != ECONNREFUSED)
        return r == ENOENT ? 0 : -EADDRINUSE;
    return unlink(at->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

/* Nobody can connect before listen(), so the mode that the umask left in between lets nobody in. */
static int unix_bind(const struct sockaddr_un *at, unsigned mode, struct stat *ret_st)
{
    int r = unix_remove_old(at);
    if (r < 0)
        return r;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (bind(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 || chmod(at->sun_path, mode) < 0 ||
        lstat(at->sun_path, ret_st) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    return fd;
}

int http_server_unix_new(struct loop *l, const char *path, unsigned mode, http_handler *handler, void *arg,
                         struct http_server **ret)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof(at.sun_path))
        return n ? -ENAMETOOLONG : -EINVAL;
    memcpy(at.sun_path, path, n);
    struct stat st = {0};
    int fd = unix_bind(&at, mode ? mode : HTTP_UNIX_MODE, &st);
    if (fd < 0)
        return fd;
    struct http_server *s = server_make(l, NULL, handler, arg);
    s->path = mem_strdup(path);
    s->path_dev = st.st_dev;
    s->path_ino = st.st_ino;
    int r = server_listen(s, fd);
    if (r < 0)
        http_server_free(s);
    else
        *ret = s;
    return r;
}

const struct net_addr *http_server_addr(const struct http_server *s)
{
    return &s->addr;
}

void http_server_set_tls(struct http_server *s, struct tls_ctx *tls)
{
    struct tls_ctx *old = s->tls;
    assert(old && tls); /* a server does not change between HTTP and HTTPS */
    s->tls = tls_ctx_ref(tls);
    tls_ctx_unref(old);
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    timer_stop(&s->accept_again);
    LIST_FOR(it, &s->pending)
    {
        struct http_request *rq = LIST_ENTRY(it, struct http_request, link);
        if (!evhttp_request_get_connection(rq->native))
            evhttp_request_free(rq->native); /* the others go with their connections, below */
        rq->native = NULL;
        list_unlink(it);
    }
    if (s->evhttp)
        evhttp_free(s->evhttp);
    struct stat st;
    if (s->path && lstat(s->path, &st) == 0 && st.st_dev == s->path_dev && st.st_ino == s->path_ino)
        unlink(s->path);
    mem_free(s->path);
    tls_ctx_unref(s->tls);
    mem_free(s);
}
