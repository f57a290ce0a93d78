#include "kept/topology/rows.h"

#define LIMIT(member, value, least, most, text)                                                              \
    ROW(topology_limits, member, INT, .otherwise = (value), .min = (least), .max = (most), .help = (text))
#define LIMIT_IN(member, value, least, most, what, text)                                                     \
    ROW(topology_limits, member, INT, .otherwise = (value), .min = (least), .max = (most), .unit = (what),   \
        .help = (text))

static const struct property limit_rows[] = {
    LIMIT(connections, "50000", 0, 10000000,
          "Incoming SIP connections of a machine at most; 0 means as many as it has descriptors."),
    LIMIT_IN(
        reserved_percent, "20", 0, 90, "percent",
        "How many of them are kept for addresses from which a partner, a machine or a user proved itself in "
        "the last hour."),
    LIMIT(
        source_connections, "256", 0, 1000000,
        "Connections of one address (IPv6: of one /64) on which nobody welcome is proven; ten times as many "
        "where somebody was in the last hour; 0 means no limit."),
    LIMIT(
        source_handshakes, "128", 0, 1000000,
        "TLS handshakes of one address under way at once, and ten times as many likewise; 0 means no limit."),
    LIMIT_IN(
        source_handshake_rate, "100", 0, 1000000, "a second",
        "TLS handshakes that one address may begin, in bursts of five seconds' worth, and ten times as many "
        "likewise; 0 means no limit."),
    LIMIT_IN(source_requests, "200", 0, 1000000, "a second",
             "Requests of one address on connections on which nobody welcome is proven, in bursts of five "
             "seconds' worth, and ten times as many likewise; 0 means no limit."),
    LIMIT_IN(handshake_s, "10", 1, 600, "seconds", "How long a peer may take for its TLS handshake."),
    LIMIT_IN(message_s, "30", 0, 3600, "seconds",
             "How long a message may take from its first byte to its last; 0 means for ever."),
    LIMIT_IN(untrusted_idle_s, "120", 0, 86400, "seconds",
             "How long a connection on which nobody welcome is proven may be without a request; 0 means for "
             "ever."),
    LIMIT_IN(
        delay_ms, "100", 0, 10000, "milliseconds",
        "When messages wait longer than this for the processor all the time, new work is refused with 503, "
        "of those first who send most; 0 means never."),
    LIMIT(requests, "100000", 100, 10000000,
          "Requests without a final answer on a machine at most; beyond, new ones are refused with 503."),
    LIMIT_IN(memory_mib, "2048", 16, 10000000, "MiB",
             "Memory for connections and requests of a machine; beyond, new ones are refused."),
};
const struct kind kind_limits =
    KIND("limits", topology_limits, limit_rows, "How much of a machine others may take.");
