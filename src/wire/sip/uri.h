/*
 * sip/uri.h - sip, sips and tel URIs (RFC 3261 section 19.1, RFC 3966): parse, compare, look into.
 */
#pragma once

#include "ground/base/arena.h"

enum sip_scheme { SIP_SCHEME_SIP, SIP_SCHEME_SIPS, SIP_SCHEME_TEL, SIP_SCHEME_OTHER };

struct sip_uri {
    struct slice text; /* the whole URI */
    enum sip_scheme scheme;
    struct slice user;     /* as written, escapes kept; for tel: the number */
    struct slice password; /* empty when absent */
    bool has_user;
    struct slice host; /* without brackets; empty for tel and other schemes */
    bool host_is_ipv6;
    uint16_t port;        /* 0: none */
    struct slice params;  /* without the leading ';' */
    struct slice headers; /* without the '?' */
};
/* 0 or -EINVAL. Other schemes (mailto:…, urn:…) parse as SIP_SCHEME_OTHER with text alone. */
int sip_uri_parse(struct slice text, struct sip_uri *ret);
/* RFC 3261 19.1.4. Not transitive, as the RFC says. */
bool sip_uri_equal(const struct sip_uri *a, const struct sip_uri *b);
/* A parameter: true when there; its value (unescaped never needed for ours), empty for a flag. Name in any
 * case. */
bool sip_uri_param(const struct sip_uri *u, struct slice name, struct slice *ret_value);
/* user@host in a form that can be compared bytewise: user unescaped, host in lower case, no port or
 * parameters (RFC 3261 10.3 step 5). tel:+1-201 gives "+1201". */
struct slice sip_uri_aor(const struct sip_uri *u, struct arena *a);
/* %HH turned into bytes; malformed escapes stay as they are. */
struct slice sip_unescape(struct slice s, struct arena *a);
