/* The hop between the two organisations: policy, DNS, identity. */
#include "kept/topology/path_priv.h"

#include <errno.h>

/* --- policy --- */
static bool names_have(const struct topology_names *names, struct slice what)
{
    for (size_t i = 0; i < names->n; i++)
        if (slice_caseeq(names->items[i], what))
            return true;
    return false;
}

/* As access_edge/users.h has it: the user's own, the domain's, the site's, the global one. */
static const struct topology_external_access_policy *user_policy(const struct topology *t, struct slice user,
                                                                 struct slice site)
{
    size_t at = slice_find(user, '@');
    struct slice domain = at == SIZE_MAX ? user : slice_from(user, at + 1);
    struct slice wanted[] = {at == SIZE_MAX ? SLICE_NONE : user, domain, site};
    for (size_t scope = 0; scope < 3; scope++)
        for (size_t i = 0; i < t->n_external_access_policies && wanted[scope].n; i++) {
            const struct topology_external_access_policy *x = &t->external_access_policies[i];
            const struct topology_names *named[] = {&x->users, &x->domains, &x->sites};
            if (names_have(named[scope], wanted[scope]))
                return x;
        }
    return topology_external_access_policy_find(t, SLICE("global"));
}

static void refused(struct path_policy *p, const char *id, const char *text, const char *remedy)
{
    p->id = id;
    p->text = slice_str(text);
    p->remedy = slice_str(remedy);
}

static bool any_provider(const struct topology *t)
{
    for (size_t i = 0; i < t->n_providers; i++)
        if (t->providers[i].enabled && t->providers[i].edge_fqdn.n)
            return true;
    return false;
}

static void policy_of_listed(const struct topology *t, const struct topology_partner *partner,
                             struct path_policy *p, bool *ret_public)
{
    const struct topology_provider *provider = topology_provider_find(t, partner->provider);
    p->srv_names = partner->srv_names;
    p->pinned = partner->edge_fqdn;
    if (partner->provider.n && (!provider || !provider->enabled)) {
        refused(p, "edge.provider-disabled", "The partner is behind a hosting provider that is not enabled.",
                "enable the provider");
    } else if (provider) {
        p->provider = provider->edge_fqdn;
        *ret_public = provider->public_cloud;
    }
}

static void policy_of_domain(const struct topology *t, const struct topology_partner *partner,
                             struct path_policy *p, bool *ret_public)
{
    const struct topology_access_edge *a = &t->access_edge;
    if (!a->federated_users) {
        refused(p, "edge.federation-off", "Federation is off for all users.",
                "turn access_edge/federated_users on");
    } else if (partner && partner->policy == TOPOLOGY_BLOCKED) {
        refused(p, "edge.partner-blocked", "The partner's domain is blocked.",
                "entente partner allow DOMAIN, if that is wanted");
    } else if (a->routing == TOPOLOGY_ROUTE_BY_DEFAULT && a->default_route.n) {
        p->provider = a->default_route;
        p->text = SLICE("allowed: by the default route");
    } else if (partner) {
        policy_of_listed(t, partner, p, ret_public);
    } else if (t->deployment.partner_discovery) {
        p->srv_names = t->deployment.discovered_srv_names;
        p->text = SLICE("allowed: partner discovery is on");
    } else if (any_provider(t)) {
        p->text = SLICE("allowed if its SRV record leads to an enabled provider");
    } else {
        refused(p, "edge.partner-unknown", "The domain is in no list of partners and discovery is off.",
                "entente partner allow DOMAIN, or turn partner discovery on");
    }
}

