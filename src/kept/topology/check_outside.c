/* XMPP partners, simple URLs, backup pools and pools of branch sites. */
#include "kept/topology/check_priv.h"

#include "ground/base/map.h"

#define EACH_XMPP_PARTNER(t, p) EACH(xmpp_partner, p, (t)->xmpp_partners, (t)->n_xmpp_partners)
#define EACH_SIMPLE_URL(t, u) EACH(simple_url, u, (t)->simple_urls, (t)->n_simple_urls)

/* --- XMPP --- */
/* Without a certificate that is judged (SASL EXTERNAL over TLS) only the call back is left. */
void check_xmpp_negotiation_impossible(const struct topology *t, struct findings *f)
{
    EACH_XMPP_PARTNER(t, p)
    if (!p->dialback && (p->sasl == TOPOLOGY_NOT_SUPPORTED || p->tls == TOPOLOGY_NOT_SUPPORTED))
        FOUND(f, "xmpp-negotiation-impossible", check_path(f, "xmpp_partners", p->domain, "dialback"),
              "XMPP partner " SLICE_FMT " may prove itself neither by its certificate nor by a call back.",
              SLICE_ARG(p->domain));
}

void check_xmpp_sasl_without_tls(const struct topology *t, struct findings *f)
{
    EACH_XMPP_PARTNER(t, p)
    if (p->tls == TOPOLOGY_NOT_SUPPORTED && p->sasl != TOPOLOGY_NOT_SUPPORTED)
        FOUND(f, "xmpp-sasl-without-tls", check_path(f, "xmpp_partners", p->domain, "sasl"),
              "XMPP partner " SLICE_FMT " is asked for its certificate on streams without TLS.",
              SLICE_ARG(p->domain));
}

void check_xmpp_not_encrypted(const struct topology *t, struct findings *f)
{
    EACH_XMPP_PARTNER(t, p)
    if (p->tls != TOPOLOGY_REQUIRED)
        FOUND(f, "xmpp-not-encrypted", check_path(f, "xmpp_partners", p->domain, "tls"),
              "Streams with XMPP partner " SLICE_FMT " may go without encryption.", SLICE_ARG(p->domain));
}

typedef void judge_domain(const struct topology *t, struct findings *f, struct slice path,
                          struct slice domain);

static void each_xmpp_domain(const struct topology *t, struct findings *f, judge_domain *judge)
{
    EACH_XMPP_PARTNER(t, p)
    {
        struct slice path = check_path(f, "xmpp_partners", p->domain, NULL);
        judge(t, f, path, p->domain);
        for (size_t i = 0; i < p->additional_domains.n; i++)
            judge(t, f, path, p->additional_domains.items[i]);
    }
}

static void judge_own(const struct topology *t, struct findings *f, struct slice path, struct slice domain)
{
    if (topology_is_own_domain(t, domain))
        FOUND(f, "xmpp-domain-own", path, SLICE_FMT " is one of ours and an XMPP partner's.",
              SLICE_ARG(domain));
}

static void judge_sip(const struct topology *t, struct findings *f, struct slice path, struct slice domain)
{
    if (topology_partner_find(t, domain))
        FOUND(f, "xmpp-domain-also-sip", path, SLICE_FMT " is a partner by SIP and by XMPP.",
              SLICE_ARG(domain));
}

void check_xmpp_domain_own(const struct topology *t, struct findings *f)
{
    each_xmpp_domain(t, f, judge_own);
}

/* Domains that came before, in a set. */
struct seen_domain {
    struct map_entry entry;
    struct slice domain;
};
struct seen {
    struct map domains;
    struct arena arena;
};

static bool seen_before(struct seen *s, struct slice domain)
{
    uint64_t hash = slice_casehash(domain);
    for (struct map_entry *e = map_first(&s->domains, hash); e; e = map_next(e))
        if (slice_caseeq(MAP_OBJECT(e, struct seen_domain, entry)->domain, domain))
            return true;
    struct seen_domain *d = ARENA_NEW(&s->arena, struct seen_domain);
    d->domain = domain;
    map_insert(&s->domains, &d->entry, hash);
    return false;
}

