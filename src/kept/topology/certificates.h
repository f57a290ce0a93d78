/*
 * topology/certificates.h - which certificates a topology needs, with which names, and what is wrong with
 * one. Pure.
 */
#pragma once

#include "ground/crypto/cert.h"
#include "kept/topology/topology.h"

/* What a certificate is for. The Lync world calls them AccessEdgeExternal, DataEdgeExternal,
 * AudioVideoAuthentication, XMPP gateway, Internal, Default. */
enum certificate_use {
    CERTIFICATE_ACCESS_EXTERNAL,
    CERTIFICATE_CONFERENCING_EXTERNAL,
    CERTIFICATE_AV_AUTHENTICATION,
    CERTIFICATE_XMPP_EXTERNAL,
    CERTIFICATE_INTERNAL_EDGE,
    CERTIFICATE_FRONT_END,
    CERTIFICATE_DIRECTOR,
    CERTIFICATE_SERVER,
    CERTIFICATE_CENTRAL,
    CERTIFICATE_USES
};
struct certificate_use_row {
    const char *name;  /* "access-external" */
    bool external;     /* of a pool, imported; otherwise of a machine, by the internal CA */
    bool served;       /* a service of this version presents it */
    bool names_matter; /* a peer compares them */
    const char *help;
};
extern const struct certificate_use_row certificate_uses[CERTIFICATE_USES];
/* -ENOENT */
int certificate_use_find(struct slice name, enum certificate_use *ret);

struct certificate_need {
    enum certificate_use use;
    struct slice owner; /* a pool for external uses, a machine for internal ones */
    const struct slice *names;
    size_t n_required; /* the first of them; without those peers turn away */
    size_t n;          /* the others help: a domain's own name (RFC 5922), names of an adopted pool */
};
/* All of them, or those of one pool (with its machines) or machine; n 0: it is not in the topology. */
void certificate_needs(const struct topology *t, struct slice owner, struct arena *a,
                       struct certificate_need **ret, size_t *ret_n);
bool certificate_need_find(const struct topology *t, struct slice owner, enum certificate_use use,
                           struct arena *a, struct certificate_need *ret);

enum { CERTIFICATE_SOON_DAYS = 30 };
/* What is wrong with a certificate and its chain, as findings whose ids begin with "certificate."; their path
 * is the use, or "chain/N". need NULL: no names are asked for. trust NULL: nobody can say whether the chain
 * leads to a root, only whether it is in order. */
void certificate_check(const struct crypto_cert *c, const struct certificate_need *need,
                       const struct crypto_trust *trust, int64_t now_ms, struct findings *f);
