#include "ground/base/mem.h"
#include "ground/crypto/hash.h"
#include "ground/crypto/priv.h"

#include <errno.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

enum {
    CN_MAX = 64,   /* X.520 ub-common-name */
    SAN_MAX = 512, /* bytes of one subjectAltName */
    SERIAL_BYTES = 16,
    REQUEST_MAX_PEM = 65536,
    HOUR_S = 3600,
    RSA_MIN_BITS = 2048,
};

/* --- names --- */
static bool name_is_plain(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    return s.n > 0 && s.n <= SAN_MAX;
}

static int names_check(const struct crypto_request_names *names)
{
    if (names->n_dns + names->n_uri > CRYPTO_MAX_NAMES)
        return crypto_fail_words(-EINVAL, "more than %d names", CRYPTO_MAX_NAMES);
    for (size_t i = 0; i < names->n_dns; i++)
        if (!name_is_plain(names->dns[i]))
            return crypto_fail_words(-EINVAL, "a DNS name is empty or not plain text");
    for (size_t i = 0; i < names->n_uri; i++)
        if (!name_is_plain(names->uri[i]))
            return crypto_fail_words(-EINVAL, "a URI is empty or not plain text");
    if (memchr(names->common_name.n ? names->common_name.p : "x", 0, names->common_name.n))
        return crypto_fail_words(-EINVAL, "the common name is not plain text");
    if (names->common_name.n == 0 && names->n_dns + names->n_uri == 0)
        return crypto_fail_words(-EINVAL, "no name at all");
    return 0;
}

static X509_NAME *name_subject(struct slice cn)
{
    X509_NAME *name = X509_NAME_new();
    if (!name)
        crypto_abort("names");
    if (cn.n > 0 && cn.n <= CN_MAX &&
        !X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, (const unsigned char *)cn.p,
                                    (int)cn.n, -1, 0)) {
        X509_NAME_free(name);
        return NULL;
    }
    return name;
}

static void names_push(GENERAL_NAMES *sans, int type, struct slice text)
{
    GENERAL_NAME *gn = GENERAL_NAME_new();
    ASN1_IA5STRING *s = ASN1_IA5STRING_new();
    if (!gn || !s || !ASN1_STRING_set(s, text.p, (int)text.n) || !sk_GENERAL_NAME_push(sans, gn))
        crypto_abort("names");
    GENERAL_NAME_set0_value(gn, type, s);
}

/* NULL without names: then there is no such extension. */
static GENERAL_NAMES *names_sans(const struct crypto_request_names *names)
{
    if (names->n_dns + names->n_uri == 0)
        return NULL;
    GENERAL_NAMES *sans = GENERAL_NAMES_new();
    if (!sans)
        crypto_abort("names");
    for (size_t i = 0; i < names->n_dns; i++)
        names_push(sans, GEN_DNS, names->dns[i]);
    for (size_t i = 0; i < names->n_uri; i++)
        names_push(sans, GEN_URI, names->uri[i]);
    return sans;
}

int crypto_request_new(struct crypto_key *k, const struct crypto_request_names *names, struct buf *out)
{
    int r = names_check(names);
    if (r < 0)
        return r;
    X509_NAME *subject = name_subject(names->common_name);
    if (!subject)
        return crypto_fail(-EINVAL, "common name");
    X509_REQ *req = X509_REQ_new();
    STACK_OF(X509_EXTENSION) *exts = NULL;
    GENERAL_NAMES *sans = names_sans(names);
    BIO *bio = BIO_new(BIO_s_mem());
    bool good = req && bio && X509_REQ_set_version(req, X509_REQ_VERSION_1) &&
                X509_REQ_set_subject_name(req, subject) && X509_REQ_set_pubkey(req, k->pkey) &&
                (!sans || (X509V3_add1_i2d(&exts, NID_subject_alt_name, sans, 0, 0) == 1 &&
                           X509_REQ_add_extensions(req, exts))) &&
                X509_REQ_sign(req, k->pkey, EVP_sha256()) > 0 && PEM_write_bio_X509_REQ(bio, req);
    X509_REQ_free(req);
    X509_NAME_free(subject);
    GENERAL_NAMES_free(sans);
    sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
    if (!good) {
        BIO_free(bio);
        return crypto_fail(-EINVAL, "certificate request");
    }
    crypto_bio_take(bio, out);
    return 0;
}

