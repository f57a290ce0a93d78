/*
 * element/reply.h - answers that we make ourselves. request_reply and request_refuse (element.h) answer
 * within a transaction; every refusal is sent by them and nowhere else.
 */
#pragma once

#include "element/shard.h"

/* Outside a transaction, with a To tag that a repeated request gets again: nothing is remembered. to_tag: ""
 * for one of ours. Over UDP no more than 1.5 times the request goes out, without `extra` if need be, or
 * nothing. The status that was sent, or 0. */
unsigned reply_stateless(const struct source *src, const struct sip_msg *m, unsigned status,
                         struct slice reason, struct slice extra, const char *to_tag);
/* Reason and ms-diagnostics, which explain a refusal to the peer. */
void refusal_rows(const struct element_config *c, enum side side, const struct refusal *why, struct buf *out);
