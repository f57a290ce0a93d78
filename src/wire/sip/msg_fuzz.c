#include "wire/sip/write.h"

#include <stdlib.h>

#include "ground/base/mem.h"

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void same_message(const struct sip_msg *a, const struct sip_msg *b)
{
    must(a->is_request == b->is_request && a->status == b->status && a->n_headers == b->n_headers);
    must(slice_eq(a->text, b->text) && slice_eq(a->body, b->body) && slice_eq(a->branch, b->branch));
    must(slice_eq(a->from_tag, b->from_tag) && slice_eq(a->to_tag, b->to_tag) && a->cseq == b->cseq);
    for (size_t i = 0; i < a->n_headers; i++)
        must(a->headers[i].id == b->headers[i].id && slice_eq(a->headers[i].value, b->headers[i].value));
}

/* What parses is written as it was and parses the same again. */
static void check_written(const struct sip_msg *m, struct arena *a, struct buf *out)
{
    struct sip_edits e;
    struct sip_msg again;
    enum sip_flaw flaw;
    sip_edits_init(&e);
    sip_msg_write(m, &e, out);
    must(slice_eq(buf_slice(out), m->text));
    must(sip_msg_parse(buf_slice(out), a, &again, &flaw) == 0);
    same_message(m, &again);
    buf_consume(out, SIZE_MAX);
}

/* Edits as a proxy makes them leave a message that parses. */
static void check_edited(const struct sip_msg *m, struct arena *a, struct buf *out)
{
    struct sip_edits e;
    struct sip_msg again;
    enum sip_flaw flaw;
    sip_edits_init(&e);
    sip_edit_top(&e, "Via", SLICE("SIP/2.0/TLS edge.example;branch=z9hG4bK0"));
    sip_edit_pop_value(&e, m, SIP_H_ROUTE);
    sip_edit_pop_value(&e, m, SIP_H_ROUTE);
    sip_edit_set_first(&e, a, m, SIP_H_CONTACT, SLICE("<sip:x@example>"));
    sip_edit_remove_all(&e, m, SIP_H_P_ASSERTED_IDENTITY);
    e.uri = SLICE("sip:u@example");
    e.replace_body = true;
    e.body = SLICE("new");
    if (e.overflow)
        return;
    sip_msg_write(m, &e, out);
    if (buf_len(out) <= SIP_MAX_MESSAGE && m->n_headers < SIP_MAX_HEADERS - 1) {
        must(sip_msg_parse(buf_slice(out), a, &again, &flaw) == 0);
        must(slice_eq(again.body, SLICE("new")) && slice_eq(again.branch, SLICE("z9hG4bK0")));
    }
    buf_consume(out, SIZE_MAX);
}

/* An answer to whatever can be answered is a message, and says what it answers. */
static void check_answer(const struct sip_msg *m, struct arena *a, struct buf *out)
{
    struct sip_msg answer;
    enum sip_flaw flaw;
    sip_response_write(m, &(struct sip_response){.status = 400, .to_tag = SLICE("t")}, out);
    if (buf_len(out) <= SIP_MAX_MESSAGE) {
        must(sip_msg_parse(buf_slice(out), a, &answer, &flaw) == 0);
        must(slice_eq(answer.branch, m->branch) && slice_eq(answer.call_id, m->call_id));
        must(slice_eq(answer.from_tag, m->from_tag) && answer.to_tag.n > 0 && answer.cseq == m->cseq);
    }
    buf_consume(out, SIZE_MAX);
}

static void check_hop_requests(const struct sip_msg *m, struct arena *a, struct buf *out)
{
    struct sip_msg made;
    enum sip_flaw flaw;
    sip_cancel_write(m, SLICE("SIP;cause=200"), out);
    if (buf_len(out) <= SIP_MAX_MESSAGE)
        must(sip_msg_parse(buf_slice(out), a, &made, &flaw) == 0 && made.method == SIP_CANCEL);
    buf_consume(out, SIZE_MAX);
    sip_ack_write(m, m, out);
    if (buf_len(out) <= SIP_MAX_MESSAGE)
        must(sip_msg_parse(buf_slice(out), a, &made, &flaw) == 0 && made.method == SIP_ACK);
    buf_consume(out, SIZE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = {0};
    struct buf out = {0};
    struct sip_msg m;
    enum sip_flaw flaw;
    int r = sip_msg_parse(slice_mem(data, size), &a, &m, &flaw);
    must((r == 0) == (flaw == SIP_FLAW_NONE));
    for (unsigned id = 0; id < SIP_H_COUNT; id++) {
        struct sip_values v = sip_values(&m, (enum sip_header_id)id);
        for (struct slice value; sip_values_next(&v, &value);)
            must(value.n > 0);
    }
    if (r == 0) {
        check_written(&m, &a, &out);
        check_edited(&m, &a, &out);
        if (m.is_request)
            check_hop_requests(&m, &a, &out);
    }
    if (sip_msg_answerable(&m) && !m.via.other_version) /* such a Via is copied as it is */
        check_answer(&m, &a, &out);
    buf_fini(&out);
    arena_fini(&a);
    return 0;
}
