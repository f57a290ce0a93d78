#include "kept/topology/rows.h"

static int64_t foreign_port(const void *object)
{
    return ((const struct topology_foreign_pool *)object)->transport == TOPOLOGY_TLS ? 5061 : 5060;
}

static int64_t client_port(const void *object)
{
    return topology_edge_single_name(object) ? 5061 : 443;
}

static int64_t conf_port(const void *object)
{
    return topology_edge_single_name(object) ? 444 : 443;
}

static const struct property machine_rows[] = {
    ROW(topology_machine, fqdn, FQDN, .identity = true, .help = "The host's full name.",
        .lync = "computer FQDN"),
    ROW(topology_machine, internal_address, ADDRESS,
        .help = "The address on which the machine is reached from inside.", .lync = "internal IP address"),
    ROW(topology_machine, external_address, ADDRESS,
        .help = "The address on which an Edge machine is reached by other organisations.",
        .lync = "external IP address of the Access Edge service"),
    ROW(topology_machine, internal_address6, ADDRESS,
        .help = KEPT("A second address inside, of IPv6", "dual-stack machines"),
        .lync = "internal IPv6 address"),
    ROW(topology_machine, external_address6, ADDRESS,
        .help = KEPT("A second address outside, of IPv6", "dual-stack machines"),
        .lync = "external IPv6 address of the Access Edge service"),
    ROW(topology_machine, conf_address, ADDRESS,
        .help = KEPT("The address of the Conferencing Edge; none means the Access Edge's where one name "
                     "serves all",
                     "the Conferencing Edge"),
        .lync = "external IP address of the Web Conferencing Edge service"),
    ROW(topology_machine, conf_address6, ADDRESS, .help = KEPT("The same, of IPv6", "the Conferencing Edge"),
        .lync = "external IPv6 address of the Web Conferencing Edge service"),
    ROW(topology_machine, av_address, ADDRESS,
        .help = KEPT("The address of the A/V Edge; none means the Access Edge's where one name serves all",
                     "the A/V Edge"),
        .lync = "external IP address of the A/V Edge service"),
    ROW(topology_machine, av_address6, ADDRESS, .help = KEPT("The same, of IPv6", "the A/V Edge"),
        .lync = "external IPv6 address of the A/V Edge service"),
    ROW(topology_machine, nat_address, ADDRESS,
        .help = KEPT("The A/V Edge's address as the Internet sees it, where NAT stands before it",
                     "the A/V Edge"),
        .lync = "public IP address of the A/V Edge service (NAT)"),
    ROW(topology_machine, nat_address6, ADDRESS, .help = KEPT("The same, of IPv6", "the A/V Edge"),
        .lync = "public IPv6 address of the A/V Edge service (NAT)"),
    ROW(topology_machine, weight, INT, .otherwise = "1", .min = 0, .max = 100,
        .help =
            "The machine's share of new requests among those of its pool; 0: only when no other is left."),
    ROW(topology_machine, access_edge, ENUM, .values = SERVICE_STATES, .otherwise = "enabled",
        .help =
            "State of the Access Edge on this machine of an Edge pool, where it serves less than the pool."),
};
static const struct kind machine_kind =
    KIND("machine", topology_machine, machine_rows, "One host of a pool, known by its full name.");

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
    ROW(topology_edge_pool, hide_topology, BOOL,
        .help = "Lets no internal name or address out in a header: Via, Record-Route and Contact are kept or "
                "sealed, "
                "products are not told."),
    ROW(topology_edge_pool, federation_port, INT, .otherwise = "5061", PORT,
        .help = "The TLS port for partners.", .lync = "Access Edge external SIP port"),
    ROW(topology_edge_pool, external_fqdn, FQDN, .help = "The Access Edge's name as partners know it.",
        .lync = "Access Edge service external FQDN"),
    ROW(topology_edge_pool, internal_port, INT, .otherwise = "5061", PORT,
        .help = "The TLS port for machines inside.", .lync = "Access Edge internal SIP port"),
    ROW(topology_edge_pool, replica_port, INT, .otherwise = "4443", PORT,
        .help = "The HTTPS port on which the machines take published topologies.",
        .lync = "internal replication port"),
    ROW(topology_edge_pool, next_hop, FQDN,
        .refers = REFERS_FRONT_END_POOL | REFERS_FOREIGN_POOL | REFERS_DIRECTOR_POOL,
        .help = "The pool to which the Access Edge hands what comes from outside.", .lync = "next hop pool"),
    ROW(topology_edge_pool, adopts, NAMES, .max = TOPOLOGY_MAX_NAMES, .item = PROPERTY_FQDN,
        .refers = REFERS_EDGE_POOL, .help = "Edge pools whose names and dialogs this pool answers for."),
    ROW(topology_edge_pool, access_edge, ENUM, .values = SERVICE_STATES, .otherwise = "enabled",
        .help =
            "State of the Access Edge service: draining serves what is under way and ends when nothing is.",
        .lync = "Access Edge service start type"),
    ROW(topology_edge_pool, drain_new, ENUM, .values = "elsewhere|refuse|serve", .otherwise = "elsewhere",
        .help = "What a draining Access Edge does with what begins no dialog that it knows: elsewhere "
                "answers 503, by which "
                "senders go on to the next machine, as long as another machine of the pool serves; refuse "
                "always does; "
                "serve never does."),
    ROW(topology_edge_pool, client_port, INT, PORT, .derived = client_port,
        .derived_text = "443, or 5061 where one name serves all three services",
        .help = KEPT("The TLS port for our own users outside", "remote users"),
        .lync = "Access Edge external SIP client port (AccessEdgeClientSipPort)"),
    ROW(topology_edge_pool, conf_fqdn, FQDN,
        .help = KEPT("The Conferencing Edge's name outside; it may be the Access Edge's",
                     "the Conferencing Edge"),
        .lync = "Web Conferencing Edge service external FQDN"),
    ROW(topology_edge_pool, conf_port, INT, PORT, .derived = conf_port,
        .derived_text = "443, or 444 where one name serves all three services",
        .help = KEPT("The TLS port of the Conferencing Edge outside", "the Conferencing Edge"),
        .lync = "Web Conferencing Edge external port (DataPsomClientPort)"),
    ROW(topology_edge_pool, conf_internal_port, INT, .otherwise = "8057", PORT,
        .help = KEPT("The TLS port on which Front Ends reach the Conferencing Edge", "the Conferencing Edge"),
        .lync = "Web Conferencing Edge internal port (DataPsomServerPort)"),
    ROW(topology_edge_pool, conf_edge, ENUM, .values = SERVICE_STATES, .otherwise = "disabled",
        .help = KEPT("State of the Conferencing Edge service", "the Conferencing Edge"),
        .lync = "Web Conferencing Edge service start type"),
    ROW(topology_edge_pool, av_fqdn, FQDN,
        .help = KEPT("The A/V Edge's name outside; it may be the Access Edge's", "the A/V Edge"),
        .lync = "A/V Edge service external FQDN"),
    ROW(topology_edge_pool, av_tcp_port, INT, .otherwise = "443", PORT,
        .help = KEPT("The TCP port of the relay outside", "the A/V Edge"),
        .lync = "A/V Edge external TCP port (MediaRelayAuthEdgePort, TURN over TCP)"),
    ROW(topology_edge_pool, av_udp_port, INT, .otherwise = "3478", PORT,
        .help = KEPT("The UDP port of the relay outside", "the A/V Edge"),
        .lync = "A/V Edge external UDP port (STUN/TURN)"),
    ROW(topology_edge_pool, av_internal_tcp_port, INT, .otherwise = "443", PORT,
        .help = KEPT("The TCP port of the relay inside", "the A/V Edge"),
        .lync = "A/V Edge internal TCP port"),
    ROW(topology_edge_pool, av_internal_udp_port, INT, .otherwise = "3478", PORT,
        .help = KEPT("The UDP port of the relay inside", "the A/V Edge"),
        .lync = "A/V Edge internal UDP port"),
    ROW(topology_edge_pool, av_auth_port, INT, .otherwise = "5062", PORT,
        .help = KEPT("The TLS port inside on which Front Ends ask for relay credentials", "the A/V Edge"),
        .lync = "A/V authentication service port (MRAS)"),
    ROW(topology_edge_pool, media_port_start, INT, .otherwise = "50000", .min = 1024, .max = 65535,
        .help = KEPT("The first port of relayed media", "the A/V Edge"),
        .lync = "MediaCommunicationPortStart"),
    ROW(topology_edge_pool, media_port_count, INT, .otherwise = "10000", .min = 1, .max = 64512,
        .help = KEPT("How many ports, from the first on, relayed media may use", "the A/V Edge"),
        .lync = "MediaCommunicationPortCount"),
    ROW(topology_edge_pool, av_edge, ENUM, .values = SERVICE_STATES, .otherwise = "disabled",
        .help = KEPT("State of the A/V Edge service", "the A/V Edge"), .lync = "A/V Edge service start type"),
    ROW(topology_edge_pool, nat, BOOL,
        .help = KEPT("The external address of the A/V Edge is translated by NAT", "the A/V Edge"),
        .lync = "A/V Edge service is NAT enabled"),
    ROW(topology_edge_pool, xmpp, BOOL, .help = KEPT("Federates with XMPP domains", "the XMPP gateway"),
        .lync = "enable XMPP federation for this Edge pool"),
    ROW(topology_edge_pool, xmpp_port, INT, .otherwise = "5269", PORT,
        .help = KEPT("The TCP port for XMPP servers, at the Access Edge's address", "the XMPP gateway"),
        .lync = "XMPP listening port"),
    ROW(topology_edge_pool, xmpp_internal_port, INT, .otherwise = "23456", PORT,
        .help = KEPT("The TLS port on which the inside reaches the XMPP gateway", "the XMPP gateway"),
        .lync = "XMPP internal port"),
    ROW(topology_edge_pool, xmpp_gateway, ENUM, .values = SERVICE_STATES, .otherwise = "disabled",
        .help = KEPT("State of the XMPP gateway service", "the XMPP gateway"),
        .lync = "XMPP Translating Gateway Proxy service start type"),
    ROW(topology_edge_pool, internal_balancing, ENUM, .values = "dns|hardware", .otherwise = "dns",
        .help = KEPT("How the machines share what comes from inside", "checks and firewall rules"),
        .lync = "internal load balancing (DNS or hardware)"),
    ROW(topology_edge_pool, external_balancing, ENUM, .values = "dns|hardware", .otherwise = "dns",
        .help = KEPT("How the machines share what comes from outside", "checks and firewall rules"),
        .lync = "external load balancing (DNS or hardware)"),
    LIST(topology_edge_pool, machines, machine_kind, .max = TOPOLOGY_MAX_MACHINES,
         .help = "The machines of the pool.", .lync = "computers in the pool"),
};
const struct kind kind_edge_pool =
    KIND("edge_pool", topology_edge_pool, edge_pool_rows, "Machines in the perimeter that federate.");

