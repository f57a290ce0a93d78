#include "kept/topology/firewall.h"

enum {
    MAX_RULES = 64,   /* of a machine */
    MAX_OUTLETS = 64, /* different ports of machines inside */
    SIP_TLS_PORT = 5061,
    DNS_PORT = 53,
    HTTP_PORT = 80,
    LAST_PORT = 65535,
    CLIENT_PORTS = 1024
};

const char *firewall_side_name(enum firewall_side s)
{
    return s == FIREWALL_EXTERNAL ? "external" : "internal";
}

const char *firewall_direction_name(enum firewall_direction d)
{
    return d == FIREWALL_IN ? "in" : "out";
}

const char *firewall_proto_name(enum firewall_proto p)
{
    return p == FIREWALL_TCP ? "tcp" : "udp";
}

/* Where something inside listens: all machines with this port. */
struct outlet {
    enum firewall_proto proto;
    uint16_t port;
    struct firewall_peers peers;
    size_t cap;
};
struct outlets {
    struct outlet items[MAX_OUTLETS];
    size_t n;
};
struct builder {
    const struct topology *t;
    struct arena *a;
    struct firewall_peers any, central, inside, front_ends, dns, readers;
    size_t inside_cap, front_ends_cap, central_cap, dns_cap, readers_cap;
    struct outlets sip, edges, replicas;
    struct firewall_machine *machine; /* the rules go to it */
    bool managed;
};

/* --- who there is --- */
static void put_address(struct builder *b, struct firewall_peers *p, size_t *cap, struct slice address)
{
    if (!address.n)
        return;
    if (p->n == *cap) {
        *cap = *cap ? 2 * *cap : 8;
        struct slice *more = ARENA_ARRAY(b->a, struct slice, *cap);
        if (p->n)
            memcpy(more, p->addresses, p->n * sizeof(*more));
        p->addresses = more;
    }
    p->addresses[p->n++] = address;
}

static void put_machines(struct builder *b, struct firewall_peers *p, size_t *cap,
                         const struct topology_machine *m, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        put_address(b, p, cap, m[i].internal_address);
        put_address(b, p, cap, m[i].internal_address6);
    }
}

static void put_outlet(struct builder *b, struct outlets *o, const char *text, enum firewall_proto proto,
                       int64_t port, const struct topology_machine *m, size_t n)
{
    size_t i = 0;
    while (i < o->n && (o->items[i].proto != proto || o->items[i].port != port))
        i++;
    if (i == MAX_OUTLETS || !port || !n)
        return;
    if (i == o->n)
        o->items[o->n++] = (struct outlet){proto, (uint16_t)port, {.text = slice_str(text)}, 0};
    put_machines(b, &o->items[i].peers, &o->items[i].cap, m, n);
}

#define EACH_POOL(list, ...)                                                                                 \
    for (size_t pool_i = 0; pool_i < t->n_##list; pool_i++) {                                                \
        const __typeof__(t->list[0]) *p = &t->list[pool_i];                                                  \
        __VA_ARGS__                                                                                          \
    }
#define EACH_SERVER_POOL(...)                                                                                \
    EACH_POOL(front_end_pools, __VA_ARGS__)                                                                  \
    EACH_POOL(director_pools, __VA_ARGS__)                                                                   \
    EACH_POOL(mediation_pools, __VA_ARGS__)                                                                  \
    EACH_POOL(trusted_application_pools, __VA_ARGS__)

static void gather_foreign(struct builder *b, const struct topology_foreign_pool *p)
{
    put_machines(b, &b->inside, &b->inside_cap, p->machines, p->n_machines);
    put_outlet(b, &b->sip, "machines inside", FIREWALL_TCP, p->port, p->machines, p->n_machines);
    if (p->transport == TOPOLOGY_UDP)
        put_outlet(b, &b->sip, "machines inside", FIREWALL_UDP, p->port, p->machines, p->n_machines);
}

static void gather_central(struct builder *b)
{
    struct topology_role role;
    if (!topology_role_find(b->t, b->t->central.machine, &role))
        return;
    put_address(b, &b->central, &b->central_cap, role.internal_address);
    const struct topology_machine own = {.internal_address = role.internal_address};
    put_outlet(b, &b->replicas, "managed machines", FIREWALL_TCP, role.replica_port, &own, 1);
}

