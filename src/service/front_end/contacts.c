#include "service/front_end/contacts.h"

enum { CONTACTS_BRIEF_BELOW_S = 3600 }; /* RFC 3261 10.3 step 7 */

static bool expires_of(struct slice text, int64_t *ret)
{
    uint32_t s;
    if (sip_number_parse(text, &s) < 0)
        return false;
    *ret = s;
    return true;
}

static enum contacts_verdict read_one(const struct sip_addr *addr, const struct contacts_rules *rules,
                                      int64_t otherwise_s, int64_t now_ms, struct location_change *ret)
{
    struct slice value = SLICE_NONE;
    int64_t s = otherwise_s;
    if ((addr->uri.scheme != SIP_SCHEME_SIP && addr->uri.scheme != SIP_SCHEME_SIPS) ||
        addr->uri_text.n > LOCATION_MAX_URI)
        return CONTACTS_BAD;
    if (sip_param(addr->params, SLICE("expires"), &value) && !expires_of(value, &s))
        s = otherwise_s;
    *ret = (struct location_change){.uri = addr->uri_text, .remove = s == 0};
    if (s > 0 && s < rules->min_s && s < CONTACTS_BRIEF_BELOW_S)
        return CONTACTS_BRIEF;
    s = s > rules->max_s ? rules->max_s : s;
    ret->binding = (struct location_binding){
        .uri = addr->uri_text, .q = sip_qvalue(addr->params), .expires_ms = now_ms + s * 1000};
    if (sip_param(addr->params, SLICE("+sip.instance"), &value))
        ret->binding.instance = value;
    return ret->binding.instance.n > LOCATION_MAX_TEXT ? CONTACTS_BAD : CONTACTS_UPDATE;
}

enum contacts_verdict contacts_read(const struct sip_msg *m, const struct contacts_rules *rules,
                                    int64_t now_ms, struct arena *a, struct location_change **ret,
                                    size_t *ret_n)
{
    struct sip_values v = sip_values(m, SIP_H_CONTACT), ahead = v;
    size_t room = 0;
    for (struct slice value; room < LOCATION_MAX_CHANGES && sip_values_next(&ahead, &value);)
        room++;
    struct location_change *changes = ARENA_ARRAY(a, struct location_change, room);
    struct slice expires = sip_msg_value(m, SIP_H_EXPIRES);
    int64_t header_s = rules->default_s;
    bool has_header = expires_of(expires, &header_s), star = false;
    size_t n = 0;
    for (struct slice value; sip_values_next(&v, &value); n++) {
        struct sip_addr addr;
        if (n == LOCATION_MAX_CHANGES)
            return CONTACTS_TOO_MANY;
        if (sip_addr_parse(value, &addr) < 0)
            return CONTACTS_BAD;
        star |= addr.is_star;
        if (star)
            continue;
        enum contacts_verdict r = read_one(&addr, rules, header_s, now_ms, &changes[n]);
        if (r != CONTACTS_UPDATE)
            return r;
    }
    if (star)
        return n == 1 && has_header && header_s == 0 ? CONTACTS_REMOVE_ALL : CONTACTS_BAD_STAR;
    *ret = changes;
    *ret_n = n;
    return n ? CONTACTS_UPDATE : CONTACTS_QUERY;
}

void contacts_write(const struct location_binding *b, size_t n, int64_t now_ms, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        int64_t left_ms = b[i].expires_ms > now_ms ? b[i].expires_ms - now_ms : 0;
        buf_append(out, SLICE("Contact: <"));
        buf_append(out, b[i].uri);
        buf_append(out, SLICE(">;expires="));
        buf_append_u64(out, (uint64_t)(left_ms + 999) / 1000);
        if (b[i].q < 1000)
            buf_printf(out, ";q=0.%03u", b[i].q);
        if (b[i].instance.n)
            buf_printf(out, ";+sip.instance=\"" SLICE_FMT "\"", SLICE_ARG(b[i].instance));
        buf_append(out, SLICE("\r\n"));
    }
}
