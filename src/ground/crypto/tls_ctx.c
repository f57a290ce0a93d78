#include "ground/base/mem.h"
#include "ground/crypto/tls_priv.h"

#include <errno.h>
#include <pthread.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

enum { TLS_MAX_CHAIN_BYTES = 65536 };

/* TLS 1.2. Windows up to Server 2012 R2 has no ECDHE with RSA and GCM, so CBC stands at the end. */
static const char tls12_ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!aNULL:!eNULL:!PSK:@SECLEVEL=2";
_Static_assert(CRYPTO_SECURITY_LEVEL == 2, "the level stands in the list of ciphers too");

/* --- verification. The policy is a number, not a pointer: handshakes of another library may outlive us. ---
 */
enum { VERIFY_OPTIONAL = 1, VERIFY_NO_SERVER_ONLY = 2, VERIFY_NO_CLIENT_ONLY = 4 };

static int verify_usage(X509 *leaf, unsigned policy)
{
    uint32_t eku = X509_get_extended_key_usage(leaf);
    if (eku == UINT32_MAX || (eku & XKU_ANYEKU))
        return X509_V_OK;
    if ((policy & VERIFY_NO_SERVER_ONLY) && (eku & XKU_SSL_SERVER) && !(eku & XKU_SSL_CLIENT))
        return TLS_VERDICT_SERVER_AUTH_ONLY;
    if ((policy & VERIFY_NO_CLIENT_ONLY) && (eku & XKU_SSL_CLIENT) && !(eku & XKU_SSL_SERVER))
        return TLS_VERDICT_CLIENT_AUTH_ONLY;
    return X509_V_OK;
}

/* What the peer sent stays with the connection: where it is a certificate of our own store, one copy for all.
 */
static void verify_share(X509_STORE_CTX *verify)
{
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(verify), *used = X509_STORE_CTX_get0_chain(verify);
    for (int i = 1; i < sk_X509_num(sent); i++) {
        for (int j = 1; j < sk_X509_num(used); j++) {
            X509 *theirs = sk_X509_value(sent, i), *ours = sk_X509_value(used, j);
            if (theirs != ours && X509_cmp(theirs, ours) == 0 && X509_up_ref(ours)) {
                sk_X509_set(sent, i, ours);
                X509_free(theirs);
                break;
            }
        }
    }
}

