/* OPTIONS on the connection that stands: does a SIP server answer? */
#include "service/access_edge/examine_priv.h"

#include "ground/base/text.h"
#include "ground/crypto/hash.h"

#include <stdio.h>

/* What answers speaks SIP; what its status says of federation. The first row that fits. */
static const struct {
    unsigned from, to;
    enum verdict verdict;
    const char *text;
} answers[] = {
    {200, 299, VERDICT_OK,      ""                                                                        },
    {401, 401, VERDICT_WARNING, ": it asks for a password, as a registrar does and no federation edge"    },
    {403, 403, VERDICT_WARNING, ": it refuses us, or OPTIONS; their administrator has to allow our domain"},
    {404, 405, VERDICT_OK,      ": it speaks SIP, and has no such user or method, which is fine"          },
    {407, 407, VERDICT_WARNING, ": it asks for a password, as a registrar does and no federation edge"    },
    {408, 408, VERDICT_WARNING, ": it is there, and what lies behind it did not answer"                   },
    {480, 480, VERDICT_WARNING, ": it is there, and what lies behind it is not available"                 },
    {481, 481, VERDICT_OK,      ": it speaks SIP"                                                         },
    {482, 483, VERDICT_WARNING, ": the request ran in a loop at theirs"                                   },
    {501, 501, VERDICT_OK,      ": it speaks SIP, and does not know the method, which is fine"            },
    {503, 503, VERDICT_WARNING, ": it is overloaded, in maintenance, or being drained"                    },
    {504, 504, VERDICT_WARNING,
     ": it is there, and cannot reach what lies behind it, or does not know the way"                      },
    {300, 699, VERDICT_WARNING, ": it speaks SIP, and does not want this"                                 },
};

void examine_options_lost(struct examine *x, const char *why)
{
    if (!x->stage[STAGE_OPTIONS] && x->began_ms[STAGE_OPTIONS])
        examine_conclude(x, STAGE_OPTIONS, VERDICT_FAILED, "no answer: %s", why);
    examine_over(x, STAGE_OPTIONS, false);
}

void examine_options_ended(struct examine *x, const char *why)
{
    char text[400];
    snprintf(
        text, sizeof(text),
        "they ended the connection (%s). Right after a handshake that mostly means that they do not accept "
        "our certificate: their log has the reason",
        why);
    examine_options_lost(x, text);
}

void examine_options_late(void *arg)
{
    struct examine *x = arg;
    if (x->began_ms[STAGE_OPTIONS])
        examine_options_lost(x, "TLS stands, and nothing that speaks SIP answers on it");
}

void examine_options_answered(struct examine *x, struct slice text)
{
    struct arena a = {0};
    struct sip_msg m;
    enum sip_flaw flaw;
    size_t i = 0;
    if (sip_msg_parse(text, &a, &m, &flaw) == 0 && !m.is_request && m.status >= 200 && m.status < 700 &&
        !x->stage[STAGE_OPTIONS]) {
        struct slice why = sip_msg_value(&m, SIP_H_MS_DIAGNOSTICS);
        struct slice reason = why.n ? why : sip_msg_value(&m, SIP_H_REASON);
        while (m.status < answers[i].from || m.status > answers[i].to)
            i++;
        struct json_value *o = examine_conclude(
            x, STAGE_OPTIONS, answers[i].verdict, "answered %u%s%s" SLICE_FMT, m.status, answers[i].text,
            reason.n ? "; they say: " : "", SLICE_ARG(slice_head(reason, 200)));
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
