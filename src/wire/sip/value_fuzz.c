#include "wire/sip/value.h"

#include <stdlib.h>

/* Every result must be a slice of the input. */
static void check_within(struct slice part, struct slice whole)
{
    if (part.n > 0 && (part.p < whole.p || part.p + part.n > whole.p + whole.n))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct slice s = slice_mem(p, n), rest = s, name, value;
    struct sip_addr addr;
    struct sip_via via;
    uint32_t number;
    if (sip_addr_parse(s, &addr) == 0) {
        check_within(addr.display, s);
        check_within(addr.uri_text, s);
        check_within(addr.params, s);
    }
    if (sip_via_parse(s, &via) == 0) {
        check_within(via.host, s);
        check_within(via.params, s);
        check_within(via.branch, s);
    }
    while (sip_param_next(&rest, &name, &value)) {
        check_within(name, s);
        check_within(value, s);
    }
    sip_number_parse(s, &number);
    if (sip_qvalue(s) > 1000)
        abort();
    return 0;
}
