/*
 * access_edge/priv.h - what the parts of the Access Edge share.
 *
 * One request's way: ops.c decides by side and To-tag; admit.c (from outside), depart.c (from inside) and
 * dialog.c (within a dialog) decide whether it may pass and where to; pass.c sends it on. In between, proof.c
 * may ask DNS.
 */
#pragma once

#include "ground/base/map.h"
#include "service/access_edge/access_edge.h"
#include "service/access_edge/identity.h"
#include "service/access_edge/policy.h"
#include "service/access_edge/rows.h"
#include "service/access_edge/token.h"
#include "service/access_edge/users.h"
#include "service/access_edge/watch.h"

/* A name that we answer for, with its port. */
struct own_name {
    struct slice host;
    uint16_t port;
};

/* A topology compiled for this machine: immutable; the service of an element_config. */
struct edge {
    struct arena arena;
    uint64_t generation; /* of this process; connections know by it what was found out under an older one */
    struct topology *t;
    struct material *m;
    struct slice machine;
    const struct topology_edge_pool *pool;
    const struct topology_machine *self;
    struct slice inner_site; /* of the next hop */
    struct users users;
    struct slice vouch[SOURCES][2][2]; /* by source, verified, public cloud: vouch.c */
    struct slice outer_host;           /* what we are called outside: in Via and Record-Route */
    struct own_name *names;
    size_t n_names;
    struct crypto_trust
        *trusts[2 + MATERIAL_MAX_TRUSTS]; /* of all partners, pinned keys, then the named ones */
    size_t n_trusts;
    struct crl_store *crls; /* NULL: whether a certificate was revoked is not asked */
    struct watch *watch;
    struct measure_limits limits; /* of discovered partners */
    uint64_t report_ms;
    struct slice *words; /* names and addresses that may not leave; NULL: the topology is not hidden */
    size_t n_words;
    struct map welcome; /* FQDNs that allowed partners are pinned to */
};
const struct edge *edge_of(const struct element_config *c);
extern const struct element_ops edge_ops;
/* What we present outside; NULL: there is none. */
const struct material_cert *edge_certificate(const struct edge *e);

/* --- names.c --- */
void names_compile(struct edge *e);
/* port 0: any */
bool names_own(const struct edge *e, struct slice host, uint16_t port);

/* --- welcome.c --- */
enum { WELCOME_NAMES = 64 }; /* of one certificate that are looked at */
void welcome_compile(struct edge *e);
/* The name by which its certificate is that of an allowed partner or an enabled provider; empty: none. */
struct slice peer_welcome(const struct edge *e, const struct flow *f);

/* --- hops.c: machines inside, always by the topology, never by DNS --- */
struct hops {
    const struct topology_machine *machines;
    size_t n;
    struct slice pool;
    enum sip_transport transport;
    uint16_t port;
};
bool hops_of_pool(const struct topology *t, struct slice pool, struct hops *ret);
/* The pool of a machine, and its index in it. */
bool hops_of_machine(const struct topology *t, struct slice machine, struct hops *ret, size_t *ret_index);
/* The foreign machine with this address whose pool has this transport (UDP, TCP; TCP also where it is UDP,
 * for what is too large for a datagram); NULL: none. */
const struct topology_machine *hops_foreign(const struct topology *t, enum sip_transport transport,
                                            const struct net_addr *source);
/* All machines, beginning with `first` (topology_machine_next); ELEMENT_MAX_TARGETS at the most. */
size_t hops_targets(const struct hops *h, size_t first, struct target_address out[ELEMENT_MAX_TARGETS]);

/* --- peer.c: what is remembered of a connection --- */
enum {
    PEER_MAX_PROVEN = 32,    /* domains remembered for a connection; beyond, the oldest is forgotten */
    PEER_SRV_MS = 60 * 1000, /* how long a proof by DNS (rule c) is remembered */
};
/* Internal side: FQDN of the topology's machine that its certificate (or, without TLS, its address) names;
 * empty: none. Valid while the flow lives. */
struct slice peer_machine(const struct edge *e, struct flow *f);
struct peer_proof {
    enum identity_rule rule;         /* IDENTITY_NONE: not proven */
    const struct refusal *untrusted; /* the names would prove it, the chain does not: why */
    struct slice name;               /* of the certificate that decided */
};
/* What was proven of a domain, if that still holds. */
bool peer_recall(const struct edge *e, struct flow *f, struct slice domain, struct peer_proof *ret);
/* Proves by names and trust what can be proven now; a proof is remembered with the flow (may be NULL) and
 * logged, once for a connection and domain. Names, pins and wildcards of the claim are filled in from the
 * policy. */
bool peer_prove(const struct edge *e, struct flow *f, const struct crypto_cert *cert, struct slice domain,
                const struct policy *policy, struct identity_claim *claim, struct peer_proof *ret);
/* The identity that is handed to the element for the external side: the domain, then the SRV targets that
 * count for rule c, each after a space. */
struct slice peer_identity(struct arena *a, struct slice domain, const struct slice *targets, size_t n);
bool peer_covers(const struct edge *e, struct flow *f, struct slice identity);

/* --- trusts.c: which chains count for whom --- */
/* 0, or negative errno: the roots of all partners cannot be read, from the file *ret_file or the material
 * (NULL). */
