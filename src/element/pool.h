/*
 * element/pool.h - the connections that requests may go out on, found by address: those that we dialled, for
 * the identity that they were dialled for, and those that came in and serve the other direction too (RFC
 * 5923).
 */
#pragma once

#include "element/flow.h"

void flow_pool(struct flow *f, const struct net_addr *destination);
void flow_unpool(struct flow *f);
/* No more requests; those on their way are still answered on it, then it ends in order. */
void flow_retire(struct flow *f);
/* Keeps an inbound connection for requests too (RFC 5923). */
void flow_alias(struct flow *f, uint16_t port);
/* One that stands for this very identity, or NULL. */
struct flow *flow_standing(struct shard *s, enum side side, const struct target_address *to,
                           struct slice identity);
/* May a request for this identity go out on it (it is up)? */
bool flow_admits(struct flow *f, struct slice identity, bool secure_name);
/* One that we made could not be had, or is lost. */
void flow_note_failure(struct flow *f, const char *why);
