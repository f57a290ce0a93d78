/* See best.h. */
#include "element/best.h"

#include <stdio.h>

#include "element/rewrite.h"

enum { DETAIL_MAX = 160 };

static unsigned best_rank(unsigned status)
{
    static const unsigned preferred[] = {401, 407, 415, 420, 484};
    if (status >= 600)
        return 0;
    unsigned class = status / 100;
    for (size_t i = 0; i < sizeof(preferred) / sizeof(preferred[0]); i++)
        if (status == preferred[i])
            return class * 10;
    return class * 10 + (status == 503 ? 9 : status == 408 ? 8 : 5);
}

static bool best_beats(const struct request *rq, unsigned status)
{
    return rq->best_status == 0 || best_rank(status) < best_rank(rq->best_status);
}

/* 16.7 step 7: the challenges of all branches travel with a 401 or 407. */
static void best_collect_challenges(struct request *rq, const struct sip_msg *m)
{
    static const enum sip_header_id ids[] = {SIP_H_WWW_AUTHENTICATE, SIP_H_PROXY_AUTHENTICATE};
    for (size_t i = 0; i < 2; i++)
        for (const struct sip_header *h = sip_msg_header(m, ids[i]); h; h = sip_msg_next(m, h))
            buf_printf(&rq->challenges, "%s: " SLICE_FMT "\r\n", sip_header_name(ids[i]),
                       SLICE_ARG(h->value));
}

void best_consider(struct request *rq, const struct sip_msg *m)
{
    if (rq->n_branches > 1 && (m->status == 401 || m->status == 407))
        best_collect_challenges(rq, m);
    if (!best_beats(rq, m->status))
        return;
    rq->best_status = m->status;
    rq->best_refusal = NULL;
    buf_clear(&rq->best, 65536);
    buf_append(&rq->best, m->text);
}

void best_consider_own(struct request *rq, const struct refusal *why, const char *detail)
{
    rq->best_detail = arena_cstr(&rq->arena, slice_head(slice_str(detail), DETAIL_MAX));
    if (!best_beats(rq, why->status))
        return;
    rq->best_status = why->status;
    rq->best_refusal = why;
}

static void best_send_up(struct request *rq)
{
    struct arena a = {0};
    struct sip_msg m;
    enum sip_flaw flaw;
    bool aggregate = rq->best_status == 401 || rq->best_status == 407;
    if (sip_msg_parse(buf_slice(&rq->best), &a, &m, &flaw) == 0) {
        struct sip_msg plain = m;
        if (aggregate && buf_len(&rq->challenges)) { /* its own are among those collected */
            struct sip_edits e;
            struct buf bare = {0};
            struct arena b = {0};
            sip_edits_init(&e);
            sip_edit_remove_all(&e, &m, SIP_H_WWW_AUTHENTICATE);
            sip_edit_remove_all(&e, &m, SIP_H_PROXY_AUTHENTICATE);
            sip_msg_write(&m, &e, &bare);
            if (sip_msg_parse(buf_slice(&bare), &b, &plain, &flaw) == 0)
                rewrite_send_up(rq, &plain, buf_slice(&rq->challenges));
            arena_fini(&b);
            buf_fini(&bare);
        } else {
            rewrite_send_up(rq, &plain, SLICE_NONE);
        }
    }
    arena_fini(&a);
}

static const char *best_detail(const struct request *rq)
{
    return rq->best_detail ? rq->best_detail : "";
}

void best_answer(struct request *rq)
{
    bool invite = rq->msg.method == SIP_INVITE;
    if (rq->answered || rq->abandoned)
        return;
    if (rq->cancelled && rq->best_status != 487) {
        request_reply(rq, &(struct reply){.status = 487});
    } else if (rq->best_status == 0 || rq->best_refusal == &REFUSE_TIMEOUT ||
               (rq->best_status == 408 && !invite)) {
        METRIC_COUNT("element.timeout");
        if (invite)
            request_refuse(rq, &REFUSE_TIMEOUT, "%s", best_detail(rq));
        else {
            /* RFC 4320 4.2: a 408 would only tell the sender what its own timer tells it. */
            if (request_may_tell(rq, REFUSE_TIMEOUT.id))
                log_event(LOG_WARN, REFUSE_TIMEOUT.id,
                          FIELDS({"call_id", rq->msg.call_id}, {"uri", rq->msg.uri}),
                          "no answer to " SLICE_FMT ": %s", SLICE_ARG(rq->msg.method_name), best_detail(rq));
            rq->account.refusal = &REFUSE_TIMEOUT;
            request_abandon(rq);
        }
    } else if (rq->best_refusal) {
        request_refuse(rq, rq->best_refusal, "%s", best_detail(rq));
    } else if (rq->best_status == 503) {
        request_refuse(rq, &REFUSE_BELOW_BUSY, NULL); /* 16.7 step 6 */
    } else {
        best_send_up(rq);
    }
}
