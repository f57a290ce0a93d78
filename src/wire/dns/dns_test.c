#include "wire/dns/dns.h"

#include "ground/base/test.h"

#include <errno.h>

/* Packets are written by hand as text: bytes in hex, labels in quotes. */
static struct slice packet(struct arena *a, const char *text)
{
    char *out = arena_alloc(a, strlen(text) + 1);
    size_t n = 0;
    for (const char *p = text; *p;) {
        if (*p == '\'') {
            size_t len = strcspn(++p, "'");
            out[n++] = (char)len;
            memcpy(out + n, p, len);
            n += len;
            p += len + 1;
        } else if (*p == ' ') {
            p++;
        } else {
            unsigned byte = 0;
            sscanf(p, "%2x", &byte);
            out[n++] = (char)byte;
            p += 2;
        }
    }
    return slice_mem(out, n);
}

#define QUESTION "'_sips' '_tcp' 'example' 'com' 00 0021 0001 " /* at 0c; _tcp 12, example 17, 32 bytes */
#define SRV_HEADER "abcd 8580 0001 0002 0000 0002 "

TEST(srv_compressed)
{
    struct arena a = {0};
    struct slice p =
        packet(&a, SRV_HEADER QUESTION "c00c 0021 0001 00000e10 000c 0001 0002 13c5 03 414243 c017 "
                                       "c00c 0021 0001 00000e11 0007 0000 0000 0000 00 "
                                       "'abc' c017 0001 0001 0000003c 0004 c0000201 "
                                       "00 0029 1000 00000000 0000 ");
    struct dns_message m;
    CHECK_INT(dns_parse(p, &a, &m), 0);
    CHECK_INT(m.id, 0xabcd);
    CHECK(m.authoritative && !m.truncated && !m.authentic);
    CHECK_INT(m.rcode, DNS_NOERROR);
    CHECK_INT(m.n_answers, 2);
    CHECK_INT(m.n_authority, 0);
    CHECK_INT(m.n_additional, 1); /* without OPT */
    CHECK_STR(m.answers[0].name, "_sips._tcp.example.com");
    CHECK_INT(m.answers[0].ttl, 3600);
    CHECK_INT(m.answers[0].srv.priority, 1);
    CHECK_INT(m.answers[0].srv.weight, 2);
    CHECK_INT(m.answers[0].srv.port, 5061);
    CHECK_STR(m.answers[0].srv.target, "abc.example.com");
    CHECK_STR(m.answers[1].srv.target, "");
    CHECK_STR(m.additional[0].name, "abc.example.com");
    CHECK_SLICE(m.additional[0].address, slice_mem("\xc0\x00\x02\x01", 4));
    const struct dns_record *found[4];
    uint32_t ttl = 0;
    CHECK_INT(dns_answers(&m, SLICE("_SIPS._tcp.Example.com"), DNS_SRV, found, 4, &ttl), 2);
    CHECK_INT(ttl, 3600);
    CHECK_INT(dns_answers(&m, SLICE("_sips._tcp.example.com"), DNS_SRV, found, 1, &ttl), 1);
    CHECK_INT(dns_answers(&m, SLICE("_sips._tcp.example.com"), DNS_A, found, 4, &ttl), 0);
    arena_fini(&a);
}

/* The domain name compression of RFC 1035 section 4.1.4: F.ISI.ARPA, FOO.F.ISI.ARPA, ARPA and the root. */
TEST(compression_rfc1035)
{
    struct arena a = {0};
    struct slice p = packet(&a, "0001 8000 0000 0004 0000 0000 "
                                "'F' 'ISI' 'ARPA' 00 0001 0001 00000001 0004 01020304 "
                                "'FOO' c00c 0001 0001 00000001 0004 01020304 "
                                "c012 0002 0001 00000001 0002 c026 "
                                "00 0010 0001 00000001 0003 'hi' ");
    struct dns_message m;
    CHECK_INT(dns_parse(p, &a, &m), 0);
    CHECK_STR(m.answers[0].name, "f.isi.arpa");
    CHECK_STR(m.answers[1].name, "foo.f.isi.arpa");
    CHECK_STR(m.answers[2].name, "arpa");
    CHECK_STR(m.answers[2].target, "foo.f.isi.arpa");
    CHECK_STR(m.answers[3].name, "");
    CHECK_INT(m.answers[3].type, 16);
    CHECK_STR(m.answers[3].data, "\x02hi");
    arena_fini(&a);
}

