/*
 * crypto/tls_priv.h - what the parts of TLS share.
 */
#pragma once

#include "ground/crypto/priv.h"
#include "ground/crypto/tls.h"

#include <openssl/ssl.h>

struct tls_ctx {
    _Atomic unsigned refs;
    SSL_CTX *native;
    bool server;
};

/* One BIO is both ends: it reads from `in` and writes to `net`, which are set while a call lasts. So a
 * connection that waits owns no buffer at all. */
struct tls {
    SSL *ssl;
    struct tls_ctx *ctx;
    struct slice in;
    struct buf *net;
    struct crypto_cert *peer; /* made when first asked for, or when its verification failed */
    char *error;
    unsigned char first; /* byte that came; says whether the peer speaks TLS at all */
    bool got_first, up, ended, failed, closed;
};

/* The tls of an SSL, NULL for one that another library made. */
struct tls *tls_of(const SSL *ssl);
void tls_bind(SSL *ssl, struct tls *t);
/* Keeps words and certificate of a verification that failed (called from within it). */
void tls_note_refused(struct tls *t, X509_STORE_CTX *verify);
/* Marks t as failed; words from OpenSSL's queue of errors unless there are some. */
void tls_fail(struct tls *t);
