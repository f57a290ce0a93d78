/* The client side of one attempt at one target: its transaction, and the way its bytes take. */
#include "element/branch.h"
#include "element/dial.h"
#include "element/flow.h"
#include "element/outgoing.h"
#include "element/port.h"
#include "element/shard.h"
#include "element/way_back.h"

#include <stdio.h>

static void transmit_post(struct shard *s, uint32_t to_shard, enum side side, const struct target_address *to,
                          struct flow_ref flow, struct slice identity, struct slice bytes, uint32_t origin,
                          const char *branch, unsigned hops);

/* ---------------------------------------------------------------- finding */
/* A CANCEL has the branch of its INVITE (9.1); every other method is found by the branch alone. */
static struct client *client_find(struct shard *s, struct slice branch, enum sip_method method)
{
    for (struct map_entry *e = map_first(&s->clients, slice_hash(branch)); e; e = map_next(e)) {
        struct client *c = MAP_OBJECT(e, struct client, by_branch);
        if (slice_eq(slice_str(c->inflight.branch), branch) &&
            (c->method == SIP_CANCEL) == (method == SIP_CANCEL))
            return c;
    }
    return NULL;
}

struct inflight *client_inflight(struct shard *s, struct slice branch)
{
    struct client *c = client_find(s, branch, SIP_METHOD_OTHER);
    return c ? &c->inflight : NULL;
}

/* ---------------------------------------------------------------- life */
void client_free(struct client *c)
{
    if (c->br && c->br->client == c)
        c->br->client = NULL;
    timer_stop(&c->timer);
    list_unlink(&c->inflight.link);
    map_remove(&c->s->clients, &c->by_branch);
    element_config_unref(c->config);
    buf_fini(&c->sent);
    buf_fini(&c->ack);
    mem_free(c);
}

void client_free_all(struct shard *s)
{
    for (size_t i = 0; i < s->clients.n_slots; i++)
        while (s->clients.slots[i])
            client_free(MAP_OBJECT(s->clients.slots[i], struct client, by_branch));
}

void client_detach(struct client *c)
{
    if (!c)
        return;
    if (c->br && c->br->client == c)
        c->br->client = NULL;
    c->br = NULL;
    /* A non-INVITE that nobody waits for, and whose transport repeats nothing, has nothing left to do. */
    if (c->method != SIP_INVITE && c->txn.reliable)
        client_free(c);
}

/* A probe's shard may have to make a connection for it. */
static void client_send_probe(struct client *c, struct slice bytes)
{
    uint32_t worker = c->s->index;
    struct flow *f = flow_to_probe(c->s, c->side, &c->to, c->to.identity, &worker);
    if (f)
        flow_send_request(f, bytes, c->to.identity, c->to.secure_name, c->s->index, c->inflight.branch,
                          &c->inflight);
    else if (worker != c->s->index)
        transmit_post(c->s, worker, c->side, &c->to, c->flow, c->to.identity, bytes, c->s->index,
                      c->inflight.branch, 0);
    else
        client_failed(c->s->e, c->s, c->s->index, c->inflight.branch, "no connection can be made");
}

static void client_send(struct client *c, struct slice bytes, bool watch)
{
    if (c->probe && c->to.transport != SIP_UDP) {
        client_send_probe(c, bytes);
        return;
    }
    client_transmit(c->s, c->side, &c->to, c->flow, c->to.identity, bytes, watch ? c->inflight.branch : "",
                    watch ? &c->inflight : NULL);
}

static void client_act(struct client *c, unsigned act, const struct sip_msg *m);

static void client_tick(struct client *c)
{
    if (c->txn.state == SIPTXN_TERMINATED) {
        client_free(c);
        return;
    }
    uint64_t at = siptxn_deadline(&c->txn);
    if (at == UINT64_MAX)
        timer_stop(&c->timer);
    else if (!timer_running(&c->timer) || c->timer.at != at)
        timer_start(&c->timer, at);
}

