/*
 * topology/path_priv.h - what the parts of path.h share.
 */
#pragma once

#include "kept/topology/edges.h"
#include "kept/topology/path.h"

enum { PATH_SIP_TLS_PORT = 5061 };

struct path_target {
    struct slice name;
    uint16_t port, priority, weight;
    struct path_address addresses[PATH_MAX_TARGETS];
    size_t n;
};
/* Where a domain's federation record leads. */
struct path_targets {
    bool asked;
    int error;
    struct slice why;
    struct path_target items[PATH_MAX_TARGETS];
    size_t n;
};
/* What the topology says about a partner; as access_edge/policy.h decides it. */
struct path_policy {
    const char *id; /* of the refusal, NULL: may pass */
    struct slice text, remedy;
    bool listed, srv_names;
    struct slice pinned, provider;
};
/* Where our user lives: a Front End pool or a foreign one. */
struct path_home {
    struct slice fqdn, site, media_edge;
    const struct topology_machine *machines;
    size_t n_machines;
    int64_t port;
    const char *transport;
    bool foreign;
};
struct path_work {
    const struct topology *t;
    const struct path_dns *dns;
    struct arena *a;
    struct path_home home;
    struct slice own, partner; /* domains; partner empty: within the organisation */
    struct slice user;         /* our user's address, or domain */
    struct slice peer;         /* the partner's */
    struct path_policy policy;
    struct path_targets theirs; /* of the partner's Edge */
};

struct path_hop *path_hop_add(struct path_leg *leg, struct path_work *w, const char *kind, struct slice from,
                              struct slice to, const char *transport);
__attribute__((format(printf, 6, 7))) void path_fail(struct path_work *w, struct path_hop *h,
                                                     enum path_state state, const char *id,
                                                     const char *remedy, const char *fmt, ...);
void path_put_address(struct path_hop *h, struct path_work *w, struct slice name, struct slice address,
                      int64_t port);

/* --- path_outside.c --- */
struct path_policy path_policy_of(const struct topology *t, struct slice domain, struct slice user,
                                  struct slice site, struct arena *a);
void path_ask_federation(struct path_work *w, struct slice domain, struct path_targets *ret);
void path_ask_addresses(struct path_work *w, struct path_target *to, struct path_targets *all);
void path_to_partner(struct path_work *w, struct path_leg *leg, struct slice edge);
/* Returns the Edge pool that it reaches, NULL when none. */
const struct topology_edge_pool *path_from_partner(struct path_work *w, struct path_leg *leg);

/* --- path_media.c --- */
void path_media_out(struct path_work *w, struct path_leg *leg);
void path_media_in(struct path_work *w, struct path_leg *leg);
void path_media_inside(struct path_work *w, struct path_leg *leg, struct slice to);
