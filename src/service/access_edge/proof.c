#include "service/access_edge/priv.h"

#include "ground/base/text.h"

struct passage *passage_of(const struct request *rq)
{
    return request_data(rq);
}

bool passage_partner(struct request *rq, struct slice domain)
{
    struct passage *p = passage_of(rq);
    char *lower = arena_cstr(request_arena(rq), domain);
    for (char *c = lower; *c; c++)
        *c = text_lower(*c);
    p->partner = slice_str(lower);
    p->policy = policy_of(p->e->t, p->partner);
    const struct refusal *why = p->policy.refusal;
    if (why)
        request_refuse(rq, why, "domain " SLICE_FMT, SLICE_ARG(p->partner)); /* an ACK is gone now */
    return why == NULL;
}

struct slice proof_describe(struct request *rq)
{
    struct flow *f = request_flow(rq);
    if (!f || !flow_cert(f))
        return SLICE("the connection is gone");
    return arena_printf(request_arena(rq), "certificate of " SLICE_FMT,
                        SLICE_ARG(crypto_cert_describe(flow_cert(f), request_arena(rq))));
}

/* What counts for rule c, and whether it is behind a provider, whose Edge then counts, too: the element asks
 * for the identity by these names when we dial. */
static void targets_that_count(struct passage *p, const struct srv_names *names)
{
    p->dns_failed = names->failed;
    for (size_t i = 0; i < names->n; i++) {
        bool behind = p->policy.perhaps_behind && policy_behind(&p->policy, p->e->t, names->names[i]);
        if (behind ||
            (p->policy.srv_names && identity_target_counts(names->names[i], p->partner, names->secure)))
            p->targets[p->n_targets++] = names->names[i];
        if (behind)
            return;
    }
}

/* What the connection proved before, as far as it says enough now. */
static bool proof_recall(struct request *rq, struct flow *f)
{
    struct passage *p = passage_of(rq);
    if (!peer_recall(p->e, f, p->partner, &p->proof))
        return false;
    p->proof.name = arena_copy(request_arena(rq), p->proof.name); /* the connection may end first */
    if (p->policy.perhaps_behind && p->proof.rule != IDENTITY_CERTIFICATE)
        policy_behind(&p->policy, p->e->t, p->proof.name);
    if (p->policy.provider_only && p->policy.provider.n == 0)
        p->proof.rule = IDENTITY_NONE;
    return p->proof.rule != IDENTITY_NONE;
}

/* By what is known now; remembered when it holds. */
static bool proof_try(struct request *rq, const struct crypto_cert *cert)
{
    struct passage *p = passage_of(rq);
    struct flow *f = request_flow(rq);
    struct identity_claim claim = {.targets = p->targets, .n_targets = p->n_targets};
    bool proven = peer_prove(p->e, f, cert, p->partner, &p->policy, &claim, &p->proof);
    if (proven && p->policy.listed)
        request_trust(rq, p->partner);
    return proven;
}

static void sender_looked_up(struct request *rq, const struct srv_names *names)
{
    struct passage *p = passage_of(rq);
    if (p->over)
        return;
    targets_that_count(p, names);
    proof_try(rq, p->cert);
    p->next(rq);
}

void proof_of_sender(struct request *rq, void (*next)(struct request *rq))
{
    struct passage *p = passage_of(rq);
    struct flow *f = request_flow(rq);
    const struct crypto_cert *cert = f && flow_cert_verdict(f) == CRYPTO_VERIFY_OK ? flow_cert(f) : NULL;
    p->next = next;
    if (f && proof_recall(rq, f)) {
        next(rq);
        return;
    }
    bool asks = p->policy.srv_names || p->policy.perhaps_behind;
    if (cert && !proof_try(rq, cert) && !p->proof.untrusted && asks) {
        p->cert = crypto_cert_ref(cert);
        request_lookup_federation(rq, p->partner, sender_looked_up);
        return;
    }
    next(rq);
}

void passage_over(struct request *rq)
{
    struct passage *p = passage_of(rq);
    if (!p)
        return;
    p->over = true;
    crypto_cert_unref(p->cert);
    p->cert = NULL;
}

static void targets_looked_up(struct request *rq, const struct srv_names *names)
{
    struct passage *p = passage_of(rq);
    if (p->over)
        return;
    targets_that_count(p, names);
    p->next(rq);
}

void proof_targets(struct request *rq, void (*next)(struct request *rq))
{
    struct passage *p = passage_of(rq);
    p->next = next;
    bool asks = p->policy.srv_names || p->policy.perhaps_behind;
    if (asks && !p->policy.pinned.n && !p->policy.provider.n)
        request_lookup_federation(rq, p->partner, targets_looked_up);
    else
        next(rq);
}
