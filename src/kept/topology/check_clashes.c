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
 * name that a successor took over; a machine of an Edge pool in another pool has a check of its own. */
static bool use_allowed(const struct use *a, const struct use *b)
{
    if (a->pool == b->pool && a->use != b->use && a->use != NAME_EXTERNAL && b->use != NAME_EXTERNAL)
        return a->n_machines == 1;
    if (a->use == NAME_EXTERNAL && b->use == NAME_EXTERNAL)
        return adopts(a->edge, b->edge) || adopts(b->edge, a->edge);
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
            ERROR_AT(all->f, "name-used-twice", use.path, "give each its own name",
                     SLICE_FMT " is %s at " SLICE_FMT " and %s here.", SLICE_ARG(use.name),
                     use_word(other->use), SLICE_ARG(other->path), use_word(use.use));
            return;
        }
    }
    struct use *kept = ARENA_NEW(&all->a, struct use);
    *kept = use;
    map_insert(&all->map, &kept->entry, h);
}

static void use_add_pool(struct uses *all, const char *list, const void *pool,
                         const struct topology_edge_pool *edge, struct slice fqdn,
                         const struct topology_machine *machines, size_t n)
{
    struct use use = {.pool = pool, .edge = edge, .n_machines = n, .use = NAME_POOL, .name = fqdn};
    use.path = arena_printf(&all->a, "%s/" SLICE_FMT, list, SLICE_ARG(fqdn));
    use_add(all, use);
    use.use = NAME_MACHINE;
    for (size_t i = 0; i < n; i++) {
        use.name = machines[i].fqdn;
        use.path = arena_printf(&all->a, "%s/" SLICE_FMT "/machines/" SLICE_FMT, list, SLICE_ARG(fqdn),
                                SLICE_ARG(use.name));
        use_add(all, use);
    }
    if (!edge)
        return;
    use.use = NAME_EXTERNAL;
    use.name = edge->external_fqdn;
    use.path = arena_printf(&all->a, "%s/" SLICE_FMT "/external_fqdn", list, SLICE_ARG(fqdn));
    use_add(all, use);
}

void check_name_used_twice(const struct topology *t, struct findings *f)
{
    struct uses all = {.f = f};
    struct topology_role role;
    EACH_EDGE_POOL(t, p)
    use_add_pool(&all, "edge_pools", p, p, p->fqdn, p->machines, p->n_machines);
    EACH_FRONT_END_POOL(t, p)
    use_add_pool(&all, "front_end_pools", p, NULL, p->fqdn, p->machines, p->n_machines);
    EACH_FOREIGN_POOL(t, p)
    use_add_pool(&all, "foreign_pools", p, NULL, p->fqdn, p->machines, p->n_machines);
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
    EACH_EDGE_POOL(t, p)
    EACH_MACHINE(p, m)
    if (p != pool && slice_caseeq(m->fqdn, fqdn)) {
        *ret_pool = p->fqdn;
        return true;
    }
    EACH_FRONT_END_POOL(t, p)
    EACH_MACHINE(p, m)
    if (slice_caseeq(m->fqdn, fqdn)) {
        *ret_pool = p->fqdn;
        return true;
    }
    EACH_FOREIGN_POOL(t, p)
    EACH_MACHINE(p, m)
    if (slice_caseeq(m->fqdn, fqdn)) {
        *ret_pool = p->fqdn;
        return true;
    }
    return false;
}

void check_edge_machine_elsewhere(const struct topology *t, struct findings *f)
{
    struct slice other;
    EACH_EDGE_POOL(t, p)
    EACH_MACHINE(p, m)
    if (in_other_pool(t, p, m->fqdn, &other))
        ERROR_AT(f, "edge-machine-elsewhere",
                 arena_printf(&f->arena, "edge_pools/" SLICE_FMT "/machines/" SLICE_FMT, SLICE_ARG(p->fqdn),
                              SLICE_ARG(m->fqdn)),
                 "an Edge machine does nothing else: use another machine",
                 "Edge machine " SLICE_FMT " is in pool " SLICE_FMT " as well.", SLICE_ARG(m->fqdn),
                 SLICE_ARG(other));
}

/* --- addresses and ports --- */
struct listener {
    struct map_entry entry;
    struct net_addr addr;
    bool udp;
    struct slice path;
};

