#include "ground/crypto/inspect.h"

#include "ground/base/mem.h"
#include "ground/crypto/priv.h"

#include <errno.h>

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

enum { FILE_MAX_BYTES = 1 << 20, FILE_MAX_CERTS = 64, NAME_MAX_TEXT = 256 };

int crypto_key_kind_find(struct slice name, enum crypto_key_kind *ret)
{
    static const char *const names[] = {[CRYPTO_KEY_P256] = "ecdsa-p256",
                                        [CRYPTO_KEY_RSA_2048] = "rsa-2048",
                                        [CRYPTO_KEY_RSA_3072] = "rsa-3072",
                                        [CRYPTO_KEY_RSA_4096] = "rsa-4096"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (slice_eq(name, slice_str(names[i]))) {
            *ret = (enum crypto_key_kind)i;
            return 0;
        }
    return -ENOENT;
}

struct crypto_key *crypto_key_new_kind(enum crypto_key_kind kind)
{
    static const unsigned bits[] = {
        [CRYPTO_KEY_RSA_2048] = 2048, [CRYPTO_KEY_RSA_3072] = 3072, [CRYPTO_KEY_RSA_4096] = 4096};
    if (kind == CRYPTO_KEY_P256)
        return crypto_key_new();
    EVP_PKEY *pkey = EVP_RSA_gen(bits[kind]);
    if (!pkey)
        crypto_abort("RSA keys");
    return crypto_key_wrap(pkey);
}

/* --- files: everything is collected, then put in order --- */
struct pile {
    STACK_OF(X509) * certs;
    struct crypto_key *key;
    char *passphrase;
    bool asked; /* for the passphrase */
};

static void pile_push(struct pile *p, X509 *x)
{
    if (sk_X509_num(p->certs) >= FILE_MAX_CERTS)
        X509_free(x);
    else if (!sk_X509_push(p->certs, x))
        crypto_abort("lists of certificates");
}

static void pile_pkcs7(struct pile *p, PKCS7 *p7)
{
    STACK_OF(X509) *list = PKCS7_type_is_signed(p7) && p7->d.sign ? p7->d.sign->cert : NULL;
    for (int i = 0; i < sk_X509_num(list); i++) {
        X509 *x = sk_X509_value(list, i);
        if (!X509_up_ref(x))
            crypto_abort("lists of certificates");
        pile_push(p, x);
    }
    PKCS7_free(p7);
}

static int pile_passphrase(char *text, int size, int writing, void *arg)
{
    struct pile *p = arg;
    (void)writing;
    p->asked = true;
    size_t n = p->passphrase ? strlen(p->passphrase) : 0;
    if (n == 0 || n > (size_t)size)
        return -1;
    memcpy(text, p->passphrase, n);
    return (int)n;
}

static int pile_key(struct pile *p, struct slice text)
{
    BIO *bio = crypto_bio(text);
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, pile_passphrase, p);
    BIO_free(bio);
    if (pkey) {
        p->key = crypto_key_wrap(pkey);
        return p->key ? 0 : -EBADMSG;
    }
    if (p->asked)
        return crypto_fail_words(-EKEYREJECTED, p->passphrase ? "the passphrase is wrong"
                                                              : "the key is encrypted: name its passphrase");
    return crypto_fail(-EBADMSG, "the private key cannot be read");
}

static int pile_pem(struct pile *p, struct slice text)
{
    BIO *bio = crypto_bio(text);
    char *name = NULL, *header = NULL;
    unsigned char *data = NULL;
    long n = 0;
    int r = 0;
    while (r == 0 && PEM_read_bio(bio, &name, &header, &data, &n)) {
        const unsigned char *at = data;
        struct slice kind = slice_str(name);
        X509 *x = NULL;
        PKCS7 *p7 = NULL;
        if (slice_ends(kind, SLICE("CERTIFICATE"))) {
            x = slice_search(kind, SLICE("TRUSTED")) == SIZE_MAX ? d2i_X509(NULL, &at, n)
                                                                 : d2i_X509_AUX(NULL, &at, n);
            r = x ? 0 : crypto_fail(-EBADMSG, "a certificate of the file");
        } else if (slice_eq(kind, SLICE("PKCS7"))) {
            p7 = d2i_PKCS7(NULL, &at, n);
            r = p7 ? 0 : crypto_fail(-EBADMSG, "PKCS#7");
        } else if (slice_ends(kind, SLICE("PRIVATE KEY")) && !p->key) {
            r = pile_key(p, text);
        }
        if (x)
            pile_push(p, x);
        if (p7)
            pile_pkcs7(p, p7);
        if (n > 0)
            OPENSSL_cleanse(data, (size_t)n);
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(data);
    }
    if (r == 0)
        ERR_clear_error();
    BIO_free(bio);
    return r;
}

