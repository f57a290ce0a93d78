/*
 * access_edge/sender.h - who a request claims to be from, and the identities that it may keep (RFC 3325).
 * Pure.
 */
#pragma once

#include "ground/base/arena.h"
#include "wire/sip/value.h"
#include "wire/sip/write.h"

enum sender_outcome {
    SENDER_NAMED,
    SENDER_MALFORMED, /* no SIP domain in From */
    SENDER_ANONYMOUS, /* nothing names a domain */
};
/*
 * Who sends; the host of the URI is the domain to be proven: that of From, or, when that is anonymous.invalid
 * (RFC 3323 4.1.1.3), of the first P-Asserted-Identity with a SIP URI. Only this host makes From anonymous:
 * with a user "anonymous" or `Privacy: id` From still shows its domain to the called user, so that must be
 * proven. *ret points into the message.
 */
enum sender_outcome sender_of(const struct sip_msg *m, const struct sip_addr *from, struct sip_uri *ret);

/* Removes the P-Asserted-Identity values that `keep` does not want, and those that cannot be read. */
typedef bool sender_keeps(void *arg, const struct sip_uri *uri);
void sender_filter_identities(const struct sip_msg *m, sender_keeps *keep, void *arg, struct arena *a,
                              struct sip_edits *edits);
/* For what leaves the trust domain with `Privacy: id` (RFC 3325 section 7): one P-Asserted-Identity that
 * names the domain and no user, which the partner's Edge can still prove. False, and nothing done, without
 * such a Privacy. */
bool sender_hide_identities(const struct sip_msg *m, struct slice domain, struct arena *a,
                            struct sip_edits *edits);
