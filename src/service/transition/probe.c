#include "service/transition/probe.h"

#include "ground/base/arena.h"
#include "ground/base/mem.h"
#include "ground/net/stream.h"

#include <stdio.h>

struct port {
    struct probe *probe;
    struct stream *stream;
    struct probe_port what;
    bool ended;
    char failure[PROBE_TEXT]; /* empty: good */
};
struct probe {
    struct loop *loop;
    struct arena arena;
    struct tls_ctx *tls;
    struct port *ports;
    size_t n, left;
    struct deferred finish;
    probe_done *done;
    void *arg;
};

void probe_free(struct probe *p)
{
    if (!p)
        return;
    deferred_cancel(&p->finish);
    for (size_t i = 0; i < p->n; i++)
        stream_free(p->ports[i].stream);
    tls_ctx_unref(p->tls);
    arena_fini(&p->arena);
    mem_free(p);
}

static void finish(void *arg)
{
    struct probe *p = arg;
    char text[PROBE_TEXT] = "";
    probe_done *done = p->done;
    void *done_arg = p->arg;
    for (size_t i = 0; i < p->n && !text[0]; i++)
        memcpy(text, p->ports[i].failure, sizeof(text));
    probe_free(p);
    done(done_arg, !text[0], text);
}

static void port_ended(struct port *port)
{
    if (port->ended)
        return;
    port->ended = true;
    if (--port->probe->left == 0)
        deferred_add(port->probe->loop, &port->probe->finish);
}

__attribute__((format(printf, 2, 3))) static void port_fails(struct port *port, const char *fmt, ...)
{
    char addr[NET_ADDR_TEXT];
    struct slice where = net_addr_text(&port->what.addr, addr);
    int n = snprintf(port->failure, sizeof(port->failure), SLICE_FMT " ", SLICE_ARG(where));
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(port->failure + n, sizeof(port->failure) - (size_t)n, fmt, ap);
    va_end(ap);
}

static void on_up(struct stream *s, void *arg)
{
    struct port *port = arg;
    const struct crypto_cert *cert = stream_peer_cert(s);
    if (!cert || !crypto_cert_names_host(cert, port->what.name))
        port_fails(port, "shows a certificate that does not name " SLICE_FMT, SLICE_ARG(port->what.name));
    port->stream = NULL;
    stream_free(s);
    port_ended(port);
}

static size_t on_data(struct stream *s, void *arg, struct slice in)
{
    (void)s;
    (void)arg;
    return in.n;
}

static void on_ended(struct stream *s, void *arg, enum stream_end why)
{
    static const char *const words[] = {
        [STREAM_CLOSED] = "ends the connection", [STREAM_REFUSED] = "is closed",
        [STREAM_TIMEOUT] = "does not answer",    [STREAM_TLS_FAILED] = "does not speak TLS with us",
        [STREAM_LOST] = "resets the connection", [STREAM_SLOW_PEER] = "does not read",
    };
    struct port *port = arg;
    if (why != STREAM_TIMEOUT || !port->what.may_be_unreachable)
        port_fails(port, "%s (%s)", words[why], stream_error(s));
    port->stream = NULL;
    stream_free(s);
    port_ended(port);
}

struct probe *probe_new(struct loop *l, const struct probe_port *ports, size_t n, probe_done *done, void *arg)
{
    static const struct stream_ops ops = {.up = on_up, .data = on_data, .ended = on_ended};
    static const struct stream_limits limits = {.setup_ms = PROBE_SETUP_MS};
    struct probe *p = MEM_NEW(struct probe);
    p->loop = l;
    p->done = done;
    p->arg = arg;
    p->n = n < PROBE_MAX ? n : PROBE_MAX;
    deferred_init(&p->finish, finish, p);
    p->ports = ARENA_ARRAY(&p->arena, struct port, p->n);
    int r = tls_ctx_new(&(struct tls_config){.peer = TLS_PEER_NONE}, &p->tls);
    for (size_t i = 0; i < p->n && r == 0; i++) {
        struct port *port = &p->ports[i];
        port->probe = p;
        port->what = ports[i];
        port->what.name = arena_copy(&p->arena, ports[i].name);
        port->stream =
            stream_connect(l, NULL, &port->what.addr, p->tls, port->what.name, &limits, &ops, port);
        p->left++;
    }
    if (r < 0 && p->n)
        snprintf(p->ports[0].failure, PROBE_TEXT, "TLS: %s", crypto_error());
    if (!p->left)
        deferred_add(l, &p->finish);
    return p;
}
