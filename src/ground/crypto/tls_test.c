#include "ground/crypto/tls.h"

#include "ground/base/test.h"

#include "ground/crypto/tls_pair_for_test.h"

#include <errno.h>
#include <pthread.h>

TEST(mutual)
{
    setup();
    struct pair p = pair_of(server_config(), client_config());
    CHECK(tls_is_up(p.client));
    CHECK(tls_is_up(p.server));
    CHECK_STR(slice_str(tls_version(p.client)), "TLSv1.3");
    CHECK_INT(tls_peer_verdict(p.client), CRYPTO_VERIFY_OK);
    CHECK_INT(tls_peer_verdict(p.server), CRYPTO_VERIFY_OK);
    CHECK_STR(crypto_cert_names(tls_peer_cert(p.server))->common_name, "sip.fabrikam.example");
    CHECK_STR(crypto_cert_names(tls_peer_cert(p.client))->common_name, "sip.contoso.example");
    CHECK_INT(tls_write(p.client, SLICE("hello"), &p.to_server), TLS_OK);
    CHECK_INT(tls_write(p.server, SLICE("hello yourself"), &p.to_client), TLS_OK);
    pump(&p);
    CHECK_STR(buf_slice(&p.at_server), "hello");
    CHECK_STR(buf_slice(&p.at_client), "hello yourself");
    pair_fini(&p);
}

static void check_error(const struct tls *t, const char *want)
{
    CHECK_STR(slice_str(tls_error(t)), want);
}

/* Both versions, with the ways they differ in. Version 1.2 is forced by the native handle: no setting of
 * ours. */
static struct pair pair_of_version(struct tls_config server, struct tls_config client, int version)
{
    struct tls_ctx *s = context(server), *c = context(client);
    SSL_CTX_set_max_proto_version(tls_ctx_native(c), version);
    struct pair p = pair_of_contexts(s, c);
    tls_ctx_unref(s);
    tls_ctx_unref(c);
    return p;
}

TEST(mutual_1_2)
{
    struct pair p = pair_of_version(server_config(), client_config(), TLS1_2_VERSION);
    CHECK(tls_is_up(p.client) && tls_is_up(p.server));
    CHECK_STR(slice_str(tls_version(p.server)), "TLSv1.2");
    CHECK_INT(tls_peer_verdict(p.server), CRYPTO_VERIFY_OK);
    CHECK_STR(crypto_cert_names(tls_peer_cert(p.server))->common_name, "sip.fabrikam.example");
    CHECK(SSL_SESSION_is_resumable(SSL_get_session(p.client->ssl)) == 0 ||
          !SSL_SESSION_has_ticket(SSL_get_session(p.client->ssl)));
    tls_write(p.client, SLICE("hello"), &p.to_server);
    pump(&p);
    CHECK_STR(buf_slice(&p.at_server), "hello");
    pair_fini(&p);
}

