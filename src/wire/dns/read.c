#include "ground/base/text.h"
#include "wire/dns/priv.h"

#include <errno.h>

void dns_reader_init(struct dns_reader *r, struct slice packet)
{
    *r = (struct dns_reader){.packet = packet, .end = packet.n};
}

uint32_t dns_read(struct dns_reader *r, size_t bytes)
{
    struct slice s = dns_read_bytes(r, bytes);
    uint32_t v = 0;
    for (size_t i = 0; i < s.n; i++)
        v = v << 8 | (unsigned char)s.p[i];
    return v;
}

struct slice dns_read_bytes(struct dns_reader *r, size_t n)
{
    if (r->bad || r->end - r->at < n) {
        r->bad = true;
        return SLICE_NONE;
    }
    r->at += n;
    return slice_mem(r->packet.p + r->at - n, n);
}

void dns_read_header(struct dns_reader *r, struct dns_header *ret)
{
    ret->id = (uint16_t)dns_read(r, 2);
    ret->flags = (uint16_t)dns_read(r, 2);
    for (size_t i = 0; i < 4; i++)
        ret->counts[i] = (uint16_t)dns_read(r, 2);
}

static bool name_byte(char c)
{
    c = text_lower(c);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Adds a label to the text of *n bytes; false: odd. */
static bool add_label(struct slice label, char text[DNS_MAX_NAME], size_t *n)
{
    if (*n)
        text[(*n)++] = '.';
    for (size_t i = 0; i < label.n; i++) {
        if (!name_byte(label.p[i]))
            return false;
        text[(*n)++] = text_lower(label.p[i]);
    }
    return true;
}

/*
 * RFC 1035 section 4.1.4. Each pointer must lead to a place before the labels that it ends: so the walk goes
 * down and comes to an end. text may be NULL: then the labels' bytes do not matter. The length of the text.
 */
static size_t walk_name(struct dns_reader *r, char text[DNS_MAX_NAME])
{
    struct dns_reader w = *r;
    size_t begin = r->at, wire = 1, n = 0;
    bool jumped = false;
    for (;;) {
        size_t len = dns_read(&w, 1);
        size_t target = (len & 0x3f) << 8;
        if (len >= 0xc0)
            target |= dns_read(&w, 1);
        if (!jumped)
            r->at = w.at;
        if (w.bad || len == 0)
            break;
        if (len >= 0xc0 && target < begin && target >= DNS_HEADER) {
            begin = w.at = target;
            jumped = true;
            continue;
        }
        struct slice label = dns_read_bytes(&w, len);
        wire += 1 + len;
        if (w.bad || len > DNS_MAX_LABEL || wire > DNS_MAX_NAME) {
            w.bad = true;
            break;
        }
        if (text && !w.odd)
            w.odd = !add_label(label, text, &n);
    }
    r->bad = w.bad;
    r->odd = w.odd;
    return w.bad || w.odd ? 0 : n;
}

struct slice dns_read_name(struct dns_reader *r, struct arena *a)
{
    char text[DNS_MAX_NAME];
    size_t n = walk_name(r, text);
    return arena_copy(a, slice_mem(text, n));
}

void dns_skip_name(struct dns_reader *r)
{
    walk_name(r, NULL);
}

void dns_skip_question(struct dns_reader *r)
{
    dns_skip_name(r);
    dns_read_bytes(r, 4); /* type, class */
}

void dns_read_raw(struct dns_reader *r, struct dns_raw *ret)
{
    ret->name_at = r->at;
    dns_skip_name(r);
    ret->type = (uint16_t)dns_read(r, 2);
    ret->class = (uint16_t)dns_read(r, 2);
    ret->ttl = dns_read(r, 4);
    ret->data_len = dns_read(r, 2);
    ret->data_at = r->at;
    dns_read_bytes(r, ret->data_len);
}

static struct slice read_string(struct dns_reader *r)
{
    return dns_read_bytes(r, dns_read(r, 1));
}

static void decode_a(struct dns_reader *r, struct arena *a, struct dns_record *rec)
{
    (void)a;
    rec->address = dns_read_bytes(r, 4);
}

static void decode_aaaa(struct dns_reader *r, struct arena *a, struct dns_record *rec)
{
    (void)a;
    rec->address = dns_read_bytes(r, 16);
}

static void decode_target(struct dns_reader *r, struct arena *a, struct dns_record *rec)
{
    rec->target = dns_read_name(r, a);
}

static void decode_srv(struct dns_reader *r, struct arena *a, struct dns_record *rec)
{
    rec->srv.priority = (uint16_t)dns_read(r, 2);
    rec->srv.weight = (uint16_t)dns_read(r, 2);
    rec->srv.port = (uint16_t)dns_read(r, 2);
    rec->srv.target = dns_read_name(r, a);
}

static void decode_naptr(struct dns_reader *r, struct arena *a, struct dns_record *rec)
{
    rec->naptr.order = (uint16_t)dns_read(r, 2);
    rec->naptr.preference = (uint16_t)dns_read(r, 2);
    rec->naptr.flags = read_string(r);
    rec->naptr.services = read_string(r);
    rec->naptr.regexp = read_string(r);
    rec->naptr.replacement = dns_read_name(r, a);
}

static void decode_soa(struct dns_reader *r, struct arena *a, struct dns_record *rec)
{
    rec->soa.mname = dns_read_name(r, a);
    dns_skip_name(r); /* a mailbox: its first label may hold dots */
    rec->soa.serial = dns_read(r, 4);
    dns_read_bytes(r, 12); /* refresh, retry, expire */
    rec->soa.minimum = dns_read(r, 4);
}

static const struct {
    uint16_t type;
    void (*decode)(struct dns_reader *r, struct arena *a, struct dns_record *rec);
} DECODERS[] = {
    {DNS_A,     decode_a     },
    {DNS_NS,    decode_target},
    {DNS_CNAME, decode_target},
    {DNS_SOA,   decode_soa   },
    {DNS_AAAA,  decode_aaaa  },
    {DNS_SRV,   decode_srv   },
    {DNS_NAPTR, decode_naptr },
};

/* 0, -EBADMSG, or -ENOENT for a record that is left out. */
static int decode(struct slice packet, const struct dns_raw *raw, struct arena *a, struct dns_record *ret)
{
    struct dns_reader r = {.packet = packet, .at = raw->name_at, .end = packet.n};
    *ret = (struct dns_record){0};
    ret->name = dns_read_name(&r, a);
    ret->type = raw->type;
    ret->ttl = raw->ttl > INT32_MAX ? 0 : raw->ttl; /* RFC 2181 section 8 */
    ret->data = slice_mem(packet.p + raw->data_at, raw->data_len);
    bool odd = r.odd;
    r = (struct dns_reader){.packet = packet, .at = raw->data_at, .end = raw->data_at + raw->data_len};
    for (size_t i = 0; i < sizeof(DECODERS) / sizeof(DECODERS[0]); i++)
        if (DECODERS[i].type == raw->type) {
            DECODERS[i].decode(&r, a, ret);
            if (r.bad || r.at != r.end)
                return -EBADMSG;
        }
    return odd || r.odd ? -ENOENT : 0;
}

static void read_section(struct dns_reader *r, unsigned count, struct arena *a, struct dns_record **ret,
                         size_t *ret_n)
{
    *ret = NULL;
    *ret_n = 0;
    if (r->bad || !count)
        return;
    *ret = ARENA_ARRAY(a, struct dns_record, count);
    for (unsigned i = 0; i < count && !r->bad; i++) {
        struct dns_raw raw;
        dns_read_raw(r, &raw);
        if (r->bad || raw.class != DNS_CLASS_IN)
            continue;
        int e = decode(r->packet, &raw, a, &(*ret)[*ret_n]);
        r->bad = e == -EBADMSG;
        *ret_n += e == 0;
    }
}

int dns_parse(struct slice packet, struct arena *a, struct dns_message *ret)
{
    struct dns_reader r;
    struct dns_header h;
    dns_reader_init(&r, packet);
    dns_read_header(&r, &h);
    unsigned total = 0;
    for (size_t i = 0; i < 4; i++)
        total += h.counts[i];
    if (r.bad || !(h.flags & DNS_FLAG_QR) || total > DNS_MAX_RECORDS)
        return -EBADMSG;
    struct dns_message m = {
        .id = h.id,
        .rcode = h.flags & DNS_RCODE_MASK,
        .authoritative = h.flags & DNS_FLAG_AA,
        .truncated = h.flags & DNS_FLAG_TC,
        .authentic = h.flags & DNS_FLAG_AD,
    };
    for (unsigned i = 0; i < h.counts[0] && !r.bad; i++)
        dns_skip_question(&r);
    read_section(&r, h.counts[1], a, &m.answers, &m.n_answers);
    read_section(&r, h.counts[2], a, &m.authority, &m.n_authority);
    read_section(&r, h.counts[3], a, &m.additional, &m.n_additional);
    if (r.bad || r.at != r.end)
        return -EBADMSG;
    *ret = m;
    return 0;
}
