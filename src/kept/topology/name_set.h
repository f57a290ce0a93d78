/*
 * topology/name_set.h - private to topology: names in the order in which they were added, each once, case
 * ignored.
 */
#pragma once

#include "ground/base/arena.h"

struct name_set {
    struct arena *a; /* holds the names and the list */
    struct slice *items;
    size_t n, cap;
};
/* Copies the name; an empty one, or one that is there, adds nothing. */
void name_set_add(struct name_set *s, struct slice name);
