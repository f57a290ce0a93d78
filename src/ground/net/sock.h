/*
 * net/sock.h - what sockets of this module have in common. Private to net.
 */
#pragma once

#include "ground/net/addr.h"

enum {
    SOCK_KEEP_IDLE_S = 60,
    SOCK_KEEP_INTERVAL_S = 10,
    SOCK_KEEP_COUNT = 3,
    SOCK_UNACKNOWLEDGED_MS = 20000
};

/* A nonblocking socket of type (SOCK_STREAM or SOCK_DGRAM), bound to addr with SO_REUSEPORT, IPv6 without
 * IPv4; ret_bound: with the port that port 0 became. The descriptor, or negative errno. */
int sock_bound(int type, const struct net_addr *addr, struct net_addr *ret_bound);
/* A TCP connection: no delay for small writes, and a peer that is silently gone is noticed: probes after a
 * minute without a word, and data that nobody acknowledges for 20 s ends the connection (RFC 5482), so that
 * what waits goes another way. */
void sock_tune_tcp(int fd);
