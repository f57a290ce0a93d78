#include "kept/topology/patch.h"

#include "kept/topology/place.h"
#include "kept/topology/priv.h"

/* A value that a document leaves out. */
static bool left_out(const struct property *p, const struct json_value *v, struct arena *a)
{
    const struct json_value *otherwise = p ? property_default(p, a) : NULL;
    if (!v || v->kind == JSON_NULL || (v->kind == JSON_ARRAY && v->array.n == 0))
        return true;
    return otherwise && json_equal(v, otherwise);
}

/* --- JSON Patch --- */
struct patch {
    struct arena *a;
    struct json_value *ops;
    const struct json_value *before;
    struct slice tested, made; /* the last pointers */
};

static void operation(struct patch *c, const char *op, struct slice pointer, const struct json_value *value)
{
    struct json_value *o = json_object(c->a);
    json_set_string(c->a, o, "op", slice_str(op));
    json_set_string(c->a, o, "path", pointer);
    if (value)
        json_set(c->a, o, "value", (struct json_value *)(uintptr_t)value);
    json_push(c->a, c->ops, o);
}

static size_t index_of(const struct kind *k, const struct json_value *list, struct slice id)
{
    const char *name = kind_identity(k)->name;
    for (size_t i = 0; i < json_count(list); i++)
        if (slice_caseeq(json_get_string(json_at(list, i), name), id))
            return i;
    return SIZE_MAX;
}

/* The object in the list is the one that is meant. */
static void test_identity(struct patch *c, const struct kind *k, const struct json_value *object,
                          struct slice pointer)
{
    const char *name = kind_identity(k)->name;
    if (slice_eq(c->tested, pointer))
        return;
    c->tested = pointer;
    operation(c, "test", arena_printf(c->a, SLICE_FMT "/%s", SLICE_ARG(pointer), name),
              json_get(object, name));
}

/* A single object or a list that the document leaves out is made first. */
static void make(struct patch *c, struct slice pointer, struct json_value *empty)
{
    if (slice_eq(c->made, pointer))
        return;
    c->made = pointer;
    operation(c, "add", pointer, empty);
}

/* The pointer to what is at a path of `before`; what is missing on the way is made, and so is a list at its
 * end. *ret_at: what is there. */
static struct slice point(struct patch *c, struct slice path, const struct json_value **ret_at)
{
    struct buf out = {0};
    struct topology_place at = {PLACE_OBJECT, &topology_root, NULL};
    const struct json_value *v = c->before;
    struct slice head, rest = path, walked;
    while (rest.n) {
        if (!slice_cut(rest, '/', &head, &rest)) {
            head = rest;
            rest = SLICE_NONE;
        }
        const struct kind *k = at.kind;
        bool in_list = at.is == PLACE_LIST;
        walked = slice_head(path, (size_t)(head.p + head.n - path.p));
        (void)topology_place_find(walked, &at, NULL);
        if (in_list) {
            size_t i = index_of(k, v, head);
            v = json_at(v, i);
            buf_printf(&out, "/%zu", i);
            if (v)
                test_identity(c, k, v, arena_copy(c->a, buf_slice(&out)));
            continue;
        }
        v = json_find(v, head);
        buf_printf(&out, "/" SLICE_FMT, SLICE_ARG(head));
        if (!v && (at.is == PLACE_OBJECT || at.is == PLACE_LIST))
            make(c, arena_copy(c->a, buf_slice(&out)),
                 at.is == PLACE_LIST ? json_array(c->a) : json_object(c->a));
    }
    struct slice pointer = arena_copy(c->a, buf_slice(&out));
    buf_fini(&out);
    *ret_at = v;
    return pointer;
}

static void patch_changed(struct patch *c, const struct topology_change *change)
{
    struct topology_place place;
    const struct json_value *now;
    (void)topology_place_find(change->path, &place, NULL);
    struct slice pointer = point(c, change->path, &now);
    bool out = left_out(place.property, change->after, c->a);
    if (!out)
        operation(c, now ? "replace" : "add", pointer, change->after);
    else if (now)
        operation(c, "remove", pointer, NULL);
}

static void patch_added(struct patch *c, const struct topology_change *change)
{
    struct slice list, id;
    const struct json_value *now;
    topology_path_split(change->path, &list, &id);
    struct slice pointer = point(c, list, &now);
    operation(c, "add", arena_printf(c->a, SLICE_FMT "/-", SLICE_ARG(pointer)), change->after);
}

static void patch_removed(struct patch *c, const struct topology_change *change)
{
    const struct json_value *now;
    operation(c, "remove", point(c, change->path, &now), NULL);
}

