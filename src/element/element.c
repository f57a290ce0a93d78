#include "element/flow.h"
#include "element/shard.h"

#include "ground/crypto/hash.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define REFUSAL_ROW(name, id, status, number, guilty, text, remedy)                                          \
    const struct refusal REFUSE_##name = {id, status, number, guilty, text, remedy};
ELEMENT_REFUSALS(REFUSAL_ROW)

/* ---------------------------------------------------------------- configuration */
struct element_config *element_config_new(void)
{
    struct element_config *c = MEM_NEW(struct element_config);
    c->refs = 1;
    c->times = siptxn_rfc_times;
    c->attempt_ms = 6000;
    c->attempts_max = 4;
    c->connect_ms = 3000;
    c->timer_c_ms = 185000;
    c->connections_per_destination = 4;
    c->health = (struct health_times){
        .probe_ms = 30000, .probe_timeout_ms = 3000, .block_ms = 1000, .block_max_ms = 60000};
    c->linger_ms = 10000;
    c->idle_close_ms = 3000;
    c->limits = ELEMENT_LIMITS_DEFAULT;
    return c;
}

struct element_config *element_config_ref(struct element_config *c)
{
    atomic_fetch_add(&c->refs, 1);
    return c;
}

void element_config_unref(struct element_config *c)
{
    if (!c || atomic_fetch_sub(&c->refs, 1) != 1)
        return;
    if (c->service_free)
        c->service_free(c->service);
    for (size_t i = 0; i < c->n_listeners; i++)
        tls_ctx_unref(c->listeners[i].tls);
    for (int i = 0; i < SIDES; i++)
        tls_ctx_unref(c->sides[i].client_tls);
    journal_unref(c->access.journal);
    arena_fini(&c->arena);
    mem_free(c);
}

/* ---------------------------------------------------------------- ports */
static void port_accepted(void *arg, int fd, const struct net_addr *remote)
{
    struct port *p = arg;
    if (p->live)
        flow_accept(p, fd, remote);
    else
        close(fd); /* of a configuration that never ran */
}

static void port_received(struct udp *u, void *arg, struct slice datagram, const struct net_addr *from)
{
    struct port *p = arg;
    (void)u;
    if (!p->live)
        return; /* it comes again */
    if (datagram.n <= 4 && slice_trim(datagram).n == 0)
        return; /* keep-alive */
    struct source src = {.s = p->s, .port = p, .from = *from, .side = p->is.side, .transport = SIP_UDP};
    ingress_message(&src, datagram);
}

static const struct listener_ops port_listener_ops = {port_accepted};
static const struct udp_ops port_udp_ops = {port_received};

/* Who came by it is answered no more. */
static void port_forget(struct port *p)
{
    LIST_FOR(it, &p->s->requests)
    {
        struct request *rq = LIST_ENTRY(it, struct request, link);
        if (rq->src.port == p)
            rq->src.port = NULL;
    }
    accepted_port_gone(p->s, p);
}

static void port_free(struct port *p)
{
    if (p->udp)
        port_forget(p);
    list_unlink(&p->link);
    listener_free(p->tcp);
    udp_free(p->udp);
    element_config_unref(p->config);
    mem_free(p);
}

static void port_set_config(struct port *p, struct element_config *c, const struct element_listener *is)
{
    struct element_config *old = p->config;
    p->config = element_config_ref(c);
    p->is = *is;
    element_config_unref(old);
}

static int port_new(struct shard *s, struct element_config *c, const struct element_listener *is,
                    struct port **ret)
{
    struct port *p = MEM_NEW(struct port);
    p->s = s;
    int r = is->transport == SIP_UDP ? udp_new(s->loop, &is->addr, &port_udp_ops, p, &p->udp)
                                     : listener_new(s->loop, &is->addr, &port_listener_ops, p, &p->tcp);
    if (r < 0) {
        mem_free(p);
        return r;
    }
    if (p->tcp)
        listener_hold(p->tcp, true);
    port_set_config(p, c, is);
    *ret = p;
    return 0;
}

static void port_go_live(struct port *p)
{
    if (p->tcp && !p->live)
        listener_hold(p->tcp, false);
    p->live = true;
}

static struct port *port_same(struct list *ports, const struct element_listener *is)
{
    LIST_FOR(it, ports)
    {
        struct port *p = LIST_ENTRY(it, struct port, link);
        if (p->is.transport == is->transport && net_addr_eq(&p->is.addr, &is->addr))
            return p;
    }
    return NULL;
}

