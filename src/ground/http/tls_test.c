#include "ground/http/http.h"

#include "ground/base/test.h"

#include "ground/base/mem.h"
#include "ground/crypto/pki_for_test.h"
#include "ground/http/fixture_for_test.h"

enum { SEQUENTIAL = 200, MEGABYTE = 1 << 20 };

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

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Without TCP_NODELAY each waits for a delayed ACK, so the fastest tells, however busy the machine is. */
TEST(sequential_calls_are_fast)
{
    struct fixture f;
    fixture_tls(&f, &pki.server, TLS_PEER_REQUIRED);
    struct http_call call = tls_call(&f, "/echo");
    call.method = "POST";
    call.body = SLICE("x");
    double total = 0, fastest = 1e9;
    for (int i = 0; i < SEQUENTIAL; i++) {
        double began = now_ms();
        check_call(&call, 200, "x");
        double ms = now_ms() - began;
        total += ms;
        fastest = ms < fastest ? ms : fastest;
    }
    printf("# %.2f ms a call, handshake included; the fastest %.2f\n", total / SEQUENTIAL, fastest);
    CHECK(fastest < 30);
    fixture_fini(&f);
}

/* A TLS client that keeps its connection and sends what it likes. */
struct raw_tls {
    int fd;
    struct tls *tls;
    struct buf plain, net;
};

static void raw_tls_flush(struct raw_tls *c)
{
    CHECK_INT(send(c->fd, c->net.mem + c->net.start, buf_len(&c->net), MSG_NOSIGNAL), buf_len(&c->net));
    buf_clear(&c->net, SIZE_MAX);
}

static bool raw_tls_read(struct raw_tls *c)
{
    char in[16384];
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    ssize_t n = poll(&p, 1, DEADLINE_S * 1000) == 1 ? read(c->fd, in, sizeof(in)) : -1;
    if (n <= 0 || tls_feed(c->tls, slice_mem(in, (size_t)n), &c->plain, &c->net) != TLS_OK)
        return false;
    raw_tls_flush(c);
    return true;
}

static void raw_tls_init(struct raw_tls *c, struct fixture *f)
{
    memset(c, 0, sizeof(*c));
    struct crypto_trust *trust = pki_trust(&pki.ca);
    struct tls_config config = {
        .key = pki.client.key, .cert = pki.client.cert, .trust = trust, .peer = TLS_PEER_REQUIRED};
    struct tls_ctx *ctx = NULL;
    CHECK_INT(tls_ctx_new(&config, &ctx), 0);
    crypto_trust_unref(trust);
    c->tls = tls_new(ctx, SLICE("central.test"));
    tls_ctx_unref(ctx);
    c->fd = raw_connect(f);
    CHECK_INT(tls_start(c->tls, &c->net), TLS_OK);
    raw_tls_flush(c);
    while (!tls_is_up(c->tls) && raw_tls_read(c))
        ;
    CHECK(tls_is_up(c->tls));
}

static void raw_tls_fini(struct raw_tls *c)
{
    close(c->fd);
    tls_free(c->tls);
    buf_fini(&c->plain);
    buf_fini(&c->net);
}

/* Sends, and reads until `want` has come. */
static bool raw_tls_ask(struct raw_tls *c, const char *text, const char *want)
{
    buf_clear(&c->plain, SIZE_MAX);
    CHECK_INT(tls_write(c->tls, slice_str(text), &c->net), TLS_OK);
    raw_tls_flush(c);
    while (slice_search(buf_slice(&c->plain), slice_str(want)) == SIZE_MAX)
        if (!raw_tls_read(c))
            return false;
    return true;
}

TEST(kept_connection_is_fast)
{
    struct fixture f;
    struct raw_tls c;
    fixture_tls(&f, &pki.server, TLS_PEER_REQUIRED);
    raw_tls_init(&c, &f);
    double total = 0, fastest = 1e9;
    for (int i = 0; i < SEQUENTIAL; i++) {
        double began = now_ms();
        CHECK(raw_tls_ask(&c, "GET /peer HTTP/1.1\r\nHost: x\r\n\r\n", "edge.test"));
        double ms = now_ms() - began;
        total += ms;
        fastest = ms < fastest ? ms : fastest;
    }
    printf("# %.2f ms a request on a kept connection; the fastest %.2f\n", total / SEQUENTIAL, fastest);
    CHECK(fastest < 30);
    raw_tls_fini(&c);
    fixture_fini(&f);
}

/* The second request comes while the first waits for its answer; a context set meanwhile changes nothing. */
TEST(pipelined_over_tls)
{
    struct fixture f;
    struct raw_tls c;
    fixture_tls(&f, &pki.server, TLS_PEER_REQUIRED);
    raw_tls_init(&c, &f);
    struct tls_ctx *next = server_tls(&pki.server, TLS_PEER_REQUIRED);
    on_loop(&f, do_set_tls, next);
    tls_ctx_unref(next);
    CHECK(raw_tls_ask(&c,
                      "GET /later HTTP/1.1\r\nHost: x\r\n\r\n"
                      "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "3\r\nsec\r\n3\r\nond\r\n0\r\n\r\n",
                      "second"));
    CHECK(slice_starts(buf_slice(&c.plain), SLICE("HTTP/1.1 202 ")));
    raw_tls_fini(&c);
    fixture_fini(&f);
}

