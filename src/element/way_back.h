/*
 * element/way_back.h - where a response goes (RFC 3261 18.2.2): on the connection that its request came on,
 * and when that is gone, on one to where it came from.
 */
#pragma once

#include "element/shard.h"

/* peer_identity: who must be proven by a connection that is dialled for it; empty over TLS: none is. */
void source_send(const struct source *src, const struct sip_via *via, struct slice message,
                 struct slice peer_identity);