static void client_timer(void *arg)
{
    struct client *c = arg;
    client_act(c, siptxn_timeout(&c->txn, loop_now(c->s->loop)), NULL);
}

static struct client *client_make(struct shard *s, struct element_config *config, enum sip_method method,
                                  enum side side, const struct target_address *to, struct flow_ref flow)
{
    struct client *c = mem_alloc(sizeof(*c) + to->name.n + to->identity.n);
    *c = (struct client){.s = s, .method = method, .side = side, .to = *to, .flow = flow};
    /* It may outlive the request whose arena these lie in. */
    if (to->name.n)
        memcpy(c->names, to->name.p, to->name.n);
    if (to->identity.n)
        memcpy(c->names + to->name.n, to->identity.p, to->identity.n);
    c->to.name.p = c->names;
    c->to.identity.p = c->names + to->name.n;
    c->config = element_config_ref(config);
    c->times = config->times;
    c->inflight.origin = s->index;
    timer_init(&c->timer, s->loop, client_timer, c);
    return c;
}

static void client_enter(struct client *c)
{
    map_insert(&c->s->clients, &c->by_branch, slice_hash(slice_str(c->inflight.branch)));
}

struct client *client_new(struct branch *br, const struct target_address *to, struct flow_ref flow)
{
    struct request *rq = br->rq;
    struct client *c = client_make(rq->s, rq->config, rq->msg.method, br->plan.target.side, to, flow);
    c->br = br;
    via_branch_make(rq->s, rq, c->inflight.branch);
    client_enter(c);
    return c;
}

struct client *client_new_probe(struct shard *s, enum side side, const struct target_address *to)
{
    struct client *c = client_make(s, s->config, SIP_OPTIONS, side, to, (struct flow_ref){0});
    c->probe = true;
    c->times.timer_f = s->config->health.probe_timeout_ms;
    via_branch_make(s, NULL, c->inflight.branch);
    client_enter(c);
    return c;
}

/* ---------------------------------------------------------------- health of where it went */
static struct destination_key client_destination(const struct client *c)
{
    return destination_key_of(c->side, &c->to, c->to.identity);
}

/* why NULL: answered. */
static void client_probe_ended(struct client *c, const char *why)
{
    struct destination_key k = client_destination(c);
    METRIC_COUNT("element.probe");
    destinations_probed(c->s->e->destinations, &k, &c->config->health, loop_now(c->s->loop), why);
    c->probe = false;
}

/* Any answer shows that somebody is there, but for 503, which asks to be left alone. */
static void client_note_answer(struct client *c, const struct sip_msg *m)
{
    struct destination_key k = client_destination(c);
    struct destinations *d = c->s->e->destinations;
    uint64_t now = loop_now(c->s->loop);
    uint32_t s = 0;
    if (c->flow.generation) /* to a client that registered, not to an address */
        return;
    if (m->status != 503) {
        destinations_answered(d, &k, now);
        return;
    }
    struct slice value = sip_msg_value(m, SIP_H_RETRY_AFTER); /* seconds, then perhaps more (20.33) */
    size_t digits = 0;
    while (digits < value.n && value.p[digits] >= '0' && value.p[digits] <= '9')
        digits++;
    if (sip_number_parse(slice_head(value, digits), &s) < 0)
        s = 0;
    destinations_refused(d, &k, &c->config->health, now, (uint64_t)s * 1000);
}

static void client_note_silence(struct client *c)
{
    struct destination_key k = client_destination(c);
    if (!c->provisional && c->br && c->flow.generation == 0)
        destinations_suspected(c->s->e->destinations, &k, loop_now(c->s->loop), "no answer in time");
}

/* Answered or given up: the branch goes on without it; it may have something left to absorb or acknowledge.
 */
static struct branch *client_let_go(struct client *c)
{
    struct branch *br = c->br;
    if (br && br->client == c)
        br->client = NULL;
    c->br = NULL;
    return br;
}

