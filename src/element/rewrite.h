/*
 * element/rewrite.h - messages as they go on. The request: Max-Forwards, Max-Breadth (RFC 5393), Route, our
 * Via and what the service changes (RFC 3261 16.6); the response without our Via (16.7 step 3).
 */
#pragma once

#include "element/shard.h"

/* What is the same on every branch, put together once into rq->edits. */
void rewrite_prepare(struct request *rq, const struct forward *plan);
/* RFC 5393 section 5: each of `widest` parallel branches gets its share of what the request may still spread
 * to. False: it may not spread so far. */
bool rewrite_breadth(struct request *rq, unsigned widest);
/* Writes the request for one attempt. False: it became too large or had too many changes. */
bool rewrite_request(struct request *rq, const struct forward_branch *b, enum sip_transport transport,
                     const char *branch, struct buf *out);

/* 16.7 step 3: without a Via but ours the response was not made for the sender, and must not reach it; unless
 * all but ours stayed here. */
bool rewrite_is_for_sender(const struct request *rq, const struct sip_msg *m);
/* Sends a response up. more_rows: challenges of other branches, each row ended by CRLF; or empty. */
void rewrite_send_up(struct request *rq, const struct sip_msg *m, struct slice more_rows);
/* All Vias of the request in one row, the topmost as it goes back. */
struct slice rewrite_kept_vias(struct request *rq);
