#include "kept/topology/material.h"

#include "ground/base/mem.h"
#include "ground/base/text.h"
#include "ground/crypto/hash.h"

#include <errno.h>
#include <stdatomic.h>

enum { SERIAL_BITS = 53 };

struct material_secret {
    struct material_secret *next;
    size_t n;
    char text[];
};

static struct slice secret_copy(struct material *m, struct slice s)
{
    struct material_secret *secret = mem_alloc(sizeof(*secret) + s.n + 1);
    secret->n = s.n;
    if (s.n)
        memcpy(secret->text, s.p, s.n);
    secret->text[s.n] = 0;
    secret->next = m->secrets;
    m->secrets = secret;
    return slice_mem(secret->text, s.n);
}

struct material *material_new(void)
{
    struct material *m = MEM_NEW(struct material);
    atomic_init(&m->refs, 1);
    return m;
}

struct material *material_ref(struct material *m)
{
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    return m;
}

void material_unref(struct material *m)
{
    if (!m || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
        return;
    while (m->secrets) {
        struct material_secret *secret = m->secrets;
        m->secrets = secret->next;
        mem_wipe(secret->text, secret->n);
        mem_free(secret);
    }
    arena_fini(&m->arena);
    mem_wipe(m, sizeof(*m));
    mem_free(m);
}

void material_wipe_json(struct json_value *v)
{
    if (!v)
        return;
    if (v->kind == JSON_STRING && v->string.n)
        explicit_bzero((char *)(uintptr_t)v->string.p, v->string.n);
    for (size_t i = 0; v->kind == JSON_ARRAY && i < v->array.n; i++)
        material_wipe_json(v->array.items[i]);
    for (size_t i = 0; v->kind == JSON_OBJECT && i < v->object.n; i++)
        material_wipe_json(v->object.members[i].value);
}

/* --- reading --- */
static bool count_fits(int64_t v, int64_t max)
{
    return v >= 0 && v <= max;
}

static int parse_key(const struct json_value *v, struct material_key *k)
{
    int64_t id = json_get_int(v, "id", -1);
    *k = (struct material_key){
        .id = (uint32_t)id,
        .made_ms = json_get_int(v, "made_ms", -1),
        .expires_ms = json_get_int(v, "expires_ms", -1),
    };
    ssize_t n = text_unbase64(json_get_string(v, "key"), k->key, sizeof(k->key));
    bool good = n == MATERIAL_KEY && count_fits(id, UINT32_MAX) && k->made_ms >= 0 && k->expires_ms >= 0;
    return good ? 0 : -EBADMSG;
}

static int parse_keys(const struct json_value *list, struct material *m)
{
    if (list && (list->kind != JSON_ARRAY || json_count(list) > MATERIAL_MAX_KEYS))
        return -EBADMSG;
    for (size_t i = 0; i < json_count(list); i++) {
        struct material_key *k = &m->keys[m->n_keys];
        if (parse_key(json_at(list, i), k) < 0)
            return -EBADMSG;
        for (size_t j = 0; j < m->n_keys; j++)
            if (m->keys[j].id == k->id)
                return -EBADMSG;
        m->n_keys++;
    }
    return 0;
}

static bool id_fits(struct slice id)
{
    unsigned char raw[MATERIAL_KEY_ID / 2];
    return id.n == MATERIAL_KEY_ID && text_unhex(id, raw, sizeof(raw)) == (ssize_t)sizeof(raw);
}

/* One of the two. */
static bool key_fits(struct slice key, struct slice id)
{
    return id.n ? !key.n && id_fits(id) : key.n > 0;
}

static int parse_lacks(const struct json_value *list, struct material *m)
{
    if (list && (list->kind != JSON_ARRAY || json_count(list) > MATERIAL_MAX_LACKS))
        return -EBADMSG;
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json_value *v = json_at(list, i);
        if (v->kind != JSON_STRING || !id_fits(v->string))
            return -EBADMSG;
        m->lacks[m->n_lacks++] = arena_copy(&m->arena, v->string);
    }
    return 0;
}

static int parse_certs(const struct json_value *list, struct material *m)
{
    if (list && (list->kind != JSON_ARRAY || json_count(list) > MATERIAL_MAX_CERTS))
        return -EBADMSG;
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json_value *v = json_at(list, i);
        struct slice pool = json_get_string(v, "pool"), cert = json_get_string(v, "cert");
        struct slice key = json_get_string(v, "key"), id = json_get_string(v, "key_id");
        if (!pool.n || !cert.n || !key_fits(key, id) || material_cert_find(m, pool))
            return -EBADMSG;
        material_cert_put(m, &(struct material_cert){pool, cert, key, id});
    }
    return 0;
}

