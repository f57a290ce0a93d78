/* Files of certificates in every form, with a passphrase where one is asked for. */
#include "ground/crypto/inspect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct crypto_file f = {0};
    struct arena a = {0};
    struct crypto_view v;
    if (crypto_file_parse(slice_mem(data, n), SLICE("Secret1"), NULL, &f) == 0) {
        for (size_t i = 0; i < crypto_cert_count(f.cert); i++)
            crypto_cert_view(f.cert, i, &a, &v);
        crypto_file_fini(&f);
    }
    arena_fini(&a);
    return 0;
}
