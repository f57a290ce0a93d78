#include "service/access_edge/priv.h"

#include "ground/base/mem.h"
#include "ground/log/log.h"
#include "ground/log/metric.h"

struct peer_entry {
    char *domain, *name;
    enum identity_rule rule;
    uint64_t generation, epoch, until;
    bool monitored;
    struct watch *watch; /* where this connection is counted, or NULL */
    uint64_t account;
};
/* What hangs on a connection. */
struct peer {
    uint64_t generation; /* of `machine`; 0: not looked for yet */
    char *machine;
    struct peer_entry *proven;
    size_t n_proven, next; /* where the next domain goes, when all places are taken */
};

static void peer_entry_clear(struct peer_entry *x)
{
    if (x->watch)
        watch_connection(x->watch, slice_str(x->domain), x->account, -1);
    watch_unref(x->watch);
    mem_free(x->domain);
    mem_free(x->name);
    *x = (struct peer_entry){0};
}

static void peer_free(void *arg)
{
    struct peer *p = arg;
    for (size_t i = 0; i < p->n_proven; i++) {
        const struct peer_entry *x = &p->proven[i];
        if (x->monitored)
            log_event(LOG_INFO, "edge.monitored-connection-ended", FIELDS({"domain", slice_str(x->domain)}),
                      "a connection of the monitored partner %s has ended", x->domain);
        peer_entry_clear(&p->proven[i]);
    }
    mem_free(p->proven);
    mem_free(p->machine);
    mem_free(p);
}

static struct peer *peer_of(struct flow *f)
{
    struct peer *p = flow_data(f);
    if (!p) {
        p = MEM_NEW(struct peer);
        flow_set_data(f, p, peer_free);
    }
    return p;
}

/* ---------------------------------------------------------------- inside */
static struct slice machine_of_cert(const struct topology *t, const struct crypto_cert *cert)
{
    const struct crypto_names *names = crypto_cert_names(cert);
    struct topology_role r;
    for (size_t i = 0; i < names->n_dns; i++)
        if (topology_role_find(t, names->dns[i], &r))
            return r.machine ? r.machine->fqdn : t->central.machine;
    return SLICE_NONE;
}

struct slice peer_machine(const struct edge *e, struct flow *f)
{
    struct peer *p = peer_of(f);
    if (p->generation != e->generation) {
        struct slice found = SLICE_NONE;
        if (flow_transport(f) != SIP_TLS) {
            const struct topology_machine *m = hops_foreign(e->t, flow_transport(f), flow_remote(f));
            found = m ? m->fqdn : SLICE_NONE;
        } else if (flow_cert(f) && flow_cert_verdict(f) == CRYPTO_VERIFY_OK) {
            found = machine_of_cert(e->t, flow_cert(f));
        }
        mem_free(p->machine);
        p->machine = slice_dup(found);
        p->generation = e->generation;
    }
    return slice_str(p->machine);
}

/* ---------------------------------------------------------------- outside */
static struct peer_entry *peer_find(struct peer *p, struct slice domain)
{
    for (size_t i = 0; i < p->n_proven; i++)
        if (p->proven[i].domain && slice_caseeq(slice_str(p->proven[i].domain), domain))
            return &p->proven[i];
    return NULL;
}

/* For most connections one is all there will ever be. */
static struct peer_entry *peer_place(struct peer *p)
{
    if (p->n_proven < PEER_MAX_PROVEN) {
        p->proven = mem_realloc(p->proven, (p->n_proven + 1) * sizeof(*p->proven));
        p->proven[p->n_proven] = (struct peer_entry){0};
        return &p->proven[p->n_proven++];
    }
    struct peer_entry *x = &p->proven[p->next];
    p->next = (p->next + 1) % PEER_MAX_PROVEN;
    return x;
}

bool peer_recall(const struct edge *e, struct flow *f, struct slice domain, struct peer_proof *ret)
{
    struct peer *p = flow_data(f);
    const struct peer_entry *x = p ? peer_find(p, domain) : NULL;
    if (!x || x->generation != e->generation || x->epoch != trusts_epoch(e) ||
        x->until < loop_now(loop_current()))
        return false;
    *ret = (struct peer_proof){.rule = x->rule, .name = slice_str(x->name)};
    return true;
}

static void peer_log(struct flow *f, struct slice domain, const struct peer_proof *proof)
{
    char addr[NET_ADDR_TEXT];
    struct arena a = {0};
    struct slice cert = crypto_cert_describe(flow_cert(f), &a);
    if (flow_may_tell(f, "edge.identity-proven"))
        log_event(LOG_INFO, "edge.identity-proven",
                  FIELDS({"peer", net_addr_text(flow_remote(f), addr)}, {"domain", domain},
                         {"rule", slice_str(identity_rule_letter(proof->rule))}, {"name", proof->name},
                         {"certificate", cert}, {"dialled", flow_dialled_name(f)}),
                  SLICE_FMT " is proven by certificate " SLICE_FMT ": %s", SLICE_ARG(domain), SLICE_ARG(cert),
                  identity_rule_text(proof->rule));
    arena_fini(&a);
    switch (proof->rule) {
    case IDENTITY_CERTIFICATE:
        METRIC_COUNT("edge.proven-by-certificate");
        break;
    case IDENTITY_PINNED:
    case IDENTITY_PROVIDER:
        METRIC_COUNT("edge.proven-by-pin");
        break;
    case IDENTITY_SRV:
        METRIC_COUNT("edge.proven-by-srv");
        break;
    case IDENTITY_NONE:
        break;
    }
}

