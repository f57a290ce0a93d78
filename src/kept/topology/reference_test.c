#include "kept/topology/descriptor.h"

#include "ground/base/file_for_test.h"
#include "ground/base/test.h"
#include "kept/topology/edit.h"
#include "wire/json/json.h"

/* ENTENTE_WRITE_REFERENCE=1 writes the page anew after a change of the table. */
TEST(reference_is_what_the_table_says)
{
    struct buf want = {0}, got = {0};
    topology_reference_write(&want);
    CHECK(page_is("doc/topology.md", buf_slice(&want), &got));
    CHECK(slice_search(buf_slice(&got), SLICE("| `federation_port` | number, 1 to 65535 | `5061` |")) !=
          SIZE_MAX);
    buf_fini(&want);
    buf_fini(&got);
}

static size_t count_rows(const struct kind *k, size_t *without_help)
{
    size_t n = k->n_properties;
    for (size_t i = 0; i < k->n_properties; i++) {
        struct slice help = slice_str(k->properties[i].help);
        *without_help += !slice_ends(help, SLICE("."));
        if (k->properties[i].kind)
            n += count_rows(k->properties[i].kind, without_help);
    }
    return n;
}

TEST(every_row_has_a_sentence)
{
    size_t without = 0;
    CHECK(count_rows(&topology_root, &without) > 60);
    CHECK_INT(without, 0);
}

TEST(schema_is_json)
{
    struct buf out = {0};
    struct arena a = {0};
    struct json_value *doc = NULL;
    struct json_error e;
    topology_schema_write(&out);
    CHECK_INT(json_parse(buf_slice(&out), &a, &doc, &e), 0);
    struct json_value *edge = json_get(json_get(doc, "$defs"), "edge_pool");
    struct json_value *port = json_get(json_get(edge, "properties"), "federation_port");
    CHECK_INT(json_get_int(port, "default", 0), 5061);
    CHECK_INT(json_get_int(port, "maximum", 0), 65535);
    CHECK_INT(json_count(json_get(json_get(json_get(edge, "properties"), "access_edge"), "enum")), 3);
    CHECK_INT(json_count(json_get(edge, "required")), 1);
    CHECK_INT(json_count(json_get(doc, "required")), 1);
    CHECK(!json_get_bool(edge, "additionalProperties", true));
    arena_fini(&a);
    buf_fini(&out);
}

/* --- the four faces of the table --- */
struct kinds {
    const struct kind *items[64];
    size_t n;
};

static void collect(const struct kind *k, struct kinds *all)
{
    for (size_t i = 0; i < all->n; i++)
        if (all->items[i] == k)
            return;
    CHECK(all->n < sizeof(all->items) / sizeof(all->items[0]));
    all->items[all->n++] = k;
    for (size_t i = 0; i < k->n_properties; i++)
        if (k->properties[i].kind)
            collect(k->properties[i].kind, all);
}

static size_t lines_with(struct slice text, const char *what)
{
    struct slice line, rest;
    size_t n = 0;
    for (rest = text; slice_cut(rest, '\n', &line, &rest);)
        n += slice_starts(line, slice_str(what));
    return n;
}

/* What `set` is given for a property of that type. */
static const char *sample(const struct property *p)
{
    static const char *const by_type[] = {
        [PROPERTY_FQDN] = "a.example",
        [PROPERTY_DOMAIN] = "a.example",
        [PROPERTY_NAME] = "a",
        [PROPERTY_TEXT] = "a",
        [PROPERTY_ADDRESS] = "10.0.0.1",
        [PROPERTY_ENDPOINT] = "10.0.0.1:53",
        [PROPERTY_USER] = "alice@a.example",
        [PROPERTY_BOOL] = "true",
    };
    enum property_type type = p->type == PROPERTY_NAMES ? p->item : p->type;
    static char text[64];
    if (type == PROPERTY_INT)
        snprintf(text, sizeof(text), "%lld", (long long)p->max);
    else if (type == PROPERTY_ENUM)
        snprintf(text, sizeof(text), "%.*s", (int)strcspn(p->values, "|"), p->values);
    else
        return by_type[type];
    return text;
}

