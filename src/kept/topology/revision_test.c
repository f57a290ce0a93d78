#include "kept/topology/revision.h"

#include "ground/base/mem.h"
#include "ground/base/test.h"
#include "ground/base/text.h"

#include <errno.h>

struct signer {
    struct crypto_key *key;
    struct crypto_cert *cert;
};

static struct signer signer_new(void)
{
    struct signer s = {0};
    CHECK_INT(crypto_ca_new(SLICE("central"), 1, &s.key, &s.cert), 0);
    return s;
}

static void signer_fini(struct signer *s)
{
    crypto_key_unref(s->key);
    crypto_cert_unref(s->cert);
}

#define CONTENT "{\"schema\":1,\"sites\":[{\"name\":\"hq\"}]}"

static struct revision *sample(const struct signer *s)
{
    struct revision *r = NULL;
    CHECK_INT(revision_new(7, SLICE(CONTENT), SLICE("anna"), SLICE("the \"first\"\n\xc3\xa4"), 1763800000123,
                           s->key, &r),
              0);
    return r;
}

TEST(written_and_read)
{
    struct signer s = signer_new(), other = signer_new();
    struct revision *r = sample(&s), *back = NULL;
    struct buf text = {0};
    revision_write(r, &text);
    CHECK_INT(revision_parse(buf_slice(&text), other.cert, &back), -EKEYREJECTED);
    CHECK(!back);
    CHECK_INT(revision_parse(buf_slice(&text), s.cert, &back), 0);
    CHECK_INT(back->number, 7);
    CHECK_INT(back->time_ms, 1763800000123);
    CHECK_STR(back->content, CONTENT);
    CHECK_STR(back->author, "anna");
    CHECK_SLICE(back->comment, r->comment);
    CHECK_STR(slice_str(back->hash), r->hash);
    CHECK_SLICE(back->signature, r->signature);
    buf_fini(&text);
    revision_free(r);
    revision_free(back);
    revision_free(NULL);
    signer_fini(&s);
    signer_fini(&other);
}

/* Each byte of the text, changed in several ways: refused, or read as the very same revision. */
TEST(every_byte_counts)
{
    struct signer s = signer_new();
    struct revision *r = sample(&s);
    struct buf text = {0};
    size_t same = 0;
    revision_write(r, &text);
    struct slice whole = buf_slice(&text);
    char *copy = slice_dup(whole);
    static const unsigned char masks[] = {1, 2, 4, 0x10, 0x20, 0x80};
    for (size_t i = 0; i < whole.n; i++) {
        for (size_t j = 0; j < sizeof(masks); j++) {
            struct revision *back = NULL;
            copy[i] = (char)(whole.p[i] ^ masks[j]);
            int e = revision_parse(slice_mem(copy, whole.n), s.cert, &back);
            if (e != 0) {
                CHECK(e == -EBADMSG || e == -EKEYREJECTED);
            } else {
                same++;
                CHECK(slice_eq(back->content, r->content) && slice_eq(back->author, r->author) &&
                      slice_eq(back->comment, r->comment) && back->number == r->number &&
                      back->time_ms == r->time_ms && slice_eq(back->signature, r->signature));
            }
            revision_free(back);
        }
        copy[i] = whole.p[i];
        struct revision *back = NULL;
        CHECK_INT(revision_parse(slice_head(whole, i), s.cert, &back), -EBADMSG);
    }
    CHECK_INT(same, 0);
    mem_free(copy);
    buf_fini(&text);
    revision_free(r);
    signer_fini(&s);
}

/* Fields changed with the hash made to fit: only the signature can tell. */
TEST(every_field_is_signed)
{
    struct signer s = signer_new();
    for (int field = 0; field < 6; field++) {
        struct revision *r = sample(&s), *other = NULL, *back = NULL;
        struct buf text = {0};
        CHECK_INT(revision_new(8, SLICE("{}"), SLICE("ann"), SLICE("a"), 5, s.key, &other), 0);
        if (field == 0)
            r->number = 8;
        if (field == 1)
            r->time_ms++;
        if (field == 2) /* what moves from one field to the next is noticed too */
            r->author = SLICE("ann"), r->comment = SLICE("athe \"first\"\n\xc3\xa4");
        if (field == 3)
            r->comment = SLICE("");
        if (field == 4) {
            r->content = other->content;
            memcpy(r->hash, other->hash, sizeof(r->hash));
        }
        if (field == 5)
            r->signature = other->signature;
        revision_write(r, &text);
        CHECK_INT(revision_parse(buf_slice(&text), s.cert, &back), -EKEYREJECTED);
        CHECK(!back);
        buf_fini(&text);
        revision_free(r);
        revision_free(other);
    }
    signer_fini(&s);
}

TEST(limits)
{
    struct signer s = signer_new();
    struct revision *r = NULL;
    char longer[REVISION_MAX_COMMENT + 1];
    memset(longer, 'x', sizeof(longer));
    CHECK_INT(revision_new(0, SLICE("{}"), SLICE("a"), SLICE(""), 1, s.key, &r), -EINVAL);
    CHECK_INT(revision_new(UINT64_MAX, SLICE("{}"), SLICE("a"), SLICE(""), 1, s.key, &r), -EINVAL);
    CHECK_INT(
        revision_new(1, SLICE("{}"), slice_mem(longer, REVISION_MAX_AUTHOR + 1), SLICE(""), 1, s.key, &r),
        -EINVAL);
    CHECK_INT(revision_new(1, SLICE("{}"), SLICE("a"), slice_mem(longer, sizeof(longer)), 1, s.key, &r),
              -EINVAL);
    CHECK_INT(revision_new(1, SLICE("{}"), SLICE("a\xff"), SLICE(""), 1, s.key, &r), -EINVAL);
    CHECK(!r);
    CHECK_INT(revision_parse(SLICE("[]"), s.cert, &r), -EBADMSG);
    CHECK_INT(revision_parse(SLICE("{\"number\":1}"), s.cert, &r), -EBADMSG);
    signer_fini(&s);
}

TEST_MAIN(written_and_read, every_byte_counts, every_field_is_signed, limits)
