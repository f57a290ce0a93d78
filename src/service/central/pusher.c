#include "service/central/priv.h"

#include "ground/base/mem.h"
#include "ground/log/log.h"
#include "ground/log/metric.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void pusher_start(struct pusher *p);

/* --- what came of it --- */
bool pusher_current(const struct pusher *p)
{
    const struct snapshot *s = p->c->now;
    return p->known && p->names_ok && p->acknowledged == s->number && strcmp(p->hash, s->hash) == 0 &&
           p->material == s->material->serial && !p->lacks.n;
}

static bool lacks_content(const struct pusher *p)
{
    const struct snapshot *s = p->c->now;
    return p->acknowledged != s->number || strcmp(p->hash, s->hash) != 0 ||
           p->material != s->material->serial || p->lacks.n;
}

/* A machine that was never heard has not joined yet, or starts at this moment. */
static void set_why(struct pusher *p, const char *id, const char *detail, struct slice text)
{
    struct buf b = {0};
    buf_printf(&b, "%s%s: " SLICE_FMT, id, detail, SLICE_ARG(text));
    if (!slice_eq(buf_slice(&b), buf_slice(&p->why)) && !p->c->closed)
        log_event(p->known ? LOG_WARN : LOG_INFO, "central.machine-behind",
                  FIELDS({"peer", slice_str(p->fqdn)}), SLICE_FMT, SLICE_ARG(buf_slice(&b)));
    buf_fini(&p->why);
    p->why = b;
}

static bool mentions(const char *text, const char *what)
{
    return slice_search(slice_str(text), slice_str(what)) != SIZE_MAX;
}

/* A certificate of another machine, or one whose dates do not fit a clock: by OpenSSL's and curl's words. */
static const char *distrust(const char *text)
{
    static const struct {
        const char *words, *id;
    } causes[] = {
        {"not yet valid", "clock"},
        {"expired",       "clock"},
        {"subject name",  "name" },
        {"host name",     "name" },
    };
    for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
        if (mentions(text, causes[i].words))
            return causes[i].id;
    return "trust";
}

const char *machine_no_answer(const struct http_result *r)
{
    static const char *const ids[] = {
        [HTTP_OK] = "other",    [HTTP_NAME] = "name",     [HTTP_ROUTE] = "route",
        [HTTP_TRUST] = "trust", [HTTP_TIMEOUT] = "route", [HTTP_OTHER] = "other",
    };
    return r->failure == HTTP_TRUST ? distrust(r->error) : ids[r->failure];
}

static void no_answer(struct pusher *p, const struct push *q)
{
    if (q->error)
        set_why(p, "other", "", SLICE("central's own key cannot be read, or the material cannot be sealed"));
    else
        set_why(p, machine_no_answer(&q->result), "", slice_str(q->result.error));
}

/* A machine that has more than central knows: central comes from a backup. */
static bool is_ahead(struct pusher *p)
{
    static const char text[] =
        "The machine runs a newer revision than central management, which was restored "
        "from a backup: publish again, and the number goes on above.";
    if (p->acknowledged > p->c->now->number)
        set_why(p, "ahead", "", slice_str(text));
    return p->acknowledged > p->c->now->number;
}

static struct push_list list_copy(const struct push_list *list, struct arena *a)
{
    struct slice *items = ARENA_ARRAY(a, struct slice, list->n ? list->n : 1);
    for (size_t i = 0; i < list->n; i++)
        items[i] = arena_copy(a, list->items[i]);
    return (struct push_list){items, list->n};
}

static void keep_state(struct pusher *p, const struct push_answer *w)
{
    struct crypto_cert *cert;
    p->known = true;
    p->heard_ms = loop_wall();
    p->acknowledged = w->revision;
    p->material = w->material;
    p->names_ok = w->names_ok;
    memset(p->hash, 0, sizeof(p->hash));
    if (w->hash.n < sizeof(p->hash) && w->hash.n)
        memcpy(p->hash, w->hash.p, w->hash.n);
    if (!slice_eq(w->certificate, buf_slice(&p->cert_text)) &&
        crypto_cert_parse(w->certificate, &cert) == 0) {
        crypto_cert_unref(p->cert);
        p->cert = cert;
        buf_clear(&p->cert_text, 0);
        buf_append(&p->cert_text, w->certificate);
    }
    central_note_heard(p->c, p->acknowledged, p->material);
    p->clock_apart_ms = w->time_ms ? w->time_ms - p->heard_ms : 0;
    if (llabs(p->clock_apart_ms) > CENTRAL_CLOCK_APART_MS)
        log_event(LOG_WARN, "central.clock", FIELDS({"peer", slice_str(p->fqdn)}),
                  "the machine's clock is %lld s apart", (long long)(p->clock_apart_ms / 1000));
    arena_reset(&p->state_arena);
    p->state = NULL;
    p->holds = list_copy(&w->holds, &p->state_arena);
    p->lacks = list_copy(&w->lacks, &p->state_arena);
    if (w->state) {
        struct buf text = {0};
        struct json_value *copy;
        struct json_error error;
        json_write(w->state, false, &text);
        if (json_parse(buf_slice(&text), &p->state_arena, &copy, &error) == 0)
            p->state = copy;
        buf_fini(&text);
    }
}

