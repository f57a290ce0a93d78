/*
 * crypto/crl.h - revocation lists (RFC 5280 section 5) of the authorities whose certificates peers show, kept
 * for a process and shared by its threads.
 *
 * A trust that asks (crypto_trust_ask_crls) looks each certificate of a chain up in the list that it names
 * (cRLDistributionPoints, the first http URL), except the root. Nothing here fetches: the first question
 * makes a list wanted, and whoever feeds the store takes what is due and puts what came. A list counts only
 * when the issuer of the very chain signed it and it is meant for that URL (issuingDistributionPoint); one
 * that is older than what stands never replaces it. A certificate that names no list is not asked about, nor
 * is a pinned key. Of a chain with more than one trust see crypto_trust_judge.
 */
#pragma once

#include "ground/crypto/cert.h"

enum {
    CRL_MAX_BYTES = 8 << 20, /* of one list, as it comes */
    CRL_MAX_URL = 512,
    CRL_STORE_MAX_LISTS = 256, /* beyond, and beyond the bytes, what nobody asked for the longest time goes */
    CRL_STORE_MAX_BYTES = 64 << 20, /* of all lists as they lie in memory */
    CRL_MAX_UNDER_WAY = 4,
    CRL_REFRESH_MOST_MS = 3600 * 1000, /* a list is asked for again after half of what is left of its time, */
    CRL_REFRESH_LEAST_MS = 2000,       /* within these bounds */
    CRL_RETRY_LEAST_MS = 2000,         /* after a failure; doubled with each further one */
    CRL_RETRY_MOST_MS = 900 * 1000,
    CRL_GRACE_MS = 12 * 3600 * 1000, /* after nextUpdate a list still says who is good */
};
#define CRL_FORGET_MS (30LL * 24 * 3600 * 1000) /* so long after nextUpdate a kept list is worth nothing */

struct crl_store;
struct crl_store *crl_store_new(void);
struct crl_store *crl_store_ref(struct crl_store *s);
void crl_store_unref(struct crl_store *s); /* NULL is fine */
/* Grows whenever a list came that says something new: what was judged before must be judged again. */
uint64_t crl_store_epoch(const struct crl_store *s);

struct crl_want {
    unsigned char key[32]; /* of issuer and URL */
    char url[CRL_MAX_URL + 1];
    unsigned failures; /* in a row, before this one */
};
/* The next list that should be fetched now; it is under way then until crl_store_put or _failed. False: none,
 * or CRL_MAX_UNDER_WAY are. */
bool crl_store_due(struct crl_store *s, int64_t now_ms, struct crl_want *ret);
/* A list came, DER or PEM: 0; 1 it is the one that stands. It is not taken and asked for again later:
 * -EBADMSG not readable, or of a form that is not understood, -EKEYREJECTED not signed by the issuer,
 * -ENXIO for another URL, -ESTALE older than what stands, -ENOENT nobody wants it any more. -ETIME it has
 * expired; what it revokes counts all the same when it is the newest. crypto_error has words. */
int crl_store_put(struct crl_store *s, const struct crl_want *w, struct slice list, int64_t now_ms);
void crl_store_failed(struct crl_store *s, const struct crl_want *w, int64_t now_ms);

/* A list in a form for the disk, with URL and issuer; false when nobody wants it any more. */
bool crl_store_write(struct crl_store *s, const struct crl_want *w, struct slice list, struct buf *out);
/* Reads that again, and judges it as if it had just come. The list is refreshed when somebody asks for it.
 * Errors as crl_store_put; -ETIME: it expired more than CRL_FORGET_MS ago. */
int crl_store_restore(struct crl_store *s, struct slice kept, int64_t now_ms);

struct crl_counts {
    size_t lists, wanted; /* that are there; that were asked for and are not there, or have expired */
    size_t bytes;
};
void crl_store_count(struct crl_store *s, int64_t now_ms, struct crl_counts *ret);
