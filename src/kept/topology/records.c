#include "kept/topology/records.h"

#include "ground/base/map.h"
#include "ground/base/text.h"
#include "kept/topology/edges.h"

#include <stdio.h>

enum {
    MAX_FEDERATING = 64,
    PRIORITY_STEP = 10 /* between Edge pools: the first route's comes first */
};

static const char federation_use[] = "Partners find our Access Edge by it.";
static const char access_use[] = "The Access Edge as partners know it.";
static const char address6_use[] = "The same, of IPv6: not listened on yet by this version.";
static const char conf_use[] = "The Conferencing Edge: not served yet by this version.";
static const char av_use[] = "The A/V Edge: not served yet by this version.";
static const char xmpp_use[] = "XMPP domains find our gateway by it: not served yet by this version.";
static const char remote_use[] = "Sign-in of users outside: not served yet by this version.";
static const char fallback_use[] =
    "The name that users outside fall back to: not served yet by this version.";
static const char client_use[] = "Clients inside find a Front End by it.";
static const char machine_use[] = "A machine, for clients and for what is not managed.";
static const char pool_use[] = "A pool, each of its machines.";

struct noted {
    struct map_entry entry;
    size_t index;
};
struct builder {
    const struct topology *t;
    struct arena *a;
    struct topology_record *items;
    size_t n, cap;
    struct map known;
    enum record_side side;
    bool optional;
};

const char *record_side_name(enum record_side s)
{
    return s == RECORD_EXTERNAL ? "external" : s == RECORD_INTERNAL ? "internal" : "both";
}

const char *record_type_name(uint16_t type)
{
    return type == DNS_A ? "A" : type == DNS_AAAA ? "AAAA" : type == DNS_SRV ? "SRV" : "?";
}

static struct slice lower(struct arena *a, struct slice s)
{
    char *p = arena_cstr(a, s);
    for (size_t i = 0; i < s.n; i++)
        p[i] = text_lower(p[i]);
    return (struct slice){p, s.n};
}

/* What is needed for one thing and optional for another is needed. */
static bool have(struct builder *b, struct slice name, uint16_t type, struct slice data, uint64_t hash)
{
    for (struct map_entry *e = map_first(&b->known, hash); e && b->items; e = map_next(e)) {
        struct topology_record *r = &b->items[MAP_OBJECT(e, struct noted, entry)->index];
        if (r->side != b->side || r->type != type || !slice_eq(r->name, name) || !slice_eq(r->data, data))
            continue;
        r->optional = r->optional && b->optional;
        return true;
    }
    return false;
}

static void add(struct builder *b, struct slice name, uint16_t type, struct slice data, const char *use)
{
    name = lower(b->a, name);
    uint64_t hash = slice_hash(name);
    if (!name.n || have(b, name, type, data, hash))
        return;
    if (b->n == b->cap) {
        size_t cap = b->cap ? 2 * b->cap : 64;
        struct topology_record *more = ARENA_ARRAY(b->a, struct topology_record, cap);
        if (b->n)
            memcpy(more, b->items, b->n * sizeof(*more));
        b->items = more;
        b->cap = cap;
    }
    struct noted *n = ARENA_NEW(b->a, struct noted);
    n->index = b->n;
    map_insert(&b->known, &n->entry, hash);
    b->items[b->n++] = (struct topology_record){
        b->side, name, type, (uint32_t)b->t->deployment.dns_ttl, data, b->optional, use};
}

static void add_address(struct builder *b, struct slice name, struct slice address, const char *use)
{
    char text[NET_ADDR_TEXT];
    struct net_addr addr;
    if (net_addr_parse(address, 0, &addr) < 0)
        return;
    add(b, name, addr.sa.sa_family == AF_INET6 ? DNS_AAAA : DNS_A,
        arena_copy(b->a, net_addr_host_text(&addr, text)), use);
}

static void add_srv(struct builder *b, const char *service, struct slice domain, size_t priority,
                    int64_t port, struct slice target, const char *use)
{
    if (target.n && domain.n)
        add(b, arena_printf(b->a, "%s." SLICE_FMT, service, SLICE_ARG(domain)), DNS_SRV,
            arena_printf(b->a, "%zu 0 %lld " SLICE_FMT, priority, (long long)port,
                         SLICE_ARG(lower(b->a, target))),
            use);
}

