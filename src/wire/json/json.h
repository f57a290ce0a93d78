/*
 * json/json.h - documents: JSON read and written (wraps jansson), YAML read and written (wraps libyaml),
 * canonical JSON (RFC 8785).
 *
 * A json_value is a node of a tree in an arena: free nothing, it lives as long as the arena. Objects keep the
 * order of their members; duplicate names are refused. Each node knows the line it came from (1.., 0: made by
 * program). Numbers: integers within +-2^53 are exact (JSON_INT, also when written 1.0 or 1e3); others are
 * doubles. U+0000 in a string is refused by both parsers.
 */
#pragma once

#include "ground/base/arena.h"
#include "ground/base/buf.h"

/* jansson's library uses some of these names too (json_object, json_null, ...): ours must stay invisible to
 * it, or its own calls would end up here. */
#pragma GCC visibility push(hidden)

enum { JSON_MAX_DEPTH = 64, JSON_MAX_NODES = 2000000, JSON_MAX_TEXT = 64 << 20 };
enum json_kind { JSON_NULL, JSON_BOOL, JSON_INT, JSON_REAL, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json_value {
    enum json_kind kind;
    unsigned line;
    union {
        bool boolean;
        int64_t integer;
        double real;
        struct slice string; /* valid UTF-8 */
        struct {
            struct json_value **items;
            size_t n, cap;
        } array;
        struct {
            struct json_member *members;
            size_t n, cap;
        } object;
    };
};
struct json_member {
    struct slice name;
    struct json_value *value;
};
struct json_error {
    unsigned line, column;
    char text[160];
};

/* 0 or -EBADMSG with *error filled in. */
int json_parse(struct slice text, struct arena *a, struct json_value **ret, struct json_error *error);
/* One document; anchors, aliases, tags and merge keys are refused; plain scalars by the YAML 1.2 core schema
 * (so "no" and "on" are strings). */
int yaml_parse(struct slice text, struct arena *a, struct json_value **ret, struct json_error *error);
void json_write(const struct json_value *v, bool pretty, struct buf *out); /* pretty: two spaces */
void json_write_canonical(const struct json_value *v, struct buf *out);    /* RFC 8785 */
void yaml_write(const struct json_value *v, struct buf *out); /* block style; strings quoted where needed */
/* A string literal with quotes and escapes: for writers that go straight into a buffer. */
void json_write_string(struct slice s, struct buf *out); /* bytes that are not UTF-8 become U+FFFD */

/* Making. Strings are copied into the arena. */
struct json_value *json_null(struct arena *a);
struct json_value *json_bool(struct arena *a, bool b);
struct json_value *json_int(struct arena *a, int64_t i);
struct json_value *json_real(struct arena *a, double d); /* JSON_INT where d is such an integer */
struct json_value *json_string(struct arena *a, struct slice s);
struct json_value *json_array(struct arena *a);
struct json_value *json_object(struct arena *a);
void json_push(struct arena *a, struct json_value *array, struct json_value *item);
/* Replaces a member of this name. */
void json_set(struct arena *a, struct json_value *object, const char *name, struct json_value *value);
void json_set_string(struct arena *a, struct json_value *object, const char *name, struct slice value);
void json_set_int(struct arena *a, struct json_value *object, const char *name, int64_t value);
void json_set_bool(struct arena *a, struct json_value *object, const char *name, bool value);

/* Looking: all cope with NULL and with a value of another kind. */
struct json_value *json_get(const struct json_value *object, const char *name); /* NULL when absent */
struct json_value *json_find(const struct json_value *object, struct slice name);
struct slice json_get_string(const struct json_value *object, const char *name); /* empty when absent */
int64_t json_get_int(const struct json_value *object, const char *name, int64_t otherwise);
bool json_get_bool(const struct json_value *object, const char *name, bool otherwise);
size_t json_count(const struct json_value *array_or_object);
struct json_value *json_at(const struct json_value *array, size_t i);
bool json_equal(const struct json_value *a, const struct json_value *b); /* order of members is ignored */

#pragma GCC visibility pop
