/*
 * access_edge/crls.h - fetches the revocation lists that partners' certificates name (crypto/crl.h has what
 * is done with them) and keeps them in the state folder, so that a restart does not begin blind.
 *
 * On the control loop; what blocks runs on threads of its own, so that a slow server holds up nothing but
 * other lists. Nobody waits for a list.
 */
#pragma once

#include "ground/crypto/crl.h"
#include "ground/loop/loop.h"
#include "ground/net/addr.h"

enum {
    CRLS_FETCH_MS = 20000, /* one list, from its name to its last byte */
    CRLS_LOOK_MS = 1000,   /* how often it is looked whether one is due */
};

struct crls;
/* Takes what STATE/crls holds. */
struct crls *crls_new(struct loop *control, const char *state);
struct crl_store *crls_store(struct crls *c);
/* The address that lists are asked for from; family 0: any. */
void crls_send_from(struct crls *c, const struct net_addr *from);
/* Ends what is under way, within about a second. Then the loop is drained, then crls_free. NULL is fine. */
void crls_stop(struct crls *c);
void crls_free(struct crls *c);
