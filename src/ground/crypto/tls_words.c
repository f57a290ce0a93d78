#include "ground/base/mem.h"
#include "ground/crypto/trust_priv.h"

#include <ctype.h>

#include <openssl/err.h>
#include <openssl/sslerr.h>

/* RFC 8446 section 6.2 and RFC 5246 section 7.2 */
static const struct {
    int alert;
    const char *words;
} alert_words[] = {
    {10,  "unexpected message"             },
    {20,  "bad record mac"                 },
    {22,  "record overflow"                },
    {40,  "handshake failure"              },
    {42,  "bad certificate"                },
    {43,  "unsupported certificate"        },
    {44,  "certificate revoked"            },
    {45,  "certificate expired"            },
    {46,  "certificate unknown"            },
    {47,  "illegal parameter"              },
    {48,  "unknown ca"                     },
    {49,  "access denied"                  },
    {50,  "decode error"                   },
    {51,  "decrypt error"                  },
    {70,  "protocol version"               },
    {71,  "insufficient security"          },
    {80,  "internal error"                 },
    {86,  "inappropriate fallback"         },
    {90,  "user canceled"                  },
    {109, "missing extension"              },
    {110, "unsupported extension"          },
    {112, "unrecognized name"              },
    {113, "bad certificate status response"},
    {116, "certificate required"           },
    {120, "no application protocol"        },
};

static const struct {
    int reason;
    const char *words;
} reason_words[] = {
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE,   "peer sent no certificate"                        },
    {SSL_R_NO_SHARED_CIPHER,                    "no cipher in common with the peer"               },
    {SSL_R_WRONG_CIPHER_RETURNED,               "peer chose a cipher that was not offered"        },
    {SSL_R_UNSUPPORTED_PROTOCOL,                "peer's TLS version is too old (1.2 is the least)"},
    {SSL_R_VERSION_TOO_LOW,                     "peer's TLS version is too old (1.2 is the least)"},
    {SSL_R_WRONG_SSL_VERSION,                   "peer's TLS version is too old (1.2 is the least)"},
    {SSL_R_WRONG_VERSION_NUMBER,                "TLS version in a record is wrong"                },
    {SSL_R_NO_SUITABLE_KEY_SHARE,               "no key exchange group in common with the peer"   },
    {SSL_R_NO_SHARED_GROUPS,                    "no key exchange group in common with the peer"   },
    {SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM,     "no signature algorithm in common with the peer"  },
    {SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS,      "no signature algorithm in common with the peer"  },
    {SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, "a record was altered on the way"                 },
    {SSL_R_BAD_SIGNATURE,                       "peer's signature is wrong"                       },
    {SSL_R_EXCESSIVE_MESSAGE_SIZE,              "peer's handshake message is too large"           },
    {SSL_R_EE_KEY_TOO_SMALL,                    "peer's key is too small"                         },
    {SSL_R_CA_KEY_TOO_SMALL,                    "the key of the peer's issuer is too small"       },
};

static const char *alert_find(int alert)
{
    for (size_t i = 0; i < sizeof(alert_words) / sizeof(alert_words[0]); i++)
        if (alert_words[i].alert == alert)
            return alert_words[i].words;
    return NULL;
}

static const char *reason_find(int reason)
{
    for (size_t i = 0; i < sizeof(reason_words) / sizeof(reason_words[0]); i++)
        if (reason_words[i].reason == reason)
            return reason_words[i].words;
    return NULL;
}

static void tls_say(struct tls *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void tls_say(struct tls *t, const char *fmt, ...)
{
    struct buf b = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    mem_free(t->error);
    t->error = buf_take(&b);
}

/* The first error that libssl itself put down: later ones are consequences, those of libcrypto details. */
static unsigned long tls_first_error(void)
{
    unsigned long first = 0, code;
    while ((code = ERR_get_error()))
        if (first == 0 || (ERR_GET_LIB(first) != ERR_LIB_SSL && ERR_GET_LIB(code) == ERR_LIB_SSL))
            first = code;
    return first;
}

/* A TLS peer's first byte is that of a handshake or an alert record. */
static bool tls_not_spoken(struct tls *t)
{
    if (t->up || !t->got_first || t->first == SSL3_RT_HANDSHAKE || t->first == SSL3_RT_ALERT)
        return false;
    tls_say(t, isprint(t->first) || isspace(t->first) ? "peer speaks plain text, not TLS"
                                                      : "peer does not speak TLS");
    return true;
}

void tls_fail(struct tls *t)
{
    unsigned long code = tls_first_error();
    int reason = ERR_GET_REASON(code);
    bool ssl = code && ERR_GET_LIB(code) == ERR_LIB_SSL;
    const char *words;
    t->failed = true;
    if (t->error || tls_not_spoken(t))
        return;
    if (ssl && reason > SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256) {
        words = alert_find(reason - SSL_AD_REASON_OFFSET);
        if (words)
            tls_say(t, "%s (peer's alert)", words);
        else
            tls_say(t, "alert %d (peer's alert)", reason - SSL_AD_REASON_OFFSET);
    } else if (ssl && (words = reason_find(reason))) {
        tls_say(t, "%s", words);
    } else {
        words = code ? ERR_reason_error_string(code) : NULL;
        tls_say(t, "%s",
                words   ? words
                : t->up ? "TLS failed"
                        : "peer closed the connection in the handshake");
    }
}

void tls_note_refused(struct tls *t, const struct trust_verdict *v)
{
    const char *words = crypto_verify_words(v->error);
    if (v->at[0])
        tls_say(t, "%s (at '%s' in its chain)", words, v->at);
    else
        tls_say(t, "%s", words);
}

const char *tls_error(const struct tls *t)
{
    return t->error ? t->error : "";
}

const char *tls_verdict_text(int verdict)
{
    return crypto_verify_words(verdict);
}
