#include "wire/sip/auth.h"

#include <stdlib.h>

/* Every challenge that we write must be read back. */
static void round_trip(struct slice realm, struct slice nonce)
{
    struct buf b = {0};
    struct sip_challenge c;
    sip_challenge_write(SIP_DIGEST_SHA_256, realm, nonce, true, &b);
    if (sip_challenge_parse(buf_slice(&b), &c) < 0 || !c.stale || c.digest != SIP_DIGEST_SHA_256)
        abort();
    buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct slice s = slice_mem(p, n);
    struct sip_credentials c;
    struct sip_challenge challenge;
    char out[SIP_HA1_MAX];
    if (sip_credentials_parse(s, &c) == 0) {
        sip_digest_response(&c, SLICE("00"), SLICE("INVITE"), s, out);
        c.response = slice_str(out);
        if (!sip_credentials_match(&c, SLICE("00"), SLICE("INVITE"), s))
            abort();
    }
    sip_challenge_parse(s, &challenge);
    round_trip(slice_head(s, n / 2), slice_from(s, n / 2));
    return 0;
}
