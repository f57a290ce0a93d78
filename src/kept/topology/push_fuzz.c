#include "kept/topology/push.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* What is read can be written and read again. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct arena a = {0};
    struct buf text = {0};
    struct push_request q;
    struct push_answer w;
    struct bundle b;
    if (push_request_parse(slice_mem(p, n), &a, &q) == 0) {
        push_request_write(&q, &text);
        if (push_request_parse(buf_slice(&text), &a, &q) < 0)
            abort();
    }
    buf_clear(&text, 0);
    struct key_request k;
    struct key_answer ka;
    if (key_request_parse(slice_mem(p, n), &a, &k) == 0) {
        key_request_write(&k, &text);
        if (key_request_parse(buf_slice(&text), &a, &k) < 0)
            abort();
    }
    (void)key_answer_parse(slice_mem(p, n), &a, &ka);
    buf_clear(&text, 0);
    if (push_answer_parse(slice_mem(p, n), &a, &w) == 0) {
        push_answer_write(&w, &a, &text);
        if (push_answer_parse(buf_slice(&text), &a, &w) < 0)
            abort();
    }
    (void)bundle_parse(slice_mem(p, n), &a, &b);
    (void)bundle_machine_parse(slice_mem(p, n), &a, &b);
    buf_fini(&text);
    arena_fini(&a);
    return 0;
}