/* --- certificates that machines ask for --- */
struct issuing {
    struct task task;
    struct pusher *p;
    struct buf fqdn, request, pem;
    struct refusal why;
};

static void issue_work(struct task *t, struct vault *v)
{
    struct issuing *q = (struct issuing *)t;
    vault_issue(v, buf_slice(&q->fqdn), buf_slice(&q->request), CENTRAL_CERT_DAYS, &q->pem, &q->why);
}

struct pusher *pusher_find(struct central *c, struct slice fqdn)
{
    LIST_FOR(it, &c->pushers)
    {
        struct pusher *p = LIST_ENTRY(it, struct pusher, link);
        if (!p->removed && slice_caseeq(slice_str(p->fqdn), fqdn))
            return p;
    }
    return NULL;
}

static void issue_done(struct task *t, bool closed)
{
    struct issuing *q = (struct issuing *)t;
    struct pusher *p = pusher_find(t->c, buf_slice(&q->fqdn)); /* it may have left the topology */
    if (p && !closed) {
        p->issuing = false;
        if (q->why.status)
            log_event(LOG_WARN, "central.certificate", FIELDS({"peer", slice_str(p->fqdn)}), "%s",
                      q->why.text);
        else {
            METRIC_COUNT("central.certificates-issued");
            mem_free(p->pending);
            p->pending = buf_take(&q->pem);
            pusher_start(p);
        }
    }
    buf_fini(&q->fqdn);
    buf_fini(&q->request);
    buf_fini(&q->pem);
    mem_free(q);
}

static void issue(struct pusher *p, struct slice request)
{
    struct issuing *q = MEM_NEW(struct issuing);
    buf_append(&q->fqdn, slice_str(p->fqdn));
    buf_append(&q->request, request);
    q->task.work = issue_work;
    q->task.done = issue_done;
    p->issuing = true;
    task_run(p->c, &q->task);
}

/* --- the turn of a machine --- */
static void pusher_free(struct pusher *p)
{
    timer_stop(&p->timer);
    list_unlink(&p->link);
    crypto_cert_unref(p->cert);
    buf_fini(&p->cert_text);
    http_client_free(p->client);
    mem_free(p->pending);
    mem_free(p->key);
    buf_fini(&p->why);
    arena_fini(&p->state_arena);
    mem_free(p->fqdn);
    mem_free(p);
}

static void back_off(struct pusher *p)
{
    p->backoff_ms = p->backoff_ms ? 2 * p->backoff_ms : CENTRAL_RETRY_MIN_MS;
    if (p->backoff_ms > CENTRAL_RETRY_MAX_MS)
        p->backoff_ms = CENTRAL_RETRY_MAX_MS;
    timer_start(&p->timer, loop_now(p->c->loop) + p->backoff_ms);
}

static void note_current(struct pusher *p)
{
    bool current = pusher_current(p);
    if (current && !p->was_current)
        log_event(LOG_INFO, "central.machine-current", FIELDS({"peer", slice_str(p->fqdn)}),
                  "the machine runs revision %llu", (unsigned long long)p->acknowledged);
    p->was_current = current;
    if (current) {
        buf_fini(&p->why);
        p->backoff_ms = 0;
    }
}

/* --- keys that a machine lacks --- */
bool pusher_holds(const struct pusher *p, struct slice key_id)
{
    for (size_t i = 0; i < p->holds.n; i++)
        if (slice_eq(p->holds.items[i], key_id))
            return true;
    return false;
}

