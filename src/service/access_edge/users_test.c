#include "service/access_edge/users.h"

#include "kept/topology/example_for_test.h"

#include "ground/base/test.h"

#define POLICIES                                                                                             \
    "external_access_policies:\n"                                                                            \
    "- name: global\n"                                                                                       \
    "  federation: false\n"                                                                                  \
    "- name: open\n"                                                                                         \
    "  public_cloud: true\n"                                                                                 \
    "  users: [alice@contoso.example]\n"                                                                     \
    "- name: branch\n"                                                                                       \
    "  sites: [hq]\n"                                                                                        \
    "  federation: true\n"                                                                                   \
    "- name: labs\n"                                                                                         \
    "  domains: [labs.contoso.example]\n"                                                                    \
    "  users: [bob@contoso.example, alice@contoso.example]\n"                                                \
    "  federation: false\n"                                                                                  \
    "  public_cloud: true\n"                                                                                 \
    "  public_cloud_av: true\n"

TEST(the_nearest_holds)
{
    static const struct {
        const char *aor, *domain, *site, *want;
    } cases[] = {
        {"Alice@Contoso.example",  "Contoso.example",      "hq",    "open"  }, /* the first that names her */
        {"bob@contoso.example",    "contoso.example",      "hq",    "labs"  },
        {"x@labs.contoso.example", "labs.contoso.example", "hq",    "labs"  },
        {"carol@contoso.example",  "contoso.example",      "HQ",    "branch"},
        {"carol@contoso.example",  "contoso.example",      "other", "global"},
        {"carol@contoso.example",  "contoso.example",      "",      "global"},
        {"hq",                     "contoso.example",      "",      "global"}, /* scopes are not mixed */
        {"labs.contoso.example",   "contoso.example",      "",      "global"},
    };
    struct topology *t = parse_good(EXAMPLE POLICIES);
    struct arena a = {0};
    struct users u;
    users_init(&u, t, &a);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct topology_external_access_policy *x =
            users_policy(&u, slice_str(cases[i].aor), slice_str(cases[i].domain), slice_str(cases[i].site));
        CHECK_STR(x ? x->name : SLICE("none"), cases[i].want);
    }
    users_fini(&u);
    arena_fini(&a);
    topology_unref(t);
}

TEST(without_policies_all_may)
{
    struct topology *t = parse_good(EXAMPLE);
    struct arena a = {0};
    struct users u;
    users_init(&u, t, &a);
    CHECK(users_policy(&u, SLICE("a@contoso.example"), SLICE("contoso.example"), SLICE("hq")) == NULL);
    CHECK(users_refuse(NULL, true, true) == NULL);
    users_fini(&u);
    arena_fini(&a);
    topology_unref(t);
}

TEST(what_each_flag_allows)
{
    struct topology_external_access_policy x = {.federation = true};
    CHECK(users_refuse(&x, false, true) == NULL);
    CHECK(users_refuse(&x, true, false) == &EDGE_USER_NO_PUBLIC_CLOUD);
    x = (struct topology_external_access_policy){.public_cloud = true};
    CHECK(users_refuse(&x, false, false) == &EDGE_USER_NOT_FEDERATED);
    CHECK(users_refuse(&x, true, false) == NULL);
    CHECK(users_refuse(&x, true, true) == &EDGE_USER_NO_PUBLIC_MEDIA);
    x.public_cloud_av = true;
    CHECK(users_refuse(&x, true, true) == NULL);
}

TEST_MAIN(the_nearest_holds, without_policies_all_may, what_each_flag_allows)
