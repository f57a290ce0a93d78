/*
 * topology/material.h - the secrets that travel beside a revision: keys of the deployment, external
 * certificates with their keys, and the roots that partners' certificates must lead to. One JSON object,
 * sealed to each machine (crypto_seal) with only what that machine needs. Held in memory wiped on free; never
 * logged, never part of a topology.
 */
#pragma once

#include "ground/crypto/cert.h"
#include "ground/crypto/hash.h"
#include "wire/json/json.h"

enum {
    MATERIAL_MAX_KEYS = 8,
    MATERIAL_MAX_CERTS = 64,
    MATERIAL_MAX_USES = 64,
    MATERIAL_MAX_TRUSTS = 32,
    MATERIAL_MAX_LISTS = 16,
    MATERIAL_MAX_LISTS_TEXT = 2 << 20, /* of all their texts */
    MATERIAL_MAX_LACKS = MATERIAL_MAX_CERTS + MATERIAL_MAX_USES,
    MATERIAL_KEY_ID = 64,   /* hex digits of the SHA-256 of a public key */
    MATERIAL_USE_DEPTH = 3, /* of one use: the next one, the current one, the one before */
    MATERIAL_KEY = 32,
    MATERIAL_MAX_TEXT = 4 << 20,       /* of the JSON form */
    MATERIAL_SIGN_AFTER_MS = 60 * 1000 /* a new key reaches every machine before anybody signs with it */
};

/* A key of the Record-Route tokens. The newest signs once it is MATERIAL_SIGN_AFTER_MS old; all that have not
 * expired verify. */
struct material_key {
    uint32_t id;
    unsigned char key[MATERIAL_KEY];
    struct crypto_hmac_key mac; /* the same, made ready */
    int64_t made_ms;
    int64_t expires_ms; /* 0: the current one */
};
/* Where the key is kept on machines there is its id in place of its text. A machine that has the key fills in
 * the text for itself (service/replica); the written form has one of the two, the id where there is one. */
struct material_cert {
    struct slice pool; /* Edge pool whose external names it carries */
    struct slice cert_pem, key_pem, key_id;
};
/* A certificate for another use than access-external (kept/topology/certificates.h). The newest of a use
 * comes first. It signs from from_ms; the one before it signs until then, and verifies what it signed until
 * until_ms. So machines change over by the clock, with nobody to tell them. */
struct material_use {
    struct slice pool, use;
    struct slice cert_pem, key_pem, key_id;
    int64_t from_ms;
    int64_t until_ms; /* 0: nothing comes after it */
};
/* Roots of their own for partners that name them. */
struct material_trust {
    struct slice name, pem;
};
/* A revocation list that was given by hand. */
struct material_list {
    struct slice fingerprint; /* SHA-256 of the DER form, hex */
    struct slice text;        /* DER, base64 */
};
struct material_secret;
struct material {
    _Atomic unsigned refs;
    struct arena arena;
    struct material_secret *secrets; /* memory of the keys' texts, wiped on free */
    uint64_t serial;                 /* grows with every change, so that a machine knows what is newer */
    struct material_key keys[MATERIAL_MAX_KEYS];
    size_t n_keys; /* newest first */
    struct material_cert certs[MATERIAL_MAX_CERTS];
    size_t n_certs;
    struct material_use uses[MATERIAL_MAX_USES];
    size_t n_uses;
    struct slice trust_pem; /* partners' roots; empty: the system's */
    struct material_trust trusts[MATERIAL_MAX_TRUSTS];
    size_t n_trusts;
    struct material_list lists[MATERIAL_MAX_LISTS];
    size_t n_lists;
    /* ids of keys that a machine did not have when it took this: it goes on with the certificates before */
    struct slice lacks[MATERIAL_MAX_LACKS];
    size_t n_lacks;
};
struct material *material_new(void);
struct material *material_ref(struct material *m);
void material_unref(struct material *m);                      /* wipes */
int material_parse(struct slice json, struct material **ret); /* -EBADMSG */
void material_write(const struct material *m, struct buf *out);
const struct material_cert *material_cert_find(const struct material *m, struct slice pool);
const struct material_trust *material_trust_find(const struct material *m, struct slice name);
/* What a certificate of a use is at this moment. */
enum material_age { MATERIAL_CURRENT, MATERIAL_PREVIOUS, MATERIAL_NEXT, MATERIAL_GONE };
enum material_age material_use_age(const struct material *m, const struct material_use *u, int64_t now_ms);
/* NULL: none. */
const struct material_use *material_use_find(const struct material *m, struct slice pool, struct slice use,
                                             enum material_age age, int64_t now_ms);
/* Makes `mac` of `key`; for who fills in a key by hand. */
void material_key_ready(struct material_key *k);
/* NULL: unknown or expired. */
const struct material_key *material_key_find(const struct material *m, uint32_t id, int64_t now_ms);
/* The key to sign with: the newest one that is at least MATERIAL_SIGN_AFTER_MS old, so that every machine
 * knows it by then; while there is none such, the oldest that has not expired. NULL: there is no key. */
const struct material_key *material_signing_key(const struct material *m, int64_t now_ms);

/* --- making (a material is never changed once others hold a reference) --- */
struct material *material_copy(const struct material *m); /* one reference, same serial */
/* Sets or replaces the certificate of a pool. -ENOSPC beyond MATERIAL_MAX_CERTS. */
int material_cert_set(struct material *m, struct slice pool, struct slice cert_pem, struct slice key_pem);
/* Sets or replaces roots; an empty text takes them away. -ENOSPC beyond MATERIAL_MAX_TRUSTS. */
int material_trust_set(struct material *m, struct slice name, struct slice pem);
/* Adds a revocation list; -ENOSPC beyond MATERIAL_MAX_LISTS or MATERIAL_MAX_LISTS_TEXT. */
int material_list_add(struct material *m, const struct material_list *l);
void material_list_remove(struct material *m, size_t i);
/* The same, also with a key's id. */
int material_cert_put(struct material *m, const struct material_cert *c);
/* Key texts for ids: false where there is none, true after writing PEM to out. */
typedef bool material_key_source(void *arg, struct slice id, struct buf *out);
/* Fills in the keys that `source` has. What lacks its key is replaced by what `before` (NULL: nothing) had
 * for the same pool and use, or left out, and its id is noted in m->lacks. Only while nobody else holds m. */
void material_fill_keys(struct material *m, const struct material *before, material_key_source *source,
                        void *arg);
/* Takes the certificate of a pool (or of a machine) away; false: there is none. */
bool material_cert_remove(struct material *m, struct slice pool);
/* A certificate of a use from fresh->from_ms on (not later than now: at once). The one that is current until
 * then verifies until `until_ms` (not after it: it goes when its time is over); one that was to come next is
 * replaced. Expired ones go. -ENOSPC beyond MATERIAL_MAX_USES. */
int material_use_set(struct material *m, const struct material_use *fresh, int64_t now_ms, int64_t until_ms);
/* A new key in front; the one before it expires period_ms (and the margin above) later; expired ones go. */
void material_key_add(struct material *m, int64_t now_ms, int64_t period_ms);
/* Is it time for a new key: none, or the newest is older than the period? */
bool material_key_due(const struct material *m, int64_t now_ms, int64_t period_ms);
/* What one machine needs: all keys, the roots, and the certificates of these pools. Same serial. */
struct material *material_for_pools(const struct material *m, const struct slice *pools, size_t n);
/* Overwrites all strings of a tree that held secrets. */
void material_wipe_json(struct json_value *v);
