#include "kept/topology/material.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* What is read can be written and read again. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct material *m, *again;
    struct buf text = {0};
    if (material_parse(slice_mem(p, n), &m) < 0)
        return 0;
    material_write(m, &text);
    if (material_parse(buf_slice(&text), &again) < 0 || again->n_keys != m->n_keys)
        abort();
    material_unref(again);
    material_unref(m);
    buf_fini(&text);
    return 0;
}
