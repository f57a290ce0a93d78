/*
 * topology/topology.h - the topology: the only configuration there is, as a typed, immutable model.
 *
 * One descriptor table (descriptor.h) describes every kind of object; parser, printer, defaults, schema,
 * `set` paths and the reference all come from it. People read and write YAML; what is stored, hashed and
 * signed is canonical JSON with all defaults left out. A topology is reference-counted and never changes
 * after parsing: threads share it. Lists of objects are keyed by their identity property (fqdn, name or
 * domain, compared without case; stored in lower case).
 *
 * A document:
 *
 *     schema: 1
 *     deployment:
 *       name: contoso
 *       default_domain: contoso.example
 *     central:
 *       machine: cms.contoso.example
 *       internal_address: 127.10.1.5
 *     sites:
 *     - name: hq
 *       federation_route: edge-old.contoso.example
 *     edge_pools:
 *     - fqdn: edge-old.contoso.example
 *       site: hq
 *       federation: true
 *       external_fqdn: sip.contoso.example
 *       next_hop: fe.contoso.example
 *       machines:
 *       - fqdn: edge-old1.contoso.example
 *         internal_address: 127.10.1.20
 *         external_address: 127.10.2.20
 *     front_end_pools:
 *     - fqdn: fe.contoso.example
 *       site: hq
 *       media_edge: edge-old.contoso.example
 *       machines:
 *       - fqdn: fe1.contoso.example
 *         internal_address: 127.10.1.10
 *     partners:
 *     - domain: fabrikam.example
 *       policy: allowed
 */
#pragma once

#include "ground/base/arena.h"
#include "ground/net/addr.h"
#include "wire/json/json.h"

enum { TOPOLOGY_SCHEMA = 1 };
/* Entries of lists; JSON_MAX_TEXT and JSON_MAX_NODES hold for the whole document. */
enum {
    TOPOLOGY_MAX_SITES = 1000,
    TOPOLOGY_MAX_POOLS = 200, /* of each kind */
    TOPOLOGY_MAX_MACHINES = 100,
    TOPOLOGY_MAX_PARTNERS = 100000,
    TOPOLOGY_MAX_PROVIDERS = 1000,
    TOPOLOGY_MAX_POLICIES = 1000,
    TOPOLOGY_MAX_XMPP_PARTNERS = 10000,
    TOPOLOGY_MAX_URLS = 3000,
    TOPOLOGY_MAX_NAMES = 1000 /* of one property */
};

enum topology_service { TOPOLOGY_ENABLED, TOPOLOGY_DRAINING, TOPOLOGY_DISABLED };
enum topology_policy { TOPOLOGY_ALLOWED, TOPOLOGY_BLOCKED };
enum topology_transport { TOPOLOGY_TLS, TOPOLOGY_TCP, TOPOLOGY_UDP };
enum topology_site_kind { TOPOLOGY_CENTRAL_SITE, TOPOLOGY_BRANCH_SITE };
enum topology_pool_kind {
    TOPOLOGY_ENTERPRISE,
    TOPOLOGY_STANDARD,
    TOPOLOGY_BRANCH_APPLIANCE, /* survivable branch appliance, survivable branch server */
    TOPOLOGY_BRANCH_SERVER
};
enum topology_xmpp_kind {
    TOPOLOGY_XMPP_FEDERATED,
    TOPOLOGY_XMPP_PUBLIC_VERIFIED,
    TOPOLOGY_XMPP_PUBLIC_UNVERIFIED
};
enum topology_negotiation { TOPOLOGY_REQUIRED, TOPOLOGY_OPTIONAL, TOPOLOGY_NOT_SUPPORTED };
enum topology_url_use { TOPOLOGY_URL_MEET, TOPOLOGY_URL_DIALIN, TOPOLOGY_URL_ADMIN };
enum topology_balancing { TOPOLOGY_BY_DNS, TOPOLOGY_BY_HARDWARE };
/* How far the word of another organisation is believed about who sends. */
enum topology_verification {
    TOPOLOGY_USE_SOURCE_VERIFICATION, /* what its own headers say */
    TOPOLOGY_ALWAYS_VERIFIABLE,
    TOPOLOGY_ALWAYS_UNVERIFIABLE
};
/* What is done with Diversion, History-Info and Referred-By values that name others than the sender's domain.
 */
