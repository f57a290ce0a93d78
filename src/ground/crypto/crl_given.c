/* Lists that were given by hand: they answer for their issuer, wherever a certificate says its list is. */
#include "ground/crypto/crl_priv.h"

#include "ground/base/mem.h"
#include "ground/crypto/hash.h"

static bool is_of(const struct crl_given *g, X509 *issuer)
{
    return X509_NAME_cmp(X509_CRL_get_issuer(g->x), X509_get_subject_name(issuer)) == 0;
}

bool crl_given_any(const struct crl_store *s, X509 *issuer)
{
    for (const struct crl_given *g = s->given; g; g = g->next)
        if (is_of(g, issuer))
            return true;
    return false;
}

void crl_given_assign(struct crl_store *s, struct crl_entry *e)
{
    crl_unref(e->given);
    e->given = NULL;
    for (const struct crl_given *g = s->given; g; g = g->next) {
        if (!is_of(g, e->issuer) || crl_fits(g->index, slice_str(e->names)) < 0 ||
            crl_verify(g->x, e->issuer) < 0 || (e->given && crl_compare(g->index, e->given) <= 0))
            continue;
        crl_unref(e->given);
        e->given = g->index;
        ref_up(&e->given->refs);
    }
}

static void given_free(struct crl_given *g)
{
    for (struct crl_given *next; g; g = next) {
        next = g->next;
        X509_CRL_free(g->x);
        crl_unref(g->index);
        mem_free(g);
    }
}

void crl_given_fini(struct crl_store *s)
{
    given_free(s->given);
    s->given = NULL;
}

static struct crl_given *given_read(struct slice list)
{
    struct crl *index;
    X509_CRL *x = crl_decode(list);
    if (!x || crl_index(x, &index) < 0) {
        X509_CRL_free(x);
        return NULL;
    }
    struct crl_given *g = MEM_NEW(struct crl_given);
    g->x = x;
    g->index = index;
    return g;
}

static void lists_id(const struct slice *lists, size_t n, unsigned char out[32])
{
    unsigned char hash[CRYPTO_MAX_HASH];
    crypto_hash(CRYPTO_HASH_SHA256, lists, n, hash); /* each is DER or PEM, and says where it ends */
    memcpy(out, hash, 32);
}

size_t crl_store_give(struct crl_store *s, const struct slice *lists, size_t n)
{
    unsigned char id[32];
    struct crl_given *fresh = NULL;
    size_t count = 0;
    n = n < CRL_MAX_GIVEN ? n : CRL_MAX_GIVEN;
    lists_id(lists, n, id);
    pthread_mutex_lock(&s->lock);
    bool same = n ? memcmp(id, s->given_id, sizeof(id)) == 0 : !s->given;
    count = s->n_given;
    pthread_mutex_unlock(&s->lock);
    if (same)
        return count;
    count = 0;
    for (size_t i = n; i-- > 0;) { /* takes its time: not under the lock */
        struct crl_given *g = given_read(lists[i]);
        if (g) {
            g->next = fresh;
            fresh = g;
            count++;
        }
    }
    pthread_mutex_lock(&s->lock);
    struct crl_given *old = s->given;
    s->given = fresh;
    s->n_given = (unsigned)count;
    memcpy(s->given_id, id, sizeof(id));
    LIST_FOR(it, &s->recent)
    crl_given_assign(s, LIST_ENTRY(it, struct crl_entry, recent));
    atomic_fetch_add_explicit(&s->epoch, 1, memory_order_release);
    pthread_mutex_unlock(&s->lock);
    given_free(old);
    return count;
}
