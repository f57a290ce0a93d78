/*
 * entente/preview.h - what a publish would do, before it does it: changes, findings, machines.
 */
#pragma once

#include "cmd/entente/call.h"

struct preview {
    struct answer check, diff, replication;
    int64_t version; /* of the draft that was looked at */
    int64_t newest;  /* revision that is published */
    int64_t errors, warnings;
};
/* Asks for all three. from, to: revisions to be compared, none: the newest, the draft. EXIT_REFUSED after
 * saying so when there is nothing to publish. */
int preview_ask(struct invocation *v, struct slice from, struct slice to, struct preview *ret);
void preview_show(struct invocation *v, const struct preview *p, bool with_findings, FILE *to);
/* The same as JSON. */
struct json_value *preview_json(struct invocation *v, const struct preview *p);
