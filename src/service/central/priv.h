/*
 * central/priv.h - what the files of this module share.
 *
 * Two owners of state. The vault (store, keys of the authority, the newest snapshot) belongs to the store's
 * thread, where all changes are made in order. The loop has the snapshot that the last finished task left and
 * the pushers. A snapshot never changes; pushes hold references.
 */
#pragma once

#include "service/central/central.h"

#include "ground/crypto/inspect.h"
#include "kept/store/files.h"
#include "kept/topology/certificates.h"
#include "kept/topology/check.h"
#include "kept/topology/edit.h"
#include "kept/topology/material.h"
#include "kept/topology/push.h"

#include <pthread.h>

enum {
    CENTRAL_ERROR = 512,
    CENTRAL_CA_YEARS = 10,
    CENTRAL_CERT_DAYS = 365,    /* of machines; renewed at half of it */
    CENTRAL_BUNDLE_DAYS = 30,   /* of the one in a bundle: it was carried, and is replaced at first contact */
    CENTRAL_KEY_MS = 40 * 1000, /* of a request for a key: RSA of 4096 bits takes seconds */
    CENTRAL_KEY_ASKED = 16,     /* machines, one after the other */
    CENTRAL_PUSH_THREADS = 16,  /* so many dead machines hold up nobody */
    CENTRAL_TALK_THREADS = 16,  /* questions to machines, each on its own connection */
    CENTRAL_ASK_THREADS = 4,    /* what waits for name servers */
    CENTRAL_CONNECT_MS = 4000,  /* of a push */
    CENTRAL_MAX_TASKS = 10000,  /* of the API, under way */
    CENTRAL_KEYS_CHECK_MS = 60 * 1000,
    CENTRAL_MAX_KEPT = 256,  /* certificates kept by name */
    CENTRAL_MAX_PENDING = 4, /* keys of a pool whose certificates have not come */
    CENTRAL_NAME_MAX = 64,   /* bytes of such a name */
    CENTRAL_PASSPHRASE_MIN = 8,
    TRUST_FINGERPRINT_MIN = 8,              /* digits that name a root */
    CENTRAL_CLOCK_APART_MS = 5 * 60 * 1000, /* clocks further apart are worth a warning */
};
#define DAY_MS (24LL * 3600 * 1000)
/* How long what an A/V authentication certificate signed is still verified after it was replaced: tokens live
 * 8 hours. */
#define CENTRAL_AV_OVERLAP_MS DAY_MS
#define CENTRAL_OVERLAP_MAX_MS (400 * DAY_MS)

/* --- snapshots --- */
struct snapshot {
    _Atomic unsigned refs;
    struct arena arena;
    uint64_t number;
    char hash[65];
    struct slice text; /* of the revision */
    struct topology *topology;
    struct material *material;
    bool has_dns;
    struct central_dns dns;
};
struct snapshot *snapshot_new(void);
struct snapshot *snapshot_copy(const struct snapshot *from); /* one reference, to be changed */
struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s);

/* --- the vault: on the store's thread --- */
struct vault {
    char *folder;
    struct store *store;
    struct crypto_key *ca_key, *signer_key;
    struct crypto_cert *ca, *signer;
    struct slice ca_pem, signer_pem; /* in arena; never change */
    struct slice fqdn;               /* of the machine that central runs on */
    struct arena arena;
    struct snapshot *now;
    /* The highest that machines run, set by the loop: after a backup was restored they may be ahead, and take
     * nothing that is older. */
    _Atomic uint64_t heard_number, heard_serial;
};
/* What is wrong with a request. */
struct refusal {
    unsigned status; /* HTTP; 0: nothing is wrong */
    const char *id;
    char text[CENTRAL_ERROR];
};
__attribute__((format(printf, 4, 5))) int refuse(struct refusal *r, unsigned status, const char *id,
                                                 const char *fmt, ...);
int refuse_store(struct refusal *r, const struct vault *v, int error);

