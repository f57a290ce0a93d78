/*
 * topology/descriptor.h - the table that describes the model: each kind of object with its properties. A new
 * property is one row here and one member in topology.h.
 */
#pragma once

#include "ground/base/buf.h"
#include "kept/topology/topology.h"

enum property_type {
    PROPERTY_FQDN,     /* a host name: letters, digits, hyphens and dots; never an address */
    PROPERTY_DOMAIN,   /* a SIP domain; same syntax */
    PROPERTY_NAME,     /* a short text: letters, digits, . _ - */
    PROPERTY_TEXT,     /* any one line of up to 256 bytes */
    PROPERTY_ADDRESS,  /* an IPv4 or IPv6 literal */
    PROPERTY_ENDPOINT, /* the same, with ":PORT" behind it or not */
    PROPERTY_USER,     /* a user's address: user@domain */
    PROPERTY_BOOL,
    PROPERTY_INT,
    PROPERTY_ENUM,    /* `values`: names in the order of the C enum, separated by '|' */
    PROPERTY_NAMES,   /* a list; `item` is the type of each */
    PROPERTY_OBJECTS, /* a list of objects of `kind` */
    PROPERTY_OBJECT,  /* one object of `kind` */
};
/* Which kinds a reference may name, as bits. */
enum {
    REFERS_SITE = 1,
    REFERS_EDGE_POOL = 2,
    REFERS_FRONT_END_POOL = 4,
    REFERS_FOREIGN_POOL = 8,
    REFERS_PROVIDER = 16,
    REFERS_DIRECTOR_POOL = 32,
    REFERS_ALL = 63 /* bits that there are */
};

struct property {
    const char *name;
    enum property_type type;
    enum property_type item; /* of PROPERTY_NAMES */
    size_t offset;
    const struct kind *kind; /* of OBJECTS and OBJECT */
    size_t count_offset;     /* of OBJECTS: where n_… is */
    const char *values;      /* of ENUM, and of NAMES with item ENUM */
    int64_t min, max;        /* of INT; of lists: max entries */
    const char *otherwise;   /* default, as text (lists: by '|'); NULL: none ("", 0, false, empty list) */
    /* of INT: the default when it depends on the object's other properties, and the same in words */
    int64_t (*derived)(const void *object);
    const char *derived_text;
    bool required, identity; /* an identity is always required */
    unsigned refers;
    const char *unit; /* "seconds", or NULL */
    const char *help; /* one sentence */
    const char *lync; /* what the Lync world calls it, or NULL */
};
struct kind {
    const char *name; /* "edge_pool" */
    size_t size;      /* of its struct */
    const char *help;
    const struct property *properties;
    size_t n_properties;
};
extern const struct kind topology_root; /* properties: deployment, central, sites, edge_pools, … */

/* Documents made from the table: the reference manual (Markdown) and a JSON Schema (draft 2020-12). */
void topology_reference_write(struct buf *out);
void topology_schema_write(struct buf *out);

/* "a Front End pool or a foreign pool": what a reference may name, in words, with articles or without. */
void refers_write(unsigned refers, bool articles, struct buf *out);

const struct property *kind_property(const struct kind *k, struct slice name);
const struct property *kind_identity(const struct kind *k); /* NULL for single objects */
