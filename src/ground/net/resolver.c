#include "ground/net/resolver.h"

#include "ground/base/mem.h"
#include "ground/base/text.h"
#include "ground/log/log.h"
#include "ground/log/metric.h"
#include "ground/net/answers.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unbound-event.h>
#include <unbound.h>

enum { RESOLVER_MAX_NAME = 253, CLASS_IN = 1, SEC_BOGUS = 1, SEC_SECURE = 2, DNS_HEADER = 12 };

/*
 * libunbound answers inside ub_resolve_event when it has the answer, and shows the packet in a buffer that
 * its next answer overwrites. So nothing is asked from inside a callback: such queries wait in `queued` for
 * the end of the turn. A resolver that is freed inside a callback goes at the end of the turn as well.
 */
struct resolver {
    struct loop *loop;
    struct ub_ctx *ctx;
    struct list queries; /* asked */
    struct list queued;
    struct list detached; /* answered from memory; libunbound goes on, and what it finds is remembered */
    struct answers memory;
    struct resolver_memory *shared; /* or NULL */
    uint64_t source;                /* whose answers: servers, validation */
    uint64_t stale_ms;
    struct deferred begin, destroy;
    unsigned in_callback;
    bool set_up; /* the first question has been asked */
};

/* libunbound's own initialisation is not made for two threads at once; recursive, since an answer may come
 * inside. */
static pthread_mutex_t set_up_lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

struct resolver_query {
    struct list link; /* queries, queued or detached; none while its callback runs */
    struct resolver *resolver;
    int async_id;
    bool outstanding; /* libunbound will answer it */
    bool finished;
    bool *answered_inside; /* set while ub_resolve_event runs */
    struct timer deadline; /* at first, when there may be an old answer */
    uint64_t give_up;
    uint64_t began_us; /* 0: a server was not asked for whoever waits */
    resolver_done *done;
    void *arg;
    uint16_t type;
    char name[RESOLVER_MAX_NAME + 2];
};

/* --- context --- */

/*
 * Retries: two datagrams a try, the first 100 ms apart, then ever longer. So a forwarder that looks something
 * up for 2.5 s is still heard, the next forwarder is asked after 0.2 to 0.8 s, and a single dead one is given
 * up after 3 s. (One try would give up after 0.2 s, on a slow forwarder or two lost datagrams as well.)
 */
static const struct {
    const char *name, *value;
} OPTIONS[] = {
    {"do-not-query-localhost:",    "no" }, /* a forwarder on this machine is as good as any */
    {"outbound-msg-retry:",        "4"  },
    {"unknown-server-time-limit:", "100"},
    {"infra-host-ttl:",            "10" }, /* a forwarder that was dead is tried again soon */
    {"cache-min-ttl:",             "0"  },
    {"prefetch:",                  "no" },
    {"serve-expired:",             "no" },
    {"use-caps-for-id:",           "no" },
    {"outgoing-range:",            "128"}, /* sockets, each opened only while a question is out */
    {"outgoing-num-tcp:",          "10" },
};
/* libunbound answers for these by itself (RFC 6761, RFC 8375): but networks use them, and forwarders know. */
static const char *const NOT_LOCAL[] = {"test.", "home.arpa."};

static void check_option(int r, const char *what)
{
    if (r)
        log_warn("resolver.option-refused", "libunbound refused %s: %s", what, ub_strerror(r));
}

static void set_option(struct ub_ctx *ctx, const char *name, const char *value)
{
    check_option(ub_ctx_set_option(ctx, name, value), name);
}

static void set_servers(struct ub_ctx *ctx, const struct resolver_config *config)
{
    for (size_t i = 0; i < config->n_servers && i < RESOLVER_MAX_SERVERS; i++) {
        char host[NET_ADDR_TEXT], text[NET_ADDR_TEXT + 8];
        snprintf(text, sizeof(text), SLICE_FMT "@%u",
                 SLICE_ARG(net_addr_host_text(&config->servers[i], host)),
                 (unsigned)net_addr_port(&config->servers[i]));
        check_option(ub_ctx_set_fwd(ctx, text), text);
    }
    if (!config->n_servers) {
        check_option(ub_ctx_resolvconf(ctx, NULL), "/etc/resolv.conf");
        check_option(ub_ctx_hosts(ctx, NULL), "/etc/hosts");
    }
}

/* libunbound counts bytes; an answer with its records takes about this much. */
enum { BYTES_ANSWER = 1024, BYTES_RECORDS = 1024 };

