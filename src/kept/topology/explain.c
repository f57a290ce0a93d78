#include "kept/topology/explain.h"

#include "kept/topology/priv.h"

#include <errno.h>

/* Where a path leads, by the table alone; a document adds values. */
enum place_kind { PLACE_OBJECT, PLACE_LIST, PLACE_PROPERTY, PLACE_ITEM };
struct place {
    enum place_kind is;
    const struct kind *kind;         /* of the object, of the list's objects, or that has the property */
    const struct property *property; /* the last row on the way; NULL for the document */
    const struct json_value *value;  /* NULL: nothing there */
    struct slice item;               /* the name in a list of names */
};
struct walk {
    struct slice path;
    const struct json_value *doc;
    struct findings *f;
};

static int unknown(const struct walk *w, const struct kind *k, struct slice name)
{
    const char *near = kind_nearest(k, name);
    const struct kind *other = near ? NULL : kind_with(&topology_root, name);
    if (w->f && near)
        findings_add(w->f, "unknown-path", FINDING_ERROR, w->path, NULL,
                     "%s has no property '" SLICE_FMT "'; did you mean %s?", k->name, SLICE_ARG(name), near);
    else if (w->f)
        findings_add(w->f, "unknown-path", FINDING_ERROR, w->path, NULL,
                     "%s has no property '" SLICE_FMT "'%s%s", k->name, SLICE_ARG(name),
                     other ? "; it is a property of " : "", other ? other->name : "");
    return -EINVAL;
}

static int step_property(const struct walk *w, struct place *at, struct slice name)
{
    const struct property *p = kind_property(at->kind, name);
    if (!p)
        return unknown(w, at->kind, name);
    at->is = p->type == PROPERTY_OBJECTS  ? PLACE_LIST
             : p->type == PROPERTY_OBJECT ? PLACE_OBJECT
                                          : PLACE_PROPERTY;
    at->kind = p->kind ? p->kind : at->kind;
    at->property = p;
    at->value = at->value ? json_get(at->value, p->name) : NULL;
    return 0;
}

static const struct json_value *member(const struct json_value *list, const struct kind *k, struct slice name)
{
    for (size_t i = 0; i < json_count(list); i++)
        if (slice_caseeq(json_get_string(json_at(list, i), kind_identity(k)->name), name))
            return json_at(list, i);
    return NULL;
}

/* Below a list stands the name of an object, or at once a property of all of them. A word that is nearly a
 * property and cannot be a host's name is taken for a slip. */
static int step_list(const struct walk *w, struct place *at, struct slice name)
{
    const struct json_value *object = member(at->value, at->kind, name);
    bool host = kind_identity(at->kind)->type != PROPERTY_NAME;
    if (!object && kind_property(at->kind, name)) {
        at->value = NULL;
        return step_property(w, at, name);
    }
    if (!object && host && !memchr(name.p, '.', name.n) && kind_nearest(at->kind, name))
        return unknown(w, at->kind, name);
    at->is = PLACE_OBJECT;
    at->value = object;
    return 0;
}

static int step(const struct walk *w, struct place *at, struct slice name)
{
    if (at->is == PLACE_OBJECT)
        return step_property(w, at, name);
    if (at->is == PLACE_LIST)
        return step_list(w, at, name);
    if (at->is == PLACE_PROPERTY && at->property->type == PROPERTY_NAMES) {
        at->is = PLACE_ITEM;
        at->item = name;
        return 0;
    }
    if (w->f)
        findings_add(w->f, "unknown-path", FINDING_ERROR, w->path, NULL, "%s has nothing below it",
                     at->property->name);
    return -EINVAL;
}

static int walk(const struct walk *w, struct place *ret)
{
    struct place at = {.is = PLACE_OBJECT, .kind = &topology_root, .value = w->doc};
    struct slice head, rest = w->path;
    while (rest.n) {
        if (!slice_cut(rest, '/', &head, &rest)) {
            head = rest;
            rest = SLICE_NONE;
        }
        int r = head.n ? step(w, &at, head) : 0;
        if (r < 0)
            return r;
    }
    *ret = at;
    return 0;
}

/* --- words --- */
static void values_write(const char *values, struct buf *out)
{
    for (const char *c = values; *c; c++)
        buf_append(out, *c == '|' ? SLICE(", ") : slice_mem(c, 1));
}

static void type_write(const struct property *p, struct buf *out)
{
    struct arena a = {0};
    if (p->values) {
        buf_append(out, p->type == PROPERTY_NAMES ? SLICE("list of: ") : SLICE("one of: "));
        values_write(p->values, out);
    } else {
        buf_append(out, property_type_text(p, &a));
    }
    arena_fini(&a);
}

static void value_write(const struct json_value *v, struct buf *out)
{
    if (!v || v->kind == JSON_NULL || (v->kind == JSON_ARRAY && !v->array.n))
        buf_append(out, SLICE("none"));
    else if (v->kind == JSON_STRING)
        buf_append(out, v->string);
    else if (v->kind != JSON_ARRAY)
        json_write(v, false, out);
    for (size_t i = 0; v && v->kind == JSON_ARRAY && i < v->array.n; i++) {
        buf_append(out, i ? SLICE(", ") : SLICE(""));
        value_write(v->array.items[i], out);
    }
}

