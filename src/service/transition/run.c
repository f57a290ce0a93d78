/*
 * The engine: one step after the other, one phase after the other, on central's loop. Whatever is decided is
 * stored before it is acted upon, so that a restart finds its place; phases find done what they did before.
 */
#include "service/transition/priv.h"

#include "ground/base/mem.h"
#include "ground/log/log.h"

#include <errno.h>
#include <stdio.h>

static const struct slice BLOB = SLICE_INIT("current");

static void advance(void *arg);

/* --- what is under way --- */
static struct op *op_new(struct transition *t)
{
    struct op *op = MEM_NEW(struct op);
    op->t = t;
    return op;
}

static void op_free(struct op *op)
{
    if (!op)
        return;
    arena_fini(&op->arena);
    mem_free(op);
}

static void op_orphan(struct op **op)
{
    if (*op)
        (*op)->t = NULL;
    *op = NULL;
}

struct op *transition_op(struct transition *t)
{
    op_free(t->result);
    t->result = NULL;
    return t->op = op_new(t);
}

void transition_op_done(struct op *op)
{
    struct transition *t = op->t;
    if (!t) {
        op_free(op);
        return;
    }
    t->op = NULL;
    t->result = op;
    deferred_add(t->loop, &t->advance);
}

static void job_done(struct job *j)
{
    transition_op_done((struct op *)((char *)j - offsetof(struct op, job)));
}

enum outcome transition_work(struct transition *t, struct op *op, void (*work)(struct job *j))
{
    op->job.work = work;
    op->job.done = job_done;
    int r = helpers_run(t->helpers, t->loop, &op->job);
    if (r == 0)
        return OUTCOME_BUSY;
    t->op = NULL;
    op_free(op);
    return OUTCOME_LATER; /* the queue is full: at the next tick */
}

/* --- stored --- */
static void on_saved(void *arg, int error, struct slice value)
{
    struct op *op = arg;
    struct transition *t = op->t;
    (void)value;
    op_free(op);
    if (!t)
        return;
    t->saving = NULL;
    if (error < 0) {
        /* nothing is done that was not stored before; the administrator applies again */
        log_error("transition.not-stored", "the transition's progress cannot be stored: %s",
                  strerror(-error));
        t->plan->state = PLAN_FAILED;
        if (t->plan->at < t->plan->n_steps) {
            t->plan->steps[t->plan->at].state = STEP_FAILED;
            step_say(&t->plan->steps[t->plan->at], "The progress cannot be stored: %s", strerror(-error));
        }
        return;
    }
    deferred_add(t->loop, &t->advance);
}

static void save(struct transition *t)
{
    struct arena a = {0};
    struct buf text = {0};
    t->dirty = t->saving != NULL;
    if (t->dirty)
        return;
    json_write(plan_to_json(t->plan, &a, true), false, &text);
    t->saving = op_new(t);
    t->c.blob_put(t->c.central, BLOB, buf_slice(&text), on_saved, t->saving);
    buf_fini(&text);
    arena_fini(&a);
}

/* --- steps and phases --- */
static struct step *step_now(struct transition *t)
{
    return &t->plan->steps[t->plan->at];
}

static enum phase phase_now(const struct transition *t)
{
    const struct plan *p = t->plan;
    const struct step_kind *k = p->steps[p->at].kind;
    return p->phase < STEP_MAX_PHASES ? (p->back ? k->back : k->forward)[p->phase] : PHASE_END;
}

static void phase_clear(struct transition *t)
{
    op_orphan(&t->op);
    op_free(t->result);
    t->result = NULL;
    probe_free(t->probe);
    t->probe = NULL;
    t->probed = t->told_to_continue = false;
    t->phase_since = t->polled_at = t->ttl_until = 0;
    t->ttl_passed_ms = 0;
    timer_stop(&t->tick);
}

