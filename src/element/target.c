/*
 * Where a request can go (RFC 3263): SRV and address records asked in parallel, put into the order of RFC
 * 2782. A side whose connections are bound to an address of one family uses only addresses of that family.
 */
#include "element/shard.h"

#include "ground/crypto/hash.h"
#include "wire/dns/dns.h"

enum { TARGET_MAX_SRV = 8 };
_Static_assert((int)TARGET_MAX_SRV <= (int)ELEMENT_MAX_TARGETS, "srv_names holds them");

/* One name on the way to addresses. */
struct target_name {
    struct target_query *q;
    struct slice name;
    uint16_t port;
    enum sip_transport transport;
    bool secure_name;
    struct resolver_query *asked[2]; /* A, AAAA */
    struct target_address found[ELEMENT_MAX_TARGETS];
    size_t n;
    bool failed;
};
struct target_query {
    struct shard *s;
    struct arena *a;
    const struct target *t;
    target_done *done;
    srv_done *srv_done;
    void *arg;
    unsigned srv_step; /* which of the services is being asked for */
    struct slice srv_name;
    struct resolver_query *asked;
    struct target_name names[TARGET_MAX_SRV];
    size_t n_names;
    unsigned waiting;
    bool starting; /* answers may come before all questions have been asked */
    bool any_failed;
    struct deferred end;
    enum target_outcome outcome;
    struct target_address *list;
    size_t n_list;
    struct srv_names *srv; /* a look-up of names alone */
};

/* ---------------------------------------------------------------- the end */
void target_cancel(struct target_query *q)
{
    if (!q)
        return;
    deferred_cancel(&q->end);
    resolver_cancel(q->asked);
    for (size_t i = 0; i < q->n_names; i++)
        for (int k = 0; k < 2; k++)
            resolver_cancel(q->names[i].asked[k]);
    mem_free(q);
}

/* The answer is given at the end of the turn: whoever asked has then finished asking. */
static void target_deliver(void *arg)
{
    struct target_query *q = arg;
    target_done *done = q->done;
    srv_done *srv = q->srv_done;
    struct srv_names *names = q->srv;
    enum target_outcome outcome = q->outcome;
    struct target_address *list = q->list;
    size_t n = q->n_list;
    void *to = q->arg;
    mem_free(q);
    if (srv)
        srv(to, names);
    else
        done(to, outcome, list, n);
}

static void target_end(struct target_query *q, enum target_outcome outcome, struct target_address *list,
                       size_t n)
{
    q->outcome = outcome;
    q->list = list;
    q->n_list = n;
    deferred_add(q->s->loop, &q->end);
}

static void target_collect(struct target_query *q)
{
    size_t n = 0, all = 0;
    bool failed = q->any_failed;
    for (size_t i = 0; i < q->n_names; i++)
        all += q->names[i].n;
    struct target_address *list = ARENA_ARRAY(q->a, struct target_address, all + 1);
    for (size_t i = 0; i < q->n_names; i++) {
        failed |= q->names[i].failed;
        for (size_t k = 0; k < q->names[i].n && n < ELEMENT_MAX_TARGETS; k++)
            list[n++] = q->names[i].found[k];
    }
    target_end(q, n ? TARGETS_FOUND : failed ? TARGETS_DNS_FAILED : TARGETS_NONE, list, n);
}

/* The answer may come before the question is out of our hands: then there is nothing to remember. */
static void target_ask(struct target_query *q, struct slice name, uint16_t type, resolver_done *done,
                       void *arg, struct resolver_query **asked)
{
    struct resolver_query *r = resolver_ask(q->s->resolver, name, type, done, arg);
    if (r)
        *asked = r;
}

/* ---------------------------------------------------------------- addresses */
static void target_add(struct target_name *tn, const struct net_addr *addr)
{
    sa_family_t bound = tn->q->s->config->sides[tn->q->t->side].local.sa.sa_family;
    if (tn->n == ELEMENT_MAX_TARGETS || (bound != AF_UNSPEC && bound != addr->sa.sa_family))
        return;
    tn->found[tn->n++] = (struct target_address){
        .addr = *addr, .transport = tn->transport, .name = tn->name, .secure_name = tn->secure_name};
}

static void target_addresses_came(struct target_name *tn, uint16_t type, enum resolver_status status,
                                  struct slice packet)
{
    struct target_query *q = tn->q;
    struct arena a = {0};
    struct dns_message m;
    if (status != RESOLVER_ANSWER || dns_parse(packet, &a, &m) < 0 ||
        (m.rcode != DNS_NOERROR && m.rcode != DNS_NXDOMAIN)) {
        tn->failed = true;
    } else {
        const struct dns_record *rr[ELEMENT_MAX_TARGETS];
        uint32_t ttl;
        size_t n = dns_answers(&m, tn->name, type, rr, ELEMENT_MAX_TARGETS, &ttl);
        for (size_t i = 0; i < n; i++) {
            struct net_addr addr;
            if (net_addr_from_bytes(rr[i]->address, tn->port, &addr) == 0)
                target_add(tn, &addr);
        }
    }
    arena_fini(&a);
    if (--q->waiting == 0 && !q->starting)
        target_collect(q);
}

