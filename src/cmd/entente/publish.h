/*
 * entente/publish.h - what ends in a revision: publish, rollback, stop and start of services.
 */
#pragma once

#include "cmd/entente/command.h"

/* POSTs the body (author, comment and acceptance are added) to a path that publishes; asks when only warnings
 * stand against it; waits when --wait is given, or always. Exit code. */
int publish_send(struct invocation *v, struct slice path, struct json_value *body, bool always_wait);
