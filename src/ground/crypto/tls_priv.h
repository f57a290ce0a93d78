/*
 * crypto/tls_priv.h - what the parts of TLS share.
 */
#pragma once

#include "ground/crypto/priv.h"
#include "ground/crypto/tls.h"

#include <openssl/ssl.h>

enum { TLS_MAX_TRUSTS = 64 };
struct tls_resume;
struct tls_kept;

/* What a context asks of its peers. Belongs to the SSL_CTX: handshakes of another library may outlive us. */
struct tls_policy {
    bool optional, no_server_only, no_client_only;
    struct crypto_trust *trusts[TLS_MAX_TRUSTS];
    size_t n_trusts;
    struct tls_resume *resume; /* of a server; NULL: each connection proves anew who it is */
    struct tls_kept *kept;     /* of a client; the same */
};

struct tls_ctx {
    _Atomic unsigned refs;
    SSL_CTX *native;
    bool server;
    bool shared; /* in the list of tls_ctx_shared */
    struct tls_ctx *next;
    unsigned char id[32];       /* hash of all that it was made of */
    unsigned char identity[32]; /* fingerprint of our own certificate; zeros without one */
};

/* One BIO is both ends: it reads from `in` and writes to `net`, which are set while a call lasts. So a
 * connection that waits owns no buffer at all. */
struct tls {
    SSL *ssl;
    struct tls_ctx *ctx;
    struct slice in;
    struct buf *net;
    struct crypto_cert *peer;    /* shared by connections of the same peer, see trust.c */
    struct crypto_cert *resumed; /* of the session that is being resumed */
    int64_t began_ms;            /* of that session: when its full handshake was */
    char *as;                    /* of a client: whose sessions it resumes; NULL: nobody's */
    char *error;
    unsigned char first; /* byte that came; says whether the peer speaks TLS at all */
    bool got_first, up, ended, failed, closed;
};

/* The tls of an SSL, NULL for one that another library made. */
struct tls *tls_of(const SSL *ssl);
void tls_bind(SSL *ssl, struct tls *t);
const struct tls_policy *tls_policy_of(const SSL_CTX *c);
/* Keeps words of a verification that failed (called from within it). */
struct trust_verdict;
void tls_note_refused(struct tls *t, const struct trust_verdict *v);
/* Marks t as failed; words from OpenSSL's queue of errors unless there are some. */
void tls_fail(struct tls *t);

/* --- tls_resume.c: sessions that can be resumed, of one server context --- */
struct tls_resume *tls_resume_new(SSL_CTX *c);
void tls_resume_free(struct tls_resume *r);

/* --- tls_kept.c: sessions that servers let us resume, of one client context --- */
struct tls_kept *tls_kept_make(SSL_CTX *c);
void tls_kept_free(struct tls_kept *k);
/* Before the handshake: the session, if there is one and its server is still good. */
void tls_kept_offer(struct tls *t);
