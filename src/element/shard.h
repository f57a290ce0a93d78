/*
 * element/shard.h - private to element: what its parts share. A shard is the element's state on one worker.
 */
#pragma once

#include "element/destinations.h"
#include "element/element.h"
#include "element/share.h"
#include "element/sources.h"
#include "element/telling.h"
#include "element/trace.h"
#include "element/turns.h"
#include "ground/base/list.h"
#include "ground/base/map.h"
#include "ground/base/mem.h"
#include "ground/base/text.h"
#include "ground/log/log.h"
#include "ground/log/metric.h"
#include "ground/net/listener.h"
#include "ground/net/stream.h"
#include "ground/net/udp.h"
#include "wire/sip/frame.h"

#include <stdatomic.h>

/* To tags of answers for which no transaction is kept: the ACK for one ends here. */
#define STATELESS_TAG "es"
enum {
    BRANCH_TEXT = 64,     /* our Via branches, with NUL */
    TAG_TEXT = 24,        /* our To tags */
    KEEPALIVE_MS = 25000, /* a connection that we made and that was silent so long gets CRLF CRLF */
    PONG_MS = 10000,      /* RFC 5626 4.4.1 */
    FREE_REQUESTS_KEPT = 256,
    REQUEST_ARENA_KEPT = 64 << 10,
};

/* ---------------------------------------------------------------- element, shard, port */
struct element {
    struct workers *team;
    unsigned n;
    struct shard **shards;
    struct sources *sources;
    struct destinations *destinations;
    bool ending; /* the threads have stopped, everything is being freed: no more mail */
    char machine[256];
    uint32_t machine_hash;    /* in our Via branches */
    unsigned char secret[32]; /* loop hash, stateless tags; of this process */
    struct account_names *names;
    struct resolver_memory *old_answers; /* of all workers, for the time when no name server answers */
};

struct shard {
    struct element *e;
    unsigned index;
    struct loop *loop;
    struct element_config *config; /* NULL before the first apply */
    uint64_t epoch;                /* grows with each configuration */
    struct resolver *resolver;
    struct list retired; /* resolvers of configurations before */
    struct list ports;
    struct list next_ports; /* of an apply that is being prepared */

    struct flow **slots;
    uint32_t n_slots;
    uint32_t free_slot; /* first one to try */
    uint64_t generation;
    struct list flows;
    size_t n_flows;
    struct map pool; /* flows that may carry requests, by destination */

    struct map servers, clients, relayed;
    struct map accepted_by_key, accepted_by_branch;
    struct list accepted;
    size_t n_accepted, accepted_bytes;
    struct map ways_back; /* responses without a connection */
    size_t n_ways_back;
    struct timer accepted_end;
    size_t n_requests;
    struct list requests;
    struct list idle_requests; /* memory kept for the next ones */
    size_t n_idle_requests;
    struct arena scratch; /* one response or one malformed message */

    struct timer housekeeping;
    struct accounts *accounts;
    struct trace trace;
    struct telling telling;
    uint64_t branch_counter;
    /* overload.c */
    struct shares shares;
    size_t held, held_flows; /* bytes of requests and of connections */
    uint64_t memory;         /* of the other shards, when last measured */
    bool overloaded;         /* told so */
    unsigned calm;           /* intervals since */
    bool memory_tight;
    struct list held_up; /* connections that are not read from in this interval */
    struct timer read_on;
    /* reading.c */
    struct turns turns[2]; /* of connections to read: of the others, of machines inside */
    struct timer reading;
    uint64_t turn, turn_us; /* of the loop, and when the first was read in it */
    unsigned late;          /* readings of connections with a standing queue, in this interval */
    struct list hops;       /* connections that we made to machines inside */
    struct timer look;
    size_t backlog;              /* of hops, when none had room */
    uint64_t moved_ms;           /* when it last grew less */
    _Atomic unsigned hops_state; /* enum hops_state */
    _Atomic uint64_t load_memory;
    _Atomic uint64_t load_requests, load_flows, last_request_ms, last_dialog_ms;
    _Atomic uint64_t load_accepted, load_accepted_bytes;
    _Atomic uint64_t load_overloaded, alive_ms; /* alive: when it last did its housekeeping, monotonic */
};
/* What other threads may look at and only the shard's own thread writes. */
static inline void shard_note(_Atomic uint64_t *what, uint64_t value)
{
    atomic_store_explicit(what, value, memory_order_relaxed);
}
static inline struct shard *element_shard(struct element *e, unsigned index)
{
    return e->shards[index % e->n];
}

