#include "ground/crypto/priv.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

static _Thread_local char error_text[256];

const char *crypto_error(void)
{
    return error_text;
}

int crypto_fail(int error, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    if (reason)
        snprintf(error_text, sizeof(error_text), "%s: %s", what, reason);
    else
        snprintf(error_text, sizeof(error_text), "%s", what);
    ERR_clear_error();
    return error;
}

int crypto_fail_words(int error, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(error_text, sizeof(error_text), fmt, ap);
    va_end(ap);
    ERR_clear_error();
    return error;
}

/* Where OpenSSL's words would send an operator looking in the wrong place. */
static const struct {
    int verdict;
    const char *words;
} verify_words[] = {
    {-1,                                           "peer sent no certificate"                                             },
    {X509_V_OK,                                    "certificate is good"                                                  },
    {X509_V_ERR_CERT_HAS_EXPIRED,                  "certificate has expired"                                              },
    {X509_V_ERR_CERT_NOT_YET_VALID,                "certificate is not yet valid"                                         },
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,         "unknown issuer"                                                       },
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "unknown issuer"                                                       },
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,   "unknown issuer"                                                       },
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,       "self-signed certificate"                                              },
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,         "unknown issuer (the root that the peer sent is not trusted)"          },
    {X509_V_ERR_INVALID_PURPOSE,                   "certificate is for servers only (serverAuth without clientAuth)"      },
    {X509_V_ERR_CERT_REVOKED,                      "certificate was revoked by its issuer"                                },
    {X509_V_ERR_UNABLE_TO_GET_CRL,                 "whether the certificate was revoked is not known (no revocation list)"},
    {X509_V_ERR_APPLICATION_VERIFICATION,          "certificate is for clients only (clientAuth without serverAuth)"      },
};

const char *crypto_verify_words(int verdict)
{
    for (size_t i = 0; i < sizeof(verify_words) / sizeof(verify_words[0]); i++)
        if (verify_words[i].verdict == verdict)
            return verify_words[i].words;
    return X509_verify_cert_error_string(verdict);
}

void crypto_abort(const char *what)
{
    fprintf(stderr, "OpenSSL cannot do %s\n", what);
    ERR_print_errors_fp(stderr);
    abort();
}
