#include "service/access_edge/hidden.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
enum { KEY_ID = 7 };

static struct material *held(void)
{
    static struct material *m;
    if (!m) {
        m = material_new();
        material_key_add(m, 1, 1000);
        m->keys[0].id = KEY_ID;
    }
    return m;
}

/* Nothing opens that we did not seal; what we seal opens for the partner it was sealed for, and for nobody
 * when one letter is another. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct material *m = held();
    struct arena a = {0};
    struct slice in = slice_mem(p, n), partner = slice_head(in, n / 2), sealed, text;
    if (hidden_open(in, SLICE("fabrikam.example"), m, 1, &a, &text))
        abort();
    if (hidden_seal(in, partner, &m->keys[0], &a, &sealed) == 0) {
        if (!hidden_open(sealed, partner, m, 1, &a, &text) || !slice_eq(text, in))
            abort();
        if (hidden_open(sealed, SLICE("somebody else"), m, 1, &a, &text))
            abort();
        char *other = arena_cstr(&a, sealed);
        size_t at = n ? p[0] % (sealed.n - 1) : 0;
        other[at] = other[at] == 'A' ? 'g' : 'A';
        if (hidden_open(slice_str(other), partner, m, 1, &a, &text))
            abort();
    } else if (n <= HIDDEN_MAX) {
        abort();
    }
    arena_fini(&a);
    return 0;
}
