/* See reply.h. */
#include "element/reply.h"

#include <stdio.h>

#include "element/way_back.h"

/* Digest over what a retransmission repeats, so that the same request gets the same tag and nothing is
 * remembered. */
static void reply_stateless_tag(const struct sip_msg *m, char out[TAG_TEXT])
{
    uint64_t h = slice_hash(m->call_id) + 31 * slice_hash(m->from_tag) + 17 * slice_hash(m->branch) + m->cseq;
    enum { PREFIX = sizeof(STATELESS_TAG) - 1 };
    memcpy(out, STATELESS_TAG, PREFIX);
    *text_put_hex(out + PREFIX, h, 16) = 0;
}

/* Over UDP the sender's address may be made up: no more than 1.5 times the request goes there. */
static bool reply_fits(const struct source *src, const struct sip_msg *m, const struct buf *out)
{
    return src->transport != SIP_UDP || buf_len(out) * 2 <= m->text.n * 3;
}

unsigned reply_stateless(const struct source *src, const struct sip_msg *m, unsigned status,
                         struct slice reason, struct slice extra, const char *to_tag)
{
    char tag[TAG_TEXT];
    struct buf out = {0};
    struct slice value = sip_msg_value(m, SIP_H_VIA);
    if (m->via.host.n == 0) /* there is none that could be read */
        return 0;
    reply_stateless_tag(m, tag);
    struct sip_response r = {.status = status,
                             .reason = reason,
                             .to_tag = slice_str(to_tag[0] ? to_tag : tag),
                             .top_via = via_received(&src->s->scratch, &m->via, value, &src->from),
                             .extra = extra};
    sip_response_write(m, &r, &out);
    if (!reply_fits(src, m, &out)) {
        buf_clear(&out, 65536);
        r.extra = SLICE_NONE;
        sip_response_write(m, &r, &out);
    }
    bool fits = reply_fits(src, m, &out);
    if (fits) {
        source_send(src, &m->via, buf_slice(&out), SLICE_NONE);
        trace_add(&src->s->trace, slice_hash(m->call_id), TRACE_RESPONSE_OUT, m->method, status, &src->from,
                  NULL);
    } else {
        METRIC_COUNT("element.answer-too-large");
    }
    buf_fini(&out);
    return fits ? status : 0;
}

/*
 * To who is not proven over UDP, and may have made up its address: once, without a transaction that would
 * repeat it, and no more than 1.5 times the request. So many challenges as fit (RFC 8760), at least one; of
 * other answers the rows that explain go first.
 */
static void request_reply_once(struct request *rq, const struct reply *r)
{
    char tag[TAG_TEXT];
    struct buf out = {0};
    struct slice extra = r->extra;
    loop_lend(rq->s->loop, &out);
    reply_stateless_tag(&rq->msg, tag);
    for (;;) {
        buf_clear(&out, 65536);
        sip_response_write(&rq->msg,
                           &(struct sip_response){.status = r->status,
                                                  .reason = r->reason,
                                                  .to_tag = slice_str(tag),
                                                  .top_via = rq->top_via,
                                                  .extra = extra},
                           &out);
        if (rq->trusted || buf_len(&out) * 2 <= rq->msg.text.n * 3 || !extra.p || extra.n == 0)
            break;
        /* Drop the last row. */
        size_t n = extra.n >= 2 ? extra.n - 2 : 0;
        while (n && extra.p[n - 1] != '\n')
            n--;
        extra.n = n;
    }
    bool fits = rq->trusted || buf_len(&out) * 2 <= rq->msg.text.n * 3;
    if (r->stateless_over_udp ? extra.n : fits) {
        trace_add(&rq->s->trace, rq->call_hash, TRACE_RESPONSE_OUT, rq->msg.method, r->status, &rq->src.from,
                  "stateless");
        source_send(&rq->src, &rq->msg.via, buf_slice(&out), SLICE_NONE);
        rq->last_status = r->status;
        rq->account.bytes_out = buf_len(&out);
    } else {
        METRIC_COUNT("element.answer-too-large");
    }
    loop_give_back(rq->s->loop, &out);
    request_abandon(rq);
}

