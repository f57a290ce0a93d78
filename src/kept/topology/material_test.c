#include "kept/topology/material.h"

#include "ground/base/mem.h"
#include "ground/base/test.h"

#include <errno.h>

static const int64_t DAY = 24LL * 3600 * 1000;

static struct material *again(const struct material *m)
{
    struct buf text = {0};
    struct material *copy = NULL;
    material_write(m, &text);
    CHECK_INT(material_parse(buf_slice(&text), &copy), 0);
    buf_fini(&text);
    return copy;
}

TEST(survives_a_round_trip)
{
    struct material *m = material_new();
    m->serial = 7;
    material_key_add(m, 1000, DAY);
    material_key_add(m, 2000, DAY);
    CHECK_INT(material_cert_set(m, SLICE("edge.contoso.example"), SLICE("CERT\n"), SLICE("KEY \"1\"\n")), 0);
    m->trust_pem = SLICE("ROOT\n");
    CHECK_INT(material_trust_set(m, SLICE("gone"), SLICE("GONE\n")), 0);
    CHECK_INT(material_trust_set(m, SLICE("private"), SLICE("OLD\n")), 0);
    CHECK_INT(material_trust_set(m, SLICE("private"), SLICE("PRIVATE\n")), 0);
    CHECK_INT(material_trust_set(m, SLICE("gone"), SLICE_NONE), 0);
    static const char a64[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                      b64[] = "f123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    CHECK_INT(material_list_add(m, &(struct material_list){slice_str(a64), SLICE("MAAA")}), 0);
    CHECK_INT(material_list_add(m, &(struct material_list){slice_str(b64), SLICE("MQQQ")}), 0);
    material_list_remove(m, 0);
    struct material *copy = again(m);
    CHECK_INT(copy->n_lists, 1);
    CHECK_STR(copy->lists[0].fingerprint, b64);
    CHECK_STR(copy->lists[0].text, "MQQQ");
    CHECK_INT(copy->n_trusts, 1);
    CHECK_STR(material_trust_find(copy, SLICE("private"))->pem, "PRIVATE\n");
    CHECK(material_trust_find(copy, SLICE("gone")) == NULL);
    CHECK_INT(copy->serial, 7);
    CHECK_INT(copy->n_keys, 2);
    CHECK_INT(copy->keys[0].id, 2);
    CHECK_INT(copy->keys[1].expires_ms, 2000 + DAY + MATERIAL_SIGN_AFTER_MS);
    CHECK(memcmp(copy->keys[1].key, m->keys[1].key, MATERIAL_KEY) == 0);
    const struct material_cert *c = material_cert_find(copy, SLICE("EDGE.contoso.example"));
    CHECK(c != NULL);
    if (c)
        CHECK_STR(c->key_pem, "KEY \"1\"\n");
    CHECK_STR(copy->trust_pem, "ROOT\n");
    struct material *part = material_for_pools(copy, NULL, 0), *whole = material_copy(copy);
    CHECK(material_trust_find(part, SLICE("private")) && material_trust_find(whole, SLICE("private")));
    material_unref(part);
    material_unref(whole);
    for (int i = 0; i <= MATERIAL_MAX_TRUSTS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "n%d", i);
        int last = material_trust_set(copy, slice_str(name), SLICE("X"));
        CHECK_INT(last, i < MATERIAL_MAX_TRUSTS - 1 ? 0 : -ENOSPC);
    }
    material_unref(copy);
    material_unref(m);
}

/* Of a key that was not made ready everybody could make MACs. */
static void check_ready(const struct material *m)
{
    for (size_t i = 0; i < m->n_keys; i++) {
        unsigned char got[CRYPTO_SHA256], want[CRYPTO_SHA256];
        struct slice text = SLICE("text");
        crypto_hmac(&m->keys[i].mac, &text, 1, got);
        crypto_hmac_sha256(slice_mem(m->keys[i].key, MATERIAL_KEY), &text, 1, want);
        CHECK(memcmp(got, want, sizeof(want)) == 0);
    }
}

