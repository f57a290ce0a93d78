/*
 * access_edge/crls.h - fetches the revocation lists that partners' certificates name (crypto/crl.h has what
 * is done with them) and keeps them in the state folder, so that a restart does not begin blind.
 *
 * On the control loop. Names are resolved by the resolver of the Edge's settings; connections and what else
 * blocks run on threads of its own, so that a slow server holds up nothing but other lists. Nobody waits for
 * a list. Of several addresses in a certificate, and of several that a name leads to, the first that gives a
 * list that counts is taken. A redirect is followed, a few times, by http alone, and never to an address that
 * reaches less far than the one that was asked first: who answers for a list is not to send the Edge to
 * neighbours of its own.
 */
#pragma once

#include "ground/crypto/crl.h"
#include "ground/loop/loop.h"
#include "ground/net/resolver.h"
#include "kept/topology/material.h"

enum {
    CRLS_FETCH_MS = 10000,  /* one request, from the connection to the last byte */
    CRLS_WHOLE_MS = 60000,  /* one list, over all its addresses */
    CRLS_MAX_REDIRECTS = 3, /* of one address */
    CRLS_MAX_PLACES = 6,    /* addresses of one name that are tried */
    CRLS_LOOK_MS = 1000,    /* how often it is looked whether one is due */
};

struct crls;
/* Takes what STATE/crls holds. Nothing is asked for before crls_configure. */
struct crls *crls_new(struct loop *control, const char *state);
struct crl_store *crls_store(struct crls *c);
/* The address that lists are asked for from (family 0: any), and the name servers; copied. */
void crls_configure(struct crls *c, const struct net_addr *from, const struct resolver_config *resolver);
/* The lists that were given by hand. */
void crls_give(struct crls *c, const struct material *m);
/* Ends what is under way, within about a second. Then the loop is drained, then crls_free. NULL is fine. */
void crls_stop(struct crls *c);
void crls_free(struct crls *c);
