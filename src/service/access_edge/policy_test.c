#include "service/access_edge/policy.h"

#include "kept/topology/example_for_test.h"
#include "kept/topology/path.h"

#include "ground/base/buf.h"
#include "ground/base/mem.h"
#include "ground/base/test.h"

#define PARTNERS                                                                                             \
    "- domain: pinned.example\n"                                                                             \
    "  policy: allowed\n"                                                                                    \
    "  edge_fqdn: edge.host.example\n"                                                                       \
    "- domain: strict.example\n"                                                                             \
    "  policy: allowed\n"                                                                                    \
    "  srv_names: false\n"                                                                                   \
    "- domain: bad.example\n"                                                                                \
    "  policy: blocked\n"                                                                                    \
    "- domain: hosted.example\n"                                                                             \
    "  policy: allowed\n"                                                                                    \
    "  provider: cloud\n"                                                                                    \
    "- domain: off.example\n"                                                                                \
    "  policy: allowed\n"                                                                                    \
    "  provider: closed\n"                                                                                   \
    "providers:\n"                                                                                           \
    "- name: cloud\n"                                                                                        \
    "  edge_fqdn: edge.cloud.example\n"                                                                      \
    "  enabled: true\n"                                                                                      \
    "- name: closed\n"                                                                                       \
    "  edge_fqdn: edge.closed.example\n"                                                                     \
    "  enabled: false\n"

/* The example with more settings of the deployment, and of all Access Edges. */
static struct topology *with(const char *settings, const char *access_edge)
{
    struct buf b = {0};
    struct slice text = SLICE(EXAMPLE PARTNERS), before = SLICE("central:\n");
    size_t at = slice_search(text, before);
    buf_append(&b, slice_head(text, at));
    buf_append(&b, slice_str(settings));
    buf_append(&b, slice_str(access_edge));
    buf_append(&b, slice_from(text, at));
    char *doc = buf_take(&b);
    struct topology *t = parse_good(doc);
    mem_free(doc);
    return t;
}

TEST(listed)
{
    struct topology *t = parse_good(EXAMPLE PARTNERS);
    struct policy p = policy_of(t, SLICE("fabrikam.example"));
    CHECK(p.refusal == NULL && p.listed && p.srv_names);
    CHECK_INT(p.pinned.n + p.provider.n, 0);
    CHECK(policy_of(t, SLICE("FABRIKAM.example")).refusal == NULL);
    p = policy_of(t, SLICE("pinned.example"));
    CHECK(p.refusal == NULL);
    CHECK_STR(p.pinned, "edge.host.example");
    CHECK(!policy_of(t, SLICE("strict.example")).srv_names);
    CHECK(policy_of(t, SLICE("bad.example")).refusal == &EDGE_PARTNER_BLOCKED);
    p = policy_of(t, SLICE("hosted.example"));
    CHECK(p.refusal == NULL);
    CHECK_STR(p.provider, "edge.cloud.example");
    p = policy_of(t, SLICE("off.example"));
    CHECK(p.refusal == &EDGE_PROVIDER_DISABLED);
    CHECK_INT(p.provider.n, 0);
    CHECK_INT(p.public_cloud, false);
    topology_unref(t);
    t = parse_good(EXAMPLE);
    CHECK(policy_of(t, SLICE("sub.fabrikam.example")).refusal == &EDGE_PARTNER_UNKNOWN);
    CHECK(policy_of(t, SLICE("contoso.example")).refusal == &EDGE_NOT_A_PARTNER_DOMAIN);
    topology_unref(t);
}

/* In no list: if its SRV record leads to the Edge of an enabled provider, it is behind that. */
TEST(behind_a_provider_by_dns)
{
    struct topology *t = parse_good(EXAMPLE PARTNERS);
    struct policy p = policy_of(t, SLICE("new.example"));
    CHECK(p.refusal == NULL && !p.listed && p.perhaps_behind && p.provider_only && !p.srv_names);
    CHECK(!policy_behind(&p, t, SLICE("edge.closed.example"))); /* is not enabled */
    CHECK(!policy_behind(&p, t, SLICE("")) && !policy_behind(&p, t, SLICE(".")));
    CHECK(!p.listed && p.provider.n == 0);
    CHECK(policy_behind(&p, t, SLICE("Edge.Cloud.example.")));
    CHECK(p.listed && p.source == SOURCE_PROVIDER && p.verification == TOPOLOGY_ALWAYS_VERIFIABLE);
    CHECK_STR(p.provider, "edge.cloud.example");
    topology_unref(t);
}

#define DEFAULT_ROUTE "access_edge:\n  routing: default_route\n  default_route: hub.example\n"
TEST(default_route)
{
    static const char *const domains[] = {"fabrikam.example", "pinned.example", "hosted.example",
                                          "any.example"};
    struct topology *t = with("", DEFAULT_ROUTE);
    for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
        struct policy p = policy_of(t, slice_str(domains[i]));
        CHECK(p.refusal == NULL && p.listed && p.provider_only && !p.srv_names && p.pinned.n == 0);
        CHECK_STR(p.provider, "hub.example");
    }
    CHECK(policy_of(t, SLICE("bad.example")).refusal == &EDGE_PARTNER_BLOCKED);
    struct policy p = policy_of(t, SLICE("any.example"));
    CHECK(!p.public_cloud && p.verification == TOPOLOGY_USE_SOURCE_VERIFICATION && !p.must_say);
    topology_unref(t);
    t = with("",
             DEFAULT_ROUTE "  default_route_verification: always_verifiable\n  default_route_public: true\n"
                           "  discovered_verification: always_unverifiable\n");
    p = policy_of(t, SLICE("any.example"));
    CHECK(p.public_cloud && p.verification == TOPOLOGY_ALWAYS_VERIFIABLE);
    p = policy_of(t, SLICE("fabrikam.example")); /* listed: its own */
    CHECK(p.public_cloud && p.verification == TOPOLOGY_USE_SOURCE_VERIFICATION);
    topology_unref(t);
}

