/*
 * access_edge/policy.h - what the topology says about a partner's domain. Pure.
 */
#pragma once

#include "kept/topology/topology.h"
#include "service/access_edge/refusals.h"

struct policy {
    const struct refusal *refusal; /* NULL: federation with this domain is allowed when it is proven */
    bool listed;                   /* not discovered */
    struct slice pinned;           /* FQDN of its Access Edge, or empty */
    struct slice provider;         /* FQDN of the provider's, or empty */
    bool srv_names;                /* identity rule c is open to it */
};
struct policy policy_of(const struct topology *t, struct slice domain);
