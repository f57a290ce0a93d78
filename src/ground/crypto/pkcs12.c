#include "ground/base/mem.h"
#include "ground/crypto/inspect.h"
#include "ground/crypto/priv.h"

#include <errno.h>
#include <pthread.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/x509v3.h>

enum {
    P12_MAX = 1 << 20,
    P12_MAX_PASSPHRASE = 1024,
    P12_MAX_ITERATIONS = 1000000, /* of the MAC, which is checked before anything else is derived */
    P12_ITERATIONS = 100000,      /* of what we write */
    P12_OLD_ITERATIONS = 2000,    /* what those programs themselves write */
};

/* Files of old Windows are RC2 and 3DES, which OpenSSL keeps in its legacy provider. It is loaded into a
 * library context of its own, at the first PKCS#12 file, so that nothing else can ever negotiate such
 * ciphers. */
static OSSL_LIB_CTX *p12_lib;
static pthread_once_t p12_once = PTHREAD_ONCE_INIT;

static void p12_load(void)
{
    p12_lib = OSSL_LIB_CTX_new();
    if (!p12_lib || !OSSL_PROVIDER_load(p12_lib, "default"))
        crypto_abort("PKCS#12");
    OSSL_PROVIDER_load(p12_lib, "legacy"); /* where it is not installed, files of today still work */
    ERR_clear_error();
}

static char *p12_passphrase(struct slice s)
{
    if (s.n > P12_MAX_PASSPHRASE || (s.n && memchr(s.p, 0, s.n)))
        return NULL;
    return slice_dup(s);
}

static void p12_forget(char *passphrase)
{
    if (passphrase)
        mem_wipe(passphrase, strlen(passphrase));
    mem_free(passphrase);
}

static PKCS12 *p12_decode(struct slice der)
{
    BIO *bio = crypto_bio(der);
    PKCS12 *p12 = PKCS12_init_ex(NID_pkcs7_data, p12_lib, NULL);
    if (!p12)
        crypto_abort("PKCS#12");
    PKCS12 *got = d2i_PKCS12_bio(bio, &p12);
    BIO_free(bio);
    if (!got)
        PKCS12_free(p12); /* NULL where the decoder had begun */
    return got;
}

static bool p12_iterations_ok(const PKCS12 *p12)
{
    const ASN1_INTEGER *iterations = NULL;
    if (!PKCS12_mac_present(p12))
        return false;
    PKCS12_get0_mac(NULL, NULL, NULL, &iterations, p12);
    if (!iterations)
        return true; /* absent: one */
    int64_t n;
    return ASN1_INTEGER_get_int64(&n, iterations) && n >= 1 && n <= P12_MAX_ITERATIONS;
}

/* The objects belong to p12_lib: the same again, of the library context that everything else uses. */
static EVP_PKEY *p12_key(EVP_PKEY *foreign)
{
    PKCS8_PRIV_KEY_INFO *p8 = foreign ? EVP_PKEY2PKCS8(foreign) : NULL;
    EVP_PKEY *own = p8 ? EVP_PKCS82PKEY(p8) : NULL;
    PKCS8_PRIV_KEY_INFO_free(p8);
    return own;
}

static X509 *p12_cert(X509 *foreign)
{
    unsigned char *der = NULL;
    int n = foreign ? i2d_X509(foreign, &der) : 0;
    const unsigned char *p = der;
    X509 *own = n > 0 ? d2i_X509(NULL, &p, n) : NULL;
    OPENSSL_free(der);
    return own;
}

/* Issuer after issuer: files come in any order, and with certificates that do not belong. */
static STACK_OF(X509) * p12_chain(X509 *leaf, const STACK_OF(X509) * found)
{
    STACK_OF(X509) *chain = sk_X509_new_null();
    X509 *last = leaf;
    while (X509_check_issued(last, last) != X509_V_OK && sk_X509_num(chain) < CRYPTO_MAX_CHAIN) {
        X509 *issuer = NULL;
        for (int i = 0; i < sk_X509_num(found) && !issuer; i++)
            if (X509_check_issued(sk_X509_value(found, i), last) == X509_V_OK)
                issuer = p12_cert(sk_X509_value(found, i));
        if (!issuer)
            break;
        if (!sk_X509_push(chain, issuer))
            crypto_abort("lists of certificates");
        last = issuer;
    }
    return chain;
}

