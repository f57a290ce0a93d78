/*
 * log/journal.h - a file of lines that programs read: written by a thread of its own, so that a disk that is
 * slow, full or stuck holds up nobody. What waits is bounded; beyond that lines are dropped and counted. The
 * file can be moved away and made anew (journal_reopen, after logrotate), or rotates by itself: FILE, FILE.1,
 * FILE.2 … up to `keep` old ones.
 *
 * Thread-safe. Counters: journal.written, journal.dropped, journal.failed (lines that the disk did not take),
 * journal.rotated.
 */
#pragma once

#include "ground/base/slice.h"

enum {
    JOURNAL_MAX_QUEUED = 4 << 20, /* bytes that wait for the disk */
    JOURNAL_MAX_LINE = 8192,
    JOURNAL_MAX_KEEP = 100,
    JOURNAL_CLOSE_MS = 1000,
    JOURNAL_SAY_MS = 10000, /* losses are said in the log so often at the most */
};

struct journal_limits {
    uint64_t max_bytes; /* rotate beyond; 0: never */
    unsigned keep;      /* old files kept when it rotates by size; 0: none, the file begins anew */
};
struct journal;
/* Appends to path (0640). 0 or negative errno. */
int journal_open(const char *path, const struct journal_limits *limits, struct journal **ret);
struct journal *journal_ref(struct journal *j);
/* The last one writes what waits, JOURNAL_CLOSE_MS at the most. NULL is fine. */
void journal_unref(struct journal *j);
void journal_set_limits(struct journal *j, const struct journal_limits *limits);
/* A whole line with its newline. False: dropped. Never blocks for the disk. */
bool journal_write(struct journal *j, struct slice line);
/* Opens the path again, once what came before is written: somebody moved the file away. */
void journal_reopen(struct journal *j);
/* Waits until what was given before is written; false when it takes longer. */
bool journal_flush(struct journal *j, unsigned timeout_ms);
/* Bytes that wait for the disk. */
size_t journal_waiting(struct journal *j);
