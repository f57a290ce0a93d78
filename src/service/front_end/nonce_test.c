#include "service/front_end/nonce.h"

#include "ground/base/test.h"

static struct crypto_hmac_key key, other_key;
static const int64_t NOW = 1795000000000;

TEST(made_and_checked)
{
    char text[NONCE_TEXT + 1], again[NONCE_TEXT + 1];
    struct nonce n;
    nonce_key_init(SLICE("a secret"), &key);
    nonce_key_init(SLICE("another secret"), &other_key);
    nonce_make(&key, SLICE("contoso.example"), NOW, text);
    nonce_make(&key, SLICE("contoso.example"), NOW, again);
    CHECK_INT(strlen(text), NONCE_TEXT);
    CHECK(strcmp(text, again) != 0);
    CHECK_INT(nonce_check(&key, SLICE("contoso.example"), slice_str(text), NOW, &n), NONCE_GOOD);
    CHECK_INT(n.made_ms, NOW);
    CHECK_INT(nonce_check(&key, SLICE("contoso.example"), slice_str(text), NOW + NONCE_LIFE_MS, &n),
              NONCE_GOOD);
    CHECK_INT(nonce_check(&key, SLICE("contoso.example"), slice_str(text), NOW + NONCE_LIFE_MS + 1, &n),
              NONCE_STALE);
    CHECK_INT(nonce_check(&key, SLICE("contoso.example"), slice_str(text), NOW - NONCE_AHEAD_MS - 1, &n),
              NONCE_STALE);
    CHECK_INT(nonce_check(&key, SLICE("fabrikam.example"), slice_str(text), NOW, &n), NONCE_FOREIGN);
    CHECK_INT(nonce_check(&other_key, SLICE("contoso.example"), slice_str(text), NOW, &n), NONCE_FOREIGN);
}

TEST(altered)
{
    char text[NONCE_TEXT + 1];
    struct nonce n;
    nonce_key_init(SLICE("a secret"), &key);
    nonce_make(&key, SLICE("r"), NOW, text);
    for (size_t i = 0; i < NONCE_TEXT; i++) {
        char was = text[i];
        text[i] = was == 'A' ? 'B' : 'A';
        CHECK_INT(nonce_check(&key, SLICE("r"), slice_str(text), NOW, &n), NONCE_FOREIGN);
        text[i] = was;
    }
    CHECK_INT(nonce_check(&key, SLICE("r"), SLICE(""), NOW, &n), NONCE_FOREIGN);
    CHECK_INT(nonce_check(&key, SLICE("r"), SLICE("ea9c8e88df84f1cec4341ae6cbe5a359"), NOW, &n),
              NONCE_FOREIGN);
    CHECK_INT(nonce_check(&key, SLICE("r"), SLICE("7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"), NOW, &n),
              NONCE_FOREIGN);
}

/* RFC 7616 section 3.4: a request with a count seen before is a replay. */
TEST(counts_are_taken_once)
{
    struct nonce_counts *c = nonce_counts_new(NOW);
    struct nonce n = {.made_ms = NOW, .id = 7}, m = {.made_ms = NOW, .id = 7 + NONCE_SETS};
    CHECK(!nonce_counts_take(c, &n, 0));
    CHECK(nonce_counts_take(c, &n, 1));
    CHECK(!nonce_counts_take(c, &n, 1));
    CHECK(nonce_counts_take(c, &n, 2));
    CHECK(nonce_counts_take(c, &m, 1)); /* another nonce of the same set */
    CHECK(nonce_counts_take(c, &n, 5)); /* some were lost, or come later */
    CHECK(nonce_counts_take(c, &n, 3));
    CHECK(!nonce_counts_take(c, &n, 3));
    CHECK(nonce_counts_take(c, &n, 5 + NONCE_WINDOW));
    CHECK(!nonce_counts_take(c, &n, 5)); /* beyond the window nobody knows */
    CHECK(nonce_counts_take(c, &n, 6));
    CHECK(nonce_counts_take(c, &n, UINT32_MAX));
    CHECK(!nonce_counts_take(c, &n, UINT32_MAX));
    CHECK(!nonce_counts_take(c, &n, 7));
    nonce_counts_free(c);
    nonce_counts_free(NULL);
}

TEST(before_the_table)
{
    struct nonce_counts *c = nonce_counts_new(NOW);
    CHECK(!nonce_counts_take(c, &(struct nonce){.made_ms = NOW - 1, .id = 1}, 1));
    CHECK(nonce_counts_take(c, &(struct nonce){.made_ms = NOW, .id = 1}, 1));
    nonce_counts_free(c);
}

/* A nonce that had to make room is stale, not free to be used again. */
TEST(room_is_made_without_a_hole)
{
    struct nonce_counts *c = nonce_counts_new(NOW);
    for (unsigned i = 0; i < NONCE_WAYS + 1; i++)
        CHECK(nonce_counts_take(c, &(struct nonce){.made_ms = NOW + i, .id = (uint64_t)i * NONCE_SETS}, 1));
    CHECK(!nonce_counts_take(c, &(struct nonce){.made_ms = NOW, .id = 0}, 1));
    CHECK(!nonce_counts_take(c, &(struct nonce){.made_ms = NOW, .id = 0}, 2));
    CHECK(nonce_counts_take(c, &(struct nonce){.made_ms = NOW + 1, .id = NONCE_SETS}, 2));
    nonce_counts_free(c);
}

TEST_MAIN(made_and_checked, altered, counts_are_taken_once, before_the_table, room_is_made_without_a_hole)