struct path_policy path_policy_of(const struct topology *t, struct slice domain, struct slice user,
                                  struct slice site, struct arena *a)
{
    const struct topology_partner *partner = topology_partner_find(t, domain);
    const struct topology_external_access_policy *x = user_policy(t, user, site);
    struct path_policy p = {.listed = partner, .text = SLICE("allowed: the partner is listed")};
    bool public_cloud = false;
    policy_of_domain(t, partner, &p, &public_cloud);
    if (!p.id && x && !public_cloud && !x->federation)
        refused(&p, "edge.user-not-federated",
                "The external access policy of the user inside does not allow federation.",
                "allow it in the user's policy (external_access_policies)");
    else if (!p.id && x && public_cloud && !x->public_cloud)
        refused(&p, "edge.user-no-public-cloud",
                "The external access policy of the user inside does not allow public providers.",
                "allow it in the user's policy (external_access_policies)");
    if (!p.id && (p.pinned.n || (p.provider.n && partner)))
        p.text = arena_printf(a, SLICE_FMT "%s", SLICE_ARG(p.text),
                              p.pinned.n ? ", pinned to its Edge" : ", behind a provider");
    return p;
}

/* --- DNS --- */
static int ask(struct path_work *w, struct slice name, uint16_t type, struct dns_record **ret, size_t *n,
               struct slice *why)
{
    *n = 0;
    return w->dns->ask(w->dns->arg, name, type, w->a, ret, n, why);
}

void path_ask_addresses(struct path_work *w, struct path_target *to, struct path_targets *all)
{
    static const uint16_t types[] = {DNS_A, DNS_AAAA};
    for (size_t k = 0; k < 2 && w->dns; k++) {
        struct dns_record *r;
        size_t n;
        int error = ask(w, to->name, types[k], &r, &n, &all->why);
        if (error < 0)
            all->error = error;
        for (size_t i = 0; error == 0 && i < n && to->n < PATH_MAX_TARGETS; i++) {
            char text[NET_ADDR_TEXT];
            struct net_addr addr;
            if (net_addr_from_bytes(r[i].address, to->port, &addr) == 0)
                to->addresses[to->n++] = (struct path_address){
                    .name = to->name, .endpoint = arena_copy(w->a, net_addr_text(&addr, text))};
        }
    }
}

/* Priority, then weight: the likeliest first (RFC 2782 draws by weight). */
static void sort(struct path_targets *t)
{
    for (size_t i = 1; i < t->n; i++)
        for (size_t k = i; k > 0; k--) {
            struct path_target *x = &t->items[k - 1], *y = &t->items[k], z;
            if (x->priority < y->priority || (x->priority == y->priority && x->weight >= y->weight))
                break;
            z = *x;
            *x = *y;
            *y = z;
        }
}

void path_ask_federation(struct path_work *w, struct slice domain, struct path_targets *ret)
{
    struct dns_record *r;
    size_t n;
    if (!w->dns)
        return;
    ret->asked = true;
    ret->error = ask(w, arena_printf(w->a, "_sipfederationtls._tcp." SLICE_FMT, SLICE_ARG(domain)), DNS_SRV,
                     &r, &n, &ret->why);
    for (size_t i = 0; ret->error == 0 && i < n && ret->n < PATH_MAX_TARGETS; i++)
        if (r[i].srv.target.n)
            ret->items[ret->n++] = (struct path_target){.name = r[i].srv.target,
                                                        .port = r[i].srv.port,
                                                        .priority = r[i].srv.priority,
                                                        .weight = r[i].srv.weight};
    sort(ret);
    for (size_t i = 0; i < ret->n; i++)
        path_ask_addresses(w, &ret->items[i], ret);
}

/* --- who proves whom --- */
/* The names of which a partner's certificate must carry one (access_edge/identity.h). */
static struct slice partner_certificate(struct path_work *w)
{
    struct buf out = {0};
    const struct path_policy *p = &w->policy;
    buf_printf(&out, SLICE_FMT " (rule a)", SLICE_ARG(w->partner));
    if (p->pinned.n)
        buf_printf(&out, ", or " SLICE_FMT " (rule b: pinned)", SLICE_ARG(p->pinned));
    if (p->provider.n)
        buf_printf(&out, ", or " SLICE_FMT " (rule b: its provider)", SLICE_ARG(p->provider));
    for (size_t i = 0; p->srv_names && i < w->theirs.n; i++)
        buf_printf(&out, ", or " SLICE_FMT " (rule c: SRV target%s)", SLICE_ARG(w->theirs.items[i].name),
                   slice_within_domain(w->theirs.items[i].name, w->partner)
                       ? ""
                       : " outside its domain, if DNSSEC proves it");
    if (p->srv_names && !w->theirs.asked)
        buf_printf(&out, ", or a target of its SRV record (rule c)");
    struct slice text = arena_copy(w->a, buf_slice(&out));
    buf_fini(&out);
    return text;
}

