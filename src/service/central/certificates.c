/* External certificates that are kept by name, and keys that wait for theirs. Blobs of the store, secret. */
#include "service/central/priv.h"

#include "ground/base/mem.h"

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

int kept_store(struct vault *v, struct slice name, struct slice cert_pem, struct slice key_pem,
               struct refusal *why)
{
    struct buf text = {0};
    if (!name_fits(name))
        return refuse(why, 422, "certificate.bad-name",
                      "A name has 1 to %d letters, digits, '-', '_' and '.'.", CENTRAL_NAME_MAX);
    int r = kept_room(v, name, why);
    if (r < 0)
        return r;
    buf_append(&text, SLICE("{\"cert\":"));
    json_write_string(cert_pem, &text);
    buf_append(&text, SLICE(",\"key\":"));
    json_write_string(key_pem, &text);
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

int pending_add(struct vault *v, struct slice pool, struct slice key_pem, struct slice request,
                struct refusal *why)
{
    struct pending p;
    pending_load(v, pool, &p);
    struct json_value *list = json_array(&p.arena), *o = json_object(&p.arena);
    json_set_string(&p.arena, o, "key", key_pem);
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

int pending_match(struct vault *v, struct slice pool, struct slice text, struct crypto_file *ret)
{
    struct pending p;
    struct crypto_file f = {0};
    int r = -ENOKEY;
    pending_load(v, pool, &p);
    for (size_t i = 0; r == -ENOKEY && i < json_count(p.list); i++) {
        struct crypto_key *key = NULL;
        if (crypto_key_parse(json_get_string(json_at(p.list, i), "key"), &key) < 0)
            continue;
        r = crypto_file_parse(text, SLICE_NONE, key, &f);
        if (r < 0) {
            crypto_key_unref(key);
            continue;
        }
        crypto_key_unref(f.key);
        f.key = key;
        *ret = f;
    }
    pending_fini(&p);
    return r;
}

int pending_drop(struct vault *v, struct slice pool, const struct crypto_cert *cert)
{
    struct pending p;
    pending_load(v, pool, &p);
    struct json_value *left = json_array(&p.arena);
    for (size_t i = 0; i < json_count(p.list); i++) {
        struct json_value *o = (struct json_value *)(uintptr_t)json_at(p.list, i);
        struct crypto_key *key = NULL;
        bool its =
            crypto_key_parse(json_get_string(o, "key"), &key) == 0 && crypto_cert_matches(cert, key) == 0;
        crypto_key_unref(key);
        if (!its)
            json_push(&p.arena, left, o);
    }
    int r = json_count(left) == json_count(p.list) ? 0 : pending_save(v, pool, left);
    pending_fini(&p);
    return r;
}

size_t pending_times(struct vault *v, struct slice pool, int64_t times[CENTRAL_MAX_PENDING])
{
    struct pending p;
    size_t n = 0;
    pending_load(v, pool, &p);
    for (; n < json_count(p.list) && n < CENTRAL_MAX_PENDING; n++)
        times[n] = json_get_int(json_at(p.list, n), "made_ms", 0);
    pending_fini(&p);
    return n;
}

/* --- assigning --- */
int certificate_assign(struct vault *v, struct slice owner, enum certificate_use use,
                       const struct certificate_takeover *t, struct slice cert_pem, struct slice key_pem,
                       struct refusal *why)
{
    struct material *m = material_copy(v->now->material);
    const struct material_use fresh = {.pool = owner,
                                       .use = slice_str(certificate_uses[use].name),
                                       .cert_pem = cert_pem,
                                       .key_pem = key_pem,
                                       .from_ms = t->from_ms};
    int r = use == CERTIFICATE_ACCESS_EXTERNAL ? material_cert_set(m, owner, cert_pem, key_pem)
                                               : material_use_set(m, &fresh, t->now_ms, t->until_ms);
    if (r < 0) {
        material_unref(m);
        return refuse(why, 409, "certificate.too-many", "There are %d certificates in use already.",
                      use == CERTIFICATE_ACCESS_EXTERNAL ? MATERIAL_MAX_CERTS : MATERIAL_MAX_USES);
    }
    return vault_set_material(v, m, why);
}
