#include "service/access_edge/identity.h"

#include "wire/sip/uri.h"

static const struct {
    const char *letter, *text;
} rules[] = {
    [IDENTITY_NONE] = {"",  "no rule: the certificate does not prove the domain"                        },
    [IDENTITY_CERTIFICATE] = {"a", "rule a: the certificate names the domain"                                  },
    [IDENTITY_PINNED] = {"b", "rule b: the certificate names the FQDN that the partner is pinned to"      },
    [IDENTITY_PROVIDER] = {"b", "rule b: the certificate names the FQDN of the partner's provider"          },
    [IDENTITY_SRV] = {"c", "rule c: the certificate names the target of the domain's federation record"},
};

const char *identity_rule_text(enum identity_rule r)
{
    return rules[r].text;
}

const char *identity_rule_letter(enum identity_rule r)
{
    return rules[r].letter;
}

static struct slice without_dot(struct slice name)
{
    return slice_ends(name, SLICE(".")) ? slice_head(name, name.n - 1) : name;
}

/* One name of a certificate against one that we look for. */
static bool same_name(struct slice named, struct slice wanted)
{
    wanted = without_dot(wanted);
    return wanted.n && slice_find(wanted, '*') == SIZE_MAX && slice_caseeq(named, wanted);
}

/* *.example.com and sip.example.com: the star stands for one whole label, and not above a top domain. */
static bool wildcard_names(struct slice named, struct slice wanted)
{
    struct slice star, below, label, rest;
    wanted = without_dot(wanted);
    return slice_cut(named, '.', &star, &below) && slice_eq(star, SLICE("*")) &&
           slice_find(below, '*') == SIZE_MAX && slice_find(below, '.') != SIZE_MAX &&
           slice_cut(wanted, '.', &label, &rest) && label.n && slice_find(wanted, '*') == SIZE_MAX &&
           slice_caseeq(below, rest);
}

bool identity_names_host(const struct crypto_names *names, struct slice host, bool wildcards)
{
    if (!names->has_san)
        return same_name(names->common_name, host);
    for (size_t i = 0; i < names->n_dns; i++)
        if (same_name(names->dns[i], host) || (wildcards && wildcard_names(names->dns[i], host)))
            return true;
    return false;
}

bool identity_names_domain(const struct crypto_names *names, struct slice domain, bool wildcards)
{
    bool any_sip = false;
    for (size_t i = 0; i < names->n_uri; i++) {
        struct sip_uri u;
        if (!slice_casestarts(names->uri[i], SLICE("sip:")))
            continue;
        any_sip = true; /* one with a user part or one that cannot be read also ends the use of DNS names */
        if (sip_uri_parse(names->uri[i], &u) == 0 && !u.has_user && same_name(u.host, domain))
            return true;
    }
    return !any_sip && identity_names_host(names, domain, wildcards);
}

bool identity_target_counts(struct slice target, struct slice domain, bool secure)
{
    target = without_dot(target);
    return target.n && (secure || slice_within_domain(target, domain));
}

enum identity_rule identity_prove(const struct identity_claim *c, struct slice *ret_name)
{
    if (c->domain.n && identity_names_domain(c->names, c->domain, c->wildcards)) {
        *ret_name = c->domain;
        return IDENTITY_CERTIFICATE;
    }
    if (c->pinned.n && identity_names_host(c->names, c->pinned, c->wildcards)) {
        *ret_name = c->pinned;
        return IDENTITY_PINNED;
    }
    if (c->provider.n && identity_names_host(c->names, c->provider, c->wildcards)) {
        *ret_name = c->provider;
        return IDENTITY_PROVIDER;
    }
    for (size_t i = 0; i < c->n_targets; i++) {
        if (identity_names_host(c->names, c->targets[i], c->wildcards)) {
            *ret_name = c->targets[i];
            return IDENTITY_SRV;
        }
    }
    return IDENTITY_NONE;
}
