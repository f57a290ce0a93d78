/* Whether new work is begun: by whose queue stands, by what the next hop takes, by memory. */
#include "element/flow.h"
#include "element/reading.h"

#include <stdio.h>

enum {
    OVERLOAD_LATE_ONE_OF = 16, /* new requests of a connection with a standing queue that are refused */
    OVERLOAD_PLACES = 4096,
    OVERLOAD_WORTH_ENDING = 16 << 10, /* bytes in the buffers of a connection */
    OVERLOAD_RETRY_S = 1,             /* Retry-After, plus up to four more (RFC 3261 21.5.4; spread) */
    OVERLOAD_RETRY_SPREAD = 5,
    OVERLOAD_FLOW_BYTES = 28 << 10, /* of a TLS connection, apart from what waits on it */
    OVERLOAD_COPIES = 6, /* of a message's text: as it went, its answer, and what buffers keep free */
};

/* ---------------------------------------------------------------- memory */
/* The heap's own part of it included: an eighth. */
void overload_count(struct request *rq)
{
    size_t bytes = sizeof(*rq) + sizeof(struct client) + rq->arena.total + OVERLOAD_COPIES * rq->msg.text.n;
    bytes += bytes / 8;
    rq->s->held += bytes - rq->held;
    if (rq->share) {
        shares_hold(rq->share, (int64_t)bytes - (int64_t)rq->share_held);
        rq->share_held = bytes;
    }
    rq->held = bytes;
}

static size_t overload_flow_bytes(const struct flow *f)
{
    return sizeof(*f) + f->waiting_bytes + (f->stream ? stream_memory(f->stream) : 0) +
           (f->transport == SIP_TLS ? OVERLOAD_FLOW_BYTES : 0);
}

static uint64_t memory_of_all(const struct element *e)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < e->n; i++)
        sum += atomic_load(&e->shards[i]->load_memory);
    return sum;
}

static uint64_t memory_ceiling(const struct shard *s)
{
    return s->config->limits.memory_mib ? (uint64_t)s->config->limits.memory_mib << 20 : UINT64_MAX;
}

static uint64_t memory_free(const struct shard *s)
{
    uint64_t used = s->memory + s->held + s->held_flows, ceiling = memory_ceiling(s);
    return used < ceiling ? ceiling - used : 0;
}

bool overload_memory_full(const struct shard *s)
{
    return memory_free(s) == 0;
}

/* ---------------------------------------------------------------- measuring */
/* One line when it begins, one when it has been over for a while. */
static void overload_tell(struct shard *s, const char *why, uint32_t wait)
{
    char worker[16], ms[16];
    if (why)
        METRIC_COUNT("element.overload-intervals");
    s->calm = why || shares_overloaded(&s->shares) ? 0 : s->calm + 1;
    bool on = why || (s->overloaded && s->calm < SHARE_CALM);
    if (on == s->overloaded)
        return;
    s->overloaded = on;
    shard_note(&s->load_overloaded, on);
    snprintf(worker, sizeof(worker), "%u", s->index);
    snprintf(ms, sizeof(ms), "%u", wait);
    if (on)
        log_event(LOG_WARN, "element.overloaded",
                  FIELDS({"worker", slice_str(worker)}, {"wait_ms", slice_str(ms)}, {"why", slice_str(why)}),
                  "%s: who sends most has to wait, and some of its new requests are refused", why);
    else
        log_event(LOG_INFO, "element.overload-over", FIELDS({"worker", slice_str(worker)}),
                  "all requests are admitted again");
}

static void overload_measure(struct shard *s, uint64_t now)
{
    const struct element_limits *l = &s->config->limits;
    uint32_t wait = loop_wait_least(s->loop);
    const char *why = NULL;
    atomic_store(&s->load_memory, s->held + s->held_flows);
    s->memory = memory_of_all(s->e) - s->held - s->held_flows;
    bool memory = s->memory + s->held + s->held_flows >= memory_ceiling(s) / 10 * 9;
    if (memory)
        why = "memory is nearly used up";
    else if (l->delay_ms && wait >= l->delay_ms)
        why = "messages wait too long for the processor";
    shares_measure(&s->shares, why != NULL, now);
    s->memory_tight = memory || (s->memory_tight && shares_overloaded(&s->shares));
    if (reading_room(s) == HOPS_STUCK)
        why = "the machines inside take nothing";
    else if (s->late && !why)
        why = "more comes than can be done";
    s->late = 0;
    overload_tell(s, why, wait);
}

/* ---------------------------------------------------------------- who is held up */
static void overload_read_on(void *arg)
{
    struct shard *s = arg;
    LIST_FOR(it, &s->held_up)
    {
        list_unlink(it);
        stream_hold(LIST_ENTRY(it, struct flow, held_up)->stream, false);
    }
}

/* TCP tells the sender to wait. Never on the inside: responses come there. False: it cannot be. */
static bool overload_hold(struct flow *f, uint32_t ms)
{
    struct shard *s = f->s;
    uint64_t until = loop_now(s->loop) + ms;
    if (!f->inbound || f->inside)
        return false;
    METRIC_COUNT("element.overload-held");
    list_push_back(&s->held_up, &f->held_up);
    stream_hold(f->stream, true);
    if (!timer_running(&s->read_on) || s->read_on.at > until)
        timer_start(&s->read_on, until);
    return true;
}

/* ---------------------------------------------------------------- requests */
static enum share_class overload_class(const struct sip_msg *m)
{
    switch (m->method) {
    case SIP_ACK:
    case SIP_CANCEL:
    case SIP_BYE:
    case SIP_PRACK:
        return SHARE_END;
    default:
        return m->to_tag.n ? SHARE_DIALOG : SHARE_NEW;
    }
}

