/* DNS: records that a topology implies, what name servers say, setting what differs. */
#include "service/central/priv.h"

#include "kept/nameserver/nameserver.h"
#include "kept/topology/records.h"

#include <errno.h>

enum {
    MAX_SERVERS = 48, /* of one view: resolvers, authoritative ones, and the one that takes updates */
    MAX_RESOLVERS = 8,
    MAX_ZONES = 256,    /* of one view; further names are asked of resolvers alone */
    MAX_CHANGES = 128,  /* of one name and type */
    ASK_MAX_MS = 30000, /* then the rest is left unasked */
};

/* --- records --- */
static int side_of(struct api_call *q, struct slice text, enum record_side *ret)
{
    *ret = slice_eq(text, SLICE("external"))   ? RECORD_EXTERNAL
           : slice_eq(text, SLICE("internal")) ? RECORD_INTERNAL
                                               : RECORD_BOTH;
    if (*ret == RECORD_BOTH && text.n)
        return refuse(&q->why, 400, "dns.side", "The side is external or internal.");
    return 0;
}

static int dns_records(struct api_call *q, const struct snapshot *s)
{
    struct topology_records r;
    enum record_side side;
    struct json_value *list = json_array(&q->a);
    struct buf zone = {0};
    if (side_of(q, q->query[QUERY_SIDE], &side) < 0)
        return -EPROTO;
    topology_records(s->topology, side, &q->a, &r);
    if (slice_eq(q->query[QUERY_FORMAT], SLICE("zone"))) {
        topology_records_write_zone(&r, &zone);
        json_set_string(&q->a, q->out, "text", buf_slice(&zone));
        buf_fini(&zone);
        return 0;
    }
    for (size_t i = 0; i < r.n; i++) {
        const struct topology_record *x = &r.items[i];
        struct json_value *o = json_object(&q->a);
        json_set_string(&q->a, o, "side", slice_str(record_side_name(x->side)));
        json_set_string(&q->a, o, "name", x->name);
        json_set_string(&q->a, o, "type", slice_str(record_type_name(x->type)));
        json_set_int(&q->a, o, "ttl", x->ttl);
        json_set_string(&q->a, o, "data", x->data);
        json_set_bool(&q->a, o, "optional", x->optional);
        json_set_string(&q->a, o, "use", slice_str(x->use));
        json_push(&q->a, list, o);
    }
    json_set_int(&q->a, q->out, "revision", (int64_t)s->number);
    json_set(&q->a, q->out, "records", list);
    return 0;
}

/* --- asking servers --- */
struct server {
    struct net_addr addr;
    bool authoritative;
    bool dead;
    char error[NAMESERVER_ERROR];
    size_t unasked;
};
/* A domain of names that are asked for, and the servers of the zone that it lies in, as indexes. */
struct authority {
    struct slice domain, zone;
    size_t servers[NAMESERVER_MAX_AUTHORITIES];
    size_t n;
};
/* What one side sees, or all where inside and outside see the same. */
struct view {
    const char *name;
    enum record_side side;
    struct server servers[MAX_SERVERS];
    size_t n_servers;
    struct net_addr resolver; /* the first one; family 0: none */
    struct authority *authorities;
    size_t n_authorities;
    struct record_set *sets, *hidden; /* what is wanted; what must not be seen */
    size_t n_sets, n_hidden;
};
struct asking {
    struct api_call *q;
    const struct snapshot *s;
    struct view views[2];
    size_t n_views;
    int64_t until;
    struct json_value *rows, *servers;
    int64_t differences;
};

static bool zone_of(const struct snapshot *s, struct slice name, struct slice *ret)
{
    bool found = false;
    for (size_t i = 0; s->has_dns && i < s->dns.n_zones; i++)
        if (slice_within_domain(name, s->dns.zones[i]) && (!found || s->dns.zones[i].n > ret->n)) {
            *ret = s->dns.zones[i];
            found = true;
        }
    return found;
}

