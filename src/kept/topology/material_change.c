/* One material made from another. */
#include "kept/topology/material_priv.h"

#include <errno.h>

void material_use_append(struct material *m, const struct material_use *u)
{
    m->uses[m->n_uses++] = (struct material_use){
        .pool = arena_copy(&m->arena, u->pool),
        .use = arena_copy(&m->arena, u->use),
        .cert_pem = arena_copy(&m->arena, u->cert_pem),
        .key_pem = material_secret_copy(m, u->key_pem),
        .key_id = arena_copy(&m->arena, u->key_id),
        .from_ms = u->from_ms,
        .until_ms = u->until_ms,
    };
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

int material_list_add(struct material *m, const struct material_list *l)
{
    size_t text = l->text.n;
    for (size_t i = 0; i < m->n_lists; i++)
        text += m->lists[i].text.n;
    if (m->n_lists == MATERIAL_MAX_LISTS || text > MATERIAL_MAX_LISTS_TEXT)
        return -ENOSPC;
    m->lists[m->n_lists++] = (struct material_list){
        .fingerprint = arena_copy(&m->arena, l->fingerprint),
        .text = arena_copy(&m->arena, l->text),
    };
    return 0;
}

void material_list_remove(struct material *m, size_t i)
{
    m->n_lists--;
    memmove(&m->lists[i], &m->lists[i + 1], (m->n_lists - i) * sizeof(m->lists[0]));
}

static void copy_trusts(const struct material *m, struct material *to)
{
    for (size_t i = 0; i < m->n_lists; i++)
        material_list_add(to, &m->lists[i]);
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
        material_use_append(copy, &m->uses[i]);
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
        .key_pem = material_secret_copy(m, fresh->key_pem),
        .key_id = arena_copy(&m->arena, fresh->key_id),
    };
    return 0;
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
        bool same = material_use_is(&u, set.pool, set.use);
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
    material_use_append(m, &set);
    for (size_t i = 0; i < n; i++)
        m->uses[m->n_uses++] = kept[i];
    return 0;
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
                material_use_append(part, &m->uses[j]);
    }
    return part;
}
