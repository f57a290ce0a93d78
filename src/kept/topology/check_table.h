/*
 * topology/check_table.h - all checks: function, id, severity, what it stands for, what it means, what to do.
 *
 * What it stands for: a part of Lync's object model, a step of Lync's own procedure for federation routes and
 * media traffic ("Lync's procedure"), or a failure of a migration ("failure"), in words.
 */
#pragma once

#define CHECKS_OF_ROUTES(X)                                                                                  \
    X(reference_to_nothing, "reference-to-nothing", ERROR,                                                   \
      "failure: an Edge deleted while others point to it",                                                   \
      "A property names a site, a pool or a provider that the document does not have.",                      \
      "correct the name, or add what it names")                                                              \
    X(no_site, "no-site", ERROR, "sites", "The topology has no site.",                                       \
      "add a site: every pool stands in one")                                                                \
    X(site_without_route, "site-without-route", WARNING,                                                     \
      "Lync's procedure: site federation route; failure: a site route empty or still on the old Edge",       \
      "Partners are allowed and a site with Front End pools has no federation route.",                       \
      "set federation_route to a federating Edge pool")                                                      \
    X(route_without_federation, "route-without-federation", ERROR,                                           \
      "Lync's procedure: enable federation for this Edge pool; failure: a route to an Edge that does not "   \
      "federate",                                                                                            \
      "A site routes its federation to an Edge pool whose federation is off.",                               \
      "turn federation of that pool on, or route to another")                                                \
    X(route_to_stopping_edge, "route-to-stopping-edge", WARNING,                                             \
      "Lync's procedure: stop the legacy Access Edge; failure: a route to an Edge that does not federate",   \
      "A site routes its federation to an Edge pool that is draining or disabled.",                          \
      "route the site to another Edge pool first")                                                           \
    X(several_federating_edges, "several-federating-edges", WARNING,                                         \
      "Lync's procedure: the warning on publishing; failure: several federating Edges, an SRV record that "  \
      "lists one",                                                                                           \
      "More than one Edge pool federates: all of them take, only the routed one sends.",                     \
      "make sure that the SRV records lead to the pool of the site routes")                                  \
    X(default_domain_missing, "default-domain-missing", ERROR, "SIP domains",                                \
      "The deployment has no default SIP domain.", "set it to the SIP domain of your users")                 \
    X(domain_listed_twice, "domain-listed-twice", WARNING, "SIP domains",                                    \
      "A SIP domain is the default one and an additional one.", "remove it from additional_domains")         \
    X(domain_own_and_partner, "domain-own-and-partner", ERROR,                                               \
      "lists of partners and providers; failure: half of a split domain missing",                            \
      "A domain is one of ours and a partner's.", "remove the partner, or the domain from the deployment")   \
    X(partner_pin_and_provider, "partner-pin-and-provider", ERROR, "kinds of federation",                    \
      "A partner has an Access Edge of its own and is behind a provider.", "unset edge_fqdn or provider")    \
    X(provider_disabled, "provider-disabled", WARNING, "lists of partners and providers",                    \
      "An allowed partner is behind a disabled provider.", "enable the provider")                            \
    X(provider_without_edge, "provider-without-edge", ERROR, "lists of partners and providers",              \
      "An enabled provider has no Access Edge.", "set edge_fqdn to the provider's Access Edge")              \
    X(central_missing, "central-missing", ERROR, "Central Management Server",                                \
      "The topology does not say where central management runs.", "set it to the machine that publishes")    \
    X(central_machine_unknown, "central-machine-unknown", ERROR, "Central Management Server",                \
      "Central management runs on a machine that has no address.",                                           \
      "name a machine of a pool, or set central/internal_address")                                           \
    X(central_not_managed, "central-not-managed", ERROR, "Central Management Server",                        \
      "Central management runs on a machine without entented.", "name a machine that runs entented")         \
    X(central_in_perimeter, "central-in-perimeter", WARNING, "Central Management Server",                    \
      "Central management runs on an Edge machine.", "move it to a machine inside")                          \
    X(dialog_keys_too_short, "dialog-keys-too-short", ERROR, "", "Keys of dialogs end at once.",             \
      "set it to 1 or more")                                                                                 \
    X(attempts_too_long, "attempts-too-long", ERROR, "RFC 3261 17.1",                                        \
      "All attempts together outlast the sender's transaction.", "lower attempts_max or attempt_ms")         \
    X(connect_longer_than_attempt, "connect-longer-than-attempt", WARNING, "",                               \
      "A connection may take longer to set up than the whole attempt.",                                      \
      "choose connect_ms below attempt_ms")                                                                  \
    X(dnssec_without_anchor, "dnssec-without-anchor", ERROR, "",                                             \
      "DNS answers are to be validated and there is no trust anchor.",                                       \
      "name the file of trust anchors, or turn dnssec off")                                                  \
    X(dns_views_half_set, "dns-views-half-set", WARNING, "split DNS",                                        \
      "Name servers are given for one of inside and outside alone, so that all is taken for one view.",      \
      "set both inside_dns_servers and outside_dns_servers, or neither")

