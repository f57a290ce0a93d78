#include "kept/topology/edit.h"

#include "kept/topology/priv.h"

#include <errno.h>

/* Where a path leads. */
enum spot_kind {
    SPOT_OBJECT, /* the document, a single object, or a member of a list of objects */
    SPOT_LIST,   /* a list of objects */
    SPOT_VALUE,  /* a scalar or a list of names */
    SPOT_ITEM    /* one name of a list */
};
struct spot {
    enum spot_kind is;
    const struct kind *kind;         /* of the object, of the list's objects, or that has the property */
    const struct property *property; /* the last row on the way; NULL for the document */
    struct json_value *parent;       /* has the property, or the list that holds the object or item */
    struct json_value *value;        /* what stands there, NULL when nothing does */
};
struct walk {
    struct arena *a;    /* NULL: missing single objects are not made */
    struct findings *f; /* NULL: nobody wants to know */
    struct slice path;
};

__attribute__((format(printf, 3, 4))) static void found(const struct walk *w, const char *id, const char *fmt,
                                                        ...)
{
    struct buf text = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    if (w->f)
        findings_add(w->f, id, FINDING_ERROR, w->path, NULL, SLICE_FMT, SLICE_ARG(buf_slice(&text)));
    buf_fini(&text);
}
#define REFUSE(w, error, ...) (found(w, __VA_ARGS__), (error))

/* Null in a document is as good as nothing. */
static struct json_value *member(const struct json_value *object, struct slice name)
{
    struct json_value *v = json_find(object, name);
    return v && v->kind != JSON_NULL ? v : NULL;
}

static void member_remove(struct json_value *object, const char *name)
{
    for (size_t i = 0; i < json_count(object); i++) {
        struct json_member *m = &object->object.members[i];
        if (!slice_eq(m->name, slice_str(name)))
            continue;
        memmove(m, m + 1, (--object->object.n - i) * sizeof(*m));
        return;
    }
}

static void item_remove(struct json_value *array, const struct json_value *item)
{
    size_t kept = 0;
    for (size_t i = 0; i < array->array.n; i++)
        if (array->array.items[i] != item)
            array->array.items[kept++] = array->array.items[i];
    array->array.n = kept;
}

static struct slice identity_of(const struct kind *k, const struct json_value *object)
{
    return json_get_string(object, kind_identity(k)->name);
}

static struct json_value *object_find(const struct kind *k, const struct json_value *list, struct slice id)
{
    for (size_t i = 0; list && i < list->array.n; i++)
        if (slice_caseeq(identity_of(k, list->array.items[i]), id))
            return list->array.items[i];
    return NULL;
}

static struct json_value *name_find(const struct json_value *list, struct slice name)
{
    for (size_t i = 0; list && i < list->array.n; i++)
        if (list->array.items[i]->kind == JSON_STRING && slice_caseeq(list->array.items[i]->string, name))
            return list->array.items[i];
    return NULL;
}

enum { CANDIDATES = 4 };

/* Half typed: those that begin so, some of them. */
static size_t begin_with(const struct kind *k, const struct json_value *list, struct slice id,
                         struct buf *out)
{
    size_t n = 0;
    for (size_t i = 0; list && i < list->array.n; i++) {
        struct slice known = identity_of(k, list->array.items[i]);
        if (slice_casestarts(known, id) && ++n <= CANDIDATES)
            buf_printf(out, "%s" SLICE_FMT, n > 1 ? ", " : "", SLICE_ARG(known));
    }
    if (n > CANDIDATES)
        buf_append(out, SLICE(", …"));
    return n;
}

static struct slice mistyped(const struct kind *k, const struct json_value *list, struct slice id)
{
    struct slice best = SLICE_NONE;
    unsigned best_distance = id.n < 4 ? 3 : (unsigned)(id.n / 3 < 6 ? id.n / 3 : 6) + 2;
    for (size_t i = 0; list && i < list->array.n; i++) {
        struct slice known = identity_of(k, list->array.items[i]);
        unsigned d = text_distance(known, id, best_distance);
        if (d < best_distance) {
            best_distance = d;
            best = known;
        }
    }
    return best;
}

