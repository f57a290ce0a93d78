/*
 * transition/plan.h - a transition as data: which pools, which steps, how far it is, and what stood before.
 * Pure: no sockets, no clocks; what the engine (run.c) does with it is stored as JSON after every change of
 * state.
 */
#pragma once

#include "service/transition/transition.h"

enum {
    PLAN_MAX_NAMES = 16,   /* external names that move: the pool's and those it adopted */
    PLAN_MAX_BEFORE = 256, /* address records remembered */
    PLAN_MIN_CERTIFICATE_MS = 24 * 3600 * 1000, /* a certificate that ends sooner is not moved */
    PLAN_MAX_TEXT = 1000,                       /* bytes of a step's sentence */
};

enum step_state { STEP_PENDING, STEP_RUNNING, STEP_WAITING, STEP_DONE, STEP_FAILED, STEP_UNDONE };
enum plan_state {
    PLAN_PLANNED,
    PLAN_APPLYING,
    PLAN_WAITING_MANUAL,
    PLAN_FAILED,
    PLAN_APPLIED,
    PLAN_ROLLING_BACK,
    PLAN_ROLLED_BACK
};
const char *step_state_name(enum step_state s);
const char *plan_state_name(enum plan_state s);

/* What a step is made of; run.c has a function for each. A phase may be run again from its beginning after a
 * restart: what it did already it finds done. */
enum phase {
    PHASE_END,
    PHASE_NOTE,         /* nothing to do: the step's text says why */
    PHASE_CHECK,        /* plan_check without errors */
    PHASE_LOOK_DNS,     /* addresses and TTLs before the change, remembered */
    PHASE_PUBLISH,      /* the step's edits on the newest revision; what they replace is remembered */
    PHASE_UNPUBLISH,    /* puts back what they replaced */
    PHASE_ACKNOWLEDGED, /* every managed machine runs the newest revision */
    PHASE_PROBE_TARGET, /* the target's ports are open and show the names */
    PHASE_PROBE_SOURCE, /* the legacy pool's do (before partners are led back) */
    PHASE_SET_DNS,      /* RFC 2136 */
    PHASE_SEE_DNS,      /* the name server answers so; without updates: waits for the administrator */
    PHASE_RESTORE_DNS,
    PHASE_SEE_OLD_DNS,
    PHASE_DRAIN_SOURCE, /* TTL passed, nothing pending, idle */
    PHASE_DRAIN_TARGET,
    PHASE_STOPPED, /* the legacy machines say "stopped" */
    PHASE_VERIFY,
    PHASE_COUNT
};
enum { STEP_MAX_PHASES = 5 };

struct plan;
struct edits;
/* A row of the tables in steps.c. */
struct step_kind {
    const char *id, *title;
    const char *seed; /* the procedure of the seed document that it stands for; NULL: none */
    const char *check, *action, *after, *undo_text; /* what plan prints */
    /* The changes that PHASE_PUBLISH makes; pure. */
    void (*edits)(struct edits *e, const struct topology *t, const struct plan *p);
    enum phase forward[STEP_MAX_PHASES], back[STEP_MAX_PHASES];
};
struct step {
    const struct step_kind *kind;
    enum step_state state;
    char text[PLAN_MAX_TEXT];
    int64_t started_ms, ended_ms; /* wall clock; 0: not yet */
    struct json_value *undo;      /* what the edits replaced (edits.h), NULL before they were published */
};

struct plan_record {
    struct slice name;
    uint16_t type;        /* DNS_A, DNS_AAAA */
    struct slice address; /* text */
    uint32_t ttl;
};
struct plan {
    struct arena arena; /* everything below */
    struct slice from, to;
    bool classic;
    enum plan_state state;
    bool back;        /* rolling back, also while failed or waiting at that */
    size_t at, phase; /* the step being worked on, and its phase */
    int64_t started_ms, ended_ms;
    struct step *steps;
    size_t n_steps;
    /* DNS as it was before */
    bool dns_known, dns_touched;
    struct plan_record *before;
    size_t n_before;
    uint32_t ttl;                            /* the largest seen, of addresses and of SRV records */
    int64_t dns_changed_ms, dns_restored_ms; /* wall clock, when it was seen; 0: not */
};

struct plan *plan_new(struct slice from, struct slice to, bool classic);
void plan_free(struct plan *p); /* NULL is fine */
/* All that is stored, with full = false only what GET /v1/transition shows. */
struct json_value *plan_to_json(const struct plan *p, struct arena *a, bool full);
/* -EBADMSG when it is not what plan_to_json wrote. */
int plan_parse(struct slice text, struct plan **ret);
__attribute__((format(printf, 2, 3))) void step_say(struct step *s, const char *fmt, ...);

/* What blocks the plan, or should be known before it. Ids begin with "transition.". now_ms: wall clock. */
void plan_check(const struct plan *p, const struct topology *t, const struct transition_central *c,
                int64_t now_ms, struct findings *f);

/* ways.c, part of plan_check: no step may leave users without a way that they have now (transition.no-way).
 * The classic order is left out: it has its gap by design. */
void plan_check_ways(const struct plan *p, const struct topology *t, struct findings *f);

/* The external names that move, those of the legacy pool first: its own, and those of the pools it adopted.
 */
size_t plan_names(const struct plan *p, const struct topology *t, struct slice ret[PLAN_MAX_NAMES]);
/* The addresses of the target's machines for a type: text, as the topology has it. */
size_t plan_addresses(const struct topology *t, struct slice pool, uint16_t type, struct arena *a,
                      struct slice **ret);
/* The longest configured zone that holds the name; false: none. */
bool plan_zone(const struct transition_dns *dns, struct slice name, struct slice *ret);

/* --- steps.c --- */
extern const struct step_kind *const plan_steps[], *const plan_classic_steps[];
extern const size_t plan_n_steps, plan_n_classic_steps;
