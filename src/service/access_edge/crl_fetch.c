/* One list on its way: its addresses one after the other, each by name, connection and redirects. */
#include "service/access_edge/crl_url.h"
#include "service/access_edge/crls_priv.h"

#include "ground/base/mem.h"
#include "ground/http/http.h"
#include "ground/log/log.h"
#include "ground/log/metric.h"
#include "wire/dns/dns.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>

enum { FAMILIES = 2, WORDS = 256 };

struct fetch;
struct question {
    struct fetch *f;
    struct resolver_query *asked;
    uint16_t type;
};
struct fetch {
    struct job job;
    struct list link;
    struct crls *c;
    struct crl_want want;
    uint64_t began; /* loop_now */
    size_t at;      /* of want.urls */
    char url[CRL_MAX_URL + 1];
    struct arena arena; /* of this address */
    struct crl_url place;
    struct question questions[FAMILIES];
    unsigned waiting;
    bool on_thread, dns_failed;
    struct net_addr places[CRLS_MAX_PLACES];
    size_t n_places, place_at;
    unsigned redirects;
    enum crl_reach least; /* a redirect leads at least so far */

    unsigned timeout_ms;
    struct net_addr from;
    int outcome; /* of crl_store_put; -EIO: nothing came */
    char words[WORDS];
    bool next_place; /* the next address of this name may be better */
    char redirect[CRL_MAX_URL + 1];
    struct buf why; /* of all addresses */
};

static void fetch_free(struct fetch *f)
{
    list_unlink(&f->link);
    for (size_t i = 0; i < FAMILIES; i++)
        resolver_cancel(f->questions[i].asked);
    arena_fini(&f->arena);
    buf_fini(&f->why);
    mem_free(f);
}

/* ---------------------------------------------------------------- the end */
static void fetch_came(struct fetch *f)
{
    struct slice url = slice_str(f->url), words = slice_str(f->words);
    METRIC_COUNT("edge.crl-fetched");
    log_event(words.n ? LOG_WARN : LOG_INFO, "edge.crl-fetched", FIELDS({"url", url}, {"error", words}),
              "revocation list " SLICE_FMT " is here%s" SLICE_FMT, SLICE_ARG(url), words.n ? ", and " : "",
              SLICE_ARG(words));
    fetch_free(f);
}

static void fetch_failed(struct fetch *f)
{
    struct slice url = slice_str(f->want.urls[0]);
    buf_append_char(&f->why, 0);
    const char *why = buf_slice(&f->why).p;
    crl_store_failed(f->c->store, &f->want, why, loop_wall());
    METRIC_COUNT("edge.crl-failed");
    log_event(f->want.failures ? LOG_DEBUG : LOG_WARN, "edge.crl-unreachable",
              FIELDS({"url", url}, {"error", slice_str(why)}),
              "revocation list " SLICE_FMT
              " cannot be had: %s; access_edge/crl_unreachable says what comes of it",
              SLICE_ARG(url), why);
    fetch_free(f);
}

static void fetch_address(struct fetch *f, const char *url);
static void fetch_connect(struct fetch *f);

/* This address has it not. */
static void fetch_next(struct fetch *f)
{
    size_t room = CRL_MAX_WHY - 1, used = buf_len(&f->why);
    struct buf one = {0};
    buf_printf(&one, "%s%s: %s", used ? "; " : "", f->url, f->words);
    buf_append(&f->why, slice_head(buf_slice(&one), used < room ? room - used : 0));
    buf_fini(&one);
    f->redirects = 0;
    if (++f->at < f->want.n_urls && loop_now(f->c->control) < f->began + CRLS_WHOLE_MS)
        fetch_address(f, f->want.urls[f->at]);
    else
        fetch_failed(f);
}

__attribute__((format(printf, 2, 3))) static void fetch_not(struct fetch *f, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(f->words, sizeof(f->words), fmt, ap);
    va_end(ap);
    fetch_next(f);
}