enum topology_claims { TOPOLOGY_CLAIMS_MARKED, TOPOLOGY_CLAIMS_KEPT, TOPOLOGY_CLAIMS_STRIPPED };
enum topology_unreachable { TOPOLOGY_UNKNOWN_ALLOWED, TOPOLOGY_UNKNOWN_REFUSED };
enum topology_routing { TOPOLOGY_ROUTE_BY_SRV, TOPOLOGY_ROUTE_BY_DEFAULT };
enum topology_challenge { TOPOLOGY_CHALLENGE_CONNECTION, TOPOLOGY_CHALLENGE_REQUEST };

/* What a draining Access Edge does with new dialogs. */
enum topology_drain { TOPOLOGY_DRAIN_ELSEWHERE, TOPOLOGY_DRAIN_REFUSE, TOPOLOGY_DRAIN_SERVE };
enum topology_users_in_log { TOPOLOGY_USERS_HASHED, TOPOLOGY_USERS_WHOLE, TOPOLOGY_USERS_NONE };

/* A list of names. */
struct topology_names {
    const struct slice *items;
    size_t n;
};

struct topology_deployment {
    struct slice name;
    struct slice default_domain;
    struct topology_names additional_domains;
    struct topology_names dns_servers; /* "ADDR:PORT"; none: those of the machine */
    bool dnssec;                       /* validate answers; rule (c) outside the domain needs it */
    struct slice dnssec_anchor;        /* file of trust anchors */
    int64_t dns_ttl;                   /* of the records that the topology implies (300) */
    bool dns_keeps_drained;            /* addresses of Edge machines that are drained or disabled (true) */
    bool partner_discovery;            /* admit domains that are in no list, when proven */
    bool accept_server_auth_only;      /* partners' certificates without clientAuth (default true) */
    bool accept_wildcards;             /* in partners' certificates */
    bool discovered_srv_names;         /* identity rule (c) for discovered partners (default false) */
    int64_t dialog_key_days;           /* how long an old Record-Route key stays valid (7) */
    int64_t connections_per_partner;   /* 4 */
    int64_t attempt_ms;                /* one target's time to answer before the next is tried (6000) */
    int64_t attempts_max;              /* targets tried for one request (4) */
    int64_t connect_ms;                /* TCP and TLS set-up of one target (3000) */
    int64_t timer_c_s;                 /* 185 */
    int64_t probe_interval_s;          /* between probes of an address that is well (30); 0: none at all */
    int64_t probe_timeout_ms;          /* for a probe to be answered (3000) */
    int64_t block_ms;                  /* how long an address that failed is tried last, at first (1000) */
    int64_t block_max_s;               /* … and at most (60) */
    int64_t dns_stale_s;    /* how long old DNS answers serve while no name server answers (86400) */
    int64_t drain_linger_s; /* reading on after close_notify (10) */
    int64_t idle_close_s;   /* an idle connection of a draining service is closed after (3) */
    /* two views of DNS (split DNS), when both are set */
    struct topology_names inside_dns_servers, outside_dns_servers;
};
struct topology_central {
    struct slice machine;          /* FQDN: one of a pool's, or of its own */
    struct slice internal_address; /* when it is of its own */
    int64_t replica_port;
};
/* Global settings of the Access Edge, as one object beside the pools. */
struct topology_access_edge {
    bool federated_users; /* default true, where Lync's is false: partners are admitted by list */
    bool outside_users;
    bool anonymous_users;
    enum topology_routing routing;
    struct slice default_route;
    bool clearinghouse;
    bool check_crls;
    enum topology_unreachable crl_unreachable;
    bool mark_source_verifiable;
    bool archiving_disclaimer;
    enum topology_verification discovered_verification, default_route_verification;
    bool default_route_public;
    enum topology_claims outside_claims;
    bool limit_discovered_contacts;
    int64_t discovered_contacts_max;      /* 1000 */
    int64_t discovered_rate;              /* messages a second (20); 0: no limit */
    int64_t discovered_suspicious_rate;   /* while too many of its messages fail (1) */
    int64_t discovered_failures_percent;  /* of the answers, from which on it is suspicious (50); 0: never */
    int64_t discovered_failures_least;    /* answers in a window that allow a judgement (20) */
    int64_t discovered_window_s;          /* 60 */
    int64_t discovered_report_minutes;    /* 60 */
    int64_t accepted_certificates_max;    /* 1000 */
    int64_t rejected_certificates_max;    /* 500 */
    int64_t certificates_deleted_percent; /* 20 */
    int64_t srv_cache_records;            /* 0: as the program sees fit */
    bool user_replicator;
};
/* How much of a machine others may take; 0 where it says so: no limit. */
struct topology_limits {
    int64_t connections;            /* 50,000 */
    int64_t reserved_percent;       /* 20 */
    int64_t source_connections;     /* 256 */
    int64_t source_handshakes;      /* 128 */
    int64_t source_handshake_rate;  /* 100 */
    int64_t source_requests;        /* 200 */
    int64_t handshake_s, message_s; /* 10, 30 */
    int64_t untrusted_idle_s;       /* 120 */
    int64_t delay_ms;               /* 100 */
    int64_t requests;               /* 100,000 */
    int64_t memory_mib;             /* 2,048 */
};
/* What machines tell of what they do. */
struct topology_monitoring {
    bool access_log;
    enum topology_users_in_log users;
    int64_t access_log_mb;              /* one file's size; 0: it is rotated from outside (100) */
    int64_t access_log_keep;            /* old files (10) */
    int64_t metrics_port;               /* HTTP on the internal address; 0: off */
    struct topology_names metrics_from; /* addresses that may read them; none: all that reach the port */
};
/* Global settings of the XMPP gateway. */
struct topology_xmpp {
    int64_t connections_max;         /* 1000 */
    int64_t partner_connections_max; /* 20 */
    int64_t keep_alive_s;            /* 300 */
    int64_t establishment_s;         /* 60 */
    int64_t inactivity_s;            /* 600 */
    int64_t refresh_s;               /* 28800 */
};
struct topology_xmpp_partner {
    struct slice domain;
    struct topology_names additional_domains;
    enum topology_xmpp_kind kind;
    enum topology_negotiation tls, sasl;
    bool dialback, keep_alive;
    int64_t connections_max; /* 0: what holds for all */
    struct slice server;
    struct slice comment;
};
struct topology_simple_url {
    struct slice name;
    enum topology_url_use use;
    struct slice domain; /* empty: all */
    struct slice url;
    bool active;
};
struct topology_site {
    struct slice name;
    enum topology_site_kind kind;
    struct slice parent; /* of a branch: the central site */
    struct slice description, city, state, country;
    struct slice federation_route; /* an Edge pool or a Director; empty: see topology_federation_route */
    struct slice xmpp_route;
    bool route_for_all;       /* federation_route holds for all sites that have none */
    bool federation_failover; /* other Edge pools take its federation out when none of the route's can */
};
struct topology_machine {
    struct slice fqdn;
    struct slice internal_address; /* address literal */
    struct slice internal_address6;
    struct slice external_address; /* Edge machines */
    struct slice external_address6;
    struct slice conf_address, conf_address6;
    struct slice av_address, av_address6;
    struct slice nat_address, nat_address6; /* of the A/V Edge as the Internet sees it */
    int64_t weight;                         /* its share of what is new (1); 0: only when no other is left */
    enum topology_service access_edge; /* of this machine of an Edge pool: see topology_machine_service */
};
struct topology_edge_pool {
    struct slice fqdn; /* of the internal interface */
    struct slice site;
    struct slice version; /* "entente", "2010", "2013", … */
    bool managed;         /* its machines run entented (default true) */
    bool federation;
    bool hide_topology;      /* no internal name or address leaves in a header */
    int64_t federation_port; /* 5061 */
    struct slice external_fqdn;
    int64_t internal_port;        /* 5061 */
    int64_t replica_port;         /* 4443 */
    struct slice next_hop;        /* a Front End pool or a foreign pool */
    struct topology_names adopts; /* Edge pools whose names this pool answers for */
    enum topology_service access_edge;
    enum topology_drain drain_new;
    int64_t client_port;        /* 443, or 5061 where one name serves all (topology_edge_single_name) */
    struct slice conf_fqdn;     /* may equal external_fqdn */
    int64_t conf_port;          /* 443, or 444 where one name serves all */
    int64_t conf_internal_port; /* 8057 */
    enum topology_service conf_edge;
    struct slice av_fqdn;
    int64_t av_tcp_port;          /* 443 */
    int64_t av_udp_port;          /* 3478 */
    int64_t av_internal_tcp_port; /* 443 */
    int64_t av_internal_udp_port; /* 3478 */
    int64_t av_auth_port;         /* 5062 */
    int64_t media_port_start;     /* 50000 */
    int64_t media_port_count;     /* 10000 */
    enum topology_service av_edge;
    bool nat;
    bool xmpp;
    int64_t xmpp_port;          /* 5269 */
    int64_t xmpp_internal_port; /* 23456 */
    enum topology_service xmpp_gateway;
    enum topology_balancing internal_balancing, external_balancing;
    struct topology_machine *machines;
    size_t n_machines;
};
/* An order of digest algorithms of its own, for a SIP domain or for one user. */
struct topology_digest {
    struct slice of; /* contoso.example, or alice@contoso.example */
    struct topology_names algorithms;
};
struct topology_front_end_pool {
    struct slice fqdn;
    enum topology_pool_kind kind;
    struct slice site;
    struct slice version;
    bool managed;
    struct slice media_edge;                 /* Edge pool of the media association */
    int64_t sip_port;                        /* TLS, machines and clients (5061) */
    int64_t client_tcp_port;                 /* 0: off */
    int64_t client_udp_port;                 /* 0: off */
    int64_t replica_port;                    /* 4443 */
    struct topology_names digest_algorithms; /* SHA-256, MD5: in the order of the challenges */
    struct topology_digest *digests;         /* exceptions: the user's, else the domain's, else the above */
    size_t n_digests;
    enum topology_challenge challenge; /* connection: a TLS or TCP connection that registered needs no more */
    int64_t min_expires, max_expires, default_expires; /* 60, 7200, 3600 */
    int64_t max_contacts;                              /* of one user (10) */
    struct slice backup_pool;                          /* a Front End pool that takes its users over */
    int64_t failure_s, failback_s;                     /* 300, 600 */
    struct slice web_fqdn;                             /* external name of its web services */
    struct topology_machine *machines;
    size_t n_machines;
};
struct topology_foreign_pool {
    struct slice fqdn;
    struct slice site;
    enum topology_transport transport;
    int64_t port; /* 5061 tls, 5060 otherwise */
    struct topology_machine *machines;
    size_t n_machines;
};
struct topology_director_pool {
    struct slice fqdn;
    struct slice site;
    struct slice version;
    bool managed;
    struct slice next_hop; /* a Front End pool */
    int64_t sip_port;      /* 5061 */
    int64_t replica_port;
    struct slice web_fqdn; /* external name of its web services */
    struct topology_machine *machines;
    size_t n_machines;
};
struct topology_mediation_pool {
    struct slice fqdn;
    struct slice site;
    struct slice version;
    bool managed;            /* default false */
    struct slice next_hop;   /* a Front End pool */
    struct slice media_edge; /* an Edge pool */
    int64_t sip_port;        /* 5067 */
    int64_t replica_port;
    struct topology_machine *machines;
    size_t n_machines;
};
struct topology_trusted_application_pool {
    struct slice fqdn;
    struct slice site;
    struct slice version;
    bool managed;            /* default false */
    struct slice next_hop;   /* a Front End pool */
    struct slice media_edge; /* an Edge pool */
    int64_t sip_port;        /* 5061 */
    int64_t replica_port;
    struct topology_machine *machines;
    size_t n_machines;
};
struct topology_partner {
    struct slice domain;
    enum topology_policy policy;
    struct slice edge_fqdn; /* pinned Access Edge, or empty: found by DNS */
    struct slice provider;  /* hosting provider's name, or empty */
    bool srv_names;         /* identity rule (c) (default true) */
    struct slice trust;     /* name of roots of its own (material.h), or empty: those of all partners */
    struct slice pin_key;   /* SHA-256 of its key's SubjectPublicKeyInfo in hex digits, or empty */
    bool accept_wildcards;
    enum topology_verification verification;
    bool monitored;
    struct slice comment;
};
struct topology_provider {
    struct slice name;
    struct slice edge_fqdn;
    struct slice trust, pin_key; /* as a partner's */
    bool enabled;
    bool shared_address_space;
    bool hosts_users;
    bool public_cloud;                       /* a public provider: the public_cloud flags of policies hold */
    enum topology_verification verification; /* default always verifiable */
    bool local;
    int64_t client_port; /* 443 */
    struct slice autodiscover_url;
};
/* What users may do from and to outside. The policy named "global" holds for all that no other one names. */
struct topology_external_access_policy {
    struct slice name;
    bool federation; /* default true */
    bool xmpp;
    bool outside_access;
    bool public_cloud;
    bool public_cloud_av;
    struct topology_names users;   /* user@domain */
    struct topology_names domains; /* SIP domains of ours */
    struct topology_names sites;
};

