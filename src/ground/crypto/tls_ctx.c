#include "ground/base/mem.h"
#include "ground/crypto/hash.h"
#include "ground/crypto/trust_priv.h"

#include <errno.h>
#include <pthread.h>

#include <openssl/err.h>

enum { TLS_MAX_CHAIN_BYTES = 65536 };

/* TLS 1.2. Windows up to Server 2012 R2 has no ECDHE with RSA and GCM, so CBC stands at the end. */
static const char tls12_ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!aNULL:!eNULL:!PSK:@SECLEVEL=2";
_Static_assert(CRYPTO_SECURITY_LEVEL == 2, "the level stands in the list of ciphers too");

/* --- verification --- */
static int policy_index = -1;

static void policy_free(void *parent, void *data, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
    struct tls_policy *p = data;
    (void)parent, (void)ad, (void)index, (void)argl, (void)argp;
    if (!p)
        return;
    for (size_t i = 0; i < p->n_trusts; i++)
        crypto_trust_unref(p->trusts[i]);
    tls_resume_free(p->resume);
    tls_kept_free(p->kept);
    mem_free(p);
}

static void policy_index_make(void)
{
    policy_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, policy_free);
    if (policy_index < 0)
        crypto_abort("TLS");
}

const struct tls_policy *tls_policy_of(const SSL_CTX *c)
{
    return SSL_CTX_get_ex_data(c, policy_index);
}

static int verify_usage(const struct crypto_cert *c, const struct tls_policy *policy)
{
    if (!c->has_eku || (c->eku & CRYPTO_EKU_ANY))
        return X509_V_OK;
    bool server = c->eku & CRYPTO_EKU_SERVER, client = c->eku & CRYPTO_EKU_CLIENT;
    if (policy->no_server_only && server && !client)
        return TLS_VERDICT_SERVER_AUTH_ONLY;
    if (policy->no_client_only && client && !server)
        return TLS_VERDICT_CLIENT_AUTH_ONLY;
    return X509_V_OK;
}

/* What a peer sent stays with its connection: there the shared copy takes its place, and the chain goes. */
static void verify_share(STACK_OF(X509) * sent, const struct crypto_cert *c)
{
    X509 *theirs = sk_X509_value(sent, 0);
    if (theirs != c->leaf && X509_up_ref(c->leaf)) {
        sk_X509_set(sent, 0, c->leaf);
        X509_free(theirs);
    }
    while (sk_X509_num(sent) > 1)
        X509_free(sk_X509_pop(sent));
}

/* The certificate that was sent, with its chain, and what is to be thought of it. NULL: it cannot be used. */
static struct crypto_cert *verify_sent(const struct tls_policy *policy, STACK_OF(X509) * sent,
                                       struct trust_verdict *v)
{
    unsigned char id[CRYPTO_SHA256];
    int64_t now = crypto_wall_ms();
    struct crypto_cert *c = NULL;
    X509 *leaf = sk_X509_value(sent, 0);
    if (crypto_chain_id(leaf, sent, 1, id) == 0)
        c = trust_recall(policy->trusts, policy->n_trusts, id, now, v);
    if (!c && X509_up_ref(leaf) && (c = crypto_cert_wrap(leaf, X509_chain_up_ref(sent))))
        trust_judge(policy->trusts, policy->n_trusts, c, now, v);
    return c;
}

static int tls_verify(X509_STORE_CTX *verify, void *arg)
{
    (void)arg;
    SSL *ssl = X509_STORE_CTX_get_ex_data(verify, SSL_get_ex_data_X509_STORE_CTX_idx());
    const struct tls_policy *policy = tls_policy_of(SSL_get_SSL_CTX(ssl));
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(verify);
    struct trust_verdict v = {.error = X509_V_ERR_UNSPECIFIED};
    struct crypto_cert *c = verify_sent(policy, sent, &v);
    struct tls *t = tls_of(ssl);
    if (c && v.error == X509_V_OK)
        v.error = verify_usage(c, policy);
    bool pass = v.error == X509_V_OK || policy->optional;
    if (c)
        verify_share(sent, c);
    if (t) {
        crypto_cert_unref(t->peer);
        t->peer = c;
        if (!pass)
            tls_note_refused(t, &v);
    } else {
        crypto_cert_unref(c);
    }
    X509_STORE_CTX_set_error(verify, v.error);
    return pass;
}

