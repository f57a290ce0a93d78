#include "wire/json/json.h"

#include "wire/json/priv.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>

static struct json_value *node(struct arena *a, enum json_kind kind)
{
    struct json_value *v = ARENA_NEW(a, struct json_value);
    v->kind = kind;
    return v;
}

struct json_value *json_null(struct arena *a)
{
    return node(a, JSON_NULL);
}

struct json_value *json_bool(struct arena *a, bool b)
{
    struct json_value *v = node(a, JSON_BOOL);
    v->boolean = b;
    return v;
}

static const int64_t MAX_EXACT = (int64_t)1 << JSON_MAX_EXACT_BITS;

struct json_value *json_int(struct arena *a, int64_t i)
{
    if (i > MAX_EXACT || i < -MAX_EXACT)
        return json_real(a, (double)i);
    struct json_value *v = node(a, JSON_INT);
    v->integer = i;
    return v;
}

struct json_value *json_real(struct arena *a, double d)
{
    if (fabs(d) <= (double)MAX_EXACT && d == floor(d))
        return json_int(a, (int64_t)d);
    struct json_value *v = node(a, JSON_REAL);
    v->real = d;
    return v;
}

struct json_value *json_string(struct arena *a, struct slice s)
{
    struct json_value *v = node(a, JSON_STRING);
    v->string = arena_copy(a, s);
    return v;
}

struct json_value *json_array(struct arena *a)
{
    return node(a, JSON_ARRAY);
}

struct json_value *json_object(struct arena *a)
{
    return node(a, JSON_OBJECT);
}

/* Room for one more of size bytes: the new array, with the n old ones copied. */
static void *grow(struct arena *a, void *old, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return old;
    *cap = *cap ? *cap * 2 : 4;
    void *grown = arena_alloc(a, *cap * size);
    if (n)
        memcpy(grown, old, n * size);
    return grown;
}

void json_push(struct arena *a, struct json_value *array, struct json_value *item)
{
    array->array.items =
        grow(a, array->array.items, array->array.n, &array->array.cap, sizeof(struct json_value *));
    array->array.items[array->array.n++] = item;
}

void json_append_member(struct arena *a, struct json_value *object, struct slice name, struct json_value *v)
{
    object->object.members =
        grow(a, object->object.members, object->object.n, &object->object.cap, sizeof(struct json_member));
    object->object.members[object->object.n++] = (struct json_member){name, v};
}

static struct json_member *find(const struct json_value *object, struct slice name)
{
    if (!object || object->kind != JSON_OBJECT)
        return NULL;
    for (size_t i = 0; i < object->object.n; i++)
        if (slice_eq(object->object.members[i].name, name))
            return &object->object.members[i];
    return NULL;
}

void json_set(struct arena *a, struct json_value *object, const char *name, struct json_value *value)
{
    struct json_member *m = find(object, slice_str(name));
    if (m)
        m->value = value;
    else
        json_append_member(a, object, arena_copy(a, slice_str(name)), value);
}

void json_set_string(struct arena *a, struct json_value *object, const char *name, struct slice value)
{
    json_set(a, object, name, json_string(a, value));
}

void json_set_int(struct arena *a, struct json_value *object, const char *name, int64_t value)
{
    json_set(a, object, name, json_int(a, value));
}

void json_set_bool(struct arena *a, struct json_value *object, const char *name, bool value)
{
    json_set(a, object, name, json_bool(a, value));
}

struct json_value *json_find(const struct json_value *object, struct slice name)
{
    const struct json_member *m = find(object, name);
    return m ? m->value : NULL;
}

struct json_value *json_get(const struct json_value *object, const char *name)
{
    return json_find(object, slice_str(name));
}

struct slice json_get_string(const struct json_value *object, const char *name)
{
    const struct json_value *v = json_get(object, name);
    return v && v->kind == JSON_STRING ? v->string : (struct slice){"", 0};
}

int64_t json_get_int(const struct json_value *object, const char *name, int64_t otherwise)
{
    const struct json_value *v = json_get(object, name);
    return v && v->kind == JSON_INT ? v->integer : otherwise;
}

bool json_get_bool(const struct json_value *object, const char *name, bool otherwise)
{
    const struct json_value *v = json_get(object, name);
    return v && v->kind == JSON_BOOL ? v->boolean : otherwise;
}

size_t json_count(const struct json_value *v)
{
    if (v && v->kind == JSON_ARRAY)
        return v->array.n;
    return v && v->kind == JSON_OBJECT ? v->object.n : 0;
}

struct json_value *json_at(const struct json_value *array, size_t i)
{
    return array && array->kind == JSON_ARRAY && i < array->array.n ? array->array.items[i] : NULL;
}

static bool objects_equal(const struct json_value *a, const struct json_value *b)
{
    if (a->object.n != b->object.n)
        return false;
    for (size_t i = 0; i < a->object.n; i++) {
        const struct json_member *m = &a->object.members[i], *same = &b->object.members[i];
        /* most often the order is the same too */
        const struct json_value *v = slice_eq(m->name, same->name) ? same->value : json_find(b, m->name);
        if (!v || !json_equal(m->value, v))
            return false;
    }
    return true;
}

static bool arrays_equal(const struct json_value *a, const struct json_value *b)
{
    if (a->array.n != b->array.n)
        return false;
    for (size_t i = 0; i < a->array.n; i++)
        if (!json_equal(a->array.items[i], b->array.items[i]))
            return false;
    return true;
}

bool json_equal(const struct json_value *a, const struct json_value *b)
{
    if (!a || !b)
        return a == b;
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case JSON_NULL:
        return true;
    case JSON_BOOL:
        return a->boolean == b->boolean;
    case JSON_INT:
        return a->integer == b->integer;
    case JSON_REAL:
        return a->real == b->real;
    case JSON_STRING:
        return slice_eq(a->string, b->string);
    case JSON_ARRAY:
        return arrays_equal(a, b);
    case JSON_OBJECT:
        return objects_equal(a, b);
    }
    return false;
}

int json_fail(struct json_error *e, size_t line, size_t column, const char *fmt, ...)
{
    if (!e)
        return -EBADMSG;
    e->line = line < UINT_MAX ? (unsigned)line : UINT_MAX;
    e->column = column < UINT_MAX ? (unsigned)column : UINT_MAX;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->text, sizeof(e->text), fmt, ap);
    va_end(ap);
    return -EBADMSG;
}
