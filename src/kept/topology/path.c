#include "kept/topology/path_priv.h"

#include <errno.h>

const char *path_state_name(enum path_state s)
{
    static const char *const names[] = {"ok", "fails", "not-asked", "beyond", "not-served"};
    return names[s];
}

static const char *const transports[] = {
    [TOPOLOGY_TLS] = "TLS", [TOPOLOGY_TCP] = "TCP", [TOPOLOGY_UDP] = "UDP"};

/* --- hops --- */
struct path_hop *path_hop_add(struct path_leg *leg, struct path_work *w, const char *kind, struct slice from,
                              struct slice to, const char *transport)
{
    if (!leg->hops)
        leg->hops = ARENA_ARRAY(w->a, struct path_hop, PATH_MAX_HOPS);
    struct path_hop *h = &leg->hops[leg->n < PATH_MAX_HOPS ? leg->n++ : PATH_MAX_HOPS - 1];
    h->kind = kind;
    h->from = from;
    h->to = to;
    h->transport = transport;
    return h;
}

void path_fail(struct path_work *w, struct path_hop *h, enum path_state state, const char *id,
               const char *remedy, const char *fmt, ...)
{
    struct buf text = {0};
    va_list ap;
    if (h->state == PATH_FAILS)
        return; /* the first reason counts */
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    h->state = state;
    h->id = id;
    h->why = arena_copy(w->a, buf_slice(&text));
    h->remedy = slice_str(remedy);
    buf_fini(&text);
}

void path_put_address(struct path_hop *h, struct path_work *w, struct slice name, struct slice address,
                      int64_t port)
{
    char text[NET_ADDR_TEXT];
    struct net_addr addr;
    if (h->n_addresses < PATH_MAX_TARGETS && net_addr_parse(address, (uint16_t)port, &addr) == 0)
        h->addresses[h->n_addresses++] =
            (struct path_address){.name = name, .endpoint = arena_copy(w->a, net_addr_text(&addr, text))};
}

static void put_machines(struct path_hop *h, struct path_work *w, const struct topology_machine *m, size_t n,
                         int64_t port)
{
    size_t first = topology_machine_pick(m, n, 0);
    for (size_t i = 0; i < n; i++) {
        const struct topology_machine *one = &m[topology_machine_next(m, n, first, i)];
        path_put_address(h, w, one->fqdn, one->internal_address, port);
    }
}

/* --- inside: clients and Front Ends --- */
static void client_to_front_end(struct path_work *w, struct path_leg *leg)
{
    const struct path_home *p = &w->home;
    struct path_hop *h = path_hop_add(leg, w, "client", w->user, p->fqdn, p->foreign ? "" : p->transport);
    if (p->foreign) {
        h->decided_by = SLICE("the foreign pool");
        h->state = PATH_BEYOND;
        return;
    }
    put_machines(h, w, p->machines, p->n_machines, p->port);
    h->decided_by = arena_printf(w->a, "_sips._tcp." SLICE_FMT " in internal DNS", SLICE_ARG(w->own));
    h->certificate =
        arena_printf(w->a, "the machine, " SLICE_FMT " or " SLICE_FMT, SLICE_ARG(p->fqdn), SLICE_ARG(w->own));
    h->identity = SLICE("digest authentication of the user");
    if (!h->n_addresses)
        path_fail(w, h, PATH_FAILS, "front-end-without-machines",
                  "add its machines with internal addresses, and publish",
                  "Front End pool " SLICE_FMT " has no machine.", SLICE_ARG(p->fqdn));
}

static void front_end_to_client(struct path_work *w, struct path_leg *leg, struct slice user)
{
    struct path_hop *h = path_hop_add(leg, w, "client", w->home.fqdn, user, "");
    h->decided_by = SLICE("the connection on which the user's client registered");
    h->identity = SLICE("the machine of the pool that the client chose");
}

/* --- Front End to Edge: the order of front_end/routes.h --- */
static void put_edge(struct path_hop *h, struct path_work *w, const struct topology_edge_pool *p)
{
    bool tls = slice_eq(slice_str(w->home.transport), SLICE("TLS"));
    size_t before = h->n_addresses, first = topology_machine_pick(p->machines, p->n_machines, 0);
    for (int state = TOPOLOGY_ENABLED; state <= TOPOLOGY_DISABLED; state++)
        for (size_t i = 0; i < p->n_machines && (state != TOPOLOGY_DISABLED || h->n_addresses == before);
             i++) {
            const struct topology_machine *m =
                &p->machines[topology_machine_next(p->machines, p->n_machines, first, i)];
            if ((int)m->access_edge == state)
                path_put_address(h, w, m->fqdn, m->internal_address, tls ? p->internal_port : w->home.port);
        }
}

