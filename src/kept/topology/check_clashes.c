#include "kept/topology/check_priv.h"

#include "ground/base/map.h"
#include "ground/net/addr.h"

/* --- names --- */
enum name_use { NAME_POOL, NAME_MACHINE, NAME_EXTERNAL };
struct use {
    struct map_entry entry;
    struct slice name, path;
    enum name_use use;
    const void *pool;
    const struct topology_edge_pool *edge; /* of an Edge pool's names */
    size_t n_machines;
};
struct uses {
    struct arena a;
    struct map map;
    struct findings *f;
};

static const char *use_word(enum name_use use)
{
    static const char *const words[] = {"a pool", "a machine", "an external name"};
    return words[use];
}

static bool adopts(const struct topology_edge_pool *p, const struct topology_edge_pool *other)
{
    return p && other && check_names_have(&p->adopts, other->fqdn);
}

/* Two uses of one name that are meant: a pool of one machine that carries the machine's name; the external
 * name that a successor took over, or that an Edge pool's services share; a machine of an Edge pool in
 * another pool has a check of its own. */
static bool use_allowed(const struct use *a, const struct use *b)
{
    if (a->pool == b->pool && a->use != b->use && a->use != NAME_EXTERNAL && b->use != NAME_EXTERNAL)
        return a->n_machines == 1;
    if (a->use == NAME_EXTERNAL && b->use == NAME_EXTERNAL)
        return a->edge == b->edge || adopts(a->edge, b->edge) || adopts(b->edge, a->edge);
    return a->use == NAME_MACHINE && b->use == NAME_MACHINE && (a->edge || b->edge);
}

static void use_add(struct uses *all, struct use use)
{
    uint64_t h = slice_casehash(use.name);
    if (!use.name.n)
        return;
    for (struct map_entry *e = map_first(&all->map, h); e; e = map_next(e)) {
        const struct use *other = MAP_OBJECT(e, struct use, entry);
        if (slice_caseeq(other->name, use.name) && !use_allowed(other, &use)) {
            FOUND(all->f, "name-used-twice", use.path, SLICE_FMT " is %s at " SLICE_FMT " and %s here.",
                  SLICE_ARG(use.name), use_word(other->use), SLICE_ARG(other->path), use_word(use.use));
            return;
        }
    }
    struct use *kept = ARENA_NEW(&all->a, struct use);
    *kept = use;
    map_insert(&all->map, &kept->entry, h);
}

static void use_add_external(struct uses *all, struct use use, struct slice name, const char *property)
{
    use.use = NAME_EXTERNAL;
    use.name = name;
    use.path = arena_printf(&all->a, "edge_pools/" SLICE_FMT "/%s", SLICE_ARG(use.edge->fqdn), property);
    use_add(all, use);
}

static void use_add_pool(struct uses *all, const struct check_pool *p)
{
    struct use use = {.pool = p->pool, .edge = p->edge, .n_machines = p->n_machines, .use = NAME_POOL};
    use.name = p->fqdn;
    use.path = arena_printf(&all->a, "%s/" SLICE_FMT, p->list, SLICE_ARG(p->fqdn));
    use_add(all, use);
    use.use = NAME_MACHINE;
    EACH_MACHINE(p, m)
    {
        use.name = m->fqdn;
        use.path = arena_printf(&all->a, "%s/" SLICE_FMT "/machines/" SLICE_FMT, p->list, SLICE_ARG(p->fqdn),
                                SLICE_ARG(use.name));
        use_add(all, use);
    }
    if (!p->edge)
        return;
    use_add_external(all, use, p->edge->external_fqdn, "external_fqdn");
    use_add_external(all, use, p->edge->conf_fqdn, "conf_fqdn");
    use_add_external(all, use, p->edge->av_fqdn, "av_fqdn");
}

void check_name_used_twice(const struct topology *t, struct findings *f)
{
    struct uses all = {.f = f};
    struct topology_role role;
    EACH_POOL(t, p)
    use_add_pool(&all, &p);
    if (topology_role_find(t, t->central.machine, &role) && !role.machine)
        use_add(&all, (struct use){.name = t->central.machine,
                                   .path = SLICE("central/machine"),
                                   .use = NAME_MACHINE,
                                   .pool = &t->central});
    map_fini(&all.map);
    arena_fini(&all.a);
}

static bool in_other_pool(const struct topology *t, const struct topology_edge_pool *pool, struct slice fqdn,
                          struct slice *ret_pool)
{
    EACH_POOL(t, p)
    {
        if (p.pool == pool)
            continue;
        EACH_MACHINE(&p, m)
        if (slice_caseeq(m->fqdn, fqdn)) {
            *ret_pool = p.fqdn;
            return true;
        }
    }
    return false;
}

