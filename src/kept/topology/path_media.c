/*
 * Media of a call: between the clients where their networks let them, otherwise by the relays of the two
 * organisations. What is told is the way by the relay: who hands out its credentials, where it is reached
 * from inside, under which addresses the other side sees it, and what must be open between the two relays.
 */
#include "kept/topology/path_priv.h"

static const char without_relay[] =
    "media goes between the clients directly, and fails where they cannot reach one another";

static void put_use(struct path_work *w, struct path_hop *h, struct slice name, struct slice address,
                    int64_t port, const char *use)
{
    size_t n = h->n_addresses;
    path_put_address(h, w, name, address, port);
    if (h->n_addresses > n)
        h->addresses[n].use = use;
}

static void put_range(struct path_work *w, struct path_hop *h, struct slice name, struct slice address,
                      const struct topology_edge_pool *p)
{
    size_t n = h->n_addresses;
    put_use(w, h, name, address, p->media_port_start, "relayed media, UDP and TCP");
    if (h->n_addresses > n)
        h->addresses[n].endpoint = arena_printf(w->a, SLICE_FMT "-%lld", SLICE_ARG(h->addresses[n].endpoint),
                                                (long long)(p->media_port_start + p->media_port_count - 1));
}

static struct slice external_of(const struct topology_edge_pool *p, const struct topology_machine *m)
{
    return m->av_address.n ? m->av_address : topology_edge_single_name(p) ? m->external_address : SLICE_NONE;
}

/* --- what is wrong with the relay; the first reason counts --- */
static struct slice pool_path(struct path_work *w, const struct topology_edge_pool *p, const char *property)
{
    return arena_printf(w->a, "edge_pools/" SLICE_FMT "/%s", SLICE_ARG(p->fqdn), property);
}

static void judge_pool(struct path_work *w, struct path_hop *h, const struct topology_edge_pool *p)
{
    if (!p->managed)
        path_fail(w, h, PATH_FAILS, "path.relay-foreign",
                  "associate the pool with an Edge pool of its own kind (media_edge)",
                  "Edge pool " SLICE_FMT " runs version " SLICE_FMT
                  " and is not managed: nobody hands its relay's "
                  "credentials to users of " SLICE_FMT ".",
                  SLICE_ARG(p->fqdn), SLICE_ARG(p->version), SLICE_ARG(w->home.fqdn));
    if (p->av_edge != TOPOLOGY_ENABLED)
        path_fail(w, h, PATH_FAILS, "path.av-edge-off",
                  arena_cstr(w->a, arena_printf(w->a, "set " SLICE_FMT " to enabled, and publish",
                                                SLICE_ARG(pool_path(w, p, "av_edge")))),
                  "The A/V Edge of " SLICE_FMT " is %s: %s.", SLICE_ARG(p->fqdn),
                  p->av_edge == TOPOLOGY_DRAINING ? "draining and takes no new calls" : "disabled",
                  without_relay);
    if (!p->av_fqdn.n && !topology_edge_single_name(p))
        path_fail(w, h, PATH_FAILS, "path.av-no-name", "set av_fqdn of the Edge pool, and publish",
                  "The A/V Edge of " SLICE_FMT " has no external name.", SLICE_ARG(p->fqdn));
    if (!p->n_machines)
        path_fail(w, h, PATH_FAILS, "path.av-no-machine", "add the machines of the Edge pool",
                  "Edge pool " SLICE_FMT " has no machine.", SLICE_ARG(p->fqdn));
}

static void judge_machine(struct path_work *w, struct path_hop *h, const struct topology_edge_pool *p,
                          const struct topology_machine *m, bool outside)
{
    if (!outside && !m->internal_address.n && !m->internal_address6.n)
        path_fail(w, h, PATH_FAILS, "path.av-no-inside-address", "set internal_address of the machine",
                  "Machine " SLICE_FMT " has no address inside.", SLICE_ARG(m->fqdn));
    if (outside && !external_of(p, m).n && !m->av_address6.n)
        path_fail(w, h, PATH_FAILS, "path.av-no-outside-address", "set av_address of the machine",
                  "Machine " SLICE_FMT " has no external address for the A/V Edge.", SLICE_ARG(m->fqdn));
    if (outside && p->nat && !m->nat_address.n && !m->nat_address6.n)
        path_fail(w, h, PATH_FAILS, "path.av-no-nat-address",
                  "set nat_address to the address that the Internet sees",
                  "Machine " SLICE_FMT
                  " stands behind NAT and its public address is not said: candidates would "
                  "carry an address that nobody outside reaches.",
                  SLICE_ARG(m->fqdn));
}

/* --- hops --- */
static const struct topology_edge_pool *relay_of(struct path_work *w)
{
    return topology_edge_pool_find(w->t, w->home.media_edge);
}

static struct slice association(struct path_work *w)
{
    return arena_printf(w->a, "front_end_pools/" SLICE_FMT "/media_edge", SLICE_ARG(w->home.fqdn));
}

