/* The registrar: RFC 3261 section 10.3. */
#include "service/front_end/priv.h"

#include <time.h>

#include "ground/base/mem.h"
#include "ground/log/metric.h"
#include "service/front_end/contacts.h"

struct registration {
    struct visit *v; /* NULL: the request is gone */
    bool remove_all;
    bool made_room;
    struct location_change *changes;
    size_t n;
};
static void registrar_done(void *arg, enum location_outcome outcome);

/* ---------------------------------------------------------------- answers */
/* Written once a second. */
static void append_date(struct buf *out, int64_t now_ms)
{
    static _Thread_local time_t of;
    static _Thread_local char text[64];
    time_t s = (time_t)(now_ms / 1000);
    if (s != of || !text[0]) {
        struct tm tm;
        gmtime_r(&s, &tm);
        strftime(text, sizeof(text), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
        of = s;
    }
    buf_append(out, slice_str(text));
}

/* Step 8: all there is. */
static void registrar_tell(struct visit *v, const struct location_binding *b, size_t n, bool stateless)
{
    struct buf rows = {0};
    int64_t now_ms = loop_wall();
    loop_lend(request_loop(v->rq), &rows);
    contacts_write(b, n, now_ms, &rows);
    append_date(&rows, now_ms);
    connection_add_pass(v, v->aor);
    request_reply(v->rq,
                  &(struct reply){.status = 200, .extra = buf_slice(&rows), .stateless_over_udp = stateless});
    loop_give_back(request_loop(v->rq), &rows);
}

static void registrar_answer(struct visit *v, bool stateless)
{
    struct location_binding *b;
    size_t n = location_find(v->fe->location, v->aor, loop_wall(), request_arena(v->rq), &b);
    registrar_tell(v, b, n, stateless);
}

bool registrar_has_answered(const struct visit *v, struct slice aor)
{
    const struct sip_msg *m = request_msg(v->rq);
    struct location_binding *b;
    if (m->method != SIP_REGISTER || request_transport(v->rq) != SIP_UDP)
        return false;
    size_t n = location_find(v->fe->location, aor, loop_wall(), request_arena(v->rq), &b);
    for (size_t i = 0; i < n; i++)
        if (b[i].cseq == m->cseq && slice_eq(b[i].call_id, m->call_id) &&
            net_addr_eq(&b[i].source, request_source(v->rq)))
            return true;
    return false;
}

static const struct {
    enum contacts_verdict verdict;
    const struct refusal *refusal;
} registrar_refusals[] = {
    {CONTACTS_BAD,      &REFUSE_FE_BAD_CONTACT      },
    {CONTACTS_BAD_STAR, &REFUSE_FE_BAD_STAR         },
    {CONTACTS_TOO_MANY, &REFUSE_FE_TOO_MANY_CONTACTS},
};

static void registrar_refuse(struct visit *v, enum contacts_verdict verdict)
{
    if (verdict == CONTACTS_BRIEF) {
        struct slice row =
            arena_printf(request_arena(v->rq), "Min-Expires: %lld\r\n", (long long)v->fe->pool->min_expires);
        request_refuse_with(v->rq, &REFUSE_FE_BRIEF, row);
        return;
    }
    for (size_t i = 0; i < sizeof(registrar_refusals) / sizeof(registrar_refusals[0]); i++)
        if (registrar_refusals[i].verdict == verdict)
            request_refuse(v->rq, registrar_refusals[i].refusal, NULL);
}

/* ---------------------------------------------------------------- the change */
static struct location_request request_of(const struct registration *r)
{
    const struct sip_msg *m = request_msg(r->v->rq);
    return (struct location_request){.aor = r->v->aor,
                                     .remove_all = r->remove_all,
                                     .call_id = m->call_id,
                                     .cseq = m->cseq,
                                     .changes = r->changes,
                                     .n = r->n,
                                     .max_contacts = (size_t)r->v->fe->pool->max_contacts};
}

static void registrar_ask(struct registration *r)
{
    struct location_request rq = request_of(r);
    location_update(r->v->fe->location, request_loop(r->v->rq), &rq, registrar_done, r);
}

/* A user at the limit: contacts whose connection is gone give way to new ones, or a client that came back a
 * few times under another port would be locked out by its own past. They go first, so that one that is
 * refreshed in this very request is there again afterwards. False: there are none. */
static bool registrar_make_room(struct registration *r)
{
    struct visit *v = r->v;
    struct location_binding *b;
    struct location_change *all =
        ARENA_ARRAY(request_arena(v->rq), struct location_change, LOCATION_MAX_CHANGES);
    size_t n_all = 0, n = location_find(v->fe->location, v->aor, loop_wall(), request_arena(v->rq), &b);
    for (size_t i = 0; i < n && n_all + r->n < LOCATION_MAX_CHANGES; i++)
        if (b[i].flow_lost)
            all[n_all++] = (struct location_change){.uri = b[i].uri, .remove = true};
    if (r->made_room || n_all == 0)
        return false;
    memcpy(all + n_all, r->changes, r->n * sizeof(all[0]));
    r->changes = all;
    r->n += n_all;
    r->made_room = true;
    return true;
}

static void registrar_finish(struct visit *v, enum location_outcome outcome)
{
    struct flow *f = request_flow(v->rq);
    v->connection = f ? flow_data(f) : NULL; /* it may have gone meanwhile */
    switch (outcome) {
    case LOCATION_OK:
        METRIC_COUNT("front-end.registered");
        registrar_answer(v, false);
        return;
    case LOCATION_STALE:
        request_refuse(v->rq, &REFUSE_FE_REGISTER_STALE, NULL);
        return;
    case LOCATION_TOO_MANY:
        request_refuse(v->rq, &REFUSE_FE_TOO_MANY_CONTACTS, NULL);
        return;
    case LOCATION_FAILED:
        request_refuse_with(v->rq, &REFUSE_FE_LOCATION_DOWN, SLICE("Retry-After: 5\r\n"));
        return;
    }
}

static void registrar_done(void *arg, enum location_outcome outcome)
{
    struct registration *r = arg;
    struct visit *v = r->v;
    if (v && outcome == LOCATION_TOO_MANY && registrar_make_room(r)) {
        registrar_ask(r);
        return;
    }
    mem_free(r);
    if (!v)
        return;
    v->registration = NULL;
    registrar_finish(v, outcome);
}

void registrar_over(struct visit *v)
{
    if (v->registration)
        v->registration->v = NULL;
    v->registration = NULL;
}

static void registrar_change(struct visit *v, bool remove_all, struct location_change *changes, size_t n)
{
    struct flow_ref ref = request_flow_ref(v->rq);
    for (size_t i = 0; i < n; i++) {
        changes[i].binding.transport = request_transport(v->rq);
        changes[i].binding.source = *request_source(v->rq);
        changes[i].binding.flow = (struct location_flow){ref.worker, ref.slot, ref.generation};
    }
    struct registration asked = {.v = v, .remove_all = remove_all, .changes = changes, .n = n};
    struct location_request rq = request_of(&asked);
    struct location_binding *there;
    size_t n_there;
    if (location_refresh(v->fe->location, &rq, loop_wall(), request_arena(v->rq), &there, &n_there)) {
        METRIC_COUNT("front-end.registered");
        METRIC_COUNT("front-end.refreshed");
        registrar_tell(v, there, n_there, true);
        return;
    }
    v->registration = MEM_NEW(struct registration);
    *v->registration = asked;
    registrar_ask(v->registration);
}

/* Step 2: no extension of REGISTER is required of us that we have. */
static bool registrar_extensions_ok(struct visit *v)
{
    struct slice require = sip_msg_value(request_msg(v->rq), SIP_H_REQUIRE);
    if (require.n == 0)
        return true;
    struct slice row =
        arena_printf(request_arena(v->rq), "Unsupported: " SLICE_FMT "\r\n", SLICE_ARG(require));
    request_refuse_with(v->rq, &REFUSE_FE_BAD_EXTENSION, row);
    return false;
}

void registrar_request(struct visit *v)
{
    const struct topology_front_end_pool *pool = v->fe->pool;
    struct contacts_rules rules = {pool->min_expires, pool->max_expires, pool->default_expires};
    struct slice aor = sip_uri_aor(&request_to(v->rq)->uri, request_arena(v->rq));
    const struct sip_uri *to = &request_to(v->rq)->uri;
    struct location_change *changes = NULL;
    size_t n = 0;
    if (v->machine.n) {
        request_refuse(v->rq, &REFUSE_FE_REGISTER_RELAYED, NULL);
        return;
    }
    if (!to->has_user || !topology_is_own_domain(v->fe->t, to->host) ||
        !topology_is_own_domain(v->fe->t, request_uri(v->rq)->host)) {
        request_refuse(v->rq, &REFUSE_FE_NO_SUCH_DOMAIN, NULL);
        return;
    }
    if (!registrar_extensions_ok(v) || !authenticate(v, aor))
        return;
    v->aor = aor;
    if (v->again) {
        registrar_answer(v, true);
        return;
    }
    enum contacts_verdict verdict =
        contacts_read(request_msg(v->rq), &rules, loop_wall(), request_arena(v->rq), &changes, &n);
    if (verdict == CONTACTS_QUERY)
        registrar_answer(v, false);
    else if (verdict == CONTACTS_UPDATE || verdict == CONTACTS_REMOVE_ALL)
        registrar_change(v, verdict == CONTACTS_REMOVE_ALL, changes, n);
    else
        registrar_refuse(v, verdict);
}