/* --- issuing --- */
struct issue {
    X509 *issuer; /* NULL: self-signed */
    struct slice common_name;
    EVP_PKEY *pubkey, *signer;
    time_t not_before, not_after;
};

static bool issue_serial(X509 *x)
{
    unsigned char raw[SERIAL_BYTES];
    crypto_random(raw, sizeof(raw));
    raw[0] = (unsigned char)((raw[0] & 0x7f) | 0x40); /* positive, and always of the same length */
    BIGNUM *bn = BN_bin2bn(raw, sizeof(raw), NULL);
    bool good = bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x));
    BN_free(bn);
    return good;
}

/* Everything but the extensions and the signature. */
static X509 *issue_begin(const struct issue *i)
{
    X509 *x = X509_new();
    X509_NAME *subject = name_subject(i->common_name);
    bool good = x && subject && X509_set_version(x, X509_VERSION_3) && issue_serial(x) &&
                ASN1_TIME_set(X509_getm_notBefore(x), i->not_before) &&
                ASN1_TIME_set(X509_getm_notAfter(x), i->not_after) && X509_set_subject_name(x, subject) &&
                X509_set_issuer_name(x, i->issuer ? X509_get_subject_name(i->issuer) : subject) &&
                X509_set_pubkey(x, i->pubkey);
    X509_NAME_free(subject);
    if (good)
        return x;
    X509_free(x);
    return NULL;
}

/* An extension in OpenSSL's configuration language: for our own constant texts only. */
static bool issue_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer ? issuer : x, x, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_nconf_nid(NULL, &ctx, nid, value);
    bool good = ext && X509_add_ext(x, ext, -1);
    X509_EXTENSION_free(ext);
    return good;
}

static bool issue_eku(X509 *x, unsigned eku)
{
    static const struct {
        unsigned ours;
        int nid;
    } bits[] = {
        {CRYPTO_EKU_SERVER, NID_server_auth        },
        {CRYPTO_EKU_CLIENT, NID_client_auth        },
        {CRYPTO_EKU_ANY,    NID_anyExtendedKeyUsage}
    };
    EXTENDED_KEY_USAGE *list = EXTENDED_KEY_USAGE_new();
    if (!list)
        crypto_abort("extensions");
    if (eku == 0)
        eku = CRYPTO_EKU_SERVER | CRYPTO_EKU_CLIENT;
    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
        if ((eku & bits[i].ours) && !sk_ASN1_OBJECT_push(list, OBJ_nid2obj(bits[i].nid)))
            crypto_abort("extensions");
    bool good = X509_add1_ext_i2d(x, NID_ext_key_usage, list, 0, 0) == 1;
    EXTENDED_KEY_USAGE_free(list);
    return good;
}