#define CHECKS_OF_POOLS(X)                                                                                   \
    X(edge_without_machines, "edge-without-machines", ERROR, "pools and computers",                          \
      "An Edge pool has no machines.", "add its machines, or remove the pool")                               \
    X(federation_without_external_name, "federation-without-external-name", ERROR, "Edge pool properties",   \
      "A federating Edge pool has no name for partners.",                                                    \
      "set external_fqdn to the name that the SRV records and the public certificate carry")                 \
    X(federation_without_external_address, "federation-without-external-address", ERROR,                     \
      "Edge pool properties", "A machine of a federating Edge pool has no address for partners.",            \
      "set the address on which partners reach the machine")                                                 \
    X(federation_without_next_hop, "federation-without-next-hop", ERROR,                                     \
      "Lync's procedure: federation next hop; failure: a next hop that is still the old pool",               \
      "A federating Edge pool does not know where to hand requests.",                                        \
      "set next_hop to the pool that takes what comes from outside")                                         \
    X(next_hop_version, "next-hop-version", WARNING,                                                         \
      "Lync's procedure: federation next hop; failure: a next hop that is still the old pool",               \
      "An Edge pool and its next hop are of different versions.",                                            \
      "point it to a pool of the same version when the migration is done")                                   \
    X(pool_without_site, "pool-without-site", ERROR, "pools and computers", "A pool stands in no site.",     \
      "set site to one of the sites")                                                                        \
    X(pool_without_media_edge, "pool-without-media-edge", WARNING,                                           \
      "Lync's procedure: outbound media path; failure: pools left on the old Edge for media",                \
      "A Front End or Mediation pool has no Edge pool for media to the outside.",                            \
      "set media_edge to the Edge pool that shall relay their media")                                        \
    X(front_end_without_machines, "front-end-without-machines", ERROR, "pools and computers",                \
      "A Front End pool has no machines.", "add its machine, or remove the pool")                            \
    X(several_front_end_machines, "several-front-end-machines", WARNING, "pools and computers",              \
      "A managed Front End pool has several machines, which do not share users yet.",                        \
      "use one machine, or a pool for each machine")                                                         \
    X(machine_without_address, "machine-without-address", ERROR, "Edge pool properties",                     \
      "A machine has no address inside.", "set its internal_address")                                        \
    X(foreign_pool_not_mutual_tls, "foreign-pool-not-mutual-tls", WARNING, "",                               \
      "Machines of a foreign pool are known by their address alone.", "use tls where its software can")      \
    X(foreign_pool_without_address, "foreign-pool-without-address", ERROR, "",                               \
      "A foreign pool lacks machines or their addresses.", "add its machines with their addresses")          \
    X(expires_out_of_order, "expires-out-of-order", ERROR, "",                                               \
      "The default length of a registration is not between the shortest and the longest.",                   \
      "choose min_expires <= default_expires <= max_expires")                                                \
    X(adopts_itself, "adopts-itself", ERROR, "", "An Edge pool adopts itself.",                              \
      "remove it from its own list")                                                                         \
    X(adopts_in_a_circle, "adopts-in-a-circle", ERROR, "", "Edge pools adopt each other.",                   \
      "let only the successor adopt its predecessor")                                                        \
    X(adopter_not_federating, "adopter-not-federating", WARNING, "",                                         \
      "An Edge pool answers for other pools' names and does not federate.",                                  \
      "turn its federation on before names lead to it")                                                      \
    X(adopted_names_unserved, "adopted-names-unserved", WARNING, "failure: names moved and services not",    \
      "A pool and the one that adopted its names are both disabled.", "enable one of the two")