static bool sets(struct arena *a, struct json_value *doc, struct slice at, const struct property *p)
{
    struct findings f = {0};
    struct slice path = arena_printf(a, SLICE_FMT "%s%s", SLICE_ARG(at), at.n ? "/" : "", p->name);
    bool good = topology_edit_set(a, doc, path, slice_str(sample(p)), &f) == 0;
    if (!good)
        TEST_DIAG("set " SLICE_FMT ": " SLICE_FMT, SLICE_ARG(path), SLICE_ARG(f.items[0].text));
    findings_fini(&f);
    return good;
}

/* Each property is set once, below one object of each list; then the whole must parse. */
static void set_all(struct arena *a, struct json_value *doc, struct slice at, const struct kind *k)
{
    for (size_t i = 0; i < k->n_properties; i++) {
        const struct property *p = &k->properties[i];
        struct slice path = arena_printf(a, SLICE_FMT "%s%s", SLICE_ARG(at), at.n ? "/" : "", p->name);
        if (p->type == PROPERTY_OBJECT) {
            set_all(a, doc, path, p->kind);
        } else if (p->type == PROPERTY_OBJECTS) {
            const struct property *id = kind_identity(p->kind);
            struct slice assignment = arena_printf(a, "%s=%s", id->name, sample(id));
            CHECK_INT(topology_edit_add(a, doc, path, &assignment, 1, NULL), 0);
            set_all(a, doc, arena_printf(a, SLICE_FMT "/%s", SLICE_ARG(path), sample(id)), p->kind);
        } else {
            sets(a, doc, at, p);
        }
    }
}

TEST(what_set_takes_parses)
{
    struct arena a = {0};
    struct json_value *doc = json_object(&a);
    struct findings f = {0};
    struct topology *t = NULL;
    json_set_int(&a, doc, "schema", 1);
    set_all(&a, doc, SLICE(""), &topology_root);
    CHECK_INT(topology_from_json(doc, &t, &f), 0);
    for (size_t i = 0; i < f.n; i++)
        TEST_DIAG(SLICE_FMT ": " SLICE_FMT, SLICE_ARG(f.items[i].path), SLICE_ARG(f.items[i].text));
    topology_unref(t);
    findings_fini(&f);
    arena_fini(&a);
}

static void compare_kind(const struct kind *k, const struct json_value *schema, struct slice reference)
{
    const struct json_value *properties = json_get(schema, "properties");
    char head[64], row[96];
    snprintf(head, sizeof(head), "\n## %s\n", k->name);
    size_t at = slice_search(reference, slice_str(head));
    CHECK(at != SIZE_MAX);
    struct slice section = slice_from(reference, at + strlen(head));
    size_t end = slice_search(section, SLICE("\n## "));
    section = end == SIZE_MAX ? section : slice_head(section, end + 1);
    for (size_t i = 0; i < k->n_properties; i++) {
        snprintf(row, sizeof(row), "| `%s` | ", k->properties[i].name);
        if (!json_get(properties, k->properties[i].name) || lines_with(section, row) != 1)
            TEST_DIAG("%s/%s is not everywhere", k->name, k->properties[i].name);
    }
    CHECK_INT(json_count(properties), k->n_properties);
    CHECK_INT(lines_with(section, "| `"), k->n_properties);
}

TEST(table_schema_and_reference_have_the_same_properties)
{
    struct buf schema = {0}, reference = {0};
    struct arena a = {0};
    struct kinds all = {0};
    struct json_value *doc = NULL;
    topology_schema_write(&schema);
    topology_reference_write(&reference);
    CHECK_INT(json_parse(buf_slice(&schema), &a, &doc, NULL), 0);
    collect(&topology_root, &all);
    for (size_t i = 0; i < all.n; i++) {
        const struct json_value *o = i ? json_get(json_get(doc, "$defs"), all.items[i]->name) : doc;
        compare_kind(all.items[i], o, buf_slice(&reference));
    }
    CHECK_INT(json_count(json_get(doc, "$defs")), all.n - 1);
    CHECK_INT(lines_with(buf_slice(&reference), "## "), all.n);
    arena_fini(&a);
    buf_fini(&schema);
    buf_fini(&reference);
}

