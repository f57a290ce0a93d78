#include "kept/topology/rows.h"

static const struct property deployment_rows[] = {
    ROW(topology_deployment, name, NAME, .help = "What the deployment is called in lists and certificates.",
        .lync = "deployment name"),
    ROW(topology_deployment, default_domain, DOMAIN, .help = "The SIP domain that comes first.",
        .lync = "default (primary) SIP domain"),
    ROW(topology_deployment, additional_domains, NAMES, .max = TOPOLOGY_MAX_NAMES, .item = PROPERTY_DOMAIN,
        .help = "Further SIP domains of this deployment.", .lync = "additional SIP domains"),
    ROW(topology_deployment, dns_servers, NAMES, .max = TOPOLOGY_MAX_NAMES, .item = PROPERTY_ENDPOINT,
        .help = "Name servers as ADDRESS or ADDRESS:PORT; none means those that each machine has."),
    ROW(topology_deployment, inside_dns_servers, NAMES, .max = TOPOLOGY_MAX_NAMES, .item = PROPERTY_ENDPOINT,
        .help = "Name servers that clients and machines inside ask, where inside and outside see different "
                "records; dns check asks them for the internal ones.",
        .lync = "internal DNS (split-brain DNS)"),
    ROW(topology_deployment, outside_dns_servers, NAMES, .max = TOPOLOGY_MAX_NAMES, .item = PROPERTY_ENDPOINT,
        .help = "Name servers that see what the Internet sees, where inside and outside see different "
                "records; dns check and path ask them for the external ones.",
        .lync = "external DNS (split-brain DNS)"),
    ROW(topology_deployment, dnssec, BOOL,
        .help =
            "Validates DNS answers, which the proof of a partner by an SRV target outside its domain needs."),
    ROW(topology_deployment, dnssec_anchor, TEXT, .help = "File of trust anchors on each Edge machine."),
    ROW(topology_deployment, dns_ttl, INT, .otherwise = "300", .min = 1, .max = 604800, .unit = "seconds",
        .help = "How long others may remember the DNS records that the topology implies."),
    ROW(topology_deployment, dns_keeps_drained, BOOL, .otherwise = "true",
        .help = "Keeps the external addresses of Edge machines that are being drained or are disabled among "
                "the DNS "
                "records that the topology implies; false leaves them out where another machine of the pool "
                "serves."),
    ROW(topology_deployment, partner_discovery, BOOL,
        .help = "Admits domains that are in no list, when their name is proven.",
        .lync = "EnablePartnerDiscovery"),
    ROW(topology_deployment, accept_server_auth_only, BOOL, .otherwise = "true",
        .help = "Accepts partners' certificates that are made for servers alone, as public authorities issue "
                "them."),
    ROW(topology_deployment, accept_wildcards, BOOL,
        .help = "Lets *.example.com in a partner's certificate stand for a host name; RFC 5922 7.2 forbids "
                "it."),
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
    ROW(topology_deployment, probe_interval_s, INT, .otherwise = "30", .min = 0, .max = 3600,
        .unit = "seconds",
        .help =
            "How often the machines of the next hop are asked by OPTIONS whether they are there; 0 switches "
            "all probes off."),
    ROW(topology_deployment, probe_timeout_ms, INT, .otherwise = "3000", .min = 100, .max = 30000,
        .unit = "milliseconds", .help = "How long the answer to such a probe may take."),
    ROW(topology_deployment, block_ms, INT, .otherwise = "1000", .min = 100, .max = 60000,
        .unit = "milliseconds",
        .help = "How long an address that failed is tried after all others; doubles with each failed probe."),
    ROW(topology_deployment, block_max_s, INT, .otherwise = "60", .min = 1, .max = 3600, .unit = "seconds",
        .help = "How long an address that failed is tried after all others at most."),
    ROW(topology_deployment, dns_stale_s, INT, .otherwise = "86400", .min = 0, .max = 604800,
        .unit = "seconds",
        .help =
            "How long old DNS answers serve while no name server answers (RFC 8767); 0 means not at all."),
    ROW(topology_deployment, timer_c_s, INT, .otherwise = "185", .min = 181, .max = 86400, .unit = "seconds",
        .help = "How long a call may ring without news (Timer C of RFC 3261, which wants more than three "
                "minutes)."),
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

static const struct property access_edge_rows[] = {
    ROW(topology_access_edge, federated_users, BOOL, .otherwise = "true",
        .help = "Lets users speak with other organisations; Lync's own default is false.",
        .lync = "AllowFederatedUsers"),
    ROW(topology_access_edge, outside_users, BOOL, .otherwise = "true",
        .help =
            IMPORTED("Lets our users and guests in from the Internet", "nobody signs in through this Edge"),
        .lync = "AllowOutsideUsers"),
    ROW(topology_access_edge, anonymous_users, BOOL,
        .help = IMPORTED("Lets guests without an account join meetings", "nobody signs in through this Edge"),
        .lync = "AllowAnonymousUsers"),
    ROW(topology_access_edge, routing, ENUM, .values = "srv|default_route", .otherwise = "srv",
        .help = "Whether partners are found by DNS, or everything goes to and comes from one Edge, that of "
                "default_route; then every domain that is not blocked is admitted from there, and from there "
                "alone.",
        .lync = "UseDnsSrvRouting, UseDefaultRouting"),
    ROW(topology_access_edge, default_route, FQDN,
        .help =
            "The Edge to which all goes with routing default_route; its certificate must carry this name.",
        .lync = "DefaultRouteFqdn"),
    ROW(topology_access_edge, default_route_verification, ENUM, .values = VERIFICATION,
        .otherwise = "use_source_verification",
        .help = "How far what comes by the default route is believed about who sends; a domain that is "
                "listed as a "
                "partner has its own verification.",
        .lync = "VerificationLevel"),
    ROW(topology_access_edge, default_route_public, BOOL,
        .help = "The default route leads to public providers: users need public_cloud of their policy for "
                "it, and "
                "public_cloud_av for calls.",
        .lync = "IsPublicProvider"),
    ROW(topology_access_edge, clearinghouse, BOOL,
        .help = "Passes messages and calls on between two partners that are both listed as allowed and reach "
                "us directly: "
                "behind no provider, not discovered, not by the default route.",
        .lync = "BeClearingHouse"),
    ROW(topology_access_edge, check_crls, BOOL, .otherwise = "true",
        .help =
            "Asks regularly whether partners' certificates were revoked: by the lists that they name, over "
            "http.",
        .lync = "KeepCrlsUpToDateForPeers"),
    ROW(topology_access_edge, crl_unreachable, ENUM, .values = "allow|refuse", .otherwise = "allow",
        .help = "What comes of a partner whose certificate names a revocation list that cannot be had, or "
                "that expired more than 12 hours ago."),
    ROW(topology_access_edge, mark_source_verifiable, BOOL, .otherwise = "true",
        .help = "Tells partners that our users are verified (ms-asserted-verification-level); off tells them "
                "that they are "
                "not.",
        .lync = "MarkSourceVerifiableOnOutgoingMessages"),
    ROW(topology_access_edge, archiving_disclaimer, BOOL,
        .help = "Tells partners that messages may be archived (ms-archiving: TRUE).",
        .lync = "EnableArchivingDisclaimer"),
    ROW(topology_access_edge, discovered_verification, ENUM, .values = VERIFICATION,
        .otherwise = "use_source_verification",
        .help = "How far discovered partners are believed about who sends.",
        .lync = "DiscoveredPartnerVerificationLevel"),
    ROW(topology_access_edge, outside_claims, ENUM, .values = "mark|keep|strip", .otherwise = "mark",
        .help =
            "Whether Diversion, History-Info and Referred-By values from outside that name others than the "
            "sender's domain get the parameter unverified, stay as they are, or are taken off."),
    ROW(topology_access_edge, limit_discovered_contacts, BOOL, .otherwise = "true",
        .help = "Protects our addresses against guessing by discovered partners: discovered_contacts_max, "
                "and the slowing "
                "down of those whose messages fail too often; off lifts both, the rate stays.",
        .lync = "EnableDiscoveredPartnerContactsLimit"),
    ROW(topology_access_edge, discovered_contacts_max, INT, .otherwise = "1000", .min = 1, .max = 1000000,
        .help = "Different addresses of ours, existing or not, that a discovered partner may try; then it is "
                "on the watch list and may go on with those alone.",
        .lync = "MaxContactsPerDiscoveredPartner"),
    ROW(topology_access_edge, discovered_rate, INT, .otherwise = "20", .min = 0, .max = 100000,
        .unit = "messages a second",
        .help = "The rate to which a discovered partner is held by an Edge pool; each of its machines in "
                "service takes "
                "its part, 1 at least; 0 means none.",
        .lync = "DiscoveredPartnerStandardRate"),
    ROW(topology_access_edge, discovered_failures_percent, INT, .otherwise = "50", .min = 0, .max = 100,
        .unit = "percent",
        .help = "A discovered partner is suspicious when this share of the answers to it are failures that "
                "guessing brings about; 0 means never."),
    ROW(topology_access_edge, discovered_failures_least, INT, .otherwise = "20", .min = 1, .max = 100000,
        .help = "Answers within discovered_window_s below which nobody is suspicious."),
    ROW(topology_access_edge, discovered_window_s, INT, .otherwise = "60", .min = 1, .max = 86400,
        .unit = "seconds", .help = "How far back answers to a discovered partner are looked at."),
    ROW(topology_access_edge, discovered_suspicious_rate, INT, .otherwise = "1", .min = 1, .max = 100000,
        .unit = "messages a second",
        .help =
            "The rate to which a suspicious partner is held by an Edge pool; divided likewise, 1 at least."),
    ROW(topology_access_edge, discovered_report_minutes, INT, .otherwise = "60", .min = 1, .max = 10080,
        .unit = "minutes", .help = "How often the log tells what a discovered partner sent.",
        .lync = "DiscoveredPartnerReportPeriodMinutes"),
    ROW(topology_access_edge, accepted_certificates_max, INT, .otherwise = "1000", .min = 0, .max = 1000000,
        .help = "Certificate chains that each set of roots remembers as good, so that they are not verified "
                "again; 0: none.",
        .lync = "MaxAcceptedCertificatesStored"),
    ROW(topology_access_edge, rejected_certificates_max, INT, .otherwise = "500", .min = 0, .max = 1000000,
        .help = "Certificate chains that each set of roots remembers as bad, for a minute; 0: none.",
        .lync = "MaxRejectedCertificatesStored"),
    ROW(topology_access_edge, certificates_deleted_percent, INT, .otherwise = "20", .min = 1, .max = 100,
        .unit = "percent",
        .help = "How many of the certificate chains remembered are given up at once, the oldest, when there "
                "is no room.",
        .lync = "CertificatesDeletedPercentage"),
    ROW(topology_access_edge, srv_cache_records, INT, .otherwise = "0", .min = 0, .max = 1000000,
        .help =
            "DNS answers, SRV records among them, that each worker remembers; 0: 4,096 for the time when no "
            "name server answers, 2 MB of fresh ones.",
        .lync = "DnsSrvCacheRecordCount"),
    ROW(topology_access_edge, user_replicator, BOOL,
        .help = IMPORTED("Copies users to Edge machines",
                         "there is nothing to copy: this Edge asks the next hop"),
        .lync = "EnableUserReplicator"),
};
static const struct kind access_edge_kind = KIND("access_edge", topology_access_edge, access_edge_rows,
                                                 "What holds for the Access Edge of every Edge pool.");

static const struct property site_rows[] = {
    ROW(topology_site, name, NAME, .identity = true, .help = "The name of the place.", .lync = "site name"),
    ROW(topology_site, kind, ENUM, .values = "central|branch", .otherwise = "central",
        .help = "Whether the site stands on its own or belongs to a central site.",
        .lync = "central site, branch site"),
    ROW(topology_site, parent, NAME, .refers = REFERS_SITE,
        .help = "The central site that a branch site belongs to.", .lync = "central site of a branch site"),
    ROW(topology_site, description, TEXT, .help = "A note for people.", .lync = "site description"),
    ROW(topology_site, city, TEXT, .help = "The city, for people.", .lync = "city"),
    ROW(topology_site, state, TEXT, .help = "The state or province, for people.", .lync = "state/province"),
    ROW(topology_site, country, TEXT, .help = "The country code, for people.", .lync = "country/region code"),
    ROW(topology_site, federation_route, FQDN, .refers = REFERS_EDGE_POOL | REFERS_DIRECTOR_POOL,
        .help =
            "The Edge pool that takes this site's SIP federation out, or a Director before it; none means "
            "that of a branch site's parent, then of a site with route_for_all, else off.",
        .lync = "site federation route assignment (FederationRoute)"),
    ROW(topology_site, xmpp_route, FQDN, .refers = REFERS_EDGE_POOL | REFERS_DIRECTOR_POOL,
        .help = KEPT("The Edge pool that takes this site's XMPP federation out, or a Director before it",
                     "the XMPP gateway"),
        .lync = "site XMPP federation route assignment (XmppFederationRoute)"),
    ROW(topology_site, route_for_all, BOOL,
        .help = "Lets federation_route hold for all sites that have none of their own.",
        .lync = "apply federation route assignments to all sites"),
    ROW(topology_site, federation_failover, BOOL, .otherwise = "true",
        .help = "Lets the other Edge pools that federate take this site's federation out, those of the site "
                "first, when no machine of the route's pool and of those that adopt it can be reached.",
        .lync = ""),
};
static const struct kind site_kind =
    KIND("site", topology_site, site_rows, "A place with pools; it owns its federation route.");

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
    ROW(topology_partner, trust, NAME,
        .help = "Roots that the partner's certificate must lead to, by the name under which they were added "
                "(cert trust add --name); none means those of all partners."),
    ROW(topology_partner, pin_key, TEXT,
        .help = "The one key that proves the partner: SHA-256 of its SubjectPublicKeyInfo, 64 hex digits; "
                "with it and without trust, no root is needed."),
    ROW(topology_partner, accept_wildcards, BOOL,
        .help = "Lets *.example.com in the partner's certificate stand for a host name."),
    ROW(topology_partner, verification, ENUM, .values = VERIFICATION, .otherwise = "use_source_verification",
        .help = "How far the partner is believed about who sends.", .lync = "VerificationLevel"),
    ROW(topology_partner, monitored, BOOL,
        .help = "Its requests always have lines in the access log of Edge machines, marked \"monitored\", "
                "and series "
                "of metrics of their own; the log tells when its connections end.",
        .lync = "MarkForMonitoring"),
    ROW(topology_partner, comment, TEXT, .help = "A note for people.", .lync = "Comment"),
};
static const struct kind partner_kind =
    KIND("partner", topology_partner, partner_rows, "The SIP domain of another organisation.");

