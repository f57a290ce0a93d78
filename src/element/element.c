#include "element/element.h"

#include <stdio.h>
#include <stdlib.h>

#include "element/apply.h"
#include "element/flow.h"
#include "element/port.h"
#include "element/shard.h"
#include "element/way_back.h"
#include "ground/crypto/hash.h"

#define REFUSAL_ROW(name, id, status, number, guilty, text, remedy)                                          \
    const struct refusal REFUSE_##name = {id, status, number, guilty, text, remedy};
ELEMENT_REFUSALS(REFUSAL_ROW)

/* ---------------------------------------------------------------- configuration */
struct element_config *element_config_new(void)
{
    struct element_config *c = MEM_NEW(struct element_config);
    c->refs = 1;
    c->times = siptxn_rfc_times;
    c->attempt_ms = 6000;
    c->attempts_max = 4;
    c->connect_ms = 3000;
    c->timer_c_ms = 185000;
    c->connections_per_destination = 4;
    c->health = (struct health_times){
        .probe_ms = 30000, .probe_timeout_ms = 3000, .block_ms = 1000, .block_max_ms = 60000};
    c->linger_ms = 10000;
    c->idle_close_ms = 3000;
    c->limits = ELEMENT_LIMITS_DEFAULT;
    return c;
}

struct element_config *element_config_ref(struct element_config *c)
{
    atomic_fetch_add(&c->refs, 1);
    return c;
}

void element_config_unref(struct element_config *c)
{
    if (!c || atomic_fetch_sub(&c->refs, 1) != 1)
        return;
    if (c->service_free)
        c->service_free(c->service);
    for (size_t i = 0; i < c->n_listeners; i++)
        tls_ctx_unref(c->listeners[i].tls);
    for (int i = 0; i < SIDES; i++)
        tls_ctx_unref(c->sides[i].client_tls);
    journal_unref(c->access.journal);
    arena_fini(&c->arena);
    mem_free(c);
}

/* ---------------------------------------------------------------- life */
enum { HOUSEKEEPING_MS = 200 };

static void shard_housekeeping(void *arg)
{
    struct shard *s = arg;
    uint64_t now = loop_now(s->loop);
    if (s->housekeeping.at && now >= s->housekeeping.at)
        account_lag(s, (now - s->housekeeping.at) * 1000);
    shard_note(&s->alive_ms, now);
    flow_housekeeping(s);
    guard_log_rest(s, now);
    if (s->config)
        overload_housekeeping(s, now);
    probe_tick(s);
    timer_start(&s->housekeeping, now + HOUSEKEEPING_MS);
}

/* Its timers are its own thread's. */
struct start_mail {
    struct mail mail;
    struct shard *s;
};

static void shard_started(struct mail *mail, struct loop *to)
{
    struct start_mail *m = (struct start_mail *)mail;
    (void)to;
    shard_housekeeping(m->s);
    mem_free(m);
}

static struct shard *shard_new(struct element *e, unsigned index)
{
    struct shard *s = MEM_NEW(struct shard);
    s->e = e;
    s->index = index;
    s->loop = workers_loop(e->team, index);
    list_init(&s->ports);
    list_init(&s->next_ports);
    list_init(&s->flows);
    list_init(&s->requests);
    list_init(&s->idle_requests);
    overload_init(s);
    list_init(&s->retired);
    accepted_init(s);
    trace_init(&s->trace);
    telling_init(&s->telling);
    s->accounts = accounts_new();
    crypto_random(&s->branch_counter, sizeof(s->branch_counter));
    timer_init(&s->housekeeping, s->loop, shard_housekeeping, s);
    struct start_mail *m = MEM_NEW(struct start_mail);
    m->mail.deliver = shard_started;
    m->s = s;
    loop_post(s->loop, &m->mail);
    return s;
}

struct element *element_new(struct workers *team, const char *machine_fqdn)
{
    struct element *e = MEM_NEW(struct element);
    unsigned char hash[CRYPTO_SHA256];
    e->team = team;
    e->n = workers_count(team);
    snprintf(e->machine, sizeof(e->machine), "%s", machine_fqdn);
    crypto_sha256(slice_str(machine_fqdn), hash);
    memcpy(&e->machine_hash, hash, sizeof(e->machine_hash));
    crypto_random(e->secret, sizeof(e->secret));
    e->sources = sources_new();
    e->names = account_names_new();
    e->destinations = destinations_new();
    e->old_answers = resolver_memory_new(ANSWERS_MAX);
    e->shards = mem_zalloc(e->n * sizeof(struct shard *));
    for (unsigned i = 0; i < e->n; i++)
        e->shards[i] = shard_new(e, i);
    return e;
}

