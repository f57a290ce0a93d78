/* Our users: who of them may speak with whom outside. */
#include "service/access_edge/priv.h"

static struct slice site_of(const struct topology_role *r)
{
    return r->front_end  ? r->front_end->site
           : r->foreign  ? r->foreign->site
           : r->director ? r->director->site
           : r->edge     ? r->edge->site
                         : SLICE_NONE;
}

void local_compile(struct edge *e)
{
    struct hops h;
    struct topology_role role;
    users_init(&e->users, e->t, &e->arena);
    if (hops_of_pool(e->t, e->pool->next_hop, &h) && topology_role_find(e->t, h.machines[0].fqdn, &role))
        e->inner_site = site_of(&role);
}

static bool offers_media(const struct sip_msg *m)
{
    return m->method == SIP_INVITE && (slice_search(m->body, SLICE("m=audio")) != SIZE_MAX ||
                                       slice_search(m->body, SLICE("m=video")) != SIZE_MAX);
}

/* From outside nobody knows on which pool a user lives: the next hop's site is taken. */
static struct slice user_site(const struct passage *p)
{
    struct topology_role role;
    if (p->machine.n == 0)
        return p->e->inner_site;
    return topology_role_find(p->e->t, p->machine, &role) ? site_of(&role) : SLICE_NONE;
}

bool local_may_pass(struct request *rq, const struct sip_uri *user)
{
    const struct passage *p = passage_of(rq);
    const struct users *u = &p->e->users;
    if (u->t->n_external_access_policies == 0)
        return true;
    struct slice aor = sip_uri_aor(user, request_arena(rq));
    const struct refusal *why = users_refuse(users_policy(u, aor, user->host, user_site(p)),
                                             p->policy.public_cloud, offers_media(request_msg(rq)));
    if (why)
        request_refuse(rq, why, "user " SLICE_FMT ", domain " SLICE_FMT, SLICE_ARG(aor),
                       SLICE_ARG(p->partner));
    return why == NULL;
}
