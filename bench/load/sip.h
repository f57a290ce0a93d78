/*
 * load/sip.h - a small scanner of SIP messages: only what a load generator must check. Not the one that is
 * measured.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct str {
    const char *p;
    size_t n;
};
enum { SIP_MAX_VIA = 8, SIP_MAX_ROUTE = 8, SIP_MAX_CHALLENGE = 4 };

struct sip {
    int status;                                     /* 0: a request */
    struct str method;                              /* of the request line, or of CSeq in a reply */
    struct str uri;                                 /* request URI */
    struct str via[SIP_MAX_VIA], rr[SIP_MAX_ROUTE]; /* whole lines, with CRLF */
    int nvia, nrr, nroute, nchallenge;
    struct str challenge[SIP_MAX_CHALLENGE];            /* values of WWW-Authenticate */
    struct str from, to, call_id, contact, cseq_method; /* values */
    unsigned cseq;
    int max_forwards;
    struct str body;
    size_t total; /* bytes of the whole message */
};

/* >0: bytes of one whole message; 0: more needed; -1: not SIP. */
long sip_parse(const char *p, size_t n, struct sip *m);
bool str_is(struct str s, const char *lit);
struct str str_param(struct str s, const char *name); /* ;name=VALUE after any <...> */
struct str str_uri(struct str s);                     /* inside <...> */
