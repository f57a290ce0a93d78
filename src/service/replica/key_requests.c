/* What central asks of the keys that are kept here: to make one, to seal one for another machine, to write
 * one into a file. Each request is a job of its own, with its own references: pushes go on meanwhile. */
#include "service/replica/priv.h"

#include "ground/base/mem.h"
#include "ground/crypto/inspect.h"
#include "ground/log/log.h"
#include "kept/topology/edges.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum { KEY_JOBS_MAX = 8, STATUS_OK = 200, STATUS_BAD = 400, STATUS_FORBIDDEN = 403, STATUS_CONFLICT = 409 };

struct key_job {
    struct job job;
    struct replica *r;
    struct http_request *rq;
    const struct key_path *path;
    struct key_request q;
    struct arena arena;
    struct slice fqdn;
    struct crypto_key *key;
    const struct crypto_cert *cert;
    struct crypto_trust *trust;
    struct topology *topology;
    struct buf out;    /* what the answer brings */
    struct slice whom; /* for the log */
    unsigned status;
    const char *error_id;
    char error_text[REPLICA_ERROR];
    struct key_names *holds;
};

struct key_path {
    const char *path;
    int (*work)(struct key_job *k);
    size_t member; /* of the answer */
    const char *event, *words;
};

__attribute__((format(printf, 4, 5))) static int refuse(struct key_job *k, unsigned status, const char *id,
                                                        const char *fmt, ...)
{
    va_list ap;
    k->status = status;
    k->error_id = id;
    va_start(ap, fmt);
    vsnprintf(k->error_text, sizeof(k->error_text), fmt, ap);
    va_end(ap);
    return -EPROTO;
}

static void secret_fini(struct buf *b)
{
    if (b->mem)
        mem_wipe(b->mem, b->cap);
    buf_fini(b);
}

/* --- the work, on a helper thread --- */
static int make(struct key_job *k)
{
    const struct crypto_request_names names = {.common_name = k->q.names.n ? k->q.names.items[0] : SLICE_NONE,
                                               .dns = k->q.names.items,
                                               .n_dns = k->q.names.n};
    enum crypto_key_kind kind;
    char id[MATERIAL_KEY_ID + 1];
    if (!edge_may_have_keys(k->topology, k->fqdn, k->q.pool))
        return refuse(k, STATUS_FORBIDDEN, "replica.key-pool",
                      "By the revision here this machine has no part in '" SLICE_FMT "'.",
                      SLICE_ARG(slice_head(k->q.pool, 255)));
    struct key_names *held = keys_held(k->r->folder);
    size_t n = held->n;
    keys_free(held);
    if (n >= KEYS_MAX)
        return refuse(k, STATUS_CONFLICT, "replica.keys-full",
                      "%d keys are kept here: remove files of " FOLDER_KEYS "/ that no certificate uses.",
                      KEYS_MAX);
    if (crypto_key_kind_find(k->q.kind, &kind) < 0)
        return refuse(k, STATUS_BAD, "replica.key-request", "There is no such kind of key.");
    struct crypto_key *key = crypto_key_new_kind(kind);
    int r = crypto_request_new(key, &names, &k->out);
    if (r < 0)
        refuse(k, STATUS_BAD, "replica.key-request", "The request cannot be made: %s.", crypto_error());
    else if ((r = keys_put(k->r->folder, k->q.pool, key, id)) < 0)
        refuse(k, STATUS_CONFLICT, "replica.disk", "The key cannot be stored: %s.", strerror(-r));
    else
        k->q.id = arena_copy(&k->arena, slice_str(id));
    crypto_key_unref(key);
    k->whom = k->q.pool;
    return r;
}

static int find(struct key_job *k, struct buf *text, struct slice *pool, struct crypto_key **ret)
{
    int r = keys_get(k->r->folder, k->q.id, text, pool, ret);
    if (r == -ENOENT)
        return refuse(k, STATUS_CONFLICT, "replica.no-key", "The key is not here.");
    return r < 0
               ? refuse(k, STATUS_CONFLICT, "replica.disk", "The key here cannot be read: %s.", strerror(-r))
               : 0;
}

/* The machine whose certificate it is: its common name, which is left out where it is too long. */
static struct slice machine_of(const struct crypto_cert *c)
{
    const struct crypto_names *names = crypto_cert_names(c);
    return names->common_name.n ? names->common_name : names->n_dns ? names->dns[0] : SLICE_NONE;
}

static int seal(struct key_job *k)
{
    struct buf text = {0};
    struct slice pool = SLICE_NONE;
    struct crypto_key *key = NULL;
    struct crypto_cert *to = NULL;
    int r = find(k, &text, &pool, &key);
    if (r == 0 && (crypto_cert_parse(k->q.certificate, &to) < 0 || crypto_trust_verify(k->trust, to) < 0))
        r = refuse(k, STATUS_FORBIDDEN, "replica.key-recipient",
                   "The recipient's certificate is not from the internal authority: %s.", crypto_error());
    if (r == 0) {
        k->whom = arena_copy(&k->arena, machine_of(to));
        if (!edge_may_have_keys(k->topology, k->whom, pool))
            r = refuse(k, STATUS_FORBIDDEN, "replica.key-recipient",
                       "By the revision here '" SLICE_FMT "' is no machine of " SLICE_FMT
                       " or of a pool that adopts it.",
                       SLICE_ARG(k->whom), SLICE_ARG(pool));
    }
    if (r == 0 && crypto_seal(to, buf_slice(&text), &k->out) < 0)
        r = refuse(k, STATUS_CONFLICT, "replica.key-recipient", "It cannot be sealed: %s.", crypto_error());
    crypto_cert_unref(to);
    crypto_key_unref(key);
    secret_fini(&text);
    return r;
}