int trusts_compile(struct edge *e, const char **ret_file);
void trusts_free(struct edge *e);
/* Does the chain lead to what the partner's must, now, and was none of it revoked? NULL, with the loop time
 * up to which that holds; or why not. */
const struct refusal *trusts_judge(const struct edge *e, const struct policy *policy,
                                   const struct crypto_cert *cert, uint64_t *ret_until);
/* Changes whenever what they say may have changed: what was judged before does not hold any more. */
uint64_t trusts_epoch(const struct edge *e);
/* Counts the connection as one of the domain's, whose account in the watch this is; until it ends. */
void peer_count(const struct edge *e, struct flow *f, struct slice domain, uint64_t account);

/* --- proof.c --- */
/* What is known of a request; its request_data. */
struct passage {
    const struct edge *e;
    struct slice partner; /* domain, lower case */
    struct policy policy;
    struct slice machine;       /* from inside: who sent it */
    struct slice pool;          /* inside: whence it comes, or where it goes */
    struct token_opened dialog; /* within a dialog */
    struct slice sender;        /* relayed: domain of the partner that sends; `partner` is the called one */
    bool sender_monitored;
    struct peer_proof proof; /* from outside: of the partner's domain */
    const struct crypto_cert
        *cert; /* while DNS is asked: of the sender's connection, which may end meanwhile */
    bool over; /* answered while DNS was asked (CANCEL) */
    bool dns_failed;
    struct slice targets[ELEMENT_MAX_TARGETS]; /* SRV targets of the partner that count for rule c */
    size_t n_targets;
    void (*next)(struct request *rq);
    /* hide.c */
    bool hides; /* from inside: what it is answered needs back what was taken off */
    struct slice outer_token, inner_token; /* of our Record-Route */
    struct slice inside;                   /* machine that a dialog is begun with */
    struct slice taken_routes;             /* Record-Route values that did not leave */
    struct slice uri, routes;              /* as they were inside; empty: as they came */
    struct slice their_routes;             /* of a request of which nothing else is kept: its Record-Route */
};
struct passage *passage_of(const struct request *rq);
void passage_over(struct request *rq);
/* Sets partner and policy; false when policy refuses (the request has been answered). */
bool passage_partner(struct request *rq, struct slice domain);
/* Does the connection that the request came on prove the partner? Then `next`, now or later; proof.rule says.
 */
void proof_of_sender(struct request *rq, void (*next)(struct request *rq));
/* Finds `targets`, where rule c is open to the partner and it is found by DNS; then `next`. */
void proof_targets(struct request *rq, void (*next)(struct request *rq));
/* "certificate of sip.x (serial …)" for a refusal's detail */
struct slice proof_describe(struct request *rq);

/* --- discovered.c: partners that are in no list --- */
void discovered_compile(struct edge *e, struct watch *w);
/* May a message from the proven partner pass? False: it has been refused. Listed ones always may. */
bool discovered_may_pass(struct request *rq, bool begins);
/* A final response to such a message. */
void discovered_answered(struct request *rq, unsigned status);

/* --- vouch.c: what we say of a message --- */
void vouch_compile(struct edge *e);
/* Is its sender verified? */
bool vouch_verified(const struct policy *p, enum rows_said said);
/* May an identity that came with it stand inside? Not of one who is said not to be verified. */
bool vouch_identities(const struct policy *p, enum rows_said said);
void vouch_inside(struct request *rq, const struct sip_msg *m, bool verified, struct sip_edits *edits);
void vouch_outside(const struct request *rq, struct sip_edits *edits);

/* --- local.c: our users --- */
void local_compile(struct edge *e);
/* May this user of ours speak with the partner? False: it has been refused. */
bool local_may_pass(struct request *rq, const struct sip_uri *user);
/* --- drain.c --- */
/* Is a request that belongs to no dialog for another machine, because this one is being drained? */
bool drain_refuses(const struct edge *e, struct request *rq, struct slice from_machine);

/* --- relay.c: between two partners --- */
/* Outside a dialog, the sender is proven: is the request one to pass on to another partner? */
bool relay_may(const struct request *rq);
void relay(struct request *rq);
void relay_dialog(struct request *rq);
/* What the message's sender may not say is taken off; request or response. */
void relay_clean(struct request *rq, const struct sip_msg *m, struct sip_edits *edits);

/* --- the ways --- */
void admit(struct request *rq);
void depart(struct request *rq);
void dialog(struct request *rq);
/* The partner's Edge to which a request begun outside a dialog goes; without side and identity. */
struct target depart_target(const struct request *rq);
/* Where Route or Request-URI lead a request within a dialog. False: it has been refused. */
bool dialog_onwards(struct request *rq, struct target *ret);

/* --- pass.c --- */
/* To machines inside, `first` first. `begins`: outside a dialog; a dialog that this may begin is recorded. */
void pass_inside(struct request *rq, const struct hops *h, size_t first, bool begins);
/* To the partner; `target` without side and identity. */
void pass_outside(struct request *rq, struct target *target, bool begins);
/* From one partner to another. */
void pass_across(struct request *rq, struct target *target, bool begins);
/* Edits of a response that goes upstream. */
void pass_response(struct request *rq, const struct sip_msg *response, struct sip_edits *edits);

/* --- keep.c: what pass_response needs for a 2xx behind the first one --- */
struct slice keep_passage(struct request *rq);
void restore_passage(struct request *rq, struct slice kept);
