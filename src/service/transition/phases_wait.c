/*
 * Phases that look at ports, and that wait until nothing uses a pool any more.
 */
#include "service/transition/priv.h"

#include <inttypes.h>
#include <stdio.h>

enum { DRAIN_IDLE_TIMES = 2 /* a pool is idle after so many times idle_close_s without a request */ };

/* --- ports --- */
static void on_probed(void *arg, bool ok, const char *text)
{
    struct transition *t = arg;
    t->probe = NULL;
    t->probed = true;
    t->probe_ok = ok;
    snprintf(t->probe_text, sizeof(t->probe_text), "%s", text);
    deferred_add(t->loop, &t->advance);
}

static void add_port(struct probe_port *ports, size_t *n, struct slice address, int64_t port,
                     struct slice name, bool may_be_unreachable)
{
    struct probe_port *p = &ports[*n];
    if (*n < PROBE_MAX && net_addr_parse(address, (uint16_t)port, &p->addr) == 0) {
        p->name = name;
        p->may_be_unreachable = may_be_unreachable;
        ++*n;
    }
}

/* Outside each name that moves; inside the pool's name, which Front Ends ask for. A firewall may keep central
 * management away from the inside of the perimeter, but what it cannot see outside, nobody has seen. */
static size_t ports_of(struct transition *t, const struct topology *topology, struct slice fqdn,
                       struct probe_port ports[PROBE_MAX])
{
    const struct topology_edge_pool *pool = topology_edge_pool_find(topology, fqdn);
    struct slice names[PLAN_MAX_NAMES];
    size_t n = 0, n_names = plan_names(t->plan, topology, names);
    for (size_t i = 0; pool && i < pool->n_machines; i++) {
        const struct topology_machine *m = &pool->machines[i];
        for (size_t j = 0; j < n_names; j++)
            add_port(ports, &n, m->external_address, pool->federation_port, names[j], false);
        if (pool->managed)
            add_port(ports, &n, m->internal_address, pool->internal_port, t->plan->from, true);
    }
    return n;
}

static enum outcome probe(struct transition *t, struct step *s, struct slice pool)
{
    struct probe_port ports[PROBE_MAX] = {0};
    if (t->probed) {
        t->probed = false;
        if (t->probe_ok) {
            step_say(s, "The ports of " SLICE_FMT " are open and show the names.", SLICE_ARG(pool));
            return OUTCOME_NEXT;
        }
        step_say(s, "transition.port: " SLICE_FMT ": %s", SLICE_ARG(pool), t->probe_text);
        if (transition_timed_out(t, t->times.probe_ms))
            return OUTCOME_FAIL;
        transition_waits(t, s, false);
        return OUTCOME_LATER;
    }
    struct topology *topology = t->c.topology(t->c.central);
    size_t n = ports_of(t, topology, pool, ports);
    t->probe = probe_new(t->loop, ports, n, on_probed, t);
    topology_unref(topology);
    return OUTCOME_BUSY;
}

enum outcome phase_probe_target(struct transition *t, struct step *s)
{
    return probe(t, s, t->plan->to);
}

enum outcome phase_probe_source(struct transition *t, struct step *s)
{
    return t->plan->dns_touched ? probe(t, s, t->plan->from) : OUTCOME_NEXT;
}

/* --- waiting until nothing uses a pool --- */
/* Of the time that the changed records may still be remembered: milliseconds left. What was measured by the
 * wall clock is clamped, so that a clock that was set cannot make it longer than the TTL. */
static uint64_t ttl_left(struct transition *t, int64_t changed_ms)
{
    uint64_t now = loop_now(t->loop);
    if (!t->ttl_until) {
        int64_t ttl = (int64_t)t->plan->ttl * 1000, passed = loop_wall() - changed_ms;
        passed = passed < 0 ? 0 : passed > ttl ? ttl : passed;
        t->ttl_until = now + (uint64_t)(changed_ms ? ttl - passed : 0) + 1;
    }
    if (now + 1 >= t->ttl_until && !t->ttl_passed_ms)
        t->ttl_passed_ms = loop_wall();
    return now + 1 >= t->ttl_until ? 0 : t->ttl_until - now;
}

struct busy {
    struct slice unheard; /* a machine that has said nothing since the TTL passed */
    int64_t requests;
    int64_t ago_ms; /* since the last request; -1: none ever */
};

