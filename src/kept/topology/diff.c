#include "kept/topology/edit.h"
#include "kept/topology/priv.h"

#include "ground/base/map.h"
#include "ground/base/mem.h"

struct diff {
    struct arena *a;
    struct topology_change *items;
    size_t n, cap;
};

static void change(struct diff *d, enum topology_change_kind kind, struct slice path,
                   const struct json_value *before, const struct json_value *after)
{
    if (d->n == d->cap) {
        d->cap = d->cap ? 2 * d->cap : 16;
        struct topology_change *more = ARENA_ARRAY(d->a, struct topology_change, d->cap);
        if (d->n)
            memcpy(more, d->items, d->n * sizeof(*more));
        d->items = more;
    }
    d->items[d->n++] = (struct topology_change){kind, path, before, after};
}

static struct slice below(struct diff *d, struct slice path, struct slice name)
{
    return arena_printf(d->a, SLICE_FMT "%s" SLICE_FMT, SLICE_ARG(path), path.n ? "/" : "", SLICE_ARG(name));
}

static const struct json_value *value_of(struct diff *d, const struct property *p,
                                         const struct json_value *object)
{
    const struct json_value *v = json_get(object, p->name);
    return v && v->kind != JSON_NULL ? v : property_default(p, d->a);
}

static bool lists(const struct json_value *list, const struct json_value *item)
{
    for (size_t i = 0; i < json_count(list); i++)
        if (json_equal(json_at(list, i), item))
            return true;
    return false;
}

/* Order counts where the table lists choices in order of preference; nowhere else. No list and an empty one
 * are the same. */
static bool same(const struct property *p, const struct json_value *before, const struct json_value *after)
{
    if (p->type == PROPERTY_NAMES && p->item != PROPERTY_ENUM) {
        if (json_count(before) != json_count(after))
            return false;
        for (size_t i = 0; i < json_count(after); i++)
            if (!lists(before, json_at(after, i)))
                return false;
        return true;
    }
    return before == after || (before && after && json_equal(before, after));
}

struct by_identity {
    struct map_entry entry;
    const struct json_value *object;
    bool met;
};

static void diff_object(struct diff *d, const struct kind *k, struct slice path,
                        const struct json_value *before, const struct json_value *after);

static struct by_identity *identity_find(const struct map *m, const struct property *id, struct slice name)
{
    for (struct map_entry *e = map_first(m, slice_casehash(name)); e; e = map_next(e)) {
        struct by_identity *b = MAP_OBJECT(e, struct by_identity, entry);
        if (slice_caseeq(json_get_string(b->object, id->name), name))
            return b;
    }
    return NULL;
}

static void diff_objects(struct diff *d, const struct property *p, struct slice path,
                         const struct json_value *before, const struct json_value *after)
{
    const struct property *id = kind_identity(p->kind);
    size_t n = json_count(after);
    struct by_identity *index = mem_zalloc(n * sizeof(*index) + 1);
    struct map map = {0};
    for (size_t i = 0; i < n; i++) {
        index[i].object = json_at(after, i);
        map_insert(&map, &index[i].entry, slice_casehash(json_get_string(index[i].object, id->name)));
    }
    for (size_t i = 0; i < json_count(before); i++) {
        const struct json_value *o = json_at(before, i);
        struct slice name = json_get_string(o, id->name);
        struct by_identity *other = identity_find(&map, id, name);
        if (!other) {
            change(d, TOPOLOGY_REMOVED, below(d, path, name), o, NULL);
            continue;
        }
        other->met = true;
        diff_object(d, p->kind, below(d, path, name), o, other->object);
    }
    for (size_t i = 0; i < n; i++)
        if (!index[i].met)
            change(d, TOPOLOGY_ADDED, below(d, path, json_get_string(index[i].object, id->name)), NULL,
                   index[i].object);
    map_fini(&map);
    mem_free(index);
}

static void diff_object(struct diff *d, const struct kind *k, struct slice path,
                        const struct json_value *before, const struct json_value *after)
{
    for (size_t i = 0; i < k->n_properties; i++) {
        const struct property *p = &k->properties[i];
        const struct json_value *b = value_of(d, p, before), *c = value_of(d, p, after);
        if (p->type == PROPERTY_OBJECT)
            diff_object(d, p->kind, below(d, path, slice_str(p->name)), b, c);
        else if (p->type == PROPERTY_OBJECTS)
            diff_objects(d, p, below(d, path, slice_str(p->name)), b, c);
        else if (!p->identity && !same(p, b, c))
            change(d, TOPOLOGY_CHANGED, below(d, path, slice_str(p->name)), b, c);
    }
}

void topology_diff(const struct json_value *before, const struct json_value *after, struct arena *a,
                   struct topology_change **ret, size_t *ret_n)
{
    struct diff d = {.a = a};
    diff_object(&d, &topology_root, SLICE_NONE, before, after);
    *ret = d.items;
    *ret_n = d.n;
}

/* --- for people --- */
static void write_value(const struct json_value *v, struct buf *out)
{
    if (!v || (v->kind == JSON_ARRAY && !v->array.n))
        buf_append(out, SLICE("(none)"));
    else if (v->kind == JSON_STRING)
        buf_append(out, v->string);
    else if (v->kind != JSON_ARRAY)
        json_write(v, false, out);
    for (size_t i = 0; v && v->kind == JSON_ARRAY && i < v->array.n; i++) {
        buf_append(out, i ? SLICE(", ") : SLICE(""));
        write_value(v->array.items[i], out);
    }
}

/* The object's own lines below its path, each with the sign in front. */
static void write_object(char sign, struct slice path, const struct json_value *object, struct buf *out)
{
    struct buf yaml = {0};
    struct slice line, rest;
    buf_printf(out, "%c " SLICE_FMT "\n", sign, SLICE_ARG(path));
    yaml_write(object, &yaml);
    for (rest = buf_slice(&yaml); slice_cut(rest, '\n', &line, &rest);)
        buf_printf(out, "%c     " SLICE_FMT "\n", sign, SLICE_ARG(line));
    buf_fini(&yaml);
}

void topology_diff_write(const struct topology_change *changes, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        const struct topology_change *c = &changes[i];
        if (c->kind != TOPOLOGY_CHANGED) {
            write_object(c->kind == TOPOLOGY_ADDED ? '+' : '-', c->path, c->after ? c->after : c->before,
                         out);
            continue;
        }
        buf_printf(out, "~ " SLICE_FMT ": ", SLICE_ARG(c->path));
        write_value(c->before, out);
        buf_append(out, SLICE(" -> "));
        write_value(c->after, out);
        buf_append_char(out, '\n');
    }
}
