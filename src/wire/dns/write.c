#include "ground/base/text.h"
#include "wire/dns/priv.h"

#include <arpa/inet.h>
#include <errno.h>

bool dns_name_valid(struct slice name)
{
    if (name.n > DNS_MAX_NAME - 2) /* on the wire: a length in front, a zero at the end */
        return false;
    size_t label = 0;
    for (size_t i = 0; i < name.n; i++) {
        char c = text_lower(name.p[i]);
        bool dot = c == '.';
        if (dot ? !label : label == DNS_MAX_LABEL)
            return false;
        if (!dot && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
            return false;
        label = dot ? 0 : label + 1;
    }
    return label > 0 || name.n == 0;
}

void dns_name_write(struct slice name, struct buf *out)
{
    struct slice rest = name;
    while (rest.n) {
        struct slice label = slice_head(rest, slice_find(rest, '.'));
        buf_append_char(out, (char)label.n);
        for (size_t i = 0; i < label.n; i++)
            buf_append_char(out, text_lower(label.p[i]));
        rest = slice_from(rest, label.n + 1);
    }
    buf_append_char(out, 0);
}

void dns_put16(struct buf *out, uint16_t v)
{
    buf_append_char(out, (char)(v >> 8));
    buf_append_char(out, (char)v);
}

void dns_put32(struct buf *out, uint32_t v)
{
    dns_put16(out, (uint16_t)(v >> 16));
    dns_put16(out, (uint16_t)v);
}

static void write_header(uint16_t id, uint16_t flags, const uint16_t counts[4], struct buf *out)
{
    dns_put16(out, id);
    dns_put16(out, flags);
    for (size_t i = 0; i < 4; i++)
        dns_put16(out, counts[i]);
}

int dns_question_write(uint16_t id, struct slice name, uint16_t type, struct buf *out)
{
    if (!dns_name_valid(name))
        return -EINVAL;
    write_header(id, DNS_FLAG_RD, (uint16_t[]){1, 0, 0, 0}, out);
    dns_name_write(name, out);
    dns_put16(out, type);
    dns_put16(out, DNS_CLASS_IN);
    return 0;
}

/* Data from text. */

static int encode_address(struct slice text, int family, size_t len, struct buf *out)
{
    char literal[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    if (text.n >= sizeof(literal) || (text.n && memchr(text.p, 0, text.n)))
        return -EINVAL;
    memcpy(literal, text.n ? text.p : "", text.n);
    literal[text.n] = 0;
    if (inet_pton(family, literal, bytes) != 1)
        return -EINVAL;
    buf_append_mem(out, bytes, len);
    return 0;
}

static int encode_a(struct slice text, struct buf *out)
{
    return encode_address(text, AF_INET, 4, out);
}

static int encode_aaaa(struct slice text, struct buf *out)
{
    return encode_address(text, AF_INET6, 16, out);
}

static int encode_name(struct slice text, struct buf *out)
{
    if (!dns_name_valid(text))
        return -EINVAL;
    dns_name_write(text, out);
    return 0;
}

static int encode_srv(struct slice text, struct buf *out)
{
    struct slice rest = text, field;
    for (size_t i = 0; i < 3; i++) {
        uint64_t v;
        if (!slice_cut(rest, ' ', &field, &rest) || slice_u64(field, UINT16_MAX, &v) < 0)
            return -EINVAL;
        dns_put16(out, (uint16_t)v);
    }
    return encode_name(slice_eq(rest, SLICE(".")) ? SLICE("") : rest, out); /* ".": no such service */
}

static const struct {
    uint16_t type;
    int (*encode)(struct slice text, struct buf *out);
} ENCODERS[] = {
    {DNS_A,     encode_a   },
    {DNS_NS,    encode_name},
    {DNS_CNAME, encode_name},
    {DNS_AAAA,  encode_aaaa},
    {DNS_SRV,   encode_srv },
};

static int encode(uint16_t type, struct slice text, struct buf *out)
{
    for (size_t i = 0; i < sizeof(ENCODERS) / sizeof(ENCODERS[0]); i++)
        if (ENCODERS[i].type == type)
            return ENCODERS[i].encode(text, out);
    return -EINVAL;
}

/* RFC 2136 sections 2.5.1 and 2.5.2. */
static int write_change(const struct dns_change *c, struct buf *out)
{
    struct buf data = {0};
    int r = c->add ? encode(c->type, c->data, &data) : 0;
    if (r == 0) {
        dns_name_write(c->name, out);
        dns_put16(out, c->type);
        dns_put16(out, c->add ? DNS_CLASS_IN : DNS_CLASS_ANY);
        dns_put32(out, c->add ? c->ttl : 0);
        dns_put16(out, (uint16_t)buf_len(&data));
        buf_append(out, buf_slice(&data));
    }
    buf_fini(&data);
    return r;
}

int dns_update_write(uint16_t id, struct slice zone, const struct dns_change *changes, size_t n,
                     const struct dns_tsig_key *key, uint64_t now, struct buf *out)
{
    if (!dns_name_valid(zone) || n > DNS_MAX_RECORDS || (key && !dns_name_valid(key->name)))
        return -EINVAL;
    struct buf m = {0};
    write_header(id, DNS_OPCODE_UPDATE, (uint16_t[]){1, 0, (uint16_t)n, 0}, &m);
    dns_name_write(zone, &m);
    dns_put16(&m, DNS_SOA);
    dns_put16(&m, DNS_CLASS_IN);
    int r = 0;
    for (size_t i = 0; i < n && r == 0; i++) {
        bool inside =
            dns_name_valid(changes[i].name) && (!zone.n || slice_within_domain(changes[i].name, zone));
        r = inside ? write_change(&changes[i], &m) : -EINVAL;
    }
    if (r == 0) {
        if (key)
            dns_tsig_append(key, now, &m);
        buf_append(out, buf_slice(&m));
    }
    buf_fini(&m);
    return r;
}
