#include "kept/topology/check_priv.h"

/* --- names that no certificate could cover: wildcards and underscores are refused while reading --- */
static bool one_label(struct slice name)
{
    return name.n && !memchr(name.p, '.', name.n);
}

struct external_name {
    const char *property;
    struct slice name;
};
enum { N_NAMES = 3 };

static void names_of(const struct topology_edge_pool *p, struct external_name ret[N_NAMES])
{
    ret[0] = (struct external_name){"external_fqdn", p->external_fqdn};
    ret[1] = (struct external_name){"conf_fqdn", p->conf_fqdn};
    ret[2] = (struct external_name){"av_fqdn", p->av_fqdn};
}

void check_external_name_without_domain(const struct topology *t, struct findings *f)
{
    struct external_name names[N_NAMES];
    EACH_EDGE_POOL(t, p)
    {
        names_of(p, names);
        for (size_t i = 0; i < N_NAMES; i++)
            if (one_label(names[i].name))
                FOUND(f, "external-name-without-domain",
                      check_path(f, "edge_pools", p->fqdn, names[i].property),
                      "No certificate that partners trust can be for " SLICE_FMT ", which has no domain.",
                      SLICE_ARG(names[i].name));
    }
}

void check_name_without_domain(const struct topology *t, struct findings *f)
{
    EACH_POOL(t, p)
    {
        if (one_label(p.fqdn))
            FOUND(f, "name-without-domain", check_path(f, p.list, p.fqdn, NULL),
                  "Pool " SLICE_FMT " has a name without a domain.", SLICE_ARG(p.fqdn));
        EACH_MACHINE(&p, m)
        if (one_label(m->fqdn))
            FOUND(f, "name-without-domain", check_machine_path(f, &p, m, NULL),
                  "Machine " SLICE_FMT " has a name without a domain.", SLICE_ARG(m->fqdn));
    }
}

void check_partner_without_domain(const struct topology *t, struct findings *f)
{
    EACH_PARTNER(t, p)
    if (one_label(p->domain))
        FOUND(f, "partner-without-domain", check_path(f, "partners", p->domain, "domain"),
              "Partner " SLICE_FMT " is half a name: domains have a dot.", SLICE_ARG(p->domain));
}

/* Domains that exist inside only: RFC 6762 appendix G, and what ICANN keeps for private use. Those of RFC
 * 2606 are for papers and laboratories, and stay. */
static bool inside_only(struct slice name)
{
    static const char *const ends[] = {".local", ".internal", ".intranet",  ".private",     ".corp",
                                       ".home",  ".lan",      ".localhost", ".localdomain", ".home.arpa"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        if (slice_ends(name, slice_str(ends[i])))
            return true;
    return false;
}

void check_external_name_not_public(const struct topology *t, struct findings *f)
{
    struct external_name names[N_NAMES];
    EACH_EDGE_POOL(t, p)
    {
        names_of(p, names);
        for (size_t i = 0; i < N_NAMES; i++)
            if (inside_only(names[i].name))
                FOUND(f, "external-name-not-public", check_path(f, "edge_pools", p->fqdn, names[i].property),
                      SLICE_FMT " is in a domain that exists inside only: no public authority certifies it.",
                      SLICE_ARG(names[i].name));
    }
}

static bool within(struct slice name, struct slice domain)
{
    if (name.n < domain.n || !slice_caseeq(slice_from(name, name.n - domain.n), domain))
        return false;
    return name.n == domain.n || name.p[name.n - domain.n - 1] == '.';
}

static void target_outside(struct findings *f, const struct topology_edge_pool *p, struct slice domain)
{
    if (domain.n && !within(p->external_fqdn, domain))
        FOUND(f, "srv-target-outside-domain", check_path(f, "edge_pools", p->fqdn, "external_fqdn"),
              "The SRV record of " SLICE_FMT " leads to " SLICE_FMT ", which is not within that domain.",
              SLICE_ARG(domain), SLICE_ARG(p->external_fqdn));
}

void check_srv_target_outside_domain(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    {
        if (!check_edge_serves(p) || !p->external_fqdn.n)
            continue;
        target_outside(f, p, t->deployment.default_domain);
        for (size_t i = 0; i < t->deployment.additional_domains.n; i++)
            target_outside(f, p, t->deployment.additional_domains.items[i]);
    }
}
