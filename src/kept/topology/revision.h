/*
 * topology/revision.h - one published state: number, canonical bytes, SHA-256, signature, author, time,
 * comment.
 *
 * The signature (ECDSA P-256, SHA-256) of central management covers "entente revision\n", number, hash,
 * author, time and comment, each length-prefixed. On the wire and on disk a revision is one JSON object;
 * content is the canonical topology as a string, so that its bytes are exactly those that were hashed.
 */
#pragma once

#include "ground/crypto/cert.h"
#include "kept/topology/topology.h"

enum { REVISION_MAX_COMMENT = 1000, REVISION_MAX_AUTHOR = 100 };

struct revision {
    struct arena arena;
    uint64_t number; /* 1.. */
    struct slice content;
    char hash[65]; /* of content, hex */
    struct slice author, comment;
    int64_t time_ms;
    struct slice signature; /* DER */
};
/* Hashes and signs. Everything is copied. */
int revision_new(uint64_t number, struct slice content, struct slice author, struct slice comment,
                 int64_t time_ms, struct crypto_key *signer, struct revision **ret);
void revision_free(struct revision *r);
void revision_write(const struct revision *r, struct buf *out);
/* -EBADMSG malformed; -EKEYREJECTED hash or signature wrong for `signer`. */
int revision_parse(struct slice text, const struct crypto_cert *signer, struct revision **ret);
