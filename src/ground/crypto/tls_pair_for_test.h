/*
 * crypto/tls_pair_for_test.h - two ends of a TLS connection and the wire between them. Include base/test.h
 * before it.
 */
#pragma once

#include "ground/crypto/pki_for_test.h"
#include "ground/crypto/tls_priv.h"

/* Two machines and what is under way between them. */
struct pair {
    struct tls *client, *server;
    struct buf to_client, to_server;      /* bytes on the wire */
    struct buf at_client, at_server;      /* plaintext that came out */
    enum tls_result of_client, of_server; /* last results */
};

static struct pki_id ca, other_ca, server_id, client_id;
static struct crypto_trust *trust;

static inline struct tls_ctx *context(struct tls_config c)
{
    struct tls_ctx *ctx = NULL;
    int r = tls_ctx_new(&c, &ctx);
    if (r < 0)
        TEST_DIAG("tls_ctx_new: %d %s", r, crypto_error());
    return ctx;
}

static inline struct tls_config server_config(void)
{
    return (struct tls_config){.server = true,
                               .key = server_id.key,
                               .cert = server_id.cert,
                               .trust = trust,
                               .peer = TLS_PEER_REQUIRED};
}

static inline struct tls_config client_config(void)
{
    return (struct tls_config){
        .key = client_id.key, .cert = client_id.cert, .trust = trust, .peer = TLS_PEER_REQUIRED};
}

static inline bool finished(enum tls_result r)
{
    return r == TLS_FAILED || r == TLS_END;
}

static inline void deliver(struct tls *to, struct buf *wire, struct buf *plain, struct buf *net,
                           enum tls_result *last)
{
    struct buf in = *wire;
    *wire = (struct buf){0};
    enum tls_result r = tls_feed(to, buf_slice(&in), plain, net);
    if (!finished(*last))
        *last = r;
    buf_fini(&in);
}

static inline void pump(struct pair *p)
{
    while (buf_len(&p->to_server) || buf_len(&p->to_client)) {
        deliver(p->server, &p->to_server, &p->at_server, &p->to_client, &p->of_server);
        deliver(p->client, &p->to_client, &p->at_client, &p->to_server, &p->of_client);
    }
}

static inline struct pair pair_of_contexts(struct tls_ctx *s, struct tls_ctx *c)
{
    struct pair p = {.client = tls_new(c, SLICE("sip.contoso.example")), .server = tls_new(s, SLICE_NONE)};
    tls_start(p.client, &p.to_server);
    pump(&p);
    return p;
}

static inline struct pair pair_of(struct tls_config server, struct tls_config client)
{
    struct tls_ctx *s = context(server), *c = context(client);
    struct pair p = pair_of_contexts(s, c);
    tls_ctx_unref(s);
    tls_ctx_unref(c);
    return p;
}

static inline void pair_fini(struct pair *p)
{
    tls_free(p->client);
    tls_free(p->server);
    buf_fini(&p->to_client);
    buf_fini(&p->to_server);
    buf_fini(&p->at_client);
    buf_fini(&p->at_server);
}

static inline void setup(void)
{
    if (trust)
        return;
    ca = pki_ca("Contoso Root");
    other_ca = pki_ca("Other Root");
    trust = pki_trust(&ca);
    server_id = pki_host(&ca, "sip.contoso.example");
    client_id = pki_host(&ca, "sip.fabrikam.example");
}

static inline void teardown(void)
{
    pki_fini(&ca);
    pki_fini(&other_ca);
    pki_fini(&server_id);
    pki_fini(&client_id);
    crypto_trust_unref(trust);
}