static void log_step(const struct step *s, enum log_level level)
{
    log_event(level, "transition.step",
              FIELDS({"step", slice_str(s->kind->id)}, {"state", slice_str(step_state_name(s->state))}),
              "%s: %s%s%s", s->kind->title, step_state_name(s->state), s->text[0] ? ": " : "", s->text);
}

/* The plan is through, in this direction. */
static void finish(struct transition *t)
{
    struct plan *p = t->plan;
    p->state = p->back ? PLAN_ROLLED_BACK : PLAN_APPLIED;
    p->ended_ms = loop_wall();
    log_event(LOG_INFO, p->back ? "transition.rolled-back" : "transition.applied",
              FIELDS({"from", p->from}, {"to", p->to}), "the transition is %s",
              p->back ? "rolled back" : "applied");
    save(t);
}

/* Goes to the next step that is to be worked on, at its first phase. */
static void enter_step(struct transition *t)
{
    struct plan *p = t->plan;
    struct step *s = step_now(t);
    phase_clear(t);
    p->phase = 0;
    p->state = p->back ? PLAN_ROLLING_BACK : PLAN_APPLYING;
    s->state = STEP_RUNNING;
    s->ended_ms = 0;
    s->started_ms = loop_wall();
    step_say(s, "%s", "");
    log_step(s, LOG_INFO);
    save(t);
}

static void leave_step(struct transition *t)
{
    struct plan *p = t->plan;
    struct step *s = step_now(t);
    phase_clear(t);
    s->state = p->back ? STEP_UNDONE : STEP_DONE;
    s->ended_ms = loop_wall();
    if (p->back)
        s->undo = NULL;
    log_step(s, LOG_INFO);
    if (!p->back && p->at + 1 < p->n_steps) {
        p->at++;
        enter_step(t);
        return;
    }
    while (p->back && p->at > 0)
        if (p->steps[--p->at].state != STEP_PENDING) {
            enter_step(t);
            return;
        }
    finish(t);
}

static void fail_step(struct transition *t)
{
    struct step *s = step_now(t);
    phase_clear(t);
    s->state = STEP_FAILED;
    s->ended_ms = loop_wall();
    t->plan->state = PLAN_FAILED;
    log_step(s, LOG_ERROR);
    save(t);
}

static bool runs(const struct transition *t)
{
    return t->plan && (t->plan->state == PLAN_APPLYING || t->plan->state == PLAN_ROLLING_BACK ||
                       t->plan->state == PLAN_WAITING_MANUAL);
}

static void begin_rollback(struct transition *t)
{
    struct plan *p = t->plan;
    t->want_back = false;
    p->back = true;
    if (p->at >= p->n_steps)
        p->at = p->n_steps - 1;
    while (p->at > 0 && p->steps[p->at].state == STEP_PENDING)
        p->at--;
    enter_step(t);
}

static void advance(void *arg)
{
    struct transition *t = arg;
    if (t->loading || t->saving || t->op || !runs(t))
        return;
    if (t->dirty) {
        save(t);
        return;
    }
    if (t->want_back) {
        begin_rollback(t);
        return;
    }
    if (t->probe)
        return;
    struct plan *p = t->plan;
    struct step *s = step_now(t);
    enum phase phase = phase_now(t);
    if (phase == PHASE_END) {
        leave_step(t);
        return;
    }
    if (!t->phase_since)
        t->phase_since = loop_now(t->loop) + 1; /* 0 says that it has not begun */
    switch (phase_table[phase](t, s)) {
    case OUTCOME_NEXT:
        phase_clear(t);
        p->phase++;
        p->state = p->back ? PLAN_ROLLING_BACK : PLAN_APPLYING;
        s->state = STEP_RUNNING;
        save(t);
        break;
    case OUTCOME_LATER:
        timer_start(&t->tick, loop_now(t->loop) + t->times.tick_ms);
        break;
    case OUTCOME_BUSY:
        break;
    case OUTCOME_STORE:
        save(t);
        break;
    case OUTCOME_FAIL:
        fail_step(t);
        break;
    }
}