static int export_file(struct key_job *k)
{
    struct buf text = {0}, passphrase = {0};
    struct slice pool = SLICE_NONE;
    struct crypto_key *key = NULL;
    struct crypto_file f = {0};
    int r = find(k, &text, &pool, &key);
    if (r == 0 && (crypto_unseal(k->key, k->cert, k->q.passphrase, &passphrase) < 0 ||
                   crypto_file_parse(k->q.certificate, SLICE_NONE, key, &f) < 0))
        r = refuse(k, STATUS_BAD, "replica.key-request", "The request for the file cannot be read: %s.",
                   crypto_error());
    if (r == 0 && (k->q.old_windows ? crypto_p12_write_old
                                    : crypto_p12_write)(key, f.cert, buf_slice(&passphrase), &k->out) < 0)
        r = refuse(k, STATUS_CONFLICT, "replica.key-request", "The file cannot be made: %s.", crypto_error());
    crypto_file_fini(&f);
    crypto_key_unref(key);
    secret_fini(&passphrase);
    secret_fini(&text);
    return r;
}

static const struct key_path paths[] = {
    {PUSH_KEY_MAKE_PATH,   make,        offsetof(struct key_answer, request), "replica.key-made",
     "a key for an external certificate was made and stays here"},
    {PUSH_KEY_SEAL_PATH,   seal,        offsetof(struct key_answer, sealed),  "replica.key-sealed",
     "a key was sealed to another machine"                      },
    {PUSH_KEY_EXPORT_PATH, export_file, offsetof(struct key_answer, p12),     "replica.key-exported",
     "a key was written into a file under a passphrase"         },
};

/* --- its way --- */
static void key_work(struct job *j)
{
    struct key_job *k = (struct key_job *)j;
    k->path->work(k);
    k->holds = keys_held(k->r->folder);
}

static void key_respond(struct key_job *k)
{
    struct buf text = {0};
    struct key_answer w = {.error_id = slice_str(k->error_id), .error_text = slice_str(k->error_text)};
    if (!k->error_id)
        *(struct slice *)((char *)&w + k->path->member) = buf_slice(&k->out);
    key_answer_write(&w, &text);
    if (k->error_id)
        log_event(LOG_WARN, "replica.key-refused", FIELDS({"reason", slice_str(k->error_id)}), "%s",
                  k->error_text);
    else
        log_event(LOG_INFO, k->path->event, FIELDS({"key", k->q.id}, {"peer", k->whom}), "%s",
                  k->path->words);
    http_respond(k->rq, k->status, "application/json", buf_slice(&text));
    buf_fini(&text);
}

static void key_job_free(struct key_job *k)
{
    crypto_key_unref(k->key);
    crypto_cert_unref(k->cert);
    crypto_trust_unref(k->trust);
    topology_unref(k->topology);
    keys_free(k->holds);
    secret_fini(&k->out);
    arena_fini(&k->arena);
    mem_free(k);
}

static void key_done(struct job *j)
{
    struct key_job *k = (struct key_job *)j;
    struct replica *r = k->r;
    r->key_jobs--;
    keys_free(r->holds);
    r->holds = k->holds;
    k->holds = NULL;
    key_respond(k);
    key_job_free(k);
    replica_drop(r);
}

static void key_start(struct replica *r, struct key_job *k)
{
    k->fqdn = arena_copy(&k->arena, r->id->fqdn);
    k->key = crypto_key_ref(r->id->key);
    k->cert = crypto_cert_ref(r->id->cert);
    k->trust = crypto_trust_ref(r->id->trust);
    k->topology = topology_ref(r->topology);
    k->job.work = key_work;
    k->job.done = key_done;
    if (helpers_run(r->helpers, r->loop, &k->job) == 0) {
        r->key_jobs++;
        return;
    }
    refuse(k, STATUS_CONFLICT, "replica.busy", "Too much is waiting for the disk.");
    key_respond(k);
    key_job_free(k);
}

bool key_request_handle(struct replica *r, struct http_request *rq)
{
    const struct key_path *path = NULL;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        if (slice_eq(http_path(rq), slice_str(paths[i].path)) && slice_eq(http_method(rq), SLICE("POST")))
            path = &paths[i];
    if (!path)
        return false;
    struct key_job *k = MEM_NEW(struct key_job);
    k->r = r;
    k->rq = rq;
    k->path = path;
    k->status = STATUS_OK;
    int bad = 0;
    if (key_request_parse(http_body(rq), http_arena(rq), &k->q) < 0)
        bad = refuse(k, STATUS_BAD, "replica.key-request", "The request cannot be read.");
    else if (!r->topology)
        bad = refuse(k, STATUS_CONFLICT, "replica.no-revision", "There is no verified revision here yet.");
    else if (r->key_jobs >= KEY_JOBS_MAX)
        bad = refuse(k, STATUS_CONFLICT, "replica.busy", "Other requests for keys are under way.");
    if (bad < 0) {
        key_respond(k);
        key_job_free(k);
        return true;
    }
    key_start(r, k);
    return true;
}
