/* External certificates that are kept by name, and requests that wait for theirs. Blobs of the store, secret.
 */
#include "service/central/priv.h"

#include "ground/base/mem.h"
#include "ground/base/text.h"

#include <errno.h>

#define KIND_KEPT "certificate"
#define KIND_PENDING "pending"

static void secret_buf_fini(struct buf *b)
{
    if (b->mem)
        mem_wipe(b->mem, b->cap);
    buf_fini(b);
}

/* --- kept by name --- */
static bool name_fits(struct slice name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                     c == '_' || (c == '.' && i > 0);
        if (!plain)
            return false;
    }
    return name.n > 0 && name.n <= CENTRAL_NAME_MAX;
}

void kept_fini(struct kept *k)
{
    material_wipe_json(k->doc);
    arena_fini(&k->arena);
}

int kept_load(struct vault *v, struct slice name, struct kept *ret, struct refusal *why)
{
    struct buf text = {0};
    struct kept k = {0};
    struct json_error error;
    int r = store_blob_get(v->store, KIND_KEPT, name, &text);
    if (r == -ENOENT)
        r = refuse(why, 404, "certificate.unknown-name",
                   "No certificate is kept as '" SLICE_FMT "': entente cert list shows those that are.",
                   SLICE_ARG(slice_head(name, CENTRAL_NAME_MAX)));
    else if (r < 0)
        refuse_store(why, v, r);
    else if (json_parse(buf_slice(&text), &k.arena, &k.doc, &error) < 0)
        r = refuse(why, 500, "certificate.damaged", "The certificate in the store is damaged.");
    secret_buf_fini(&text);
    if (r < 0) {
        kept_fini(&k);
        return r;
    }
    k.cert_pem = json_get_string(k.doc, "cert");
    k.key_pem = json_get_string(k.doc, "key");
    k.key_id = json_get_string(k.doc, "key_id");
    k.key_pool = json_get_string(k.doc, "key_pool");
    k.added_ms = json_get_int(k.doc, "added_ms", 0);
    *ret = k;
    return 0;
}

static int kept_room(struct vault *v, struct slice name, struct refusal *why)
{
    struct arena a = {0};
    struct slice *names;
    size_t n;
    bool there = false;
    int r = store_blob_list(v->store, KIND_KEPT, &a, &names, &n);
    for (size_t i = 0; r == 0 && i < n; i++)
        there = there || slice_eq(names[i], name);
    arena_fini(&a);
    if (r < 0)
        return refuse_store(why, v, r);
    if (there)
        return refuse(why, 409, "certificate.name-taken",
                      "A certificate is kept as '" SLICE_FMT "' already: choose another name, or remove it.",
                      SLICE_ARG(name));
    if (n >= CENTRAL_MAX_KEPT)
        return refuse(why, 409, "certificate.too-many", "%d certificates are kept already.",
                      CENTRAL_MAX_KEPT);
    return 0;
}

int kept_store(struct vault *v, struct slice name, const struct kept *k, struct refusal *why)
{
    struct buf text = {0};
    if (!name_fits(name))
        return refuse(why, 422, "certificate.bad-name",
                      "A name has 1 to %d letters, digits, '-', '_' and '.'.", CENTRAL_NAME_MAX);
    int r = kept_room(v, name, why);
    if (r < 0)
        return r;
    buf_append(&text, SLICE("{\"cert\":"));
    json_write_string(k->cert_pem, &text);
    buf_append(&text, SLICE(",\"key\":"));
    json_write_string(k->key_pem, &text);
    buf_append(&text, SLICE(",\"key_id\":"));
    json_write_string(k->key_id, &text);
    buf_append(&text, SLICE(",\"key_pool\":"));
    json_write_string(k->key_pool, &text);
    buf_printf(&text, ",\"added_ms\":%lld}", (long long)loop_wall());
    r = store_blob_put(v->store, KIND_KEPT, name, buf_slice(&text));
    secret_buf_fini(&text);
    return r < 0 ? refuse_store(why, v, r) : 0;
}

int kept_remove(struct vault *v, struct slice name, struct refusal *why)
{
    int r = store_blob_put(v->store, KIND_KEPT, name, SLICE_NONE);
    return r < 0 ? refuse_store(why, v, r) : 0;
}

/* --- keys that wait --- */
struct pending {
    struct arena arena;
    struct json_value *list;
};

static void pending_fini(struct pending *p)
{
    material_wipe_json(p->list);
    arena_fini(&p->arena);
}

static void pending_load(struct vault *v, struct slice pool, struct pending *p)
{
    struct buf text = {0};
    struct json_error error;
    *p = (struct pending){0};
    if (store_blob_get(v->store, KIND_PENDING, pool, &text) < 0 ||
        json_parse(buf_slice(&text), &p->arena, &p->list, &error) < 0 || p->list->kind != JSON_ARRAY)
        p->list = json_array(&p->arena);
    secret_buf_fini(&text);
}

static int pending_save(struct vault *v, struct slice pool, const struct json_value *list)
{
    struct buf text = {0};
    json_write(list, false, &text);
    int r = store_blob_put(v->store, KIND_PENDING, pool, json_count(list) ? buf_slice(&text) : SLICE_NONE);
    secret_buf_fini(&text);
    return r;
}

