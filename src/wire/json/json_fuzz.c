#include "wire/json/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* What parses is the same after a trip through canonical JSON, and canonical JSON is stable. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct arena a = {0};
    struct buf once = {0}, twice = {0};
    struct json_value *v, *again;
    struct json_error e;
    if (json_parse(slice_mem(p, n), &a, &v, &e) == 0) {
        json_write_canonical(v, &once);
        if (json_parse(buf_slice(&once), &a, &again, &e) < 0 || !json_equal(v, again))
            abort();
        json_write_canonical(again, &twice);
        if (!slice_eq(buf_slice(&once), buf_slice(&twice)))
            abort();
    }
    buf_fini(&once);
    buf_fini(&twice);
    arena_fini(&a);
    return 0;
}
