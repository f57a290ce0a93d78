/*
 * The steps, in the make-before-break order and in the original's own. Each publish is right in whatever
 * order the machines switch to it:
 *
 * - publish-edge only adds: the target serves, and answers for the legacy names; nobody is sent there yet.
 * - publish-routes changes who sends where while both pools serve.
 * - drain changes nothing but what the legacy pool does when it is idle.
 * - disable takes away what nobody is led to any more.
 */
#include "service/transition/edits.h"
#include "service/transition/plan.h"

/* --- what is published --- */
static struct slice next_hop_wanted(const struct topology *t, const struct plan *p)
{
    const struct topology_edge_pool *from = topology_edge_pool_find(t, p->from);
    const struct topology_edge_pool *to = topology_edge_pool_find(t, p->to);
    return to && to->next_hop.n ? to->next_hop : from ? from->next_hop : SLICE_NONE;
}

static void edits_adopt(struct edits *e, const struct topology *t, const struct plan *p)
{
    const struct topology_edge_pool *from = topology_edge_pool_find(t, p->from);
    const struct topology_edge_pool *to = topology_edge_pool_find(t, p->to);
    if (!from || !to)
        return;
    /* what the legacy pool adopted itself moves with it: adoption is not followed over two pools */
    struct slice *all = ARENA_ARRAY(e->a, struct slice, to->adopts.n + from->adopts.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < to->adopts.n; i++)
        all[n++] = to->adopts.items[i];
    for (size_t i = 0; i < from->adopts.n; i++) {
        bool have = false;
        for (size_t j = 0; j < n; j++)
            have |= slice_caseeq(all[j], from->adopts.items[i]);
        if (!have && !slice_caseeq(from->adopts.items[i], p->to))
            all[n++] = from->adopts.items[i];
    }
    struct topology_names names = {all, n};
    edits_add_name(e, "edge_pools", p->to, "adopts", &names, p->from);
}

static void edits_next_hop(struct edits *e, const struct topology *t, const struct plan *p)
{
    edits_set_string(e, "edge_pools", p->to, "next_hop", next_hop_wanted(t, p));
}

static void edits_edge(struct edits *e, const struct topology *t, const struct plan *p)
{
    edits_set_bool(e, "edge_pools", p->to, "federation", true);
    edits_next_hop(e, t, p);
    edits_adopt(e, t, p);
    const struct topology_edge_pool *to = topology_edge_pool_find(t, p->to);
    if (to && to->access_edge != TOPOLOGY_ENABLED)
        edits_set(e, "edge_pools", p->to, "access_edge", NULL);
}

static void edits_media(struct edits *e, const struct topology *t, const struct plan *p)
{
    for (size_t i = 0; i < t->n_front_end_pools; i++)
        if (slice_caseeq(t->front_end_pools[i].media_edge, p->from))
            edits_set_string(e, "front_end_pools", t->front_end_pools[i].fqdn, "media_edge", p->to);
}

static void edits_routes(struct edits *e, const struct topology *t, const struct plan *p)
{
    for (size_t i = 0; i < t->n_sites; i++)
        if (slice_caseeq(t->sites[i].federation_route, p->from))
            edits_set_string(e, "sites", t->sites[i].name, "federation_route", p->to);
    edits_media(e, t, p);
}

static void edits_drain(struct edits *e, const struct topology *t, const struct plan *p)
{
    (void)t;
    edits_set_string(e, "edge_pools", p->from, "access_edge", SLICE("draining"));
}

static void edits_disable(struct edits *e, const struct topology *t, const struct plan *p)
{
    (void)t;
    edits_set_string(e, "edge_pools", p->from, "access_edge", SLICE("disabled"));
    edits_set_bool(e, "edge_pools", p->from, "federation", false);
}

