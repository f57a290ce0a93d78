#include "service/front_end/token.h"

#include <errno.h>

#include "ground/base/text.h"
#include "ground/crypto/hash.h"

enum { TOKEN_VERSION = 1, MAC_BYTES = 12, NUMBER_BYTES = 10 };
enum { END_HERE = 1, END_REGISTERED = 2, END_FLOW = 4, END_UDP4 = 8, END_UDP6 = 16 };

static void token_mac(const unsigned char key[TOKEN_KEY], struct slice said, struct slice call_id,
                      struct slice tag, unsigned char out[CRYPTO_SHA256])
{
    uint32_t lengths[2] = {(uint32_t)said.n, (uint32_t)call_id.n};
    struct slice parts[] = {slice_mem(lengths, sizeof(lengths)), said, call_id, tag};
    crypto_hmac_sha256(slice_mem(key, TOKEN_KEY), parts, 4, out);
}

/* ---------------------------------------------------------------- writing */
/* Seven bits a byte, the highest bit says that more follow. */
static void put_number(struct buf *out, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        buf_append_char(out, (char)(v | 0x80));
    buf_append_char(out, (char)v);
}

static void put_end(struct buf *out, const struct token_end *e)
{
    unsigned flags = END_HERE | (e->registered ? END_REGISTERED : 0) | (e->flow.generation ? END_FLOW : 0);
    if (e->aor.n == 0 || e->aor.n > TOKEN_MAX_AOR) {
        buf_append_char(out, 0);
        return;
    }
    flags |= e->source.sa.sa_family == AF_INET ? END_UDP4 : e->source.sa.sa_family == AF_INET6 ? END_UDP6 : 0;
    buf_append_char(out, (char)flags);
    put_number(out, e->aor.n);
    buf_append(out, e->aor);
    if (flags & END_FLOW) {
        put_number(out, e->flow.worker);
        put_number(out, e->flow.slot);
        put_number(out, e->flow.generation);
    }
    if (flags & END_UDP4)
        buf_append_mem(out, &e->source.in4.sin_addr, 4);
    if (flags & END_UDP6)
        buf_append_mem(out, &e->source.in6.sin6_addr, 16);
    if (flags & (END_UDP4 | END_UDP6))
        put_number(out, net_addr_port(&e->source));
}

void token_write(const unsigned char key[TOKEN_KEY], const struct token *t, struct slice call_id,
                 struct slice caller_tag, struct buf *out)
{
    struct buf raw = {0};
    unsigned char mac[CRYPTO_SHA256];
    buf_append_char(&raw, TOKEN_VERSION);
    put_end(&raw, &t->caller);
    put_end(&raw, &t->callee);
    token_mac(key, buf_slice(&raw), call_id, caller_tag, mac);
    buf_append_mem(&raw, mac, MAC_BYTES);
    text_base64url(out, buf_slice(&raw).p, buf_len(&raw));
    buf_fini(&raw);
}

/* ---------------------------------------------------------------- reading */
static bool take_bytes(struct slice *in, size_t n, struct slice *ret)
{
    if (in->n < n)
        return false;
    *ret = slice_head(*in, n);
    *in = slice_from(*in, n);
    return true;
}

static bool take_number(struct slice *in, uint64_t max, uint64_t *ret)
{
    uint64_t v = 0;
    struct slice byte;
    for (unsigned i = 0; i < NUMBER_BYTES && take_bytes(in, 1, &byte); i++) {
        v |= (uint64_t)((unsigned char)byte.p[0] & 0x7f) << (7 * i);
        if (!((unsigned char)byte.p[0] & 0x80)) {
            *ret = v;
            return v <= max;
        }
    }
    return false;
}

static bool take_flow(struct slice *in, struct flow_ref *ret)
{
    uint64_t worker, slot, generation;
    if (!take_number(in, UINT32_MAX, &worker) || !take_number(in, UINT32_MAX, &slot) ||
        !take_number(in, UINT64_MAX, &generation))
        return false;
    *ret = (struct flow_ref){(uint32_t)worker, (uint32_t)slot, generation};
    return true;
}

static bool take_end(struct slice *in, struct token_end *ret)
{
    struct slice flags, bytes;
    uint64_t n;
    *ret = (struct token_end){0};
    if (!take_bytes(in, 1, &flags))
        return false;
    unsigned f = (unsigned char)flags.p[0];
    if (!(f & END_HERE))
        return true;
    if (!take_number(in, TOKEN_MAX_AOR, &n) || !take_bytes(in, n, &ret->aor))
        return false;
    ret->registered = f & END_REGISTERED;
    if (f & END_FLOW && !take_flow(in, &ret->flow))
        return false;
    if (!(f & (END_UDP4 | END_UDP6)))
        return true;
    return take_bytes(in, f & END_UDP4 ? 4 : 16, &bytes) && take_number(in, UINT16_MAX, &n) &&
           net_addr_from_bytes(bytes, (uint16_t)n, &ret->source) == 0;
}

static bool mac_is(const unsigned char key[TOKEN_KEY], struct slice said, struct slice mac,
                   const struct sip_msg *m, struct slice tag)
{
    unsigned char want[CRYPTO_SHA256];
    if (tag.n == 0)
        return false;
    token_mac(key, said, m->call_id, tag, want);
    return crypto_equal(slice_mem(want, MAC_BYTES), mac);
}

int token_read(const unsigned char key[TOKEN_KEY], struct slice text, const struct sip_msg *m,
               struct arena *a, struct token *ret, bool *ret_from_caller)
{
    char *raw = arena_alloc(a, TOKEN_MAX);
    ssize_t n = text_unbase64url(text, raw, TOKEN_MAX);
    struct token t;
    if (n < 1 + MAC_BYTES || raw[0] != TOKEN_VERSION)
        return -EBADMSG;
    struct slice said = slice_mem(raw, (size_t)n - MAC_BYTES), mac = slice_mem(raw + said.n, MAC_BYTES);
    bool caller = mac_is(key, said, mac, m, m->from_tag);
    if (!caller && !mac_is(key, said, mac, m, m->to_tag))
        return -EBADMSG;
    struct slice in = slice_from(said, 1);
    if (!take_end(&in, &t.caller) || !take_end(&in, &t.callee) || in.n)
        return -EBADMSG;
    *ret = t;
    *ret_from_caller = caller;
    return 0;
}
