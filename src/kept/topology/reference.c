#include "kept/topology/priv.h"

/* --- Markdown --- */
static void reference_default(const struct property *p, struct buf *out)
{
    if (p->derived_text)
        buf_printf(out, "%s", p->derived_text);
    else if (p->identity || p->required)
        buf_append(out, SLICE("(required)"));
    else if (p->type == PROPERTY_BOOL || (p->otherwise && p->type != PROPERTY_NAMES))
        buf_printf(out, "`%s`", p->otherwise ? p->otherwise : "false");
    else if (p->otherwise)
        for (const char *c = p->otherwise; *c; c++)
            buf_append(out, *c == '|' ? SLICE(", ") : slice_mem(c, 1));
    else
        buf_append(out, SLICE("none"));
}

void refers_write(unsigned refers, bool articles, struct buf *out)
{
    static const char *const words[] = {"site",         "Edge pool", "Front End pool",
                                        "foreign pool", "provider",  "Director pool"};
    const char *between = "";
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!(refers & 1u << i))
            continue;
        const char *article = !articles ? "" : words[i][0] == 'E' ? "an " : "a ";
        buf_printf(out, "%s%s%s", between, article, words[i]);
        between = " or ";
    }
}

static void reference_type(const struct property *p, struct buf *out)
{
    struct arena a = {0};
    if (p->kind) {
        if (p->type == PROPERTY_OBJECTS)
            buf_printf(out, "list of up to %lld ", (long long)p->max);
        buf_printf(out, "[%s](#%s)", p->kind->name, p->kind->name);
    } else if (p->type == PROPERTY_INT) {
        buf_printf(out, "number, %lld to %lld", (long long)p->min, (long long)p->max);
    } else if (p->values) {
        buf_append(out, p->type == PROPERTY_NAMES ? SLICE("list of ") : SLICE("one of "));
        for (const char *c = p->values; *c; c++)
            buf_append(out, *c == '|' ? SLICE(", ") : slice_mem(c, 1));
    } else {
        buf_append(out, property_type_text(p, &a));
    }
    if (p->unit)
        buf_printf(out, ", %s", p->unit);
    if (p->refers) {
        buf_append(out, SLICE("; names "));
        refers_write(p->refers, true, out);
    }
    arena_fini(&a);
}

/* Every kind once, in the order in which the document meets them. */
struct kinds {
    const struct kind *items[32];
    size_t n;
};

static void collect(const struct kind *k, struct kinds *all)
{
    for (size_t i = 0; i < all->n; i++)
        if (all->items[i] == k)
            return;
    if (all->n < sizeof(all->items) / sizeof(all->items[0]))
        all->items[all->n++] = k;
    for (size_t i = 0; i < k->n_properties; i++)
        if (k->properties[i].kind)
            collect(k->properties[i].kind, all);
}

static void reference_kind(const struct kind *k, struct buf *out)
{
    buf_printf(out, "\n## %s\n\n%s\n\n", k->name, k->help);
    buf_append(out,
               SLICE("| property | type | default | meaning | in Lync |\n| --- | --- | --- | --- | --- |\n"));
    for (size_t i = 0; i < k->n_properties; i++) {
        const struct property *p = &k->properties[i];
        buf_printf(out, "| `%s` | ", p->name);
        reference_type(p, out);
        buf_append(out, SLICE(" | "));
        reference_default(p, out);
        buf_printf(out, " | %s | %s |\n", p->help, p->lync ? p->lync : "(nothing)");
    }
}

void topology_reference_write(struct buf *out)
{
    struct kinds all = {0};
    collect(&topology_root, &all);
    buf_append(out,
               SLICE("# Topology reference\n\n"
                     "<!-- Written by the program from its descriptor table; a unit test compares the two. "
                     "-->\n\n"
                     "Every property of the topology document. Objects of a list are known by the property "
                     "that is required\nin them: `edge_pools/edge.contoso.example/federation` is a path. "
                     "What equals its default is left out\nwhen a topology is printed.\n"));
    for (size_t i = 0; i < all.n; i++)
        reference_kind(all.items[i], out);
}

