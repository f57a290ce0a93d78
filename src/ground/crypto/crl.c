/* One list: read, verified, and as a sorted array of serial numbers. */
#include "ground/crypto/crl_priv.h"

#include "ground/base/mem.h"
#include "ground/base/text.h"
#include "ground/crypto/hash.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

enum { SERIAL_NEGATIVE = 0x80, LEAST_DIGEST = 28 /* bytes: SHA-2, as for the signatures of chains */ };

bool crl_serial_read(const ASN1_INTEGER *from, struct crl_serial *ret)
{
    *ret = (struct crl_serial){0};
    const unsigned char *p = ASN1_STRING_get0_data(from);
    int n = ASN1_STRING_length(from);
    for (; n > 1 && *p == 0; n--)
        p++;
    if (n < 1 || n > CRL_MAX_SERIAL)
        return false;
    ret->n = (unsigned char)(n | (ASN1_STRING_type(from) == V_ASN1_NEG_INTEGER ? SERIAL_NEGATIVE : 0));
    memcpy(ret->bytes, p, (size_t)n);
    return true;
}

/* By size of the number, so that CRL numbers can be compared too. */
static int serial_compare(const void *a, const void *b)
{
    const struct crl_serial *x = a, *y = b;
    return x->n != y->n ? (int)x->n - (int)y->n : memcmp(x->bytes, y->bytes, sizeof(x->bytes));
}

/* ---------------------------------------------------------------- read, verified */
X509_CRL *crl_decode(struct slice text)
{
    if (text.n == 0 || text.n > CRL_MAX_BYTES) {
        crypto_fail_words(-EBADMSG, "revocation list is %s", text.n ? "too large" : "empty");
        return NULL;
    }
    BIO *bio = crypto_bio(text);
    X509_CRL *x = (unsigned char)text.p[0] == (V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED)
                      ? d2i_X509_CRL_bio(bio, NULL)
                      : PEM_read_bio_X509_CRL(bio, NULL, crypto_no_passphrase, NULL);
    BIO_free(bio);
    if (!x)
        crypto_fail(-EBADMSG, "revocation list cannot be read");
    return x;
}

static bool digest_is_weak(const X509_CRL *x)
{
    int digest = NID_undef;
    if (!OBJ_find_sigid_algs(X509_CRL_get_signature_nid(x), &digest, NULL) || digest == NID_undef)
        return false; /* Ed25519 and such have one of their own */
    const EVP_MD *md = EVP_get_digestbynid(digest);
    return !md || EVP_MD_get_size(md) < LEAST_DIGEST;
}

int crl_verify(X509_CRL *x, X509 *issuer)
{
    EVP_PKEY *key = X509_get0_pubkey(issuer);
    if (X509_NAME_cmp(X509_CRL_get_issuer(x), X509_get_subject_name(issuer)) != 0)
        return crypto_fail_words(-EKEYREJECTED, "revocation list is of another issuer");
    if (!(X509_get_key_usage(issuer) & KU_CRL_SIGN)) /* all bits where the extension is absent */
        return crypto_fail_words(-EKEYREJECTED, "the issuer's certificate is not for revocation lists");
    if (digest_is_weak(x))
        return crypto_fail_words(-EKEYREJECTED, "signature of the revocation list is too weak");
    if (!key || X509_CRL_verify(x, key) != 1) {
        ERR_clear_error();
        return crypto_fail_words(-EKEYREJECTED, "revocation list is not signed by the issuer");
    }
    return 0;
}

/* ---------------------------------------------------------------- what it is meant for */
static char *scope_of(const DIST_POINT_NAME *dp)
{
    struct buf uris = {0};
    for (int i = 0; dp->type == 0 && i < sk_GENERAL_NAME_num(dp->name.fullname); i++) {
        const GENERAL_NAME *gn = sk_GENERAL_NAME_value(dp->name.fullname, i);
        if (gn->type != GEN_URI || buf_len(&uris) > CRL_MAX_URL * CRL_MAX_NAMES)
            continue;
        const ASN1_STRING *s = gn->d.uniformResourceIdentifier;
        buf_printf(&uris, "%s" SLICE_FMT, buf_len(&uris) ? "\n" : "",
                   SLICE_ARG(slice_mem(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s))));
    }
    return buf_take(&uris);
}

/* Authorities split their lists: one of another part, signed as well, must not stand in for this one. */
int crl_fits(const struct crl *c, struct slice names)
{
    struct slice uri, name;
    if (!c->scope)
        return 0;
    for (struct slice rest = slice_str(c->scope); crl_next_name(&rest, &uri);)
        for (struct slice others = names; crl_next_name(&others, &name);)
            if (slice_eq(name, uri))
                return 0;
    return crypto_fail_words(-ENXIO, "revocation list is meant for another address");
}