TEST(keys_are_ready)
{
    struct material *m = material_new();
    material_key_add(m, 1000, DAY);
    material_key_add(m, 1000 + DAY, DAY);
    CHECK_INT(m->n_keys, 2);
    check_ready(m);
    struct material *copy = again(m);
    CHECK_INT(copy->n_keys, 2);
    check_ready(copy);
    struct material *part = material_for_pools(m, NULL, 0);
    CHECK_INT(part->n_keys, 2);
    check_ready(part);
    material_unref(part);
    material_unref(copy);
    material_unref(m);
}

TEST(signs_with_a_key_that_everybody_knows)
{
    struct material *m = material_new();
    CHECK(material_signing_key(m, 0) == NULL);
    material_key_add(m, 1000, DAY);
    CHECK_INT(material_signing_key(m, 1001)->id, 1); /* the only one */
    material_key_add(m, 1000 + DAY, DAY);
    CHECK_INT(material_signing_key(m, 1000 + DAY + MATERIAL_SIGN_AFTER_MS - 1)->id, 1);
    CHECK_INT(material_signing_key(m, 1000 + DAY + MATERIAL_SIGN_AFTER_MS)->id, 2);
    CHECK(material_key_find(m, 1, 1000 + 2 * DAY) != NULL);
    CHECK(material_key_find(m, 1, 1000 + 2 * DAY + MATERIAL_SIGN_AFTER_MS) == NULL);
    CHECK(material_key_find(m, 3, 0) == NULL);
    material_unref(m);
}

TEST(rotates_when_due_and_keeps_two)
{
    struct material *m = material_new();
    CHECK(material_key_due(m, 0, DAY));
    material_key_add(m, 0, DAY);
    for (int64_t day = 1; day < 20; day++) {
        CHECK(!material_key_due(m, day * DAY - 1, DAY));
        CHECK(material_key_due(m, day * DAY, DAY));
        material_key_add(m, day * DAY, DAY);
        CHECK(m->n_keys == 2 || m->n_keys == 3); /* the margin keeps a third one for a minute */
    }
    CHECK_INT(m->keys[0].id, 20);
    CHECK_INT(m->keys[0].expires_ms, 0);
    material_unref(m);
}

TEST(gives_a_machine_its_pools_alone)
{
    struct material *m = material_new();
    struct slice pools[] = {SLICE("a.example"), SLICE("none.example")};
    m->serial = 3;
    material_key_add(m, 1000, DAY);
    material_cert_set(m, SLICE("a.example"), SLICE("A"), SLICE("KA"));
    material_cert_set(m, SLICE("b.example"), SLICE("B"), SLICE("KB"));
    material_cert_set(m, SLICE("a.example"), SLICE("A2"), SLICE("KA2"));
    CHECK_INT(m->n_certs, 2);
    struct material *part = material_for_pools(m, pools, 2);
    CHECK_INT(part->n_certs, 1);
    CHECK_STR(part->certs[0].key_pem, "KA2");
    CHECK_INT(part->n_keys, 1);
    CHECK_INT(part->serial, 3);
    struct material *all = material_copy(m);
    material_unref(m);
    CHECK_INT(all->n_certs, 2);
    CHECK_STR(all->certs[1].cert_pem, "B");
    material_unref(all);
    material_unref(part);
}

