#include "wire/sip/uri.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct arena a = {0};
    struct sip_uri u, v;
    struct slice value, s = slice_mem(p, n);
    if (sip_uri_parse(s, &u) == 0) {
        if (!sip_uri_equal(&u, &u))
            abort();
        if (sip_uri_aor(&u, &a).n == 0)
            abort();
        sip_uri_param(&u, SLICE("transport"), &value);
    }
    /* equality is symmetric: cut the input in two */
    if (sip_uri_parse(slice_head(s, n / 2), &u) == 0 && sip_uri_parse(slice_from(s, n / 2), &v) == 0) {
        if (sip_uri_equal(&u, &v) != sip_uri_equal(&v, &u))
            abort();
    }
    sip_unescape(s, &a);
    arena_fini(&a);
    return 0;
}
