#include "wire/dns/dns.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static uint32_t draw(void *arg)
{
    return *(uint32_t *)arg += 0x9e3779b9;
}

/* A message is read, its answers looked up and ordered, and each name written again; the same bytes as a
 * signed answer must never pass. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct arena a = {0};
    struct buf out = {0}, request = {0};
    struct slice packet = slice_mem(p, n);
    struct dns_message m;
    if (dns_parse(packet, &a, &m) == 0) {
        for (size_t i = 0; i < m.n_answers; i++) {
            const struct dns_record *found[DNS_MAX_RECORDS];
            uint32_t ttl, x = 1;
            size_t k = dns_answers(&m, m.answers[i].name, m.answers[i].type, found, DNS_MAX_RECORDS, &ttl);
            if (!k || ttl > m.answers[i].ttl || dns_question_write(1, m.answers[i].name, DNS_A, &out) < 0)
                abort();
            if (m.answers[i].type == DNS_SRV)
                dns_srv_order(found, k, draw, &x);
        }
    }
    const struct dns_tsig_key key = {SLICE_INIT("key"), SLICE_INIT("a secret that is not in the corpus")};
    dns_update_write(0, SLICE("example"), NULL, 0, &key, 0, &request);
    if (dns_update_verify(packet, buf_slice(&request), &key, 0) == 0)
        abort();
    buf_fini(&out);
    buf_fini(&request);
    arena_fini(&a);
    return 0;
}
