#include "service/access_edge/token.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
/* Nothing that does not have our key opens; what we make of any names does. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct arena a = {0};
    struct buf b = {0};
    struct slice in = slice_mem(p, n);
    struct material_key k = {
        .id = 7, .key = {1, 2, 3}
    };
    struct token_opened o;
    material_key_ready(&k);
    if (token_open(in, SLICE("call"), SLICE("tag"), SLICE("other"), &k, 1, 1, &a, &o) == TOKEN_GOOD)
        abort();
    struct token t = {.partner = slice_head(in, n / 2), .machine = slice_from(in, n / 2)};
    if (token_make(&t, in, SLICE("tag"), &k, &b) == 0) {
        if (token_open(buf_slice(&b), in, SLICE("other"), SLICE("tag"), &k, 1, 1, &a, &o) != TOKEN_GOOD)
            abort();
        if (o.by_caller || !slice_caseeq(o.token.partner, t.partner))
            abort();
    }
    buf_fini(&b);
    arena_fini(&a);
    return 0;
}
