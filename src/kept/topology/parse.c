#include "kept/topology/priv.h"

#include "ground/base/map.h"
#include "ground/base/mem.h"

#include <errno.h>

/* Where in the document: a chain on the stack, written out only when something is found. */
struct place {
    const struct place *parent;
    struct slice name;
};
struct parser {
    struct arena *a; /* of the topology */
    struct findings *f;
};
struct seen {
    struct map_entry entry;
    struct slice key;
};

static void place_write(const struct place *w, struct buf *out)
{
    if (!w)
        return;
    place_write(w->parent, out);
    if (buf_len(out))
        buf_append_char(out, '/');
    buf_append(out, w->name);
}

static void found(struct parser *c, const struct place *w, unsigned line, const char *id, const char *remedy,
                  struct slice text)
{
    struct buf path = {0};
    place_write(w, &path);
    findings_add_line(c->f, line, id, FINDING_ERROR, buf_slice(&path), remedy, SLICE_FMT, SLICE_ARG(text));
    buf_fini(&path);
}

/* A value as people would recognise it in a message: cut when long. */
static struct slice shown(struct parser *c, struct slice s)
{
    return s.n <= 60 ? s : arena_printf(&c->f->arena, SLICE_FMT "...", SLICE_ARG(slice_head(s, 57)));
}

static const char *kind_word(const struct json_value *v)
{
    static const char *const words[] = {"nothing", "true or false", "a number", "a fraction",
                                        "a text",  "a list",        "an object"};
    return words[v->kind];
}

static void found_fault(struct parser *c, const struct place *w, const struct json_value *v, const char *name,
                        const struct value_fault *fault)
{
    struct slice text;
    if (v->kind == JSON_STRING)
        text = arena_printf(&c->f->arena, "%s wants %s; '" SLICE_FMT "' is not", name, fault->wanted,
                            SLICE_ARG(shown(c, v->string)));
    else if (v->kind == JSON_INT)
        text = arena_printf(&c->f->arena, "%s wants %s; %lld is not", name, fault->wanted,
                            (long long)v->integer);
    else
        text = arena_printf(&c->f->arena, "%s wants %s and got %s", name, fault->wanted, kind_word(v));
    found(c, w, v->line, fault->id, NULL, text);
}

static void found_type(struct parser *c, const struct place *w, const struct json_value *v, const char *name,
                       const char *wanted)
{
    struct value_fault fault;
    value_fault_set(&fault, "wrong-type", wanted);
    found_fault(c, w, v, name, &fault);
}

static void found_unknown(struct parser *c, const struct place *w, const struct kind *k,
                          const struct json_member *m)
{
    const char *near = kind_nearest(k, m->name);
    const struct kind *other = kind_with(&topology_root, m->name);
    struct slice remedy = SLICE("remove it"), name = shown(c, m->name);
    if (near)
        remedy = arena_printf(&c->f->arena, "did you mean %s?", near);
    else if (other)
        remedy = arena_printf(&c->f->arena, "it is a property of %s", other->name);
    found(c, w, m->value->line, "unknown-property", arena_cstr(&c->f->arena, remedy),
          arena_printf(&c->f->arena, "%s has no property '" SLICE_FMT "'", k->name, SLICE_ARG(name)));
}

/* Text of a scalar: a number may stand where a name or a text is wanted ("version: 2013"). */
static bool scalar_text(const struct property *p, enum property_type type, const struct json_value *v,
                        struct arena *a, struct slice *ret)
{
    (void)p;
    if (v->kind == JSON_STRING) {
        *ret = v->string;
        return true;
    }
    if (v->kind != JSON_INT || (type != PROPERTY_NAME && type != PROPERTY_TEXT))
        return false;
    *ret = arena_printf(a, "%lld", (long long)v->integer);
    return true;
}

static bool parse_scalar(struct parser *c, const struct property *p, enum property_type type,
                         const struct json_value *v, const struct place *w, struct slice *ret)
{
    struct value_fault fault;
    struct slice text, stored;
    if (!scalar_text(p, type, v, c->a, &text)) {
        found_type(c, w, v, p->name, "a text");
        return false;
    }
    if (value_parse_text(p, type, text, c->a, &stored, &fault) < 0) {
        found_fault(c, w, v, p->name, &fault);
        return false;
    }
    *ret = arena_copy(c->a, stored);
    return true;
}