TEST(too_old)
{
    struct tls_config client = client_config();
    struct tls_ctx *s = context(server_config()), *c = context(client);
    SSL_CTX_set_min_proto_version(tls_ctx_native(c), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(tls_ctx_native(c), TLS1_1_VERSION);
    SSL_CTX_set_cipher_list(tls_ctx_native(c), "DEFAULT@SECLEVEL=0");
    struct pair p = pair_of_contexts(s, c);
    CHECK_INT(p.of_server, TLS_FAILED);
    check_error(p.server, "peer's TLS version is too old (1.2 is the least)");
    check_error(p.client, "protocol version (peer's alert)");
    pair_fini(&p);
    /* nothing in common */
    SSL_CTX_set_min_proto_version(tls_ctx_native(c), TLS1_2_VERSION);
    SSL_CTX_set_max_proto_version(tls_ctx_native(c), TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(tls_ctx_native(c), "AES256-SHA");
    p = pair_of_contexts(s, c);
    check_error(p.server, "no cipher in common with the peer");
    check_error(p.client, "handshake failure (peer's alert)");
    pair_fini(&p);
    tls_ctx_unref(s);
    tls_ctx_unref(c);
}

TEST(no_client_certificate)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct tls_config client = {.trust = trust, .peer = TLS_PEER_REQUIRED}, server = server_config();
    for (int i = 0; i < 2; i++) {
        struct pair p = pair_of_version(server, client, versions[i]);
        CHECK_INT(p.of_server, TLS_FAILED);
        CHECK(!tls_is_up(p.server));
        CHECK(tls_peer_cert(p.server) == NULL);
        CHECK_INT(tls_peer_verdict(p.server), TLS_VERDICT_NO_CERTIFICATE);
        check_error(p.server, "peer sent no certificate");
        /* 1.3: the client was up before it learned */
        CHECK_INT(p.of_client, TLS_FAILED);
        CHECK(!tls_is_up(p.client));
        check_error(p.client, i ? "certificate required (peer's alert)" : "handshake failure (peer's alert)");
        CHECK_INT(tls_write(p.client, SLICE("x"), &p.to_server), TLS_FAILED);
        pair_fini(&p);
    }
    server.peer = TLS_PEER_OPTIONAL;
    for (int i = 0; i < 2; i++) {
        struct pair p = pair_of_version(server, client, versions[i]);
        CHECK(tls_is_up(p.server) && tls_is_up(p.client));
        CHECK(tls_peer_cert(p.server) == NULL);
        CHECK_INT(tls_peer_verdict(p.server), TLS_VERDICT_NO_CERTIFICATE);
        CHECK_STR(slice_str(tls_verdict_text(tls_peer_verdict(p.server))), "peer sent no certificate");
        pair_fini(&p);
    }
    server.peer = TLS_PEER_NONE;
    struct pair p = pair_of(server, client_config());
    CHECK(tls_is_up(p.server) && tls_is_up(p.client));
    CHECK(tls_peer_cert(p.server) == NULL);
    pair_fini(&p);
}

/* The server's and the client's words about a client certificate, required and optional. */
static void try_client(const struct pki_id *id, bool refuse_server_only, const char *server_words,
                       const char *client_words)
{
    struct tls_config client = client_config(), server = server_config();
    client.key = id->key;
    client.cert = id->cert;
    server.refuse_server_auth_only = refuse_server_only;
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (int i = 0; i < 2; i++) {
        server.peer = TLS_PEER_REQUIRED;
        struct pair p = pair_of_version(server, client, versions[i]);
        CHECK_INT(tls_is_up(p.server), server_words == NULL);
        CHECK_INT(tls_is_up(p.client), server_words == NULL);
        check_error(p.server, server_words ? server_words : "");
        check_error(p.client, client_words ? client_words : "");
        /* who was refused can be said in a log */
        CHECK(tls_peer_cert(p.server) && crypto_cert_names(tls_peer_cert(p.server))->n_dns == 1);
        pair_fini(&p);

        server.peer = TLS_PEER_OPTIONAL;
        p = pair_of_version(server, client, versions[i]);
        CHECK(tls_is_up(p.server) && tls_is_up(p.client));
        CHECK_INT(tls_peer_verdict(p.server) == CRYPTO_VERIFY_OK, server_words == NULL);
        if (server_words)
            CHECK_STR(slice_str(tls_verdict_text(tls_peer_verdict(p.server))), server_words);
        CHECK(tls_peer_cert(p.server) != NULL);
        pair_fini(&p);
    }
}

TEST(client_certificates)
{
    struct slice dns = SLICE("sip.fabrikam.example");
    struct crypto_request_names names = {.common_name = dns, .dns = &dns, .n_dns = 1}, later = names,
                                server_only = names, client_only = names, any = names;
    later.not_before_ms = pki_now() + PKI_HOUR;
    server_only.eku = CRYPTO_EKU_SERVER;
    client_only.eku = CRYPTO_EKU_CLIENT;
    any.eku = CRYPTO_EKU_SERVER | CRYPTO_EKU_ANY;
    struct pki_id expired = pki_leaf(&ca, &names, pki_now() - PKI_HOUR), early = pki_leaf(&ca, &later, 0),
                  stranger = pki_leaf(&other_ca, &names, 0), s = pki_leaf(&ca, &server_only, 0),
                  c = pki_leaf(&ca, &client_only, 0), a = pki_leaf(&ca, &any, 0),
                  orphan = {.key = stranger.key, .cert = pki_without_chain(stranger.cert)};
    try_client(&expired, false, "certificate has expired", "certificate expired (peer's alert)");
    try_client(&early, false, "certificate is not yet valid", "bad certificate (peer's alert)");
    try_client(&orphan, false, "unknown issuer", "unknown ca (peer's alert)");
    try_client(&s, false, NULL, NULL);
    try_client(&s, true, "certificate is for servers only (serverAuth without clientAuth)",
               "unsupported certificate (peer's alert)");
    try_client(&c, true, NULL, NULL);
    try_client(&a, true, NULL, NULL);
    crypto_cert_unref(orphan.cert);
    pki_fini(&expired);
    pki_fini(&early);
    pki_fini(&stranger);
    pki_fini(&s);
    pki_fini(&c);
    pki_fini(&a);
}

TEST(strange_roots)
{
    /* an authority used as its own leaf, and a chain whose root came along but is not ours */
    struct tls_config client = client_config(), server = server_config();
    struct pki_id stranger = pki_host(&other_ca, "sip.fabrikam.example");
    client.key = other_ca.key;
    client.cert = other_ca.cert;
    struct pair p = pair_of(server, client);
    check_error(p.server, "self-signed certificate");
    check_error(p.client, "unknown ca (peer's alert)");
    pair_fini(&p);
    client.key = stranger.key;
    client.cert = stranger.cert;
    p = pair_of(server, client);
    check_error(p.server,
                "unknown issuer (the root that the peer sent is not trusted) (at 'Other Root' in its chain)");
    check_error(p.client, "unknown ca (peer's alert)");
    pair_fini(&p);
    pki_fini(&stranger);
}

TEST(server_certificates)
{
    struct slice dns = SLICE("sip.contoso.example");
    struct crypto_request_names names = {.dns = &dns, .n_dns = 1, .eku = CRYPTO_EKU_CLIENT};
    struct pki_id expired = pki_leaf(&ca, &names, pki_now() - PKI_HOUR), c = pki_leaf(&ca, &names, 0);
    struct tls_config client = client_config(), server = server_config();
    server.key = expired.key;
    server.cert = expired.cert;
    struct pair p = pair_of(server, client);
    check_error(p.client, "certificate has expired");
    check_error(p.server, "certificate expired (peer's alert)");
    CHECK(!tls_is_up(p.client) && !tls_is_up(p.server));
    pair_fini(&p);
    client.peer = TLS_PEER_OPTIONAL;
    p = pair_of(server, client);
    CHECK(tls_is_up(p.client) && tls_is_up(p.server));
    CHECK_STR(slice_str(tls_verdict_text(tls_peer_verdict(p.client))), "certificate has expired");
    pair_fini(&p);
    client = client_config();
    server.key = c.key;
    server.cert = c.cert;
    p = pair_of(server, client);
    CHECK(tls_is_up(p.client) && tls_is_up(p.server));
    pair_fini(&p);
    client.refuse_client_auth_only = true;
    p = pair_of(server, client);
    check_error(p.client, "certificate is for clients only (clientAuth without serverAuth)");
    pair_fini(&p);
    client.trust = NULL; /* nothing is trusted */
    p = pair_of(server_config(), client);
    CHECK_INT(p.of_client, TLS_FAILED);
    pair_fini(&p);
    pki_fini(&expired);
    pki_fini(&c);
}

TEST(contexts)
{
    struct tls_ctx *ctx;
    struct tls_config c = server_config();
    c.key = client_id.key;
    CHECK_INT(tls_ctx_new(&c, &ctx), -ENOKEY);
    c.key = NULL;
    CHECK_INT(tls_ctx_new(&c, &ctx), -ENOKEY);
}

/* Connections of one peer share its certificate and keep none of their own; the chain stays with us. */
TEST(one_copy_of_a_certificate)
{
    struct pair p = pair_of(server_config(), client_config()), q = pair_of(server_config(), client_config());
    const struct crypto_cert *a = tls_peer_cert(p.server), *b = tls_peer_cert(q.server);
    CHECK(a == b);
    CHECK_INT(sk_X509_num(a->chain), 1);
    CHECK(SSL_get0_peer_certificate(p.server->ssl) == a->leaf);
    CHECK(SSL_get0_peer_certificate(q.client->ssl) == tls_peer_cert(p.client)->leaf);
    CHECK_INT(sk_X509_num(SSL_get_peer_cert_chain(p.server->ssl)), 0);
    CHECK_INT(sk_X509_num(SSL_get_peer_cert_chain(p.client->ssl)), 1);
    struct crypto_cert *native = tls_native_peer_cert(p.server->ssl);
    CHECK(native && native->leaf == a->leaf);
    crypto_cert_unref(native);
    pair_fini(&p);
    pair_fini(&q);
}

TEST(server_name)
{
    static const struct {
        struct slice name;
        const char *sent;
    } cases[] = {
        {SLICE_INIT("sip.contoso.example"),  "sip.contoso.example"},
        {SLICE_INIT("sip.contoso.example."), "sip.contoso.example"},
        {SLICE_INIT("192.0.2.1"),            NULL                 },
        {SLICE_INIT("2001:db8::1"),          NULL                 },
        {SLICE_INIT("[2001:db8::1]"),        NULL                 },
        {SLICE_INIT(""),                     NULL                 }
    };
    struct tls_ctx *c = context(client_config());
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tls *t = tls_new(c, cases[i].name);
        CHECK_STR(slice_str(SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name)), cases[i].sent);
        tls_free(t);
    }
    tls_ctx_unref(c);
}

