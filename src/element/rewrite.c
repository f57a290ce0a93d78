/* See rewrite.h. */
#include "element/rewrite.h"

enum { MAX_BREADTH = 60, OWN_EDITS = 8 };

static struct slice rewrite_number(struct request *rq, uint32_t v)
{
    char digits[10], *to = digits + sizeof(digits);
    do
        *--to = (char)('0' + v % 10);
    while ((v /= 10) != 0);
    return arena_copy(&rq->arena, slice_mem(to, (size_t)(digits + sizeof(digits) - to)));
}

static struct slice rewrite_hops(struct request *rq)
{
    uint32_t hops = 70; /* 16.6 step 3 */
    struct slice mf = sip_msg_value(&rq->msg, SIP_H_MAX_FORWARDS);
    if (mf.n && sip_number_parse(mf, &hops) == 0)
        hops = hops > 255 ? 255 : hops - 1;
    return rewrite_number(rq, hops);
}

static void rewrite_set(struct request *rq, struct sip_edits *e, enum sip_header_id id, struct slice value)
{
    const struct sip_header *row = sip_msg_header(&rq->msg, id);
    if (row)
        sip_edit_set(e, row, value);
    else
        sip_edit_top(e, sip_header_name(id), value);
}

/* The Route values that stay: without those of ours, and 16.6 step 6 for a next hop that routes strictly. */
static struct slice rewrite_routes(struct request *rq)
{
    struct sip_values v = sip_values(&rq->msg, SIP_H_ROUTE);
    struct slice value, lr;
    struct buf out = {0};
    size_t i = 0, total = 0;
    struct sip_values count = v;
    while (sip_values_next(&count, &value))
        total++;
    size_t end = rq->strict ? total - 1 : total;
    bool strict_next = rq->next_route && !sip_uri_param(&rq->next_route->uri, SLICE("lr"), &lr);
    for (; sip_values_next(&v, &value) && i < end; i++) {
        if (i < rq->n_routes_taken + strict_next)
            continue;
        buf_append(&out, buf_len(&out) ? SLICE(", ") : SLICE(""));
        buf_append(&out, value);
    }
    if (strict_next)
        buf_printf(&out, "%s<" SLICE_FMT ">", buf_len(&out) ? ", " : "", SLICE_ARG(rq->uri.text));
    struct slice s = arena_copy(&rq->arena, buf_slice(&out));
    buf_fini(&out);
    return s;
}

void rewrite_prepare(struct request *rq, const struct forward *plan)
{
    static const struct sip_edits none = {.cap = SIP_MAX_EDITS};
    /* Ours: Via, Max-Forwards, Max-Breadth, Route on top and at the end, and each Route row taken away. */
    size_t more = OWN_EDITS;
    for (const struct sip_header *h = sip_msg_header(&rq->msg, SIP_H_ROUTE); h; h = sip_msg_next(&rq->msg, h))
        more++;
    for (const struct sip_header *h = sip_msg_header(&rq->msg, SIP_H_VIA); h && plan->keeps_vias;
         h = sip_msg_next(&rq->msg, h))
        more++;
    struct sip_edits *e = rq->edits = sip_edits_copy(plan->edits ? plan->edits : &none, more, &rq->arena);
    rewrite_set(rq, e, SIP_H_MAX_FORWARDS, rewrite_hops(rq));
    rq->keeps_vias = plan->keeps_vias;
    if (rq->keeps_vias)
        sip_edit_remove_all(e, &rq->msg, SIP_H_VIA);
    else if (rq->top_via.n)
        sip_edit_set_first(e, &rq->arena, &rq->msg, SIP_H_VIA, rq->top_via);
    if (!sip_msg_header(&rq->msg, SIP_H_CONTENT_LENGTH) && !e->replace_body) { /* 16.6 step 9 */
        e->replace_body = true;
        e->body = rq->msg.body;
    }
    if (rq->n_routes_taken || rq->strict || rq->next_route) {
        struct slice routes = rewrite_routes(rq);
        const struct sip_header *row = sip_msg_header(&rq->msg, SIP_H_ROUTE);
        sip_edit_remove_all(e, &rq->msg, SIP_H_ROUTE);
        if (row && routes.n)
            sip_edit_end(e, "Route", routes);
    }
    struct slice lr;
    if (rq->next_route && !sip_uri_param(&rq->next_route->uri, SLICE("lr"), &lr))
        e->uri = rq->next_route->uri_text;
    else if (rq->strict)
        e->uri = rq->strict_uri;
}

