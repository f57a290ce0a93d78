/*
 * access_edge/rows.h - header rows at the border: those that only members of one trust domain may say are
 * taken off in both directions (a table), and those by which a message may lawfully name others are kept,
 * marked or taken off, as set. None of them is a reason to refuse. Requests and responses alike. Pure.
 */
#pragma once

#include "ground/base/arena.h"
#include "kept/topology/topology.h"
#include "wire/sip/write.h"

/* "P-Charging-Vector" and the like. */
bool rows_are_of_trust(struct slice name);
/* Diversion (RFC 5806), History-Info (RFC 7044), Referred-By (RFC 3892). */
bool rows_name_others(struct slice name);

/* May the message speak for this domain? */
typedef bool rows_speaks_for(void *arg, struct slice domain);
/* What the partner says of its user: ms-asserted-verification-level; of several the worst. */
enum rows_said { ROWS_SAID_NOTHING, ROWS_SAID_VERIFIED, ROWS_SAID_UNVERIFIED };
enum rows_said rows_said(const struct sip_msg *m);
/* From outside: ret_said as above. Values that name others than the domains it may speak for get the
 * parameter `unverified`, or go. */
void rows_from_outside(const struct sip_msg *m, enum topology_claims claims, rows_speaks_for *speaks,
                       void *arg, struct arena *a, struct sip_edits *edits, enum rows_said *ret_said);
void rows_to_outside(const struct sip_msg *m, struct sip_edits *edits);
