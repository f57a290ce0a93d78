#include "kept/topology/revision.h"

#include "ground/base/mem.h"
#include "ground/base/text.h"
#include "ground/crypto/hash.h"

#include <errno.h>
#include <stdio.h>

enum { MAX_NUMBER_BITS = 53, MAX_SIGNATURE = 1024, N_MEMBERS = 7 };

static void hash_write(struct slice content, char out[65])
{
    unsigned char digest[CRYPTO_SHA256];
    crypto_sha256(content, digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

static void field(struct buf *out, struct slice s)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        buf_append_char(out, (char)((uint64_t)s.n >> shift));
    buf_append(out, s);
}

/* What the signature covers: no two revisions have the same text. */
static void signed_text(const struct revision *r, struct buf *out)
{
    struct arena a = {0};
    buf_append(out, SLICE("entente revision\n"));
    field(out, arena_printf(&a, "%llu", (unsigned long long)r->number));
    field(out, slice_str(r->hash));
    field(out, r->author);
    field(out, arena_printf(&a, "%lld", (long long)r->time_ms));
    field(out, r->comment);
    arena_fini(&a);
}

static bool within_limits(const struct revision *r)
{
    int64_t end = (int64_t)1 << MAX_NUMBER_BITS;
    return r->number > 0 && r->number < (uint64_t)end && r->time_ms > -end && r->time_ms < end &&
           r->author.n <= REVISION_MAX_AUTHOR && r->comment.n <= REVISION_MAX_COMMENT;
}

void revision_free(struct revision *r)
{
    if (!r)
        return;
    arena_fini(&r->arena);
    mem_free(r);
}

void revision_write(const struct revision *r, struct buf *out)
{
    struct arena a = {0};
    struct buf signature = {0};
    struct json_value *o = json_object(&a);
    text_base64(&signature, r->signature.p, r->signature.n);
    json_set_int(&a, o, "number", (int64_t)r->number);
    json_set_string(&a, o, "hash", slice_str(r->hash));
    json_set_string(&a, o, "author", r->author);
    json_set_int(&a, o, "time", r->time_ms);
    json_set_string(&a, o, "comment", r->comment);
    json_set_string(&a, o, "signature", buf_slice(&signature));
    json_set_string(&a, o, "content", r->content);
    json_write(o, false, out);
    buf_fini(&signature);
    arena_fini(&a);
}

static bool take_string(struct revision *r, const struct json_value *o, const char *name, struct slice *ret)
{
    const struct json_value *v = json_get(o, name);
    if (!v || v->kind != JSON_STRING)
        return false;
    *ret = arena_copy(&r->arena, v->string);
    return true;
}

static bool take_int(const struct json_value *o, const char *name, int64_t *ret)
{
    const struct json_value *v = json_get(o, name);
    if (!v || v->kind != JSON_INT)
        return false;
    *ret = v->integer;
    return true;
}

/* Form only: what it is worth is decided by hash and signature. */
static bool take(struct revision *r, const struct json_value *o)
{
    struct slice hash, base64;
    int64_t number;
    if (json_count(o) != N_MEMBERS || !take_int(o, "number", &number) || !take_int(o, "time", &r->time_ms) ||
        !take_string(r, o, "hash", &hash) || !take_string(r, o, "author", &r->author) ||
        !take_string(r, o, "comment", &r->comment) || !take_string(r, o, "content", &r->content) ||
        !take_string(r, o, "signature", &base64) || number < 1 || hash.n != sizeof(r->hash) - 1)
        return false;
    char *der = arena_alloc(&r->arena, MAX_SIGNATURE);
    ssize_t n = text_unbase64(base64, der, MAX_SIGNATURE);
    if (n < 0)
        return false;
    r->number = (uint64_t)number;
    r->signature = slice_mem(der, (size_t)n);
    memcpy(r->hash, hash.p, hash.n);
    return within_limits(r);
}

/* Text that is not UTF-8, say, would not be read as it was signed. */
static bool comes_back(const struct revision *r)
{
    struct revision other = {0};
    struct arena a = {0};
    struct buf text = {0};
    struct json_value *doc;
    struct json_error error;
    revision_write(r, &text);
    bool good = json_parse(buf_slice(&text), &a, &doc, &error) == 0 && take(&other, doc) &&
                slice_eq(other.content, r->content) && slice_eq(other.author, r->author) &&
                slice_eq(other.comment, r->comment);
    buf_fini(&text);
    arena_fini(&a);
    arena_fini(&other.arena);
    return good;
}

int revision_new(uint64_t number, struct slice content, struct slice author, struct slice comment,
                 int64_t time_ms, struct crypto_key *signer, struct revision **ret)
{
    struct revision *r = MEM_NEW(struct revision);
    struct buf text = {0}, signature = {0};
    int e = -EINVAL;
    r->number = number;
    r->time_ms = time_ms;
    r->content = arena_copy(&r->arena, content);
    r->author = arena_copy(&r->arena, author);
    r->comment = arena_copy(&r->arena, comment);
    hash_write(content, r->hash);
    if (!within_limits(r) || !comes_back(r))
        goto fail;
    signed_text(r, &text);
    e = crypto_sign(signer, buf_slice(&text), &signature);
    if (e < 0)
        goto fail;
    r->signature = arena_copy(&r->arena, buf_slice(&signature));
    *ret = r;
    r = NULL;
fail:
    buf_fini(&text);
    buf_fini(&signature);
    revision_free(r);
    return e;
}

static int verify(const struct revision *r, const struct crypto_cert *signer)
{
    char hash[65];
    struct buf text = {0};
    hash_write(r->content, hash);
    if (memcmp(hash, r->hash, sizeof(hash)) != 0)
        return -EKEYREJECTED;
    signed_text(r, &text);
    int e = crypto_cert_verify_signature(signer, buf_slice(&text), r->signature);
    buf_fini(&text);
    return e < 0 ? -EKEYREJECTED : 0;
}

int revision_parse(struct slice text, const struct crypto_cert *signer, struct revision **ret)
{
    struct revision *r = MEM_NEW(struct revision);
    struct arena a = {0};
    struct json_value *doc;
    struct json_error error;
    int e = -EBADMSG;
    if (json_parse(text, &a, &doc, &error) == 0 && doc->kind == JSON_OBJECT && take(r, doc))
        e = verify(r, signer);
    if (e == 0) {
        *ret = r;
        r = NULL;
    }
    arena_fini(&a);
    revision_free(r);
    return e;
}
