/*
 * central/central.h - central management: the draft, publishing, replication, certificates and secrets of a
 * deployment, and the API through which the command line and (later) the page do all that.
 *
 * Runs on one loop; what blocks (SQLite, pushes) runs on helper threads. Each managed machine has a pusher:
 * it sends the newest revision and material when they change, again with back-off while a machine does not
 * acknowledge, and a heartbeat every CENTRAL_HEARTBEAT_MS, which brings the machine's state and its
 * certificate requests.
 */
#pragma once

#include "ground/http/http.h"
#include "ground/loop/helpers.h"
#include "kept/store/store.h"

enum {
    CENTRAL_HEARTBEAT_MS = 5000,
    CENTRAL_RETRY_MIN_MS = 200,
    CENTRAL_RETRY_MAX_MS = 5000,
    CENTRAL_PUSH_MS = 15000
};

struct central;
struct central_init {
    const char *state_folder;
    struct slice machine, address; /* FQDN and address literal of the machine that runs it */
    struct slice name, domain;
    struct slice topology; /* YAML, or empty: a first one is made */
};
/* Blocks. Makes STATE/central.db with CA, signing key, first Record-Route key, revision 1; and this machine's
 * own replica files, as join would. error: 512 bytes. */
int central_init(const struct central_init *init, char *error);

/* Blocks while it reads the store. The store and the pushes have helper threads of their own (a dead machine
 * must not hold up the disk of anybody); h is for what comes with the page. */
int central_new(struct loop *l, struct helpers *h, const char *state_folder, struct central **ret,
                char *error);
/* Before the loop ends; breaks off pushes under way (a second at most). No callback of ours comes
 * afterwards. */
void central_free(struct central *c);
/* Answers /v1/topology/…, /v1/publish, /v1/replication, /v1/machines…, /v1/certificates…, /v1/dns…,
 * /v1/draft…. False: not its path. */
bool central_api(struct central *c, struct http_request *rq);

/* --- what a transition needs of central management; all on central's loop --- */
struct central_machine_state {
    struct slice fqdn;
    uint64_t acknowledged; /* revision */
    uint64_t material;     /* serial */
    bool current;          /* runs the newest revision and material */
    int64_t heard_ms;      /* wall clock of its last answer */
    /* "id: sentence" when behind; ids: new, behind, ahead, name, route, trust, clock, refused:<id of the
     * replica>, certificate (it lacks a name), other */
    struct slice why;
    const struct json_value *state; /* what it last said of itself, may be NULL; until the loop's next turn */
};
size_t central_machines(struct central *c, struct arena *a, struct central_machine_state **ret);
uint64_t central_revision(const struct central *c);
/* The newest published topology; a reference. */
struct topology *central_topology(struct central *c);
/* Publishes this document as the next revision (checks refuse errors); done with the new number, or negative
 * errno and the findings as text. The draft is rebased or left alone: a transition does not publish what
 * somebody is drafting. */
typedef void central_published(void *arg, int error, uint64_t number, const char *text);
void central_publish(struct central *c, const struct json_value *doc, struct slice author,
                     struct slice comment, central_published *done, void *arg);
/* Named blobs of the store, from a helper thread inside: done(arg, error, value). */
typedef void central_blob_done(void *arg, int error, struct slice value);
void central_blob_get(struct central *c, const char *kind, struct slice name, central_blob_done *done,
                      void *arg);
void central_blob_put(struct central *c, const char *kind, struct slice name, struct slice value,
                      central_blob_done *done, void *arg);
/* Asks every machine at once for its state (a push now rather than at the next heartbeat). */
void central_poll(struct central *c);
/* Does the material hold an external certificate for this pool; which names does it carry? false: none. */
bool central_certificate_names(struct central *c, struct slice pool, struct arena *a,
                               struct slice **ret_names, size_t *ret_n, int64_t *ret_not_after_ms);
/* A question to one managed machine, or to all, over their replica endpoints. */
struct central_question {
    const char *method;
    struct slice path;    /* with query, escaped */
    struct slice body;    /* JSON, or empty */
    struct slice machine; /* empty: all */
    unsigned timeout_ms;
};
struct central_answer {
    struct slice fqdn;
    unsigned status; /* 0: none came; then id (as in `why` above, or "late") and a sentence */
    const struct json_value *json;
    const char *id;
    struct slice why;
    int64_t sent_ms, came_ms; /* wall clock, around the exchange */
};
/* done comes once, when all have answered or the time is over; with central_free, too. -ENOENT: there is no
 * such machine. */
typedef void central_asked(void *arg, const struct central_answer *answers, size_t n);
int central_ask(struct central *c, const struct central_question *q, central_asked *done, void *arg);
struct central_dns {
    struct net_addr server;
    struct slice key_name, key_secret; /* raw */
    struct slice *zones;
    size_t n_zones;
};
/* What `entente dns server` configured; false: nothing. */
bool central_dns(struct central *c, struct arena *a, struct central_dns *ret);
