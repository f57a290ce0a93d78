#include "wire/sip/write.h"

enum { ROW_UNTOUCHED = 0, ROW_LENGTH = UINT8_MAX, NUMBER_ROOM = 24 };
_Static_assert(SIP_MAX_EDITS < UINT8_MAX, "an edit's place + 1 fits beside ROW_LENGTH");

/* --- edits
 * -------------------------------------------------------------------------------------------------- */

static void add_edit(struct sip_edits *e, struct sip_edit edit)
{
    if (e->n < e->cap)
        e->items[e->n++] = edit;
    else
        e->overflow = true;
}

struct sip_edits *sip_edits_copy(const struct sip_edits *e, size_t more, struct arena *a)
{
    size_t cap = e->n + more < SIP_MAX_EDITS ? e->n + more : SIP_MAX_EDITS;
    struct sip_edits *copy = arena_alloc(a, offsetof(struct sip_edits, items) + cap * sizeof(e->items[0]));
    memcpy(copy, e, offsetof(struct sip_edits, items) + e->n * sizeof(e->items[0]));
    copy->cap = (uint8_t)cap;
    return copy;
}

static struct sip_edit *find_edit(struct sip_edits *e, const struct sip_header *row)
{
    for (size_t i = 0; i < e->n; i++)
        if (e->items[i].row == row)
            return &e->items[i];
    return NULL;
}

/* A row has one edit: the last one counts. */
static void edit_row(struct sip_edits *e, struct sip_edit edit)
{
    struct sip_edit *there = find_edit(e, edit.row);
    if (there)
        *there = edit;
    else
        add_edit(e, edit);
}

void sip_edit_top(struct sip_edits *e, const char *name, struct slice value)
{
    add_edit(e, (struct sip_edit){.kind = SIP_EDIT_TOP, .name = name, .value = value});
}

void sip_edit_end(struct sip_edits *e, const char *name, struct slice value)
{
    add_edit(e, (struct sip_edit){.kind = SIP_EDIT_END, .name = name, .value = value});
}

void sip_edit_set(struct sip_edits *e, const struct sip_header *row, struct slice value)
{
    edit_row(e, (struct sip_edit){.kind = SIP_EDIT_SET, .row = row, .value = value});
}

void sip_edit_remove(struct sip_edits *e, const struct sip_header *row)
{
    edit_row(e, (struct sip_edit){.kind = SIP_EDIT_REMOVE, .row = row});
}

void sip_edit_remove_all(struct sip_edits *e, const struct sip_msg *m, enum sip_header_id id)
{
    for (const struct sip_header *h = sip_msg_header(m, id); h; h = sip_msg_next(m, h))
        sip_edit_remove(e, h);
}

/* The first value that the edits have left, its row, and what follows it there. */
static const struct sip_header *first_value(struct sip_edits *e, const struct sip_msg *m,
                                            enum sip_header_id id, struct slice *ret_rest)
{
    for (const struct sip_header *h = sip_msg_header(m, id); h; h = sip_msg_next(m, h)) {
        const struct sip_edit *edit = find_edit(e, h);
        struct slice rest = edit ? edit->value : h->value, value;
        if (edit && edit->kind == SIP_EDIT_REMOVE)
            continue;
        if (sip_list_next(&rest, &value)) {
            *ret_rest = rest;
            return h;
        }
    }
    return NULL;
}

void sip_edit_pop_value(struct sip_edits *e, const struct sip_msg *m, enum sip_header_id id)
{
    struct slice rest;
    const struct sip_header *h = first_value(e, m, id, &rest);
    if (!h)
        return;
    if (rest.n)
        sip_edit_set(e, h, rest);
    else
        sip_edit_remove(e, h);
}

void sip_edit_set_first(struct sip_edits *e, struct arena *a, const struct sip_msg *m, enum sip_header_id id,
                        struct slice value)
{
    struct slice rest;
    const struct sip_header *h = first_value(e, m, id, &rest);
    if (!h)
        return;
    if (rest.n)
        value = arena_printf(a, SLICE_FMT ", " SLICE_FMT, SLICE_ARG(value), SLICE_ARG(rest));
    sip_edit_set(e, h, value);
}

/* --- forwarding
 * --------------------------------------------------------------------------------------------- */

static char *put(char *to, struct slice s)
{
    if (s.n)
        memcpy(to, s.p, s.n);
    return to + s.n;
}

