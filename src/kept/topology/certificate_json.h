/*
 * topology/certificate_json.h - certificates as reports show them: cert check, partner test.
 */
#pragma once

#include "ground/crypto/cert.h"
#include "wire/json/json.h"

/* dNSNames, then URIs. */
struct json_value *certificate_names_json(const struct crypto_cert *c, struct arena *a);
/* Each certificate, the leaf first: subject, issuer, key ("EC 256"), weak_signature, authority,
 * not_before_ms, not_after_ms. */
struct json_value *certificate_chain_json(const struct crypto_cert *c, struct arena *a);