int vault_open(const char *folder, struct vault *v, char *error);
void vault_fini(struct vault *v);
/* Takes over m, whose serial it sets. */
int vault_set_material(struct vault *v, struct material *m, struct refusal *why);
int vault_set_dns(struct vault *v, struct slice json, struct refusal *why);
int dns_settings_parse(struct slice json, struct arena *a, struct central_dns *ret);
int vault_rotate_keys(struct vault *v, struct refusal *why);
/* The same material under a serial above those that machines have, when one of them is ahead. */
int vault_raise_material(struct vault *v, struct refusal *why);

struct publication {
    const struct json_value *doc;
    struct slice author, comment;
    bool accept_warnings;
    bool drop_draft; /* in the same transaction */
};
/* On success v->now is the new revision. Findings hold warnings, or what was refused. */
int vault_publish(struct vault *v, const struct publication *p, struct findings *f, struct refusal *why);
/* The checks of a document that parses, with those that central adds. */
int vault_check(const struct vault *v, const struct json_value *doc, struct topology **ret,
                struct findings *f);
/* Content of a stored revision (0: the newest) as tree. */
int vault_revision(struct vault *v, uint64_t number, struct arena *a, struct revision **ret,
                   struct json_value **ret_doc, struct refusal *why);

/* A certificate for a machine of the newest topology, with the names that this gives it, for so many days. */
int vault_issue(struct vault *v, struct slice fqdn, struct slice request, int days, struct buf *out_pem,
                struct refusal *why);
/* The same for any machine of the topology, foreign ones too, and kept nowhere. */
int vault_sign(struct vault *v, struct slice fqdn, struct slice request, int days, struct crypto_cert **ret,
               struct refusal *why);
/* A joining bundle. */
int vault_bundle(struct vault *v, struct slice fqdn, struct buf *out, struct refusal *why);
/* Material as this machine needs it, sealed to its certificate. Any thread. */
int snapshot_seal(const struct snapshot *s, struct slice fqdn, const struct crypto_cert *to, struct buf *out);

/* The draft, or the newest revision where there is none (version 0). */
struct draft {
    struct json_value *doc;
    uint64_t version, base;
    struct slice author; /* of the last change; none without a draft */
    int64_t time_ms;
};
int draft_load(struct vault *v, struct arena *a, struct draft *ret, struct refusal *why);
int draft_store(struct vault *v, const struct json_value *doc, uint64_t expected, uint64_t base,
                struct slice author, uint64_t *ret_version, struct refusal *why);
/* YAML that somebody typed, with its comments: kept beside the draft. draft_text gives it back as long as it
 * means this document, and false afterwards. */
void draft_note_text(struct vault *v, struct slice text);
bool draft_text(struct vault *v, const struct json_value *doc, struct arena *a, struct slice *ret);
/* A document as YAML or JSON text: syntax alone. */
int document_parse(struct slice text, struct arena *a, struct json_value **ret, struct refusal *why);

/* --- certificates.c: what is kept of external certificates beside the material --- */
/* Texts live in an arena that is wiped with kept_fini. */
struct kept {
    struct arena arena;
    struct json_value *doc;
    struct slice cert_pem, key_pem;
    struct slice key_id, key_pool; /* in place of key_pem: on machines that may have keys of that pool */
    int64_t added_ms;
};
void kept_fini(struct kept *k);
int kept_load(struct vault *v, struct slice name, struct kept *ret, struct refusal *why);
/* Certificate and key of k. */
int kept_store(struct vault *v, struct slice name, const struct kept *k, struct refusal *why);
int kept_remove(struct vault *v, struct slice name, struct refusal *why);
/* A request of an owner (pool or machine), whose key a machine keeps; the newest first, CENTRAL_MAX_PENDING
 * of them. */
struct pending_key {
    struct slice key_id, key_pool, machine; /* of old ones none: the key itself waits here */
    int64_t made_ms;
};
int pending_add(struct vault *v, struct slice owner, const struct pending_key *k, struct slice request,
                struct refusal *why);
