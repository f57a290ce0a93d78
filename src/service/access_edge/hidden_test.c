#include "service/access_edge/hidden.h"

#include "ground/base/test.h"

#include "ground/base/mem.h"

#include <errno.h>

enum { DAY_MS = 24 * 3600 * 1000 };

TEST(a_text_goes_out_and_comes_back)
{
    struct material *m = material_new(), *other = material_new();
    struct arena a = {0};
    struct slice sealed, text;
    const int64_t now = 1800000000000;
    material_key_add(m, now, DAY_MS);
    material_key_add(other, now, DAY_MS);
    const struct material_key *key = material_signing_key(m, now);
    struct slice uri = SLICE("sip:alice@10.0.0.5:5062;transport=tls");
    CHECK_INT(hidden_seal(uri, SLICE("fabrikam.example"), key, &a, &sealed), 0);
    CHECK(slice_search(sealed, SLICE("alice")) == SIZE_MAX);
    for (size_t i = 0; i < sealed.n; i++) /* it may stand in a user part and in a parameter */
        CHECK(slice_find(SLICE("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
                         sealed.p[i]) != SIZE_MAX);
    CHECK(hidden_open(sealed, SLICE("fabrikam.example"), m, now, &a, &text));
    CHECK_SLICE(text, uri);
    CHECK(!hidden_open(sealed, SLICE("wingtip.example"), m, now, &a, &text));
    CHECK(!hidden_open(sealed, SLICE("fabrikam.example"), other, now, &a, &text));
    CHECK(!hidden_open(slice_head(sealed, sealed.n - 1), SLICE("fabrikam.example"), m, now, &a, &text));
    CHECK(!hidden_open(SLICE(""), SLICE("fabrikam.example"), m, now, &a, &text));
    CHECK(!hidden_open(SLICE("not!base64"), SLICE("fabrikam.example"), m, now, &a, &text));
    CHECK_INT(hidden_seal(SLICE(""), SLICE("fabrikam.example"), key, &a, &sealed), 0);
    CHECK(hidden_open(sealed, SLICE("fabrikam.example"), m, now, &a, &text) && text.n == 0);
    arena_fini(&a);
    material_unref(m);
    material_unref(other);
}

TEST(it_lives_as_long_as_the_key)
{
    struct material *m = material_new();
    struct arena a = {0};
    struct slice sealed, text;
    const int64_t now = 1800000000000;
    material_key_add(m, now, DAY_MS);
    CHECK_INT(hidden_seal(SLICE("x"), SLICE("p"), material_signing_key(m, now), &a, &sealed), 0);
    material_key_add(m, now + 10 * DAY_MS, DAY_MS);
    CHECK(hidden_open(sealed, SLICE("p"), m, now + 10 * DAY_MS + 1, &a, &text));
    CHECK(!hidden_open(sealed, SLICE("p"), m, now + (int64_t)20 * DAY_MS, &a, &text));
    arena_fini(&a);
    material_unref(m);
}

TEST(its_length_is_bounded)
{
    struct material *m = material_new();
    struct arena a = {0};
    struct slice sealed, text;
    material_key_add(m, 1, DAY_MS);
    const struct material_key *key = material_signing_key(m, 1);
    char *big = arena_zalloc(&a, HIDDEN_MAX + 1);
    CHECK_INT(hidden_seal(slice_mem(big, HIDDEN_MAX + 1), SLICE("p"), key, &a, &sealed), -EINVAL);
    CHECK_INT(hidden_seal(slice_mem(big, HIDDEN_MAX), SLICE("p"), key, &a, &sealed), 0);
    CHECK(hidden_open(sealed, SLICE("p"), m, 1, &a, &text) && text.n == HIDDEN_MAX);
    struct slice longer = arena_printf(&a, SLICE_FMT SLICE_FMT, SLICE_ARG(sealed), SLICE_ARG(sealed));
    CHECK(!hidden_open(longer, SLICE("p"), m, 1, &a, &text));
    arena_fini(&a);
    material_unref(m);
}

TEST_MAIN(a_text_goes_out_and_comes_back, it_lives_as_long_as_the_key, its_length_is_bounded)
