/* See outgoing.h. */
#include "element/outgoing.h"

#include <stdio.h>

#include "element/pool.h"
#include "element/reading.h"
#include "element/way_back.h"

/* One message waiting for a connection to come up. */
struct outgoing {
    struct list link;
    struct slice identity;
    bool secure_name;
    uint32_t origin;
    char branch[BRANCH_TEXT]; /* of the client to be told when it cannot be sent; "" for nobody */
    size_t n;
    char bytes[]; /* the message, then the identity */
};
/* A request of another shard that went out on a connection of this one. */
struct relayed {
    struct map_entry by_branch;
    struct inflight inflight;
};

static void relayed_free(struct shard *s, struct relayed *r)
{
    list_unlink(&r->inflight.link);
    map_remove(&s->relayed, &r->by_branch);
    mem_free(r);
}

void flow_fail_all(struct flow *f, const char *why)
{
    struct shard *s = f->s;
    LIST_FOR(it, &f->waiting)
    {
        struct outgoing *o = LIST_ENTRY(it, struct outgoing, link);
        list_unlink(it);
        if (o->branch[0])
            client_failed(s->e, s, o->origin, o->branch, why);
        mem_free(o);
    }
    while (!list_empty(&f->inflight)) {
        struct inflight *i = LIST_ENTRY(list_first(&f->inflight), struct inflight, link);
        uint32_t origin = i->origin;
        char branch[BRANCH_TEXT];
        memcpy(branch, i->branch, sizeof(branch));
        if (origin != s->index)
            relayed_free(s, LIST_ENTRY(i, struct relayed, inflight));
        else
            list_unlink(&i->link);
        client_failed(s->e, s, origin, branch, why);
    }
}

bool flow_send(struct flow *f, struct slice message)
{
    if (f->dead || f->finishing || !f->up)
        return false;
    buf_append(stream_output(f->stream), message);
    stream_flush(f->stream);
    f->last_ms = loop_now(f->s->loop);
    return true;
}

static void flow_watch(struct flow *f, uint32_t origin, const char *branch, struct inflight *local)
{
    if (!branch[0])
        return;
    struct inflight *i = local;
    if (!i) {
        struct relayed *r = MEM_NEW(struct relayed);
        i = &r->inflight;
        snprintf(i->branch, sizeof(i->branch), "%s", branch);
        map_insert(&f->s->relayed, &r->by_branch, slice_hash(slice_str(branch)));
    }
    i->origin = origin;
    list_unlink(&i->link);
    list_push_back(&f->inflight, &i->link);
}

void flow_relayed_done(struct shard *s, struct slice branch)
{
    for (struct map_entry *e = map_first(&s->relayed, slice_hash(branch)); e; e = map_next(e)) {
        struct relayed *r = MAP_OBJECT(e, struct relayed, by_branch);
        if (slice_eq(slice_str(r->inflight.branch), branch)) {
            relayed_free(s, r);
            return;
        }
    }
}

static size_t flow_unread_max(const struct flow *f)
{
    return f->side == SIDE_INTERNAL && !f->inbound ? FLOW_INSIDE_UNREAD : FLOW_MAX_UNREAD;
}

void flow_send_request(struct flow *f, struct slice message, struct slice identity, bool secure_name,
                       uint32_t origin, const char *branch, struct inflight *inflight)
{
    struct shard *s = f->s;
    const char *why = NULL;
    bool proven = !f->up || f->finishing || f->half_closed || flow_admits(f, identity, secure_name);
    if (f->finishing || f->half_closed)
        why = "the connection is being closed";
    else if (!proven)
        why = "the peer's certificate does not prove the destination";
    else if (!f->up && f->waiting_bytes + message.n > FLOW_MAX_WAITING)
        why = "too much waits for this connection";
    else if (f->up && stream_pending_output(f->stream) > flow_unread_max(f))
        why = "too much waits to be read by the peer";
    if (why) {
        if (!proven && f->covered && f->pooled && !f->inbound)
            flow_retire(f); /* it proved it once: a new connection may again */
        if (branch[0])
            client_failed(s->e, s, origin, branch, why);
        return;
    }
    if (f->up) {
        f->covered = true;
        if (way_back_is(branch))
            way_back_told(s->e, origin, branch, true);
        else
            flow_watch(f, origin, branch, inflight);
        flow_send(f, message);
        reading_sent(f);
        return;
    }
    struct outgoing *o = mem_alloc(sizeof(*o) + message.n + identity.n);
    *o = (struct outgoing){.secure_name = secure_name, .origin = origin, .n = message.n};
    snprintf(o->branch, sizeof(o->branch), "%s", branch);
    memcpy(o->bytes, message.p, message.n);
    if (identity.n)
        memcpy(o->bytes + message.n, identity.p, identity.n);
    o->identity = (struct slice){o->bytes + message.n, identity.n};
    list_push_back(&f->waiting, &o->link);
    f->waiting_bytes += message.n;
}

void flow_send_waiting(struct flow *f)
{
    struct list todo = LIST_INIT(todo);
    LIST_FOR(it, &f->waiting)
    {
        list_unlink(it);
        list_push_back(&todo, it);
    }
    f->waiting_bytes = 0;
    LIST_FOR(it, &todo)
    {
        struct outgoing *o = LIST_ENTRY(it, struct outgoing, link);
        list_unlink(it);
        struct inflight *local =
            o->origin == f->s->index ? client_inflight(f->s, slice_str(o->branch)) : NULL;
        /* A client that is gone meanwhile (cancelled, timed out) sends nothing any more. */
        if (o->branch[0] == 0 || local || o->origin != f->s->index || way_back_is(o->branch))
            flow_send_request(f, slice_mem(o->bytes, o->n), o->identity, o->secure_name, o->origin, o->branch,
                              local);
        mem_free(o);
    }
}
