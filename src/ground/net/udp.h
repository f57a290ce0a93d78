/*
 * net/udp.h - a UDP socket on one loop, with SO_REUSEPORT so that every worker has one; datagrams move in
 * batches.
 *
 * In: up to UDP_BATCH by one system call. Out: udp_send goes at once and hears what the kernel says of it;
 * udp_gather is for answers, which nobody sends again when they are lost: they leave together by one system
 * call, at the end of the loop's turn at the latest, before that when UDP_GATHER of them or UDP_GATHER_BYTES
 * have come together. The receiver is woken once for all of them. UDP_GATHER is less than UDP_BATCH so that
 * who asked can go on while the rest of a batch is worked on.
 *
 * All of one socket leave in the order of the calls. What finds no room in the socket's buffer waits in a
 * queue of UDP_MAX_WAITING bytes. One that the kernel refuses, and one beyond the queue, is lost as datagrams
 * are, and harms no other; those that no caller hears of are counted (net.datagram-lost).
 */
#pragma once

#include "ground/loop/loop.h"
#include "ground/net/addr.h"

struct udp;
enum {
    UDP_MAX_DATAGRAM = 65535,
    UDP_BATCH = 32,
    UDP_GATHER = 8,
    UDP_GATHER_BYTES = 64 << 10,
    UDP_MAX_WAITING = 1 << 20,
};
struct udp_ops {
    void (*received)(struct udp *u, void *arg, struct slice datagram, const struct net_addr *from);
};
/* 0, or negative errno (-EADDRINUSE, -EACCES, …) with nothing made. Port 0 binds any: see udp_addr. */
int udp_new(struct loop *l, const struct net_addr *addr, const struct udp_ops *ops, void *arg,
            struct udp **ret);
/* What is gathered leaves first; what waits for room is lost. Fine within `received`, and for NULL. */
void udp_free(struct udp *u);
const struct net_addr *udp_addr(const struct udp *u);
/* 0, or negative errno when the kernel refused it (-ENOBUFS also: the queue is full). */
int udp_send(struct udp *u, struct slice datagram, const struct net_addr *to);
void udp_gather(struct udp *u, struct slice datagram, const struct net_addr *to);
