/*
 * entente/edit.h - the draft in an editor. What was typed lies in a file until the draft has it: whatever
 * fails, the file stays and its name is told.
 */
#pragma once

#include "cmd/entente/call.h"

/* One line on standard error: whose change came first, and when ("theirs" of a refusal). */
void edit_say_theirs(struct invocation *v, const struct json_value *theirs);
/* "line 12: error ID PATH: sentence (remedy)", and that line of the text below it. */
void edit_findings(FILE *to, const struct json_value *findings, struct slice text);
