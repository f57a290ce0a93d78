/*
 * Phases that publish, and that look at machines and topology.
 */
#include "service/transition/edits.h"
#include "service/transition/priv.h"

#include <inttypes.h>
#include <stdio.h>

enum outcome phase_note(struct transition *t, struct step *s)
{
    (void)t;
    step_say(s, "%s", s->kind->action);
    return OUTCOME_NEXT;
}

enum outcome phase_check(struct transition *t, struct step *s)
{
    struct findings f = {0};
    struct topology *topology = t->c.topology(t->c.central);
    plan_check(t->plan, topology, &t->c, loop_wall(), &f);
    topology_unref(topology);
    step_say(s, "Nothing blocks; %zu warnings.", f.warnings);
    for (size_t i = f.n; i > 0; i--)
        if (f.items[i - 1].severity == FINDING_ERROR)
            step_say(s, "%s: " SLICE_FMT, f.items[i - 1].id, SLICE_ARG(f.items[i - 1].text));
    bool blocked = f.errors != 0;
    findings_fini(&f);
    return blocked ? OUTCOME_FAIL : OUTCOME_NEXT;
}

/* --- publishing --- */
static void on_published(void *arg, int error, const char *text)
{
    struct op *op = arg;
    op->error = error;
    snprintf(op->text, sizeof(op->text), "%s", text ? text : "");
    transition_op_done(op);
}

static enum outcome publish(struct transition *t, struct step *s, struct json_value *doc, struct arena *a,
                            bool back)
{
    struct slice comment =
        arena_printf(a, "transition " SLICE_FMT " to " SLICE_FMT ": %s%s", SLICE_ARG(t->plan->from),
                     SLICE_ARG(t->plan->to), back ? "undo " : "", s->kind->id);
    struct op *op = transition_op(t);
    step_say(s, "publishing");
    t->c.publish(t->c.central, doc, comment, on_published, op);
    return OUTCOME_BUSY;
}

static enum outcome published(struct transition *t, struct step *s)
{
    if (t->result->error >= 0)
        return OUTCOME_NEXT;
    step_say(s, "The publish was refused: %s",
             t->result->text[0] ? t->result->text : strerror(-t->result->error));
    return OUTCOME_FAIL;
}

enum outcome phase_publish(struct transition *t, struct step *s)
{
    struct arena a = {0};
    struct edits edits = {.a = &a};
    struct json_value *undo;
    enum outcome r = OUTCOME_NEXT;
    if (t->result) {
        r = published(t, s);
        if (r == OUTCOME_FAIL)
            s->undo = NULL; /* nothing was changed */
        return r;
    }
    struct topology *topology = t->c.topology(t->c.central);
    struct json_value *doc = topology_to_json(topology, &a);
    s->kind->edits(&edits, topology, t->plan);
    if (edits_apply(&edits, doc, &undo) == 0) {
        step_say(s, "It is all so already: nothing to publish.");
    } else if (!s->undo) {
        s->undo = edits_copy(undo, &t->plan->arena); /* stored before it is needed */
        r = OUTCOME_STORE;
    } else {
        r = publish(t, s, doc, &a, false);
    }
    topology_unref(topology);
    arena_fini(&a);
    return r;
}

enum outcome phase_unpublish(struct transition *t, struct step *s)
{
    struct arena a = {0};
    enum outcome r = OUTCOME_NEXT;
    if (t->result)
        return published(t, s);
    if (!s->undo)
        return OUTCOME_NEXT; /* it never came to a publish */
    struct topology *topology = t->c.topology(t->c.central);
    struct json_value *doc = topology_to_json(topology, &a);
    if (edits_revert(s->undo, &a, doc) > 0)
        r = publish(t, s, doc, &a, true);
    topology_unref(topology);
    arena_fini(&a);
    return r;
}

/* --- machines --- */
const struct transition_machine *transition_machine_find(const struct transition_machine *machines, size_t n,
                                                         struct slice fqdn)
{
    for (size_t i = 0; i < n; i++)
        if (slice_caseeq(machines[i].fqdn, fqdn))
            return &machines[i];
    return NULL;
}