static void use_append(struct material *m, const struct material_use *u)
{
    m->uses[m->n_uses++] = (struct material_use){
        .pool = arena_copy(&m->arena, u->pool),
        .use = arena_copy(&m->arena, u->use),
        .cert_pem = arena_copy(&m->arena, u->cert_pem),
        .key_pem = secret_copy(m, u->key_pem),
        .key_id = arena_copy(&m->arena, u->key_id),
        .from_ms = u->from_ms,
        .until_ms = u->until_ms,
    };
}

static int parse_uses(const struct json_value *list, struct material *m)
{
    if (list && (list->kind != JSON_ARRAY || json_count(list) > MATERIAL_MAX_USES))
        return -EBADMSG;
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json_value *v = json_at(list, i);
        const struct material_use u = {
            .pool = json_get_string(v, "pool"),
            .use = json_get_string(v, "use"),
            .cert_pem = json_get_string(v, "cert"),
            .key_pem = json_get_string(v, "key"),
            .key_id = json_get_string(v, "key_id"),
            .from_ms = json_get_int(v, "from_ms", 0),
            .until_ms = json_get_int(v, "until_ms", -1),
        };
        if (!u.pool.n || !u.use.n || !u.cert_pem.n || !key_fits(u.key_pem, u.key_id) || u.from_ms < 0 ||
            u.until_ms < 0)
            return -EBADMSG;
        use_append(m, &u);
    }
    return 0;
}

static int parse_trusts(const struct json_value *list, struct material *m)
{
    if (list && (list->kind != JSON_ARRAY || json_count(list) > MATERIAL_MAX_TRUSTS))
        return -EBADMSG;
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json_value *v = json_at(list, i);
        struct slice name = json_get_string(v, "name"), pem = json_get_string(v, "pem");
        if (!name.n || !pem.n || material_trust_find(m, name))
            return -EBADMSG;
        material_trust_set(m, name, pem);
    }
    return 0;
}

static int from_json(const struct json_value *doc, struct material *m)
{
    int64_t serial = json_get_int(doc, "serial", -1);
    if (!count_fits(serial, (1LL << SERIAL_BITS) - 1))
        return -EBADMSG;
    m->serial = (uint64_t)serial;
    m->trust_pem = arena_copy(&m->arena, json_get_string(doc, "trust"));
    int r = parse_keys(json_get(doc, "keys"), m);
    if (r == 0)
        r = parse_certs(json_get(doc, "certs"), m);
    if (r == 0)
        r = parse_trusts(json_get(doc, "trusts"), m);
    if (r == 0)
        r = parse_uses(json_get(doc, "uses"), m);
    return r < 0 ? r : parse_lacks(json_get(doc, "lacks"), m);
}

int material_parse(struct slice json, struct material **ret)
{
    struct arena a = {0};
    struct json_value *doc = NULL;
    struct json_error error;
    if (json.n > MATERIAL_MAX_TEXT)
        return -EBADMSG;
    int r = json_parse(json, &a, &doc, &error);
    if (r == 0) {
        struct material *m = material_new();
        r = from_json(doc, m);
        if (r == 0)
            *ret = m;
        else
            material_unref(m);
        material_wipe_json(doc);
    }
    arena_fini(&a);
    return r;
}

/* --- writing --- */
static void write_key(const struct material_key *k, struct buf *out)
{
    buf_printf(out, "{\"id\":%u,\"key\":\"", k->id);
    text_base64(out, k->key, sizeof(k->key));
    buf_printf(out, "\",\"made_ms\":%lld,\"expires_ms\":%lld}", (long long)k->made_ms,
               (long long)k->expires_ms);
}

struct written {
    const char *name;
    struct slice value;
};

static void write_members(const struct written *members, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        buf_append(out, slice_str(members[i].name));
        json_write_string(members[i].value, out);
    }
}

static void write_its_key(struct slice pem, struct slice id, struct buf *out)
{
    const struct written member = {id.n ? ",\"key_id\":" : ",\"key\":", id.n ? id : pem};
    write_members(&member, 1, out);
}

static void write_cert(const struct material_cert *c, struct buf *out)
{
    const struct written members[] = {
        {"{\"pool\":", c->pool    },
        {",\"cert\":", c->cert_pem},
    };
    write_members(members, sizeof(members) / sizeof(members[0]), out);
    write_its_key(c->key_pem, c->key_id, out);
    buf_append_char(out, '}');
}