/* ---------------------------------------------------------------- flows */
/* A request of ours on its way on a connection: told when the connection ends. */
struct inflight {
    struct list link; /* in flow.inflight */
    uint32_t origin;  /* shard whose client it is */
    char branch[BRANCH_TEXT];
};

/* ---------------------------------------------------------------- where a message came from */
struct source {
    struct shard *s;
    struct flow *flow; /* NULL for UDP, and for what came by mail when the flow is gone */
    struct flow_ref ref;
    struct port *port; /* UDP */
    bool trusted;      /* its request's sender is proven */
    struct net_addr from;
    enum side side;
    enum sip_transport transport;
};
enum ingress {
    INGRESS_DONE,
    INGRESS_CLOSE, /* the stream cannot be read further */
    INGRESS_HOLD,  /* not taken: its connection is held up, and offers it again afterwards */
};
enum ingress ingress_message(const struct source *src, struct slice text);
void ingress_flaw(const struct source *src, struct slice start, enum sip_flaw flaw);

/* ---------------------------------------------------------------- guard.c: what others may take */
/* False: refused, counted and told. */
bool guard_connection(struct port *p, const struct net_addr *from, struct source_hold *ret);
/* A request, or (m NULL) what cannot be read, of somebody who is not trusted. False: it has been dealt with.
 */
bool guard_request(const struct source *src, const struct sip_msg *m);
/* 503 with Retry-After, so many seconds and up to as many more as `spread` says. What was sent, or 0. */
unsigned guard_answer(const struct source *src, const struct sip_msg *m, unsigned retry_s, unsigned spread);
void guard_tell(struct shard *s, const struct net_addr *from, const char *id, const char *text);
bool guard_may_tell(struct shard *s, const struct net_addr *from, enum sources_tell what,
                    uint64_t *ret_since);
/* May a line with this id (static text) about `who` be written (telling.h)? What is not is summed up later.
 */
bool guard_may_log(struct shard *s, const char *id, uint64_t owner, struct slice who);
/* now UINT64_MAX: all. */
void guard_log_rest(struct shard *s, uint64_t now);
/* Time is up for what is slow or idle. True: the connection is gone, or going. */
bool guard_times_out(struct flow *f, uint64_t now);

/* ---------------------------------------------------------------- overload.c */
/* May a request outside the known transactions begin? Not ADMITTED: it has been answered; FLOODED: unless its
 * connection is held up now. */
/* With whom it shares: who is proven on its connection, else its address; a machine inside speaks for many,
 * so there by the domain that it is for or from (*ret_name; empty otherwise). */
uint64_t overload_owner(const struct source *src, const struct sip_msg *m, struct slice *ret_name);
enum share_verdict overload_admits(const struct source *src, const struct sip_msg *m, struct share **ret);
bool overload_memory_full(const struct shard *s);
void overload_count(struct request *rq); /* again, when it has grown */
void overload_housekeeping(struct shard *s, uint64_t now);
void overload_init(struct shard *s);
void overload_fini(struct shard *s);