static int no_object(const struct walk *w, const struct kind *k, const struct json_value *list,
                     struct slice id)
{
    struct buf near = {0};
    if (!begin_with(k, list, id, &near))
        buf_append(&near, mistyped(k, list, id));
    bool any = !buf_len(&near) && begin_with(k, list, SLICE_NONE, &near);
    int r = REFUSE(w, -ENOENT, "no-such-object", "there is no %s '" SLICE_FMT "'%s" SLICE_FMT "%s", k->name,
                   SLICE_ARG(id),
                   any              ? "; there are "
                   : buf_len(&near) ? "; did you mean "
                                    : "",
                   SLICE_ARG(buf_slice(&near)), buf_len(&near) && !any ? "?" : "");
    buf_fini(&near);
    return r;
}

static int no_property(const struct walk *w, const struct kind *k, struct slice name)
{
    const char *near = kind_nearest(k, name);
    const struct kind *other = near ? NULL : kind_with(&topology_root, name);
    return REFUSE(w, -EINVAL, "unknown-path", "%s has no property '" SLICE_FMT "'%s%s%s", k->name,
                  SLICE_ARG(name),
                  near    ? "; did you mean "
                  : other ? "; it is a property of "
                          : "",
                  near    ? near
                  : other ? other->name
                          : "",
                  near ? "?" : "");
}

/* The shape that the table wants; a draft may be otherwise until it is parsed. */
static bool well_shaped(const struct property *p, const struct json_value *v)
{
    if (p->type == PROPERTY_OBJECT)
        return v->kind == JSON_OBJECT;
    if (p->type == PROPERTY_OBJECTS || p->type == PROPERTY_NAMES)
        return v->kind == JSON_ARRAY;
    return true;
}

static int step_property(const struct walk *w, struct spot *s, struct slice name)
{
    const struct property *p = kind_property(s->kind, name);
    if (!p)
        return no_property(w, s->kind, name);
    struct json_value *v = member(s->value, name);
    if (v && !well_shaped(p, v))
        return REFUSE(w, -EINVAL, "wrong-type", "%s is not what it should be; correct the document first",
                      p->name);
    if (!v && p->type == PROPERTY_OBJECT && w->a && s->value)
        json_set(w->a, s->value, p->name, v = json_object(w->a));
    s->is = p->type == PROPERTY_OBJECTS ? SPOT_LIST : p->type == PROPERTY_OBJECT ? SPOT_OBJECT : SPOT_VALUE;
    s->kind = p->kind ? p->kind : s->kind;
    s->property = p;
    s->parent = s->value;
    s->value = v;
    return 0;
}

static int step(const struct walk *w, struct spot *s, struct slice name)
{
    struct json_value *list = s->value, *at;
    if (s->is == SPOT_OBJECT)
        return step_property(w, s, name);
    if (s->is == SPOT_LIST) {
        at = object_find(s->kind, list, name);
        if (!at)
            return no_object(w, s->kind, list, name);
        *s = (struct spot){SPOT_OBJECT, s->kind, s->property, list, at};
        return 0;
    }
    if (s->is != SPOT_VALUE || s->property->type != PROPERTY_NAMES)
        return REFUSE(w, -EINVAL, "unknown-path", "%s has nothing below it", s->property->name);
    at = name_find(list, name);
    if (!at)
        return REFUSE(w, -ENOENT, "no-such-object", "%s does not list '" SLICE_FMT "'", s->property->name,
                      SLICE_ARG(name));
    *s = (struct spot){SPOT_ITEM, s->kind, s->property, list, at};
    return 0;
}

static int walk(const struct walk *w, struct json_value *doc, struct spot *ret)
{
    struct spot s = {SPOT_OBJECT, &topology_root, NULL, NULL, doc};
    struct slice head, rest = w->path;
    if (doc->kind != JSON_OBJECT)
        return REFUSE(w, -EINVAL, "wrong-type", "the document is not an object");
    while (rest.n) {
        if (!slice_cut(rest, '/', &head, &rest)) {
            head = rest;
            rest = SLICE_NONE;
        }
        int r = step(w, &s, head);
        if (r < 0)
            return r;
    }
    *ret = s;
    return 0;
}

