/*
 * crypto/cert.h - keys, certificates, requests, an authority; signatures; sealing. Wraps OpenSSL.
 *
 * Objects are reference-counted and immutable (atomic counts): they may be shared between threads. Text forms
 * are PEM. Errors: -EBADMSG not parsable, -ENOKEY key and certificate do not belong together, -EKEYREJECTED
 * signature or trust failed. crypto_error() has OpenSSL's words for the last failure on this thread.
 */
#pragma once

#include "ground/base/arena.h"
#include "ground/base/buf.h"

struct crypto_key;   /* private key */
struct crypto_cert;  /* a certificate, with its chain where one was read */
struct crypto_trust; /* set of trusted roots */

const char *crypto_error(void);

/* --- keys --- */
struct crypto_key *crypto_key_new(void); /* ECDSA P-256 */
int crypto_key_parse(struct slice pem, struct crypto_key **ret);
void crypto_key_write(const struct crypto_key *k, struct buf *out); /* PKCS#8 PEM: secret */
struct crypto_key *crypto_key_ref(struct crypto_key *k);
void crypto_key_unref(struct crypto_key *k); /* NULL is fine */
/* SHA-256 of its SubjectPublicKeyInfo, as crypto_cert_key_id has it of a certificate for this key. */
void crypto_key_id(const struct crypto_key *k, unsigned char out[32]);
/* ECDSA or RSA signature with SHA-256 over text; DER. */
int crypto_sign(struct crypto_key *k, struct slice text, struct buf *out);

/* --- certificates --- */
/* First certificate is the leaf, the rest (up to CRYPTO_MAX_CHAIN) its chain. */
enum { CRYPTO_MAX_CHAIN = 8, CRYPTO_MAX_NAMES = 256 };
int crypto_cert_parse(struct slice pem, struct crypto_cert **ret);
void crypto_cert_write(const struct crypto_cert *c, struct buf *out); /* leaf and chain */
struct crypto_cert *crypto_cert_ref(const struct crypto_cert *c);
void crypto_cert_unref(const struct crypto_cert *c);
int crypto_cert_matches(const struct crypto_cert *c, const struct crypto_key *k); /* 0 or -ENOKEY */
int crypto_cert_verify_signature(const struct crypto_cert *c, struct slice text, struct slice signature);
/* Names as the certificate has them; slices live as long as the certificate. */
struct crypto_names {
    struct slice common_name; /* the last CN of the subject, or empty */
    const struct slice *dns;  /* subjectAltName dNSName */
    size_t n_dns;
    const struct slice *uri; /* subjectAltName uniformResourceIdentifier */
    size_t n_uri;
    bool has_san;
};
const struct crypto_names *crypto_cert_names(const struct crypto_cert *c);
int64_t crypto_cert_not_before(const struct crypto_cert *c); /* ms since 1970 */
int64_t crypto_cert_not_after(const struct crypto_cert *c);
/* Extended key usage: bits; 0 bits and has=false when the extension is absent. */
enum { CRYPTO_EKU_SERVER = 1, CRYPTO_EKU_CLIENT = 2, CRYPTO_EKU_ANY = 4 };
unsigned crypto_cert_eku(const struct crypto_cert *c, bool *ret_has);
/* "sip.contoso.example (serial 1a2b, issuer CN)" for logs, serial in the usual byte order. */
struct slice crypto_cert_describe(const struct crypto_cert *c, struct arena *a);
/* SHA-256 of the DER form: identity of a certificate. */
void crypto_cert_fingerprint(const struct crypto_cert *c, unsigned char out[32]);
/* Does the certificate name this host: dNSName, or the CN when there is no subjectAltName at all; no
 * wildcards. */
bool crypto_cert_names_host(const struct crypto_cert *c, struct slice host);

/* SHA-256 of the SubjectPublicKeyInfo: what a pin names. */
void crypto_cert_key_id(const struct crypto_cert *c, unsigned char out[32]);

/* --- trust: roots that a chain may lead to, keys that need no root. Chains that were found good are
 * remembered, the latest, so that a peer that comes again costs no verification; bad ones for a minute, so
 * that one that knocks again and again costs little. --- */
struct crypto_trust *crypto_trust_new(void);
/* These two only before others hold a reference. */
int crypto_trust_add(struct crypto_trust *t, struct slice pem); /* one or more certificates */
void crypto_trust_pin(struct crypto_trust *t, const unsigned char key_id[32]);
/* Also only before: certificates of its chains are looked up in the lists that they name (crypto/crl.h). A
 * handshake, and what else asks a tls_ctx, refuses what is revoked and nothing else. */
