/*
 * topology/explain.h - what a path of the document is, from the descriptor table: for people who ask.
 *
 * A path is one that edit.h takes: of a property, of an object, of a list, of a name in a list, "" for the
 * document. The name of an object may be left out ("edge_pools/federation_port") or be that of one that does
 * not exist yet.
 */
#pragma once

#include "kept/topology/topology.h"

enum explain_format { EXPLAIN_TEXT, EXPLAIN_MARKDOWN };

/* What it is, type, unit, range, default, what it may name, Lync's name for it, and the value in `doc` (NULL:
 * nothing of values). 0, or -EINVAL with one finding that says which part is not known and what comes near.
 */
int topology_explain(struct slice path, const struct json_value *doc, enum explain_format format,
                     struct buf *out, struct findings *f);