bool transition_is_given_up(const struct transition *t, const struct topology *topology, struct slice fqdn,
                            const struct transition_machine *m)
{
    const struct topology_edge_pool *to = topology_edge_pool_find(topology, t->plan->to);
    if (!t->plan->back || (m && loop_wall() - m->heard_ms < TRANSITION_SILENT_MS))
        return false;
    for (size_t i = 0; to && i < to->n_machines; i++)
        if (slice_caseeq(to->machines[i].fqdn, fqdn))
            return true;
    return false;
}

/* It has looked at the revision and said no, as opposed to not having been reached. */
static bool machine_refuses(const struct transition_machine *m)
{
    return slice_starts(m->why, SLICE("refused"));
}

enum outcome phase_acknowledged(struct transition *t, struct step *s)
{
    struct arena a = {0};
    struct transition_machine *machines;
    size_t n = t->c.machines(t->c.central, &a, &machines), cursor = 0, all = 0, current = 0;
    struct slice fqdn, behind = SLICE_NONE, why = SLICE_NONE;
    struct topology *topology = t->c.topology(t->c.central);
    uint64_t revision = t->c.revision(t->c.central);
    bool refused = false;
    while (topology_managed_next(topology, &cursor, &fqdn)) {
        const struct transition_machine *m = transition_machine_find(machines, n, fqdn);
        all++;
        if ((m && m->current) || transition_is_given_up(t, topology, fqdn, m)) {
            current += m && m->current;
        } else if (!behind.n || (m && machine_refuses(m) && !refused)) {
            behind = fqdn;
            why = m && m->why.n ? m->why : SLICE("nothing heard of it");
            refused = m && machine_refuses(m);
        }
    }
    enum outcome r = OUTCOME_LATER;
    if (!behind.n) {
        step_say(s, "%zu of %zu machines run revision %" PRIu64 ".", current, all, revision);
        r = OUTCOME_NEXT;
    } else if (transition_timed_out(t, refused ? t->times.refused_ms : t->times.acknowledged_ms)) {
        step_say(s, "Machine " SLICE_FMT " does not run revision %" PRIu64 ": " SLICE_FMT, SLICE_ARG(behind),
                 revision, SLICE_ARG(why));
        r = OUTCOME_FAIL;
    } else {
        step_say(s, "%zu of %zu machines run revision %" PRIu64 "; waiting for " SLICE_FMT ".", current, all,
                 revision, SLICE_ARG(behind));
        transition_waits(t, s, false);
        transition_poll(t);
    }
    topology_unref(topology);
    arena_fini(&a);
    return r;
}

/* The first machine of a pool whose Access Edge is not in this state; empty: all are. */
static struct slice machine_not(struct transition *t, const struct topology_edge_pool *pool,
                                const char *state, struct arena *a)
{
    struct transition_machine *machines;
    size_t n = t->c.machines(t->c.central, a, &machines);
    for (size_t i = 0; pool && i < pool->n_machines; i++) {
        const struct transition_machine *m = transition_machine_find(machines, n, pool->machines[i].fqdn);
        struct slice says = json_get_string(json_get(m ? m->state : NULL, "services"), "access_edge");
        if (!m || !m->current || !slice_eq(says, slice_str(state)))
            return arena_copy(a, pool->machines[i].fqdn);
    }
    return SLICE_NONE;
}

enum outcome phase_stopped(struct transition *t, struct step *s)
{
    struct arena a = {0};
    struct topology *topology = t->c.topology(t->c.central);
    const struct topology_edge_pool *pool = topology_edge_pool_find(topology, t->plan->from);
    enum outcome r = OUTCOME_LATER;
    if (pool && !pool->managed) {
        step_say(s, "Stop the Access Edge on each machine of " SLICE_FMT " and disable it; then continue.",
                 SLICE_ARG(t->plan->from));
        transition_waits(t, s, true);
        r = t->told_to_continue ? OUTCOME_NEXT : OUTCOME_LATER;
    } else {
        struct slice open = machine_not(t, pool, "stopped", &a);
        step_say(s, "The legacy Access Edge has stopped.");
        if (!open.n) {
            r = OUTCOME_NEXT;
        } else if (transition_timed_out(t, t->times.stopped_ms)) {
            step_say(s, "Machine " SLICE_FMT " does not say within %u s that its Access Edge has stopped.",
                     SLICE_ARG(open), t->times.stopped_ms / 1000);
            r = OUTCOME_FAIL;
        } else {
            step_say(s, "Waiting for the Access Edge of " SLICE_FMT " to stop.", SLICE_ARG(open));
            transition_waits(t, s, false);
            transition_poll(t);
        }
    }
    topology_unref(topology);
    arena_fini(&a);
    return r;
}

