/*
 * access_edge/identity.h - for which domain may the holder of a certificate speak? Three rules, tried in this
 * order; none matches wildcards unless that is allowed (RFC 5922 7.2 forbids it):
 *
 *  a  the certificate names the domain (RFC 5922 7.1 and 7.2): a sip: URI without user part; a DNS name only
 * when there is no sip: URI at all; the common name only without any subjectAltName; b  it names the FQDN to
 * which an allowed partner is pinned, or that of the enabled provider it is behind; c  it names a target of
 * the domain's _sipfederationtls._tcp records, and that target lies within the domain or the answer was
 * DNSSEC-secure. Certificates in the manner of Lync carry the Edge's name and not the domain's.
 *
 * Pure. Whether a rule is open to a partner is policy (policy.h); what is not open is left empty here.
 */
#pragma once

#include "ground/crypto/cert.h"

enum identity_rule { IDENTITY_NONE, IDENTITY_CERTIFICATE, IDENTITY_PINNED, IDENTITY_PROVIDER, IDENTITY_SRV };
/* "rule a: the certificate names the domain" */
const char *identity_rule_text(enum identity_rule r);
const char *identity_rule_letter(enum identity_rule r); /* "a", "b", "c"; "" for none */

/* Rule a. */
bool identity_names_domain(const struct crypto_names *names, struct slice domain, bool wildcards);
/* A DNS name of the certificate, or its common name without any subjectAltName. */
/* wildcards: *.example.com among the DNS names stands for one label. */
bool identity_names_host(const struct crypto_names *names, struct slice host, bool wildcards);
/* Does an SRV target count for rule c? */
bool identity_target_counts(struct slice target, struct slice domain, bool secure);

struct identity_claim {
    const struct crypto_names *names; /* of a certificate whose chain has been verified */
    struct slice domain;
    struct slice pinned, provider; /* rule b: FQDNs; empty: none */
    const struct slice *targets;   /* rule c: those that count */
    size_t n_targets;
    bool wildcards;
};
/* ret_name: the name of the certificate that decided. */
enum identity_rule identity_prove(const struct identity_claim *c, struct slice *ret_name);
