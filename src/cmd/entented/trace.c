/* What a Call-ID went through: on this machine; at central management on all machines, in one order of time.
 */
#include "cmd/entented/daemon.h"

#include "ground/base/mem.h"

#include <errno.h>
#include <stdlib.h>

enum { TRACE_WAIT_MS = 8000, TRACE_EVENTS_MAX = 20000 };

/* ---------------------------------------------------------------- this machine */
static void put_events(struct arena *a, struct json_value *o, const struct trace_found *found, size_t n)
{
    struct json_value *events = json_array(a);
    for (size_t i = 0; i < n; i++) {
        struct json_value *e = json_object(a);
        json_set_int(a, e, "time_us", found[i].wall_us);
        json_set_string(a, e, "event", slice_str(found[i].event));
        json_set_string(a, e, "method", slice_str(found[i].method));
        if (found[i].status)
            json_set_int(a, e, "status", found[i].status);
        if (found[i].peer[0])
            json_set_string(a, e, "peer", slice_str(found[i].peer));
        if (found[i].note[0])
            json_set_string(a, e, "note", slice_str(found[i].note));
        json_push(a, events, e);
    }
    json_set(a, o, "events", events);
}

struct here {
    struct daemon *d;
    struct http_request *rq;
};

static void traced_here(void *arg, const struct trace_found *found, size_t n, bool more)
{
    struct here h = *(struct here *)arg;
    struct arena *a = http_arena(h.rq);
    struct json_value *o = json_object(a);
    mem_free(arg);
    json_set_string(a, o, "machine", slice_str(h.d->machine));
    json_set_int(a, o, "time_ms", loop_wall());
    json_set_bool(a, o, "more", more); /* than fits; the oldest are shown */
    put_events(a, o, found, n);
    api_json(h.rq, 200, o);
}

void trace_here(struct daemon *d, struct http_request *rq)
{
    struct slice call_id = http_query(rq, "call_id");
    if (call_id.n == 0) {
        api_error(rq, 400, "api.missing", "call_id is missing");
        return;
    }
    struct here *h = MEM_NEW(struct here);
    *h = (struct here){d, rq};
    if (d->element)
        element_trace(d->element, call_id, d->control, traced_here, h);
    else
        traced_here(h, NULL, 0, false);
}

/* ---------------------------------------------------------------- all machines */
struct merged {
    int64_t time_us; /* by central's clock */
    size_t order;
    struct json_value *event;
};

static int by_time(const void *a, const void *b)
{
    const struct merged *x = a, *y = b;
    if (x->time_us != y->time_us)
        return x->time_us < y->time_us ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

/*
 * How far a machine's clock is from ours: it said its time somewhere between our question and its answer.
 * Less than that cannot be told, and counts as none.
 */
static int64_t clock_ahead(const struct central_answer *w, int64_t *ret_unsure)
{
    int64_t theirs = json_get_int(w->json, "time_ms", 0);
    int64_t middle = (w->sent_ms + w->came_ms) / 2, unsure = (w->came_ms - w->sent_ms + 1) / 2;
    *ret_unsure = unsure;
    return theirs && llabs(theirs - middle) > unsure ? theirs - middle : 0;
}

static void put_machine(struct arena *a, struct json_value *machines, const struct central_answer *w,
                        int64_t ahead, int64_t unsure)
{
    struct json_value *o = json_object(a);
    bool answered = w->status == 200;
    json_set_string(a, o, "fqdn", arena_copy(a, w->fqdn));
    json_set_bool(a, o, "answered", answered);
    if (answered) {
        json_set_int(a, o, "events", (int64_t)json_count(json_get(w->json, "events")));
        json_set_bool(a, o, "more", json_get_bool(w->json, "more", false));
        json_set_int(a, o, "clock_ahead_ms", ahead);
        json_set_int(a, o, "clock_unsure_ms", unsure);
    } else {
        struct slice id = w->status ? json_get_string(w->json, "id") : slice_str(w->id);
        struct slice why = w->status ? json_get_string(w->json, "text") : w->why;
        json_set_string(a, o, "id", arena_copy(a, id));
        json_set_string(a, o, "text", arena_copy(a, why));
    }
    json_push(a, machines, o);
}

static struct json_value *copy_event(struct arena *a, const struct json_value *from, struct slice machine,
                                     int64_t time_us)
{
    static const char *const texts[] = {"event", "method", "peer", "note"};
    struct json_value *e = json_object(a);
    json_set_int(a, e, "time_us", time_us);
    json_set_string(a, e, "machine", arena_copy(a, machine));
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct slice s = json_get_string(from, texts[i]);
        if (s.n)
            json_set_string(a, e, texts[i], arena_copy(a, s));
    }
    if (json_get(from, "status"))
        json_set_int(a, e, "status", json_get_int(from, "status", 0));
    return e;
}

static void traced_everywhere(void *arg, const struct central_answer *answers, size_t n)
{
    struct http_request *rq = arg;
    struct arena *a = http_arena(rq);
    struct json_value *o = json_object(a), *machines = json_array(a), *events = json_array(a);
    struct merged *all = mem_alloc(TRACE_EVENTS_MAX * sizeof(*all));
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        const struct json_value *theirs = json_get(answers[i].json, "events");
        int64_t unsure = 0, ahead = answers[i].status == 200 ? clock_ahead(&answers[i], &unsure) : 0;
        put_machine(a, machines, &answers[i], ahead, unsure);
        for (size_t k = 0; k < json_count(theirs) && total < TRACE_EVENTS_MAX; k++, total++) {
            int64_t at = json_get_int(json_at(theirs, k), "time_us", 0) - ahead * 1000;
            all[total] = (struct merged){at, total, copy_event(a, json_at(theirs, k), answers[i].fqdn, at)};
        }
    }
    qsort(all, total, sizeof(*all), by_time);
    for (size_t i = 0; i < total; i++)
        json_push(a, events, all[i].event);
    mem_free(all);
    json_set_string(a, o, "call_id", http_query(rq, "call_id"));
    json_set(a, o, "machines", machines);
    json_set(a, o, "events", events);
    api_json(rq, 200, o);
}

static bool plain(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* RFC 3986 2.1 */
static void put_query(struct buf *out, struct slice value)
{
    for (size_t i = 0; i < value.n; i++) {
        if (plain(value.p[i]))
            buf_append_char(out, value.p[i]);
        else
            buf_printf(out, "%%%02X", (unsigned char)value.p[i]);
    }
}

void trace_api(struct daemon *d, struct http_request *rq)
{
    struct slice call_id = http_query(rq, "call_id"), machine = http_query(rq, "machine");
    bool mine = slice_caseeq(machine, slice_str(d->machine));
    if (call_id.n == 0 || !d->central) {
        if (machine.n && !mine)
            api_error(rq, 404, "api.not-central", "other machines are asked at central management");
        else
            trace_here(d, rq);
        return;
    }
    struct buf path = {0};
    buf_printf(&path, "/v1/trace?call_id=");
    put_query(&path, call_id);
    struct central_question q = {
        .method = "GET", .path = buf_slice(&path), .machine = machine, .timeout_ms = TRACE_WAIT_MS};
    if (central_ask(d->central, &q, traced_everywhere, rq) < 0)
        api_error(rq, 404, "machine.unknown", "there is no such managed machine in the published topology");
    buf_fini(&path);
}
