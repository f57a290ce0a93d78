/*
 * sip/uri.h - sip, sips and tel URIs (RFC 3261 section 19.1, RFC 3966): parse, compare, look into.
 */
#pragma once

#include "ground/base/arena.h"

enum {
    SIP_URI_MAX_PARAMS = 64,  /* parameters of one URI; more are malformed */
    SIP_URI_MAX_HEADERS = 64, /* likewise its headers */
    SIP_HOST_MAX = 253,       /* bytes of a host name */
};

enum sip_scheme { SIP_SCHEME_SIP, SIP_SCHEME_SIPS, SIP_SCHEME_TEL, SIP_SCHEME_OTHER };

struct sip_uri {
    struct slice text; /* the whole URI */
    enum sip_scheme scheme;
    struct slice user;     /* as written, escapes kept; for tel: the number */
    struct slice password; /* empty when absent */
    bool has_user;
    struct slice host; /* without brackets or a final dot; empty for tel and other schemes */
    bool host_is_ipv6;
    uint16_t port;        /* 0: none */
    struct slice params;  /* without the leading ';' */
    struct slice headers; /* without the '?' */
};
/*
 * 0 or -EINVAL. Other schemes (mailto:…, urn:…) parse as SIP_SCHEME_OTHER with text alone. A parameter that
 * stands twice is malformed (19.1.1): two elements must not read one URI differently.
 */
int sip_uri_parse(struct slice text, struct sip_uri *ret);
/* RFC 3261 19.1.4. Not transitive, as the RFC says. */
bool sip_uri_equal(const struct sip_uri *a, const struct sip_uri *b);
/* A parameter: true when there; its value (unescaped never needed for ours), empty for a flag. Name in any
 * case. */
bool sip_uri_param(const struct sip_uri *u, struct slice name, struct slice *ret_value);
/* user@host in a form that can be compared bytewise: user unescaped, host in lower case, no port or
 * parameters (RFC 3261 10.3 step 5). tel:+1-201 gives "+1201"; a local number keeps its phone-context. Other
 * schemes give their text. */
struct slice sip_uri_aor(const struct sip_uri *u, struct arena *a);
/* %HH turned into bytes; malformed escapes stay as they are. */
struct slice sip_unescape(struct slice s, struct arena *a);

/* host [":" port] as URIs and Via have it (25.1): a name of letters, digits, '-', '_' and '.', an IPv4 or a
 * bracketed IPv6 address; spaces around each part are skipped. 0 or -EINVAL; port 0 when there is none. */
int sip_hostport_parse(struct slice text, struct slice *ret_host, bool *ret_is_ipv6, uint16_t *ret_port);