/* The pending key to which this certificate file belongs: ret->key, or id and pool of one that a machine
 * keeps, in arena a; -ENOKEY. */
int pending_match(struct vault *v, struct slice owner, struct slice text, struct arena *a,
                  struct crypto_file *ret, struct pending_key *ret_key);
int pending_drop(struct vault *v, struct slice pool, const struct crypto_cert *cert);
/* Newest first; how many. */
size_t pending_list(struct vault *v, struct slice owner, struct arena *a,
                    struct pending_key ret[CENTRAL_MAX_PENDING]);
/* A certificate becomes that of a use of a pool (or of one of its machines), at its time where the use has an
 * overlap.
 */
int certificate_assign(struct vault *v, struct slice owner, enum certificate_use use,
                       const struct certificate_takeover *t, const struct kept *k, struct refusal *why);

/* --- tasks: work on the store's thread, done on the loop --- */
struct task {
    struct job job;
    struct central *c;
    void (*work)(struct task *t, struct vault *v);
    void (*done)(struct task *t, bool closed); /* frees the task; closed: touch no caller */
    struct snapshot *now;                      /* private: what the work left */
};
void task_run(struct central *c, struct task *t);

/* --- the loop's side --- */
/* What a machine runs: numbers and serials go on above it. */
void central_note_heard(struct central *c, uint64_t number, uint64_t serial);
/* As whom central calls machines: key and certificate of the machine that it runs on, whose replica renews
 * them. On push threads. */
enum { IDENTITY_FILES = 3 };
struct identity {
    pthread_mutex_t lock;
    unsigned char seen[IDENTITY_FILES][32]; /* SHA-256 of the files that tls was made of */
    struct tls_ctx *tls;
};
void identity_init(struct identity *id);
void identity_fini(struct identity *id);
/* Of the files as they are now: one reference. */
int identity_take(struct identity *id, const char *folder, struct tls_ctx **ret);

struct central {
    struct loop *loop;
    struct helpers *store_thread, *push_threads, *ask_threads;
    struct helpers *talk_threads; /* ask.c */
    struct list asking;
    struct vault vault;
    struct snapshot *now;
    struct list pushers;
    struct identity identity;
    struct timer keys_timer;
    bool rotating, raising;
    unsigned refs; /* tasks and pushes under way, and the owner */
    bool closed;
    _Atomic bool stopping; /* for pushes under way */
};
void central_unref(struct central *c);
/* Who waits for answers of machines is answered now. */
void central_ask_end(struct central *c);
/* Why a machine did not answer: "name", "route", "trust", "clock", "other". */
const char *machine_no_answer(const struct http_result *r);

/* One exchange with a machine (push.c); everything it needs is its own. Its work is done on a push thread. */
struct push {
    struct job job;
    struct pusher *p;
    struct snapshot *snap;
    char *certificate;           /* PEM to be delivered, or NULL */
    struct crypto_cert *seal_to; /* NULL: no revision in this one */
    struct net_addr to, from;
    bool renew, fresh;
    char *key;                        /* base64, sealed by its holder; or NULL */
    char key_id[MATERIAL_KEY_ID + 1]; /* of it */
    int error;                        /* it could not be sent at all */
    struct http_result result;
};
void push_work(struct job *j);
void push_free(struct push *q);