/* What is only kept so far. Who makes a service read one takes it off this list and KEPT or
 * IMPORTED off its row. */
static const char *const kept[] = {
    "access_edge/outside_users",
    "access_edge/anonymous_users",
    "access_edge/user_replicator",
    "site/xmpp_route",
    "edge_pool/client_port",
    "edge_pool/conf_fqdn",
    "edge_pool/conf_port",
    "edge_pool/conf_internal_port",
    "edge_pool/conf_edge",
    "edge_pool/av_fqdn",
    "edge_pool/av_tcp_port",
    "edge_pool/av_udp_port",
    "edge_pool/av_internal_tcp_port",
    "edge_pool/av_internal_udp_port",
    "edge_pool/av_auth_port",
    "edge_pool/media_port_start",
    "edge_pool/media_port_count",
    "edge_pool/av_edge",
    "edge_pool/nat",
    "edge_pool/xmpp",
    "edge_pool/xmpp_port",
    "edge_pool/xmpp_internal_port",
    "edge_pool/xmpp_gateway",
    "edge_pool/internal_balancing",
    "edge_pool/external_balancing",
    "machine/internal_address6",
    "machine/external_address6",
    "machine/conf_address",
    "machine/conf_address6",
    "machine/av_address",
    "machine/av_address6",
    "machine/nat_address",
    "machine/nat_address6",
    "director_pool/next_hop",
    "mediation_pool/next_hop",
    "mediation_pool/media_edge",
    "mediation_pool/sip_port",
    "trusted_application_pool/next_hop",
    "trusted_application_pool/media_edge",
    "trusted_application_pool/sip_port",
    "provider/hosts_users",
    "external_access_policy/xmpp",
    "external_access_policy/outside_access",
    "xmpp/connections_max",
    "xmpp/partner_connections_max",
    "xmpp/keep_alive_s",
    "xmpp/establishment_s",
    "xmpp/inactivity_s",
    "xmpp/refresh_s",
    "front_end_pool/backup_pool",
    "front_end_pool/failure_s",
    "front_end_pool/failback_s",
    "front_end_pool/web_fqdn",
    "director_pool/web_fqdn",
    "provider/local",
    "provider/client_port",
    "provider/autodiscover_url",
    "xmpp_partner/additional_domains",
    "xmpp_partner/kind",
    "xmpp_partner/tls",
    "xmpp_partner/sasl",
    "xmpp_partner/dialback",
    "xmpp_partner/keep_alive",
    "xmpp_partner/connections_max",
    "xmpp_partner/server",
    "simple_url/use",
    "simple_url/domain",
    "simple_url/url",
    "simple_url/active",
};

TEST(settings_without_effect_say_so)
{
    struct kinds all = {0};
    size_t n = 0;
    collect(&topology_root, &all);
    for (size_t i = 0; i < all.n; i++) {
        for (size_t j = 0; j < all.items[i]->n_properties; j++) {
            const struct property *p = &all.items[i]->properties[j];
            char name[96];
            bool listed = false;
            snprintf(name, sizeof(name), "%s/%s", all.items[i]->name, p->name);
            for (size_t l = 0; l < sizeof(kept) / sizeof(kept[0]); l++)
                listed |= strcmp(kept[l], name) == 0;
            bool says = strstr(p->help, "; not acted upon yet).") || strstr(p->help, "(kept for import; ");
            if (listed != says)
                TEST_DIAG("%s %s", name,
                          listed ? "is listed and does not say so" : "says so and is not listed");
            n += says;
        }
    }
    CHECK_INT(n, sizeof(kept) / sizeof(kept[0]));
}

TEST_MAIN(reference_is_what_the_table_says, every_row_has_a_sentence, schema_is_json, what_set_takes_parses,
          table_schema_and_reference_have_the_same_properties, settings_without_effect_say_so)