static void edits_routes_off(struct edits *e, const struct topology *t, const struct plan *p)
{
    for (size_t i = 0; i < t->n_sites; i++)
        if (slice_caseeq(t->sites[i].federation_route, p->from))
            edits_set(e, "sites", t->sites[i].name, "federation_route", NULL);
}

static void edits_federation_off(struct edits *e, const struct topology *t, const struct plan *p)
{
    (void)t;
    edits_set_bool(e, "edge_pools", p->from, "federation", false);
}

/* The sites whose route the first procedure took away. */
static void edits_routes_on(struct edits *e, const struct topology *t, const struct plan *p)
{
    for (size_t i = 0; i < p->n_steps; i++) {
        if (p->steps[i].kind->edits != edits_routes_off)
            continue;
        for (size_t j = 0; j < json_count(p->steps[i].undo); j++) {
            struct slice list, site, path = json_get_string(json_at(p->steps[i].undo, j), "path");
            if (slice_cut(path, '/', &list, &site))
                edits_set_string(e, "sites", site, "federation_route", p->to);
        }
    }
    edits_media(e, t, p);
}

static void edits_stop(struct edits *e, const struct topology *t, const struct plan *p)
{
    (void)t;
    edits_set_string(e, "edge_pools", p->from, "access_edge", SLICE("disabled"));
}

/* --- the tables --- */
static const struct step_kind check_step = {
    .id = "check",
    .title = "check everything",
    .check = "-",
    .action = "looks at pools, machines, certificates, next hop; remembers DNS addresses and TTLs",
    .after = "no finding blocks",
    .undo_text = "nothing to undo",
    .forward = {PHASE_CHECK, PHASE_LOOK_DNS},
};
static const struct step_kind verify_step = {
    .id = "verify",
    .title = "verify",
    .check = "-",
    .action = "compares DNS, topology, machines and services with what they should be",
    .after = "all as planned",
    .undo_text = "nothing to undo",
    .forward = {PHASE_SEE_DNS, PHASE_VERIFY},
};
static const struct step_kind step_publish_edge = {
    .id = "publish-edge",
    .title = "publish 1: the new Edge federates and answers for the legacy names",
    .seed = "To configure certificates on the Lync Server 2010 Edge Server; To change Lync Server 2010 "
            "federation "
            "route to use Lync Server 2013 Edge Server; To update Lync Server 2013 Edge Server federation "
            "next hop",
    .check = "external certificates of the legacy names are held by central management",
    .action =
        "federation on, next hop, adopted names with their certificates; publish; wait for every machine",
    .after = "the new Edge's ports show certificates that carry the legacy names",
    .undo_text =
        "waits until nothing uses the new Edge, then federation, next hop and adopted names as before",
    .edits = edits_edge,
    .forward = {PHASE_PUBLISH,      PHASE_ACKNOWLEDGED, PHASE_PROBE_TARGET},
    .back = {PHASE_DRAIN_TARGET, PHASE_UNPUBLISH,    PHASE_ACKNOWLEDGED},
};
static const struct step_kind step_publish_routes = {
    .id = "publish-routes",
    .title = "publish 2: site routes and media associations",
    .seed = "To configure Lync Server 2013 Edge Server outbound media path; To turn on Lync Server 2013 Edge "
            "Server "
            "federation; To publish Edge Server configuration changes",
    .check = "the new Edge serves",
    .action =
        "every site route and every media association from the legacy pool to the new one; publish; wait for "
        "every machine",
    .after = "all machines run the revision",
    .undo_text = "routes and associations as before",
    .edits = edits_routes,
    .forward = {PHASE_PUBLISH,   PHASE_ACKNOWLEDGED},
    .back = {PHASE_UNPUBLISH, PHASE_ACKNOWLEDGED},
};
static const struct step_kind step_dns = {
    .id = "dns",
    .title = "DNS: the legacy external name leads to the new Edge",
    .seed = "To configure Lync Server 2013 Edge Server (2)",
    .check = "the new Edge's ports are open",
    .action =
        "replaces the addresses of the external name, same TTL (RFC 2136), or waits for the administrator",
    .after = "the name server answers with the new addresses",
    .undo_text = "the old addresses, once the legacy Edge is seen to serve",
    .forward = {PHASE_PROBE_TARGET, PHASE_SET_DNS,     PHASE_SEE_DNS    },
    .back = {PHASE_PROBE_SOURCE, PHASE_RESTORE_DNS, PHASE_SEE_OLD_DNS},
};
static const struct step_kind step_drain = {
    .id = "drain",
    .title = "drain the legacy Access Edge",
    .seed = NULL,
    .check = "DNS was seen changed",
    .action = "legacy Access Edge draining; publish; serves on until the largest TTL of before has passed",
    .after = "nothing pending, nothing came in for a while",
    .undo_text = "enabled again",
    .edits = edits_drain,
    .forward = {PHASE_PUBLISH, PHASE_ACKNOWLEDGED, PHASE_DRAIN_SOURCE},
    .back = {PHASE_UNPUBLISH,             PHASE_ACKNOWLEDGED                },
};
static const struct step_kind step_disable = {
    .id = "disable",
    .title = "stop and disable the legacy Access Edge",
    .seed = "To configure the legacy Edge Server as a non-federating Edge Server; To configure Lync Server "
            "2013 Edge "
            "Server (3-8)",
    .check = "drained",
    .action = "legacy Access Edge disabled, federation off; publish; idle connections end in order",
    .after = "every legacy machine says that it has stopped",
    .undo_text = "federation on and serving again",
    .edits = edits_disable,
    .forward = {PHASE_PUBLISH, PHASE_ACKNOWLEDGED, PHASE_STOPPED},
    .back = {PHASE_UNPUBLISH,             PHASE_ACKNOWLEDGED                },
};
const struct step_kind *const plan_steps[] = {&check_step, &step_publish_edge, &step_publish_routes,
                                              &step_dns,   &step_drain,        &step_disable,
                                              &verify_step};
