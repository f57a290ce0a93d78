/*
 * loop/workers.h - a team of threads, each with its loop. Started together, stopped together.
 */
#pragma once

#include "ground/loop/loop.h"

struct workers;
/* n loops with index 0..n-1; threads start with workers_start. */
struct workers *workers_new(unsigned n, const char *name);
unsigned workers_count(const struct workers *w);
struct loop *workers_loop(const struct workers *w, unsigned index);
void workers_start(struct workers *w);
/* Stops every loop, joins the threads; the loops remain until workers_free, so that what is left can be
 * posted. */
void workers_stop(struct workers *w);
void workers_free(struct workers *w);
/* Cores that this process may run on. */
unsigned workers_cores(void);
