/*
 * element/naptr.h - which services a domain's NAPTR records offer (RFC 3263 4.1, RFC 3403). Pure.
 */
#pragma once

#include "ground/base/arena.h"
#include "wire/dns/dns.h"
#include "wire/sip/value.h"

/* What may be asked for: a name with SRV records, or (NAPTR flag "a") with addresses. */
struct target_service {
    struct slice name;
    enum sip_transport transport;
    bool addresses;
};
/* Those of the lowest order that can be used, by preference: what leads to SRV ("s") or addresses ("a") by a
 * transport that we speak, and over TLS for a SIPS URI. n is at most DNS_MAX_RECORDS. Names lie in the arena.
 */
size_t naptr_services(struct arena *a, const struct dns_record **rr, size_t n, bool sips,
                      struct target_service *ret, size_t cap);