/* ---------------------------------------------------------------- server side */
struct branch;
/* What is told of it when it is over (record.h). */
struct request_account {
    uint64_t began_us, provisional_us; /* of the monotonic clock; 0: no provisional response came */
    uint64_t answered_us;              /* how long the last attempt that was answered took */
    const struct refusal *refusal;
    struct net_addr target; /* of the last attempt */
    unsigned attempts;
    bool answered;
    size_t bytes_out; /* the final response */
};
struct request {
    struct list link; /* shard.requests */
    struct map_entry by_key;
    bool keyed;
    struct shard *s;
    struct element_config *config;
    struct arena arena;
    struct sip_uri uri;
    struct sip_uri *own_routes; /* in the arena, as next_route is */
    size_t n_own_routes;
    size_t n_routes_taken; /* values taken off the top of Route */
    bool strict;           /* Request-URI named us: the last Route value took its place */
    struct slice strict_uri;
    struct sip_addr *next_route; /* NULL: none */
    struct source src;           /* flow is not kept: see ref */
    struct slice top_via;        /* with received and rport filled in; p NULL: as it came */
    struct siptxn txn;
    struct timer timer;
    struct buf last; /* last response, for retransmissions */
    bool is_ack, answered, cancelled, forwarded, over, abandoned, trusted;
    unsigned last_status;
    struct share *share;     /* NULL: none, or given back */
    size_t held, share_held; /* bytes; of them counted in share */
    char to_tag[TAG_TEXT];
    char *peer_identity;
    char *shed; /* what msg and peer_identity point to when nothing else is kept of it (shed.c) */
    void *data;
    uint64_t call_hash;
    uint64_t began_ms;
    struct request_account account;
    /* forwarding */
    bool keeps_vias;
    struct slice kept_vias; /* of one that was answered with 2xx before (accepted.c) */
    struct sip_edits *edits;
    struct branch *branches;
    size_t n_branches;
    bool progressing;
    struct buf best; /* best final response so far, whole text */
    unsigned best_status;
    const struct refusal *best_refusal; /* the best is ours: no text */
    const char *best_detail;            /* in the arena; NULL: none */
    struct buf challenges;              /* rows of all branches' 401 and 407 */
    struct target_query *lookup;
    request_srv_done *lookup_done;
    struct deferred freeing;
    struct sip_msg msg; /* not cleared by request_alloc when the memory was used before */
};
struct request *request_new(const struct source *src, const struct sip_msg *m); /* copies the message */
void request_begin(struct request *rq); /* validation, then the service */
void request_again(struct request *rq);
void request_acked(struct request *rq);
void request_cancel(struct request *rq);
void request_free(struct request *rq);
/* Ends it without a response (RFC 4320), or after an ACK was sent. */
void request_abandon(struct request *rq);
/* When it only absorbs retransmissions: at the end of a turn, nobody up the stack looks at it. */
void request_shed(struct request *rq);
/* When nothing holds it any more. */
void request_maybe_free(struct request *rq);
/* A whole response text, written for upstream. */
void request_send(struct request *rq, unsigned status, struct buf *message);
struct request *request_match(struct shard *s, const struct sip_msg *m, bool invite);
/* A blank one but for msg, with memory that another had. */
struct request *request_alloc(struct shard *s);
/* What a request is found by (17.2.3), apart from the method. */
struct request_names {
    struct slice branch, via_host, call_id, from_tag;
    uint32_t cseq;
    uint16_t via_port;
};
struct request_names request_names_of(const struct sip_msg *m);
uint64_t request_names_key(const struct request_names *n);
bool request_names_equal(const struct request_names *a, const struct request_names *b);

/* ---------------------------------------------------------------- accepted.c: INVITEs answered with 2xx */
void accepted_init(struct shard *s);
void accepted_fini(struct shard *s);
/* At the end of a turn: keeps what the rest of its life takes, and frees it. False: it is none, or a branch
 * of it has not ended. */
bool accepted_takes_over(struct request *rq);
/* An INVITE, ACK or CANCEL: does it end here, at an INVITE that was answered with 2xx? */
bool accepted_absorbs(const struct source *src, const struct sip_msg *m);
/* A response that no client waits for: is it of such an INVITE? Then a 2xx goes up. */
bool accepted_response(struct shard *s, const struct source *src, const struct sip_msg *m);
void accepted_port_gone(struct shard *s, const struct port *p);

/* ---------------------------------------------------------------- client side */
/* One attempt at one target: a client transaction. */
struct client {
    struct map_entry by_branch;
    struct inflight inflight; /* branch text is here */
    struct shard *s;
    struct siptxn txn;
    struct timer timer;
    struct branch *br; /* NULL: nobody waits for it any more */
    enum sip_method method;
    struct buf sent; /* the request as sent: retransmissions, ACK, CANCEL */
    struct buf ack;
    enum side side;
    struct target_address to;
    struct flow_ref flow; /* fixed connection; generation 0: by address */
    struct element_config *config;
    struct siptxn_times times; /* of this attempt */
    bool provisional, cancel_wanted, cancelled, probe;
    struct slice cancel_reason; /* static text */
    char names[];               /* what `to` points to */
};
/* An OPTIONS of our own (probe.c): nobody's branch; its end goes to destinations. */
struct client *client_new_probe(struct shard *s, enum side side, const struct target_address *to);
struct client *client_new(struct branch *br, const struct target_address *to, struct flow_ref flow);
void client_start(struct client *c);
void client_response(struct shard *s, const struct source *src, const struct sip_msg *m);
void client_cancel(struct client *c, struct slice reason);
/* Nobody waits for it any more; it may stay to absorb what comes. */
void client_detach(struct client *c);
/* The message with this branch could not be sent, or its connection ended. Any shard; finds its way to
 * `origin`. */
