/*
 * element/best.h - the one final answer to a request that went out on several branches (RFC 3261 16.7 steps 6
 * and 7, RFC 4320).
 */
#pragma once

#include "element/shard.h"

/* A final response of a branch, or what we say ourselves because one ended without; kept when it is better
 * than what there is. */
void best_consider(struct request *rq, const struct sip_msg *m);
void best_consider_own(struct request *rq, const struct refusal *why, const char *detail);
/* All branches are over: the best answer goes up. */
void best_answer(struct request *rq);
