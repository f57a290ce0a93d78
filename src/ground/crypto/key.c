#include "ground/base/mem.h"
#include "ground/crypto/priv.h"

#include <errno.h>

#include <openssl/bio.h>
#include <openssl/pem.h>

enum { KEY_MAX_PEM = 65536 };

BIO *crypto_bio(struct slice text)
{
    BIO *bio = BIO_new_mem_buf(text.n ? text.p : "", (int)text.n);
    if (!bio)
        crypto_abort("memory buffers");
    return bio;
}

void crypto_bio_take(BIO *bio, struct buf *out)
{
    char *p;
    long n = BIO_get_mem_data(bio, &p);
    if (n > 0)
        buf_append_mem(out, p, (size_t)n);
    BIO_free(bio);
}

int crypto_no_passphrase(char *text, int size, int writing, void *arg)
{
    (void)text, (void)size, (void)writing, (void)arg;
    return -1;
}

struct crypto_key *crypto_key_wrap(EVP_PKEY *pkey)
{
    int type = EVP_PKEY_get_base_id(pkey);
    if (type != EVP_PKEY_EC && type != EVP_PKEY_RSA) {
        EVP_PKEY_free(pkey);
        crypto_fail_words(-EBADMSG, "keys are EC or RSA, this one is neither");
        return NULL;
    }
    struct crypto_key *k = MEM_NEW(struct crypto_key);
    k->refs = 1;
    k->pkey = pkey;
    return k;
}

struct crypto_key *crypto_key_new(void)
{
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    if (!pkey)
        crypto_abort("P-256 keys");
    return crypto_key_wrap(pkey);
}

int crypto_key_parse(struct slice pem, struct crypto_key **ret)
{
    if (pem.n > KEY_MAX_PEM)
        return crypto_fail_words(-EBADMSG, "key file is too large");
    BIO *bio = crypto_bio(pem);
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, crypto_no_passphrase, NULL);
    BIO_free(bio);
    if (!pkey)
        return crypto_fail(-EBADMSG, "no private key (PEM, not encrypted)");
    struct crypto_key *k = crypto_key_wrap(pkey);
    if (!k)
        return -EBADMSG;
    *ret = k;
    return 0;
}

void crypto_key_write(const struct crypto_key *k, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    if (!bio || !PEM_write_bio_PKCS8PrivateKey(bio, k->pkey, NULL, NULL, 0, NULL, NULL))
        crypto_abort("writing of keys");
    crypto_bio_take(bio, out);
}

void crypto_pkey_id(const EVP_PKEY *pkey, unsigned char out[32])
{
    unsigned char *der = NULL;
    int n = i2d_PUBKEY(pkey, &der);
    if (n <= 0 || !EVP_Digest(der, (size_t)n, out, NULL, EVP_sha256(), NULL))
        crypto_abort("writing of public keys");
    OPENSSL_free(der);
}

void crypto_key_id(const struct crypto_key *k, unsigned char out[32])
{
    crypto_pkey_id(k->pkey, out);
}

struct crypto_key *crypto_key_ref(struct crypto_key *k)
{
    ref_up(&k->refs);
    return k;
}

void crypto_key_unref(struct crypto_key *k)
{
    if (!k || !ref_down(&k->refs))
        return;
    EVP_PKEY_free(k->pkey);
    mem_free(k);
}

int crypto_sign(struct crypto_key *k, struct slice text, struct buf *out)
{
    int r = -EKEYREJECTED;
    size_t n = 0;
    const unsigned char *in = (const unsigned char *)(text.n ? text.p : "");
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    if (!c)
        crypto_abort("digest");
    if (EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, k->pkey) != 1 ||
        EVP_DigestSign(c, NULL, &n, in, text.n) != 1)
        goto out;
    if (EVP_DigestSign(c, (unsigned char *)buf_reserve(out, n), &n, in, text.n) != 1)
        goto out;
    buf_commit(out, n);
    r = 0;
out:
    EVP_MD_CTX_free(c);
    return r ? crypto_fail(r, "cannot sign") : 0;
}

int crypto_cert_verify_signature(const struct crypto_cert *c, struct slice text, struct slice signature)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY *pkey = X509_get0_pubkey(c->leaf);
    if (!md)
        crypto_abort("digest");
    bool good = pkey && EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, pkey) == 1 &&
                EVP_DigestVerify(md, (const unsigned char *)(signature.n ? signature.p : ""), signature.n,
                                 (const unsigned char *)(text.n ? text.p : ""), text.n) == 1;
    EVP_MD_CTX_free(md);
    return good ? 0 : crypto_fail(-EKEYREJECTED, "signature is wrong");
}
