/*
 * What we say of a message that crosses the border. Inside: where it came from and whether its sender is
 * verified, as ms-edge-proxy-message-trust ([MS-SIPRE] 2.2.15), which clients show. Outside: whether our
 * users are verified, and that messages may be archived, where that is set.
 */
#include "service/access_edge/priv.h"

static const char trust_name[] = "ms-edge-proxy-message-trust";

void vouch_compile(struct edge *e)
{
    static const char *const types[] = {[SOURCE_BY_DNS] = "AutoFederation",
                                        [SOURCE_PINNED] = "DirectPartner",
                                        [SOURCE_PROVIDER] = "AuthorizedServer"};
    for (unsigned type = 0; type < SOURCES; type++)
        for (unsigned verified = 0; verified < 2; verified++)
            for (unsigned cloud = 0; cloud < 2; cloud++)
                e->vouch[type][verified][cloud] =
                    arena_printf(&e->arena,
                                 "ms-source-type=%s;ms-ep-fqdn=" SLICE_FMT
                                 ";ms-source-verified-user=%s;ms-source-network=%s",
                                 types[type], SLICE_ARG(e->machine), verified ? "verified" : "unverified",
                                 cloud ? "publiccloud" : "federation");
}

bool vouch_verified(const struct policy *p, enum rows_said said)
{
    switch (p->verification) {
    case TOPOLOGY_ALWAYS_VERIFIABLE:
        return true;
    case TOPOLOGY_ALWAYS_UNVERIFIABLE:
        return false;
    case TOPOLOGY_USE_SOURCE_VERIFICATION:
        break;
    }
    return said == ROWS_SAID_VERIFIED;
}

bool vouch_identities(const struct policy *p, enum rows_said said)
{
    return vouch_verified(p, said) ||
           (p->verification == TOPOLOGY_USE_SOURCE_VERIFICATION && said == ROWS_SAID_NOTHING);
}

/* What a verified sender is called, for those inside who go by that (RFC 3325 section 5). What the partner
 * asserted itself stands, as far as it was proven. */
static void assert_identity(struct request *rq, const struct sip_msg *m, struct sip_edits *edits)
{
    const struct sip_addr *from = request_from(rq);
    if (m != request_msg(rq) || sip_msg_header(m, SIP_H_P_ASSERTED_IDENTITY) ||
        !slice_caseeq(from->uri.host, passage_of(rq)->partner))
        return;
    sip_edit_end(edits, "P-Asserted-Identity",
                 arena_printf(request_arena(rq), "<" SLICE_FMT ">", SLICE_ARG(from->uri_text)));
}

void vouch_inside(struct request *rq, const struct sip_msg *m, bool verified, struct sip_edits *edits)
{
    const struct passage *p = passage_of(rq);
    struct slice value = p->e->vouch[p->policy.source][verified][p->policy.public_cloud];
    static const struct slice remote = SLICE_INIT(";ms-remote-fqdn=");
    if (p->proof.name.n) { /* which name of the certificate decided */
        char *text = arena_alloc(request_arena(rq), value.n + remote.n + p->proof.name.n), *to = text;
        memcpy(to, value.p, value.n);
        memcpy(to += value.n, remote.p, remote.n);
        memcpy(to += remote.n, p->proof.name.p, p->proof.name.n);
        value = slice_mem(text, (size_t)(to - text) + p->proof.name.n);
    }
    sip_edit_end(edits, trust_name, value);
    if (verified)
        assert_identity(rq, m, edits);
}

void vouch_outside(const struct request *rq, struct sip_edits *edits)
{
    const struct topology_access_edge *a = &passage_of(rq)->e->t->access_edge;
    sip_edit_end(edits, "ms-asserted-verification-level",
                 a->mark_source_verifiable ? SLICE("ms-source-verified-user=verified")
                                           : SLICE("ms-source-verified-user=unverified"));
    if (a->archiving_disclaimer)
        sip_edit_end(edits, "ms-archiving", SLICE("TRUE"));
}