struct crl_store;
enum { CRYPTO_VERIFY_REVOKED = 23, CRYPTO_VERIFY_NO_LIST = 3 };
void crypto_trust_ask_crls(struct crypto_trust *t, struct crl_store *s, bool refuse_unknown);
/* Takes over the reference to `fresh`: one that stands and holds the same, or fresh itself. */
struct crypto_trust *crypto_trust_shared(struct crypto_trust *fresh);
struct crypto_trust *crypto_trust_ref(struct crypto_trust *t);
void crypto_trust_unref(struct crypto_trust *t);
/* How many chains are remembered; 0: none. At any time; what is beyond goes at once. */
struct crypto_trust_bounds {
    size_t good, bad;      /* at first 1,024 and 512 */
    unsigned drop_percent; /* of the bound: how many of the oldest go when there is no room; one at least */
};
void crypto_trust_remember(struct crypto_trust *t, const struct crypto_trust_bounds *bounds);
void crypto_trust_remembered(struct crypto_trust *t, size_t *ret_good, size_t *ret_bad);
/* Chain, dates and basic constraints; any purpose. 0 (CRYPTO_VERIFY_OK), or the number of what is wrong
 * (tls_verdict_text has words): CRYPTO_VERIFY_REVOKED; CRYPTO_VERIFY_NO_LIST when unknown is refused;
 * ret_until: when good, the first moment (ms since 1970) at which it is not. */
int crypto_trust_judge(struct crypto_trust *t, const struct crypto_cert *c, int64_t now_ms,
                       int64_t *ret_until);
/* The same, now: 0 or -EKEYREJECTED with crypto_error() set. */
int crypto_trust_verify(const struct crypto_trust *t, const struct crypto_cert *c);

/* --- authority --- */
/* A self-signed CA for `years`; valid from an hour ago, so that clocks may be apart. */
int crypto_ca_new(struct slice common_name, unsigned years, struct crypto_key **ret_key,
                  struct crypto_cert **ret);
struct crypto_request_names {
    struct slice common_name;
    const struct slice *dns;
    size_t n_dns;
    const struct slice *uri;
    size_t n_uri;
    int64_t not_before_ms; /* of what is issued; 0: an hour ago. Never later than the end. */
    unsigned eku;          /* CRYPTO_EKU_* bits of what is issued; 0: server and client */
};
/* A PKCS#10 request, PEM. A common name longer than 64 bytes (X.520's bound) stays away: names are in the
 * subjectAltName. -EINVAL for names that are empty, not printable ASCII or more than CRYPTO_MAX_NAMES. */
int crypto_request_new(struct crypto_key *k, const struct crypto_request_names *names, struct buf *out);
/* The id of a request's key (see crypto_key_id), after the request's self-signature held. -EBADMSG,
 * -EKEYREJECTED. */
int crypto_request_key_id(struct slice pem, unsigned char out[32]);
/* -EKEYREJECTED also for keys that are too weak (RSA below 2048 bits).
 * Issues for the request's key; names are the caller's decision, never the request's. EKU client and server.
 * The request's self-signature is checked. The result carries the CA as chain. */
int crypto_ca_sign(struct crypto_key *ca_key, const struct crypto_cert *ca, struct slice request_pem,
                   const struct crypto_request_names *names, int64_t not_after_ms, struct crypto_cert **ret);

/* --- sealing: CMS AuthEnvelopedData (RFC 5083, AES-256-GCM) to the public key of a certificate: ECDH with
 * SHA-256, or RSA-OAEP with SHA-256. Who sealed it is not proved: the channel must do that. Unseal: -EBADMSG
 * not CMS, -EKEYREJECTED for another key or altered. --- */
int crypto_seal(const struct crypto_cert *to, struct slice secret, struct buf *out); /* DER */
int crypto_unseal(struct crypto_key *k, const struct crypto_cert *c, struct slice sealed, struct buf *out);

/* --- PKCS#12: -EKEYREJECTED for a wrong passphrase; old Windows forms (RC2, 3DES) are read, never written.
 * The chain is put in order; certificates that are not part of it are left out. --- */
int crypto_p12_parse(struct slice der, struct slice passphrase, struct crypto_key **ret_key,
                     struct crypto_cert **ret_cert);
int crypto_p12_write(struct crypto_key *k, const struct crypto_cert *c, struct slice passphrase,
                     struct buf *out);
