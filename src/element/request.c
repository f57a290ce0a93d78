/* What a service sees of a request, and says about it (element.h). */
#include "element/flow.h"
#include "element/shard.h"

#include <stdio.h>

const struct sip_msg *request_msg(const struct request *rq)
{
    return &rq->msg;
}

struct arena *request_arena(struct request *rq)
{
    return &rq->arena;
}

const struct element_config *request_config(const struct request *rq)
{
    return rq->config;
}

struct loop *request_loop(const struct request *rq)
{
    return rq->s->loop;
}

enum side request_side(const struct request *rq)
{
    return rq->src.side;
}

enum sip_transport request_transport(const struct request *rq)
{
    return rq->src.transport;
}

const struct net_addr *request_source(const struct request *rq)
{
    return &rq->src.from;
}

struct flow *request_flow(const struct request *rq)
{
    return rq->src.ref.worker == rq->s->index ? flow_find(rq->s, rq->src.ref) : NULL;
}

struct flow_ref request_flow_ref(const struct request *rq)
{
    return rq->src.ref;
}

void request_set_data(struct request *rq, void *data)
{
    rq->data = data;
}

void *request_data(const struct request *rq)
{
    return rq->data;
}

size_t request_own_routes(const struct request *rq, const struct sip_uri **ret)
{
    *ret = rq->own_routes;
    return rq->n_own_routes;
}

const struct sip_addr *request_next_route(const struct request *rq)
{
    return rq->next_route;
}

const struct sip_uri *request_uri(const struct request *rq)
{
    return &rq->uri;
}

const struct sip_addr *request_from(const struct request *rq)
{
    return &rq->msg.from;
}

const struct sip_addr *request_to(const struct request *rq)
{
    return &rq->msg.to;
}

void request_set_peer(struct request *rq, struct slice identity)
{
    rq->peer_identity = arena_cstr(&rq->arena, identity);
}

void request_trust(struct request *rq, struct slice owner)
{
    struct shard *s = rq->s;
    struct flow *f = request_flow(rq);
    if (f)
        flow_trust(f, owner);
    else if (!rq->trusted && rq->src.transport == SIP_UDP)
        sources_trust_datagram(s->e->sources, &s->config->limits, &rq->src.from, loop_now(s->loop));
    rq->trusted = rq->src.trusted = true;
}

void request_trace(struct request *rq, const char *fmt, ...)
{
    char note[TRACE_NOTE];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(note, sizeof(note), fmt, ap);
    va_end(ap);
    trace_add(&rq->s->trace, rq->call_hash, TRACE_NOTE_LINE, rq->msg.method, 0, NULL, note);
}
