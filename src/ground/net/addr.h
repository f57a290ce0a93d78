/*
 * net/addr.h - an IP address and port. Values; comparable; printed as 192.0.2.1:5061 or [2001:db8::1]:5061.
 */
#pragma once

#include "ground/base/slice.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct net_addr {
    union {
        struct sockaddr sa;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
    };
};

enum { NET_ADDR_TEXT = 64 };
socklen_t net_addr_len(const struct net_addr *a);
bool net_addr_eq(const struct net_addr *a, const struct net_addr *b);      /* address and port */
bool net_addr_eq_host(const struct net_addr *a, const struct net_addr *b); /* address only */
uint64_t net_addr_hash(const struct net_addr *a);
uint16_t net_addr_port(const struct net_addr *a);
void net_addr_set_port(struct net_addr *a, uint16_t port);
/* An address literal without port, IPv6 with or without brackets; -EINVAL for names. */
int net_addr_parse(struct slice host, uint16_t port, struct net_addr *ret);
/* "192.0.2.1:53", "[::1]:53"; without port: default_port. */
int net_addr_parse_port(struct slice text, uint16_t default_port, struct net_addr *ret);
/* From DNS: 4 or 16 bytes. */
int net_addr_from_bytes(struct slice bytes, uint16_t port, struct net_addr *ret);
struct slice net_addr_text(const struct net_addr *a, char out[NET_ADDR_TEXT]);      /* with port */
struct slice net_addr_host_text(const struct net_addr *a, char out[NET_ADDR_TEXT]); /* without, no brackets */
