/*
 * topology/patch.h - differences as something to be applied: JSON Patch (RFC 6902), and one administrator's
 * changes on top of another's.
 */
#pragma once

#include "kept/topology/edit.h"

/* The operations that make `after` out of `before`, as an array; changes as topology_diff gave them for these
 * two. An operation below a list is preceded by a test of the object's identity, so that a patch never hits
 * another object that stands at its index by now. Objects that come are appended. */
struct json_value *topology_patch(const struct json_value *before, const struct topology_change *changes,
                                  size_t n, struct arena *a);
/* Makes the changes in doc, which need not be what they were made from. What cannot be made is a finding
 * (warning "not-applied"), and left out. Values are shared with the changes, not copied. */
void topology_apply(struct arena *a, struct json_value *doc, const struct topology_change *changes, size_t n,
                    struct findings *f);
/* What both sides changed, and not to the same: a finding (warning "both-changed") for each. */
void topology_conflicts(const struct topology_change *mine, size_t n_mine,
                        const struct topology_change *theirs, size_t n_theirs, struct findings *f);