/* Carries out what the machine says. The client may be freed when it returns; nothing below frees it
 * meanwhile. */
static void client_act(struct client *c, unsigned act, const struct sip_msg *m)
{
    if (act & SIPTXN_DO_SEND) {
        client_send(c, buf_slice(&c->sent), c->method != SIP_CANCEL);
        if (c->txn.reliable && c->method != SIP_INVITE) /* nothing is sent again, acknowledged or cancelled */
            loop_give_back(c->s->loop, &c->sent);
    }
    if (act & SIPTXN_DO_ACK)
        client_send(c, buf_slice(&c->ack), false);
    if (act & SIPTXN_DO_PASS && c->br && m) {
        if (m->status >= 200)
            list_unlink(&c->inflight.link);
        if (m->status >= 200 && m->status < 300)
            loop_give_back(c->s->loop, &c->sent); /* likewise */
        /* The client of an INVITE answered with 2xx stays: it passes on further ones (RFC 6026). */
        bool stays = m->status < 200 || (c->method == SIP_INVITE && m->status < 300);
        branch_response(stays ? c->br : client_let_go(c), m);
    }
    if (act & SIPTXN_DO_PASS && c->probe && m)
        client_probe_ended(c, m->status == 503 ? "503 to OPTIONS" : NULL);
    if (act & SIPTXN_DO_TIMEOUT && c->probe)
        client_probe_ended(c, "no answer to OPTIONS");
    if (act & SIPTXN_DO_TIMEOUT)
        client_note_silence(c);
    if (act & SIPTXN_DO_TIMEOUT && c->br)
        branch_attempt_ended(client_let_go(c), ATTEMPT_TIMEOUT, "no answer in time");
    client_tick(c);
}

void client_start(struct client *c)
{
    client_act(c,
               siptxn_start(&c->txn, c->method == SIP_INVITE ? SIPTXN_INVITE_CLIENT : SIPTXN_CLIENT,
                            c->to.transport != SIP_UDP, &c->times, loop_now(c->s->loop)),
               NULL);
}

/* ---------------------------------------------------------------- responses */
static void client_make_ack(struct client *c, const struct sip_msg *response)
{
    struct arena a = {0};
    struct sip_msg sent;
    enum sip_flaw flaw;
    if (buf_len(&c->ack) == 0 && sip_msg_parse(buf_slice(&c->sent), &a, &sent, &flaw) == 0)
        sip_ack_write(&sent, response, &c->ack);
    arena_fini(&a);
}

static void client_send_cancel(struct client *c);

/* A next hop that has said 100 to a non-INVITE works on it (RFC 4320 4.1): to try another now would do it
 * twice. */
static void client_has_patience(struct client *c)
{
    uint64_t until = c->br ? c->br->rq->began_ms + ATTEMPTS_END_MS : 0;
    if (c->txn.kind == SIPTXN_CLIENT && c->txn.timeout < until)
        c->txn.timeout = until;
}

void client_response(struct shard *s, const struct source *src, const struct sip_msg *m)
{
    struct client *c = client_find(s, m->branch, m->cseq_method);
    if (!c && accepted_response(s, src, m))
        return;
    if (!c) {
        METRIC_COUNT("element.stray-response"); /* RFC 6026: not forwarded */
        trace_add(&s->trace, slice_hash(m->call_id), TRACE_STRAY, m->cseq_method, m->status, &src->from,
                  "no transaction waits for it");
        return;
    }
    trace_add(&s->trace, c->br ? c->br->rq->call_hash : slice_hash(m->call_id), TRACE_RESPONSE_IN,
              m->cseq_method, m->status, &src->from, NULL);
    if (c->method == SIP_INVITE && m->status >= 300)
        client_make_ack(c, m);
    if (m->status < 200)
        c->provisional = true;
    if (m->status < 200)
        client_has_patience(c);
    client_note_answer(c, m);
    bool cancel = c->cancel_wanted && !c->cancelled && m->status < 200;
    unsigned act = siptxn_response(&c->txn, loop_now(s->loop), m->status);
    if (cancel)
        client_send_cancel(c); /* 9.1: only now that a provisional response has come */
    client_act(c, act, m);
}

