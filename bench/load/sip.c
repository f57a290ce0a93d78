#include "load/sip.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool str_is(struct str s, const char *lit)
{
    return s.n == strlen(lit) && !memcmp(s.p, lit, s.n);
}

struct str str_param(struct str s, const char *name)
{
    struct str r = {0};
    size_t nl = strlen(name);
    const char *end = s.p + s.n, *gt = s.n ? memrchr(s.p, '>', s.n) : NULL;
    for (const char *p = gt ? gt : s.p; p && p < end; p++) {
        p = memchr(p, ';', (size_t)(end - p));
        if (!p)
            break;
        if ((size_t)(end - p) > nl + 1 && !strncasecmp(p + 1, name, nl) && p[nl + 1] == '=') {
            r.p = p + nl + 2;
            while (r.p + r.n < end && !strchr(";,> \r\n", r.p[r.n]))
                r.n++;
            return r;
        }
    }
    return r;
}

struct str str_uri(struct str s)
{
    const char *a = s.n ? memchr(s.p, '<', s.n) : NULL;
    const char *b = a ? memchr(a, '>', (size_t)(s.p + s.n - a)) : NULL;
    return b ? (struct str){a + 1, (size_t)(b - a - 1)} : (struct str){0};
}

static bool name_is(const char *p, size_t n, const char *full, char compact)
{
    return (n == 1 && compact && (p[0] | 32) == compact) || (n == strlen(full) && !strncasecmp(p, full, n));
}

long sip_parse(const char *p, size_t n, struct sip *m)
{
    const char *end = p + n, *start = p;
    memset(m, 0, sizeof *m);
    m->max_forwards = -1;
    const char *nl = memchr(p, '\n', n);
    if (!nl)
        return 0;
    if (!strncmp(p, "SIP/2.0 ", 8)) {
        m->status = atoi(p + 8);
    } else {
        const char *sp = memchr(p, ' ', (size_t)(nl - p));
        const char *sp2 = sp ? memchr(sp + 1, ' ', (size_t)(nl - sp - 1)) : NULL;
        if (!sp2 || strncmp(sp2 + 1, "SIP/2.0", 7))
            return -1;
        m->method = (struct str){p, (size_t)(sp - p)};
        m->uri = (struct str){sp + 1, (size_t)(sp2 - sp - 1)};
    }
    long clen = -1;
    for (p = nl + 1;; p = nl + 1) {
        nl = memchr(p, '\n', (size_t)(end - p));
        if (!nl)
            return 0;
        if (*p == '\r' || *p == '\n')
            break;
        const char *col = memchr(p, ':', (size_t)(nl - p));
        if (!col)
            return -1;
        size_t hn = (size_t)(col - p);
        while (hn && p[hn - 1] == ' ')
            hn--;
        const char *v = col + 1, *ve = nl;
        while (v < ve && *v == ' ')
            v++;
        while (ve > v && (ve[-1] == '\r' || ve[-1] == ' '))
            ve--;
        struct str val = {v, (size_t)(ve - v)}, line = {p, (size_t)(nl + 1 - p)};
        switch (p[0] | 32) {
        case 'v':
            if (name_is(p, hn, "Via", 'v') && m->nvia < SIP_MAX_VIA)
                m->via[m->nvia++] = line;
            break;
        case 'r':
            if (name_is(p, hn, "Record-Route", 0) && m->nrr < SIP_MAX_ROUTE)
                m->rr[m->nrr++] = line;
            else if (name_is(p, hn, "Route", 0))
                m->nroute++;
            break;
        case 'w':
            if (name_is(p, hn, "WWW-Authenticate", 0) && m->nchallenge < SIP_MAX_CHALLENGE)
                m->challenge[m->nchallenge++] = val;
            break;
        case 'f':
            if (name_is(p, hn, "From", 'f'))
                m->from = val;
            break;
        case 't':
            if (name_is(p, hn, "To", 't'))
                m->to = val;
            break;
        case 'i':
            if (name_is(p, hn, "i", 'i'))
                m->call_id = val;
            break;
        case 'l':
            if (name_is(p, hn, "l", 'l'))
                clen = atol(v);
            break;
        case 'm':
            if (name_is(p, hn, "Max-Forwards", 0))
                m->max_forwards = atoi(v);
            else if (name_is(p, hn, "m", 'm'))
                m->contact = val;
            break;
        case 'c':
            if (name_is(p, hn, "Call-ID", 0)) {
                m->call_id = val;
            } else if (name_is(p, hn, "CSeq", 0)) {
                char *e;
                m->cseq = (unsigned)strtoul(v, &e, 10);
                while (*e == ' ')
                    e++;
                m->cseq_method = (struct str){e, (size_t)(ve - e)};
                if (m->status)
                    m->method = m->cseq_method;
            } else if (name_is(p, hn, "Content-Length", 0)) {
                clen = atol(v);
            } else if (name_is(p, hn, "Contact", 0)) {
                m->contact = val;
            }
            break;
        }
    }
    const char *body = nl + 1;
    if (clen < 0)
        return -1;
    if (end - body < clen)
        return 0;
    m->body = (struct str){body, (size_t)clen};
    m->total = (size_t)(body - start) + (size_t)clen;
    return (long)m->total;
}
