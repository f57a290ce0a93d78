/*
 * element/trace.h - what happened to each Call-ID lately: a ring on each shard, formatted only when asked
 * for.
 */
#pragma once

#include "ground/base/buf.h"
#include "ground/net/addr.h"

enum { TRACE_ENTRIES = 32768, TRACE_NOTE = 72 };
#define TRACE_KINDS(X)                                                                                       \
    X(REQUEST_IN, "request in")                                                                              \
    X(REQUEST_OUT, "request out")                                                                            \
    X(RESPONSE_IN, "response in")                                                                            \
    X(RESPONSE_OUT, "response out")                                                                          \
    X(REFUSED, "refused")                                                                                    \
    X(RETRANSMISSION, "retransmission")                                                                      \
    X(STRAY, "stray, dropped")                                                                               \
    X(TARGET_FAILED, "target failed")                                                                        \
    X(NOTE_LINE, "note")
#define TRACE_ENUM(id, text) TRACE_##id,
enum trace_kind { TRACE_KINDS(TRACE_ENUM) };

struct trace_entry {
    int64_t wall_us;
    uint64_t call_hash;
    uint8_t kind, method;
    uint16_t status;
    struct net_addr peer;
    char note[TRACE_NOTE];
};
struct trace {
    struct trace_entry *ring;
    uint64_t next;
};
void trace_init(struct trace *t);
void trace_fini(struct trace *t);
/* method: enum sip_method; status 0 for requests; peer and note may be NULL. */
void trace_add(struct trace *t, uint64_t call_hash, enum trace_kind kind, unsigned method, unsigned status,
               const struct net_addr *peer, const char *note);
/* An entry in words. */
struct trace_found {
    int64_t wall_us;
    const char *event, *method; /* "request in", "MESSAGE" */
    unsigned status;            /* 0 for requests */
    char peer[NET_ADDR_TEXT];   /* "" for none */
    char note[TRACE_NOTE];
};
/* Up to cap entries of one Call-ID, oldest first. */
size_t trace_find(const struct trace *t, uint64_t call_hash, struct trace_found *out, size_t cap);