#define CHECKS_OF_CLASHES(X)                                                                                 \
    X(name_used_twice, "name-used-twice", ERROR, "pools and computers; names are unique",                    \
      "One name stands for two things.", "give each its own name")                                           \
    X(edge_machine_elsewhere, "edge-machine-elsewhere", ERROR,                                               \
      "one role on an Edge machine; pools and computers", "An Edge machine is in another pool as well.",     \
      "an Edge machine does nothing else: use another machine")                                              \
    X(address_clash, "address-clash", ERROR, "Edge pool properties",                                         \
      "Two services listen on one address and port.", "choose another address or port")                      \
    X(edge_sides_share_address, "edge-sides-share-address", WARNING, "networks of an Edge machine",          \
      "An Edge machine has one address for inside and outside.",                                             \
      "give the sides an address each, in networks that do not route to each other")                         \
    X(port_out_of_place, "port-out-of-place", WARNING, "ports",                                              \
      "A port is one that its protocol is not expected on.",                                                 \
      "use the usual port unless something forbids it")

#define CHECKS_OF_SITES(X)                                                                                   \
    X(branch_without_parent, "branch-without-parent", ERROR, "sites",                                        \
      "A branch site names no central site that it belongs to.", "set parent to a central site")             \
    X(parent_not_central, "parent-not-central", ERROR, "sites",                                              \
      "The parent of a branch site is a branch site.", "name a central site as the parent")                  \
    X(central_with_parent, "central-with-parent", WARNING, "sites",                                          \
      "A central site has a parent, which means nothing.", "unset parent, or make it a branch site")         \
    X(site_without_pools, "site-without-pools", WARNING, "sites",                                            \
      "No pool stands in a site: nothing of it is used.", "put a pool into it, or remove the site")          \
    X(sites_route_apart, "sites-route-apart", WARNING,                                                       \
      "Lync's procedure: for multi-site deployments, complete this at each site",                            \
      "Sites send their federation through different Edge pools.",                                           \
      "in a move, complete it at each site; otherwise route all to one")                                     \
    X(route_for_all_contradicted, "route-for-all-contradicted", WARNING, "sites",                            \
      "A route is meant for all sites and another site has a different one.",                                \
      "unset the other route, or route_for_all")                                                             \
    X(route_for_all_empty, "route-for-all-empty", WARNING, "sites",                                          \
      "A site's route shall hold for all sites and is not set.",                                             \
      "set federation_route, or unset route_for_all")                                                        \
    X(xmpp_route_without_xmpp, "xmpp-route-without-xmpp", ERROR,                                             \
      "sites; failure: a route to an Edge that does not federate",                                           \
      "A site routes XMPP to an Edge pool whose XMPP federation is off.",                                    \
      "turn xmpp of that pool on, or route to another")                                                      \
    X(xmpp_without_route, "xmpp-without-route", WARNING, "sites; XMPP",                                      \
      "An Edge pool federates by XMPP and no site sends through it.", "set xmpp_route of the sites")         \
    X(xmpp_without_gateway, "xmpp-without-gateway", WARNING, "XMPP",                                         \
      "An Edge pool federates by XMPP and its gateway is disabled.",                                         \
      "enable xmpp_gateway, or turn xmpp off")                                                               \
    X(several_xmpp_edges, "several-xmpp-edges", WARNING, "sites; XMPP",                                      \
      "More than one Edge pool federates by XMPP.",                                                          \
      "make sure that the _xmpp-server records lead to the pool of the site routes")                         \
    X(xmpp_leaves_legacy_users, "xmpp-leaves-legacy-users", WARNING,                                         \
      "Lync's procedure: the XMPP caveat; failure: XMPP users of the old pool cut off",                      \
      "XMPP goes through an Edge pool of one version while users live on pools of another.",                 \
      "move all users first, then XMPP: policies, certificates, partners, DNS")

