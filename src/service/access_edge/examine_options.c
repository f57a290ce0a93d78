/* OPTIONS on the connection that stands: does a SIP server answer? */
#include "service/access_edge/examine_priv.h"

#include "ground/base/text.h"
#include "ground/crypto/hash.h"

/* ---------------------------------------------------------------- OPTIONS */
void examine_options_lost(struct examine *x, const char *why)
{
    if (!x->stage[STAGE_OPTIONS] && x->began_ms[STAGE_OPTIONS])
        examine_conclude(x, STAGE_OPTIONS, VERDICT_FAILED, "no answer: %s", why);
    examine_over(x, STAGE_OPTIONS, false);
}

void examine_options_late(void *arg)
{
    struct examine *x = arg;
    if (x->began_ms[STAGE_OPTIONS])
        examine_options_lost(x, "none came in time");
}

/* Whatever answers speaks SIP; what it refuses is told. */
void examine_options_answered(struct examine *x, struct slice text)
{
    struct arena a = {0};
    struct sip_msg m;
    enum sip_flaw flaw;
    if (sip_msg_parse(text, &a, &m, &flaw) == 0 && !m.is_request && m.status >= 200 &&
        !x->stage[STAGE_OPTIONS]) {
        struct slice why = sip_msg_value(&m, SIP_H_MS_DIAGNOSTICS);
        struct slice reason = why.n ? why : sip_msg_value(&m, SIP_H_REASON);
        bool good = m.status < 300 || m.status == 404 || m.status == 405 || m.status == 501;
        struct json_value *o =
            examine_conclude(x, STAGE_OPTIONS, good ? VERDICT_OK : VERDICT_WARNING, "answered %u%s" SLICE_FMT,
                             m.status, reason.n ? ": " : "", SLICE_ARG(slice_head(reason, 200)));
        json_set_int(&x->arena, o, "status", m.status);
        examine_over(x, STAGE_OPTIONS, true);
    }
    arena_fini(&a);
}

void examine_options(struct examine *x)
{
    unsigned char random[12];
    struct buf unique = {0};
    crypto_random(random, sizeof(random));
    text_hex(&unique, random, sizeof(random));
    struct slice id = buf_slice(&unique), host = x->e->outer_host;
    buf_printf(stream_output(x->stream),
               "OPTIONS sip:" SLICE_FMT " SIP/2.0\r\nVia: SIP/2.0/TLS " SLICE_FMT ";branch=z9hG4bKx" SLICE_FMT
               ";rport\r\nMax-Forwards: 70\r\nFrom: <sip:" SLICE_FMT ">;tag=x" SLICE_FMT
               "\r\nTo: <sip:" SLICE_FMT ">\r\nCall-ID: " SLICE_FMT "@" SLICE_FMT
               "\r\nCSeq: 1 OPTIONS\r\nUser-Agent: entente\r\nContent-Length: 0\r\n\r\n",
               SLICE_ARG(x->domain), SLICE_ARG(host), SLICE_ARG(id), SLICE_ARG(x->from),
               SLICE_ARG(slice_head(id, 8)), SLICE_ARG(x->domain), SLICE_ARG(id), SLICE_ARG(host));
    stream_flush(x->stream);
    timer_start(&x->deadline, loop_now(x->loop) + EXAMINE_STAGE_MS);
    buf_fini(&unique);
}
