/*
 * base/file_for_test.h - files of the project that tests read, and pages of doc/ that a table prints: a test
 * compares them, and writes them anew with ENTENTE_WRITE_REFERENCE=1 in its environment (`make reference`).
 */
#pragma once

#include "ground/base/buf.h"

#include <stdio.h>
#include <stdlib.h>

static inline bool file_read(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    for (size_t n; (n = fread(buf_reserve(out, 65536), 1, 65536, f)) > 0;)
        buf_commit(out, n);
    fclose(f);
    return true;
}

/* Is the page what its table says now? `page` gets its text. */
static inline bool page_is(const char *path, struct slice want, struct buf *page)
{
    FILE *f = getenv("ENTENTE_WRITE_REFERENCE") ? fopen(path, "w") : NULL;
    if (f) {
        fwrite(want.p, 1, want.n, f);
        fclose(f);
    }
    return file_read(path, page) && slice_eq(want, buf_slice(page));
}
