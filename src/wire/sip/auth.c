#include "wire/sip/auth.h"

#include <assert.h>
#include <errno.h>

#include "ground/base/mem.h"
#include "ground/base/text.h"

enum { NC_DIGITS = 8 };

#define DIGEST_NAME(id, name, hash) {SLICE_INIT(name), hash},
static const struct {
    struct slice name;
    enum crypto_hash hash;
} digests[SIP_DIGEST_COUNT] = {SIP_DIGESTS(DIGEST_NAME)};

const char *sip_digest_name(enum sip_digest d)
{
    return digests[d].name.p;
}

int sip_digest_parse(struct slice name, enum sip_digest *ret)
{
    for (int i = 0; i < SIP_DIGEST_COUNT; i++) {
        if (slice_caseeq(name, digests[i].name)) {
            *ret = (enum sip_digest)i;
            return 0;
        }
    }
    return -EINVAL;
}

/* The algorithm parameter: absent is MD5 (RFC 7616 3.3); -sess is cut off. */
static int parse_algorithm(struct slice s, bool present, enum sip_digest *ret, bool *ret_sess)
{
    struct slice suffix = SLICE("-sess");
    bool sess = s.n > suffix.n && slice_caseeq(slice_from(s, s.n - suffix.n), suffix);
    if (!present) {
        *ret = SIP_DIGEST_MD5;
        *ret_sess = false;
        return 0;
    }
    if (sip_digest_parse(sess ? slice_head(s, s.n - suffix.n) : s, ret) < 0)
        return -ENOTSUP;
    *ret_sess = sess;
    return 0;
}

/* --- name=value lists --- */

#define FIELDS(X)                                                                                            \
    X(USERNAME, "username")                                                                                  \
    X(USERNAME_ENCODED, "username*")                                                                         \
    X(USERHASH, "userhash")                                                                                  \
    X(REALM, "realm")                                                                                        \
    X(NONCE, "nonce")                                                                                        \
    X(URI, "uri")                                                                                            \
    X(RESPONSE, "response")                                                                                  \
    X(ALGORITHM, "algorithm")                                                                                \
    X(CNONCE, "cnonce")                                                                                      \
    X(OPAQUE, "opaque")                                                                                      \
    X(QOP, "qop")                                                                                            \
    X(NC, "nc")                                                                                              \
    X(STALE, "stale")
#define FIELD_ENUM(id, name) F_##id,
#define FIELD_NAME(id, name) SLICE_INIT(name),
enum field { FIELDS(FIELD_ENUM) F_COUNT };

struct fields {
    struct slice value[F_COUNT];
    bool present[F_COUNT];
};

/* What stands between the quote at the front of *rest and its fellow. */
static int take_quoted(struct slice *rest, struct slice *ret)
{
    struct slice in = slice_from(*rest, 1);
    size_t end = slice_find(in, '"');
    if (end != SIZE_MAX && slice_find(slice_head(in, end), '\\') != SIZE_MAX)
        for (end = 0; end < in.n && in.p[end] != '"'; end++)
            end += in.p[end] == '\\';
    if (end >= in.n)
        return -EINVAL;
    *ret = slice_head(in, end);
    *rest = slice_from(in, end + 1);
    return 0;
}

/* The value at the front of *rest: a quoted string, its quotes taken off, or what stands before a comma. */
static int take_value(struct slice *rest, struct slice *ret)
{
    size_t i = 0;
    if (rest->n > 0 && rest->p[0] == '"')
        return take_quoted(rest, ret);
    for (; i < rest->n && rest->p[i] != ',' && (unsigned char)rest->p[i] > ' '; i++)
        if (rest->p[i] == '"' || rest->p[i] == '\\') /* they have no place in a token */
            return -EINVAL;
    *ret = slice_head(*rest, i);
    *rest = slice_from(*rest, i);
    return i > 0 ? 0 : -EINVAL;
}

/* The name at the front of *rest, and the '=' behind it. */
static int take_name(struct slice *rest, struct slice *ret)
{
    size_t i = 0;
    for (; i < rest->n && rest->p[i] != '='; i++)
        if (rest->p[i] == ',' || rest->p[i] == '"')
            return -EINVAL;
    if (i == rest->n)
        return -EINVAL;
    *ret = slice_trim(slice_head(*rest, i));
    *rest = slice_trim(slice_from(*rest, i + 1));
    return ret->n > 0 ? 0 : -EINVAL;
}

static int keep_field(struct fields *f, struct slice name, struct slice value)
{
    static const struct slice names[F_COUNT] = {FIELDS(FIELD_NAME)};
    for (int i = 0; i < F_COUNT; i++) {
        if (!slice_caseeq(name, names[i]))
            continue;
        if (f->present[i])
            return -EINVAL;
        f->present[i] = true;
        f->value[i] = value;
        break;
    }
    return 0;
}

