/*
 * topology/material.h - the secrets that travel beside a revision: keys of the deployment, external
 * certificates with their keys, and the roots that partners' certificates must lead to. One JSON object,
 * sealed to each machine (crypto_seal) with only what that machine needs. Held in memory wiped on free; never
 * logged, never part of a topology.
 */
#pragma once

#include "ground/crypto/cert.h"
#include "wire/json/json.h"

enum { MATERIAL_MAX_KEYS = 8, MATERIAL_MAX_CERTS = 64, MATERIAL_KEY = 32 };

/* A key of the Record-Route tokens. The newest signs; all that have not expired verify. */
struct material_key {
    uint32_t id;
    unsigned char key[MATERIAL_KEY];
    int64_t made_ms;
    int64_t expires_ms; /* 0: the current one */
};
struct material_cert {
    struct slice pool; /* Edge pool whose external names it carries */
    struct slice cert_pem, key_pem;
};
struct material {
    _Atomic unsigned refs;
    struct arena arena;
    uint64_t serial; /* grows with every change, so that a machine knows what is newer */
    struct material_key keys[MATERIAL_MAX_KEYS];
    size_t n_keys; /* newest first */
    struct material_cert certs[MATERIAL_MAX_CERTS];
    size_t n_certs;
    struct slice trust_pem; /* partners' roots; empty: the system's */
};
struct material *material_new(void);
struct material *material_ref(struct material *m);
void material_unref(struct material *m);                      /* wipes */
int material_parse(struct slice json, struct material **ret); /* -EBADMSG */
void material_write(const struct material *m, struct buf *out);
const struct material_cert *material_cert_find(const struct material *m, struct slice pool);
const struct material_key *material_key_find(const struct material *m, uint32_t id, int64_t now_ms);
