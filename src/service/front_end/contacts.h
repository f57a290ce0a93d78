/*
 * front_end/contacts.h - the Contact values of a REGISTER as changes of bindings, and bindings as Contact
 * values (RFC 3261 section 10.3 steps 6 to 8). Pure.
 */
#pragma once

#include "ground/base/buf.h"
#include "kept/location/location.h"
#include "wire/sip/msg.h"

struct contacts_rules {
    int64_t min_s, max_s, default_s;
};
enum contacts_verdict {
    CONTACTS_QUERY, /* no Contact: tell what there is */
    CONTACTS_UPDATE,
    CONTACTS_REMOVE_ALL,
    CONTACTS_BAD,      /* malformed, no sip or sips URI, or too long */
    CONTACTS_BAD_STAR, /* with others, or without Expires: 0 */
    CONTACTS_BRIEF,    /* below the minimum (423) */
    CONTACTS_TOO_MANY, /* more than LOCATION_MAX_CHANGES */
};
/* On CONTACTS_UPDATE: changes with uri, q, instance and expires_ms; the rest of the bindings is the caller's.
 * An expiry is that of the parameter, else of the Expires header, else the default; one that is malformed
 * counts as absent; more than the maximum becomes the maximum. 423 is for what is shorter than an hour. */
enum contacts_verdict contacts_read(const struct sip_msg *m, const struct contacts_rules *rules,
                                    int64_t now_ms, struct arena *a, struct location_change **ret,
                                    size_t *ret_n);
/* "Contact: <…>;expires=…" rows. Seconds are rounded up: a binding is never told to be gone while it lives.
 */
void contacts_write(const struct location_binding *b, size_t n, int64_t now_ms, struct buf *out);
