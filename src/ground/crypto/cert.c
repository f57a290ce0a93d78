#include "ground/crypto/cert.h"

#include "ground/base/mem.h"
#include "ground/crypto/priv.h"

#include <errno.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

enum { CERT_MAX_PEM = 1 << 20 };

/* --- what a certificate says --- */
struct slice crypto_common_name(const X509_NAME *name, unsigned char **ret_mem)
{
    *ret_mem = NULL;
    int at = -1, next;
    while ((next = X509_NAME_get_index_by_NID(name, NID_commonName, at)) >= 0)
        at = next;
    if (at < 0)
        return SLICE_NONE;
    const ASN1_STRING *value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
    int n = ASN1_STRING_to_UTF8(ret_mem, value);
    if (n <= 0 || memchr(*ret_mem, 0, (size_t)n))
        return SLICE_NONE;
    return slice_mem(*ret_mem, (size_t)n);
}

/* The text of a name of this type; a NUL in it (the old trick "good.example\0.evil.example") leaves it out.
 */
static struct slice cert_general_name(const GENERAL_NAME *gn, int type)
{
    if (gn->type != type)
        return SLICE_NONE;
    const ASN1_STRING *s = type == GEN_DNS ? gn->d.dNSName : gn->d.uniformResourceIdentifier;
    struct slice text = slice_mem(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
    return text.n && !memchr(text.p, 0, text.n) ? text : SLICE_NONE;
}

static size_t cert_collect(const GENERAL_NAMES *sans, int type, struct slice *to, size_t room)
{
    size_t n = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(sans) && n < room; i++) {
        struct slice text = cert_general_name(sk_GENERAL_NAME_value(sans, i), type);
        if (text.n)
            to[n++] = text;
    }
    return n;
}

/* Names are copied into one block, so that a certificate in use costs one allocation for all of them. */
static void cert_read_names(struct crypto_cert *c)
{
    struct slice found[CRYPTO_MAX_NAMES + 1];
    unsigned char *cn_mem;
    int critical;
    GENERAL_NAMES *sans = X509_get_ext_d2i(c->leaf, NID_subject_alt_name, &critical, NULL);
    /* -1: absent; anything else with NULL: there, but malformed or twice: then there is no falling back to CN
     */
    c->names.has_san = sans || critical != -1;
    size_t n = 0, bytes = 0;
    found[n++] = crypto_common_name(X509_get_subject_name(c->leaf), &cn_mem);
    c->names.n_dns = cert_collect(sans, GEN_DNS, found + n, CRYPTO_MAX_NAMES + 1 - n);
    n += c->names.n_dns;
    c->names.n_uri = cert_collect(sans, GEN_URI, found + n, CRYPTO_MAX_NAMES + 1 - n);
    n += c->names.n_uri;

    for (size_t i = 0; i < n; i++)
        bytes += found[i].n;
    c->list = mem_alloc(n * sizeof(struct slice) + bytes);
    char *to = (char *)(c->list + n);
    for (size_t i = 0; i < n; i++) {
        if (found[i].n)
            memcpy(to, found[i].p, found[i].n);
        c->list[i] = (struct slice){to, found[i].n};
        to += found[i].n;
    }
    c->names.common_name = c->list[0];
    c->names.dns = c->list + 1;
    c->names.uri = c->list + 1 + c->names.n_dns;
    OPENSSL_free(cn_mem);
    GENERAL_NAMES_free(sans);
}

int crypto_time(const ASN1_TIME *t, int64_t *ret)
{
    struct tm tm;
    if (!ASN1_TIME_to_tm(t, &tm))
        return crypto_fail_words(-EBADMSG, "certificate has an unreadable date");
    *ret = (int64_t)timegm(&tm) * 1000;
    return 0;
}

static void cert_read_eku(struct crypto_cert *c)
{
    static const struct {
        uint32_t openssl;
        unsigned ours;
    } bits[] = {
        {XKU_SSL_SERVER, CRYPTO_EKU_SERVER},
        {XKU_SSL_CLIENT, CRYPTO_EKU_CLIENT},
        {XKU_ANYEKU,     CRYPTO_EKU_ANY   }
    };
    uint32_t eku = X509_get_extended_key_usage(c->leaf);
    c->has_eku = eku != UINT32_MAX;
    for (size_t i = 0; c->has_eku && i < sizeof(bits) / sizeof(bits[0]); i++)
        if (eku & bits[i].openssl)
            c->eku |= bits[i].ours;
}

