/*
 * element/element.h - the SIP element of a process: connections, transactions, stateful forwarding (RFC 3261
 * sections 16-18). A service says what to do with a request; the element does everything that is the same for
 * all.
 *
 * Threads: the element runs on the workers of a team, a shard each; a request, its transactions and its
 * timers belong to the shard that received it, and every callback about it comes on that worker. Nothing here
 * locks.
 *
 * Snapshots: an element_config is one immutable object made from a revision. element_apply switches all
 * shards (first every shard opens what is new, then all switch; when one cannot, none does). A request keeps
 * the config it began with.
 */
#pragma once

#include "element/health.h"
#include "element/limits.h"
#include "element/record.h"
#include "element/refusal.h"
#include "element/trace.h"
#include "ground/crypto/tls.h"
#include "ground/loop/workers.h"
#include "ground/net/addr.h"
#include "ground/net/resolver.h"
#include "machine/siptxn/siptxn.h"
#include "wire/sip/msg.h"
#include "wire/sip/value.h"
#include "wire/sip/write.h"

struct element;
struct flow;
struct request;

enum {
    ELEMENT_MAX_LISTENERS = 16,
    ELEMENT_MAX_OWN_ROUTES = 4,     /* of ours on top of one request */
    ELEMENT_MAX_BRANCHES = 12,      /* forks of one request */
    ELEMENT_MAX_TARGETS = 16,       /* addresses for one branch */
    ELEMENT_MAX_FLOWS = 100000,     /* connections of one shard */
    ELEMENT_MAX_UDP_REQUEST = 1300, /* larger goes over TCP (18.1.1) */
};

/* Which network a listener or connection belongs to. A Front End has only the inner one. */
enum side { SIDE_INTERNAL, SIDE_EXTERNAL, SIDES };

/* ------------------------------------------------------------------ configuration */
struct element_listener {
    enum side side;
    enum sip_transport transport;
    struct net_addr addr;
    struct tls_ctx *tls; /* SIP_TLS: server context; the config holds a reference */
    struct slice host;   /* what we are called on it: Via sent-by, Record-Route */
    uint16_t port;
};

struct element_side {
    struct tls_ctx *client_tls; /* for dialling; may be NULL where nothing is dialled over TLS */
    struct net_addr local;   /* outgoing connections are bound to its address (port ignored); family 0: any */
    struct slice probe_from; /* URI in From of the OPTIONS that probe its destinations; empty: no probes */
};

/* Where a request may go. */
struct target_address {
    struct net_addr addr;
    enum sip_transport transport;
    uint16_t rank;         /* those of the same rank were put in their order by chance */
    struct slice name;     /* SNI, and for the log */
    struct slice identity; /* who must be proven; empty: the target's */
    bool secure_name;
};

struct element_ops;
struct element_config {
    _Atomic unsigned refs;
    struct arena arena; /* holds the slices below */
    uint64_t revision;
    struct slice machine; /* FQDN */
    struct element_listener listeners[ELEMENT_MAX_LISTENERS];
    size_t n_listeners;
    struct element_side sides[SIDES];
    struct siptxn_times times; /* T1, T2, T4 …; 0: those of the RFC */
    uint32_t attempt_ms;       /* time of one target to answer when others are left */
    uint32_t attempts_max;
    uint32_t connect_ms;
    uint32_t timer_c_ms;
    uint32_t connections_per_destination; /* to one partner, over all its addresses and our workers; 0: any */
    struct health_times health;
    struct target_address watched[ELEMENT_MAX_TARGETS]; /* internal side: probed even when nothing is wrong */
    size_t n_watched;
    uint32_t linger_ms;     /* reading on after our close_notify */
    uint32_t idle_close_ms; /* stopping: a connection with nothing pending is closed after this */
    struct element_limits limits;
    struct slice shown[SIDES]; /* what refusals call us on a side; empty: machine */
    bool stopping;             /* refuse nothing, close listeners, close idle connections */
    struct resolver_config resolver;
    struct access_log access;
    const struct element_ops *ops;
    void *service; /* compiled by the service; freed by service_free with the config */
    void (*service_free)(void *service);
};
struct element_config *element_config_new(void); /* refs 1, defaults set */
struct element_config *element_config_ref(struct element_config *c);
void element_config_unref(struct element_config *c);

/* ------------------------------------------------------------------ life */
struct element *element_new(struct workers *team, const char *machine_fqdn);
/* Takes a reference. `done` runs on `back` with 0 or negative errno and a sentence. One apply at a time. */
typedef void element_applied(void *arg, int error, const char *text);
void element_apply(struct element *e, struct element_config *c, struct loop *back, element_applied *done,
                   void *arg);
