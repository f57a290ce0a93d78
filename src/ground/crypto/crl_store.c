/* The lists of a process. A list is immutable; the lock guards which one stands for a key. */
#include "ground/crypto/crl_priv.h"

#include "ground/base/mem.h"

#include <errno.h>
#include <stdio.h>

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

struct crl_entry *crl_entry_find(const struct crl_store *s, const unsigned char key[32])
{
    for (struct map_entry *m = map_first(&s->by_key, key_hash(key)); m; m = map_next(m)) {
        struct crl_entry *e = MAP_OBJECT(m, struct crl_entry, by_key);
        if (memcmp(e->key, key, sizeof(e->key)) == 0)
            return e;
    }
    return NULL;
}

static void entry_arrived(struct crl_store *s, struct crl_entry *e)
{
    s->n_under_way -= e->under_way;
    s->n_retrying -= e->under_way && e->failures > 0;
    e->under_way = false;
}

static void entry_free(struct crl_store *s, struct crl_entry *e)
{
    entry_arrived(s, e);
    map_remove(&s->by_key, &e->by_key);
    list_unlink(&e->recent);
    s->n--;
    s->bytes -= e->fetched ? crl_bytes(e->fetched) : 0;
    crl_unref(e->fetched);
    crl_unref(e->given);
    X509_free(e->issuer);
    mem_free(e->names);
    mem_free(e->from);
    mem_free(e->why);
    mem_free(e);
}

static void entry_say(char **at, const char *text)
{
    mem_free(*at);
    *at = text && *text ? mem_strdup(text) : NULL;
}

static void entry_touch(struct crl_store *s, struct crl_entry *e)
{
    list_unlink(&e->recent);
    list_push_front(&s->recent, &e->recent);
}

struct crl_entry *crl_entry_add(struct crl_store *s, X509 *issuer, struct slice names, bool named,
                                const unsigned char key[32], int64_t now)
{
    struct slice url, rest = names;
    if (s->n >= CRL_STORE_MAX_LISTS)
        entry_free(s, LIST_ENTRY(list_last(&s->recent), struct crl_entry, recent));
    struct crl_entry *e = MEM_NEW(struct crl_entry);
    if (!X509_up_ref(issuer))
        crypto_abort("revocation lists");
    memcpy(e->key, key, sizeof(e->key));
    e->issuer = issuer;
    e->names = slice_dup(names);
    e->named = named;
    e->fetchable = crl_next_url(&rest, &url);
    e->fetch_ms = now;
    if (named && !e->fetchable)
        entry_say(&e->why, "its certificates name no http address that could be asked");
    map_insert(&s->by_key, &e->by_key, key_hash(key));
    list_push_front(&s->recent, &e->recent);
    s->n++;
    crl_given_assign(s, e);
    return e;
}

const struct crl *crl_entry_best(const struct crl_entry *e)
{
    if (!e->fetched || !e->given)
        return e->fetched ? e->fetched : e->given;
    return crl_compare(e->given, e->fetched) > 0 ? e->given : e->fetched;
}

static void entry_plan_failed(struct crl_entry *e, int64_t now)
{
    unsigned shift = e->failures < 16 ? e->failures : 16;
    int64_t wait = (int64_t)CRL_RETRY_LEAST_MS << shift;
    e->failures += e->failures < UINT16_MAX;
    e->fetch_ms = now + (wait < CRL_RETRY_MOST_MS ? wait : CRL_RETRY_MOST_MS);
}

void crl_entry_plan_good(struct crl_entry *e, int64_t now)
{
    int64_t wait = (e->fetched->next_ms - now) / 2;
    wait = wait > CRL_REFRESH_MOST_MS ? CRL_REFRESH_MOST_MS : wait;
    e->failures = 0;
    e->fetch_ms = now + (wait < CRL_REFRESH_LEAST_MS ? CRL_REFRESH_LEAST_MS : wait);
}

