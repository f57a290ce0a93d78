/* Counts and durations by partner, pool and method; and what is told of a request when it is over. */
#include "element/branch.h"
#include "element/flow.h"
#include "element/shard.h"

#include <pthread.h>

static const unsigned account_max[ACCOUNT_KINDS] = {ACCOUNT_MAX_PARTNERS, ACCOUNT_MAX_POOLS};

const char *record_direction_name(enum record_direction d)
{
    static const char *const names[] = {"inside", "in", "out"};
    return names[d];
}

/* ---------------------------------------------------------------- names: of the process, only ever more */
struct account_names {
    pthread_mutex_t lock;
    atomic_uint n[ACCOUNT_KINDS];
    uint64_t hash[ACCOUNT_KINDS][ACCOUNT_MAX_SERIES];
    char *name[ACCOUNT_KINDS][ACCOUNT_MAX_SERIES]; /* the first is "other" */
};
_Static_assert((int)ACCOUNT_MAX_POOLS + (int)ACCOUNT_MAX_MONITORED <= (int)ACCOUNT_MAX_SERIES,
               "names have room");

struct account_names *account_names_new(void)
{
    struct account_names *t = MEM_NEW(struct account_names);
    pthread_mutex_init(&t->lock, NULL);
    for (int k = 0; k < ACCOUNT_KINDS; k++) {
        t->name[k][0] = mem_strdup("other");
        t->n[k] = 1;
    }
    return t;
}

void account_names_free(struct account_names *t)
{
    for (int k = 0; k < ACCOUNT_KINDS; k++)
        for (unsigned i = 0; i < t->n[k]; i++)
            mem_free(t->name[k][i]);
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
}

/* 0 when it has no place of its own. */
static unsigned names_look(const struct account_names *t, enum account_kind kind, uint64_t hash,
                           struct slice name)
{
    unsigned n = atomic_load_explicit(&t->n[kind], memory_order_acquire);
    for (unsigned i = 1; i < n; i++)
        if (t->hash[kind][i] == hash && slice_eq(slice_str(t->name[kind][i]), name))
            return i;
    return 0;
}

static unsigned names_index(struct account_names *t, enum account_kind kind, struct slice name,
                            bool monitored)
{
    unsigned max = account_max[kind] + (monitored ? ACCOUNT_MAX_MONITORED : 0);
    uint64_t hash = slice_hash(name);
    unsigned i = names_look(t, kind, hash, name);
    if (i || atomic_load(&t->n[kind]) >= max)
        return i;
    pthread_mutex_lock(&t->lock);
    i = names_look(t, kind, hash, name);
    unsigned n = atomic_load(&t->n[kind]);
    if (i == 0 && n < max) {
        i = n;
        t->hash[kind][i] = hash;
        t->name[kind][i] = slice_dup(name);
        atomic_store_explicit(&t->n[kind], n + 1, memory_order_release);
    }
    pthread_mutex_unlock(&t->lock);
    return i;
}

/* ---------------------------------------------------------------- a shard's own counts */
struct tally {
    _Atomic uint64_t by_class[STATUS_CLASSES], refused, bytes_in, bytes_out, dialogs_begun, dialogs_ended;
    struct metric_histogram server, upstream;
};
struct account {
    struct tally by_direction[RECORD_DIRECTIONS];
};
struct accounts {
    struct account *_Atomic of[ACCOUNT_KINDS][ACCOUNT_MAX_SERIES];
    _Atomic uint64_t by_method[SIP_METHOD_OTHER + 1][STATUS_CLASSES];
    struct metric_histogram server, lag;
    _Atomic uint64_t connections[SIDES][2], handshakes[SIDES][2], handshakes_failed[SIDES][2];
    _Atomic uint64_t dialogs_begun, dialogs_ended;
};

struct accounts *accounts_new(void)
{
    return MEM_NEW(struct accounts);
}

void accounts_free(struct accounts *a)
{
    for (int k = 0; k < ACCOUNT_KINDS; k++)
        for (unsigned i = 0; i < ACCOUNT_MAX_SERIES; i++)
            mem_free(a->of[k][i]);
    mem_free(a);
}

static struct tally *tally_of(struct shard *s, enum account_kind kind, struct slice name, bool own,
                              const struct request_record *r)
{
    unsigned i = own ? names_index(s->e->names, kind, name, r->monitored) : 0;
    struct account *a = atomic_load_explicit(&s->accounts->of[kind][i], memory_order_relaxed);
    if (!a) {
        a = MEM_NEW(struct account);
        atomic_store_explicit(&s->accounts->of[kind][i], a, memory_order_release);
    }
    return &a->by_direction[r->direction];
}

/* ---------------------------------------------------------------- connections */
void account_flow(const struct flow *f, int64_t n)
{
    metric_bump(&f->s->accounts->connections[f->side][f->inbound], (uint64_t)n);
}

void account_handshake(const struct flow *f, bool ok)
{
    struct accounts *a = f->s->accounts;
    if (f->transport == SIP_TLS)
        metric_bump(ok ? &a->handshakes[f->side][f->inbound] : &a->handshakes_failed[f->side][f->inbound], 1);
}

void account_lag(struct shard *s, uint64_t us)
{
    metric_observe(&s->accounts->lag, us);
}

/* ---------------------------------------------------------------- a request's way */
void account_begin(struct request *rq)
{
    rq->account.began_us = account_clock_us();
}

