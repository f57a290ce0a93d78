/*
 * Where a request can go (RFC 3263): NAPTR where neither transport nor port is known, then SRV, then
 * addresses (asked in parallel), put into the order of RFC 2782. A side whose connections are bound to an
 * address of one family uses only addresses of that family.
 */
#include "element/flow.h"
#include "element/naptr.h"
#include "element/shard.h"
#include "ground/crypto/hash.h"
#include "wire/dns/dns.h"

/* SRV records that are used of one answer, and services (of NAPTR or ours) that are asked for. */
enum { TARGET_MAX_SRV = 8, TARGET_MAX_SERVICES = 6 };
_Static_assert((int)TARGET_MAX_SRV <= (int)ELEMENT_MAX_TARGETS, "srv_names holds them");

/* Addresses are few, and most queries have none before they are over: a list in the arena. */
struct target_found {
    struct target_found *next;
    struct target_address is;
};
/* One name on the way to addresses. */
struct target_name {
    struct target_query *q;
    struct slice name;
    uint16_t port, rank;
    enum sip_transport transport;
    bool secure_name;
    struct resolver_query *asked[2]; /* A, AAAA */
    struct target_found *first, **end;
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
    struct slice host; /* lower case */
    struct target_service services[TARGET_MAX_SERVICES];
    size_t n_services, service; /* the one being asked for */
    bool by_naptr, naptr_secure, no_service;
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
        for (const struct target_found *f = q->names[i].first; f && n < ELEMENT_MAX_TARGETS; f = f->next)
            list[n++] = f->is;
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
/* A whole answer: NOERROR or NXDOMAIN. */
static bool target_answer(enum resolver_status status, struct slice packet, struct arena *a,
                          struct dns_message *ret)
{
    return status == RESOLVER_ANSWER && dns_parse(packet, a, ret) == 0 &&
           (ret->rcode == DNS_NOERROR || ret->rcode == DNS_NXDOMAIN);
}

static void target_add(struct target_name *tn, const struct net_addr *addr)
{
    sa_family_t bound = tn->q->s->config->sides[tn->q->t->side].local.sa.sa_family;
    if (tn->n == ELEMENT_MAX_TARGETS || (bound != AF_UNSPEC && bound != addr->sa.sa_family))
        return;
    struct target_found *f = ARENA_NEW(tn->q->a, struct target_found);
    f->is = (struct target_address){.addr = *addr,
                                    .transport = tn->transport,
                                    .rank = tn->rank,
                                    .name = tn->name,
                                    .secure_name = tn->secure_name};
    *tn->end = f;
    tn->end = &f->next;
    tn->n++;
}

static void target_addresses_came(struct target_name *tn, uint16_t type, enum resolver_status status,
                                  struct slice packet)
{
    struct target_query *q = tn->q;
    struct arena a = {0};
    struct dns_message m;
    if (!target_answer(status, packet, &a, &m)) {
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

static struct target_name *target_name_add(struct target_query *q, struct slice name, uint16_t port,
                                           enum sip_transport transport, bool secure_name)
{
    if (q->n_names == TARGET_MAX_SRV)
        return NULL;
    struct target_name *tn = &q->names[q->n_names];
    *tn = (struct target_name){.q = q,
                               .name = arena_copy(q->a, name),
                               .port = port,
                               .transport = transport,
                               .secure_name = secure_name};
    tn->end = &tn->first;
    q->n_names++;
    return tn;
}

static uint16_t target_default_port(enum sip_transport t)
{
    return t == SIP_TLS ? 5061 : 5060;
}

/* What is asked for by name compares lower case. */
static struct slice target_lower(struct arena *a, struct slice name)
{
    char *lower = arena_cstr(a, name);
    for (char *c = lower; *c; c++)
        *c = text_lower(*c);
    return slice_str(lower);
}

/* ---------------------------------------------------------------- SRV */
static void target_next_service(struct target_query *q);

static uint32_t target_random(void *arg)
{
    uint32_t v;
    (void)arg;
    crypto_random(&v, sizeof(v));
    return v;
}

static void target_names_came(struct target_query *q, const struct dns_record **rr, size_t n, bool secure)
{
    q->srv->secure = secure;
    q->srv->failed = q->any_failed;
    for (size_t i = 0; i < n && q->srv->n < TARGET_MAX_SRV; i++)
        if (rr[i]->srv.target.n)
            q->srv->names[q->srv->n++] = arena_copy(q->a, rr[i]->srv.target);
    target_end(q, TARGETS_NONE, NULL, 0);
}

static void target_use_srv(struct target_query *q, const struct dns_record **rr, size_t n, bool secure)
{
    uint16_t rank = 0;
    dns_srv_order(rr, n, target_random, NULL);
    for (size_t i = 0; i < n; i++) {
        struct slice name = rr[i]->srv.target;
        rank += i && rr[i]->srv.priority != rr[i - 1]->srv.priority;
        q->no_service |= name.n == 0; /* ".": the service is decidedly not offered (RFC 2782) */
        struct target_name *tn =
            name.n ? target_name_add(q, name, rr[i]->srv.port, q->services[q->service].transport,
                                     secure || slice_within_domain(name, q->host))
                   : NULL;
        if (tn)
            tn->rank = rank;
    }
}

static void target_srv_came(void *arg, enum resolver_status status, struct slice packet, bool secure)
{
    struct target_query *q = arg;
    struct arena a = {0};
    struct dns_message m;
    const struct dns_record *rr[DNS_MAX_RECORDS];
    uint32_t ttl;
    size_t n = 0;
    q->asked = NULL;
    if (target_answer(status, packet, &a, &m))
        n = dns_answers(&m, q->services[q->service].name, DNS_SRV, rr, DNS_MAX_RECORDS, &ttl);
    else
        q->any_failed = true;
    if (q->srv_done)
        target_names_came(q, rr, n, secure);
    else
        target_use_srv(q, rr, n, secure && (!q->by_naptr || q->naptr_secure));
    arena_fini(&a);
    if (q->srv_done)
        return;
    if (q->n_names) {
        target_ask_addresses(q);
    } else if (q->any_failed) { /* what is asked next would be weaker: a broken answer must not lead there */
        target_end(q, TARGETS_DNS_FAILED, NULL, 0);
    } else {
        q->service++;
        target_next_service(q);
    }
}

/* The transport of a URI that names none (4.1): UDP, TLS for sips. */
static enum sip_transport target_default_transport(const struct target *t)
{
    return t->transport != SIP_TRANSPORT_OTHER ? t->transport : t->sips ? SIP_TLS : SIP_UDP;
}

/* No SRV record at all: the host's own addresses, by the transport that was chosen before (4.2). */
static void target_host_itself(struct target_query *q)
{
    enum sip_transport tr = q->by_naptr ? q->services[0].transport : target_default_transport(q->t);
    target_name_add(q, q->host, target_default_port(tr), tr, true);
    target_ask_addresses(q);
}

static void target_next_service(struct target_query *q)
{
    struct target_service *sv = &q->services[q->service];
    if (q->service == q->n_services) {
        if (q->no_service)
            target_end(q, TARGETS_NO_SERVICE, NULL, 0);
        else if (q->t->kind == TARGET_FEDERATION)
            target_end(q, TARGETS_NONE, NULL, 0);
        else
            target_host_itself(q);
    } else if (sv->addresses) {
        target_name_add(q, sv->name, target_default_port(sv->transport), sv->transport,
                        q->naptr_secure || slice_within_domain(sv->name, q->host));
        target_ask_addresses(q);
    } else {
        target_ask(q, sv->name, DNS_SRV, target_srv_came, q, &q->asked);
    }
}

/* Without NAPTR: each service that the URI and the side allow, safest first (4.1, 4.2). */
static void target_own_services(struct target_query *q)
{
    static const struct {
        const char *prefix;
        enum sip_transport transport;
    } services[] = {
        {"_sips._tcp.", SIP_TLS},
        {"_sip._tcp.",  SIP_TCP},
        {"_sip._udp.",  SIP_UDP}
    };
    const struct target *t = q->t;
    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
        if (t->transport != SIP_TRANSPORT_OTHER ? services[i].transport == t->transport
                                                : !t->sips || services[i].transport == SIP_TLS)
            q->services[q->n_services++] = (struct target_service){
                .name = arena_printf(q->a, "%s" SLICE_FMT, services[i].prefix, SLICE_ARG(q->host)),
                .transport = services[i].transport};
    target_next_service(q);
}

/* ---------------------------------------------------------------- NAPTR */
/* An answer that fails or names nothing of use leaves the SRV records, which every domain must have beside
 * NAPTR (4.1). */
static void target_naptr_came(void *arg, enum resolver_status status, struct slice packet, bool secure)
{
    struct target_query *q = arg;
    struct arena a = {0};
    struct dns_message m;
    const struct dns_record *rr[DNS_MAX_RECORDS];
    uint32_t ttl;
    q->asked = NULL;
    if (target_answer(status, packet, &a, &m))
        q->n_services =
            naptr_services(q->a, rr, dns_answers(&m, q->host, DNS_NAPTR, rr, DNS_MAX_RECORDS, &ttl),
                           q->t->sips, q->services, TARGET_MAX_SERVICES);
    arena_fini(&a);
    q->by_naptr = q->n_services > 0;
    q->naptr_secure = secure;
    if (q->by_naptr)
        target_next_service(q);
    else
        target_own_services(q);
}

/* ---------------------------------------------------------------- beginning */
static void target_by_federation(struct target_query *q)
{
    q->services[q->n_services++] = (struct target_service){
        .name = arena_printf(q->a, "_sipfederationtls._tcp." SLICE_FMT, SLICE_ARG(q->host)),
        .transport = SIP_TLS};
    target_next_service(q);
}

static void target_by_name(struct target_query *q)
{
    const struct target *t = q->t;
    struct net_addr literal;
    if (net_addr_parse(q->host, 0, &literal) == 0 || t->port) { /* 4.2: no SRV, no NAPTR */
        enum sip_transport tr = target_default_transport(t);
        target_name_add(q, q->host, t->port ? t->port : target_default_port(tr), tr, true);
        target_ask_addresses(q);
    } else if (t->transport == SIP_TRANSPORT_OTHER) {
        target_ask(q, q->host, DNS_NAPTR, target_naptr_came, q, &q->asked);
    } else {
        target_own_services(q);
    }
}

static struct target_query *target_new(struct shard *s, const struct target *t, struct arena *a, void *arg)
{
    struct target_query *q = MEM_NEW(struct target_query);
    q->s = s;
    q->a = a;
    q->t = t;
    q->host = target_lower(a, t->host);
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
    if (t->kind == TARGET_FEDERATION)
        target_by_federation(q);
    else
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
    target_by_federation(q);
    return q;
}