/* Its index; MAX_SERVERS: there is no room. */
static size_t servers_add(struct view *w, const struct net_addr *addr, bool authoritative)
{
    for (size_t i = 0; i < w->n_servers; i++)
        if (net_addr_eq(&w->servers[i].addr, addr) && w->servers[i].authoritative == authoritative)
            return i;
    if (w->n_servers == MAX_SERVERS)
        return MAX_SERVERS;
    w->servers[w->n_servers] = (struct server){.addr = *addr, .authoritative = authoritative};
    return w->n_servers++;
}

static void resolvers_add(struct asking *k, struct view *w)
{
    const struct topology_names *names = topology_resolvers(k->s->topology, w->side);
    struct net_addr addr;
    for (size_t i = 0; i < names->n && i < MAX_RESOLVERS; i++)
        if (net_addr_parse_port(names->items[i], NAMESERVER_PORT, &addr) == 0)
            servers_add(w, &addr, false);
    if (!names->n && nameserver_of_machine(&addr) == 0)
        servers_add(w, &addr, false);
    if (w->n_servers)
        w->resolver = w->servers[0].addr;
}

static struct view *view_begin(struct asking *k, const char *name, enum record_side side)
{
    struct view *w = &k->views[k->n_views++];
    struct topology_records r;
    w->name = name;
    w->side = side;
    w->authorities = ARENA_ARRAY(&k->q->a, struct authority, MAX_ZONES);
    topology_records(k->s->topology, side, &k->q->a, &r);
    topology_record_sets(&r, &k->q->a, &w->sets, &w->n_sets);
    return w;
}

/* 0, or negative errno: then nothing is known. -ELOOP: an alias stands there. */
static int ask_set(struct asking *k, struct server *server, const struct record_set *set,
                   struct record_diff **ret, size_t *ret_n)
{
    struct arena *a = &k->q->a;
    struct dns_record *records = NULL;
    size_t n = 0;
    if (server->dead || loop_wall() > k->until) {
        server->unasked++;
        return -ETIMEDOUT;
    }
    int r = nameserver_ask(&server->addr, set->name, set->type, a, &records, &n, server->error);
    if (r < 0 && r != -ELOOP) {
        server->dead = r == -ETIMEDOUT || r == -ECONNREFUSED;
        server->unasked++;
        return r;
    }
    struct record_found *found = ARENA_ARRAY(a, struct record_found, n + 1);
    for (size_t i = 0; i < n; i++)
        found[i] = (struct record_found){record_data_of(&records[i], a), records[i].ttl};
    if (r == -ELOOP)
        found[n++] = (struct record_found){SLICE("(an alias)"), set->ttl};
    record_set_compare(set, found, n, server->authoritative, a, ret, ret_n);
    return r;
}

static bool is_difference(const struct record_diff *d)
{
    return d->state != RECORD_OK && d->state != RECORD_OPTIONAL;
}

static void put_row(struct asking *k, const struct view *w, const struct server *server,
                    const struct record_set *set, const struct record_diff *d)
{
    struct arena *a = &k->q->a;
    struct json_value *o = json_object(a);
    char text[NET_ADDR_TEXT];
    json_set_string(a, o, "state", slice_str(record_state_name(d->state)));
    json_set_string(a, o, "name", set->name);
    json_set_string(a, o, "type", slice_str(record_type_name(set->type)));
    json_set_string(a, o, "side", slice_str(record_side_name(set->side)));
    json_set_string(a, o, "view", slice_str(w->name));
    json_set_string(a, o, "wanted", d->wanted);
    json_set_string(a, o, "found", d->found);
    json_set_int(a, o, "wanted_ttl", d->wanted_ttl);
    json_set_int(a, o, "found_ttl", d->found_ttl);
    json_set_string(a, o, "server", net_addr_text(&server->addr, text));
    json_set_bool(a, o, "authoritative", server->authoritative);
    json_set_string(a, o, "use", slice_str(set->use));
    json_push(a, k->rows, o);
    k->differences += is_difference(d) && !set->optional;
}

