#include "service/access_edge/token.h"

#include <errno.h>

#include "ground/base/mem.h"
#include "ground/base/test.h"
#include "ground/base/text.h"

static const struct slice call = SLICE_INIT("a84b4c76e66710@pc33.atlanta.com"),
                          alice = SLICE_INIT("1928301774"), bob = SLICE_INIT("a6c85cf");
static const struct token example = {
    .began_outside = true,
    .faces_outside = true,
    .partner = SLICE_INIT("Fabrikam.Example"),
    .machine = SLICE_INIT("fe1.contoso.example"),
};
static const int64_t NOW = 1800000000000;

static struct material_key key(uint32_t id, int64_t made, int64_t expires)
{
    struct material_key k = {.id = id, .made_ms = made, .expires_ms = expires};
    memset(k.key, (int)id, sizeof(k.key));
    material_key_ready(&k);
    return k;
}

static struct slice made(const struct token *t, const struct material_key *k, struct buf *out)
{
    buf_clear(out, SIZE_MAX);
    CHECK_INT(token_make(t, call, alice, k, out), 0);
    return buf_slice(out);
}

TEST(both_directions)
{
    struct buf b = {0};
    struct arena a = {0};
    struct material_key k = key(7, 0, 0);
    struct slice text = made(&example, &k, &b);
    struct token_opened o = {0};
    CHECK(text.n <= TOKEN_MAX_TEXT);
    CHECK_INT(token_open(text, call, alice, bob, &k, 1, NOW, &a, &o), TOKEN_GOOD);
    CHECK(o.by_caller);
    CHECK(o.token.began_outside);
    CHECK(o.token.faces_outside);
    CHECK_STR(o.token.partner, "fabrikam.example");
    CHECK_STR(o.token.machine, "fe1.contoso.example");
    o = (struct token_opened){.by_caller = true};
    CHECK_INT(token_open(text, call, bob, alice, &k, 1, NOW, &a, &o), TOKEN_GOOD);
    CHECK(!o.by_caller);
    arena_fini(&a);
    buf_fini(&b);
}

TEST(other_dialogs)
{
    struct buf b = {0};
    struct arena a = {0};
    struct material_key k = key(7, 0, 0);
    struct slice text = made(&example, &k, &b);
    struct token_opened o;
    CHECK_INT(token_open(text, SLICE("other"), alice, bob, &k, 1, NOW, &a, &o), TOKEN_ALTERED);
    CHECK_INT(token_open(text, call, SLICE("x"), bob, &k, 1, NOW, &a, &o), TOKEN_ALTERED);
    CHECK_INT(token_open(text, call, SLICE("1928301775"), SLICE("1928301773"), &k, 1, NOW, &a, &o),
              TOKEN_ALTERED);
    CHECK_INT(token_open(text, call, SLICE_NONE, SLICE_NONE, &k, 1, NOW, &a, &o), TOKEN_ALTERED);
    /* no length may slide between Call-ID and tag */
    struct slice shifted = SLICE("a84b4c76e66710@pc33.atlanta.com1");
    CHECK_INT(token_open(text, shifted, slice_from(alice, 1), bob, &k, 1, NOW, &a, &o), TOKEN_ALTERED);
    arena_fini(&a);
    buf_fini(&b);
}

TEST(every_altered_byte)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ .";
    struct buf b = {0};
    struct arena a = {0};
    struct material_key k = key(7, 0, 0);
    struct slice text = made(&example, &k, &b);
    char *copy = slice_dup(text);
    struct slice changed = slice_mem(copy, text.n);
    struct token_opened o;
    for (size_t i = 0; i < text.n; i++) {
        for (const char *c = alphabet; *c; c++) {
            if (*c == text.p[i])
                continue;
            copy[i] = *c;
            if (token_open(changed, call, alice, bob, &k, 1, NOW, &a, &o) == TOKEN_GOOD)
                TEST_DIAG("byte %zu as '%c' is accepted", i, *c);
        }
        copy[i] = text.p[i];
        CHECK(token_open(slice_head(text, i), call, alice, bob, &k, 1, NOW, &a, &o) != TOKEN_GOOD);
    }
    CHECK_INT(token_open(changed, call, alice, bob, &k, 1, NOW, &a, &o), TOKEN_GOOD);
    mem_free(copy);
    arena_fini(&a);
    buf_fini(&b);
}

