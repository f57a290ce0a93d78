#include "wire/sip/auth.h"

#include <errno.h>

#include "ground/base/test.h"
#include "wire/sip/auth_vectors_for_test.h"
#include "wire/sip/value.h"

enum { N_VECTORS = sizeof(digest_vectors) / sizeof(digest_vectors[0]) };

static void append_field(struct buf *b, const char *name, const char *value)
{
    if (!value)
        return;
    buf_printf(b, ", %s=\"", name);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            buf_append_char(b, '\\');
        buf_append_char(b, *value);
    }
    buf_append_char(b, '"');
}

/* The row as an Authorization value, everything quoted that may be. */
static void write_credentials(const struct digest_vector *v, struct buf *b)
{
    buf_printf(b, "Digest algorithm=%s", v->algorithm);
    append_field(b, "username", v->username);
    append_field(b, "realm", v->realm);
    append_field(b, "nonce", v->nonce);
    append_field(b, "uri", v->uri);
    append_field(b, "cnonce", v->cnonce);
    append_field(b, "response", v->response);
    if (v->qop)
        buf_printf(b, ", qop=%s, nc=%s", v->qop, v->nc);
}

static void check_vector(const struct digest_vector *v)
{
    struct buf b = {0};
    struct arena a = {0};
    struct sip_credentials c;
    char ha1[SIP_HA1_MAX], response[SIP_HA1_MAX];
    struct slice method = slice_str(v->method), body = slice_str(v->body);
    write_credentials(v, &b);
    if (sip_credentials_parse(buf_slice(&b), &c) < 0) {
        TEST_DIAG("does not parse: " SLICE_FMT, SLICE_ARG(buf_slice(&b)));
    } else {
        CHECK_STR(sip_unquote(c.username, &a), v->username);
        CHECK_STR(sip_unquote(c.realm, &a), v->realm);
        sip_digest_ha1(c.digest, slice_str(v->username), slice_str(v->realm), slice_str(v->password), ha1);
        if (!c.sess) /* the table's value is after -sess */
            CHECK_STR(slice_str(ha1), v->ha1);
        sip_digest_response(&c, slice_str(ha1), method, body, response);
        CHECK_STR(slice_str(response), v->response);
        CHECK(sip_credentials_match(&c, slice_str(ha1), method, body));
        CHECK(!sip_credentials_match(&c, slice_str(ha1), SLICE("BYE"), body));
        ha1[0] = ha1[0] == 'f' ? '0' : 'f';
        CHECK(!sip_credentials_match(&c, slice_str(ha1), method, body));
    }
    if (test_failures)
        printf("# in %s, %s\n", v->source, v->algorithm);
    buf_fini(&b);
    arena_fini(&a);
}

TEST(vectors)
{
    CHECK_INT(N_VECTORS, 21);
    for (size_t i = 0; i < N_VECTORS; i++)
        check_vector(&digest_vectors[i]);
}

TEST(names)
{
    enum sip_digest d;
    CHECK_STR(slice_str(sip_digest_name(SIP_DIGEST_SHA_512_256)), "SHA-512-256");
    CHECK_STR(slice_str(sip_digest_name(SIP_DIGEST_MD5)), "MD5");
    CHECK_INT(sip_digest_parse(SLICE("sha-256"), &d), 0);
    CHECK_INT(d, SIP_DIGEST_SHA_256);
    CHECK_INT(sip_digest_parse(SLICE("SHA-1"), &d), -EINVAL);
    CHECK_INT(sip_digest_parse(SLICE("MD5-sess"), &d), -EINVAL);
}

