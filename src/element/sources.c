#include "element/sources.h"

#include "element/elapsed.h"
#include "ground/base/list.h"
#include "ground/base/map.h"
#include "ground/base/mem.h"

#include <pthread.h>

/* Tokens in thousandths, so that a rate of 1 a second grows by 1 a millisecond. */
struct bucket {
    uint64_t level, at;
};

struct source_entry {
    struct map_entry by_prefix;
    struct list idle; /* linked while no connection holds it */
    unsigned char prefix[9];
    uint32_t holds, counted, handshakes;
    struct bucket begun, requests;
    uint64_t known_until;
    struct told {
        uint64_t from, asked; /* when the period began; times since the last line */
        uint32_t lines;
    } told[SOURCES_TELLS];
};

struct sources {
    pthread_mutex_t lock;
    struct map map;
    struct list idle; /* longest first */
    size_t n_idle;
    uint64_t connections;
    uint64_t lines, lines_from; /* log lines in this period, and when it began */
};

struct sources *sources_new(void)
{
    struct sources *s = MEM_NEW(struct sources);
    pthread_mutex_init(&s->lock, NULL);
    list_init(&s->idle);
    return s;
}

static void entry_free(struct sources *s, struct source_entry *e)
{
    if (list_linked(&e->idle))
        s->n_idle--;
    list_unlink(&e->idle);
    map_remove(&s->map, &e->by_prefix);
    mem_free(e);
}

/* All connections have ended: whoever still has one is idle here. */
void sources_free(struct sources *s)
{
    if (!s)
        return;
    LIST_FOR(it, &s->idle)
    entry_free(s, LIST_ENTRY(it, struct source_entry, idle));
    map_fini(&s->map);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

/* ---------------------------------------------------------------- rates */
/* One more; false: there was none left. */
static bool bucket_take(struct bucket *b, uint64_t rate, uint64_t now)
{
    uint64_t most = rate * SOURCES_BURST_S * 1000, past = elapsed_ms(b->at, now);
    if (b->at == 0 || past >= SOURCES_BURST_S * 1000 || b->level + past * rate > most)
        b->level = most;
    else
        b->level += past * rate;
    b->at = now;
    if (b->level < 1000)
        return false;
    b->level -= 1000;
    return true;
}

/* ---------------------------------------------------------------- the table */
/* A v4 address in v6 form is the v4 address. */
static void prefix_of(const struct net_addr *a, unsigned char out[9])
{
    memset(out, 0, 9);
    if (a->sa.sa_family == AF_INET) {
        out[0] = 4;
        memcpy(out + 1, &a->in4.sin_addr, 4);
    } else if (IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr)) {
        out[0] = 4;
        memcpy(out + 1, a->in6.sin6_addr.s6_addr + 12, 4);
    } else {
        out[0] = 6;
        memcpy(out + 1, a->in6.sin6_addr.s6_addr, 8);
    }
}

static void entry_touch(struct sources *s, struct source_entry *e)
{
    if (e->holds)
        return;
    if (list_linked(&e->idle))
        s->n_idle--;
    list_unlink(&e->idle);
    list_push_back(&s->idle, &e->idle);
    if (++s->n_idle > SOURCES_IDLE_MAX)
        entry_free(s, LIST_ENTRY(list_first(&s->idle), struct source_entry, idle));
}

/* Found or made, and the one that was used last. */
static struct source_entry *entry_of(struct sources *s, const struct net_addr *from)
{
    unsigned char prefix[9];
    prefix_of(from, prefix);
    uint64_t hash = slice_hash(slice_mem(prefix, sizeof(prefix)));
    struct source_entry *e = NULL;
    for (struct map_entry *m = map_first(&s->map, hash); m && !e; m = map_next(m))
        if (memcmp(MAP_OBJECT(m, struct source_entry, by_prefix)->prefix, prefix, sizeof(prefix)) == 0)
            e = MAP_OBJECT(m, struct source_entry, by_prefix);
    if (!e) {
        e = MEM_NEW(struct source_entry);
        memcpy(e->prefix, prefix, sizeof(prefix));
        list_init(&e->idle);
        map_insert(&s->map, &e->by_prefix, hash);
    }
    entry_touch(s, e);
    return e;
}

/* How much of a limit this source has; UINT64_MAX where there is none. */
static uint64_t allowance(const struct source_entry *e, uint32_t limit, uint64_t now)
{
    if (limit == 0)
        return UINT64_MAX;
    return now < e->known_until ? (uint64_t)limit * SOURCES_KNOWN_FACTOR : limit;
}

/* ---------------------------------------------------------------- connections */
static enum sources_verdict weigh(const struct sources *s, const struct element_limits *l,
                                  struct source_entry *e, bool handshake, uint64_t now)
{
    uint64_t most = l->connections;
    if (now >= e->known_until)
        most -= most * l->reserved_percent / 100;
    if (l->connections && s->connections >= most)
        return SOURCES_TOTAL;
    if (e->counted >= allowance(e, l->source_connections, now))
        return SOURCES_CONNECTIONS;
    if (handshake && e->handshakes >= allowance(e, l->source_handshakes, now))
        return SOURCES_HANDSHAKES;
    if (handshake && l->source_handshake_rate &&
        !bucket_take(&e->begun, allowance(e, l->source_handshake_rate, now), now))
        return SOURCES_HANDSHAKE_RATE;
    return SOURCES_OK;
}