void request_reply(struct request *rq, const struct reply *r)
{
    if (rq->is_ack) {
        request_abandon(rq);
        return;
    }
    bool once = r->stateless_over_udp || (r->status >= 300 && !rq->trusted && !rq->forwarded);
    if (once && rq->src.transport == SIP_UDP && !rq->answered) {
        request_reply_once(rq, r);
        return;
    }
    struct buf out = {0};
    loop_lend(rq->s->loop, &out);
    struct sip_response w = {.status = r->status,
                             .reason = r->reason,
                             .to_tag = r->status == 100 ? SLICE_NONE : slice_str(rq->to_tag),
                             .top_via = rq->top_via,
                             .extra = r->extra,
                             .content_type = r->content_type,
                             .body = r->body};
    sip_response_write(&rq->msg, &w, &out);
    request_send(rq, r->status, &out);
    loop_give_back(rq->s->loop, &out);
}

/* ---------------------------------------------------------------- refusals */
void refusal_rows(const struct element_config *c, enum side side, const struct refusal *why, struct buf *out)
{
    struct slice name = c->shown[side].n ? c->shown[side] : c->machine;
    buf_printf(out, "Reason: SIP;cause=%u;text=\"%s\"\r\n", why->status, why->id);
    buf_printf(out, "ms-diagnostics: %u;reason=\"%s\";source=\"" SLICE_FMT "\";entente=\"%s\"\r\n",
               why->number, why->text, SLICE_ARG(name), why->id);
}

static void refusal_log(struct request *rq, const struct refusal *why, const char *detail)
{
    static const char *const guilty[] = {"peer", "us", "beyond"};
    char addr[NET_ADDR_TEXT], metric[METRIC_NAME_MAX], status[8];
    struct slice peer = net_addr_text(&rq->src.from, addr);
    snprintf(metric, sizeof(metric), "refused.%s", why->id);
    snprintf(status, sizeof(status), "%u", why->status);
    metric_inc(metric_new(metric));
    rq->account.refusal = why;
    trace_add(&rq->s->trace, rq->call_hash, TRACE_REFUSED, rq->msg.method, why->status, &rq->src.from,
              why->id);
    if (!request_may_tell(rq, why->id))
        return;
    log_event(LOG_INFO, why->id,
              FIELDS({"peer", peer}, {"call_id", rq->msg.call_id}, {"method", rq->msg.method_name},
                     {"from", rq->msg.from.uri_text}, {"uri", rq->msg.uri}, {"status", slice_str(status)},
                     {"guilty", slice_str(guilty[why->guilty])}, {"detail", slice_str(detail)}),
              "refused %s: %s%s%s", rq->is_ack ? "ACK" : "request", why->text, detail[0] ? " " : "", detail);
}

static void refusal_send(struct request *rq, const struct refusal *why, struct slice extra,
                         const char *detail)
{
    struct buf rows = {0};
    refusal_log(rq, why, detail);
    buf_append(&rows, extra);
    refusal_rows(rq->config, rq->src.side, why, &rows);
    request_reply(rq, &(struct reply){.status = why->status, .extra = buf_slice(&rows)});
    buf_fini(&rows);
}

void request_refuse(struct request *rq, const struct refusal *why, const char *detail, ...)
{
    char text[256] = "";
    if (detail) {
        va_list ap;
        va_start(ap, detail);
        vsnprintf(text, sizeof(text), detail, ap);
        va_end(ap);
    }
    refusal_send(rq, why, SLICE_NONE, text);
}

void request_refuse_with(struct request *rq, const struct refusal *why, struct slice extra)
{
    refusal_send(rq, why, extra, "");
}
