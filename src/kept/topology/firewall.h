/*
 * topology/firewall.h - the ports that a topology needs open, machine by machine, and the same as a file for
 * nft(8). Pure.
 *
 * Services that a topology turns on and that this version does not serve yet are listed, and marked: no hole
 * is made for what nobody listens on.
 */
#pragma once

#include "kept/topology/topology.h"

enum firewall_side { FIREWALL_EXTERNAL, FIREWALL_INTERNAL };
enum firewall_direction { FIREWALL_IN, FIREWALL_OUT };
enum firewall_proto { FIREWALL_TCP, FIREWALL_UDP };

/* Some addresses, and what they are; n = 0: any. */
struct firewall_peers {
    struct slice text; /* "any", "Front Ends" */
    struct slice *addresses;
    size_t n;
};
struct firewall_rule {
    enum firewall_side side;
    enum firewall_direction direction;
    enum firewall_proto proto;
    uint16_t port, port_end;      /* of who listens; the same, or the end of a range */
    struct slice local[2];        /* addresses of the machine, empty: whichever it has */
    struct firewall_peers *peers; /* shared between rules */
    const char *use;
    bool served; /* by this version; always true of what is not managed */
};
struct firewall_machine {
    struct slice fqdn;
    const char *role; /* "edge", "front-end", … */
    bool perimeter;   /* nothing leaves that is not listed */
    struct firewall_rule *rules;
    size_t n;
};
/* fqdn empty: all machines. 0 when there is no such machine. */
size_t topology_firewall(const struct topology *t, struct slice fqdn, struct arena *a,
                         struct firewall_machine **ret);
/*
 * A whole ruleset, loaded with nft -f: table "inet entente" is replaced, other tables are left alone. What
 * comes in is dropped unless it is listed, answers something, is on loopback, or is what ICMP must not lack;
 * in the perimeter the same holds for what goes out. Rules of one's own (ssh, time) go into
 * FIREWALL_OWN_RULES/input*.nft and output*.nft and are read into the chains.
 */
#define FIREWALL_OWN_RULES "/etc/entente/nftables"
void firewall_write_nft(const struct firewall_machine *m, struct buf *out);
const char *firewall_side_name(enum firewall_side s);
const char *firewall_direction_name(enum firewall_direction d);
const char *firewall_proto_name(enum firewall_proto p);
