/*
 * topology/records.h - the DNS records that a topology implies, and how what a name server says differs from
 * them. Pure.
 *
 * External, for other organisations (and, once it is served, for users outside): _sipfederationtls._tcp of
 * each SIP domain, and the external names of the Edge pools. Internal, for clients and for machines that run
 * something else: the SRV records of the Front Ends, names of machines and pools. Machines that run entented
 * find one another by the topology and need none of the latter.
 *
 * Machines of an Edge pool that are being drained or are disabled keep their place in the pool's external
 * name, unless the deployment says otherwise and another machine serves.
 *
 * An external name whose pool has been adopted leads to the machines of the pool that adopted it, as soon as
 * that one has the routes or the old pool no longer serves: so a transition's end is what is expected then.
 */
#pragma once

#include "kept/topology/topology.h"
#include "wire/dns/dns.h"

enum record_side { RECORD_EXTERNAL = 1, RECORD_INTERNAL = 2, RECORD_BOTH = 3 };
const char *record_side_name(enum record_side s);
const char *record_type_name(uint16_t type); /* "A", "AAAA", "SRV" */

struct topology_record {
    enum record_side side;
    struct slice name; /* lower case, without the last dot */
    uint16_t type;     /* DNS_A, DNS_AAAA, DNS_SRV */
    uint32_t ttl;
    struct slice data; /* as dns_change has it: an address, or "priority weight port target" */
    bool optional;     /* for what this version does not serve yet: nothing is wrong without it */
    const char *use;   /* a sentence */
};
struct topology_records {
    struct topology_record *items;
    size_t n;
};
/* Each once; external first, in the order of the topology. sides: which. */
void topology_records(const struct topology *t, enum record_side sides, struct arena *a,
                      struct topology_records *ret);
/* Lines of a zone file (RFC 1035 5.1), names absolute; optional ones as comments. */
void topology_records_write_zone(const struct topology_records *r, struct buf *out);

/* --- what a server says --- */
/* All records of one name and type. */
struct record_set {
    struct slice name;
    uint16_t type;
    uint32_t ttl;
    struct slice *data;
    size_t n;              /* 0: there should be none (the other address family of a name) */
    bool optional;         /* all of it: what differs is shown, and neither counted nor set */
    enum record_side side; /* bits */
    const char *use;
};
void topology_record_sets(const struct topology_records *r, struct arena *a, struct record_set **ret,
                          size_t *ret_n);
/* Inside and outside are two views of DNS (split DNS): the deployment names resolvers of both. Then each
 * side's records are seen in its own view alone; otherwise all are in one. */
bool topology_dns_is_split(const struct topology *t);
/* The resolvers of a view: those of its side, else dns_servers; none: those of the machine. */
const struct topology_names *topology_resolvers(const struct topology *t, enum record_side side);
/* Sets of the inside whose names the outside has no use for: nothing should be found of them there. */
void record_sets_hidden(const struct record_set *inside, size_t n_inside, const struct record_set *outside,
                        size_t n_outside, struct arena *a, struct record_set **ret, size_t *ret_n);
/* The domain whose zone a record of this name is looked for in: without service labels, or without the host.
 */
struct slice record_domain(struct slice name);

enum record_state {
    RECORD_OK,
    RECORD_MISSING,
    RECORD_DIFFERENT,
    RECORD_EXTRA,
    RECORD_OPTIONAL,
    RECORD_EXPOSED /* a name of the inside that is seen outside */
};
const char *record_state_name(enum record_state s);
struct record_found {
    struct slice data; /* canonical, as record_data_of writes it */
    uint32_t ttl;
};
struct record_diff {
    enum record_state state;
    struct slice wanted, found; /* data; empty: none */
    uint32_t wanted_ttl, found_ttl;
};
/* The text of a record that was answered; SLICE_NONE for one that is not of these types. */
struct slice record_data_of(const struct dns_record *r, struct arena *a);
/*
 * One row for each record of the set and each that was found. exact_ttl: the answer is of the authoritative
 * server; otherwise it comes from a cache, and only a longer TTL than wanted is a difference.
 */
void record_set_compare(const struct record_set *s, const struct record_found *found, size_t n,
                        bool exact_ttl, struct arena *a, struct record_diff **ret, size_t *ret_n);
