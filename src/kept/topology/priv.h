/*
 * topology/priv.h - what the parts of this module share: values by the descriptor table, and findings with a
 * line.
 */
#pragma once

#include "kept/topology/descriptor.h"

/* What is wrong with a value: id of the finding (a literal) and a few words, "a number from 1 to 65535". */
struct value_fault {
    const char *id;
    char wanted[160];
};
/* Checks the text of one value (of a list's item for NAMES) and gives its stored form: lower case for
 * identities, names of hosts and domains; enum names as the table spells them; addresses as net_addr prints
 * them. 0, or -EINVAL with *fault. INT and BOOL are checked for their literals. */
int value_parse_text(const struct property *p, enum property_type type, struct slice text, struct arena *a,
                     struct slice *ret, struct value_fault *fault);
/* An integer within the property's range. */
int value_check_int(const struct property *p, int64_t i, struct value_fault *fault);
void value_fault_set(struct value_fault *fault, const char *id, const char *wanted);

/* Index of a name in "a|b|c", or -1; the i-th name, or none. Case is ignored. */
int enum_index(const char *values, struct slice name);
struct slice enum_name(const char *values, unsigned i);

/* Members of a model object, by their row. */
#define MEMBER(object, type, offset) (*(type *)((char *)(object) + (offset)))
#define MEMBER_CONST(object, type, offset) (*(const type *)((const char *)(object) + (offset)))
void object_set_default(const struct property *p, void *object, struct arena *a);
bool object_has_default(const struct property *p, const void *object);
/* The default of a row as a tree node, NULL when it has none or depends on the object. */
struct json_value *property_default(const struct property *p, struct arena *a);

/* The name of this kind's rows that comes nearest, NULL when none is near. */
const char *kind_nearest(const struct kind *k, struct slice name);
/* Edit distance without case, at most limit + 1. */
unsigned text_distance(struct slice a, struct slice b, unsigned limit);
/* The first kind at or below `root` that has a row of this name. */
const struct kind *kind_with(const struct kind *root, struct slice name);
/* Type and item as words for people: "list of SIP domains". */
struct slice property_type_text(const struct property *p, struct arena *a);

__attribute__((format(printf, 7, 8))) void findings_add_line(struct findings *f, unsigned line,
                                                             const char *id, enum finding_severity severity,
                                                             struct slice path, const char *remedy,
                                                             const char *fmt, ...);

/* Lookup tables of a parsed topology; dropped with it. */
void topology_index(struct topology *t);
void topology_index_fini(struct topology *t);
/* The role of a machine of a pool, without central's part. */
bool topology_index_machine(const struct topology *t, struct slice fqdn, struct topology_role *ret);
