/*
 * entente/wait.h - watching something until it is done: time, terminals, asking people.
 */
#pragma once

#include "cmd/entente/call.h"

enum {
    WAIT_POLL_MS = 200,
    WAIT_DEFAULT_MS = 60000, /* --wait without a number */
    WAIT_GONE_MS = 30000,    /* so long a daemon may be away meanwhile (it restarts) */
    WAIT_AGAIN = -1          /* not an exit code: look again */
};
int64_t wait_now(void);  /* monotonic milliseconds */
int64_t wait_wall(void); /* milliseconds since 1970 UTC */
void wait_pause(int64_t ms);
/* One look of many at a path: EXIT_DONE; WAIT_AGAIN when the daemon is away for the moment; or the exit code,
 * after saying why. heard: when it last answered (wait_now), kept by this. last: there is no other look. */
int wait_look(struct invocation *v, struct slice path, bool last, int64_t *heard, struct answer *ret);
/* Milliseconds of --wait. */
int64_t wait_limit(const struct invocation *v, int64_t otherwise);
bool wait_on_terminal(FILE *out);
/* Who does this, for the history: $SUDO_USER, $USER or the number of the user. */
struct slice wait_author(struct invocation *v);
/* Asks on the terminal; false without one. */
bool wait_ask(struct invocation *v, const char *question);
/* A line typed after a prompt, trimmed; none at the end of the input. */
struct slice wait_line(struct invocation *v, const char *prompt);

/* Lines that are drawn over those of the time before. */
struct live {
    FILE *out;
    size_t lines; /* drawn now */
};
void live_begin(struct live *l); /* what was drawn is gone; print the new lines, each through live_line */
void live_line(struct live *l, struct slice text);
