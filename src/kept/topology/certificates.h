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
    const char *lync;  /* what the Lync world calls it: "AccessEdgeExternal" */
    bool external;     /* of a pool, imported; otherwise of a machine, by the internal CA */
    bool served;       /* a service of this version presents it */
    bool names_matter; /* a peer compares them */
    const char *help;
};
extern const struct certificate_use_row certificate_uses[CERTIFICATE_USES];
/* By name, by Lync's name, or by a beginning that only one name has ("av-auth"). -ENOENT. */
int certificate_use_find(struct slice name, enum certificate_use *ret);
/* "internal" is any use that is not external. */
bool certificate_use_is_internal(struct slice name);
/* "access-external (AccessEdgeExternal), …": those of pools, or of machines. */
void certificate_use_list(bool external, struct buf *out);

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

/* A certificate that follows another at a date, the old one being valid for what it signed until another. */
struct certificate_takeover {
    int64_t now_ms, from_ms, until_ms;
    const struct crypto_cert *old; /* NULL: there is none before it */
};
/* Tokens of the A/V Edge live so long after they were signed. */
enum { CERTIFICATE_TOKEN_HOURS = 8 };
/* What is wrong with the dates: nothing valid for a while, an end before the overlap's. */
void certificate_check_takeover(const struct crypto_cert *fresh, const struct certificate_takeover *t,
                                struct findings *f);