struct topology {
    struct arena arena; /* everything below */
    _Atomic unsigned refs;
    int64_t schema; /* TOPOLOGY_SCHEMA */
    struct topology_deployment deployment;
    struct topology_central central;
    struct topology_access_edge access_edge;
    struct topology_xmpp xmpp;
    struct topology_limits limits;
    struct topology_monitoring monitoring;
    struct topology_site *sites;
    size_t n_sites;
    struct topology_edge_pool *edge_pools;
    size_t n_edge_pools;
    struct topology_front_end_pool *front_end_pools;
    size_t n_front_end_pools;
    struct topology_director_pool *director_pools;
    size_t n_director_pools;
    struct topology_mediation_pool *mediation_pools;
    size_t n_mediation_pools;
    struct topology_trusted_application_pool *trusted_application_pools;
    size_t n_trusted_application_pools;
    struct topology_foreign_pool *foreign_pools;
    size_t n_foreign_pools;
    struct topology_partner *partners;
    size_t n_partners;
    struct topology_provider *providers;
    size_t n_providers;
    struct topology_external_access_policy *external_access_policies;
    size_t n_external_access_policies;
    struct topology_xmpp_partner *xmpp_partners;
    size_t n_xmpp_partners;
    struct topology_simple_url *simple_urls;
    size_t n_simple_urls;
    struct topology_index *index; /* private: all of these by name */
};