static void gather_dns(struct builder *b)
{
    const struct topology_names *servers = &b->t->deployment.dns_servers;
    for (size_t i = 0; i < servers->n; i++) {
        char text[NET_ADDR_TEXT];
        struct net_addr addr;
        if (net_addr_parse_port(servers->items[i], DNS_PORT, &addr) == 0)
            put_address(b, &b->dns, &b->dns_cap, arena_copy(b->a, net_addr_host_text(&addr, text)));
    }
}

/* Who may read metrics (monitoring/metrics_from). */
static void gather_readers(struct builder *b)
{
    const struct topology_names *from = &b->t->monitoring.metrics_from;
    b->readers.text = from->n ? SLICE("who reads metrics") : SLICE("any");
    for (size_t i = 0; i < from->n; i++)
        put_address(b, &b->readers, &b->readers_cap, from->items[i]);
}

static void gather(struct builder *b)
{
    const struct topology *t = b->t;
    b->any.text = SLICE("any");
    b->central.text = SLICE("central management");
    b->inside.text = SLICE("machines inside");
    b->front_ends.text = SLICE("Front Ends");
    b->dns.text = t->deployment.dns_servers.n ? SLICE("name servers") : SLICE("any");
    EACH_SERVER_POOL({
        put_machines(b, &b->inside, &b->inside_cap, p->machines, p->n_machines);
        put_outlet(b, &b->sip, "machines inside", FIREWALL_TCP, p->sip_port, p->machines, p->n_machines);
        if (p->managed)
            put_outlet(b, &b->replicas, "managed machines", FIREWALL_TCP, p->replica_port, p->machines,
                       p->n_machines);
    })
    EACH_POOL(front_end_pools,
              { put_machines(b, &b->front_ends, &b->front_ends_cap, p->machines, p->n_machines); })
    EACH_POOL(edge_pools, {
        put_outlet(b, &b->edges, "Edge machines", FIREWALL_TCP, p->internal_port, p->machines, p->n_machines);
        if (p->managed)
            put_outlet(b, &b->replicas, "managed machines", FIREWALL_TCP, p->replica_port, p->machines,
                       p->n_machines);
    })
    EACH_POOL(foreign_pools, { gather_foreign(b, p); })
    gather_central(b);
    gather_dns(b);
    gather_readers(b);
}

/* --- rules --- */
static struct firewall_rule *put(struct builder *b, enum firewall_side side, enum firewall_direction d,
                                 enum firewall_proto proto, int64_t port, struct firewall_peers *peers,
                                 const char *use)
{
    static struct firewall_rule beyond;
    struct firewall_machine *m = b->machine;
    if (m->n == MAX_RULES || (!peers->n && peers != &b->any && peers != &b->dns && peers != &b->readers))
        return &beyond; /* nobody is there to be let in */
    m->rules[m->n] = (struct firewall_rule){.side = side,
                                            .direction = d,
                                            .proto = proto,
                                            .port = (uint16_t)port,
                                            .port_end = (uint16_t)port,
                                            .peers = peers,
                                            .use = use,
                                            .served = true};
    return &m->rules[m->n++];
}

static void at(struct firewall_rule *r, struct slice address, struct slice address6)
{
    r->local[0] = address;
    r->local[1] = address6;
}

/* What machines of this version do not serve yet. */
static struct firewall_rule *later(struct builder *b, struct firewall_rule *r)
{
    r->served = !b->managed;
    return r;
}

static void put_outlets(struct builder *b, struct outlets *o, const char *use)
{
    for (size_t i = 0; i < o->n; i++)
        put(b, FIREWALL_INTERNAL, FIREWALL_OUT, o->items[i].proto, o->items[i].port, &o->items[i].peers, use);
}

static void put_dns(struct builder *b, enum firewall_side side)
{
    int64_t port = DNS_PORT;
    struct net_addr addr;
    const struct topology_names *servers = &b->t->deployment.dns_servers;
    if (servers->n && net_addr_parse_port(servers->items[0], DNS_PORT, &addr) == 0)
        port = net_addr_port(&addr);
    put(b, side, FIREWALL_OUT, FIREWALL_UDP, port, &b->dns, "DNS");
    put(b, side, FIREWALL_OUT, FIREWALL_TCP, port, &b->dns, "DNS");
}