void transition_forget(struct transition *t)
{
    op_free(t->result);
    t->result = NULL;
}

void transition_waits(struct transition *t, struct step *s, bool for_the_administrator)
{
    enum plan_state state = for_the_administrator ? PLAN_WAITING_MANUAL
                            : t->plan->back       ? PLAN_ROLLING_BACK
                                                  : PLAN_APPLYING;
    bool changed = t->plan->state != state || s->state != STEP_WAITING;
    t->plan->state = state;
    s->state = STEP_WAITING;
    if (changed) {
        log_step(s, LOG_INFO);
        t->dirty = true; /* stored with the next look */
    }
}

void transition_poll(struct transition *t)
{
    uint64_t now = loop_now(t->loop) + 1;
    if (t->polled_at && now < t->polled_at + t->times.poll_ms)
        return;
    t->polled_at = now;
    t->c.poll(t->c.central);
}

bool transition_timed_out(const struct transition *t, uint64_t limit_ms)
{
    return loop_now(t->loop) + 1 >= t->phase_since + limit_ms;
}

/* --- what administrators ask for --- */
__attribute__((format(printf, 4, 5))) static bool refuse(struct transition_refusal *ret, unsigned status,
                                                         const char *id, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(ret->text, sizeof(ret->text), fmt, ap);
    va_end(ap);
    ret->status = status;
    ret->id = id;
    return false;
}

bool transition_is_under_way(const struct transition *t)
{
    const struct plan *p = t->plan;
    return p && p->state != PLAN_PLANNED && p->state != PLAN_APPLIED && p->state != PLAN_ROLLED_BACK &&
           !(p->state == PLAN_FAILED && !p->back && p->at == 0); /* the check failed: nothing was done */
}

/* What is being stored or loaded is not pulled away. */
static bool refuse_while_storing(struct transition *t, struct transition_refusal *ret)
{
    return t->loading
               ? refuse(ret, 503, "transition.loading", "What is stored of a transition is still being read.")
               : true;
}

bool transition_plan(struct transition *t, struct slice from, struct slice to, bool classic,
                     struct findings *f, struct transition_refusal *ret)
{
    if (!refuse_while_storing(t, ret))
        return false;
    if (transition_is_under_way(t))
        return refuse(ret, 409, "transition.running",
                      "The transition from " SLICE_FMT " to " SLICE_FMT
                      " is %s: apply it to its end, or roll it back.",
                      SLICE_ARG(t->plan->from), SLICE_ARG(t->plan->to), plan_state_name(t->plan->state));
    struct plan *p = plan_new(from, to, classic);
    struct topology *topology = t->c.topology(t->c.central);
    plan_check(p, topology, &t->c, loop_wall(), f);
    topology_unref(topology);
    if (f->errors) {
        plan_free(p);
        for (size_t i = 0; i < f->n; i++)
            if (f->items[i].severity == FINDING_ERROR)
                return refuse(ret, 409, f->items[i].id, SLICE_FMT, SLICE_ARG(f->items[i].text));
    }
    phase_clear(t);
    plan_free(t->plan);
    t->plan = p;
    return true;
}

void transition_store(struct transition *t)
{
    save(t);
}

bool transition_apply(struct transition *t, struct transition_refusal *ret)
{
    struct plan *p = t->plan;
    if (!refuse_while_storing(t, ret))
        return false;
    if (!p)
        return refuse(ret, 409, "transition.no-plan", "There is no plan: make one first.");
    if (p->back)
        return refuse(ret, 409, "transition.rolling-back", "The transition is %s: %s.",
                      plan_state_name(p->state),
                      p->state == PLAN_ROLLED_BACK ? "plan it again" : "roll it back to its end");
    if (p->state == PLAN_APPLIED)
        return refuse(ret, 409, "transition.applied", "The transition is applied.");
    if (p->state != PLAN_PLANNED && p->state != PLAN_FAILED)
        return true; /* it runs */
    if (p->state == PLAN_PLANNED)
        p->started_ms = loop_wall();
    log_event(LOG_INFO, "transition.apply", FIELDS({"from", p->from}, {"to", p->to}),
              "the transition is applied");
    enter_step(t);
    return true;
}