static const struct property provider_rows[] = {
    ROW(topology_provider, name, NAME, .identity = true, .help = "The provider's name.",
        .lync = "hosting provider identity"),
    ROW(topology_provider, edge_fqdn, FQDN, .help = "The provider's Access Edge.", .lync = "ProxyFqdn"),
    ROW(topology_provider, trust, NAME,
        .help = "Roots that the provider's certificate must lead to, by name; none means those of all "
                "partners."),
    ROW(topology_provider, pin_key, TEXT, .help = "The one key that proves the provider, as of a partner."),
    ROW(topology_provider, enabled, BOOL, .help = "Whether domains behind the provider may speak with ours.",
        .lync = "Enabled"),
    ROW(topology_provider, shared_address_space, BOOL,
        .help = "Part of our own domains' users live at the provider (split domain): what is inside not to "
                "be found goes "
                "there, and it may send for our domains. One provider at the most.",
        .lync = "EnabledSharedAddressSpace"),
    ROW(topology_provider, hosts_users, BOOL,
        .help =
            IMPORTED("The provider hosts users of ours", "what holds for such users is shared_address_space"),
        .lync = "HostsOCSUsers"),
    ROW(topology_provider, public_cloud, BOOL,
        .help = "A public provider: with its users those of ours may speak whose policy has public_cloud.",
        .lync = "public provider"),
    ROW(topology_provider, verification, ENUM, .values = VERIFICATION, .otherwise = "always_verifiable",
        .help = "How far the provider is believed about who sends.", .lync = "VerificationLevel"),
    ROW(topology_provider, local, BOOL,
        .help = KEPT("The provider's Access Edge stands in our own network", "the Access Edge"),
        .lync = "IsLocal"),
    ROW(topology_provider, client_port, INT, .otherwise = "443", PORT,
        .help = KEPT("The port on which clients of users hosted there sign in", "remote users"),
        .lync = "SipClientPort"),
    ROW(topology_provider, autodiscover_url, TEXT,
        .help = KEPT("Where clients of users hosted there find their services", "remote users"),
        .lync = "AutodiscoverUrl"),
};
static const struct kind provider_kind =
    KIND("provider", topology_provider, provider_rows, "A host of many SIP domains behind one Access Edge.");