static int pile_p12(struct pile *p, struct slice text)
{
    struct crypto_cert *cert = NULL;
    int r = crypto_p12_parse(text, p->passphrase ? slice_str(p->passphrase) : SLICE_NONE, &p->key, &cert);
    if (r < 0)
        return r;
    if (!X509_up_ref(cert->leaf))
        crypto_abort("lists of certificates");
    pile_push(p, cert->leaf);
    for (int i = 0; i < sk_X509_num(cert->chain); i++) {
        X509 *x = sk_X509_value(cert->chain, i);
        if (!X509_up_ref(x))
            crypto_abort("lists of certificates");
        pile_push(p, x);
    }
    crypto_cert_unref(cert);
    return 0;
}

static int pile_der(struct pile *p, struct slice text)
{
    const unsigned char *at = (const unsigned char *)text.p;
    X509 *x = d2i_X509(NULL, &at, (long)text.n);
    if (x) {
        pile_push(p, x);
        return 0;
    }
    at = (const unsigned char *)text.p;
    PKCS7 *p7 = d2i_PKCS7(NULL, &at, (long)text.n);
    ERR_clear_error();
    if (!p7)
        return pile_p12(p, text);
    pile_pkcs7(p, p7);
    return 0;
}

/* --- order --- */
static bool signed_by(X509 *subject, X509 *issuer)
{
    EVP_PKEY *key = X509_get0_pubkey(issuer);
    bool good = X509_check_issued(issuer, subject) == X509_V_OK && key && X509_verify(subject, key) == 1;
    ERR_clear_error();
    return good;
}

static int leaf_index(const struct pile *p, const struct crypto_key *key)
{
    int n = sk_X509_num(p->certs);
    for (int i = 0; key && i < n; i++)
        if (X509_check_private_key(sk_X509_value(p->certs, i), key->pkey) == 1)
            return i;
    ERR_clear_error();
    if (key)
        return -1;
    for (int i = 0; i < n; i++)
        if (X509_check_ca(sk_X509_value(p->certs, i)) == 0)
            return i;
    return 0;
}

static STACK_OF(X509) * chain_of(const struct pile *p, X509 *leaf)
{
    STACK_OF(X509) *chain = sk_X509_new_null();
    X509 *last = leaf;
    if (!chain)
        crypto_abort("lists of certificates");
    while (!signed_by(last, last) && sk_X509_num(chain) < CRYPTO_MAX_CHAIN) {
        X509 *issuer = NULL;
        for (int i = 0; i < sk_X509_num(p->certs) && !issuer; i++)
            if (sk_X509_value(p->certs, i) != last && signed_by(last, sk_X509_value(p->certs, i)))
                issuer = sk_X509_value(p->certs, i);
        if (!issuer)
            break;
        if (!X509_up_ref(issuer) || !sk_X509_push(chain, issuer))
            crypto_abort("lists of certificates");
        last = issuer;
    }
    return chain;
}

static int pile_order(struct pile *p, const struct crypto_key *key, struct crypto_file *f)
{
    int at = leaf_index(p, key), n = sk_X509_num(p->certs);
    if (n == 0)
        return crypto_fail_words(-EBADMSG, "there is no certificate in it");
    if (at < 0)
        return crypto_fail_words(-ENOKEY, "the private key does not belong to the certificate");
    X509 *leaf = sk_X509_value(p->certs, at);
    STACK_OF(X509) *chain = chain_of(p, leaf);
    int in_chain = sk_X509_num(chain);
    f->left_out = (size_t)(n - 1 - in_chain);
    f->reordered = at != 0;
    for (int i = 0; i < in_chain && i + 1 < n; i++)
        if (sk_X509_value(chain, i) != sk_X509_value(p->certs, i + 1))
            f->reordered = true;
    if (!X509_up_ref(leaf))
        crypto_abort("lists of certificates");
    f->cert = crypto_cert_wrap(leaf, chain);
    return f->cert ? 0 : -EBADMSG;
}

