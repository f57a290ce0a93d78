/*
 * front_end/front_end.h - the Front End: registrar (RFC 3261 section 10), digest authentication (section 22,
 * RFC 8760) and the proxy of a pool's users, over UDP, TCP and TLS.
 */
#pragma once

#include "element/element.h"
#include "kept/directory/directory.h"
#include "kept/location/location.h"
#include "kept/topology/material.h"
#include "kept/topology/topology.h"

struct front_end_self {
    struct slice machine;
    struct crypto_key *key;
    const struct crypto_cert *cert;
    struct crypto_trust *internal_trust;
    /* Both outlive every config and the element. At the end: workers_stop, element_free, location_close,
     * workers_free. */
    struct directory *directory;
    struct location *location;
    /* Of this state folder; 32 random bytes. Tokens of dialogs survive a restart by it; nonces of before are
     * answered with stale=true, for their counts are not known any more. */
    unsigned char nonce_key[32];
};
/* As access_edge_compile. */
int front_end_compile(const struct topology *t, const struct material *m, const struct front_end_self *self,
                      struct element_config *c, char *error);
