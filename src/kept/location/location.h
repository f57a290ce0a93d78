/*
 * location/location.h - bindings of addresses of record to contacts (RFC 3261 section 10), with the
 * connection that each was registered on. In memory for lookups (sharded locks, held for a copy), in SQLite
 * for restarts.
 *
 * A change is answered only when it is on disk: location_update queues it, commits what is queued together on
 * a helper thread, and calls back on the asking loop. What a restart finds is whole; the connections of
 * before are gone, so a binding that lived on one has flow_lost set until its client registers again.
 *
 * The disk promises more time than the client is granted: as much again, at most LOCATION_MAX_SLACK_MS more.
 * Within that a refresh that changes nothing else is for memory alone (location_refresh). So what was
 * answered holds whatever happens: after a crash a binding is there at least as long as its client was told,
 * and so much longer at the most. What a crash forgets of such refreshes is their CSeq: a REGISTER from
 * before it with a CSeq above the one on disk counts as new again. It changes something only when it proves
 * its user once more; the Front End takes no nonce from before its start.
 */
#pragma once

#include "ground/loop/helpers.h"
#include "ground/net/addr.h"
#include "wire/sip/value.h"

enum {
    LOCATION_MAX_CONTACTS = 32, /* of one aor */
    LOCATION_MAX_CHANGES = 64,  /* of one request */
    LOCATION_MAX_URI = 512,
    LOCATION_MAX_TEXT = 4096,               /* aor, instance, path, Call-ID */
    LOCATION_MAX_QUEUED = 20000,            /* requests that wait for the disk */
    LOCATION_SWEEP = 1000,                  /* bindings that a sweep looks at before others have their turn */
    LOCATION_MAX_SLACK_MS = 60 * 60 * 1000, /* that the disk promises beyond what was granted */
};

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
/* Opens STATE/location.db and reads what has not expired (loop_wall's clock); blocks. Rows of connections
 * come back with flow_lost, all with generation 0, and with the expiry that the disk promises. Errors of
 * db_open: -EBADMSG is a damaged file, which holds nothing that clients do not send again. `writer` may have
 * several threads and other users. */
int location_open(const char *state_folder, struct helpers *writer, struct location **ret);
/* Waits for what is queued; before helpers_free or after it. Outcomes still come to their loops afterwards.
 */
void location_close(struct location *l);

/* All bindings of an aor that have not expired, best q first, then what was registered or refreshed last;
 * copied into the arena. Any thread. */
size_t location_find(struct location *l, struct slice aor, int64_t now_ms, struct arena *a,
                     struct location_binding **ret);
/* The binding, of any aor, with exactly this contact URI (for requests within dialogs). False when there is
 * none. Where several users have it: one without flow_lost, then the one who has had it longest. */
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
    LOCATION_FAILED,   /* disk (logged as location.disk-failed), LOCATION_MAX_QUEUED, or longer than
                          LOCATION_MAX_…   has it: nothing was changed */
};
struct location_request {
    struct slice aor;
    bool remove_all;      /* Contact: * with Expires: 0 */
    struct slice call_id; /* of the REGISTER; new bindings get these, whatever theirs say */
    uint32_t cseq;
    const struct location_change *changes;
    size_t n;
    size_t max_contacts; /* LOCATION_MAX_CONTACTS at the most */
};
/* All or nothing. Everything is copied. `done` runs on loop `back`, also for outcomes known at once (then on
 * a later turn). A contact is the same when its URI is equal (19.1.4), or its instance is the same: then it
 * replaces the older one. Requests take effect in the order of the calls. What is expired already counts as
 * gone. A flow that goes while the request waits is noticed; one that was gone before the call is not. */
typedef void location_done(void *arg, enum location_outcome outcome);
void location_update(struct location *l, struct loop *back, const struct location_request *rq,
                     location_done *done, void *arg);
/* For a request that may be a mere refresh. True: it is, and it has taken effect at once, in memory: one
 * contact that is there with the same URI (octet for octet), instance, path, q, transport, source and flow,
 * which is not gone; the same Call-ID and a higher CSeq; no longer than the disk promises, and not so much
 * shorter that the disk would promise more than a new row did; and nothing that was asked before for the aor
 * is under way. ret is then what location_find would answer. False: nothing was done, ask location_update.
 * Any thread; never waits for the disk. */
bool location_refresh(struct location *l, const struct location_request *rq, int64_t now_ms, struct arena *a,
                      struct location_binding **ret, size_t *ret_n);
/* A connection went away: its bindings stay, with flow_lost. Any thread. */
void location_flow_gone(struct location *l, struct location_flow flow);
size_t location_count(struct location *l);
/* Has the writer drop what has expired, LOCATION_SWEEP bindings at a time; costs nothing when there are none.
 * Call now and then. */
void location_sweep(struct location *l, int64_t now_ms);
/* Nothing is queued or at work. Any thread. */
bool location_is_idle(struct location *l);