/* The Front End asks the A/V authentication service for the user's credentials. */
static void credentials(struct path_work *w, struct path_leg *leg, const struct topology_edge_pool *p)
{
    struct path_hop *h =
        path_hop_add(leg, w, "credentials", w->home.fqdn, p ? p->fqdn : w->home.media_edge, p ? "TLS" : "");
    h->decided_by = association(w);
    if (!p) {
        path_fail(w, h, PATH_FAILS, "path.no-media-edge",
                  "set media_edge of the pool to an Edge pool, and publish",
                  "Pool " SLICE_FMT " has no media association: %s.", SLICE_ARG(w->home.fqdn), without_relay);
        return;
    }
    for (size_t i = 0; i < p->n_machines; i++)
        put_use(w, h, p->machines[i].fqdn, p->machines[i].internal_address, p->av_auth_port,
                "A/V authentication");
    h->certificate =
        arena_printf(w->a,
                     "the machine or " SLICE_FMT ", by the internal authority; tokens are signed by the "
                     "pool's one av-authentication certificate (entente cert required " SLICE_FMT ")",
                     SLICE_ARG(p->fqdn), SLICE_ARG(p->fqdn));
    h->identity = SLICE("the Front End machine's name, by the internal authority");
    judge_pool(w, h, p);
}

static void relay_inside(struct path_work *w, struct path_leg *leg, const struct topology_edge_pool *p,
                         struct slice from, struct slice to)
{
    struct path_hop *h = path_hop_add(leg, w, "relay", from, to, "UDP or TCP");
    for (size_t i = 0; i < p->n_machines; i++) {
        const struct topology_machine *m = &p->machines[i];
        put_use(w, h, m->fqdn, m->internal_address, p->av_internal_udp_port, "STUN and TURN over UDP");
        put_use(w, h, m->fqdn, m->internal_address, p->av_internal_tcp_port, "TURN over TCP");
        judge_machine(w, h, p, m, false);
    }
    h->decided_by = association(w);
    h->identity = SLICE("the credentials of the user");
    path_fail(w, h, PATH_NOT_SERVED, "path.relay-not-served",
              "let the two networks reach one another for media, until the relay is there",
              "The relay service is not part of this version yet: %s.", without_relay);
}

/* Our relay as the other organisation's relay and clients see it. */
static void relay_outside(struct path_work *w, struct path_leg *leg, const struct topology_edge_pool *p,
                          struct slice from, struct slice to)
{
    struct path_hop *h = path_hop_add(leg, w, "relay-outside", from, to, "UDP or TCP");
    struct slice name = p->av_fqdn.n ? p->av_fqdn : p->external_fqdn;
    for (size_t i = 0; i < p->n_machines; i++) {
        const struct topology_machine *m = &p->machines[i];
        struct slice own = external_of(p, m), seen = p->nat ? m->nat_address : own;
        put_use(w, h, name, seen, p->av_udp_port, "STUN and TURN over UDP");
        put_use(w, h, name, seen, p->av_tcp_port, "STUN and TURN over TCP");
        put_range(w, h, name, seen, p);
        if (p->nat && own.n)
            put_use(w, h, m->fqdn, own, p->av_udp_port, "what NAT translates to");
        judge_machine(w, h, p, m, true);
    }
    h->decided_by = SLICE("ICE between the two clients: host and reflexive candidates first, relays last");
    path_fail(w, h, PATH_BEYOND, NULL, "",
              "The partner's relay side is not known before the call: what must be "
              "open towards it is UDP 3478 and TCP 443, from our ports of relayed media, and for partners of "
              "the 2007 generation their ports 50000-59999 as well.");
}

static void foreign_home(struct path_work *w, struct path_leg *leg, struct slice from, struct slice to)
{
    struct path_hop *h = path_hop_add(leg, w, "relay", from, to, "");
    h->decided_by = SLICE("the foreign pool");
    h->state = PATH_BEYOND;
}

static void partner_side(struct path_work *w, struct path_leg *leg, struct slice from, struct slice to)
{
    struct path_hop *h = path_hop_add(leg, w, "relay", from, to, "");
    h->decided_by = SLICE("the partner: its own relay, chosen by ICE between the two clients");
    h->state = PATH_BEYOND;
}

void path_media_out(struct path_work *w, struct path_leg *leg)
{
    const struct topology_edge_pool *p = relay_of(w);
    if (w->home.foreign) {
        foreign_home(w, leg, w->user, w->partner);
        return;
    }
    credentials(w, leg, p);
    if (p) {
        relay_inside(w, leg, p, w->user, p->fqdn);
        relay_outside(w, leg, p, p->fqdn, w->partner);
    }
    partner_side(w, leg, w->partner, w->peer);
}

void path_media_in(struct path_work *w, struct path_leg *leg)
{
    const struct topology_edge_pool *p = relay_of(w);
    partner_side(w, leg, w->peer, w->partner);
    if (w->home.foreign) {
        foreign_home(w, leg, w->partner, w->user);
        return;
    }
    if (!p) {
        credentials(w, leg, p);
        return;
    }
    relay_outside(w, leg, p, w->partner, p->fqdn);
    judge_pool(w, &leg->hops[leg->n - 1], p);
    relay_inside(w, leg, p, p->fqdn, w->user);
}

/* Two users of ours: directly inside; by the relay when one of them is outside. */
void path_media_inside(struct path_work *w, struct path_leg *leg, struct slice to)
{
    const struct topology_edge_pool *p = relay_of(w);
    struct path_hop *h = path_hop_add(leg, w, "client", w->user, to, "UDP or TCP");
    h->decided_by = SLICE("ICE between the two clients: directly where both are inside");
    if (w->home.foreign) {
        foreign_home(w, leg, w->user, to);
        return;
    }
    credentials(w, leg, p);
    if (p)
        relay_inside(w, leg, p, w->user, to);
}
