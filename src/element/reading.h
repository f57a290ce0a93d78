/*
 * element/reading.h - whose connection is read next. As long as a worker has time for all, each is read when
 * something comes. When it has not, connections wait, and are read by turns of their owners (turns.h), so
 * much in one turn of the loop that nobody's answer waits long. Nothing is read from outside while no machine
 * inside takes what comes: what waits then waits in TCP at its sender, not in a queue that all partners
 * share.
 */
#pragma once

#include "element/flow.h"

/* Of machines inside that requests from outside go to. STUCK: none has taken anything for a second. */
enum hops_state { HOPS_NONE, HOPS_ROOM, HOPS_FULL, HOPS_STUCK };
enum hops_state reading_room(const struct shard *s);
uint64_t reading_owner(const struct flow *f); /* in whose turn it is read */
void reading_begin(struct flow *f);
void reading_up(struct flow *f);
void reading_sent(const struct flow *f); /* after a request went out on it */
void reading_end(struct flow *f);
void reading_init(struct shard *s);
void reading_fini(struct shard *s);
