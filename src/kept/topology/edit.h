/*
 * topology/edit.h - changes to a document by path, and the difference of two documents by object identity.
 *
 * A path names objects by their identity: "edge_pools/edge.contoso.example/federation",
 * "front_end_pools/fe.contoso.example/machines/fe1.contoso.example", "deployment/default_domain". Documents
 * are json trees; nothing is checked here but that the path and the value's type are known to the descriptor
 * table.
 */
#pragma once

#include "kept/topology/topology.h"

/* Each: 0, or -EINVAL/-ENOENT/-EEXIST with one finding that says what is wrong and what comes near. */
int topology_edit_set(struct arena *a, struct json_value *doc, struct slice path, struct slice value,
                      struct findings *f);
/* add: path of a list ("partners"); assignments "domain=fabrikam.example", "policy=allowed". */
int topology_edit_add(struct arena *a, struct json_value *doc, struct slice path,
                      const struct slice *assignments, size_t n, struct findings *f);
int topology_edit_remove(struct arena *a, struct json_value *doc, struct slice path, struct findings *f);
/* The node at a path, NULL when there is none; "" is the document. */
struct json_value *topology_edit_get(const struct json_value *doc, struct slice path);
/* The same; TOPOLOGY_IS_DEFAULT: nothing is set there, *ret is what holds then. -EINVAL or -ENOENT with one
 * finding that says what is wrong and what comes near. */
enum { TOPOLOGY_IS_DEFAULT = 1 };
int topology_edit_look(const struct json_value *doc, struct slice path, struct arena *a,
                       struct json_value **ret, struct findings *f);

enum topology_change_kind { TOPOLOGY_ADDED, TOPOLOGY_REMOVED, TOPOLOGY_CHANGED };
struct topology_change {
    enum topology_change_kind kind;
    struct slice path;
    const struct json_value *before, *after; /* NULL where there is none */
};
/* In the order of the document; order of list members does not count. */
void topology_diff(const struct json_value *before, const struct json_value *after, struct arena *a,
                   struct topology_change **ret, size_t *ret_n);
void topology_diff_write(const struct topology_change *changes, size_t n,
                         struct buf *out); /* + - ~ lines for people */
