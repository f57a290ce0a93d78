#include "ground/base/mem.h"
#include "ground/crypto/trust_priv.h"

/*
 * Sessions that servers let us resume: TLS 1.3 tickets, in memory only, of one client context, which is made
 * of our certificate and of whom we trust: where one of these changes there is another context, without
 * sessions. A ticket is used once (RFC 8446 appendix C.4), and only when the server's chain is good at that
 * moment; its certificate is then that of the full handshake, for whoever asks about names.
 */
enum {
    KEPT_MAX = 1024,
    KEPT_EACH = 4,                  /* of one peer: so many connections at once */
    KEPT_MAX_MS = 24 * 3600 * 1000, /* after the full handshake, however often it was resumed since */
};

struct tls_kept {
    pthread_mutex_t lock;
    struct map by_peer;
    struct list recent; /* newest first */
    size_t n;
    uint64_t last_number;
};

struct kept_session {
    struct map_entry by_peer;
    struct list recent;
    SSL_SESSION *session;
    struct crypto_cert *peer;
    int64_t began_ms;
    uint64_t number; /* in the order in which they came */
    char as[];
};

static void kept_free(struct tls_kept *k, struct kept_session *e)
{
    map_remove(&k->by_peer, &e->by_peer);
    list_unlink(&e->recent);
    k->n--;
    SSL_SESSION_free(e->session);
    crypto_cert_unref(e->peer);
    mem_free(e);
}

/* The oldest of one peer goes when it has more than it may. */
static void kept_trim(struct tls_kept *k, const char *as)
{
    struct kept_session *oldest = NULL;
    size_t n = 0;
    for (struct map_entry *m = map_first(&k->by_peer, slice_hash(slice_str(as))); m; m = map_next(m)) {
        struct kept_session *e = MAP_OBJECT(m, struct kept_session, by_peer);
        if (strcmp(e->as, as) != 0)
            continue;
        n++;
        oldest = !oldest || e->number < oldest->number ? e : oldest;
    }
    if (n > KEPT_EACH)
        kept_free(k, oldest);
}

/* A ticket came. What is kept is a copy: the session itself stays with its connection, which is of another
 * thread than the one that will resume it. */
static int kept_new(SSL *ssl, SSL_SESSION *session)
{
    struct tls *t = tls_of(ssl);
    if (!t || !t->as || !t->peer || SSL_SESSION_get_protocol_version(session) < TLS1_3_VERSION ||
        SSL_get_verify_result(ssl) != X509_V_OK)
        return 0;
    struct tls_kept *k = tls_policy_of(SSL_get_SSL_CTX(ssl))->kept;
    size_t n = strlen(t->as) + 1;
    SSL_SESSION *copy = SSL_SESSION_dup(session);
    if (!copy)
        return 0;
    struct kept_session *e = mem_zalloc(sizeof(*e) + n);
    e->session = copy;
    e->peer = crypto_cert_ref(t->peer);
    e->began_ms = SSL_session_reused(ssl) ? t->began_ms : crypto_wall_ms();
    memcpy(e->as, t->as, n);
    pthread_mutex_lock(&k->lock);
    e->number = ++k->last_number;
    map_insert(&k->by_peer, &e->by_peer, slice_hash(slice_str(e->as)));
    list_push_front(&k->recent, &e->recent);
    k->n++;
    kept_trim(k, e->as);
    if (k->n > KEPT_MAX)
        kept_free(k, LIST_ENTRY(list_last(&k->recent), struct kept_session, recent));
    pthread_mutex_unlock(&k->lock);
    return 0; /* no reference to the session was taken over */
}

/* The one that came last: tickets of before may have been of another certificate. */
static struct kept_session *kept_newest(const struct tls_kept *k, const char *as)
{
    struct kept_session *newest = NULL;
    for (struct map_entry *m = map_first(&k->by_peer, slice_hash(slice_str(as))); m; m = map_next(m)) {
        struct kept_session *e = MAP_OBJECT(m, struct kept_session, by_peer);
        if (strcmp(e->as, as) == 0 && (!newest || e->number > newest->number))
            newest = e;
    }
    return newest;
}

void tls_kept_offer(struct tls *t)
{
    const struct tls_policy *p = tls_policy_of(t->ctx->native);
    struct tls_kept *k = p->kept;
    struct trust_verdict v = {.error = X509_V_ERR_UNSPECIFIED};
    int64_t now = crypto_wall_ms();
    SSL_SESSION *session = NULL;
    if (!k || !t->as)
        return;
    pthread_mutex_lock(&k->lock);
    struct kept_session *e = kept_newest(k, t->as);
    if (e && SSL_SESSION_up_ref(e->session)) {
        session = e->session;
        t->resumed = crypto_cert_ref(e->peer);
        t->began_ms = e->began_ms;
        kept_free(k, e);
    }
    pthread_mutex_unlock(&k->lock);
    if (!session)
        return;
    if (now >= t->began_ms && now - t->began_ms <= KEPT_MAX_MS)
        trust_judge(p->trusts, p->n_trusts, t->resumed, now, &v);
    if (v.error != X509_V_OK || SSL_set_session(t->ssl, session) != 1) {
        crypto_cert_unref(t->resumed);
        t->resumed = NULL;
        t->began_ms = 0;
    }
    SSL_SESSION_free(session);
}

struct tls_kept *tls_kept_make(SSL_CTX *c)
{
    struct tls_kept *k = MEM_NEW(struct tls_kept);
    list_init(&k->recent);
    if (pthread_mutex_init(&k->lock, NULL) != 0)
        crypto_abort("TLS");
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL |
                                          SSL_SESS_CACHE_NO_AUTO_CLEAR);
    SSL_CTX_sess_set_new_cb(c, kept_new);
    return k;
}

void tls_kept_free(struct tls_kept *k)
{
    if (!k)
        return;
    LIST_FOR(it, &k->recent)
    kept_free(k, LIST_ENTRY(it, struct kept_session, recent));
    map_fini(&k->by_peer);
    pthread_mutex_destroy(&k->lock);
    mem_free(k);
}