static const struct property policy_rows[] = {
    ROW(topology_external_access_policy, name, NAME, .identity = true,
        .help = "The policy's name; the one named global holds for all whom no other one names.",
        .lync = "external access policy identity"),
    ROW(topology_external_access_policy, federation, BOOL, .otherwise = "true",
        .help = "May speak with users of other organisations, in both directions.",
        .lync = "EnableFederationAccess"),
    ROW(topology_external_access_policy, xmpp, BOOL,
        .help = KEPT("May speak with users of XMPP domains", "the XMPP gateway"), .lync = "EnableXmppAccess"),
    ROW(topology_external_access_policy, outside_access, BOOL,
        .help = IMPORTED("May sign in from the Internet", "nobody signs in through this Edge"),
        .lync = "EnableOutsideAccess"),
    ROW(topology_external_access_policy, public_cloud, BOOL,
        .help = "May speak with users of public providers.", .lync = "EnablePublicCloudAccess"),
    ROW(topology_external_access_policy, public_cloud_av, BOOL,
        .help = "May have audio and video with users of public providers.",
        .lync = "EnablePublicCloudAudioVideoAccess"),
    ROW(topology_external_access_policy, users, NAMES, .max = TOPOLOGY_MAX_NAMES, .item = PROPERTY_USER,
        .help =
            "The users whom it holds for; a user's own policy comes first, then that of the domain, of the "
            "site, the global one.",
        .lync = "per-user policy assignment (Grant-CsExternalAccessPolicy)"),
    ROW(topology_external_access_policy, domains, NAMES, .max = TOPOLOGY_MAX_NAMES, .item = PROPERTY_DOMAIN,
        .help = "SIP domains of ours whose users it holds for."),
    ROW(topology_external_access_policy, sites, NAMES, .max = TOPOLOGY_MAX_NAMES, .item = PROPERTY_NAME,
        .refers = REFERS_SITE,
        .help = "Sites whose users it holds for: where the pool is that sends a request, or the next hop.",
        .lync = "site scope of the policy"),
};
static const struct kind policy_kind = KIND("external_access_policy", topology_external_access_policy,
                                            policy_rows, "What users may do from and to outside.");