const size_t plan_n_steps = sizeof(plan_steps) / sizeof(plan_steps[0]);

/* The nine procedures, each with its own publish, and no wait but for acknowledgements. */
static const struct step_kind classic_site_off = {
    .id = "site-off",
    .title = "1: remove the legacy federation association from the sites",
    .seed = "To remove the legacy federation association from Lync Server 2013 sites",
    .check = "-",
    .action = "SIP federation of every site off; publish. Federation is down from here",
    .after = "all machines run the revision",
    .undo_text = "site routes as before",
    .edits = edits_routes_off,
    .forward = {PHASE_PUBLISH,   PHASE_ACKNOWLEDGED},
    .back = {PHASE_UNPUBLISH, PHASE_ACKNOWLEDGED},
};
static const struct step_kind classic_legacy_off = {
    .id = "legacy-off",
    .title = "2: the legacy Edge pool no longer federates",
    .seed = "To configure the legacy Edge Server as a non-federating Edge Server",
    .check = "-",
    .action = "federation of the legacy pool off; publish",
    .after = "all machines run the revision",
    .undo_text = "federation on again",
    .edits = edits_federation_off,
    .forward = {PHASE_PUBLISH,   PHASE_ACKNOWLEDGED},
    .back = {PHASE_UNPUBLISH, PHASE_ACKNOWLEDGED},
};
static const struct step_kind classic_certificates = {
    .id = "certificates",
    .title = "3: certificates",
    .seed = "To configure certificates on the Lync Server 2010 Edge Server",
    .check = "central management holds the legacy external certificate with its key",
    .action = "nothing to carry: it goes to the new Edge, sealed, with the next publish",
    .after = "-",
    .undo_text = "nothing to undo",
    .forward = {PHASE_NOTE},
};
static const struct step_kind classic_target_on = {
    .id = "target-on",
    .title = "4: the new Edge pool federates",
    .seed = "To change Lync Server 2010 federation route to use Lync Server 2013 Edge Server",
    .check = "-",
    .action =
        "federation of the new pool on, legacy names adopted (and the next hop, which a federating pool must "
        "have); publish",
    .after = "all machines run the revision",
    .undo_text = "as before",
    .edits = edits_edge,
    .forward = {PHASE_PUBLISH,   PHASE_ACKNOWLEDGED},
    .back = {PHASE_UNPUBLISH, PHASE_ACKNOWLEDGED},
};
static const struct step_kind classic_next_hop = {
    .id = "next-hop",
    .title = "5: next hop of the new Edge pool",
    .seed = "To update Lync Server 2013 Edge Server federation next hop",
    .check = "-",
    .action = "next hop; publish",
    .after = "all machines run the revision",
    .undo_text = "as before",
    .edits = edits_next_hop,
    .forward = {PHASE_PUBLISH,   PHASE_ACKNOWLEDGED},
    .back = {PHASE_UNPUBLISH, PHASE_ACKNOWLEDGED},
};
static const struct step_kind classic_media = {
    .id = "media",
    .title = "6: outbound media path",
    .seed = "To configure Lync Server 2013 Edge Server outbound media path",
    .check = "-",
    .action = "media associations; goes out with the publish of 8",
    .after = "-",
    .undo_text = "with that publish",
    .forward = {PHASE_NOTE},
};
static const struct step_kind classic_site_on = {
    .id = "site-on",
    .title = "7: site routes to the new Edge pool",
    .seed = "To turn on Lync Server 2013 Edge Server federation",
    .check = "-",
    .action = "site routes; goes out with the publish of 8",
    .after = "-",
    .undo_text = "with that publish",
    .forward = {PHASE_NOTE},
};
static const struct step_kind classic_publish = {
    .id = "publish",
    .title = "8: publish",
    .seed = "To publish Edge Server configuration changes",
    .check = "-",
    .action = "publish; wait for replication",
    .after = "all machines run the revision",
    .undo_text = "routes and associations as before",
    .edits = edits_routes_on,
    .forward = {PHASE_PUBLISH,   PHASE_ACKNOWLEDGED},
    .back = {PHASE_UNPUBLISH, PHASE_ACKNOWLEDGED},
};
static const struct step_kind classic_dns = {
    .id = "dns",
    .title = "9: DNS leads to the new Edge",
    .seed = "To configure Lync Server 2013 Edge Server (1-2)",
    .check = "-",
    .action = "replaces the addresses of the external name, same TTL",
    .after = "the name server answers with the new addresses",
    .undo_text = "the old addresses",
    .forward = {PHASE_SET_DNS,     PHASE_SEE_DNS    },
    .back = {PHASE_RESTORE_DNS, PHASE_SEE_OLD_DNS},
};
static const struct step_kind classic_stop = {
    .id = "stop",
    .title = "9: stop and disable the legacy Access Edge",
    .seed = "To configure Lync Server 2013 Edge Server (3-8)",
    .check = "-",
    .action = "legacy Access Edge disabled; publish",
    .after = "every legacy machine says that it has stopped",
    .undo_text = "enabled again",
    .edits = edits_stop,
    .forward = {PHASE_PUBLISH, PHASE_ACKNOWLEDGED, PHASE_STOPPED},
    .back = {PHASE_UNPUBLISH,             PHASE_ACKNOWLEDGED                },
};
const struct step_kind *const plan_classic_steps[] = {
    &check_step,        &classic_site_off, &classic_legacy_off, &classic_certificates,
    &classic_target_on, &classic_next_hop, &classic_media,      &classic_site_on,
    &classic_publish,   &classic_dns,      &classic_stop,       &verify_step};
const size_t plan_n_classic_steps = sizeof(plan_classic_steps) / sizeof(plan_classic_steps[0]);
