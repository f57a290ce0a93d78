#include "wire/dns/dns.h"

#include "ground/base/test.h"
#include "ground/base/text.h"

#include <errno.h>

/* Made by an independent writing of RFC 2136 and RFC 8945: key "ddns-key.contoso.example", secret 00 01 ..
 * 1f, signed at 1700000000. */
static const char UPDATE[] =
    "12342800000100000003000007636f6e746f736f076578616d706c650000060001115f73697066656465726174696f6e"
    "746c73045f74637007636f6e746f736f076578616d706c6500002100ff000000000000115f7369706665646572617469"
    "6f6e746c73045f74637007636f6e746f736f076578616d706c6500002100010000012c001d000a000513c50565646765"
    "3207636f6e746f736f076578616d706c650005656467653207636f6e746f736f076578616d706c650000010001000000"
    "3c0004c0000207";
static const char SIGNED[] =
    "12342800000100000003000107636f6e746f736f076578616d706c650000060001115f73697066656465726174696f6e"
    "746c73045f74637007636f6e746f736f076578616d706c6500002100ff000000000000115f7369706665646572617469"
    "6f6e746c73045f74637007636f6e746f736f076578616d706c6500002100010000012c001d000a000513c50565646765"
    "3207636f6e746f736f076578616d706c650005656467653207636f6e746f736f076578616d706c650000010001000000"
    "3c0004c00002070864646e732d6b657907636f6e746f736f076578616d706c650000fa00ff00000000003d0b686d6163"
    "2d7368613235360000006553f100012c0020003e8a14f504b1251fc9982ed3854d7925cc69f1d2cf2dc5c255aaaf7624"
    "11a9123400000000";
static const char ANSWER[] =
    "1234a800000100000000000107636f6e746f736f076578616d706c6500000600010864646e732d6b657907636f6e746f"
    "736f076578616d706c650000fa00ff00000000003d0b686d61632d7368613235360000006553f100012c00205f2572e6"
    "5b54e6a3dcfc394515a3c8da81ab457308482043e1fc68bc2bfc51be123400000000";
static const char ANSWER_BADTIME[] =
    "1234a800000100000000000107636f6e746f736f076578616d706c6500000600010864646e732d6b657907636f6e746f"
    "736f076578616d706c650000fa00ff0000000000430b686d61632d7368613235360000006553f100012c0020a6f9de9e"
    "0bb8961b80633918997962a56faf51a70b35889c546fed4e2bfb68c612340012000600006553f4e8";
static const char ANSWER_NO_REQUEST_MAC[] =
    "1234a800000100000000000107636f6e746f736f076578616d706c6500000600010864646e732d6b657907636f6e746f"
    "736f076578616d706c650000fa00ff00000000003d0b686d61632d7368613235360000006553f100012c00204f7c03a5"
    "d1a883b43ca408cf7407088c26b6b35207c6e0c20e3ea8672f3bf15c123400000000";
static const char ANSWER_UNSIGNED[] = "1234a809000100000000000007636f6e746f736f076578616d706c650000060001";

static const uint64_t NOW = 1700000000;
static const struct slice ZONE = SLICE_INIT("contoso.example");
static const struct dns_change CHANGES[] = {
    {.name = SLICE_INIT("_sipfederationtls._tcp.contoso.example"), .type = DNS_SRV},
    { true, SLICE_INIT("_sipfederationtls._tcp.contoso.example"), DNS_SRV, 300,
     SLICE_INIT("10 5 5061 edge2.contoso.example")},
    {                                 true, SLICE_INIT("edge2.contoso.example"),                  DNS_A, 60, SLICE_INIT("192.0.2.7")},
};

static struct dns_tsig_key the_key(void)
{
    static char secret[32];
    for (char i = 0; i < 32; i++)
        secret[(size_t)i] = i;
    return (struct dns_tsig_key){SLICE("DDNS-key.contoso.example"), slice_mem(secret, sizeof(secret))};
}

static struct slice bytes(struct arena *a, const char *hex)
{
    size_t n = strlen(hex) / 2;
    void *p = arena_alloc(a, n);
    CHECK_INT(text_unhex(slice_str(hex), p, n), (ssize_t)n);
    return slice_mem(p, n);
}

TEST(update)
{
    struct arena a = {0};
    struct buf out = {0};
    CHECK_INT(dns_update_write(0x1234, ZONE, CHANGES, 3, NULL, NOW, &out), 0);
    CHECK_SLICE(buf_slice(&out), bytes(&a, UPDATE));
    buf_fini(&out);
    arena_fini(&a);
}

TEST(update_signed)
{
    struct arena a = {0};
    struct buf out = {0};
    struct dns_tsig_key key = the_key();
    CHECK_INT(dns_update_write(0x1234, ZONE, CHANGES, 3, &key, NOW, &out), 0);
    CHECK_SLICE(buf_slice(&out), bytes(&a, SIGNED));
    buf_fini(&out);
    arena_fini(&a);
}

