#include "ground/base/mem.h"
#include "ground/crypto/priv.h"

#include <errno.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

enum { TRUST_MAX_PEM = 4 << 20 };

struct crypto_trust *crypto_trust_new(void)
{
    struct crypto_trust *t = MEM_NEW(struct crypto_trust);
    t->refs = 1;
    t->store = X509_STORE_new();
    if (!t->store)
        crypto_abort("certificate stores");
    return t;
}

int crypto_trust_add(struct crypto_trust *t, struct slice pem)
{
    if (pem.n > TRUST_MAX_PEM)
        return crypto_fail_words(-EBADMSG, "file of trusted certificates is too large");
    BIO *bio = crypto_bio(pem);
    X509 *x;
    int n = 0, added = 1;
    while (added == 1 && (x = PEM_read_bio_X509(bio, NULL, crypto_no_passphrase, NULL))) {
        added = X509_STORE_add_cert(t->store, x);
        X509_free(x);
        n++;
    }
    BIO_free(bio);
    if (added != 1 || n == 0 || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return crypto_fail(-EBADMSG, "trusted certificates (PEM)");
    ERR_clear_error();
    return 0;
}

struct crypto_trust *crypto_trust_ref(struct crypto_trust *t)
{
    ref_up(&t->refs);
    return t;
}

void crypto_trust_unref(struct crypto_trust *t)
{
    if (!t || !ref_down(&t->refs))
        return;
    X509_STORE_free(t->store);
    mem_free(t);
}

int crypto_trust_verify(const struct crypto_trust *t, const struct crypto_cert *c)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    if (!ctx || !X509_STORE_CTX_init(ctx, t->store, c->leaf, c->chain))
        crypto_abort("verification");
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_ANY);
    X509_VERIFY_PARAM_set_depth(param, CRYPTO_MAX_CHAIN);
    X509_VERIFY_PARAM_set_auth_level(param, CRYPTO_SECURITY_LEVEL);
    int good = X509_verify_cert(ctx);
    int verdict = X509_STORE_CTX_get_error(ctx);
    X509_STORE_CTX_free(ctx);
    if (good == 1)
        return 0;
    return crypto_fail_words(-EKEYREJECTED, "%s", crypto_verify_words(verdict));
}
