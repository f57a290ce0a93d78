/*
 * transition/priv.h - what engine, phases and API share.
 */
#pragma once

#include "kept/nameserver/nameserver.h"
#include "service/transition/plan.h"
#include "service/transition/probe.h"

/* How long things may take. Tests run the engine with shorter ones. */
struct transition_times {
    uint32_t tick_ms;         /* a phase that waits looks again after this */
    uint32_t poll_ms;         /* machines are asked for their state that often at the most */
    uint32_t acknowledged_ms; /* every machine must run a revision within this */
    uint32_t refused_ms;      /* one that says no may change its mind within this */
    uint32_t probe_ms;        /* ports must be open within this */
    uint32_t see_dns_ms;      /* an update must be seen within this */
    uint32_t drain_ms;        /* after the TTL: then the administrator decides */
    uint32_t stopped_ms;      /* a machine must say that its service stopped within this */
};
enum {
    TRANSITION_TICK_MS = 250,
    TRANSITION_POLL_MS = 1000,
    TRANSITION_ACKNOWLEDGED_MS = 120000,
    TRANSITION_REFUSED_MS = 10000,
    TRANSITION_PROBE_MS = 15000,
    TRANSITION_SEE_DNS_MS = 60000,
    TRANSITION_DRAIN_MS = 600000,
    TRANSITION_STOPPED_MS = 60000,
    TRANSITION_SILENT_MS =
        15000, /* a machine unheard of for so long is gone: a rollback goes on without it */
};

enum outcome {
    OUTCOME_NEXT,  /* the phase is through */
    OUTCOME_LATER, /* call it again at the next tick */
    OUTCOME_BUSY,  /* t->op or t->probe is under way; call it again with its result */
    OUTCOME_STORE, /* store the plan, then call it again */
    OUTCOME_FAIL   /* the step's text says why */
};

/* A job, publish, or blob under way: it outlives a transition that is freed meanwhile (t is NULL then). */
struct op {
    struct job job;
    struct transition *t;
    struct arena arena;
    void *work_arg; /* in the arena */
    int error;
    char text[PLAN_MAX_TEXT]; /* why not */
};

struct transition {
    struct loop *loop;
    struct helpers *helpers;
    struct transition_central c;
    struct transition_times times;
    struct plan *plan; /* NULL: none */
    struct timer tick;
    struct deferred advance;
    struct op *loading, *saving;
    bool dirty; /* changed while it was being stored */
    /* the phase that runs */
    struct op *op;
    struct op *result; /* of what the phase began; freed when the phase changes */
    struct probe *probe;
    bool probed, probe_ok;
    char probe_text[PROBE_TEXT];
    uint64_t phase_since, polled_at; /* loop_now; 0: not */
    uint64_t ttl_until;              /* loop_now when the TTL has passed; 0: not worked out yet */
    int64_t ttl_passed_ms;           /* wall clock when that was so; 0: not yet */
    bool told_to_continue;
    bool want_back; /* rollback was asked for while something was under way */
};

struct transition *transition_new_with(struct loop *l, struct helpers *h,
                                       const struct transition_central *central,
                                       const struct transition_times *times);

/* --- run.c, for the API; each 0, or the id and sentence of why not --- */
struct transition_refusal {
    unsigned status;
    const char *id;
    char text[PLAN_MAX_TEXT];
};
bool transition_plan(struct transition *t, struct slice from, struct slice to, bool classic,
                     struct findings *f, struct transition_refusal *ret);
/* Makes the plan; store it, or apply it, which stores it too. */
void transition_store(struct transition *t);
bool transition_apply(struct transition *t, struct transition_refusal *ret);
bool transition_rollback(struct transition *t, struct transition_refusal *ret);
bool transition_continue(struct transition *t, struct transition_refusal *ret);
bool transition_is_under_way(const struct transition *t); /* neither planned, through nor rolled back */
/* The API without HTTP: status, and the answer's body into out. method "GET"/"POST"; 404 for other paths. */
unsigned transition_answer(struct transition *t, struct slice method, struct slice path, struct slice body,
                           struct buf *out);

/* --- for the phases --- */
/* Takes the place of t->op. begin: helper job with this work; its result is in t->result when it comes back.
 */
struct op *transition_op(struct transition *t);
enum outcome transition_work(struct transition *t, struct op *op, void (*work)(struct job *j));
void transition_op_done(struct op *op);       /* the result is there: t->result, and the engine goes on */
void transition_forget(struct transition *t); /* drops t->result: the phase begins anew */
void transition_waits(struct transition *t, struct step *s, bool for_the_administrator);
void transition_poll(struct transition *t);
bool transition_timed_out(const struct transition *t, uint64_t limit_ms);

typedef enum outcome phase_run(struct transition *t, struct step *s);
phase_run phase_note, phase_check, phase_publish, phase_unpublish, phase_acknowledged, phase_stopped,
    phase_verify;
phase_run phase_look_dns, phase_set_dns, phase_see_dns, phase_restore_dns, phase_see_old_dns;
phase_run phase_probe_target, phase_probe_source, phase_drain_source, phase_drain_target;
extern phase_run *const phase_table[PHASE_COUNT];

/* In a rollback, a machine of the target pool that is gone is not waited for: it may be why. */
bool transition_is_given_up(const struct transition *t, const struct topology *topology, struct slice fqdn,
                            const struct transition_machine *m);
/* The machine's report, or NULL; machines as transition_central gives them. */
const struct transition_machine *transition_machine_find(const struct transition_machine *machines, size_t n,
                                                         struct slice fqdn);
