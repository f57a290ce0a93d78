#include "ground/base/mem.h"
#include "ground/crypto/trust_priv.h"

/*
 * Sessions that peers may resume: TLS 1.3, stateful. The ticket is the session's random number, so there is
 * no key that could be stolen or must be rotated, and what was forgotten here cannot be resumed. OpenSSL asks
 * for a session while it reads the ClientHello: there its chain is judged anew; a session that is not found
 * means a full handshake.
 */
enum {
    RESUME_MAX = 16384,
    RESUME_MAX_MS = 24 * 3600 * 1000, /* after the full handshake, however often it was resumed since */
    RESUME_TIMEOUT_S = 4 * 3600,      /* of one ticket */
};

struct tls_resume {
    pthread_mutex_t lock;
    struct map by_id;
    struct list recent; /* newest first */
    size_t n;
};

struct resume_entry {
    struct map_entry by_id;
    struct list recent;
    SSL_SESSION *session;
    struct crypto_cert *peer;
    int64_t began_ms;
};

static struct slice session_id(const SSL_SESSION *s)
{
    unsigned n;
    const unsigned char *id = SSL_SESSION_get_id(s, &n);
    return slice_mem(id, n);
}

static void entry_free(struct tls_resume *r, struct resume_entry *e)
{
    map_remove(&r->by_id, &e->by_id);
    list_unlink(&e->recent);
    r->n--;
    SSL_SESSION_free(e->session);
    crypto_cert_unref(e->peer);
    mem_free(e);
}

static struct resume_entry *entry_find(const struct tls_resume *r, struct slice id)
{
    for (struct map_entry *m = map_first(&r->by_id, slice_hash(id)); m; m = map_next(m)) {
        struct resume_entry *e = MAP_OBJECT(m, struct resume_entry, by_id);
        if (slice_eq(session_id(e->session), id))
            return e;
    }
    return NULL;
}

static struct tls_resume *resume_of(SSL_CTX *c)
{
    return tls_policy_of(c)->resume;
}

/* A ticket goes out: takes over the reference to the session with 1. */
static int session_made(SSL *ssl, SSL_SESSION *session)
{
    struct tls_resume *r = resume_of(SSL_get_SSL_CTX(ssl));
    struct tls *t = tls_of(ssl);
    struct crypto_cert *peer = !t ? NULL : SSL_session_reused(ssl) ? t->resumed : t->peer;
    if (!peer || SSL_SESSION_get_protocol_version(session) < TLS1_3_VERSION)
        return 0;
    struct resume_entry *e = MEM_NEW(struct resume_entry);
    e->session = session;
    e->peer = crypto_cert_ref(peer);
    e->began_ms = SSL_session_reused(ssl) ? t->began_ms : crypto_wall_ms();
    pthread_mutex_lock(&r->lock);
    if (r->n >= RESUME_MAX)
        entry_free(r, LIST_ENTRY(list_last(&r->recent), struct resume_entry, recent));
    map_insert(&r->by_id, &e->by_id, slice_hash(session_id(session)));
    list_push_front(&r->recent, &e->recent);
    r->n++;
    pthread_mutex_unlock(&r->lock);
    return 1;
}

static SSL_SESSION *resume_take(struct tls_resume *r, struct slice id, struct tls *t)
{
    SSL_SESSION *session = NULL;
    pthread_mutex_lock(&r->lock);
    struct resume_entry *e = entry_find(r, id);
    if (e && SSL_SESSION_up_ref(e->session)) {
        session = e->session;
        crypto_cert_unref(t->resumed);
        t->resumed = crypto_cert_ref(e->peer);
        t->began_ms = e->began_ms;
    }
    pthread_mutex_unlock(&r->lock);
    return session;
}

/* Is the peer still whom we would let in by a full handshake? */
static bool resume_good(const struct tls_policy *p, const struct tls *t)
{
    int64_t now = crypto_wall_ms();
    struct trust_verdict v;
    if (now < t->began_ms || now - t->began_ms > RESUME_MAX_MS)
        return false;
    trust_judge(p->trusts, p->n_trusts, t->resumed, now, &v);
    return v.error == X509_V_OK;
}

static SSL_SESSION *session_wanted(SSL *ssl, const unsigned char *id, int n, int *copy)
{
    const struct tls_policy *p = tls_policy_of(SSL_get_SSL_CTX(ssl));
    struct tls *t = tls_of(ssl);
    SSL_SESSION *session = t && n > 0 ? resume_take(p->resume, slice_mem(id, (size_t)n), t) : NULL;
    *copy = 0; /* the reference is OpenSSL's */
    if (!session || resume_good(p, t))
        return session;
    SSL_SESSION_free(session);
    crypto_cert_unref(t->resumed);
    t->resumed = NULL;
    t->began_ms = 0;
    return NULL;
}

/* OpenSSL: this one shall not be resumed any more. */
static void session_gone(SSL_CTX *c, SSL_SESSION *session)
{
    struct tls_resume *r = resume_of(c);
    pthread_mutex_lock(&r->lock);
    struct resume_entry *e = entry_find(r, session_id(session));
    if (e)
        entry_free(r, e);
    pthread_mutex_unlock(&r->lock);
}

struct tls_resume *tls_resume_new(SSL_CTX *c)
{
    struct tls_resume *r = MEM_NEW(struct tls_resume);
    list_init(&r->recent);
    if (pthread_mutex_init(&r->lock, NULL) != 0)
        crypto_abort("TLS");
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL |
                                          SSL_SESS_CACHE_NO_AUTO_CLEAR);
    SSL_CTX_sess_set_new_cb(c, session_made);
    SSL_CTX_sess_set_get_cb(c, session_wanted);
    SSL_CTX_sess_set_remove_cb(c, session_gone);
    SSL_CTX_set_timeout(c, RESUME_TIMEOUT_S);
    if (SSL_CTX_set_num_tickets(c, 1) != 1)
        crypto_abort("TLS");
    return r;
}

void tls_resume_free(struct tls_resume *r)
{
    if (!r)
        return;
    LIST_FOR(it, &r->recent)
    entry_free(r, LIST_ENTRY(it, struct resume_entry, recent));
    map_fini(&r->by_id);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}
