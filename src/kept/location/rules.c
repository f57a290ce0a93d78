#include "kept/location/priv.h"

bool plan_has(const struct plan *p, const struct binding *b)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->next[i] == b)
            return true;
    return false;
}

void plan_init(struct plan *p, struct location *l, struct slice aor, uint64_t hash)
{
    p->aor = aor;
    p->hash = hash;
    p->record = index_find(l, aor, hash);
    p->n = p->record ? p->record->n : 0;
    if (p->n)
        memcpy(p->next, p->record->items, p->n * sizeof(p->next[0]));
}

void plan_drop_expired(struct plan *p, int64_t now_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->n; i++)
        if (atomic_load(&p->next[i]->expires_ms) > now_ms)
            p->next[kept++] = p->next[i];
    p->n = kept;
}

/* RFC 3261 10.3 steps 6 and 7: the same Call-ID needs a higher CSeq. */
static bool is_stale(const struct request *rq, const struct binding *b)
{
    return slice_eq(b->v.call_id, rq->call_id) && rq->cseq <= atomic_load(&b->cseq);
}

static bool same_uri(const struct request_change *c, const struct binding *b)
{
    struct sip_uri uri;
    if (slice_eq(c->text, b->v.uri))
        return true;
    return c->is_uri && sip_uri_parse(b->v.uri, &uri) == 0 && sip_uri_equal(&c->uri, &uri);
}

static bool same_contact(const struct request_change *c, const struct binding *b)
{
    /* a urn:uuid is compared without case (RFC 5626 section 4.1) */
    return same_uri(c, b) || (c->instance.n && slice_caseeq(c->instance, b->v.instance));
}

/* Takes out what the change replaces or removes. False: stale. */
static bool take_out(struct plan *p, const struct request *rq, const struct request_change *c, int64_t *since)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->n; i++) {
        struct binding *b = p->next[i];
        if (!same_contact(c, b)) {
            p->next[kept++] = b;
            continue;
        }
        /* named twice in one request: the later one counts */
        if (b->asked != rq && is_stale(rq, b))
            return false;
        if (slice_eq(c->text, b->v.uri))
            *since = b->since;
    }
    p->n = kept;
    return true;
}

static enum location_outcome apply_changes(struct plan *p, const struct request *rq)
{
    size_t before = p->n;
    for (size_t i = 0; i < rq->n; i++) {
        const struct request_change *c = &rq->changes[i];
        int64_t since = 0;
        if (!take_out(p, rq, c, &since))
            return LOCATION_STALE;
        if (c->remove)
            continue;
        c->binding->since = since ? since : c->binding->id;
        p->next[p->n++] = c->binding;
    }
    /* a limit that was lowered does not keep a client from refreshing what it has */
    return p->n > rq->max_contacts && p->n > before ? LOCATION_TOO_MANY : LOCATION_OK;
}

static enum location_outcome apply_remove_all(struct plan *p, const struct request *rq)
{
    for (size_t i = 0; i < p->n; i++)
        if (is_stale(rq, p->next[i]))
            return LOCATION_STALE;
    p->n = 0;
    return LOCATION_OK;
}

enum location_outcome rules_apply(struct plan *p, const struct request *rq, int64_t now_ms)
{
    struct binding *before[LOCATION_MAX_CONTACTS];
    plan_drop_expired(p, now_ms); /* not there any more, whatever comes of this */
    size_t n = p->n;
    memcpy(before, p->next, n * sizeof(before[0]));
    enum location_outcome r = rq->remove_all ? apply_remove_all(p, rq) : apply_changes(p, rq);
    if (r != LOCATION_OK) {
        memcpy(p->next, before, n * sizeof(before[0]));
        p->n = n;
    }
    return r;
}
