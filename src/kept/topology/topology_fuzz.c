#include "kept/topology/check.h"
#include "kept/topology/edit.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void same_again(struct slice text, const struct buf *canonical)
{
    struct topology *t;
    struct buf again = {0};
    if (topology_parse(text, &t, NULL) < 0)
        abort();
    topology_write_canonical(t, &again);
    if (!slice_eq(buf_slice(&again), buf_slice(canonical)))
        abort();
    buf_fini(&again);
    topology_unref(t);
}

/* YAML and JSON: whatever parses is checked, printed, and read back as the same. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct findings f = {0};
    struct topology *t = NULL;
    if (topology_parse(slice_mem(p, n), &t, &f) == 0) {
        struct buf canonical = {0}, yaml = {0};
        topology_check_all(t, &f);
        topology_write_canonical(t, &canonical);
        topology_write_yaml(t, &yaml);
        same_again(buf_slice(&canonical), &canonical);
        same_again(buf_slice(&yaml), &canonical);
        buf_fini(&canonical);
        buf_fini(&yaml);
    } else if (f.errors == 0) {
        abort(); /* refused without a word */
    }
    topology_unref(t);
    findings_fini(&f);
    return 0;
}
