/*
 * entente/replication.h - which machine runs which revision.
 */
#pragma once

#include "cmd/entente/call.h"

/* Watches until every managed machine runs revision `number` or a newer one, or the limit is over. EXIT_DONE,
 * EXIT_REFUSED after naming who is behind and why, or EXIT_NO_DAEMON. ret_last: with --json the last answer.
 */
int replication_wait(struct invocation *v, int64_t number, int64_t limit_ms, struct json_value **ret_last);
/* Asks every machine now, and waits until each has answered or was found not to; ret is the last answer of
 * /v1/replication. An exit code. */
int replication_ask(struct invocation *v, struct answer *ret);
/* "id: sentence", empty when there is nothing to say. */
struct slice replication_why(struct invocation *v, const struct json_value *machine);