enum sources_verdict sources_begin(struct sources *s, const struct element_limits *l,
                                   const struct net_addr *from, bool handshake, uint64_t now,
                                   struct source_hold *ret)
{
    pthread_mutex_lock(&s->lock);
    struct source_entry *e = entry_of(s, from);
    enum sources_verdict v = weigh(s, l, e, handshake, now);
    if (v == SOURCES_OK) {
        if (e->holds++ == 0) {
            list_unlink(&e->idle);
            s->n_idle--;
        }
        s->connections++;
        e->counted++;
        e->handshakes += handshake;
        *ret = (struct source_hold){.source = e, .handshake = handshake, .counted = true};
    }
    pthread_mutex_unlock(&s->lock);
    return v;
}

static void hold_up(struct source_hold *h)
{
    h->source->handshakes -= h->handshake;
    h->handshake = false;
}

void sources_up(struct sources *s, struct source_hold *h)
{
    if (!h->source || !h->handshake)
        return;
    pthread_mutex_lock(&s->lock);
    hold_up(h);
    pthread_mutex_unlock(&s->lock);
}

static void hold_release(struct source_hold *h)
{
    h->source->counted -= h->counted;
    h->counted = false;
}

/* What an honest client sends before it has signed in is not held against those behind the same address. */
static void give_back(struct source_entry *e, const struct element_limits *l, uint32_t n, uint64_t now)
{
    uint64_t rate = allowance(e, l->source_requests, now);
    uint64_t most = rate == UINT64_MAX ? 0 : rate * SOURCES_BURST_S * 1000;
    e->requests.level += (uint64_t)n * 1000;
    if (e->requests.level > most)
        e->requests.level = most;
}

void sources_trust(struct sources *s, const struct element_limits *l, struct source_hold *h, uint64_t now)
{
    if (!h->source)
        return;
    pthread_mutex_lock(&s->lock);
    give_back(h->source, l, h->taken, now);
    h->taken = 0;
    h->source->known_until = now + SOURCES_KNOWN_MS;
    hold_release(h);
    pthread_mutex_unlock(&s->lock);
}

void sources_end(struct sources *s, struct source_hold *h)
{
    if (!h->source)
        return;
    pthread_mutex_lock(&s->lock);
    hold_up(h);
    hold_release(h);
    s->connections--;
    if (--h->source->holds == 0)
        entry_touch(s, h->source);
    pthread_mutex_unlock(&s->lock);
    *h = (struct source_hold){0};
}

/* ---------------------------------------------------------------- requests */
enum sources_verdict sources_request(struct sources *s, const struct element_limits *l, struct source_hold *h,
                                     const struct net_addr *from, uint64_t now)
{
    if (l->source_requests == 0)
        return SOURCES_OK;
    pthread_mutex_lock(&s->lock);
    struct source_entry *e = h && h->source ? h->source : entry_of(s, from);
    bool ok = bucket_take(&e->requests, allowance(e, l->source_requests, now), now);
    pthread_mutex_unlock(&s->lock);
    if (ok && h)
        h->taken++;
    return ok ? SOURCES_OK : SOURCES_REQUESTS;
}

void sources_trust_datagram(struct sources *s, const struct element_limits *l, const struct net_addr *from,
                            uint64_t now)
{
    pthread_mutex_lock(&s->lock);
    struct source_entry *e = entry_of(s, from);
    give_back(e, l, 1, now);
    e->known_until = now + SOURCES_KNOWN_MS;
    pthread_mutex_unlock(&s->lock);
}

/* ---------------------------------------------------------------- telling */
bool sources_may_tell(struct sources *s, const struct net_addr *from, enum sources_tell what, uint64_t now,
                      uint64_t *ret_since)
{
    static const uint32_t lines[SOURCES_TELLS] = {
        [SOURCES_TELL_REFUSED] = 1, [SOURCES_TELL_MALFORMED] = 20, [SOURCES_TELL_SUM] = 1};
    pthread_mutex_lock(&s->lock);
    struct told *t = &entry_of(s, from)->told[what];
    if (t->from == 0 || elapsed_ms(t->from, now) >= SOURCES_TELL_MS) {
        t->from = now;
        t->lines = 0;
    }
    if (s->lines_from == 0 || elapsed_ms(s->lines_from, now) >= SOURCES_TELL_MS) {
        s->lines_from = now;
        s->lines = 0;
    }
    t->asked++;
    bool may = t->lines < lines[what] && s->lines < SOURCES_TELL_MAX;
    if (may) {
        t->lines++;
        s->lines++;
        *ret_since = t->asked;
        t->asked = 0;
    }
    pthread_mutex_unlock(&s->lock);
    return may;
}

void sources_counted(struct sources *s, struct sources_count *ret)
{
    pthread_mutex_lock(&s->lock);
    *ret = (struct sources_count){.connections = s->connections, .sources = s->map.count};
    pthread_mutex_unlock(&s->lock);
}
