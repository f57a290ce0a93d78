/*
 * access_edge/examine_priv.h - what the parts of an examination share. examine.c has the table of stages and
 * walks through it; each other part does some stages:
 *
 *   examine_dns.c          srv, address, our_srv
 *   examine_connection.c   tcp, tls
 *   examine_identity.c     identity, policy, sender, our_certificate
 *   examine_options.c      options
 *
 * A stage is begun by its function of the table, on a turn of its own. It says what it found
 * (examine_conclude) and then that it is over (examine_over), at once or in a later turn.
 */
#pragma once

#include "service/access_edge/examine.h"

#include "ground/net/stream.h"
#include "service/access_edge/priv.h"
#include "wire/sip/frame.h"

enum {
    SRV_MAX = 8,
    EXAMINE_MAX_OWN = 20,
    FEDERATION_PORT = 5061,
    OPTIONS_MAX = 65536,
    DAY_MS = 24 * 3600 * 1000,
    SOON_DAYS = 14
};

enum verdict { VERDICT_OK, VERDICT_WARNING, VERDICT_FAILED, VERDICT_NOT_REACHED };

/* In the order in which they are tried and told. */
enum stage {
    STAGE_SRV,
    STAGE_ADDRESS,
    STAGE_TCP,
    STAGE_TLS,
    STAGE_IDENTITY,
    STAGE_OPTIONS,
    STAGE_POLICY,
    STAGE_SENDER,
    STAGE_OUR_SRV,
    STAGE_OUR_CERTIFICATE,
    STAGES
};

struct target_name {
    struct slice host;
    uint16_t port;
};
struct place {
    struct net_addr addr;
    struct slice host;
};
struct question {
    struct examine *x;
    struct resolver_query *asked;
    struct slice name;
    uint16_t type, port;
};
struct examine {
    struct loop *loop;
    struct element_config *config;
    const struct edge *e;
    struct arena arena;
    struct slice domain, from;
    struct policy policy;
    examine_done *done;
    void *arg;
    struct resolver *resolver;
    struct deferred next;
    enum stage coming;     /* begins when the turn is over */
    struct deferred again; /* the next address of STAGE_TCP */
    struct timer deadline;
    struct json_value *stage[STAGES];
    uint64_t began_ms[STAGES];

    struct question questions[2 * SRV_MAX];
    size_t n_questions, waiting;
    bool dns_failed, secure;
    size_t n_other;                    /* addresses of the family that our outer side has not */
    struct target_name names[SRV_MAX]; /* of SRV, or the one that policy names */
    size_t n_names;
    struct slice counting[SRV_MAX]; /* targets that count for rule c */
    size_t n_counting;
    struct place places[EXAMINE_MAX_ADDRESSES];
    size_t n_places, at;
    struct json_value *tries;
    struct stream *stream;
    bool tcp_up;
    const struct crypto_cert *cert; /* that they showed; a reference */
    bool cert_good;
    struct sip_framer framer;
    size_t our_domain; /* which of ours is being looked for */
    struct slice ours_missing;
    size_t n_ours_found;
};

/* --- examine.c --- */
void examine_begin(struct examine *x, enum stage s);
__attribute__((format(printf, 4, 5))) struct json_value *
examine_conclude(struct examine *x, enum stage s, enum verdict v, const char *fmt, ...);
/* The next one, or where the table goes on when it was not good. */
void examine_over(struct examine *x, enum stage s, bool good);

/* --- examine_dns.c --- */
void examine_srv(struct examine *x);
void examine_addresses(struct examine *x);
void examine_our_srv(struct examine *x);
void examine_questions_end(struct examine *x);
struct slice examine_lower(struct examine *x, struct slice s);

/* --- examine_connection.c --- */
void examine_tcp(struct examine *x);
void examine_connection_end(struct examine *x);

/* --- examine_identity.c --- */
void examine_identity(struct examine *x);
void examine_policy(struct examine *x);
void examine_sender(struct examine *x);
void examine_our_certificate(struct examine *x);
/* SHA-256 and purposes of a certificate, with its names. */
struct json_value *examine_certificate_json(struct examine *x, const struct crypto_cert *cert);

/* --- examine_options.c --- */
void examine_options(struct examine *x);
void examine_options_answered(struct examine *x, struct slice text);
void examine_options_lost(struct examine *x, const char *why);
void examine_options_ended(struct examine *x, const char *why); /* the connection did */
void examine_options_late(void *arg);
