#include "element/health.h"

#include <stdio.h>

#include "element/elapsed.h"

const char *health_state_name(enum health_state s)
{
#define HEALTH_STATE_TEXT(name, text) text,
    static const char *const names[] = {HEALTH_STATES(HEALTH_STATE_TEXT)};
    return names[s];
}

static void enter(struct health *h, enum health_state s, uint64_t now)
{
    if (h->state != s)
        h->since = now;
    h->state = s;
}

void health_init(struct health *h, uint64_t now)
{
    *h = (struct health){.since = now, .wanted = now, .probed = now};
}

static void note(struct health *h, const char *why)
{
    snprintf(h->error, sizeof(h->error), "%s", why);
    h->failures++;
}

static uint32_t longer(uint32_t step, const struct health_times *t)
{
    uint32_t twice = step > t->block_max_ms / 2 ? t->block_max_ms : step * 2;
    return twice < t->block_ms ? t->block_ms : twice;
}

/* Good for so short a time that it flaps: the next block is longer than the one before. */
static bool flaps(const struct health *h, uint64_t now)
{
    return h->step && elapsed_ms(h->since, now) < 2 * (uint64_t)h->step;
}

static void block(struct health *h, const struct health_times *t, uint64_t now)
{
    switch (h->state) {
    case HEALTH_GOOD:
        h->step = flaps(h, now) ? longer(h->step, t) : t->block_ms;
        break;
    case HEALTH_SUSPECT:
        h->step = t->block_ms;
        break;
    case HEALTH_PROBED:
        h->step = longer(h->step, t);
        break;
    case HEALTH_BLOCKED:
        if (now < h->until) /* the same failure, seen by several requests */
            return;
        h->step = longer(h->step, t);
        break;
    case HEALTH_STATE_COUNT:
        break;
    }
    h->until = now + h->step;
    h->told = false;
    enter(h, HEALTH_BLOCKED, now);
}

void health_failed(struct health *h, const struct health_times *t, uint64_t now, const char *why)
{
    note(h, why);
    block(h, t, now);
}

void health_refused(struct health *h, const struct health_times *t, uint64_t now, uint64_t retry_after_ms)
{
    note(h, "503");
    block(h, t, now);
    if (retry_after_ms == 0)
        return;
    h->until = now + (retry_after_ms < t->block_max_ms ? retry_after_ms : t->block_max_ms);
    h->told = true;
}

void health_suspected(struct health *h, uint64_t now, const char *why)
{
    note(h, why);
    if (h->state == HEALTH_GOOD)
        enter(h, HEALTH_SUSPECT, now);
}

static void recover(struct health *h, uint64_t now)
{
    h->failures = 0;
    h->told = false;
    enter(h, HEALTH_GOOD, now);
}

void health_answered(struct health *h, uint64_t now)
{
    if (!(h->told && now < h->until))
        recover(h, now);
}

bool health_probe_due(const struct health *h, const struct health_times *t, uint64_t now)
{
    bool cared_for = h->watched || elapsed_ms(h->wanted, now) < HEALTH_WANTED_MS;
    if (h->probing || t->probe_ms == 0)
        return false;
    switch (h->state) {
    case HEALTH_GOOD:
        return h->watched && elapsed_ms(h->probed, now) >= t->probe_ms;
    case HEALTH_SUSPECT:
        return true;
    case HEALTH_BLOCKED:
        return cared_for && now >= h->until;
    case HEALTH_PROBED:
    case HEALTH_STATE_COUNT:
        break;
    }
    return false;
}

void health_probe_begins(struct health *h, uint64_t now)
{
    h->probing = true;
    h->probed = now;
    if (h->state == HEALTH_BLOCKED)
        enter(h, HEALTH_PROBED, now);
}

void health_probe_ended(struct health *h, const struct health_times *t, uint64_t now, const char *why)
{
    h->probing = false;
    if (why)
        health_failed(h, t, now, why);
    else
        recover(h, now);
}

uint64_t health_badness(const struct health *h)
{
    uint64_t by_state = (uint64_t)h->state << 56;
    return h->state == HEALTH_BLOCKED ? by_state + h->until : by_state;
}
