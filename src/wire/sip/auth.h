/*
 * sip/auth.h - digest authentication (RFC 3261 section 22, RFC 7616, RFC 8760): headers and arithmetic.
 *
 * Pure: nonces, their age and counts are the caller's. HA1 here is H(user:realm:password), as hex text.
 */
#pragma once

#include "ground/base/buf.h"
#include "ground/crypto/hash.h"

#define SIP_DIGESTS(X)                                                                                       \
    X(SHA_512_256, "SHA-512-256", CRYPTO_HASH_SHA512_256)                                                    \
    X(SHA_256, "SHA-256", CRYPTO_HASH_SHA256)                                                                \
    X(MD5, "MD5", CRYPTO_HASH_MD5)
#define SIP_DIGEST_ENUM(id, name, hash) SIP_DIGEST_##id,
enum sip_digest { SIP_DIGESTS(SIP_DIGEST_ENUM) SIP_DIGEST_COUNT };
enum { SIP_HA1_MAX = 64 + 1 };

const char *sip_digest_name(enum sip_digest d);
int sip_digest_parse(struct slice name, enum sip_digest *ret); /* any case; -EINVAL */

/*
 * An Authorization or Proxy-Authorization value. What was quoted comes without quotes, its escapes kept:
 * sip_unquote (sip/value.h) before comparing username or realm with anything. The arithmetic below does so
 * itself.
 */
struct sip_credentials {
    struct slice username, realm, nonce, uri, response, cnonce, opaque, nc, qop;
    enum sip_digest digest;
    bool sess; /* algorithm ends in -sess */
    bool has_qop;
    uint32_t nonce_count;
};
/* 0; -EINVAL malformed, a parameter twice, or not Digest; -ENOTSUP an algorithm or qop not known, or a hashed
 * or encoded user name (RFC 7616 3.4.4). `response` is hex of the algorithm's length. */
int sip_credentials_parse(struct slice value, struct sip_credentials *ret);

/* H(username:realm:password) in hex, NUL-terminated. */
void sip_digest_ha1(enum sip_digest d, struct slice username, struct slice realm, struct slice password,
                    char out[SIP_HA1_MAX]);
/* The answer expected for these credentials, in hex, NUL-terminated (qop none, auth, auth-int; -sess). */
void sip_digest_response(const struct sip_credentials *c, struct slice ha1, struct slice method,
                         struct slice body, char out[SIP_HA1_MAX]);
/* Is `response` that answer? In constant time. */
bool sip_credentials_match(const struct sip_credentials *c, struct slice ha1, struct slice method,
                           struct slice body);
/* A challenge value: Digest realm="…", nonce="…", algorithm=…, qop="auth", stale=true where told. */
void sip_challenge_write(enum sip_digest d, struct slice realm, struct slice nonce, bool stale,
                         struct buf *out);
/* A challenge as a client reads it; quoted values as above. */
struct sip_challenge {
    struct slice realm, nonce, opaque;
    struct slice qop; /* the list as sent, empty when absent */
    enum sip_digest digest;
    bool sess, stale;
};
/* 0; -EINVAL; -ENOTSUP an algorithm not known, or a qop without auth and auth-int. */
int sip_challenge_parse(struct slice value, struct sip_challenge *ret);