static const struct property root_rows[] = {
    ROW(topology, schema, INT, .required = true, .min = TOPOLOGY_SCHEMA, .max = TOPOLOGY_SCHEMA,
        .help = "The version of the model that the document is written for."),
    ROW(topology, deployment, OBJECT, .kind = &deployment_kind,
        .help = "What holds for the whole deployment."),
    ROW(topology, central, OBJECT, .kind = &central_kind, .help = "Where central management runs.",
        .lync = "Central Management store"),
    ROW(topology, access_edge, OBJECT, .kind = &access_edge_kind,
        .help = "What holds for the Access Edge of every Edge pool.", .lync = "CsAccessEdgeConfiguration"),
    ROW(topology, xmpp, OBJECT, .kind = &kind_xmpp,
        .help = "What holds for the XMPP gateway of every Edge pool.", .lync = "CsXmppGatewayConfiguration"),
    ROW(topology, limits, OBJECT, .kind = &kind_limits, .help = "How much of a machine others may take."),
    ROW(topology, monitoring, OBJECT, .kind = &kind_monitoring,
        .help = "What machines tell of what they do: access log and metrics."),
    LIST(topology, sites, site_kind, .max = TOPOLOGY_MAX_SITES, .help = "The sites.",
         .lync = "central and branch sites"),
    LIST(topology, edge_pools, kind_edge_pool, .max = TOPOLOGY_MAX_POOLS, .help = "The Edge pools.",
         .lync = "Edge pools"),
    LIST(topology, front_end_pools, kind_front_end_pool, .max = TOPOLOGY_MAX_POOLS,
         .help = "The Front End pools.", .lync = "Front End pools, Standard Edition servers"),
    LIST(topology, director_pools, kind_director_pool, .max = TOPOLOGY_MAX_POOLS,
         .help = "The Director pools.", .lync = "Director pools"),
    LIST(topology, mediation_pools, kind_mediation_pool, .max = TOPOLOGY_MAX_POOLS,
         .help = "The Mediation pools.", .lync = "Mediation pools"),
    LIST(topology, trusted_application_pools, kind_trusted_application_pool, .max = TOPOLOGY_MAX_POOLS,
         .help = "Pools of applications that Front Ends trust.", .lync = "trusted application servers"),
    LIST(topology, foreign_pools, kind_foreign_pool, .max = TOPOLOGY_MAX_POOLS,
         .help = "Pools of machines that run other SIP software.",
         .lync = "trusted servers of static routes"),
    LIST(topology, partners, partner_kind, .max = TOPOLOGY_MAX_PARTNERS,
         .help = "Other organisations that are allowed or blocked.", .lync = "federated domains"),
    LIST(topology, providers, provider_kind, .max = TOPOLOGY_MAX_PROVIDERS, .help = "Hosting providers.",
         .lync = "SIP federated providers"),
    LIST(topology, external_access_policies, policy_kind, .max = TOPOLOGY_MAX_POLICIES,
         .help = "What users may do from and to outside.", .lync = "external access policies"),
    LIST(topology, xmpp_partners, kind_xmpp_partner, .max = TOPOLOGY_MAX_XMPP_PARTNERS,
         .help = "XMPP domains that may speak with ours.", .lync = "XMPP federated partners"),
    LIST(topology, simple_urls, kind_simple_url, .max = TOPOLOGY_MAX_URLS,
         .help = "Short addresses of web pages.", .lync = "simple URLs"),
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