/* RFC 3261 22.4 has this form: no qop, MD5 by default. */
TEST(credentials)
{
    struct sip_credentials c;
    CHECK_INT(sip_credentials_parse(SLICE("digest  username=\"Alice, \\\"A\\\"\" ,realm = \"atlanta.com\",,\t"
                                          "nonce=\"84a4cc6f3082121f32b42a2187831a9e\",\r\n "
                                          "response=\"7587245234b3434cc3412213e5f113a5\",URI=\"sip:b@c;d=e\","
                                          "auth-param=x, opaque=\"\" "),
                                    &c),
              0);
    CHECK_STR(c.username, "Alice, \\\"A\\\"");
    CHECK_STR(c.realm, "atlanta.com");
    CHECK_STR(c.nonce, "84a4cc6f3082121f32b42a2187831a9e");
    CHECK_STR(c.uri, "sip:b@c;d=e");
    CHECK_INT(c.digest, SIP_DIGEST_MD5);
    CHECK(!c.sess && !c.has_qop);

    CHECK_INT(
        sip_credentials_parse(SLICE("Digest username=\"a\",realm=\"r\",nonce=\"n\",uri=\"u\",qop=\"auth\","
                                    "nc=000000fF,cnonce=\"c\",algorithm=\"md5-SESS\","
                                    "response=\"7587245234b3434cc3412213e5f113a5\",userhash=false"),
                              &c),
        0);
    CHECK(c.sess && c.has_qop);
    CHECK_INT(c.nonce_count, 255);
    CHECK_STR(c.nc, "000000fF");
}

#define BASE "Digest username=\"a\",realm=\"r\",nonce=\"n\",uri=\"u\""
#define ANSWER ",response=\"7587245234b3434cc3412213e5f113a5\""
TEST(bad_credentials)
{
    static const struct {
        const char *value;
        int r;
    } rows[] = {
        {BASE ANSWER,                                                          0       },
        {"",                                                                   -EINVAL },
        {"Digest",                                                             -EINVAL },
        {"Digest ",                                                            -EINVAL },
        {"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",                                 -EINVAL },
        {"Digestusername=\"a\"",                                               -EINVAL },
        {BASE,                                                                 -EINVAL },
        {"Digest realm=\"r\",nonce=\"n\",uri=\"u\"" ANSWER,                    -EINVAL },
        {"Digest username=\"a\",nonce=\"n\",uri=\"u\"" ANSWER,                 -EINVAL },
        {BASE ANSWER ",realm=\"s\"",                                           -EINVAL },
        {BASE ANSWER ",Nonce=\"n\"",                                           -EINVAL },
        {BASE ANSWER " x=y",                                                   -EINVAL },
        {BASE ANSWER ",x",                                                     -EINVAL },
        {BASE ANSWER ",=y",                                                    -EINVAL },
        {BASE ANSWER ",x=",                                                    -EINVAL },
        {BASE ANSWER ",x=\"y",                                                 -EINVAL },
        {BASE ANSWER ",x=\"y\\\"",                                             -EINVAL },
        {BASE ANSWER ",x=y\"z\"",                                              -EINVAL },
        {BASE ANSWER ",x=y\\z",                                                -EINVAL },
        {BASE ANSWER ",x=y\x01z",                                              -EINVAL },
        {BASE ANSWER ",x\"=y",                                                 -EINVAL },
        {BASE ANSWER ",x,y=z",                                                 -EINVAL },
        {BASE ",response=\"7587\"",                                            -EINVAL },
        {BASE ",response=\"7587245234b3434cc3412213e5f113ag\"",                -EINVAL },
        {BASE ANSWER ",algorithm=SHA-256",                                     -EINVAL }, /* the answer is too short for it */
        {BASE ANSWER ",algorithm=MD5-sess",                                    -EINVAL },
        {BASE ANSWER ",qop=auth",                                              -EINVAL },
        {BASE ANSWER ",qop=auth,cnonce=\"c\"",                                 -EINVAL },
        {BASE ANSWER ",qop=auth,nc=00000001",                                  -EINVAL },
        {BASE ANSWER ",qop=auth,cnonce=\"c\",nc=1",                            -EINVAL },
        {BASE ANSWER ",qop=auth,cnonce=\"c\",nc=0000000g",                     -EINVAL },
        {BASE ANSWER ",qop=auth,cnonce=\"c\",nc=00000001",                     0       },
        {BASE ANSWER ",qop=auth-conf,cnonce=\"c\",nc=00000001",                -ENOTSUP},
        {BASE ANSWER ",algorithm=SHA-1",                                       -ENOTSUP},
        {BASE ANSWER ",algorithm=AKAv1-MD5",                                   -ENOTSUP},
        {BASE ANSWER ",algorithm=\"\"",                                        -ENOTSUP},
        {BASE ANSWER ",userhash=true",                                         -ENOTSUP},
        {BASE ANSWER ",username*=UTF-8''a",                                    -EINVAL },
        {"Digest username*=UTF-8''a,realm=\"r\",nonce=\"n\",uri=\"u\"" ANSWER, -ENOTSUP},
    };
    struct sip_credentials c;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int r = sip_credentials_parse(slice_str(rows[i].value), &c);
        if (r != rows[i].r)
            TEST_DIAG("%d, not %d: %s", r, rows[i].r, rows[i].value);
    }
    static const char zero[] = BASE ANSWER ",x=y\0z";
    CHECK_INT(sip_credentials_parse(slice_mem(zero, sizeof(zero) - 1), &c), -EINVAL);
}

