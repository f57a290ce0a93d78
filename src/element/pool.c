/* See pool.h. */
#include "element/pool.h"

static uint64_t pool_hash(const struct net_addr *a, enum side side, enum sip_transport transport)
{
    return net_addr_hash(a) * 31 + (uint64_t)side * 7 + (uint64_t)transport;
}

void flow_pool(struct flow *f, const struct net_addr *destination)
{
    if (f->pooled)
        return;
    f->destination = *destination;
    f->pooled = true;
    map_insert(&f->s->pool, &f->pool_entry, pool_hash(destination, f->side, f->transport));
}

static struct destination_key flow_destination(const struct flow *f)
{
    struct target_address to = {
        .addr = f->destination, .transport = f->transport, .name = slice_str(f->name)};
    return destination_key_of(f->side, &to, slice_str(f->identity));
}

void flow_unpool(struct flow *f)
{
    if (f->ticket) {
        struct destination_key k = flow_destination(f);
        destinations_release(f->s->e->destinations, &k, f->ticket);
    }
    if (f->pooled)
        map_remove(&f->s->pool, &f->pool_entry);
    f->ticket = 0;
    f->pooled = false;
}

void flow_retire(struct flow *f)
{
    METRIC_COUNT("element.connection-retired");
    flow_unpool(f);
    f->retiring = true;
}

bool flow_admits(struct flow *f, struct slice identity, bool secure_name)
{
    return identity.n == 0 || f->s->config->ops->flow_covers(f->s->config, f, identity, secure_name);
}

/* Presents it the certificate that we would present now? */
static bool flow_is_as_we_are(const struct flow *f)
{
    const struct element_config *c = f->s->config;
    const struct tls_ctx *tls = stream_tls(f->stream);
    if (f->transport != SIP_TLS)
        return true;
    if (!f->inbound)
        return tls_ctx_same_identity(tls, c->sides[f->side].client_tls);
    for (size_t i = 0; i < c->n_listeners; i++)
        if (c->listeners[i].side == f->side && tls_ctx_same_identity(tls, c->listeners[i].tls))
            return true;
    return false;
}

/* One that we dialled was dialled for somebody, whom it must prove under each configuration anew; one that
 * came in proves what it proves. ret_stale: dialled by whom we are not now, or for a domain that it proved
 * once and does not prove now. One that never proved it stays: it fails each request, where dialling for each
 * would. */
static bool flow_may_serve(struct flow *f, struct slice identity, bool secure_name, bool *ret_stale)
{
    struct shard *s = f->s;
    *ret_stale = false;
    if (f->finishing || f->half_closed)
        return false;
    if (!flow_is_as_we_are(f)) {
        *ret_stale = !f->inbound;
        return false;
    }
    if (f->inbound)
        return identity.n && flow_admits(f, identity, secure_name);
    if (!slice_caseeq(slice_str(f->identity), identity) || f->secure_name != secure_name)
        return false;
    if (f->epoch != s->epoch && f->covered && !flow_admits(f, identity, secure_name)) {
        *ret_stale = true;
        return false;
    }
    f->epoch = s->epoch;
    return true;
}

struct flow *flow_standing(struct shard *s, enum side side, const struct target_address *to,
                           struct slice identity)
{
    uint64_t h = pool_hash(&to->addr, side, to->transport);
    for (struct map_entry *e = map_first(&s->pool, h), *next; e; e = next) {
        struct flow *f = MAP_OBJECT(e, struct flow, pool_entry);
        next = map_next(e);
        if (f->side != side || f->transport != to->transport || !net_addr_eq(&f->destination, &to->addr))
            continue;
        bool stale;
        if (flow_may_serve(f, identity, to->secure_name, &stale))
            return f;
        if (stale)
            flow_retire(f);
    }
    return NULL;
}

void flow_alias(struct flow *f, uint16_t port)
{
    if (f->pooled || !f->inbound || f->transport != SIP_TLS || flow_cert_verdict(f) != CRYPTO_VERIFY_OK)
        return;
    struct net_addr a = f->remote;
    net_addr_set_port(&a, port ? port : 5061);
    flow_pool(f, &a);
}

void flow_note_failure(struct flow *f, const char *why)
{
    struct destination_key k = flow_destination(f);
    if (!f->inbound && !f->finishing && f->s->config)
        destinations_failed(f->s->e->destinations, &k, &f->s->config->health, loop_now(f->s->loop), why);
}