/* ---------------------------------------------------------------- on a thread */
static void work_take(struct fetch *f, struct slice list)
{
    f->outcome = crl_store_put(f->c->store, &f->want, f->url, list, loop_wall());
    if (f->outcome < 0) {
        snprintf(f->words, sizeof(f->words), "%.200s", crypto_error());
    } else if (f->outcome == 0) {
        int r = crls_keep(f->c, &f->want, list);
        if (r < 0)
            snprintf(f->words, sizeof(f->words), "it cannot be kept: %s", strerror(-r));
    }
}

static void work_status(struct fetch *f, const struct http_result *got)
{
    if (got->status >= 300 && got->status < 400 && got->redirect[0])
        snprintf(f->redirect, sizeof(f->redirect), "%s", got->redirect);
    else if (got->status)
        snprintf(f->words, sizeof(f->words), "the server answers %u", got->status);
    else
        snprintf(f->words, sizeof(f->words), "%.200s", got->error);
    f->next_place = got->status == 0 && got->failure != HTTP_OTHER;
}

static void fetch_work(struct job *j)
{
    struct fetch *f = (struct fetch *)((char *)j - offsetof(struct fetch, job));
    struct http_result got;
    struct http_call call = {.method = "GET",
                             .url = f->url,
                             .connect_to = f->places[f->place_at],
                             .local = f->from,
                             .max_body = CRL_MAX_BYTES,
                             .timeout_ms = f->timeout_ms,
                             .stop = &f->c->stop};
    f->outcome = -EIO;
    http_call(&call, &got);
    if (got.status == 200)
        work_take(f, buf_slice(&got.body));
    else
        work_status(f, &got);
    http_result_fini(&got);
}

/* ---------------------------------------------------------------- on the control loop */
static void fetch_redirected(struct fetch *f)
{
    char url[CRL_MAX_URL + 1];
    memcpy(url, f->redirect, sizeof(url));
    if (++f->redirects > CRLS_MAX_REDIRECTS)
        fetch_not(f, "more than %d redirects", CRLS_MAX_REDIRECTS);
    else
        fetch_address(f, url);
}

static void fetch_done(struct job *j)
{
    struct fetch *f = (struct fetch *)((char *)j - offsetof(struct fetch, job));
    f->on_thread = false;
    if (f->outcome >= 0)
        f->outcome ? fetch_free(f) : fetch_came(f);
    else if (atomic_load(&f->c->stop))
        fetch_free(f);
    else if (f->redirect[0])
        fetch_redirected(f);
    else if (f->next_place && f->place_at + 1 < f->n_places &&
             loop_now(f->c->control) < f->began + CRLS_WHOLE_MS) {
        f->place_at++;
        fetch_connect(f);
    } else {
        fetch_next(f);
    }
}

static void fetch_connect(struct fetch *f)
{
    uint64_t now = loop_now(f->c->control), end = f->began + CRLS_WHOLE_MS, left = end > now ? end - now : 1;
    f->from = f->c->from;
    f->redirect[0] = f->words[0] = 0;
    f->next_place = false;
    f->timeout_ms = (unsigned)(left < CRLS_FETCH_MS ? left : CRLS_FETCH_MS);
    f->job = (struct job){.work = fetch_work, .done = fetch_done};
    f->on_thread = true;
    if (helpers_run(f->c->threads, f->c->control, &f->job) < 0) {
        f->on_thread = false;
        fetch_not(f, "too many lists are asked for at once");
    }
}

static void fetch_resolved(struct fetch *f)
{
    if (f->n_places)
        fetch_connect(f);
    else if (f->redirects && f->least > CRL_REACH_MACHINE && !f->dns_failed)
        fetch_not(f, "it is redirected to " SLICE_FMT ", which has no address that counts",
                  SLICE_ARG(f->place.host));
    else
        fetch_not(f,
                  f->dns_failed ? "the name servers gave no usable answer for " SLICE_FMT
                                : "there is no address for " SLICE_FMT,
                  SLICE_ARG(f->place.host));
}

