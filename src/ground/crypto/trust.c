#include "ground/base/mem.h"
#include "ground/crypto/hash.h"
#include "ground/crypto/trust_priv.h"

#include <errno.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

enum { TRUST_MAX_PEM = 4 << 20, TRUST_GOOD = 1024, TRUST_BAD = 512, TRUST_BAD_MS = 60 * 1000 };

/* A chain that was judged. Found good, it is neither decoded nor verified again while it is remembered; found
 * bad, it is not verified again. */
struct trust_known {
    struct map_entry by_id;
    struct list recent;
    unsigned char id[32];
    struct crypto_cert *cert; /* NULL: bad */
    struct crl_links *links;  /* lists that are asked each time; NULL: none */
    struct trust_verdict v;   /* its times: when it holds */
};

/* --- made and released --- */
struct crypto_trust *crypto_trust_new(void)
{
    struct crypto_trust *t = MEM_NEW(struct crypto_trust);
    t->refs = 1;
    t->store = X509_STORE_new();
    if (!t->store || pthread_mutex_init(&t->lock, NULL) != 0)
        crypto_abort("certificate stores");
    list_init(&t->good.recent);
    list_init(&t->bad.recent);
    t->good.max = TRUST_GOOD;
    t->bad.max = TRUST_BAD;
    return t;
}

static void trust_mix(struct crypto_trust *t, struct slice what)
{
    const struct slice parts[] = {slice_mem(t->id, sizeof(t->id)), what};
    unsigned char out[CRYPTO_MAX_HASH];
    crypto_hash(CRYPTO_HASH_SHA256, parts, 2, out);
    memcpy(t->id, out, sizeof(t->id));
}

static int trust_add_one(struct crypto_trust *t, X509 *x)
{
    unsigned char fingerprint[CRYPTO_SHA256];
    if (X509_digest(x, EVP_sha256(), fingerprint, NULL) != 1)
        return 0;
    trust_mix(t, slice_mem(fingerprint, sizeof(fingerprint)));
    (void)X509_check_purpose(x, -1, 0); /* decodes its extensions now, not at the first use by some thread */
    return X509_STORE_add_cert(t->store, x);
}

