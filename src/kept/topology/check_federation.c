#include "kept/topology/check_priv.h"

#include "ground/base/map.h"
#include "ground/base/text.h"
#include "ground/crypto/hash.h"

/* --- partners and providers --- */
static bool is_our_edge(const struct topology *t, struct slice name)
{
    struct topology_role role;
    if (!name.n)
        return false;
    EACH_EDGE_POOL(t, p)
    if (slice_caseeq(p->external_fqdn, name) || slice_caseeq(p->fqdn, name))
        return true;
    return topology_role_find(t, name, &role) && role.edge;
}

void check_partner_edge_is_ours(const struct topology *t, struct findings *f)
{
    EACH_PARTNER(t, p)
    if (is_our_edge(t, p->edge_fqdn))
        FOUND(f, "partner-edge-is-ours", check_path(f, "partners", p->domain, "edge_fqdn"),
              "Partner " SLICE_FMT " is pinned to " SLICE_FMT ", an Edge of ours: requests would come back.",
              SLICE_ARG(p->domain), SLICE_ARG(p->edge_fqdn));
    EACH_PROVIDER(t, v)
    if (is_our_edge(t, v->edge_fqdn))
        FOUND(f, "partner-edge-is-ours", check_path(f, "providers", v->name, "edge_fqdn"),
              "Provider " SLICE_FMT " is at " SLICE_FMT ", an Edge of ours: requests would come back.",
              SLICE_ARG(v->name), SLICE_ARG(v->edge_fqdn));
}

void check_provider_edge_twice(const struct topology *t, struct findings *f)
{
    EACH_PROVIDER(t, v)
    for (size_t i = 0; i < v_i; i++)
        if (v->edge_fqdn.n && slice_caseeq(t->providers[i].edge_fqdn, v->edge_fqdn)) {
            FOUND(f, "provider-edge-twice", check_path(f, "providers", v->name, "edge_fqdn"),
                  "Providers " SLICE_FMT " and " SLICE_FMT " have the same Access Edge.",
                  SLICE_ARG(t->providers[i].name), SLICE_ARG(v->name));
            break;
        }
}

void check_blocked_partner_with_settings(const struct topology *t, struct findings *f)
{
    EACH_PARTNER(t, p)
    if (p->policy == TOPOLOGY_BLOCKED && (p->edge_fqdn.n || p->provider.n || p->monitored))
        FOUND(f, "blocked-partner-with-settings", check_path(f, "partners", p->domain, "policy"),
              "Partner " SLICE_FMT " is blocked and has settings of an allowed one.", SLICE_ARG(p->domain));
}

void check_shared_address_space_twice(const struct topology *t, struct findings *f)
{
    const struct topology_provider *first = NULL;
    EACH_PROVIDER(t, v)
    {
        if (v->shared_address_space && first)
            FOUND(f, "shared-address-space-twice",
                  check_path(f, "providers", v->name, "shared_address_space"),
                  "Providers " SLICE_FMT " and " SLICE_FMT " both share our address space: who is not here "
                  "could be at either.",
                  SLICE_ARG(first->name), SLICE_ARG(v->name));
        first = first || !v->shared_address_space ? first : v;
    }
}

void check_split_domain_provider_disabled(const struct topology *t, struct findings *f)
{
    EACH_PROVIDER(t, v)
    if (v->shared_address_space && !v->enabled)
        FOUND(f, "split-domain-provider-disabled", check_path(f, "providers", v->name, "enabled"),
              "Provider " SLICE_FMT " shares our address space and is disabled.", SLICE_ARG(v->name));
}

/* --- settings of all Access Edges --- */
void check_default_route_missing(const struct topology *t, struct findings *f)
{
    if (t->access_edge.routing == TOPOLOGY_ROUTE_BY_DEFAULT && !t->access_edge.default_route.n)
        FOUND(f, "default-route-missing", SLICE("access_edge/default_route"),
              "All federation is to go to a clearing house, and none is named.");
}