TEST(federation_off)
{
    struct topology *t = with("", "access_edge: {federated_users: false}\n");
    CHECK(policy_of(t, SLICE("fabrikam.example")).refusal == &EDGE_FEDERATION_OFF);
    CHECK(policy_of(t, SLICE("new.example")).refusal == &EDGE_FEDERATION_OFF);
    topology_unref(t);
}

TEST(shared_address_space)
{
    struct topology *t =
        parse_good(EXAMPLE PARTNERS "- name: split\n  edge_fqdn: edge.split.example\n  enabled: "
                                    "true\n  shared_address_space: true\n");
    struct policy p = policy_of(t, SLICE("contoso.example"));
    CHECK(policy_shares(t) && p.refusal == NULL && p.provider_only && p.listed);
    CHECK_STR(p.provider, "edge.split.example");
    topology_unref(t);
    t = parse_good(EXAMPLE PARTNERS);
    CHECK(policy_shares(t) == NULL);
    topology_unref(t);
}

TEST(who_is_believed)
{
    struct topology *t = parse_good(EXAMPLE PARTNERS);
    struct policy p = policy_of(t, SLICE("fabrikam.example"));
    CHECK(p.source == SOURCE_BY_DNS && p.verification == TOPOLOGY_USE_SOURCE_VERIFICATION);
    CHECK(policy_of(t, SLICE("pinned.example")).source == SOURCE_PINNED);
    p = policy_of(t, SLICE("hosted.example"));
    CHECK(p.source == SOURCE_PROVIDER && p.verification == TOPOLOGY_ALWAYS_VERIFIABLE && !p.must_say);
    topology_unref(t);
    t = with("  partner_discovery: true\n", "access_edge: {discovered_verification: always_unverifiable}\n");
    p = policy_of(t, SLICE("new.example"));
    CHECK(p.verification == TOPOLOGY_ALWAYS_UNVERIFIABLE && !p.listed);
    topology_unref(t);
}

/* `entente path` computes the verdict by itself: it must be the same. */
static void same_verdicts(const struct topology *t)
{
    static const char *const domains[] = {"fabrikam.example", "pinned.example",      "strict.example",
                                          "bad.example",      "hosted.example",      "off.example",
                                          "other.example",    "sub.fabrikam.example"};
    for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
        struct policy p = policy_of(t, slice_str(domains[i]));
        struct arena a = {0};
        const struct path_hop *hop = NULL;
        bool way = path_exists(t, SLICE("contoso.example"), slice_str(domains[i]), &a, &hop);
        CHECK_INT(way, p.refusal == NULL);
        CHECK_STR(slice_str(hop ? hop->id : ""), p.refusal ? p.refusal->id : "");
        CHECK(!hop || slice_eq(hop->why, slice_str(p.refusal->text)));
        arena_fini(&a);
    }
}

TEST(paths_say_the_same)
{
    static const char *const settings[][2] = {
        {"",                            ""                                                                      },
        {"  partner_discovery: true\n", ""                                                                      },
        {"",                            "access_edge: {federated_users: false}\n"                               },
        {"",                            "access_edge:\n  routing: default_route\n  default_route: hub.example\n"},
    };
    struct topology *t = parse_good(EXAMPLE);
    same_verdicts(t);
    topology_unref(t);
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        t = with(settings[i][0], settings[i][1]);
        same_verdicts(t);
        topology_unref(t);
    }
}

static struct policy discovered(const char *settings, const char *domain)
{
    struct topology *t = with(settings, "");
    struct policy p = policy_of(t, slice_str(domain));
    p.pinned = p.provider = SLICE_NONE;
    topology_unref(t);
    return p;
}

TEST(discovery)
{
    struct policy p = discovered("  partner_discovery: true\n", "new.example");
    CHECK(p.refusal == NULL && !p.listed && !p.srv_names);
    p = discovered("  partner_discovery: true\n  discovered_srv_names: true\n", "new.example");
    CHECK(p.refusal == NULL && p.srv_names);
    p = discovered("  discovered_srv_names: true\n", "new.example");
    CHECK(p.refusal == NULL && !p.srv_names && p.perhaps_behind && p.provider_only); /* cloud is enabled */
    p = discovered("  partner_discovery: true\n", "bad.example");
    CHECK(p.refusal == &EDGE_PARTNER_BLOCKED);
}

static const struct refusal *const all[] = {
#define REFUSAL_POINTER(name, ...) &EDGE_##name,
    EDGE_REFUSALS(REFUSAL_POINTER)};

/* Operators and partners' scripts rely on ids and numbers. */
TEST(refusals_are_distinct)
{
    size_t n = sizeof(all) / sizeof(all[0]);
    for (size_t i = 0; i < n; i++) {
        CHECK(slice_starts(slice_str(all[i]->id), SLICE("edge.")));
        CHECK(all[i]->status >= 400 && all[i]->status < 700 && all[i]->text[0] && all[i]->remedy[0]);
        CHECK(all[i]->number >= 58100 && all[i]->number < 58200);
        CHECK(slice_find(slice_str(all[i]->text), '"') == SIZE_MAX);
        for (size_t k = 0; k < i; k++)
            CHECK(all[i]->number != all[k]->number && strcmp(all[i]->id, all[k]->id) != 0);
    }
}

TEST_MAIN(listed, behind_a_provider_by_dns, default_route, federation_off, shared_address_space,
          who_is_believed, paths_say_the_same, discovery, refusals_are_distinct)
