/*
 * element/apply.h - the switch to another configuration: element_apply (element.h). First every shard opens
 * what is new; when all could, all switch; else all drop what they opened.
 */
#pragma once

#include "element/shard.h"

/* Of a shard that ends: resolvers, also of configurations before. */
void apply_fini(struct shard *s);
