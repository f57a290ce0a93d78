/* See validate.h. */
#include "element/validate.h"

#include "element/reply.h"

static const struct slice request_known_extensions[] = {SLICE_INIT("ms-benotify")};

static bool request_extension_known(struct slice tag)
{
    for (size_t i = 0; i < sizeof(request_known_extensions) / sizeof(request_known_extensions[0]); i++)
        if (slice_caseeq(tag, request_known_extensions[i]))
            return true;
    return false;
}

static bool request_extensions_ok(struct request *rq)
{
    struct sip_values v = sip_values(&rq->msg, SIP_H_PROXY_REQUIRE);
    struct buf unknown = {0};
    for (struct slice tag; sip_values_next(&v, &tag);)
        if (tag.n && !request_extension_known(tag)) {
            buf_append(&unknown, buf_len(&unknown) ? SLICE(", ") : SLICE("Unsupported: "));
            buf_append(&unknown, tag);
        }
    if (buf_len(&unknown) == 0)
        return true;
    buf_append(&unknown, SLICE("\r\n"));
    request_refuse_with(rq, &REFUSE_BAD_EXTENSION, buf_slice(&unknown));
    buf_fini(&unknown);
    return false;
}

static void request_note_own(struct request *rq, const struct sip_uri *uri)
{
    if (!rq->own_routes)
        rq->own_routes = ARENA_ARRAY(&rq->arena, struct sip_uri, ELEMENT_MAX_OWN_ROUTES);
    rq->own_routes[rq->n_own_routes++] = *uri;
}

/* 16.4: a strict router before us put our own Record-Route value into the Request-URI. */
static void request_undo_strict(struct request *rq)
{
    struct sip_values v = sip_values(&rq->msg, SIP_H_ROUTE);
    struct slice value, last = SLICE_NONE, lr;
    if (!sip_uri_param(&rq->uri, SLICE("lr"), &lr) || !rq->config->ops->is_own_uri(rq->config, &rq->uri))
        return;
    while (sip_values_next(&v, &value))
        last = value;
    struct sip_addr a;
    if (last.n == 0 || sip_addr_parse(last, &a) < 0 || a.is_star)
        return;
    request_note_own(rq, &rq->uri);
    rq->strict = true;
    rq->strict_uri = a.uri_text;
    rq->uri = a.uri;
}

static void request_take_routes(struct request *rq)
{
    struct sip_values v = sip_values(&rq->msg, SIP_H_ROUTE);
    struct sip_addr a;
    size_t total = 0;
    struct sip_values count = v;
    for (struct slice value; sip_values_next(&count, &value);)
        total++;
    if (rq->strict)
        total--;
    for (struct slice value; rq->n_routes_taken < total && sip_values_next(&v, &value);
         rq->n_routes_taken++) {
        if (sip_addr_parse(value, &a) < 0 || a.is_star)
            return;
        if (rq->n_own_routes == ELEMENT_MAX_OWN_ROUTES || !rq->config->ops->is_own_uri(rq->config, &a.uri)) {
            rq->next_route = ARENA_NEW(&rq->arena, struct sip_addr);
            *rq->next_route = a;
            return;
        }
        request_note_own(rq, &a.uri);
    }
}

bool request_valid(struct request *rq)
{
    uint32_t hops;
    struct slice mf = sip_msg_value(&rq->msg, SIP_H_MAX_FORWARDS);
    if (sip_uri_parse(rq->msg.uri, &rq->uri) < 0) {
        request_refuse(rq, &REFUSE_MALFORMED, "the Request-URI is malformed");
    } else if (rq->uri.headers.n > 0) { /* 19.1.1; RFC 4475 3.1.2.11: nothing of them may be followed */
        request_refuse(rq, &REFUSE_MALFORMED, "the Request-URI has headers");
    } else if (rq->uri.scheme == SIP_SCHEME_OTHER) {
        request_refuse(rq, &REFUSE_SCHEME, NULL);
    } else if (mf.n && sip_number_parse(mf, &hops) == 0 && hops == 0) {
        request_refuse(rq, &REFUSE_TOO_MANY_HOPS, NULL);
    } else {
        request_undo_strict(rq);
        request_take_routes(rq);
        if (via_is_loop(rq))
            request_refuse(rq, &REFUSE_LOOP, NULL);
        else if (rq->is_ack || request_extensions_ok(rq))
            return true;
    }
    return false;
}
