/*
 * location/location.h - bindings of addresses of record to contacts (RFC 3261 section 10), with the
 * connection that each was registered on. In memory for lookups (sharded locks, held for a copy), in SQLite
 * for restarts.
 *
 * A change is answered only when it is on disk: location_update queues it, commits what is queued together on
 * a helper thread, and calls back on the asking loop. What a restart finds is whole; the connections of
 * before are gone, so a binding that lived on one has flow_lost set until its client registers again.
 */
#pragma once

#include "ground/loop/helpers.h"
#include "ground/net/addr.h"
#include "wire/sip/value.h"

enum { LOCATION_MAX_CONTACTS = 32, LOCATION_MAX_URI = 512 };

/* The connection (or UDP source) of a client; what it means is element's: worker, slot, generation. */
struct location_flow {
    uint32_t worker;
    uint32_t slot;
    uint64_t generation; /* 0: no connection; reach it by its URI or address */
};
struct location_binding {
    struct slice uri;      /* contact URI as registered */
    struct slice instance; /* +sip.instance, or empty */
    struct slice path;     /* reserved: Path header, or empty */
    struct slice call_id;
    uint32_t cseq;
    unsigned q;                   /* thousandths */
    int64_t expires_ms;           /* wall clock */
    enum sip_transport transport; /* it was registered over */
    struct net_addr source;       /* where it came from */
    struct location_flow flow;
    bool flow_lost; /* it lived on a connection that is gone */
};

struct location;
/* wall clock in ms, for tests. Opens STATE/location.db. */
int location_open(const char *state_folder, struct helpers *writer, struct location **ret);
void location_close(struct location *l);

/* All bindings of an aor that have not expired, best q first, newest first among equals; copied into the
 * arena. Any thread. */
size_t location_find(struct location *l, struct slice aor, int64_t now_ms, struct arena *a,
                     struct location_binding **ret);
/* The binding, of any aor, with exactly this contact URI (for requests within dialogs). False when there is
 * none. */
bool location_find_contact(struct location *l, struct slice contact_uri, int64_t now_ms, struct arena *a,
                           struct location_binding *ret);

struct location_change {
    struct slice uri;                /* contact */
    bool remove;                     /* expires=0 */
    struct location_binding binding; /* unless remove */
};
enum location_outcome {
    LOCATION_OK,
    LOCATION_STALE,    /* RFC 3261 10.3 step 7: same Call-ID, CSeq not higher: nothing was changed */
    LOCATION_TOO_MANY, /* more contacts than max_contacts */
    LOCATION_FAILED,   /* disk */
};
struct location_request {
    struct slice aor;
    bool remove_all; /* Contact: * with Expires: 0; call_id and cseq below then count */
    struct slice call_id;
    uint32_t cseq;
    const struct location_change *changes;
    size_t n;
    size_t max_contacts;
};
/* All or nothing. Everything is copied. `done` runs on loop `back`, also for outcomes known at once (then on
 * a later turn). A contact is the same when its URI is equal (19.1.4), or its instance is the same: then it
 * replaces the older one. */
typedef void location_done(void *arg, enum location_outcome outcome);
void location_update(struct location *l, struct loop *back, const struct location_request *rq,
                     location_done *done, void *arg);
/* A connection went away: its bindings stay, with flow_lost. Any thread. */
void location_flow_gone(struct location *l, struct location_flow flow);
size_t location_count(struct location *l);
/* Drops what has expired; call now and then from one loop (bounded work a call). */
void location_sweep(struct location *l, int64_t now_ms);
