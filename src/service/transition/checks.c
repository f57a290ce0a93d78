/*
 * What blocks a transition, or should be known before it: small pure functions, one for each question.
 */
#include "service/transition/plan.h"

#include <errno.h>

struct question {
    const struct plan *p;
    const struct topology *t;
    const struct transition_central *c;
    int64_t now_ms;
    const struct topology_edge_pool *from, *to; /* both there */
    struct findings *f;
};

#define BLOCK(q, id, path, remedy, ...) findings_add((q)->f, id, FINDING_ERROR, path, remedy, __VA_ARGS__)
#define WARN(q, id, path, remedy, ...) findings_add((q)->f, id, FINDING_WARNING, path, remedy, __VA_ARGS__)

static struct slice pool_path(struct question *q, struct slice pool, const char *member)
{
    return arena_printf(&q->f->arena, "edge_pools/" SLICE_FMT "%s%s", SLICE_ARG(pool), member ? "/" : "",
                        member ? member : "");
}

static void check_source(struct question *q)
{
    const struct topology_edge_pool *p = q->from;
    bool routed = false;
    for (size_t i = 0; i < q->t->n_sites; i++)
        routed |= slice_caseeq(q->t->sites[i].federation_route, p->fqdn);
    if (!p->external_fqdn.n)
        BLOCK(q, "transition.no-external-name", pool_path(q, p->fqdn, "external_fqdn"),
              "set its external FQDN", "Legacy Edge pool " SLICE_FMT " has no external name that could move.",
              SLICE_ARG(p->fqdn));
    if (!p->federation || p->access_edge == TOPOLOGY_DISABLED)
        BLOCK(q, "transition.nothing-to-move", pool_path(q, p->fqdn, "federation"),
              "name the pool that federates as --from", "Edge pool " SLICE_FMT " does not federate.",
              SLICE_ARG(p->fqdn));
    else if (!routed)
        WARN(q, "transition.no-route", pool_path(q, p->fqdn, NULL), "check the sites' federation routes",
             "No site sends its federation to Edge pool " SLICE_FMT ".", SLICE_ARG(p->fqdn));
    if (!p->managed)
        WARN(q, "transition.source-foreign", pool_path(q, p->fqdn, "managed"),
             "be ready to stop its Access Edge by hand",
             "Edge pool " SLICE_FMT " is not managed: its dialogs stay on it, and it is stopped by hand.",
             SLICE_ARG(p->fqdn));
    for (size_t i = 0; i < p->adopts.n; i++)
        if (slice_caseeq(p->adopts.items[i], q->to->fqdn))
            BLOCK(q, "transition.circle", pool_path(q, p->fqdn, "adopts"),
                  "roll the earlier transition back, or end the adoption when no dialog needs it any more",
                  "Edge pool " SLICE_FMT " answers for the names of " SLICE_FMT ", the other way round.",
                  SLICE_ARG(p->fqdn), SLICE_ARG(q->to->fqdn));
}

static void check_target(struct question *q)
{
    const struct topology_edge_pool *p = q->to;
    if (!p->managed)
        BLOCK(q, "transition.target-not-managed", pool_path(q, p->fqdn, "managed"),
              "name an Edge pool whose machines run entented",
              "Edge pool " SLICE_FMT " is not managed: it cannot be told to answer for other names.",
              SLICE_ARG(p->fqdn));
    if (!p->n_machines)
        BLOCK(q, "transition.no-machines", pool_path(q, p->fqdn, "machines"), "add its machines",
              "Edge pool " SLICE_FMT " has no machine.", SLICE_ARG(p->fqdn));
    if (p->n_machines == 1)
        WARN(q, "transition.single-machine", pool_path(q, p->fqdn, "machines"), "add a second machine",
             "Edge pool " SLICE_FMT " has one machine: while it is down, nobody federates.",
             SLICE_ARG(p->fqdn));
    for (size_t i = 0; i < p->n_machines; i++)
        if (!p->machines[i].external_address.n)
            BLOCK(q, "transition.no-external-address", pool_path(q, p->fqdn, "machines"),
                  "set the address on which partners reach it",
                  "Edge machine " SLICE_FMT " has no external address.", SLICE_ARG(p->machines[i].fqdn));
    if (!p->next_hop.n && !q->from->next_hop.n)
        BLOCK(q, "transition.no-next-hop", pool_path(q, p->fqdn, "next_hop"),
              "set next_hop of one of the two pools",
              "Neither Edge pool knows to whom it hands what comes in.");
    if (p->federation_port != q->from->federation_port)
        WARN(q, "transition.port-differs", pool_path(q, p->fqdn, "federation_port"),
             "give both the same port, or change the SRV records too",
             "The new Edge pool listens on port %lld, the legacy one on %lld: SRV records name a port.",
             (long long)p->federation_port, (long long)q->from->federation_port);
}