int pending_add(struct vault *v, struct slice pool, const struct pending_key *k, struct slice request,
                struct refusal *why)
{
    struct pending p;
    pending_load(v, pool, &p);
    struct json_value *list = json_array(&p.arena), *o = json_object(&p.arena);
    json_set_string(&p.arena, o, "key_id", k->key_id);
    json_set_string(&p.arena, o, "key_pool", k->key_pool);
    json_set_string(&p.arena, o, "machine", k->machine);
    json_set_string(&p.arena, o, "request", request);
    json_set_int(&p.arena, o, "made_ms", loop_wall());
    json_push(&p.arena, list, o);
    for (size_t i = 0; i < json_count(p.list) && i + 1 < CENTRAL_MAX_PENDING; i++)
        json_push(&p.arena, list, (struct json_value *)(uintptr_t)json_at(p.list, i));
    int r = pending_save(v, pool, list);
    material_wipe_json(list);
    pending_fini(&p);
    return r < 0 ? refuse_store(why, v, r) : 0;
}

static struct pending_key pending_read(const struct json_value *o, struct arena *a)
{
    return (struct pending_key){.key_id = arena_copy(a, json_get_string(o, "key_id")),
                                .key_pool = arena_copy(a, json_get_string(o, "key_pool")),
                                .machine = arena_copy(a, json_get_string(o, "machine")),
                                .made_ms = json_get_int(o, "made_ms", 0)};
}

static bool has_key_id(const struct crypto_cert *cert, struct slice id)
{
    unsigned char have[MATERIAL_KEY_ID / 2], want[MATERIAL_KEY_ID / 2];
    crypto_cert_key_id(cert, have);
    return text_unhex(id, want, sizeof(want)) == (ssize_t)sizeof(want) &&
           memcmp(have, want, sizeof(have)) == 0;
}

/* Of a request whose key is here, as older versions made them. */
static int match_key(struct slice key_pem, struct slice text, struct crypto_file *f)
{
    struct crypto_key *key = NULL;
    if (crypto_key_parse(key_pem, &key) < 0)
        return -ENOKEY;
    int r = crypto_file_parse(text, SLICE_NONE, key, f);
    if (r < 0) {
        crypto_key_unref(key);
        return r;
    }
    crypto_key_unref(f->key);
    f->key = key;
    return 0;
}

static int match_id(struct slice id, struct slice text, struct crypto_file *f)
{
    int r = crypto_file_parse(text, SLICE_NONE, NULL, f);
    if (r < 0 || has_key_id(f->cert, id))
        return r;
    crypto_file_fini(f);
    return -ENOKEY;
}

int pending_match(struct vault *v, struct slice owner, struct slice text, struct arena *a,
                  struct crypto_file *ret, struct pending_key *ret_key)
{
    struct pending p;
    struct crypto_file f = {0};
    int r = -ENOKEY;
    pending_load(v, owner, &p);
    for (size_t i = 0; r == -ENOKEY && i < json_count(p.list); i++) {
        const struct pending_key k = pending_read(json_at(p.list, i), a);
        r = k.key_id.n ? match_id(k.key_id, text, &f)
                       : match_key(json_get_string(json_at(p.list, i), "key"), text, &f);
        if (r < 0)
            continue;
        *ret = f;
        *ret_key = k;
    }
    pending_fini(&p);
    return r;
}

static bool belongs(const struct json_value *o, const struct crypto_cert *cert)
{
    struct slice id = json_get_string(o, "key_id");
    struct crypto_key *key = NULL;
    if (id.n)
        return has_key_id(cert, id);
    bool its = crypto_key_parse(json_get_string(o, "key"), &key) == 0 && crypto_cert_matches(cert, key) == 0;
    crypto_key_unref(key);
    return its;
}

int pending_drop(struct vault *v, struct slice pool, const struct crypto_cert *cert)
{
    struct pending p;
    pending_load(v, pool, &p);
    struct json_value *left = json_array(&p.arena);
    for (size_t i = 0; i < json_count(p.list); i++)
        if (!belongs(json_at(p.list, i), cert))
            json_push(&p.arena, left, (struct json_value *)(uintptr_t)json_at(p.list, i));
    int r = json_count(left) == json_count(p.list) ? 0 : pending_save(v, pool, left);
    pending_fini(&p);
    return r;
}

size_t pending_list(struct vault *v, struct slice owner, struct arena *a,
                    struct pending_key ret[CENTRAL_MAX_PENDING])
{
    struct pending p;
    size_t n = 0;
    pending_load(v, owner, &p);
    for (; n < json_count(p.list) && n < CENTRAL_MAX_PENDING; n++)
        ret[n] = pending_read(json_at(p.list, n), a);
    pending_fini(&p);
    return n;
}

/* --- assigning --- */
int certificate_assign(struct vault *v, struct slice owner, enum certificate_use use,
                       const struct certificate_takeover *t, const struct kept *k, struct refusal *why)
{
    struct material *m = material_copy(v->now->material);
    const struct material_use fresh = {.pool = owner,
                                       .use = slice_str(certificate_uses[use].name),
                                       .cert_pem = k->cert_pem,
                                       .key_pem = k->key_pem,
                                       .key_id = k->key_id,
                                       .from_ms = t->from_ms};
    const struct material_cert access = {owner, k->cert_pem, k->key_pem, k->key_id};
    int r = use == CERTIFICATE_ACCESS_EXTERNAL ? material_cert_put(m, &access)
                                               : material_use_set(m, &fresh, t->now_ms, t->until_ms);
    if (r < 0) {
        material_unref(m);
        return refuse(why, 409, "certificate.too-many", "There are %d certificates in use already.",
                      use == CERTIFICATE_ACCESS_EXTERNAL ? MATERIAL_MAX_CERTS : MATERIAL_MAX_USES);
    }
    return vault_set_material(v, m, why);
}
