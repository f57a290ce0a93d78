/*
 * topology/check_table.h - all checks: function, id, severity, what it stands for, what it means, what to do.
 *
 * A source of digits is a section of the facts on Lync's object model, "7.7 row N" one of its table of
 * failures of a migration, "seed" a passage of Lync's own procedure for federation routes and media traffic.
 */
#pragma once

#define CHECKS_OF_ROUTES(X)                                                                                  \
    X(reference_to_nothing, "reference-to-nothing", ERROR, "7.7 row 37",                                     \
      "A property names a site, a pool or a provider that the document does not have.",                      \
      "correct the name, or add what it names")                                                              \
    X(no_site, "no-site", ERROR, "1.2", "The topology has no site.", "add a site: every pool stands in one") \
    X(site_without_route, "site-without-route", WARNING, "seed: site federation route; 7.7 row 2",           \
      "Partners are allowed and a site with Front End pools has no federation route.",                       \
      "set federation_route to a federating Edge pool")                                                      \
    X(route_without_federation, "route-without-federation", ERROR,                                           \
      "seed: enable federation for this Edge pool; 7.7 row 3",                                               \
      "A site routes its federation to an Edge pool whose federation is off.",                               \
      "turn federation of that pool on, or route to another")                                                \
    X(route_to_stopping_edge, "route-to-stopping-edge", WARNING,                                             \
      "seed: stop the legacy Access Edge; 7.7 row 3",                                                        \
      "A site routes its federation to an Edge pool that is draining or disabled.",                          \
      "route the site to another Edge pool first")                                                           \
    X(several_federating_edges, "several-federating-edges", WARNING,                                         \
      "seed: the warning on publishing; 7.7 row 4",                                                          \
      "More than one Edge pool federates: all of them take, only the routed one sends.",                     \
      "make sure that the SRV records lead to the pool of the site routes")                                  \
    X(default_domain_missing, "default-domain-missing", ERROR, "1.1",                                        \
      "The deployment has no default SIP domain.", "set it to the SIP domain of your users")                 \
    X(domain_listed_twice, "domain-listed-twice", WARNING, "1.1",                                            \
      "A SIP domain is the default one and an additional one.", "remove it from additional_domains")         \
    X(domain_own_and_partner, "domain-own-and-partner", ERROR, "4.2; 7.7 row 35",                            \
      "A domain is one of ours and a partner's.", "remove the partner, or the domain from the deployment")   \
    X(partner_pin_and_provider, "partner-pin-and-provider", ERROR, "4.1",                                    \
      "A partner has an Access Edge of its own and is behind a provider.", "unset edge_fqdn or provider")    \
    X(provider_disabled, "provider-disabled", WARNING, "4.2",                                                \
      "An allowed partner is behind a disabled provider.", "enable the provider")                            \
    X(provider_without_edge, "provider-without-edge", ERROR, "4.2",                                          \
      "An enabled provider has no Access Edge.", "set edge_fqdn to the provider's Access Edge")              \
    X(central_missing, "central-missing", ERROR, "2.5",                                                      \
      "The topology does not say where central management runs.", "set it to the machine that publishes")    \
    X(central_machine_unknown, "central-machine-unknown", ERROR, "2.5",                                      \
      "Central management runs on a machine that has no address.",                                           \
      "name a machine of a pool, or set central/internal_address")                                           \
    X(central_not_managed, "central-not-managed", ERROR, "2.5",                                              \
      "Central management runs on a machine without entented.", "name a machine that runs entented")         \
    X(central_in_perimeter, "central-in-perimeter", WARNING, "2.5",                                          \
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
    X(edge_without_machines, "edge-without-machines", ERROR, "1.3", "An Edge pool has no machines.",         \
      "add its machines, or remove the pool")                                                                \
    X(federation_without_external_name, "federation-without-external-name", ERROR, "1.4",                    \
      "A federating Edge pool has no name for partners.",                                                    \
      "set external_fqdn to the name that the SRV records and the public certificate carry")                 \
    X(federation_without_external_address, "federation-without-external-address", ERROR, "1.4",              \
      "A machine of a federating Edge pool has no address for partners.",                                    \
      "set the address on which partners reach the machine")                                                 \
    X(federation_without_next_hop, "federation-without-next-hop", ERROR,                                     \
      "seed: federation next hop; 7.7 row 5",                                                                \
      "A federating Edge pool does not know where to hand requests.",                                        \
      "set next_hop to the pool that takes what comes from outside")                                         \
    X(next_hop_version, "next-hop-version", WARNING, "seed: federation next hop; 7.7 row 5",                 \
      "An Edge pool and its next hop are of different versions.",                                            \
      "point it to a pool of the same version when the migration is done")                                   \
    X(pool_without_site, "pool-without-site", ERROR, "1.3", "A pool stands in no site.",                     \
      "set site to one of the sites")                                                                        \
    X(pool_without_media_edge, "pool-without-media-edge", WARNING, "seed: outbound media path; 7.7 row 6",   \
      "A Front End or Mediation pool has no Edge pool for media to the outside.",                            \
      "set media_edge to the Edge pool that shall relay their media")                                        \
    X(front_end_without_machines, "front-end-without-machines", ERROR, "1.3",                                \
      "A Front End pool has no machines.", "add its machine, or remove the pool")                            \
    X(several_front_end_machines, "several-front-end-machines", WARNING, "1.3",                              \
      "A managed Front End pool has several machines, which do not share users yet.",                        \
      "use one machine, or a pool for each machine")                                                         \
    X(machine_without_address, "machine-without-address", ERROR, "1.4", "A machine has no address inside.",  \
      "set its internal_address")                                                                            \
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
    X(adopted_names_unserved, "adopted-names-unserved", WARNING, "7.7 row 38",                               \
      "A pool and the one that adopted its names are both disabled.", "enable one of the two")

#define CHECKS_OF_CLASHES(X)                                                                                 \
    X(name_used_twice, "name-used-twice", ERROR, "1.3, 2.2", "One name stands for two things.",              \
      "give each its own name")                                                                              \
    X(edge_machine_elsewhere, "edge-machine-elsewhere", ERROR, "0, 1.3",                                     \
      "An Edge machine is in another pool as well.",                                                         \
      "an Edge machine does nothing else: use another machine")                                              \
    X(address_clash, "address-clash", ERROR, "1.4", "Two services listen on one address and port.",          \
      "choose another address or port")                                                                      \
    X(edge_sides_share_address, "edge-sides-share-address", WARNING, "1.6",                                  \
      "An Edge machine has one address for inside and outside.",                                             \
      "give the sides an address each, in networks that do not route to each other")                         \
    X(port_out_of_place, "port-out-of-place", WARNING, "1.7",                                                \
      "A port is one that its protocol is not expected on.",                                                 \
      "use the usual port unless something forbids it")

#define CHECKS_OF_SITES(X)                                                                                   \
    X(branch_without_parent, "branch-without-parent", ERROR, "1.2",                                          \
      "A branch site names no central site that it belongs to.", "set parent to a central site")             \
    X(parent_not_central, "parent-not-central", ERROR, "1.2",                                                \
      "The parent of a branch site is a branch site.", "name a central site as the parent")                  \
    X(central_with_parent, "central-with-parent", WARNING, "1.2",                                            \
      "A central site has a parent, which means nothing.", "unset parent, or make it a branch site")         \
    X(site_without_pools, "site-without-pools", WARNING, "1.2",                                              \
      "No pool stands in a site: nothing of it is used.", "put a pool into it, or remove the site")          \
    X(sites_route_apart, "sites-route-apart", WARNING,                                                       \
      "seed: for multi-site deployments, complete this at each site",                                        \
      "Sites send their federation through different Edge pools.",                                           \
      "in a move, complete it at each site; otherwise route all to one")                                     \
    X(route_for_all_contradicted, "route-for-all-contradicted", WARNING, "1.2",                              \
      "A route is meant for all sites and another site has a different one.",                                \
      "unset the other route, or route_for_all")                                                             \
    X(route_for_all_empty, "route-for-all-empty", WARNING, "1.2",                                            \
      "A site's route shall hold for all sites and is not set.",                                             \
      "set federation_route, or unset route_for_all")                                                        \
    X(xmpp_route_without_xmpp, "xmpp-route-without-xmpp", ERROR, "1.2; 7.7 row 3",                           \
      "A site routes XMPP to an Edge pool whose XMPP federation is off.",                                    \
      "turn xmpp of that pool on, or route to another")                                                      \
    X(xmpp_without_route, "xmpp-without-route", WARNING, "1.2, 8",                                           \
      "An Edge pool federates by XMPP and no site sends through it.", "set xmpp_route of the sites")         \
    X(xmpp_without_gateway, "xmpp-without-gateway", WARNING, "8",                                            \
      "An Edge pool federates by XMPP and its gateway is disabled.",                                         \
      "enable xmpp_gateway, or turn xmpp off")                                                               \
    X(several_xmpp_edges, "several-xmpp-edges", WARNING, "1.2, 8",                                           \
      "More than one Edge pool federates by XMPP.",                                                          \
      "make sure that the _xmpp-server records lead to the pool of the site routes")                         \
    X(xmpp_leaves_legacy_users, "xmpp-leaves-legacy-users", WARNING, "seed: the XMPP caveat; 7.7 row 36",    \
      "XMPP goes through an Edge pool of one version while users live on pools of another.",                 \
      "move all users first, then XMPP: policies, certificates, partners, DNS")

#define CHECKS_OF_SERVICES(X)                                                                                \
    X(single_external_name, "single-external-name", WARNING,                                                 \
      "seed: the same FQDN for all services is not supported; 7.7 row 1",                                    \
      "Access, Conferencing and A/V Edge share one external name, which can only move for all three at "     \
      "once.",                                                                                               \
      "give conf_fqdn and av_fqdn names of their own before a transition, or move all users first")          \
    X(external_port_clash, "external-port-clash", ERROR, "1.4",                                              \
      "Two external services have the same name and the same port.",                                         \
      "give them different ports, or different names")                                                       \
    X(service_without_name, "service-without-name", ERROR, "1.4",                                            \
      "A Conferencing or A/V Edge runs and has no external name.",                                           \
      "set conf_fqdn or av_fqdn, or disable the service")                                                    \
    X(service_without_address, "service-without-address", ERROR, "1.4",                                      \
      "A Conferencing or A/V Edge runs and a machine has no external address for it.",                       \
      "set the address of the machine, or disable the service")                                              \
    X(nat_without_address, "nat-without-address", ERROR, "1.4; 7.7 row 24",                                  \
      "The A/V Edge stands behind NAT and a machine does not say its public address.",                       \
      "set nat_address to the address that the Internet sees")                                               \
    X(nat_address_unused, "nat-address-unused", WARNING, "1.4",                                              \
      "A machine has a public address for NAT and its pool is not behind NAT.",                              \
      "set nat of the pool, or unset nat_address")                                                           \
    X(nat_address_not_public, "nat-address-not-public", WARNING, "1.4; 7.7 row 24",                          \
      "The public address of the A/V Edge is one that no other network can route to.",                       \
      "set nat_address to the address that the Internet sees")                                               \
    X(nat_with_hardware_balancing, "nat-with-hardware-balancing", ERROR, "1.4, 1.6",                         \
      "An Edge pool is behind NAT and behind a hardware load balancer.",                                     \
      "choose external_balancing dns, or public addresses without NAT")                                      \
    X(mixed_load_balancing, "mixed-load-balancing", WARNING, "1.6; 7.7 row 27",                              \
      "An Edge pool is balanced in one way inside and in another outside.",                                  \
      "choose the same for internal_balancing and external_balancing")                                       \
    X(balanced_address_not_public, "balanced-address-not-public", WARNING, "1.6; 7.7 row 26",                \
      "An Edge pool behind a hardware load balancer has external addresses that are not public.",            \
      "give all services public addresses, or balance by DNS")                                               \
    X(media_range_overflow, "media-range-overflow", ERROR, "1.4",                                            \
      "The range of media ports goes past 65535.", "lower media_port_start or media_port_count")             \
    X(media_range_holds_port, "media-range-holds-port", ERROR, "1.4, 1.7",                                   \
      "A port of the relay lies in its own range of media ports.", "move the range, or the port")            \
    X(address_of_other_family, "address-of-other-family", ERROR, "1.4", "An address for IPv6 is of IPv4.",   \
      "write an IPv6 address, or use the property without the 6")                                            \
    X(address_unusable, "address-unusable", ERROR, "1.6",                                                    \
      "An address is one that no machine can have: unspecified, multicast or broadcast.",                    \
      "write the machine's own address")                                                                     \
    X(external_address_inside, "external-address-inside", WARNING, "1.6",                                    \
      "A machine of a pool inside has addresses that only Edge machines use.",                               \
      "unset them, or put the machine into an Edge pool")

#define CHECKS_OF_NAMES(X)                                                                                   \
    X(external_name_without_domain, "external-name-without-domain", ERROR, "1.3; 7.7 row 11",                \
      "An external name has one label: no certificate that partners trust could cover it.",                  \
      "use a full name within a domain of yours")                                                            \
    X(name_without_domain, "name-without-domain", WARNING, "1.3",                                            \
      "A pool or a machine has a name of one label: set its DNS suffix first.", "use the full name")         \
    X(external_name_not_public, "external-name-not-public", WARNING, "6; 7.7 row 11",                        \
      "An external name is in a domain that exists inside only: no public authority certifies it.",          \
      "use a name in a public domain")                                                                       \
    X(srv_target_outside_domain, "srv-target-outside-domain", WARNING, "4.5; 7.7 row 20",                    \
      "The Access Edge's name is not within a SIP domain: partners that compare strictly refuse the SRV "    \
      "record.",                                                                                             \
      "use a name within the domain, or expect partners to need srv_names")

#define CHECKS_OF_FEDERATION(X)                                                                              \
    X(partner_edge_is_ours, "partner-edge-is-ours", ERROR, "4.9",                                            \
      "A partner or a provider is pinned to an Edge of our own.",                                            \
      "name the other organisation's Access Edge")                                                           \
    X(provider_edge_twice, "provider-edge-twice", WARNING, "4.1",                                            \
      "Two providers have the same Access Edge: a peer cannot be told from the other.", "keep one of them")  \
    X(blocked_partner_with_settings, "blocked-partner-with-settings", WARNING, "4.2",                        \
      "A blocked partner has settings that only an allowed one uses.",                                       \
      "unset edge_fqdn, provider and monitored")                                                             \
    X(shared_address_space_twice, "shared-address-space-twice", WARNING, "4.2; 7.7 row 35",                  \
      "More than one provider shares our address space.", "let one provider share it")                       \
    X(split_domain_provider_disabled, "split-domain-provider-disabled", WARNING, "4.2; 7.7 row 35",          \
      "A provider shares our address space and is disabled: users there are cut off.",                       \
      "enable the provider, or unset shared_address_space")                                                  \
    X(default_route_missing, "default-route-missing", ERROR, "4.1, 4.3",                                     \
      "All is to go to a clearing house and none is named.", "set default_route, or routing to srv")         \
    X(default_route_unused, "default-route-unused", WARNING, "4.3",                                          \
      "A clearing house is named and routing goes by DNS.",                                                  \
      "set routing to default_route, or unset default_route")                                                \
    X(default_route_with_providers, "default-route-with-providers", ERROR, "4.1",                            \
      "All is to go to a clearing house and there are enabled providers.",                                   \
      "disable or remove the providers")                                                                     \
    X(user_replicator_on, "user-replicator-on", ERROR, "4.3; 7.7 row 33",                                    \
      "The user replicator is on, which keeps Lync's Access Edge from starting.", "unset user_replicator")   \
    X(federated_users_off, "federated-users-off", WARNING, "4.3",                                            \
      "Partners are allowed and federation is off for all users.",                                           \
      "set federated_users, or remove the partners")                                                         \
    X(discovery_unlimited, "discovery-unlimited", WARNING, "4.7; 7.7 row 31",                                \
      "Discovered partners may try all addresses that they like.", "set limit_discovered_contacts")          \
    X(crls_not_checked, "crls-not-checked", WARNING, "4.3; 7.7 row 16",                                      \
      "Revoked certificates of partners stay good.", "set check_crls")                                       \
    X(anonymous_without_outside, "anonymous-without-outside", WARNING, "4.3",                                \
      "Guests may join and nobody may come from outside.", "set outside_users, or unset anonymous_users")    \
    X(policy_without_switch, "policy-without-switch", WARNING, "4.4",                                        \
      "A policy grants what the deployment forbids to all.",                                                 \
      "turn the global setting on, or the policy's off")                                                     \
    X(policy_xmpp_without_edge, "policy-xmpp-without-edge", WARNING, "4.4, 8",                               \
      "A policy grants XMPP and no Edge pool federates by XMPP.",                                            \
      "turn xmpp of an Edge pool on, or the policy's off")                                                   \
    X(policy_domain_not_own, "policy-domain-not-own", ERROR, "4.4",                                          \
      "A policy is assigned to a domain or to a user that is not ours.",                                     \
      "correct the domain, or add it to the deployment")                                                     \
    X(policy_assigned_twice, "policy-assigned-twice", ERROR, "4.4",                                          \
      "Two policies are assigned to the same user, domain or site.", "remove it from one of the two")        \
    X(policy_assigned_to_nobody, "policy-assigned-to-nobody", WARNING, "4.4", "A policy holds for nobody.",  \
      "assign it, remove it, or name it global")                                                             \
    X(public_cloud_av_alone, "public-cloud-av-alone", WARNING, "4.4",                                        \
      "A policy grants calls to public providers and not the providers themselves.",                         \
      "set public_cloud, or unset public_cloud_av")

#define CHECKS_OF_ESTATE(X)                                                                                  \
    X(standard_pool_several_machines, "standard-pool-several-machines", ERROR, "1.3",                        \
      "A standard pool has more than one machine.",                                                          \
      "make it an enterprise pool, or a pool for each machine")                                              \
    X(standard_pool_name, "standard-pool-name", WARNING, "1.3",                                              \
      "A standard pool's name is not its machine's, as it is in Lync.",                                      \
      "name the pool as its machine, or make it an enterprise pool")                                         \
    X(edge_pool_large, "edge-pool-large", WARNING, "1.3",                                                    \
      "An Edge pool has more machines than Lync supports.", "keep to 12 machines a pool")                    \
    X(pool_without_machines, "pool-without-machines", ERROR, "1.3",                                          \
      "A Director, Mediation or trusted application pool has no machines.",                                  \
      "add its machines, or remove the pool")                                                                \
    X(director_without_next_hop, "director-without-next-hop", ERROR, "1.3",                                  \
      "A Director pool does not know where to hand requests.", "set next_hop to a Front End pool")           \
    X(director_unused, "director-unused", WARNING, "1.3; 7.7 row 5",                                         \
      "No Edge pool and no site goes through a Director pool.",                                              \
      "name it as a next hop or in a route, or remove it")                                                   \
    X(director_not_served, "director-not-served", WARNING, "1.3",                                            \
      "A managed Director runs nothing yet: this version serves no Directors.",                              \
      "go to the Front End or Edge pool itself, or set managed to false for one that runs other software")   \
    X(mediation_without_next_hop, "mediation-without-next-hop", ERROR, "1.3",                                \
      "A Mediation pool does not know where to hand calls.", "set next_hop to a Front End pool")             \
    X(application_without_next_hop, "application-without-next-hop", WARNING, "1.3",                          \
      "A trusted application pool has no Front End pool that speaks for it.",                                \
      "set next_hop to a Front End pool")                                                                    \
    X(edge_pool_unused, "edge-pool-unused", WARNING, "seed: only one Edge is used; 7.7 rows 2 and 6",        \
      "An Edge pool federates, and no site, no media association and no successor uses it.",                 \
      "route a site to it, or turn its federation off")                                                      \
    X(media_edge_without_av, "media-edge-without-av", WARNING, "seed: outbound media path; 7.7 row 6",       \
      "A pool relays its media through an Edge pool whose A/V Edge does not run, while another's does.",     \
      "name an Edge pool whose av_edge is enabled")                                                          \
    X(media_left_behind, "media-left-behind", WARNING, "seed: outbound media path; 7.7 row 6",               \
      "A pool's media association names an Edge of another version, while its site's route names one of "    \
      "its own.",                                                                                            \
      "set media_edge to the Edge pool of the site's route")                                                 \
    X(three_versions, "three-versions", WARNING, "7.1",                                                      \
      "Pools are of more than two versions, which do not know each other's routes.",                         \
      "finish one migration before the next")                                                                \
    X(version_unknown, "version-unknown", WARNING, "7.1",                                                    \
      "A version is neither entente nor a release of Lync or Skype for Business.",                           \
      "write entente, 2007, 2007R2, 2010, 2013, 2015, 2019 or SE")                                           \
    X(edge_2007_authorizes, "edge-2007-authorizes", WARNING, "4.9; 7.7 row 29",                              \
      "An Edge pool of 2007 works with pools of other versions and must authorize each of their machines.",  \
      "authorize every Front End, Director and pool name on that Edge")                                      \
    X(central_address_unused, "central-address-unused", WARNING, "2.5",                                      \
      "Central management has an address of its own and runs on a machine of a pool.",                       \
      "unset central/internal_address")

#define CHECKS(X)                                                                                            \
    CHECKS_OF_ROUTES(X)                                                                                      \
    CHECKS_OF_POOLS(X)                                                                                       \
    CHECKS_OF_CLASHES(X)                                                                                     \
    CHECKS_OF_SITES(X) CHECKS_OF_SERVICES(X) CHECKS_OF_NAMES(X) CHECKS_OF_FEDERATION(X) CHECKS_OF_ESTATE(X)