static void set_size(struct ub_ctx *ctx, const char *name, size_t bytes)
{
    char value[24];
    snprintf(value, sizeof(value), "%zu", bytes);
    set_option(ctx, name, value);
}

static void set_sizes(struct ub_ctx *ctx, size_t records)
{
    set_option(ctx, "msg-cache-slabs:", "1"); /* each has a part of the whole, and one thread needs one */
    set_option(ctx, "rrset-cache-slabs:", "1");
    set_size(ctx, "msg-cache-size:", records * BYTES_ANSWER);
    set_size(ctx, "rrset-cache-size:", records * BYTES_RECORDS);
}

static struct ub_ctx *make_context(struct loop *l, const struct resolver_config *config)
{
    struct ub_ctx *ctx = ub_ctx_create_event(loop_base(l));
    if (!ctx)
        abort();                /* out of memory: see mem.h */
    ub_ctx_debugout(ctx, NULL); /* it would write to standard error, not as a line of ours */
    for (size_t i = 0; i < sizeof(OPTIONS) / sizeof(OPTIONS[0]); i++)
        set_option(ctx, OPTIONS[i].name, OPTIONS[i].value);
    char negative[16];
    snprintf(negative, sizeof(negative), "%d", RESOLVER_MAX_NEGATIVE_S);
    set_option(ctx, "cache-max-negative-ttl:", negative);
    set_option(ctx, "module-config:", config->validate ? "validator iterator" : "iterator");
    if (config->validate && config->trust_anchor)
        check_option(ub_ctx_add_ta_file(ctx, config->trust_anchor), config->trust_anchor);
    if (config->records)
        set_sizes(ctx, config->records);
    set_servers(ctx, config);
    for (size_t i = 0; i < sizeof(NOT_LOCAL) / sizeof(NOT_LOCAL[0]);
         i++) /* last: it ends the configuration */
        check_option(ub_ctx_zone_add(ctx, NOT_LOCAL[i], "transparent"), NOT_LOCAL[i]);
    return ctx;
}

/* --- queries --- */

static void tell(struct resolver_query *q, enum resolver_status status, struct slice packet, bool secure)
{
    struct resolver *r = q->resolver;
    METRIC_COUNT("dns.asked");
    if (status == RESOLVER_FAILED)
        METRIC_COUNT("dns.failed");
    if (q->answered_inside)
        METRIC_COUNT("dns.cached");
    else if (q->began_us)
        METRIC_TIME(METRIC_DNS_WAITED, metric_clock_us() - q->began_us);
    list_unlink(&q->link);
    timer_stop(&q->deadline);
    q->finished = true; /* cancelling it from inside the callback does nothing */
    r->in_callback++;
    q->done(q->arg, status, packet, secure);
    r->in_callback--;
    mem_free(q);
}

static struct slice query_name(const struct resolver_query *q)
{
    return slice_str(q->name);
}

static void forget(struct resolver_query *q)
{
    if (q->outstanding)
        ub_cancel(q->resolver->ctx, q->async_id);
    q->outstanding = false;
}

static struct answer *remembered(struct resolver_query *q)
{
    struct resolver *r = q->resolver;
    return r->stale_ms ? answers_find(&r->memory, query_name(q), q->type, r->stale_ms, loop_now(r->loop))
                       : NULL;
}

static struct resolver_question question(const struct resolver_query *q)
{
    return (struct resolver_question){q->resolver->source, query_name(q), q->type};
}

static void remember(struct resolver_query *q, struct slice packet, bool secure)
{
    struct resolver *r = q->resolver;
    struct resolver_question asked = question(q);
    uint64_t now = loop_now(r->loop);
    if (r->stale_ms && answers_keep(&r->memory, query_name(q), q->type, packet, secure, now) && r->shared)
        resolver_memory_keep(r->shared, &asked, packet, secure, now);
}

/* When no server answers: what another worker was told is as good. */
static struct answer *recalled(struct resolver_query *q)
{
    struct resolver *r = q->resolver;
    struct resolver_question asked = question(q);
    if (r->stale_ms && r->shared)
        resolver_memory_recall(r->shared, &asked, r->stale_ms, loop_now(r->loop), &r->memory);
    return remembered(q);
}

/* The old answer, out of reach of what the callback may do to the memory. */
static void tell_old(struct resolver_query *q, const struct answer *old)
{
    struct slice packet = answer_packet(old);
    bool secure = old->secure;
    char *copy = slice_dup(packet);
    METRIC_COUNT("resolver.stale");
    log_debug("resolver.stale", "%s: no server answers, an old answer serves", q->name);
    tell(q, RESOLVER_ANSWER, slice_mem(copy, packet.n), secure);
    mem_free(copy);
}