/* --- findings --- */
enum finding_severity { FINDING_WARNING, FINDING_ERROR };
struct finding {
    const char *id; /* "route-without-federation" */
    enum finding_severity severity;
    struct slice path; /* "sites/hq/federation_route" */
    struct slice text; /* one sentence */
    struct slice remedy;
    unsigned line; /* of the YAML document; 0 unknown */
};
enum { FINDINGS_MAX = 1000 };
struct findings {
    struct arena arena;
    struct finding *items;
    size_t n, errors, warnings;
};
void findings_fini(struct findings *f);
__attribute__((format(printf, 6, 7))) void findings_add(struct findings *f, const char *id,
                                                        enum finding_severity severity, struct slice path,
                                                        const char *remedy, const char *fmt, ...);
struct json_value *findings_to_json(const struct findings *f, struct arena *a);

/* --- life --- */
/* From YAML or JSON text, or from a tree. 0, or -EBADMSG with findings: syntax, unknown or misplaced
 * properties (with the nearest known name), wrong types, values out of range, double identities. Findings do
 * not include checks. */
int topology_parse(struct slice text, struct topology **ret, struct findings *findings);
int topology_from_json(const struct json_value *doc, struct topology **ret, struct findings *findings);
struct topology *topology_ref(struct topology *t);
void topology_unref(struct topology *t);                                        /* NULL is fine */
struct json_value *topology_to_json(const struct topology *t, struct arena *a); /* defaults left out */
void topology_write_canonical(const struct topology *t, struct buf *out);
void topology_write_yaml(const struct topology *t, struct buf *out);