/* --- what it is known by --- */
static bool hash_cert(EVP_MD_CTX *hash, X509 *x)
{
    unsigned char *der = NULL;
    int n = i2d_X509(x, &der);
    bool good = n > 0 && EVP_DigestUpdate(hash, der, (size_t)n);
    OPENSSL_free(der);
    return good;
}

int crypto_chain_id(X509 *leaf, STACK_OF(X509) * rest, int first, unsigned char out[32])
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    if (!hash || !EVP_DigestInit_ex(hash, EVP_sha256(), NULL))
        crypto_abort("hashes");
    bool good = hash_cert(hash, leaf); /* DER says its own length: no other list has the same bytes */
    for (int i = first; good && i < sk_X509_num(rest); i++)
        good = hash_cert(hash, sk_X509_value(rest, i));
    good = good && EVP_DigestFinal_ex(hash, out, NULL);
    EVP_MD_CTX_free(hash);
    return good ? 0 : crypto_fail(-EBADMSG, "certificate cannot be written");
}

static int cert_identify(struct crypto_cert *c)
{
    unsigned char *der = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(c->leaf), &der);
    bool good = n > 0 && EVP_Digest(der, (size_t)n, c->key_id, NULL, EVP_sha256(), NULL);
    OPENSSL_free(der);
    return good ? crypto_chain_id(c->leaf, c->chain, 0, c->id) : -EBADMSG;
}

void crypto_cert_key_id(const struct crypto_cert *c, unsigned char out[32])
{
    memcpy(out, c->key_id, sizeof(c->key_id));
}

struct crypto_cert *crypto_cert_wrap(X509 *leaf, STACK_OF(X509) * chain)
{
    struct crypto_cert *c = MEM_NEW(struct crypto_cert);
    c->refs = 1;
    c->leaf = leaf;
    c->chain = sk_X509_new_null();
    if (!c->chain)
        crypto_abort("lists of certificates");
    int r = 0;
    for (int i = 0; i < sk_X509_num(chain); i++) {
        X509 *x = sk_X509_value(chain, i);
        if (x == leaf || X509_cmp(x, leaf) == 0)
            continue;
        if (sk_X509_num(c->chain) >= CRYPTO_MAX_CHAIN) {
            r = crypto_fail_words(-EBADMSG, "more than %d certificates in the chain", CRYPTO_MAX_CHAIN);
            break;
        }
        if (!X509_up_ref(x) || !sk_X509_push(c->chain, x))
            crypto_abort("lists of certificates");
    }
    sk_X509_pop_free(chain, X509_free);
    if (r < 0 || crypto_time(X509_get0_notBefore(leaf), &c->not_before) < 0 ||
        crypto_time(X509_get0_notAfter(leaf), &c->not_after) < 0 || cert_identify(c) < 0) {
        crypto_cert_unref(c);
        return NULL;
    }
    cert_read_eku(c);
    cert_read_names(c);
    ERR_clear_error(); /* odd extensions leave words behind; what they mean was decided above */
    return c;
}

/* --- text, references --- */
int crypto_cert_parse(struct slice pem, struct crypto_cert **ret)
{
    if (pem.n > CERT_MAX_PEM)
        return crypto_fail_words(-EBADMSG, "certificate file is too large");
    BIO *bio = crypto_bio(pem);
    X509 *leaf = PEM_read_bio_X509(bio, NULL, crypto_no_passphrase, NULL), *x = NULL;
    if (!leaf) {
        BIO_free(bio);
        return crypto_fail(-EBADMSG, "no certificate (PEM)");
    }
    STACK_OF(X509) *chain = sk_X509_new_null();
    while (sk_X509_num(chain) <= CRYPTO_MAX_CHAIN &&
           (x = PEM_read_bio_X509(bio, NULL, crypto_no_passphrase, NULL)))
        if (!sk_X509_push(chain, x))
            crypto_abort("lists of certificates");
    BIO_free(bio);
    if (!x && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
        sk_X509_pop_free(chain, X509_free);
        X509_free(leaf);
        return crypto_fail(-EBADMSG, "certificate behind the first");
    }
    struct crypto_cert *c = crypto_cert_wrap(leaf, chain);
    if (!c)
        return -EBADMSG;
    *ret = c;
    return 0;
}

