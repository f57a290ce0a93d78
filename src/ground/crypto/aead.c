#include "ground/crypto/aead.h"

#include "ground/crypto/hash.h"
#include "ground/crypto/priv.h"

#include <pthread.h>

#include <openssl/evp.h>

static EVP_CIPHER *cipher;
static pthread_once_t cipher_once = PTHREAD_ONCE_INIT;

static void cipher_fetch(void)
{
    cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    if (!cipher)
        crypto_abort("AES-256-GCM");
}

static const unsigned char *bytes(struct slice s)
{
    return (const unsigned char *)s.p;
}

static EVP_CIPHER_CTX *begin(const unsigned char *key, const unsigned char *nonce, struct slice with,
                             int seal)
{
    int n;
    pthread_once(&cipher_once, cipher_fetch);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    if (!c || !EVP_CipherInit_ex2(c, cipher, key, nonce, seal, NULL) ||
        (with.n && !EVP_CipherUpdate(c, NULL, &n, bytes(with), (int)with.n)))
        crypto_abort("AES-256-GCM");
    return c;
}

void crypto_aead_seal(const unsigned char key[CRYPTO_AEAD_KEY], struct slice with, struct slice plain,
                      unsigned char *out)
{
    int n;
    crypto_random(out, CRYPTO_AEAD_NONCE);
    EVP_CIPHER_CTX *c = begin(key, out, with, 1);
    unsigned char *text = out + CRYPTO_AEAD_NONCE, *tag = text + plain.n;
    if ((plain.n && !EVP_CipherUpdate(c, text, &n, bytes(plain), (int)plain.n)) ||
        !EVP_CipherFinal_ex(c, tag, &n) ||
        !EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, CRYPTO_AEAD_TAG, tag))
        crypto_abort("AES-256-GCM");
    EVP_CIPHER_CTX_free(c);
}

bool crypto_aead_open(const unsigned char key[CRYPTO_AEAD_KEY], struct slice with, struct slice sealed,
                      unsigned char *out)
{
    int n;
    if (sealed.n < CRYPTO_AEAD_OVERHEAD)
        return false;
    size_t len = sealed.n - CRYPTO_AEAD_OVERHEAD;
    unsigned char tag[CRYPTO_AEAD_TAG], rest[CRYPTO_AEAD_TAG];
    memcpy(tag, sealed.p + CRYPTO_AEAD_NONCE + len, sizeof(tag));
    EVP_CIPHER_CTX *c = begin(key, bytes(sealed), with, 0);
    bool ok = (len == 0 || EVP_CipherUpdate(c, out, &n, bytes(sealed) + CRYPTO_AEAD_NONCE, (int)len)) &&
              EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, CRYPTO_AEAD_TAG, tag) &&
              EVP_CipherFinal_ex(c, rest, &n);
    EVP_CIPHER_CTX_free(c);
    return ok;
}