void check_edge_machine_elsewhere(const struct topology *t, struct findings *f)
{
    struct slice other;
    EACH_POOL(t, p)
    {
        if (!p.edge)
            continue;
        EACH_MACHINE(&p, m)
        if (in_other_pool(t, p.edge, m->fqdn, &other))
            FOUND(f, "edge-machine-elsewhere", check_machine_path(f, &p, m, NULL),
                  "Edge machine " SLICE_FMT " is in pool " SLICE_FMT " as well.", SLICE_ARG(m->fqdn),
                  SLICE_ARG(other));
    }
}

/* --- addresses and ports --- */
struct listener {
    struct map_entry entry;
    struct net_addr addr;
    bool udp;
    struct slice path;
};

/* Who listens: the path of a machine, and the list of those met before. */
struct listening {
    struct uses *all;
    const char *list; /* NULL: central management */
    struct slice pool, machine;
};

/* An address without a literal or a port that is off listens nowhere. */
static void listener_add(const struct listening *w, struct slice address, int64_t port, bool udp,
                         const char *what)
{
    struct uses *all = w->all;
    struct listener *l = ARENA_NEW(&all->a, struct listener);
    if (port <= 0 || net_addr_parse(address, (uint16_t)port, &l->addr) < 0)
        return;
    l->udp = udp;
    l->path = w->list ? arena_printf(&all->a, "%s/" SLICE_FMT "/machines/" SLICE_FMT "/%s", w->list,
                                     SLICE_ARG(w->pool), SLICE_ARG(w->machine), what)
                      : arena_printf(&all->a, "central/%s", what);
    uint64_t h = net_addr_hash(&l->addr);
    for (struct map_entry *e = map_first(&all->map, h); e; e = map_next(e)) {
        const struct listener *other = MAP_OBJECT(e, struct listener, entry);
        char text[NET_ADDR_TEXT];
        if (other->udp == udp && net_addr_eq(&other->addr, &l->addr)) {
            FOUND(all->f, "address-clash", l->path, SLICE_FMT " is used here and at " SLICE_FMT ".",
                  SLICE_ARG(net_addr_text(&l->addr, text)), SLICE_ARG(other->path));
            return;
        }
    }
    map_insert(&all->map, &l->entry, h);
}

/* The addresses of an Edge machine on which one of its services listens outside. */
struct outside {
    struct slice address, address6;
    const char *what, *what6;
};
static void outside_of(const struct topology_machine *m, struct slice own, struct slice own6,
                       const char *what, const char *what6, struct outside *o)
{
    *o = own.n || own6.n ? (struct outside){own, own6, what, what6}
                         : (struct outside){m->external_address, m->external_address6, "external_address",
                                            "external_address6"};
}

static void add_outside(const struct listening *w, const struct outside *o, int64_t port, bool udp)
{
    listener_add(w, o->address, port, udp, o->what);
    listener_add(w, o->address6, port, udp, o->what6);
}

static void add_inside(const struct listening *w, const struct topology_machine *m, int64_t port, bool udp)
{
    listener_add(w, m->internal_address, port, udp, "internal_address");
    listener_add(w, m->internal_address6, port, udp, "internal_address6");
}

/* The port for our own users counts where it can meet another service of the pool. */
static void add_access(const struct listening *w, const struct topology_edge_pool *p,
                       const struct topology_machine *m)
{
    const struct outside external = {m->external_address, m->external_address6, "external_address",
                                     "external_address6"};
    bool clients = p->client_port != p->federation_port &&
                   (p->conf_edge != TOPOLOGY_DISABLED || p->av_edge != TOPOLOGY_DISABLED);
    if (p->access_edge != TOPOLOGY_DISABLED) {
        add_inside(w, m, p->internal_port, false);
        add_outside(w, &external, p->federation ? p->federation_port : 0, false);
        add_outside(w, &external, clients ? p->client_port : 0, false);
    }
    if (p->xmpp_gateway != TOPOLOGY_DISABLED) {
        add_outside(w, &external, p->xmpp ? p->xmpp_port : 0, false);
        add_inside(w, m, p->xmpp_internal_port, false);
    }
}

static void add_conf_and_av(const struct listening *w, const struct topology_edge_pool *p,
                            const struct topology_machine *m)
{
    struct outside o;
    if (p->conf_edge != TOPOLOGY_DISABLED) {
        outside_of(m, m->conf_address, m->conf_address6, "conf_address", "conf_address6", &o);
        add_outside(w, &o, p->conf_port, false);
        add_inside(w, m, p->conf_internal_port, false);
    }
    if (p->av_edge != TOPOLOGY_DISABLED) {
        outside_of(m, m->av_address, m->av_address6, "av_address", "av_address6", &o);
        add_outside(w, &o, p->av_tcp_port, false);
        add_outside(w, &o, p->av_udp_port, true);
        add_inside(w, m, p->av_internal_tcp_port, false);
        add_inside(w, m, p->av_internal_udp_port, true);
        add_inside(w, m, p->av_auth_port, false);
    }
}