void crypto_cert_write(const struct crypto_cert *c, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool good = bio && PEM_write_bio_X509(bio, c->leaf);
    for (int i = 0; good && i < sk_X509_num(c->chain); i++)
        good = PEM_write_bio_X509(bio, sk_X509_value(c->chain, i));
    if (!good)
        crypto_abort("writing of certificates");
    crypto_bio_take(bio, out);
}

struct crypto_cert *crypto_cert_ref(const struct crypto_cert *c)
{
    struct crypto_cert *own = (struct crypto_cert *)c; /* the count is not part of what is constant */
    ref_up(&own->refs);
    return own;
}

void crypto_cert_unref(const struct crypto_cert *c)
{
    struct crypto_cert *own = (struct crypto_cert *)c;
    if (!own || !ref_down(&own->refs))
        return;
    X509_free(own->leaf);
    sk_X509_pop_free(own->chain, X509_free);
    mem_free(own->list);
    mem_free(own);
}

int crypto_cert_matches(const struct crypto_cert *c, const struct crypto_key *k)
{
    if (X509_check_private_key(c->leaf, k->pkey) == 1)
        return 0;
    return crypto_fail_words(-ENOKEY, "the private key does not belong to the certificate");
}

const struct crypto_names *crypto_cert_names(const struct crypto_cert *c)
{
    return &c->names;
}

int64_t crypto_cert_not_before(const struct crypto_cert *c)
{
    return c->not_before;
}

int64_t crypto_cert_not_after(const struct crypto_cert *c)
{
    return c->not_after;
}

unsigned crypto_cert_eku(const struct crypto_cert *c, bool *ret_has)
{
    *ret_has = c->has_eku;
    return c->eku;
}

/* Log lines are made of this, and a peer chose the text. */
static struct slice cert_printable(struct arena *a, struct slice s)
{
    struct slice out = arena_copy(a, slice_head(s, 128));
    char *p = (char *)out.p;
    for (size_t i = 0; i < out.n; i++)
        if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f)
            p[i] = '?';
    return out;
}

struct slice crypto_cert_describe(const struct crypto_cert *c, struct arena *a)
{
    const struct crypto_names *n = &c->names;
    struct slice who = n->common_name.n ? n->common_name
                       : n->n_dns       ? n->dns[0]
                       : n->n_uri       ? n->uri[0]
                                        : SLICE("(no name)");
    unsigned char *mem;
    struct slice issuer = crypto_common_name(X509_get_issuer_name(c->leaf), &mem);
    BIGNUM *bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(c->leaf), NULL);
    char *serial = bn ? BN_bn2hex(bn) : NULL;
    for (char *p = serial; p && *p; p++)
        *p = (char)(*p >= 'A' && *p <= 'F' ? *p + 32 : *p);
    who = cert_printable(a, who);
    issuer = cert_printable(a, issuer.n ? issuer : SLICE("(no name)"));
    struct slice text = arena_printf(a, SLICE_FMT " (serial %s, issuer " SLICE_FMT ")", SLICE_ARG(who),
                                     serial ? serial : "?", SLICE_ARG(issuer));
    OPENSSL_free(serial);
    BN_free(bn);
    OPENSSL_free(mem);
    return text;
}

void crypto_cert_fingerprint(const struct crypto_cert *c, unsigned char out[32])
{
    if (!X509_digest(c->leaf, EVP_sha256(), out, NULL))
        crypto_abort("fingerprints");
}

bool crypto_cert_names_host(const struct crypto_cert *c, struct slice host)
{
    if (slice_ends(host, SLICE(".")))
        host.n--;
    if (host.n == 0 || slice_find(host, '*') != SIZE_MAX)
        return false;
    if (!c->names.has_san)
        return slice_caseeq(c->names.common_name, host);
    for (size_t i = 0; i < c->names.n_dns; i++)
        if (slice_caseeq(c->names.dns[i], host))
            return true;
    return false;
}
