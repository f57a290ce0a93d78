/*
 * transition/transition.h - the move of the federation and media routes from one Edge pool to another: plan,
 * apply, verify, undo.
 *
 * The seed procedure in a make-before-break order, or (classic) in the original's own. Steps are rows of a
 * table: each has a check before, an action, a check after and an undo. Progress is stored after every change
 * of state, so that it resumes after kill -9 of central; rollback undoes what was done, last first.
 *
 * A transition lives beside central management and reaches it only through what its maker hands over.
 */
#pragma once

#include "ground/http/http.h"
#include "ground/loop/helpers.h"
#include "kept/topology/topology.h"

struct transition_machine {
    struct slice fqdn;
    bool current;     /* runs the newest revision and material, and its certificate carries all names of that
                         revision */
    struct slice why; /* when not */
    const struct json_value *state; /* what the machine last said of itself (see below), may be NULL */
    int64_t heard_ms;
};
/* state of an Edge machine, as entented reports it:
 *   {"version":…, "revision":N, "services":{"access_edge":"serving"|"stopping"|"stopped"},
 *    "load":{"requests":N, "connections":N, "last_request_ago_ms":N or null, "last_dialog_request_ago_ms":N
 * or null}} */

struct transition_dns {
    bool configured;
    struct net_addr server;
    struct slice key_name, key_secret; /* raw */
    struct slice *zones;
    size_t n_zones;
};

typedef void transition_done(void *arg, int error, const char *text);
typedef void transition_blob_done(void *arg, int error, struct slice value);
struct transition_central {
    void *central; /* first argument of all */
    size_t (*machines)(void *central, struct arena *a, struct transition_machine **ret);
    uint64_t (*revision)(void *central);
    struct topology *(*topology)(void *central); /* newest published; a reference */
    /* done: error 0 or negative errno with findings as text */
    void (*publish)(void *central, const struct json_value *doc, struct slice comment, transition_done *done,
                    void *arg);
    void (*poll)(void *central); /* ask all machines for their state now */
    void (*blob_get)(void *central, struct slice name, transition_blob_done *done, void *arg);
    void (*blob_put)(void *central, struct slice name, struct slice value, transition_blob_done *done,
                     void *arg);
    /* The external certificate held for an Edge pool: its names and end. False: none. */
    bool (*certificate)(void *central, struct slice pool, struct arena *a, struct slice **ret_names,
                        size_t *ret_n, int64_t *ret_not_after_ms);
    bool (*dns)(void *central, struct arena *a, struct transition_dns *ret);
};

struct transition;
/* Loads what is stored and goes on with it when it was being applied. l: central's loop; h: for what blocks
 * (DNS, probes). */
struct transition *transition_new(struct loop *l, struct helpers *h,
                                  const struct transition_central *central);
void transition_free(struct transition *t);
/* Answers /v1/transition…: POST /v1/transition/plan {from, to, classic}, GET /v1/transition, POST
 * /v1/transition/apply, POST /v1/transition/rollback, POST /v1/transition/continue (a manual step was done).
 * False: not its path. */
bool transition_api(struct transition *t, struct http_request *rq);
