/*
 * crypto/trust_priv.h - a set of trusted roots and pinned keys, and the chains that it found good. Private to
 * crypto.
 */
#pragma once

#include "ground/base/list.h"
#include "ground/base/map.h"
#include "ground/crypto/crl_priv.h"
#include "ground/crypto/tls_priv.h"

#include <pthread.h>

struct trust_pin {
    struct map_entry by_id;
    struct trust_pin *next;
    unsigned char key_id[32];
};

/* Chains that were judged: the one that was used last comes first. */
struct trust_memory {
    struct map by_id;
    struct list recent;
    size_t n, max;
};

/* Roots and pins do not change once others hold a reference; what is remembered is guarded by the lock. */
struct crypto_trust {
    _Atomic unsigned refs;
    X509_STORE *store;
    struct map pins;
    struct trust_pin *all_pins;
    bool shared; /* in the list of crypto_trust_shared */
    struct crypto_trust *next;
    unsigned char id[32];   /* two with the same hold the same, added in the same order */
    struct crl_store *crls; /* NULL: nobody is asked whether a certificate was revoked */
    bool refuse_unknown;

    pthread_mutex_t lock;
    struct trust_memory good, bad;
    unsigned drop_percent;
};

struct trust_verdict {
    int error;                 /* X509_V_OK, or why not */
    char at[65];               /* common name of the certificate above the leaf that is to blame, or "" */
    int64_t from_ms, until_ms; /* when good: the time in which all of the chain is valid */
    bool list_missing;         /* when good: nothing is known of a certificate that names a revocation list */
    int64_t lists_until_ms;    /* when good and none is missing: how long they say so */
    bool refuse_unknown;       /* as its trust wants it */
};

/* The certificate of a chain that one of the trusts knows and that is good now: a new reference, or NULL. */
struct crypto_cert *trust_recall(struct crypto_trust *const *trusts, size_t n, const unsigned char id[32],
                                 int64_t now, struct trust_verdict *v);
/* Good when it is so under any of them; then it is remembered. */
void trust_judge(struct crypto_trust *const *trusts, size_t n, const struct crypto_cert *c, int64_t now,
                 struct trust_verdict *ret);
int64_t crypto_wall_ms(void);
