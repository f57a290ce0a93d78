#include "wire/json/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* What parses is the same after being written and read again. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct arena a = {0};
    struct buf out = {0};
    struct json_value *v, *again;
    struct json_error e;
    if (yaml_parse(slice_mem(p, n), &a, &v, &e) == 0) {
        yaml_write(v, &out);
        if (yaml_parse(buf_slice(&out), &a, &again, &e) < 0 || !json_equal(v, again))
            abort();
    }
    buf_fini(&out);
    arena_fini(&a);
    return 0;
}