static void put_replica(struct builder *b, const struct topology_machine *m, int64_t port)
{
    if (b->managed)
        at(put(b, FIREWALL_INTERNAL, FIREWALL_IN, FIREWALL_TCP, port, &b->central,
               "replication of the topology (HTTPS, mutual TLS)"),
           m->internal_address, m->internal_address6);
}

/* On the first internal address alone. */
static void put_metrics(struct builder *b, const struct topology_role *r)
{
    int64_t port = b->t->monitoring.metrics_port;
    if (port && (r->managed || r->central))
        at(put(b, FIREWALL_INTERNAL, FIREWALL_IN, FIREWALL_TCP, port, &b->readers, "metrics (HTTP)"),
           r->internal_address, SLICE_NONE);
}

/* --- Edge: the table of the vendor, port by port --- */
static void edge_access(struct builder *b, const struct topology_edge_pool *p,
                        const struct topology_machine *m)
{
    if (!p->federation)
        return;
    at(put(b, FIREWALL_EXTERNAL, FIREWALL_IN, FIREWALL_TCP, p->federation_port, &b->any,
           "federation (SIP, mutual TLS)"),
       m->external_address, m->external_address6);
    at(put(b, FIREWALL_EXTERNAL, FIREWALL_OUT, FIREWALL_TCP, SIP_TLS_PORT, &b->any,
           "federation; a partner's SRV record may name another port"),
       m->external_address, m->external_address6);
    put_dns(b, FIREWALL_EXTERNAL);
    if (b->t->access_edge.check_crls)
        at(put(b, FIREWALL_EXTERNAL, FIREWALL_OUT, FIREWALL_TCP, HTTP_PORT, &b->any,
               "revocation lists of partners' certificates"),
           m->external_address, m->external_address6);
    if (b->t->access_edge.outside_users)
        at(later(b, put(b, FIREWALL_EXTERNAL, FIREWALL_IN, FIREWALL_TCP, p->client_port, &b->any,
                        "users outside (SIP, TLS)")),
           m->external_address, m->external_address6);
}

static void edge_conf(struct builder *b, const struct topology_edge_pool *p, const struct topology_machine *m)
{
    bool shared = !m->conf_address.n && !m->conf_address6.n;
    if (p->conf_edge == TOPOLOGY_DISABLED)
        return;
    at(later(b, put(b, FIREWALL_EXTERNAL, FIREWALL_IN, FIREWALL_TCP, p->conf_port, &b->any,
                    "conferencing (TLS)")),
       shared ? m->external_address : m->conf_address, shared ? m->external_address6 : m->conf_address6);
    at(later(b, put(b, FIREWALL_INTERNAL, FIREWALL_IN, FIREWALL_TCP, p->conf_internal_port, &b->front_ends,
                    "conferencing (mutual TLS)")),
       m->internal_address, m->internal_address6);
}

static void edge_media(struct builder *b, const struct topology_edge_pool *p,
                       const struct topology_machine *m)
{
    bool shared = !m->av_address.n && !m->av_address6.n;
    struct slice outer = shared ? m->external_address : m->av_address;
    struct slice outer6 = shared ? m->external_address6 : m->av_address6;
    int64_t end = p->media_port_start + p->media_port_count - 1;
    for (unsigned d = 0; d < 4; d++) {
        bool udp = d & 1;
        at(later(b, put(b, FIREWALL_EXTERNAL, d < 2 ? FIREWALL_IN : FIREWALL_OUT,
                        udp ? FIREWALL_UDP : FIREWALL_TCP, udp ? p->av_udp_port : p->av_tcp_port, &b->any,
                        "relay (STUN, TURN)")),
           outer, outer6);
    }
    for (unsigned d = 0; d < 4; d++) {
        struct firewall_rule *r =
            later(b, put(b, FIREWALL_EXTERNAL, d < 2 ? FIREWALL_IN : FIREWALL_OUT,
                         d & 1 ? FIREWALL_UDP : FIREWALL_TCP, p->media_port_start, &b->any, "relayed media"));
        r->port_end = (uint16_t)(end > LAST_PORT ? LAST_PORT : end);
        at(r, outer, outer6);
    }
    const struct {
        int64_t port;
        enum firewall_proto proto;
        struct firewall_peers *from;
        const char *use;
    } inner[] = {
        {p->av_auth_port,         FIREWALL_TCP, &b->inside, "relay credentials (mutual TLS)"},
        {p->av_internal_tcp_port, FIREWALL_TCP, &b->any,    "relay, from inside"            },
        {p->av_internal_udp_port, FIREWALL_UDP, &b->any,    "relay, from inside"            },
    };
    for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++)
        at(later(b, put(b, FIREWALL_INTERNAL, FIREWALL_IN, inner[i].proto, inner[i].port, inner[i].from,
                        inner[i].use)),
           m->internal_address, m->internal_address6);
}