static void count_busy(struct transition *t, const struct topology *topology,
                       const struct topology_edge_pool *pool, struct arena *a, struct busy *ret)
{
    struct transition_machine *machines;
    size_t n = t->c.machines(t->c.central, a, &machines);
    *ret = (struct busy){.ago_ms = -1};
    for (size_t i = 0; pool && i < pool->n_machines; i++) {
        const struct transition_machine *m = transition_machine_find(machines, n, pool->machines[i].fqdn);
        if (transition_is_given_up(t, topology, pool->machines[i].fqdn, m))
            continue;
        const struct json_value *load = json_get(m ? m->state : NULL, "load");
        if (!m || !load || m->heard_ms < t->ttl_passed_ms) {
            ret->unheard = pool->machines[i].fqdn;
            continue;
        }
        int64_t ago = json_get_int(load, "last_request_ago_ms", -1);
        ret->requests += json_get_int(load, "requests", 0);
        if (ago >= 0 && (ret->ago_ms < 0 || ago < ret->ago_ms))
            ret->ago_ms = ago;
    }
}

/* After the TTL. */
static enum outcome drain_managed(struct transition *t, struct step *s, const struct topology *topology,
                                  const struct topology_edge_pool *pool)
{
    struct arena a = {0};
    struct busy busy;
    enum outcome r = OUTCOME_LATER;
    int64_t idle_ms = topology->deployment.idle_close_s * 1000 * DRAIN_IDLE_TIMES;
    bool late = transition_timed_out(t, t->ttl_until - t->phase_since + t->times.drain_ms);
    count_busy(t, topology, pool, &a, &busy);
    if (!busy.unheard.n && !busy.requests && (busy.ago_ms < 0 || busy.ago_ms >= idle_ms)) {
        step_say(s, "The TTL of %u s has passed, nothing is pending, and nothing came in for %" PRId64 " s.",
                 t->plan->ttl, (busy.ago_ms < 0 ? idle_ms : busy.ago_ms) / 1000);
        r = OUTCOME_NEXT;
    } else if (late && t->told_to_continue) {
        step_say(s, "The administrator went on with %" PRId64 " requests pending.", busy.requests);
        r = OUTCOME_NEXT;
    } else if (busy.unheard.n) {
        step_say(s, "TTL passed; waiting for a word of " SLICE_FMT "%s", SLICE_ARG(busy.unheard),
                 late ? ", or for continue." : ".");
    } else {
        step_say(s,
                 "TTL passed; %" PRId64 " requests pending, the last came %" PRId64
                 " ms ago (idle after %" PRId64 " ms)%s",
                 busy.requests, busy.ago_ms, idle_ms, late ? "; continue stops it all the same." : ".");
    }
    if (r == OUTCOME_LATER)
        transition_waits(t, s, late);
    arena_fini(&a);
    return r;
}

static enum outcome drain(struct transition *t, struct step *s, struct slice fqdn, int64_t changed_ms)
{
    struct topology *topology = t->c.topology(t->c.central);
    const struct topology_edge_pool *pool = topology_edge_pool_find(topology, fqdn);
    enum outcome r = OUTCOME_LATER;
    uint64_t left = ttl_left(t, changed_ms);
    transition_poll(t);
    if (left) {
        step_say(s, "Waiting %" PRIu64 " s more for the TTL.", (left + 999) / 1000);
        transition_waits(t, s, false);
    } else if (pool && !pool->managed) {
        step_say(s,
                 "TTL passed. Edge pool " SLICE_FMT " is not managed: continue when its dialogs have ended.",
                 SLICE_ARG(fqdn));
        transition_waits(t, s, true);
        r = t->told_to_continue ? OUTCOME_NEXT : OUTCOME_LATER;
    } else {
        r = drain_managed(t, s, topology, pool);
    }
    topology_unref(topology);
    return r;
}

enum outcome phase_drain_source(struct transition *t, struct step *s)
{
    return drain(t, s, t->plan->from, t->plan->dns_changed_ms);
}

/* Nothing to wait for when the publish that would have led somebody there never came. */
enum outcome phase_drain_target(struct transition *t, struct step *s)
{
    return s->undo ? drain(t, s, t->plan->to, t->plan->dns_restored_ms) : OUTCOME_NEXT;
}
