/* Roofline of a SIP edge: accepts mutual TLS, opens one connection to the next hop for each accepted one, and
 * copies bytes both ways. No SIP, no state: what TLS and the kernel cost, whoever relays. With "-" for the
 * next hop it opens none and answers whatever comes with CRLF, as an edge answers a keep-alive. */
#include <malloc.h>
#include <stddef.h>
#include <string.h>

#include "load/net.h"
#include "load/stat.h"

enum { FRONT = 1, BACK, TLS_RECORD = 16384 };
static struct sockaddr_in to;
static SSL_CTX *front, *back;
static bool sink;

static void on_accept(struct conn *l, struct conn *c)
{
    (void)l;
    if (sink)
        return;
    struct conn *u = net_connect(to, NULL, back, BACK);
    if (!u)
        die("cannot connect upstream");
    u->user = c;
    c->user = u;
}

static void forward(struct conn *from, struct conn *dst)
{
    while (dst && dst->up && buf_left(&from->in)) {
        size_t n = buf_left(&from->in);
        if (n > TLS_RECORD)
            n = TLS_RECORD;
        net_send(dst, buf_at(&from->in), n);
        buf_take(&from->in, n);
    }
}

static void on_data(struct conn *c)
{
    if (sink) {
        buf_take(&c->in, buf_left(&c->in));
        net_send(c, "\r\n", 2);
        return;
    }
    forward(c, c->user);
}

static void on_up(struct conn *c)
{
    struct conn *o = c->user;
    if (o && o->up) {
        forward(o, c);
        forward(c, o);
    }
}

static void on_close(struct conn *c)
{
    struct conn *o = c->user;
    if (o) {
        o->user = NULL;
        net_close(o);
    }
}

int main(int argc, char **argv)
{
    if (argc != 5)
        die("tlsfwd LISTEN_IP:PORT NEXT_HOP_IP:PORT|- PKI_DIR tls|tcp (to the next hop)");
    struct sockaddr_in at = addr_parse(argv[1]);
    sink = argv[2][0] == '-';
    if (!sink)
        to = addr_parse(argv[2]);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    net_init();
    net_ops = (struct net_ops){on_accept, on_up, on_data, on_close};
    front = tls_ctx(&(struct tls_conf){argv[3], "edge", true, true});
    back = strcmp(argv[4], "tcp") != 0 ? tls_ctx(&(struct tls_conf){argv[3], "edge", false, false}) : NULL;
    net_listen(at, front, FRONT);
    for (;;)
        net_poll(1000000000ull);
}
