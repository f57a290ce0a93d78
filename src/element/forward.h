/*
 * element/forward.h - stateful forwarding (RFC 3261 sections 16.5-16.10) of one request: request_forward
 * (element.h) begins it.
 */
#pragma once

#include "element/shard.h"

/* The sender cancelled it. */
void forward_cancel(struct request *rq, struct slice reason);
/* A 2xx behind the first one, of whichever branch. */
void forward_further(struct request *rq, const struct sip_msg *m);
/* Detaches all clients and look-ups. */
void forward_abandon(struct request *rq);
