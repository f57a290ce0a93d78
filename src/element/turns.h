/*
 * element/turns.h - private to element: whose connection is read next when more has come than can be read at
 * once. Pure: the time and what a reading cost are parameters.
 *
 * Deficit round robin over owners (a partner's domain, a machine, a source), as fq_codel does (RFC 8290
 * 4.1): each owner in its turn is given TURNS_QUANTUM_US of the worker's time, whatever its connections are
 * many; what a reading cost beyond that is paid back in later rounds. Who has just begun to wait goes before
 * those who keep waiting, once. So whoever sends less than its share waits for a turn of each other owner at
 * the most, and nothing of the worker's time is lost to keeping shares.
 *
 * Protocol: c = turns_next(t); read it; turns_add(t, c, owner) when it is to be read again; turns_done(t,
 * cost).
 *
 * Delay. A connection that is read and never found empty has a queue in front of it. What waits in it, by
 * the rate at which it was read of late, is how long its newest byte will wait.
 */
#pragma once

#include "ground/base/list.h"
#include "ground/base/map.h"

enum {
    TURNS_QUANTUM_US = 1000,
    TURNS_DEBT_MAX_US = 4 * TURNS_QUANTUM_US, /* of one reading, however much it took */
    TURNS_REMEMBER_US = 1000000,              /* the rate is that of about so long */
};

struct turns_owner;
/* Lies in the connection. {0} is one that does not wait. */
struct turns_client {
    struct list link;
    struct turns_owner *owner;
    uint64_t full_us; /* since when it was never found empty; 0: it was */
    uint64_t bytes;   /* read since then */
};
struct turns {
    struct map owners;
    struct list fresh, waiting; /* owners */
    struct turns_owner *current;
    size_t n; /* clients that wait */
};
void turns_init(struct turns *t);
void turns_fini(struct turns *t); /* no client waits any more */
/* Behind the other clients of its owner. One that waits already stays where it is. */
void turns_add(struct turns *t, struct turns_client *c, uint64_t owner);
/* Fine also for one that does not wait. */
void turns_remove(struct turns *t, struct turns_client *c);
/* The next one, which waits no more; NULL: none. */
struct turns_client *turns_next(struct turns *t);
void turns_done(struct turns *t, uint64_t cost_us);

/* After a reading of so many bytes; `more`: it was not empty then. */
void turns_read(struct turns_client *c, size_t bytes, bool more, uint64_t now_us);
/* How long what comes now will wait when so many bytes are before it; 0: not known, or not at all. */
uint64_t turns_delay_us(const struct turns_client *c, size_t unread, uint64_t now_us);