static char *put_row(char *to, struct slice name, struct slice value)
{
    to = put(to, name);
    to = put(to, SLICE(": "));
    to = put(to, value);
    return put(to, SLICE("\r\n"));
}

static char *put_length(char *to, size_t length)
{
    char digits[NUMBER_ROOM];
    size_t i = sizeof(digits);
    do
        digits[--i] = (char)('0' + length % 10);
    while ((length /= 10) != 0);
    return put_row(to, SLICE("Content-Length"), slice_mem(digits + i, sizeof(digits) - i));
}

/* Which edit each row has: its place + 1; with a new body, ROW_LENGTH for Content-Length. */
static void rows_touched(const struct sip_msg *m, const struct sip_edits *e, uint8_t touched[SIP_MAX_HEADERS])
{
    memset(touched, ROW_UNTOUCHED, m->n_headers);
    for (size_t i = 0; i < e->n; i++)
        if (e->items[i].row)
            touched[e->items[i].row - m->headers] = (uint8_t)(i + 1);
    if (!e->replace_body)
        return;
    for (const struct sip_header *h = sip_msg_header(m, SIP_H_CONTENT_LENGTH); h; h = sip_msg_next(m, h))
        touched[h - m->headers] = ROW_LENGTH;
}

/* No more than this is written: everything of the original and everything that edits add. */
static size_t write_bound(const struct sip_msg *m, const struct sip_edits *e)
{
    size_t n = m->text.n + e->uri.n + sizeof("Content-Length: ") + NUMBER_ROOM + 4;
    if (e->replace_body) /* else the body was never set */
        n += e->body.n;
    for (size_t i = 0; i < e->n; i++)
        n += (e->items[i].row ? e->items[i].row->name.n : strlen(e->items[i].name)) + e->items[i].value.n + 4;
    return n;
}

static char *put_start_line(char *to, const struct sip_msg *m, struct slice uri)
{
    if (!uri.p || !m->is_request)
        to = put(to, m->start_line);
    else {
        to = put(to, m->method_name);
        to = put(to, SLICE(" "));
        to = put(to, uri);
        to = put(to, SLICE(" SIP/2.0"));
    }
    return put(to, SLICE("\r\n"));
}

/* All rows of the original, untouched neighbours in one piece. */
static char *put_rows(char *to, const struct sip_msg *m, const struct sip_edits *e)
{
    uint8_t touched[SIP_MAX_HEADERS];
    rows_touched(m, e, touched);
    const char *run = m->start_line.p + m->start_line.n + 2, *end = run;
    for (size_t i = 0; i < m->n_headers; i++) {
        const struct sip_header *h = &m->headers[i];
        end = h->line.p + h->line.n;
        if (touched[i] == ROW_UNTOUCHED)
            continue;
        to = put(to, (struct slice){run, (size_t)(h->line.p - run)});
        run = end;
        if (touched[i] == ROW_LENGTH) {
            if (m->first[SIP_H_CONTENT_LENGTH] == i + 1)
                to = put_length(to, e->body.n);
        } else if (e->items[touched[i] - 1].kind == SIP_EDIT_SET) {
            to = put_row(to, h->name, e->items[touched[i] - 1].value);
        }
    }
    return put(to, (struct slice){run, (size_t)(end - run)});
}

void sip_msg_write(const struct sip_msg *m, const struct sip_edits *e, struct buf *out)
{
    char *start = buf_reserve(out, write_bound(m, e));
    char *to = put_start_line(start, m, e->uri);
    for (size_t i = e->n; i-- > 0;)
        if (e->items[i].kind == SIP_EDIT_TOP)
            to = put_row(to, slice_str(e->items[i].name), e->items[i].value);
    to = put_rows(to, m, e);
    for (size_t i = 0; i < e->n; i++)
        if (e->items[i].kind == SIP_EDIT_END)
            to = put_row(to, slice_str(e->items[i].name), e->items[i].value);
    if (e->replace_body && m->first[SIP_H_CONTENT_LENGTH] == 0)
        to = put_length(to, e->body.n);
    to = put(to, SLICE("\r\n"));
    to = put(to, e->replace_body ? e->body : m->body);
    buf_commit(out, (size_t)(to - start));
}

/* --- responses, ACK, CANCEL
 * --------------------------------------------------------------------------------- */

static void add_row(struct buf *out, const char *name, struct slice value)
{
    buf_append(out, slice_str(name));
    buf_append(out, SLICE(": "));
    buf_append(out, value);
    buf_append(out, SLICE("\r\n"));
}

