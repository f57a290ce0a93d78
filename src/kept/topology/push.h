/*
 * topology/push.h - what central management and a machine's replica say to each other: JSON over HTTPS with
 * mutual TLS (internal certificates), POST https://MACHINE:PORT/v1/push and GET /v1/state; and the bundle
 * that is carried to a new machine once. Pure.
 *
 * An exchange carries a certificate, or a revision with its material, or nothing (a heartbeat). The answer of
 * each is the machine's whole state. Status 200: taken (or nothing to take); 409 and 403: refused, with
 * "error" in the same answer; 400: not understood.
 *
 *     request:  {"format":1,"revision":"{…}","material":"BASE64","material_serial":7,"certificate":"PEM",
 *                "renew":true,"keys":["BASE64",…]}
 *     answer:   {"format":1,"fqdn":"…","revision":12,"hash":"…","material":7,"names_ok":true,
 *                "certificate":"PEM","request":"PEM","time_ms":…,"error":{"id":"…","text":"…"},"state":{…},
 *                "holds":["KEY ID",…],"lacks":["KEY ID",…]}
 *
 * Keys of external certificates are made and kept on machines. Central asks for them by POST to three more
 * paths: to make one, with its request; to seal one to another machine, which central passes on with its next
 * push; to write PKCS#12. 409 and 403 are refusals, as above.
 */
#pragma once

#include "ground/base/arena.h"
#include "ground/base/buf.h"
#include "wire/json/json.h"

enum { PUSH_FORMAT = 1, PUSH_MAX_TEXT = 48 << 20, PUSH_MAX_ANSWER = 1 << 20, PUSH_MAX_LIST = 512 };
#define PUSH_PATH "/v1/push"
#define PUSH_KEY_MAKE_PATH "/v1/keys/make"
#define PUSH_KEY_SEAL_PATH "/v1/keys/seal"
#define PUSH_KEY_EXPORT_PATH "/v1/keys/export"
#define PUSH_STATE_PATH "/v1/state"

struct push_list {
    const struct slice *items;
    size_t n;
};

/* Absent parts are empty. Slices live in the arena that they were parsed into. */
struct push_request {
    struct slice revision;    /* as revision_write makes it */
    struct slice material;    /* sealed, DER */
    uint64_t material_serial; /* of it */
    struct slice certificate; /* PEM: the answer to the machine's request */
    bool renew;               /* make a new key now, and ask for its certificate */
    struct push_list keys;    /* of external certificates, as a holder sealed them to this machine; base64 */
};
void push_request_write(const struct push_request *q, struct buf *out);
int push_request_parse(struct slice text, struct arena *a, struct push_request *ret); /* -EBADMSG */

struct push_answer {
    struct slice fqdn;
    uint64_t revision; /* the one that runs; 0: none */
    struct slice hash;
    uint64_t material;        /* serial of the one that runs */
    bool names_ok;            /* the certificate carries all names that the revision wants */
    struct slice certificate; /* PEM of the internal certificate in use: material is sealed to it */
    struct slice request;     /* PEM of a certificate request, or empty */
    int64_t time_ms;          /* the machine's wall clock */
    struct slice error_id, error_text;
    struct push_list holds;         /* ids of the keys of external certificates that are kept here */
    struct push_list lacks;         /* … and of those that the material wants and that are not here */
    const struct json_value *state; /* what services say of themselves, or NULL */
};
void push_answer_write(const struct push_answer *w, struct arena *a, struct buf *out);
int push_answer_parse(struct slice text, struct arena *a, struct push_answer *ret); /* -EBADMSG */

/* What central asks of a machine's keys; of each path its own parts. */
struct key_request {
    struct slice pool; /* make: whose machines may have it */
    struct slice kind; /* "ecdsa-p256", "rsa-2048", "rsa-3072", "rsa-4096" */
    struct push_list names;
    struct slice id;          /* seal, export */
    struct slice certificate; /* seal: the recipient's; export: what goes into the file, with its chain */
    struct slice passphrase;  /* export: sealed to the machine, DER */
    bool old_windows;
};
void key_request_write(const struct key_request *q, struct buf *out);
int key_request_parse(struct slice text, struct arena *a, struct key_request *ret); /* -EBADMSG */
struct key_answer {
    struct slice request; /* make: PEM */
    struct slice sealed;  /* seal: DER of pool and key */
    struct slice p12;     /* export: DER */
    struct slice error_id, error_text;
};
void key_answer_write(const struct key_answer *w, struct buf *out);
int key_answer_parse(struct slice text, struct arena *a, struct key_answer *ret); /* -EBADMSG */

/* What a machine needs in order to join. Secret: it holds the machine's first key. */
struct bundle {
    struct slice fqdn, central_fqdn;
    struct slice address; /* where the replica listens when no revision can be read */
    int64_t port;
    struct slice ca_pem, signer_pem;
    struct slice cert_pem, key_pem;
    struct slice revision; /* text */
    struct slice material; /* sealed, DER */
};
void bundle_write(const struct bundle *b, struct buf *out);
int bundle_parse(struct slice text, struct arena *a, struct bundle *ret); /* -EBADMSG */
/* The part of a bundle that stays as machine.json: no secrets. Its certificate is that of the bundle for
 * ever, so that a machine knows whether it still uses the key that was carried to it (empty: made by an older
 * version). */
void bundle_machine_write(const struct bundle *b, struct buf *out);
int bundle_machine_parse(struct slice text, struct arena *a, struct bundle *ret); /* -EBADMSG */
