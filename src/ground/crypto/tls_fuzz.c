#include "ground/crypto/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct tls_ctx *server, *client;

static void setup(void)
{
    struct crypto_key *k;
    struct crypto_cert *c;
    if (crypto_ca_new(SLICE("fuzz"), 1, &k, &c) < 0)
        __builtin_trap();
    struct tls_config s = {.server = true, .key = k, .cert = c, .peer = TLS_PEER_OPTIONAL},
                      o = {.peer = TLS_PEER_OPTIONAL};
    if (tls_ctx_new(&s, &server) < 0 || tls_ctx_new(&o, &client) < 0)
        __builtin_trap();
    crypto_key_unref(k);
    crypto_cert_unref(c);
}

/* What a stranger sends, in two pieces, to a server and to a client that began. */
static void fuzz_one(struct tls_ctx *ctx, struct slice in)
{
    struct buf plain = {0}, net = {0};
    struct tls *t = tls_new(ctx, SLICE("sip.contoso.example"));
    tls_start(t, &net);
    enum tls_result r = tls_feed(t, slice_head(in, in.n / 3), &plain, &net);
    r = tls_feed(t, slice_from(in, in.n / 3), &plain, &net);
    if (r == TLS_FAILED && !*tls_error(t))
        __builtin_trap();
    if (buf_len(&plain))
        __builtin_trap(); /* nobody can have finished a handshake */
    tls_free(t);
    buf_fini(&plain);
    buf_fini(&net);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (!server)
        setup();
    fuzz_one(server, slice_mem(p, n));
    fuzz_one(client, slice_mem(p, n));
    return 0;
}