/* The NAPTR records of RFC 3263 section 4.1, an address of IPv6, and a negative answer with its SOA. */
TEST(naptr_aaaa_soa)
{
    struct arena a = {0};
    struct slice p =
        packet(&a, "0001 81a3 0001 0002 0001 0000 'Example' 'com' 00 0023 0001 "
                   "c00c 0023 0001 00000064 001d 0032 0032 's' 'SIPS+D2T' 00 '_sips' '_tcp' c00c "
                   "c00c 001c 0001 80000000 0010 20010db8000000000000000000000001 "
                   "c00c 0006 0001 00000005 0026 'ns' c00c 0a 686f73742e6d61737465 c00c "
                   "00000007 00000001 00000002 00000003 00000004 ");
    struct dns_message m;
    CHECK_INT(dns_parse(p, &a, &m), 0);
    CHECK_INT(m.rcode, DNS_NXDOMAIN);
    CHECK(m.authentic);
    CHECK_INT(m.answers[0].naptr.order, 50);
    CHECK_INT(m.answers[0].naptr.preference, 50);
    CHECK_STR(m.answers[0].naptr.flags, "s");
    CHECK_STR(m.answers[0].naptr.services, "SIPS+D2T");
    CHECK_STR(m.answers[0].naptr.regexp, "");
    CHECK_STR(m.answers[0].naptr.replacement, "_sips._tcp.example.com");
    CHECK_INT(m.answers[1].address.n, 16);
    CHECK_INT(m.answers[1].ttl, 0); /* the highest bit was set */
    CHECK_STR(m.authority[0].soa.mname, "ns.example.com");
    CHECK_INT(m.authority[0].soa.serial, 7);
    CHECK_INT(m.authority[0].soa.minimum, 4);
    arena_fini(&a);
}

TEST(refused)
{
    static const char *const TABLE[] = {
        "",
        "0001 8000 0000 0000 0000",                                                /* no whole header */
        "0001 0100 0001 0000 0000 0000 'a' 00 0001 0001",                          /* a question */
        "0001 8000 0000 0001 0000 0000",                                           /* the record is missing */
        "0001 8000 0000 ffff 0000 0000 00 0001 0001 00000000 0004 01020304",       /* too many */
        "0001 8000 0000 0001 0000 0000 00 0001 0001 00000000 0005 01020304",       /* length beyond the end */
        "0001 8000 0000 0001 0000 0000 00 0001 0001 00000000 0003 010203",         /* A of 3 bytes */
        "0001 8000 0000 0001 0000 0000 00 0001 0001 00000000 0005 0102030405",     /* A of 5 bytes */
        "0001 8000 0000 0001 0000 0000 00 001c 0001 00000000 0004 01020304",       /* AAAA of 4 bytes */
        "0001 8000 0000 0001 0000 0000 00 0021 0001 00000000 0006 000100020003",   /* SRV without target */
        "0001 8000 0000 0001 0000 0000 00 0005 0001 00000000 0002 'a' 00",         /* name beyond its data */
        "0001 8000 0000 0001 0000 0000 00 0005 0001 00000000 0004 'a' 00 00",      /* data behind the name */
        "0001 8000 0000 0001 0000 0000 c00c 0001 0001 00000000 0004 01020304",     /* pointer to itself */
        "0001 8000 0000 0001 0000 0000 'a' c00c 0001 0001 00000000 0004 01020304", /* loop */
        "0001 8000 0000 0001 0000 0000 c00e 00 0001 0001 00000000 0004 01020304",  /* forwards */
        "0001 8000 0000 0001 0000 0000 c000 0001 0001 00000000 0004 01020304",     /* into the header */
        "0001 8000 0000 0001 0000 0000 c0",                                        /* half a pointer */
        "0001 8000 0000 0001 0000 0000 40 0001 0001 00000000 0004 01020304",       /* RFC 2673 label */
        "0001 8000 0000 0001 0000 0000 00 0023 0001 00000000 0008 0001 0002 'ab' 09", /* string too long */
        "0001 8000 0000 0000 0000 0000 00", /* something behind the end */
    };
    for (size_t i = 0; i < sizeof(TABLE) / sizeof(TABLE[0]); i++) {
        struct arena a = {0};
        struct dns_message m;
        if (dns_parse(packet(&a, TABLE[i]), &a, &m) != -EBADMSG)
            TEST_DIAG("%s was accepted", TABLE[i]);
        arena_fini(&a);
    }
}

