/*
 * net/listener.h - listening TCP sockets, each with SO_REUSEPORT so that every worker has one.
 */
#pragma once

#include "ground/loop/loop.h"
#include "ground/net/addr.h"

struct listener;
/* accepted: takes over fd, which is nonblocking, close-on-exec and has TCP_NODELAY. */
struct listener_ops {
    void (*accepted)(void *arg, int fd, const struct net_addr *remote);
};
/* 0, or negative errno (-EADDRINUSE, -EACCES, …) with nothing made. Port 0 binds any: see listener_addr. */
int listener_new(struct loop *l, const struct net_addr *addr, const struct listener_ops *ops, void *arg,
                 struct listener **ret);
/* Accepts nothing until it is released; who connects meanwhile waits in the kernel's queue. */
void listener_hold(struct listener *ls, bool hold);
/* Stops accepting. What waits in the kernel's queue is accepted and handed over first. NULL is fine. */
void listener_free(struct listener *ls);
const struct net_addr *listener_addr(const struct listener *ls);
