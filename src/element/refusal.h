/*
 * element/refusal.h - a refusal is data: a row with a stable id, sent in one place (request_refuse).
 *
 * What the peer gets is the status, `Reason: SIP;cause=…;text="id"` (RFC 3326 form) and an `ms-diagnostics`
 * row, which Lync clients and their administrators read: number;reason="text";source="fqdn";entente="id". The
 * log line and the counter "refused.ID" carry the same id.
 */
#pragma once

#include <stdint.h>

enum refusal_guilty { GUILTY_PEER, GUILTY_US, GUILTY_BEYOND };
struct refusal {
    const char *id; /* "edge.sender-not-proven" */
    uint16_t status;
    uint32_t number; /* of ms-diagnostics; ours are 58000 and up */
    enum refusal_guilty guilty;
    const char *text;   /* one sentence */
    const char *remedy; /* what to do */
};

/* The element's own. */
#define ELEMENT_REFUSALS(X)                                                                                  \
    X(MALFORMED, "element.malformed", 400, 58001, GUILTY_PEER, "The message does not follow RFC 3261.",      \
      "See the flaw in the log line; mend the sender.")                                                      \
    X(TOO_MANY_HOPS, "element.too-many-hops", 483, 58002, GUILTY_PEER, "Max-Forwards reached zero.",         \
      "Look for a routing loop: entente trace CALL-ID.")                                                     \
    X(LOOP, "element.loop", 482, 58003, GUILTY_PEER,                                                         \
      "The request was here before and would go the same way again.",                                        \
      "Look for two elements that route the domain to each other.")                                          \
    X(BREADTH, "element.max-breadth", 440, 58004, GUILTY_PEER,                                               \
      "Max-Breadth does not allow this many branches.",                                                      \
      "Fewer contacts, or a sender with a larger Max-Breadth (RFC 5393).")                                   \
    X(BAD_EXTENSION, "element.bad-extension", 420, 58005, GUILTY_PEER,                                       \
      "Proxy-Require names an extension that is not supported.",                                             \
      "See the Unsupported header of the answer.")                                                           \
    X(SCHEME, "element.scheme", 416, 58006, GUILTY_PEER, "The Request-URI's scheme is not served here.",     \
      "Use sip: or sips:.")                                                                                  \
    X(NO_TRANSACTION, "element.no-transaction", 481, 58007, GUILTY_PEER, "CANCEL matches no INVITE.",        \
      "The call has ended, or the CANCEL was changed on its way.")                                           \
    X(UNREACHABLE, "element.unreachable", 504, 58008, GUILTY_BEYOND,                                         \
      "No target of the next hop could be reached.",                                                         \
      "See the log lines before this one: each target with its reason.")                                     \
    X(NO_ADDRESS, "element.no-address", 504, 58009, GUILTY_BEYOND,                                           \
      "DNS has no usable answer for the next hop.", "Check the SRV and address records of the domain.")      \
    X(NO_SERVICE, "element.no-service", 504, 58030, GUILTY_BEYOND,                                           \
      "DNS says that the domain does not offer this service (SRV with target \".\").",                       \
      "The domain's administrator has switched federation off; ask there.")                                  \
    X(DNS_FAILED, "element.dns-failed", 504, 58010, GUILTY_BEYOND, "The resolver did not answer.",           \
      "Check the DNS servers of this machine.")                                                              \
    X(BELOW_BUSY, "element.below-unavailable", 500, 58011, GUILTY_BEYOND, "Every target answered 503.",      \
      "The next hop is overloaded or in maintenance.")                                                       \
    X(TIMEOUT, "element.timeout", 408, 58012, GUILTY_BEYOND, "No final response came in time.",              \
      "See which hop was silent: entente trace CALL-ID.")                                                    \
    X(OVERLOAD, "element.overload", 503, 58013, GUILTY_US, "This machine is at its limit.",                  \
      "Add machines, or raise the limit.")                                                                   \
    X(STOPPING, "element.stopping", 503, 58014, GUILTY_US, "This machine is being stopped.",                 \
      "Senders go on to the next machine by themselves.")                                                    \
    X(TOO_LARGE, "element.too-large", 513, 58015, GUILTY_PEER, "The message is too large to forward.",       \
      "Send less.")                                                                                          \
    X(FLOW_FAILED, "element.flow-failed", 430, 58016, GUILTY_BEYOND,                                         \
      "The connection that leads to this client is gone.", "The client registers again by itself.")          \
    X(BAD_RESPONSE, "element.bad-response", 502, 58017, GUILTY_BEYOND,                                       \
      "The next hop's response lacks the Via of the sender, so it is no answer to this request.",            \
      "Mend the next hop: a response carries all Via values of its request (RFC 3261 8.2.6.2).")
#define ELEMENT_REFUSAL_EXTERN(name, ...) extern const struct refusal REFUSE_##name;
ELEMENT_REFUSALS(ELEMENT_REFUSAL_EXTERN)