/* --- values --- */
static int value_one(const struct walk *w, const struct property *p, enum property_type type,
                     struct slice text, struct json_value **ret)
{
    struct value_fault fault;
    struct slice stored;
    if (value_parse_text(p, type, text, w->a, &stored, &fault) < 0)
        return REFUSE(w, -EINVAL, fault.id, "%s wants %s; '" SLICE_FMT "' is not", p->name, fault.wanted,
                      SLICE_ARG(text));
    uint64_t u = 0;
    bool negative = slice_starts(stored, SLICE("-"));
    if (type == PROPERTY_INT && slice_u64(slice_from(stored, negative), INT64_MAX, &u) == 0)
        *ret = json_int(w->a, negative ? -(int64_t)u : (int64_t)u);
    else if (type == PROPERTY_BOOL)
        *ret = json_bool(w->a, slice_caseeq(stored, SLICE("true")));
    else
        *ret = json_string(w->a, stored);
    return 0;
}

/* Names are separated by commas. */
static int value_names(const struct walk *w, const struct property *p, struct slice text,
                       struct json_value *list)
{
    struct slice head, rest = text;
    for (bool more = true; more;) {
        struct json_value *v;
        more = slice_cut(rest, ',', &head, &rest);
        int r = value_one(w, p, p->item, slice_trim(more ? head : rest), &v);
        if (r < 0)
            return r;
        if (name_find(list, v->string))
            return REFUSE(w, -EEXIST, "double-identity", "%s lists " SLICE_FMT " already", p->name,
                          SLICE_ARG(v->string));
        json_push(w->a, list, v);
    }
    return 0;
}

static int value_make(const struct walk *w, const struct property *p, struct slice text,
                      struct json_value **ret)
{
    if (p->type != PROPERTY_NAMES)
        return value_one(w, p, p->type, text, ret);
    *ret = json_array(w->a);
    return value_names(w, p, text, *ret);
}

static bool unsets(struct slice value)
{
    return value.n == 0 || slice_eq(value, SLICE("null"));
}

/* --- the calls --- */
static int unset(const struct walk *w, const struct spot *s)
{
    if (s->property->identity || s->property->required)
        return REFUSE(w, -EINVAL, "missing-property", "%s cannot go without its %s", s->kind->name,
                      s->property->name);
    member_remove(s->parent, s->property->name);
    return 0;
}

/* An object keeps apart from its neighbours when it is renamed. */
static int rename_check(const struct walk *w, struct json_value *doc, const struct json_value *object,
                        const struct json_value *name)
{
    struct walk up = {NULL, NULL, w->path};
    struct spot s;
    for (int levels = 0; levels < 2; levels++) /* past the property and the object's old name */
        while (up.path.n && up.path.p[--up.path.n] != '/')
            ;
    if (walk(&up, doc, &s) < 0 || s.is != SPOT_LIST)
        return 0;
    struct json_value *other = object_find(s.kind, s.value, name->string);
    if (!other || other == object)
        return 0;
    return REFUSE(w, -EEXIST, "double-identity", "there is a %s " SLICE_FMT " already", s.kind->name,
                  SLICE_ARG(name->string));
}

int topology_edit_set(struct arena *a, struct json_value *doc, struct slice path, struct slice value,
                      struct findings *f)
{
    struct walk w = {a, f, path};
    struct spot s;
    struct json_value *v;
    int r = walk(&w, doc, &s);
    if (r < 0)
        return r;
    if (s.is != SPOT_VALUE)
        return REFUSE(&w, -EINVAL, "unknown-path", "only a property can be set; add and remove are for %s",
                      s.is == SPOT_ITEM ? "names of a list" : "objects");
    if (unsets(value))
        return unset(&w, &s);
    r = value_make(&w, s.property, value, &v);
    if (r == 0 && s.property->identity)
        r = rename_check(&w, doc, s.parent, v);
    if (r == 0)
        json_set(a, s.parent, s.property->name, v);
    return r;
}

