/* Media of a call: between the clients, or by the relays of the two organisations. */
#include "kept/topology/path_priv.h"

static void put_relay(struct path_work *w, struct path_hop *h, const struct topology_edge_pool *p)
{
    for (size_t i = 0; i < p->n_machines; i++) {
        const struct topology_machine *m = &p->machines[i];
        struct slice address = m->av_address.n ? m->av_address : m->external_address;
        path_put_address(h, w, m->fqdn, address, p->av_udp_port);
    }
}

static void relay(struct path_work *w, struct path_leg *leg, struct slice user)
{
    const struct topology_edge_pool *p = topology_edge_pool_find(w->t, w->home.media_edge);
    struct path_hop *h =
        path_hop_add(leg, w, "relay", user, p ? p->fqdn : w->home.media_edge, p ? "UDP" : "");
    if (w->home.foreign) {
        h->decided_by = SLICE("the foreign pool");
        h->state = PATH_BEYOND;
        return;
    }
    h->decided_by = arena_printf(w->a, "front_end_pools/" SLICE_FMT "/media_edge", SLICE_ARG(w->home.fqdn));
    if (!p) {
        path_fail(w, h, PATH_NOT_SERVED, "path.no-media-edge", "set media_edge of the pool",
                  "Pool " SLICE_FMT " has no media association: media goes between the clients directly, and "
                  "fails where they cannot reach one another.",
                  SLICE_ARG(w->home.fqdn));
        return;
    }
    put_relay(w, h, p);
    path_fail(w, h, PATH_NOT_SERVED, "path.relay-not-served",
              "let the two networks reach one another for media, until the relay is there",
              "The relay is not served yet by this version%s: media goes between the clients directly, and "
              "fails where they cannot reach one another.",
              p->managed ? "" : " (the foreign Edge may have one; nobody hands out its credentials)");
}

void path_media(struct path_work *w, struct path_leg *leg)
{
    relay(w, leg, w->user);
    if (!w->partner.n)
        return;
    struct path_hop *h = path_hop_add(leg, w, "relay", w->home.media_edge, w->partner, "");
    h->decided_by = SLICE("the partner: its own relay, chosen by ICE between the two clients");
    h->state = PATH_BEYOND;
}
