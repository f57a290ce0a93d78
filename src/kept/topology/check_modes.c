/* Ways in which a migration fails, and what finds each: the second part of the page of checks. */
#include "kept/topology/check_priv.h"

#include "kept/topology/check.h"

static const struct {
    const char *failure, *found_by;
} modes[] = {
    {"The old Edge has one external name for all three services, which then can only move together.",
     "`single-external-name`; `entente transition plan` refuses or warns."                                                                                },
    {"A site's federation route is empty or still leads to the old Edge.",
     "`site-without-route`, `sites-route-apart`; `entente path`."                                                                                         },
    {"A route leads to an Edge that does not federate.",
     "`route-without-federation`, `route-to-stopping-edge`; `entente path`."                                                                              },
    {"Several Edges federate and the SRV record lists one, or the wrong one.",
     "`several-federating-edges`; `entente dns check` against resolvers and the zone's own servers."                                                      },
    {"The next hop is still the old pool or Director.",
     "`next-hop-version`, `federation-without-next-hop`; `entente path`."                                                                                 },
    {"Pools are left on the old Edge for media.",
     "`media-left-behind`, `pool-without-media-edge`; the media part of `entente path`."                                                                  },
    {"An association is taken away by editing another Edge.",
     "cannot happen: the association is a property of the pool that uses it; `entente topology diff` shows "
     "each change."                                                                                                                                       },
    {"An Edge has not got the newest configuration.",
     "`entente replication status`; a transition waits for all machines before each step goes on."                                                        },
    {"Port 4443 is blocked or routed wrong.",                                                         "`entente replication status --live`: `route`."     },
    {"The internal certificate of an Edge has a wrong name.",
     "`entente replication status --live`: `name` or `trust`; `entente cert check HOST:4443 --root FILE`."                                                },
    {"The external certificate lacks a name.",                                                        "`entente cert required`, which names what lacks; "
                                               "`external-name-not-public`, `external-name-without-domain`."},
    {"An imported certificate has no private key.",                                                   "`entente cert import` refuses it."                 },
    {"Machines of a pool hold different A/V certificates.",
     "`entente cert list`: a pool has one, and a machine that differs is listed by itself."                                                               },
    {"An intermediate authority is missing in the chain.",
     "`entente cert import` and `entente cert check HOST:PORT`."                                                                                          },
    {"A partner does not trust our authority.",
     "not before the first connection: then the log and `entente trace` have the partner's alert."                                                        },
    {"A certificate has expired or soon will; revocation lists are out of reach.",
     "`entente cert list`, `entente cert required`, `entente cert check`; `crls-not-checked`. Whether "
     "revocation lists "
     "are there, and why not: `entente cert crl list`."                                                                                                   },
    {"A certificate made for servers alone is refused as a client's.",
     "`entente cert check` names the uses; ours are accepted by `accept_server_auth_only` of the deployment. "
     "What a partner demands shows at the first connection."                                                                                              },
    {"TLS versions or ciphers do not fit.",
     "`entente cert check HOST:PORT` shows what is agreed on with that host."                                                                             },
    {"The TTL of the records that will move is long.",
     "`entente dns check`: the TTL at the zone's own servers beside what is wanted."                                                                      },
    {"The target of an SRV record lies outside the SIP domain.",                                      "`srv-target-outside-domain`."                      },
    {"Inside and outside DNS disagree, or a hosts file is stale.",
     "`entente dns check` with `inside_dns_servers` and `outside_dns_servers`; machines that run entented "
     "find one another by the topology, never by DNS or hosts files."                                                                                     },
    {"An Edge lacks a route to networks inside.",
     "`entente replication status --live` for the way from central management; other ways are not tried."                                                 },
    {"A firewall is closed: 5061, 443, 3478, the range of media ports.",
     "`entente firewall rules` says what must be open; `entente cert check HOST:PORT` tries one port from "
     "where it runs. Nothing outside tries them."                                                                                                         },
    {"The NAT address of the A/V Edge is wrong or missing.",
     "`nat-without-address`, `nat-address-not-public`; the media part of `entente path`. Whether it is true "
     "is not measured."                                                                                                                                   },
    {"Edges do not reach each other by their public A/V addresses.",
     "not tried: the relay is not part of this version."                                                                                                  },
    {"A load balancer rewrites sources or balances what it must not.",
     "`balanced-address-not-public`, `nat-with-hardware-balancing`; what it does to packets is not tried."                                                },
    {"Inside and outside are balanced in two ways.",                                                  "`mixed-load-balancing`."                           },
    {"A partner has pinned our old Edge's name.",
     "`adopts` keeps the name: `entente transition plan` uses it; a change of address alone hurts nobody who "
     "pinned the name."                                                                                                                                   },
    {"An old Edge does not let new servers in.",                                                      "`edge-2007-authorizes`."                           },
    {"A test of federation fails on a healthy old Edge because it names a proxy.",
     "cannot happen: `entente path` sends nothing to an Edge."                                                                                            },
    {"A discovered partner is held back after the cutover.",
     "`discovery-unlimited`; `entente partner list --watch`."                                                                                             },
    {"Clocks are apart.",                                                                             "`entente replication status`: `clock`."            },
    {"The user replicator is on.",                                                                    "`user-replicator-on`."                             },
    {"A service does not start after an update or a restart.",
     "`entente service list`, `entente replication status --live`."                                                                                       },
    {"An Edge pool is published before its external certificate is there.",
     "`certificate-not-there`, found by central management itself."                                                                                       },
    {"Half of a split domain is missing in topology or certificate.",
     "`shared-address-space-twice`, `split-domain-provider-disabled`, `domain-own-and-partner`; `entente "
     "cert required`."                                                                                                                                    },
    {"XMPP users on the old pool are cut off.",                                                       "`xmpp-leaves-legacy-users`."                       },
    {"The old Edge is deleted while others point to it.",                                             "`reference-to-nothing`."                           },
    {"Names have moved and their services have not, or the other way round.",
     "`adopted-names-unserved`; `entente dns check`."                                                                                                     },
    {"The A/V certificate is exchanged and running calls lose their relay.",
     "`entente cert assign --use av-authentication` keeps the one before for a day."                                                                      },
    {"Central management is moved before it works at the new place.",
     "`central-elsewhere`, found by central management itself; `central-machine-unknown`."                                                                },
    {"An address is typed where a name belongs.",                                                     "`address-for-name`."                               },
};

void check_modes_write(struct buf *out)
{
    buf_append(
        out,
        SLICE("\n## How a migration fails, and what finds it\n\n| failure | found by |\n| --- | --- |\n"));
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        buf_printf(out, "| %s | %s |\n", modes[i].failure, modes[i].found_by);
}
