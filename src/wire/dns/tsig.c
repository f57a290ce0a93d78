#include "ground/crypto/hash.h"
#include "wire/dns/priv.h"

#include <errno.h>

/* RFC 8945. One algorithm, the whole MAC. */
enum { TSIG_FUDGE_S = 300, TSIG_ARCOUNT_AT = 10 };
static const struct slice TSIG_ALGORITHM = SLICE_INIT("hmac-sha256");

/* What a TSIG record says (section 4.2), and the message without it. */
struct tsig {
    struct slice message; /* up to the record: its counter still counts the record */
    struct slice key_name, algorithm;
    uint64_t time;
    uint16_t fudge, original_id, error;
    struct slice mac, other;
};

static void put_time(struct buf *out, uint64_t t)
{
    dns_put16(out, (uint16_t)(t >> 32));
    dns_put32(out, (uint32_t)t);
}

/* Section 4.3.3, TSIG variables. Names are written in lower case, uncompressed: their canonical form. */
static void put_variables(const struct tsig *t, struct buf *out)
{
    dns_name_write(t->key_name, out);
    dns_put16(out, DNS_CLASS_ANY);
    dns_put32(out, 0);
    dns_name_write(t->algorithm, out);
    put_time(out, t->time);
    dns_put16(out, t->fudge);
    dns_put16(out, t->error);
    dns_put16(out, (uint16_t)t->other.n);
    buf_append(out, t->other);
}

/* request_mac: without one (a request is signed) SLICE_NONE. message: as it was before the record was added.
 */
static void sign(const struct dns_tsig_key *key, struct slice request_mac, struct slice message,
                 const struct tsig *t, unsigned char out[CRYPTO_SHA256])
{
    struct buf prefix = {0}, variables = {0};
    if (request_mac.n) {
        dns_put16(&prefix, (uint16_t)request_mac.n);
        buf_append(&prefix, request_mac);
    }
    put_variables(t, &variables);
    const struct slice parts[] = {buf_slice(&prefix), message, buf_slice(&variables)};
    crypto_hmac_sha256(key->secret, parts, 3, out);
    buf_fini(&prefix);
    buf_fini(&variables);
}

void dns_tsig_append(const struct dns_tsig_key *key, uint64_t now, struct buf *message)
{
    struct slice m = buf_slice(message);
    struct tsig t = {.key_name = key->name, .algorithm = TSIG_ALGORITHM, .time = now, .fudge = TSIG_FUDGE_S};
    unsigned char mac[CRYPTO_SHA256];
    sign(key, SLICE_NONE, m, &t, mac);
    struct buf data = {0};
    dns_name_write(t.algorithm, &data);
    put_time(&data, now);
    dns_put16(&data, t.fudge);
    dns_put16(&data, sizeof(mac));
    buf_append_mem(&data, mac, sizeof(mac));
    buf_append_mem(&data, m.p, 2); /* original id */
    dns_put16(&data, 0);           /* error */
    dns_put16(&data, 0);           /* other data */

    dns_name_write(key->name, message);
    dns_put16(message, DNS_TSIG);
    dns_put16(message, DNS_CLASS_ANY);
    dns_put32(message, 0);
    dns_put16(message, (uint16_t)buf_len(&data));
    buf_append(message, buf_slice(&data));
    buf_fini(&data);
    message->mem[message->start + TSIG_ARCOUNT_AT + 1]++; /* was 0 */
}