void check_default_route_unused(const struct topology *t, struct findings *f)
{
    if (t->access_edge.routing == TOPOLOGY_ROUTE_BY_SRV && t->access_edge.default_route.n)
        FOUND(f, "default-route-unused", SLICE("access_edge/default_route"),
              "Clearing house " SLICE_FMT " is named, and partners are found by DNS.",
              SLICE_ARG(t->access_edge.default_route));
}

void check_default_route_with_providers(const struct topology *t, struct findings *f)
{
    EACH_PROVIDER(t, v)
    if (t->access_edge.routing == TOPOLOGY_ROUTE_BY_DEFAULT && v->enabled)
        FOUND(f, "default-route-with-providers", check_path(f, "providers", v->name, "enabled"),
              "All federation is to go to a clearing house, and provider " SLICE_FMT " is enabled.",
              SLICE_ARG(v->name));
}

void check_user_replicator_on(const struct topology *t, struct findings *f)
{
    if (t->access_edge.user_replicator)
        FOUND(f, "user-replicator-on", SLICE("access_edge/user_replicator"),
              "The user replicator is on, which no Edge may have.");
}

static bool partners_allowed(const struct topology *t)
{
    EACH_PARTNER(t, p)
    if (p->policy == TOPOLOGY_ALLOWED)
        return true;
    return t->deployment.partner_discovery;
}

void check_federated_users_off(const struct topology *t, struct findings *f)
{
    if (!t->access_edge.federated_users && partners_allowed(t))
        FOUND(f, "federated-users-off", SLICE("access_edge/federated_users"),
              "Partners are allowed, and nobody may speak with them.");
}

void check_discovery_unlimited(const struct topology *t, struct findings *f)
{
    if (t->deployment.partner_discovery && !t->access_edge.limit_discovered_contacts)
        FOUND(f, "discovery-unlimited", SLICE("access_edge/limit_discovered_contacts"),
              "Any domain is admitted, and it may try as many of our addresses as it likes.");
}

static bool is_key_id(struct slice text)
{
    unsigned char id[CRYPTO_SHA256];
    return text_unhex(text, id, sizeof(id)) == sizeof(id);
}

void check_pin_key_malformed(const struct topology *t, struct findings *f)
{
    EACH_PARTNER(t, p)
    if (p->pin_key.n && !is_key_id(p->pin_key))
        FOUND(f, "pin-key-malformed", check_path(f, "partners", p->domain, "pin_key"),
              "The key to which partner " SLICE_FMT " is pinned is not 64 hex digits.", SLICE_ARG(p->domain));
    EACH_PROVIDER(t, v)
    if (v->pin_key.n && !is_key_id(v->pin_key))
        FOUND(f, "pin-key-malformed", check_path(f, "providers", v->name, "pin_key"),
              "The key to which provider " SLICE_FMT " is pinned is not 64 hex digits.", SLICE_ARG(v->name));
}

void check_crls_not_checked(const struct topology *t, struct findings *f)
{
    if (!t->access_edge.check_crls)
        FOUND(f, "crls-not-checked", SLICE("access_edge/check_crls"),
              "Nobody asks whether partners' certificates were revoked.");
}

void check_anonymous_without_outside(const struct topology *t, struct findings *f)
{
    if (t->access_edge.anonymous_users && !t->access_edge.outside_users)
        FOUND(f, "anonymous-without-outside", SLICE("access_edge/anonymous_users"),
              "Guests may join meetings, and nobody may come from outside.");
}

/* --- policies of users --- */
void check_policy_without_switch(const struct topology *t, struct findings *f)
{
    EACH_POLICY(t, p)
    {
        if (p->federation && !t->access_edge.federated_users)
            FOUND(f, "policy-without-switch",
                  check_path(f, "external_access_policies", p->name, "federation"),
                  "Policy " SLICE_FMT " grants federation, which access_edge/federated_users forbids to all.",
                  SLICE_ARG(p->name));
        if (p->outside_access && !t->access_edge.outside_users)
            FOUND(f, "policy-without-switch",
                  check_path(f, "external_access_policies", p->name, "outside_access"),
                  "Policy " SLICE_FMT " grants access from outside, which access_edge/outside_users forbids "
                  "to all.",
                  SLICE_ARG(p->name));
    }
}