/* ---------------------------------------------------------------- CANCEL */
static void client_send_cancel(struct client *c)
{
    struct arena a = {0};
    struct sip_msg sent;
    enum sip_flaw flaw;
    c->cancelled = true;
    if (sip_msg_parse(buf_slice(&c->sent), &a, &sent, &flaw) == 0) {
        /* Same branch and same way as its INVITE (9.1). */
        struct client *k = client_make(c->s, c->config, SIP_CANCEL, c->side, &c->to, c->flow);
        memcpy(k->inflight.branch, c->inflight.branch, BRANCH_TEXT);
        client_enter(k);
        sip_cancel_write(&sent, c->cancel_reason, &k->sent);
        client_act(
            k,
            siptxn_start(&k->txn, SIPTXN_CLIENT, k->to.transport != SIP_UDP, &k->times, loop_now(c->s->loop)),
            NULL);
    }
    arena_fini(&a);
}

void client_cancel(struct client *c, struct slice reason)
{
    if (c->method != SIP_INVITE || c->cancelled)
        return;
    c->cancel_wanted = true;
    c->cancel_reason = reason;
    if (c->provisional)
        client_send_cancel(c);
}

/* ---------------------------------------------------------------- failures, wherever they were seen */
struct failed_mail {
    struct mail mail;
    struct element *e;
    uint32_t origin;
    char branch[BRANCH_TEXT];
    char why[160];
};

static void client_failed_here(struct mail *mail, struct loop *to)
{
    struct failed_mail *f = (struct failed_mail *)mail;
    struct shard *s = f->e->shards[f->origin];
    struct client *c = client_find(s, slice_str(f->branch), SIP_METHOD_OTHER);
    (void)to;
    if (c && c->provisional && c->method == SIP_INVITE && c->br) {
        /* It rings somewhere: the answer may come by a new connection (18.2.2); timer C bounds the wait. */
        trace_add(&s->trace, c->br->rq->call_hash, TRACE_NOTE_LINE, c->method, 0, &c->to.addr,
                  "connection gone while ringing");
    } else if (c) {
        if (c->probe)
            client_probe_ended(c, f->why);
        siptxn_transport_failed(&c->txn, loop_now(s->loop));
        struct branch *br = client_let_go(c);
        if (br)
            branch_attempt_ended(br, ATTEMPT_FAILED, f->why);
        client_free(c);
    }
    mem_free(f);
}

/* By mail even to oneself: whoever sees the failure may be deep inside what the owner began. */
void client_failed(struct element *e, struct shard *from, uint32_t origin, const char *branch,
                   const char *why)
{
    if (e->ending)
        return;
    if (way_back_is(branch)) {
        way_back_told(e, origin, branch, false);
        return;
    }
    struct failed_mail *f = MEM_NEW(struct failed_mail);
    (void)from;
    f->mail.deliver = client_failed_here;
    f->e = e;
    f->origin = origin;
    snprintf(f->branch, sizeof(f->branch), "%s", branch);
    snprintf(f->why, sizeof(f->why), "%s", why);
    loop_post(e->shards[origin]->loop, &f->mail);
}

/* ---------------------------------------------------------------- sending */
/* A message on its way to the worker whose connection it takes. */
struct transmit_mail {
    struct mail mail;
    struct element *e;
    uint32_t to_shard, origin;
    unsigned hops;
    enum side side;
    struct target_address to;
    struct flow_ref flow;
    struct slice identity;
    char branch[BRANCH_TEXT];
    size_t n;
    char bytes[]; /* message, identity, name */
};
/* Workers that it goes round when connections come and go just then. */
enum { TRANSMIT_MAX_HOPS = 4 };

