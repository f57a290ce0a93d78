/*
 * element/destinations.h - what the process knows of the addresses that it dials: the health of each
 * (health.h) and its connections, counted for each partner. Private to element.
 *
 * One table for all workers, so that a failure that one finds spares the others, and so that the number of
 * connections to a partner holds over all workers and addresses. It has a lock; the way of a message takes it
 * only while something is wrong, or when the message's worker has no connection of its own.
 *
 * An address is known for a partner: whom it is dialled for (the first word of an identity, else the dialled
 * name). So what one partner's DNS says of another's addresses, or a certificate that does not suit one
 * partner, harms nobody else.
 */
#pragma once

#include "element/element.h"
#include "element/health.h"

enum {
    DESTINATIONS_MAX =
        4096, /* beyond: the longest unused one that is well is forgotten, else nothing is added */
    DESTINATIONS_FORGET_MS = 30 * 60 * 1000, /* unused and well for so long */
    DESTINATION_CONNECTIONS_MAX = 64,        /* of one partner */
};

struct destinations;
struct destinations *destinations_new(void);
void destinations_free(struct destinations *d);

/* One address for one partner. */
struct destination_key {
    enum side side;
    enum sip_transport transport;
    struct net_addr addr;
    struct slice partner;
    struct slice name; /* not of the key: for people */
};
struct destination_key destination_key_of(enum side side, const struct target_address *to,
                                          struct slice identity);

/* --- health --- */
void destinations_failed(struct destinations *d, const struct destination_key *k,
                         const struct health_times *t, uint64_t now, const char *why);
void destinations_refused(struct destinations *d, const struct destination_key *k,
                          const struct health_times *t, uint64_t now, uint64_t retry_after_ms);
void destinations_suspected(struct destinations *d, const struct destination_key *k, uint64_t now,
                            const char *why);
/* Cheap while all are well. */
void destinations_answered(struct destinations *d, const struct destination_key *k, uint64_t now);
/* Puts what is not well last, the least bad of it first; otherwise the order stays. `limit`: connections to a
 * partner; of more addresses than that, those of one rank that have a connection come first. Cheap while all
 * are well. */
void destinations_order(struct destinations *d, enum side side, struct target_address *list, size_t n,
                        struct slice identity, uint32_t limit, uint64_t now);
/* These are probed always; those of an earlier call that are not among them no more. */
void destinations_watch(struct destinations *d, const struct target_address *list, size_t n, uint64_t now);
/* What should be probed now, marked as being probed (on the sides that are to be); names are copied into the
 * arena. An address for which one of the partner's `limit` connections must make room is probed only when
 * traffic has had it in mind since it was last found ill: what nobody wants costs nobody a connection.
 * Forgets what is old. */
struct destination_probe {
    enum side side;
    struct target_address to; /* with the identity it was dialled for */
};
size_t destinations_due(struct destinations *d, const struct health_times *t, const bool sides[SIDES],
                        uint32_t limit, uint64_t now, struct arena *a, struct destination_probe *ret,
                        size_t cap);
void destinations_probed(struct destinations *d, const struct destination_key *k,
                         const struct health_times *t, uint64_t now, const char *why);

/* --- connections --- */
/* A connection that was let: its holder gives the ticket back. 0: none. */
typedef uint64_t destination_ticket;
enum dial_answer {
    DIAL_NEW,     /* dial; *ret_ticket is the new connection's */
    DIAL_OTHER,   /* the limit is reached: use the connection *ret_old of *ret_worker to this very address */
    DIAL_INSTEAD, /* dial, and end the connection *ret_old of *ret_worker, which leads to another address */
};
/* May `worker` dial this address, with at most `limit` connections to the partner? One to another address
 * makes room. While an address of the partner is not well, one place is kept from traffic for its probes, or
 * each would cost another address a connection; of a limit of one none can be kept. `identity` is kept for
 * probes. */
enum dial_answer destinations_dial(struct destinations *d, const struct destination_key *k,
                                   struct slice identity, bool traffic, uint32_t worker, uint32_t limit,
                                   uint64_t now, destination_ticket *ret_ticket, uint32_t *ret_worker,
                                   destination_ticket *ret_old);
void destinations_release(struct destinations *d, const struct destination_key *k, destination_ticket t);

/* --- seeing --- */
size_t destinations_list(struct destinations *d, uint64_t now, struct arena *a,
                         struct element_destination **ret);