struct pusher {
    struct list link;
    struct central *c;
    char *fqdn;
    struct net_addr address, heard_address; /* of the newest topology; where it last answered */
    bool try_heard;
    struct timer timer;
    bool busy, again, removed, known, names_ok, issuing, was_current;
    bool renew; /* it is to be asked for a new key */
    bool fresh; /* the next push makes a connection: somebody wants to know whether it can be made */
    struct http_client *client; /* one push at a time uses it, on its thread */
    uint64_t acknowledged, material;
    char hash[65];
    struct crypto_cert *cert; /* what it uses: material is sealed to it */
    struct buf cert_text;
    struct push_list holds, lacks; /* ids of keys, in state_arena */
    bool fetching;                 /* a holder is asked for a key that this machine lacks */
    char *key;                     /* what the holder sealed, to go with the next push */
    char key_id[MATERIAL_KEY_ID + 1];
    char *pending; /* PEM of a certificate that it waits for */
    unsigned backoff_ms;
    int64_t heard_ms, clock_apart_ms;
    struct buf why;
    struct arena state_arena;
    const struct json_value *state;
};
/* After a change of the snapshot: pushers for the machines that there are, and a push where something is new.
 */
void pushers_update(struct central *c);
void pushers_poll(struct central *c);
/* Has a machine make a new internal key now; false: there is no such machine. */
bool pushers_renew(struct central *c, struct slice fqdn);
void pushers_free(struct central *c);
struct pusher *pusher_find(struct central *c, struct slice fqdn);
bool pusher_holds(const struct pusher *p, struct slice key_id);
/* It has made a key, and says so with its next answer. */
void pusher_note_key(struct pusher *p, struct slice key_id);
/* What a holder sealed for p (base64), or why there is nothing. */
void pusher_key_came(struct pusher *p, struct slice id, struct slice sealed, struct slice trouble);

/* --- key_ask.c: what machines are asked to do with the keys that they keep --- */
struct key_target {
    struct slice fqdn;
    struct net_addr to;
    struct crypto_cert *cert;
};
/* One question, put to one machine after the other until one does it. */
struct key_ask {
    struct job job;
    struct central *c;
    struct arena a;
    const char *path;
    struct key_request q;
    struct slice passphrase; /* sealed to each machine that is asked */
    struct net_addr from;
    struct key_target targets[CENTRAL_KEY_ASKED];
    size_t n;
    bool good;
    struct slice by; /* who did it */
    struct key_answer w;
    struct buf trouble; /* "FQDN: sentence; …" of those that did not */
    void (*done)(struct key_ask *k);
    void *arg;
};
struct key_ask *key_ask_new(struct central *c, const char *path, void (*done)(struct key_ask *k), void *arg);
void key_ask_add(struct key_ask *k, const struct pusher *p);
/* Machines other than p that say that they hold the key. */
void key_ask_holders(struct key_ask *k, const struct pusher *p, struct slice key_id);
/* Calls done on the loop, once; it is freed afterwards. -EAGAIN: freed, done is not called. */
int key_ask_run(struct key_ask *k);
/* Has a holder seal a key for p; false: there is no holder, or too much waits. */
bool key_fetch(struct pusher *p, struct slice id);
bool pusher_current(const struct pusher *p);

/* --- the API --- */
enum {
    QUERY_REVISION,
    QUERY_FORMAT,
    QUERY_PATH,
    QUERY_FROM,
    QUERY_TO,
    QUERY_OWNER,
    QUERY_SIDE,
    QUERY_MACHINE,
    QUERY_POOL,
    QUERY_STATIC,
    QUERY_DRAFT,
    QUERY_USE,
    QUERY_N
};
struct api_call {
    struct task task;
    const struct api_route *route;
    int (*ask)(struct api_call *q, const struct snapshot *s);
    struct http_request *rq;
    struct arena a;
    struct slice body;
    struct json_value *in; /* the body of a POST; never NULL there */
    struct slice query[QUERY_N];
    struct json_value *out;
    struct json_value *theirs; /* with a refusal: whose change came first */
    struct key_errand *errand; /* what a machine is asked for afterwards; NULL: nothing */
    bool staged;               /* the route's `loop` was called */
    bool secret_answer;        /* out is its own, and wiped */
    struct snapshot *draft;    /* of ?draft=1, on its way to `ask` */
    struct refusal why;
    struct findings findings;
};
/* Its work on a thread that may wait for others (name servers); answered afterwards. For a route's `loop`.
 * With ?draft=1 the snapshot has the draft's topology. */
