#include "ground/crypto/tls.h"

#include "ground/base/mem.h"
#include "ground/crypto/tls_priv.h"

#include <arpa/inet.h>
#include <pthread.h>

#include <openssl/bio.h>
#include <openssl/err.h>

enum { READ_MIN = 512, READ_MAX = 16384, MAX_SERVER_NAME = 255 };

/* --- the BIO: both ends of the wire, without a buffer --- */
static int wire_read(BIO *bio, char *to, size_t n, size_t *ret)
{
    struct tls *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (t->in.n == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    if (n > t->in.n)
        n = t->in.n;
    memcpy(to, t->in.p, n);
    t->in = slice_from(t->in, n);
    *ret = n;
    return 1;
}

static int wire_write(BIO *bio, const char *p, size_t n, size_t *ret)
{
    struct tls *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (t->net)
        buf_append_mem(t->net, p, n);
    *ret = n;
    return 1;
}

static long wire_ctrl(BIO *bio, int what, long n, void *p)
{
    (void)bio, (void)n, (void)p;
    return what == BIO_CTRL_FLUSH;
}

static BIO_METHOD *wire;
static pthread_once_t wire_once = PTHREAD_ONCE_INIT;

static void wire_make(void)
{
    wire = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "entente wire");
    if (!wire || !BIO_meth_set_read_ex(wire, wire_read) || !BIO_meth_set_write_ex(wire, wire_write) ||
        !BIO_meth_set_ctrl(wire, wire_ctrl))
        crypto_abort("TLS");
}

/* --- life --- */
/* RFC 6066 section 3: a host name without trailing dot, never an address. */
static void tls_set_name(struct tls *t, struct slice name)
{
    unsigned char address[16];
    if (slice_ends(name, SLICE(".")))
        name.n--;
    if (name.n == 0 || name.n > MAX_SERVER_NAME || memchr(name.p, 0, name.n))
        return;
    char *text = slice_dup(name);
    if (inet_pton(AF_INET, text, address) != 1 && inet_pton(AF_INET6, text, address) != 1 && text[0] != '[')
        SSL_set_tlsext_host_name(t->ssl, text);
    mem_free(text);
}

struct tls *tls_new(struct tls_ctx *ctx, struct slice server_name)
{
    pthread_once(&wire_once, wire_make);
    struct tls *t = MEM_NEW(struct tls);
    BIO *bio = BIO_new(wire);
    t->ctx = tls_ctx_ref(ctx);
    t->ssl = SSL_new(ctx->native);
    if (!bio || !t->ssl)
        crypto_abort("TLS");
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    tls_bind(t->ssl, t);
    if (ctx->server) {
        SSL_set_accept_state(t->ssl);
    } else {
        SSL_set_connect_state(t->ssl);
        tls_set_name(t, server_name);
    }
    return t;
}

void tls_resume_as(struct tls *t, struct slice as)
{
    if (!tls_policy_of(t->ctx->native)->kept)
        return;
    mem_free(t->as);
    t->as = slice_dup(as);
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    /* A connection that was lost is no reason to forget its session; one whose TLS failed is. */
    if (!t->failed)
        SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(t->ssl);
    tls_ctx_unref(t->ctx);
    crypto_cert_unref(t->peer);
    crypto_cert_unref(t->resumed);
    mem_free(t->error);
    mem_free(t->as);
    mem_free(t);
}

/* --- bytes --- */
/* What a call into OpenSSL that did not succeed means. */
static enum tls_result tls_outcome(struct tls *t, int returned)
{
    switch (SSL_get_error(t->ssl, returned)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return TLS_OK;
    case SSL_ERROR_ZERO_RETURN:
        if (t->up) {
            t->ended = true;
            return TLS_END;
        }
        break;
    default:
        break;
    }
    tls_fail(t);
    return TLS_FAILED;
}

static enum tls_result tls_handshake(struct tls *t)
{
    int r = SSL_do_handshake(t->ssl);
    if (r == 1) {
        if (t->resumed && SSL_session_reused(t->ssl)) {
            crypto_cert_unref(t->peer);
            t->peer = t->resumed;
            t->resumed = NULL;
        }
        t->up = true;
        return TLS_OK;
    }
    return tls_outcome(t, r);
}

