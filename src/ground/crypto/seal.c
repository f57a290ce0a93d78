#include "ground/base/mem.h"
#include "ground/crypto/priv.h"

#include <errno.h>

#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/rsa.h>

enum { SEAL_MAX = 1 << 20 };

/* OpenSSL's defaults are SHA-1 and PKCS#1 v1.5: asked for are SHA-256 and OAEP. */
static bool seal_recipient(CMS_RecipientInfo *ri)
{
    EVP_PKEY_CTX *ctx = CMS_RecipientInfo_get0_pkey_ctx(ri);
    if (!ctx)
        return false;
    switch (CMS_RecipientInfo_type(ri)) {
    case CMS_RECIPINFO_AGREE:
        return EVP_PKEY_CTX_set_ecdh_kdf_md(ctx, EVP_sha256()) > 0;
    case CMS_RECIPINFO_TRANS:
        return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) > 0 &&
               EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) > 0 &&
               EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()) > 0;
    default:
        return false;
    }
}

int crypto_seal(const struct crypto_cert *to, struct slice secret, struct buf *out)
{
    const unsigned flags = CMS_BINARY | CMS_PARTIAL;
    if (secret.n > SEAL_MAX)
        return crypto_fail_words(-EMSGSIZE, "more than %d bytes to seal", SEAL_MAX);
    BIO *in = crypto_bio(secret), *bio = BIO_new(BIO_s_mem());
    CMS_ContentInfo *cms = CMS_encrypt(NULL, NULL, EVP_aes_256_gcm(), flags);
    CMS_RecipientInfo *ri = cms ? CMS_add1_recipient_cert(cms, to->leaf, flags | CMS_KEY_PARAM) : NULL;
    bool good = bio && ri && seal_recipient(ri) && CMS_final(cms, in, NULL, CMS_BINARY) == 1 &&
                i2d_CMS_bio(bio, cms) == 1;
    CMS_ContentInfo_free(cms);
    BIO_free(in);
    if (!good) {
        BIO_free(bio);
        return crypto_fail(-EKEYREJECTED, "cannot seal to this certificate");
    }
    crypto_bio_take(bio, out);
    return 0;
}

int crypto_unseal(struct crypto_key *k, const struct crypto_cert *c, struct slice sealed, struct buf *out)
{
    if (sealed.n > 2 * (size_t)SEAL_MAX)
        return crypto_fail_words(-EBADMSG, "sealed text is too large");
    BIO *in = crypto_bio(sealed);
    CMS_ContentInfo *cms = d2i_CMS_bio(in, NULL);
    BIO_free(in);
    /* Only the authenticated form: of the other, an altered text would come out as junk */
    if (!cms || OBJ_obj2nid(CMS_get0_type(cms)) != NID_id_smime_ct_authEnvelopedData) {
        CMS_ContentInfo_free(cms);
        return crypto_fail(-EBADMSG, "not a sealed text");
    }
    BIO *bio = BIO_new(BIO_s_mem());
    bool good = bio && CMS_decrypt(cms, k->pkey, c->leaf, NULL, bio, CMS_BINARY) == 1;
    CMS_ContentInfo_free(cms);
    if (!good) {
        BIO_free(bio);
        return crypto_fail(-EKEYREJECTED, "sealed to another key, or altered");
    }
    crypto_bio_take(bio, out);
    return 0;
}