/* Where it comes from the world it does not lead into our network. */
static void place_add(struct fetch *f, const struct net_addr *a)
{
    enum crl_reach reach = crl_url_reach(a);
    if (f->n_places == CRLS_MAX_PLACES || (f->redirects && reach < f->least))
        return;
    f->places[f->n_places++] = *a;
}

static void address_came(void *arg, enum resolver_status status, struct slice packet, bool secure)
{
    struct question *q = arg;
    struct fetch *f = q->f;
    struct arena a = {0};
    struct dns_message m;
    const struct dns_record *rr[CRLS_MAX_PLACES];
    uint32_t ttl;
    (void)secure;
    q->asked = NULL;
    if (status != RESOLVER_ANSWER || dns_parse(packet, &a, &m) < 0) {
        f->dns_failed = true;
    } else {
        size_t n = dns_answers(&m, f->place.host, q->type, rr, CRLS_MAX_PLACES, &ttl);
        for (size_t i = 0; i < n; i++) {
            struct net_addr addr;
            if (net_addr_from_bytes(rr[i]->address, f->place.port, &addr) == 0)
                place_add(f, &addr);
        }
    }
    arena_fini(&a);
    if (--f->waiting == 0)
        fetch_resolved(f);
}

/* Only of the family that lists are asked from. */
static void fetch_ask(struct fetch *f)
{
    static const struct {
        uint16_t type;
        sa_family_t family;
    } kinds[FAMILIES] = {
        {DNS_A,    AF_INET },
        {DNS_AAAA, AF_INET6}
    };
    sa_family_t bound = f->c->from.sa.sa_family;
    f->n_places = f->place_at = 0;
    f->dns_failed = false;
    f->waiting = 1; /* answers may come before all has been asked */
    for (size_t i = 0; i < FAMILIES; i++) {
        struct question *q = &f->questions[i];
        *q = (struct question){.f = f, .type = kinds[i].type};
        if (bound && bound != kinds[i].family)
            continue;
        f->waiting++;
        struct resolver_query *asked = resolver_ask(f->c->resolver, f->place.host, q->type, address_came, q);
        if (asked)
            q->asked = asked;
    }
    if (--f->waiting == 0)
        fetch_resolved(f);
}

static void fetch_address(struct fetch *f, const char *url)
{
    const char *why;
    struct net_addr literal;
    if (f->redirects == 1) /* what was asked first says how far it may lead */
        f->least = crl_url_reach(&f->places[f->place_at]);
    snprintf(f->url, sizeof(f->url), "%s", url);
    arena_fini(&f->arena);
    f->arena = (struct arena){0};
    if (crl_url_parse(slice_str(f->url), &f->arena, &f->place, &why) < 0) {
        fetch_not(f, "%s%s", f->redirects ? "it is redirected there, and " : "", why);
    } else if (net_addr_parse(f->place.host, f->place.port, &literal) == 0) {
        f->n_places = f->place_at = 0;
        f->dns_failed = false;
        place_add(f, &literal);
        fetch_resolved(f);
    } else {
        fetch_ask(f);
    }
}

void crl_fetch_begin(struct crls *c, const struct crl_want *want)
{
    struct fetch *f = MEM_NEW(struct fetch);
    f->c = c;
    f->want = *want;
    f->began = loop_now(c->control);
    list_push_back(&c->fetches, &f->link);
    fetch_address(f, f->want.urls[0]);
}

void crl_fetch_ask_again(struct crls *c)
{
    LIST_FOR(it, &c->fetches)
    {
        struct fetch *f = LIST_ENTRY(it, struct fetch, link);
        if (!f->on_thread)
            fetch_ask(f);
    }
}

void crl_fetch_stop_all(struct crls *c)
{
    LIST_FOR(it, &c->fetches)
    {
        struct fetch *f = LIST_ENTRY(it, struct fetch, link);
        if (!f->on_thread)
            fetch_free(f);
    }
}
