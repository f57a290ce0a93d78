/*
 * access_edge/hidden.h - what partners carry for us and cannot read: text sealed with a key of the deployment
 * and bound to the partner's domain, as base64url. It stands in Record-Route URIs and in place of Contacts
 * when the topology is hidden; every Edge that holds the key opens it. Pure; now_ms is the wall clock.
 */
#pragma once

#include "ground/base/arena.h"
#include "kept/topology/material.h"

enum { HIDDEN_MAX = 4096 }; /* bytes of a text */
/* -EINVAL: too long. */
int hidden_seal(struct slice text, struct slice partner, const struct material_key *key, struct arena *a,
                struct slice *ret);
bool hidden_open(struct slice sealed, struct slice partner, const struct material *m, int64_t now_ms,
                 struct arena *a, struct slice *ret);
