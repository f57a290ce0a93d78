/* The keys of external certificates that are kept on this machine, one file each. */
#include "service/replica/priv.h"

#include "ground/base/mem.h"
#include "ground/base/text.h"
#include "ground/log/log.h"
#include "kept/topology/edges.h"

#include <errno.h>

#define KEY_SUFFIX ".key"

static void secret_fini(struct buf *b)
{
    if (b->mem)
        mem_wipe(b->mem, b->cap);
    buf_fini(b);
}

static char *keys_folder(const char *folder)
{
    struct buf b = {0};
    buf_printf(&b, "%s/" FOLDER_KEYS, folder);
    return buf_take(&b);
}

/* Only what we name ourselves becomes part of a path. */
static bool is_id(struct slice id)
{
    for (size_t i = 0; i < id.n; i++)
        if (text_hexval(id.p[i]) < 0 || (id.p[i] >= 'A' && id.p[i] <= 'F'))
            return false;
    return id.n == MATERIAL_KEY_ID;
}

static char *file_of(struct slice id)
{
    struct buf b = {0};
    buf_printf(&b, SLICE_FMT KEY_SUFFIX, SLICE_ARG(id));
    return buf_take(&b);
}

static void id_of(const struct crypto_key *k, char id[MATERIAL_KEY_ID + 1])
{
    unsigned char digest[MATERIAL_KEY_ID / 2];
    struct buf hex = {0};
    crypto_key_id(k, digest);
    text_hex(&hex, digest, sizeof(digest));
    memcpy(id, buf_slice(&hex).p, MATERIAL_KEY_ID);
    id[MATERIAL_KEY_ID] = 0;
    buf_fini(&hex);
}

int keys_put(const char *folder, struct slice pool, const struct crypto_key *k, char id[MATERIAL_KEY_ID + 1])
{
    struct buf text = {0};
    id_of(k, id);
    buf_printf(&text, SLICE_FMT "\n", SLICE_ARG(pool));
    crypto_key_write(k, &text);
    char *at = keys_folder(folder), *name = file_of(slice_str(id));
    int r = files_folder_make(at);
    if (r == 0)
        r = files_write(at, name, buf_slice(&text));
    mem_free(at);
    mem_free(name);
    secret_fini(&text);
    return r;
}

int keys_parse(struct slice text, struct slice *ret_pool, struct crypto_key **ret)
{
    struct slice pool, rest;
    if (!slice_cut(text, '\n', &pool, &rest) || !pool.n || crypto_key_parse(rest, ret) < 0)
        return -EBADMSG;
    *ret_pool = pool;
    return 0;
}

int keys_get(const char *folder, struct slice id, struct buf *text, struct slice *ret_pool,
             struct crypto_key **ret)
{
    if (!is_id(id))
        return -ENOENT;
    char *at = keys_folder(folder), *name = file_of(id);
    int r = files_read(at, name, text);
    mem_free(at);
    mem_free(name);
    return r < 0 ? r : keys_parse(buf_slice(text), ret_pool, ret);
}

/* --- which there are --- */
struct key_names *keys_held(const char *folder)
{
    struct key_names *k = MEM_NEW(struct key_names);
    char *at = keys_folder(folder);
    size_t n = files_list(at, KEY_SUFFIX, KEYS_MAX, &k->arena, &k->items);
    for (size_t i = 0; i < n; i++)
        if (is_id(k->items[i]))
            k->items[k->n++] = k->items[i];
    mem_free(at);
    return k;
}

struct key_names *keys_lacking(const struct material *m)
{
    struct key_names *k = MEM_NEW(struct key_names);
    k->items = ARENA_ARRAY(&k->arena, struct slice, m->n_lacks ? m->n_lacks : 1);
    for (size_t i = 0; i < m->n_lacks; i++)
        k->items[k->n++] = arena_copy(&k->arena, m->lacks[i]);
    return k;
}

void keys_free(struct key_names *k)
{
    if (!k)
        return;
    arena_fini(&k->arena);
    mem_free(k);
}

/* --- what the material wants --- */
static bool key_source(void *arg, struct slice id, struct buf *out)
{
    struct buf text = {0};
    struct slice pool = SLICE_NONE;
    struct crypto_key *k = NULL;
    bool there = keys_get(arg, id, &text, &pool, &k) == 0;
    if (there)
        crypto_key_write(k, out);
    crypto_key_unref(k);
    secret_fini(&text);
    return there;
}

void keys_fill(const char *folder, struct material *m, const struct material *before)
{
    material_fill_keys(m, before, key_source, (void *)(uintptr_t)folder);
}

void keys_prune(const char *folder, const struct topology *t, struct slice fqdn)
{
    struct key_names *held = keys_held(folder);
    char *at = keys_folder(folder);
    for (size_t i = 0; i < held->n; i++) {
        struct buf text = {0};
        struct slice pool = SLICE_NONE;
        struct crypto_key *k = NULL;
        if (keys_get(folder, held->items[i], &text, &pool, &k) == 0 && !edge_may_have_keys(t, fqdn, pool)) {
            char *name = file_of(held->items[i]);
            log_event(LOG_INFO, "replica.key-removed", FIELDS({"key", held->items[i]}, {"pool", pool}),
                      "this machine has no part in the pool any more");
            (void)files_remove(at, name); /* stays where that fails: tried again with the next revision */
            mem_free(name);
        }
        crypto_key_unref(k);
        secret_fini(&text);
    }
    mem_free(at);
    keys_free(held);
}

/* --- what a push brings --- */
static bool is_lacking(const struct replica *r, const char *id)
{
    for (size_t i = 0; r->lacks && i < r->lacks->n; i++)
        if (slice_eq(r->lacks->items[i], slice_str(id)))
            return true;
    return false;
}

/* Whoever sealed it: that it has the id which the material names proves that it is the certificate's key. */
static int take_key(struct exchange *e, struct slice base64)
{
    const struct replica_identity *id = e->id ? e->id : e->r->id;
    struct buf text = {0};
    struct arena a = {0};
    struct slice pool = SLICE_NONE;
    struct crypto_key *k = NULL;
    char name[MATERIAL_KEY_ID + 1];
    char *sealed = arena_alloc(&a, base64.n + 1);
    ssize_t n = text_unbase64(base64, sealed, base64.n + 1);
    int r = n < 0 ? -EBADMSG : crypto_unseal(id->key, id->cert, slice_mem(sealed, (size_t)n), &text);
    if (r == 0)
        r = keys_parse(buf_slice(&text), &pool, &k);
    if (r == 0)
        id_of(k, name);
    if (r < 0)
        exchange_refuse(e, "replica.key-unseal", "A key that came is not sealed to this machine's key.");
    else if (!is_lacking(e->r, name))
        r = exchange_refuse(e, "replica.key-unseal", "A key came that no certificate here asks for.");
    else if ((r = keys_put(e->r->folder, pool, k, name)) < 0)
        r = exchange_refuse(e, "replica.disk", "A key cannot be stored: %s.", strerror(-r));
    crypto_key_unref(k);
    secret_fini(&text);
    arena_fini(&a);
    return r;
}

int exchange_take_keys(struct exchange *e)
{
    int r = 0;
    for (size_t i = 0; i < e->q.keys.n && r == 0; i++)
        r = take_key(e, e->q.keys.items[i]);
    return r;
}