int crypto_file_parse(struct slice text, struct slice passphrase, const struct crypto_key *key,
                      struct crypto_file *ret)
{
    struct crypto_file f = {0};
    struct pile p = {.certs = sk_X509_new_null()};
    if (!p.certs)
        crypto_abort("lists of certificates");
    if (passphrase.n && !memchr(passphrase.p, 0, passphrase.n))
        p.passphrase = slice_dup(passphrase);
    int r = 0;
    if (text.n == 0 || text.n > FILE_MAX_BYTES)
        r = crypto_fail_words(-EBADMSG, text.n ? "the file is too large" : "the file is empty");
    else if (slice_search(text, SLICE("-----BEGIN ")) != SIZE_MAX)
        r = pile_pem(&p, text);
    else
        r = pile_der(&p, text);
    if (r == 0)
        r = pile_order(&p, key ? key : p.key, &f);
    sk_X509_pop_free(p.certs, X509_free);
    if (p.passphrase)
        mem_wipe(p.passphrase, strlen(p.passphrase));
    mem_free(p.passphrase);
    f.key = p.key;
    if (r < 0)
        crypto_file_fini(&f);
    else
        *ret = f;
    return r;
}

void crypto_file_fini(struct crypto_file *f)
{
    crypto_key_unref(f->key);
    crypto_cert_unref(f->cert);
    *f = (struct crypto_file){0};
}

int crypto_key_parse_secret(struct slice pem, struct slice passphrase, struct crypto_key **ret)
{
    struct pile p = {0};
    if (pem.n == 0 || pem.n > FILE_MAX_BYTES)
        return crypto_fail_words(-EBADMSG, "no private key (PEM)");
    if (passphrase.n && !memchr(passphrase.p, 0, passphrase.n))
        p.passphrase = slice_dup(passphrase);
    int r = pile_key(&p, pem);
    if (p.passphrase)
        mem_wipe(p.passphrase, strlen(p.passphrase));
    mem_free(p.passphrase);
    if (r == 0)
        *ret = p.key;
    return r;
}

/* --- looking --- */
static X509 *nth(const struct crypto_cert *c, size_t i)
{
    return i == 0 ? c->leaf : sk_X509_value(c->chain, (int)i - 1);
}

size_t crypto_cert_count(const struct crypto_cert *c)
{
    return 1 + (size_t)sk_X509_num(c->chain);
}

static struct slice name_text(const X509_NAME *name, struct arena *a)
{
    unsigned char *mem;
    char line[NAME_MAX_TEXT];
    struct slice text = crypto_common_name(name, &mem);
    if (!text.n)
        text = slice_str(X509_NAME_oneline(name, line, sizeof(line)) ? line : "");
    struct slice copy = arena_copy(a, slice_head(text, NAME_MAX_TEXT));
    for (size_t i = 0; i < copy.n; i++)
        if ((unsigned char)copy.p[i] < 0x20 || copy.p[i] == 0x7f)
            ((char *)(uintptr_t)copy.p)[i] = '?';
    OPENSSL_free(mem);
    return copy;
}

static int64_t time_ms(const ASN1_TIME *t)
{
    struct tm tm;
    return ASN1_TIME_to_tm(t, &tm) ? (int64_t)timegm(&tm) * 1000 : 0;
}

static bool weak_digest(const X509 *x)
{
    int digest = NID_undef;
    if (!OBJ_find_sigid_algs(X509_get_signature_nid(x), &digest, NULL))
        return false;
    return digest == NID_md5 || digest == NID_sha1 || digest == NID_md4 || digest == NID_md2;
}

void crypto_cert_view(const struct crypto_cert *c, size_t i, struct arena *a, struct crypto_view *ret)
{
    X509 *x = nth(c, i);
    EVP_PKEY *key = X509_get0_pubkey(x);
    int type = key ? EVP_PKEY_get_base_id(key) : 0;
    *ret = (struct crypto_view){
        .subject = name_text(X509_get_subject_name(x), a),
        .issuer = name_text(X509_get_issuer_name(x), a),
        .key = type == EVP_PKEY_RSA  ? "RSA"
               : type == EVP_PKEY_EC ? "EC"
                                     : "other",
        .key_bits = key ? (unsigned)EVP_PKEY_get_bits(key) : 0,
        .authority = X509_check_ca(x) != 0,
        .self_issued = X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)) == 0,
        .not_before = time_ms(X509_get0_notBefore(x)),
        .not_after = time_ms(X509_get0_notAfter(x)),
    };
    ret->weak_signature = !ret->self_issued && weak_digest(x);
    ERR_clear_error();
}

bool crypto_cert_issued(const struct crypto_cert *c, size_t issuer, size_t subject)
{
    return signed_by(nth(c, subject), nth(c, issuer));
}
