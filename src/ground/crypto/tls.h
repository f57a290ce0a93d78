/*
 * crypto/tls.h - TLS 1.2 and 1.3 as a machine: bytes in, bytes out; no sockets. Wraps OpenSSL.
 *
 * No renegotiation, no compression, no early data. A context is immutable after tls_ctx_new,
 * reference-counted (atomic), shared between workers; a tls belongs to one thread. Certificate chains are
 * verified with "any" purpose: what a certificate may be used for, and its names, are the caller's policy
 * (crypto_cert_eku).
 */
#pragma once

#include "ground/base/buf.h"
#include "ground/crypto/cert.h"

struct tls_ctx;
struct tls;

enum tls_peer {
    TLS_PEER_NONE,     /* no certificate asked for (server), not verified (client: tests only) */
    TLS_PEER_OPTIONAL, /* asked for; the handshake goes on whatever comes; see tls_peer_verdict */
    TLS_PEER_REQUIRED, /* the handshake fails without a verified chain */
};
struct tls_config {
    bool server;
    struct crypto_key *key;         /* referenced, may be NULL for a client without certificate */
    const struct crypto_cert *cert; /* with chain; referenced */
    struct crypto_trust *trust;     /* referenced; NULL: nothing is trusted */
    enum tls_peer peer;
    bool refuse_server_auth_only; /* a peer certificate whose EKU has serverAuth but not clientAuth fails
                                     (server side) */
    bool refuse_client_auth_only; /* the same the other way round (client side) */
    struct crypto_trust *const *more_trusts; /* a chain may lead to one of these instead; referenced */
    size_t n_more_trusts;                    /* with `trust` TLS_MAX_TRUSTS, more are not looked at */
    bool resume; /* server that requires a certificate: TLS 1.3 sessions may be resumed. Nothing leaves this
                    process: a ticket is a random number. A session is taken only when the peer's chain is
                    good at that moment, and not for more than a day after the full handshake. A client: those
                    that tls_resume_as names resume theirs, in the same way; each ticket is used once. */
    struct slice scope; /* any text: sessions are resumed only in a context with the same */
};
/* -ENOKEY, -EKEYREJECTED (key or certificate too weak for TLS) with crypto_error. */
int tls_ctx_new(const struct tls_config *config, struct tls_ctx **ret);
/* One that stands and was made of the very same (certificate, trusts, flags, scope), or a new one: a revision
 * that changes nothing keeps the sessions that can be resumed. */
int tls_ctx_shared(const struct tls_config *config, struct tls_ctx **ret);
/* Do both present the same certificate? */
bool tls_ctx_same_identity(const struct tls_ctx *a, const struct tls_ctx *b);
struct tls_ctx *tls_ctx_ref(struct tls_ctx *ctx);
void tls_ctx_unref(struct tls_ctx *ctx);
/* An SSL_CTX * for libraries that want one (http). */
void *tls_ctx_native(struct tls_ctx *ctx);
/* Gives an SSL_CTX * that such a library made for itself key, certificate, chain and trusted authorities of a
 * client's context, decoded as they are, and has idle connections give their buffers back. 0 or
 * -EKEYREJECTED. */
int tls_ctx_lend(struct tls_ctx *from, void *native);
/* A new SSL * of the context for such a library, which frees it. */
void *tls_native_new(struct tls_ctx *ctx);
/* The peer's certificate of such an SSL *: a new reference, or NULL. */
struct crypto_cert *tls_native_peer_cert(void *ssl);
/* As tls_peer_verdict. */
int tls_native_peer_verdict(void *ssl);

struct tls *tls_new(struct tls_ctx *ctx, struct slice server_name);
/* A client whose context resumes, before tls_start: it resumes sessions that were kept under the same words,
 * and keeps those that it is given. The words name all that a session must not cross: address, name, for
 * whom. */
void tls_resume_as(struct tls *t, struct slice as);
void tls_free(struct tls *t);

enum tls_result { TLS_OK, TLS_MORE, TLS_END, TLS_FAILED };
/* Feeds bytes from the network; takes all of them. Handshake goes on, plaintext is appended to `plain`, what
 * must be sent is appended to `net`. TLS_OK: go on (TLS_MORE never comes); TLS_END: the peer's close_notify
 * came (what was before it is in plain); TLS_FAILED: tls_error says what; `net` may hold an alert to send. */
enum tls_result tls_feed(struct tls *t, struct slice in, struct buf *plain, struct buf *net);
/* Starts a client's handshake (appends the first flight). Harmless for servers. */
enum tls_result tls_start(struct tls *t, struct buf *net);
bool tls_is_up(const struct tls *t);
/* Encrypts all of `plain` into `net`, in records as large as allowed. Only when up. */
enum tls_result tls_write(struct tls *t, struct slice plain, struct buf *net);
void tls_close_notify(struct tls *t, struct buf *net); /* once; more calls do nothing */

/* After the handshake: the peer's certificate (leaf and chain as sent), or NULL. Valid while t lives. After a
 * handshake that failed: what had come until then. */
const struct crypto_cert *tls_peer_cert(struct tls *t);
enum {
    CRYPTO_VERIFY_OK = 0,
    TLS_VERDICT_NO_CERTIFICATE = -1,
    TLS_VERDICT_SERVER_AUTH_ONLY = 26, /* by refuse_server_auth_only; no other cause has this number */
    TLS_VERDICT_CLIENT_AUTH_ONLY = 50,
};
/* 0, or an X509 verify error number (also -1: no certificate given). tls_verdict_text: its words. */
int tls_peer_verdict(const struct tls *t);
const char *tls_verdict_text(int verdict);
/* One sentence: "certificate has expired", "peer sent no certificate", "unknown ca (peer's alert)". */
const char *tls_error(const struct tls *t);
/* Was it a session resumed: no signature of the peer, its certificate is that of the full handshake? */
bool tls_was_resumed(const struct tls *t);
const char *tls_version(const struct tls *t); /* "TLSv1.3" */
const char *tls_cipher(const struct tls *t);  /* "TLS_AES_256_GCM_SHA384" */