static int read_tsig(struct dns_reader *r, const struct dns_raw *raw, struct arena *a, struct tsig *ret)
{
    struct slice packet = r->packet;
    struct dns_reader n = {.packet = packet, .at = raw->name_at, .end = packet.n};
    struct dns_reader d = {.packet = packet, .at = raw->data_at, .end = raw->data_at + raw->data_len};
    ret->message = slice_head(packet, raw->name_at);
    ret->key_name = dns_read_name(&n, a);
    ret->algorithm = dns_read_name(&d, a);
    ret->time = (uint64_t)dns_read(&d, 2) << 32;
    ret->time |= dns_read(&d, 4);
    ret->fudge = (uint16_t)dns_read(&d, 2);
    ret->mac = dns_read_bytes(&d, dns_read(&d, 2));
    ret->original_id = (uint16_t)dns_read(&d, 2);
    ret->error = (uint16_t)dns_read(&d, 2);
    ret->other = dns_read_bytes(&d, dns_read(&d, 2));
    return n.bad || n.odd || d.bad || d.odd || d.at != d.end ? -EBADMSG : 0;
}

/* The record must be the last one (section 5.1). 0, -EBADMSG, or -ENOENT for an unsigned message. */
static int find_tsig(struct slice packet, struct arena *a, struct dns_header *ret_header, struct tsig *ret)
{
    struct dns_reader r;
    struct dns_raw raw = {0};
    dns_reader_init(&r, packet);
    dns_read_header(&r, ret_header);
    for (unsigned i = 0; i < ret_header->counts[0] && !r.bad; i++)
        dns_skip_question(&r);
    unsigned n = ret_header->counts[1] + ret_header->counts[2] + ret_header->counts[3];
    if (n > DNS_MAX_RECORDS + 1)
        return -EBADMSG;
    for (unsigned i = 0; i < n && !r.bad; i++) {
        dns_read_raw(&r, &raw);
        if (raw.type == DNS_TSIG && i + 1 < n)
            return -EBADMSG;
    }
    if (r.bad || r.at != r.end)
        return -EBADMSG;
    if (!ret_header->counts[3] || raw.type != DNS_TSIG || raw.class != DNS_CLASS_ANY)
        return -ENOENT;
    if (raw.ttl) /* section 4.2; no MAC covers it */
        return -EBADMSG;
    return read_tsig(&r, &raw, a, ret);
}

/* Section 5.2: key, MAC, time, in this order. */
static int check(const struct tsig *t, struct slice request_mac, const struct dns_tsig_key *key, uint64_t now)
{
    if (!slice_caseeq(t->key_name, key->name) || !slice_caseeq(t->algorithm, TSIG_ALGORITHM))
        return -EKEYREJECTED;
    struct buf message = {0};
    dns_put16(&message, t->original_id);
    buf_append(&message, slice_from(t->message, 2));
    /* the counter as it was before the record was added */
    unsigned char *count = (unsigned char *)message.mem + message.start + TSIG_ARCOUNT_AT;
    unsigned records = (unsigned)(count[0] << 8 | count[1]) - 1;
    count[0] = (unsigned char)(records >> 8);
    count[1] = (unsigned char)records;
    unsigned char mac[CRYPTO_SHA256];
    sign(key, request_mac, buf_slice(&message), t, mac);
    buf_fini(&message);
    if (!crypto_equal(t->mac, slice_mem(mac, sizeof(mac))))
        return -EKEYREJECTED;
    uint64_t apart = now > t->time ? now - t->time : t->time - now;
    return apart > t->fudge || t->error ? -EKEYREJECTED : 0;
}

int dns_update_verify(struct slice answer, struct slice request, const struct dns_tsig_key *key, uint64_t now)
{
    struct arena a = {0};
    struct dns_header asked = {0}, answered = {0};
    struct tsig t, ours;
    int r = find_tsig(request, &a, &asked, &ours);
    if (r == 0)
        r = find_tsig(answer, &a, &answered, &t);
    if (r != -EBADMSG && (asked.id != answered.id || !(answered.flags & DNS_FLAG_QR) ||
                          (answered.flags & DNS_OPCODE_MASK) != DNS_OPCODE_UPDATE))
        r = -EBADMSG;
    else if (r == -ENOENT)
        r = -EKEYREJECTED;
    else if (r == 0)
        r = check(&t, ours.mac, key, now);
    arena_fini(&a);
    return r;
}