static void put_servers(struct asking *k, const struct view *w)
{
    struct arena *a = &k->q->a;
    for (size_t i = 0; i < w->n_servers; i++) {
        const struct server *server = &w->servers[i];
        struct json_value *o = json_object(a);
        char text[NET_ADDR_TEXT];
        json_set_string(a, o, "address", net_addr_text(&server->addr, text));
        json_set_bool(a, o, "authoritative", server->authoritative);
        json_set_string(a, o, "view", slice_str(w->name));
        json_set_int(a, o, "unasked", (int64_t)server->unasked);
        if (server->unasked)
            json_set_string(a, o, "why",
                            server->error[0] ? slice_str(server->error) : SLICE("there was no time for all"));
        json_push(a, k->servers, o);
    }
}

static void asking_init(struct asking *k, struct api_call *q, const struct snapshot *s)
{
    k->q = q;
    k->s = s;
    k->until = loop_wall() + ASK_MAX_MS;
    k->rows = json_array(&q->a);
    k->servers = json_array(&q->a);
}

static int no_server(struct api_call *q)
{
    return refuse(&q->why, 409, "dns.no-server",
                  "No name server is known: name dns_servers in the topology, or entente dns server.");
}

/* --- the difference --- */
/* The servers of the zone that this name lies in: by its NS records, as the view's resolver sees them, and
 * the one that takes updates where there is one view. NULL: none is known. */
static const struct authority *authority_of(struct asking *k, struct view *w, struct slice name)
{
    struct slice domain = record_domain(name);
    struct nameserver_zone z = {0};
    struct server *resolver = w->resolver.sa.sa_family ? &w->servers[0] : NULL;
    for (size_t i = 0; i < w->n_authorities; i++)
        if (slice_eq(w->authorities[i].domain, domain))
            return &w->authorities[i];
    if (w->n_authorities == MAX_ZONES)
        return NULL;
    struct authority *found = &w->authorities[w->n_authorities++];
    *found = (struct authority){.domain = domain};
    if (resolver && !resolver->dead && loop_wall() <= k->until) {
        int r = nameserver_zone_of(&w->resolver, domain, &k->q->a, &z, resolver->error);
        resolver->dead = r == -ETIMEDOUT || r == -ECONNREFUSED;
    }
    if (zone_of(k->s, name, &found->zone) && w->side == RECORD_BOTH)
        found->servers[found->n++] = servers_add(w, &k->s->dns.server, true);
    for (size_t i = 0; i < z.n && found->n < NAMESERVER_MAX_AUTHORITIES; i++) {
        size_t at = servers_add(w, &z.servers[i], true);
        if (at < MAX_SERVERS && !(found->n && found->servers[0] == at))
            found->servers[found->n++] = at;
    }
    if (z.n)
        found->zone = z.name;
    return found;
}

static void ask_one(struct asking *k, struct view *w, struct server *server, const struct record_set *set,
                    bool hidden)
{
    const struct record_set none = {set->name, set->type, set->ttl, NULL, 0, false, set->side, set->use};
    struct record_diff *d = NULL;
    size_t n = 0;
    int r = ask_set(k, server, hidden ? &none : set, &d, &n);
    for (size_t i = 0; (r == 0 || r == -ELOOP) && i < n; i++) {
        if (hidden)
            d[i].state = RECORD_EXPOSED;
        put_row(k, w, server, hidden ? &none : set, &d[i]);
    }
}

/* A resolver that is a server of this very zone is asked once, as that. */
static bool is_among(const struct view *w, const struct authority *at, const struct server *resolver)
{
    for (size_t i = 0; at && i < at->n; i++)
        if (net_addr_eq(&w->servers[at->servers[i]].addr, &resolver->addr))
            return true;
    return false;
}