static void add_front_end(const struct listening *w, const struct topology_front_end_pool *p,
                          const struct topology_machine *m)
{
    add_inside(w, m, p->sip_port, false);
    add_inside(w, m, p->client_tcp_port, false);
    add_inside(w, m, p->client_udp_port, true);
}

/* Services of a machine by the kind of its pool. */
static void add_services(const struct listening *w, const struct topology *t, const struct check_pool *p,
                         const struct topology_machine *m)
{
    const struct topology_front_end_pool *front_end = topology_front_end_pool_find(t, p->fqdn);
    const struct topology_director_pool *director = topology_director_pool_find(t, p->fqdn);
    const struct topology_mediation_pool *mediation = topology_mediation_pool_find(t, p->fqdn);
    const struct topology_trusted_application_pool *application =
        topology_trusted_application_pool_find(t, p->fqdn);
    const struct topology_foreign_pool *foreign = topology_foreign_pool_find(t, p->fqdn);
    if (p->edge) {
        add_access(w, p->edge, m);
        add_conf_and_av(w, p->edge, m);
    }
    if (p->pool == front_end)
        add_front_end(w, front_end, m);
    if (p->pool == director)
        add_inside(w, m, director->sip_port, false);
    if (p->pool == mediation)
        add_inside(w, m, mediation->sip_port, false);
    if (p->pool == application)
        add_inside(w, m, application->sip_port, false);
    if (p->pool == foreign)
        add_inside(w, m, foreign->port, foreign->transport == TOPOLOGY_UDP);
    add_inside(w, m, p->managed ? p->replica_port : 0, false);
}

void check_address_clash(const struct topology *t, struct findings *f)
{
    struct uses all = {.f = f};
    struct topology_role role;
    EACH_POOL(t, p)
    EACH_MACHINE(&p, m)
    add_services(&(struct listening){&all, p.list, p.fqdn, m->fqdn}, t, &p, m);
    if (topology_role_find(t, t->central.machine, &role) && !role.machine)
        listener_add(&(struct listening){.all = &all}, role.internal_address, role.replica_port, false,
                     "internal_address");
    map_fini(&all.map);
    arena_fini(&all.a);
}

void check_edge_sides_share_address(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    EACH_MACHINE(p, m)
    if (m->external_address.n && slice_eq(m->internal_address, m->external_address))
        FOUND(f, "edge-sides-share-address",
              arena_printf(&f->arena, "edge_pools/" SLICE_FMT "/machines/" SLICE_FMT "/external_address",
                           SLICE_ARG(p->fqdn), SLICE_ARG(m->fqdn)),
              "Edge machine " SLICE_FMT " has one address for inside and outside.", SLICE_ARG(m->fqdn));
}

static void misplaced(struct findings *f, const char *list, struct slice fqdn, const char *property,
                      int64_t port, const char *why)
{
    FOUND(f, "port-out-of-place", check_path(f, list, fqdn, property), "Port %lld: %s.", (long long)port,
          why);
}

void check_port_out_of_place(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    {
        if (p->federation && p->federation_port != 5061)
            misplaced(f, "edge_pools", p->fqdn, "federation_port", p->federation_port,
                      "partners that pin the Access Edge's name call it on 5061, only SRV records can name "
                      "another");
        if (p->xmpp && p->xmpp_port != 5269)
            misplaced(f, "edge_pools", p->fqdn, "xmpp_port", p->xmpp_port,
                      "XMPP servers that find no SRV record call 5269");
        if (p->internal_port == 5060)
            misplaced(f, "edge_pools", p->fqdn, "internal_port", p->internal_port,
                      "5060 is for SIP without TLS, and this service speaks TLS");
    }
    EACH_FRONT_END_POOL(t, p)
    {
        if (p->sip_port == 5060)
            misplaced(f, "front_end_pools", p->fqdn, "sip_port", p->sip_port,
                      "5060 is for SIP without TLS, and this service speaks TLS");
        if (p->client_tcp_port == 5061)
            misplaced(f, "front_end_pools", p->fqdn, "client_tcp_port", p->client_tcp_port,
                      "5061 is for SIP over TLS, and this service speaks plain TCP");
    }
    EACH_FOREIGN_POOL(t, p)
    {
        if ((p->transport == TOPOLOGY_TLS) != (p->port == 5061) && (p->port == 5060 || p->port == 5061))
            misplaced(f, "foreign_pools", p->fqdn, "port", p->port,
                      "5061 is for SIP over TLS and 5060 for SIP without it");
    }
}