/* --- JSON Schema --- */
static struct json_value *schema_text(enum property_type type, const char *values, struct arena *a)
{
    struct json_value *o = json_object(a);
    json_set_string(a, o, "type", SLICE("string"));
    if (type == PROPERTY_FQDN || type == PROPERTY_DOMAIN) {
        json_set_string(a, o, "format", SLICE("hostname"));
        json_set_int(a, o, "maxLength", 253);
    } else if (type == PROPERTY_NAME) {
        json_set_string(a, o, "pattern", SLICE("^[A-Za-z0-9._-]{1,64}$"));
    } else if (type == PROPERTY_USER) {
        json_set_string(a, o, "pattern", SLICE("^[^@/,]+@[A-Za-z0-9.-]+$"));
    } else if (type == PROPERTY_ADDRESS) {
        struct json_value *any = json_array(a), *v4 = json_object(a), *v6 = json_object(a);
        json_set_string(a, v4, "format", SLICE("ipv4"));
        json_set_string(a, v6, "format", SLICE("ipv6"));
        json_push(a, any, v4);
        json_push(a, any, v6);
        json_set(a, o, "anyOf", any);
    } else if (type == PROPERTY_ENUM) {
        struct json_value *list = json_array(a);
        struct slice name;
        for (unsigned i = 0; (name = enum_name(values, i)).n; i++)
            json_push(a, list, json_string(a, name));
        json_set(a, o, "enum", list);
    } else {
        json_set_int(a, o, "maxLength", 256);
    }
    return o;
}

static struct json_value *schema_ref(const struct kind *k, struct arena *a)
{
    struct json_value *o = json_object(a);
    json_set_string(a, o, "$ref", arena_printf(a, "#/$defs/%s", k->name));
    return o;
}

static struct json_value *schema_property(const struct property *p, struct arena *a)
{
    struct json_value *o;
    if (p->type == PROPERTY_OBJECT)
        return schema_ref(p->kind, a);
    if (p->type == PROPERTY_BOOL || p->type == PROPERTY_INT) {
        o = json_object(a);
        json_set_string(a, o, "type", p->type == PROPERTY_BOOL ? SLICE("boolean") : SLICE("integer"));
        if (p->type == PROPERTY_INT) {
            json_set_int(a, o, "minimum", p->min);
            json_set_int(a, o, "maximum", p->max);
        }
    } else if (p->type == PROPERTY_NAMES || p->type == PROPERTY_OBJECTS) {
        o = json_object(a);
        json_set_string(a, o, "type", SLICE("array"));
        json_set(a, o, "items",
                 p->type == PROPERTY_NAMES ? schema_text(p->item, p->values, a) : schema_ref(p->kind, a));
        json_set_int(a, o, "maxItems", p->max);
    } else {
        o = schema_text(p->type, p->values, a);
    }
    json_set_string(a, o, "description", slice_str(p->help));
    struct json_value *otherwise = p->identity || p->required ? NULL : property_default(p, a);
    if (otherwise)
        json_set(a, o, "default", otherwise);
    return o;
}

static struct json_value *schema_kind(const struct kind *k, struct json_value *o, struct arena *a)
{
    struct json_value *properties = json_object(a), *required = json_array(a);
    for (size_t i = 0; i < k->n_properties; i++) {
        const struct property *p = &k->properties[i];
        json_set(a, properties, p->name, schema_property(p, a));
        if (p->required || p->identity)
            json_push(a, required, json_string(a, slice_str(p->name)));
    }
    json_set_string(a, o, "description", slice_str(k->help));
    json_set_string(a, o, "type", SLICE("object"));
    json_set(a, o, "properties", properties);
    if (json_count(required))
        json_set(a, o, "required", required);
    json_set_bool(a, o, "additionalProperties", false);
    return o;
}

void topology_schema_write(struct buf *out)
{
    struct arena a = {0};
    struct kinds all = {0};
    struct json_value *doc = json_object(&a), *defs = json_object(&a);
    collect(&topology_root, &all);
    json_set_string(&a, doc, "$schema", SLICE("https://json-schema.org/draft/2020-12/schema"));
    json_set_string(&a, doc, "title", SLICE("Entente topology"));
    schema_kind(&topology_root, doc, &a);
    for (size_t i = 1; i < all.n; i++)
        json_set(&a, defs, all.items[i]->name, schema_kind(all.items[i], json_object(&a), &a));
    json_set(&a, doc, "$defs", defs);
    json_write(doc, true, out);
    arena_fini(&a);
}
