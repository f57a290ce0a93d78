/* What others may take: connections, handshakes and requests of a source, and time. */
#include "element/flow.h"
#include "element/port.h"
#include "element/reply.h"
#include "element/shard.h"

#include <stdio.h>

enum {
    GUARD_RETRY_S = 5,      /* Retry-After for a source that sends too fast, plus up to as much again */
    GUARD_REFUSED_MAX = 200 /* requests refused on one connection in a row; then it is closed */
};

static const struct {
    const char *id, *text;
} guard_verdicts[SOURCES_VERDICTS] = {
    [SOURCES_TOTAL] = {"element.connections-full",      "all connections that this process may have are in use"},
    [SOURCES_CONNECTIONS] = {"element.source-connections",    "too many connections of nobody known"                 },
    [SOURCES_HANDSHAKES] = {"element.source-handshakes",     "too many TLS handshakes under way"                    },
    [SOURCES_HANDSHAKE_RATE] = {"element.source-handshake-rate", "TLS handshakes are begun too fast"                    },
    [SOURCES_REQUESTS] = {"element.source-requests",       "too many requests of nobody known"                    },
};

bool guard_may_tell(struct shard *s, const struct net_addr *from, enum sources_tell what, uint64_t *ret_since)
{
    return sources_may_tell(s->e->sources, from, what, loop_now(s->loop), ret_since);
}

void guard_tell(struct shard *s, const struct net_addr *from, const char *id, const char *text)
{
    char addr[NET_ADDR_TEXT], times[24];
    uint64_t since;
    metric_inc(metric_new(id));
    if (!guard_may_tell(s, from, SOURCES_TELL_REFUSED, &since))
        return;
    struct slice peer = net_addr_host_text(from, addr);
    snprintf(times, sizeof(times), "%llu", (unsigned long long)since);
    log_event(LOG_WARN, id, FIELDS({"peer", peer}, {"times", slice_str(times)}),
              "refused " SLICE_FMT ": %s (the next line about it comes in a minute at the earliest)",
              SLICE_ARG(peer), text);
}

bool guard_may_log(struct shard *s, const char *id, uint64_t owner, struct slice who)
{
    return telling_may(&s->telling, id, owner, who, loop_now(s->loop));
}

/* Whom lines about a request are about, as shares are counted. */
bool request_may_tell(struct request *rq, const char *id)
{
    struct source src = rq->src;
    struct slice name;
    char addr[NET_ADDR_TEXT];
    src.flow = request_flow(rq);
    uint64_t owner = overload_owner(&src, &rq->msg, &name);
    if (name.n == 0)
        name = src.flow && src.flow->trusted ? rq->msg.from.uri.host : net_addr_host_text(&src.from, addr);
    return guard_may_log(rq->s, id, owner, name);
}

bool flow_may_tell(struct flow *f, const char *id)
{
    char addr[NET_ADDR_TEXT];
    struct slice who = f->name && f->name[0] ? slice_str(f->name) : net_addr_host_text(&f->remote, addr);
    return guard_may_log(f->s, id, f->trusted ? f->owner : slice_hash(who), who);
}

void guard_log_rest(struct shard *s, uint64_t now)
{
    struct telling_rest rest;
    while (telling_rest(&s->telling, now, &rest)) {
        char more[16];
        snprintf(more, sizeof(more), "%u", rest.more);
        log_event(LOG_WARN, rest.id, FIELDS({"about", slice_str(rest.who)}, {"more", slice_str(more)}),
                  "… and %s more about %s in %u s", more, rest.who, (unsigned)((rest.ms + 500) / 1000));
    }
}

bool guard_connection(struct port *p, const struct net_addr *from, struct source_hold *ret)
{
    struct shard *s = p->s;
    enum sources_verdict v = sources_begin(s->e->sources, &s->config->limits, from,
                                           p->is.transport == SIP_TLS, loop_now(s->loop), ret);
    if (v == SOURCES_OK && overload_memory_full(s)) {
        sources_end(s->e->sources, ret);
        guard_tell(s, from, "element.memory-full", "memory is used up");
        return false;
    }
    if (v == SOURCES_OK)
        return true;
    METRIC_COUNT("element.connection-over-limit");
    guard_tell(s, from, guard_verdicts[v].id, guard_verdicts[v].text);
    return false;
}

/* Spread, so that those who are told to come back do not come together (RFC 3261 21.5.4). */
unsigned guard_answer(const struct source *src, const struct sip_msg *m, unsigned retry_s, unsigned spread)
{
    struct buf rows = {0};
    refusal_rows(src->s->config, src->side, &REFUSE_OVERLOAD, &rows);
    buf_printf(&rows, "Retry-After: %llu\r\n",
               (unsigned long long)(retry_s + slice_hash(m->call_id) % spread));
    unsigned sent = reply_stateless(src, m, REFUSE_OVERLOAD.status, SLICE_NONE, buf_slice(&rows), "");
    buf_fini(&rows);
    return sent;
}

/* Of a source that is beyond its limit the access log has a line now and then, or it could be flooded. */
static void guard_sum_up(const struct source *src, const struct sip_msg *m, unsigned status)
{
    uint64_t times;
    if (guard_may_tell(src->s, &src->from, SOURCES_TELL_SUM, &times))
        access_stateless(src, m,
                         &(struct access_short){.status = status,
                                                .refusal = &REFUSE_OVERLOAD,
                                                .limit = guard_verdicts[SOURCES_REQUESTS].id,
                                                .times = times});
}

bool guard_request(const struct source *src, const struct sip_msg *m)
{
    struct shard *s = src->s;
    struct flow *f = src->flow;
    uint64_t now = loop_now(s->loop);
    if (f && m)
        f->asked_ms = now;
    if (f && (f->trusted || !f->inbound))
        return true;
    if (sources_request(s->e->sources, &s->config->limits, f ? &f->hold : NULL, &src->from, now) ==
        SOURCES_OK) {
        if (f)
            f->refused = 0;
        return true;
    }
    bool closes = f && ++f->refused > GUARD_REFUSED_MAX;
    bool answers = f && !closes && m && m->method != SIP_ACK; /* over UDP silence is the best answer */
    guard_tell(s, &src->from, guard_verdicts[SOURCES_REQUESTS].id, guard_verdicts[SOURCES_REQUESTS].text);
    guard_sum_up(src, m, answers ? REFUSE_OVERLOAD.status : 0);
    if (closes)
        flow_end(f, "it sends too fast");
    else if (answers)
        guard_answer(src, m, GUARD_RETRY_S, GUARD_RETRY_S);
    return false;
}

bool guard_times_out(struct flow *f, uint64_t now)
{
    struct shard *s = f->s;
    const struct element_limits *l = &s->config->limits;
    if (!f->up || f->finishing)
        return false;
    if (l->message_ms && f->partial_ms && now - f->partial_ms >= l->message_ms) {
        guard_tell(s, &f->remote, "element.slow-message", "a message does not come to its end");
        flow_end(f, "a message does not come to its end");
        return true;
    }
    if (l->untrusted_idle_ms && f->inbound && !f->trusted && f->pending == 0 && list_empty(&f->inflight) &&
        now - f->asked_ms >= l->untrusted_idle_ms) {
        METRIC_COUNT("element.untrusted-idle");
        flow_finish(f);
        return true;
    }
    return false;
}
