#include "service/access_edge/policy.h"

static void put_provider(struct policy *p, const struct topology_provider *v)
{
    p->listed = true;
    p->provider = v->edge_fqdn;
    p->public_cloud = v->public_cloud;
    p->source = SOURCE_PROVIDER;
    p->verification = v->verification;
    p->must_say = v->verification == TOPOLOGY_USE_SOURCE_VERIFICATION;
    p->trust = p->trust.n ? p->trust : v->trust;
    p->pin_key = p->pin_key.n ? p->pin_key : v->pin_key;
}

const struct topology_provider *policy_shares(const struct topology *t)
{
    for (size_t i = 0; i < t->n_providers; i++)
        if (t->providers[i].enabled && t->providers[i].shared_address_space && t->providers[i].edge_fqdn.n)
            return &t->providers[i];
    return NULL;
}

bool policy_behind(struct policy *p, const struct topology *t, struct slice target)
{
    if (target.n && target.p[target.n - 1] == '.')
        target.n--;
    for (size_t i = 0; i < t->n_providers; i++)
        if (t->providers[i].enabled && target.n && slice_caseeq(t->providers[i].edge_fqdn, target)) {
            put_provider(p, &t->providers[i]);
            return true;
        }
    return false;
}

static bool any_provider(const struct topology *t)
{
    for (size_t i = 0; i < t->n_providers; i++)
        if (t->providers[i].enabled && t->providers[i].edge_fqdn.n)
            return true;
    return false;
}

/* A domain of ours. */
static struct policy policy_own(const struct topology *t)
{
    const struct topology_provider *v = policy_shares(t);
    struct policy p = {.refusal = v ? NULL : &EDGE_NOT_A_PARTNER_DOMAIN, .provider_only = true};
    if (v)
        put_provider(&p, v);
    return p;
}

static struct policy policy_unlisted(const struct topology *t)
{
    bool discovery = t->deployment.partner_discovery, perhaps = any_provider(t);
    if (!discovery && !perhaps)
        return (struct policy){.refusal = &EDGE_PARTNER_UNKNOWN};
    return (struct policy){.srv_names = discovery && t->deployment.discovered_srv_names,
                           .wildcards = t->deployment.accept_wildcards,
                           .perhaps_behind = perhaps,
                           .provider_only = !discovery,
                           .verification = t->access_edge.discovered_verification};
}

static struct policy policy_listed(const struct topology *t, const struct topology_partner *partner)
{
    struct policy p = {.listed = true,
                       .pinned = partner->edge_fqdn,
                       .srv_names = partner->srv_names,
                       .trust = partner->trust,
                       .pin_key = partner->pin_key,
                       .wildcards = partner->accept_wildcards || t->deployment.accept_wildcards,
                       .source = partner->edge_fqdn.n ? SOURCE_PINNED : SOURCE_BY_DNS,
                       .verification = partner->verification,
                       .monitored = partner->monitored};
    if (partner->provider.n) {
        const struct topology_provider *v = topology_provider_find(t, partner->provider);
        if (v && v->enabled)
            put_provider(&p, v);
        else
            p.refusal = &EDGE_PROVIDER_DISABLED;
    }
    return p;
}

/* Everything that is not blocked goes to and comes from one place. */
static struct policy policy_default_route(const struct topology *t, const struct topology_partner *partner)
{
    return (struct policy){.listed = true,
                           .provider = t->access_edge.default_route,
                           .wildcards = t->deployment.accept_wildcards,
                           .provider_only = true,
                           .source = SOURCE_PROVIDER,
                           .public_cloud = t->access_edge.default_route_public,
                           .monitored = partner && partner->monitored,
                           .verification =
                               partner ? partner->verification : t->access_edge.default_route_verification};
}

struct policy policy_of(const struct topology *t, struct slice domain)
{
    const struct topology_access_edge *a = &t->access_edge;
    const struct topology_partner *partner = topology_partner_find(t, domain);
    if (!a->federated_users)
        return (struct policy){.refusal = &EDGE_FEDERATION_OFF};
    if (partner && partner->policy == TOPOLOGY_BLOCKED)
        return (struct policy){.refusal = &EDGE_PARTNER_BLOCKED, .listed = true};
    if (topology_is_own_domain(t, domain))
        return policy_own(t);
    if (a->routing == TOPOLOGY_ROUTE_BY_DEFAULT && a->default_route.n)
        return policy_default_route(t, partner);
    return partner ? policy_listed(t, partner) : policy_unlisted(t);
}