void account_attempt(struct branch *b, const struct target_address *to)
{
    b->tried_us = account_clock_us();
    b->rq->account.target = to->addr;
    b->rq->account.attempts++;
}

void account_response(struct branch *b, unsigned status)
{
    struct request_account *a = &b->rq->account;
    uint64_t now = account_clock_us();
    if (status < 200) {
        if (!a->provisional_us)
            a->provisional_us = now;
        return;
    }
    a->answered_us = now - b->tried_us;
    a->answered = true;
}

static bool begins_dialog(const struct request *rq)
{
    return rq->msg.method == SIP_INVITE && rq->msg.to_tag.n == 0 && rq->last_status / 100 == 2;
}

static bool ends_dialog(const struct request *rq)
{
    return rq->msg.method == SIP_BYE && rq->msg.to_tag.n && rq->last_status >= 200 && !rq->account.refusal;
}

static void account_tally(struct request *rq, enum account_kind kind, struct slice name, bool own,
                          const struct request_record *r, uint64_t took_us)
{
    const struct request_account *a = &rq->account;
    struct tally *t = tally_of(rq->s, kind, name, own, r);
    metric_bump(&t->by_class[rq->last_status / 100 % STATUS_CLASSES], 1);
    metric_bump(&t->bytes_in, rq->msg.text.n);
    metric_bump(&t->bytes_out, a->bytes_out);
    if (a->refusal)
        metric_bump(&t->refused, 1);
    if (begins_dialog(rq))
        metric_bump(&t->dialogs_begun, 1);
    if (ends_dialog(rq))
        metric_bump(&t->dialogs_ended, 1);
    metric_observe(&t->server, took_us);
    if (a->answered)
        metric_observe(&t->upstream, a->answered_us);
}

void account_over(struct request *rq)
{
    struct accounts *a = rq->s->accounts;
    struct request_record r = {0};
    uint64_t took_us = account_clock_us() - rq->account.began_us;
    if (rq->config->ops->describe)
        rq->config->ops->describe(rq, &r);
    metric_bump(&a->by_method[rq->msg.method][rq->last_status / 100 % STATUS_CLASSES], 1);
    metric_observe(&a->server, took_us);
    if (begins_dialog(rq))
        metric_bump(&a->dialogs_begun, 1);
    if (ends_dialog(rq))
        metric_bump(&a->dialogs_ended, 1);
    if (r.partner.n || r.direction != RECORD_INSIDE)
        account_tally(rq, ACCOUNT_PARTNER, r.partner, r.partner_counts && r.partner.n, &r, took_us);
    if (r.pool.n)
        account_tally(rq, ACCOUNT_POOL, r.pool, true, &r, took_us);
    if (rq->config->access.journal && (r.monitored || !rq->config->access.only_monitored))
        access_write(rq, &r, took_us);
}

/* ---------------------------------------------------------------- reading */
static uint64_t look(const _Atomic uint64_t *v)
{
    return atomic_load_explicit(v, memory_order_relaxed);
}

static void tally_add(struct account_sums *to, const struct tally *t)
{
    for (int c = 0; c < STATUS_CLASSES; c++)
        to->by_class[c] += look(&t->by_class[c]);
    to->refused += look(&t->refused);
    to->dialogs_begun += look(&t->dialogs_begun);
    to->dialogs_ended += look(&t->dialogs_ended);
    to->bytes_in += look(&t->bytes_in);
    to->bytes_out += look(&t->bytes_out);
    metric_spread_add(&to->server, &t->server);
    metric_spread_add(&to->upstream, &t->upstream);
}

void element_accounts(const struct element *e, enum account_kind kind, account_seen *seen, void *arg)
{
    unsigned n = atomic_load_explicit(&e->names->n[kind], memory_order_acquire);
    for (unsigned i = 0; i < n; i++) {
        struct account_sums sums[RECORD_DIRECTIONS] = {0};
        bool any = false;
        for (unsigned k = 0; k < e->n; k++) {
            const struct account *a =
                atomic_load_explicit(&e->shards[k]->accounts->of[kind][i], memory_order_acquire);
            for (int d = 0; a && d < RECORD_DIRECTIONS; d++)
                tally_add(&sums[d], &a->by_direction[d]);
            any = any || a;
        }
        if (any)
            seen(arg, e->names->name[kind][i], sums);
    }
}

static void sum_pairs(uint64_t to[2][2], const _Atomic uint64_t from[SIDES][2])
{
    for (int side = 0; side < SIDES; side++)
        for (int inbound = 0; inbound < 2; inbound++)
            to[side][inbound] += look(&from[side][inbound]);
}

void element_sum(const struct element *e, struct element_sums *ret)
{
    memset(ret, 0, sizeof(*ret));
    for (unsigned k = 0; k < e->n; k++) {
        const struct accounts *a = e->shards[k]->accounts;
        for (int m = 0; m <= SIP_METHOD_OTHER; m++)
            for (int c = 0; c < STATUS_CLASSES; c++)
                ret->by_method[m][c] += look(&a->by_method[m][c]);
        metric_spread_add(&ret->server, &a->server);
        metric_spread_add(&ret->lag, &a->lag);
        loop_mail_add(&ret->mail, e->shards[k]->loop);
        sum_pairs(ret->connections, a->connections);
        sum_pairs(ret->handshakes, a->handshakes);
        sum_pairs(ret->handshakes_failed, a->handshakes_failed);
        ret->dialogs_begun += look(&a->dialogs_begun);
        ret->dialogs_ended += look(&a->dialogs_ended);
    }
}