bool transition_rollback(struct transition *t, struct transition_refusal *ret)
{
    struct plan *p = t->plan;
    if (!refuse_while_storing(t, ret))
        return false;
    if (!p || p->state == PLAN_PLANNED || p->state == PLAN_ROLLED_BACK)
        return refuse(ret, 409, "transition.nothing-to-undo",
                      "Nothing was applied that could be rolled back.");
    if (p->back && p->state != PLAN_FAILED)
        return true; /* it does so */
    log_event(LOG_INFO, "transition.rollback", FIELDS({"from", p->from}, {"to", p->to}),
              "the transition is rolled back");
    if (p->back) {
        enter_step(t);
        return true;
    }
    /* a publish or an update that is under way ends first: what it did is to be undone */
    t->want_back = true;
    if (!runs(t))
        p->state = PLAN_APPLYING;
    probe_free(t->probe);
    t->probe = NULL;
    p->ended_ms = 0;
    deferred_add(t->loop, &t->advance);
    return true;
}

bool transition_continue(struct transition *t, struct transition_refusal *ret)
{
    if (!t->plan || t->plan->state != PLAN_WAITING_MANUAL)
        return refuse(ret, 409, "transition.not-waiting",
                      "The transition waits for nothing that is done by hand.");
    t->told_to_continue = true;
    deferred_add(t->loop, &t->advance);
    return true;
}

/* --- life --- */
static void on_loaded(void *arg, int error, struct slice value)
{
    struct op *op = arg;
    struct transition *t = op->t;
    op_free(op);
    if (!t)
        return;
    t->loading = NULL;
    if (error < 0 && error != -ENOENT)
        log_error("transition.not-read", "what is stored of a transition cannot be read: %s",
                  strerror(-error));
    if (error < 0 || !value.n)
        return;
    if (plan_parse(value, &t->plan) < 0) {
        log_error("transition.not-read", "what is stored of a transition is not readable");
        return;
    }
    if (runs(t))
        log_event(
            LOG_INFO, "transition.resumed",
            FIELDS({"from", t->plan->from}, {"to", t->plan->to}, {"step", slice_str(step_now(t)->kind->id)}),
            "the transition goes on where it was");
    deferred_add(t->loop, &t->advance);
}

struct transition *transition_new_with(struct loop *l, struct helpers *h,
                                       const struct transition_central *central,
                                       const struct transition_times *times)
{
    struct transition *t = MEM_NEW(struct transition);
    t->loop = l;
    t->helpers = h;
    t->c = *central;
    t->times = *times;
    timer_init(&t->tick, l, advance, t);
    deferred_init(&t->advance, advance, t);
    t->loading = op_new(t);
    t->c.blob_get(t->c.central, BLOB, on_loaded, t->loading);
    return t;
}

struct transition *transition_new(struct loop *l, struct helpers *h, const struct transition_central *central)
{
    static const struct transition_times times = {.tick_ms = TRANSITION_TICK_MS,
                                                  .poll_ms = TRANSITION_POLL_MS,
                                                  .acknowledged_ms = TRANSITION_ACKNOWLEDGED_MS,
                                                  .refused_ms = TRANSITION_REFUSED_MS,
                                                  .probe_ms = TRANSITION_PROBE_MS,
                                                  .see_dns_ms = TRANSITION_SEE_DNS_MS,
                                                  .drain_ms = TRANSITION_DRAIN_MS,
                                                  .stopped_ms = TRANSITION_STOPPED_MS};
    return transition_new_with(l, h, central, &times);
}

void transition_free(struct transition *t)
{
    if (!t)
        return;
    phase_clear(t);
    op_orphan(&t->loading);
    op_orphan(&t->saving);
    deferred_cancel(&t->advance);
    plan_free(t->plan);
    mem_free(t);
}
