#include "service/transition/edits.h"

#include "kept/topology/edit.h"

void edits_set(struct edits *e, const char *list, struct slice object, const char *member,
               struct json_value *value)
{
    if (!e->items)
        e->items = ARENA_ARRAY(e->a, struct edit, EDITS_MAX);
    if (e->n < EDITS_MAX)
        e->items[e->n++] =
            (struct edit){arena_printf(e->a, "%s/" SLICE_FMT, list, SLICE_ARG(object)), member, value};
}

void edits_set_string(struct edits *e, const char *list, struct slice object, const char *member,
                      struct slice value)
{
    edits_set(e, list, object, member, value.n ? json_string(e->a, value) : NULL);
}

void edits_set_bool(struct edits *e, const char *list, struct slice object, const char *member, bool value)
{
    edits_set(e, list, object, member, value ? json_bool(e->a, true) : NULL);
}

void edits_add_name(struct edits *e, const char *list, struct slice object, const char *member,
                    const struct topology_names *before, struct slice more)
{
    struct json_value *names = json_array(e->a);
    bool have = false;
    for (size_t i = 0; i < before->n; i++) {
        have |= slice_caseeq(before->items[i], more);
        json_push(e->a, names, json_string(e->a, before->items[i]));
    }
    if (!have)
        json_push(e->a, names, json_string(e->a, more));
    edits_set(e, list, object, member, names);
}

static void take_away(struct json_value *object, struct slice member)
{
    size_t kept = 0;
    for (size_t i = 0; i < object->object.n; i++)
        if (!slice_eq(object->object.members[i].name, member))
            object->object.members[kept++] = object->object.members[i];
    object->object.n = kept;
}

/* False when the member is so already, or there is no such object. */
static bool put(struct arena *a, struct json_value *doc, struct slice path, struct slice member,
                struct json_value *value, struct json_value **ret_before)
{
    struct json_value *object = topology_edit_get(doc, path);
    if (!object || object->kind != JSON_OBJECT)
        return false;
    struct json_value *before = json_find(object, member);
    if (value ? before && json_equal(before, value) : !before)
        return false;
    *ret_before = before;
    if (value)
        json_set(a, object, arena_cstr(a, member), value);
    else
        take_away(object, member);
    return true;
}

size_t edits_apply(const struct edits *e, struct json_value *doc, struct json_value **ret_undo)
{
    struct json_value *undo = json_array(e->a);
    size_t n = 0;
    for (size_t i = 0; i < e->n; i++) {
        const struct edit *edit = &e->items[i];
        struct json_value *before, *entry;
        if (!put(e->a, doc, edit->path, slice_str(edit->member), edit->value, &before))
            continue;
        entry = json_object(e->a);
        json_set_string(e->a, entry, "path", edit->path);
        json_set_string(e->a, entry, "member", slice_str(edit->member));
        if (before)
            json_set(e->a, entry, "before", before);
        json_push(e->a, undo, entry);
        n++;
    }
    *ret_undo = undo;
    return n;
}

size_t edits_revert(const struct json_value *undo, struct arena *a, struct json_value *doc)
{
    size_t n = 0;
    for (size_t i = json_count(undo); i > 0; i--) {
        const struct json_value *entry = json_at(undo, i - 1);
        struct json_value *before = json_get(entry, "before"), *ignored;
        n += put(a, doc, json_get_string(entry, "path"), json_get_string(entry, "member"),
                 before ? edits_copy(before, a) : NULL, &ignored);
    }
    return n;
}

struct json_value *edits_copy(const struct json_value *v, struct arena *a)
{
    struct buf text = {0};
    struct json_value *copy = NULL;
    struct json_error error;
    json_write(v, false, &text);
    /* what was written by us is parsable */
    if (json_parse(arena_copy(a, buf_slice(&text)), a, &copy, &error) < 0)
        copy = json_null(a);
    buf_fini(&text);
    return copy;
}
