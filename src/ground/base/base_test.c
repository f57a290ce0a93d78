#include "ground/base/arena.h"
#include "ground/base/list.h"
#include "ground/base/map.h"
#include "ground/base/mem.h"
#include "ground/base/test.h"
#include "ground/base/text.h"

#include <errno.h>

TEST(slices)
{
    struct slice a, b;
    CHECK(slice_cut(SLICE("user:pass:x"), ':', &a, &b));
    CHECK_STR(a, "user");
    CHECK_STR(b, "pass:x");
    CHECK(!slice_cut(SLICE("none"), ':', &a, &b));
    CHECK_STR(slice_trim(SLICE(" \t a b\r\n")), "a b");
    CHECK(slice_caseeq(SLICE("VIA"), SLICE("via")));
    CHECK(!slice_eq(SLICE("VIA"), SLICE("via")));
    CHECK(slice_cmp(SLICE("a"), SLICE("ab")) < 0);
    CHECK_INT(slice_search(SLICE("a\r\n\r\nb"), SLICE("\r\n\r\n")), 1);
    CHECK_INT(slice_find(SLICE_NONE, 'x') == SIZE_MAX, 1);
    CHECK(slice_hash(SLICE("12345678")) != slice_hash(SLICE("123456789")));
    CHECK(slice_casehash(SLICE("ABC")) == slice_casehash(SLICE("abc")));
}

TEST(numbers)
{
    uint64_t v = 7;
    CHECK_INT(slice_u64(SLICE("5061"), 65535, &v), 0);
    CHECK_INT(v, 5061);
    CHECK_INT(slice_u64(SLICE("65536"), 65535, &v), -ERANGE);
    CHECK_INT(slice_u64(SLICE("99999999999999999999"), UINT64_MAX, &v), -ERANGE);
    CHECK_INT(slice_u64(SLICE(""), 9, &v), -EINVAL);
    CHECK_INT(slice_u64(SLICE("-1"), 9, &v), -EINVAL);
}

TEST(domains)
{
    CHECK(slice_within_domain(SLICE("sip.Contoso.example"), SLICE("contoso.EXAMPLE")));
    CHECK(slice_within_domain(SLICE("contoso.example"), SLICE("contoso.example")));
    CHECK(!slice_within_domain(SLICE("evilcontoso.example"), SLICE("contoso.example")));
    CHECK(!slice_within_domain(SLICE("contoso.example"), SLICE("")));
}

TEST(buffers)
{
    struct buf b = {0}, none = {0};
    CHECK(buf_reserve(&none, 0) != NULL); /* a place for nothing is a place */
    buf_fini(&none);
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "%d,", i);
    buf_consume(&b, 4);
    CHECK_STR(slice_head(buf_slice(&b), 4), "2,3,");
    buf_append_u64(&b, UINT64_MAX);
    CHECK(slice_ends(buf_slice(&b), SLICE("999,18446744073709551615")));
    char *s = buf_take(&b);
    CHECK_INT(strlen(s), 4 * 0 + 3890 - 4 + 20);
    mem_free(s);
    CHECK_INT(buf_len(&b), 0);
    buf_fini(&b);
}

TEST(encodings)
{
    static const char *const rfc4648[][2] = {
        {"",       ""        },
        {"f",      "Zg=="    },
        {"fo",     "Zm8="    },
        {"foo",    "Zm9v"    },
        {"foob",   "Zm9vYg=="},
        {"fooba",  "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"}
    };
    for (size_t i = 0; i < 7; i++) {
        struct buf b = {0};
        char out[16];
        text_base64(&b, rfc4648[i][0], strlen(rfc4648[i][0]));
        CHECK_STR(buf_slice(&b), rfc4648[i][1]);
        ssize_t n = text_unbase64(buf_slice(&b), out, sizeof(out));
        CHECK_SLICE(slice_mem(out, n < 0 ? 0 : (size_t)n), slice_str(rfc4648[i][0]));
        buf_fini(&b);
    }
    char out[4];
    CHECK_INT(text_unbase64(SLICE("Zg="), out, 4), -EINVAL);
    CHECK_INT(text_unbase64(SLICE("Zh=="), out, 4), -EINVAL);
    CHECK_INT(text_unbase64(SLICE("Zm9vYmFy"), out, 4), -ENOSPC);
    CHECK_INT(text_unhex(SLICE("0aFf"), out, 4), 2);
    CHECK_INT((unsigned char)out[1], 255);
    CHECK_INT(text_unhex(SLICE("0g"), out, 4), -EINVAL);
}

