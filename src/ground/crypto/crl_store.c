/* The lists of a process. A list is immutable; the lock guards which one stands for a key. */
#include "ground/crypto/crl_priv.h"

#include "ground/base/list.h"
#include "ground/base/map.h"
#include "ground/base/mem.h"

#include <errno.h>
#include <pthread.h>

#include <openssl/bio.h>
#include <openssl/pem.h>

struct crl_entry {
    struct map_entry by_key;
    struct list recent;
    unsigned char key[32];
    X509 *issuer;
    char *url;
    struct crl *list; /* NULL: none came yet */
    bool asked;       /* by somebody since the start: it is kept fresh */
    bool under_way;
    unsigned failures;
    int64_t fetch_ms;
};

struct crl_store {
    _Atomic unsigned refs;
    _Atomic uint64_t epoch;
    pthread_mutex_t lock;
    struct map by_key;
    struct list recent; /* the one that was asked last comes first */
    size_t n, bytes, n_under_way;
};

struct crl_store *crl_store_new(void)
{
    struct crl_store *s = MEM_NEW(struct crl_store);
    s->refs = 1;
    s->epoch = 1;
    list_init(&s->recent);
    if (pthread_mutex_init(&s->lock, NULL) != 0)
        crypto_abort("revocation lists");
    return s;
}

struct crl_store *crl_store_ref(struct crl_store *s)
{
    ref_up(&s->refs);
    return s;
}

uint64_t crl_store_epoch(const struct crl_store *s)
{
    return atomic_load_explicit(&s->epoch, memory_order_acquire);
}

/* ---------------------------------------------------------------- entries, under the lock */
static uint64_t key_hash(const unsigned char key[32])
{
    return slice_hash(slice_mem(key, 32));
}

static struct crl_entry *entry_find(const struct crl_store *s, const unsigned char key[32])
{
    for (struct map_entry *m = map_first(&s->by_key, key_hash(key)); m; m = map_next(m)) {
        struct crl_entry *e = MAP_OBJECT(m, struct crl_entry, by_key);
        if (memcmp(e->key, key, sizeof(e->key)) == 0)
            return e;
    }
    return NULL;
}

static void entry_free(struct crl_store *s, struct crl_entry *e)
{
    map_remove(&s->by_key, &e->by_key);
    list_unlink(&e->recent);
    s->n--;
    s->n_under_way -= e->under_way;
    s->bytes -= e->list ? crl_bytes(e->list) : 0;
    crl_unref(e->list);
    X509_free(e->issuer);
    mem_free(e->url);
    mem_free(e);
}

static struct crl_entry *entry_add(struct crl_store *s, X509 *issuer, const char *url,
                                   const unsigned char key[32], int64_t now)
{
    if (s->n >= CRL_STORE_MAX_LISTS)
        entry_free(s, LIST_ENTRY(list_last(&s->recent), struct crl_entry, recent));
    struct crl_entry *e = MEM_NEW(struct crl_entry);
    if (!X509_up_ref(issuer))
        crypto_abort("revocation lists");
    memcpy(e->key, key, sizeof(e->key));
    e->issuer = issuer;
    e->url = mem_strdup(url);
    e->fetch_ms = now;
    map_insert(&s->by_key, &e->by_key, key_hash(key));
    list_push_front(&s->recent, &e->recent);
    s->n++;
    return e;
}

static void entry_plan_failed(struct crl_entry *e, int64_t now)
{
    unsigned shift = e->failures < 16 ? e->failures : 16;
    int64_t wait = (int64_t)CRL_RETRY_LEAST_MS << shift;
    e->failures += e->failures < UINT16_MAX;
    e->fetch_ms = now + (wait < CRL_RETRY_MOST_MS ? wait : CRL_RETRY_MOST_MS);
}

static void entry_plan_good(struct crl_entry *e, int64_t now)
{
    int64_t wait = (e->list->next_ms - now) / 2;
    wait = wait > CRL_REFRESH_MOST_MS ? CRL_REFRESH_MOST_MS : wait;
    e->failures = 0;
    e->fetch_ms = now + (wait < CRL_REFRESH_LEAST_MS ? CRL_REFRESH_LEAST_MS : wait);
}

static void entry_arrived(struct crl_store *s, struct crl_entry *e)
{
    s->n_under_way -= e->under_way;
    e->under_way = false;
}