static void detached_over(struct resolver_query *q)
{
    forget(q);
    list_unlink(&q->link);
    timer_stop(&q->deadline);
    mem_free(q);
}

static void detached_too_late(void *arg)
{
    detached_over(arg);
}

/* Answers from memory while the question goes on: a second one takes its place at the caller's. */
static void tell_early(struct resolver_query *q, struct answer *old)
{
    struct resolver *r = q->resolver;
    struct resolver_query *caller = MEM_NEW(struct resolver_query);
    *caller = (struct resolver_query){.resolver = r,
                                      .finished = true,
                                      .began_us = q->began_us,
                                      .done = q->done,
                                      .arg = q->arg,
                                      .type = q->type};
    memcpy(caller->name, q->name, sizeof(q->name));
    list_unlink(&q->link);
    list_push_back(&r->detached, &q->link);
    q->finished = true;
    timer_stop(&q->deadline);
    timer_init(&q->deadline, r->loop, detached_too_late, q);
    timer_start(&q->deadline, loop_now(r->loop) + 2 * (uint64_t)RESOLVER_TIMEOUT_MS);
    old->behind = loop_now(r->loop);
    tell_old(caller, old);
}

static void failed(struct resolver_query *q)
{
    struct answer *old = recalled(q);
    if (old) {
        old->failed = loop_now(q->resolver->loop);
        tell_old(q, old);
    } else {
        tell(q, RESOLVER_FAILED, SLICE_NONE, false);
    }
}

static void answered(void *arg, int rcode, void *packet, int len, int sec, char *why_bogus, int ratelimited)
{
    (void)why_bogus;
    (void)ratelimited;
    struct resolver_query *q = arg;
    q->outstanding = false;
    if (q->answered_inside)
        *q->answered_inside = true;
    /* rcode is not 0: there is no packet. It is 0: what the header says counts (a failure from the cache). */
    unsigned code = rcode || len < DNS_HEADER ? 2 : ((const unsigned char *)packet)[3] & 15;
    bool good = (code == 0 || code == 3) && sec != SEC_BOGUS; /* NOERROR, NXDOMAIN */
    struct slice bytes = good ? slice_mem(packet, (size_t)len) : SLICE_NONE;
    if (code == 3)
        METRIC_COUNT("dns.nonexistent");
    if (sec == SEC_BOGUS)
        METRIC_COUNT("dns.bogus");
    if (good)
        remember(q, bytes, sec == SEC_SECURE);
    if (q->finished)
        detached_over(q);
    else if (good)
        tell(q, RESOLVER_ANSWER, bytes, sec == SEC_SECURE);
    else
        failed(q);
}

static void too_late(void *arg)
{
    struct resolver_query *q = arg;
    struct resolver *r = q->resolver;
    struct answer *old = q->outstanding ? recalled(q) : NULL;
    if (old) {
        old->failed = loop_now(r->loop);
        tell_early(q, old);
    } else if (loop_now(r->loop) < q->give_up) {
        timer_start(&q->deadline, q->give_up);
    } else {
        METRIC_COUNT("dns.timed-out");
        forget(q);
        failed(q);
    }
}

/* True: the query has been answered, and is gone. */
static bool ask(struct resolver_query *q)
{
    struct resolver *r = q->resolver;
    bool inside = false;
    struct answer *old = remembered(q);
    if (old && answer_waits_in_vain(old, loop_now(r->loop)) &&
        loop_now(r->loop) - old->behind < ANSWERS_BEHIND_MS) {
        tell_old(q, old); /* somebody asked a moment ago, and that goes on */
        return true;
    }
    q->answered_inside = &inside;
    q->began_us = metric_clock_us();
    list_push_back(&r->queries, &q->link);
    int id = 0;
    /* The first question finishes the context's making, with state of the whole process. */
    bool first = !r->set_up;
    r->set_up = true;
    if (first)
        pthread_mutex_lock(&set_up_lock);
    int e = ub_resolve_event(r->ctx, q->name, q->type, CLASS_IN, q, answered, &id);
    if (first)
        pthread_mutex_unlock(&set_up_lock);
    if (inside)
        return true;
    q->answered_inside = NULL;
    if (e) {
        log_debug("resolver.refused", "%s: %s", q->name, ub_strerror(e));
        failed(q);
        return true;
    }
    q->async_id = id; /* not written by libunbound itself: q may be gone when it returns */
    q->outstanding = true;
    old = remembered(q); /* libunbound may have answered others meanwhile */
    if (!old || !answer_waits_in_vain(old, loop_now(r->loop)))
        return false;
    tell_early(q, old);
    return true;
}