static bool put_adopters(struct path_hop *h, struct path_work *w, struct slice fqdn)
{
    bool any = false;
    for (size_t i = 0; i < w->t->n_edge_pools; i++) {
        const struct topology_edge_pool *q = &w->t->edge_pools[i];
        if (!edge_adopts(q, fqdn) || !q->federation || q->access_edge == TOPOLOGY_DISABLED)
            continue;
        put_edge(h, w, q);
        any = any || edge_serves(q);
    }
    return any;
}

static void put_stand_ins(struct path_hop *h, struct path_work *w, const struct topology_site *site,
                          const struct topology_edge_pool *route)
{
    for (int away = 0; away <= 1; away++)
        for (size_t i = 0; i < w->t->n_edge_pools; i++) {
            const struct topology_edge_pool *p = &w->t->edge_pools[i];
            if (edge_stands_in(site, route, p) && slice_eq(p->site, site->name) == !away)
                put_edge(h, w, p);
        }
}

static void edges_of_route(struct path_work *w, struct path_hop *h, const struct topology_site *site,
                           struct slice route)
{
    const struct topology_edge_pool *p = topology_edge_pool_find(w->t, route);
    bool serves = p && edge_serves(p), adopted = false;
    if (!serves)
        adopted = put_adopters(h, w, route);
    if (p && (p->access_edge != TOPOLOGY_DISABLED || !h->n_addresses))
        put_edge(h, w, p);
    if (serves)
        put_adopters(h, w, route);
    if (p && !w->home.foreign)
        put_stand_ins(h, w, site, p);
    if (!h->n_addresses)
        path_fail(w, h, PATH_FAILS, "front-end.no-edge-machine", "add machines to the Edge pool of the route",
                  "The route leads to " SLICE_FMT ", which has no machine that could be used.",
                  SLICE_ARG(route));
    else if (!serves && !adopted)
        path_fail(w, h, PATH_FAILS, "edge.no-federation",
                  "turn its federation and its Access Edge on, or route to a pool that serves, and publish",
                  "Edge pool " SLICE_FMT " does not federate (federation %s, Access Edge %s).",
                  SLICE_ARG(route), p && p->federation ? "on" : "off",
                  p && p->access_edge == TOPOLOGY_ENABLED    ? "enabled"
                  : p && p->access_edge == TOPOLOGY_DRAINING ? "draining"
                                                             : "disabled");
}

static void put_director(struct path_work *w, struct path_hop *h, const struct topology_director_pool *d)
{
    put_machines(h, w, d->machines, d->n_machines, d->sip_port);
    h->kind = "director";
    if (d->managed)
        path_fail(w, h, PATH_FAILS, "path.director", "name a Director that runs other software, or none",
                  "Director pool " SLICE_FMT " is managed, and this version has no such service yet.",
                  SLICE_ARG(d->fqdn));
}

/* What a Director does is its own affair; it should come to an Edge that works with it. */
static struct slice by_director(struct path_work *w, struct path_leg *leg, struct path_hop *h,
                                const struct topology_director_pool *d)
{
    const struct topology_edge_pool *edges[1];
    put_director(w, h, d);
    if (!h->n_addresses)
        path_fail(w, h, PATH_FAILS, "front-end.no-edge-machine", "add machines to the Director pool",
                  "The route leads to Director pool " SLICE_FMT ", which has no machine.",
                  SLICE_ARG(d->fqdn));
    if (!edges_federating(w->t, edges, 1)) {
        path_fail(w, h, PATH_FAILS, "edge.no-federation", "let an Edge pool with this next hop federate",
                  "No Edge pool that works with Director pool " SLICE_FMT " federates.", SLICE_ARG(d->fqdn));
        return SLICE_NONE;
    }
    struct path_hop *next = path_hop_add(leg, w, "edge", d->fqdn, edges[0]->fqdn, "TLS");
    next->decided_by = SLICE("the Director");
    next->state = PATH_BEYOND;
    put_edge(next, w, edges[0]);
    return edges[0]->fqdn;
}