#define CHECKS_OF_SERVICES(X)                                                                                \
    X(single_external_name, "single-external-name", WARNING,                                                 \
      "Lync's procedure: the same FQDN for all services is not supported; failure: one name for all three "  \
      "services",                                                                                            \
      "Access, Conferencing and A/V Edge share one external name, which can only move for all three at "     \
      "once.",                                                                                               \
      "give conf_fqdn and av_fqdn names of their own before a transition, or move all users first")          \
    X(external_port_clash, "external-port-clash", ERROR, "Edge pool properties",                             \
      "Two external services have the same name and the same port.",                                         \
      "give them different ports, or different names")                                                       \
    X(service_without_name, "service-without-name", ERROR, "Edge pool properties",                           \
      "A Conferencing or A/V Edge runs and has no external name.",                                           \
      "set conf_fqdn or av_fqdn, or disable the service")                                                    \
    X(service_without_address, "service-without-address", ERROR, "Edge pool properties",                     \
      "A Conferencing or A/V Edge runs and a machine has no external address for it.",                       \
      "set the address of the machine, or disable the service")                                              \
    X(nat_without_address, "nat-without-address", ERROR,                                                     \
      "Edge pool properties; failure: a NAT address that is wrong or missing",                               \
      "The A/V Edge stands behind NAT and a machine does not say its public address.",                       \
      "set nat_address to the address that the Internet sees")                                               \
    X(nat_address_unused, "nat-address-unused", WARNING, "Edge pool properties",                             \
      "A machine has a public address for NAT and its pool is not behind NAT.",                              \
      "set nat of the pool, or unset nat_address")                                                           \
    X(nat_address_not_public, "nat-address-not-public", WARNING,                                             \
      "Edge pool properties; failure: a NAT address that is wrong or missing",                               \
      "The public address of the A/V Edge is one that no other network can route to.",                       \
      "set nat_address to the address that the Internet sees")                                               \
    X(nat_with_hardware_balancing, "nat-with-hardware-balancing", ERROR,                                     \
      "Edge pool properties; networks of an Edge machine",                                                   \
      "An Edge pool is behind NAT and behind a hardware load balancer.",                                     \
      "choose external_balancing dns, or public addresses without NAT")                                      \
    X(mixed_load_balancing, "mixed-load-balancing", WARNING,                                                 \
      "networks of an Edge machine; failure: two kinds of balancing",                                        \
      "An Edge pool is balanced in one way inside and in another outside.",                                  \
      "choose the same for internal_balancing and external_balancing")                                       \
    X(balanced_address_not_public, "balanced-address-not-public", WARNING,                                   \
      "networks of an Edge machine; failure: a balancer in the way",                                         \
      "An Edge pool behind a hardware load balancer has external addresses that are not public.",            \
      "give all services public addresses, or balance by DNS")                                               \
    X(media_range_overflow, "media-range-overflow", ERROR, "Edge pool properties",                           \
      "The range of media ports goes past 65535.", "lower media_port_start or media_port_count")             \
    X(media_range_holds_port, "media-range-holds-port", ERROR, "Edge pool properties; ports",                \
      "A port of the relay lies in its own range of media ports.", "move the range, or the port")            \
    X(address_of_other_family, "address-of-other-family", ERROR, "Edge pool properties",                     \
      "An address for IPv6 is of IPv4.", "write an IPv6 address, or use the property without the 6")         \
    X(address_unusable, "address-unusable", ERROR, "networks of an Edge machine",                            \
      "An address is one that no machine can have: unspecified, multicast or broadcast.",                    \
      "write the machine's own address")                                                                     \
    X(external_address_inside, "external-address-inside", WARNING, "networks of an Edge machine",            \
      "A machine of a pool inside has addresses that only Edge machines use.",                               \
      "unset them, or put the machine into an Edge pool")

#define CHECKS_OF_NAMES(X)                                                                                   \
    X(external_name_without_domain, "external-name-without-domain", ERROR,                                   \
      "pools and computers; failure: a certificate that lacks a name",                                       \
      "An external name has one label: no certificate that partners trust could cover it.",                  \
      "use a full name within a domain of yours")                                                            \
    X(name_without_domain, "name-without-domain", WARNING, "pools and computers",                            \
      "A pool or a machine has a name of one label: set its DNS suffix first.", "use the full name")         \
    X(external_name_not_public, "external-name-not-public", WARNING,                                         \
      "certificates; failure: a certificate that lacks a name",                                              \
      "An external name is in a domain that exists inside only: no public authority certifies it.",          \
      "use a name in a public domain")                                                                       \
    X(srv_target_outside_domain, "srv-target-outside-domain", WARNING,                                       \
      "DNS records; failure: an SRV target outside the SIP domain",                                          \
      "The Access Edge's name is not within a SIP domain: partners that compare strictly refuse the SRV "    \
      "record.",                                                                                             \
      "use a name within the domain, or expect partners to need srv_names")