TEST(closing)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (int i = 0; i < 2; i++) {
        struct pair p = pair_of_version(server_config(), client_config(), versions[i]);
        tls_write(p.client, SLICE("last words"), &p.to_server);
        tls_close_notify(p.client, &p.to_server);
        size_t n = buf_len(&p.to_server);
        tls_close_notify(p.client, &p.to_server);
        CHECK_INT(buf_len(&p.to_server), n);
        CHECK_INT(tls_write(p.client, SLICE("x"), &p.to_server), TLS_FAILED);
        pump(&p);
        CHECK_INT(p.of_server, TLS_END);
        CHECK_STR(buf_slice(&p.at_server), "last words");
        /* the other half stays open */
        CHECK(tls_is_up(p.server));
        CHECK_INT(tls_write(p.server, SLICE("answer"), &p.to_client), TLS_OK);
        tls_close_notify(p.server, &p.to_client);
        pump(&p);
        CHECK_STR(buf_slice(&p.at_client), "answer");
        CHECK_INT(p.of_client, TLS_END);
        CHECK_INT(tls_feed(p.server, SLICE("junk behind the end"), &p.at_server, &p.to_client), TLS_END);
        check_error(p.server, "");
        check_error(p.client, "");
        pair_fini(&p);
    }
}

TEST(a_megabyte)
{
    enum { SIZE = 1 << 20 };
    struct buf big = {0};
    for (unsigned i = 0; i < SIZE / 4; i++)
        buf_append_mem(&big, &i, 4);
    struct pair p = pair_of(server_config(), client_config());
    CHECK_INT(tls_write(p.client, buf_slice(&big), &p.to_server), TLS_OK);
    CHECK(buf_len(&p.to_server) < SIZE + SIZE / 100); /* records as large as allowed */
    /* in pieces that fit nothing: every record is cut somewhere */
    for (size_t n = 1; buf_len(&p.to_server);) {
        CHECK_INT(tls_feed(p.server, slice_head(buf_slice(&p.to_server), n), &p.at_server, &p.to_client),
                  TLS_OK);
        buf_consume(&p.to_server, n);
        n = n * 7 % 30011;
    }
    CHECK(slice_eq(buf_slice(&big), buf_slice(&p.at_server)));
    /* back, at once */
    buf_clear(&p.at_client, 0);
    CHECK_INT(tls_write(p.server, buf_slice(&big), &p.to_client), TLS_OK);
    pump(&p);
    CHECK(slice_eq(buf_slice(&big), buf_slice(&p.at_client)));
    pair_fini(&p);
    buf_fini(&big);
}

