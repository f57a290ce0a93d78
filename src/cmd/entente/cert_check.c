/* The chain that a TLS server sends, as it comes over the wire. Asks no daemon. */
#include "cmd/entente/call.h"
#include "cmd/entente/file.h"
#include "cmd/entente/table.h"
#include "cmd/entente/wait.h"
#include "ground/crypto/tls.h"
#include "kept/topology/certificate_json.h"
#include "kept/topology/certificates.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHECK_MS = 10000, CHECK_READ = 16384, CHECK_MAX_BYTES = 1 << 20 };
static const char system_roots[] = "/etc/ssl/certs/ca-certificates.crt";

/* --- connecting --- */
/* "[::1]:5061", "sip.a.example:5061". */
static int split(struct invocation *v, char **host, char **port)
{
    struct slice text = argument(v, 0);
    size_t colon = SIZE_MAX;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == ':')
            colon = i;
    if (colon == SIZE_MAX || colon == 0 || colon + 1 == text.n)
        return call_fail(v, "check.address", "'%s' is not HOST:PORT", v->arguments[0]);
    struct slice name = slice_head(text, colon);
    if (slice_starts(name, SLICE("[")) && slice_ends(name, SLICE("]")))
        name = slice_from(slice_head(name, name.n - 1), 1);
    *host = arena_cstr(&v->arena, name);
    *port = arena_cstr(&v->arena, slice_from(text, colon + 1));
    return EXIT_DONE;
}

static int wait_for(int fd, short events, int64_t end)
{
    struct pollfd p = {.fd = fd, .events = events};
    int64_t left = end - wait_now();
    int n = left > 0 ? poll(&p, 1, (int)left) : 0;
    return n > 0 ? 0 : n == 0 ? -ETIMEDOUT : -errno;
}

static int connect_one(const struct addrinfo *at, int64_t end)
{
    int error = 0;
    socklen_t n = sizeof(error);
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int r = connect(fd, at->ai_addr, at->ai_addrlen) == 0 || errno == EINPROGRESS ? 0 : -errno;
    if (r == 0)
        r = wait_for(fd, POLLOUT, end);
    if (r == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0)
        r = -error;
    if (r < 0) {
        close(fd);
        return r;
    }
    return fd;
}

static int connect_to(struct invocation *v, const char *host, const char *port, int64_t end)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list;
    int r = getaddrinfo(host, port, &hints, &list), fd = -1;
    if (r) {
        call_fail(v, "check.name", "%s port %s cannot be found: %s", host, port, gai_strerror(r));
        return -1;
    }
    for (const struct addrinfo *at = list; at && fd < 0; at = at->ai_next)
        fd = connect_one(at, end);
    freeaddrinfo(list);
    if (fd < 0)
        call_fail(v, "check.connect", "%s port %s cannot be reached: %s", host, port, strerror(-fd));
    return fd < 0 ? -1 : fd;
}

/* --- the handshake --- */
static int send_all(int fd, struct buf *net, int64_t end)
{
    while (buf_len(net)) {
        struct slice out = buf_slice(net);
        ssize_t n = send(fd, out.p, out.n, MSG_NOSIGNAL);
        if (n > 0)
            buf_consume(net, (size_t)n);
        else if (errno != EAGAIN && errno != EINTR)
            return -errno;
        else if (wait_for(fd, POLLOUT, end) < 0)
            return -ETIMEDOUT;
    }
    return 0;
}

/* Until it is up, failed or over. 0, or a negative errno of the connection. */
static int handshake(int fd, struct tls *t, int64_t end)
{
    struct buf net = {0}, plain = {0};
    char in[CHECK_READ];
    size_t total = 0;
    enum tls_result result = tls_start(t, &net);
    int r = send_all(fd, &net, end);
    while (r == 0 && result == TLS_OK && !tls_is_up(t) && total < CHECK_MAX_BYTES) {
        r = wait_for(fd, POLLIN, end);
        ssize_t n = r == 0 ? recv(fd, in, sizeof(in), 0) : 0;
        if (r == 0 && n <= 0)
            r = n == 0 ? -ECONNRESET : errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (n > 0) {
            total += (size_t)n;
            result = tls_feed(t, slice_mem(in, (size_t)n), &plain, &net);
            int sent = send_all(fd, &net, end);
            r = tls_is_up(t) ? 0 : sent;
        }
    }
    if (r == 0)
        tls_close_notify(t, &net);
    send_all(fd, &net, end);
    buf_fini(&net);
    buf_fini(&plain);
    return r;
}