/* Whose property the route is: a site without one of its own takes another's. */
static struct slice route_origin(struct path_work *w, const struct topology_site *site)
{
    const struct topology_site *parent = site ? topology_site_find(w->t, site->parent) : NULL;
    struct slice from = w->home.site;
    const char *how = "";
    if (site && !site->federation_route.n && parent && site->kind == TOPOLOGY_BRANCH_SITE &&
        parent->federation_route.n) {
        from = parent->name;
        how = ", which the branch site takes";
    }
    for (size_t i = 0; site && !site->federation_route.n && !*how && i < w->t->n_sites; i++)
        if (w->t->sites[i].route_for_all && w->t->sites[i].federation_route.n) {
            from = w->t->sites[i].name;
            how = ", which holds for all sites";
        }
    return arena_printf(w->a, "sites/" SLICE_FMT "/federation_route%s", SLICE_ARG(from), how);
}

static struct slice front_end_to_edge(struct path_work *w, struct path_leg *leg)
{
    const struct topology_site *site = topology_site_find(w->t, w->home.site);
    struct slice route = site ? topology_federation_route(w->t, site) : SLICE_NONE;
    struct path_hop *h = path_hop_add(leg, w, "edge", w->home.fqdn, route, w->home.transport);
    h->decided_by = route_origin(w, site);
    if (!route.n) {
        path_fail(w, h, PATH_FAILS, "front-end.no-federation-route",
                  "set federation_route of the site and publish",
                  "Site '" SLICE_FMT "' of pool " SLICE_FMT " has no federation route.",
                  SLICE_ARG(w->home.site), SLICE_ARG(w->home.fqdn));
        return route;
    }
    const struct topology_director_pool *director = topology_director_pool_find(w->t, route);
    if (director)
        return by_director(w, leg, h, director);
    edges_of_route(w, h, site, route);
    bool tls = slice_eq(slice_str(w->home.transport), SLICE("TLS"));
    h->certificate = tls ? SLICE("the machine that is dialled, by the internal authority") : SLICE_NONE;
    h->identity = tls ? SLICE("the sending machine's name, by the internal authority") : SLICE("its address");
    return route;
}

/* --- Edge to next hop --- */
static bool edge_to_next_hop(struct path_work *w, struct path_leg *leg, const struct topology_edge_pool *edge)
{
    const struct topology_front_end_pool *fe = topology_front_end_pool_find(w->t, edge->next_hop);
    const struct topology_foreign_pool *foreign = topology_foreign_pool_find(w->t, edge->next_hop);
    const struct topology_director_pool *director = topology_director_pool_find(w->t, edge->next_hop);
    struct path_hop *h = path_hop_add(leg, w, "next-hop", edge->fqdn, edge->next_hop,
                                      foreign ? transports[foreign->transport] : "TLS");
    h->decided_by = arena_printf(w->a, "edge_pools/" SLICE_FMT "/next_hop", SLICE_ARG(edge->fqdn));
    if (fe)
        put_machines(h, w, fe->machines, fe->n_machines, fe->sip_port);
    else if (foreign)
        put_machines(h, w, foreign->machines, foreign->n_machines, foreign->port);
    else if (director)
        put_director(w, h, director);
    bool tls = fe || director || (foreign && foreign->transport == TOPOLOGY_TLS);
    h->certificate = tls ? SLICE("the machine that is dialled, by the internal authority") : SLICE_NONE;
    h->identity = tls ? SLICE("the Edge's machine name, by the internal authority") : SLICE("its address");
    if (!h->n_addresses)
        path_fail(w, h, PATH_FAILS, "edge.no-next-hop", "set the pool's next_hop and publish",
                  edge->next_hop.n ? "Next hop " SLICE_FMT
                                     " of the Edge pool is no Front End or foreign pool with machines."
                                   : "The Edge pool" SLICE_FMT " has no next hop.",
                  SLICE_ARG(edge->next_hop));
    if ((foreign || director) && h->state == PATH_OK) {
        struct path_hop *last = path_hop_add(leg, w, "client", edge->next_hop, w->user, "");
        last->decided_by = foreign ? SLICE("the foreign pool") : SLICE("the Director");
        last->state = PATH_BEYOND;
    }
    return fe;
}

/* --- legs --- */
static void leg_end(struct path_leg *leg)
{
    leg->failing = SIZE_MAX;
    for (size_t i = leg->n; i > 0; i--)
        if (leg->hops[i - 1].state == PATH_FAILS)
            leg->failing = i - 1;
}