static void target_a(void *arg, enum resolver_status status, struct slice packet, bool secure)
{
    struct target_name *tn = arg;
    (void)secure;
    tn->asked[0] = NULL;
    target_addresses_came(tn, DNS_A, status, packet);
}

static void target_aaaa(void *arg, enum resolver_status status, struct slice packet, bool secure)
{
    struct target_name *tn = arg;
    (void)secure;
    tn->asked[1] = NULL;
    target_addresses_came(tn, DNS_AAAA, status, packet);
}

static void target_ask_addresses(struct target_query *q)
{
    q->starting = true;
    for (size_t i = 0; i < q->n_names; i++) {
        struct target_name *tn = &q->names[i];
        sa_family_t bound = q->s->config->sides[q->t->side].local.sa.sa_family;
        struct net_addr literal;
        if (net_addr_parse(tn->name, tn->port, &literal) == 0) {
            target_add(tn, &literal);
            continue;
        }
        if (bound != AF_INET6) {
            q->waiting++;
            target_ask(q, tn->name, DNS_A, target_a, tn, &tn->asked[0]);
        }
        if (bound != AF_INET) {
            q->waiting++;
            target_ask(q, tn->name, DNS_AAAA, target_aaaa, tn, &tn->asked[1]);
        }
    }
    q->starting = false;
    if (q->waiting == 0)
        target_collect(q);
}

static void target_name_add(struct target_query *q, struct slice name, uint16_t port,
                            enum sip_transport transport, bool secure_name)
{
    if (q->n_names == TARGET_MAX_SRV)
        return;
    q->names[q->n_names++] = (struct target_name){.q = q,
                                                  .name = arena_copy(q->a, name),
                                                  .port = port,
                                                  .transport = transport,
                                                  .secure_name = secure_name};
}

/* ---------------------------------------------------------------- SRV */
static uint32_t target_random(void *arg)
{
    uint32_t v;
    (void)arg;
    crypto_random(&v, sizeof(v));
    return v;
}

static const struct srv_service {
    const char *prefix;
    enum sip_transport transport;
} target_services[] = {
    {"_sips._tcp.", SIP_TLS},
    {"_sip._tcp.",  SIP_TCP},
    {"_sip._udp.",  SIP_UDP}
};
enum { TARGET_SERVICES = 3 };

static uint16_t target_default_port(enum sip_transport t)
{
    return t == SIP_TLS ? 5061 : 5060;
}

static void target_ask_srv(struct target_query *q);

static void target_names_came(struct target_query *q, const struct dns_record **rr, size_t n, bool secure)
{
    q->srv->secure = secure;
    q->srv->failed = q->any_failed;
    for (size_t i = 0; i < n; i++)
        if (rr[i]->srv.target.n)
            q->srv->names[q->srv->n++] = arena_copy(q->a, rr[i]->srv.target);
    target_end(q, TARGETS_NONE, NULL, 0);
}

static void target_srv_came(void *arg, enum resolver_status status, struct slice packet, bool secure)
{
    struct target_query *q = arg;
    struct arena a = {0};
    struct dns_message m;
    const struct dns_record *rr[TARGET_MAX_SRV];
    uint32_t ttl;
    size_t n = 0;
    bool federation = q->t->kind == TARGET_FEDERATION, none = false;
    q->asked = NULL;
    if (status != RESOLVER_ANSWER || dns_parse(packet, &a, &m) < 0 ||
        (m.rcode != DNS_NOERROR && m.rcode != DNS_NXDOMAIN))
        q->any_failed = true;
    else
        n = dns_answers(&m, q->srv_name, DNS_SRV, rr, TARGET_MAX_SRV, &ttl);
    if (q->srv_done) {
        target_names_came(q, rr, n, secure);
        arena_fini(&a);
        return;
    }
    dns_srv_order(rr, n, target_random, NULL);
    for (size_t i = 0; i < n; i++) {
        none |= rr[i]->srv.target.n == 0; /* "." : the service is decidedly not offered (RFC 2782) */
        if (rr[i]->srv.target.n)
            target_name_add(q, rr[i]->srv.target, rr[i]->srv.port,
                            federation ? SIP_TLS : target_services[q->srv_step].transport,
                            secure || slice_within_domain(rr[i]->srv.target, q->t->host));
    }
    arena_fini(&a);
    if (q->n_names)
        target_ask_addresses(q);
    else if (federation || none)
        target_end(q, q->any_failed ? TARGETS_DNS_FAILED : TARGETS_NONE, NULL, 0);
    else {
        q->srv_step++;
        target_ask_srv(q);
    }
}