/* --- the answer --- */
static struct crypto_trust *roots(struct invocation *v)
{
    const char *path = option_given(v, OPTION_ROOT) ? v->options[OPTION_ROOT] : system_roots;
    struct crypto_trust *trust = crypto_trust_new();
    struct buf pem = {0};
    int r = !option_given(v, OPTION_ROOT) && access(path, R_OK) < 0 ? EXIT_DONE : file_read(v, path, &pem);
    if (r == EXIT_DONE && buf_len(&pem) && crypto_trust_add(trust, buf_slice(&pem)) < 0)
        r = call_fail(v, "check.roots", "%s cannot be read: %s", path, crypto_error());
    if (r == EXIT_DONE && option_given(v, OPTION_ROOT) && !buf_len(&pem))
        r = call_fail(v, "check.roots", "%s holds no certificate: name a file of roots in PEM form", path);
    buf_fini(&pem);
    if (r == EXIT_DONE)
        return trust;
    crypto_trust_unref(trust);
    return NULL;
}

static struct json_value *report(struct invocation *v, struct tls *t, const struct crypto_cert *c,
                                 const struct findings *f)
{
    struct json_value *o = json_object(&v->arena);
    json_set_string(&v->arena, o, "peer", argument(v, 0));
    json_set_string(&v->arena, o, "version", slice_str(tls_version(t)));
    json_set(&v->arena, o, "names", certificate_names_json(c, &v->arena));
    json_set(&v->arena, o, "chain", certificate_chain_json(c, &v->arena));
    json_set_bool(&v->arena, o, "good", f->n == 0);
    json_set(&v->arena, o, "findings", findings_to_json(f, &v->arena));
    return o;
}

static void print(struct invocation *v, const struct json_value *o)
{
    static const char *const heads[] = {"", "SUBJECT", "ISSUER", "KEY", "FROM", "UNTIL", NULL};
    const struct json_value *chain = json_get(o, "chain");
    struct table t;
    fprintf(v->out, SLICE_FMT " sends, by " SLICE_FMT ", names " SLICE_FMT ":\n",
            SLICE_ARG(json_get_string(o, "peer")), SLICE_ARG(json_get_string(o, "version")),
            SLICE_ARG(call_list(v, json_get(o, "names"))));
    table_init(&t, &v->arena, heads);
    for (size_t i = 0; i < json_count(chain); i++) {
        const struct json_value *c = json_at(chain, i);
        table_int(&t, (int64_t)i);
        table_cell(&t, json_get_string(c, "subject"));
        table_cell(&t, json_get_string(c, "issuer"));
        table_cell(&t, json_get_string(c, "key"));
        table_cell(&t, table_time(&v->arena, json_get_int(c, "not_before_ms", 0)));
        table_cell(&t, table_time(&v->arena, json_get_int(c, "not_after_ms", 0)));
    }
    table_print(&t, v->out, "");
    call_findings(v->out, json_get(o, "findings"));
    if (json_get_bool(o, "good", false))
        fputs("nothing is wrong with it\n", v->out);
}

static int judge(struct invocation *v, struct tls *t, struct slice name, const struct crypto_trust *trust)
{
    const struct crypto_cert *c = tls_peer_cert(t);
    const struct certificate_need need = {
        .use = CERTIFICATE_ACCESS_EXTERNAL, .names = &name, .n_required = 1, .n = 1};
    struct findings f = {0};
    if (!c)
        return call_fail(v, "check.tls", "%s sends no certificate: %s", v->arguments[0], tls_error(t));
    certificate_check(c, &need, trust, wait_wall(), &f);
    struct json_value *o = report(v, t, c, &f);
    if (option_given(v, OPTION_JSON))
        call_print_json(v, o);
    else
        print(v, o);
    int r = f.errors ? EXIT_REFUSED : EXIT_DONE;
    findings_fini(&f);
    return r;
}

int cmd_cert_check(struct invocation *v)
{
    const struct tls_config config = {.peer = TLS_PEER_NONE};
    char *host = NULL, *port = NULL;
    struct tls_ctx *ctx = NULL;
    int64_t end = wait_now() + CHECK_MS;
    int r = split(v, &host, &port);
    struct crypto_trust *trust = r == EXIT_DONE ? roots(v) : NULL;
    if (!trust)
        return EXIT_REFUSED;
    struct slice name = option_given(v, OPTION_NAME) ? option_slice(v, OPTION_NAME) : slice_str(host);
    int fd = connect_to(v, host, port, end);
    r = EXIT_REFUSED;
    if (fd >= 0 && tls_ctx_new(&config, &ctx) == 0) {
        struct tls *t = tls_new(ctx, name);
        int error = handshake(fd, t, end);
        if (error < 0 && !tls_peer_cert(t))
            call_fail(v, "check.tls", "%s does not speak TLS there, or ends the handshake: %s",
                      v->arguments[0], error == -ETIMEDOUT ? "no answer" : strerror(-error));
        else
            r = judge(v, t, name, trust);
        tls_free(t);
    }
    if (fd >= 0)
        close(fd);
    tls_ctx_unref(ctx);
    crypto_trust_unref(trust);
    return r;
}