/* Indexes are those of `before`: what is appended moves none of them, and what goes is taken from behind. */
struct json_value *topology_patch(const struct json_value *before, const struct topology_change *changes,
                                  size_t n, struct arena *a)
{
    struct patch c = {.a = a, .ops = json_array(a), .before = before};
    for (size_t i = 0; i < n; i++)
        if (changes[i].kind == TOPOLOGY_CHANGED)
            patch_changed(&c, &changes[i]);
    for (size_t i = 0; i < n; i++)
        if (changes[i].kind == TOPOLOGY_ADDED)
            patch_added(&c, &changes[i]);
    for (size_t i = n; i-- > 0;)
        if (changes[i].kind == TOPOLOGY_REMOVED)
            patch_removed(&c, &changes[i]);
    return c.ops;
}

/* --- on top of another's --- */
static void not_applied(struct findings *f, struct slice path, const char *text)
{
    findings_add(f, "not-applied", FINDING_WARNING, path, NULL, "%s", text);
}

/* The object or list at a path; a single object or a list that is left out is made. */
static struct json_value *reach(struct arena *a, struct json_value *doc, struct slice path)
{
    struct json_value *at = topology_edit_get(doc, path), *parent;
    struct topology_place place;
    struct slice above, name;
    if (at || !path.n || topology_place_find(path, &place, NULL) < 0 || !place.property)
        return at;
    topology_path_split(path, &above, &name);
    bool named = place.is == PLACE_OBJECT && place.property->type == PROPERTY_OBJECTS;
    if (named || !(parent = reach(a, doc, above)) || parent->kind != JSON_OBJECT)
        return NULL;
    at = place.is == PLACE_LIST ? json_array(a) : json_object(a);
    json_set(a, parent, place.property->name, at);
    return at;
}

static void member_drop(struct json_value *object, struct slice name)
{
    size_t kept = 0;
    for (size_t i = 0; i < object->object.n; i++)
        if (!slice_eq(object->object.members[i].name, name))
            object->object.members[kept++] = object->object.members[i];
    object->object.n = kept;
}

static void apply_changed(struct arena *a, struct json_value *doc, const struct topology_change *c,
                          struct findings *f)
{
    struct slice above, name;
    struct topology_place place;
    topology_path_split(c->path, &above, &name);
    struct json_value *object = reach(a, doc, above);
    if (!object || object->kind != JSON_OBJECT || topology_place_find(c->path, &place, NULL) < 0)
        not_applied(f, c->path, "the object is not there any more");
    else if (left_out(place.property, c->after, a))
        member_drop(object, name);
    else
        json_set(a, object, place.property->name, (struct json_value *)(uintptr_t)c->after);
}

static void apply_added(struct arena *a, struct json_value *doc, const struct topology_change *c,
                        struct findings *f)
{
    struct slice above, id;
    topology_path_split(c->path, &above, &id);
    struct json_value *list = reach(a, doc, above), *there = NULL;
    if (!list || list->kind != JSON_ARRAY)
        not_applied(f, c->path, "the list is not there any more");
    else if ((there = topology_edit_get(doc, c->path)) != NULL && !json_equal(there, c->after))
        not_applied(f, c->path, "there is an object of this name by now");
    else if (!there)
        json_push(a, list, (struct json_value *)(uintptr_t)c->after);
}

void topology_apply(struct arena *a, struct json_value *doc, const struct topology_change *changes, size_t n,
                    struct findings *f)
{
    for (size_t i = 0; i < n; i++) {
        const struct topology_change *c = &changes[i];
        struct findings gone = {0};
        if (c->kind == TOPOLOGY_CHANGED)
            apply_changed(a, doc, c, f);
        else if (c->kind == TOPOLOGY_ADDED)
            apply_added(a, doc, c, f);
        else
            (void)topology_edit_remove(a, doc, c->path, &gone); /* gone already is as good */
        findings_fini(&gone);
    }
}

static bool same_value(const struct json_value *x, const struct json_value *y)
{
    return x == y || (x && y && json_equal(x, y));
}

static bool within(struct slice path, struct slice above)
{
    return slice_starts(path, above) && (path.n == above.n || path.p[above.n] == '/');
}

/* What cannot be applied is told by topology_apply. */
void topology_conflicts(const struct topology_change *mine, size_t n_mine,
                        const struct topology_change *theirs, size_t n_theirs, struct findings *f)
{
    for (size_t i = 0; i < n_mine; i++)
        for (size_t k = 0; k < n_theirs; k++) {
            const struct topology_change *m = &mine[i], *t = &theirs[k];
            if (m->kind == TOPOLOGY_CHANGED && t->kind == TOPOLOGY_CHANGED && slice_eq(m->path, t->path) &&
                !same_value(m->after, t->after))
                findings_add(f, "both-changed", FINDING_WARNING, m->path, NULL,
                             "both changed it; what stands here is yours");
            if (m->kind == TOPOLOGY_REMOVED && t->kind != TOPOLOGY_REMOVED && within(t->path, m->path))
                findings_add(f, "both-changed", FINDING_WARNING, t->path, NULL,
                             "the other one changed what you remove");
        }
}
