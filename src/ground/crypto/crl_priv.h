/*
 * crypto/crl_priv.h - one list, and the questions that a chain makes. Private to crypto.
 */
#pragma once

#include "ground/crypto/crl.h"
#include "ground/crypto/priv.h"

enum { CRL_MAX_SERIAL = 20 /* RFC 5280 4.1.2.2 */, CRL_CLOCKS_MS = 300 * 1000 };

struct crl_serial {
    unsigned char n; /* bytes; the highest bit: it is negative */
    unsigned char bytes[CRL_MAX_SERIAL];
};
/* Immutable. */
struct crl {
    _Atomic unsigned refs;
    int64_t this_ms, next_ms;
    struct crl_serial number; /* CRL number; n 0 without one */
    bool only_user, only_ca;
    struct crl_serial *revoked; /* sorted */
    size_t n_revoked;
};
bool crl_serial_read(const ASN1_INTEGER *from, struct crl_serial *ret); /* false: too long */

/* DER or PEM, up to CRL_MAX_BYTES; NULL with crypto_error. */
X509_CRL *crl_decode(struct slice text);
/* 0 or -EKEYREJECTED: is it of this issuer, and may it sign lists? */
int crl_verify(X509_CRL *x, X509 *issuer);
/* What it says. -EBADMSG, -ENXIO. */
int crl_index(X509_CRL *x, const char *url, struct crl **ret);
/* All three, and not from the future. */
int crl_parse(struct slice text, const char *url, X509 *issuer, int64_t now, struct crl **ret);
void crl_unref(struct crl *c);
bool crl_revokes(const struct crl *c, const struct crl_serial *serial);
/* Below 0 when a is older than b; 0 when they are one. */
int crl_compare(const struct crl *a, const struct crl *b);
size_t crl_bytes(const struct crl *c);

/* --- crl_link.c: what a chain asks --- */
struct crl_link {
    X509 *issuer;
    unsigned char key[32];
    struct crl_serial serial; /* n 0: too long to be in any list */
    bool is_ca;
    char url[CRL_MAX_URL + 1];
};
struct crl_links {
    size_t n;
    struct crl_link links[]; /* leaf first */
};
/* Of a chain that ends with its root. NULL: none of its certificates names a list. */
struct crl_links *crl_links_new(STACK_OF(X509) * chain);
void crl_links_free(struct crl_links *l); /* NULL is fine */
void crl_key(X509 *issuer, const char *url, unsigned char out[32]);

enum crl_state { CRL_GOOD, CRL_UNKNOWN, CRL_REVOKED };
/* The worst of all; ret_until (when good): when that ends. What is not there becomes wanted. */
enum crl_state crl_store_ask(struct crl_store *s, const struct crl_links *l, int64_t now, int64_t *ret_until);
