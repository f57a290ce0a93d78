/*
 * front_end/priv.h - what the parts of the Front End share.
 *
 * One request's way: front_end.c (who sent it) -> authenticate.c (may they) -> registrar.c, or forward.c
 * (where it goes) with dialog.c (requests within dialogs, Record-Route).
 */
#pragma once

#include "kept/topology/topology.h"
#include "service/front_end/front_end.h"
#include "service/front_end/nonce.h"
#include "service/front_end/refusals.h"
#include "service/front_end/token.h"

enum {
    FRONT_END_MAX_PASSES = 8,      /* users who signed in on one connection */
    FRONT_END_MAX_CREDENTIALS = 4, /* rows of credentials looked at in one request */
    FRONT_END_MAX_AOR = 384,
};

/* Of the process: outlives revisions. */
struct front_end_state;
struct front_end_state *front_end_state_get(void); /* a reference; made when there is none */
void front_end_state_put(struct front_end_state *s);
struct nonce_counts *front_end_counts(struct front_end_state *s);
/* Milliseconds since 1970 that never go back, whatever happens to the wall clock. */
int64_t front_end_now(const struct front_end_state *s);

/* A revision, compiled: element_config.service. */
struct front_end {
    struct topology *t;
    const struct topology_front_end_pool *pool;
    struct topology_role role;
    const struct topology_site *site; /* NULL: none */
    struct directory *directory;
    struct location *location;
    struct front_end_state *state;
    struct crypto_hmac_key nonce_key;
    unsigned char token_key[TOKEN_KEY];
};

/* What is remembered of a TCP or TLS connection. */
struct pass {
    char *aor;
    uint64_t serial; /* of the password (directory_serial): a new one ends the pass */
};
struct connection {
    char *machine; /* of the topology, proven; NULL: a client */
    struct pass passes[FRONT_END_MAX_PASSES];
    size_t n_passes;
};

/* A REGISTER that waits for the disk. */
struct registration;

/* What is known of one request; in its arena. */
struct visit {
    struct request *rq;
    struct front_end *fe;
    struct connection *connection; /* NULL: UDP, or gone */
    struct slice machine;          /* that sent it; empty: a client did */
    struct slice aor; /* of the client who is proven; empty: a machine, or proven by token alone */
    bool has_token;   /* of this dialog */
    struct token token;
    bool from_caller; /* by the token */
    bool to_client;   /* it went to a client */
    struct registration *registration;
    bool again; /* a REGISTER that was answered came once more */
};

extern const struct element_ops front_end_ops;

/* --- authenticate.c --- */
/* Who sends this request for `aor`? True: it is proven. Otherwise it has been answered: a challenge. */
bool authenticate(struct visit *v, struct slice aor);
bool connection_passes(const struct visit *v, struct slice aor);
/* A REGISTER for it was taken on this connection. */
bool connection_registered(const struct visit *v, struct slice aor);
void connection_add_pass(const struct visit *v, struct slice aor);

/* --- registrar.c --- */
void registrar_request(struct visit *v);
/* Over UDP a refresh is answered without a transaction (RFC 3261 8.2.7). When its 200 was lost, it comes
 * again with a count that is used up: it is known by Call-ID, CSeq and source, changes nothing, and has the
 * same answer. */
bool registrar_has_answered(const struct visit *v, struct slice aor);
void registrar_over(struct visit *v); /* the request is gone before the disk answered */

/* --- dialog.c --- */
void dialog_read_token(struct visit *v);
/* Record-Route for a request that may begin a dialog: `out`, the transport by which it leaves; `callee`, the
 * client it goes to, or {0}. */
void dialog_record_route(struct visit *v, enum sip_transport out, const struct token_end *callee,
                         struct sip_edits *edits);
/* Where a request within a dialog reaches its client. False: it is for no client of ours that we know. A
 * refusal, when it is but cannot be reached. */
bool dialog_target(struct visit *v, struct target *ret, const struct refusal **ret_refusal);

/* --- forward.c --- */
void forward_visit(struct visit *v);
struct target target_of_binding(const struct location_binding *b, struct arena *a);
/* The request asks for TLS on every hop. */
bool wants_sips(const struct visit *v);
bool binding_is_live(const struct location_binding *b);
struct slice domain_of(struct slice aor);
