#include "service/access_edge/hide.h"

#include "service/access_edge/hidden.h"

#include "wire/sip/value.h"

#define SEALED_USER "h."      /* before the text, in the user part */
#define SEALED_PARAM "hidden" /* of a Record-Route URI: machine, space, route */

/* ---------------------------------------------------------------- the words that may not leave */
static void word_add(struct edge *e, struct slice word)
{
    if (word.n && !slice_caseeq(word, e->outer_host) && !topology_is_own_domain(e->t, word))
        e->words[e->n_words++] = word;
}

static void words_of(struct edge *e, struct slice pool, const struct topology_machine *machines, size_t n)
{
    word_add(e, pool);
    for (size_t i = 0; i < n; i++) {
        word_add(e, machines[i].fqdn);
        word_add(e, machines[i].internal_address);
        word_add(e, machines[i].internal_address6);
    }
}

#define POOLS(X) X(front_end_pools) X(director_pools) X(foreign_pools) X(edge_pools) X(mediation_pools)
void hide_compile(struct edge *e)
{
    const struct topology *t = e->t;
    size_t n = 2;
    if (!e->pool->hide_topology)
        return;
#define COUNT(list)                                                                                          \
    for (size_t i = 0; i < t->n_##list; i++)                                                                 \
        n += 1 + 3 * t->list[i].n_machines;
    POOLS(COUNT)
    e->words = ARENA_ARRAY(&e->arena, struct slice, n);
    word_add(e, t->central.machine);
    word_add(e, t->central.internal_address);
#define ADD(list)                                                                                            \
    for (size_t i = 0; i < t->n_##list; i++)                                                                 \
        words_of(e, t->list[i].fqdn, t->list[i].machines, t->list[i].n_machines);
    POOLS(ADD)
}

static bool same_here(const char *p, struct slice word)
{
    return slice_caseeq(slice_mem(p, word.n), word);
}

/* Names in any case; without a library for many words at once: this is asked for few rows of few messages. */
static bool says_a_word(const struct edge *e, struct slice value)
{
    for (size_t i = 0; i < e->n_words; i++) {
        struct slice word = e->words[i];
        for (size_t k = 0; k + word.n <= value.n; k++)
            if ((value.p[k] | 0x20) == (word.p[0] | 0x20) && same_here(value.p + k, word))
                return true;
    }
    return false;
}

/* ---------------------------------------------------------------- sealing */
static bool seal(struct request *rq, struct slice text, struct slice *ret)
{
    const struct passage *p = passage_of(rq);
    const struct material_key *key = material_signing_key(p->e->m, loop_wall());
    return key && hidden_seal(text, p->partner, key, request_arena(rq), ret) == 0;
}

static bool open_sealed(struct request *rq, struct slice sealed, struct slice *ret)
{
    const struct passage *p = passage_of(rq);
    return hidden_open(sealed, p->partner, p->e->m, loop_wall(), request_arena(rq), ret);
}

/* The URI of this Edge that stands for one of inside; empty: it cannot be sealed. */
static struct slice sealed_uri(struct request *rq, struct slice uri)
{
    const struct edge *e = passage_of(rq)->e;
    struct slice sealed;
    if (!seal(rq, uri, &sealed))
        return SLICE_NONE;
    return arena_printf(request_arena(rq), "sip:" SEALED_USER SLICE_FMT "@" SLICE_FMT ":%u;transport=tls",
                        SLICE_ARG(sealed), SLICE_ARG(e->outer_host), (unsigned)e->pool->federation_port);
}

bool hide_is_sealed(const struct edge *e, const struct sip_uri *uri)
{
    return (uri->scheme == SIP_SCHEME_SIP || uri->scheme == SIP_SCHEME_SIPS) &&
           slice_starts(uri->user, SLICE(SEALED_USER)) && names_own(e, uri->host, uri->port);
}

/* ---------------------------------------------------------------- rows that leave */
static bool is_inside(const struct edge *e, const struct sip_uri *uri)
{
    return (uri->scheme == SIP_SCHEME_SIP || uri->scheme == SIP_SCHEME_SIPS) &&
           !topology_is_own_domain(e->t, uri->host);
}

/* Contact, Refer-To: URIs of inside are replaced, those of our domains are for everybody. */
static void seal_addresses(struct request *rq, const struct sip_header *h, struct sip_edits *edits)
{
    const struct edge *e = passage_of(rq)->e;
    struct slice rest = h->value, value;
    struct buf out = {0};
    while (sip_list_next(&rest, &value)) {
        struct sip_addr a;
        const char *comma = buf_len(&out) ? ", " : "";
        if (sip_addr_parse(value, &a) < 0)
            continue; /* what cannot be read cannot be made safe */
        if (a.is_star || !is_inside(e, &a.uri)) {
            buf_printf(&out, "%s" SLICE_FMT, comma, SLICE_ARG(value));
            continue;
        }
        size_t query = slice_find(a.uri_text, '?'); /* headers of Refer-To: Replaces */
        struct slice plain = query == SIZE_MAX ? a.uri_text : slice_head(a.uri_text, query);
        struct slice headers = query == SIZE_MAX ? SLICE_NONE : slice_from(a.uri_text, query);
        struct slice uri = sealed_uri(rq, plain);
        if (uri.n)
            buf_printf(&out, "%s<" SLICE_FMT SLICE_FMT ">%s" SLICE_FMT, comma, SLICE_ARG(uri),
                       SLICE_ARG(headers), a.params.n ? ";" : "", SLICE_ARG(a.params));
    }
    if (buf_len(&out))
        sip_edit_set(edits, h, arena_copy(request_arena(rq), buf_slice(&out)));
    else
        sip_edit_remove(edits, h);
    buf_fini(&out);
}

/* Warning: code SP agent SP text (RFC 3261 20.43). */
static void rename_agents(struct request *rq, const struct sip_header *h, struct sip_edits *edits)
{
    const struct edge *e = passage_of(rq)->e;
    struct slice rest = h->value, value, code, agent, text;
    struct buf out = {0};
    while (sip_list_next(&rest, &value))
        if (slice_cut(value, ' ', &code, &rest) && slice_cut(rest, ' ', &agent, &text) &&
            !says_a_word(e, text))
            buf_printf(&out, "%s" SLICE_FMT " " SLICE_FMT " " SLICE_FMT, buf_len(&out) ? ", " : "",
                       SLICE_ARG(code), SLICE_ARG(e->outer_host), SLICE_ARG(text));
    if (buf_len(&out))
        sip_edit_set(edits, h, arena_copy(request_arena(rq), buf_slice(&out)));
    else
        sip_edit_remove(edits, h);
    buf_fini(&out);
}

static void rename_source(struct request *rq, const struct sip_header *h, struct sip_edits *edits)
{
    const struct edge *e = passage_of(rq)->e;
    size_t semi = slice_find(h->value, ';');
    struct slice rest = semi == SIZE_MAX ? SLICE_NONE : slice_from(h->value, semi + 1), name, value;
    struct buf out = {0};
    buf_append(&out, slice_head(h->value, semi == SIZE_MAX ? h->value.n : semi));
    while (sip_param_next(&rest, &name, &value)) {
        bool source = slice_caseeq(name, SLICE("source"));
        if (source || !says_a_word(e, value))
            buf_printf(&out, ";" SLICE_FMT "=\"" SLICE_FMT "\"", SLICE_ARG(name),
                       SLICE_ARG(source ? e->outer_host : value));
    }
    sip_edit_set(edits, h, arena_copy(request_arena(rq), buf_slice(&out)));
    buf_fini(&out);
}

static bool names_a_product(struct slice name)
{
    static const struct slice products[] = {SLICE_INIT("Server"), SLICE_INIT("User-Agent"),
                                            SLICE_INIT("Service-Route"), SLICE_INIT("Organization")};
    for (size_t i = 0; i < sizeof(products) / sizeof(products[0]); i++)
        if (slice_caseeq(name, products[i]))
            return true;
    return false;
}

static void hide_row(struct request *rq, const struct sip_header *h, struct sip_edits *edits)
{
    switch (h->id) {
    case SIP_H_VIA: /* have their own ways */
    case SIP_H_RECORD_ROUTE:
    case SIP_H_ROUTE:
    case SIP_H_FROM: /* belong to the dialog */
    case SIP_H_TO:
    case SIP_H_CALL_ID:
    case SIP_H_CSEQ:
    case SIP_H_P_ASSERTED_IDENTITY:
        return;
    case SIP_H_CONTACT:
    case SIP_H_REFER_TO:
        seal_addresses(rq, h, edits);
        return;
    case SIP_H_WARNING:
        rename_agents(rq, h, edits);
        return;
    case SIP_H_MS_DIAGNOSTICS:
        rename_source(rq, h, edits);
        return;
    case SIP_H_PATH:
        sip_edit_remove(edits, h);
        return;
    default:
        if ((h->id == SIP_H_OTHER && names_a_product(h->name)) || says_a_word(passage_of(rq)->e, h->value))
            sip_edit_remove(edits, h);
    }
}

static void hide_rows(struct request *rq, const struct sip_msg *m, struct sip_edits *edits)
{
    for (size_t i = 0; i < m->n_headers; i++)
        hide_row(rq, &m->headers[i], edits);
}

/* ---------------------------------------------------------------- Record-Route */
struct slice hide_joined(const struct sip_msg *m, enum sip_header_id id, struct arena *a)
{
    struct sip_values v = sip_values(m, id);
    struct slice value, all = SLICE_NONE;
    while (sip_values_next(&v, &value))
        all = all.n ? arena_printf(a, SLICE_FMT ", " SLICE_FMT, SLICE_ARG(all), SLICE_ARG(value)) : value;
    return all;
}

/* `outer` is "<…;lr>". */
static struct slice with_hidden(struct request *rq, struct slice outer, struct slice machine,
                                struct slice route)
{
    struct arena *a = request_arena(rq);
    struct slice sealed,
        text = arena_printf(a, SLICE_FMT " " SLICE_FMT, SLICE_ARG(machine), SLICE_ARG(route));
    if (!seal(rq, text, &sealed))
        return SLICE_NONE;
    return arena_printf(a, SLICE_FMT ";" SEALED_PARAM "=" SLICE_FMT ">",
                        SLICE_ARG(slice_head(outer, outer.n - 1)), SLICE_ARG(sealed));
}

struct slice hide_record_route(struct request *rq, struct slice outer, struct slice inner,
                               struct sip_edits *edits)
{
    struct passage *p = passage_of(rq);
    struct arena *a = request_arena(rq);
    struct slice inside = hide_joined(request_msg(rq), SIP_H_RECORD_ROUTE, a);
    sip_edit_remove_all(edits, request_msg(rq), SIP_H_RECORD_ROUTE);
    p->taken_routes =
        inside.n ? arena_printf(a, SLICE_FMT ", " SLICE_FMT, SLICE_ARG(inner), SLICE_ARG(inside)) : inner;
    outer = with_hidden(rq, outer, p->machine, inside);
    if (outer.n == 0)
        request_refuse(rq, &EDGE_NO_KEY, "the route inside cannot be hidden");
    return outer;
}

/* Our URI with this user part. */
static bool is_with_token(struct slice value, struct slice token)
{
    struct sip_addr a;
    return token.n && sip_addr_parse(value, &a) == 0 && slice_eq(a.uri.user, token);
}

enum { ROUTES_MAX = 64 };
static size_t list_values(const struct sip_msg *m, struct slice out[ROUTES_MAX])
{
    struct sip_values v = sip_values(m, SIP_H_RECORD_ROUTE);
    size_t n = 0;
    while (n < ROUTES_MAX && sip_values_next(&v, &out[n]))
        n++;
    return n;
}

/* A dialog that began outside: those above ours are of inside, and go back that way from ours. */
static bool hide_new_routes(struct request *rq, const struct slice *values, size_t n, struct buf *out)
{
    const struct passage *p = passage_of(rq);
    struct arena *a = request_arena(rq);
    size_t ours = 0;
    while (ours < n && !is_with_token(values[ours], p->outer_token))
        ours++;
    if (ours == n)
        return false;
    struct slice inside = SLICE_NONE;
    for (size_t i = ours; i-- > 0;)
        if (!is_with_token(values[i], p->inner_token))
            inside = inside.n
                         ? arena_printf(a, SLICE_FMT ", " SLICE_FMT, SLICE_ARG(inside), SLICE_ARG(values[i]))
                         : values[i];
    buf_append(out, with_hidden(rq, values[ours], p->inside, inside));
    for (size_t i = ours + 1; i < n; i++)
        buf_printf(out, ", " SLICE_FMT, SLICE_ARG(values[i]));
    return true;
}

/* Within a dialog nobody reads them (RFC 3261 12.2): only the partner's own go back. */
static void keep_their_routes(struct request *rq, const struct slice *values, size_t n, struct buf *out)
{
    struct slice theirs = passage_of(rq)->their_routes;
    if (theirs.n == 0)
        theirs = hide_joined(request_msg(rq), SIP_H_RECORD_ROUTE, request_arena(rq));
    for (size_t i = 0; i < n; i++) {
        struct slice rest = theirs, value;
        bool found = false;
        while (!found && sip_list_next(&rest, &value))
            found = slice_eq(values[i], value);
        if (found)
            buf_printf(out, "%s" SLICE_FMT, buf_len(out) ? ", " : "", SLICE_ARG(values[i]));
    }
}

static void hide_routes_of_response(struct request *rq, const struct sip_msg *m, struct sip_edits *edits)
{
    struct slice values[ROUTES_MAX];
    size_t n = list_values(m, values);
    struct buf out = {0};
    if (n == 0)
        return;
    sip_edit_remove_all(edits, m, SIP_H_RECORD_ROUTE);
    if (!hide_new_routes(rq, values, n, &out))
        keep_their_routes(rq, values, n, &out);
    if (buf_len(&out))
        sip_edit_end(edits, "Record-Route", arena_copy(request_arena(rq), buf_slice(&out)));
    buf_fini(&out);
}

/* ---------------------------------------------------------------- out */
bool hide_request(struct request *rq, struct sip_edits *edits)
{
    const struct sip_msg *m = request_msg(rq);
    if (!material_signing_key(passage_of(rq)->e->m, loop_wall())) {
        request_refuse(rq, &EDGE_NO_KEY, NULL);
        return false;
    }
    passage_of(rq)->hides = true;
    hide_rows(rq, m, edits);
    sip_edit_remove_all(edits, m, SIP_H_RECORD_ROUTE);
    return true;
}

void hide_response(struct request *rq, const struct sip_msg *m, struct sip_edits *edits)
{
    hide_rows(rq, m, edits);
    hide_routes_of_response(rq, m, edits);
}

/* ---------------------------------------------------------------- in */
void unhide_response(struct request *rq, const struct sip_msg *m, struct sip_edits *edits)
{
    const struct passage *p = passage_of(rq);
    struct arena *a = request_arena(rq);
    struct slice values[ROUTES_MAX];
    size_t n = p->taken_routes.n ? list_values(m, values) : 0;
    if (n == 0)
        return;
    struct buf out = {0};
    for (size_t i = 0; i < n; i++) {
        buf_printf(&out, "%s" SLICE_FMT, i ? ", " : "", SLICE_ARG(values[i]));
        if (is_with_token(values[i], p->outer_token))
            buf_printf(&out, ", " SLICE_FMT, SLICE_ARG(p->taken_routes));
    }
    sip_edit_remove_all(edits, m, SIP_H_RECORD_ROUTE);
    sip_edit_end(edits, "Record-Route", arena_copy(a, buf_slice(&out)));
    buf_fini(&out);
}

bool unhide_request(struct request *rq)
{
    struct passage *p = passage_of(rq);
    const struct sip_uri *uri = request_uri(rq), *routes;
    size_t n = request_own_routes(rq, &routes);
    struct slice text, sealed;
    if (hide_is_sealed(p->e, uri) &&
        !open_sealed(rq, slice_from(uri->user, sizeof(SEALED_USER) - 1), &p->uri))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!sip_uri_param(&routes[i], SLICE(SEALED_PARAM), &sealed))
            continue;
        if (!open_sealed(rq, sealed, &text) || !slice_cut(text, ' ', &p->dialog.token.machine, &p->routes))
            return false;
        break;
    }
    return true;
}

void unhide_rows(struct request *rq, struct sip_edits *edits)
{
    const struct passage *p = passage_of(rq);
    const struct sip_header *h = sip_msg_header(request_msg(rq), SIP_H_REFER_TO);
    struct sip_addr a;
    struct slice uri;
    if (p->routes.n && !request_next_route(rq))
        sip_edit_end(edits, "Route", p->routes);
    if (h && sip_addr_parse(h->value, &a) == 0 && hide_is_sealed(p->e, &a.uri) &&
        open_sealed(rq, slice_from(a.uri.user, sizeof(SEALED_USER) - 1), &uri)) {
        size_t query = slice_find(a.uri_text, '?');
        struct slice headers = query == SIZE_MAX ? SLICE_NONE : slice_from(a.uri_text, query);
        sip_edit_set(edits, h,
                     arena_printf(request_arena(rq), "<" SLICE_FMT SLICE_FMT ">%s" SLICE_FMT, SLICE_ARG(uri),
                                  SLICE_ARG(headers), a.params.n ? ";" : "", SLICE_ARG(a.params)));
    }
}