static int object_make(const struct walk *w, const struct kind *k, const struct slice *assignments, size_t n,
                       struct json_value **ret)
{
    struct json_value *o = json_object(w->a), *v;
    for (size_t i = 0; i < n; i++) {
        struct slice name, text;
        if (!slice_cut(assignments[i], '=', &name, &text))
            return REFUSE(w, -EINVAL, "malformed-value", "'" SLICE_FMT "' is not NAME=VALUE",
                          SLICE_ARG(assignments[i]));
        const struct property *p = kind_property(k, name);
        if (!p)
            return no_property(w, k, name);
        if (unsets(text))
            continue;
        int r = value_make(w, p, text, &v);
        if (r < 0)
            return r;
        json_set(w->a, o, p->name, v);
    }
    *ret = o;
    return 0;
}

static int add_object(const struct walk *w, const struct spot *s, const struct slice *assignments, size_t n)
{
    struct json_value *o = NULL, *list = s->value;
    int r = object_make(w, s->kind, assignments, n, &o);
    if (r < 0)
        return r;
    struct slice id = identity_of(s->kind, o);
    if (!id.n)
        return REFUSE(w, -EINVAL, "missing-property", "%s lacks its %s", s->kind->name,
                      kind_identity(s->kind)->name);
    if (object_find(s->kind, list, id))
        return REFUSE(w, -EEXIST, "double-identity", "there is a %s " SLICE_FMT " already", s->kind->name,
                      SLICE_ARG(id));
    if (!list)
        json_set(w->a, s->parent, s->property->name, list = json_array(w->a));
    json_push(w->a, list, o);
    return 0;
}

static int add_names(const struct walk *w, const struct spot *s, const struct slice *names, size_t n)
{
    struct json_value *list = json_array(w->a);
    for (size_t i = 0; s->value && i < s->value->array.n; i++)
        json_push(w->a, list, s->value->array.items[i]);
    for (size_t i = 0; i < n; i++) {
        int r = value_names(w, s->property, names[i], list);
        if (r < 0)
            return r;
    }
    if (n)
        json_set(w->a, s->parent, s->property->name, list);
    return 0;
}

int topology_edit_add(struct arena *a, struct json_value *doc, struct slice path,
                      const struct slice *assignments, size_t n, struct findings *f)
{
    struct walk w = {a, f, path};
    struct spot s;
    int r = walk(&w, doc, &s);
    if (r < 0)
        return r;
    if (s.is == SPOT_LIST)
        return add_object(&w, &s, assignments, n);
    if (s.is == SPOT_VALUE && s.property->type == PROPERTY_NAMES)
        return add_names(&w, &s, assignments, n);
    return REFUSE(&w, -EINVAL, "unknown-path", "one can only add to a list");
}

int topology_edit_remove(struct arena *a, struct json_value *doc, struct slice path, struct findings *f)
{
    (void)a;
    struct walk w = {NULL, f, path};
    struct spot s;
    int r = walk(&w, doc, &s);
    if (r < 0)
        return r;
    if (!s.property)
        return REFUSE(&w, -EINVAL, "unknown-path", "the whole document cannot be removed");
    if (!s.value)
        return REFUSE(&w, -ENOENT, "no-such-object", "%s is not set", s.property->name);
    if (s.is == SPOT_ITEM || (s.is == SPOT_OBJECT && s.property->type == PROPERTY_OBJECTS))
        item_remove(s.parent, s.value);
    else
        r = unset(&w, &s);
    return r;
}

struct json_value *topology_edit_get(const struct json_value *doc, struct slice path)
{
    struct walk w = {NULL, NULL, path};
    struct spot s;
    return doc && walk(&w, (struct json_value *)doc, &s) == 0 ? s.value : NULL;
}

int topology_edit_look(const struct json_value *doc, struct slice path, struct arena *a,
                       struct json_value **ret, struct findings *f)
{
    struct walk w = {NULL, f, path};
    struct spot s;
    int r = walk(&w, (struct json_value *)(uintptr_t)doc, &s);
    if (r < 0)
        return r;
    if (s.value) {
        *ret = s.value;
        return 0;
    }
    struct json_value *otherwise = s.is == SPOT_VALUE && s.parent ? property_default(s.property, a) : NULL;
    if (!otherwise)
        return REFUSE(&w, -ENOENT, "no-such-object", "%s is not set", s.property->name);
    *ret = otherwise;
    return TOPOLOGY_IS_DEFAULT;
}
