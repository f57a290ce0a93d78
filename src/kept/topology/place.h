/*
 * topology/place.h - what a path means by the descriptor table alone, and where a path is in a document.
 */
#pragma once

#include "kept/topology/descriptor.h"

enum topology_place_kind {
    PLACE_OBJECT,   /* the document, a single object, or a member of a list of objects */
    PLACE_LIST,     /* a list of objects */
    PLACE_PROPERTY, /* a scalar or a list of names */
    PLACE_NAME      /* one name of a list */
};
struct topology_place {
    enum topology_place_kind is;
    const struct kind *kind;         /* of the object, of the list's objects, or that has the property */
    const struct property *property; /* the last row on the way; NULL for the document */
};
/* Names of objects are taken as they stand. 0, or -ENOENT: *ret is how far it went, *ret_bad the name that is
 * not known there (each may be NULL). */
int topology_place_find(struct slice path, struct topology_place *ret, struct slice *ret_bad);
/* "a/b/c": "a/b" and "c"; "a": "" and "a". */
void topology_path_split(struct slice path, struct slice *ret_parent, struct slice *ret_last);
/* What is at a path, with the members of objects in the order of the table; for people. Shares the values. */
struct json_value *topology_in_order(const struct topology_place *at, const struct json_value *v,
                                     struct arena *a);
/* Findings that have a path and no line get the line of what stands there, or of the nearest object above. */
void findings_locate(struct findings *f, const struct json_value *doc);
