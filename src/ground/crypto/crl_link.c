/* Which lists the certificates of a chain name (RFC 5280 4.2.1.13). */
#include "ground/crypto/crl_priv.h"

#include "ground/base/mem.h"
#include "ground/crypto/hash.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

/* What can go into a request as it stands, and is one. */
static bool url_usable(struct slice url)
{
    if (url.n > CRL_MAX_URL || !slice_casestarts(url, SLICE("http://")))
        return false;
    for (size_t i = 0; i < url.n; i++)
        if ((unsigned char)url.p[i] <= ' ' || (unsigned char)url.p[i] >= 0x7f)
            return false;
    return true;
}

static bool point_url(const DIST_POINT *dp, char ret[CRL_MAX_URL + 1])
{
    if (dp->reasons || dp->CRLissuer || !dp->distpoint || dp->distpoint->type != 0)
        return false;
    for (int i = 0; i < sk_GENERAL_NAME_num(dp->distpoint->name.fullname); i++) {
        const GENERAL_NAME *gn = sk_GENERAL_NAME_value(dp->distpoint->name.fullname, i);
        if (gn->type != GEN_URI)
            continue;
        const ASN1_STRING *s = gn->d.uniformResourceIdentifier;
        struct slice url = slice_mem(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
        if (!url_usable(url))
            continue;
        memcpy(ret, url.p, url.n);
        ret[url.n] = 0;
        return true;
    }
    return false;
}

static bool cert_url(const X509 *x, char ret[CRL_MAX_URL + 1])
{
    CRL_DIST_POINTS *points = X509_get_ext_d2i(x, NID_crl_distribution_points, NULL, NULL);
    bool found = false;
    for (int i = 0; !found && i < sk_DIST_POINT_num(points); i++)
        found = point_url(sk_DIST_POINT_value(points, i), ret);
    CRL_DIST_POINTS_free(points);
    return found;
}

void crl_key(X509 *issuer, const char *url, unsigned char out[32])
{
    unsigned char key[CRYPTO_SHA256], name[CRYPTO_SHA256];
    if (!X509_pubkey_digest(issuer, EVP_sha256(), key, NULL) ||
        !X509_NAME_digest(X509_get_subject_name(issuer), EVP_sha256(), name, NULL))
        crypto_abort("fingerprints");
    const struct slice parts[] = {slice_mem(key, sizeof(key)), slice_mem(name, sizeof(name)), slice_str(url)};
    unsigned char hash[CRYPTO_MAX_HASH];
    crypto_hash(CRYPTO_HASH_SHA256, parts, 3, hash);
    memcpy(out, hash, CRYPTO_SHA256);
}

static bool link_make(X509 *x, X509 *issuer, struct crl_link *ret)
{
    if (!cert_url(x, ret->url) || !X509_up_ref(issuer))
        return false;
    ret->issuer = issuer;
    ret->is_ca = X509_check_ca(x) > 0;
    if (!crl_serial_read(X509_get0_serialNumber(x), &ret->serial))
        ret->serial.n = 0;
    crl_key(issuer, ret->url, ret->key);
    return true;
}

struct crl_links *crl_links_new(STACK_OF(X509) * chain)
{
    int n = sk_X509_num(chain) - 1;
    if (n < 1)
        return NULL;
    struct crl_links *l = mem_zalloc(sizeof(*l) + (size_t)n * sizeof(l->links[0]));
    for (int i = 0; i < n; i++)
        l->n += link_make(sk_X509_value(chain, i), sk_X509_value(chain, i + 1), &l->links[l->n]);
    ERR_clear_error(); /* extensions that cannot be read name no list */
    if (l->n)
        return l;
    mem_free(l);
    return NULL;
}

void crl_links_free(struct crl_links *l)
{
    for (size_t i = 0; l && i < l->n; i++)
        X509_free(l->links[i].issuer);
    mem_free(l);
}