/* Digest name=value, name="value" … Empty elements of the list are skipped (RFC 9110 5.6.1). */
static int parse_fields(struct slice text, struct fields *f)
{
    struct slice rest = slice_trim(text), name, value, scheme = SLICE("Digest");
    if (!slice_casestarts(rest, scheme) || rest.n == scheme.n || !strchr(" \t", rest.p[scheme.n]))
        return -EINVAL;
    rest = slice_trim(slice_from(rest, scheme.n));
    while (rest.n > 0) {
        if (rest.p[0] == ',') {
            rest = slice_trim(slice_from(rest, 1));
            continue;
        }
        if (take_name(&rest, &name) < 0 || take_value(&rest, &value) < 0 || keep_field(f, name, value) < 0)
            return -EINVAL;
        rest = slice_trim(rest);
        if (rest.n > 0 && rest.p[0] != ',')
            return -EINVAL;
    }
    return 0;
}

/* --- credentials --- */

static bool is_hex(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (text_hexval(s.p[i]) < 0)
            return false;
    }
    return true;
}

static size_t digest_length(enum sip_digest d)
{
    return d == SIP_DIGEST_MD5 ? 16 : 32;
}

static int parse_nonce_count(struct slice nc, uint32_t *ret)
{
    uint32_t v = 0;
    if (nc.n != NC_DIGITS || !is_hex(nc))
        return -EINVAL;
    for (size_t i = 0; i < nc.n; i++)
        v = v << 4 | (uint32_t)text_hexval(nc.p[i]);
    *ret = v;
    return 0;
}

/* What must be there, and with what (RFC 7616 3.4). */
static int check_credentials(const struct fields *f)
{
    static const enum field mandatory[] = {F_REALM, F_NONCE, F_URI, F_RESPONSE};
    for (size_t i = 0; i < sizeof(mandatory) / sizeof(mandatory[0]); i++) {
        if (!f->present[mandatory[i]])
            return -EINVAL;
    }
    if (f->present[F_USERNAME] == f->present[F_USERNAME_ENCODED])
        return -EINVAL;
    if (f->present[F_QOP] && (!f->present[F_CNONCE] || !f->present[F_NC]))
        return -EINVAL;
    if (f->present[F_USERNAME_ENCODED] || slice_caseeq(f->value[F_USERHASH], SLICE("true")))
        return -ENOTSUP;
    return 0;
}

int sip_credentials_parse(struct slice value, struct sip_credentials *ret)
{
    struct fields f = {0};
    struct sip_credentials c = {0};
    int r = parse_fields(value, &f);
    if (r == 0)
        r = check_credentials(&f);
    if (r == 0)
        r = parse_algorithm(f.value[F_ALGORITHM], f.present[F_ALGORITHM], &c.digest, &c.sess);
    if (r < 0)
        return r;
    c.username = f.value[F_USERNAME];
    c.realm = f.value[F_REALM];
    c.nonce = f.value[F_NONCE];
    c.uri = f.value[F_URI];
    c.response = f.value[F_RESPONSE];
    c.cnonce = f.value[F_CNONCE];
    c.opaque = f.value[F_OPAQUE];
    c.nc = f.value[F_NC];
    c.qop = f.value[F_QOP];
    c.has_qop = f.present[F_QOP];
    if (c.response.n != 2 * digest_length(c.digest) || !is_hex(c.response))
        return -EINVAL;
    if (c.sess && !f.present[F_CNONCE])
        return -EINVAL;
    if (f.present[F_NC] && parse_nonce_count(c.nc, &c.nonce_count) < 0)
        return -EINVAL;
    if (c.has_qop && !slice_caseeq(c.qop, SLICE("auth")) && !slice_caseeq(c.qop, SLICE("auth-int")))
        return -ENOTSUP;
    *ret = c;
    return 0;
}

/* --- arithmetic (RFC 7616 3.4.1 to 3.4.3) --- */

/* H(parts joined by ':') in hex. Parts are hashed as they stand. */
static void hash_joined(enum sip_digest d, const struct slice *parts, size_t n, char out[SIP_HA1_MAX])
{
    static const char digits[] = "0123456789abcdef";
    struct slice joined[16];
    unsigned char sum[CRYPTO_MAX_HASH];
    size_t count = 0, length;
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            joined[count++] = SLICE(":");
        joined[count++] = parts[i];
    }
    length = crypto_hash(digests[d].hash, joined, count, sum);
    assert(2 * length < SIP_HA1_MAX);
    for (size_t i = 0; i < length; i++) {
        out[2 * i] = digits[sum[i] >> 4];
        out[2 * i + 1] = digits[sum[i] & 15];
    }
    out[2 * length] = 0;
    mem_wipe(sum, sizeof(sum));
}

static bool has_escapes(struct slice quoted)
{
    return slice_find(quoted, '\\') != SIZE_MAX;
}

/* The text that a quoted value stands for, put at the end of `mem` when it has escapes. */
static struct slice plain(struct slice quoted, struct buf *mem)
{
    size_t start = buf_len(mem);
    if (!has_escapes(quoted))
        return quoted;
    for (size_t i = 0; i < quoted.n; i++) {
        if (quoted.p[i] == '\\' && i + 1 < quoted.n)
            i++;
        buf_append_char(mem, quoted.p[i]);
    }
    return slice_from(buf_slice(mem), start);
}