static void peer_remember(const struct edge *e, struct flow *f, struct slice domain,
                          const struct peer_proof *proof, uint64_t epoch, uint64_t until, bool monitored)
{
    struct peer *p = peer_of(f);
    struct peer_entry *x = peer_find(p, domain);
    if (!x)
        x = peer_place(p);
    bool known = x->domain && x->rule == proof->rule && slice_caseeq(slice_str(x->domain), domain) &&
                 slice_caseeq(slice_str(x->name), proof->name);
    if (!known) {
        peer_entry_clear(x);
        x->domain = slice_dup(domain);
        x->name = slice_dup(proof->name);
        x->rule = proof->rule;
        peer_log(f, domain, proof);
    }
    x->monitored = monitored;
    x->generation = e->generation;
    x->epoch = epoch;
    uint64_t srv = loop_now(loop_current()) + PEER_SRV_MS;
    x->until = proof->rule == IDENTITY_SRV && srv < until ? srv : until;
}

bool peer_prove(const struct edge *e, struct flow *f, const struct crypto_cert *cert, struct slice domain,
                const struct policy *policy, struct identity_claim *claim, struct peer_proof *ret)
{
    uint64_t until, epoch = trusts_epoch(e);
    claim->domain = policy->provider_only ? SLICE_NONE : domain;
    claim->names = crypto_cert_names(cert);
    claim->pinned = policy->pinned;
    claim->provider = policy->provider;
    claim->wildcards = policy->wildcards;
    *ret = (struct peer_proof){0};
    ret->rule = identity_prove(claim, &ret->name);
    if (ret->rule == IDENTITY_NONE)
        return false;
    if (ret->rule == IDENTITY_PROVIDER && policy->perhaps_behind)
        ret->rule = IDENTITY_SRV; /* it was DNS that said so, which is remembered for a while only */
    const struct refusal *why = trusts_judge(e, policy, cert, &until);
    if (why) {
        *ret = (struct peer_proof){.untrusted = why};
        return false;
    }
    if (f)
        peer_remember(e, f, domain, ret, epoch, until, policy->monitored);
    return true;
}

void peer_count(const struct edge *e, struct flow *f, struct slice domain, uint64_t account)
{
    struct peer *p = flow_data(f);
    struct peer_entry *x = p ? peer_find(p, domain) : NULL;
    if (!x || x->account == account)
        return;
    if (x->watch)
        watch_connection(x->watch, domain, x->account, -1);
    watch_connection(e->watch, domain, account, 1);
    x->watch = x->watch ? x->watch : watch_ref(e->watch);
    x->account = account;
}

struct slice peer_identity(struct arena *a, struct slice domain, const struct slice *targets, size_t n)
{
    struct buf b = {0};
    if (n == 0)
        return arena_copy(a, domain);
    buf_append(&b, domain);
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, " " SLICE_FMT, SLICE_ARG(targets[i]));
    struct slice s = arena_copy(a, buf_slice(&b));
    buf_fini(&b);
    return s;
}

static bool peer_covers_machine(const struct edge *e, struct flow *f, struct slice machine)
{
    struct hops h;
    size_t index;
    if (crypto_cert_names_host(flow_cert(f), machine))
        return true;
    return hops_of_machine(e->t, machine, &h, &index) && crypto_cert_names_host(flow_cert(f), h.pool);
}

bool peer_covers(const struct edge *e, struct flow *f, struct slice identity)
{
    if (!flow_cert(f) || flow_cert_verdict(f) != CRYPTO_VERIFY_OK)
        return false;
    if (flow_side(f) == SIDE_INTERNAL)
        return peer_covers_machine(e, f, identity);
    struct slice targets[ELEMENT_MAX_TARGETS], domain = identity, rest = SLICE_NONE;
    struct identity_claim claim = {.targets = targets};
    slice_cut(identity, ' ', &domain, &rest);
    struct peer_proof proof = {0};
    if (peer_recall(e, f, domain, &proof))
        return true;
    while (rest.n && claim.n_targets < ELEMENT_MAX_TARGETS) {
        struct slice one = rest;
        if (!slice_cut(rest, ' ', &one, &rest))
            rest = SLICE_NONE;
        targets[claim.n_targets++] = one;
    }
    struct policy policy = policy_of(e->t, domain);
    for (size_t i = 0; policy.perhaps_behind && !policy.provider.n && i < claim.n_targets; i++)
        policy_behind(&policy, e->t, targets[i]);
    return peer_prove(e, f, flow_cert(f), domain, &policy, &claim, &proof);
}