/* ---------------------------------------------------------------- applying a configuration */
/* First every shard opens what is new; when all could, all switch; else all drop what they opened. */
struct apply;
struct apply_mail {
    struct mail mail;
    struct apply *apply;
    struct shard *s;
};
struct apply {
    struct mail answer;
    struct element *e;
    struct element_config *config;
    struct loop *back;
    element_applied *done;
    void *arg;
    atomic_uint waiting;
    atomic_int error;
    char text[160];
    struct apply_mail mails[];
};

static void apply_done(struct mail *m, struct loop *to)
{
    struct apply *a = (struct apply *)m;
    (void)to;
    a->done(a->arg, a->error, a->text);
    element_config_unref(a->config);
    mem_free(a);
}

/* One that is asked no more; it goes when what it was asked has been answered. */
struct retired_resolver {
    struct list link; /* in shard.retired */
    struct timer timer;
    struct shard *s;
    struct resolver *resolver;
};
enum { RETIRED_LOOK_MS = 100 };

static void retired_free(struct retired_resolver *r)
{
    timer_stop(&r->timer);
    list_unlink(&r->link);
    resolver_free(r->resolver);
    mem_free(r);
}

static void retired_look(void *arg)
{
    struct retired_resolver *r = arg;
    if (resolver_is_busy(r->resolver)) /* each question ends by itself: RESOLVER_TIMEOUT_MS */
        timer_start(&r->timer, loop_now(r->s->loop) + RETIRED_LOOK_MS);
    else
        retired_free(r);
}

static void resolver_retire(struct shard *s)
{
    struct retired_resolver *r = MEM_NEW(struct retired_resolver);
    r->s = s;
    r->resolver = s->resolver;
    list_push_back(&s->retired, &r->link);
    timer_init(&r->timer, s->loop, retired_look, r);
    retired_look(r);
}

static bool resolver_same(const struct resolver_config *a, const struct resolver_config *b)
{
    if (a->n_servers != b->n_servers || a->validate != b->validate || a->stale_ms != b->stale_ms ||
        a->records != b->records)
        return false;
    for (size_t i = 0; i < a->n_servers; i++)
        if (!net_addr_eq(&a->servers[i], &b->servers[i]))
            return false;
    return slice_eq(slice_str(a->trust_anchor), slice_str(b->trust_anchor));
}

/* Questions under way are answered by the resolver that was asked. */
static void resolver_switch(struct shard *s, const struct element_config *c)
{
    if (s->resolver && s->config && resolver_same(&s->config->resolver, &c->resolver))
        return;
    if (s->resolver)
        resolver_retire(s);
    s->resolver = resolver_new(s->loop, &c->resolver);
}

static void apply_switch(struct shard *s, struct element_config *c)
{
    struct list old = LIST_INIT(old);
    LIST_FOR(it, &s->ports)
    {
        list_unlink(it);
        list_push_back(&old, it);
    }
    for (size_t i = 0; i < c->n_listeners && !c->stopping; i++) {
        struct port *p = port_same(&old, &c->listeners[i]);
        if (!p)
            p = port_same(&s->next_ports, &c->listeners[i]);
        if (!p)
            continue;
        port_set_config(p, c, &c->listeners[i]);
        list_unlink(&p->link);
        list_push_back(&s->ports, &p->link);
    }
    resolver_switch(s, c);
    if (s->index == 0)
        destinations_watch(s->e->destinations, c->watched, c->n_watched, loop_now(s->loop));
    struct element_config *before = s->config;
    s->config = element_config_ref(c);
    s->epoch++;
    LIST_FOR(it, &s->ports)
    port_go_live(LIST_ENTRY(it, struct port, link));
    LIST_FOR(it, &old) /* what waits in their queues is accepted under the new configuration */
    port_free(LIST_ENTRY(it, struct port, link));
    element_config_unref(before);
}

static void apply_second(struct mail *m, struct loop *to)
{
    struct apply_mail *am = (struct apply_mail *)m;
    struct apply *a = am->apply;
    (void)to;
    if (a->error == 0)
        apply_switch(am->s, a->config);
    LIST_FOR(it, &am->s->next_ports)
    port_free(LIST_ENTRY(it, struct port, link));
    if (atomic_fetch_sub(&a->waiting, 1) == 1)
        loop_post(a->back, &a->answer);
}

static void apply_post(struct apply *a, void (*deliver)(struct mail *, struct loop *))
{
    struct element *e = a->e;
    unsigned n = e->n;
    a->waiting = n;
    for (unsigned i = 0; i < n; i++) { /* the last post may end the apply before it returns */
        a->mails[i].mail.deliver = deliver;
        loop_post(e->shards[i]->loop, &a->mails[i].mail);
    }
}

