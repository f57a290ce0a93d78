#include "kept/topology/check_priv.h"
#include "kept/topology/priv.h"

/* --- references, by the descriptor table --- */
static bool reference_found(const struct topology *t, unsigned refers, struct slice name)
{
    return (refers & REFERS_SITE && topology_site_find(t, name)) ||
           (refers & REFERS_EDGE_POOL && topology_edge_pool_find(t, name)) ||
           (refers & REFERS_FRONT_END_POOL && topology_front_end_pool_find(t, name)) ||
           (refers & REFERS_FOREIGN_POOL && topology_foreign_pool_find(t, name)) ||
           (refers & REFERS_DIRECTOR_POOL && topology_director_pool_find(t, name)) ||
           (refers & REFERS_PROVIDER && topology_provider_find(t, name));
}

static void check_reference(const struct topology *t, struct findings *f, const struct property *p,
                            struct slice path, struct slice name)
{
    struct buf wanted = {0};
    if (!name.n || reference_found(t, p->refers, name))
        return;
    refers_write(p->refers, false, &wanted);
    FOUND(f, "reference-to-nothing", arena_printf(&f->arena, SLICE_FMT "/%s", SLICE_ARG(path), p->name),
          "There is no " SLICE_FMT " named " SLICE_FMT ".", SLICE_ARG(buf_slice(&wanted)), SLICE_ARG(name));
    buf_fini(&wanted);
}

static void check_references(const struct topology *t, struct findings *f, const struct kind *k,
                             const void *object, struct slice path)
{
    for (size_t i = 0; i < k->n_properties; i++) {
        const struct property *p = &k->properties[i];
        if (!p->refers)
            continue;
        if (p->type != PROPERTY_NAMES) {
            check_reference(t, f, p, path, MEMBER_CONST(object, struct slice, p->offset));
            continue;
        }
        const struct topology_names *names = &MEMBER_CONST(object, struct topology_names, p->offset);
        for (size_t j = 0; j < names->n; j++)
            check_reference(t, f, p, path, names->items[j]);
    }
}

/* Objects that refer stand in the lists of the root, not deeper. */
void check_reference_to_nothing(const struct topology *t, struct findings *f)
{
    for (size_t i = 0; i < topology_root.n_properties; i++) {
        const struct property *list = &topology_root.properties[i];
        if (list->type != PROPERTY_OBJECTS)
            continue;
        const char *objects = MEMBER_CONST(t, void *, list->offset);
        for (size_t j = 0; j < MEMBER_CONST(t, size_t, list->count_offset); j++) {
            const char *o = objects + j * list->kind->size;
            struct slice id = MEMBER_CONST(o, struct slice, kind_identity(list->kind)->offset);
            check_references(t, f, list->kind, o, check_path(f, list->name, id, NULL));
        }
    }
}

/* --- sites and routes --- */
void check_no_site(const struct topology *t, struct findings *f)
{
    if (!t->n_sites)
        FOUND(f, "no-site", SLICE("sites"), "The topology has no site.");
}

static bool wants_federation(const struct topology *t, struct slice site)
{
    bool partners = t->deployment.partner_discovery;
    EACH_PARTNER(t, p)
    partners |= p->policy == TOPOLOGY_ALLOWED;
    EACH_FRONT_END_POOL(t, p)
    if (partners && slice_caseeq(p->site, site))
        return true;
    return false;
}

void check_site_without_route(const struct topology *t, struct findings *f)
{
    EACH_SITE(t, s)
    if (!topology_federation_route(t, s).n && wants_federation(t, s->name))
        FOUND(f, "site-without-route", check_path(f, "sites", s->name, "federation_route"),
              "Partners are allowed, and users of site " SLICE_FMT " cannot reach them: SIP federation "
              "is off there.",
              SLICE_ARG(s->name));
}