bool rewrite_breadth(struct request *rq, unsigned widest)
{
    uint32_t breadth = MAX_BREADTH;
    struct slice given = sip_msg_value(&rq->msg, SIP_H_MAX_BREADTH);
    if (given.n)
        sip_number_parse(given, &breadth);
    if (widest > breadth || breadth == 0)
        return false;
    rewrite_set(rq, rq->edits, SIP_H_MAX_BREADTH, rewrite_number(rq, breadth / widest));
    return true;
}

bool rewrite_request(struct request *rq, const struct forward_branch *b, enum sip_transport transport,
                     const char *branch, struct buf *out)
{
    struct sip_edits *e = rq->edits;
    size_t n = e->n;
    struct slice uri = e->uri;
    struct buf via = {0};
    loop_lend(rq->s->loop, &via);
    via_write(rq->config, b->target.side, transport, branch, &via);
    if (b->uri.p)
        e->uri = b->uri;
    if (b->extra_route.n)
        sip_edit_top(e, "Route", b->extra_route);
    sip_edit_top(e, "Via", buf_slice(&via));
    bool ok = !e->overflow;
    if (ok)
        sip_msg_write(&rq->msg, e, out);
    e->n = n;
    e->uri = uri;
    loop_give_back(rq->s->loop, &via);
    return ok && buf_len(out) <= SIP_MAX_MESSAGE;
}

struct slice rewrite_kept_vias(struct request *rq)
{
    if (rq->kept_vias.n)
        return rq->kept_vias;
    struct sip_values v = sip_values(&rq->msg, SIP_H_VIA);
    struct buf all = {0};
    for (struct slice value; sip_values_next(&v, &value);) {
        bool top = buf_len(&all) == 0;
        buf_append(&all, top ? SLICE("") : SLICE(", "));
        buf_append(&all, top && rq->top_via.n ? rq->top_via : value);
    }
    struct slice s = arena_copy(&rq->arena, buf_slice(&all));
    buf_fini(&all);
    return s;
}

void rewrite_send_up(struct request *rq, const struct sip_msg *m, struct slice more_rows)
{
    struct sip_edits e;
    struct buf out = {0};
    loop_lend(rq->s->loop, &out);
    sip_edits_init(&e);
    sip_edit_pop_value(&e, m, SIP_H_VIA);
    if (rq->keeps_vias)
        sip_edit_top(&e, "Via", rewrite_kept_vias(rq));
    struct slice rest = more_rows, line, name, value;
    while (slice_cut(rest, '\n', &line, &rest))
        if (slice_cut(line, ':', &name, &value))
            sip_edit_end(
                &e, slice_eq(name, SLICE("WWW-Authenticate")) ? "WWW-Authenticate" : "Proxy-Authenticate",
                slice_trim(value));
    if (rq->config->ops->response)
        rq->config->ops->response(rq, m, &e);
    sip_msg_write(m, &e, &out);
    request_send(rq, m->status, &out);
    loop_give_back(rq->s->loop, &out);
}

bool rewrite_is_for_sender(const struct request *rq, const struct sip_msg *m)
{
    struct sip_values v = sip_values(m, SIP_H_VIA);
    struct slice value;
    return sip_values_next(&v, &value) && sip_values_next(&v, &value) != rq->keeps_vias;
}