/* Each octet as a digit of each encoding. */
TEST(digits)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    char out[3];
    for (int c = 0; c < 256; c++) {
        const char text[] = {(char)c, 'A', 'A', 'A'}, *at = c ? strchr(letters, c) : NULL;
        int value = at ? (int)(at - letters) : -1;
        int std = c == '+' ? 62 : c == '/' ? 63 : value, url = c == '-' ? 62 : c == '_' ? 63 : value;
        CHECK_INT(text_unbase64(slice_mem(text, 4), out, 3), std < 0 ? -EINVAL : 3);
        CHECK(std < 0 || (unsigned char)out[0] == std << 2);
        CHECK_INT(text_unbase64url(slice_mem(text, 4), out, 3), url < 0 ? -EINVAL : 3);
        CHECK(url < 0 || (unsigned char)out[0] == url << 2);
        int hex = c >= '0' && c <= '9'   ? c - '0'
                  : c >= 'a' && c <= 'f' ? c - 'a' + 10
                  : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                         : -1;
        CHECK_INT(text_hexval((char)c), hex);
    }
    struct buf b = {0};
    const unsigned char bytes[] = {0xfb, 0xff, 0x3e};
    text_base64(&b, bytes, 3);
    text_base64url(&b, bytes, 3);
    text_base64url(&b, bytes, 2);
    text_hex(&b, bytes, 3);
    CHECK_STR(buf_slice(&b), "+/8+-_8--_8fbff3e");
    buf_fini(&b);
}

TEST(arenas)
{
    struct arena a = {0};
    for (size_t i = 0; i < 5000; i++) {
        char *p = arena_zalloc(&a, i % 97);
        CHECK_INT((uintptr_t)p % 16, 0);
    }
    CHECK_STR(arena_printf(&a, "%s-%d", "x", 5), "x-5");
    CHECK_STR(slice_str(arena_cstr(&a, SLICE("abc"))), "abc");
    arena_reset(&a);
    CHECK(a.blocks && a.used == 0);
    arena_fini(&a);
}

struct item {
    struct list link;
    struct map_entry entry;
    uint64_t key;
};

TEST(maps_and_lists)
{
    struct map m = {0};
    struct list head = LIST_INIT(head);
    struct item *items = mem_zalloc(1000 * sizeof(*items));
    for (uint64_t i = 0; i < 1000; i++) {
        items[i].key = i;
        map_insert(&m, &items[i].entry, i % 100); /* ten entries a hash */
        list_push_back(&head, &items[i].link);
    }
    int seen = 0;
    for (struct map_entry *e = map_first(&m, 42); e; e = map_next(e), seen++)
        CHECK_INT(MAP_OBJECT(e, struct item, entry)->key % 100, 42);
    CHECK_INT(seen, 10);
    LIST_FOR(it, &head)
    {
        struct item *x = LIST_ENTRY(it, struct item, link);
        map_remove(&m, &x->entry);
        list_unlink(it);
        list_unlink(it);
    }
    CHECK_INT(m.count, 0);
    CHECK(list_empty(&head) && !map_first(&m, 42));
    map_fini(&m);
    mem_free(items);
}

TEST_MAIN(slices, numbers, domains, buffers, encodings, digits, arenas, maps_and_lists)