/* False when the key was there already. */
static bool seen_add(struct map *m, struct seen *s, struct slice key)
{
    uint64_t h = slice_casehash(key);
    for (struct map_entry *e = map_first(m, h); e; e = map_next(e))
        if (slice_caseeq(MAP_OBJECT(e, struct seen, entry)->key, key))
            return false;
    s->key = key;
    map_insert(m, &s->entry, h);
    return true;
}

static bool is_list(struct parser *c, const struct property *p, const struct json_value *v,
                    const struct place *w)
{
    if (v->kind != JSON_ARRAY)
        found_type(c, w, v, p->name, "a list");
    else if (v->array.n > (size_t)p->max)
        found(c, w, v->line, "too-many", NULL,
              arena_printf(&c->f->arena, "%s takes up to %lld entries and got %zu", p->name,
                           (long long)p->max, v->array.n));
    else
        return true;
    return false;
}

static void parse_names(struct parser *c, const struct property *p, const struct json_value *v,
                        const struct place *w, void *object)
{
    if (!is_list(c, p, v, w))
        return;
    struct slice *items = ARENA_ARRAY(c->a, struct slice, v->array.n);
    struct seen *seen = mem_zalloc(v->array.n * sizeof(*seen) + 1);
    struct map map = {0};
    size_t n = 0;
    for (size_t i = 0; i < v->array.n; i++) {
        const struct json_value *item = v->array.items[i];
        if (!parse_scalar(c, p, p->item, item, w, &items[n]))
            continue;
        if (!seen_add(&map, &seen[n], items[n]))
            found(c, w, item->line, "double-identity", "remove one of the two",
                  arena_printf(&c->f->arena, "%s lists " SLICE_FMT " twice", p->name, SLICE_ARG(items[n])));
        else
            n++;
    }
    map_fini(&map);
    mem_free(seen);
    MEMBER(object, struct topology_names, p->offset) = (struct topology_names){items, n};
}

static void parse_object(struct parser *c, const struct kind *k, const struct json_value *v,
                         const struct place *w, void *object);

/* What stands in the path for an object of a list: its identity, or its number when that is not there. */
static struct slice object_name(struct parser *c, const struct kind *k, const struct json_value *v, size_t i)
{
    const struct property *id = kind_identity(k);
    struct slice name = json_get_string(v, id->name);
    return name.n && !memchr(name.p, '/', name.n) ? shown(c, name) : arena_printf(&c->f->arena, "%zu", i + 1);
}

static void parse_objects(struct parser *c, const struct property *p, const struct json_value *v,
                          const struct place *w, void *object)
{
    if (!is_list(c, p, v, w))
        return;
    const struct property *id = kind_identity(p->kind);
    char *objects = arena_zalloc(c->a, v->array.n * p->kind->size);
    struct seen *seen = mem_zalloc(v->array.n * sizeof(*seen) + 1);
    struct map map = {0};
    for (size_t i = 0; i < v->array.n; i++) {
        const struct json_value *item = v->array.items[i];
        void *o = objects + i * p->kind->size;
        struct place below = {w, object_name(c, p->kind, item, i)};
        parse_object(c, p->kind, item, &below, o);
        struct slice key = MEMBER(o, struct slice, id->offset);
        if (key.n && !seen_add(&map, &seen[i], key))
            found(c, &below, item->line, "double-identity", "remove or rename one of the two",
                  arena_printf(&c->f->arena, "there are two objects " SLICE_FMT " in %s", SLICE_ARG(key),
                               p->name));
    }
    map_fini(&map);
    mem_free(seen);
    MEMBER(object, void *, p->offset) = objects;
    MEMBER(object, size_t, p->count_offset) = v->array.n;
}

static void parse_int(struct parser *c, const struct property *p, const struct json_value *v,
                      const struct place *w, void *object)
{
    struct value_fault fault;
    if (v->kind != JSON_INT)
        found_type(c, w, v, p->name, "a number");
    else if (value_check_int(p, v->integer, &fault) < 0)
        found_fault(c, w, v, p->name, &fault);
    else
        MEMBER(object, int64_t, p->offset) = v->integer;
}

