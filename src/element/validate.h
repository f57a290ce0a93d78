/*
 * element/validate.h - what every proxy checks of a request before it looks where to (RFC 3261 16.3), and the
 * Route values of ours that are taken off it (16.4).
 */
#pragma once

#include "element/shard.h"

/* False: it has been refused. */
bool request_valid(struct request *rq);
