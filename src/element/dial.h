/*
 * element/dial.h - the connection that a request takes: one that stands, a new one, or another shard's.
 */
#pragma once

#include "element/flow.h"

/* The connection to this address for this identity: standing, or dialled now. NULL: none can be had here;
 * *ret_worker is then another shard that has one, because no more are allowed, or this one's own index. */
struct flow *flow_to(struct shard *s, enum side side, const struct target_address *to, struct slice identity,
                     uint32_t *ret_worker);
/* The same for a probe, which does not count as a wish of traffic for the address. */
struct flow *flow_to_probe(struct shard *s, enum side side, const struct target_address *to,
                           struct slice identity, uint32_t *ret_worker);
