#include "service/access_edge/measure.h"

#include "ground/base/mem.h"

enum { SEEN_FIRST = 32, MILLI = 1000 };

const char *measure_why_text(unsigned why)
{
    return why & MEASURE_ADDRESSES ? "addresses" : why & MEASURE_FAILURES ? "failures" : "rate";
}

void measure_fini(struct measure *m)
{
    mem_free(m->seen);
    *m = (struct measure){0};
}

/* ---------------------------------------------------------------- addresses */
/* Where the hash stands, or the empty place for it. */
static uint64_t *seen_place(const struct measure *m, uint64_t hash)
{
    uint32_t i = (uint32_t)hash & (m->cap_seen - 1);
    while (m->seen[i] && m->seen[i] != hash)
        i = (i + 1) & (m->cap_seen - 1);
    return &m->seen[i];
}

static void seen_grow(struct measure *m)
{
    struct measure old = *m;
    m->cap_seen = old.cap_seen ? 2 * old.cap_seen : SEEN_FIRST;
    m->seen = mem_zalloc(m->cap_seen * sizeof(*m->seen));
    for (uint32_t i = 0; i < old.cap_seen; i++)
        if (old.seen[i])
            *seen_place(m, old.seen[i]) = old.seen[i];
    mem_free(old.seen);
}

/* False: it is new and one too many. */
static bool seen_add(struct measure *m, uint64_t hash, uint32_t most)
{
    if (m->cap_seen && *seen_place(m, hash))
        return true;
    if (m->n_seen >= most)
        return false;
    if (2 * (m->n_seen + 1) > m->cap_seen)
        seen_grow(m);
    *seen_place(m, hash) = hash;
    m->n_seen++;
    return true;
}

/* ---------------------------------------------------------------- rate */
static void bucket_fill(struct measure *m, uint32_t rate, uint64_t now)
{
    uint64_t full = (uint64_t)rate * MILLI, gone = now > m->filled_ms ? now - m->filled_ms : 0;
    if (m->messages == 0 || gone >= MILLI)
        m->milli = full;
    else
        m->milli += gone * rate;
    m->milli = m->milli > full ? full : m->milli;
    m->filled_ms = now > m->filled_ms ? now : m->filled_ms;
}

/* ---------------------------------------------------------------- answers */
static void window_turn(struct measure *m, const struct measure_limits *l, uint64_t now)
{
    uint32_t length = l->window_ms / 2 + 1;
    uint64_t gone = now > m->half_ms ? now - m->half_ms : 0;
    if (gone < length)
        return;
    m->half[1] = m->half[0];
    if (gone >= 2 * (uint64_t)length)
        m->half[1].answers = m->half[1].failures = 0;
    m->half[0].answers = m->half[0].failures = 0;
    m->half_ms = now;
}

static void judge(struct measure *m, const struct measure_limits *l)
{
    uint64_t answers = (uint64_t)m->half[0].answers + m->half[1].answers;
    uint64_t failures = (uint64_t)m->half[0].failures + m->half[1].failures;
    bool many = answers && 100 * failures >= (uint64_t)l->failures_percent * answers;
    m->suspicious = l->failures_percent && many && (m->suspicious || answers >= l->failures_least);
}

static unsigned news(struct measure *m, unsigned why, uint64_t now)
{
    unsigned fresh = why & ~m->why;
    if (!m->why && why)
        m->since_ms = now;
    m->why |= why;
    return fresh;
}

enum measure_answer measure_counts_as(unsigned status)
{
    static const uint16_t guesses[] = {400, 403, 404, 405, 410, 413, 414, 416, 433, 484, 485, 604, 606};
    if (status < 300)
        return MEASURE_SUCCESS;
    for (size_t i = 0; i < sizeof(guesses) / sizeof(guesses[0]); i++)
        if (status == guesses[i])
            return MEASURE_FAILURE;
    return MEASURE_NEITHER;
}

void measure_response(struct measure *m, const struct measure_limits *l, uint64_t now, unsigned status,
                      unsigned *ret_news)
{
    enum measure_answer a = measure_counts_as(status);
    *ret_news = 0;
    if (a == MEASURE_NEITHER)
        return;
    window_turn(m, l, now);
    m->answers++;
    m->half[0].answers++;
    m->failures += a == MEASURE_FAILURE;
    m->half[0].failures += a == MEASURE_FAILURE;
    judge(m, l);
    if (m->suspicious)
        *ret_news = news(m, MEASURE_FAILURES, now);
}

/* ---------------------------------------------------------------- a message */
enum measure_verdict measure_message(struct measure *m, const struct measure_limits *l, uint64_t now,
                                     uint64_t address, bool must_pass, uint32_t *ret_wait_ms,
                                     unsigned *ret_news)
{
    enum measure_verdict v = MEASURE_PASSES;
    window_turn(m, l, now);
    judge(m, l);
    uint32_t rate = m->suspicious ? l->suspicious_rate : l->rate;
    bucket_fill(m, rate, now);
    m->messages++;
    *ret_news = 0;
    *ret_wait_ms = 0;
    if (rate && m->milli < MILLI) {
        v = m->suspicious ? MEASURE_SUSPICIOUS : MEASURE_TOO_FAST;
        *ret_wait_ms = (uint32_t)((MILLI - m->milli + rate - 1) / rate);
        *ret_news = news(m, m->suspicious ? MEASURE_FAILURES : MEASURE_RATE, now);
    } else if (l->addresses && address && !seen_add(m, address, l->addresses)) {
        v = MEASURE_NEW_ADDRESS;
        *ret_news = news(m, MEASURE_ADDRESSES, now);
    }
    if (must_pass)
        v = MEASURE_PASSES;
    if (v == MEASURE_PASSES)
        m->milli -= m->milli < MILLI ? m->milli : MILLI;
    else
        m->refused++;
    return v;
}
