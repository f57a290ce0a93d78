/*
 * topology/check.h - what must hold before a topology is published: a list of small pure functions.
 */
#pragma once

#include "kept/topology/topology.h"

typedef void topology_check_fn(const struct topology *t, struct findings *f);
struct topology_check {
    const char *name; /* the id of its findings */
    enum finding_severity severity;
    const char *stands_for; /* a passage of the Lync world's papers, or "" */
    const char *meaning;    /* one sentence */
    const char *remedy;
    topology_check_fn *run;
};
extern const struct topology_check topology_checks[];
extern const size_t topology_n_checks;
void topology_check_all(const struct topology *t, struct findings *f);
/* doc/checks.md: the checks, and what reading a document finds. */
void topology_checks_write(struct buf *out);