TEST(refuses_what_is_no_material)
{
    static const char *bad[] = {
        "",
        "[]",
        "{}",
        "{\"serial\":-1}",
        "{\"serial\":1,\"keys\":{}}",
        "{\"serial\":1,\"keys\":[{\"id\":1,\"key\":\"AAAA\",\"made_ms\":1,\"expires_ms\":0}]}",
        "{\"serial\":1,\"keys\":[{\"id\":-1,\"key\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\","
        "\"made_ms\":1,\"expires_ms\":0}]}",
        "{\"serial\":1,\"certs\":[{\"pool\":\"a\",\"cert\":\"b\"}]}",
        "{\"serial\":1,\"trusts\":[{\"name\":\"a\"}]}",
        "{\"serial\":1,\"trusts\":[{\"name\":\"a\",\"pem\":\"b\"},{\"name\":\"a\",\"pem\":\"c\"}]}",
        "{\"serial\":1,\"certs\":[{\"pool\":\"a\",\"cert\":\"b\",\"key\":\"c\"},"
        "{\"pool\":\"A\",\"cert\":\"b\",\"key\":\"c\"}]}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct material *m = NULL;
        if (material_parse(slice_str(bad[i]), &m) == 0)
            TEST_DIAG("taken: %s", bad[i]);
        material_unref(m);
    }
}

TEST(uses_overlap)
{
    const struct slice pool = SLICE_INIT("a.example"), av = SLICE_INIT("av-authentication");
    struct material *m = material_new(), *read = NULL;
    struct material_use u = {.pool = pool, .use = av, .cert_pem = SLICE("C1"), .key_pem = SLICE("K1")};
    struct buf text = {0};
    CHECK_INT(material_use_set(m, &u, 1000, 1500), 0);
    u.cert_pem = SLICE("C2");
    CHECK_INT(material_use_set(m, &u, 2000, 2500), 0);
    CHECK_STR(material_use_find(m, pool, av, MATERIAL_CURRENT, 2000)->cert_pem, "C2");
    CHECK_STR(material_use_find(m, pool, av, MATERIAL_PREVIOUS, 2499)->cert_pem, "C1");
    CHECK(!material_use_find(m, pool, av, MATERIAL_PREVIOUS, 2500));
    CHECK(!material_use_find(m, SLICE("b.example"), av, MATERIAL_CURRENT, 2000));
    CHECK(!material_use_find(m, pool, SLICE("xmpp-external"), MATERIAL_CURRENT, 2000));
    u.cert_pem = SLICE("C3"); /* within the overlap: never more than three */
    CHECK_INT(material_use_set(m, &u, 2100, 2600), 0);
    u.cert_pem = SLICE("C4");
    CHECK_INT(material_use_set(m, &u, 2150, 2600), 0);
    CHECK_INT(m->n_uses, 3);
    CHECK_STR(material_use_find(m, pool, av, MATERIAL_PREVIOUS, 2200)->cert_pem, "C3");
    material_write(m, &text);
    CHECK_INT(material_parse(buf_slice(&text), &read), 0);
    CHECK_INT(read->n_uses, 3);
    CHECK_STR(material_use_find(read, pool, av, MATERIAL_PREVIOUS, 2200)->cert_pem, "C3");
    CHECK_STR(material_use_find(read, pool, av, MATERIAL_CURRENT, 2200)->key_pem, "K1");
    struct material *part = material_for_pools(read, &pool, 1), *copy = material_copy(part);
    CHECK_INT(copy->n_uses, 3);
    struct material *none = material_for_pools(read, &av, 1);
    CHECK_INT(none->n_uses, 0);
    u.use = SLICE("xmpp-external"); /* another use is another matter; what has expired goes */
    CHECK_INT(material_use_set(copy, &u, 9000, 0), 0);
    CHECK_INT(copy->n_uses, 2);
    CHECK_STR(material_use_find(copy, pool, av, MATERIAL_CURRENT, 9000)->cert_pem, "C4");
    CHECK_INT(material_cert_set(copy, pool, SLICE("X"), SLICE("Y")), 0);
    CHECK(material_cert_remove(copy, pool));
    CHECK(!material_cert_remove(copy, pool));
    buf_fini(&text);
    material_unref(m);
    material_unref(read);
    material_unref(part);
    material_unref(copy);
    material_unref(none);
}