static enum tls_result tls_read(struct tls *t, struct buf *plain)
{
    while (t->in.n > 0 || SSL_pending(t->ssl) > 0) {
        size_t room = t->in.n, pending = (size_t)SSL_pending(t->ssl), got = 0;
        if (room < pending)
            room = pending;
        room = room < READ_MIN ? READ_MIN : room > READ_MAX ? READ_MAX : room;
        int r = SSL_read_ex(t->ssl, buf_reserve(plain, room), room, &got);
        if (r != 1)
            return tls_outcome(t, r);
        buf_commit(plain, got);
    }
    return TLS_OK;
}

enum tls_result tls_feed(struct tls *t, struct slice in, struct buf *plain, struct buf *net)
{
    if (t->failed)
        return TLS_FAILED;
    if (t->ended)
        return TLS_END;
    if (in.n && !t->got_first) {
        t->first = (unsigned char)in.p[0];
        t->got_first = true;
    }
    ERR_clear_error();
    t->in = in;
    t->net = net;
    enum tls_result r = t->up ? TLS_OK : tls_handshake(t);
    if (r == TLS_OK && t->up)
        r = tls_read(t, plain);
    t->in = SLICE_NONE;
    t->net = NULL;
    return r;
}

enum tls_result tls_start(struct tls *t, struct buf *net)
{
    if (t->ctx->server || t->up || t->failed)
        return t->failed ? TLS_FAILED : TLS_OK;
    tls_kept_offer(t);
    ERR_clear_error();
    t->net = net;
    enum tls_result r = tls_handshake(t);
    t->net = NULL;
    return r;
}

bool tls_is_up(const struct tls *t)
{
    return t->up && !t->failed;
}

enum tls_result tls_write(struct tls *t, struct slice plain, struct buf *net)
{
    if (!tls_is_up(t) || t->closed)
        return TLS_FAILED;
    if (plain.n == 0)
        return TLS_OK;
    size_t written;
    ERR_clear_error();
    t->net = net;
    int r = SSL_write_ex(t->ssl, plain.p, plain.n, &written);
    t->net = NULL;
    if (r == 1)
        return TLS_OK;
    tls_fail(t); /* the wire always takes what it is given: there is nothing to wait for */
    return TLS_FAILED;
}

void tls_close_notify(struct tls *t, struct buf *net)
{
    if (!tls_is_up(t) || t->closed)
        return;
    ERR_clear_error();
    t->closed = true;
    t->net = net;
    SSL_shutdown(t->ssl);
    t->net = NULL;
    ERR_clear_error();
}

/* --- the peer --- */
const struct crypto_cert *tls_peer_cert(struct tls *t)
{
    return t->up || t->failed ? t->peer : NULL;
}

void *tls_native_new(struct tls_ctx *ctx)
{
    SSL *ssl = SSL_new(ctx->native);
    if (!ssl)
        crypto_abort("TLS");
    return ssl;
}

struct crypto_cert *tls_native_peer_cert(void *ssl)
{
    X509 *leaf = SSL_get1_peer_certificate(ssl);
    return leaf ? crypto_cert_wrap(leaf, NULL) : NULL;
}

int tls_native_peer_verdict(void *ssl)
{
    return SSL_get0_peer_certificate(ssl) ? (int)SSL_get_verify_result(ssl) : TLS_VERDICT_NO_CERTIFICATE;
}

int tls_peer_verdict(const struct tls *t)
{
    return t->peer ? (int)SSL_get_verify_result(t->ssl) : TLS_VERDICT_NO_CERTIFICATE;
}

bool tls_was_resumed(const struct tls *t)
{
    return t->up && SSL_session_reused(t->ssl);
}

const char *tls_version(const struct tls *t)
{
    return SSL_get_version(t->ssl);
}

const char *tls_cipher(const struct tls *t)
{
    return SSL_get_cipher_name(t->ssl);
}
