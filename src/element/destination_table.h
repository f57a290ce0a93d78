/*
 * element/destination_table.h - which addresses are known for which partners, and which are forgotten.
 * Private to destinations.c, which holds the lock.
 */
#pragma once

#include "element/destinations.h"
#include "ground/base/list.h"
#include "ground/base/map.h"

#include <pthread.h>
#include <stdatomic.h>

struct partner {
    struct map_entry by_name;
    struct list destinations; /* of it */
    unsigned connections;
    enum side side;
    size_t n;
    char name[];
};
struct connection {
    destination_ticket ticket;
    uint32_t worker;
};
struct destination {
    struct list by_age; /* the one used last is the last */
    struct list of_partner;
    struct map_entry by_key;
    struct partner *partner;
    enum side side;
    enum sip_transport transport;
    struct net_addr addr;
    struct health health;
    bool asked_for; /* by traffic, since it was last found ill */
    struct connection connections[DESTINATION_CONNECTIONS_MAX];
    unsigned n_connections;
    char *name, *identity;
};
struct destinations {
    pthread_mutex_t lock;
    struct map by_key, by_partner;
    struct list by_age;
    size_t n;
    destination_ticket last_ticket;
    atomic_uint unwell; /* how many are not good: read without the lock */
};
struct destination *destination_find(struct destinations *d,
                                     const struct destination_key *k); /* NULL: unknown */
/* Made when there is none. NULL: the table is full. traffic: somebody has it in mind, and not only a probe.
 */
struct destination *destination_known(struct destinations *d, const struct destination_key *k, bool traffic,
                                      uint64_t now);
bool destination_may_go(const struct destination *o);
void destination_drop(struct destinations *d,
                      struct destination *o); /* with its partner, when it was the last */
struct slice partner_name(const struct partner *p);