static void default_write(const struct property *p, struct buf *out)
{
    struct arena a = {0};
    if (p->derived_text)
        buf_printf(out, "%s", p->derived_text);
    else
        value_write(property_default(p, &a), out);
    arena_fini(&a);
}

/* --- the page --- */
struct page {
    struct buf *out;
    enum explain_format format;
    struct buf text; /* of the row in work */
};

static void row(struct page *g, const char *name)
{
    if (g->format == EXPLAIN_MARKDOWN)
        buf_printf(g->out, "| %s | " SLICE_FMT " |\n", name, SLICE_ARG(buf_slice(&g->text)));
    else
        buf_printf(g->out, "  %-9s " SLICE_FMT "\n", name, SLICE_ARG(buf_slice(&g->text)));
    buf_clear(&g->text, 4096);
}

static void heading(struct page *g, struct slice path, const char *help)
{
    struct slice title = path.n ? path : SLICE("topology");
    if (g->format == EXPLAIN_MARKDOWN)
        buf_printf(g->out, "## `" SLICE_FMT "`\n\n%s\n\n| | |\n| --- | --- |\n", SLICE_ARG(title), help);
    else
        buf_printf(g->out, SLICE_FMT "\n  %s\n\n", SLICE_ARG(title), help);
}

static void row_text(struct page *g, const char *name, const char *text)
{
    buf_printf(&g->text, "%s", text);
    row(g, name);
}

static void rows_of_property(struct page *g, const struct property *p)
{
    type_write(p, &g->text);
    row(g, "type");
    if (p->unit)
        row_text(g, "unit", p->unit);
    if (p->type == PROPERTY_INT) {
        buf_printf(&g->text, "%lld to %lld", (long long)p->min, (long long)p->max);
        row(g, "range");
    }
    if (p->type == PROPERTY_NAMES || p->type == PROPERTY_OBJECTS) {
        buf_printf(&g->text, "up to %lld", (long long)p->max);
        row(g, "entries");
    }
    if (p->identity || p->required) {
        row_text(g, "default", "none: it must be there");
    } else if (p->type != PROPERTY_OBJECT && p->type != PROPERTY_OBJECTS) {
        default_write(p, &g->text);
        row(g, "default");
    }
    if (p->refers) {
        refers_write(p->refers, true, &g->text);
        row(g, "names");
    }
    row_text(g, "in Lync", p->lync ? p->lync : "nothing like it");
}

static void row_now(struct page *g, const struct place *at, const struct json_value *doc)
{
    const struct property *p = at->property;
    if (!doc)
        return;
    if (at->is == PLACE_ITEM) {
        bool listed = false;
        for (size_t i = 0; i < json_count(at->value); i++)
            listed |= slice_caseeq(json_at(at->value, i)->string, at->item);
        buf_printf(&g->text, SLICE_FMT " is %slisted", SLICE_ARG(at->item), listed ? "" : "not ");
    } else if (at->value && at->value->kind != JSON_NULL) {
        value_write(at->value, &g->text);
    } else if (p->identity || p->required) {
        return;
    } else {
        default_write(p, &g->text);
        buf_append(&g->text, SLICE(" (not set)"));
    }
    row(g, "now");
}

enum { NAMES_SHOWN = 20 };

static void row_objects(struct page *g, const struct place *at)
{
    size_t n = json_count(at->value);
    buf_printf(&g->text, "%zu", n);
    for (size_t i = 0; i < n && i < NAMES_SHOWN; i++)
        buf_printf(&g->text, "%s" SLICE_FMT, i ? ", " : ": ",
                   SLICE_ARG(json_get_string(json_at(at->value, i), kind_identity(at->kind)->name)));
    if (n > NAMES_SHOWN)
        buf_append(&g->text, SLICE(", ..."));
    row(g, "now");
}

static void properties_of(struct page *g, const struct kind *k)
{
    bool md = g->format == EXPLAIN_MARKDOWN;
    buf_append(g->out, md ? SLICE("\n| property | meaning |\n| --- | --- |\n") : SLICE("\n"));
    for (size_t i = 0; i < k->n_properties; i++)
        buf_printf(g->out, md ? "| `%s` | %s |\n" : "  %-28s %s\n", k->properties[i].name,
                   k->properties[i].help);
}

int topology_explain(struct slice path, const struct json_value *doc, enum explain_format format,
                     struct buf *out, struct findings *f)
{
    struct walk w = {path, doc, f};
    struct page g = {.out = out, .format = format};
    struct place at;
    int r = walk(&w, &at);
    if (r < 0)
        return r;
    bool whole = at.is == PLACE_OBJECT;
    heading(&g, path, whole ? at.kind->help : at.property->help);
    if (whole && (!at.property || at.property->type == PROPERTY_OBJECTS))
        row_text(&g, "type", at.kind->name);
    else
        rows_of_property(&g, at.property);
    if (at.is == PLACE_LIST && doc)
        row_objects(&g, &at);
    else if (whole && doc)
        row_text(&g, "now", at.value ? "set" : "not set");
    else if (!whole)
        row_now(&g, &at, doc);
    if (whole || at.is == PLACE_LIST)
        properties_of(&g, at.kind);
    buf_fini(&g.text);
    return 0;
}
