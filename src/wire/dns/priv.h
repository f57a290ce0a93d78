/*
 * dns/priv.h - reading and writing the pieces of a message.
 */
#pragma once

#include "wire/dns/dns.h"

enum { DNS_HEADER = 12, DNS_MAX_LABEL = 63, DNS_CLASS_IN = 1, DNS_CLASS_ANY = 255 };
enum {
    DNS_FLAG_QR = 0x8000,
    DNS_FLAG_AA = 0x0400,
    DNS_FLAG_TC = 0x0200,
    DNS_FLAG_RD = 0x0100,
    DNS_FLAG_AD = 0x0020
};
enum { DNS_OPCODE_MASK = 0x7800, DNS_OPCODE_UPDATE = 5 << 11, DNS_RCODE_MASK = 0x000f };

/* Reads on and on; what is asked for beyond the end, or malformed, makes it bad for good and gives 0. */
struct dns_reader {
    struct slice packet;
    size_t at, end;
    bool bad;
    bool odd; /* a name held what dns_name_valid refuses; its structure is good */
};
struct dns_header {
    uint16_t id, flags, counts[4]; /* question, answer, authority, additional */
};
/* A record as it stands, its name skipped. */
struct dns_raw {
    size_t name_at; /* where its name begins */
    uint16_t type, class;
    uint32_t ttl;
    size_t data_at, data_len;
};

void dns_reader_init(struct dns_reader *r, struct slice packet);
uint32_t dns_read(struct dns_reader *r, size_t bytes); /* 1, 2 or 4 bytes, the first is the highest */
struct slice dns_read_bytes(struct dns_reader *r, size_t n);
void dns_read_header(struct dns_reader *r, struct dns_header *ret);
/* The name as text in the arena. */
struct slice dns_read_name(struct dns_reader *r, struct arena *a);
/* A name of which only the structure matters: its labels may hold any byte. */
void dns_skip_name(struct dns_reader *r);
void dns_skip_question(struct dns_reader *r);
void dns_read_raw(struct dns_reader *r, struct dns_raw *ret);

/* "" or labels of letters, digits, '-' and '_' between dots, not too long? */
bool dns_name_valid(struct slice name);
/* Of a valid name: uncompressed, lower case. */
void dns_name_write(struct slice name, struct buf *out);
void dns_put16(struct buf *out, uint16_t v);
void dns_put32(struct buf *out, uint32_t v);
/* Appends the TSIG record to a whole message and counts it. */
void dns_tsig_append(const struct dns_tsig_key *key, uint64_t now, struct buf *message);
