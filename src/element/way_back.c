/* See way_back.h. */
#include "element/way_back.h"

#include <stdio.h>

#include "element/flow.h"
#include "element/outgoing.h"
#include "element/port.h"

enum {
    WAYS_BACK_MAX = 1000,   /* of one shard at a time; beyond, a response is tried once */
    WAY_BACK_END_MS = 32000 /* who asked has given up (64*T1) */
};

/* A response that has no connection: where it may go, one place after the other. */
struct way_back {
    struct map_entry by_branch; /* in shard.ways_back */
    char branch[BRANCH_TEXT];
    struct shard *s;
    struct arena arena;
    enum side side;
    struct target_address first; /* where the request came from, with the port of sent-by */
    struct target sent_by;
    bool dialled; /* the first */
    bool may_look_up;
    struct target_query *query;
    struct target_address *list; /* NULL: sent-by has not been looked up */
    size_t n, next;
    uint64_t began_ms;
    struct slice identity, message;
};

static void way_back_free(struct way_back *w)
{
    map_remove(&w->s->ways_back, &w->by_branch);
    w->s->n_ways_back--;
    target_cancel(w->query);
    arena_fini(&w->arena);
    mem_free(w);
}

void ways_back_fini(struct shard *s)
{
    for (size_t i = 0; i < s->ways_back.n_slots; i++)
        while (s->ways_back.slots[i])
            way_back_free(MAP_OBJECT(s->ways_back.slots[i], struct way_back, by_branch));
    map_fini(&s->ways_back);
}

/* ---------------------------------------------------------------- one place after the other */
static void way_back_try(struct way_back *w, const struct target_address *to)
{
    METRIC_COUNT("element.response-redialled");
    client_transmit(w->s, w->side, to, (struct flow_ref){0}, w->identity, w->message, w->branch, NULL);
}

static void way_back_give_up(struct way_back *w)
{
    METRIC_COUNT("element.response-undeliverable");
    way_back_free(w);
}

static void way_back_dial(struct way_back *w)
{
    w->dialled = true;
    way_back_try(w, &w->first);
}

/* The next one but the first, which has been tried. */
static void way_back_next(struct way_back *w)
{
    while (w->next < w->n) {
        const struct target_address *to = &w->list[w->next++];
        if (to->transport == w->first.transport && net_addr_eq(&to->addr, &w->first.addr))
            continue;
        way_back_try(w, to);
        return;
    }
    way_back_give_up(w);
}

static void way_back_resolved(void *arg, enum target_outcome outcome, struct target_address *list, size_t n)
{
    struct way_back *w = arg;
    w->query = NULL;
    w->list = list;
    w->n = outcome == TARGETS_FOUND ? n : 0;
    way_back_next(w);
}

static void way_back_failed(struct way_back *w)
{
    if (loop_now(w->s->loop) - w->began_ms > WAY_BACK_END_MS)
        way_back_give_up(w);
    else if (!w->dialled)
        way_back_dial(w);
    else if (w->list)
        way_back_next(w);
    else if (w->may_look_up)
        w->query = target_resolve(w->s, &w->sent_by, &w->arena, way_back_resolved, w);
    else
        way_back_give_up(w);
}

/* ---------------------------------------------------------------- what became of it */
struct told_mail {
    struct mail mail;
    struct element *e;
    uint32_t origin;
    bool out;
    char branch[BRANCH_TEXT];
};

static struct way_back *way_back_find(struct shard *s, struct slice branch)
{
    for (struct map_entry *e = map_first(&s->ways_back, slice_hash(branch)); e; e = map_next(e)) {
        struct way_back *w = MAP_OBJECT(e, struct way_back, by_branch);
        if (slice_eq(slice_str(w->branch), branch))
            return w;
    }
    return NULL;
}

static void way_back_told_here(struct mail *mail, struct loop *to)
{
    struct told_mail *m = (struct told_mail *)mail;
    struct way_back *w = m->e->ending ? NULL : way_back_find(m->e->shards[m->origin], slice_str(m->branch));
    (void)to;
    if (w && m->out)
        way_back_free(w);
    else if (w)
        way_back_failed(w);
    mem_free(m);
}

/* By mail even to oneself, as client_failed. */
void way_back_told(struct element *e, uint32_t origin, const char *branch, bool out)
{
    if (e->ending)
        return;
    struct told_mail *m = MEM_NEW(struct told_mail);
    *m = (struct told_mail){.mail.deliver = way_back_told_here, .e = e, .origin = origin, .out = out};
    snprintf(m->branch, sizeof(m->branch), "%s", branch);
    loop_post(e->shards[origin]->loop, &m->mail);
}

/* ---------------------------------------------------------------- beginning */
static struct way_back *way_back_new(const struct source *src, const struct sip_via *via,
                                     struct slice message, struct slice identity,
                                     const struct target_address *first)
{
    struct shard *s = src->s;
    struct way_back *w = MEM_NEW(struct way_back);
    w->s = s;
    w->side = src->side;
    w->began_ms = loop_now(s->loop);
    w->message = arena_copy(&w->arena, message);
    w->identity = arena_copy(&w->arena, identity);
    w->sent_by = (struct target){.kind = TARGET_NAME,
                                 .side = src->side,
                                 .host = arena_copy(&w->arena, via->host),
                                 .port = via->port,
                                 .transport = src->transport};
    w->first = *first;
    w->first.name = w->sent_by.host;
    /* Nobody unknown has us look up names, and send to what they say. */
    w->may_look_up = src->trusted;
    snprintf(w->branch, sizeof(w->branch), "%c%llu", WAY_BACK_MARK, (unsigned long long)++s->branch_counter);
    map_insert(&s->ways_back, &w->by_branch, slice_hash(slice_str(w->branch)));
    s->n_ways_back++;
    return w;
}

static void source_send_datagram(const struct source *src, const struct sip_via *via, struct slice message)
{
    struct net_addr to = src->from, maddr;
    if (!via->has_rport)
        net_addr_set_port(&to, via->port ? via->port : 5060);
    /* nobody unknown has answers sent to a third */
    if (src->trusted && via->maddr.n && !via->has_rport &&
        net_addr_parse(via->maddr, net_addr_port(&to), &maddr) == 0)
        to = maddr;
    if (src->port)
        udp_gather(src->port->udp, message, &to);
}

void source_send(const struct source *src, const struct sip_via *via, struct slice message,
                 struct slice peer_identity)
{
    struct shard *s = src->s;
    METRIC_COUNT("element.response-out");
    if (src->transport == SIP_UDP) {
        source_send_datagram(src, via, message);
        return;
    }
    struct flow *f = src->ref.worker == s->index ? flow_find(s, src->ref) : NULL;
    if (f && flow_send(f, message))
        return;
    bool elsewhere = src->ref.worker != s->index, known = src->transport != SIP_TLS || peer_identity.n;
    struct target_address first = {.addr = src->from, .transport = src->transport, .name = via->host};
    net_addr_set_port(&first.addr, via->port ? via->port : src->transport == SIP_TLS ? 5061 : 5060);
    struct way_back *w = known && s->n_ways_back < WAYS_BACK_MAX
                             ? way_back_new(src, via, message, peer_identity, &first)
                             : NULL;
    if (elsewhere)
        client_transmit(s, src->side, &first, src->ref, SLICE_NONE, message, w ? w->branch : "", NULL);
    else if (w)
        way_back_dial(w);
    else if (known)
        client_transmit(s, src->side, &first, (struct flow_ref){0}, peer_identity, message, "", NULL);
    else
        METRIC_COUNT("element.response-undeliverable");
}