int crl_entry_set(struct crl_store *s, struct crl_entry *e, struct crl *fresh)
{
    int newer = e->fetched ? crl_compare(fresh, e->fetched) : 1;
    if (newer <= 0) {
        crl_unref(fresh);
        return newer < 0 ? crypto_fail_words(-ESTALE, "revocation list is older than the one that stands")
                         : 1;
    }
    s->bytes += crl_bytes(fresh);
    s->bytes -= e->fetched ? crl_bytes(e->fetched) : 0;
    crl_unref(e->fetched);
    e->fetched = fresh;
    entry_touch(s, e);
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
    crl_given_fini(s);
    map_fini(&s->by_key);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

/* ---------------------------------------------------------------- questions */
static enum crl_state link_state(const struct crl_entry *e, const struct crl_link *l, int64_t now)
{
    const struct crl *list = crl_entry_best(e);
    if (!list && !e->named) /* one was given, and taken away again */
        return CRL_GOOD;
    if (!list || l->serial.n == 0)
        return CRL_UNKNOWN;
    if (crl_revokes(list, &l->serial)) /* an old list is right about that, too */
        return CRL_REVOKED;
    if ((list->only_user && l->is_ca) || (list->only_ca && !l->is_ca) || now >= list->next_ms + CRL_GRACE_MS)
        return CRL_UNKNOWN;
    return CRL_GOOD;
}

static enum crl_state link_ask(struct crl_store *s, const struct crl_link *l, int64_t now, int64_t *until)
{
    struct crl_entry *e = crl_entry_find(s, l->key);
    if (!e && !l->named && !crl_given_any(s, l->issuer))
        return CRL_GOOD;
    if (!e)
        e = crl_entry_add(s, l->issuer, slice_str(l->names), l->named, l->key, now);
    e->asked = true;
    entry_touch(s, e);
    enum crl_state state = link_state(e, l, now);
    const struct crl *list = crl_entry_best(e);
    if (state == CRL_GOOD && list && list->next_ms + CRL_GRACE_MS < *until)
        *until = list->next_ms + CRL_GRACE_MS;
    return state;
}

enum crl_state crl_store_ask(struct crl_store *s, const struct crl_links *l, int64_t now, int64_t *ret_until)
{
    enum crl_state worst = CRL_GOOD;
    *ret_until = INT64_MAX;
    if (!l->named && atomic_load_explicit(&s->n_given, memory_order_acquire) == 0)
        return worst;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < l->n; i++) {
        enum crl_state state = link_ask(s, &l->links[i], now, ret_until);
        worst = state > worst ? state : worst;
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
        const struct crl *list = crl_entry_best(e);
        ret->lists += list != NULL;
        ret->wanted += e->asked && (list ? now >= list->next_ms : e->named);
    }
    ret->bytes = s->bytes;
    pthread_mutex_unlock(&s->lock);
}

static void entry_row(const struct crl_entry *e, struct arena *a, struct crl_row *r)
{
    const struct crl *list = crl_entry_best(e);
    *r = (struct crl_row){
        .issuer = crl_issuer_text(X509_get_subject_name(e->issuer), a),
        .names = arena_copy(a, slice_str(e->names)),
        .why = arena_copy(a, slice_str(e->why ? e->why : "")),
        .failures = e->failures,
        .under_way = e->under_way,
        .fetch_ms = e->fetchable ? e->fetch_ms : 0,
    };
    if (!list)
        return;
    r->there = true;
    r->given = list == e->given;
    r->from = r->given ? SLICE_NONE : arena_copy(a, slice_str(e->from ? e->from : ""));
    r->came_ms = r->given ? 0 : e->came_ms;
    r->this_ms = list->this_ms;
    r->next_ms = list->next_ms;
    r->revoked = list->n_revoked;
}

size_t crl_store_list(struct crl_store *s, struct arena *a, struct crl_row **ret)
{
    size_t n = 0;
    pthread_mutex_lock(&s->lock);
    struct crl_row *rows = ARENA_ARRAY(a, struct crl_row, s->n + 1);
    LIST_FOR(it, &s->recent)
    {
        const struct crl_entry *e = LIST_ENTRY(it, struct crl_entry, recent);
        if (e->asked && (e->named || crl_entry_best(e)))
            entry_row(e, a, &rows[n++]);
    }
    pthread_mutex_unlock(&s->lock);
    *ret = rows;
    return n;
}

