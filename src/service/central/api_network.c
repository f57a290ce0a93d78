/* What a topology means for the network: DNS records, firewall rules, paths. */
#include "service/central/priv.h"

#include "kept/nameserver/nameserver.h"
#include "kept/topology/firewall.h"
#include "kept/topology/path.h"
#include "kept/topology/records.h"

#include <errno.h>
#include <stdio.h>

enum {
    MAX_SERVERS = 9,    /* resolvers, and the one that takes updates */
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
    bool authoritative; /* for `zones` */
    bool dead;
    char error[NAMESERVER_ERROR];
    size_t unasked;
};
struct asking {
    struct api_call *q;
    const struct snapshot *s;
    struct server servers[MAX_SERVERS];
    size_t n_servers;
    struct record_set *sets;
    size_t n_sets;
    int64_t until;
    struct json_value *rows;
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

static void servers_add(struct asking *k, const struct net_addr *addr, bool authoritative)
{
    for (size_t i = 0; i < k->n_servers; i++)
        if (net_addr_eq(&k->servers[i].addr, addr))
            return;
    if (k->n_servers < MAX_SERVERS)
        k->servers[k->n_servers++] = (struct server){.addr = *addr, .authoritative = authoritative};
}

static void servers_of(struct asking *k, bool authoritative_only)
{
    const struct topology_names *names = &k->s->topology->deployment.dns_servers;
    struct net_addr addr;
    if (k->s->has_dns)
        servers_add(k, &k->s->dns.server, true);
    for (size_t i = 0; i < names->n && !authoritative_only; i++)
        if (net_addr_parse_port(names->items[i], NAMESERVER_PORT, &addr) == 0)
            servers_add(k, &addr, false);
    if (!names->n && !authoritative_only && nameserver_of_machine(&addr) == 0)
        servers_add(k, &addr, false);
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

static void put_row(struct asking *k, const struct server *server, const struct record_set *set,
                    const struct record_diff *d)
{
    struct arena *a = &k->q->a;
    struct json_value *o = json_object(a);
    char text[NET_ADDR_TEXT];
    json_set_string(a, o, "state", slice_str(record_state_name(d->state)));
    json_set_string(a, o, "name", set->name);
    json_set_string(a, o, "type", slice_str(record_type_name(set->type)));
    json_set_string(a, o, "side", slice_str(record_side_name(set->side)));
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

static int asking_begin(struct asking *k, struct api_call *q, const struct snapshot *s, struct slice side,
                        bool authoritative_only)
{
    struct topology_records r;
    enum record_side which;
    k->q = q;
    k->s = s;
    k->until = loop_wall() + ASK_MAX_MS;
    k->rows = json_array(&q->a);
    if (side_of(q, side, &which) < 0)
        return -EPROTO;
    topology_records(s->topology, which, &q->a, &r);
    topology_record_sets(&r, &q->a, &k->sets, &k->n_sets);
    servers_of(k, authoritative_only);
    if (!k->n_servers)
        return refuse(&q->why, 409, "dns.no-server",
                      "No name server is known: name dns_servers in the topology, or entente dns server.");
    return 0;
}

static void put_servers(struct asking *k)
{
    struct arena *a = &k->q->a;
    struct json_value *list = json_array(a);
    for (size_t i = 0; i < k->n_servers; i++) {
        const struct server *server = &k->servers[i];
        struct json_value *o = json_object(a);
        char text[NET_ADDR_TEXT];
        json_set_string(a, o, "address", net_addr_text(&server->addr, text));
        json_set_bool(a, o, "authoritative", server->authoritative);
        json_set_int(a, o, "unasked", (int64_t)server->unasked);
        if (server->unasked)
            json_set_string(a, o, "why",
                            server->error[0] ? slice_str(server->error) : SLICE("there was no time for all"));
        json_push(a, list, o);
    }
    json_set(a, k->q->out, "servers", list);
}

static int dns_check(struct api_call *q, const struct snapshot *s)
{
    struct asking k = {0};
    struct slice zone;
    if (asking_begin(&k, q, s, q->query[QUERY_SIDE], false) < 0)
        return -EPROTO;
    for (size_t v = 0; v < k.n_servers; v++)
        for (size_t i = 0; i < k.n_sets; i++) {
            struct record_diff *d;
            size_t n = 0;
            if (k.servers[v].authoritative && !zone_of(s, k.sets[i].name, &zone))
                continue;
            int r = ask_set(&k, &k.servers[v], &k.sets[i], &d, &n);
            for (size_t m = 0; (r == 0 || r == -ELOOP) && m < n; m++)
                put_row(&k, &k.servers[v], &k.sets[i], &d[m]);
        }
    put_servers(&k);
    json_set(&q->a, q->out, "records", k.rows);
    json_set_int(&q->a, q->out, "differences", k.differences);
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
    struct record_diff *d;
    struct slice zone;
    size_t n = 0, differ = 0;
    char error[NAMESERVER_ERROR] = "";
    if (set->optional || !zone_of(k->s, set->name, &zone))
        return;
    int r = ask_set(k, &k->servers[0], set, &d, &n);
    for (size_t i = 0; (r == 0 || r == -ELOOP) && i < n; i++)
        differ += is_difference(&d[i]);
    if (!differ)
        return;
    for (size_t i = 0; i < n; i++)
        if (is_difference(&d[i]))
            put_row(k, &k->servers[0], set, &d[i]);
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
    struct asking k = {0};
    const struct json_value *sets = json_get(q->in, "sets");
    struct json_value *changes = json_array(&q->a);
    bool dry = json_get_bool(q->in, "dry_run", false);
    if (!s->has_dns)
        return refuse(&q->why, 409, "dns.not-configured",
                      "Nobody takes updates: entente dns server ADDR:PORT ZONE… says who does.");
    if (asking_begin(&k, q, s, json_get_string(q->in, "side"), true) < 0)
        return -EPROTO;
    for (size_t i = 0; i < k.n_sets; i++)
        if (is_wanted(sets, &k.sets[i]))
            apply_set(&k, &k.sets[i], dry, changes);
    put_servers(&k);
    json_set_bool(&q->a, q->out, "dry_run", dry);
    json_set(&q->a, q->out, "changes", changes);
    json_set(&q->a, q->out, "records", k.rows);
    return 0;
}

/* --- firewall --- */
static struct json_value *rule_to_json(struct api_call *q, const struct firewall_rule *r, bool addresses)
{
    struct arena *a = &q->a;
    struct json_value *o = json_object(a), *local = json_array(a), *peers = json_array(a);
    json_set_string(a, o, "side", slice_str(firewall_side_name(r->side)));
    json_set_string(a, o, "direction", slice_str(firewall_direction_name(r->direction)));
    json_set_string(a, o, "proto", slice_str(firewall_proto_name(r->proto)));
    json_set_int(a, o, "port", r->port);
    json_set_int(a, o, "port_end", r->port_end);
    for (size_t i = 0; i < 2; i++)
        if (r->local[i].n)
            json_push(a, local, json_string(a, r->local[i]));
    json_set(a, o, "addresses", local);
    json_set_string(a, o, "peers", r->peers->text);
    for (size_t i = 0; addresses && i < r->peers->n; i++)
        json_push(a, peers, json_string(a, r->peers->addresses[i]));
    if (addresses)
        json_set(a, o, "peer_addresses", peers);
    json_set_string(a, o, "use", slice_str(r->use));
    json_set_bool(a, o, "served", r->served);
    return o;
}

static int firewall(struct api_call *q, const struct snapshot *s)
{
    struct slice machine = q->query[QUERY_MACHINE];
    struct firewall_machine *m;
    struct json_value *list = json_array(&q->a);
    struct buf text = {0};
    bool nft = slice_eq(q->query[QUERY_FORMAT], SLICE("nft"));
    if (nft && !machine.n)
        return refuse(&q->why, 422, "firewall.machine", "Name the machine whose rules the file shall hold.");
    size_t n = topology_firewall(s->topology, machine, &q->a, &m);
    if (!n && machine.n)
        return refuse(&q->why, 404, "firewall.no-machine",
                      "There is no machine '" SLICE_FMT "' in the published topology.",
                      SLICE_ARG(slice_head(machine, 200)));
    if (nft) {
        firewall_write_nft(m, &text);
        json_set_string(&q->a, q->out, "text", buf_slice(&text));
        buf_fini(&text);
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        struct json_value *o = json_object(&q->a), *rules = json_array(&q->a);
        json_set_string(&q->a, o, "fqdn", m[i].fqdn);
        json_set_string(&q->a, o, "role", slice_str(m[i].role));
        for (size_t k = 0; k < m[i].n; k++)
            json_push(&q->a, rules, rule_to_json(q, &m[i].rules[k], machine.n > 0));
        json_set(&q->a, o, "rules", rules);
        json_push(&q->a, list, o);
    }
    json_set_int(&q->a, q->out, "revision", (int64_t)s->number);
    json_set(&q->a, q->out, "machines", list);
    return 0;
}

/* --- paths --- */
struct live {
    struct net_addr server;
    int error; /* it does not answer: asked no more */
    char text[NAMESERVER_ERROR];
};

static int live_ask(void *arg, struct slice name, uint16_t type, struct arena *a, struct dns_record **ret,
                    size_t *ret_n, struct slice *ret_why)
{
    struct live *l = arg;
    int r = l->error;
    if (r == 0)
        r = nameserver_resolve(&l->server, name, type, a, ret, ret_n, l->text);
    if (r == -ETIMEDOUT || r == -ECONNREFUSED)
        l->error = r;
    if (r < 0)
        *ret_why = arena_copy(a, slice_str(l->text));
    return r;
}

static int path(struct api_call *q, const struct snapshot *s)
{
    static const struct {
        int error;
        unsigned status;
        const char *id;
    } refusals[] = {
        {-EDOM,   422, "path.not-ours" },
        {-ENOENT, 404, "path.no-pool"  },
        {0,       422, "path.malformed"}
    };
    const struct topology_names *servers = &s->topology->deployment.dns_servers;
    bool fixed = q->query[QUERY_STATIC].n > 0;
    struct live live = {0};
    struct path_dns dns = {live_ask, &live};
    struct path p;
    struct slice why;
    if (servers->n)
        live.error = net_addr_parse_port(servers->items[0], NAMESERVER_PORT, &live.server);
    else if (!fixed)
        live.error = nameserver_of_machine(&live.server);
    if (live.error)
        snprintf(live.text, sizeof(live.text), "no name server is known");
    int r = path_find(s->topology, fixed ? NULL : &dns, q->query[QUERY_FROM], q->query[QUERY_TO],
                      q->query[QUERY_POOL], &q->a, &p, &why);
    if (r < 0) {
        size_t i = 0;
        while (refusals[i].error && refusals[i].error != r)
            i++;
        return refuse(&q->why, refusals[i].status, refusals[i].id, SLICE_FMT, SLICE_ARG(why));
    }
    q->out = path_to_json(&p, &q->a);
    json_set_int(&q->a, q->out, "revision", (int64_t)s->number);
    return 0;
}

/* --- each on a thread of its own --- */
#define ASKS(name)                                                                                           \
    static int ask_##name(struct api_call *q, struct central *c)                                             \
    {                                                                                                        \
        return api_ask(q, c, name);                                                                          \
    }
ASKS(dns_records)
ASKS(dns_check)
ASKS(dns_apply)
ASKS(firewall)
ASKS(path)

const struct api_route api_network_routes[] = {
    {"GET",  "/v1/dns/records", NULL, ask_dns_records,
     "records that the topology implies; ?side=, ?format=zone"                                             },
    {"GET",  "/v1/dns/check",   NULL, ask_dns_check,   "how they differ from what name servers say; ?side="},
    {"POST", "/v1/dns/apply",   NULL, ask_dns_apply,
     "{side, dry_run, sets: [{name, type}]}: what differs, set by RFC 2136"                                },
    {"GET",  "/v1/firewall",    NULL, ask_firewall,    "ports of the machines; ?machine=, ?format=nft"     },
    {"GET",  "/v1/path",        NULL, ask_path,
     "hops of a message, a call and its media; ?from=, ?to=, ?pool=, ?static=1"                            },
};
const size_t api_n_network_routes = sizeof(api_network_routes) / sizeof(api_network_routes[0]);
