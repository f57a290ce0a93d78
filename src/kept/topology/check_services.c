#include "kept/topology/check_priv.h"

#include "ground/net/addr.h"

/* --- names and ports of the external services --- */
void check_single_external_name(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    if (topology_edge_single_name(p))
        FOUND(
            f, "single-external-name", check_path(f, "edge_pools", p->fqdn, "external_fqdn"),
            "Access, Conferencing and A/V Edge of pool " SLICE_FMT " share the name " SLICE_FMT
            ": Lync does not support a move of its federation. A transition moves the name by DNS, and with "
            "it what users of the old pool need for meetings and media, which the new pool does not serve "
            "for them.",
            SLICE_ARG(p->fqdn), SLICE_ARG(p->external_fqdn));
}

struct external {
    const char *property;
    struct slice name;
    int64_t port;
};

void check_external_port_clash(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    {
        const struct external all[] = {
            {"federation_port", p->external_fqdn, p->federation_port},
            {"client_port",     p->external_fqdn, p->client_port    },
            {"conf_port",       p->conf_fqdn,     p->conf_port      },
            {"av_tcp_port",     p->av_fqdn,       p->av_tcp_port    }
        };
        for (size_t i = 2; i < sizeof(all) / sizeof(all[0]); i++)
            for (size_t j = 0; j < i; j++)
                if (all[i].name.n && all[i].port == all[j].port && slice_caseeq(all[i].name, all[j].name))
                    FOUND(f, "external-port-clash", check_path(f, "edge_pools", p->fqdn, all[i].property),
                          SLICE_FMT ":%lld is the %s of pool " SLICE_FMT " and its %s.",
                          SLICE_ARG(all[i].name), (long long)all[i].port, all[j].property, SLICE_ARG(p->fqdn),
                          all[i].property);
    }
}

struct service {
    enum topology_service state;
    struct slice name;
    const char *words, *property, *address;
};

static void services_of(const struct topology_edge_pool *p, struct service ret[2])
{
    ret[0] = (struct service){p->conf_edge, p->conf_fqdn, "Conferencing Edge", "conf_fqdn", "conf_address"};
    ret[1] = (struct service){p->av_edge, p->av_fqdn, "A/V Edge", "av_fqdn", "av_address"};
}

void check_service_without_name(const struct topology *t, struct findings *f)
{
    struct service services[2];
    EACH_EDGE_POOL(t, p)
    {
        services_of(p, services);
        for (size_t i = 0; i < 2; i++)
            if (services[i].state != TOPOLOGY_DISABLED && !services[i].name.n)
                FOUND(f, "service-without-name", check_path(f, "edge_pools", p->fqdn, services[i].property),
                      "The %s of pool " SLICE_FMT " runs and has no external name.", services[i].words,
                      SLICE_ARG(p->fqdn));
    }
}

static bool has_address(const struct topology_machine *m, bool av)
{
    return av ? m->av_address.n || m->av_address6.n : m->conf_address.n || m->conf_address6.n;
}

void check_service_without_address(const struct topology *t, struct findings *f)
{
    struct service services[2];
    EACH_POOL(t, p)
    {
        if (!p.edge)
            continue;
        services_of(p.edge, services);
        EACH_MACHINE(&p, m)
        for (size_t i = 0; i < 2; i++) {
            const struct service *s = &services[i];
            bool shared = slice_caseeq(s->name, p.edge->external_fqdn);
            bool there =
                has_address(m, i == 1) || (shared && (m->external_address.n || m->external_address6.n));
            if (s->state != TOPOLOGY_DISABLED && s->name.n && !there)
                FOUND(f, "service-without-address", check_machine_path(f, &p, m, s->address),
                      "The %s runs on " SLICE_FMT " and has no external address there.", s->words,
                      SLICE_ARG(m->fqdn));
        }
    }
}

/* --- NAT and load balancing --- */
void check_nat_without_address(const struct topology *t, struct findings *f)
{
    EACH_POOL(t, p)
    {
        if (!p.edge || !p.edge->nat)
            continue;
        EACH_MACHINE(&p, m)
        if (!m->nat_address.n && !m->nat_address6.n)
            FOUND(f, "nat-without-address", check_machine_path(f, &p, m, "nat_address"),
                  "Edge machine " SLICE_FMT " is behind NAT and does not say its public address: media from "
                  "outside would not find it.",
                  SLICE_ARG(m->fqdn));
    }
}

void check_nat_address_unused(const struct topology *t, struct findings *f)
{
    EACH_POOL(t, p)
    {
        if (!p.edge || p.edge->nat)
            continue;
        EACH_MACHINE(&p, m)
        if (m->nat_address.n || m->nat_address6.n)
            FOUND(f, "nat-address-unused", check_machine_path(f, &p, m, "nat_address"),
                  "Edge machine " SLICE_FMT " has a public address for NAT, and its pool is not behind NAT.",
                  SLICE_ARG(m->fqdn));
    }
}

void check_nat_address_not_public(const struct topology *t, struct findings *f)
{
    EACH_POOL(t, p)
    {
        if (!p.edge || !p.edge->nat)
            continue;
        EACH_MACHINE(&p, m)
        if (check_address_private(m->nat_address) || check_address_private(m->nat_address6))
            FOUND(f, "nat-address-not-public", check_machine_path(f, &p, m, "nat_address"),
                  "Partners are told to send media for " SLICE_FMT " to an address that they cannot reach.",
                  SLICE_ARG(m->fqdn));
    }
}