TEST(keys)
{
    struct buf b = {0};
    struct arena a = {0};
    struct token_opened o;
    struct material_key keys[] = {key(9, NOW - 1000, 0), key(8, NOW - 3600000, NOW + 1), key(7, 0, NOW)};
    struct slice text = made(&example, &keys[1], &b);
    CHECK_INT(token_open(text, call, alice, bob, keys, 3, NOW, &a, &o), TOKEN_GOOD);
    CHECK_INT(token_open(text, call, alice, bob, keys, 3, NOW + 1, &a, &o), TOKEN_EXPIRED);
    CHECK_INT(token_open(text, call, alice, bob, keys, 1, NOW, &a, &o), TOKEN_UNKNOWN_KEY);
    struct material_key same_id = key(8, 0, 0);
    same_id.key[31] ^= 1;
    material_key_ready(&same_id);
    CHECK_INT(token_open(text, call, alice, bob, &same_id, 1, NOW, &a, &o), TOKEN_ALTERED);
    arena_fini(&a);
    buf_fini(&b);
}

TEST(limits)
{
    struct buf b = {0};
    struct arena a = {0};
    struct token_opened o;
    struct material_key k = key(7, 0, 0);
    char name[TOKEN_MAX_NAME + 1];
    memset(name, 'a', sizeof(name));
    struct token t = {.partner = slice_mem(name, TOKEN_MAX_NAME), .machine = slice_mem(name, TOKEN_MAX_NAME)};
    struct slice text = made(&t, &k, &b);
    CHECK(text.n <= TOKEN_MAX_TEXT);
    CHECK_INT(token_open(text, call, alice, bob, &k, 1, NOW, &a, &o), TOKEN_GOOD);
    CHECK_INT(o.token.machine.n, TOKEN_MAX_NAME);
    t.partner.n++;
    CHECK_INT(token_make(&t, call, alice, &k, &b), -EINVAL);
    t.partner.n = 0;
    CHECK_INT(token_make(&t, call, alice, &k, &b), -EINVAL);
    CHECK_INT(token_make(&example, call, SLICE_NONE, &k, &b), -EINVAL);
    static const char *const bad[] = {"", "AQ", "bob", "AQAAAAcDEGZhYnJpa2FtLmV4YW1wbGU", "%41%51"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_INT(token_open(slice_str(bad[i]), call, alice, bob, &k, 1, NOW, &a, &o), TOKEN_MALFORMED);
    buf_clear(&b, SIZE_MAX);
    for (size_t i = 0; i <= TOKEN_MAX_TEXT; i++)
        buf_append_char(&b, 'A');
    CHECK_INT(token_open(buf_slice(&b), call, alice, bob, &k, 1, NOW, &a, &o), TOKEN_MALFORMED);
    arena_fini(&a);
    buf_fini(&b);
}

TEST(pairs)
{
    struct token_opened a = {.token = example, .by_caller = true}, b = a;
    CHECK(!token_is_pair(&a, &b)); /* both face outside */
    b.token.faces_outside = false;
    CHECK(token_is_pair(&a, &b));
    b.token.partner = SLICE("other.example");
    CHECK(!token_is_pair(&a, &b));
    b = a;
    b.token.faces_outside = false;
    b.token.began_outside = false;
    CHECK(!token_is_pair(&a, &b));
}

/* A relayed one says so, and never makes a pair. */
TEST(relayed_between_partners)
{
    struct material_key k = key(7, 0, 0);
    struct token t = {true, true, true, SLICE("a.example"), SLICE("b.example")};
    struct buf b = {0};
    struct arena a = {0};
    struct token_opened caller, called;
    CHECK_INT(token_make(&t, SLICE("call"), SLICE("tag"), &k, &b), 0);
    CHECK_INT(token_open(buf_slice(&b), SLICE("call"), SLICE("tag"), SLICE("x"), &k, 1, 1, &a, &caller),
              TOKEN_GOOD);
    CHECK_INT(token_open(buf_slice(&b), SLICE("call"), SLICE("x"), SLICE("tag"), &k, 1, 1, &a, &called),
              TOKEN_GOOD);
    CHECK(caller.token.relayed && caller.by_caller && called.token.relayed && !called.by_caller);
    CHECK_STR(called.token.machine, "b.example");
    called = caller;
    called.token.faces_outside = false;
    CHECK(!token_is_pair(&caller, &called));
    buf_fini(&b);
    arena_fini(&a);
}

TEST_MAIN(relayed_between_partners, both_directions, other_dialogs, every_altered_byte, keys, limits, pairs)
