/*
 * front_end/refusals.h - what the Front End refuses, as rows (element/refusal.h says how they are sent).
 */
#pragma once

#include "element/refusal.h"

#define FRONT_END_REFUSALS(X)                                                                                \
    X(FROM_NOT_YOURS, "front-end.from-not-yours", 403, 58200, GUILTY_PEER,                                   \
      "From is not the address of the user who signed in.", "Send with the signed-in user's own address.")   \
    X(AOR_NOT_YOURS, "front-end.register-not-yours", 403, 58201, GUILTY_PEER,                                \
      "A user may register contacts of its own address only.", "Register with To: the signed-in user.")      \
    X(NO_SUCH_DOMAIN, "front-end.no-such-domain", 404, 58202, GUILTY_PEER,                                   \
      "This registrar does not serve the domain.", "Check the client's domain; see entente topology show.")  \
    X(REGISTER_RELAYED, "front-end.register-relayed", 403, 58203, GUILTY_PEER,                               \
      "REGISTER is taken from clients only, not from other machines.",                                       \
      "Let clients connect to the Front End itself.")                                                        \
    X(BAD_CONTACT, "front-end.bad-contact", 400, 58204, GUILTY_PEER,                                         \
      "A Contact of the REGISTER cannot be understood or is no sip URI.", "Mend the client.")                \
    X(BAD_STAR, "front-end.bad-star", 400, 58205, GUILTY_PEER,                                               \
      "Contact: * stands alone and with Expires: 0 (RFC 3261 10.3).", "Mend the client.")                    \
    X(BRIEF, "front-end.interval-too-brief", 423, 58206, GUILTY_PEER,                                        \
      "The registration is shorter than the pool allows.", "Ask for at least Min-Expires seconds.")          \
    X(TOO_MANY_CONTACTS, "front-end.too-many-contacts", 403, 58207, GUILTY_PEER,                             \
      "The user has more contacts than the pool allows.",                                                    \
      "Sign out elsewhere, or raise max_contacts of the pool.")                                              \
    X(REGISTER_STALE, "front-end.register-out-of-order", 500, 58208, GUILTY_PEER,                            \
      "The REGISTER's CSeq is not higher than the last one of its Call-ID.",                                 \
      "Send each REGISTER with a higher CSeq.")                                                              \
    X(LOCATION_DOWN, "front-end.location-failed", 503, 58209, GUILTY_US,                                     \
      "The binding could not be written to the disk.", "See the log line location.disk-failed.")             \
    X(BAD_EXTENSION, "front-end.bad-extension", 420, 58210, GUILTY_PEER,                                     \
      "Require names an extension that the registrar does not have.", "See Unsupported in the answer.")      \
    X(CLIENT_AWAY, "front-end.client-away", 480, 58211, GUILTY_BEYOND,                                       \
      "The user's client lost its connection and has not come back.",                                        \
      "It is reached again as soon as it registers.")                                                        \
    X(NOT_REGISTERED, "front-end.not-registered", 480, 58212, GUILTY_BEYOND, "The user is not signed in.",   \
      "The user signs in.")                                                                                  \
    X(NO_SUCH_USER, "front-end.no-such-user", 404, 58213, GUILTY_PEER, "There is no such user here.",        \
      "Check the address; see entente user list.")                                                           \
    X(NO_USER_PART, "front-end.no-user-part", 404, 58214, GUILTY_PEER,                                       \
      "The Request-URI names the domain or this machine, not a user.", "Name a user: sip:user@domain.")      \
    X(NO_ROUTE, "front-end.no-federation-route", 403, 58215, GUILTY_US,                                      \
      "The site of this pool has no federation route.", "Set federation_route of the site and publish.")     \
    X(NO_MACHINE, "front-end.no-edge-machine", 504, 58216, GUILTY_US,                                        \
      "The Edge pool of the route has no machine that could be used.",                                       \
      "Check the pool's machines and their addresses.")                                                      \
    X(RELAY, "front-end.relay", 403, 58217, GUILTY_PEER,                                                     \
      "A machine may hand in requests for the users of this pool's domains only.",                           \
      "Check the next hop and the routes of the sender.")                                                    \
    X(ROUTE_UNKNOWN, "front-end.route-unknown", 403, 58218, GUILTY_PEER,                                     \
      "The next Route names no machine of the topology.", "Send without Route, or through the Front End.")   \
    X(TEL, "front-end.tel", 404, 58219, GUILTY_PEER, "Telephone numbers are not routed here.",               \
      "Name a user: sip:user@domain.")                                                                       \
    X(NOT_SIGNED_IN, "front-end.not-signed-in", 403, 58220, GUILTY_PEER,                                     \
      "An ACK of nobody who signed in, and of no dialog of ours.", "Send it with the dialog's route set.")   \
    X(SIPS, "front-end.sips-not-possible", 480, 58221, GUILTY_BEYOND,                                        \
      "The request asks for TLS up to the user (sips:), and the user's client is not signed in over TLS.",   \
      "The user signs in over TLS, or the sender uses a sip: address.")
#define FRONT_END_REFUSAL_EXTERN(name, ...) extern const struct refusal REFUSE_FE_##name;
FRONT_END_REFUSALS(FRONT_END_REFUSAL_EXTERN)
