/*
 * nameserver/nameserver.h - DNS asked and changed directly at one server (RFC 1035 4.2, RFC 2136, RFC 8945):
 * UDP first, TCP for what is truncated or unanswered. Blocks: for helper threads.
 */
#pragma once

#include "ground/net/addr.h"
#include "wire/dns/dns.h"

enum {
    NAMESERVER_TRIES = 3,
    NAMESERVER_UDP_MS = 1000,
    NAMESERVER_TCP_MS = 3000,
    NAMESERVER_PORT = 53,
    NAMESERVER_ERROR = 200, /* bytes of a sentence */
    NAMESERVER_MAX_AUTHORITIES = 16,
};

/* Records of this very name and type (no CNAME is followed) into the arena. 0 also when there are none;
 * -ETIMEDOUT, -ECONNREFUSED, … with error; -EREMOTEIO: the server refused or failed. -ELOOP: the name is an
 * alias. */
int nameserver_ask(const struct net_addr *server, struct slice name, uint16_t type, struct arena *a,
                   struct dns_record **ret, size_t *ret_n, char error[NAMESERVER_ERROR]);
/* The same as a client of the name sees it: aliases in the answer are followed (never -ELOOP). */
int nameserver_resolve(const struct net_addr *server, struct slice name, uint16_t type, struct arena *a,
                       struct dns_record **ret, size_t *ret_n, char error[NAMESERVER_ERROR]);
/* 0 when the server took the update. now_s: wall clock, for TSIG. */
int nameserver_update(const struct net_addr *server, struct slice zone, const struct dns_change *changes,
                      size_t n, const struct dns_tsig_key *key, uint64_t now_s, char error[NAMESERVER_ERROR]);
/* The first name server of /etc/resolv.conf; -ENOENT without one. */
int nameserver_of_machine(struct net_addr *ret);
/* The server of the zone that the name lies in, looked for with the help of the resolver that *server is:
 * found, it takes that one's place. False: left as it is. */
bool nameserver_find_authority(struct net_addr *server, struct slice name, struct arena *a);

/* A zone and the addresses of the servers that its NS records name. */
struct nameserver_zone {
    struct slice name;
    struct net_addr servers[NAMESERVER_MAX_AUTHORITIES];
    size_t n;
};
/*
 * The zone that a name lies in, as this resolver says: NS of the name, of its parent, …, but never of a
 * top-level domain; then the addresses of the servers named. They are expected on port 53, or on the
 * resolver's own where 53 is closed (a laboratory). 0, also when there is none (n 0); negative errno with
 * error: the resolver does not answer.
 */
int nameserver_zone_of(const struct net_addr *resolver, struct slice name, struct arena *a,
                       struct nameserver_zone *ret, char error[NAMESERVER_ERROR]);
