#include "service/access_edge/policy.h"

struct policy policy_of(const struct topology *t, struct slice domain)
{
    const struct topology_partner *partner = topology_partner_find(t, domain);
    if (!partner) {
        if (!t->deployment.partner_discovery)
            return (struct policy){.refusal = &EDGE_PARTNER_UNKNOWN};
        return (struct policy){.srv_names = t->deployment.discovered_srv_names};
    }
    struct policy p = {.listed = true, .pinned = partner->edge_fqdn, .srv_names = partner->srv_names};
    if (partner->policy == TOPOLOGY_BLOCKED) {
        p.refusal = &EDGE_PARTNER_BLOCKED;
    } else if (partner->provider.n) {
        const struct topology_provider *provider = topology_provider_find(t, partner->provider);
        if (provider && provider->enabled)
            p.provider = provider->edge_fqdn;
        else
            p.refusal = &EDGE_PROVIDER_DISABLED;
    }
    return p;
}