typedef int api_ask_fn(struct api_call *q, const struct snapshot *s);
enum { API_LATER = 1 };
int api_ask(struct api_call *q, struct central *c, api_ask_fn *ask); /* API_LATER, or negative: refused */
struct api_route {
    const char *method, *path;
    int (*store)(struct api_call *q, struct vault *v);  /* on the store's thread; or, or then … */
    int (*loop)(struct api_call *q, struct central *c); /* … on the loop; API_LATER: it is answered later */
    const char *help;
};
/* Answers and frees, on the loop. */
void api_finish(struct api_call *q, bool closed);
/* More work on the store's thread; answered afterwards. */
void api_then(struct api_call *q, struct central *c, void (*work)(struct task *t, struct vault *v));
/* What is wanted of a key that machines keep; in the call's arena. */
struct key_errand {
    struct slice owner, pool, machine, kind;
    struct push_list names;
    struct slice key_id, cert_pem; /* of an export */
    struct slice request;
};
extern const struct api_route api_topology_routes[], api_secret_routes[], api_machine_routes[],
    api_certificate_routes[], api_network_routes[], api_dns_routes[], api_revocation_routes[];
extern const size_t api_n_topology_routes, api_n_secret_routes, api_n_machine_routes,
    api_n_certificate_routes, api_n_network_routes, api_n_dns_routes, api_n_revocation_routes;
/* All routes, one after the other; NULL at the end. */
const struct api_route *api_route_next(size_t *cursor);
/* Names, dates, fingerprint; pool may be empty. */
void api_put_certificate(struct api_call *q, struct json_value *o, struct slice pool,
                         const struct crypto_cert *cert);
/* Calls `each` with every certificate of a PEM text. */
void api_each_certificate(struct slice pem,
                          void (*each)(struct api_call *q, void *arg, const struct crypto_cert *cert),
                          struct api_call *q, void *arg);
/* SHA-256 of it, in hex. */
struct slice api_certificate_fingerprint(struct api_call *q, const struct crypto_cert *cert);
/* The draft, or what is published where there is none; NULL: it does not parse. */
struct topology *api_draft_topology(struct api_call *q, struct vault *v);
/* Where a certificate is in use, as "POOL USE": by its text, since assigning copies it. */
struct json_value *api_certificate_uses(struct api_call *q, const struct material *m, struct slice cert_pem);
int api_certificate_list(struct api_call *q, struct vault *v);
int api_certificate_required(struct api_call *q, struct vault *v);
int api_certificate_request(struct api_call *q, struct vault *v);
int api_certificate_sign(struct api_call *q, struct vault *v);
int api_certificate_export(struct api_call *q, struct vault *v);
/* What follows on the loop (api_keys.c): who holds the keys, the key made, the file written by a holder. */
int api_keys_held_by(struct api_call *q, struct central *c);
int api_keys_make(struct api_call *q, struct central *c);
int api_keys_export(struct api_call *q, struct central *c);
/* The Edge pool of that name, or the one of an Edge machine: what its external names come from. NULL: none.
 */
const struct topology_edge_pool *api_certificate_pool(const struct topology *t, struct slice owner);
/* What a use of an owner wants, by the published topology, else by the draft; negative: refused. */
int api_certificate_need(struct api_call *q, struct vault *v, struct slice owner, enum certificate_use use,
                         struct certificate_need *ret);
/* "use" of the body, of those that pools have; access-external where there is none. Negative: refused. */
int api_certificate_use(struct api_call *q, enum certificate_use *ret);
int api_unknown_pool(struct api_call *q, const struct topology *t, struct slice owner);
/* Refuses a name of a use, and says which there are. */
int api_unknown_use(struct api_call *q, struct slice name);
/* An unsigned number of a query or member; -EINVAL after a refusal. */
int api_number(struct api_call *q, struct slice text, uint64_t otherwise, uint64_t *ret);
