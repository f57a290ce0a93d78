#include "kept/topology/priv.h"

static struct json_value *print_object(const struct kind *k, const void *object, struct arena *a);

static struct json_value *print_names(const struct topology_names *names, struct arena *a)
{
    struct json_value *list = json_array(a);
    for (size_t i = 0; i < names->n; i++)
        json_push(a, list, json_string(a, names->items[i]));
    return list;
}

static struct json_value *print_objects(const struct property *p, const void *object, struct arena *a)
{
    struct json_value *list = json_array(a);
    const char *objects = MEMBER_CONST(object, void *, p->offset);
    size_t n = MEMBER_CONST(object, size_t, p->count_offset);
    for (size_t i = 0; i < n; i++)
        json_push(a, list, print_object(p->kind, objects + i * p->kind->size, a));
    return list;
}

static struct json_value *print_property(const struct property *p, const void *object, struct arena *a)
{
    switch (p->type) {
    case PROPERTY_BOOL:
        return json_bool(a, MEMBER_CONST(object, bool, p->offset));
    case PROPERTY_INT:
        return json_int(a, MEMBER_CONST(object, int64_t, p->offset));
    case PROPERTY_ENUM:
        return json_string(a, enum_name(p->values, MEMBER_CONST(object, unsigned, p->offset)));
    case PROPERTY_NAMES:
        return print_names(&MEMBER_CONST(object, struct topology_names, p->offset), a);
    case PROPERTY_OBJECTS:
        return print_objects(p, object, a);
    case PROPERTY_OBJECT:
        return print_object(p->kind, &MEMBER_CONST(object, char, p->offset), a);
    default:
        return json_string(a, MEMBER_CONST(object, struct slice, p->offset));
    }
}

static struct json_value *print_object(const struct kind *k, const void *object, struct arena *a)
{
    struct json_value *o = json_object(a);
    for (size_t i = 0; i < k->n_properties; i++)
        if (!object_has_default(&k->properties[i], object))
            json_set(a, o, k->properties[i].name, print_property(&k->properties[i], object, a));
    return o;
}

struct json_value *topology_to_json(const struct topology *t, struct arena *a)
{
    return print_object(&topology_root, t, a);
}

void topology_write_canonical(const struct topology *t, struct buf *out)
{
    struct arena a = {0};
    json_write_canonical(topology_to_json(t, &a), out);
    arena_fini(&a);
}

void topology_write_yaml(const struct topology *t, struct buf *out)
{
    struct arena a = {0};
    yaml_write(topology_to_json(t, &a), out);
    arena_fini(&a);
}
