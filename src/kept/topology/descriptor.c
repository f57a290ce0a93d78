#include "kept/topology/descriptor.h"

#define ROW(object, member, kind_of, ...)                                                                    \
    {                                                                                                        \
        .name = #member, .type = PROPERTY_##kind_of, .offset = offsetof(struct object, member), __VA_ARGS__  \
    }
#define LIST(object, member, of, ...)                                                                        \
    ROW(object, member, OBJECTS, .kind = &(of), .count_offset = offsetof(struct object, n_##member),         \
        __VA_ARGS__)
#define KIND(title, object, rows, text)                                                                      \
    {                                                                                                        \
        .name = (title), .size = sizeof(struct object), .properties = (rows),                                \
        .n_properties = sizeof(rows) / sizeof((rows)[0]), .help = (text)                                     \
    }
#define PORT .min = 1, .max = 65535

static int64_t foreign_port(const void *object)
{
    return ((const struct topology_foreign_pool *)object)->transport == TOPOLOGY_TLS ? 5061 : 5060;
}

static const struct property machine_rows[] = {
    ROW(topology_machine, fqdn, FQDN, .identity = true, .help = "The host's full name.",
        .lync = "computer FQDN"),
    ROW(topology_machine, internal_address, ADDRESS,
        .help = "The address on which the machine is reached from inside.", .lync = "internal IP address"),
    ROW(topology_machine, external_address, ADDRESS,
        .help = "The address on which an Edge machine is reached by other organisations.",
        .lync = "external IP address of the Access Edge service"),
};
static const struct kind machine_kind =
    KIND("machine", topology_machine, machine_rows, "One host of a pool, known by its full name.");

static const struct property deployment_rows[] = {
    ROW(topology_deployment, name, NAME, .help = "What the deployment is called in lists and certificates.",
        .lync = "deployment name"),
    ROW(topology_deployment, default_domain, DOMAIN, .help = "The SIP domain that comes first.",
        .lync = "default (primary) SIP domain"),
    ROW(topology_deployment, additional_domains, NAMES, .max = TOPOLOGY_MAX_NAMES, .item = PROPERTY_DOMAIN,
        .help = "Further SIP domains of this deployment.", .lync = "additional SIP domains"),
    ROW(topology_deployment, dns_servers, NAMES, .max = TOPOLOGY_MAX_NAMES, .item = PROPERTY_ENDPOINT,
        .help = "Name servers as ADDRESS or ADDRESS:PORT; none means those that each machine has."),
    ROW(topology_deployment, dnssec, BOOL,
        .help =
            "Validates DNS answers, which the proof of a partner by an SRV target outside its domain needs."),
    ROW(topology_deployment, dnssec_anchor, TEXT, .help = "File of trust anchors on each Edge machine."),
    ROW(topology_deployment, partner_discovery, BOOL,
        .help = "Admits domains that are in no list, when their name is proven.",
        .lync = "EnablePartnerDiscovery"),
    ROW(topology_deployment, accept_server_auth_only, BOOL, .otherwise = "true",
        .help = "Accepts partners' certificates that are made for servers alone, as public authorities issue "
                "them."),
    ROW(topology_deployment, discovered_srv_names, BOOL,
        .help = "Lets a discovered partner be proven by the target of its SRV record."),
    ROW(topology_deployment, dialog_key_days, INT, .otherwise = "7", .min = 0, .max = 3650, .unit = "days",
        .help = "How long dialogs that were begun under an old key are still served."),
    ROW(topology_deployment, connections_per_partner, INT, .otherwise = "4", .min = 1, .max = 64,
        .help = "Outgoing connections to one partner at most.",
        .lync = "OutgoingTlsCountForFederatedPartners"),
    ROW(topology_deployment, attempt_ms, INT, .otherwise = "6000", .min = 100, .max = 30000,
        .unit = "milliseconds",
        .help = "How long one target may take to answer before the next one is tried."),
    ROW(topology_deployment, attempts_max, INT, .otherwise = "4", .min = 1, .max = 16,
        .help = "Targets that are tried for one request at most."),
    ROW(topology_deployment, connect_ms, INT, .otherwise = "3000", .min = 100, .max = 30000,
        .unit = "milliseconds", .help = "How long TCP and TLS set-up with one target may take."),
    ROW(topology_deployment, timer_c_s, INT, .otherwise = "180", .min = 1, .max = 86400, .unit = "seconds",
        .help = "How long a call may ring without news (Timer C of RFC 3261)."),
    ROW(topology_deployment, drain_linger_s, INT, .otherwise = "10", .min = 0, .max = 3600, .unit = "seconds",
        .help = "How long a closed connection is still read, so that nothing under way is lost."),
    ROW(topology_deployment, idle_close_s, INT, .otherwise = "3", .min = 1, .max = 3600, .unit = "seconds",
        .help = "How long a connection of a draining service must be idle before it is closed."),
};
static const struct kind deployment_kind =
    KIND("deployment", topology_deployment, deployment_rows, "What holds for the whole deployment.");

static const struct property central_rows[] = {
    ROW(topology_central, machine, FQDN,
        .help = "The machine of central management: a machine of a pool, or one of its own.",
        .lync = "Central Management Server"),
    ROW(topology_central, internal_address, ADDRESS,
        .help = "The address of that machine when it belongs to no pool."),
    ROW(topology_central, replica_port, INT, .otherwise = "4443", PORT,
        .help = "The port of the replica endpoint when the machine belongs to no pool.",
        .lync = "internal replication port"),
};
static const struct kind central_kind =
    KIND("central", topology_central, central_rows, "Where central management runs.");

static const struct property site_rows[] = {
    ROW(topology_site, name, NAME, .identity = true, .help = "The name of the place.",
        .lync = "central site"),
    ROW(topology_site, federation_route, FQDN, .refers = REFERS_EDGE_POOL,
        .help = "The Edge pool that takes this site's SIP federation out; none means that it is off.",
        .lync = "site federation route assignment (FederationRoute)"),
};
static const struct kind site_kind =
    KIND("site", topology_site, site_rows, "A place with pools; it owns its federation route.");

static const struct property edge_pool_rows[] = {
    ROW(topology_edge_pool, fqdn, FQDN, .identity = true,
        .help = "The pool's name on the internal interface.", .lync = "Edge pool FQDN"),
    ROW(topology_edge_pool, site, NAME, .refers = REFERS_SITE, .help = "The site that the pool stands in.",
        .lync = "site"),
    ROW(topology_edge_pool, version, NAME, .otherwise = "entente",
        .help = "What runs on the machines: entente, or the year of a Lync release.",
        .lync = "server version"),
    ROW(topology_edge_pool, managed, BOOL, .otherwise = "true",
        .help = "Its machines run entented and get every published topology."),
    ROW(topology_edge_pool, federation, BOOL, .help = "Federates with other organisations.",
        .lync = "enable federation for this Edge pool"),
    ROW(topology_edge_pool, federation_port, INT, .otherwise = "5061", PORT,
        .help = "The TLS port for partners.", .lync = "Access Edge external SIP port"),
    ROW(topology_edge_pool, external_fqdn, FQDN, .help = "The Access Edge's name as partners know it.",
        .lync = "Access Edge service external FQDN"),
    ROW(topology_edge_pool, internal_port, INT, .otherwise = "5061", PORT,
        .help = "The TLS port for machines inside.", .lync = "Access Edge internal SIP port"),
    ROW(topology_edge_pool, replica_port, INT, .otherwise = "4443", PORT,
        .help = "The HTTPS port on which the machines take published topologies.",
        .lync = "internal replication port"),
    ROW(topology_edge_pool, next_hop, FQDN, .refers = REFERS_FRONT_END_POOL | REFERS_FOREIGN_POOL,
        .help = "The pool to which the Access Edge hands what comes from outside.", .lync = "next hop pool"),
    ROW(topology_edge_pool, adopts, NAMES, .max = TOPOLOGY_MAX_NAMES, .item = PROPERTY_FQDN,
        .refers = REFERS_EDGE_POOL, .help = "Edge pools whose names and dialogs this pool answers for."),
    ROW(topology_edge_pool, access_edge, ENUM, .values = "enabled|draining|disabled", .otherwise = "enabled",
        .help =
            "State of the Access Edge service: draining serves what is under way and ends when nothing is.",
        .lync = "Access Edge service start type"),
    LIST(topology_edge_pool, machines, machine_kind, .max = TOPOLOGY_MAX_MACHINES,
         .help = "The machines of the pool.", .lync = "computers in the pool"),
};
static const struct kind edge_pool_kind =
    KIND("edge_pool", topology_edge_pool, edge_pool_rows, "Machines in the perimeter that federate.");

static const struct property front_end_pool_rows[] = {
    ROW(topology_front_end_pool, fqdn, FQDN, .identity = true, .help = "The pool's name.",
        .lync = "Front End pool FQDN"),
    ROW(topology_front_end_pool, site, NAME, .refers = REFERS_SITE,
        .help = "The site that the pool stands in.", .lync = "site"),
    ROW(topology_front_end_pool, version, NAME, .otherwise = "entente",
        .help = "What runs on the machines: entente, or the year of a Lync release.",
        .lync = "server version"),
    ROW(topology_front_end_pool, managed, BOOL, .otherwise = "true",
        .help = "Its machines run entented and get every published topology."),
    ROW(topology_front_end_pool, media_edge, FQDN, .refers = REFERS_EDGE_POOL,
        .help = "The Edge pool that relays the media of this pool's users.",
        .lync = "associated Edge pool (for media components)"),
    ROW(topology_front_end_pool, sip_port, INT, .otherwise = "5061", PORT,
        .help = "The TLS port for machines and clients.", .lync = "SIP listening port"),
    ROW(topology_front_end_pool, client_tcp_port, INT, .otherwise = "0", .min = 0, .max = 65535,
        .help = "The TCP port for clients; 0 means off."),
    ROW(topology_front_end_pool, client_udp_port, INT, .otherwise = "0", .min = 0, .max = 65535,
        .help = "The UDP port for clients; 0 means off."),
    ROW(topology_front_end_pool, replica_port, INT, .otherwise = "4443", PORT,
        .help = "The HTTPS port on which the machines take published topologies.",
        .lync = "internal replication port"),
    ROW(topology_front_end_pool, digest_algorithms, NAMES, .max = TOPOLOGY_MAX_NAMES, .item = PROPERTY_ENUM,
        .values = "SHA-512-256|SHA-256|MD5", .otherwise = "SHA-256|MD5",
        .help = "Digest algorithms in the order in which clients are challenged."),
    ROW(topology_front_end_pool, challenge, ENUM, .values = "connection|request", .otherwise = "connection",
        .help = "Whether one proof holds for a whole connection or each request needs its own."),
    ROW(topology_front_end_pool, min_expires, INT, .otherwise = "60", .min = 1, .max = 86400,
        .unit = "seconds", .help = "The shortest registration that is accepted."),
    ROW(topology_front_end_pool, max_expires, INT, .otherwise = "7200", .min = 1, .max = 604800,
        .unit = "seconds", .help = "The longest registration that is given."),
    ROW(topology_front_end_pool, default_expires, INT, .otherwise = "3600", .min = 1, .max = 604800,
        .unit = "seconds", .help = "The length of a registration that asks for none."),
    ROW(topology_front_end_pool, max_contacts, INT, .otherwise = "10", .min = 1, .max = 100,
        .help = "Contacts that one user may have registered at most.", .lync = "MaxEndpointsPerUser"),
    LIST(topology_front_end_pool, machines, machine_kind, .max = TOPOLOGY_MAX_MACHINES,
         .help = "The machines of the pool.", .lync = "computers in the pool"),
};
static const struct kind front_end_pool_kind =
    KIND("front_end_pool", topology_front_end_pool, front_end_pool_rows,
         "Machines on which users register and live.");

static const struct property foreign_pool_rows[] = {
    ROW(topology_foreign_pool, fqdn, FQDN, .identity = true, .help = "The pool's name.",
        .lync = "trusted application pool FQDN"),
    ROW(topology_foreign_pool, site, NAME, .refers = REFERS_SITE, .help = "The site that the pool stands in.",
        .lync = "site"),
    ROW(topology_foreign_pool, transport, ENUM, .values = "tls|tcp|udp", .otherwise = "tls",
        .help = "How its machines are spoken to; only tls proves who they are."),
    ROW(topology_foreign_pool, port, INT, PORT, .derived = foreign_port,
        .derived_text = "5061 for tls, 5060 otherwise", .help = "The SIP port of its machines."),
    LIST(topology_foreign_pool, machines, machine_kind, .max = TOPOLOGY_MAX_MACHINES,
         .help = "The machines of the pool, with addresses.", .lync = "trusted application computers"),
};
static const struct kind foreign_pool_kind = KIND("foreign_pool", topology_foreign_pool, foreign_pool_rows,
                                                  "Machines inside that run other SIP software.");

static const struct property partner_rows[] = {
    ROW(topology_partner, domain, DOMAIN, .identity = true, .help = "The other organisation's SIP domain.",
        .lync = "allowed or blocked federated domain"),
    ROW(topology_partner, policy, ENUM, .values = "allowed|blocked", .otherwise = "allowed",
        .help = "Whether the domain may speak with ours.", .lync = "allowed domain, blocked domain"),
    ROW(topology_partner, edge_fqdn, FQDN,
        .help = "The partner's Access Edge; none means that DNS says where it is.",
        .lync = "Access Edge service (ProxyFqdn)"),
    ROW(topology_partner, provider, NAME, .refers = REFERS_PROVIDER,
        .help = "The hosting provider behind which the domain is found.", .lync = "hosting provider"),
    ROW(topology_partner, srv_names, BOOL, .otherwise = "true",
        .help = "Lets the domain be proven by the target of its SRV record, as Lync's certificates need it."),
    ROW(topology_partner, comment, TEXT, .help = "A note for people.", .lync = "Comment"),
};
static const struct kind partner_kind =
    KIND("partner", topology_partner, partner_rows, "The SIP domain of another organisation.");

static const struct property provider_rows[] = {
    ROW(topology_provider, name, NAME, .identity = true, .help = "The provider's name.",
        .lync = "hosting provider identity"),
    ROW(topology_provider, edge_fqdn, FQDN, .help = "The provider's Access Edge.", .lync = "ProxyFqdn"),
    ROW(topology_provider, enabled, BOOL, .help = "Whether domains behind the provider may speak with ours.",
        .lync = "Enabled"),
};
static const struct kind provider_kind =
    KIND("provider", topology_provider, provider_rows, "A host of many SIP domains behind one Access Edge.");

static const struct property root_rows[] = {
    ROW(topology, schema, INT, .required = true, .min = TOPOLOGY_SCHEMA, .max = TOPOLOGY_SCHEMA,
        .help = "The version of the model that the document is written for."),
    ROW(topology, deployment, OBJECT, .kind = &deployment_kind,
        .help = "What holds for the whole deployment."),
    ROW(topology, central, OBJECT, .kind = &central_kind, .help = "Where central management runs.",
        .lync = "Central Management store"),
    LIST(topology, sites, site_kind, .max = TOPOLOGY_MAX_SITES, .help = "The sites.",
         .lync = "central sites"),
    LIST(topology, edge_pools, edge_pool_kind, .max = TOPOLOGY_MAX_POOLS, .help = "The Edge pools.",
         .lync = "Edge pools"),
    LIST(topology, front_end_pools, front_end_pool_kind, .max = TOPOLOGY_MAX_POOLS,
         .help = "The Front End pools.", .lync = "Front End pools, Standard Edition servers"),
    LIST(topology, foreign_pools, foreign_pool_kind, .max = TOPOLOGY_MAX_POOLS,
         .help = "Pools of machines that run other SIP software.", .lync = "trusted application pools"),
    LIST(topology, partners, partner_kind, .max = TOPOLOGY_MAX_PARTNERS,
         .help = "Other organisations that are allowed or blocked.", .lync = "federated domains"),
    LIST(topology, providers, provider_kind, .max = TOPOLOGY_MAX_PROVIDERS, .help = "Hosting providers.",
         .lync = "SIP federated providers"),
};
const struct kind topology_root = KIND("topology", topology, root_rows, "The whole document.");

const struct property *kind_property(const struct kind *k, struct slice name)
{
    for (size_t i = 0; i < k->n_properties; i++)
        if (slice_eq(slice_str(k->properties[i].name), name))
            return &k->properties[i];
    return NULL;
}

const struct property *kind_identity(const struct kind *k)
{
    for (size_t i = 0; i < k->n_properties; i++)
        if (k->properties[i].identity)
            return &k->properties[i];
    return NULL;
}
