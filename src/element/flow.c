/* See flow.h. */
#include "element/flow.h"

#include <stdio.h>
#include <unistd.h>

#include "element/outgoing.h"
#include "element/pool.h"
#include "element/port.h"
#include "element/reading.h"

enum {
    FLOW_BROKEN_MS = 1000,           /* for the peer to read our answer to what is not SIP */
    FLOW_SOCKET_BUFFER = 256 << 10,  /* what the kernel may keep of a connection, each way */
    FLOW_INSIDE_BUFFER = 128 << 10,  /* of one inside, where all partners' requests are in one queue */
    FLOW_MAX_UNREADABLE = 256 << 10, /* that it may send meanwhile */
};

static const struct stream_ops flow_stream_ops;

/* ---------------------------------------------------------------- slots */
static void flow_take_slot(struct flow *f)
{
    struct shard *s = f->s;
    uint32_t i = s->free_slot;
    while (i < s->n_slots && s->slots[i])
        i++;
    if (i == s->n_slots) {
        uint32_t n = s->n_slots ? s->n_slots * 2 : 64;
        s->slots = mem_realloc(s->slots, n * sizeof(struct flow *));
        memset(s->slots + s->n_slots, 0, (n - s->n_slots) * sizeof(struct flow *));
        s->n_slots = n;
    }
    s->slots[i] = f;
    s->free_slot = i + 1;
    f->slot = i;
    f->generation = ++s->generation;
}

struct flow *flow_find(struct shard *s, struct flow_ref ref)
{
    struct flow *f = ref.generation && ref.slot < s->n_slots ? s->slots[ref.slot] : NULL;
    return f && f->generation == ref.generation ? f : NULL;
}

struct flow_ref flow_ref_of(const struct flow *f)
{
    return (struct flow_ref){f->s->index, f->slot, f->generation};
}

/* ---------------------------------------------------------------- looking */
enum side flow_side(const struct flow *f)
{
    return f->side;
}

enum sip_transport flow_transport(const struct flow *f)
{
    return f->transport;
}

bool flow_is_inbound(const struct flow *f)
{
    return f->inbound;
}

const struct net_addr *flow_remote(const struct flow *f)
{
    return &f->remote;
}

const struct crypto_cert *flow_cert(const struct flow *f)
{
    return f->stream ? stream_peer_cert(f->stream) : NULL;
}

int flow_cert_verdict(const struct flow *f)
{
    return f->stream ? stream_peer_verdict(f->stream) : -1;
}

void flow_set_data(struct flow *f, void *data, void (*free_fn)(void *data))
{
    if (f->data && f->data_free && f->data != data)
        f->data_free(f->data);
    f->data = data;
    f->data_free = free_fn;
}

void *flow_data(const struct flow *f)
{
    return f->data;
}

void flow_trust(struct flow *f, struct slice owner)
{
    struct shard *s = f->s;
    if (f->trusted)
        return;
    f->trusted = true;
    f->owner = slice_casehash(owner);
    sources_trust(s->e->sources, &s->config->limits, &f->hold, loop_now(s->loop));
}

struct slice flow_dialled_name(const struct flow *f)
{
    return slice_str(f->name);
}

/* ---------------------------------------------------------------- life */
static struct flow *flow_new(struct shard *s, enum side side, enum sip_transport transport, bool inbound,
                             const struct net_addr *remote)
{
    struct flow *f = MEM_NEW(struct flow);
    f->s = s;
    f->side = side;
    f->transport = transport;
    f->inbound = inbound;
    f->remote = *remote;
    f->last_ms = loop_now(s->loop);
    list_init(&f->waiting);
    list_init(&f->inflight);
    list_push_back(&s->flows, &f->link);
    s->n_flows++;
    atomic_store(&s->load_flows, s->n_flows);
    flow_take_slot(f);
    account_flow(f, 1);
    return f;
}