/* Resolvers first: they say where the authoritative servers are, and what clients come to see. */
static void ask_view(struct asking *k, struct view *w, const struct record_set *sets, size_t n, bool hidden)
{
    size_t n_resolvers = 0;
    while (n_resolvers < w->n_servers && !w->servers[n_resolvers].authoritative)
        n_resolvers++;
    for (size_t i = 0; i < n; i++) {
        const struct authority *at = authority_of(k, w, sets[i].name);
        for (size_t v = 0; v < n_resolvers; v++)
            if (!is_among(w, at, &w->servers[v]))
                ask_one(k, w, &w->servers[v], &sets[i], hidden);
        for (size_t v = 0; at && v < at->n; v++)
            ask_one(k, w, &w->servers[at->servers[v]], &sets[i], hidden);
    }
}

static void hide_inside(struct asking *k, struct view *outside)
{
    struct topology_records r;
    struct record_set *sets;
    size_t n;
    topology_records(k->s->topology, RECORD_INTERNAL, &k->q->a, &r);
    topology_record_sets(&r, &k->q->a, &sets, &n);
    record_sets_hidden(sets, n, outside->sets, outside->n_sets, &k->q->a, &outside->hidden,
                       &outside->n_hidden);
}

static int dns_check(struct api_call *q, const struct snapshot *s)
{
    struct asking *k = ARENA_NEW(&q->a, struct asking);
    bool split = topology_dns_is_split(s->topology), any = false;
    enum record_side side;
    asking_init(k, q, s);
    if (side_of(q, q->query[QUERY_SIDE], &side) < 0)
        return -EPROTO;
    if (!split)
        view_begin(k, "", RECORD_BOTH);
    if (split && (side & RECORD_EXTERNAL))
        hide_inside(k, view_begin(k, "outside", RECORD_EXTERNAL));
    if (split && (side & RECORD_INTERNAL))
        view_begin(k, "inside", RECORD_INTERNAL);
    for (size_t i = 0; i < k->n_views; i++) {
        struct view *w = &k->views[i];
        size_t n = 0;
        for (size_t j = 0; j < w->n_sets; j++)
            if (w->sets[j].side & side)
                w->sets[n++] = w->sets[j];
        resolvers_add(k, w);
        any = any || w->n_servers || s->has_dns;
        ask_view(k, w, w->sets, n, false);
        ask_view(k, w, w->hidden, w->n_hidden, true);
        put_servers(k, w);
    }
    if (!any)
        return no_server(q);
    json_set(&q->a, q->out, "servers", k->servers);
    json_set(&q->a, q->out, "records", k->rows);
    json_set_int(&q->a, q->out, "differences", k->differences);
    return 0;
}

/* --- changing them --- */
static bool is_wanted(const struct json_value *sets, const struct record_set *set)
{
    for (size_t i = 0; i < json_count(sets); i++)
        if (slice_caseeq(json_get_string(json_at(sets, i), "name"), set->name) &&
            slice_eq(json_get_string(json_at(sets, i), "type"), slice_str(record_type_name(set->type))))
            return true;
    return !sets;
}

/* The whole set in one update: the name never stands there without it. */
static int update_set(struct asking *k, const struct record_set *set, struct slice zone, bool alias,
                      char error[NAMESERVER_ERROR])
{
    const struct central_dns *dns = &k->s->dns;
    const struct dns_tsig_key key = {dns->key_name, dns->key_secret};
    struct dns_change changes[MAX_CHANGES];
    size_t n = 0;
    if (alias)
        changes[n++] = (struct dns_change){.name = set->name, .type = DNS_CNAME};
    changes[n++] = (struct dns_change){.name = set->name, .type = set->type};
    for (size_t i = 0; i < set->n && n < MAX_CHANGES; i++)
        changes[n++] = (struct dns_change){true, set->name, set->type, set->ttl, set->data[i]};
    return nameserver_update(&dns->server, zone, changes, n, key.name.n ? &key : NULL,
                             (uint64_t)(loop_wall() / 1000), error);
}