/* An address without a literal or a port that is off listens nowhere. */
static void listener_add(struct uses *all, const char *list, struct slice pool, struct slice machine,
                         struct slice address, int64_t port, bool udp, const char *what)
{
    struct listener *l = ARENA_NEW(&all->a, struct listener);
    if (port <= 0 || net_addr_parse(address, (uint16_t)port, &l->addr) < 0)
        return;
    l->udp = udp;
    l->path = arena_printf(&all->a, "%s%s" SLICE_FMT "%s" SLICE_FMT "/%s", list, pool.n ? "/" : "",
                           SLICE_ARG(pool), machine.n ? "/machines/" : "", SLICE_ARG(machine), what);
    uint64_t h = net_addr_hash(&l->addr);
    for (struct map_entry *e = map_first(&all->map, h); e; e = map_next(e)) {
        const struct listener *other = MAP_OBJECT(e, struct listener, entry);
        char text[NET_ADDR_TEXT];
        if (other->udp == udp && net_addr_eq(&other->addr, &l->addr)) {
            ERROR_AT(all->f, "address-clash", l->path, "choose another address or port",
                     SLICE_FMT " is used here and at " SLICE_FMT ".",
                     SLICE_ARG(net_addr_text(&l->addr, text)), SLICE_ARG(other->path));
            return;
        }
    }
    map_insert(&all->map, &l->entry, h);
}

static void listeners_of_edges(const struct topology *t, struct uses *all)
{
    EACH_EDGE_POOL(t, p)
    EACH_MACHINE(p, m)
    {
        bool runs = p->access_edge != TOPOLOGY_DISABLED;
        listener_add(all, "edge_pools", p->fqdn, m->fqdn, m->internal_address, runs ? p->internal_port : 0,
                     false, "internal_address");
        listener_add(all, "edge_pools", p->fqdn, m->fqdn, m->external_address,
                     runs && p->federation ? p->federation_port : 0, false, "external_address");
        listener_add(all, "edge_pools", p->fqdn, m->fqdn, m->internal_address,
                     p->managed ? p->replica_port : 0, false, "internal_address");
    }
}

static void listeners_of_front_ends(const struct topology *t, struct uses *all)
{
    EACH_FRONT_END_POOL(t, p)
    EACH_MACHINE(p, m)
    {
        const struct {
            int64_t port;
            bool udp;
        } ports[] = {
            {p->sip_port,                      false},
            {p->client_tcp_port,               false},
            {p->client_udp_port,               true },
            {p->managed ? p->replica_port : 0, false}
        };
        for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
            listener_add(all, "front_end_pools", p->fqdn, m->fqdn, m->internal_address, ports[i].port,
                         ports[i].udp, "internal_address");
    }
}

void check_address_clash(const struct topology *t, struct findings *f)
{
    struct uses all = {.f = f};
    struct topology_role role;
    listeners_of_edges(t, &all);
    listeners_of_front_ends(t, &all);
    EACH_FOREIGN_POOL(t, p)
    EACH_MACHINE(p, m)
    listener_add(&all, "foreign_pools", p->fqdn, m->fqdn, m->internal_address, p->port,
                 p->transport == TOPOLOGY_UDP, "internal_address");
    if (topology_role_find(t, t->central.machine, &role) && !role.machine)
        listener_add(&all, "central", SLICE_NONE, SLICE_NONE, role.internal_address, role.replica_port, false,
                     "internal_address");
    map_fini(&all.map);
    arena_fini(&all.a);
}

void check_edge_sides_share_address(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    EACH_MACHINE(p, m)
    if (m->external_address.n && slice_eq(m->internal_address, m->external_address))
        WARNING_AT(f, "edge-sides-share-address",
                   arena_printf(&f->arena, "edge_pools/" SLICE_FMT "/machines/" SLICE_FMT "/external_address",
                                SLICE_ARG(p->fqdn), SLICE_ARG(m->fqdn)),
                   "give the sides an address each, in networks that do not route to each other",
                   "Edge machine " SLICE_FMT " has one address for inside and outside.", SLICE_ARG(m->fqdn));
}

static void misplaced(struct findings *f, const char *list, struct slice fqdn, const char *property,
                      int64_t port, const char *why)
{
    WARNING_AT(f, "port-out-of-place", check_path(f, list, fqdn, property), NULL, "Port %lld: %s.",
               (long long)port, why);
}

void check_port_out_of_place(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    {
        if (p->federation && p->federation_port != 5061)
            misplaced(f, "edge_pools", p->fqdn, "federation_port", p->federation_port,
                      "partners that pin the Access Edge's name call it on 5061, only SRV records can name "
                      "another");
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
