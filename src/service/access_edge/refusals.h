/*
 * access_edge/refusals.h - every reason for which the Access Edge turns a request or a connection away. One
 * table: the rows below become the structs; whatever documents them expands the same table.
 */
#pragma once

#include "element/refusal.h"

/* name, id, status, number, who is to blame, sentence, what to do */
#define EDGE_REFUSALS(X)                                                                                     \
    X(FROM_MALFORMED, "edge.from-malformed", 400, 58100, GUILTY_PEER,                                        \
      "From has no SIP domain or no tag, or P-Asserted-Identity cannot be read.",                            \
      "Send a From with a sip: or sips: URI and a tag.")                                                     \
    X(SENDER_ANONYMOUS, "edge.sender-anonymous", 433, 58101, GUILTY_PEER,                                    \
      "From is anonymous and no P-Asserted-Identity names a domain.",                                        \
      "The partner's Edge adds a P-Asserted-Identity of its domain, or the sender shows the name.")          \
    X(SENDER_NOT_PROVEN, "edge.sender-not-proven", 403, 58102, GUILTY_PEER,                                  \
      "The connection's certificate does not prove the sender's domain.",                                    \
      "The partner's certificate must name the domain or the target of its _sipfederationtls._tcp record; "  \
      "or pin the partner to the name that the certificate has.")                                            \
    X(SENDER_NOT_TRUSTED, "edge.sender-not-trusted", 403, 58139, GUILTY_PEER,                                \
      "The certificate names the sender's domain, and leads to another authority or key than that "          \
      "partner's.",                                                                                          \
      "Look at trust and pin_key of the partner; add the authority: entente cert trust add --name.")         \
    X(CERTIFICATE_REVOKED, "edge.certificate-revoked", 403, 58150, GUILTY_PEER,                              \
      "The issuer of the partner's certificate has revoked it.",                                             \
      "The partner needs a new certificate. The list that says so: entente status, events "                  \
      "edge.crl-fetched.")                                                                                   \
    X(SENDER_NOT_VOUCHED, "edge.sender-not-vouched", 403, 58152, GUILTY_PEER,                                \
      "The provider does not say whether it verified the sender, and only its word counts.",                 \
      "The provider sends ms-asserted-verification-level; or set its verification to always_verifiable or "  \
      "always_unverifiable.")                                                                                \
    X(REVOCATION_UNKNOWN, "edge.revocation-unknown", 503, 58151, GUILTY_BEYOND,                              \
      "Whether the partner's certificate was revoked is not known, and unknown is refused.",                 \
      "entente cert crl list says why; open 80/tcp outwards, give the list by hand, or set crl_unreachable " \
      "to "                                                                                                  \
      "allow.")                                                                                              \
    X(PROOF_UNAVAILABLE, "edge.proof-unavailable", 504, 58103, GUILTY_BEYOND,                                \
      "The sender's domain could not be proven because DNS did not answer.",                                 \
      "Check the DNS servers of this machine and the partner's _sipfederationtls._tcp record.")              \
    X(NOT_OUR_DOMAIN, "edge.not-our-domain", 403, 58104, GUILTY_PEER,                                        \
      "The request is for a domain that is not of this deployment.",                                         \
      "Correct the address, or add the domain to the topology. For others nothing is relayed, unless "       \
      "access_edge/clearinghouse is on and both are allowed partners that are reached directly.")            \
    X(ROUTE_NOT_OURS, "edge.route-not-ours", 403, 58105, GUILTY_PEER,                                        \
      "A request outside a dialog carries a Route that leads elsewhere.",                                    \
      "Send it without Route values but those of this Edge.")                                                \
    X(PARTNER_BLOCKED, "edge.partner-blocked", 403, 58106, GUILTY_PEER, "The partner's domain is blocked.",  \
      "entente partner allow DOMAIN, if that is wanted.")                                                    \
    X(PARTNER_UNKNOWN, "edge.partner-unknown", 403, 58107, GUILTY_PEER,                                      \
      "The domain is in no list of partners and discovery is off.",                                          \
      "entente partner allow DOMAIN, or turn partner discovery on.")                                         \
    X(PROVIDER_DISABLED, "edge.provider-disabled", 403, 58108, GUILTY_US,                                    \
      "The partner is behind a hosting provider that is not enabled.", "Enable the provider.")               \
    X(METHOD, "edge.method-not-federated", 403, 58109, GUILTY_PEER,                                          \
      "REGISTER does not cross between organisations.", "Register at the own organisation's Front End.")     \
    X(SENDER_NOT_OURS, "edge.sender-not-ours", 403, 58110, GUILTY_PEER,                                      \
      "A request from inside has a sender of a domain that is not of this deployment.",                      \
      "Mend the sender inside, or add the domain to the topology.")                                          \
    X(NOT_A_PARTNER_DOMAIN, "edge.not-a-partner-domain", 404, 58111, GUILTY_PEER,                            \
      "A request from inside is for a domain of this deployment, or for none.",                              \
      "The Front End must deliver it; look at its routing: entente trace CALL-ID.")                          \
    X(NOT_A_MACHINE, "edge.not-a-machine", 403, 58112, GUILTY_PEER,                                          \
      "The connection on the internal side is from no machine of the topology.",                             \
      "Add the machine or foreign pool to the topology and publish; check the names in its certificate.")    \
    X(NO_FEDERATION, "edge.no-federation", 403, 58113, GUILTY_US, "Federation is off for this Edge pool.",   \
      "Turn it on in the topology and publish.")                                                             \
    X(NO_NEXT_HOP, "edge.no-next-hop", 500, 58114, GUILTY_US,                                                \
      "The Edge pool has no next hop with machines.",                                                        \
      "Set the pool's next_hop in the topology and publish.")                                                \
    X(NO_KEY, "edge.no-key", 500, 58115, GUILTY_US, "This machine holds no key for Record-Route tokens.",    \
      "Look at the replication status: the keys travel beside the revision.")                                \
    X(TOKEN_MISSING, "edge.token-missing", 403, 58116, GUILTY_PEER,                                          \
      "A request within a dialog carries no Record-Route token of this deployment.",                         \
      "The sender must keep the route set of the dialog (RFC 3261 12.2.1.1).")                               \
    X(TOKEN_MALFORMED, "edge.token-malformed", 403, 58117, GUILTY_PEER,                                      \
      "The Record-Route token cannot be read.", "The sender must send Route values back unchanged.")         \
    X(TOKEN_ALTERED, "edge.token-altered", 403, 58118, GUILTY_PEER,                                          \
      "The Record-Route token does not belong to this dialog, or was altered.",                              \
      "The sender must send Route values, Call-ID and tags back unchanged.")                                 \
    X(TOKEN_UNKNOWN_KEY, "edge.token-unknown-key", 403, 58119, GUILTY_US,                                    \
      "The Record-Route token was made with a key that this machine does not hold.",                         \
      "Look at the replication status: the keys travel beside the revision.")                                \
    X(TOKEN_EXPIRED, "edge.token-expired", 403, 58120, GUILTY_PEER,                                          \
      "The key of the Record-Route token has expired.",                                                      \
      "The dialog is older than dialog_key_days allows: begin a new one, or raise the setting.")             \
    X(TOKEN_WRONG_CONNECTION, "edge.token-wrong-connection", 403, 58121, GUILTY_PEER,                        \
      "The connection does not prove the partner whose dialog this is, or is on the wrong side.",            \
      "The request must come from the partner that the dialog was made with.")                               \
    X(DISCOVERED_TOO_FAST, "edge.discovered-too-fast", 503, 58122, GUILTY_PEER,                              \
      "A partner that is in no list sends more messages a second than such partners may.",                   \
      "If the partner is known: entente partner allow DOMAIN; or raise access_edge/discovered_rate.")        \
    X(DISCOVERED_SUSPICIOUS, "edge.discovered-suspicious", 503, 58123, GUILTY_PEER,                          \
      "A partner that is in no list is slowed down: too many of its messages fail.",                         \
      "entente partner list --watch; if the partner is known: entente partner allow DOMAIN.")                \
    X(DISCOVERED_NEW_ADDRESS, "edge.discovered-new-address", 403, 58124, GUILTY_PEER,                        \
      "A partner that is in no list has tried as many addresses as such partners may.",                      \
      "entente partner list --watch; if the partner is known: entente partner allow DOMAIN.")                \
    X(DISCOVERED_FULL, "edge.discovered-full", 503, 58125, GUILTY_US,                                        \
      "No more partners that are in no list can be watched at the same time.",                               \
      "entente partner list --watch; list those that are known, block the others.")                          \
    X(HIDDEN_UNREADABLE, "edge.hidden-unreadable", 404, 58130, GUILTY_PEER,                                  \
      "An address of ours that stands for a hidden one cannot be read.",                                     \
      "The sender must send Contact and Route values back unchanged, and only those it was given itself.")   \
    X(FEDERATION_OFF, "edge.federation-off", 403, 58126, GUILTY_US, "Federation is off for all users.",      \
      "Turn access_edge/federated_users on in the topology and publish.")                                    \
    X(USER_NOT_FEDERATED, "edge.user-not-federated", 403, 58127, GUILTY_US,                                  \
      "The external access policy of the user inside does not allow federation.",                            \
      "Allow it in the user's policy (external_access_policies), or leave it so.")                           \
    X(USER_NO_PUBLIC_CLOUD, "edge.user-no-public-cloud", 403, 58128, GUILTY_US,                              \
      "The external access policy of the user inside does not allow public providers.",                      \
      "Allow it in the user's policy (external_access_policies), or leave it so.")                           \
    X(USER_NO_PUBLIC_MEDIA, "edge.user-no-public-media", 403, 58129, GUILTY_US,                              \
      "The external access policy of the user inside does not allow calls with public providers.",           \
      "Allow it in the user's policy (external_access_policies), or leave it so.")                           \
    X(DRAINING, "edge.draining", 503, 58140, GUILTY_US,                                                      \
      "This Edge machine takes no new dialogs: it is being drained.",                                        \
      "Senders go on to the next machine by themselves; entente service list shows which serve.")

#define EDGE_REFUSAL_EXTERN(name, ...) extern const struct refusal EDGE_##name;
EDGE_REFUSALS(EDGE_REFUSAL_EXTERN)