static void put_targets(struct path_hop *h, const struct path_targets *all)
{
    for (size_t i = 0; i < all->n; i++)
        for (size_t k = 0; k < all->items[i].n && h->n_addresses < PATH_MAX_TARGETS; k++)
            h->addresses[h->n_addresses++] = all->items[i].addresses[k];
}

/* --- out --- */
static void resolve_partner(struct path_work *w, struct path_hop *h)
{
    struct slice edge = w->policy.pinned.n ? w->policy.pinned : w->policy.provider;
    struct path_targets named = {.asked = w->dns != NULL, .n = 1}, *all = &w->theirs;
    if (edge.n) {
        all = &named;
        named.items[0] = (struct path_target){.name = edge, .port = PATH_SIP_TLS_PORT};
        path_ask_addresses(w, &named.items[0], &named);
        h->to = edge;
        h->decided_by = arena_printf(w->a, "%s " SLICE_FMT,
                                     w->policy.pinned.n ? "pinned to" : "provider's Edge", SLICE_ARG(edge));
    } else {
        h->decided_by = arena_printf(w->a, "SRV _sipfederationtls._tcp." SLICE_FMT, SLICE_ARG(w->partner));
        if (all->n)
            h->to = all->items[0].name;
    }
    put_targets(h, all);
    if (!all->asked)
        path_fail(w, h, PATH_NOT_ASKED, NULL, "ask without --static", "DNS was not asked.");
    else if (!h->n_addresses && all->error)
        path_fail(w, h, PATH_FAILS, "path.dns-failed", "look at the name servers and at the partner's zone",
                  "DNS does not answer: " SLICE_FMT ".", SLICE_ARG(all->why));
    else if (!all->n)
        path_fail(w, h, PATH_FAILS, "path.no-partner-record",
                  "the partner publishes the record, or is pinned: entente partner allow DOMAIN --edge FQDN",
                  "There is no _sipfederationtls._tcp record of " SLICE_FMT ".", SLICE_ARG(w->partner));
    else if (!h->n_addresses)
        path_fail(w, h, PATH_FAILS, "path.no-partner-address", "the partner publishes the address",
                  "The partner's Edge " SLICE_FMT " has no address in DNS.", SLICE_ARG(h->to));
}

void path_to_partner(struct path_work *w, struct path_leg *leg, struct slice edge)
{
    struct path_hop *h = path_hop_add(leg, w, "partner", edge, w->partner, "TLS");
    h->policy = w->policy.text;
    if (w->policy.id)
        path_fail(w, h, PATH_FAILS, w->policy.id, arena_cstr(w->a, w->policy.remedy), SLICE_FMT,
                  SLICE_ARG(w->policy.text));
    else
        resolve_partner(w, h);
    h->certificate = partner_certificate(w);
    const struct topology_edge_pool *p = topology_edge_pool_find(w->t, edge);
    if (p)
        h->identity = arena_printf(w->a, "our external certificate, which names " SLICE_FMT,
                                   SLICE_ARG(edge_public_name(w->t, edge_behind(w->t, p))));
    struct path_hop *last = path_hop_add(leg, w, "partner", h->to, w->peer, "");
    last->decided_by = SLICE("the partner");
    last->state = PATH_BEYOND;
}

/* --- in --- */
/* What partners would find, if DNS says what the topology implies. */
static void implied_targets(struct path_work *w, struct path_targets *ret)
{
    const struct topology_edge_pool *pools[PATH_MAX_TARGETS];
    size_t n = edges_federating(w->t, pools, PATH_MAX_TARGETS);
    for (size_t i = 0; i < n; i++) {
        struct path_target *to = &ret->items[ret->n];
        struct path_hop one = {0};
        to->name = edge_public_name(w->t, pools[i]);
        to->port = (uint16_t)pools[i]->federation_port;
        for (size_t k = 0; k < pools[i]->n_machines; k++)
            path_put_address(&one, w, to->name, pools[i]->machines[k].external_address, to->port);
        memcpy(to->addresses, one.addresses, sizeof(to->addresses));
        to->n = one.n_addresses;
        ret->n += to->name.n > 0;
    }
}

