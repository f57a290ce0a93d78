#include "service/access_edge/users.h"

enum scope { SCOPE_USER, SCOPE_DOMAIN, SCOPE_SITE };
struct assigned {
    struct map_entry entry;
    enum scope scope;
    struct slice name;
    const struct topology_external_access_policy *policy;
};

static const struct topology_external_access_policy *find(const struct users *u, enum scope scope,
                                                          struct slice name)
{
    if (name.n == 0)
        return NULL;
    for (struct map_entry *e = map_first(&u->by_name, slice_casehash(name)); e; e = map_next(e)) {
        const struct assigned *x = MAP_OBJECT(e, struct assigned, entry);
        if (x->scope == scope && slice_caseeq(x->name, name))
            return x->policy;
    }
    return NULL;
}

/* Of two policies that name the same one, the first holds. */
static void assign(struct users *u, struct arena *a, enum scope scope, const struct topology_names *names,
                   const struct topology_external_access_policy *policy)
{
    for (size_t i = 0; i < names->n; i++) {
        if (find(u, scope, names->items[i]))
            continue;
        struct assigned *x = ARENA_NEW(a, struct assigned);
        *x = (struct assigned){.scope = scope, .name = names->items[i], .policy = policy};
        map_insert(&u->by_name, &x->entry, slice_casehash(x->name));
    }
}

void users_init(struct users *u, const struct topology *t, struct arena *a)
{
    *u = (struct users){.t = t, .global = topology_external_access_policy_find(t, SLICE("global"))};
    for (size_t i = 0; i < t->n_external_access_policies; i++) {
        const struct topology_external_access_policy *x = &t->external_access_policies[i];
        assign(u, a, SCOPE_USER, &x->users, x);
        assign(u, a, SCOPE_DOMAIN, &x->domains, x);
        assign(u, a, SCOPE_SITE, &x->sites, x);
    }
}

void users_fini(struct users *u)
{
    map_fini(&u->by_name);
}

const struct topology_external_access_policy *users_policy(const struct users *u, struct slice aor,
                                                           struct slice domain, struct slice site)
{
    const struct topology_external_access_policy *x = find(u, SCOPE_USER, aor);
    if (!x)
        x = find(u, SCOPE_DOMAIN, domain);
    if (!x)
        x = find(u, SCOPE_SITE, site);
    return x ? x : u->global;
}

const struct refusal *users_refuse(const struct topology_external_access_policy *x, bool public_cloud,
                                   bool media)
{
    if (!x)
        return NULL;
    if (!public_cloud)
        return x->federation ? NULL : &EDGE_USER_NOT_FEDERATED;
    if (!x->public_cloud)
        return &EDGE_USER_NO_PUBLIC_CLOUD;
    return media && !x->public_cloud_av ? &EDGE_USER_NO_PUBLIC_MEDIA : NULL;
}