static void copy_row(struct buf *out, const struct sip_msg *m, enum sip_header_id id)
{
    const struct sip_header *h = sip_msg_header(m, id);
    if (h)
        buf_append(out, h->line);
}

static void copy_rows(struct buf *out, const struct sip_msg *m, const struct sip_header *h)
{
    for (; h; h = sip_msg_next(m, h))
        buf_append(out, h->line);
}

static void copy_vias(struct buf *out, const struct sip_msg *m, struct slice top)
{
    const struct sip_header *h = sip_msg_header(m, SIP_H_VIA);
    if (h && top.n) {
        struct slice rest = h->value, value;
        sip_list_next(&rest, &value);
        buf_append(out, SLICE("Via: "));
        buf_append(out, top);
        if (rest.n)
            buf_append(out, SLICE(", "));
        buf_append(out, rest);
        buf_append(out, SLICE("\r\n"));
        h = sip_msg_next(m, h);
    }
    copy_rows(out, m, h);
}

static void copy_to(struct buf *out, const struct sip_msg *m, struct slice tag)
{
    if (m->to_tag.n || !tag.n) {
        copy_row(out, m, SIP_H_TO);
        return;
    }
    buf_append(out, SLICE("To: "));
    buf_append(out, sip_msg_value(m, SIP_H_TO));
    buf_append(out, SLICE(";tag="));
    buf_append(out, tag);
    buf_append(out, SLICE("\r\n"));
}

static void add_body(struct buf *out, struct slice content_type, struct slice body)
{
    if (body.n)
        add_row(out, "Content-Type", content_type);
    buf_append(out, SLICE("Content-Length: "));
    buf_append_u64(out, body.n);
    buf_append(out, SLICE("\r\n\r\n"));
    buf_append(out, body);
}

void sip_response_write(const struct sip_msg *request, const struct sip_response *r, struct buf *out)
{
    bool makes_dialog = r->status > 100 && r->status < 300;
    buf_append(out, SLICE("SIP/2.0 "));
    buf_append_u64(out, r->status);
    buf_append(out, SLICE(" "));
    buf_append(out, r->reason.n ? r->reason : slice_str(sip_reason_phrase(r->status)));
    buf_append(out, SLICE("\r\n"));
    copy_vias(out, request, r->top_via);
    if (makes_dialog)
        copy_rows(out, request, sip_msg_header(request, SIP_H_RECORD_ROUTE));
    copy_row(out, request, SIP_H_FROM);
    copy_to(out, request, r->status == 100 ? SLICE_NONE : r->to_tag);
    copy_row(out, request, SIP_H_CALL_ID);
    copy_row(out, request, SIP_H_CSEQ);
    copy_row(out, request, SIP_H_TIMESTAMP);
    buf_append(out, r->extra);
    add_body(out, r->content_type, r->body);
}

/* What ACK and CANCEL share: `to` gives the To row. */
static void start_hop_request(struct buf *out, const struct sip_msg *request, const struct sip_msg *to,
                              const char *method)
{
    struct slice vias = sip_msg_value(request, SIP_H_VIA), via = SLICE("");
    sip_list_next(&vias, &via);
    buf_append(out, slice_str(method));
    buf_append(out, SLICE(" "));
    buf_append(out, request->uri);
    buf_append(out, SLICE(" SIP/2.0\r\n"));
    add_row(out, "Via", via);
    copy_rows(out, request, sip_msg_header(request, SIP_H_ROUTE));
    copy_row(out, request, SIP_H_FROM);
    copy_row(out, to, SIP_H_TO);
    copy_row(out, request, SIP_H_CALL_ID);
    buf_append(out, SLICE("CSeq: "));
    buf_append_u64(out, request->cseq);
    buf_append(out, SLICE(" "));
    buf_append(out, slice_str(method));
    buf_append(out, SLICE("\r\nMax-Forwards: 70\r\n"));
}

void sip_ack_write(const struct sip_msg *request, const struct sip_msg *response, struct buf *out)
{
    start_hop_request(out, request, response, "ACK");
    add_body(out, SLICE_NONE, SLICE_NONE);
}

void sip_cancel_write(const struct sip_msg *request, struct slice reason_header, struct buf *out)
{
    start_hop_request(out, request, request, "CANCEL");
    if (reason_header.n)
        add_row(out, "Reason", reason_header);
    add_body(out, SLICE_NONE, SLICE_NONE);
}
