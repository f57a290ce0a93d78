/*
 * sip/value.h - the values of single headers: addresses, Via, parameters, CSeq-like numbers (RFC 3261 section
 * 20).
 *
 * All results are slices of the value that was given. Parsers return 0 or -EINVAL.
 */
#pragma once

#include "wire/sip/uri.h"

/* ;name=value;flag — names in any case; a quoted value comes without its quotes, escapes kept. */
bool sip_param(struct slice params, struct slice name, struct slice *ret_value);
bool sip_param_next(struct slice *rest, struct slice *ret_name, struct slice *ret_value);
/* The inside of a quoted string with its escapes resolved: \" gives ". The same slice when there are none. */
struct slice sip_unquote(struct slice inside, struct arena *a);

/* name-addr or addr-spec with header parameters: From, To, Contact, Route, Record-Route, P-Asserted-Identity,
 * … */
struct sip_addr {
    struct slice display;  /* without quotes */
    struct slice uri_text; /* without <> */
    struct sip_uri uri;
    struct slice params; /* of the header, without the leading ';' */
    bool is_star;        /* Contact: * */
};
/* Without <> what follows the first ';' belongs to the header (20.10); a '?' there is malformed. */
int sip_addr_parse(struct slice value, struct sip_addr *ret);

/* One Via (20.42; rport: RFC 3581; alias: RFC 5923). */
enum sip_transport { SIP_UDP, SIP_TCP, SIP_TLS, SIP_TRANSPORT_OTHER };
struct sip_via {
    struct slice transport_name; /* as written */
    enum sip_transport transport;
    struct slice host; /* without brackets */
    bool host_is_ipv6;
    uint16_t port; /* 0: none */
    struct slice params;
    struct slice branch, received, maddr; /* empty when absent; addresses without brackets (RFC 5118 4.5) */
    bool has_rport;
    uint16_t rport; /* 0: present without value */
    bool has_alias;
    bool other_version; /* not SIP/2.0 (RFC 4475 3.1.2.16): to be answered, not to be served */
};
int sip_via_parse(struct slice value, struct sip_via *ret);
enum sip_transport sip_transport_parse(struct slice name); /* any case */
const char *sip_transport_name(enum sip_transport t);      /* "UDP", "TCP", "TLS"; "" for OTHER */

/* "70", "3600" and the like, up to 2^32-1 (larger saturates, 20.19); parameters behind ';' are allowed. */
int sip_number_parse(struct slice value, uint32_t *ret);
/* q=0.7 in thousandths (0..1000); 1000 when malformed or absent. */
unsigned sip_qvalue(struct slice params);