static void edge_xmpp(struct builder *b, const struct topology_edge_pool *p, const struct topology_machine *m)
{
    if (!p->xmpp || p->xmpp_gateway == TOPOLOGY_DISABLED)
        return;
    for (unsigned d = 0; d < 2; d++)
        at(later(b, put(b, FIREWALL_EXTERNAL, d ? FIREWALL_OUT : FIREWALL_IN, FIREWALL_TCP, p->xmpp_port,
                        &b->any, "XMPP servers")),
           m->external_address, m->external_address6);
    at(later(b, put(b, FIREWALL_INTERNAL, FIREWALL_IN, FIREWALL_TCP, p->xmpp_internal_port, &b->front_ends,
                    "XMPP gateway (mutual TLS)")),
       m->internal_address, m->internal_address6);
}

static void edge_inner(struct builder *b, const struct topology_edge_pool *p,
                       const struct topology_machine *m)
{
    const struct topology_foreign_pool *next = topology_foreign_pool_find(b->t, p->next_hop);
    at(put(b, FIREWALL_INTERNAL, FIREWALL_IN, FIREWALL_TCP, p->internal_port, &b->inside,
           "SIP from machines inside (mutual TLS)"),
       m->internal_address, m->internal_address6);
    for (unsigned udp = 0; next && next->transport != TOPOLOGY_TLS && udp < 2; udp++)
        if (!udp || next->transport == TOPOLOGY_UDP)
            at(put(b, FIREWALL_INTERNAL, FIREWALL_IN, udp ? FIREWALL_UDP : FIREWALL_TCP, next->port,
                   &b->inside, "SIP from the foreign next hop"),
               m->internal_address, m->internal_address6);
    put_outlets(b, &b->sip, "SIP to next hop and Front Ends");
    put_replica(b, m, p->replica_port);
}

static void edge(struct builder *b, const struct topology_edge_pool *p, const struct topology_machine *m)
{
    b->machine->perimeter = true;
    edge_access(b, p, m);
    edge_conf(b, p, m);
    if (p->av_edge != TOPOLOGY_DISABLED)
        edge_media(b, p, m);
    edge_xmpp(b, p, m);
    edge_inner(b, p, m);
}

/* --- inside --- */
static void front_end(struct builder *b, const struct topology_front_end_pool *p,
                      const struct topology_machine *m)
{
    const struct {
        int64_t port;
        enum firewall_proto proto;
        const char *use;
    } in[] = {
        {p->sip_port,        FIREWALL_TCP, "SIP from clients and machines (TLS)"},
        {p->client_tcp_port, FIREWALL_TCP, "SIP from clients"                   },
        {p->client_udp_port, FIREWALL_UDP, "SIP from clients"                   },
    };
    for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++)
        if (in[i].port)
            at(put(b, FIREWALL_INTERNAL, FIREWALL_IN, in[i].proto, in[i].port, &b->any, in[i].use),
               m->internal_address, m->internal_address6);
    if (p->client_udp_port)
        put(b, FIREWALL_INTERNAL, FIREWALL_OUT, FIREWALL_UDP, CLIENT_PORTS, &b->any,
            "SIP to clients that registered over UDP")
            ->port_end = LAST_PORT;
    put_outlets(b, &b->edges, "SIP to the Edge (mutual TLS)");
    put_outlets(b, &b->sip, "SIP to machines inside");
    put_dns(b, FIREWALL_INTERNAL);
    put_replica(b, m, p->replica_port);
}

