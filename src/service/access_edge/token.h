/*
 * access_edge/token.h - what the Access Edge remembers of a dialog, carried by the dialog itself: the user
 * part of our Record-Route URIs (RFC 3261 16.6 step 4 leaves it to the proxy).
 *
 * Text: base64url of
 *
 *     version   1 byte
 *     key id    4 bytes
 *     flags     1 byte: who began the dialog; which side this URI faces; is it relayed between two partners
 *     partner   1 byte of length, domain in lower case
 *     machine   1 byte of length, FQDN in lower case; relayed: the called partner's domain
 *     MAC       16 bytes: HMAC-SHA-256, cut, over all of the above, Call-ID and the From-tag of the request
 * that formed the dialog, each with its length in front
 *
 * Nothing in it is secret; the MAC makes it ours. It is bound to one dialog by Call-ID and the caller's tag:
 * in requests of the callee the tags are swapped, so both are tried, and which one matched says who sends.
 *
 * Pure: `now_ms` is the wall clock.
 */
#pragma once

#include "ground/base/arena.h"
#include "ground/base/buf.h"
#include "kept/topology/material.h"

enum {
    TOKEN_VERSION = 1,
    TOKEN_MAC = 16,
    TOKEN_MAX_NAME = 253, /* bytes of the domain, and of the FQDN */
    TOKEN_MAX_RAW = 1 + 4 + 1 + 2 * (1 + TOKEN_MAX_NAME) + TOKEN_MAC,
    TOKEN_MAX_TEXT = (TOKEN_MAX_RAW * 4 + 2) / 3,
};

struct token {
    bool began_outside;   /* the request that formed the dialog came from the partner */
    bool faces_outside;   /* the URI is for requests that come from outside */
    bool relayed;         /* both sides are partners, and there is one URI for both */
    struct slice partner; /* domain; relayed: that of who began the dialog */
    struct slice
        machine; /* FQDN of the machine inside that serves the dialog; relayed: domain of the other */
};

/* Appends the text. -EINVAL: a name is empty or too long, or from_tag is empty. */
int token_make(const struct token *t, struct slice call_id, struct slice from_tag,
               const struct material_key *key, struct buf *out);

enum token_outcome {
    TOKEN_GOOD,
    TOKEN_MALFORMED,   /* not a token of this version */
    TOKEN_UNKNOWN_KEY, /* its key is not held */
    TOKEN_EXPIRED,     /* its key's time is over */
    TOKEN_ALTERED,     /* the MAC is wrong: altered, or of another dialog */
};
struct token_opened {
    struct token token; /* names in the arena */
    bool by_caller;     /* the request is from who began the dialog */
};
/* Writes *ret only when good. */
enum token_outcome token_open(struct slice text, struct slice call_id, struct slice from_tag,
                              struct slice to_tag, const struct material_key *keys, size_t n_keys,
                              int64_t now_ms, struct arena *a, struct token_opened *ret);
/* Do two tokens on one request belong together: all the same, but facing different sides? */
bool token_is_pair(const struct token_opened *a, const struct token_opened *b);