static struct tls_ctx *client_tls(const struct pki_id *id, const struct pki_id *ca)
{
    struct crypto_trust *trust = pki_trust(ca);
    struct tls_config c = {.key = id->key, .cert = id->cert, .trust = trust, .peer = TLS_PEER_REQUIRED};
    struct tls_ctx *ctx = NULL;
    CHECK_INT(tls_ctx_new(&c, &ctx), 0);
    crypto_trust_unref(trust);
    return ctx;
}

static struct http_call context_call(struct fixture *f, const char *path, struct tls_ctx *tls)
{
    struct http_call call = tls_call(f, path);
    call.cert_pem = call.key_pem = call.trust_pem = NULL;
    call.tls = tls;
    return call;
}

/* A lent context is as good as the texts, and as strict. */
TEST(contexts_are_lent)
{
    struct tls_ctx *good = client_tls(&pki.client, &pki.ca), *stranger = client_tls(&pki.stranger, &pki.ca),
                   *distrusting = client_tls(&pki.client, &pki.other_ca);
    struct fixture f;
    fixture_tls(&f, &pki.server, TLS_PEER_REQUIRED);
    struct http_call call = context_call(&f, "/peer", good);
    check_call(&call, 200, "edge.test");
    call.tls = stranger;
    check_fails(&call, HTTP_TRUST);
    call.tls = distrusting;
    check_fails(&call, HTTP_TRUST);
    call.tls = good;
    call.url = url(&f, "https", "other.test", "/peer");
    check_fails(&call, HTTP_TRUST);
    fixture_fini(&f);
    tls_ctx_unref(good);
    tls_ctx_unref(stranger);
    tls_ctx_unref(distrusting);
}

static void check_client(struct http_client *k, const struct http_call *call, unsigned status,
                         const char *body)
{
    struct http_result r;
    http_client_call(k, call, &r);
    CHECK_INT(r.status, status);
    if (body)
        CHECK_STR(buf_slice(&r.body), body);
    http_result_fini(&r);
}

/* The server's name is asked for with each handshake: a name that it no longer has tells whether there was
 * one. */
TEST(a_client_keeps_its_connection)
{
    struct pki_id renamed = pki_host(&pki.ca, "renamed.test"), second = pki_host(&pki.ca, "edge2.test");
    struct tls_ctx *mine = client_tls(&pki.client, &pki.ca), *next = client_tls(&second, &pki.ca);
    struct http_client *k = http_client_new();
    struct fixture f;
    fixture_tls(&f, &pki.server, TLS_PEER_REQUIRED);
    struct http_call call = context_call(&f, "/peer", mine);
    check_client(k, &call, 200, "edge.test");
    struct tls_ctx *other = server_tls(&renamed, TLS_PEER_REQUIRED);
    on_loop(&f, do_set_tls, other);
    tls_ctx_unref(other);
    check_client(k, &call, 200, "edge.test");
    call.fresh = true;
    check_client(k, &call, 0, NULL);
    call.fresh = false;
    call.url = url(&f, "https", "renamed.test", "/peer");
    check_client(k, &call, 200, "edge.test");
    call.tls = next; /* another identity never goes over the old one's connection */
    check_client(k, &call, 200, "edge2.test");
    http_client_free(k);
    fixture_fini(&f);
    tls_ctx_unref(mine);
    tls_ctx_unref(next);
    pki_fini(&renamed);
    pki_fini(&second);
}

/* The server goes and comes back at its address: the connection that it closed is replaced unseen. */
TEST(a_closed_connection_is_replaced)
{
    struct tls_ctx *mine = client_tls(&pki.client, &pki.ca);
    struct http_client *k = http_client_new();
    struct fixture f;
    fixture_tls(&f, &pki.server, TLS_PEER_REQUIRED);
    struct http_call call = context_call(&f, "/echo", mine);
    call.method = "POST";
    call.body = SLICE("once");
    check_client(k, &call, 200, "once");
    struct net_addr at = *http_server_addr(f.server);
    on_loop(&f, do_free, NULL);
    struct tls_ctx *tls = server_tls(&pki.server, TLS_PEER_REQUIRED);
    struct again again = {at, tls};
    on_loop(&f, do_listen_again, &again);
    tls_ctx_unref(tls);
    check_client(k, &call, 200, "once");
    http_client_free(k);
    fixture_fini(&f);
    tls_ctx_unref(mine);
}

TEST(a_call_is_broken_off)
{
    struct tls_ctx *mine = client_tls(&pki.client, &pki.ca);
    struct fixture f;
    _Atomic bool stop = true;
    fixture_tls(&f, &pki.server, TLS_PEER_REQUIRED);
    struct http_call call = context_call(&f, "/hold", mine);
    call.stop = &stop;
    call.timeout_ms = DEADLINE_S * 1000;
    double began = now_ms();
    check_fails(&call, HTTP_OTHER);
    CHECK(now_ms() - began < DEADLINE_S * 500);
    fixture_fini(&f);
    tls_ctx_unref(mine);
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

TEST_MAIN(pki_up, mutual_tls, certificates_refused, refused_with_a_large_body, unverified_peers_are_nobody,
          megabyte_both_ways, tls_switched, sequential_calls_are_fast, kept_connection_is_fast,
          pipelined_over_tls, contexts_are_lent, a_client_keeps_its_connection,
          a_closed_connection_is_replaced, a_call_is_broken_off, tls_spoken_to_plain_server, pki_down)
