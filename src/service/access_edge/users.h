/*
 * access_edge/users.h - which of our users may speak with whom outside: the external access policies of the
 * topology, made ready to be asked for each request. A user's own policy comes first, then that of the
 * domain, of the site, the one named global; without any of them all may.
 */
#pragma once

#include "ground/base/map.h"
#include "service/access_edge/policy.h"

struct users {
    const struct topology *t;
    struct map by_name;
    const struct topology_external_access_policy *global;
};
void users_init(struct users *u, const struct topology *t, struct arena *a);
void users_fini(struct users *u);
/* aor: user@domain; site: where the user's pool is, may be empty. NULL: none holds. */
const struct topology_external_access_policy *users_policy(const struct users *u, struct slice aor,
                                                           struct slice domain, struct slice site);
/* NULL: the request may pass. media: it offers audio or video. */
const struct refusal *users_refuse(const struct topology_external_access_policy *x, bool public_cloud,
                                   bool media);
