/* Looking into the rows of a parsed message (sip/msg.h). */
#include "wire/sip/msg.h"

#include "wire/sip/octets.h"

const struct sip_header *sip_msg_next(const struct sip_msg *m, const struct sip_header *h)
{
    const struct sip_header *end = m->headers + m->n_headers;
    for (const struct sip_header *next = h + 1; next < end; next++)
        if (next->id == h->id && (h->id != SIP_H_OTHER || slice_caseeq(next->name, h->name)))
            return next;
    return NULL;
}

const struct sip_header *sip_msg_named(const struct sip_msg *m, struct slice name)
{
    enum sip_header_id id = sip_header_id_parse(name);
    if (id != SIP_H_OTHER)
        return sip_msg_header(m, id);
    for (size_t i = 0; i < m->n_headers; i++)
        if (m->headers[i].id == SIP_H_OTHER && slice_caseeq(m->headers[i].name, name))
            return &m->headers[i];
    return NULL;
}

/* End of the first value of a list: the comma that stands neither in quotes nor in <>, or the end. */
static size_t value_end(struct slice s)
{
    if (octets_find(s, ',') == s.n)
        return s.n;
    bool quoted = false, angle = false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"' && !angle) {
            quoted = true;
        } else if (c == '<' || c == '>') {
            angle = c == '<';
        } else if (c == ',' && !angle) {
            return i;
        }
    }
    return s.n;
}

bool sip_list_next(struct slice *rest, struct slice *ret_value)
{
    while (rest->n) {
        size_t n = value_end(*rest);
        struct slice value = slice_trim(slice_head(*rest, n));
        *rest = slice_trim(slice_from(*rest, n + 1));
        if (value.n) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

struct sip_values sip_values(const struct sip_msg *m, enum sip_header_id id)
{
    return (struct sip_values){.msg = m, .id = id};
}

bool sip_values_next(struct sip_values *v, struct slice *ret_value)
{
    if (v->count >= SIP_MAX_VALUES)
        return false;
    while (!sip_list_next(&v->rest, ret_value)) {
        const struct sip_header *row = v->row ? sip_msg_next(v->msg, v->row) : sip_msg_header(v->msg, v->id);
        if (!row)
            return false;
        v->row = row;
        v->rest = row->value;
    }
    v->count++;
    return true;
}

bool sip_msg_has_token(const struct sip_msg *m, enum sip_header_id id, struct slice token)
{
    for (const struct sip_header *h = sip_msg_header(m, id); h; h = sip_msg_next(m, h)) {
        struct slice rest = h->value, value;
        while (sip_list_next(&rest, &value))
            if (slice_caseeq(value, token))
                return true;
    }
    return false;
}
