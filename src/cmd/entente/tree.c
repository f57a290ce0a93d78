/* The topology as a tree for people: a branch for each object, its properties beside its name. */
#include "cmd/entente/topology.h"

#include "kept/topology/place.h"

struct tree {
    struct buf *out;
    struct buf indent;
};

static bool is_branch(const struct property *p)
{
    return p->type == PROPERTY_OBJECTS || p->type == PROPERTY_OBJECT;
}

static void write_scalar(const struct json_value *v, struct buf *out)
{
    if (v->kind == JSON_STRING)
        buf_append(out, v->string);
    else if (v->kind != JSON_ARRAY)
        json_write(v, false, out);
    for (size_t i = 0; v->kind == JSON_ARRAY && i < v->array.n; i++) {
        buf_append(out, i ? SLICE(" ") : SLICE(""));
        write_scalar(v->array.items[i], out);
    }
}

/* "  federation: true, next_hop: fe.contoso.example" */
static void write_properties(const struct kind *k, const struct json_value *object, struct buf *out)
{
    const char *before = "  ";
    for (size_t i = 0; i < k->n_properties; i++) {
        const struct property *p = &k->properties[i];
        const struct json_value *v = json_get(object, p->name);
        if (!v || p->identity || is_branch(p))
            continue;
        buf_printf(out, "%s%s: ", before, p->name);
        write_scalar(v, out);
        before = ", ";
    }
    buf_append_char(out, '\n');
}

static void branches(struct tree *t, const struct kind *k, const struct json_value *object);

/* A line, and what is below it. */
static void branch(struct tree *t, struct slice name, const struct kind *k, const struct json_value *v,
                   bool last)
{
    size_t before = buf_len(&t->indent);
    const struct property *id = kind_identity(k);
    buf_append(t->out, buf_slice(&t->indent));
    buf_printf(t->out, "%s " SLICE_FMT, last ? "└─" : "├─", SLICE_ARG(name));
    buf_append(&t->indent, last ? SLICE("   ") : SLICE("│  "));
    if (v->kind == JSON_ARRAY) {
        buf_printf(t->out, " (%zu)\n", v->array.n);
        for (size_t i = 0; i < v->array.n; i++)
            branch(t, json_get_string(v->array.items[i], id->name), k, v->array.items[i],
                   i + 1 == v->array.n);
    } else {
        write_properties(k, v, t->out);
        branches(t, k, v);
    }
    t->indent.end = t->indent.start + before;
}

static void branches(struct tree *t, const struct kind *k, const struct json_value *object)
{
    size_t n = 0, last = 0;
    for (size_t i = 0; i < k->n_properties; i++)
        if (is_branch(&k->properties[i]) && json_count(json_get(object, k->properties[i].name)))
            last = ++n;
    for (size_t i = 0, seen = 0; i < k->n_properties; i++) {
        const struct property *p = &k->properties[i];
        const struct json_value *v = is_branch(p) ? json_get(object, p->name) : NULL;
        if (json_count(v))
            branch(t, slice_str(p->name), p->kind, v, ++seen == last);
    }
}

void topology_tree(struct slice path, const struct json_value *v, struct buf *out)
{
    struct topology_place place;
    struct tree t = {.out = out};
    if (topology_place_find(path, &place, NULL) < 0 || place.is == PLACE_PROPERTY || place.is == PLACE_NAME) {
        write_scalar(v, out);
        buf_append_char(out, '\n');
        return;
    }
    buf_append(out, path.n ? path : SLICE("topology"));
    if (v->kind == JSON_ARRAY) {
        const char *id = kind_identity(place.kind)->name;
        buf_printf(out, " (%zu)\n", v->array.n);
        for (size_t i = 0; i < v->array.n; i++)
            branch(&t, json_get_string(v->array.items[i], id), place.kind, v->array.items[i],
                   i + 1 == v->array.n);
    } else {
        write_properties(place.kind, v, out);
        branches(&t, place.kind, v);
    }
    buf_fini(&t.indent);
}