/* Makes it the list of this entry, when it is newer: takes over the reference. */
static int entry_set(struct crl_store *s, struct crl_entry *e, struct crl *fresh)
{
    int newer = e->list ? crl_compare(fresh, e->list) : 1;
    if (newer <= 0) {
        crl_unref(fresh);
        return newer < 0 ? crypto_fail_words(-ESTALE, "revocation list is older than the one that stands")
                         : 1;
    }
    s->bytes += crl_bytes(fresh);
    s->bytes -= e->list ? crl_bytes(e->list) : 0;
    crl_unref(e->list);
    e->list = fresh;
    list_unlink(&e->recent);
    list_push_front(&s->recent, &e->recent);
    while (s->bytes > CRL_STORE_MAX_BYTES && s->n > 1)
        entry_free(s, LIST_ENTRY(list_last(&s->recent), struct crl_entry, recent));
    atomic_fetch_add_explicit(&s->epoch, 1, memory_order_release);
    return 0;
}

void crl_store_unref(struct crl_store *s)
{
    if (!s || !ref_down(&s->refs))
        return;
    LIST_FOR(it, &s->recent)
    entry_free(s, LIST_ENTRY(it, struct crl_entry, recent));
    map_fini(&s->by_key);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

/* ---------------------------------------------------------------- questions */
static enum crl_state link_state(const struct crl_entry *e, const struct crl_link *l, int64_t now)
{
    const struct crl *list = e->list;
    if (!list || l->serial.n == 0)
        return CRL_UNKNOWN;
    if (crl_revokes(list, &l->serial)) /* an old list is right about that, too */
        return CRL_REVOKED;
    if ((list->only_user && l->is_ca) || (list->only_ca && !l->is_ca) || now >= list->next_ms + CRL_GRACE_MS)
        return CRL_UNKNOWN;
    return CRL_GOOD;
}

enum crl_state crl_store_ask(struct crl_store *s, const struct crl_links *l, int64_t now, int64_t *ret_until)
{
    enum crl_state worst = CRL_GOOD;
    *ret_until = INT64_MAX;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < l->n; i++) {
        const struct crl_link *k = &l->links[i];
        struct crl_entry *e = entry_find(s, k->key);
        if (!e)
            e = entry_add(s, k->issuer, k->url, k->key, now);
        e->asked = true;
        list_unlink(&e->recent);
        list_push_front(&s->recent, &e->recent);
        enum crl_state state = link_state(e, k, now);
        worst = state > worst ? state : worst;
        if (state == CRL_GOOD && e->list->next_ms + CRL_GRACE_MS < *ret_until)
            *ret_until = e->list->next_ms + CRL_GRACE_MS;
    }
    pthread_mutex_unlock(&s->lock);
    return worst;
}

void crl_store_count(struct crl_store *s, int64_t now, struct crl_counts *ret)
{
    *ret = (struct crl_counts){0};
    pthread_mutex_lock(&s->lock);
    LIST_FOR(it, &s->recent)
    {
        const struct crl_entry *e = LIST_ENTRY(it, struct crl_entry, recent);
        ret->lists += e->list != NULL;
        ret->wanted += e->asked && (!e->list || now >= e->list->next_ms);
    }
    ret->bytes = s->bytes;
    pthread_mutex_unlock(&s->lock);
}

/* ---------------------------------------------------------------- feeding */
bool crl_store_due(struct crl_store *s, int64_t now, struct crl_want *ret)
{
    struct crl_entry *found = NULL;
    pthread_mutex_lock(&s->lock);
    LIST_FOR(it, &s->recent)
    {
        struct crl_entry *e = LIST_ENTRY(it, struct crl_entry, recent);
        if (e->asked && !e->under_way && e->fetch_ms <= now && (!found || e->fetch_ms < found->fetch_ms))
            found = e;
    }
    if (found && s->n_under_way < CRL_MAX_UNDER_WAY) {
        found->under_way = true;
        s->n_under_way++;
        memcpy(ret->key, found->key, sizeof(ret->key));
        memcpy(ret->url, found->url, strlen(found->url) + 1);
        ret->failures = found->failures;
    } else {
        found = NULL;
    }
    pthread_mutex_unlock(&s->lock);
    return found != NULL;
}

