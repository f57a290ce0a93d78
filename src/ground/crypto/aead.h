/*
 * crypto/aead.h - encryption with a shared key: AES-256-GCM with a random nonce in front and the tag behind.
 * A key may seal some 2^32 texts (the birthday bound of 96-bit nonces).
 */
#pragma once

#include "ground/base/slice.h"

enum { CRYPTO_AEAD_KEY = 32, CRYPTO_AEAD_NONCE = 12, CRYPTO_AEAD_TAG = 16 };
enum { CRYPTO_AEAD_OVERHEAD = CRYPTO_AEAD_NONCE + CRYPTO_AEAD_TAG };

/* out: plain.n + CRYPTO_AEAD_OVERHEAD bytes. `with` is bound to it and not part of it. */
void crypto_aead_seal(const unsigned char key[CRYPTO_AEAD_KEY], struct slice with, struct slice plain,
                      unsigned char *out);
/* out: sealed.n - CRYPTO_AEAD_OVERHEAD bytes. False: altered, cut, of another key or bound to something else;
 * what out then holds is not to be read. */
bool crypto_aead_open(const unsigned char key[CRYPTO_AEAD_KEY], struct slice with, struct slice sealed,
                      unsigned char *out);