static int tls_verify(X509_STORE_CTX *verify, void *arg)
{
    unsigned policy = (unsigned)(uintptr_t)arg;
    int verdict = X509_V_OK;
    if (X509_verify_cert(verify) != 1) {
        verdict = X509_STORE_CTX_get_error(verify);
        if (verdict == X509_V_OK)
            verdict = X509_V_ERR_UNSPECIFIED;
    } else {
        verdict = verify_usage(X509_STORE_CTX_get0_cert(verify), policy);
        X509_STORE_CTX_set_error_depth(verify, 0);
    }
    X509_STORE_CTX_set_error(verify, verdict);
    SSL *ssl = X509_STORE_CTX_get_ex_data(verify, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *t = ssl ? tls_of(ssl) : NULL;
    if (verdict != X509_V_OK && t && !(policy & VERIFY_OPTIONAL))
        tls_note_refused(t, verify);
    verify_share(verify);
    X509_STORE_CTX_set0_verified_chain(verify, NULL); /* would be kept as long as the connection */
    return verdict == X509_V_OK || (policy & VERIFY_OPTIONAL);
}

static void ctx_set_peer(SSL_CTX *c, const struct tls_config *config)
{
    int mode = SSL_VERIFY_NONE;
    if (config->peer != TLS_PEER_NONE)
        mode = SSL_VERIFY_PEER;
    if (config->peer == TLS_PEER_REQUIRED)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    unsigned policy = (config->peer == TLS_PEER_REQUIRED ? 0 : VERIFY_OPTIONAL) |
                      (config->server && config->refuse_server_auth_only ? VERIFY_NO_SERVER_ONLY : 0) |
                      (!config->server && config->refuse_client_auth_only ? VERIFY_NO_CLIENT_ONLY : 0);
    SSL_CTX_set_verify(c, mode, NULL);
    SSL_CTX_set_cert_verify_callback(c, tls_verify, (void *)(uintptr_t)policy);
    X509_VERIFY_PARAM_set_purpose(SSL_CTX_get0_param(c), X509_PURPOSE_ANY);
    SSL_CTX_set_verify_depth(c, CRYPTO_MAX_CHAIN);
    SSL_CTX_set_max_cert_list(c, TLS_MAX_CHAIN_BYTES);
    if (config->trust)
        SSL_CTX_set1_cert_store(c, config->trust->store);
}

/* --- the context --- */
static bool ctx_set_protocol(SSL_CTX *c)
{
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                               SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    /* Each connection proves anew who it is: no resumption of any kind */
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    return SSL_CTX_set_num_tickets(c, 0) == 1 && SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(c, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(c, tls12_ciphers) == 1;
}

static int ctx_set_identity(SSL_CTX *c, const struct tls_config *config)
{
    if (!config->key && !config->cert && !config->server)
        return 0;
    if (!config->key || !config->cert)
        return crypto_fail_words(-ENOKEY, "a TLS server needs key and certificate, a client both or none");
    int r = crypto_cert_matches(config->cert, config->key);
    if (r < 0)
        return r;
    if (SSL_CTX_use_certificate(c, config->cert->leaf) != 1 ||
        SSL_CTX_use_PrivateKey(c, config->key->pkey) != 1 || SSL_CTX_set1_chain(c, config->cert->chain) != 1)
        return crypto_fail(-EKEYREJECTED, "cannot use this certificate for TLS");
    return 0;
}

int tls_ctx_new(const struct tls_config *config, struct tls_ctx **ret)
{
    SSL_CTX *c = SSL_CTX_new(config->server ? TLS_server_method() : TLS_client_method());
    if (!c || !ctx_set_protocol(c))
        crypto_abort("TLS");
    int r = ctx_set_identity(c, config);
    if (r < 0) {
        SSL_CTX_free(c);
        return r;
    }
    ctx_set_peer(c, config);
    struct tls_ctx *ctx = MEM_NEW(struct tls_ctx);
    ctx->refs = 1;
    ctx->native = c;
    ctx->server = config->server;
    *ret = ctx;
    return 0;
}

struct tls_ctx *tls_ctx_ref(struct tls_ctx *ctx)
{
    ref_up(&ctx->refs);
    return ctx;
}

void tls_ctx_unref(struct tls_ctx *ctx)
{
    if (!ctx || !ref_down(&ctx->refs))
        return;
    SSL_CTX_free(ctx->native);
    mem_free(ctx);
}

void *tls_ctx_native(struct tls_ctx *ctx)
{
    return ctx->native;
}

int tls_ctx_lend(struct tls_ctx *from, void *native)
{
    SSL_CTX *to = native;
    X509 *leaf = SSL_CTX_get0_certificate(from->native);
    STACK_OF(X509) *chain = NULL;
    SSL_CTX_get0_chain_certs(from->native, &chain);
    SSL_CTX_set1_cert_store(to, SSL_CTX_get_cert_store(from->native));
    SSL_CTX_set_mode(to, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    if (leaf && SSL_CTX_use_cert_and_key(to, leaf, SSL_CTX_get0_privatekey(from->native), chain, 1) != 1)
        return crypto_fail(-EKEYREJECTED, "cannot use this certificate for TLS");
    return 0;
}

/* --- from an SSL back to its tls --- */
static int tls_index;
static pthread_once_t tls_index_once = PTHREAD_ONCE_INIT;

static void tls_index_make(void)
{
    tls_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    if (tls_index < 0)
        crypto_abort("TLS");
}

struct tls *tls_of(const SSL *ssl)
{
    pthread_once(&tls_index_once, tls_index_make);
    return SSL_get_ex_data(ssl, tls_index);
}

void tls_bind(SSL *ssl, struct tls *t)
{
    pthread_once(&tls_index_once, tls_index_make);
    if (SSL_set_ex_data(ssl, tls_index, t) != 1)
        crypto_abort("TLS");
}