/* Wildcards and other names that no host has: such a record is left out, the others stay. */
TEST(odd_names)
{
    struct arena a = {0};
    struct slice p = packet(&a, "0001 8000 0000 0006 0002 0000 "
                                "'a.b' 00 0001 0001 00000000 0004 01020304 "
                                "'a b' 00 0001 0001 00000000 0004 01020304 "
                                "02 6100 00 0001 0001 00000000 0004 01020304 "
                                "'a' 00 0021 0001 00000000 000b 0001 0002 0003 'b b' 00 "
                                "'a' 00 0021 0001 00000000 0009 0001 0002 0003 'b' 00 "
                                "'a' 00 0005 0001 00000000 0003 '*' 00 "
                                "'*' 00 002f 0001 00000000 0001 00 "
                                "'a' 00 002f 0001 00000000 0003 '*' 00 ");
    struct dns_message m;
    CHECK_INT(dns_parse(p, &a, &m), 0);
    CHECK_INT(m.n_answers, 1);
    CHECK_STR(m.answers[0].srv.target, "b");
    CHECK_INT(m.n_authority, 1);
    CHECK_STR(m.authority[0].name, "a");
    arena_fini(&a);
}

/* Every beginning of a good message is refused. */
TEST(cut_off)
{
    struct arena a = {0};
    struct slice p = packet(&a, "abcd 8580 0001 0001 0000 0000 " QUESTION
                                "c00c 0021 0001 00000e10 000c 0001 0002 13c5 'abc' c017 ");
    struct dns_message m;
    CHECK_INT(dns_parse(p, &a, &m), 0);
    for (size_t n = 0; n < p.n; n++)
        CHECK_INT(dns_parse(slice_head(p, n), &a, &m), -EBADMSG);
    arena_fini(&a);
}

static struct slice long_name_packet(struct arena *a, unsigned labels, char last)
{
    struct buf b = {0};
    buf_append_mem(&b, "\0\1\x80\0\0\0\0\1\0\0\0\0", 12);
    for (unsigned i = 0; i < labels; i++)
        buf_append(&b, SLICE("\x0f"
                             "abcdefghijklmno"));
    buf_append_char(&b, last);
    for (char i = 0; i < last; i++)
        buf_append_char(&b, 'x');
    buf_append_mem(&b, "\0\0\x10\0\1\0\0\0\1\0\0", 11);
    struct slice s = arena_copy(a, buf_slice(&b));
    buf_fini(&b);
    return s;
}

TEST(longest_name)
{
    struct arena a = {0};
    struct dns_message m;
    CHECK_INT(dns_parse(long_name_packet(&a, 15, 13), &a, &m), 0); /* 240 + 14 + 1 = 255 */
    CHECK_INT(m.answers[0].name.n, 253);
    CHECK_INT(dns_parse(long_name_packet(&a, 15, 14), &a, &m), -EBADMSG);
    arena_fini(&a);
}

TEST(cname_chain)
{
    struct arena a = {0};
    struct slice p = packet(&a, "0001 8000 0000 0004 0000 0000 "
                                "'a' 00 0005 0001 00000064 0003 'b' 00 "
                                "'b' 00 0005 0001 00000032 0003 'c' 00 "
                                "'c' 00 0001 0001 00000063 0004 01020304 "
                                "'l' 00 0005 0001 00000064 0003 'l' 00 ");
    struct dns_message m;
    const struct dns_record *found[2];
    uint32_t ttl = 7;
    CHECK_INT(dns_parse(p, &a, &m), 0);
    CHECK_INT(dns_answers(&m, SLICE("A"), DNS_A, found, 2, &ttl), 1);
    CHECK_INT(ttl, 0x32);
    CHECK(found[0]->address.p[3] == 4);
    CHECK_INT(dns_answers(&m, SLICE("a"), DNS_AAAA, found, 2, &ttl), 0);
    CHECK_INT(dns_answers(&m, SLICE("l"), DNS_A, found, 2, &ttl), 0);
    CHECK_INT(dns_answers(&m, SLICE("a"), DNS_CNAME, found, 2, &ttl), 1);
    CHECK_INT(ttl, 0x64);
    arena_fini(&a);
}

