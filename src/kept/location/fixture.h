/*
 * location/fixture.h - a location in a folder of its own, for its tests: updates that wait for their outcome.
 */
#pragma once

#include "kept/location/location.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct fixture {
    char folder[64];
    struct helpers *helpers;
    struct loop *loop;
    struct location *l;
    struct arena arena;
    int open_result;
};

static inline void fixture_open(struct fixture *f)
{
    f->helpers = helpers_new(1, "writer");
    f->loop = loop_new(0);
    f->l = NULL;
    f->open_result = location_open(f->folder, f->helpers, &f->l);
}

static inline void fixture_close(struct fixture *f)
{
    location_close(f->l);
    helpers_free(f->helpers);
    loop_free(f->loop);
    arena_fini(&f->arena);
}

static inline void fixture_init(struct fixture *f)
{
    *f = (struct fixture){.folder = "/tmp/location_test.XXXXXX"};
    if (!mkdtemp(f->folder))
        abort();
    fixture_open(f);
}

static inline void fixture_path(const struct fixture *f, const char *suffix, char out[128])
{
    snprintf(out, 128, "%s/location.db%s", f->folder, suffix);
}

static inline void fixture_fini(struct fixture *f)
{
    static const char *const suffix[] = {"", "-wal", "-shm"};
    char path[128];
    fixture_close(f);
    for (size_t i = 0; i < 3; i++) {
        fixture_path(f, suffix[i], path);
        unlink(path);
    }
    if (rmdir(f->folder) < 0)
        abort();
}

struct fixture_answer {
    struct loop *loop;
    int outcome; /* -1: not yet */
};

static inline void fixture_done(void *arg, enum location_outcome outcome)
{
    struct fixture_answer *a = arg;
    a->outcome = (int)outcome;
    loop_stop(a->loop);
}

static inline int fixture_update_on(struct location *l, struct loop *loop, const struct location_request *rq)
{
    struct fixture_answer a = {loop, -1};
    location_update(l, loop, rq, fixture_done, &a);
    while (a.outcome < 0)
        loop_run(loop);
    return a.outcome;
}

static inline int fixture_update(struct fixture *f, const struct location_request *rq)
{
    return fixture_update_on(f->l, f->loop, rq);
}

/* What the writer was asked for without an answer, a sweep, is done. */
static inline void fixture_idle(struct fixture *f)
{
    while (!location_is_idle(f->l))
        usleep(1000);
}