void check_route_without_federation(const struct topology *t, struct findings *f)
{
    EACH_SITE(t, s)
    {
        const struct topology_edge_pool *p = topology_edge_pool_find(t, s->federation_route);
        if (p && !p->federation)
            FOUND(f, "route-without-federation", check_path(f, "sites", s->name, "federation_route"),
                  "Site " SLICE_FMT " sends its federation to Edge pool " SLICE_FMT
                  ", whose federation is off.",
                  SLICE_ARG(s->name), SLICE_ARG(p->fqdn));
    }
}

void check_route_to_stopping_edge(const struct topology *t, struct findings *f)
{
    EACH_SITE(t, s)
    {
        const struct topology_edge_pool *p = topology_edge_pool_find(t, s->federation_route);
        if (p && p->access_edge != TOPOLOGY_ENABLED)
            FOUND(f, "route-to-stopping-edge", check_path(f, "sites", s->name, "federation_route"),
                  "Site " SLICE_FMT " sends its federation to Edge pool " SLICE_FMT
                  ", whose Access Edge is %s.",
                  SLICE_ARG(s->name), SLICE_ARG(p->fqdn),
                  p->access_edge == TOPOLOGY_DRAINING ? "draining" : "disabled");
    }
}

void check_several_federating_edges(const struct topology *t, struct findings *f)
{
    struct buf names = {0};
    size_t n = 0;
    EACH_EDGE_POOL(t, p)
    if (check_edge_serves(p)) {
        buf_printf(&names, "%s" SLICE_FMT, n++ ? ", " : "", SLICE_ARG(p->fqdn));
    }
    if (n > 1)
        FOUND(f, "several-federating-edges", SLICE("edge_pools"),
              "%zu Edge pools federate (" SLICE_FMT "). A migration needs that for a while: all of them take "
              "what partners send, only the one that a site's route names sends.",
              n, SLICE_ARG(buf_slice(&names)));
    buf_fini(&names);
}

/* --- domains and partners --- */
void check_default_domain_missing(const struct topology *t, struct findings *f)
{
    if (!t->deployment.default_domain.n)
        FOUND(f, "default-domain-missing", SLICE("deployment/default_domain"),
              "The deployment has no default SIP domain.");
}

void check_domain_listed_twice(const struct topology *t, struct findings *f)
{
    if (check_names_have(&t->deployment.additional_domains, t->deployment.default_domain))
        FOUND(f, "domain-listed-twice", SLICE("deployment/additional_domains"),
              "Domain " SLICE_FMT " is the default domain and an additional one.",
              SLICE_ARG(t->deployment.default_domain));
}

void check_domain_own_and_partner(const struct topology *t, struct findings *f)
{
    EACH_PARTNER(t, p)
    if (topology_is_own_domain(t, p->domain))
        FOUND(f, "domain-own-and-partner", check_path(f, "partners", p->domain, NULL),
              "Domain " SLICE_FMT " is one of ours and cannot be a partner's as well.", SLICE_ARG(p->domain));
}

void check_partner_pin_and_provider(const struct topology *t, struct findings *f)
{
    EACH_PARTNER(t, p)
    if (p->edge_fqdn.n && p->provider.n)
        FOUND(f, "partner-pin-and-provider", check_path(f, "partners", p->domain, "provider"),
              "Partner " SLICE_FMT " is pinned to an Access Edge and behind a provider: one of the two "
              "holds.",
              SLICE_ARG(p->domain));
}

void check_provider_disabled(const struct topology *t, struct findings *f)
{
    EACH_PARTNER(t, p)
    {
        const struct topology_provider *v = topology_provider_find(t, p->provider);
        if (v && !v->enabled && p->policy == TOPOLOGY_ALLOWED)
            FOUND(f, "provider-disabled", check_path(f, "partners", p->domain, "provider"),
                  "Partner " SLICE_FMT " is behind provider " SLICE_FMT ", which is disabled.",
                  SLICE_ARG(p->domain), SLICE_ARG(v->name));
    }
}

void check_provider_without_edge(const struct topology *t, struct findings *f)
{
    for (size_t i = 0; i < t->n_providers; i++)
        if (t->providers[i].enabled && !t->providers[i].edge_fqdn.n)
            FOUND(f, "provider-without-edge", check_path(f, "providers", t->providers[i].name, "edge_fqdn"),
                  "Provider " SLICE_FMT " is enabled and has no Access Edge.",
                  SLICE_ARG(t->providers[i].name));
}

