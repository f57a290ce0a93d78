#include "ground/crypto/tls_priv.h"

#include <pthread.h>

#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>

/*
 * OpenSSL 3.0 looks through all decoders and key managers that it knows whenever a public key is decoded,
 * which is most of what a certificate costs. Contexts of TLS live in a library context of their own, whose
 * only provider is the default one without what no certificate of SIP's TLS asks for.
 */
static OSSL_PROVIDER *whole;
static OSSL_LIB_CTX *lean;
static OSSL_ALGORITHM *lean_decoders, *lean_keys;

static const char *const key_kinds[] = {"RSA", "RSA-PSS", "EC", "ED25519"};
/* Key managers that TLS needs beside those: key exchange, key derivation, the MAC of TLS 1.2's CBC ciphers.
 */
static const char *const more_kinds[] = {"X25519", "HKDF", "TLS1-PRF", "HMAC"};

/* The first name in "RSA:rsaEncryption:1.2.840.113549.1.1.1". */
static bool is_one_of(const char *names, const char *const *wanted, size_t n)
{
    size_t len = strcspn(names, ":");
    for (size_t i = 0; i < n; i++)
        if (strlen(wanted[i]) == len && memcmp(names, wanted[i], len) == 0)
            return true;
    return false;
}

#define IS_ONE_OF(names, list) is_one_of(names, list, sizeof(list) / sizeof((list)[0]))

static bool decoder_is_kept(const OSSL_ALGORITHM *a)
{
    return IS_ONE_OF(a->algorithm_names, key_kinds) && strstr(a->property_definition, "input=der") &&
           strstr(a->property_definition, "structure=SubjectPublicKeyInfo");
}

static bool key_is_kept(const OSSL_ALGORITHM *a)
{
    return IS_ONE_OF(a->algorithm_names, key_kinds) || IS_ONE_OF(a->algorithm_names, more_kinds);
}

static OSSL_ALGORITHM *filtered(int operation, bool (*kept)(const OSSL_ALGORITHM *a))
{
    int no_cache;
    const OSSL_ALGORITHM *all = OSSL_PROVIDER_query_operation(whole, operation, &no_cache);
    size_t n = 0, k = 0;
    while (all && all[n].algorithm_names)
        n++;
    OSSL_ALGORITHM *list = OPENSSL_zalloc((n + 1) * sizeof(*list));
    if (!list)
        crypto_abort("TLS");
    for (size_t i = 0; i < n; i++)
        if (kept(&all[i]))
            list[k++] = all[i];
    return list;
}

static const OSSL_ALGORITHM *lean_query(void *provider, int operation, int *no_cache)
{
    (void)provider;
    *no_cache = 0;
    switch (operation) {
    case OSSL_OP_DECODER:
        return lean_decoders;
    case OSSL_OP_KEYMGMT:
        return lean_keys;
    default:
        return OSSL_PROVIDER_query_operation(whole, operation, no_cache);
    }
}

static int lean_capabilities(void *provider, const char *capability, OSSL_CALLBACK *callback, void *arg)
{
    (void)provider;
    return OSSL_PROVIDER_get_capabilities(whole, capability, callback, arg);
}

/* The algorithms are those of the default provider, so its state is ours. */
static int lean_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
                     void **ret_provider)
{
    static const OSSL_DISPATCH functions[] = {
        {OSSL_FUNC_PROVIDER_QUERY_OPERATION,  (void (*)(void))lean_query       },
        {OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))lean_capabilities},
        {0,                                   NULL                             }
    };
    (void)handle, (void)in;
    *out = functions;
    *ret_provider = OSSL_PROVIDER_get0_provider_ctx(whole);
    return 1;
}

static void library_make(void)
{
    OSSL_LIB_CTX *inner = OSSL_LIB_CTX_new();
    whole = inner ? OSSL_PROVIDER_load(inner, "default") : NULL;
    lean = OSSL_LIB_CTX_new();
    if (!whole || !lean)
        crypto_abort("TLS");
    lean_decoders = filtered(OSSL_OP_DECODER, decoder_is_kept);
    lean_keys = filtered(OSSL_OP_KEYMGMT, key_is_kept);
    if (!OSSL_PROVIDER_add_builtin(lean, "lean", lean_init) || !OSSL_PROVIDER_load(lean, "lean"))
        crypto_abort("TLS");
}

OSSL_LIB_CTX *tls_library(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, library_make);
    return lean;
}