static void apply_first(struct mail *m, struct loop *to)
{
    struct apply_mail *am = (struct apply_mail *)m;
    struct apply *a = am->apply;
    struct element_config *c = a->config;
    (void)to;
    for (size_t i = 0; i < c->n_listeners && !c->stopping && a->error == 0; i++) {
        struct port *p;
        if (port_same(&am->s->ports, &c->listeners[i]))
            continue;
        int r = port_new(am->s, c, &c->listeners[i], &p), none = 0;
        if (r == 0) {
            list_push_back(&am->s->next_ports, &p->link);
        } else if (atomic_compare_exchange_strong(&a->error, &none, r)) {
            char addr[NET_ADDR_TEXT];
            struct slice at = net_addr_text(&c->listeners[i].addr, addr);
            snprintf(a->text, sizeof(a->text), "cannot listen on %s " SLICE_FMT ": %s",
                     sip_transport_name(c->listeners[i].transport), SLICE_ARG(at), strerror(-r));
        }
    }
    if (atomic_fetch_sub(&a->waiting, 1) == 1)
        apply_post(a, apply_second);
}

/* Every connection is a descriptor; a tenth is left for what we dial, databases and logs. */
static void limits_fit(struct element_limits *l)
{
    struct rlimit files;
    uint64_t most = UINT32_MAX;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY)
        most = files.rlim_cur - files.rlim_cur / 10;
    if (l->connections == 0 || l->connections > most)
        l->connections = (uint32_t)(most < UINT32_MAX ? most : UINT32_MAX);
}

void element_apply(struct element *e, struct element_config *c, struct loop *back, element_applied *done,
                   void *arg)
{
    struct apply *a = mem_zalloc(sizeof(*a) + e->n * sizeof(a->mails[0]));
    a->answer.deliver = apply_done;
    a->e = e;
    a->config = element_config_ref(c);
    limits_fit(&c->limits);
    a->back = back;
    a->done = done;
    a->arg = arg;
    for (unsigned i = 0; i < e->n; i++) {
        a->mails[i].apply = a;
        a->mails[i].s = e->shards[i];
    }
    apply_post(a, apply_first);
}

/* ---------------------------------------------------------------- life */
enum { HOUSEKEEPING_MS = 200 };

static void shard_housekeeping(void *arg)
{
    struct shard *s = arg;
    uint64_t now = loop_now(s->loop);
    if (s->housekeeping.at && now >= s->housekeeping.at)
        account_lag(s, (now - s->housekeeping.at) * 1000);
    flow_housekeeping(s);
    if (s->config)
        overload_housekeeping(s, now);
    probe_tick(s);
    timer_start(&s->housekeeping, now + HOUSEKEEPING_MS);
}

static void shard_started(struct mail *m, struct loop *to)
{
    struct apply_mail *am = (struct apply_mail *)m;
    (void)to;
    shard_housekeeping(am->s);
    mem_free(am);
}

static struct shard *shard_new(struct element *e, unsigned index)
{
    struct shard *s = MEM_NEW(struct shard);
    s->e = e;
    s->index = index;
    s->loop = workers_loop(e->team, index);
    list_init(&s->ports);
    list_init(&s->next_ports);
    list_init(&s->flows);
    list_init(&s->requests);
    list_init(&s->idle_requests);
    overload_init(s);
    list_init(&s->retired);
    accepted_init(s);
    trace_init(&s->trace);
    s->accounts = accounts_new();
    crypto_random(&s->branch_counter, sizeof(s->branch_counter));
    timer_init(&s->housekeeping, s->loop, shard_housekeeping, s);
    struct apply_mail *m = MEM_NEW(struct apply_mail);
    m->mail.deliver = shard_started;
    m->s = s;
    loop_post(s->loop, &m->mail);
    return s;
}

struct element *element_new(struct workers *team, const char *machine_fqdn)
{
    struct element *e = MEM_NEW(struct element);
    unsigned char hash[CRYPTO_SHA256];
    e->team = team;
    e->n = workers_count(team);
    snprintf(e->machine, sizeof(e->machine), "%s", machine_fqdn);
    crypto_sha256(slice_str(machine_fqdn), hash);
    memcpy(&e->machine_hash, hash, sizeof(e->machine_hash));
    crypto_random(e->secret, sizeof(e->secret));
    e->sources = sources_new();
    e->names = account_names_new();
    e->destinations = destinations_new();
    e->shards = mem_zalloc(e->n * sizeof(struct shard *));
    for (unsigned i = 0; i < e->n; i++)
        e->shards[i] = shard_new(e, i);
    return e;
}