TEST(upper_case_answer)
{
    struct sip_credentials c;
    char ha1[SIP_HA1_MAX];
    CHECK_INT(sip_credentials_parse(SLICE("Digest username=\"bob\",realm=\"biloxi.example.com\","
                                          "nonce=\"ea9c8e88df84f1cec4341ae6cbe5a359\","
                                          "uri=\"sip:biloxi.example.com\","
                                          "response=\"09557870B7086BF9D577D8CCFF1CE5FF\""),
                                    &c),
              0);
    sip_digest_ha1(c.digest, c.username, c.realm, SLICE("zanzibar"), ha1);
    CHECK(sip_credentials_match(&c, slice_str(ha1), SLICE("REGISTER"), SLICE_NONE));
}

TEST(challenges)
{
    struct buf b = {0};
    struct sip_challenge c;
    sip_challenge_write(SIP_DIGEST_SHA_256, SLICE("a \"b\"\\\r\n"), SLICE("n0nce"), false, &b);
    CHECK_STR(buf_slice(&b),
              "Digest realm=\"a \\\"b\\\"\\\\\", nonce=\"n0nce\", algorithm=SHA-256, qop=\"auth\"");
    CHECK_INT(sip_challenge_parse(buf_slice(&b), &c), 0);
    CHECK_STR(c.realm, "a \\\"b\\\"\\\\");
    CHECK_STR(c.nonce, "n0nce");
    CHECK_STR(c.qop, "auth");
    CHECK_INT(c.digest, SIP_DIGEST_SHA_256);
    CHECK(!c.sess && !c.stale);
    buf_clear(&b, 0);
    sip_challenge_write(SIP_DIGEST_MD5, SLICE("r"), SLICE("n"), true, &b);
    CHECK_STR(buf_slice(&b), "Digest realm=\"r\", nonce=\"n\", algorithm=MD5, qop=\"auth\", stale=true");
    CHECK_INT(sip_challenge_parse(buf_slice(&b), &c), 0);
    CHECK(c.stale);
    buf_fini(&b);

    /* RFC 3261 20.27 */
    CHECK_INT(sip_challenge_parse(SLICE("Digest realm=\"atlanta.com\", domain=\"sip:ss1.carrier.com\", "
                                        "qop=\"auth,auth-int\", nonce=\"f84f1cec41e6cbe5aea9c8e88d359\", "
                                        "opaque=\"\", stale=FALSE, algorithm=MD5"),
                                  &c),
              0);
    CHECK_STR(c.qop, "auth,auth-int");
    CHECK_STR(c.opaque, "");
    CHECK(!c.stale);
    CHECK_INT(sip_challenge_parse(SLICE("Digest realm=\"r\", nonce=\"n\""), &c), 0);
    CHECK_INT(c.digest, SIP_DIGEST_MD5);
    CHECK_INT(sip_challenge_parse(SLICE("Digest realm=\"r\""), &c), -EINVAL);
    CHECK_INT(sip_challenge_parse(SLICE("NTLM realm=\"r\", nonce=\"n\""), &c), -EINVAL);
    CHECK_INT(sip_challenge_parse(SLICE("Digest realm=\"r\", nonce=\"n\", algorithm=X"), &c), -ENOTSUP);
    CHECK_INT(sip_challenge_parse(SLICE("Digest realm=\"r\", nonce=\"n\", qop=\"x, y\""), &c), -ENOTSUP);
}

TEST_MAIN(vectors, names, credentials, bad_credentials, upper_case_answer, challenges)