static void parse_property(struct parser *c, const struct property *p, const struct json_value *v,
                           const struct place *w, void *object)
{
    struct slice text;
    switch (p->type) {
    case PROPERTY_BOOL:
        if (v->kind == JSON_BOOL)
            MEMBER(object, bool, p->offset) = v->boolean;
        else
            found_type(c, w, v, p->name, "true or false");
        break;
    case PROPERTY_INT:
        parse_int(c, p, v, w, object);
        break;
    case PROPERTY_ENUM:
        if (parse_scalar(c, p, p->type, v, w, &text))
            MEMBER(object, unsigned, p->offset) = (unsigned)enum_index(p->values, text);
        break;
    case PROPERTY_NAMES:
        parse_names(c, p, v, w, object);
        break;
    case PROPERTY_OBJECTS:
        parse_objects(c, p, v, w, object);
        break;
    case PROPERTY_OBJECT:
        parse_object(c, p->kind, v, w, &MEMBER(object, char, p->offset));
        break;
    default:
        if (parse_scalar(c, p, p->type, v, w, &text))
            MEMBER(object, struct slice, p->offset) = text;
    }
}

static const struct json_value *given(const struct json_value *v, const char *name)
{
    const struct json_value *member = json_get(v, name);
    return member && member->kind != JSON_NULL ? member : NULL;
}

/* Defaults that depend on other properties, and what must be there, when all members are read. */
static void parse_absent(struct parser *c, const struct kind *k, const struct json_value *v,
                         const struct place *w, void *object)
{
    for (size_t i = 0; i < k->n_properties; i++) {
        const struct property *p = &k->properties[i];
        if (given(v, p->name))
            continue;
        if (p->derived)
            MEMBER(object, int64_t, p->offset) = p->derived(object);
        if (p->required || p->identity)
            found(c, w, v->line, "missing-property", NULL,
                  arena_printf(&c->f->arena, "%s lacks its %s", k->name, p->name));
    }
}

static void parse_object(struct parser *c, const struct kind *k, const struct json_value *v,
                         const struct place *w, void *object)
{
    for (size_t i = 0; i < k->n_properties; i++)
        object_set_default(&k->properties[i], object, c->a);
    if (v->kind != JSON_OBJECT) {
        found_type(c, w, v, k->name, "an object with named properties");
        return;
    }
    for (size_t i = 0; i < v->object.n; i++) {
        const struct json_member *m = &v->object.members[i];
        const struct property *p = kind_property(k, m->name);
        struct place below = {w, p ? m->name : shown(c, m->name)};
        if (!p)
            found_unknown(c, &below, k, m);
        else if (m->value->kind != JSON_NULL) /* as if it were not there */
            parse_property(c, p, m->value, &below, object);
    }
    parse_absent(c, k, v, w, object);
}

/* A document of another version is told so, and not by the many names that it has and we have not. */
static bool schema_known(const struct json_value *doc, struct findings *f)
{
    const struct json_value *v = json_get(doc, "schema");
    if (!v || v->kind != JSON_INT || v->integer == TOPOLOGY_SCHEMA)
        return true;
    findings_add_line(f, v->line, "unsupported-schema", FINDING_ERROR, SLICE("schema"),
                      "use the release that wrote it, or export it from there",
                      "the document is of schema version %lld; this release reads version %d",
                      (long long)v->integer, TOPOLOGY_SCHEMA);
    return false;
}

int topology_from_json(const struct json_value *doc, struct topology **ret, struct findings *findings)
{
    struct findings own = {0}, *f = findings ? findings : &own;
    struct topology *t = MEM_NEW(struct topology);
    struct parser c = {&t->arena, f};
    size_t errors = f->errors;
    t->refs = 1;
    if (schema_known(doc, f))
        parse_object(&c, &topology_root, doc, NULL, t);
    bool good = f->errors == errors;
    findings_fini(&own);
    if (!good) {
        topology_unref(t);
        return -EBADMSG;
    }
    topology_index(t);
    *ret = t;
    return 0;
}

/* Text that begins with a brace is JSON; YAML's flow style begins so as well, so it gets a second chance. */
static int parse_tree(struct slice text, struct arena *a, struct json_value **ret, struct json_error *e)
{
    struct json_error other;
    if (!slice_starts(slice_trim(text), SLICE("{")))
        return yaml_parse(text, a, ret, e);
    return json_parse(text, a, ret, e) == 0 || yaml_parse(text, a, ret, &other) == 0 ? 0 : -EBADMSG;
}

int topology_parse(struct slice text, struct topology **ret, struct findings *findings)
{
    struct arena a = {0};
    struct json_value *doc;
    struct json_error error = {0};
    int r = parse_tree(text, &a, &doc, &error);
    if (r < 0 && findings)
        findings_add_line(findings, error.line, "syntax", FINDING_ERROR, SLICE(""), NULL,
                          "line %u, column %u: %s", error.line, error.column, error.text);
    else if (r == 0)
        r = topology_from_json(doc, ret, findings);
    arena_fini(&a);
    return r;
}
