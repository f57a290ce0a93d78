#include "ground/crypto/crl_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* What lies behind the signature is read as if it were good. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct crl *c;
    struct crl_view v;
    struct arena a = {0};
    struct buf der = {0};
    X509_CRL *x = crl_decode(slice_mem(p, n));
    if (!x)
        return 0;
    bool good = crl_index(x, &c) == 0;
    if (good) {
        (void)!crl_fits(c, SLICE("ldap://x/y\nhttp://crl.example/list.crl"));
        if (c->next_ms <= c->this_ms || crl_compare(c, c) != 0)
            __builtin_trap();
        for (size_t i = 0; i < c->n_revoked; i++)
            if (!crl_revokes(c, &c->revoked[i]) || (c->revoked[i].n & 0x7f) > CRL_MAX_SERIAL)
                __builtin_trap();
        crl_unref(c);
    }
    if ((crl_view(slice_mem(p, n), &a, &v, &der) == 0) != good)
        __builtin_trap();
    arena_fini(&a);
    buf_fini(&der);
    X509_CRL_free(x);
    return 0;
}
