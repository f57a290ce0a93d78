#include "kept/topology/material_priv.h"

#include "ground/base/mem.h"

#include <stdatomic.h>

struct slice material_secret_copy(struct material *m, struct slice s)
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

/* --- looking --- */
bool material_key_expired(const struct material_key *k, int64_t now_ms)
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

bool material_use_is(const struct material_use *u, struct slice pool, struct slice use)
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
        if (material_use_is(newer, u->pool, u->use) && newer->from_ms <= now_ms)
            return MATERIAL_PREVIOUS;
    return MATERIAL_CURRENT;
}

const struct material_use *material_use_find(const struct material *m, struct slice pool, struct slice use,
                                             enum material_age age, int64_t now_ms)
{
    for (size_t i = 0; i < m->n_uses; i++)
        if (material_use_is(&m->uses[i], pool, use) && material_use_age(m, &m->uses[i], now_ms) == age)
            return &m->uses[i];
    return NULL;
}

const struct material_key *material_key_find(const struct material *m, uint32_t id, int64_t now_ms)
{
    for (size_t i = 0; i < m->n_keys; i++)
        if (m->keys[i].id == id)
            return material_key_expired(&m->keys[i], now_ms) ? NULL : &m->keys[i];
    return NULL;
}

const struct material_key *material_signing_key(const struct material *m, int64_t now_ms)
{
    const struct material_key *best = NULL;
    for (size_t i = 0; i < m->n_keys; i++) {
        const struct material_key *k = &m->keys[i];
        if (material_key_expired(k, now_ms))
            continue;
        best = k;
        if (k->made_ms + MATERIAL_SIGN_AFTER_MS <= now_ms)
            break;
    }
    return best;
}
