/*
 * element/way_back.h - where a response goes. Over UDP to where its request came from (RFC 3261 18.2.2, RFC
 * 3581). Over a stream on the connection that the request came on; when that is gone, on a new one to the
 * address it came from and the port of its Via; when that cannot be had, to what DNS says of the Via's
 * sent-by, one address after the other (RFC 3263 section 5). So until it is out, or who asked has given up.
 */
#pragma once

#include "element/shard.h"

/* peer_identity: who must be proven by a connection that is dialled for it; empty over TLS: none is. A
 * look-up is made only for a source that is trusted. */
void source_send(const struct source *src, const struct sip_via *via, struct slice message,
                 struct slice peer_identity);
void ways_back_fini(struct shard *s);

/* For what sends messages: where a request has its branch, such a response has a text that begins with this.
 * It is told once when it is out, or when it cannot be; nobody answers it. */
enum { WAY_BACK_MARK = '>' };
static inline bool way_back_is(const char *branch)
{
    return branch[0] == WAY_BACK_MARK;
}
/* Any shard; finds its way to `origin`. */
void way_back_told(struct element *e, uint32_t origin, const char *branch, bool out);
