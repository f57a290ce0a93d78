/*
 * sip/read.h - parts that the parsers of this folder share. Those of addresses, Via and URIs write straight
 * into what is given, and after -EINVAL it holds anything: others use value.h and uri.h.
 */
#pragma once

#include "wire/sip/value.h"

#include <arpa/inet.h>

int sip_uri_read(struct slice text, struct sip_uri *u);
int sip_addr_read(struct slice value, struct sip_addr *addr);
int sip_via_read(struct slice value, struct sip_via *via);

/* A host off the front of s: a name, an IPv4 or a bracketed IPv6 address, which comes without brackets. */
int sip_host_take(struct slice *s, struct slice *ret, bool *ret_is_ipv6);
int sip_port_read(struct slice text, uint16_t *ret); /* 1 to 65535 */
int sip_ipv6_read(struct slice host, struct in6_addr *ret);
