/*
 * crypto/crl.h - revocation lists (RFC 5280 section 5) of the authorities whose certificates peers show, kept
 * for a process and shared by its threads.
 *
 * A trust that asks (crypto_trust_ask_crls) looks each certificate of a chain, except the root, up in the
 * list that it names (cRLDistributionPoints; of several addresses all lead to the same, tried in order).
 * Nothing here fetches: the first question makes a list wanted, and whoever feeds the store takes what is due
 * and puts what came. Lists can also be given by hand; those answer for all certificates of their issuer,
 * whether they name a list or not. Of one that was fetched and one that was given the newer counts. A list
 * counts only when the issuer of the very chain signed it and it is meant for that certificate
 * (issuingDistributionPoint); one that is older than what was fetched before never replaces it. A certificate
 * that names no list and for whose issuer none was given is not asked about, nor is a pinned key; one that
 * names lists which cannot be fetched (ldap, https, an indirect list) counts as one whose list cannot be had.
 * Lists of changes (delta) and indirect ones are not taken. Of a chain with more than one trust see
 * crypto_trust_judge.
 */
#pragma once

#include "ground/crypto/cert.h"

enum {
    CRL_MAX_BYTES = 8 << 20, /* of one list, as it comes */
    CRL_MAX_URL = 512,
    CRL_MAX_URLS = 4,  /* that are asked, of one certificate */
    CRL_MAX_NAMES = 8, /* URIs of a certificate, of any kind, that are looked at */
    CRL_MAX_WHY = 400,
    CRL_STORE_MAX_LISTS = 256, /* beyond, and beyond the bytes, what nobody asked for the longest time goes */
    CRL_STORE_MAX_BYTES = 64 << 20, /* of all lists as they lie in memory */
    CRL_MAX_UNDER_WAY = 8,
    CRL_MAX_RETRYING =
        CRL_MAX_UNDER_WAY / 2,         /* of these that failed before: dead servers hold up no others */
    CRL_MAX_GIVEN = 16,                /* by hand */
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
    unsigned char key[32]; /* of issuer and names */
    size_t n_urls;
    char urls[CRL_MAX_URLS][CRL_MAX_URL + 1];
    unsigned failures; /* in a row, before this one */
};
/* The next list that should be fetched now; it is under way then until crl_store_put succeeds or
 * crl_store_failed. False: none, or as many as may be are under way. */
bool crl_store_due(struct crl_store *s, int64_t now_ms, struct crl_want *ret);
/* A list came from that address, DER or PEM: 0; 1 it is the one that stands. Else it is still wanted (try the
 * next address, then crl_store_failed): -EBADMSG not readable, or of a form that is not understood,
 * -EKEYREJECTED not signed by the issuer, -ENXIO meant for other certificates, -ESTALE older than what
 * stands, -ENOENT nobody wants it any more. -ETIME it has expired; what it revokes counts all the same when
 * it is the newest. crypto_error has words. */
int crl_store_put(struct crl_store *s, const struct crl_want *w, const char *url, struct slice list,
                  int64_t now_ms);
/* None of its addresses had it; why: words for an administrator. */
void crl_store_failed(struct crl_store *s, const struct crl_want *w, const char *why, int64_t now_ms);
/* Lists given by hand, DER or PEM, in place of those given before; the same ones again cost nothing. What
 * cannot be read is left out; how many count. */
size_t crl_store_give(struct crl_store *s, const struct slice *lists, size_t n);

/* A list in a form for the disk, with names and issuer; false when nobody wants it any more. */
bool crl_store_write(struct crl_store *s, const struct crl_want *w, struct slice list, struct buf *out);
/* Reads that again, and judges it as if it had just come. The list is refreshed when somebody asks for it.
 * Errors as crl_store_put; -ETIME: it expired more than CRL_FORGET_MS ago. */
int crl_store_restore(struct crl_store *s, struct slice kept, int64_t now_ms);

struct crl_counts {
    size_t lists, wanted; /* that are there; that were asked for and are not there, or have expired */
    size_t bytes;
};
void crl_store_count(struct crl_store *s, int64_t now_ms, struct crl_counts *ret);

/* What stands for one issuer and its addresses. */
struct crl_row {
    struct slice issuer; /* as text */
    struct slice names;  /* addresses, one a line */
    struct slice from;   /* where the one that counts is from; empty: given by hand, or kept over a restart */
    struct slice why;    /* it could not be had of late; empty: nothing went wrong since it came */
    bool there, given;   /* one counts; it is one that was given */
    int64_t this_ms, next_ms, came_ms; /* of it; came_ms 0: before the start, or given */
    size_t revoked;
    unsigned failures;
    bool under_way;
    int64_t fetch_ms; /* when it will be asked for again; 0: it cannot be */
};
/* Those that somebody asked for, the latest first. */
size_t crl_store_list(struct crl_store *s, struct arena *a, struct crl_row **ret);

/* --- a list by itself --- */
struct crl_view {
    struct slice issuer;
    struct slice number; /* hex; empty: none */
    int64_t this_ms, next_ms;
    size_t revoked;
    unsigned char fingerprint[32]; /* SHA-256 of the DER form */
    unsigned char place[32];       /* equal for lists of which one takes the place of the other */
};
/* A list in DER or PEM as an administrator sees it, and its DER form appended to out. -EBADMSG with
 * crypto_error: not readable, or of a form that is not understood (delta, indirect). */
int crl_view(struct slice text, struct arena *a, struct crl_view *ret, struct buf *out);
/* Did this authority sign it? 0; 1 it is of another name; -EKEYREJECTED. */
int crl_signed_by(struct slice text, const struct crypto_cert *authority);
