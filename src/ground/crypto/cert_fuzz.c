#include "ground/crypto/cert.h"

#include "ground/base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void fuzz_cert(struct slice pem)
{
    struct crypto_cert *c;
    if (crypto_cert_parse(pem, &c) < 0)
        return;
    struct arena a = {0};
    struct buf again = {0};
    struct crypto_trust *t = crypto_trust_new();
    unsigned char fingerprint[32];
    const struct crypto_names *names = crypto_cert_names(c);
    if (names->n_dns + names->n_uri > CRYPTO_MAX_NAMES || (names->n_dns && !names->has_san))
        __builtin_trap();
    for (size_t i = 0; i < names->n_dns; i++)
        if (names->dns[i].n == 0 || memchr(names->dns[i].p, 0, names->dns[i].n))
            __builtin_trap();
    crypto_cert_names_host(c, SLICE("sip.contoso.example"));
    crypto_cert_describe(c, &a);
    crypto_cert_fingerprint(c, fingerprint);
    crypto_cert_verify_signature(c, SLICE("text"), SLICE("0\x06\x02\x01\x01\x02\x01\x01"));
    crypto_trust_add(t, pem);
    crypto_trust_verify(t, c);
    crypto_cert_write(c, &again);
    crypto_trust_unref(t);
    crypto_cert_unref(c);
    buf_fini(&again);
    arena_fini(&a);
}

/* PEM as it stands; anything else is taken as the DER inside. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct slice in = slice_mem(p, n);
    if (slice_starts(in, SLICE("-----"))) {
        struct crypto_key *k;
        if (crypto_key_parse(in, &k) == 0)
            crypto_key_unref(k);
        fuzz_cert(in);
        return 0;
    }
    struct buf pem = {0}, body = {0};
    text_base64(&body, p, n);
    buf_append(&pem, SLICE("-----BEGIN CERTIFICATE-----\n"));
    for (struct slice b = buf_slice(&body); b.n; b = slice_from(b, 64))
        buf_printf(&pem, SLICE_FMT "\n", SLICE_ARG(slice_head(b, 64)));
    buf_append(&pem, SLICE("-----END CERTIFICATE-----\n"));
    fuzz_cert(buf_slice(&pem));
    buf_fini(&pem);
    buf_fini(&body);
    return 0;
}
