/*
 * access_edge/crl_url.h - addresses of revocation lists: what can be asked, and where an answer may send us.
 * Pure.
 */
#pragma once

#include "ground/base/arena.h"
#include "ground/net/addr.h"

struct crl_url {
    struct slice host; /* lower case, without brackets; a name or an address */
    uint16_t port;
};
/* "http://crl.example:8080/a.crl": 0, or -EINVAL with words in ret_why: another scheme, a user, no host. */
int crl_url_parse(struct slice url, struct arena *a, struct crl_url *ret, const char **ret_why);

/* How far an address reaches. */
enum crl_reach { CRL_REACH_MACHINE, CRL_REACH_LINK, CRL_REACH_PRIVATE, CRL_REACH_WORLD };
enum crl_reach crl_url_reach(const struct net_addr *a);