void client_failed(struct element *e, struct shard *from, uint32_t origin, const char *branch,
                   const char *why);
/* The local client that sent this branch, for its connection to watch; NULL: gone. */
struct inflight *client_inflight(struct shard *s, struct slice branch);
void client_free(struct client *c);
void client_free_all(struct shard *s);
/* Sends bytes by address or connection, wherever that lives; failure comes to client_failed unless branch is
 * "". */
void client_transmit(struct shard *s, enum side side, const struct target_address *to, struct flow_ref flow,
                     struct slice identity, struct slice bytes, const char *branch,
                     struct inflight *inflight);

/* ---------------------------------------------------------------- probes */
/* Sends what is due; on one shard of the element. */
void probe_tick(struct shard *s);

/* ---------------------------------------------------------------- targets (RFC 3263) */
struct target_query;
/* NO_SERVICE: an SRV record says "." (RFC 2782). */
enum target_outcome { TARGETS_FOUND, TARGETS_NONE, TARGETS_NO_SERVICE, TARGETS_DNS_FAILED };
typedef void target_done(void *arg, enum target_outcome outcome, struct target_address *list, size_t n);
/* Answers through `done`, at the end of the turn at the earliest; but for FLOW and ADDRESSES at once, and
 * NULL is returned. Results lie in the arena; t must live until then. */
struct target_query *target_resolve(struct shard *s, const struct target *t, struct arena *a,
                                    target_done *done, void *arg);
void target_cancel(struct target_query *q);
typedef void srv_done(void *arg, const struct srv_names *names);
struct target_query *target_lookup_federation(struct shard *s, struct slice domain, struct arena *a,
                                              srv_done *done, void *arg);

/* ---------------------------------------------------------------- Via */
/* z9hG4bKe<machine>-<worker>-<unique>-<loop>: names machine and worker. */
void via_branch_make(struct shard *s, const struct request *rq, char out[BRANCH_TEXT]);
/* Is this branch of this process; which worker? */
bool via_branch_is_ours(const struct element *e, struct slice branch, unsigned *ret_worker);
/* RFC 5393 4.2: what decides where a request goes. */
uint32_t via_loop_hash(const struct request *rq);
bool via_is_loop(const struct request *rq);
void via_write(const struct element_config *c, enum side side, enum sip_transport transport,
               const char *branch, struct buf *out);
/* The topmost Via as it must be sent on and sent back (18.2.1, RFC 3581). */
struct slice via_received(struct arena *a, const struct sip_via *via, struct slice value,
                          const struct net_addr *from);

/* ---------------------------------------------------------------- accounts (record.h) */
struct account_names *account_names_new(void);
void account_names_free(struct account_names *t);
struct accounts *accounts_new(void);
void accounts_free(struct accounts *a);
static inline uint64_t account_clock_us(void)
{
    return metric_clock_us();
}
void account_flow(const struct flow *f, int64_t n);
void account_handshake(const struct flow *f, bool ok);
void account_lag(struct shard *s, uint64_t us);
void account_begin(struct request *rq);
void account_attempt(struct branch *b, const struct target_address *to);
void account_response(struct branch *b, unsigned status);
void account_over(struct request *rq);
void access_write(const struct request *rq, const struct request_record *r, uint64_t took_us);
/* A request that has no transaction: it could not be read, is beyond a limit, or is a CANCEL. */
struct access_short {
    unsigned status; /* as answered; 0: it was not */
    const struct refusal *refusal;
    enum sip_flaw flaw;
    const char *limit; /* which one; NULL: none */
    uint64_t times;    /* so many together; 0: this one */
};
void access_stateless(const struct source *src, const struct sip_msg *m, const struct access_short *w);