void flow_end(struct flow *f, const char *why)
{
    struct shard *s = f->s;
    if (f->dead)
        return;
    f->dead = true;
    flow_unpool(f);
    list_unlink(&f->link);
    list_unlink(&f->held_up);
    reading_end(f);
    s->slots[f->slot] = NULL;
    if (f->slot < s->free_slot)
        s->free_slot = f->slot;
    s->n_flows--;
    account_flow(f, -1);
    atomic_store(&s->load_flows, s->n_flows);
    stream_free(f->stream);
    f->stream = NULL;
    sources_end(s->e->sources, &f->hold);
    flow_fail_all(f, why);
    struct flow_ref ref = flow_ref_of(f);
    flow_set_data(f, NULL, NULL);
    if (s->config && s->config->ops->flow_gone && f->up)
        s->config->ops->flow_gone(s->config, ref);
    mem_free(f->identity);
    mem_free(f->name);
    mem_free(f);
}

static struct stream_limits flow_limits(const struct shard *s, enum side side)
{
    return (struct stream_limits){.max_input = SIP_MAX_MESSAGE + 4096,
                                  .setup_ms = s->config->connect_ms,
                                  .socket_buffer =
                                      side == SIDE_INTERNAL ? FLOW_INSIDE_BUFFER : FLOW_SOCKET_BUFFER};
}

void flow_accept(struct port *p, int fd, const struct net_addr *remote)
{
    struct shard *s = p->s;
    struct stream_limits limits = flow_limits(s, p->is.side);
    struct source_hold hold;
    limits.setup_ms = s->config->limits.handshake_ms; /* the peer's pace, not ours */
    if (!guard_connection(p, remote, &hold)) {
        close(fd);
        return;
    }
    struct flow *f = flow_new(s, p->is.side, p->is.transport, true, remote);
    f->hold = hold;
    METRIC_COUNT("element.connection-accepted");
    f->stream = stream_accept(s->loop, fd, remote, p->is.tls, &limits, &flow_stream_ops, f);
    reading_begin(f);
    if (s->n_flows > ELEMENT_MAX_FLOWS) {
        METRIC_COUNT("element.connection-over-limit");
        flow_end(f, "too many connections");
    }
}

/* A session serves the same address and name, for the same identity; our certificate and trusts are the
 * context's. */
static void flow_resume(struct flow *f)
{
    char addr[NET_ADDR_TEXT];
    struct buf as = {0};
    if (f->transport != SIP_TLS)
        return;
    buf_printf(&as, SLICE_FMT " %s %s", SLICE_ARG(net_addr_text(&f->remote, addr)), f->name, f->identity);
    stream_resume_as(f->stream, buf_slice(&as));
    buf_fini(&as);
}

struct flow *flow_dial(struct shard *s, enum side side, const struct target_address *to,
                       struct slice identity, destination_ticket ticket)
{
    const struct element_side *es = &s->config->sides[side];
    struct stream_limits limits = flow_limits(s, side);
    struct net_addr local = es->local;
    net_addr_set_port(&local, 0);
    struct flow *f = flow_new(s, side, to->transport, false, &to->addr);
    f->identity = slice_dup(identity);
    f->name = slice_dup(to->name);
    f->secure_name = to->secure_name;
    f->ticket = ticket;
    flow_pool(f, &to->addr);
    METRIC_COUNT("element.connection-dialled");
    f->stream = stream_connect(s->loop, local.sa.sa_family == to->addr.sa.sa_family ? &local : NULL,
                               &to->addr, to->transport == SIP_TLS ? es->client_tls : NULL, to->name, &limits,
                               &flow_stream_ops, f);
    flow_resume(f);
    reading_begin(f);
    return f;
}

