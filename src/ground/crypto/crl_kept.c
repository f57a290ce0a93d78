/* Lists on disk: names, issuer (PEM), list. */
#include "ground/crypto/crl_priv.h"

#include "ground/base/mem.h"

#include <errno.h>

#include <openssl/bio.h>
#include <openssl/pem.h>

static const char pem_begin[] = "-----BEGIN CERTIFICATE-----", pem_end[] = "-----END CERTIFICATE-----\n";

bool crl_store_write(struct crl_store *s, const struct crl_want *w, struct slice list, struct buf *out)
{
    struct arena a = {0};
    struct slice names = SLICE_NONE;
    X509 *issuer = crl_store_issuer(s, w->key, &a, &names);
    BIO *bio = issuer ? BIO_new(BIO_s_mem()) : NULL;
    if (issuer && (!bio || !PEM_write_bio_X509(bio, issuer)))
        crypto_abort("writing of certificates");
    if (issuer) {
        buf_printf(out, SLICE_FMT "\n", SLICE_ARG(names));
        crypto_bio_take(bio, out);
        buf_append(out, list);
    }
    X509_free(issuer);
    arena_fini(&a);
    return issuer != NULL;
}

static int restore_set(struct crl_store *s, X509 *issuer, struct slice names, struct crl *list, int64_t now)
{
    unsigned char key[32];
    crl_key(issuer, names, key);
    pthread_mutex_lock(&s->lock);
    struct crl_entry *e = crl_entry_find(s, key);
    if (!e)
        e = crl_entry_add(s, issuer, names, true, key, now);
    int r = crl_entry_set(s, e, list);
    if (r >= 0)
        crl_entry_plan_good(e, now);
    pthread_mutex_unlock(&s->lock);
    return r;
}

/* Names as a link has them: what is kept lies in a folder of ours, and may be damaged. */
static bool names_good(struct slice names)
{
    struct slice name;
    size_t n = 0;
    bool good = names.n > 0 && !memchr(names.p, 0, names.n);
    while (good && crl_next_name(&names, &name))
        good = name.n > 0 && name.n <= CRL_MAX_URL && ++n <= CRL_MAX_NAMES;
    return good;
}

int crl_store_restore(struct crl_store *s, struct slice kept, int64_t now)
{
    size_t at = slice_search(kept, slice_str(pem_begin)), end = slice_search(kept, slice_str(pem_end));
    if (at == SIZE_MAX || at == 0 || end == SIZE_MAX || end < at || !names_good(slice_head(kept, at - 1)))
        return crypto_fail_words(-EBADMSG, "kept revocation list cannot be read");
    struct slice names = slice_head(kept, at - 1);
    end += sizeof(pem_end) - 1;
    BIO *bio = crypto_bio(slice_from(slice_head(kept, end), at));
    X509 *issuer = PEM_read_bio_X509(bio, NULL, crypto_no_passphrase, NULL);
    BIO_free(bio);
    if (!issuer)
        return crypto_fail(-EBADMSG, "issuer of a kept revocation list");
    struct crl *list = NULL;
    int r = crl_parse(slice_from(kept, end), names, issuer, now, &list);
    if (r == 0 && list->next_ms + CRL_FORGET_MS < now) {
        crl_unref(list);
        r = crypto_fail_words(-ETIME, "kept revocation list has expired");
    } else if (r == 0) {
        r = restore_set(s, issuer, names, list, now);
    }
    X509_free(issuer);
    return r;
}
