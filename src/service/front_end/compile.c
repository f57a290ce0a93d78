/* A revision of the topology, made into the element_config of a Front End machine. */
#include "service/front_end/priv.h"
#include "service/front_end/routes.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "ground/base/mem.h"
#include "ground/crypto/hash.h"

enum { ERROR_TEXT = 256, DNS_PORT = 53 };

/* ---------------------------------------------------------------- state of the process */
/* Lives as long as any config does: a new revision is compiled while the one before it is still held. */
struct front_end_state {
    unsigned refs;
    int64_t began_ms, began_mono_ms;
    struct nonce_counts *counts;
};
static pthread_mutex_t state_lock = PTHREAD_MUTEX_INITIALIZER;
static struct front_end_state *state;

static int64_t mono_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct front_end_state *front_end_state_get(void)
{
    pthread_mutex_lock(&state_lock);
    if (!state) {
        state = MEM_NEW(struct front_end_state);
        state->began_ms = loop_wall();
        state->began_mono_ms = mono_ms();
        state->counts = nonce_counts_new(state->began_ms);
    }
    state->refs++;
    struct front_end_state *s = state;
    pthread_mutex_unlock(&state_lock);
    return s;
}

void front_end_state_put(struct front_end_state *s)
{
    pthread_mutex_lock(&state_lock);
    bool last = s && --s->refs == 0;
    if (last)
        state = NULL;
    pthread_mutex_unlock(&state_lock);
    if (!last)
        return;
    nonce_counts_free(s->counts);
    mem_free(s);
}

struct nonce_counts *front_end_counts(struct front_end_state *s)
{
    return s->counts;
}

int64_t front_end_now(const struct front_end_state *s)
{
    return s->began_ms + mono_ms() - s->began_mono_ms;
}

/* ---------------------------------------------------------------- parts of the config */
static void front_end_free(void *service)
{
    struct front_end *fe = service;
    if (!fe)
        return;
    front_end_state_put(fe->state);
    topology_unref(fe->t);
    mem_wipe(fe, sizeof(*fe));
    mem_free(fe);
}

static struct front_end *front_end_new(const struct topology *t, const struct topology_role *role,
                                       const struct front_end_self *self)
{
    struct front_end *fe = MEM_NEW(struct front_end);
    struct slice secret = slice_mem(self->nonce_key, sizeof(self->nonce_key));
    fe->t = topology_ref((struct topology *)t);
    fe->role = *role;
    fe->pool = role->front_end;
    fe->site = topology_site_find(t, fe->pool->site);
    fe->directory = self->directory;
    fe->location = self->location;
    fe->state = front_end_state_get();
    nonce_key_init(secret, &fe->nonce_key);
    crypto_derive(secret, SLICE("front end: dialog tokens"), fe->token_key, sizeof(fe->token_key));
    return fe;
}

static void add_listener(struct element_config *c, const struct net_addr *at, enum sip_transport transport,
                         int64_t port, struct tls_ctx *tls)
{
    if (port == 0)
        return;
    struct element_listener *l = &c->listeners[c->n_listeners++];
    *l = (struct element_listener){.side = SIDE_INTERNAL,
                                   .transport = transport,
                                   .addr = *at,
                                   .tls = tls,
                                   .host = c->machine,
                                   .port = (uint16_t)port};
    net_addr_set_port(&l->addr, l->port);
}

static void set_times(struct element_config *c, const struct topology_deployment *d)
{
    c->attempt_ms = (uint32_t)d->attempt_ms;
    c->attempts_max = (uint32_t)d->attempts_max;
    c->connect_ms = (uint32_t)d->connect_ms;
    c->timer_c_ms = (uint32_t)d->timer_c_s * 1000;
    c->connections_per_destination = (uint32_t)d->connections_per_partner;
    c->health = (struct health_times){.probe_ms = (uint32_t)d->probe_interval_s * 1000,
                                      .probe_timeout_ms = (uint32_t)d->probe_timeout_ms,
                                      .block_ms = (uint32_t)d->block_ms,
                                      .block_max_ms = (uint32_t)d->block_max_s * 1000};
    c->linger_ms = (uint32_t)d->drain_linger_s * 1000;
    c->idle_close_ms = (uint32_t)d->idle_close_s * 1000;
}

