/* The Via header fields that we write, and what we read back from them. */
#include "element/shard.h"

#define VIA_COOKIE "z9hG4bKe" /* RFC 3261 8.1.1.7, then a letter of ours */

/* Not keyed: who finds two requests with one hash gains a 482 for himself. */
static uint64_t loop_mix(uint64_t h, struct slice s)
{
    uint64_t word = s.n;
    for (size_t i = 0; s.n - i >= sizeof(word); i += sizeof(word)) {
        h = (h ^ word) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
        memcpy(&word, s.p + i, sizeof(word));
    }
    h = (h ^ word) * 0x9e3779b97f4a7c15u;
    for (size_t i = s.n & ~(sizeof(word) - 1); i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
    return h ^ h >> 29;
}

uint32_t via_loop_hash(const struct request *rq)
{
    const struct sip_msg *m = &rq->msg;
    uint64_t h = loop_mix(m->cseq, rq->strict ? rq->strict_uri : m->uri);
    h = loop_mix(h, m->from_tag);
    h = loop_mix(h, m->to_tag);
    h = loop_mix(h, m->call_id);
    h = loop_mix(h, sip_msg_value(m, SIP_H_PROXY_AUTHORIZATION));
    struct sip_values v = sip_values(m, SIP_H_ROUTE);
    for (struct slice route; sip_values_next(&v, &route);)
        h = loop_mix(h, route);
    return (uint32_t)(h ^ h >> 32);
}

void via_branch_make(struct shard *s, const struct request *rq, char out[BRANCH_TEXT])
{
    /* Keyed hash of a counter: unique, and not to be guessed by somebody who forges responses. */
    uint64_t seed[2] = {++s->branch_counter, s->index};
    uint64_t unique = slice_hash(slice_mem(seed, sizeof(seed)));
    unsigned worker_digits = 1;
    while (s->index >> (4 * worker_digits))
        worker_digits++;
    char *to = out + sizeof(VIA_COOKIE) - 1;
    memcpy(out, VIA_COOKIE, sizeof(VIA_COOKIE));
    to = text_put_hex(to, s->e->machine_hash, 8);
    *to++ = '-';
    to = text_put_hex(to, s->index, worker_digits);
    *to++ = '-';
    to = text_put_hex(to, unique, 16);
    *to++ = '-';
    to = text_put_hex(to, rq ? via_loop_hash(rq) : 0, 8);
    *to = 0;
}

/* "z9hG4bKe" 8 hex "-" worker "-" … */
static bool via_branch_parts(struct slice branch, struct slice *ret_machine, struct slice *ret_worker,
                             struct slice *ret_loop)
{
    struct slice rest, unique;
    if (!slice_starts(branch, SLICE(VIA_COOKIE)))
        return false;
    return slice_cut(slice_from(branch, sizeof(VIA_COOKIE) - 1), '-', ret_machine, &rest) &&
           slice_cut(rest, '-', ret_worker, &rest) && slice_cut(rest, '-', &unique, ret_loop);
}

static bool via_hex(struct slice s, uint32_t *ret)
{
    uint32_t v = 0;
    if (s.n == 0 || s.n > 8)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        int d = text_hexval(s.p[i]);
        if (d < 0)
            return false;
        v = v << 4 | (uint32_t)d;
    }
    *ret = v;
    return true;
}

bool via_branch_is_ours(const struct element *e, struct slice branch, unsigned *ret_worker)
{
    struct slice machine, worker, loop;
    uint32_t m, w;
    if (!via_branch_parts(branch, &machine, &worker, &loop) || !via_hex(machine, &m) || !via_hex(worker, &w))
        return false;
    if (m != e->machine_hash || w >= e->n)
        return false;
    *ret_worker = w;
    return true;
}

