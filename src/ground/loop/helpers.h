/*
 * loop/helpers.h - threads for what blocks: SQLite, files, other people's libraries.
 *
 * A job runs `work` on a helper thread, then `done` on the loop that asked. Jobs of one pool with one thread
 * run in order. The queue is bounded by HELPERS_MAX_QUEUED: helpers_run answers -EAGAIN beyond it.
 */
#pragma once

#include "ground/loop/loop.h"

enum { HELPERS_MAX_QUEUED = 65536 };

struct helpers;
struct job {
    struct mail mail;  /* private */
    struct list link;  /* private */
    struct loop *back; /* private */
    void (*work)(struct job *j);
    void (*done)(struct job *j); /* on `back`; may free the job's memory. NULL: nothing */
};
struct helpers *helpers_new(unsigned threads, const char *name);
/* Finishes what is queued, joins. */
void helpers_free(struct helpers *h);
int helpers_run(struct helpers *h, struct loop *back, struct job *j);
/* Jobs that wait for a thread. */
size_t helpers_waiting(struct helpers *h);