static void write_use(const struct material_use *u, struct buf *out)
{
    const struct written members[] = {
        {"{\"pool\":", u->pool    },
        {",\"use\":",  u->use     },
        {",\"cert\":", u->cert_pem},
    };
    write_members(members, sizeof(members) / sizeof(members[0]), out);
    write_its_key(u->key_pem, u->key_id, out);
    buf_printf(out, ",\"from_ms\":%lld,\"until_ms\":%lld}", (long long)u->from_ms, (long long)u->until_ms);
}

static void write_trust(const struct material_trust *t, struct buf *out)
{
    const struct written members[] = {
        {"{\"name\":", t->name},
        {",\"pem\":",  t->pem }
    };
    write_members(members, sizeof(members) / sizeof(members[0]), out);
    buf_append_char(out, '}');
}

void material_write(const struct material *m, struct buf *out)
{
    buf_printf(out, "{\"serial\":%llu,\"keys\":[", (unsigned long long)m->serial);
    for (size_t i = 0; i < m->n_keys; i++) {
        buf_append(out, i ? SLICE(",") : SLICE(""));
        write_key(&m->keys[i], out);
    }
    buf_append(out, SLICE("],\"certs\":["));
    for (size_t i = 0; i < m->n_certs; i++) {
        buf_append(out, i ? SLICE(",") : SLICE(""));
        write_cert(&m->certs[i], out);
    }
    buf_append(out, SLICE("],\"uses\":["));
    for (size_t i = 0; i < m->n_uses; i++) {
        buf_append(out, i ? SLICE(",") : SLICE(""));
        write_use(&m->uses[i], out);
    }
    buf_append(out, SLICE("],\"trusts\":["));
    for (size_t i = 0; i < m->n_trusts; i++) {
        buf_append(out, i ? SLICE(",") : SLICE(""));
        write_trust(&m->trusts[i], out);
    }
    buf_append(out, SLICE("],\"trust\":"));
    json_write_string(m->trust_pem, out);
    for (size_t i = 0; i < m->n_lacks; i++) {
        buf_append(out, i ? SLICE(",") : SLICE(",\"lacks\":["));
        json_write_string(m->lacks[i], out);
    }
    buf_append(out, m->n_lacks ? SLICE("]}") : SLICE("}"));
}

/* --- looking --- */
static bool key_expired(const struct material_key *k, int64_t now_ms)
{
    return k->expires_ms && k->expires_ms <= now_ms;
}

const struct material_cert *material_cert_find(const struct material *m, struct slice pool)
{
    for (size_t i = 0; i < m->n_certs; i++)
        if (slice_caseeq(m->certs[i].pool, pool))
            return &m->certs[i];
    return NULL;
}

const struct material_trust *material_trust_find(const struct material *m, struct slice name)
{
    for (size_t i = 0; i < m->n_trusts; i++)
        if (slice_eq(m->trusts[i].name, name))
            return &m->trusts[i];
    return NULL;
}

static bool use_is(const struct material_use *u, struct slice pool, struct slice use)
{
    return slice_caseeq(u->pool, pool) && slice_eq(u->use, use);
}

/* The newest that has begun is the current one; those before it verify until their ends. */
enum material_age material_use_age(const struct material *m, const struct material_use *u, int64_t now_ms)
{
    if (u->until_ms && u->until_ms <= now_ms)
        return MATERIAL_GONE;
    if (u->from_ms > now_ms)
        return MATERIAL_NEXT;
    for (const struct material_use *newer = m->uses; newer < u; newer++)
        if (use_is(newer, u->pool, u->use) && newer->from_ms <= now_ms)
            return MATERIAL_PREVIOUS;
    return MATERIAL_CURRENT;
}

const struct material_use *material_use_find(const struct material *m, struct slice pool, struct slice use,
                                             enum material_age age, int64_t now_ms)
{
    for (size_t i = 0; i < m->n_uses; i++)
        if (use_is(&m->uses[i], pool, use) && material_use_age(m, &m->uses[i], now_ms) == age)
            return &m->uses[i];
    return NULL;
}

const struct material_key *material_key_find(const struct material *m, uint32_t id, int64_t now_ms)
{
    for (size_t i = 0; i < m->n_keys; i++)
        if (m->keys[i].id == id)
            return key_expired(&m->keys[i], now_ms) ? NULL : &m->keys[i];
    return NULL;
}