/* ---------------------------------------------------------------- what the stream says */
static void flow_up(struct stream *st, void *arg)
{
    struct flow *f = arg;
    struct shard *s = f->s;
    (void)st;
    f->up = true;
    f->last_ms = f->asked_ms = loop_now(s->loop);
    sources_up(s->e->sources, &f->hold);
    if (!f->inbound && stream_was_resumed(f->stream))
        METRIC_COUNT("element.connection-resumed");
    account_handshake(f, true);
    const struct refusal *why = s->config->ops->flow_up ? s->config->ops->flow_up(s->config, f) : NULL;
    if (why) {
        char addr[NET_ADDR_TEXT];
        struct slice peer = net_addr_text(&f->remote, addr);
        if (flow_may_tell(f, why->id))
            log_event(LOG_WARN, why->id, FIELDS({"peer", peer}), "connection closed: %s", why->text);
        METRIC_COUNT("element.connection-refused");
        flow_end(f, why->text);
        return;
    }
    reading_up(f);
    flow_send_waiting(f);
}

/* What came cannot be told apart any more. Our answer is still sent, and what the peer sends meanwhile is not
 * looked at. */
static void flow_break(struct flow *f)
{
    f->broken = f->finishing = true;
    flow_unpool(f);
    flow_fail_all(f, "what came is not SIP");
    stream_finish(f->stream, FLOW_BROKEN_MS);
}

static size_t flow_data_in(struct stream *st, void *arg, struct slice in)
{
    struct flow *f = arg;
    struct flow_ref ref = flow_ref_of(f);
    struct shard *s = f->s;
    size_t used = 0;
    (void)st;
    if (list_linked(&f->held_up))
        return 0;
    if (f->broken) { /* read on, so that our answer is not lost by a reset; not for ever */
        f->unread += in.n;
        if (f->unread > FLOW_MAX_UNREADABLE)
            flow_end(f, "what came is not SIP");
        return in.n;
    }
    f->last_ms = loop_now(s->loop);
    f->pinged_ms = 0;
    while (used < in.n) {
        struct slice rest = slice_from(in, used);
        size_t len = 0;
        enum sip_flaw flaw = SIP_FLAW_NONE;
        enum sip_frame frame = sip_frame_next(&f->framer, rest, &len, &flaw);
        if (frame == SIP_FRAME_MORE)
            break;
        struct source src = {
            .s = s, .flow = f, .ref = ref, .from = f->remote, .side = f->side, .transport = f->transport};
        if (frame == SIP_FRAME_BAD) {
            ingress_flaw(&src, rest, flaw);
            if (flow_find(s, ref))
                flow_break(f);
            return in.n;
        }
        enum ingress took =
            frame == SIP_FRAME_MESSAGE ? ingress_message(&src, slice_head(rest, len)) : INGRESS_DONE;
        if (!flow_find(s, ref)) /* the message ended its own connection */
            return in.n;
        f->partial_ms = 0;
        if (took == INGRESS_HOLD)
            return used;
        if (took == INGRESS_CLOSE) {
            flow_break(f);
            return in.n;
        }
        used += len;
        if (frame == SIP_FRAME_PONG)
            f->pongs = true;
        if (frame == SIP_FRAME_PING)
            flow_send(f, SLICE("\r\n")); /* RFC 5626 4.4.1 */
    }
    if (in.n - used <= 3) /* nothing, or a part of a keep-alive */
        f->partial_ms = 0;
    else if (used || !f->partial_ms)
        f->partial_ms = f->last_ms;
    return used;
}

static void flow_half_closed(struct stream *st, void *arg)
{
    struct flow *f = arg;
    (void)st;
    f->half_closed = true;
    flow_unpool(f);
    /* A TLS peer that says close_notify reads on and answers, by a new connection if need be (18.2.2). On
     * plain TCP a peer that is closing cannot be told from one that is gone. */
    if (f->transport == SIP_TCP)
        flow_fail_all(f, "the peer closed the connection");
    if (f->pending == 0 && list_empty(&f->inflight) && list_empty(&f->waiting))
        flow_finish(f);
}

