/*
 * replica/priv.h - what the files of this module share. All state changes on the loop; an exchange's helper
 * jobs only read it, and there is at most one exchange that changes anything at a time.
 */
#pragma once

#include "service/replica/replica.h"

#include "kept/store/files.h"
#include "kept/topology/push.h"

enum { REPLICA_ERROR = 512 };
/* A renewal's key until its certificate has come; material sealed to it until then. */
#define FILE_KEY_NEXT "internal.key.next"
#define FILE_MATERIAL_NEXT "material.sealed.next"

#define FOLDER_KEYS "keys" /* of external certificates: ID.key */

/* Ids of keys, in memory of their own. */
struct key_names {
    struct arena arena;
    struct slice *items;
    size_t n;
};

struct exchange;
struct replica {
    struct loop *loop;
    struct helpers *helpers;
    char *folder;
    const struct replica_ops *ops;
    void *arg;
    replica_applied *ready;
    struct replica_identity *id;
    struct crypto_cert *signer;
    struct topology *topology; /* these three: what was loaded or pushed last and not refused */
    struct revision *revision;
    struct material *material;
    bool running; /* apply took them */
    bool names_ok;
    struct buf request; /* PEM of the certificate request that waits for its answer */
    struct http_server *server, *old_server;
    struct net_addr listening;
    struct timer start, drop_old;
    struct exchange *changing;
    struct key_names *holds; /* keys of external certificates that are here; NULL: none */
    struct key_names *lacks; /* … and that the material taken last wants */
    unsigned key_jobs;       /* requests for keys under way */
    bool closed;
};

/* One push on its way; also the first application of what is on disk (rq NULL). */
struct exchange {
    struct job job;
    struct replica *r;
    struct http_request *rq;
    struct push_request q;
    unsigned status;
    const char *error_id; /* NULL: fine */
    char error_text[REPLICA_ERROR];
    struct replica_identity *id; /* what it brings; NULL: as before */
    struct revision *revision;
    struct topology *topology;
    struct material *material;
    struct replica_identity *old_id; /* until apply is through */
    bool applied, names_ok;
    struct buf request;
    struct key_names *holds; /* as they are afterwards */
};

__attribute__((format(printf, 3, 4))) int exchange_refuse(struct exchange *e, const char *id, const char *fmt,
                                                          ...);

/* --- on a helper thread --- */
/* Verifies the push and stages its files; what is new lies in e. Negative after exchange_refuse. */
int exchange_take(struct exchange *e);
int exchange_commit_files(struct exchange *e);
int exchange_take_certificate(struct exchange *e);
/* A new key and request when the certificate is old, lacks a name that `t` wants, is the bundle's, or central
 * asks for it. */
void exchange_prepare_request(struct exchange *e, const struct topology *t,
                              const struct replica_identity *id);
bool certificate_carries_names(const struct replica_identity *id, const struct topology *t);
bool certificate_same(const struct crypto_cert *a, const struct crypto_cert *b);
bool certificate_is_old(const struct replica_identity *id, int64_t now_ms);

/* Text of a sealed file or push for this identity. 0 or negative errno. */
int material_unseal(const struct replica_identity *id, struct slice sealed, struct material **ret);

/* --- keys of external certificates that are kept here (keys.c); each file is the pool whose machines may
 * have the key, on a line of its own, and the key in PEM --- */
enum { KEYS_MAX = 256 };
/* The key under its id, on the disk. 0 or negative errno. */
int keys_put(const char *folder, struct slice pool, const struct crypto_key *k, char id[MATERIAL_KEY_ID + 1]);
/* text: pool and key as they are kept; ret_pool lies in it. -ENOENT, -EBADMSG. */
int keys_get(const char *folder, struct slice id, struct buf *text, struct slice *ret_pool,
             struct crypto_key **ret);
/* The same of such a text; 0 or -EBADMSG. */
int keys_parse(struct slice text, struct slice *ret_pool, struct crypto_key **ret);
struct key_names *keys_held(const char *folder);
struct key_names *keys_lacking(const struct material *m);
void keys_free(struct key_names *k);
/* Fills in what is here; see material_fill_keys. */
void keys_fill(const char *folder, struct material *m, const struct material *before);
/* Removes the keys of pools that this machine has no part in any more. */
void keys_prune(const char *folder, const struct topology *t, struct slice fqdn);
/* Those that a push brought, sealed to us: kept when they are lacking here. */
int exchange_take_keys(struct exchange *e);

/* --- on the loop --- */
/* A request of central's for a key; false: not its path. */
bool key_request_handle(struct replica *r, struct http_request *rq);
void replica_handle(void *arg, struct http_request *rq);
/* Applies what was loaded; with a fault, says so. */
void exchange_first(struct replica *r, const char *fault);
int replica_listen(struct replica *r);
void replica_drop(struct replica *r); /* frees when it was closed and nothing is under way */
