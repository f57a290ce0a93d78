/*
 * dns/dns.h - DNS messages (RFC 1035, 2782 SRV, 3403 NAPTR, 3596 AAAA): answers read, questions and updates
 * (RFC 2136) written, TSIG (RFC 8945) with HMAC-SHA-256.
 *
 * Names are text without trailing dot, lower case, "" for the root; a record with a label
 * that holds a dot or a byte outside letters, digits, '-' and '_' is left out of what is read (a wildcard's
 * NSEC, for one), and is not written. Compression pointers are followed backwards only.
 */
#pragma once

#include "ground/base/arena.h"
#include "ground/base/buf.h"

enum {
    DNS_A = 1,
    DNS_NS = 2,
    DNS_CNAME = 5,
    DNS_SOA = 6,
    DNS_AAAA = 28,
    DNS_SRV = 33,
    DNS_NAPTR = 35,
    DNS_TSIG = 250,
    DNS_ANY = 255
};
enum {
    DNS_NOERROR = 0,
    DNS_FORMERR = 1,
    DNS_SERVFAIL = 2,
    DNS_NXDOMAIN = 3,
    DNS_NOTIMP = 4,
    DNS_REFUSED = 5,
    DNS_NOTAUTH = 9
};
enum { DNS_MAX_NAME = 255, DNS_MAX_RECORDS = 256, DNS_MAX_CNAMES = 8 };

struct dns_record {
    struct slice name;
    uint16_t type;
    uint32_t ttl;
    struct slice data; /* raw; for the types below decoded too */
    union {
        struct slice address; /* A: 4 bytes, AAAA: 16 bytes */
        struct slice target;  /* CNAME, NS */
        struct {
            uint16_t priority, weight, port;
            struct slice target; /* "" is ".": no such service */
        } srv;
        struct {
            uint16_t order, preference;
            struct slice flags, services, regexp, replacement;
        } naptr;
        struct {
            struct slice mname;
            uint32_t serial, minimum;
        } soa;
    };
};
struct dns_message {
    uint16_t id;
    unsigned rcode; /* of the header */
    bool authoritative, truncated, authentic;
    struct dns_record *answers;
    size_t n_answers;
    struct dns_record *authority;
    size_t n_authority;
    struct dns_record *additional;
    size_t n_additional;
};
/* 0 or -EBADMSG (also for a question). Unknown types are kept raw; records of a class other than IN (OPT and
 * TSIG among them) are left out. Data points into the packet, names lie in the arena. */
int dns_parse(struct slice packet, struct arena *a, struct dns_message *ret);
/* The records of this type for name, CNAMEs followed (a loop or too long a chain: none); their number (cap at
 * the most), and the smallest TTL on the way (written when there are any). */
size_t dns_answers(const struct dns_message *m, struct slice name, uint16_t type,
                   const struct dns_record **ret, size_t cap, uint32_t *ret_ttl);

/* RFC 2782: sorts SRV records into the order to be tried: by priority, and by weight at random. random: a
 * stream of numbers from the caller (so that tests are repeatable). */
void dns_srv_order(const struct dns_record **srv, size_t n, uint32_t (*random)(void *arg), void *arg);

/* A question with recursion desired. -EINVAL for a malformed name. */
int dns_question_write(uint16_t id, struct slice name, uint16_t type, struct buf *out);

/* RFC 2136: one message that changes a zone. */
struct dns_change {
    bool add; /* false: delete the whole RRset of name and type */
    struct slice name;
    uint16_t type;
    uint32_t ttl;
    struct slice
        data; /* address text for A/AAAA; "priority weight port target" for SRV; name for CNAME, NS */
};
struct dns_tsig_key {
    struct slice name;   /* of the key */
    struct slice secret; /* raw bytes; HMAC-SHA-256 */
};
/* key NULL: unsigned. now: seconds since 1970 for TSIG (fudge 300). -EINVAL for data that does not fit its
 * type, for a name outside the zone, for more than DNS_MAX_RECORDS changes. */
int dns_update_write(uint16_t id, struct slice zone, const struct dns_change *changes, size_t n,
                     const struct dns_tsig_key *key, uint64_t now, struct buf *out);
/* Checks the answer to an update signed with key: its MAC over the request's MAC. 0 (then read its rcode),
 * -EKEYREJECTED (unsigned, wrong MAC, time or key, or the server says so of ours), -EBADMSG (malformed, or
 * not the answer to this request). */
int dns_update_verify(struct slice answer, struct slice request, const struct dns_tsig_key *key,
                      uint64_t now);
