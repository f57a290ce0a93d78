/* What the model has of XMPP federation, and of the URLs of meetings. */
#include "kept/topology/rows.h"

#define NEGOTIATION "required|optional|not_supported"

static const struct property xmpp_rows[] = {
    ROW(topology_xmpp, connections_max, INT, .otherwise = "1000", .min = 1, .max = 100000,
        .help = KEPT("Streams with XMPP servers at most", "the XMPP gateway"), .lync = "ConnectionLimit"),
    ROW(topology_xmpp, partner_connections_max, INT, .otherwise = "20", .min = 1, .max = 1000,
        .help = KEPT("Streams with one partner at most", "the XMPP gateway"),
        .lync = "PartnerConnectionLimit"),
    ROW(topology_xmpp, keep_alive_s, INT, .otherwise = "300", .min = 10, .max = 86400, .unit = "seconds",
        .help = KEPT("How often an idle stream says that it lives", "the XMPP gateway"),
        .lync = "KeepAliveInterval"),
    ROW(topology_xmpp, establishment_s, INT, .otherwise = "60", .min = 1, .max = 3600, .unit = "seconds",
        .help = KEPT("How long a stream may take to be set up", "the XMPP gateway"),
        .lync = "StreamEstablishmentTimeout"),
    ROW(topology_xmpp, inactivity_s, INT, .otherwise = "600", .min = 10, .max = 86400, .unit = "seconds",
        .help = KEPT("How long a stream without traffic is kept", "the XMPP gateway"),
        .lync = "StreamInactivityTimeout"),
    ROW(topology_xmpp, refresh_s, INT, .otherwise = "28800", .min = 60, .max = 604800, .unit = "seconds",
        .help = KEPT("How often subscriptions to presence are refreshed", "the XMPP gateway"),
        .lync = "SubscriptionRefreshInterval"),
};
const struct kind kind_xmpp =
    KIND("xmpp", topology_xmpp, xmpp_rows, "What holds for the XMPP gateway of every Edge pool.");

static const struct property xmpp_partner_rows[] = {
    ROW(topology_xmpp_partner, domain, DOMAIN, .identity = true, .help = "The partner's XMPP domain.",
        .lync = "XMPP allowed partner: Domain"),
    ROW(topology_xmpp_partner, additional_domains, NAMES, .max = TOPOLOGY_MAX_NAMES, .item = PROPERTY_DOMAIN,
        .help = KEPT("Further domains of the same partner", "the XMPP gateway"), .lync = "AdditionalDomains"),
    ROW(topology_xmpp_partner, kind, ENUM, .values = "federated|public_verified|public_unverified",
        .otherwise = "public_unverified",
        .help =
            KEPT("How far its users are trusted: federated ones may add ours and see all, public unverified "
                 "ones nothing before our user adds them",
                 "the XMPP gateway"),
        .lync = "PartnerType"),
    ROW(topology_xmpp_partner, tls, ENUM, .values = NEGOTIATION, .otherwise = "required",
        .help = KEPT("Whether its streams are encrypted", "the XMPP gateway"), .lync = "TlsNegotiation"),
    ROW(topology_xmpp_partner, sasl, ENUM, .values = NEGOTIATION, .otherwise = "required",
        .help = KEPT("Whether its server proves itself by its certificate", "the XMPP gateway"),
        .lync = "SaslNegotiation"),
    ROW(topology_xmpp_partner, dialback, BOOL, .otherwise = "true",
        .help = KEPT("Lets its server prove itself by a call back", "the XMPP gateway"),
        .lync = "SupportDialbackNegotiation"),
    ROW(topology_xmpp_partner, keep_alive, BOOL, .otherwise = "true",
        .help = KEPT("Says on idle streams that they live", "the XMPP gateway"), .lync = "EnableKeepAlive"),
    ROW(topology_xmpp_partner, connections_max, INT, .otherwise = "0", .min = 0, .max = 1000,
        .help = KEPT("Streams with this partner at most; 0 means what holds for all", "the XMPP gateway"),
        .lync = "ConnectionLimit"),
    ROW(topology_xmpp_partner, server, FQDN,
        .help = KEPT("The partner's XMPP server; none means that DNS says where it is", "the XMPP gateway"),
        .lync = "ProxyFqdn"),
    ROW(topology_xmpp_partner, comment, TEXT, .help = "A note for people.", .lync = "Description"),
};
const struct kind kind_xmpp_partner = KIND("xmpp_partner", topology_xmpp_partner, xmpp_partner_rows,
                                           "An XMPP domain that may speak with ours.");

static const struct property simple_url_rows[] = {
    ROW(topology_simple_url, name, NAME, .identity = true,
        .help = "What the URL is called in this document."),
    ROW(topology_simple_url, use, ENUM, .values = "meet|dialin|admin", .otherwise = "meet",
        .help = KEPT("What it leads to: meetings, numbers to dial in, or administration",
                     "clients and web servers"),
        .lync = "simple URL component (Meet, Dialin, Cscp)"),
    ROW(topology_simple_url, domain, DOMAIN,
        .help = KEPT("The SIP domain that it is for; none means all", "clients and web servers"),
        .lync = "simple URL domain"),
    ROW(topology_simple_url, url, TEXT,
        .help = KEPT("The URL, as https://meet.contoso.example", "clients and web servers"),
        .lync = "simple URL"),
    ROW(topology_simple_url, active, BOOL, .otherwise = "true",
        .help = KEPT("New meetings get it; an old one stays, inactive, until its meetings have expired",
                     "clients and web servers"),
        .lync = "active URL"),
};
const struct kind kind_simple_url = KIND("simple_url", topology_simple_url, simple_url_rows,
                                         "A short address of web pages for one SIP domain.");