static void shard_free(struct shard *s)
{
    timer_stop(&s->housekeeping);
    LIST_FOR(it, &s->ports)
    port_free(LIST_ENTRY(it, struct port, link));
    LIST_FOR(it, &s->flows)
    flow_end(LIST_ENTRY(it, struct flow, link), "the process ends");
    LIST_FOR(it, &s->requests)
    request_free(LIST_ENTRY(it, struct request, link));
    client_free_all(s);
    accepted_fini(s);
    ways_back_fini(s);
    LIST_FOR(it, &s->idle_requests)
    {
        struct request *rq = LIST_ENTRY(it, struct request, link);
        arena_fini(&rq->arena);
        buf_fini(&rq->last);
        buf_fini(&rq->best);
        mem_free(rq);
    }
    overload_fini(s);
    guard_log_rest(s, UINT64_MAX);
    apply_fini(s);
    element_config_unref(s->config);
    map_fini(&s->pool);
    map_fini(&s->servers);
    map_fini(&s->clients);
    map_fini(&s->relayed);
    arena_fini(&s->scratch);
    trace_fini(&s->trace);
    telling_fini(&s->telling);
    accounts_free(s->accounts);
    mem_free(s->slots);
    mem_free(s);
}

void element_free(struct element *e)
{
    if (!e)
        return;
    /* Mail between the shards first, with what it causes; then nothing new is sent. */
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < e->n; i++)
            loop_drain(e->shards[i]->loop);
    e->ending = true;
    for (unsigned i = 0; i < e->n; i++)
        shard_free(e->shards[i]);
    for (unsigned i = 0; i < e->n; i++)
        loop_drain(workers_loop(e->team, i));
    sources_free(e->sources);
    destinations_free(e->destinations);
    resolver_memory_free(e->old_answers);
    mem_free(e->shards);
    account_names_free(e->names);
    mem_free(e);
}

void element_load(struct element *e, struct element_load *ret)
{
    struct element_load l = {.dialog_requests_ago_ms = UINT64_MAX, .last_request_ago_ms = UINT64_MAX};
    uint64_t now = (uint64_t)loop_wall(), last = 0, dialog = 0;
    for (unsigned i = 0; i < e->n; i++) {
        struct shard *s = e->shards[i];
        l.requests += atomic_load(&s->load_requests);
        l.connections += atomic_load(&s->load_flows);
        l.accepted += atomic_load(&s->load_accepted);
        l.accepted_bytes += atomic_load(&s->load_accepted_bytes);
        l.memory += atomic_load(&s->load_memory);
        l.overloaded += atomic_load(&s->load_overloaded) != 0;
        uint64_t alive = atomic_load(&s->alive_ms), clock = metric_clock_us() / 1000;
        if (alive && clock > alive + l.silent_ms)
            l.silent_ms = clock - alive;
        uint64_t r = atomic_load(&s->last_request_ms), d = atomic_load(&s->last_dialog_ms);
        last = r > last ? r : last;
        dialog = d > dialog ? d : dialog;
    }
    if (last)
        l.last_request_ago_ms = now > last ? now - last : 0;
    if (dialog)
        l.dialog_requests_ago_ms = now > dialog ? now - dialog : 0;
    *ret = l;
}

size_t element_destinations(struct element *e, uint64_t now, struct arena *a,
                            struct element_destination **ret)
{
    return destinations_list(e->destinations, now, a, ret);
}

/* ---------------------------------------------------------------- trace over all shards */
enum { TRACE_FOUND_MAX = 400 };
struct traced {
    struct mail mail;
    struct element *e;
    struct loop *back;
    element_traced *done;
    void *arg;
    uint64_t call_hash;
    unsigned next;
    size_t n;
    struct trace_found found[TRACE_FOUND_MAX];
};

static int trace_order(const void *a, const void *b)
{
    int64_t x = ((const struct trace_found *)a)->wall_us, y = ((const struct trace_found *)b)->wall_us;
    return (x > y) - (x < y);
}

static void trace_answer(struct mail *m, struct loop *to)
{
    struct traced *t = (struct traced *)m;
    (void)to;
    qsort(t->found, t->n, sizeof(t->found[0]), trace_order);
    t->done(t->arg, t->found, t->n, t->n == TRACE_FOUND_MAX);
    mem_free(t);
}

static void trace_collect(struct mail *m, struct loop *to)
{
    struct traced *t = (struct traced *)m;
    struct shard *s = t->e->shards[t->next++];
    (void)to;
    t->n += trace_find(&s->trace, t->call_hash, t->found + t->n, TRACE_FOUND_MAX - t->n);
    if (t->next < t->e->n) {
        loop_post(t->e->shards[t->next]->loop, &t->mail);
    } else {
        t->mail.deliver = trace_answer;
        loop_post(t->back, &t->mail);
    }
}

void element_trace(struct element *e, struct slice call_id, struct loop *back, element_traced *done,
                   void *arg)
{
    struct traced *t = MEM_NEW(struct traced);
    t->mail.deliver = trace_collect;
    t->e = e;
    t->back = back;
    t->done = done;
    t->arg = arg;
    t->call_hash = slice_hash(call_id);
    loop_post(e->shards[0]->loop, &t->mail);
}