/* --- at the end: is everything as it should be? --- */
static const char *topology_fault(const struct topology *t, const struct plan *p)
{
    const struct topology_edge_pool *from = topology_edge_pool_find(t, p->from);
    const struct topology_edge_pool *to = topology_edge_pool_find(t, p->to);
    bool adopted = false;
    if (!from || !to)
        return "one of the two Edge pools is gone";
    for (size_t i = 0; i < to->adopts.n; i++)
        adopted |= slice_caseeq(to->adopts.items[i], p->from);
    for (size_t i = 0; i < t->n_sites; i++)
        if (slice_caseeq(t->sites[i].federation_route, p->from))
            return "a site still routes to the legacy Edge pool";
    for (size_t i = 0; i < t->n_front_end_pools; i++)
        if (slice_caseeq(t->front_end_pools[i].media_edge, p->from))
            return "a Front End pool still has its media association with the legacy Edge pool";
    return !to->federation || to->access_edge != TOPOLOGY_ENABLED ? "the new Edge pool does not federate"
           : !adopted                               ? "the new Edge pool does not answer for the legacy names"
           : !to->next_hop.n                        ? "the new Edge pool has no next hop"
           : from->federation                       ? "the legacy Edge pool still federates"
           : from->access_edge != TOPOLOGY_DISABLED ? "the legacy Access Edge is not disabled"
                                                    : NULL;
}

enum outcome phase_verify(struct transition *t, struct step *s)
{
    struct arena a = {0};
    struct topology *topology = t->c.topology(t->c.central);
    const struct topology_edge_pool *from = topology_edge_pool_find(topology, t->plan->from);
    const char *fault = topology_fault(topology, t->plan);
    struct slice idle = machine_not(t, topology_edge_pool_find(topology, t->plan->to), "serving", &a);
    struct slice busy = from && from->managed ? machine_not(t, from, "stopped", &a) : SLICE_NONE;
    enum outcome r = OUTCOME_LATER;
    if (fault) {
        step_say(s, "The published topology is not as planned: %s.", fault);
        r = OUTCOME_FAIL;
    } else if (!idle.n && !busy.n) {
        step_say(s, "Topology, machines and DNS are as planned.");
        r = OUTCOME_NEXT;
    } else {
        step_say(s, "Machine " SLICE_FMT " does not say that its Access Edge is %s.",
                 SLICE_ARG(idle.n ? idle : busy), idle.n ? "serving" : "stopped");
        if (transition_timed_out(t, t->times.stopped_ms))
            r = OUTCOME_FAIL;
        else
            transition_poll(t);
    }
    topology_unref(topology);
    arena_fini(&a);
    return r;
}

phase_run *const phase_table[PHASE_COUNT] = {
    [PHASE_NOTE] = phase_note,
    [PHASE_CHECK] = phase_check,
    [PHASE_LOOK_DNS] = phase_look_dns,
    [PHASE_PUBLISH] = phase_publish,
    [PHASE_UNPUBLISH] = phase_unpublish,
    [PHASE_ACKNOWLEDGED] = phase_acknowledged,
    [PHASE_PROBE_TARGET] = phase_probe_target,
    [PHASE_PROBE_SOURCE] = phase_probe_source,
    [PHASE_SET_DNS] = phase_set_dns,
    [PHASE_SEE_DNS] = phase_see_dns,
    [PHASE_RESTORE_DNS] = phase_restore_dns,
    [PHASE_SEE_OLD_DNS] = phase_see_old_dns,
    [PHASE_DRAIN_SOURCE] = phase_drain_source,
    [PHASE_DRAIN_TARGET] = phase_drain_target,
    [PHASE_STOPPED] = phase_stopped,
    [PHASE_VERIFY] = phase_verify,
};
