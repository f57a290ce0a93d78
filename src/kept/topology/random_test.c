/*
 * Random topologies, made by walking the descriptor table: whatever it describes must survive YAML, the
 * model, JSON and back.
 */
#include "ground/base/test.h"
#include "kept/topology/check.h"
#include "kept/topology/edit.h"
#include "kept/topology/priv.h"

static uint64_t state;

/* xorshift64*: the same topologies in every run. */
static unsigned draw(unsigned n)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (unsigned)((state * 2685821657736338717u) >> 33) % n;
}

static struct slice random_text(enum property_type type, const struct property *p, struct arena *a)
{
    static const char *const texts[] = {"yes",  "null",           "1.5",   "- x", "a: b", "#",
                                        "'",    "\xc3\xa4 \"x\"", " lead", "~",   "0x1f", "true",
                                        "x\\n", "trail ",         "[",     "|"};
    static const char *const names[] = {"0", "2013", "true", "null", "x_y", "1e3", "-", "no"};
    switch (type) {
    case PROPERTY_FQDN:
    case PROPERTY_DOMAIN:
        return arena_printf(a, "h%u.d%u.example", draw(1000), draw(9));
    case PROPERTY_USER:
        return arena_printf(a, "u.%u@d%u.example", draw(1000), draw(9));
    case PROPERTY_NAME:
        return draw(2) ? arena_printf(a, "n%u", draw(1000)) : slice_str(names[draw(8)]);
    case PROPERTY_ADDRESS:
        return draw(2) ? arena_printf(a, "10.%u.%u.1", draw(256), draw(256))
                       : arena_printf(a, "2001:db8::%x", 1 + draw(65535));
    case PROPERTY_ENDPOINT:
        return draw(2) ? arena_printf(a, "10.0.%u.1:%u", draw(256), 1 + draw(65535))
                       : arena_printf(a, "[2001:db8::%x]:53", 1 + draw(65535));
    case PROPERTY_ENUM: {
        unsigned n = 1;
        for (const char *v = p->values; *v; v++)
            n += *v == '|';
        return enum_name(p->values, draw(n));
    }
    default:
        return slice_str(texts[draw(sizeof(texts) / sizeof(texts[0]))]);
    }
}

static struct json_value *random_object(const struct kind *k, struct arena *a);

static bool listed(const struct json_value *list, const struct json_value *v, const char *name)
{
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json_value *other = json_at(list, i);
        if (json_equal(name ? json_get(other, name) : other, name ? json_get(v, name) : v))
            return true;
    }
    return false;
}

static struct json_value *random_list(const struct property *p, struct arena *a)
{
    struct json_value *list = json_array(a);
    const char *id = p->type == PROPERTY_OBJECTS ? kind_identity(p->kind)->name : NULL;
    for (unsigned n = draw(4); n > 0; n--) {
        struct json_value *v = id ? random_object(p->kind, a) : json_string(a, random_text(p->item, p, a));
        if (!listed(list, v, id))
            json_push(a, list, v);
    }
    return json_count(list) ? list : NULL;
}

static struct json_value *random_value(const struct property *p, struct arena *a)
{
    switch (p->type) {
    case PROPERTY_BOOL:
        return json_bool(a, draw(2));
    case PROPERTY_INT: /* 5061 and 5060 may be a default that depends on the object */
        return json_int(a, p->derived ? 6000 + draw(1000) : p->min + draw((unsigned)(p->max - p->min + 1)));
    case PROPERTY_NAMES:
    case PROPERTY_OBJECTS:
        return random_list(p, a);
    case PROPERTY_OBJECT: {
        struct json_value *o = random_object(p->kind, a);
        return json_count(o) ? o : NULL;
    }
    default:
        return json_string(a, random_text(p->type, p, a));
    }
}

/* What is at its default is not in a printed document, so it is not made. */
static struct json_value *random_object(const struct kind *k, struct arena *a)
{
    struct json_value *o = json_object(a);
    for (size_t i = 0; i < k->n_properties; i++) {
        const struct property *p = &k->properties[i];
        if (!p->identity && !p->required && draw(3) == 0)
            continue;
        struct json_value *v = random_value(p, a), *otherwise = property_default(p, a);
        bool first_of_enum =
            p->type == PROPERTY_ENUM && !otherwise && slice_eq(v->string, enum_name(p->values, 0));
        if (v && !first_of_enum && !(otherwise && !p->required && json_equal(v, otherwise)))
            json_set(a, o, p->name, v);
    }
    return o;
}

static struct topology *parse(const struct buf *text)
{
    struct findings f = {0};
    struct topology *t = NULL;
    if (topology_parse(buf_slice(text), &t, &f) < 0)
        TEST_DIAG("%s at " SLICE_FMT ": " SLICE_FMT "\n" SLICE_FMT, f.items[0].id, SLICE_ARG(f.items[0].path),
                  SLICE_ARG(f.items[0].text), SLICE_ARG(buf_slice(text)));
    findings_fini(&f);
    return t;
}

static void one_round(void)
{
    struct arena a = {0};
    struct buf yaml = {0}, json = {0};
    struct json_value *doc = random_object(&topology_root, &a);
    yaml_write(doc, &yaml);
    struct topology *t = parse(&yaml), *u = NULL;
    if (t) {
        struct json_value *printed = topology_to_json(t, &a);
        struct topology_change *changes;
        size_t n;
        CHECK(json_equal(printed, doc));
        topology_diff(doc, printed, &a, &changes, &n);
        CHECK_INT(n, 0);
        topology_write_canonical(t, &json);
        u = parse(&json);
    }
    if (u) {
        struct buf again = {0};
        struct findings f = {0};
        topology_write_yaml(u, &again);
        topology_check_all(u, &f);
        CHECK(slice_eq(buf_slice(&again), buf_slice(&yaml)));
        findings_fini(&f);
        buf_fini(&again);
    }
    topology_unref(t);
    topology_unref(u);
    buf_fini(&yaml);
    buf_fini(&json);
    arena_fini(&a);
}

TEST(yaml_model_json_model_yaml)
{
    for (unsigned i = 1; i <= 2000 && !test_failures; i++) {
        state = i * 7919u;
        one_round();
        if (test_failures)
            TEST_DIAG("round %u", i);
    }
}

TEST_MAIN(yaml_model_json_model_yaml)