/* The pool with this external address and port. */
static const struct topology_edge_pool *pool_at(const struct topology *t, struct slice endpoint)
{
    struct net_addr at, other;
    if (net_addr_parse_port(endpoint, 0, &at) < 0)
        return NULL;
    for (size_t i = 0; i < t->n_edge_pools; i++)
        for (size_t k = 0; k < t->edge_pools[i].n_machines; k++)
            if (net_addr_parse(t->edge_pools[i].machines[k].external_address,
                               (uint16_t)t->edge_pools[i].federation_port, &other) == 0 &&
                net_addr_eq(&at, &other))
                return &t->edge_pools[i];
    return NULL;
}

static const struct topology_edge_pool *judge(struct path_work *w, struct path_hop *h,
                                              const struct path_targets *all)
{
    const struct topology_edge_pool *stopped = NULL, *p;
    for (size_t i = 0; i < h->n_addresses; i++) {
        p = pool_at(w->t, h->addresses[i].endpoint);
        if (p && edge_serves(p))
            return p;
        stopped = p ? p : stopped;
    }
    if (stopped)
        path_fail(w, h, PATH_FAILS, "edge.no-federation",
                  "lead the name to a pool that serves (entente dns check), or let this one serve",
                  "DNS leads partners to Edge pool " SLICE_FMT ", which does not federate.",
                  SLICE_ARG(stopped->fqdn));
    else if (h->n_addresses)
        path_fail(w, h, PATH_FAILS, "path.dns-elsewhere", "entente dns check, then entente dns apply",
                  "DNS leads partners to addresses that are no Edge machine's of the topology.");
    else if (all->error)
        path_fail(w, h, PATH_FAILS, "path.dns-failed", "look at the name servers of the zone",
                  "DNS does not answer: " SLICE_FMT ".", SLICE_ARG(all->why));
    else if (!all->n)
        path_fail(w, h, PATH_FAILS, "path.no-own-record",
                  w->dns ? "entente dns apply, or publish the record by hand"
                         : "let a federating Edge pool with an external name have the route of a site",
                  "There is no _sipfederationtls._tcp record of " SLICE_FMT ": partners do not find us.",
                  SLICE_ARG(w->own));
    else
        path_fail(w, h, PATH_FAILS, "path.no-own-address", "set the machines' external addresses; dns apply",
                  "Our external name " SLICE_FMT " has no address.", SLICE_ARG(all->items[0].name));
    return NULL;
}

const struct topology_edge_pool *path_from_partner(struct path_work *w, struct path_leg *leg)
{
    struct path_targets *ours = ARENA_NEW(w->a, struct path_targets);
    struct path_hop *h = path_hop_add(leg, w, "edge", w->partner, w->own, "TLS");
    path_ask_federation(w, w->own, ours);
    if (!w->dns)
        implied_targets(w, ours);
    put_targets(h, ours);
    h->decided_by = arena_printf(w->a, "SRV _sipfederationtls._tcp." SLICE_FMT "%s", SLICE_ARG(w->own),
                                 w->dns ? "" : ", as the topology implies it");
    h->identity =
        arena_printf(w->a, "the partner's certificate names " SLICE_FMT, SLICE_ARG(partner_certificate(w)));
    h->policy = w->policy.text;
    if (ours->n) {
        h->to = ours->items[0].name;
        h->certificate = ours->items[0].name;
    }
    if (w->policy.id)
        path_fail(w, h, PATH_FAILS, w->policy.id, arena_cstr(w->a, w->policy.remedy), SLICE_FMT,
                  SLICE_ARG(w->policy.text));
    return judge(w, h, ours);
}
