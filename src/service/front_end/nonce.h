/*
 * front_end/nonce.h - nonces of digest authentication (RFC 7616 sections 3.3 and 5.4) and their counts.
 *
 * A nonce is stateless: the time it was made, randomness, and a MAC over both and the realm. What is kept is
 * only which counts (nc) of a nonce were used, and that only for requests whose digest was right, so nobody
 * without a password fills the table.
 *
 * The table is bounded and exact in one direction: no count is ever accepted twice. When a nonce has to make
 * room for another, every nonce of that set made no later than it counts as stale from then on, and so does
 * every nonce from before the table. A stale nonce costs its client one more round trip, never a password
 * prompt. Credentials without qop carry no count: their nonce serves one request.
 */
#pragma once

#include "ground/crypto/hash.h"

enum {
    NONCE_TEXT = 32,                /* characters */
    NONCE_LIFE_MS = 10 * 60 * 1000, /* stale after this */
    NONCE_AHEAD_MS = 60 * 1000,     /* a clock that was set back by less does not matter */
    NONCE_WINDOW = 64,              /* counts may come out of order by this much */
    NONCE_SETS = 8192,              /* of NONCE_WAYS nonces each */
    NONCE_WAYS = 8,
};

struct nonce {
    int64_t made_ms;
    uint64_t id; /* of its MAC */
};
/* The key of nonces that belongs to a machine's secret. */
void nonce_key_init(struct slice secret, struct crypto_hmac_key *ret);
/* out: NONCE_TEXT characters and a NUL. */
void nonce_make(const struct crypto_hmac_key *key, struct slice realm, int64_t now_ms,
                char out[NONCE_TEXT + 1]);

enum nonce_verdict { NONCE_GOOD, NONCE_STALE, NONCE_FOREIGN };
/* ret is written unless FOREIGN: not made with this key for this realm. */
enum nonce_verdict nonce_check(const struct crypto_hmac_key *key, struct slice realm, struct slice text,
                               int64_t now_ms, struct nonce *ret);

struct nonce_counts;
/* since_ms: nonces made before count as used up. */
struct nonce_counts *nonce_counts_new(int64_t since_ms);
void nonce_counts_free(struct nonce_counts *c);
/* Takes the count; false when it was used before, or may have been. Any thread (locks a part of the table for
 * a few instructions). */
bool nonce_counts_take(struct nonce_counts *c, const struct nonce *n, uint32_t count);