#define CHECKS_OF_FEDERATION(X)                                                                              \
    X(partner_edge_is_ours, "partner-edge-is-ours", ERROR, "routes and loops",                               \
      "A partner or a provider is pinned to an Edge of our own.",                                            \
      "name the other organisation's Access Edge")                                                           \
    X(provider_edge_twice, "provider-edge-twice", WARNING, "kinds of federation",                            \
      "Two providers have the same Access Edge: a peer cannot be told from the other.", "keep one of them")  \
    X(blocked_partner_with_settings, "blocked-partner-with-settings", WARNING,                               \
      "lists of partners and providers", "A blocked partner has settings that only an allowed one uses.",    \
      "unset edge_fqdn, provider and monitored")                                                             \
    X(partner_without_domain, "partner-without-domain", WARNING, "lists of partners and providers",          \
      "A partner's domain has one label: nobody is reached there.", "write the whole domain")                \
    X(shared_address_space_twice, "shared-address-space-twice", WARNING,                                     \
      "lists of partners and providers; failure: half of a split domain missing",                            \
      "More than one provider shares our address space.", "let one provider share it")                       \
    X(split_domain_provider_disabled, "split-domain-provider-disabled", WARNING,                             \
      "lists of partners and providers; failure: half of a split domain missing",                            \
      "A provider shares our address space and is disabled: users there are cut off.",                       \
      "enable the provider, or unset shared_address_space")                                                  \
    X(default_route_missing, "default-route-missing", ERROR,                                                 \
      "kinds of federation; global Access Edge settings",                                                    \
      "All is to go to a clearing house and none is named.", "set default_route, or routing to srv")         \
    X(default_route_unused, "default-route-unused", WARNING, "global Access Edge settings",                  \
      "A clearing house is named and routing goes by DNS.",                                                  \
      "set routing to default_route, or unset default_route")                                                \
    X(default_route_with_providers, "default-route-with-providers", ERROR, "kinds of federation",            \
      "All is to go to a clearing house and there are enabled providers.",                                   \
      "disable or remove the providers")                                                                     \
    X(user_replicator_on, "user-replicator-on", ERROR,                                                       \
      "global Access Edge settings; failure: the user replicator on",                                        \
      "The user replicator is on, which keeps Lync's Access Edge from starting.", "unset user_replicator")   \
    X(federated_users_off, "federated-users-off", WARNING, "global Access Edge settings",                    \
      "Partners are allowed and federation is off for all users.",                                           \
      "set federated_users, or remove the partners")                                                         \
    X(discovery_unlimited, "discovery-unlimited", WARNING,                                                   \
      "limits of discovered partners; failure: a discovered partner held back",                              \
      "Discovered partners may try all addresses that they like.", "set limit_discovered_contacts")          \
    X(pin_key_malformed, "pin-key-malformed", ERROR, "lists of partners and providers",                      \
      "A pinned key is not written as SHA-256: nobody could have it.", "write 64 hex digits")                \
    X(crls_not_checked, "crls-not-checked", WARNING,                                                         \
      "global Access Edge settings; failure: revocation lists out of reach",                                 \
      "Revoked certificates of partners stay good.", "set check_crls")                                       \
    X(anonymous_without_outside, "anonymous-without-outside", WARNING, "global Access Edge settings",        \
      "Guests may join and nobody may come from outside.", "set outside_users, or unset anonymous_users")    \
    X(policy_without_switch, "policy-without-switch", WARNING, "external access policy",                     \
      "A policy grants what the deployment forbids to all.",                                                 \
      "turn the global setting on, or the policy's off")                                                     \
    X(policy_xmpp_without_edge, "policy-xmpp-without-edge", WARNING, "external access policy; XMPP",         \
      "A policy grants XMPP and no Edge pool federates by XMPP.",                                            \
      "turn xmpp of an Edge pool on, or the policy's off")                                                   \
    X(policy_domain_not_own, "policy-domain-not-own", ERROR, "external access policy",                       \
      "A policy is assigned to a domain or to a user that is not ours.",                                     \
      "correct the domain, or add it to the deployment")                                                     \
    X(policy_assigned_twice, "policy-assigned-twice", ERROR, "external access policy",                       \
      "Two policies are assigned to the same user, domain or site.", "remove it from one of the two")        \
    X(policy_assigned_to_nobody, "policy-assigned-to-nobody", WARNING, "external access policy",             \
      "A policy holds for nobody.", "assign it, remove it, or name it global")                               \
    X(public_cloud_av_alone, "public-cloud-av-alone", WARNING, "external access policy",                     \
      "A policy grants calls to public providers and not the providers themselves.",                         \
      "set public_cloud, or unset public_cloud_av")