void check_nat_with_hardware_balancing(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    if (p->nat && p->external_balancing == TOPOLOGY_BY_HARDWARE)
        FOUND(f, "nat-with-hardware-balancing", check_path(f, "edge_pools", p->fqdn, "nat"),
              "Edge pool " SLICE_FMT " is behind NAT and a hardware load balancer: media would come back by "
              "another way.",
              SLICE_ARG(p->fqdn));
}

void check_mixed_load_balancing(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    if (p->internal_balancing != p->external_balancing)
        FOUND(f, "mixed-load-balancing", check_path(f, "edge_pools", p->fqdn, "external_balancing"),
              "Edge pool " SLICE_FMT " is balanced by %s inside and by %s outside.", SLICE_ARG(p->fqdn),
              p->internal_balancing == TOPOLOGY_BY_DNS ? "DNS" : "hardware",
              p->external_balancing == TOPOLOGY_BY_DNS ? "DNS" : "hardware");
}

void check_balanced_address_not_public(const struct topology *t, struct findings *f)
{
    EACH_POOL(t, p)
    {
        if (!p.edge || p.edge->external_balancing != TOPOLOGY_BY_HARDWARE)
            continue;
        EACH_MACHINE(&p, m)
        if (check_address_private(m->external_address) || check_address_private(m->conf_address) ||
            check_address_private(m->av_address))
            FOUND(f, "balanced-address-not-public", check_machine_path(f, &p, m, NULL),
                  "Edge machine " SLICE_FMT " is behind a hardware load balancer with an address that is not "
                  "public.",
                  SLICE_ARG(m->fqdn));
    }
}

/* --- media ports --- */
void check_media_range_overflow(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    if (p->media_port_start + p->media_port_count > 65536)
        FOUND(f, "media-range-overflow", check_path(f, "edge_pools", p->fqdn, "media_port_count"),
              "%lld ports from %lld on end past 65535.", (long long)p->media_port_count,
              (long long)p->media_port_start);
}

static bool in_media_range(const struct topology_edge_pool *p, int64_t port)
{
    return port >= p->media_port_start && port < p->media_port_start + p->media_port_count;
}

void check_media_range_holds_port(const struct topology *t, struct findings *f)
{
    EACH_EDGE_POOL(t, p)
    if (in_media_range(p, p->av_udp_port) || in_media_range(p, p->av_tcp_port))
        FOUND(f, "media-range-holds-port", check_path(f, "edge_pools", p->fqdn, "media_port_start"),
              "The relay of pool " SLICE_FMT " listens on a port that it would also give to a call.",
              SLICE_ARG(p->fqdn));
}

/* --- addresses of machines --- */
struct address {
    const char *property;
    struct slice text;
    bool v6, outside;
};
enum { N_ADDRESSES = 10 };

static void addresses_of(const struct topology_machine *m, struct address ret[N_ADDRESSES])
{
    const struct address all[N_ADDRESSES] = {
        {"internal_address",  m->internal_address,  false, false},
        {"internal_address6", m->internal_address6, true,  false},
        {"external_address",  m->external_address,  false, true },
        {"external_address6", m->external_address6, true,  true },
        {"conf_address",      m->conf_address,      false, true },
        {"conf_address6",     m->conf_address6,     true,  true },
        {"av_address",        m->av_address,        false, true },
        {"av_address6",       m->av_address6,       true,  true },
        {"nat_address",       m->nat_address,       false, true },
        {"nat_address6",      m->nat_address6,      true,  true },
    };
    memcpy(ret, all, sizeof(all));
}

typedef bool address_fault(const struct check_pool *p, const struct address *a);
static void each_address(const struct topology *t, struct findings *f, address_fault *faulty, const char *id,
                         const char *what)
{
    struct address all[N_ADDRESSES];
    EACH_POOL(t, p)
    EACH_MACHINE(&p, m)
    {
        addresses_of(m, all);
        for (size_t i = 0; i < N_ADDRESSES; i++)
            if (all[i].text.n && faulty(&p, &all[i]))
                FOUND(f, id, check_machine_path(f, &p, m, all[i].property),
                      "%s of machine " SLICE_FMT " is " SLICE_FMT ", %s.", all[i].property,
                      SLICE_ARG(m->fqdn), SLICE_ARG(all[i].text), what);
    }
}

static bool other_family(const struct check_pool *p, const struct address *a)
{
    (void)p;
    return a->v6 && !memchr(a->text.p, ':', a->text.n);
}

void check_address_of_other_family(const struct topology *t, struct findings *f)
{
    each_address(t, f, other_family, "address-of-other-family", "which is no IPv6 address");
}

static bool unusable(const struct check_pool *p, const struct address *a)
{
    struct net_addr addr;
    (void)p;
    if (net_addr_parse(a->text, 0, &addr) < 0)
        return false;
    if (addr.sa.sa_family == AF_INET6)
        return IN6_IS_ADDR_UNSPECIFIED(&addr.in6.sin6_addr) || IN6_IS_ADDR_MULTICAST(&addr.in6.sin6_addr);
    uint32_t host = ntohl(addr.in4.sin_addr.s_addr);
    return host >> 24 == 0 || host >> 28 >= 14; /* 0/8, multicast, class E and broadcast */
}

void check_address_unusable(const struct topology *t, struct findings *f)
{
    each_address(t, f, unusable, "address-unusable", "which no machine can have");
}

static bool outside_of_inner(const struct check_pool *p, const struct address *a)
{
    return !p->edge && a->outside;
}

void check_external_address_inside(const struct topology *t, struct findings *f)
{
    each_address(t, f, outside_of_inner, "external-address-inside", "and only Edge machines use one");
}