static int index_scope(const X509_CRL *x, struct crl *c)
{
    int critical;
    ISSUING_DIST_POINT *idp = X509_CRL_get_ext_d2i(x, NID_issuing_distribution_point, &critical, NULL);
    if (!idp)
        return critical == -1 ? 0 : crypto_fail(-EBADMSG, "scope of the revocation list cannot be read");
    int r = 0;
    c->only_user = idp->onlyuser > 0;
    c->only_ca = idp->onlyCA > 0;
    c->scope = idp->distpoint ? scope_of(idp->distpoint) : NULL;
    if (idp->indirectCRL > 0)
        r = crypto_fail_words(-EBADMSG, "revocation list is indirect: of certificates of several issuers");
    else if (idp->onlyattr > 0 || idp->onlysomereasons)
        r = crypto_fail_words(-EBADMSG,
                              "revocation list is of some reasons only, or of attribute certificates");
    ISSUING_DIST_POINT_free(idp);
    return r;
}

/* Of what is critical only `known` is understood (RFC 5280 5.2, 5.3). */
static bool strange(const STACK_OF(X509_EXTENSION) * list, int known)
{
    for (int i = 0; i < sk_X509_EXTENSION_num(list); i++) {
        X509_EXTENSION *e = sk_X509_EXTENSION_value(list, i);
        if (X509_EXTENSION_get_critical(e) && OBJ_obj2nid(X509_EXTENSION_get_object(e)) != known)
            return true;
    }
    return false;
}

static int index_head(const X509_CRL *x, struct crl *c)
{
    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(x);
    int critical;
    if (!next || crypto_time(X509_CRL_get0_lastUpdate(x), &c->this_ms) < 0 ||
        crypto_time(next, &c->next_ms) < 0 || c->next_ms <= c->this_ms)
        return crypto_fail_words(-EBADMSG, "revocation list has no time for which it is good");
    if (X509_CRL_get_ext_by_NID(x, NID_delta_crl, -1) >= 0)
        return crypto_fail_words(-EBADMSG, "revocation list names only changes to another one (delta)");
    if (strange(X509_CRL_get0_extensions(x), NID_issuing_distribution_point))
        return crypto_fail_words(-EBADMSG, "revocation list has an extension that is not understood");
    ASN1_INTEGER *number = X509_CRL_get_ext_d2i(x, NID_crl_number, &critical, NULL);
    bool good = number ? crl_serial_read(number, &c->number) : critical == -1;
    ASN1_INTEGER_free(number);
    if (!good || (c->number.n & SERIAL_NEGATIVE))
        return crypto_fail(-EBADMSG, "number of the revocation list");
    return 0;
}

/* ---------------------------------------------------------------- whom it revokes */
static bool is_taken_off(const X509_REVOKED *r)
{
    ASN1_ENUMERATED *reason = X509_REVOKED_get_ext_d2i(r, NID_crl_reason, NULL, NULL);
    bool off = reason && ASN1_ENUMERATED_get(reason) == CRL_REASON_REMOVE_FROM_CRL;
    ASN1_ENUMERATED_free(reason);
    return off;
}

static int index_revoked(X509_CRL *x, struct crl *c)
{
    STACK_OF(X509_REVOKED) *all = X509_CRL_get_REVOKED(x);
    int n = sk_X509_REVOKED_num(all);
    c->revoked = n > 0 ? mem_alloc((size_t)n * sizeof(*c->revoked)) : NULL;
    for (int i = 0; i < n; i++) {
        const X509_REVOKED *r = sk_X509_REVOKED_value(all, i);
        if (strange(X509_REVOKED_get0_extensions(r), NID_crl_reason))
            return crypto_fail_words(-EBADMSG, "an entry of the revocation list is not understood");
        if (is_taken_off(r))
            continue;
        if (!crl_serial_read(X509_REVOKED_get0_serialNumber(r), &c->revoked[c->n_revoked++]))
            return crypto_fail_words(-EBADMSG, "a serial number in the revocation list is too long");
    }
    if (c->n_revoked)
        qsort(c->revoked, c->n_revoked, sizeof(*c->revoked), serial_compare);
    return 0;
}

int crl_index(X509_CRL *x, struct crl **ret)
{
    struct crl *c = MEM_NEW(struct crl);
    c->refs = 1;
    int r = index_head(x, c);
    r = r < 0 ? r : index_scope(x, c);
    r = r < 0 ? r : index_revoked(x, c);
    ERR_clear_error();
    if (r < 0) {
        crl_unref(c);
        return r;
    }
    *ret = c;
    return 0;
}