#define CHECKS_OF_ESTATE(X)                                                                                  \
    X(standard_pool_several_machines, "standard-pool-several-machines", ERROR, "pools and computers",        \
      "A standard pool has more than one machine.",                                                          \
      "make it an enterprise pool, or a pool for each machine")                                              \
    X(standard_pool_name, "standard-pool-name", WARNING, "pools and computers",                              \
      "A standard pool's name is not its machine's, as it is in Lync.",                                      \
      "name the pool as its machine, or make it an enterprise pool")                                         \
    X(edge_pool_large, "edge-pool-large", WARNING, "pools and computers",                                    \
      "An Edge pool has more machines than Lync supports.", "keep to 12 machines a pool")                    \
    X(pool_without_machines, "pool-without-machines", ERROR, "pools and computers",                          \
      "A Director, Mediation or trusted application pool has no machines.",                                  \
      "add its machines, or remove the pool")                                                                \
    X(director_without_next_hop, "director-without-next-hop", ERROR, "pools and computers",                  \
      "A Director pool does not know where to hand requests.", "set next_hop to a Front End pool")           \
    X(director_unused, "director-unused", WARNING,                                                           \
      "pools and computers; failure: a next hop that is still the old pool",                                 \
      "No Edge pool and no site goes through a Director pool.",                                              \
      "name it as a next hop or in a route, or remove it")                                                   \
    X(director_not_served, "director-not-served", WARNING, "pools and computers",                            \
      "A managed Director runs nothing yet: this version serves no Directors.",                              \
      "go to the Front End or Edge pool itself, or set managed to false for one that runs other software")   \
    X(mediation_without_next_hop, "mediation-without-next-hop", ERROR, "pools and computers",                \
      "A Mediation pool does not know where to hand calls.", "set next_hop to a Front End pool")             \
    X(application_without_next_hop, "application-without-next-hop", WARNING, "pools and computers",          \
      "A trusted application pool has no Front End pool that speaks for it.",                                \
      "set next_hop to a Front End pool")                                                                    \
    X(edge_pool_unused, "edge-pool-unused", WARNING,                                                         \
      "Lync's procedure: only one Edge is used; failure: a site route empty or still on the old Edge; "      \
      "failure: pools left on the old Edge for media",                                                       \
      "An Edge pool federates, and no site, no media association and no successor uses it.",                 \
      "route a site to it, or turn its federation off")                                                      \
    X(media_edge_without_av, "media-edge-without-av", WARNING,                                               \
      "Lync's procedure: outbound media path; failure: pools left on the old Edge for media",                \
      "A pool relays its media through an Edge pool whose A/V Edge does not run, while another's does.",     \
      "name an Edge pool whose av_edge is enabled")                                                          \
    X(media_left_behind, "media-left-behind", WARNING,                                                       \
      "Lync's procedure: outbound media path; failure: pools left on the old Edge for media",                \
      "A pool's media association names an Edge of another version, while its site's route names one of "    \
      "its own.",                                                                                            \
      "set media_edge to the Edge pool of the site's route")                                                 \
    X(three_versions, "three-versions", WARNING, "versions side by side",                                    \
      "Pools are of more than two versions, which do not know each other's routes.",                         \
      "finish one migration before the next")                                                                \
    X(version_unknown, "version-unknown", WARNING, "versions side by side",                                  \
      "A version is neither entente nor a release of Lync or Skype for Business.",                           \
      "write entente, 2007, 2007R2, 2010, 2013, 2015, 2019 or SE")                                           \
    X(edge_2007_authorizes, "edge-2007-authorizes", WARNING,                                                 \
      "routes and loops; failure: an old Edge that does not know new servers",                               \
      "An Edge pool of 2007 works with pools of other versions and must authorize each of their machines.",  \
      "authorize every Front End, Director and pool name on that Edge")                                      \
    X(central_address_unused, "central-address-unused", WARNING, "Central Management Server",                \
      "Central management has an address of its own and runs on a machine of a pool.",                       \
      "unset central/internal_address")

