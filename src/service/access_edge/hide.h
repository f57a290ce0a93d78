/*
 * access_edge/hide.h - hiding of the topology (edge_pools/hide_topology): no internal name or address leaves
 * in a header, of requests and of responses.
 *
 *  Via            those of inside stay with the transaction and come back into the response
 *  Record-Route   those of inside are sealed into a parameter of our outer one; a request from outside gets
 *                 them back as Route
 *  Contact        is replaced by a URI of this Edge whose user part is the sealed original; a request for it
 *                 gets that back as Request-URI. Also in Refer-To
 *  Server, User-Agent, Path, Service-Route   go
 *  Warning, ms-diagnostics                   name this Edge instead
 *  others         rows in which a name or address of the topology stands go
 *
 * Left alone: From, To, P-Asserted-Identity and Call-ID (they are the dialog's), bodies, SDP among them.
 * What was sealed is opened whether hiding is on or not, so it may be switched at any time.
 */
#pragma once

#include "service/access_edge/priv.h"

/* In the token instead of the machine's name, which is sealed beside it. */
#define HIDE_NO_MACHINE SLICE("hidden")

void hide_compile(struct edge *e);

/* A request on its way out. False: it has been refused. `begins`: Record-Route is ours to add, see below. */
bool hide_request(struct request *rq, struct sip_edits *edits);
/* The value of our Record-Route that faces outside, with all below it sealed in; `inner` is ours that faces
 * inside. Takes the rows of inside off. Empty: it could not be (refused). */
struct slice hide_record_route(struct request *rq, struct slice outer, struct slice inner,
                               struct sip_edits *edits);
/* All values of a header in one row. */
struct slice hide_joined(const struct sip_msg *m, enum sip_header_id id, struct arena *a);
/* A response that goes out. */
void hide_response(struct request *rq, const struct sip_msg *m, struct sip_edits *edits);
/* A response that comes in gets back what the request lost. */
void unhide_response(struct request *rq, const struct sip_msg *m, struct sip_edits *edits);

/* Is the URI one that stands for a sealed one of ours? */
bool hide_is_sealed(const struct edge *e, const struct sip_uri *uri);
/* A request from outside: Request-URI and Route as they were inside, into passage.uri, .routes and, when the
 * dialog's Record-Route was sealed, the token's machine. False: something does not open. */
bool unhide_request(struct request *rq);
/* And its Refer-To. */
void unhide_rows(struct request *rq, struct sip_edits *edits);