void pusher_note_key(struct pusher *p, struct slice key_id)
{
    struct slice *items = ARENA_ARRAY(&p->state_arena, struct slice, p->holds.n + 1);
    for (size_t i = 0; i < p->holds.n; i++)
        items[i] = p->holds.items[i];
    items[p->holds.n] = arena_copy(&p->state_arena, key_id);
    p->holds = (struct push_list){items, p->holds.n + 1};
}

enum { KEY_SHOWN = 16 };

static void lacks_key(struct pusher *p, struct slice id, struct slice trouble)
{
    struct buf b = {0};
    buf_printf(
        &b, "It goes on with the certificate before: the key " SLICE_FMT "… of the new one %s" SLICE_FMT,
        SLICE_ARG(slice_head(id, KEY_SHOWN)),
        trouble.n ? "does not come: " : "is kept by no machine that has been heard", SLICE_ARG(trouble));
    set_why(p, "key", "", buf_slice(&b));
    buf_fini(&b);
    back_off(p);
}

void pusher_key_came(struct pusher *p, struct slice id, struct slice sealed, struct slice trouble)
{
    p->fetching = false;
    if (!sealed.n) {
        lacks_key(p, id, trouble);
        return;
    }
    mem_free(p->key);
    p->key = slice_dup(sealed);
    memcpy(p->key_id, id.p, MATERIAL_KEY_ID);
    pusher_start(p);
}

/* Asks for a key that it lacks; false: there is none, or it has come already and is not liked. */
static bool wants_key(struct pusher *p, const struct push *q)
{
    if (!p->lacks.n || !p->cert || p->pending)
        return false;
    struct slice id = p->lacks.items[0];
    if (id.n != MATERIAL_KEY_ID || pusher_holds(p, id) || (q->key && slice_eq(slice_str(q->key_id), id)))
        return false;
    if (!p->fetching && !key_fetch(p, id))
        lacks_key(p, id, SLICE_NONE);
    return true;
}

/* After an answer: again at once where something new is to be said, else the heartbeat; a machine that stays
 * behind although it answered is left alone for a while. */
static void next_turn(struct pusher *p, const struct push *q, const struct push_answer *w)
{
    struct central *c = p->c;
    bool was_told = q->seal_to && q->snap->number == c->now->number &&
                    q->snap->material->serial == c->now->material->serial;
    note_current(p);
    if (q->renew && w->request.n)
        p->renew = false;
    if (w->request.n && !p->pending && !p->issuing)
        issue(p, w->request);
    if (is_ahead(p)) {
        back_off(p);
    } else if (wants_key(p, q)) {
        METRIC_COUNT("central.keys-lacking");
    } else if (w->error_id.n) {
        char detail[64];
        snprintf(detail, sizeof(detail), ":" SLICE_FMT, SLICE_ARG(slice_head(w->error_id, 60)));
        set_why(p, "refused", detail, w->error_text);
        METRIC_COUNT("central.pushes-refused");
        back_off(p);
    } else if (p->pending || (lacks_content(p) && !was_told)) {
        pusher_start(p);
    } else if (lacks_content(p)) {
        set_why(p, "behind", "", SLICE("the machine does not run what it was given"));
        back_off(p);
    } else {
        if (!p->names_ok)
            set_why(p, "certificate", "", SLICE("its internal certificate lacks a name; a new one is made"));
        timer_start(&p->timer, loop_now(c->loop) + CENTRAL_HEARTBEAT_MS);
        if (p->again)
            pusher_start(p);
    }
}

static bool same_machine(const struct pusher *p, const struct push_answer *w)
{
    return slice_caseeq(w->fqdn, slice_str(p->fqdn));
}

static void push_done(struct job *j)
{
    struct push *q = (struct push *)j;
    struct pusher *p = q->p;
    struct central *c = p->c;
    struct arena a = {0};
    struct push_answer w;
    p->busy = false;
    if (c->closed) {
        /* its pusher goes with central */
    } else if (p->removed) {
        pusher_free(p);
    } else if (q->error || q->result.status == 0) {
        METRIC_COUNT("central.pushes-failed");
        p->try_heard = !p->try_heard && p->known;
        no_answer(p, q);
        back_off(p);
    } else if (push_answer_parse(buf_slice(&q->result.body), &a, &w) < 0 || !same_machine(p, &w)) {
        set_why(p, "other", "", SLICE("the answer is not that of this machine's replica"));
        back_off(p);
    } else {
        p->heard_address = q->to;
        if (q->certificate && p->pending && strcmp(q->certificate, p->pending) == 0) {
            mem_free(p->pending); /* taken, or refused and to be asked for again */
            p->pending = NULL;
        }
        keep_state(p, &w);
        next_turn(p, q, &w);
    }
    arena_fini(&a);
    push_free(q);
    central_unref(c);
}