static const struct property digest_rows[] = {
    ROW(topology_digest, of, TEXT, .identity = true,
        .help = "A SIP domain, or the address of one user (alice@contoso.example)."),
    ROW(topology_digest, algorithms, NAMES, .max = TOPOLOGY_MAX_NAMES, .item = PROPERTY_ENUM,
        .values = "SHA-512-256|SHA-256|MD5", .otherwise = "SHA-256|MD5",
        .help = "Digest algorithms in the order in which its clients are challenged."),
};
static const struct kind digest_kind =
    KIND("digest", topology_digest, digest_rows, "An order of digest algorithms for one domain or one user.");

static const struct property front_end_pool_rows[] = {
    ROW(topology_front_end_pool, fqdn, FQDN, .identity = true, .help = "The pool's name.",
        .lync = "Front End pool FQDN"),
    ROW(topology_front_end_pool, kind, ENUM, .values = "enterprise|standard|branch_appliance|branch_server",
        .otherwise = "enterprise",
        .help =
            "Whether the pool can have several machines, is one machine (standard), or the one machine of a "
            "branch site; only checks read it.",
        .lync = "Enterprise Edition Front End pool, Standard Edition server, Survivable Branch Appliance, "
                "Survivable Branch Server"),
    ROW(topology_front_end_pool, backup_pool, FQDN, .refers = REFERS_FRONT_END_POOL,
        .help = KEPT(
            "The pool that takes this one's users over when it fails; of a branch its users' home in the "
            "central site",
            "Front Ends"),
        .lync = "associated backup pool"),
    ROW(topology_front_end_pool, failure_s, INT, .otherwise = "300", .min = 90, .max = 86400,
        .unit = "seconds",
        .help = KEPT("How long the pool must be silent before its users are taken over", "Front Ends"),
        .lync = "voice failure detection interval"),
    ROW(topology_front_end_pool, failback_s, INT, .otherwise = "600", .min = 90, .max = 86400,
        .unit = "seconds", .help = KEPT("How long it must be back before they return", "Front Ends"),
        .lync = "voice failback interval"),
    ROW(topology_front_end_pool, web_fqdn, FQDN,
        .help = KEPT("The external name of the pool's web services, of no other pool", "reverse proxies"),
        .lync = "external web services FQDN"),
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
    LIST(topology_front_end_pool, digests, digest_kind, .max = 10000,
         .help = "Other orders for single domains and users: the user's counts, else the domain's, else the "
                 "pool's."),
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
const struct kind kind_front_end_pool = KIND("front_end_pool", topology_front_end_pool, front_end_pool_rows,
                                             "Machines on which users register and live.");

static const struct property director_pool_rows[] = {
    ROW(topology_director_pool, fqdn, FQDN, .identity = true, .help = "The pool's name.",
        .lync = "Director pool FQDN"),
    ROW(topology_director_pool, site, NAME, .refers = REFERS_SITE,
        .help = "The site that the pool stands in.", .lync = "site"),
    ROW(topology_director_pool, version, NAME, .otherwise = "entente",
        .help = "What runs on the machines: entente, or the year of a Lync release.",
        .lync = "server version"),
    ROW(topology_director_pool, managed, BOOL, .otherwise = "true",
        .help = "Its machines run entented and get every published topology."),
    ROW(topology_director_pool, next_hop, FQDN, .refers = REFERS_FRONT_END_POOL,
        .help = KEPT("The Front End pool to which it hands what comes from outside", "Directors"),
        .lync = "next hop pool"),
    ROW(topology_director_pool, sip_port, INT, .otherwise = "5061", PORT,
        .help = "The TLS port for other machines.", .lync = "SIP listening port"),
    ROW(topology_director_pool, web_fqdn, FQDN,
        .help = KEPT("The external name of the pool's web services, of no other pool", "reverse proxies"),
        .lync = "external web services FQDN"),
    ROW(topology_director_pool, replica_port, INT, .otherwise = "4443", PORT,
        .help = "The HTTPS port on which the machines take published topologies.",
        .lync = "internal replication port"),
    LIST(topology_director_pool, machines, machine_kind, .max = TOPOLOGY_MAX_MACHINES,
         .help = "The machines of the pool.", .lync = "computers in the pool"),
};
const struct kind kind_director_pool =
    KIND("director_pool", topology_director_pool, director_pool_rows,
         "Machines that authenticate before a Front End pool and home no users.");

static const struct property mediation_pool_rows[] = {
    ROW(topology_mediation_pool, fqdn, FQDN, .identity = true, .help = "The pool's name.",
        .lync = "Mediation pool FQDN"),
    ROW(topology_mediation_pool, site, NAME, .refers = REFERS_SITE,
        .help = "The site that the pool stands in.", .lync = "site"),
    ROW(topology_mediation_pool, version, NAME,
        .help =
            "What runs on the machines: entente, or the year of a Lync release; none means something else.",
        .lync = "server version"),
    ROW(topology_mediation_pool, managed, BOOL, .otherwise = "false",
        .help = "Its machines run entented and get every published topology."),
    ROW(topology_mediation_pool, next_hop, FQDN, .refers = REFERS_FRONT_END_POOL,
        .help = KEPT("The Front End pool to which it hands calls; never a Director", "Mediation Servers"),
        .lync = "next hop selection (Front End pool)"),
    ROW(topology_mediation_pool, media_edge, FQDN, .refers = REFERS_EDGE_POOL,
        .help = KEPT("The Edge pool that relays this pool's media", "Mediation Servers"),
        .lync = "associated Edge pool (for media components)"),
    ROW(topology_mediation_pool, sip_port, INT, .otherwise = "5067", PORT,
        .help = KEPT("The TLS port for other machines", "Mediation Servers"),
        .lync = "Mediation Server TLS listening port"),
    ROW(topology_mediation_pool, replica_port, INT, .otherwise = "4443", PORT,
        .help = "The HTTPS port on which the machines take published topologies.",
        .lync = "internal replication port"),
    LIST(topology_mediation_pool, machines, machine_kind, .max = TOPOLOGY_MAX_MACHINES,
         .help = "The machines of the pool.", .lync = "computers in the pool"),
};
const struct kind kind_mediation_pool = KIND("mediation_pool", topology_mediation_pool, mediation_pool_rows,
                                             "Machines between SIP and the telephone network.");

static const struct property trusted_application_pool_rows[] = {
    ROW(topology_trusted_application_pool, fqdn, FQDN, .identity = true, .help = "The pool's name.",
        .lync = "trusted application pool FQDN"),
    ROW(topology_trusted_application_pool, site, NAME, .refers = REFERS_SITE,
        .help = "The site that the pool stands in.", .lync = "site"),
    ROW(topology_trusted_application_pool, version, NAME,
        .help =
            "What runs on the machines: entente, or the year of a Lync release; none means something else.",
        .lync = "server version"),
    ROW(topology_trusted_application_pool, managed, BOOL, .otherwise = "false",
        .help = "Its machines run entented and get every published topology."),
    ROW(topology_trusted_application_pool, next_hop, FQDN, .refers = REFERS_FRONT_END_POOL,
        .help = KEPT("The Front End pool that speaks for it", "trusted applications"),
        .lync = "registrar (next hop) pool"),
    ROW(topology_trusted_application_pool, media_edge, FQDN, .refers = REFERS_EDGE_POOL,
        .help = KEPT("The Edge pool that relays this pool's media", "trusted applications"),
        .lync = "associated Edge pool (for media components)"),
    ROW(topology_trusted_application_pool, sip_port, INT, .otherwise = "5061", PORT,
        .help = KEPT("The TLS port for other machines", "trusted applications"),
        .lync = "trusted application port"),
    ROW(topology_trusted_application_pool, replica_port, INT, .otherwise = "4443", PORT,
        .help = "The HTTPS port on which the machines take published topologies.",
        .lync = "internal replication port"),
    LIST(topology_trusted_application_pool, machines, machine_kind, .max = TOPOLOGY_MAX_MACHINES,
         .help = "The machines of the pool.", .lync = "computers in the pool"),
};
const struct kind kind_trusted_application_pool =
    KIND("trusted_application_pool", topology_trusted_application_pool, trusted_application_pool_rows,
         "Machines of applications that Front Ends trust.");

static const struct property foreign_pool_rows[] = {
    ROW(topology_foreign_pool, fqdn, FQDN, .identity = true, .help = "The pool's name.",
        .lync = "trusted server of a static route"),
    ROW(topology_foreign_pool, site, NAME, .refers = REFERS_SITE, .help = "The site that the pool stands in.",
        .lync = "site"),
    ROW(topology_foreign_pool, transport, ENUM, .values = "tls|tcp|udp", .otherwise = "tls",
        .help = "How its machines are spoken to; only tls proves who they are."),
    ROW(topology_foreign_pool, port, INT, PORT, .derived = foreign_port,
        .derived_text = "5061 for tls, 5060 otherwise", .help = "The SIP port of its machines."),
    LIST(topology_foreign_pool, machines, machine_kind, .max = TOPOLOGY_MAX_MACHINES,
         .help = "The machines of the pool, with addresses.", .lync = "computers in the pool"),
};
const struct kind kind_foreign_pool = KIND("foreign_pool", topology_foreign_pool, foreign_pool_rows,
                                           "Machines inside that run other SIP software.");