int crypto_trust_add(struct crypto_trust *t, struct slice pem)
{
    if (pem.n > TRUST_MAX_PEM)
        return crypto_fail_words(-EBADMSG, "file of trusted certificates is too large");
    BIO *bio = crypto_bio(pem);
    X509 *x;
    int n = 0, added = 1;
    while (added == 1 && (x = PEM_read_bio_X509(bio, NULL, crypto_no_passphrase, NULL))) {
        added = trust_add_one(t, x);
        X509_free(x);
        n++;
    }
    BIO_free(bio);
    if (added != 1 || n == 0 || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return crypto_fail(-EBADMSG, "trusted certificates (PEM)");
    ERR_clear_error();
    return 0;
}

void crypto_trust_pin(struct crypto_trust *t, const unsigned char key_id[32])
{
    struct trust_pin *p = MEM_NEW(struct trust_pin);
    memcpy(p->key_id, key_id, sizeof(p->key_id));
    map_insert(&t->pins, &p->by_id, slice_hash(slice_mem(key_id, 32)));
    p->next = t->all_pins;
    t->all_pins = p;
    trust_mix(t, SLICE("pin"));
    trust_mix(t, slice_mem(key_id, 32));
}

void crypto_trust_ask_crls(struct crypto_trust *t, struct crl_store *s, bool refuse_unknown)
{
    t->crls = crl_store_ref(s);
    t->refuse_unknown = refuse_unknown;
    trust_mix(t, refuse_unknown ? SLICE("lists or refused") : SLICE("lists"));
    trust_mix(t, slice_mem(&t->crls, sizeof(t->crls)));
}

/* --- sets that outlive a revision --- */
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static struct crypto_trust *shared_list; /* without references: the last crypto_trust_unref takes one out */

static struct crypto_trust *shared_find(const unsigned char id[32])
{
    for (struct crypto_trust *x = shared_list; x; x = x->next)
        if (memcmp(x->id, id, sizeof(x->id)) == 0 && ref_up_alive(&x->refs))
            return x;
    return NULL;
}

struct crypto_trust *crypto_trust_shared(struct crypto_trust *fresh)
{
    pthread_mutex_lock(&shared_lock);
    struct crypto_trust *standing = shared_find(fresh->id);
    if (!standing) {
        fresh->shared = true;
        fresh->next = shared_list;
        shared_list = fresh;
    }
    pthread_mutex_unlock(&shared_lock);
    if (!standing)
        return fresh;
    crypto_trust_unref(fresh);
    return standing;
}

static void shared_forget(struct crypto_trust *t)
{
    pthread_mutex_lock(&shared_lock);
    struct crypto_trust **at = &shared_list;
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    pthread_mutex_unlock(&shared_lock);
}

struct crypto_trust *crypto_trust_ref(struct crypto_trust *t)
{
    ref_up(&t->refs);
    return t;
}

static void known_free(struct trust_memory *m, struct trust_known *k)
{
    map_remove(&m->by_id, &k->by_id);
    list_unlink(&k->recent);
    crypto_cert_unref(k->cert);
    crl_links_free(k->links);
    mem_free(k);
    m->n--;
}

static void memory_shrink(struct trust_memory *m, size_t to)
{
    while (m->n > to)
        known_free(m, LIST_ENTRY(list_last(&m->recent), struct trust_known, recent));
}

void crypto_trust_unref(struct crypto_trust *t)
{
    if (!t || !ref_down(&t->refs))
        return;
    if (t->shared)
        shared_forget(t);
    memory_shrink(&t->good, 0);
    memory_shrink(&t->bad, 0);
    map_fini(&t->good.by_id);
    map_fini(&t->bad.by_id);
    for (struct trust_pin *p = t->all_pins, *next; p; p = next) {
        next = p->next;
        mem_free(p);
    }
    map_fini(&t->pins);
    X509_STORE_free(t->store);
    crl_store_unref(t->crls);
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
}

/* --- what is remembered --- */
void crypto_trust_remember(struct crypto_trust *t, const struct crypto_trust_bounds *bounds)
{
    pthread_mutex_lock(&t->lock);
    t->good.max = bounds->good;
    t->bad.max = bounds->bad;
    t->drop_percent = bounds->drop_percent;
    memory_shrink(&t->good, t->good.max);
    memory_shrink(&t->bad, t->bad.max);
    pthread_mutex_unlock(&t->lock);
}

void crypto_trust_remembered(struct crypto_trust *t, size_t *ret_good, size_t *ret_bad)
{
    pthread_mutex_lock(&t->lock);
    *ret_good = t->good.n;
    *ret_bad = t->bad.n;
    pthread_mutex_unlock(&t->lock);
}

static uint64_t id_hash(const unsigned char id[32])
{
    return slice_hash(slice_mem(id, 32));
}

static struct trust_known *known_find(const struct trust_memory *m, const unsigned char id[32])
{
    for (struct map_entry *e = map_first(&m->by_id, id_hash(id)); e; e = map_next(e)) {
        struct trust_known *k = MAP_OBJECT(e, struct trust_known, by_id);
        if (memcmp(k->id, id, sizeof(k->id)) == 0)
            return k;
    }
    return NULL;
}

_Static_assert((int)CRYPTO_VERIFY_REVOKED == X509_V_ERR_CERT_REVOKED &&
                   (int)CRYPTO_VERIFY_NO_LIST == X509_V_ERR_UNABLE_TO_GET_CRL,
               "the header names them by number");

/* What the lists say of a chain that is good otherwise. */
static void ask_lists(struct crypto_trust *t, const struct crl_links *links, int64_t now,
                      struct trust_verdict *v)
{
    v->lists_until_ms = INT64_MAX;
    v->refuse_unknown = t->refuse_unknown;
    enum crl_state state = links ? crl_store_ask(t->crls, links, now, &v->lists_until_ms) : CRL_GOOD;
    v->list_missing = state == CRL_UNKNOWN;
    if (state == CRL_REVOKED)
        v->error = X509_V_ERR_CERT_REVOKED;
}

static bool known_recall(struct crypto_trust *t, struct trust_memory *m, const unsigned char id[32],
                         int64_t now, struct trust_verdict *v, struct crypto_cert **ret_cert)
{
    pthread_mutex_lock(&t->lock);
    struct trust_known *k = known_find(m, id);
    bool holds = k && k->v.from_ms <= now && now < k->v.until_ms;
    if (holds) {
        list_unlink(&k->recent);
        list_push_front(&m->recent, &k->recent);
        *v = k->v;
        if (k->cert)
            ask_lists(t, k->links, now, v);
        *ret_cert = v->error == X509_V_OK ? crypto_cert_ref(k->cert) : NULL;
    }
    pthread_mutex_unlock(&t->lock);
    return holds;
}

/* A reference to the certificate, when the chain is known and good at this moment. */
static struct crypto_cert *known_good(struct crypto_trust *t, const unsigned char id[32], int64_t now,
                                      struct trust_verdict *v)
{
    struct crypto_cert *cert = NULL;
    known_recall(t, &t->good, id, now, v, &cert);
    return cert;
}

static bool known_bad(struct crypto_trust *t, const unsigned char id[32], int64_t now,
                      struct trust_verdict *v)
{
    struct crypto_cert *none;
    return known_recall(t, &t->bad, id, now, v, &none);
}

static void memory_make_room(const struct crypto_trust *t, struct trust_memory *m)
{
    size_t drop = m->max * t->drop_percent / 100;
    if (m->n >= m->max)
        memory_shrink(m, m->max - (drop ? drop : 1));
}

/* Takes over the links. */
static void known_add(struct crypto_trust *t, struct trust_memory *m, const struct crypto_cert *cert,
                      const struct trust_verdict *v, struct crl_links *links)
{
    pthread_mutex_lock(&t->lock);
    struct trust_known *k = known_find(m, cert->id);
    if (!k && m->max) {
        memory_make_room(t, m);
        k = MEM_NEW(struct trust_known);
        memcpy(k->id, cert->id, sizeof(k->id));
        k->cert = v->error == X509_V_OK ? crypto_cert_ref(cert) : NULL;
        map_insert(&m->by_id, &k->by_id, id_hash(k->id));
        list_push_front(&m->recent, &k->recent);
        m->n++;
    }
    if (k) {
        struct crl_links *old = k->links;
        k->v = *v;
        k->links = links;
        links = old;
    }
    crl_links_free(links);
    pthread_mutex_unlock(&t->lock);
}

/* What is bad today may be good tomorrow: not for long, and not when only its time has not come. Lists speak
 * for themselves. */
static void bad_add(struct crypto_trust *t, const struct crypto_cert *c, int64_t now,
                    const struct trust_verdict *v)
{
    struct trust_verdict bad = *v;
    if (v->error == X509_V_ERR_CERT_NOT_YET_VALID || v->error == X509_V_ERR_CERT_REVOKED)
        return;
    bad.from_ms = now;
    bad.until_ms = now + TRUST_BAD_MS;
    known_add(t, &t->bad, c, &bad, NULL);
}

/* --- verification --- */
int64_t crypto_wall_ms(void)
{
    return (int64_t)time(NULL) * 1000;
}

static void verdict_blame(struct trust_verdict *v, X509_STORE_CTX *ctx)
{
    X509 *at = X509_STORE_CTX_get_current_cert(ctx);
    unsigned char *mem = NULL;
    struct slice cn = SLICE_NONE;
    if (X509_STORE_CTX_get_error_depth(ctx) > 0 && at)
        cn = crypto_common_name(X509_get_subject_name(at), &mem);
    cn = slice_head(cn, sizeof(v->at) - 1);
    if (cn.n)
        memcpy(v->at, cn.p, cn.n);
    v->at[cn.n] = 0;
    OPENSSL_free(mem);
}

/* The time in which every certificate of the chain is valid. */
static int chain_times(STACK_OF(X509) * chain, struct trust_verdict *v)
{
    v->from_ms = INT64_MIN;
    v->until_ms = INT64_MAX;
    for (int i = 0; i < sk_X509_num(chain); i++) {
        int64_t from, until;
        const X509 *x = sk_X509_value(chain, i);
        if (crypto_time(X509_get0_notBefore(x), &from) < 0 || crypto_time(X509_get0_notAfter(x), &until) < 0)
            return X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD;
        v->from_ms = v->from_ms > from ? v->from_ms : from;
        v->until_ms = v->until_ms < until ? v->until_ms : until;
    }
    return X509_V_OK;
}

/* A pinned key needs no issuer; its certificate must be valid, and the key strong, all the same. */
static bool pinned(const struct crypto_trust *t, const struct crypto_cert *c, int64_t now,
                   struct trust_verdict *v)
{
    for (struct map_entry *e = map_first(&t->pins, slice_hash(slice_mem(c->key_id, 32))); e;
         e = map_next(e)) {
        if (memcmp(MAP_OBJECT(e, struct trust_pin, by_id)->key_id, c->key_id, 32) != 0)
            continue;
        *v = (struct trust_verdict){.from_ms = c->not_before, .until_ms = c->not_after};
        if (now < c->not_before)
            v->error = X509_V_ERR_CERT_NOT_YET_VALID;
        else if (now >= c->not_after)
            v->error = X509_V_ERR_CERT_HAS_EXPIRED;
        else if (EVP_PKEY_get_security_bits(X509_get0_pubkey(c->leaf)) < CRYPTO_SECURITY_BITS)
            v->error = X509_V_ERR_EE_KEY_TOO_SMALL;
        return true;
    }
    return false;
}

/* ret_links: of a good chain, when lists are asked. */
static void verify(struct crypto_trust *t, const struct crypto_cert *c, int64_t now, struct trust_verdict *v,
                   struct crl_links **ret_links)
{
    if (pinned(t, c, now, v))
        return;
    *v = (struct trust_verdict){0};
    X509_STORE_CTX *ctx = X509_STORE_CTX_new_ex(tls_library(), NULL);
    if (!ctx || !X509_STORE_CTX_init(ctx, t->store, c->leaf, c->chain))
        crypto_abort("verification");
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_ANY);
    X509_VERIFY_PARAM_set_depth(param, CRYPTO_MAX_CHAIN);
    X509_VERIFY_PARAM_set_auth_level(param, CRYPTO_SECURITY_LEVEL);
    X509_VERIFY_PARAM_set_time(param, (time_t)(now / 1000));
    int good = X509_verify_cert(ctx);
    v->error = X509_STORE_CTX_get_error(ctx);
    if (good == 1)
        v->error = chain_times(X509_STORE_CTX_get0_chain(ctx), v);
    else if (v->error == X509_V_OK)
        v->error = X509_V_ERR_UNSPECIFIED;
    if (v->error != X509_V_OK)
        verdict_blame(v, ctx);
    else if (t->crls)
        *ret_links = crl_links_new(X509_STORE_CTX_get0_chain(ctx));
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
}

