/*
 * json/priv.h - what the files of this module share.
 */
#pragma once

#include "wire/json/json.h"

#pragma GCC visibility push(hidden)

enum { JSON_MAX_EXACT_BITS = 53 };

/* Appends with the member's name kept as it is (it lives in the arena); looks for no duplicate. */
void json_append_member(struct arena *a, struct json_value *object, struct slice name, struct json_value *v);
/* ECMAScript's Number.prototype.toString: what RFC 8785 section 3.2.2.3 asks for. Not finite: "null". */
void json_write_number(double d, struct buf *out);
/* The next character of s at *i, which moves on; a negative number where the bytes are not UTF-8 (one byte
 * is skipped then). */
int32_t json_utf8_next(struct slice s, size_t *i);
/* What a plain scalar means in YAML 1.2's core schema; NULL for a number that JSON cannot hold. */
struct json_value *yaml_plain_value(struct arena *a, struct slice text);
/* Is the plain scalar a string? */
bool yaml_plain_is_string(struct slice text);
__attribute__((format(printf, 4, 5))) int json_fail(struct json_error *e, size_t line, size_t column,
                                                    const char *fmt, ...);

#pragma GCC visibility pop