static size_t n_domains(const struct topology *t)
{
    return 1 + t->deployment.additional_domains.n;
}

static struct slice domain_at(const struct topology *t, size_t i)
{
    return i ? t->deployment.additional_domains.items[i - 1] : t->deployment.default_domain;
}

/* --- outside --- */
/* Does this name still lead to that machine? */
static bool leads_to(const struct topology *t, const struct topology_edge_pool *p,
                     const struct topology_machine *m)
{
    if (t->deployment.dns_keeps_drained || topology_machine_service(p, m) == TOPOLOGY_ENABLED)
        return true;
    for (size_t i = 0; i < p->n_machines; i++)
        if (topology_machine_service(p, &p->machines[i]) == TOPOLOGY_ENABLED)
            return false;
    return true; /* none serves, and no records at all would help nobody */
}

static void add_edge_name(struct builder *b, struct slice name, const struct topology_edge_pool *p,
                          const char *use)
{
    bool optional = b->optional;
    for (size_t i = 0; i < p->n_machines; i++) {
        const struct topology_machine *m = &p->machines[i];
        if (!leads_to(b->t, p, m))
            continue;
        b->optional = optional;
        add_address(b, name, m->external_address, use);
        b->optional = optional || p->managed;
        add_address(b, name, m->external_address6, address6_use);
    }
    b->optional = optional;
}

/* One of the addresses that partners reach: behind NAT, what the Internet sees. */
static void add_av_name(struct builder *b, const struct topology_edge_pool *p)
{
    for (size_t i = 0; i < p->n_machines; i++) {
        const struct topology_machine *m = &p->machines[i];
        const struct slice of[] = {p->nat && m->nat_address.n ? m->nat_address : m->av_address,
                                   p->nat && m->nat_address6.n ? m->nat_address6 : m->av_address6};
        bool shared = !of[0].n && !of[1].n;
        add_address(b, p->av_fqdn, shared ? m->external_address : of[0], av_use);
        add_address(b, p->av_fqdn, shared ? m->external_address6 : of[1], av_use);
    }
}

static void add_conf_name(struct builder *b, const struct topology_edge_pool *p)
{
    for (size_t i = 0; i < p->n_machines; i++) {
        const struct topology_machine *m = &p->machines[i];
        bool shared = !m->conf_address.n && !m->conf_address6.n;
        add_address(b, p->conf_fqdn, shared ? m->external_address : m->conf_address, conf_use);
        add_address(b, p->conf_fqdn, shared ? m->external_address6 : m->conf_address6, conf_use);
    }
}

/* What machines of this version do not serve is optional; a foreign Edge has it. */
static void add_edge_pool(struct builder *b, const struct topology_edge_pool *p)
{
    add_edge_name(b, p->external_fqdn, edge_behind(b->t, p), access_use);
    b->optional = p->managed;
    if (p->conf_fqdn.n && !slice_caseeq(p->conf_fqdn, p->external_fqdn))
        add_conf_name(b, p);
    if (p->av_fqdn.n && !slice_caseeq(p->av_fqdn, p->external_fqdn))
        add_av_name(b, p);
    b->optional = false;
}

static void add_remote(struct builder *b, struct slice domain, const struct topology_edge_pool *const *pools,
                       size_t n)
{
    for (size_t k = 0; k < n; k++) {
        b->optional = pools[k]->managed;
        add_srv(b, "_sip._tls", domain, PRIORITY_STEP * k, pools[k]->client_port,
                edge_public_name(b->t, pools[k]), remote_use);
    }
    if (n && domain.n) {
        b->optional = pools[0]->managed;
        add_edge_name(b, arena_printf(b->a, "sip." SLICE_FMT, SLICE_ARG(domain)), pools[0], fallback_use);
    }
    b->optional = false;
}

static void add_xmpp(struct builder *b, struct slice domain)
{
    for (size_t i = 0; i < b->t->n_sites; i++) {
        const struct topology_edge_pool *p = topology_edge_pool_find(b->t, b->t->sites[i].xmpp_route);
        if (!p || !p->xmpp)
            continue;
        b->optional = p->managed;
        add_srv(b, "_xmpp-server._tcp", domain, 0, p->xmpp_port, edge_public_name(b->t, p), xmpp_use);
    }
    b->optional = false;
}