TEST(byte_by_byte)
{
    struct tls_ctx *s = context(server_config()), *c = context(client_config());
    struct pair p = {.client = tls_new(c, SLICE_NONE), .server = tls_new(s, SLICE_NONE)};
    tls_ctx_unref(s);
    tls_ctx_unref(c);
    tls_start(p.client, &p.to_server);
    while (buf_len(&p.to_server) || buf_len(&p.to_client)) {
        while (buf_len(&p.to_server)) {
            CHECK_INT(tls_feed(p.server, slice_head(buf_slice(&p.to_server), 1), &p.at_server, &p.to_client),
                      TLS_OK);
            buf_consume(&p.to_server, 1);
        }
        while (buf_len(&p.to_client)) {
            CHECK_INT(tls_feed(p.client, slice_head(buf_slice(&p.to_client), 1), &p.at_client, &p.to_server),
                      TLS_OK);
            buf_consume(&p.to_client, 1);
        }
    }
    CHECK(tls_is_up(p.client) && tls_is_up(p.server));
    pair_fini(&p);
}

TEST(not_tls)
{
    static const struct {
        struct slice in;
        const char *want;
    } cases[] = {
        {SLICE_INIT("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),                "peer speaks plain text, not TLS"},
        {SLICE_INIT("OPTIONS sip:contoso.example SIP/2.0\r\n\r\n"),      "peer speaks plain text, not TLS"},
        {SLICE_INIT("\r\n\r\n\r\n\r\n"),                                 "peer speaks plain text, not TLS"},
        {SLICE_INIT("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c"), "peer does not speak TLS"        },
        {SLICE_INIT("\x16\x01\x02\x00\x05\x01\x00\x00\x01\xff\xff"),     NULL                             },
    };
    struct tls_ctx *s = context(server_config()), *c = context(client_config());
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf plain = {0}, net = {0};
        struct tls *server = tls_new(s, SLICE_NONE), *client = tls_new(c, SLICE_NONE);
        tls_start(client, &net);
        CHECK_INT(tls_feed(server, cases[i].in, &plain, &net), TLS_FAILED);
        CHECK_INT(tls_feed(client, cases[i].in, &plain, &net), TLS_FAILED);
        CHECK_INT(tls_feed(client, cases[i].in, &plain, &net), TLS_FAILED);
        CHECK(*tls_error(server) && *tls_error(client));
        if (cases[i].want) {
            check_error(server, cases[i].want);
            check_error(client, cases[i].want);
        }
        CHECK_INT(buf_len(&plain), 0);
        tls_free(server);
        tls_free(client);
        buf_fini(&plain);
        buf_fini(&net);
    }
    tls_ctx_unref(s);
    tls_ctx_unref(c);
}

TEST(altered_on_the_way)
{
    struct pair p = pair_of(server_config(), client_config());
    tls_write(p.client, SLICE("hello"), &p.to_server);
    p.to_server.mem[p.to_server.end - 1] ^= 1;
    pump(&p);
    CHECK_INT(p.of_server, TLS_FAILED);
    check_error(p.server, "a record was altered on the way");
    CHECK_INT(p.of_client, TLS_FAILED);
    check_error(p.client, "bad record mac (peer's alert)");
    CHECK_INT(buf_len(&p.at_server), 0);
    pair_fini(&p);
}

/* Contexts are shared by workers: each thread makes its own connections from the same two. */
static struct tls_ctx *shared_server, *shared_client;

static void *worker(void *arg)
{
    size_t *good = arg;
    for (int i = 0; i < 20; i++) {
        struct tls_ctx *s = tls_ctx_ref(shared_server), *c = tls_ctx_ref(shared_client);
        struct pair p = pair_of_contexts(s, c);
        tls_ctx_unref(s);
        tls_ctx_unref(c);
        tls_write(p.client, SLICE("hello"), &p.to_server);
        pump(&p);
        struct crypto_cert *kept = crypto_cert_ref(tls_peer_cert(p.server));
        *good += slice_eq(buf_slice(&p.at_server), SLICE("hello")) &&
                 crypto_cert_names_host(kept, SLICE("sip.fabrikam.example")) &&
                 crypto_trust_verify(trust, kept) == 0;
        pair_fini(&p);
        crypto_cert_unref(kept);
    }
    return NULL;
}

TEST(shared_by_threads)
{
    enum { THREADS = 3 };
    pthread_t threads[THREADS];
    size_t good[THREADS] = {0};
    shared_server = context(server_config());
    shared_client = context(client_config());
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, worker, &good[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK_INT(good[i], 20);
    }
    tls_ctx_unref(shared_server);
    tls_ctx_unref(shared_client);
}

TEST(last)
{
    teardown();
}

TEST_MAIN(mutual, mutual_1_2, too_old, no_client_certificate, client_certificates, strange_roots,
          server_certificates, contexts, one_copy_of_a_certificate, server_name, closing, a_megabyte,
          byte_by_byte, not_tls, altered_on_the_way, shared_by_threads, last)