static void ctx_set_peer(SSL_CTX *c, const struct tls_config *config)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, policy_index_make);
    struct tls_policy *p = MEM_NEW(struct tls_policy);
    int mode = SSL_VERIFY_NONE;
    if (config->peer != TLS_PEER_NONE)
        mode = SSL_VERIFY_PEER;
    if (config->peer == TLS_PEER_REQUIRED)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    p->optional = config->peer != TLS_PEER_REQUIRED;
    p->no_server_only = config->server && config->refuse_server_auth_only;
    p->no_client_only = !config->server && config->refuse_client_auth_only;
    if (config->trust) {
        p->trusts[p->n_trusts++] = crypto_trust_ref(config->trust);
        SSL_CTX_set1_cert_store(c, config->trust->store); /* for tls_ctx_lend; we verify ourselves */
    }
    for (size_t i = 0; i < config->n_more_trusts && p->n_trusts < TLS_MAX_TRUSTS; i++)
        p->trusts[p->n_trusts++] = crypto_trust_ref(config->more_trusts[i]);
    if (config->server && config->resume && config->peer == TLS_PEER_REQUIRED)
        p->resume = tls_resume_new(c);
    if (!config->server && config->resume && config->peer == TLS_PEER_REQUIRED)
        p->kept = tls_kept_make(c);
    if (SSL_CTX_set_ex_data(c, policy_index, p) != 1)
        crypto_abort("TLS");
    SSL_CTX_set_verify(c, mode, NULL);
    SSL_CTX_set_cert_verify_callback(c, tls_verify, NULL);
    SSL_CTX_set_max_cert_list(c, TLS_MAX_CHAIN_BYTES);
}

/* --- the context --- */
static bool ctx_set_protocol(SSL_CTX *c)
{
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                               SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    /* unless tls_resume_new or tls_kept_make say otherwise */
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

/* --- what a context is made of, as a number --- */
static void mix(EVP_MD_CTX *hash, const void *p, size_t n)
{
    uint64_t length = n;
    if (!EVP_DigestUpdate(hash, &length, sizeof(length)) || !EVP_DigestUpdate(hash, p, n))
        crypto_abort("hashes");
}

static void ctx_identify(struct tls_ctx *ctx, const struct tls_config *config)
{
    const struct tls_policy *p = tls_policy_of(ctx->native);
    const unsigned char flags[] = {config->server, config->peer, config->refuse_server_auth_only,
                                   config->refuse_client_auth_only, config->resume};
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    if (!hash || !EVP_DigestInit_ex(hash, EVP_sha256(), NULL))
        crypto_abort("hashes");
    mix(hash, flags, sizeof(flags));
    mix(hash, config->scope.p, config->scope.n);
    if (config->cert) {
        memcpy(ctx->identity, config->cert->id, sizeof(ctx->identity));
        mix(hash, config->cert->id, sizeof(config->cert->id)); /* names the key too */
    }
    for (size_t i = 0; i < p->n_trusts; i++)
        mix(hash, p->trusts[i]->id, sizeof(p->trusts[i]->id));
    if (!EVP_DigestFinal_ex(hash, ctx->id, NULL))
        crypto_abort("hashes");
    EVP_MD_CTX_free(hash);
}

int tls_ctx_new(const struct tls_config *config, struct tls_ctx **ret)
{
    SSL_CTX *c =
        SSL_CTX_new_ex(tls_library(), NULL, config->server ? TLS_server_method() : TLS_client_method());
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
    ctx_identify(ctx, config);
    if (!SSL_CTX_set_session_id_context(c, ctx->id, sizeof(ctx->id)))
        crypto_abort("TLS");
    *ret = ctx;
    return 0;
}

/* --- contexts that outlive a revision --- */
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static struct tls_ctx *shared_list; /* without references: the last tls_ctx_unref takes one out */

static struct tls_ctx *shared_find(const unsigned char id[32])
{
    for (struct tls_ctx *x = shared_list; x; x = x->next)
        if (memcmp(x->id, id, sizeof(x->id)) == 0 && ref_up_alive(&x->refs))
            return x;
    return NULL;
}

int tls_ctx_shared(const struct tls_config *config, struct tls_ctx **ret)
{
    struct tls_ctx *fresh;
    int r = tls_ctx_new(config, &fresh);
    if (r < 0)
        return r;
    pthread_mutex_lock(&shared_lock);
    struct tls_ctx *standing = shared_find(fresh->id);
    if (!standing) {
        fresh->shared = true;
        fresh->next = shared_list;
        shared_list = fresh;
    }
    pthread_mutex_unlock(&shared_lock);
    if (standing)
        tls_ctx_unref(fresh);
    *ret = standing ? standing : fresh;
    return 0;
}

static void shared_forget(struct tls_ctx *ctx)
{
    pthread_mutex_lock(&shared_lock);
    struct tls_ctx **at = &shared_list;
    while (*at != ctx)
        at = &(*at)->next;
    *at = ctx->next;
    pthread_mutex_unlock(&shared_lock);
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
    if (ctx->shared)
        shared_forget(ctx);
    SSL_CTX_free(ctx->native);
    mem_free(ctx);
}

bool tls_ctx_same_identity(const struct tls_ctx *a, const struct tls_ctx *b)
{
    return a == b || (a && b && memcmp(a->identity, b->identity, sizeof(a->identity)) == 0);
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
