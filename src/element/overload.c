/* Whether new work is begun: by how long messages wait here, by what the next hop takes, by memory. */
#include "element/flow.h"
#include "element/shard.h"

#include <stdio.h>

enum {
    OVERLOAD_TURN_MS = 10, /* for a machine inside to take what a turn has gathered */
    OVERLOAD_TURN_REQUESTS = 2000,
    OVERLOAD_STUCK_MS = 1000,
    OVERLOAD_RETRY_S = 1, /* Retry-After, plus up to four more (RFC 3261 21.5.4; spread) */
    OVERLOAD_RETRY_SPREAD = 5,
    OVERLOAD_FLOW_BYTES = 28 << 10,  /* of a TLS connection, apart from what waits on it */
    OVERLOAD_MAX_GATHERED = 2 << 20, /* for one machine in one turn: what comes waits for the next */
    OVERLOAD_BACKLOG = 256 << 10,    /* so much that a machine has not read is a sign of overload */
    OVERLOAD_COPIES = 6, /* of a message's text: as it went, its answer, and what buffers keep free */
};

/* ---------------------------------------------------------------- memory */
/* The heap's own part of it included: an eighth. */
void overload_count(struct request *rq)
{
    size_t bytes = sizeof(*rq) + sizeof(struct client) + rq->arena.total + OVERLOAD_COPIES * rq->msg.text.n;
    bytes += bytes / 8;
    rq->s->held += bytes - rq->held;
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

bool overload_memory_full(const struct shard *s)
{
    return s->memory + s->held + s->held_flows >= memory_ceiling(s);
}

/* ---------------------------------------------------------------- measuring */
/* The machines inside take no more: none of those that we send to. One of several that is stuck is no
 * overload. */
static bool hops_are_full(const struct shard *s)
{
    LIST_FOR(it, &s->flows)
    {
        const struct flow *f = LIST_ENTRY(it, struct flow, link);
        if (!f->inbound && f->up && f->side == SIDE_INTERNAL &&
            stream_pending_output(f->stream) < OVERLOAD_BACKLOG)
            return false;
    }
    return true;
}

/* After a request went out on f: is there room for more, there or at another machine? */
void overload_sent(const struct flow *f)
{
    struct shard *s = f->s;
    uint64_t now = loop_now(s->loop);
    size_t waits = stream_pending_output(f->stream);
    if (f->inbound || f->side != SIDE_INTERNAL || waits < OVERLOAD_MAX_GATHERED || s->full_ms == now ||
        !hops_are_full(s))
        return;
    if (now - s->full_ms > OVERLOAD_STUCK_MS)
        s->full_since = s->moved_ms = now;
    if (waits < s->full_bytes)
        s->moved_ms = now;
    s->full_bytes = waits;
    s->full_ms = now;
}

/* What comes may wait until there is, as long as something moves. Else they are stuck, and senders have to be
 * told. */
static bool hops_need_time(const struct shard *s, uint64_t now)
{
    return s->full_ms == now && now - s->moved_ms < OVERLOAD_STUCK_MS;
}

/* So many begun at once that the others have waited long enough: the rest comes in a later turn. */
static bool turn_is_long(struct shard *s, uint64_t now)
{
    if (s->turn_ms != now) {
        s->turn_ms = now;
        s->turn_requests = 0;
    }
    return ++s->turn_requests > OVERLOAD_TURN_REQUESTS;
}

static void overload_tell(struct shard *s, bool bad, uint32_t wait, const char *why)
{
    bool on = shares_overloaded(&s->shares);
    char worker[16], ms[16];
    if (bad)
        METRIC_COUNT("element.overload-intervals");
    if (on == s->overloaded)
        return;
    s->overloaded = on;
    snprintf(worker, sizeof(worker), "%u", s->index);
    snprintf(ms, sizeof(ms), "%u", wait);
    if (on)
        log_event(LOG_WARN, "element.overloaded",
                  FIELDS({"worker", slice_str(worker)}, {"wait_ms", slice_str(ms)}, {"why", slice_str(why)}),
                  "%s: new requests are refused, of those first who send most", why);
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
    if (l->delay_ms && wait >= l->delay_ms)
        why = "messages wait too long for the processor";
    else if (now - s->full_ms < OVERLOAD_TURN_MS && now - s->full_since >= SHARE_INTERVAL_MS)
        why = "the machines inside take no more";
    else if (s->memory + s->held + s->held_flows >= memory_ceiling(s) / 10 * 9)
        why = "memory is nearly used up";
    shares_measure(&s->shares, why != NULL, now);
    overload_tell(s, why != NULL, wait, why);
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
    if (!f->inbound || (f->trusted && f->side == SIDE_INTERNAL))
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

/* With whom it shares: who is proven on its connection, else its address; a machine inside speaks for many,
 * so there by the domain that it is for or from. */
static uint64_t overload_owner(const struct source *src, const struct sip_msg *m)
{
    const struct flow *f = src->flow;
    const struct element_ops *ops = src->s->config->ops;
    if (f && f->trusted && f->side == SIDE_INTERNAL && ops->share) {
        struct slice name = ops->share(src->s->config, m);
        if (name.n)
            return slice_casehash(name);
    }
    if (f && f->trusted)
        return f->owner;
    struct net_addr a = src->from;
    net_addr_set_port(&a, 0);
    return net_addr_hash(&a);
}

enum share_verdict overload_admits(const struct source *src, const struct sip_msg *m, struct share **ret)
{
    struct shard *s = src->s;
    uint64_t now = loop_now(s->loop);
    enum share_class class = overload_class(m);
    if (shares_due(&s->shares, now))
        overload_measure(s, now);
    if ((hops_need_time(s, now) || turn_is_long(s, now)) && class != SHARE_END && src->flow &&
        overload_hold(src->flow, OVERLOAD_TURN_MS))
        return SHARE_FLOODED;
    enum share_verdict v =
        shares_ask(&s->shares, overload_owner(src, m), class, s->config->limits.requests / s->e->n, ret);
    if (v == SHARE_ADMITTED && class != SHARE_END && overload_memory_full(s)) {
        shares_done(&s->shares, *ret);
        v = SHARE_REFUSED;
    }
    if (v == SHARE_ADMITTED ||
        (v == SHARE_FLOODED && src->flow && overload_hold(src->flow, SHARE_INTERVAL_MS)))
        return v;
    guard_tell(s, &src->from, "element.overload-refused",
               "this machine is overloaded, and it has had its share");
    bool answers = v == SHARE_REFUSED || src->flow; /* over UDP silence is the best answer to a flood */
    if (answers)
        guard_answer(src, m, OVERLOAD_RETRY_S, OVERLOAD_RETRY_SPREAD);
    access_stateless(src, m,
                     &(struct access_short){.status = answers ? REFUSE_OVERLOAD.status : 0,
                                            .refusal = &REFUSE_OVERLOAD,
                                            .limit = "element.overload-refused"});
    return SHARE_REFUSED;
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
    if (shares_due(&s->shares, now))
        overload_measure(s, now);
}

void overload_init(struct shard *s)
{
    shares_init(&s->shares);
    list_init(&s->held_up);
    timer_init(&s->read_on, s->loop, overload_read_on, s);
}

void overload_fini(struct shard *s)
{
    timer_stop(&s->read_on);
    shares_fini(&s->shares);
}