static void external(struct builder *b)
{
    const struct topology_edge_pool *pools[MAX_FEDERATING];
    size_t n = edges_federating(b->t, pools, MAX_FEDERATING);
    b->side = RECORD_EXTERNAL;
    for (size_t i = 0; i < n_domains(b->t); i++)
        for (size_t k = 0; k < n; k++)
            add_srv(b, "_sipfederationtls._tcp", domain_at(b->t, i), PRIORITY_STEP * k,
                    pools[k]->federation_port, edge_public_name(b->t, pools[k]), federation_use);
    for (size_t i = 0; i < b->t->n_edge_pools; i++)
        add_edge_pool(b, &b->t->edge_pools[i]);
    for (size_t i = 0; i < n_domains(b->t); i++) {
        add_remote(b, domain_at(b->t, i), pools, n);
        add_xmpp(b, domain_at(b->t, i));
    }
}

/* --- inside --- */
static void add_pool(struct builder *b, struct slice pool, bool managed, const struct topology_machine *m,
                     size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct slice names[] = {m[i].fqdn, slice_caseeq(pool, m[i].fqdn) ? SLICE_NONE : pool};
        for (size_t k = 0; k < 2; k++) {
            b->optional = false;
            add_address(b, names[k], m[i].internal_address, k ? pool_use : machine_use);
            b->optional = managed;
            add_address(b, names[k], m[i].internal_address6, address6_use);
        }
    }
    b->optional = false;
}

static void add_clients(struct builder *b, struct slice domain, const struct topology_front_end_pool *p)
{
    const struct {
        const char *service;
        int64_t port;
    } services[] = {
        {"_sips._tcp", p->sip_port       },
        {"_sip._tcp",  p->client_tcp_port},
        {"_sip._udp",  p->client_udp_port}
    };
    for (size_t s = 0; s < sizeof(services) / sizeof(services[0]); s++)
        for (size_t i = 0; i < p->n_machines && services[s].port; i++)
            add_srv(b, services[s].service, domain, 0, services[s].port, p->machines[i].fqdn, client_use);
}

#define ADD_POOLS(list, is_managed)                                                                          \
    for (size_t i = 0; i < t->n_##list; i++) {                                                               \
        const __typeof__(t->list[0]) *p = &t->list[i];                                                       \
        add_pool(b, p->fqdn, is_managed, p->machines, p->n_machines);                                        \
    }
static void internal(struct builder *b)
{
    const struct topology *t = b->t;
    b->side = RECORD_INTERNAL;
    for (size_t i = 0; i < n_domains(t); i++)
        for (size_t k = 0; k < t->n_front_end_pools; k++)
            add_clients(b, domain_at(t, i), &t->front_end_pools[k]);
    ADD_POOLS(front_end_pools, p->managed)
    ADD_POOLS(edge_pools, p->managed)
    ADD_POOLS(director_pools, p->managed)
    ADD_POOLS(mediation_pools, p->managed)
    ADD_POOLS(trusted_application_pools, p->managed)
    ADD_POOLS(foreign_pools, false)
    add_address(b, t->central.machine, t->central.internal_address, machine_use);
}

void topology_records(const struct topology *t, enum record_side sides, struct arena *a,
                      struct topology_records *ret)
{
    struct builder b = {.t = t, .a = a};
    if (sides & RECORD_EXTERNAL)
        external(&b);
    if (sides & RECORD_INTERNAL)
        internal(&b);
    map_fini(&b.known);
    *ret = (struct topology_records){b.items, b.n};
}

/* --- a zone file --- */
static void write_data(const struct topology_record *r, struct buf *out)
{
    buf_append(out, r->data);
    if (r->type == DNS_SRV)
        buf_append_char(out, '.');
    buf_append_char(out, '\n');
}

void topology_records_write_zone(const struct topology_records *r, struct buf *out)
{
    enum record_side side = 0;
    const char *use = NULL;
    for (size_t i = 0; i < r->n; i++) {
        const struct topology_record *x = &r->items[i];
        if (x->side != side)
            buf_printf(out, "%s; --- %s ---\n", i ? "\n" : "", record_side_name(x->side));
        if (x->side != side || x->use != use)
            buf_printf(out, "; %s\n", x->use);
        side = x->side;
        use = x->use;
        buf_printf(out, "%s" SLICE_FMT ". %u IN %s ", x->optional ? "; " : "", SLICE_ARG(x->name), x->ttl,
                   record_type_name(x->type));
        write_data(x, out);
    }
}