/* A reference to the issuer of what is wanted, or NULL. */
static X509 *want_issuer(struct crl_store *s, const struct crl_want *w)
{
    pthread_mutex_lock(&s->lock);
    struct crl_entry *e = entry_find(s, w->key);
    X509 *issuer = e && X509_up_ref(e->issuer) ? e->issuer : NULL;
    pthread_mutex_unlock(&s->lock);
    return issuer;
}

int crl_store_put(struct crl_store *s, const struct crl_want *w, struct slice list, int64_t now)
{
    struct crl *fresh = NULL;
    X509 *issuer = want_issuer(s, w);
    if (!issuer)
        return crypto_fail_words(-ENOENT, "nobody wants this revocation list");
    int r = crl_parse(list, w->url, issuer, now, &fresh); /* takes its time: not under the lock */
    X509_free(issuer);
    pthread_mutex_lock(&s->lock);
    struct crl_entry *e = entry_find(s, w->key);
    if (e)
        entry_arrived(s, e);
    if (r == 0 && e)
        r = entry_set(s, e, fresh);
    else
        crl_unref(fresh);
    if (e && r >= 0 && e->list->next_ms <= now)
        r = crypto_fail_words(-ETIME, "revocation list has expired");
    if (e && r >= 0)
        entry_plan_good(e, now);
    else if (e)
        entry_plan_failed(e, now);
    pthread_mutex_unlock(&s->lock);
    return e ? r : -ENOENT;
}

void crl_store_failed(struct crl_store *s, const struct crl_want *w, int64_t now)
{
    pthread_mutex_lock(&s->lock);
    struct crl_entry *e = entry_find(s, w->key);
    if (e) {
        entry_arrived(s, e);
        entry_plan_failed(e, now);
    }
    pthread_mutex_unlock(&s->lock);
}

/* ---------------------------------------------------------------- on disk: URL, issuer (PEM), list */
bool crl_store_write(struct crl_store *s, const struct crl_want *w, struct slice list, struct buf *out)
{
    X509 *issuer = want_issuer(s, w);
    if (!issuer)
        return false;
    BIO *bio = BIO_new(BIO_s_mem());
    if (!bio || !PEM_write_bio_X509(bio, issuer))
        crypto_abort("writing of certificates");
    buf_printf(out, "%s\n", w->url);
    crypto_bio_take(bio, out);
    buf_append(out, list);
    X509_free(issuer);
    return true;
}

static int restore_set(struct crl_store *s, X509 *issuer, const char *url, struct crl *list, int64_t now)
{
    unsigned char key[32];
    crl_key(issuer, url, key);
    pthread_mutex_lock(&s->lock);
    struct crl_entry *e = entry_find(s, key);
    if (!e)
        e = entry_add(s, issuer, url, key, now);
    int r = entry_set(s, e, list);
    if (r >= 0)
        entry_plan_good(e, now);
    pthread_mutex_unlock(&s->lock);
    return r;
}

int crl_store_restore(struct crl_store *s, struct slice kept, int64_t now)
{
    static const char end[] = "-----END CERTIFICATE-----\n";
    struct slice line, rest;
    char url[CRL_MAX_URL + 1];
    size_t at;
    if (!slice_cut(kept, '\n', &line, &rest) || line.n == 0 || line.n > CRL_MAX_URL ||
        memchr(line.p, 0, line.n) || (at = slice_search(rest, slice_str(end))) == SIZE_MAX)
        return crypto_fail_words(-EBADMSG, "kept revocation list cannot be read");
    at += sizeof(end) - 1;
    memcpy(url, line.p, line.n);
    url[line.n] = 0;
    BIO *bio = crypto_bio(slice_head(rest, at));
    X509 *issuer = PEM_read_bio_X509(bio, NULL, crypto_no_passphrase, NULL);
    BIO_free(bio);
    if (!issuer)
        return crypto_fail(-EBADMSG, "issuer of a kept revocation list");
    struct crl *list = NULL;
    int r = crl_parse(slice_from(rest, at), url, issuer, now, &list);
    if (r == 0 && list->next_ms + CRL_FORGET_MS < now) {
        crl_unref(list);
        r = crypto_fail_words(-ETIME, "kept revocation list has expired");
    } else if (r == 0) {
        r = restore_set(s, issuer, url, list, now);
    }
    X509_free(issuer);
    return r;
}
