#include "ground/net/stream.h"

#include "ground/base/mem.h"
#include "ground/base/test.h"
#include "ground/crypto/pki_for_test.h"
#include "ground/loop/workers.h"
#include "ground/net/listener.h"

#include <stdatomic.h>

/* Two workers share a port and the TLS contexts; connections of each reach both. */
enum { WORKERS = 2, EACH = 16, AMOUNT = 100000, DEADLINE_MS = 60000 };

static struct workers *team;
static struct loop *main_loop;
static struct listener *listeners[WORKERS];
static struct tls_ctx *server_ctx, *client_ctx;
static struct net_addr port;
static atomic_uint left, bad;
static char pattern[AMOUNT];

struct end {
    bool dialled;
    size_t got;
};

static void one_done(void)
{
    if (atomic_fetch_sub(&left, 1) == 1)
        loop_stop(main_loop);
}

static void on_up(struct stream *s, void *arg)
{
    struct end *e = arg;
    const struct crypto_cert *cert = stream_peer_cert(s);
    if (!cert || stream_peer_verdict(s) != CRYPTO_VERIFY_OK)
        atomic_fetch_add(&bad, 1);
    if (!e->dialled)
        return;
    buf_append(stream_output(s), slice_mem(pattern, AMOUNT));
    stream_flush(s);
}

static size_t on_data(struct stream *s, void *arg, struct slice in)
{
    struct end *e = arg;
    if (e->got + in.n > AMOUNT || memcmp(in.p, pattern + e->got, in.n) != 0)
        atomic_fetch_add(&bad, 1);
    e->got += in.n;
    if (!e->dialled) {
        buf_append(stream_output(s), in);
        stream_flush(s);
    } else if (e->got >= AMOUNT) {
        stream_finish(s, DEADLINE_MS);
    }
    return in.n;
}

static void on_ended(struct stream *s, void *arg, enum stream_end why)
{
    struct end *e = arg;
    if (why != STREAM_CLOSED || e->got != AMOUNT)
        atomic_fetch_add(&bad, 1);
    stream_free(s);
    mem_free(e);
    one_done();
}
static const struct stream_ops ops = {on_up, on_data, NULL, on_ended}; /* NULL: finishes with the peer */

static void on_accepted(void *arg, int fd, const struct net_addr *remote)
{
    stream_accept(arg, fd, remote, server_ctx, NULL, &ops, MEM_NEW(struct end));
}
static const struct listener_ops accepting = {on_accepted};

static void start_dialling(struct mail *m, struct loop *l)
{
    mem_free(m);
    for (int i = 0; i < EACH; i++) {
        struct end *e = MEM_NEW(struct end);
        e->dialled = true;
        stream_connect(l, NULL, &port, client_ctx, SLICE("sip.contoso.example"), NULL, &ops, e);
    }
}

static void too_late(void *arg)
{
    (void)arg;
    TEST_DIAG("%u connections had not ended", atomic_load(&left));
    loop_stop(main_loop);
}

TEST(workers_share_port_and_contexts)
{
    struct pki_id ca = pki_ca("Root"), id = pki_host(&ca, "sip.contoso.example");
    struct crypto_trust *trust = pki_trust(&ca);
    struct tls_config config = {.key = id.key, .cert = id.cert, .trust = trust, .peer = TLS_PEER_REQUIRED};
    CHECK_INT(tls_ctx_new(&config, &client_ctx), 0);
    config.server = true;
    CHECK_INT(tls_ctx_new(&config, &server_ctx), 0);
    for (size_t i = 0; i < AMOUNT; i++)
        pattern[i] = (char)(i * 7 + i / 251);
    atomic_store(&left, 2 * WORKERS * EACH);
    main_loop = loop_new(WORKERS);
    team = workers_new(WORKERS, "team");
    CHECK_INT(net_addr_parse(SLICE("127.0.0.1"), 0, &port), 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        struct loop *l = workers_loop(team, i);
        CHECK_INT(listener_new(l, &port, &accepting, l, &listeners[i]), 0);
        port = *listener_addr(listeners[i]);
    }
    workers_start(team);
    for (unsigned i = 0; i < WORKERS; i++) {
        struct mail *m = MEM_NEW(struct mail);
        m->deliver = start_dialling;
        loop_post(workers_loop(team, i), m);
    }
    struct timer deadline;
    timer_init(&deadline, main_loop, too_late, NULL);
    timer_start(&deadline, loop_now(main_loop) + DEADLINE_MS);
    loop_run(main_loop);
    timer_stop(&deadline);
    CHECK_INT(atomic_load(&left), 0);
    CHECK_INT(atomic_load(&bad), 0);
    workers_stop(team);
    for (unsigned i = 0; i < WORKERS; i++)
        listener_free(listeners[i]);
    workers_free(team);
    loop_free(main_loop);
    tls_ctx_unref(client_ctx);
    tls_ctx_unref(server_ctx);
    crypto_trust_unref(trust);
    pki_fini(&id);
    pki_fini(&ca);
}

TEST_MAIN(workers_share_port_and_contexts)
