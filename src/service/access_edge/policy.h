/*
 * access_edge/policy.h - what the topology says about a partner's domain. Pure.
 */
#pragma once

#include "kept/topology/topology.h"
#include "service/access_edge/refusals.h"

/* By which arrangement the partner is known; inside it is told as ms-source-type. */
enum policy_source { SOURCE_BY_DNS, SOURCE_PINNED, SOURCE_PROVIDER, SOURCES };

struct policy {
    const struct refusal *refusal; /* NULL: federation with this domain is allowed when it is proven */
    bool listed;                   /* not discovered */
    struct slice pinned;           /* FQDN of its Access Edge, or empty */
    struct slice provider;         /* FQDN of the provider's, or of the default route, or empty */
    bool srv_names;                /* identity rule c is open to it */
    /* In no list, but it may be behind an enabled provider: its SRV record leads there (policy_behind). Until
     * that is known nothing else is. */
    bool perhaps_behind;
    bool provider_only; /* its own certificate proves nothing: rule b alone counts */
    bool public_cloud;  /* behind a public provider */
    enum policy_source source;
    enum topology_verification verification;
    bool must_say;        /* whether it verified the sender; a provider that says nothing is refused */
    struct slice trust;   /* name of the roots that its chain must lead to, or empty */
    struct slice pin_key; /* of its key, in hex digits, or empty */
    bool wildcards;       /* in its certificate */
    bool monitored;
};
struct policy policy_of(const struct topology *t, struct slice domain);
/* A domain of ours of which users live at a provider, too (split domain): the first enabled one with
 * shared_address_space, or NULL. */
const struct topology_provider *policy_shares(const struct topology *t);
/* An SRV target of the domain: is it the Edge of an enabled provider? Then the policy is that of a listed
 * partner behind it. */
bool policy_behind(struct policy *p, const struct topology *t, struct slice target);