static void judge_twice(struct seen *s, struct findings *f, struct slice partner, struct slice domain)
{
    if (seen_before(s, domain))
        FOUND(f, "xmpp-domain-twice", check_path(f, "xmpp_partners", partner, NULL),
              SLICE_FMT " belongs to two XMPP partners.", SLICE_ARG(domain));
}

void check_xmpp_domain_twice(const struct topology *t, struct findings *f)
{
    struct seen s = {0};
    EACH_XMPP_PARTNER(t, p)
    {
        judge_twice(&s, f, p->domain, p->domain);
        for (size_t i = 0; i < p->additional_domains.n; i++)
            judge_twice(&s, f, p->domain, p->additional_domains.items[i]);
    }
    map_fini(&s.domains);
    arena_fini(&s.arena);
}

void check_xmpp_domain_also_sip(const struct topology *t, struct findings *f)
{
    each_xmpp_domain(t, f, judge_sip);
}

static bool any_xmpp_edge(const struct topology *t)
{
    EACH_EDGE_POOL(t, p)
    if (p->xmpp)
        return true;
    return false;
}

static bool any_xmpp_policy(const struct topology *t)
{
    EACH_POLICY(t, p)
    if (p->xmpp)
        return true;
    return false;
}

void check_xmpp_partners_without_edge(const struct topology *t, struct findings *f)
{
    if (t->n_xmpp_partners && !any_xmpp_edge(t))
        FOUND(f, "xmpp-partners-without-edge", SLICE("xmpp_partners"),
              "There are XMPP partners, and no Edge pool federates by XMPP.");
}

void check_xmpp_for_nobody(const struct topology *t, struct findings *f)
{
    if (t->n_xmpp_partners && !any_xmpp_policy(t))
        FOUND(f, "xmpp-for-nobody", SLICE("external_access_policies"),
              "There are XMPP partners, and no external access policy lets anybody speak with them.");
}

/* --- simple URLs --- */
static struct slice url_host(struct slice url)
{
    struct slice rest = slice_casestarts(url, SLICE("https://"))  ? slice_from(url, 8)
                        : slice_casestarts(url, SLICE("http://")) ? slice_from(url, 7)
                                                                  : SLICE_NONE;
    size_t end = 0;
    while (end < rest.n && rest.p[end] != '/' && rest.p[end] != ':')
        end++;
    return slice_head(rest, end);
}

void check_simple_url_malformed(const struct topology *t, struct findings *f)
{
    EACH_SIMPLE_URL(t, u)
    {
        struct slice host = url_host(u->url);
        if (slice_find(host, '.') == SIZE_MAX || slice_find(u->url, ' ') != SIZE_MAX)
            FOUND(f, "simple-url-malformed", check_path(f, "simple_urls", u->name, "url"),
                  "'" SLICE_FMT "' is no URL with the full name of a host.",
                  SLICE_ARG(slice_head(u->url, 200)));
    }
}

void check_simple_url_domain_not_own(const struct topology *t, struct findings *f)
{
    EACH_SIMPLE_URL(t, u)
    if (u->domain.n && !topology_is_own_domain(t, u->domain))
        FOUND(f, "simple-url-domain-not-own", check_path(f, "simple_urls", u->name, "domain"),
              SLICE_FMT " is none of our SIP domains.", SLICE_ARG(u->domain));
}

void check_simple_url_twice(const struct topology *t, struct findings *f)
{
    for (size_t i = 0; i < t->n_simple_urls; i++)
        for (size_t k = 0; k < i; k++) {
            const struct topology_simple_url *a = &t->simple_urls[k], *b = &t->simple_urls[i];
            if (a->active && b->active && a->use == b->use && slice_caseeq(a->domain, b->domain))
                FOUND(f, "simple-url-twice", check_path(f, "simple_urls", b->name, "active"),
                      SLICE_FMT " and " SLICE_FMT " are both active for the same use and domain.",
                      SLICE_ARG(a->name), SLICE_ARG(b->name));
        }
}

/* --- backup pools, branch sites, web services --- */
static bool is_branch_pool(const struct topology_front_end_pool *p)
{
    return p->kind == TOPOLOGY_BRANCH_APPLIANCE || p->kind == TOPOLOGY_BRANCH_SERVER;
}

