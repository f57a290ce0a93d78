#include "wire/dns/dns.h"

static const struct dns_record *find_cname(const struct dns_message *m, struct slice name)
{
    for (size_t i = 0; i < m->n_answers; i++)
        if (m->answers[i].type == DNS_CNAME && slice_caseeq(m->answers[i].name, name))
            return &m->answers[i];
    return NULL;
}

static size_t collect(const struct dns_message *m, struct slice name, uint16_t type,
                      const struct dns_record **ret, size_t cap, uint32_t *ttl)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n_answers && n < cap; i++) {
        const struct dns_record *rec = &m->answers[i];
        if (rec->type != type || !slice_caseeq(rec->name, name))
            continue;
        ret[n++] = rec;
        if (rec->ttl < *ttl)
            *ttl = rec->ttl;
    }
    return n;
}

size_t dns_answers(const struct dns_message *m, struct slice name, uint16_t type,
                   const struct dns_record **ret, size_t cap, uint32_t *ret_ttl)
{
    uint32_t ttl = UINT32_MAX;
    for (unsigned hops = 0; hops <= DNS_MAX_CNAMES; hops++) { /* ends loops too */
        size_t n = collect(m, name, type, ret, cap, &ttl);
        if (n) {
            *ret_ttl = ttl;
            return n;
        }
        const struct dns_record *cname = find_cname(m, name);
        if (!cname)
            break;
        if (cname->ttl < ttl)
            ttl = cname->ttl;
        name = cname->target;
    }
    return 0;
}

/* By priority; in one priority those of weight 0 first, as RFC 2782 wants it before the choice by weight. */
static bool before(const struct dns_record *a, const struct dns_record *b)
{
    if (a->srv.priority != b->srv.priority)
        return a->srv.priority < b->srv.priority;
    return a->srv.weight == 0 && b->srv.weight != 0;
}

static void move(const struct dns_record **srv, size_t from, size_t to)
{
    const struct dns_record *moved = srv[from];
    memmove(srv + to + 1, srv + to, (from - to) * sizeof(struct dns_record *));
    srv[to] = moved;
}

/* The first whose running sum of weights reaches the drawn number. */
static size_t choose(const struct dns_record **srv, size_t n, uint32_t drawn)
{
    uint64_t total = 1;
    for (size_t i = 0; i < n; i++)
        total += srv[i]->srv.weight;
    uint64_t wanted = drawn % total, sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += srv[i]->srv.weight;
        if (sum >= wanted)
            return i;
    }
    return n - 1;
}

void dns_srv_order(const struct dns_record **srv, size_t n, uint32_t (*draw)(void *arg), void *arg)
{
    for (size_t i = 1; i < n; i++) {
        size_t to = i;
        while (to > 0 && before(srv[i], srv[to - 1]))
            to--;
        move(srv, i, to);
    }
    for (size_t i = 0, end = 0; i < n; i++) {
        while (end < n && srv[end]->srv.priority == srv[i]->srv.priority)
            end++;
        move(srv, i + choose(srv + i, end - i, draw(arg)), i);
    }
}