static int set_resolver(struct element_config *c, const struct topology_deployment *d, char *error)
{
    struct resolver_config *r = &c->resolver;
    for (size_t i = 0; i < d->dns_servers.n && r->n_servers < RESOLVER_MAX_SERVERS; i++) {
        struct slice text = d->dns_servers.items[i];
        if (net_addr_parse_port(text, DNS_PORT, &r->servers[r->n_servers]) < 0) {
            snprintf(error, ERROR_TEXT, "deployment/dns_servers: '" SLICE_FMT "' is no address.",
                     SLICE_ARG(text));
            return -EINVAL;
        }
        r->n_servers++;
    }
    r->stale_ms = (uint64_t)d->dns_stale_s * 1000;
    r->validate = d->dnssec;
    r->trust_anchor = d->dnssec_anchor.n ? arena_cstr(&c->arena, d->dnssec_anchor) : NULL;
    return 0;
}

/* Clients need no certificate, so anything goes on the way in; who is a machine is seen by what it proved. */
static int make_tls(const struct front_end_self *self, struct tls_ctx **ret_server,
                    struct tls_ctx **ret_client, char *error)
{
    struct tls_config config = {.server = true,
                                .key = self->key,
                                .cert = self->cert,
                                .trust = self->internal_trust,
                                .peer = TLS_PEER_OPTIONAL};
    int r = tls_ctx_new(&config, ret_server);
    config.server = false;
    config.peer = TLS_PEER_REQUIRED;
    config.resume = true; /* Edges let their sessions be resumed */
    if (r == 0 && (r = tls_ctx_shared(&config, ret_client)) < 0)
        tls_ctx_unref(*ret_server);
    if (r < 0)
        snprintf(error, ERROR_TEXT, "The internal certificate of " SLICE_FMT " cannot be used: %s.",
                 SLICE_ARG(self->machine), crypto_error());
    return r < 0 ? -EINVAL : 0;
}

/* The machines of the site's federation route are probed always, whatever traffic there is. */
static void set_probes(struct element_config *c, const struct front_end *fe)
{
    struct slice route = fe->site ? topology_federation_route(fe->t, fe->site) : SLICE_NONE;
    struct target_address *to;
    c->n_watched = routes_to(fe->t, NULL, route, 0, &c->arena, &to);
    for (size_t i = 0; i < c->n_watched; i++)
        c->watched[i] = to[i];
    c->sides[SIDE_INTERNAL].probe_from = arena_printf(&c->arena, "sip:" SLICE_FMT, SLICE_ARG(c->machine));
}

int front_end_compile(const struct topology *t, const struct material *m, const struct front_end_self *self,
                      struct element_config *c, char *error)
{
    struct topology_role role;
    struct tls_ctx *server = NULL, *client = NULL;
    struct net_addr at;
    (void)m; /* nothing of it is for Front Ends */
    if (!topology_role_find(t, self->machine, &role) || !role.front_end) {
        snprintf(error, ERROR_TEXT, SLICE_FMT " is of no Front End pool.", SLICE_ARG(self->machine));
        return -ENOENT;
    }
    if (net_addr_parse(role.internal_address, 0, &at) < 0) {
        snprintf(error, ERROR_TEXT, "internal_address '" SLICE_FMT "' is no address.",
                 SLICE_ARG(role.internal_address));
        return -EINVAL;
    }
    int r = set_resolver(c, &t->deployment, error);
    if (r == 0)
        r = make_tls(self, &server, &client, error);
    if (r < 0)
        return r;
    c->machine = arena_copy(&c->arena, role.machine->fqdn);
    set_times(c, &t->deployment);
    add_listener(c, &at, SIP_TLS, role.front_end->sip_port, server);
    add_listener(c, &at, SIP_TCP, role.front_end->client_tcp_port, NULL);
    add_listener(c, &at, SIP_UDP, role.front_end->client_udp_port, NULL);
    c->sides[SIDE_INTERNAL] = (struct element_side){.client_tls = client, .local = at};
    c->ops = &front_end_ops;
    c->service = front_end_new(t, &role, self);
    c->service_free = front_end_free;
    set_probes(c, c->service);
    return 0;
}
