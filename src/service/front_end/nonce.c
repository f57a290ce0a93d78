#include "service/front_end/nonce.h"

#include <pthread.h>

#include "ground/base/mem.h"
#include "ground/base/text.h"

enum { TIME_BYTES = 6, RANDOM_BYTES = 6, MAC_BYTES = 12, LOCKS = 64 };
enum { SAID_BYTES = TIME_BYTES + RANDOM_BYTES, NONCE_BYTES = SAID_BYTES + MAC_BYTES };

/* ---------------------------------------------------------------- making and checking */
static void nonce_mac(const struct crypto_hmac_key *key, struct slice realm,
                      const unsigned char said[SAID_BYTES], unsigned char out[CRYPTO_SHA256])
{
    struct slice parts[] = {slice_mem(said, SAID_BYTES), realm}; /* the first has a fixed length */
    crypto_hmac(key, parts, 2, out);
}

void nonce_key_init(struct slice secret, struct crypto_hmac_key *ret)
{
    unsigned char key[CRYPTO_SHA256];
    crypto_derive(secret, SLICE("front end: nonces"), key, sizeof(key));
    crypto_hmac_key_init(slice_mem(key, sizeof(key)), ret);
    mem_wipe(key, sizeof(key));
}

void nonce_make(const struct crypto_hmac_key *key, struct slice realm, int64_t now_ms,
                char out[NONCE_TEXT + 1])
{
    unsigned char raw[NONCE_BYTES], mac[CRYPTO_SHA256];
    struct buf text = {0};
    for (size_t i = 0; i < TIME_BYTES; i++)
        raw[i] = (unsigned char)((uint64_t)now_ms >> (8 * (TIME_BYTES - 1 - i)));
    crypto_random(raw + TIME_BYTES, RANDOM_BYTES);
    nonce_mac(key, realm, raw, mac);
    memcpy(raw + SAID_BYTES, mac, MAC_BYTES);
    text_base64url(&text, raw, sizeof(raw));
    memcpy(out, buf_slice(&text).p, NONCE_TEXT);
    out[NONCE_TEXT] = '\0';
    buf_fini(&text);
}

enum nonce_verdict nonce_check(const struct crypto_hmac_key *key, struct slice realm, struct slice text,
                               int64_t now_ms, struct nonce *ret)
{
    unsigned char raw[NONCE_BYTES], mac[CRYPTO_SHA256];
    struct nonce n = {0};
    if (text.n != NONCE_TEXT || text_unbase64url(text, raw, sizeof(raw)) != NONCE_BYTES)
        return NONCE_FOREIGN;
    nonce_mac(key, realm, raw, mac);
    if (!crypto_equal(slice_mem(mac, MAC_BYTES), slice_mem(raw + SAID_BYTES, MAC_BYTES)))
        return NONCE_FOREIGN;
    for (size_t i = 0; i < TIME_BYTES; i++)
        n.made_ms = n.made_ms << 8 | raw[i];
    memcpy(&n.id, mac, sizeof(n.id));
    *ret = n;
    bool good = n.made_ms <= now_ms + NONCE_AHEAD_MS && now_ms - n.made_ms <= NONCE_LIFE_MS;
    return good ? NONCE_GOOD : NONCE_STALE;
}

/* ---------------------------------------------------------------- counts */
struct used {
    struct nonce nonce;
    uint64_t seen;    /* bit i: highest - i was used */
    uint32_t highest; /* 0: this place is free */
};
struct set {
    struct used places[NONCE_WAYS];
    int64_t floor_ms; /* made no later: used up, unless it is in a place */
};
struct nonce_counts {
    int64_t since_ms;
    pthread_mutex_t locks[LOCKS];
    struct set sets[NONCE_SETS];
};

struct nonce_counts *nonce_counts_new(int64_t since_ms)
{
    struct nonce_counts *c = MEM_NEW(struct nonce_counts);
    c->since_ms = since_ms;
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_init(&c->locks[i], NULL);
    return c;
}

void nonce_counts_free(struct nonce_counts *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&c->locks[i]);
    mem_free(c);
}

static bool used_take(struct used *u, uint32_t count)
{
    if (count > u->highest) {
        uint32_t by = count - u->highest;
        u->seen = (by < NONCE_WINDOW ? u->seen << by : 0) | 1;
        u->highest = count;
        return true;
    }
    uint32_t back = u->highest - count;
    if (back >= NONCE_WINDOW || u->seen >> back & 1)
        return false;
    u->seen |= (uint64_t)1 << back;
    return true;
}

/* A free place, or that of the oldest nonce, which is then used up. */
static struct used *set_place(struct set *s)
{
    struct used *oldest = &s->places[0];
    for (size_t i = 0; i < NONCE_WAYS; i++) {
        struct used *u = &s->places[i];
        if (u->highest == 0)
            return u;
        if (u->nonce.made_ms < oldest->nonce.made_ms)
            oldest = u;
    }
    if (oldest->nonce.made_ms > s->floor_ms)
        s->floor_ms = oldest->nonce.made_ms;
    return oldest;
}

static bool set_take(struct set *s, const struct nonce *n, uint32_t count)
{
    for (size_t i = 0; i < NONCE_WAYS; i++)
        if (s->places[i].highest && s->places[i].nonce.id == n->id)
            return used_take(&s->places[i], count);
    if (n->made_ms <= s->floor_ms)
        return false;
    *set_place(s) = (struct used){.nonce = *n, .seen = 1, .highest = count};
    return true;
}

bool nonce_counts_take(struct nonce_counts *c, const struct nonce *n, uint32_t count)
{
    size_t i = n->id % NONCE_SETS;
    if (count == 0 || n->made_ms < c->since_ms)
        return false;
    pthread_mutex_lock(&c->locks[i % LOCKS]);
    bool ok = set_take(&c->sets[i], n, count);
    pthread_mutex_unlock(&c->locks[i % LOCKS]);
    return ok;
}