struct crypto_cert *trust_recall(struct crypto_trust *const *trusts, size_t n, const unsigned char id[32],
                                 int64_t now, struct trust_verdict *v)
{
    struct crypto_cert *c = NULL;
    for (size_t i = 0; !c && i < n; i++)
        c = known_good(trusts[i], id, now, v);
    return c;
}

void trust_judge(struct crypto_trust *const *trusts, size_t n, const struct crypto_cert *c, int64_t now,
                 struct trust_verdict *ret)
{
    *ret = (struct trust_verdict){.error = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY};
    struct crypto_cert *known = trust_recall(trusts, n, c->id, now, ret);
    if (known) {
        crypto_cert_unref(known);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct trust_verdict v;
        struct crl_links *links = NULL;
        bool known_before = known_bad(trusts[i], c->id, now, &v);
        if (!known_before)
            verify(trusts[i], c, now, &v, &links);
        if (v.error == X509_V_OK)
            ask_lists(trusts[i], links, now, &v);
        /* where none is good, the first says why, or one whose chain would be and was revoked */
        if (i == 0 || v.error == X509_V_OK || v.error == X509_V_ERR_CERT_REVOKED)
            *ret = v;
        if (v.error == X509_V_OK) {
            known_add(trusts[i], &trusts[i]->good, c, &v, links);
            return;
        }
        crl_links_free(links);
        if (!known_before)
            bad_add(trusts[i], c, now, &v);
    }
}

int crypto_trust_judge(struct crypto_trust *t, const struct crypto_cert *c, int64_t now, int64_t *ret_until)
{
    struct trust_verdict v;
    trust_judge(&t, 1, c, now, &v);
    *ret_until = v.until_ms;
    if (v.error == X509_V_OK && v.refuse_unknown) {
        v.error = v.list_missing ? X509_V_ERR_UNABLE_TO_GET_CRL : X509_V_OK;
        *ret_until = v.lists_until_ms < v.until_ms ? v.lists_until_ms : v.until_ms;
    }
    return v.error;
}

int crypto_trust_verify(const struct crypto_trust *t, const struct crypto_cert *c)
{
    int64_t until;
    int verdict = crypto_trust_judge((struct crypto_trust *)t, c, crypto_wall_ms(), &until);
    if (verdict == X509_V_OK)
        return 0;
    return crypto_fail_words(-EKEYREJECTED, "%s", crypto_verify_words(verdict));
}