/* --- looking --- */
/* State of the Access Edge of one machine: the pool's, or its own where that serves less. */
static inline enum topology_service topology_machine_service(const struct topology_edge_pool *p,
                                                             const struct topology_machine *m)
{
    return m->access_edge > p->access_edge ? m->access_edge : p->access_edge;
}
const struct topology_site *topology_site_find(const struct topology *t, struct slice name);
const struct topology_edge_pool *topology_edge_pool_find(const struct topology *t, struct slice fqdn);
const struct topology_front_end_pool *topology_front_end_pool_find(const struct topology *t,
                                                                   struct slice fqdn);
const struct topology_foreign_pool *topology_foreign_pool_find(const struct topology *t, struct slice fqdn);
const struct topology_director_pool *topology_director_pool_find(const struct topology *t, struct slice fqdn);
const struct topology_mediation_pool *topology_mediation_pool_find(const struct topology *t,
                                                                   struct slice fqdn);
const struct topology_trusted_application_pool *
topology_trusted_application_pool_find(const struct topology *t, struct slice fqdn);
const struct topology_external_access_policy *topology_external_access_policy_find(const struct topology *t,
                                                                                   struct slice name);
const struct topology_partner *topology_partner_find(const struct topology *t, struct slice domain);
const struct topology_provider *topology_provider_find(const struct topology *t, struct slice name);
bool topology_is_own_domain(const struct topology *t, struct slice domain);
/* The Edge pool or Director through which a site's SIP federation goes: the site's own, else that of a branch
 * site's parent, else that of a site whose route holds for all; empty: off. */
