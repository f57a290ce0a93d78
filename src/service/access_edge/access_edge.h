/*
 * access_edge/access_edge.h - the Access Edge: SIP federation between organisations, TLS with mutual
 * certificates outside and inside.
 *
 * It is stateless about dialogs: what it writes into Record-Route carries all that it needs to serve the
 * dialog later (token.h), so any Edge of the deployment serves any dialog, and a pool that adopts another's
 * names serves its dialogs.
 *
 * With federation off or the service disabled nothing listens; requests on connections that are still open
 * are served if they belong to a dialog, and new ones as long as federation is on. Draining serves what
 * belongs to a dialog; what does not is answered 503 where another machine of the pool serves (drain.c, the
 * pool's drain_new). What ends it is that it is disabled.
 */
#pragma once

#include "element/element.h"
#include "kept/topology/material.h"
#include "kept/topology/topology.h"
#include "service/access_edge/watch.h"

/* What the process itself is, apart from the topology. */
struct access_edge_self {
    struct slice machine;           /* FQDN */
    struct crypto_key *key;         /* internal */
    const struct crypto_cert *cert; /* internal, with chain */
    struct crypto_trust *internal_trust;
    struct watch *watch;    /* of the process; NULL: a new one, which ends with the config */
    struct crl_store *crls; /* revocation lists of the process; NULL: nobody asks for them */
};
/* Fills in listeners, sides, timers, ops and service of `c` for this machine. 0; -ENOENT the machine is not
 * of an Edge pool; -EINVAL with a sentence in error (256 bytes): a certificate is missing or does not fit, …
 * Without federation or with the service disabled it compiles to a config that is `stopping`. */
int access_edge_compile(const struct topology *t, const struct material *m,
                        const struct access_edge_self *self, struct element_config *c, char *error);