void check_backup_pool_itself(const struct topology *t, struct findings *f)
{
    EACH_FRONT_END_POOL(t, p)
    if (slice_caseeq(p->backup_pool, p->fqdn))
        FOUND(f, "backup-pool-itself", check_path(f, "front_end_pools", p->fqdn, "backup_pool"),
              "Front End pool " SLICE_FMT " is its own backup.", SLICE_ARG(p->fqdn));
}

void check_backup_pool_not_mutual(const struct topology *t, struct findings *f)
{
    EACH_FRONT_END_POOL(t, p)
    {
        const struct topology_front_end_pool *q = topology_front_end_pool_find(t, p->backup_pool);
        if (q && q != p && !is_branch_pool(p) && !slice_caseeq(q->backup_pool, p->fqdn))
            FOUND(f, "backup-pool-not-mutual", check_path(f, "front_end_pools", q->fqdn, "backup_pool"),
                  "Pool " SLICE_FMT " is backed up by " SLICE_FMT ", whose own backup is another or none.",
                  SLICE_ARG(p->fqdn), SLICE_ARG(q->fqdn));
    }
}

void check_backup_pool_unlike(const struct topology *t, struct findings *f)
{
    EACH_FRONT_END_POOL(t, p)
    {
        const struct topology_front_end_pool *q = topology_front_end_pool_find(t, p->backup_pool);
        if (q && !is_branch_pool(p) && (!slice_caseeq(p->version, q->version) || p->kind != q->kind))
            FOUND(f, "backup-pool-unlike", check_path(f, "front_end_pools", p->fqdn, "backup_pool"),
                  "Pool " SLICE_FMT " and its backup " SLICE_FMT " are of different version or kind.",
                  SLICE_ARG(p->fqdn), SLICE_ARG(q->fqdn));
    }
}

void check_branch_pool_without_home(const struct topology *t, struct findings *f)
{
    EACH_FRONT_END_POOL(t, p)
    if (is_branch_pool(p) && !p->backup_pool.n)
        FOUND(f, "branch-pool-without-home", check_path(f, "front_end_pools", p->fqdn, "backup_pool"),
              "The users of branch pool " SLICE_FMT " have no pool in a central site to go to.",
              SLICE_ARG(p->fqdn));
}

void check_branch_pool_out_of_place(const struct topology *t, struct findings *f)
{
    EACH_FRONT_END_POOL(t, p)
    {
        const struct topology_site *s = topology_site_find(t, p->site);
        if (is_branch_pool(p) && s && s->kind != TOPOLOGY_BRANCH_SITE)
            FOUND(f, "branch-pool-out-of-place", check_path(f, "front_end_pools", p->fqdn, "site"),
                  "Branch pool " SLICE_FMT " stands in the central site " SLICE_FMT ".", SLICE_ARG(p->fqdn),
                  SLICE_ARG(s->name));
    }
}

void check_branch_pool_several_machines(const struct topology *t, struct findings *f)
{
    EACH_FRONT_END_POOL(t, p)
    if (is_branch_pool(p) && p->n_machines > 1)
        FOUND(f, "branch-pool-several-machines", check_path(f, "front_end_pools", p->fqdn, "machines"),
              "Branch pool " SLICE_FMT " has %zu machines.", SLICE_ARG(p->fqdn), p->n_machines);
}

static size_t web_names(const struct topology *t, struct slice name)
{
    size_t n = 0;
    EACH_FRONT_END_POOL(t, p)
    n += slice_caseeq(p->web_fqdn, name);
    EACH_DIRECTOR_POOL(t, p)
    n += slice_caseeq(p->web_fqdn, name);
    return n;
}

static void judge_web_name(const struct topology *t, struct findings *f, const char *list, struct slice fqdn,
                           struct slice name)
{
    if (name.n && web_names(t, name) > 1)
        FOUND(f, "web-name-shared", check_path(f, list, fqdn, "web_fqdn"),
              SLICE_FMT " is the name of the web services of two pools.", SLICE_ARG(name));
}

void check_web_name_shared(const struct topology *t, struct findings *f)
{
    EACH_FRONT_END_POOL(t, p)
    judge_web_name(t, f, "front_end_pools", p->fqdn, p->web_fqdn);
    EACH_DIRECTOR_POOL(t, p)
    judge_web_name(t, f, "director_pools", p->fqdn, p->web_fqdn);
}
