/* See dial.h; never more connections to a partner than are allowed. */
#include "element/dial.h"

#include "element/pool.h"

/* One that must go, so that another may be made in its place; its owner closes it in order. */
struct give_up_mail {
    struct mail mail;
    struct element *e;
    uint32_t worker;
    destination_ticket ticket;
};

static struct flow *flow_with_ticket(struct shard *s, destination_ticket ticket)
{
    LIST_FOR(it, &s->flows)
    if (LIST_ENTRY(it, struct flow, link)->ticket == ticket)
        return LIST_ENTRY(it, struct flow, link);
    return NULL;
}

static void flow_given_up(struct mail *mail, struct loop *to)
{
    struct give_up_mail *m = (struct give_up_mail *)mail;
    struct flow *f = m->e->ending ? NULL : flow_with_ticket(m->e->shards[m->worker], m->ticket);
    (void)to;
    if (f)
        flow_retire(f);
    mem_free(m);
}

static void flow_give_up(struct shard *s, uint32_t worker, destination_ticket ticket)
{
    struct give_up_mail *m = MEM_NEW(struct give_up_mail);
    *m = (struct give_up_mail){.mail.deliver = flow_given_up, .e = s->e, .worker = worker, .ticket = ticket};
    loop_post(s->e->shards[worker]->loop, &m->mail);
}

static struct flow *flow_made(struct shard *s, enum side side, const struct target_address *to,
                              struct slice identity, bool traffic, uint32_t *ret_worker)
{
    struct destination_key k = destination_key_of(side, to, identity);
    destination_ticket ticket, old;
    for (;;) {
        struct flow *f;
        switch (destinations_dial(s->e->destinations, &k, identity, traffic, s->index,
                                  s->config->connections_per_destination, loop_now(s->loop), &ticket,
                                  ret_worker, &old)) {
        case DIAL_INSTEAD:
            flow_give_up(s, *ret_worker, old);
            *ret_worker = s->index;
            return flow_dial(s, side, to, identity, ticket);
        case DIAL_NEW:
            return flow_dial(s, side, to, identity, ticket);
        case DIAL_OTHER:
            break;
        }
        if (*ret_worker != s->index)
            return NULL;
        /* Our own, and yet not standing: it was dialled for what DNS said of the same partner before. */
        f = flow_with_ticket(s, old);
        if (!f)
            return NULL;
        flow_retire(f);
    }
}

static struct flow *flow_have(struct shard *s, enum side side, const struct target_address *to,
                              struct slice identity, bool traffic, uint32_t *ret_worker)
{
    struct flow *f = flow_standing(s, side, to, identity);
    *ret_worker = s->index;
    if (f)
        return f;
    if (s->n_flows >= ELEMENT_MAX_FLOWS || (to->transport == SIP_TLS && !s->config->sides[side].client_tls))
        return NULL;
    return flow_made(s, side, to, identity, traffic, ret_worker);
}

struct flow *flow_to(struct shard *s, enum side side, const struct target_address *to, struct slice identity,
                     uint32_t *ret_worker)
{
    return flow_have(s, side, to, identity, true, ret_worker);
}

struct flow *flow_to_probe(struct shard *s, enum side side, const struct target_address *to,
                           struct slice identity, uint32_t *ret_worker)
{
    return flow_have(s, side, to, identity, false, ret_worker);
}
