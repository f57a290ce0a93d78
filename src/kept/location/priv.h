/*
 * location/priv.h - what index.c (memory), rows.c (disk), rules.c (RFC 3261 10.3), refresh.c (what needs no
 * disk) and location.c (queue, batch) share.
 *
 * One thread at a time, the writer, changes anything. Everybody else reads under a shard's lock, so the
 * writer needs a lock only to change what others see, and none to read. A binding never changes once it is
 * published, but for `lost` and what a refresh changes: when it expires, CSeq, its turn. A refresh does that
 * under the lock of the record's shard, on whatever thread it is, and only while nobody holds the record:
 * a request holds it from location_update until it is published, a plan from before it looks at it. So a
 * refresh overtakes nothing, and the writer has the record to itself. Locks are never held together.
 */
#pragma once

#include "ground/base/list.h"
#include "ground/base/map.h"
#include "kept/location/location.h"
#include "kept/store/db.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    LOCATION_SHARDS = 64,
    LOCATION_SHARD_SHIFT = 64 - 6, /* the maps take the low bits of a hash */
    LOCATION_HOLDS = 64,           /* counters of a shard; who shares one waits for the writer in vain */
    LOCATION_HOLD_SHIFT = LOCATION_SHARD_SHIFT - 6,
    /* bindings of one record while a request is worked on: before and after together */
    LOCATION_MAX_WORK = LOCATION_MAX_CONTACTS + LOCATION_MAX_CHANGES,
};

struct request;
struct flow;
struct binding {
    struct location_binding v; /* but flow_lost, expires_ms and cseq; slices point into text */
    atomic_bool lost;
    atomic_llong expires_ms; /* as the client was told */
    atomic_uint cseq;
    int64_t promised_ms;         /* expiry of the row: that or later */
    int64_t id;                  /* of the row */
    int64_t turn;                /* registered or refreshed last: higher */
    int64_t since;               /* id of the first of an unbroken row of registrations of this contact */
    const struct request *asked; /* by which request, until it is published */
    struct record *record;       /* NULL until it is published */
    struct map_entry by_contact; /* once published */
    struct flow *flow;           /* NULL without one */
    struct list by_flow;         /* of flow */
    size_t heap_slot;            /* of the writer's heap; 0: none */
    int64_t due_ms;              /* its place there: when it expires, or did before it was refreshed */
    char text[];
};
/* The bindings of one aor, best q first, then the highest turn; there is none without bindings. */
struct record {
    struct map_entry entry;
    size_t n;
    struct binding **items;
    size_t aor_n;
    char aor[];
};
struct flow {
    struct map_entry entry;
    struct location_flow id;
    struct list bindings; /* by_flow: published ones and those that are still asked for */
};
struct shard {
    pthread_mutex_t lock;
    struct map map;
};

struct location {
    struct shard records[LOCATION_SHARDS];  /* by aor */
    struct shard contacts[LOCATION_SHARDS]; /* bindings by URI */
    struct shard flows[LOCATION_SHARDS];
    uint32_t holds[LOCATION_SHARDS][LOCATION_HOLDS]; /* under the lock of the records' shard */
    atomic_size_t count;
    atomic_llong next_expiry; /* the first due_ms; INT64_MAX: none */
    atomic_llong next_turn;

    struct binding **heap; /* by due_ms, from slot 1; writer's */
    size_t heap_n, heap_cap;
    struct db *db; /* writer's */
    int64_t next_id;
    bool disk_failing; /* and said so */

    struct helpers *writer;
    struct job job;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t idle;
    struct list queue;
    size_t queued;
    bool running; /* the job is queued or at work */
    bool sweep;
    int64_t sweep_now;
};

/* One record while a batch is worked out: what it will be. */
struct plan {
    struct map_entry entry;
    struct list link;
    uint64_t hash; /* of aor */
    struct slice aor;
    struct record *record; /* what is published, or NULL */
    struct binding *next[LOCATION_MAX_WORK];
    size_t n;
};
bool plan_has(const struct plan *p, const struct binding *b);
/* For what the record holds now; whoever calls holds it. aor is not copied. */
void plan_init(struct plan *p, struct location *l, struct slice aor, uint64_t hash);
void plan_drop_expired(struct plan *p, int64_t now_ms);

/* One REGISTER while it is under way. */
struct request_change {
    bool remove;
    struct sip_uri uri; /* when is_uri */
    bool is_uri;
    struct slice text, instance;
    struct binding *binding; /* NULL: remove. The request's until it is published */
};
struct request {
    struct mail mail;
    struct list link;
    struct loop *back;
    struct arena arena;
    location_done *done;
    void *arg;
    enum location_outcome outcome;
    struct slice aor; /* empty: nothing is held */
    uint64_t hash;    /* of it */
    bool remove_all;
    struct slice call_id;
    uint32_t cseq;
    size_t max_contacts;
    size_t n;
    struct request_change changes[];
};

/* --- index.c --- */
void index_init(struct location *l);
void index_fini(struct location *l);
/* In the flow's list from here on, so that a flow that goes while the request waits is noticed. */
struct binding *binding_new(struct location *l, const struct location_binding *v, struct slice uri,
                            int64_t promised_ms);
void binding_free(struct location *l, struct binding *b); /* not published; NULL is fine */
struct record *index_find(struct location *l, struct slice aor, uint64_t hash);
/* Makes the record what the plan says; frees what it replaces. */
void index_publish(struct location *l, struct plan *p);
/* It was refreshed: a later place in the heap. */
void index_put_off(struct location *l, struct binding *b);
/* No refresh of this aor (and of those that share its counter) until it is released as often. */
void index_hold(struct location *l, uint64_t aor_hash);
void index_release(struct location *l, uint64_t aor_hash);

/* --- rows.c --- */
int rows_open(struct location *l, const char *state_folder, int64_t now_ms);
/* All plans in one transaction. 1: written, 0: there was nothing to write. */
int rows_write(struct location *l, const struct list *plans);

/* --- refresh.c --- */
/* What the disk is to promise to a binding that is granted until then. */
int64_t refresh_promise(int64_t expires_ms, int64_t now_ms);
/* The lock of the aor's shard is held. */
bool refresh_record(struct location *l, struct record *r, const struct location_request *rq, int64_t now_ms);

/* --- rules.c --- */
enum location_outcome rules_apply(struct plan *p, const struct request *rq, int64_t now_ms);
