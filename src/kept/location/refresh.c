/* The promise on disk outlives the promise to the client; what lies between is for memory alone. */
#include "kept/location/priv.h"

int64_t refresh_promise(int64_t expires_ms, int64_t now_ms)
{
    int64_t granted = expires_ms > now_ms ? expires_ms - now_ms : 0;
    return expires_ms + (granted < LOCATION_MAX_SLACK_MS ? granted : LOCATION_MAX_SLACK_MS);
}

/* Also no longer than a row of its own would: who asks for less is not promised what it had before. */
static bool is_promised(const struct binding *b, int64_t expires_ms, int64_t now_ms)
{
    return expires_ms > now_ms && expires_ms <= b->promised_ms &&
           b->promised_ms <= refresh_promise(expires_ms, now_ms);
}

static bool only_prolongs(const struct binding *b, const struct location_request *rq, int64_t now_ms)
{
    const struct location_binding *v = &rq->changes[0].binding;
    return atomic_load(&b->expires_ms) > now_ms && !atomic_load(&b->lost) &&
           rq->cseq > atomic_load(&b->cseq) && slice_eq(b->v.call_id, rq->call_id) &&
           slice_eq(b->v.instance, v->instance) && slice_eq(b->v.path, v->path) && b->v.q == v->q &&
           b->v.transport == v->transport && net_addr_eq(&b->v.source, &v->source) &&
           memcmp(&b->v.flow, &v->flow, sizeof(v->flow)) == 0 && is_promised(b, v->expires_ms, now_ms);
}

/* Before those of the same q. */
static void move_forward(struct record *r, size_t i)
{
    struct binding *b = r->items[i];
    for (; i > 0 && r->items[i - 1]->v.q == b->v.q; i--)
        r->items[i] = r->items[i - 1];
    r->items[i] = b;
}

/* No other binding of the record can be the same contact: this one has replaced it, or been replaced. */
bool refresh_record(struct location *l, struct record *r, const struct location_request *rq, int64_t now_ms)
{
    size_t i = 0;
    if (rq->remove_all || rq->n != 1 || rq->changes[0].remove)
        return false;
    while (i < r->n && !slice_eq(r->items[i]->v.uri, rq->changes[0].uri))
        i++;
    if (i == r->n || !only_prolongs(r->items[i], rq, now_ms))
        return false;
    struct binding *b = r->items[i];
    atomic_store(&b->cseq, rq->cseq);
    atomic_store(&b->expires_ms, rq->changes[0].binding.expires_ms);
    b->turn = atomic_fetch_add(&l->next_turn, 1);
    move_forward(r, i);
    return true;
}
