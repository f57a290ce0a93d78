/*
 * topology/check.h - what must hold before a topology is published: a list of small pure functions.
 */
#pragma once

#include "kept/topology/topology.h"

typedef void topology_check_fn(const struct topology *t, struct findings *f);
struct topology_check {
    const char *name;
    topology_check_fn *run;
};
extern const struct topology_check topology_checks[];
extern const size_t topology_n_checks;
void topology_check_all(const struct topology *t, struct findings *f);