static void apply_set(struct asking *k, const struct record_set *set, bool dry, struct json_value *changes)
{
    struct arena *a = &k->q->a;
    struct view *w = &k->views[0];
    struct record_diff *d;
    struct slice zone;
    size_t n = 0, differ = 0;
    char error[NAMESERVER_ERROR] = "";
    if (set->optional || !zone_of(k->s, set->name, &zone))
        return;
    int r = ask_set(k, &w->servers[0], set, &d, &n);
    for (size_t i = 0; (r == 0 || r == -ELOOP) && i < n; i++)
        differ += is_difference(&d[i]);
    if (!differ)
        return;
    for (size_t i = 0; i < n; i++)
        if (is_difference(&d[i]))
            put_row(k, w, &w->servers[0], set, &d[i]);
    struct json_value *o = json_object(a);
    json_set_string(a, o, "name", set->name);
    json_set_string(a, o, "type", slice_str(record_type_name(set->type)));
    json_set_string(a, o, "zone", zone);
    if (!dry && update_set(k, set, zone, r == -ELOOP, error) < 0)
        json_set_string(a, o, "error", slice_str(error));
    json_push(a, changes, o);
}

static int dns_apply(struct api_call *q, const struct snapshot *s)
{
    struct asking *k = ARENA_NEW(&q->a, struct asking);
    const struct json_value *sets = json_get(q->in, "sets");
    struct json_value *changes = json_array(&q->a);
    bool dry = json_get_bool(q->in, "dry_run", false);
    enum record_side side;
    if (!s->has_dns)
        return refuse(&q->why, 409, "dns.not-configured",
                      "Nobody takes updates: entente dns server ADDR:PORT ZONE… says who does.");
    if (side_of(q, json_get_string(q->in, "side"), &side) < 0)
        return -EPROTO;
    if (side == RECORD_BOTH && topology_dns_is_split(s->topology))
        return refuse(
            &q->why, 422, "dns.side-needed",
            "Inside and outside are two views of DNS, and the server that takes updates holds one of "
            "them: --side external or --side internal says which.");
    asking_init(k, q, s);
    struct view *w = view_begin(k, "", side);
    servers_add(w, &s->dns.server, true);
    for (size_t i = 0; i < w->n_sets; i++)
        if (is_wanted(sets, &w->sets[i]))
            apply_set(k, &w->sets[i], dry, changes);
    put_servers(k, w);
    json_set(&q->a, q->out, "servers", k->servers);
    json_set_bool(&q->a, q->out, "dry_run", dry);
    json_set(&q->a, q->out, "changes", changes);
    json_set(&q->a, q->out, "records", k->rows);
    return 0;
}

/* --- each on a thread of its own --- */
static int ask_dns_records(struct api_call *q, struct central *c)
{
    return api_ask(q, c, dns_records);
}

static int ask_dns_check(struct api_call *q, struct central *c)
{
    return api_ask(q, c, dns_check);
}

static int ask_dns_apply(struct api_call *q, struct central *c)
{
    return api_ask(q, c, dns_apply);
}

const struct api_route api_dns_routes[] = {
    {"GET",  "/v1/dns/records", NULL, ask_dns_records,
     "records that the topology implies; ?side=, ?format=zone, ?draft=1"                   },
    {"GET",  "/v1/dns/check",   NULL, ask_dns_check,
     "how they differ from what resolvers and the zones' own servers say; ?side=, ?draft=1"},
    {"POST", "/v1/dns/apply",   NULL, ask_dns_apply,
     "{side, dry_run, sets: [{name, type}]}: what differs, set by RFC 2136"                },
};
const size_t api_n_dns_routes = sizeof(api_dns_routes) / sizeof(api_dns_routes[0]);
