/*
 * entente/drain.h - what an Access Edge has under way, and waiting until that has ended.
 */
#pragma once

#include "cmd/entente/call.h"
#include "cmd/entente/table.h"

#define DRAIN_HEADS "RUNS AS", "PENDING", "CONNECTIONS", "LAST IN DIALOG", "DIALOGS (ESTIMATE)"
/* What a machine last said of itself, out of an answer of /v1/replication; NULL: nothing yet. */
const struct json_value *drain_machine(const struct json_value *machines, struct slice fqdn);
/* The cells of DRAIN_HEADS. */
void drain_cells(struct table *t, const struct json_value *report);
/* Do the machines that the first argument names drain, whatever became of the others? */
bool drain_began(struct invocation *v);
/* Of the pool or machine that the first argument names: shown once; with --wait until nothing is under way.
 * published: what publishing said, for --json; may be NULL. */
int drain_watch(struct invocation *v, const struct json_value *published);
