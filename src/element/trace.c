#include "element/trace.h"

#include "ground/base/mem.h"
#include "ground/loop/loop.h"
#include "wire/sip/msg.h"

#include <stdio.h>
#include <time.h>

#define TRACE_TEXT(id, text) text,
static const char *const trace_texts[] = {TRACE_KINDS(TRACE_TEXT)};

void trace_init(struct trace *t)
{
    size_t n = TRACE_ENTRIES * sizeof(*t->ring);
    t->ring = mem_alloc(n);
    memset(t->ring, 0,
           n); /* all of it is there from the start: memory that grows for hours looks like a leak */
    t->next = 0;
}

void trace_fini(struct trace *t)
{
    mem_free(t->ring);
    *t = (struct trace){0};
}

void trace_add(struct trace *t, uint64_t call_hash, enum trace_kind kind, unsigned method, unsigned status,
               const struct net_addr *peer, const char *note)
{
    struct trace_entry *e = &t->ring[t->next++ % TRACE_ENTRIES];
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    e->wall_us = at.tv_sec * (int64_t)1000000 + at.tv_nsec / 1000;
    e->call_hash = call_hash;
    e->kind = (uint8_t)kind;
    e->method = (uint8_t)method;
    e->status = (uint16_t)status;
    if (peer)
        e->peer = *peer;
    else
        e->peer.sa.sa_family = AF_UNSPEC;
    struct slice text = slice_head(slice_str(note), sizeof(e->note) - 1);
    if (text.n)
        memcpy(e->note, text.p, text.n);
    e->note[text.n] = 0;
}

static void trace_text(const struct trace_entry *e, struct trace_found *out)
{
    char peer[NET_ADDR_TEXT];
    *out = (struct trace_found){
        .wall_us = e->wall_us,
        .event = trace_texts[e->kind],
        .method = e->method < SIP_METHOD_OTHER ? sip_method_name((enum sip_method)e->method) : "other",
        .status = e->status};
    if (e->peer.sa.sa_family != AF_UNSPEC) {
        struct slice p = net_addr_text(&e->peer, peer);
        snprintf(out->peer, sizeof(out->peer), SLICE_FMT, SLICE_ARG(p));
    }
    memcpy(out->note, e->note, sizeof(out->note));
}

size_t trace_find(const struct trace *t, uint64_t call_hash, struct trace_found *out, size_t cap)
{
    size_t n = 0;
    uint64_t first = t->next > TRACE_ENTRIES ? t->next - TRACE_ENTRIES : 0;
    for (uint64_t i = first; i < t->next && n < cap; i++)
        if (t->ring[i % TRACE_ENTRIES].call_hash == call_hash)
            trace_text(&t->ring[i % TRACE_ENTRIES], &out[n++]);
    return n;
}