int crypto_ca_new(struct slice common_name, unsigned years, struct crypto_key **ret_key,
                  struct crypto_cert **ret)
{
    if (common_name.n == 0 || common_name.n > CN_MAX || years == 0 || years > 100)
        return crypto_fail_words(-EINVAL, "an authority has a name of 1 to %d bytes and 1 to 100 years",
                                 CN_MAX);
    struct crypto_key *k = crypto_key_new();
    time_t now = time(NULL);
    struct issue i = {.common_name = common_name,
                      .pubkey = k->pkey,
                      .signer = k->pkey,
                      .not_before = now - HOUR_S,
                      .not_after = now + (time_t)years * 365 * 24 * HOUR_S};
    X509 *x = issue_begin(&i);
    bool good = x && issue_ext(x, NULL, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
                issue_ext(x, NULL, NID_key_usage, "critical,keyCertSign,cRLSign") &&
                issue_ext(x, NULL, NID_subject_key_identifier, "hash") &&
                issue_ext(x, NULL, NID_authority_key_identifier, "keyid:always") &&
                X509_sign(x, k->pkey, EVP_sha256()) > 0;
    struct crypto_cert *c = NULL;
    if (good)
        c = crypto_cert_wrap(x, NULL);
    else
        X509_free(x);
    if (!c) {
        crypto_key_unref(k);
        return crypto_fail(-EINVAL, "authority");
    }
    *ret_key = k;
    *ret = c;
    return 0;
}

/* The request's public key, after its self-signature (the proof that the asker has the private half) held. */
static int request_key(struct slice pem, EVP_PKEY **ret)
{
    if (pem.n > REQUEST_MAX_PEM)
        return crypto_fail_words(-EBADMSG, "request is too large");
    BIO *bio = crypto_bio(pem);
    X509_REQ *req = PEM_read_bio_X509_REQ(bio, NULL, crypto_no_passphrase, NULL);
    BIO_free(bio);
    if (!req)
        return crypto_fail(-EBADMSG, "no certificate request (PEM)");
    int r = 0;
    EVP_PKEY *pkey = X509_REQ_get_pubkey(req);
    int type = pkey ? EVP_PKEY_get_base_id(pkey) : 0;
    if (type != EVP_PKEY_EC && (type != EVP_PKEY_RSA || EVP_PKEY_get_bits(pkey) < RSA_MIN_BITS))
        r = crypto_fail_words(-EKEYREJECTED, "the request's key is neither EC nor RSA of %d bits or more",
                              RSA_MIN_BITS);
    else if (X509_REQ_verify(req, pkey) != 1)
        r = crypto_fail(-EKEYREJECTED, "the request's signature is wrong");
    X509_REQ_free(req);
    if (r < 0)
        EVP_PKEY_free(pkey);
    else
        *ret = pkey;
    return r;
}

int crypto_request_key_id(struct slice pem, unsigned char out[32])
{
    EVP_PKEY *pkey = NULL;
    int r = request_key(pem, &pkey);
    if (r == 0)
        crypto_pkey_id(pkey, out);
    EVP_PKEY_free(pkey);
    return r;
}

static bool issue_leaf_exts(X509 *x, X509 *ca, const struct crypto_request_names *names)
{
    bool rsa = EVP_PKEY_get_base_id(X509_get0_pubkey(x)) == EVP_PKEY_RSA;
    GENERAL_NAMES *sans = names_sans(names);
    /* RFC 5280 section 4.2.1.6: critical when the subject is empty */
    int critical = X509_NAME_entry_count(X509_get_subject_name(x)) == 0;
    bool good = issue_ext(x, ca, NID_basic_constraints, "critical,CA:FALSE") &&
                issue_ext(x, ca, NID_key_usage,
                          rsa ? "critical,digitalSignature,keyEncipherment"
                              : "critical,digitalSignature,keyAgreement") &&
                issue_eku(x, names->eku) && issue_ext(x, ca, NID_subject_key_identifier, "hash") &&
                issue_ext(x, ca, NID_authority_key_identifier, "keyid:always") &&
                (!sans || X509_add1_ext_i2d(x, NID_subject_alt_name, sans, critical, 0) == 1);
    GENERAL_NAMES_free(sans);
    return good;
}

static STACK_OF(X509) * issue_chain(const struct crypto_cert *ca)
{
    STACK_OF(X509) *chain = X509_chain_up_ref(ca->chain);
    if (!chain || !X509_up_ref(ca->leaf) || !sk_X509_insert(chain, ca->leaf, 0))
        crypto_abort("lists of certificates");
    return chain;
}

static time_t floor_seconds(int64_t ms)
{
    return (time_t)(ms >= 0 ? ms / 1000 : (ms - 999) / 1000);
}

int crypto_ca_sign(struct crypto_key *ca_key, const struct crypto_cert *ca, struct slice request_pem,
                   const struct crypto_request_names *names, int64_t not_after_ms, struct crypto_cert **ret)
{
    EVP_PKEY *pkey = NULL;
    int r = names_check(names);
    if (r < 0 || (r = crypto_cert_matches(ca, ca_key)) < 0 || (r = request_key(request_pem, &pkey)) < 0)
        return r;
    struct issue i = {.issuer = ca->leaf,
                      .common_name = names->common_name,
                      .pubkey = pkey,
                      .signer = ca_key->pkey,
                      .not_before = time(NULL) - HOUR_S,
                      .not_after = floor_seconds(not_after_ms)};
    if (names->not_before_ms)
        i.not_before = floor_seconds(names->not_before_ms);
    if (i.not_before >= i.not_after)
        i.not_before = i.not_after - HOUR_S;
    X509 *x = issue_begin(&i);
    bool good = x && issue_leaf_exts(x, ca->leaf, names) && X509_sign(x, i.signer, EVP_sha256()) > 0;
    EVP_PKEY_free(pkey);
    struct crypto_cert *c = NULL;
    if (good)
        c = crypto_cert_wrap(x, issue_chain(ca));
    else
        X509_free(x);
    if (!c)
        return crypto_fail(-EINVAL, "cannot issue");
    *ret = c;
    return 0;
}
