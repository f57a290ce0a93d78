/* That no step of a plan leaves anybody without a way: every intermediate topology is looked at, with DNS as
 * it is then. */
#include "service/transition/edits.h"
#include "service/transition/plan.h"

#include "kept/topology/path.h"

enum { WAYS_MAX = 4000 /* paths looked at; a plan changes the same for all domains */ };

/* What partners find meanwhile: the external name of the legacy pool leads to one of the two. */
struct world {
    const struct topology *t;
    const struct plan *p;
    struct slice name; /* external name */
    bool moved;
};

static int answer(void *arg, struct slice name, uint16_t type, struct arena *a, struct dns_record **ret,
                  size_t *ret_n, struct slice *ret_why)
{
    static const unsigned char somewhere[] = {192, 0, 2, 1};
    const struct world *w = arg;
    struct slice *addresses;
    bool ours = slice_caseeq(name, w->name);
    size_t n = ours && type != DNS_SRV
                   ? plan_addresses(w->t, w->moved ? w->p->to : w->p->from, type, a, &addresses)
                   : 1;
    /* a plan warns where the two ports differ: SRV records are changed by hand then */
    const struct topology_edge_pool *pool = topology_edge_pool_find(w->t, w->moved ? w->p->to : w->p->from);
    struct dns_record *r = ARENA_ARRAY(a, struct dns_record, n + 1);
    (void)ret_why;
    for (size_t i = 0; i < n; i++) {
        struct net_addr addr;
        r[i].type = type;
        if (type == DNS_SRV) {
            r[i].srv.target = w->name;
            r[i].srv.port = pool ? (uint16_t)pool->federation_port : 0;
        } else if (!ours) {
            r[i].address = slice_mem(somewhere, sizeof(somewhere));
        } else if (net_addr_parse(addresses[i], 0, &addr) == 0) {
            r[i].address = arena_copy(a, type == DNS_AAAA ? slice_mem(&addr.in6.sin6_addr, 16)
                                                          : slice_mem(&addr.in4.sin_addr, 4));
        }
    }
    *ret = r;
    *ret_n = !ours && type == DNS_AAAA ? 0 : n;
    return 0;
}

/* Which ways there are for users of a pool: bit 0 out, bit 1 in. */
static unsigned ways(struct world *w, struct slice own, struct slice partner, struct slice pool,
                     struct arena *a, const struct path_hop **ret_hop)
{
    struct path_dns dns = {answer, w};
    struct path path;
    struct slice why;
    unsigned r = 0;
    if (path_find(w->t, &dns, own, partner, pool, a, &path, &why) < 0)
        return 0;
    for (unsigned i = 0; i < 2 && i < path.n; i++) {
        const struct path_leg *leg = &path.legs[i];
        if (leg->failing == SIZE_MAX)
            r |= 1u << i;
        else
            *ret_hop = &leg->hops[leg->failing];
    }
    return r;
}

struct before {
    struct slice domain, pool;
    unsigned ways;
};
struct survey {
    const struct plan *p;
    struct findings *f;
    struct arena *a;
    struct slice partner;
    struct before *list;
    size_t n;
};

static struct slice any_partner(const struct topology *t)
{
    for (size_t i = 0; i < t->n_partners; i++)
        if (t->partners[i].policy == TOPOLOGY_ALLOWED && !t->partners[i].provider.n)
            return t->partners[i].domain;
    return SLICE_NONE;
}

static void look_before(struct survey *s, struct world *w)
{
    const struct topology_deployment *d = &w->t->deployment;
    s->list = ARENA_ARRAY(s->a, struct before, WAYS_MAX);
    for (size_t i = 0; i <= d->additional_domains.n; i++)
        for (size_t k = 0; k < w->t->n_front_end_pools + w->t->n_foreign_pools && s->n < WAYS_MAX; k++) {
            const struct path_hop *hop;
            struct before *b = &s->list[s->n];
            struct arena a = {0};
            b->domain = i ? d->additional_domains.items[i - 1] : d->default_domain;
            b->pool = k < w->t->n_front_end_pools ? w->t->front_end_pools[k].fqdn
                                                  : w->t->foreign_pools[k - w->t->n_front_end_pools].fqdn;
            b->ways = ways(w, b->domain, s->partner, b->pool, &a, &hop);
            s->n += b->ways != 0;
            arena_fini(&a);
        }
}

/* The first pair that has lost a way; true: none has. */
static bool look_after(struct survey *s, struct world *w, const struct step_kind *step)
{
    bool all = true;
    for (size_t i = 0; i < s->n && all; i++) {
        const struct before *b = &s->list[i];
        const struct path_hop *hop = NULL;
        struct arena a = {0};
        all = (ways(w, b->domain, s->partner, b->pool, &a, &hop) & b->ways) == b->ways;
        if (!all)
            findings_add(s->f, "transition.no-way", FINDING_ERROR,
                         arena_printf(&s->f->arena, "edge_pools/" SLICE_FMT, SLICE_ARG(s->p->to)),
                         "mend what the sentence names, publish, and plan again",
                         "After step '%s' users of " SLICE_FMT " on pool " SLICE_FMT
                         " and partners would not reach one another: " SLICE_FMT,
                         step->id, SLICE_ARG(b->domain), SLICE_ARG(b->pool),
                         SLICE_ARG(hop ? hop->why : SLICE_NONE));
        arena_fini(&a);
    }
    return all;
}

static bool has_phase(const struct step_kind *k, enum phase phase)
{
    for (size_t i = 0; i < STEP_MAX_PHASES; i++)
        if (k->forward[i] == phase)
            return true;
    return false;
}

/* While DNS moves some partners find the old addresses and some the new ones: both must do. A drain begins
 * when the change was seen, and ends when no cache holds the old ones. */
static bool look_at_step(struct survey *s, struct world *w, const struct step_kind *step)
{
    bool moves = has_phase(step, PHASE_SET_DNS);
    if (moves && !look_after(s, w, step))
        return false;
    w->moved = w->moved || moves;
    return look_after(s, w, step);
}

void plan_check_ways(const struct plan *p, const struct topology *t, struct findings *f)
{
    struct arena a = {0};
    struct slice names[PLAN_MAX_NAMES];
    struct survey s = {.p = p, .f = f, .a = &a, .partner = any_partner(t)};
    struct world w = {.t = t, .p = p, .name = plan_names(p, t, names) ? names[0] : SLICE_NONE};
    struct json_value *doc = topology_to_json(t, &a), *undo;
    bool all = s.partner.n && w.name.n && !p->classic; /* the old order has its gap by design */
    if (all)
        look_before(&s, &w);
    struct topology *now = topology_ref((struct topology *)(uintptr_t)t);
    for (size_t i = 0; i < p->n_steps && all; i++) {
        const struct step_kind *step = p->steps[i].kind;
        struct edits e = {.a = &a};
        struct findings ignored = {0};
        struct topology *then = NULL;
        if (step->edits)
            step->edits(&e, now, p);
        edits_apply(&e, doc, &undo);
        if (topology_from_json(doc, &then, &ignored) == 0) {
            topology_unref(now);
            w.t = now = then;
        }
        all = look_at_step(&s, &w, step);
        findings_fini(&ignored);
    }
    topology_unref(now);
    arena_fini(&a);
}