static struct path_leg *leg_begin(struct path *p, const char *carries, struct slice from, struct slice to)
{
    struct path_leg *leg = &p->legs[p->n++];
    *leg = (struct path_leg){.carries = carries, .from = from, .to = to};
    return leg;
}

static void leg_out(struct path_work *w, struct path *p)
{
    struct path_leg *leg = leg_begin(p, "message and call", w->user, w->peer);
    client_to_front_end(w, leg);
    struct slice route = front_end_to_edge(w, leg);
    if (route.n)
        path_to_partner(w, leg, route);
    leg_end(leg);
}

static void leg_in(struct path_work *w, struct path *p)
{
    struct path_leg *leg = leg_begin(p, "message and call", w->peer, w->user);
    const struct topology_edge_pool *edge = path_from_partner(w, leg);
    if (edge && edge_to_next_hop(w, leg, edge)) {
        front_end_to_client(w, leg, w->user);
        if (!slice_caseeq(edge->next_hop, w->home.fqdn))
            path_fail(w, &leg->hops[leg->n - 1], PATH_FAILS, "front-end.no-such-user",
                      "make the user's pool the next hop",
                      "The next hop is " SLICE_FMT ", and the user lives on " SLICE_FMT
                      ": this version hands nothing on between Front End pools.",
                      SLICE_ARG(edge->next_hop), SLICE_ARG(w->home.fqdn));
    }
    leg_end(leg);
}

static void leg_inside(struct path_work *w, struct path *p, struct slice from, struct slice to)
{
    struct path_leg *leg = leg_begin(p, "message and call", from, to);
    w->user = from;
    client_to_front_end(w, leg);
    front_end_to_client(w, leg, to);
    leg_end(leg);
}

static void legs_media(struct path_work *w, struct path *p)
{
    struct path_leg *leg = leg_begin(p, "media", w->user, w->peer);
    if (w->partner.n)
        path_media_out(w, leg);
    else
        path_media_inside(w, leg, w->peer);
    leg_end(leg);
    if (!w->partner.n)
        return;
    leg = leg_begin(p, "media", w->peer, w->user);
    path_media_in(w, leg);
    leg_end(leg);
}

static bool is_media(const struct path_leg *leg)
{
    return slice_eq(slice_str(leg->carries), SLICE("media"));
}

static void sum_up(struct path *p)
{
    p->state = PATH_OK;
    for (size_t i = 0; i < p->n; i++) {
        if (!is_media(&p->legs[i]) && p->legs[i].failing != SIZE_MAX)
            p->state = PATH_FAILS;
        for (size_t k = 0; k < p->legs[i].n && p->state == PATH_OK; k++)
            if (p->legs[i].hops[k].state == PATH_NOT_ASKED)
                p->state = PATH_NOT_ASKED;
    }
}

/* --- the question --- */
static struct slice domain_of(struct slice aor)
{
    size_t at = slice_find(aor, '@');
    return at == SIZE_MAX ? aor : slice_from(aor, at + 1);
}

static struct slice without_scheme(struct slice aor)
{
    return slice_casestarts(aor, SLICE("sips:"))  ? slice_from(aor, 5)
           : slice_casestarts(aor, SLICE("sip:")) ? slice_from(aor, 4)
                                                  : aor;
}

static bool is_domain(struct slice s)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    for (size_t i = 0; i < s.n; i++)
        if (!s.p[i] || !strchr(good, s.p[i]))
            return false;
    return s.n > 0 && s.n <= DNS_MAX_NAME;
}

static bool home_find(const struct topology *t, struct slice pool, struct path_home *ret)
{
    const struct topology_front_end_pool *fe = topology_front_end_pool_find(t, pool);
    const struct topology_foreign_pool *foreign = topology_foreign_pool_find(t, pool);
    if (fe)
        *ret = (struct path_home){fe->fqdn,       fe->site,     fe->media_edge, fe->machines,
                                  fe->n_machines, fe->sip_port, "TLS",          false};
    else if (foreign)
        *ret = (struct path_home){foreign->fqdn,
                                  foreign->site,
                                  SLICE_NONE,
                                  foreign->machines,
                                  foreign->n_machines,
                                  foreign->port,
                                  transports[foreign->transport],
                                  true};
    return fe || foreign;
}

