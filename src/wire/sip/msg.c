#include "wire/sip/msg.h"

#include <errno.h>
#include <stddef.h>

#include "wire/sip/octets.h"
#include "wire/sip/read.h"

enum { FIRST_ROWS = 24, MAX_FORWARDS_LIMIT = 255, BLOCK = 64 };

/* How far a line was read for its quoted strings. */
struct quoting {
    const char *line, *at;
    bool quoted, escaped;
};

struct parse {
    const char *p, *end;
    const char *block;  /* being looked through for control characters, BLOCK octets at once */
    uint64_t marks;     /* where they stand, those not yet met: bit i for block[i] */
    const char *unseen; /* where the next block begins */
    struct quoting quoting;
    struct arena *arena;
    struct sip_msg *msg;
    size_t cap; /* rows there is room for */
    enum sip_flaw flaw;
};

/* Rows of which two would let two readers see different messages. */
#define ONCE(id) (1ull << SIP_H_##id)
static const uint64_t once_only = ONCE(FROM) | ONCE(TO) | ONCE(CALL_ID) | ONCE(CSEQ) | ONCE(MAX_FORWARDS) |
                                  ONCE(MAX_BREADTH) | ONCE(CONTENT_TYPE) | ONCE(EXPIRES) | ONCE(EVENT) |
                                  ONCE(REFER_TO) | ONCE(REFERRED_BY);
_Static_assert(SIP_H_COUNT <= 64, "once_only has a bit for each header");

/* The first flaw is the one that is told. */
static void note(struct parse *c, enum sip_flaw flaw)
{
    if (c->flaw == SIP_FLAW_NONE)
        c->flaw = flaw;
}

