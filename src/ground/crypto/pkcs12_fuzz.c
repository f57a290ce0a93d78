#include "ground/crypto/cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct crypto_key *k;
    struct crypto_cert *c;
    if (crypto_p12_parse(slice_mem(p, n), SLICE("Secret1"), &k, &c) == 0) {
        if (crypto_cert_matches(c, k) < 0)
            __builtin_trap();
        crypto_key_unref(k);
        crypto_cert_unref(c);
    }
    return 0;
}