uint64_t overload_owner(const struct source *src, const struct sip_msg *m, struct slice *ret_name)
{
    *ret_name = SLICE_NONE;
    const struct flow *f = src->flow;
    const struct element_ops *ops = src->s->config->ops;
    if (f && f->trusted && f->side == SIDE_INTERNAL && ops->share) {
        struct slice name = ops->share(src->s->config, m);
        if (name.n) {
            *ret_name = name;
            return slice_casehash(name);
        }
    }
    if (f && f->trusted)
        return f->owner;
    struct net_addr a = src->from;
    net_addr_set_port(&a, 0);
    return net_addr_hash(&a);
}

/* Told to come again although nobody counted it as too much: its queue stands, or nobody inside takes it. */
static bool overload_turns_away(const struct source *src, enum share_class class)
{
    struct flow *f = src->flow;
    if (class != SHARE_NEW || !f || f->inside)
        return false;
    if (f->side == SIDE_EXTERNAL && reading_room(src->s) == HOPS_STUCK)
        return true;
    return f->late && ++f->asked_late % OVERLOAD_LATE_ONE_OF == 0;
}

static enum share_verdict overload_refuse(const struct source *src, const struct sip_msg *m, bool silent)
{
    guard_tell(src->s, &src->from, "element.overload-refused",
               "this machine is overloaded, and it has had its share");
    unsigned status = silent ? 0 : guard_answer(src, m, OVERLOAD_RETRY_S, OVERLOAD_RETRY_SPREAD);
    access_stateless(src, m,
                     &(struct access_short){
                         .status = status, .refusal = &REFUSE_OVERLOAD, .limit = "element.overload-refused"});
    return SHARE_REFUSED;
}

/* What comes by a connection is not counted against the processor's time: it waits its turn (reading.c). */
enum share_verdict overload_admits(const struct source *src, const struct sip_msg *m, struct share **ret)
{
    struct shard *s = src->s;
    uint64_t now = loop_now(s->loop);
    enum share_class class = overload_class(m);
    struct slice name;
    if (shares_due(&s->shares, now))
        overload_measure(s, now);
    if (overload_turns_away(src, class))
        return overload_refuse(src, m, false);
    struct share_room room = {.by_rate = !src->flow || s->memory_tight,
                              .pending_max = s->config->limits.requests / s->e->n,
                              .bytes = memory_free(s)};
    enum share_verdict v = shares_ask(&s->shares, overload_owner(src, m, &name), class, &room, ret);
    if (v == SHARE_ADMITTED ||
        (v == SHARE_FLOODED && src->flow && overload_hold(src->flow, SHARE_INTERVAL_MS)))
        return v;
    /* over UDP silence is the best answer to a flood */
    return overload_refuse(src, m, v == SHARE_FLOODED && !src->flow);
}

/* ---------------------------------------------------------------- connections that hold memory */
/* What others may hold in a connection's buffers: unfinished messages, and answers that they do not read. */
static size_t overload_may_go(const struct flow *f)
{
    return f->inbound && !f->inside && f->stream ? f->waiting_bytes + stream_memory(f->stream) : 0;
}

/* Memory is used up, and refusing does not help: the connections of who holds most in them end, until a tenth
 * is free. By a hash of owners: two who share a place are one, which is no worse than one with two names. */
static void overload_make_room(struct shard *s)
{
    static _Thread_local size_t held[OVERLOAD_PLACES];
    size_t most = 0;
    memset(held, 0, sizeof(held));
    LIST_FOR(it, &s->flows)
    {
        const struct flow *f = LIST_ENTRY(it, struct flow, link);
        size_t place = reading_owner(f) % OVERLOAD_PLACES;
        held[place] += overload_may_go(f);
        if (held[place] > held[most])
            most = place;
    }
    LIST_FOR(it, &s->flows)
    {
        struct flow *f = LIST_ENTRY(it, struct flow, link);
        size_t bytes = overload_may_go(f);
        if (bytes < OVERLOAD_WORTH_ENDING || reading_owner(f) % OVERLOAD_PLACES != most)
            continue;
        if (memory_free(s) >= memory_ceiling(s) / 10)
            return;
        s->held_flows -= bytes < s->held_flows ? bytes : s->held_flows;
        METRIC_COUNT("element.memory-ended");
        guard_tell(s, &f->remote, "element.memory-full", "memory is used up");
        flow_end(f, "memory is used up");
    }
}

void overload_housekeeping(struct shard *s, uint64_t now)
{
    size_t sum = 0;
    LIST_FOR(it, &s->flows)
    {
        struct flow *f = LIST_ENTRY(it, struct flow, link);
        sum += overload_flow_bytes(f);
        /* what nobody welcome has begun and not ended goes first */
        if (overload_memory_full(s) && f->inbound && !f->trusted && f->partial_ms) {
            guard_tell(s, &f->remote, "element.memory-full", "memory is used up");
            flow_end(f, "memory is used up");
        }
    }
    s->held_flows = sum;
    if (overload_memory_full(s))
        overload_make_room(s);
    if (shares_due(&s->shares, now))
        overload_measure(s, now);
}

void overload_init(struct shard *s)
{
    shares_init(&s->shares);
    list_init(&s->held_up);
    reading_init(s);
    timer_init(&s->read_on, s->loop, overload_read_on, s);
}

void overload_fini(struct shard *s)
{
    timer_stop(&s->read_on);
    reading_fini(s);
    shares_fini(&s->shares);
}
