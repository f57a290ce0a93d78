/* Whose connection is read: at once while there is time for all, by turns (turns.h) when there is not; and
 * nothing from outside while the machines inside have no room for it. */
#include "element/reading.h"

#include "element/turns.h"

enum {
    READING_TURN_US = 2500,     /* of one turn of the loop; then what was gathered is sent. More of it under
                                   way falls out of the caches before its answer comes */
    READING_OUTSIDE_US = 625,   /* of it for the others when the machines inside could take all of it */
    READING_AT_ONCE = 16 << 10, /* of one connection, when others wait: a TLS record */
    READING_LOOK_MS = 1,        /* for the machines inside to make room */
    READING_STUCK_MS = 1000,
    READING_BACKLOG = 64 << 10, /* so much that a machine inside has not taken: it has no room */
};

/* ---------------------------------------------------------------- room inside */
/* What they have not taken, when none of them has room; else 0. */
static size_t hops_backlog(const struct shard *s)
{
    size_t sum = 0;
    LIST_FOR(it, &s->hops)
    {
        size_t waits = stream_backlog(LIST_ENTRY(it, struct flow, hop)->stream);
        if (waits < READING_BACKLOG)
            return 0;
        sum += waits;
    }
    return sum;
}

static enum hops_state hops_state_of(const struct shard *s)
{
    return (enum hops_state)atomic_load_explicit(&s->hops_state, memory_order_relaxed);
}

static void reading_look(void *arg)
{
    struct shard *s = arg;
    uint64_t now = loop_now(s->loop);
    size_t backlog = hops_backlog(s);
    enum hops_state was = hops_state_of(s), is = list_empty(&s->hops) ? HOPS_NONE : HOPS_ROOM;
    if (backlog) {
        if ((was != HOPS_FULL && was != HOPS_STUCK) || backlog < s->backlog)
            s->moved_ms = now;
        is = now - s->moved_ms < READING_STUCK_MS ? HOPS_FULL : HOPS_STUCK;
        timer_start(&s->look, now + READING_LOOK_MS);
    }
    s->backlog = backlog;
    atomic_store_explicit(&s->hops_state, is, memory_order_relaxed);
}

static bool is_edge(const struct element_config *c)
{
    for (size_t i = 0; i < c->n_listeners; i++)
        if (c->listeners[i].side == SIDE_EXTERNAL)
            return true;
    return false;
}

/* A worker without a connection of its own sends on those of others. */
enum hops_state reading_room(const struct shard *s)
{
    enum hops_state best = HOPS_NONE;
    if (!is_edge(s->config))
        return HOPS_ROOM;
    if (!list_empty(&s->hops))
        return hops_state_of(s);
    for (unsigned i = 0; i < s->e->n; i++) {
        enum hops_state is = hops_state_of(s->e->shards[i]);
        if (is != HOPS_NONE && (best == HOPS_NONE || is < best))
            best = is;
    }
    return best == HOPS_NONE ? HOPS_ROOM : best;
}

void reading_sent(const struct flow *f)
{
    if (list_linked(&f->hop) && stream_backlog(f->stream) >= READING_BACKLOG && !timer_running(&f->s->look))
        reading_look(f->s);
}

/* ---------------------------------------------------------------- turns */
static uint64_t turn_used(struct shard *s, uint64_t now_us)
{
    if (s->turn != loop_turn(s->loop)) {
        s->turn = loop_turn(s->loop);
        s->turn_us = now_us;
    }
    return now_us - s->turn_us;
}

uint64_t reading_owner(const struct flow *f)
{
    if (f->trusted)
        return f->owner;
    struct net_addr a = f->remote;
    net_addr_set_port(&a, 0);
    return net_addr_hash(&a);
}

static void reading_queue(struct flow *f)
{
    turns_add(&f->s->turns[f->inside], &f->queued, reading_owner(f));
}

static void reading_again(struct shard *s)
{
    bool now = s->turns[true].n || (s->turns[false].n && reading_room(s) != HOPS_FULL);
    if (now || s->turns[false].n)
        timer_start(&s->reading, loop_now(s->loop) + (now ? 0 : READING_LOOK_MS));
}

static bool reading_may(void *arg)
{
    struct flow *f = arg;
    struct shard *s = f->s;
    bool waits = s->turns[true].n || (!f->inside && s->turns[false].n);
    if (!waits && turn_used(s, account_clock_us()) < READING_TURN_US &&
        (f->inside || f->side == SIDE_INTERNAL || reading_room(s) != HOPS_FULL)) {
        f->late = false;
        return true;
    }
    reading_queue(f);
    if (!timer_running(&s->reading))
        reading_again(s);
    return false;
}

/* A standing queue: what comes now waits too long. Only whoever sends more than its share has one, for it is
 * read until it is empty as long as it is its turn. */
static bool reading_is_late(const struct flow *f, uint64_t now_us)
{
    uint64_t delay_us = (uint64_t)f->s->config->limits.delay_ms * 1000;
    return delay_us && f->queued.full_us && now_us - f->queued.full_us >= delay_us &&
           turns_delay_us(&f->queued, stream_unread(f->stream), now_us) >= delay_us;
}

static void reading_one(struct flow *f)
{
    struct shard *s = f->s;
    struct flow_ref ref = flow_ref_of(f);
    struct turns *t = &s->turns[f->inside];
    uint64_t began = account_clock_us();
    f->late = f->inbound && f->up && reading_is_late(f, began);
    s->late += f->late;
    bool more = stream_read(f->stream, READING_AT_ONCE);
    uint64_t now = account_clock_us();
    if (flow_find(s, ref)) {
        turns_read(&f->queued, READING_AT_ONCE, more, now);
        if (more) {
            reading_queue(f);
        } else {
            f->late = false;
            stream_resume(f->stream);
        }
    }
    turns_done(t, now - began);
}

static void reading_run(void *arg)
{
    struct shard *s = arg;
    struct turns *inside = &s->turns[true], *outside = &s->turns[false];
    uint64_t used = turn_used(s, account_clock_us());
    bool open = reading_room(s) != HOPS_FULL;
    while (used < READING_TURN_US) {
        bool in = inside->n && !(open && outside->n && used >= READING_TURN_US - READING_OUTSIDE_US);
        struct turns_client *c = in ? turns_next(inside) : open ? turns_next(outside) : NULL;
        if (!c)
            break;
        reading_one(LIST_ENTRY(c, struct flow, queued));
        used = turn_used(s, account_clock_us());
    }
    reading_again(s);
}

/* ---------------------------------------------------------------- life */
void reading_begin(struct flow *f)
{
    stream_pace(f->stream, reading_may);
}

void reading_up(struct flow *f)
{
    f->inside = f->side == SIDE_INTERNAL && (f->trusted || !f->inbound);
    if (f->inside)
        stream_prefer(f->stream);
    if (f->inside && !f->inbound) {
        list_push_back(&f->s->hops, &f->hop);
        reading_look(f->s);
    }
}

void reading_end(struct flow *f)
{
    turns_remove(&f->s->turns[f->inside], &f->queued);
    list_unlink(&f->hop);
}

void reading_init(struct shard *s)
{
    list_init(&s->hops);
    timer_init(&s->look, s->loop, reading_look, s);
    timer_init(&s->reading, s->loop, reading_run, s);
    for (int i = 0; i < 2; i++)
        turns_init(&s->turns[i]);
}

void reading_fini(struct shard *s)
{
    timer_stop(&s->look);
    timer_stop(&s->reading);
    for (int i = 0; i < 2; i++)
        turns_fini(&s->turns[i]);
}