/* A certificate goes first and alone: what is sealed afterwards is sealed to it. A machine that has not been
 * heard is asked for its state, and so for the certificate to seal to. */
static void pusher_start(struct pusher *p)
{
    struct central *c = p->c;
    struct topology_role role;
    if (p->busy) {
        p->again = true;
        return;
    }
    timer_stop(&p->timer);
    p->again = false;
    struct push *q = MEM_NEW(struct push);
    q->p = p;
    q->snap = snapshot_ref(c->now);
    q->fresh = p->fresh;
    p->fresh = false;
    q->to = p->try_heard ? p->heard_address : p->address;
    if (topology_role_find(c->now->topology, c->now->topology->central.machine, &role))
        (void)net_addr_parse(role.internal_address, 0, &q->from);
    if (p->pending)
        q->certificate = mem_strdup(p->pending);
    else if (p->renew && p->known && !p->issuing)
        q->renew = true;
    else if (p->known && p->cert && lacks_content(p))
        q->seal_to = crypto_cert_ref(p->cert);
    if (q->seal_to && p->key) {
        q->key = p->key;
        memcpy(q->key_id, p->key_id, sizeof(q->key_id));
        p->key = NULL;
    }
    q->job.work = push_work;
    q->job.done = push_done;
    p->busy = true;
    c->refs++;
    if (helpers_run(c->push_threads, c->loop, &q->job) < 0) {
        p->busy = false;
        c->refs--;
        push_free(q);
        back_off(p);
    }
}

static void on_timer(void *arg)
{
    pusher_start(arg);
}

/* --- all of them --- */
static struct pusher *pusher_new(struct central *c, struct slice fqdn)
{
    struct pusher *p = MEM_NEW(struct pusher);
    p->c = c;
    p->fqdn = slice_dup(fqdn);
    p->client = http_client_new();
    timer_init(&p->timer, c->loop, on_timer, p);
    buf_printf(&p->why, "new: The machine has not been heard yet.");
    list_push_back(&c->pushers, &p->link);
    return p;
}

static void pusher_update(struct pusher *p)
{
    struct topology_role role;
    if (topology_role_find(p->c->now->topology, slice_str(p->fqdn), &role))
        (void)net_addr_parse(role.internal_address, (uint16_t)role.replica_port, &p->address);
    if (!lacks_content(p) && p->known)
        return;
    p->was_current = false;
    p->backoff_ms = 0;
    if (p->known && !buf_len(&p->why))
        buf_printf(&p->why, "behind: The newest revision is on its way.");
    pusher_start(p);
}

void pushers_update(struct central *c)
{
    size_t cursor = 0;
    struct slice fqdn;
    struct topology_role role;
    LIST_FOR(it, &c->pushers)
    {
        struct pusher *p = LIST_ENTRY(it, struct pusher, link);
        if (topology_role_find(c->now->topology, slice_str(p->fqdn), &role) && role.managed)
            continue;
        p->removed = true;
        if (!p->busy)
            pusher_free(p);
    }
    while (topology_managed_next(c->now->topology, &cursor, &fqdn))
        if (!pusher_find(c, fqdn))
            pusher_new(c, fqdn);
    LIST_FOR(it, &c->pushers)
    {
        struct pusher *p = LIST_ENTRY(it, struct pusher, link);
        if (!p->removed)
            pusher_update(p);
    }
}

void pushers_poll(struct central *c)
{
    LIST_FOR(it, &c->pushers)
    {
        struct pusher *p = LIST_ENTRY(it, struct pusher, link);
        if (p->removed)
            continue;
        p->fresh = true;
        pusher_start(p);
    }
}

bool pushers_renew(struct central *c, struct slice fqdn)
{
    struct pusher *p = pusher_find(c, fqdn);
    if (!p)
        return false;
    p->renew = true;
    pusher_start(p);
    return true;
}

void pushers_free(struct central *c)
{
    LIST_FOR(it, &c->pushers)
    pusher_free(LIST_ENTRY(it, struct pusher, link));
}