const struct material_key *material_signing_key(const struct material *m, int64_t now_ms)
{
    const struct material_key *best = NULL;
    for (size_t i = 0; i < m->n_keys; i++) {
        const struct material_key *k = &m->keys[i];
        if (key_expired(k, now_ms))
            continue;
        best = k;
        if (k->made_ms + MATERIAL_SIGN_AFTER_MS <= now_ms)
            break;
    }
    return best;
}

/* --- making --- */
int material_trust_set(struct material *m, struct slice name, struct slice pem)
{
    struct material_trust *t = (struct material_trust *)(uintptr_t)material_trust_find(m, name);
    if (t && !pem.n) {
        *t = m->trusts[--m->n_trusts];
        return 0;
    }
    if (!pem.n)
        return 0;
    if (!t && m->n_trusts == MATERIAL_MAX_TRUSTS)
        return -ENOSPC;
    if (!t) {
        t = &m->trusts[m->n_trusts++];
        t->name = arena_copy(&m->arena, name);
    }
    t->pem = arena_copy(&m->arena, pem);
    return 0;
}

static void copy_trusts(const struct material *m, struct material *to)
{
    to->trust_pem = arena_copy(&to->arena, m->trust_pem);
    for (size_t i = 0; i < m->n_trusts; i++)
        material_trust_set(to, m->trusts[i].name, m->trusts[i].pem);
}

struct material *material_copy(const struct material *m)
{
    struct material *copy = material_new();
    copy->serial = m->serial;
    memcpy(copy->keys, m->keys, sizeof(m->keys));
    copy->n_keys = m->n_keys;
    copy_trusts(m, copy);
    for (size_t i = 0; i < m->n_certs; i++)
        material_cert_put(copy, &m->certs[i]);
    for (size_t i = 0; i < m->n_uses; i++)
        use_append(copy, &m->uses[i]);
    for (size_t i = 0; i < m->n_lacks; i++)
        copy->lacks[copy->n_lacks++] = arena_copy(&copy->arena, m->lacks[i]);
    return copy;
}

int material_cert_set(struct material *m, struct slice pool, struct slice cert_pem, struct slice key_pem)
{
    return material_cert_put(m, &(struct material_cert){pool, cert_pem, key_pem, SLICE_NONE});
}

int material_cert_put(struct material *m, const struct material_cert *fresh)
{
    struct material_cert *c = (struct material_cert *)(uintptr_t)material_cert_find(m, fresh->pool);
    if (!c && m->n_certs == MATERIAL_MAX_CERTS)
        return -ENOSPC;
    if (!c)
        c = &m->certs[m->n_certs++];
    *c = (struct material_cert){
        .pool = arena_copy(&m->arena, fresh->pool),
        .cert_pem = arena_copy(&m->arena, fresh->cert_pem),
        .key_pem = secret_copy(m, fresh->key_pem),
        .key_id = arena_copy(&m->arena, fresh->key_id),
    };
    return 0;
}

/* --- keys that machines keep --- */
static void note_lack(struct material *m, struct slice id)
{
    for (size_t i = 0; i < m->n_lacks; i++)
        if (slice_eq(m->lacks[i], id))
            return;
    if (m->n_lacks < MATERIAL_MAX_LACKS)
        m->lacks[m->n_lacks++] = arena_copy(&m->arena, id);
}

/* The key's text, or nothing where there is none. */
static struct slice filled(struct material *m, struct slice id, material_key_source *source, void *arg)
{
    struct buf pem = {0};
    struct slice text = SLICE_NONE;
    if (source(arg, id, &pem))
        text = secret_copy(m, buf_slice(&pem));
    if (pem.mem)
        mem_wipe(pem.mem, pem.cap);
    buf_fini(&pem);
    return text;
}

static void fill_certs(struct material *m, const struct material *before, material_key_source *source,
                       void *arg)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n_certs; i++) {
        struct material_cert c = m->certs[i];
        const struct material_cert *old = before ? material_cert_find(before, c.pool) : NULL;
        if (c.key_id.n && !c.key_pem.n)
            c.key_pem = filled(m, c.key_id, source, arg);
        if (!c.key_pem.n) {
            note_lack(m, c.key_id);
            if (!old || !old->key_pem.n)
                continue;
            c.cert_pem = arena_copy(&m->arena, old->cert_pem);
            c.key_pem = secret_copy(m, old->key_pem);
            c.key_id = arena_copy(&m->arena, old->key_id);
        }
        m->certs[n++] = c;
    }
    m->n_certs = n;
}