/* ---------------------------------------------------------------- feeding */
static bool entry_due(const struct crl_store *s, const struct crl_entry *e, int64_t now)
{
    return e->asked && e->fetchable && !e->under_way && e->fetch_ms <= now &&
           (e->failures == 0 || s->n_retrying < CRL_MAX_RETRYING);
}

static void want_fill(const struct crl_entry *e, struct crl_want *ret)
{
    struct slice url, rest = slice_str(e->names);
    memcpy(ret->key, e->key, sizeof(ret->key));
    ret->failures = e->failures;
    for (ret->n_urls = 0; ret->n_urls < CRL_MAX_URLS && crl_next_url(&rest, &url); ret->n_urls++) {
        memcpy(ret->urls[ret->n_urls], url.p, url.n);
        ret->urls[ret->n_urls][url.n] = 0;
    }
}

bool crl_store_due(struct crl_store *s, int64_t now, struct crl_want *ret)
{
    struct crl_entry *found = NULL;
    pthread_mutex_lock(&s->lock);
    LIST_FOR(it, &s->recent)
    {
        struct crl_entry *e = LIST_ENTRY(it, struct crl_entry, recent);
        if (entry_due(s, e, now) && (!found || e->fetch_ms < found->fetch_ms))
            found = e;
    }
    if (found && s->n_under_way < CRL_MAX_UNDER_WAY) {
        found->under_way = true;
        s->n_under_way++;
        s->n_retrying += found->failures > 0;
        want_fill(found, ret);
    } else {
        found = NULL;
    }
    pthread_mutex_unlock(&s->lock);
    return found != NULL;
}

X509 *crl_store_issuer(struct crl_store *s, const unsigned char key[32], struct arena *a,
                       struct slice *ret_names)
{
    pthread_mutex_lock(&s->lock);
    struct crl_entry *e = crl_entry_find(s, key);
    X509 *issuer = e && X509_up_ref(e->issuer) ? e->issuer : NULL;
    if (issuer)
        *ret_names = arena_copy(a, slice_str(e->names));
    pthread_mutex_unlock(&s->lock);
    return issuer;
}

/* Takes over the reference to the list; under the lock. */
static int entry_take(struct crl_store *s, struct crl_entry *e, struct crl *fresh, const char *url,
                      int64_t now)
{
    int r = crl_entry_set(s, e, fresh);
    if (r >= 0 && e->fetched->next_ms <= now)
        return crypto_fail_words(-ETIME, "revocation list has expired");
    if (r < 0)
        return r;
    entry_arrived(s, e);
    crl_entry_plan_good(e, now);
    entry_say(&e->from, url);
    entry_say(&e->why, NULL);
    e->came_ms = now;
    return r;
}

int crl_store_put(struct crl_store *s, const struct crl_want *w, const char *url, struct slice list,
                  int64_t now)
{
    struct arena a = {0};
    struct crl *fresh = NULL;
    struct slice names;
    X509 *issuer = crl_store_issuer(s, w->key, &a, &names);
    int r = issuer ? crl_parse(list, names, issuer, now, &fresh)
                   : -ENOENT; /* takes its time: not under the lock */
    X509_free(issuer);
    arena_fini(&a);
    if (r < 0 && issuer)
        return r;
    pthread_mutex_lock(&s->lock);
    struct crl_entry *e = crl_entry_find(s, w->key);
    if (e && fresh) {
        r = entry_take(s, e, fresh, url, now);
    } else {
        r = crypto_fail_words(-ENOENT, "nobody wants this revocation list");
        crl_unref(fresh);
    }
    pthread_mutex_unlock(&s->lock);
    return r;
}

void crl_store_failed(struct crl_store *s, const struct crl_want *w, const char *why, int64_t now)
{
    char text[CRL_MAX_WHY];
    snprintf(text, sizeof(text), "%s", why);
    pthread_mutex_lock(&s->lock);
    struct crl_entry *e = crl_entry_find(s, w->key);
    if (e) {
        entry_arrived(s, e);
        entry_plan_failed(e, now);
        entry_say(&e->why, text);
    }
    pthread_mutex_unlock(&s->lock);
}
