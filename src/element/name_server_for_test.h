/*
 * element/name_server_for_test.h - answers to DNS questions from a list of records. Tests only.
 */
#pragma once

#include "ground/base/buf.h"
#include "ground/base/test.h"
#include "ground/base/text.h"
#include "ground/net/addr.h"
#include "wire/dns/dns.h"

#include <stdio.h>
#include <string.h>

struct record {
    const char *name;
    uint16_t type;
    const char *data; /* A: address; SRV: "priority weight port target"; NAPTR: "order preference flags
                         services regexp replacement", "-" for what is empty */
};
static inline void put16(struct buf *b, unsigned v)
{
    buf_append_char(b, (char)(v >> 8));
    buf_append_char(b, (char)v);
}

static inline void put_name(struct buf *b, const char *name)
{
    struct slice rest = slice_str(name), label;
    while (rest.n && !slice_eq(rest, SLICE("."))) {
        if (!slice_cut(rest, '.', &label, &rest)) {
            label = rest;
            rest = SLICE_NONE;
        }
        buf_append_char(b, (char)label.n);
        buf_append(b, label);
    }
    buf_append_char(b, 0);
}

static inline void put_string(struct buf *b, const char *s)
{
    size_t n = strcmp(s, "-") ? strlen(s) : 0;
    buf_append_char(b, (char)n);
    buf_append_mem(b, s, n);
}

static inline void put_naptr(struct buf *b, const char *text)
{
    unsigned order = 0, preference = 0;
    char flags[8], services[32], regexp[64], replacement[256];
    CHECK_INT(
        sscanf(text, "%u %u %7s %31s %63s %255s", &order, &preference, flags, services, regexp, replacement),
        6);
    put16(b, order);
    put16(b, preference);
    put_string(b, flags);
    put_string(b, services);
    put_string(b, regexp);
    put_name(b, replacement);
}

static inline void put_record(struct buf *b, const struct record *r)
{
    struct buf data = {0};
    unsigned p, w, port;
    char target[256];
    if (r->type == DNS_SRV && sscanf(r->data, "%u %u %u %255s", &p, &w, &port, target) == 4) {
        put16(&data, p);
        put16(&data, w);
        put16(&data, port);
        put_name(&data, target);
    } else if (r->type == DNS_NAPTR) {
        put_naptr(&data, r->data);
    } else {
        struct net_addr a;
        CHECK_INT(net_addr_parse(slice_str(r->data), 0, &a), 0);
        if (r->type == DNS_A)
            buf_append_mem(&data, &a.in4.sin_addr, 4);
        else
            buf_append_mem(&data, &a.in6.sin6_addr, 16);
    }
    put_name(b, r->name);
    put16(b, r->type);
    put16(b, 1);
    put16(b, 0);
    put16(b, 5); /* TTL */
    put16(b, (unsigned)buf_len(&data));
    buf_append(b, buf_slice(&data));
    buf_fini(&data);
}

static inline void name_of_question(struct slice q, char out[256], size_t *ret_end)
{
    size_t i = 12, n = 0;
    while (i < q.n && q.p[i] && n < 200) {
        size_t len = (unsigned char)q.p[i++];
        for (size_t k = 0; k < len && i < q.n && n < 200; k++)
            out[n++] = text_lower(q.p[i++]);
        out[n++] = '.';
    }
    out[n ? n - 1 : 0] = 0;
    *ret_end = i + 5;
}

/* A name that is not there does not exist; one without data is SERVFAIL. */
static inline void answer_question(struct slice q, const struct record *zone, size_t n, struct buf *out)
{
    char name[256];
    size_t end;
    unsigned count = 0, rcode = DNS_NXDOMAIN;
    name_of_question(q, name, &end);
    unsigned type = (unsigned)(unsigned char)q.p[end - 4] << 8 | (unsigned char)q.p[end - 3];
    for (size_t i = 0; i < n; i++)
        if (strcmp(zone[i].name, name) == 0) {
            rcode = zone[i].data ? DNS_NOERROR : DNS_SERVFAIL;
            count += zone[i].type == type;
        }
    buf_append(out, slice_head(q, 2));
    put16(out, 0x8580 | rcode);
    put16(out, 1);
    put16(out, count);
    put16(out, 0);
    put16(out, 0);
    buf_append(out, slice_head(slice_from(q, 12), end - 12));
    for (size_t i = 0; i < n; i++)
        if (zone[i].type == type && strcmp(zone[i].name, name) == 0)
            put_record(out, &zone[i]);
}