/* One that begins later needs no substitute: those before it are there. */
static void fill_uses(struct material *m, const struct material *before, material_key_source *source,
                      void *arg)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n_uses; i++) {
        struct material_use u = m->uses[i];
        const struct material_use *old =
            before ? material_use_find(before, u.pool, u.use, MATERIAL_CURRENT, u.from_ms) : NULL;
        if (u.key_id.n && !u.key_pem.n)
            u.key_pem = filled(m, u.key_id, source, arg);
        if (!u.key_pem.n) {
            note_lack(m, u.key_id);
            if (!old || !old->key_pem.n)
                continue;
            u.cert_pem = arena_copy(&m->arena, old->cert_pem);
            u.key_pem = secret_copy(m, old->key_pem);
            u.key_id = arena_copy(&m->arena, old->key_id);
        }
        m->uses[n++] = u;
    }
    m->n_uses = n;
}

void material_fill_keys(struct material *m, const struct material *before, material_key_source *source,
                        void *arg)
{
    fill_certs(m, before, source, arg);
    fill_uses(m, before, source, arg);
}

bool material_cert_remove(struct material *m, struct slice pool)
{
    struct material_cert *c = (struct material_cert *)(uintptr_t)material_cert_find(m, pool);
    if (!c)
        return false;
    *c = m->certs[--m->n_certs];
    return true;
}

int material_use_set(struct material *m, const struct material_use *fresh, int64_t now_ms, int64_t until_ms)
{
    struct material_use kept[MATERIAL_MAX_USES], set = *fresh;
    size_t n = 0, of_use = 1;
    if (set.from_ms < now_ms)
        set.from_ms = now_ms;
    set.until_ms = 0;
    for (size_t i = 0; i < m->n_uses; i++) {
        struct material_use u = m->uses[i];
        enum material_age age = material_use_age(m, &m->uses[i], now_ms);
        bool same = use_is(&u, set.pool, set.use);
        if (age == MATERIAL_GONE || (same && age == MATERIAL_NEXT))
            continue;
        if (same && age == MATERIAL_CURRENT)
            u.until_ms = until_ms > set.from_ms ? until_ms : set.from_ms;
        if ((u.until_ms && u.until_ms <= now_ms) || (same && of_use++ >= MATERIAL_USE_DEPTH))
            continue;
        kept[n++] = u;
    }
    if (n == MATERIAL_MAX_USES)
        return -ENOSPC;
    m->n_uses = 0;
    use_append(m, &set);
    for (size_t i = 0; i < n; i++)
        m->uses[m->n_uses++] = kept[i];
    return 0;
}

bool material_key_due(const struct material *m, int64_t now_ms, int64_t period_ms)
{
    return m->n_keys == 0 || m->keys[0].made_ms + period_ms <= now_ms;
}

void material_key_add(struct material *m, int64_t now_ms, int64_t period_ms)
{
    struct material_key fresh = {.id = m->n_keys ? m->keys[0].id + 1 : 1, .made_ms = now_ms};
    size_t n = 0;
    crypto_random(fresh.key, sizeof(fresh.key));
    if (m->n_keys && !m->keys[0].expires_ms)
        m->keys[0].expires_ms = now_ms + period_ms + MATERIAL_SIGN_AFTER_MS;
    for (size_t i = 0; i < m->n_keys && n < MATERIAL_MAX_KEYS - 1; i++)
        if (!key_expired(&m->keys[i], now_ms))
            m->keys[n++] = m->keys[i];
    memmove(&m->keys[1], &m->keys[0], n * sizeof(m->keys[0]));
    m->keys[0] = fresh;
    m->n_keys = n + 1;
    explicit_bzero(&m->keys[m->n_keys], (MATERIAL_MAX_KEYS - m->n_keys) * sizeof(m->keys[0]));
    explicit_bzero(&fresh, sizeof(fresh));
}

struct material *material_for_pools(const struct material *m, const struct slice *pools, size_t n)
{
    struct material *part = material_new();
    part->serial = m->serial;
    memcpy(part->keys, m->keys, sizeof(m->keys));
    part->n_keys = m->n_keys;
    copy_trusts(m, part);
    for (size_t i = 0; i < n; i++) {
        const struct material_cert *c = material_cert_find(m, pools[i]);
        if (c)
            material_cert_put(part, c);
        for (size_t j = 0; j < m->n_uses; j++)
            if (slice_caseeq(m->uses[j].pool, pools[i]))
                use_append(part, &m->uses[j]);
    }
    return part;
}