/* Set once, and every machine changes over by its clock. */
TEST(the_next_one_waits_for_its_time)
{
    const struct slice pool = SLICE_INIT("a.example"), av = SLICE_INIT("av-authentication");
    struct material *set = material_new(), *m = NULL;
    struct material_use u = {.pool = pool, .use = av, .cert_pem = SLICE("C1"), .key_pem = SLICE("K")};
    struct buf text = {0};
    CHECK_INT(material_use_set(set, &u, 1000, 0), 0);
    u.cert_pem = SLICE("C2");
    u.from_ms = 5000;
    CHECK_INT(material_use_set(set, &u, 2000, 6000), 0);
    u.cert_pem = SLICE("C3"); /* instead of C2, which never began */
    CHECK_INT(material_use_set(set, &u, 3000, 7000), 0);
    CHECK_INT(set->n_uses, 2);
    material_write(set, &text);
    CHECK_INT(material_parse(buf_slice(&text), &m), 0);
    static const struct {
        int64_t now;
        const char *current, *previous, *next;
    } rows[] = {
        {3000, "C1", NULL, "C3"},
        {4999, "C1", NULL, "C3"},
        {5000, "C3", "C1", NULL},
        {6999, "C3", "C1", NULL},
        {7000, "C3", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *want[] = {rows[i].current, rows[i].previous, rows[i].next};
        for (enum material_age age = MATERIAL_CURRENT; age <= MATERIAL_NEXT; age++) {
            const struct material_use *got = material_use_find(m, pool, av, age, rows[i].now);
            if (!got != !want[age] || (got && !slice_eq(got->cert_pem, slice_str(want[age]))))
                TEST_DIAG("at %lld, age %d", (long long)rows[i].now, (int)age);
        }
    }
    CHECK_INT(material_use_age(m, &m->uses[1], 7000), MATERIAL_GONE);
    u.cert_pem = SLICE("C4"); /* an overlap that ends before the change is none: C3 signs until then */
    u.from_ms = 9000;
    CHECK_INT(material_use_set(m, &u, 8000, 8500), 0);
    CHECK_STR(material_use_find(m, pool, av, MATERIAL_CURRENT, 8999)->cert_pem, "C3");
    CHECK(!material_use_find(m, pool, av, MATERIAL_PREVIOUS, 9000));
    buf_fini(&text);
    material_unref(set);
    material_unref(m);
}

TEST(lists_are_bounded)
{
    static const struct slice id =
        SLICE_INIT("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    struct material *m = material_new();
    char *large = mem_zalloc(MATERIAL_MAX_LISTS_TEXT);
    memset(large, 'A', MATERIAL_MAX_LISTS_TEXT);
    struct material_list l = {id, slice_mem(large, MATERIAL_MAX_LISTS_TEXT - 3)};
    CHECK_INT(material_list_add(m, &l), 0);
    l.text.n = 4;
    CHECK_INT(material_list_add(m, &l), -ENOSPC);
    l.text.n = 3;
    CHECK_INT(material_list_add(m, &l), 0);
    material_list_remove(m, 0);
    for (int i = 1; i < MATERIAL_MAX_LISTS; i++)
        CHECK_INT(material_list_add(m, &l), 0);
    CHECK_INT(material_list_add(m, &l), -ENOSPC);
    struct material *part = material_for_pools(m, NULL, 0); /* every machine has them */
    CHECK_INT(part->n_lists, MATERIAL_MAX_LISTS);
    material_unref(part);
    material_unref(m);
    mem_free(large);
}

TEST_MAIN(keys_are_ready, lists_are_bounded, uses_overlap, the_next_one_waits_for_its_time,
          survives_a_round_trip, signs_with_a_key_that_everybody_knows, rotates_when_due_and_keeps_two,
          gives_a_machine_its_pools_alone, refuses_what_is_no_material)
