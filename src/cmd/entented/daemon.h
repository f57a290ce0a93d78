/*
 * entented/daemon.h - the one daemon of every machine: what it is made of and how its parts meet.
 *
 * The main thread runs the control loop: replica, central management, transition, the local API, signals. SIP
 * runs on the team of workers (one a core). What blocks runs on helper threads.
 */
#pragma once

#include "element/element.h"
#include "ground/http/http.h"
#include "kept/directory/directory.h"
#include "kept/location/location.h"
#include "service/access_edge/crls.h"
#include "service/access_edge/watch.h"
#include "service/central/central.h"
#include "service/replica/replica.h"
#include "service/transition/transition.h"

enum {
    EXIT_DRAINED = 0,
    EXIT_USAGE = 1,
    EXIT_STATE = 2,  /* state folder unusable */
    EXIT_LISTEN = 3, /* an address of the revision on disk cannot be listened on */
    EXIT_NOT_JOINED = 4,
    EXIT_INTERNAL = 70,
    DRAIN_MAX_MS = 20000, /* SIGTERM: connections that are still there then are cut */
    DRAIN_LINGER_MS = 2000,
    DRAIN_IDLE_MS = 300,
};

struct daemon_options {
    const char *state;
    unsigned workers;     /* 0: a worker a core */
    const char *log_file; /* NULL: standard error */
    int log_fd;
    const char *access_log; /* NULL: where the topology wants one, STATE/access.log */
};

struct daemon {
    struct daemon_options options;
    struct loop *control;
    struct workers *team;
    struct helpers *disk;   /* one thread: SQLite, files */
    struct helpers *writer; /* one thread: bindings */
    struct helpers *probes; /* what a transition asks of DNS */
    char machine[256];
    int64_t started_ms;

    struct http_server *api;
    struct replica *replica;
    struct central *central;       /* NULL: not this machine's */
    struct transition *transition; /* beside central */
    struct element *element;       /* NULL until a revision gives this machine a SIP service */
    struct directory *directory;   /* Front End */
    struct location *location;
    struct watch *watch; /* Edge: discovered partners */
    struct crls *crls;   /* Edge: revocation lists */
    unsigned char nonce_key[32];
    struct timer sweep, pulse;
    struct journal *access_log;  /* NULL: none */
    struct http_server *metrics; /* on the internal address; NULL: none */
    struct list examinations;    /* struct examining: partner tests under way */

    /* what runs */
    struct topology *topology;
    struct material *material;
    struct element_config *config;
    const struct replica_identity *identity;
    uint64_t revision;
    const char *service; /* "access_edge", "front_end" or NULL */

    bool stopping, ready;
    bool waits; /* what was on disk could not run: a push may bring what does */
    struct timer drain;
    uint64_t drain_until;
    int exit_code;
};

/* daemon.c */
int daemon_run(const struct daemon_options *options);
/* Says that it is ready. */
void daemon_announce(struct daemon *d);
/* Ends the control loop with this code, once what runs has been drained. */
void daemon_stop(struct daemon *d, int code);

/* roles.c: what a revision makes of this machine */
void roles_apply(void *arg, struct topology *t, const struct revision *r, struct material *m,
                 const struct replica_identity *id, replica_applied *done, void *done_arg);
void roles_describe(void *arg, struct arena *a, struct json_value *object);
/* The addresses that the element dials, and how they are. */
void roles_describe_destinations(const struct daemon *d, struct arena *a, struct json_value *object);
/* Applies the running revision again as stopping. */
void roles_stop(struct daemon *d, element_applied *done, void *arg);
void roles_free(struct daemon *d);
/* Dialogs that began here and have not ended here; the Edge keeps none, so it is an estimate. */
uint64_t roles_dialogs_estimate(const struct element_sums *sums);

/* seeing.c: access log and metrics */
/* The access log that --access-log names, from the start. 0 or negative errno. */
int seeing_begin(struct daemon *d);
/* What the config writes into. */
void seeing_prepare(struct daemon *d, const struct topology *t, struct element_config *c);
/* A revision runs: the port of the metrics, the limits of the log. */
void seeing_switch(struct daemon *d);
/* SIGHUP: log files are opened anew. */
void seeing_reopen(struct daemon *d);
void seeing_free(struct daemon *d);

/* How late timers of the control loop fire (METRIC_TIME). */
#define METRIC_CONTROL_LAG "control.lag"
/* metrics.c: everything that is counted, as Prometheus reads it */
void metrics_write(struct daemon *d, struct buf *out);
/* A page of the families, for doc/metrics.md. */
void metrics_reference(struct buf *out);

/* trace.c: what a Call-ID went through, here or on all machines */
void trace_api(struct daemon *d, struct http_request *rq);
void trace_here(struct daemon *d, struct http_request *rq);

/* examine.c: partner test */
struct examine;
struct examining {
    struct list link;
    struct http_request *rq;
    struct examine *examine;
};
void examine_api(struct daemon *d, struct http_request *rq);
void examine_asked(struct daemon *d, struct http_request *rq); /* of this machine */
void examine_free_all(struct daemon *d);

/* api.c: the local API on the UNIX socket */
void api_handle(void *arg, struct http_request *rq);
/* What central management asks this machine over its replica endpoint; false: not its path. */
bool api_asked(void *arg, struct http_request *rq);
void api_json(struct http_request *rq, unsigned status, const struct json_value *v);
void api_error(struct http_request *rq, unsigned status, const char *id, const char *text);

/* glue.c: central management as a transition sees it */
struct transition_central glue_transition(struct daemon *d);