TEST(update_data)
{
    static const struct {
        uint16_t type;
        const char *data;
        int r;
    } TABLE[] = {
        {DNS_A,     "192.0.2.1",     0      },
        {DNS_A,     "192.0.2.256",   -EINVAL},
        {DNS_A,     "2001:db8::1",   -EINVAL},
        {DNS_A,     "",              -EINVAL},
        {DNS_AAAA,  "2001:db8::1",   0      },
        {DNS_AAAA,  "192.0.2.1",     -EINVAL},
        {DNS_SRV,   "0 0 5061 a.b",  0      },
        {DNS_SRV,   "0 0 0 .",       0      },
        {DNS_SRV,   "0 0 65536 a.b", -EINVAL},
        {DNS_SRV,   "0 0 5061 a b",  -EINVAL},
        {DNS_SRV,   "0 5061 a.b",    -EINVAL},
        {DNS_SRV,   "0 0 5061",      -EINVAL},
        {DNS_CNAME, "edge.example",  0      },
        {DNS_CNAME, "edge..example", -EINVAL},
        {DNS_NAPTR, "anything",      -EINVAL},
    };
    struct buf out = {0};
    for (size_t i = 0; i < sizeof(TABLE) / sizeof(TABLE[0]); i++) {
        struct dns_change c = {true, SLICE("x.contoso.example"), TABLE[i].type, 60, slice_str(TABLE[i].data)};
        int r = dns_update_write(1, ZONE, &c, 1, NULL, 0, &out);
        if (r != TABLE[i].r || (r == 0) != (buf_len(&out) > 0))
            TEST_DIAG("%s: %d", TABLE[i].data, r);
        buf_clear(&out, 4096);
    }
    struct dns_change outside = {.name = SLICE("contoso.example.org"), .type = DNS_A};
    CHECK_INT(dns_update_write(1, ZONE, &outside, 1, NULL, 0, &out), -EINVAL);
    CHECK_INT(dns_update_write(1, SLICE(""), &outside, 1, NULL, 0, &out), 0);
    CHECK_INT(dns_update_write(1, ZONE, &outside, DNS_MAX_RECORDS + 1, NULL, 0, &out), -EINVAL);
    buf_fini(&out);
}

TEST(verify)
{
    struct arena a = {0};
    struct dns_tsig_key key = the_key();
    struct slice request = bytes(&a, SIGNED), answer = bytes(&a, ANSWER);
    CHECK_INT(dns_update_verify(answer, request, &key, NOW), 0);
    CHECK_INT(dns_update_verify(answer, request, &key, NOW + 300), 0);
    CHECK_INT(dns_update_verify(answer, request, &key, NOW - 300), 0);
    CHECK_INT(dns_update_verify(answer, request, &key, NOW + 301), -EKEYREJECTED);
    CHECK_INT(dns_update_verify(answer, request, &key, NOW - 301), -EKEYREJECTED);
    CHECK_INT(dns_update_verify(bytes(&a, ANSWER_NO_REQUEST_MAC), request, &key, NOW), -EKEYREJECTED);
    CHECK_INT(dns_update_verify(bytes(&a, ANSWER_BADTIME), request, &key, NOW), -EKEYREJECTED);
    CHECK_INT(dns_update_verify(bytes(&a, ANSWER_UNSIGNED), request, &key, NOW), -EKEYREJECTED);
    CHECK_INT(dns_update_verify(request, request, &key, NOW), -EBADMSG); /* mirrored */
    struct dns_tsig_key other = {key.name, SLICE("secret")}, unknown = {SLICE("other"), key.secret};
    CHECK_INT(dns_update_verify(answer, request, &other, NOW), -EKEYREJECTED);
    CHECK_INT(dns_update_verify(answer, request, &unknown, NOW), -EKEYREJECTED);
    arena_fini(&a);
}

/* No byte of the answer can be changed, nor cut off. */
TEST(verify_altered)
{
    struct arena a = {0};
    struct dns_tsig_key key = the_key();
    struct slice request = bytes(&a, SIGNED), answer = bytes(&a, ANSWER);
    for (size_t i = 0; i < answer.n; i++) {
        char *copy = (char *)arena_copy(&a, answer).p;
        copy[i] ^= 1;
        int r = dns_update_verify(slice_mem(copy, answer.n), request, &key, NOW);
        if (r != -EKEYREJECTED && r != -EBADMSG)
            TEST_DIAG("byte %zu changed: %d", i, r);
        CHECK(dns_update_verify(slice_head(answer, i), request, &key, NOW) < 0);
    }
    arena_fini(&a);
}

TEST_MAIN(update, update_signed, update_data, verify, verify_altered)
