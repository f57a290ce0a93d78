/*
 * topology/rebase.h - a draft carried over to what was published since it was begun: three documents,
 * compared object by object. Pure.
 */
#pragma once

#include "kept/topology/patch.h"

enum rebase_keep {
    REBASE_REFUSE, /* conflicts are told, and nothing is made */
    REBASE_MINE,   /* where both changed a thing, the draft's counts */
    REBASE_THEIRS, /* … what is published counts */
};
enum { REBASE_CONFLICTS = 1 };
/*
 * The changes from base to mine, made in theirs (which is changed and becomes *ret). A conflict is what both
 * changed differently, an object that one changed and the other removed, or two that were added under one
 * name: a finding ("both-changed") at its path with the values of all three. With REBASE_REFUSE any conflict
 * brings REBASE_CONFLICTS; then theirs is spoilt. An object that they removed does not come back by
 * REBASE_MINE when only part of it was changed: that brings REBASE_CONFLICTS as well. ret_n: changes that
 * were made. 0 otherwise.
 */
int topology_rebase(struct arena *a, const struct json_value *base, const struct json_value *mine,
                    struct json_value *theirs, enum rebase_keep keep, struct json_value **ret, size_t *ret_n,
                    struct findings *conflicts);