static void begin_queued(void *arg)
{
    struct resolver *r = arg;
    /* a callback may queue more, which this loop then takes too, or free the resolver, which empties the list
     * at once and the rest at the end of the turn */
    for (struct list *it; (it = list_first(&r->queued)) != NULL;) {
        struct resolver_query *q = LIST_ENTRY(it, struct resolver_query, link);
        list_unlink(it);
        ask(q);
    }
}

static bool name_valid(struct slice name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = text_lower(name.p[i]);
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '.')
            return false;
    }
    return name.n <= RESOLVER_MAX_NAME;
}

struct resolver_query *resolver_ask(struct resolver *r, struct slice name, uint16_t type, resolver_done *done,
                                    void *arg)
{
    struct resolver_query *q = MEM_NEW(struct resolver_query);
    q->resolver = r;
    q->type = type;
    q->done = done;
    q->arg = arg;
    timer_init(&q->deadline, r->loop, too_late, q);
    if (!name_valid(name)) {
        tell(q, RESOLVER_FAILED, SLICE_NONE, false);
        return NULL;
    }
    if (name.n)
        memcpy(q->name, name.p, name.n);
    q->name[name.n] = '.'; /* absolute; the root is "." */
    q->give_up = loop_now(r->loop) + RESOLVER_TIMEOUT_MS;
    timer_start(&q->deadline, r->stale_ms ? loop_now(r->loop) + RESOLVER_STALE_AFTER_MS : q->give_up);
    if (r->in_callback) {
        list_push_back(&r->queued, &q->link);
        deferred_add(r->loop, &r->begin);
        return q;
    }
    return ask(q) ? NULL : q;
}

void resolver_cancel(struct resolver_query *q)
{
    if (!q || q->finished)
        return;
    forget(q);
    timer_stop(&q->deadline);
    list_unlink(&q->link);
    mem_free(q);
}

/* --- resolver --- */

static void destroy(void *arg)
{
    struct resolver *r = arg;
    pthread_mutex_lock(&set_up_lock);
    ub_ctx_delete(r->ctx);
    pthread_mutex_unlock(&set_up_lock);
    answers_fini(&r->memory);
    mem_free(r);
}

static uint64_t source_of(const struct resolver_config *config)
{
    uint64_t of = slice_hash(slice_str(config->trust_anchor)) * 31 + config->validate;
    for (size_t i = 0; i < config->n_servers && i < RESOLVER_MAX_SERVERS; i++) {
        char text[NET_ADDR_TEXT];
        of = (of * 31 + slice_hash(net_addr_host_text(&config->servers[i], text))) * 31 +
             net_addr_port(&config->servers[i]);
    }
    return of;
}

struct resolver *resolver_new(struct loop *l, const struct resolver_config *config)
{
    struct resolver *r = MEM_NEW(struct resolver);
    r->loop = l;
    pthread_mutex_lock(&set_up_lock);
    r->ctx = make_context(l, config);
    pthread_mutex_unlock(&set_up_lock);
    list_init(&r->queries);
    list_init(&r->queued);
    list_init(&r->detached);
    answers_init(&r->memory, config->records ? config->records : ANSWERS_MAX);
    r->stale_ms = config->stale_ms;
    r->shared = config->shared;
    r->source = source_of(config);
    deferred_init(&r->begin, begin_queued, r);
    deferred_init(&r->destroy, destroy, r);
    return r;
}

static void cancel_all(struct list *queries)
{
    for (struct list *it; (it = list_first(queries)) != NULL;)
        resolver_cancel(LIST_ENTRY(it, struct resolver_query, link));
}

void resolver_free(struct resolver *r)
{
    if (!r)
        return;
    cancel_all(&r->queries);
    cancel_all(&r->queued);
    for (struct list *it; (it = list_first(&r->detached)) != NULL;)
        detached_over(LIST_ENTRY(it, struct resolver_query, link));
    deferred_cancel(&r->begin);
    if (r->in_callback)
        deferred_add(r->loop, &r->destroy);
    else
        destroy(r);
}

bool resolver_is_busy(const struct resolver *r)
{
    return r->in_callback || !list_empty(&r->queries) || !list_empty(&r->queued);
}
