#include "load/write.h"

#include <string.h>

struct written out;

void lit(const char *s)
{
    add((struct str){s, strlen(s)});
}

void add(struct str s)
{
    memcpy(out.d + out.n, s.p, s.n);
    out.n += s.n;
}

void hex(uint64_t v, int digits)
{
    for (int i = digits - 1; i >= 0; i--, v >>= 4)
        out.d[out.n + (size_t)i] = "0123456789abcdef"[v & 15];
    out.n += (size_t)digits;
}

void dec(unsigned v)
{
    char t[12];
    size_t i = sizeof t;
    do
        t[--i] = (char)('0' + v % 10);
    while (v /= 10);
    add((struct str){t + i, sizeof t - i});
}

void no_body(void)
{
    lit("Content-Length: 0\r\n\r\n");
}

enum { MAX_ROUTES = 32 };

/* The addresses <...> of one Record-Route line, with their parameters; returns the new count. */
static int split_routes(struct str line, struct str *e, int n)
{
    const char *end = line.p + line.n, *p = memchr(line.p, ':', line.n);
    while (p && n < MAX_ROUTES) {
        const char *a = memchr(p, '<', (size_t)(end - p));
        const char *q = a ? memchr(a, '>', (size_t)(end - a)) : NULL;
        if (!q)
            break;
        while (q < end && *q != ',' && *q != '\r' && *q != '\n')
            q++;
        e[n++] = (struct str){a, (size_t)(q - a)};
        p = q;
    }
    return n;
}

void add_routes(const struct sip *m, bool reverse)
{
    struct str e[MAX_ROUTES];
    int n = 0;
    for (int i = 0; i < m->nrr; i++)
        n = split_routes(m->rr[i], e, n);
    for (int i = 0; i < n; i++) {
        lit("Route: ");
        add(e[reverse ? n - 1 - i : i]);
        lit("\r\n");
    }
}

void reply(const struct sip *m, int status, const char *reason, const char *tag)
{
    out.n = 0;
    lit("SIP/2.0 ");
    dec((unsigned)status);
    lit(" ");
    lit(reason);
    lit("\r\n");
    for (int i = 0; i < m->nvia; i++)
        add(m->via[i]);
    for (int i = 0; i < m->nrr; i++)
        add(m->rr[i]);
    lit("From: ");
    add(m->from);
    lit("\r\nTo: ");
    add(m->to);
    if (!str_param(m->to, "tag").n) {
        lit(";tag=");
        lit(tag);
        add((struct str){m->call_id.p, 16});
    }
    lit("\r\nCall-ID: ");
    add(m->call_id);
    lit("\r\nCSeq: ");
    dec(m->cseq);
    lit(" ");
    add(m->method);
    lit("\r\nServer: sipload\r\n");
}
