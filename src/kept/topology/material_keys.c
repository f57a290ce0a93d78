/* Keys of the deployment, and keys that machines keep. */
#include "kept/topology/material_priv.h"

#include "ground/base/mem.h"

void material_key_ready(struct material_key *k)
{
    crypto_hmac_key_init(slice_mem(k->key, sizeof(k->key)), &k->mac);
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
    material_key_ready(&fresh);
    if (m->n_keys && !m->keys[0].expires_ms)
        m->keys[0].expires_ms = now_ms + period_ms + MATERIAL_SIGN_AFTER_MS;
    for (size_t i = 0; i < m->n_keys && n < MATERIAL_MAX_KEYS - 1; i++)
        if (!material_key_expired(&m->keys[i], now_ms))
            m->keys[n++] = m->keys[i];
    memmove(&m->keys[1], &m->keys[0], n * sizeof(m->keys[0]));
    m->keys[0] = fresh;
    m->n_keys = n + 1;
    explicit_bzero(&m->keys[m->n_keys], (MATERIAL_MAX_KEYS - m->n_keys) * sizeof(m->keys[0]));
    explicit_bzero(&fresh, sizeof(fresh));
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
        text = material_secret_copy(m, buf_slice(&pem));
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
            c.key_pem = material_secret_copy(m, old->key_pem);
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
            u.key_pem = material_secret_copy(m, old->key_pem);
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