struct slice topology_federation_route(const struct topology *t, const struct topology_site *site);
/* Access, Conferencing and A/V Edge of the pool share one external name. */
bool topology_edge_single_name(const struct topology_edge_pool *p);

/* What a machine is. Exactly one of the pools is set, or none for central management on a machine of its own.
 */
struct topology_role {
    const struct topology_machine *machine; /* NULL for central on its own */
    const struct topology_edge_pool *edge;
    const struct topology_front_end_pool *front_end;
    const struct topology_foreign_pool *foreign;
    const struct topology_director_pool *director;
    const struct topology_mediation_pool *mediation;
    const struct topology_trusted_application_pool *trusted_application;
    bool central;
    struct slice internal_address;
    int64_t replica_port;
    bool managed;
};
bool topology_role_find(const struct topology *t, struct slice machine_fqdn, struct topology_role *ret);
/* The machine of a pool that a request outside a dialog goes to: spread, a hash of its Call-ID, decides by
 * weight.
 */
size_t topology_machine_pick(const struct topology_machine *m, size_t n, uint64_t spread);
/* The machine that is tried after `step` others when `first` was picked: the next ones going round, those of
 * weight 0 last. step < n. */
size_t topology_machine_next(const struct topology_machine *m, size_t n, size_t first, size_t step);
/* Walks all managed machines (central's too): *cursor = 0 at first. */
bool topology_managed_next(const struct topology *t, size_t *cursor, struct slice *ret_fqdn);
/* The names that the internal certificate of a machine must carry: machine, pool, names adopted; for Front
 * Ends also the SIP domains, which clients check. */
void topology_certificate_names(const struct topology *t, struct slice machine_fqdn, struct arena *a,
                                struct slice **ret_names, size_t *ret_n);