/* DNS_MAX_CNAMES are followed, one more is not. */
TEST(cname_limit)
{
    struct arena a = {0};
    struct dns_record records[DNS_MAX_CNAMES + 2];
    struct dns_message m = {.answers = records, .n_answers = DNS_MAX_CNAMES + 2};
    for (unsigned i = 0; i < DNS_MAX_CNAMES + 2; i++)
        records[i] = (struct dns_record){.name = arena_printf(&a, "n%u", i),
                                         .type = i <= DNS_MAX_CNAMES ? DNS_CNAME : DNS_A,
                                         .target = arena_printf(&a, "n%u", i + 1)};
    const struct dns_record *found[1];
    uint32_t ttl;
    CHECK_INT(dns_answers(&m, SLICE("n1"), DNS_A, found, 1, &ttl), 1);
    CHECK_INT(dns_answers(&m, SLICE("n0"), DNS_A, found, 1, &ttl), 0);
    arena_fini(&a);
}

static uint32_t lcg(void *arg)
{
    uint32_t *x = arg;
    *x = *x * 1664525 + 1013904223;
    return *x >> 8;
}

static uint32_t fixed(void *arg)
{
    return *(uint32_t *)arg;
}

/* RFC 2782: priorities in order; within one, the share of first places follows the weights. */
TEST(srv_order)
{
    struct dns_record r[] = {
        {.srv = {.priority = 2, .weight = 0}},  {.srv = {.priority = 1, .weight = 60}},
        {.srv = {.priority = 1, .weight = 20}}, {.srv = {.priority = 1, .weight = 20}},
        {.srv = {.priority = 0, .weight = 0}},
    };
    unsigned first[5] = {0};
    uint32_t x = 42;
    for (unsigned i = 0; i < 10000; i++) {
        const struct dns_record *v[] = {&r[0], &r[1], &r[2], &r[3], &r[4]};
        dns_srv_order(v, 5, lcg, &x);
        CHECK(v[0] == &r[4] && v[4] == &r[0]);
        first[v[1] - r]++;
    }
    CHECK(first[1] > 5700 && first[1] < 6300);
    CHECK(first[2] > 1700 && first[2] < 2300);
    CHECK(first[3] > 1700 && first[3] < 2300);
}

TEST(srv_order_weight_zero)
{
    struct dns_record r[] = {{.srv = {.weight = 5}}, {.srv = {.weight = 0}}};
    const struct dns_record *v[] = {&r[0], &r[1]};
    uint32_t drawn = 0; /* the only number that leads to weight 0 first */
    dns_srv_order(v, 2, fixed, &drawn);
    CHECK(v[0] == &r[1]);
    drawn = 1;
    dns_srv_order(v, 2, fixed, &drawn);
    CHECK(v[0] == &r[0]);
    drawn = UINT32_MAX;
    dns_srv_order(v, 1, fixed, &drawn);
    dns_srv_order(NULL, 0, fixed, &drawn);
}

TEST(question)
{
    struct arena a = {0};
    struct buf out = {0};
    CHECK_INT(dns_question_write(0xabcd, SLICE("_sips._TCP.example.com"), DNS_SRV, &out), 0);
    CHECK_SLICE(buf_slice(&out), packet(&a, "abcd 0100 0001 0000 0000 0000 " QUESTION));
    buf_clear(&out, 0);
    CHECK_INT(dns_question_write(1, SLICE(""), DNS_NS, &out), 0);
    CHECK_SLICE(buf_slice(&out), packet(&a, "0001 0100 0001 0000 0000 0000 00 0002 0001"));
    buf_clear(&out, 0);
    static const char *const BAD[] = {
        ".",          "a.",
        ".a",         "a..b",
        "a b",        "*",
        "a.\xc3\xa4", "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl", /* 64 */
    };
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
        CHECK_INT(dns_question_write(1, slice_str(BAD[i]), DNS_A, &out), -EINVAL);
    char name[254];
    memset(name, 'a', sizeof(name));
    for (size_t i = 10; i < sizeof(name); i += 11)
        name[i] = '.';
    CHECK_INT(dns_question_write(1, slice_mem(name, 254), DNS_A, &out), -EINVAL);
    CHECK_INT(buf_len(&out), 0);
    CHECK_INT(dns_question_write(1, slice_mem(name, 252), DNS_A, &out), 0);
    buf_fini(&out);
    arena_fini(&a);
}

TEST_MAIN(srv_compressed, compression_rfc1035, naptr_aaaa_soa, refused, odd_names, cut_off, longest_name,
          cname_chain, cname_limit, srv_order, srv_order_weight_zero, question)
