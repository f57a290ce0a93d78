/*
 * crypto/crl_priv.h - one list, and the questions that a chain makes. Private to crypto.
 */
#pragma once

#include "ground/base/list.h"
#include "ground/base/map.h"
#include "ground/crypto/crl.h"
#include "ground/crypto/priv.h"

#include <pthread.h>

enum { CRL_MAX_SERIAL = 20 /* RFC 5280 4.1.2.2 */, CRL_CLOCKS_MS = 300 * 1000 };

/* Names lie one a line. */
static inline bool crl_next_name(struct slice *rest, struct slice *ret)
{
    if (rest->n == 0)
        return false;
    if (!slice_cut(*rest, '\n', ret, rest)) {
        *ret = *rest;
        *rest = SLICE_NONE;
    }
    return true;
}

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
    char *scope; /* URIs that it is meant for, one a line; "": for none that can be named; NULL: for all */
    struct crl_serial *revoked; /* sorted */
    size_t n_revoked;
};
bool crl_serial_read(const ASN1_INTEGER *from, struct crl_serial *ret); /* false: too long */

/* DER or PEM, up to CRL_MAX_BYTES; NULL with crypto_error. */
X509_CRL *crl_decode(struct slice text);
/* 0 or -EKEYREJECTED: is it of this issuer, and may it sign lists? */
int crl_verify(X509_CRL *x, X509 *issuer);
/* What it says. -EBADMSG. */
int crl_index(X509_CRL *x, struct crl **ret);
/* Is it meant for a certificate that names these (one a line)? 0 or -ENXIO. */
int crl_fits(const struct crl *c, struct slice names);
/* All four, and not from the future. */
int crl_parse(struct slice text, struct slice names, X509 *issuer, int64_t now, struct crl **ret);
void crl_unref(struct crl *c);
bool crl_revokes(const struct crl *c, const struct crl_serial *serial);
/* Below 0 when a is older than b; 0 when they are one. */
int crl_compare(const struct crl *a, const struct crl *b);
size_t crl_bytes(const struct crl *c);
struct slice crl_issuer_text(const X509_NAME *name, struct arena *a); /* its common name, or all of it */

/* --- crl_link.c: what a chain asks --- */
struct crl_link {
    X509 *issuer;
    unsigned char key[32];
    struct crl_serial serial; /* n 0: too long to be in any list */
    bool is_ca;
    bool named;  /* it says where its list is, in whatever way */
    char *names; /* the URIs, of any scheme, one a line, in its order */
};
struct crl_links {
    size_t n;
    bool named;              /* one of them at least */
    struct crl_link links[]; /* leaf first */
};
/* Of a chain that ends with its root. NULL: there is nothing but the root. */
struct crl_links *crl_links_new(STACK_OF(X509) * chain);
void crl_links_free(struct crl_links *l); /* NULL is fine */
void crl_key(X509 *issuer, struct slice names, unsigned char out[32]);
/* The next name that can be fetched; false: no more. */
bool crl_next_url(struct slice *names, struct slice *ret);

enum crl_state { CRL_GOOD, CRL_UNKNOWN, CRL_REVOKED };
/* The worst of all; ret_until (when good): when that ends. What is not there becomes wanted. */
enum crl_state crl_store_ask(struct crl_store *s, const struct crl_links *l, int64_t now, int64_t *ret_until);

/* --- the store; the lock guards which list stands for a key, lists are immutable --- */
struct crl_entry {
    struct map_entry by_key;
    struct list recent;
    unsigned char key[32];
    X509 *issuer;
    char *names;
    struct crl *fetched, *given; /* NULL: none; the newer one counts */
    bool asked;                  /* by somebody since the start: it is kept fresh */
    bool named, fetchable;       /* its certificates say where it is; in a way that can be asked */
    bool under_way;
    unsigned failures;
    int64_t fetch_ms, came_ms;
    char *from, *why; /* where the fetched one is from; what went wrong since; NULL: nothing */
};
struct crl_given {
    struct crl_given *next;
    X509_CRL *x;
    struct crl *index;
};
struct crl_store {
    _Atomic unsigned refs;
    _Atomic uint64_t epoch;
    _Atomic unsigned n_given;
    pthread_mutex_t lock;
    struct map by_key;
    struct list recent; /* the one that was asked last comes first */
    size_t n, bytes, n_under_way, n_retrying;
    struct crl_given *given;
    unsigned char given_id[32];
};
struct crl_entry *crl_entry_find(const struct crl_store *s, const unsigned char key[32]);
struct crl_entry *crl_entry_add(struct crl_store *s, X509 *issuer, struct slice names, bool named,
                                const unsigned char key[32], int64_t now);
const struct crl *crl_entry_best(const struct crl_entry *e); /* NULL: none */
/* Makes it what was fetched, when it is newer than that: takes over the reference. 0, 1, -ESTALE. */
int crl_entry_set(struct crl_store *s, struct crl_entry *e, struct crl *fresh);
void crl_entry_plan_good(struct crl_entry *e, int64_t now);
/* A reference to the issuer of what is wanted, or NULL; names into a. */
X509 *crl_store_issuer(struct crl_store *s, const unsigned char key[32], struct arena *a,
                       struct slice *ret_names);
/* crl_given.c, under the lock */
bool crl_given_any(const struct crl_store *s, X509 *issuer);
void crl_given_assign(struct crl_store *s, struct crl_entry *e);
void crl_given_fini(struct crl_store *s);
