/*
 * transition/edits.h - changes to a topology document by object and member, and the way back from them. Pure.
 */
#pragma once

#include "kept/topology/topology.h"

enum { EDITS_MAX = 512 };
struct edit {
    struct slice path; /* of the object: "edge_pools/edge.contoso.example" */
    const char *member;
    struct json_value *value; /* NULL: taken away */
};
struct edits {
    struct arena *a;
    struct edit *items;
    size_t n;
};
/* list "edge_pools"; value may be NULL. Beyond EDITS_MAX: nothing is added. */
void edits_set(struct edits *e, const char *list, struct slice object, const char *member,
               struct json_value *value);
void edits_set_string(struct edits *e, const char *list, struct slice object, const char *member,
                      struct slice value);
/* A document leaves defaults out, so false is taken away. */
void edits_set_bool(struct edits *e, const char *list, struct slice object, const char *member, bool value);
/* A list of names with one more. */
void edits_add_name(struct edits *e, const char *list, struct slice object, const char *member,
                    const struct topology_names *before, struct slice more);

/* Changes doc; returns the number of changes (0: it was all so). ret_undo: an array that edits_revert takes.
 */
size_t edits_apply(const struct edits *e, struct json_value *doc, struct json_value **ret_undo);
/* Puts the members back; objects that are gone are left out. Returns the number of changes. */
size_t edits_revert(const struct json_value *undo, struct arena *a, struct json_value *doc);
/* A copy of a tree in another arena. */
struct json_value *edits_copy(const struct json_value *v, struct arena *a);
