#include "service/access_edge/token.h"

#include <errno.h>

#include "ground/base/text.h"
#include "ground/crypto/hash.h"

enum { FLAG_BEGAN_OUTSIDE = 1, FLAG_FACES_OUTSIDE = 2, FLAG_RELAYED = 4, FLAGS_KNOWN = 7, LENGTH = 4 };

static void put_u32(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(v >> (24 - 8 * i));
}

static uint32_t get_u32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* `content` is everything before the MAC. */
static void token_mac(const struct material_key *key, struct slice content, struct slice call_id,
                      struct slice caller_tag, unsigned char out[TOKEN_MAC])
{
    struct slice parts[] = {SLICE("entente record-route"), content, call_id, caller_tag};
    enum { N = sizeof(parts) / sizeof(parts[0]) };
    unsigned char lengths[N][LENGTH], mac[CRYPTO_SHA256];
    struct slice framed[N + N];
    for (size_t i = 0; i < N; i++) {
        put_u32(lengths[i], (uint32_t)parts[i].n);
        framed[2 * i] = slice_mem(lengths[i], LENGTH);
        framed[2 * i + 1] = parts[i];
    }
    crypto_hmac(&key->mac, framed, sizeof(framed) / sizeof(framed[0]), mac);
    memcpy(out, mac, TOKEN_MAC);
}

static size_t put_name(unsigned char *p, struct slice name)
{
    p[0] = (unsigned char)name.n;
    for (size_t i = 0; i < name.n; i++)
        p[1 + i] = (unsigned char)text_lower(name.p[i]);
    return 1 + name.n;
}

static bool name_fits(struct slice name)
{
    return name.n > 0 && name.n <= TOKEN_MAX_NAME;
}

int token_make(const struct token *t, struct slice call_id, struct slice from_tag,
               const struct material_key *key, struct buf *out)
{
    if (!name_fits(t->partner) || !name_fits(t->machine) || from_tag.n == 0)
        return -EINVAL;
    unsigned char raw[TOKEN_MAX_RAW];
    size_t n = 0;
    raw[n++] = TOKEN_VERSION;
    put_u32(raw + n, key->id);
    n += 4;
    raw[n++] = (unsigned char)((t->began_outside ? FLAG_BEGAN_OUTSIDE : 0) |
                               (t->faces_outside ? FLAG_FACES_OUTSIDE : 0) | (t->relayed ? FLAG_RELAYED : 0));
    n += put_name(raw + n, t->partner);
    n += put_name(raw + n, t->machine);
    token_mac(key, slice_mem(raw, n), call_id, from_tag, raw + n);
    text_base64url(out, raw, n + TOKEN_MAC);
    return 0;
}

/* Takes a name off the front of *rest. */
static bool take_name(struct slice *rest, struct slice *ret)
{
    size_t n = rest->n ? (unsigned char)rest->p[0] : 0;
    if (n == 0 || n > TOKEN_MAX_NAME || rest->n < 1 + n)
        return false;
    *ret = (struct slice){rest->p + 1, n};
    *rest = slice_from(*rest, 1 + n);
    return true;
}

/* The content apart from the MAC; slices of `raw`. */
static bool token_read(struct slice raw, struct token *ret, uint32_t *ret_key)
{
    const unsigned char *p = (const unsigned char *)raw.p;
    if (raw.n < 6 + TOKEN_MAC || p[0] != TOKEN_VERSION || (p[5] & ~FLAGS_KNOWN))
        return false;
    *ret_key = get_u32(p + 1);
    ret->began_outside = p[5] & FLAG_BEGAN_OUTSIDE;
    ret->faces_outside = p[5] & FLAG_FACES_OUTSIDE;
    ret->relayed = p[5] & FLAG_RELAYED;
    struct slice rest = slice_from(raw, 6);
    return take_name(&rest, &ret->partner) && take_name(&rest, &ret->machine) && rest.n == TOKEN_MAC;
}

static bool mac_matches(const struct material_key *key, struct slice raw, struct slice call_id,
                        struct slice tag)
{
    if (tag.n == 0)
        return false;
    unsigned char want[TOKEN_MAC];
    token_mac(key, slice_head(raw, raw.n - TOKEN_MAC), call_id, tag, want);
    return crypto_equal(slice_mem(want, TOKEN_MAC), slice_from(raw, raw.n - TOKEN_MAC));
}

enum token_outcome token_open(struct slice text, struct slice call_id, struct slice from_tag,
                              struct slice to_tag, const struct material_key *keys, size_t n_keys,
                              int64_t now_ms, struct arena *a, struct token_opened *ret)
{
    unsigned char bytes[TOKEN_MAX_RAW];
    ssize_t n = text.n <= TOKEN_MAX_TEXT ? text_unbase64url(text, bytes, sizeof(bytes)) : -ENOSPC;
    struct slice raw = slice_mem(bytes, n > 0 ? (size_t)n : 0);
    struct token t;
    uint32_t id;
    if (!token_read(raw, &t, &id))
        return TOKEN_MALFORMED;
    const struct material_key *key = NULL;
    for (size_t i = 0; i < n_keys && !key; i++)
        if (keys[i].id == id)
            key = &keys[i];
    if (!key)
        return TOKEN_UNKNOWN_KEY;
    bool by_caller = mac_matches(key, raw, call_id, from_tag);
    if (!by_caller && !mac_matches(key, raw, call_id, to_tag))
        return TOKEN_ALTERED;
    if (key->expires_ms && key->expires_ms <= now_ms)
        return TOKEN_EXPIRED;
    t.partner = arena_copy(a, t.partner);
    t.machine = arena_copy(a, t.machine);
    *ret = (struct token_opened){.token = t, .by_caller = by_caller};
    return TOKEN_GOOD;
}

bool token_is_pair(const struct token_opened *a, const struct token_opened *b)
{
    return !a->token.relayed && !b->token.relayed && a->by_caller == b->by_caller &&
           a->token.began_outside == b->token.began_outside &&
           a->token.faces_outside != b->token.faces_outside && slice_eq(a->token.partner, b->token.partner) &&
           slice_eq(a->token.machine, b->token.machine);
}
