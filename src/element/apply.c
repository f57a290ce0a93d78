/* See apply.h. */
#include "element/apply.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "element/port.h"

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

void apply_fini(struct shard *s)
{
    LIST_FOR(it, &s->retired)
    retired_free(LIST_ENTRY(it, struct retired_resolver, link));
    resolver_free(s->resolver);
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
    struct resolver_config config = c->resolver;
    config.shared = s->e->old_answers;
    s->resolver = resolver_new(s->loop, &config);
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