/* --- central management --- */
void check_central_missing(const struct topology *t, struct findings *f)
{
    if (!t->central.machine.n)
        FOUND(f, "central-missing", SLICE("central/machine"),
              "The topology does not say where central management runs.");
}

void check_central_machine_unknown(const struct topology *t, struct findings *f)
{
    struct topology_role role;
    if (topology_role_find(t, t->central.machine, &role) && !role.machine && !role.internal_address.n)
        FOUND(f, "central-machine-unknown", SLICE("central/machine"),
              "Central management runs on " SLICE_FMT ", which is no machine of a pool and has no address.",
              SLICE_ARG(t->central.machine));
}

void check_central_not_managed(const struct topology *t, struct findings *f)
{
    struct topology_role role;
    if (topology_role_find(t, t->central.machine, &role) && role.machine && !role.managed)
        FOUND(f, "central-not-managed", SLICE("central/machine"),
              "Central management runs on " SLICE_FMT ", a machine that is not managed.",
              SLICE_ARG(t->central.machine));
}

void check_central_in_perimeter(const struct topology *t, struct findings *f)
{
    struct topology_role role;
    if (topology_role_find(t, t->central.machine, &role) && role.edge)
        FOUND(f, "central-in-perimeter", SLICE("central/machine"),
              "Central management, with the key of the internal authority, runs on Edge machine " SLICE_FMT
              ".",
              SLICE_ARG(t->central.machine));
}

/* --- settings that must fit together --- */
void check_dialog_keys_too_short(const struct topology *t, struct findings *f)
{
    if (t->deployment.dialog_key_days < 1)
        FOUND(f, "dialog-keys-too-short", SLICE("deployment/dialog_key_days"),
              "With keys that end at once, dialogs would be lost whenever the key changes.");
}

/* RFC 3261 Timer F and B end a transaction after 64*T1 = 32 s; an answer must still find its way back. */
enum { TRANSACTION_MS = 32000, TRANSACTION_MARGIN_MS = 4000 };

void check_attempts_too_long(const struct topology *t, struct findings *f)
{
    long long all = (long long)t->deployment.attempts_max * (long long)t->deployment.attempt_ms;
    if (all > TRANSACTION_MS - TRANSACTION_MARGIN_MS)
        FOUND(f, "attempts-too-long", SLICE("deployment/attempts_max"),
              "All attempts together may take %lld ms, and the sender gives up after %d ms: they must end by "
              "%d ms.",
              all, TRANSACTION_MS, TRANSACTION_MS - TRANSACTION_MARGIN_MS);
}

void check_connect_longer_than_attempt(const struct topology *t, struct findings *f)
{
    if (t->deployment.connect_ms > t->deployment.attempt_ms)
        FOUND(f, "connect-longer-than-attempt", SLICE("deployment/connect_ms"),
              "A connection may take %lld ms to be set up, longer than the whole attempt (%lld ms).",
              (long long)t->deployment.connect_ms, (long long)t->deployment.attempt_ms);
}

void check_dnssec_without_anchor(const struct topology *t, struct findings *f)
{
    if (t->deployment.dnssec && !t->deployment.dnssec_anchor.n)
        FOUND(f, "dnssec-without-anchor", SLICE("deployment/dnssec_anchor"),
              "DNS answers are to be validated and there is no trust anchor.");
}

void check_dns_views_half_set(const struct topology *t, struct findings *f)
{
    const struct topology_deployment *d = &t->deployment;
    if (!d->inside_dns_servers.n == !d->outside_dns_servers.n)
        return;
    FOUND(f, "dns-views-half-set",
          d->inside_dns_servers.n ? SLICE("deployment/outside_dns_servers")
                                  : SLICE("deployment/inside_dns_servers"),
          "Name servers are given for the %s alone: all records are taken for one view.",
          d->inside_dns_servers.n ? "inside" : "outside");
}
