#include "kept/topology/place.h"

#include "kept/topology/edit.h"

#include <errno.h>

static bool step(struct topology_place *at, struct slice name)
{
    const struct property *p;
    switch (at->is) {
    case PLACE_LIST:
        at->is = PLACE_OBJECT;
        return true;
    case PLACE_OBJECT:
        p = kind_property(at->kind, name);
        if (!p)
            return false;
        at->is = p->type == PROPERTY_OBJECTS  ? PLACE_LIST
                 : p->type == PROPERTY_OBJECT ? PLACE_OBJECT
                                              : PLACE_PROPERTY;
        at->kind = p->kind ? p->kind : at->kind;
        at->property = p;
        return true;
    case PLACE_PROPERTY:
        if (at->property->type != PROPERTY_NAMES)
            return false;
        at->is = PLACE_NAME;
        return true;
    case PLACE_NAME:
        return false;
    }
    return false;
}

int topology_place_find(struct slice path, struct topology_place *ret, struct slice *ret_bad)
{
    struct topology_place at = {PLACE_OBJECT, &topology_root, NULL};
    struct slice head, rest = path;
    int r = 0;
    while (r == 0 && rest.n) {
        if (!slice_cut(rest, '/', &head, &rest)) {
            head = rest;
            rest = SLICE_NONE;
        }
        if (step(&at, head))
            continue;
        if (ret_bad)
            *ret_bad = head;
        r = -ENOENT;
    }
    if (ret)
        *ret = at;
    return r;
}

void topology_path_split(struct slice path, struct slice *ret_parent, struct slice *ret_last)
{
    size_t i = path.n;
    while (i > 0 && path.p[i - 1] != '/')
        i--;
    *ret_last = slice_from(path, i);
    *ret_parent = slice_head(path, i ? i - 1 : 0);
}

static struct json_value *object_in_order(const struct kind *k, const struct json_value *v, struct arena *a)
{
    struct json_value *o = json_object(a);
    o->line = v->line;
    for (size_t i = 0; i < k->n_properties; i++) {
        const struct property *p = &k->properties[i];
        const struct json_value *member = json_get(v, p->name);
        const struct topology_place at = {p->type == PROPERTY_OBJECTS  ? PLACE_LIST
                                          : p->type == PROPERTY_OBJECT ? PLACE_OBJECT
                                                                       : PLACE_PROPERTY,
                                          p->kind, p};
        if (member)
            json_set(a, o, p->name, topology_in_order(&at, member, a));
    }
    for (size_t i = 0; i < v->object.n; i++) /* what the table does not know is kept */
        if (!kind_property(k, v->object.members[i].name))
            json_set(a, o, arena_cstr(a, v->object.members[i].name), v->object.members[i].value);
    return o;
}

struct json_value *topology_in_order(const struct topology_place *at, const struct json_value *v,
                                     struct arena *a)
{
    const struct topology_place item = {PLACE_OBJECT, at->kind, at->property};
    if (at->is == PLACE_OBJECT && v->kind == JSON_OBJECT)
        return object_in_order(at->kind, v, a);
    if (at->is != PLACE_LIST || v->kind != JSON_ARRAY)
        return (struct json_value *)(uintptr_t)v;
    struct json_value *list = json_array(a);
    list->line = v->line;
    for (size_t i = 0; i < v->array.n; i++)
        json_push(a, list, topology_in_order(&item, v->array.items[i], a));
    return list;
}

void findings_locate(struct findings *f, const struct json_value *doc)
{
    for (size_t i = 0; i < f->n; i++) {
        struct finding *g = &f->items[i];
        struct slice path = g->path, last;
        while (!g->line && path.n) {
            const struct json_value *at = topology_edit_get(doc, path);
            if (at)
                g->line = at->line;
            topology_path_split(path, &path, &last);
        }
    }
}