void check_policy_xmpp_without_edge(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, e)
    if (e->xmpp)
        return;
    EACH_POLICY(t, p)
    if (p->xmpp)
        FOUND(f, "policy-xmpp-without-edge", check_path(f, "external_access_policies", p->name, "xmpp"),
              "Policy " SLICE_FMT " grants XMPP, and no Edge pool federates by XMPP.", SLICE_ARG(p->name));
}

static void not_own(struct findings *f, const struct topology_external_access_policy *p, const char *property,
                    struct slice what)
{
    FOUND(f, "policy-domain-not-own", check_path(f, "external_access_policies", p->name, property),
          "Policy " SLICE_FMT " is for " SLICE_FMT ", which is not ours.", SLICE_ARG(p->name),
          SLICE_ARG(what));
}

void check_policy_domain_not_own(const struct topology *t, struct findings *f)
{
    EACH_POLICY(t, p)
    {
        struct slice user, domain;
        for (size_t i = 0; i < p->domains.n; i++)
            if (!topology_is_own_domain(t, p->domains.items[i]))
                not_own(f, p, "domains", p->domains.items[i]);
        for (size_t i = 0; i < p->users.n; i++)
            if (slice_cut(p->users.items[i], '@', &user, &domain) && !topology_is_own_domain(t, domain))
                not_own(f, p, "users", p->users.items[i]);
    }
}

struct assigned {
    struct map_entry entry;
    struct slice name;
    const struct topology_external_access_policy *policy;
};
struct assignments {
    struct arena a;
    struct map map;
    struct findings *f;
};

/* Users, domains and sites have maps of their own: a site may be named as a domain. */
static void assign(struct assignments *all, const struct topology_external_access_policy *p,
                   const char *property, const struct topology_names *names)
{
    for (size_t i = 0; i < names->n; i++) {
        uint64_t h = slice_casehash(names->items[i]);
        for (struct map_entry *e = map_first(&all->map, h); e; e = map_next(e)) {
            const struct assigned *other = MAP_OBJECT(e, struct assigned, entry);
            if (slice_caseeq(other->name, names->items[i]))
                FOUND(all->f, "policy-assigned-twice",
                      check_path(all->f, "external_access_policies", p->name, property),
                      "Policies " SLICE_FMT " and " SLICE_FMT " are both for " SLICE_FMT ".",
                      SLICE_ARG(other->policy->name), SLICE_ARG(p->name), SLICE_ARG(names->items[i]));
        }
        struct assigned *kept = ARENA_NEW(&all->a, struct assigned);
        kept->name = names->items[i];
        kept->policy = p;
        map_insert(&all->map, &kept->entry, h);
    }
}

void check_policy_assigned_twice(const struct topology *t, struct findings *f)
{
    struct assignments all[3] = {{.f = f}, {.f = f}, {.f = f}};
    EACH_POLICY(t, p)
    {
        assign(&all[0], p, "users", &p->users);
        assign(&all[1], p, "domains", &p->domains);
        assign(&all[2], p, "sites", &p->sites);
    }
    for (size_t i = 0; i < 3; i++) {
        map_fini(&all[i].map);
        arena_fini(&all[i].a);
    }
}

void check_policy_assigned_to_nobody(const struct topology *t, struct findings *f)
{
    EACH_POLICY(t, p)
    if (!slice_caseeq(p->name, SLICE("global")) && p->users.n + p->domains.n + p->sites.n == 0)
        FOUND(f, "policy-assigned-to-nobody", check_path(f, "external_access_policies", p->name, NULL),
              "Policy " SLICE_FMT " names no user, no domain and no site.", SLICE_ARG(p->name));
}

void check_public_cloud_av_alone(const struct topology *t, struct findings *f)
{
    EACH_POLICY(t, p)
    if (p->public_cloud_av && !p->public_cloud)
        FOUND(f, "public-cloud-av-alone",
              check_path(f, "external_access_policies", p->name, "public_cloud_av"),
              "Policy " SLICE_FMT " grants calls to public providers, and not the providers themselves.",
              SLICE_ARG(p->name));
}