static int p12_open(PKCS12 *p12, const char *passphrase, struct crypto_key **ret_key,
                    struct crypto_cert **ret_cert)
{
    EVP_PKEY *pkey = NULL;
    X509 *leaf = NULL;
    STACK_OF(X509) *found = NULL;
    if (!p12_iterations_ok(p12))
        return crypto_fail_words(-EBADMSG, "PKCS#12 file without a MAC, or with a senseless one");
    if (PKCS12_parse(p12, passphrase, &pkey, &leaf, &found) != 1) {
        bool wrong = ERR_GET_REASON(ERR_peek_last_error()) == PKCS12_R_MAC_VERIFY_FAILURE;
        return wrong ? crypto_fail_words(-EKEYREJECTED, "the passphrase is wrong")
                     : crypto_fail(-EBADMSG, "PKCS#12 file");
    }
    int r = 0;
    EVP_PKEY *own_pkey = p12_key(pkey);
    X509 *own_leaf = p12_cert(leaf);
    struct crypto_key *k = NULL;
    struct crypto_cert *c = NULL;
    if (!own_pkey || !own_leaf)
        r = crypto_fail_words(-EBADMSG, "the PKCS#12 file holds no %s",
                              own_pkey ? "certificate" : "private key, or not that of a certificate in it");
    if (r == 0) {
        c = crypto_cert_wrap(own_leaf, p12_chain(own_leaf, found));
        k = crypto_key_wrap(own_pkey);
        own_leaf = NULL;
        own_pkey = NULL;
        r = k && c ? crypto_cert_matches(c, k) : -EBADMSG;
    }
    EVP_PKEY_free(own_pkey);
    X509_free(own_leaf);
    EVP_PKEY_free(pkey);
    X509_free(leaf);
    sk_X509_pop_free(found, X509_free);
    if (r < 0) {
        crypto_key_unref(k);
        crypto_cert_unref(c);
        return r;
    }
    *ret_key = k;
    *ret_cert = c;
    return 0;
}

int crypto_p12_parse(struct slice der, struct slice passphrase, struct crypto_key **ret_key,
                     struct crypto_cert **ret_cert)
{
    pthread_once(&p12_once, p12_load);
    if (der.n > P12_MAX)
        return crypto_fail_words(-EBADMSG, "PKCS#12 file is too large");
    char *pass = p12_passphrase(passphrase);
    if (!pass)
        return crypto_fail_words(-EKEYREJECTED, "the passphrase is wrong");
    PKCS12 *p12 = p12_decode(der);
    int r = p12 ? p12_open(p12, pass, ret_key, ret_cert) : crypto_fail(-EBADMSG, "not a PKCS#12 file");
    PKCS12_free(p12);
    p12_forget(pass);
    return r;
}

/* How the parts are encrypted: the algorithms of OpenSSL's defaults (AES-256, SHA-256), or those of old. */
struct p12_form {
    int pbe; /* 0: the default */
    int iterations;
    const char *digest; /* of the MAC; NULL: the default */
};

static bool p12_make(struct crypto_key *k, const struct crypto_cert *c, const char *pass,
                     const struct p12_form *form, BIO *bio)
{
    /* without a MAC at first where it has another digest */
    PKCS12 *p12 = PKCS12_create(pass, NULL, k->pkey, c->leaf, c->chain, form->pbe, form->pbe,
                                form->iterations, form->digest ? -1 : form->iterations, 0);
    bool good = p12 && (!form->digest || PKCS12_set_mac(p12, pass, -1, NULL, 0, form->iterations,
                                                        EVP_get_digestbyname(form->digest)));
    good = good && bio && i2d_PKCS12_bio(bio, p12) == 1;
    PKCS12_free(p12);
    return good;
}

static int p12_write(struct crypto_key *k, const struct crypto_cert *c, struct slice passphrase,
                     const struct p12_form *form, struct buf *out)
{
    int r = crypto_cert_matches(c, k);
    if (r < 0)
        return r;
    char *pass = p12_passphrase(passphrase);
    if (!pass)
        return crypto_fail_words(-EINVAL, "a passphrase has at most %d bytes, none of them NUL",
                                 P12_MAX_PASSPHRASE);
    BIO *bio = BIO_new(BIO_s_mem());
    bool good = p12_make(k, c, pass, form, bio);
    p12_forget(pass);
    if (!good) {
        BIO_free(bio);
        return crypto_fail(-EINVAL, "cannot write PKCS#12");
    }
    crypto_bio_take(bio, out);
    return 0;
}

int crypto_p12_write(struct crypto_key *k, const struct crypto_cert *c, struct slice passphrase,
                     struct buf *out)
{
    return p12_write(k, c, passphrase, &(struct p12_form){.iterations = P12_ITERATIONS}, out);
}

int crypto_p12_write_old(struct crypto_key *k, const struct crypto_cert *c, struct slice passphrase,
                         struct buf *out)
{
    static const struct p12_form old = {NID_pbe_WithSHA1And3_Key_TripleDES_CBC, P12_OLD_ITERATIONS, "SHA1"};
    return p12_write(k, c, passphrase, &old, out);
}
