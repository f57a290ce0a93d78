/*
 * element/limits.h - how much of this process others may take. Part of an element_config; doc/limits.md lists
 * every limit with its default and the place where it is set.
 *
 * A source is an IPv4 address, or the first 64 bits of an IPv6 address. A connection is trusted once the
 * service says so (flow_trust): an allowed partner that is proven, a machine of the topology, a user who
 * signed in. What is trusted counts against no source any more.
 */
#pragma once

#include <stdint.h>

struct element_limits {
    uint32_t connections;      /* incoming ones of the process; 0: as many as there are descriptors */
    uint32_t reserved_percent; /* of these, for sources from which somebody trusted came lately */
    /* of one source; 0: no limit */
    uint32_t source_connections;    /* not trusted, at once */
    uint32_t source_handshakes;     /* under way at once */
    uint32_t source_handshake_rate; /* begun in a second */
    uint32_t source_requests;       /* not trusted, in a second */
    /* milliseconds; 0: for ever */
    uint32_t handshake_ms;      /* for the peer to complete TCP and TLS */
    uint32_t message_ms;        /* from the first byte of a message to its last */
    uint32_t untrusted_idle_ms; /* a connection that nobody trusts, without a request */
    /* overload */
    uint32_t delay_ms; /* waiting time of a message at which new work is refused; 0: never */
    uint32_t requests; /* pending ones of the process */
    uint32_t memory_mib;
};
#define ELEMENT_LIMITS_DEFAULT                                                                               \
    (struct element_limits)                                                                                  \
    {                                                                                                        \
        .connections = 50000, .reserved_percent = 20, .source_connections = 256, .source_handshakes = 128,   \
        .source_handshake_rate = 100, .source_requests = 200, .handshake_ms = 10000, .message_ms = 30000,    \
        .untrusted_idle_ms = 120000, .delay_ms = 100, .requests = 100000, .memory_mib = 2048                 \
    }