static const struct {
    const char *id, *text;
} flow_ends[] = {
    [STREAM_CLOSED] = {"element.connection-closed", "closed"                  },
    [STREAM_REFUSED] = {"element.connect-failed",    "could not connect"       },
    [STREAM_TIMEOUT] = {"element.connect-timeout",   "connecting took too long"},
    [STREAM_TLS_FAILED] = {"element.tls-failed",        "TLS failed"              },
    [STREAM_LOST] = {"element.connection-lost",   "lost"                    },
    [STREAM_SLOW_PEER] = {"element.slow-peer",         "the peer did not read"   },
};

static void flow_ended(struct stream *st, void *arg, enum stream_end why)
{
    struct flow *f = arg;
    char addr[NET_ADDR_TEXT], text[320];
    struct slice peer = net_addr_text(&f->remote, addr);
    snprintf(text, sizeof(text), "%s%s%s", flow_ends[why].text, stream_error(st)[0] ? ": " : "",
             stream_error(st));
    uint64_t since;
    METRIC_COUNT("element.connection-ended");
    if (!f->up)
        account_handshake(f, false);
    if (f->inbound && !f->trusted && !guard_may_tell(f->s, &f->remote, SOURCES_TELL_MALFORMED, &since)) {
        flow_end(f, text);
        return;
    }
    bool usual = why == STREAM_CLOSED || (why == STREAM_LOST && f->inbound && list_empty(&f->inflight));
    if (usual ? log_enabled(LOG_DEBUG) : flow_may_tell(f, flow_ends[why].id))
        log_event(usual ? LOG_DEBUG : LOG_WARN, flow_ends[why].id,
                  FIELDS({"peer", peer}, {"name", slice_str(f->name)},
                         {"side", slice_str(f->side == SIDE_EXTERNAL ? "external" : "internal")}),
                  "connection %s " SLICE_FMT " %s", f->inbound ? "from" : "to", SLICE_ARG(peer), text);
    if (why != STREAM_CLOSED || !list_empty(&f->inflight) || !list_empty(&f->waiting))
        flow_note_failure(f, text);
    flow_end(f, text);
}

static const struct stream_ops flow_stream_ops = {flow_up, flow_data_in, flow_half_closed, flow_ended};

/* ---------------------------------------------------------------- ending in order */
void flow_finish(struct flow *f)
{
    if (f->finishing || f->dead)
        return;
    f->finishing = true;
    flow_unpool(f);
    stream_finish(f->stream, f->s->config->linger_ms);
}

/* RFC 5626 4.4.1, on connections that we made. A peer that has answered once and now does not is gone. False:
 * ended. */
static bool flow_keep_alive(struct flow *f, uint64_t now)
{
    if (f->inbound || !f->up || f->finishing || f->half_closed)
        return true;
    if (f->pinged_ms && f->pongs && now - f->pinged_ms > PONG_MS) {
        char addr[NET_ADDR_TEXT];
        struct slice peer = net_addr_text(&f->remote, addr);
        log_event(LOG_WARN, "element.keep-alive-lost", FIELDS({"peer", peer}, {"name", slice_str(f->name)}),
                  "the peer answers keep-alives no more, connection closed");
        flow_note_failure(f, "keep-alives are not answered");
        flow_end(f, "keep-alives are not answered");
        return false;
    }
    if (!f->pinged_ms && now - f->last_ms >= KEEPALIVE_MS) {
        f->framer.await_pong = true;
        flow_send(f, SLICE("\r\n\r\n"));
        f->pinged_ms = now;
    }
    return true;
}

void flow_housekeeping(struct shard *s)
{
    uint64_t now = loop_now(s->loop);
    if (!s->config)
        return;
    LIST_FOR(it, &s->flows)
    {
        struct flow *f = LIST_ENTRY(it, struct flow, link);
        if (!flow_keep_alive(f, now) || guard_times_out(f, now))
            continue;
        if (f->finishing || f->pending || !f->up || !list_empty(&f->inflight) || !list_empty(&f->waiting))
            continue;
        if (f->half_closed || f->retiring ||
            (s->config->stopping && now - f->last_ms >= s->config->idle_close_ms))
            flow_finish(f);
    }
}
