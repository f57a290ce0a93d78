/*
 * entente/topology.h - changes to the draft, as commands of several nouns make them.
 */
#pragma once

#include "cmd/entente/call.h"

enum draft_change { DRAFT_SET, DRAFT_ADD, DRAFT_REMOVE };
/* What a change wants: path with a value, or with assignments, or alone. */
struct json_value *draft_body_set(struct invocation *v, struct slice path, struct slice value);
struct json_value *draft_body_add(struct invocation *v, struct slice path, const struct slice *assignments,
                                  size_t n);
/* POSTs; a refusal is not said: as call_ask. */
int draft_ask(struct invocation *v, enum draft_change change, struct json_value *body, struct answer *ret);
/* POSTs; says the refusal, or what the checks find in the draft now. */
int draft_change(struct invocation *v, enum draft_change change, struct json_value *body);
/* What the draft, or the published topology, has at a path, as a tree; NULL when there is nothing. */
int draft_get(struct invocation *v, struct slice path, struct json_value **ret);
/* --- tree.c: what is at a path, as a tree for people. */
void topology_tree(struct slice path, const struct json_value *v, struct buf *out);