/* RFC 3263 4.1 and 4.2, without NAPTR: the services that the URI and the side allow, then the host itself. */
static void target_ask_srv(struct target_query *q)
{
    const struct target *t = q->t;
    if (t->kind == TARGET_FEDERATION) {
        q->srv_name = arena_printf(q->a, "_sipfederationtls._tcp." SLICE_FMT, SLICE_ARG(t->host));
    } else {
        while (q->srv_step < TARGET_SERVICES &&
               (t->transport != SIP_TRANSPORT_OTHER
                    ? target_services[q->srv_step].transport != t->transport
                    : t->sips && target_services[q->srv_step].transport != SIP_TLS))
            q->srv_step++;
        if (q->srv_step == TARGET_SERVICES) {
            enum sip_transport tr = t->transport != SIP_TRANSPORT_OTHER ? t->transport
                                    : t->sips                           ? SIP_TLS
                                                                        : SIP_UDP;
            target_name_add(q, t->host, target_default_port(tr), tr, true);
            target_ask_addresses(q);
            return;
        }
        q->srv_name =
            arena_printf(q->a, "%s" SLICE_FMT, target_services[q->srv_step].prefix, SLICE_ARG(t->host));
    }
    /* dns_answers compares lower case */
    for (size_t i = 0; i < q->srv_name.n; i++)
        ((char *)q->srv_name.p)[i] = text_lower(q->srv_name.p[i]);
    target_ask(q, q->srv_name, DNS_SRV, target_srv_came, q, &q->asked);
}

static void target_by_name(struct target_query *q)
{
    const struct target *t = q->t;
    struct net_addr literal;
    bool is_literal = net_addr_parse(t->host, 0, &literal) == 0;
    if (t->kind == TARGET_NAME && (is_literal || t->port)) {
        enum sip_transport tr = t->transport != SIP_TRANSPORT_OTHER ? t->transport
                                : t->sips                           ? SIP_TLS
                                                                    : SIP_UDP;
        struct slice host = arena_copy(q->a, t->host);
        for (size_t i = 0; i < host.n; i++)
            ((char *)host.p)[i] = text_lower(host.p[i]);
        target_name_add(q, host, t->port ? t->port : target_default_port(tr), tr, true);
        target_ask_addresses(q);
    } else {
        target_ask_srv(q);
    }
}

static struct target_query *target_new(struct shard *s, const struct target *t, struct arena *a, void *arg)
{
    struct target_query *q = MEM_NEW(struct target_query);
    q->s = s;
    q->a = a;
    q->t = t;
    q->arg = arg;
    deferred_init(&q->end, target_deliver, q);
    return q;
}

/* Of a connection that another worker holds, the service may know it. */
static enum sip_transport flow_transport_of(struct shard *s, const struct target *t)
{
    const struct flow *f = t->flow.worker == s->index ? flow_find(s, t->flow) : NULL;
    return f ? f->transport : t->transport == SIP_TLS ? SIP_TLS : SIP_TCP;
}

struct target_query *target_resolve(struct shard *s, const struct target *t, struct arena *a,
                                    target_done *done, void *arg)
{
    if (t->kind == TARGET_FLOW || t->kind == TARGET_ADDRESSES) {
        struct target_address by_flow = {.transport = flow_transport_of(s, t)};
        size_t n = t->kind == TARGET_FLOW ? 1 : t->n_addresses;
        struct target_address *list = ARENA_ARRAY(a, struct target_address, n + 1);
        for (size_t i = 0; i < n; i++)
            list[i] = t->n_addresses > i ? t->addresses[i] : by_flow;
        done(arg, n ? TARGETS_FOUND : TARGETS_NONE, list, n);
        return NULL;
    }
    struct target_query *q = target_new(s, t, a, arg);
    q->done = done;
    target_by_name(q);
    return q;
}

struct target_query *target_lookup_federation(struct shard *s, struct slice domain, struct arena *a,
                                              srv_done *done, void *arg)
{
    struct target *t = ARENA_NEW(a, struct target);
    t->kind = TARGET_FEDERATION;
    t->side = SIDE_EXTERNAL;
    t->host = arena_copy(a, domain);
    struct target_query *q = target_new(s, t, a, arg);
    q->srv = ARENA_NEW(a, struct srv_names);
    q->srv_done = done;
    target_ask_srv(q);
    return q;
}