static void transmit_here(struct shard *s, enum side side, const struct target_address *to,
                          struct flow_ref flow, struct slice identity, struct slice bytes, uint32_t origin,
                          const char *branch, struct inflight *inflight, unsigned hops)
{
    uint32_t worker = s->index;
    struct flow *f = flow.generation ? flow_find(s, flow) : flow_to(s, side, to, identity, &worker);
    if (!f && worker != s->index && hops < TRANSMIT_MAX_HOPS) {
        transmit_post(s, worker, side, to, flow, identity, bytes, origin, branch, hops + 1);
        return;
    }
    if (!f) {
        if (branch[0])
            client_failed(s->e, s, origin, branch, "the connection is gone");
        return;
    }
    if (flow.generation && (branch[0] == 0 || way_back_is(branch))) {
        bool out = flow_send(f, bytes); /* a response or ACK; the peer may have ended its side */
        if (branch[0])
            way_back_told(s->e, origin, branch, out);
        return;
    }
    flow_send_request(f, bytes, flow.generation ? SLICE_NONE : identity, to->secure_name, origin, branch,
                      inflight);
}

static void transmit_deliver(struct mail *mail, struct loop *to)
{
    struct transmit_mail *m = (struct transmit_mail *)mail;
    (void)to;
    transmit_here(m->e->shards[m->to_shard], m->side, &m->to, m->flow, m->identity, slice_mem(m->bytes, m->n),
                  m->origin, m->branch, NULL, m->hops);
    mem_free(m);
}

static void transmit_post(struct shard *s, uint32_t to_shard, enum side side, const struct target_address *to,
                          struct flow_ref flow, struct slice identity, struct slice bytes, uint32_t origin,
                          const char *branch, unsigned hops)
{
    struct transmit_mail *m = mem_alloc(sizeof(*m) + bytes.n + identity.n + to->name.n);
    *m = (struct transmit_mail){.mail.deliver = transmit_deliver,
                                .e = s->e,
                                .to_shard = to_shard,
                                .origin = origin,
                                .hops = hops,
                                .side = side,
                                .to = *to,
                                .flow = flow,
                                .n = bytes.n};
    snprintf(m->branch, sizeof(m->branch), "%s", branch);
    memcpy(m->bytes, bytes.p, bytes.n);
    if (identity.n)
        memcpy(m->bytes + bytes.n, identity.p, identity.n);
    if (to->name.n)
        memcpy(m->bytes + bytes.n + identity.n, to->name.p, to->name.n);
    m->identity = (struct slice){m->bytes + bytes.n, identity.n};
    m->to.name = (struct slice){m->bytes + bytes.n + identity.n, to->name.n};
    m->to.identity = SLICE_NONE;
    loop_post(s->e->shards[to_shard]->loop, &m->mail);
}

static void transmit_udp(struct shard *s, enum side side, const struct target_address *to, struct slice bytes,
                         const char *branch)
{
    LIST_FOR(it, &s->ports)
    {
        struct port *p = LIST_ENTRY(it, struct port, link);
        if (!p->udp || p->is.side != side || p->is.addr.sa.sa_family != to->addr.sa.sa_family)
            continue;
        if (udp_send(p->udp, bytes, &to->addr) < 0 && branch[0])
            client_failed(s->e, s, s->index, branch, "the datagram could not be sent");
        return;
    }
    if (branch[0])
        client_failed(s->e, s, s->index, branch, "no UDP socket of this machine leads there");
}

void client_transmit(struct shard *s, enum side side, const struct target_address *to, struct flow_ref flow,
                     struct slice identity, struct slice bytes, const char *branch, struct inflight *inflight)
{
    if (to->transport == SIP_UDP && flow.generation == 0)
        transmit_udp(s, side, to, bytes, branch);
    else if (flow.generation && flow.worker != s->index)
        transmit_post(s, flow.worker % s->e->n, side, to, flow, identity, bytes, s->index, branch, 0);
    else
        transmit_here(s, side, to, flow, identity, bytes, s->index, branch, inflight, 0);
}