static void shard_free(struct shard *s)
{
    timer_stop(&s->housekeeping);
    LIST_FOR(it, &s->ports)
    port_free(LIST_ENTRY(it, struct port, link));
    LIST_FOR(it, &s->flows)
    flow_end(LIST_ENTRY(it, struct flow, link), "the process ends");
    LIST_FOR(it, &s->requests)
    request_free(LIST_ENTRY(it, struct request, link));
    client_free_all(s);
    accepted_fini(s);
    LIST_FOR(it, &s->idle_requests)
    {
        struct request *rq = LIST_ENTRY(it, struct request, link);
        arena_fini(&rq->arena);
        buf_fini(&rq->last);
        buf_fini(&rq->best);
        mem_free(rq);
    }
    overload_fini(s);
    LIST_FOR(it, &s->retired)
    retired_free(LIST_ENTRY(it, struct retired_resolver, link));
    resolver_free(s->resolver);
    element_config_unref(s->config);
    map_fini(&s->pool);
    map_fini(&s->servers);
    map_fini(&s->clients);
    map_fini(&s->relayed);
    arena_fini(&s->scratch);
    trace_fini(&s->trace);
    accounts_free(s->accounts);
    mem_free(s->slots);
    mem_free(s);
}

void element_free(struct element *e)
{
    if (!e)
        return;
    /* Mail between the shards first, with what it causes; then nothing new is sent. */
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < e->n; i++)
            loop_drain(e->shards[i]->loop);
    e->ending = true;
    for (unsigned i = 0; i < e->n; i++)
        shard_free(e->shards[i]);
    for (unsigned i = 0; i < e->n; i++)
        loop_drain(workers_loop(e->team, i));
    sources_free(e->sources);
    destinations_free(e->destinations);
    mem_free(e->shards);
    account_names_free(e->names);
    mem_free(e);
}

void element_load(struct element *e, struct element_load *ret)
{
    struct element_load l = {.dialog_requests_ago_ms = UINT64_MAX, .last_request_ago_ms = UINT64_MAX};
    uint64_t now = (uint64_t)loop_wall(), last = 0, dialog = 0;
    for (unsigned i = 0; i < e->n; i++) {
        struct shard *s = e->shards[i];
        l.requests += atomic_load(&s->load_requests);
        l.connections += atomic_load(&s->load_flows);
        l.accepted += atomic_load(&s->load_accepted);
        l.accepted_bytes += atomic_load(&s->load_accepted_bytes);
        uint64_t r = atomic_load(&s->last_request_ms), d = atomic_load(&s->last_dialog_ms);
        last = r > last ? r : last;
        dialog = d > dialog ? d : dialog;
    }
    if (last)
        l.last_request_ago_ms = now > last ? now - last : 0;
    if (dialog)
        l.dialog_requests_ago_ms = now > dialog ? now - dialog : 0;
    *ret = l;
}

size_t element_destinations(struct element *e, uint64_t now, struct arena *a,
                            struct element_destination **ret)
{
    return destinations_list(e->destinations, now, a, ret);
}

/* ---------------------------------------------------------------- trace over all shards */
enum { TRACE_FOUND_MAX = 400 };
struct traced {
    struct mail mail;
    struct element *e;
    struct loop *back;
    element_traced *done;
    void *arg;
    uint64_t call_hash;
    unsigned next;
    size_t n;
    struct trace_found found[TRACE_FOUND_MAX];
};

static int trace_order(const void *a, const void *b)
{
    int64_t x = ((const struct trace_found *)a)->wall_us, y = ((const struct trace_found *)b)->wall_us;
    return (x > y) - (x < y);
}

static void trace_answer(struct mail *m, struct loop *to)
{
    struct traced *t = (struct traced *)m;
    (void)to;
    qsort(t->found, t->n, sizeof(t->found[0]), trace_order);
    t->done(t->arg, t->found, t->n, t->n == TRACE_FOUND_MAX);
    mem_free(t);
}

static void trace_collect(struct mail *m, struct loop *to)
{
    struct traced *t = (struct traced *)m;
    struct shard *s = t->e->shards[t->next++];
    (void)to;
    t->n += trace_find(&s->trace, t->call_hash, t->found + t->n, TRACE_FOUND_MAX - t->n);
    if (t->next < t->e->n) {
        loop_post(t->e->shards[t->next]->loop, &t->mail);
    } else {
        t->mail.deliver = trace_answer;
        loop_post(t->back, &t->mail);
    }
}

void element_trace(struct element *e, struct slice call_id, struct loop *back, element_traced *done,
                   void *arg)
{
    struct traced *t = MEM_NEW(struct traced);
    t->mail.deliver = trace_collect;
    t->e = e;
    t->back = back;
    t->done = done;
    t->arg = arg;
    t->call_hash = slice_hash(call_id);
    loop_post(e->shards[0]->loop, &t->mail);
}
