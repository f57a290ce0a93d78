/*
 * element/sources.h - private to element: what every source takes of this process, counted over all workers.
 *
 * One table for all shards, behind a lock that is held for some hundred nanoseconds: at the beginning and the
 * end of a connection, when it becomes trusted, and for each request of somebody who is not. Memory is
 * bounded: a source is remembered while it has connections, and SOURCES_IDLE_MAX more for their rates; the
 * one that was idle longest is forgotten first.
 *
 * A source from which somebody trusted came within the last SOURCES_KNOWN_MS is known: it may have
 * SOURCES_KNOWN_FACTOR times as much, and the reserve. So a partner behind the same address translation as a
 * nuisance, and a provider with many Edges, stay served.
 */
#pragma once

#include "element/limits.h"
#include "ground/net/addr.h"

enum {
    SOURCES_IDLE_MAX = 8192,
    SOURCES_KNOWN_MS = 60 * 60 * 1000,
    SOURCES_KNOWN_FACTOR = 10,
    SOURCES_BURST_S = 5,         /* a rate's burst: what it allows in so many seconds */
    SOURCES_TELL_MS = 60 * 1000, /* period of log lines */
    SOURCES_TELL_MAX = 200,      /* lines in it, of all sources together */
};

struct sources;
struct source_entry;
/* What one connection holds. {0}: nothing. */
struct source_hold {
    struct source_entry *source;
    bool handshake; /* under way */
    bool counted;   /* against its source */
    uint32_t taken; /* requests, given back when it turns out to be trusted */
};
enum sources_verdict {
    SOURCES_OK,
    SOURCES_TOTAL,       /* the process has all it can have */
    SOURCES_CONNECTIONS, /* the source has */
    SOURCES_HANDSHAKES,
    SOURCES_HANDSHAKE_RATE,
    SOURCES_REQUESTS,
    SOURCES_VERDICTS
};

struct sources *sources_new(void);
void sources_free(struct sources *s);
/* A connection begins. Not OK: nothing is held. */
enum sources_verdict sources_begin(struct sources *s, const struct element_limits *l,
                                   const struct net_addr *from, bool handshake, uint64_t now,
                                   struct source_hold *ret);
void sources_up(struct sources *s, struct source_hold *h); /* the handshake is through */
void sources_trust(struct sources *s, const struct element_limits *l, struct source_hold *h, uint64_t now);
void sources_end(struct sources *s, struct source_hold *h);
/* A request of a connection that is not trusted; h NULL: a datagram from `from`. */
enum sources_verdict sources_request(struct sources *s, const struct element_limits *l, struct source_hold *h,
                                     const struct net_addr *from, uint64_t now);
/* The sender of a datagram has proven itself: its request counts no more. */
void sources_trust_datagram(struct sources *s, const struct element_limits *l, const struct net_addr *from,
                            uint64_t now);
/* May a line about this source be written? One a period when it is refused, twenty about what it sends,
 * one that sums up requests beyond its limit.
 * *ret_since: how often it was asked since the last line, this time included. */
enum sources_tell { SOURCES_TELL_REFUSED, SOURCES_TELL_MALFORMED, SOURCES_TELL_SUM, SOURCES_TELLS };
bool sources_may_tell(struct sources *s, const struct net_addr *from, enum sources_tell what, uint64_t now,
                      uint64_t *ret_since);

struct sources_count {
    uint64_t connections, sources;
};
void sources_counted(struct sources *s, struct sources_count *ret);