#define CHECKS_OF_OUTSIDE(X)                                                                                 \
    X(xmpp_negotiation_impossible, "xmpp-negotiation-impossible", ERROR, "XMPP",                             \
      "An XMPP partner may prove itself in no way.", "allow dialback, or SASL over TLS")                     \
    X(xmpp_sasl_without_tls, "xmpp-sasl-without-tls", WARNING, "XMPP",                                       \
      "An XMPP partner is asked for its certificate on streams without TLS.",                                \
      "set tls to required or optional, or sasl to not_supported")                                           \
    X(xmpp_not_encrypted, "xmpp-not-encrypted", WARNING, "XMPP",                                             \
      "Streams with an XMPP partner may go without encryption.", "set tls to required")                      \
    X(xmpp_domain_own, "xmpp-domain-own", ERROR, "XMPP", "An XMPP partner's domain is one of ours.",         \
      "remove the partner, or the domain from the deployment")                                               \
    X(xmpp_domain_twice, "xmpp-domain-twice", ERROR, "XMPP", "A domain belongs to two XMPP partners.",       \
      "leave it with one of them")                                                                           \
    X(xmpp_domain_also_sip, "xmpp-domain-also-sip", WARNING, "XMPP",                                         \
      "A domain is a partner by SIP and by XMPP.", "decide for one of the two")                              \
    X(xmpp_partners_without_edge, "xmpp-partners-without-edge", WARNING, "XMPP",                             \
      "There are XMPP partners and no Edge pool that federates by XMPP.", "turn xmpp of an Edge pool on")    \
    X(xmpp_for_nobody, "xmpp-for-nobody", WARNING, "XMPP; external access policy",                           \
      "There are XMPP partners and nobody may speak with them.",                                             \
      "turn xmpp of an external access policy on")                                                           \
    X(simple_url_malformed, "simple-url-malformed", ERROR, "simple URLs",                                    \
      "A simple URL is no URL with the full name of a host.", "write it as https://meet.contoso.example")    \
    X(simple_url_domain_not_own, "simple-url-domain-not-own", ERROR, "simple URLs",                          \
      "A simple URL is for a domain that is none of ours.", "name one of our SIP domains, or none for all")  \
    X(simple_url_twice, "simple-url-twice", ERROR, "simple URLs",                                            \
      "Two simple URLs are active for the same use and domain.", "leave one of them active")                 \
    X(backup_pool_itself, "backup-pool-itself", ERROR, "backup pools", "A pool is its own backup.",          \
      "name another pool")                                                                                   \
    X(backup_pool_not_mutual, "backup-pool-not-mutual", WARNING, "backup pools",                             \
      "A pool backs up another one and is not backed up by it.", "let the two back each other up")           \
    X(backup_pool_unlike, "backup-pool-unlike", WARNING, "backup pools",                                     \
      "A pool and its backup are of different version or kind.", "pair pools that are alike")                \
    X(branch_pool_without_home, "branch-pool-without-home", WARNING, "branch sites",                         \
      "The users of a branch pool have no pool in a central site.", "set backup_pool to it")                 \
    X(branch_pool_out_of_place, "branch-pool-out-of-place", WARNING, "branch sites",                         \
      "A branch appliance or server stands in a central site.", "put it into a branch site")                 \
    X(branch_pool_several_machines, "branch-pool-several-machines", ERROR, "branch sites",                   \
      "A branch pool has several machines.", "leave one, or make it an enterprise pool")                     \
    X(web_name_shared, "web-name-shared", ERROR, "web services",                                             \
      "Two pools have one external name for their web services.", "give each pool a name of its own")

#define CHECKS(X)                                                                                            \
    CHECKS_OF_ROUTES(X)                                                                                      \
    CHECKS_OF_POOLS(X)                                                                                       \
    CHECKS_OF_CLASHES(X)                                                                                     \
    CHECKS_OF_SITES(X)                                                                                       \
    CHECKS_OF_SERVICES(X) CHECKS_OF_NAMES(X) CHECKS_OF_FEDERATION(X) CHECKS_OF_ESTATE(X) CHECKS_OF_OUTSIDE(X)
