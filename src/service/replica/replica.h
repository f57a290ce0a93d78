/*
 * replica/replica.h - a machine's verified copy of the newest revision, and the endpoint to which central
 * management pushes (HTTPS, mutual TLS with internal certificates, default port 4443).
 *
 * A push is verified (client certificate: central's machine of the current revision, from the internal CA;
 * signature; hash; number not lower than ours), the material unsealed, both stored (files replaced
 * atomically: write, fsync, rename), handed to `apply`, and acknowledged with number, hash and material
 * serial only when it runs. Whatever fails, the last good one stays, and the answer says why with a stable
 * id: replica.older, replica.bad-signature, replica.bad-hash, replica.not-central, replica.unseal,
 * replica.refused (apply failed, with its sentence), replica.disk, replica.other-content (another text under
 * the number that runs), replica.certificate (not for our key, name or authority), replica.busy (a push is
 * being applied), replica.bad-push. The format: kept/topology/push.h.
 *
 * Keys of external certificates are made and kept here, too (STATE/keys); central asks for them by the paths
 * of push.h. A key leaves the machine sealed to another machine that by our own revision may have it (the
 * pool's, or a pool's that adopts it), or as PKCS#12 under a passphrase. Refusals: replica.no-key,
 * replica.key-pool, replica.key-recipient, replica.key-request, replica.keys-full, replica.no-revision; of a
 * push replica.key-unseal. Material that wants a key which is not here is taken with the certificate of
 * before in its place, and the answer says so. Keys that a revision gives this machine no part in are
 * removed.
 *
 * The machine renews its internal certificate itself: a new key is made when half of its life has passed, a
 * name is missing, or the key is still the one that the bundle brought; the request goes out in the next
 * acknowledgement, the certificate comes back in the following push, and both are stored before they are
 * used. So the first contact with central replaces the key that was carried.
 */
#pragma once

#include "ground/http/http.h"
#include "ground/loop/helpers.h"
#include "kept/topology/material.h"
#include "kept/topology/revision.h"

struct replica;
/* What a machine knows apart from revisions: STATE/machine.json, internal.key, internal.crt. */
struct replica_identity {
    struct arena arena;
    struct slice fqdn;
    struct slice central_fqdn;
    struct net_addr listen; /* of the replica endpoint while no revision says where */
    struct slice internal_ca_pem;
    struct slice signer_pem; /* certificate of central's signing key */
    struct crypto_key *key;
    const struct crypto_cert *cert;
    bool carried; /* the key is the one that the bundle brought */
    struct crypto_trust *trust;
};
/* -ENOENT: not joined; -EBADMSG a damaged file, -ENOKEY the key is not the certificate's. Completes a renewal
 * of the certificate that a crash cut short. */
int replica_identity_load(const char *state_folder, struct replica_identity **ret);
void replica_identity_free(struct replica_identity *id);
/* Unpacks a bundle into an empty or fresh state folder. error: 256 bytes. */
int replica_join(const char *state_folder, struct slice bundle, char *error);

/* Makes the revision the running one; calls done(done_arg, 0 or negative errno, sentence) on the replica's
 * loop, once. All arguments stay valid until then; refs may be taken. identity changes when the internal
 * certificate was renewed. */
typedef void replica_applied(void *done_arg, int error, const char *text);
struct replica_ops {
    void (*apply)(void *arg, struct topology *t, const struct revision *r, struct material *m,
                  const struct replica_identity *id, replica_applied *done, void *done_arg);
    /* Adds what this machine can say of itself to the answer of a push or a GET /v1/state: load, services,
     * version. */
    void (*describe)(void *arg, struct arena *a, struct json_value *object);
    /* Any other question of central management: true when it is answered, now or later. NULL: there are none.
     */
    bool (*ask)(void *arg, struct http_request *rq);
};
/* Loads and applies what is on disk, then listens. `ready` once the first apply is through (with its result),
 * never before replica_new returned; it comes with an error, and the endpoint still listens for better, when
 * what is on disk is damaged or was refused. -ENOENT: not joined. error: 512 bytes. */
int replica_new(struct loop *l, struct helpers *h, const char *state_folder, const struct replica_ops *ops,
                void *arg, replica_applied *ready, struct replica **ret, char *error);
/* Before the loop ends; no callback of ours comes afterwards. */
void replica_free(struct replica *r);
/* The one that runs; 0: none. */
uint64_t replica_revision(const struct replica *r);
