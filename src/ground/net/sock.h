/*
 * net/sock.h - what sockets of this module have in common. Private to net.
 */
#pragma once

#include "ground/net/addr.h"

/* A nonblocking socket of type (SOCK_STREAM or SOCK_DGRAM), bound to addr with SO_REUSEPORT, IPv6 without
 * IPv4; ret_bound: with the port that port 0 became. The descriptor, or negative errno. */
int sock_bound(int type, const struct net_addr *addr, struct net_addr *ret_bound);
