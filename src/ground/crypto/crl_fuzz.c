#include "ground/crypto/crl_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* What lies behind the signature is read as if it were good. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct crl *c;
    X509_CRL *x = crl_decode(slice_mem(p, n));
    if (!x)
        return 0;
    if (crl_index(x, "http://crl.example/list.crl", &c) == 0) {
        if (c->next_ms <= c->this_ms || crl_compare(c, c) != 0)
            __builtin_trap();
        for (size_t i = 0; i < c->n_revoked; i++)
            if (!crl_revokes(c, &c->revoked[i]) || (c->revoked[i].n & 0x7f) > CRL_MAX_SERIAL)
                __builtin_trap();
        crl_unref(c);
    }
    X509_CRL_free(x);
    return 0;
}
