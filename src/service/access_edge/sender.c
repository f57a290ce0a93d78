#include "service/access_edge/sender.h"

static bool is_sip(const struct sip_uri *u)
{
    return (u->scheme == SIP_SCHEME_SIP || u->scheme == SIP_SCHEME_SIPS) && u->host.n;
}

enum sender_outcome sender_of(const struct sip_msg *m, const struct sip_addr *from, struct sip_uri *ret)
{
    if (!is_sip(&from->uri))
        return SENDER_MALFORMED;
    if (!slice_caseeq(from->uri.host, SLICE("anonymous.invalid"))) {
        *ret = from->uri;
        return SENDER_NAMED;
    }
    struct sip_values v = sip_values(m, SIP_H_P_ASSERTED_IDENTITY);
    struct slice value;
    while (sip_values_next(&v, &value)) {
        struct sip_addr a;
        if (sip_addr_parse(value, &a) == 0 && is_sip(&a.uri)) {
            *ret = a.uri;
            return SENDER_NAMED;
        }
    }
    return SENDER_ANONYMOUS;
}

void sender_filter_identities(const struct sip_msg *m, sender_keeps *keep, void *arg, struct arena *a,
                              struct sip_edits *edits)
{
    struct sip_values v = sip_values(m, SIP_H_P_ASSERTED_IDENTITY);
    struct slice value, kept = SLICE_NONE;
    bool all = true;
    while (sip_values_next(&v, &value)) {
        struct sip_addr one;
        if (sip_addr_parse(value, &one) < 0 || one.is_star || !keep(arg, &one.uri))
            all = false;
        else if (kept.n)
            kept = arena_printf(a, SLICE_FMT ", " SLICE_FMT, SLICE_ARG(kept), SLICE_ARG(value));
        else
            kept = value;
    }
    if (all && v.count < SIP_MAX_VALUES)
        return;
    sip_edit_remove_all(edits, m, SIP_H_P_ASSERTED_IDENTITY);
    if (kept.n)
        sip_edit_end(edits, sip_header_name(SIP_H_P_ASSERTED_IDENTITY), kept);
}

bool sender_hide_identities(const struct sip_msg *m, struct slice domain, struct arena *a,
                            struct sip_edits *edits)
{
    struct slice rest = sip_msg_value(m, SIP_H_PRIVACY), one;
    bool hide = false;
    while (slice_cut(rest, ';', &one, &rest)) /* RFC 3323 4.2: values are joined by semicolons */
        hide = hide || slice_caseeq(slice_trim(one), SLICE("id"));
    hide = hide || slice_caseeq(slice_trim(rest), SLICE("id"));
    if (!hide || !sip_msg_header(m, SIP_H_P_ASSERTED_IDENTITY))
        return false;
    sip_edit_remove_all(edits, m, SIP_H_P_ASSERTED_IDENTITY);
    sip_edit_end(edits, sip_header_name(SIP_H_P_ASSERTED_IDENTITY),
                 arena_printf(a, "<sip:anonymous@" SLICE_FMT ">", SLICE_ARG(domain)));
    return true;
}