void sip_digest_ha1(enum sip_digest d, struct slice username, struct slice realm, struct slice password,
                    char out[SIP_HA1_MAX])
{
    hash_joined(d, (struct slice[]){username, realm, password}, 3, out);
}

static void compute(const struct sip_credentials *c, struct slice ha1, struct slice method, struct slice body,
                    char out[SIP_HA1_MAX])
{
    char a1[SIP_HA1_MAX], a2[SIP_HA1_MAX], entity[SIP_HA1_MAX];
    enum sip_digest d = c->digest;
    if (c->sess) {
        hash_joined(d, (struct slice[]){ha1, c->nonce, c->cnonce}, 3, a1);
        ha1 = slice_str(a1);
    }
    if (c->has_qop && slice_caseeq(c->qop, SLICE("auth-int"))) {
        hash_joined(d, &body, 1, entity);
        hash_joined(d, (struct slice[]){method, c->uri, slice_str(entity)}, 3, a2);
    } else {
        hash_joined(d, (struct slice[]){method, c->uri}, 2, a2);
    }
    if (c->has_qop)
        hash_joined(d, (struct slice[]){ha1, c->nonce, c->nc, c->cnonce, c->qop, slice_str(a2)}, 6, out);
    else
        hash_joined(d, (struct slice[]){ha1, c->nonce, slice_str(a2)}, 3, out);
    if (c->sess)
        mem_wipe(a1, sizeof(a1));
}

void sip_digest_response(const struct sip_credentials *c, struct slice ha1, struct slice method,
                         struct slice body, char out[SIP_HA1_MAX])
{
    struct sip_credentials p = *c;
    struct buf mem = {0};
    if (!has_escapes(c->nonce) && !has_escapes(c->cnonce) && !has_escapes(c->uri)) {
        compute(c, ha1, method, body, out);
        return;
    }
    /* room for all at once: slices into the buffer stay where they are */
    buf_reserve(&mem, c->nonce.n + c->cnonce.n + c->uri.n + 1);
    p.nonce = plain(c->nonce, &mem);
    p.cnonce = plain(c->cnonce, &mem);
    p.uri = plain(c->uri, &mem);
    compute(&p, ha1, method, body, out);
    buf_fini(&mem);
}

bool sip_credentials_match(const struct sip_credentials *c, struct slice ha1, struct slice method,
                           struct slice body)
{
    char want[SIP_HA1_MAX], got[SIP_HA1_MAX];
    struct slice sent = slice_head(c->response, SIP_HA1_MAX - 1);
    bool match;
    for (size_t i = 0; i < sent.n; i++)
        got[i] = text_lower(sent.p[i]);
    sip_digest_response(c, ha1, method, body, want);
    match = crypto_equal(slice_str(want), slice_mem(got, sent.n));
    mem_wipe(want, sizeof(want));
    return match;
}

/* --- challenges --- */

/* Control characters cannot stand in a header: they are left out. */
static void append_quoted(struct buf *out, struct slice s)
{
    buf_append_char(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < ' ' || c == 0x7f)
            continue;
        if (c == '"' || c == '\\')
            buf_append_char(out, '\\');
        buf_append_char(out, s.p[i]);
    }
    buf_append_char(out, '"');
}

void sip_challenge_write(enum sip_digest d, struct slice realm, struct slice nonce, bool stale,
                         struct buf *out)
{
    buf_append(out, SLICE("Digest realm="));
    append_quoted(out, realm);
    buf_append(out, SLICE(", nonce="));
    append_quoted(out, nonce);
    buf_append(out, SLICE(", algorithm="));
    buf_append(out, digests[d].name);
    buf_append(out, SLICE(", qop=\"auth\""));
    if (stale)
        buf_append(out, SLICE(", stale=true"));
}

static bool knows_qop(struct slice list)
{
    struct slice item;
    while (list.n > 0) {
        if (!slice_cut(list, ',', &item, &list)) {
            item = list;
            list = SLICE_NONE;
        }
        item = slice_trim(item);
        if (slice_caseeq(item, SLICE("auth")) || slice_caseeq(item, SLICE("auth-int")))
            return true;
    }
    return false;
}

int sip_challenge_parse(struct slice value, struct sip_challenge *ret)
{
    struct fields f = {0};
    struct sip_challenge c = {0};
    int r = parse_fields(value, &f);
    if (r == 0 && (!f.present[F_REALM] || !f.present[F_NONCE]))
        r = -EINVAL;
    if (r == 0)
        r = parse_algorithm(f.value[F_ALGORITHM], f.present[F_ALGORITHM], &c.digest, &c.sess);
    if (r == 0 && f.present[F_QOP] && !knows_qop(f.value[F_QOP]))
        r = -ENOTSUP;
    if (r < 0)
        return r;
    c.realm = f.value[F_REALM];
    c.nonce = f.value[F_NONCE];
    c.opaque = f.value[F_OPAQUE];
    c.qop = f.value[F_QOP];
    c.stale = slice_caseeq(f.value[F_STALE], SLICE("true"));
    *ret = c;
    return 0;
}