struct element_load {
    uint64_t requests; /* server transactions without a final response */
    uint64_t connections;
    uint64_t dialog_requests_ago_ms; /* since the last request within a dialog; UINT64_MAX: never */
    uint64_t last_request_ago_ms;
    uint64_t memory;     /* bytes that limits.memory_mib counts */
    unsigned overloaded; /* workers that refuse new requests now */
    uint64_t silent_ms;  /* of the worker that was heard of longest ago (a fifth of a second is well) */
    uint64_t accepted, accepted_bytes; /* INVITEs answered with 2xx, kept for further ones (RFC 6026) */
};
/* Approximate, from any thread. */
void element_load(struct element *e, struct element_load *ret);
/* After workers_stop. */
void element_free(struct element *e);

/* ------------------------------------------------------------------ connections */
/* A connection by value: may be kept, sent to other threads, stored; it may be gone when used. */
struct flow_ref {
    uint32_t worker, slot;
    uint64_t generation; /* 0: none */
};
struct flow_ref flow_ref_of(const struct flow *f);
enum side flow_side(const struct flow *f);
enum sip_transport flow_transport(const struct flow *f);
bool flow_is_inbound(const struct flow *f);
const struct net_addr *flow_remote(const struct flow *f);
const struct crypto_cert *flow_cert(const struct flow *f); /* NULL without */
int flow_cert_verdict(const struct flow *f);               /* tls_peer_verdict */
/* What the service remembers of a connection (identity, who authenticated): freed with free_fn on the same
 * worker. */
void flow_set_data(struct flow *f, void *data, void (*free_fn)(void *data));
void *flow_data(const struct flow *f);
/* Whoever is at the other end is proven and welcome: an allowed partner, a machine of the topology, a user
 * who signed in. From now on no limit of its source holds for it (limits.h), and it shares with others as
 * `owner` (a domain, a machine's name, a user) when there is not enough for all. */
void flow_trust(struct flow *f, struct slice owner);
/* As request_may_tell, about who is at the other end. */
bool flow_may_tell(struct flow *f, const char *id);
/* Name we dialled (SRV target or host), empty for inbound. */
struct slice flow_dialled_name(const struct flow *f);

/* ------------------------------------------------------------------ the service */
struct element_ops {
    /* A TCP or TLS connection is up (or a UDP socket sent its first packet: then not called). A refusal
     * closes it. */
    const struct refusal *(*flow_up)(const struct element_config *c, struct flow *f);
    /* An inbound or outbound connection is gone; NULL: not of interest. */
    void (*flow_gone)(const struct element_config *c, struct flow_ref ref);
    /* May a request for this identity (struct target) go out on this connection? `secure_name`: the SRV
     * target by which it was found lies within the domain or was DNSSEC-secure. */
    bool (*flow_covers)(const struct element_config *c, struct flow *f, struct slice identity,
                        bool secure_name);
    /* A URI of ours (a name and port that we answer for): Route values and strict Request-URIs that name us
     * are taken off. */
    bool (*is_own_uri)(const struct element_config *c, const struct sip_uri *uri);
    /* For a request that comes from a machine inside: the domain with which it shares when there is not
     * enough for all (share.h); empty, or NULL: the machine. */
    struct slice (*share)(const struct element_config *c, const struct sip_msg *m);
    /* Every request that is not a retransmission, CANCEL or the ACK of a non-2xx. Answer it with
     * request_reply, request_refuse or request_forward, now or later on this worker, exactly once. */
    void (*request)(struct request *rq);
    /* A response goes upstream: edit it. NULL: nothing to do. */
    void (*response)(struct request *rq, const struct sip_msg *response, struct sip_edits *edits);
    /* An INVITE was answered with 2xx and is over; further 2xx may come for 64*T1. What `response` takes of
     * your data for these, as bytes: nothing else is kept of the request. In request_arena. NULL: nothing. */
    struct slice (*keep)(struct request *rq);
    /* Such a 2xx goes up: sets data of a request that has none, from what was kept. In request_arena already.
     */
    void (*restore)(struct request *rq, struct slice kept);
    /* The request is over (final response sent, ACK forwarded, abandoned): drop data of yours. NULL: nothing.
     */
    void (*request_over)(struct request *rq);
    /* What the service knows of a request that is over, for the access log and the counts; called before
     * request_over. NULL: nothing. */
    void (*describe)(const struct request *rq, struct request_record *ret);
};

/* ------------------------------------------------------------------ requests */
const struct sip_msg *request_msg(const struct request *rq);
struct arena *request_arena(struct request *rq);
const struct element_config *request_config(const struct request *rq);
struct loop *request_loop(const struct request *rq);
enum side request_side(const struct request *rq);
enum sip_transport request_transport(const struct request *rq);
const struct net_addr *request_source(const struct request *rq);
struct flow *request_flow(const struct request *rq);        /* NULL: UDP, or gone */
struct flow_ref request_flow_ref(const struct request *rq); /* generation 0: UDP */
void request_set_data(struct request *rq, void *data); /* lives in request_arena, or freed in request_over */
void *request_data(const struct request *rq);
/* Route values of ours that stood on top, in order, already taken off; and what is left: the next Route, or
 * NULL. After strict routing was undone, request_uri is the Request-URI to go by. */
