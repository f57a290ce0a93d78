/* Which lists the certificates of a chain name (RFC 5280 4.2.1.13). */
#include "ground/crypto/crl_priv.h"

#include "ground/base/mem.h"
#include "ground/crypto/hash.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

/* What can stand on a line of its own. */
static bool is_plain(struct slice uri)
{
    if (uri.n == 0 || uri.n > CRL_MAX_URL)
        return false;
    for (size_t i = 0; i < uri.n; i++)
        if ((unsigned char)uri.p[i] <= ' ' || (unsigned char)uri.p[i] >= 0x7f)
            return false;
    return true;
}

bool crl_next_url(struct slice *names, struct slice *ret)
{
    while (crl_next_name(names, ret))
        if (slice_casestarts(*ret, SLICE("http://")))
            return true;
    return false;
}

/* All names of a point lead to one list. Points for some reasons alone, and those of another issuer
 * (indirect), are left out. */
static void point_names(const DIST_POINT *dp, size_t *n, struct buf *out)
{
    if (dp->reasons || dp->CRLissuer || !dp->distpoint || dp->distpoint->type != 0)
        return;
    for (int i = 0; i < sk_GENERAL_NAME_num(dp->distpoint->name.fullname) && *n < CRL_MAX_NAMES; i++) {
        const GENERAL_NAME *gn = sk_GENERAL_NAME_value(dp->distpoint->name.fullname, i);
        if (gn->type != GEN_URI)
            continue;
        const ASN1_STRING *s = gn->d.uniformResourceIdentifier;
        struct slice uri = slice_mem(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
        if (!is_plain(uri))
            continue;
        buf_printf(out, "%s" SLICE_FMT, buf_len(out) ? "\n" : "", SLICE_ARG(uri));
        ++*n;
    }
}

/* Points for all reasons are alternatives: each alone says everything. */
static char *cert_names(const X509 *x, bool *ret_named)
{
    struct buf names = {0};
    size_t n = 0;
    int critical;
    CRL_DIST_POINTS *points = X509_get_ext_d2i(x, NID_crl_distribution_points, &critical, NULL);
    for (int i = 0; i < sk_DIST_POINT_num(points); i++)
        point_names(sk_DIST_POINT_value(points, i), &n, &names);
    CRL_DIST_POINTS_free(points);
    *ret_named = critical != -1; /* also one that cannot be read */
    return buf_take(&names);
}

void crl_key(X509 *issuer, struct slice names, unsigned char out[32])
{
    unsigned char key[CRYPTO_SHA256], name[CRYPTO_SHA256];
    if (!X509_pubkey_digest(issuer, EVP_sha256(), key, NULL) ||
        !X509_NAME_digest(X509_get_subject_name(issuer), EVP_sha256(), name, NULL))
        crypto_abort("fingerprints");
    const struct slice parts[] = {slice_mem(key, sizeof(key)), slice_mem(name, sizeof(name)), names};
    unsigned char hash[CRYPTO_MAX_HASH];
    crypto_hash(CRYPTO_HASH_SHA256, parts, 3, hash);
    memcpy(out, hash, CRYPTO_SHA256);
}

static void link_make(X509 *x, X509 *issuer, struct crl_link *ret)
{
    if (!X509_up_ref(issuer))
        crypto_abort("revocation lists");
    ret->names = cert_names(x, &ret->named);
    ret->issuer = issuer;
    ret->is_ca = X509_check_ca(x) > 0;
    if (!crl_serial_read(X509_get0_serialNumber(x), &ret->serial))
        ret->serial.n = 0;
    crl_key(issuer, slice_str(ret->names), ret->key);
}

struct crl_links *crl_links_new(STACK_OF(X509) * chain)
{
    int n = sk_X509_num(chain) - 1;
    if (n < 1)
        return NULL;
    struct crl_links *l = mem_zalloc(sizeof(*l) + (size_t)n * sizeof(l->links[0]));
    l->n = (size_t)n;
    for (int i = 0; i < n; i++) {
        link_make(sk_X509_value(chain, i), sk_X509_value(chain, i + 1), &l->links[i]);
        l->named = l->named || l->links[i].named;
    }
    ERR_clear_error(); /* extensions that cannot be read */
    return l;
}

void crl_links_free(struct crl_links *l)
{
    for (size_t i = 0; l && i < l->n; i++) {
        X509_free(l->links[i].issuer);
        mem_free(l->links[i].names);
    }
    mem_free(l);
}
