/*
 * topology/path.h - how a message, a call and its media travel between two users: every hop in both
 * directions, with names, addresses, ports, the certificates and identity rules that are expected, what
 * policy says, and the first hop that would fail and why. Pure: DNS is asked through a table that the caller
 * fills in, or not at all.
 *
 * What this computes is what the services do (front_end/routes.h, access_edge/hops.c, policy.h, identity.h);
 * ids of failures are those of their refusals.
 */
#pragma once

#include "kept/topology/topology.h"
#include "wire/dns/dns.h"

enum {
    PATH_MAX_LEGS = 4,
    PATH_MAX_HOPS = 8,
    PATH_MAX_TARGETS = 32, /* of one name or pool */
};

struct path_dns {
    /* Records of this name and type (aliases followed) into the arena: 0, also when there are none; negative
     * errno with a sentence. */
    int (*ask)(void *arg, struct slice name, uint16_t type, struct arena *a, struct dns_record **ret,
               size_t *ret_n, struct slice *ret_why);
    void *arg;
};

enum path_state {
    PATH_OK,
    PATH_FAILS,
    PATH_NOT_ASKED,  /* DNS would tell */
    PATH_BEYOND,     /* another organisation's or a foreign machine's affair */
    PATH_NOT_SERVED, /* this version has no such service */
};
const char *path_state_name(enum path_state s); /* "ok", "fails", "not-asked", "beyond", "not-served" */

struct path_address {
    struct slice name;     /* of the machine, or what DNS was asked for */
    struct slice endpoint; /* address:port, of media also address:first-last */
    const char *use;       /* "STUN and TURN over UDP", "as the Internet sees it"; NULL: nothing to be said */
};
struct path_hop {
    /* "client", "edge", "director", "partner", "next-hop"; of media "credentials", "relay", "relay-outside"
     */
    const char *kind;
    struct slice from, to;
    const char *transport; /* "TLS"; "" unknown */
    struct path_address addresses[PATH_MAX_TARGETS];
    size_t n_addresses;
    struct slice decided_by;  /* what makes it go there */
    struct slice certificate; /* of who is dialled: the names that it must carry */
    struct slice identity;    /* how the one that dials is known to the other */
    struct slice policy;
    enum path_state state;
    const char *id; /* of what is wrong, NULL: nothing */
    struct slice why, remedy;
};
struct path_leg {
    const char *carries; /* "message and call", "media" */
    struct slice from, to;
    struct path_hop *hops;
    size_t n;
    size_t failing; /* index of the first hop that fails; SIZE_MAX: none */
};
struct path {
    struct slice from, to, pool; /* pool: of our user, as assumed */
    struct path_leg legs[PATH_MAX_LEGS];
    size_t n;
    bool live;
    enum path_state
        state; /* PATH_FAILS when a leg of messages and calls fails, else PATH_OK or PATH_NOT_ASKED */
};

/*
 * from, to: user@domain, or a domain alone. pool: the Front End pool of our user; empty: the one that an Edge
 * hands to, or the first. dns NULL: from the topology alone. All text lies in the arena or in the topology.
 * -EINVAL: malformed; -EDOM: neither domain is ours; -ENOENT: no such pool; ret_why says it.
 */
int path_find(const struct topology *t, const struct path_dns *dns, struct slice from, struct slice to,
              struct slice pool, struct arena *a, struct path *ret, struct slice *ret_why);
struct json_value *path_to_json(const struct path *p, struct arena *a);

/* From the topology alone: can users of our domain and of the partner's send to one another? If not, ret_hop
 * (may be NULL) is the hop that fails, in the arena. */
bool path_exists(const struct topology *t, struct slice own, struct slice partner, struct arena *a,
                 const struct path_hop **ret_hop);