int crl_parse(struct slice text, struct slice names, X509 *issuer, int64_t now, struct crl **ret)
{
    struct crl *c = NULL;
    X509_CRL *x = crl_decode(text);
    if (!x)
        return -EBADMSG;
    int r = crl_verify(x, issuer);
    r = r < 0 ? r : crl_index(x, &c);
    X509_CRL_free(x);
    r = r < 0 ? r : crl_fits(c, names);
    if (r == 0 && c->this_ms > now + CRL_CLOCKS_MS)
        r = crypto_fail_words(-EBADMSG, "revocation list is from the future");
    if (r < 0)
        crl_unref(c);
    else
        *ret = c;
    return r;
}

void crl_unref(struct crl *c)
{
    if (!c || !ref_down(&c->refs))
        return;
    mem_free(c->revoked);
    mem_free(c->scope);
    mem_free(c);
}

bool crl_revokes(const struct crl *c, const struct crl_serial *serial)
{
    return c->n_revoked && bsearch(serial, c->revoked, c->n_revoked, sizeof(*serial), serial_compare);
}

int crl_compare(const struct crl *a, const struct crl *b)
{
    int r = a->number.n && b->number.n ? serial_compare(&a->number, &b->number) : 0;
    return r ? r : (a->this_ms > b->this_ms) - (a->this_ms < b->this_ms);
}

size_t crl_bytes(const struct crl *c)
{
    return sizeof(*c) + c->n_revoked * sizeof(*c->revoked);
}

/* ---------------------------------------------------------------- by itself */
struct slice crl_issuer_text(const X509_NAME *name, struct arena *a)
{
    unsigned char *mem = NULL;
    struct slice cn = crypto_common_name(name, &mem);
    if (!cn.n) {
        BIO *bio = BIO_new(BIO_s_mem());
        struct buf text = {0};
        if (!bio || X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) < 0)
            crypto_abort("names");
        crypto_bio_take(bio, &text);
        cn = arena_copy(a, buf_slice(&text));
        buf_fini(&text);
    } else {
        cn = arena_copy(a, cn);
    }
    OPENSSL_free(mem);
    return cn;
}

/* Lists of one issuer, key and part are one, of different times. */
static void place_of(const X509_CRL *x, const struct crl *c, unsigned char out[32])
{
    unsigned char name[CRYPTO_SHA256], hash[CRYPTO_MAX_HASH];
    AUTHORITY_KEYID *akid = X509_CRL_get_ext_d2i(x, NID_authority_key_identifier, NULL, NULL);
    const ASN1_OCTET_STRING *id = akid ? akid->keyid : NULL;
    if (!X509_NAME_digest(X509_CRL_get_issuer(x), EVP_sha256(), name, NULL))
        crypto_abort("fingerprints");
    const struct slice parts[] = {
        slice_mem(name, sizeof(name)),
        id ? slice_mem(ASN1_STRING_get0_data(id), (size_t)ASN1_STRING_length(id)) : SLICE_NONE,
        slice_str(c->scope ? c->scope : ""),
        c->only_user ? SLICE("user") : SLICE_NONE,
        c->only_ca ? SLICE("ca") : SLICE_NONE,
    };
    crypto_hash(CRYPTO_HASH_SHA256, parts, sizeof(parts) / sizeof(parts[0]), hash);
    memcpy(out, hash, 32);
    AUTHORITY_KEYID_free(akid);
}

int crl_view(struct slice text, struct arena *a, struct crl_view *ret, struct buf *out)
{
    struct crl *c = NULL;
    unsigned char *der = NULL;
    X509_CRL *x = crl_decode(text);
    int r = x ? crl_index(x, &c) : -EBADMSG, n = r == 0 ? i2d_X509_CRL(x, &der) : 0;
    if (r == 0 && (n <= 0 || !X509_CRL_digest(x, EVP_sha256(), ret->fingerprint, NULL)))
        crypto_abort("revocation lists");
    if (r == 0) {
        struct buf hex = {0};
        text_hex(&hex, c->number.bytes, c->number.n);
        buf_append_mem(out, der, (size_t)n);
        ret->issuer = crl_issuer_text(X509_CRL_get_issuer(x), a);
        ret->number = arena_copy(a, buf_slice(&hex));
        ret->this_ms = c->this_ms;
        ret->next_ms = c->next_ms;
        ret->revoked = c->n_revoked;
        place_of(x, c, ret->place);
        buf_fini(&hex);
    }
    OPENSSL_free(der);
    crl_unref(c);
    X509_CRL_free(x);
    return r;
}

int crl_signed_by(struct slice text, const struct crypto_cert *authority)
{
    X509_CRL *x = crl_decode(text);
    if (!x)
        return -EKEYREJECTED;
    int r = X509_NAME_cmp(X509_CRL_get_issuer(x), X509_get_subject_name(authority->leaf)) != 0
                ? 1
                : crl_verify(x, authority->leaf);
    X509_CRL_free(x);
    return r;
}