bool via_is_loop(const struct request *rq)
{
    struct sip_values v = sip_values(&rq->msg, SIP_H_VIA);
    uint32_t own = 0;
    bool have = false;
    for (struct slice value; sip_values_next(&v, &value);) {
        struct slice branch, machine, worker, loop;
        uint32_t m, l;
        if (slice_search(value, SLICE(VIA_COOKIE)) == SIZE_MAX) /* most are of others */
            continue;
        size_t semi = slice_find(value, ';');
        if (semi == SIZE_MAX || !sip_param(slice_from(value, semi + 1), SLICE("branch"), &branch) ||
            !via_branch_parts(branch, &machine, &worker, &loop))
            continue;
        if (!via_hex(machine, &m) || m != rq->s->e->machine_hash || !via_hex(loop, &l))
            continue;
        if (!have)
            own = via_loop_hash(rq);
        have = true;
        if (l == own)
            return true;
    }
    return false;
}

static const struct element_listener *via_listener(const struct element_config *c, enum side side,
                                                   enum sip_transport transport)
{
    const struct element_listener *near = NULL;
    for (size_t i = 0; i < c->n_listeners; i++) {
        const struct element_listener *l = &c->listeners[i];
        if (l->side != side)
            continue;
        if (l->transport == transport)
            return l;
        near = near ? near : l;
    }
    return near;
}

void via_write(const struct element_config *c, enum side side, enum sip_transport transport,
               const char *branch, struct buf *out)
{
    const struct element_listener *l = via_listener(c, side, transport);
    struct slice host = l ? l->host : c->machine;
    buf_append(out, SLICE("SIP/2.0/"));
    buf_append(out, slice_str(sip_transport_name(transport)));
    buf_append_char(out, ' ');
    buf_append(out, host);
    /* No port where none of ours listens with this transport: a response then comes by the connection or not
     * at all. */
    if (l && l->transport == transport) {
        buf_append_char(out, ':');
        buf_append_u64(out, l->port);
    }
    buf_append(out, SLICE(";branch="));
    buf_append(out, slice_str(branch));
    if (transport == SIP_UDP)
        buf_append(out, SLICE(";rport"));
    else if (transport == SIP_TLS && l && l->transport == SIP_TLS)
        buf_append(out, SLICE(";alias"));
}

static char *via_put(char *to, struct slice s)
{
    if (s.n)
        memcpy(to, s.p, s.n);
    return to + s.n;
}

static char *via_put_number(char *to, unsigned v)
{
    char digits[10], *at = digits + sizeof(digits);
    do
        *--at = (char)('0' + v % 10);
    while ((v /= 10) != 0);
    return via_put(to, slice_mem(at, (size_t)(digits + sizeof(digits) - at)));
}

struct slice via_received(struct arena *a, const struct sip_via *via, struct slice value,
                          const struct net_addr *from)
{
    static const struct slice received = SLICE_INIT(";received="), rport = SLICE_INIT(";rport=");
    char text[NET_ADDR_TEXT];
    struct slice ip = net_addr_host_text(from, text);
    struct net_addr sent_by;
    bool same = slice_eq(via->host, ip) ||
                (net_addr_parse(via->host, 0, &sent_by) == 0 && net_addr_eq_host(&sent_by, from));
    if (same && !via->has_rport)
        return SLICE_NONE;
    char *out = arena_alloc(a, value.n + received.n + ip.n + rport.n + sizeof("65535"));
    /* Whatever the sender claims about these two is dropped and said anew. */
    char *to = via_put(out, slice_trim(slice_head(value, slice_find(value, ';'))));
    struct slice rest = via->params, name, pvalue;
    while (sip_param_next(&rest, &name, &pvalue)) {
        if (slice_caseeq(name, SLICE("received")) || slice_caseeq(name, SLICE("rport")))
            continue;
        to = via_put(via_put(to, SLICE(";")), name);
        if (pvalue.n)
            to = via_put(via_put(to, SLICE("=")), pvalue);
    }
    if (!same || via->has_rport)
        to = via_put(via_put(to, received), ip);
    if (via->has_rport)
        to = via_put_number(via_put(to, rport), net_addr_port(from));
    return slice_mem(out, (size_t)(to - out));
}
