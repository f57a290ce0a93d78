/* What a topology means for the network: firewall rules, paths. */
#include "service/central/priv.h"

#include "kept/nameserver/nameserver.h"
#include "kept/topology/firewall.h"
#include "kept/topology/path.h"
#include "kept/topology/records.h"

#include <errno.h>
#include <stdio.h>

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

struct machines {
    const struct topology_machine *items;
    size_t n;
};

static struct machines machines_of(const struct topology *t, struct slice pool)
{
    const struct topology_edge_pool *edge = topology_edge_pool_find(t, pool);
    const struct topology_front_end_pool *fe = topology_front_end_pool_find(t, pool);
    const struct topology_director_pool *director = topology_director_pool_find(t, pool);
    if (edge)
        return (struct machines){edge->machines, edge->n_machines};
    if (fe)
        return (struct machines){fe->machines, fe->n_machines};
    return director ? (struct machines){director->machines, director->n_machines} : (struct machines){0};
}

/* Rules are a machine's: who names its pool is told the machines. */
static bool put_pool(struct api_call *q, const struct topology *t, struct slice pool)
{
    struct machines m = machines_of(t, pool);
    struct buf names = {0};
    for (size_t i = 0; i < m.n; i++)
        buf_printf(&names, "%s" SLICE_FMT, i ? ", " : "", SLICE_ARG(m.items[i].fqdn));
    if (m.n)
        refuse(&q->why, 404, "firewall.no-machine",
               "'" SLICE_FMT "' is a pool: name one of its machines, " SLICE_FMT ".", SLICE_ARG(pool),
               SLICE_ARG(slice_head(buf_slice(&names), 300)));
    buf_fini(&names);
    return m.n > 0;
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
    if (!n && machine.n && put_pool(q, s->topology, machine))
        return -EPROTO;
    if (!n && machine.n)
        return refuse(&q->why, 404, "firewall.no-machine",
                      "There is no machine '" SLICE_FMT "' in the topology; entente machine list names them.",
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
    const struct topology_names *servers = topology_resolvers(s->topology, RECORD_EXTERNAL);
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
    if (q->query[QUERY_DRAFT].n)
        json_set_bool(&q->a, q->out, "draft", true);
    return 0;
}

/* --- each on a thread of its own --- */
#define ASKS(name)                                                                                           \
    static int ask_##name(struct api_call *q, struct central *c)                                             \
    {                                                                                                        \
        return api_ask(q, c, name);                                                                          \
    }
ASKS(firewall)
ASKS(path)

const struct api_route api_network_routes[] = {
    {"GET", "/v1/firewall", NULL, ask_firewall, "ports of the machines; ?machine=, ?format=nft, ?draft=1"},
    {"GET", "/v1/path",     NULL, ask_path,
     "hops of a message, a call and its media; ?from=, ?to=, ?pool=, ?static=1, ?draft=1"                },
};
const size_t api_n_network_routes = sizeof(api_network_routes) / sizeof(api_network_routes[0]);