size_t request_own_routes(const struct request *rq, const struct sip_uri **ret);
const struct sip_addr *request_next_route(const struct request *rq);
const struct sip_uri *request_uri(const struct request *rq);
const struct sip_addr *request_from(const struct request *rq);
const struct sip_addr *request_to(const struct request *rq);
/* Who must be proven by a connection that we dial to return a response when the request's own is gone
 * (18.2.2); empty (the default): such a response is dropped. */
void request_set_peer(struct request *rq, struct slice identity);
/* Its sender is proven: so is its connection (flow_trust). For what came over UDP, answers may be larger than
 * amplification allows. */
void request_trust(struct request *rq, struct slice owner);
/* May a line with this id (static text) be written to the log? So many about the same partner in ten seconds
 * (telling.h); the rest is summed up. */
bool request_may_tell(struct request *rq, const char *id);
/* A line in the trace of its Call-ID. */
__attribute__((format(printf, 2, 3))) void request_trace(struct request *rq, const char *fmt, ...);

struct reply {
    unsigned status;
    struct slice reason; /* empty: the RFC's */
    struct slice extra;  /* rows, each ended by CRLF */
    struct slice content_type, body;
    bool stateless_over_udp; /* no transaction is kept; at most 1.5 times the request's size, unless its
                                sender is proven */
};
void request_reply(struct request *rq, const struct reply *r);
/* For ACK nothing is sent, whatever is refused. `detail` (may be NULL) goes into the log, not to the peer. */
__attribute__((format(printf, 3, 4))) void request_refuse(struct request *rq, const struct refusal *why,
                                                          const char *detail, ...);
/* The same with more header rows. */
void request_refuse_with(struct request *rq, const struct refusal *why, struct slice extra);

/* ------------------------------------------------------------------ targets and forwarding */
enum target_kind {
    TARGET_FLOW,       /* this connection and no other */
    TARGET_ADDRESSES,  /* these, in this order */
    TARGET_NAME,       /* RFC 3263: host, port, transport of a URI */
    TARGET_FEDERATION, /* SRV _sipfederationtls._tcp.host, TLS; without SRV: nothing */
};
struct target {
    enum target_kind kind;
    enum side side;        /* by which it leaves */
    struct slice identity; /* handed to flow_covers; empty: nothing to prove (UDP, TCP). Its first word is the
                              partner for whom connections are counted */
    struct flow_ref flow;
    const struct target_address *addresses;
    size_t n_addresses;
    struct slice host;
    uint16_t port;                /* 0: by SRV or default */
    enum sip_transport transport; /* SIP_TRANSPORT_OTHER: by RFC 3263; with a flow: of it, for the Via */
    bool sips;                    /* nothing but TLS will do */
};
struct forward_branch {
    struct slice uri; /* Request-URI; p NULL: as it came */
    struct target target;
    unsigned q;               /* higher goes first; equal ones go in parallel */
    struct slice extra_route; /* a Route value to put on top, or empty */
};
struct forward {
    const struct forward_branch *branches;
    size_t n;
    bool keeps_vias;               /* those of the request stay here and come back into its responses */
    const struct sip_edits *edits; /* of all branches: Record-Route, identities …; the element does Via,
                                      Max-Forwards, Max-Breadth, Route, URI */
};
/* Everything given is copied into the request's arena (edits: the values must live there). ACK is sent once,
 * without a transaction. */
void request_forward(struct request *rq, const struct forward *plan);

/* SRV of _sipfederationtls._tcp.DOMAIN, asked on the request's worker: names of targets. Used for identity
 * rule (c). */
struct srv_names {
    struct slice names[ELEMENT_MAX_TARGETS];
    size_t n;
    bool secure; /* DNSSEC */
    bool failed; /* no answer (as opposed to: no such record) */
};
typedef void request_srv_done(struct request *rq, const struct srv_names *names);
void request_lookup_federation(struct request *rq, struct slice domain, request_srv_done *done);

/* ------------------------------------------------------------------ seeing */
/* The addresses that were dialled of late, or are watched: how they are (element/health.h). */
struct element_destination {
    enum side side;
    enum sip_transport transport;
    struct net_addr addr;
    struct slice name, partner; /* dialled name; for whom */
    enum health_state state;
    uint64_t since_ms;   /* in this state since */
    uint64_t blocked_ms; /* still */
    unsigned failures;   /* in a row */
    unsigned connections;
    struct slice error; /* the last one; empty: none */
};
/* From any thread; now: loop_now of its loop. */
size_t element_destinations(struct element *e, uint64_t now, struct arena *a,
                            struct element_destination **ret);
/* What one Call-ID went through over all shards, oldest first; `done` on `back`. more: than are told. */
typedef void element_traced(void *arg, const struct trace_found *found, size_t n, bool more);
void element_trace(struct element *e, struct slice call_id, struct loop *back, element_traced *done,
                   void *arg);
