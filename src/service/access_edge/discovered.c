/* Partners that are in no list: what they may do (measure.h), and what of it is told. */
#include "service/access_edge/priv.h"

#include "ground/log/log.h"
#include "ground/log/metric.h"

enum { SECOND_MS = 1000, MINUTE_MS = 60 * SECOND_MS };

static uint32_t machines_in_service(const struct edge *e)
{
    uint32_t n = 0;
    for (size_t i = 0; i < e->pool->n_machines; i++)
        n += topology_machine_service(e->pool, &e->pool->machines[i]) == TOPOLOGY_ENABLED;
    return n;
}

/* The machines of a pool tell one another nothing: each takes its part, so that all together keep the limit.
 */
static uint32_t share(int64_t limit, uint32_t machines)
{
    uint32_t part = machines ? (uint32_t)limit / machines : (uint32_t)limit;
    return limit && !part ? 1 : part;
}

/* Addresses are not divided: one that is tried at two machines counts at both, so a part of the limit would
 * refuse partners that are within it. The protection against guessing is addresses and failures; the rate is
 * apart. */
void discovered_compile(struct edge *e, struct watch *w)
{
    uint32_t machines = machines_in_service(e);
    const struct topology_access_edge *a = &e->t->access_edge;
    e->watch = w ? watch_ref(w) : watch_new();
    e->limits = (struct measure_limits){
        .rate = share(a->discovered_rate, machines),
        .suspicious_rate = share(a->discovered_suspicious_rate, machines),
        .addresses = a->limit_discovered_contacts ? (uint32_t)a->discovered_contacts_max : 0,
        .failures_percent = a->limit_discovered_contacts ? (uint32_t)a->discovered_failures_percent : 0,
        .failures_least = (uint32_t)a->discovered_failures_least,
        .window_ms = (uint32_t)(a->discovered_window_s * SECOND_MS),
    };
    e->report_ms = (uint64_t)a->discovered_report_minutes * MINUTE_MS;
}

static void log_watched(const struct request *rq, unsigned why)
{
    static const char *const sentences[] = {
        [MEASURE_RATE] = "sends more messages a second than a partner that is in no list may",
        [MEASURE_ADDRESSES] = "has tried as many addresses as a partner that is in no list may",
        [MEASURE_FAILURES] = "is suspicious: too many of its messages fail",
    };
    struct slice domain = passage_of(rq)->partner;
    for (unsigned one = MEASURE_RATE; one <= MEASURE_FAILURES; one <<= 1)
        if (why & one) {
            METRIC_COUNT("edge.partner-watched");
            log_event(LOG_WARN, "edge.partner-watched",
                      FIELDS({"domain", domain}, {"why", slice_str(measure_why_text(one))}),
                      SLICE_FMT " %s; if it is known: entente partner allow " SLICE_FMT, SLICE_ARG(domain),
                      sentences[one], SLICE_ARG(domain));
        }
}

static void log_report(const struct request *rq, const struct watch_found *f)
{
    struct slice domain = passage_of(rq)->partner;
    if (f->report_messages == 0)
        return;
    log_event(LOG_INFO, "edge.discovered-report", FIELDS({"domain", domain}),
              SLICE_FMT
              " is in no list and sent %llu messages since the last report; %llu were refused, %llu "
              "failed",
              SLICE_ARG(domain), (unsigned long long)f->report_messages,
              (unsigned long long)f->report_refused, (unsigned long long)f->report_failures);
}

/* What ends something, or answers for it, does no harm by passing, and much by being refused. */
static bool must_pass(enum sip_method m)
{
    return m == SIP_ACK || m == SIP_BYE || m == SIP_PRACK;
}

static uint64_t address_of(struct request *rq)
{
    uint64_t hash = slice_hash(sip_uri_aor(request_uri(rq), request_arena(rq)));
    return hash ? hash : 1;
}

static void refuse(struct request *rq, const struct watch_found *f)
{
    static const struct refusal *const rows[] = {
        [MEASURE_TOO_FAST] = &EDGE_DISCOVERED_TOO_FAST,
        [MEASURE_SUSPICIOUS] = &EDGE_DISCOVERED_SUSPICIOUS,
        [MEASURE_NEW_ADDRESS] = &EDGE_DISCOVERED_NEW_ADDRESS,
    };
    const struct refusal *why = f->full ? &EDGE_DISCOVERED_FULL : rows[f->verdict];
    unsigned seconds = f->full ? MINUTE_MS / SECOND_MS : (f->wait_ms + SECOND_MS - 1) / SECOND_MS;
    if (why->status == 503)
        request_refuse_with(rq, why,
                            arena_printf(request_arena(rq), "Retry-After: %u\r\n", seconds ? seconds : 1));
    else
        request_refuse(rq, why, "domain " SLICE_FMT, SLICE_ARG(passage_of(rq)->partner));
}

bool discovered_may_pass(struct request *rq, bool begins)
{
    const struct passage *p = passage_of(rq);
    struct flow *f = request_flow(rq);
    struct watch_found found;
    if (p->policy.listed)
        return true;
    watch_message(p->e->watch, &p->e->limits, p->partner, loop_now(request_loop(rq)),
                  begins ? address_of(rq) : 0, must_pass(request_msg(rq)->method), p->e->report_ms, &found);
    if (f && found.account)
        peer_count(p->e, f, p->partner, found.account);
    if (found.news)
        log_watched(rq, found.news);
    log_report(rq, &found);
    if (!found.full && found.verdict == MEASURE_PASSES)
        return true;
    refuse(rq, &found);
    return false;
}

void discovered_answered(struct request *rq, unsigned status)
{
    const struct passage *p = passage_of(rq);
    struct watch_found found;
    if (status < 200 || request_side(rq) != SIDE_EXTERNAL)
        return;
    watch_response(p->e->watch, &p->e->limits, p->partner, loop_now(request_loop(rq)), status, &found);
    if (found.news)
        log_watched(rq, found.news);
}
