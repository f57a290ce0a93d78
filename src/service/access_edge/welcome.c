/* Whose certificate is that of an allowed partner, as far as it can be seen without DNS: such a connection is
 * trusted from the handshake on. It is no proof of a domain: each request is judged on its own. */
#include "service/access_edge/priv.h"

struct welcome {
    struct map_entry by_name;
    struct slice fqdn; /* of an Access Edge to which a partner is pinned */
    struct slice domain;
};

void welcome_compile(struct edge *e)
{
    const struct topology *t = e->t;
    for (size_t i = 0; i < t->n_partners; i++) {
        const struct topology_partner *p = &t->partners[i];
        if (p->policy != TOPOLOGY_ALLOWED || p->edge_fqdn.n == 0)
            continue;
        struct welcome *w = ARENA_NEW(&e->arena, struct welcome);
        w->fqdn = p->edge_fqdn;
        w->domain = p->domain;
        map_insert(&e->welcome, &w->by_name, slice_casehash(w->fqdn));
    }
}

static bool may_be(const struct edge *e, struct slice domain, const struct crypto_cert *cert)
{
    const struct policy policy = policy_of(e->t, domain);
    uint64_t until;
    return !trusts_judge(e, &policy, cert, &until);
}

static bool is_pin(const struct edge *e, struct slice name, const struct crypto_cert *cert)
{
    uint64_t until;
    for (struct map_entry *m = map_first(&e->welcome, slice_casehash(name)); m; m = map_next(m))
        if (slice_caseeq(MAP_OBJECT(m, struct welcome, by_name)->fqdn, name) &&
            may_be(e, MAP_OBJECT(m, struct welcome, by_name)->domain, cert))
            return true;
    for (size_t i = 0; i < e->t->n_providers; i++) {
        const struct topology_provider *p = &e->t->providers[i];
        const struct policy policy = {.trust = p->trust, .pin_key = p->pin_key};
        if (p->enabled && slice_caseeq(p->edge_fqdn, name) && !trusts_judge(e, &policy, cert, &until))
            return true;
    }
    return false;
}

static bool is_partner(const struct edge *e, struct slice domain, const struct crypto_cert *cert)
{
    const struct topology_partner *p = topology_partner_find(e->t, domain);
    return p && p->policy == TOPOLOGY_ALLOWED && may_be(e, domain, cert);
}

/* sip.partner.example is a host of partner.example: whoever has it certified is of that domain (rule c
 * without DNS). */
static struct slice welcome_by(const struct edge *e, struct slice name, const struct crypto_cert *cert)
{
    struct slice host, domain;
    if (is_pin(e, name, cert) || is_partner(e, name, cert))
        return name;
    if (slice_cut(name, '.', &host, &domain) && is_partner(e, domain, cert))
        return domain;
    return SLICE_NONE;
}

struct slice peer_welcome(const struct edge *e, const struct flow *f)
{
    static const struct slice sip = SLICE_INIT("sip:");
    const struct crypto_cert *cert = flow_cert_verdict(f) == CRYPTO_VERIFY_OK ? flow_cert(f) : NULL;
    if (!cert)
        return SLICE_NONE;
    const struct crypto_names *names = crypto_cert_names(cert);
    struct slice found = names->has_san ? SLICE_NONE : welcome_by(e, names->common_name, cert);
    for (size_t i = 0; i < names->n_dns && i < WELCOME_NAMES && found.n == 0; i++)
        found = welcome_by(e, names->dns[i], cert);
    for (size_t i = 0; i < names->n_uri && i < WELCOME_NAMES && found.n == 0; i++)
        if (slice_casestarts(names->uri[i], sip) && is_partner(e, slice_from(names->uri[i], sip.n), cert))
            found = slice_from(names->uri[i], sip.n);
    return found;
}
