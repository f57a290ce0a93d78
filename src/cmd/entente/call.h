/*
 * entente/call.h - a question to the daemon: HTTP with JSON over its UNIX socket, and what is said when it
 * refuses or cannot be reached.
 */
#pragma once

#include "cmd/entente/command.h"

enum { CALL_TIMEOUT_MS = 60000 };

struct answer {
    unsigned status;
    struct json_value *json; /* NULL: no JSON */
    struct slice text;       /* as it came */
};
/* body NULL: none. EXIT_DONE (status 2xx, JSON); EXIT_NO_DAEMON after saying why; EXIT_REFUSED: the daemon
 * refused, nothing was said yet: call_refused, or deal with it. All lives in the invocation's arena. */
int call_ask(struct invocation *v, const char *method, struct slice path, const struct json_value *body,
             struct answer *ret);
/* The same, with the refusal said. */
int call_api(struct invocation *v, const char *method, struct slice path, const struct json_value *body,
             struct answer *ret);
/* Body as text that may hold secrets: it is wiped by the caller. */
int call_text(struct invocation *v, const char *method, struct slice path, struct slice body,
              struct answer *ret);
/* Sentence, id and findings on standard error (with --json the answer itself on standard output). */
int call_refused(struct invocation *v, const struct answer *answer);
/* "PATH?NAME=VALUE" or "PATH&NAME=VALUE", escaped; the path itself for an empty value. */
struct slice call_query(struct invocation *v, struct slice path, const char *name, struct slice value);

/* With --json: prints the answer; true: nothing more to print. */
bool call_json(struct invocation *v, const struct answer *answer);
void call_print_json(struct invocation *v, const struct json_value *json);
/* "error ID PATH: sentence (remedy)", a line each. */
void call_findings(FILE *to, const struct json_value *findings);
/* "entente: SENTENCE (ID)" on standard error; returns EXIT_REFUSED. */
__attribute__((format(printf, 3, 4))) int call_fail(struct invocation *v, const char *id, const char *fmt,
                                                    ...);
/* What others sent, for a terminal: control characters become '?'. */
void call_put(FILE *to, struct slice text);
/* The strings of a list, with commas. */
struct slice call_list(struct invocation *v, const struct json_value *list);
