/* See naptr.h. */
#include "element/naptr.h"

/* "SIP+D2T", "SIPS+D2T+D2S": the protocol, then resolution services; of what is not "D2X" with an X that we
 * speak nothing is used, of SIP nothing for a SIPS URI (4.1). */
static bool naptr_transport(struct slice services, bool sips, enum sip_transport *ret)
{
    struct slice protocol, one, rest;
    if (!slice_cut(services, '+', &protocol, &rest))
        return false;
    bool secure = slice_caseeq(protocol, SLICE("SIPS"));
    if (!secure && (sips || !slice_caseeq(protocol, SLICE("SIP"))))
        return false;
    while (rest.n) {
        if (!slice_cut(rest, '+', &one, &rest)) {
            one = rest;
            rest = SLICE_NONE;
        }
        bool tcp = slice_caseeq(one, SLICE("D2T")), udp = slice_caseeq(one, SLICE("D2U"));
        if (tcp || (udp && !secure)) {
            *ret = udp ? SIP_UDP : secure ? SIP_TLS : SIP_TCP;
            return true;
        }
    }
    return false;
}

static bool naptr_before(const struct dns_record *a, const struct dns_record *b)
{
    return a->naptr.order != b->naptr.order ? a->naptr.order < b->naptr.order
                                            : a->naptr.preference < b->naptr.preference;
}

/* The record that comes next after `last` by order and preference, among those that can be used: a
 * replacement that leads to SRV ("s") or addresses ("a"). A regular expression is never followed. */
static const struct dns_record *naptr_next(const struct dns_record **rr, size_t n, bool *used, bool sips,
                                           enum sip_transport *ret)
{
    size_t best = n;
    for (size_t i = 0; i < n; i++) {
        enum sip_transport tr;
        bool s = slice_caseeq(rr[i]->naptr.flags, SLICE("s")),
             a = slice_caseeq(rr[i]->naptr.flags, SLICE("a"));
        if (used[i] || (!s && !a) || rr[i]->naptr.replacement.n == 0 || rr[i]->naptr.regexp.n ||
            !naptr_transport(rr[i]->naptr.services, sips, &tr))
            continue;
        if (best == n || naptr_before(rr[i], rr[best])) {
            best = i;
            *ret = tr;
        }
    }
    if (best == n)
        return NULL;
    used[best] = true;
    return rr[best];
}

/* Once a record of one order is used, those of higher order are not (RFC 3403 4.1). */
size_t naptr_services(struct arena *a, const struct dns_record **rr, size_t n, bool sips,
                      struct target_service *ret, size_t cap)
{
    bool used[DNS_MAX_RECORDS] = {0};
    enum sip_transport tr = SIP_UDP;
    unsigned order = 0;
    size_t found = 0;
    while (found < cap) {
        const struct dns_record *r = naptr_next(rr, n, used, sips, &tr);
        if (!r || (found && r->naptr.order != order))
            break;
        order = r->naptr.order;
        ret[found++] = (struct target_service){.name = arena_copy(a, r->naptr.replacement),
                                               .transport = tr,
                                               .addresses = slice_caseeq(r->naptr.flags, SLICE("a"))};
    }
    return found;
}
