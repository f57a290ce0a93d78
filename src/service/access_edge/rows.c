#include "service/access_edge/rows.h"

#include "wire/sip/value.h"

#define ROW_UNVERIFIED "unverified"

/* Known ids are looked up by their first row, the others are compared by name. */
static const enum sip_header_id of_trust[] = {SIP_H_P_PREFERRED_IDENTITY, SIP_H_MS_EDGE_PROXY_MESSAGE_TRUST};
static const struct slice of_trust_names[] = {
    SLICE_INIT("Remote-Party-ID"),                /* what P-Asserted-Identity came from */
    SLICE_INIT("ms-asserted-verification-level"), /* from Edge to Edge: read, and said anew */
    SLICE_INIT("ms-archiving"),
    SLICE_INIT("P-Access-Network-Info"), /* RFC 7315 */
    SLICE_INIT("P-Charging-Vector"),
    SLICE_INIT("P-Charging-Function-Addresses"),
    SLICE_INIT("P-Visited-Network-ID"),
    SLICE_INIT("P-User-Database"),      /* RFC 4457 */
    SLICE_INIT("P-Profile-Key"),        /* RFC 5002 */
    SLICE_INIT("P-Early-Media"),        /* RFC 5009 */
    SLICE_INIT("P-Served-User"),        /* RFC 5502 */
    SLICE_INIT("P-DCS-Trace-Party-ID"), /* RFC 5503 */
    SLICE_INIT("P-DCS-OSPS"),
    SLICE_INIT("P-DCS-Billing-Info"),
    SLICE_INIT("P-DCS-LAES"),
    SLICE_INIT("P-DCS-Redirect"),
    SLICE_INIT("P-Asserted-Service"), /* RFC 6050 */
    SLICE_INIT("P-Preferred-Service"),
    SLICE_INIT("P-Private-Network-Indication"), /* RFC 7316 */
};
static const struct slice verification_level = SLICE_INIT("ms-asserted-verification-level");
static const struct slice of_others[] = {SLICE_INIT("Diversion"), SLICE_INIT("History-Info")};

static bool is_one_of(struct slice name, const struct slice *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].n == name.n && slice_caseeq(list[i], name))
            return true;
    return false;
}
#define IS_ONE_OF(name, list) is_one_of(name, list, sizeof(list) / sizeof((list)[0]))

bool rows_are_of_trust(struct slice name)
{
    enum sip_header_id id = sip_header_id_parse(name);
    for (size_t i = 0; i < sizeof(of_trust) / sizeof(of_trust[0]); i++)
        if (id == of_trust[i])
            return true;
    return id == SIP_H_OTHER && IS_ONE_OF(name, of_trust_names);
}

bool rows_name_others(struct slice name)
{
    return sip_header_id_parse(name) == SIP_H_REFERRED_BY || IS_ONE_OF(name, of_others);
}

static void take_off_known(const struct sip_msg *m, struct sip_edits *edits)
{
    for (size_t i = 0; i < sizeof(of_trust) / sizeof(of_trust[0]); i++)
        sip_edit_remove_all(edits, m, of_trust[i]);
}

/* ---------------------------------------------------------------- who names others */
static bool value_is_lawful(struct slice value, rows_speaks_for *speaks, void *arg)
{
    struct sip_addr a;
    if (sip_addr_parse(value, &a) < 0 || a.is_star)
        return false;
    return (a.uri.scheme == SIP_SCHEME_SIP || a.uri.scheme == SIP_SCHEME_SIPS) && speaks(arg, a.uri.host);
}

static void claims_row(const struct sip_header *h, enum topology_claims claims, rows_speaks_for *speaks,
                       void *arg, struct arena *a, struct sip_edits *edits)
{
    struct slice rest = h->value, value;
    struct buf out = {0};
    bool changed = false;
    while (sip_list_next(&rest, &value)) {
        bool lawful = value_is_lawful(value, speaks, arg);
        changed |= !lawful;
        if (!lawful && claims == TOPOLOGY_CLAIMS_STRIPPED)
            continue;
        buf_printf(&out, "%s" SLICE_FMT "%s", buf_len(&out) ? ", " : "", SLICE_ARG(value),
                   lawful ? "" : ";" ROW_UNVERIFIED);
    }
    if (changed && buf_len(&out))
        sip_edit_set(edits, h, arena_copy(a, buf_slice(&out)));
    else if (changed)
        sip_edit_remove(edits, h);
    buf_fini(&out);
}

/* ---------------------------------------------------------------- what the partner says of its user */
static void said_by(const struct sip_header *h, enum rows_said *said)
{
    if (h->id != SIP_H_OTHER || !slice_caseeq(h->name, verification_level))
        return;
    bool verified = slice_caseeq(h->value, SLICE("ms-source-verified-user=verified"));
    if (!verified || *said == ROWS_SAID_NOTHING)
        *said = verified ? ROWS_SAID_VERIFIED : ROWS_SAID_UNVERIFIED;
}

enum rows_said rows_said(const struct sip_msg *m)
{
    enum rows_said said = ROWS_SAID_NOTHING;
    for (const struct sip_header *h = m->headers, *end = h + m->n_headers; h < end; h++)
        said_by(h, &said);
    return said;
}

/* ---------------------------------------------------------------- both ways */
void rows_from_outside(const struct sip_msg *m, enum topology_claims claims, rows_speaks_for *speaks,
                       void *arg, struct arena *a, struct sip_edits *edits, enum rows_said *ret_said)
{
    *ret_said = ROWS_SAID_NOTHING;
    take_off_known(m, edits);
    for (const struct sip_header *h = m->headers, *end = h + m->n_headers; h < end; h++) {
        bool others = h->id == SIP_H_REFERRED_BY || (h->id == SIP_H_OTHER && IS_ONE_OF(h->name, of_others));
        if (others && claims != TOPOLOGY_CLAIMS_KEPT)
            claims_row(h, claims, speaks, arg, a, edits);
        if (others || h->id != SIP_H_OTHER || !IS_ONE_OF(h->name, of_trust_names))
            continue;
        said_by(h, ret_said);
        sip_edit_remove(edits, h);
    }
}

void rows_to_outside(const struct sip_msg *m, struct sip_edits *edits)
{
    take_off_known(m, edits);
    for (const struct sip_header *h = m->headers, *end = h + m->n_headers; h < end; h++)
        if (h->id == SIP_H_OTHER && IS_ONE_OF(h->name, of_trust_names))
            sip_edit_remove(edits, h);
}
