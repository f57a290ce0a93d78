/*
 * log/writer.h - private to log: lines written by a thread of their own, so that a log that is not read (a
 * full pipe, a stuck disk) holds up nobody. What waits is bounded; beyond that lines are dropped and counted,
 * and the count is logged.
 */
#pragma once

#include "ground/base/slice.h"

enum { LOG_MAX_QUEUED = 4 << 20 };

void log_writer_start(void);
/* Waits until what is queued is written, one second at the most; then lines are written by their callers
 * again. */
void log_writer_stop(void);
/* False: no writer runs, the caller writes. */
bool log_writer_take(int fd, struct slice line);
/* Lines dropped since the last call. */
uint64_t log_writer_dropped(void);