static bool is_blank(char c)
{
    return (unsigned char)c <= ' ' && (c == ' ' || c == '\t');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct slice span(const char *from, const char *to)
{
    return (struct slice){from, (size_t)(to - from)};
}

static inline struct slice trim(struct slice s)
{
    while (s.n && is_blank(s.p[0]))
        s.p++, s.n--;
    while (s.n && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

/* Where control characters stand in a block: line ends are such, and all others but tabs are a flaw. */
static inline uint64_t block_marks(const char *p)
{
    uint64_t marks = 0;
#pragma GCC unroll 4
    for (unsigned i = 0; i < BLOCK; i += sizeof(octets)) {
        octets x = octets_at(p + i);
        marks |= (uint64_t)octets_bits((octets)((x < 0x20) | (x == 0x7f))) << i;
    }
    return marks;
}

/* Likewise of the last n octets of a text. */
__attribute__((noinline)) static uint64_t last_marks(const char *p, size_t n)
{
    char block[BLOCK];
    memset(block, ' ', sizeof(block));
    memcpy(block, p, n);
    return block_marks(block);
}

/* The marks of the next block; false at the end of the text. */
static inline bool next_block(struct parse *c)
{
    size_t left = (size_t)(c->end - c->unseen);
    if (left == 0)
        return false;
    c->block = c->unseen;
    c->unseen += left < BLOCK ? left : BLOCK;
    c->marks = left < BLOCK ? last_marks(c->block, left) : block_marks(c->block);
    return true;
}

/*
 * 25.1: quoted-pair = "\\" (%x00-09 / %x0B-0C / %x0E-7F). Is the control character at q one, in a header row?
 * Within a line q only goes forward. What a continuation line begins with is not known: none there.
 */
static bool is_quoted_pair(struct parse *c, const char *q)
{
    struct quoting *s = &c->quoting;
    if (s->line != c->p)
        *s = (struct quoting){.line = c->p, .at = c->p};
    for (; s->at < q; s->at++)
        if (s->escaped)
            s->escaped = false;
        else if (*s->at == '"')
            s->quoted = !s->quoted;
        else
            s->escaped = s->quoted && *s->at == '\\';
    return s->escaped && *q != '\r' && *q != '\n' && c->msg->start_line.p && !is_blank(*s->line);
}

__attribute__((noinline)) static void meet_control(struct parse *c, const char *q, enum sip_flaw *flaw)
{
    if (!is_quoted_pair(c, q))
        *flaw = *q == '\n' ? SIP_FLAW_HEADER : SIP_FLAW_CONTROL;
}

/* One line without its CRLF; false when the text ends before. *flaw: what stands in it that may not. */
static inline bool take_line(struct parse *c, struct slice *ret, enum sip_flaw *flaw)
{
    for (;;) {
        while (c->marks == 0)
            if (!next_block(c))
                return false;
        const char *q = c->block + __builtin_ctzll(c->marks);
        c->marks &= c->marks - 1;
        if (*q == '\r' && c->end - q >= 2 && q[1] == '\n') {
            *ret = span(c->p, q);
            c->p = q + 2;
            c->marks &= c->marks - 1; /* the LF, where it is not the first of the next block */
            return true;
        }
        if (*q != '\t' && q >= c->p) /* in front of c->p: such an LF */
            meet_control(c, q, flaw);
    }
}

/* RFC 3261 7.3.1: a line break with the white space around it is one space. */
static struct slice unfold(struct slice s, struct arena *a)
{
    char *to = arena_alloc(a, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '\r') {
            to[n++] = s.p[i];
            continue;
        }
        while (n && is_blank(to[n - 1]))
            n--;
        to[n++] = ' ';
        for (i++; i + 1 < s.n && is_blank(s.p[i + 1]); i++)
            ;
    }
    return trim(slice_mem(to, n));
}

/* --- start line (7.1, 7.2) ---------------------------------------------------------------------------------
 */

/* NONE for SIP/2.0, VERSION for another one, else START_LINE. */
static enum sip_flaw version_check(struct slice s)
{
    if (slice_caseeq(s, SLICE("SIP/2.0")))
        return SIP_FLAW_NONE;
    struct slice major, minor;
    uint64_t v;
    if (!slice_casestarts(s, SLICE("SIP/")) || !slice_cut(slice_from(s, 4), '.', &major, &minor) ||
        slice_u64(major, UINT32_MAX, &v) != 0 || slice_u64(minor, UINT32_MAX, &v) != 0)
        return SIP_FLAW_START_LINE;
    return SIP_FLAW_VERSION;
}

static bool is_letter(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* Of the Request-URI only the first letter of its scheme is looked at: "<sip:…>" is no URI. */
static enum sip_flaw request_line(struct sip_msg *m)
{
    struct slice line = m->start_line;
    size_t first = octets_find(line, ' ');
    struct slice rest = slice_from(line, first + 1);
    size_t second = octets_find2(rest, ' ', '\t');
    m->method_name = slice_head(line, first);
    m->uri = slice_head(rest, second);
    if (second == rest.n || rest.p[second] != ' ' || m->uri.n == 0 || !is_letter(m->uri.p[0]) ||
        !sip_is_token(m->method_name))
        return SIP_FLAW_START_LINE;
    m->is_request = true;
    m->method = sip_method_parse(m->method_name);
    return version_check(slice_from(rest, second + 1));
}

/* RFC 4475 3.1.2.7 to 3.1.2.10: a request whose line is wrong by white space or <> is told so. */
static bool nearly_request(struct sip_msg *m)
{
    static const struct slice version = SLICE_INIT(" SIP/2.0");
    struct slice line = m->start_line, rest;
    while (line.n && is_blank(line.p[line.n - 1]))
        line.n--;
    m->is_request = slice_cut(line, ' ', &m->method_name, &rest) && sip_is_token(m->method_name) &&
                    rest.n > version.n && slice_caseeq(slice_from(rest, rest.n - version.n), version);
    m->method = m->is_request ? sip_method_parse(m->method_name) : SIP_METHOD_OTHER;
    m->uri = SLICE_NONE;
    return m->is_request;
}

/* The space before an empty reason phrase may be missing: harmless, and seen. */
static enum sip_flaw status_line(struct sip_msg *m)
{
    struct slice version, rest;
    if (!slice_cut(m->start_line, ' ', &version, &rest) || rest.n < 3 || (rest.n > 3 && rest.p[3] != ' '))
        return SIP_FLAW_START_LINE;
    uint64_t status;
    if (slice_u64(slice_head(rest, 3), 699, &status) != 0 || status < 100)
        return SIP_FLAW_START_LINE;
    m->status = (unsigned)status;
    m->reason = slice_from(rest, 4);
    return version_check(version);
}

static bool parse_start_line(struct parse *c)
{
    enum sip_flaw flaw = SIP_FLAW_NONE;
    struct sip_msg *m = c->msg;
    if (!take_line(c, &m->start_line, &flaw) || flaw) {
        note(c, SIP_FLAW_START_LINE);
        return false;
    }
    flaw = slice_casestarts(m->start_line, SLICE("SIP/")) ? status_line(m) : request_line(m);
    if (flaw)
        note(c, flaw);
    else if (m->start_line.n > SIP_MAX_START_LINE)
        note(c, SIP_FLAW_TOO_LARGE);
    return flaw != SIP_FLAW_START_LINE || nearly_request(m);
}

/* --- header rows (7.3) -------------------------------------------------------------------------------------
 */

static struct sip_header *row_room(struct parse *c)
{
    struct sip_msg *m = c->msg;
    if (m->n_headers == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : FIRST_ROWS;
        struct sip_header *rows = arena_alloc(c->arena, cap * sizeof(*rows));
        if (m->n_headers)
            memcpy(rows, m->headers, m->n_headers * sizeof(*rows));
        m->headers = rows;
        c->cap = cap;
    }
    return &m->headers[m->n_headers];
}

/* A row that cannot be read is left out, so that nothing of it is ever written again. */
static void add_row(struct parse *c, struct slice content, struct slice line, bool folded)
{
    size_t colon = octets_find(content, ':');
    if (colon == content.n) {
        note(c, SIP_FLAW_HEADER);
        return;
    }
    struct slice name = slice_head(content, colon);
    while (name.n && is_blank(name.p[name.n - 1])) /* 25.1: HCOLON = *( SP / HTAB ) ":" SWS */
        name.n--;
    enum sip_header_id id = sip_header_id_parse(name);
    if (id == SIP_H_OTHER && !sip_is_token(name)) {
        note(c, SIP_FLAW_HEADER);
        return;
    }
    struct sip_msg *m = c->msg;
    struct sip_header *h = row_room(c);
    h->id = id;
    h->name = name;
    h->value = slice_from(content, colon + 1);
    h->value = folded ? unfold(h->value, c->arena) : trim(h->value);
    h->line = line;
    m->n_headers++;
    if (id == SIP_H_OTHER)
        return;
    if (m->first[id] == 0)
        m->first[id] = (uint16_t)m->n_headers;
    else if (once_only & (1ull << id))
        note(c, SIP_FLAW_REPEATED);
}

/* Up to and with the empty line; false when it is not reached. */
static bool parse_rows(struct parse *c)
{
    for (;;) {
        const char *start = c->p;
        if (c->end - start >= 2 && start[0] == '\r' && start[1] == '\n') {
            c->p += 2;
            return true;
        }
        if (c->msg->n_headers == SIP_MAX_HEADERS) {
            note(c, SIP_FLAW_TOO_MANY_HEADERS);
            return false;
        }
        enum sip_flaw flaw = SIP_FLAW_NONE;
        unsigned lines = 0;
        struct slice line;
        do {
            if (!take_line(c, &line, &flaw)) {
                note(c, SIP_FLAW_HEADER);
                return false;
            }
            if (lines++ > 0 &&
                trim(line).n == 0) /* who trims lines would see the end of the header part here */
                flaw = SIP_FLAW_HEADER;
        } while (c->p < c->end && is_blank(*c->p));
        if (flaw || is_blank(*start)) /* the first line cannot continue the start line */
            note(c, flaw ? flaw : SIP_FLAW_HEADER);
        else
            add_row(c, span(start, c->p - 2), span(start, c->p), lines > 1);
    }
}
/* --- the values that every element needs -------------------------------------------------------------------
 */

/* 20.16: number LWS method. */
static int cseq_parse(struct slice value, uint32_t *ret_number, struct slice *ret_method)
{
    size_t n = 0;
    while (n < value.n && is_digit(value.p[n]))
        n++;
    uint64_t number;
    struct slice method = trim(slice_from(value, n));
    if (slice_u64(slice_head(value, n), UINT32_MAX, &number) != 0 || n == value.n || !is_blank(value.p[n]) ||
        !sip_is_token(method))
        return -EINVAL;
    *ret_number = (uint32_t)number;
    *ret_method = method;
    return 0;
}

static void check_cseq(struct parse *c)
{
    struct sip_msg *m = c->msg;
    const struct sip_header *h = sip_msg_header(m, SIP_H_CSEQ);
    if (!h) {
        note(c, SIP_FLAW_MISSING);
        return;
    }
    if (cseq_parse(h->value, &m->cseq, &m->cseq_method_name) != 0) {
        note(c, SIP_FLAW_CSEQ);
        return;
    }
    bool same = slice_eq(m->cseq_method_name, m->method_name);
    m->cseq_method = m->is_request && same ? m->method : sip_method_parse(m->cseq_method_name);
    if (m->is_request && !same)
        note(c, SIP_FLAW_CSEQ);
}

/* 25.1: callid = word [ "@" word ]; all that matters is that it is one word for every reader. */
static bool call_id_valid(struct slice s)
{
    return s.n > 0 && octets_find4(s, ' ', '\t', ',', ';') == s.n;
}

static void check_call_id(struct parse *c)
{
    c->msg->call_id = sip_msg_value(c->msg, SIP_H_CALL_ID);
    if (!call_id_valid(c->msg->call_id))
        note(c, c->msg->call_id.n ? SIP_FLAW_HEADER : SIP_FLAW_MISSING);
}

/* From or To and its tag; a tag is a token (25.1). */
static enum sip_flaw address_check(const struct sip_msg *m, enum sip_header_id id, struct sip_addr *ret,
                                   struct slice *ret_tag)
{
    const struct sip_header *h = sip_msg_header(m, id);
    *ret_tag = SLICE_NONE;
    if (h && sip_addr_read(h->value, ret) == 0 && !ret->is_star &&
        (!sip_param(ret->params, SLICE("tag"), ret_tag) || sip_is_token(*ret_tag)))
        return SIP_FLAW_NONE;
    *ret = (struct sip_addr){0};
    *ret_tag = SLICE_NONE;
    return h ? SIP_FLAW_ADDRESS : SIP_FLAW_MISSING;
}

static enum sip_flaw via_check(const struct sip_msg *m, struct sip_via *ret)
{
    const struct sip_header *h = sip_msg_header(m, SIP_H_VIA);
    struct slice rest = sip_msg_value(m, SIP_H_VIA), value;
    if (h && sip_list_next(&rest, &value) && sip_via_read(value, ret) == 0 &&
        !(ret->other_version && slice_ends(m->start_line, SLICE("SIP/2.0"))))
        return SIP_FLAW_NONE;
    *ret = (struct sip_via){0};
    return h ? SIP_FLAW_VIA : SIP_FLAW_MISSING;
}

/* 20.22: 0 to 255. A request without it is let through: RFC 2543 did not have it in all of them. */
static void check_max_forwards(struct parse *c)
{
    const struct sip_header *h = sip_msg_header(c->msg, SIP_H_MAX_FORWARDS);
    uint64_t v;
    if (h && slice_u64(h->value, MAX_FORWARDS_LIMIT, &v) != 0)
        note(c, SIP_FLAW_MAX_FORWARDS);
}

/* 18.3, 20.14. A second length is refused even when it is equal: others may read only one of them. */
static void find_body(struct parse *c)
{
    struct sip_msg *m = c->msg;
    struct slice rest = span(c->p, c->end);
    const struct sip_header *h = sip_msg_header(m, SIP_H_CONTENT_LENGTH);
    bool valid = true;
    uint64_t length = rest.n;
    if (h)
        valid = slice_u64(h->value, rest.n, &length) == 0 && !sip_msg_next(m, h);
    if (!valid)
        note(c, SIP_FLAW_LENGTH);
    else
        m->body = slice_head(rest, (size_t)length);
    m->text = span(m->text.p, valid ? m->body.p + m->body.n : c->end);
}

static void check_values(struct parse *c)
{
    struct sip_msg *m = c->msg;
    enum sip_flaw via = via_check(m, &m->via);
    enum sip_flaw from = address_check(m, SIP_H_FROM, &m->from, &m->from_tag);
    enum sip_flaw to = address_check(m, SIP_H_TO, &m->to, &m->to_tag);
    m->branch = m->via.branch;
    note(c, via);
    note(c, from);
    note(c, to);
    check_call_id(c);
    check_cseq(c);
    check_max_forwards(c);
}

int sip_msg_parse(struct slice text, struct arena *a, struct sip_msg *ret, enum sip_flaw *flaw)
{
    size_t full = text.n, n = full <= SIP_MAX_MESSAGE ? full : SIP_MAX_MESSAGE;
    text = slice_head(text, n);
    struct parse c = {.p = text.p, .end = text.p + n, .unseen = text.p, .arena = a, .msg = ret};
    memset(ret, 0, offsetof(struct sip_msg, via)); /* the large rest is set by check_values */
    ret->text = text;
    ret->method = ret->cseq_method = SIP_METHOD_OTHER;
    if (n < full)
        note(&c, SIP_FLAW_TOO_LARGE);
    if (n > 0 ? parse_start_line(&c) : (note(&c, SIP_FLAW_START_LINE), false)) {
        if (parse_rows(&c))
            find_body(&c);
        check_values(&c);
    } else {
        ret->via = (struct sip_via){0};
        ret->from = ret->to = (struct sip_addr){0};
    }
    *flaw = c.flaw;
    return c.flaw ? -EBADMSG : 0;
}

bool sip_msg_answerable(const struct sip_msg *m)
{
    uint32_t number;
    struct slice unused;
    struct sip_via via;
    struct sip_addr addr;
    return m->is_request && m->method != SIP_ACK && via_check(m, &via) == SIP_FLAW_NONE &&
           address_check(m, SIP_H_FROM, &addr, &unused) == SIP_FLAW_NONE &&
           address_check(m, SIP_H_TO, &addr, &unused) == SIP_FLAW_NONE && call_id_valid(m->call_id) &&
           cseq_parse(sip_msg_value(m, SIP_H_CSEQ), &number, &unused) == 0;
}