static void server(struct builder *b, const struct topology_machine *m, int64_t port, int64_t replica_port)
{
    at(put(b, FIREWALL_INTERNAL, FIREWALL_IN, FIREWALL_TCP, port, &b->inside, "SIP from machines inside"),
       m->internal_address, m->internal_address6);
    put_outlets(b, &b->edges, "SIP to the Edge (mutual TLS)");
    put_outlets(b, &b->sip, "SIP to machines inside");
    put_replica(b, m, replica_port);
}

static void foreign(struct builder *b, const struct topology_foreign_pool *p,
                    const struct topology_machine *m)
{
    for (unsigned udp = 0; udp < 2; udp++)
        if (!udp || p->transport == TOPOLOGY_UDP)
            at(put(b, FIREWALL_INTERNAL, FIREWALL_IN, udp ? FIREWALL_UDP : FIREWALL_TCP, p->port, &b->any,
                   "SIP from Edge and Front Ends"),
               m->internal_address, m->internal_address6);
    put_outlets(b, &b->edges, "SIP to the Edge");
    put_outlets(b, &b->sip, "SIP to machines inside");
}

static void central(struct builder *b)
{
    put_outlets(b, &b->replicas, "replication of the topology (HTTPS, mutual TLS)");
    put_dns(b, FIREWALL_INTERNAL);
}

/* --- machines --- */
static bool machine(struct builder *b, struct slice fqdn, struct firewall_machine *ret)
{
    struct topology_role r;
    if (!topology_role_find(b->t, fqdn, &r))
        return false;
    *ret = (struct firewall_machine){.fqdn = r.machine ? r.machine->fqdn : b->t->central.machine,
                                     .rules = ARENA_ARRAY(b->a, struct firewall_rule, MAX_RULES),
                                     .role = r.edge                  ? "edge"
                                             : r.front_end           ? "front-end"
                                             : r.director            ? "director"
                                             : r.mediation           ? "mediation"
                                             : r.trusted_application ? "trusted-application"
                                             : r.foreign             ? "foreign"
                                                                     : "central"};
    b->machine = ret;
    b->managed = r.managed;
    if (r.central)
        central(b);
    put_metrics(b, &r);
    if (!r.machine) { /* central management on a machine of its own, which pushes to itself, too */
        const struct topology_machine own = {.internal_address = r.internal_address};
        b->managed = true;
        put_replica(b, &own, r.replica_port);
        return true;
    }
    if (r.edge)
        edge(b, r.edge, r.machine);
    else if (r.front_end)
        front_end(b, r.front_end, r.machine);
    else if (r.director)
        server(b, r.machine, r.director->sip_port, r.replica_port);
    else if (r.mediation)
        server(b, r.machine, r.mediation->sip_port, r.replica_port);
    else if (r.trusted_application)
        server(b, r.machine, r.trusted_application->sip_port, r.replica_port);
    else if (r.foreign)
        foreign(b, r.foreign, r.machine);
    return true;
}

size_t topology_firewall(const struct topology *t, struct slice fqdn, struct arena *a,
                         struct firewall_machine **ret)
{
    struct builder *b = ARENA_NEW(a, struct builder);
    size_t n = 0, all = 1;
    b->t = t;
    b->a = a;
    gather(b);
    EACH_SERVER_POOL({ all += p->n_machines; })
    EACH_POOL(edge_pools, { all += p->n_machines; })
    EACH_POOL(foreign_pools, { all += p->n_machines; })
    *ret = ARENA_ARRAY(a, struct firewall_machine, fqdn.n ? 1 : all);
    if (fqdn.n)
        return machine(b, fqdn, &(*ret)[0]);
#define ALL_OF(list)                                                                                         \
    EACH_POOL(list, {                                                                                        \
        for (size_t i = 0; i < p->n_machines; i++)                                                           \
            n += machine(b, p->machines[i].fqdn, &(*ret)[n]);                                                \
    })
    ALL_OF(edge_pools)
    ALL_OF(front_end_pools)
    ALL_OF(director_pools)
    ALL_OF(mediation_pools)
    ALL_OF(trusted_application_pools)
    ALL_OF(foreign_pools)
    struct topology_role r;
    if (topology_role_find(t, t->central.machine, &r) && !r.machine)
        n += machine(b, t->central.machine, &(*ret)[n]);
    return n;
}
