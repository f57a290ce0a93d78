/*
 * element/outgoing.h - messages that go out on a connection: at once, or when it has come up; and who is told
 * when it ends before they are answered.
 */
#pragma once

#include "element/flow.h"

/* Output of a connection that must not grow: more is refused. */
enum {
    FLOW_MAX_WAITING = 4 << 20,
    FLOW_MAX_UNREAD = 3 << 20,     /* of a connection's output: requests look for another target */
    FLOW_INSIDE_UNREAD = 12 << 20, /* of one to a machine inside, where requests of all partners go */
};
/* Queues or sends. False: the connection takes nothing any more. */
bool flow_send(struct flow *f, struct slice message);
/* A request of ours goes out on f (on f's own shard): sent at once when f is up and covers the identity, else
 * waits; a failure is told to `origin`. */
void flow_send_request(struct flow *f, struct slice message, struct slice identity, bool secure_name,
                       uint32_t origin, const char *branch, struct inflight *inflight);
/* It is up: what waited goes out. */
void flow_send_waiting(struct flow *f);
/* Everything that waits for it, or for an answer on it, learns that it is gone. */
void flow_fail_all(struct flow *f, const char *why);
/* A final response to another shard's request came in on a connection of this one. */
void flow_relayed_done(struct shard *s, struct slice branch);