/* Whose users are reached from outside, else the first. */
static bool usual_home(const struct topology *t, struct path_home *ret)
{
    const struct topology_edge_pool *edges[1];
    return (edges_federating(t, edges, 1) && home_find(t, edges[0]->next_hop, ret)) ||
           (t->n_front_end_pools && home_find(t, t->front_end_pools[0].fqdn, ret)) ||
           (t->n_foreign_pools && home_find(t, t->foreign_pools[0].fqdn, ret));
}

static int refuse(struct path_work *w, int r, struct slice *ret_why, const char *text, struct slice about)
{
    *ret_why = arena_printf(w->a, "%s (" SLICE_FMT ").", text, SLICE_ARG(slice_head(about, DNS_MAX_NAME)));
    return r;
}

enum { SHOWN_DOMAINS = 5 };

static int begin(struct path_work *w, struct slice from, struct slice to, struct slice pool,
                 struct slice *ret_why)
{
    struct slice a = domain_of(from), b = domain_of(to);
    bool a_ours = topology_is_own_domain(w->t, a), b_ours = topology_is_own_domain(w->t, b);
    if (!is_domain(a) || !is_domain(b))
        return refuse(w, -EINVAL, ret_why, "Name two users as user@domain, or two domains",
                      is_domain(a) ? to : from);
    if (!a_ours && !b_ours) {
        struct buf ours = {0};
        buf_append(&ours, w->t->deployment.default_domain);
        for (size_t i = 0; i < w->t->deployment.additional_domains.n && i < SHOWN_DOMAINS; i++)
            buf_printf(&ours, ", " SLICE_FMT, SLICE_ARG(w->t->deployment.additional_domains.items[i]));
        *ret_why = arena_printf(
            w->a,
            "Neither '" SLICE_FMT "' nor '" SLICE_FMT
            "' is a SIP domain of ours: name users as user@domain, one of them of " SLICE_FMT ".",
            SLICE_ARG(a), SLICE_ARG(b), SLICE_ARG(buf_slice(&ours)));
        buf_fini(&ours);
        return -EDOM;
    }
    if (pool.n ? !home_find(w->t, pool, &w->home) : !usual_home(w->t, &w->home))
        return refuse(w, -ENOENT, ret_why,
                      pool.n ? "There is no such Front End or foreign pool" : "There is no pool with users",
                      pool.n ? pool : a);
    w->user = a_ours ? from : to;
    w->peer = a_ours ? to : from;
    w->own = a_ours ? a : b;
    w->partner = a_ours && b_ours ? SLICE_NONE : a_ours ? b : a;
    return 0;
}

int path_find(const struct topology *t, const struct path_dns *dns, struct slice from, struct slice to,
              struct slice pool, struct arena *a, struct path *ret, struct slice *ret_why)
{
    struct path_work *w = ARENA_NEW(a, struct path_work);
    w->t = t;
    w->dns = dns;
    w->a = a;
    from = arena_copy(a, without_scheme(from));
    to = arena_copy(a, without_scheme(to));
    int r = begin(w, from, to, pool, ret_why);
    if (r < 0)
        return r;
    *ret = (struct path){.from = from, .to = to, .pool = w->home.fqdn, .live = dns != NULL};
    if (!w->partner.n) {
        leg_inside(w, ret, from, to);
        leg_inside(w, ret, to, from);
        w->user = from;
    } else {
        bool out_first = slice_eq(w->user, from);
        w->policy = path_policy_of(t, w->partner, w->user, w->home.site, a);
        path_ask_federation(w, w->partner, &w->theirs);
        if (out_first)
            leg_out(w, ret);
        leg_in(w, ret);
        if (!out_first)
            leg_out(w, ret);
    }
    legs_media(w, ret);
    sum_up(ret);
    return 0;
}

bool path_exists(const struct topology *t, struct slice own, struct slice partner, struct arena *a,
                 const struct path_hop **ret_hop)
{
    struct path p;
    struct slice why;
    if (path_find(t, NULL, own, partner, SLICE_NONE, a, &p, &why) < 0) {
        if (ret_hop)
            *ret_hop = NULL;
        return false;
    }
    for (size_t i = 0; i < p.n && ret_hop; i++)
        if (!is_media(&p.legs[i]) && p.legs[i].failing != SIZE_MAX) {
            *ret_hop = &p.legs[i].hops[p.legs[i].failing];
            break;
        }
    return p.state != PATH_FAILS;
}