/* --- certificates: of the legacy pool and of those it answers for --- */
static void check_certificate(struct question *q, const struct topology_edge_pool *pool)
{
    struct arena a = {0};
    struct slice *names, path = pool_path(q, pool->fqdn, NULL);
    size_t n = 0;
    int64_t end = 0;
    bool covers = false;
    if (!q->c->certificate(q->c->central, pool->fqdn, &a, &names, &n, &end)) {
        BLOCK(q, "transition.no-certificate", path, "entente cert import POOL CERT.pem KEY.pem",
              "Central management holds no external certificate of Edge pool " SLICE_FMT
              ", so it cannot move to the new Edge.",
              SLICE_ARG(pool->fqdn));
        goto out;
    }
    for (size_t i = 0; i < n; i++)
        covers |= slice_caseeq(names[i], pool->external_fqdn);
    if (!covers)
        BLOCK(q, "transition.certificate-name", path, "import a certificate that names it",
              "The external certificate of Edge pool " SLICE_FMT " does not name " SLICE_FMT ".",
              SLICE_ARG(pool->fqdn), SLICE_ARG(pool->external_fqdn));
    if (end < q->now_ms + PLAN_MIN_CERTIFICATE_MS)
        BLOCK(q, "transition.certificate-ends", path, "import a newer certificate",
              "The external certificate of Edge pool " SLICE_FMT " ends within a day.",
              SLICE_ARG(pool->fqdn));
out:
    arena_fini(&a);
}

static void check_certificates(struct question *q)
{
    if (q->from->external_fqdn.n)
        check_certificate(q, q->from);
    for (size_t i = 0; i < q->from->adopts.n; i++) {
        const struct topology_edge_pool *old = topology_edge_pool_find(q->t, q->from->adopts.items[i]);
        if (old && old != q->to && old->external_fqdn.n)
            check_certificate(q, old);
    }
}

static void check_machines(struct question *q)
{
    struct arena a = {0};
    struct transition_machine *machines;
    size_t n = q->c->machines(q->c->central, &a, &machines), cursor = 0;
    struct slice fqdn;
    while (topology_managed_next(q->t, &cursor, &fqdn)) {
        const struct transition_machine *m = NULL;
        for (size_t i = 0; i < n && !m; i++)
            if (slice_caseeq(machines[i].fqdn, fqdn))
                m = &machines[i];
        if (!m || !m->current)
            BLOCK(q, "transition.machine-behind",
                  arena_printf(&q->f->arena, "machines/" SLICE_FMT, SLICE_ARG(fqdn)),
                  "entente replication status",
                  "Machine " SLICE_FMT " does not run the newest revision%s" SLICE_FMT ".", SLICE_ARG(fqdn),
                  m && m->why.n ? ": " : "", SLICE_ARG(m ? m->why : SLICE_NONE));
    }
    arena_fini(&a);
}

static void check_dns(struct question *q)
{
    struct arena a = {0};
    struct transition_dns dns = {0};
    struct slice names[PLAN_MAX_NAMES], zone = SLICE_NONE;
    size_t n = plan_names(q->p, q->t, names);
    bool configured = q->c->dns(q->c->central, &a, &dns) && dns.configured;
    for (size_t i = 0; i < n; i++)
        if (!configured || !plan_zone(&dns, names[i], &zone))
            WARN(q, "transition.dns-manual", SLICE("dns"), "entente dns server ADDR:PORT ZONE --key-file F",
                 "No name server for updates of " SLICE_FMT
                 " is known: the record is changed by hand, and the "
                 "transition waits for it.",
                 SLICE_ARG(names[i]));
    arena_fini(&a);
}

static void check_ways(struct question *q)
{
    if (!q->f->errors) /* they would be the reason */
        plan_check_ways(q->p, q->t, q->f);
}

static bool check_pool(struct question *q, struct slice fqdn, const char *option,
                       const struct topology_edge_pool **ret)
{
    *ret = topology_edge_pool_find(q->t, fqdn);
    if (!*ret)
        BLOCK(q, "transition.unknown-pool", SLICE("edge_pools"),
              "name one that entente topology show edge_pools lists",
              "There is no Edge pool named '" SLICE_FMT "' (%s).", SLICE_ARG(fqdn), option);
    return *ret != NULL;
}

void plan_check(const struct plan *p, const struct topology *t, const struct transition_central *c,
                int64_t now_ms, struct findings *f)
{
    static void (*const all[])(struct question * q) = {check_source,   check_target, check_certificates,
                                                       check_machines, check_dns,    check_ways};
    struct question q = {.p = p, .t = t, .c = c, .now_ms = now_ms, .f = f};
    bool from = check_pool(&q, p->from, "from", &q.from), to = check_pool(&q, p->to, "to", &q.to);
    if (!from || !to)
        return;
    if (q.from == q.to) {
        BLOCK(&q, "transition.same-pool", pool_path(&q, p->to, NULL), "name two pools",
              "The two pools are the same.");
        return;
    }
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        all[i](&q);
}
